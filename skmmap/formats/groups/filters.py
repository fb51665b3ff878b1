"""Filters of HDF5 and codecs of zarr, which have to be registered in workers too."""

from contextlib import suppress
from importlib import import_module

# These register filters when they are imported, which nothing else does in workers.
_PLUGINS = "hdf5plugin", "bitshuffle.h5"
_OWN = "zarr", "numcodecs"  # whose codecs are there wherever zarr is


def list_plugin_paths() -> list[bytes]:
    """Return the folders in which HDF5 looks for filters in this process."""
    h5pl = import_module("h5py").h5pl
    return [h5pl.get(i) for i in range(h5pl.size())]


def read_dataset(dataset, part, paths, where: str):
    """Return a part of a dataset; ``paths`` are plugin folders of another process."""
    try:
        return dataset[part]
    except OSError as error:
        # Only now: a chunk that a filter did not make smaller is stored without it.
        if not find_missing(dataset):
            raise
        _load_filters(paths)
        if missing := find_missing(dataset):
            raise OSError(
                f"{where!r} is compressed with the filter {' and '.join(missing)}, "
                "which HDF5 does not have here. Install what brings it: pip install "
                "hdf5plugin."
            ) from error
        return dataset[part]


def find_missing(dataset) -> list[str]:
    """Return the filters of a dataset that are not available, by name and number."""
    filters = dataset.id.get_create_plist()
    known = [filters.get_filter(i) for i in range(filters.get_nfilters())]
    is_there = import_module("h5py").h5z.filter_avail
    return [_say_filter(f[0], f[3]) for f in known if not is_there(f[0])]


def _say_filter(code: int, name: bytes) -> str:
    said = name.decode(errors="replace").partition(" ")[0]
    return f"{said} ({code})" if said else str(code)


def _load_filters(paths) -> None:
    """Register the filters that are installed, or lie in one of the folders."""
    known = list_plugin_paths()
    for path in paths:
        if path not in known:
            import_module("h5py").h5pl.append(path)
    for name in _PLUGINS:
        with suppress(ImportError):
            import_module(name)


def find_codecs(array) -> list[tuple]:
    """Return name, class and zarr format of the codecs that are not zarr's own."""
    metadata = array.metadata
    if metadata.zarr_format == 2:
        codecs = [*(metadata.filters or ()), metadata.compressor]
        named = [(c.codec_id, type(c), 2) for c in codecs if c is not None]
    else:
        codecs = _iter_codecs(metadata.codecs)
        named = [(codec.to_dict()["name"], type(codec), 3) for codec in codecs]
    return [n for n in named if n[1].__module__.partition(".")[0] not in _OWN]


def _iter_codecs(codecs):
    """Yield codecs, those inside of shards included."""
    for codec in codecs:
        yield codec
        yield from _iter_codecs(getattr(codec, "codecs", ()))
        yield from _iter_codecs(getattr(codec, "index_codecs", ()))


def register_codecs(codecs) -> None:
    """Register the codecs that `find_codecs` found in another process."""
    for name, codec, zarr_format in codecs:
        if zarr_format == 2:
            import_module("numcodecs").register_codec(codec, name)
        else:
            import_module("zarr.registry").register_codec(name, codec)


def check_codec(error: ValueError, where: str) -> None:
    """Raise with a better message if ``error`` is about a codec that is missing."""
    if type(error).__name__ == "UnknownCodecError":
        name = str(error).partition(":")[2].strip(" '")
        raise ValueError(
            f"{where!r} is stored with the codec {name!r}, which zarr does not have "
            "here. Import the package that registers it before the rows are opened."
        ) from error
