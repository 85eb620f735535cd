"""The catalogue of one machine against those of LSDB, Dask and Ray with 1, 2 and 4 workers, to the last bit.

A mock survey, by default of 500,000 rows, is written as a Parquet file and as HATS by hats-import, in uneven
partitions of which one is emptied. ``skdistmass catalog`` predicts the file, and the HATS catalogue; Dask and Ray read
the files of the partitions. Each catalogue is sorted by identifier. Its rows are counted, its columns are compared bit
by bit, types included, and a checksum of all of them is printed. The script ends with an error if one differs.
"""

import argparse
import hashlib
import logging
import os
import shutil
import subprocess
import sys
import tempfile
import time
import warnings
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from hats_survey import KEY, empty_a_partition, import_survey, partitions

from skdistmass.datasets import make_survey
from skdistmass.distributed import predict_dask, predict_ray

#: ``skdistmass catalog``, by this interpreter
CATALOG = [sys.executable, "-W", "ignore", "-c", "from skdistmass.cli.commands import main; main()", "catalog"]


def checksums(path, columns=None):
    """Return the number of rows of a catalogue sorted by identifier, and a checksum of each column."""
    files = [path]
    if path.is_dir():
        files = partitions(path) or sorted(path.glob("*.parquet"))
    table = pa.concat_tables([pq.read_table(file, columns=columns, partitioning=None) for file in files])
    order = pa.array(np.argsort(table[KEY].to_numpy().astype(str), kind="stable"))
    found = {}
    for name in table.column_names:
        column = table[name].combine_chunks().take(order)
        kind = column.type
        text = pa.types.is_string(kind) or pa.types.is_large_string(kind)
        digest = hashlib.sha256(b"text" if text else str(kind).encode())
        digest.update(column.is_null().to_numpy(zero_copy_only=False).tobytes())
        if text:
            digest.update("\n".join(column.fill_null("").to_numpy(zero_copy_only=False)).encode())
        else:
            plain = column.cast(pa.int8()) if pa.types.is_boolean(kind) else column
            values = plain.fill_null(0).to_numpy(zero_copy_only=False).copy()
            if values.dtype.kind == "f":
                values[np.isnan(values)] = np.nan  # all of one kind
            digest.update(values.tobytes())
        found[name] = digest.hexdigest()
    return len(table), found


def with_cli(survey, output, *options):
    """Run ``skdistmass catalog``."""
    subprocess.run([*CATALOG, *map(str, (survey, "-o", output, "--quiet", *options))], check=True)


def with_dask(model, files, output, workers):
    """Predict the partitions as a Dask DataFrame."""
    import dask.dataframe as dd
    from distributed import Client

    with Client(n_workers=workers, threads_per_worker=1, dashboard_address=":0"):
        # Each file as it is: to Dask, names like Norder=1 are columns otherwise.
        frames = [dd.read_parquet(file, dtype_backend="pyarrow", partitioning=None) for file in files]
        predict_dask(dd.concat(frames), model, dtype_backend="pyarrow").to_parquet(output, write_index=False)


def with_ray(model, files, output, workers):
    """Predict the partitions as a dataset of Ray."""
    import ray

    ray.init(num_cpus=workers, include_dashboard=False, log_to_driver=False, logging_level="error")
    ray.data.DataContext.get_current().enable_progress_bars = False
    logging.getLogger("ray.data").setLevel(logging.ERROR)
    try:
        predict_ray(ray.data.read_parquet(files, partitioning=None), model).write_parquet(output)
    finally:
        ray.shutdown()


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=500_000)
    parser.add_argument("--most-rows", type=int, default=60_000, help="of a partition")
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2, 4])
    parser.add_argument("--engines", nargs="+", default=["hats", "dask", "ray"], choices=["hats", "dask", "ray"])
    parser.add_argument("--model", default="kepler-giants")
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")  # of other packages
    from distributed import Client

    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        survey = folder / "survey.parquet"
        make_survey(arguments.rows, random_state=0).write(survey)
        with Client(n_workers=1, threads_per_worker=1, dashboard_address=":0") as client:
            hats = import_survey(survey, folder, client, most_rows=arguments.most_rows)
        empty_a_partition(hats, survey)
        files = [str(path) for path in partitions(hats)]
        print("rows of the partitions:", *sorted(pq.read_metadata(path).num_rows for path in files), flush=True)

        began = time.perf_counter()
        with_cli(survey, folder / "one.parquet", "--model", arguments.model)
        n_rows, expected = checksums(folder / "one.parquet")
        print(
            f"{'how':>8} {'workers':>7} {'wall s':>7} {'rows':>8}  unlike columns, checksum of {len(expected)} columns"
        )

        def tell(how, workers, rows, found):
            unlike = [name for name in expected if found.get(name) != expected[name]]
            content = hashlib.sha256("".join(found[name] for name in expected if name in found).encode()).hexdigest()
            wall = time.perf_counter() - began
            print(f"{how:>8} {workers:>7} {wall:>7.0f} {rows:>8}  {', '.join(unlike) or 'none'}, {content}", flush=True)
            return not unlike and rows == n_rows

        same = [tell("one file", 1, n_rows, expected)]
        run = {"dask": with_dask, "ray": with_ray}
        for engine in arguments.engines:
            for workers in arguments.workers:
                began, output = time.perf_counter(), folder / "out"
                if engine == "hats":
                    with_cli(hats, output, "--model", arguments.model, "--workers", workers)
                    rows, found = checksums(output, list(expected))
                else:
                    run[engine](arguments.model, files, str(output), workers)
                    rows, found = checksums(output)
                same.append(tell(engine, workers, rows, found))
                shutil.rmtree(output)
    if not all(same):
        sys.exit("not all are the same")
    print("all are the same to the last bit")


if __name__ == "__main__":
    main()
