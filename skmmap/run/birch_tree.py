"""Pickles the tree of a Birch without following the list of its leaves.

The leaves are linked to one another, so pickle would need a level of recursion for
each, and fails for some hundreds.
"""

import sys
from itertools import pairwise
from typing import Any

_LINKS = "prev_leaf_", "next_leaf_"


def find_birch_reducers() -> dict[type, Any]:
    """Return reducers for pickle, by type; none if nobody has imported Birch."""
    module = sys.modules.get("sklearn.cluster._birch")
    if module is None:
        return {}
    return {module.Birch: _reduce_tree, module._CFNode: _reduce_node}


def _reduce_node(node) -> tuple:
    return _make, (type(node),), vars(node) | dict.fromkeys(_LINKS)


def _reduce_tree(birch) -> tuple:
    leaves, leaf = [], getattr(birch, "dummy_leaf_", None)
    while leaf is not None:
        leaves.append(leaf)
        leaf = leaf.next_leaf_
    return _make, (type(birch),), (birch.__getstate__(), leaves), None, None, _link


def _make(kind: type):
    return kind.__new__(kind)


def _link(birch, state: tuple) -> None:
    values, leaves = state
    birch.__setstate__(values)
    for leaf, following in pairwise(leaves):
        leaf.next_leaf_, following.prev_leaf_ = following, leaf
