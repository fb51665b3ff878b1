"""Rows behind URLs: a web server with ranges and faults, and a store in memory."""

import errno
import io
import os
import pickle
import re
import subprocess
import sys
import threading

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from helpers import raises
from range_server import serving
from sklearn.linear_model import SGDClassifier
from sklearn.model_selection import cross_val_score

from skmmap import ChunkedFit, convert, open_rows
from skmmap.remote import disk_cache, is_url, remote_file, requests, say_url
from skmmap.remote.disk_cache import BLOCK_NBYTES, DiskCache
from skmmap.remote.reader import RemoteReader
from skmmap.remote.remote_file import RemoteFile
from skmmap.remote.urls import say_text

RNG = np.random.default_rng(0)
X = RNG.normal(size=(3_000, 20)).astype("f4")
Y = (X[:, 0] > 0).astype("i8")
LARGE = RNG.integers(0, 256, 5 * BLOCK_NBYTES + 777, np.uint8)


def to_npy(array) -> bytes:
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


def to_parquet(table, row_group_size=700) -> bytes:
    file = io.BytesIO()
    pq.write_table(table, file, row_group_size=row_group_size)
    return file.getvalue()


@pytest.fixture(scope="module")
def server():
    with serving() as server:
        yield server


@pytest.fixture(autouse=True)
def _at_once(monkeypatch):
    monkeypatch.setattr(requests, "_PAUSE", 0)


@pytest.fixture
def web(server):
    """Return the server, which has the files of one test."""
    server.files.clear()
    server.faults.clear()
    server.files |= {"X.npy": to_npy(X), "y.npy": to_npy(Y), "large.bin": bytes(LARGE)}
    server.asked.clear()
    return server


@pytest.fixture
def memory():
    """Return a file system in the memory of this process, and its root."""
    import fsspec

    system = fsspec.filesystem("memory")
    yield system
    system.store.clear()


def test_what_is_a_url():
    for url in ("s3://b/x", "https://h/x", "memory://x", "simplecache::s3://b/x"):
        assert is_url(url)
    for path in ("x.npy", "C:\\x.npy", "C://x", "/a/b", "a:b", "", b"s3://b/x", 3):
        assert not is_url(path)


def test_no_secret_is_shown():
    url = "https://me:word@host:80/a/X.npy?signature=abc#part"
    assert say_url(url) == "https://host:80/a/X.npy"
    assert say_url("filecache::s3://b/x@y.npy") == "filecache::s3://b/x@y.npy"


@pytest.mark.parametrize("cache", ["auto", None, "2MB", 10**9])
def test_rows_are_those_of_the_array(web, cache):
    rows = open_rows(f"{web.url}/X.npy", cache=cache)
    assert (rows.shape, rows.dtype) == (X.shape, X.dtype)
    for start, stop in ((0, 10), (10, 20), (2_990, 3_000), (5, 5), (0, 3_000)):
        np.testing.assert_array_equal(rows[start:stop], X[start:stop])
    for picked in ([5, 3, 2_999], [], range(0, 3_000, 7), RNG.permutation(3_000)):
        np.testing.assert_array_equal(rows[list(picked)], X[list(picked)])


@pytest.mark.parametrize(
    ("dtype", "shape"),
    [(">f8", (7,)), ("<i2", (7, 3)), ("?", (7, 2, 2)), ("U3", (1, 3)), ("u1", (0, 3))],
)
def test_types_and_shapes(web, dtype, shape):
    array = RNG.integers(0, 2, shape).astype(dtype)
    web.files["a.npy"] = to_npy(array)
    rows = open_rows(f"{web.url}/a.npy")
    assert rows.shape == shape
    np.testing.assert_array_equal(rows[:], array)


def test_raw_files(web):
    web.files["X.bin"] = bytes(8) + X.tobytes()
    given = {"dtype": "f4", "offset": 8}
    rows = open_rows(f"{web.url}/X.bin", shape=(-1, 20), **given)
    np.testing.assert_array_equal(rows[7:9], X[7:9])
    rows = open_rows(f"{web.url}/X.bin", shape=(100, 20), **given)
    np.testing.assert_array_equal(rows[:], X[:100])
    named = f"'{web.url}/X.bin'"
    for shape, offset, text in (
        ((-1, 7), 8, f"{named} has 240,000 bytes of data, not a whole number of rows"),
        ((3_001, 20), 8, f"{named} is too short: shape=(3001, 20) of float32"),
        ((-1, 20), -1, f"offset must be from 0 to the 240,008 bytes of {named}"),
    ):
        with pytest.raises(ValueError, match="bytes") as caught:
            open_rows(f"{web.url}/X.bin", dtype="f4", shape=shape, offset=offset)
        assert str(caught.value).startswith(text)


