"""A search says what breaks in the middle as a fit alone does, and leaves nothing."""

import os
import re
import threading

import numpy as np
import pytest
from sklearn.linear_model import SGDClassifier

from skmmap import ChunkedFit, ChunkedSearchCV

ALPHAS = {"estimator__alpha": [1e-4, 1.0]}


class Spoiling(SGDClassifier):
    """Spoils the file that it learns from, once it has seen a few chunks."""

    n_chunks = 0

    def partial_fit(self, X, y, classes=None, sample_weight=None):
        Spoiling.n_chunks += 1
        if Spoiling.n_chunks == 12:
            np.save("other.npy", np.zeros((400, 5)))
            os.replace("other.npy", "X.npy")
        return super().partial_fit(X, y, classes, sample_weight)


@pytest.mark.parametrize("shuffle", [False, "shared"])
def test_each_fold_says_that_its_file_was_replaced(tmp_path, monkeypatch, shuffle):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(Spoiling, "n_chunks", 0)
    X = np.random.default_rng(0).normal(size=(400, 5))
    np.save("X.npy", X)
    fit = {"chunk_size": 17, "max_epochs": 3, "memory_limit": "20KB", "read": "buffer"}
    model = ChunkedFit(Spoiling(random_state=0), shuffle=shuffle, **fit)
    search = ChunkedSearchCV(model, ALPHAS, cv=3)
    with pytest.raises(ValueError, match="All the 6 fits failed") as caught:
        search.fit("X.npy", X[:, 0] > 0)
    # scikit-learn shows each error once that is another one.
    errors = re.findall(r"^(?:\w+Error): (.*)", str(caught.value), re.MULTILINE)
    assert len(errors) > 1  # which name rows of each fold
    for error in errors:
        assert "X.npy' was replaced since it was opened" in error
    assert not [t for t in threading.enumerate() if t.name.startswith("skmmap")]
