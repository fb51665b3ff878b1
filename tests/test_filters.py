"""Filters of HDF5 and codecs of zarr: who has sent rows has them, and a worker too."""

import pickle
import sys
from dataclasses import dataclass

import h5py
import joblib
import numcodecs
import numpy as np
import pytest
import zarr
from helpers import raises
from processes import run_fresh
from zarr.abc.codec import BytesBytesCodec

from skmmap import open_rows

X = np.arange(40.0).reshape(20, 2)
FILTER = 300  # to 511 are for tests

# What hdf5plugin does when it is imported: here with a filter that flips all bits.
PLUGIN = f"""
import ctypes
import h5py
SIGNATURE = ctypes.CFUNCTYPE(
    ctypes.c_size_t, ctypes.c_uint, ctypes.c_size_t, ctypes.c_void_p, ctypes.c_size_t,
    ctypes.c_void_p, ctypes.POINTER(ctypes.POINTER(ctypes.c_ubyte)),
)
class Filter(ctypes.Structure):
    _fields_ = [
        ("version", ctypes.c_int), ("id", ctypes.c_int), ("encoder", ctypes.c_uint),
        ("decoder", ctypes.c_uint), ("name", ctypes.c_char_p),
        ("can_apply", ctypes.c_void_p), ("set_local", ctypes.c_void_p),
        ("filter", SIGNATURE),
    ]
@SIGNATURE
def flip(flags, n_values, values, nbytes, size, buffer):
    for i in range(nbytes):
        buffer[0][i] ^= 255
    return nbytes
known = Filter(1, {FILTER}, 1, 1, b"flip", None, None, flip)
h5py.h5z.register_filter(ctypes.addressof(known))
"""
WRITE = f"""
import pickle
import h5py, numpy as np
from skmmap import open_rows
import hdf5plugin
with h5py.File("x.h5", "w") as file:
    X = np.arange(40.0).reshape(20, 2)
    file.create_dataset("X", data=X, chunks=(5, 2), compression={FILTER})
h5py.h5pl.append(b"/where/plugins/are")
with open("rows.pickle", "wb") as file:
    pickle.dump(open_rows("x.h5"), file)
"""


def run(code, folder, plugins=""):
    """Run a fresh process in ``folder``, which can import what is in ``plugins``."""
    places = "import os, sys; os.chdir(sys.argv[1]); sys.path.insert(0, sys.argv[2])\n"
    process = run_fresh(places + code, folder, plugins)
    assert process.returncode == 0, process.stderr
    return process.stdout


@pytest.fixture
def filtered(tmp_path):
    """A file with a filter, the pickle of its rows, and a folder of the plugin."""
    plugins = tmp_path / "plugins"
    plugins.mkdir()
    (plugins / "hdf5plugin.py").write_text(PLUGIN)
    run(WRITE, tmp_path, plugins)
    return tmp_path


READ = """
import pickle
import numpy as np
with open("rows.pickle", "rb") as file:
    rows = pickle.load(file)
print(np.asarray(rows[3:5]).tolist(), np.asarray(rows[[19, 0]]).tolist())
"""


def test_a_worker_imports_what_the_sender_had(filtered):
    said = run(READ, filtered, filtered / "plugins")
    assert said.strip() == f"{X[3:5].tolist()} {X[[19, 0]].tolist()}"


def test_a_filter_is_imported_where_it_is_installed(filtered):
    code = "import numpy as np; from skmmap import open_rows\n"
    code += "print(np.asarray(open_rows('x.h5')).sum())"
    assert run(code, filtered, filtered / "plugins") == f"{X.sum()}\n"


def test_a_worker_looks_where_the_sender_looks(filtered):
    code = "import sys; sys.modules['hdf5plugin'] = None\n" + READ.replace(
        "print(", "try:\n    print("
    )
    code += "except OSError:\n    from skmmap.formats.groups.filters "
    code += "import list_plugin_paths\n"
    code += "    print(list_plugin_paths()[-1].decode())"
    assert run(code, filtered).strip() == "/where/plugins/are"


