"""Checks what can be known before the first row is used, and puts a run together."""

from numbers import Integral

import numpy as np
from sklearn import get_config
from sklearn.base import clone
from sklearn.cluster import MiniBatchKMeans
from sklearn.decomposition import IncrementalPCA
from sklearn.exceptions import EfficiencyWarning
from sklearn.frozen import FrozenEstimator
from sklearn.multiclass import OneVsOneClassifier
from sklearn.multioutput import MultiOutputClassifier
from sklearn.utils import check_random_state
from sklearn.utils.metadata_routing import process_routing

from skmmap._delegate import (
    find_tags,
    requires_target,
    takes,
    takes_any,
    takes_labels,
)
from skmmap._messages import warn
from skmmap._open import open_source
from skmmap._reader import Table, open_table
from skmmap._schedule import FileOrder, find_chunk_rows
from skmmap._targets import (
    check_finite,
    check_labels,
    find_classes,
    is_multilabel,
    open_target,
)

# The parameter that says how many rows the first chunk needs at least.
_NEEDS_ROWS = {IncrementalPCA: "n_components", MiniBatchKMeans: "n_clusters"}

_ALTERNATIVES = {
    "classifier": "SGDClassifier, MLPClassifier or GaussianNB",
    "regressor": "SGDRegressor or MLPRegressor",
    "clusterer": "MiniBatchKMeans or Birch",
    "outlier_detector": "SGDOneClassSVM",
    "transformer": "StandardScaler, IncrementalPCA or MiniBatchNMF",
}


def check_estimator(estimator) -> None:
    """Raise unless ``estimator`` can be trained chunk by chunk."""
    name = type(estimator).__name__
    if isinstance(estimator, type):
        raise TypeError(
            f"ChunkedFit needs an instance, and got the class {estimator.__name__}; "
            f"write ChunkedFit({estimator.__name__}())."
        )
    if isinstance(estimator, FrozenEstimator):
        raise TypeError(
            "ChunkedFit would train the model inside of FrozenEstimator, which is to "
            "stay as it is. Wrap the model itself to train it further."
        )
    if not callable(getattr(estimator, "partial_fit", None)):
        tags = find_tags(estimator)
        kind = (tags and tags.estimator_type) or "transformer"
        others = _ALTERNATIVES.get(kind, _ALTERNATIVES["transformer"])
        raise TypeError(
            "ChunkedFit needs an estimator with a partial_fit method, and "
            f"{name} has none. {others} have one."
        )


def check_parameters(wrapper) -> None:
    """Raise for the first parameter of ChunkedFit with an impossible value."""
    check_estimator(wrapper.estimator)
    _check_count("max_epochs", wrapper.max_epochs, least=1)
    _check_count("verbose", wrapper.verbose, least=0)
    if not isinstance(wrapper.shuffle, bool | np.bool_) or wrapper.shuffle:
        raise ValueError(
            "shuffle must be False, since rows are read in file order; got "
            f"{wrapper.shuffle!r}."
        )
    check_random_state(wrapper.random_state)


def _check_count(name: str, value, *, least: int) -> None:
    is_flag = isinstance(value, bool) and name != "verbose"
    if is_flag or not isinstance(value, Integral) or value < least:
        raise ValueError(
            f"{name} must be an integer of at least {least}; got {value!r}."
        )


def make_estimator(wrapper, seed):
    """Return an untrained clone, seeded and with the output format that was set."""
    estimator = clone(wrapper.estimator, safe=False)
    if seed is not None and hasattr(estimator, "get_params"):
        unset = {
            name: seed
            for name, value in estimator.get_params().items()
            if name.split("__")[-1] == "random_state" and value is None
        }
        estimator.set_params(**unset)
    config = vars(wrapper).get("_sklearn_output_config")
    return estimator.set_output(**config) if config else estimator


def draw_seed(random_state):
    """Return the int to seed with; None leaves estimators unseeded."""
    if random_state is None or isinstance(random_state, Integral):
        return random_state
    return check_random_state(random_state).randint(2**31 - 1)


def route(wrapper, caller: str, callee: str, params: dict) -> dict:
    """Return the parameters of ``caller`` that go to the estimator's ``callee``."""
    if params.get("sample_weight", 0) is None:
        del params["sample_weight"]
    if get_config()["enable_metadata_routing"]:
        return dict(process_routing(wrapper, caller, **params)["estimator"][callee])
    method = getattr(wrapper.estimator, callee)
    for name in params:
        if not (takes(method, name) or takes_any(method)):
            raise TypeError(
                f"{caller} got {name}, and {type(wrapper.estimator).__name__}."
                f"{callee} has no such parameter."
            )
    return params


