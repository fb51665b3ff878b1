"""Estimators that are trained on parts of the rows and added up, as if on all."""

import joblib
import numpy as np
import pytest
from helpers import (
    EXHAUSTIVE,
    Listener,
    combine,
    in_file_order,
    needs_sklearn_1_9,
    raises,
)
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy import sparse
from sklearn.base import BaseEstimator, clone
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import SGDClassifier
from sklearn.naive_bayes import (
    BernoulliNB,
    CategoricalNB,
    ComplementNB,
    GaussianNB,
    MultinomialNB,
)
from sklearn.preprocessing import MaxAbsScaler, MinMaxScaler, StandardScaler

from skmmap import ChunkedFit, merge, open_rows

N_ROWS = 900
RNG = np.random.default_rng(0)
COUNTS = RNG.poisson(1.5, (N_ROWS, 5)).astype(float)
REAL = RNG.standard_normal((N_ROWS, 5)) * [1, 10, 0.1, 1e-3, 1] + [0, 5, -3, 1, 0]
REAL[:, 4] = 7.25  # a column that never varies
Y = RNG.integers(0, 3, N_ROWS)
Y[:500] %= 2  # the third class comes late: parts of the file lack it
WEIGHTS = RNG.integers(0, 4, N_ROWS) / 2.0
WEIGHTS[100:200] = 0  # whole chunks that do not count
MISSING = np.where(RNG.random(REAL.shape) < 0.1, np.nan, REAL)

BAYES = [
    (GaussianNB(), REAL),
    (GaussianNB(var_smoothing=1e-2), REAL),
    (GaussianNB(priors=[0.2, 0.3, 0.5]), REAL),
    (MultinomialNB(), COUNTS),
    (MultinomialNB(alpha=0.5, fit_prior=False), COUNTS),
    (MultinomialNB(class_prior=[0.2, 0.3, 0.5]), COUNTS),
    (MultinomialNB(), sparse.csr_array(COUNTS)),
    (ComplementNB(norm=True), COUNTS),
    (BernoulliNB(binarize=1.0), COUNTS),
    (CategoricalNB(), np.sort(COUNTS, axis=0)),  # of which each part has seen others
    (CategoricalNB(min_categories=20), COUNTS),
]
SCALERS = [
    (StandardScaler(), REAL),
    (StandardScaler(), MISSING),
    (StandardScaler(with_std=False), REAL),
    (StandardScaler(with_mean=False), REAL),
    (StandardScaler(with_mean=False), sparse.csr_array(COUNTS)),
    (StandardScaler(with_mean=False, with_std=False), MISSING),
    (MinMaxScaler(), REAL),
    (MinMaxScaler((-1, 3)), MISSING),
    (MinMaxScaler(), REAL.astype(np.float32)),
    (MaxAbsScaler(), REAL),
    (MaxAbsScaler(), sparse.csr_array(COUNTS)),
    (MaxAbsScaler(), MISSING),
]
CASES = BAYES + SCALERS


@pytest.fixture(autouse=True)
def _nothing_left(workers_started, nothing_left_open):
    """Every test ends with the files and threads that it began with."""


def assert_same_learned(model, expected, tolerance=1e-12):
    """Counts are the same bits; what is divided or rooted differs by its last."""
    assert vars(model).keys() == vars(expected).keys()
    for name, value in vars(expected).items():
        if not name.endswith("_"):
            continue
        found = vars(model)[name]
        if isinstance(value, list):
            assert len(found) == len(value)
        for one, other in (
            zip(found, value, strict=True)
            if isinstance(value, list)
            else [(found, value)]
        ):
            if value is None:
                assert found is None, name
                continue
            assert np.asarray(one).dtype == np.asarray(other).dtype, name
            assert np.shape(one) == np.shape(other), name
            limit = tolerance * np.nanmax(np.abs(other)) if name in MEANS else 0
            # Of the column that never varies, what rounding leaves of its mean.
            limit = (N_ROWS * 7.25 * EPS) ** 2 if name == "var_" else limit
            np.testing.assert_allclose(one, other, tolerance, limit, err_msg=name)


