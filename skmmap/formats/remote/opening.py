"""What is behind a URL: which format, and its store."""

from functools import partial

from skmmap.disk import MAGIC
from skmmap.formats.arrow import MAGIC as MAGIC_OF_TABLES
from skmmap.formats.arrow import SUFFIXES
from skmmap.formats.remote.array_store import open_npy, open_raw
from skmmap.formats.remote.finding import find_urls
from skmmap.formats.remote.tables import find_tables, is_table, open_tables
from skmmap.formats.remote.zarr_array import is_zarr, open_zarr
from skmmap.formats.shared import UNSET, check_options
from skmmap.order import parse_size
from skmmap.remote import RemotePath, at_once, find_path, say_url
from skmmap.rows import Store

_REMOTE = "storage_options", "cache"
_TABLE = "columns", "as_frame", "filters"
_NAMED = "", *SUFFIXES  # files and folders of tables, by their suffixes
_RAW = "dtype", "shape", "offset"


def list_urls(url: str, options: dict) -> list[str] | None:
    """Return the URLs that a pattern finds, None if it is none."""
    _check(url, options, [name for name in UNSET if name != "mode"])
    return find_urls(url, _get_storage(options))


def join_urls(urls: list, options: dict) -> Store | None:
    """Return one store of several files or folders of tables, None if they are none."""
    if any(find_path(url).suffix.lower() not in _NAMED for url in urls):
        return None  # without a request for each
    paths = at_once(partial(_make_path, options=options), urls)
    found = [_find_tables(path, options) for path in paths]
    return _join(paths, found, options) if all(found) else None


def open_url(url: str, name: str, options: dict) -> Store:
    """Return the store of what is behind a URL."""
    if options["dtype"] is not None:
        _check(url, options, (*_RAW, *_REMOTE))
        given = (options[key] for key in _RAW)
        return open_raw(_make_path(url, options), name, *given)
    if is_zarr(url):
        _check(url, options, ("key", "storage_options"))
        return open_zarr(url, _get_storage(options), options["key"])
    if find_path(url).suffix.lower() == ".lance":
        raise ValueError(
            f"{name}={say_url(url)!r} is opened by Lance itself: give "
            "lance.dataset(url, storage_options=...)."
        )
    path = _make_path(url, options)
    if tables := _find_tables(path, options):
        return _join([path], [tables], options)
    if path.read_first(len(MAGIC)) == MAGIC:
        _check(url, options, _REMOTE)
        return open_npy(path, name)
    raise ValueError(
        f"{name}={say_url(url)!r} is no file of which ranges can be read: supported "
        "are .npy, zarr, Parquet and ORC files, and raw binary with dtype and shape. "
        "Download it, for example with fsspec.filesystem(...).get(url, path)."
    )


def _find_tables(path: RemotePath, options: dict) -> list[RemotePath]:
    """Return the table that a file is, or those in a folder; none if it is neither."""
    is_file = not path.file.is_folder
    if is_file and (is_table(path) or path.read_first(8).startswith(MAGIC_OF_TABLES)):
        return [path]
    if not path.file.may_be_folder:
        return []
    urls = find_tables(path.url, _get_storage(options))
    return at_once(partial(_make_path, options=options), urls)


def _join(roots: list, found: list, options: dict) -> Store:
    _check(roots[0].url, options, (*_TABLE, *_REMOTE))
    paths = [path for tables in found for path in tables]
    places = zip(roots, found, strict=True)
    each = [root for root, tables in places for _ in tables]
    return open_tables(paths, each, *(options[key] for key in _TABLE))


def _make_path(url: str, options: dict) -> RemotePath:
    limit = _find_limit(options["cache"])
    return RemotePath(url, _get_storage(options), limit)


def _get_storage(options: dict) -> dict:
    return options["storage_options"] or {}


def _find_limit(cache) -> int | None:
    """Return the bytes that may be kept on disk, None if that is left open."""
    if isinstance(cache, str) and cache == "auto":
        return None
    return 0 if cache is None else parse_size(cache, "cache")


def _check(url: str, options: dict, taken) -> None:
    """Raise for an option that would be ignored."""
    check_options(say_url(url), options, taken)
