"""The header of ``.npy`` files, checked before anything in it is used.

It is read up to a limit, and only literals of a few levels reach Python's parser.
"""

import ast
import io
import re
import reprlib
import sys
from contextlib import suppress
from typing import NamedTuple

import numpy as np

MAGIC = b"\x93NUMPY"
# NumPy's versions: bytes of the length field, and encoding of the text.
_VERSIONS = {(1, 0): (2, "latin1"), (2, 0): (4, "latin1"), (3, 0): (4, "utf8")}
_MAX_HEADER = 2**18  # types with many fields; NumPy's default limit is 10,000 bytes
_MAX_DIMENSIONS = 64  # of NumPy 2
_MAX_DEPTH = 32  # of brackets: types of fields that have fields
_MAX_EMPTY = 2**32  # rows without values, whose number no file size confirms

_STRING = r"""[ub]?(?:'(?:[^'\\\n]|\\.)*+'|"(?:[^"\\\n]|\\.)*+")"""
_NUMBER = r"-?\d++L?"  # of Python 2, which wrote (3L, 2L)
_LITERAL = rf"(?a:{_STRING}|{_NUMBER}|True|False|None|[\s()\[\]{{}},:])*+"
_LONG = r"(?<![\w'\"])(\d+)L(?=[,)])"

_BEFORE_SHAPE = b"'fortran_order': False, 'shape': ("


class Header(NamedTuple):
    """Shape, order and type in a header; the rows begin at byte ``n_bytes``."""

    shape: tuple
    order: str
    dtype: np.dtype
    n_bytes: int

    @property
    def end(self) -> int:
        """The byte at which the rows end."""
        n_values = 1
        for n in self.shape:
            n_values *= n
        return self.n_bytes + n_values * self.dtype.itemsize


def read_header(file, named: str) -> Header:
    """Return the header of an open ``.npy`` file; ValueError for an invalid one.

    ``named`` is what messages call the file.
    """
    try:
        text, version, n_bytes = _read_text(file)
        shape, is_fortran, descr = _parse(text, version)
        dtype = _check_dtype(descr)
        _check_shape(shape, dtype)
    except ValueError as error:
        raise ValueError(
            f"{named} has no readable header: {error}. Write it again."
        ) from error
    return Header(shape, "F" if is_fortran else "C", dtype, n_bytes)


def _read_text(file) -> tuple:
    """Return the text of the header, its version, and where it ends."""
    begin = _read(file, len(MAGIC) + 2)
    if not begin.startswith(MAGIC):
        raise ValueError("it does not begin as .npy files do")
    version = tuple(begin[len(MAGIC) :])
    if version not in _VERSIONS:
        raise ValueError(
            f"the version {'.'.join(map(str, version))} is not one of NumPy's, which "
            "are 1.0, 2.0 and 3.0"
        )
    width, encoding = _VERSIONS[version]
    length = int.from_bytes(_read(file, width), "little")
    if length > _MAX_HEADER:
        raise ValueError(
            f"it claims to have {length:,} bytes, and {_MAX_HEADER:,} are the most"
        )
    text = _read(file, length)
    try:
        return text.decode(encoding), version, len(MAGIC) + 2 + width + length
    except UnicodeDecodeError:
        raise ValueError("it is not encoded in UTF-8") from None


def _read(file, n_bytes: int) -> bytes:
    read = file.read(n_bytes)
    if len(read) < n_bytes:
        n_missing = n_bytes - len(read)
        raise ValueError(f"the file ends {n_missing:,} bytes before its header ends")
    return read


