"""``convert``: CSV, other containers, selections, samples; whole files or none."""

import builtins
import gzip
import os
import re
import sys
import textwrap
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zarr
from helpers import raises
from hypothesis import given
from hypothesis import strategies as st
from processes import run_fresh
from scipy import sparse

from skmmap import Rows, convert, open_rows
from skmmap.disk import unfinished as _unfinished
from skmmap.write import csv as _csv
from skmmap.write import row_batches as _convert
from skmmap.write import samples as _samples

X = np.arange(12, dtype=np.float32).reshape(4, 3)


def check(path, expected):
    """Expect the very file that np.save makes of ``expected``."""
    np.save("expected_.npy", expected)
    assert Path(path).read_bytes() == Path("expected_.npy").read_bytes()
    os.unlink("expected_.npy")


def list_files():
    return {path.name for path in Path().iterdir()}


@pytest.fixture(autouse=True)
def folder(empty_folder):
    return empty_folder


@pytest.fixture
def small_blocks(monkeypatch):
    """Let CSV files be read by blocks of a few lines."""
    monkeypatch.setattr(_csv, "_CSV_BLOCK", 256)


# CSV


def test_csv_is_what_loadtxt_reads(small_blocks):
    values = np.random.default_rng(0).standard_normal((500, 4))
    np.savetxt("X.csv", values, delimiter=",", header="a,b,c,d", comments="")
    rows = convert("X.csv", "X.npy")
    assert isinstance(rows, Rows)
    check("X.npy", np.loadtxt("X.csv", delimiter=",", skiprows=1))
    np.testing.assert_array_equal(rows, values)
    convert(Path("X.csv"), Path("X.npy"), columns=["d", "a"])
    check("X.npy", np.ascontiguousarray(values[:, [3, 0]]))
    convert("X.csv", "X.npy", columns="b")
    check("X.npy", values[:, 1])
    convert("X.csv", "X.npy", columns=["b"])
    check("X.npy", values[:, 1:2])
    convert("X.csv", "X.npy", columns=["a", "a"])
    check("X.npy", np.ascontiguousarray(values[:, [0, 0]]))


@pytest.mark.parametrize("name", ["X.tsv", "X.csv.gz", "X.TSV.GZ", "a.b.CSV"])
def test_kinds_of_csv(name):
    mark = "\t" if "tsv" in name.lower() else ","
    text = f"\ufeffa{mark}b\r\n1{mark}2\r\n\r\n3{mark}4".encode()
    Path(name).write_bytes(gzip.compress(text) if ".gz" in name.lower() else text)
    convert(name, "X.npy")
    check("X.npy", np.array([[1, 2], [3, 4]]))


cells = st.one_of(
    st.integers(-(2**53), 2**53).map(str),
    st.floats(allow_nan=False, allow_infinity=False).map(repr),
    st.just(""),
    st.just("NA"),
)


def to_number(text):
    return int(text) if text.lstrip("-").isdecimal() else float(text)


@given(st.lists(st.tuples(cells, cells), min_size=1, max_size=40))
def test_csv_is_what_its_cells_say(lines):
    """Whatever the first block says: it is as small as a few lines."""
    text = "a,b\n" + "".join(f"{a},{b}\n" for a, b in lines)
    Path("X.csv").write_text(text)
    expected = pd.DataFrame(lines, columns=["a", "b"]).replace({"": "nan", "NA": "nan"})
    expected = expected.apply(lambda column: pd.to_numeric(column.map(to_number)))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_csv, "_CSV_BLOCK", 64)
        X, a = convert("X.csv", "X.npy"), convert("X.csv", "a.npy", columns="a")
    np.testing.assert_array_equal(X, expected.to_numpy(), strict=True)
    np.testing.assert_array_equal(a, expected["a"].to_numpy(), strict=True)


