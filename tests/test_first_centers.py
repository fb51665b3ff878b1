"""What k-means and dictionary learning start from: what ``fit`` finds, or nothing."""

import warnings

import numpy as np
import pytest
from helpers import in_file_order, state_of
from scipy import sparse
from sklearn.base import clone
from sklearn.cluster import MiniBatchKMeans, kmeans_plusplus
from sklearn.decomposition import MiniBatchDictionaryLearning

from skmmap import ChunkedFit
from skmmap.estimators import first_centers as module
from skmmap.estimators.first_centers import (
    draw_centers,
    draw_dictionary,
    draws_centers,
    draws_dictionary,
)

N_BLOBS = 8
RNG = np.random.default_rng(0)
MEANS = 30 * RNG.normal(size=(N_BLOBS, 3))
BLOBS = np.repeat(MEANS, 60, axis=0) + RNG.normal(size=(480, 3))  # one after the other


def inertia(centers, rows=BLOBS) -> float:
    return float(((rows[:, None] - centers) ** 2).sum(axis=2).min(axis=1).sum())


def is_row_of(center, rows=BLOBS) -> bool:
    return bool((rows == center).all(axis=1).any())


# --- Whether ------------------------------------------------------------------------


def test_centers_are_drawn_where_fit_draws_them():
    for init in ("k-means++", "random"):
        assert draws_centers(MiniBatchKMeans(3, init=init))
    given = BLOBS[:3], BLOBS[:3].tolist(), lambda X, k, random_state: X[:k], "middle"
    for init in given:
        assert not draws_centers(MiniBatchKMeans(3, init=init))


@pytest.mark.parametrize("name", ["n_clusters", "batch_size", "init_size"])
@pytest.mark.parametrize("value", ["a", -1, 2.5])
def test_what_the_estimator_refuses_is_left_to_it(name, value):
    model = MiniBatchKMeans(**{name: value})
    assert not draws_centers(model)
    with pytest.raises(ValueError, match=rf"The '{name}' parameter of MiniBatchKMeans"):
        ChunkedFit(model, max_epochs=1, shuffle="blocks", chunk_size=100).fit(BLOBS)


# --- How good -----------------------------------------------------------------------


@pytest.mark.parametrize("make", [np.asarray, sparse.csr_array, sparse.csr_matrix])
@pytest.mark.parametrize("init", ["k-means++", "random"])
def test_centers_are_rows(make, init):
    model = MiniBatchKMeans(N_BLOBS, init=init)
    centers = draw_centers(model, make(BLOBS), 0)
    assert type(centers) is np.ndarray
    assert centers.shape == (N_BLOBS, 3)
    assert all(map(is_row_of, centers))
    assert len(np.unique(centers, axis=0)) == N_BLOBS
    np.testing.assert_allclose(centers, draw_centers(model, BLOBS, 0))


def test_centers_keep_single_precision():
    for init in ("k-means++", "random"):
        model = MiniBatchKMeans(N_BLOBS, init=init)
        assert draw_centers(model, BLOBS.astype(np.float32), 0).dtype == np.float32


def test_seeds_repeat_centers():
    for init in ("k-means++", "random"):
        model = MiniBatchKMeans(N_BLOBS, init=init)
        first, again, other = (draw_centers(model, BLOBS, seed) for seed in (3, 3, 4))
        np.testing.assert_array_equal(first, again)
        assert not np.array_equal(first, other)


def test_centers_are_as_good_as_those_of_k_means_plus_plus():
    """And better than random ones, of which a third of the blobs has none."""
    drawn, plus_plus, at_random = [], [], []
    for seed in range(9):
        model = MiniBatchKMeans(N_BLOBS)
        drawn.append(inertia(draw_centers(model, BLOBS, seed)))
        centers, _ = kmeans_plusplus(BLOBS, N_BLOBS, random_state=100 + seed)
        plus_plus.append(inertia(centers))
        rows = np.random.default_rng(seed).permutation(480)[:N_BLOBS]
        at_random.append(inertia(BLOBS[rows]))
    assert np.median(drawn) < 1.5 * np.median(plus_plus)
    assert 3 * np.median(drawn) < np.median(at_random)


