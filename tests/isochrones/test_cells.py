"""Points of the models: between isochrones, merged in cells, and sorted into tiles; on a few numbers."""

import numpy as np
import pytest

from skdistmass.exceptions import InputError
from skdistmass.isochrones import IsochroneFlag
from skdistmass.isochrones.distances.cells import Points, join, make_level, merge, problem_of_level
from skdistmass.isochrones.distances.interpolation import (
    _resample,
    even_metallicities,
    points_at,
    progress,
    split_isochrones,
    subdivide,
)
from skdistmass.isochrones.distances.observations import read_covariances, read_photometry
from skdistmass.isochrones.distances.posterior_table import _flags
from skdistmass.isochrones.distances.sums import _chunks, _coarsest_levels
from skdistmass.isochrones.schema import Phase

AXES = np.array([[-8.0, 0.5, 40.0], [-1.0, 0.1, 30.0], [8.0, 0.1, 30.0], [-1.0, 0.1, 40.0]])


def rows(*log_teff_logg_ks_mass):
    """Points of an isochrone with a current mass of 0.9 of the initial one, log L of 1 and log age of 9."""
    return np.array([[t, g, k, m, 0.9 * m, 1.0, 9.0] for t, g, k, m in log_teff_logg_ks_mass])


def test_points_of_a_cell_are_their_weighted_mean():
    place = np.array([[0.0, 5000.0, 2.51], [0.0, 5010.0, 2.54], [0.0, 5010.0, 2.56], [0.0, 5000.0, 2.52]])
    quantities = np.array(
        [[-1.01, 0.0, 9.0, 1.0], [-1.04, 0.2, 9.2, 1.2], [-1.02, 9.0, 9.0, 9.0], [-1.06, 8.0, 8.0, 8.0]]
    )
    points = merge(Points(place, np.array([1.0, 3.0, 5.0, 7.0]), quantities), (0.01, 0.05), 0.05)
    assert sorted(points.weight.tolist()) == [4.0, 5.0, 7.0]
    row = points.weight.tolist().index(4.0)
    np.testing.assert_allclose(points.place[row], [0.0, 5007.5, 2.5325])
    np.testing.assert_allclose(points.quantities[row], [-1.0325, 0.15, 9.15, 1.15])
    both = join([points, points])
    assert len(both.weight) == 6
    assert merge(Points(place[:0], np.empty(0), quantities[:0]), (0.01, 0.05), 0.05).weight.size == 0


@pytest.fixture(scope="module")
def level():
    place = np.array(
        [[-0.1, 5000.0, 2.00], [-0.2, 5000.0, 2.61], [0.0, 5100.0, 2.35], [0.0, 5000.0, 2.05], [0.3, 5005.0, 2.09]]
    )
    quantities = np.tile([-3.9, 0.05, 9.05, 0.95], (5, 1))
    quantities[4, 0] = -4.4  # brighter than the other of its group
    layers = [Points(place[k], np.arange(1.0, 6.0)[k], quantities[k]) for k in ([0, 1], [2, 3, 4], [])]
    return make_level(layers, np.array([0.01, 0.1, 0.0]), AXES, np.array([0.005, 0.3]))


def test_points_are_sorted_into_tiles(level):
    # Two tiles in Teff and three in log g for each layer; the last layer has no point.
    np.testing.assert_allclose(np.log10(level.teff_edges) - np.log10(5000.0), [0.0, 0.005, 0.01], atol=1e-12)
    assert level.logg_tiles.tolist() == [2.0, 0.3, 3]
    mean = np.average([[0.0, 5000.0, 2.05], [0.3, 5005.0, 2.09]], axis=0, weights=[4.0, 5.0])
    np.testing.assert_allclose(level.layers, [[-0.2, -0.1], [0.0, mean[0]], [np.inf, -np.inf]])
    assert level.tile_starts.tolist() == [0, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, *[4] * 6]
    assert level.group_starts.tolist() == [0, 1, 2, 4, 5]
    groups = [[-0.1, 5000.0, 2.0, 1.0], [-0.2, 5000.0, 2.61, 4.0], [*mean, 41.0], [0.0, 5100.0, 2.35, 9.0]]
    np.testing.assert_allclose(level.groups, groups, rtol=1e-6)
    np.testing.assert_allclose(level.points[:, 3], [1.0, 2.0, 5.0, 4.0, 3.0])
    np.testing.assert_allclose(level.points[2, :3], [0.3, 5005.0, 2.09] - mean, rtol=1e-4)
    np.testing.assert_allclose(level.places(np.array([2, 3, 4]))[:, 1], [5005.0, 5000.0, 5100.0])
    assert level.bins.tolist() == [[8, 8, 7, 8, 8], [10] * 5, [10] * 5, [19] * 5]
    assert problem_of_level(level) is None


