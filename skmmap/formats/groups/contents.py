"""Arrays in HDF5 files and zarr groups, and CSR matrices of three arrays each."""

import numpy as np

from skmmap.formats.groups.hdf_links import get_node, list_nodes
from skmmap.formats.groups.matlab import find_class, find_kind
from skmmap.formats.groups.texts import is_text
from skmmap.formats.shared import ArrayInfo, is_instance

PARTS = "data", "indices", "indptr"
# The arrays of anndata's columns that are groups: the first has an item for each row,
# the second or the first the values.
COLUMNS = {
    "categorical": ("codes", "categories"),
    "nullable-integer": ("values", "mask"),
    "nullable-boolean": ("values", "mask"),
    "nullable-string-array": ("values", "mask"),
}
_LISTED = 10
# NetCDF4 says so of a dimension that has a length and no values.
_NO_VARIABLE = "This is a netCDF dimension but not a netCDF variable"
_HIDDEN = "#refs#/", "#subsystem#/"  # what cells of MATLAB refer to


def find_array(group, key, where: str):
    """Return the node of this name in a file or group, or the only one there is.

    That is an array, or a group that holds a sparse matrix; one in another file, to
    which a link leads, if there is none in the file itself.
    """
    return find_named(group, key, where)[1]


def find_named(group, key, where: str) -> tuple:
    """Return the same node after its full name, which links lead to.

    What it calls itself is its name in the file in which it lies.
    """
    _check_key(group, key, where)
    found = group if key is None else get_node(group, key)
    name = f"/{(key or '').strip('/')}"
    if _is_found(found):
        return name, found
    arrays = list_nodes_with_rows(group if found is None else found)
    arrays = [pair for pair in arrays if _has_rows(pair[1])] or arrays
    own = [item for item in arrays if not isinstance(item[1], ArrayInfo)]
    if found is not None and len(own or arrays) == 1:
        inside, _ = (own or arrays)[0]
        return f"{name.rstrip('/')}/{inside}", get_node(found, inside)
    if not arrays:
        raise ValueError(f"{where!r} holds no dataset.")
    if found is None:
        listed = _list_arrays(arrays)
        raise ValueError(f"{where!r} has no dataset {key!r}; it holds {listed}.")
    # A key is a name in what the user gave, not in the group that is found there.
    key = (key or "").strip("/")
    named = [(f"{key}/{own}" if key else own, item) for own, item in arrays]
    raise ValueError(
        f"{where!r} holds {len(named):,} datasets{f' in {key!r}' if key else ''}; name "
        f"one, open_rows(..., key={named[0][0]!r}): {_list_arrays(named)}."
    )


def _check_key(group, key, where: str) -> None:
    """Raise for a key that is no name, or of what has no names inside."""
    if key is None:
        return
    if hasattr(group, "shape"):
        raise ValueError(f"key has no meaning for the array {where!r}; got {key!r}.")
    if not isinstance(key, str):
        listed = _list_arrays(list_nodes_with_rows(group))
        raise TypeError(
            f"key must be the name of a dataset in {where!r}; got {key!r}. It holds "
            f"{listed}."
        )


def _list_arrays(arrays: list) -> str:
    listed = ", ".join(f"{name} {_say_shape(item)}" for name, item in arrays[:_LISTED])
    more = len(arrays) - _LISTED
    return listed + (f" and {more:,} more" if more > 0 else "")


def _is_found(node) -> bool:
    return hasattr(node, "shape") or is_sparse_group(node) or bool(find_columns(node))


def _say_shape(node) -> str:
    shape = _describe(node).shape or ()
    return f"({' x '.join(f'{n:,}' for n in shape)})"


def describe_arrays(node) -> list[ArrayInfo]:
    """Return what is known of the arrays in a group, or of the array that it is."""
    named = [("", node)] if _is_found(node) else list_nodes_with_rows(node)
    return [_describe(found)._replace(name=name) for name, found in named]


def list_nodes_with_rows(group) -> list:
    """Return the names and arrays in a group, at any depth; a matrix is one of them."""
    if hasattr(group, "members"):
        nodes = list(group.members(max_depth=None))
    else:
        nodes = list_nodes(group, _describe)
    inside = {f"{name}/{part}" for name, node in nodes for part in _iter_parts(node)}
    found = [
        (name, node)
        for name, node in nodes
        if _is_found(node) and name not in inside and not name.startswith(_HIDDEN)
    ]
    return sorted(found, key=lambda item: item[0])


