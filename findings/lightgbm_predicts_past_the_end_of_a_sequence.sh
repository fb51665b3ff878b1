#!/usr/bin/env bash
# LightGBM 4.7.0: Booster.predict of a Sequence does not ask for its length.
#
# lightgbm.Sequence is a class with __len__ and __getitem__ from which a Dataset is made: of
# the rows below len(), by slices. predict takes the same object, and goes through it by
# Python's old protocol for iteration, row by row until IndexError. A sequence that is a part
# of a larger array, such as the first rows of a file, raises none at its end: there are
# predictions for rows behind it, in an array that is longer than the sequence. There is no
# error, and a warning about a conversion to a sparse matrix. What serves is predict of slices.
#
# Output seen on 2026-11-29:
#   Dataset of the sequence: 100 rows
#   predict of the sequence of 100 rows: 500 predictions
#   calls: 501, all of a single row
#   predict of its slice: 100 predictions
set -euo pipefail
folder=$(mktemp -d); trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q lightgbm==4.7.0 numpy==2.4.6
"$folder/venv/bin/python" -W ignore - <<'PY'
import lightgbm
import numpy as np

rows = np.random.default_rng(0).normal(size=(500, 3))
calls = []


class First(lightgbm.Sequence):
    """The first hundred rows of a larger array."""

    batch_size = 50

    def __len__(self):
        return 100

    def __getitem__(self, key):
        calls.append(key)
        return rows[key]


data = lightgbm.Dataset(First(), rows[:100, 0])
model = lightgbm.train({"objective": "regression", "verbose": -1}, data, 3)
assert data.num_data() == 100
print(f"Dataset of the sequence: {data.num_data()} rows")

calls.clear()
found = model.predict(First())
print(f"predict of the sequence of 100 rows: {len(found)} predictions")
assert len(found) == 500
assert {type(key) for key in calls} == {int}
print(f"calls: {len(calls)}, all of a single row")
assert len(calls) == 501

sliced = model.predict(First()[:100])
assert len(sliced) == 100 and np.array_equal(sliced, found[:100])
print(f"predict of its slice: {len(sliced)} predictions")
PY
