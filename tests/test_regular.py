"""Only regular files are opened: pipes, sockets and devices are an error at once."""

import os
import pickle
import shutil
import socket
import threading

import numpy as np
import pytest
from helpers import raises
from sklearn.naive_bayes import GaussianNB

from skmmap import ChunkedFit, NpyWriter, convert, open_rows, save_rows
from skmmap.cli.info import describe
from skmmap.disk.regular import open_regular
from skmmap.formats.shared.map_store import MapStore

pytestmark = pytest.mark.skipif(
    not hasattr(os, "mkfifo"), reason="Windows has no pipes with a name in a folder"
)
X, y = np.arange(12.0).reshape(6, 2), np.arange(6) % 2
TEXT = (
    "is {}; only regular files are read and written. Write what comes from it to a "
    "file, and give that."
)
KINDS = {"pipe": "a named pipe", "link to one": "a named pipe", "socket": "a socket"}


def make(kind: str, path) -> None:
    if kind == "socket":
        with socket.socket(socket.AF_UNIX) as made:
            made.bind(os.path.relpath(path))  # of a long path there can be none
    elif kind == "link to one":
        os.mkfifo(path.with_name("a_pipe"))
        path.symlink_to(path.with_name("a_pipe"))
    else:
        os.mkfifo(path)


@pytest.fixture
def in_time():
    """End the waiting of whoever opens a pipe, so that the test fails."""
    opened, helpers = threading.Event(), []

    def help_out(folder):
        if not opened.wait(20):
            for path in folder.rglob("*"):
                if path.is_fifo():
                    os.close(os.open(path, os.O_RDWR | os.O_NONBLOCK))

    def start(folder):
        helpers.append(threading.Thread(target=help_out, args=(folder,), daemon=True))
        helpers[-1].start()

    yield start
    opened.set()
    for helper in helpers:
        helper.join()


def model():
    return ChunkedFit(GaussianNB(), chunk_size=3)


def in_folder(name, use=open_rows):
    """Put the file into a folder of others, under this name."""

    def open_part(path):
        folder = path.parent / "folder"
        folder.mkdir()
        for part, array in (
            ("data", np.ones(2)),
            ("indices", np.zeros(2, np.int32)),
            ("indptr", np.arange(3)),
            ("shape", np.array([2, 3])),
        ):
            np.save(folder / f"{part}.npy", array)
        (folder / name).unlink(missing_ok=True)
        os.rename(path, folder / name)
        use(folder)

    return open_part


IN = {
    "open_rows": ("X.npy", open_rows),
    "r+": ("X.npy", lambda path: open_rows(path, mode="r+")),
    "raw": ("X.bin", lambda path: open_rows(path, dtype=float, shape=(-1, 2))),
    "shards": ("X.npy", lambda path: open_rows([path])),
    "pattern": ("X.npy", lambda path: open_rows(path.with_name("X*.npy"))),
    "X": ("X.npy", lambda path: model().fit(path, y)),
    "y": ("y.npy", lambda path: model().fit(X, path)),
    "explain": ("X.npy", lambda path: model().explain(path, y)),
    "predict": ("X.npy", lambda path: model().fit(X, y).predict(path)),
    "convert": ("X.npy", lambda path: convert(path, path.with_name("new.npy"))),
    "CSV": ("X.csv", lambda path: convert(path, path.with_name("new.npy"))),
    "CSV.gz": ("X.csv.gz", lambda path: convert(path, path.with_name("new.npy"))),
    "info": ("X.npy", describe),
    "info of HDF5": ("X.h5", describe),
    "HDF5": ("X.h5", open_rows),
    "Parquet": ("X.parquet", open_rows),
    "Arrow": ("X.arrow", open_rows),
    "resume": ("X.npy", lambda path: NpyWriter(path, append=True)),
    "data": ("X.npy", in_folder("data.npy")),
    "indices": ("X.npy", in_folder("indices.npy")),
    "shape": ("X.npy", in_folder("shape.npy")),
}
OUT = {
    "out": ("p.npy", lambda path: model().fit(X, y).predict(X, out=path)),
    "NpyWriter": ("p.npy", NpyWriter),
    "save_rows": ("p.npy", lambda path: save_rows(path, [X])),
    "convert": ("p.npy", lambda path: convert(X, path)),
    "samples": ("p.npy", lambda path: convert(iter(X), path)),
    "w+": ("p.npy", lambda path: open_rows(path, mode="w+", dtype=float, shape=(3,))),
    "w+ raw": (
        "p.bin",
        lambda path: open_rows(path, mode="w+", dtype=float, shape=(3,)),
    ),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("name", "use"), [*IN.values(), *OUT.values()])
