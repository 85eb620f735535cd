import copy
import pickle
import warnings

import numpy as np
import pytest
from astropy import units as u
from astropy.table import Table
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.base import clone
from sklearn.exceptions import NotFittedError

from skdistmass.exceptions import ColumnError, FileFormatError, InputError
from skdistmass.isochrones import IsochroneDistanceRegressor, IsochroneFlag, isochrone_table
from skdistmass.isochrones.distances.interpolation import COLUMNS, LOG_L, matched, points_at, split_isochrones
from skdistmass.isochrones.distances.storage import _VERSION
from skdistmass.isochrones.distances.summaries import parallax_term
from skdistmass.isochrones.schema import Phase, check_isochrone_table

pytestmark = pytest.mark.slow

PERCENTILES = ("m_ks_p16", "m_ks", "m_ks_p84")
ERROR = np.array([60.0, 0.1, 0.1])


def _percentiles(posterior):
    return np.column_stack([posterior[name].value for name in PERCENTILES])


@pytest.fixture(scope="module")
def stars(draw, isochrones, regressor):
    """300 stars as the models have them, seen with errors."""
    truth, magnitude = draw(isochrones, regressor, 300)
    return truth + ERROR * np.random.default_rng(1).normal(size=truth.shape), magnitude


@pytest.mark.parametrize("error", [(60.0, 0.1, 0.1), (30.0, 0.04, 0.05), (150.0, 0.3, 0.3)])
def test_equals_the_plain_sum(benchmark, isochrones, regressor, stars, error):
    points = benchmark.all_points(isochrones, regressor)
    X, _ = stars
    fast = _percentiles(regressor.predict_posterior(X[:60], error, marginals=False))
    plain = np.array(
        [benchmark.plain_sum(points, x[[2, 0, 1]], np.diag(np.array(error)[[2, 0, 1]] ** 2)) for x in X[:60]]
    )
    known = np.isfinite(fast).all(axis=1)
    assert known.mean() > 0.8
    difference = np.abs(fast - plain)[known]
    assert np.percentile(difference, 99) < 0.02
    assert np.median(difference) < 0.005


def test_equals_the_plain_sum_with_correlated_errors(benchmark, isochrones, regressor, stars):
    points = benchmark.all_points(isochrones, regressor)
    correlation = np.array([[1.0, 0.6, -0.3], [0.6, 1.0, 0.2], [-0.3, 0.2, 1.0]])
    covariance = correlation * np.outer(ERROR, ERROR)
    order = np.ix_([2, 0, 1], [2, 0, 1])
    X, _ = stars
    fast = _percentiles(regressor.predict_posterior(X[:40], cov=covariance, marginals=False))
    plain = np.array([benchmark.plain_sum(points, x[[2, 0, 1]], covariance[order]) for x in X[:40]])
    known = np.isfinite(fast).all(axis=1)
    assert np.percentile(np.abs(fast - plain)[known], 99) < 0.02
    uncorrelated = _percentiles(regressor.predict_posterior(X[:40], ERROR, marginals=False))
    assert np.nanmax(np.abs(fast - uncorrelated)) > 0.05


def test_stars_beside_the_models_are_summed_over_as_many_models(benchmark, isochrones, regressor):
    """Where the nearest model is 4 sigma away, those within 4.5 sigma alone would be few and all of one kind."""
    points = benchmark.all_points(isochrones, regressor)
    X = np.array([[5090.0, 2.2, 0.0], [5330.0, 3.0, 0.0], [4600.0, 2.9, 0.0], [4760.0, 1.5, 0.0]])
    posterior = regressor.predict_posterior(X, ERROR, marginals=False)
    assert ((posterior["nearest"] > 4.0) & (posterior["nearest"] < 4.5)).all()
    plain = np.array([benchmark.plain_sum(points, x[[2, 0, 1]], np.diag(ERROR[[2, 0, 1]] ** 2)) for x in X])
    np.testing.assert_allclose(_percentiles(posterior), plain, atol=0.01)


