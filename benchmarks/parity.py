"""Compare what ChunkedFit learns with what the estimator's own fit learns.

    python benchmarks/parity.py
    python benchmarks/parity.py --quick
    python benchmarks/parity.py --only SGD --data digits --seeds 10

Every estimator of scikit-learn with ``partial_fit`` that predicts, clusters, detects
or decomposes goes through ``ChunkedFit(model, chunk_size=n_rows // 100)``, all else at
its default, and through ``model.fit``, on the same training rows in the same order.
Both are scored on the same held-out quarter.

*score* and *loss* are means over the seeds, each of which is the ``random_state`` of
the split and of the model. *difference* is ChunkedFit's mean advantage, negative
where fit is better, ± its standard error: in points for scores, in percent of fit's
loss for losses. It is met or missed when it is more than two standard errors away
from the goal, and within noise otherwise. *epochs* are the means of ``n_epochs_`` and
of fit's ``n_iter_``.
"""

import argparse
import sys
import warnings
from collections import Counter, namedtuple
from collections.abc import Callable
from dataclasses import dataclass
from itertools import groupby

import measure
import numpy as np
from joblib import Parallel, delayed
from memory import one_thread
from sklearn import cluster, datasets
from sklearn import decomposition as parts
from sklearn import linear_model as linear
from sklearn import naive_bayes as bayes
from sklearn import neural_network as neural
from sklearn.base import BaseEstimator, TransformerMixin, clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.kernel_approximation import Nystroem
from sklearn.metrics import roc_auc_score
from sklearn.metrics.pairwise import euclidean_distances
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import (
    FunctionTransformer,
    MinMaxScaler,
    StandardScaler,
    scale,
)

from skmmap import ChunkedFit

VERDICTS = MET, NOISE, MISSED = "met", "within noise", "**missed**"

_CHUNKS = 100
_TEST_SHARE = 0.25
_STANDARD_ERRORS = 2  # what is within noise
# The parameter that says how many rows the first chunk needs at least.
_NEEDS_ROWS = {"MiniBatchKMeans": "n_clusters", "IncrementalPCA": "n_components"}

_COLUMNS = """\
| estimator | data | order | {what}: fit | ChunkedFit | difference \
| at least {goal:g} {unit} | epochs: ChunkedFit | fit |
|---|---|---|--:|--:|--:|:-:|--:|--:|"""

Split = namedtuple("Split", "X_train y_train X_test y_test X_odd")
Run = namedtuple("Run", "score epochs")


def score_targets(model, split: Split) -> float:
    """Return the accuracy or R2 in percent."""
    return 100 * model.score(split.X_test, split.y_test)


def score_outliers(model, split: Split) -> float:
    """Return the AUC in percent of the rows against rows with permuted columns."""
    scores = model.decision_function(np.concatenate([split.X_test, split.X_odd]))
    return 100 * roc_auc_score(np.repeat([1, 0], len(split.X_odd)), scores)


def find_inertia(model, split: Split) -> float:
    """Return the mean squared distance from the nearest centre."""
    return -model.score(split.X_test) / len(split.X_test)


def find_label_inertia(model, split: Split) -> float:
    """Return the mean squared distance from the nearest mean of a label's rows.

    Birch has centres of subclusters only, and more of them make a smaller inertia. The
    means of the training rows are ``n_clusters``, whatever the tree looks like.
    """
    labels = model.predict(split.X_train)
    means = [split.X_train[labels == label].mean(axis=0) for label in np.unique(labels)]
    return euclidean_distances(split.X_test, means, squared=True).min(axis=1).mean()


def find_residual(model, split: Split) -> float:
    """Return the mean squared error of the rows rebuilt from their components."""
    rebuilt = model.transform(split.X_test) @ model.components_
    return ((split.X_test - rebuilt - getattr(model, "mean_", 0)) ** 2).sum(1).mean()


def find_perplexity(model, split: Split) -> float:
    return model.perplexity(split.X_test)


def find_surprise(model, split: Split) -> float:
    """Return the mean negative log of the pseudo-likelihood."""
    return -model.score_samples(split.X_test).mean()


