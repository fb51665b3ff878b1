#!/usr/bin/env bash
# LightGBM 4.7.0: LGBMClassifier.fit does not encode the labels of eval_y.
#
# 4.7 deprecates eval_set of the scikit-learn estimators, and its warning asks for eval_X and
# eval_y. A classifier numbers its labels from 0, those of y and of eval_set, and hands those
# of eval_y on as they are. With the labels 5 and 7 there is no error: the loss of each round,
# by which early stopping ends the training, is computed for other labels, and rises while
# that of eval_set falls. Texts as labels end in a ValueError. Labels 0 and 1 hide it. What
# serves is eval_set, or eval_y that are numbered by hand.
#
# Output seen on 2026-11-29:
#   eval_set, labels 5 and 7: loss 0.590, 0.512, 0.448, 0.394
#   eval_y, labels 5 and 7: loss 0.837, 0.853, 0.876, 0.905
#   early stopping by eval_set: 20 rounds; by eval_y: 1 rounds
#   eval_y, labels no and yes: ValueError
set -euo pipefail
folder=$(mktemp -d); trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q lightgbm==4.7.0 scikit-learn==1.9.1 numpy==2.4.6
"$folder/venv/bin/python" -W ignore - <<'PY'
import numpy as np
from lightgbm import LGBMClassifier, early_stopping

rng = np.random.default_rng(0)
X = rng.normal(size=(400, 3))
y = np.where(X[:, 0] > 0, 7, 5)


def fit(y, rounds, **given):
    model = LGBMClassifier(n_estimators=rounds, verbose=-1, n_jobs=1)
    stop = early_stopping(1, verbose=False)
    return model.fit(X, y, callbacks=[stop] if rounds > 4 else None, **given)


def losses(model):
    return model.evals_result_["valid_0"]["binary_logloss"]


# Copies: rows and labels that are those of the training take another way.
by_set = {"eval_set": [(X.copy(), y.copy())]}
by_name = {"eval_X": (X.copy(),), "eval_y": (y.copy(),)}
falling, rising = losses(fit(y, 4, **by_set)), losses(fit(y, 4, **by_name))
print("eval_set, labels 5 and 7: loss", ", ".join(f"{loss:.3f}" for loss in falling))
print("eval_y, labels 5 and 7: loss", ", ".join(f"{loss:.3f}" for loss in rising))
assert falling[-1] < falling[0] and rising[-1] > rising[0]

rounds = [fit(y, 20, **given).best_iteration_ for given in (by_set, by_name)]
print(f"early stopping by eval_set: {rounds[0]} rounds; by eval_y: {rounds[1]} rounds")
assert rounds == [20, 1]

names = np.where(y == 7, "yes", "no")
fit(names, 4, eval_set=[(X.copy(), names.copy())])
try:
    fit(names, 4, eval_X=(X.copy(),), eval_y=(names.copy(),))
except ValueError:
    print("eval_y, labels no and yes: ValueError")
else:
    raise SystemExit("texts are encoded")
PY