def test_real_stars_equal_the_plain_sum(real_data, benchmark, monkeypatch):
    """The promise of the benchmark, on fewer stars."""
    from skdistmass.isochrones import read_parsec

    path = real_data("isochrones/parsec_v12s.parquet")
    monkeypatch.setenv("SKDISTMASS_DATA", str(path.parents[1]))
    table = read_parsec(path)
    # Every fourth age is enough for a comparison and takes a quarter of the time.
    ages = np.unique(table["log_age"])[::4]
    table = table[np.isin(table["log_age"], ages)]
    model = IsochroneDistanceRegressor().fit(table)
    X, errors = benchmark.real_stars(model)
    _, differences = benchmark.compare(
        model, benchmark.all_points(table, model), X, errors, np.random.default_rng(0), 30
    )
    assert np.isfinite(differences).all(axis=1).mean() > 0.9
    assert np.nanpercentile(differences, 99) < 0.02
    assert np.nanmedian(differences) < 0.005


def test_coverage_and_bias(draw, isochrones, regressor):
    """If stars are drawn from the prior, 68.3 % of them must lie between the 16th and the 84th percentile."""
    n_stars = 6000
    truth, magnitude = draw(isochrones, regressor, n_stars, seed=3)
    rng = np.random.default_rng(4)
    X = truth + ERROR * rng.normal(size=truth.shape)
    distance = 10 ** rng.uniform(-1, 1, n_stars)
    apparent = magnitude + 5 * np.log10(distance) + 10 + 0.3 + 0.05 * rng.normal(size=n_stars)
    posterior = regressor.predict_posterior(
        X, ERROR, magnitude=apparent, magnitude_err=0.03, extinction=0.3, extinction_err=0.04
    )
    known = np.isfinite(posterior["m_ks"])
    assert known.mean() > 0.99
    for name, value in (("m_ks", magnitude), ("distance", distance)):
        low, high = (posterior[f"{name}_{p}"].value[known] for p in ("p16", "p84"))
        inside = (low <= value[known]) & (value[known] <= high)
        assert inside.mean() == pytest.approx(0.683, abs=0.02)
    ratio = posterior["distance"].value[known] / distance[known]
    assert np.median(ratio) == pytest.approx(1.0, abs=0.01)
    # Stars drawn from the prior have no mean offset from the posterior's mean.
    offset = posterior["m_ks_mean"].value[known] - magnitude[known]
    assert abs(offset.mean()) < 4 * offset.std() / np.sqrt(n_stars)


def test_marginals_contain_the_truth(benchmark, isochrones, regressor, stars):
    X, _ = stars
    posterior = regressor.predict_posterior(X, ERROR)
    known = np.isfinite(posterior["m_ks"])
    for name, low, high in (("mass", 0.3, 3.0), ("age", 1.0, 13.0), ("radius", 0.2, 150.0)):
        values = posterior[name].value[known]
        assert ((values > low) & (values < high)).all()
        assert (posterior[f"{name}_p16"][known] <= posterior[name][known]).all()
        assert (posterior[name][known] <= posterior[f"{name}_p84"][known]).all()
    assert posterior["age"].unit == u.Gyr
    # g = G M / R^2 ties mass and radius to log g within its error.
    logg = 4.438 + np.log10(posterior["mass"].value) - 2 * np.log10(posterior["radius"].value)
    assert np.nanstd((logg - X[:, 1]) / 0.1) < 1.5


def test_pdf(regressor, stars):
    X, _ = stars
    posterior = regressor.predict_posterior(
        X[:20], ERROR, magnitude=np.full(20, 10.0), magnitude_err=0.05, return_pdf=True
    )
    known = np.isfinite(posterior["m_ks"])
    grid, pdf = posterior.meta["m_ks"].value, posterior["m_ks_pdf"].value[known]
    np.testing.assert_allclose(pdf.sum(axis=1) * (grid[1] - grid[0]), 1.0)
    np.testing.assert_allclose((pdf * grid).sum(axis=1) * (grid[1] - grid[0]), posterior["m_ks_mean"].value[known])
    distance, density = posterior["distance_grid"].value[known], posterior["distance_pdf"].value[known]
    assert (np.diff(distance, axis=1) > 0).all()
    np.testing.assert_allclose(np.trapezoid(density, distance, axis=1), 1.0, atol=1e-3)
    mean = np.trapezoid(density * distance, distance, axis=1)
    np.testing.assert_allclose(mean, posterior["distance_mean"].value[known], rtol=1e-3)
    plain = regressor.predict_posterior(X[:20], ERROR, magnitude=np.full(20, 10.0), magnitude_err=0.05)
    np.testing.assert_allclose(plain["distance"], posterior["distance"], rtol=0.005)


