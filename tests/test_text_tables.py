"""Files of CSV and of JSON lines as Parquet files; pandas' readers are right."""

import gzip
import json
import os
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from helpers import raises

from skmmap import convert, open_rows
from skmmap.write import csv, json_table, tables

same = pd.testing.assert_frame_equal
N = 3_000


@pytest.fixture(autouse=True)
def folder(empty_folder, monkeypatch):
    """Let files of a few kilobytes have many blocks."""
    monkeypatch.setattr(csv, "_CSV_BLOCK", 2**12)
    monkeypatch.setattr(json_table, "_BLOCK", 2**12)
    monkeypatch.setattr(tables, "_GROUP_ROWS", 1_000)
    return empty_folder


def make_frame():
    number = np.arange(N)
    return pd.DataFrame(
        {
            "n": number,
            "x": number / 7,
            "text": np.array(["a", "b,c", 'd"e', "größer"], object)[number % 4],
            "late": np.where(number == N - 1, 0.5, np.nan),
            "late n": pd.Series(number, dtype="Int64").where(number < N - 3),
            "late x": pd.Series(number, dtype=object).where(number < N - 1, 0.5),
            "none": np.nan,
            "flag": number % 3 == 0,
            "missing": pd.Series(["x", "y"] * (N // 2)).where(number % 5 > 0),
        }
    )


@pytest.mark.parametrize("name", ["t.csv", "t.tsv", "t.csv.gz"])
def test_csv(name):
    separator = "\t" if name == "t.tsv" else ","
    make_frame().to_csv(name, index=False, sep=separator)
    rows = convert(name, "t.parquet")
    whole = pd.read_csv(name, sep=separator)
    expected = whole.replace({"missing": {np.nan: None}})
    same(rows.read(), expected)
    same(rows.read(990, 1_010), expected[990:1_010])
    sizes = pq.ParquetFile("t.parquet").metadata
    assert sizes.num_row_groups in (2, 3)
    assert {*os.listdir()} == {name, "t.parquet"}


def test_chosen_columns_and_types():
    Path("t.csv").write_text("zip,n,t\n" + "01234,1,a\n" * 9)
    rows = convert("t.csv", "t.parquet", columns=["t", "zip"], dtype={"zip": str})
    assert rows[0].to_numpy().tolist() == [["a", "01234"]]
    assert rows.columns.tolist() == ["t", "zip"]
    rows = convert("t.csv", "t.parquet", columns="n", dtype={"n": "float32"})
    assert (rows.shape, rows.dtype) == ((9, 1), np.float32)
    assert convert("t.csv", "t.parquet", dtype=str)[0].to_numpy()[0, 1] == "1"
    text = "dtype has the column 'q', which is not read of 't.csv': 't'."
    with raises(ValueError, text):
        convert("t.csv", "t.parquet", columns=["t"], dtype={"q": str})


def test_a_csv_file_without_rows():
    Path("t.csv").write_text("a,b\n")
    assert convert("t.csv", "t.parquet").shape == (0, 2)


def test_a_text_where_numbers_were():
    make_frame().assign(n=[*range(N - 1), "many"]).to_csv("t.csv", index=False)
    Path("t.parquet").write_bytes(b"before")
    text = (
        "Column 'n' of 't.csv' has 'many' in row 2,999, and begins with values of the "
        "type int64. Correct the value, choose other columns, or give "
        "dtype={'n': str} to read text."
    )
    with raises(ValueError, text):
        convert("t.csv", "t.parquet")
    assert sorted(os.listdir()) == ["t.csv", "t.parquet"]
    assert Path("t.parquet").read_bytes() == b"before"
    rows = convert("t.csv", "t.parquet", dtype={"n": str})
    assert rows[N - 2 :].read()["n"].tolist() == ["2998", "many"]
    text = (
        "Column 'n' of 't.csv' has 'many' in row 2,999, which dtype='int32' cannot "
        "keep. Correct the value, or give another dtype."
    )
    with raises(ValueError, text):
        convert("t.csv", "t.parquet", dtype={"n": "int32"})


@pytest.mark.parametrize("name", ["t.jsonl", "t.NDJSON.gz"])
def test_json_lines(name):
    frame = make_frame()
    text = frame.to_json(orient="records", lines=True).replace("\n", "\n\n", 5)
    content = text.rstrip("\n").encode()  # without a last line end
    Path(name).write_bytes(gzip.compress(content) if "gz" in name else content)
    rows = convert(name, "t.parquet")
    expected = frame.replace({"missing": {np.nan: None}})
    expected = expected.astype({"late n": float, "late x": float})
    same(rows.read(), expected)
    same(rows.read(990, 1_010), expected[990:1_010])
    assert convert(name, "u.parquet", columns=["x", "n"]).shape == (N, 2)


def test_keys_that_come_late_and_lists():
    lines = [{"a": 1}] * 500 + [{"b": "x", "a": 2.5, "l": [1, 2]}] * 500
    lines[3] = {"a": 1, "t": "2020-01-01"}
    lines[-1] = {"a": 1, "t": "never"}
    Path("t.jsonl").write_text("\n".join(map(json.dumps, lines)))
    read = convert("t.jsonl", "t.parquet").read()
    assert read["a"].tolist() == [1.0] * 500 + [2.5] * 499 + [1.0]
    assert read["b"].tolist() == [None] * 500 + ["x"] * 499 + [None]
    assert read["t"][[3, 999]].tolist() == ["2020-01-01", "never"]
    assert read["l"][998].tolist() == [1, 2]


@pytest.mark.parametrize(
    ("line", "text"),
    [
        (
            '{"n": "many"}',
            "Column 'n' of 't.jsonl' has 'many' in row 1,700, and begins with values "
            "of the type int64. Correct the value, or write the column as text in all "
            "rows.",
        ),
        (
            '{"n": 1',
            "'t.jsonl' cannot be read as JSON lines: row 1,700 is '{\"n\": 1': Missing "
            "a comma or '}' after an object member. Each line must be an object; "
            "correct the file.",
        ),
    ],
)
def test_a_line_that_is_another(line, text):
    lines = ['{"n": 1, "t": "x"}'] * 2_000
    lines[1_700] = line
    Path("t.jsonl").write_text("\n".join(lines))
    with raises(ValueError, text):
        convert("t.jsonl", "t.parquet")
    assert os.listdir() == ["t.jsonl"]


def test_what_makes_no_parquet_file():
    np.save("X.npy", np.ones((2, 2)))
    Path("t.jsonl").write_text("\n")
    Path("t.csv").write_text("a\n1\n")
    path = Path("t.parquet").absolute()
    text = (
        f"dst={str(path)!r} is a Parquet file, to which files of CSV (.csv, .tsv) and "
        "of JSON lines (.jsonl, .ndjson) are converted. Give the path of one as src, "
        "or a dst that ends in '.npy'."
    )
    for src in ("X.npy", open_rows("X.npy"), ["t.csv"]):
        with raises(ValueError, text):
            convert(src, "t.parquet")
    with raises(ValueError, "'t.jsonl' has no rows to convert."):
        convert("t.jsonl", "t.parquet")
    with raises(ValueError, "dtype has no meaning for 't.jsonl'; got 'f4'."):
        convert("t.jsonl", "t.parquet", dtype="f4")
    with raises(ValueError, "key has no meaning for 't.csv'; got 'a'."):
        convert("t.csv", "t.parquet", key="a")
    with pytest.raises(FileNotFoundError):
        convert("no.jsonl", "t.parquet")
    text = (
        "src='*.jsonl' is a pattern, and files of JSON lines are converted one by one. "
        "Convert each to a Parquet file, which open_rows takes together."
    )
    with raises(ValueError, text):
        convert("*.jsonl", "t.parquet")


def test_a_line_that_is_too_long(monkeypatch):
    monkeypatch.setattr(json_table, "_LONGEST", 10_000)
    Path("t.jsonl").write_text('{"n": 1}\n{"t": "' + 20_000 * "x" + '"}')
    text = "'t.jsonl' cannot be read as JSON lines: row 1 is longer than 10,000 bytes."
    with raises(ValueError, text):
        convert("t.jsonl", "t.parquet")
