"""Trains the members of a union of transformers, each on the rows that it gets."""

import warnings
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from scipy import sparse
from sklearn import config_context
from sklearn.base import BaseEstimator, TransformerMixin, clone
from sklearn.utils import check_array

from skmmap.learn import make_estimator, say_member
from skmmap.pipelines.passes import Request, inside, side_by_side
from skmmap.pipelines.shared_steps import (
    find_step_key,
    get_key,
    join_keys,
    learn_once,
    set_key,
)
from skmmap.pipelines.steps import (
    derive_step,
    find_first_rows,
    refuse_params,
    split_params,
)
from skmmap.pipelines.training_rows import OfMembers
from skmmap.rows import CodedFrame, MappedStore, Rows, find_source, find_value_key
from skmmap.run import find_sharing
from skmmap.wrap import InputLayout, find_members, is_one_of, is_passed, keep_names


class Trained:
    """A trained member, which fits nothing and is cloned to itself.

    FrozenEstimator of scikit-learn 1.6 refuses what has no learned attribute.
    """

    def __init__(self, member):
        self.member = member

    def __sklearn_clone__(self):
        return self

    def __getattr__(self, name: str):
        if name == "member":  # which a copy does not have yet
            raise AttributeError(name)
        return getattr(self.member, name)

    def fit(self, X, y=None):
        return self

    def fit_transform(self, X, y=None):
        return self.member.transform(X)


class Columns(NamedTuple):
    """Selects columns, as a function for `Rows.map`."""

    columns: Any
    is_value = takes_codes = True

    @property
    def shared_key(self) -> Any:
        return Columns, find_value_key(self.columns)

    def __str__(self) -> str:
        return "columns"

    def __call__(self, rows):
        return select_columns(rows, self.columns)


def select_columns(rows, columns):
    """Return columns by numbers, names, a slice or a mask; of a scalar one dimension.

    >>> select_columns(np.arange(6).reshape(2, 3), slice(1, None)).tolist()
    [[1, 2], [4, 5]]
    """
    if isinstance(rows, CodedFrame):
        return _select_coded(rows, columns)
    if isinstance(rows, list):  # as scikit-learn does
        rows = check_array(rows, ensure_all_finite="allow-nan", dtype=object)
    if hasattr(columns, "__array__") and np.ndim(columns):  # a mask, or an index
        columns = np.asarray(columns).tolist()
    if _are_names(columns) and not hasattr(rows, "columns"):
        raise ValueError(
            f"Columns of arrays have numbers; got {columns!r}. Names are for rows of "
            "data frames: X.map(lambda rows: pandas.DataFrame(rows, columns=names))."
        )
    try:
        if hasattr(rows, "iloc"):
            return (rows.loc if _are_names(columns) else rows.iloc)[:, columns]
        return rows[:, columns]
    except Exception:  # each kind of rows has its own
        from sklearn.compose import ColumnTransformer

        given = [columns] if _is_scalar(columns) else columns
        ColumnTransformer([("columns", "passthrough", given)]).fit(rows)  # says which
        raise


def _select_coded(rows: CodedFrame, columns):
    """Return columns with their codes, of a scalar those of the frame."""
    names = list(rows.empty.columns)
    selected = columns
    if not isinstance(columns, list) or not set(columns) <= set(names):
        found = select_columns(rows.empty, columns)
        selected = [columns] if len(found.shape) == 1 else list(found.columns)
    if _is_scalar(columns) or len(set(selected)) < len(selected):
        return select_columns(rows.to_frame(), columns)
    return rows.select([names.index(name) for name in selected])


def _are_names(columns) -> bool:
    if isinstance(columns, slice):
        return isinstance(columns.start, str) or isinstance(columns.stop, str)
    if _is_scalar(columns):
        return isinstance(columns, str)
    return any(isinstance(each, str) for each in columns)


