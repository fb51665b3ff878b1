"""What slices return counts, not what a container says of itself."""

import numpy as np
import pytest
from helpers import raises
from scipy import sparse
from sklearn.linear_model import SGDClassifier
from sklearn.preprocessing import MaxAbsScaler, StandardScaler

from skmmap import ChunkedFit, convert, open_rows
from skmmap.formats.objects.sliceable import LazyCsrStore, LazyStore
from skmmap.formats.open import open_source

rng = np.random.default_rng(0)
VALUES = rng.normal(size=(60, 3)).astype("f4")
MASKED = np.ma.masked_greater(VALUES, 1.5)
BIG = rng.integers(40_000, 60_000, (60, 3)).astype("u2")


class Sliced:
    """Rows with a shape, a type that may be another one, and slices."""

    def __init__(self, rows, dtype=None, later=None):
        self.shape, self.dtype = rows.shape, np.dtype(dtype or rows.dtype)
        self._rows, self._later = rows, later

    def __getitem__(self, key):
        rows = self._rows[key]
        return rows if self._later is None or key.start < 30 else self._later(rows)


@pytest.fixture
def variables(tmp_path):
    """A file of netCDF4 variables whose slices are not what is stored."""
    netCDF4 = pytest.importorskip("netCDF4")
    with netCDF4.Dataset(tmp_path / "a.nc", "w") as file:
        file.createDimension("n", 60)
        file.createDimension("p", 3)
        for name, dtype, scaled in [("float", "f4", 0), ("scaled", "i2", 1)]:
            variable = file.createVariable(name, dtype, ("n", "p"), fill_value=-999)
            if scaled:
                variable.scale_factor, variable.add_offset = 0.25, 5.0
            variable[:] = MASKED
        variable = file.createVariable("unsigned", "i2", ("n", "p"))
        variable.setncattr("_Unsigned", "true")
        variable.set_auto_maskandscale(False)
        variable[:] = BIG.view("i2")
        file.createVariable("whole", "i4", ("n", "p"))[:] = BIG
    return tmp_path / "a.nc"


def plain(rows):
    """Return what a careful user makes of a slice."""
    return rows.filled(np.nan) if isinstance(rows, np.ma.MaskedArray) else rows


@pytest.mark.parametrize("name", ["float", "scaled", "unsigned", "whole"])
@pytest.mark.parametrize("library", ["netCDF4", "xarray", "xarray of dask"])
def test_variables_are_what_their_slices_are(library, name, variables):
    if library == "netCDF4":
        file = pytest.importorskip("netCDF4").Dataset(variables)
    else:
        xarray = pytest.importorskip("xarray")
        chunks = {"n": 25} if library == "xarray of dask" else None
        file = xarray.open_dataset(variables, chunks=chunks)
    with file:
        variable = file[name]
        whole = np.asarray(plain(variable[:]))
        rows = open_rows(variable)
        assert rows.dtype == whole.dtype
        np.testing.assert_array_equal(np.asarray(rows), whole)
        np.testing.assert_array_equal(rows[[50, 3, 40]].read(), whole[[50, 3, 40]])
        mean = ChunkedFit(StandardScaler(), chunk_size=7).fit(variable).mean_
        np.testing.assert_allclose(mean, np.nanmean(whole, axis=0, dtype="f8"), 1e-5)
        convert(variable, variables.with_name("a.npy"))
        saved = np.load(variables.with_name("a.npy"))
        assert saved.dtype == whole.dtype
        np.testing.assert_array_equal(saved, whole)


MISSING = (
    "{where} has a missing value in row {row}, and {dtype} has no NaN for it. Write "
    "the rows with a value for what is missing, such as np.ma.filled(rows, -1), or as "
    "floats."
)


@pytest.mark.parametrize(
    ("values", "missing"),
    [
        (VALUES.astype(">f8"), np.nan),
        (VALUES.astype("c8"), np.nan),
        (np.arange(60).astype("M8[D]"), np.datetime64("NaT")),
    ],
)
@pytest.mark.parametrize("wrap", [np.asanyarray, Sliced])
def test_masked_arrays_have_nan_where_there_is_none(values, missing, wrap):
    mask = rng.random(values.shape) < 0.2
    given = np.ma.array(values, mask=mask)
    expected = values.copy()
    expected[mask] = missing
    rows = open_rows(wrap(given))
    np.testing.assert_array_equal(np.asarray(rows), expected)
    np.testing.assert_array_equal(rows[::-1].read(), expected[::-1])


