"""Draws the models of a search, epoch by epoch, in the manner of scikit-learn."""

from typing import Any, NamedTuple, Self

import numpy as np
from sklearn.utils.validation import check_is_fitted

from skmmap._history_display import label_axes, make_axes, match_axes

_WIDE = 20
_OTHERS = {"color": "0.8", "linewidth": 1, "zorder": 1}


class SearchHistoryDisplay:
    """Visualization of what the models of a search have recorded for each epoch.

    Use `from_estimator` to create it. One plot below the other shows, for each
    candidate, the mean over the folds of the training loss and of the score on held-out
    rows; and the mean test score after each round of halving that has more epochs. What
    is not known is left out. The best candidates have colours and names, all others are
    grey.

    Held-out rows are those of an estimator with ``early_stopping``. The test rows of a
    fold are scored at the end, or at the end of each round.

    Parameters
    ----------
    histories : list of lists of dicts
        The ``history_`` of each candidate and fold, the best candidate first. None is a
        model that could not be fitted.

    names : list of str
        Names of the candidates in the legend.

    test_scores : list of tuples of two lists, default=None
        Numbers of epochs, and the mean test scores after them, of each candidate.

    Attributes
    ----------
    figure_ : matplotlib Figure
        The figure with all plots.

    axes_ : dict of matplotlib Axes
        The axes of each plot, by ``"loss"``, ``"score"`` and ``"test_score"``.

    lines_ : dict of lists of matplotlib Line2D
        The line of each candidate in each plot, by the same names.

    See Also
    --------
    LearningHistoryDisplay : The same for one model.
    sklearn.model_selection.ValidationCurveDisplay : The score for each value of a
        parameter.

    Notes
    -----
    Reads: nothing.
    Allocates: a value for each epoch of each candidate and fold.
    Equals: plotting ``search.histories_`` with matplotlib.

    The loss has a logarithmic axis if some values are 20 times as large as others. A
    line ends with the fold that has made the fewest epochs: beyond, the mean would be
    over other folds.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.linear_model import SGDClassifier
    >>> from skmmap import ChunkedFit, ChunkedSearchCV, SearchHistoryDisplay
    >>> X = np.random.default_rng(0).normal(size=(1000, 4))
    >>> y = (X[:, 0] > 0).astype(int)
    >>> model = ChunkedFit(SGDClassifier(random_state=0, early_stopping=True))
    >>> search = ChunkedSearchCV(model, {"estimator__alpha": [1e-4, 1e-2, 1.0]}, cv=3)
    >>> SearchHistoryDisplay.from_estimator(search)
    Traceback (most recent call last):
        ...
    sklearn.exceptions.NotFittedError: This ChunkedSearchCV instance is not fitted ...
    >>> display = SearchHistoryDisplay.from_estimator(search.fit(X, y))
    >>> list(display.axes_), len(display.lines_["score"])
    (['loss', 'score'], 3)
    """

    figure_: Any
    axes_: dict[str, Any]
    lines_: dict[str, list[Any]]

    def __init__(
        self,
        *,
        histories: list[list[dict[str, list[Any]] | None]],
        names: list[str],
        test_scores: list[tuple[list, list]] | None = None,
    ) -> None:
        self.histories = histories
        self.names = names
        self.test_scores = test_scores

    @classmethod
    def from_estimator(
        cls,
        search: Any,
        *,
        ax: Any = None,
        n_best: int = 5,
        score_name: str | None = None,
        **line_kw: Any,
    ) -> Self:
        """Plot the models of a fitted `ChunkedSearchCV`.

        Parameters
        ----------
        search : ChunkedSearchCV
            A fitted one.

        ax : matplotlib Axes, sequence or dict of them, default=None
            Where to plot: one Axes for each plot, of which the first are drawn if
            there are fewer; or the ``axes_`` of another display. None makes a new
            figure.

        n_best : int, default=5
            Number of candidates with a colour and a name.

        score_name : str, default=None
            The score that candidates are ordered by, if there are several. By default
            that of ``refit``, or the first one.

        **line_kw : dict
            Keyword arguments of matplotlib's ``plot``.

        Returns
        -------
        display : SearchHistoryDisplay
            The display, with what it has drawn.

        Notes
        -----
        Reads: nothing.
        Allocates: a value for each epoch of each candidate and fold.
        Equals: plotting ``search.histories_`` with matplotlib.
        """
        check_is_fitted(search)
        if not hasattr(search, "histories_"):
            raise ValueError(
                "SearchHistoryDisplay needs a ChunkedSearchCV with histories_, which "
                f"fit records; got {search!r}."
            )
        found = _list_candidates(search, score_name)
        display = cls(
            histories=[search.histories_[each.places[-1]] for each in found],
            names=_name_all([each.params for each in found]),
            test_scores=_find_test_scores(search, found, score_name),
        )
        return display.plot(ax, n_best=n_best, **line_kw)

    def plot(self, ax: Any = None, *, n_best: int = 5, **line_kw: Any) -> Self:
        """Plot what is known of each epoch.

        Parameters
        ----------
        ax : matplotlib Axes, sequence or dict of them, default=None
            Where to plot: one Axes for each plot, of which the first are drawn if
            there are fewer; or the ``axes_`` of another display. None makes a new
            figure.

        n_best : int, default=5
            Number of candidates with a colour and a name.

        **line_kw : dict
            Keyword arguments of matplotlib's ``plot``.

        Returns
        -------
        display : SearchHistoryDisplay
            The display itself.

        Notes
        -----
        Reads: nothing.
        Allocates: a value for each epoch of each candidate and fold.
        Equals: plotting ``search.histories_`` with matplotlib.
        """
        known, name = self._find_known(), type(self).__name__
        self.axes_ = make_axes(known, name) if ax is None else match_axes(ax, known)
        self.lines_ = {}
        for key, axes in self.axes_.items():
            self.lines_[key] = [
                axes.plot(*line, **self._style(i, n_best) | {"marker": "."} | line_kw)[
                    0
                ]
                for i, line in enumerate(known[key])
            ]
            label_axes(axes, key)
            if key == "loss" and _is_wide(known[key]):
                axes.set_yscale("log")  # or the best would all lie at 0
        first, *_, last = [*self.axes_.values()] * 2
        last.set_xlabel("Epoch")
        self.figure_ = last.figure
        first.legend()
        return self

    def _style(self, number: int, n_best: int) -> dict[str, Any]:
        """Return how the line of a candidate looks; the better ones lie above."""
        if number < n_best:
            label, n_all = self.names[number], len(self.names)
            return {"label": label, "color": f"C{number}", "zorder": 2 + n_all - number}
        n_others = len(self.names) - n_best
        return _OTHERS | ({"label": f"{n_others:,} others"} if number == n_best else {})

    def _find_known(self) -> dict[str, list[tuple]]:
        """Return the epochs and values of each candidate, of what can be plotted."""
        known = {
            key: [_average(folds, key) for folds in self.histories]
            for key in ("loss", "score")
        }
        if self.test_scores is not None:
            known["test_score"] = self.test_scores
        known = {key: lines for key, lines in known.items() if _has_values(lines)}
        if known:
            return known
        raise ValueError(
            "histories_ have neither a loss nor a score to plot. A loss is recorded if "
            "the estimator reports one or stops by one; early_stopping=True of the "
            "estimator holds out rows, and records a score."
        )


