"""Files of safetensors, against what the library writes and reads."""

import json
import os
import struct

import numpy as np
import pytest
from helpers import raises
from sklearn.linear_model import SGDClassifier

from skmmap import ChunkedFit, open_rows
from skmmap.formats.files import safetensors
from skmmap.formats.files.safetensors import list_arrays

RNG = np.random.default_rng(0)
TYPES = [*"?BbHheIifQqdF"]


def write(path, arrays, metadata=None):
    from safetensors.numpy import save_file

    save_file(arrays, path, metadata)
    return path


def write_parts(path, header, data=b""):
    """Write a file whose header may not be true."""
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + data)
    return path


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("shape", [(5,), (5, 3), (5, 2, 3), (1, 4), (0, 3), (5, 0)])
def test_every_type_and_shape(tmp_path, dtype, shape):
    from safetensors.numpy import load_file

    X = RNG.integers(0, 2, shape).astype(dtype)
    path = write(tmp_path / "X.safetensors", {"X": X, "b": np.ones(3, "u1")})
    rows = open_rows(path, key="X")
    assert (rows.shape, rows.dtype) == (shape, X.dtype)
    expected = load_file(path)["X"]
    np.testing.assert_array_equal(rows[:], expected)
    np.testing.assert_array_equal(rows[1:4], expected[1:4])


def test_the_only_array_needs_no_key(tmp_path):
    X = RNG.normal(size=(7, 2))
    path = write(tmp_path / "X.safetensors", {"X": X}, {"made by": "a test"})
    np.testing.assert_array_equal(open_rows(path)[2:5], X[2:5])
    assert repr(open_rows(path)).startswith("<Rows: 7 x 2 float64 of X.safetensors:X")


def test_a_fit_is_that_of_the_array(tmp_path):
    X, y = RNG.normal(size=(300, 4)).astype("f4"), RNG.integers(0, 2, 300)
    path = write(tmp_path / "data.safetensors", {"X": X, "y": y, "other": X[:5]})
    model = ChunkedFit(SGDClassifier(random_state=0), chunk_size=32)
    expected = model.fit(X, y).coef_
    found = model.fit(open_rows(path, key="X"), open_rows(path, key="y")).coef_
    np.testing.assert_array_equal(found, expected)
    two = model.set_params(n_jobs=2).predict(open_rows(path, key="X"))
    np.testing.assert_array_equal(two, model.set_params(n_jobs=None).predict(X))


def test_shards(tmp_path):
    X = RNG.normal(size=(9, 2))
    for i in range(3):
        part = {"X": X[3 * i : 3 * i + 3], "n": np.ones(1)}
        write(tmp_path / f"part-{i}.safetensors", part)
    rows = open_rows(tmp_path / "part-*.safetensors", key="X")
    np.testing.assert_array_equal(rows[2:8], X[2:8])


def test_what_is_in_it(tmp_path):
    path = write(tmp_path / "X", {"b": np.ones((2, 3), "f4"), "a": np.ones(4, "i2")})
    assert [tuple(info)[:3] for info in list_arrays(path)] == [
        ("a", (4,), np.dtype("i2")),
        ("b", (2, 3), np.dtype("f4")),
    ]
    with raises(
        ValueError,
        "'X' holds 2 tensors; name one, open_rows(..., key='a'): a (4), b (2 x 3).",
    ):
        open_rows(path)
    with raises(ValueError, "'X' has no tensor 'c'; it holds a (4), b (2 x 3)."):
        open_rows(path, key="c")


def test_types_that_numpy_does_not_have(tmp_path):
    entry = {"dtype": "BF16", "shape": [2, 2], "data_offsets": [0, 8]}
    path = write_parts(tmp_path / "X.safetensors", {"X": entry}, bytes(8))
    assert list_arrays(path)[0].dtype == "BF16"
    with raises(
        ValueError,
        f"source={str(path)!r}: 'X' is of type BF16, which NumPy does not have. Save "
        "it once as float32, for example tensor.to(torch.float32).",
    ):
        open_rows(path)