@pytest.mark.parametrize("dtype", ["i2", "u1", "?", "U3", [("a", "i4"), ("b", "f8")]])
@pytest.mark.parametrize("wrap", [np.asanyarray, Sliced])
def test_masked_arrays_of_no_floats_are_refused(dtype, wrap):
    values = np.zeros(60, dtype)
    given = np.ma.array(values)
    assert np.array_equal(np.asarray(open_rows(given)), values)
    given[41] = np.ma.masked
    where = f"a {type(wrap(given)).__name__}"
    said = MISSING.format(where=where, row=41, dtype=values.dtype)
    with raises(ValueError, said):
        np.asarray(open_rows(wrap(given)))
    with raises(ValueError, said):
        open_rows(wrap(given))[38:50].read()


def test_masked_x_y_and_weights():
    y = np.arange(60) % 2
    gaps = np.ma.array(y, mask=y == 3)
    model = ChunkedFit(SGDClassifier(random_state=0))
    whole = model.fit(VALUES, y, sample_weight=y + 1.0).coef_
    given = np.ma.array(VALUES, mask=False)
    assert np.array_equal(model.fit(given, gaps, sample_weight=y + 1.0).coef_, whole)
    with pytest.raises(ValueError, match="NaN"):
        model.fit(MASKED, y)
    gaps[7] = np.ma.masked
    with raises(
        ValueError, MISSING.format(where="a MaskedArray", row=7, dtype="int64")
    ):
        model.fit(VALUES, gaps)
    weights = np.ma.array(y + 1.0, mask=y == 1)
    with pytest.raises(ValueError, match=r"sample_weight.*NaN"):
        model.fit(VALUES, y, sample_weight=weights)


@pytest.mark.parametrize("said", ["i2", "f8", "u1", "S2"])
def test_the_type_is_that_of_the_first_row(said):
    source = open_source(Sliced(BIG, said), "X")
    assert source.dtype == BIG.dtype
    assert np.array_equal(source.load(), BIG)


def test_strings_are_as_long_as_the_container_says():
    words = np.array(["a", "long"])
    assert open_rows(Sliced(words)).dtype == "U4"
    assert np.asarray(open_rows(Sliced(words))).tolist() == ["a", "long"]


@pytest.mark.parametrize(
    "later", [np.float32, np.uint16, np.int64, np.complex64, "U9"], ids=str
)
def test_values_that_the_type_does_not_hold_are_an_error(later):
    rows = Sliced(np.ones((60, 2), np.int16), later=lambda rows: rows.astype(later))
    said = (
        "a Sliced is of int16 in its first rows, and rows 30 to 59 of it are of "
        f"{np.ones(1, np.int16).astype(later).dtype}, whose values it may not hold. "
        "Write it again with values of one type."
    )
    with raises(ValueError, said):
        open_rows(rows).read(30, 60)
    smaller = Sliced(np.ones((60, 2), np.int16), later=lambda rows: rows.astype("i1"))
    assert open_rows(smaller).read(30, 60).dtype == np.int16


def test_no_slice_without_rows_is_asked_for():
    class Refuses(Sliced):
        def __getitem__(self, key):
            assert key.start < key.stop, "which TileDB refuses"
            return super().__getitem__(key)

    assert open_rows(Refuses(VALUES)).read(5, 5).shape == (0, 3)
    assert open_rows(Refuses(VALUES))[[]].read().shape == (0, 3)
    nothing = open_rows(Sliced(VALUES[:0]))
    assert (nothing.shape, nothing.dtype) == ((0, 3), VALUES.dtype)


SPARSE = sparse.random(
    60, 5, 0.3, format="csr", dtype="f4", random_state=np.random.default_rng(1)
)


@pytest.mark.parametrize("convert_to", ["csr", "csc", "coo", "lil"])
def test_slices_that_are_sparse_are_csr_rows(convert_to):
    class Slices(Sliced):
        def __getitem__(self, key):
            return super().__getitem__(key).asformat(convert_to)

    source = open_source(Slices(SPARSE, "f8"), "X")
    assert isinstance(source.store, LazyCsrStore)
    assert source.dtype == "f4"
    assert (source.read(7, 30) != SPARSE[7:30]).nnz == 0
    assert (source.select(np.array([50, 3])).read(0, 2) != SPARSE[[50, 3]]).nnz == 0
    assert source.read(4, 4).shape == (0, 5)
    model = ChunkedFit(MaxAbsScaler(), chunk_size=7)
    assert np.array_equal(model.fit(Slices(SPARSE)).scale_, model.fit(SPARSE).scale_)
    assert source.row_values == open_source(SPARSE, "X").row_values
    assert "float32" in repr(open_rows(Slices(SPARSE)))


def test_dense_slices_of_memory_are_not_on_disk():
    assert not open_source(np.ma.masked_array(VALUES, VALUES > 0), "X").store.on_disk
    assert isinstance(open_source(Sliced(VALUES), "X").store, LazyStore)
