"""A worker or the command is killed, a file is broken, the disk is full: what becomes of a catalogue in partitions.

A mock survey is predicted as one file by ``skdistmass catalog``. As HATS, and as several Parquet files, it is then
predicted by two workers while something goes wrong, and with --resume where the command has stopped. Printed are what
the command says, how many partitions --resume kept, and whether the catalogue is that of one file: the same rows, no
row lost or doubled, all columns to the last bit. The script ends with an error if one is not. It needs Linux. A full
disk is a small one that is mounted; without the right to do so, a limit of the size of files.
"""

import argparse
import os
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import warnings
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import psutil
import pyarrow.parquet as pq
from distributed_equality import CATALOG, checksums
from hats_survey import import_survey, partitions

from skdistmass.datasets import make_survey
from skdistmass.exceptions import shortened

WORKERS = ("spawn_main", "popen_loky")


class Case:
    """A survey in partitions, the command that predicts it, and what it has written."""

    def __init__(self, inputs, files, output, model):
        self.files, self.output = files, output
        self.part = output.with_name(f"{output.name}.part")
        self.command = [*CATALOG, *map(str, inputs), "-o", str(output), "--model", model, "--workers", "2"]

    def start(self, *options, **how):
        """Start the command; all that it starts is in its session."""
        how |= {"stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE, "text": True, "start_new_session": True}
        return subprocess.Popen([*self.command, *options], **how)

    def finished(self):
        """Return the files of finished partitions."""
        files = [*self.part.rglob("Npix=*.parquet"), *self.output.rglob("*.parquet")]
        return [path for path in files if "margin" not in str(path) and path.name[0] != "_"]

    def wait_for_some(self, process):
        """Wait until three partitions are written; return whether the command still runs."""
        while process.poll() is None and len(self.finished()) < 3:
            time.sleep(0.005)
        return process.poll() is None

    def remove(self):
        """Remove all that was written."""
        for path in self.output.parent.iterdir():
            shutil.rmtree(path) if path.is_dir() else path.unlink()


def told(process):
    """Wait for the end of the command, and return its exit code and the beginning of its error."""
    lines = [line for line in process.communicate()[1].splitlines() if line.startswith("Error")]
    return process.returncode, shortened(lines[-1], 400) if lines else ""


def kill_worker(case):
    """Kill one worker in the middle."""
    process = case.start()
    if case.wait_for_some(process):
        children = psutil.Process(process.pid).children(recursive=True)
        workers = [child for child in children if any(word in " ".join(child.cmdline()) for word in WORKERS)]
        os.kill(workers[0].pid, signal.SIGKILL)
    return told(process)


def kill_all(case):
    """Kill the command and all its workers, as if the machine had stopped."""
    process = case.start()
    if case.wait_for_some(process):
        os.killpg(process.pid, signal.SIGKILL)
    return told(process)


def break_file(case):
    """Overwrite the middle of a file, and put it right after the command has ended."""
    path = case.files[1]
    whole, times = path.read_bytes(), path.stat()
    quarter = len(whole) // 4
    path.write_bytes(whole[:quarter] + bytes(len(whole) - 2 * quarter) + whole[-quarter:])
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    try:
        return told(case.start())
    finally:
        path.write_bytes(whole)
        os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))


def fill_disk(case):
    """Let the room end after some partitions, and make more after the command has ended."""
    disk = case.output.parent
    size = 6 * max(path.stat().st_size for path in case.files)
    mount = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(disk)]
    if shutil.which("mount") and subprocess.run(mount, stderr=subprocess.DEVNULL).returncode == 0:
        found = told(case.start())
        subprocess.run(["mount", "-o", "remount,size=2G", str(disk)], check=True)
        return found
    largest = 2 * min(path.stat().st_size for path in case.files)
    return told(case.start(preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (largest, largest))))


FAULTS = {"a worker killed": kill_worker, "all killed": kill_all, "a broken file": break_file, "a full disk": fill_disk}


def try_fault(fault, case, expected):
    """Let something go wrong, continue, and return whether the catalogue is as expected."""
    case.output.parent.mkdir()
    code, message = FAULTS[fault](case)
    print(f"  {fault}: exit code {code}{': ' if message else ''}{message}")
    if code:
        before = {path: path.stat().st_mtime_ns for path in case.finished()}
        code, message = told(case.start("--resume"))
        kept = sum(self_same(path, case, time) for path, time in before.items())
        print(
            f"    --resume: exit code {code}{': ' if message else ''}{message}; {kept} of {len(before)} partitions kept"
        )
    found = checksums(case.output, list(expected[1])) if code == 0 else (0, {})
    unlike = [name for name, value in expected[1].items() if found[1].get(name) != value]
    print(f"    {found[0]} rows of {expected[0]}, unlike columns: {', '.join(unlike) or 'none'}", flush=True)
    case.remove()
    subprocess.run(["umount", str(case.output.parent)], stderr=subprocess.DEVNULL)
    case.output.parent.rmdir()
    return code == 0 and found == expected


def self_same(path, case, time):
    """Tell whether the file of a partition was left as it was."""
    path = case.output / path.relative_to(case.part) if case.part in path.parents else path
    return path.stat().st_mtime_ns == time


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=40_000)
    parser.add_argument("--model", default="kepler-giants")
    parser.add_argument("--faults", nargs="+", default=[*FAULTS], choices=[*FAULTS])
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")  # of other packages
    from distributed import Client

    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        survey = folder / "survey.parquet"
        make_survey(arguments.rows, random_state=0).write(survey)
        with Client(n_workers=1, threads_per_worker=1, dashboard_address=":0") as client:
            hats = import_survey(survey, folder, client, most_rows=arguments.rows // 5)
        stars = pq.read_table(survey)
        files = [folder / f"part{number}.parquet" for number in range(10)]
        for number, path in enumerate(files):
            pq.write_table(
                stars.slice(number * len(stars) // 10, (number + 1) * len(stars) // 10 - number * len(stars) // 10),
                path,
            )
        one = folder / "one.parquet"
        subprocess.run([*CATALOG, survey, "-o", one, "--quiet", "--model", arguments.model], check=True)
        expected = checksums(one)
        output = folder / "disk" / "out"
        cases = {"HATS": ([hats], partitions(hats)), "files": (files, files)}
        same = []
        for name, (inputs, parts) in cases.items():
            print(f"{name}, {len(parts)} partitions", flush=True)
            same += [
                try_fault(fault, Case(inputs, parts, output, arguments.model), expected) for fault in arguments.faults
            ]
    if not all(same):
        sys.exit("not all catalogues are those of one file")
    print("all catalogues are those of one file")


if __name__ == "__main__":
    main()
