"""What the adapters of all formats agree on; ``formats/DESIGN.md`` has the contract."""

import os
from functools import lru_cache
from typing import NamedTuple, NoReturn

from skmmap.disk import is_path
from skmmap.rows import Store


class Format(NamedTuple):
    """What is known of a format without a look at a source.

    ``suffixes`` say whose files are that do not exist or are damaged; ``options`` are
    the parameters of `open_rows` that have a meaning here; ``joins`` is whether
    `open_store` takes a list of files as well, and returns one store of all.
    """

    suffixes: tuple = ()
    options: tuple = ()
    joins: bool = False


class ArrayInfo(NamedTuple):
    """An array in a source: its name in it, "" for the only one, its shape and type.

    ``dtype`` is a NumPy type, or the text for a column that NumPy has no type for;
    ``layout`` of a sparse matrix is "csr", "csc", or "" if nothing says it.
    """

    name: str
    shape: tuple
    dtype: object
    layout: str | None = None

    @classmethod
    def of(cls, store: Store) -> "ArrayInfo":
        """Return what a store says of its rows."""
        return cls("", store.shape, store.dtype, "csr" if store.is_sparse else None)


def is_instance(value, classes: set) -> bool:
    """Whether a class of ``value`` is named in ``classes``: (package, class) pairs.

    A name is enough, so that no library is imported to recognise objects of others.
    """
    return not classes.isdisjoint(_list_classes(type(value)))


@lru_cache
def _list_classes(cls: type) -> list[tuple]:
    return [(base.__module__.partition(".")[0], base.__name__) for base in cls.__mro__]


def refuse_option(source, name: str, option) -> NoReturn:
    """Raise for an option of `open_rows` that would be ignored for such a source."""
    # Options of storage are secrets.
    said = "a dict" if isinstance(option, dict) else repr(option)
    raise ValueError(f"{name} has no meaning for {say_source(source)}; got {said}.")


def say_source(source) -> str:
    """Return what messages call a source: its path, or the name of its class."""
    return repr(os.fspath(source)) if is_path(source) else f"a {type(source).__name__}"
