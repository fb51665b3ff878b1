"""Several jobs: the same bits, by addresses, and nothing left when one fails."""

import copy
import itertools
import os
import pickle
import signal
import sys
import threading
import time
import warnings
from concurrent.futures.process import BrokenProcessPool

import joblib
import numpy as np
import pytest
import sklearn
from helpers import (
    EXHAUSTIVE,
    METHODS,
    NOT_BY_ROW,
    find_classes,
    in_file_order,
    make_rows,
    name_of,
    one_of_each_kind,
    partial_fit_estimators,
    raises,
    state_of,
)
from scipy import sparse
from sent import ROWS as X
from sent import Fails, Meets, OfTwo, Reuses, Strided, Tells
from sklearn.cluster import MiniBatchKMeans
from sklearn.decomposition import (
    IncrementalPCA,
    LatentDirichletAllocation,
    MiniBatchDictionaryLearning,
)
from sklearn.linear_model import SGDClassifier, SGDRegressor
from sklearn.naive_bayes import GaussianNB
from sklearn.neural_network import BernoulliRBM
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_info

from skmmap import ChunkedFit, open_rows
from skmmap.apply import inference as _inference
from skmmap.formats.open import open_source
from skmmap.read import open_table
from skmmap.run import packing as _packing
from skmmap.run import processes as _processes
from skmmap.run.threads import one_core

ESTIMATORS = [
    estimator
    for estimator in one_of_each_kind(partial_fit_estimators())
    if name_of(estimator) != "HashingVectorizer"  # of lists of words
]
Y = (X[:, 0] > 0).astype(int)
# Jobs of a test: another number of processes would be a new pool of them.
MOST = {"threading": 3, "loky": 2}
on_posix = pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="POSIX only")


@pytest.fixture(autouse=True)
def _nothing_left(workers_started, nothing_left_open):
    """Every test ends with the files and threads that it began with."""


@pytest.fixture(params=["threading", "loky"])
def backend(request):
    """Run the test under each backend of joblib."""
    with joblib.parallel_config(backend=request.param):
        yield request.param


def in_threads_and_processes(cases) -> list:
    """Return each case by threads, and a third of them by processes too, or all."""
    by_processes = cases if EXHAUSTIVE else cases[2::3]
    return [
        *(("threading", case) for case in cases),
        *(("loky", case) for case in by_processes),
    ]


@pytest.fixture
def path(tmp_path):
    """Return the path of X."""
    np.save(tmp_path / "X.npy", X)
    return tmp_path / "X.npy"


def can_be_applied(estimator, method) -> bool:
    if (name_of(estimator), method) in NOT_BY_ROW:
        return False
    return hasattr(estimator, method)


def assert_equal(found, expected):
    if sparse.issparse(expected):
        assert found.format == expected.format
        found, expected = found.toarray(), expected.toarray()
    assert state_of(found) == state_of(expected)


@pytest.mark.filterwarnings("ignore:Class PassiveAggressive:FutureWarning")
@pytest.mark.parametrize(
    ("backend", "estimator"),
    in_threads_and_processes(ESTIMATORS),
    indirect=["backend"],
    ids=lambda value: value if isinstance(value, str) else name_of(value),
)
def test_every_method_of_every_estimator(estimator, backend, tmp_path):
    rows, y = make_rows(estimator)
    np.save(tmp_path / "X.npy", rows)
    path = tmp_path / "X.npy"
    given = {"classes": find_classes(estimator, y)}
    given = given if given["classes"] is not None else {}
    one = in_file_order(estimator, chunk_size=20).fit(path, y, **given)
    several = in_file_order(estimator, chunk_size=20, n_jobs=MOST[backend])
    vars(several).update(estimator_=one.estimator_, _input_layout=one._input_layout)
    for method in filter(lambda name: can_be_applied(one, name), METHODS):
        expected = getattr(one, method)(path)
        assert_equal(getattr(several, method)(path), expected)
        if isinstance(expected, np.ndarray):
            out = tmp_path / f"{method}.npy"
            np.testing.assert_array_equal(
                getattr(several, method)(path, out=out), expected
            )
            filled = np.zeros_like(expected)
            assert getattr(several, method)(path, out=filled) is filled
            np.testing.assert_array_equal(filled, expected)
    if hasattr(one, "inverse_transform") and name_of(estimator) != "SelectFromModel":
        transformed = one.transform(path)
        assert_equal(
            several.inverse_transform(transformed), one.inverse_transform(transformed)
        )
    if hasattr(one, "score"):
        assert several.score(path, y) == one.score(path, y)