EPS = np.finfo(float).eps
# They may be close to zero beside the values of which they are.
MEANS = {"theta_", "mean_", "feature_log_prob_", "class_log_prior_"}


def fit_in_two(model, X, split, y=None, weights=None):
    """Return what is merged of both parts, and what is learned of one by one."""
    parts = [slice(None, split), slice(split, None)]
    fits = []
    together = clone(model)
    for rows in parts:
        given = {} if y is None else {"y": y[rows], "classes": np.unique(y)}
        if weights is not None:
            given["sample_weight"] = weights[rows]
        fits.append(clone(model).partial_fit(X[rows], **given))
        together.partial_fit(X[rows], **given)
    return merge(*fits), together


@pytest.mark.parametrize(
    ("case", "weighted"), combine(range(len(CASES)), [False, True], together=1)
)
def test_two_parts_are_as_one_after_the_other(case, weighted):
    model, X = CASES[case]
    y = Y[: X.shape[0]] if hasattr(model, "predict") else None
    takes_weights = not isinstance(model, MinMaxScaler | MaxAbsScaler)
    weights = WEIGHTS[: X.shape[0]] if weighted and takes_weights else None
    for split in (40, 300, 599):
        merged, expected = fit_in_two(model, X, split, y, weights)
        assert_same_learned(merged, expected)


@pytest.mark.parametrize(
    ("case", "way"),
    # 40: there are chunks without any weight, or without a class.
    combine(
        range(len(CASES)),
        [(40, True), (200, False)] + EXHAUSTIVE * [(40, False), (200, True)],
        together=1,
    ),
)
def test_fit_is_that_of_one_core(case, way, tmp_path):
    (model, X), (chunk_size, weighted) = CASES[case], way
    y = Y[: X.shape[0]] if hasattr(model, "predict") else None
    takes_weights = not isinstance(model, MinMaxScaler | MaxAbsScaler)
    params = {"sample_weight": WEIGHTS[: X.shape[0]]}
    params = params if weighted and takes_weights else {}
    if not sparse.issparse(X):
        np.save(tmp_path / "X.npy", X)
        X = tmp_path / "X.npy"
    one = in_file_order(model, chunk_size=chunk_size).fit(X, y, **params)
    two = in_file_order(model, chunk_size=chunk_size, n_jobs=2).fit(X, y, **params)
    assert_same_learned(two.estimator_, one.estimator_)
    assert two.n_epochs_ == 1
    assert two.chunk_size_ == chunk_size
    assert two.history_["rows"] == one.history_["rows"]
    if y is not None:
        np.testing.assert_array_equal(two.predict(X), one.predict(X))


in_spite_of_nan = pytest.mark.filterwarnings("ignore:invalid value:RuntimeWarning")


@in_spite_of_nan
@pytest.mark.parametrize(
    ("missing", "weighted"),
    combine(
        [
            *((0, 20), (0, 25), (0, 100), (20, 40)),
            *((40, 80), (200, 205), (400, 900), (0, 900)),
        ],
        [True, False],
        together=1,
    ),
)
def test_columns_of_which_whole_chunks_are_missing(missing, weighted, tmp_path):
    """What partial_fit makes of these depends on what came before."""
    X, path = REAL.copy(), tmp_path / "X.npy"
    X[slice(*missing), 1] = np.nan
    np.save(path, X)
    params = {"sample_weight": WEIGHTS} if weighted else {}
    fits = [
        in_file_order(StandardScaler(), chunk_size=20, n_jobs=n_jobs)
        .fit(path, **params)
        .estimator_
        for n_jobs in (2, 1)
    ]
    assert_same_learned(*fits)
    for split in (300, 450):
        parts = [clone(fits[0]).partial_fit(rows) for rows in np.split(X, [split])]
        assert_same_learned(merge(*parts), clone(fits[0]).fit(X))


@in_spite_of_nan
def test_images_of_missing_values(tmp_path):
    """Rows that are learned in turn come in the layout that is known by then."""
    X, path = REAL.copy(), tmp_path / "X.npy"
    X[:25, 1] = np.nan
    np.save(path, X.reshape(N_ROWS, 5, 1))
    one = in_file_order(StandardScaler(), chunk_size=10).fit(path)
    two = clone(one).set_params(n_jobs=2).fit(path)
    assert_same_learned(two.estimator_, one.estimator_)


