"""CSV files, by their first bytes: names of columns, and how to convert such a file."""

import csv
import json
import os
import shlex
import zlib
from contextlib import suppress
from itertools import zip_longest
from pathlib import Path

from skmmap.disk import open_regular

_SAMPLE_NBYTES = 2**16  # for the first two lines
_DELIMITERS = {".csv": ",", ".tsv": "\t"}
_GZIP = b"\x1f\x8b"
_SHOWN = 60  # characters of a line
_LISTED = 10  # columns


def is_csv_name(path) -> bool:
    """Whether a file is CSV or TSV by its name."""
    return find_csv_suffix(path) in _DELIMITERS


def find_csv_suffix(path) -> str:
    """Return the suffix of a path in small letters, without ``.gz``."""
    path = Path(os.fsdecode(path).lower())
    return Path(path.stem).suffix if path.suffix == ".gz" else path.suffix


def _find_stem(path: Path) -> str:
    """Return the name of a file without its suffixes."""
    stem = Path(path).stem
    return Path(stem).stem if Path(path).suffix.lower() == ".gz" else stem


def say_lines(path: Path) -> str:
    """Say how to convert a file of JSON lines."""
    return f"Convert it: {_say_call(path, f'{_find_stem(path)}.parquet', None)}."


def find_delimiter(path) -> str:
    """Return what separates the values in a line."""
    return _DELIMITERS[find_csv_suffix(path)]


def are_numbers(names: list[str]) -> bool:
    """Whether a line that should name columns is a row of numbers.

    0, 1, 2, ... and 1, 2, 3, ... are what pandas and others call columns without names.
    """
    counted = [list(map(str, range(first, first + len(names)))) for first in (0, 1)]
    return all(map(_is_number, names)) and names not in counted


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def say_csv(path: Path, to: str, *, is_command: bool = False) -> str:
    """Say how to convert a CSV file to ``to``, and which columns it has.

    ``is_command`` asks for the command line instead of the function.
    """
    say = _say_command if is_command else _say_call
    names, values = _read_lines(path)
    if not names or are_numbers(names) or (len(names) == 1 and ";" in names[0]):
        separated = "tabs" if find_delimiter(path) == "\t" else "commas"
        line = find_delimiter(path).join(names)
        return (
            f"{say(path, to, None)}. Its first line must name the columns, separated "
            f"by {separated}; it is {line[:_SHOWN]!r}."
        )
    columns = _choose(names, values) if to.startswith("X") else names[-1]
    listed = ", ".join(map(repr, names[:_LISTED]))
    more = f" and {len(names) - _LISTED:,} more" if len(names) > _LISTED else ""
    table = ""
    if isinstance(columns, list) and len(columns) < len(names):
        whole = say(path, f"{_find_stem(path)}.parquet", None)
        table = f" With text as well, for rows of data frames: {whole}."
    return f"{say(path, to, columns)}.{table} Its columns are {listed}{more}."


def _read_lines(path: Path) -> tuple[list[str], list[str]]:
    """Return the values in the first two lines."""
    with open_regular(path) as file:
        first = file.read(_SAMPLE_NBYTES)
    if first.startswith(_GZIP):
        with suppress(zlib.error):
            first = zlib.decompressobj(wbits=31).decompress(first)
    lines = first.decode("utf-8-sig", errors="replace").splitlines()[:2]
    rows = csv.reader(lines, delimiter=find_delimiter(path))
    names, values, *_ = [*rows, [], []]
    return names, values


def _choose(names: list[str], values: list[str]) -> list[str]:
    """Return the columns that hold numbers in their first row, else all."""
    pairs = zip_longest(names, values[: len(names)], fillvalue="")
    return [name for name, value in pairs if _is_number(value)] or names


def _say_call(path: Path, to: str, columns) -> str:
    """Say the call of ``skmmap.convert``."""
    given = f"{_quote(str(path))}, {_quote(to)}"
    if isinstance(columns, list):
        more = ["…"] if len(columns) > _LISTED else []
        listed = ", ".join([*map(_quote, columns[:_LISTED]), *more])
        return f"skmmap.convert({given}, columns=[{listed}])"
    column = f", columns={_quote(columns)}" if columns else ""
    return f"skmmap.convert({given}{column})"


def _quote(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


def _say_command(path: Path, to: str, columns) -> str:
    """Say the command ``python -m skmmap convert``."""
    more = ["…"] if columns and len(columns) > _LISTED else []
    option = ["--columns", ",".join(columns[:_LISTED] + more)] if columns else []
    words = ["python", "-m", "skmmap", "convert", str(path), to, *option]
    return shlex.join(words)