SCORED = [
    (SGDClassifier(random_state=0), Y),
    (SGDRegressor(random_state=0), X[:, 0]),
    (SGDRegressor(random_state=0), np.ones(1_000)),
    (MiniBatchKMeans(3, random_state=0), None),
    (LatentDirichletAllocation(3, max_iter=2, random_state=0), None),
]


@pytest.mark.parametrize(
    ("backend", "scored"), in_threads_and_processes(SCORED), indirect=["backend"]
)
def test_scores(scored, path, backend):
    model, y = scored
    np.save(path, np.abs(X))
    model = in_file_order(model, chunk_size=64).fit(path, y)
    weights = np.random.default_rng(1).random(1_000)
    weights[:200] = 0
    for params in ({}, {"sample_weight": weights}):
        if params and isinstance(model.estimator, LatentDirichletAllocation):
            continue
        expected = model.set_params(n_jobs=None).score(path, y, **params)
        for n_jobs in range(2, 1 + MOST[backend]):
            assert model.set_params(n_jobs=n_jobs).score(path, y, **params) == expected


class Watched(SGDRegressor):
    """Tells which threads have predicted."""

    seen = set()  # noqa: RUF012

    def predict(self, X):
        self.seen.add(threading.get_ident())
        return super().predict(X)


def test_held_out_rows_are_scored_by_all_jobs(path):
    y, scores = X[:, 0], []
    for n_jobs in (None, 2):
        model = ChunkedFit(Watched(random_state=0), chunk_size=50, max_epochs=2)
        model.set_params(n_jobs=n_jobs)
        Watched.seen.clear()
        with joblib.parallel_config("threading"):
            model.fit(path, y, X_val=path, y_val=y)
        assert (len(Watched.seen) > 1) == (n_jobs == 2)
        scores.append(model.history_["score"])
    assert scores[0] == scores[1]


def test_selections_shards_and_sparse_rows(path, tmp_path, backend):
    np.save(tmp_path / "more.npy", X[::-1])
    rows, both = open_rows(path), open_rows([path, tmp_path / "more.npy"])
    mixed = np.random.default_rng(1).permutation(1_000)[:700]
    model = in_file_order(SGDClassifier(random_state=0), chunk_size=64).fit(path, Y)
    several = in_file_order(SGDClassifier(), chunk_size=64, n_jobs=2)
    vars(several).update(estimator_=model.estimator_, _input_layout=model._input_layout)
    for given in (rows[mixed], rows[::-3], both, sparse.csr_array(X), X, X.tolist()):
        expected = model.decision_function(given)
        np.testing.assert_array_equal(several.decision_function(given), expected)
    result = several.decision_function(rows[mixed], out=tmp_path / "out.npy")
    np.testing.assert_array_equal(result, model.decision_function(rows[mixed]))


@pytest.mark.parametrize("read", ["map", "buffer", "uncached"])
def test_every_way_of_reading(path, backend, read):
    model = in_file_order(StandardScaler(), chunk_size=16, read=read).fit(path)
    expected = model.transform(path)
    several = model.set_params(n_jobs=MOST[backend])
    for _ in range(5 if EXHAUSTIVE else 2):
        np.testing.assert_array_equal(several.transform(path), expected)


@pytest.fixture
def meets(tmp_path):
    """Return a function that makes one, in a folder of its own."""
    numbers = itertools.count()

    def make(n_met):
        folder = tmp_path / f"met {next(numbers)}"
        folder.mkdir()
        return Meets(n_met, str(folder))

    return make


def fitted(model, path, **params):
    return in_file_order(model, **{"chunk_size": 10, "n_jobs": 2} | params).fit(path)