@pytest.mark.parametrize(
    ("name", "change", "said"),
    [
        ("points", lambda a: a.astype(np.float64), "type or shape"),
        ("groups", lambda a: a[:, :3].copy(), "type or shape"),
        ("points", lambda a: np.asfortranarray(a), "type or shape"),
        ("groups", lambda a: np.where(a == 5100.0, np.float32(np.nan), a), "not finite"),
        ("teff_edges", lambda a: a[::-1].copy(), "do not increase"),
        ("logg_tiles", lambda a: a * [1, 0, 1], "do not increase"),
        ("logg_tiles", lambda a: a * [1, 1, 0], "do not increase"),
        ("layers", lambda a: a * np.nan, "negative weights, or layers"),
        ("points", lambda a: np.where(a == 4.0, np.float32(-1), a), "negative weights"),
        ("groups", lambda a: np.where(a == 4.0, np.float32(-1), a), "negative weights"),
        ("axes", lambda a: a * [1, 0, 1], "no bins"),
        ("axes", lambda a: a * [1, 1, 0], "no bins"),
        ("axes", lambda a: a * [1, 1, 1000], "no bins"),
        ("axes", lambda a: np.add(a, [0, 0, 0.5]), "no bins"),
        ("tile_starts", lambda a: a[1:].copy(), "differ in number"),
        ("tile_starts", lambda a: np.maximum(a, 1), "do not hold"),
        ("tile_starts", lambda a: np.minimum(a, 3), "do not hold"),
        ("tile_starts", lambda a: np.where(np.arange(19) == 8, 1, a), "do not hold"),
        ("group_starts", lambda a: np.maximum(a, 1), "do not hold"),
        ("group_starts", lambda a: np.minimum(a, 4), "do not hold"),
        ("group_starts", lambda a: a[[0, 2, 1, 3, 4]], "do not hold"),
        ("group_starts", lambda a: a[[0, 1, 3, 4]], "groups differ"),
        ("group_starts", lambda a: a[[0, 1, 1, 3, 4]], "groups differ"),
        ("group_starts", lambda _: np.array([0, 1, 3, 4, 5]), "bins do not rise"),
        ("bins", lambda a: np.where(np.arange(5) == 2, np.int16(9), a), "bins do not rise"),
        ("bins", lambda a: a[:, 1:].copy(), "outside its histogram"),
        ("bins", lambda a: np.where(a == 8, np.int16(-1), a), "outside its histogram"),
        ("bins", lambda a: np.where(a == 19, np.int16(40), a), "outside its histogram"),
    ],
)
def test_a_level_whose_positions_are_wrong_is_refused(level, name, change, said):
    fields = dict(vars(level)) | {name: change(getattr(level, name))}
    assert said in problem_of_level(type(level)(**fields))
    assert (
        problem_of_level(
            type(level)(**dict(vars(level)) | {"bins": np.where(level.bins == 19, np.int16(39), level.bins)})
        )
        is None
    )


def test_isochrones_are_split_and_phases_never_go_back():
    columns = {"log_age": np.repeat([9.0, 9.1], [4, 1]), "feh": np.zeros(5), "phase": np.array([0, 2, 1, 3, 0])}
    names = ("log_teff", "logg", "ks", "initial_mass", "current_mass", "log_l")
    columns |= {name: np.arange(5.0) for name in names}
    columns["ks"][3] = np.nan
    ((key, (values, phase)),) = split_isochrones(columns).items()
    assert key == (0.0, 9.0)
    assert phase.tolist() == [0, 2, 2]
    assert values[:, 0].tolist() == [0.0, 1.0, 2.0]
    columns["ks"][:3] = np.nan
    with pytest.raises(InputError, match="no isochrone of two points"):
        split_isochrones(columns)


def test_metallicities_are_even_and_no_more_than_a_step_apart():
    assert even_metallicities(np.array([0.1]), 0.1).tolist() == [0.1]
    np.testing.assert_allclose(even_metallicities(np.array([-0.5, 0.1, 0.3]), 0.2), [-0.5, -0.3, -0.1, 0.1, 0.3])
    np.testing.assert_allclose(even_metallicities(np.array([0.0, 0.5]), 0.2), [0.0, 1 / 6, 1 / 3, 0.5])
    assert len(even_metallicities(np.array([0.0, 0.5]), 9.0)) == 2


