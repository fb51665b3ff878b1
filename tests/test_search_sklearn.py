"""scikit-learn's own tests of its searches, with ``ChunkedSearchCV`` in their place.

The estimators in them are not ``ChunkedFit``: what is tested is all that a search does
beside the reading. They get `Rows`, which most of them take for arrays.
"""

import importlib.util
import inspect
import sys
from contextlib import contextmanager

import numpy as np
import pytest
import sklearn.model_selection
from helpers import EXHAUSTIVE

from skmmap import ChunkedFit, ChunkedSearchCV, _chunked_search
from skmmap.run import together
from skmmap.search import reading

pytestmark = pytest.mark.filterwarnings("ignore")  # they check those that they expect

_NO_SEARCH = "has no search in it"
_FRAMES = "looks into the frames of callers for the search, and fits have threads"
LEFT_OUT = {
    "test__custom_fit_no_run_search": _NO_SEARCH,
    "test_array_api_search_cv_classifier": "has arrays of other libraries",
    "test_custom_run_search": "compares all attributes; histories_ is one more",
    "test_multi_metric_search_forwards_metadata": _FRAMES,
    "test_param_sampler": _NO_SEARCH,
    "test_parameter_grid": _NO_SEARCH,
    "test_parameters_sampler_replacement": _NO_SEARCH,
    "test_validate_parameter_input": _NO_SEARCH,
    "test_yield_masked_array_for_each_param": _NO_SEARCH,
    "test_yield_masked_array_no_runtime_warning": _NO_SEARCH,
}

# Those whose estimators need X as it was given; ChunkedFit takes rows of all of them.
_LISTS = "asserts that lists stay lists, and frames frames"
_PAIRS = "picks columns along with rows"
_SPARSE = "LinearSVC does not take rows of a sparse matrix"
AS_GIVEN = {
    "test_X_as_list": _LISTS,
    "test_grid_search_precomputed_kernel": _PAIRS,
    "test_grid_search_sparse": _SPARSE,
    "test_grid_search_sparse_scoring": _SPARSE,
    "test_pandas_input": _LISTS,
    "test_search_cv_pairwise_property_equivalence_of_precomputed": _PAIRS,
    "test_search_with_estimators_issue_29157": "ColumnTransformer needs names",
    "test_y_as_list": _LISTS,
}

# Those that take a second each, and are run with SKMMAP_TESTS=full.
SLOW = {
    "test_cv_results_dtype_issue_29074",
    "test_cv_results_multi_size_array",
    "test_random_search_cv_results_multimetric",
    "test_search_cv_sample_weight_equivalence",
    "test_unsupported_sample_weight_scorer",
}


class RandomizedSearchCV(ChunkedSearchCV):
    """The search that draws, under the names of scikit-learn's parameters."""

    def __init__(
        self,
        estimator,
        param_distributions,
        *,
        strategy="random",
        n_iter=10,
        random_state=None,
        factor=3,
        resource="epochs",
        min_resources="auto",
        max_resources="auto",
        aggressive_elimination=False,
        scoring=None,
        n_jobs=None,
        refit=True,
        cv=None,
        verbose=0,
        error_score=np.nan,
        return_train_score=False,
    ):
        given = {name: value for name, value in locals().items() if name in _NAMES}
        super().__init__(estimator, param_distributions, **given)
        self.param_distributions = param_distributions


_NAMES = {*inspect.signature(ChunkedSearchCV).parameters} - {"estimator", "param_grid"}


def load():
    """Return scikit-learn's module with our searches instead of its own."""
    origin = importlib.util.find_spec(
        "sklearn.model_selection.tests.test_search"
    ).origin
    spec = importlib.util.spec_from_file_location("searches_of_sklearn", origin)
    # By this name pickles find its classes.
    module = sys.modules[spec.name] = importlib.util.module_from_spec(spec)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sklearn.model_selection, "GridSearchCV", ChunkedSearchCV)
        patch.setattr(sklearn.model_selection, "RandomizedSearchCV", RandomizedSearchCV)
        spec.loader.exec_module(module)
    return module


THEIRS = {name: test for name, test in vars(load()).items() if name.startswith("test_")}
globals().update(
    (name, test)
    for name, test in THEIRS.items()
    if name not in LEFT_OUT and (EXHAUSTIVE or name not in SLOW)
)


@contextmanager
def _as_given(estimator, X, y, params, n_jobs, name, keeper=None):
    with together(n_jobs, 1 << 20, 1 << 30, keeper):
        yield X, y, params


@pytest.fixture(autouse=True)
def _any_estimator(request, monkeypatch):
    """Let the search take estimators that are not ChunkedFit."""
    for module in reading, _chunked_search:
        monkeypatch.setattr(module, "find_chunked", lambda *given: ChunkedFit(None))
    if request.function.__name__ in AS_GIVEN:
        monkeypatch.setattr(_chunked_search, "reading_together", _as_given)


def test_every_exception_is_for_a_test_that_is_there():
    if "test_search_callbacks_propagation" not in THEIRS:
        pytest.skip("scikit-learn before 1.9 has fewer tests")
    assert set(LEFT_OUT) | set(AS_GIVEN) | SLOW <= set(THEIRS)
