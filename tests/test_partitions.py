"""Folders named by keys, and filters, against pyarrow and polars."""

import os
import pickle

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from helpers import raises
from sklearn.linear_model import SGDClassifier
from sklearn.model_selection import GroupKFold, cross_val_score
from sklearn.preprocessing import OneHotEncoder

from skmmap import ChunkedFit, open_rows
from skmmap.formats.files.parquet import list_arrays
from skmmap.rows.rows import find_source

N_ROWS = 40  # of each file
NULL = "__HIVE_DEFAULT_PARTITION__"


def write(folder, **tables):
    """Write files below a folder; two underscores stand for a folder in a folder."""
    for name, table in tables.items():
        write_at(folder / name.replace("__", "/"), table)
    return folder


def write_at(path, table, row_group_size=16):
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(table, path, row_group_size=row_group_size)


def make_table(seed, n_rows=N_ROWS):
    rng = np.random.default_rng(seed)
    is_missing = np.arange(n_rows) % 7 == 3
    return pa.table(
        {
            "a": rng.normal(size=n_rows),
            "b": pa.array(rng.integers(0, 9, n_rows), mask=is_missing),
            "text": pa.array([f"t{i % 5}" for i in range(n_rows)]).dictionary_encode(),
            "label": rng.integers(0, 2, n_rows),
        }
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    root = tmp_path_factory.mktemp("data") / "table"
    for seed, (year, place) in enumerate(
        (year, place) for year in (2023, 2024) for place in ("a%20b", "c", NULL)
    ):
        for part in (0, 1):
            path = root / f"year={year}" / f"place={place}" / f"part-{part}.parquet"
            write_at(path, make_table(10 * seed + part))
    (root / "_SUCCESS").touch()
    (root / "year=2023" / ".hidden.parquet").touch()
    return root


def read(folder, columns=None, filters=None):
    """Return what pyarrow reads, its keys as values."""
    table = pq.read_table(
        folder, columns=columns, filters=filters, partitioning="hive", use_threads=False
    )
    for i, field in enumerate(table.schema):
        if pa.types.is_dictionary(field.type):
            column = table.column(i).cast(field.type.value_type)
            table = table.set_column(i, field.name, column)
    return table


def test_keys_are_columns_behind_the_others(folder):
    rows = open_rows(folder)
    assert rows.columns.tolist() == ["a", "b", "text", "label", "year", "place"]
    expected = read(folder)
    assert expected.column_names == rows.columns.tolist()
    frame = rows.read()
    for name in ("a", "label", "year"):
        np.testing.assert_array_equal(frame[name], expected[name])
    assert frame["place"].tolist() == expected["place"].to_pylist()
    assert [tuple(info)[::2] for info in list_arrays(folder)][-2:] == [
        ("year", "int64"),
        ("place", "text"),
    ]


def test_polars_has_the_same_rows(folder):
    expected = pl.scan_parquet(folder, hive_partitioning=True).collect()
    found = open_rows(folder, as_frame="polars").read()
    columns = ["a", "b", "label", "year", "place"]
    assert found.select(columns).sort("a").equals(expected.select(columns).sort("a"))


@pytest.mark.parametrize("column", ["year", "place", "a", "b"])
def test_one_column(folder, column):
    rows = open_rows(folder, columns=column)
    expected = read(folder, [column])[column].to_numpy()
    if column == "place":
        expected = np.where(expected == None, "", expected).astype(str)  # noqa: E711
    assert rows.dtype == ("i8" if column == "year" else expected.dtype)
    for start, stop in ((0, 480), (38, 42), (79, 81), (470, 480)):
        np.testing.assert_array_equal(rows[start:stop], expected[start:stop])


def test_keys_among_other_columns_in_any_order(folder):
    columns = ["year", "a", "b"]
    rows = open_rows(folder, columns=columns)
    expected = read(folder, columns).to_pandas().to_numpy(float)
    np.testing.assert_array_equal(rows[:], expected)
    np.testing.assert_array_equal(rows[[300, 7, 41]], expected[[300, 7, 41]])
    again = open_rows(rows, columns="year")
    np.testing.assert_array_equal(again[:], expected[:, 0])
    twice = open_rows(folder, columns=["year", "a", "year", "a"])
    np.testing.assert_array_equal(twice[:], expected[:, [0, 1, 0, 1]])
    twice = open_rows(folder, columns=["year", "year"])
    np.testing.assert_array_equal(twice[:], expected[:, [0, 0]])


def test_an_empty_key_is_not_missing(tmp_path):
    for key in ("", NULL):
        write_at(tmp_path / "table" / f"k={key}" / "0.parquet", make_table(0, 2))
    keys = open_rows(tmp_path / "table", columns=["k"], as_frame=True).read()["k"]
    assert keys.tolist() == ["", "", None, None]


FILTERS = [
    [("year", "=", 2024)],
    [("year", "in", [2023]), ("a", ">", 0.5)],
    [[("a", ">", 1)], [("place", "==", "c"), ("year", "<", 2024)]],
    [("b", "!=", 3)],
    [("text", "in", ["t1", "t4"])],
    [("place", "not in", ["c"])],
    [("a", ">", 100)],
    [("a", "<", 100)],
    [("label", "=", 1), ("b", ">=", 2), ("a", "<=", 0)],
]


@pytest.mark.parametrize("filters", FILTERS)
def test_filters_are_those_of_pyarrow(folder, filters):
    expected = read(folder, ["a", "year"], filters).to_pandas().to_numpy(float)
    rows = open_rows(folder, columns=["a", "year"], filters=filters)
    np.testing.assert_array_equal(rows[:], expected)
    np.testing.assert_array_equal(rows[3:9], expected[3:9])
    labels = open_rows(folder, columns="label", filters=filters)
    np.testing.assert_array_equal(labels[:], read(folder, ["label"], filters)["label"])


@pytest.mark.parametrize("kind", ["parquet", "arrow", "orc"])
def test_filters_of_one_file(tmp_path, kind):
    from pyarrow import orc

    table = make_table(0).drop_columns("text")
    path = tmp_path / f"X.{kind}"
    if kind == "parquet":
        pq.write_table(table, path, row_group_size=16)
    elif kind == "orc":
        orc.write_table(table, path)
    else:
        with pa.ipc.new_file(path, table.schema) as writer:
            writer.write_table(table, max_chunksize=16)
    expected = table.to_pandas().query("a > 0.3 and b != 2").dropna()
    rows = open_rows(path, filters=[("a", ">", 0.3), ("b", "!=", 2)])
    np.testing.assert_array_equal(rows[:], expected.to_numpy(float))


def test_filters_read_nothing_else(folder, monkeypatch):
    """Files are not opened that keys leave out, nor row groups that statistics do."""
    from skmmap.formats.arrow import arrow_files

    seen = []
    read_group = arrow_files._ParquetFile.read

    def note(self, number, names, is_mapped):
        seen.append((number, sorted(names)))
        return read_group(self, number, names, is_mapped)

    open_rows(folder, columns="a", filters=[("year", "=", 2024)])
    monkeypatch.setattr(arrow_files._ParquetFile, "read", note)
    rows = open_rows(folder, columns="a", filters=[("year", "=", 2024)])
    assert not seen
    assert len(rows) == 240
    open_rows(folder, columns="a", filters=[("year", "=", 2024), ("label", ">", 1)])
    assert not seen
    filters = [("place", "=", "c"), ("a", ">", 1.8)]
    rows = open_rows(folder, columns="b", filters=filters)
    assert {tuple(names) for _, names in seen} == {("a",)}
    assert 0 < len(seen) < 12
    seen.clear()
    open_rows(folder, columns="b", filters=[("place", "=", "c"), ("a", "<", 100)])
    assert len(seen) == 4 * 3  # none where the key is missing
    # Three row groups of each file in the folders whose keys pass.
    for key, n_files in ((("year", "=", 2024), 6), (("place", "=", "c"), 4)):
        seen.clear()
        open_rows(folder, columns="b", filters=[key, ("a", ">", -99.0)])
        assert len(seen) == 3 * n_files


def test_a_fit_and_groups_by_keys(folder):
    columns, filters = ["a", "year"], [("b", ">", 1)]
    X = read(folder, columns, filters).to_pandas().to_numpy(float)
    y = read(folder, ["label"], filters)["label"].to_numpy()
    groups = read(folder, ["year"], filters)["year"].to_numpy()
    chosen = {
        name: open_rows(folder, columns=name, filters=filters)
        for name in ("label", "year")
    }
    rows = open_rows(folder, columns=columns, filters=filters)
    model = ChunkedFit(SGDClassifier(random_state=0), chunk_size=50)
    np.testing.assert_array_equal(
        model.fit(rows, chosen["label"]).coef_, model.fit(X, y).coef_
    )
    found, expected = (
        cross_val_score(model, *given, groups=by, cv=GroupKFold(2))
        for given, by in (((rows, chosen["label"]), chosen["year"]), ((X, y), groups))
    )
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("n_jobs", [2])
def test_workers_and_pickles(folder, n_jobs):
    rows = open_rows(folder, columns=["a", "year"], filters=[("a", "<", 1)])
    expected = rows[:].copy()
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(rows))[:], expected)
    model = ChunkedFit(SGDClassifier(random_state=0), chunk_size=50)
    model.fit(rows, expected[:, 1])
    one = model.predict(rows)
    np.testing.assert_array_equal(model.set_params(n_jobs=n_jobs).predict(rows), one)


