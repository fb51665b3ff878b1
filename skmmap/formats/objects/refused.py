"""Objects that hold rows, or become some, and are none: what to give instead."""

from typing import NoReturn

import numpy as np

from skmmap.formats.shared import NPZ, ArrayInfo, Format, is_instance

FORMAT = Format()

# By package and class, what to say.
REFUSED = {
    ("anndata", "AnnData"): (
        "An AnnData holds several matrices and tables. Give one of them: adata.X, "
        "adata.layers[name], adata.obsm[name] or adata.obs[name]."
    ),
    ("mudata", "MuData"): (
        "A MuData holds several matrices and tables. Give one of them: mdata[name].X, "
        "mdata.obsm[name] or mdata.obs[name]."
    ),
    ("xarray", "Dataset"): (
        "A Dataset of xarray holds several variables. Give one of them: dataset[name]."
    ),
    ("xarray", "DataTree"): (
        "A DataTree of xarray holds several variables. Give one of them: "
        "tree[group][name]."
    ),
    ("dask", "Delayed"): (
        "A Delayed of dask has no known length, and would be loaded whole. Give "
        "dask.array.from_delayed(value, shape, dtype); or value.compute(), where that "
        "fits in memory."
    ),
    ("astropy", "_BaseHDU"): (
        "An HDU of astropy is no array. Give its section, hdu.section, or the path: "
        "open_rows(path, key=name)."
    ),
    ("nibabel", "SpatialImage"): (
        "An image of nibabel is read through its file. Give the path, and the axis of "
        "its rows: open_rows(path, axis=-1); or np.asarray(img.dataobj), where that "
        "fits in memory."
    ),
    ("nibabel", "ArrayProxy"): (
        "A proxy of nibabel reads its whole file for rows of its first axis. Give the "
        "path, and the axis of its rows: open_rows(path, axis=0); or "
        "np.asarray(proxy), where that fits in memory."
    ),
    ("pyarrow", "ParquetFile"): (
        "A ParquetFile of pyarrow is an open file. Give its path."
    ),
}


def is_mine(source, first: bytes = b"") -> bool:
    """Whether it is of a class in the table, or an archive that NumPy has opened."""
    is_npz = isinstance(source, np.lib.npyio.NpzFile)
    return is_npz or is_instance(source, REFUSED.keys())


def list_arrays(source) -> list[ArrayInfo]:
    """Raise as `open_store` does."""
    open_store(source, "source")


def open_store(source, name: str) -> NoReturn:
    """Raise, and say what to give instead."""
    if isinstance(source, np.lib.npyio.NpzFile):
        raise TypeError(NPZ.format(name=name, path="an .npz archive"))
    matches = (text for cls, text in REFUSED.items() if is_instance(source, {cls}))
    raise TypeError(next(matches))
