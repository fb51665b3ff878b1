"""zarr's arrays and groups behind URLs, whose chunks are objects of their own."""

import os
from functools import partial

from skmmap.disk import Identity
from skmmap.formats.groups import (
    ChunkStore,
    check_codec,
    describe_arrays,
    find_array,
    find_codecs,
    open_node,
    register_codecs,
)
from skmmap.formats.shared import import_library
from skmmap.remote import (
    RemoteFile,
    find_path,
    open_system,
    repeat,
    say_url,
    shield,
    split_chain,
)
from skmmap.rows import Store

_ATTEMPTS = 5
_METADATA = {2: ".zarray", 3: "zarr.json"}


def is_zarr(url: str) -> bool:
    """Whether a URL names an array or group of zarr, or what is inside of one."""
    return any(part.lower().endswith(".zarr") for part in find_path(url).parts)


def open_zarr(url: str, options: dict, key: str | None) -> Store:
    """Return the store of an array, or a CSR matrix, behind a URL."""
    open_system(url, options)  # says which library is missing
    where = say_url(url)
    try:
        node = _open(url, options)
    except FileNotFoundError:
        said = f"{where!r} has no metadata of zarr, or does not answer."
        raise FileNotFoundError(said) from None
    with shield(url):
        _check_listed(node, key, where)
        try:
            found = find_array(node, key, where)
            return open_node(found, partial(_open_array, url=url, options=options))
        except ValueError as error:
            check_codec(error, where)
            raise


def _check_listed(node, key: str | None, where: str) -> None:
    if key is None and not hasattr(node, "shape") and not describe_arrays(node):
        raise ValueError(
            f"{where!r} is a group of zarr, and the server does not list what it "
            f"holds. Name an array in it: open_rows({where!r}, key='X')."
        )


def _open(url: str, options: dict, path: str = ""):
    zarr = import_library("zarr", "zarr arrays", "zarr", say_url(url))
    given = {"mode": "r", "path": path, "storage_options": options or None}
    return repeat(partial(zarr.open, url, **given), url, "opened")


def _open_array(array, name: str, *, url: str, options: dict) -> "RemoteArray":
    store = RemoteArray(array, url, options)
    store.set_fills(array)
    return store


class RemoteArray(ChunkStore):
    """Rows of a zarr array behind a URL.

    Of its objects only the metadata are compared, which are written with a new array:
    to ask for those of all chunks would take as long as to read them.
    """

    is_decoded = True

    def __init__(self, array, url: str, options: dict):
        self._array, self._process = array, os.getpid()
        self._url, self._options, self._key = url, options, array.path
        name = find_path(url).name
        self.where = f"{name}:/{array.path}" if array.path else name
        self._codecs = find_codecs(array)
        before, place, after = split_chain(url)
        parts = place.rstrip("/"), array.path, _METADATA[array.metadata.zarr_format]
        metadata = "/".join(filter(None, parts))
        self._file = RemoteFile(f"{before}{metadata}{after}", options, 0)
        self._opened = Identity(facts=((*self._file.state,),), is_known=False)
        self._describe(array)

    def _begin(self) -> Identity:
        self._file.check()
        return self._opened

    def finish(self) -> None:
        self._file.check()

    def _check_files(self, cause: Exception | None = None) -> None:
        """Ask for the metadata after an error: after each read would take longer."""
        if cause is not None:
            self._file.check()

    def _read(self, start, stop):
        if self._array is None or self._process != os.getpid():
            self._file.check()  # it may have changed since it was pickled
            found = _open(self._url, self._options, self._key)
            self._array, self._process = self._check_same(found), os.getpid()
        return self._decode(self._array, start, stop)

    def _decode(self, array, start, stop):
        return repeat(lambda: array[start:stop], self._url, "read", _ATTEMPTS)

    def find_disk_nbytes(self) -> int | None:
        return None

    def close(self) -> None:
        super().close()
        self._array = None

    def __getstate__(self) -> dict:
        return self._list_vars() | {"_array": None}

    def __setstate__(self, state: dict) -> None:
        vars(self).update(state)
        register_codecs(self._codecs)
