"""How vectorizers of texts and of dicts learn from chunks."""

import warnings
from collections import Counter
from numbers import Integral

import numpy as np
from scipy import sparse
from sklearn.base import clone
from sklearn.utils import check_array

from skmmap.transformers.witnesses import take_first

_ALL_TERMS = {"min_df": 1, "max_df": 1.0, "max_features": None}


class Vocabulary:
    """The terms of `CountVectorizer`: in how many documents, and how often."""

    def __init__(self, vectorizer):
        self.vectorizer, self._n = vectorizer, 0
        self._terms: Counter = Counter()
        self._documents: Counter = Counter()
        self._first: list = []
        fixed = vectorizer.vocabulary
        self._fixed = None if fixed is None else set(fixed)
        with warnings.catch_warnings():  # finish warns of the same
            warnings.simplefilter("ignore")
            self._analyze = vectorizer.build_analyzer()

    def partial_fit(self, X) -> None:
        if not self._n:
            self._check_parameters(X)
        for document in X:
            terms = list(self._analyze(document))
            distinct = set(terms)
            if self._fixed is None:
                self._terms.update(terms)
            else:
                distinct &= self._fixed
            self._documents.update(distinct)
            if not self._first and terms:
                self._first = [document]
        self._n += len(X)

    def merge(self, other: "Vocabulary") -> None:
        self._terms.update(other._terms)
        self._documents.update(other._documents)
        self._n, self._first = self._n + other._n, self._first or other._first

    def _check_parameters(self, X) -> None:
        """Let fit check them on a document, before others are analyzed."""
        vectorizer = clone(self.vectorizer).set_params(vocabulary=["a"])
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            vectorizer.fit([next(iter(X))])

    def finish(self):
        vectorizer = self.vectorizer
        limits = {name: getattr(vectorizer, name) for name in _ALL_TERMS}
        vectorizer.set_params(**_ALL_TERMS)
        try:
            vectorizer.fit(self._first or [""])
        finally:
            vectorizer.set_params(**limits)
        if self._fixed is None:
            terms = sorted(self._documents)
            kept = np.flatnonzero(self._choose(terms)).tolist()
            vectorizer.vocabulary_ = {terms[place]: i for i, place in enumerate(kept)}
        return vectorizer

    def _choose(self, terms: list) -> np.ndarray:
        """Return which terms are kept, as `CountVectorizer` chooses them."""
        vectorizer = self.vectorizer
        most, least = (
            limit if isinstance(limit, Integral) else limit * self._n
            for limit in (vectorizer.max_df, vectorizer.min_df)
        )
        if most < least:
            raise ValueError("max_df corresponds to < documents than min_df")
        n_documents = np.array([self._documents[term] for term in terms])
        is_kept = (n_documents <= most) & (n_documents >= least)
        limit = vectorizer.max_features
        if limit is not None and is_kept.sum() > limit:
            # Which of equally frequent terms stay is up to this sort of NumPy's, which
            # goes by the type that the sum of a sparse matrix has.
            kind = sparse.csr_array((1, 1), dtype=vectorizer.dtype).sum(axis=0).dtype
            counts = self._documents if vectorizer.binary else self._terms
            counts = np.array([counts[term] for term in terms]).astype(kind)
            chosen = (-counts[is_kept]).argsort()[:limit]
            is_kept = np.isin(np.arange(len(terms)), np.flatnonzero(is_kept)[chosen])
        if not is_kept.any():
            raise ValueError(
                "After pruning, no terms remain. Try a lower min_df or a higher max_df."
            )
        return is_kept


class WeightedVocabulary(Vocabulary):
    """The terms of `TfidfVectorizer`, and their weights."""

    def finish(self):
        vectorizer = super().finish()
        places = vectorizer.vocabulary_
        counts = np.zeros(len(places), dtype=np.int64)
        for term, place in places.items():
            counts[place] = self._documents[term]
        is_float = vectorizer.dtype in (np.float64, np.float32)
        dtype = vectorizer.dtype if is_float else np.float64
        vectorizer._tfidf.fit(np.ones((1, len(places)), dtype))
        if vectorizer.use_idf:
            vectorizer.idf_ = _weigh(counts, self._n, vectorizer.smooth_idf, dtype)
        return vectorizer


class DocumentCounts:
    """In how many rows each column has a stored value, for `TfidfTransformer`."""

    def __init__(self, transformer):
        self.transformer, self._first = transformer, None
        self._counts, self._n = 0, 0

    def partial_fit(self, X) -> None:
        names = {"input_name": "X", "estimator": self.transformer}
        values = sparse.csr_array(check_array(X, accept_sparse="csr", **names))
        if self._first is None:
            self._first = take_first(X)
            is_small = values.dtype == np.float32
            self._dtype = np.float32 if is_small else np.float64
        n_rows, n_columns = values.shape
        found = np.bincount(values.indices, minlength=n_columns)
        self._counts, self._n = self._counts + found, self._n + n_rows

    def merge(self, other: "DocumentCounts") -> None:
        self._counts, self._n = self._counts + other._counts, self._n + other._n

    def finish(self):
        transformer = self.transformer
        with np.errstate(divide="ignore"):  # of columns that two rows have not
            transformer.fit(self._first)
        if transformer.use_idf:
            smooth = transformer.smooth_idf
            transformer.idf_ = _weigh(self._counts, self._n, smooth, self._dtype)
        return transformer


def _weigh(counts: np.ndarray, n_rows: int, smooth: bool, dtype) -> np.ndarray:
    """Return inverse document frequencies, step by step as `TfidfTransformer` does."""
    counts = counts.astype(dtype)
    counts += float(smooth)
    idf = np.full_like(counts, fill_value=n_rows + int(smooth), dtype=dtype)
    idf /= counts
    np.log(idf, out=idf)
    idf += 1.0
    return idf


class Names:
    """The names of `DictVectorizer`, in the order in which they come."""

    def __init__(self, vectorizer):
        self.vectorizer, self._names = vectorizer, {}

    def partial_fit(self, X) -> None:
        part = clone(self.vectorizer).fit(X)
        self._names.update(dict.fromkeys(part.feature_names_))

    def merge(self, other: "Names") -> None:
        self._names.update(other._names)  # in the order of the rows

    def finish(self):
        return self.vectorizer.fit([dict.fromkeys(self._names, 1)])


def learn_vocabulary(vectorizer) -> Vocabulary:
    """Return what learns for `CountVectorizer` and `TfidfVectorizer`."""
    if vectorizer.input == "file":
        raise ValueError(
            f"{type(vectorizer).__name__} with input='file' would read each file to "
            "its end, and the next pass would find nothing. Use input='filename'."
        )
    is_weighted = hasattr(vectorizer, "use_idf")
    return (WeightedVocabulary if is_weighted else Vocabulary)(vectorizer)


def learn_document_counts(transformer) -> DocumentCounts:
    """Return what learns for `TfidfTransformer`."""
    return DocumentCounts(transformer)


def learn_names(vectorizer) -> Names:
    """Return what learns for `DictVectorizer`."""
    return Names(vectorizer)
