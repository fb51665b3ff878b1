"""Binary tables in FITS files: columns have the values that astropy has."""

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
from skmmap.formats.files import fits_tables
from skmmap.formats.shared import MapStore
from skmmap.rows.rows import find_source

N_ROWS = 23


def write(path, columns, *, end=(), **cards):
    """Write columns as they are stored, and then what the header says of them."""
    from astropy.io import fits

    made = [fits.Column(name, form, array=rows) for name, form, rows in columns]
    hdus = [fits.PrimaryHDU(), fits.BinTableHDU.from_columns(made), *end]
    fits.HDUList(hdus).writeto(path, overwrite=True)
    if cards:
        with fits.open(path, mode="update") as opened:
            opened[1].header.update(cards)
    return path


def make_values(dtype, *shape):
    values = np.random.default_rng(len(shape)).integers(0, 99, (N_ROWS, *shape))
    return values.astype(dtype)


def make_texts(*texts):
    return np.resize(np.array(texts), N_ROWS)


def read_astropy(path, name, number=1):
    """Return what astropy has, in native byte order, and texts as it shows them."""
    from astropy.io import fits

    with fits.open(path) as hdus:
        values = np.array(hdus[number].data[name])
    values = np.char.rstrip(values) if values.dtype.kind == "U" else values
    return values.astype(values.dtype.newbyteorder("="))


def read(path, columns, **options):
    return open_rows(path, columns=columns, **options).read()


# The form of a column, what is stored, and what its cards say.
COLUMNS = {
    "bytes": ("B", make_values("u1"), {}),
    "shorts": ("I", make_values("i2") - 50, {}),
    "ints": ("J", make_values("i4") - 50, {}),
    "longs": ("K", make_values("i8") - 2**62, {}),
    "floats": ("E", make_values("f4") / 7, {}),
    "doubles": ("D", make_values("f8") / 7, {}),
    "none missing": ("J", make_values("i4"), {"TNULL": -1}),
    "unsigned": ("I", make_values("i2") - 50, {"TZERO": 2**15}),
    "unsigned ints": ("2J", make_values("i4", 2) - 50, {"TZERO": 2**31}),
    "unsigned longs": ("K", make_values("i8") - 50, {"TZERO": 2**63}),
    "not unsigned": ("J", make_values("i4"), {"TZERO": 2**15}),
    "signed bytes": ("B", make_values("u1"), {"TZERO": -128}),
    "both cards say nothing": ("K", make_values("i8"), {"TSCAL": 1.0, "TZERO": 0.0}),
    "scaled": ("I", make_values("i2"), {"TSCAL": 0.1, "TZERO": -3.7, "TNULL": -1}),
    "scaled only": ("3B", make_values("u1", 3), {"TSCAL": 3}),
    "scaled floats": ("E", make_values("f4") / 7, {"TSCAL": 0.1}),
    "shifted": ("D", make_values("f8") / 7, {"TZERO": 0.3}),
    "logical": ("L", make_values("u1") > 50, {}),
    "logicals": ("3L", make_values("u1", 3) > 50, {}),
    "bit": ("X", make_values("u1", 1) > 50, {}),
    "bits": ("11X", make_values("u1", 11) > 50, {}),
    "one in an axis": ("J", make_values("i4"), {"TDIM": "(1)"}),
    "matrices": ("6D", make_values("f8", 6), {"TDIM": "(2,3)"}),
    "smaller than stored": ("8J", make_values("i4", 8), {"TDIM": "(2, 3)"}),
    "text": ("5A", make_texts("ab", "cde  ", "", " x"), {}),
    "letters": ("1A", make_texts("a", "b"), {}),
    "texts": ("12A", make_texts("ab  cdefx y", "1   2"), {"TDIM": "(4,3)"}),
    "texts smaller": ("9A", make_texts("abcdefghi", "123456789"), {"TDIM": "(4,2)"}),
    # astropy takes rows to end where the last value does.
    "last": ("E", make_values("f4"), {}),
}


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    path = tmp_path_factory.mktemp("fits") / "X.fits"
    columns, cards = [], {}
    for number, (name, (form, rows, said)) in enumerate(COLUMNS.items(), start=1):
        columns.append((name, form, rows))
        cards |= {f"{card}{number}": value for card, value in said.items()}
    return write(path, columns, **cards)


