"""Kills at random moments: no row of a catalogue is lost, and no file is left half written.

A mock survey is made into a catalogue (FITS, Parquet and VOTable in turn), and a model is trained. Each process is
ended by SIGKILL at a random moment: of the whole run, or of the time in which rows are written. After each kill the
output is absent or whole, and no row that was on disk is gone. Then the command is repeated, a catalogue with --resume,
and killed again. In the end every output has the bytes of an undisturbed run, and nothing else is left.

Run: ``python benchmarks/kill_catalog.py`` (20 kills; ``--kills 50`` for more, ``--seed`` for other moments).
"""

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

CLI = [sys.executable, "-c", "from skdistmass.cli import main; main()"]
CHUNK = 500


def commands():
    """Return each output with the command that makes it, without what differs between runs."""
    survey = ["survey.fits", "--model", "kepler-giants", "--chunk-rows", str(CHUNK), "--resume", "-q"]
    catalogs = {f"catalog.{form}": ["catalog", *survey] for form in ("fits", "parquet", "vot")}
    return catalogs | {"stars.model": ["train", "survey.fits", "--networks", "1", "--overwrite", "-q"]}


def start(command, output, folder):
    """Start a command in a folder, in a session of its own."""
    silent = {"stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE}
    return subprocess.Popen([*CLI, *command, "-o", output], cwd=folder, start_new_session=True, **silent)


def rows_on_disk(folder, output):
    """Return how many rows of an unfinished catalogue count."""
    journal = folder / f"{output}.part.json"
    return json.loads(journal.read_text())["rows_done"] if journal.exists() else 0


def undisturbed(command, output, folder):
    """Run a command to its end; return what it wrote, how long it took, and after what time rows were written."""
    began, writing = time.monotonic(), None
    process = start(command, output, folder)
    while process.poll() is None:
        if writing is None and rows_on_disk(folder, output):
            writing = time.monotonic() - began
        time.sleep(0.005)
    took = time.monotonic() - began
    if process.returncode:
        raise SystemExit(f"{output}: {process.stderr.read().decode()}")
    content = (folder / output).read_bytes()
    (folder / output).unlink()
    return content, took, took if writing is None else writing


def kill(command, output, folder, chance, took, writing):
    """Kill a command at a random moment; return the moment, or None if the command had ended."""
    process = start(command, output, folder)
    began = time.monotonic()
    wait = chance.uniform(0.0, took)
    if chance.random() < 0.7:  # while rows are written, which is a small part of the time
        wait = chance.uniform(0.0, max(took - writing, 0.05))
        before = rows_on_disk(folder, output)
        while process.poll() is None and rows_on_disk(folder, output) == before and time.monotonic() - began < 3 * took:
            time.sleep(0.002)
    try:
        process.wait(wait)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
    if process.wait() == -signal.SIGKILL:
        return time.monotonic() - began
    if process.returncode:
        raise SystemExit(f"{output}: {process.stderr.read().decode()}")
    return None


def kill_often(folder, kills, seed, n_rows, report=print):
    """Kill and resume; return what went wrong."""
    from skdistmass.datasets import make_survey

    make_survey(n_rows, random_state=0).write(folder / "survey.fits")
    asked, wrong, chance = commands(), [], random.Random(seed)
    whole = {output: undisturbed(command, output, folder) for output, command in asked.items()}
    report(f"{'kill':>4}  {'output':<16}{'after s':>8}{'rows before':>13}{'rows after':>12}  output is")
    done = 0
    while done < kills:
        output = list(asked)[done % len(asked)]
        content, took, writing = whole[output]
        while True:  # until a kill comes in time
            before = rows_on_disk(folder, output)
            moment = kill(asked[output], output, folder, chance, took, writing)
            path = folder / output
            state = "absent" if not path.exists() else "whole" if path.read_bytes() == content else "NOT WHOLE"
            if moment is not None:
                break
            if state != "whole":
                wrong.append(f"{output} was finished, but differs from an undisturbed run")
            path.unlink(missing_ok=True)
        done, after = done + 1, rows_on_disk(folder, output)
        report(f"{done:>4}  {output:<16}{moment:>8.2f}{before:>13}{after:>12}  {state}")
        if state == "NOT WHOLE" or (after < before and state == "absent"):
            wrong.append(f"kill {done}: {output} is {state}, {before} rows became {after}")
    for output, command in asked.items():
        if not (folder / output).exists() or output.endswith(".model"):
            process = start(command, output, folder)
            if process.wait():
                wrong.append(f"{output} can't be resumed: {process.stderr.read().decode()}")
                continue
        if (folder / output).read_bytes() != whole[output][0]:
            wrong.append(f"{output} differs from an undisturbed run")
    left = sorted(path.name for path in folder.iterdir() if path.name not in {*asked, "survey.fits"})
    return wrong + [f"{name} is left" for name in left]


def main():
    """Print a table of the kills; exit with 1 if something was lost."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--rows", type=int, default=6000)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        wrong = kill_often(Path(folder), options.kills, options.seed, options.rows)
    print(*wrong, f"{options.kills} kills, {len(wrong)} faults", sep="\n")
    raise SystemExit(bool(wrong))


if __name__ == "__main__":
    main()
