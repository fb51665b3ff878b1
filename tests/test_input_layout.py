"""Forms of a chunk, and what a refusal says."""

import numpy as np
from scipy import sparse

from skmmap.wrap.input_layout import InputLayout, describe_error, note_refusal

IMAGES = np.arange(24.0).reshape(2, 3, 4)


def test_forms():
    assert InputLayout().apply(IMAGES) is IMAGES
    assert InputLayout(flat=True).apply(IMAGES).shape == (2, 12)
    assert InputLayout(flat=True).apply(IMAGES[:0]).shape == (0, 12)
    assert InputLayout(flat=True).apply(IMAGES[:, 0]).shape == (2, 4)
    assert not np.shares_memory(InputLayout(writable=True).apply(IMAGES), IMAGES)
    dense = InputLayout(dense=True).apply(sparse.csr_array(np.eye(2)))
    np.testing.assert_array_equal(dense, np.eye(2))


def test_a_refusal_says_what_to_try_next():
    read_only = ValueError("assignment destination is read-only")
    assert InputLayout().after(read_only, IMAGES) == InputLayout(writable=True)
    assert InputLayout(writable=True).after(read_only, IMAGES) is None
    assert InputLayout().after(ValueError("dim 3"), IMAGES) == InputLayout(flat=True)
    assert InputLayout(flat=True).after(ValueError("NaN"), IMAGES) is None
    assert InputLayout().after(ValueError("NaN"), IMAGES[:, 0]) is None
    assert InputLayout().after(KeyError("dim 3"), IMAGES) is None
    assert InputLayout(flat=False).after(ValueError("NaN"), IMAGES) is None


def test_what_was_taken_is_settled():
    assert InputLayout().settled(IMAGES) == InputLayout(flat=False)
    assert InputLayout(flat=True).settled(IMAGES) == InputLayout(flat=True)
    assert InputLayout().settled(IMAGES[:, 0]) == InputLayout()


def test_an_earlier_refusal_is_noted():
    error = IndexError("too few dimensions")
    note_refusal(error, None)
    assert not hasattr(error, "__notes__")
    note_refusal(error, describe_error(ValueError("NaN pixels")))
    assert error.__notes__ == [
        "Before, the rows as they are were refused: ValueError: NaN pixels"
    ]
