"""Rows of objects behind URLs: exact ranges, faults, the cache, and what is refused."""

import io
import os
import pickle
import tempfile
from concurrent.futures import ProcessPoolExecutor
from itertools import pairwise
from multiprocessing import get_context

import numpy as np
import pytest
from remote_server import serve
from sklearn.linear_model import SGDClassifier

from skmmap import ChunkedFit, open_rows
from skmmap.remote import block_cache, remote_file, retries

rng = np.random.default_rng(0)
X = rng.normal(size=(2_000, 8)).astype("f4")
y = (X[:, 0] > 0).astype(int)


def to_npy(array):
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


@pytest.fixture
def objects(monkeypatch):
    monkeypatch.setattr(remote_file, "BLOCK_NBYTES", 4_096)
    monkeypatch.setattr(retries, "_PAUSE", 0.001)
    with serve() as served:
        yield served


@pytest.fixture
def cache(tmp_path):
    return tmp_path / "cache"


def test_rows_are_those_of_the_array(objects, cache):
    rows = open_rows(objects.put("X.npy", to_npy(X)), cache=cache)
    assert (rows.shape, rows.dtype) == (X.shape, X.dtype)
    for start, stop in [(0, 1), (0, 2_000), (127, 1_300), (1_999, 2_000), (5, 5)]:
        np.testing.assert_array_equal(rows[start:stop], X[start:stop])
    picked = [3, 4, 1_000, 7]
    np.testing.assert_array_equal(np.asarray(rows[picked]), X[picked])


@pytest.mark.parametrize("dtype", [">f8", "<U3", "?"])
def test_types_are_kept(objects, cache, dtype):
    values = X[:, :2].astype(dtype)
    rows = open_rows(objects.put("X.npy", to_npy(values)), cache=cache)
    np.testing.assert_array_equal(rows[10:90], values[10:90])


def test_headers_of_any_length(objects, cache):
    dtype = [(f"a long name of a field {number}", "f4") for number in range(150)]
    values = np.ones(5, dtype)
    rows = open_rows(objects.put("X.npy", to_npy(values)), cache=cache)
    assert rows.dtype == values.dtype
    np.testing.assert_array_equal(rows[:], values)


def test_an_empty_array_and_one_row(objects, cache):
    for n_rows in (0, 1):
        rows = open_rows(objects.put(f"{n_rows}.npy", to_npy(X[:n_rows])), cache=cache)
        np.testing.assert_array_equal(rows[:], X[:n_rows])


def test_raw_objects(objects, cache):
    url = objects.put("X.bin", b"head" + X.tobytes())
    rows = open_rows(url, dtype="f4", shape=(-1, 8), offset=4, cache=cache)
    np.testing.assert_array_equal(rows[:], X)
    with pytest.raises(ValueError, match="not a whole number of rows of 32 bytes"):
        open_rows(url, dtype="f4", shape=(-1, 8), cache=cache)
    with pytest.raises(ValueError, match=r"is not a \.npy file"):
        open_rows(url, cache=cache)


def test_each_byte_is_requested_once_and_kept_for_the_next_epochs(objects, cache):
    url = objects.put("X.npy", to_npy(X))
    rows = open_rows(url, cache=cache)
    assert objects.requests == [("X.npy", 0, 4_096)]  # the header
    objects.requests.clear()
    for start in range(0, 2_000, 30):
        np.asarray(rows[start : start + 30])
    ranges = sorted(objects.requests)
    assert ranges[0][1] == 0
    assert ranges[-1][2] == len(objects.data["X.npy"])
    assert all(a[2] == b[1] for a, b in pairwise(ranges))
    np.testing.assert_array_equal(open_rows(url, cache=cache)[:], X)
    assert len(objects.requests) == len(ranges) + 1


