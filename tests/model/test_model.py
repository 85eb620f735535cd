"""The whole model: trained on a mock survey, from table to Table 2, to a file and back."""

import json
import subprocess
import sys
import zipfile

import numpy as np
import pytest
from astropy import units as u

from skdistmass import (
    AbsMagRegressor,
    BinaryResidualFilter,
    CNMassRegressor,
    DistMassModel,
    LevenbergMarquardtMLPRegressor,
    load_model,
)
from skdistmass.datasets import make_survey
from skdistmass.estimators.label_regressor import LabelRegressor
from skdistmass.exceptions import ColumnError, DistMassError, FileFormatError, InputError
from skdistmass.labels import LABEL_NAMES
from skdistmass.schema.columns import Bit, describe

NETWORK = LevenbergMarquardtMLPRegressor(hidden_layer_sizes=4, tol=1e-3)
SMALL = {"network": NETWORK, "n_networks": 1, "n_folds": 2}


def small_model(**parameters):
    first = LabelRegressor(network=NETWORK, n_networks=1, error_model=None)
    binaries = BinaryResidualFilter(estimator=first, n_rounds=1, n_folds=2)
    scales = {"CAL": "MASS_CAL", "AP3": "MASS_AP3"}
    return DistMassModel(
        AbsMagRegressor(binary_filter=binaries, **SMALL),
        CNMassRegressor(**SMALL),
        **({"mass_scales": scales, "random_state": 0} | parameters),
    )


@pytest.fixture(scope="module")
def stars():
    return make_survey(2000, seismic_fraction=0.6, random_state=0)


@pytest.fixture(scope="module")
def model(stars):
    return small_model().fit(stars)


@pytest.fixture(scope="module")
def catalog(model, stars):
    return model.predict(stars)


def same(first, second, *, rows=slice(None), rtol=0.0):
    """Assert that two catalogues say the same."""
    assert first.colnames == second.colnames
    for name in first.colnames:
        one, two = np.asarray(first[name])[rows], np.asarray(second[name])
        if one.dtype.kind == "f":
            assert np.allclose(one, two, rtol=rtol, atol=0.0, equal_nan=True), name
        else:
            assert np.array_equal(one, two), name


# ---- the catalogue


def test_columns_are_those_of_table_2(catalog, stars):
    assert len(catalog) == len(stars)
    wanted = "APOGEE_ID TEFF LOGG M_H C_FE N_FE EXTINCTION MAG ABS_MAG ABS_MAG_ERR DISTANCE DISTANCE_ERR"
    wanted += " DISTANCE_WEIGHTED MASS_CAL MASS_AP3 MASS_ERR AGE_CAL AGE_AP3 AGE_ERR BITMASK"
    assert set(wanted.split()) <= set(catalog.colnames)
    for name in catalog.colnames:
        schema = describe(name)
        assert schema is not None, name
        assert catalog[name].unit == (None if schema.unit is None else u.Unit(schema.unit)), name
        assert catalog[name].description, name
    assert catalog["DISTANCE"].unit == u.kpc
    assert catalog["MASS_CAL"].unit == u.Msun
    assert np.array_equal(catalog["APOGEE_ID"], stars["APOGEE_ID"])


def test_it_finds_the_truth(catalog, stars):
    single = ~np.asarray(stars["TRUE_BINARY"], bool)
    good = single & np.isfinite(catalog["DISTANCE"]) & ((np.asarray(stars["ASPCAPFLAG"]) & 1 << 23) == 0)
    ratio = np.asarray(catalog["DISTANCE"] / stars["TRUE_DISTANCE"])[good]
    assert np.median(ratio) == pytest.approx(1.0, abs=0.03)
    assert np.median(np.abs(ratio - 1)) < 0.08
    giants = good & np.isfinite(catalog["AGE_CAL"])
    mass = np.asarray(catalog["MASS_CAL"] / stars["TRUE_MASS"])[giants]
    assert np.median(np.abs(mass - 1)) < 0.15


