"""What fitted transformers are made of, where codes and numbers are all they need."""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from skmmap.rows import CodedFrame
from skmmap.transformers.code_tables import CodeTable, can_look_up
from skmmap.transformers.coded_results import Entries
from skmmap.transformers.number_columns import change, find_changes, makes_floats
from skmmap.wrap import has_sklearns, is_one_of, is_passed, is_pipeline

_ONE = np.ones((1, 1))


class Texts(NamedTuple):
    """Columns of texts, and what encodes them."""

    columns: list[int]
    table: CodeTable

    @property
    def width(self) -> int:
        return self.table.width

    @property
    def n_entries(self) -> int:
        """Values of a row that are stored, at most."""
        return len(self.columns)

    @property
    def dtype(self) -> np.dtype:
        return self.table.dtype

    def open(self, rows: CodedFrame, first: int) -> Callable | None:
        """Return what computes blocks of rows; None if they need the frame.

        ``first`` is the first column that is theirs in the result.
        """
        found = self.table.look_up(rows.select(self.columns))
        if found is None:
            return None
        columns = first + np.arange(len(found))[:, np.newaxis]

        def compute(start: int, stop: int) -> Entries:
            block = np.array([table[codes[start:stop]] for table, codes in found])
            if not self.table.is_one_hot:
                return Entries(block, columns)
            return Entries(_ONE, np.where(block < 0, -1, block + first))

        return compute


class Numbers(NamedTuple):
    """Columns of numbers, and what is done to them."""

    columns: list[int]
    changes: list[tuple]
    dtype = np.dtype(np.float64)

    @property
    def width(self) -> int:
        return len(self.columns)

    n_entries = width

    def open(self, rows: CodedFrame, first: int) -> Callable | None:
        """Return what computes blocks of rows, None for those that need the frame."""
        columns = first + np.arange(len(self.columns))[:, np.newaxis]

        def compute(start: int, stop: int) -> Entries | None:
            values = rows[start:stop].to_numbers(self.columns)
            is_done = change(values, self.changes)
            return Entries(values, columns) if is_done else None

        return compute


def find_parts(transformer, rows: CodedFrame) -> list | None:
    """Return what a fitted transformer is made of, None if it is not known."""
    if "_sklearn_output_config" in vars(transformer):
        return None
    if not is_one_of(transformer, "ColumnTransformer"):
        part = _find_part(transformer, list(range(rows.shape[1])), rows)
        return None if part is None else [part]
    weights = transformer.transformer_weights
    if weights or not has_sklearns(transformer, "transform"):
        return None
    parts = []
    for _, member, columns in transformer.transformers_:
        numbers = _find_numbers(transformer, columns, rows)
        if member == "drop" or numbers == []:
            continue
        part = numbers and _find_part(member, numbers, rows)
        if part is None:
            return None
        parts.append(part)
    return parts


def _find_numbers(transformer, columns, rows: CodedFrame) -> list[int] | None:
    """Return the numbers of columns, which frames of rows have by their names."""
    names = list(rows.empty.columns)
    known = getattr(transformer, "feature_names_in_", None)
    if known is None or isinstance(columns, str | int | np.integer):
        return None
    if isinstance(columns, slice):
        columns = _resolve(list(known), columns)
    columns = list(columns)
    if columns and all(isinstance(each, bool | np.bool_) for each in columns):
        columns = np.flatnonzero(columns).tolist()
    chosen = [c if isinstance(c, str) else known[c] for c in columns]
    if not set(chosen) <= set(names):
        return None
    return [names.index(name) for name in chosen]


def _resolve(names: list, columns: slice) -> list:
    """Return the columns of a slice, by names inclusive of the last one."""
    start, stop = columns.start, columns.stop
    if isinstance(start, str) or isinstance(stop, str):
        start = names.index(start) if isinstance(start, str) else start
        stop = names.index(stop) + 1 if isinstance(stop, str) else stop
    return names[slice(start, stop, columns.step)]


def _find_part(member, columns: list[int], rows: CodedFrame) -> Any:
    """Return what a member does to its columns, None if it is not known."""
    if is_pipeline(member) and not has_sklearns(member, "transform"):
        return None
    steps = [each for _, each in member.steps] if is_pipeline(member) else [member]
    if all(map(rows.has_texts, columns)):
        steps = [step for step in steps if not is_passed(step)]
        return Texts(columns, CodeTable(steps)) if can_look_up(steps) else None
    if not all(map(rows.has_numbers, columns)):
        return None
    is_integer = all(rows.empty.dtypes.iloc[j] != np.float64 for j in columns)
    changes = find_changes(steps)
    if changes is None or (is_integer and not makes_floats(steps)):
        return None
    return Numbers(columns, changes)
