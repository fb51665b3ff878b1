"""FITS images and tables: rows with the values that astropy has."""

import gzip
import os
import pickle
import re
import tracemalloc

import numpy as np
import pytest
from helpers import raises
from sklearn.linear_model import SGDClassifier

from skmmap import ChunkedFit, open_rows
from skmmap.formats import list_arrays
from skmmap.formats.files import fits as adapter
from skmmap.rows.rows import find_source

SHAPE = 23, 4


def write_image(path, values, **cards):
    """Write integers as they are stored, and what the header says of them."""
    from astropy.io import fits

    hdu = fits.PrimaryHDU(values)
    hdu.writeto(path, overwrite=True)
    if cards:
        with fits.open(path, mode="update", do_not_scale_image_data=True) as hdus:
            hdus[0].header.update(cards)
    return path


def write_several(path):
    from astropy.io import fits

    image = fits.ImageHDU(make_values("f4"), name="SCI")
    cube = fits.ImageHDU(make_values("i2", (5, 2, 3)), name="CUBE")
    table = fits.BinTableHDU.from_columns([fits.Column("a", "E", array=[1.0])])
    fits.HDUList([fits.PrimaryHDU(), image, table, cube]).writeto(path)
    return path


def read_section(path, number=0):
    """Return what astropy has, in native byte order."""
    from astropy.io import fits

    with fits.open(path) as hdus:
        rows = np.array(hdus[number].section[:])
    return rows.astype(rows.dtype.newbyteorder("="))


def make_values(dtype="i2", shape=SHAPE):
    return np.random.default_rng(0).integers(-9, 99, shape).astype(dtype)


SCALINGS = {
    "": {},
    "scaled": {"BSCALE": 0.1, "BZERO": -3.5},
    "only scaled": {"BSCALE": 3},
    "only shifted": {"BZERO": 7.25},
}


@pytest.mark.parametrize(
    ("dtype", "scaling"),
    [
        ("u1", ""),
        ("i2", "scaled"),
        ("i4", "only scaled"),
        ("i8", "only shifted"),
        ("f4", "scaled"),
        ("f8", ""),
    ],
)
def test_values_are_those_of_astropy(dtype, scaling, tmp_path):
    path = tmp_path / "X.fits"
    write_image(path, make_values(dtype), **SCALINGS[scaling])
    expected, rows = read_section(path), open_rows(path)
    assert (rows.shape, rows.dtype) == (SHAPE, expected.dtype)
    np.testing.assert_array_equal(rows.read(), expected, strict=True)
    np.testing.assert_array_equal(rows[5:9].read(), expected[5:9], strict=True)
    picked = np.array([22, 0, 7])
    np.testing.assert_array_equal(rows[picked].read(), expected[picked], strict=True)
    assert rows.read().dtype.isnative


@pytest.mark.parametrize("dtype", ["i1", "u2", "u4", "u8"])
def test_integers_that_fits_lacks(dtype, tmp_path):
    info = np.iinfo(dtype)
    values = np.array([[info.min, info.max], [1, info.max - 1]], dtype)
    path = write_image(tmp_path / "X.fits", values)
    np.testing.assert_array_equal(open_rows(path).read(), values, strict=True)


@pytest.mark.parametrize("dtype", ["i2", "i4"])
def test_blank_is_nan(dtype, tmp_path):
    values = make_values(dtype)
    values[4, 1] = values[9, 0] = 50
    path = write_image(tmp_path / "X.fits", values, BLANK=50, BSCALE=2.0)
    expected = read_section(path)
    assert np.isnan(expected[4, 1])
    np.testing.assert_array_equal(open_rows(path).read(), expected, strict=True)
    path = write_image(tmp_path / "Y.fits", values, BLANK=0)
    values[3, 3] = 0  # astropy takes a BLANK of 0 for a value
    path = write_image(tmp_path / "Y.fits", values, BLANK=0)
    rows = open_rows(path).read()
    assert np.isnan(rows[3, 3])
    np.testing.assert_array_equal(np.isnan(rows), values == 0)


