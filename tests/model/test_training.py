"""What a model trains on, what it reports, and how it knows its stars again: without a network, on numbers by hand."""

from types import SimpleNamespace

import numpy as np
import pytest

from skdistmass import AbsMagRegressor, CNMassRegressor, TrainingSpace
from skdistmass.exceptions import ColumnError, InputError
from skdistmass.labels import LABEL_NAMES
from skdistmass.model.record import TrainingRecord
from skdistmass.model.training import Job, accuracy_of, find_parts, fit_spaces, plan_jobs, remember, train
from skdistmass.schema.bits import Bit
from skdistmass.surveys import Stars
from skdistmass.surveys.training_sets import TrainingCuts, TrainingSet

N = 12
LABELS = np.column_stack([4500.0 + np.arange(N), np.full(N, 2.5), np.zeros(N), np.zeros(N), np.arange(N) / 100.0])
FIVE, THREE = LABEL_NAMES, LABEL_NAMES[:3]


def make_stars(labels=LABELS, **columns):
    return Stars(dict(zip(LABEL_NAMES, labels.T, strict=True)) | columns)


def job(name, rows, kind="", labels=FIVE, network=None, target=None):
    rows = np.asarray(rows)
    target = np.ones(len(rows)) if target is None else np.asarray(target, dtype=float)
    return Job(name, kind or name, network, labels, TrainingSet(rows, target, 0.1 * target, {}))


# ---- what can be trained


COLUMNS = {name: np.ones(N) for name in ("K", "PARALLAX", "MASS", "MASS_ERR", "MASS_AP3", "MASS_AP3_ERR")}


@pytest.mark.parametrize(
    ("parts", "dropped", "absent", "scales"),
    [
        ("auto", (), {}, ["", "AP3"]),
        ("both", (), {}, ["", "AP3"]),
        ("distance", (), {"mass": "not asked for"}, []),
        ("mass", (), {"distance": "not asked for"}, ["", "AP3"]),
        ("auto", ("K",), {"distance": "no magnitude"}, ["", "AP3"]),
        ("auto", ("PARALLAX",), {"distance": "no distances"}, ["", "AP3"]),
        ("auto", ("MASS", "MASS_AP3"), {"mass": "no masses"}, []),
        ("distance", ("MASS", "MASS_AP3"), {"mass": "not asked for"}, []),
        ("mass", ("K",), {"distance": "not asked for"}, ["", "AP3"]),
    ],
)
def test_parts_are_those_that_the_columns_allow(parts, dropped, absent, scales):
    stars = Stars({name: values for name, values in COLUMNS.items() if name not in dropped})
    found, found_scales = find_parts(stars, parts, "auto")
    assert found.keys() == absent.keys()
    for part, said in absent.items():
        assert found[part].startswith(said)
    assert list(found_scales) == scales


@pytest.mark.parametrize("source", ["GAIAEDR3_DIST", "CLUSTER"])
def test_any_source_of_distances_is_one(source):
    assert find_parts(Stars({"K": np.ones(1), source: np.ones(1)}), "distance", "auto")[0].keys() == {"mass"}


@pytest.mark.parametrize(
    ("parts", "kept", "said"),
    [
        ("both", ("K", "PARALLAX"), r"^no masses to train on[^;]*\.$"),
        ("both", ("MASS", "MASS_ERR"), r"^no magnitude[^;]*\.$"),
        ("distance", ("K", "MASS", "MASS_ERR"), r"^no distances[^;]*\.$"),
        ("mass", ("K", "PARALLAX"), r"^no masses[^;]*\.$"),
        ("auto", (), r"^no magnitude[^;]*; no masses[^;]*\.$"),
    ],
)
def test_what_is_asked_for_and_lacks_columns_is_refused(parts, kept, said):
    with pytest.raises(ColumnError, match=said):
        find_parts(Stars({"TEFF": np.ones(N)} | {name: COLUMNS[name] for name in kept}), parts, "auto")


