"""The compiled loops over the models, on a few numbers and against numpy."""

import numpy as np
import pytest
from numba import njit
from scipy.special import ndtr

from skdistmass.isochrones.distances import kernels, summaries
from skdistmass.isochrones.distances.kernels_of_draws import _weigh
from skdistmass.isochrones.distances.summaries import MEAN, MEDIAN, MODE, P16, P84
from skdistmass.isochrones.distances.vectors import LANES, add_points

PDF = np.array([0.0, 2.0, 0.0, 1.0, 1.0, 0.0])
BELOW = 0.158655254
# First edge, step and number of bins of the magnitudes; m - A; parallaxes of stars in the bins (mas).
AXIS, ZERO = np.array([-8.0, 0.2, 60.0]), 9.0
CENTRES = AXIS[0] + AXIS[1] * (np.arange(60) + 0.5)
PARALLAXES = 10.0 ** (-0.2 * (ZERO - CENTRES - 10.0))
ROOT = np.array([0.1, -12.0, 60.0, 0.03, -0.05, 0.08])
STAR = np.array([-0.2, 4800.0, 2.4])


def spread(error):
    """Standard deviations of a parallax in each bin: a bin stands for all distances in it."""
    return np.sqrt(error**2 + (0.2 * np.log(10.0) * PARALLAXES * AXIS[1]) ** 2 / 12.0)


def likelihood_of(parallax, error):
    exponent = 0.5 * ((parallax - PARALLAXES) / spread(error)) ** 2
    found = np.exp(exponent.min() - exponent) * error / spread(error)
    return np.where(exponent - exponent.min() < 40.0, found, 0.0)


def blurred(pdf, width):
    """A histogram convolved with a normal law that is cut at 4.5 sigma."""
    away = np.arange(len(pdf)) - np.arange(len(pdf))[:, None]
    kernel = np.where(np.abs(away) <= np.ceil(4.5 * width), ndtr((away + 0.5) / width) - ndtr((away - 0.5) / width), 0)
    return pdf @ kernel


def whitened(places):
    """Deviates of places ([Fe/H], Teff, log g) from the star."""
    root = np.zeros((3, 3))
    root[np.tril_indices(3)] = ROOT
    return np.linalg.solve(root, (places - STAR).T)


@pytest.mark.parametrize(
    ("fraction", "place"), [(0.0, 1.0), (0.25, 1.5), (0.5, 2.0), (0.625, 3.5), (0.75, 4.0), (0.875, 4.5), (1.01, 5.0)]
)
def test_quantile(fraction, place):
    assert summaries._quantile(PDF, 0, 5, 4.0, fraction) == place


def test_summary_of_a_histogram():
    out = np.empty(5)
    summaries._summary(PDF, 1, 5, np.array([10.0, 0.5, 6.0]), out)
    assert out[[MEDIAN, MEAN, MODE]].tolist() == [11.0, 11.375, 10.75]
    assert out[P16] == pytest.approx(10.0 + 0.5 * (1.0 + 2.0 * BELOW))
    assert out[P84] == pytest.approx(10.0 + 0.5 * (5.0 - 4.0 * BELOW))
    summaries._summary(np.zeros(6), 1, 5, np.array([10.0, 0.5, 6.0]), out)
    assert np.isnan(out).all()


def test_a_lane_is_copied():
    histogram, out = np.array([[7.0, 0.0], [7.0, 3.0], [7.0, 0.0], [7.0, 4.0], [7.0, 0.0]]), np.full(5, -1.0)
    assert summaries._take_lane(histogram, 1, 0, 5, out) == (1, 4)
    assert out.tolist() == [0.0, 3.0, 0.0, 4.0, 0.0]
    assert summaries._take_lane(histogram, 1, 2, 5, out) == (3, 4)
    assert summaries._take_lane(np.zeros((5, 2)), 1, 1, 4, out) == (1, 1)


@pytest.mark.parametrize("width", [0.05, 0.3, 1.5, 4.0])
def test_blur(width):
    pdf, out = np.zeros(30), np.full(30, np.nan)
    pdf[[3, 10, 27]] = 1.0, 2.0, 4.0
    reach = int(np.ceil(4.5 * width))
    first, last = summaries._blur(pdf, 3, 28, 30, width, out)
    assert (first, last) == (max(0, 3 - reach), min(30, 28 + reach))
    np.testing.assert_allclose(out[first:last], blurred(pdf, width)[first:last], atol=1e-12)
    assert np.isnan(out[:first]).all()
    assert np.isnan(out[last:]).all()
    assert summaries._blur(pdf, 3, 28, 30, 0.049, out) == (3, 28)
    np.testing.assert_array_equal(out[3:28], pdf[3:28])


