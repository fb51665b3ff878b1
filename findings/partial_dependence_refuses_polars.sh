#!/usr/bin/env bash
# scikit-learn 1.9.1: partial_dependence fails with a polars frame, on which the estimator
# is trained and predicts, and which its checks of X accept.
#
# The documentation says "X: {array-like, sparse matrix or dataframe}", and scikit-learn 1.9
# takes polars frames elsewhere through narwhals. Here a column is asked for dtype.kind,
# which types of polars do not have; if it were not, columns of the frame would be assigned
# to by X[:, column] = value, which polars does not take.
#
# Output seen on 2026-11-27:
#   pandas: (1, 5)
#   polars, DecisionBoundaryDisplay: (10, 10)
#   polars: AttributeError: 'Float64' object has no attribute 'kind'
set -euo pipefail
folder=$(mktemp -d); trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q scikit-learn==1.9.1 polars==2.1.0 pandas==2.3.3 matplotlib==3.10.7
"$folder/venv/bin/python" - <<'PY'
import matplotlib
import numpy as np
import pandas as pd
import polars as pl
from sklearn.inspection import DecisionBoundaryDisplay, partial_dependence
from sklearn.naive_bayes import GaussianNB

matplotlib.use("Agg")
X = np.random.default_rng(0).normal(size=(100, 2))
y = X[:, 0] > 0
options = {"features": [0], "grid_resolution": 5}
frame = pd.DataFrame(X, columns=["a", "b"])
model = GaussianNB().fit(frame, y)
print(f"pandas: {partial_dependence(model, frame, **options)['average'].shape}")
frame = pl.DataFrame(X, schema=["a", "b"])
model = GaussianNB().fit(frame, y)
display = DecisionBoundaryDisplay.from_estimator(model, frame, grid_resolution=10)
print(f"polars, DecisionBoundaryDisplay: {display.response.shape}")
try:
    partial_dependence(model, frame, **options)
except AttributeError as error:
    print(f"polars: AttributeError: {error}")
else:
    raise SystemExit("partial_dependence takes a polars frame")
PY
