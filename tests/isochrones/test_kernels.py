"""The compiled loops over the models, on a few numbers and against numpy."""

import numpy as np
import pytest
from numba import njit
from scipy.special import ndtr

from skdistmass.isochrones.distances import kernels, summaries
from skdistmass.isochrones.distances.cells import Points, make_level
from skdistmass.isochrones.distances.kernels_of_draws import _weigh
from skdistmass.isochrones.distances.summaries import MEAN, MEDIAN, MODE, P16, P84
from skdistmass.isochrones.distances.vectors import LANES, add_groups

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


def test_summaries_of_the_histograms_of_a_batch():
    histogram, cumulative = np.zeros((8, LANES), np.float32), np.zeros((8, LANES), np.float32)
    histogram[1:7, 4] = PDF
    results, out = np.empty((3, LANES)), np.zeros((LANES, 5))
    summaries._write_summaries(histogram, 1, 7, np.array([9.5, 0.5, 8.0]), cumulative, results, out)
    assert out[4, [MEDIAN, MEAN, MODE]].tolist() == [11.0, 11.375, 10.75]
    assert out[4, P16] == pytest.approx(10.0 + 0.5 * (1.0 + 2.0 * BELOW))
    assert out[4, P84] == pytest.approx(10.0 + 0.5 * (5.0 - 4.0 * BELOW))
    assert np.isnan(np.delete(out, 4, axis=0)).all()
    assert cumulative[1:7, 4].tolist() == [0.0, 2.0, 2.0, 3.0, 4.0, 4.0]
    assert results[:, 4].tolist() == [4.0, 9.0, 1.0]


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
    """Points of three layers of metallicity, some of them alone in their group."""
    rng, layers = np.random.default_rng(0), []
    for low in (-0.41, -0.21, 0.3):
        place = rng.uniform([low, 4500.0, 2.0], [low + 0.02, 5100.0, 2.8], (1500, 3))
        layers.append(Points(place, rng.uniform(0.5, 2.0, 1500), rng.uniform(-8.0, 4.0, (1500, 4))))
    return make_level(layers, np.array([0.001, 0.02, 0.02]), np.tile(AXIS, (4, 1)), np.array([0.005, 0.1]))


def arrays_of(level):
    return tuple(vars(level).values())[1:]


def chi2_of(places):
    return (whitened(np.asarray(places, dtype=float)) ** 2).sum(axis=0)


def found_groups(level, limit):
    boxes, runs = np.empty((kernels.N_BOX, LANES)), np.empty((3 * level.teff_edges.size, 2), np.int64)
    kernels.clear_boxes(boxes)
    assert kernels.find_groups(arrays_of(level), boxes, runs) == 0
    kernels.set_box(STAR, ROOT, limit, 3, boxes)
    found = np.zeros(len(level.groups), dtype=int)
    for first, last in runs[: kernels.find_groups(arrays_of(level), boxes, runs)]:
        found[first:last] += 1
    return found


@pytest.mark.parametrize("limit", [0.3, 2.0, 9.0, 20.0])
def test_groups_near_a_star_are_found_and_no_tile_far_from_it(level, limit):
    found, chi2 = found_groups(level, limit), chi2_of(level.groups[:, :3])
    assert found.max() == 1
    assert found[chi2 <= limit].all()
    # A tile is about one sigma wide in Teff and in log g.
    assert np.sqrt(chi2[found == 1].max()) <= np.sqrt(limit) + 2.5


def test_groups_are_added_to_the_histograms(level):
    lanes, sums = np.zeros((10, LANES), np.float32), np.zeros((2, LANES), np.float32)
    lanes[9] = -1.0
    term = np.random.default_rng(1).random((60, LANES)).astype(np.float32)
    histograms, bounds = np.zeros((4, 60, LANES), np.float32), np.array([60, -1])
    kernels._prepare_lane(STAR, ROOT, 9.0, 2, lanes)
    arrays = level.group_starts, level.groups, level.points, level.bins
    njit(lambda *arguments: add_groups(*arguments))(*arrays, 30, 2000, lanes, term, sums, histograms, bounds)
    chi2 = chi2_of(level.groups[30:2000, :3])
    near = 30 + np.flatnonzero(chi2 <= 9.0)
    group = np.repeat(np.arange(len(level.groups)), np.diff(level.group_starts))
    points = np.flatnonzero(np.isin(group, near))
    assert len(points) > 1.2 * len(near) > 100
    weight = np.exp(-0.5 * chi2_of(level.places(points))) * level.points[points, 3]
    assert sums[0, 2] == pytest.approx(np.exp(-0.5 * chi2.min()), rel=1e-4)
    assert sums[1, 2] == pytest.approx((np.exp(-chi2) * level.groups[30:2000, 3])[near - 30].sum(), rel=1e-4)
    assert bounds.tolist() == [level.bins[0, points].min(), level.bins[0, points].max()]
    for quantity in range(4):
        factor = term[level.bins[0, points], 2] if quantity else 1.0
        expected = np.bincount(level.bins[quantity, points], weights=weight * factor, minlength=60)
        np.testing.assert_allclose(histograms[quantity, :, 2], expected, rtol=0.02, atol=1e-4)
        assert histograms[quantity, :, 2].sum() == pytest.approx(expected.sum(), rel=2e-3)
    assert (np.delete(histograms, 2, axis=2) == 0).all()


@pytest.mark.parametrize("limit", [2.0, 9.0])
def test_weights_of_points_within_a_radius(level, limit):
    boxes, runs = np.empty((kernels.N_BOX, LANES)), np.empty((3 * level.teff_edges.size, 2), np.int64)
    kernels.clear_boxes(boxes)
    term, chi2 = np.linspace(0.5, 1.0, 60), chi2_of(level.places(np.arange(len(level.points))))
    visited = np.repeat(found_groups(level, limit), np.diff(level.group_starts)) == 1
    weight = np.where(visited & (chi2 <= limit), np.exp(-0.5 * chi2) * level.points[:, 3] * term[level.bins[0]], 0.0)
    targets, chosen = weight.sum() * np.array([0.0, 0.2, 0.2001, 0.7, 0.999]), np.full(5, -1)
    total, nearest = _weigh(arrays_of(level), STAR, ROOT, limit, boxes, runs, term, targets, chosen)
    assert total == pytest.approx(weight.sum(), rel=1e-6)
    assert nearest == pytest.approx(chi2.min(), rel=1e-4)
    filled = np.flatnonzero(weight)
    assert chosen.tolist() == filled[np.searchsorted(np.cumsum(weight)[filled], targets)].tolist()
