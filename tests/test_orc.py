"""ORC files, against what pyarrow reads of them."""

import gc
import os
import sys

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import orc
from sklearn.linear_model import SGDClassifier

from skmmap import ChunkedFit, open_rows
from skmmap.formats.arrow.orc_file import OrcFile
from skmmap.formats.files.parquet import list_arrays
from skmmap.rows.rows import find_source

RNG = np.random.default_rng(0)
N_ROWS = 2_500


def write(path, table, stripe_rows=1_000):
    """Write stripes of so many rows: one is ended where a batch is, if it is small."""
    with orc.ORCWriter(path, stripe_size=1_024, batch_size=stripe_rows) as writer:
        for start in range(0, max(1, len(table)), stripe_rows):
            writer.write(table.slice(start, stripe_rows))
    return path


def make_table(n_rows=N_ROWS):
    is_missing, list_ = np.arange(n_rows) % 700 == 5, pa.list_(pa.float64())
    return pa.table(
        {
            "f8": RNG.normal(size=n_rows),
            "f4": RNG.normal(size=n_rows).astype("f4"),
            "i8": RNG.integers(0, 9, n_rows),
            "i2": RNG.integers(0, 9, n_rows).astype("i2"),
            "bool": RNG.integers(0, 2, n_rows).astype(bool),
            "missing": pa.array(np.arange(n_rows), mask=is_missing),
            "gap": pa.array(RNG.normal(size=n_rows), mask=is_missing),
            "text": pa.array([f"t{i % 13}" for i in range(n_rows)], pa.string()),
            "list": pa.array(RNG.normal(size=(n_rows, 3)).tolist(), list_),
            "date": pa.array(np.arange(n_rows).astype("datetime64[D]")),
            "time": pa.array(np.arange(n_rows).astype("datetime64[ms]")),
        }
    )


@pytest.fixture(scope="module")
def table():
    return make_table()


@pytest.fixture(scope="module")
def path(tmp_path_factory, table):
    return write(tmp_path_factory.mktemp("orc") / "X.orc", table)


def test_there_are_stripes(path):
    assert orc.ORCFile(path).nstripes == 3


@pytest.mark.parametrize(
    "column", ["f8", "f4", "i8", "i2", "bool", "missing", "gap", "text", "time"]
)
def test_one_column(path, column):
    expected = orc.read_table(path, columns=[column])[column].to_numpy()
    expected = expected.astype(str) if column == "text" else expected
    rows = open_rows(path, columns=column)
    assert rows.dtype == expected.dtype
    np.testing.assert_array_equal(rows[:], expected)
    for start, stop in ((0, 5), (995, 1_005), (998, 2_003), (2_499, 2_500)):
        np.testing.assert_array_equal(rows[start:stop], expected[start:stop])


def test_several_columns_in_the_order_that_is_asked_for(path, table):
    rows = open_rows(path, columns=["i8", "gap", "f4"])
    expected = table.select(["i8", "gap", "f4"]).to_pandas().to_numpy(float)
    np.testing.assert_array_equal(rows[990:2_010], expected[990:2_010])
    assert rows.columns.tolist() == ["i8", "gap", "f4"]


def test_lists_of_one_length_are_a_matrix(path, table):
    rows = open_rows(path, columns="list")
    np.testing.assert_array_equal(rows[:], np.array(table["list"].to_pylist()))


@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_frames(path, table, library):
    names = ["missing", "text", "date"]
    rows = open_rows(path, columns=names, as_frame=library)
    frame = rows[998:1_003].read()
    expected = table.select(names)[998:1_003]
    assert frame["text"].to_list() == expected["text"].to_pylist()
    assert frame["date"].to_list() == expected["date"].to_pylist()
    numbers = np.array(expected["missing"].cast("float64").to_pylist(), float)
    np.testing.assert_array_equal(frame["missing"].to_numpy(), numbers)


def test_an_empty_file_and_one_row(tmp_path):
    for n_rows in (0, 1):
        table = make_table(n_rows)
        rows = open_rows(write(tmp_path / f"{n_rows}.orc", table), columns=["f8", "i8"])
        assert rows.shape == (n_rows, 2)
        np.testing.assert_array_equal(rows[:][:, 0], table["f8"].to_numpy())


def test_a_folder_of_files_is_one_table(tmp_path, table):
    for i in range(3):
        write(tmp_path / f"part-{i}.orc", table.slice(800 * i, 800))
    rows = open_rows(tmp_path, columns=["f8", "missing"])
    expected = table.select(["f8", "missing"]).to_pandas().to_numpy()
    np.testing.assert_array_equal(rows[:], expected[:2_400])