def test_a_filter_that_is_missing_is_named(filtered, monkeypatch):
    monkeypatch.setitem(sys.modules, "hdf5plugin", None)
    text = (
        "'x.h5:/X' is compressed with the filter flip (300), which HDF5 does not have "
        "here. Install what brings it: pip install hdf5plugin."
    )
    with raises(OSError, text):
        open_rows(filtered / "x.h5").read(0, 1)


def test_another_error_stays_what_it_is(tmp_path):
    path = tmp_path / "x.h5"
    with h5py.File(path, "w") as file:
        file.create_dataset("X", data=X, chunks=(5, 2), compression="gzip")
        offset = file["X"].id.get_chunk_info(0).byte_offset
    with path.open("r+b") as file:
        file.seek(offset)
        file.write(b"\xff" * 8)
    with pytest.raises(OSError, match="filter returned failure"):
        open_rows(path).read(0, 1)


# Codecs of zarr


class Flip(numcodecs.abc.Codec):
    """A codec for format 2 that somebody has registered."""

    codec_id = "tests.flip"

    def encode(self, buf):
        return (~np.frombuffer(buf, np.uint8)).tobytes()

    def decode(self, buf, out=None):
        return numcodecs.compat.ndarray_copy(~np.frombuffer(buf, np.uint8), out)


@dataclass(frozen=True)
class Flip3(BytesBytesCodec):
    """A codec for format 3 that somebody has registered."""

    is_fixed_size = True

    @classmethod
    def from_dict(cls, data):
        return cls()

    def to_dict(self):
        return {"name": "tests.flip3", "configuration": {}}

    async def _decode_single(self, chunk_bytes, chunk_spec):
        flipped = ~np.frombuffer(chunk_bytes.to_bytes(), np.uint8)
        return chunk_spec.prototype.buffer.from_bytes(flipped.tobytes())

    _encode_single = _decode_single

    def compute_encoded_size(self, input_byte_length, chunk_spec):
        return input_byte_length


@pytest.fixture
def registered():
    numcodecs.register_codec(Flip)
    zarr.registry.register_codec("tests.flip3", Flip3)
    yield
    forget()


def forget():
    """Forget the codecs, as a worker has never heard of them."""
    numcodecs.registry.codec_registry.pop("tests.flip", None)
    registries = vars(zarr.registry)["__codec_registries"]
    registries.pop("tests.flip3", None)


FORMATS = {
    2: {"zarr_format": 2, "compressors": Flip(), "filters": [numcodecs.Delta("f8")]},
    3: {"compressors": Flip3()},
    "shards": {"compressors": Flip3(), "shards": (10, 2)},
}


def write_zarr(path, how):
    array = zarr.create_array(
        path, shape=X.shape, chunks=(5, 2), dtype="f8", **FORMATS[how]
    )
    array[:] = X
    return path


@pytest.mark.usefixtures("registered")
@pytest.mark.parametrize("how", FORMATS)
def test_codecs_go_along_with_the_address(tmp_path, how):
    rows = open_rows(write_zarr(tmp_path / "x.zarr", how))
    sent = pickle.dumps(rows)
    forget()
    np.testing.assert_array_equal(np.asarray(pickle.loads(sent)), X)


@pytest.mark.usefixtures("registered")
@pytest.mark.parametrize(
    ("how", "name"),
    [(2, "tests.flip"), (3, "tests.flip3"), ("shards", "tests.flip3")],
)
def test_a_codec_that_is_missing_is_named(tmp_path, how, name):
    path = write_zarr(tmp_path / "x.zarr", how)
    forget()
    text = (
        f"'x.zarr' is stored with the codec {name!r}, which zarr does not have here. "
        "Import the package that registers it before the rows are opened."
    )
    with raises(ValueError, text):
        open_rows(path)


def test_no_codec_of_zarr_is_sent(tmp_path):
    stored = zarr.create_array(tmp_path / "x.zarr", shape=X.shape, dtype="f8")
    stored[:] = X
    rows = open_rows(stored)
    assert b"zarr.codecs" not in pickle.dumps(rows)
    assert joblib.hash(rows) == joblib.hash(open_rows(tmp_path / "x.zarr"))
