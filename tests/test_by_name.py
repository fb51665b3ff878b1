"""Methods that few estimators have: by their names, or added up."""

import inspect

import numpy as np
import pytest
from helpers import name_of, partial_fit_estimators, raises
from joblib import parallel_config
from scipy import sparse
from sklearn import config_context
from sklearn.base import BaseEstimator
from sklearn.cluster import Birch
from sklearn.decomposition import IncrementalPCA, LatentDirichletAllocation
from sklearn.ensemble import GradientBoostingRegressor, RandomForestRegressor
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.naive_bayes import GaussianNB
from sklearn.neural_network import BernoulliRBM
from sklearn.preprocessing import StandardScaler

from skmmap import ChunkedFit, open_rows
from skmmap.methods.base import BY_ROW
from skmmap.wrap.delegation import takes_rows

X = np.random.default_rng(0).random((50, 4))
WORDS = np.random.default_rng(0).poisson(1.0, size=(50, 7))
Y = np.arange(50) % 3

INSTEAD = (
    " Only results by row can be joined. Call the method of model.estimator_ on rows "
    "that fit in memory."
)

# Methods that take rows, and what becomes of them: there, or by apply_method.
BY_NAME = {"gibbs", "predict_joint_log_proba"}
THERE = {
    *BY_ROW,
    "score",
    "perplexity",
    "fit",
    "partial_fit",
    "fit_predict",
    "fit_transform",
}


def test_methods_that_take_rows_are_all_known():
    by_name = set()
    for estimator in partial_fit_estimators():
        kind = type(estimator)
        methods = [n for n in dir(kind) if n[0] != "_" and takes_rows(getattr(kind, n))]
        found = {name for name in methods if hasattr(estimator, name)}
        left = found - THERE - {"decode"}  # which takes one text
        assert left <= BY_NAME, name_of(estimator)
        by_name |= left
    assert by_name == BY_NAME


@pytest.mark.parametrize("n_jobs", [None, 2])
def test_a_method_by_its_name(tmp_path, n_jobs):
    model = ChunkedFit(GaussianNB(), chunk_size=7, n_jobs=n_jobs).fit(X, Y)
    expected = model.estimator_.predict_joint_log_proba(X)
    got = model.apply_method("predict_joint_log_proba", X)
    np.testing.assert_allclose(got, expected, rtol=1e-12)
    np.save(tmp_path / "X.npy", X)
    out = tmp_path / "jll.npy"
    written = model.apply_method(
        "predict_joint_log_proba", tmp_path / "X.npy", out=out, resume=True
    )
    np.testing.assert_array_equal(written, got)
    np.testing.assert_array_equal(np.load(out), got)
    some = open_rows(tmp_path / "X.npy")[::-3]
    got = model.apply_method("predict_joint_log_proba", some)
    np.testing.assert_allclose(got, expected[::-3], rtol=1e-12)


def test_known_methods_by_their_names():
    model = ChunkedFit(StandardScaler(), chunk_size=7).fit(X)
    got = model.apply_method("transform", X, copy=True)
    np.testing.assert_array_equal(got, model.transform(X))


def test_gibbs_draws_for_each_row():
    model = ChunkedFit(BernoulliRBM(4, n_iter=1, random_state=0), chunk_size=7).fit(X)
    drawn = model.apply_method("gibbs", X)
    assert drawn.shape == X.shape
    assert drawn.dtype == bool


@pytest.mark.parametrize("estimator", [RandomForestRegressor(5, random_state=0)])
def test_of_a_trained_estimator(estimator):
    model = ChunkedFit(estimator.fit(X, Y), chunk_size=7)
    leaves = model.apply_method("apply", X)
    np.testing.assert_array_equal(leaves, estimator.apply(X))


class Odd(BaseEstimator):
    """Has a method for everything that a method can return."""

    number = 3

    def partial_fit(self, X, y=None):
        self.fitted_ = True
        return self

    def weigh(self, X, weight, power=1):
        return X[:, 0] * weight**power

    def both(self, X):
        return X[:, 0], X[:, 1:]

    def count(self, X):
        return 7

    def nothing(self, X):
        return None

    def named(self, X):
        return {"X": X}

    def path(self, X):
        """As decision_path of forests."""
        return sparse.csr_array(X), np.arange(3)

    def sparse_and_dense(self, X):
        return sparse.csr_array(X), X

    def words(self, X):
        return [np.arange(int(row[0] * 9)) for row in X]

    def lists(self, X):
        return [list(range(int(row[0] * 9))) for row in X]

    def first(self, X):
        return X[:1]

    def staged(self, X):
        yield X

    def anything(self, X, **params):
        return np.full(len(X), params["a"])


