"""``ChunkedFit``: its parameters and scikit-learn's contract, nothing else."""

from copy import copy
from os import PathLike
from typing import Any, Literal, Self, cast

import numpy as np
from numpy.typing import DTypeLike
from sklearn.base import BaseEstimator, MetaEstimatorMixin
from sklearn.utils import Tags
from sklearn.utils.metadata_routing import MetadataRouter, MethodMapping

from skmmap._saved_state import find_defaults, pack_state, unpack_state
from skmmap._types import RowsLike
from skmmap.checkpoints import Checkpoint
from skmmap.estimators import (
    add_own_entries,
    find_own_entries,
    find_reason_hidden,
    get_own_entries,
)
from skmmap.learn import Explanation, trains_whole
from skmmap.methods import ApplyMethod, Predictions, Scores, Transformations
from skmmap.order import Order
from skmmap.pipelines import add_steps, explain, train, train_more
from skmmap.run import CallbackSupportMixin, WithCode, with_callbacks
from skmmap.wrap import (
    available_with,
    find_tags,
    find_trained,
    is_learned,
    list_parts,
    note_prefix,
    note_where,
    shows_sample_weight,
    takes_keywords,
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
_PARTS_OF_TAGS = (
    "target_tags",
    "transformer_tags",
    "classifier_tags",
    "regressor_tags",
    "input_tags",
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
    much larger than memory. It runs as many epochs as ``model.fit``, shuffles rows if
    that does, and stops when that would. It has those of the methods ``predict``,
    ``predict_proba``, ``predict_log_proba``, ``decision_function``, ``transform``,
    ``inverse_transform``, ``score_samples``, ``score`` and ``perplexity`` that
    ``model`` has, and they go through the rows chunk by chunk as well; `apply_method`
    calls any other method that way.

    Estimators of XGBoost and LightGBM train in their own external memory instead.

    Use it for an estimator with ``partial_fit``, or a booster, if X, or a second copy
    of X, does not fit in memory; and for any estimator that is already trained, to
    apply it to such rows. If X fits in memory and ``fit`` makes no copies, use the
    estimator itself.

    Parameters
    ----------
    estimator : estimator instance
        The estimator to train. `fit` needs its ``partial_fit``, or an entry that trains
        it (`register`), as boosters have, and trains a clone, or a copy if it has no
        ``get_params``. An estimator that is already trained needs none: it predicts,
        transforms and scores as it is, and `partial_fit` trains a copy of it further.
        It is never changed.

    chunk_size : int, str or "auto", default="auto"
        Rows in each call to ``partial_fit``: a number of rows, or a size of X as it is
        stored, such as ``"64MB"``. ``"auto"`` is the ``batch_size`` of estimators whose
        own ``fit`` cuts batches. For others it follows from the size of a row, from
        `memory_limit`, and from a table of what a call costs each kind of estimator, so
        that results do not depend on the machine.
        A last chunk that is too short for the estimator (``IncrementalPCA`` needs
        ``n_components`` rows, ``MiniBatchKMeans`` ``n_clusters``) joins the chunk
        before it, except with ``shuffle=False`` and a number for `max_epochs`.

    max_epochs : int or "auto", default="auto"
        Maximum number of passes over the data in `fit`. ``"auto"`` is the estimator's
        ``max_iter`` if its own ``fit`` makes several passes, and 1 otherwise: naive
        Bayes and scalers must not count a row twice. In both cases the estimator's
        ``tol``, ``n_iter_no_change``, ``max_no_improvement`` and ``early_stopping``
        stop it as they stop ``fit``. `partial_fit` makes exactly that number of passes
        in each call, and one with ``"auto"``.

    shuffle : bool, "auto", "blocks", "chunks", "shared" or Order, default="auto"
        The order of rows in training. ``"blocks"`` and True shuffle rows from the whole
        file at the cost of a sequential scan: each shuffled buffer takes a random block
        from each of many equal slices of the file. ``"chunks"`` shuffles the order of
        chunks, and keeps the rows of a chunk together. ``"shared"`` is ``"blocks"`` of
        all rows of a file, without those that a selection of it lacks, so that the
        training sets of a search have an order in common; chunks are then of slightly
        different sizes. Of all rows, and in memory, it is ``"blocks"``. False is file
        order. ``"auto"`` shuffles if the estimator's own ``fit`` does or the order of
        rows matters to it. An instance of a subclass of `Order` is a custom order.

    sampling : {"balanced", "oversample"}, dict or None, default=None
        How many rows of each class an epoch has, for classifiers. ``"balanced"``
        undersamples: each class has as many as the rarest, and rows that are left out
        are read only where they lie between others. ``"oversample"`` has as many of
        each class as of the most frequent one, with rows repeated. A dict has the
        number of rows of each label; of labels that are not in it all rows are used.
        Rows of a class are used in turn over the epochs, and each chunk has its share
        of each class. They come in blocks of neighbours from all over the file: rows
        of a block are used in the same epoch. Held-out rows are not sampled, and the
        steps before the last one of a pipeline learn from all rows. Estimators that
        estimate how frequent classes are, such as naive Bayes, learn the frequencies of
        the sample.

    random_state : int, RandomState instance or None, default=None
        Seed of the order of rows, of the held-out rows, and of each ``random_state``
        parameter of the estimator that is None, unless a ``random_seed`` or ``seed``
        beside it is set. None takes the estimator's own seed, or draws one if
        something needs it; `random_state_` records it. With ``shuffle=False`` and a
        number for `max_epochs`, None leaves the parameters of the estimator as they
        are, as the hand-written loop does.

    memory_limit : int or str, default="512MB"
        Maximum memory that a run adds to the process, mapped pages included, with
        ``"auto"`` chunks: a number of bytes, or a size such as ``"2GiB"``. An
        ``"auto"`` chunk takes at most a sixteenth of it, counted as float64; a shuffled
        buffer takes an eighth. It also limits the number of jobs. If less than a run
        needs is free, a MemoryError says so before the first row is read.

    read : {"auto", "map", "buffer", "uncached"}, default="auto"
        How rows are read from files. ``"map"`` maps them into memory without a copy.
        ``"buffer"`` reads them into reused buffers: this is faster if the file does not
        fit in memory, and a file that is truncated or replaced during reading raises an
        error, where a memory map would crash the process (SIGBUS). ``"uncached"`` does
        the same and drops what was read from the page cache, so that other programs
        keep their share of it. ``"auto"`` is ``"map"`` if the files fit in free memory,
        limits of control groups included; otherwise, for shuffled rows, and on network
        file systems it is ``"buffer"``. Results are the same, bit for bit.

    dtype : dtype or None, default=None
        Data type to which the rows of X are cast as they are read, in training and in
        all other methods but `inverse_transform`. Rows in lists and data frames are not
        cast. float32 saves the float64 copy that many estimators make of integers.

    n_jobs : int or None, default=None
        Number of parallel workers. -1 is one for each core; None is 1, or what
        ``joblib.parallel_config`` says. `predict`, `score` and all other methods that
        take rows return the same bits for every number, since each worker limits BLAS
        and OpenMP to one core, a single one too. If None means 1, they use the cores
        that they use in the hand-written loop, and return its bits. `fit` uses several
        workers for estimators that are registered with `merge`, and for the passes of
        transformers whose counts and sums can be added up, with means and variances
        that differ in their last digits from those of one worker; for all others it
        uses one. Estimators of scikit-learn (except some that hold the GIL) and data in
        memory use threads; others use processes, which open the files themselves. The
        number of workers is limited to those whose chunks fit in `memory_limit`, with
        what each keeps of all its chunks: the products of columns, and counts.

    checkpoint : str, path-like, Checkpoint or None, default=None
        File to which the state of `fit` is written every 60 seconds, so that the same
        call continues after the process was killed, and ends with the same bits.
        Ctrl-C, SIGTERM and SIGHUP write it, too. A fit that is over returns its result
        at once; other rows or parameters are refused. The file holds pickled objects,
        and is refused if others can write to it. `Checkpoint` sets the time.

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
        Number of passes over the data in the last `fit`, of which the last may be
        incomplete, and in all calls of `partial_fit` since. An estimator that was
        already trained when it was given begins with 0.

    history_ : dict of lists
        A value for each of these epochs: ``"rows"``, the number of rows learned;
        ``"seconds"``, its duration; ``"read_seconds"``, the part of it spent waiting
        for data; ``"bound_by"``, which of ``"reading"`` and ``"estimator"`` took
        longer; ``"loss"``, the mean training loss; and ``"score"`` on held-out rows.
        Loss and score are NaN if there is none; in `partial_fit`, which does not stop,
        the loss is that which the estimator itself reports.

    random_state_ : int or None
        The seed of the last `fit` or `partial_fit`; None if nothing was drawn.

    chunk_size_ : int
        Number of rows in a chunk.

    coef_, classes_, cluster_centers_, ... :
        Every learned attribute of `estimator_`, with the same meaning as after its own
        ``fit``. Attributes that would describe the last chunk alone, or need a further
        pass over X, are missing (``labels_``, ``inertia_``, ``reconstruction_err_``,
        ``bound_``), and the error names the method to call instead. With
        ``shuffle=False`` and a number for `max_epochs`, all are as the hand-written
        loop leaves them.

    See Also
    --------
    sklearn.utils.gen_batches : The slices of a hand-written loop.

    Notes
    -----
    Reads: y once for its labels, then X and y once for each epoch; and, if there may
    be several epochs, up to 10,000 rows from the whole file for the loss.
    Allocates: at most three chunks of X and y, two shuffled buffers, and what the
    estimator needs.
    Equals: with ``shuffle=False`` and a number for `max_epochs`, calling
    ``partial_fit`` on the same slices by hand, bit for bit.

    With metadata routing, request parameters of ``fit`` with
    ``estimator.set_partial_fit_request``, since they go to ``partial_fit``; the
    wrapper's own ``set_fit_request`` has no effect, as in every router.

    The order of rows depends on the seed, the epoch and the shape of the data alone:
    not on time, memory or the number of threads. Parameters of the estimator that its
    ``partial_fit`` refuses (``early_stopping``, ``class_weight="balanced"``) are
    handled by the wrapper, and are set again on ``estimator_`` when `fit` returns.

    Chunks are read-only views. An estimator that writes into its input gets private
    copies of the chunks; files are never written to.

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

    # The name that files have of it is the public one, wherever it is defined.
    __module__ = "skmmap"

    # What `fit` learns, for type checkers: it is there once the wrapper is fitted.
    estimator_: Any
    n_epochs_: int
    history_: dict[str, list[Any]]
    random_state_: int | None
    chunk_size_: int

    @takes_keywords
    def __init__(
        self,
        estimator: Any,
        *,
        chunk_size: int | str = "auto",
        max_epochs: int | Literal["auto"] = "auto",
        shuffle: bool | Literal["auto", "blocks", "chunks", "shared"] | Order = "auto",
        sampling: Literal["balanced", "oversample"] | dict[Any, int] | None = None,
        random_state: int | np.random.RandomState | None = None,
        memory_limit: int | str = "512MB",
        read: Literal["auto", "map", "buffer", "uncached"] = "auto",
        dtype: DTypeLike | None = None,
        n_jobs: int | None = None,
        checkpoint: str | PathLike[str] | Checkpoint | None = None,
        verbose: int = 0,
    ) -> None:
        self.estimator = estimator
        self.chunk_size = chunk_size
        self.max_epochs = max_epochs
        self.shuffle = shuffle
        self.sampling = sampling
        self.random_state = random_state
        self.memory_limit = memory_limit
        self.read = read
        self.dtype = dtype
        self.n_jobs = n_jobs
        self.checkpoint = checkpoint
        self.verbose = verbose

    @shows_sample_weight
    @with_callbacks
    @takes_keywords
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

        If the estimator has ``warm_start=True``, training starts where the last `fit`
        ended and counts its steps anew, as the estimator's own ``fit`` does. Forests
        and gradient boosting of scikit-learn begin anew: with ``warm_start=True`` some
        of their trees grow on each of several shuffled buffers of `chunk_size` rows,
        which is not what their own ``fit`` does.

        If training fails, the attributes of an earlier `fit` stay as they were, and an
        unfitted object stays unfitted. Ctrl-C keeps the epochs that are complete, warns
        of it, and raises KeyboardInterrupt: a script ends, and code that catches it
        has a fitted `self`. If no epoch is complete, nothing changes.

        Parameters
        ----------
        X : array-like of shape (n_rows, n_features) or (n_rows, ...)
            A memory map, an array of any data type, the path of a file, a CSR matrix, a
            data frame, a list, or anything else that `open_rows` opens. Images and
            other rows of more than one dimension are flattened for estimators that do
            not take them as they are.

        y : array-like of shape (n_rows,) or (n_rows, n_outputs), default=None
            Targets, or the path of a ``.npy`` file with them.

        sample_weight : array-like of shape (n_rows,) or float, default=None
            Weights, or the path of a ``.npy`` file with them. Chunks in which all
            weights are zero are skipped, since ``partial_fit`` refuses them, unless the
            estimator's ``fit`` counts their rows, as gradient descent does. With
            ``shuffle=False`` and a number for `max_epochs`, third-party estimators get
            them.

        classes : array-like of shape (n_classes,), or a list of them, default=None
            All labels that can occur. By default those that occur in y.

        class_weight : dict, "balanced" or None, default=None
            Weights of the labels, for estimators without such a parameter: they are
            passed to ``partial_fit`` as ``sample_weight``, multiplied by the weights
            that are given. ``"balanced"`` uses the counts in all of y. The estimator's
            own ``class_weight`` works as well; only one of the two can be set. Either
            holds for later calls of `partial_fit`.

        X_val : array-like of shape (n_val, n_features) or (n_val, ...), default=None
            Rows to score after each epoch, instead of a ``validation_fraction`` of X.
            Estimators with ``n_iter_no_change`` keep the epoch with the best score, and
            stop by that score with their ``n_iter_no_change`` and ``tol``, regardless
            of ``early_stopping``; for others the score is only recorded.

        y_val : array-like of shape (n_val,) or (n_val, n_outputs), default=None
            Targets of `X_val`.

        sample_weight_val : array-like of shape (n_val,) or float, default=None
            Weights of `X_val` in the score.

        **params : dict
            Further parameters of ``partial_fit``. Those with a value for each row
            are sliced along with X. For linear models also the ``coef_init`` and
            ``intercept_init`` (``offset_init``) of their ``fit``, from which it starts.

        Returns
        -------
        self : ChunkedFit
            The fitted object.

        Raises
        ------
        TypeError
            If the estimator has no ``partial_fit``, or that has no such parameter.

        ValueError
            If a parameter is out of range, X, y and weights differ in length, y has a
            label that is not in `classes`, a file is truncated or replaced during
            training, or the estimator refuses a chunk; a note then names the rows of
            that chunk.

        OSError
            If a file cannot be read.

        Warns
        -----
        ConvergenceWarning
            If the last epoch is reached before the estimator has converged.

        EfficiencyWarning
            If X is stored column by column, or `memory_limit` is so small that an
            ``"auto"`` chunk has less than 64 kB.

        Notes
        -----
        Reads: y once for its labels, then X and y once for each epoch, and held-out
        rows once more after each.
        Allocates: at most three chunks of X and y, two shuffled buffers, and what the
        estimator needs; and a copy of the estimator after each epoch, if it is no
        larger than a chunk and quickly made.
        Equals: with ``shuffle=False`` and a number for `max_epochs`, calling
        ``partial_fit`` on the same slices by hand, bit for bit.
        """
        train(
            self,
            X,
            y,
            {"sample_weight": sample_weight, **params},
            classes=classes,
            class_weight=class_weight,
            given_validation=(X_val, y_val, sample_weight_val),
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
        """Train further on rows, for exactly `max_epochs` epochs, or one if "auto".

        Nothing stops a call early, and no rows are held out, as in scikit-learn's
        ``partial_fit``. Training goes on where the last `fit` or `partial_fit` ended:
        the step count and the optimizer's moments are kept, ``n_epochs_`` and
        ``history_`` grow, and shuffled rows come in an order that no epoch before had.
        Class weights of ``"balanced"``, of the estimator or given to `fit`, are those
        of all rows so far: of the last `fit`, of each call since, and of this one.

        An estimator that was already trained when it was given is copied in the first
        call, and stays as it is; if that call fails, nothing has changed. Ctrl-C keeps
        the epochs of the call that are complete, warns of it, and raises
        KeyboardInterrupt; if none is, the chunks before it stay learned.

        Parameters
        ----------
        X : array-like of shape (n_rows, n_features) or (n_rows, ...)
            Further rows, in any form that `fit` takes.

        y : array-like of shape (n_rows,) or (n_rows, n_outputs), default=None
            Targets.

        sample_weight : array-like of shape (n_rows,) or float, default=None
            Weights.

        classes : array-like of shape (n_classes,), or a list of them, default=None
            All labels that can occur in this and in later calls. By default those that
            occur in the y of the first call, or of `fit`.

        **params : dict
            Further parameters of ``partial_fit``.

        Returns
        -------
        self : ChunkedFit
            The fitted object.

        Raises
        ------
        TypeError
            If the estimator's ``partial_fit`` has no such parameter.

        ValueError
            If y has a label that is not among the known classes, for which the first
            call needs ``classes``, a file is truncated or replaced during training, or
            the estimator refuses a chunk; a note then names the rows of that chunk.

        OSError
            If a file cannot be read.

        Notes
        -----
        Reads: y once for its labels, then X and y once for each epoch.
        Allocates: at most three chunks of X and y, two shuffled buffers, and what the
        estimator needs; and a copy of the estimator after each epoch but the last, if
        it is no larger than a chunk and quickly made.
        Equals: with ``shuffle=False`` and a number for `max_epochs`, calling
        ``partial_fit`` on the same slices by hand, bit for bit, with scikit-learn's own
        ``compute_class_weight`` of all labels so far for ``"balanced"``; otherwise, for
        estimators that learn from sums or extremes, `fit` on all rows so far. As in the
        hand-written loop, the chunks before an error stay learned. Since rows are read
        ahead, an error of reading may come some chunks early.
        """
        params = {"sample_weight": sample_weight, **params}
        train_more(self, X, y, params, classes=classes)
        return self

    @takes_keywords
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
        """Return what `fit` would do with these rows, without reading X.

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
        Reads: y once for its labels, and nothing of X; of a pipeline, the steps before
        the last are fitted on the first 10,000 rows, to find what the last one gets.
        Allocates: 8 MB of y at a time.
        Equals: what `fit` does: chunks, shuffled buffers, epochs, bytes and seeks,
        memory, and the parameters of the estimator that it follows.
        """
        return explain(
            self,
            X,
            y,
            {"sample_weight": sample_weight, **params},
            classes=classes,
            class_weight=class_weight,
            given_validation=(X_val, y_val, sample_weight_val),
        )

    def set_params(self, **params: Any) -> Self:
        """Set parameters of this object, and of the estimator as ``estimator__...``.

        Parameters
        ----------
        **params : dict
            Parameters by their names.

        Returns
        -------
        self : ChunkedFit
            The object itself.

        Notes
        -----
        Reads: nothing.
        Allocates: nothing.
        Equals: ``set_params`` of every scikit-learn estimator.

        Examples
        --------
        >>> from sklearn.linear_model import SGDClassifier
        >>> from skmmap import ChunkedFit
        >>> ChunkedFit(SGDClassifier()).set_params(estimator__alpha=0.01)
        ChunkedFit(estimator=SGDClassifier(alpha=0.01))
        >>> ChunkedFit(SGDClassifier()).set_params(alpha=0.01)
        Traceback (most recent call last):
            ...
        ValueError: Invalid parameter 'alpha' for estimator ChunkedFit(...). ...
        alpha is a parameter of SGDClassifier: write estimator__alpha.
        """
        try:
            return super().set_params(**params)
        except ValueError as error:
            note_prefix(error, self.estimator, params)
            raise

    def get_metadata_routing(self) -> MetadataRouter:
        """Return which parameters go to which method of the estimator.

        Returns
        -------
        routing : MetadataRouter
            The router. Parameters of `fit` go to the estimator's ``partial_fit``, of a
            pipeline to that of each step; those of other methods to the method of the
            same name.

        Notes
        -----
        Reads: nothing.
        Allocates: the router.
        Equals: what scikit-learn's own meta-estimators return.
        """
        mapping, router = MethodMapping(), MetadataRouter(owner=self)
        if list_parts(self.estimator):
            add_steps(self, router)
        else:
            callee = "fit" if trains_whole(self.estimator) else "partial_fit"
            mapping.add(caller="fit", callee=callee)
            mapping.add(caller="partial_fit", callee="partial_fit")
        for method in _ROUTED:
            mapping.add(caller=method, callee=method)
        return router.add(estimator=self.estimator, method_mapping=mapping)

    def __sklearn_is_fitted__(self) -> bool:
        return find_trained(self) is not None

    def __getstate__(self) -> dict[str, Any]:
        return pack_state(super().__getstate__())

    def __reduce_ex__(self, protocol: Any) -> tuple[Any, ...]:
        # Workers that are spawned have the class, and not what was registered of it
        # in a notebook or in another module. Only pickles can hold its functions.
        make, args, state, *others = cast(tuple, super().__reduce_ex__(protocol))
        if entries := get_own_entries():
            own = find_own_entries(self.estimator)
            state |= {"_entries": WithCode(own, others=entries)}
        return make, args, state, *others

    def __setstate__(self, state: dict[str, Any]) -> None:
        add_own_entries(state.get("_entries", {}))
        state = {name: value for name, value in state.items() if name != "_entries"}
        super().__setstate__(find_defaults(type(self)) | unpack_state(state))

    def __sklearn_tags__(self) -> Tags:
        tags = find_tags(self.estimator)
        if tags is None:
            return super().__sklearn_tags__()
        # They may be the estimator's own object. A deep copy takes longer than all else
        # that scikit-learn asks before a prediction.
        tags = copy(tags)
        for name in _PARTS_OF_TAGS:
            setattr(tags, name, copy(getattr(tags, name)))
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


# doctest takes only what says that it is of this module.
__test__ = {"ChunkedFit": ChunkedFit}
