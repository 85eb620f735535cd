"""The whole model: trained on a mock survey, from table to Table 2, to a file and back."""

import subprocess
import sys
from collections import Counter

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
from skdistmass.model import files
from skdistmass.model.networks import value_of
from skdistmass.model.reading import labels_of
from skdistmass.schema.bits import AgeFlag, Bit, QualityBit
from skdistmass.schema.columns import describe
from skdistmass.surveys import as_stars

pytestmark = pytest.mark.slow

NETWORK = LevenbergMarquardtMLPRegressor(hidden_layer_sizes=4, tol=1e-3, n_starts=2)
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


@pytest.mark.parametrize("name", ["ABS_MAG", "MASS_CAL", "AGE_CAL", "MASS_AP3", "AGE_AP3"])
def test_one_column_alone_is_that_of_the_catalogue(model, stars, name):
    stars = as_stars(stars)[:300].with_metallicity(model.metallicity_)
    stars["C_FE"][::7] = np.nan
    labels, _ = labels_of(stars)
    expected = model.predict_columns(stars, out_of_fold=False)[name]
    assert np.array_equal(value_of(model, name, labels), expected, equal_nan=True)
    assert np.isfinite(expected).sum() > 100


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
    known = as_stars(stars)
    fold = model.training_.fold("ABS_MAG_FALLBACK", model.training_.find(known, known.labels))
    part = stars[fold >= 0][:80].copy()
    part["C_FE"] = np.nan
    catalog = model.predict(part)
    assert np.all(catalog["LABEL_FALLBACK"])
    assert np.all(np.asarray(catalog["OUT_OF_FOLD"]) & 1)
    short = known.labels[fold >= 0][:80, :3]
    kept_back = model.abs_mag_fallback_.predict_out_of_fold(short, fold[fold >= 0][:80])
    assert np.array_equal(catalog["ABS_MAG"], kept_back)
    assert np.mean(np.asarray(catalog["ABS_MAG"]) != model.abs_mag_fallback_.predict(short)) > 0.9


def test_training_stars_are_known_by_their_identifier(model, stars, catalog):
    """Another spectrum of a star has other labels; the networks have seen the star all the same."""
    shifted = stars.copy()
    shifted["TEFF"] += 1.0
    again = model.predict(shifted)
    bits = Bit.DISTANCE_TRAINING | Bit.MASS_APOKASC
    assert np.array_equal(np.asarray(again["BITMASK"]) & bits, np.asarray(catalog["BITMASK"]) & bits)
    assert np.array_equal(again["OUT_OF_FOLD"], catalog["OUT_OF_FOLD"])
    known = np.asarray(again["OUT_OF_FOLD"]) & 1 > 0
    assert np.all(np.abs(again["ABS_MAG"] - catalog["ABS_MAG"])[known] < 0.05)
    unnamed = shifted.copy()
    unnamed["APOGEE_ID"] = ""
    assert not np.any(model.predict(unnamed)["OUT_OF_FOLD"])


def test_a_star_without_a_name_is_known_by_its_labels(model, stars, catalog):
    unnamed = stars.copy()
    unnamed["APOGEE_ID"] = ""
    by_labels, by_name = (np.asarray(c["OUT_OF_FOLD"]) & 1 > 0 for c in (model.predict(unnamed), catalog))
    # Spectra that were not trained on are of known stars by their names only.
    assert not np.any(by_labels & ~by_name)
    assert 0.95 < by_labels.sum() / by_name.sum() < 1


def test_flags_are_predicted_too(catalog, stars):
    flags = np.asarray(catalog["FLAGS"])
    bad = np.asarray(stars["ASPCAPFLAG"]) & 1 << 23 > 0
    assert np.array_equal(flags & QualityBit.STAR_BAD > 0, bad)
    assert np.array_equal(flags & QualityBit.NOT_GIANT > 0, np.asarray(catalog["LOGG"]) >= 3.5)


