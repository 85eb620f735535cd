"""The report: one HTML file that holds all that it shows."""

import base64
import io
import os
import platform
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from importlib import metadata, resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from astropy.table import Table

from skdistmass._version import __version__
from skdistmass.exceptions import InputError
from skdistmass.validation import figures
from skdistmass.validation.checks import INFORMATION, NOT_TESTED, PASSED, SHORT, Validation, validate
from skdistmass.validation.columns import column_of
from skdistmass.validation.distances import distance_by_logg
from skdistmass.validation.requirements import MissingInputError
from skdistmass.writing import overwritten, replaced

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["draw_figures", "write_report"]

_PACKAGES = ("numpy", "scipy", "astropy", "scikit-learn", "matplotlib")
#: Class and sign of each verdict.
_VERDICTS = {PASSED: ("passed", "✓"), SHORT: ("short", "✗")}
_VERDICTS |= {INFORMATION: ("information", "·"), NOT_TESTED: ("information", "–")}
_DPI = 150


def draw_figures(
    stars: Table, *, found: Validation | None = None, **parameters: dict[str, Any]
) -> tuple[dict[str, "Figure"], dict[str, str]]:
    """Draw every figure that the stars have the input for.

    Parameters
    ----------
    stars : Table
        Of `join_reference`.
    found : Validation, optional
        What `validate` found for these stars: its tables and fits are drawn, and not made again.
    **parameters : dict
        Parameters of single figures, by name of the function: ``fig18_cluster_kiel={"cluster": "M67"}``.

    Returns
    -------
    drawn : dict of matplotlib.figure.Figure
        By name of the function.
    skipped : dict of str
        Name of each figure left out, and why.
    """
    drawn, skipped = {}, {}
    for name in figures.__all__:
        given = {"found": found} if found and name in _FROM_TABLES else {}
        try:
            drawn[name] = getattr(figures, name)(stars, **given, **parameters.get(name, {}))
        except MissingInputError as reason:
            skipped[name] = str(reason)
    return drawn, skipped


_FROM_TABLES = [name for name in figures.__all__ if "found" in getattr(figures, name).__wrapped__.__annotations__]


def write_report(
    catalog: Any,
    reference: Any = None,
    output: str | os.PathLike = "report.html",
    *,
    model: Any = None,
    command: str = "",
    title: str = "Validation of a DistMass catalogue",
    distance_columns: Sequence[str] = (),
    age_columns: Sequence[str] = (),
    cluster_distances: Mapping[str, float] | str | None = None,
    assumed_extinction: float | None = None,
    include_bad: bool = False,
    notes: str = "",
) -> Validation:
    """Write the validation report of a catalogue: one HTML file, with its pictures inside, that needs no network.

    Parameters
    ----------
    catalog, reference, distance_columns, age_columns, cluster_distances, assumed_extinction, include_bad
        As in `validate`, which has the same errors. Distances get panels in figure 4.
    output : path-like, default="report.html"
        File to write. A file that exists is replaced when the new one is complete.
    model : Predictor, optional
        The model that made the catalogue. What a `DistMassModel` was trained on is listed.
    command : str, default=""
        Command that makes this report, to be printed in it.
    title : str
        Heading.
    notes : str, default=""
        A paragraph for the reader, such as the assumptions made.

    Returns
    -------
    validation : Validation
        All tables, and the summary.

    Raises
    ------
    InputError
        If the output is the catalogue or the reference.
    DistMassError
        If the file can't be written.
    """
    if overwritten([given for given in (catalog, reference) if isinstance(given, str | os.PathLike)], [output]):
        raise InputError(f"{output} is an input; give the report another name.")
    found = validate(
        catalog,
        reference,
        distance_columns=distance_columns,
        age_columns=age_columns,
        cluster_distances=cluster_distances,
        assumed_extinction=assumed_extinction,
        include_bad=include_bad,
        model=model,
    )
    others = {"fig04_mad_vs_logg": {"others": _other_distances(found.judged, distance_columns)}}
    pictures = _pictures(*draw_figures(found.judged, found=found, **others))
    texts = {"title": title, "notes": notes, "command": command}
    _write(_page(found, **texts, figures=pictures, origin=_origin(found), training=_training(model)), Path(output))
    return found


