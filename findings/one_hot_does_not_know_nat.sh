#!/usr/bin/env bash
# scikit-learn 1.9.1: OneHotEncoder does not recognise the missing dates that it has learned.
#
# NaN and None are one category each, and the encoder knows them again. NaT is a category
# after fit of a column of dates, and transform of the same column refuses every NaT as
# unknown, so that fit_transform fails. handle_unknown="ignore" encodes it as zeros, beside
# a column for NaT that no row ever has. OrdinalEncoder does the same. What serves is a
# column of objects in which missing dates are None.
#
# Output seen on 2026-11-28:
#   NaN: categories [1.0, 2.0, nan], encoded
#   NaT, OneHotEncoder: 1 category of it, ValueError: unknown
#   NaT, OrdinalEncoder: 1 category of it, ValueError: unknown
#   NaT ignored: 3 columns, of which 2 are of rows
#   dates as objects, None: 3 categories, encoded
set -euo pipefail
folder=$(mktemp -d); trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q scikit-learn==1.9.1 numpy==2.4.6
"$folder/venv/bin/python" - <<'PY'
import numpy as np
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder

numbers = np.array([[1.0], [np.nan], [2.0], [np.nan]])
known = OneHotEncoder().fit(numbers)
known.transform(numbers)
print(f"NaN: categories {known.categories_[0].tolist()}, encoded")
assert len(known.categories_[0]) == 3

dates = np.array([["2024-01-01"], ["NaT"], ["2024-01-02"], ["NaT"]], "datetime64[D]")
for encoder in (OneHotEncoder(), OrdinalEncoder()):
    found = encoder.fit(dates).categories_[0].astype(str).tolist()
    try:
        encoder.transform(dates)
    except ValueError as error:
        assert "Found unknown categories" in str(error), error
    else:
        raise SystemExit("NaT is known")
    kind = type(encoder).__name__
    assert found.count("NaT") == 1
    print(f"NaT, {kind}: 1 category of it, ValueError: unknown")

ignored = OneHotEncoder(handle_unknown="ignore").fit_transform(dates).toarray()
used = int(ignored.any(axis=0).sum())
print(f"NaT ignored: {ignored.shape[1]} columns, of which {used} are of rows")
assert (ignored.shape[1], used) == (3, 2)

objects = np.where(np.isnat(dates), None, dates.astype(str).astype(object))
again = OneHotEncoder().fit(objects)
again.transform(objects)
print(f"dates as objects, None: {len(again.categories_[0])} categories, encoded")
assert len(again.categories_[0]) == 3
PY
