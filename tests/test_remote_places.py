"""What is behind URLs: secrets of theirs, patterns, folders, chains, and zarr."""

import io
import os
import pickle
import re
import shutil
import sys
import traceback
import zipfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from helpers import raises
from processes import run_fresh
from sklearn.linear_model import SGDClassifier

from skmmap import ChunkedFit, convert, open_rows
from skmmap.remote import RemotePath, find_path, is_url, say_url
from skmmap.remote.urls import hide_secrets
from skmmap.rows import find_source

RNG = np.random.default_rng(0)
X = RNG.normal(size=(3_000, 20)).astype("f4")
Y = (X[:, 0] > 0).astype("i8")
TABLE = pa.table({"a": X[:, 0], "b": np.arange(3_000)})


def to_npy(array) -> bytes:
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


def to_parquet(table) -> bytes:
    file = io.BytesIO()
    pq.write_table(table, file, row_group_size=700)
    return file.getvalue()


@pytest.fixture(autouse=True)
def _files(web):
    web.files["X.npy"] = to_npy(X)


def test_what_is_a_url():
    for url in ("s3://b/x", "https://h/x", "memory://x", "simplecache::s3://b/x"):
        assert is_url(url)
    for path in ("x.npy", "C:\\x.npy", "C://x", "/a/b", "a:b", "", b"s3://b/x", 3):
        assert not is_url(path)


def test_paths_of_urls(memory):
    memory.pipe({"/b/X": b"", "/b/Y": b""})
    for url, path in (
        ("s3://b/X.parquet?versionId=abc", "s3:/b/X.parquet"),
        ("gs://b/X#1.npy?generation=12", "gs:/b/X#1.npy"),
        ("HTTPS://h/X.npy?a=/b#c", "HTTPS:/h/X.npy"),
        ("https://h/X.npy#part?c", "https:/h/X.npy"),
        ("simplecache::zip://in/X.npy::s3://b/X.zip", "zip:/in/X.npy"),
    ):
        assert str(find_path(url)) == path
    urls = "memory://b/X", "memory://b/X", "memory://b/Y"
    one, same, other = map(RemotePath, urls)
    assert one == same != other
    assert one != str(one)
    assert len({one, same, other}) == 2


def test_no_secret_is_shown():
    url = "https://me:word@host:80/a/X.npy?signature=abc#part"
    assert say_url(url) == "https://host:80/a/X.npy"
    assert say_url("filecache::s3://b/x@y#1.npy") == "filecache::s3://b/x@y#1.npy"
    assert say_url(f"zip://X.npy::{url}") == "zip://X.npy::https://host:80/a/X.npy"


def test_secrets_in_the_text_of_errors_are_not_shown():
    text = "404, url='https://me:pw@host/X.npy?sig=SECRET', again"
    said = "404, url='https://host/X.npy', again"
    assert hide_secrets(text, "https://other/X.npy") == said
    text = "No /b/X.npy?sig=SECRET, pw@b"
    assert hide_secrets(text, "memory://pw@b/X.npy?sig=SECRET") == "No /b/X.npy, b"


@pytest.mark.parametrize("status", [404, 403, 500])
def test_no_secret_is_in_an_error(web, status):
    secret = f"{web.url.replace('//', '//me:word@')}/X.npy?signature=abc%3D"
    rows = open_rows(secret, cache=None)
    web.faults += [status] * 9
    text = re.escape(f"'{web.url}/X.npy': bytes 8,128 to 16,128 could not be read: ")
    with pytest.raises(OSError, match=text) as reading:
        rows[100:200].read()
    web.files.clear()
    with pytest.raises(FileNotFoundError, match="the server answers 404") as opening:
        open_rows(secret)
    for caught in (reading, opening):
        shown = "".join(traceback.format_exception(caught.value))
        assert not re.search("abc|word", shown)


def test_an_error_without_secrets_has_its_cause(web):
    with pytest.raises(FileNotFoundError) as caught:
        open_rows(f"{web.url}/Z.npy")
    assert caught.value.__cause__ is not None


def test_options_of_the_storage_are_passed_on_and_not_shown(web):
    """As headers of a request, for instance."""
    options = {"headers": {"Authorization": "secret"}}
    rows = open_rows(f"{web.url}/X.npy", storage_options=options)
    np.testing.assert_array_equal(rows[3:5], X[3:5])
    web.files.clear()
    with pytest.raises(FileNotFoundError) as caught:
        ChunkedFit(SGDClassifier()).fit(rows, Y)
    assert "secret" not in f"{caught.value} {rows!r}"
    with raises(
        TypeError,
        "storage_options must be a dict, such as {'anon': True}, or None; got a str.",
    ):
        open_rows(f"{web.url}/X.npy", storage_options="secret")


