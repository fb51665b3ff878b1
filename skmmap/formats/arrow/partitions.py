"""Columns whose values stand in the names of folders, as in ``year=2024/month=1``.

Hive began it, and Spark, pyarrow, polars and DuckDB write it, each with rules of its
own for types: https://arrow.apache.org/docs/python/dataset.html#reading-partitioned-data.
"""

import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from urllib.parse import unquote

from skmmap.formats.arrow.arrow_files import import_arrow, open_arrow, open_stream

_MISSING = "__HIVE_DEFAULT_PARTITION__"
_INTEGER = re.compile(r"0|-?[1-9][0-9]{0,17}")


def is_partition(name: str) -> bool:
    """Whether a folder has the name of a key and a value."""
    return name.partition("=")[0] != "" and "=" in name


@dataclass(frozen=True)
class Partitions:
    """The keys of files, which are in the names of the folders between root and file.

    ``values`` are those of each file in the order of ``names``, None for a missing one.
    A key is an integer if all of its values are written as integers are.
    """

    names: tuple = ()
    values: tuple = ()  # of pairs: path, values
    n_folders: int = 0  # between root and file

    @classmethod
    def find(cls, files: list, roots: list) -> "Partitions":
        """Return the keys of files, each of which is one of ``roots`` or inside one."""
        found = [_split(file, root) for file, root in zip(files, roots, strict=True)]
        names = tuple(found[0]) if found else ()
        for file, keys in zip(files, found, strict=True):
            if tuple(keys) != names:
                here, there = (", ".join(k) or "none" for k in (keys, names))
                raise ValueError(
                    f"{str(file)!r} lies in folders of other keys ({here}) than "
                    f"{str(files[0])!r} ({there}). Give folders of one kind at a time."
                )
        values = zip(files, (tuple(keys.values()) for keys in found), strict=True)
        values = tuple((str(file), each) for file, each in values)
        return cls(names, values, len(names))

    def drop(self, names) -> "Partitions":
        """Return the keys without some of them."""
        kept = [i for i, name in enumerate(self.names) if name not in names]
        values = ((path, tuple(each[i] for i in kept)) for path, each in self.values)
        return replace(
            self, names=tuple(self.names[i] for i in kept), values=tuple(values)
        )

    @cached_property
    def _by_path(self) -> dict:
        return dict(self.values)

    @cached_property
    def types(self) -> dict:
        """The Arrow type of each key."""
        arrow = import_arrow("pyarrow", "folders of keys")
        found = {}
        for number, name in enumerate(self.names):
            texts = {values[number] for _, values in self.values} - {None}
            are_integers = texts and all(map(_INTEGER.fullmatch, texts))
            found[name] = arrow.int64() if are_integers else arrow.string()
        return found

    def find_texts(self, path) -> dict:
        """Return the values of the keys of a file as they are written."""
        return dict(zip(self.names, self._by_path.get(str(path), ()), strict=True))

    def find_values(self, path) -> dict:
        """Return the values of the keys of a file, in their types."""
        is_text = {name: str(type_) == "string" for name, type_ in self.types.items()}
        return {
            name: text if text is None or is_text[name] else int(text)
            for name, text in self.find_texts(path).items()
        }

    def open(self, path, coded=(), open_file=open_arrow):
        """Open a file for a ``with`` block, its keys as further columns."""
        # pyarrow fails where a column is to come as codes that is not in the file.
        opened = open_file(path, [name for name in coded if name not in self.names])
        return self._add_to(opened, path) if self.names else opened

    def open_stream(self, path, coded=()):
        """Open a Parquet file likewise, to read its columns piece by piece."""
        return self.open(path, coded, open_stream)

    @contextmanager
    def _add_to(self, opened, path) -> Iterator["_KeyedFile"]:
        with opened as file:
            yield _KeyedFile(file, self.find_values(path), self.types, path)


class _KeyedFile:
    """A file while it is read, with columns of one value each at the end."""

    def __init__(self, file, values: dict, types: dict, path):
        both = [name for name in values if name in file.schema.names]
        if both:
            raise ValueError(
                f"Column {both[0]!r} is in {str(path)!r}, and also a key of its "
                "folder. Rename one of them, or give the files themselves, for "
                "example by a pattern."
            )
        self._file, self._values, self._types = file, values, types
        self._arrow = sys.modules["pyarrow"]
        self.schema, self.is_mapped = file.schema, file.is_mapped
        for name, type_ in types.items():
            self.schema = self.schema.append(self._arrow.field(name, type_))

    def _leave(self, names) -> list:
        """Return the columns that are in the file."""
        return [name for name in names if name not in self._values]

    def find_counts(self, names) -> list[int]:
        return self._file.find_counts(self._leave(names) or self._file.schema.names)

    def find_nulls(self, names) -> set:
        missing = {n for n in names if n in self._values and self._values[n] is None}
        return self._file.find_nulls(self._leave(names)) | missing

    def find_unknown(self, names) -> set:
        return self._file.find_unknown(self._leave(names))

    def find_nbytes(self, names) -> int:
        return self._file.find_nbytes(self._leave(names))

    def find_decoded(self, names) -> list[int]:
        return self._file.find_decoded(self._leave(names))

    def read(self, number: int, names, is_mapped: bool):
        own = self._leave(names)
        if own:
            return self._add(self._file.read(number, own, is_mapped), names)
        n_rows = self.find_counts(names)[number]
        return self._arrow.table({name: self._repeat(name, n_rows) for name in names})

    def iter_batches(self, number: int, names, batch_rows: int):
        for table in self._file.iter_batches(number, self._leave(names), batch_rows):
            yield self._add(table, names)

    def _add(self, table, names):
        for name in dict.fromkeys(names):
            if name in self._values:
                column = self._repeat(name, table.num_rows)
                table = table.append_column(name, column)
        return table

    def _repeat(self, name: str, n_rows: int):
        """Return a column of one value: its code, and the value once."""
        arrow, value, type_ = self._arrow, self._values[name], self._types[name]
        return arrow.repeat(arrow.scalar(value, type_), n_rows)


def _split(file: Path, root: Path) -> dict:
    """Return keys and values of the folders between a root and a file in it."""
    if file == root:
        return {}
    found: dict = {}
    for part in file.relative_to(root).parts[:-1]:
        name, value = _decode(part, file)
        if name in found:
            raise ValueError(
                f"{str(file)!r} lies in two folders of the key {name!r}. Give one of "
                "them."
            )
        found[name] = None if value == _MISSING else value
    return found


def _decode(part: str, file: Path) -> tuple[str, str]:
    """Return the key and the value that the name of a folder stands for."""
    name, _, value = part.partition("=")
    try:
        return unquote(name, errors="strict"), unquote(value, errors="strict")
    except UnicodeDecodeError as error:  # others than UTF-8 would become one value
        raise ValueError(
            f"The name of the folder {part!r} of {str(file)!r} is no text in UTF-8: "
            f"{error}. Rename it."
        ) from error


def iter_inside(folder: Path, is_part) -> Iterator[Path]:
    """Yield the files in a folder and its partitions, at any depth.

    ``is_part`` says of an entry of a folder whether it is a file of rows.
    """
    with os.scandir(folder) as entries:
        for entry in entries:
            if is_part(entry):
                yield Path(entry.path)
            elif is_partition(entry.name) and entry.is_dir():
                yield from iter_inside(Path(entry.path), is_part)