def test_progress_goes_by_mass_on_the_main_sequence_and_by_length_after_it():
    values = rows((3.70, 4.5, 5.0, 0.8), (3.72, 4.4, 4.5, 1.0), (3.72, 4.3, 4.5, 0.9), (3.72, 4.0, 4.5, 1.2))
    np.testing.assert_allclose(progress(values, Phase.MS), [0.0, 0.5, 0.5, 1.0])
    # In units of 0.01, 0.1 and 0.25: steps of sqrt(2^2 + 1^2 + 2^2), 1 and 3.
    np.testing.assert_allclose(progress(values, Phase.RGB), np.array([0.0, 3.0, 4.0, 7.0]) / 7.0)
    np.testing.assert_allclose(progress(values, Phase.UNKNOWN), np.array([0.0, 3.0, 4.0, 7.0]) / 7.0)
    np.testing.assert_allclose(progress(values[[0, 0, 0]], Phase.RGB), [0.0, 0.5, 1.0])
    one, two = np.array([[1.0, 10.0]]), np.array([[1.0, 10.0], [3.0, 20.0], [4.0, 0.0]])
    assert _resample(one, np.zeros(1), np.array([0.0, 0.7])).tolist() == [[1.0, 10.0]] * 2
    found = _resample(two, np.array([0.0, 0.5, 1.0]), np.array([0.0, 0.25, 0.5, 0.75, 1.0]))
    assert found.tolist() == [[1.0, 10.0], [2.0, 15.0], [3.0, 20.0], [3.5, 10.0], [4.0, 0.0]]
    assert _resample(two, np.array([0.0, 0.5, 0.5]), np.array([0.5])).tolist() == [[3.0, 20.0]]


def test_intervals_are_divided_by_the_largest_step():
    values = rows((3.70, 4.5, 5.0, 0.8), (3.72, 4.4, 4.5, 1.0), (3.72, 4.3, 4.5, 0.9), (3.72, 4.0, 4.5, 1.2))
    points, weights = subdivide(values, np.array([True, True, False]), (0.01, 0.2, 0.2), lambda mass: mass**2)
    # Three parts by Ks: 2.5 steps of 0.2; one by log g, in which the mass falls: no star.
    np.testing.assert_allclose(points[:, 2], [5.0 - 0.5 / 6, 4.75, 4.5 + 0.5 / 6, 4.5])
    edges = np.array([0.8, 0.8 + 0.2 / 3, 1.0 - 0.2 / 3, 1.0])
    np.testing.assert_allclose(weights, [*np.diff(edges**2), 0.0], atol=1e-12)
    assert subdivide(values, np.zeros(3, dtype=bool), (0.01, 0.2, 0.2), lambda mass: mass)[1].size == 0


def test_points_between_two_metallicities():
    phase = np.array([1, 1])
    low, high = rows((3.70, 4.0, 3.0, 1.0), (3.70, 3.9, 3.0, 1.1)), rows((3.72, 4.2, 3.2, 1.0), (3.72, 4.1, 3.2, 1.3))
    isochrones = {(-0.2, 9.0): (low, phase), (0.2, 9.0): (high, phase)}

    def found(metallicity, phases=None):
        return points_at(isochrones, metallicity, {9.0: 5.0}, phases, (0.01, 0.2, 0.2), lambda mass: mass, {})

    points, weight = found(0.1)
    np.testing.assert_allclose(points[0, :4], [3.715, 4.1, 3.15, 1.125])
    assert weight == pytest.approx(0.25 * 5.0)
    for metallicity, expected in ((-0.2, low), (0.2, high)):
        np.testing.assert_allclose(found(metallicity)[0], [expected.mean(axis=0)])
    # Nothing is beyond the models, or of a phase that is not wanted.
    for nothing in (found(-0.21), found(0.21), found(0.1, phases=(2,))):
        assert nothing[1].size == 0
    assert found(0.1, phases=(1,))[1].size == 1


def test_covariances_in_the_order_of_the_models():
    stars, default, floor = (
        np.array([[5000.0, 2.5, 0.0]] * 2),
        np.array([100.0, 0.2, 0.1]),
        np.array([20.0, 0.05, 0.01]),
    )
    found, defaulted = read_covariances(
        None, stars, [[50.0, np.nan, 0.0], [1.0, 0.1, 0.2]], None, default=default, floor=floor
    )
    np.testing.assert_allclose(np.diagonal(found, axis1=1, axis2=2), [[1e-4, 2500.0, 0.04], [0.04, 400.0, 0.01]])
    assert defaulted.tolist() == [True, False]
    full = np.array([[2500.0, 1.0, 2.0], [1.0, 0.01, 0.001], [2.0, 0.001, 0.04]])
    covariances = np.array([full, full * np.nan])
    found, defaulted = read_covariances(None, stars, None, covariances, default=default, floor=np.zeros(3))
    assert found[0].tolist() == [[0.04, 2.0, 0.001], [2.0, 2500.0, 1.0], [0.001, 1.0, 0.01]]
    np.testing.assert_allclose(np.diag(found[1]), [0.01, 1e4, 0.04])
    assert defaulted.tolist() == [False, True]
    for wrong, said in ((full + [[0, 1, 0]] * 3, "symmetric"), (-full, "not positive"), (full[:2], "shape")):
        with pytest.raises(InputError, match=said):
            read_covariances(None, stars, None, wrong, default=default, floor=np.zeros(3))
    with pytest.raises(InputError, match="not both"):
        read_covariances(None, stars, default, full, default=default, floor=floor)
    with pytest.raises(InputError, match="star 1 is negative"):
        read_covariances(None, stars, [[1.0, 1.0, 1.0], [1.0, -1.0, 1.0]], None, default=default, floor=floor)


