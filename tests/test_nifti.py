"""NIfTI images: rows of any axis, with the values that nibabel has."""

import gzip
import os
import pickle
import re
import tracemalloc
import warnings

import numpy as np
import pytest
from helpers import raises
from sklearn.linear_model import SGDClassifier
from sklearn.preprocessing import FunctionTransformer

from skmmap import ChunkedFit, open_rows

SHAPE = 4, 3, 2, 7  # x, y, z and time


def write_image(path, values, *, slope=None, inter=0.0, order="<", version=1):
    """Write values as they are stored, and the scaling in the header."""
    import nibabel

    kinds = {1: nibabel.Nifti1Image, 2: nibabel.Nifti2Image}
    image = kinds[version](values, np.eye(4), dtype=values.dtype)
    header = image.header.as_byteswapped(order)
    image = kinds[version](values, np.eye(4), header)
    if slope is not None:
        image.header.set_slope_inter(slope, inter)
    image.to_filename(path)
    return path


def read_all(path):
    """Return what nibabel has, with the last axis first."""
    import nibabel

    return np.asarray(nibabel.load(path).dataobj)


def make_values(dtype="i2", shape=SHAPE):
    return np.random.default_rng(0).integers(0, 99, shape).astype(dtype)


@pytest.mark.parametrize("shape", [(7,), (3, 7), (4, 3, 7), SHAPE, (1, 1, 1, 1)])
@pytest.mark.parametrize("scaling", [None, (0.1, 0), (1, 3), (2.5, -1e3)])
def test_values_are_those_of_nibabel(shape, scaling, tmp_path):
    options = {} if scaling is None else {"slope": scaling[0], "inter": scaling[1]}
    path = write_image(tmp_path / "X.nii", make_values(shape=shape), **options)
    expected = read_all(path)
    for axis in (None, *range(-len(shape), len(shape))):
        rows = open_rows(path, axis=axis)
        moved = np.moveaxis(expected, -1 if axis is None else axis, 0)
        assert (rows.shape, rows.dtype) == (moved.shape, moved.dtype)
        np.testing.assert_array_equal(rows.read(), moved, strict=True)
        np.testing.assert_array_equal(rows[2:].read(), moved[2:])
        picked = np.arange(len(moved))[::-2]
        np.testing.assert_array_equal(rows[picked].read(), moved[picked])


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("dtype", ["u1", "i1", "u2", "i4", "f4", "f8", "c8"])
def test_types(dtype, order, tmp_path):
    for slope in (None, 0.5):
        values = make_values(dtype)
        path = tmp_path / f"{slope}.nii"
        write_image(path, values, slope=slope, order=order, version=2)
        expected = np.moveaxis(read_all(path), -1, 0)
        rows = open_rows(path)
        found = rows.read(2, 5)
        assert found.dtype.isnative
        native = expected.astype(expected.dtype.newbyteorder("="))
        np.testing.assert_array_equal(found, native[2:5], strict=True)
        np.testing.assert_array_equal(pickle.loads(pickle.dumps(rows)).read(), native)


@pytest.mark.parametrize(("slope", "read"), [(None, "map"), (0.01, "buffer")])
def test_a_fit_is_that_of_the_array(slope, read, tmp_path):
    values = make_values(shape=(5, 3, 2, 300))
    path = write_image(tmp_path / "X.nii", values, slope=slope)
    X = np.moveaxis(read_all(path), -1, 0)
    y = np.arange(300) % 2
    flat = open_rows(write_image(tmp_path / "flat.nii", X.reshape(300, -1).T))
    assert flat.shape == (300, 30)

    def fit(X):
        model = SGDClassifier(max_iter=3, tol=None, random_state=0)
        wrapper = ChunkedFit(model, chunk_size=17, read=read, random_state=0)
        return wrapper.fit(X, y).estimator_.coef_

    np.testing.assert_array_equal(fit(flat), fit(X.reshape(300, -1)))
    means = ChunkedFit(FunctionTransformer(_flatten), chunk_size=40, read=read)
    np.testing.assert_array_equal(means.fit(path).transform(path), _flatten(X))


