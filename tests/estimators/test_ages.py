"""The age transformer: scikit-learn's contract, input of all kinds, bounds, errors, speed-relevant sizes."""

import pickle

import numpy as np
import pandas as pd
import pytest
from astropy import units as u
from astropy.table import MaskedColumn, QTable, Table
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.base import clone
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.utils.estimator_checks import parametrize_with_checks

from skdistmass.estimators.ages import IsochroneAgeTransformer
from skdistmass.exceptions import ColumnError, InputError, UnitError
from skdistmass.isochrones.giant_ages.relation import GiantAgeRelation
from skdistmass.schema.bits import AgeFlag

MASS = np.array([1.0, 2.0, 3.0, 5.0])
FEH = np.array([0.0, -0.5, 0.5, 0.1])
X = np.column_stack([MASS, FEH])
LOG_AGE = GiantAgeRelation.default().log_age(MASS, FEH)


@parametrize_with_checks(
    [
        IsochroneAgeTransformer(),
        IsochroneAgeTransformer(out_of_bounds="edge", mass_bounds=None, mass_loss=0.03),
        IsochroneAgeTransformer(GiantAgeRelation.hurley(), mass_column=1, feh_column=0),
    ]
)
def test_scikit_learn_checks(estimator, check):
    check(estimator)


def test_ages_of_the_facts():
    solar = IsochroneAgeTransformer().transform([[m, 0.0] for m in (1.0, 2.0, 3.0, 5.0)])
    assert solar.shape == (4, 1)
    np.testing.assert_allclose(solar[:, 0], [10.049, 9.092, 8.622, 8.039], atol=0.005)


@settings(max_examples=50, deadline=None)
@given(
    mass=st.floats(0.8, 7.95),
    feh=st.floats(-0.5, 0.5),
    loss=st.floats(0.0, 0.04),
    edge=st.sampled_from(["nan", "edge"]),
)
def test_inverse_undoes_transform_within_the_bounds(mass, feh, loss, edge):
    ages = IsochroneAgeTransformer(mass_loss=loss, out_of_bounds=edge)
    log_age = ages.transform([[mass, feh]])[0, 0]
    back = ages.inverse_transform([[log_age, feh]])
    assert back.shape == (1, 1)
    np.testing.assert_allclose(back, mass, rtol=1e-12)


def tables():
    mass, feh = MASS.astype(">f4"), FEH.astype(">f8")
    structured = np.zeros(4, dtype=[("MASS", ">f4"), ("FE_H", ">f8")])
    structured["MASS"], structured["FE_H"] = mass, feh
    return {
        "astropy, big-endian, other columns": Table({"TEFF": [4800.0] * 4, "M_H": feh, "MASS": mass}),
        "QTable in kg": QTable({"MASS": (MASS * u.Msun).to(u.kg), "M_H": FEH * u.dex}),
        "FE_H stands in": Table({"FE_H": FEH, "MASS": MASS}),
        "M_H before FE_H": Table({"FE_H": FEH + 0.3, "M_H": FEH, "MASS": MASS}),
        "lower case": Table({"m_h": FEH, "mass": MASS}),
        "data frame with text": pd.DataFrame({"ID": list("abcd"), "M_H": FEH, "MASS": MASS}),
        "data frame, nullable": pd.DataFrame({"M_H": FEH, "MASS": MASS}).convert_dtypes(),
        "structured": structured,
        "dictionary": {"MASS": MASS, "M_H": FEH},
        "data frame of other names": pd.DataFrame({"a": MASS, "b": FEH}),
        "list": X.tolist(),
        "masked array": np.ma.masked_array(X),
    }


@pytest.mark.parametrize("kind", tables())
def test_any_table_gives_the_same_ages(kind):
    table = tables()[kind]
    ages = IsochroneAgeTransformer()
    rtol = 1e-7 if "big-endian" in kind or kind == "structured" else 1e-12
    np.testing.assert_allclose(ages.transform(table)[:, 0], LOG_AGE, rtol=rtol)
    np.testing.assert_allclose(ages.fit_transform(table)[:, 0], LOG_AGE, rtol=rtol)


