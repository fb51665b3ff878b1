"""Sparse rows whose arrays are broken: refused before compiled code follows them."""

import os
import re

import numpy as np
import pytest
from helpers import raises
from scipy import sparse
from sklearn.linear_model import SGDClassifier

from skmmap import ChunkedFit, open_rows, save_rows
from skmmap.rows.csr_check import check_ends, check_indices

# 8 rows of 6 columns, two values in each.
N, COLUMNS = 8, 6
ROWS = sparse.csr_array(np.tile([[0.0, 1, 0, 2, 0, 0], [3.0, 0, 0, 0, 0, 4]], (4, 1)))
INDPTR = np.arange(0, 17, 2)
AGAIN = "Write the files again, or give shape=(n_rows, n_columns)."


def changed(array, place, value, dtype=np.int64):
    array = np.array(array, dtype)
    array[place] = value
    return array


# What a file has instead, and what is said, of the row that is wrong.
FAULTS = {
    "descends": ("indptr", changed(INDPTR, 5, 13), "a descending indptr"),
    "descends, and has no sign": (
        "indptr",
        changed(INDPTR, 5, 13, np.uint64),
        "a descending indptr",
    ),
    "differences wrap": (
        "indptr",
        changed(INDPTR, slice(5, 7), [100, -100], np.int8),
        "a descending indptr",
    ),
    "goes beyond": (
        "indptr",
        changed(INDPTR, 5, 2**62),
        "a descending indptr",
    ),
    "too large": ("indices", changed(ROWS.indices, 10, 6), "an index outside"),
    "negative": ("indices", changed(ROWS.indices, 10, -1), "an index outside"),
    "negative in one byte": (
        "indices",
        changed(ROWS.indices, 10, -128, np.int8),
        "an index outside",
    ),
    "small when it is cut to 32 bits": (
        "indices",
        changed(ROWS.indices, 10, 2**32 + 1),
        "an index outside",
    ),
    "no sign": (
        "indices",
        changed(ROWS.indices, 10, 2**64 - 1, np.uint64),
        "an index outside",
    ),
    "big-endian": ("indices", changed(ROWS.indices, 10, -5, ">i4"), "an index outside"),
}


def save(folder, **parts):
    folder.mkdir(exist_ok=True)
    given = {"data": ROWS.data, "indices": ROWS.indices, "indptr": ROWS.indptr}
    for part, array in (given | {"shape": [N, COLUMNS]} | parts).items():
        np.save(folder / f"{part}.npy", array)
    return folder


def train(path, **params):
    model = SGDClassifier(random_state=0)
    return ChunkedFit(model, chunk_size=4, random_state=0, **params).fit(
        path, np.arange(N) % 2
    )


def predict(path, **params):
    good = save(path.with_name("good"))
    model = train(good, shuffle=False, max_epochs=1)
    return model.set_params(**params).predict(open_rows(path))


DOORS = {
    "read": lambda path: open_rows(path).read(),
    "read a part": lambda path: open_rows(path).read(4, 8),
    "take": lambda path: open_rows(path)[np.array([7, 5, 4])].read(),
    "a row": lambda path: open_rows(path)[5],
    "shards": lambda path: open_rows([path, path]).read(),
    "file order": lambda path: train(path, shuffle=False, max_epochs=1),
    "mixed": lambda path: train(path, shuffle=True),
    "blocks": lambda path: train(path, shuffle="blocks"),
    "buffer": lambda path: train(path, read="buffer"),
    "uncached": lambda path: train(path, read="uncached"),
    "cast": lambda path: train(path, dtype="float32"),
    "two jobs": lambda path: predict(path, n_jobs=2),
    "predict": predict,
}


