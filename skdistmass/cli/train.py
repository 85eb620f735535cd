"""The command that trains a model."""

from pathlib import Path
from typing import Any

import click

from skdistmass.cli import options
from skdistmass.cli.outputs import claim_output
from skdistmass.cli.support import (
    count_methods,
    parse_mass_scales,
    parse_threshold,
    read_cluster_distances,
    read_joined,
    training_report,
)
from skdistmass.cli.terminal import say, training_progress

__all__ = ["train"]

_BINARY_THRESHOLD = 0.13


@click.command()
@click.argument("tables", metavar="TABLE...", nargs=-1, required=True, type=click.Path(path_type=Path))
@options.output
@click.option(
    "--mass",
    "masses",
    multiple=True,
    metavar="[NAME=]COLUMN",
    help="Mass column to train on; may be repeated. MASS_ERR and AGE_ERR are those of MASS, else of the first. By "
    "default every column MASS or MASS_* that has an error (_ERR, or _LO and _HI).",
)
@options.joined(
    "Table with masses, clusters or identifiers of the same stars. It is joined by an identifier that both have, "
    "or that a further --join table connects."
)
@options.match_radius
@options.ambiguous
@click.option("--clusters", type=click.Path(path_type=Path), help="Table of cluster members, joined likewise.")
@click.option(
    "--min-membership",
    type=(str, float),
    default=("CG_PROB", 0.5),
    show_default=True,
    help="Column of the members' probability, and its smallest value.",
)
@options.cluster_distances
@options.layout
@click.option("--max-parallax-error", type=float, default=0.15, show_default=True, help="Fractional (section 4.1).")
@click.option("--max-extinction", type=float, default=0.5, show_default=True, help="A_K in mag (section 4.1).")
@options.extinction
@click.option("--max-mass-error", type=float, default=0.10, show_default=True, help="Fractional (section 5.3).")
@click.option("--mass-range", type=(float, float), default=(0.5, 4.0), show_default=True, help="In solar masses.")
@click.option(
    "--max-rows",
    type=click.IntRange(0),
    default=750_000,
    show_default=True,
    help="Of a TABLE with more rows, as many are drawn at random, besides all with a mass or a cluster; 0 takes all. "
    "Memory grows with them, accuracy hardly does.",
)
@click.option(
    "--binary-threshold",
    default=str(_BINARY_THRESHOLD),
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
@click.option(
    "--recipe",
    type=click.Choice(["default", "paper", "whole"]),
    default="default",
    show_default=True,
    help="'whole' is for giants, dwarfs and clusters together: stellar physics with a correction, a robust loss, "
    "sources of labels (LABEL_SRC) and masses (MASS_SRC), and distances without C and N.",
)
@click.option(
    "--mass-fallback", is_flag=True, help="Train networks for the masses of stars without C or N, too; less accurate."
)
@click.option("--networks", type=click.IntRange(1), help="Networks averaged for each quantity; 1 is quickest.")
@click.option("--jobs", type=int, default=1, show_default=True, help="Networks trained at the same time.")
@click.option("--seed", type=int, default=0, show_default=True)
@options.overwrite
@options.quiet
def train(
    tables,
    output,
    masses,
    joined,
    match_radius,
    ambiguous,
    clusters,
    min_membership,
    cluster_distances,
    layout,
    max_parallax_error,
    max_extinction,
    extinction,
    max_mass_error,
    mass_range,
    max_rows,
    binary_threshold,
    parts,
    recipe,
    mass_fallback,
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
    from skdistmass.model import DistMassModel
    from skdistmass.surveys.training_sets import TrainingCuts

    claim_output(output, overwrite, "model")
    scales = parse_mass_scales(masses) if masses else "auto"
    # Chosen as 'skdistmass catalog' chooses it: a model belongs to the extinctions it was trained with.
    stars, report = read_joined(
        tables,
        joined,
        extinction=extinction,
        columns=[] if scales == "auto" else list(scales.values()),
        layout=layout,
        clusters=clusters,
        min_membership=min_membership,
        max_rows=max_rows or None,
        seed=seed,
        match_radius=match_radius,
        ambiguous=ambiguous,
    )
    cuts = TrainingCuts(
        max_parallax_error,
        max_extinction,
        max_mass_error,
        mass_range,
        assumed_extinction=extinction.assumed,
        cluster_distances=read_cluster_distances(cluster_distances),
    )
    model = DistMassModel(
        *_new_networks(recipe, binary_threshold, {"n_networks": networks} if networks else {}),
        parts=parts,
        mass_scales=scales,
        mass_fallback=mass_fallback,
        cuts=cuts,
        n_jobs=jobs,
        random_state=seed,
    )
    with training_progress(quiet) as progress:
        model.fit(stars, progress=progress)
    model.save(output)
    if not quiet:
        say(f"{', '.join(map(str, tables))}: {len(stars)} rows")
        for line in report:
            say(line)
        say(f"extinction by {count_methods(stars['A_K_SRC'])}")
        say(training_report(model))
        say(f"wrote {output}")


def _new_networks(recipe: str, binary_threshold: str, parameters: dict[str, Any]) -> tuple[Any, Any]:
    """Return the networks for distance and mass before training."""
    from skdistmass.estimators.abs_mag import AbsMagRegressor
    from skdistmass.estimators.binaries import BinaryResidualFilter
    from skdistmass.estimators.cn_mass import CNMassRegressor

    makers: dict[str, tuple[Any, Any]] = {
        "default": (AbsMagRegressor, CNMassRegressor),
        "paper": (AbsMagRegressor.paper, CNMassRegressor.paper),
        "whole": (AbsMagRegressor.whole_diagram, CNMassRegressor.whole_diagram),
    }
    threshold = None if binary_threshold == "none" else parse_threshold(binary_threshold)
    binary_filter: Any = None if threshold is None else BinaryResidualFilter(threshold=threshold)
    if recipe == "whole" and threshold is not None:
        if threshold != _BINARY_THRESHOLD:
            raise click.UsageError(
                "--recipe whole has its own binary filter: leave --binary-threshold out, or give none."
            )
        binary_filter = "auto"
    abs_mag, mass = makers[recipe]
    return abs_mag(binary_filter=binary_filter, **parameters), mass(**parameters)
