"""Describes a file of rows: ``python -m skmmap info``."""

import reprlib
import shlex
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from skmmap._messages import say_size
from skmmap.checkpoints import describe_checkpoint
from skmmap.disk import is_checkpoint, is_pattern, to_path
from skmmap.formats import find_files, list_arrays, open_rows
from skmmap.formats.shared import ArrayInfo, ContainerStore, is_csv_name, say_csv
from skmmap.rows import find_source, holds_frames
from skmmap.write import iter_batches

_SHOWN = 20  # labels, or datasets, that are listed
_COUNTED = 2**16  # labels that are told apart; of more there is only a lower bound
_COUNTED_NBYTES = 2**23
_HINT = "shuffle before training in file order"


def describe(path, *, key=None, columns=None) -> str:
    """Describe what `open_rows` finds at a path, with the labels if there are any.

    Of a checkpoint it says where the run is, and what it is a run of, without loading
    an object.

    Parameters
    ----------
    path : str or path-like
        A path or pattern, as `open_rows` takes it, or a checkpoint.

    key : str, default=None
        Name of the dataset in an HDF5 file or zarr group. Without it, all datasets
        are listed where there are several.

    columns : str or list of str, default=None
        Columns of a Parquet or Arrow file. Without it, all columns are listed where
        some are not numbers.

    Returns
    -------
    text : str
        Lines of a name and what there is to say: shape, type, order, size on disk,
        and for rows of single numbers or strings what values there are; of a
        checkpoint the place, the time, the rows, and the parameters.

    Notes
    -----
    Reads: the header; one-dimensional rows once, by blocks of 8 MB; a checkpoint
    once, for its digest.
    Allocates: a few such blocks, and at most 65,536 different labels.
    Equals: ``np.unique(y, return_counts=True)`` for labels, without loading them.

    Examples
    --------
    >>> import numpy as np, os, tempfile
    >>> from skmmap.cli.info import describe
    >>> folder = tempfile.TemporaryDirectory()
    >>> path = os.path.join(folder.name, "y.npy")
    >>> np.save(path, np.arange(9, dtype=np.int8) // 3)
    >>> print(describe(path))
    shape    9
    type     int8
    size     137 bytes
    labels   3: 0 (3), 1 (3), 2 (3)
    sorted   yes: shuffle before training in file order
    >>> path = os.path.join(folder.name, "t.csv")
    >>> with open(path, "w") as file:
    ...     _ = file.write("a,b,y\\n1,2,no\\n")
    >>> describe(path)
    Traceback (most recent call last):
        ...
    ValueError: t.csv is CSV, which must be parsed first: python -m skmmap convert ...
    >>> folder.cleanup()
    """
    path = to_path(path)
    if is_checkpoint(path):
        facts = describe_checkpoint(path)
        return _join(facts, max(len(name) for name, _ in facts))
    if is_csv_name(path) and not is_pattern(path):
        raise ValueError(
            f"{path.name} is CSV, which must be parsed first: "
            f"{say_csv(path, 'X.npy', is_command=True)}"
        )
    option, arrays = (None, []) if key is not None else list_arrays(path)
    if option == "key" and len(arrays) > 1 and columns is None:
        names = [(array.name, _say_array(array)) for array in arrays]
        facts = _list_named("datasets", f"--key {names[0][0]}", names)
    else:
        facts = _open_or_list(path, key, columns)
    facts.insert(min(2, len(facts)), ("size", say_size(_find_size(path))))
    return _join(facts)


def _join(facts: list[tuple], width: int = 8) -> str:
    return "\n".join(f"{name:<{width}} {value}" for name, value in facts)


def _open_or_list(path: Path, key, columns) -> list[tuple]:
    """Describe rows, or the columns of a table that cannot become an array."""
    rows = open_rows(path, key=key, columns=columns)
    if not holds_frames(find_source(rows).store):
        return _find_facts(rows)
    _, arrays = list_arrays(path)
    if columns is not None:
        arrays = [array for array in arrays if array.name in columns]
    said = [(array.name, array.dtype) for array in arrays]
    listed = _list_named("columns", f"--column {shlex.quote(said[0][0])}", said)
    return [("rows", f"{arrays[0].shape[0]:,}"), *listed]


def _find_facts(rows) -> list[tuple]:
    """Return shape, type, and further facts about rows."""
    source = find_source(rows)
    facts = [("shape", _say_shape(rows.shape)), ("type", _say_type(rows.dtype))]
    if rows.ndim > 1:
        return facts + _find_order(source.store)
    if rows.dtype.kind in "iubUS":
        return facts + _find_labels(source)
    return facts + (_find_range(source) if rows.dtype.kind in "fmM" else [])


def _say_shape(shape) -> str:
    return " x ".join(f"{n:,}" for n in shape)


def _say_type(dtype: np.dtype | str) -> str:
    if isinstance(dtype, str) or dtype.isnative:
        return str(dtype)
    native = dtype.newbyteorder("=")
    order = {">": "big-endian", "<": "little-endian"}.get(dtype.byteorder, "mixed")
    return f"{native}, {order}: converted when read"