def test_scales_that_a_user_names_are_taken():
    assert find_parts(Stars(COLUMNS), "auto", {"CAL": "MASS"}) == ({}, {"CAL": "MASS"})


# ---- networks to train


PHOTOMETRY = {
    "K": np.full(N, 10.0), "A_K": np.zeros(N), "PARALLAX": np.ones(N), "PARALLAX_ERR": np.full(N, 0.01),
    "MASS": np.ones(N), "MASS_ERR": np.full(N, 0.01), "MASS_AP3": np.full(N, 1.1), "MASS_AP3_ERR": np.full(N, 0.01),
}  # fmt: skip


@pytest.fixture(scope="module")
def some():
    """Stars of which the first two lack carbon."""
    labels = LABELS.copy()
    labels[:2, 3] = np.nan
    return make_stars(labels, **PHOTOMETRY)


def plan(stars, abs_mag=None, mass=None, **options):
    found = plan_jobs(stars, TrainingCuts(), abs_mag, mass, {"": "MASS", "AP3": "MASS_AP3"} if mass else {}, **options)
    return {job.name: (job.kind, tuple(job.labels), job.chosen.rows[0], len(job.columns)) for job in found}


def test_each_network_has_its_labels_and_stars(some):
    assert plan(some, AbsMagRegressor(), CNMassRegressor(), mass_fallback=True) == {
        "ABS_MAG": ("ABS_MAG", FIVE, 2, 5),
        "MASS": ("MASS", FIVE, 2, 5),
        "MASS_AP3": ("MASS", FIVE, 2, 5),
        "ABS_MAG_FALLBACK": ("ABS_MAG_FALLBACK", THREE, 0, 3),
        "MASS without C, N": ("MASS_FALLBACK", THREE, 0, 3),
        "MASS_AP3 without C, N": ("MASS_FALLBACK", THREE, 0, 3),
    }
    assert list(plan(some, AbsMagRegressor(), CNMassRegressor())) == ["ABS_MAG", "MASS", "MASS_AP3", "ABS_MAG_FALLBACK"]
    assert list(plan(some, AbsMagRegressor(), fallback=False)) == ["ABS_MAG"]
    assert list(plan(some, None, CNMassRegressor())) == ["MASS", "MASS_AP3"]


def test_a_network_with_optional_labels_needs_no_other(some):
    optional = AbsMagRegressor(optional_labels=("C_FE", "N_FE"))
    assert plan(some, optional) == {"ABS_MAG": ("ABS_MAG", FIVE, 0, 5)}
    with pytest.raises(InputError, match=r"optional_labels of the distance network is \('C_FE',\)"):
        plan(some, AbsMagRegressor(optional_labels=("C_FE",)))


def test_networks_are_copies_with_their_labels(some):
    abs_mag, mass = AbsMagRegressor(), CNMassRegressor()
    jobs = plan_jobs(some, TrainingCuts(), abs_mag, mass, {"": "MASS"}, mass_fallback=True)
    assert [job.network.labels for job in jobs] == [abs_mag.labels, mass.labels, THREE, THREE]
    assert not any(job.network is given for job in jobs for given in (abs_mag, mass))
    assert [job.chosen.target[0] for job in jobs] == [0.0, 1.0, 0.0, 1.0]


def test_a_network_without_stars_says_which_cuts_took_them():
    empty = Job("MASS", "MASS", None, FIVE, TrainingSet(np.array([], int), np.ones(0), np.ones(0), {"a": 3, "b": 0}))
    with pytest.raises(InputError, match=r"train MASS on\. Stars removed by each cut: a: 3\.$"):
        empty.require_stars()
    empty.chosen.removed.clear()
    with pytest.raises(InputError, match=r"none, the table is empty\.$"):
        empty.require_stars()
    job("MASS", [3]).require_stars()


