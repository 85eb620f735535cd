"""The command line: train a model, predict a catalogue, look at a model, see a demonstration."""

from pathlib import Path

import click

from skdistmass._version import __version__
from skdistmass.cli.support import (
    OneLineErrors,
    check_output,
    command_line,
    count_methods,
    load_any_model,
    load_isochrones,
    number_or_text,
    parse_mass_scales,
    parse_threshold,
    training_progress,
    training_report,
    write_catalog,
)
from skdistmass.exceptions import DistMassError

__all__ = ["main"]

_TABLES = "FITS, VOTable, Parquet, CSV or ECSV"

_output = click.option("-o", "--output", required=True, type=click.Path(path_type=Path), help="File to write.")
_overwrite = click.option("--overwrite", is_flag=True, help="Replace the output file if it exists.")
_resume = click.option("--resume", is_flag=True, help="Continue an unfinished catalogue, if there is one.")
_latitude_limit = click.option(
    "--latitude-limit",
    type=click.FloatRange(0, 90),
    default=16.0,
    show_default=True,
    help="Galactic |b| in degrees from which extinctions are those of the dust map, not of colours (section 2).",
)
_negative_extinction = click.option(
    "--negative-extinction",
    type=click.Choice(["zero", "keep", "missing"]),
    default="zero",
    show_default=True,
    help="What an A_K below 0 becomes; a catalogue flags it in any case.",
)
_quiet = click.option("-q", "--quiet", is_flag=True, help="No progress bar and no summary.")


@click.group(cls=OneLineErrors, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__)
def main():
    """Distances, masses and ages of stars from spectroscopic labels.

    Five labels of a star (Teff, log g, [M/H], [C/Fe], [N/Fe]) give its absolute K magnitude and its mass; with an
    apparent magnitude that is a distance, and for a giant the mass gives the age. The method is that of the DistMass
    catalogue (Stone-Martinez et al. 2024).

    \b
    Try it on mock stars:         skdistmass demo
    Train on your table:          skdistmass train STARS.fits -o my.model
    Make a catalogue with it:     skdistmass predict my.model SURVEY.fits -o catalog.fits
    """


@main.command()
@click.option("--out", type=click.Path(path_type=Path), default=Path("skdistmass-demo"), show_default=True)
@click.option("--stars", "n_stars", type=click.IntRange(2000, 1_000_000), default=8_000, show_default=True)
@click.option("--seed", type=int, default=0, show_default=True, help="Another seed is another survey.")
@_quiet
def demo(out, n_stars, seed, quiet):
    """Show all steps on a mock survey with known truth.

    Makes a mock survey, trains on half of it, predicts the other half, and writes survey, model, catalogue, a Kiel
    diagram and predictions against truth into the folder OUT. Takes less than a minute.
    """
    from skdistmass.cli.demo import run_demo, summarize, write_demo

    click.echo(f"A mock survey of {n_stars} spectra; one half trains, the other is predicted.")
    with training_progress(quiet) as progress:
        model, survey, catalog = run_demo(n_stars, seed, progress)
    for line in summarize(model, survey, catalog):
        click.echo(f"  - {line}")
    for path in write_demo(out, model, survey, catalog):
        click.echo(f"wrote {path}")


