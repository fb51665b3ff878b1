"""How `TargetEncoder` learns from chunks, and encodes the rows that it learned from.

These are encoded by folds: each row by what was learned from all other folds, so that
what is trained on them does not find y in them.
"""

from collections.abc import Iterator

import numpy as np
from sklearn.preprocessing import LabelBinarizer, LabelEncoder
from sklearn.utils import assert_all_finite, column_or_1d
from sklearn.utils.multiclass import type_of_target

from skmmap.transformers.category_sums import CategorySums, Sums
from skmmap.transformers.encoders import CategoryRows
from skmmap.transformers.folds import Folds, iter_splits
from skmmap.transformers.witnesses import count_rows

_TYPES = "binary", "multiclass", "continuous"


class FoldEncodings:
    """The encodings of each fold, and of all rows together, for rows of no fold.

    ``folds`` are those of the rows of ``fit``. ``tables`` have a row for each fold, and
    then one for all. ``unknown`` is what a category gets that is not among given ones.
    """

    def __init__(self, folds: np.ndarray, tables: list[np.ndarray], unknown):
        self.folds, self.tables, self.unknown = folds, tables, unknown

    def bind(self, encoder, positions: np.ndarray):
        """Return the encoder for the rows of ``fit`` at these positions; -1 is none."""
        all_rows = len(self.tables[0]) - 1
        folds = np.where(positions < 0, all_rows, self.folds[positions])
        bound = _copy(encoder)
        bound.encodings_ = [_OfRows(table, folds) for table in self.tables]
        bound.target_mean_ = self.unknown
        return bound


class _OfRows:
    """The encodings of a column for some rows, looked up by their categories."""

    def __init__(self, table: np.ndarray, folds: np.ndarray):
        self._table, self._folds = table, folds

    def __getitem__(self, codes: np.ndarray) -> np.ndarray:
        return self._table[self._folds, codes]


class EncodingsByFold:
    """Finds categories and y in a first pass, and sums by fold and category in another.

    The folds follow from all of y, which is kept.
    """

    def __init__(self, encoder):
        self._encoder, self._seen = encoder, CategoryRows(encoder)
        self._y = self._target = None

    @property
    def does(self) -> str:
        """What it does in the next pass, for `explain`."""
        return "finds categories" if self._target is None else "adds up y by folds"

    def begin(self, n_rows: int, random_state: int | None) -> None:
        self._n_rows, self._random_state = n_rows, random_state

    def partial_fit(self, X, y, positions) -> None:
        if y is None:
            raise ValueError(
                "This TargetEncoder estimator requires y to be passed, but the target "
                "y is None."
            )
        if self._target is None:
            self._seen.partial_fit(X)
            self._keep_target(np.asarray(y), positions)
            return
        # Categories that are not among given ones count as the first, as in fit.
        codes = np.maximum(self._codes.transform(X), 0).astype(np.intp)
        folds = self._folds[positions].astype(np.intp)
        for column, sums in zip(codes.T, self._sums, strict=True):
            sums.add(folds, column, self._target.iter_values(positions))

    def end_pass(self) -> bool:
        if self._target is not None:
            return False
        self._learn_categories()
        self._learn_target()
        self._find_folds()
        return True

    def _learn_categories(self) -> None:
        encoder, rows, kind = self._encoder, self._seen.rows, self._encoder.target_type
        encoder.set_params(target_type="continuous").fit(
            rows, np.zeros(count_rows(rows))
        )
        encoder.set_params(target_type=kind)
        self._n_categories = [len(each) for each in encoder.categories_]
        # Encodes by the number of the category, and by -1 where there is none.
        self._codes = _copy(encoder)
        self._codes.encodings_ = list(map(np.arange, self._n_categories))
        self._codes.target_mean_ = -1.0
        self._codes._sklearn_output_config = {"transform": "default"}
        self._seen = None

    def _keep_target(self, y: np.ndarray, positions: np.ndarray) -> None:
        if self._y is None:
            self._y = np.empty((self._n_rows, *y.shape[1:]), y.dtype)
        dtype = np.promote_types(self._y.dtype, y.dtype)  # texts may be longer
        self._y = self._y.astype(dtype, copy=False)
        self._y[positions] = y

    def _learn_target(self) -> None:
        encoder, y, kind = self._encoder, self._y, self._encoder.target_type
        if kind == "auto":
            kind = type_of_target(y, input_name="y")
            if kind not in _TYPES:
                raise ValueError(
                    f"Unknown label type: Target type was inferred to be {kind!r}. "
                    f"Only {_TYPES} are supported."
                )
        self._target = _encode_target(y, kind)
        encoder.target_type_, encoder.classes_ = kind, self._target.classes
        self._moments = self._target.find_moments(slice(None))
        encoder.target_mean_ = self._moments[0]

    def _find_folds(self) -> None:
        folds, self._fold_moments = Folds(self._n_rows), []
        for others, own in iter_splits(self._encoder, self._y, self._random_state):
            folds.add(others, own)
            self._fold_moments.append(self._target.find_moments(others))
        self._folds, self._y = folds.numbers, None
        self._sums = [
            CategorySums(self._target.n_targets, folds.n_folds, n_categories)
            for n_categories in self._n_categories
        ]

    def finish(self):
        self._encoder.encodings_ = [
            self._encode(sums.pool(), self._moments, t)
            for sums, t in self._iter_columns()
        ]
        return self._encoder

    def training_transform(self) -> FoldEncodings:
        """Return the encodings of the rows that it has learned from, after `finish`."""
        tables = []
        for (sums, t), encoding in zip(
            self._iter_columns(), self._encoder.encodings_, strict=True
        ):
            each = [
                self._encode(Sums(*(np.delete(s, k, 0) for s in sums)).pool(), part, t)
                for k, part in enumerate(self._fold_moments)
            ]
            tables.append(np.stack([*each, encoding]))
        # Of all folds, by fit: each one overwrites what those before it wrote.
        return FoldEncodings(self._folds, tables, self._fold_moments[-1][0])

    def _iter_columns(self) -> Iterator[tuple[Sums, int]]:
        """Yield the sums of each column of the result, and which target that is of."""
        for sums in self._sums:
            for number in range(self._target.n_targets):
                yield sums.get_target(number), number

    def _encode(self, sums: Sums, moments, number: int) -> np.ndarray:
        mean, variance = (float(np.atleast_1d(each)[number]) for each in moments)
        return sums.encode(self._encoder.smooth, mean, variance)


