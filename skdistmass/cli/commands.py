"""The command line: train a model, predict a catalogue, look at a model, see a demonstration."""

from dataclasses import replace
from pathlib import Path

import click

from skdistmass._version import __version__
from skdistmass.cli import options
from skdistmass.cli.calibrate import calibrate, calibration_report
from skdistmass.cli.distributed import refuse_options, write_distributed
from skdistmass.cli.outputs import check_output, claim_output
from skdistmass.cli.page import page
from skdistmass.cli.posterior import posterior
from skdistmass.cli.support import (
    command_line,
    export_graph,
    is_calibration,
    is_table_file,
    load_any_model,
    load_isochrones,
    number_or_text,
    read_cluster_distances,
    training_report,
    write_card,
    write_catalog,
)
from skdistmass.cli.terminal import OneLineErrors, say, training_progress
from skdistmass.cli.train import train
from skdistmass.deploy import DEFAULT_MODEL
from skdistmass.exceptions import printable

__all__ = ["main"]


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


main.add_command(train)
main.add_command(posterior)
main.add_command(calibrate)
main.add_command(page)


@main.command()
@click.option("--out", type=click.Path(path_type=Path), default=Path("skdistmass-demo"), show_default=True)
@click.option("--stars", "n_stars", type=click.IntRange(2000, 1_000_000), default=8_000, show_default=True)
@click.option("--seed", type=int, default=0, show_default=True, help="Another seed is another survey.")
@options.quiet
def demo(out, n_stars, seed, quiet):
    """Show all steps on a mock survey with known truth.

    Makes a mock survey, trains on half of it, predicts the other half, and writes survey, model, catalogue, a Kiel
    diagram and predictions against truth into the folder OUT. Takes less than a minute.
    """
    from skdistmass.cli.demo import run_demo, summarize, write_demo

    say(f"A mock survey of {n_stars} spectra; one half trains, the other is predicted.")
    with training_progress(quiet) as progress:
        model, survey, catalog = run_demo(n_stars, seed, progress)
    for line in summarize(model, survey, catalog):
        say(f"  - {line}")
    for path in write_demo(out, model, survey, catalog):
        say(f"wrote {path}")


@main.command()
@click.argument("names", metavar="[MODEL] TABLE", nargs=-1, required=True, type=options.NAME_OR_FILE)
@options.output
@options.resume
@options.extinction
@options.layout
@options.calibration
@options.refit_values
@options.overwrite
@options.quiet
def predict(names, output, resume, extinction, layout, calibration, refit_values, overwrite, quiet):
    """Predict distances, masses and ages of the stars in TABLE with MODEL, by default the model 'apogee'.

    MODEL is a file written by 'skdistmass train', an ONNX file of this package, or the name of a model that comes with
    the package. TABLE holds the labels, and for distances K and an extinction, or J and K, which give one. The output
    is a catalogue with the columns of Table 2 of the paper, in the format of its ending (.fits, .vot, .parquet).
    'skdistmass catalog' does the same with more options.
    """
    if len(names) > 2:
        raise click.UsageError(f"a model and one table are needed, not {len(names)} names.")
    model, table = names if len(names) == 2 else (DEFAULT_MODEL, names[0])
    table = Path(table)
    check_output(output, overwrite or resume)
    settings = {"resume": resume, "overwrite": overwrite, "out_of_fold": not refit_values, "layout": layout}
    settings["calibration"] = calibration
    write_catalog(model, table, output, quiet=quiet, extinction=extinction, **settings)


@main.command()
@click.argument("surveys", metavar="SURVEY...", nargs=-1, required=True, type=click.Path(path_type=Path))
@options.output
@options.model
@options.distributed
@options.resume
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
    help="Isochrones for NMSU_DIST, and with --posterior for masses and ages of dwarfs: a table of PARSEC or MIST, or "
    "what IsochroneDistanceRegressor.save wrote (.npz).",
)
@options.extinction
@click.option(
    "--as",
    "style",
    type=click.Choice(["skdistmass", "distmass"]),
    default="skdistmass",
    show_default=True,
    help="Names and units: those of this package, or those of the published DistMass file (pc, years; FITS only).",
)
@options.layout
@click.option("--hdu", help="FITS extension of the survey.")
@click.option("--jobs", type=click.IntRange(1), default=1, show_default=True, help="Threads; memory grows with them.")
@options.calibration
@options.refit_values
@options.posterior
@options.overwrite
@options.quiet
def catalog(
    surveys,
    output,
    model,
    distributed,
    resume,
    chunk_rows,
    parallax_zero_point,
    isochrones,
    extinction,
    style,
    layout,
    hdu,
    jobs,
    calibration,
    refit_values,
    posterior,
    overwrite,
    quiet,
):
    """Make the catalogue of a SURVEY of any size.

    Reads and writes in chunks, chooses the extinction of each star as in section 2 of the paper, and can continue after
    a stop (--resume), with the same result. The file has its final name only when it is complete.

    SURVEY is a file; or several, of which each gives a Parquet file in the folder OUTPUT; or the folder of a HATS
    catalogue, and then OUTPUT is one, too. The last two use --workers processes.
    """
    settings = {"out_of_fold": not refit_values, "parallax_zero_point": number_or_text(parallax_zero_point)}
    settings |= {"layout": layout, "extinction": extinction, "calibration": calibration}
    if len(surveys) > 1 or surveys[0].is_dir():
        only = {"--isochrones": isochrones, "--as": style != "skdistmass", "--hdu": hdu, "--jobs": jobs > 1}
        how = {"resume": resume, "overwrite": overwrite, "quiet": quiet}
        write_distributed(model, surveys, output, distributed, only=only, posterior=posterior, **how, **settings)
        return
    refuse_options(distributed, "a SURVEY that is one file")
    check_output(output, overwrite or resume)
    models = None if isochrones is None else load_isochrones(isochrones)
    write_catalog(
        model,
        surveys[0],
        output,
        quiet=quiet,
        resume=resume,
        overwrite=overwrite,
        style=style,
        chunk_rows=chunk_rows,
        n_jobs=jobs,
        hdu=int(hdu) if hdu is not None and hdu.isdigit() else hdu,
        isochrones=models,
        posterior=posterior and replace(posterior, isochrones=models),
        **settings,
    )


