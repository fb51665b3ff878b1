"""The distinct values of columns, of each kind of rows."""

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import NamedTuple

import numpy as np
from scipy import sparse

from skmmap.rows import CodedFrame


class Values(NamedTuple):
    """The distinct values of a column, their first rows, and how often they occur.

    NaN, pandas.NA and others that equal nothing may be there more than once.
    """

    values: list
    firsts: np.ndarray
    counts: np.ndarray


def iter_values(X) -> Iterator[Values]:
    """Yield the distinct values of each column."""
    if sparse.issparse(X):
        return  # which the fit of encoders refuses
    if isinstance(X, list):
        yield from (_find_in_list(list(column)) for column in zip(*X, strict=True))
    elif isinstance(X, CodedFrame):
        yield from (_find_in_coded(X, j) for j in range(X.shape[1]))
    elif hasattr(X, "iloc"):
        yield from (_find_in_pandas(X.iloc[:, j]) for j in range(X.shape[1]))
    elif hasattr(X, "iter_columns"):
        yield from map(_find_in_polars, X.iter_columns())
    else:
        yield from map(_find_in_array, np.asarray(X).T)


def iter_stored(X) -> Iterator[Values]:
    """Yield the distinct values that are stored of each column of sparse rows."""
    X = X.tocsc()
    ends = zip(X.indptr, X.indptr[1:], strict=False)
    yield from (_find_in_array(X.data[start:stop]) for start, stop in ends)


def add_counts(known: list[dict], columns: Iterable[Values]) -> list[int]:
    """Add the counts of each column's values; return where new values are first."""
    new = []
    for j, (values, firsts, counts) in enumerate(columns):
        if j == len(known):
            known.append({})
        for value, first, count in zip(values, firsts, counts.tolist(), strict=True):
            key = find_key(value)
            if key not in known[j]:
                known[j][key] = 0
                new.append(first)
            known[j][key] += count
    return new


def merge_counts(known: list[dict], other: list[dict]) -> None:
    """Add the counts of each column of later rows."""
    known.extend({} for _ in other[len(known) :])
    for counts, more in zip(known, other, strict=True):
        for key, count in more.items():
            counts[key] = counts.get(key, 0) + count


def find_key(value):
    """Return what values that count as one have in common, as a key of dicts.

    NaN is no other NaN's equal, and pandas.NA nobody's.

    >>> find_key(np.nan) == find_key(np.float32("nan")), find_key(None)
    (True, None)
    """
    if not is_nan(value):
        return value
    kind = float if isinstance(value, np.floating) else type(value)
    return f"{_NAN}{kind.__name__}"


def find_missing_keys(keys: Iterable, missing) -> list:
    """Return the keys of values that are missing; pandas.NA stands for all of them."""
    if is_nan(missing) and not isinstance(missing, float | np.floating):
        return [k for k in keys if k is None or str(k).startswith(_NAN)]
    return [key for key in keys if key == find_key(missing)]


def is_nan(value) -> bool:
    try:
        return bool(value != value)
    except TypeError:  # pandas.NA
        return True


_NAN = "\udfff"  # begins a key, and no text


def _find_in_list(values: list) -> Values:
    counts = Counter(values)
    last_to_first = zip(reversed(values), range(len(values) - 1, -1, -1), strict=True)
    firsts = dict(last_to_first)
    return Values(
        list(counts),
        np.fromiter((firsts[value] for value in counts), np.intp, len(counts)),
        np.fromiter(counts.values(), np.intp, len(counts)),
    )


def _find_in_array(column: np.ndarray) -> Values:
    if column.dtype.kind not in "biuf":  # texts are hashed sooner than sorted
        return _find_in_list(column.tolist())
    values, firsts, counts = np.unique(column, return_index=True, return_counts=True)
    return Values(values.tolist(), firsts, counts)


def _find_in_pandas(column) -> Values:
    if column.dtype.name == "category":
        codes, known = column.cat.codes.to_numpy(), column.cat.categories
    else:
        codes, known = column.factorize()
    found = _find_codes(codes.astype(np.intp), known.tolist())
    missing = np.flatnonzero(codes < 0)
    if not len(missing):
        return found
    # Objects may be None, NaN or pandas.NA, which pandas does not tell apart.
    is_mixed = column.dtype == object
    rest = column.iloc[missing if is_mixed else missing[:1]].tolist()
    kinds = _find_in_list([find_key(value) for value in rest])
    return Values(
        found.values + [rest[i] for i in kinds.firsts],
        np.r_[found.firsts, missing[kinds.firsts]],
        np.r_[found.counts, kinds.counts if is_mixed else len(missing)],
    )


def _find_in_coded(X: CodedFrame, number: int) -> Values:
    if not X.has_texts(number):
        return _find_in_pandas(X.select([number]).to_frame().iloc[:, 0])
    codes, known = X.find_codes(number)
    found = _find_codes(codes.astype(np.intp), known.to_pylist())
    missing = np.flatnonzero(codes < 0)
    if not len(missing):
        return found
    # As what frames have it, which depends on the type of the column.
    kind = X.select([number])[missing[:1]].to_frame().iloc[0, 0]
    firsts, counts = np.r_[found.firsts, missing[0]], np.r_[found.counts, len(missing)]
    return Values([*found.values, kind], firsts, counts)


def _find_codes(codes: np.ndarray, known: list) -> Values:
    """Return which known values the codes stand for; those below 0 stand for none."""
    firsts = np.full(len(known) + 1, -1)
    firsts[codes[::-1]] = np.arange(len(codes) - 1, -1, -1)
    counts = np.bincount(codes[codes >= 0], minlength=len(known))
    found = np.flatnonzero(counts)
    return Values([known[i] for i in found.tolist()], firsts[found], counts[found])


def _find_in_polars(column) -> Values:
    if column.dtype.is_nested() or str(column.dtype) == "Object":
        return _find_in_list(column.to_list())
    firsts = column.arg_unique().to_numpy().astype(np.intp)
    values = column.gather(firsts).to_list()
    if (
        column.dtype.is_integer()
        or column.dtype.is_float()
        or str(column.dtype) == "Null"
    ):
        # Of these polars makes NaN, as soon as they become an array.
        values = [np.nan if value is None else value for value in values]
    return Values(values, firsts, column.unique_counts().to_numpy())