def _has_rows(node) -> bool:
    """Whether an array can be what is meant: single values and mere names are not."""
    if getattr(node, "shape", None) == ():
        return False
    said = _decode(getattr(node, "attrs", {}).get("NAME", ""))
    return not (isinstance(said, str) and said.startswith(_NO_VARIABLE))


def _describe(node) -> ArrayInfo | None:
    if isinstance(node, ArrayInfo):
        return node
    if is_sparse_group(node):
        layout, shape = find_layout(node)
        values = get_node(node, PARTS[0])  # an empty matrix of MATLAB has none
        return ArrayInfo("", shape, getattr(values, "dtype", ""), layout)
    if parts := find_columns(node):
        values = node[parts["categories" in parts]]
        return ArrayInfo("", node[parts[0]].shape, _say_type(values.dtype))
    if not hasattr(node, "shape"):
        return None
    if find_class(node) and not node.attrs.get("MATLAB_empty"):
        shape, dtype = find_kind(node)
        return ArrayInfo("", shape, "text" if dtype.kind == "U" else dtype)
    return ArrayInfo("", node.shape, _say_type(node.dtype))


def _say_type(dtype):
    return "text" if is_text(dtype) else dtype


def _iter_parts(node):
    # Where the node is in a file that is closed again, whatever may be inside of it.
    is_described = isinstance(node, ArrayInfo)
    if is_described or is_sparse_group(node):
        yield from (*PARTS, "shape", "ir", "jc")
    if is_described:
        yield from {part for parts in COLUMNS.values() for part in parts}
    yield from find_columns(node)


def find_columns(node) -> tuple:
    """Return the names of the two arrays of a column that is a group, () if it is none.

    https://anndata.readthedocs.io/en/stable/fileformat-prose.html#categorical-arrays.
    """
    if node is None or hasattr(node, "shape"):
        return ()
    parts = COLUMNS.get(_decode(node.attrs.get("encoding-type")), ())
    return parts if all(get_node(node, part) is not None for part in parts) else ()


def is_sparse_group(node) -> bool:
    """Whether a group holds the three arrays of a sparse matrix."""
    if node is None or hasattr(node, "shape"):
        return False
    return is_matlab_sparse(node) or all(
        get_node(node, part) is not None for part in PARTS
    )


def is_matlab_sparse(group) -> bool:
    """Whether a group is a sparse matrix of MATLAB, stored by columns."""
    return "MATLAB_sparse" in group.attrs


def find_layout(group) -> tuple[str, tuple]:
    """Return "csr", "csc" or "", and the shape of rows and columns, () if unknown.

    anndata and h5sparse say both in attributes:
    https://anndata.readthedocs.io/en/stable/fileformat-prose.html#sparse-arrays.
    10x writes columns of genes x cells, which are rows of cells x genes:
    https://www.10xgenomics.com/support/software/cell-ranger/latest/analysis/outputs/
    cr-outputs-h5-matrices.
    """
    if is_matlab_sparse(group):
        return "csc", (int(group.attrs["MATLAB_sparse"]), len(group["jc"]) - 1)
    said = {name: _decode(group.attrs.get(name)) for name in _ATTRIBUTES}
    layout = said["encoding-type"] or said["h5sparse_format"] or ""
    shape = said["shape"] if said["shape"] is not None else said["h5sparse_shape"]
    stored = get_node(group, "shape") if shape is None else None
    if stored is not None:
        shape = stored[:]
        if get_node(group, "barcodes") is not None:
            layout, shape = "csr", shape[::-1]
    layout = layout.partition("_")[0] if isinstance(layout, str) else ""
    shape = () if shape is None else tuple(int(n) for n in np.ravel(shape))
    return layout, shape


_ATTRIBUTES = "encoding-type", "shape", "h5sparse_format", "h5sparse_shape"


def _decode(value):
    return value.decode() if isinstance(value, bytes) else value


_BACKED = {("anndata", "CSRDataset"), ("anndata", "CSCDataset")}


def get_backing(source):
    """Return the group of a matrix that anndata left in its file, else the object."""
    return source.group if is_instance(source, _BACKED) else source