def test_distance_follows_from_magnitude(catalog):
    modulus = catalog["MAG"] - catalog["EXTINCTION"] - catalog["ABS_MAG"]
    expected = 0.01 * 10 ** (0.2 * np.asarray(modulus))
    assert np.allclose(catalog["DISTANCE"], expected, equal_nan=True, rtol=1e-12)
    known = np.isfinite(catalog["DISTANCE"])
    assert np.all(catalog["DISTANCE_LO"][known] < catalog["DISTANCE"][known])
    assert np.all(catalog["DISTANCE"][known] < catalog["DISTANCE_HI"][known])


def test_ages_are_of_giants_only(catalog):
    giants = np.asarray(catalog["LOGG"]) < 3.5
    assert np.isnan(catalog["AGE_CAL"][~giants]).all()
    assert np.isfinite(catalog["AGE_CAL"][giants]).sum() > 500
    assert np.all((np.asarray(catalog["AGE_FLAG"]) & 32 > 0) == ~giants)
    known = np.isfinite(catalog["AGE_CAL"]) & np.isfinite(catalog["AGE_CAL_LO"]) & np.isfinite(catalog["AGE_CAL_HI"])
    assert np.all(catalog["AGE_CAL_LO"][known] <= catalog["AGE_CAL"][known])
    assert np.all(catalog["AGE_CAL"][known] <= catalog["AGE_CAL_HI"][known])


def test_stars_without_carbon_or_nitrogen_fall_back(model, stars):
    complete = np.all([np.isfinite(np.asarray(stars[n], float)) & (stars[n] > -99) for n in LABEL_NAMES], axis=0)
    full = stars[complete][:60]
    part = full.copy()
    part["C_FE"][:10] = np.nan
    part["N_FE"][5:20] = -9999.99
    catalog = model.predict(part, out_of_fold=False)
    expected = np.arange(60) < 20
    assert np.array_equal(catalog["LABEL_FALLBACK"], expected)
    assert np.isnan(catalog["MASS_CAL"]).tolist() == expected.tolist()
    assert np.isfinite(catalog["ABS_MAG"]).all()
    assert np.all(catalog["DISTANCE_SPACE"][:20] >= 1)
    whole = model.predict(full, out_of_fold=False)
    assert np.array_equal(catalog["ABS_MAG"][20:], whole["ABS_MAG"][20:])
    labels = np.column_stack([np.asarray(part[n], float) for n in LABEL_NAMES[:3]])
    assert np.allclose(catalog["ABS_MAG"][:20], model.abs_mag_fallback_.predict(labels)[:20])
    assert np.all(np.asarray(catalog["BITMASK"])[:20] & Bit.OUTSIDE_MASS_SPACE)


def test_a_table_without_carbon_and_nitrogen(model, stars):
    table = stars[:100].copy()
    table.remove_columns(["C_FE", "N_FE"])
    catalog = model.predict(table)
    assert np.isnan(catalog["MASS_CAL"]).all()
    assert np.isnan(catalog["AGE_CAL"]).all()
    known = np.isfinite(catalog["TEFF"]) & np.isfinite(catalog["LOGG"]) & np.isfinite(catalog["M_H"])
    assert np.array_equal(np.isfinite(catalog["ABS_MAG"]), known)


def test_training_stars_get_values_of_networks_that_had_not_seen_them(model, stars, catalog):
    bare = model.predict(stars, out_of_fold=False)
    replaced = np.asarray(catalog["OUT_OF_FOLD"])
    assert not np.any(bare["OUT_OF_FOLD"])
    for bit, name in ((1, "ABS_MAG"), (2, "MASS_CAL"), (4, "MASS_AP3")):
        changed = ~((catalog[name] == bare[name]) | (np.isnan(catalog[name]) & np.isnan(bare[name])))
        assert np.array_equal(changed, replaced & bit > 0), name
        assert changed.any()
        assert not changed.all()


