"""Draws how a fit went, epoch by epoch, in the manner of scikit-learn's displays."""

from collections.abc import Sequence
from typing import Any, Self

import numpy as np
from sklearn.utils.validation import check_is_fitted

_LABELS = {
    "loss": "Training loss",
    "score": "Score on held-out rows",
    "test_score": "Mean test score",
    "waiting": "Waiting for data (%)",
}
_NEEDED = "loss", "score", "seconds", "read_seconds"


class LearningHistoryDisplay:
    """Visualization of what a fit recorded for each epoch.

    Use `from_estimator` to create it. One plot below the other shows the mean training
    loss, the score on held-out rows, and the share of the time in which the estimator
    waited for data; what is not known is left out.

    Parameters
    ----------
    history : dict of lists
        The ``history_`` of a fitted `ChunkedFit`.

    estimator_name : str, default=None
        Name of the estimator, which is shown in the legend.

    Attributes
    ----------
    figure_ : matplotlib Figure
        The figure with all plots.

    axes_ : dict of matplotlib Axes
        The axes of each plot, by ``"loss"``, ``"score"`` and ``"waiting"``.

    lines_ : dict of matplotlib Line2D
        The line in each plot, by the same names.

    See Also
    --------
    sklearn.model_selection.LearningCurveDisplay : The score for several numbers of
        rows.

    Notes
    -----
    Reads: nothing.
    Allocates: three values for each epoch.
    Equals: plotting ``history_["loss"]`` and ``history_["score"]`` with matplotlib.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.linear_model import SGDClassifier
    >>> from skmmap import ChunkedFit, LearningHistoryDisplay
    >>> X = np.random.default_rng(0).normal(size=(1000, 4))
    >>> y = (X[:, 0] > 0).astype(int)
    >>> model = ChunkedFit(SGDClassifier(random_state=0))
    >>> LearningHistoryDisplay.from_estimator(model)
    Traceback (most recent call last):
        ...
    sklearn.exceptions.NotFittedError: This ChunkedFit instance is not fitted yet. ...
    >>> display = LearningHistoryDisplay.from_estimator(model.fit(X, y))
    >>> display.axes_["loss"].get_ylabel()
    'Training loss'
    """

    figure_: Any
    axes_: dict[str, Any]
    lines_: dict[str, Any]

    def __init__(
        self, *, history: dict[str, list[Any]], estimator_name: str | None = None
    ) -> None:
        self.history = history
        self.estimator_name = estimator_name

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        *,
        ax: Any = None,
        name: str | None = None,
        **line_kw: Any,
    ) -> Self:
        """Plot the history of a fitted `ChunkedFit`.

        Parameters
        ----------
        estimator : ChunkedFit
            A fitted one.

        ax : matplotlib Axes, sequence or dict of them, default=None
            Where to plot: one Axes for each plot, of which the first are drawn if
            there are fewer; or the ``axes_`` of another display, to compare both. None
            makes a new figure.

        name : str, default=None
            Name in the legend. By default that of the estimator's class.

        **line_kw : dict
            Keyword arguments of matplotlib's ``plot``.

        Returns
        -------
        display : LearningHistoryDisplay
            The display, with what it has drawn.

        Notes
        -----
        Reads: nothing.
        Allocates: three values for each epoch.
        Equals: ``LearningHistoryDisplay(history=model.history_).plot()``.
        """
        check_is_fitted(estimator)
        if not hasattr(estimator, "history_"):
            raise ValueError(
                "LearningHistoryDisplay needs a ChunkedFit with a history_, which fit "
                f"records; got {estimator!r}."
            )
        if name is None:
            name = type(estimator.estimator_).__name__
        display = cls(history=estimator.history_, estimator_name=name)
        return display.plot(ax, **line_kw)

    def plot(self, ax: Any = None, *, name: str | None = None, **line_kw: Any) -> Self:
        """Plot what is known of each epoch.

        Parameters
        ----------
        ax : matplotlib Axes, sequence or dict of them, default=None
            Where to plot: one Axes for each plot, of which the first are drawn if
            there are fewer; or the ``axes_`` of another display, to compare both. None
            makes a new figure.

        name : str, default=None
            Name in the legend. By default `estimator_name`.

        **line_kw : dict
            Keyword arguments of matplotlib's ``plot``.

        Returns
        -------
        display : LearningHistoryDisplay
            The display itself.

        Notes
        -----
        Reads: nothing.
        Allocates: three values for each epoch.
        Equals: plotting ``history_["loss"]`` and ``history_["score"]`` with matplotlib.
        """
        known = _find_known(self.history)
        self.axes_ = (
            make_axes(known, type(self).__name__)
            if ax is None
            else match_axes(ax, known)
        )
        label = self.estimator_name if name is None else name
        line_kw = {"label": label, "marker": ".", **line_kw}
        epochs = np.arange(len(self.history["seconds"])) + 1
        self.lines_ = {}
        for key, axes in self.axes_.items():
            (self.lines_[key],) = axes.plot(epochs, known[key], **line_kw)
            label_axes(axes, key)
        first, *_, last = [*self.axes_.values()] * 2
        last.set_xlabel("Epoch")
        self.figure_ = last.figure
        if line_kw["label"] is not None:
            first.legend()
        return self