def test_errors_of_the_photometry_add_in_squares(regressor, stars):
    X, _ = stars
    sharp = regressor.predict_posterior(X[:50], ERROR, magnitude=np.full(50, 10.0), marginals=False)
    blurred = regressor.predict_posterior(
        X[:50], ERROR, magnitude=np.full(50, 10.0), magnitude_err=0.3, extinction_err=0.4, marginals=False,
        return_pdf=True,
    )  # fmt: skip
    distance, density = blurred["distance_grid"].value, blurred["distance_pdf"].value
    with np.errstate(invalid="ignore"):
        modulus = 5 * np.log10(distance) + 10
        weight = density * distance
        weight /= weight.sum(axis=1, keepdims=True)
        mean = (weight * modulus).sum(axis=1)
        scatter = np.sqrt((weight * (modulus - mean[:, None]) ** 2).sum(axis=1))
    magnitudes, pdf = blurred.meta["m_ks"].value, blurred["m_ks_pdf"].value
    own_mean = (pdf * magnitudes).sum(axis=1) * 0.01
    own = np.sqrt((pdf * (magnitudes - own_mean[:, None]) ** 2).sum(axis=1) * 0.01)
    np.testing.assert_allclose(scatter, np.hypot(own, 0.5), rtol=0.02)
    np.testing.assert_allclose(np.log(sharp["distance"].value), np.log(blurred["distance"].value), atol=0.2)


def test_parallax(regressor, stars):
    X, magnitude = stars
    n_stars = len(X)
    distance = np.full(n_stars, 0.5)
    apparent = magnitude + 5 * np.log10(distance) + 10
    options = {"magnitude": apparent, "magnitude_err": 0.02}
    without = regressor.predict_posterior(X, ERROR, **options)
    vague = regressor.predict_posterior(
        X, ERROR, **options, parallax=np.full(n_stars, 2.0), parallax_err=np.full(n_stars, 1e4)
    )
    sharp = regressor.predict_posterior(
        X, ERROR, **options, parallax=np.full(n_stars, 2.0), parallax_err=np.full(n_stars, 0.01)
    )
    known = np.isfinite(without["m_ks"]) & ((sharp["flag"] & IsochroneFlag.PARALLAX_CONFLICT) == 0)
    assert known.mean() > 0.95
    for name in ("distance", "m_ks", "mass", "age"):
        np.testing.assert_allclose(vague[name][known], without[name][known], rtol=1e-3)
    np.testing.assert_allclose(sharp["distance"].value[known], 0.5, rtol=0.02)
    np.testing.assert_allclose(sharp["m_ks"].value[known], magnitude[known], atol=0.06)
    # With the luminosity known, the mass follows better too.
    width = {t: np.median(np.log(p["mass_p84"] / p["mass_p16"])[known]) for t, p in ((0, without), (1, sharp))}
    assert width[1] <= width[0]
    far = regressor.predict_posterior(
        X[:5], ERROR, magnitude=apparent[:5], parallax=np.full(5, 50.0), parallax_err=np.full(5, 0.01)
    )
    assert ((far["flag"] & IsochroneFlag.PARALLAX_CONFLICT) > 0).all()
    absent = regressor.predict_posterior(
        X, ERROR, **options, parallax=np.full(n_stars, np.nan), parallax_err=np.full(n_stars, 0.1)
    )
    np.testing.assert_array_equal(absent["distance"], without["distance"])


def test_a_bin_of_the_histogram_stands_for_all_distances_in_it():
    """A parallax is compared with the bin, which has the variance of an even distribution between its edges."""
    axis, zero, error = np.array([-8.0, 0.05, 300.0]), 9.0, 0.004
    edges = 10 ** (-0.2 * (zero - (axis[0] + axis[1] * np.arange(301)) - 10.0))
    centre, width = np.sqrt(edges[1:] * edges[:-1]), np.diff(edges)
    parallax = centre[140]
    variance = error**2 + width**2 / 12.0
    expected = np.exp(-0.5 * (parallax - centre) ** 2 / variance) / np.sqrt(variance)
    term = np.empty(300)
    parallax_term(np.array([zero, 0.0, parallax, error]), axis, term)
    near = slice(130, 151)
    np.testing.assert_allclose(term[near] / term[140], expected[near] / expected[140], rtol=2e-3, atol=1e-6)