@pytest.fixture
def odd():
    return ChunkedFit(Odd(), chunk_size=7).fit(X)


def test_parameters_go_by_row_or_whole(odd):
    weight = np.arange(50.0)
    expected = X[:, 0] * weight**2
    with config_context(enable_metadata_routing=True):
        routed = odd.apply_method("weigh", X, weight=weight, power=2)
    np.testing.assert_array_equal(routed, expected)
    got = odd.apply_method("weigh", X, weight=weight, power=2)
    np.testing.assert_array_equal(got, expected)
    assert odd.apply_method("anything", X, a=3).tolist() == [3] * 50


def test_a_tuple_of_results(odd):
    first, others = odd.apply_method("both", X)
    np.testing.assert_array_equal(first, X[:, 0])
    np.testing.assert_array_equal(others, X[:, 1:])
    # Two rows are no two results.
    first, _ = odd.apply_method("both", X[:2])
    np.testing.assert_array_equal(first, X[:2, 0])


def test_a_tuple_of_sparse_and_dense_results(odd):
    first, second = odd.apply_method("sparse_and_dense", X)
    np.testing.assert_array_equal(first.toarray(), X)
    np.testing.assert_array_equal(second, X)


@pytest.mark.parametrize("n_jobs", [None, 2])
@pytest.mark.parametrize("name", ["words", "lists"])
def test_a_list_with_an_item_for_each_row(odd, name, n_jobs, tmp_path):
    odd.set_params(n_jobs=n_jobs)
    expected = getattr(Odd(), name)(X)
    with parallel_config(backend="threading"):
        got = odd.apply_method(name, X)
        turned = odd.apply_method(name, open_rows(X)[::-1])
    assert list(map(list, got)) == list(map(list, expected))
    assert {type(row) for row in got} == {type(expected[0])}
    assert list(map(list, turned)) == list(map(list, expected[::-1]))
    text = (
        "The result is a list with an item of its own length for each row, and out "
        "takes arrays. Leave out=None."
    )
    with raises(TypeError, text):
        odd.apply_method(name, X, out=tmp_path / "words.npy")


def test_words_of_texts():
    texts = ["good day", "bad day", "day", "good good night"] * 5
    words = CountVectorizer().fit(texts)
    counts = words.transform(texts)
    got = ChunkedFit(words, chunk_size=7).inverse_transform(counts)
    assert list(map(list, got)) == list(map(list, words.inverse_transform(counts)))


def test_the_path_through_a_forest_has_no_row_for_each():
    forest = RandomForestRegressor(3, random_state=0).fit(X, Y)
    with pytest.raises(ValueError, match="As item 1, the estimator returned 4 rows"):
        ChunkedFit(forest, chunk_size=20).apply_method("decision_path", X)


def test_numbers_of_all_rows_are_added_up():
    model = ChunkedFit(GaussianNB(), chunk_size=7).fit(X, Y)
    assert model.apply_method("score", X, y=Y) == model.score(X, Y)
    topics = LatentDirichletAllocation(2, max_iter=1, random_state=0)
    topics = ChunkedFit(topics, chunk_size=20).fit(WORDS)
    assert topics.apply_method("perplexity", WORDS) == topics.perplexity(WORDS)
    for how in {"out": "y.npy"}, {"resume": True}:
        text = (
            "score is one number for all rows, not written to files. Leave out=None "
            "and resume=False."
        )
        with raises(ValueError, text):
            model.apply_method("score", X, y=Y, **how)