def test_blank_in_unsigned_integers_is_an_error(tmp_path):
    values = np.arange(92, dtype="i2").reshape(SHAPE)
    path = write_image(tmp_path / "X.fits", values, BZERO=2**15, BLANK=21)
    rows = open_rows(path)
    text = (
        "'X.fits' has a missing value (stored as 21) in row 5, and integers have no "
        "NaN for it. Write the image as floats, or without BLANK in its header."
    )
    np.testing.assert_array_equal(rows[:5].read(), read_section(path)[:5])
    with raises(ValueError, text):
        rows[4:7].read()


def test_hdus_by_name_and_number(tmp_path):
    path = write_several(tmp_path / "X.fits")
    listed = "1 SCI (23 x 4), 2 (table of 1 rows), 3 CUBE (5 x 2 x 3)"
    for key in ("SCI", "sci", 1, "1"):
        np.testing.assert_array_equal(open_rows(path, key=key).read(), make_values())
    cube = open_rows(path, key="CUBE")
    np.testing.assert_array_equal(cube.read(), make_values("i2", (5, 2, 3)))
    text = (
        f"'X.fits' has 3 images and tables; name one, open_rows(..., key=1): {listed}."
    )
    with raises(ValueError, text):
        open_rows(path)
    for key in ("X", 9):
        text = f"'X.fits' has no HDU {key!r}; it has {listed}."
        with raises(ValueError, text):
            open_rows(path, key=key)
    np.testing.assert_array_equal(open_rows(path, key=2).read(), [[1.0]])
    text = f"HDU 0 of 'X.fits' is no image or table with rows; it has {listed}."
    with raises(ValueError, text):
        open_rows(path, key=0)
    assert list_arrays(path)[0] == "key"


@pytest.mark.parametrize(("kind", "scaling"), [("RICE_1", ""), ("GZIP_2", "scaled")])
def test_compressed_images(kind, scaling, tmp_path):
    from astropy.io import fits

    path = tmp_path / "X.fits"
    hdu = fits.CompImageHDU(
        make_values(), compression_type=kind, tile_shape=(5, 3), name="SCI"
    )
    hdu.writeto(path)
    if scaling:
        with fits.open(path, mode="update", disable_image_compression=True) as hdus:
            hdus[1].header.update(SCALINGS[scaling])
    expected, rows = read_section(path, 1), open_rows(path)
    assert rows.dtype == expected.dtype
    np.testing.assert_array_equal(rows.read(), expected, strict=True)
    np.testing.assert_array_equal(rows[3:12].read(), expected[3:12], strict=True)
    store = find_source(rows).store
    assert store.find_units(1).tolist() == [5, 10, 15, 20, 23]
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(rows)).read(), expected)


def write_tiles(path, values):
    from astropy.io import fits

    fits.CompImageHDU(values, tile_shape=(5, 4)).writeto(path, overwrite=True)
    return path


def test_pickles_of_compressed_images_have_no_rows(tmp_path):
    store = find_source(
        open_rows(write_tiles(tmp_path / "X.fits", make_values()))
    ).store
    sent = pickle.dumps(store)
    store.read(0, 3)  # the rest of the tile is kept
    store.take(np.array([1, 9]))
    assert pickle.dumps(store) == sent


def test_a_compressed_image_is_opened_once_for_picked_rows(tmp_path, monkeypatch):
    values = make_values("i2", (500, 4))
    path = write_tiles(tmp_path / "X.fits", values)
    rows, opened = open_rows(path), []
    open_file = adapter._open_file
    monkeypatch.setattr(
        adapter, "_open_file", lambda p: opened.append(p) or open_file(p)
    )
    picked = np.array([3, 499, 250])
    np.testing.assert_array_equal(rows[picked].read(), values[picked])
    assert opened == [path]
    np.testing.assert_array_equal(rows[7:9].read(), values[7:9])
    assert opened == [path, path]  # nothing stays open
    path.write_bytes(b"SIMPLE  =")
    with pytest.raises(ValueError, match="was written again since it was opened"):
        rows[picked].read()
    path.unlink()
    with pytest.raises(FileNotFoundError):
        rows[picked].read()


