"""xarray's arrays, which may be dask arrays inside (needs xarray)."""

from skmmap.formats.objects.dask import open_dask
from skmmap.formats.objects.sliceable import open_lazy
from skmmap.formats.shared import ArrayInfo, Format, is_instance
from skmmap.rows import Store

FORMAT = Format()


def is_mine(source, first: bytes = b"") -> bool:
    """Whether it is one array of xarray's."""
    return is_instance(source, {("xarray", "DataArray")})


def list_arrays(source) -> list[ArrayInfo]:
    """Return the one array that it is."""
    return [ArrayInfo.of(open_store(source, "source"))]


def open_store(source, name: str) -> Store:
    """Return the store of the dask array inside, or of the array by its slices."""
    if source.chunks is not None and source.shape:
        return open_dask(source.data)
    return open_lazy(source)
