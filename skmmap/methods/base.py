"""What every method of a fitted ``ChunkedFit`` does with the rows that it is given."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from sklearn.utils.metadata_routing import UNUSED
from sklearn.utils.validation import check_is_fitted

from skmmap._types import RowsLike
from skmmap.formats import open_source
from skmmap.learn import (
    check_n_jobs,
    find_reading,
    make_estimator,
    make_schedule,
    route,
)
from skmmap.read import Reading, open_given, open_table
from skmmap.rows import Source, holds_frames
from skmmap.run import Report
from skmmap.wrap import InputLayout, check_names, find_trained, is_pipeline

if TYPE_CHECKING:
    from skmmap.apply import Work

# Where results go is for the wrapper, and no metadata of the estimator's.
NOT_ROUTED = {"out": UNUSED, "resume": UNUSED}
# Those that return a row for each row, and take ``out``.
BY_ROW = (
    "predict",
    "predict_proba",
    "predict_log_proba",
    "decision_function",
    "transform",
    "inverse_transform",
    "score_samples",
)


class FittedMethods:
    """From a method's arguments to its result for all rows."""

    # Of ChunkedFit, which has these methods.
    fit: Callable[..., Any]
    n_jobs: int | None
    verbose: int

    def _apply(
        self,
        method: str,
        X: RowsLike,
        params: dict,
        out=None,
        resume: bool = False,
        *,
        is_routed: bool = True,
    ) -> Any:
        """Return the result of ``method`` for all rows of X, put where it is to be."""
        work = self._open_work(method, X, params, is_routed=is_routed)
        return self._run(work, out, resume)

    def _run(self, work: "Work", out=None, resume: bool = False) -> Any:
        from skmmap.apply import apply_method, open_output

        # The estimator as it was fitted: that of the work may know no names.
        fitted = None if out is None else self._find_fitted()
        output = open_output(out, work, fitted, resume=resume)
        if out is None:
            return apply_method(work, output)
        with self._report(work) as work.report:
            return apply_method(work, output)

    def _report(self, work: "Work") -> Report:
        n_rows = work.table.X.n_rows
        return Report(self.verbose, "ChunkedFit", work.method, n_rows)

    def _open_work(
        self,
        method: str,
        X: RowsLike,
        params: dict,
        *,
        y: Source | None = None,
        estimator: Any = None,
        is_routed: bool = True,
        is_checked: bool = True,
    ) -> "Work":
        """Return the method with the rows it is for, before one of them is read.

        ``estimator`` is the one whose names were checked, if they were. Weights are
        not looked at unless ``is_checked``.
        """
        from skmmap.apply import Work

        fitted = self._find_fitted()
        check_n_jobs(self.n_jobs)
        if params:
            params = route(self, method, method, params, is_routed=is_routed)
        X = open_source(X, "X")
        if estimator is None:
            is_back = method == "inverse_transform"
            estimator = fitted if is_back else check_names(fitted, X)
            if is_pipeline(fitted) and holds_frames(X.store) and not is_back:
                from skmmap.pipelines import take_codes

                estimator, X = take_codes(estimator, X)
        reading = self._find_reading(method, X)
        table = open_table(X, y, params, reading, is_checked=is_checked)
        schedule = make_schedule(self, table.X)
        layout = vars(self).get("_input_layout", InputLayout())
        return Work(estimator, method, table, schedule, layout, self.n_jobs)

    def _find_fitted(self) -> Any:
        """Return what is trained, or a fresh clone where no training is needed."""
        fitted = find_trained(self)
        if fitted is not None:
            return fitted
        check_is_fitted(self)
        return make_estimator(self, None, {})

    def _find_reading(self, method: str, X: Source) -> Reading:
        """Return how X is read; ``dtype`` is for what `fit` has learned from."""
        reading, store = find_reading(self), X.store
        # A few rows in a list or a frame are left to the estimator.
        is_alike = method != "inverse_transform" and (store.is_array or store.is_sparse)
        return reading if is_alike else reading._replace(dtype=None)

    def _check_output(self, X, y, params: dict, out, resume: bool) -> None:
        """Raise before training if the result could not be put where it is to be."""
        if out is not None or resume:
            from skmmap.apply import check_output

            check_output(out, open_given(X, y, params), resume=resume)
