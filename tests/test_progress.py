"""What is printed while a run goes on."""

import re

import joblib
import numpy as np
import pytest
from helpers import in_file_order
from sklearn.linear_model import LinearRegression, SGDClassifier, SGDRegressor
from sklearn.naive_bayes import GaussianNB
from sklearn.preprocessing import StandardScaler

from skmmap import ChunkedFit, convert
from skmmap.run import bars
from skmmap.run.progress import Report, _say_time

X = np.random.default_rng(0).normal(size=(90, 4))
y = (X[:, 0] > 0).astype(int)
RATE = r"in [\d.e-]+ s, [\d,]+ rows/s"


@pytest.fixture
def said(capsys, monkeypatch):
    """Return a function that gives the lines printed since it was last called.

    However slow the machine is, ten seconds are not over.
    """
    monkeypatch.setattr(bars, "_LINE_SECONDS", np.inf)
    return lambda: capsys.readouterr().out.splitlines()


def test_a_fit_of_several_epochs(said):
    rows = np.zeros((2000, 4))
    scaler = ChunkedFit(StandardScaler(), chunk_size=100, max_epochs=2, verbose=2)
    scaler.fit(rows)
    lines = said()
    assert len(lines) == 2 * (20 + 1) + 1
    pattern = (
        r"\[ChunkedFit\] epoch 2 of 2: 4,000 of 4,000 rows \(100 %\), [\d,]+ rows/s, "
        r"[\d,.]+ MB/s, 0 s left"
    )
    assert re.fullmatch(pattern, lines[-3])
    waiting = r"\d+ % waiting for data \(limited by (the estimator|reading)\)"
    epoch = rf"\[ChunkedFit\] epoch 2: [\d.e-]+ s, {waiting}"
    assert re.fullmatch(epoch, lines[-2])
    end = rf"\[ChunkedFit\] fit: 2 epochs, 4,000 rows {RATE}, {waiting}"
    assert re.fullmatch(end, lines[-1])
    scaler.set_params(verbose=1).fit(rows)
    (line,) = said()
    assert re.fullmatch(end, line)


def test_a_fit_that_may_stop_tells_of_its_epoch(said):
    model = SGDClassifier(random_state=0, early_stopping=True)
    ChunkedFit(model, chunk_size=30, verbose=2).fit(X, y)
    lines = said()
    assert re.fullmatch(
        r"\[ChunkedFit\] epoch 2 of at most 1,000: 60 of 81 rows \(74 %\), "
        r"[\d,]+ rows/s, [\d.]+ MB/s, 0 s left in this epoch, "
        r"loss [\d.e-]+, score [\d.]+",
        lines[5],
    )
    assert re.search(r"\), loss [\d.e-]+, score [\d.]+$", lines[3])
    assert re.search(r"fit: \d+ epochs, .*, loss [\d.e-]+, score [\d.]+, ", lines[-1])


def test_a_failed_fit_has_no_last_line(said):
    with pytest.raises(ValueError, match="NaN"):
        in_file_order(GaussianNB(), verbose=1).fit(np.full((90, 4), np.nan), y)
    assert said() == []


def test_partial_fit_says_so(said):
    ChunkedFit(GaussianNB(), verbose=1).partial_fit(X, y, classes=[0, 1])
    (line,) = said()
    assert line.startswith("[ChunkedFit] partial_fit: 1 epoch, 90 rows in ")


@pytest.mark.parametrize("n_jobs", [1, 2])
@pytest.mark.parametrize("backend", ["threading", "loky"])
def test_rows_of_all_workers_are_counted(n_jobs, backend, said, tmp_path):
    np.save(tmp_path / "X.npy", X)
    path, out = tmp_path / "X.npy", tmp_path / "y.npy"
    with joblib.parallel_config(backend):
        params = {"chunk_size": 10, "verbose": 1, "n_jobs": n_jobs}
        model = in_file_order(GaussianNB(), **params).fit(path, y)
        model.predict(path, out=out)
        model.score(path, y)
    fit, predict, score = said()
    assert re.match(rf"\[ChunkedFit\] fit: 1 epoch, 90 rows {RATE}, ", fit)
    assert re.fullmatch(rf"\[ChunkedFit\] predict: 90 rows {RATE}", predict)
    assert re.fullmatch(rf"\[ChunkedFit\] score: 90 rows {RATE}", score)


def test_predictions_in_memory_are_quiet(said):
    model = in_file_order(GaussianNB(), verbose=1).fit(X, y)
    said()
    model.predict(X)
    model.predict(X, out=(result := np.empty(90, dtype=y.dtype)))
    assert len(said()) == 1
    np.testing.assert_array_equal(result, model.predict(X))


class Own(LinearRegression):
    """Predicts twice to score."""

    def score(self, X, y):
        return float((self.predict(X) - self.predict(X)).sum())


@pytest.mark.parametrize(("estimator", "n_rows"), [(Own(), 180), (SGDRegressor(), 90)])
def test_a_score_of_any_kind(estimator, n_rows, said):
    model = ChunkedFit(estimator.fit(X, X[:, 0]), chunk_size=10, verbose=1)
    model.score(X, X[:, 0])
    (line,) = said()
    assert line.startswith(f"[ChunkedFit] score: {n_rows} rows in ")


def test_what_a_run_before_has_done_counts_as_done(said):
    with Report(2, "owner", "predict", 100) as report:
        report.skip(40)
        report.add(10)
        report.add(60)  # more than there are: the total was wrong
    first, second, last = said()
    assert first.startswith("[owner] predict: 50 of 100 rows (50 %), ")
    assert second.startswith("[owner] predict: 110 rows, ")
    assert last.startswith("[owner] predict: 70 rows in ")


def test_a_conversion(said, tmp_path):
    convert(iter(X), tmp_path / "X.npy", progress=True)
    (line,) = said()
    assert re.fullmatch(rf"\[skmmap\] X.npy: 90 rows {RATE}", line)


def test_times_are_said_as_a_person_would():
    assert [_say_time(s) for s in (0.2, 59.6, 61, 3700)] == [
        "0 s",
        "1 min 0 s",
        "1 min 1 s",
        "1 h 1 min",
    ]
