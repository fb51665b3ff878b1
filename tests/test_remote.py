"""Rows behind URLs: a web server with ranges and faults, and a store in memory."""

import errno
import io
import os
import pickle
import re
import threading
import types
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from helpers import raises
from processes import run_fresh
from range_server import serving
from sklearn.linear_model import SGDClassifier

from skmmap import ChunkedFit, convert, open_rows
from skmmap.formats.remote import array_store
from skmmap.formats.remote.array_store import RemoteStore
from skmmap.remote import disk_cache, reader, remote_file, requests
from skmmap.remote.disk_cache import BLOCK_NBYTES, DiskCache
from skmmap.remote.reader import RemoteReader
from skmmap.remote.remote_file import RemoteFile
from skmmap.rows import find_source

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


@pytest.fixture(autouse=True)
def _files(web):
    web.files |= {"X.npy": to_npy(X), "y.npy": to_npy(Y), "large.bin": bytes(LARGE)}


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


def test_pauses_grow(monkeypatch):
    pauses = []
    monkeypatch.setattr(requests, "_PAUSE", 0.1)
    monkeypatch.setattr(requests.time, "sleep", pauses.append)

    def fail():
        raise ConnectionError("lost")

    with raises(OSError, "'s3://b/X' cannot be read: lost."):
        requests.repeat(fail, "s3://b/X", "read", 4)
    assert pauses == [0.1, 0.2, 0.4]
    tried = []
    with pytest.raises(FileNotFoundError):
        requests.repeat(lambda: Path(tried.append(1) or "/no/X").stat(), "s3://b/X", "")
    assert tried == [1]


def test_which_errors_may_pass():
    lost = FileNotFoundError("https://h/X")
    assert not requests.may_pass(lost)
    lost.__cause__ = ConnectionResetError()  # so fsspec has it where nobody answers
    assert requests.may_pass(lost)
    for error, may in (
        (PermissionError(), False),
        (NotImplementedError(), False),
        (ValueError(), True),
        (type("Answer", (Exception,), {"status": 429})(), True),
        (type("Answer", (Exception,), {"code": 404})(), False),
    ):
        assert requests.may_pass(error) is may


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
    with pytest.raises(ValueError, match="was written again since it was opened"):
        find_source(rows).store.for_run("auto")
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
    rows = open_rows(f"{web.url}/X.npy", cache="10MB")
    rows[:].read()
    sent = pickle.dumps(rows)
    assert len(sent) < 2_000
    web.asked.clear()
    received, before = pickle.loads(sent), web.heads
    for _ in range(2):  # nothing is kept, since each worker would have a cache
        np.testing.assert_array_equal(received[5:9], X[5:9])
    assert (len(web.asked), web.heads - before) == (2, 1)


def test_a_file_that_was_replaced_is_the_reason_of_an_error(web):
    rows = open_rows(f"{web.url}/X.npy", cache=None)
    web.files["X.npy"] = CHANGES["fewer rows"]
    with pytest.raises(ValueError, match="was written again since it was opened"):
        rows[2_000:2_100].read()


def test_what_a_file_system_keeps_of_listings_is_forgotten(memory, monkeypatch):
    asked = []
    memory.pipe("/b/X.npy", to_npy(X))
    monkeypatch.setattr(
        type(memory), "invalidate_cache", lambda *a: asked.append("forget")
    )
    open_rows("memory://b/X.npy")
    assert asked


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


def test_tables_are_compared_after_a_pass_and_closed(web):
    web.files["X.parquet"] = to_parquet(TABLE)
    rows = open_rows(f"{web.url}/X.parquet", columns=["a", "b"], cache="10MB")
    store = find_source(rows).store.for_run("auto")
    store.read(0, 5)
    web.files["X.parquet"] = to_parquet(TABLE.slice(1))
    with pytest.raises(ValueError, match="was written again since it was opened"):
        store.finish()
    cache = store.paths[0].file._cache
    assert cache.kept
    store.close()
    assert not cache.kept


def test_a_table_that_was_replaced_is_the_reason_of_an_error(web):
    """Of the same size, its footer known: the columns cannot be decoded."""
    web.files["X.parquet"] = to_parquet(TABLE)
    rows = open_rows(f"{web.url}/X.parquet", columns=["a", "b"], cache=None)
    web.files["X.parquet"] = bytes(len(web.files["X.parquet"]))
    with pytest.raises(ValueError, match="was written again since it was opened"):
        rows[:5].read()


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


