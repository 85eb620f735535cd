"""What the commands share: loading models, writing catalogues and cards, and reading what is joined."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from skdistmass.cli.outputs import claim_output
from skdistmass.cli.terminal import rows_progress, say
from skdistmass.exceptions import DistMassError, printable

if TYPE_CHECKING:
    from skdistmass.extinction import ExtinctionChoice
    from skdistmass.isochrones import IsochroneDistanceRegressor
    from skdistmass.model import DistMassModel, Predictor
    from skdistmass.surveys import Stars

__all__ = [
    "command_line",
    "count_methods",
    "export_graph",
    "is_calibration",
    "is_table_file",
    "load_any_model",
    "load_isochrones",
    "number_or_text",
    "parse_mass_scales",
    "parse_threshold",
    "read_cluster_distances",
    "read_joined",
    "training_report",
    "write_card",
    "write_catalog",
]


def load_any_model(model: str) -> Predictor:
    """Load a trained model: a file, or one that comes with the package, by name."""
    from skdistmass.model import load_predictor

    return load_predictor(model)


def export_graph(model: Path, output: Path, *, distill: bool = False, **variant: Any) -> None:
    """Write a file of 'skdistmass train' as an ONNX file."""
    from skdistmass.deploy import distilled
    from skdistmass.model import load_model

    trained = load_model(model)
    try:
        (distilled(trained) if distill else trained).to_onnx(output, **variant)
    except ModuleNotFoundError as error:
        raise DistMassError(f"the export needs the package {error.name}: pip install 'skdistmass[onnx]'.") from error


def count_methods(column: Iterable[str]) -> str:
    """Count the methods of extinction, most frequent first."""
    counts = Counter(str(method) or "nothing" for method in column)
    return ", ".join(f"{method} {count}" for method, count in counts.most_common())


def parse_threshold(text: str) -> str | float:
    """Return the threshold of the binary filter: a number, or 'valley'."""
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


def parse_mass_scales(masses: Iterable[str]) -> dict[str, str]:
    """Turn [NAME=]COLUMN into the names and columns of scales."""
    scales = {}
    for text in masses:
        name, equals, column = text.partition("=")
        column = column if equals else text
        name = name if equals else column.upper().removeprefix("MASS").removeprefix("_")
        if name in scales or not column:
            raise click.BadParameter(f"--mass {text}: give each scale a different name, and a column.")
        scales[name] = column
    return scales


def training_report(model: DistMassModel) -> str:
    """Say what the cuts removed and what accuracy was reached, as lines of text."""
    lines = [f"no {part}: {reason}" for part, reason in model.absent_.items()]
    for name, removed in model.removed_.items():
        gone = ", ".join(f"{cut} {count}" for cut, count in removed.items() if count) or "none"
        lines.append(f"{name}: removed by cuts: {gone}")
        if name == "ABS_MAG" and model.abs_mag_ is not None and model.abs_mag_.n_binaries_:
            lines.append(f"{name}: left out as likely binaries: {model.abs_mag_.n_binaries_}")
    lines.append("")
    lines.append(f"{'network':<20} {'stars':>8} {'scatter':>9} {'bias':>8}   out-of-fold error of")
    for name, found in model.accuracy_.items():
        quantity = "distance" if name.startswith("ABS_MAG") else "mass"
        scatter, bias = (f"{found[key]:.2%}" if key in found else "-" for key in ("scatter", "bias"))
        lines.append(f"{name:<20} {found['n_stars']:>8} {scatter:>9} {bias:>8}   {quantity}, fractional")
        for region, part in found.get("regions", {}).items():
            spread = (
                f"{part['scatter']:>9.2%} {part['bias']:>8.2%}" if "bias" in part else f"rms {part['rms']:.2%} of means"
            )
            lines.append(f"  {region:<18} {part['n_stars']:>8} {spread}")
    return "\n".join(map(printable, lines))


def write_catalog(name: str, table: Path, output: Path, *, quiet: bool = False, **options: Any) -> None:
    """Make a catalogue with the model of that name, and print what is in it."""
    from skdistmass.catalog import build_catalog
    from skdistmass.catalog.part_file import PartFile
    from skdistmass.model import find_model

    model = load_any_model(name)
    try:
        with rows_progress(quiet) as progress:
            report = build_catalog(
                model,
                table,
                output,
                model_name=name,
                model_file=find_model(name),
                command=command_line(),
                progress=progress,
                **options,
            )
    except KeyboardInterrupt:
        part = PartFile(output).path
        if not part.exists():
            raise
        say(f"\nInterrupted. {part} is kept; the same command with --resume continues it.", error=True)
        sys.exit(130)
    if report.finished_before:
        say(f"{output} is finished already: {report.n_rows} rows of this survey, model and settings.")
        return
    if report.scale:
        say(f"Warning: the labels may not be on the scale of the model: {report.scale}", error=True)
    if not quiet:
        repeated = f", {report.n_repeated} of them further spectra of a star" if report.n_repeated else ""
        say(f"{report.n_rows} rows{repeated}")
        if report.n_duplicates:
            say(f"{report.n_duplicates} rows repeat a spectrum: their APSTAR_ID is that of an earlier row")
        for column, counts in report.bits.items():
            named = ", ".join(f"{name} {count}" for name, count in counts.items() if count)
            say(f"{column}: {named or 'no bit set'}")
        say(f"wrote {output}")


def write_card(name: str, output: Path | None, overwrite: bool) -> None:
    """Write the card of a model as a README, or print it."""
    from skdistmass.deploy import model_readme
    from skdistmass.writing import replaced

    if output is not None:
        claim_output(output, overwrite, "model card")
    if is_calibration(name) or is_table_file(name):
        raise click.UsageError(f"--card is for models, and {name} is none.")
    text = model_readme(load_any_model(name), name)
    if output is None:
        say(text.removesuffix("\n"))
        return
    with replaced(output, "model card") as partial:
        partial.write_text(text, encoding="utf-8")
    say(f"wrote {output}")


def command_line() -> str:
    """Return the command that runs, as it would be typed, but for control characters in names of files."""
    import shlex

    return printable(" ".join(["skdistmass", *map(shlex.quote, sys.argv[1:])]))


def is_table_file(name: str) -> bool:
    """Tell whether a name is that of a table file, and not that of a model."""
    from skdistmass.exceptions import FileFormatError
    from skdistmass.surveys.files import identify

    try:
        return Path(name).is_file() and bool(identify(Path(name)))
    except FileFormatError:
        return False


def is_calibration(name: str) -> bool:
    """Tell whether a name is that of a calibration: a file in JSON, or one that comes with the package."""
    from skdistmass.estimators.label_calibration import shipped_calibrations

    path = Path(name)
    if path.is_file():
        with path.open("rb") as file:
            return file.read(1) == b"{"
    return name in shipped_calibrations()


def read_joined(
    tables: Iterable[Path],
    joined: Iterable[Path],
    *,
    extinction: ExtinctionChoice,
    columns: Iterable[str],
    layout: str | None,
    clusters: Path | None,
    min_membership: tuple[str, float],
    max_rows: int | None,
    seed: int,
    **options: Any,
) -> tuple[Stars, list[str]]:
    """Read the tables of a training and join others to them."""
    from skdistmass.exceptions import ColumnError
    from skdistmass.surveys import join, read_survey, stack_stars
    from skdistmass.surveys.training_sets import read_training_stars

    others = [name for column in columns if not column.startswith("MASS") for name in (column, f"{column}_ERR")]
    joins = [read_survey(table) for table in joined]
    if clusters is not None:
        members = read_survey(clusters)
        column, minimum = min_membership
        if column not in members:
            raise ColumnError(f"{clusters} has no column {column}; name the probability with --min-membership.")
        kept = members.floats(column) >= minimum
        joins.append(members[kept])
    read = partial(
        read_training_stars,
        extinction=extinction,
        layout=layout,
        columns=others,
        max_rows=max_rows,
        tables=joins,
        match_radius=options["match_radius"],
        random_state=seed,
    )
    stars = stack_stars([read(table) for table in tables])
    if not joins:
        return stars, []
    found = join(stars, *joins, **options)
    return found.stars, list(found.report)


def read_cluster_distances(given: str | None) -> dict[str, float] | str | None:
    """Read names and distances (kpc) of clusters from a table; the name of a list, and None, stay as they are."""
    from skdistmass.surveys.chunks import read_table
    from skdistmass.tables import as_floats, as_text, find_column

    if given in (None, "paper", "modern"):
        return given
    path = Path(given)
    table = read_table(path)
    name, distance = (find_column(table, wanted) for wanted in ("NAME", "DISTANCE"))
    values = as_floats(table[distance], "kpc", name=f"{path}: DISTANCE")
    return dict(zip(as_text(table[name]).tolist(), values.tolist(), strict=True))


def load_isochrones(path: Path) -> IsochroneDistanceRegressor:
    """Prepare the models of a file for distances."""
    from skdistmass.isochrones import IsochroneDistanceRegressor, read_isochrone_table

    if not path.exists():
        raise DistMassError(f"there is no file {path}.")
    if path.suffix == ".npz":
        return IsochroneDistanceRegressor.load(path)
    return IsochroneDistanceRegressor().fit(read_isochrone_table(path))


def number_or_text(text: str) -> float | str:
    """Return a number if the text is one."""
    try:
        return float(text)
    except ValueError:
        return text
