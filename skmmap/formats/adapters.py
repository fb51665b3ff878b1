"""The adapters of all formats, in the order in which they are asked.

None imports a library before a source of its format is opened. Adapters of other
formats than NumPy's are imported when a source is not one of these: all of them take
longer than a fit of a few rows. To add a format, see ``DESIGN.md`` beside this file.
"""

from collections.abc import Iterator
from types import ModuleType

from skmmap.disk import find_suffix, is_path, to_path
from skmmap.formats.numpy import arrays, npy, raw
from skmmap.formats.shared import may_be_parsed, read_first


def iter_files() -> Iterator[ModuleType]:
    """Yield the adapters of files."""
    yield npy
    from skmmap.formats.files import (
        csr_folder,
        fits,
        hdf5,
        lance,
        nifti,
        parquet,
        plink,
        safetensors,
        tiledb,
        zarr,
    )

    yield from (hdf5, zarr, parquet, lance, tiledb, safetensors)
    yield from (nifti, fits, plink, csr_folder, raw)


def iter_objects() -> Iterator[ModuleType]:
    """Yield the adapters of objects."""
    yield arrays
    yield from list_containers()
    from skmmap.formats.objects import (
        array_likes,
        frames,
        matrices,
        sequences,
        sliceable,
    )

    yield from (frames, matrices, sequences, sliceable, array_likes)


def list_containers() -> tuple[ModuleType, ...]:
    """Return those of objects that are a source each, also several in a list."""
    from skmmap.formats.files import hdf5, lance, tiledb, zarr
    from skmmap.formats.objects import (
        arrow_tables,
        batches,
        dask,
        refused,
        streams,
        xarray,
    )

    # A dataset of Lance is one of pyarrow too, which would be read as a stream.
    files = refused, hdf5, zarr, tiledb, lance
    return *files, dask, xarray, arrow_tables, streams, batches


def find_adapter(source, dtype=None) -> ModuleType | None:
    """Return the adapter of a path or an object, None of a folder of no format.

    ``dtype`` says that a file is raw, unless its name or its first bytes say more.
    """
    if is_path(source):
        return _find_by_path(to_path(source), dtype)
    return next(adapter for adapter in iter_objects() if adapter.is_mine(source))


def _find_by_path(path, dtype) -> ModuleType | None:
    first, named = read_first(path), find_named(path)
    found = next((a for a in iter_files() if a.is_mine(path, first)), None)
    if dtype is not None and found is npy and named is None:
        return raw
    # Names are for what does not exist or is damaged.
    return (named or found) if found in (None, raw) else found


def find_named(path) -> ModuleType | None:
    """Return the adapter of the suffix of a path, None if it is unknown."""
    suffix = find_suffix(path)
    return next((a for a in iter_files() if suffix in a.FORMAT.suffixes), None)


def find_common(sources) -> ModuleType | None:
    """Return the adapter that opens all of some files as one, None if there is none."""
    found = None
    for source in sources:
        adapter = find_adapter(source) if is_path(source) else None
        if adapter is None or not adapter.FORMAT.joins or found not in (None, adapter):
            return None
        found = adapter
    return found


def is_container(value) -> bool:
    """Whether ``value`` is an object of another library that is a source by itself."""
    return not is_path(value) and any(a.is_mine(value) for a in list_containers())


def names_rows(text: str) -> bool:
    """Whether a text among others is the path of a file of rows, rather than text.

    Files of tables are meant as rows as well, and opening one says what to do with it.
    """
    if not text:  # a label or sentence that is missing
        return False
    path = to_path(text)
    return may_be_parsed(path) or find_adapter(path) not in (None, raw)
