"""The command ``skdistmass posterior``."""

from pathlib import Path

import click
import numpy as np

from skdistmass.cli import options
from skdistmass.cli.outputs import claim_output
from skdistmass.cli.support import load_any_model, load_isochrones
from skdistmass.cli.terminal import say
from skdistmass.exceptions import DistMassError
from skdistmass.writing import replaced

__all__ = ["posterior"]

_FORMATS = {".fits": "fits", ".vot": "votable", ".parquet": "parquet", ".ecsv": "ascii.ecsv", ".csv": "ascii.csv"}


@click.command()
@click.argument("model", type=options.NAME_OR_FILE)
@click.argument("table", type=click.Path(path_type=Path))
@options.output
@click.option("--samples", type=click.IntRange(2), default=1000, show_default=True, help="Draws of each star.")
@click.option("--scale", help="Mass scale, or 'all' for all together; by default the first of the model.")
@click.option("--parallax", is_flag=True, help="Let the parallax count as well.")
@click.option("--age-limit", type=click.FloatRange(0, min_open=True), default=13.8, show_default=True, help="In Gyr.")
@click.option("--no-age-limit", is_flag=True, help="Let ages be any that the masses give.")
@click.option(
    "--isochrones",
    type=click.Path(path_type=Path),
    help="Isochrones for masses and ages of dwarfs and subgiants: a table of PARSEC or MIST, or what "
    "IsochroneDistanceRegressor.save wrote (.npz).",
)
@click.option(
    "--alpha",
    type=click.Choice(["none", "mean", "label"]),
    default="none",
    show_default=True,
    help="[alpha/Fe] in the ages: that of a mean star of its [Fe/H], or the star's own (ALPHA_M or ALPHA_FE).",
)
@click.option(
    "--mass-loss",
    "eta",
    type=click.FloatRange(0, 1, min_open=True),
    help="Mass lost by stars of the red clump: eta of Reimers' law, such as 0.2.",
)
@click.option(
    "--mass-loss-spread",
    type=click.FloatRange(0, 2),
    default=0.0,
    show_default=True,
    help="Its scatter, as a fraction.",
)
@click.option(
    "--states",
    type=click.Path(path_type=Path),
    help="Table with labels and EVSTATE (1 red giant branch, 2 clump), from which the states of other stars are "
    "learned. Without it EVSTATE of TABLE counts.",
)
@options.extinction
@options.layout
@options.refit_values
@click.option("--seed", type=int, default=0, show_default=True)
@options.overwrite
@options.quiet
def posterior(
    model,
    table,
    output,
    samples,
    scale,
    parallax,
    age_limit,
    no_age_limit,
    isochrones,
    alpha,
    eta,
    mass_loss_spread,
    states,
    extinction,
    layout,
    refit_values,
    seed,
    overwrite,
    quiet,
):
    """Summarise the joint posterior of each star in TABLE: mode, median, mean and percentiles.

    MODEL is a file written by 'skdistmass train', the name of a model that comes with the package, or an ONNX file that
    was exported with --quantiles. Absolute magnitude, distance, mass and age are drawn together, with the correlations
    that the errors of their common labels cause. Ages are of giants (log g < 3.5); --isochrones adds those of dwarfs
    and subgiants. The output has the format of its ending (.fits, .vot, .parquet, .ecsv, .csv).
    """
    from skdistmass.surveys import read_survey

    form = _FORMATS.get(output.suffix.lower())
    if form is None:
        raise DistMassError(f"{output}: the ending gives the format; use one of {', '.join(_FORMATS)}.")
    claim_output(output, overwrite, "posterior")
    trained = load_any_model(model)
    if eta is None and (states is not None or mass_loss_spread):
        raise DistMassError("--states and --mass-loss-spread are of use with --mass-loss only.")
    found = trained.posterior(
        extinction.apply(read_survey(table, layout=layout)),
        samples,
        scale=scale,
        parallax=parallax,
        age_limit=None if no_age_limit else age_limit,
        isochrones=None if isochrones is None else load_isochrones(isochrones),
        physics=_physics(alpha, eta, mass_loss_spread, states),
        out_of_fold=not refit_values,
        random_state=seed,
    )
    with replaced(output, "posterior") as partial:
        found.write(partial, format=form, overwrite=True)
    if not quiet:
        say(f"wrote {output}: {len(found)} stars, {len(found.colnames)} columns, {samples} draws each")


def _physics(alpha, eta, spread, states):
    """Return the ingredients of the ages; learn the states of stars from a table."""
    from skdistmass import EvolutionaryStateClassifier
    from skdistmass.isochrones import MassLoss
    from skdistmass.model import AgePhysics
    from skdistmass.surveys import read_survey

    classifier = None
    if states is not None:
        stars = read_survey(states)
        if "EVSTATE" not in stars:
            raise DistMassError(f"{states} has no column EVSTATE to learn the states of stars from.")
        known = np.isin(stars["EVSTATE"], [1, 2])
        classifier = EvolutionaryStateClassifier(random_state=0).fit(stars.labels[known], stars["EVSTATE"][known])
    return AgePhysics(
        alpha=None if alpha == "none" else alpha,
        mass_loss=None if eta is None else MassLoss(eta=eta, spread=spread),
        states=classifier,
    )