@pytest.mark.parametrize("fault", FAULTS)
def test_what_is_said_of_a_chunk(fault, tmp_path):
    part, array, said = FAULTS[fault]
    rows = open_rows(save(tmp_path / "csr", **{part: array}))
    rest = " of its 6 columns" if part == "indices" else ""
    text = f"csr{os.sep} has {said}{rest} in rows 4 to 7. {AGAIN}"
    with raises(ValueError, text):
        rows.read(4, 8)
    assert rows.read(0, 4).shape == (4, 6)


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("door", DOORS)
def test_no_chunk_of_broken_rows_is_handed_out(door, fault, tmp_path):
    part, array, said = FAULTS[fault]
    path = save(tmp_path / "csr", **{part: array})
    said = "(a descending indptr|an indptr from 8)" if part == "indptr" else said
    with pytest.raises(ValueError, match=f"csr{re.escape(os.sep)} has {said}"):
        DOORS[door](path)


def said_of_ends(first, last, n_data=16, n_indices=16):
    return (
        f"source='csr' does not fit together: indptr.npy goes from {first} to {last}, "
        "which must be from 0 to the number of values; data.npy has "
        f"{n_data} of them and indices.npy {n_indices}. Write the three files again."
    )


def said_of_shape(said):
    return (
        f"source='csr' has 8 rows, and its shape.npy {said}; it must be two integers, "
        "8 and the number of columns. Write it again, or give shape=(8, n_columns)."
    )


UNFIT = {
    "begins late": ({"indptr": changed(INDPTR, 0, 2)}, said_of_ends(2, 16)),
    "begins early": ({"indptr": changed(INDPTR, 0, -2)}, said_of_ends(-2, 16)),
    "ends early": ({"indptr": changed(INDPTR, -1, 15)}, said_of_ends(0, 15)),
    "ends late": (
        {"indptr": changed(INDPTR, -1, 2**64 - 1, np.uint64)},
        said_of_ends(0, "18,446,744,073,709,551,615"),
    ),
    "fewer data": ({"data": ROWS.data[:-1]}, said_of_ends(0, 16, 15)),
    "fewer indices": ({"indices": ROWS.indices[1:]}, said_of_ends(0, 16, 16, 15)),
    "other rows": ({"shape": [7, 6]}, said_of_shape("says (7, 6)")),
    "negative columns": ({"shape": [8, -6]}, said_of_shape("says (8, -6)")),
    "too many columns": (
        {"shape": np.array([8, 2**63], np.uint64)},
        said_of_shape("says (8, 9223372036854775808)"),
    ),
    "three": (
        {"shape": [8, 6, 1]},
        said_of_shape("has the shape (3,) and the dtype int64"),
    ),
    "floats": (
        {"shape": [8.0, 6.0]},
        said_of_shape("has the shape (2,) and the dtype float64"),
    ),
    "nested": (
        {"shape": [[8, 6]]},
        said_of_shape("has the shape (1, 2) and the dtype int64"),
    ),
}


@pytest.mark.parametrize(("parts", "text"), UNFIT.values(), ids=UNFIT)
def test_files_that_do_not_fit_together(parts, text, empty_folder):
    save(empty_folder / "csr", **parts)
    with raises(ValueError, text):
        open_rows("csr")


def test_an_index_that_is_no_column(empty_folder):
    indices = changed(ROWS.indices, 3, 2**64 - 1, np.uint64)
    save(empty_folder / "csr", indices=indices)
    os.remove("csr/shape.npy")
    text = (
        f"csr{os.sep} has an index of 18,446,744,073,709,551,615, which is no column. "
        f"{AGAIN}"
    )
    with raises(ValueError, text):
        open_rows("csr")


@pytest.mark.parametrize("dtype", ["i1", "u1", "<i4", ">i4", "u4", "i8", "u8", ">u8"])
def test_sound_rows_of_all_types_of_integers(dtype, tmp_path):
    parts = {"indices": ROWS.indices.astype(dtype), "indptr": INDPTR.astype(dtype)}
    rows = open_rows(save(tmp_path / "csr", data=ROWS.data.astype(">f8"), **parts))
    assert rows.read().toarray().tolist() == ROWS.toarray().tolist()
    assert rows[np.array([6, 1])].read().toarray().tolist() == (
        ROWS.toarray()[[6, 1]].tolist()
    )


