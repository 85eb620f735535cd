"""Rows per second and core of ``skdistmass catalog`` on HATS and on several files, against one process on one file.

A mock survey, by default of 0.1 and 1 million rows, is written as one Parquet file, as HATS by hats-import, and as
files of equal size. CPU time is that of the command and of all that it starts, user and system, imports included;
memory is that of the largest worker. What grows with the rows is told apart from what a start costs by the difference
of two sizes: "further rows". At the end the times and sizes are carried on to 175 million and a billion stars.
"""

import argparse
import os
import shutil
import tempfile
import time
import warnings
from contextlib import suppress
from pathlib import Path

os.environ["OMP_NUM_THREADS"] = "1"

import numpy as np
import psutil
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from distributed_equality import CATALOG
from hats_survey import KEY, import_survey, partitions

from skdistmass.datasets import make_survey
from skdistmass.distributed import FramePredictor

BLOCK = 100_000
FEW = ["DISTANCE", "DISTANCE_ERR", "MASS", "MASS_ERR", "AGE", "DISTANCE_SPACE", "MASS_SPACE", "FLAGS"]
STARS = {"175 million": 175e6, "1 billion": 1e9}
CORES = 64


def write_survey(block, rows, path):
    """Write a mock survey whose stars come again and again, under other names at other places of the sky."""
    stars = pq.read_table(block)
    rng, names = np.random.default_rng(0), stars[KEY].cast(pa.string())
    with pq.ParquetWriter(path, stars.schema) as writer:
        for number in range(-(-rows // len(stars))):
            dec = np.degrees(np.arcsin(rng.uniform(-1.0, 1.0, len(stars))))
            new = {"RA": rng.uniform(0.0, 360.0, len(stars)), "DEC": dec}
            new[KEY] = pc.binary_join_element_wise(names, str(number), ".")
            part = stars
            for name, values in new.items():
                column = stars.schema.field(name)
                place = stars.schema.get_field_index(name)
                part = part.set_column(
                    place,
                    column,
                    pa.chunked_array(values).cast(column.type) if name == KEY else pa.array(values, column.type),
                )
            writer.write_table(part.slice(0, rows - number * len(stars)), row_group_size=BLOCK // 2)


def split(path, folder, n_rows):
    """Write a survey as files of so many rows."""
    folder.mkdir()
    for number, rows in enumerate(pq.ParquetFile(path).iter_batches(n_rows)):
        pq.write_table(pa.Table.from_batches([rows]), folder / f"part{number:05d}.parquet")
    return sorted(folder.iterdir())


def peaks(process):
    """Return the largest memory in kB that each of the command's processes has had so far."""
    found = {}
    for each in [process, *process.children(recursive=True)]:
        with suppress(psutil.Error, OSError):
            status = Path(f"/proc/{each.pid}/status").read_text()
            for line in status.splitlines():
                if line.startswith("VmHWM"):
                    found[each.pid] = int(line.split()[1])
    return found


def measure(model, inputs, output, workers):
    """Run the command; return seconds of wall and CPU time, gigabytes of the largest worker, and bytes written."""
    options = ["-o", str(output), "--quiet", "--model", model, *(["--workers", str(workers)] if workers else [])]
    command = [*CATALOG, *map(str, inputs), *options]
    began, memory, status = time.perf_counter(), {}, None
    child = os.posix_spawn(command[0], command, os.environ)
    while status is None:
        with suppress(psutil.Error):
            memory |= peaks(psutil.Process(child))
        ended, code, used = os.wait4(child, os.WNOHANG)
        status = code if ended else None
        time.sleep(0.2)
    if status:
        raise SystemExit(f"{' '.join(command)} failed")
    wall = time.perf_counter() - began
    largest = max(value for process, value in memory.items() if (process == child) == (not workers)) / 1e6
    files = [output] if output.is_file() else partitions(output) or [*output.glob("*.parquet")]
    size = sum(path.stat().st_size for path in files)
    shutil.rmtree(output) if output.is_dir() else output.unlink()
    return wall, used.ru_utime + used.ru_stime, largest, size


def few_columns(model, block, folder):
    """Return the bytes of a star in Parquet with an identifier and the columns of `FEW`."""
    stars = pq.read_table(block).slice(0, 20_000)
    stars = stars.append_column("source_id", pa.array(np.random.default_rng(0).integers(2**62, size=len(stars))))
    predictor = FramePredictor(model, stars.column_names, keep=["source_id"], columns=FEW)
    pq.write_table(predictor.on_arrow(stars), folder / "few.parquet")
    return (folder / "few.parquet").stat().st_size / len(stars)


def extrapolate(rate, read, written, few):
    """Print what many stars take, with the arithmetic."""
    print(f"\n{rate:.0f} rows/s/core; bytes a row: {read:.0f} read, {written:.0f} written, {few:.0f} of nine columns")
    for name, stars in STARS.items():
        hours = stars / rate / 3600
        print(
            f"{name}: {stars:.3g} / {rate:.0f} / 3600 = {hours:.1f} core hours, / {CORES} = {hours / CORES:.2f} hours "
            f"on {CORES} cores; read {stars:.3g} x {read:.0f} = {stars * read / 1e9:.0f} GB, written {stars:.3g} x "
            f"{written:.0f} = {stars * written / 1e9:.0f} GB, nine columns {stars:.3g} x {few:.0f} = "
            f"{stars * few / 1e9:.0f} GB"
        )
    print(f"{CORES} cores: read {CORES * rate * read / 1e9:.2f}, written {CORES * rate * written / 1e9:.2f} GB/s")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, nargs="+", default=[100_000, 1_000_000])
    parser.add_argument("--partition-rows", type=int, default=50_000, help="at most")
    parser.add_argument("--workers", type=int, nargs="+", default=[2])
    parser.add_argument("--ways", nargs="+", default=["HATS", "files"], choices=["HATS", "files"])
    parser.add_argument("--model", default="kepler-giants")
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")  # of other packages
    from distributed import Client

    print("     rows             how  wall s  CPU s  rows/s/core  further rows  overhead   GB  load", flush=True)
    before, rates, whole = {}, {}, {}
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        block = folder / "block.parquet"
        make_survey(BLOCK, random_state=0).write(block)
        few = few_columns(arguments.model, block, folder)
        for rows in sorted(arguments.rows):
            survey, inputs = folder / "survey.parquet", {}
            write_survey(block, rows, survey)
            if "HATS" in arguments.ways:
                with Client(n_workers=1, threads_per_worker=1, dashboard_address=":0") as client:
                    inputs["HATS"] = [
                        import_survey(survey, folder, client, most_rows=arguments.partition_rows, margin=None)
                    ]
            if "files" in arguments.ways:
                inputs["files"] = split(survey, folder / "files", arguments.partition_rows)
            ways = {("one file", 0): [survey]}
            ways |= {(way, workers): paths for way, paths in inputs.items() for workers in arguments.workers}
            for (way, workers), paths in ways.items():
                output = folder / ("out" if workers else "out.parquet")
                wall, cpu, memory, size = measure(arguments.model, paths, output, workers)
                then = before.get((way, workers), (0, 0.0))
                rates[way, workers] = (rows - then[0]) / (cpu - then[1])
                overhead = rates["one file", 0] / rates[way, workers] - 1.0
                before[way, workers] = rows, cpu
                whole[way] = rows / cpu, survey.stat().st_size / rows, size / rows
                how = f"{way}, {workers} worker{'s' * (workers > 1)}" if workers else way
                print(
                    f"{rows:>9} {how:>15} {wall:>7.0f} {cpu:>6.1f} {rows / cpu:>12.0f} {rates[way, workers]:>13.0f} "
                    f"{overhead:>9.0%} {memory:>4.2f} {os.getloadavg()[0]:>5.1f}",
                    flush=True,
                )
            for way in inputs:
                shutil.rmtree(folder / ("survey" if way == "HATS" else "files"))
    extrapolate(*whole[arguments.ways[0]], few)


if __name__ == "__main__":
    main()