def _write(page: str, output: Path) -> None:
    with replaced(output, "report") as partial:
        partial.write_text(page, encoding="utf-8", errors="backslashreplace")


def _page(found: Validation, **parts: Any) -> str:
    """Fill the template of the page; all text is escaped."""
    from jinja2 import Environment, StrictUndefined

    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters["shown"] = _shown
    source = resources.files("skdistmass.validation").joinpath("report.html")
    return environment.from_string(source.read_text(encoding="utf-8")).render(
        found=found,
        n_known=np.count_nonzero(np.isfinite(found.stars["REFERENCE_DIST"])),
        counts=Counter(check.verdict for check in found.checks),
        verdicts=_VERDICTS,
        heads=lambda table: [(name, str(table[name].unit or "")) for name in table.colnames],
        **parts,
    )


def _shown(value: Any) -> str:
    """Return the value of a cell as text."""
    if isinstance(value, bool | np.bool_):
        return "yes" if value else "no"
    if isinstance(value, float | np.floating):
        return f"{value:.4g}" if np.isfinite(value) else "–"
    return str(value)


def _other_distances(stars: Table, wanted: Sequence[str]) -> list[str]:
    """Return the columns of distances that have stars to compare, by their names in the joined table."""
    names = ["NMSU_DIST"] if "NMSU_DIST" in stars.colnames else []
    usable = []
    for name in dict.fromkeys(names + [column_of(stars, name) for name in wanted]):
        with suppress(MissingInputError):
            distance_by_logg(stars, predicted=name)
            usable.append(name)
    return usable


def _pictures(drawn: Mapping[str, "Figure"], skipped: Mapping[str, str]) -> list[dict[str, Any]]:
    """Return number, caption and picture, or reason of absence, of each figure."""
    pictures = []
    for name in figures.__all__:
        # The first line of its docstring is the caption.
        picture = {"number": int(name[3:5]), "caption": getattr(figures, name).__doc__.strip().splitlines()[0]}
        if name in drawn:
            file = io.BytesIO()
            drawn[name].savefig(file, format="png", dpi=_DPI)
            width, height = (int(inches * _DPI) for inches in drawn[name].get_size_inches())
            data = base64.b64encode(file.getvalue()).decode("ascii")
            picture |= {"data": data, "width": width, "height": height}
        else:
            picture |= {"data": "", "reason": skipped[name]}
        pictures.append(picture)
    return pictures


def _origin(found: Validation) -> list[str]:
    """Return the lines on how the report was made."""
    versions = {"skdistmass": __version__, "Python": platform.python_version()}
    versions |= {name: metadata.version(name) for name in _PACKAGES}
    lines = [", ".join(f"{name} {version}" for name, version in versions.items())]
    lines.append(f"Written {datetime.now(UTC):%Y-%m-%d %H:%M} UTC.")
    about = {key: found.stars.meta[key] for key in ("MODEL", "VERSION", "SKDM_FILE") if key in found.stars.meta}
    return lines + (["Catalogue: " + ", ".join(f"{key} {value}" for key, value in about.items())] if about else [])


def _training(model: Any) -> list[list[Any]]:
    """Return what each network of a model was trained on: name, stars, scatter, bias, stars removed."""
    rows = []
    for name, accuracy in getattr(model, "accuracy_", {}).items():
        removed = ", ".join(f"{cut}: {count}" for cut, count in model.removed_.get(name, {}).items() if count)
        errors = [float(accuracy.get(key, np.nan)) for key in ("scatter", "bias")]
        rows.append([name, accuracy["n_stars"], *errors, removed or "none"])
    return rows