def test_covariance_without_correlations_is_errors(regressor, stars):
    X, _ = stars
    diagonal = regressor.predict(X, cov=np.diag(ERROR**2))
    np.testing.assert_allclose(diagonal, regressor.predict(X, ERROR), rtol=1e-12)
    np.testing.assert_allclose(regressor.predict(X, cov=np.tile(np.diag(ERROR**2), (len(X), 1, 1))), diagonal)


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 10**6), n_jobs=st.sampled_from([1, 2]))
def test_order_and_company_do_not_matter(regressor, stars, seed, n_jobs):
    X, _ = stars
    rows = np.random.default_rng(seed).choice(len(X), 40, replace=False)
    model = clone(regressor).set_params(n_jobs=n_jobs)
    model._set_grid(regressor.grid_, regressor.models_)
    np.testing.assert_array_equal(model.predict(X[rows], ERROR), regressor.predict(X, ERROR)[rows])


@settings(max_examples=20, deadline=None)
@given(shift=st.floats(-5, 5), extinction=st.floats(0, 3))
def test_distance_scales_with_magnitude(regressor, stars, shift, extinction):
    X, _ = stars
    magnitude = np.full(len(X), 10.0)
    one = regressor.predict_posterior(X, ERROR, magnitude=magnitude, magnitude_err=0.05, marginals=False)
    other = regressor.predict_posterior(
        X, ERROR, magnitude=magnitude + shift + extinction, extinction=extinction, magnitude_err=0.05, marginals=False
    )
    for name in ("distance", "distance_mean", "distance_p16", "distance_p84", "distance_mode"):
        np.testing.assert_allclose(other[name], one[name] * 10 ** (0.2 * shift), rtol=1e-9)
    np.testing.assert_array_equal(one["m_ks"], other["m_ks"])


def test_missing_values_and_flags(regressor):
    X = np.array(
        [
            [4700.0, 2.5, 0.0], [np.nan, 2.5, 0.0], [-9999.99, 2.5, 0.0], [4700.0, 99.99, 0.0],
            [9000.0, 2.5, 0.0], [4700.0, 2.5, 0.42], [4700.0, 2.5, 3.0],
        ]
    )  # fmt: skip
    errors = np.tile(ERROR, (7, 1))
    errors[0, 1] = np.nan
    posterior = regressor.predict_posterior(X, errors, magnitude=[10.0] * 6 + [np.nan], magnitude_err=0.02)
    flag = IsochroneFlag
    assert posterior["flag"].tolist() == [
        flag.DEFAULT_ERROR, flag.MISSING_LABEL, flag.MISSING_LABEL, flag.MISSING_LABEL, flag.OFF_GRID, flag.EDGE,
        flag.MISSING_LABEL | flag.MISSING_PHOTOMETRY,
    ]  # fmt: skip
    known = np.isfinite(posterior["m_ks"])
    assert known.tolist() == [True, False, False, False, False, True, False]
    for name in posterior.colnames:
        if name != "flag":
            assert np.isnan(posterior[name][~known]).all()
    assert posterior["nearest"][0] < 1.5  # within the grid, whose points are merged in cells of one error
    photometry = regressor.predict_posterior(X[:1], ERROR, magnitude=[99.99])
    assert np.isfinite(photometry["m_ks"][0])
    assert np.isnan(photometry["distance"][0])
    assert photometry["flag"][0] == flag.MISSING_PHOTOMETRY


def test_default_errors(regressor):
    X = [[4700.0, 2.5, 0.0]]
    np.testing.assert_array_equal(regressor.predict(X), regressor.predict(X, [50.0, 0.1, 0.1]))
    np.testing.assert_array_equal(regressor.predict(X, [np.nan, 0.1, 0.1]), regressor.predict(X))
    # Errors below the floor are the floor.
    np.testing.assert_array_equal(regressor.predict(X, [1.0, 0.001, 0.001]), regressor.predict(X, [25.0, 0.03, 0.03]))


