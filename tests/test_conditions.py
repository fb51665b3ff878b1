"""Conditions of filters, against Python's own comparisons and tables in memory."""

import datetime as dt
import operator
from decimal import Decimal

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from helpers import raises

from skmmap import open_rows
from skmmap.formats.arrow.conditions import OPERATORS, fit_condition

COMPARED = {
    "=": operator.eq,
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
NAN, INF = float("nan"), float("inf")


def passes(value, condition) -> bool:
    """Whether a value passes, by Python."""
    _, name, given = condition
    if name in ("in", "not in"):
        return (value in given) == (name == "in")
    return value is not None and COMPARED[name](value, given)


def filter_table(table, condition):
    return table.filter(pq.filters_to_expression([condition]))


@pytest.mark.parametrize(
    ("type_", "low", "high"),
    [
        ("int8", -128, 127),
        ("uint8", 0, 255),
        ("int64", -(2**63), 2**63 - 1),
        ("uint64", 0, 2**64 - 1),
    ],
)
def test_integers_are_compared_as_such(type_, low, high):
    stored = [low, low + 1, 3, 4, high - 1, high, None]
    table = pa.table({"k": pa.array(stored, type_)})
    given = [*stored[:-1], low - 1, high + 1, low - 0.5, 3.0, 3.5, 1e30, -1e30]
    given += [NAN, INF, -INF, np.float32(3.5), np.uint8(3), np.uint64(2**53 + 1)]
    for name in OPERATORS:
        for value in given:
            value = [value, None, 4.0] if "in" in name else value
            condition = "k", name, value
            fitted = fit_condition(condition, table.schema.field("k").type)
            found = filter_table(table, fitted)["k"].to_pylist()
            assert found == [v for v in stored if passes(v, condition)], condition


def test_what_is_no_integer_is_left_to_pyarrow():
    for value in (True, "3", Decimal(3), None):
        assert fit_condition(("k", "=", value), pa.int64()) == ("k", "=", value)
        assert fit_condition(("k", "in", [value, True]), pa.int64())[2][1] is True
    assert fit_condition(("k", ">", 3), pa.float64()) == ("k", ">", 3)


def test_large_integers_of_files(tmp_path):
    """pyarrow raises here: it would compare as float32, or as int64."""
    path, large = tmp_path / "X.parquet", 2**53 + 1
    table = {"k": [1, large, 7], "u": pa.array([0, 2**64 - 1, 2**63], "uint64")}
    pq.write_table(pa.table(table), path)
    for condition, expected in {
        ("k", ">", 2.5): [1, 2],
        ("k", "=", large): [1],
        ("k", "=", 7.0): [2],
        ("u", ">=", 2**63): [1, 2],
        ("u", ">", -1): [0, 1, 2],
    }.items():
        rows = open_rows(path, columns="k", filters=[condition])
        assert rows.read().tolist() == np.array(table["k"])[expected].tolist()


FLOATS = [3.0, 3.0, NAN, None, 1.0, -0.0, NAN, NAN, 0.0, 5.0]


@pytest.mark.parametrize(
    ("group_rows", "type_"), [(1, "float64"), (3, "float32"), (10, "float64")]
)
def test_statistics_leave_out_no_row(tmp_path, group_rows, type_):
    """Of pyarrow's filters, row groups of 3.0 and NaN lose NaN, which is not 3.0."""
    path = tmp_path / "X.parquet"
    table = pa.table({"x": pa.array(FLOATS, type_), "row": range(len(FLOATS))})
    pq.write_table(table, path, row_group_size=group_rows)
    for name in OPERATORS:
        for value in (3.0, NAN, -0.0):
            condition = "x", name, [value] if "in" in name else value
            expected = filter_table(table, condition)["row"].to_pylist()
            rows = open_rows(path, columns="row", filters=[condition])
            assert rows.read().tolist() == expected, condition


def test_a_value_that_is_rounded_to_the_type_of_the_column(tmp_path):
    path = tmp_path / "X.parquet"
    pq.write_table(pa.table({"x": pa.array([0.1, 0.2], "float32")}), path)
    rows = open_rows(path, columns="x", filters=[("x", "in", [0.1])])
    assert rows.read().tolist() == [np.float32(0.1)]


def test_what_statistics_cannot_tell_does_not_hide_what_they_do(tmp_path, monkeypatch):
    from skmmap.formats.arrow import arrow_files

    path, seen = tmp_path / "X.parquet", []
    table = pa.table({"x": np.arange(9.0), "k": np.arange(9) // 3})
    pq.write_table(table, path, row_group_size=3)
    read_group = arrow_files._ParquetFile.read

    def note(self, number, names, is_mapped):
        seen.append(number)
        return read_group(self, number, names, is_mapped)

    monkeypatch.setattr(arrow_files._ParquetFile, "read", note)
    both = [("x", "!=", 4.0), ("k", "=", 1)]
    assert open_rows(path, columns="x", filters=both).read().tolist() == [3, 5]
    assert set(seen) == {1}
    open_rows(path, filters=[[("x", "!=", 4.0)], [("k", "=", 1)]])
    assert set(seen) == {0, 1, 2}


def test_missing_values_pass_as_in_pyarrow(tmp_path):
    path = tmp_path / "X.parquet"
    pq.write_table(pa.table({"x": [1.0, NAN, None], "k": [1, 2, None]}), path)
    for condition, expected in [
        (("x", "!=", 1.0), [1]),
        (("x", "not in", [1.0]), [1, 2]),
        (("k", "!=", 1), [1]),
        (("k", "not in", [1]), [1, 2]),
        (("k", "in", [None]), [2]),
        (("k", "not in", [None]), [0, 1]),
        (("k", "=", None), []),
        (("k", "in", []), []),
    ]:
        rows = open_rows(path, columns="x", filters=[condition])
        np.testing.assert_array_equal(rows.read(), np.array([1, NAN, NAN])[expected])
        assert len(rows) == len(expected)


def test_conditions_may_be_lists(tmp_path):
    path = tmp_path / "X.parquet"
    pq.write_table(pa.table({"k": [1, 2, 3]}), path)
    of_lists = [[["k", ">", 1], ["k", "<", 3]]], [["k", "=", 2]], (("k", "=", 2),)
    values = {2}, range(2, 3), np.array([2]), iter([2])
    for given in (*of_lists, *([("k", "in", each)] for each in values)):
        assert open_rows(path, columns="k", filters=given).read().tolist() == [2]


def test_conditions_that_are_none(tmp_path):
    path = tmp_path / "X.parquet"
    pq.write_table(pa.table({"k": [1, 2, 3]}), path)
    for given, reason in [
        ([], "it has no conditions"),
        ([[]], "[] has no conditions"),
        ([[("k", "=", 1)], []], "[] has no conditions"),
        ([("k", "=", 1), [("k", "=", 1)]], "[('k', '=', 1)] is no condition"),
        ([(3, "=", 1)], "3 is no condition"),
        (
            [("k", "~", 1)],
            "operators are =, ==, !=, <, <=, >, >=, in, not in, and not '~'",
        ),
    ]:
        with raises(
            ValueError,
            "filters must be a list of (column, operator, value), or a list of such "
            f"lists; got {given!r}: {reason}.",
        ):
            open_rows(path, filters=given)
    with raises(
        ValueError,
        "filters=[('k', 'in', 5)]: 'in' needs a list of values; got 5. Give ('k', "
        "'in', [5]).",
    ):
        open_rows(path, filters=[("k", "in", 5)])


@pytest.mark.parametrize("kind", ["parquet", "empty.parquet", "arrow"])
def test_values_that_do_not_fit_the_rows(tmp_path, kind):
    """Some of which pyarrow only sees in statistics or rows."""
    path = tmp_path / f"X.{kind}"
    known = pa.timestamp("us", "UTC")
    table = pa.table(
        {
            "time": pa.array([dt.datetime(2024, 1, 1)], known),
            "price": pa.array([Decimal("2.25")], pa.decimal128(8, 2)),
            "text": ["a"],
        }
    )
    if kind == "arrow":
        with pa.ipc.new_file(path, table.schema) as writer:
            writer.write_table(table)
    else:
        pq.write_table(table.slice(0, kind == "parquet"), path)
    given = [("text", "=", 2**70), ("text", "<", 1)]
    if kind != "empty.parquet":
        given += [("time", ">", dt.datetime(2024, 1, 1)), ("price", "in", [2])]
    for condition in given:
        start = f"filters={[condition]!r} do not fit the types of the columns, "
        with pytest.raises(ValueError, match="do not fit") as caught:
            open_rows(path, columns="text", filters=[condition])
        type_ = table.schema.field(condition[0]).type
        assert str(caught.value).startswith(f"{start}{{{condition[0]!r}: '{type_}'}}: ")


def test_texts_of_polars(tmp_path):
    """Views, and categories of such, for which Arrow has almost no functions."""
    texts = ["a", "b", None, "ab"]
    frame = pl.DataFrame({"text": texts, "kind": texts, "row": [0, 1, 2, 3]})
    frame = frame.with_columns(pl.col("kind").cast(pl.Categorical))
    frame.write_ipc(tmp_path / "X.arrow")
    for name in ("text", "kind"):
        for operator_, value, expected in [
            ("=", "a", [0]),
            (">", "a", [1, 3]),
            ("!=", "b", [0, 3]),
            ("in", ["a", "b", "x"], [0, 1]),
            ("not in", ["ab"], [0, 1, 2]),
        ]:
            given = [(name, operator_, value)]
            rows = open_rows(tmp_path / "X.arrow", columns="row", filters=given)
            assert rows.read().tolist() == expected
