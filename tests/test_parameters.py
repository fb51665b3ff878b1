"""Every parameter of every estimator of scikit-learn: what becomes of it in `fit`.

Each is honoured, overridden or without effect (and `explain` says so), or refused. A
parameter that scikit-learn adds fails here until somebody looks at it.
"""

import warnings

import numpy as np
import pytest
from helpers import (
    EXHAUSTIVE,
    make_rows,
    name_of,
    partial_fit_estimators,
    raises,
    state_of,
)
from sklearn.base import clone
from sklearn.feature_selection import SelectFromModel
from sklearn.linear_model import SGDRegressor

from skmmap import ChunkedFit

pytestmark = pytest.mark.filterwarnings("ignore::FutureWarning")

# All are honoured but for those below.
NAMES = {
    "BernoulliNB": """
        alpha binarize class_prior fit_prior force_alpha
    """,
    "BernoulliRBM": """
        batch_size learning_rate n_components n_iter random_state verbose
    """,
    "Birch": """
        branching_factor compute_labels n_clusters threshold
    """,
    "CategoricalNB": """
        alpha class_prior fit_prior force_alpha min_categories
    """,
    "ComplementNB": """
        alpha class_prior fit_prior force_alpha norm
    """,
    "GaussianNB": """
        priors var_smoothing
    """,
    "HashingVectorizer": """
        alternate_sign analyzer binary decode_error dtype encoding input
        lowercase n_features ngram_range norm preprocessor stop_words
        strip_accents token_pattern tokenizer
    """,
    "IncrementalPCA": """
        batch_size copy n_components whiten
    """,
    "LatentDirichletAllocation": """
        batch_size doc_topic_prior evaluate_every learning_decay
        learning_method learning_offset max_doc_update_iter max_iter
        mean_change_tol n_components n_jobs perp_tol random_state
        topic_word_prior total_samples verbose
    """,
    "MLPClassifier": """
        activation alpha batch_size beta_1 beta_2 early_stopping epsilon
        hidden_layer_sizes learning_rate learning_rate_init max_fun max_iter
        momentum n_iter_no_change nesterovs_momentum power_t random_state
        shuffle solver tol validation_fraction verbose warm_start
    """,
    "MLPRegressor": """
        activation alpha batch_size beta_1 beta_2 early_stopping epsilon
        hidden_layer_sizes learning_rate learning_rate_init loss max_fun
        max_iter momentum n_iter_no_change nesterovs_momentum power_t
        random_state shuffle solver tol validation_fraction verbose
        warm_start
    """,
    "MaxAbsScaler": """
        clip copy
    """,
    "MinMaxScaler": """
        clip copy feature_range
    """,
    "MiniBatchDictionaryLearning": """
        alpha batch_size callback dict_init fit_algorithm max_iter
        max_no_improvement n_components n_jobs positive_code positive_dict
        random_state shuffle split_sign tol transform_algorithm
        transform_alpha transform_max_iter transform_n_nonzero_coefs verbose
    """,
    "MiniBatchKMeans": """
        batch_size compute_labels init init_size max_iter max_no_improvement
        n_clusters n_init random_state reassignment_ratio tol verbose
    """,
    "MiniBatchNMF": """
        alpha_H alpha_W batch_size beta_loss forget_factor fresh_restarts
        fresh_restarts_max_iter init l1_ratio max_iter max_no_improvement
        n_components random_state tol transform_max_iter verbose
    """,
    "MultiOutputClassifier": """
        n_jobs
    """,
    "MultiOutputRegressor": """
        n_jobs
    """,
    "MultinomialNB": """
        alpha class_prior fit_prior force_alpha
    """,
    "OneVsOneClassifier": """
        n_jobs
    """,
    "OneVsRestClassifier": """
        n_jobs verbose
    """,
    "PassiveAggressiveClassifier": """
        C average class_weight early_stopping fit_intercept loss max_iter
        n_iter_no_change n_jobs random_state shuffle tol validation_fraction
        verbose warm_start
    """,
    "PassiveAggressiveRegressor": """
        C average early_stopping epsilon fit_intercept loss max_iter
        n_iter_no_change random_state shuffle tol validation_fraction
        verbose warm_start
    """,
    "Perceptron": """
        alpha class_weight early_stopping eta0 fit_intercept l1_ratio
        max_iter n_iter_no_change n_jobs penalty random_state shuffle tol
        validation_fraction verbose warm_start
    """,
    "SGDClassifier": """
        alpha average class_weight early_stopping epsilon eta0 fit_intercept
        l1_ratio learning_rate loss max_iter n_iter_no_change n_jobs penalty
        power_t random_state shuffle tol validation_fraction verbose
        warm_start
    """,
    "SGDOneClassSVM": """
        average eta0 fit_intercept learning_rate max_iter nu power_t
        random_state shuffle tol verbose warm_start
    """,
    "SGDRegressor": """
        alpha average early_stopping epsilon eta0 fit_intercept l1_ratio
        learning_rate loss max_iter n_iter_no_change penalty power_t
        random_state shuffle tol validation_fraction verbose warm_start
    """,
    "SelectFromModel": """
        importance_getter max_features norm_order prefit threshold
    """,
    "StandardScaler": """
        copy with_mean with_std
    """,
}