def test_tables(regressor):
    table = Table({"TEFF": [4700.0] * u.K, "LOGG": [2.5], "FE_H": [0.0], "TEFF_ERR": [70.0], "LOGG_ERR": [0.08]})
    table["FE_H_ERR"] = [0.06]
    expected = regressor.predict([[4700.0, 2.5, 0.0]], [70.0, 0.08, 0.06])
    np.testing.assert_array_equal(regressor.predict(table), expected)
    np.testing.assert_array_equal(regressor.predict(table.to_pandas()), expected)
    masked = Table(table, masked=True)
    masked["LOGG_ERR"].mask[0] = True
    np.testing.assert_array_equal(regressor.predict(masked), regressor.predict(table, [70.0, 0.1, 0.06]))
    table.remove_column("LOGG")
    with pytest.raises(ColumnError, match="LOGG"):
        regressor.predict(table)


def test_no_star_and_one(regressor):
    assert regressor.predict(np.empty((0, 3))).shape == (0,)
    empty = regressor.predict_posterior(np.empty((0, 3)), magnitude=[], return_pdf=True)
    assert len(empty) == 0
    assert "distance" in empty.colnames
    assert regressor.predict([[4700.0, 2.5, 0.0]]).shape == (1,)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"X_err": [-1.0, 0.1, 0.1]}, "star 0 is negative"),
        ({"X_err": [0.1, 0.1]}, r"X_err must have shape \(1, 3\)"),
        ({"cov": np.eye(2)}, r"cov must have shape"),
        ({"cov": np.array([[1, 2, 0], [2, 1, 0], [0, 0, 1]]) * 1e4}, "not positive definite"),
        ({"cov": np.array([[1, 0.5, 0], [0, 1, 0], [0, 0, 1]]) * 1e4}, "symmetric"),
        ({"cov": np.eye(3), "X_err": [1.0, 0.1, 0.1]}, "not both"),
        ({"extinction": [0.1]}, "extinction is of no use"),
        ({"magnitude": [10.0], "parallax": [1.0]}, "together"),
        ({"magnitude": [10.0], "parallax": [1.0], "parallax_err": [0.0]}, "parallax_err is zero"),
        ({"magnitude": [10.0], "magnitude_err": [-0.1]}, "magnitude_err is negative"),
        ({"magnitude": [10.0, 11.0]}, "1 stars, but 2 magnitudes"),
        ({"magnitude": [10.0], "extinction": [0.1, 0.2]}, "extinction must have shape"),
    ],
)
def test_bad_input(regressor, options, words):
    with pytest.raises(InputError, match=words):
        regressor.predict_posterior([[4700.0, 2.5, 0.0]], **options)


@pytest.mark.parametrize(
    ("parameters", "words"),
    [
        ({"subdivision": (0.01, 0.1)}, "3 numbers"),
        ({"cell": (0.0, 0.1, 0.1)}, "positive"),
        ({"phases": (9,)}, "no point"),
        ({"prior": lambda age, feh, mass: -mass}, "not negative"),
        ({"metallicity_step": -1.0}, "metallicity_step"),
        ({"n_sigma": "many"}, "n_sigma"),
        ({"magnitude_step": 1e-4}, "larger magnitude_step"),
    ],
)
def test_bad_parameters(isochrones, parameters, words):
    with pytest.raises(ValueError, match=words):
        IsochroneDistanceRegressor(**parameters).fit(isochrones)


def test_bad_tables(isochrones, regressor):
    bare = isochrones.copy()
    bare["ks"] = np.nan
    with pytest.raises(ColumnError, match="ks"):
        IsochroneDistanceRegressor().fit(bare)
    with pytest.raises(NotFittedError):
        IsochroneDistanceRegressor().predict([[4700.0, 2.5, 0.0]])
    with pytest.raises(InputError, match="shape"):
        regressor.predict([[4700.0, 2.5]])


def test_prior_and_imf_change_the_answer(isochrones, regressor):
    X = [[4700.0, 2.5, 0.0]]
    young = IsochroneDistanceRegressor(prior=lambda age, feh, mass: age < 9.3).fit(isochrones)
    old = IsochroneDistanceRegressor(prior=lambda age, feh, mass: age > 9.9).fit(isochrones)
    ages = [model.predict_posterior(X)["age"].value[0] for model in (young, old)]
    assert ages[0] < 2.1 < 8 < ages[1]
    scaled = IsochroneDistanceRegressor(prior=lambda age, feh, mass: 7.0).fit(isochrones)
    np.testing.assert_allclose(scaled.predict(X), regressor.predict(X), rtol=1e-6)
    flat = IsochroneDistanceRegressor(imf=lambda mass: mass).fit(isochrones)
    assert flat.predict_posterior(X)["mass"] > regressor.predict_posterior(X)["mass"]


