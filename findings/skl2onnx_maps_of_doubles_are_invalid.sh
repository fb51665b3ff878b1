#!/usr/bin/env bash
# skl2onnx 1.20.0, onnx 1.23.2, onnxruntime 1.32.0: a classifier of rows of doubles is
# converted without an error to a model that onnxruntime refuses to load.
#
# By default the probabilities of a classifier become a list of dicts (the operator
# ZipMap). ONNX defines that for float32 alone, and skl2onnx writes it for float64 too.
# One would expect an error of to_onnx, or a cast. With options={"zipmap": False} the
# probabilities are an array, and those of doubles are as exact as scikit-learn's.
#
# Output seen on 2026-11-28:
#   float32 zipmap=True  loads, probabilities differ by less than 1e-06
#   float32 zipmap=False loads, probabilities differ by less than 1e-06
#   float64 zipmap=True  is refused: InvalidGraph
#   float64 zipmap=False loads, probabilities differ by less than 1e-14
set -euo pipefail
folder=$(mktemp -d); trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q scikit-learn==1.9.1 skl2onnx==1.20.0 onnx==1.23.2 onnxruntime==1.32.0
"$folder/venv/bin/python" - <<'PY'
import numpy as np
import onnxruntime
from skl2onnx import to_onnx
from sklearn.linear_model import LogisticRegression

onnxruntime.set_default_logger_severity(4)
rng = np.random.default_rng(0)
X = rng.normal(size=(200, 4))
model = LogisticRegression().fit(X, (X[:, 0] > 0).astype(int))
seen = []
for dtype, bound in ((np.float32, 1e-6), (np.float64, 1e-14)):
    rows = X.astype(dtype)
    for zipmap in (True, False):
        data = to_onnx(model, rows[:1], options={"zipmap": zipmap}).SerializeToString()
        said = f"{dtype.__name__} zipmap={zipmap!s:5}"
        try:
            session = onnxruntime.InferenceSession(
                data, providers=["CPUExecutionProvider"]
            )
        except Exception as error:
            seen.append(False)
            print(f"{said} is refused: {type(error).__name__}")
            continue
        _, found = session.run(None, {session.get_inputs()[0].name: rows})
        if zipmap:
            found = np.array([[each[0], each[1]] for each in found])
        apart = np.abs(found - model.predict_proba(rows)).max()
        seen.append(bool(apart < bound))
        print(f"{said} loads, probabilities differ by less than {bound:g}")
raise SystemExit(seen != [True, True, False, True])
PY
