"""Vectorizers that learn from chunks, against scikit-learn's own fit."""

import numpy as np
import pandas as pd
import pytest
from helpers import assert_alike, learn_by_chunks, raises
from scipy import sparse
from sklearn.base import clone
from sklearn.feature_extraction import DictVectorizer
from sklearn.feature_extraction.text import (
    CountVectorizer,
    TfidfTransformer,
    TfidfVectorizer,
)
from sklearn.pipeline import make_pipeline

from skmmap import ChunkedFit
from skmmap.transformers import learn_document_counts, learn_names, learn_vocabulary

rng = np.random.default_rng(0)
N = 120
WORDS = np.array(
    [f"{a}{b}" for a in ["the", "old", "Tall", "green"] for b in range(30)]
)
TEXTS = [
    " ".join(WORDS[rng.geometric(0.03, size) % len(WORDS)])
    for size in rng.integers(0, 9, N)
]
SIZES = [1, 7, 50, N]
VECTORIZERS = {
    "all": CountVectorizer(),
    "rare and frequent": CountVectorizer(min_df=3, max_df=0.1),
    "shares": CountVectorizer(min_df=0.07, max_df=20, binary=True),
    "most frequent": CountVectorizer(max_features=17),
    "most frequent, binary": CountVectorizer(max_features=9, binary=True),
    "small integers": CountVectorizer(max_features=25, min_df=2, dtype=np.uint8),
    "pairs of letters": CountVectorizer(analyzer="char_wb", ngram_range=(1, 2)),
    "stop words": CountVectorizer(stop_words=["old1", "tall2"], lowercase=False),
    "an analyzer": CountVectorizer(analyzer=str.split, max_features=12),
    "a generator": CountVectorizer(analyzer=lambda text: iter(text.split())),
    "given": CountVectorizer(vocabulary=["the1", "the2", "old5"]),
    "tfidf": TfidfVectorizer(),
    "tfidf, float32": TfidfVectorizer(min_df=2, max_features=20, dtype=np.float32),
    "tfidf, not smooth": TfidfVectorizer(max_features=20, smooth_idf=False, norm="l1"),
    "tfidf, given": TfidfVectorizer(vocabulary={"the1": 1, "the2": 0, "no": 2}),
    "tfidf without idf": TfidfVectorizer(use_idf=False, binary=True, min_df=2),
}


def with_plain_numbers(vectorizer):
    """Return it with places of terms that are no numbers of NumPy's."""
    places = vectorizer.vocabulary_
    vectorizer.vocabulary_ = {term: int(place) for term, place in places.items()}
    return vectorizer


@pytest.mark.parametrize("vectorizer", VECTORIZERS.values(), ids=VECTORIZERS)
def test_terms_are_those_of_fit(vectorizer):
    expected = with_plain_numbers(clone(vectorizer).fit(TEXTS))
    result = expected.transform(TEXTS).toarray()
    for size in SIZES:
        found = learn_by_chunks(learn_vocabulary(clone(vectorizer)), TEXTS, size)
        assert_alike(with_plain_numbers(found), expected, free=["_stop_words_id"])
        np.testing.assert_array_equal(found.transform(TEXTS).toarray(), result)


@pytest.mark.parametrize(
    "vectorizer",
    [
        CountVectorizer(min_df=100),
        CountVectorizer(min_df=3, max_df=2),
        CountVectorizer(token_pattern="no"),
        CountVectorizer(min_df=-1),
        CountVectorizer(max_features=0),
        TfidfVectorizer(norm="l3"),
        TfidfVectorizer(ngram_range=(2, 1)),
    ],
)
def test_what_fit_refuses(vectorizer):
    with pytest.raises(ValueError, match=r".") as expected:
        clone(vectorizer).fit(TEXTS)
    with raises(type(expected.value), str(expected.value)):
        learn_by_chunks(learn_vocabulary(vectorizer), TEXTS, 7)


def test_files_that_are_read_to_their_end_are_refused():
    text = (
        "CountVectorizer with input='file' would read each file to its end, and the "
        "next pass would find nothing. Use input='filename'."
    )
    with raises(ValueError, text):
        learn_vocabulary(CountVectorizer(input="file"))


DENSE = rng.poisson(0.3, (N, 5)).astype(float)
STORED = sparse.csr_array(DENSE)
STORED.data[::3] = 0  # counts as stored, in fit too
COUNTS = {
    "dense": DENSE,
    "stored zeros": STORED,
    "float32": STORED.astype(np.float32),
    "integers": STORED.astype(int),
    "frame": pd.DataFrame(DENSE, columns=list("abcde")),
}


@pytest.mark.filterwarnings("ignore:divide by zero")
@pytest.mark.parametrize("smooth", [True, False])
@pytest.mark.parametrize("X", COUNTS.values(), ids=COUNTS)
def test_weights_of_terms_are_those_of_fit(X, smooth):
    transformer = TfidfTransformer(smooth_idf=smooth)
    expected = clone(transformer).fit(X)
    for size in SIZES:
        learner = learn_document_counts(clone(transformer))
        assert_alike(learn_by_chunks(learner, X, size), expected)


DICTS = [
    {"b": 1, "a": ["x", "y"], "c": text or "no", **({"late": 2.0} if i > 100 else {})}
    for i, text in enumerate(TEXTS)
]


@pytest.mark.parametrize("sort", [True, False])
def test_names_are_those_of_fit(sort):
    vectorizer = DictVectorizer(sort=sort, separator=":", sparse=False)
    expected = clone(vectorizer).fit(DICTS)
    for size in SIZES:
        found = learn_by_chunks(learn_names(clone(vectorizer)), DICTS, size)
        assert_alike(found, expected)
    with pytest.raises(TypeError, match="Mapping objects are not supported"):
        learn_by_chunks(learn_names(vectorizer), [{"a": {}}], 7)


@pytest.mark.parametrize(
    ("X", "steps"),
    [
        (TEXTS, [CountVectorizer(min_df=2), TfidfTransformer()]),
        (pd.Series(TEXTS), [TfidfVectorizer(max_features=30)]),
        (DICTS, [DictVectorizer()]),
    ],
)
def test_steps_of_pipelines(X, steps):
    pipeline = make_pipeline(*steps)
    expected = clone(pipeline).fit(X)
    model = ChunkedFit(pipeline, chunk_size=50).fit(X)
    assert (model.transform(X) != expected.transform(X)).nnz == 0
