"""Measure how inexact trees are that grow on shuffled buffers: the held-out score.

    python benchmarks/growing.py
    python benchmarks/growing.py --quick

Rows are sorted by their label, and each buffer has a tenth of them. Beside that:
``fit`` of the same estimator on all rows in memory, and on a random tenth of them.
Means of several seeds.
"""

import argparse

import numpy as np
from measure import describe_machine
from sklearn.base import clone
from sklearn.datasets import load_digits, make_classification, make_friedman1
from sklearn.ensemble import (
    ExtraTreesClassifier,
    ExtraTreesRegressor,
    GradientBoostingClassifier,
    GradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.model_selection import train_test_split

from skmmap import ChunkedFit

N_BUFFERS = 10


def make_data(n_rows: int) -> dict:
    given = {"n_informative": 10, "n_classes": 5, "n_clusters_per_class": 3}
    return {
        "digits": load_digits(return_X_y=True),
        "make_classification": make_classification(
            n_rows, 20, flip_y=0.05, random_state=0, **given
        ),
        "make_friedman1": make_friedman1(n_rows, noise=1.0, random_state=0),
    }


def list_estimators(is_regression: bool) -> list:
    if is_regression:
        forests = RandomForestRegressor(), ExtraTreesRegressor()
        boosted = GradientBoostingRegressor()
    else:
        forests = RandomForestClassifier(), ExtraTreesClassifier()
        boosted = GradientBoostingClassifier()
    return [*forests, boosted]


def find_scores(estimator, X, y, seed: int) -> list[float]:
    """Return the scores of buffers, of all rows, and of a tenth."""
    estimator = clone(estimator).set_params(random_state=seed)
    X, X_test, y, y_test = train_test_split(X, y, random_state=seed)
    order = np.argsort(y, kind="stable")
    X, y = X[order], y[order]
    growing = clone(estimator).set_params(warm_start=True)
    rows = -(-len(X) // N_BUFFERS)
    grown = ChunkedFit(growing, chunk_size=rows).fit(X, y)
    part = np.random.default_rng(seed).permutation(len(X))[:rows]
    whole, tenth = clone(estimator).fit(X, y), clone(estimator).fit(X[part], y[part])
    return [model.score(X_test, y_test) for model in (grown, whole, tenth)]


def run(n_rows: int, n_seeds: int) -> None:
    print(describe_machine())
    print("| rows | estimator | 10 buffers | all rows | a tenth of them |")
    for name, (X, y) in make_data(n_rows).items():
        for estimator in list_estimators(y.dtype.kind == "f"):
            scores = [find_scores(estimator, X, y, seed) for seed in range(n_seeds)]
            said = " | ".join(f"{score:.3f}" for score in np.mean(scores, axis=0))
            kind = type(estimator).__name__
            print(f"| {len(X):,} of {name} | {kind} | {said} |", flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rows", type=int, default=40_000)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--quick", action="store_true", help="few rows, one seed")
    given = parser.parse_args()
    run(*((2_000, 1) if given.quick else (given.rows, given.seeds)))