@pytest.mark.parametrize(
    ("name", "error", "text"),
    [
        (
            3,
            TypeError,
            "apply_method needs the name of a method, such as 'predict'; got 3.",
        ),
        ("gibbs", AttributeError, "Odd has no method 'gibbs' to be called with rows."),
        (
            "number",
            AttributeError,
            "Odd has no method 'number' to be called with rows.",
        ),
        (
            "_get_tags",
            AttributeError,
            "Odd has no method '_get_tags' to be called with rows.",
        ),
        (
            "partial_fit",
            ValueError,
            "apply_method leaves the estimator as it is; call model.partial_fit.",
        ),
        (
            "set_params",
            ValueError,
            "apply_method leaves the estimator as it is; call model.set_params.",
        ),
        (
            "count",
            ValueError,
            "The estimator returned a single number for rows 0 to 6, which are 7."
            + INSTEAD,
        ),
        (
            "nothing",
            ValueError,
            "The estimator returned None for rows 0 to 6, which are 7." + INSTEAD,
        ),
        (
            "named",
            ValueError,
            "The estimator returned one dict for rows 0 to 6, which are 7." + INSTEAD,
        ),
        (
            "path",
            ValueError,
            "As item 1, the estimator returned 3 rows for rows 0 to 6, which are 7."
            + INSTEAD,
        ),
        (
            "first",
            ValueError,
            "The estimator returned 1 row for rows 0 to 6, which are 7." + INSTEAD,
        ),
        (
            "staged",
            TypeError,
            "The estimator returned a generator for rows 0 to 6, whose items cannot be "
            "joined. Call the method of model.estimator_ on rows that fit in memory.",
        ),
    ],
)
def test_what_cannot_be_called_by_chunks(odd, name, error, text):
    with raises(error, text):
        odd.apply_method(name, X)


def test_a_parameter_that_the_method_has_not(odd):
    text = "weigh got wait, and Odd.weigh has no such parameter."
    with raises(TypeError, text):
        odd.apply_method("weigh", X, wait=1)


def test_a_tuple_goes_to_no_file(odd, tmp_path):
    text = (
        "The result is a tuple of several outputs, and out takes arrays. Leave "
        "out=None."
    )
    with raises(TypeError, text):
        odd.apply_method("both", X, out=tmp_path / "both.npy")


def test_staged_predictions_are_refused():
    boosting = GradientBoostingRegressor(n_estimators=2).fit(X, Y)
    with pytest.raises(TypeError, match="returned a generator for rows 0 to 6"):
        ChunkedFit(boosting, chunk_size=7).apply_method("staged_predict", X)


def test_nothing_is_called_before_fit():
    with pytest.raises(ValueError, match="not fitted"):
        ChunkedFit(Odd()).apply_method("weigh", X)


@pytest.mark.parametrize("sub_sampling", [False, True])
@pytest.mark.parametrize("n_jobs", [None, 1])
@pytest.mark.parametrize("kind", [np.asarray, sparse.csr_matrix, np.ndarray.tolist])
def test_perplexity(kind, n_jobs, sub_sampling):
    model = LatentDirichletAllocation(
        3, max_iter=2, random_state=0, total_samples=120, learning_method="online"
    )
    model = ChunkedFit(model, chunk_size=8, n_jobs=n_jobs).fit(WORDS)
    rows = kind(WORDS)
    expected = model.estimator_.perplexity(rows, sub_sampling)
    got = model.perplexity(rows, sub_sampling=sub_sampling)
    assert got == pytest.approx(expected, rel=1e-12)
    other = model.estimator_.perplexity(rows, not sub_sampling)
    assert got != pytest.approx(other, rel=1e-6)
    assert "sub_sampling" in inspect.signature(model.perplexity).parameters


class OtherPerplexity(LatentDirichletAllocation):
    """Counts it by a rule of its own."""

    def perplexity(self, X, sub_sampling=False):
        return 0.0


def test_perplexity_is_only_that_of_scikit_learn():
    assert hasattr(ChunkedFit(LatentDirichletAllocation()), "perplexity")
    assert not hasattr(ChunkedFit(OtherPerplexity()), "perplexity")
    assert not hasattr(ChunkedFit(GaussianNB()), "perplexity")
    model = ChunkedFit(OtherPerplexity(2, max_iter=1)).fit(WORDS)
    with pytest.raises(AttributeError, match="perplexity"):
        model.perplexity  # noqa: B018
    assert hasattr(ChunkedFit, "perplexity")


@pytest.mark.parametrize("method", ["transform", "predict"])
def test_what_fits_and_applies_at_once_takes_out(tmp_path, method):
    estimator = IncrementalPCA(2) if method == "transform" else Birch(n_clusters=None)
    model = ChunkedFit(estimator, chunk_size=10)
    path = tmp_path / "out.npy"
    got = getattr(model, f"fit_{method}")(X, out=path)
    np.testing.assert_array_equal(got, getattr(model, method)(X))
    np.testing.assert_array_equal(np.load(path), got)
    filled = np.empty_like(got)
    assert getattr(model, f"fit_{method}")(X, out=filled) is filled
    np.testing.assert_array_equal(filled, got)
    assert isinstance(
        getattr(model, f"fit_{method}")(X, out=path, resume=True), np.ndarray
    )
