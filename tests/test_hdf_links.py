"""Links in HDF5 files lead to what h5py finds there, and each dataset counts once."""

import os
import subprocess
import sys

import h5py
import numpy as np
import pytest
from helpers import raises

from skmmap import open_rows
from skmmap.cli.info import describe
from skmmap.formats.groups.hdf_links import (
    find_place,
    list_folders,
    list_nodes,
    list_places,
)

WRITE = """
import h5py
with h5py.File("data.h5", "w", libver="latest") as file:
    file["deep/x"] = [[0.0, 1.0]] * 6
    file.swmr_mode = True
    print("written", flush=True)
    input()
"""

X = np.arange(12.0).reshape(6, 2)


@pytest.fixture(autouse=True)
def _files(empty_folder):
    with h5py.File("data.h5", "w") as file:
        file["deep/x"] = X
        file["deep/again"] = h5py.SoftLink("/deep/x")
        file["all"] = h5py.ExternalLink("data.h5", "/")


LINKS = {
    "x": h5py.ExternalLink("data.h5", "/deep/x"),
    "group": h5py.ExternalLink("data.h5", "deep"),
    "file": h5py.ExternalLink("data.h5", "/"),
    "soft": h5py.ExternalLink("data.h5", "/deep/again"),
    "through": h5py.ExternalLink("data.h5", "/all/all/deep/again"),
}


@pytest.mark.parametrize("kind", LINKS)
def test_a_dataset_that_only_a_link_leads_to(kind):
    with h5py.File("top.h5", "w") as file:
        file["here"] = LINKS[kind]
        file["twice"] = LINKS[kind]
        file["nowhere"] = h5py.ExternalLink("none.h5", "/x")
        file["no file of HDF5"] = h5py.ExternalLink("text", "/x")
        file["nothing"] = h5py.SoftLink("/none")
        file["circle"] = h5py.SoftLink("/circle")
        file["folder"] = h5py.ExternalLink(os.curdir, "/x")
        file["type"] = np.dtype(float)
        file["back"] = h5py.ExternalLink("top.h5", "/")
    with open("text", "w") as text:
        text.write("of no format")
    rows = open_rows("top.h5")
    assert rows._source.store.key.startswith("/here")
    assert np.array_equal(rows.read(), X)
    with h5py.File("top.h5") as file:
        assert np.array_equal(open_rows(file).read(), X)
    assert "6 x 2" in str(describe("top.h5"))


def test_datasets_that_links_lead_to_are_listed():
    with h5py.File("top.h5", "w") as file:
        file["y"], file["a"] = np.arange(6), h5py.SoftLink("/y")
        file["group/a"] = h5py.SoftLink("/y")
        file["linked"] = h5py.ExternalLink("data.h5", "/deep")
    text = "'top.h5' has no dataset 'z'; it holds linked/x (6 x 2), y (6)."
    with raises(ValueError, text):
        open_rows("top.h5", key="z")
    assert open_rows("top.h5", key="group").shape == (6,)
    with h5py.File("top.h5") as file:
        names = {"y", "group", "linked", "linked/x"}
        assert {name for name, _ in list_nodes(file)} == names


def test_a_dataset_of_the_file_itself_is_the_one_that_is_meant():
    with h5py.File("top.h5", "w") as file:
        file["b"], file["a"] = X[:4], h5py.ExternalLink("data.h5", "/deep/x")
    assert open_rows("top.h5").shape == (4, 2)
    with h5py.File("top.h5", "r+") as file:
        assert open_rows(file).shape == (4, 2)
        file["c"] = X[:3]
    text = (
        "'top.h5' holds 3 datasets; name one, open_rows(..., key='a'): a (6 x 2), "
        "b (4 x 2), c (3 x 2)."
    )
    with raises(ValueError, text):
        open_rows("top.h5")


def test_a_matrix_in_another_file():
    with h5py.File("data.h5", "w") as file:
        file["m/data"], file["m/indices"], file["m/indptr"] = (
            X[:2, 0],
            [0, 1],
            [0, 1, 2],
        )
        file["m"].attrs.update({"encoding-type": "csr_matrix", "shape": (2, 2)})
    with h5py.File("top.h5", "w") as file:
        file["away"] = h5py.ExternalLink("data.h5", "/")
    rows = open_rows("top.h5")
    assert rows.read().toarray().tolist() == [[0, 0], [0, 2]]
    with h5py.File("top.h5", "r+") as file:
        file["also"] = h5py.ExternalLink("x.h5", "/x")
    with h5py.File("x.h5", "w") as file:
        file["x"] = X
    text = (
        "'top.h5' holds 2 datasets; name one, open_rows(..., key='also'): also "
        "(6 x 2), away/m (2 x 2)."
    )
    with raises(ValueError, text):
        open_rows("top.h5")
    assert "2 x 2 CSR float64" in str(describe("top.h5"))