@pytest.mark.parametrize(("parallax", "error"), [(1.0, 0.1), (0.3, 0.001), (-0.1, 0.2), (50.0, 0.3)])
def test_likelihood_of_a_parallax(parallax, error):
    out, expected = np.empty(60), likelihood_of(parallax, error)
    low, high = summaries._parallax_likelihood(AXIS, ZERO, parallax, error, out)
    np.testing.assert_allclose(out, expected, rtol=1e-9)
    filled = np.flatnonzero(expected)
    assert (low, high) == (filled[0], filled[-1] + 1)
    pdf = np.zeros(60)
    pdf[[19, 20, 22, 23]] = 1.01e-3, 1.0, 0.5, 0.99e-3  # what is below a thousandth of the largest is nothing
    misses = np.abs(parallax - PARALLAXES) / spread(error)
    miss = summaries._parallax_miss(pdf, 18, 25, AXIS, ZERO, parallax, error)
    assert miss == pytest.approx(misses[[19, 20, 22]].min())
    # The factor of each magnitude, blurred by the error of the photometry.
    summaries.parallax_term(np.array([ZERO, 0.3, parallax, error]), AXIS, out)
    np.testing.assert_allclose(out, blurred(expected, 1.5), atol=1e-12)


@pytest.mark.parametrize("missing", range(4))
def test_without_a_parallax_no_magnitude_is_favoured(missing):
    photometry, out = np.array([ZERO, 0.3, 1.0, 0.1]), np.empty(60)
    photometry[missing] = np.nan
    summaries.parallax_term(photometry, AXIS, out)
    assert (out == 1.0).all()


def test_summary_of_distances():
    pdf = np.zeros(60)
    pdf[[20, 21, 30]] = 1.0, 1.05, 1.9
    out, distances = np.empty(5), 1.0 / PARALLAXES
    summaries._distance_summary(pdf, 20, 31, AXIS, ZERO, out)
    assert out[MEAN] == pytest.approx(pdf @ distances / pdf.sum())
    assert out[MODE] == pytest.approx(distances[np.argmax(pdf / distances)])
    # The fainter a star, the nearer: the 16th percentile of the distance is the 84th of the magnitude.
    for which, fraction in ((MEDIAN, 0.5), (P16, 1.0 - BELOW), (P84, BELOW)):
        magnitude = AXIS[0] + AXIS[1] * summaries._quantile(pdf, 20, 31, pdf.sum(), fraction)
        assert out[which] == pytest.approx(10.0 ** (0.2 * (ZERO - magnitude - 10.0)))
    summaries._distance_summary(np.zeros(60), 20, 31, AXIS, ZERO, out)
    assert np.isnan(out).all()


@pytest.mark.parametrize(("low", "high", "smallest"), [(-1, 2, 0), (1, 2, 1), (-3, -2, 2), (0, 1, 0), (-1, 0, 0)])
def test_span(low, high, smallest):
    assert kernels._span(float(low), float(high)) == smallest


def test_a_lane_whitens_places():
    lanes = np.zeros((10, LANES))
    kernels._prepare_lane(STAR, ROOT, 20.25, 3, lanes)
    places = STAR + np.random.default_rng(0).normal(size=(5, 3)) * [0.1, 60.0, 0.1]
    (a, shift_1, b, c, shift_2, d, e, h, shift_3, limit), (feh, teff, logg) = lanes[:, 3], places.T
    found = a * feh + shift_1, b * teff + c * feh + shift_2, d * logg + e * feh + h * teff + shift_3
    np.testing.assert_allclose(8.0 * np.array(found), whitened(places), rtol=1e-9)
    assert limit == 20.25 / 64.0
    assert (np.delete(lanes, 3, axis=1) == 0).all()


@pytest.fixture(scope="module")
def level():
    """Points that fill three layers of metallicity, six tiles in Teff and eight in log g; two of each tile."""
    layers = np.array([[-0.45, -0.35], [-0.25, -0.15], [0.3, 0.35]])
    teff_edges, logg_tiles = np.linspace(4500.0, 5100.0, 7), np.array([2.0, 0.1, 8.0])
    i, j, _ = (each.ravel() for each in np.meshgrid(range(6), range(8), range(2), indexing="ij"))
    rng, places = np.random.default_rng(0), []
    for low, high in layers:
        feh = rng.uniform(low, high, len(i))
        places.append([feh, 4500.0 + 100.0 * (i + rng.random(len(i))), 2.0 + 0.1 * (j + rng.random(len(i)))])
    place = np.vstack([np.concatenate(places, axis=1), rng.uniform(0.5, 2.0, 3 * len(i))])
    bins = rng.integers(0, 60, (4, place.shape[1])).astype(np.int16)
    starts = 2 * np.arange(3 * 48 + 1)
    axes = np.tile(AXIS, (4, 1))
    return layers, teff_edges, logg_tiles, starts, place.astype(np.float32), bins, axes