@pytest.mark.parametrize(
    ("first", "late", "dtype"),
    [
        ("1", "2", np.int64),
        ("1", "", np.float64),
        ("1", "NaN", np.float64),
        ("1", " 1.5 ", np.float64),
        ("1", "99999999999999999999", np.float64),
        ("1.5", "", np.float64),
        ("", "7", np.float64),
        ("true", "false", np.bool_),
        ("true", "", np.float64),
    ],
)
def test_a_value_of_another_type_comes_late(first, late, dtype, small_blocks):
    column = [first] * 300 + [late] + [first] * 300
    Path("X.csv").write_text("a,b\n" + "".join(f"{v},1\n" for v in column))
    read = {"true": 1.0, "false": 0.0}
    expected = [read[v] if v in read else float(v.strip() or "nan") for v in column]
    rows = convert("X.csv", "a.npy", columns="a")
    np.testing.assert_array_equal(rows, np.array(expected).astype(dtype), strict=True)
    both = np.column_stack([expected, np.ones(601)])
    rows = convert("X.csv", "X.npy")
    wanted = np.float64 if dtype == np.float64 else np.int64
    np.testing.assert_array_equal(rows, both.astype(wanted), strict=True)
    assert list_files() == {"X.csv", "X.npy", "a.npy"}


def test_the_file_is_surveyed_once_however_many_columns_surprise(
    small_blocks, monkeypatch
):
    lines = [[1] * 20 for _ in range(400)]
    for number in range(20):
        lines[100 + 10 * number][number] = 0.5
    text = "\n".join(",".join(map(str, line)) for line in lines)
    Path("X.csv").write_text(",".join(f"c{i}" for i in range(20)) + "\n" + text)
    opened = []
    real = _csv.CsvFile._open
    monkeypatch.setattr(
        _csv.CsvFile, "_open", lambda *a, **k: opened.append(1) or real(*a, **k)
    )
    convert("X.csv", "X.npy")
    check("X.npy", np.array(lines, dtype=float))
    assert len(opened) == 4  # schema, a first try, survey, and all rows


def test_text_is_as_wide_as_its_widest(small_blocks):
    names = ["é", "NA", "", '"a,b"', '"two\nlines"'] * 60 + ["x" * 40] + ["b"] * 60
    Path("y.csv").write_text("n,name\n" + "".join(f"1,{v}\n" for v in names))
    expected = np.array([name.strip('"') for name in names])
    convert("y.csv", "y.npy", columns="name")
    check("y.npy", expected)
    assert expected.dtype == "<U40"
    convert("y.csv", "y.npy", columns="name", dtype="U50")
    check("y.npy", expected.astype("U50"))
    convert("y.csv", "y.npy", columns="n", dtype=str)
    check("y.npy", np.array(["1"] * len(names)))
    convert("y.csv", "y.npy", columns=["n", "name"], dtype=str)
    check("y.npy", np.column_stack([["1"] * len(names), expected]))
    with raises(
        ValueError,
        "'y.csv' has a text of 40 characters, and dtype='<U5' keeps 5. Give dtype=str, "
        "which takes as many as are needed.",
    ):
        convert("y.csv", "y.npy", columns="name", dtype="U5")


@pytest.mark.parametrize("dtype", ["f2", "f4", "f8", ">f4", "i1", "u8", "?"])
def test_dtype_is_read_from_the_start(dtype):
    Path("X.csv").write_text("a,b\n1,0\n0,1\n")
    convert("X.csv", "X.npy", dtype=dtype)
    check("X.npy", np.array([[1, 0], [0, 1]], dtype=dtype))


def test_dates_and_large_integers():
    Path("X.csv").write_text("day,id\n2026-11-22,18446744073709551615\n,0\n")
    days = convert("X.csv", "X.npy", columns="day")
    np.testing.assert_array_equal(
        days, np.array(["2026-11-22", "NaT"], dtype="M8[D]"), strict=True
    )
    convert("X.csv", "X.npy", columns="id", dtype=np.uint64)
    check("X.npy", np.array([2**64 - 1, 0], dtype=np.uint64))


def test_no_rows_but_names():
    Path("X.csv").write_text("a,b\n")
    assert convert("X.csv", "X.npy").shape == (0, 2)
    assert convert("X.csv", "X.npy", columns="a", dtype="i4").dtype == np.int32


def test_names_that_are_numbers():
    pd.DataFrame(X).to_csv("X.csv", index=False)
    check(convert("X.csv", "X.npy")._source.store.path, X.astype(float))
    Path("X.csv").write_text("400.5,401\n1,2\n")
    convert("X.csv", "X.npy", columns=["400.5", "401"])
    check("X.npy", np.array([[1, 2]]))


