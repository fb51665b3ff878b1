"""Folders of Parquet files, as Spark, dask and pyarrow write them, in every door."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from helpers import raises
from sklearn.preprocessing import StandardScaler

from skmmap import ChunkedFit, convert, open_rows
from skmmap.cli.info import describe

X = np.arange(240.0).reshape(120, 2)
CITIES = np.array(["Oslo", "Paris", "Trondheim", ""] * 30)


def make_table(start, stop):
    return pa.table(
        {
            "a": X[start:stop, 0],
            "b": X[start:stop, 1],
            "city": [city or None for city in CITIES[start:stop]],
        }
    )


def write_parts(folder, write=pq.write_table, suffix=".snappy.parquet"):
    """Write twelve parts of ten rows, with all that lies beside them."""
    folder.mkdir(parents=True)
    for i in range(12):
        name = f"part-{i}-c0de{i}a{suffix}"
        write(make_table(10 * i, 10 * i + 10), folder / name)
    (folder / "_SUCCESS").touch()
    (folder / ".part-0.crc").write_bytes(b"crc")
    pq.write_metadata(make_table(0, 1).schema, folder / "_common_metadata")
    pq.write_table(make_table(0, 7), folder / "_old.parquet")
    pq.write_table(make_table(0, 7), folder / ".hidden.parquet")
    (folder / "_temporary").mkdir()
    (folder / "README.txt").write_text("not a part")
    return folder


def write_ipc(table, path):
    with pa.ipc.new_file(path, table.schema) as file:
        file.write_table(table)


@pytest.fixture(params=["folder", "folder.parquet", "text", "arrow", "pattern", "list"])
def source(request, tmp_path):
    if request.param == "arrow":
        return write_parts(tmp_path / "data", write_ipc, ".feather")
    name = "data.parquet" if "." in request.param else "data"
    folder = write_parts(tmp_path / name)
    if request.param == "list":
        return [folder / f"part-{i}-c0de{i}a.snappy.parquet" for i in range(12)]
    if request.param == "pattern":
        return f"{folder}/p*.parquet"
    return str(folder) if request.param == "text" else folder


def test_parts_are_one_array_in_every_door(tmp_path, source):
    rows = open_rows(source, columns=["a", "b"])
    assert rows.shape == X.shape
    np.testing.assert_array_equal(np.asarray(rows), X)
    np.testing.assert_array_equal(np.asarray(rows[[100, 7, 19]]), X[[100, 7, 19]])
    cities = open_rows(source, columns="city")
    assert cities.dtype == "U9"  # in some parts no city is so long
    np.testing.assert_array_equal(np.asarray(cities), CITIES)
    written = convert(source, tmp_path / "X.npy", columns=["a", "b"])
    np.testing.assert_array_equal(np.asarray(written), X)


def test_parts_in_fit_and_info(tmp_path):
    folder = tmp_path / "data"
    folder.mkdir()
    for i in range(12):
        table = make_table(10 * i, 10 * i + 10).select(["a", "b"])
        pq.write_table(table, folder / f"part.{i}.parquet")
    for source in (folder, str(folder), folder / "part.*.parquet"):
        model = ChunkedFit(StandardScaler(), chunk_size=25).fit(source)
        np.testing.assert_allclose(model.mean_, X.mean(axis=0))
        expected = StandardScaler().fit_transform(X)
        np.testing.assert_allclose(model.transform(source), expected)
        size = sum(path.stat().st_size for path in folder.iterdir())
        said = describe(source)
        assert said.startswith(
            f"shape    120 x 2\ntype     float64\nsize     {size / 1e3:.1f}"
        )


def test_empty_parts_are_left_out(tmp_path):
    folder = write_parts(tmp_path / "data")
    pq.write_table(make_table(0, 0), folder / "part-5-1.parquet")
    nothing = pa.table({"a": pa.nulls(0), "b": pa.nulls(0), "city": pa.nulls(0)})
    pq.write_table(nothing, folder / "part-00-0.parquet")
    rows = open_rows(folder, columns=["a", "b"])
    np.testing.assert_array_equal(np.asarray(rows), X)
    only = tmp_path / "only"
    only.mkdir()
    for name in ("part-0", "part-1"):
        pq.write_table(make_table(0, 0), only / f"{name}.parquet")
    assert open_rows(only, columns=["a", "b"]).shape == (0, 2)


def test_a_null_in_one_part_makes_floats_of_all(tmp_path):
    for i, values in enumerate([[1, 2], [3, None]]):
        pq.write_table(pa.table({"n": values}), tmp_path / f"n_{i}.parquet")
    for source in (tmp_path, tmp_path / "n_*.parquet"):
        rows = open_rows(source, columns="n")
        np.testing.assert_array_equal(np.asarray(rows), [1, 2, 3, np.nan])


def test_parts_of_different_columns(tmp_path):
    folder = write_parts(tmp_path / "data")
    other = pa.table({"a": [1], "b": [1.0], "city": ["Rome"]})
    pq.write_table(other, folder / "part-30.parquet")
    text = (
        "Column 'a' is int64 in 'part-30.parquet' and double in "
        "'part-0-c0de0a.snappy.parquet'. Write the files with the same columns."
    )
    for source in (folder, folder / "part*.parquet", sorted(folder.glob("part*"))):
        with raises(ValueError, text):
            open_rows(source, columns=["a", "b"])


def test_partitions_by_folders(tmp_path):
    for year in (2023, 2024):
        write_parts(tmp_path / "data" / f"year={year}")
    folder = tmp_path / "data"
    rows = open_rows(folder, columns=["a", "b"])
    np.testing.assert_array_equal(np.asarray(rows), np.r_[X, X])
    rows = open_rows(folder / "year=2024", columns=["a", "b"])
    np.testing.assert_array_equal(np.asarray(rows), X)
    for pattern in (folder / "*" / "part*.parquet", folder / "**" / "part*.parquet"):
        rows = open_rows(pattern, columns=["a", "b"])
        np.testing.assert_array_equal(np.asarray(rows), np.r_[X, X])
    both = [folder / "year=2024", folder / "year=2023" / "part-0-c0de0a.snappy.parquet"]
    rows = open_rows(both, columns=["a", "b"])
    np.testing.assert_array_equal(np.asarray(rows), np.r_[X, X[:10]])


def test_options_that_mean_nothing_for_parts(tmp_path):
    folder = write_parts(tmp_path / "data")
    with raises(ValueError, f"key has no meaning for {str(folder)!r}; got 'a'."):
        open_rows(folder, key="a")
    first = folder / "part-0-c0de0a.snappy.parquet"
    with raises(ValueError, f"key has no meaning for {str(first)!r}; got 'a'."):
        open_rows(folder / "part*.parquet", key="a")
