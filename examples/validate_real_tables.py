"""Write validation reports for the real tables.

One model is trained on Kepler giants, dwarfs and members of star clusters, as in the paper (section 4.1). Its
catalogues of four tables are checked: those of the three tables by out-of-fold predictions, K2 giants as new stars.
Run ``python examples/validate_real_tables.py --out FOLDER`` for all four, or name the tables:
``python examples/validate_real_tables.py k2_giants --out FOLDER``. The model is kept in the folder and used again.
``--train`` names other tables to train on; ``--markdown`` prints the summaries in the form of docs/validation.md.
"""

import argparse
import shlex
import sys
import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np

from skdistmass import DistMassModel, load_model
from skdistmass.exceptions import RowsLeftOutWarning
from skdistmass.surveys import data_dir, read_survey, stack_stars
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


def read_table(name, missing_extinction):
    """Read a table, with an assumed extinction for stars that have none."""
    survey = read_survey(data_dir() / f"{name}.fits", columns=SEISMIC_DISTANCES.get(name, ()))
    missing = np.isnan(survey.floats("A_K"))
    extinction = np.where(missing, missing_extinction, survey.floats("A_K"))
    return survey.with_columns({"A_K": extinction}), int(np.count_nonzero(missing))


def train(names, missing_extinction, path):
    """Train a model on tables, or read it if it was trained before."""
    if path.exists():
        return load_model(path)
    surveys = []
    for name in names:
        # Clusters without an extinction are the globular ones, far from the plane. Kepler's field is close to it.
        survey = read_table(name, missing_extinction if name == "cluster_members" else np.nan)[0]
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
    parser.add_argument("--missing-extinction", type=float, default=0.0, help="A_K [mag] of stars without one")
    parser.add_argument("--out", type=Path, required=True, help="folder for the reports and the model")
    parser.add_argument("--markdown", action="store_true", help="print the summaries")
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    model = train(arguments.train, arguments.missing_extinction, arguments.out / f"{'+'.join(arguments.train)}.skdm")
    command = "python " + shlex.join(["examples/validate_real_tables.py", *sys.argv[1:]])
    for name in arguments.tables or TABLES:
        survey, n_assumed = read_table(name, arguments.missing_extinction)
        catalog = model.predict(survey)
        title = f"{TITLES[name]}, {'predicted out of fold' if name in arguments.train else 'new to the model'}"
        notes = f"Trained on: {', '.join(arguments.train)}. "
        if n_assumed:
            notes += f"{n_assumed} stars have no extinction; A_K = {arguments.missing_extinction:g} mag is assumed."
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
        )
        print(f"{path}: {len(found.tables)} tables, {len(found.checks)} checks", file=sys.stderr)
        if arguments.markdown:
            print(f"\n## {title}\n\n{notes}\n\n| check | paper | here | verdict |\n|---|---|---|---|")
            for check in found.checks:
                print(f"| {check.name} | {check.paper} | {check.found} | {check.verdict} |")


if __name__ == "__main__":
    main()
