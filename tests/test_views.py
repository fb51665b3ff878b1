"""Views of the data that a fitted object must not keep."""

from collections import OrderedDict, deque, namedtuple

import numpy as np
import pytest

from skmmap.wrap.views import own_arrays

Pair = namedtuple("Pair", ["first", "second"])
DATA = np.arange(10.0)


class Holder:
    pass


class Slotted:
    __slots__ = ("empty", "kept")

    def __init__(self, kept):
        self.kept = kept


def object_array(value):
    array = np.empty(1, dtype=object)
    array[0] = value
    return array


def find_arrays(value):
    """Return the arrays of numbers inside of nested containers."""
    if isinstance(value, np.ndarray) and value.dtype != object:
        return [value]
    if isinstance(value, Slotted):
        return find_arrays(value.kept)
    if isinstance(value, int):
        return []
    items = value.values() if isinstance(value, dict) else value
    return [array for item in items for array in find_arrays(item)]


@pytest.mark.parametrize(
    "nest",
    [
        lambda view: view,
        lambda view: [view],
        lambda view: {"key": [view]},
        lambda view: OrderedDict(a=view),
        lambda view: deque([view, view]),
        lambda view: (view, 1, [view]),
        lambda view: ((view,),),
        lambda view: Pair(view, [view]),
        lambda view: Slotted([view]),
        lambda view: Slotted(view),
        lambda view: object_array(view),
        lambda view: object_array([view]),
    ],
)
def test_views_are_replaced_wherever_they_are_kept(nest):
    model, inner, own = Holder(), Holder(), np.arange(3.0)
    model.inner, inner.outer = inner, model  # a cycle
    inner.kept, inner.own = nest(DATA[2:5]), own
    kind = type(inner.kept)
    own_arrays(model, lambda array: np.may_share_memory(array, DATA))
    arrays = find_arrays([inner.kept])
    assert arrays
    assert type(inner.kept) is kind
    for array in arrays:
        assert not np.shares_memory(array, DATA)
        np.testing.assert_array_equal(array, [2, 3, 4])
    assert inner.own is own


@pytest.mark.parametrize("root", [object(), 3, None, Slotted(1), Holder])
def test_anything_can_be_searched(root):
    own_arrays(root, lambda array: True)


def test_a_copy_has_the_layout_of_what_it_replaces(tmp_path):
    """Products round by it; a map of a file becomes an array, a masked one stays so."""
    np.save(tmp_path / "a.npy", np.asfortranarray(np.ones((2, 3))))
    mapped = np.load(tmp_path / "a.npy", mmap_mode="r")
    masked = np.ma.masked_array(DATA, DATA > 3)
    holder = {"mapped": mapped, "masked": masked}
    own_arrays(holder, lambda array: True)
    assert type(holder["mapped"]) is np.ndarray
    assert holder["mapped"].strides == mapped.strides
    assert not np.shares_memory(holder["masked"], masked)
    assert holder["masked"].mask.tolist() == masked.mask.tolist()
