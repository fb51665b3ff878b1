"""The ways of scale.py, run in a child: fits and a prediction of one file of rows."""

from pathlib import Path

import numpy as np
from sklearn.linear_model import SGDClassifier
from sklearn.preprocessing import StandardScaler
from workers import serve

from skmmap import ChunkedFit, open_rows

FILES = "X.npy", "y.npy"
_FEW_ROWS = 5_000


def prepare(folder: str):
    """Return the ways; each has run on a few rows, which loads what is loaded once."""
    paths = [Path(folder) / name for name in FILES]
    few = [np.array(np.load(path, mmap_mode="r")[:_FEW_ROWS]) for path in paths]
    out = Path(folder) / "labels.npy"
    sgd = ChunkedFit(
        SGDClassifier(random_state=0), max_epochs=1, shuffle=True, random_state=0
    )
    scaler = ChunkedFit(StandardScaler())
    trained = ChunkedFit(SGDClassifier(random_state=0)).fit(*few)
    trained.predict(few[0], out=out)
    scaler.fit(few[0])
    sgd.fit(*few)
    return {
        "sgd": lambda: sgd.fit(*map(open_rows, paths)),
        "scaler": lambda: scaler.fit(open_rows(paths[0])),
        "predict": lambda: trained.predict(open_rows(paths[0]), out=out),
    }


if __name__ == "__main__":
    serve(prepare)