def test_options_of_the_storage_are_not_shown_where_they_have_no_meaning(tmp_path):
    path = tmp_path / "X.npy"
    np.save(path, X)
    with raises(
        ValueError, f"storage_options has no meaning for {str(path)!r}; got a dict."
    ):
        open_rows(path, storage_options={"secret": "abc"})


def test_fsspec_is_missing(monkeypatch):
    monkeypatch.setitem(sys.modules, "fsspec", None)
    with raises(
        ImportError,
        "'s3://b/X.npy' is read through fsspec, which is not installed: pip install "
        "'skmmap[remote]'.",
    ):
        open_rows("s3://b/X.npy")


def test_options(web, tmp_path):
    url = f"{web.url}/X.npy"
    with raises(ValueError, f"key has no meaning for '{url}'; got 'a'."):
        open_rows(url, key="a")
    with raises(
        ValueError,
        "cache must be a number of bytes or a size such as '512MB' or '2GiB'; got -1.",
    ):
        open_rows(url, cache=-1)
    with raises(ValueError, "mode must be 'r' for 'memory://b/X.npy'; got 'w+'."):
        open_rows("memory://b/X.npy", mode="w+", dtype="f4", shape=(3, 4))
    np.save(tmp_path / "X.npy", X)
    path = str(tmp_path / "X.npy")
    with raises(ValueError, f"cache has no meaning for {path!r}; got None."):
        open_rows(path, cache=None)
    with raises(
        ValueError, "'foo://b/x.npy' cannot be opened: Protocol not known: foo."
    ):
        open_rows("foo://b/x.npy")