def test_interpolated_isochrone_is_close_to_the_true_one(real_data):
    """Leave each inner metallicity of PARSEC out, and interpolate it from its neighbours."""
    from skdistmass.isochrones import read_parsec

    table = read_parsec(real_data("isochrones/parsec_v12s.parquet"))
    columns = check_isochrone_table(table[np.isin(table["log_age"], (8.5, 9.0, 9.5, 10.0))])
    isochrones = split_isochrones(columns)
    given = np.unique([feh for feh, _ in isochrones])
    offsets = []
    for age in (8.5, 9.0, 9.5, 10.0):
        for low, true, high in zip(given[5:-2], given[6:-1], given[7:], strict=True):
            below, above, phase, _ = matched(isochrones[low, age], isochrones[high, age])
            fraction = (true - low) / (high - low)
            values = (1 - fraction) * below + fraction * above
            real, real_phase = isochrones[true, age]
            # Along the giant branch, compare temperature and magnitude at equal log g.
            one, other = values[phase == 2], real[real_phase == 2]
            logg = np.linspace(max(one[:, 1].min(), other[:, 1].min()), min(one[:, 1].max(), other[:, 1].max()), 50)
            at = [[np.interp(logg, v[::-1, 1], v[::-1, k]) for k in (0, 2)] for v in (one, other)]
            offsets.append(np.abs(np.array(at[0]) - np.array(at[1])).max(axis=1))
    worst = np.array(offsets)
    # Half a percent in temperature over twice the grid's own spacing in metallicity.
    assert np.median(worst[:, 0]) < 0.002
    assert np.median(worst[:, 1]) < 0.02


@pytest.mark.parametrize(("drop", "populated"), [(0.29, True), (0.31, False)])
@pytest.mark.parametrize("which", [0, 1])
def test_no_star_is_between_the_tip_and_the_clump_after_a_flash(drop, populated, which):
    """The drop in log L of either of the two isochrones decides."""
    phase = np.array([Phase.RGB, Phase.RGB, Phase.CHEB, Phase.CHEB])
    luminosities = [[1.0, 2.0, 1.9, 1.8], [1.0, 2.0, 1.9, 1.8]]
    luminosities[which][2:] = [2.0 - drop, 1.6]
    pair = []
    for log_l in luminosities:
        values = np.tile(np.arange(4.0)[:, None], (1, len(COLUMNS)))
        values[:, LOG_L] = log_l
        pair.append((values, phase))
    *_, joined = matched(*pair)
    assert joined.tolist() == [True, populated, True]


def test_no_extrapolation_in_metallicity(isochrones, regressor):
    isochrones_by_key = split_isochrones(check_isochrone_table(isochrones))
    spans = {9.2: 1.0}
    inside, _ = points_at(isochrones_by_key, 0.3, spans, None, (0.002, 0.03, 0.05), lambda m: m, {})
    outside, _ = points_at(isochrones_by_key, 0.31, spans, None, (0.002, 0.03, 0.05), lambda m: m, {})
    assert len(inside) > 0
    assert len(outside) == 0
    assert regressor.feh_range_ == (-0.6, 0.3)
    assert all(level.groups[:, 0].min() >= np.float32(-0.6) for level in regressor.grid_.levels)
    assert all(level.groups[:, 0].max() <= np.float32(0.3) for level in regressor.grid_.levels)


def test_ragged_grids(isochrones):
    """An age given at fewer metallicities than the others is used where it is given, and not beyond."""
    keep = (isochrones["log_age"] != 10.0) | (isochrones["feh"] <= -0.3)
    model = IsochroneDistanceRegressor().fit(isochrones[keep])
    posterior = model.predict_posterior([[4700.0, 2.5, -0.45], [4700.0, 2.5, 0.3]], [60.0, 0.1, 0.03])
    assert posterior["age_p84"][0] > posterior["age_p84"][1]
    assert posterior["age_p84"][1].value < 10**0.9


def test_one_isochrone(isochrones):
    single = isochrones[(isochrones["log_age"] == 9.6) & (isochrones["feh"] == 0.0)]
    model = IsochroneDistanceRegressor().fit(single)
    posterior = model.predict_posterior([[4600.0, 2.1, 0.0], [4600.0, 2.1, 0.7]], ERROR)
    assert np.isfinite(posterior["m_ks"][0])
    assert posterior["age"][0].value == pytest.approx(10**0.6, rel=0.03)
    assert posterior["flag"][1] == IsochroneFlag.OFF_GRID