@pytest.mark.parametrize("kind", ["parquet", "orc"])
def test_keys_of_text_are_encoded(tmp_path, kind):
    """Texts of Parquet are read as codes then, which keys have none of."""
    from pyarrow import orc

    for key in ("x", "y"):
        path = tmp_path / "table" / f"key={key}" / f"0.{kind}"
        path.parent.mkdir(parents=True)
        write_file = pq.write_table if kind == "parquet" else orc.write_table
        write_file(pa.table({"text": ["s", key, None]}), path)
    rows = open_rows(tmp_path / "table", columns=["key", "text"])
    model = ChunkedFit(OneHotEncoder(), chunk_size=2).fit(rows)
    expected = OneHotEncoder().fit_transform(rows.read())
    found = model.transform(rows).read()
    np.testing.assert_array_equal(found.toarray(), expected.toarray())
    keys = open_rows(tmp_path / "table", columns=["key"])
    assert keys.read()["key"].tolist() == ["x"] * 3 + ["y"] * 3
    store = find_source(rows).store.as_codes()
    (table, _), *_ = store._iter_slices(0, 3)
    is_coded = str(table.schema.field("text").type).startswith("dictionary")
    assert is_coded == (kind == "parquet")


def test_what_files_tell_of_their_columns(tmp_path):
    """Nulls that no statistics count, and the bytes of the columns that are chosen."""
    for key, value in (("x", 1), ("y", None)):
        path = tmp_path / "table" / f"key={key}" / "0.parquet"
        path.parent.mkdir(parents=True)
        table = pa.table({"k": [value, 2], "a": [0.5, 1.5]})
        pq.write_table(table, path, write_statistics=False)
    frame = open_rows(tmp_path / "table", columns=["k", "key"]).read()
    assert frame["k"].tolist()[:2] + frame["k"].tolist()[3:] == [1, 2, 2]
    rows = open_rows(tmp_path / "table", columns=["a", "key"])
    groups = pq.ParquetFile(path).metadata.row_group(0)
    store, column = find_source(rows).store, groups.column(1)
    assert store.find_disk_nbytes() == 2 * column.total_compressed_size
    # By which it is decided whether a group is read whole.
    sizes = [stored for *_, stored in store._groups]
    assert sizes == [column.total_uncompressed_size] * 2