def test_errors_are_half_the_interval(catalog):
    for error, low, high in (
        ("DISTANCE_ERR", "DISTANCE_LO", "DISTANCE_HI"),
        ("MASS_ERR", "MASS_CAL_LO", "MASS_CAL_HI"),
        ("AGE_ERR", "AGE_CAL_LO", "AGE_CAL_HI"),
        ("MASS_AP3_ERR", "MASS_AP3_LO", "MASS_AP3_HI"),
        ("AGE_AP3_ERR", "AGE_AP3_LO", "AGE_AP3_HI"),
    ):
        half = 0.5 * (np.asarray(catalog[high]) - np.asarray(catalog[low]))
        known = np.isfinite(half)
        if name_of_flag := error.replace("_ERR", "_FLAG") if error.startswith("AGE") else "":
            clipped = np.asarray(catalog[name_of_flag]) & AgeFlag.CLIPPED > 0
            assert np.all(np.asarray(catalog[error])[clipped] > half[clipped])
            known &= ~clipped
        assert known.sum() > 300
        np.testing.assert_allclose(np.asarray(catalog[error])[known], half[known], rtol=1e-12)


def test_intervals_of_95_percent(catalog, stars):
    truths = {"DISTANCE": "TRUE_DISTANCE", "MASS_CAL": "TRUE_MASS", "AGE_CAL": None}
    for name, truth in truths.items():
        low, high, low_95, high_95 = (np.asarray(catalog[f"{name}_{end}"]) for end in ("LO", "HI", "LO95", "HI95"))
        known = np.isfinite(low)
        assert np.array_equal(known, np.isfinite(high_95))
        assert np.all((low_95 <= low)[known] & (high <= high_95)[known])
        if truth == "TRUE_DISTANCE":
            good = known & ~np.asarray(stars["TRUE_BINARY"], bool) & (np.asarray(stars["ASPCAPFLAG"]) & 1 << 23 == 0)
            inside = (low_95 < stars[truth]) & (stars[truth] < high_95)
            assert np.mean(inside[good]) == pytest.approx(0.954, abs=0.03)


def test_ages_beyond_the_relation(model, catalog):
    flag, age, high = (np.asarray(catalog[name]) for name in ("AGE_CAL_FLAG", "AGE_CAL", "AGE_CAL_HI"))
    np.testing.assert_array_equal(flag, catalog["AGE_FLAG"])
    light = np.isfinite(age) & (np.asarray(catalog["MASS_CAL_LO"]) < 0.8)
    assert light.any()
    assert np.all(flag[light] & AgeFlag.CLIPPED)
    at_bound = model.age_.transform(np.column_stack([np.full(light.sum(), 0.8), catalog["M_H"][light]]))[:, 0]
    np.testing.assert_allclose(high[light], at_bound, rtol=1e-12)
    old = flag & AgeFlag.OLD > 0
    assert np.array_equal(old, age > np.log10(13.8e9))
    flags = np.asarray(catalog["FLAGS"])
    assert np.array_equal(flags & QualityBit.AGE_OLD > 0, old)
    assert np.all(flags[old] & QualityBit.AGE_WARN)
    assert np.array_equal(flags & QualityBit.AGE_CLIPPED > 0, flag & AgeFlag.CLIPPED > 0)


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


def without_masses(stars):
    return stars[[name for name in stars.colnames if not name.startswith("MASS")]]


def test_a_model_of_distances_alone(stars, tmp_path):
    model = small_model(mass_scales="auto").fit(without_masses(stars))
    assert model.absent_ == {
        "mass": "no masses to train on: add a column MASS (or MASS_<scale>) with its error MASS_ERR"
    }
    model.save(tmp_path / "m")
    catalog = load_model(tmp_path / "m").predict(stars)
    assert np.isfinite(catalog["DISTANCE"]).sum() > 1000
    assert not any(name.startswith(("MASS_", "AGE_")) for name in catalog.colnames)
    assert np.all(np.asarray(catalog["FLAGS"]) & QualityBit.MASS_BAD)


def test_a_model_of_masses_alone(stars, tmp_path):
    model = small_model(parts="mass").fit(stars)
    assert model.abs_mag_ is None
    model.save(tmp_path / "m")
    catalog = load_model(tmp_path / "m").predict(stars)
    assert np.isfinite(catalog["MASS_CAL"]).sum() > 1000
    assert np.all(np.asarray(catalog["FLAGS"]) & QualityBit.DISTANCE_BAD)
    assert not np.any(np.asarray(catalog["BITMASK"]) & Bit.DISTANCE_TRAINING)