def to_unit_rows(X):
    return X / np.sqrt(X.shape[1])


def to_bins(X):
    return X.astype(np.int64)


STANDARD = StandardScaler()
POSITIVE = MinMaxScaler(clip=True)
COUNTS = MinMaxScaler((0, 16), clip=True)
BINNED = make_pipeline(MinMaxScaler((0, 7.99), clip=True), FunctionTransformer(to_bins))
# One threshold of Birch then suits any number of features.
UNIT_ROWS = make_pipeline(StandardScaler(), FunctionTransformer(to_unit_rows))
KERNEL = make_pipeline(StandardScaler(), Nystroem(gamma=0.2, random_state=0))

_LABELLED = "digits", "breast cancer", "iris", "generated classes"
_VALUED = "diabetes", "generated values"
_ANY = (*_LABELLED, "diabetes")


@dataclass(frozen=True)
class Kind:
    """A table: what is compared on which data, and the difference that is the goal."""

    title: str
    what: str
    goal: float
    data: tuple
    is_loss: bool = False


@dataclass(frozen=True)
class Model:
    """An estimator, what its rows go through beforehand, and how it is scored.

    With ``same_batches``, which is the name of a data set, fit takes batches as long as
    the chunks are: what is left of a difference then is not due to their length.
    """

    kind: Kind
    estimator: BaseEstimator
    scaler: TransformerMixin = STANDARD
    score: Callable = score_targets
    same_batches: str = ""

    @property
    def name(self) -> str:
        name = " ".join(repr(self.estimator).split())
        return name.replace("(", "(batch_size=chunk_size, ", bool(self.same_batches))

    @property
    def data(self) -> tuple:
        return (self.same_batches,) if self.same_batches else self.kind.data


Case = namedtuple("Case", "model data order")

_CLASSIFIER = Kind("Classifiers", "accuracy", -0.5, _LABELLED)
_REGRESSOR = Kind("Regressors", "R2", -1, _VALUED)
_CLUSTERER = Kind("Clusterers", "inertia", -1, _ANY, is_loss=True)
_DETECTOR = Kind("Outlier detectors", "AUC", -0.5, _ANY)
_PARTS = Kind("Decompositions", "loss", -1, _ANY, is_loss=True)
_TOPICS = Kind("Topics", "perplexity", -1, ("digits", "breast cancer"), is_loss=True)

_PA = {"learning_rate": "pa1", "penalty": None}  # PassiveAggressive, until 1.10
_MLP = {"hidden_layer_sizes": 50, "max_iter": 20, "learning_rate_init": 0.01}
_DICTIONARY = parts.MiniBatchDictionaryLearning(
    8, max_iter=5, transform_n_nonzero_coefs=2
)
_RBM = neural.BernoulliRBM(n_components=20)
_NMF = {"n_components": 3, "max_iter": 60}
_LDA = {"n_components": 5, "learning_method": "online", "max_iter": 5}

MODELS = [
    Model(_CLASSIFIER, bayes.GaussianNB()),
    Model(_CLASSIFIER, bayes.MultinomialNB(), POSITIVE),
    Model(_CLASSIFIER, bayes.ComplementNB(), POSITIVE),
    Model(_CLASSIFIER, bayes.BernoulliNB()),
    Model(_CLASSIFIER, bayes.CategoricalNB(min_categories=8), BINNED),
    Model(_CLASSIFIER, linear.SGDClassifier(loss="hinge")),
    Model(_CLASSIFIER, linear.SGDClassifier(loss="log_loss")),
    Model(_CLASSIFIER, linear.SGDClassifier(eta0=1.0, **_PA)),
    Model(_CLASSIFIER, linear.Perceptron()),
    Model(_CLASSIFIER, neural.MLPClassifier(**_MLP)),
    Model(_REGRESSOR, linear.SGDRegressor()),
    Model(_REGRESSOR, linear.SGDRegressor(loss="epsilon_insensitive", **_PA)),
    Model(_REGRESSOR, neural.MLPRegressor(**_MLP)),
    Model(_REGRESSOR, neural.MLPRegressor(**_MLP), same_batches="diabetes"),
    Model(_CLUSTERER, cluster.MiniBatchKMeans(), STANDARD, find_inertia),
    Model(
        _CLUSTERER,
        cluster.Birch(threshold=0.7, n_clusters=8),
        UNIT_ROWS,
        find_label_inertia,
    ),
    Model(_DETECTOR, linear.SGDOneClassSVM(), KERNEL, score_outliers),
    Model(_PARTS, parts.IncrementalPCA(3), STANDARD, find_residual),
    Model(
        _PARTS,
        parts.IncrementalPCA(3),
        STANDARD,
        find_residual,
        same_batches="diabetes",
    ),
    Model(_PARTS, parts.MiniBatchNMF(**_NMF), POSITIVE, find_residual),
    Model(_PARTS, _DICTIONARY, STANDARD, find_residual),
    Model(_PARTS, _DICTIONARY, STANDARD, find_residual, same_batches="iris"),
    Model(_PARTS, _RBM, POSITIVE, find_surprise),
    Model(_PARTS, _RBM, POSITIVE, find_surprise, same_batches="digits"),
    Model(_TOPICS, parts.LatentDirichletAllocation(**_LDA), COUNTS, find_perplexity),
]

