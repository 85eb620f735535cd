"""What the figures show: labels, ranges, numbers of stars."""

import subprocess
import sys

import matplotlib
import numpy as np
import pytest
from astropy.table import Table
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure

from skdistmass.validation import (
    MissingInputError,
    chemistry,
    cluster_distances,
    distance_by_logg,
    draw_figures,
    figures,
    join_reference,
)
from skdistmass.validation.chemistry import giants_of_one_mass, is_undredged_subgiant
from skdistmass.validation.figures.drawing import new_figure, spread_range

pytestmark = pytest.mark.slow

UNITS = ("[K]", "[dex", "[kpc]", "[yr]", r"[M$_\odot", "fraction", "1 - predicted / reference", "stars", "")


@pytest.fixture(scope="module")
def drawn(written):
    """Return every figure of the mock, as drawn for its report."""
    return written[2]


def panels(figure):
    """Return the axes that are no colour bars and not switched off."""
    return [ax for ax in figure.axes if ax.get_label() != "<colorbar>" and ax.axison]


def bars(figure):
    return [ax for ax in figure.axes if ax.get_label() == "<colorbar>"]


def n_counted(ax):
    """Return the number of stars in a density panel, or of points in a panel of single stars."""
    if ax.collections and hasattr(ax.collections[0], "get_coordinates"):
        return int(ax.collections[0].get_array().sum())
    return sum(len(drawn.get_offsets()) for drawn in ax.collections if hasattr(drawn, "get_sizes"))


def labels(ax):
    return ax.get_xlabel(), ax.get_ylabel()


def texts(ax):
    return " ".join(text.get_text() for text in ax.texts)


def test_there_are_eighteen_of_the_paper_and_four_more_in_order():
    assert [int(name[3:5]) for name in figures.__all__] == list(range(1, 23))


def test_all_have_units_and_fit_a_page(drawn):
    for name, figure in drawn.items():
        assert isinstance(figure, Figure), name
        assert 3.4 <= figure.get_size_inches()[0] <= 7.2, name
        assert panels(figure), name
        for ax in panels(figure):
            for label in labels(ax):
                assert any(unit and unit in label for unit in UNITS) or label == "", (name, label)
        assert any(ax.get_xlabel() for ax in panels(figure)) or figure.get_supxlabel(), name
        for bar in bars(figure):
            assert any(unit and unit in bar.get_ylabel() for unit in UNITS), (name, bar.get_ylabel())


def test_type_is_legible_when_drawn(drawn):
    for name, figure in drawn.items():
        figure.canvas.draw()
        for ax in panels(figure):
            ticks = [tick for tick in (*ax.get_xticklabels(), *ax.get_yticklabels()) if tick.get_text()]
            assert all(tick.get_fontsize() >= 6.5 for tick in ticks), name
            assert ax.xaxis.label.get_fontsize() >= 8, name


def test_figures_do_not_touch_the_callers_style(planted):
    before = dict(matplotlib.rcParams)
    with matplotlib.rc_context({"font.size": 30, "axes.labelsize": 40}):
        figure = figures.fig04_mad_vs_logg(planted)
        assert matplotlib.rcParams["font.size"] == 30
    assert figure.axes[0].xaxis.label.get_fontsize() < 10
    assert dict(matplotlib.rcParams) == before


@pytest.mark.parametrize(("name", "bit"), [("fig01_parameter_space", 1), ("fig11_mass_space", 8)])
def test_parameter_space_counts_all_and_training_stars(drawn, planted, name, bit):
    figure = drawn[name]
    everything, training, *_ = axes = panels(figure)
    assert labels(everything) == (r"$T_\mathrm{eff}$ [K]", r"$\log g$ [dex, cgs]")
    assert labels(axes[2])[0] == "[M/H] [dex]"
    for ax in axes[:2]:
        assert ax.xaxis_inverted()
        assert ax.yaxis_inverted()
    known = np.isfinite(planted["TEFF"]) & np.isfinite(planted["LOGG"])
    trained = known & ((planted["BITMASK"] & bit) != 0)
    for ax, chosen in ((everything, known), (training, trained)):
        # At most 0.1 % at each of the four sides are beyond the frame.
        assert 0.994 * chosen.sum() <= n_counted(ax) <= chosen.sum()
        assert isinstance(ax.collections[0].norm, LogNorm)
    assert len(bars(figure)) == 4