def test_random_centers_are_random():
    """As many of a blob as it has rows, on average."""
    model = MiniBatchKMeans(N_BLOBS, init="random", n_init=1)
    counts = np.zeros(N_BLOBS)
    for seed in range(50):
        centers = draw_centers(model, BLOBS, seed)
        blobs = np.linalg.norm(centers[:, None] - MEANS, axis=2).argmin(axis=1)
        counts += np.bincount(blobs, minlength=N_BLOBS)
    assert counts.sum() == 50 * N_BLOBS
    assert 25 < counts.min() <= counts.max() < 75


@pytest.mark.parametrize(
    ("init", "n_init", "n_tries"),
    [
        ("k-means++", "auto", 1),
        ("random", "auto", 3),
        ("k-means++", 4, 4),
        ("random", 5, 5),
        ("random", 1, 1),
    ],
)
def test_the_best_of_so_many_tries_is_taken(init, n_init, n_tries, monkeypatch):
    """As many as ``fit`` makes."""
    tries = []

    def draw(*args, _draw=module._draw):
        tries.append(_draw(*args))
        return tries[-1]

    monkeypatch.setattr(module, "_draw", draw)
    model = MiniBatchKMeans(N_BLOBS, init=init, n_init=n_init, batch_size=1_000)
    centers = draw_centers(model, BLOBS, 0)
    assert len(tries) == n_tries
    model._check_params_vs_input(BLOBS)
    assert model._n_init == n_tries
    assert inertia(centers) == min(map(inertia, tries))
    assert len({inertia(tried) for tried in tries}) == n_tries


@pytest.mark.parametrize(
    ("params", "size"),
    [
        ({"batch_size": 20}, 60),
        ({"init_size": 25}, 25),
        pytest.param({"init_size": 5}, 3 * N_BLOBS),
        pytest.param({"batch_size": 2}, 3 * N_BLOBS),
        ({"batch_size": 1_000}, 480),
        ({"init_size": 10_000}, 480),
    ],
)
def test_centers_are_drawn_from_as_many_rows_as_fit_takes(params, size, monkeypatch):
    """Rows from anywhere, none of them twice."""
    seen = []

    original = module._draw

    def draw(estimator, X, random_state, weights):
        seen.append(X)
        return original(estimator, X, random_state, weights)

    monkeypatch.setattr(module, "_draw", draw)
    model = MiniBatchKMeans(N_BLOBS, n_init=2, **params)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "init_size=5 should be larger")
        model._check_params_vs_input(BLOBS)
    assert model._init_size == size
    draw_centers(model, BLOBS, 0)
    first, second = seen
    for rows in seen:
        assert rows.shape == (size, 3)
        assert len(np.unique(rows, axis=0)) == size
    assert not np.array_equal(first, second)


def test_too_few_rows_have_no_centers():
    model = MiniBatchKMeans(N_BLOBS, random_state=0)
    assert draw_centers(model, BLOBS[: N_BLOBS - 1], 0) is None
    rows = BLOBS[:N_BLOBS]
    centers = draw_centers(model, rows, 0)
    np.testing.assert_array_equal(np.unique(centers, axis=0), np.unique(rows, axis=0))
    with pytest.raises(ValueError, match="n_samples=7 should be >= n_clusters=8"):
        ChunkedFit(model).fit(BLOBS[: N_BLOBS - 1])


# --- In a fit -----------------------------------------------------------------------


class Spy(MiniBatchKMeans):
    """Remembers with which parameters it learned."""

    def partial_fit(self, X, y=None, sample_weight=None):
        self.was_ = self.get_params()
        return super().partial_fit(X, y, sample_weight)


def test_a_sorted_file_has_centers_in_all_its_parts():
    """And they are the estimator's no longer than it learns."""
    model = Spy(N_BLOBS, random_state=0, batch_size=60, n_init=3)
    for rows in (BLOBS, sparse.csr_array(BLOBS), BLOBS.reshape(480, 1, 3)):
        wrapper = ChunkedFit(model).fit(rows)
        was = wrapper.estimator_.was_
        assert was["n_init"] == 1
        assert all(map(is_row_of, was["init"]))
        assert 10 * inertia(was["init"]) < inertia(BLOBS[:N_BLOBS])
        assert wrapper.estimator_.get_params() == model.get_params()
        assert (wrapper.estimator_.init, wrapper.estimator_.n_init) == ("k-means++", 3)