def _find_order(store) -> list[tuple]:
    if store.is_sparse:
        return [("order", f"CSR, {store.row_values:,} values in a row on average")]
    if isinstance(store, ContainerStore):
        return []
    if not store.is_slow_layout:
        return [("order", "C: row by row")]
    todo = "python -m skmmap convert writes it in C order"
    slow = "Fortran: column by column, which is slow to read row by row"
    return [("order", f"{slow}; {todo}")]


def _find_size(path: Path) -> int:
    """Return the total size of the files at a path or of a pattern."""
    found = find_files(path, "path")
    inside = [file for place in found for file in (place, *place.rglob("*"))]
    return sum(file.stat().st_size for file in inside if file.is_file())


# Several datasets in one file


def _say_array(array: ArrayInfo) -> str:
    """Return shape and type of an array, or of a matrix in a group."""
    layout = [] if array.layout is None else [array.layout.upper()]
    return " ".join([_say_shape(array.shape), *layout, _say_type(array.dtype)]).strip()


def _list_named(what: str, option: str, named: list) -> list[tuple]:
    """Return lines with the number of names, how to choose one, and the first ones."""
    facts = [(what, f"{len(named):,}; one of them: {option}"), *named[:_SHOWN]]
    if len(named) > _SHOWN:
        facts.append(("...", f"and {len(named) - _SHOWN:,} more"))
    return facts


# Rows of single values


def _find_range(source) -> list[tuple]:
    """Return minimum and maximum, and the number of missing values."""
    low, high, n_missing = [], [], 0
    for block in iter_batches(source):
        is_missing = np.isnan(block)
        n_missing += int(np.count_nonzero(is_missing))
        known = block[~is_missing] if is_missing.any() else block
        if len(known):
            low, high = [min([*low, known.min()])], [max([*high, known.max()])]
    found = f"{low[0]!s} to {high[0]!s}" if low else "none"
    name = "NaN" if source.dtype.kind == "f" else "NaT"
    return [("values", found), (name, f"{n_missing:,}")]


def _find_labels(source) -> list[tuple]:
    """Return the labels with their counts, and whether they are sorted."""
    if not source.n_rows:
        return [("labels", "none")]
    labels, order = _Labels(source.dtype), _Order()
    for block in iter_batches(source):
        labels.add(block)
        order.add(block)
    return [("labels", labels.describe()), ("sorted", order.describe(labels.counts))]


class _Labels:
    """Counts of distinct values, as long as there are few."""

    def __init__(self, dtype: np.dtype):
        self.counts, self._extremes = Counter(), []
        self._most = max(_SHOWN, min(_COUNTED, _COUNTED_NBYTES // dtype.itemsize))

    def add(self, block: np.ndarray) -> None:
        values, counts = np.unique(block, return_counts=True)
        ends = [*self._extremes, values[0].item(), values[-1].item()]
        self._extremes = [min(ends), max(ends)]
        if self.counts is not None and len(values) <= self._most:
            self.counts.update(dict(zip(values.tolist(), counts.tolist(), strict=True)))
        if len(values) > self._most or len(self.counts or ()) > self._most:
            self.counts = None

    def describe(self) -> str:
        low, high = map(_say_label, self._extremes)
        if self.counts is None:
            return f"more than {self._most:,}, from {low} to {high}"
        if len(self.counts) > _SHOWN:
            return f"{len(self.counts):,}, from {low} to {high}"
        listed = (f"{_say_label(v)} ({n:,})" for v, n in sorted(self.counts.items()))
        return f"{len(self.counts)}: {', '.join(listed)}"


def _say_label(value) -> str:
    return reprlib.repr(value)


class _Order:
    """Whether values ascend or descend, and the number of runs of equal values."""

    def __init__(self):
        self._last = None
        self._n_rows, self._n_runs = 0, 1
        self._ascends = self._descends = True

    def add(self, block: np.ndarray) -> None:
        for before, after in self._iter_neighbours(block):
            self._n_runs += int(np.count_nonzero(before != after))
            self._ascends &= bool(np.all(before <= after))
            self._descends &= bool(np.all(before >= after))
        self._last = block[-1:].copy()
        self._n_rows += len(block)

    def _iter_neighbours(self, block: np.ndarray) -> Iterator[tuple]:
        if self._last is not None:
            yield self._last, block[:1]
        yield block[:-1], block[1:]

    def describe(self, counts) -> str:
        """Describe the order; ``counts`` of labels give run lengths in random order."""
        if self._n_runs == 1:
            return "there is one label only"
        if self._ascends or self._descends:
            return f"yes: {_HINT}"
        if counts is not None and self._n_runs == len(counts):
            return f"each label in one run: {_HINT}"
        runs = f"no: runs of one label are {self._n_rows / self._n_runs:.1f} rows long"
        return f"{runs} on average{self._say_chance(counts)}"

    def _say_chance(self, counts) -> str:
        if counts is None:
            return ""
        n_rows = self._n_rows
        changes = sum(n * (n_rows - n) for n in counts.values()) / n_rows
        return f"; {n_rows / (1 + changes):.1f} in random order"