class Counting(dict):
    """A table that counts how often each column is taken out of it."""

    def __init__(self, columns):
        super().__init__(columns)
        self.taken = Counter()

    def __getitem__(self, name):
        self.taken[name] += 1
        return super().__getitem__(name)


def test_each_column_is_read_once(stars):
    """Seven scales share one reading of the survey: its columns are taken to measure their length, and to read them."""
    columns = [n for n in stars.colnames if n.startswith("MASS_") and f"{n}_ERR" in stars.colnames]
    table = Counting({name: np.asarray(stars[name]) for name in stars.colnames if not name.startswith("TRUE_")})
    scales = {str(number): columns[number % len(columns)] for number in range(7)}
    small_model(mass_scales=scales, fallback=False).fit(table)
    assert table.taken["TEFF"] > 0
    assert max(table.taken.values()) <= 2


def test_tables_that_can_not_be_trained_on(stars):
    with pytest.raises(ColumnError, match=r"no distances to train on.*no masses to train on"):
        small_model(mass_scales="auto").fit(stars[["APOGEE_ID", *LABEL_NAMES, "K", "A_K"]])
    with pytest.raises(ColumnError, match="no masses to train on"):
        small_model(mass_scales="auto", parts="both").fit(without_masses(stars))
    with pytest.raises(InputError, match="parts is 'all'"):
        small_model(parts="all").fit(stars)
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


def rewrite(source, target, change):
    """Copy a model file with its description changed."""
    with np.load(source) as old:
        arrays = {name: old[name] for name in old.files}
    arrays["model"] = np.array(change(str(arrays["model"])))
    with open(target, "wb") as file:
        np.savez(file, **arrays)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('"kind": "mass"', '"kind": "os.system"', "a part of the kind 'os.system'"),
        ('"n_rows_"', '"__class__"', "attributes __class__"),
        ('"n_networks"', '"n_nets"', "n_nets"),
        ('{"array": ', '{"run": ', "an entry named 'run'"),
        ('"format_version": 4', '"format_version": 99', "format version 99"),
        ('"format": "skdistmass model"', '"format": "other"', "is not a model of skdistmass"),
    ],
)
def test_contents_that_no_model_has_are_refused(saved, tmp_path, old, new, said):
    rewrite(saved, tmp_path / "changed", lambda text: text.replace(old, new))
    with pytest.raises(FileFormatError, match=said):
        load_model(tmp_path / "changed")


def test_columns_of_training_stars_that_do_not_fit_together_are_refused(saved, tmp_path):
    """They are used only where a star of a survey is one of them."""
    with np.load(saved) as old:
        arrays = {name: old[name] for name in old.files}
    for name in [name for name in arrays if name.startswith("training_/")]:
        for change in (arrays[name][:-1], arrays[name][:, None], arrays[name].astype(str)):
            with open(tmp_path / "changed", "wb") as file:
                np.savez(file, **(arrays | {name: change}))
            with pytest.raises(FileFormatError, match="the columns of the training stars"):
                load_model(tmp_path / "changed")


def test_files_name_no_class(saved):
    with np.load(saved) as file:
        assert "skdistmass." not in str(file["model"])
        assert "sklearn." not in str(file["model"])
        assert "masses_//pipeline_/steps/1/1/coefs_/0" in file.files or any("coefs_/0" in name for name in file.files)


def test_the_same_model_gives_the_same_bytes(saved, model, tmp_path):
    model.save(tmp_path / "again")
    assert (tmp_path / "again").read_bytes() == saved.read_bytes()


def test_a_file_too_large_for_the_memory_is_refused(saved, tmp_path, monkeypatch):
    monkeypatch.setattr(files, "MOST_BYTES", 1000)
    with pytest.raises(FileFormatError, match="may hold"):
        load_model(saved)


def test_parts_that_no_file_can_hold_are_named(stars, tmp_path):
    model = small_model(fallback=False).fit(stars)
    model.mass = object()
    with pytest.raises(InputError, match="mass is object, which a model file can't hold"):
        model.save(tmp_path / "m")
    assert not list(tmp_path.iterdir())


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


def test_import_of_the_model_costs_little_beyond_scikit_learn():
    code = "import sys; from skdistmass import DistMassModel; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert not {"astropy", "numba", "matplotlib", "skl2onnx", "onnxruntime", "sklearn.mixture"} & set(loaded)
