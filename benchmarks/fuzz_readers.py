"""Damaged files of every kind that the package reads: read, or refused in one line, never a crash or a hang.

A small valid file of each kind is changed at random: bits, bytes, numbers and pieces, cut short, and inside archives
and behind checksums, which are made right again. A process by itself reads it and uses what it read. A file fails if
anything but an error of the package comes out, if its message has more than one line, if reading takes more than 5 s of
processor time or 2 GB of memory, or if the process dies. A failed input is kept in a folder, to be tried again.

A HATS catalogue, which is a folder, is kept as a ZIP archive: its files are changed, removed and moved. Its kind,
survey.hats, is tried where LSDB is installed.

Run: ``python benchmarks/fuzz_readers.py --inputs 10000`` (``--kind fits`` for one kind, ``--seed`` for others).
"""

import argparse
import ast
import gzip
import io
import multiprocessing
import random
import re
import resource
import tempfile
import time
import traceback
import warnings
import zipfile
from collections import Counter
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from mock_isochrones import giant_ages, make_isochrones, mist_isochrones, mist_track, parsec_parquet, parsec_table

SECONDS, BYTES = 5.0, 2_000_000_000
LABELS = {"TEFF": [4700.0, 5600.0], "LOGG": [2.5, 4.4], "M_H": [0.0, -0.2], "C_FE": [0.0, 0.0], "N_FE": [0.1, 0.1]}
NUMBERS = (
    b"0",
    b"-1",
    b"1e999",
    b"nan",
    b"99999999999",
    b"-9999.99",
    b"4294967296",
    b"1.5",
    b"null",
    b"[]",
    b"{}",
    b'""',
)


def write_seeds(folder):
    """Write a small valid file of each kind, and return their names."""
    from skdistmass import AbsMagRegressor, CNMassRegressor, DistMassModel, IsochroneDistanceRegressor
    from skdistmass.datasets import make_survey
    from skdistmass.surveys import layout

    survey = make_survey(40, random_state=0)
    for name, options in {
        "survey.fits": {}, "survey.parquet": {}, "survey.vot": {"format": "votable"},
        "binary.vot": {"format": "votable", "tabledata_format": "binary2"},
        "survey.csv": {"format": "ascii.csv"}, "survey.ecsv": {"format": "ascii.ecsv"},
    }.items():  # fmt: skip
        survey.write(folder / name, **options)
    (folder / "survey.fits.gz").write_bytes(gzip.compress((folder / "survey.fits").read_bytes(), mtime=0))
    for name, content in {
        "mist.iso": mist_isochrones(), "mist.track.eep": mist_track(), "parsec.dat": parsec_table(),
        "parsec.parquet": parsec_parquet(), "ages.csv": giant_ages(),
        "dr17.toml": (Path(layout.__file__).parent / "layouts" / "apogee-dr17.toml").read_bytes(),
    }.items():  # fmt: skip
        (folder / name).write_bytes(content)
    IsochroneDistanceRegressor().fit(make_isochrones(ages=(9.5, 10.0), metallicities=(-0.3, 0.0))).save(
        folder / "isochrones.npz"
    )
    if find_spec("lsdb"):
        _write_hats(survey, folder / "survey.hats")
    data = Path(layout.__file__).parents[1]
    calibrations = data / "estimators" / "label_calibration" / "data"
    (folder / "scale.cal").write_bytes((calibrations / "payne-dr14.json").read_bytes())
    (folder / "model.onnx").write_bytes((data / "deploy" / "models" / "kepler-giants.onnx").read_bytes())
    quick = {"n_networks": 1, "random_state": 0}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = DistMassModel(abs_mag=AbsMagRegressor(**quick), mass=CNMassRegressor(**quick))
        model.fit(make_survey(600, random_state=0)).save(folder / "model.skd")
    return sorted(path.name for path in folder.iterdir())


def _write_hats(survey, path):
    """Write a survey as a HATS catalogue of a few partitions, in an archive."""
    import lsdb

    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        columns = {"ra_column": "RA", "dec_column": "DEC", "partition_rows": 15}
        source = Path(folder) / "survey"
        lsdb.from_dataframe(survey.to_pandas(), **columns).write_catalog(source, as_collection=False)
        with zipfile.ZipFile(path, "w") as archive:
            for file in sorted(file for file in source.rglob("*") if file.is_file()):
                archive.write(file, file.relative_to(source))


def _read_hats(path):
    """Make the catalogue of a HATS catalogue in an archive, without processes of its own."""
    from contextlib import nullcontext
    from unittest import mock

    import dask

    from skdistmass.distributed import build_hats, hats

    with tempfile.TemporaryDirectory() as folder:
        survey = Path(folder) / "survey"
        survey.mkdir()
        with zipfile.ZipFile(path) as archive:
            archive.extractall(survey)
        alone = mock.patch.object(hats, "_client", return_value=nullcontext())
        with alone, dask.config.set(scheduler="synchronous"):
            build_hats("kepler-giants", survey, Path(folder) / "out")


