"""Columns of lists of one length, and strings that are missing, in every door."""

import pickle
import re

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from helpers import raises
from sklearn.linear_model import SGDClassifier
from sklearn.multioutput import MultiOutputClassifier

from skmmap import ChunkedFit, convert, open_rows

N_ROWS = 23
E = np.random.default_rng(0).normal(size=(N_ROWS, 3)).astype(np.float32)
I = np.arange(N_ROWS * 2).reshape(N_ROWS, 2)  # noqa: E741
TEXTS = np.array([["a", "bcd"], ["", "ef"]] * 12)[:N_ROWS]
CUBE = np.arange(N_ROWS * 6, dtype=np.float64).reshape(N_ROWS, 2, 3)
TENSORS = pa.fixed_shape_tensor(pa.float64(), [2, 3])
TURNED = pa.fixed_shape_tensor(pa.float64(), [3, 2], permutation=[1, 0])


def to_tensors(array, type_):
    flat = pa.array(array.reshape(N_ROWS, 6).tolist(), type_.storage_type)
    return pa.ExtensionArray.from_storage(type_, flat)


COLUMNS = {
    "list": (pa.array(E.tolist(), pa.list_(pa.float32())), E),
    "large list": (pa.array(E.tolist(), pa.large_list(pa.float32())), E),
    "fixed list": (pa.array(E.tolist(), pa.list_(pa.float32(), 3)), E),
    "list of integers": (pa.array(I.tolist()), I),
    "list of strings": (pa.array(TEXTS.tolist()), TEXTS),
    "list of a dictionary": (
        pa.ListArray.from_arrays(
            range(0, 2 * N_ROWS + 1, 2), pa.array(TEXTS.ravel()).dictionary_encode()
        ),
        TEXTS,
    ),
    "lists in lists": (pa.array(CUBE.tolist()), CUBE),
    "tensors": (to_tensors(CUBE, TENSORS), CUBE),
    "turned tensors": (
        to_tensors(CUBE, TURNED),
        CUBE.reshape(N_ROWS, 3, 2).transpose(0, 2, 1),
    ),
}


def write_parquet(table, path):
    pq.write_table(table, path, row_group_size=5)
    return path


def write_ipc(table, path):
    path = path.with_suffix(".arrow")
    with pa.ipc.new_file(path, table.schema) as file:
        file.write_table(table, 5)
    return path


def cut(table, path):
    """Return the table as parts of another one, so that its columns have offsets."""
    twice = pa.concat_tables([table, table]).combine_chunks()
    return pa.concat_tables(
        [twice.slice(N_ROWS, 7), twice.slice(7, 9), twice.slice(16, N_ROWS - 16)]
    )


WRITERS = [write_parquet, write_ipc, cut]


@pytest.mark.parametrize("write", WRITERS)
@pytest.mark.parametrize("name", COLUMNS)
def test_lists_are_rows(tmp_path, name, write):
    values, expected = COLUMNS[name]
    table = pa.table({"before": pa.array(range(N_ROWS)), "e": values})
    rows = open_rows(write(table, tmp_path / "e.parquet"), columns="e")
    assert (rows.shape, rows.dtype) == (expected.shape, expected.dtype)
    for start, stop in [(0, N_ROWS), (3, 4), (4, 12), (22, 23), (9, 9)]:
        np.testing.assert_array_equal(rows.read(start, stop), expected[start:stop])
    picked = pickle.loads(pickle.dumps(rows))[[17, 2, 2, 9]]
    np.testing.assert_array_equal(np.asarray(picked), expected[[17, 2, 2, 9]])


