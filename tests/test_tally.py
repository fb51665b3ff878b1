"""Labels are counted the same at once and segment by segment."""

import numpy as np
import pytest

from skmmap.read import tally
from skmmap.read.tally import Tally

RNG = np.random.default_rng(0)
COLUMNS = {
    "three labels": lambda n: RNG.integers(0, 3, n),
    "many labels": lambda n: RNG.integers(-5, 900, n).astype(np.int16),
    "sorted": lambda n: np.sort(RNG.integers(0, 4, n)),
    "floats": lambda n: RNG.integers(0, 3, n).astype(float),
    "texts": lambda n: np.array(["a", "bb", "c"])[RNG.integers(0, 3, n)],
    "objects": lambda n: np.array(["x", "y"], dtype=object)[RNG.integers(0, 2, n)],
    "flags": lambda n: RNG.integers(0, 2, n).astype(bool),
    "large": lambda n: RNG.integers(0, 2**63, n, dtype=np.uint64),
}


def count(column, monkeypatch, few_rows, kept_nbytes=2**20):
    monkeypatch.setattr(tally, "_FEW_ROWS", few_rows)
    monkeypatch.setattr(tally, "_KEPT_NBYTES", kept_nbytes)
    counted = Tally(len(column))
    counted.add(0, column)
    return counted


@pytest.mark.parametrize("make", COLUMNS.values(), ids=COLUMNS)
@pytest.mark.parametrize("n_rows", [1, 9, 10, 19, 20, 21, 500, 999, 1_001, 5_003])
def test_few_rows_are_counted_at_once(make, n_rows, monkeypatch):
    column = make(n_rows)
    ways = {"few_rows": 10**9}, {"few_rows": 0}, {"few_rows": 0, "kept_nbytes": 0}
    one, *others = (count(column, monkeypatch, **way) for way in ways)
    for other in others:
        assert one.values.dtype == other.values.dtype
        assert np.array_equal(one.values, other.values)
        assert one.counts.dtype == other.counts.dtype
        assert np.array_equal(one.counts, other.counts)
    monkeypatch.setattr(tally, "_FEW_ROWS", 10**9)
    assert one.sortedness == others[1].sortedness
    monkeypatch.setattr(tally, "_FEW_ROWS", 0)
    assert others[0].sortedness == others[1].sortedness
    assert np.array_equal(others[0].counts, one.counts)