def unmarked():
    rows, tiles = np.tile([6, -1], (3, 1)), np.tile([8, -1], (3, 6, 1))
    return rows, tiles


@pytest.mark.parametrize("limit", [0.3, 2.0, 9.0, 20.0])
def test_tiles_within_a_radius_are_marked(level, limit):
    layers, teff_edges, logg_tiles, *_ = level
    rows, tiles = unmarked()
    kernels._mark_tiles(layers, teff_edges, logg_tiles, STAR, ROOT, limit, rows, tiles)
    # Where the ellipsoid is, by a fine grid of places.
    n_marked = n_needed = 0
    teff, logg = np.meshgrid(np.arange(4502.5, 5100.0, 5.0), np.arange(2.0025, 2.8, 0.005), indexing="ij")
    for layer, ends in enumerate(layers):
        needed = np.zeros((6, 8), dtype=bool)
        for feh in np.linspace(*ends, 5):
            inside = (whitened(np.column_stack([np.full(teff.size, feh), teff.ravel(), logg.ravel()])) ** 2).sum(axis=0)
            inside = (inside <= limit).reshape(6, 20, 8, 20)
            needed |= inside.any(axis=(1, 3))
        marked = (np.arange(8) >= tiles[layer, :, :1]) & (np.arange(8) <= tiles[layer, :, 1:])
        assert not (needed & ~marked).any()
        used = np.flatnonzero(marked.any(axis=1))
        assert rows[layer].tolist() == ([used[0], used[-1]] if len(used) else [6, -1])
        n_marked, n_needed = n_marked + marked.sum(), n_needed + needed.sum()
    assert n_needed <= n_marked <= 1.5 * n_needed + 2


def test_points_are_added_to_the_histograms(level):
    *_, place, bins, _ = level
    lanes, sums = np.zeros((10, LANES), np.float32), np.zeros((2, LANES), np.float32)
    lanes[9] = -1.0
    rng = np.random.default_rng(1)
    term, histograms, bounds = (
        rng.random((60, LANES)).astype(np.float32),
        np.zeros((4, 60, LANES), np.float32),
        [60, -1],
    )
    bounds = np.array(bounds)
    kernels._prepare_lane(STAR, ROOT, 9.0, 2, lanes)
    njit(lambda *arguments: add_points(*arguments))(place, bins, 30, 200, lanes, term, sums, histograms, bounds)
    chi2 = (whitened(place[:3, 30:200].T.astype(float)) ** 2).sum(axis=0)
    exact = np.where(chi2 <= 9.0, np.exp(-0.5 * chi2), 0.0)
    weight = exact * place[3, 30:200]
    assert np.count_nonzero(exact) > 10
    assert sums[0, 2] == pytest.approx(exact.max(), rel=1e-4)
    assert sums[1, 2] == pytest.approx((weight**2).sum(), rel=1e-4)
    assert bounds.tolist() == [bins[0, 30:200].min(), bins[0, 30:200].max()]
    for quantity in range(4):
        factor = term[bins[0, 30:200], 2] if quantity else 1.0
        expected = np.bincount(bins[quantity, 30:200], weights=weight * factor, minlength=60)
        np.testing.assert_allclose(histograms[quantity, :, 2], expected, rtol=2e-4, atol=1e-6)
    assert (np.delete(histograms, 2, axis=2) == 0).all()


@pytest.mark.parametrize("limit", [2.0, 9.0])
def test_weights_of_points_within_a_radius(level, limit):
    *_, place, bins, _ = level
    rows, tiles = unmarked()
    term = np.linspace(0.5, 1.0, 60)
    chi2 = (whitened(place[:3].T.astype(float)) ** 2).sum(axis=0)
    weight = np.where(chi2 <= limit, np.exp(-0.5 * chi2) * place[3] * term[bins[0]], 0.0)
    targets, chosen = weight.sum() * np.array([0.0, 0.2, 0.2001, 0.7, 0.999]), np.full(5, -1)
    total, nearest = _weigh(level, STAR, ROOT, limit, rows, tiles, term, targets, chosen)
    assert total == pytest.approx(weight.sum(), rel=1e-6)
    assert nearest == pytest.approx(chi2.min(), rel=1e-4)
    filled = np.flatnonzero(weight)
    expected = filled[np.searchsorted(np.cumsum(weight)[filled], targets)]
    assert chosen.tolist() == expected.tolist()
    # The marks are taken away.
    assert all(np.array_equal(left, clean) for left, clean in zip((rows, tiles), unmarked(), strict=True))
