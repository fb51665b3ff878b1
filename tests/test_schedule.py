"""Chunks, orders and sizes: exhaustive where that takes milliseconds."""

import gc
import tracemalloc
from itertools import islice, pairwise, permutations, product
from math import factorial

import numpy as np
import pytest
from helpers import EXHAUSTIVE
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import chisquare
from sklearn.utils import gen_batches

from skmmap.order.chunk_size import find_buffer_rows, find_chunk_rows, parse_size
from skmmap.order.schedule import BlockOrder, ChunkOrder, FileOrder, find_slices


def test_chunks_are_those_of_gen_batches():
    for n_rows in range(1, 31):
        for chunk_size in range(1, 13):
            for min_rows in range(1, chunk_size + 1):
                order = FileOrder(n_rows, chunk_size, min_rows)
                batches = gen_batches(n_rows, chunk_size, min_batch_size=min_rows)
                expected = [(rows.start, rows.stop) for rows in batches]
                assert list(order) == expected
                assert len(order) == len(expected)


@given(st.integers(0, 10**12), st.integers(1, 10**9), st.integers(1, 10**6))
def test_every_row_is_in_one_chunk_however_many(n_rows, chunk_size, min_rows):
    order = FileOrder(n_rows, chunk_size, min(min_rows, chunk_size))
    whole, tail = divmod(n_rows, chunk_size)
    assert len(order) in (whole, whole + 1)
    assert len(order) == 0 if n_rows == 0 else len(order) >= 1
    if len(order) == whole and tail:
        assert tail < order.min_rows


def put_in_places(buffer):
    """Return the rows of a buffer in their places, as the reader puts them there."""
    rows = np.concatenate([np.arange(*block) for block in buffer.blocks])
    if buffer.places is None:
        return rows
    mixed = np.full(len(rows), -1)
    mixed[buffer.places] = rows
    return mixed


def read_epoch(order, epoch=0):
    """Return the rows of each chunk of an epoch."""
    return [
        put_in_places(buffer)[start:stop]
        for buffer in order.iter_buffers(epoch)
        for start, stop in buffer.chunks
    ]


def in_words(order, epoch=0):
    """Return an epoch as something that can be compared and counted."""
    return tuple(rows.tobytes() for rows in read_epoch(order, epoch))


def small_shapes():
    """Yield rows, chunk size and least rows of a chunk: all that matters when few."""
    for n_rows, chunk_size in product(range(1, 31), (1, 2, 3, 5, 8, 30)):
        for min_rows in sorted({1, 2, chunk_size}):
            if min_rows <= chunk_size:
                yield n_rows, chunk_size, min_rows


def check_epoch(order, epoch=0):
    """Check that every row is once in chunks of the sizes of a `FileOrder`."""
    chunks = read_epoch(order, epoch)
    expected = FileOrder(order.n_rows, order.chunk_size, order.min_rows)
    sizes = [stop - start for start, stop in expected]
    found = [len(rows) for rows in chunks]
    if isinstance(order, ChunkOrder):  # the tail may be anywhere
        found, sizes = sorted(found), sorted(sizes)
    assert found == sizes
    assert len(order) == len(sizes)
    every = np.sort(np.concatenate(chunks))
    np.testing.assert_array_equal(every, np.arange(order.n_rows))


def check_buffer(order, buffer):
    """Check the blocks, the places and the chunks of a buffer of a `BlockOrder`."""
    n_slices = order.n_slices if order.n_buffers > 1 else 1  # all of the file
    edges = np.arange(n_slices + 1) * order.n_rows // n_slices
    begin, end = np.array(buffer.blocks).T
    n_rows = (end - begin).sum()
    assert np.all(begin < end)
    assert np.all(end[:-1] <= begin[1:])
    slices = np.searchsorted(edges, begin, side="right")
    assert len(set(slices)) == len(slices)
    assert np.all(end <= edges[slices])
    np.testing.assert_array_equal(np.sort(buffer.places), np.arange(n_rows))
    assert buffer.chunks[0][0] == 0
    assert buffer.chunks[-1][1] == n_rows
    assert all(before[1] == after[0] for before, after in pairwise(buffer.chunks))
    mixed = put_in_places(buffer)
    for start, stop in buffer.chunks:
        found = buffer.find_rows(start, stop)
        np.testing.assert_array_equal(found, mixed[start:stop])


