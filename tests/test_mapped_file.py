"""Which file is mapped at an address, asked of the system or searched for."""

import sys

import numpy as np
import pytest

from skmmap.disk import mapped_file
from skmmap.disk.mapped_file import is_mapped_from, read_mapped_name

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="/proc is of Linux")


@pytest.fixture(params=["asked", "searched", "without ioctl"])
def way(request, monkeypatch):
    def refuse(*args):
        raise OSError(25, "Inappropriate ioctl for device")

    if request.param == "searched":
        monkeypatch.setattr(mapped_file, "ioctl", refuse)
    elif request.param == "without ioctl":
        monkeypatch.setattr(mapped_file, "ioctl", None)


def find_address(array):
    return array.__array_interface__["data"][0]


def test_a_map_is_from_its_file_as_long_as_that_has_its_name(way, tmp_path):
    path, other = tmp_path / "rows of X.npy", tmp_path / "other.npy"
    for name in (path, other):
        np.save(name, np.zeros(5_000))
    X = np.load(path, mmap_mode="r")
    last = find_address(X[-1:])
    assert read_mapped_name(last) == bytes(path)
    assert is_mapped_from(last, path)
    (tmp_path / "link.npy").symlink_to(path)
    assert is_mapped_from(last, tmp_path / "link.npy")
    assert not is_mapped_from(last, other)
    other.replace(path)
    assert read_mapped_name(last) == bytes(path) + b" (deleted)"
    assert not is_mapped_from(last, path)


def test_memory_is_from_no_file(way, tmp_path):
    X = np.zeros(10**6)
    assert not read_mapped_name(find_address(X)).startswith(b"/")  # or "[heap]"
    assert not is_mapped_from(find_address(X), tmp_path)


def test_a_system_that_does_not_tell_is_believed(monkeypatch, tmp_path):
    def refuse(*args, **kwargs):
        raise FileNotFoundError

    monkeypatch.setattr(mapped_file, "open", refuse, raising=False)
    assert read_mapped_name(1) is None
    assert is_mapped_from(1, tmp_path)