def test_training_stars_given_without_carbon_get_values_that_had_not_seen_them_either(model, stars):
    labels = np.column_stack([np.asarray(stars[n], float) for n in LABEL_NAMES])
    known = model._find_training(model._read_labels(stars, reset=False))
    trained = (known >= 0) & np.isfinite(np.where(known >= 0, model.training_oof_["ABS_MAG_FALLBACK"][known], np.nan))
    part = stars[trained][:80].copy()
    part["C_FE"] = np.nan
    catalog = model.predict(part)
    assert np.all(catalog["LABEL_FALLBACK"])
    assert np.all(np.asarray(catalog["OUT_OF_FOLD"]) & 1)
    kept = model.training_oof_["ABS_MAG_FALLBACK"][known[trained][:80]]
    assert np.array_equal(catalog["ABS_MAG"], kept)
    seen = model.abs_mag_fallback_.predict(labels[trained][:80, :3])
    assert np.mean(np.asarray(catalog["ABS_MAG"]) != seen) > 0.9


def test_bits(model, stars, catalog):
    bits = np.asarray(catalog["BITMASK"])
    assert np.all(bits & ~(1 | 2 | 8 | 16 | 32) == 0)
    # Those trained on, as the cuts count them: bad stars and those without labels are not among them.
    removed = sum(model.removed_["ABS_MAG"].values())
    trained = bits & Bit.DISTANCE_TRAINING > 0
    assert trained.sum() == pytest.approx(len(stars) - removed - model.abs_mag_.n_binaries_, abs=3)
    assert not np.any(trained & (np.asarray(stars["ASPCAPFLAG"]) & 1 << 23 > 0))
    outside = np.asarray(catalog["MASS_SPACE"]) >= 2
    assert np.array_equal(bits & Bit.OUTSIDE_MASS_SPACE > 0, outside)
    dwarfs = np.asarray(catalog["LOGG"]) > 4.7
    assert (bits & Bit.MASS_APOKASC > 0).sum() > 100
    assert np.all(bits[dwarfs & ~trained] & Bit.MASS_APOKASC == 0)


def test_rows_do_not_know_their_neighbours(model, stars, catalog):
    order = np.random.default_rng(0).permutation(len(stars))[:300]
    same(model.predict(stars[order]), catalog[order], rtol=1e-12)


def test_empty_table_and_one_row(model, stars, catalog):
    empty = model.predict(stars[:0])
    assert len(empty) == 0
    assert empty.colnames == catalog.colnames
    same(model.predict(stars[:1]), catalog[:1], rtol=1e-12)


# ---- training


def test_it_reports_cuts_and_accuracy(model):
    assert set(model.removed_) == set(model.accuracy_) == {"ABS_MAG", "MASS_CAL", "MASS_AP3", "ABS_MAG_FALLBACK"}
    assert model.removed_["ABS_MAG"]["STAR_BAD"] > 20
    for name, found in model.accuracy_.items():
        assert found["n_stars"] > 100, name
        assert 0.01 < found["scatter"] < 0.2, name
        assert abs(found["bias"]) < 0.05, name


def test_seed_decides(model, stars, catalog):
    same(small_model().fit(stars).predict(stars), catalog)


def test_tables_that_can_not_be_trained_on(stars):
    with pytest.raises(ColumnError, match="no masses to train on"):
        small_model(mass_scales="auto").fit(stars[["APOGEE_ID", *LABEL_NAMES, "K", "A_K"]])
    with pytest.raises(InputError, match="0 rows"):
        small_model().fit(stars[:0])
    with pytest.raises(ColumnError, match="MASS_OTHER"):
        small_model(mass_scales={"X": "MASS_OTHER"}).fit(stars)
    dim = stars[:100].copy()
    dim["A_K"] = 3.0
    with pytest.raises(InputError, match=r"no star is left to train ABS_MAG on.*A_K > 0.5: \d+"):
        small_model().fit(dim)
    without = stars.copy()
    without.remove_column("LOGG")
    with pytest.raises(ColumnError, match="no column LOGG"):
        small_model().fit(without)


