"""Splits the rows of several selections by which of the selections have them."""

from typing import Any, NamedTuple

import numpy as np

from skmmap.order.selection import compact, iter_pieces, rows_at

_MOST = 64  # selections, each of which is a bit of a number


class Atom(NamedTuple):
    """Rows that are in some of several selections, and in none of the others."""

    rows: Any  # ascending
    members: frozenset[int]  # the numbers of the selections that have them


def find_atoms(selections: list, n_rows: int, most: int) -> list[Atom] | None:
    """Return the atoms of selections, the first rows first; None if there are more.

    All select from so many rows. It is None as well if one has a row twice.

    >>> atoms = find_atoms([range(3), range(1, 4), [0, 3]], 9, most=3)
    >>> [(atom.rows, sorted(atom.members)) for atom in atoms]
    [(range(0, 1), [0, 2]), (range(1, 3), [0, 1]), (range(3, 4), [1, 2])]
    >>> find_atoms([range(3), range(1, 4), [0, 3]], 9, most=2)
    """
    selections = [np.asarray(s) if isinstance(s, list) else s for s in selections]
    if len(selections) > _MOST:
        return None
    codes = _encode(selections, n_rows)
    found: set[int] = set()
    for piece in iter_pieces(codes):
        found.update(np.unique(codes[piece.start : piece.stop]).tolist())
        if len(found - {0}) > most:
            return None
    atoms = [_take(codes, code) for code in found - {0}]
    for number, selection in enumerate(selections):
        own = [len(atom.rows) for atom in atoms if number in atom.members]
        if sum(own) != len(selection):
            return None
    return sorted(atoms, key=lambda atom: int(rows_at(atom.rows, range(1))[0]))


def _encode(selections: list, n_rows: int) -> np.ndarray:
    """Return a number for each row, of which each selection is a bit."""
    dtype = np.min_scalar_type(2 ** len(selections) - 1)
    codes = np.zeros(n_rows, dtype)
    for number, selection in enumerate(selections):
        for piece in iter_pieces(selection):
            codes[rows_at(selection, piece)] |= dtype.type(1 << number)
    return codes


def _take(codes: np.ndarray, code: int) -> Atom:
    rows = compact(
        np.flatnonzero(codes[piece.start : piece.stop] == code) + piece.start
        for piece in iter_pieces(codes)
    )
    return Atom(rows, frozenset(n for n in range(_MOST) if code >> n & 1))
