"""The command line: train a model, predict a catalogue, look at a model, see a demonstration."""

import sys
import warnings
from collections import Counter
from contextlib import contextmanager
from pathlib import Path

import click

from skdistmass._version import __version__
from skdistmass.exceptions import DistMassError

__all__ = ["main"]

_TABLES = "FITS, VOTable, Parquet, CSV or ECSV"


class _Commands(click.Group):
    """A group whose commands end in one line, not in a traceback, when something expected goes wrong."""

    def invoke(self, context):
        try:
            with _warnings_in_one_line():
                return super().invoke(context)
        except DistMassError as error:
            raise click.ClickException(" ".join(str(error).split())) from error
        except MemoryError as error:
            raise click.ClickException("out of memory.") from error
        except KeyboardInterrupt:
            click.echo("\nInterrupted.", err=True)
            sys.exit(130)


@contextmanager
def _warnings_in_one_line():
    def show(message, category, filename, lineno, file=None, line=None):
        click.echo(f"Warning: {' '.join(str(message).split())}", err=True)

    with warnings.catch_warnings():
        warnings.simplefilter("once")
        warnings.filterwarnings("ignore", category=DeprecationWarning)
        warnings.showwarning = show
        yield


@contextmanager
def _training_progress(quiet):
    """Give a callback for `DistMassModel.fit` that moves a progress bar."""
    from tqdm import tqdm

    with tqdm(unit="network", disable=quiet or None, file=sys.stderr, leave=False) as bar:

        def report(name, n_parts):
            if name is None:
                bar.total = n_parts
                bar.set_description("training")
            else:
                bar.set_description(f"trained {name}")
                bar.update()
            bar.refresh()

        yield report


def _check_output(path, overwrite):
    """Refuse an output that can't be written before the long work starts."""
    if path.exists() and not overwrite:
        raise DistMassError(f"{path} exists; give another name, or --overwrite to replace it.")
    if path.is_dir() or not path.resolve().parent.is_dir():
        raise DistMassError(f"{path} can't be written: {'it is a folder' if path.is_dir() else 'no such folder'}.")


def _model_path(model):
    """Path of a trained model: a file, or one that comes with the package, by name."""
    if Path(model).exists():
        return Path(model)
    from skdistmass.pretrained import list_pretrained, pretrained_path

    if model in list_pretrained():
        return pretrained_path(model)
    known = ", ".join(list_pretrained())
    raise DistMassError(f"{model} is neither a file nor a model that comes with skdistmass ({known}).")


def _load(model):
    """Load a trained model."""
    path = _model_path(model)
    if path.suffix == ".onnx":
        from skdistmass.deploy import load

        return load(path)
    from skdistmass.model_files import load_model

    return load_model(path)


_output = click.option("-o", "--output", required=True, type=click.Path(path_type=Path), help="File to write.")
_overwrite = click.option("--overwrite", is_flag=True, help="Replace the output file if it exists.")
_resume = click.option("--resume", is_flag=True, help="Go on with an unfinished catalogue, if there is one.")
_latitude_limit = click.option(
    "--latitude-limit",
    type=click.FloatRange(0, 90),
    default=16.0,
    show_default=True,
    help="Galactic |b| in degrees from which on extinctions are the dust map's, not of colours (section 2).",
)
_negative_extinction = click.option(
    "--negative-extinction",
    type=click.Choice(["zero", "keep", "missing"]),
    default="zero",
    show_default=True,
    help="What becomes of an A_K below 0; a catalogue flags it in any case.",
)
_quiet = click.option("-q", "--quiet", is_flag=True, help="No progress bar and no summary.")


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__)
def main():
    """Distances, masses and ages of stars from spectroscopic labels.

    Five labels of a star (Teff, log g, [M/H], [C/Fe], [N/Fe]) give its absolute K magnitude and its mass; with an
    apparent magnitude that is a distance, and for a giant the mass gives the age. The method is that of the DistMass
    catalogue (Stone-Martinez et al. 2024).

    \b
    Try it on made-up stars:      skdistmass demo
    Train on a table of yours:    skdistmass train STARS.fits -o my.model
    Make a catalogue with it:     skdistmass predict my.model SURVEY.fits -o catalog.fits
    """


