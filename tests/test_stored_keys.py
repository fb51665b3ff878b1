"""Keys that are columns of the files too, as polars writes them, against polars."""

import datetime as dt

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from helpers import raises

from skmmap import open_rows
from skmmap.formats.files.parquet import list_arrays
from skmmap.rows.rows import find_source

DAYS = [dt.date(2024, 1, 1), dt.date(2024, 1, 2)]
FRAME = pl.DataFrame(
    {
        "a": np.arange(4.0),
        "i": pl.Series([1, 20, 1, None], dtype=pl.Int16),
        "text": ["x", "y/z", "x", None],
        "code": pl.Series(["01", "2"] * 2, dtype=pl.Categorical),
        "float": [1.0, 2.5] * 2,
        "bool": [True, False] * 2,
        "day": DAYS * 2,
        "time": [dt.datetime(2024, 1, 1), dt.datetime(2024, 1, 2, 3, 4, 5)] * 2,
    }
)


@pytest.mark.parametrize("key", FRAME.columns[1:])
def test_what_polars_writes(tmp_path, key):
    """They keep their types: pyarrow and pandas refuse to read most of these."""
    FRAME.write_parquet(tmp_path / "table", partition_by=key, mkdir=True)
    rows = open_rows(tmp_path / "table", as_frame="polars")
    assert rows.columns.tolist() == FRAME.columns
    assert rows.read().sort("a").equals(FRAME)
    known = [(info.name, info.shape) for info in list_arrays(tmp_path / "table")]
    assert known == [(name, (4,)) for name in FRAME.columns]
    value = FRAME[key][1]
    rows = open_rows(tmp_path / "table", columns="a", filters=[(key, "=", value)])
    expected = FRAME.filter(pl.col(key) == value)["a"].to_numpy()
    np.testing.assert_array_equal(rows.read(), expected)


@pytest.mark.parametrize("key", ["text", "code"])
def test_arrow_files_of_polars(tmp_path, key):
    """Their texts are views, which are compared with nothing."""
    FRAME.lazy().sink_ipc(pl.PartitionBy(tmp_path / "table", key=key), mkdir=True)
    rows = open_rows(tmp_path / "table", as_frame="polars")
    found = rows.read().sort("a").select("a", key)
    assert found.equals(FRAME.select("a", key))


def write(folder, **tables):
    for name, table in tables.items():
        path = folder / name.replace("_", "=") / "0.parquet"
        path.parent.mkdir(parents=True)
        pq.write_table(pa.table(table), path, row_group_size=2)
    return folder


def test_some_keys_are_columns(tmp_path):
    FRAME.write_parquet(
        pl.PartitionBy(tmp_path / "table" / "k=7", key=["code"]), mkdir=True
    )
    rows = open_rows(tmp_path / "table", columns=["k", "i"])
    expected = [[7, 1], [7, 1], [7, 20], [7, np.nan]]
    np.testing.assert_array_equal(rows.read(), expected)
    assert find_source(rows).store.where.startswith("2 files: k=7/code=01/")
    assert rows.read().dtype == np.float64
    assert open_rows(tmp_path / "table").shape == (4, 9)


@pytest.mark.parametrize(
    "column",
    [[1, 1, 2], [1, None, 1], [None] * 3, ["1", "x", "1"], [1.5, 1, 1], [[1]] * 3],
)
def test_a_column_with_other_values(tmp_path, column):
    folder = write(tmp_path, k_1={"k": column}, k_2={"k": pa.array(column[:0])})
    path = folder / "k=1" / "0.parquet"
    with raises(
        ValueError,
        f"Column 'k' is in {str(path)!r}, and also a key of its folder. Rename one of "
        "them, or give the files themselves, for example by a pattern.",
    ):
        open_rows(folder)


def test_a_column_with_values_where_the_key_is_missing(tmp_path):
    for key, value in (("1", 1), ("__HIVE_DEFAULT_PARTITION__", 2)):
        path = tmp_path / f"k={key}" / "0.parquet"
        path.parent.mkdir()
        pq.write_table(pa.table({"k": [value]}), path)
    with pytest.raises(ValueError, match="and also a key of its folder"):
        open_rows(tmp_path)


def test_a_column_of_some_files(tmp_path):
    """The files are called alike, so that only their folders tell which one it is."""
    folder = write(tmp_path, k_1={"k": [1], "a": [1]}, k_2={"a": [2], "k2": [2]})
    first, second = (folder / name / "0.parquet" for name in ("k=1", "k=2"))
    with pytest.raises(ValueError, match=r"Column 'k' .*also a key"):
        open_rows(folder, columns="a")
    write(tmp_path / "b", k_1={"a": [1]}, k_2={"b": [2]})
    first, second = (tmp_path / "b" / name / "0.parquet" for name in ("k=1", "k=2"))
    with raises(
        ValueError,
        f"Column 'a' is missing in {str(second)!r} and int64 in {str(first)!r}. Write "
        "the files with the same columns.",
    ):
        open_rows(tmp_path / "b")