# What the training rows are sorted by.
ORDERS = {
    "as it is": lambda X, y: np.zeros(len(X)),
    "by target": lambda X, y: y,
    "by feature": lambda X, y: X[:, X.var(axis=0).argmax()],
}


def main() -> None:
    options = parse_options()
    quick = " A quick run: the figures are noise." if options.quick else ""
    print(f"{measure.describe_machine()}. {options.seeds} seeds.{quick}")
    cases = list(find_cases(options.only, options.data))
    results = Parallel(options.jobs, return_as="generator")(
        delayed(run_case)(case, options.seeds, options.rows) for case in cases
    )
    verdicts = Counter()
    for kind, rows in groupby(zip(cases, results, strict=True), find_kind):
        print(make_header(kind))
        for case, (fits, chunked) in rows:
            difference, error = compare(kind, fits, chunked)
            verdict = judge(difference, error, kind.goal)
            verdicts[verdict] += 1
            print(make_row(case, fits, chunked, difference, error, verdict), flush=True)
    counts = [f"{verdicts[verdict]} {verdict.strip('*')}" for verdict in VERDICTS]
    print(f"\n{len(cases)} rows: {', '.join(counts)}.")


def find_kind(result) -> Kind:
    case, _ = result
    return case.model.kind


def parse_options():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add = parser.add_argument
    add("--seeds", type=int, default=5, help="2 at least")
    add("--rows", type=int, default=40_000, help="rows of the generated sets")
    add("--only", default="", help="models whose name has this in it")
    add("--data", default="", help="data whose name has this in it")
    add("--jobs", type=int, default=2, help="processes")
    add("--quick", action="store_true", help="see that it runs; figures are noise")
    options = parser.parse_args()
    if options.quick:
        options.seeds, options.rows = 2, 4_000
    if options.seeds < 2:
        parser.error("A standard error needs 2 seeds at least.")
    return options


def find_cases(only: str, data: str):
    """Yield the rows of all tables in their order."""
    for model in MODELS:
        for name in model.data:
            if only.lower() in model.name.lower() and data.lower() in name:
                yield from (Case(model, name, order) for order in ORDERS)


def load_data(name: str, n_rows: int):
    """Return X and y; targets that are no labels have mean 0 and variance 1."""
    if name == "generated classes":
        X, y = datasets.make_classification(
            n_rows, n_classes=5, n_informative=10, class_sep=1.5, random_state=0
        )
    elif name == "generated values":
        X, y = datasets.make_regression(n_rows, 20, noise=100, random_state=0)
    else:
        X, y = getattr(datasets, f"load_{name.replace(' ', '_')}")(return_X_y=True)
    return X, scale(y) if name in _VALUED else y