def test_photometry_of_stars():
    found = read_photometry([10.0, 11.0], 0.03, [0.1, 0.2], 0.04, [1.0, np.nan], [0.1, np.nan])
    np.testing.assert_allclose(found, [[9.9, 0.05, 1.0, 0.1], [10.8, 0.05, np.nan, np.nan]])
    np.testing.assert_allclose(read_photometry([10.0], None, None, None, None, None), [[10.0, 0.0, np.nan, np.nan]])
    assert read_photometry(None, None, None, None, None, None) is None
    for arguments, said in (
        ((None, 0.1, None, None, None, None), "magnitude_err is of no use"),
        (([10.0], None, None, None, [1.0], None), "together"),
        (([10.0], None, None, None, [1.0], [0.0]), "is zero"),
        (([10.0], -0.1, None, None, None, None), "negative"),
        (([10.0], None, [0.1, 0.2], None, None, None), "like magnitude"),
        ((10.0, None, None, None, None, None), "shape"),
    ):
        with pytest.raises(InputError, match=said):
            read_photometry(*arguments)


class _Models:
    """What of a regressor the functions need."""

    n_sigma, feh_range_ = 4.5, (-0.5, 0.3)


def test_each_flag_is_set_where_it_says():
    stars = np.array([[5000.0, 2.5, feh] for feh in (0.0, -0.5, -0.51, 0.31, np.nan, 0.0, 0.0, 0.0, 0.0)])
    fit = np.array([[0.0, 5.0, 4.5]] * 9)
    fit[5, 0], fit[6, 1], fit[7, 2] = np.nan, 4.9, 4.6
    defaulted = np.array([True, *[False] * 8])
    photometry = np.array([[9.0, 0.1, 1.0, 0.1]] * 9)
    photometry[8, 1] = np.nan
    F = IsochroneFlag
    expected = [F.DEFAULT_ERROR, 0, F.EDGE, F.EDGE, F.MISSING_LABEL, F.OFF_GRID, F.FEW_POINTS, F.PARALLAX_CONFLICT]
    off = np.isnan(fit[:, 0]) | np.isnan(stars).any(axis=1)
    found = _flags(_Models(), stars, fit, off, defaulted, photometry)
    assert found.tolist() == [*map(int, expected), int(F.MISSING_PHOTOMETRY)]
    assert _flags(_Models(), stars, fit, off, defaulted, None)[7:].tolist() == [0, 0]


def test_stars_get_the_coarsest_level_that_their_errors_allow(level):
    coarse = type(level)(**dict(vars(level)) | {"cell": np.array([0.02, 0.2, 0.1])})
    grid = type("Grid", (), {"levels": [level, coarse]})
    stars = np.array([[5000.0, 2.5, 0.0]] * 4)
    # Sizes of cells over the root of 12, by ten for a share of 0.1.
    errors = 10.0 / np.sqrt(12.0) * np.array([0.1, 0.02 * np.log(10.0) * 5000.0, 0.2])
    covariance = np.array(
        [np.diag((errors * factor) ** 2) for factor in ([1, 1, 1], [0.99, 1, 1], [1, 0.99, 1], [1, 1, 0.99])]
    )
    assert _coarsest_levels(grid, stars, covariance, 0.1).tolist() == [1, 0, 0, 0]
    assert _coarsest_levels(grid, stars, covariance, 0.0).tolist() == [0] * 4


def test_stars_are_summed_with_their_neighbours():
    stars = np.array(
        [[5000.0, 2.5, 0.1], [4800.0, 2.5, 0.1], [4000.0, 1.0, np.nan], [4000.0, 1.0, -1.0], [5000.0, 2.5, 0.1]]
    )
    chunks = _chunks(stars, np.array([0, 0, 0, 0, 1]))
    assert [chunk.tolist() for chunk in chunks] == [[3, 1, 0], [4]]