def test_requests_run_side_by_side(objects, cache):
    url = objects.put("X.npy", to_npy(X))
    rows = open_rows(url, cache=cache)
    objects.latency = 0.02
    objects.requests.clear()
    np.asarray(rows[1_500:1_501])  # far from what was read: nothing is read ahead
    assert len(objects.requests) == 1
    for start in range(0, 2_000, 100):
        np.asarray(rows[start : start + 100])
    assert 4 <= objects.most <= 8


def test_fit_equals_the_fit_of_the_array(objects, cache):
    given = open_rows(objects.put("X.npy", to_npy(X)), cache=cache)
    labels = objects.put("y.npy", to_npy(y))
    model = ChunkedFit(SGDClassifier(random_state=0), max_epochs=3, random_state=0)
    fitted = model.fit(given, labels)
    coef = fitted.estimator_.coef_
    expected = fitted.predict(X)
    np.testing.assert_array_equal(fitted.predict(objects.url + "/X.npy"), expected)
    np.testing.assert_array_equal(model.fit(X, y).estimator_.coef_, coef)


def test_lists_and_patterns_are_shards(cache, monkeypatch):
    fsspec = pytest.importorskip("fsspec")
    system = fsspec.filesystem("memory")
    for number, part in enumerate(np.split(X, 20)):
        system.pipe(f"/remote/X_{number}.npy", to_npy(part))
    rows = open_rows("memory://remote/X_*.npy", cache=cache)
    np.testing.assert_array_equal(rows[:], X)
    urls = [f"memory://remote/X_{number}.npy" for number in (3, 1)]
    np.testing.assert_array_equal(
        open_rows(urls, cache=cache)[:], np.r_[X[300:400], X[100:200]]
    )
    with pytest.raises(FileNotFoundError, match=r"source='memory://none/\*' matches"):
        open_rows("memory://none/*", cache=cache)
    system.rm("/remote", recursive=True)


def test_errors_of_servers_are_tried_again_up_to_a_limit(objects, cache):
    rows = open_rows(objects.put("X.npy", to_npy(X)), cache=cache)
    objects.fails = 2
    np.testing.assert_array_equal(rows[:20], X[:20])
    objects.fails = 1_000
    with pytest.raises(Exception, match="500"):
        open_rows(objects.put("Z.npy", to_npy(X[:20])), cache=cache)
    assert sum(name == "Z.npy" for name, *_ in objects.requests) == 5


def test_what_is_forbidden_is_not_tried_again(objects, cache):
    objects.fails, objects.status = 1_000, 403
    with pytest.raises(Exception, match="403"):
        open_rows(objects.put("X.npy", to_npy(X[:20])), cache=cache)
    assert len(objects.requests) == 1
    with pytest.raises(FileNotFoundError):
        open_rows(objects.url + "/none.npy", cache=cache)


def test_short_answers_are_an_error(objects, cache):
    rows = open_rows(objects.put("X.npy", to_npy(X)), cache=cache)
    objects.cut = 7
    with pytest.raises(ValueError, match="gave 4,089 bytes of the 4,096 from byte"):
        np.asarray(rows[1_500:1_501])


def test_servers_without_ranges_are_refused(objects, cache):
    objects.has_ranges = False
    with pytest.raises(ValueError, match="does not send ranges of bytes"):
        open_rows(objects.put("X.npy", to_npy(X)), cache=cache)


def test_an_object_that_changes_is_an_error(objects, cache):
    rows = open_rows(objects.put("X.npy", to_npy(X)), cache=cache)
    model = ChunkedFit(SGDClassifier(random_state=0), max_epochs=2)
    objects.put("X.npy", to_npy(X + 1))
    with pytest.raises(ValueError, match="Open it again"):
        model.fit(rows, y)
    with pytest.raises(ValueError, match="Open it again"):
        pickle.dumps(rows)