@pytest.mark.parametrize("name", COLUMNS)
def test_columns_are_those_of_astropy(name, table):
    expected, rows = read_astropy(table, name), open_rows(table, columns=name)
    assert (rows.shape, rows.dtype) == (expected.shape, expected.dtype)
    np.testing.assert_array_equal(rows.read(), expected, strict=True)
    np.testing.assert_array_equal(rows[5:9].read(), expected[5:9], strict=True)
    picked = np.array([22, 0, 7])
    np.testing.assert_array_equal(rows[picked].read(), expected[picked], strict=True)


def test_values_of_text_and_bits(table):
    """What astropy has, said by values, as its own reader may change."""
    assert read(table, "texts")[:2].tolist() == [["ab", "cdef", "x y"], ["1", "2", ""]]
    assert read(table, "texts smaller")[1].tolist() == ["1234", "5678"]
    assert read(table, "text").dtype == "U5"
    assert read(table, "unsigned longs").dtype == "u8"
    stored = COLUMNS["bits"][1]
    np.testing.assert_array_equal(read(table, "bits"), stored, strict=True)


def test_scaled_integers_are_not_unsigned(tmp_path):
    """astropy 8.0.2 takes these for uint32, in which they may overflow."""
    values = np.array([-(2**31), 5, 2**31 - 1])
    path = write(tmp_path / "X.fits", [("a", "J", values)], TSCAL1=2, TZERO1=2**31)
    np.testing.assert_array_equal(read(path, "a"), values * 2.0 + 2**31, strict=True)


def test_rows_do_not_end_with_the_values_of_the_last_column(tmp_path):
    """astropy 8.0.2 takes them to, and reads all but the first row from elsewhere."""
    values = np.arange(3 * 8).reshape(3, 8)
    path = write(tmp_path / "X.fits", [("a", "8J", values)], TDIM1="(2,3)")
    expected = values[:, :6].reshape(3, 3, 2).astype("i4")
    np.testing.assert_array_equal(read(path, "a"), expected, strict=True)


@pytest.mark.filterwarnings("ignore:Invalid keyword for column")  # astropy's own
def test_dimensions_that_are_too_large_say_nothing(tmp_path):
    path = tmp_path / "X.fits"
    write(path, [("a", "4J", make_values("i4", 4))], TDIM1="(3,2)")
    np.testing.assert_array_equal(read(path, "a"), read_astropy(path, "a"), strict=True)


@pytest.mark.parametrize("form", ["B", "I", "2J", "K"])
def test_missing_integers_are_nan(form, tmp_path, monkeypatch):
    dtype = np.dtype(fits_tables._STORED[form[-1]])
    values = make_values(dtype, *[2] * len(form[1:]))
    values[values == 5] = 6
    early, late = values.copy(), values.copy()
    early[11:12] = late[22:] = 5
    columns = [("a", form, early), ("b", form, late), ("c", form, values)]
    path = write(tmp_path / "X.fits", columns, TNULL1=5, TNULL2=5, TNULL3=5)
    row_nbytes = 3 * values[0].nbytes
    monkeypatch.setattr(fits_tables, "_SCANNED_NBYTES", 3 * row_nbytes)  # 3 rows each
    early, late = (np.where(rows == 5, np.nan, rows) for rows in (early, late))
    np.testing.assert_array_equal(read(path, "a"), early, strict=True)
    np.testing.assert_array_equal(read(path, "b"), late, strict=True)
    assert read(path, "c").dtype == dtype.newbyteorder("=")
    expected = np.c_[early, late, values]
    np.testing.assert_array_equal(open_rows(path).read(), expected, strict=True)
    assert not np.isnan(expected[3:9]).any()
    np.testing.assert_array_equal(open_rows(path)[3:9].read(), expected[3:9])


def test_missing_is_what_is_stored(tmp_path):
    """Not what it is scaled to: 8 here is 4, which is not missing."""
    values = np.array([2, 4, 8])
    forms = {"a": "J", "b": "I", "c": "E"}
    path = write(
        tmp_path / "X.fits",
        [(name, form, values) for name, form in forms.items()],
        **{"TNULL1": 4, "TSCAL1": 0.5, "TZERO2": 2**15, "TNULL2": 2, "TNULL3": 4},
    )
    np.testing.assert_array_equal(read(path, "a"), [1, np.nan, 4])
    unsigned = np.array([np.nan, 2**15 + 4, 2**15 + 8])
    np.testing.assert_array_equal(read(path, "b"), unsigned, strict=True)
    # Of floats TNULL says nothing: a missing one is stored as NaN.
    np.testing.assert_array_equal(read(path, "c"), values.astype("f4"), strict=True)