def _find_known(history: dict[str, list[Any]]) -> dict[str, np.ndarray]:
    """Return what can be plotted: at least the loss or the score of one epoch."""
    if missing := [key for key in _NEEDED if key not in history]:
        raise ValueError(
            "history must be the history_ of a fitted ChunkedFit; the given one has no "
            f"{', '.join(map(repr, missing))}."
        )
    given = {key: np.asarray(history[key], dtype=float) for key in ("loss", "score")}
    known = {key: values for key, values in given.items() if not np.isnan(values).all()}
    if not known:
        raise ValueError(
            "history_ has neither a loss nor a score to plot. A loss is recorded if "
            "the estimator reports one or stops by one; fit(X, y, X_val=..., "
            "y_val=...) records a score."
        )
    seconds = np.maximum(history["seconds"], 1e-9)
    return known | {"waiting": 100 * np.asarray(history["read_seconds"]) / seconds}


def make_axes(known: dict[str, Any], name: str) -> dict[str, Any]:
    """Return the axes of a new figure, one below the other, by what goes there."""
    try:
        from matplotlib import pyplot
    except ImportError as error:
        raise ImportError(
            f"{name} needs matplotlib, which is not installed. Run pip install "
            "'skmmap[plot]'."
        ) from error
    heights = [1 if key == "waiting" else 2 for key in known]
    _, axes = pyplot.subplots(
        len(known),
        sharex=True,
        squeeze=False,
        height_ratios=heights,
        figsize=(6.4, max(4.5, 1.5 * sum(heights))),
        layout="constrained",
    )
    return dict(zip(known, axes[:, 0], strict=True))


def match_axes(ax: Any, known: dict[str, Any]) -> dict[str, Any]:
    """Return the axes that were given, by what goes there."""
    if isinstance(ax, dict):
        if known.keys().isdisjoint(ax):
            raise ValueError(
                f"ax has no Axes for {', '.join(map(repr, known))}; its keys are "
                f"{', '.join(map(repr, ax)) or 'none'}."
            )
        return {key: ax[key] for key in known if key in ax}
    axes = list(ax) if isinstance(ax, Sequence | np.ndarray) else [ax]
    if not 0 < len(axes) <= len(known):
        raise ValueError(
            f"ax has {len(axes)} Axes, and there are {len(known)} plots: "
            f"{', '.join(known)}."
        )
    return dict(zip(known, axes, strict=False))


def label_axes(ax: Any, key: str) -> None:
    """Say what is plotted, over whole epochs."""
    from matplotlib.ticker import MaxNLocator

    ax.set_ylabel(_LABELS[key])
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    if key == "waiting":
        ax.set_ylim(0, 100)
