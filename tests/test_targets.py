"""The scan of y: as NumPy finds labels in the whole, in bounded pieces."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.linear_model import SGDClassifier, SGDRegressor
from sklearn.multioutput import MultiOutputClassifier

from skmmap import _targets
from skmmap._checks import find_first_params
from skmmap._open import open_source
from skmmap._source import Source
from skmmap._stores import ArrayStore
from skmmap._targets import check_finite, check_labels, open_target, scan_labels

pytestmark = pytest.mark.usefixtures("small_pieces")


@pytest.fixture(autouse=True, scope="module")
def small_pieces():
    """Scan a few rows at a time, so that pieces matter."""
    before, _targets._PIECE_NBYTES = _targets._PIECE_NBYTES, 24
    yield
    _targets._PIECE_NBYTES = before


labels = st.one_of(
    st.lists(st.integers(-5, 300), min_size=1),
    st.lists(st.booleans(), min_size=1),
    st.lists(st.text("ab", max_size=4), min_size=1),
)


@given(labels)
def test_labels_are_those_of_unique(values):
    found = scan_labels(open_source(np.array(values), "y"), per_column=False).classes
    np.testing.assert_array_equal(found, np.unique(values))
    assert found.dtype == np.unique(values).dtype


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(5, 7)), min_size=1))
def test_labels_of_columns(values):
    found = scan_labels(open_source(np.array(values), "y"), per_column=True).classes
    for column, expected in zip(found, np.array(values).T, strict=True):
        np.testing.assert_array_equal(column, np.unique(expected))


def test_an_indicator_has_its_columns_as_labels():
    indicator = open_source(np.eye(4, dtype=int), "y")
    labels = scan_labels(indicator, per_column=False)
    np.testing.assert_array_equal(labels.classes, range(4))
    assert len(scan_labels(indicator, per_column=True).classes) == 4


@given(st.lists(st.integers(0, 9), min_size=1), st.lists(st.integers(0, 9), min_size=1))
def test_the_first_unknown_label_is_named(values, known):
    strange = [row for row, value in enumerate(values) if value not in known]
    source = open_source(np.array(values), "y")
    if not strange:
        check_labels(source, known)
        return
    text = rf"^y contains the label {values[strange[0]]} \(first in row {strange[0]}\)"
    with pytest.raises(ValueError, match=text):
        check_labels(source, known)


@given(st.lists(st.sampled_from([0.0, 1.5, np.nan, np.inf]), min_size=1))
def test_the_first_row_that_is_not_finite_is_noted(values):
    bad = np.flatnonzero(~np.isfinite(values))
    source = open_source(np.array(values), "y")
    if not len(bad):
        check_finite(source, "y")
        return
    with pytest.raises(ValueError, match="Input y contains") as caught:
        check_finite(source, "y")
    assert caught.value.__notes__ == [f"The first is in row {bad[0]:,} of y."]


def test_only_one_piece_is_read_at_a_time():
    class Spy(Source):
        def read(self, start, stop):
            sizes.append(stop - start)
            return super().read(start, stop)

    sizes = []
    scan_labels(Spy(ArrayStore(np.arange(100))), per_column=False)
    assert max(sizes) == 3
    assert sum(sizes) == 100


def test_no_target_stays_none():
    assert open_target(None, single_output=True) is None


@pytest.mark.parametrize(
    ("model", "y"),
    [
        (SGDClassifier(), np.arange(100) % 3),
        (SGDClassifier(), np.arange(100) % 3 / 1.0),
        (SGDRegressor(), np.arange(100.0)),
        (MultiOutputClassifier(SGDClassifier()), np.arange(200).reshape(100, 2) % 4),
    ],
)
def test_each_label_is_read_once_before_training(model, y, monkeypatch):
    rows = []
    read = ArrayStore.read

    def spy(self, start, stop):
        if self.rows.base is y:
            rows.extend(range(start, stop))
        return read(self, start, stop)

    monkeypatch.setattr(ArrayStore, "read", spy)
    find_first_params(model, None, open_source(y, "y"), None)
    assert rows == list(range(100))