LATE = "a,b\n" + "1,2\n" * 300


@pytest.mark.parametrize(
    ("content", "options", "error", "text"),
    [
        (
            LATE + "x,2\n",
            {},
            ValueError,
            "Column 'a' of 'X.csv' has 'x' in row 300, and begins with values of the "
            "type int64. Correct the value, choose other columns, or give dtype=str to "
            "read text.",
        ),
        (
            LATE + "2,2.5\n",
            {"dtype": "i4"},
            ValueError,
            "Column 'b' of 'X.csv' has '2.5' in row 300, which dtype='int32' cannot "
            "keep. Correct the value, or give another dtype.",
        ),
        (
            "a\n300\n",
            {"dtype": "u1"},
            ValueError,
            "Column 'a' of 'X.csv' has '300' in row 0, which dtype='uint8' cannot "
            "keep. Correct the value, or give another dtype.",
        ),
        (
            LATE + "1,\n",
            {"dtype": "i4"},
            ValueError,
            "Column 'b' has no value in row 300, and int32 has no NaN. Fill these "
            "values, or write the column as float64.",
        ),
        (
            LATE + "1\n",
            {},
            ValueError,
            "'X.csv' cannot be read as CSV: CSV parse error: Expected 2 columns, got "
            "1: 1. Correct the file, or write it again.",
        ),
        (
            "a,b\n1,x\n",
            {},
            TypeError,
            "'X.csv' has columns that are not numbers: 'b' (string). Choose "
            "columns=['a'].",
        ),
        (
            "a\n12:30:00\n",
            {"columns": "a"},
            TypeError,
            "Column 'a' of 'X.csv' is of the type time32[s], which NumPy has no type "
            "for. Give dtype=str to read it as text.",
        ),
        (
            "a,b\n1,2\n",
            {"columns": ["c"]},
            ValueError,
            "'X.csv' has no column 'c'; it has 'a', 'b'.",
        ),
        (
            "a,a\n1,2\n",
            {},
            ValueError,
            "'X.csv' has 2 columns named 'a'; it has 'a', 'a'.",
        ),
        (
            "a,b\n1,2\n",
            {"key": "a"},
            ValueError,
            "key has no meaning for 'X.csv'; got 'a'.",
        ),
        (
            "1.5,2\n1,2\n",
            {},
            ValueError,
            "The first line of 'X.csv' must name the columns, and holds numbers: 1.5, "
            "2. Put a line of names before it; if these are names, give them as "
            "columns=[...].",
        ),
        (
            "a;b\n1;2\n",
            {},
            ValueError,
            "The first line of 'X.csv' is one name, 'a;b'. Values must be separated by "
            "commas in .csv files, by tabs in .tsv files.",
        ),
        (
            "",
            {},
            ValueError,
            "'X.csv' cannot be read as CSV: Empty CSV file. Correct the file, or write "
            "it again.",
        ),
        (
            "a\n" + "x" * 1000 + "\n",
            {},
            ValueError,
            "'X.csv' cannot be read as CSV: a line is longer than 256 bytes. Correct "
            "the file, or write it again.",
        ),
        (
            "a\n1\n",
            {"dtype": complex},
            TypeError,
            "dtype='complex128' was given, and CSV files are read as numbers, times or "
            "text. Give one of these.",
        ),
    ],
)
def test_what_a_csv_cannot_be(content, options, error, text, small_blocks):
    Path("X.csv").write_text(content)
    np.save("X.npy", X)
    # Arrow names the row where it parses with one thread only, as on one core.
    with pytest.raises(error) as caught:
        convert("X.csv", "X.npy", **options)
    assert re.sub(r"Row #\d+: ", "", str(caught.value)) == text
    assert caught.type is error
    check("X.npy", X)
    assert list_files() == {"X.csv", "X.npy"}


@pytest.mark.parametrize("n_rows", range(1, 9))
def test_the_first_bad_row_is_named(n_rows):
    for bad in range(n_rows):
        values = ["1"] * bad + ["x"] + ["1", "y"] * (n_rows - bad)
        Path("X.csv").write_text("a\n" + "\n".join(values))
        with pytest.raises(ValueError, match=f"has 'x' in row {bad}, which"):
            convert("X.csv", "X.npy", dtype=int)