class Recording:
    """In place of a network or a space: keeps what it was fitted to."""

    def __init__(self, loss="squared", optional_labels=()):
        self.loss, self.optional_labels = loss, optional_labels

    def fit(self, *given, **named):
        self.given, self.named = given, named
        return self


def test_a_network_is_trained_on_its_rows_and_labels():
    sources = {"LABEL_SRC": np.array(list("abcdefghijkl")), "MASS_SRC": np.array(list("ABCDEFGHIJKL"))}
    stars = make_stars(**sources, CLUSTER=np.array(["", "m67", "M 67 "] + [""] * 9))
    groups = np.arange(N) + 100
    rows = [1, 2, 5]
    network = train(job("ABS_MAG", rows, labels=THREE, network=Recording()), stars, LABELS, 0.1 * LABELS, groups)
    np.testing.assert_array_equal(network.given[0], LABELS[rows, :3])
    assert network.given[1].tolist() == [1.0, 1.0, 1.0]
    assert network.named.keys() == {"groups", "y_err", "X_err"}
    np.testing.assert_array_equal(network.named["X_err"], 0.1 * LABELS[rows, :3])
    assert network.named["groups"].tolist() == [101, 102, 105]
    assert network.named["y_err"].tolist() == [0.1] * 3
    # The robust loss judges each source and cluster.
    for kind in ("ABS_MAG", "ABS_MAG_FALLBACK"):
        network = train(job(kind, rows, network=Recording("student")), stars, LABELS, LABELS, groups)
        assert network.named["source"].tolist() == ["b", "c", "f"]
        clusters = network.named["cluster"]
        assert clusters[0] == clusters[1] != ""
        assert clusters[2] == ""
    network = train(job("MASS", rows, network=Recording("student")), stars, LABELS, LABELS, groups)
    assert network.named["source"].tolist() == ["B", "C", "F"]
    assert "cluster" not in network.named


# ---- spaces


class Space(TrainingSpace):
    def fit(self, X, y=None, groups=None):
        self.labels, self.groups = X, groups
        return self


def test_spaces_are_those_of_the_first_network_of_each_kind():
    jobs = [
        job("ABS_MAG", [0, 1, 2], network=Recording()),
        job("MASS", [1, 2], network=Recording()),
        job("MASS_AP3", [5], "MASS", network=Recording()),
        job("ABS_MAG_FALLBACK", [3, 4], labels=THREE, network=Recording()),
        job("MASS without C, N", [6], "MASS_FALLBACK", THREE, network=Recording()),
    ]
    groups = np.arange(N) + 100
    spaces = fit_spaces(jobs, Space(), LABELS, groups, np.random.RandomState(0))
    assert [space.groups.tolist() for space in spaces] == [[100, 101, 102], [101, 102], [103, 104], [106]]
    assert [space.labels.shape[1] for space in spaces] == [5, 5, 3, 3]
    assert len({space.random_state for space in spaces}) == 4
    found = fit_spaces(jobs[1:2], Space(), LABELS, groups, np.random.RandomState(0))
    assert [space is None for space in found] == [True, False, True, True]


def test_a_network_with_optional_labels_has_a_space_of_five_labels_and_one_of_three():
    labels = LABELS.copy()
    labels[1, 4] = np.nan
    jobs = [job("ABS_MAG", [0, 1, 2], network=Recording(optional_labels=("C_FE", "N_FE")))]
    spaces = fit_spaces(jobs, Space(), labels, np.arange(N), np.random.RandomState(0))
    assert [None if space is None else space.groups.tolist() for space in spaces] == [[0, 2], None, [0, 1, 2], None]
    np.testing.assert_array_equal(spaces[2].labels, labels[:3, :3])


# ---- what is remembered


def trained(fold, support=None, kept=None):
    """A trained network; the support is that of a binary filter, or that which the robust loss kept."""
    network = SimpleNamespace(fold_=np.array(fold), oof_prediction_=np.ones(len(fold)), binary_filter_=None)
    if support is not None:
        network.binary_filter_ = SimpleNamespace(support_=np.array(support))
    if kept is not None:
        network.support_ = np.array(kept)
    return network


