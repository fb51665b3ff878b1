"""Formats of files, one adapter each, all of the same shape."""

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

__all__ = [
    "csr_folder",
    "fits",
    "hdf5",
    "lance",
    "nifti",
    "parquet",
    "plink",
    "safetensors",
    "tiledb",
    "zarr",
]
