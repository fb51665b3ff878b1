"""Rows that are held out: which, how many, and of each label its share."""

import numpy as np
import pytest
from helpers import raises
from hypothesis import given
from hypothesis import strategies as st
from sklearn.model_selection import StratifiedShuffleSplit

from skmmap.formats.open import open_source
from skmmap.order import holdout as _holdout
from skmmap.order.holdout import split_rows
from skmmap.order.selection import Runs, rows_at
from skmmap.rows.source import Source


def numbers(selection):
    """Return the row numbers of a selection."""
    return rows_at(selection, range(len(selection)))


def split(n_rows, fraction, seed=0, y=None):
    """Return the numbers of the rows to train on, and of those that are held out."""
    source = None if y is None else open_source(np.asarray(y), "y")
    train, held_out = split_rows(n_rows, fraction, seed, source)
    return numbers(train), numbers(held_out)


def check_parts(n_rows, train, held_out):
    """Check that each row is in one of both, and that both ascend."""
    assert len(train)
    assert len(held_out)
    assert np.all(np.diff(train) > 0)
    assert np.all(np.diff(held_out) > 0)
    every = np.sort(np.concatenate([train, held_out]))
    np.testing.assert_array_equal(every, np.arange(n_rows))


@pytest.fixture
def few_units(monkeypatch):
    """Hold out runs of rows from 21 rows on."""
    monkeypatch.setattr(_holdout, "_MAX_UNITS", 20)


FRACTIONS = [0.05, 0.1, 0.25, 0.5, 0.9]


@pytest.mark.parametrize("fraction", FRACTIONS)
def test_every_small_number_of_rows(fraction):
    for n_rows in range(1, 60):
        if 0 < round(n_rows * fraction) < n_rows:
            train, held_out = split(n_rows, fraction)
            check_parts(n_rows, train, held_out)
            assert len(held_out) == round(n_rows * fraction)


