"""Keys in names of folders that are columns of the files too, as polars writes them."""

import sys
from importlib import import_module

from skmmap.formats.arrow.arrow_files import open_arrow
from skmmap.formats.arrow.columns import to_values
from skmmap.formats.arrow.partitions import Partitions


def drop_stored(partitions: Partitions, paths: list) -> Partitions:
    """Return the keys without those that are columns of all files, with their values.

    Columns have the types that were written. They are read once: a column with other
    values than its key is another one, which is called the same.
    """
    if not partitions.names:
        return partitions
    with open_arrow(paths[0]) as file:
        stored = set(partitions.names) & set(file.schema.names)
    for path in paths if stored else ():
        texts = partitions.find_texts(path)
        with open_arrow(path) as file:
            stored = {name for name in stored if _is_stored(file, name, texts[name])}
    return partitions.drop(stored)


def _is_stored(file, name: str, text: str | None) -> bool:
    """Whether all values of a column are what a text says, None a missing one."""
    if file.schema.names.count(name) != 1:
        return False
    groups = range(len(file.find_counts([name])))
    tables = (file.read(group, [name], file.is_mapped) for group in groups)
    return all(_has_only(to_values(table.column(name)), text) for table in tables)


def _has_only(column, text: str | None) -> bool:
    if text is None:
        return column.null_count == len(column)
    arrow, compute = sys.modules["pyarrow"], import_module("pyarrow.compute")
    try:
        value = arrow.scalar(text).cast(column.type)
    except (ValueError, NotImplementedError):
        return False
    return compute.all(compute.equal(column, value), skip_nulls=False).as_py() is True