def check_buffers(order, buffers):
    """Check that buffers have as many chunks, and no more than are wanted."""
    n_chunks = [len(buffer.chunks) for buffer in buffers]
    most = max(1, order.buffer_rows // order.chunk_size)
    assert max(n_chunks) <= most
    assert max(n_chunks) - min(n_chunks) <= 1
    assert len(buffers) == order.n_buffers == -(-len(order) // most)


@pytest.mark.parametrize("n_slices", [1, 2, 7, 31])
def test_every_small_shape_of_mixed_blocks(n_slices):
    shapes = list(small_shapes())
    # 15 shapes have as many rows: steps of 7 meet each kind of them.
    for shape in shapes if EXHAUSTIVE else shapes[::7]:
        for buffer_rows in (1, 6, 13, 30):
            order = BlockOrder(*shape, 0, buffer_rows, n_slices)
            check_epoch(order)
            buffers = list(order.iter_buffers(0))
            check_buffers(order, buffers)
            for buffer in buffers:
                check_buffer(order, buffer)


@given(
    n_rows=st.integers(1, 20_000),
    n_chunks=st.integers(1, 60),
    min_share=st.floats(0, 1),
    n_buffers=st.integers(1, 60),
    n_slices=st.integers(1, 300),
    seed=st.integers(0, 2**31 - 1),
    epoch=st.integers(0, 10**6),
)
def test_every_row_once_in_larger_files(
    n_rows, n_chunks, min_share, n_buffers, n_slices, seed, epoch
):
    chunk_size = -(-n_rows // n_chunks)
    min_rows = max(1, int(min_share * chunk_size))
    buffer_rows = -(-n_rows // n_buffers)
    order = BlockOrder(n_rows, chunk_size, min_rows, seed, buffer_rows, n_slices)
    check_epoch(order, epoch)
    buffers = list(order.iter_buffers(epoch))
    check_buffers(order, buffers)
    for buffer in buffers:
        check_buffer(order, buffer)
    check_epoch(ChunkOrder(n_rows, chunk_size, min_rows, seed), epoch)


def test_every_small_shape_of_chunks_in_file_order_and_in_another():
    for shape in small_shapes():
        check_epoch(FileOrder(*shape))
        check_epoch(ChunkOrder(*shape))


def test_file_order_is_the_same_in_every_epoch():
    order = FileOrder(7, 3)
    assert [rows.tolist() for rows in read_epoch(order)] == [[0, 1, 2], [3, 4, 5], [6]]
    assert in_words(order, 5) == in_words(order)


def test_chunks_in_another_order_are_chunks_of_the_file():
    chunks = [rows.tolist() for rows in read_epoch(ChunkOrder(23, 5, 4))]
    assert sorted(chunks) == [rows.tolist() for rows in read_epoch(FileOrder(23, 5, 4))]


def test_no_rows_are_no_buffers():
    for order in (FileOrder(0, 3), ChunkOrder(0, 3), BlockOrder(0, 3, 1, 0, 6, 2)):
        assert list(order.iter_buffers(0)) == []


def make_blocks(seed, n_rows=240):
    return BlockOrder(n_rows, 10, 1, seed, 40, 5)


def make_chunks(seed):
    return ChunkOrder(240, 10, 1, seed)


@pytest.mark.parametrize("make", [make_blocks, make_chunks])
def test_an_order_is_a_function_of_seed_and_epoch(make):
    assert in_words(make(7), 3) == in_words(make(7), 3)
    order = make(7)
    last_first = [in_words(order, epoch) for epoch in (3, 2, 1, 0)]
    assert last_first[::-1] == [in_words(make(7), epoch) for epoch in range(4)]


@pytest.mark.parametrize("make", [make_blocks, make_chunks])
def test_each_epoch_of_each_seed_is_another_order(make):
    """Also epoch 1 of seed 0 and epoch 0 of seed 1."""
    orders = {in_words(make(seed), epoch) for seed in range(6) for epoch in range(6)}
    assert len(orders) == 36


def test_blocks_and_places_both_change_with_the_seed_and_with_the_epoch():
    drawn = [
        list(make_blocks(seed).iter_buffers(epoch))
        for seed in range(4)
        for epoch in range(4)
    ]
    blocks = {tuple(tuple(buffer.blocks) for buffer in epoch) for epoch in drawn}
    places = {buffer.places.tobytes() for epoch in drawn for buffer in epoch}
    assert len(blocks) == 16
    assert len(places) == 16 * 6


def test_another_number_of_rows_is_another_order():
    first, second = make_blocks(0), make_blocks(0, n_rows=480)
    assert read_epoch(first)[0].tolist() != read_epoch(second)[0].tolist()


@pytest.mark.parametrize("make", [make_blocks, make_chunks])
def test_a_buffer_does_not_depend_on_those_before_it(make):
    """Neither on whether they were used, nor on another epoch read in between."""
    expected = [put_in_places(buffer).tolist() for buffer in make(3).iter_buffers(2)]
    for number, rows in enumerate(expected):
        buffer = next(islice(make(3).iter_buffers(2), number, None))
        assert put_in_places(buffer).tolist() == rows
    order = make(3)
    together = zip(order.iter_buffers(2), order.iter_buffers(1), strict=True)
    assert [put_in_places(buffer).tolist() for buffer, _ in together] == expected


def check_uniform(outcomes, possible):
    """Check that outcomes are as often as each other, but for chance."""
    counts = [outcomes.count(outcome) for outcome in possible]
    assert sum(counts) == len(outcomes)
    assert chisquare(counts).pvalue > 1e-3


def test_one_buffer_for_all_is_a_uniform_permutation():
    orders = (BlockOrder(4, 2, 1, seed, 100, 3) for seed in range(60 * factorial(4)))
    rows = [tuple(np.concatenate(read_epoch(order)).tolist()) for order in orders]
    check_uniform(rows, list(permutations(range(4))))


def test_each_order_of_chunks_is_as_likely_by_seed_and_by_epoch():
    by_seed = [read_epoch(ChunkOrder(4, 1, 1, seed)) for seed in range(1200)]
    by_epoch = [read_epoch(ChunkOrder(4, 1, 1, 0), epoch) for epoch in range(1200)]
    for epochs in (by_seed, by_epoch):
        rows = [tuple(np.concatenate(epoch).tolist()) for epoch in epochs]
        check_uniform(rows, list(permutations(range(4))))


def test_each_block_of_each_slice_is_as_likely_whatever_the_others():
    """Two slices of three blocks: all 36 ways of drawing, by seed and by epoch."""
    ways = list(product(permutations(range(3)), repeat=2))
    assert len(ways) == 36
    for drawn in (
        [BlockOrder(18, 6, 1, seed, 6, 2).iter_buffers(0) for seed in range(900)],
        [BlockOrder(18, 6, 1, 0, 6, 2).iter_buffers(epoch) for epoch in range(900)],
    ):
        found = [
            tuple(
                tuple(begin % 9 // 3 for begin in begins)
                for begins in zip(
                    *([a for a, _ in b.blocks] for b in epoch), strict=True
                )
            )
            for epoch in drawn
        ]
        check_uniform(found, ways)


@pytest.mark.parametrize("n_slices", [1, 5, 16])
@pytest.mark.parametrize("n_rows", [4_000, 4_001, 4_999, 5_013])
def test_each_buffer_has_its_share_of_each_slice(n_rows, n_slices):
    """To within a row on either side."""
    order = BlockOrder(n_rows, 50, 40, 0, 400, n_slices)
    edges = np.arange(n_slices + 1) * n_rows // n_slices
    for buffer in order.iter_buffers(0):
        rows = np.sort(put_in_places(buffer))
        have = np.diff(np.searchsorted(rows, edges))
        expected = np.diff(edges) * len(rows) / n_rows
        assert np.abs(have - expected).max() < 2


def test_places_at_which_reading_begins_anew():
    assert FileOrder(100, 10).n_reads == 1
    assert ChunkOrder(100, 10).n_reads == 10
    assert BlockOrder(100, 10, 1, 0, 20, 4).n_reads == 5 * 4
    assert BlockOrder(100, 10, 1, 0, 100, 4).n_reads == 1


BILLION = 10**9


def test_twenty_billion_rows():
    """No product of row numbers overflows, and blocks lie in their slices."""
    order = BlockOrder(20 * BILLION, 2**20, 1, 0, 2**20, 3)
    buffer = next(order.iter_buffers(0))
    assert [start < stop for start, stop in buffer.blocks] == [True] * 3
    assert sum(stop - start for start, stop in buffer.blocks) == 2**20
    edges = [order.n_rows * number // 3 for number in range(4)]
    for (start, stop), (first, last) in zip(
        buffer.blocks, pairwise(edges), strict=True
    ):
        assert first <= start < stop <= last


@pytest.mark.parametrize(
    ("n_rows", "n_slices"),
    [(BILLION // 10, 32), (BILLION // 10, 320)] + EXHAUSTIVE * [(BILLION, 32)],
)
def test_blocks_are_a_few_integers_each(n_rows, n_slices):
    """However many rows they have: of a billion, 24 megabytes and not 8 gigabytes."""
    order = BlockOrder(n_rows, 2**16, 1, 0, 2**16, n_slices)
    gc.collect()
    tracemalloc.start()
    next(order.iter_buffers(0))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    of_a_buffer = 3 * 8 * 2**16
    assert peak < 10 * 8 * order.n_buffers * n_slices + of_a_buffer
    assert peak < 60e6


@pytest.mark.parametrize(
    ("text", "n_bytes"),
    [
        (1, 1),
        ("1B", 1),
        ("64MB", 64_000_000),
        ("64 mb", 64_000_000),
        ("1.5GiB", 3 * 2**29),
        ("2KiB", 2048),
        ("1TB", 10**12),
    ],
)
def test_sizes(text, n_bytes):
    assert parse_size(text, "memory_limit") == n_bytes


def find(chunk_size, **changes):
    sizes = {
        "row_values": 100,
        "row_nbytes": 400,
        "memory_limit": "512MB",
        "n_rows": 10**9,
    }
    return find_chunk_rows(chunk_size, **{**sizes, **changes})


def test_auto_is_a_sixteenth_of_the_limit_counted_as_float64():
    assert find("auto") == 32_000_000 // 800
    assert find("auto", memory_limit="256MB") == 16_000_000 // 800
    assert find("auto", memory_limit="256MB", row_nbytes=800) == 16_000_000 // 800


def test_auto_does_not_depend_on_the_item_type_or_the_number_of_rows():
    assert find("auto", row_nbytes=100) == find("auto", row_nbytes=800)
    assert find("auto", n_rows=1) == find("auto")


def test_auto_has_bounds():
    assert find("auto", row_values=1, row_nbytes=4) == 65_536
    assert find("auto", row_values=10**7, row_nbytes=10**7) == 1
    assert find("auto", row_values=10**5, row_nbytes=10**5, min_rows=500) == 500


def test_a_size_means_bytes_as_stored():
    assert find("64MB") == 64_000_000 // 400
    assert find("1B") == 1


def test_an_int_is_rows_whatever_they_weigh():
    assert find(7) == 7
    assert find(10**9, n_rows=10) == 10**9


sizes = st.integers(1, 10**9)


@given(sizes, st.integers(0, 10**8), sizes, st.integers(1, 10**5))
def test_blocks_keep_the_disk_busy(buffer_rows, row_nbytes, n_rows, n_classes):
    n_slices = find_slices(buffer_rows, row_nbytes, n_rows, n_classes)
    n_bytes = buffer_rows * max(1, row_nbytes)
    assert 1 <= n_slices <= min(buffer_rows, n_rows)
    assert n_slices <= max(256, 4 * n_classes)
    assert n_slices == 1 or n_bytes // n_slices >= 2**16


@given(sizes, st.integers(1, 10**8), sizes, st.integers(1, 10**5))
def test_there_are_as_many_blocks_as_that_allows(
    buffer_rows, row_nbytes, n_rows, n_classes
):
    """Of a megabyte, up to 256; more for classes, of a sixteenth of that."""
    n_slices = find_slices(buffer_rows, row_nbytes, n_rows, n_classes)
    n_bytes = buffer_rows * row_nbytes
    most = max(1, min(buffer_rows, n_rows))
    assert n_slices >= min(n_bytes // 2**20, 256, most)
    assert n_slices >= min(4 * n_classes, n_bytes // 2**16, most)
    assert n_slices >= min(32, n_bytes // 2**16, most)
    assert n_slices >= find_slices(buffer_rows, row_nbytes, n_rows)


@given(limit=st.integers(1, 10**12), row_nbytes=st.integers(0, 10**7), chunk_rows=sizes)
def test_a_buffer_is_an_eighth_of_the_limit_in_whole_chunks(
    limit, row_nbytes, chunk_rows
):
    rows = find_buffer_rows(limit, row_nbytes, chunk_rows)
    row_nbytes = max(8, row_nbytes)  # of shorter rows the places count
    assert rows % chunk_rows == 0
    assert rows >= chunk_rows
    if rows > chunk_rows:
        assert 8 * rows * row_nbytes <= limit
        assert rows <= 2**20
    more = rows + chunk_rows
    assert 8 * more * row_nbytes > limit or more > 2**20


def test_a_limit_may_be_a_text():
    assert find_buffer_rows("512MB", 400, 40_000) == 160_000
    assert find_buffer_rows("512MB", 400, 200_000) == 200_000
    assert find_buffer_rows("512MB", 1, 2**16) == 2**20
