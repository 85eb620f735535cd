"""The report: one HTML file that holds everything it shows."""

import base64
import io
import os
import platform
from datetime import UTC, datetime
from html import escape
from importlib import metadata
from pathlib import Path

import numpy as np

from skdistmass._version import __version__
from skdistmass.exceptions import DistMassError
from skdistmass.validation import figures
from skdistmass.validation.checks import INFORMATION, NOT_TESTED, PASSED, SHORT, validate
from skdistmass.validation.distances import distance_by_logg
from skdistmass.validation.stars import MissingInputError

__all__ = ["draw_figures", "write_report"]

_PACKAGES = ("numpy", "scipy", "astropy", "scikit-learn", "matplotlib")
_PAPER = "Stone-Martinez et al. 2024"
_STYLE = """
:root { color-scheme: light; }
body { font: 16px/1.5 system-ui, sans-serif; color: #1a1a1a; background: #fff; }
body { margin: 0 auto; padding: 0 1rem 3rem; max-width: 68rem; }
h1 { font-size: 1.6rem; } h2 { font-size: 1.25rem; margin-top: 2.2rem; border-bottom: 1px solid #bbb; }
a { color: #00527a; } a.skip { position: absolute; left: -99rem; } a.skip:focus { position: static; }
nav ul { columns: 2; padding-left: 1.2rem; }
.scroll { overflow-x: auto; } .scroll:focus { outline: 2px solid #0072b2; }
table { border-collapse: collapse; font-size: .85rem; margin: .6rem 0 1.4rem; }
caption { text-align: left; font-weight: 600; padding: .3rem 0; }
th, td { padding: .2rem .6rem; text-align: left; border-bottom: 1px solid #ddd; }
td.n { text-align: right; font-variant-numeric: tabular-nums; }
thead th { border-bottom: 2px solid #666; vertical-align: bottom; }
.v { font-weight: 600; white-space: nowrap; }
.passed { color: #005a3c; } .short { color: #9a3300; } .information { color: #444; }
figure { margin: 1rem 0 2rem; } figure img { max-width: 100%; height: auto; border: 1px solid #ddd; }
figcaption { font-size: .9rem; }
pre { background: #f4f4f4; padding: .6rem; overflow-x: auto; white-space: pre-wrap; }
@media print { nav { display: none; } figure { break-inside: avoid; } }
"""
_CLASSES = {PASSED: ("passed", "✓"), SHORT: ("short", "✗"), INFORMATION: ("information", "·")}
_CLASSES[NOT_TESTED] = ("information", "–")


def draw_figures(stars, **parameters):
    """Draw every figure that the stars have the input for.

    Parameters
    ----------
    stars : Table
        Of `join_reference`.
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
        try:
            drawn[name] = getattr(figures, name)(stars, **parameters.get(name, {}))
        except MissingInputError as reason:
            skipped[name] = str(reason)
    return drawn, skipped


def write_report(
    catalog,
    reference=None,
    output="report.html",
    *,
    model=None,
    command="",
    title="Validation of a DistMass catalogue",
    distance_columns=(),
    age_columns=(),
    cluster_distances=None,
    notes="",
):
    """Write the validation report of a catalogue: one HTML file, pictures inside, that needs no network.

    Parameters
    ----------
    catalog : Table or path-like
        A catalogue (Table 2 of the paper).
    reference : Table or path-like, optional
        What is known of its stars: see `join_reference`.
    output : path-like, default="report.html"
        File to write; replaced as a whole.
    model : DistMassModel, optional
        The model that made the catalogue; what it was trained on is listed.
    command : str, default=""
        Command that makes this report, to be printed in it.
    title : str
        Heading.
    distance_columns, age_columns : sequence of str, default=()
        Further columns to compare with, as in `validate`. Distances get panels in figures 4 and 5.
    cluster_distances : dict, optional
        As in `validate`.
    notes : str, default=""
        A paragraph for the reader, as on assumptions made.

    Returns
    -------
    validation : Validation
        All tables, and the summary.

    Raises
    ------
    DistMassError
        If the file can't be written.
    MissingInputError, ColumnError, FileFormatError
        If the tables can't be read or joined.
    """
    found = validate(
        catalog,
        reference,
        distance_columns=distance_columns,
        age_columns=age_columns,
        cluster_distances=cluster_distances,
    )
    others = _other_distances(found.stars, distance_columns)
    parameters = {"fig04_mad_vs_logg": {"others": others}}
    parameters["fig05_cluster_distances"] = {"distances": cluster_distances}
    drawn, skipped = draw_figures(found.stars, **parameters)
    body = [
        _header(title, found, notes),
        _summary(found.checks),
        _figures(drawn, skipped),
        _tables(found),
        _origin(found, model, command),
    ]
    page = _PAGE.format(title=escape(title), style=_STYLE, body="\n".join(body))
    output = Path(output)
    partial = output.with_name(output.name + ".part")
    try:
        partial.write_text(page, encoding="utf-8")
        os.replace(partial, output)
    except OSError as error:
        raise DistMassError(f"the report can't be written to {output}: {error.strerror or error}.") from error
    finally:
        partial.unlink(missing_ok=True)
    return found


_PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<link rel="icon" href="data:,">
<title>{title}</title>
<style>{style}</style>
</head>
<body>
<a class="skip" href="#summary">Skip to the summary</a>
{body}
</body>
</html>
"""