def test_bits_and_folds_of_several_networks():
    sources = np.array(["APOKASC-3", "Berger 2020", "", "Serenelli+", "apokasc"] + ["APOKASC"] * 7)
    stars = make_stars(MASS_SRC=sources, APOGEE_ID=np.array([f"star {k}" for k in range(N)]))
    networks = {
        "ABS_MAG": trained([0, 1, 0], [True, False, True]),
        "MASS": trained([1, 0, 2, 1, 0]),
        "MASS_AP3": trained([3, 4]),
        "ABS_MAG_FALLBACK": trained([1]),
    }
    jobs = [
        job("ABS_MAG", [0, 2, 3]),
        job("MASS", [0, 1, 2, 3, 4]),
        job("MASS_AP3", [4, 7], "MASS"),
        job("ABS_MAG_FALLBACK", [9]),
    ]
    record = remember(stars, LABELS, jobs, networks)
    entries = record.find(stars, LABELS)
    assert (entries >= 0).tolist() == [True] * 5 + [False, False, True, False, True, False, False]
    bits = np.where(entries >= 0, record.bits_of(stars, entries), 0)
    distance = Bit.DISTANCE_TRAINING
    # Mass bits are those of the first scale; the second star of ABS_MAG is a binary; the fallback gives no bit.
    wanted = [distance | Bit.MASS_APOKASC, Bit.MASS_BERGER, 0, distance | Bit.MASS_SERENELLI, Bit.MASS_APOKASC]
    assert bits.tolist() == [*map(int, wanted)] + [0] * 7
    folds = {name: record.fold(name, entries).tolist() for name in networks}
    absent = [-1] * N
    assert folds["ABS_MAG"] == [0, -1, 1, 0, *absent[4:]]
    assert folds["MASS"] == [1, 0, 2, 1, 0, *absent[5:]]
    assert folds["MASS_AP3"] == [*absent[:4], 3, -1, -1, 4, *absent[8:]]
    assert folds["ABS_MAG_FALLBACK"] == [*absent[:9], 1, -1, -1]
    assert record.fold("MASS_OTHER", entries).tolist() == absent
    for network in networks.values():
        assert network.fold_ is network.oof_prediction_ is None


@pytest.mark.parametrize("network", [trained([0, 1, 0]), trained([0, 1, 0], kept=[True, True, False])])
def test_without_a_filter_the_distance_network_has_all_or_those_of_the_robust_loss(network):
    kept = getattr(network, "support_", np.ones(3, dtype=bool)).tolist()
    stars = make_stars()
    record = remember(stars, LABELS, [job("ABS_MAG", [2, 3, 4])], {"ABS_MAG": network})
    entries = record.find(stars, LABELS)
    assert entries[2:5].min() >= 0
    assert (record.bits_of(stars, entries[2:5]) == Bit.DISTANCE_TRAINING).tolist() == kept
    assert not hasattr(network, "support_")


def a_record(stars, rows, labels=LABELS):
    chosen = np.zeros(len(stars), dtype=bool)
    chosen[rows] = True
    numbers = np.arange(len(stars), dtype=np.int16)
    return TrainingRecord.of(stars, labels, chosen, numbers.astype(np.int32) * 8, {"MASS": numbers})


