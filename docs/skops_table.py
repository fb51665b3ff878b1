"""Write the table of what skops asks to trust: ``python docs/skops_table.py``.

Each estimator that skmmap has an entry of is fitted by ChunkedFit here, on few rows,
and saved and loaded again by skops.
"""

import pickle
import re
import warnings
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import numpy as np
import sklearn
import skops
from sklearn.base import clone
from skops import io
from skops.io.exceptions import UnsupportedTypeException
from transformer_cases import CASES, make, make_given
from transformers_table import put_in, seed

from skmmap import ChunkedFit
from skmmap.estimators.sklearn_entries import SKLEARN

PAGE = Path(__file__).parent / "reference" / "skops.md"
OWN = "skmmap.ChunkedFit"
_ROWS = 300
_METHODS = "predict", "predict_proba", "decision_function", "transform"
# Beside the transformers, what each is fitted on.
OTHERS = {
    "BernoulliNB()": "few",
    "CategoricalNB()": "codes",
    "ComplementNB()": "few",
    "GaussianNB()": "few",
    "MLPClassifier()": "few",
    'MLPClassifier(solver="sgd")': "few",
    "MLPRegressor()": "few",
    "MultiOutputRegressor(SGDRegressor())": "few",
    "MultinomialNB()": "few",
    "OneVsOneClassifier(SGDClassifier())": "few",
    "OneVsRestClassifier(SGDClassifier())": "few",
    "PassiveAggressiveClassifier()": "few",
    "PassiveAggressiveRegressor()": "few",
    "Perceptron()": "few",
    "SGDClassifier()": "few",
    'SGDClassifier(average=True, penalty="l1")': "few",
    'SGDClassifier(loss="log_loss")': "few",
    "SGDOneClassSVM()": "few",
    "SGDRegressor()": "few",
    "TransformedTargetRegressor(SGDRegressor())": "few",
    'make_pipeline(FrozenEstimator(PCA().fit(numpy.eye(4))), "passthrough")': "numbers",
    "make_pipeline(StandardScaler(), SGDClassifier())": "few",
}


def make_cases() -> Iterator[tuple]:
    """Yield the code of each estimator, the estimator, and rows and targets for it."""
    for code, case in CASES.items():
        yield code, make(code).set_params(**case.hidden), case.data
    for code, data in OTHERS.items():
        yield code, make(code), data


def fit(estimator, data: str) -> tuple:
    """Return a fitted model, and the rows and targets that it was fitted on."""
    X, *y = (given[:_ROWS] for given in make_given(data))
    names = {name for name in estimator.get_params() if name.endswith("max_iter")}
    seed(estimator)
    estimator.set_params(**dict.fromkeys(names, 2))
    if type(estimator).__name__.startswith("MultiOutput"):
        y = [np.stack([*y, *y], axis=1)]
    return ChunkedFit(estimator, random_state=0).fit(X, *y), X, y


def find_trusted(estimator, data: str) -> tuple[str, ...] | None:
    """Return the names that skops asks for, None if it cannot save the model.

    What it loads is the same as what it saved, and learns the same from then on.
    """
    model, X, y = fit(estimator, data)
    try:
        saved = io.dumps(model)
    except UnsupportedTypeException:
        return None
    names = io.get_untrusted_types(data=saved)
    alone = io.get_untrusted_types(data=io.dumps(model.estimator_))
    assert sorted([*alone, OWN]) == sorted(names)
    by_itself = clone(model.estimator).fit(X, *y)
    assert alone == io.get_untrusted_types(data=io.dumps(by_itself))
    loaded = io.loads(saved, trusted=names)
    # The layout of some arrays, by which products are rounded, is that of a pickle.
    again = pickle.loads(pickle.dumps(model))
    check_same(loaded, again, X)
    if hasattr(model, "partial_fit"):
        check_same(loaded.partial_fit(X, *y), model.partial_fit(X, *y), X)
    return tuple(alone)


def check_same(one, other, X) -> None:
    """Raise unless two models return the same bits."""
    for name in _METHODS:
        if hasattr(other, name):
            found, expected = (getattr(each, name)(X) for each in (one, other))
            assert pickle.dumps(found) == pickle.dumps(expected), (one, name)


def find_public(name: str) -> str | None:
    """Return the name by which users import what has a private one, None if none."""
    module, _, own = name.rpartition(".")
    parts = module.split(".")
    while any(part.startswith("_") for part in parts):
        parts.pop()
    public = ".".join([*parts, own])
    given = getattr(import_module(".".join(parts)), own, None)
    is_same = given is getattr(import_module(module), own)
    return public if is_same else None


def make_table() -> str:
    """Return the table in Markdown."""
    found: dict[tuple[str, ...] | None, list[str]] = {}
    covered = set()
    for code, estimator, data in make_cases():
        covered.update(re.findall(r"\w+", code))
        names = find_trusted(estimator, data)
        found.setdefault(names, []).append(code)
    missing = {name.rpartition(".")[2] for name in SKLEARN} - covered
    assert not missing, f"No case of {sorted(missing)} in docs/skops_table.py."
    refused = found.pop(None)
    rows = [_make_row(names, found[names]) for names in sorted(found)]
    rows.append(["skops cannot save it: pickle it", "", _list(refused)])
    head = ["beside `skmmap.ChunkedFit`, to trust", "is public as", "asked for by"]
    lines = "".join(f"| {' | '.join(row)} |\n" for row in [head, ["---"] * 3, *rows])
    versions = f"skops {_cut(skops.__version__)} and scikit-learn "
    return f"Measured with {versions}{_cut(sklearn.__version__)}.\n\n{lines}"


def _make_row(names: tuple[str, ...], codes: list[str]) -> list[str]:
    trusted = ", ".join(f"`{name}`" for name in names)
    public = [find_public(name) for name in names]
    said = ", ".join(f"`{name}`" if name else "private" for name in public)
    return [trusted or "nothing", said, _list(codes)]


def _list(codes: list[str]) -> str:
    """List estimators, with parameters only where they make a difference."""
    plain = {code.removesuffix("()") for code in codes if code.endswith("()")}
    others = {code for code in codes if code.partition("(")[0] not in plain}
    return ", ".join(f"`{code}`" for code in sorted(plain | others, key=str.lower))


def _cut(version: str) -> str:
    return ".".join(version.split(".")[:2])


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    PAGE.write_text(
        put_in(PAGE.read_text(encoding="utf-8"), make_table()), encoding="utf-8"
    )
