"""The command that calibrates the labels of one survey to the scale of another, or of a model."""

from pathlib import Path

import click

from skdistmass.cli import options
from skdistmass.cli.outputs import claim_output
from skdistmass.cli.support import load_any_model
from skdistmass.cli.terminal import say
from skdistmass.exceptions import DistMassError, printable

__all__ = ["calibrate", "calibration_report"]

_CONSTRAINTS = ("parallax", "clump", "seismic-logg", "mass", "clusters")


def _list_shipped(context, _, value):
    if not value or context.resilient_parsing:
        return
    from skdistmass.estimators.label_calibration import load_calibration, shipped_calibrations

    for name in shipped_calibrations():
        about = load_calibration(name).provenance_
        say(f"{name}: {about['from']} to {about['to']}. {about['source']}. {about['residuals']}")
    context.exit()


@click.command()
@click.argument("survey", metavar="FROM", type=click.Path(path_type=Path))
@click.argument("target", metavar="[TO]", required=False, type=click.Path(path_type=Path))
@options.output
@click.option(
    "--list",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_list_shipped,
    help="List the calibrations that come with the package, and end.",
)
@click.option(
    "--model",
    type=options.NAME_OR_FILE,
    metavar="NAME|FILE",
    help="Calibrate to the scale of this model, without stars in common: as for 'skdistmass predict'.",
)
@click.option(
    "--form",
    type=click.Choice(["auto", "constant", "linear", "smooth"]),
    default="auto",
    show_default=True,
    help="What the shift of a label depends on: nothing, or a line or parabola in Teff, log g and [M/H].",
)
@click.option(
    "--constraint",
    "constraints",
    multiple=True,
    type=click.Choice(_CONSTRAINTS),
    help="With --model: what must hold; may be repeated. By default all that FROM has the columns for.",
)
@click.option("--seismic-logg", metavar="COLUMN", default="", help="With --model: column of seismic log g in FROM.")
@options.joined("Table of identifiers that connects FROM and TO, or of masses and clusters of the stars in FROM.")
@options.match_radius
@options.ambiguous
@options.layout
@click.option(
    "--to-layout", type=options.NAME_OR_FILE, metavar="NAME|FILE", help="Layout of TO, as --layout is that of FROM."
)
@click.option("--seed", type=int, default=0, show_default=True)
@options.overwrite
@options.quiet
def calibrate(
    survey,
    target,
    output,
    model,
    form,
    constraints,
    seismic_logg,
    joined,
    match_radius,
    ambiguous,
    layout,
    to_layout,
    seed,
    overwrite,
    quiet,
):
    """Calibrate the labels of FROM to the scale of TO, or of a model.

    FROM and TO are survey files of any layout. Their stars in common, found by identifier, say how labels of FROM
    become labels on the scale of TO. Without TO, and with --model (as for 'skdistmass predict'), the calibration is the
    one with which the model's predictions agree with parallaxes, the red clump, seismology and clusters. The output is
    a text file for the option --calibration of 'skdistmass predict' and 'skdistmass catalog'.
    """
    claim_output(output, overwrite, "calibration")
    if (target is None) == (model is None):
        raise DistMassError("give either a second table TO, or a model with --model.")
    settings = {"form": form, "random_state": seed}
    matching = {"match_radius": match_radius, "ambiguous": ambiguous}
    if target is not None:
        if constraints or seismic_logg:
            raise DistMassError("--constraint and --seismic-logg belong to --model; leave them out, or leave TO out.")
        calibration, about, lines = _on_common_stars(survey, target, joined, layout, to_layout, matching, settings)
    else:
        settings |= {"kinds": constraints or _CONSTRAINTS, "seismic_gravity": seismic_logg.upper()}
        calibration, about, lines = _to_model(survey, model, joined, layout, matching, settings)
    calibration.provenance_ = {"name": output.stem, **about}
    calibration.save(output)
    if not quiet:
        for line in [*lines, *calibration_report(calibration)]:
            say(line)
        say(f"wrote {output}")


def _on_common_stars(survey, target, joined, layout, to_layout, matching, settings):
    """Calibrate on the stars in common; return the calibration, what it is from, and lines to print."""
    from skdistmass.estimators.label_calibration import fit_common_stars
    from skdistmass.surveys import read_survey

    stars, to = read_survey(survey, layout=layout), read_survey(target, layout=to_layout)
    others = [read_survey(table) for table in joined]
    calibration, report = fit_common_stars(stars, to, *others, **matching, **settings)
    count = max(row["N_STARS"] for row in calibration.describe())
    about = {"from": _scale_of(stars), "to": _scale_of(to), "source": f"{count} stars in common"}
    return calibration, about, report


def _to_model(survey, model, joined, layout, matching, settings):
    """Calibrate to a model; return the calibration, what it is from, and lines to print."""
    from skdistmass.extinction import ExtinctionChoice
    from skdistmass.model import fit_to_model
    from skdistmass.surveys import join, read_survey

    predictor = load_any_model(model)
    wanted = [settings["seismic_gravity"]] if settings["seismic_gravity"] else []
    stars = ExtinctionChoice().apply(read_survey(survey, layout=layout, columns=wanted))
    found = join(stars, *(read_survey(table) for table in joined), **matching)
    calibration = fit_to_model(predictor, found.stars, **settings)
    lines = list(found.report)
    for name, (count, before, after) in calibration.residuals_.items():
        lines.append(f"{name}: {count} stars, median residual {before:+.4f} before, {after:+.4f} after")
    used = ", ".join(f"{name} ({count} stars)" for name, (count, _, _) in calibration.residuals_.items())
    return calibration, {"from": _scale_of(stars), "to": f"the model {Path(model).name}", "source": used}, lines


def _scale_of(stars):
    """Name the scale of a table's labels: its file, and its layout if that is a survey's."""
    from skdistmass.surveys import load_layout

    layout = load_layout(stars.layout)
    name = Path(stars.source).name
    return name if layout.name == "generic" else f"{layout.title} ({name})"


def calibration_report(calibration):
    """Say what a calibration is, as lines of text."""
    name, checksum = calibration.identity
    lines = [f"{key}: {value}" for key, value in ({"name": name} | calibration.provenance_).items()]
    lines += [f"SHA-256: {checksum}", ""]
    lines.append(f"{'label':<6} {'stars':>6} {'form':<9} {'mean shift':>11} {'error':>8} {'spread':>8} {'scatter':>8}")
    for row in calibration.describe():
        digits = 1 if row["LABEL"] == "TEFF" else 4
        numbers = [f"{row[key]:.{digits}f}" for key in ("SHIFT_ERR", "SPREAD", "SCATTER")]
        shift = f"{row['SHIFT']:+.{digits}f}"
        lines.append(
            f"{row['LABEL']:<6} {row['N_STARS']:>6} {row['FORM']:<9} {shift:>11} "
            + " ".join(f"{number:>8}" for number in numbers)
        )
    return list(map(printable, lines))