def test_others_go_by_processes_and_memory_by_threads(path, meets):
    processes = np.unique(fitted(meets(3), path).transform(path)[:, 0])
    assert os.getpid() in processes  # of the first chunk
    assert len(processes) == 3
    in_memory = fitted(meets(3), path).transform(X)
    assert np.unique(in_memory[:, 0]).tolist() == [os.getpid()]
    assert len(np.unique(in_memory[:, 1])) == 3
    model = fitted(Tells(), path)
    with joblib.parallel_config(backend="threading"):
        by_threads = model.transform(path)
    assert np.unique(by_threads[:, 0]).tolist() == [os.getpid()]
    with joblib.parallel_config(backend="loky"):  # its rows are nowhere else
        in_memory = model.transform(X)
    assert np.unique(in_memory[:, 0]).tolist() == [os.getpid()]


def test_what_holds_no_lock_goes_by_threads():
    assert _inference.releases_gil(StandardScaler())
    assert not _inference.releases_gil(LatentDirichletAllocation())
    assert not _inference.releases_gil(MiniBatchDictionaryLearning())
    assert not _inference.releases_gil(Tells())
    with_part = in_file_order(Tells(weights=StandardScaler()))
    assert not _inference.releases_gil(with_part.estimator)


def test_none_is_one_unless_joblib_says_more(path, meets):
    model = fitted(Tells(), path, n_jobs=None)
    assert len(np.unique(model.transform(path)[:, 1])) == 1
    several = fitted(meets(4), path, n_jobs=None)
    with joblib.parallel_config(backend="threading", n_jobs=3):
        assert len(np.unique(several.transform(path)[:, 1])) == 4
    model.set_params(n_jobs=1)
    with joblib.parallel_config(backend="threading", n_jobs=3):
        assert len(np.unique(model.transform(path)[:, 1])) == 1


def test_blas_has_no_more_threads_than_cores(path, backend):
    n_jobs = joblib.cpu_count()
    if n_jobs < 2:
        pytest.skip("one core")
    before = threadpool_info()
    blas = fitted(Tells(), path, n_jobs=n_jobs).transform(path)[10:, 2]
    assert blas.max() == 1
    assert [lib["num_threads"] for lib in threadpool_info()] == [
        lib["num_threads"] for lib in before
    ]


def test_calls_that_overlap_give_the_cores_back(path):
    """BLAS has one number of threads for all of the process."""
    before = [lib["num_threads"] for lib in threadpool_info()]
    entered, may_leave = threading.Event(), threading.Event()

    def stay():
        with one_core():
            entered.set()
            may_leave.wait(60)

    thread = threading.Thread(target=stay)
    with one_core():
        thread.start()
        entered.wait(60)
    blas = [lib for lib in threadpool_info() if lib["user_api"] == "blas"]
    assert {lib["num_threads"] for lib in blas} == {1}  # the other one is still inside
    may_leave.set()
    thread.join()
    assert [lib["num_threads"] for lib in threadpool_info()] == before


@pytest.mark.parametrize("n_jobs", [None, 1, 2])
def test_blas_is_left_alone_where_nobody_asks_for_jobs(path, n_jobs):
    """So that it is as fast as by hand, and the same bits."""
    free = max(lib["num_threads"] for lib in threadpool_info())
    blas = fitted(Tells(), path, n_jobs=n_jobs).transform(path)[:, 2]
    assert np.unique(blas).tolist() == [free if n_jobs is None else 1]


def test_wide_rows(tmp_path, backend):
    """Where BLAS shares out the work, it rounds by the number of its threads."""
    path = tmp_path / "wide.npy"
    np.save(path, np.random.default_rng(0).standard_normal((1_500, 3_000)))
    y = np.arange(1_500) % 4
    for model in (SGDClassifier(random_state=0), IncrementalPCA(3)):
        one = in_file_order(model, chunk_size=300, n_jobs=1)
        one.fit(open_rows(path)[:300], y[:300])
        several = copy.copy(one).set_params(n_jobs=2)
        for method in filter(lambda name: hasattr(one, name), METHODS):
            expected = getattr(one, method)(path)
            np.testing.assert_array_equal(getattr(several, method)(path), expected)


