"""Whatever the tables lack and whatever their names hold, the report is made and says so."""

import numpy as np
import pytest
from astropy.table import Table
from hypothesis import given, settings
from hypothesis import strategies as st

from skdistmass.surveys import as_stars
from skdistmass.validation import draw_figures, figures, join_reference, validate, write_report
from skdistmass.validation.figures.drawing import new_figure, plain

pytestmark = pytest.mark.slow

N = 300
AWKWARD = (
    "$\\badmacro{$ x",
    "A $\\x{$ B",
    "$",
    "$$",
    "a_b^c",
    "\\",
    "星团",
    "a\nb\x1b[31m",
    "<b>&'\"",
    "x" * 500,
    "_y",
    "%s{}",
)


@pytest.fixture(scope="module")
def tables():
    """Return a small catalogue and the reference of its stars, with all columns that anything needs."""
    rng = np.random.default_rng(0)
    dwarf = np.arange(N) % 2 == 0
    logg = np.where(dwarf, rng.uniform(3.5, 4.6, N), rng.uniform(1.0, 3.4, N))
    mass, feh = rng.uniform(0.9, 1.6, N), rng.uniform(-0.4, 0.3, N)
    catalog = {"APOGEE_ID": [f"S{i}" for i in range(N)], "TEFF": rng.uniform(4800, 5400, N), "LOGG": logg, "M_H": feh}
    catalog |= {"C_FE": 0.1 * rng.standard_normal(N), "N_FE": 0.3 * mass, "BITMASK": np.full(N, 9), "MASS": mass}
    catalog |= {"DISTANCE": rng.uniform(0.5, 1.9, N), "AGE": 10.0 - 3.0 * np.log10(mass)}
    for name in ("DISTANCE", "MASS"):
        catalog |= {f"{name}_LO": 0.9 * catalog[name], f"{name}_HI": 1.1 * catalog[name]}
    survey = {
        "APOGEE_ID": catalog["APOGEE_ID"],
        "PARALLAX": 1.0 / catalog["DISTANCE"],
        "PARALLAX_ERR": np.full(N, 0.02),
    }
    survey |= {"CLUSTER": np.where(np.arange(N) % 3 == 0, "NGC 7789", ""), "MASS": mass, "AGE_X": np.full(N, 3.0)}
    survey |= {"RA": rng.uniform(0, 360, N), "DEC": rng.uniform(-60, 60, N), "EVSTATE": np.ones(N, int)}
    return Table(catalog), as_stars(survey)


def test_nothing_is_left_out_when_all_is_there(tables):
    drawn, skipped = draw_figures(join_reference(*tables))
    assert skipped == {}
    assert len(drawn) == 22


@pytest.mark.parametrize("empty", [False, True])
@pytest.mark.parametrize(
    "name", ["TEFF", "LOGG", "M_H", "C_FE", "BITMASK", "DISTANCE", "MASS", "AGE", "DISTANCE_LO", "APOGEE_ID"]
)
def test_a_column_that_the_catalogue_lacks_is_named(tables, name, empty):
    catalog, survey = tables
    catalog = catalog.copy()
    if empty and catalog[name].dtype.kind == "f":
        catalog[name] = np.nan
    else:
        catalog.remove_column(name)
    found = validate(catalog, survey)
    _, skipped = draw_figures(found.stars, found=found)
    reasons = " ".join([*found.skipped.values(), *skipped.values()])
    # Without an identifier or an end of its interval, only little is lost.
    wanted = {"APOGEE_ID": "", "DISTANCE_LO": "", "MASS": "mass", "AGE": "age"}.get(name, name)
    assert wanted in reasons


@pytest.mark.parametrize("left", [("DISTANCE",), ("MASS",), ("AGE",), ()])
def test_a_catalogue_may_have_distances_masses_or_ages_alone(tables, left):
    catalog, survey = tables
    dropped = [n for n in catalog.colnames if n.startswith(("DISTANCE", "MASS", "AGE")) and n.split("_")[0] not in left]
    catalog = catalog.copy()
    catalog.remove_columns(dropped)
    found = validate(catalog, survey)
    made = {"DISTANCE": "distance_by_logg", "MASS": "mass_by_logg", "AGE": "ages"}
    assert {name for name in made if made[name] in found.tables} == set(left)
    drawn, skipped = draw_figures(found.stars, found=found)
    assert set(drawn) | set(skipped) == set(figures.__all__)


@pytest.mark.parametrize("n", [0, 1, 2])
def test_a_catalogue_of_no_or_few_stars_has_no_fits(tables, n):
    catalog, survey = tables
    found = validate(catalog[:n], survey)
    assert found.tables.keys() <= ({"mass_loss", "ages", "coverage"} if n else {"mass_loss"})
    assert len(found.tables) + len(found.skipped) == 24
    drawn, skipped = draw_figures(found.stars, found=found)
    assert len(drawn) + len(skipped) == 22
    assert n or not drawn


@settings(max_examples=30, deadline=None)
@given(st.text() | st.sampled_from(AWKWARD))
def test_any_name_can_be_drawn(name):
    figure, ((ax,),) = new_figure()
    ax.set_title(plain(name))
    ax.set_xlabel(rf"{plain(name)}, $\log_{{10}}$ age [yr]")
    figure.canvas.draw()
    assert len(plain(name).replace("\\$", "$")) <= 30


def test_names_from_files_neither_stop_the_report_nor_become_part_of_the_page(tables, tmp_path):
    catalog, survey = tables
    catalog = catalog.copy()
    clusters = np.array(["", *AWKWARD], dtype=object)[np.arange(N) % (len(AWKWARD) + 1)]
    survey = survey.with_columns(
        {"CLUSTER": clusters.astype(str), "A_$<b>_DIST": 1.05 * np.asarray(catalog["DISTANCE"])}
    )
    catalog["MASS_$<i>$"], catalog["AGE_$x$"] = catalog["MASS"], catalog["AGE"]
    path = tmp_path / "report.html"
    distances = {str(name): 1.0 for name in np.unique(clusters.astype(str)) if name}
    text = "<script>x</script>"
    columns = {"distance_columns": ["A_$<b>_DIST"], "age_columns": ["AGE_$x$"]}
    write_report(catalog, survey, path, **columns, cluster_distances=distances, command=text, title=text, notes=text)
    page = path.read_text(encoding="utf-8")
    assert "<script" not in page
    assert "<b>&" not in page
    assert "<i>$" not in page
    assert "&lt;b&gt;&amp;" in page
    assert page.count("<img ") >= 15


def test_more_clusters_than_panels_still_make_a_picture(tables):
    catalog, survey = tables
    survey = survey.with_columns({"CLUSTER": np.array([f"C{i // 4}" for i in range(N)])})
    figure = figures.fig17_cluster_ages(join_reference(catalog, survey))
    assert len([ax for ax in figure.axes if ax.axison]) == 60
