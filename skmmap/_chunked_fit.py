"""``ChunkedFit``: its parameters and scikit-learn's contract, nothing else."""

from copy import deepcopy
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import DTypeLike
from sklearn.base import BaseEstimator, MetaEstimatorMixin
from sklearn.utils import Tags
from sklearn.utils.metadata_routing import MetadataRouter, MethodMapping

from skmmap._types import RowsLike
from skmmap.learn import (
    Explanation,
    explain,
    find_reason_hidden,
    make_fit_plan,
    train_anew,
    train_further,
)
from skmmap.methods import (
    ApplyMethod,
    Predictions,
    Scores,
    Transformations,
)
from skmmap.run import CallbackSupportMixin, with_callbacks
from skmmap.wrap import (
    available_with,
    find_tags,
    find_trained,
    is_learned,
    note_where,
    shows_sample_weight,
)

_ROUTED = (
    "predict",
    "predict_proba",
    "predict_log_proba",
    "decision_function",
    "transform",
    "inverse_transform",
    "score",
)


class ChunkedFit(
    Predictions,
    Transformations,
    Scores,
    ApplyMethod,
    CallbackSupportMixin,
    MetaEstimatorMixin,
    BaseEstimator,
):
    """Fit and apply an estimator on arrays that stay on disk, chunk by chunk.

    ``ChunkedFit(model).fit(X, y)`` trains a clone of ``model`` with its
    ``partial_fit`` on chunks of rows, so that X and y can be memory-mapped files
    much larger than memory. It makes the epochs that ``model.fit`` would make, mixes
    the rows where that would, and stops when that would. Those of ``predict``,
    ``predict_proba``, ``predict_log_proba``, ``decision_function``, ``transform``,
    ``inverse_transform``, ``score_samples``, ``score`` and ``perplexity`` that
    ``model`` has are there, and go through the rows chunk by chunk as well;
    `apply_method` calls any other one that way.

    Use it for any estimator that has ``partial_fit``, when X does not fit in memory
    or a second copy of it would not; and for any that is trained already, to apply it
    to such rows. Where X fits, and ``fit`` makes no copies, the bare estimator does the
    same with less.

    Parameters
    ----------
    estimator : estimator instance
        What to train. `fit` needs its ``partial_fit``, and trains a clone; one that has
        no ``get_params`` is copied as it is. One that is trained already, of any kind,
        predicts, transforms and scores as it is, and `partial_fit` goes on with a copy.
        It is never changed.

    chunk_size : int, str or "auto", default="auto"
        Rows in each call to ``partial_fit``: a number, or a size such as
        ``"64MB"`` of X as it is stored. ``"auto"`` is the ``batch_size`` of
        estimators whose own ``fit`` cuts batches. For others it follows from the size
        of a row, from `memory_limit`, and from a table of what calls cost each kind of
        estimator: results do not depend on the machine.
        A tail that is too short for the estimator (``IncrementalPCA`` needs
        ``n_components`` rows, ``MiniBatchKMeans`` ``n_clusters``) joins the chunk
        before it, but for the loop that is written out with ``shuffle=False`` and a
        number for `max_epochs`.

    max_epochs : int or "auto", default="auto"
        Passes over the data in `fit`, at most. ``"auto"`` is the estimator's
        ``max_iter`` where its own ``fit`` makes several, and 1 for others: naive
        Bayes and scalers must not count a row twice. Either way the estimator's
        ``tol``, ``n_iter_no_change``, ``max_no_improvement`` and ``early_stopping``
        end it as they end ``fit``.

    shuffle : bool, "auto", "blocks" or "chunks", default="auto"
        The order of rows in `fit`. ``"blocks"`` and True mix rows from all over the
        file at the cost of a scan: each buffer takes a random block of each of many
        equal slices of the file, and mixes their rows. ``"chunks"`` shuffles the
        order of chunks, and leaves their rows together. False is file order.
        ``"auto"`` mixes where the estimator's own ``fit`` does or the order of rows
        matters to it.

    random_state : int, RandomState instance or None, default=None
        Seed of the order, of the rows that are held out, and of each
        ``random_state`` parameter of the estimator that is None, unless a
        ``random_seed`` or ``seed`` beside it is set. None takes the estimator's own, or
        draws one where something needs it; it is recorded in ``random_state_``. With
        ``shuffle=False`` and a number for `max_epochs`, None leaves the parameters of
        the estimator as they are, as the loop by hand does.

    memory_limit : int or str, default="512MB"
        Bytes that three chunks may take at most, a number or a size such as
        ``"2GiB"``. ``"auto"`` chunks are a sixteenth of it at most, counted as
        float64; rows are mixed in an eighth.

    read : {"auto", "map", "buffer", "uncached"}, default="auto"
        How the rows of files come. ``"map"`` shows them where the system's cache has
        them, without a copy. ``"buffer"`` reads them into memory that is used again:
        faster where the file does not fit in memory, and a file that is cut or
        replaced meanwhile is an error, where looking at a map of it would kill the
        process. ``"uncached"`` does that and has the system forget what was read, so
        that other programs keep their cache. ``"auto"`` is ``"map"`` where the files
        fit in the memory that is free, control groups included; ``"buffer"`` where
        they do not, where rows are mixed, and on network file systems. Results are
        the same bits.

    dtype : dtype or None, default=None
        Type to which the rows of X are cast as they are read, for training and for
        what is applied to rows like them; what `inverse_transform` gets, and rows in
        lists and frames, stay as they are. float32 saves the copy as float64 that many
        estimators make of integers.

    n_jobs : int or None, default=None
        How many cores work at the same time; -1 is all of them, None is 1 or what
        ``joblib.parallel_config`` says. `predict`, `score` and all other methods that
        take rows give the same bits for every number: BLAS and OpenMP compute on one
        core for each job, 1 too. Where None is 1 they keep theirs, and all is to the
        bit as by hand. `fit` uses several cores for estimators that `merge` can add
        up, with means and variances that differ in their last digits from those of
        one core; for all others, it stays on one. Estimators of scikit-learn (but for
        two that hold Python's lock) and data in memory go by threads, others by
        processes, which open the files themselves. There are no more jobs than have
        room for their chunks in `memory_limit`.

    verbose : int, default=0
        1 shows the progress of `fit`, `score` and of ``predict(X, out=...)`` and its
        like: a bar on a terminal and in a notebook, if rich is installed (``pip
        install 'skmmap[progress]'``), elsewhere a line every ten seconds at most; and
        one line at the end. 2 prints a line for each chunk.

    Attributes
    ----------
    estimator_ : estimator instance
        The trained clone. It works on its own, and holds no view of the data.

    n_epochs_ : int
        Passes over the data in the last `fit`, of which the last may have been cut
        short; 1 after `partial_fit`.

    history_ : dict of lists
        A value for each epoch: ``"rows"`` learned, ``"seconds"`` it took,
        ``"read_seconds"`` of them spent waiting for rows, ``"bound_by"``, which of
        ``"reading"`` and ``"estimator"`` took more of them, mean training ``"loss"``,
        and ``"score"`` on held-out rows; NaN where there is none.

    random_state_ : int or None
        The seed of the last `fit`; None where nothing was drawn by one.

    chunk_size_ : int
        Rows in each chunk.

    coef_, classes_, cluster_centers_, ... :
        Every learned attribute of `estimator_`, which say what they say after its
        own ``fit``. What would describe the last chunk alone, or take a further pass
        over X, is not there (``labels_``, ``inertia_``, ``reconstruction_err_``,
        ``bound_``), and the error says what to call instead. With ``shuffle=False``
        and a number for `max_epochs`, they are what the loop leaves.

    See Also
    --------
    sklearn.utils.gen_batches : The slices of a loop written by hand.

    Notes
    -----
    Reads: y once for its labels, then X and y once for each epoch; and, if there may
    be several, up to 10,000 rows from all over the file for the loss.
    Allocates: three chunks of X and y at most, a buffer of mixed rows, plus what the
    estimator needs.
    Equals: with ``shuffle=False`` and a number for `max_epochs`, calling
    ``partial_fit`` on the same slices by hand, bit for bit.

    With metadata routing, ask for parameters of ``fit`` by
    ``estimator.set_partial_fit_request``, since that is where they go; the
    wrapper's own ``set_fit_request`` has no effect, as in every router.

    A seed, an epoch and the shape of the data say in which order rows come: not the
    time, the memory or the number of threads. Parameters of the estimator that
    ``partial_fit`` refuses (``early_stopping``, ``class_weight="balanced"``) are
    taken over, and are back in ``estimator_`` when `fit` returns.

    Chunks are read-only views. An estimator that insists on writing into its input
    gets private copies of the chunks; the file is never written to.

    References
    ----------
    "Strategies to scale computationally: bigger data", scikit-learn User Guide,
    https://scikit-learn.org/stable/computing/scaling_strategies.html

    Xu et al., "In-Database Machine Learning with CorgiPile: Stochastic Gradient
    Descent without Full Data Shuffle", SIGMOD 2022, for shuffling blocks.

    Examples
    --------
    >>> import numpy as np, os, tempfile
    >>> from sklearn.linear_model import SGDClassifier
    >>> from skmmap import ChunkedFit
    >>> folder = tempfile.TemporaryDirectory()
    >>> path = os.path.join(folder.name, "X.npy")
    >>> rng = np.random.default_rng(0)
    >>> np.save(path, rng.normal(size=(1000, 4)))
    >>> X_mm = np.load(path, mmap_mode="r")
    >>> y = (X_mm[:, 0] > 0).astype(int)
    >>> model = ChunkedFit(SGDClassifier(random_state=0), chunk_size=100)
    >>> model.fit(X_mm, y).score(X_mm, y) > 0.9
    True
    >>> model.predict(path).shape
    (1000,)
    >>> model.fit(X_mm, y[:-1])
    Traceback (most recent call last):
        ...
    ValueError: X has 1,000 rows and y has 999; they must have the same number.
    >>> del X_mm; folder.cleanup()
    """

    # What `fit` learns, for type checkers: it is there once the wrapper is fitted.
    estimator_: Any
    n_epochs_: int
    history_: dict[str, list[Any]]
    random_state_: int | None
    chunk_size_: int

    def __init__(
        self,
        estimator: Any,
        *,
        chunk_size: int | str = "auto",
        max_epochs: int | Literal["auto"] = "auto",
        shuffle: bool | Literal["auto", "blocks", "chunks"] = "auto",
        random_state: int | np.random.RandomState | None = None,
        memory_limit: int | str = "512MB",
        read: Literal["auto", "map", "buffer", "uncached"] = "auto",
        dtype: DTypeLike | None = None,
        n_jobs: int | None = None,
        verbose: int = 0,
    ) -> None:
        self.estimator = estimator
        self.chunk_size = chunk_size
        self.max_epochs = max_epochs
        self.shuffle = shuffle
        self.random_state = random_state
        self.memory_limit = memory_limit
        self.read = read
        self.dtype = dtype
        self.n_jobs = n_jobs
        self.verbose = verbose

    @shows_sample_weight
    @with_callbacks
    def fit(
        self,
        X: RowsLike,
        y: RowsLike = None,
        sample_weight: RowsLike = None,
        *,
        classes: Any = None,
        class_weight: dict[Any, float] | Literal["balanced"] | None = None,
        X_val: RowsLike = None,
        y_val: RowsLike = None,
        sample_weight_val: RowsLike = None,
        **params: Any,
    ) -> Self:
        """Train a fresh clone of the estimator on all rows, chunk by chunk.

        With ``warm_start=True`` it starts where the last `fit` has ended, and counts
        its steps anew, as the estimator's own ``fit`` does.

        If anything fails on the way, the attributes of an earlier ``fit`` stay as
        they were, and an unfitted object stays unfitted. Ctrl-C keeps the epochs that
        are complete, says so, and raises KeyboardInterrupt: a script ends, and `self`
        is fitted for whoever catches it. Without a complete one, nothing changes.

        Parameters
        ----------
        X : array-like of shape (n_rows, n_features) or (n_rows, ...)
            A memory map, an array of any type, a path to a ``.npy`` file, a CSR
            matrix, a data frame or a list. Images and other rows of more than one
            dimension are flattened for estimators that do not take them as they are.

        y : array-like of shape (n_rows,) or (n_rows, n_outputs), default=None
            Targets, or a path to a ``.npy`` file with them.

        sample_weight : array-like of shape (n_rows,) or float, default=None
            Weights, or a path to a ``.npy`` file with them. Chunks in which all are
            zero are left out, since ``partial_fit`` refuses them, unless the
            estimator's ``fit`` counts their rows, as gradient descent does; third
            parties get them where the loop by hand is written out.

        classes : array-like of shape (n_classes,), or a list of them, default=None
            All labels that can occur. By default, those that occur in y.

        class_weight : dict, "balanced" or None, default=None
            Weights of the labels, for estimators without such a parameter: they reach
            ``partial_fit`` as ``sample_weight``, multiplied by those that are given.
            ``"balanced"`` is by the counts in all of y. The estimator's own
            ``class_weight`` is followed as well; only one of them can be set.

        X_val : array-like of shape (n_val, n_features) or (n_val, ...), default=None
            Rows to score after each epoch, instead of a ``validation_fraction`` of X.
            Of estimators with ``n_iter_no_change``, the epoch with the best score is
            kept, and that and ``tol`` end the fit by it, whatever ``early_stopping``
            is; of others the score is only recorded.

        y_val : array-like of shape (n_val,) or (n_val, n_outputs), default=None
            Targets of `X_val`.

        sample_weight_val : array-like of shape (n_val,) or float, default=None
            Weights of `X_val` in the score.

        **params : dict
            Further parameters of ``partial_fit``. Those with a value for each row
            are sliced along with X. Of linear models also ``coef_init`` and
            ``intercept_init`` (``offset_init``) of their ``fit``: where it starts.

        Returns
        -------
        self : ChunkedFit
            The fitted object.

        Notes
        -----
        Reads: y once for its labels, then X and y once for each epoch, and held-out
        rows once more after it.
        Allocates: three chunks of X and y at most, a buffer of mixed rows, plus what
        the estimator needs; and a copy of it after each epoch, if it takes no more
        memory than a chunk and next to no time.
        Equals: with ``shuffle=False`` and a number for `max_epochs`, calling
        ``partial_fit`` on the same slices by hand, bit for bit.
        """
        train_anew(
            self,
            X,
            y,
            {"sample_weight": sample_weight, **params},
            classes=classes,
            class_weight=class_weight,
            validation=(X_val, y_val, sample_weight_val),
        )
        return self

    @available_with("partial_fit")
    @with_callbacks
    def partial_fit(
        self,
        X: RowsLike,
        y: RowsLike = None,
        sample_weight: RowsLike = None,
        *,
        classes: Any = None,
        **params: Any,
    ) -> Self:
        """Train on further rows, once, chunk by chunk.

        An estimator that was given trained is copied in the first call, and stays as it
        is; if that call fails, nothing has changed.

        Parameters
        ----------
        X : array-like of shape (n_rows, n_features) or (n_rows, ...)
            Further rows, in any form that `fit` takes.

        y : array-like of shape (n_rows,) or (n_rows, n_outputs), default=None
            Targets.

        sample_weight : array-like of shape (n_rows,) or float, default=None
            Weights.

        classes : array-like of shape (n_classes,), or a list of them, default=None
            All labels that can occur in this and in later calls. By default, those
            that occur in the y of the first call.

        **params : dict
            Further parameters of ``partial_fit``.

        Returns
        -------
        self : ChunkedFit
            The fitted object.

        Notes
        -----
        Reads: y once for its labels, then X and y once.
        Allocates: three chunks of X and y at most, a buffer of mixed rows, plus what
        the estimator needs.
        Equals: with ``shuffle=False`` and a number for `max_epochs`, calling
        ``partial_fit`` on the same slices by hand, bit for bit; else, where the
        estimator learns from sums or extremes, `fit` on all rows so far. As by hand,
        the chunks before an error stay learned; rows that cannot be read may be one
        some chunks before they are due.
        """
        params = {"sample_weight": sample_weight, **params}
        train_further(self, X, y, params, classes=classes)
        return self

    def explain(
        self,
        X: RowsLike,
        y: RowsLike = None,
        sample_weight: RowsLike = None,
        *,
        classes: Any = None,
        class_weight: dict[Any, float] | Literal["balanced"] | None = None,
        X_val: RowsLike = None,
        y_val: RowsLike = None,
        sample_weight_val: RowsLike = None,
        **params: Any,
    ) -> Explanation:
        """Return what `fit` would do with these rows, before a byte of X is read.

        Notebooks show it as a list, ``print`` as text.

        Parameters
        ----------
        X : array-like of shape (n_rows, n_features) or (n_rows, ...)
            Rows, in any form that `fit` takes.

        y : array-like of shape (n_rows,) or (n_rows, n_outputs), default=None
            Targets.

        sample_weight : array-like of shape (n_rows,) or float, default=None
            Weights.

        classes : array-like of shape (n_classes,), or a list of them, default=None
            All labels that can occur.

        class_weight : dict, "balanced" or None, default=None
            Weights of the labels.

        X_val : array-like of shape (n_val, n_features) or (n_val, ...), default=None
            Rows to score after each epoch.

        y_val : array-like of shape (n_val,) or (n_val, n_outputs), default=None
            Targets of `X_val`.

        sample_weight_val : array-like of shape (n_val,) or float, default=None
            Weights of `X_val` in the score.

        **params : dict
            Further parameters of `fit`.

        Returns
        -------
        explanation : Explanation
            The plan of the fit. ``str(explanation)`` is its text, and
            ``explanation.sections`` a dict of the text of each section.

        Notes
        -----
        Reads: y once for its labels, and nothing of X.
        Allocates: eight megabytes of y at a time.
        Equals: what `fit` does: chunks, blocks and slices, epochs, bytes and seeks,
        memory, and what is taken from the estimator's own parameters.
        """
        plan = make_fit_plan(
            self,
            X,
            y,
            {"sample_weight": sample_weight, **params},
            classes=classes,
            class_weight=class_weight,
            validation=(X_val, y_val, sample_weight_val),
            is_run=False,
        )
        return explain(self, plan)

    def get_metadata_routing(self) -> MetadataRouter:
        """Say which parameters go to which method of the estimator.

        Returns
        -------
        routing : MetadataRouter
            The router. Parameters of `fit` go to the estimator's ``partial_fit``,
            those of every other method to the method of that name.

        Notes
        -----
        Reads: nothing.
        Allocates: the router.
        Equals: what scikit-learn's own meta-estimators return.
        """
        mapping = MethodMapping()
        mapping.add(caller="fit", callee="partial_fit")
        mapping.add(caller="partial_fit", callee="partial_fit")
        for method in _ROUTED:
            mapping.add(caller=method, callee=method)
        return MetadataRouter(owner=self).add(
            estimator=self.estimator, method_mapping=mapping
        )

    def __sklearn_is_fitted__(self) -> bool:
        return find_trained(self) is not None

    def __sklearn_tags__(self) -> Tags:
        tags = find_tags(self.estimator)
        if tags is None:
            return super().__sklearn_tags__()
        tags = deepcopy(tags)
        tags.array_api_support = False
        return tags

    def __getattr__(self, name: str) -> Any:
        # Only learned names: forwarding more would answer scikit-learn's questions
        # about what the wrapper has with what the estimator has.
        if is_learned(name) and (trained := find_trained(self)) is not None:
            reason = self._find_reason_hidden(trained, name)
            if reason is not None:
                raise AttributeError(reason, name=name, obj=self)
            return trained if name == "estimator_" else getattr(trained, name)
        try:
            return super().__getattribute__(name)  # raises the error that led here
        except AttributeError as error:
            note_where(error, self, name)
            raise

    def _find_reason_hidden(self, trained, name: str) -> str | None:
        """Return why a learned attribute is not shown, None if it is."""
        # A trained estimator that was given was trained on all rows at once.
        if "estimator_" not in vars(self):
            return None
        corrections = vars(self).get("_corrections")
        was_loop = corrections is not None and corrections.is_off
        if was_loop and hasattr(trained, name):
            return None
        return find_reason_hidden(trained, name)

    def __dir__(self) -> list[str]:
        trained = find_trained(self)
        learned = filter(is_learned, dir(trained))
        shown = [n for n in learned if self._find_reason_hidden(trained, n) is None]
        return [*super().__dir__(), *shown]
