"""The recipe for ONNX in the documentation, if skl2onnx is installed."""

import re
from pathlib import Path

import numpy as np
import pytest
from helpers import make_rows, name_of
from markdown import read_blocks
from sklearn.linear_model import SGDClassifier, SGDRegressor
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skmmap import ChunkedFit

HOW_TO = Path(__file__).parent.parent / "docs" / "how_to"
PAGE = (HOW_TO / "save.md").read_text(encoding="utf-8")
FIRST = (HOW_TO.parent / "getting_started.md").read_text(encoding="utf-8")
SGD = SGDClassifier(loss="log_loss", max_iter=3, random_state=0)
_REASON = "skl2onnx is not installed: pip install skl2onnx onnxruntime"
skl2onnx = pytest.importorskip("skl2onnx", reason=_REASON)
onnxruntime = pytest.importorskip("onnxruntime", reason=_REASON)
pytestmark = pytest.mark.filterwarnings("ignore:::(?!skmmap)")  # of old NumPy names


def test_the_recipe_of_the_page(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    exec(read_blocks(FIRST)[0][0], {})
    names = {}
    exec(read_blocks(PAGE)[0][0], names)
    recipe = re.search(r"^```\{code-block\} python\n(.*?)^```", PAGE, re.M | re.S)
    capsys.readouterr()
    exec(recipe[1], names)
    assert capsys.readouterr().out == "True\n"


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize(
    "estimator",
    [SGD, GaussianNB(), make_pipeline(StandardScaler(), SGD), SGDRegressor(max_iter=3)],
    ids=name_of,
)
def test_results_are_those_of_the_model(estimator):
    X, y = make_rows(SGD)
    model = ChunkedFit(estimator, chunk_size=30, random_state=0).fit(X, y)
    has_classes = hasattr(model, "classes_")
    options = {"zipmap": False} if has_classes else None
    onnx = skl2onnx.to_onnx(model.estimator_, X[:1], options=options)
    session = onnxruntime.InferenceSession(
        onnx.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    found, *others = session.run(None, {"X": X})
    if has_classes:
        np.testing.assert_array_equal(found, model.predict(X))
        np.testing.assert_allclose(others[0], model.predict_proba(X), atol=1e-13)
    else:
        np.testing.assert_allclose(found[:, 0], model.predict(X), rtol=1e-13)