def test_rows_are_not_searched_where_no_type_depends_on_them(table, monkeypatch):
    def fail(*args):
        pytest.fail("rows were read to open them")

    monkeypatch.setattr(MapStore, "read", fail)
    for name in ("ints", "scaled", "text"):
        open_rows(table, columns=name)
    with pytest.raises(pytest.fail.Exception):
        open_rows(table, columns="none missing")


def test_a_logical_value_that_is_missing_is_an_error(tmp_path):
    """astropy warns of it, and makes it False."""
    columns = [("n", "B", [70, 84, 84, 70]), ("a", "L", [True, False, True, True])]
    path = write(tmp_path / "X.fits", columns)
    replace(path, b"FTTFTTFT", b"FTTFT\0FT")
    text = (
        "'X.fits:1' has a missing value in row 2 of 'a', and logical values have no "
        "NaN for it. Choose other columns, or write it as integers with TNULL."
    )
    for columns in ("a", None):
        rows = open_rows(path, columns=columns)
        with raises(ValueError, text):
            rows[1:].read()
        with raises(ValueError, text):
            rows[np.array([3, 2])].read()
    np.testing.assert_array_equal(read(path, "n"), [70, 84, 84, 70])
    np.testing.assert_array_equal(open_rows(path, columns="a")[:2], [True, False])


def test_columns_side_by_side(table):
    names = ["logical", "shorts", "matrices", "unsigned"]
    rows = open_rows(table, columns=names)
    parts = [read_astropy(table, name).reshape(N_ROWS, -1) for name in names]
    np.testing.assert_array_equal(rows.read(), np.hstack(parts), strict=True)
    assert rows.shape == (N_ROWS, 9)
    assert find_source(rows).store.where == "X.fits:1"
    assert find_source(rows).store.names is None
    rows = open_rows(table, columns=["shorts", "bytes"])
    assert (find_source(rows).store.names, rows.dtype) == (["shorts", "bytes"], "i2")
    assert find_source(open_rows(table, columns="shorts")).store.names is None
    assert open_rows(table, columns=["shorts"]).shape == (N_ROWS, 1)
    twice = open_rows(table, columns=["shorts", "shorts"])
    assert find_source(twice).store.names is None


def test_what_is_listed(table):
    option, arrays = list_arrays(table)
    assert option == "columns"
    assert [info.name for info in arrays] == [*COLUMNS]
    for info in arrays:
        expected = read_astropy(table, info.name)
        dtype = "text" if expected.dtype.kind == "U" else expected.dtype
        assert (info.shape, info.dtype) == (expected.shape, dtype)


def test_text_that_is_not_ascii(tmp_path):
    values = np.array([b"caf\xe9", b"x"])
    path = write(tmp_path / "X.fits", [("a", "6A", values)])
    np.testing.assert_array_equal(read(path, "a"), np.array(["café", "x"], "U6"))


@pytest.mark.parametrize("n_rows", [0, 1])
def test_few_rows(n_rows, tmp_path):
    columns = [
        ("a", "E", np.ones(n_rows)),
        ("b", "3J", np.full((n_rows, 3), 4)),
        ("c", "11X", np.ones((n_rows, 11), bool)),
        ("t", "3A", np.full(n_rows, "x")),
    ]
    path = write(tmp_path / "X.fits", columns, TNULL2=4)
    for name in "act":
        expected = read_astropy(path, name)
        np.testing.assert_array_equal(read(path, name), expected, strict=True)
    dtype = "f8" if n_rows else "i4"
    expected = np.full((n_rows, 3), np.nan).astype(dtype)
    np.testing.assert_array_equal(read(path, "b"), expected, strict=True)


def test_tables_by_name_and_number(tmp_path):
    from astropy.io import fits

    column = fits.Column("a", "E", array=[5.0, 6.0])
    second = fits.BinTableHDU.from_columns([column], name="STARS")
    image = fits.ImageHDU(np.zeros((2, 3)))
    columns = [("a", "E", [1.0, 2.0])]
    path = write(tmp_path / "X.fits", columns, end=[image, second])
    for key, expected in [(1, [1, 2]), (3, [5, 6]), ("stars", [5, 6]), ("1", [1, 2])]:
        np.testing.assert_array_equal(read(path, "a", key=key), expected)
    text = (
        "'X.fits' has 3 images and tables; name one, open_rows(..., key=1): 1 (table "
        "of 2 rows), 2 (2 x 3), 3 STARS (table of 2 rows)."
    )
    with raises(ValueError, text):
        read(path, "a")
    option, arrays = list_arrays(path)
    assert option == "key"
    assert [(info.name, info.shape) for info in arrays] == [
        ("1", (2, 1)),
        ("2", (2, 3)),
        ("3", (2, 1)),
    ]


