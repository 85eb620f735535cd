"""Giant-age relations: interpolation, inversion, constructors, files, comparison."""

import copy
import importlib.util
import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from skdistmass.exceptions import ColumnError, FileFormatError, InputError
from skdistmass.isochrones import isochrone_table, read_mist, read_parsec
from skdistmass.isochrones.giant_ages.relation import GiantAgeRelation, hurley_bgb_age
from skdistmass.isochrones.giant_ages.surface import Surface

REPOSITORY = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def default():
    return GiantAgeRelation.default()


@pytest.fixture(scope="module")
def stars(default):
    rng = np.random.default_rng(1)
    return rng.uniform(*default.mass_range, 5000), rng.uniform(*default.feh_range, 5000)


# A smooth made-up relation: log age = 10 - 3.2 x + 0.4 x^2 + 0.3 y - 0.1 x y with x = log mass, y = [Fe/H].
def made_up_age(mass, feh):
    x = np.log10(mass)
    return 10.0 - 3.2 * x + 0.4 * x**2 + 0.3 * feh - 0.1 * x * feh


def made_up_isochrones(ages, metallicities, *, ragged=False):
    """Isochrones whose giants have the masses of the made-up relation, beside dwarfs that don't count."""
    rows = []
    for feh in metallicities:
        for log_age in ages:
            if ragged and feh > 0 and log_age > 9.6:
                continue
            x = np.linspace(-0.2, 1.0, 20001)
            turn_off = 10.0 ** np.interp(-log_age, -made_up_age(10.0**x, feh), x)
            for offset, logg, phase in ((-0.3, 4.5, 0), (-0.01, 2.0, 2), (0.0, 2.0, 2), (0.01, 2.0, 3), (0.02, 4.2, 2)):
                rows.append((turn_off + offset, log_age, feh, logg, phase, 2.0 if offset == 0 else 1.0))
    mass, log_age, feh, logg, phase, weight = np.array(rows).T
    zero = np.zeros(len(mass))
    return isochrone_table(
        {
            "initial_mass": mass,
            "current_mass": mass,
            "log_age": log_age,
            "feh": feh,
            "log_teff": zero + 3.7,
            "logg": logg,
            "log_l": zero,
            "phase": phase,
            "imf_weight": weight,
        },
        meta={"source": "made up"},
    )


@settings(max_examples=60, deadline=None)
@given(n_x=st.integers(2, 8), n_y=st.integers(2, 5), seed=st.integers(0, 2**32 - 1), roughness=st.floats(0.1, 4.0))
def test_any_falling_table_gives_a_surface_that_falls_and_inverts(n_x, n_y, seed, roughness):
    rng = np.random.default_rng(seed)
    x, y = np.cumsum(rng.uniform(0.02, 1.0, n_x)), np.cumsum(rng.uniform(0.02, 1.0, n_y))
    z = rng.normal(size=n_y) - np.cumsum(rng.exponential(size=(n_x, n_y)) ** roughness + 1e-3, axis=0)
    surface = Surface(x, y, z)
    grid_x, grid_y = np.meshgrid(np.linspace(x[0], x[-1], 60), np.linspace(y[0], y[-1], 25), indexing="ij")
    values = surface(grid_x.ravel(), grid_y.ravel())
    scale = np.ptp(z)
    assert np.all(np.diff(values.reshape(grid_x.shape), axis=0) < 1e-12 * scale)
    assert np.all(surface(grid_x.ravel(), grid_y.ravel(), derivative=True) < 1e-9 * scale)
    back = surface.invert(values, grid_y.ravel())
    largest = max(scale, np.abs(values).max())
    np.testing.assert_allclose(surface(back, grid_y.ravel()), values, atol=1e-11 * largest)
    beyond = surface.invert(np.r_[z[0] + 1e-3 * largest, z[-1] - 1e-3 * largest], np.r_[y, y])
    assert np.isnan(beyond).all()


def test_surface_goes_through_its_table_with_continuous_slope(default):
    mass, feh = np.meshgrid(default.mass_knots, default.feh_knots, indexing="ij")
    np.testing.assert_allclose(default.log_age(mass, feh), default.log_age_knots, atol=1e-12)
    inner = default.mass_knots[1:-1]
    left, right = default.slope(inner * (1 - 1e-9), 0.1), default.slope(inner * (1 + 1e-9), 0.1)
    np.testing.assert_allclose(left, right, atol=1e-6)