def test_few_points_are_flagged(isochrones):
    thin = isochrone_table(
        {name: np.asarray(isochrones[name])[40:42] for name in isochrones.colnames if name != "imf_weight"},
        meta={"source": "two points"},
    )
    model = IsochroneDistanceRegressor(subdivision=(1.0, 10.0, 10.0)).fit(thin)
    X = [[10 ** float(thin["log_teff"].mean()), float(thin["logg"].mean()), -0.6]]
    assert model.predict_posterior(X)["flag"][0] & IsochroneFlag.FEW_POINTS


def test_scikit_learn_ways(isochrones, regressor):
    model = clone(IsochroneDistanceRegressor(n_sigma=4.0))
    assert model.get_params()["n_sigma"] == 4.0
    X = [[4700.0, 2.5, 0.0]]
    copy = pickle.loads(pickle.dumps(regressor))
    np.testing.assert_array_equal(copy.predict(X), regressor.predict(X))
    assert "IsochroneDistanceRegressor" in repr(model)


def test_progress_bar(regressor, capsys):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        regressor.predict_posterior([[4700.0, 2.5, 0.0]], progress=True)
    assert "1/1" in capsys.readouterr().err


def test_save_and_load(tmp_path, isochrones, regressor, stars):
    path = tmp_path / "model.npz"
    regressor.save(path)
    loaded = IsochroneDistanceRegressor.load(path)
    X, _ = stars
    np.testing.assert_array_equal(loaded.predict(X), regressor.predict(X))
    assert loaded.get_params() == regressor.get_params()
    assert loaded.models_ == regressor.models_
    assert [p.name for p in tmp_path.iterdir()] == ["model.npz"]
    old = IsochroneDistanceRegressor(prior=lambda age, feh, mass: age > 9.9).fit(isochrones)
    old.save(path)
    again = IsochroneDistanceRegressor.load(path)
    np.testing.assert_array_equal(again.predict(X), old.predict(X))
    with pytest.raises(InputError, match="set prior"):
        again.fit(isochrones)


def test_load_refuses_what_it_did_not_write(tmp_path, regressor):
    path = tmp_path / "model.npz"
    regressor.save(path)
    content = path.read_bytes()
    for name, bad in {
        "truncated": content[: len(content) // 2],
        "empty": b"",
        "text": b"no archive",
        "flipped": content[:5000] + bytes(255 - byte for byte in content[5000:5200]) + content[5200:],
    }.items():
        other = tmp_path / name
        other.write_bytes(bad)
        with pytest.raises(FileFormatError, match=name):
            IsochroneDistanceRegressor.load(other)
    np.savez(tmp_path / "foreign.npz", a=np.arange(3))
    with pytest.raises(FileFormatError, match="no isochrone regressor"):
        IsochroneDistanceRegressor.load(tmp_path / "foreign.npz")
    np.savez(tmp_path / "objects.npz", head=np.array([{}], dtype=object))
    with pytest.raises(FileFormatError):
        IsochroneDistanceRegressor.load(tmp_path / "objects.npz")
    with np.load(path) as file:
        arrays = dict(file)
    arrays["head"] = np.array(str(arrays["head"]).replace(f'"version": {_VERSION}', '"version": 99'))
    np.savez(tmp_path / "newer.npz", **arrays)
    with pytest.raises(FileFormatError, match="version 99"):
        IsochroneDistanceRegressor.load(tmp_path / "newer.npz")
    with pytest.raises(FileNotFoundError):
        IsochroneDistanceRegressor.load(tmp_path / "absent.npz")


def test_tiny_errors_leave_the_neighbours_alone(regressor):
    """In its own tiny errors a star of the batch is far from all models; the others' sums know nothing of it."""
    loose = copy.copy(regressor).set_params(min_error=(0.0, 0.0, 0.0))
    X, errors = np.tile([4700.0, 2.5, 0.0], (16, 1)), np.tile(ERROR, (16, 1))
    expected = loose.predict(X, errors)
    errors[5] = [1e-3, 1e-4, 1e-4]
    found = np.delete(loose.predict(X, errors), 5)
    np.testing.assert_array_equal(found, expected[0])
    assert np.isfinite(expected).all()