def test_columns_that_make_no_array(tmp_path):
    long = np.array([np.ones(1), np.ones(2)], dtype=object)
    columns = [
        ("c", "C", [1j, 2]),
        ("m", "2M", [[1j, 2]] * 2),
        ("p", "PE()", long),
        ("q", "QE()", long),
        ("n", "0J", np.empty((2, 0))),
        ("t", "3A", ["x", "y"]),
        ("i", "J", [3, 4]),
        ("d", "J", [5, 6]),
        ("d2", "J", [7, 8]),
    ]
    path = write(tmp_path / "X.fits", columns, TTYPE9="d")
    start, also = "Column {!r} of 'X.fits:1' has", "such as 3E, and fill what is"
    various = f"{start} arrays of various lengths. Write it with one length for all "
    numbers = f"{start} complex numbers. Choose another one, or write its parts as "
    said = {
        "c": f"{numbers}columns of floats.",
        "m": f"{numbers}columns of floats.",
        "p": f"{various}rows, {also} missing.",
        "q": f"{various}rows, {also} missing.",
        "n": f"{start} no values. Choose another one.",
    }
    for name, text in said.items():
        for chosen in (name, ["i", name]):
            with raises(TypeError, text.format(name)):
                open_rows(path, columns=chosen)
    replace(path, b"'0J      '", b"'0A      '")
    with raises(TypeError, said["n"].format("n")):
        open_rows(path, columns="n")
    listed = "'c', 'm', 'p', 'q', 'n', 't', 'i', 'd', 'd'"
    refused = {
        "x": f"'X.fits:1' has no column 'x'; it has {listed}.",
        "d": f"'X.fits:1' has 2 columns named 'd'; it has {listed}.",
    }
    for name, text in refused.items():
        with raises(ValueError, text):
            open_rows(path, columns=[name])
    text = (
        "'X.fits:1' has columns that are not numbers: 'c', 'm', 'p', 'q', 'n', 't'. "
        "Choose columns=['i', 'd', 'd']."
    )
    with raises(TypeError, text):
        open_rows(path)
    text = (
        "'X.fits:1' has text in 't', which has no common type with others. Choose it "
        "alone: columns='t'."
    )
    with raises(TypeError, text):
        open_rows(path, columns=["i", "t"])
    with raises(ValueError, "'X.fits:1' has no columns to read; got columns=[]."):
        open_rows(path, columns=[])
    with raises(TypeError, "columns must be a name or a list of names; got [6]."):
        open_rows(path, columns=[6])
    write(path, columns[:6])
    text = (
        "'X.fits:1' has no columns of numbers; it has 'c', 'm', 'p', 'q', 'n', 't'. "
        "Choose one with columns=."
    )
    with raises(TypeError, text):
        open_rows(path)
    types = [str(info.dtype) for info in list_arrays(path)[1]]
    assert types == ["complex"] * 2 + ["no array"] * 3 + ["text"]


def test_tables_of_other_kinds(tmp_path):
    from astropy.io import fits

    rest = "Write it once as a binary table: astropy.table.Table.read(path)"
    path = write(tmp_path / "X.fits", [("a", "J", [1])], ZTABLE=True)
    text = f"HDU 1 of 'X.fits' is a compressed table. {rest}.write('X.fits')."
    with raises(ValueError, text):
        open_rows(path)
    fits.TableHDU.from_columns([fits.Column("a", "I4", array=[1])]).writeto(
        tmp_path / "a.fits"
    )
    with raises(
        ValueError, f"HDU 1 of 'a.fits' is an ASCII table. {rest}.write('X.fits')."
    ):
        open_rows(tmp_path / "a.fits")


def replace(path, old: bytes, new: bytes) -> None:
    """Write another header, of which astropy would change cards."""
    before = path.read_bytes()
    assert before.count(old) == 1
    path.write_bytes(before.replace(old, new))