def test_a_star_is_found_by_any_identifier_and_else_by_its_labels():
    known = make_stars(APOGEE_ID=np.array([f"a{k}" for k in range(N)]), KIC=np.arange(N))
    record = a_record(known, [1, 2, 3, 4])
    asked = make_stars(
        np.vstack([LABELS[[9, 9, 2, 4, 9]], LABELS[[3]]]),
        APOGEE_ID=np.array(["a1", "", "", "other", "", "a2"]),
        KIC=np.array([0, 3, 0, 0, 0, 1]),
    )
    folds = record.fold("MASS", record.find(asked, asked.labels))
    # By name; by KIC; by labels; by labels, though it has another name; not at all; the first identifier wins.
    assert folds.tolist() == [1, 3, 2, 4, -1, 2]
    assert record.find_by_three(LABELS[[4, 9]]).tolist()[1] == -1
    three = LABELS[[4, 9]] * [1, 1, 1, np.nan, np.nan]
    assert record.fold("MASS", record.find_by_three(three)).tolist() == [4, -1]
    assert record.find(asked, three[[0] * 6]).tolist()[2] == -1


def test_spectra_that_were_not_trained_on_have_no_bits():
    known = make_stars(APOGEE_ID=np.array(["a", "a", "b"] * 4), APSTAR_ID=np.array([f"s{k}" for k in range(N)]))
    record = a_record(known, [0, 2])
    asked = known[[0, 1, 2, 3]].with_columns({"APSTAR_ID": np.array(["s0", "s1", "s2", ""])})
    entries = record.find(asked, asked.labels)
    assert (entries >= 0).all()
    # The other spectrum of star "a" was not trained on; that without an identifier may be the one that was.
    assert record.bits_of(asked, entries).tolist() == [0, 0, 16, 0]
    moved = known[[2, 5]]
    assert record.bits_of(moved, record.find(moved, moved.labels)).tolist() == [16, 0]
    assert record.bits_of(moved, np.array([-1, -1])).tolist() == [0, 0]
    # Where the training stars' spectra have no identifier, nothing tells others apart.
    unnamed = a_record(make_stars(APOGEE_ID=known["APOGEE_ID"]), [2])
    assert unnamed.bits_of(moved, unnamed.find(moved, moved.labels)).tolist() == [16, 16]
    nameless = make_stars(LABELS[[2]], APOGEE_ID=np.array(["b"]))
    assert record.bits_of(nameless, record.find(nameless, nameless.labels)).tolist() == [16]


def test_a_record_without_stars_knows_none():
    stars = make_stars()
    record = a_record(stars, [])
    assert record.find(stars, LABELS).tolist() == [-1] * N
    assert record.fold("MASS", np.zeros(2, dtype=int)).tolist() == [-1, -1]
    assert record.fold("MASS", np.full(2, -1)).dtype == np.int16


def test_columns_that_make_no_record_are_refused():
    good = {"identifiers": {"KIC": np.ones(2, np.int64)}, "keys": np.ones(2), "short_keys": np.ones(2)}
    good |= {"spectra": np.zeros(2, np.int64), "bits": np.zeros(2, np.int32), "folds": {"MASS": np.zeros(2, np.int16)}}
    TrainingRecord(**good)
    for name, wrong, said in (
        ("keys", np.ones(3), "length"),
        ("identifiers", {"KIC": np.ones(3, np.int64)}, "length"),
        ("folds", {"MASS": np.ones(1, np.int16)}, "length"),
        ("bits", np.array(["a", "b"]), "not numbers"),
        ("spectra", np.array([True, False]), "not numbers"),
    ):
        with pytest.raises(InputError, match=said):
            TrainingRecord(**good | {name: wrong})
    square = {name: v.reshape(1, 2) for name, v in good.items() if not isinstance(v, dict)}
    with pytest.raises(InputError, match="length"):
        TrainingRecord(**square, identifiers={}, folds={})


# ---- what is reported


def reported(kind="MASS", n_stars=200, logg=2.5, error=0.1, loss="squared", **columns):
    """Report of a network whose out-of-fold masses are high by `error`, or distances by that."""
    labels = np.column_stack([np.full(n_stars, 4800.0), np.broadcast_to(logg, n_stars), np.zeros((n_stars, 3))])
    stars = make_stars(labels, **columns)
    error = np.broadcast_to(np.asarray(error, dtype=float), n_stars)
    target = np.full(n_stars, 2.0)
    distance = kind.startswith("ABS_MAG")
    predicted = target - 5.0 * np.log10(1.0 + error) if distance else target * (1.0 + error)
    network = SimpleNamespace(n_rows_=n_stars, oof_prediction_=predicted, loss=loss, fold_=np.zeros(n_stars))
    return accuracy_of(job(kind, np.arange(n_stars), target=target), network, stars, labels)