@pytest.mark.parametrize("cache", ["auto", None])
@pytest.mark.parametrize("shuffle", [True, False])
def test_a_fit_is_that_of_the_array(web, cache, shuffle):
    model = ChunkedFit(
        SGDClassifier(random_state=0),
        shuffle=shuffle,
        max_epochs=3,
        chunk_size=100,
        memory_limit="200kB",
    )
    expected = model.fit(X, Y).coef_.copy()
    rows = open_rows(f"{web.url}/X.npy", cache=cache)
    found = model.fit(rows, f"{web.url}/y.npy").coef_
    np.testing.assert_array_equal(found, expected)
    np.testing.assert_array_equal(model.predict(f"{web.url}/X.npy"), model.predict(X))


@pytest.mark.slow
def test_searches_and_workers(web, workers_started):
    model = ChunkedFit(SGDClassifier(random_state=0), chunk_size=500)
    rows = open_rows(f"{web.url}/X.npy")
    found = cross_val_score(model, rows, Y, cv=3, n_jobs=2)
    np.testing.assert_array_equal(found, cross_val_score(model, X, Y, cv=3))


def test_later_epochs_read_the_disk(web):
    rows = open_rows(f"{web.url}/large.bin", dtype="u1", shape=(-1,))
    for _ in range(2):
        assert rows[:].read().tobytes() == LARGE.tobytes()
    web.asked.clear()
    for start in (0, 1_000_000, 5_000_000):
        read = rows[start : start + 9_000].read()
        np.testing.assert_array_equal(read, LARGE[start : start + 9_000])
    assert web.asked == []


@pytest.mark.parametrize(("limit", "end"), [(0, 0), (2, 2), (3.9, 3), (100, 5.1)])
def test_only_so_much_is_kept(web, limit, end, monkeypatch):
    """Nothing is thrown out, as the next row would be."""
    monkeypatch.setattr(remote_file, "_AHEAD_NBYTES", 0)
    file = RemoteFile(f"{web.url}/large.bin", None, int(limit * BLOCK_NBYTES))
    for _ in range(2):
        web.asked.clear()
        for start in range(0, len(LARGE), 600_000):
            stop = min(start + 600_000, len(LARGE))
            np.testing.assert_array_equal(file.read(start, stop), LARGE[start:stop])
    asked = [int(line.split()[1].partition("-")[0]) for line in web.asked]
    assert all(start >= int(end) * BLOCK_NBYTES for start in asked)
    assert bool(asked) == (end < 5)
    file.close()
    np.testing.assert_array_equal(file.read(3, 9), LARGE[3:9])


def test_random_ranges(web):
    for limit in (0, 2 * BLOCK_NBYTES, None):
        file = RemoteFile(f"{web.url}/large.bin", None, limit)
        for _ in range(8):
            starts = RNG.integers(0, len(LARGE) - 1, RNG.integers(1, 9)).tolist()
            sizes = RNG.integers(0, 300_000, len(starts))
            ranges = [
                (start, min(start + int(size), len(LARGE)))
                for start, size in zip(starts, sizes, strict=True)
            ]
            for (start, stop), found in zip(
                ranges, file.read_many(ranges), strict=True
            ):
                np.testing.assert_array_equal(found, LARGE[start:stop])


def test_ranges_are_asked_for_together_and_ahead(web, monkeypatch):
    monkeypatch.setattr(web, "latency", 0.05)
    monkeypatch.setattr(requests, "PIECE_NBYTES", BLOCK_NBYTES)
    monkeypatch.setattr(web, "most_at_once", 0)
    file = RemoteFile(f"{web.url}/large.bin", None, 0)
    file.read(0, len(LARGE))
    assert web.most_at_once >= 4
    file.read(0, 1_000)
    web.asked.clear()
    for start in range(1_000, 101_000, 1_000):
        file.read(start, start + 1_000)
    assert len(web.asked) <= 8