def test_the_estimator_is_sent_once_to_each_worker(path, monkeypatch):
    model = fitted(Tells(weights=np.ones(1_000)), path)
    expected = model.set_params(n_jobs=1).predict(path)
    sent, delayed = [], _processes.delayed

    def record(function):
        def call(key, data, span):
            sent.append((data, span))
            return delayed(function)(key, data, span)

        return call

    monkeypatch.setattr(_processes, "delayed", record)
    np.testing.assert_array_equal(model.set_params(n_jobs=2).predict(path), expected)
    with_data = [data for data, _ in sent if data is not None]
    # A worker that had no task at first asks for it, with its spans.
    assert len(with_data) == 2 + len(sent) - 4 * 2
    assert all(len(data) > 8_000 for data in with_data)
    assert max(len(pickle.dumps(span)) for _, span in sent) < 1_000


def test_results_in_the_same_memory_are_kept(path):
    model = fitted(Reuses(), path)
    np.testing.assert_array_equal(model.transform(path), 2 * X)


def test_arrays_lie_as_they_lay(path):
    """Or linear algebra would round in another way."""
    model = fitted(Strided(), path)
    assert np.unique(model.transform(path), axis=0).tolist() == [[320, 16]]
    sent = pickle.loads(_packing._dump(model.estimator_))
    np.testing.assert_array_equal(sent.weights_, model.weights_)
    assert sent.weights_.flags.writeable


