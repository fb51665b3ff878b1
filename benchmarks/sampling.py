"""Sampling of classes: the bytes that an epoch reads, and held-out scores.

    python benchmarks/sampling.py [--rows 200000] [--epochs 10]

One row in a hundred is of the rare class. Bytes are those that the process reads
(``rchar`` of /proc/self/io) in an epoch, as a share of the file. The scores are
balanced accuracy on rows that are not in the file.
"""

import argparse
import tempfile
from pathlib import Path

import numpy as np
from sklearn.linear_model import SGDClassifier
from sklearn.metrics import balanced_accuracy_score

from skmmap import ChunkedFit, Order, open_rows


class OneByOne(Order):
    """Undersampling in memory, as imbalanced-learn does: rows are drawn one by one."""

    needs_y = True

    def iter_rows(self, epoch, rows):
        rng, rare = rows.spawn(epoch), np.flatnonzero(rows.y)
        others = rng.choice(np.flatnonzero(rows.y == 0), len(rare), replace=False)
        yield rng.permutation(np.r_[rare, others])


def make_rows(n_rows: int, n_features: int, seed: int):
    """Return rows of two classes that overlap; the means drift along the file."""
    rng = np.random.default_rng(seed)
    y = (rng.random(n_rows) < 0.01).astype(np.int8)
    X = rng.normal(size=(n_rows, n_features)).astype(np.float32)
    X[:, :8] += 0.9 * y[:, None]
    X[:, 8] += np.linspace(-1, 1, n_rows)
    return X, y


def count_read() -> int:
    lines = Path("/proc/self/io").read_text().splitlines()
    return int(lines[0].removeprefix("rchar: "))


def measure(path: Path, y, test, epochs: int, name: str, weight=None, **params) -> None:
    estimator = SGDClassifier(
        loss="log_loss", alpha=1e-3, random_state=0, class_weight=weight, tol=None
    )
    model = ChunkedFit(
        estimator, read="buffer", memory_limit="32MB", random_state=0, **params
    )
    X = open_rows(path)
    before = count_read()
    model.set_params(max_epochs=1).fit(X, y)
    share = (count_read() - before) / path.stat().st_size
    scores = []
    for seed in range(5):
        model.set_params(max_epochs=epochs, random_state=seed).fit(X, y)
        scores.append(balanced_accuracy_score(test[1], model.predict(test[0])))
    scored = f"{np.mean(scores):.4f} ± {np.std(scores):.4f}"
    print(f"| {name} | {model.history_['rows'][0]:,} | {share:.1%} | {scored} |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=200_000)
    parser.add_argument("--epochs", type=int, default=10)
    given = parser.parse_args()
    print("| file and order | rows in an epoch | read of the file | held-out score |")
    print("|---|---|---|---|")
    for n_features, place in (100, "scattered"), (100, "sorted"), (2_000, "scattered"):
        n_rows = given.rows * 100 // n_features
        X, y = make_rows(n_rows, n_features, 0)
        test = make_rows(20_000 * 100 // n_features, n_features, 1)
        if place == "sorted":
            order = np.argsort(y, kind="stable")
            X, y = X[order], y[order]
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "X.npy"
            np.save(path, X)
            rest = path, y, test, given.epochs
            said = f"{place}, {4 * n_features:,} B a row"
            measure(*rest, f"{said}: class weights", weight="balanced")
            measure(*rest, f"{said}: balanced", sampling="balanced")
            measure(*rest, f"{said}: row by row", shuffle=OneByOne())
            measure(*rest, f"{said}: oversample", sampling="oversample")


if __name__ == "__main__":
    main()
