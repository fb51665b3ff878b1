"""scikit-learn's own checks, over the wrapper around every partial_fit estimator.

A check that the bare estimator passes, the wrapper passes: the exceptions are in
``EXPECTED``, with reasons, and strict, so that a stale one fails.
"""

import warnings

import pytest
from helpers import (
    ALIKE,
    EXHAUSTIVE,
    name_of,
    one_of_each_kind,
    partial_fit_estimators,
)
from sklearn.linear_model import SGDClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, SplineTransformer, StandardScaler
from sklearn.utils import estimator_checks as checks
from sklearn.utils import get_tags
from sklearn.utils.estimator_checks import estimator_checks_generator

from skmmap import ChunkedFit

_WEIGHTS = "fails on the bare estimator: order and number of rows matter to it"
_BY_WEIGHT = {
    "check_sample_weight_equivalence_on_dense_data": _WEIGHTS,
    "check_sample_weight_equivalence_on_sparse_data": _WEIGHTS,
}

EXPECTED = {
    "BernoulliRBM": {
        "check_methods_subset_invariance": "fails on the bare estimator: random",
        "check_methods_sample_order_invariance": "fails on the bare one: random",
        "check_transformer_preserve_dtypes": "its partial_fit makes float64 of all",
    },
    "MiniBatchKMeans": _BY_WEIGHT,
    "MultiOutputRegressor": _BY_WEIGHT,
    "OneVsOneClassifier": {
        "check_classifiers_classes": "its partial_fit takes numbers as labels only",
    },
    "Perceptron": _BY_WEIGHT,
    "Pipeline": {"check_sample_weight_equivalence_on_dense_data": _WEIGHTS},
    "SGDClassifier": _BY_WEIGHT,
    "SGDOneClassSVM": _BY_WEIGHT,
    "SGDRegressor": _BY_WEIGHT,
}


if not get_tags(StandardScaler(with_mean=False)).input_tags.sparse:
    refused = {  # scikit-learn#30139, in 1.6
        "check_sample_weight_equivalence_on_sparse_data": "with_mean refuses sparse X",
    }
    EXPECTED["StandardScaler"] = refused
    EXPECTED["Pipeline"] |= refused

MLP = {"hidden_layer_sizes": (5,), "max_iter": 8, "learning_rate_init": 0.1}

# As small as the checks let them be, most of which call ``fit`` with some tiny rows: of
# what is learned they ask for an accuracy of 0.83 on three blobs, and 0.5 of R².
SMALLER = {
    "BernoulliRBM": {"n_components": 10, "n_iter": 2},
    "LatentDirichletAllocation": {"n_components": 3, "max_iter": 2},
    "MLPClassifier": MLP,
    "MLPRegressor": MLP,
    "MiniBatchDictionaryLearning": {"n_components": 3, "max_iter": 2},
    "MiniBatchKMeans": {"max_iter": 5},
    "MiniBatchNMF": {"n_components": 1},
}
# Of those that make up to 1,000 epochs: the checks ask for no more.
EPOCHS = None if EXHAUSTIVE else 3


# Checks that few estimators go through, since what differs does not depend on them.
OF_FEW = {
    # All formats as matrices; as arrays, all estimators are given them.
    "check_estimator_sparse_matrix": {"GaussianNB", "MultinomialNB", "SGDRegressor"},
    # Asked for by the configuration, and tables of polars. All are asked for pandas'.
    "check_global_output_transform_pandas": {"Birch", "StandardScaler"},
    "check_global_set_output_transform_polars": {"Birch", "StandardScaler"},
    "check_set_output_transform_polars": {"Birch", "StandardScaler"},
}


def wrapped(*, every: bool = False):
    """Return the wrapper around each estimator that has checks.

    scikit-learn has none for estimators of text (HashingVectorizer), and skips
    MultiOutputClassifier by a tag; test_chunked_fit.py has both.
    """
    estimators = partial_fit_estimators(small=False, max_iter=EPOCHS)
    for estimator in estimators if every else one_of_each_kind(estimators):
        tags = get_tags(estimator)
        if tags.input_tags.two_d_array and not tags._skip_test:
            yield ChunkedFit(
                estimator.set_params(**SMALLER.get(name_of(estimator), {}))
            )
    sgd = SGDClassifier(max_iter=3, random_state=0)
    yield ChunkedFit(make_pipeline(StandardScaler(), sgd))
    yield ChunkedFit(OneHotEncoder())  # of those that learn without partial_fit
    yield ChunkedFit(SplineTransformer())


def cases():
    """Yield what ``parametrize_with_checks`` would, of the checks that are run."""
    for wrapper in wrapped():
        name = name_of(wrapper.estimator)
        for case in estimator_checks_generator(
            wrapper, mark="xfail", expected_failed_checks=EXPECTED.get(name, {})
        ):
            _, check = getattr(case, "values", case)
            if is_run(name, check.func.__name__):
                marks = getattr(case, "marks", ())
                yield pytest.param(wrapper, check, marks=marks, id=label(name, check))


def label(name, check) -> str:
    """Return a short name: scikit-learn's take a second, in each process."""
    name = name.replace("Pipeline", "Pipeline of StandardScaler")
    given = [f"{key}={value}" for key, value in check.keywords.items()]
    return "-".join([name, check.func.__name__, *given])


def is_run(name: str, check: str) -> bool:
    """Return whether the estimator goes through the check."""
    return EXHAUSTIVE or name in OF_FEW.get(check, {name})


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("wrapper", "check"), list(cases()))
def test_check(wrapper, check):
    check(wrapper)


# What scikit-learn runs on its own estimators and does not generate for others.
EXTRA = ["check_dataframe_column_names_consistency", "check_inplace_ensure_writeable"]
EXTRA_FOR_TRANSFORMERS = [
    "check_set_output_transform",
    "check_set_output_transform_pandas",
    "check_set_output_transform_polars",
    "check_global_output_transform_pandas",
    "check_global_set_output_transform_polars",
    "check_transformer_get_feature_names_out",
    "check_transformer_get_feature_names_out_pandas",
]


def extra_cases():
    for wrapper in wrapped():
        name = name_of(wrapper.estimator)
        transforms = hasattr(wrapper, "transform")
        for check in EXTRA + transforms * EXTRA_FOR_TRANSFORMERS:
            if is_run(name, check):
                yield pytest.param(wrapper, check, id=f"{name}-{check}")


@pytest.mark.parametrize(("wrapper", "check"), list(extra_cases()))
def test_extra_check(wrapper, check):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        getattr(checks, check)("ChunkedFit", wrapper)


def test_no_exception_is_for_an_estimator_that_is_gone():
    names = {name_of(estimator) for estimator in partial_fit_estimators()}
    assert set(EXPECTED) <= {*names, "Pipeline"}
    assert set(ALIKE) | set(ALIKE.values()) | set().union(*OF_FEW.values()) <= names


def test_those_that_are_alike_have_one_base_class():
    bases = {name_of(e): type(e).__bases__[0] for e in partial_fit_estimators()}
    for name, other in ALIKE.items():
        assert bases[name] is bases[other]


def test_each_check_is_run_by_some_estimator():
    every = {
        getattr(case, "values", case)[1].func.__name__
        for wrapper in wrapped(every=True)
        for case in estimator_checks_generator(wrapper)
    }
    assert every == {case.values[1].func.__name__ for case in cases()}
    given = {*EXTRA, *EXTRA_FOR_TRANSFORMERS}
    assert given == {case.values[1] for case in extra_cases()}
    assert set(OF_FEW) < every | given
