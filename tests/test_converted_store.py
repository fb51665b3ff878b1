"""Rows that are converted after they were read, of a file that may change meanwhile."""

import os
import pickle
from contextlib import suppress

import numpy as np
import pytest

from skmmap.formats.shared import ConvertedStore, MapStore

X = np.arange(60, dtype="u1").reshape(15, 4)
BAD = 255


def halve(rows, numbers):
    if (bad := (rows == BAD).any(axis=1)).any():
        raise ValueError(f"row {numbers[int(bad.argmax())]} is bad")
    return rows[:, :3] / 2


def open_halves(path, values=X, **options):
    path.write_bytes(values.tobytes())
    stored = MapStore(path, values.dtype, values.shape, **options)
    stored.fix()
    return ConvertedStore(stored, halve, ["a", "b", "c"])


@pytest.fixture
def path(tmp_path):
    return tmp_path / "X.bin"


@pytest.mark.parametrize("mode", ["map", "buffer", "uncached"])
def test_rows_are_converted(mode, path):
    store = open_halves(path).for_run(mode)
    assert (store.shape, store.dtype, store.names) == ((15, 3), "f8", ["a", "b", "c"])
    np.testing.assert_array_equal(store.read(3, 9), X[3:9, :3] / 2, strict=True)
    picked = np.array([1, 1, 14])
    np.testing.assert_array_equal(store.take(picked), X[picked, :3] / 2, strict=True)
    assert store._stored.read_mode == mode
    again = pickle.loads(pickle.dumps(store))
    np.testing.assert_array_equal(again.read(3, 9), X[3:9, :3] / 2)


def test_what_is_known_is_that_of_the_file(path):
    store = open_halves(path)
    stored = store._stored
    assert store.row_extent == 4
    assert store.find_disk_nbytes() == 60
    assert store.files == {str(path): 60}
    assert (store.where, store.identity) == ("X.bin", stored.identity)
    assert not store.is_slow_layout
    assert store.is_viewed_by(stored.rows[2:4])
    assert not store.is_viewed_by(X)
    assert open_halves(path, order="F").is_slow_layout


def test_the_number_of_a_row_is_that_in_the_file(path):
    values = X.copy()
    values[9, 1] = BAD
    store = open_halves(path, values)
    for read in (lambda: store.read(4, 12), lambda: store.take(np.array([2, 9]))):
        with pytest.raises(ValueError, match="row 9 is bad"):
            read()


@pytest.mark.parametrize("value", [BAD, 7])
def test_a_file_that_is_written_to_while_it_is_mapped(value, path):
    store = open_halves(path).for_run("map")
    held = store.read(0, 1), store._stored.rows
    with open(path, "r+b") as file:
        file.write(bytes([value]))
    os.utime(path, ns=(0, 10**18))
    calls = [
        lambda: store.read(0, 3),
        lambda: store.take(np.array([0, 3])),
        store.verify,
    ]
    for call in calls:  # the error in its values has a reason
        with pytest.raises(ValueError, match="was written again since it was opened"):
            call()
    del held


def test_pages_are_brought_before_rows_are_converted(path, monkeypatch):
    store, brought = open_halves(path), []
    monkeypatch.setattr(MapStore, "touch", lambda self, *rows: brought.append(rows))
    store.read(3, 9)
    assert brought == [(3, 9)]


def test_an_open_file_stays_that_until_it_is_closed(path, tmp_path):
    store = open_halves(path)
    store.keep_open()
    (tmp_path / "other").write_bytes(bytes(60))
    with suppress(PermissionError):  # Windows does not replace a mapped file
        os.replace(tmp_path / "other", path)
    np.testing.assert_array_equal(store.read(3, 9), X[3:9, :3] / 2)
    store.close()
    with pytest.raises(ValueError, match="are closed"):
        store.read(3, 9)
