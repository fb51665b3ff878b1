"""Trains a regressor on a transformed target, which is transformed as it is read."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np
from sklearn import get_config
from sklearn.base import clone

from skmmap.formats import open_source
from skmmap.learn import check_parameters
from skmmap.pipelines.compositions import Trained
from skmmap.pipelines.passes import make_passes
from skmmap.pipelines.shared_steps import get_key
from skmmap.pipelines.steps import derive, derive_step, split_params
from skmmap.rows import Rows, find_value_key
from skmmap.run import find_sharing
from skmmap.wrap import find_state, is_one_of

# As many rows as TransformedTargetRegressor tries the inverse function with.
_CHECKED_ROWS = 10


class TransformTarget(NamedTuple):
    """Transforms targets, as a function for `Rows.map`."""

    transformer: Any
    ndim: int
    key: Any = None  # of what it has learned, if other fits have the same
    is_value = True

    @property
    def shared_key(self) -> Any:
        return None if self.key is None else (TransformTarget, self.key, self.ndim)

    def __str__(self) -> str:
        return type(self.transformer).__name__

    def __call__(self, y):
        y = self.transformer.transform(_to_columns(y))
        is_column = self.ndim == 1 and y.ndim == 2 and y.shape[1] == 1
        return y[:, 0] if is_column else y


def _to_columns(y):
    y = np.asarray(y)
    return y.reshape(-1, 1) if y.ndim == 1 else y


class Columns(NamedTuple):
    """Targets in two dimensions, as a function for `Rows.map`."""

    is_value = True

    def __str__(self) -> str:
        return "columns"

    def __call__(self, y):
        return _to_columns(y)


def transforms_target(estimator) -> bool:
    return is_one_of(estimator, "TransformedTargetRegressor")


class TargetStage:
    """A `TransformedTargetRegressor` whose transformer is fitted, on all rows or some.

    ``regressor`` is the wrapper that learns the target which it returns.
    """

    def __init__(self, wrapper, X, y, params: dict, learn_step):
        check_parameters(wrapper)
        if y is None:
            raise ValueError(
                "This TransformedTargetRegressor estimator requires y to be passed, "
                "but the target y is None."
            )
        self._wrapper, self._y = wrapper, Rows(open_source(y, "y"))
        is_routed = get_config()["enable_metadata_routing"]
        split = split_params(wrapper, params, "fit") if is_routed else {}
        self.params = split.get("regressor", {}) if is_routed else params
        regressor = wrapper.estimator.regressor
        # scikit-learn's class has no partial_fit.
        self.regressor = derive(wrapper, regressor, _continues=False)
        transformer = self._learn_transformer(learn_step)
        self._fitted = self._put_together(Rows(open_source(X, "X")), transformer)
        self.y = self.transform(self._y)

    def _learn_transformer(self, learn_step):
        """Return the fitted transformer of the target, None if there are functions."""
        estimator = self._wrapper.estimator
        transformer = estimator.transformer
        if transformer is None:
            functions = estimator.func, estimator.inverse_func
            self._key = find_value_key(functions) if find_sharing().is_shared else None
            return None
        step = derive_step(self._wrapper, transformer, 0, dtype=None)
        columns = self._y.map(Columns())
        for requests in learn_step(step, columns, None, {}):
            make_passes(step, requests, None)
        self._key = get_key(step)
        return step.estimator_

    def _put_together(self, X: Rows, transformer):
        """Let scikit-learn's own fit do the rest, with members that are trained."""
        fitted = clone(self._wrapper.estimator)
        fitted.regressor = Trained(fitted.regressor)
        fitted.transformer = transformer and Trained(transformer)
        n_rows = len(self._y)
        if len(X) != n_rows:
            raise ValueError(
                f"X has {len(X):,} rows and y has {n_rows:,}; they must have the same "
                "number."
            )
        picked = np.arange(0, n_rows, max(1, n_rows // _CHECKED_ROWS))
        fitted.fit(X[picked].read(), self._y[picked].read())
        fitted.regressor = self._wrapper.estimator.regressor
        fitted.transformer = self._wrapper.estimator.transformer
        if transformer is not None:
            fitted.transformer_ = transformer
        return fitted

    def transform(self, y):
        """Return the transformed target."""
        if y is None:
            return None
        rows = Rows(open_source(y, "y"))
        transformer = self._fitted.transformer_
        return rows.map(TransformTarget(transformer, self._y.ndim, self._key))

    @property
    def name(self) -> str:
        return type(self._fitted.transformer_).__name__

    def transform_validation(self, X_val, y_val, weights) -> tuple:
        return X_val, self.transform(y_val), weights

    @contextmanager
    def finishing(self) -> Iterator[None]:
        """Keep what was learned, if the regressor was trained or ended by Ctrl-C."""
        try:
            yield
        except KeyboardInterrupt:
            if "estimator_" in vars(self.regressor):
                self._keep()
            raise
        self._keep()

    def _keep(self) -> None:
        state = find_state(self.regressor)
        self._fitted.regressor_ = state["estimator_"]
        if hasattr(self._fitted.regressor_, "feature_names_in_"):
            self._fitted.feature_names_in_ = self._fitted.regressor_.feature_names_in_
        vars(self._wrapper).update(state | {"estimator_": self._fitted})