@pytest.mark.parametrize("write", WRITERS)
def test_lists_beside_other_columns(tmp_path, write):
    table = pa.table(
        {
            "n": pa.array(range(N_ROWS), pa.int8()),
            "e": COLUMNS["list"][0],
            "cube": COLUMNS["tensors"][0],
        }
    )
    source = write(table, tmp_path / "e.parquet")
    n, flat = np.arange(N_ROWS)[:, None], CUBE.reshape(N_ROWS, 6)
    for columns, parts in [
        (None, [n, E, flat]),
        (["e", "n"], [E, n]),
        (["e"], [E]),
        (["cube"], [flat]),
    ]:
        expected = np.hstack(parts)
        rows = open_rows(source, columns=columns)
        assert (rows.shape, rows.dtype.kind) == (expected.shape, "f")
        np.testing.assert_array_equal(rows.read(4, 21), expected[4:21])


@pytest.mark.parametrize("write", WRITERS)
@pytest.mark.parametrize(
    "type_", [pa.list_(pa.int16()), pa.list_(pa.int16(), 2), pa.large_list(pa.int16())]
)
def test_missing_lists_and_values_in_lists(tmp_path, write, type_):
    given = I.tolist()
    given[3], given[11] = [None, 1], None
    if write is write_parquet and hasattr(type_, "list_size"):
        given[11] = [None, None]  # older pyarrow does not read missing ones
    expected = I.astype(np.float64)
    expected[3], expected[11] = [np.nan, 1], np.nan
    table = pa.table({"e": pa.array(given, type_)})
    rows = open_rows(write(table, tmp_path / "e.parquet"), columns="e")
    assert rows.dtype == np.float64
    np.testing.assert_array_equal(np.asarray(rows), expected)


@pytest.mark.parametrize("write", WRITERS)
@pytest.mark.parametrize(
    ("given", "text"),
    [
        (
            [[1.0, 2.0]] * 12 + [[1.0]] + [[1.0, 2.0]] * 10,
            "has a list of 1 values in row 12, and that in row 0 has 2.",
        ),
        (
            [None, [[1.0], [2.0]]] + [[[1.0], [2.0, 3.0]]] * (N_ROWS - 2),
            "has a list of 2 values in row 2, and that in row 1 has 1.",
        ),
    ],
)
def test_lists_of_different_lengths(tmp_path, write, given, text):
    table = pa.table({"e": given})
    source = write(table, tmp_path / "e.parquet")
    where = "a Table" if write is cut else source.name
    with raises(
        ValueError,
        f"Column 'e' of '{where}:e' {text} An array needs lists of one length: write "
        "them so, or choose other columns."
        if write is not cut
        else f"Column 'e' of 'a Table' {text} An array needs lists of one length: "
        "write them so, or choose other columns.",
    ):
        open_rows(source, columns="e")


def test_lists_that_hold_nothing(tmp_path):
    for given, shape in [([], (0, 0)), ([None, None], (2, 0)), ([[], []], (2, 0))]:
        table = pa.table({"e": pa.array(given, pa.list_(pa.float32()))})
        rows = open_rows(write_parquet(table, tmp_path / "e.parquet"), columns="e")
        assert np.asarray(rows).shape == rows.shape == shape


@pytest.mark.parametrize("write", WRITERS)
def test_tensors_of_numpy_beside_texts(tmp_path, write):
    """They have a permutation, and pyarrow makes no empty array of such a type."""
    tensors = pa.FixedShapeTensorArray.from_numpy_ndarray(CUBE)
    table = pa.table({"tensor": tensors, "k": I[:, 0], "text": TEXTS[:, 0]})
    path = write(table, tmp_path / "X")
    for library in ("pandas", "polars"):
        rows = open_rows(path, as_frame=library)
        frame = rows.read(2, 5)
        flat = np.array([np.ravel(each) for each in frame["tensor"].to_list()])
        np.testing.assert_array_equal(flat, CUBE[2:5].reshape(3, 6))
        np.testing.assert_array_equal(open_rows(rows, columns="tensor").read(), CUBE)
    if hasattr(path, "suffix"):
        rows = open_rows(path, columns="tensor", filters=[("k", ">", 40)])
        np.testing.assert_array_equal(rows.read(), CUBE[21:])


