"""How well rows are mixed, as a number: against what a random sample would give.

The share of a label in a chunk varies from chunk to chunk. Its standard deviation is
compared with that over random samples of as many rows, which has a formula.
"""

from itertools import pairwise

import numpy as np
import pytest

from skmmap.order.schedule import BlockOrder, ChunkOrder, FileOrder, find_slices

N_ROWS, BUFFER_ROWS, CHUNK_ROWS = 2_000_000, 20_000, 500
ROW_NBYTES = 1_000  # so that a buffer is 20 MB
N_SLICES = 32
ROWS = np.arange(N_ROWS)
DRIFT = ROWS / N_ROWS


def mix(chunk_rows=CHUNK_ROWS, n_slices=N_SLICES):
    return BlockOrder(N_ROWS, chunk_rows, 1, 0, BUFFER_ROWS, n_slices)


def iter_rows(order):
    """Yield the rows of each chunk."""
    for buffer in order.iter_buffers(0):
        rows = np.arange(*buffer.blocks[0])
        if buffer.places is not None:
            rows = buffer.find_rows(0, len(buffer.places))
        for start, stop in buffer.chunks:
            yield rows[start:stop]


def spread(order, values):
    """Return the standard deviation of the mean of ``values`` over chunks."""
    return np.std([values[rows].mean() for rows in iter_rows(order)])


def spread_of_samples(values, n_rows):
    """Return what it is over random samples, drawn without replacement."""
    n = len(values)
    return values.std() * np.sqrt((1 - n_rows / n) * n / (n - 1) / n_rows)


def sort_labels(n_classes):
    """Return labels of which each is as often as the others, sorted."""
    return ROWS * n_classes // N_ROWS


def test_the_formula_of_random_samples():
    values = (sort_labels(10) == 3).astype(float)
    rows = np.random.default_rng(0).permutation(N_ROWS).reshape(-1, CHUNK_ROWS)
    found = values[rows].mean(axis=1).std()
    assert found == pytest.approx(spread_of_samples(values, CHUNK_ROWS), rel=0.05)


def test_slices_are_as_many_as_for_such_rows():
    """Those of the tests below are those that a user has."""
    wanted = [find_slices(BUFFER_ROWS, ROW_NBYTES, N_ROWS, k) for k in (1, 2, 10, 50)]
    assert wanted == [N_SLICES, N_SLICES, 40, 200]


