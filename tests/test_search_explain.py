"""What ``explain`` says of a search is what it then reads."""

import numpy as np
import pytest
from helpers import raises
from sklearn.linear_model import SGDClassifier
from sklearn.model_selection import GridSearchCV, KFold
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from test_search_functions import CountedRows

from skmmap import ChunkedFit, ChunkedSearchCV, open_rows
from skmmap._messages import say_size
from skmmap.rows import store

rng = np.random.default_rng(0)
X = rng.normal(size=(400, 4)).astype(np.float32)
y = (X[:, 0] + rng.normal(size=400) > 0).astype(int)
FIXED = SGDClassifier(random_state=0, max_iter=3, tol=None)
ALPHA = "estimator__alpha"
GRID = {ALPHA: [1e-4, 1.0]}

pytestmark = [
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
    pytest.mark.filterwarnings("ignore:memory_limit"),
]


@pytest.fixture
def counted(monkeypatch):
    """Return a container that counts what is read; no rows between are."""
    monkeypatch.setattr(store, "_GAP_NBYTES", 1)
    return CountedRows(X)


def make_search(estimator, grid=GRID, cv=None, limit="9kB", **given):
    own = {"chunk_size": 20, "memory_limit": limit} | given.pop("chunked", {})
    cv = KFold(4) if cv is None else cv
    model = ChunkedFit(estimator, **own)
    return ChunkedSearchCV(model, grid, cv=cv, refit=False, **given)


def explain_and_count(search, counted):
    """Return the sections, and the bytes that are read by the search and one by one."""
    rows = open_rows(counted)
    counted.n_read = 0
    sections = search.explain(rows, y).sections
    assert counted.n_read == 0
    n_read = []
    alone = GridSearchCV(search.estimator, search.param_grid, cv=search.cv, refit=False)
    alone.scoring = search.scoring
    alone.return_train_score = search.return_train_score
    for each in [search] if search.strategy != "grid" else [search, alone]:
        counted.n_read = 0
        each.fit(rows, y)
        n_read.append(counted.n_read * X.itemsize * X.shape[1])
    return sections, n_read


@pytest.mark.parametrize(
    ("estimator", "grid", "shuffle", "limit", "reads"),
    [
        (FIXED, GRID, "blocks", "512MB", "X once (6.4 kB), which is then in memory"),
        (FIXED, GRID, "blocks", "9kB", "the rows of each of 4 folds once in each"),
        (FIXED, GRID, "shared", "9kB", "all rows once in each epoch, for all folds"),
        (GaussianNB(), {"max_epochs": [1, 2]}, "chunks", "9kB", "the rows of each"),
    ],
)
def test_bytes_are_those_that_are_read(estimator, grid, shuffle, limit, reads, counted):
    own = {"shuffle": shuffle, "random_state": 0}
    search = make_search(estimator, grid, limit=limit, chunked=own)
    sections, (together, alone) = explain_and_count(search, counted)
    assert sections["reads"].startswith(reads)
    said = f"{say_size(together)}; GridSearchCV {say_size(alone)}"
    # A chunk at the end of a fold may be read twice, which these folds have none of.
    assert sections["bytes of X"].removeprefix("about ") == said


def parse(text):
    """Return the words and the number of bytes that a text begins with."""
    *words, number, unit = text.split(";")[0].split()
    return " ".join(words), float(number) * {"kB": 1e3, "MB": 1e6}[unit]


@pytest.mark.parametrize(
    ("given", "word", "most"),
    [
        ({"estimator": SGDClassifier(max_iter=4, early_stopping=True)}, "at most", 5),
        ({"estimator": SGDClassifier(max_iter=8)}, "at most", 4),
        ({"grid": {"chunk_size": [15, 20]}}, "at most", 1.1),
        ({"scoring": ["accuracy", "roc_auc"]}, "at most", 1.2),
        ({"strategy": "halving", "factor": 2, "max_resources": 4}, "at most", 2),
        ({"chunked": {"shuffle": False}}, "about", 1.1),
        ({"return_train_score": True}, "about", 1.1),
    ],
)
def test_bytes_that_depend_on_what_is_learned(given, word, most, counted):
    own = {"random_state": 0} | given.get("chunked", {})
    search = make_search(**({"estimator": FIXED} | given | {"chunked": own}))
    sections, (together, *_) = explain_and_count(search, counted)
    said, nbytes = parse(sections["bytes of X"])
    assert said == word
    least = together if word == "at most" else 0.85 * together
    assert least - 100 <= nbytes <= most * together


def test_the_whole_text(counted):
    search = make_search(FIXED, chunked={"shuffle": "shared"}, n_jobs=2).set_params(
        refit=True
    )
    assert str(search.explain(open_rows(counted), y)) == (
        "ChunkedSearchCV(ChunkedFit(SGDClassifier)) on 400 x 4, 6.4 kB\n"
        "  models                  8 (2 candidates x 4 folds), then the best one on "
        "all rows\n"
        "  read together           all candidates\n"
        "  reads                   all rows once in each epoch, for all folds\n"
        "  bytes of X              about 28.8 kB; GridSearchCV 128.0 kB, without the "
        "fit to all rows\n"
        "  memory                  1.4 kB for rows that are read, 1.9 kB for two "
        "copies of a chunk as float64 in each of 2 threads: 3.4 kB of 9.0 kB; and "
        "models\n"
        "  threads                 2 at a time"
    )


def test_which_candidates_read_together():
    grid = {"chunk_size": [20, 50], ALPHA: [1e-4, 1e-2]}
    said = make_search(FIXED, grid).explain(X, y).sections
    assert said["read together"] == "candidates in 2 groups, by chunk_size"
    unseeded = make_search(SGDClassifier(max_iter=3, tol=None))
    said = unseeded.explain(X, y).sections
    assert said["read together"] == (
        "none, since each model draws a seed of its own. Set random_state of ChunkedFit"
    )
    in_order = make_search(SGDClassifier(tol=None), chunked={"shuffle": False})
    assert in_order.explain(X, y).sections["read together"] == "all candidates"


def test_rounds():
    given = {"strategy": "halving", "factor": 2, "max_resources": 4}
    sections = make_search(FIXED, {ALPHA: [1e-4, 1e-3, 1e-2, 1]}, **given).explain(X, y)
    assert sections.sections["models"] == "28 (7 candidates x 4 folds) in all rounds"
    assert sections.sections["rounds"] == (
        "4 candidates with 1 epochs; 2 candidates with 2 epochs; 1 candidate with 4 "
        "epochs"
    )


def test_pipelines(counted):
    search = make_search(make_pipeline(StandardScaler(), FIXED), {"chunk_size": [20]})
    sections, rows = search.explain(open_rows(counted), y).sections, open_rows(counted)
    assert sections["models"] == "4 (1 candidate x 4 folds)"
    assert sections["reads"].startswith("as explain of ChunkedFit says for each step")
    large = search.set_params(estimator__memory_limit="512MB")
    assert large.explain(rows, y).sections["reads"].startswith("X once (6.4 kB)")
    assert large.explain(X, y).sections["reads"] == "nothing: X is in memory"


def test_what_is_refused():
    text = (
        "cv is an iterator, and explain would use up the folds that fit needs. Give a "
        "list: cv=list(...)."
    )
    with raises(ValueError, text):
        make_search(FIXED, cv=KFold(3).split(X)).explain(X, y)
    with pytest.raises(ValueError, match="chunk_size must be") as caught:
        make_search(FIXED, {"chunk_size": [20, 0]}).explain(X, y)
    note = "This is about the candidate {'chunk_size': 0}."
    assert note in caught.value.__notes__
