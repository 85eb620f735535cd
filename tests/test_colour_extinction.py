"""Extinction by near-infrared colours, assumed values, and dust maps by name."""

import sys
from types import ModuleType

import numpy as np
import pytest
from astropy.coordinates import SkyCoord

from skdistmass.exceptions import FileFormatError, InputError
from skdistmass.extinction import ExtinctionChoice, ExtinctionFlag, IntrinsicColours, latitude_prior, load_dust_map
from skdistmass.extinction.colours import COLOURS
from skdistmass.surveys import as_stars, read_survey
from skdistmass.uncertainty import robust_scatter

NAN = np.nan
EXCESS = np.array([2.5, 1.55, 1.0])  # A_J, A_H and A_K in units of A_K


@pytest.fixture(scope="module")
def colours():
    return IntrinsicColours.default()


def reddened(colours, labels, extinction):
    """Return J, H and K_s of stars behind this A_K."""
    labels = np.atleast_2d(labels)
    bare = [10.0 + colours.colour("J-K", labels), 10.0 + colours.colour("H-K", labels), np.full(len(labels), 10.0)]
    return np.column_stack(bare) + np.multiply.outer(np.broadcast_to(extinction, len(labels)), EXCESS)


def random_labels(n):
    rng = np.random.default_rng(1)
    return np.column_stack([rng.uniform(3900, 6500, n), rng.uniform(0.5, 4.8, n), rng.uniform(-2.4, 0.4, n)])


def test_large_extinctions_come_back(colours):
    labels, truth = random_labels(300), np.linspace(0.3, 3.0, 300)
    values, errors = colours.extinction(labels, reddened(colours, labels, truth), latitude=np.zeros(300))
    np.testing.assert_allclose(values, truth, atol=0.005)
    assert np.all(errors < 1.1 * colours.scatter["J-K"])


@pytest.mark.parametrize(("missing", "name"), [((), "J-K"), ((2,), "J-H"), ((0,), "H-K")])
def test_best_colour_that_a_star_has(colours, missing, name):
    magnitudes = reddened(colours, [4750.0, 2.5, 0.0], 1.0)
    magnitudes[:, missing] = NAN
    value, error = colours.extinction([[4750.0, 2.5, 0.0]], magnitudes, latitude=[0.0])
    first, second, factor = COLOURS[name]
    plain = factor * (magnitudes[0, first] - magnitudes[0, second] - colours.colour(name, [[4750.0, 2.5, 0.0]])[0])
    assert value[0] == pytest.approx(plain - colours.scatter[name] ** 2 / latitude_prior(0.0))
    assert error[0] == pytest.approx(colours.scatter[name], rel=1e-3)


def test_mean_and_deviation_are_those_of_the_posterior(colours):
    """By summation of the normal law of the colour times the exponential one of the latitude."""
    labels, grid = [[4750.0, 2.5, 0.0]], np.linspace(0.0, 1.5, 150_001)
    for seen, latitude in ((0.0, 60.0), (0.03, 5.0), (-0.04, 30.0)):
        value, error = colours.extinction(labels, reddened(colours, labels[0], seen), latitude=[latitude])
        law = np.exp(-0.5 * ((grid - seen) / colours.scatter["J-K"]) ** 2 - grid / latitude_prior(latitude))
        mean = np.average(grid, weights=law)
        assert value[0] == pytest.approx(mean, rel=1e-3)
        assert error[0] == pytest.approx(np.sqrt(np.average((grid - mean) ** 2, weights=law)), rel=1e-3)


def test_uncertain_or_impossible_colours_give_the_usual_value(colours):
    labels = np.tile([4750.0, 2.5, 0.0], (2, 1))
    magnitudes = reddened(colours, labels, [0.5, -0.3])  # a poor measurement, and one bluer than any star
    values, errors = colours.extinction(labels, magnitudes, [[5.0, 0.0, 5.0], [0.0] * 3], latitude=[50.0, 50.0])
    np.testing.assert_allclose(values, latitude_prior(50.0), rtol=0.02)
    np.testing.assert_allclose(errors, latitude_prior(50.0), rtol=0.02)


def test_nothing_without_labels_or_colours(colours):
    labels = [[NAN, 2.5, 0.0], [4750.0, 2.5, NAN], [4750.0, 2.5, 0.0], [12000.0, 4.0, 0.0], [3000.0, 0.0, 0.0]]
    magnitudes = np.tile([10.7, 10.1, 10.0], (5, 1))
    magnitudes[2, :2] = NAN
    values, errors = colours.extinction(labels, magnitudes, latitude=np.full(5, 10.0))
    assert np.isnan(values).all()
    assert np.isnan(errors).all()


def test_wrong_shapes_and_files(colours, tmp_path):
    with pytest.raises(InputError, match="J, H and K_s"):
        colours.extinction([[4750.0, 2.5, 0.0]], [[10.7, 10.0]], latitude=[0.0])
    with pytest.raises(InputError, match="Teff"):
        colours.colour("J-K", [4750.0, 2.5, 0.0])
    (tmp_path / "a.ecsv").write_text("# %ECSV 1.0\n# ---\n# datatype:\n# - {name: A, datatype: string}\nA\nx\n")
    for name in ("absent.ecsv", "a.ecsv"):
        with pytest.raises(FileFormatError, match=name):
            IntrinsicColours.read(tmp_path / name)