def _other_distances(stars, wanted):
    """Return the columns of distances that have stars to compare, as figures know them."""
    names = [f"REF_{name}" if f"REF_{name}" in stars.colnames else name for name in wanted]
    if "NMSU_DIST" in stars.colnames:
        names.insert(0, "NMSU_DIST")
    usable = []
    for name in dict.fromkeys(names):
        try:
            distance_by_logg(stars, predicted=name)
        except MissingInputError:
            continue
        usable.append(name)
    return tuple(usable)


def _header(title, found, notes):
    stars = found.stars
    known = int(np.count_nonzero(np.isfinite(np.asarray(stars["REFERENCE_DIST"], float))))
    counts = [sum(check.verdict == verdict for check in found.checks) for verdict in _CLASSES]
    text = (
        f"{len(stars)} stars, {known} of them with a reference distance. Checks: {counts[0]} passed, "
        f"{counts[1]} fell short, {counts[2]} are for information, {counts[3]} could not be made. "
        f"Figures and sections named are those of {_PAPER}."
    )
    links = (("summary", "Summary"), ("figures", "Figures"), ("tables", "Tables"), ("origin", "How this was made"))
    items = "".join(f'<li><a href="#{target}">{words}</a></li>' for target, words in links)
    paragraph = f"<p>{escape(notes)}</p>" if notes else ""
    return (
        f"<header><h1>{escape(title)}</h1><p>{escape(text)}</p>{paragraph}</header>"
        f'<nav aria-label="Contents"><ul>{items}</ul></nav>\n<main>'
    )


def _summary(checks):
    rows = []
    for check in checks:
        css, sign = _CLASSES[check.verdict]
        rows.append(
            f'<tr><th scope="row">{escape(check.name)}</th><td>{escape(check.paper)}</td><td>{escape(check.found)}</td>'
            f'<td class="v {css}"><span aria-hidden="true">{sign}</span> {check.verdict}</td></tr>'
        )
    head = "".join(f'<th scope="col">{name}</th>' for name in ("Check", "Paper", "This catalogue", "Verdict"))
    return (
        '<section id="summary"><h2>Summary</h2><div class="scroll" tabindex="0" role="region" aria-label="Summary">'
        f"<table><caption>The paper's figures beside this catalogue's</caption><thead><tr>{head}</tr></thead>"
        f"<tbody>{''.join(rows)}</tbody></table></div></section>"
    )


def _title_of(name):
    """Return the first line of a figure's docstring, which names the figure of the paper."""
    return getattr(figures, name).__doc__.strip().splitlines()[0]


