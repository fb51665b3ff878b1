"""Headers of ``.npy`` files: they become Rows, or a ValueError with the name."""

import io
import struct
import sys
import tracemalloc

import numpy as np
import pytest
from helpers import raises
from sklearn.naive_bayes import GaussianNB

from skmmap import ChunkedFit, NpyWriter, convert, open_rows
from skmmap.cli.info import describe
from skmmap.disk.npy_header import make_header, read_header

X = np.arange(12.0).reshape(6, 2)
FIELDS = "{'descr': '<f8', 'fortran_order': False, 'shape': (3, 2), }"


def npy(text=FIELDS, version=(1, 0), length=None, magic=b"\x93NUMPY"):
    text = text.encode("utf8") if isinstance(text, str) else text
    length = len(text) if length is None else length
    size = struct.pack("<H" if version[0] == 1 else "<I", length)
    return magic + bytes(version) + size + text + bytes(96)


def with_shape(shape):
    return FIELDS.replace("(3, 2)", shape)


def with_descr(descr):
    return FIELDS.replace("'<f8'", descr)


CUT = "the file ends 22 bytes before its header ends"
LITERALS = "it cannot be read as Python's literals"
NO_LITERALS = "it is not a few Python literals"
NO_TYPE = "'descr' is not a NumPy type: {}"
# What is in the file, and what is said of it.
ODD = {
    "cut": (npy(length=len(FIELDS) + 96 + 22), CUT),
    "4 GB": (
        npy(version=(2, 0), length=2**32 - 1),
        "it claims to have 4,294,967,295 bytes, and 262,144 are the most",
    ),
    "version 2.1": (
        npy(version=(2, 1)),
        "the version 2.1 is not one of NumPy's, which are 1.0, 2.0 and 3.0",
    ),
    "version 255.255": (
        npy(version=(255, 255)),
        "the version 255.255 is not one of NumPy's, which are 1.0, 2.0 and 3.0",
    ),
    "not UTF-8": (npy(b"{'\xff': 1}", (3, 0)), "it is not encoded in UTF-8"),
    "negative": (npy(with_shape("(-1,)")), "'shape' has a negative number: (-1,)"),
    "overflowing": (
        npy(with_shape("(9223372036854775808, 0)")),
        "'shape' is larger than any array: (9223372036854775808, 0) of float64",
    ),
    "overflowing with its items": (
        npy(with_shape("(0, 1152921504606846976)")),
        "'shape' is larger than any array: (0, 1152921504606846976) of float64",
    ),
    "a product that wraps to 0": (
        npy(with_shape("(4294967296, 4294967296)")),
        "'shape' is larger than any array: (4294967296, 4294967296) of float64",
    ),
    "rows of nothing": (
        npy(with_shape("(99999999999, 0)")),
        "'shape' claims 99,999,999,999 rows without values: (99999999999, 0)",
    ),
    "65 dimensions": (
        npy(with_shape("(" + "1," * 65 + ")")),
        "'shape' has 65 dimensions, and 64 are the most",
    ),
    "a bool in shape": (
        npy(with_shape("(True, 2)")),
        "'shape' must be a tuple of integers, and is (True, 2)",
    ),
    "a list as shape": (
        npy(with_shape("[3, 2]")),
        "'shape' must be a tuple of integers, and is [3, 2]",
    ),
    "a float in shape": (
        npy(with_shape("(3.0, 2)")),
        NO_LITERALS,
    ),
    "an order of 1": (
        npy(FIELDS.replace("False", "1")),
        "'fortran_order' must be True or False, and is 1",
    ),
    "no dictionary": (
        npy("(1, 2)"),
        "it must be a dictionary of 'descr', 'fortran_order' and 'shape', and is "
        "(1, 2)",
    ),
    "another key": (
        npy("{'descr': '<f8'}"),
        "it must be a dictionary of 'descr', 'fortran_order' and 'shape', and is "
        "{'descr': '<f8'}",
    ),
    "nothing": (npy(""), LITERALS),
    "an open bracket": (
        npy(FIELDS[:-1]),
        LITERALS,
    ),
    "an unhashable key": (npy("{[]: 1}"), LITERALS),
    "a number of 5,000 digits": (
        npy(with_shape("(" + "9" * 5000 + ",)")),
        LITERALS,
    ),
    "nested brackets": (
        npy("(" * 2**17, (2, 0)),
        NO_LITERALS,
    ),
    "a chain of signs": (
        npy("-" * 2**17, (2, 0)),
        NO_LITERALS,
    ),
    "a call": (npy("open('x')"), NO_LITERALS),
    "a type of its own": (npy(with_descr("'<x9'")), NO_TYPE.format("'<x9'")),
    "a number as type": (npy(with_descr("8")), NO_TYPE.format("8")),
    "a dictionary as type": (npy(with_descr("{1: 2}")), NO_TYPE.format("{1: 2}")),
    "a huge field": (
        npy(with_descr("[('a', '<f8', (2147483647,))]")),
        NO_TYPE.format("[('a', '<f8', (2147483647,))]"),
    ),
    "items of no bytes": (
        npy(with_descr("'|S0'")),
        "'descr' is a type of 0 bytes: '|S0'",
    ),
    "no fields": (npy(with_descr("[]")), "'descr' is a type of 0 bytes: []"),
    "items that are arrays": (
        npy(with_descr("('<f8', (3,))")),
        "'descr' is an array, and must be what items are of: ('<f8', (3,))",
    ),
}