def learn_members(wrapper, rows: Rows, y, params: dict, learn_step: Callable):
    """Train a `FeatureUnion` or a `ColumnTransformer`: ask for passes of all members.

    ``learn_step`` does so for one of them.
    """
    union = make_estimator(wrapper, None, {}).set_params(n_jobs=None)
    is_union = is_one_of(union, "FeatureUnion")
    members, trained, layouts = find_members(wrapper.estimator), {}, {}
    trainings: dict[str, Any] = {}
    params = split_params(wrapper, params, "fit")
    first_rows = find_first_rows(wrapper, rows)
    own = find_step_key(wrapper, rows, None, {})
    selected = None if is_union else _select(union, rows, first_rows, own)
    keys: dict[str, Any] = {}

    def learn(number: int, name: str, member):
        if is_passed(member):
            refuse_params(member, params[name])
            return
        step = derive_step(wrapper, member, number)
        given = rows if is_union else rows.map(Columns(selected[name]))
        yield from learn_step(step, given, y, params[name])
        keys[name] = get_key(step)
        layouts[name] = vars(step).get("_input_layout", InputLayout())
        trained[name] = Trained(step.estimator_)
        if "_training" in vars(step):
            trainings[name] = step._training

    yield from side_by_side(
        [
            inside(say_member(name, wrapper.estimator), learn(number, name, member))
            for number, (name, member) in enumerate(members)
            if is_union or not _is_empty(selected.get(name, ()))
        ]
    )
    names = [name for name, _ in members if name in trained]  # not as they finish
    key = join_keys("members", own, [keys[name] for name in names])
    layout = layouts[names[0]] if is_union and names else InputLayout()
    together = _put_together(wrapper, rows, first_rows, trained, selected)
    yield from learn_once(key, [wrapper], rows, together)
    set_key(wrapper, key)
    wrapper._input_layout = layout
    if trainings:
        wrapper._training = OfMembers(trainings)


def _put_together(wrapper, rows: Rows, first_rows: Rows, trained: dict, selected):
    """Put the members together; ask for a pass if it takes one to know the kind."""
    union = make_estimator(wrapper, None, {}).set_params(n_jobs=None)
    members = dict(find_members(wrapper.estimator)) | trained
    if selected is None:
        fitted = _put_union_together(union, first_rows, members)
    else:
        members = {name: members[name] for name in selected}
        fitted = _put_columns_together(union, first_rows, members, selected)
        is_sparse = _is_sparse_at_once(fitted, rows)
        if is_sparse is None:
            count = partial(_count_stored, fitted, rows)
            yield [Request(wrapper, rows, train=count, does="counts stored values")]
        elif hasattr(fitted, "sparse_output_"):
            fitted.sparse_output_ = is_sparse
    keep_names(fitted, find_source(rows))
    wrapper.estimator_ = fitted.set_params(n_jobs=wrapper.estimator.n_jobs)


def _put_union_together(union, first_rows: Rows, trained: dict):
    """Give a FeatureUnion its members, and let it check them on the first rows."""
    union.transformer_list = [
        (name, trained[name]) for name, _ in union.transformer_list
    ]
    union.fit(first_rows.read())
    union.transformer_list = [
        (name, _unwrap(member)) for name, member in union.transformer_list
    ]
    return union


def _unwrap(member):
    return member.member if isinstance(member, Trained) else member


def _put_columns_together(union, first_rows: Rows, trained: dict, columns: dict):
    """Give a ColumnTransformer its members, and let it put them together.

    It is fitted on the first rows with members that are trained already: so the order
    of columns and their names are its own.
    """
    fitted = clone(union)
    fitted.transformers = [
        (name, trained[name], _Given(columns[name]) if callable(given) else given)
        for name, _, given in union.transformers
    ]
    fitted.remainder = trained.get("remainder", union.remainder)
    fitted.fit(first_rows.read())
    fitted.transformers, fitted.remainder = union.transformers, union.remainder
    fitted.transformers_ = [
        (name, _unwrap(member), selected)
        for name, member, selected in fitted.transformers_
    ]
    name, _, *others = fitted._remainder
    fitted._remainder = (name, union.remainder, *others)
    return fitted


class _Given:
    """Returns the columns that a function has selected."""

    def __init__(self, columns):
        self.columns = columns

    def __call__(self, rows):
        return self.columns


def _select(union, rows: Rows, first_rows: Rows, key) -> dict[str, Any]:
    """Return the columns of each member, found once for fits that have the same."""
    find = partial(_find_columns, union, rows, first_rows)
    return find() if key is None else find_sharing().remember(("columns", key), find)