def test_only_list_columns_are_read_before(tmp_path, monkeypatch):
    from skmmap.formats.arrow import arrow_files as _arrow_files

    table = pa.table({"n": pa.array(range(N_ROWS)), "e": COLUMNS["list"][0]})
    path = write_parquet(table, tmp_path / "e.parquet")
    read, asked = _arrow_files._ParquetFile.read, []

    def probe(self, number, names, is_mapped):
        asked.append((number, list(names)))
        return read(self, number, names, is_mapped)

    monkeypatch.setattr(_arrow_files._ParquetFile, "read", probe)
    open_rows(path)
    assert asked == [(number, ["e"]) for number in range(5)]
    open_rows(path, columns=["n"])
    assert len(asked) == 5


def test_a_model_learns_from_lists(tmp_path):
    y = (E[:, 0] > 0).astype(int)
    path = write_parquet(pa.table({"e": COLUMNS["list"][0]}), tmp_path / "e.parquet")
    options = {"chunk_size": 6, "shuffle": False, "max_epochs": 1}
    model = ChunkedFit(SGDClassifier(random_state=0), **options)
    expected = model.fit(E, y).coef_
    np.testing.assert_array_equal(model.fit(path, y).coef_, expected)
    written = convert(path, tmp_path / "e.npy", columns="e")
    np.testing.assert_array_equal(np.asarray(written), E)


# Strings that are missing

CITIES = ["Paris", None, "Rome", "", None, "Oslo"]
FILLED = np.array(["Paris", "", "Rome", "", "", "Oslo"])


@pytest.mark.parametrize("compression", ["uncompressed", "lz4", None])
def test_strings_of_polars(tmp_path, compression):
    """It writes views, also in lists and as what categories stand for."""
    texts = pl.DataFrame(
        {
            "text": CITIES,
            "category": pl.Series(CITIES, dtype=pl.Categorical),
            "enum": pl.Series(CITIES, dtype=pl.Enum(["Rome", "Oslo", "", "Paris"])),
            "list": [["a", "bcd"], [None, "ef"], ["", "ü"]] * 2,
        }
    )
    source = tmp_path / "t.arrow"
    texts.write_ipc(source, compression=compression or "uncompressed")
    table = pa.ipc.open_file(source).read_all()
    assert "string_view" in str(table.schema)
    source = source if compression else table
    for name in ("text", "category", "enum"):
        rows = open_rows(source, columns=name)
        assert rows.dtype == FILLED.dtype
        np.testing.assert_array_equal(np.asarray(rows), FILLED)
        np.testing.assert_array_equal(rows.read(1, 3), FILLED[1:3])
    lists = np.asarray(open_rows(source, columns="list"))
    assert lists.tolist() == [["a", "bcd"], ["", "ef"], ["", "ü"]] * 2
    y = open_rows(source, columns="category")
    with pytest.raises(ValueError, match="y has no value in row 1, and a missing str"):
        ChunkedFit(SGDClassifier()).fit(np.ones((6, 2)), y)


def write_csv(table, path):
    path = path.with_suffix(".csv")
    rows = [f"{city or ''},{i}" for i, city in enumerate(CITIES)]
    path.write_text("\n".join(["city,n", *rows]) + "\n")
    return path


@pytest.mark.parametrize("write", [*WRITERS[:2], lambda table, path: table, write_csv])
@pytest.mark.parametrize("type_", [pa.string(), pa.dictionary(pa.int8(), pa.string())])
def test_a_missing_string_is_empty(tmp_path, write, type_):
    table = pa.table({"city": pa.array(CITIES).cast(type_), "n": range(6)})
    source = write(table, tmp_path / "t.parquet")
    rows = convert(source, tmp_path / "t.npy", columns="city")
    np.testing.assert_array_equal(np.asarray(rows), FILLED)
    if write is not write_csv:
        rows = open_rows(source, columns="city")
        np.testing.assert_array_equal(rows.read(1, 6), FILLED[1:])


