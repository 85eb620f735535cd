"""The page: what the package puts into it, whether it is built from its sources, and what it does in a browser."""

import base64
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from astropy import units as u
from click.testing import CliRunner

from skdistmass.cli.commands import main
from skdistmass.deploy import write_page
from skdistmass.deploy.page_rules import page_rules
from skdistmass.deploy.pretrained import pretrained_path
from skdistmass.exceptions import FileFormatError
from skdistmass.surveys import list_layouts
from skdistmass.surveys.quantities import QUANTITIES
from skdistmass.units import convert_unit

ROOT = Path(__file__).parents[2]
WEB = ROOT / "web"
BUILT = ROOT / "skdistmass" / "deploy" / "web"


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    """The text of a page with the default model."""
    folder = tmp_path_factory.mktemp("page")
    done = CliRunner().invoke(main, ["page", "-o", str(folder)])
    assert done.exit_code == 0, done.output
    return (folder / "index.html").read_text(encoding="utf-8")


def block(page, name):
    return re.search(rf'<script type="[a-z/]+" id="{name}-data">(.*?)</script>', page, re.DOTALL)[1]


def test_built_files_are_those_of_the_sources():
    """`npm run build` in the folder web makes them anew."""
    if not WEB.is_dir():
        pytest.skip("the sources of the page are not here")
    names = ["package.json", "package-lock.json", "tsconfig.json", "vite.config.ts", "tools/finish.mjs"]
    names += [path.relative_to(WEB).as_posix() for path in (WEB / "src").rglob("*") if path.is_file()]
    total = hashlib.sha256()
    for name in sorted(names):
        total.update(name.encode() + b"\0" + (WEB / name).read_bytes() + b"\0")
    assert (BUILT / "sources.sha256").read_text().strip() == total.hexdigest(), "run npm run build in the folder web"


def test_page_holds_model_and_rules(page):
    info, rules = json.loads(block(page, "info")), json.loads(block(page, "rules"))
    content = pretrained_path("apogee").read_bytes()
    assert info["name"] == "apogee"
    assert info["sha256"] == hashlib.sha256(content).hexdigest()
    assert rules["metallicity"] == info["card"]["metallicity"] == "FE_H"
    assert [layout["name"] for layout in rules["layouts"]] == [layout.name for layout in list_layouts()]
    names = [column["name"] for column in rules["columns"]]
    assert "MASS_CAL_LO95" in names
    assert "{{" not in page.split("<script")[0]


def test_page_can_load_and_send_nothing(page):
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', page)[1]
    assert "default-src 'none'" in policy
    assert "connect-src 'none'" in policy
    assert "unsafe-inline" not in policy
    assert "'unsafe-eval'" not in policy
    addresses = re.findall(r'(?:src|href)="(?!#|data:)([^"]*)"', page)
    assert not addresses
    script = re.search(r"<script>(.*)</script>", page, re.DOTALL)[1]
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert f"'sha256-{digest}'" in policy


def test_layouts_of_the_page_are_those_of_the_package():
    rules = page_rules(["DISTANCE", "MASS"], {})
    for layout, own in zip(list_layouts(), rules["layouts"], strict=True):
        assert list(own["quantities"]) == list(layout.quantities)
        assert [list(flag) for flag in own.get("bad_star", [])] == [
            ["column", *(["bits"] if flag.bits else []), *(["above"] if flag.above is not None else [])]
            for flag in layout.bad_star
        ]
    dr17 = next(own for own in rules["layouts"] if own["name"] == "apogee-dr17")
    assert dr17["quantities"]["C_FE"][0]["flags"] == [{"column": "C_FE_FLAG"}]
    dr16 = next(own for own in rules["layouts"] if own["name"] == "apogee-dr16")
    assert dr16["quantities"]["GAIA_SOURCE_ID"] == []


def test_units_of_the_page_are_astropys():
    units = page_rules(["DISTANCE"], {})["units"]
    wanted = {"pc": "kpc", "lyr": "kpc", "AU": "kpc", "arcsec": "mas", "rad": "deg", "hourangle": "deg", "kK": "K"}
    for name, unit in wanted.items():
        scale = units[name][0] / units[unit][0]
        np.testing.assert_allclose(scale, convert_unit(np.array([1.0]), name, unit)[0], rtol=1e-14)
    assert units["mag"][0] / units["dex"][0] == pytest.approx(u.mag.to(u.dex))
    # Each plain unit of a quantity is known.
    plain = {item.unit for item in QUANTITIES.values() if item.unit and not item.unit.startswith("dex(")}
    assert plain <= set(units)


@pytest.mark.slow
def test_page_with_a_model_of_the_user(exported, tmp_path):
    path = write_page(tmp_path / "new" / "folder", exported("float32", input_errors=True).read_bytes(), name="<mine>")
    text = path.read_text(encoding="utf-8")
    assert json.loads(block(text, "info"))["name"] == "<mine>"
    assert "<mine>" not in text
    with pytest.raises(FileFormatError, match="not an ONNX model"):
        write_page(tmp_path, b"nothing")


@pytest.mark.slow
def test_command_takes_a_trained_model(model, tmp_path):
    model.save(tmp_path / "my.model")
    arguments = ["page", "-o", str(tmp_path / "page"), "--model", str(tmp_path / "my.model")]
    done = CliRunner().invoke(main, arguments)
    assert done.exit_code == 0, done.output
    assert json.loads(block((tmp_path / "page/index.html").read_text(encoding="utf-8"), "info"))["name"] == "my"
    again = CliRunner().invoke(main, arguments)
    assert again.exit_code == 1
    assert "--overwrite" in again.output


def _tools():
    """Skip unless Node.js, the packages of the page, and Chromium are there."""
    if not (WEB / "node_modules").is_dir() or shutil.which("node") is None:
        pytest.skip("the packages of the page are not installed (npm install in the folder web)")
    if "CHROMIUM" not in os.environ and not any(map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))):
        pytest.skip("Chromium is not installed")


@pytest.mark.slow
def test_in_a_browser(tmp_path):
    """Files dropped on the page give the numbers of `skdistmass predict`; nothing is sent; axe-core finds no fault."""
    _tools()
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])}
    for command in (
        [sys.executable, "e2e/make_files.py", tmp_path, "--rows", "500"],
        ["node", "e2e/run.mjs", tmp_path],
        [sys.executable, "e2e/compare.py", tmp_path],
    ):
        done = subprocess.run(
            list(map(str, command)), cwd=WEB, env=environment, capture_output=True, text=True, timeout=400
        )
        assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-3000:]