def _find_columns(union, rows: Rows, first_rows: Rows) -> dict[str, Any]:
    """Return the columns of each member: callables have been called.

    They are given all rows of what is in memory as it is, and else the first ones.
    """
    is_called = any(callable(columns) for _, _, columns in union.transformers)
    store = find_source(rows).store
    is_held = not (store.on_disk or isinstance(store, MappedStore))
    some = (rows if is_called and is_held else first_rows).read()
    found = {
        name: columns(some) if callable(columns) else columns
        for name, _, columns in union.transformers
    }
    if is_passed(union.remainder):
        return found
    whole = clone(union).set_params(remainder=_Nothing(), sparse_threshold=0)
    whole.transformers = [(name, "drop", columns) for name, columns in found.items()]
    vars(whole).pop("_sklearn_output_config", None)
    with config_context(transform_output="default"):
        rest = _list_members(whole.fit(some))
    return found | {n: each for n, _, each in rest if n == "remainder"}


class _Nothing(TransformerMixin, BaseEstimator):
    """Stands for the remainder where only its columns are asked for."""

    def fit(self, X, y=None):
        return self

    def transform(self, X):
        return np.zeros((X.shape[0], 1))


def _list_members(union) -> list[tuple[str, Any, Any]]:
    """Return the fitted members and their columns."""
    with warnings.catch_warnings():
        # scikit-learn 1.6 warns where the columns of the remainder are looked at.
        warnings.simplefilter("ignore", FutureWarning)
        return [
            (name, member, columns if name in _names(union) else list(columns))
            for name, member, columns in union.transformers_
        ]


def _names(union) -> list[str]:
    return [name for name, _, _ in union.transformers]


def _is_scalar(columns) -> bool:
    return isinstance(columns, str | int | np.integer)


def _is_empty(columns) -> bool:
    """Whether no column is selected: scikit-learn does not fit a member then."""
    if _is_scalar(columns) or isinstance(columns, slice):
        return False
    is_mask = np.asarray(columns).dtype == bool
    return len(columns) == 0 or (is_mask and not np.any(columns))


def _is_sparse_at_once(union, rows: Rows) -> bool | None:
    """Return whether results are sparse, None if their stored values must be counted.

    A one-hot encoder stores a value for each column that it encodes, and any member
    between none and all.
    """
    some = rows[:2].read()
    least = most = n_values = 0
    is_dense = True
    for member, columns in _list_transforming(union):
        result = member.transform(select_columns(some, columns))
        width = result.shape[1] if len(result.shape) > 1 else 1
        n_values += width
        if not sparse.issparse(result):
            least, most = least + width, most + width
            continue
        is_dense = False
        is_one_hot = is_one_of(member, "OneHotEncoder")
        stored = member.n_features_in_ if is_one_hot else width
        most += stored
        least += stored if is_one_hot and _stores_all(member) else 0
    if is_dense or least >= union.sparse_threshold * n_values:
        return False
    return True if most < union.sparse_threshold * n_values else None


def _stores_all(encoder) -> bool:
    """Whether a one-hot encoder has a value for each column of all rows of ``fit``."""
    is_known = isinstance(encoder.categories, str) or encoder.handle_unknown == "error"
    return encoder.drop is None and is_known


def _list_transforming(union) -> list[tuple[Any, Any]]:
    return [
        (member, columns)
        for _, member, columns in _list_members(union)
        if member != "drop" and not _is_empty(columns)
    ]


def _count_stored(union, rows: Rows) -> None:
    """Set whether results are sparse: by the share of stored values in all rows."""
    step = find_source(rows).store.block_rows
    n_stored = n_values = 0
    for start in range(0, len(rows), step):
        part = rows.read(start, min(start + step, len(rows)))
        for member, columns in _list_transforming(union):
            result = member.transform(select_columns(part, columns))
            size = np.prod(result.shape, dtype=np.int64)
            n_stored += result.nnz if sparse.issparse(result) else size
            n_values += size
    union.sparse_output_ = bool(n_stored / n_values < union.sparse_threshold)
