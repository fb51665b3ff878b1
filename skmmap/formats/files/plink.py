"""PLINK 1 genotypes: a .bed file, beside its .fam and .bim (needs bed-reader)."""

import os
from pathlib import Path

import numpy as np

from skmmap.disk import Identity, is_path, open_regular
from skmmap.formats.shared import (
    ArrayInfo,
    ContainerStore,
    Format,
    check_axis,
    cut_blocks,
    import_library,
)
from skmmap.order import make_units

FORMAT = Format(suffixes=(".bed",), options=("dtype", "axis"))

# The last byte says what lies together: https://www.cog-genomics.org/plink/1.9/formats
_MAGIC = b"l\x1b"
_MAJOR = {0: 0, 1: 1}  # axis of what lies together: persons, variants
_PER_BYTE = 4
_TYPES = "float32", "float64", "int8"
_MISSING = -127  # in bed-reader's integers
_BLOCK_NBYTES = 2**26


def is_mine(source, first: bytes = b"") -> bool:
    """Whether it is a file that begins as a .bed of PLINK 1."""
    return is_path(source) and first[:2] == _MAGIC and first[2:3] in (b"\0", b"\1")


def list_arrays(source) -> list[ArrayInfo]:
    """Return the one array in the file."""
    return [ArrayInfo.of(open_store(source, "source"))]


def open_store(source, name: str, *, dtype=None, axis: int | None = None):
    """Return the store of genotypes, by persons or by variants."""
    path, named = Path(os.path.abspath(source)), f"{name}={os.fspath(source)!r}"
    with open_regular(path, named) as file:
        first = file.read(3)
    if not is_mine(path, first):
        raise ValueError(
            f"{named} is no .bed file of PLINK 1: it begins with {first!r}. Files of "
            "intervals, which have the same suffix, are tables of text: convert them."
        )
    return BedStore(path, named, _check_type(dtype), axis, _MAJOR[first[2]])


def _check_type(dtype) -> np.dtype:
    found = np.dtype("float32" if dtype is None else dtype)
    if found not in map(np.dtype, _TYPES):
        raise ValueError(
            f"dtype must be {', '.join(_TYPES)} or None for a .bed file; got {dtype!r}."
        )
    return found


class BedStore(ContainerStore):
    """Genotypes of persons, or of variants, in a .bed file."""

    is_decoded = True
    _bed = None

    def __init__(self, path: Path, named: str, dtype: np.dtype, axis, major: int):
        self._path, self.where, self.dtype = str(path), path.name, dtype
        files = [path, path.with_suffix(".fam"), path.with_suffix(".bim")]
        self._check_beside(files, named)
        self._opened = Identity.read(files)
        self._counts = None
        bed = self._open()
        self._counts = int(bed.iid_count), int(bed.sid_count)
        self._check_size(major, named)
        self._check_files()
        self._axis = check_axis(0 if axis is None else axis, self._counts, self.where)
        self.shape = self._counts if self._axis == 0 else self._counts[::-1]
        # What does not lie together is in every part of the file.
        self.is_slow_layout = self._axis != major

    @staticmethod
    def _check_beside(files: list[Path], named: str) -> None:
        for file in files[1:]:
            if not file.is_file():
                raise ValueError(
                    f"{named} needs {file.name!r} beside it, which says how many "
                    "persons (.fam) or variants (.bim) there are."
                )

    def _check_size(self, major: int, named: str) -> None:
        """Raise unless the three files are of one size."""
        n_items, width = self._counts[major], self._counts[1 - major]
        needed = 3 + n_items * -(-width // _PER_BYTE)
        size = self._opened.states[self._path].nbytes
        if size != needed:
            persons, variants = self._counts
            raise ValueError(
                f"{named} has {size:,} bytes, and needs {needed:,} for the "
                f"{persons:,} persons in its .fam and the {variants:,} variants in its "
                ".bim. It is truncated, or of other files."
            )

    def _open(self):
        """Return the file as bed-reader opens it, with sizes that are known."""
        if self._bed is None:
            reader = import_library("bed_reader", ".bed files", "plink", self._path)
            persons, variants = self._counts or (None, None)
            self._bed = reader.open_bed(
                self._path,
                fam_location=Path(self._path).with_suffix(".fam"),
                bim_location=Path(self._path).with_suffix(".bim"),
                iid_count=persons,
                sid_count=variants,
                num_threads=1,
                skip_format_check=True,  # or a file is left open
            )
        return self._bed

    def _read(self, start: int, stop: int):
        rows = slice(start, stop)
        if self._axis == 0:
            read = self._open().read(np.s_[rows, :], self.dtype.name, order="C")
        else:
            read = self._open().read(np.s_[:, rows], self.dtype.name, order="F").T
        if self.dtype.kind == "i" and (missing := read == _MISSING).any():
            row = start + int(missing.any(axis=1).argmax())
            raise ValueError(
                f"{self.where} has a missing genotype in row {row:,}, and int8 has no "
                "NaN for it. Open it with dtype='float32', where it is NaN."
            )
        return read

    @property
    def block_rows(self) -> int:
        if not self.is_slow_layout:
            return super().block_rows
        return max(1, _BLOCK_NBYTES // max(1, self.row_nbytes))

    def find_units(self, least_rows: int) -> np.ndarray:
        if not self.is_slow_layout:
            return super().find_units(least_rows)
        return make_units(self.n_rows, max(least_rows, self.block_rows))

    def _iter_blocks(self, rows: np.ndarray):
        if not self.is_slow_layout:
            yield from super()._iter_blocks(rows)
            return
        # Any rows cost a pass over the file, whatever lies between them.
        yield from cut_blocks(
            rows, np.flatnonzero(np.diff(rows // self.block_rows)) + 1
        )

    def find_disk_nbytes(self) -> int:
        return self._opened.states[self._path].nbytes

    def close(self) -> None:
        super().close()
        self._bed = None

    def __reduce__(self):
        run = self._run or self._begin()
        state = vars(self) | {"_bed": None, "_opened": run, "_run": run}
        state.pop("_shared_key", None)
        return _restore, (state,)


def _restore(state: dict) -> BedStore:
    store = BedStore.__new__(BedStore)
    vars(store).update(state)
    return store