def _flatten(X):
    return X.reshape(len(X), -1)


def test_a_file_that_changes(tmp_path):
    path = write_image(tmp_path / "X.nii", make_values())
    rows = open_rows(path)
    sent = pickle.dumps(rows)
    os.utime(path, ns=(0, 10**18))
    told = re.escape(f"{str(path)!r} was written again since it was opened.")
    for opened in (rows, pickle.loads(sent)):
        with pytest.raises(ValueError, match=told):
            opened.read(0, 3)
    other = write_image(tmp_path / "other.nii", make_values() + 1)
    rows = open_rows(path)
    os.replace(other, path)
    with pytest.raises(ValueError, match="was replaced since it was opened"):
        rows.read(0, 3)


def test_damaged_files(tmp_path):
    path = write_image(tmp_path / "X.nii", make_values())
    content = path.read_bytes()
    path.write_bytes(content[:-1])
    needed = len(content)
    text = (
        f"source={str(path)!r} is truncated: its header says shape {SHAPE} and "
        f"{needed:,} bytes, and the file has {needed - 1:,}. Write it again."
    )
    with raises(ValueError, text):
        open_rows(path)
    path.write_bytes(content[:300])
    text = f"source={str(path)!r} has no header of NIfTI. Write it again."
    with raises(ValueError, text):
        open_rows(path)


def test_what_is_refused(tmp_path):
    import nibabel

    path = write_image(tmp_path / "X.nii", make_values())
    image = nibabel.load(path)
    nibabel.save(nibabel.Nifti1Pair(make_values(), np.eye(4)), tmp_path / "Y.img")
    named = f"source={str(tmp_path / 'Y.hdr')!r}"
    text = f"{named} is a header whose values are in another file. Write both as one "
    with raises(ValueError, text + "file: nibabel.save(nibabel.load(path), 'X.nii')."):
        open_rows(tmp_path / "Y.hdr")
    packed = tmp_path / "X.nii.gz"
    packed.write_bytes(gzip.compress(path.read_bytes()))
    with pytest.raises(ValueError, match=r"a file packed by gzip; .* Unpack"):
        open_rows(packed)
    with pytest.raises(TypeError, match="An image of nibabel is read through its file"):
        open_rows(image)
    with pytest.raises(TypeError, match="A proxy of nibabel reads its whole file"):
        open_rows(image.dataobj)


@pytest.mark.parametrize("axis", [4, -5, 1.0, "time"])
def test_axes_that_are_not_there(axis, tmp_path):
    path = write_image(tmp_path / "X.nii", make_values())
    text = "axis must be an integer from -4 to 3 for 'X.nii', whose shape is "
    with raises(ValueError, f"{text}{SHAPE}; got {axis!r}."):
        open_rows(path, axis=axis)


def test_other_formats_have_no_axis(tmp_path):
    np.save(tmp_path / "X.npy", np.ones((3, 2)))
    path = str(tmp_path / "X.npy")
    with raises(ValueError, f"axis has no meaning for {path!r}; got 0."):
        open_rows(path, axis=0)


def test_only_the_rows_that_are_read_are_in_memory(tmp_path):
    values = make_values(shape=(64, 32, 16, 40))
    path = write_image(tmp_path / "X.nii", values, slope=0.5)
    one, rows = 8 * values[..., 0].size, open_rows(path)
    rows.read(0, 1)
    tracemalloc.start()
    try:
        rows.read(20, 22)
        _, peak = tracemalloc.get_traced_memory()
        assert peak < 2.5 * 2 * one
        tracemalloc.reset_peak()
        open_rows(path, axis=0).read(20, 22)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 2.5 * values[20:22].size * 8


def test_rows_of_the_first_axis_are_called_slow(tmp_path):
    path = write_image(tmp_path / "X.nii", make_values(shape=(40, 3)))
    model, y = ChunkedFit(SGDClassifier(), chunk_size=10), np.arange(40) % 2
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        model.fit(open_rows(path, axis=0), y)
    assert any("Fortran order" in str(warning.message) for warning in caught)