def test_slope_is_the_derivative_of_the_age(default, stars):
    mass, feh = stars
    mass = np.clip(mass, 0.76, 8.9)
    step = 1e-5
    numeric = (default.log_age(mass * 10**step, feh) - default.log_age(mass / 10**step, feh)) / (2 * step)
    np.testing.assert_allclose(default.slope(mass, feh), numeric, atol=2e-3)


def test_documented_coefficients_give_the_age(default, stars):
    # The recipe in the class docstring, spelled out: what another language would do.
    mass, feh = stars
    x, knots_x, knots_y = np.log10(mass), default.log_mass_knots, default.feh_knots
    i = np.sum(x[:, None] >= knots_x[None, 1:-1], axis=1)
    j = np.sum(feh[:, None] >= knots_y[None, 1:-1], axis=1)
    u = (x - knots_x[i]) / (knots_x[i + 1] - knots_x[i])
    v = (feh - knots_y[j]) / (knots_y[j + 1] - knots_y[j])
    low, high = (np.einsum("pn,np->n", default.coefficients[:, i, k], u[:, None] ** np.arange(4)) for k in (j, j + 1))
    np.testing.assert_allclose(default.log_age(mass, feh), (1 - v) * low + v * high, rtol=1e-13)


def test_between_metallicities_ages_are_linear(default):
    middle = default.log_age(1.3, [0.0, 0.0625, 0.125])
    assert middle[1] == pytest.approx(0.5 * (middle[0] + middle[2]), rel=1e-14)


@pytest.mark.parametrize(
    ("feh", "expected"),
    [(-0.5, (9.887, 8.993, 8.520, 7.992)), (0.0, (10.049, 9.092, 8.622, 8.039)), (0.5, (10.176, 9.190, 8.688, 8.054))],
)
def test_default_ages_are_those_of_the_table_it_was_made_from(default, feh, expected):
    np.testing.assert_allclose(default.log_age([1.0, 2.0, 3.0, 5.0], feh), expected, atol=0.005)


def test_default_slopes_and_mass_loss_are_as_the_paper_says(default):
    slopes = default.slope([0.8, 1.0, 1.4, 1.8, 2.0, 2.5, 5.0, 8.0], 0.0)
    np.testing.assert_allclose(slopes, [-3.40, -3.58, -3.21, -2.73, -1.98, -2.75, -2.41, -2.02], atol=0.13)
    assert -2.7 < slopes[4] < -2.0
    excess = 10 ** (default.log_age([1.0, 2.0], 0.0) - default.log_age([1.03, 2.03], 0.0)) - 1
    np.testing.assert_allclose(excess[0], 0.11, atol=0.005)
    assert 0.03 < excess[1] < 0.04


def test_default_inverts_everywhere(default, stars):
    mass, feh = stars
    np.testing.assert_allclose(default.mass(default.log_age(mass, feh), feh), mass, rtol=1e-12)
    edges = np.array(default.mass_range)
    for one in (default.feh_knots[0], 0.1, default.feh_knots[-1]):
        np.testing.assert_allclose(default.mass(default.log_age(edges, one), one), edges, rtol=1e-12)


def test_default_is_small_says_where_it_comes_from_and_is_reproducible(default, real_data, tmp_path):
    real_data("isochrones/giant_ages.csv")
    shipped = REPOSITORY / "skdistmass" / "isochrones" / "giant_ages" / "default_relation.csv"
    assert shipped.stat().st_size < 100_000
    assert {"source", "input", "method", "made by", "accuracy"} <= set(default.meta)
    script = REPOSITORY / "examples" / "make_giant_age_relation.py"
    subprocess.run([sys.executable, script, tmp_path / "again.csv"], check=True, capture_output=True)
    assert (tmp_path / "again.csv").read_bytes() == shipped.read_bytes()


def test_default_is_within_its_stated_accuracy_of_the_input(default, real_data):
    table = np.genfromtxt(real_data("isochrones/giant_ages.csv"), delimiter=",", names=True)
    off = default.log_age(table["mass_init"], table["feh"]) - table["logt_giant"]
    assert np.std(off) < 0.002
    flash = (table["mass_init"] > 1.7) & (table["mass_init"] < 2.2)
    assert np.abs(off).max() < 0.02
    assert np.abs(off[~flash]).max() < 0.008


