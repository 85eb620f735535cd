"""The report holds everything it shows, and a browser shows it."""

import os
import re
import shutil
import subprocess
from html.parser import HTMLParser
from types import SimpleNamespace

import numpy as np
import pytest
from astropy.table import Table

from skdistmass.exceptions import DistMassError
from skdistmass.surveys import read_survey
from skdistmass.validation import validate, write_report
from skdistmass.validation.report import _training

pytestmark = pytest.mark.slow

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome")
_VOID = {"meta", "link", "img", "br"}


class Page(HTMLParser):
    """Collects the tags of a page, and refuses tags that are not closed in order."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.open, self.rows = [], [], []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in _VOID:
            self.open.append(tag)
        if tag == "tr":
            self.rows.append([])

    def handle_data(self, data):
        if self.open and self.open[-1] in ("td", "th"):
            self.rows[-1].append(data)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def attributes(self, tag):
        return [attrs for name, attrs in self.tags if name == tag]


@pytest.fixture(scope="module")
def text(written):
    return written[0].read_text(encoding="utf-8")


def test_everything_is_inside(text):
    page = Page(text)
    assert page.open == []
    sources = [attrs.get("src", "") + attrs.get("href", "") for _, attrs in page.tags]
    assert all(source.startswith(("data:", "#")) for source in sources if source)
    assert "http://" not in text
    assert "https://" not in text
    assert not page.attributes("script")
    images = page.attributes("img")
    assert len(images) == 22
    assert all(len(image["src"]) > 5000 for image in images)


def test_it_can_be_read_without_eyes(text, written):
    found = written[1]
    page = Page(text)
    assert page.attributes("html")[0]["lang"] == "en"
    assert all(len(image["alt"]) > 20 for image in page.attributes("img"))
    assert len({image["alt"] for image in page.attributes("img")}) == 22
    n_tables = len(page.attributes("table"))
    assert n_tables == len(page.attributes("caption")) == len(found.tables) + 1
    assert all(attrs["scope"] in ("col", "row") for attrs in page.attributes("th"))
    identifiers = [attrs["id"] for _, attrs in page.tags if "id" in attrs]
    assert len(identifiers) == len(set(identifiers))
    for link in page.attributes("a"):
        assert link["href"].removeprefix("#") in identifiers
    levels = [int(tag[1]) for tag, _ in page.tags if re.fullmatch(r"h[1-6]", tag)]
    assert levels == [1, 2, 2, 2, 2]


def test_contents_name_every_figure_and_table_and_figures_enlarge(text, written):
    contents = text[text.index("<nav") : text.index("</nav>")]
    page = Page(text)
    for number in range(1, 23):
        assert f'href="#fig{number}"' in contents
    assert all(f'href="#{name}"' in contents for name in written[1].tables)
    # The link of a figure leads to itself, which then fills the window, and one in it leads back.
    assert {attrs["id"] for attrs in page.attributes("figure")} == {f"large{number}" for number in range(1, 23)}
    links = [(attrs.get("class"), attrs["href"]) for attrs in page.attributes("a")]
    assert all({("large", f"#large{n}"), ("close", f"#fig{n}")} <= set(links) for n in range(1, 23))
    assert "figure:target" in text
    assert "@media print" in text
    assert "prefers-color-scheme: dark" in text


def test_text_from_outside_is_escaped(text):
    assert "<title>Mock &amp; truth</title>" in text
    assert "A &lt; B." in text
    assert "--reference &lt;survey&gt;" in text


def test_summary_tells_paper_finding_and_verdict(text, written):
    found = written[1]
    verdicts = {check.name: check.verdict for check in found.checks}
    assert verdicts["Clusters that stand out"] == "fell short"
    assert verdicts["Trend of birth [C/N] with radius"] == "fell short"
    assert verdicts["Distance error, giants of 2.5 < log g < 3.5"] == "passed"
    assert verdicts["Mass error, MASS_CAL"] == "passed"
    standing = next(check for check in found.checks if check.name == "Clusters that stand out")
    assert standing.found.startswith("M67 +0.3")
    for part in ("0.114 (section 4.3)", "-0.06 (section 4.3)", "0.14 (section 4.3)", "12 % (section 7)", "0.1 dex"):
        assert part in text
    assert "numpy " in text
    assert "skdistmass validate catalog.fits" in text


def test_nothing_is_found_where_nothing_was_put_in(mock):
    found = validate(*mock(cn_feh_slope=0.0))
    assert found.skipped.keys() == {"comparisons", "grades", "flags", "label_scale"}  # the mock has no FLAGS
    short = [check.name for check in found.checks if check.verdict == "fell short"]
    assert short == []


def test_a_bare_catalogue_gets_a_report_that_says_what_is_missing(tmp_path):
    catalog = Table({"DISTANCE": [1.0] * 9, "GAIAEDR3_DIST": [1.1] * 9, "LOGG": [1.5] * 9})
    catalog.write(tmp_path / "catalog.fits")
    found = write_report(tmp_path / "catalog.fits", output=tmp_path / "report.html")
    text = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert text.count("Left out: ") == 21
    assert "there is no column CLUSTER in the catalogue" in text
    assert len(Page(text).attributes("img")) == 1
    verdicts = [check.verdict for check in found.checks]
    assert verdicts.count("not tested") == len(found.skipped)


def test_what_the_model_was_trained_on_is_listed(tmp_path):
    catalog = Table({"DISTANCE": [1.0] * 9, "GAIAEDR3_DIST": [1.1] * 9, "LOGG": [1.5] * 9})
    accuracy = {"ABS_MAG": {"n_stars": 3277, "scatter": 0.0664, "bias": -0.007}, "MASS_<A>": {"n_stars": 9}}
    removed = {"ABS_MAG": {"no K magnitude": 4691, "A_K > 0.5": 0, "no extinction": 614}}
    model = SimpleNamespace(accuracy_=accuracy, removed_=removed)
    write_report(catalog, output=tmp_path / "report.html", model=model)
    page = Page((tmp_path / "report.html").read_text(encoding="utf-8"))
    assert "What the model was trained on" in page.attributes("div")[-1]["aria-label"]
    rows = [row for row in page.rows if row[0] in ("ABS_MAG", "MASS_<A>")]
    assert rows == [
        ["ABS_MAG", "3277", "0.0664", "-0.007", "no K magnitude: 4691, no extinction: 614"],
        ["MASS_<A>", "9", "–", "–", "none"],
    ]


def test_errors_are_not_judged_where_those_of_the_reference_are_unknown(mock):
    catalog, survey = mock(cn_feh_slope=0.0)
    bare = catalog.copy()
    bare["GAIAEDR3_DIST"] = np.asarray(survey["TRUE_DISTANCE"], float)
    checks = {check.name: check for check in validate(bare).checks}
    check = checks["Intervals of DISTANCE: stars within them"]
    assert check.verdict == "for information"
    assert "; 0 of them with an error of the reference" in check.found


def test_a_report_that_cannot_be_written_leaves_nothing(tmp_path):
    catalog = Table({"DISTANCE": [1.0] * 9, "GAIAEDR3_DIST": [1.1] * 9, "LOGG": [1.5] * 9})
    with pytest.raises(DistMassError, match="can't be written"):
        write_report(catalog, output=tmp_path / "nowhere" / "report.html")
    assert list(tmp_path.iterdir()) == []


def test_other_distances_and_ages_are_compared(mock, tmp_path):
    catalog, survey = mock(cn_feh_slope=0.0)
    survey = survey.with_columns({"ASTRONN_DIST": 1.1 * survey["TRUE_DISTANCE"]})
    found = validate(catalog, survey, distance_columns=["ASTRONN_DIST"], age_columns=["AGE_TRUE"])
    table = found.tables["comparisons"]
    assert list(zip(table["FIRST"], table["SECOND"], strict=True)) == [
        ("DISTANCE", "ASTRONN_DIST"),
        ("ASTRONN_DIST", "REFERENCE_DIST"),
        ("AGE_CAL", "AGE_TRUE"),
    ]
    assert table["BIAS"][0] == pytest.approx(1 / 1.1 - 1, abs=0.01)


def test_a_trained_model_from_end_to_end(mock):
    from skdistmass import AbsMagRegressor, CNMassRegressor, DistMassModel, LevenbergMarquardtMLPRegressor

    _, survey = mock(cn_feh_slope=0.0)
    survey = survey[:6000]
    small = {"network": LevenbergMarquardtMLPRegressor(hidden_layer_sizes=6, n_starts=2), "n_networks": 1}
    networks = AbsMagRegressor(**small), CNMassRegressor(**small)
    model = DistMassModel(*networks, mass_scales={"": "MASS"}, fallback=False, random_state=0).fit(survey)
    found = validate(model.predict(survey), survey)
    verdicts = {check.name: check.verdict for check in found.checks}
    assert verdicts["Mass error, MASS"] == "passed"
    assert verdicts["Distance error, giants of 2.5 < log g < 3.5"] == "passed"
    distance, mass = _training(model)
    assert (distance[0], mass[0]) == ("ABS_MAG", "MASS")
    assert "no K magnitude" in distance[-1]
    assert mass[1] > 1000


def test_real_giants(real_data):
    survey = read_survey(real_data("kepler_giants.fits"), columns=["DIST_SEIS"])
    catalog = Table({name: survey[name] for name in ("APOGEE_ID", "TEFF", "LOGG", "M_H", "C_FE", "N_FE")})
    # Seismic distances as those of a catalogue: independent of the parallaxes, and good to a few per cent.
    catalog["DISTANCE"] = survey["DIST_SEIS"]
    found = validate(catalog, survey)
    table = found.tables["distance_by_logg"]
    assert np.all(np.abs(table["BIAS"][table["N"] > 100]) < 0.05)
    assert found.tables["birth_cn"]["SAMPLE"].tolist() == ["giants of one mass"]
    assert found.tables["birth_cn"]["SLOPE"][0] < -3 * found.tables["birth_cn"]["SLOPE_ERR"][0]


@pytest.fixture
def browser():
    """Return a headless browser's path, or skip the test."""
    found = next(filter(None, map(shutil.which, BROWSERS)), None)
    if found is None:
        pytest.skip(f"none of the browsers {', '.join(BROWSERS)} is installed")
    return found


def test_a_browser_shows_all_pictures_and_logs_no_error(browser, text, tmp_path):
    probe = """<script>
    window.addEventListener("error", event => { document.body.dataset.errors = "1"; }, true);
    window.addEventListener("load", () => {
      const images = [...document.images];
      document.body.dataset.shown = images.filter(i => i.complete && i.naturalWidth > 300).length;
      document.body.dataset.wide = document.documentElement.scrollWidth > window.innerWidth;
    });
    </script></head>"""
    page = tmp_path / "probe.html"
    page.write_text(text.replace("</head>", probe), encoding="utf-8")
    options = "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking"
    options += " --disable-component-update --disable-sync --enable-logging=stderr --window-size=1200,900"
    folder = tmp_path / "browser"
    folder.mkdir()
    command = [browser, *options.split(), f"--user-data-dir={folder}", "--dump-dom", page.as_uri()]
    environment = {**os.environ, "HOME": str(folder)}
    shown = subprocess.run(command, capture_output=True, text=True, timeout=120, env=environment)
    assert 'data-shown="22"' in shown.stdout
    assert 'data-wide="false"' in shown.stdout
    assert "data-errors" not in shown.stdout
    assert "CONSOLE" not in shown.stderr