def test_columns_are_chosen_by_name_or_position():
    table = Table({"MASS": MASS + 1, "MASS_CAL": MASS, "Z": FEH})
    chosen = IsochroneAgeTransformer(mass_column="MASS_CAL", feh_column="Z")
    np.testing.assert_allclose(chosen.fit_transform(table)[:, 0], LOG_AGE)
    np.testing.assert_array_equal(chosen.feature_names_in_, ["MASS_CAL", "Z"])
    with pytest.warns(UserWarning, match="valid feature names"):
        np.testing.assert_allclose(chosen.transform(X)[:, 0], LOG_AGE)
    wide = np.column_stack([FEH, np.full(4, 4800.0), MASS])
    np.testing.assert_allclose(IsochroneAgeTransformer(mass_column=2, feh_column=0).fit_transform(wide)[:, 0], LOG_AGE)
    np.testing.assert_allclose(IsochroneAgeTransformer(mass_column=1, feh_column=2).transform(table)[:, 0], LOG_AGE)
    frame = table.to_pandas()
    np.testing.assert_allclose(chosen.fit_transform(frame)[:, 0], LOG_AGE)


@pytest.mark.parametrize(
    ("table", "parameters", "message"),
    [
        (Table({"MASS": MASS}), {}, r"no column M_H \(or FE_H\); the table has: MASS"),
        (Table({"STELLAR_MASS": MASS, "M_H": FEH}), {}, "no column MASS"),
        (pd.DataFrame({"TEFF": MASS, "LOGG": FEH}), {}, "no column MASS"),
        (pd.DataFrame(np.c_[X, MASS], columns=["MASS", "M_H", "MASS"]), {}, "more than once"),
        (Table({"MASS": MASS, "M_H": list("abcd")}), {}, "not numbers"),
        (Table({"MASS": MASS, "M_H": FEH}), {"mass_column": "M_H"}, "can't be both"),
        (Table({"MASS": MASS, "M_H": FEH}), {"mass_column": 2}, "none at position 2"),
        ({"MASS": MASS, "M_H": FEH[:2]}, {}, "one number per star"),
        (MASS[:, None], {}, r"1 feature\(s\)"),
        (X, {"mass_column": "MASS"}, "no column names"),
        (X, {"mass_column": 1}, "can't be both"),
    ],
)
def test_unusable_columns_are_named(table, parameters, message):
    with pytest.raises(ColumnError, match=message):
        IsochroneAgeTransformer(**parameters).fit(table)
    with pytest.raises(ColumnError, match=message):
        IsochroneAgeTransformer(**parameters).transform(table)


def test_other_input_errors_say_what_to_do():
    with pytest.raises(UnitError, match="MASS has the unit K"):
        IsochroneAgeTransformer().fit(QTable({"MASS": MASS * u.K, "M_H": FEH}))
    with pytest.raises(InputError, match="median of 4800: these are not masses"):
        IsochroneAgeTransformer().fit(np.column_stack([np.full(4, 4800.0), FEH]))
    with pytest.raises(InputError, match="3 columns; give two: log10 age"):
        IsochroneAgeTransformer().inverse_transform(np.ones((2, 3)))


@pytest.mark.parametrize("bounds", [(1.0,), (8.0, 0.8), (0.8, np.nan), (20.0, 30.0)])
def test_bad_bounds_are_refused(bounds):
    with pytest.raises(InputError, match="mass_bounds"):
        IsochroneAgeTransformer(mass_bounds=bounds).fit(X)
    with pytest.raises(InputError, match="mass_bounds"):
        IsochroneAgeTransformer(mass_bounds=bounds).transform(X)


def test_missing_values_of_all_kinds_give_nan_and_a_flag():
    bad = [[np.nan, 0.0], [1.0, np.nan], [-9999.0, 0.0], [1.0, -9999.99], [np.inf, 0.0], [99.99, 0.0], [1.0, 0.0]]
    for policy in ("nan", "edge"):
        ages = IsochroneAgeTransformer(out_of_bounds=policy)
        np.testing.assert_array_equal(np.isnan(ages.fit_transform(bad)[:, 0]), [True] * 6 + [False])
        np.testing.assert_array_equal(ages.flag(bad), [AgeFlag.MISSING] * 6 + [0])
    masked = Table({"MASS": MaskedColumn(MASS, mask=[0, 1, 0, 0]), "M_H": FEH})
    assert np.isnan(IsochroneAgeTransformer().transform(masked)[1, 0])
    array = np.ma.masked_array(X, mask=[[1, 0], [0, 0], [0, 0], [0, 1]])
    np.testing.assert_array_equal(IsochroneAgeTransformer().flag(array), [16, 0, 0, 16])