def _figures(drawn, skipped):
    parts = []
    for name in figures.__all__:
        number = int(name[3:5])
        caption = escape(_title_of(name))
        if name in drawn:
            file = io.BytesIO()
            drawn[name].savefig(file, format="png", dpi=150)
            data = base64.b64encode(file.getvalue()).decode("ascii")
            width, height = (int(inches * 150) for inches in drawn[name].get_size_inches())
            parts.append(
                f'<figure id="fig{number}"><img src="data:image/png;base64,{data}" width="{width}" height="{height}" '
                f'alt="Figure {number}: {caption}"><figcaption><b>{number}.</b> {caption}</figcaption></figure>'
            )
        else:
            parts.append(f'<p id="fig{number}"><b>{number}.</b> {caption} Left out: {escape(skipped[name])}.</p>')
    return f'<section id="figures"><h2>Figures</h2>{"".join(parts)}</section>'


def _cell(value):
    """Return the HTML of one cell of a table."""
    if isinstance(value, bool | np.bool_):
        return f"<td>{'yes' if value else 'no'}</td>"
    if isinstance(value, int | np.integer):
        return f'<td class="n">{value}</td>'
    if isinstance(value, float | np.floating):
        return f'<td class="n">{value:.4g}</td>' if np.isfinite(value) else '<td class="n">–</td>'
    return f"<td>{escape(str(value))}</td>"


def _tables(found):
    parts = []
    for name, table in found.tables.items():
        heads = []
        for column in table.colnames:
            unit = table[column].unit
            heads.append(f'<th scope="col">{escape(column)}{f"<br>[{escape(str(unit))}]" if unit else ""}</th>')
        rows = "".join(f"<tr>{''.join(_cell(row[column]) for column in table.colnames)}</tr>" for row in table)
        title = escape(table.meta["title"])
        parts.append(
            f'<div class="scroll" tabindex="0" role="region" aria-label="{title}"><table id="{name}">'
            f"<caption>{title}</caption><thead><tr>{''.join(heads)}</tr></thead><tbody>{rows}</tbody></table></div>"
        )
    left_out = "".join(f"<li>{escape(name)}: {escape(reason)}.</li>" for name, reason in found.skipped.items())
    if left_out:
        parts.append(f"<p>Tables left out:</p><ul>{left_out}</ul>")
    words = "Errors of distances and masses are fractions; SCATTER is 1.4826 times the median absolute deviation."
    return f'<section id="tables"><h2>Tables</h2><p>{words}</p>{"".join(parts)}</section>'


def _origin(found, model, command):
    versions = {"skdistmass": __version__, "Python": platform.python_version()}
    versions |= {name: metadata.version(name) for name in _PACKAGES}
    lines = [", ".join(f"{name} {version}" for name, version in versions.items())]
    lines.append(f"Written {datetime.now(UTC):%Y-%m-%d %H:%M} UTC.")
    about = {key: found.stars.meta[key] for key in ("MODEL", "VERSION", "SKDM_FILE") if key in found.stars.meta}
    if about:
        lines.append("Catalogue: " + ", ".join(f"{key} {value}" for key, value in about.items()))
    paragraphs = "".join(f"<p>{escape(line)}</p>" for line in lines)
    shown = f"<p>Command:</p><pre>{escape(command)}</pre>" if command else ""
    return f'<section id="origin"><h2>How this was made</h2>{shown}{paragraphs}{_trained_on(model)}</section>\n</main>'


def _trained_on(model):
    """Return a table of what each network of the model was trained on."""
    if model is None:
        return ""
    rows = ""
    for name, accuracy in model.accuracy_.items():
        removed = ", ".join(f"{cut}: {count}" for cut, count in model.removed_.get(name, {}).items() if count)
        values = (accuracy.get(key, np.nan) for key in ("scatter", "bias"))
        cells = "".join(_cell(float(value)) for value in values)
        n_stars = _cell(accuracy["n_stars"])
        rows += f'<tr><th scope="row">{escape(name)}</th>{n_stars}{cells}<td>{escape(removed) or "none"}</td></tr>'
    head = "".join(
        f'<th scope="col">{n}</th>' for n in ("Network", "Stars", "Scatter", "Bias", "Stars removed by cuts")
    )
    return (
        '<div class="scroll" tabindex="0" role="region" aria-label="Training">'
        "<table><caption>What the model was trained on (out-of-fold fractional errors)</caption>"
        f"<thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div>"
    )
