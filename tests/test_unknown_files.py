"""Files of no format that can be opened: the message says what they look like."""

import gzip
import pickle
import re
import zipfile

import numpy as np
import pytest
import zarr
from helpers import raises
from sklearn.feature_extraction.text import HashingVectorizer
from sklearn.naive_bayes import GaussianNB
from sklearn.preprocessing import StandardScaler

import skmmap
from skmmap import ChunkedFit, open_rows
from skmmap.formats.shared.unknown_files import say_unknown

X = np.arange(12.0).reshape(4, 3)
FORMATS = (
    "; supported are .npy, HDF5, zarr, Parquet, Arrow, ORC, safetensors, FITS, NIfTI "
    "and PLINK files, and raw binary with dtype and shape. "
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
    content = b"a,name,b,y\n1,x,2.5,yes\n"
    content = content.replace(b",", b"\t") if name == "t.tsv" else content
    write(name, gzip.compress(content) if name.endswith("gz") else content)
    text = (
        "{}={!r} is CSV, which must be parsed first: skmmap.convert({}, {}, "
        "columns={}).{} Its columns are 'a', 'name', 'b', 'y'."
    )
    table = (
        f' With text as well, for rows of data frames: skmmap.convert("{name}", '
        '"t.parquet").'
    )
    quoted, of_X = f'"{name}"', ('"X.npy"', '["a", "b"]', table)
    of_y = '"y.npy"', '"y"', ""
    with raises(ValueError, text.format("source", name, quoted, *of_X)):
        open_rows(name)
    with raises(ValueError, text.format("source", name, quoted, *of_X)):
        open_rows(name, columns=["a"])
    with raises(ValueError, text.format("y", name, quoted, *of_y)):
        ChunkedFit(GaussianNB()).fit(X, name)
    scaler = ChunkedFit(StandardScaler())
    for door in (scaler.fit, scaler.partial_fit, scaler.explain):
        with raises(ValueError, text.format("X", name, quoted, *of_X)):
            door(name)
    scaler.fit(X)
    for rows in (name, [name, name], ["X.npy", name]):
        np.save("X.npy", X)
        with raises(ValueError, text.format("X", name, quoted, *of_X)):
            scaler.transform(rows)
    bayes = ChunkedFit(GaussianNB()).fit(X, [0, 1, 0, 1])
    with raises(ValueError, text.format("y", name, quoted, *of_y)):
        bayes.score(X, name)
    weights = '"sample_weight.npy"', '"y"', ""
    with raises(ValueError, text.format("sample_weight", name, quoted, *weights)):
        bayes.fit(X, [0, 1, 0, 1], sample_weight=name)


def test_the_call_for_csv_is_good():
    write("t.csv", b"a,name,b\n1,x,2\n3,y,4\n")
    with pytest.raises(ValueError, match="is CSV") as caught:
        open_rows("t.csv")
    first, second = re.findall(r"skmmap\.(convert\(.*?\))\.", str(caught.value))
    rows = eval(first, {"convert": skmmap.convert})
    assert np.asarray(rows).tolist() == [[1, 2], [3, 4]]
    rows = eval(second, {"convert": skmmap.convert})
    assert rows.read().to_numpy().tolist() == [[1, "x", 2], [3, "y", 4]]


@pytest.mark.parametrize(
    ("name", "content", "separated", "line"),
    [
        ("t.csv", b"5,2\n3,4\n", "commas", "5,2"),
        ("t.csv", b"a;b\n", "commas", "a;b"),
        ("t.tsv", b"", "tabs", ""),
    ],
)
def test_csv_without_names(name, content, separated, line):
    text = (
        f"source={name!r} is CSV, which must be parsed first: skmmap.convert("
        f'"{name}", "X.npy"). Its first line must name the columns, separated by '
        f"{separated}; it is {line!r}."
    )
    with raises(ValueError, text):
        open_rows(write(name, content))


def test_csv_of_many_columns():
    names = [f"c{number}" for number in range(1_200)]
    lines = ",".join(names), ",".join("1" for _ in names)
    listed = ", ".join(f'"{name}"' for name in names[:10])
    text = (
        "source='t.csv' is CSV, which must be parsed first: skmmap.convert("
        f'"t.csv", "X.npy", columns=[{listed}, …]). Its columns are '
        f"{', '.join(map(repr, names[:10]))} and 1,190 more."
    )
    with raises(ValueError, text):
        open_rows(write("t.csv", "\n".join(lines).encode()))


def test_texts_that_are_no_files_stay_texts():
    words = ChunkedFit(HashingVectorizer(n_features=4)).fit(["a.csv", "b.csv"])
    assert words.transform(["a.csv", "b.csv"]).shape == (2, 4)


LOOKS = {
    "t.jsonl": (
        b'{"a": 1}\n{"a": 2}\n',
        "JSON",
        'Convert it: skmmap.convert("t.jsonl", "t.parquet").',
    ),
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