def test_cluster_members_are_over_the_others(drawn, planted):
    left, right = panels(drawn["fig02_cluster_coverage"])
    wanted = np.count_nonzero(planted["REFERENCE_DIST_SRC"] == "cluster")
    assert wanted > 20
    assert len(left.collections[1].get_offsets()) == wanted
    assert right.get_xlabel() == "[M/H] [dex]"


def test_binaries_of_the_mock_are_beyond_the_threshold(drawn, planted):
    residuals, kiel = panels(drawn["fig03_binaries"])
    assert labels(residuals) == ("reference distance [kpc]", "residual, 1 - predicted / reference")
    assert residuals.lines[0].get_ydata()[0] == 0.13
    error = 1 - planted["DISTANCE"] / planted["REFERENCE_DIST"]
    judged = planted["REFERENCE_DIST_ERR"] / planted["REFERENCE_DIST"] <= 0.15
    judged &= planted["REFERENCE_DIST_SRC"] != "cluster"
    beyond = np.count_nonzero(judged & (error > 0.13))
    assert len(kiel.collections[1].get_offsets()) == beyond
    assert f"{beyond}" in kiel.get_legend().get_texts()[0].get_text()


def test_deviation_against_logg_draws_the_table(drawn, planted):
    (ax,) = panels(drawn["fig04_mad_vs_logg"])
    table = distance_by_logg(planted)
    assert labels(ax) == (r"$\log g$ [dex, cgs]", "fractional distance error")
    np.testing.assert_array_equal(ax.lines[0].get_ydata(), table["MAD_STD"])
    np.testing.assert_array_equal(ax.lines[1].get_ydata(), table["Q25"])
    np.testing.assert_array_equal(ax.lines[3].get_ydata(), table["REFERENCE_ERR"])
    low, high = ax.get_ylim()
    assert low == 0
    assert high > table["Q75"].max()


def test_other_distances_get_panels(planted):
    stars = planted.copy(copy_data=False)
    stars["NMSU_DIST"] = 1.2 * stars["DISTANCE"]
    left, right = panels(figures.fig04_mad_vs_logg(stars, others=["NMSU_DIST"]))
    assert "NMSU_DIST" in right.get_legend().get_texts()[1].get_text()
    assert np.mean(right.lines[1].get_ydata()) > np.mean(left.lines[0].get_ydata()) + 0.1
    _, lower = panels(figures.fig05_cluster_distances(stars, others=["NMSU_DIST"]))
    assert "NMSU_DIST" in texts(lower)
    assert lower.get_xlabel() == "adopted distance [kpc]"


def test_every_cluster_is_drawn_and_named(drawn, planted):
    (ax,) = panels(drawn["fig05_cluster_distances"])
    table = cluster_distances(planted)
    assert sorted(text.get_text() for text in ax.texts[:-1]) == sorted(table["CLUSTER"])
    x, y = ax.lines[1].get_data()
    np.testing.assert_allclose(x, table["ADOPTED"])
    np.testing.assert_allclose(y, table["ERROR"])
    low, high = ax.get_ylim()
    assert low < (table["ERROR"] - table["SCATTER"]).min()
    assert high > (table["ERROR"] + table["SCATTER"]).max()


def test_kiel_diagrams_hold_stars_of_solar_metallicity(drawn, planted):
    mass, cn = panels(drawn["fig06_kiel_mass_cn"])
    masses, feh = np.asarray(planted["REF_MASS"]), np.asarray(planted["M_H"])
    wanted = (np.abs(feh) < 0.05) & (masses < 1.6) & np.isfinite(planted["LOGG"]) & np.isfinite(planted["TEFF"])
    assert n_counted(mass) == np.count_nonzero(wanted)
    assert mass.collections[0].get_clim()[1] <= 1.6
    assert n_counted(cn) > 100
    assert [bar.get_ylabel() for bar in bars(drawn["fig06_kiel_mass_cn"])] == [r"mass [M$_\odot$]", "[C/N] [dex]"]


