"""Write validation reports for the real tables.

One model is trained on Kepler giants, dwarfs and members of star clusters, as the paper's was (section 4.1), and its
catalogues of four tables are checked: the three by out-of-fold predictions, K2 giants as new stars.
Run with ``python examples/validate_real_tables.py --out FOLDER`` (all four), or name the tables:
``python examples/validate_real_tables.py k2_giants --out FOLDER``. The model is kept in the folder and used again.
``--train`` names other tables to train on; ``--markdown`` prints the summaries as docs/validation.md has them.
"""

import argparse
import shlex
import sys
import warnings
from pathlib import Path

import numpy as np

from skdistmass import DistMassModel, load_model
from skdistmass.exceptions import RowsLeftOutWarning
from skdistmass.surveys import data_dir, read_survey, stack_surveys
from skdistmass.validation import write_report

TABLES = ("kepler_giants", "k2_giants", "dwarfs", "cluster_members")
TITLES = {
    "kepler_giants": "Kepler giants",
    "k2_giants": "K2 giants",
    "dwarfs": "Dwarfs and subgiants",
    "cluster_members": "Members of star clusters",
}


def read_table(name, missing_extinction):
    """Read a table; stars without an extinction get the one assumed."""
    survey = read_survey(data_dir() / f"{name}.fits")
    extinction = np.asarray(survey["A_K"], float) if "A_K" in survey.colnames else np.full(len(survey), np.nan)
    n_assumed = int(np.count_nonzero(np.isnan(extinction)))
    survey["A_K"] = np.where(np.isnan(extinction), missing_extinction, extinction)
    survey["A_K"].unit = "mag"
    return survey, n_assumed


def train(names, missing_extinction, path):
    """Train a model on tables, or read it if it has been trained before."""
    if path.exists():
        return load_model(path)
    surveys = []
    for name in names:
        # Clusters without an extinction are the globular ones, far from the plane. Kepler's field is close to it.
        survey = read_table(name, missing_extinction if name == "cluster_members" else np.nan)[0]
        if name != "kepler_giants":
            survey.remove_columns([column for column in survey.colnames if column.startswith("MASS")])
        surveys.append(survey)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RowsLeftOutWarning)
        model = DistMassModel(random_state=0).fit(stack_surveys(surveys))
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
        seismic = ["DIST_SEIS"] if "DIST_SEIS" in survey.colnames else []
        path = arguments.out / f"{name}.html"
        found = write_report(
            catalog,
            survey,
            path,
            model=model,
            command=command,
            title=title,
            notes=notes,
            distance_columns=seismic,
        )
        print(f"{path}: {len(found.tables)} tables, {len(found.checks)} checks", file=sys.stderr)
        if arguments.markdown:
            print(f"\n## {title}\n\n{notes}\n\n| check | paper | here | verdict |\n|---|---|---|---|")
            for check in found.checks:
                print(f"| {check.name} | {check.paper} | {check.found} | {check.verdict} |")


if __name__ == "__main__":
    main()