def open_training(estimator, X, y, params: dict) -> Table:
    """Return the rows to train on, checked as far as their shapes tell."""
    X = open_source(X, "X")
    tags = find_tags(estimator)
    _check_rows(X, tags)
    y_required = requires_target(estimator)
    if y is None and y_required:
        raise ValueError(
            f"This {type(estimator).__name__} estimator requires y to be passed, but "
            "the target y is None."
        )
    if y_required or takes_labels(estimator):
        single = tags is not None and tags.target_tags.single_output
        y = open_target(y, single_output=single)
    elif y is not None:
        y = open_source(y, "y")
    return open_table(X, y, params)


def _check_rows(X, tags) -> None:
    if X.n_rows == 0:
        raise ValueError("X has 0 rows; at least 1 is needed.")
    takes_1d = tags is not None and not tags.input_tags.two_d_array
    if X.ndim < 2 and not takes_1d:
        raise ValueError(
            f"Expected 2D array, got 1D array instead: X has the shape {X.shape}. "
            "Reshape your data with X.reshape(-1, 1) if it is one feature, or with "
            "X.reshape(1, -1) if it is one row."
        )


def find_first_params(estimator, fitted, y, classes) -> dict:
    """Return what only the first ``partial_fit`` gets: the classes, if it takes them.

    For that y is scanned once, and what cannot be trained on is refused on the way.
    """
    _check_takes_classes(estimator, classes)
    given = {} if classes is None else {"classes": classes}
    if y is None:
        return given
    if not takes_labels(estimator):
        if requires_target(estimator):
            check_finite(y, "y")
        return given
    tags = find_tags(estimator)
    per_column = tags is None or not tags.target_tags.single_output
    known = _find_known(fitted) if classes is None else classes
    if known is None and fitted is None:
        known = find_classes(y, per_column=per_column)
        given = {"classes": known}
    elif known is None or (y.ndim > 1 and not per_column and is_multilabel(y)):
        check_finite(y, "y")
    else:
        check_labels(y, known)
    if fitted is None:
        _check_one_vs_one(estimator, known)
    return given


def _check_takes_classes(estimator, classes) -> None:
    method = estimator.partial_fit
    if classes is not None and not takes(method, "classes") and not takes_any(method):
        raise TypeError(
            f"classes was given, and {type(estimator).__name__}.partial_fit has no "
            "such parameter."
        )


def _find_known(fitted):
    """Return the classes that a trained estimator knows, None if it does not say."""
    if isinstance(fitted, MultiOutputClassifier):
        return [estimator.classes_ for estimator in fitted.estimators_]
    return getattr(fitted, "classes_", None)


def _check_one_vs_one(estimator, classes) -> None:
    """Raise for what ``OneVsOneClassifier.partial_fit`` only fails at obscurely."""
    if not isinstance(estimator, OneVsOneClassifier):
        return
    if len(classes) < 2:
        raise ValueError(
            "OneVsOneClassifier needs at least two classes, and y has one class: "
            f"{np.asarray(classes).tolist()}."
        )
    if isinstance(classes[0], str):
        raise ValueError(
            "OneVsOneClassifier.partial_fit takes numbers as labels only. Number them "
            "with classes, y = np.unique(y, return_inverse=True)."
        )


def find_min_rows(estimator) -> int:
    """Return the rows that the estimator needs in a chunk, 1 if it does not say."""
    for kind, name in _NEEDS_ROWS.items():
        value = getattr(estimator, name) if isinstance(estimator, kind) else None
        if isinstance(value, Integral) and value > 1:
            return int(value)
    return 1


def needs_dense(estimator, X) -> bool:
    """Whether chunks are made dense, as the ``fit`` of IncrementalPCA makes them."""
    return isinstance(estimator, IncrementalPCA) and X.store.is_sparse


def make_schedule(wrapper, X, *, min_rows: int = 1, dense: bool = False) -> FileOrder:
    """Return the chunks in which X is read, each of ``min_rows`` at least."""
    rows = find_chunk_rows(
        wrapper.chunk_size,
        row_values=X.shape[1] if dense else X.row_values,
        row_nbytes=8 * X.shape[1] if dense else X.row_nbytes,
        memory_limit=wrapper.memory_limit,
        min_rows=min_rows,
        n_rows=X.n_rows,
    )
    if rows < min_rows and rows < X.n_rows:
        raise ValueError(
            f"chunk_size={wrapper.chunk_size!r} is {rows:,} rows, and "
            f"{type(wrapper.estimator).__name__} needs at least {min_rows:,} in a "
            "chunk."
        )
    if X.store.is_slow_layout and rows < X.n_rows:
        warn(
            "X is stored column by column (Fortran order), so each chunk of rows reads "
            "from the whole file. Saving it in C order once will make every pass "
            "faster: np.save(path, np.ascontiguousarray(X)) where X fits in memory.",
            EfficiencyWarning,
        )
    return FileOrder(X.n_rows, rows, min_rows)