@main.command()
@click.argument("tables", metavar="TABLE...", nargs=-1, required=True, type=click.Path(path_type=Path))
@_output
@click.option(
    "--mass",
    "masses",
    multiple=True,
    metavar="[NAME=]COLUMN",
    help="Mass column to train on; may be repeated. The first gives MASS_ERR and AGE_ERR. By default every column MASS "
    "or MASS_* that has an error (_ERR, or _LO and _HI).",
)
@click.option("--max-parallax-error", type=float, default=0.15, show_default=True, help="Fractional (section 4.1).")
@click.option("--max-extinction", type=float, default=0.5, show_default=True, help="A_K in mag (section 4.1).")
@click.option("--assume-extinction", type=float, help="A_K in mag for stars that have none; else they are left out.")
@_latitude_limit
@_negative_extinction
@click.option("--max-mass-error", type=float, default=0.10, show_default=True, help="Fractional (section 5.3).")
@click.option("--mass-range", type=(float, float), default=(0.5, 4.0), show_default=True, help="In solar masses.")
@click.option(
    "--binary-threshold",
    default="0.13",
    show_default=True,
    help="Residual distance above which a star counts as a binary (section 4.1.1): a number, 'valley' or 'none'.",
)
@click.option(
    "--parts",
    type=click.Choice(["auto", "both", "distance", "mass"]),
    default="auto",
    show_default=True,
    help="What to train; by default what the tables have references for.",
)
@click.option("--recipe", type=click.Choice(["default", "paper"]), default="default", show_default=True)
@click.option("--networks", type=click.IntRange(1), help="Networks averaged for each quantity; 1 is quickest.")
@click.option("--jobs", type=int, default=1, show_default=True, help="Networks trained at the same time.")
@click.option("--seed", type=int, default=0, show_default=True)
@_overwrite
@_quiet
def train(
    tables,
    output,
    masses,
    max_parallax_error,
    max_extinction,
    assume_extinction,
    latitude_limit,
    negative_extinction,
    max_mass_error,
    mass_range,
    binary_threshold,
    parts,
    recipe,
    networks,
    jobs,
    seed,
    overwrite,
    quiet,
):
    """Train a model on one TABLE or several.

    A TABLE is a file (FITS, VOTable, Parquet, CSV or ECSV) with one row per star: the labels TEFF, LOGG, M_H (or FE_H),
    C_FE and N_FE; for distances K, A_K and a parallax or Gaia distance; for masses MASS and MASS_ERR, or several such
    pairs. The column names of APOGEE's allStar files are understood.

    Prints what each cut removed, and the accuracy of networks for stars that they had not seen.
    """
    from skdistmass.estimators.abs_mag import AbsMagRegressor
    from skdistmass.estimators.binaries import BinaryResidualFilter
    from skdistmass.estimators.cn_mass import CNMassRegressor
    from skdistmass.extinction import ExtinctionChoice
    from skdistmass.model import DistMassModel
    from skdistmass.surveys import read_survey, stack_stars
    from skdistmass.surveys.training_sets import TrainingCuts

    check_output(output, overwrite, tables)
    stars = stack_stars([read_survey(table) for table in tables])
    # Chosen as 'skdistmass catalog' chooses it: a model belongs to the extinctions it was trained with.
    stars = ExtinctionChoice(latitude_limit=latitude_limit, negative=negative_extinction).apply(stars)
    new = (AbsMagRegressor.paper, CNMassRegressor.paper) if recipe == "paper" else (AbsMagRegressor, CNMassRegressor)
    binary_filter = None
    if binary_threshold != "none":
        binary_filter = BinaryResidualFilter(threshold=parse_threshold(binary_threshold))
    cuts = TrainingCuts(
        max_parallax_error, max_extinction, max_mass_error, mass_range, assumed_extinction=assume_extinction
    )
    ensemble = {"n_networks": networks} if networks else {}
    model = DistMassModel(
        new[0](binary_filter=binary_filter, **ensemble),
        new[1](**ensemble),
        parts=parts,
        mass_scales=parse_mass_scales(masses) if masses else "auto",
        cuts=cuts,
        n_jobs=jobs,
        random_state=seed,
    )
    with training_progress(quiet) as progress:
        model.fit(stars, progress=progress)
    model.save(output)
    if not quiet:
        click.echo(f"{', '.join(map(str, tables))}: {len(stars)} rows")
        click.echo(f"extinction by {count_methods(stars['A_K_SRC'])}")
        click.echo(training_report(model))
        click.echo(f"wrote {output}")


_refit_values = click.option(
    "--refit-values",
    is_flag=True,
    help="Give stars of the training set the prediction of the final networks, which have seen them, in place of "
    "the out-of-fold one.",
)


@main.command()
@click.argument("model")
@click.argument("table", type=click.Path(path_type=Path))
@_output
@_resume
@_refit_values
@_overwrite
@_quiet
def predict(model, table, output, resume, refit_values, overwrite, quiet):
    """Predict distances, masses and ages of the stars in TABLE with MODEL.

    MODEL is a file written by 'skdistmass train', an ONNX file of this package, or the name of a model that comes with
    the package. TABLE holds the labels, and for distances K and A_K. The output is a catalogue with the columns of
    Table 2 of the paper, in the format of its ending (.fits, .vot, .parquet). 'skdistmass catalog' does the same with
    more options.
    """
    check_output(output, overwrite or resume, [table, model])
    options = {"resume": resume, "overwrite": overwrite, "out_of_fold": not refit_values}
    write_catalog(model, table, output, quiet=quiet, **options)


