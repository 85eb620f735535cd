"""Write validation reports for the real tables.

One model is trained on Kepler giants, dwarfs and members of star clusters, as in the paper (section 4.1). Its
catalogues of four tables are checked: those of the three tables by out-of-fold predictions, K2 giants as new stars.
Run ``python examples/validate_real_tables.py --out FOLDER`` for all four, or name the tables:
``python examples/validate_real_tables.py k2_giants --out FOLDER``. The model is kept in the folder and used again.
``--train`` names other tables to train on; ``--markdown`` prints the summaries in the form of docs/validation.md.

Needs the real tables: SKDISTMASS_DATA names their folder.
"""

import argparse
import shlex
import sys
import warnings
from collections import Counter
from dataclasses import replace
from pathlib import Path

from real_tables import real_table

from skdistmass import DistMassModel, ExtinctionChoice, load_model
from skdistmass.exceptions import RowsLeftOutWarning
from skdistmass.surveys import read_survey, stack_stars
from skdistmass.validation import write_report

TABLES = ("kepler_giants", "k2_giants", "dwarfs", "cluster_members")
TITLES = {
    "kepler_giants": "Kepler giants",
    "k2_giants": "K2 giants",
    "dwarfs": "Dwarfs and subgiants",
    "cluster_members": "Members of star clusters",
}
# Tables with distances from seismology, to compare with.
SEISMIC_DISTANCES = {"kepler_giants": ["DIST_SEIS"]}


def read_table(name, assumed=None):
    """Read a table, with extinctions by colour for stars that have none, and an assumed one for what is left."""
    survey = read_survey(real_table(f"{name}.fits"), columns=SEISMIC_DISTANCES.get(name, ()))
    return ExtinctionChoice(assumed=assumed).apply(survey)


def train(names, assumed, path):
    """Train a model on tables, or read it if it was trained before."""
    if path.exists():
        return load_model(path)
    surveys = []
    for name in names:
        survey = read_table(name, assumed)
        if name != "kepler_giants":
            columns = {column: survey[column] for column in survey if not column.startswith("MASS")}
            survey = replace(survey, columns=columns)
        surveys.append(survey)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RowsLeftOutWarning)
        model = DistMassModel(random_state=0).fit(stack_stars(surveys))
    model.save(path)
    return model


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tables", nargs="*", choices=[*TABLES, []], help="tables to report on (default: all)")
    parser.add_argument("--train", nargs="+", default=["kepler_giants", "dwarfs", "cluster_members"], choices=TABLES)
    parser.add_argument(
        "--assume-extinction", type=float, help="A_K [mag] of stars that have none, not by colour either"
    )
    parser.add_argument("--clusters", choices=["paper", "modern"], default="paper", help="distances of clusters")
    parser.add_argument("--out", type=Path, required=True, help="folder for the reports and the model")
    parser.add_argument("--markdown", action="store_true", help="print the summaries")
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    model = train(arguments.train, arguments.assume_extinction, arguments.out / f"{'+'.join(arguments.train)}.skdm")
    command = "python " + shlex.join(["examples/validate_real_tables.py", *sys.argv[1:]])
    for name in arguments.tables or TABLES:
        survey = read_table(name, arguments.assume_extinction)
        catalog = model.predict(survey)
        title = f"{TITLES[name]}, {'predicted out of fold' if name in arguments.train else 'new to the model'}"
        notes = f"Trained on: {', '.join(arguments.train)}. "
        kinds = {"COLOUR": "by colour", "ASSUMED": "assumed", "": "missing"}
        counts = Counter(kinds.get(method, "of the table") for method in survey["A_K_SRC"].tolist())
        notes += "Extinction: " + ", ".join(f"{kind} {count}" for kind, count in counts.most_common()) + "."
        path = arguments.out / f"{name}.html"
        found = write_report(
            catalog,
            survey,
            path,
            model=model,
            command=command,
            title=title,
            notes=notes,
            distance_columns=SEISMIC_DISTANCES.get(name, ()),
            cluster_distances=arguments.clusters,
        )
        print(f"{path}: {len(found.tables)} tables, {len(found.checks)} checks", file=sys.stderr)
        if arguments.markdown:
            print(f"\n## {title}\n\n{notes}\n\n| check | paper | here | verdict |\n|---|---|---|---|")
            for check in found.checks:
                print(f"| {check.name} | {check.paper} | {check.found} | {check.verdict} |")


if __name__ == "__main__":
    main()