def test_no_rows_one_row_and_all_missing():
    ages = IsochroneAgeTransformer().fit(X)
    assert ages.transform(np.empty((0, 2))).shape == (0, 1)
    assert ages.transform(Table({"MASS": np.empty(0), "M_H": np.empty(0)})).shape == (0, 1)
    assert ages.age_interval(np.empty((0, 2)), mass_err=[]).shape == (0, 2)
    np.testing.assert_allclose(ages.transform(X[:1]), LOG_AGE[:1, None])
    assert np.isnan(ages.fit_transform(np.full((3, 2), np.nan))).all()


def test_beyond_the_bounds_is_nan_or_the_edge_and_flagged():
    outside = [[0.79, 0.0], [8.1, 0.0], [1.0, -0.6], [1.0, 0.6], [0.1, 2.0], [0.8, -0.5], [8.0, 0.5]]
    edge = [[0.8, 0.0], [8.0, 0.0], [1.0, -0.5], [1.0, 0.5], [0.8, 0.5], [0.8, -0.5], [8.0, 0.5]]
    ages = IsochroneAgeTransformer()
    np.testing.assert_array_equal(ages.flag(outside), [1, 2, 4, 8, 9, 0, 0])
    np.testing.assert_array_equal(np.isnan(ages.transform(outside)[:, 0]), [1, 1, 1, 1, 1, 0, 0])
    at_edge = IsochroneAgeTransformer(out_of_bounds="edge")
    np.testing.assert_array_equal(at_edge.flag(outside), ages.flag(outside))
    np.testing.assert_allclose(at_edge.transform(outside), ages.transform(edge))
    assert np.isnan(ages.inverse_transform([[10.5, 0.0], [7.0, 0.0], [9.0, 0.6]])).all()
    np.testing.assert_allclose(at_edge.inverse_transform([[10.5, 0.0], [7.0, 0.0]]), [[0.8], [8.0]])
    np.testing.assert_allclose(at_edge.inverse_transform([[9.0, 0.6]]), ages.inverse_transform([[9.0, 0.5]]))


def test_bounds_can_be_widened_to_all_the_relation_covers():
    wide = IsochroneAgeTransformer(mass_bounds=None, feh_bounds=None)
    assert np.isfinite(wide.transform([[0.75, -2.0], [9.0, 0.5]])).all()
    np.testing.assert_array_equal(wide.flag([[0.74, -2.0], [9.1, 0.5], [1.0, -2.1]]), [1, 2, 4])
    ragged = GiantAgeRelation(
        [1.0, 2.0, 4.0], [-1.0, 0.0, 1.0], [[10.0, np.nan, np.nan], [9.1, 9.2, 9.3], [8.3, 8.4, 8.5]]
    )
    ages = IsochroneAgeTransformer(ragged, out_of_bounds="edge")
    np.testing.assert_array_equal(ages.flag([[0.9, -0.5], [1.5, 0.0], [3.0, 0.0], [5.0, 0.0]]), [1, 1, 0, 2])
    np.testing.assert_allclose(ages.transform([[1.5, 0.0], [5.0, 0.0]]), [[9.2], [8.4]])


def test_mass_lost_makes_a_giant_younger():
    now, lost = IsochroneAgeTransformer(), IsochroneAgeTransformer(mass_loss=0.03)
    heavier = X + np.array([0.03, 0.0])
    np.testing.assert_allclose(lost.transform(X), now.transform(heavier))
    too_old = 10 ** (now.transform([[1.0, 0.0], [2.0, 0.0]]) - lost.transform([[1.0, 0.0], [2.0, 0.0]])) - 1
    np.testing.assert_allclose(too_old[0], 0.11, atol=0.005)
    assert 0.03 < too_old[1, 0] < 0.04
    np.testing.assert_array_equal(lost.flag([[0.78, 0.0], [7.98, 0.0]]), [0, 2])