# ---- files


@pytest.fixture(scope="module")
def saved(model, tmp_path_factory):
    path = tmp_path_factory.mktemp("model") / "giants.distmass"
    model.save(path)
    return path


def test_saved_and_loaded_it_is_the_same(saved, model, stars, catalog):
    loaded = load_model(saved)
    same(loaded.predict(stars), catalog)
    assert loaded.accuracy_ == model.accuracy_
    assert loaded.removed_ == model.removed_
    assert list(saved.parent.iterdir()) == [saved]
    again = saved.with_name("again")
    loaded.save(again)
    same(load_model(again).predict(stars[:50]), catalog[:50], rtol=1e-12)


def test_other_files_are_refused(saved, tmp_path):
    content = saved.read_bytes()
    broken = {"empty": b"", "text": b"TEFF,LOGG\n1,2\n", "half": content[: len(content) // 2], "cut": content[:-40]}
    for name, damaged in broken.items():
        path = tmp_path / name
        path.write_bytes(damaged)
        with pytest.raises(FileFormatError, match=f"{name} is not a model of skdistmass, or is damaged"):
            load_model(path)
    with pytest.raises(FileFormatError, match=r"is not a model|can't be read"):
        load_model(tmp_path)


def test_a_flipped_bit_is_noticed_or_of_no_matter(saved, model, stars, tmp_path):
    content = saved.read_bytes()
    path = tmp_path / "flipped"
    expected = model.predict(stars[:5])
    n_refused = 0
    for place in np.linspace(0, len(content) - 1, 30).astype(int):
        flipped = bytearray(content)
        flipped[place] ^= 1
        path.write_bytes(flipped)
        try:
            loaded = load_model(path)
        except FileFormatError:
            n_refused += 1
        else:  # a time stamp of the archive, for example
            same(loaded.predict(stars[:5]), expected)
    assert n_refused > 20


def rewrite_schema(source, target, change):
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(target, "w") as new:
        for name in old.namelist():
            data = old.read(name)
            if name == "schema.json":
                data = json.dumps(change(json.loads(data))).encode()
            new.writestr(name, data)


def test_types_that_no_model_holds_are_refused(saved, tmp_path):
    def smuggle(schema):
        text = (
            json.dumps(schema)
            .replace('"skdistmass.estimators.cn_mass"', '"os"')
            .replace('"CNMassRegressor"', '"system"')
        )
        return json.loads(text)

    path = tmp_path / "smuggled"
    rewrite_schema(saved, path, smuggle)
    with pytest.raises(FileFormatError, match=r"types that no model of skdistmass holds.*os\.system"):
        load_model(path)


def test_other_contents_are_refused(tmp_path):
    import skops.io

    path = tmp_path / "other"
    for content in ([1, 2], {"format": "other"}, {"format": "skdistmass model", "format_version": 99}):
        skops.io.dump(content, path)
        with pytest.raises(FileFormatError, match=r"not a model of skdistmass|format version 99"):
            load_model(path)


def test_a_file_that_can_not_be_written(model, tmp_path):
    with pytest.raises(DistMassError, match="can't be written"):
        model.save(tmp_path / "nowhere" / "model")


# ---- weight of the package


@pytest.mark.parametrize("name", ["skdistmass", "skdistmass.labels"])
def test_import_is_light(name):
    code = f"import sys, {name}; print(*{{m.split('.')[0] for m in sys.modules}})"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert "skdistmass" in loaded
    assert not {"matplotlib", "skl2onnx", "onnx", "onnxruntime", "numba", "pyarrow", "pandas"} & set(loaded)