def test_every_tenth_mass_has_a_bar(drawn):
    for ax in panels(drawn["fig07_cn_mass"]):
        stars, errors = ax.collections
        n = len(stars.get_offsets())
        assert f": {n}" in texts(ax)
        # Bars of stars without an error are not drawn.
        assert len(errors.get_segments()) == -(-n // 10)


def test_birth_relation_draws_both_samples_and_the_slope(drawn, planted):
    for ax, select in zip(panels(drawn["fig08_birth_cn"]), (is_undredged_subgiant, giants_of_one_mass), strict=True):
        assert labels(ax) == ("[M/H] [dex]", "[C/N] [dex]")
        chosen = select(planted) & np.isfinite(planted["C_FE"] - planted["N_FE"] + planted["M_H"])
        assert f": {np.count_nonzero(chosen)}" in texts(ax)
        assert 0.97 * np.count_nonzero(chosen) <= n_counted(ax) <= np.count_nonzero(chosen)
        x, y = ax.lines[0].get_data()
        assert -0.5 < (y[1] - y[0]) / (x[1] - x[0]) < -0.25


def test_figures_draw_what_the_tables_computed(written, planted, monkeypatch):
    """With the results of `validate` at hand, no fit and no statistic is made again."""
    _, found, drawn = written
    for module in (figures.ages, figures.chemistry, figures.distances, chemistry):
        for name in dir(module):
            if name.endswith("_fits") or name in ("distance_by_logg", "cluster_distances", "age_statistics"):
                monkeypatch.delattr(module, name)
    for name in ("fig04_mad_vs_logg", "fig05_cluster_distances", "fig08_birth_cn", "fig09_cn_radius"):
        with pytest.raises((NameError, AttributeError)):
            getattr(figures, name)(planted)
        again = getattr(figures, name)(planted, found=found)
        assert [texts(ax) for ax in panels(again)] == [texts(ax) for ax in panels(drawn[name])]


@pytest.mark.parametrize(
    ("name", "table", "slope"),
    [("fig09_cn_radius", "cn_radial_trend", "SLOPE"), ("fig10_cn_low_logg", "cn_low_logg_rise", "RISE")],
)
def test_lines_have_the_slope_of_the_table(written, name, table, slope):
    _, found, drawn = written
    sign = -1 if slope == "RISE" else 1
    for ax, row in zip(panels(drawn[name]), found.tables[table][:-1], strict=True):
        (x, y), value = ax.lines[0].get_data(), sign * row[slope]
        assert (y[1] - y[0]) / (x[1] - x[0]) == pytest.approx(value)
        assert f"{row[slope]:+.3f} $\\pm$ {row[slope + '_ERR']:.3f}" in texts(ax)


def test_radial_trend_is_drawn_by_metallicity(drawn):
    axes = panels(drawn["fig09_cn_radius"])
    assert len(axes) == 5
    assert axes[-1].get_xlabel() == "Galactocentric radius [kpc]"
    low, high = axes[0].get_xlim()
    assert 5 < low < 8.1 < high < 12
    for ax in axes[1:4]:
        x, y = ax.lines[0].get_data()
        assert (y[1] - y[0]) / (x[1] - x[0]) == pytest.approx(0.05, abs=0.05)
        assert "dex/kpc" in texts(ax)


def test_rise_is_drawn_by_mass(drawn):
    axes = panels(drawn["fig10_cn_low_logg"])
    assert len(axes) == 5
    for ax in axes:
        assert ax.xaxis_inverted()
        assert ax.lines[0].get_xdata().tolist() == [1.0, 2.5]
        assert n_counted(ax) > 50
    assert axes[-1].get_xlabel() == axes[-2].get_xlabel() == r"$\log g$ [dex, cgs]"


@pytest.mark.parametrize(
    ("name", "n_panels"), [("fig12_reference_mass_histograms", 2), ("fig14_predicted_mass_histograms", 1)]
)
def test_mass_histograms_hold_both_samples(drawn, name, n_panels):
    axes = panels(drawn[name])
    assert len(axes) == n_panels
    for ax in axes:
        assert ax.get_ylabel() == r"density [M$_\odot^{-1}$]"
        assert len(ax.patches) == 2
        assert len(ax.lines) == 2
        assert ax.get_xlim() == pytest.approx((0.5, 2.6))
        for legend in ax.get_legend().get_texts():
            assert int(legend.get_text().rsplit(" ", 1)[1]) >= 10


def test_learned_relations_are_by_logg_and_scale(drawn, planted):
    figure = drawn["fig13_learned_relations"]
    axes = panels(figure)
    assert len(axes) == 5
    assert axes[0].get_title() == "CAL"
    assert figure.get_supxlabel() == "[C/N] [dex]"
    logg = np.asarray(planted["LOGG"])
    usable = np.isfinite(planted["MASS_CAL"] + planted["C_FE"] - planted["N_FE"] + planted["M_H"])
    assert n_counted(axes[0]) == np.count_nonzero(usable & (logg >= 1.0) & (logg < 1.5))
    assert [bar.get_ylabel() for bar in bars(figure)] == ["[M/H] [dex]"]


def test_ages_against_cn_have_the_line_of_spoo(drawn):
    figure = drawn["fig15_age_vs_cn"]
    axes = panels(figure)
    assert len(axes) == 3
    for ax in axes:
        x, y = ax.lines[0].get_data()
        known = np.isfinite(y)
        np.testing.assert_allclose(y[known], 10.14 + 2.23 * x[known])
        assert ax.get_ylim() == (8.0, 10.6)
        assert n_counted(ax) > 50
    assert bars(figure)[0].get_ylabel() == r"$\log g$ [dex, cgs]"


def test_ages_are_compared_on_equal_axes(drawn, planted):
    (ax,) = panels(drawn["fig16_age_comparison"])
    assert ax.get_xlim() == ax.get_ylim() == (8.0, 10.6)
    assert ax.get_xlabel().startswith("AGE_TRUE")
    both = np.isfinite(planted["AGE_CAL"] + planted["REF_AGE_TRUE"])
    assert f"{np.count_nonzero(both)} stars" in texts(ax)
    assert n_counted(ax) >= 0.99 * np.count_nonzero(both)


def test_histograms_of_clusters_hold_their_stars(drawn, planted):
    axes = panels(drawn["fig17_cluster_ages"])
    for ax in axes:
        name = ax.texts[0].get_text().splitlines()[0]
        members = (planted["CLUSTER"] == name) & np.isfinite(planted["AGE_CAL"])
        path = ax.patches[0].get_path().vertices
        assert np.max(path[:, 1]) <= members.sum()
        assert f"{members.sum()} stars" in texts(ax)
    # In metal-rich clusters only: the relation's ages end at [Fe/H] = -0.5.
    assert 3 <= len(axes) <= 10


def test_members_of_a_cluster_are_coloured_by_age(drawn, planted):
    (ax,) = panels(drawn["fig18_cluster_kiel"])
    aged = (planted["CLUSTER"] == "N7789") & np.isfinite(planted["AGE_CAL"])
    assert len(ax.collections[-1].get_offsets()) == np.count_nonzero(aged)
    assert "NGC 7789" in texts(ax)
    assert r"$\log_{10}$ age [yr]" in bars(drawn["fig18_cluster_kiel"])[0].get_ylabel()


def test_few_stars_are_drawn_one_by_one(planted):
    figure = figures.fig01_parameter_space(planted[:200])
    assert not bars(figure)
    assert n_counted(panels(figure)[0]) > 180


def test_figures_say_what_they_lack():
    catalog = Table({"TEFF": [4800.0], "LOGG": [2.5], "M_H": [0.0], "DISTANCE": [1.0]})
    made, skipped = draw_figures(join_reference(catalog))
    assert made == {}
    assert len(skipped) == 22
    assert "BITMASK" in skipped["fig01_parameter_space"]
    assert "CLUSTER" in skipped["fig05_cluster_distances"]
    assert "MASS" in skipped["fig07_cn_mass"]
    assert "C_FE" in skipped["fig13_learned_relations"]
    assert "no age" in skipped["fig15_age_vs_cn"]
    with pytest.raises(MissingInputError):
        figures.fig03_binaries(join_reference(catalog))


def test_limits_hold_what_is_drawn():
    values = np.arange(1000.0)
    low, high = spread_range(values, fraction=0.0)
    assert low < 0 < 999 < high
    assert spread_range(values, reverse=True, fraction=0.0) == (high, low)
    assert spread_range(values, fraction=0.0, margin=0.0) == (0.0, 999.0)
    same = spread_range(np.ones(3))
    assert same[0] < 1 < same[1]


def test_figures_are_free_of_pyplot():
    figure, axes = new_figure(2, 1)
    assert axes.shape == (2, 1)
    assert figure.canvas.manager is None
    code = (
        "import sys, numpy as np; from astropy.table import Table; from skdistmass.validation import figures\n"
        "assert 'matplotlib' not in sys.modules\n"
        "n = np.arange(1.0, 9.0); stars = Table({'LOGG': 2.25 + n / 99, 'DISTANCE': n, 'REFERENCE_DIST': 1.1 * n})\n"
        "figures.fig04_mad_vs_logg(stars)\n"
        "assert 'matplotlib.pyplot' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120)