@pytest.mark.usefixtures("few_units")
@pytest.mark.parametrize("fraction", FRACTIONS)
def test_every_number_of_rows_in_runs(fraction):
    """Also where the last run is shorter, or the rows are as many as the units."""
    for n_rows in [*range(18, 90), 1000, 1001, 1019]:
        size = -(-n_rows // 20)
        n_units = -(-n_rows // size)
        train, held_out = split(n_rows, fraction)
        check_parts(n_rows, train, held_out)
        assert len(set(held_out // size)) == round(n_units * fraction)
        assert set(held_out // size).isdisjoint(train // size)


@given(
    y=st.lists(st.integers(0, 4), min_size=2, max_size=200),
    fraction=st.floats(0.01, 0.99),
    seed=st.integers(0, 2**31 - 1),
)
def test_the_share_of_each_label_is_exact_within_rounding(y, fraction, seed):
    y = np.array(y)
    shares = {label: (y == label).sum() * fraction for label in set(y)}
    total = min(round(len(y) * fraction), len(y) - len(shares))
    if total == 0:
        return
    train, held_out = split(len(y), fraction, seed, y)
    check_parts(len(y), train, held_out)
    for label, share in shares.items():
        n_held_out = np.count_nonzero(y[held_out] == label)
        assert abs(n_held_out - share) < 1 or n_held_out == (y == label).sum() - 1
        assert label in y[train]
    assert len(held_out) <= total


def test_shares_of_many_small_labels_add_up_to_the_fraction():
    """Each is rounded, and all of them together are not."""
    for n_rows in (4, 6):
        y = np.repeat(np.arange(100), n_rows)
        _, held_out = split(len(y), 0.1, 0, y)
        assert len(held_out) == 10 * n_rows
        assert np.bincount(y[held_out]).max() == 1


@pytest.mark.parametrize(
    "y",
    [
        np.arange(200) % 3,
        np.arange(200) % 3 / 1.0,
        np.arange(200) // 100 > 0,
        np.array(["ant", "bee", "cat", "dog"])[np.arange(200) // 50],
        np.array(["ant", "bee"], dtype=object)[np.arange(200) % 2],
    ],
    ids=["int", "float", "bool", "str", "object"],
)
def test_labels_of_every_type_have_their_share(y):
    train, held_out = split(200, 0.1, 0, y)
    check_parts(200, train, held_out)
    labels, counts = np.unique(y, return_counts=True)
    found = [np.count_nonzero(y[held_out] == label) for label in labels]
    assert sum(found) == 20
    np.testing.assert_allclose(found, counts * 0.1, atol=1)


def test_the_shares_are_those_of_scikit_learn():
    y = np.repeat([0, 1, 2], [700, 200, 100])
    _, held_out = split(1000, 0.1, 0, y)
    splitter = StratifiedShuffleSplit(1, test_size=0.1, random_state=0)
    _, expected = next(splitter.split(y, y))
    np.testing.assert_array_equal(np.bincount(y[held_out]), np.bincount(y[expected]))


def test_a_label_of_one_row_stays_in_training():
    """Half a row is none, so that even a half of the rows is not that one."""
    y = np.zeros(100, dtype=int)
    y[[17, 56]] = 1, 2
    for fraction in (0.1, 0.5):
        for seed in range(20):
            train, held_out = split(100, fraction, seed, y)
            assert {17, 56} <= set(train)
            assert len(held_out) == round(98 * fraction)


@pytest.mark.parametrize("y", [None, np.arange(1000) // 500], ids=["any", "sorted"])
def test_what_is_held_out_is_spread_over_the_file(y):
    """One row of each ten neighbours, whichever it is."""
    _, held_out = split(1000, 0.1, 0, y)
    np.testing.assert_array_equal(held_out // 10, np.arange(100))
    assert len(set(held_out % 10)) == 10


def test_each_label_is_spread_over_its_own_rows():
    y = np.arange(1000) % 2
    _, held_out = split(1000, 0.1, 0, y)
    for label in (0, 1):
        ranks = np.flatnonzero(np.isin(np.flatnonzero(y == label), held_out))
        np.testing.assert_array_equal(ranks // 10, np.arange(50))


def test_each_row_is_held_out_as_often():
    held_out = [split(40, 0.1, seed)[1] for seed in range(2000)]
    counts = np.bincount(np.concatenate(held_out), minlength=40)
    assert np.abs(counts - 200).max() < 5 * np.sqrt(200 * 0.9)


def test_the_same_seed_holds_out_the_same_rows_and_another_one_others():
    y = np.arange(500) % 3
    for labels in (None, y):
        rows = [tuple(split(500, 0.2, seed, labels)[1]) for seed in range(10)]
        assert len(set(rows)) == 10
        assert rows[3] == tuple(split(500, 0.2, 3, labels)[1])


def test_a_split_does_not_follow_the_global_generator():
    np.random.seed(0)
    before = split(100, 0.2)[1]
    np.random.seed(1)
    np.testing.assert_array_equal(split(100, 0.2)[1], before)


@pytest.mark.usefixtures("few_units")
def test_labels_of_runs_have_their_share():
    """A run counts with the label of its first row."""
    y = np.repeat([0, 1], [1500, 500])
    train, held_out = split(2000, 0.2, 0, y)
    check_parts(2000, train, held_out)
    assert np.bincount(y[held_out]).tolist() == [300, 100]
    assert np.all(np.bincount(held_out // 100) % 100 == 0)


@pytest.mark.usefixtures("few_units")
def test_only_the_first_label_of_each_run_is_read():
    class Spy(Source):
        def select(self, picked):
            asked.extend(numbers(picked))
            return super().select(picked)

    asked = []
    y = open_source(np.arange(200) % 2, "y")
    split_rows(200, 0.2, 0, Spy(y.store))
    assert asked == list(range(0, 200, 10))


def test_a_billion_rows_are_held_out_in_runs():
    """Which is a few megabytes, instead of eight gigabytes."""
    train, held_out = split_rows(10**9, 0.1, 0)
    assert isinstance(train, Runs)
    assert isinstance(held_out, Runs)
    assert len(train) + len(held_out) == 10**9
    assert len(held_out) == pytest.approx(10**8, rel=1e-4)
    assert train.nbytes + held_out.nbytes <= 2 * 8 * 2**20


def test_labels_of_a_selection_are_those_of_its_rows():
    y = np.random.default_rng(0).integers(0, 3, 600)
    rows = np.random.default_rng(1).permutation(600)[:400]
    for picked in (range(100, 500), range(0, 600, 2), range(600)[::-1], np.sort(rows)):
        chosen = y[np.asarray(picked)]
        source = open_source(y, "y").select(picked)
        train, held_out = map(numbers, split_rows(len(chosen), 0.2, 0, source))
        expected = split(len(chosen), 0.2, 0, chosen)
        np.testing.assert_array_equal(train, expected[0])
        np.testing.assert_array_equal(held_out, expected[1])
        np.testing.assert_array_equal(source.select(held_out).load(), chosen[held_out])


def test_labels_that_were_brought_into_file_order():
    """The rows are those of the source as it is read."""
    y = np.repeat([0, 1], [300, 100])
    shuffled = np.random.default_rng(0).permutation(400)
    source = open_source(y, "y").select(shuffled)
    source = source.reorder(source.find_file_order())
    _, held_out = split_rows(400, 0.1, 0, source)
    np.testing.assert_array_equal(numbers(held_out), split(400, 0.1, 0, y)[1])


def test_labels_on_disk(on_disk):
    y = np.random.default_rng(0).integers(0, 3, 300)
    source = open_source(on_disk(y), "y")
    _, held_out = split_rows(300, 0.2, 0, source)
    np.testing.assert_array_equal(numbers(held_out), split(300, 0.2, 0, y)[1])


def too_few(fraction, n_rows, n_held_out):
    return (
        f"validation_fraction={fraction} of {n_rows} rows leaves {n_held_out} rows to "
        "score and the others to train on; each needs at least one row. Change "
        "validation_fraction, or give X_val and y_val."
    )


@pytest.mark.parametrize(
    ("n_rows", "fraction", "n_held_out"),
    [(4, 0.1, "0"), (1, 0.3, "0"), (10, 0.0, "0")],
)
def test_a_part_without_rows_is_refused(n_rows, fraction, n_held_out):
    with raises(ValueError, too_few(fraction, n_rows, n_held_out)):
        split_rows(n_rows, fraction, 0)


def test_a_part_without_rows_is_refused_with_commas():
    with raises(ValueError, too_few(0.0001, "2,000", "0")):
        split_rows(2000, 0.0001, 0)


def test_one_row_of_each_label_is_trained_on():
    """However many are held out, and if there is one only."""
    train, _ = split(10, 1.0, 0)
    assert len(train) == 1
    y = np.repeat([0, 1, 2], [50, 49, 1])
    train, _ = split(100, 0.9, 0, y)
    assert 2 in y[train]


def test_labels_of_one_row_each_leave_none_to_score():
    y = open_source(np.arange(50), "y")
    with raises(ValueError, too_few(0.1, "50", "0")):
        split_rows(50, 0.1, 0, y)


@pytest.mark.usefixtures("few_units")
def test_a_part_without_runs_is_refused():
    with raises(ValueError, too_few(0.01, "1,000", "0")):
        split_rows(1000, 0.01, 0)
