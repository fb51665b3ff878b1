"""Files with a JSON object in each line as tables.

A pass over the file finds types that all values fit, and a second one reads them:
pyarrow's own stream has those of its first block.
"""

import gzip
import io
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

from skmmap.disk import is_path, is_pattern, open_regular, to_path
from skmmap.formats.arrow import choose_columns, is_string
from skmmap.formats.shared import find_csv_suffix, import_library
from skmmap.write.csv import Surprise

_BLOCK = 2**22  # bytes that are parsed at a time
_LONGEST = 2**26  # bytes of a line
_SUFFIXES = ".jsonl", ".ndjson"
_SHOWN = 60  # characters of a line


def is_json_lines(src) -> bool:
    """Whether ``src`` is the path of a file of JSON lines, by its name."""
    return is_path(src) and find_csv_suffix(src) in _SUFFIXES


class JsonTable:
    """The columns of a file of JSON lines, which is read block by block."""

    def __init__(self, path, columns):
        self._path, self._where = _check_json(path), Path(path).name
        self._columns = [columns] if isinstance(columns, str) else columns
        given = "JSON lines", "csv", path
        self._arrow = import_library("pyarrow", *given)
        self._json = import_library("pyarrow.json", *given)
        self._errors = self._arrow.ArrowInvalid, self._arrow.ArrowTypeError
        self._schema = None

    def survey(self) -> None:
        """Find types that all values fit, from one pass over the file."""
        known = self._arrow.schema([])
        for lines, before in self._iter_blocks():
            known = self._widen(known, lines, before)
        if not known.names:
            raise ValueError(f"{self._where!r} has no rows to convert.")
        names = dict.fromkeys(choose_columns(known, self._columns, self._where))
        self._schema = self._arrow.schema([known.field(name) for name in names])

    def iter_tables(self) -> Iterator:
        """Yield all rows; raise `Surprise` before the types are known."""
        if self._schema is None:
            raise Surprise
        arrow, schema = self._arrow, self._schema
        fields = [
            f.with_type(arrow.float64()) if arrow.types.is_null(f.type) else f
            for f in schema
        ]
        for lines, _ in self._iter_blocks():
            yield self._parse(lines, schema).cast(arrow.schema(fields))

    def _iter_blocks(self) -> Iterator[tuple]:
        """Yield lines that are not empty, and how many came before."""
        before, rest = 0, b""
        for block in self._iter_bytes():
            *lines, rest = (rest + block).split(b"\n")
            if len(rest) > _LONGEST:
                raise ValueError(
                    f"{self._where!r} cannot be read as JSON lines: row "
                    f"{before + len(lines):,} is longer than {_LONGEST:,} bytes."
                )
            if lines := [line for line in lines if line.strip()]:
                yield lines, before
            before += len(lines)
        if rest.strip():
            yield [rest], before

    def _iter_bytes(self) -> Iterator[bytes]:
        with open_regular(self._path) as file, ExitStack() as at_end:
            if str(self._path).lower().endswith(".gz"):
                file = at_end.enter_context(gzip.open(file))
            while block := file.read(_BLOCK):
                yield block

    def _parse(self, lines: list, schema=None):
        data = b"\n".join([*lines, b""])
        if not lines:
            return self._arrow.table({})
        return self._json.read_json(
            io.BytesIO(data),
            self._json.ReadOptions(block_size=len(data) + 1),
            self._json.ParseOptions(
                explicit_schema=schema,
                unexpected_field_behavior="infer" if schema is None else "ignore",
            ),
        )

    def _widen(self, known, lines: list, before: int):
        """Return the types that are known with those of some more rows."""
        try:
            return self._join(known, self._parse(lines).schema)
        except self._errors:
            pass
        start, stop = 0, len(lines)  # so many fit, and so many do not
        while stop - start > 1:
            middle = (start + stop) // 2
            try:
                self._join(known, self._parse(lines[:middle]).schema)
                start = middle
            except self._errors:
                stop = middle
        known = self._join(known, self._parse(lines[:start]).schema)
        raise ValueError(self._say_misfit(known, lines[start], before + start))

    def _join(self, known, found):
        """Return a schema of both, in which texts may look like times."""
        for field in found:
            number = known.get_field_index(field.name)
            types = [] if number < 0 else [known.field(number).type, field.type]
            if any(map(is_string, types)) and any(map(_is_time, types)):
                text = field.with_type(self._arrow.string())
                known = known.set(number, text)
                found = found.set(found.get_field_index(field.name), text)
        return self._arrow.unify_schemas([known, found], promote_options="permissive")

    def _say_misfit(self, known, line: bytes, row: int) -> str:
        """Say what is wrong in the first row that does not fit the others."""
        shown = line.decode(errors="replace")[:_SHOWN]
        try:
            found = self._parse([line])
        except self._errors as error:
            what = str(error).partition(": ")[2].removesuffix(" in row 0").rstrip(".")
            return (
                f"{self._where!r} cannot be read as JSON lines: row {row:,} is "
                f"{shown!r}: {what}. Each line must be an object; correct the file."
            )
        for field in found.schema:
            alone = self._arrow.schema([field])
            try:
                self._join(known, alone)
            except self._errors:
                break
        value = found.column(field.name)[0].as_py()
        return (
            f"Column {field.name!r} of {self._where!r} has {value!r} in row {row:,}, "
            f"and begins with values of the type {known.field(field.name).type}. "
            "Correct the value, or write the column as text in all rows."
        )


def _is_time(type_) -> bool:
    return str(type_).startswith(("timestamp", "date", "time"))


def _check_json(path) -> Path:
    path = to_path(path)
    if is_pattern(path):
        raise ValueError(
            f"src={str(path)!r} is a pattern, and files of JSON lines are converted "
            "one by one. Convert each to a Parquet file, which open_rows takes "
            "together."
        )
    with open_regular(path, f"src={str(path)!r}"):
        return path  # an error of Python's own, rather than one of pyarrow