@main.command()
@click.option("--out", type=click.Path(path_type=Path), default=Path("skdistmass-demo"), show_default=True)
@click.option("--stars", "n_stars", type=click.IntRange(2000, 1_000_000), default=8_000, show_default=True)
@click.option("--seed", type=int, default=0, show_default=True, help="Another seed is another survey.")
@_quiet
def demo(out, n_stars, seed, quiet):
    """Show the whole way on a mock survey with known truth.

    Makes a mock survey, trains on half of it, predicts the other half, and writes survey, model, catalogue, a Kiel
    diagram and predictions against truth into the folder OUT. Takes less than a minute.
    """
    from skdistmass.demo import run_demo, summarize, write_demo

    click.echo(f"A mock survey of {n_stars} spectra; one half trains, the other is predicted.")
    with _training_progress(quiet) as progress:
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
    help="Residual distance beyond which a star counts as a binary (section 4.1.1): a number, 'valley' or 'none'.",
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
    recipe,
    networks,
    jobs,
    seed,
    overwrite,
    quiet,
):
    """Train a model on one TABLE or several.

    A TABLE is a file (FITS, VOTable, Parquet, CSV or ECSV) with one row per star: the labels TEFF, LOGG, M_H (or FE_H),
    C_FE and N_FE; for the distances K, A_K and a parallax or Gaia distance; for the masses MASS and MASS_ERR, or
    several such pairs. The column names of APOGEE's allStar files are understood.

    Says what each cut removed and what accuracy was reached out of fold: by networks that had not seen the star.
    """
    from skdistmass.abs_mag import AbsMagRegressor
    from skdistmass.binaries import BinaryResidualFilter
    from skdistmass.cn_mass import CNMassRegressor
    from skdistmass.datasets import read_survey, stack_surveys
    from skdistmass.extinction import ExtinctionChoice
    from skdistmass.model import DistMassModel
    from skdistmass.training_sets import TrainingCuts

    _check_output(output, overwrite)
    stars = stack_surveys([read_survey(table) for table in tables])
    # Chosen as 'skdistmass catalog' chooses it: a model belongs to the extinctions it was trained with.
    stars = ExtinctionChoice(latitude_limit=latitude_limit, negative=negative_extinction).apply(stars)
    new = (AbsMagRegressor.paper, CNMassRegressor.paper) if recipe == "paper" else (AbsMagRegressor, CNMassRegressor)
    binary_filter = None
    if binary_threshold != "none":
        binary_filter = BinaryResidualFilter(threshold=_threshold(binary_threshold))
    cuts = TrainingCuts(
        max_parallax_error, max_extinction, max_mass_error, mass_range, assumed_extinction=assume_extinction
    )
    ensemble = {"n_networks": networks} if networks else {}
    model = DistMassModel(
        new[0](binary_filter=binary_filter, **ensemble),
        new[1](**ensemble),
        mass_scales=_mass_scales(masses) if masses else "auto",
        cuts=cuts,
        n_jobs=jobs,
        random_state=seed,
    )
    with _training_progress(quiet) as progress:
        model.fit(stars, progress=progress)
    model.save(output)
    if not quiet:
        click.echo(f"{', '.join(map(str, tables))}: {len(stars)} rows")
        click.echo(f"extinction by {_methods(stars['A_K_SRC'])}")
        click.echo(training_report(model))
        click.echo(f"wrote {output}")


def _methods(column):
    """Count the methods of extinction, most frequent first."""
    counts = Counter(str(method) or "nothing" for method in column)
    return ", ".join(f"{method} {count}" for method, count in counts.most_common())


def _threshold(text):
    if text == "valley":
        return text
    try:
        number = float(text)
    except ValueError:
        number = float("nan")
    if not 0.0 < number < 1.0:
        raise click.BadParameter(
            f"{text!r} is neither a number between 0 and 1 nor 'valley' nor 'none'.", param_hint="--binary-threshold"
        )
    return number


def _mass_scales(masses):
    """Turn [NAME=]COLUMN into the names and columns of scales."""
    scales = {}
    for text in masses:
        name, equals, column = text.partition("=")
        column = column if equals else text
        name = name if equals else column.upper().removeprefix("MASS").removeprefix("_")
        if name in scales or not column:
            raise click.BadParameter(f"--mass {text}: give each scale a name of its own and a column.")
        scales[name] = column
    return scales


def training_report(model):
    """Say what the cuts removed and what accuracy was reached, as lines of text.

    Parameters
    ----------
    model : DistMassModel
        Trained.

    Returns
    -------
    text : str
    """
    lines = []
    for name, removed in model.removed_.items():
        gone = ", ".join(f"{cut} {count}" for cut, count in removed.items() if count) or "none"
        lines.append(f"{name}: removed by cuts: {gone}")
        if name == "ABS_MAG" and model.abs_mag_.n_binaries_:
            lines.append(f"{name}: left out as likely binaries: {model.abs_mag_.n_binaries_}")
    lines.append("")
    lines.append(f"{'network':<20} {'stars':>8} {'scatter':>9} {'bias':>8}   out-of-fold error of")
    for name, found in model.accuracy_.items():
        quantity = "distance" if name.startswith("ABS_MAG") else "mass"
        scatter, bias = (f"{found[key]:.2%}" if key in found else "-" for key in ("scatter", "bias"))
        lines.append(f"{name:<20} {found['n_stars']:>8} {scatter:>9} {bias:>8}   {quantity}, fractional")
    return "\n".join(lines)


class _Refitted:
    """A model that gives the stars it was trained on the values of the final networks."""

    def __init__(self, model):
        self.metadata_ = model.metadata_
        self._model = model

    def predict(self, table):
        return self._model.predict(table, out_of_fold=False)