# What the user has set is not what counts; ``explain`` shows what does.
OVERRIDDEN = {
    ("LatentDirichletAllocation", "learning_method"): (
        "batch",
        "learning_method='online' (was 'batch')",
    ),
    ("LatentDirichletAllocation", "total_samples"): (
        100.0,
        "total_samples=90 (was 100.0)",
    ),
}
# Only ``fit`` looks at these, and prints or calls something, or adds ``labels_``.
UNHEARD = {
    ("BernoulliRBM", "verbose"): 1,
    ("LatentDirichletAllocation", "verbose"): 1,
    ("MiniBatchDictionaryLearning", "callback"): print,
    ("MiniBatchDictionaryLearning", "verbose"): True,
    ("MiniBatchKMeans", "compute_labels"): False,
    ("MiniBatchNMF", "verbose"): 1,
    ("OneVsRestClassifier", "verbose"): 1,
}
# And solver="lbfgs" of networks.
REFUSED = {("SelectFromModel", "prefit")}

# Other values, with which the bare estimator learns something else, or gives it.
OTHER = {
    "C": 0.01,
    "activation": "tanh",
    "alpha": 0.3,
    "alpha_H": 0.3,
    "alpha_W": 0.3,
    "average": True,
    "batch_size": 20,
    "beta_1": 0.5,
    "beta_2": 0.5,
    "beta_loss": "kullback-leibler",
    "binarize": 0.5,
    "branching_factor": 3,
    "class_prior": [0.2, 0.3, 0.5],
    "class_weight": {1: 9.0},
    "doc_topic_prior": 0.9,
    "epsilon": 0.5,
    "eta0": 0.3,
    "feature_range": (0, 2),
    "fit_intercept": False,
    "fit_prior": False,
    "forget_factor": 0.1,
    "hidden_layer_sizes": (3,),
    "l1_ratio": 0.9,
    "learning_decay": 0.9,
    "learning_offset": 90.0,
    "learning_rate_init": 0.1,
    "max_features": 1,
    "max_iter": 2,
    "mean_change_tol": 9.0,
    "max_doc_update_iter": 1,
    "min_categories": 7,
    "momentum": 0.1,
    "n_clusters": 2,
    "n_components": 2,
    "n_features": 8,
    "n_iter": 2,
    "nesterovs_momentum": False,
    "ngram_range": (1, 2),
    "nu": 0.1,
    "positive_dict": True,
    "power_t": 0.1,
    "priors": [0.2, 0.3, 0.5],
    "random_state": 7,
    "reassignment_ratio": 0.9,
    "split_sign": True,
    "threshold": 0.9,
    "topic_word_prior": 0.9,
    "transform_alpha": 0.9,
    "transform_n_nonzero_coefs": 2,
    "var_smoothing": 0.1,
    "whiten": True,
    "with_mean": False,
    "with_std": False,
    "early_stopping": True,
}
OTHER_OF = {
    ("BernoulliRBM", "learning_rate"): 0.9,
    ("ComplementNB", "norm"): True,
    ("HashingVectorizer", "norm"): "l1",
    ("HashingVectorizer", "binary"): True,
    ("HashingVectorizer", "alternate_sign"): False,
    ("HashingVectorizer", "analyzer"): "char",
    ("SelectFromModel", "threshold"): 99.0,
    ("MiniBatchNMF", "init"): "random",
    ("MiniBatchKMeans", "init"): "random",
    ("MLPRegressor", "solver"): "sgd",
    ("MLPClassifier", "solver"): "sgd",
    ("SGDClassifier", "loss"): "log_loss",
    ("SGDRegressor", "loss"): "huber",
    ("PassiveAggressiveClassifier", "loss"): "squared_hinge",
    ("PassiveAggressiveRegressor", "loss"): "squared_epsilon_insensitive",
}
for _name in ("SGDClassifier", "SGDRegressor", "SGDOneClassSVM"):
    OTHER_OF[_name, "learning_rate"] = "constant"