@pytest.fixture
def path(tmp_path):
    """Return the path of rows of real numbers."""
    np.save(tmp_path / "X.npy", REAL)
    return tmp_path / "X.npy"


@pytest.mark.parametrize(
    ("backend", "n_jobs"),
    [("threading", 2), ("threading", 5), ("loky", 2), ("multiprocessing", 3)],
)
def test_the_number_of_jobs_changes_no_bit(path, backend, n_jobs):
    wrapper = in_file_order(GaussianNB(), chunk_size=10, n_jobs=2)
    expected = vars(wrapper.fit(path, Y).estimator_)
    with joblib.parallel_config(backend=backend):
        found = vars(wrapper.set_params(n_jobs=n_jobs).fit(path, Y).estimator_)
    for name in ("theta_", "var_", "class_count_", "epsilon_"):
        assert np.array_equal(found[name], expected[name])


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    values=st.lists(
        st.floats(-1e6, 1e6, allow_nan=False), min_size=3, max_size=40, unique=True
    ),
    labels=st.integers(0, 2**40 - 1),
    weights=st.integers(0, 4**40 - 1),
    split=st.floats(0, 1),
)
def test_any_split_of_any_rows(values, labels, weights, split):
    X = np.array(values)[:, None]
    n_rows = len(X)
    y = np.array([labels >> i & 1 for i in range(n_rows)])
    weights = np.array([weights >> 2 * i & 3 for i in range(n_rows)]) / 2
    split = 1 + int(split * (n_rows - 2))
    if not (weights[:split].any() and weights[split:].any()):
        weights = np.ones(n_rows)
    scale = np.abs(X).max()
    merged, expected = fit_in_two(StandardScaler(), X, split, None, weights)
    np.testing.assert_allclose(merged.mean_, expected.mean_, 1e-12, 1e-12 * scale)
    np.testing.assert_allclose(merged.var_, expected.var_, 1e-12, 1e-12 * scale**2)
    merged, expected = fit_in_two(GaussianNB(), X, split, y, weights)
    np.testing.assert_allclose(merged.theta_, expected.theta_, 1e-12, 1e-12 * scale)
    np.testing.assert_allclose(merged.var_, expected.var_, 1e-12, 1e-12 * scale**2)


class Total(BaseEstimator):
    """A third-party estimator that adds up its rows."""

    returns = "the first one"  # or what its function returns instead

    def partial_fit(self, X, y=None):
        self.calls_ = getattr(self, "calls_", 0) + 1
        self.total_ = getattr(self, "total_", 0) + X.sum(axis=0)
        return self


class Subtotal(Total):
    """Learns something else as well."""


@pytest.fixture
def registered(own_entries):
    """Let Total be merged, for one test."""

    @merge.register
    def add(estimator: Total, other: Total):
        if Total.returns != "the first one":
            return Total.returns
        estimator.total_ = estimator.total_ + other.total_
        estimator.calls_ += other.calls_
        return estimator


@pytest.fixture
def by_threads():
    """Run the test without worker processes, which an error would end."""
    with joblib.parallel_config(backend="threading"):
        yield


def test_others_can_register(registered, path):
    np.save(path, np.arange(900.0)[:, None])
    wrapper = in_file_order(Total(), chunk_size=10, n_jobs=2).fit(path)
    assert wrapper.total_.tolist() == [900 * 899 / 2]
    assert wrapper.calls_ == 90


def test_a_subclass_is_not_added_up(registered, path, monkeypatch):
    only_in_turn(monkeypatch)
    wrapper = in_file_order(Subtotal(), chunk_size=10, n_jobs=2).fit(path)
    assert wrapper.calls_ == 90
    with pytest.raises(AssertionError, match="trained in parts"):
        in_file_order(Total(), chunk_size=10, n_jobs=2).fit(path)


def test_what_is_not_registered_is_refused():
    said = (
        "SGDClassifier has no merge function. If what it learns can be added up "
        "exactly, register how: @merge.register."
    )
    with raises(TypeError, said):
        merge(SGDClassifier(), SGDClassifier())


