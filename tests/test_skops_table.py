"""Models that skops saves and loads, and the table of what it asks to trust."""

import importlib
from pathlib import Path

import numpy as np
import pytest
import sklearn
from helpers import raises
from sklearn.linear_model import SGDClassifier

from skmmap import ChunkedFit, register
from skmmap.estimators import registry

DOCS = Path(__file__).parent.parent / "docs"
PAGE = (DOCS / "reference" / "skops.md").read_text(encoding="utf-8")
MEASURED = PAGE.partition("Measured with ")[2].partition(".\n")[0]
_REASON = "skops is not installed: pip install skops"
skops = pytest.importorskip("skops", reason=_REASON)
io = pytest.importorskip("skops.io", reason=_REASON)


@pytest.fixture(scope="module")
def script():
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(DOCS))
        return importlib.import_module("skops_table")


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # of scikit-learn, about settings and data
def test_every_row_is_what_skops_asks_for(script):
    """The script also compares what is loaded, and trained further, with the saved."""
    versions = [".".join(m.__version__.split(".")[:2]) for m in (skops, sklearn)]
    if "skops {} and scikit-learn {}".format(*versions) != MEASURED:
        pytest.skip(f"the table is that of {MEASURED}")
    again = script.put_in(PAGE, script.make_table()).splitlines()
    assert again == PAGE.splitlines(), "run python docs/skops_table.py"


def test_an_entry_without_a_case_is_found(script, monkeypatch):
    monkeypatch.setattr(script, "make_cases", lambda: iter(()))
    monkeypatch.setattr(script, "SKLEARN", {"sklearn.naive_bayes.GaussianNB": {}})
    with raises(AssertionError, "No case of ['GaussianNB'] in docs/skops_table.py."):
        script.make_table()


def test_public_names(script):
    private = "sklearn.neural_network._stochastic_optimizers.AdamOptimizer"
    assert script.find_public(private) is None
    name = "sklearn.feature_selection._univariate_selection.chi2"
    assert script.find_public(name) == "sklearn.feature_selection.chi2"


class Registered(SGDClassifier):
    """A class of which a function is registered that no file can hold."""


def test_what_is_registered_is_not_saved(monkeypatch):
    for own in ("_own", "_classes"):
        monkeypatch.setattr(registry, own, {})
    register(Registered, finish=lambda model: setattr(model, "finished_", True))
    X = np.arange(20.0).reshape(10, 2)
    model = ChunkedFit(Registered(max_iter=2, tol=None, random_state=0))
    model.fit(X, np.arange(10) % 2)
    saved = io.dumps(model)
    names = io.get_untrusted_types(data=saved)
    assert set(names) == {f"{__name__}.Registered", "skmmap.ChunkedFit"}
    loaded = io.loads(saved, trusted=names)
    loaded.estimator_.finished_ = False
    assert loaded.partial_fit(X, np.arange(10) % 2).finished_