def test_large_row_groups_come_piece_by_piece(tmp_path, monkeypatch):
    from skmmap.formats.files import parquet

    table = make_table(0, 500).drop_columns("text")
    for key in ("x", "y"):
        write_at(tmp_path / "table" / f"key={key}" / "0.parquet", table, 500)
    monkeypatch.setattr(parquet, "WHOLE_NBYTES", 100)
    rows = open_rows(tmp_path / "table", columns=["a", "key"], as_frame=True)
    frame = rows.read(490, 510)
    assert frame["key"].tolist() == ["x"] * 10 + ["y"] * 10
    np.testing.assert_array_equal(frame["a"][:10], table["a"].to_numpy()[490:])
    found = open_rows(tmp_path / "table", columns="a", filters=[("a", ">", 0)])
    values = np.tile(table["a"].to_numpy(), 2)
    np.testing.assert_array_equal(found[:], values[values > 0])


@pytest.mark.parametrize(
    ("values", "dtype"),
    [
        (["1", "-20", "0"], "i8"),
        (["01", "2"], "U2"),
        (["1", "1.5"], "U3"),
        (["1", "x"], "U1"),
        (["2024-01-01"], "U10"),
        (["1", NULL], "f8"),
        ([NULL], "U1"),
        (["99999999999999999999"], "U20"),
        (["a=b", ""], "U3"),
    ],
)
def test_types_of_keys(tmp_path, values, dtype):
    for value in values:
        write_at(tmp_path / "table" / f"k={value}" / "0.parquet", make_table(0, 3))
    rows = open_rows(tmp_path / "table", columns="k")
    assert rows.dtype == dtype
    known = {"f8": float, "i8": int}.get(dtype, str)
    missing = np.nan if dtype == "f8" else ""
    expected = [missing if v == NULL else known(v) for v in values]
    np.testing.assert_array_equal(np.unique(rows.read()), np.unique(expected))