for _name in ("SGDClassifier", "SGDRegressor", "Perceptron"):
    OTHER_OF[_name, "penalty"] = "l1"
# Parameters that count only beside others.
BESIDE = {
    ("SGDClassifier", "epsilon"): {"loss": "huber"},
    ("SGDClassifier", "eta0"): {"learning_rate": "constant"},
    ("SGDClassifier", "power_t"): {"learning_rate": "invscaling", "eta0": 0.1},
    ("SGDOneClassSVM", "eta0"): {"learning_rate": "constant"},
    ("SGDOneClassSVM", "power_t"): {"learning_rate": "invscaling", "eta0": 0.1},
    ("SGDClassifier", "l1_ratio"): {"penalty": "elasticnet", "alpha": 0.1},
    ("SGDRegressor", "l1_ratio"): {"penalty": "elasticnet", "alpha": 0.1},
    ("SGDRegressor", "epsilon"): {"loss": "huber"},
    ("Perceptron", "l1_ratio"): {"penalty": "elasticnet", "alpha": 0.1},
    ("Perceptron", "alpha"): {"penalty": "l2"},
    ("MLPClassifier", "momentum"): {"solver": "sgd"},
    ("MLPClassifier", "nesterovs_momentum"): {"solver": "sgd"},
    ("MLPClassifier", "power_t"): {"solver": "sgd", "learning_rate": "invscaling"},
    ("MLPRegressor", "momentum"): {"solver": "sgd"},
    ("MLPRegressor", "nesterovs_momentum"): {"solver": "sgd"},
    ("MLPRegressor", "power_t"): {"solver": "sgd", "learning_rate": "invscaling"},
    ("MiniBatchNMF", "l1_ratio"): {"alpha_W": 0.3},
    ("MiniBatchDictionaryLearning", "transform_alpha"): {
        "transform_algorithm": "threshold"
    },
    ("LatentDirichletAllocation", "batch_size"): {"learning_method": "online"},
    ("LatentDirichletAllocation", "learning_decay"): {"learning_method": "online"},
    ("LatentDirichletAllocation", "learning_offset"): {"learning_method": "online"},
}


def all_pairs() -> list:
    return [(name, p) for name, words in NAMES.items() for p in words.split()]


def other_of(name: str, parameter: str):
    return OTHER_OF.get((name, parameter), OTHER.get(parameter))


def find_shown() -> list:
    """Return all pairs that show, by default some with each class and parameter."""
    pairs = [pair for pair in all_pairs() if other_of(*pair) is not None]
    if EXHAUSTIVE:
        return pairs
    of_parameters = {parameter: (name, parameter) for name, parameter in pairs}
    of_classes = {name: (name, parameter) for name, parameter in pairs}
    return sorted({*of_parameters.values(), *of_classes.values()})


ESTIMATORS = partial_fit_estimators(max_iter=3)


def make(name: str):
    return clone(next(one for one in ESTIMATORS if name_of(one) == name))