def other_columns():
    return MinMaxScaler().fit(REAL), MinMaxScaler().fit(REAL[:, :3])


def other_classes():
    kept = [np.flatnonzero(Y - label) for label in (1, 0)]
    return [GaussianNB().fit(REAL[rows], Y[rows]) for rows in kept]


@pytest.mark.parametrize(
    ("make", "error", "said"),
    [
        (
            lambda: (GaussianNB(), MultinomialNB()),
            TypeError,
            "merge takes two estimators of one class; got GaussianNB and "
            "MultinomialNB.",
        ),
        (
            other_columns,
            ValueError,
            "Both estimators need the same n_features_in_; got 5 and 3. Train both on "
            "the same columns, and classifiers with classes=.",
        ),
        (
            other_classes,
            ValueError,
            "Both estimators need the same classes_; got [0 2] and [1 2]. Train both "
            "on the same columns, and classifiers with classes=.",
        ),
    ],
)
def test_what_does_not_belong_together_is_refused(make, error, said):
    with raises(error, said):
        merge(*make())


def test_what_is_not_fitted_is_refused():
    fitted = MinMaxScaler().fit(REAL)
    for pair in [(fitted, MinMaxScaler()), (MinMaxScaler(), fitted)]:
        with pytest.raises(NotFittedError):
            merge(*pair)


def test_a_subclass_is_no_estimator_of_the_registry():
    class Own(MinMaxScaler):
        """May learn something else."""

    with pytest.raises(TypeError, match="Own has no merge function"):
        merge(Own().fit(REAL), Own().fit(REAL))


@pytest.mark.usefixtures("by_threads")
def test_a_registered_function_has_to_return_something(registered, path, monkeypatch):
    monkeypatch.setattr(Total, "returns", None)
    said = (
        "The function that is registered to merge two Total returned None. Let it "
        "return the first one."
    )
    with raises(TypeError, said):
        in_file_order(Total(), chunk_size=10, n_jobs=2).fit(path)
    with raises(TypeError, said):
        merge(Total().partial_fit(REAL), Total().partial_fit(REAL))


@pytest.mark.usefixtures("by_threads")
def test_what_others_cannot_add_up_is_learned_in_turn(registered, path, monkeypatch):
    monkeypatch.setattr(Total, "returns", NotImplemented)
    np.save(path, np.arange(900.0)[:, None])
    wrapper = in_file_order(Total(), chunk_size=10, n_jobs=2).fit(path)
    assert wrapper.total_.tolist() == [900 * 899 / 2]
    assert wrapper.calls_ == 90
    said = (
        "What these two Total have learned does not add up exactly. Give the rows of "
        "the second one to partial_fit of the first one."
    )
    with raises(ValueError, said):
        merge(Total().partial_fit(REAL), Total().partial_fit(REAL))


def only_in_turn(monkeypatch):
    def fail(*args):
        raise AssertionError("trained in parts")

    monkeypatch.setattr("skmmap.learn.merge_fit._run_parts", fail)


def by_epochs(path):
    return ChunkedFit(GaussianNB(), chunk_size=50, n_jobs=2, max_epochs=2).fit(path, Y)


def mixed(path):
    wrapper = ChunkedFit(GaussianNB(), chunk_size=50, n_jobs=2, shuffle=True)
    return wrapper.set_params(random_state=0).fit(path, Y)


def in_random_chunks(path):
    wrapper = ChunkedFit(GaussianNB(), chunk_size=50, n_jobs=2, shuffle="chunks")
    return wrapper.set_params(random_state=0).fit(path, Y)


def validated(path):
    wrapper = in_file_order(GaussianNB(), chunk_size=50, n_jobs=2)
    return wrapper.fit(path, Y, X_val=path, y_val=Y)


def of_steps(path):
    wrapper = in_file_order(SGDClassifier(random_state=0), chunk_size=50, n_jobs=2)
    return wrapper.fit(path, Y)


def further(path):
    wrapper = in_file_order(GaussianNB(), chunk_size=50, n_jobs=2)
    return wrapper.partial_fit(path, Y).partial_fit(path, Y)