def test_names_of_keys_are_quoted_too(tmp_path):
    write_at(tmp_path / "table" / "a%3Db=%25" / "0.parquet", make_table(0, 2))
    assert open_rows(tmp_path / "table", columns="a=b").read().tolist() == ["%", "%"]


def test_what_else_lies_in_the_folder(tmp_path):
    """Only folders named by a key and a value are looked into."""
    for name in ("k=1", "=2", "k"):
        write_at(tmp_path / "table" / name / "0.parquet", make_table(0, 2))
    (tmp_path / "table" / "k=note").touch()
    assert open_rows(tmp_path / "table", columns="k").read().tolist() == [1, 1]


def test_a_missing_key_of_no_rows_is_no_missing_value(tmp_path):
    for value, n_rows in (("1", 2), (NULL, 0)):
        path = tmp_path / "table" / f"k={value}" / "0.parquet"
        write_at(path, make_table(0, n_rows))
    assert open_rows(tmp_path / "table", columns="k").dtype == np.int64


def test_files_are_ordered_by_the_numbers_in_their_paths(tmp_path):
    for month in (10, 9, 1):
        path = tmp_path / "table" / f"month={month}" / "0.parquet"
        write_at(path, make_table(month, 2))
    rows = open_rows(tmp_path / "table", columns="month")
    assert rows.read().tolist() == [1, 1, 9, 9, 10, 10]
    assert repr(rows).startswith(
        f"<Rows: 6 int64 of 3 files: {os.path.join('month=1', '0.parquet')} to "
        f"{os.path.join('month=10', '0.parquet')}"
    )


