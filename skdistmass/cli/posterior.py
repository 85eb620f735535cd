"""The command ``skdistmass posterior``."""

from pathlib import Path

import click

from skdistmass.cli import options
from skdistmass.cli.support import check_output, load_any_model
from skdistmass.exceptions import DistMassError
from skdistmass.writing import replaced

__all__ = ["posterior"]

_FORMATS = {".fits": "fits", ".vot": "votable", ".parquet": "parquet", ".ecsv": "ascii.ecsv", ".csv": "ascii.csv"}


@click.command()
@click.argument("model", type=options.NAME_OR_FILE)
@click.argument("table", type=click.Path(path_type=Path))
@options.output
@click.option("--samples", type=click.IntRange(2), default=1000, show_default=True, help="Draws of each star.")
@click.option("--scale", help="Mass scale; by default the first of the model.")
@click.option("--parallax", is_flag=True, help="Let the parallax count as well.")
@click.option("--age-limit", type=click.FloatRange(0, min_open=True), default=13.8, show_default=True, help="In Gyr.")
@click.option("--no-age-limit", is_flag=True, help="Let ages be any that the masses give.")
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
    that the errors of their common labels cause. The output has the format of its ending (.fits, .vot, .parquet, .ecsv,
    .csv).
    """
    from skdistmass.surveys import read_survey

    form = _FORMATS.get(output.suffix.lower())
    if form is None:
        raise DistMassError(f"{output}: the ending gives the format; use one of {', '.join(_FORMATS)}.")
    check_output(output, overwrite)
    trained = load_any_model(model)
    found = trained.posterior(
        extinction.apply(read_survey(table, layout=layout)),
        samples,
        scale=scale,
        parallax=parallax,
        age_limit=None if no_age_limit else age_limit,
        out_of_fold=not refit_values,
        random_state=seed,
    )
    with replaced(output, "posterior") as partial:
        found.write(partial, format=form, overwrite=True)
    if not quiet:
        click.echo(f"wrote {output}: {len(found)} stars, {len(found.colnames)} columns, {samples} draws each")
