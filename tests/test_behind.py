"""Which arrays and files are behind an object that nobody knows."""

import functools

import numpy as np
import pytest

from skmmap import _behind

ROWS = np.arange(6.0).reshape(3, 2)


class Slots:
    __slots__ = ("rows",)


def with_slots(rows):
    holder = Slots()
    holder.rows = rows
    return holder


def with_itself(rows):
    holder = [rows]
    holder.append(holder)
    return holder


@pytest.mark.parametrize(
    "hold",
    [
        lambda rows: rows,
        with_slots,
        with_itself,
        lambda rows: {"a": [(rows,)]},
        lambda rows: lambda: rows,
        lambda rows: lambda given=rows: given,
        lambda rows: functools.partial(np.add, rows),
        lambda rows: with_slots(rows).__getattribute__,
    ],
)
def test_what_an_object_refers_to_is_found(hold):
    arrays, names = _behind.find_behind(hold(ROWS))
    assert [array is ROWS for array in arrays] == [True]
    assert not names


def test_a_mask_is_an_array_too():
    masked = np.ma.array(ROWS, mask=ROWS > 2, copy=False)
    (found, mask), _ = _behind.find_behind([masked])
    assert found is masked
    assert np.may_share_memory(mask, masked.mask)


def test_names_are_those_of_files(tmp_path):
    path = tmp_path / "X.npy"
    np.save(path, ROWS)
    holder = {"a": str(path), str(tmp_path): "x.npy", "b": [path], "c": "a\0.b"}
    arrays, names = _behind.find_behind(holder)
    assert not arrays
    assert set(names) == {str(path)}


def test_no_more_is_looked_at_than_takes_a_moment(monkeypatch):
    monkeypatch.setattr(_behind, "_MOST", 50)
    holder = [[number] for number in range(1_000)]
    holder[-1].append(ROWS)
    assert _behind.find_behind(holder) == ([], [])