class _Numbers:
    """A target of numbers, or of two classes by their numbers."""

    n_targets = 1

    def __init__(self, y: np.ndarray, classes=None):
        self._y, self.classes = y, classes

    def find_moments(self, rows) -> tuple:
        """Return the mean and the variance of each target, of some rows."""
        return np.mean(self._y[rows]), np.var(self._y[rows])

    def iter_values(self, rows) -> Iterator[np.ndarray]:
        """Yield the values of each target, of some rows."""
        yield self._y[rows].astype(np.float64)


class _Classes:
    """A target for each class: whether a row has it."""

    def __init__(self, codes: np.ndarray, classes: np.ndarray):
        self._codes, self.classes, self.n_targets = codes, classes, len(classes)

    def find_moments(self, rows) -> tuple:
        codes = self._codes[rows]
        mean = np.bincount(codes, minlength=self.n_targets) / len(codes)
        return mean, mean * (1 - mean)

    def iter_values(self, rows) -> Iterator[np.ndarray]:
        codes = self._codes[rows]
        for number in range(self.n_targets):
            yield (codes == number).astype(np.float64)


def _encode_target(y: np.ndarray, kind: str) -> _Numbers | _Classes:
    """Return the targets of y as fit has them, and raise what it raises."""
    if kind == "continuous":
        y = column_or_1d(y, warn=True)
        assert_all_finite(y, input_name="y")
        return _Numbers(y.astype(np.float64) if y.dtype == object else y)
    encoder = LabelEncoder()
    codes = encoder.fit_transform(y)
    if kind == "binary":
        return _Numbers(codes, encoder.classes_)
    if len(encoder.classes_) < 3:
        raise ValueError(
            "target_type='multiclass' of TargetEncoder needs at least 3 classes; y has "
            f"{len(encoder.classes_)}. Use target_type='auto'."
        )
    # LabelEncoder gives texts another type.
    return _Classes(codes, LabelBinarizer().fit(y).classes_)


def _copy(encoder):
    """Return a copy that shares everything. copy.copy would call __getstate__."""
    bare = object.__new__(type(encoder))
    vars(bare).update(vars(encoder))
    return bare


def learn_target_encoder(encoder) -> EncodingsByFold:
    """Return what learns for `TargetEncoder`."""
    encoder._validate_params()
    return EncodingsByFold(encoder)