def listened_to(path):
    wrapper = in_file_order(GaussianNB(), chunk_size=50, n_jobs=2)
    return wrapper.set_callbacks(Listener()).fit(path, Y)


@pytest.mark.parametrize(
    "fit",
    [
        by_epochs,
        mixed,
        in_random_chunks,
        validated,
        of_steps,
        further,
        pytest.param(listened_to, marks=needs_sklearn_1_9),
    ],
    ids=lambda fit: fit.__name__,
)
def test_what_is_in_turn_stays_so(fit, path, monkeypatch):
    """Where adding up would change what is asked for, jobs change no bit."""
    only_in_turn(monkeypatch)
    several = fit(path)
    monkeypatch.setattr(
        "skmmap.learn.merge_fit.choose_jobs", lambda *args: pytest.fail("not asked")
    )
    assert several.estimator_.n_features_in_ == 5


def test_jobs_change_no_bit_where_nothing_is_added_up(path):
    one = in_file_order(SGDClassifier(random_state=0), chunk_size=50).fit(path, Y)
    assert np.array_equal(of_steps(path).coef_, one.coef_)


def test_a_fit_of_weightless_rows_learns_nothing(path):
    weights = np.zeros(N_ROWS)
    weights[850:] = 1  # all but the last part
    one = in_file_order(GaussianNB(), chunk_size=50)
    one.fit(path, Y, sample_weight=weights)
    two = clone(one).set_params(n_jobs=2).fit(path, Y, sample_weight=weights)
    assert_same_learned(two.estimator_, one.estimator_)


@pytest.mark.parametrize("backend", ["threading", "loky"])
def test_an_error_names_its_rows(tmp_path, backend):
    bad = REAL.copy()
    bad[517, 0] = np.nan
    np.save(tmp_path / "bad.npy", bad)
    wrapper = in_file_order(GaussianNB(), chunk_size=50, n_jobs=2)
    with (
        joblib.parallel_config(backend=backend),
        pytest.raises(ValueError, match="NaN") as caught,
    ):
        wrapper.fit(tmp_path / "bad.npy", Y)
    (note,) = caught.value.__notes__
    assert note == (
        "while fitting rows 500 to 549 (chunk 11 of 18, epoch 1); the first row with "
        "NaN or infinity is row 517"
    )
    assert not wrapper.__sklearn_is_fitted__()


def test_lines_tell_of_the_rows_that_are_done(path, capsys):
    in_file_order(GaussianNB(), chunk_size=50, n_jobs=2, verbose=2).fit(path, Y)
    lines = capsys.readouterr().out.splitlines()
    assert "900 of 900 rows (100 %)" in lines[-3]
    assert "waiting for data" in lines[-1]
    assert len(lines) == 16 + 2


def test_selected_rows_and_their_targets(path):
    rows = open_rows(path)
    order = np.random.default_rng(1).permutation(N_ROWS)[:700]
    one = in_file_order(GaussianNB(), chunk_size=50).fit(rows[order], Y[order])
    two = in_file_order(GaussianNB(), chunk_size=50, n_jobs=2)
    two.fit(rows[order], Y[order])
    assert_same_learned(two.estimator_, one.estimator_)


def test_explain_says_how_many_train(path):
    for model, y, said in [
        (GaussianNB(), Y, "2 workers train on parts of the rows, and are merged"),
        (SGDClassifier(), Y, "1 (this fit cannot be merged from parts)"),
    ]:
        explained = in_file_order(model, chunk_size=50, n_jobs=2).explain(path, y)
        assert explained.sections["jobs"] == said
    explained = in_file_order(GaussianNB(), chunk_size=50).explain(path, Y)
    assert "jobs" not in explained.sections


def test_images_are_flattened(tmp_path):
    np.save(tmp_path / "images.npy", REAL.reshape(N_ROWS, 5, 1))
    one = in_file_order(GaussianNB(), chunk_size=50).fit(tmp_path / "images.npy", Y)
    two = in_file_order(GaussianNB(), chunk_size=50, n_jobs=2)
    two.fit(tmp_path / "images.npy", Y)
    assert_same_learned(two.estimator_, one.estimator_)
    assert two._input_layout == one._input_layout
