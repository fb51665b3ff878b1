"""Objects that hold rows, one adapter for each kind, all of the same shape."""

from skmmap.formats.objects import (
    array_likes,
    arrow_tables,
    batches,
    dask,
    frames,
    matrices,
    refused,
    sequences,
    sliceable,
    streams,
    xarray,
)

__all__ = [
    "array_likes",
    "arrow_tables",
    "batches",
    "dask",
    "frames",
    "matrices",
    "refused",
    "sequences",
    "sliceable",
    "streams",
    "xarray",
]