def test_a_fit_is_that_of_the_array(tmp_path):
    values, y = make_values("i2", (300, 4)), np.arange(300) % 2
    path = write_image(tmp_path / "X.fits", values, BSCALE=0.01)

    def fit(X, read):
        model = ChunkedFit(
            SGDClassifier(random_state=0), chunk_size=17, random_state=0, read=read
        )
        return model.fit(X, y).estimator_.coef_

    expected = fit(read_section(path), "auto")
    for read in ("map", "buffer"):
        np.testing.assert_array_equal(fit(path, read), expected)


@pytest.mark.parametrize("is_tiled", [False, True])
def test_a_file_that_changes(is_tiled, tmp_path):
    from astropy.io import fits

    path = tmp_path / "X.fits"
    kind = fits.CompImageHDU if is_tiled else fits.ImageHDU
    kind(make_values()).writeto(path)
    rows = open_rows(path)
    rows.read(0, 3)
    sent = pickle.dumps(rows)
    os.utime(path, ns=(0, 10**18))
    told = re.escape(f"{str(path)!r} was written again since it was opened.")
    for opened in (rows, pickle.loads(sent)):
        with pytest.raises(ValueError, match=told):
            opened.read(0, 3)
    kind(make_values() + 1).writeto(tmp_path / "other")
    rows = open_rows(path)
    os.replace(tmp_path / "other", path)
    with pytest.raises(ValueError, match="was replaced since it was opened"):
        rows.read(0, 3)


def test_what_is_refused(tmp_path):
    from astropy.io import fits

    path = write_image(tmp_path / "X.fits", make_values())
    packed = tmp_path / "X.fits.gz"
    packed.write_bytes(gzip.compress(path.read_bytes()))
    with pytest.raises(ValueError, match=r"a file packed by gzip; .* Unpack it first"):
        open_rows(packed)
    with fits.open(path) as hdus:
        for source in (hdus, hdus[0]):
            with pytest.raises(TypeError, match="An HDU of astropy is no array"):
                open_rows(source)
        expected = hdus[0].section[3:7]
        np.testing.assert_array_equal(open_rows(hdus[0].section)[3:7].read(), expected)
    fits.PrimaryHDU().writeto(tmp_path / "t.fits")
    with pytest.raises(ValueError, match=r"'t.fits' has neither an image nor a table"):
        open_rows(tmp_path / "t.fits")
    ascii_table = fits.TableHDU.from_columns([fits.Column("a", "I4", array=[1])])
    ascii_table.writeto(tmp_path / "a.fits")
    with pytest.raises(ValueError, match=r"an ASCII table\. Write it once as a binary"):
        open_rows(tmp_path / "a.fits")
    with pytest.raises(ValueError, match=r"columns has no meaning"):
        open_rows(path, columns="a")


def test_a_truncated_file(tmp_path):
    path = write_image(tmp_path / "X.fits", make_values())
    path.write_bytes(path.read_bytes()[: 2880 + 183])
    text = (
        f"source={str(path)!r} is truncated: its header says shape {SHAPE} and 3,064 "
        "bytes, and the file has 3,063. Write it again."
    )
    warned = pytest.warns(UserWarning, match="may have been truncated")  # astropy's own
    with warned, raises(ValueError, text):
        open_rows(path)


def test_only_the_rows_that_are_read_are_in_memory(tmp_path):
    values = make_values("i2", (4_000, 64))
    path = write_image(tmp_path / "X.fits", values, BSCALE=0.5, BLANK=3)
    rows = open_rows(path)
    rows.read(0, 1)
    tracemalloc.start()
    try:
        rows.read(2_000, 2_100)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 2.5 * 100 * 64 * 4


def test_conversions_notice_a_change_of_values(tmp_path):
    path = write_image(tmp_path / "X.fits", make_values(), BSCALE=0.5)
    store = find_source(open_rows(path)).store.for_run("map")
    held = store._stored.rows  # a map that is in use sees what is written
    with open(path, "r+b") as file:
        file.seek(2880)
        file.write(b"abcd")
    os.utime(path, ns=(0, 10**18))
    with pytest.raises(ValueError, match="was written again"):
        store.read(0, 3)
    with pytest.raises(ValueError, match="was written again"):
        store.take(np.array([1, 3]))
    del held
