#!/usr/bin/env bash
# scikit-learn 1.9.1: MLPClassifier.partial_fit catches KeyboardInterrupt and returns as if
# all were well, so that Ctrl-C does not end a training loop around it.
#
# Its fit catches Ctrl-C to end there with what it has learned, and warns "Training
# interrupted by user.". partial_fit runs the same code: a loop of partial_fit over chunks
# goes on with the next chunk.
# A good engineer would have guessed that KeyboardInterrupt ends the loop.
#
# Output seen on 2026-11-27:
#   chunks after Ctrl-C in chunk 2: 5 of 5
#   warned: Training interrupted by user.
set -euo pipefail
folder=$(mktemp -d); trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q scikit-learn==1.9.1
"$folder/venv/bin/python" - <<'PY'
import signal
import warnings

import numpy as np
from sklearn.neural_network import MLPClassifier




class Loud(int):
    """Stands for a user who presses Ctrl-C while the network learns a chunk."""

    armed = False

    def __bool__(self):
        if Loud.armed:
            Loud.armed = False
            signal.raise_signal(signal.SIGINT)
        return False


rng = np.random.default_rng(0)
X = rng.normal(size=(5_000, 5))
y = (X[:, 0] > 0).astype(int)
net = MLPClassifier((5,), random_state=0, verbose=Loud(1))
done = 0
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    try:
        for number, start in enumerate(range(0, 5_000, 1_000), start=1):
            Loud.armed = number == 2
            rows = slice(start, start + 1_000)
            net.partial_fit(X[rows], y[rows], classes=[0, 1])
            done = number
    except KeyboardInterrupt:
        pass
print(f"chunks after Ctrl-C in chunk 2: {done} of 5")
texts = [str(warning.message) for warning in caught]
print("warned:", *texts)
assert done == 5, "the loop ends now"
assert texts == ["Training interrupted by user."], texts
PY