def _write_catalog(name, table, output, *, refit_values=False, quiet=False, **options):
    from skdistmass.catalog import build_catalog

    model = _load(name)

    if refit_values:
        if not hasattr(model, "metadata_"):
            raise DistMassError(
                f"{name} holds the final networks only; --refit-values is for files of 'skdistmass train'."
            )
        model = _Refitted(model)
    try:
        with _rows_progress(quiet) as progress:
            report = build_catalog(
                model,
                table,
                output,
                model_name=name,
                model_file=_model_path(name),
                command=_command_line(),
                progress=progress,
                **options,
            )
    except KeyboardInterrupt:
        part = output.with_name(output.name + ".part")
        if not part.exists():
            raise
        click.echo(f"\nInterrupted. {part} is kept; the same command with --resume goes on with it.", err=True)
        sys.exit(130)
    if not quiet:
        repeated = f", {report.n_repeated} of them further spectra of a star" if report.n_repeated else ""
        click.echo(f"{report.n_rows} rows{repeated}")
        if report.n_duplicates:
            click.echo(f"{report.n_duplicates} rows repeat a spectrum: their APSTAR_ID is that of an earlier row")
        for column, counts in report.bits.items():
            named = ", ".join(f"{name} {count}" for name, count in counts.items() if count)
            click.echo(f"{column}: {named or 'no bit set'}")
        click.echo(f"wrote {output}")


def _command_line():
    import shlex

    return " ".join(["skdistmass", *map(shlex.quote, sys.argv[1:])])


@contextmanager
def _rows_progress(quiet):
    """Give a callback for `build_catalog` that moves a progress bar."""
    from tqdm import tqdm

    with tqdm(unit="star", unit_scale=True, disable=quiet or None, file=sys.stderr, leave=False) as bar:

        def report(done, n_rows):
            bar.total = n_rows
            bar.update(done - bar.n)

        yield report


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
    it. TABLE holds the labels, and for distances K and A_K. The output is a catalogue with the columns of Table 2 of
    the paper; its kind (.fits, .vot, .parquet) goes by its name. 'skdistmass catalog' does the same with more choices.
    """
    _check_output(output, overwrite or resume)
    options = {"resume": resume, "overwrite": overwrite}
    _write_catalog(model, table, output, refit_values=refit_values, quiet=quiet, **options)


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

    Reads and writes in chunks, chooses the extinction of each star as in section 2 of the paper, and can go on where it
    was stopped (--resume), with the same result. The file has its final name only when it is complete.
    """
    from skdistmass.extinction import ExtinctionChoice

    _check_output(output, overwrite or resume)
    options = {"resume": resume, "overwrite": overwrite, "chunk_rows": chunk_rows, "n_jobs": jobs}
    options["parallax_zero_point"] = _number_or_text(parallax_zero_point)
    options["hdu"] = int(hdu) if hdu is not None and hdu.isdigit() else hdu
    options["extinction"] = ExtinctionChoice(latitude_limit=latitude_limit, negative=negative_extinction)
    options["isochrones"] = None if isochrones is None else _isochrones(isochrones)
    _write_catalog(model, survey, output, refit_values=refit_values, quiet=quiet, **options)


def _isochrones(path):
    """Prepare the models of a file for distances."""
    from skdistmass.isochrones import IsochroneDistanceRegressor, read_isochrone_table

    if not path.exists():
        raise DistMassError(f"there is no file {path}.")
    if path.suffix == ".npz":
        return IsochroneDistanceRegressor.load(path)
    return IsochroneDistanceRegressor().fit(read_isochrone_table(path))


def _number_or_text(text):
    try:
        return float(text)
    except ValueError:
        return text


@main.command()
@click.argument("catalog", type=click.Path(path_type=Path))
@_output
@click.option(
    "--reference", type=click.Path(path_type=Path), help="What is known of the stars: distances, masses, ages."
)
@click.option("--model", help="The model that made the catalogue; what it was trained on is listed.")
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
    from skdistmass.datasets import read_survey
    from skdistmass.validation import write_report

    _check_output(output, overwrite)
    validation = write_report(
        catalog,
        None if reference is None else read_survey(reference),
        output,
        model=None if model is None else _load(model),
        command=_command_line(),
        distance_columns=distances,
        age_columns=ages,
    )
    if not quiet:
        for check in validation.checks:
            click.echo(f"{check.verdict:<16} {check.name}: {check.found} (paper: {check.paper})")
        click.echo(f"wrote {output}")


@main.command()
@click.argument("model")
def info(model):
    """Print what MODEL was trained on and how accurate it is.

    MODEL is a file written by 'skdistmass train', an ONNX file of this package, or the name of a model that comes with
    it.
    """
    trained = _load(model)
    if hasattr(trained, "describe"):
        click.echo(trained.describe())
        return
    for name, value in trained.metadata_.items():
        click.echo(f"{name}: {value}")
    click.echo(training_report(trained))