def test_the_table_has_all_parameters():
    found = {name_of(one): one.get_params(deep=False) for one in ESTIMATORS}
    given = {name: set(params) - {"estimator"} for name, params in found.items()}
    assert given == {name: set(words.split()) for name, words in NAMES.items()}
    assert {*OVERRIDDEN, *UNHEARD, *REFUSED, *OTHER_OF, *BESIDE} <= set(all_pairs())


def learn(model):
    """Return what was learned, and what it gives."""
    is_chunked = isinstance(model, ChunkedFit)
    X, y = make_rows(model.estimator if is_chunked else model)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model.fit(X, y)
        methods = [name for name in ("predict", "transform") if hasattr(model, name)]
        given = [state_of(getattr(model, name)(X)) for name in methods]
    trained = model.estimator_ if is_chunked else model
    learned = {n: v for n, v in vars(trained).items() if n.endswith("_")}
    return given, state_of([learned[name] for name in sorted(learned)])


LEARNED = {}


def learn_both(estimator):
    """Return what it learns by its own fit and in chunks; once for its parameters."""
    if repr(estimator) not in LEARNED:
        models = clone(estimator), ChunkedFit(estimator, chunk_size="auto")
        LEARNED[repr(estimator)] = [learn(model) for model in models]
    return LEARNED[repr(estimator)]


@pytest.mark.parametrize(("name", "parameter"), find_shown())
def test_what_changes_the_own_fit_changes_this_one(name, parameter):
    estimator = make(name).set_params(**BESIDE.get((name, parameter), {}))
    changed = clone(estimator).set_params(**{parameter: other_of(name, parameter)})
    by_fit, by_chunks = learn_both(estimator)
    assert by_fit != learn(clone(changed)), "shows nothing"
    after = ChunkedFit(changed, chunk_size="auto")
    assert by_chunks != learn(after)
    assert after.estimator_.get_params()[parameter] == other_of(name, parameter)


@pytest.mark.parametrize(("name", "parameter"), OVERRIDDEN)
def test_what_is_overridden_is_explained(name, parameter):
    value, said = OVERRIDDEN[name, parameter]
    estimator = make(name).set_params(**{parameter: value})
    model = ChunkedFit(estimator)
    assert said in str(model.explain(*make_rows(estimator)))
    learn(model)
    assert model.estimator_.get_params()[parameter] == value


@pytest.mark.parametrize(("name", "parameter"), UNHEARD)
def test_what_has_no_effect_is_explained(name, parameter):
    estimator, value = make(name), UNHEARD[name, parameter]
    sections = ChunkedFit(estimator).explain(*make_rows(estimator)).sections
    assert "without effect" not in sections
    estimator.set_params(**{parameter: value})
    sections = ChunkedFit(estimator).explain(*make_rows(estimator)).sections
    said = f"{parameter}={value!r} (partial_fit ignores it)"
    assert sections["without effect"] == said


def test_a_selector_of_what_is_trained_is_refused():
    X, y = make_rows(SGDRegressor())
    bare = SelectFromModel(SGDRegressor(random_state=0).fit(X, y), prefit=True)
    text = (
        "SelectFromModel(prefit=True) trains nothing, and fit of ChunkedFit trains a "
        "clone, which does not have what its estimator has learned. Call its own fit "
        "with some rows, and then ChunkedFit(selector).transform(X)."
    )
    with raises(ValueError, text):
        ChunkedFit(bare).fit(X, y)
    # What it says to do works.
    model = ChunkedFit(bare.fit(X[:1]), chunk_size=20)
    np.testing.assert_array_equal(model.transform(X), bare.transform(X))


@pytest.mark.parametrize("name", ["MLPClassifier", "MLPRegressor"])
def test_a_solver_that_takes_no_chunks_is_refused(name):
    text = (
        f"{name} with solver='lbfgs' needs all rows in each step, and ChunkedFit gives "
        "it one chunk after the other. Use solver='adam' or 'sgd'."
    )
    estimator = make(name).set_params(solver="lbfgs")
    with raises(ValueError, text):
        ChunkedFit(estimator).fit(*make_rows(estimator))