def test_a_file_object(web):
    """It is what Python's own files are, for any sequence of calls."""
    opened = RemoteReader(RemoteFile(f"{web.url}/large.bin", None, 0))
    known = io.BytesIO(LARGE.tobytes())
    opened.announce([(10, 5_000), (4_000, 9_000), (2_000_000, 2_500_000)])
    for _ in range(60):
        place = int(RNG.integers(-10, len(LARGE) + 10))
        whence = int(RNG.integers(0, 3))
        offset = {0: max(0, place), 1: place - known.tell(), 2: place - len(LARGE)}
        if known.tell() + offset[1] < 0:
            continue
        assert opened.seek(offset[whence], whence) == known.seek(offset[whence], whence)
        size = int(RNG.choice([0, 1, 4_000, 2_000_000]))
        assert opened.read(size) == known.read(size)
        assert opened.tell() == known.tell()
    opened.close()
    assert opened.closed


def test_what_says_nothing_of_its_size(monkeypatch, memory):
    memory.pipe("/b/X.npy", to_npy(X))
    info = type(memory).info
    monkeypatch.setattr(type(memory), "info", lambda *a: info(*a) | {"size": None})
    with pytest.raises(ValueError, match="does not say how many bytes it has"):
        open_rows("memory://b/X.npy")


def test_the_ahead_is_a_part_of_a_batch():
    assert remote_file._AHEAD_NBYTES < requests.BATCH_NBYTES


def test_pickles_are_compared_before_they_are_read(web):
    sent = pickle.dumps(open_rows(f"{web.url}/X.npy"))
    web.files["X.npy"] = CHANGES["other values"]
    rows = pickle.loads(sent)
    for _ in range(2):
        with pytest.raises(ValueError, match="was written again since it was opened"):
            rows[5:9].read()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_children_open_connections_of_their_own(web, tmp_path):
    rows = open_rows(f"{web.url}/X.npy")
    (tmp_path / "rows").write_bytes(pickle.dumps(rows))
    code = """
    import os, pickle, sys, numpy as np
    from pathlib import Path
    rows = pickle.loads(Path(sys.argv[1]).read_bytes())
    expected = rows[:50].read()
    child = os.fork()
    if not child:
        same = np.array_equal(rows[:50].read(), expected)
        same &= rows[2_000:2_100].read().shape == (100, 20)
        os._exit(not same)
    sys.exit(os.waitpid(child, 0)[1])
    """
    done = run_fresh(code, tmp_path / "rows")
    assert (done.returncode, done.stderr) == (0, "")


def test_a_header_is_fetched_once(web):
    web.files["X.npy"] = to_npy(np.zeros((10**6, 2), "u1"))
    open_rows(f"{web.url}/X.npy", cache=None)
    assert web.asked == ["bytes 0-4095/2000128"]
    many = np.zeros(3, [(f"field_{i}", "f8") for i in range(5_000)])
    file = io.BytesIO()
    np.lib.format.write_array(file, many, (2, 0))
    web.files["X.npy"] = file.getvalue()
    assert open_rows(f"{web.url}/X.npy", cache=None).dtype == many.dtype


def test_a_large_file_without_ranges_is_not_downloaded(monkeypatch):
    monkeypatch.setattr(remote_file, "_PROBED_NBYTES", 2**20)
    asked = []
    with serving(has_ranges=False) as server:
        server.files["X.npy"] = bytes(2**21)
        monkeypatch.setattr(requests, "fetch", lambda *a: asked.append(a))
        text = re.escape("sends whole files of 2,097,152 bytes. Download the file.")
        with pytest.raises(OSError, match=text):
            open_rows(f"{server.url}/X.npy")
        server.says_none = True
        with pytest.raises(OSError, match=text):
            open_rows(f"{server.url}/X.npy")
    assert asked == []


def test_the_end_of_a_file_without_tags_is_not_kept(web, monkeypatch):
    """It may be that of an older one of the same size."""
    monkeypatch.setattr(web, "has_tags", False)
    for name in "ab":
        table = pa.table({name: np.arange(3_000.0)})
        web.files["X.parquet"] = to_parquet(table)
        rows = open_rows(f"{web.url}/X.parquet", columns=[name])
        assert rows.shape == (3_000, 1)
    for given in (rows, open_rows(f"{web.url}/X.npy")):
        with pytest.raises(ValueError, match="may change unnoticed"):
            ChunkedFit(SGDClassifier(), checkpoint="fit.ckpt").fit(given, Y)