@pytest.mark.parametrize(("content", "said"), ODD.values(), ids=ODD)
def test_an_odd_header_is_refused_with_the_name_of_the_file(content, said, tmp_path):
    path = tmp_path / "X.npy"
    path.write_bytes(content)
    text = f"source={str(path)!r} has no readable header: {said}. Write it again."
    tracemalloc.start()
    with raises(ValueError, text):
        open_rows(path)
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert most < 2**22  # nothing of a size that is claimed


def test_a_type_that_is_huge_allocates_nothing(tmp_path):
    path = tmp_path / "X.npy"
    path.write_bytes(npy(with_descr("'<U536870911'")))
    tracemalloc.start()
    with pytest.raises(ValueError, match="is truncated"):
        open_rows(path)
    assert tracemalloc.get_traced_memory()[1] < 2**20
    tracemalloc.stop()


BEYOND_NUMPY = {
    "rows of nothing",
    "a bool in shape",
    "items of no bytes",
    "no fields",
    "items that are arrays",
}


@pytest.mark.parametrize("kind", sorted(ODD.keys() - BEYOND_NUMPY))
def test_numpy_refuses_it_too(kind, tmp_path):
    path = tmp_path / "X.npy"
    path.write_bytes(ODD[kind][0])
    with pytest.raises(Exception):  # noqa: B017, PT011 - of many kinds
        np.load(path, mmap_mode="r")


def _resume_out(path):
    """A run that was killed has left this file under its hidden name."""
    model = ChunkedFit(GaussianNB(), chunk_size=3).fit(X, np.arange(6) % 2)
    np.save("rows.npy", X)
    left = []
    real = os_replace_to(left)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("skmmap.disk.unfinished.os.replace", real)
        with pytest.raises(KeyboardInterrupt):
            model.predict("rows.npy", out="p.npy", resume=True)
    (hidden,) = left
    hidden.write_bytes(path.read_bytes())
    np.testing.assert_array_equal(
        model.predict("rows.npy", out="p.npy", resume=True), model.predict(X)
    )
    raise ValueError(f"{path} was not believed")


def os_replace_to(left):
    def replace(hidden, place):
        left.append(hidden)
        raise KeyboardInterrupt

    return replace


def _csr(part):
    def open_part(path):
        folder = path.with_name("csr")
        folder.mkdir()
        np.save(folder / "data.npy", np.ones(2))
        np.save(folder / "indices.npy", np.zeros(2, np.int32))
        np.save(folder / "indptr.npy", np.arange(3))
        np.save(folder / "shape.npy", np.array([2, 3]))
        (folder / f"{part}.npy").write_bytes(path.read_bytes())
        open_rows(folder)

    return open_part


DOORS = {
    "open_rows": open_rows,
    "mode": lambda path: open_rows(path, mode="r+"),
    "shards": lambda path: open_rows([path, path]),
    "pattern": lambda path: open_rows(path.with_name("*.npy")),
    "X": lambda path: ChunkedFit(GaussianNB()).fit(path, np.arange(6) % 2),
    "y": lambda path: ChunkedFit(GaussianNB()).fit(X, path),
    "explain": lambda path: ChunkedFit(GaussianNB()).explain(path, np.arange(6)),
    "NpyWriter": lambda path: NpyWriter(path, append=True),
    "convert": lambda path: convert(path, path.with_name("new.npy")),
    "info": describe,
    "data": _csr("data"),
    "indices": _csr("indices"),
    "indptr": _csr("indptr"),
    "shape": _csr("shape"),
    "out": _resume_out,
}


