"""Files of no format that can be opened: the message says what they look like."""

import gzip
import pickle
import zipfile

import numpy as np
import pytest
import zarr
from helpers import raises
from sklearn.naive_bayes import GaussianNB
from sklearn.preprocessing import StandardScaler

from skmmap import ChunkedFit, open_rows
from skmmap.formats.files.unknown_files import say_unknown

X = np.arange(12.0).reshape(4, 3)
FORMATS = (
    "; supported are .npy, HDF5, zarr, Parquet and Arrow files, and raw binary with "
    "dtype and shape. "
)
ROWS = 'Read it row by row: skmmap.convert(rows, "X.npy") takes a generator of rows.'
SAVE = "Load it, and save the array once with np.save(path, array)."


@pytest.fixture(autouse=True)
def folder(empty_folder):
    return empty_folder


def write(name, content):
    with open(name, "wb") as file:
        file.write(content)
    return name


@pytest.mark.parametrize("name", ["t.csv", "t.CSV.gz", "t.tsv"])
def test_csv_is_converted(name):
    content = b"a,b\n1,2\n"
    write(name, gzip.compress(content) if name.endswith("gz") else content)
    line = "" if name.endswith("gz") else ". Its first line is 'a,b'"
    text = (
        "{}={!r} is CSV, which must be parsed first: skmmap.convert({}, {}, "
        "columns={})" + line + "."
    )
    with raises(ValueError, text.format("source", name, f'"{name}"', '"X.npy"', "[…]")):
        open_rows(name)
    with raises(ValueError, text.format("X", name, f'"{name}"', '"X.npy"', "[…]")):
        ChunkedFit(StandardScaler()).fit(name)
    with raises(ValueError, text.format("y", name, f'"{name}"', '"y.npy"', '"…"')):
        ChunkedFit(GaussianNB()).fit(X, name)


LOOKS = {
    "t.jsonl": (b'{"a": 1}\n{"a": 2}\n', "JSON", ROWS),
    "t.dat": (b'{"a": 1}\n', "JSON", ROWS),
    "t.json": (b"[1, 2]", "JSON", ROWS),
    "t.txt": ("größer\n".encode() * 999, "text", ROWS),
    "u.txt": (
        b"1,2\n",
        "text with commas",
        "If it is CSV, name it .csv, for skmmap.convert.",
    ),
    "raw.bin": (
        X.tobytes(),
        "binary data",
        "If it is raw, open_rows(path, dtype=..., shape=...).",
    ),
    "empty": (b"", "an empty file", "Write it again."),
    "text.npy": (b"1,2", "text", SAVE),
    "binary.npy": (X.tobytes(), "binary data", SAVE),
    "X.pkl": (pickle.dumps(X), "a pickle, which is never loaded", SAVE),
    "X.npy.gz": (gzip.compress(b"1"), "a file packed by gzip", "Unpack it first."),
    "bad.npz": (b"PK\3\4...", "a damaged zip archive", "Write it again."),
}


@pytest.mark.parametrize("name", LOOKS)
def test_what_a_file_looks_like(name):
    content, looks, todo = LOOKS[name]
    text = f"source={name!r} looks like {looks}{FORMATS}{todo}"
    with raises(ValueError, text):
        open_rows(write(name, content))


@pytest.mark.parametrize(
    ("inside", "looks", "todo"),
    [
        ("xl/workbook.xml", "an Excel workbook", ROWS),
        ("archive/data.pkl", "a file of PyTorch", SAVE),
        ("X.csv", "a zip archive", "Unpack it first."),
    ],
)
def test_zip_archives(inside, looks, todo):
    with zipfile.ZipFile("X.zip", "w") as archive:
        archive.writestr(inside, "text")
    with raises(ValueError, f"source='X.zip' looks like {looks}{FORMATS}{todo}"):
        open_rows("X.zip")


def test_the_advice_for_zarr_in_a_zip_archive_is_good():
    with zarr.storage.ZipStore("X.zip", mode="w") as store:
        zarr.create_array(store, data=X)
    text = (
        f"source='X.zip' looks like a zarr store in a zip archive{FORMATS}Give what "
        'zarr.open(zarr.storage.ZipStore(path, mode="r")) returns, or an array in that.'
    )
    with raises(ValueError, text):
        open_rows("X.zip")
    rows = open_rows(zarr.open(zarr.storage.ZipStore("X.zip", mode="r")))
    assert np.array_equal(np.asarray(rows), X)


def test_a_sample_may_end_within_a_character(folder):
    for begin in ("", "a", "ab"):
        first = (begin + "€" * 99).encode()[:100]
        assert "looks like text" in say_unknown(folder / "t", first, "source")