def test_no_door_opens_it(name, use, kind, empty_folder, in_time):
    in_time(empty_folder)
    make(kind, empty_folder / name)
    with pytest.raises(ValueError, match=TEXT.format(KINDS[kind])):
        use(empty_folder / name)
    assert not list(empty_folder.rglob(".skmmap*"))


@pytest.mark.parametrize("name", ["zarr.json", ".zgroup", ".zarray", ".zattrs"])
@pytest.mark.parametrize("depth", [0, 1])
def test_metadata_of_zarr(name, depth, tmp_path, in_time):
    zarr = pytest.importorskip("zarr")
    in_time(tmp_path)
    path = tmp_path / "X.zarr"
    version = 3 if name == "zarr.json" else 2
    group = zarr.open_group(path, mode="w", zarr_format=version)
    group.create_array("inner/a", shape=(3, 2), dtype=float)
    place = path / ("inner" if depth else "") / name
    place.unlink(missing_ok=True)
    os.mkfifo(place)
    with pytest.raises(ValueError, match="is a named pipe"):
        open_rows(path)
    with pytest.raises(ValueError, match="is a named pipe"):
        describe(path)


CHUNKS = {
    "format 2": ("1.0", {"zarr_format": 2}),
    "format 3": ("c/1/0", {}),
    "shards": ("c/0/0", {"shards": (6, 2)}),
    "inside": ("inner/a/c/1/0", {"name": "inner/a"}),
}


@pytest.mark.parametrize("kind", CHUNKS)
def test_chunks_of_zarr(kind, tmp_path, in_time):
    zarr = pytest.importorskip("zarr")
    in_time(tmp_path)
    place, options = CHUNKS[kind]
    options = {"shape": X.shape, "dtype": float, "chunks": (3, 2)} | options
    array = zarr.create_array(tmp_path / "X.zarr", **options)
    array[:] = X
    rows, place = open_rows(tmp_path / "X.zarr"), tmp_path / "X.zarr" / place
    sent = pickle.dumps(rows)
    place.unlink()
    os.mkfifo(place)
    if kind != "shards":
        assert np.array_equal(rows.read(0, 3), X[:3])  # which are in another file
    text = f"{str(place)!r} {TEXT.format('a named pipe')}"
    for read in (rows.read, open_rows(array).read, lambda: model().fit(rows, y)):
        with raises(ValueError, text):
            read()
    with pytest.raises(ValueError, match="is a named pipe"):
        pickle.loads(sent).read()


def lead(file, name):
    h5py = pytest.importorskip("h5py")
    if name == "virtual":
        layout = h5py.VirtualLayout(X.shape, float)
        layout[:] = h5py.VirtualSource("end.h5", "x", X.shape)
        file.create_virtual_dataset("x", layout)
    elif name == "raw":
        file.create_dataset("x", X.shape, float, external=[("end.h5", 0, X.nbytes)])
    elif name == "link":
        file["x"] = h5py.ExternalLink("end.h5", "/x")
    elif name == "soft":
        file["group/away"] = h5py.ExternalLink("end.h5", "/")
        file["x"] = h5py.SoftLink("/group/away/x")
    elif name == "matrix":
        file["x/indices"] = file["x/indptr"] = np.arange(3)
        file["x/data"] = h5py.ExternalLink("end.h5", "/x")
    else:
        file["x"] = h5py.ExternalLink("middle.h5", "/x")


REFERENCES = "virtual", "raw", "link", "soft", "matrix", "link link", "link virtual"