def test_nothing_is_written_for_workers(path, tmp_path, monkeypatch):
    """Joblib would write what is larger than a megabyte to a folder, and map it."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setenv("JOBLIB_TEMP_FOLDER", str(folder))
    made = []

    def watch(event, args):
        if event in ("open", "os.mkdir") and str(args[0]).startswith(str(folder)):
            made.append(args[0])

    WATCHERS.append(watch)
    try:
        model = fitted(Tells(weights=np.ones(2_000_000)), path)
        model.predict(path)
        assert made == []
        joblib.Parallel(n_jobs=2)(
            joblib.delayed(len)(model.estimator.weights) for _ in range(2)
        )
        assert made  # so it would have been seen
    finally:
        WATCHERS.clear()


# A hook cannot be taken out again; it asks these.
WATCHERS = []
sys.addaudithook(lambda *event: [watch(*event) for watch in WATCHERS])


def test_an_error_names_its_rows_and_ends_all(path, tmp_path):
    """Of threads; those of processes, which it ends, are tested below."""
    model = fitted(Tells(fails_at=X[517, 0]), path)
    for given in {"out": tmp_path / "out.npy"}, {}:
        with (
            joblib.parallel_config(backend="threading"),
            pytest.raises(RuntimeError, match="told to fail") as caught,
        ):
            model.predict(path, **given)
        (note,) = caught.value.__notes__
        assert note == "while predicting rows 510 to 519 (chunk 52 of 100)"
    assert sorted(os.listdir(tmp_path)) == ["X.npy"]


def test_threads_end_with_the_first_error(path):
    model = fitted(Tells(fails_at=X[117, 0]), path, chunk_size=1, n_jobs=2)
    before = set(threading.enumerate())
    with (
        joblib.parallel_config(backend="threading"),
        pytest.raises(RuntimeError, match="told to fail"),
    ):
        model.transform(path)
    began = time.monotonic()
    while set(threading.enumerate()) - before and time.monotonic() - began < 60:
        time.sleep(0.01)
    assert set(threading.enumerate()) <= before


@pytest.mark.parametrize(
    ("kind", "backend"),
    [
        (RuntimeError, "threading"),
        (KeyError, "threading"),
        (BrokenProcessPool, "threading"),
        (BrokenProcessPool, "loky"),  # which has new workers afterwards
    ],
)
def test_of_several_errors_the_first_is_raised(path, tmp_path, backend, kind):
    """Whoever was faster; nor is it taken for the death of a worker."""
    model = fitted(Fails(kind), path, n_jobs=MOST[backend])
    given = {"out": tmp_path / "out.npy"} if backend == "loky" else {}
    with (
        joblib.parallel_config(backend=backend),
        pytest.raises(kind, match="at 200") as caught,
    ):
        model.predict(path, **given)
    assert caught.value.__notes__ == [
        "while predicting rows 200 to 209 (chunk 21 of 100)"
    ]
    if backend == "loky":
        assert "in predict\n" in str(caught.value.__cause__)
    assert sorted(os.listdir(tmp_path)) == ["X.npy"]


def test_an_error_that_cannot_be_sent_is_said(path):
    model = fitted(Fails(OfTwo), path)
    with pytest.raises(RuntimeError, match="OfTwo: at 200") as caught:
        model.predict(path)
    assert caught.value.__notes__ == [
        "while predicting rows 200 to 209 (chunk 21 of 100)"
    ]


def test_an_estimator_that_cannot_be_sent_is_said(path):
    model = fitted(Tells(), path)
    model.estimator_.lock = threading.Lock()
    with pytest.raises(TypeError, match="cannot pickle") as caught:
        model.predict(path)
    assert caught.value.__notes__ == [
        "while sending Tells to worker processes. Where it cannot be pickled, use "
        "n_jobs=1, or threads: with joblib.parallel_config('threading')."
    ]
    with joblib.parallel_config("threading"):
        np.testing.assert_array_equal(model.predict(path), 2 * X[:, 0])


@on_posix
@pytest.mark.parametrize("where", ["memory"] + EXHAUSTIVE * ["file"])
def test_a_worker_that_dies_costs_a_retry(path, tmp_path, where):
    marker = tmp_path / "died"
    model = fitted(Tells(dies_at=X[777, 0], marker=str(marker)), path)
    given = {"out": tmp_path / "out.npy"} if where == "file" else {}
    np.testing.assert_array_equal(model.predict(path, **given), 2 * X[:, 0])
    assert marker.exists()


@on_posix
def test_workers_that_always_die_are_an_error(path, tmp_path, monkeypatch):
    assert _processes._DEATHS == 3
    deaths = _processes._DEATHS if EXHAUSTIVE else 2  # each is followed by new workers
    monkeypatch.setattr(_processes, "_DEATHS", deaths)
    model = fitted(Tells(dies_at=X[777, 0]), path)
    with pytest.raises(joblib.externals.loky.process_executor.BrokenProcessPool) as e:
        model.predict(path, out=tmp_path / "out.npy")
    note = e.value.__notes__[-1]
    assert note == (
        f"{deaths} times a worker process died. If out of memory, use fewer n_jobs or "
        "a smaller chunk_size."
    )
    assert sorted(os.listdir(tmp_path)) == ["X.npy"]


def test_what_is_done_is_not_done_again(path, tmp_path, backend, monkeypatch):
    out = tmp_path / "out.npy"
    model = fitted(Tells(fails_at=X[917, 0]), path)
    with pytest.raises(RuntimeError, match="told to fail") as caught:
        model.predict(path, out=out, resume=True)
    (note,) = caught.value.__notes__
    assert note == "while predicting rows 910 to 919 (chunk 92 of 100)"
    assert not out.exists()
    done = []
    apply = _inference.Work._call

    def call(work, method, chunk):
        done.append(chunk.start)
        return apply(work, method, chunk)

    monkeypatch.setattr(_inference.Work, "_call", call)
    model.set_params(n_jobs=1)
    with pytest.raises(RuntimeError):
        model.predict(path, out=out, resume=True)
    assert done  # up to the row that fails
    assert 0 not in done  # nor what else of several jobs came back
    done.clear()
    model.estimator_.fails_at = -1.0  # another fingerprint: begun anew
    model.predict(path, out=out, resume=True)
    assert len(done) == 100


@pytest.mark.parametrize("generator", [np.random.RandomState(0)])
def test_an_order_that_matters_is_kept(path, generator):
    """Score samples draws from the estimator's generator, one chunk after another."""
    np.save(path, (X > 0).astype(float))
    model = in_file_order(BernoulliRBM(3, random_state=0), chunk_size=100).fit(path)
    results = []
    for n_jobs in (1, 3):
        model.estimator_.random_state = np.random.RandomState(5)
        results.append(model.set_params(n_jobs=n_jobs).score_samples(path))
    np.testing.assert_array_equal(*results)


def test_memory_limits_the_number(path):
    # A chunk of 10 rows of 20 bytes, and two copies of it as float64, are 1,000 bytes.
    model = fitted(Tells(), path, n_jobs=4, memory_limit="2500B")
    assert len(np.unique(model.transform(X)[:, 1])) == 3  # two, and the first chunk's
    model.set_params(memory_limit="900B")
    assert len(np.unique(model.transform(X)[:, 1])) == 1