def test_what_is_in_it(path):
    store = find_source(open_rows(path, columns="f8")).store
    assert store.find_disk_nbytes() == orc.ORCFile(path).content_length
    assert [tuple(info)[:3] for info in list_arrays(path)][:3] == [
        ("f8", (N_ROWS,), "float64"),
        ("f4", (N_ROWS,), "float32"),
        ("i8", (N_ROWS,), "int64"),
    ]


@pytest.mark.parametrize("n_jobs", [None, 2])
def test_a_fit_is_that_of_the_array(path, table, n_jobs):
    X = table.select(["f8", "f4"]).to_pandas().to_numpy()
    y = table["bool"].to_numpy()
    model = ChunkedFit(SGDClassifier(random_state=0), chunk_size=300, n_jobs=n_jobs)
    expected = model.fit(X, y)
    scores = expected.decision_function(X)
    rows = open_rows(path, columns=["f8", "f4"])
    found = model.fit(rows, open_rows(path, columns="bool"))
    np.testing.assert_array_equal(found.decision_function(rows), scores)


@pytest.mark.parametrize("content", [b"ORC", b"ORC" + bytes(60)])
def test_damaged_files(tmp_path, content):
    (tmp_path / "X.orc").write_bytes(content)
    with pytest.raises(ValueError, match=r"cannot be read as an ORC file: .* again\.$"):
        open_rows(tmp_path / "X.orc")


def test_a_damaged_stripe_names_the_file(tmp_path, table):
    """The columns are read when a folder is opened: which of its files is damaged?"""
    for name in ("X-0.orc", "X-1.orc"):
        with orc.ORCWriter(tmp_path / name, compression="zlib") as writer:
            writer.write(table.select(["missing"]))
    path = tmp_path / "X-1.orc"
    content = path.read_bytes()
    path.write_bytes(content[:40] + b"\xff" * 64 + content[104:])
    with pytest.raises(Exception, match=r"EOF|Data error|decompress") as caught:
        open_rows(tmp_path, columns="missing")
    assert f"while reading {str(path)!r}" in caught.value.__notes__


def test_a_replaced_file_is_an_error(tmp_path, table):
    path = write(tmp_path / "X.orc", table)
    rows = open_rows(path, columns=["f8", "f4"])
    write(tmp_path / "other.orc", table.slice(1)).replace(path)
    with pytest.raises(ValueError, match="was replaced since it was opened"):
        rows[:5].copy()


@pytest.mark.skipif(sys.platform != "linux", reason="needs /proc")
def test_no_file_is_left_open(path, tmp_path):
    """Objects of pyarrow for ORC are not left to the end of the interpreter."""
    gc.collect()  # what errors of other tests hold
    (tmp_path / "damaged.orc").write_bytes(b"ORC" + bytes(60))
    n_open = len(os.listdir("/proc/self/fd"))
    with pytest.raises(ValueError, match="cannot be read") as caught:
        open_rows(tmp_path / "damaged.orc")
    assert len(os.listdir("/proc/self/fd")) == n_open  # as long as there is an error
    del caught
    file = OrcFile(path)
    file.close()
    assert not [o for o in gc.get_objects() if isinstance(o, orc.ORCFile)]
    assert len(os.listdir("/proc/self/fd")) == n_open
    del file
    rows = open_rows(path, columns=["f8", "missing"])
    assert rows[990:2_010].copy().shape == (1_020, 2)
    assert not [o for o in gc.get_objects() if isinstance(o, (orc.ORCFile, OrcFile))]
    assert len(os.listdir("/proc/self/fd")) == n_open


def test_opening_reads_what_may_change_its_type(path, monkeypatch):
    """And one column for the rows of each stripe. Large stripes are read whole."""
    from skmmap.formats.files import parquet

    asked, read = [], OrcFile.read

    def note(self, number, names, is_mapped):
        asked.append(tuple(names))
        return read(self, number, names, is_mapped)

    monkeypatch.setattr(OrcFile, "read", note)
    monkeypatch.setattr(parquet, "WHOLE_NBYTES", 1)
    rows = open_rows(path, columns=["f8", "gap", "missing", "i8"])
    assert asked == [("f8",)] * 3 + [("missing", "i8")] * 3
    asked.clear()
    rows.read(990, 1_010)
    assert len(asked) == 2


def test_memory_is_one_stripe(tmp_path):
    import tracemalloc

    table = pa.table({f"c{i}": RNG.normal(size=50_000) for i in range(4)})
    rows = open_rows(write(tmp_path / "X.orc", table, 2_000))
    before = pa.total_allocated_bytes()
    tracemalloc.start()
    for start in range(0, 50_000, 1_000):
        rows.read(start, start + 1_000)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert pa.total_allocated_bytes() - before <= 2 * 2_000 * 4 * 8
    assert peak < 8 * 2_000 * 4 * 8 < table.nbytes
