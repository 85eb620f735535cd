"""Write the models that come with the package, or check that they are still made the same; for the make_ scripts."""

import argparse
import filecmp
import sys
import tempfile
from pathlib import Path

from astropy.table import Table

import skdistmass
from skdistmass.deploy import export_model

SHIPPED = Path(skdistmass.__file__).parent / "deploy" / "models"


def ship(train, variants, card, title):
    """Train, then write a file for each variant, ``{name: options of export_model}``, or compare with those shipped."""
    parser = argparse.ArgumentParser(description=title)
    parser.add_argument("--check", action="store_true", help="compare with the shipped files instead of replacing them")
    parser.add_argument("--save", type=Path, help="also save the model itself there")
    arguments = parser.parse_args()
    model = train()
    rows = [{"part": name, **{key: found.get(key) for key in ("n_stars", "scatter", "bias")}}
            for name, found in model.accuracy_.items()]  # fmt: skip
    table = Table(rows=rows)
    for column in table.colnames[2:]:
        table[column].format = ".4f"
    table.pprint_all()
    if arguments.save:
        model.save(arguments.save)
    if not arguments.check:
        SHIPPED.mkdir(exist_ok=True)
        for path in write(model, SHIPPED, variants, card):
            print(f"wrote {path.name}: {path.stat().st_size / 1024:.0f} kB")
        return
    with tempfile.TemporaryDirectory() as folder:
        paths = write(model, folder, variants, card)
        different = [path.name for path in paths if not filecmp.cmp(path, SHIPPED / path.name, shallow=False)]
    if different:
        sys.exit(f"not the same as the shipped files: {', '.join(different)}")
    print("all the same as the shipped files")


def write(model, folder, variants, card):
    """Write all variants, and return their paths."""
    paths = []
    for name, options in variants.items():
        paths.append(Path(folder) / f"{name}.onnx")
        export_model(model, paths[-1], card={"name": name, **card}, **options)
    return paths