def test_outside_or_missing_gives_nan_and_scalars_stay_scalars(default):
    ages = default.log_age([0.74, 9.01, 1.0, 1.0, np.nan, np.inf, -1.0], [0, 0, 0.51, -2.01, 0, 0, 0])
    assert np.all(np.isnan(ages))
    assert np.all(np.isfinite(default.log_age([0.75, 9.0, 0.75, 9.0], [-2.0, -2.0, 0.5, 0.5])))
    assert np.all(np.isnan(default.mass([12.0, 5.0, np.nan, 9.0], [0.0, 0.0, 0.0, 0.6])))
    assert np.ndim(default.log_age(1.0, 0.0)) == 0
    assert default.log_age(np.ones((3, 1)), np.zeros(2)).shape == (3, 2)
    assert default.log_age([], []).shape == (0,)


def test_a_relation_that_ends_early_at_some_metallicities_says_so():
    nan = np.nan
    relation = GiantAgeRelation(
        [1.0, 2.0, 4.0, 8.0], [-0.5, 0.0, 0.5], [[10.0, nan, nan], [9.1, 9.2, 9.3], [8.3, 8.4, 8.5], [7.6, 7.7, nan]]
    )
    low, high = relation.mass_limits([-0.5, -0.25, 0.0, 0.5, 0.6])
    np.testing.assert_allclose(low[:4], [1.0, np.sqrt(2.0), 2.0, 2.0])
    np.testing.assert_allclose(high[:4], [8.0, 8.0, 8.0, 4.0])
    assert np.isnan(low[4])
    assert np.isnan(high[4])
    assert np.isnan(relation.log_age(1.5, 0.0))
    assert np.isfinite(relation.log_age(1.5, -0.25))
    assert np.isnan(relation.log_age(4.1, 0.5))
    assert np.isnan(relation.mass(7.8, 0.5))
    np.testing.assert_allclose(relation.mass(relation.log_age([2.0, 4.0], 0.5), 0.5), [2.0, 4.0])
    assert pickle.loads(pickle.dumps(relation)) == relation


GOOD = ([1.0, 2.0, 4.0], [0.0, 0.5], [[10.0, 10.1], [9.1, 9.2], [8.3, 8.4]])


@pytest.mark.parametrize(
    ("mass", "feh", "log_age", "message"),
    [
        ([1.0, 4.0, 2.0], GOOD[1], GOOD[2], "mass knots"),
        ([0.0, 1.0, 2.0], GOOD[1], GOOD[2], "positive"),
        (GOOD[0], [0.5, 0.0], GOOD[2], "feh knots"),
        (GOOD[0], [0.5], [[10.0], [9.0], [8.0]], "feh knots"),
        (GOOD[0], [np.nan, 0.5], GOOD[2], "feh knots"),
        (GOOD[0], GOOD[1], np.transpose(GOOD[2]), "shape"),
        (GOOD[0], GOOD[1], [[10.0, 10.1], [9.1, 9.2], [9.1, 8.4]], "does not fall from 2 to 4 Msun"),
        (GOOD[0], GOOD[1], [[10.0, 10.1], [np.nan, 9.2], [8.3, 8.4]], "none missing"),
        (GOOD[0], GOOD[1], [[10.0, np.nan]] * 3, "does not fall|needs two"),
        (GOOD[0], GOOD[1], [[10.0, 12.5], [1.2, 1.6], [0.2, 0.25]], "log10 of the age in years"),
    ],
)
def test_a_bad_table_is_refused_with_the_reason(mass, feh, log_age, message):
    with pytest.raises(InputError, match=message):
        GiantAgeRelation.from_table(mass, feh, log_age)


def test_columns_and_grid_are_the_same_table():
    mass, feh = (grid.ravel() for grid in np.meshgrid(GOOD[0], GOOD[1], indexing="ij"))
    order = np.random.default_rng(0).permutation(len(mass))
    columns = GiantAgeRelation.from_table(mass[order], feh[order], np.ravel(GOOD[2])[order])
    assert columns == GiantAgeRelation.from_table(*GOOD)
    with pytest.raises(InputError, match="twice"):
        GiantAgeRelation.from_table(np.r_[mass, 1.0], np.r_[feh, 0.0], np.r_[np.ravel(GOOD[2]), 10.0])
    with pytest.raises(InputError, match="shapes"):
        GiantAgeRelation.from_table(GOOD[0], GOOD[1], [10.0, 9.0, 8.0])


def test_relations_are_immutable_values(default):
    for array in (default.mass_knots, default.log_age_knots, default.coefficients):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 0.0
    with pytest.raises(AttributeError):
        default.name = "other"
    with pytest.raises(TypeError):
        default.meta["source"] = "other"
    for again in (copy.deepcopy(default), pickle.loads(pickle.dumps(default))):
        assert again == default
        assert hash(again) == hash(default)
        assert not again.coefficients.flags.writeable
    assert default != GiantAgeRelation.hurley()
    assert default != "MIST"