@main.command()
@click.argument("survey", type=click.Path(path_type=Path))
@_output
@click.option("--model", default="kepler-giants", show_default=True, help="As for 'skdistmass predict'.")
@_resume
@click.option(
    "--chunk-rows", type=click.IntRange(1), default=20_000, show_default=True, help="Rows worked on at a time."
)
@click.option(
    "--parallax-zero-point",
    default="model",
    show_default=True,
    help="'model', 'lindegren' (needs the extra gaia), 'none' or mas.",
)
@click.option(
    "--isochrones",
    type=click.Path(path_type=Path),
    help="Isochrones for NMSU_DIST: a table of PARSEC or MIST, or what IsochroneDistanceRegressor.save wrote (.npz).",
)
@_latitude_limit
@_negative_extinction
@click.option("--hdu", help="FITS extension of the survey.")
@click.option("--jobs", type=click.IntRange(1), default=1, show_default=True, help="Threads; memory grows with them.")
@_refit_values
@_overwrite
@_quiet
def catalog(
    survey,
    output,
    model,
    resume,
    chunk_rows,
    parallax_zero_point,
    isochrones,
    latitude_limit,
    negative_extinction,
    hdu,
    jobs,
    refit_values,
    overwrite,
    quiet,
):
    """Make the catalogue of a SURVEY of any size.

    Reads and writes in chunks, chooses the extinction of each star as in section 2 of the paper, and can continue after
    a stop (--resume), with the same result. The file has its final name only when it is complete.
    """
    from skdistmass.extinction import ExtinctionChoice

    check_output(output, overwrite or resume, [survey, model])
    options = {"resume": resume, "overwrite": overwrite, "chunk_rows": chunk_rows, "n_jobs": jobs}
    options["out_of_fold"] = not refit_values
    options["parallax_zero_point"] = number_or_text(parallax_zero_point)
    options["hdu"] = int(hdu) if hdu is not None and hdu.isdigit() else hdu
    options["extinction"] = ExtinctionChoice(latitude_limit=latitude_limit, negative=negative_extinction)
    options["isochrones"] = None if isochrones is None else load_isochrones(isochrones)
    write_catalog(model, survey, output, quiet=quiet, **options)


@main.command()
@click.argument("catalog", type=click.Path(path_type=Path))
@_output
@click.option("--reference", type=click.Path(path_type=Path), help="Table with known distances, masses or ages.")
@click.option("--model", help="The model that made the catalogue, for the report.")
@click.option(
    "--distance", "distances", multiple=True, metavar="COLUMN", help="Further distances to compare with (kpc)."
)
@click.option("--age", "ages", multiple=True, metavar="COLUMN", help="Further ages to compare with (Gyr).")
@_overwrite
@_quiet
def validate(catalog, output, reference, model, distances, ages, overwrite, quiet):
    """Check a CATALOG as the paper checks its own, and write one HTML report with all figures.

    REFERENCE is a table of the same stars (matched by APOGEE_ID) with distances, parallaxes, clusters, masses or ages.
    """
    from skdistmass.surveys import read_survey
    from skdistmass.validation import write_report

    check_output(output, overwrite, filter(None, [catalog, reference]))
    validation = write_report(
        catalog,
        None if reference is None else read_survey(reference),
        output,
        model=None if model is None else load_any_model(model),
        command=command_line(),
        distance_columns=distances,
        age_columns=ages,
    )
    if not quiet:
        for check in validation.checks:
            click.echo(f"{check.verdict:<16} {check.name}: {check.found} (paper: {check.paper})")
        click.echo(f"wrote {output}")


@main.command()
@click.argument("model", type=click.Path(path_type=Path))
@_output
@click.option("--dtype", type=click.Choice(["float64", "float32"]), default="float64", show_default=True)
@click.option("--input-errors", is_flag=True, help="Give the graph inputs for the errors of labels and magnitude.")
@_overwrite
def export(model, output, dtype, input_errors, overwrite):
    """Write MODEL, a file of 'skdistmass train', as one ONNX file for other tools.

    Needs the extra "onnx": pip install 'skdistmass[onnx]'.
    """
    from skdistmass.model import load_model

    check_output(output, overwrite, [model])
    try:
        load_model(model).to_onnx(output, dtype=dtype, input_errors=input_errors)
    except ModuleNotFoundError as error:
        raise DistMassError(f"the export needs the package {error.name}: pip install 'skdistmass[onnx]'.") from error
    click.echo(f"wrote {output}")


@main.command()
@click.argument("model")
def info(model):
    """Print what MODEL was trained on and how accurate it is.

    MODEL is a file written by 'skdistmass train', an ONNX file of this package, or the name of a model that comes with
    the package.
    """
    trained = load_any_model(model)
    if hasattr(trained, "describe"):
        click.echo(trained.describe())
        return
    for name, value in trained.metadata_.items():
        click.echo(f"{name}: {value}")
    click.echo(training_report(trained))
