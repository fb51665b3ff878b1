"""What to use instead of an estimator without ``partial_fit``."""

from skmmap.wrap import find_tags

_KERNEL = "on rows that Nystroem has transformed"
_TREE = "No tree or forest in scikit-learn has one; XGBoost and LightGBM train on rows"
_TREE += " on disk"
_FOREST = (
    f"{_TREE}. With warm_start=True its trees grow on shuffled buffers of the rows"
)
_FOREST += ", which is not what fit does"
_LOG = 'SGDClassifier(loss="log_loss") trains the same model'
_HINGE = 'SGDClassifier(loss="hinge") is a linear support vector machine'
_SVM_KERNEL = f"{_HINGE}; use it {_KERNEL} for one with a kernel"
_SQUARED = 'SGDRegressor(loss="squared_error", penalty={}) trains the same model'
_EPSILON = 'SGDRegressor(loss="epsilon_insensitive")'
_BATCHES = "{} is the same method in mini-batches"
_SEARCH = "GridSearchCV", "RandomizedSearchCV", "HalvingGridSearchCV"
_SEARCH += ("HalvingRandomSearchCV",)

# What fits the same or nearly the same model by ``partial_fit``:
# https://scikit-learn.org/stable/computing/scaling_strategies.html
_EQUIVALENTS = {
    "LogisticRegression": _LOG,
    "LogisticRegressionCV": _LOG,
    "LinearSVC": _HINGE,
    "SVC": _SVM_KERNEL,
    "NuSVC": _SVM_KERNEL,
    "RidgeClassifier": 'SGDClassifier(loss="squared_error") trains the same model',
    "LinearSVR": f"{_EPSILON} trains the same model",
    "SVR": f"Use {_EPSILON} {_KERNEL}",
    "NuSVR": f"Use {_EPSILON} {_KERNEL}",
    "OneClassSVM": f"Use SGDOneClassSVM {_KERNEL}",
    "LinearRegression": _SQUARED.format("None"),
    "Ridge": _SQUARED.format('"l2"'),
    "RidgeCV": _SQUARED.format('"l2"'),
    "Lasso": _SQUARED.format('"l1"'),
    "LassoCV": _SQUARED.format('"l1"'),
    "ElasticNet": _SQUARED.format('"elasticnet"'),
    "ElasticNetCV": _SQUARED.format('"elasticnet"'),
    "HuberRegressor": 'SGDRegressor(loss="huber") trains the same model',
    "KernelRidge": f"Use SGDRegressor {_KERNEL}",
    "GaussianProcessClassifier": f'Use SGDClassifier(loss="log_loss") {_KERNEL}',
    "GaussianProcessRegressor": f"Use SGDRegressor {_KERNEL}",
    "ForestClassifier": _FOREST,
    "ForestRegressor": _FOREST,
    "BaseGradientBoosting": _FOREST,
    "BaseHistGradientBoosting": _TREE,
    "DecisionTreeClassifier": _TREE,
    "DecisionTreeRegressor": _TREE,
    "KMeans": _BATCHES.format("MiniBatchKMeans"),
    "BisectingKMeans": _BATCHES.format("MiniBatchKMeans"),
    "FeatureAgglomeration": "PCA joins columns as well, and learns from chunks",
    **dict.fromkeys(
        ("RFE", "RFECV"), "SelectFromModel selects columns by coefficients, too"
    ),
    **dict.fromkeys(
        ("CCA", "PLSCanonical", "PLSRegression"),
        "PCA and SGDRegressor learn from chunks",
    ),
    "AgglomerativeClustering": "Birch clusters hierarchically",
    "KernelPCA": f"Use IncrementalPCA {_KERNEL}",
    **dict.fromkeys(
        ("TSNE", "MDS", "SpectralEmbedding"),
        "IncrementalPCA reduces dimensions, in a linear way",
    ),
    "NMF": _BATCHES.format("MiniBatchNMF"),
    "DictionaryLearning": _BATCHES.format("MiniBatchDictionaryLearning"),
    "PowerTransformer": "QuantileTransformer(output_distribution='normal') learns from "
    "chunks",
}
_OF_KIND = {
    "classifier": "SGDClassifier, MLPClassifier and GaussianNB have one",
    "regressor": "SGDRegressor and MLPRegressor have one",
    "clusterer": "MiniBatchKMeans and Birch have one",
    "outlier_detector": "SGDOneClassSVM has one",
    "transformer": "",  # they do too many different things
}


def say_alternative(estimator) -> str:
    """Say that the estimator has no ``partial_fit``, and what would serve."""
    name = type(estimator).__name__
    missing = (
        f"ChunkedFit needs an estimator with a partial_fit method, and {name} has none."
    )
    if not callable(getattr(estimator, "fit", None)):
        return f"{missing} {_OF_KIND['classifier']}, and so do many others."
    names = {cls.__name__ for cls in type(estimator).__mro__ if _is_sklearns(cls)}
    for known, say in _COMPOSED.items():
        if known in names:
            return f"{missing} {say(estimator)}"
    tags = find_tags(estimator)
    if hasattr(estimator, "transform") and tags is not None and not tags.requires_fit:
        return f"{missing} It needs no training: call transform without fit."
    kind = (tags and tags.estimator_type) or "transformer"
    found = next((_EQUIVALENTS[n] for n in _EQUIVALENTS if n in names), None)
    use = found or _OF_KIND.get(kind, "")
    fitted = _say_fitted(estimator, "Or train" if use else "Train")
    return " ".join(filter(None, [missing, use and f"{use}.", fitted]))


def _is_sklearns(cls: type) -> bool:
    return cls.__module__.partition(".")[0] == "sklearn"


def _say_fitted(estimator, train: str) -> str:
    """Say what can be done with an estimator that was trained on fewer rows."""
    names = "predict", "transform", "score_samples"
    method = next((name for name in names if hasattr(estimator, name)), None)
    if method is None:
        return ""
    return (
        f"{train} it on rows that fit in memory; ChunkedFit(trained)."
        f"{method}(X) then goes through all rows chunk by chunk."
    )


def _say(estimator) -> str:
    """Say how an estimator is made, without the parameters if these are many."""
    said = " ".join(repr(estimator).split())
    return said if len(said) <= 60 else f"{type(estimator).__name__}(...)"


def _say_search(search) -> str:
    grids = vars(search).get("param_grid", vars(search).get("param_distributions"))
    grid = grids[0] if isinstance(grids, list) else grids
    params = ", ".join(f'"estimator__{name}": [...]' for name in grid or ())
    return (
        f"Put ChunkedFit inside: {type(search).__name__}(ChunkedFit("
        f"{_say(search.estimator)}), {{{params}}}).fit(open_rows(path), y)."
    )


_COMPOSED = {
    **dict.fromkeys(_SEARCH, _say_search),
}