def test_forms_as_those_of_text_tables(tmp_path):
    columns = [("a", "7A", ["abc", "defghij"]), ("b", "J", [1, 2])]
    path = write(tmp_path / "X.fits", columns)
    replace(path, b"'7A      '", b"'A7      '")
    np.testing.assert_array_equal(read(path, "a"), ["abc", "defghij"])
    np.testing.assert_array_equal(read(path, "b"), [1, 2])
    replace(path, b"'A7      '", b"'5A      '")
    text = (
        "'X.fits:1' has rows of 11 bytes, and the columns in its header take 9. Write "
        "it again."
    )
    with raises(ValueError, text):
        open_rows(path, columns="b")


def test_columns_without_a_name_have_a_number(tmp_path):
    path = write(tmp_path / "X.fits", [("a", "J", [1, 2]), ("b", "I", [3, 4])])
    replace(path, b"TTYPE2  =", b"COMMENT  ")
    assert [info.name for info in list_arrays(path)[1]] == ["a", "col2"]
    np.testing.assert_array_equal(read(path, "col2"), [3, 4])


def test_a_truncated_table(tmp_path):
    path = write(tmp_path / "X.fits", [("a", "D", make_values("f8"))])
    whole, rows = path.read_bytes(), open_rows(path, columns="a")
    begin = 2 * 2880
    cut = whole[: begin + 8 * N_ROWS - 1]
    path.write_bytes(cut)
    text = (
        f"source={str(path)!r} is truncated: its header says shape ({N_ROWS}, 8) and "
        f"{begin + 8 * N_ROWS:,} bytes, and the file has {len(cut):,}. Write it again."
    )
    warned = pytest.warns(UserWarning, match="may have been truncated")  # astropy's own
    with warned, raises(ValueError, text):
        open_rows(path, columns="a")
    with pytest.raises(ValueError, match="is truncated"):
        rows.read()


@pytest.mark.parametrize("read_mode", ["map", "buffer"])
def test_a_table_that_changes(read_mode, tmp_path):
    path = write(tmp_path / "X.fits", [("a", "J", make_values("i4"))], TNULL1=999)
    rows = open_rows(path, columns="a")
    sent = pickle.dumps(rows)
    rows.read()
    assert len(pickle.dumps(rows)) == len(sent)
    np.testing.assert_array_equal(pickle.loads(sent).read(), rows.read())
    store = find_source(rows).store.for_run(read_mode)
    os.utime(path, ns=(0, 10**18))
    told = re.escape(f"{str(path)!r} was written again since it was opened.")
    for opened in (rows, pickle.loads(sent), store):
        with pytest.raises(ValueError, match=told):
            opened.read(0, 3)
    rows = open_rows(path, columns="a")
    write(tmp_path / "other", [("a", "J", make_values("i4") + 1)], TNULL1=999)
    os.replace(tmp_path / "other", path)
    with pytest.raises(ValueError, match="was replaced since it was opened"):
        rows.read(0, 3)


def test_only_some_rows_are_in_memory(tmp_path):
    values = make_values("i4", 64)
    values = np.tile(values, (1_000, 1))
    path = write(tmp_path / "X.fits", [("a", "64J", values)], TNULL1=-1)
    open_rows(path, columns="a").read(0, 1)
    tracemalloc.start()
    try:
        rows = open_rows(path, columns="a")  # all rows are read once
        _, opened = tracemalloc.get_traced_memory()
        tracemalloc.reset_peak()
        held, _ = tracemalloc.get_traced_memory()
        rows.read(2_000, 2_100)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert opened < values.nbytes
    assert peak - held < 3.5 * 100 * 64 * 4


def test_a_fit_is_that_of_the_array(tmp_path):
    values = np.tile(make_values("i2", 4), (10, 1))
    y = np.arange(len(values)) % 2
    columns = [(name, "I", rows) for name, rows in zip("abcd", values.T, strict=True)]
    path = write(tmp_path / "X.fits", columns, TSCAL1=0.1, TNULL2=101)
    expected = values.astype(float)
    expected[:, 0] *= 0.1

    def fit(X):
        model = ChunkedFit(
            SGDClassifier(random_state=0), chunk_size=17, random_state=0, read="buffer"
        )
        return model.fit(X, y)

    fitted = fit(path)
    np.testing.assert_array_equal(
        fitted.estimator_.coef_, fit(expected).estimator_.coef_
    )
    assert fitted.feature_names_in_.tolist() == [*"abcd"]