def test_answers_take_little_memory(monkeypatch):
    asked = []

    class System:
        def cat_ranges(self, paths, starts, ends, on_error):
            asked.append(sum(ends) - sum(starts))
            return [bytes(b - a) for a, b in zip(starts, ends, strict=True)]

    got = list(requests.fetch(System(), "x", "memory://x", [(0, 10**8), (5, 9)]))
    assert sum(len(data) for _, _, data in got) == 10**8 + 4
    assert max(asked) <= requests.BATCH_NBYTES
    assert [start for number, start, _ in got if number == 1] == [5]


@pytest.mark.parametrize("fault", [500, 503, 429, "short"])
def test_what_fails_is_asked_for_again(web, fault):
    rows = open_rows(f"{web.url}/X.npy", cache=None)
    web.faults += [fault] * 3
    np.testing.assert_array_equal(rows[100:2_000], X[100:2_000])
    assert web.faults == []


@pytest.mark.parametrize("fault", [500, "short"])
def test_not_for_ever(web, fault):
    rows = open_rows(f"{web.url}/X.npy", cache=None)
    web.faults += [fault] * 9
    with pytest.raises(OSError, match="bytes 8,128 to 16,128 could not be read: "):
        rows[100:200].read()
    assert len(web.faults) == 9 - requests._ATTEMPTS


@pytest.mark.parametrize("status", [404, 403, 401])
def test_what_asking_again_does_not_help(web, status):
    rows = open_rows(f"{web.url}/X.npy", cache=None)
    web.faults += [status] * 3
    with pytest.raises(OSError, match="could not be read"):
        rows[100:200].read()
    assert len(web.faults) == 2


def test_a_server_without_ranges():
    with serving(has_ranges=False) as server:
        server.files["X.npy"] = to_npy(X) * 9
        with pytest.raises(
            OSError, match="or the server ignores ranges; then download"
        ):
            open_rows(f"{server.url}/X.npy")


def test_a_file_that_is_not_there(web):
    url = f"{web.url}/Z.npy"
    for query, has_cause in (("", True), ("?signature=SECRET", False)):
        said = f"'{url}' cannot be opened: the server answers 404."
        with raises(FileNotFoundError, said) as caught:
            open_rows(url + query)
        # Of an error in a chain the traceback shows the text.
        assert (caught.value.__cause__ is not None) is has_cause
    with raises(
        FileNotFoundError, "'memory://b/Z' cannot be opened: there is no such file."
    ):
        open_rows("memory://b/Z")


def test_nobody_answers(monkeypatch):
    monkeypatch.setattr(requests, "_ATTEMPTS", 1)
    with pytest.raises(FileNotFoundError, match="cannot be opened: Cannot connect to"):
        open_rows("http://127.0.0.1:9/X.npy")


def test_secrets_in_the_text_of_errors_are_not_shown():
    said = say_text(OSError("404, url='https://me:pw@host/X.npy?sig=SECRET', again"))
    assert said == "404, url='https://host/X.npy', again"


CHANGES = {
    "other values": to_npy(X + 1),
    "fewer rows": to_npy(X[:200]),
    "more rows": to_npy(np.r_[X, X]),
}


@pytest.mark.parametrize("kind", CHANGES)
def test_a_file_that_is_written_again_is_an_error(web, kind):
    rows = open_rows(f"{web.url}/X.npy")
    rows[:10].read()
    sent = pickle.dumps(rows)
    web.files["X.npy"] = CHANGES[kind]
    text = r"was written again since it was opened: it had 240,128 bytes .* it again\."
    with pytest.raises(ValueError, match=text):
        ChunkedFit(SGDClassifier()).fit(rows, Y)
    with pytest.raises(ValueError, match=text):
        ChunkedFit(SGDClassifier()).fit(pickle.loads(sent), Y)


def test_a_file_that_is_written_again_during_a_run(web):
    class Writes(SGDClassifier):
        def partial_fit(self, X, y, classes=None):
            web.files["X.npy"] = CHANGES["other values"]
            return super().partial_fit(X, y, classes)

    rows = open_rows(f"{web.url}/X.npy")
    model = ChunkedFit(Writes(), shuffle=False, chunk_size=500, memory_limit="200kB")
    with pytest.raises(ValueError, match="was written again since it was opened"):
        model.fit(rows, Y)