@pytest.mark.parametrize("n_classes", [2, 10, 50])
@pytest.mark.parametrize("chunk_rows", [BUFFER_ROWS, CHUNK_ROWS])
def test_sorted_labels_are_mixed_as_in_a_random_sample(n_classes, chunk_rows):
    """For chunks of a whole buffer and for parts of it."""
    n_slices = find_slices(BUFFER_ROWS, ROW_NBYTES, N_ROWS, n_classes)
    y, order = sort_labels(n_classes), mix(chunk_rows, n_slices)
    for label in (0, n_classes // 2, n_classes - 1):
        share = (y == label).astype(float)
        assert spread(order, share) <= 1.1 * spread_of_samples(share, chunk_rows)


def test_labels_that_end_where_slices_end_have_the_same_share_in_every_buffer():
    """To within a row of each slice, which is what does not divide."""
    share = (sort_labels(2) == 0).astype(float)
    assert spread(mix(BUFFER_ROWS), share) <= N_SLICES / BUFFER_ROWS


@pytest.mark.parametrize("borders", [[0.49], [0.013], [0.21, 0.77], [0.333, 0.3335]])
@pytest.mark.parametrize("chunk_rows", [BUFFER_ROWS, CHUNK_ROWS])
def test_a_border_between_labels_costs_a_block_at_most(borders, chunk_rows):
    """A block is on one side of it or on the other: a coin toss for 1 / n_slices."""
    edges = [int(border * N_ROWS) for border in borders]
    share = (np.searchsorted(edges, ROWS, side="right") % 2).astype(float)
    tosses = np.sqrt(len(borders)) * 0.5 / N_SLICES
    sample = spread_of_samples(share, chunk_rows) if chunk_rows < BUFFER_ROWS else 0.0
    assert spread(mix(chunk_rows), share) <= 1.1 * np.hypot(tosses, sample)


def test_wide_rows_are_mixed_as_in_a_random_sample_wherever_labels_end():
    """A buffer of images has few enough rows that a block is not much of it."""
    n_rows, buffer_rows = 100_000, 400
    y = np.searchsorted([12_345, 50_123, 77_777], np.arange(n_rows), side="right")
    n_slices = find_slices(buffer_rows, 150_528, n_rows, 4)
    order = BlockOrder(n_rows, buffer_rows, 1, 0, buffer_rows, n_slices)
    for label in range(4):
        share = (y == label).astype(float)
        assert spread(order, share) <= 1.1 * spread_of_samples(share, buffer_rows)


@pytest.mark.parametrize("n_classes", [2, 10, 50])
@pytest.mark.parametrize("order", [FileOrder, ChunkOrder])
def test_without_mixing_sorted_labels_come_one_at_a_time(order, n_classes):
    """The counter-test: ten times the spread, and more, by the same measure."""
    share = (sort_labels(n_classes) == n_classes // 2).astype(float)
    found = spread(order(N_ROWS, CHUNK_ROWS), share)
    assert found > 10 * spread_of_samples(share, CHUNK_ROWS)
    assert found == pytest.approx(share.std(), rel=0.01)


@pytest.mark.parametrize("n_classes", [2, 10])
def test_every_chunk_has_every_label(n_classes):
    y = sort_labels(n_classes)
    for rows in iter_rows(mix()):
        assert np.bincount(y[rows], minlength=n_classes).all()


@pytest.mark.parametrize("chunk_rows", [BUFFER_ROWS, CHUNK_ROWS])
def test_a_feature_that_drifts_has_the_same_mean_everywhere(chunk_rows):
    bound = spread_of_samples(DRIFT, chunk_rows)
    assert spread(mix(chunk_rows), DRIFT) <= 1.05 * bound
    assert spread(FileOrder(N_ROWS, chunk_rows), DRIFT) > 20 * bound
    assert spread(ChunkOrder(N_ROWS, chunk_rows), DRIFT) > 20 * bound


def test_chunks_of_an_epoch_do_not_drift():
    """Neither does the mean of the rows along the epoch, nor within a buffer."""
    means = [DRIFT[rows].mean() for rows in iter_rows(mix())]
    time = np.arange(len(means))
    per_buffer = BUFFER_ROWS // CHUNK_ROWS
    assert abs(np.corrcoef(means, time)[0, 1]) < 0.05
    assert abs(np.corrcoef(means, time % per_buffer)[0, 1]) < 0.05


BLOCK_ROWS = BUFFER_ROWS // N_SLICES  # divides without rest, as the slices do


@pytest.mark.parametrize("n_periods", [1, 2, 5])
@pytest.mark.parametrize("chunk_rows", [BUFFER_ROWS, CHUNK_ROWS])
def test_labels_with_the_period_of_the_blocks_do_no_harm(chunk_rows, n_periods):
    """Each block has whole periods, wherever it lies."""
    period = BLOCK_ROWS // n_periods
    share = (ROWS % period < period // 5).astype(float)
    bound = spread_of_samples(share, chunk_rows)
    assert spread(mix(chunk_rows), share) <= 1.1 * bound


def test_labels_that_alternate_by_blocks_are_at_worst_a_sample_of_blocks():
    """The worst case: a buffer has as many independent draws as slices, no fewer."""
    share = (ROWS // BLOCK_ROWS % 2).astype(float)
    assert spread(mix(BUFFER_ROWS), share) <= 1.1 * 0.5 / np.sqrt(N_SLICES)


@pytest.mark.parametrize("chunk_rows", [BUFFER_ROWS, CHUNK_ROWS, 10_000])
def test_pairs_in_a_chunk_come_from_one_block_as_often_as_in_the_buffer(chunk_rows):
    """A row has the other rows of its block beside it, among all of the buffer."""
    pairs = []
    for rows in iter_rows(mix(chunk_rows)):
        found = np.bincount(rows // BLOCK_ROWS)
        pairs.append((found * (found - 1)).sum() / (chunk_rows * (chunk_rows - 1)))
    expected = (BLOCK_ROWS - 1) / (BUFFER_ROWS - 1)
    assert np.mean(pairs) == pytest.approx(expected, rel=0.01)


def test_neighbours_of_the_file_are_apart():
    """As often next to each other as in a permutation of the buffer: twice in all."""
    n_buffers = N_ROWS // BUFFER_ROWS
    rows = np.concatenate(list(iter_rows(mix(BUFFER_ROWS)))).reshape(n_buffers, -1)
    found = np.count_nonzero(np.abs(np.diff(rows, axis=1)) == 1)
    assert found == pytest.approx(2 * n_buffers, abs=5 * np.sqrt(2 * n_buffers))


def test_buffers_of_two_epochs_are_as_strange_to_each_other_as_to_a_sample():
    """The first buffers share as many blocks as chance has them share."""
    n_seeds, n_buffers = 60, N_ROWS // BUFFER_ROWS
    shared = 0
    for seed in range(n_seeds):
        order = BlockOrder(N_ROWS, BUFFER_ROWS, 1, seed, BUFFER_ROWS, N_SLICES)
        first, second = (next(order.iter_buffers(epoch)).blocks for epoch in (0, 1))
        shared += len(set(first) & set(second))
    expected = n_seeds * N_SLICES / n_buffers
    assert shared == pytest.approx(expected, abs=5 * np.sqrt(expected))


def test_more_slices_mix_better():
    """What drifts is the better spread the more blocks a buffer has."""
    found = [spread(mix(BUFFER_ROWS, n_slices), DRIFT) for n_slices in (1, 4, 16, 64)]
    assert all(more < 0.3 * fewer for fewer, more in pairwise(found))