def read(path):
    """Read a file as its kind asks, and use what was read."""
    from skdistmass.deploy import load
    from skdistmass.estimators.label_calibration import load_calibration
    from skdistmass.isochrones import IsochroneDistanceRegressor, read_giant_ages, read_isochrone_table
    from skdistmass.model import load_model
    from skdistmass.surveys import load_layout, read_survey

    labels = np.column_stack(list(LABELS.values()))
    if path.name == "isochrones.npz":
        IsochroneDistanceRegressor.load(path).predict(labels[:, :3])
    elif path.suffix == ".skd":
        load_model(path).predict(LABELS | {"K": [10.0, 10.0]})
    elif path.suffix == ".onnx":
        load(path, threads=1).predict(LABELS | {"MAG": [10.0, 10.0], "EXTINCTION": [0.0, 0.1]})
    elif path.suffix == ".cal":
        load_calibration(path).transform(labels)
    elif path.suffix == ".hats":
        _read_hats(path)
    elif path.suffix == ".toml":
        load_layout(path)
    elif path.name.startswith(("mist", "parsec")):
        read_isochrone_table(path)
    elif path.name == "ages.csv":
        read_giant_ages(path)
    else:
        read_survey(path)


def damaged(name, content, chance):
    """Return a damaged copy of a file: changed as it is, or inside what surrounds it."""
    if chance.random() < 0.5 or name.endswith(".hats"):
        if name.endswith(".gz"):
            return gzip.compress(changed(gzip.decompress(content), chance), compresslevel=1, mtime=0)
        if zipfile.is_zipfile(io.BytesIO(content)):
            return _changed_archive(content, chance)
    content = changed(content, chance)
    return _sealed(content) if name.endswith(".onnx") and chance.random() < 0.8 else content


def changed(content, chance):
    """Return bytes with some of them changed."""
    content = bytearray(content)
    for _ in range(chance.choice((1, 1, 1, 1, 1, 2, 5))):
        if not content:
            break
        at = chance.randrange(len(content))
        if chance.random() < 0.5:  # a header has most of what a reader trusts
            at = min(at, chance.randrange(min(len(content), 8000)))
        length = chance.choice((1, 2, 4, 8, 80, 2880))
        kind = chance.choice(("flip", "byte", "number", "number", "number", "zero", "remove", "double", "cut"))
        if kind == "flip":
            content[at] ^= 1 << chance.randrange(8)
        elif kind == "byte":
            content[at] = chance.choice(b"\x00\xff\x7f\n\t\",'<>&=0")
        elif kind == "number":
            found = re.compile(rb"\d+(\.\d*)?([eE][+-]?\d+)?").search(content, at)
            if found:
                new = chance.choice(NUMBERS)
                # Of the same length as often as not, so that a FITS card stays one.
                content[found.start() : found.end()] = new.rjust(len(found[0])) if chance.random() < 0.5 else new
        elif kind == "zero":
            content[at : at + length] = bytes(len(content[at : at + length]))
        elif kind == "remove":
            del content[at : at + length]
        elif kind == "double":
            content[at:at] = content[at : at + length] * chance.choice((1, 1, 50))
        elif chance.random() < 0.3:
            del content[at:]
    return bytes(content)


