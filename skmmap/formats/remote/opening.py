"""What is behind a URL: which format, and its store."""

from functools import partial

from skmmap.disk import MAGIC, by_numbers
from skmmap.formats.arrow import MAGIC as TABLES
from skmmap.formats.files import zarr
from skmmap.formats.remote.array_store import open_npy, open_raw
from skmmap.formats.remote.tables import find_tables, is_table, open_tables
from skmmap.formats.shared import check_options
from skmmap.order import parse_size
from skmmap.remote import RemotePath, find_url_suffix, open_system, say_url
from skmmap.rows import Store

REMOTE = "storage_options", "cache"
_TABLE = "columns", "as_frame", "filters"
_RAW = "dtype", "shape", "offset"


def find_urls(url: str, options: dict) -> list[str] | None:
    """Return the URLs that a pattern finds, X_2 before X_10; None if it is none.

    ``?`` begins the query of a URL, so that only ``*`` makes a pattern of it.
    """
    if "*" not in url:
        return None
    system, pattern = open_system(url, options["storage_options"] or {})
    paths = sorted(system.glob(pattern), key=by_numbers)
    if not paths:
        raise FileNotFoundError(f"source={say_url(url)!r} matches no file.")
    return [system.unstrip_protocol(path) for path in paths]


def join_urls(urls: list, options: dict) -> Store | None:
    """Return one store of several files of tables, None if they are none."""
    make = partial(_make_path, options=options)
    paths = [make(url) for url in urls]
    if not all(map(is_table, paths)):
        return None
    _check(urls[0], options, _TABLE)
    return open_tables(paths, paths, *(options[name] for name in _TABLE))


def open_url(url: str, name: str, options: dict) -> Store:
    """Return the store of what is behind a URL."""
    storage = options["storage_options"] or {}
    if options["dtype"] is None and find_url_suffix(url) == ".zarr":
        # A folder, which has no answer of its own where a server lists none.
        _check(url, options, ("key",))
        return zarr.open_remote(url, storage, options["key"])
    if find_url_suffix(url) == ".lance":
        raise ValueError(
            f"{name}={say_url(url)!r} is opened by Lance itself: give "
            "lance.dataset(url, storage_options=...)."
        )
    path = _make_path(url, options)
    if options["dtype"] is not None:
        _check(url, options, _RAW)
        return open_raw(path, name, *(options[key] for key in _RAW))
    tables = [path] if is_table(path) else []
    if not path.suffix:
        tables = find_tables(url, storage, partial(_make_path, options=options))
    if not tables:
        tables = [path] if path.read_first(8).startswith(TABLES) else []
    if tables:
        _check(url, options, _TABLE)
        roots = tables if tables == [path] else [path] * len(tables)
        return open_tables(tables, roots, *(options[key] for key in _TABLE))
    if path.read_first(len(MAGIC)) == MAGIC:
        _check(url, options, ())
        return open_npy(path, name)
    raise ValueError(
        f"{name}={say_url(url)!r} is no file of which ranges can be read: supported "
        "are .npy, zarr, Parquet and ORC files, and raw binary with dtype and shape. "
        "Download it, for example with fsspec.filesystem(...).get(url, path)."
    )


def _make_path(url: str, options: dict) -> RemotePath:
    return RemotePath(url, options["storage_options"], _find_limit(options["cache"]))


def _find_limit(cache) -> int | None:
    """Return the bytes that may be kept on disk, None if that is left open."""
    if isinstance(cache, str) and cache == "auto":
        return None
    return 0 if cache is None else parse_size(cache, "cache")


def _check(url: str, options: dict, taken: tuple) -> None:
    """Raise for an option that would be ignored."""
    check_options(say_url(url), options, (*taken, *REMOTE))
