"""A net of skorch on images in a memory map: fit, a search, and predict by two workers.

Run it with ``pip install skorch torch``; docs/how_to/nets.md says what it shows.
"""

import os
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from sklearn.datasets import load_digits
from sklearn.model_selection import GridSearchCV
from skorch import NeuralNetClassifier, NeuralNetRegressor

from skmmap import ChunkedFit, open_rows

N_COPIES = 2  # of the 1,797 digits, each with noise of its own


class Convolutions(torch.nn.Module):
    """Two layers of convolutions."""

    def __init__(self, n_channels=8):
        super().__init__()
        self.layers = torch.nn.Sequential(
            torch.nn.Conv2d(1, n_channels, 3, padding=1),
            torch.nn.ReLU(),
            torch.nn.MaxPool2d(2),
            torch.nn.Conv2d(n_channels, 2 * n_channels, 3, padding=1),
            torch.nn.ReLU(),
            torch.nn.Flatten(),
            torch.nn.Linear(2 * n_channels * 16, 10),
        )

    def forward(self, images):
        return self.layers(images)


def make_net(**params) -> NeuralNetClassifier:
    torch.manual_seed(0)
    torch.set_num_threads(1)
    return NeuralNetClassifier(
        Convolutions,
        criterion=torch.nn.CrossEntropyLoss,
        optimizer=torch.optim.Adam,
        **{"lr": 0.002, "max_epochs": 8, "verbose": 0} | params,
    )


def write_digits(folder: Path) -> tuple[np.memmap, np.memmap]:
    """Write images of 1 x 8 x 8, sorted by label, and return their maps."""
    digits, labels = load_digits(return_X_y=True)
    order = np.argsort(labels, kind="stable")
    rng = np.random.default_rng(0)
    images = np.repeat(digits[order], N_COPIES, axis=0).reshape(-1, 1, 8, 8) / 16
    images += rng.normal(scale=0.1, size=images.shape)
    np.save(folder / "X.npy", images.astype(np.float32))
    np.save(folder / "y.npy", np.repeat(labels[order], N_COPIES).astype(np.int64))
    return tuple(np.load(folder / f"{name}.npy", mmap_mode="r") for name in "Xy")


def show(name: str, began: float, said: str) -> None:
    print(f"{name:<34}{said:<28}{time.perf_counter() - began:6.1f} s", flush=True)


def main(folder: Path) -> None:
    X, y = write_digits(folder)
    print(f"{X.shape[0]:,} images of {X.shape[1:]}, sorted by label")

    began = time.perf_counter()
    rng = np.random.default_rng(0)
    mixed = rng.permutation(len(X))
    bare = make_net().fit(X[mixed], y[mixed])
    show("net.fit, shuffled in memory", began, f"accuracy {bare.score(X, y):.4f}")

    began = time.perf_counter()
    model = ChunkedFit(make_net(), chunk_size=600, random_state=0).fit(X, y)
    said = f"accuracy {model.score(X, y):.4f}, {model.n_epochs_} epochs"
    show("ChunkedFit(net).fit", began, said)
    print(f"max_epochs={model.estimator_.max_epochs} as before,", end=" ")
    print(f"train_split={type(model.estimator_.train_split).__name__}")

    began = time.perf_counter()
    net = make_net(max_epochs=2)
    loop = ChunkedFit(net, chunk_size=600, shuffle=False, max_epochs=1)
    torch.manual_seed(0)
    loop.fit(images := X[mixed], labels := y[mixed])
    by_hand = make_net(max_epochs=2)
    for start in range(0, len(X), 600):
        by_hand.partial_fit(images[start : start + 600], labels[start : start + 600])
    pairs = zip(
        loop.estimator_.module_.parameters(), by_hand.module_.parameters(), strict=True
    )
    equal = all(torch.equal(one, other) for one, other in pairs)
    show("the loop written out", began, f"equal to the bit: {equal}")

    began = time.perf_counter()
    one = model.set_params(n_jobs=1).predict_proba(folder / "X.npy")
    two = model.set_params(n_jobs=2).predict_proba(folder / "X.npy", out="proba.npy")
    said = f"the same to {abs(one - two).max():.0e}"
    show("predict_proba by two workers", began, said)

    began = time.perf_counter()
    search = GridSearchCV(
        ChunkedFit(make_net(max_epochs=2), chunk_size=600, random_state=0),
        {"estimator__lr": [1e-5, 2e-3], "estimator__module__n_channels": [4, 8]},
        cv=3,
    )
    search.fit(open_rows(folder / "X.npy"), open_rows(folder / "y.npy"))
    said = f"accuracy {search.best_score_:.4f}"
    show("a grid search", began, said)
    print(search.best_params_)

    began = time.perf_counter()
    model = ChunkedFit(make_net(), chunk_size=600, max_epochs=1, random_state=0)
    model.fit(X, y)
    for epoch in range(1, 8):
        model.estimator_.set_params(lr=0.002 * 0.9**epoch)
        model.partial_fit(X, y)
    show("a schedule by hand", began, f"accuracy {model.score(X, y):.4f}")

    began = time.perf_counter()
    rows = X.reshape(len(X), -1)
    target = (rows @ np.linspace(-1, 1, 64, dtype=np.float32))[:, None]
    linear = NeuralNetRegressor(
        torch.nn.Linear,
        module__in_features=64,
        module__out_features=1,
        optimizer=torch.optim.Adam,
        lr=0.02,
        max_epochs=5,
        verbose=0,
    )
    model = ChunkedFit(linear, random_state=0).fit(rows, target)
    show("a regressor, y of shape (n, 1)", began, f"R2 {model.score(rows, target):.4f}")


if __name__ == "__main__":
    # Workers import the class of the module: __main__ is another module there.
    from skorch_images import main as run

    with tempfile.TemporaryDirectory() as name:
        os.chdir(name)
        run(Path(name))
        os.chdir("/")
