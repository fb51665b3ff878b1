"""How transformers that draw rows learn from chunks."""

from numbers import Integral

import numpy as np
from scipy import sparse
from sklearn.base import clone

from skmmap.rows import Source
from skmmap.transformers.drawn_rows import DrawnRows, draw_rows
from skmmap.transformers.floats import check_floats
from skmmap.transformers.quantiles import compute_quantiles, find_around
from skmmap.transformers.ranks import Ranks
from skmmap.transformers.witnesses import FirstRows

_FEW_ROWS = 10_000  # which fit samples by default


class QuantileColumns:
    """The rows that fit draws, or the values around the quantiles of each column."""

    def __init__(self, transformer):
        self.transformer = transformer

    def begin(self, n_rows: int, order=None) -> None:
        transformer, subsample = self.transformer, self.transformer.subsample
        if self._draws(n_rows):
            drawn = draw_rows(transformer.random_state, n_rows, subsample)
            self._learner = _FitOnRows(transformer, drawn, order)
        elif self._keeps(n_rows):
            self._learner = _FitOnRows(transformer, np.arange(n_rows), order)
        else:
            self._learner = _Quantiles(transformer, n_rows)

    def _draws(self, n_rows: int) -> bool:
        subsample = self.transformer.subsample
        return subsample is not None and subsample < n_rows

    def _keeps(self, n_rows: int) -> bool:
        return n_rows <= max(self.transformer.n_quantiles, _FEW_ROWS)

    def merges(self, n_rows: int) -> bool:
        # Kept rows are picked by how many came before.
        return not (self._draws(n_rows) or self._keeps(n_rows))

    def find_part_nbytes(self, source: Source) -> int:
        fresh = _Quantiles(self.transformer, source.n_rows)
        return getattr(self, "_learner", fresh).find_part_nbytes(source)

    def merge(self, other: "QuantileColumns") -> None:
        self._learner.merge(other._learner)

    def partial_fit(self, X) -> None:
        if sparse.issparse(X):
            raise ValueError(
                "QuantileTransformer draws other rows for each column of sparse rows, "
                "which is not computed by chunks. Use MaxAbsScaler() or "
                "RobustScaler(with_centering=False), or make the rows dense: "
                "X.map(lambda rows: rows.toarray())."
            )
        self._learner.add(X, check_floats(X, self.transformer))

    def end_pass(self) -> bool:
        return self._learner.end_pass()

    def finish(self):
        return self._learner.finish()


class _FitOnRows:
    def __init__(self, transformer, numbers: np.ndarray, order):
        self._transformer, self._drawn = transformer, DrawnRows(numbers, order)

    def add(self, X, values: np.ndarray) -> None:
        self._drawn.add(X)

    def end_pass(self) -> bool:
        return False

    def finish(self):
        return self._transformer.fit(self._drawn.rows)


class _Quantiles:
    def __init__(self, transformer, n_rows: int):
        self._references = np.linspace(0, 1, transformer.n_quantiles)
        self._q = self._references * 100 / 100  # rounded as by fit
        self._first = FirstRows(transformer)
        self._ranks = Ranks(find_around(self._q))
        self._ranks.begin(n_rows)
        self.find_part_nbytes = self._ranks.find_part_nbytes

    def add(self, X, values: np.ndarray) -> None:
        self._first.partial_fit(X)
        self._ranks.add(values)

    def merge(self, other: "_Quantiles") -> None:
        self._ranks.merge(other._ranks)

    def end_pass(self) -> bool:
        return self._ranks.end_pass()

    def finish(self):
        transformer = self._first.set_names()
        transformer.n_quantiles_ = len(self._q)
        transformer.references_ = self._references
        transformer.quantiles_ = compute_quantiles(self._ranks, self._q)
        return transformer


def learn_quantiles(transformer) -> QuantileColumns:
    """Return what learns for `QuantileTransformer`."""
    n_quantiles = transformer.n_quantiles
    n_rows = max(n_quantiles, 1) if isinstance(n_quantiles, Integral) else 1
    few = clone(transformer).set_params(ignore_implicit_zeros=False)
    few.fit(np.zeros((n_rows, 1)))  # raises for wrong parameters
    return QuantileColumns(transformer)


class BasisRows:
    """The rows that fit draws, of which it computes the kernel."""

    def __init__(self, nystroem):
        self.nystroem = nystroem

    def begin(self, n_rows: int, order=None) -> None:
        n_components = min(n_rows, self.nystroem.n_components)
        self._numbers = draw_rows(self.nystroem.random_state, n_rows, n_components)
        self._drawn = DrawnRows(self._numbers, order)

    def partial_fit(self, X) -> None:
        check_floats(X, self.nystroem, ensure_all_finite=True)
        self._drawn.add(X)

    def finish(self):
        nystroem, random_state = self.nystroem, self.nystroem.random_state
        nystroem.set_params(random_state=_InOrder()).fit(self._drawn.rows)
        nystroem.component_indices_ = self._numbers
        return nystroem.set_params(random_state=random_state)


class _InOrder(np.random.RandomState):
    def permutation(self, x):
        return np.arange(x)


def learn_nystroem(nystroem) -> BasisRows:
    """Return what learns for `Nystroem`."""
    nystroem._validate_params()
    return BasisRows(nystroem)
