"""A mock survey as a HATS catalogue: uneven partitions, a margin cache and, if wanted, a partition without rows."""

import warnings
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

KEY = "APSTAR_ID"


def import_survey(survey, folder, client, *, most_rows, highest_order=6, margin=600.0):
    """Write the HATS collection ``folder/survey`` of a Parquet file with hats-import, and return its path.

    `margin` is the width of the margin cache in arcsec; with None there is none.
    """
    from hats_import.collection.arguments import CollectionArguments
    from hats_import.collection.run_import import run

    about = {"output_artifact_name": "survey", "output_path": folder, "tmp_dir": folder, "progress_bar": False}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of other packages
        arguments = CollectionArguments(**about).catalog(
            input_file_list=[survey],
            file_reader="parquet",
            ra_column="RA",
            dec_column="DEC",
            pixel_threshold=most_rows,
            highest_healpix_order=highest_order,
        )
        if margin is not None:
            arguments = arguments.add_margin(margin_threshold=margin, is_default=True)
        run(arguments, client)
    return Path(folder) / "survey"


def partitions(collection):
    """Return the files of a collection's partitions, without those of margins."""
    return sorted(Path(collection).glob(f"{Path(collection).name}/dataset/Norder=*/Dir=*/Npix=*.parquet"))


def empty_a_partition(collection, survey):
    """Take all rows out of the smallest partition, and out of the survey that the collection was made of."""
    from hats.io.parquet_metadata import write_parquet_metadata

    smallest = min(partitions(collection), key=lambda path: pq.read_metadata(path).num_rows)
    gone = pq.read_table(smallest)
    pq.write_table(gone.slice(0, 0), smallest)
    stars = pq.read_table(survey)
    others = pc.invert(pc.is_in(stars[KEY].cast(pa.string()), value_set=gone[KEY].cast(pa.string())))
    stars = stars.filter(others)
    pq.write_table(stars, survey)
    catalog = collection / collection.name
    write_parquet_metadata(catalog)
    for name in ("hats.properties", "properties"):
        if (catalog / name).exists():
            lines = (catalog / name).read_text().splitlines()
            lines = [f"hats_nrows={len(stars)}" if line.startswith("hats_nrows") else line for line in lines]
            (catalog / name).write_text("\n".join(lines) + "\n")
    return smallest