@pytest.mark.parametrize("dtype", ["i1", "u1", "<i2", ">i8", "u8"])
def test_indices_against_numbers(dtype):
    """All indices from far below to far above, each beside a good one."""
    info = np.iinfo(dtype)
    for value in (info.min, info.min + 1, -1, 0, 3, 4, 5, info.max):
        if not info.min <= value <= info.max:
            continue
        for indices in (np.array([value], dtype), np.array([1, value, 0], dtype)):
            if 0 <= value < 4:
                assert check_indices(indices, 4, 0, 1, "", "") is indices
            else:
                with pytest.raises(ValueError, match="outside of its 4 columns"):
                    check_indices(indices, 4, 0, 1, "", "")


def test_ends_against_numbers():
    for first, middle, last in np.ndindex(5, 5, 5):
        ends = np.array([first, middle, last], np.uint8)
        if first <= middle <= last <= 3:
            assert check_ends(ends, 7, 3, "", "") == (first, last)
        else:
            with pytest.raises(ValueError, match=r"indptr.* in rows 7 to 8"):
                check_ends(ends, 7, 3, "", "")
    with pytest.raises(ValueError, match=r"begins at 1, not at 0, in rows 0 to 1"):
        check_ends(np.array([1, 1, 2]), 0, 3, "", "")


def broken(part, place, value, of=sparse.csr_array):
    """A matrix that was changed after SciPy had looked at it."""
    matrix = of(ROWS.copy())  # which shares its arrays otherwise
    getattr(matrix, part)[place] = value
    return matrix


def refuse_to_convert(matrix):
    raise AssertionError("compiled code would have followed the indices")


IN_MEMORY = {
    "indptr": broken("indptr", 5, 13),
    "begins": broken("indptr", 0, 1),
    "ends": broken("indptr", -1, 99),
    "indices": broken("indices", 10, 6),
    "negative": broken("indices", 10, -1),
    "matrix": broken("indices", 10, 6, sparse.csr_matrix),
    "csc": broken("indices", 10, 8, sparse.csc_array),
    "csc indptr": broken("indptr", 3, 99, sparse.csc_array),
    "bsr": broken("indices", 0, 6, sparse.bsr_array),
    "coo": broken("row", 10, 8, sparse.coo_array),
}


@pytest.mark.parametrize("kind", IN_MEMORY)
@pytest.mark.parametrize(
    "use", [train, lambda X: open_rows(X).read(), lambda X: open_rows(X)[::-1].read()]
)
def test_matrices_in_memory_are_looked_at(kind, use, monkeypatch):
    for format_ in ("csc", "bsr", "coo"):
        for cls in (f"{format_}_array", f"{format_}_matrix"):
            monkeypatch.setattr(getattr(sparse, cls), "tocsr", refuse_to_convert)
    is_converted = IN_MEMORY[kind].format != "csr"
    said = r"indices outside of its shape\." if is_converted else r"in rows? .*\."
    with pytest.raises(
        ValueError, match=f"a sparse matrix has .*{said} Build the matrix again; its"
    ):
        use(IN_MEMORY[kind])


@pytest.mark.parametrize("format_", ["csr", "csc", "bsr", "coo", "lil", "dok", "dia"])
def test_sound_matrices_of_all_formats(format_):
    rows = open_rows(ROWS.asformat(format_)).read()
    assert rows.toarray().tolist() == ROWS.toarray().tolist()


@pytest.mark.parametrize("cls", [sparse.csr_array, sparse.csc_matrix])
def test_what_writers_advise_for_sparse_rows_is_opened(cls, empty_folder):
    matrix = cls(ROWS)
    with pytest.raises(TypeError, match=r"each saved by np\.save in one folder, which"):
        save_rows("X.npy", [matrix])
    for part in ("data", "indices", "indptr"):
        np.save(f"{part}.npy", getattr(sparse.csr_array(matrix), part))
    assert open_rows(empty_folder).read().toarray().tolist() == ROWS.toarray().tolist()