@pytest.mark.parametrize("write", [write_ipc, lambda table, path: table])
def test_a_null_that_is_a_value_of_a_dictionary(tmp_path, write):
    """As Lance writes it; pyarrow does not count it, and joins no such dictionaries."""
    made, codes = pa.DictionaryArray.from_arrays, [2, 0, 1, 2, 0, None] * 2
    table = pa.table(
        {
            "text": made(
                pa.array(codes, "int8"), pa.array(["b", None, "a"]), ordered=True
            ),
            "k": made(pa.array(codes), pa.array([7, None, 5])),
            "none": made(pa.array([2, 0] * 6), pa.array([7, None, 5])),
        }
    )
    path, values = write(table, tmp_path / "X"), [5, 7, np.nan, 5, 7, np.nan] * 2
    np.testing.assert_array_equal(open_rows(path, columns="k").read(), values)
    assert open_rows(path, columns="none").dtype == "i8"
    texts = [{5: "a", 7: "b"}.get(value) for value in values]
    for library in ("pandas", "polars"):
        column = open_rows(path, as_frame=library).read(3, 12)["text"]
        found = [each if isinstance(each, str) else None for each in column.to_list()]
        assert found == texts[3:]
    column = open_rows(path, as_frame="pandas").read()["text"]
    assert column.dtype.categories.tolist() == ["b", "a"]
    assert column.dtype.ordered


@pytest.mark.parametrize("write", [*WRITERS[:2], lambda table, path: table])
def test_a_missing_label_is_refused(tmp_path, write):
    table = pa.table({"city": CITIES})
    y = open_rows(write(table, tmp_path / "t.parquet"), columns="city")
    X = np.arange(12.0).reshape(6, 2)
    model = ChunkedFit(SGDClassifier(random_state=0, max_iter=2, tol=None))
    text = (
        "y has no value in row {}, and a missing string would be the label ''. Fill "
        "such values, or leave their rows out."
    )
    for method in (model.fit, model.partial_fit, model.explain):
        with raises(ValueError, text.format(1)):
            method(X, y)
    with raises(ValueError, text.format(2)):
        model.fit(X[2:], y[2:], classes=["Oslo", "Paris", "Rome", ""])
    with raises(ValueError, text.format(7)):
        model.fit(
            X[[0, 2, 3, 5, 5, 0, 0, 1, 2, 3, 4, 5]],
            open_rows([y[[0, 2]], y[[3, 5, 5, 0]], y]),
        )
    known = ["", "Oslo", "Paris", "Rome"]
    model.fit(X[[0, 2, 3, 5]], y[[0, 2, 3, 5]], classes=known)
    assert model.classes_.tolist() == known
    with raises(ValueError, text.format(1)):
        model.score(X, y)


def test_a_missing_label_in_a_written_file_is_warned_of(tmp_path):
    source = write_csv(None, tmp_path / "t.csv")
    y = convert(source, tmp_path / "y.npy", columns="city")
    X = np.arange(12.0).reshape(6, 2)
    model = ChunkedFit(SGDClassifier(random_state=0, max_iter=2, tol=None))
    text = (
        "y has empty strings, which become a class of their own. In files that "
        "skmmap.convert writes, they stand for labels that are missing. Leave these "
        "rows out, or name all labels, '' too, with classes=[...]."
    )
    for several in (y, np.asarray(y)):
        with pytest.warns(UserWarning, match=re.escape(text)):
            model.fit(X, several)
        model.fit(X, several, classes=["", "Oslo", "Paris", "Rome"])
    model.fit(X[[0, 2, 5]], y[[0, 2, 5]])
    two = ChunkedFit(MultiOutputClassifier(model.estimator))
    with pytest.warns(UserWarning, match=re.escape(text)):
        two.fit(X, np.c_[FILLED, FILLED[::-1]])