def test_an_object_that_changes_in_a_run_is_an_error(objects, cache):
    rows = open_rows(objects.put("X.npy", to_npy(X)), cache=cache)

    class Changing(SGDClassifier):
        def partial_fit(self, *args, **params):
            objects.put("X.npy", to_npy(X + 1))
            return super().partial_fit(*args, **params)

    with pytest.raises(ValueError, match="Open it again"):
        ChunkedFit(Changing(random_state=0), max_epochs=1, shuffle=False).fit(rows, y)


def test_damaged_and_other_headers(objects, cache):
    cases = {
        to_npy(X)[:-5]: "is truncated",
        to_npy(np.asfortranarray(X)): "Fortran order",
        to_npy(np.float64(3)): "single value",
        b"\x93NUMPY\x01\x00": "no readable header",
        b"\x93NUMPY\x02\x00" + b"\xff" * 9: "claims to have 4,294,967,295 bytes",
    }
    for data, message in cases.items():
        with pytest.raises(ValueError, match=message):
            open_rows(objects.put("X.npy", data), cache=cache)
    with pytest.raises(ValueError, match="key has no meaning"):
        open_rows(objects.url + "/X.npy", key="a")


def read_sum(rows):
    return float(np.asarray(rows[:], dtype=float).sum()), os.getpid()


def test_other_processes_read_the_same_rows(objects, cache):
    rows = open_rows(objects.put("X.npy", to_npy(X)), cache=cache)
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        found, process = pool.submit(read_sum, rows).result()
    assert process != os.getpid()
    assert found == float(X.astype(float).sum())


def test_secrets_are_in_no_message(objects, cache):
    url = objects.put("X.npy", to_npy(X)) + "?signature=secret"
    options = {"headers": {"X-Token": "secret"}}
    rows = open_rows(url, storage_options=options, cache=cache)
    assert "secret" not in repr(rows)
    objects.put("X.npy", to_npy(X + 1))
    with pytest.raises(ValueError, match="Open it again") as caught:
        pickle.dumps(rows)
    assert "secret" not in str(caught.value)


def find_nbytes(folder):
    return sum(p.stat().st_size for p in folder.rglob("*") if p.is_file())


def test_the_cache_keeps_what_was_used_last_below_its_limit(tmp_path):
    cache = block_cache.BlockCache(tmp_path, 10_000, is_temporary=False)
    out = memoryview(bytearray(1_000))
    for number in range(30):
        assert cache.put("key", number, bytes([number]) * 1_000)
        assert cache.read_into("key", 0, 0, out) == (number < 30)
        os.utime(tmp_path / "key" / "0", ns=(2**62, 2**62))
        assert find_nbytes(tmp_path) <= 10_000
    assert bytes(out) == bytes(1_000)
    assert cache.read_into("key", 29, 10, out[:5])
    assert bytes(out[:5]) == bytes([29]) * 5
    assert not cache.read_into("key", 1, 0, out)


def test_a_temporary_cache_is_removed(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    cache = block_cache.open_cache("1GB")
    assert cache.limit == 10**9
    cache.put("key", 0, b"1")
    assert find_nbytes(tmp_path) == 1
    again = pickle.loads(pickle.dumps(cache))
    assert again.folder == cache.folder
    del again
    assert find_nbytes(tmp_path) == 1
    del cache
    assert not list(tmp_path.iterdir())


def test_sizes_of_caches(tmp_path):
    assert block_cache.open_cache((tmp_path, "2.5 GB")).limit == 2_500_000_000
    for wrong in ("1MB", (tmp_path, "much"), 5):
        with pytest.raises(ValueError, match="cache must be a size such as '10GB'"):
            block_cache.open_cache(wrong)


def test_options_of_urls_are_refused_for_files(tmp_path):
    np.save(tmp_path / "X.npy", X)
    with pytest.raises(ValueError, match="storage_options has no meaning"):
        open_rows(tmp_path / "X.npy", storage_options={"anon": True})
    with pytest.raises(ValueError, match="cache has no meaning"):
        open_rows(tmp_path / "X.npy", cache="1GB")