def test_pickles_have_an_address_and_no_rows(web):
    rows = open_rows(f"{web.url}/X.npy")
    rows[:].read()
    sent = pickle.dumps(rows)
    assert len(sent) < 2_000
    np.testing.assert_array_equal(pickle.loads(sent)[5:9], X[5:9])


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_child_opens_connections_of_its_own(web):
    code = f"""
import os, sys
import numpy as np
from skmmap import open_rows
rows = open_rows("{web.url}/X.npy")
expected = rows[:50].read()
child = os.fork()
if not child:
    same = np.array_equal(rows[:50].read(), expected)
    same &= rows[2_000:2_100].read().shape == (100, 20)
    os._exit(not same)
sys.exit(os.waitpid(child, 0)[1])
"""
    done = subprocess.run([sys.executable, "-c", code], timeout=100)
    assert done.returncode == 0


def test_threads_read_at_once(web):
    rows = open_rows(f"{web.url}/large.bin", dtype="u1", cache="2MB")
    wrong = []

    def read(seed):
        starts = np.random.default_rng(seed).integers(0, len(LARGE) - 9_000, 30)
        for start in starts.tolist():
            if not np.array_equal(rows[start : start + 9_000], LARGE[start:][:9_000]):
                wrong.append(start)

    threads = [threading.Thread(target=read, args=(seed,)) for seed in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_a_full_disk_is_no_error(web, monkeypatch):
    class Full(disk_cache.ScratchFile):
        def __init__(self):
            super().__init__()
            self.file = self

        def seek(self, place):
            """Go anywhere."""

        def write(self, data):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(disk_cache, "ScratchFile", Full)
    rows = open_rows(f"{web.url}/X.npy")
    np.testing.assert_array_equal(rows[100:900], X[100:900])
    np.testing.assert_array_equal(rows[:], X)


def test_the_cache_is_a_part_of_the_free_disk(monkeypatch):
    monkeypatch.setattr(disk_cache, "is_in_memory", lambda folder: True)
    assert disk_cache.find_limit() == 0
    monkeypatch.setattr(disk_cache, "is_in_memory", lambda folder: False)
    assert 0 < disk_cache.find_limit() <= 2**33


def test_blocks_of_a_cache():
    cache = DiskCache(5 * BLOCK_NBYTES + 7, 3 * BLOCK_NBYTES + 5)
    assert cache.end == 3 * BLOCK_NBYTES
    assert cache.list_missing(10, 9 * BLOCK_NBYTES) == [0, 1, 2]
    cache.write(BLOCK_NBYTES, bytes(BLOCK_NBYTES))
    assert cache.list_missing(0, 3 * BLOCK_NBYTES) == [0, 2]
    assert DiskCache(7, 7).find_place(0) == (0, 7)
    cache.close()


TABLE = pa.table(
    {
        "a": X[:, 0],
        "b": pa.array(np.arange(3_000), mask=np.arange(3_000) % 50 == 3),
        "text": [f"t{i % 7}" for i in range(3_000)],
    }
)


@pytest.mark.parametrize("cache", ["auto", None])
def test_parquet(web, cache):
    web.files["X.parquet"] = to_parquet(TABLE)
    url = f"{web.url}/X.parquet"
    expected = TABLE.select(["a", "b"]).to_pandas().to_numpy()
    rows = open_rows(url, columns=["a", "b"], cache=cache)
    np.testing.assert_array_equal(rows[690:1_410], expected[690:1_410])
    np.testing.assert_array_equal(rows[[2_999, 3]], expected[[2_999, 3]])
    frame = open_rows(url, cache=cache).read(0, 5)
    assert frame["text"].tolist() == ["t0", "t1", "t2", "t3", "t4"]
    some = open_rows(url, columns="a", filters=[("b", ">", 2_900)], cache=cache)
    np.testing.assert_array_equal(some[:], expected[expected[:, 1] > 2_900, 0])
    model = ChunkedFit(SGDClassifier(random_state=0), chunk_size=300)
    coef = model.fit(X[:, :1], Y).coef_.copy()
    found = model.fit(open_rows(url, columns=["a"], cache=cache), Y).coef_
    np.testing.assert_array_equal(found, coef)


def test_columns_of_parquet_are_fetched_alone(web):
    names = [f"c{i}" for i in range(20)]
    wide = pa.table({name: RNG.normal(size=50_000) for name in names})
    web.files["X.parquet"] = to_parquet(wide, 25_000)
    rows = open_rows(f"{web.url}/X.parquet", columns=["c1", "c18"], cache=None)
    web.asked.clear()
    rows[:].read()
    spans = [line.split()[1].partition("/")[0].split("-") for line in web.asked]
    nbytes = sum(int(stop) - int(start) + 1 for start, stop in spans)
    assert nbytes < 0.5 * len(web.files["X.parquet"])


def test_a_replaced_table_is_an_error(web):
    web.files["X.parquet"] = to_parquet(TABLE)
    rows = open_rows(f"{web.url}/X.parquet", columns=["a", "b"])
    web.files["X.parquet"] = to_parquet(TABLE.slice(1))
    with pytest.raises(ValueError, match="was written again since it was opened"):
        ChunkedFit(SGDClassifier()).fit(rows, Y)


def test_patterns_folders_and_keys(memory):
    for i, part in enumerate(np.array_split(X, 12)):
        memory.pipe(f"/b/X_{i}.npy", to_npy(part))
    np.testing.assert_array_equal(open_rows("memory://b/X_*.npy")[:], X)
    urls = ["memory://b/X_3.npy", "memory://b/X_1.npy"]
    assert open_rows(urls).shape == (500, 20)
    for key in (1, 2):
        memory.pipe(f"/b/table/k={key}/part-0.parquet", to_parquet(TABLE))
    memory.pipe("/b/table/_SUCCESS", b"")
    rows = open_rows("memory://b/table", columns=["b", "k"], filters=[("k", "=", 2)])
    assert rows.shape == (3_000, 2)
    assert set(open_rows("memory://b/table", columns="k").read()) == {1, 2}
    both = open_rows("memory://b/table/*/part-0.parquet", columns=["a", "b"])
    assert both.shape == (6_000, 2)
    with raises(FileNotFoundError, "source='memory://b/Z_*.npy' matches no file."):
        open_rows("memory://b/Z_*.npy")


def test_zarr(memory):
    import zarr

    array = zarr.create_array(
        "memory://b/X.zarr", shape=X.shape, dtype=X.dtype, chunks=(400, 20)
    )
    array[:] = X
    rows = open_rows("memory://b/X.zarr")
    np.testing.assert_array_equal(rows[390:810], X[390:810])


def test_convert_downloads(web, tmp_path):
    path = tmp_path / "X.npy"
    np.testing.assert_array_equal(convert(f"{web.url}/X.npy", path)[:], X)


def test_a_checkpoint_knows_the_file(web, tmp_path):
    model = ChunkedFit(
        SGDClassifier(random_state=0), checkpoint=tmp_path / "fit.ckpt", max_epochs=2
    )
    model.fit(f"{web.url}/X.npy", f"{web.url}/y.npy")
    assert (tmp_path / "fit.ckpt").exists()
    assert b"secret" not in (tmp_path / "fit.ckpt").read_bytes()


@pytest.mark.parametrize(
    ("name", "data", "text"),
    [
        ("F.npy", to_npy(np.asfortranarray(X)), "is in Fortran order: each row is"),
        ("one.npy", to_npy(np.float64(3)), "holds a single value, which has no rows."),
        ("cut.npy", to_npy(X)[:-5], "is truncated: its header says shape (3000, 20)"),
        ("X.h5", b"\x89HDF\r\n\x1a\n" + bytes(99), "is no file of which ranges can be"),
        (
            "X.arrow",
            b"ARROW1" + bytes(99),
            "it is mapped, which remote files cannot be. Download it.",
        ),
        ("e.npy", b"", "is no file of which ranges can be read"),
    ],
)
def test_what_cannot_be_read(web, name, data, text):
    web.files[name] = data
    with pytest.raises(ValueError, match=re.escape(text)):
        open_rows(f"{web.url}/{name}")


def test_zarr_of_a_server_that_lists_no_folders(web, tmp_path):
    import zarr

    group = zarr.open_group(tmp_path / "g.zarr", mode="w")
    for at in "", "in/":
        array = group.create_array(f"{at}X", shape=(30, 2), dtype="f4", chunks=(9, 2))
        array[:] = X[:30, :2]
    for path in (tmp_path / "g.zarr").rglob("*"):
        if path.is_file():
            web.files[str(path.relative_to(tmp_path))] = path.read_bytes()
    rows = open_rows(f"{web.url}/g.zarr", key="in/X")
    np.testing.assert_array_equal(rows.read(), X[:30, :2].astype("f4"))
    url = f"{web.url}/g.zarr"
    with raises(
        ValueError,
        f"'{url}' is a group of zarr, and the server does not list what it holds. "
        f"Name an array in it: open_rows('{url}', key='X').",
    ):
        open_rows(url)
    with raises(
        FileNotFoundError,
        f"'{web.url}/no.zarr' has no metadata of zarr, or does not answer.",
    ):
        open_rows(f"{web.url}/no.zarr?sig=SECRET")


def test_lance_opens_urls_itself():
    with raises(
        ValueError,
        "source='s3://b/X.lance' is opened by Lance itself: give "
        "lance.dataset(url, storage_options=...).",
    ):
        open_rows("s3://b/X.lance")


def test_options(web, tmp_path):
    url = f"{web.url}/X.npy"
    with raises(ValueError, f"key has no meaning for '{url}'; got 'a'."):
        open_rows(url, key="a")
    with raises(
        ValueError,
        "cache must be a number of bytes or a size such as '512MB' or '2GiB'; got -1.",
    ):
        open_rows(url, cache=-1)
    with raises(
        TypeError,
        "storage_options must be a dict, such as {'anon': True}, or None; got a str.",
    ):
        open_rows(url, storage_options="secret")
    np.save(tmp_path / "X.npy", X)
    path = str(tmp_path / "X.npy")
    with raises(ValueError, f"cache has no meaning for {path!r}; got None."):
        open_rows(path, cache=None)
    with raises(
        ValueError, "'foo://b/x.npy' cannot be opened: Protocol not known: foo."
    ):
        open_rows("foo://b/x.npy")


def test_options_of_the_storage_are_passed_on_and_not_shown(web):
    """As headers of a request, for instance."""
    options = {"headers": {"Authorization": "secret"}}
    rows = open_rows(f"{web.url}/X.npy", storage_options=options)
    np.testing.assert_array_equal(rows[3:5], X[3:5])
    web.files.clear()
    with pytest.raises(FileNotFoundError) as caught:
        ChunkedFit(SGDClassifier()).fit(rows, Y)
    assert "secret" not in f"{caught.value} {rows!r}"


def test_fsspec_is_missing(monkeypatch):
    monkeypatch.setitem(sys.modules, "fsspec", None)
    with raises(
        ImportError,
        "'s3://b/X.npy' is read through fsspec, which is not installed: pip install "
        "'skmmap[remote]'.",
    ):
        open_rows("s3://b/X.npy")


def test_a_file_object(web):
    """It is what Python's own files are, for any sequence of calls."""
    reader = RemoteReader(RemoteFile(f"{web.url}/large.bin", None, 0))
    known = io.BytesIO(LARGE.tobytes())
    reader.announce([(10, 5_000), (4_000, 9_000), (2_000_000, 2_500_000)])
    for _ in range(60):
        place = int(RNG.integers(-10, len(LARGE) + 10))
        whence = int(RNG.integers(0, 3))
        offset = {0: max(0, place), 1: place - known.tell(), 2: place - len(LARGE)}
        if known.tell() + offset[1] < 0:
            continue
        assert reader.seek(offset[whence], whence) == known.seek(offset[whence], whence)
        size = int(RNG.choice([0, 1, 4_000, 2_000_000]))
        assert reader.read(size) == known.read(size)
        assert reader.tell() == known.tell()
    reader.close()
    assert reader.closed


def test_what_says_nothing_of_its_size(monkeypatch, memory):
    memory.pipe("/b/X.npy", to_npy(X))
    info = type(memory).info
    monkeypatch.setattr(type(memory), "info", lambda *a: info(*a) | {"size": None})
    with pytest.raises(ValueError, match="does not say how many bytes it has"):
        open_rows("memory://b/X.npy")


def test_the_ahead_is_a_part_of_a_batch():
    assert remote_file._AHEAD_NBYTES < requests.BATCH_NBYTES