def test_links_to_more_files_than_may_be_open():
    resource = pytest.importorskip("resource")
    for i in range(40):
        with h5py.File(f"{i}.h5", "w") as file:
            file["x"] = X
    with h5py.File("top.h5", "w") as file:
        for i in range(40):
            file[f"{i}"] = h5py.ExternalLink(f"{i}.h5", "/x" if i % 2 else "/")
    before, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    with h5py.File("top.h5") as file:
        free = os.open(os.devnull, os.O_RDONLY)  # the least number that is free
        highest = max(map(int, os.listdir("/dev/fd")))
        os.close(free)
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (highest + 10, most))
            assert len([name for name, _ in list_nodes(file)]) == 60
            resource.setrlimit(resource.RLIMIT_NOFILE, (free, most))
            with pytest.raises(OSError, match="errno = 24"):
                list_nodes(file)
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (before, most))


def test_links_of_which_there_are_too_many():
    """Which would double the way with each of them."""
    with h5py.File("top.h5", "w") as file:
        for i in range(60):
            file[f"{i}"] = h5py.SoftLink(f"/{i + 1}/{i + 1}")
        file["60"] = h5py.ExternalLink("top.h5", "/")
        file["x"] = X
    assert open_rows("top.h5", key="./x").shape == X.shape
    with pytest.raises(RuntimeError, match="too many links"):  # as h5py says
        open_rows("top.h5", key="0/x")


@pytest.mark.skipif(os.name == "nt", reason="a name like /no/data.h5 is of no drive")
def test_where_hdf5_looks(empty_folder, monkeypatch):
    for folder in ("there", "first", "there/folder.h5"):
        os.mkdir(folder)
    os.rename("data.h5", "there/data.h5")
    with h5py.File("there/real.h5", "w") as file:
        file["x"] = h5py.ExternalLink("data.h5", "/deep/x")
        file["away"] = h5py.ExternalLink("/of another machine/data.h5", "/deep/x")
        file["folder"] = h5py.ExternalLink("folder.h5", "/deep/x")
    os.symlink("there/real.h5", "link.h5")
    with h5py.File("link.h5") as file:
        there = str(empty_folder / "there/data.h5")
        folders = list_folders(file)
        assert find_place(list_places("data.h5", folders)) == there
        assert find_place(list_places("/no/data.h5", folders)) == there
        assert file["x"].file.filename == file["away"].file.filename
    assert open_rows("link.h5", key="away").shape == X.shape
    with pytest.raises(IsADirectoryError, match=r"folder.h5' is a folder"):
        open_rows("there/real.h5", key="folder")
    with h5py.File("first/data.h5", "w") as file:
        file["deep/x"] = X[:2]
    monkeypatch.setenv("HDF5_EXT_PREFIX", f"{empty_folder / 'first'}")
    rows = open_rows("link.h5", key="x")
    with h5py.File("link.h5") as file:
        assert rows.shape == file["x"].shape == (2, 2)
    assert str(empty_folder / "first/data.h5") in rows._source.store.identity.states


def test_an_open_file_whose_folder_is_another_thing_by_now(empty_folder):
    os.mkdir("folder")
    os.rename("data.h5", "folder/data.h5")
    with h5py.File(empty_folder / "folder/data.h5") as file:
        os.rename("folder", "moved")
        open("folder", "w").close()
        assert np.array_equal(open_rows(file["deep/x"]).read(), X)


@pytest.mark.parametrize("kind", ["virtual", "deep", "link"])
def test_files_that_another_process_is_writing(kind):
    """By swmr=True, which HDF5 hands on to the files to which one leads."""
    layout = h5py.VirtualLayout((6, 2), float)
    with h5py.File("top.h5", "w", libver="latest") as file:
        file["link"] = h5py.ExternalLink("data.h5", "/deep/x")
        layout[:] = h5py.VirtualSource("data.h5", "deep/x", (6, 2))
        file.create_virtual_dataset("virtual", layout)
        layout[:] = h5py.VirtualSource(".", "link", (6, 2))
        file.create_virtual_dataset("deep", layout)
    command = [sys.executable, "-c", WRITE]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) as writer:
        assert writer.stdout.readline() == "written\n"
        try:
            with h5py.File("top.h5", swmr=True, libver="latest") as file:
                assert open_rows(file[kind]).read().tolist() == [[0, 1]] * 6
        finally:
            writer.communicate("\n")