class _Candidate(NamedTuple):
    """A candidate, and its places in the results: one, or one for each round."""

    params: dict
    places: list[int]


def _list_candidates(search, score_name: str | None) -> list[_Candidate]:
    """Return all candidates, the best one first, then those that were left longest."""
    results, found = search.cv_results_, {}
    brackets = results.get("bracket", np.zeros(len(search.histories_)))
    for place, params in enumerate(results["params"]):
        own = _drop_resource(search, params, place)
        key = brackets[place], repr(own)
        found.setdefault(key, _Candidate(own, [])).places.append(place)
    rounds = results.get("iter", np.zeros(len(search.histories_)))
    ranks = results[f"rank_test_{_find_score(search, score_name)}"]
    best = vars(search).get("best_index_")

    def key_of(candidate: _Candidate) -> tuple:
        last = candidate.places[-1]
        return last != best, -rounds[last], ranks[last]

    return sorted(found.values(), key=key_of)


def _drop_resource(search, params: dict, place: int) -> dict:
    """Return the parameters without the number of epochs that a round has set."""
    if not _has_epochs(search):
        return params
    number = search.cv_results_["n_resources"][place]
    return {
        name: value
        for name, value in params.items()
        if (name.rpartition("__")[2], value) != ("max_epochs", number)
    }


def _has_epochs(search) -> bool:
    """Whether rounds have more and more epochs."""
    return "n_resources" in search.cv_results_ and search.resource == "epochs"


def _find_score(search, score_name: str | None) -> str:
    """Return the name of the score to order by, as the results have it."""
    prefix, results = "mean_test_", search.cv_results_
    names = [key.removeprefix(prefix) for key in results if key.startswith(prefix)]
    asked = search.refit if isinstance(search.refit, str) else names[0]
    asked = asked if score_name is None else score_name
    if asked in names:
        return asked
    if score_name is None:
        return names[0]
    raise ValueError(
        f"score_name={score_name!r} is no score of the search, which has "
        f"{', '.join(map(repr, names))}."
    )


def _find_test_scores(search, found: list[_Candidate], score_name: str | None):
    """Return epochs and test scores of each candidate, if there are rounds of them."""
    if not _has_epochs(search):
        return None
    results = search.cv_results_
    scores = results[f"mean_test_{_find_score(search, score_name)}"]
    return [
        (
            [int(results["n_resources"][place]) for place in each.places],
            [float(scores[place]) for place in each.places],
        )
        for each in found
    ]


def _name_all(every: list[dict]) -> list[str]:
    """Return the parameters of each candidate, by the ends of their names if clear."""
    names = {name for params in every for name in params}
    ends = [name.rpartition("__")[2] for name in names]
    short = len(set(ends)) == len(names)
    return [
        ", ".join(
            f"{name.rpartition('__')[2] if short else name}={_say(value)}"
            for name, value in params.items()
        )
        or "no parameters"
        for params in every
    ]


def _say(value: Any) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def _average(folds: list[dict | None], key: str) -> tuple[np.ndarray, np.ndarray]:
    """Return the epochs that all folds have made, and the mean over the folds."""
    every = [np.asarray(each[key], dtype=float) for each in folds if each is not None]
    n_epochs = min(map(len, every), default=0)
    if not n_epochs:
        return np.arange(0), np.arange(0.0)
    values = np.mean([each[:n_epochs] for each in every], axis=0)
    return np.arange(n_epochs) + 1, values


def _is_wide(lines: list[tuple]) -> bool:
    """Whether some values are far larger than others, and all are positive."""
    values = np.concatenate([values[np.isfinite(values)] for _, values in lines])
    return values.min() > 0 and values.max() > _WIDE * values.min()


def _has_values(lines: list[tuple]) -> bool:
    return any(not np.isnan(values).all() for _, values in lines if len(values))
