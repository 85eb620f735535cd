"""The shipped file gives the same numbers in other tools."""

import csv
import io
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from skdistmass.datasets import make_survey
from skdistmass.deploy.pretrained import load_pretrained, pretrained_path

pytestmark = pytest.mark.slow

EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.fixture(scope="module")
def stars(tmp_path_factory, plain_columns):
    """The path of a CSV of 3,000 stars with missing values, and the same as a dict."""
    columns = plain_columns(make_survey(3000, random_state=2), load_pretrained().inputs)
    path = tmp_path_factory.mktemp("stars") / "stars.csv"
    with open(path, "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(columns)
        for star in zip(*columns.values(), strict=True):
            writer.writerow(["" if np.isnan(value) else repr(float(value)) for value in star])
    return path, columns


def _run(*command, cwd=None):
    command = [str(part) for part in command]
    done = subprocess.run(command, capture_output=True, text=True, cwd=cwd, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def _assert_same(text, name, columns):
    predictor = load_pretrained(name)
    rows = list(csv.reader(io.StringIO(text)))
    assert rows[0] == predictor.outputs
    found = np.array([[value or "nan" for value in row] for row in rows[1:]], dtype=float)
    single = predictor.dtype == np.float32
    for column, expected in zip(found.T, predictor.predict(columns).values(), strict=True):
        if expected.dtype.kind in "bi":
            np.testing.assert_array_equal(column, expected)
        else:
            tolerance = {"rtol": 1e-5, "atol": 1e-5} if single else {"rtol": 1e-9, "atol": 1e-12}
            np.testing.assert_allclose(column, expected, **tolerance)


@pytest.mark.parametrize("name", ["apogee", "apogee-float32", "kepler-giants"])
def test_python_without_skdistmass(stars, name, tmp_path):
    path, columns = stars
    # In isolated mode neither the working folder nor the environment adds to the path.
    text = _run(sys.executable, "-I", EXAMPLES / "onnx_python.py", pretrained_path(name), path, cwd=tmp_path)
    _assert_same(text, name, columns)
    assert "skdistmass" not in (EXAMPLES / "onnx_python.py").read_text().split('"""')[2]


@pytest.fixture(scope="module")
def node_folder(tmp_path_factory):
    """A folder with the Node example and its dependency installed, from SKDISTMASS_NODE_MODULES or the registry."""
    if not (shutil.which("node") and shutil.which("npm")):
        pytest.skip("Node.js and npm are not installed")
    folder = tmp_path_factory.mktemp("node")
    for file in (EXAMPLES / "onnx_node").iterdir():
        if file.is_file():
            shutil.copy(file, folder)
    installed = os.environ.get("SKDISTMASS_NODE_MODULES")
    if installed:
        (folder / "node_modules").symlink_to(installed, target_is_directory=True)
        return folder
    command = ["npm", "install", "--no-audit", "--no-fund", "--ignore-scripts", "--fetch-retries=1"]
    try:
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=180, check=False)
    except subprocess.TimeoutExpired:
        pytest.skip("npm did not answer: is there a network?")
    if done.returncode:
        pytest.skip(f"npm can't install onnxruntime-web: {done.stderr.strip()[-200:]}")
    return folder


@pytest.mark.parametrize("name", ["apogee", "apogee-float32", "kepler-giants"])
def test_node(stars, node_folder, name):
    path, columns = stars
    _assert_same(_run("node", "predict.mjs", pretrained_path(name), path, cwd=node_folder), name, columns)


def test_duckdb(stars):
    pytest.importorskip("duckdb", reason="duckdb is not installed")
    text = _run(sys.executable, EXAMPLES / "onnx_duckdb.py", pretrained_path("kepler-giants"), stars[0])
    found = load_pretrained("kepler-giants").predict(stars[1])
    inside = (found["DISTANCE_SPACE"] == 0) & np.isfinite(found["DISTANCE"])
    cells = [[cell.strip() for cell in line.split("│")[1:-1]] for line in text.splitlines() if line.startswith("│")]
    row = next(row for row in cells if row[0] == "0")
    assert int(row[1].replace(",", "")) == np.count_nonzero(inside)
    assert float(row[2]) == pytest.approx(np.median(found["DISTANCE"][inside]), abs=6e-4)