def test_what_was_read_ahead_is_kept_of_few_files(web):
    files = [RemoteFile(f"{web.url}/large.bin", None, 0) for _ in range(9)]
    for file in files:
        for start in (0, 1_000):
            file.read(start, start + 1_000)
    held = [len(file._window[1]) for file in files]
    assert sum(map(bool, held)) == 4
    assert held[-1]
    files[-1].read(2_000, len(LARGE))
    assert len(files[-1]._window[1]) == 0


def test_all_caches_share_the_room(web, monkeypatch):
    room = types.SimpleNamespace(free=40 * BLOCK_NBYTES)
    monkeypatch.setattr(disk_cache, "is_in_memory", lambda folder: False)
    monkeypatch.setattr(disk_cache.shutil, "disk_usage", lambda folder: room)
    monkeypatch.setattr(disk_cache, "_automatic", [])
    caches = [disk_cache.open_cache(4 * BLOCK_NBYTES, None) for _ in range(4)]
    ends = [cache.end // BLOCK_NBYTES for cache in caches]
    assert ends == [4, 4, 2, 0]
    del caches[2:]
    caches[0].write(0, bytes(4 * BLOCK_NBYTES))
    room.free -= 4 * BLOCK_NBYTES  # which is no reason to keep less of the others
    assert disk_cache.find_limit() == 2 * BLOCK_NBYTES
    caches.pop(0).close()
    room.free += 4 * BLOCK_NBYTES
    assert disk_cache.find_limit() == 6 * BLOCK_NBYTES
    room.free = 2**40
    assert disk_cache.find_limit() == 2**33


def test_no_folder_for_temporary_files_is_no_error(web, monkeypatch):
    def refuse():
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))

    monkeypatch.setattr(disk_cache, "ScratchFile", refuse)
    np.testing.assert_array_equal(open_rows(f"{web.url}/X.npy")[:], X)


def test_closed_rows_are_not_read(web):
    rows = find_source(open_rows(f"{web.url}/X.npy", cache="10MB")).store
    rows.read(0, 5)
    cache = rows._path.file._cache
    assert cache.kept
    rows.close()
    assert not cache.kept
    with raises(ValueError, "The rows of 'X.npy' are closed. Open them again."):
        rows.read(0, 5)


def test_some_rows_are_kept_in_memory(web):
    """Of rows that are too many for it, as those of files that are decoded."""
    rows = open_rows(f"{web.url}/X.npy", cache=None)
    model = ChunkedFit(
        SGDClassifier(), max_epochs=2, chunk_size=50, memory_limit="300kB"
    )
    said = str(model.explain(rows, Y))
    assert re.search(r"keeps [1-9]\d? % of the rows in memory", said), said


def test_picked_rows_take_little_memory(web, monkeypatch):
    rows = open_rows(f"{web.url}/X.npy", cache=None)
    monkeypatch.setattr(array_store, "_TAKEN_NBYTES", 1)
    monkeypatch.setattr(RemoteStore, "block_rows", 10)
    web.asked.clear()
    picked = [5, 700, 2_999, 2_990]
    np.testing.assert_array_equal(rows[picked], X[picked])
    assert len(web.asked) == 3


def test_a_file_object_keeps_few_pieces(web, monkeypatch):
    monkeypatch.setattr(reader, "_LEAST_NBYTES", 1_000)
    monkeypatch.setattr(reader, "_MOST_HELD", 3)
    opened = RemoteReader(RemoteFile(f"{web.url}/large.bin", None, 0))
    for start in range(0, 20_000, 1_500):
        opened.seek(start)
        assert opened.read(3) == LARGE[start : start + 3].tobytes()
    assert len(opened._held) == 3


def test_ranges_that_are_joined():
    ranges = [(20, 30), (0, 10), (2, 5), (10, 12), (40, 41)]
    assert reader._join(ranges) == [(0, 12), (20, 30), (40, 41)]


def test_few_ends_of_files_are_kept(web, monkeypatch):
    monkeypatch.setattr(reader, "MOST_ENDS_NBYTES", 3 * reader.END_NBYTES)
    for number in range(5):
        web.files[f"{number}"] = bytes(LARGE[number:])
        reader.read_end(RemoteFile(f"{web.url}/{number}", None, 0))
    assert len(reader._ends) == 3


def test_a_table_is_identified_by_its_values(web):
    known = set()
    for shift in (0, 1, 0):
        table = pa.table({"a": np.arange(3.0) + shift})
        web.files["X.parquet"] = to_parquet(table)
        store = find_source(open_rows(f"{web.url}/X.parquet", columns=["a"])).store
        known.add(store.identity.facts)
    assert len(known) == 2