def make_split(case: Case, X, y, seed: int) -> Split:
    """Return scaled rows, those for training in the order of the case."""
    labels = None if case.data in _VALUED else y
    train, test = train_test_split(
        np.arange(len(X)), test_size=_TEST_SHARE, random_state=seed, stratify=labels
    )
    train.sort()
    train = train[np.argsort(ORDERS[case.order](X[train], y[train]), kind="stable")]
    odd = np.random.default_rng(seed).permuted(X[test], axis=0)
    scaler = clone(case.model.scaler).fit(X[train])
    X_train, X_test, X_odd = map(scaler.transform, (X[train], X[test], odd))
    return Split(X_train, y[train], X_test, y[test], X_odd)


def run_case(case: Case, n_seeds: int, n_rows: int):
    """Return the runs of fit and those of ChunkedFit, one for each seed."""
    X, y = load_data(case.data, n_rows)
    fits, chunked = [], []
    with one_thread(), warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        warnings.simplefilter("ignore", FutureWarning)
        # The last chunk may be shorter than the batches.
        warnings.filterwarnings("ignore", "Got `batch_size`")
        for seed in range(n_seeds):
            split = make_split(case, X, y, seed)
            estimator = make_estimator(case.model, seed)
            if case.model.same_batches:
                estimator.set_params(batch_size=find_chunk_size(estimator, split))
            fits.append(run_fit(case, clone(estimator), split))
            chunked.append(run_chunked(case, estimator, split))
    return fits, chunked


def make_estimator(model: Model, seed: int):
    seeded = "random_state" in model.estimator.get_params()
    return clone(model.estimator).set_params(**{"random_state": seed} if seeded else {})


def run_fit(case: Case, estimator, split: Split) -> Run:
    estimator.fit(split.X_train, split.y_train)
    epochs = getattr(estimator, "n_iter_", np.nan)
    return Run(case.model.score(estimator, split), epochs)


def run_chunked(case: Case, estimator, split: Split) -> Run:
    """Return the run of ChunkedFit; what it raises is printed, and is a missed goal."""
    wrapper = ChunkedFit(estimator, chunk_size=find_chunk_size(estimator, split))
    try:
        wrapper.fit(split.X_train, split.y_train)
        return Run(case.model.score(wrapper.estimator_, split), wrapper.n_epochs_)
    except Exception as error:
        where = f"{case.model.name}, {case.data}, {case.order}"
        print(f"{where}: {type(error).__name__}: {error}", file=sys.stderr)
        return Run(np.nan, np.nan)


def find_chunk_size(estimator, split: Split) -> int:
    least = getattr(estimator, _NEEDS_ROWS.get(type(estimator).__name__, ""), 1)
    return max(len(split.X_train) // _CHUNKS, least)


def compare(kind: Kind, fits: list, chunked: list) -> tuple[float, float]:
    """Return ChunkedFit's mean advantage over fit, and its standard error."""
    theirs, ours = (np.array([run.score for run in runs]) for runs in (fits, chunked))
    gains = 100 * (1 - ours / theirs) if kind.is_loss else ours - theirs
    return gains.mean(), gains.std(ddof=1) / np.sqrt(len(gains))


def judge(difference: float, error: float, goal: float) -> str:
    """Say whether the goal is met, as far as the standard error tells."""
    if abs(difference - goal) <= _STANDARD_ERRORS * error:
        return NOISE
    return MET if difference >= goal else MISSED


def make_header(kind: Kind) -> str:
    unit = "%" if kind.is_loss else "points"
    columns = _COLUMNS.format(what=kind.what, goal=kind.goal, unit=unit)
    return f"\n## {kind.title}\n\n{columns}"


def make_row(case: Case, fits, chunked, difference, error, verdict) -> str:
    digits = 3 if case.model.kind.is_loss else 1
    cells = [
        f"`{case.model.name}`",
        case.data,
        case.order,
        *(say_mean([run.score for run in runs], digits) for runs in (fits, chunked)),
        f"{difference:+,.2f} ± {error:,.2f}",
        verdict,
        *(say_mean([run.epochs for run in runs], 1) for runs in (chunked, fits)),
    ]
    return f"| {' | '.join(cells)} |"


def say_mean(values: list, digits: int) -> str:
    mean = np.mean(values)
    return "-" if np.isnan(mean) else f"{mean:,.{digits}f}"


if __name__ == "__main__":
    main()
