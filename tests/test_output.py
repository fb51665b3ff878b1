"""Joined results are what NumPy, SciPy and the frame libraries would join."""

import numpy as np
import pandas as pd
import pytest
from helpers import raises
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import sparse

from skmmap.apply.output import Output

dtypes = st.sampled_from(["?", "u1", "i4", "i8", "f4", "f8", "c16"])


def join(parts, n_rows, **options):
    output, start = Output(n_rows, **options), 0
    for part in parts:
        stop = start + (part[0] if isinstance(part, list) else part).shape[0]
        output.add(start, stop, part)
        start = stop
    return output.result()


@given(
    st.lists(st.tuples(st.integers(0, 4), dtypes), min_size=1, max_size=5).flatmap(
        lambda sizes: st.tuples(
            *(
                hnp.arrays(dtype, (n_rows, 2), elements=st.integers(0, 1))
                for n_rows, dtype in sizes
            )
        )
    )
)
def test_arrays_of_any_types(parts):
    joined = join(parts, sum(map(len, parts)))
    expected = np.concatenate(parts)
    assert joined.dtype == expected.dtype
    np.testing.assert_array_equal(joined, expected)


@pytest.mark.parametrize("format", ["csr", "csc", "coo"])
@pytest.mark.parametrize("kind", ["array", "matrix"])
def test_sparse_results_keep_their_format(format, kind):
    make = getattr(sparse, f"{format}_{kind}")
    parts = [make(np.eye(3)), make(2 * np.eye(3))]
    joined = join(parts, 6)
    assert type(joined) is make
    np.testing.assert_array_equal(
        joined.toarray(), np.vstack([p.toarray() for p in parts])
    )


def test_frames_keep_or_number_their_index():
    parts = [pd.DataFrame({"a": [1, 2]}, index=[7, 8]), pd.DataFrame({"a": [0.5]})]
    assert list(join(parts, 3).index) == [0, 1, 2]
    assert list(join(parts, 3, keep_index=True).index) == [7, 8, 0]


def test_lists_of_outputs():
    parts = [[np.zeros((2, 3)), np.ones(2)], [np.zeros((1, 3)), np.array([0.5])]]
    first, second = join(parts, 3)
    assert first.shape == (3, 3)
    np.testing.assert_array_equal(second, [1, 1, 0.5])


def test_other_outputs_than_before_are_refused():
    output = Output(3)
    output.add(0, 2, [np.zeros(2), np.ones(2)])
    text = (
        "The estimator returned 2 outputs for the rows before row 2, and something "
        "else for these."
    )
    for result in [np.zeros(1)], np.zeros(1), [[0], [1]]:
        with raises(ValueError, text):
            output.add(2, 3, result)


@given(
    st.lists(
        st.tuples(
            st.integers(0, 4), st.floats(0, 1), st.sampled_from(["i4", "f4", "f8"])
        ),
        min_size=1,
        max_size=5,
    )
)
def test_csr_results_of_any_types(sizes):
    rng = np.random.default_rng(0)
    parts = [
        sparse.csr_array((rng.random((n, 3)) < density).astype(dtype))
        for n, density, dtype in sizes
    ]
    joined = join(parts, sum(n for n, _, _ in sizes))
    expected = sparse.vstack(parts, format="csr")
    assert joined.dtype == expected.dtype
    assert joined.indices.dtype == expected.indices.dtype
    np.testing.assert_array_equal(joined.indptr, expected.indptr)
    np.testing.assert_array_equal(joined.indices, expected.indices)
    np.testing.assert_array_equal(joined.data, expected.data)


def test_lists_of_rows_are_rows_not_outputs():
    output = Output(3)
    output.add(0, 2, [[1, 2], [3, 4]])
    output.add(2, 3, [[5, 6]])
    np.testing.assert_array_equal(output.result(), [[1, 2], [3, 4], [5, 6]])


@pytest.mark.parametrize("result", [np.zeros(2), [[1], [2]], 7, np.zeros((4, 1))])
def test_results_that_are_not_by_row_are_refused(result):
    output = Output(6)
    output.add(0, 3, np.zeros(3))
    found = f"{np.size(result)} rows" if np.ndim(result) else "a single number"
    text = f"The estimator returned {found} for rows 3 to 5, which are 3"
    with pytest.raises(ValueError, match=text):
        output.add(3, 6, result)


def test_rows_of_another_shape_are_refused():
    output = Output(6)
    output.add(0, 3, np.zeros((3, 2)))
    text = r"returned the shape \(3, 1\) for rows 3 to 5, and rows of shape \(2,\)"
    with pytest.raises(ValueError, match=text):
        output.add(3, 6, np.zeros((3, 1)))