@pytest.fixture
def a_pipe(empty_folder):
    """Have a pipe at end.h5 that is open for writing: HDF5 does not wait for it."""
    os.mkfifo("end.h5")
    end = os.open("end.h5", os.O_RDWR | os.O_NONBLOCK)
    yield f"{str(empty_folder / 'end.h5')!r} {TEXT.format('a named pipe')}"
    os.close(end)


@pytest.mark.parametrize("kind", REFERENCES)
def test_what_hdf5_files_lead_to(kind, a_pipe):
    h5py = pytest.importorskip("h5py")
    first, _, then = kind.partition(" ")
    with h5py.File("X.h5", "w") as file:
        lead(file, "middle" if then else first)
    with h5py.File("middle.h5", "w") as file:
        lead(file, then or "link")
    with raises(ValueError, a_pipe):
        open_rows("X.h5", key="x")
    with raises(ValueError, a_pipe):
        model().fit("X.h5", y)
    with h5py.File("X.h5") as file, raises(ValueError, a_pipe):
        open_rows(file)


@pytest.mark.parametrize("kind", ["virtual", "raw", "link"])
def test_what_becomes_a_pipe_while_hdf5_files_lead_there(kind, a_pipe):
    h5py = pytest.importorskip("h5py")
    os.rename("end.h5", "pipe")
    with h5py.File("X.h5", "w") as file:
        lead(file, kind)
    if kind == "raw":
        X.tofile("end.h5")
    else:
        with h5py.File("end.h5", "w") as file:
            file["x"] = X
    rows = open_rows("X.h5", key="x")
    sent = pickle.loads(pickle.dumps(rows))
    assert np.array_equal(rows.read(), X)
    for name in ("end.h5", "X.h5"):
        os.link("pipe", "another name")
        os.replace("another name", name)
        for read in (rows.read, sent.read):
            with pytest.raises(ValueError, match="was replaced since it") as caught:
                read()
            assert str(caught.value.__cause__) == a_pipe.replace("end.h5", name)


def test_a_pipe_instead_of_indptr_makes_no_csr_folder(empty_folder, in_time):
    in_time(empty_folder)
    make("pipe", empty_folder / "X.npy")
    with pytest.raises(IsADirectoryError, match="is a folder"):
        in_folder("indptr.npy")(empty_folder / "X.npy")


@pytest.mark.parametrize("path", ["/dev/zero", "/dev/null"])
def test_devices(path):
    if not os.path.exists(path):
        pytest.skip("a system without this device")
    with raises(ValueError, f"source={path!r} {TEXT.format('a device')}"):
        open_rows(path, dtype=float, shape=(3,))
    with raises(ValueError, f"source={path!r} {TEXT.format('a device')}"):
        open_rows(path)


def test_what_is_another_thing_by_now(tmp_path, monkeypatch):
    """Between looking and opening, somebody puts a pipe there."""
    path = tmp_path / "X.npy"
    os.mkfifo(path)
    monkeypatch.setattr("skmmap.disk.regular.check_regular", lambda *_: None)
    with raises(ValueError, f"X {TEXT.format('a named pipe')}"):
        open_regular(path, "X")


@pytest.mark.parametrize("how", ["map", "buffer", "uncached"])
def test_a_file_that_becomes_a_pipe_is_not_waited_for(how, tmp_path, in_time):
    in_time(tmp_path)
    path = tmp_path / "X.npy"
    np.save(path, X)
    store = MapStore.of(np.load(path, mmap_mode="r"), "r").for_run(how)
    path.unlink()
    os.mkfifo(path)
    with pytest.raises(ValueError, match=f"{path.name}' is a named pipe"):
        store.read(0, 3)


def test_links_to_files_and_folders_are_followed(empty_folder):
    np.save("X.npy", X)
    os.symlink("X.npy", "link.npy")
    os.symlink(empty_folder, "there")
    for path in ("link.npy", "there/X.npy", "there/link.npy"):
        assert open_rows(path).read().tolist() == X.tolist()
    shutil.copy("X.npy", "other.npy")
    save_rows("link.npy", [X[:2]])
    assert os.path.islink("link.npy")
    assert len(open_rows("X.npy")) == 2
