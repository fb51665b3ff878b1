"""The engines of clusters, through joblib: real workers of dask, and Ray's backend."""

import os
import sys

import dask.array as da
import joblib
import numpy as np
import pytest
from distributed import Client, LocalCluster
from helpers import EXHAUSTIVE, in_file_order
from sent import Where
from sklearn.linear_model import SGDClassifier
from sklearn.model_selection import GridSearchCV
from sklearn.naive_bayes import GaussianNB
from sklearn.preprocessing import StandardScaler

from skmmap import merge, open_rows
from skmmap.apply.output_file import FileOutput, Written

pytestmark = pytest.mark.slow
RNG = np.random.default_rng(0)
X = RNG.standard_normal((1_000, 5)).astype(np.float32)
Y = (X[:, 0] > 0).astype(int)


@merge.register
def _(estimator: Where, other: Where):
    estimator.processes_ += other.processes_
    return estimator


@pytest.fixture(scope="module")
def client():
    """Start a cluster of two worker processes, for the tests of this file."""
    options = {"n_workers": 2, "threads_per_worker": 1, "processes": True}
    with (
        LocalCluster(**options, dashboard_address=":0", memory_limit=0) as cluster,
        Client(cluster) as client,
    ):
        yield client


@pytest.fixture
def workers(client):
    """Run the test on the cluster, and return the processes of its workers."""
    client.wait_for_workers(2)
    with joblib.parallel_config(backend="dask"):
        yield set(client.run(os.getpid).values())


@pytest.fixture
def path(tmp_path):
    """Return the path of X."""
    np.save(tmp_path / "X.npy", X)
    return tmp_path / "X.npy"


def test_every_worker_writes_its_own_rows(workers, path, tmp_path, monkeypatch):
    seen, add = [], FileOutput.add
    monkeypatch.setattr(
        FileOutput, "add", lambda out, *row: seen.append(row[2]) or add(out, *row)
    )
    model = in_file_order(Where(), chunk_size=10).fit(path)
    result = model.predict(path, out=tmp_path / "out.npy")
    assert set(result) == workers | {os.getpid()}
    assert set(result[:10]) == {os.getpid()}  # which lays out the file
    assert workers == set(result[10:])
    assert [type(row) for row in seen] == [np.ndarray] + 99 * [Written]
    assert sorted(os.listdir(tmp_path)) == ["X.npy", "out.npy"]


@pytest.mark.parametrize("model", [SGDClassifier(random_state=0), GaussianNB()])
def test_results_are_those_of_one_process(workers, path, model):
    wrapper = in_file_order(model, chunk_size=10, n_jobs=1).fit(path, Y)
    expected = wrapper.predict(path), wrapper.score(path, Y)
    wrapper.set_params(n_jobs=None)  # what the backend says
    np.testing.assert_array_equal(wrapper.predict(path), expected[0])
    assert wrapper.score(path, Y) == expected[1]
    rows = open_rows(path)[np.random.default_rng(1).permutation(1_000)]
    here = wrapper.set_params(n_jobs=1).predict(rows)
    np.testing.assert_array_equal(wrapper.set_params(n_jobs=-1).predict(rows), here)


def test_parts_are_trained_on_workers(workers, path):
    where = in_file_order(Where(), chunk_size=10).fit(path)
    assert set(where.processes_) == workers
    assert sum(where.processes_.values()) == 1_000
    one = in_file_order(GaussianNB(), chunk_size=10, n_jobs=1).fit(path, Y)
    several = in_file_order(GaussianNB(), chunk_size=10).fit(path, Y)
    np.testing.assert_allclose(several.var_, one.var_, 1e-6)  # of float32
    np.testing.assert_array_equal(several.class_count_, one.class_count_)


def test_candidates_of_a_search_train_on_workers(workers, path, tmp_path):
    np.save(tmp_path / "y.npy", Y)
    rows, y = open_rows(path), open_rows(tmp_path / "y.npy")
    model = in_file_order(SGDClassifier(random_state=0), chunk_size=100, n_jobs=1)
    search = GridSearchCV(model, {"estimator__alpha": [1e-4, 1e-2]}, cv=3)
    found = search.fit(rows, y).cv_results_["mean_test_score"]
    with joblib.parallel_config(backend="sequential"):
        expected = search.fit(rows, y).cv_results_["mean_test_score"]
    np.testing.assert_array_equal(found, expected)


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX only")
@pytest.mark.parametrize("where", ["file"] + EXHAUSTIVE * ["memory"])
def test_a_worker_that_dies_costs_a_retry(workers, path, tmp_path, where):
    marker = tmp_path / "died"
    model = in_file_order(Where(X[777, 0], str(marker)), chunk_size=10).fit(path)
    given = {"out": tmp_path / "out.npy"} if where == "file" else {}
    np.testing.assert_array_equal(model.transform(path, **given), 2 * X)
    assert marker.exists()


def test_a_dask_array_is_computed_block_by_block(client, tmp_path):
    computed = tmp_path / "computed"
    computed.mkdir()

    def load(block, block_info=None):
        (number, _) = block_info[0]["chunk-location"]
        with open(computed / str(number), "a") as file:
            file.write("x")
        return block

    array = da.from_array(X, chunks=(300, 5)).map_blocks(load, dtype=X.dtype)
    model = in_file_order(StandardScaler(), chunk_size=70).fit(array)
    expected = in_file_order(StandardScaler(), chunk_size=70).fit(X)
    np.testing.assert_array_equal(model.mean_, expected.mean_)
    counts = {file.name: len(file.read_text()) for file in computed.iterdir()}
    assert counts == dict.fromkeys("0123", 1)
    np.testing.assert_array_equal(
        model.set_params(n_jobs=2).transform(array), expected.transform(X)
    )


def test_ray(path, tmp_path):
    ray = pytest.importorskip("ray", reason="Ray is not installed: pip install ray")
    from ray.util.joblib import register_ray

    register_ray()
    found = {"env_vars": {"PYTHONPATH": os.pathsep.join(sys.path)}}
    ray.init(num_cpus=2, include_dashboard=False, runtime_env=found)
    try:
        with joblib.parallel_config(backend="ray"):
            model = in_file_order(Where(), chunk_size=10, n_jobs=2).fit(path)
            assert sum(model.processes_.values()) == 1_000
            assert os.getpid() not in model.processes_
            result = model.transform(path, out=tmp_path / "out.npy")
            np.testing.assert_array_equal(result, 2 * X)
            assert len(set(model.predict(path))) >= 2
            model = in_file_order(SGDClassifier(), chunk_size=100, n_jobs=1)
            rows = open_rows(path)
            search = GridSearchCV(model, {"estimator__alpha": [1e-4, 1e-2]}, cv=3)
            assert search.fit(rows, Y).best_score_ > 0.8
    finally:
        ray.shutdown()