def test_csv_files_that_are_not_there():
    with raises(FileNotFoundError, "[Errno 2] No such file or directory: 'no.csv'"):
        convert("no.csv", "X.npy")
    with raises(
        ValueError,
        "src='X_*.csv' is a pattern, and CSV files are converted one by one. Convert "
        "each to a .npy file, which open_rows takes together as shards.",
    ):
        convert("X_*.csv", "X.npy")
    with raises(
        ValueError,
        "src is a list of 2 CSV files, and CSV files are converted one by one. Convert "
        "each to a .npy file, which open_rows takes together as shards.",
    ):
        convert(["X_1.csv", "X_2.csv"], "X.npy", columns=["a", "b"])


def test_csv_without_pyarrow(monkeypatch):
    Path("X.csv").write_text("a\n1\n")
    real = builtins.__import__

    def without(name, *args, **kwargs):
        if name.startswith("pyarrow"):
            raise ImportError(name)
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without)
    with raises(
        ImportError,
        "convert('X.csv', ...) reads CSV files through pyarrow, which is not "
        "installed: pip install 'skmmap[csv]'.",
    ):
        convert("X.csv", "X.npy")


# What open_rows opens


@pytest.fixture
def sources():
    """The same rows in all kinds of containers, with what is to be given with them."""
    for part, rows in enumerate(np.split(X, 2)):
        np.save(f"part_{part}.npy", rows)
    np.save("fortran.npy", np.asfortranarray(X))
    np.save("big.npy", X.astype(">f4"))
    with h5py.File("X.h5", "w") as file:
        file["X"], file["y"] = X, X[:, 0]
    pq.write_table(pa.table(dict(zip("abc", X.T, strict=True))), "X.parquet")
    return {
        "pattern": ("part_*.npy", {}),
        "list": (["part_0.npy", "part_1.npy"], {}),
        "fortran": ("fortran.npy", {}),
        "big-endian": ("big.npy", {}),
        "hdf5": ("X.h5", {"key": "X"}),
        "parquet": ("X.parquet", {}),
        "columns": ("X.parquet", {"columns": ["a", "b", "c"]}),
        "array": (X, {}),
        "frame": (pd.DataFrame(X), {}),
        "polars": (pl.DataFrame(X), {}),
        "rows of it": (X.tolist(), {"dtype": "f4"}),
        "rows": (open_rows("fortran.npy")[:], {}),
    }


def test_zarr():
    zarr.save("X.zarr", X)
    convert("X.zarr", "out.npy")
    check("out.npy", X)


def test_maps():
    np.save("X.npy", np.asfortranarray(X))
    convert(np.load("X.npy", mmap_mode="r")[1:], "out.npy")
    check("out.npy", X[1:])


@pytest.mark.parametrize("blocks", [1, 2**23])
def test_containers(sources, blocks, monkeypatch):
    monkeypatch.setattr(_convert, "_BATCH_NBYTES", blocks)
    for src, options in sources.values():
        convert(src, "out.npy", **options)
        check("out.npy", X)


@pytest.mark.parametrize(
    "key", [np.array([3, 0, 2, 0]), slice(1, 3), slice(None, None, -1), slice(0, 0)]
)
@pytest.mark.parametrize("most", [1, 2**25])
def test_selections_keep_their_order(key, most, monkeypatch):
    monkeypatch.setattr(_convert, "_SHUFFLED_NBYTES", most)
    monkeypatch.setattr(_convert, "_BATCH_NBYTES", most)
    np.save("X.npy", X)
    convert(open_rows("X.npy")[key], "out.npy")
    check("out.npy", np.ascontiguousarray(X[key]))


def test_dtype_is_cast_within_its_kind():
    convert(X.astype(float), "out.npy", dtype=np.float32)
    check("out.npy", X)
    for array, dtype in ((X, "int64"), (X, "<U5"), (np.array(["a"]), "float64")):
        with raises(
            TypeError,
            f"src has the dtype {array.dtype}, which is of another kind than "
            f"dtype={dtype!r}. Leave dtype out, or give one of the same kind.",
        ):
            convert(array, "out.npy", dtype=dtype)


