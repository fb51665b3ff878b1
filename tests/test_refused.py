"""Objects that hold rows and are none are refused with what to give instead."""

import io

import anndata
import dask.array
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import xarray
from helpers import raises
from sklearn.preprocessing import StandardScaler

from skmmap import ChunkedFit, open_rows
from skmmap.formats.objects.refused import REFUSED
from skmmap.formats.shared import is_instance

X = np.arange(12.0).reshape(4, 3)
VARIABLES = xarray.Dataset({"x": (("row", "column"), X)})
GIVEN = {
    "AnnData": (anndata.AnnData(X), lambda adata: adata.X),
    "Dataset": (VARIABLES, lambda dataset: dataset["x"]),
    "Delayed": (
        dask.delayed(X),
        lambda value: dask.array.from_delayed(value, X.shape, X.dtype),
    ),
}
PACKED = io.BytesIO()
pq.write_table(pa.table(dict(zip("abc", X.T, strict=True))), PACKED)
GIVEN |= {"ParquetFile": (pq.ParquetFile(PACKED), lambda file: file.read())}
if hasattr(xarray, "DataTree"):  # from 2024.10 on
    GIVEN["DataTree"] = (
        xarray.DataTree.from_dict({"/group": VARIABLES}),
        lambda tree: tree["group"]["x"],
    )


def use_in_doors(given):
    return [
        lambda: open_rows(given),
        lambda: open_rows([given, given]),
        lambda: ChunkedFit(StandardScaler()).fit(given),
        lambda: ChunkedFit(StandardScaler()).fit(X).transform(given),
    ]


@pytest.mark.parametrize("kind", GIVEN)
def test_what_holds_rows_is_none(kind):
    given, find_rows = GIVEN[kind]
    text = next(text for cls, text in REFUSED.items() if is_instance(given, {cls}))
    for use in use_in_doors(given):
        with raises(TypeError, text):
            use()
    assert np.array_equal(np.asarray(open_rows(find_rows(given))), X)


def test_an_array_of_xarray_without_dimensions():
    text = (
        "A DataArray of the shape () has no rows. Give an array of at least one "
        "dimension."
    )
    for given in (xarray.DataArray(3.0), xarray.DataArray(3.0).chunk()):
        for use in use_in_doors(given):
            with raises(ValueError, text):
                use()


def test_what_does_not_become_an_array():
    class Parts:
        def __len__(self):
            return 2

        def __getitem__(self, number):
            return [1.0] * (number + 1) if number < 2 else [][1]

        def __iter__(self):
            return map(self.__getitem__, range(2))

    for name, use in zip("sX", use_in_doors(Parts())[::2], strict=True):
        name = "source" if name == "s" else name
        with pytest.raises(ValueError, match="inhomogeneous") as caught:
            use()
        said = str(caught.value)
        begin = f"{name} is of the type Parts, which does not become an array: setting "
        assert said.startswith(begin)
        end = ". Give what holds its rows: an array, a frame, a matrix or a list."
        assert said.endswith(end)
        assert ".." not in said