def test_a_column_that_is_also_a_key(tmp_path):
    path = tmp_path / "table" / "a=1" / "0.parquet"
    write_at(path, make_table(0))
    with raises(
        ValueError,
        f"Column 'a' is in {str(path)!r}, and also a key of its folder. Rename one of "
        "them, or give the files themselves, for example by a pattern.",
    ):
        open_rows(tmp_path / "table")
    assert open_rows(tmp_path / "table" / "**" / "*.parquet").shape[0] == N_ROWS


def test_folders_of_different_keys(tmp_path):
    first, second = "k=1/0.parquet", "m=2/1.parquet"
    for name in (first, second):
        write_at(tmp_path / "table" / name, make_table(0))
    files = [str(tmp_path / "table" / name) for name in (second, first)]
    with raises(
        ValueError,
        f"{files[0]!r} lies in folders of other keys (m) than {files[1]!r} (k). Give "
        "folders of one kind at a time.",
    ):
        open_rows(tmp_path / "table")
    for name in ("k=1/m=2", "m=1/k=2"):
        write_at(tmp_path / "other" / name / "0.parquet", make_table(0))
    with pytest.raises(ValueError, match=r"of other keys \(m, k\) than .* \(k, m\)"):
        open_rows(tmp_path / "other")


def test_a_key_twice_on_a_path(tmp_path):
    path = tmp_path / "table" / "k=1" / "k=2" / "0.parquet"
    write_at(path, make_table(0))
    with raises(
        ValueError,
        f"{str(path)!r} lies in two folders of the key 'k'. Give one of them.",
    ):
        open_rows(tmp_path / "table")


def test_a_key_that_is_no_text(tmp_path):
    """Any two such values would be one, with a replacement character each."""
    path = tmp_path / "table" / "k=%ff" / "0.parquet"
    write_at(path, make_table(0, 3))
    with raises(
        ValueError,
        f"The name of the folder 'k=%ff' of {str(path)!r} is no text in UTF-8: 'utf-8' "
        "codec can't decode byte 0xff in position 0: invalid start byte. Rename it.",
    ):
        open_rows(tmp_path / "table")


def test_filters_that_say_nothing(folder, tmp_path):
    start = "filters must be a list of (column, operator, value), or a list of such "
    for filters in ([("a", "~", 1)], "a > 1", [("a", 1)], 3, [3]):
        with pytest.raises(ValueError, match="filters must be a list") as caught:
            open_rows(folder, filters=filters)
        assert str(caught.value).startswith(f"{start}lists; got {filters!r}: ")
    with raises(
        ValueError,
        "filters must be a list of conditions; got ('a', '=', 1). Give "
        "[('a', '=', 1)].",
    ):
        open_rows(folder, filters=("a", "=", 1))
    for operator in ("in", "not in"):
        given = ("k", operator, "oak")  # not one of "o", "a" and "k"
        with raises(
            ValueError,
            f"filters=[{given!r}]: {operator!r} needs a list of values; got 'oak'. "
            f"Give ('k', {operator!r}, ['oak']).",
        ):
            open_rows(folder, filters=[given])
    with pytest.raises(ValueError, match=r"filters=\[\('zz', '=', 1\)\]: .* has no"):
        open_rows(folder, filters=[("zz", "=", 1)])
    with pytest.raises(ValueError, match="do not fit the types of the columns"):
        open_rows(folder, filters=[("a", "<", "x")])
    np.save(tmp_path / "X.npy", np.ones(3))
    with pytest.raises(ValueError, match="filters has no meaning for"):
        open_rows(tmp_path / "X.npy", filters=[("a", "=", 1)])


def test_a_replaced_file_is_an_error(tmp_path):
    path = tmp_path / "table" / "k=1" / "0.parquet"
    write_at(path, make_table(0))
    rows = open_rows(tmp_path / "table", columns=["a", "k"], filters=[("a", ">", 0)])
    write_at(tmp_path / "other.parquet", make_table(1))
    os.replace(tmp_path / "other.parquet", path)
    with pytest.raises(ValueError, match="was replaced since it was opened"):
        rows[:].copy()