@pytest.mark.parametrize("kind", ["MASS", "ABS_MAG", "ABS_MAG_FALLBACK", "MASS_FALLBACK"])
def test_scatter_and_bias_are_of_the_fractional_error(kind):
    error = np.linspace(0.0, 0.2, 201)
    found = reported(kind, 201, error=error)
    assert found.keys() == {"n_stars", "scatter", "bias"}
    assert found["n_stars"] == 201
    assert found["bias"] == pytest.approx(0.1)
    assert found["scatter"] == pytest.approx(1.4826 * 0.05)


def test_regions_are_those_of_log_g_and_need_fifty_stars():
    logg = np.repeat([1.9, 2.0, 3.4, 3.5, 5.0], [50, 30, 30, 25, 25])
    error = np.repeat([0.1, 0.2, 0.2, -0.1, -0.1], [50, 30, 30, 25, 25])
    regions = reported(n_stars=160, logg=logg, error=error)["regions"]
    found = {name: (part["n_stars"], round(part["bias"], 9)) for name, part in regions.items()}
    assert found == {"luminous giants": (50, 0.1), "giants": (60, 0.2), "dwarfs and subgiants": (50, -0.1)}
    regions = reported(n_stars=159, logg=logg[1:], error=error[1:])["regions"]
    assert list(regions) == ["giants", "dwarfs and subgiants"]
    # One region is all of the stars.
    assert "regions" not in reported(n_stars=110, logg=logg[1:111], error=error[1:111])


def test_clusters_have_the_rms_of_their_mean_errors():
    cluster = np.array(["M67"] * 2 + ["NGC 6819"] * 3 + [""] * 195)
    error = np.zeros(200)
    error[:5] = [0.1, 0.3, 0.1, 0.0, 0.2]
    found = reported("ABS_MAG", error=error, CLUSTER=cluster)["regions"]["clusters"]
    assert found == {"n_stars": 5, "n_clusters": 2, "rms": pytest.approx(np.sqrt((0.2**2 + 0.1**2) / 2))}
    assert "regions" not in reported("MASS", error=error, CLUSTER=cluster)


def test_a_network_without_folds_reports_its_number_of_stars():
    network = SimpleNamespace(n_rows_=7, oof_prediction_=None)
    assert accuracy_of(job("MASS", [1]), network, make_stars(), LABELS) == {"n_stars": 7}


def test_the_robust_loss_is_judged_on_the_scale_of_each_source():
    asked = {}

    def predict_out_of_fold(given, fold, source):
        asked.update(given=given, fold=fold, source=source)
        return np.array([1.1, 1.3, 1.2])

    network = SimpleNamespace(
        n_rows_=3, oof_prediction_=np.ones(3), loss="student", fold_="folds", predict_out_of_fold=predict_out_of_fold
    )
    stars = make_stars(MASS_SRC=np.array(list("ABCDEFGHIJKL")), LABEL_SRC=np.array(list("abcdefghijkl")))
    found = accuracy_of(job("MASS", [1, 3, 4], labels=THREE), network, stars, LABELS)
    assert found["bias"] == pytest.approx(0.2)
    np.testing.assert_array_equal(asked["given"], LABELS[[1, 3, 4], :3])
    assert asked["source"].tolist() == ["B", "D", "E"]
    assert asked["fold"] == "folds"
    accuracy_of(job("ABS_MAG", [1, 3, 4]), network, stars, LABELS)
    assert asked["source"].tolist() == ["b", "d", "e"]
