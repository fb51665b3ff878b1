"""The rows of "auto": the table of costs, and what follows from it."""

import ast
import inspect
import re
from itertools import product

import numpy as np
import pytest
from helpers import Duck, Recorder, name_of, partial_fit_estimators
from hypothesis import given
from hypothesis import strategies as st
from scipy import sparse
from sklearn.base import BaseEstimator
from sklearn.decomposition import IncrementalPCA, LatentDirichletAllocation
from sklearn.linear_model import SGDClassifier
from sklearn.multiclass import OneVsRestClassifier
from sklearn.multioutput import MultiOutputClassifier
from sklearn.preprocessing import StandardScaler

from skmmap import ChunkedFit
from skmmap.estimators.learning import find_cost, find_learning
from skmmap.order import chunk_size as _chunk_size
from skmmap.order import chunk_table as _chunk_table
from skmmap.order import memory as _memory
from skmmap.order.chunk_size import Cost, find_chunk_rows
from skmmap.order.chunk_table import COSTS, MADE
from skmmap.wrap.meta_estimators import is_meta_estimator

LENGTHS = 1, 4, 32, 50, 100, 256, 784, 2_048, 10_000, 80_000
LIMITS = 10**6, 64 * 10**6, 512 * 10**6, 8 * 10**9
FLAT = 0.02  # of a call's time at most may be its fixed cost
FEWER = Cost(500, 0, 100, 1, most_values=64, least_rows=3)

RNG = np.random.default_rng(0)
X = RNG.random((60, 8))
LABELS = np.arange(60) % 3


def find(row_values, cost=None, memory_limit="512MB", **changes):
    sizes = {"row_nbytes": 4 * row_values, "n_rows": 10**9, **changes}
    return find_chunk_rows(
        "auto", row_values=row_values, memory_limit=memory_limit, cost=cost, **sizes
    )