def test_a_written_relation_reads_back_equal(tmp_path):
    relation = GiantAgeRelation([1.0, 2.0, 1 / 0.3], [0.0, 0.5], GOOD[2], name="a: b", meta={"source": "x\n# y: z"})
    relation.to_file(tmp_path / "relation.csv")
    again = GiantAgeRelation.from_file(tmp_path / "relation.csv")
    np.testing.assert_array_equal(again.log_age_knots, relation.log_age_knots)
    np.testing.assert_array_equal(again.mass_knots, relation.mass_knots)
    assert again.name == "a: b"
    assert again.meta["source"] == "x # y: z"


@pytest.mark.parametrize(
    "spoil",
    [
        lambda text: "",
        lambda text: "mass,feh\n1,2\n",
        lambda text: text[: len(text) // 2],
        lambda text: "\n".join(text.splitlines()[:-1]),
        lambda text: text.replace("9.1", "nine"),
        lambda text: text.replace("# name", "# title"),
    ],
    ids=["empty", "foreign", "half", "row missing", "not a number", "no name"],
)
def test_a_spoilt_file_is_refused(tmp_path, spoil):
    path = tmp_path / "relation.csv"
    GiantAgeRelation.from_table(*GOOD).to_file(path)
    path.write_text(spoil(path.read_text()))
    with pytest.raises(FileFormatError, match="giant age relation"):
        GiantAgeRelation.from_file(path)


def test_hurley_gives_the_published_test_values_and_its_relation_follows_the_formula():
    np.testing.assert_allclose(
        10 ** (hurley_bgb_age([1.0, 2.0, 5.0], 0.02) - 6), [11582.24, 1173.57, 104.44], atol=0.006
    )
    relation = GiantAgeRelation.hurley(solar_z=0.02, feh_range=(-2.0, 0.17))
    rng = np.random.default_rng(2)
    mass, feh = rng.uniform(0.5, 50.0, 2000), rng.uniform(-2.0, 0.17, 2000)
    np.testing.assert_allclose(relation.log_age(mass, feh), hurley_bgb_age(mass, 0.02 * 10**feh), atol=2e-4)
    assert np.isnan(hurley_bgb_age([-1.0, 1.0], [0.02, 0.0])).all()


def test_hurley_is_near_the_default_but_for_core_helium_burning(default):
    ratio = 10 ** (
        GiantAgeRelation.hurley().log_age([1.0, 2.5], [[-0.5], [0.0], [0.25]])
        - default.log_age([1.0, 2.5], [[-0.5], [0.0], [0.25]])
    )
    assert np.all(np.abs(ratio[:, 0] - 1) < 0.11)
    assert np.all((ratio[:, 1] > 0.78) & (ratio[:, 1] < 0.97))


def test_isochrones_give_back_the_relation_they_were_made_from():
    table = made_up_isochrones(np.arange(8.2, 10.01, 0.1), [-0.5, 0.0, 0.4])
    relation = GiantAgeRelation.from_isochrones(table)
    assert relation.name == "made up giants"
    mass, feh = np.meshgrid([1.1, 1.5, 2.0, 3.0], [-0.4, 0.0, 0.3])
    np.testing.assert_allclose(relation.log_age(mass, feh), made_up_age(mass, feh), atol=2e-4)
    # Red giants alone are lighter on average: the core helium burning stars are 0.01 Msun heavier.
    red = GiantAgeRelation.from_isochrones(table, phases=["RGB"])
    lighter = relation.mass(9.0, 0.0) - red.mass(9.0, 0.0)
    np.testing.assert_allclose(lighter, 0.01 / 3, atol=2e-4)


def test_isochrones_that_end_early_give_a_relation_that_does():
    relation = GiantAgeRelation.from_isochrones(
        made_up_isochrones(np.arange(8.2, 10.01, 0.1), [-0.5, 0.4], ragged=True)
    )
    assert np.isfinite(relation.log_age(1.2, -0.5))
    assert np.isnan(relation.log_age(1.2, 0.4))


def test_tracks_give_the_time_weighted_age():
    rows = []
    for feh in (-0.3, 0.2):
        for mass in (0.9, 1.0, 1.2, 1.5, 2.0):
            age = 10 ** made_up_age(mass, feh)
            # A pre-main-sequence giant, a dwarf, then a giant phase of 2 % of the age, sampled unevenly.
            steps = np.r_[0.98, 0.981, 0.984, 0.99, 0.9995, 1.0] * age / 0.99
            rows += [(mass, feh, 1e5, 3.0, -1), (mass, feh, 0.5 * age, 4.4, 0)]
            rows += [(mass, feh, step, 2.5, 2) for step in steps]
    mass, feh, age, logg, phase = np.array(rows).T
    zero = np.zeros(len(mass))
    columns = {"initial_mass": mass, "current_mass": mass, "log_age": np.log10(age), "feh": feh, "logg": logg}
    table = isochrone_table(
        {**columns, "log_teff": zero + 3.7, "log_l": zero, "phase": phase}, meta={"source": "made up"}, kind="track"
    )
    relation = GiantAgeRelation.from_tracks(table)
    np.testing.assert_allclose(relation.log_age([0.9, 2.0], 0.2), made_up_age(np.array([0.9, 2.0]), 0.2), atol=1e-3)
    np.testing.assert_allclose(relation.log_age(1.3, 0.0), made_up_age(1.3, 0.0), atol=4e-3)


def test_models_without_giants_or_too_few_are_refused():
    table = made_up_isochrones([9.0, 9.1], [0.0, 0.4])
    with pytest.raises(InputError, match="no row of the table is a giant"):
        GiantAgeRelation.from_isochrones(table, logg_max=1.0)
    with pytest.raises(InputError, match="two or more metallicities"):
        GiantAgeRelation.from_isochrones(made_up_isochrones([9.0, 9.1], [0.0]))
    table.remove_column("logg")
    with pytest.raises(ColumnError, match="logg"):
        GiantAgeRelation.from_isochrones(table)
    with pytest.raises(InputError, match="phase 'XYZ'"):
        GiantAgeRelation.from_isochrones(made_up_isochrones([9.0, 9.1], [0.0, 0.4]), phases=["XYZ"])


@pytest.fixture(scope="module")
def parsec(real_data):
    return GiantAgeRelation.from_isochrones(read_parsec(real_data("isochrones/parsec_v12s.parquet")), name="PARSEC")


def test_parsec_agrees_with_the_default(parsec, default):
    mass, feh = np.meshgrid([1.1, 1.3, 2.5, 3.0, 4.0, 5.0], [-1.0, -0.5, 0.0, 0.25])
    np.testing.assert_allclose(parsec.log_age(mass, feh), default.log_age(mass, feh), atol=0.06)
    # At the helium flash, earlier in PARSEC, they part by up to 12 %.
    np.testing.assert_allclose(parsec.log_age([1.7, 1.9, 2.0], 0.0), default.log_age([1.7, 1.9, 2.0], 0.0), atol=0.05)
    assert -3.75 < parsec.slope(1.0, 0.0) < -3.45


def test_genuine_mist_isochrones_agree_with_the_default(default, real_data):
    files = [real_data(f"isochrones/MIST_iso_feh{feh}.iso") for feh in ("-050", "0000", "0050")]
    relation = GiantAgeRelation.from_isochrones(read_mist(files))
    for feh in (-0.5, 0.0, 0.5):
        mass = np.linspace(*relation.mass_limits(feh), 5)
        np.testing.assert_allclose(relation.log_age(mass, feh), default.log_age(mass, feh), atol=0.002)


def test_a_track_that_never_becomes_a_giant_is_refused(real_data):
    with pytest.raises(InputError, match="no row of the table is a giant"):
        GiantAgeRelation.from_tracks(read_mist(real_data("isochrones/0001000M.track.eep")))


def test_comparison_tabulates_and_draws(default, monkeypatch):
    path = REPOSITORY / "examples" / "giant_age_relations.py"
    monkeypatch.syspath_prepend(path.parent)
    spec = importlib.util.spec_from_file_location("giant_age_relations_example", path)
    example = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(example)
    hurley = GiantAgeRelation.hurley()
    table = example.compare_relations(default, hurley, mass=[1.0, 2.0], feh=[0.0, 0.3])
    assert len(table) == 4
    row = table[1]
    assert (row["mass"], row["feh"]) == (2.0, 0.0)
    name = hurley.name
    np.testing.assert_allclose(row[f"log_age {name}"] - row[f"log_age {default.name}"], row[f"difference {name}"])
    np.testing.assert_allclose(row[f"slope {name}"], hurley.slope(2.0, 0.0))
    figure = example.plot_relations(default, hurley, feh=[0.0, 0.3])
    assert len(figure.axes) == 6
    ages = figure.axes[0].lines[1]
    np.testing.assert_allclose(ages.get_ydata(), hurley.log_age(ages.get_xdata(), 0.0))