def test_the_row_of_a_changed_integer_counts_from_the_first_block(monkeypatch):
    monkeypatch.setattr(_convert, "_BATCH_NBYTES", 1)
    monkeypatch.setattr("skmmap.rows.store._BLOCK_NBYTES", 16)
    with raises(
        ValueError,
        "src has the value -1 in row 5, which dtype='uint8' cannot keep. Give "
        "dtype='int64'.",
    ):
        convert(np.array([1, 2, 3, 4, 5, -1]), "X.npy", dtype=np.uint8)


def test_sparse_and_masked_rows_are_refused():
    matrix = sparse.csr_array(X)
    os.mkdir("csr")
    for part in ("data", "indices", "indptr"):
        np.save(f"csr/{part}.npy", getattr(matrix, part))
    for src in (matrix, "csr", open_rows("csr")[:2]):
        with raises(
            TypeError,
            "src is a sparse matrix, and a .npy file holds all values. Keep it sparse, "
            "its data, indices and indptr each saved by np.save in one folder, which "
            "open_rows opens; or pass matrix.toarray() where that fits in memory.",
        ):
            convert(src, "X.npy")
    with raises(
        TypeError,
        "src is a masked array, and a .npy file holds no mask. Pass src.filled(value).",
    ):
        convert(np.ma.masked_equal(X, 1), "X.npy")
    assert list_files() == {"csr"}


@pytest.mark.parametrize("kind", ["path", "pattern", "list", "rows", "map", "link"])
def test_a_source_is_not_written_over(kind, folder):
    np.save("X_1.npy", X)
    np.save("X_2.npy", X)
    os.symlink("X_2.npy", "link.npy")
    rows = open_rows("X_*.npy")
    src = {
        "path": "X_2.npy",
        "pattern": "X_*.npy",
        "list": ["X_1.npy", rows[::-1]],
        "rows": rows[[2, 1]],
        "map": np.load("X_2.npy", mmap_mode="r")[1:],
        "link": "link.npy",
    }[kind]
    with raises(
        ValueError,
        f"dst={str(folder / 'X_2.npy')!r} is a file of src, too. Write to another "
        "path; then replace the file with os.replace.",
    ):
        convert(src, "X_2.npy")
    check("X_2.npy", X)


@pytest.mark.parametrize(
    ("src", "options", "error", "text"),
    [
        (X, {"key": "a"}, ValueError, "key has no meaning for a ndarray; got 'a'."),
        (
            iter(X),
            {"columns": "a"},
            ValueError,
            "columns has no meaning for samples; got 'a'.",
        ),
        (
            iter(X),
            {"key": "a"},
            ValueError,
            "key has no meaning for samples; got 'a'.",
        ),
    ],
)
def test_no_option_is_ignored(src, options, error, text):
    with raises(error, text):
        convert(src, "X.npy", **options)
    assert list_files() == set()


@pytest.mark.parametrize(
    ("dst", "error", "text"),
    [
        (
            "X.csv",
            ValueError,
            "dst must end in '.npy'; got 'X.csv'. Write 'X.csv.npy'.",
        ),
        (
            3,
            TypeError,
            "dst must be a str or a pathlib.Path, or a tuple of them; got int.",
        ),
        (
            ("X.npy", None),
            TypeError,
            "dst must be a str or a pathlib.Path, or a tuple of them; got NoneType.",
        ),
        ((), ValueError, "dst must be different paths, at least one; got []."),
    ],
)
def test_what_no_destination_is(dst, error, text):
    with raises(error, text):
        convert(X, dst)
    assert list_files() == set()


# Samples


@pytest.mark.parametrize("n_rows", [1, 2, 3, 7, 8])
@pytest.mark.parametrize("most", [1, 30, 2**23])
def test_samples_are_the_rows(n_rows, most, monkeypatch):
    monkeypatch.setattr(_samples, "_BATCH_NBYTES", most)
    images = np.random.default_rng(0).random((n_rows, 2, 3)).astype("f4")
    assert convert(iter(images), "X.npy").shape == (n_rows, 2, 3)
    check("X.npy", images)
    convert((float(i) for i in range(n_rows)), "X.npy")
    check("X.npy", np.arange(n_rows, dtype=float))
    convert(([i, i + 1] for i in range(n_rows)), "X.npy", dtype=np.uint8)
    check("X.npy", np.array([[i, i + 1] for i in range(n_rows)], dtype=np.uint8))