def find_bound(row_values, memory_limit):
    """Return a sixteenth of the limit in rows of float64."""
    return max(1, memory_limit // (16 * 8 * row_values))


# --- The table -----------------------------------------------------------------------


def test_the_table_says_when_and_where_it_was_made():
    where = r"20\d\d-\d\d-\d\d, Python 3\.\d+\.\d+, numpy \S+, scikit-learn \S+, .+"
    assert re.fullmatch(rf"{where}, \d+ cores", MADE)


def test_the_table_has_every_estimator_whose_batches_are_not_its_own():
    """Where ``fit`` cuts batches, their length is a parameter, no matter of speed."""
    wanted = {
        name_of(estimator)
        for estimator in partial_fit_estimators()
        if not is_meta_estimator(estimator)
        and name_of(estimator) != "HashingVectorizer"
        for entry in [find_learning(estimator, uses_target=True).entry]
        if entry.batch_size is None or entry.splits_chunks
    }
    assert (
        wanted
        <= set(COSTS)
        <= wanted
        | {
            # These leave scikit-learn with version 1.10.
            "PassiveAggressiveClassifier",
            "PassiveAggressiveRegressor",
        }
    )


@pytest.mark.parametrize("name", COSTS)
def test_costs_are_costs(name):
    cost = COSTS[name]
    assert cost.call_us > 0 or cost.call_value_us > 0
    assert cost.row_ns > 0 or cost.value_ns > 0
    assert min(cost.call_us, cost.call_value_us, cost.row_ns, cost.value_ns) >= 0
    assert cost.least_rows >= 1
    assert cost.most_values is None or cost.most_values >= 1


@pytest.mark.parametrize("name", COSTS)
def test_auto_is_where_calls_cost_nothing_or_as_far_as_it_may_go(name):
    cost = COSTS[name]
    for row_values, memory_limit in product(LENGTHS, LIMITS):
        rows = find(row_values, cost, memory_limit)
        bound = find_bound(row_values, memory_limit)
        assert rows <= bound
        assert (
            cost.find_call_share(rows, row_values) <= FLAT
            or rows == bound
            or rows == cost.find_most_rows(row_values)  # more were seen to be slower
        )


@pytest.mark.parametrize("name", COSTS)
def test_auto_is_what_it_was_where_nothing_speaks_against_it(name):
    if COSTS[name].most_values is None:
        assert find(100, COSTS[name]) == find(100) == 40_000


def test_nothing_of_the_machine_is_asked():
    ours = {"skmmap.order.chunk_size", "skmmap.order.memory"}
    allowed = {"functools", "re", "math", "numbers", "typing"} | ours
    for module in (_chunk_size, _chunk_table, _memory):
        for node in ast.walk(ast.parse(inspect.getsource(module))):
            assert not isinstance(node, ast.Import) or node.names[0].name in allowed
            assert not isinstance(node, ast.ImportFrom) or node.module in allowed


# --- What follows from a cost --------------------------------------------------------


def test_the_share_of_a_call():
    cost = Cost(call_us=90, call_value_us=1, row_ns=80, value_ns=2)
    # 100 us for the call; 10 rows of 100 ns take 1 us.
    assert cost.find_call_share(10, row_values=10) == 100 / 101
    assert cost.find_call_share(49_000, row_values=10) == FLAT


def test_most_values_and_least_rows():
    assert Cost(1, 0, 1, 0).find_most_rows(8) is None
    assert [FEWER.find_most_rows(n) for n in (0, 1, 8, 16, 32, 64)] == [
        64,
        64,
        8,
        4,
        3,
        3,
    ]


sizes = st.integers(1, 10**7)


@given(row_values=sizes, most_values=sizes, least_rows=sizes, limit=sizes)
def test_memory_wins(row_values, most_values, least_rows, limit):
    cost = Cost(1, 0, 1, 0, most_values, least_rows)
    limit += 3 * 4 * row_values  # or it is refused
    rows = find(row_values, cost, limit)
    assert type(rows) is int
    assert rows == min(
        find(row_values, None, limit), max(least_rows, most_values // row_values)
    )


def test_what_the_estimator_needs_wins_over_speed():
    assert find(8, FEWER) == 8
    assert find(8, FEWER, min_rows=20) == 20


def test_a_number_or_a_size_is_taken_as_it_is():
    for chunk_size, rows in ((50, 50), ("64B", 2)):
        assert rows == find_chunk_rows(
            chunk_size,
            row_values=8,
            row_nbytes=32,
            memory_limit="512MB",
            n_rows=100,
            cost=FEWER,
        )


# --- Which cost ----------------------------------------------------------------------


@pytest.fixture
def fewer(monkeypatch):
    """A table in which rows of 8 values are trained on by 8."""
    for name in ("SGDClassifier", "StandardScaler", "LatentDirichletAllocation"):
        monkeypatch.setitem(COSTS, name, FEWER)


class Scaler(StandardScaler):
    """A user's own, trained as its parent is."""


def test_known_estimators_and_their_descendants(fewer):
    assert find_cost(SGDClassifier()) is FEWER
    assert find_cost(Scaler()) is FEWER


def test_a_namesake_is_not_known(fewer):
    namesake = type("StandardScaler", (BaseEstimator,), {})
    assert find_cost(namesake()) is None


@pytest.mark.parametrize("estimator", [Duck(), Recorder()])
def test_others_get_what_memory_allows(estimator):
    assert find_cost(estimator) is None
    assert ChunkedFit(estimator).fit(X, LABELS).chunk_size_ == 65_536


def test_meta_estimators_cost_what_they_wrap(fewer):
    one = OneVsRestClassifier(SGDClassifier())
    assert find_cost(one) is FEWER
    assert find_cost(MultiOutputClassifier(one)) is FEWER
    wrapper = ChunkedFit(OneVsRestClassifier(SGDClassifier(max_iter=1, tol=None)))
    assert wrapper.fit(X, LABELS).chunk_size_ == 8


def test_training_and_transforming_go_by_the_same_rows(fewer, monkeypatch):
    wrapper = ChunkedFit(StandardScaler()).fit(X)
    assert wrapper.chunk_size_ == 8
    given = []
    transform = StandardScaler.transform

    def record(self, X, copy=None):
        given.append(len(X))
        return transform(self, X, copy)

    monkeypatch.setattr(StandardScaler, "transform", record)
    wrapper.transform(X)
    assert given == [8] * 7 + [4]


def test_sparse_rows_are_not_in_the_table(fewer):
    scaler = StandardScaler(with_mean=False)
    assert ChunkedFit(scaler).fit(sparse.csr_array(X)).chunk_size_ == 65_536
    assert ChunkedFit(scaler).fit(X).chunk_size_ == 8


def test_batches_of_the_estimator_stay(fewer):
    assert find_cost(IncrementalPCA()) is None
    assert ChunkedFit(IncrementalPCA(2)).fit(X).chunk_size_ == 5 * 8
    topics = LatentDirichletAllocation(2, batch_size=3, max_iter=1)
    assert ChunkedFit(topics).fit(X).chunk_size_ == 6