@main.command()
@click.argument("catalog", type=click.Path(path_type=Path))
@options.output
@click.option("--reference", type=click.Path(path_type=Path), help="Table with known distances, masses or ages.")
@click.option(
    "--model", type=options.NAME_OR_FILE, metavar="NAME|FILE", help="The model that made the catalogue, for the report."
)
@click.option(
    "--distance", "distances", multiple=True, metavar="COLUMN", help="Further distances to compare with (kpc)."
)
@click.option("--age", "ages", multiple=True, metavar="COLUMN", help="Further ages to compare with (Gyr).")
@options.cluster_distances
@options.assume_extinction
@click.option("--include-bad", is_flag=True, help="Judge stars that the catalogue's flags call bad, too.")
@options.overwrite
@options.quiet
def validate(
    catalog,
    output,
    reference,
    model,
    distances,
    ages,
    cluster_distances,
    assume_extinction,
    include_bad,
    overwrite,
    quiet,
):
    """Check a CATALOG as the paper checks its own, and write one HTML report with all figures.

    REFERENCE is a table of the same stars (matched by APOGEE_ID) with distances, parallaxes, clusters, masses or ages.
    """
    from skdistmass.validation import write_report

    claim_output(output, overwrite, "report")
    validation = write_report(
        catalog,
        reference,
        output,
        model=None if model is None else load_any_model(model),
        command=command_line(),
        distance_columns=distances,
        age_columns=ages,
        cluster_distances=read_cluster_distances(cluster_distances),
        assumed_extinction=assume_extinction,
        include_bad=include_bad,
    )
    if not quiet:
        for check in validation.checks:
            say(f"{check.verdict:<16} {check.name}: {check.found} (paper: {check.paper})")
        say(f"wrote {output}")


@main.command()
@click.argument("model", type=click.Path(path_type=Path))
@options.output
@click.option("--dtype", type=click.Choice(["float64", "float32"]), default="float64", show_default=True)
@click.option("--input-errors", is_flag=True, help="Give the graph inputs for the errors of labels and magnitude.")
@click.option(
    "--quantiles",
    is_flag=True,
    help="Give it inputs for errors, and quantiles of all predictions as outputs, by which posteriors can be drawn.",
)
@click.option(
    "--distill",
    is_flag=True,
    help="Replace each average of networks by one small network that learns it: half as many operations, for changes "
    "of a small part of the error.",
)
@options.overwrite
def export(model, output, dtype, input_errors, quantiles, distill, overwrite):
    """Write MODEL, a file of 'skdistmass train', as one ONNX file for other tools.

    Needs the extra "onnx": pip install 'skdistmass[onnx]'.
    """
    claim_output(output, overwrite, "graph")
    export_graph(model, output, distill=distill, dtype=dtype, input_errors=input_errors, quantiles=quantiles)
    say(f"wrote {output}")


@main.command()
@click.argument("name", metavar="MODEL|TABLE|CALIBRATION", type=options.NAME_OR_FILE)
@options.layout
@click.option(
    "--card", is_flag=True, help="Of a MODEL: its card as a README for a model hub, in Markdown with metadata."
)
@click.option("-o", "--output", type=click.Path(path_type=Path), help="With --card: file to write, such as README.md.")
@options.overwrite
def info(name, layout, card, output, overwrite):
    """Print what a MODEL was trained on, what is in a survey TABLE, or what a CALIBRATION does.

    MODEL is a file written by 'skdistmass train', an ONNX file of this package, or the name of a model that comes with
    the package. Of a TABLE it prints the layout, which column becomes which quantity in which unit, and what is missing
    for distances, masses and ages. Only the beginning of a table is read. CALIBRATION is a file of 'skdistmass
    calibrate', or the name of one that comes with the package.
    """
    if card:
        write_card(name, output, overwrite)
        return
    if output is not None:
        raise click.UsageError("-o goes with --card.")
    if is_calibration(name):
        from skdistmass.estimators.label_calibration import load_calibration

        for line in calibration_report(load_calibration(name)):
            say(line)
        return
    if is_table_file(name):
        from skdistmass.catalog.provenance import origin_of
        from skdistmass.surveys import describe_file

        say(describe_file(name, layout=layout))
        for what, text in origin_of(name).items():
            say(f"made with the {what} {text}")
        return
    model = load_any_model(name)
    if hasattr(model, "describe"):
        say(model.describe())
        return
    for key, value in model.metadata_.items():
        say(printable(f"{key}: {value}"))
    say(training_report(model))


@main.command()
def layouts():
    """List the layouts of survey files that are recognised."""
    from skdistmass.surveys import list_layouts

    known = list_layouts()
    width = max(len(layout.name) for layout in known)
    for layout in known:
        release = f" ({layout.release})" if layout.release else ""
        say(f"{layout.name:<{width}}  {layout.title}{release}. {layout.citation}")
