"""Objects of other libraries that hold rows, or are to become some, and are none."""

from typing import NoReturn

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
        "A Delayed of dask does not know its rows, and would be loaded whole. Give "
        "dask.array.from_delayed(value, shape, dtype); or value.compute(), where that "
        "fits in memory."
    ),
}


def refuse(value) -> NoReturn:
    """Raise for an object whose class is in the table."""
    classes = type(value).__mro__
    names = [(cls.__module__.partition(".")[0], cls.__name__) for cls in classes]
    raise TypeError(next(REFUSED[name] for name in names if name in REFUSED))