@pytest.mark.parametrize(
    ("table", "bias", "scatter"), [("kepler_giants", 0.003, 0.019), ("kepler_dwarfs", 0.008, 0.024)]
)
def test_colours_against_the_shared_tables(real_data, colours, table, bias, scatter):
    stars = read_survey(real_data(f"{table}.fits"))
    labels = np.column_stack([stars.floats(name) for name in ("TEFF", "LOGG", "M_H")])
    plain = COLOURS["J-K"][2] * (stars["J"] - stars["K"] - colours.colour("J-K", labels))
    off = plain - stars["A_K"]
    off = off[np.isfinite(off)]
    assert len(off) > 300
    assert abs(np.median(off)) < bias
    assert robust_scatter(off) < scatter


def test_extinction_falls_with_latitude(real_data):
    stars = read_survey(real_data("k2_giants.fits"))
    found = ExtinctionChoice().choose(stars)
    assert (found.method == "COLOUR").mean() > 0.99
    latitude = np.abs(stars["GLAT"])
    means = [np.nanmean(found.values[(latitude >= b) & (latitude < b + 10)]) for b in range(0, 60, 10)]
    assert np.all(np.diff(means) < 0)
    assert means[0] > 0.15
    assert means[-1] < 0.03


# ---- the choice


def stars_of(**columns):
    return as_stars({"TEFF": [4750.0], "LOGG": [2.5], "M_H": [0.0], "K": [10.0], "GLAT": [30.0]} | columns)


def test_colours_come_last():
    colour = {"J": [10.8], "H": [10.2]}
    found = ExtinctionChoice().choose(stars_of(**colour))
    assert found.method.tolist() == ["COLOUR"]
    assert found.flag.tolist() == [ExtinctionFlag.COLOUR]
    assert 0.05 < found.values[0] < 0.2
    assert 0.01 < found.errors[0] < 0.02
    known = ExtinctionChoice().choose(stars_of(**colour, A_K=[0.3], A_K_ERR=[0.04]))
    assert (known.method[0], known.values[0], known.errors[0]) == ("A_K", 0.3, 0.04)
    assert np.isnan(ExtinctionChoice().choose(stars_of(**colour, SFD_EBV=[0.1])).errors).all()
    without = ExtinctionChoice(colours=None).choose(stars_of(**colour))
    assert without.flag.tolist() == [ExtinctionFlag.MISSING]


def test_assumed_values():
    choice = ExtinctionChoice(assumed=0.1)
    found = choice.choose(stars_of())
    assert (found.method[0], found.values[0], found.errors[0]) == ("ASSUMED", 0.1, 0.1)
    assert found.flag.tolist() == [ExtinctionFlag.ASSUMED]
    assert ExtinctionChoice(assumed=0.0).choose(stars_of()).errors.tolist() == [0.02]
    assert choice.apply(stars_of(J=[10.8]))["A_K_SRC"].tolist() == ["COLOUR"]


@pytest.mark.parametrize("parameters", [{"assumed": -0.1}, {"assumed": NAN}, {"colours": "mine"}, {"colours": 0.7}])
def test_parameters_are_checked(parameters):
    with pytest.raises(InputError):
        ExtinctionChoice(**parameters)


# ---- dust maps by name


def fake(monkeypatch, name, **members):
    module = ModuleType(name)
    vars(module).update(members)
    monkeypatch.setitem(sys.modules, name.partition(".")[0], ModuleType(name.partition(".")[0]))
    monkeypatch.setitem(sys.modules, name, module)


def test_map_of_dustmaps(monkeypatch):
    fake(monkeypatch, "dustmaps.sfd", SFDQuery=lambda: lambda place: 0.01 * place.galactic.b.deg)
    dust_map = load_dust_map("sfd")
    assert dust_map(SkyCoord([0.0], [60.0], unit="deg", frame="galactic")) == pytest.approx([0.6])
    found = ExtinctionChoice(dust_map=dust_map).choose(stars_of(GLON=[0.0]))
    assert (found.method[0], found.values[0]) == ("SFD", pytest.approx(0.302 * 0.3))


def test_map_of_mwdust(monkeypatch):
    """mwdust takes Galactic longitude, latitude and distance."""
    fake(monkeypatch, "mwdust", SFD=lambda: lambda l, b, d: (0.001 * l + 0.01 * b) * np.ones_like(d))  # noqa: E741
    dust_map = load_dust_map("mwdust")
    assert dust_map(SkyCoord([10.0, 20.0], [60.0, 30.0], unit="deg", frame="galactic")) == pytest.approx([0.61, 0.32])


@pytest.mark.parametrize(("name", "package"), [("sfd", "dustmaps"), ("planck", "dustmaps"), ("mwdust", "mwdust")])
def test_absent_packages_are_named(monkeypatch, name, package):
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(InputError, match=r"pip install 'skdistmass\[dust\]'"):
        load_dust_map(name)


def test_absent_data_are_named(monkeypatch):
    def query():
        raise FileNotFoundError("SFD_dust_4096_ngp.fits")

    fake(monkeypatch, "dustmaps.sfd", SFDQuery=query)
    with pytest.raises(InputError, match=r"SFD_dust.*fetch its data with dustmaps.sfd.fetch\(\)"):
        load_dust_map("sfd")
