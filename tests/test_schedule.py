"""Chunks and sizes: exhaustive where that takes milliseconds."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.utils import gen_batches

from skmmap._chunk_size import find_chunk_rows, parse_size
from skmmap._schedule import FileOrder


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
