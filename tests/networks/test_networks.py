"""The networks inside: merging, rescaling, exact derivatives, and weights in mini-batches."""

import warnings

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LinearRegression
from sklearn.neural_network import MLPClassifier, MLPRegressor

from skdistmass.exceptions import InputError
from skdistmass.networks.fitting import check_network, train_network
from skdistmass.networks.levenberg_marquardt import LevenbergMarquardtMLPRegressor
from skdistmass.networks.merging import average_networks, network_jacobian, rescale_output

ARCHITECTURES = [(), (5,), (6, 4), (4, 3, 5)]
ACTIVATIONS = ["identity", "tanh", "logistic", "relu"]


def make_network(sizes, activation, seed):
    """A network with random weights; a fit of no consequence sets its attributes."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(20, 3))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        network = MLPRegressor(
            hidden_layer_sizes=sizes, activation=activation, solver="lbfgs", max_iter=2, random_state=seed
        ).fit(X, X[:, 0])
    network.coefs_ = [rng.normal(size=coefs.shape) for coefs in network.coefs_]
    network.intercepts_ = [rng.normal(size=intercepts.shape) for intercepts in network.intercepts_]
    return network


@pytest.mark.parametrize("sizes", ARCHITECTURES)
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_merged_network_is_the_mean(sizes, activation):
    X = np.random.default_rng(0).normal(size=(50, 3))
    networks = [make_network(sizes, activation, seed) for seed in range(3)]
    before = [network.predict(X) for network in networks]
    merged = average_networks(networks)
    assert type(merged) is MLPRegressor
    assert np.allclose(merged.predict(X), np.mean(before, axis=0), rtol=1e-12, atol=1e-12)
    # What it says of itself is what it is, and those it was made of are as they were.
    assert merged.hidden_layer_sizes == tuple(3 * size for size in sizes)
    assert merged.n_layers_ == len(merged.coefs_) + 1
    clone(merged)
    assert all(np.array_equal(network.predict(X), values) for network, values in zip(networks, before, strict=True))


@pytest.mark.parametrize("sizes", ARCHITECTURES)
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_jacobian_agrees_with_finite_differences(sizes, activation):
    network = make_network(sizes, activation, seed=1)
    X = np.random.default_rng(2).normal(size=(40, 3))
    step = 1e-6
    numeric = np.column_stack(
        [(network.predict(X + shift) - network.predict(X - shift)) / (2 * step) for shift in step * np.eye(3)]
    )
    jacobian = network_jacobian(network, X)
    assert jacobian.shape == X.shape
    assert np.abs(numeric).max() > 0.01
    # At the kink of a ReLU a difference is no derivative; with random weights no row is that near to one.
    assert np.allclose(jacobian, numeric, atol=1e-7, rtol=1e-6)


def test_jacobian_of_a_merged_network():
    networks = [make_network((6, 4), "tanh", seed) for seed in range(3)]
    X = np.random.default_rng(0).normal(size=(30, 3))
    expected = np.mean([network_jacobian(network, X) for network in networks], axis=0)
    assert np.allclose(network_jacobian(average_networks(networks), X), expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("sizes", ARCHITECTURES)
def test_rescaling_is_folded_into_the_last_layer(sizes):
    network = make_network(sizes, "tanh", seed=0)
    X = np.random.default_rng(0).normal(size=(30, 3))
    before = network.predict(X)
    assert np.allclose(rescale_output(network, 3.0, -7.0).predict(X), 3.0 * before - 7.0)


# ---- training


def weighted_coin(n_rows=2000):
    """Rows of one kind; a hundredth of them weigh 1000 and have another target. The weighted mean is 0.91."""
    rng = np.random.default_rng(0)
    heavy = np.zeros(n_rows, dtype=bool)
    heavy[rng.choice(n_rows, n_rows // 100, replace=False)] = True
    weights = np.where(heavy, 1000.0, 1.0)
    return np.zeros((n_rows, 1)), heavy.astype(float), weights / weights.mean()


@pytest.mark.slow
@pytest.mark.parametrize("solver", ["adam", "sgd"])
@pytest.mark.parametrize("batch_size", [8, 32])
def test_weights_count_in_full_in_mini_batches(solver, batch_size):
    X, y, weights = weighted_coin()
    expected = np.average(y, weights=weights)
    assert expected == pytest.approx(0.91, abs=0.001)
    network = MLPRegressor(
        hidden_layer_sizes=(),
        activation="identity",
        solver=solver,
        alpha=0.0,
        batch_size=batch_size,
        learning_rate_init={"adam": 0.001, "sgd": 0.0001}[solver],
        max_iter=30,
        tol=0,
        random_state=0,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        trained = train_network(network, X, y, weights, n_distinct=2, random_state=0)
        plain = clone(network).fit(X, y, sample_weight=weights)
    assert type(trained) is MLPRegressor
    assert trained.predict([[0.0]])[0] == pytest.approx(expected, abs=0.06)
    # scikit-learn alone is far off. When it no longer is, the correction can go.
    assert plain.predict([[0.0]])[0] < 0.6


@pytest.mark.parametrize("solver", ["lbfgs", "adam", "sgd", "lm"])
def test_every_solver_gives_a_plain_network(solver):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(300, 2))
    y = X @ [1.0, -2.0]
    linear = {"hidden_layer_sizes": (), "activation": "identity", "alpha": 0.0, "max_iter": 300, "tol": 1e-4}
    if solver == "lm":
        network = LevenbergMarquardtMLPRegressor(**linear)
    else:
        network = MLPRegressor(solver=solver, batch_size=32, learning_rate_init=0.01, **linear)
    trained = train_network(network, X, y, np.ones(300), n_distinct=300, random_state=0)
    assert type(trained) is MLPRegressor
    assert not {"_optimizer", "_random_state"} & set(vars(trained))
    assert np.allclose(trained.predict(X), y, atol=0.05)
    assert not hasattr(network, "coefs_")


@pytest.mark.parametrize("early_stopping", [False, True])
def test_a_batch_larger_than_the_rows_is_all_rows(early_stopping):
    X = np.random.default_rng(0).normal(size=(30, 2))
    network = MLPRegressor(batch_size=32, early_stopping=early_stopping, tol=1e-3, max_iter=2000)
    trained = train_network(network, X, X[:, 0], np.ones(30), n_distinct=30, random_state=0)
    assert np.isfinite(trained.predict(X)).all()


def test_networks_that_can_not_be_used_are_refused():
    with pytest.raises(InputError, match="early_stopping=True has no effect with solver='lbfgs'"):
        check_network(MLPRegressor(solver="lbfgs", early_stopping=True))
    with pytest.raises(InputError, match="network is LinearRegression"):
        check_network(LinearRegression())
    with pytest.raises(InputError, match=r"network is MLPClassifier"):
        check_network(MLPClassifier())

    class Mine(MLPRegressor):
        """A subclass may compute anything: its weights can't be merged and exported as those of an MLPRegressor."""

    with pytest.raises(InputError, match=r"network is Mine"):
        check_network(Mine())
    with pytest.raises(ValueError, match="The 'alpha' parameter"):
        check_network(LevenbergMarquardtMLPRegressor(alpha="much"))


@pytest.mark.skipif("loss" not in MLPRegressor().get_params(), reason="scikit-learn has one loss only before 1.7")
def test_only_the_squared_error_is_taken():
    with pytest.raises(InputError, match="loss='poisson'"):
        check_network(MLPRegressor(loss="poisson"))
