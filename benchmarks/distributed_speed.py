"""Rows per second and core of the catalogue on workers of Dask, against one process without Dask.

A mock survey is written as Parquet files of equal size, by default 0.1 and 1 million rows. "one process" is
`build_catalog` on each file in turn, with one thread. "Dask" reads, predicts and writes the same files on one and on
two workers of one thread each. CPU time is that of all processes that predict; the overhead compares it with one
process. The memory is the largest of a worker.
"""

import argparse
import os
import resource
import tempfile
import time
from pathlib import Path

os.environ["OMP_NUM_THREADS"] = "1"

import dask.dataframe as dd
from distributed import Client

from skdistmass import build_catalog, load_pretrained
from skdistmass.datasets import make_survey
from skdistmass.distributed import predict_dask


def write_survey(folder, n_files, n_rows):
    """Write one mock survey many times."""
    first = folder / "part0000.parquet"
    make_survey(n_rows, random_state=0).write(first)
    for number in range(1, n_files):
        (folder / f"part{number:04d}.parquet").write_bytes(first.read_bytes())
    return sorted(folder.glob("*.parquet"))


def one_process(model, files, output):
    """Return seconds of wall and CPU time, and gigabytes at the peak."""
    predictor = load_pretrained(model)
    began = time.perf_counter(), time.process_time()
    for path in files:
        build_catalog(predictor, path, output / path.name, overwrite=True)
    used = time.perf_counter() - began[0], time.process_time() - began[1]
    return *used, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6


def _usage():
    about = resource.getrusage(resource.RUSAGE_SELF)
    return about.ru_utime + about.ru_stime, about.ru_maxrss / 1e6


def with_dask(model, files, output, workers):
    """Return the same of workers of Dask."""
    with Client(n_workers=workers, threads_per_worker=1, dashboard_address=":0") as client:
        # Imports and the session of each worker are made once, whatever the number of rows.
        small = dd.read_parquet(files[:1], dtype_backend="pyarrow").partitions[0].head(100, compute=False)
        predict_dask(small, model).compute()
        before, began = client.run(_usage), time.perf_counter()
        stars = dd.read_parquet(files, dtype_backend="pyarrow", split_row_groups=False)
        predict_dask(stars, model, dtype_backend="pyarrow").to_parquet(output, overwrite=True)
        wall, after = time.perf_counter() - began, client.run(_usage)
    return wall, sum(after[w][0] - before[w][0] for w in after), max(peak for _, peak in after.values())


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, nargs="+", default=[100_000, 1_000_000])
    parser.add_argument("--partition-rows", type=int, default=50_000)
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--model", default="kepler-giants")
    arguments = parser.parse_args()
    print(
        f"{'rows':>9} {'how':>15} {'wall s':>7} {'CPU s':>7} {'rows/s/core':>12} {'overhead':>9} {'GB':>5} {'load':>5}"
    )
    for rows in arguments.rows:
        with tempfile.TemporaryDirectory() as temporary:
            folder = Path(temporary)
            for name in ("survey", "one", "dask"):
                (folder / name).mkdir()
            n_files = max(rows // arguments.partition_rows, 1)
            files = write_survey(folder / "survey", n_files, rows // n_files)
            runs = {"one process": one_process(arguments.model, files, folder / "one")}
            for workers in arguments.workers:
                found = with_dask(arguments.model, [str(path) for path in files], str(folder / "dask"), workers)
                runs[f"Dask, {workers} worker{'s' * (workers > 1)}"] = found
            for how, (wall, cpu, memory) in runs.items():
                more = cpu / runs["one process"][1] - 1.0
                load = os.getloadavg()[0]
                print(
                    f"{rows:>9} {how:>15} {wall:>7.1f} {cpu:>7.1f} {rows / cpu:>12.0f} {more:>9.0%} {memory:>5.2f} "
                    f"{load:>5.1f}",
                    flush=True,
                )


if __name__ == "__main__":
    main()