def test_age_interval_is_the_relation_at_the_shifted_masses():
    ages, sigma = IsochroneAgeTransformer(), 0.1 * MASS
    interval = ages.age_interval(X, mass_err=sigma)
    np.testing.assert_allclose(interval[:, 0], ages.transform(np.column_stack([MASS + sigma, FEH]))[:, 0])
    np.testing.assert_allclose(interval[:, 1], ages.transform(np.column_stack([MASS - sigma, FEH]))[:, 0])
    same = ages.age_interval(X, mass_interval=np.column_stack([MASS - sigma, MASS + sigma]))
    np.testing.assert_array_equal(same, interval)
    off = interval - ages.transform(X)
    # Solar mass: the slope -3.58 times log10(1 +- 0.1), half of what the paper prints.
    np.testing.assert_allclose(off[0], [-3.58 * np.log10(1.1), -3.58 * np.log10(0.9)], atol=0.003)
    # The upper end is the farther one, but next to the helium flash, where the relation is flattest.
    np.testing.assert_array_equal(off[:, 1] > -off[:, 0], [True, False, True, True])


def test_an_interval_that_leaves_the_table_says_so_but_the_error_remains():
    near, sigma = [[0.85, 0.0], [7.9, 0.0], [0.7, 0.0]], [0.085, 0.79, 0.07]
    nan = IsochroneAgeTransformer()
    np.testing.assert_array_equal(
        np.isnan(nan.age_interval(near, mass_err=sigma)), [[False, True], [True, False], [True, True]]
    )
    edge = IsochroneAgeTransformer(out_of_bounds="edge")
    interval = edge.age_interval(near, mass_err=sigma)
    np.testing.assert_allclose(interval[0, 1], edge.transform([[0.8, 0.0]])[0, 0])
    np.testing.assert_allclose(interval[1, 0], edge.transform([[8.0, 0.0]])[0, 0])
    error = nan.log_age_err(near, mass_err=sigma)
    np.testing.assert_allclose(error[:2], [3.46 * 0.1 / np.log(10), 2.17 * 0.1 / np.log(10)], rtol=0.01)
    assert np.isnan(error[2])
    assert np.isfinite(edge.log_age_err(near, mass_err=sigma)).all()


def test_the_standard_error_is_half_the_interval_and_linear_when_small():
    ages = IsochroneAgeTransformer()
    interval = ages.age_interval(X, mass_err=0.05 * MASS)
    np.testing.assert_allclose(
        ages.log_age_err(X, mass_err=0.05 * MASS), 0.5 * (interval[:, 1] - interval[:, 0]), rtol=2e-3
    )
    slope = -GiantAgeRelation.default().slope(MASS, FEH)
    for relative in (1e-3, 1e-5, 1e-8, 0.0):
        np.testing.assert_allclose(
            ages.log_age_err(X, mass_err=relative * MASS), slope * relative / np.log(10), rtol=1e-3
        )
    with_gap = ages.log_age_err(X, mass_err=[0.1, np.nan, -9999.0, 0.1])
    np.testing.assert_array_equal(np.isnan(with_gap), [False, True, True, False])


def test_the_standard_error_is_that_of_simulated_masses():
    ages = IsochroneAgeTransformer()
    rng = np.random.default_rng(4)
    for mass, feh in ((1.3, -0.2), (2.0, 0.0), (4.0, 0.3)):
        drawn = rng.normal(mass, 0.05 * mass, 20000)
        simulated = ages.transform(np.column_stack([drawn, np.full_like(drawn, feh)])).std()
        np.testing.assert_allclose(ages.log_age_err([[mass, feh]], mass_err=0.05 * mass), simulated, rtol=0.05)


@pytest.mark.parametrize(
    ("errors", "message"),
    [
        ({}, "either as mass_err or as mass_interval"),
        ({"mass_err": MASS, "mass_interval": X}, "either as mass_err or as mass_interval"),
        ({"mass_err": [-0.1, 0.1, 0.1, 0.1]}, "negative in 1 places"),
        ({"mass_err": [0.1, 0.1]}, r"must be \(4,\)"),
        ({"mass_interval": MASS}, r"must be \(4, 2\)"),
        ({"mass_interval": np.column_stack([MASS, MASS - 0.1])}, "lower end above its upper"),
    ],
)
def test_unusable_errors_are_refused(errors, message):
    with pytest.raises(InputError, match=message):
        IsochroneAgeTransformer().age_interval(X, **errors)