@pytest.mark.parametrize("kind", ["cut", "overflowing", "nested brackets"])
@pytest.mark.parametrize("door", DOORS)
def test_no_door_believes_a_header(door, kind, empty_folder):
    path = empty_folder / "X.npy"
    path.write_bytes(ODD[kind][0])
    with pytest.raises(ValueError, match=r"\.npy"):
        DOORS[door](path)
    assert not list(empty_folder.glob(".skmmap*"))


def _damage(content: bytes, rng) -> bytes:
    """Return a file with some bytes changed, left out, or put between."""
    data, n_header = bytearray(content), content.index(b"\n") + 1
    for _ in range(rng.integers(1, 4)):
        where, kind = int(rng.integers(0, n_header)), rng.integers(0, 8)
        if kind == 0:
            data[where : where + 1] = rng.bytes(1)
        elif kind > 4:  # which may say something else that is sound
            digits = [i for i, byte in enumerate(data[:n_header]) if 48 <= byte < 58]
            if digits:
                data[digits[rng.integers(len(digits))]] = 48 + int(rng.integers(10))
        elif kind == 1:
            del data[where : where + int(rng.integers(1, 20))]
        elif kind == 2:
            data[where:where] = rng.bytes(int(rng.integers(1, 20)))
        elif kind == 3:
            tokens = [
                b"9" * 20,
                b"(",
                b"]",
                b"-",
                b"'",
                b"True",
                b"0",
                b",",
                b"O",
                b"V",
            ]
            data[where : where + 1] = tokens[rng.integers(len(tokens))]
        else:
            del data[int(rng.integers(0, len(data) + 1)) :]
    return bytes(data)


def _valid(version) -> bytes:
    fields = np.dtype([("a", "<f4"), ("né" if version < (3, 0) else "名", "<i8", 2)])
    dtype = np.dtype("<f8") if version == (1, 0) else fields
    file = io.BytesIO()
    np.lib.format.write_array(file, np.zeros((3, 2), dtype), version)
    return file.getvalue()


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::SyntaxWarning")
@pytest.mark.parametrize("version", [(1, 0), (2, 0), (3, 0)])
def test_damaged_headers_are_rows_or_a_value_error(version, tmp_path):
    rng, content = np.random.default_rng(list(version)), _valid(version)
    path, n_taken, n_refused = tmp_path / "X.npy", 0, 0
    for number in range(500):
        damaged = _damage(content, rng)
        path.write_bytes(damaged)
        try:
            rows = open_rows(path)
        except ValueError as error:
            assert str(path) in str(error), number  # noqa: PT017
            n_refused += 1
        else:
            rows.read(0, 1)
            assert rows.nbytes <= len(damaged)
            n_taken += 1
    assert n_refused > 100
    assert n_taken > 10


@pytest.mark.parametrize("version", [(1, 0), (2, 0), (3, 0)])
def test_a_header_is_what_numpy_reads_from_it(version):
    content = _valid(version)
    header = read_header(io.BytesIO(content), "X")
    assert header.dtype.itemsize == (8 if version == (1, 0) else 20)
    assert header.shape == (3, 2)
    assert header.end == len(content)
    if version == (3, 0):
        assert header.dtype.names == ("a", "名")


def test_sizes_that_are_possible_are_taken():
    file = io.BytesIO(npy(with_shape(f"(0, {sys.maxsize // 8})")))
    assert read_header(file, "X").shape == (0, sys.maxsize // 8)


def test_a_header_of_python_2_is_read():
    content = npy(with_descr("[('1L,', '<f8')]").replace("(3, 2)", "(3L, 2L)"))
    header = read_header(io.BytesIO(content), "X")
    assert header.shape == (3, 2)


@pytest.mark.parametrize("shape", [(3,), (3, 2), (1, 2, 3), (0, 5)])
@pytest.mark.parametrize("order", ["C", "F"])
def test_the_header_that_is_made_is_that_of_numpy(shape, order, tmp_path):
    np.lib.format.open_memmap(
        tmp_path / "X.npy", "w+", "<f4", shape, fortran_order=order == "F"
    )
    made = make_header(np.dtype("<f4"), shape, order)
    assert (tmp_path / "X.npy").read_bytes()[: len(made)] == made
