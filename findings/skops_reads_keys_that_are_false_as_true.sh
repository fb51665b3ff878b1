#!/usr/bin/env bash
# skops 0.16.0 with scikit-learn 1.9.1: a dict with the keys False and True is loaded as
# one with the key True alone, so that class weights of a classifier change.
#
# Keys are written as those of JSON, which are text, and converted back by their type:
# bool("false") is True. Keys of other types come back as they were. The fitted model
# predicts the same; trained further, it weighs the label False as 1.
#
# Output seen on 2026-11-28:
#   saved:  {False: 9.0, True: 2.0}
#   loaded: {True: 2.0}
set -euo pipefail
folder=$(mktemp -d); trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q scikit-learn==1.9.1 skops==0.16.0
"$folder/venv/bin/python" - <<'PY'
from skops import io
from sklearn.linear_model import SGDClassifier

saved = SGDClassifier(class_weight={False: 9.0, True: 2.0})
loaded = io.loads(io.dumps(saved))
print("saved: ", saved.class_weight)
print("loaded:", loaded.class_weight)
raise SystemExit(loaded.class_weight != {True: 2.0})
PY