def test_an_array_that_is_filled_anew_is_copied():
    def samples():
        buffer = np.empty(3, np.float32)
        for row in X:
            buffer[:] = row
            yield buffer

    convert(samples(), "X.npy")
    check("X.npy", X)


def test_samples_of_several_parts():
    labels = np.arange(4, dtype=np.int8)
    samples = zip(X, labels, strict=True)
    written = convert(samples, ("X.npy", "y.npy"))
    assert [rows.shape for rows in written] == [(4, 3), (4,)]
    assert type(written) is tuple
    check("X.npy", X)
    check("y.npy", labels)
    (only,) = convert([(row,) for row in X], ["Z.npy"])
    assert only.shape == (4, 3)


def fail_late():
    yield from ((row, 1) for row in X)
    raise RuntimeError("No more.")


def raise_at_the_second_close(monkeypatch):
    real, calls = _unfinished.Unfinished.put, []

    def put(self):
        calls.append(self)
        if len(calls) == 2:
            raise OSError(28, "No space left on device")
        real(self)

    monkeypatch.setattr(_unfinished.Unfinished, "put", put)


@pytest.mark.parametrize("there", [set(), {"X.npy"}, {"X.npy", "y.npy"}])
@pytest.mark.parametrize("when", ["sample", "shape", "close"])
def test_all_files_or_none(there, when, monkeypatch):
    for name in there:
        np.save(name, X[::-1])
    samples = {
        "sample": fail_late(),
        "shape": ((row, row[: i // 3 + 1]) for i, row in enumerate(X)),
        "close": ((row, 1) for row in X),
    }[when]
    if when == "close":
        raise_at_the_second_close(monkeypatch)
    with pytest.raises((RuntimeError, ValueError, OSError), match=r"No |shape"):
        convert(samples, ("X.npy", "y.npy"))
    assert list_files() == there
    for name in there:
        check(name, X[::-1])


def test_files_that_were_there_are_replaced_and_no_backup_stays():
    np.save("X.npy", X)
    convert([(1, 2), (3, 4)], ("X.npy", "y.npy"))
    check("X.npy", np.array([1, 3]))
    check("y.npy", np.array([2, 4]))
    assert list_files() == {"X.npy", "y.npy"}


@pytest.mark.parametrize(
    ("samples", "options", "error", "text"),
    [
        (
            [[1, 2]] * 3 + [[1, 2, 3]],
            {},
            ValueError,
            "src yields the shape (3,) in row 3, and (2,) in row 0 for X.npy; all "
            "samples must have one shape.",
        ),
        (
            [1, 2, 2.5],
            {},
            TypeError,
            "src yields the dtype float64 in row 2, and int64 in row 0 for X.npy. Give "
            "a dtype for all, such as dtype='float64'.",
        ),
        (
            ["a", "bc"],
            {},
            TypeError,
            "src yields the dtype <U2 in row 1, and <U1 in row 0 for X.npy. Give a "
            "dtype for all, such as dtype='U100', of the length of the longest string.",
        ),
        (
            [1, 2.5],
            {"dtype": "i4"},
            TypeError,
            "row 1 of src has the dtype float64, which is of another kind than "
            "dtype='int32'. Leave dtype out, or give one of the same kind.",
        ),
        (
            [None],
            {},
            TypeError,
            "src yields the dtype object, which would be pickled Python objects; "
            "nothing is ever pickled. Convert to numbers or strings, for example "
            "np.asarray(batch, dtype=str).",
        ),
        (
            [],
            {},
            ValueError,
            "src yields no samples, so the shape of a row is not known. A generator "
            "that was used before is empty; create a new one.",
        ),
    ],
)
def test_samples_that_do_not_fit(samples, options, error, text):
    with raises(error, text):
        convert(iter(samples), "X.npy", **options)
    assert list_files() == set()


def test_strings_and_mixed_numbers_with_a_dtype():
    convert(iter(["a", "bcd"]), "y.npy", dtype="U4")
    check("y.npy", np.array(["a", "bcd"], dtype="U4"))
    convert(iter([1, 2.5]), "y.npy", dtype="f4")
    check("y.npy", np.array([1, 2.5], dtype="f4"))
    for src in (iter([1, 300]), np.array([1, 300])):
        with raises(
            ValueError,
            "src has the value 300 in row 1, which dtype='uint8' cannot keep. Give "
            "dtype='int64'.",
        ):
            convert(src, "z.npy", dtype=np.uint8)


@pytest.mark.parametrize(
    ("sample", "got"), [((1, 2, 3), "a tuple of 3"), ([1, 2], "list"), (1, "int")]
)
def test_samples_with_another_number_of_parts(sample, got):
    with raises(
        ValueError,
        f"src yields {got} in row 1; dst has 2 paths, so each sample must be a tuple "
        "of 2.",
    ):
        convert([(1, 2), sample], ("X.npy", "y.npy"))
    assert list_files() == set()


def test_errors_of_a_generator_name_its_row():
    with raises(RuntimeError, "No more.") as caught:
        convert(fail_late(), ("X.npy", "y.npy"))
    assert caught.value.__notes__ == ["while src made row 4"]
    with pytest.raises(ValueError, match="inhomogeneous") as caught:
        convert(iter([[1, [2, 3]]]), "X.npy")
    assert caught.value.__notes__ == ["while reading row 0 of src"]


def test_what_yields_no_samples(folder):
    with raises(
        TypeError,
        "src must be an iterable of tuples where dst is a tuple of paths; got str.",
    ):
        convert("X.csv", ("X.npy", "y.npy"))
    Path("X.csv").write_text("a\n1\n")
    with (
        open("X.csv") as file,
        raises(TypeError, "src is an open file; pass its path."),
    ):
        convert(file, "X.npy")
    paths = [str(folder / "X.npy")] * 2
    with raises(ValueError, f"dst must be different paths, at least one; got {paths}."):
        convert([(1, 2)], ("X.npy", "./X.npy"))
    assert list_files() == {"X.csv"}


# Progress and memory


def test_progress_is_shown_for_all_sources(capsys):
    Path("X.csv").write_text("a\n1\n2\n3\n4\n")
    for src in ("X.csv", X, iter(X)):
        convert(src, "X.npy", progress=True)
        assert "[skmmap] X.npy: 4 rows in " in capsys.readouterr().out
    convert([(1, 2)], ("X.npy", "y.npy"), progress=True)
    assert "[skmmap] X.npy, y.npy: 1 row in " in capsys.readouterr().out


_PROBE = """
import sys, threading, numpy as np, pyarrow as pa
from skmmap import open_rows
from skmmap.write.conversion import convert
def resident():
    with open("/proc/self/status") as status:
        for line in status:
            if line.startswith("RssAnon"):
                return 1024 * int(line.split()[1])
def measure(call):
    peak, done = [0], threading.Event()
    def watch():
        while not done.wait(0.002):
            peak[0] = max(peak[0], resident())
    thread = threading.Thread(target=watch)
    before = resident()
    thread.start()
    call()
    done.set()
    thread.join()
    print(peak[0] - before)
"""


def run(code):
    done = run_fresh(_PROBE + textwrap.dedent(code))
    assert done.returncode == 0, done.stderr
    return [float(number) for number in done.stdout.split()]


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_memory_is_a_few_blocks():
    line = ",".join(f"{number / 7:.12f}" for number in range(50)) + "\n"
    with open("X.csv", "w") as file:
        file.write(",".join(f"c{number}" for number in range(50)) + "\n")
        for _ in range(100):
            file.write(line * 2_000)
    assert os.path.getsize("X.csv") > 140e6
    write, text, copy, shuffled, samples = run(
        """
        open("small.csv", "w").write("a\\n1\\n")
        convert("small.csv", "small.npy")  # what the first call imports
        measure(lambda: convert("X.csv", "X.npy"))
        measure(lambda: convert("X.csv", "c.npy", columns="c7", dtype=str))
        rows = open_rows("X.npy")
        measure(lambda: convert(rows, "copy.npy"))
        order = np.random.default_rng(0).permutation(len(rows))
        picked = rows[order]
        measure(lambda: convert(picked, "shuffled.npy"))
        some = rows[:100_000]
        measure(lambda: convert((row.copy() for row in some), "samples.npy"))
        """
    )
    assert os.path.getsize("X.npy") > 79e6
    assert write < 100e6
    assert text < 100e6
    assert copy < 5e6
    assert shuffled < 75e6
    assert samples < 35e6  # of 40
