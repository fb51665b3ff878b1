#!/usr/bin/env bash
# scikit-learn 1.9.1: SGDClassifier.fit(coef_init=old.coef_) trains in the array that it is
# given, so that the old model changes with the new one.
#
# The documentation says "the initial coefficients to warm-start the optimization". An
# array of the type of X (float64 here) and in C order is not copied: after the fit,
# old.coef_ are the coefficients of the new model. With float32 rows it is copied, and the
# old model stays as it was.
#
# Output seen on 2026-11-27:
#   float64: old.coef_ unchanged: False, the same memory as new.coef_: True
#   float32: old.coef_ unchanged: True, the same memory as new.coef_: False
set -euo pipefail
folder=$(mktemp -d); trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q scikit-learn==1.9.1
"$folder/venv/bin/python" - <<'PY'
import numpy as np
from sklearn.linear_model import SGDClassifier

rng = np.random.default_rng(0)
X = rng.normal(size=(1_000, 5))
y = (X[:, 0] > 0).astype(int)
seen = {}
for kind in ("float64", "float32"):
    old = SGDClassifier(random_state=0).fit(X, y)
    before = old.coef_.copy()
    start = {"coef_init": old.coef_, "intercept_init": old.intercept_}
    new = SGDClassifier(random_state=1).fit(X.astype(kind), 1 - y, **start)
    seen[kind] = (
        np.array_equal(old.coef_, before),
        np.shares_memory(old.coef_, new.coef_),
    )
    print(f"{kind}: old.coef_ unchanged: {seen[kind][0]}, "
          f"the same memory as new.coef_: {seen[kind][1]}")
assert seen == {"float64": (False, True), "float32": (True, False)}, seen
PY