def _changed_archive(content, chance):
    """Return a ZIP archive with one entry changed, removed or named otherwise, and right sums."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        entries = [[entry.filename, archive.read(entry)] for entry in archive.infolist()]
    # The one with the words, as often as all arrays together.
    chosen = chance.choice(
        [chance.choice(entries), min(entries, key=lambda entry: entry[0] not in ("model.npy", "head.npy"))]
    )
    kind = chance.choice(("change", "change", "change", "change", "remove", "rename"))
    if kind == "change":
        chosen[1] = changed(chosen[1], chance)
    elif kind == "rename":
        names = ("../outside.npy", "other.npy", f"dataset/{chosen[0]}", chance.choice(entries)[0])
        chosen[0] = chance.choice(names)
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of two entries of one name
        for name, data in entries:
            if kind != "remove" or name != chosen[0]:
                archive.writestr(name, data)
    return buffer.getvalue()


def _sealed(content):
    """Return an ONNX file with the checksum that it should have."""
    import hashlib

    from skdistmass.deploy.format import NO_CHECKSUM

    plain = re.sub(rb"sha256:[0-9a-f]{64}", NO_CHECKSUM.encode(), content)
    return plain.replace(NO_CHECKSUM.encode(), b"sha256:" + hashlib.sha256(plain).hexdigest().encode())


def _memory(name):
    """Return a line of the memory of this process, in bytes."""
    text = Path("/proc/self/status").read_text()
    return int(re.search(rf"{name}:\s+(\d+) kB", text)[1]) * 1024


def judge(path):
    """Read a file, and return "read", "refused", or what is wrong with that."""
    from skdistmass.exceptions import DistMassError

    Path("/proc/self/clear_refs").write_text("5")  # the peak of memory starts again
    before, began = _memory("VmRSS"), time.process_time()
    said = "read"
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            read(path)
    except DistMassError as error:
        text, said = str(error), "refused"
        if not text.isprintable() or len(text) > 1500:
            said = f"a message of {len(text)} characters that isn't one plain line: {text[:300]!r}"
    except BaseException as error:  # whatever it is, it is what is looked for
        said = f"{type(error).__name__}: {str(error)[:200]}\n{traceback.format_exc(limit=-4)}"
    seconds, memory = time.process_time() - began, _memory("VmHWM") - before
    if seconds > SECONDS:
        said = f"{seconds:.1f} s, {said}"
    if memory > BYTES:
        said = f"{memory / 1e9:.1f} GB, {said}"
    return said


def work(pipe):
    """Judge the files that come through a pipe, in a process with bounded memory."""
    import skdistmass.deploy
    import skdistmass.model  # noqa: F401

    most = _memory("VmSize") + 4 * BYTES
    resource.setrlimit(resource.RLIMIT_AS, (most, most))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    while (path := pipe.recv()) is not None:
        pipe.send(ascii(judge(path)))


class Reader:
    """A process that reads files, started again when it dies."""

    def __init__(self):
        self._context = multiprocessing.get_context("spawn")
        self._process = None

    def __call__(self, path):
        """Return what `judge` says, or how the process ended."""
        if self._process is None:
            self._pipe, other = self._context.Pipe()
            self._process = self._context.Process(target=work, args=(other,), daemon=True)
            self._process.start()
            other.close()
        self._pipe.send(path)
        try:
            if self._pipe.poll(60 * SECONDS):
                return ast.literal_eval(self._pipe.recv())
            said = "it hangs"
        except (EOFError, ConnectionResetError):
            self._process.join()
            said = f"the process died ({self._process.exitcode})"
        self._process.kill()
        self._process = None
        return said

    def close(self):
        """End the process."""
        if self._process is not None:
            self._pipe.send(None)
            self._process.join(10)
            self._process.kill()


def fuzz(folder, kept, inputs, seed, kinds=None, progress=lambda count: None):
    """Try damaged files, and return how often each kind was read, refused, and the failures."""
    folder.mkdir(exist_ok=True)
    names = [name for name in write_seeds(folder) if kinds is None or name in kinds]
    contents = {name: (folder / name).read_bytes() for name in names}
    counts, failures, reader = Counter(), [], Reader()
    try:
        for name in names:
            reader(folder / name)  # the first time, packages are imported and functions compiled
            said = reader(folder / name)
            if said != "read":
                raise RuntimeError(f"{name}, which is whole: {said}")
        for number in range(inputs):
            name = names[number % len(names)]
            path = folder / name
            path.write_bytes(damaged(name, contents[name], random.Random(f"{seed} {number}")))
            said = reader(path)
            counts[name, said if said in ("read", "refused") else "failed"] += 1
            if said not in ("read", "refused"):
                kept.mkdir(parents=True, exist_ok=True)
                (kept / f"{seed}-{number}-{name}").write_bytes(path.read_bytes())
                failures.append(f"{seed}-{number}-{name}: {said}")
            progress(number + 1)
    finally:
        reader.close()
    return counts, failures


def main():
    """Print what came of the inputs; exit with 1 if one failed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--inputs", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--kind", nargs="+", help="names of the kinds, such as survey.fits")
    parser.add_argument("--keep", type=Path, default=Path("fuzz-failures"), help="where failed inputs are kept")
    options = parser.parse_args()
    from tqdm import tqdm

    with tempfile.TemporaryDirectory() as folder, tqdm(total=options.inputs) as bar:
        counts, failures = fuzz(
            Path(folder), options.keep, options.inputs, options.seed, options.kind, lambda count: bar.update()
        )
    print(f"{'kind':<20}{'read':>8}{'refused':>9}{'failed':>8}")
    for name in sorted({name for name, _ in counts}):
        print(f"{name:<20}" + "".join(f"{counts[name, said]:>8}" for said in ("read", "refused", "failed")))
    print(*failures, f"{sum(counts.values())} inputs, {len(failures)} failed", sep="\n")
    raise SystemExit(bool(failures))


if __name__ == "__main__":
    main()