@pytest.mark.parametrize("n_jobs", [0, 1.5, "2", True])
def test_other_numbers_are_refused(n_jobs, path):
    said = f"n_jobs must be None or an integer other than 0; got {n_jobs!r}."
    with raises(ValueError, said):
        ChunkedFit(GaussianNB(), n_jobs=n_jobs).fit(path, Y)
    model = ChunkedFit(GaussianNB()).fit(path, Y).set_params(n_jobs=n_jobs)
    for ask in (lambda: model.predict(path), lambda: model.score(path, Y)):
        with raises(ValueError, said):
            ask()


def test_the_configuration_reaches_workers(path, backend):
    pytest.importorskip("pandas")
    model = fitted(StandardScaler(), path)
    expected = model.transform(path)
    with sklearn.config_context(transform_output="pandas"):
        frame = model.transform(path)
    assert type(frame).__module__.startswith("pandas")
    np.testing.assert_array_equal(frame.to_numpy(), expected)


class Filters(Tells):
    """Leaves the filters of warnings changed, as two threads of check_array may."""

    def transform(self, X):
        if threading.current_thread() is not threading.main_thread():
            warnings.filters = [*warnings.filters]
            warnings.simplefilter("error", np.exceptions.ComplexWarning)
        return X


@pytest.mark.parametrize("estimator", [StandardScaler(), Filters()], ids=name_of)
def test_filters_of_warnings_are_left_as_they_are(path, estimator):
    """They are one list for all threads."""
    model = fitted(estimator, path, chunk_size=20, n_jobs=4)
    before, copy = warnings.filters, [*warnings.filters]
    with joblib.parallel_config(backend="threading"):
        model.transform(path)
    assert warnings.filters is before
    assert warnings.filters == copy


class Nests(Tells):
    """Tells whether jobs of its own would be threads."""

    def predict(self, X):
        backend, _ = joblib.parallel.get_active_backend()
        return np.full(len(X), backend.supports_sharedmem)


def test_jobs_of_the_estimator_are_threads_inside_of_threads(path):
    model = fitted(Nests(), path)
    with joblib.parallel_config("threading"):
        assert model.predict(path).all()


class OnlyHere:
    """Rows that only the thread that made them can slice."""

    def __init__(self, rows):
        self.rows, self.thread = rows, threading.get_ident()
        self.shape, self.dtype = rows.shape, rows.dtype

    def __getitem__(self, key):
        assert threading.get_ident() == self.thread
        return self.rows[key]


def test_rows_bound_to_a_thread_are_read_by_it(path, backend):
    model = fitted(StandardScaler(), path)
    np.testing.assert_array_equal(model.transform(OnlyHere(X)), model.transform(X))


def test_private_pages_are_seen(path, backend):
    rows = open_rows(path, mode="c")
    rows[:500] = 0.0
    model = in_file_order(SGDClassifier(random_state=0), chunk_size=10, n_jobs=2)
    model.fit(path, Y)
    seen = model.decision_function(rows)
    assert len(np.unique(seen[:500])) == 1
    np.testing.assert_array_equal(seen[500:], model.decision_function(X)[500:])


def test_memory_is_used_again_where_it_is_let_go_of(path):
    """By the next span of a thread, and by nobody else; elsewhere nothing is kept."""
    divided = open_table(open_source(path, "X")).divide(2)
    with divided.lend() as one, divided.lend() as other:
        assert one is not other
    with pytest.raises(KeyError), divided.lend() as failed:
        raise KeyError
    with divided.lend() as again, divided.lend() as more:
        kept = [again, more]
    assert failed is one  # and lost, since threads may still look at it
    assert [any(table is k for k in kept) for table in (one, other)] == [False, True]
    sent = pickle.loads(pickle.dumps(divided))
    with sent.lend() as one:
        pass
    with sent.lend() as again:
        assert again is not one


def test_few_chunks(path, backend):
    model = fitted(StandardScaler(), path, chunk_size=600)
    np.testing.assert_array_equal(model.transform(path), model.estimator_.transform(X))
    assert model.transform(open_rows(path)[:1]).shape == (1, 5)