def test_centers_that_were_given_are_left_alone():
    def first_rows(X, n_clusters, random_state):
        return X[:n_clusters]

    for init in (BLOBS[::60], first_rows):
        model = Spy(N_BLOBS, random_state=0, batch_size=60, init=init, n_init=1)
        wrapper = ChunkedFit(model).fit(BLOBS)
        assert wrapper.estimator_.was_["n_init"] == 1
        was = wrapper.estimator_.was_["init"]
        if callable(init):
            assert was is init
        else:
            np.testing.assert_array_equal(was, init)


def test_passes_by_hand_look_at_no_row_before_its_turn():
    """A number of epochs in file order is the loop that one writes oneself."""
    model = Spy(N_BLOBS, random_state=0, max_iter=2)
    loop = ChunkedFit(model, chunk_size=60, max_epochs=1, shuffle=False).fit(BLOBS)
    assert loop.estimator_.was_["init"] == "k-means++"
    by_hand = clone(model)
    for rows in np.split(BLOBS, 8):
        by_hand.partial_fit(rows)
    assert state_of(loop.cluster_centers_) == state_of(by_hand.cluster_centers_)
    for given in ({"max_epochs": "auto"}, {"shuffle": True}):
        params = {"max_epochs": 1, "shuffle": False, "chunk_size": 60} | given
        wrapper = ChunkedFit(model, **params).fit(BLOBS)
        assert isinstance(wrapper.estimator_.was_["init"], np.ndarray)


def test_rows_that_have_no_centers_are_named_by_training():
    bad = BLOBS.copy()
    bad[123, 1] = np.nan
    with pytest.raises(ValueError, match="contains NaN") as caught:
        ChunkedFit(MiniBatchKMeans(3, random_state=0), chunk_size=50).fit(bad)
    (note,) = caught.value.__notes__
    assert note.endswith("row 123")


def weigh_nothing():
    """Return blobs, rows far away, and weights of which the latter have none."""
    far = 1e4 * (1 + np.arange(30.0))[:, None] * np.ones(3)
    return np.concatenate([BLOBS, far]), np.repeat([1.0, 0.0], [480, 30])


def test_rows_without_weight_are_no_centers():
    rows, weights = weigh_nothing()
    model = Spy(N_BLOBS, random_state=0, batch_size=60, max_iter=2)
    wrapper = ChunkedFit(model).fit(rows, sample_weight=weights)
    assert np.abs(wrapper.estimator_.was_["init"]).max() < 1e3


# --- The first dictionary -------------------------------------------------------------


def test_a_dictionary_is_learned_as_by_fit():
    """The same batches from the same start: the same result, whatever lies first."""
    rows = (
        np.random.default_rng(0).normal(size=(300, 6))
        * np.linspace(0.1, 3, 300)[:, None]
    )
    model = MiniBatchDictionaryLearning(
        4, batch_size=20, max_iter=1, shuffle=False, random_state=0
    )
    by_fit = clone(model).fit(rows).components_
    wrapper = ChunkedFit(model).fit(rows)
    np.testing.assert_allclose(wrapper.components_, by_fit, rtol=1e-10)
    assert wrapper.estimator_.dict_init is None
    by_hand = in_file_order(model, chunk_size=20).fit(rows).components_
    assert not np.allclose(by_hand, by_fit, rtol=0.01)


def test_a_dictionary_of_the_users_own_is_taken():
    rows, given = np.random.default_rng(0).normal(size=(90, 4)), np.eye(3, 4)
    model = MiniBatchDictionaryLearning(
        3, dict_init=given, max_iter=1, batch_size=90, shuffle=False, random_state=0
    )
    expected = clone(model).fit(rows).components_
    np.testing.assert_allclose(ChunkedFit(model).fit(rows).components_, expected)
    assert not draws_dictionary(model)
    assert not draws_dictionary(MiniBatchDictionaryLearning("many"))
    assert draws_dictionary(MiniBatchDictionaryLearning())


def test_a_sample_starts_on_the_scale_of_all_rows():
    rows = np.random.default_rng(0).normal(size=(4_000, 3)) * [1, 2, 4]
    model = MiniBatchDictionaryLearning(2)
    whole, part = (draw_dictionary(model, X, 0, 4_000) for X in (rows, rows[:1_000]))
    np.testing.assert_allclose(np.abs(part), np.abs(whole), atol=25)
    assert np.linalg.norm(whole[0]) == pytest.approx(4 * np.sqrt(4_000), rel=0.1)
