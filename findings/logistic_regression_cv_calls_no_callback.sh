#!/usr/bin/env bash
# scikit-learn 1.9.1: LogisticRegressionCV has set_callbacks, takes callbacks without a
# warning, and never calls one: neither setup, nor a task, nor teardown.
#
# It inherits the method from LogisticRegression, which supports callbacks with
# solver="lbfgs". Its own fit has no tasks. The user guide does not list it among the
# estimators that support callbacks; hasattr(estimator, "set_callbacks"), by which
# propagate_callback_context decides whether to warn, is True. So in a pipeline a progress
# bar is propagated to it and never shown, where other estimators warn. With
# solver="liblinear", LogisticRegression begins the task "fit" and does not end it.
# A good engineer would have guessed that what has set_callbacks calls them or warns.
#
# Output seen on 2026-11-28:
#   LogisticRegression: setup, begin fit, end fit, teardown
#   LogisticRegressionCV: nothing
#   LogisticRegressionCV, in a pipeline: nothing; warned: nothing
#   SGDClassifier, in a pipeline: nothing; warned: The estimator SGDClassifier does not support callbacks.
#   LogisticRegression, liblinear: setup, begin fit, teardown
set -euo pipefail
folder=$(mktemp -d); trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q scikit-learn==1.9.1
"$folder/venv/bin/python" - <<'PY'
import warnings

import numpy as np
from sklearn.linear_model import LogisticRegression, LogisticRegressionCV, SGDClassifier
from sklearn.pipeline import make_pipeline


class Told:
    """Remembers what it is told of an estimator's fit as a whole."""

    max_propagation_depth = None

    def __init__(self, name):
        self.name, self.events = name, []

    def setup(self, estimator, context):
        self.events.append("setup")

    def teardown(self, estimator, context):
        self.events.append("teardown")

    def on_fit_task_begin(self, estimator, context):
        self._tell("begin", estimator, context)

    def on_fit_task_end(self, estimator, context):
        self._tell("end", estimator, context)

    def _tell(self, event, estimator, context):
        if type(estimator).__name__ == self.name and context.task_name == "fit":
            self.events.append(f"{event} fit")


X = np.random.default_rng(0).normal(size=(200, 3))
y = (X[:, 0] > 0).astype(int)


def fit(estimator, inside=None):
    """Return what a callback is told, and the warnings about callbacks."""
    told = Told(type(inside or estimator).__name__)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        estimator.set_callbacks(told).fit(X, y)
    texts = [str(w.message).split(". ")[0] + "." for w in caught if "allback" in str(w.message)]
    events = told.events if inside is None else told.events[1:-1]  # those of the pipeline
    return ", ".join(events) or "nothing", " ".join(texts) or "nothing"


plain, _ = fit(LogisticRegression())
searched, silent = fit(LogisticRegressionCV(Cs=2, cv=2))
print("LogisticRegression:", plain)
print("LogisticRegressionCV:", searched)
seen = {}
for estimator in (LogisticRegressionCV(Cs=2, cv=2), SGDClassifier()):
    name = type(estimator).__name__
    seen[name] = fit(make_pipeline(estimator), inside=estimator)
    print(f"{name}, in a pipeline: {seen[name][0]}; warned: {seen[name][1]}")
unbalanced, _ = fit(LogisticRegression(solver="liblinear"))
print("LogisticRegression, liblinear:", unbalanced)
assert plain == "setup, begin fit, end fit, teardown", plain
assert (searched, silent) == ("nothing", "nothing"), (searched, silent)
assert seen["LogisticRegressionCV"] == ("nothing", "nothing"), seen
assert "does not support callbacks" in seen["SGDClassifier"][1], seen
assert unbalanced == "setup, begin fit, teardown", unbalanced
PY