def _parse(text: str, version: tuple) -> tuple:
    """Return shape, whether the order is Fortran's, and the description of the type."""
    fields = _evaluate(text, version)
    if not isinstance(fields, dict) or set(fields) != {
        "descr",
        "fortran_order",
        "shape",
    }:
        raise ValueError(
            "it must be a dictionary of 'descr', 'fortran_order' and 'shape', and is "
            f"{reprlib.repr(fields)}"
        )
    shape, is_fortran = fields["shape"], fields["fortran_order"]
    if not isinstance(is_fortran, bool):
        raise ValueError(
            f"'fortran_order' must be True or False, and is {reprlib.repr(is_fortran)}"
        )
    if not isinstance(shape, tuple) or not all(type(n) is int for n in shape):
        raise ValueError(
            f"'shape' must be a tuple of integers, and is {reprlib.repr(shape)}"
        )
    return shape, is_fortran, fields["descr"]


def _evaluate(text: str, version: tuple):
    """Return the value of the literals in the text."""
    if not re.fullmatch(_LITERAL, text) or _find_depth(text) > _MAX_DEPTH:
        raise ValueError("it is not a few Python literals")
    if version != (3, 0):
        text = re.sub(_LONG, r"\1", text)
    try:
        return ast.literal_eval(text.strip())
    except (SyntaxError, TypeError, ValueError, MemoryError, RecursionError):
        # Of a number that is too long, an unhashable key, or brackets that do not fit.
        raise ValueError("it cannot be read as Python's literals") from None


def _find_depth(text: str) -> int:
    """Return how deep brackets are nested, as far as it is not too deep."""
    depth = deepest = 0
    for bracket in re.findall(r"[(\[{}\])]", re.sub(_STRING, "", text)):
        depth += 1 if bracket in "([{" else -1
        deepest = max(deepest, depth)
        if deepest > _MAX_DEPTH:
            break
    return deepest


def _check_dtype(descr) -> np.dtype:
    """Return the type of the items, which must have a size."""
    said = reprlib.repr(descr)
    try:
        dtype = np.lib.format.descr_to_dtype(descr)
    except Exception as error:  # of which NumPy raises many kinds here
        raise ValueError(f"'descr' is not a NumPy type: {said}") from error
    if dtype.hasobject:  # refused later, with its own message
        return dtype
    if not dtype.itemsize:
        raise ValueError(f"'descr' is a type of 0 bytes: {said}")
    if dtype.subdtype is not None:
        raise ValueError(f"'descr' is an array, and must be what items are of: {said}")
    return dtype


def _check_shape(shape: tuple, dtype: np.dtype) -> None:
    """Raise for a shape that no array of NumPy has."""
    said = reprlib.repr(shape)
    if len(shape) > _MAX_DIMENSIONS:
        raise ValueError(
            f"'shape' has {len(shape):,} dimensions, and {_MAX_DIMENSIONS} are the most"
        )
    if any(n < 0 for n in shape):
        raise ValueError(f"'shape' has a negative number: {said}")
    n_bytes = dtype.itemsize
    for n in shape:
        n_bytes *= max(1, n)  # as NumPy counts them
    if n_bytes > sys.maxsize:
        raise ValueError(f"'shape' is larger than any array: {said} of {dtype}")
    if 0 in shape[1:] and shape[0] > _MAX_EMPTY:
        raise ValueError(f"'shape' claims {shape[0]:,} rows without values: {said}")


def make_header(dtype: np.dtype, shape: tuple, order: str = "C") -> bytes:
    """Return the header that ``np.save`` writes, of one length for all row counts."""
    empty = np.empty((0, *shape[1:]), dtype)
    for version in _VERSIONS:
        header = io.BytesIO()
        # Too long for version 1, or a field whose name is not Latin.
        with suppress(ValueError):
            np.lib.format.write_array(header, empty, version, allow_pickle=False)
            break
    # NumPy leaves blanks before the end for a number of rows of up to 21 digits.
    before, key, after = header.getvalue().rpartition(_BEFORE_SHAPE)
    digits = b"%d" % shape[0]
    if order == "F":  # a blank more, which is a letter less
        key, after = key.replace(b"False", b"True"), after[:-1] + b" \n"
    return before + key + digits + after[1 : -len(digits)] + b"\n"
