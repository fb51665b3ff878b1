"""The table of transformers in the documentation is what fits do here."""

import importlib
from pathlib import Path

import numpy as np
import pytest
import sklearn
from helpers import raises
from sklearn.preprocessing import MinMaxScaler, StandardScaler

DOCS = Path(__file__).parent.parent / "docs"
PAGE = (DOCS / "reference" / "transformers.md").read_text(encoding="utf-8")
MEASURED = PAGE.partition("Measured with scikit-learn ")[2].split(".\n")[0]


def find_version(text):
    return tuple(int(part) for part in text.split(".")[:2])


pytestmark = pytest.mark.skipif(
    find_version(sklearn.__version__) < find_version(MEASURED),
    reason=f"the table is that of scikit-learn {MEASURED}, the newest",
)


@pytest.fixture(scope="module")
def script():
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(DOCS))
        return importlib.import_module("transformers_table")


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # of scikit-learn, about settings and data
def test_every_row_is_what_a_fit_does(script):
    again = script.put_in(PAGE, script.make_tables()).splitlines()
    assert again == PAGE.splitlines(), "run python docs/transformers_table.py"


def test_what_is_not_equal_and_not_refused_is_found(script, monkeypatch):
    X = np.arange(6.0).reshape(3, 2) ** 2
    fitted = [scaler.fit(X) for scaler in (StandardScaler(), StandardScaler())]
    assert script.compare(*fitted, X) == 0
    fitted[0].mean_ = fitted[0].mean_ * (1 + 1e-12)
    assert 0 < script.compare(*fitted, X) < 1e-10
    del fitted[0].mean_
    assert script.find_distance(*fitted) == np.inf
    assert script.find_distance(MinMaxScaler().fit(X), fitted[1]) == np.inf
    with raises(AssertionError, "StandardScaler() is not refused."):
        script.refuse("StandardScaler()", "")
    monkeypatch.delitem(script.CASES, "PCA()")
    monkeypatch.delitem(script.REFUSED, 'PCA(svd_solver="randomized")')
    with raises(AssertionError, "No case of ['PCA'] in docs/transformer_cases.py."):
        script.make_tables()