def test_urls_where_paths_of_files_are_needed(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with raises(
        FileNotFoundError,
        f"There is no folder {tmp_path}/s3:/b for X.npy. Files are written to disks "
        "only: upload it from there to a URL.",
    ):
        convert(X, "s3://b/X.npy")
    with pytest.raises(FileNotFoundError, match="A URL is given as text, not as a Pa"):
        open_rows(Path("s3://b/X.npy"))


def test_a_query_is_no_pattern(web):
    """Signed URLs have ``filename*=`` in theirs."""
    rows = open_rows(f"{web.url}/X.npy?disposition=filename*%3DX.npy")
    assert rows.shape == X.shape


def test_what_has_no_suffix_is_not_listed_but_looked_at(web):
    """A web server sends the whole file for a list of what is in it."""
    web.files |= {"X": to_npy(X), "t": to_parquet(TABLE), "large": bytes(2**22)}
    assert open_rows(f"{web.url}/X").shape == X.shape
    assert open_rows(f"{web.url}/t", columns=["a", "b"]).shape == (3_000, 2)
    with pytest.raises(ValueError, match="is no file of which ranges can be read"):
        open_rows(f"{web.url}/large")
    assert "all" not in web.asked


def test_patterns_folders_and_keys(memory):
    for i, part in enumerate(np.array_split(X, 12)):
        memory.pipe(f"/b/X_{i}.npy", to_npy(part))
    np.testing.assert_array_equal(open_rows("memory://b/X_*.npy")[:], X)
    urls = ["memory://b/X_3.npy", "memory://b/X_1.npy"]
    assert open_rows(urls).shape == (500, 20)
    for key in (1, 2):
        memory.pipe(f"/b/table/k={key}/part-0.parquet", to_parquet(TABLE))
    memory.pipe("/b/table/_SUCCESS", b"")
    memory.pipe("/b/table/_temporary.parquet", b"")
    memory.pipe("/b/table/other/part-0.parquet", b"")
    memory.pipe("/b/table/k=1/notes.txt", b"")
    rows = open_rows("memory://b/table", columns=["b", "k"], filters=[("k", "=", 2)])
    assert rows.shape == (3_000, 2)
    assert set(open_rows("memory://b/table", columns="k").read()) == {1, 2}
    both = open_rows("memory://b/table/k=*/part-0.parquet", columns=["a", "b"])
    assert both.shape == (6_000, 2)
    folders = open_rows("memory://b/table/k=*", columns=["a", "b"])
    assert folders.shape == (6_000, 2)
    with raises(FileNotFoundError, "source='memory://b/Z_*.npy' matches no file."):
        open_rows("memory://b/Z_*.npy")


def test_a_folder_with_the_suffix_of_a_table(memory, tmp_path):
    """Spark and dask write such folders."""
    memory.pipe("/b/t.parquet/part-0.parquet", to_parquet(TABLE))
    assert open_rows("memory://b/t.parquet/", columns=["a"]).shape == (3_000, 1)
    folder = tmp_path / "table"
    folder.mkdir()
    pq.write_table(TABLE, folder / "part-0.parquet")
    assert open_rows(folder.as_uri(), columns=["a"]).shape == (3_000, 1)


def test_names_with_the_signs_of_queries(memory):
    for value in ("a b", "c%2Fd", "e?f", "g#h"):
        memory.pipe(f"/b/table/k={value}/p#1.parquet", to_parquet(TABLE[:1]))
    rows = open_rows("memory://b/table", columns="k")
    assert rows.read().tolist() == ["a b", "c/d", "e?f", "g#h"]


def test_chains(memory, tmp_path):
    """Each file is read through the whole chain, here through a cache on disk."""
    options = {"simplecache": {"cache_storage": str(tmp_path / "cache")}}
    for i in range(2):
        memory.pipe(f"/b/X_{i}.npy", to_npy(X))
        memory.pipe(f"/b/table/k={i}/part-0.parquet", to_parquet(TABLE))
    rows = open_rows("simplecache::memory://b/X_*.npy", storage_options=options)
    np.testing.assert_array_equal(rows[2_999:3_002], X[[2_999, 0, 1]])
    assert len(os.listdir(tmp_path / "cache")) == 2
    url = "simplecache::memory://b/table"
    rows = open_rows(url, storage_options=options, columns=["a", "k"])
    assert rows.shape == (6_000, 2)
    with zipfile.ZipFile(tmp_path / "X.zip", "w") as file:
        file.writestr("X_1.npy", to_npy(X[:10]))
        file.writestr("X_2.npy", to_npy(X[10:20]))
    rows = open_rows(f"zip://X_*.npy::{(tmp_path / 'X.zip').as_uri()}")
    np.testing.assert_array_equal(rows[:], X[:20])


def test_shards_are_asked_for_once_and_together(web, monkeypatch):
    urls = []
    for i, part in enumerate(np.array_split(X, 20)):
        web.files[f"X_{i}.npy"] = to_npy(part)
        urls.append(f"{web.url}/X_{i}.npy")
    monkeypatch.setattr(web, "latency", 0.01)
    monkeypatch.setattr(web, "heads", 0)
    monkeypatch.setattr(web, "most_at_once", 0)
    rows = open_rows(urls)
    assert (web.heads, len(web.asked)) == (20, 20)
    assert web.most_at_once > 4
    monkeypatch.setattr(web, "most_at_once", 0)
    ChunkedFit(SGDClassifier(), max_epochs=1, shuffle=False).fit(rows, Y)
    assert web.most_at_once > 4
    web.files["X_7.npy"] = to_npy(X[150:300] + 1)
    text = f"'{web.url}/X_7.npy' was written again since it was opened"
    with pytest.raises(ValueError, match=text):
        ChunkedFit(SGDClassifier()).fit(rows, Y)


def test_footers_of_tables_are_fetched_once(web):
    for i in range(20):
        web.files[f"t_{i}.parquet"] = to_parquet(TABLE)
    urls = [f"{web.url}/t_{i}.parquet" for i in range(20)]
    open_rows(urls, columns=["a", "b"], cache=None)
    assert len(web.asked) <= 40  # the first bytes, and the last ones


@pytest.fixture
def zarr_on_web(web, tmp_path):
    """Return a function that uploads a zarr array, and returns its URL."""
    import zarr

    def upload(values, **options):
        path = tmp_path / "X.zarr"
        shutil.rmtree(path, ignore_errors=True)
        size = {"shape": values.shape, "chunks": (400, 20), "dtype": values.dtype}
        zarr.create_array(path, **size, **options)[:] = values
        for file in path.rglob("*"):
            if file.is_file():
                web.files[str(file.relative_to(tmp_path))] = file.read_bytes()
        return f"{web.url}/X.zarr"

    return upload


@pytest.mark.parametrize("zarr_format", [2, 3])
def test_zarr(web, zarr_on_web, zarr_format):
    rows = open_rows(zarr_on_web(X, zarr_format=zarr_format))
    np.testing.assert_array_equal(rows[390:810], X[390:810])
    assert "X.zarr" in repr(rows)
    sent = pickle.dumps(rows)
    assert len(sent) < 2_000
    np.testing.assert_array_equal(pickle.loads(sent)[5:9], X[5:9])
    model = ChunkedFit(SGDClassifier(random_state=0), max_epochs=2, chunk_size=100)
    coef = model.fit(X, Y).coef_.copy()
    np.testing.assert_array_equal(model.fit(rows, Y).coef_, coef)


def test_missing_values_of_zarr(zarr_on_web):
    url = zarr_on_web(np.arange(20.0).reshape(1, 20), attributes={"_FillValue": 3.0})
    assert np.flatnonzero(np.isnan(open_rows(url).read()[0])).tolist() == [3]


def test_chunks_of_zarr_are_fetched_once_in_a_pass(web, zarr_on_web):
    rows = open_rows(zarr_on_web(X))
    model = ChunkedFit(
        SGDClassifier(), shuffle=False, max_epochs=1, chunk_size=50, memory_limit="99kB"
    )
    web.asked.clear()
    model.fit(rows, Y)
    assert len(web.asked) <= 2 * -(-3_000 // 400)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_children_open_zarr_again(zarr_on_web, tmp_path):
    (tmp_path / "rows").write_bytes(pickle.dumps(open_rows(zarr_on_web(X))))
    code = """
    import os, pickle, sys
    from pathlib import Path
    rows = pickle.loads(Path(sys.argv[1]).read_bytes())
    rows[:50].read()
    child = os.fork()
    if not child:
        os._exit(rows[400:900].read().shape != (500, 20))
    sys.exit(os.waitpid(child, 0)[1])
    """
    done = run_fresh(code, tmp_path / "rows", timeout=60)
    assert (done.returncode, done.stderr) == (0, "")


def test_requests_of_zarr_are_repeated(web, zarr_on_web):
    rows = open_rows(zarr_on_web(X))
    web.faults += [503, 500, 429]
    np.testing.assert_array_equal(rows[3:7], X[3:7])
    assert web.faults == []
    web.faults += [500] * 9
    with pytest.raises(OSError, match=f"'{web.url}/X.zarr' cannot be read: 500"):
        rows[3:7].read()
    assert len(web.faults) == 4


def test_a_zarr_array_that_is_written_again_is_an_error(web, zarr_on_web):
    rows = open_rows(zarr_on_web(X))
    sent = pickle.dumps(rows)
    zarr_on_web(X + 1, attributes={"n": 1})
    for given in (rows, pickle.loads(sent)):
        with pytest.raises(ValueError, match=r"zarr.json' was written again since it"):
            find_source(given).store.for_run("auto")
    with pytest.raises(ValueError, match=r"zarr.json' was written again since it"):
        pickle.loads(sent)[3:5].read()


def test_a_zarr_array_that_is_written_again_during_a_run(web, zarr_on_web):
    class Writes(SGDClassifier):
        def partial_fit(self, X_chunk, y, classes=None):
            zarr_on_web(X + 1, attributes={"n": 1})
            return super().partial_fit(X_chunk, y, classes)

    model = ChunkedFit(Writes(), shuffle=False, max_epochs=1, chunk_size=500)
    with pytest.raises(ValueError, match=r"zarr.json' was written again since it"):
        model.fit(open_rows(zarr_on_web(X)), Y)


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
    np.testing.assert_array_equal(rows.read(), X[:30, :2])
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


def test_groups_of_zarr(memory):
    import zarr

    group = zarr.create_group("memory://b/G.zarr")
    group["sub/X"] = X
    group["y"] = Y
    for url, key in (
        ("memory://b/G.zarr", "sub/X"),
        ("memory://b/G.zarr/", "sub"),
        ("memory://b/G.zarr/sub/X", None),
    ):
        np.testing.assert_array_equal(open_rows(url, key=key)[5:9], X[5:9])
    with pytest.raises(ValueError, match=r"'memory://b/G.zarr' holds 2 datasets; name"):
        open_rows("memory://b/G.zarr")
    with raises(ValueError, "cache has no meaning for 'memory://b/G.zarr'; got None."):
        open_rows("memory://b/G.zarr", cache=None, key="y")
    with pytest.raises(FileNotFoundError, match="has no metadata of zarr"):
        open_rows("memory://b/Z.zarr")


def test_columns_of_anndata_in_zarr(memory):
    """The values of the categories are fetched once in a run."""
    import zarr

    group = zarr.create_group("memory://b/cells.zarr").create_group("obs/cell_type")
    group.attrs["encoding-type"] = "categorical"
    group["codes"] = (Y - (np.arange(3_000) == 3)).astype("i1")
    group["categories"] = np.array([10, 20])
    rows = open_rows("memory://b/cells.zarr", key="obs/cell_type")
    expected = np.where(np.arange(3_000) == 3, Y[3] - 1, Y) * 10 + 10.0
    expected[expected == 0] = np.nan
    np.testing.assert_array_equal(rows[:], expected)
    store = find_source(rows).store.for_run("auto")
    store.read(0, 5)
    assert store._table is not None
