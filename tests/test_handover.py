"""Forms of a chunk, and views that an estimator must not keep."""

import numpy as np
import pytest
from scipy import sparse

from skmmap._handover import Form, own_arrays
from skmmap._rows import open_source

IMAGES = np.arange(24.0).reshape(2, 3, 4)


def test_forms():
    assert Form().apply(IMAGES) is IMAGES
    assert Form(flat=True).apply(IMAGES).shape == (2, 12)
    assert Form(flat=True).apply(IMAGES[:0]).shape == (0, 12)
    assert Form(flat=True).apply(IMAGES[:, 0]).shape == (2, 4)
    assert not np.shares_memory(Form(writable=True).apply(IMAGES), IMAGES)
    dense = Form(dense=True).apply(sparse.csr_array(np.eye(2)))
    np.testing.assert_array_equal(dense, np.eye(2))


def test_a_refusal_says_what_to_try_next():
    read_only = ValueError("assignment destination is read-only")
    assert Form().after(read_only, IMAGES) == Form(writable=True)
    assert Form(writable=True).after(read_only, IMAGES) is None
    assert Form().after(ValueError("dim 3"), IMAGES) == Form(flat=True)
    assert Form(flat=True).after(ValueError("NaN"), IMAGES) is None
    assert Form().after(ValueError("NaN"), IMAGES[:, 0]) is None
    assert Form().after(KeyError("dim 3"), IMAGES) is None
    rows = sparse.csr_array(np.eye(2))
    refused = TypeError("sparse")
    assert Form().after(refused, rows, takes_sparse=True) == Form(dense=True)
    assert Form().after(refused, rows) is None
    assert Form(dense=True).after(refused, rows, takes_sparse=True) is None


class Holder:
    pass


@pytest.mark.parametrize("nest", [lambda v: v, lambda v: [v], lambda v: {"key": [v]}])
def test_views_are_replaced_wherever_they_are_kept(nest):
    data, own = np.arange(10.0), np.arange(3.0)
    model, inner = Holder(), Holder()
    model.inner, inner.outer = inner, model  # a cycle
    inner.kept, inner.own = nest(data[2:5]), own
    own_arrays(model, open_source(data, "X"))
    kept = inner.kept
    while not isinstance(kept, np.ndarray):
        kept = kept["key"] if isinstance(kept, dict) else kept[0]
    assert not np.shares_memory(kept, data)
    np.testing.assert_array_equal(kept, [2, 3, 4])
    assert inner.own is own
