"""``out`` is refused before anything is trained, and where anything is read from."""

import numpy as np
import pandas as pd
import pytest
from helpers import in_file_order
from sklearn.base import BaseEstimator
from sklearn.feature_extraction.text import HashingVectorizer

from skmmap import open_rows

N_ROWS = 20
DOORS = "fit_predict", "fit_transform"
CALLS = []


class Probe(BaseEstimator):
    """Notes that it was trained; what it predicts are the first numbers."""

    def partial_fit(self, X, y=None, sample_weight=None, offset=None):
        CALLS.append(len(X))
        self.n_ = 1
        return self

    def fit_predict(self, X, y=None): ...

    fit_transform = fit_predict

    def predict(self, X):
        return X[:, 0]

    transform = predict

    def score(self, X, y=None, sample_weight=None):
        return 1.0


@pytest.fixture
def given(tmp_path):
    """Return what fit is given, each from a file of its own."""
    names = "X", "y", "sample_weight", "offset", "X_val", "y_val", "sample_weight_val"
    for name in names:
        shape = (N_ROWS, 3) if name.startswith("X") else N_ROWS
        np.save(tmp_path / f"{name}.npy", np.ones(shape))
    return {name: tmp_path / f"{name}.npy" for name in names}


def find_refusal(door, given, **options):
    """Return why the result is refused, which has to be before training."""
    CALLS.clear()
    more = {name: value for name, value in given.items() if name not in "Xy"}
    model = in_file_order(Probe(), chunk_size=10)
    with pytest.raises((ValueError, TypeError, OSError)) as caught:
        getattr(model, door)(given["X"], given["y"], **more, **options)
    assert not CALLS
    return str(caught.value)


@pytest.mark.parametrize("door", DOORS)
def test_nothing_that_fit_reads_is_replaced(door, given):
    for name, path in given.items():
        before, inode = path.read_bytes(), path.stat().st_ino
        text = f"out is the file that {name} is read from, which is never written to."
        said = find_refusal(door, given, out=path)
        assert said == f"{text} Give another one."
        said = find_refusal(door, given, out=np.load(path, mmap_mode="r+"))
        assert said == f"{text} Give another one.".replace("file", "array")
        assert (path.read_bytes(), path.stat().st_ino) == (before, inode)


@pytest.mark.parametrize("door", DOORS)
def test_nor_is_an_array_in_memory(door, given):
    text = "out is the array that {} is read from, which is never written to."
    for name, path in given.items():
        out = np.load(path)
        said = find_refusal(door, given | {name: out}, out=out)
        assert said.startswith(text.format(name))
    out = np.ones(N_ROWS)  # of which a part goes along that is not by row
    said = find_refusal(door, given | {"offset": out[:1]}, out=out)
    assert said.startswith(text.format("offset"))


@pytest.mark.parametrize("door", DOORS)
def test_what_can_be_written_is_written_after_training(door, given, tmp_path):
    CALLS.clear()
    more = {name: value for name, value in given.items() if name not in "Xy"}
    method = getattr(in_file_order(Probe(), chunk_size=10), door)
    out = tmp_path / "out.npy"
    np.testing.assert_array_equal(method(given["X"], given["y"], out=out, **more), 1)
    assert len(CALLS) == 2
    assert out.exists()


@pytest.mark.parametrize("door", DOORS)
def test_what_can_never_be_written_is_refused_before_training(door, given, tmp_path):
    (tmp_path / "folder").mkdir()
    locked = np.ones(N_ROWS)
    locked.flags.writeable = False
    cases = {
        "must end in '.npy'": tmp_path / "y.txt",
        "There is no folder": tmp_path / "no" / "y.npy",
        "is a folder": tmp_path / "folder",
        "has the shape": np.ones(N_ROWS + 1),
        "cannot be written to": locked,
        "out must be None": 3,
    }
    for expected, out in cases.items():
        said = find_refusal(door, given, out=out)
        assert expected in said
    for out in (None, np.ones(N_ROWS), tmp_path / "new"):
        said = find_refusal(door, given, out=out, resume=True)
        assert said.startswith("resume=True")
    rows = open_rows(given["X"])[::-1]
    said = find_refusal(door, given | {"X": rows}, out=tmp_path / "new")
    assert "another order" in said


def test_a_series_of_texts_is_no_file(tmp_path):
    texts = pd.Series(["a b", "c d"] * 5)
    model = in_file_order(HashingVectorizer(n_features=16), chunk_size=4).fit(texts)
    rows = model.transform(texts, out=tmp_path / "rows")
    assert (rows.read() != model.transform(texts)).nnz == 0