def test_set_output_pipeline_clone_and_pickle():
    ages = IsochroneAgeTransformer(mass_bounds=(1.0, 4.0)).set_output(transform="pandas")
    frame = pd.DataFrame({"MASS": MASS, "M_H": FEH}, index=list("wxyz"))
    result = ages.fit_transform(frame)
    assert list(result.columns) == ["LOG_AGE"]
    assert list(result.index) == list("wxyz")
    pipeline = make_pipeline(FunctionTransformer(lambda X: X * [2.0, 1.0]), IsochroneAgeTransformer())
    np.testing.assert_allclose(pipeline.fit_transform(X / [2.0, 1.0])[:, 0], LOG_AGE)
    for again in (clone(ages), pickle.loads(pickle.dumps(ages))):
        pd.testing.assert_frame_equal(again.transform(frame), result)
    own = clone(IsochroneAgeTransformer(GiantAgeRelation.hurley()))
    assert own.relation == GiantAgeRelation.hurley()


def test_real_giants_get_ages_near_the_published_ones(real_data):
    table = Table.read(real_data("kepler_giants.fits"))
    good = np.asarray(table["MASS_ERR"] / table["MASS"] < 0.1) & np.isfinite(table["AGE_APOKASC3"])
    table = table[good]
    ages = IsochroneAgeTransformer(mass_column="MASS_AP3")
    log_age = ages.transform(table)[:, 0]
    flag = ages.flag(table)
    np.testing.assert_array_equal(np.isnan(log_age), flag != 0)
    off = log_age - np.log10(np.asarray(table["AGE_APOKASC3"], dtype=float)) - 9.0
    off = off[np.isfinite(off)]
    assert len(off) > 1000
    assert abs(np.median(off)) < 0.05
    assert 1.4826 * np.median(np.abs(off - np.median(off))) < 0.08


def test_predicted_masses_are_taken_as_they_are():
    """The same ages as for a table's masses, but no number stands for a missing one."""
    ages = IsochroneAgeTransformer()
    mass, feh = np.array([1.0, 2.0, 99.0, np.nan, 1.2]), np.array([0.0, -0.3, 0.0, 0.0, 0.1])
    interval, error = np.column_stack([0.9 * mass, 1.1 * mass]), 0.1 * mass
    interval[4, 1] = 999.0
    wide = np.column_stack([0.7 * mass, 1.2 * mass])
    log_age, (found, found_95), log_age_err, flag = ages.ages_of_predicted(mass, feh, [interval, wide], error)
    X = np.column_stack([mass, feh])
    usual = [0, 1, 3]
    np.testing.assert_array_equal(log_age[usual], ages.transform(X[usual])[:, 0])
    np.testing.assert_array_equal(found[usual], ages.age_interval(X[usual], mass_interval=interval[usual]))
    np.testing.assert_array_equal(log_age_err[usual], ages.log_age_err(X[usual], error[usual]))
    assert flag.tolist() == [AgeFlag.CLIPPED_95, 0, AgeFlag.MASS_HIGH, AgeFlag.MISSING, AgeFlag.CLIPPED]
    # An end of mass beyond the bounds gives the age at the bound.
    bounds = ages.transform([[8.0, 0.1], [0.8, 0.0]])[:, 0]
    assert [found[4, 0], found_95[0, 1]] == bounds.tolist()
    np.testing.assert_array_equal(found_95[1], ages.age_interval(X[1:2], mass_interval=wide[1:2])[0])
    assert np.isnan(found_95[2:4]).all()
    assert np.isnan(ages.age_interval(X[4:], mass_interval=interval[4:])).all()
    infinite = np.full(5, np.inf)
    assert np.isnan(ages.ages_of_predicted(mass, feh, [interval, wide], infinite)[2]).all()


def test_ages_above_that_of_the_universe_are_flagged():
    ages = IsochroneAgeTransformer()
    feh, narrow = np.zeros(2), np.array([0.999, 1.001])
    mass = ages.inverse_transform(np.column_stack([np.log10([13.7e9, 13.9e9]), feh]))[:, 0]
    *_, flag = ages.ages_of_predicted(mass, feh, np.stack(2 * [mass[:, None] * narrow]), 0.01 * mass)
    assert flag.tolist() == [0, AgeFlag.OLD]