def test_a_single_value_has_no_rows(tmp_path):
    path = write(tmp_path / "X.safetensors", {"X": np.array(1.0)})
    with raises(
        ValueError,
        f"source={str(path)!r}: 'X' is a single value, which has no rows.",
    ):
        open_rows(path)


def entry(begin, end, shape=(2,), dtype="F32"):
    return {"dtype": dtype, "shape": list(shape), "data_offsets": [begin, end]}


DAMAGED = {
    "a gap": ({"a": entry(0, 8), "b": entry(12, 20)}, 20, "without gaps"),
    "an overlap": ({"a": entry(0, 8), "b": entry(4, 12)}, 12, "without gaps"),
    "bytes at the end": ({"a": entry(0, 8)}, 9, "8 bytes of arrays"),
    "too few bytes": ({"a": entry(0, 8)}, 7, "and 7 follow"),
    "another size": ({"a": entry(0, 8, (3,))}, 8, r"shape \[3\] of float32"),
    "a shape below zero": ({"a": entry(0, 8, (-2, -1))}, 8, "not integers"),
    "a float": ({"a": entry(0, 8.0)}, 8, "not integers"),
    "no shape": ({"a": {"dtype": "F32", "data_offsets": [0, 8]}}, 8, "'shape'"),
    "no entry": ({"a": 3}, 0, "damaged header"),
    "no name of a type": ({"a": entry(0, 8, dtype=["F32"])}, 8, "'F32'] is no name"),
    "no object": (b"[1, 2]  ", 0, "damaged header"),
    "no JSON": (b'{"a": ', 0, "damaged header"),
    "too deep": (b'{"a": ' + b"[" * 100_000, 0, "damaged header: .*recursion"),
}


@pytest.mark.parametrize("kind", DAMAGED)
def test_damaged_files(tmp_path, kind):
    header, n_bytes, text = DAMAGED[kind]
    path = write_parts(tmp_path / "X.safetensors", header, bytes(n_bytes))
    with pytest.raises(ValueError, match=text) as caught:
        open_rows(path)
    assert str(caught.value).startswith(f"source={str(path)!r}")
    assert str(caught.value).endswith("Write it again.")


@pytest.mark.parametrize("n_bytes", [0, 5, 8, 20])
def test_a_file_that_ends_in_its_header(tmp_path, n_bytes):
    path = write(tmp_path / "X.safetensors", {"X": np.ones((3, 2))})
    os.truncate(path, n_bytes)
    with pytest.raises(ValueError, match="is no safetensors file, or truncated"):
        open_rows(path)


def test_a_header_that_is_too_large(tmp_path, monkeypatch):
    path = write(tmp_path / "X.safetensors", {"X": np.ones((3, 2))})
    monkeypatch.setattr(safetensors, "_MOST_NBYTES", 20)
    with pytest.raises(ValueError, match="is no safetensors file, or truncated"):
        open_rows(path)
    assert safetensors.is_mine(path, struct.pack("<Q", 20) + b'{"a"')
    assert not safetensors.is_mine(path, struct.pack("<Q", 21) + b'{"a"')


def test_another_header_in_the_same_file(tmp_path):
    """Values may change between runs, but not the place of the array."""
    path, places = tmp_path / "X.safetensors", [(0, 24), (24, 48)]
    header = {n: entry(*place, (3, 2)) for n, place in zip("XY", places, strict=True)}
    data = np.arange(12, dtype="f4")
    rows = open_rows(write_parts(path, header, data.tobytes()), key="X")
    write_parts(path, header, (-data).tobytes())
    np.testing.assert_array_equal(rows[:], -data[:6].reshape(3, 2))
    other = {n: entry(*place, (3, 2)) for n, place in zip("YX", places, strict=True)}
    write_parts(path, other, data.tobytes())
    with pytest.raises(ValueError, match=r"another shape or type\. Open it again"):
        rows[:2].copy()
