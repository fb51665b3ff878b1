"""Genotypes of PLINK 1: by persons and by variants, as bed-reader has them."""

import os
import pickle
import re
import tracemalloc

import numpy as np
import pytest
from sklearn.exceptions import EfficiencyWarning
from sklearn.linear_model import SGDClassifier

from skmmap import ChunkedFit, convert, open_rows
from skmmap.rows.rows import find_source

SHAPE = 30, 7  # persons, of which the last byte has two, and variants


def make_values(shape=SHAPE, n_missing=3):
    rng = np.random.default_rng(0)
    values = rng.integers(0, 3, shape).astype(np.float32)
    values.flat[rng.permutation(values.size)[:n_missing]] = np.nan
    return values


def write_bed(path, values, major="SNP"):
    from bed_reader import to_bed

    to_bed(path, values, major=major, num_threads=1)
    return path


@pytest.mark.parametrize("major", ["SNP", "individual"])
@pytest.mark.parametrize("shape", [SHAPE, (1, 7), (32, 1), (5, 12)])
def test_values_are_those_of_bed_reader(shape, major, tmp_path):
    values = make_values(shape)
    path = write_bed(tmp_path / "X.bed", values, major)
    for axis in (None, 0, 1, -1):
        expected = values.T if axis in (1, -1) else values
        for dtype in (None, "float64"):
            rows = open_rows(path, axis=axis, dtype=dtype)
            assert (rows.shape, rows.dtype) == (expected.shape, dtype or "float32")
            np.testing.assert_array_equal(rows.read(), expected)
            np.testing.assert_array_equal(rows[1:3].read(), expected[1:3])
            picked = np.arange(len(expected))[::-2]
            np.testing.assert_array_equal(rows[picked].read(), expected[picked])


@pytest.mark.parametrize("axis", [0, 1])
def test_a_missing_genotype_is_no_integer(axis, tmp_path):
    values = make_values(n_missing=0)
    path = write_bed(tmp_path / "X.bed", values)
    rows = open_rows(path, axis=axis, dtype="int8")
    expected = np.moveaxis(values, axis, 0).astype("int8")
    np.testing.assert_array_equal(rows.read(), expected, strict=True)
    place = (17, 2) if axis == 0 else (2, 5)
    values[place] = np.nan
    write_bed(path, values)
    rows = open_rows(path, axis=axis, dtype="int8")
    message = (
        f"X.bed has a missing genotype in row {place[axis]}, and int8 has no NaN for "
        "it. Open it with dtype='float32', where it is NaN."
    )
    with pytest.raises(ValueError, match=re.escape(message)):
        rows[1:29].read()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"dtype": "int16"}, "dtype must be float32, float64, int8 or None"),
        ({"axis": 2}, "axis must be an integer from -2 to 1 for 'X.bed'"),
        ({"key": "X"}, "key has no meaning for"),
    ],
)
def test_options(options, message, tmp_path):
    path = write_bed(tmp_path / "X.bed", make_values())
    with pytest.raises(ValueError, match=message):
        open_rows(path, **options)


def test_files_that_do_not_belong_together(tmp_path):
    path = write_bed(tmp_path / "X.bed", make_values())
    content = path.read_bytes()
    path.write_bytes(content[:-1])
    message = "has 58 bytes, and needs 59 for the 30 persons in its .fam and the 7 var"
    with pytest.raises(ValueError, match=message):
        open_rows(path)
    path.write_bytes(b"chr1\t0\t100\n")
    with pytest.raises(
        ValueError, match=r"is no \.bed file of PLINK 1: it begins with"
    ):
        open_rows(path)
    path.write_bytes(content)
    path.with_suffix(".bim").unlink()
    with pytest.raises(ValueError, match=r"needs 'X\.bim' beside it"):
        open_rows(path)


@pytest.mark.parametrize("suffix", [".bed", ".bim", ".fam"])
def test_a_file_that_is_replaced(suffix, tmp_path):
    """bed-reader reads another file of the same size without a word."""
    path = write_bed(tmp_path / "X.bed", make_values())
    rows = open_rows(path)
    rows[:3].read()
    replaced = path.with_suffix(suffix)
    (tmp_path / "new").write_bytes(replaced.read_bytes())
    os.replace(tmp_path / "new", replaced)
    with pytest.raises(ValueError, match=r"was replaced since .* Open it again\."):
        rows[:3].read()


def test_pickles_notice_what_was_written(tmp_path):
    values = make_values()
    path = write_bed(tmp_path / "X.bed", values)
    rows = open_rows(path)
    data = pickle.dumps(rows)
    rows.read()
    assert len(pickle.dumps(rows)) == len(data)  # nothing of bed-reader's
    np.testing.assert_array_equal(pickle.loads(data).read(), values)
    write_bed(path, values[::-1].copy())
    again = pickle.loads(data)
    with pytest.raises(ValueError, match=r"Open it again\."):
        again.read()


def test_fits_are_those_on_the_array(tmp_path):
    values = make_values((200, 40), n_missing=0)
    path = write_bed(tmp_path / "X.bed", values, "individual")
    y = values[:, 0] > 0
    model = ChunkedFit(
        SGDClassifier(random_state=0), chunk_size=30, max_epochs=2, random_state=0
    )
    expected = model.fit(values, y).estimator_.coef_
    np.testing.assert_array_equal(model.fit(path, y).estimator_.coef_, expected)


def test_persons_of_a_file_by_variants_warn(tmp_path):
    values = make_values((200, 40), n_missing=0)
    path = write_bed(tmp_path / "X.bed", values)
    y = values[:, 0] > 0
    model = ChunkedFit(SGDClassifier(random_state=0), chunk_size=30)
    text = (
        "X is stored column by column (Fortran order), so each chunk of rows reads "
        "from the whole file. Writing it by rows once will make every pass faster: "
        "skmmap.convert(X, 'X_rows.npy')."
    )
    with pytest.warns(EfficiencyWarning, match=f"^{re.escape(text)}$"):
        fitted = model.fit(path, y).estimator_.coef_
    convert(path, tmp_path / "X.npy")
    expected = model.fit(tmp_path / "X.npy", y).estimator_.coef_
    np.testing.assert_array_equal(fitted, expected)


def test_picked_persons_are_read_in_one_pass(tmp_path, monkeypatch):
    path = write_bed(tmp_path / "X.bed", make_values((400, 3)))
    store = find_source(open_rows(path)).store
    reads = []
    read = store._read
    monkeypatch.setattr(store, "_read", lambda *at: reads.append(at) or read(*at))
    store.take(np.array([1, 200, 399]))
    assert reads == [(1, 400)]
    assert store.find_units(5).tolist() == [400]


def test_memory_is_that_of_the_rows(tmp_path):
    path = write_bed(tmp_path / "X.bed", make_values((4_000, 2_000)))
    for axis in (0, 1):
        rows = open_rows(path, axis=axis)
        rows[:2].read()
        tracemalloc.start()
        rows[500:600].read()
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < 2.5 * 100 * rows.shape[1] * 4
