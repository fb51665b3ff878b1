"""What the table of transformers is measured on: settings, data, and words of reasons.

``CASES`` has code that makes each transformer, which is also what the table shows. With
it are the data, and parameters that make no difference to how it learns, and that the
table does not show: sizes for a quick run, and draws that are smaller than the data.
"""

from collections.abc import Mapping
from functools import cache
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np
from sklearn.experimental import enable_iterative_imputer  # noqa: F401
from sklearn.utils import all_estimators

N_ROWS, N_FEW = 10_050, 300


class Case(NamedTuple):
    """A transformer, and what it is fitted on."""

    data: str = "numbers"
    hidden: Mapping[str, Any] = MappingProxyType({})

    @property
    def chunk_size(self) -> int:
        return 70 if self.data == "few" else 700


_FEW = {"n_components": 3}
_DRAWS = {"subsample": 2_000}  # of 200,000, which are more than there are
CASES = {
    "AdditiveChi2Sampler()": Case("positive"),
    "BernoulliRBM()": Case("few", _FEW | {"n_iter": 2}),
    "Binarizer()": Case(),
    "Birch()": Case("few"),
    "make_column_transformer((StandardScaler(), [0]), (OneHotEncoder(), [1]))": Case(
        "codes"
    ),
    "CountVectorizer()": Case("texts"),
    'CountVectorizer(vocabulary=["w1", "w2"])': Case("texts"),
    "DictVectorizer()": Case("dicts"),
    "FeatureHasher()": Case("dicts"),
    "make_union(StandardScaler(), MinMaxScaler())": Case(),
    "FunctionTransformer()": Case(),
    "GaussianRandomProjection()": Case("wide", {"eps": 0.99}),
    "GaussianRandomProjection(n_components=3)": Case(),
    "GenericUnivariateSelect()": Case(),
    "HashingVectorizer()": Case("texts"),
    "IncrementalPCA()": Case("few", {"n_components": 2}),
    "KBinsDiscretizer()": Case(hidden=_DRAWS | {"quantile_method": "linear"}),
    'KBinsDiscretizer(strategy="uniform", subsample=None)': Case(),
    "KBinsDiscretizer(subsample=None)": Case(),
    "LabelBinarizer()": Case("labels"),
    "LabelEncoder()": Case("labels"),
    "LatentDirichletAllocation()": Case("few", _FEW | {"max_iter": 2}),
    "MaxAbsScaler()": Case(),
    "MinMaxScaler()": Case(),
    "MiniBatchDictionaryLearning()": Case("few", _FEW | {"max_iter": 2}),
    "MiniBatchKMeans()": Case("few", {"n_clusters": 3, "max_iter": 2}),
    "MiniBatchNMF()": Case("few", _FEW | {"max_iter": 2}),
    "MissingIndicator()": Case("missing"),
    "MultiLabelBinarizer()": Case("label sets"),
    "Normalizer()": Case(),
    "Nystroem()": Case(hidden=_FEW),
    "OneHotEncoder()": Case("codes"),
    "OneHotEncoder(min_frequency=0.1)": Case("codes"),
    "OrdinalEncoder()": Case("codes"),
    "PCA()": Case(),
    "make_pipeline(SimpleImputer(), StandardScaler(), PCA())": Case("missing"),
    "PolynomialCountSketch()": Case(hidden=_FEW),
    "PolynomialFeatures()": Case(),
    "QuantileTransformer()": Case(hidden=_DRAWS),
    "QuantileTransformer(subsample=None)": Case(),
    "RBFSampler()": Case(hidden=_FEW),
    'RBFSampler(gamma="scale")': Case(hidden=_FEW),
    "RobustScaler()": Case(),
    "SelectFdr()": Case(),
    "SelectFpr()": Case(),
    "SelectFromModel(SGDRegressor())": Case("few", {"estimator__max_iter": 2}),
    "SelectFwe()": Case(),
    "SelectKBest()": Case(hidden={"k": 2}),
    "SelectKBest(r_regression)": Case(hidden={"k": 2}),
    "SelectKBest(chi2)": Case("positive", {"k": 2}),
    "SelectPercentile()": Case(hidden={"percentile": 50}),
    "SimpleImputer()": Case("missing"),
    'SimpleImputer(strategy="median")': Case("missing"),
    'SimpleImputer(strategy="most_frequent")': Case("missing"),
    'SimpleImputer(strategy="constant")': Case("missing"),
    "SkewedChi2Sampler()": Case("positive", _FEW),
    "SparseCoder(numpy.eye(4))": Case(hidden={"transform_algorithm": "threshold"}),
    "SparseRandomProjection()": Case("wide", {"eps": 0.99}),
    "SparseRandomProjection(n_components=3)": Case(),
    "SplineTransformer()": Case(),
    'SplineTransformer(knots="quantile")': Case(),
    "StandardScaler()": Case(),
    "TargetEncoder()": Case("codes"),
    "TfidfTransformer()": Case("positive"),
    "TfidfTransformer(use_idf=False)": Case("positive"),
    "TfidfVectorizer()": Case("texts"),
    "TruncatedSVD()": Case("wide"),
    'TruncatedSVD(algorithm="arpack")': Case(),
    "VarianceThreshold()": Case(),
}

# Of what is not learned: why, and what serves in its place.
_MANY_TIMES = "Fits its estimator many times, on the rows as they are selected."
_NEIGHBOURS = "Keeps all rows, whose distances it needs."
_MEMBERS = "Trains its members by their own `fit`, on all rows or folds of them."
_EMBEDS = "Distances between all rows. `PCA`, also behind `Nystroem`."
_TWO_SIDES = "Components of X and y together. `PCA`, which leaves y out."
REFUSED = {
    "BisectingKMeans()": "All rows at once. `MiniBatchKMeans`.",
    "CCA()": _TWO_SIDES,
    "DictionaryLearning()": "Keeps a code for each row. `MiniBatchDictionaryLearning`.",
    "FactorAnalysis()": "Decomposes all rows again and again. `PCA`.",
    "FastICA()": "Goes through all whitened rows in each of its steps. `PCA`.",
    "FeatureAgglomeration()": "Distances between columns. `PCA` joins columns as well.",
    "Isomap()": _EMBEDS,
    "IsotonicRegression()": "Sorts all rows. `SplineTransformer`, `SGDRegressor`.",
    "IterativeImputer()": "Trains a regressor for each column on all rows. "
    "`SimpleImputer`.",
    'KBinsDiscretizer(strategy="kmeans", subsample=None)': "All values at once. "
    "`subsample=200_000`, the default.",
    "KMeans()": "All rows at once. `MiniBatchKMeans`.",
    "KNNImputer()": f"{_NEIGHBOURS} `SimpleImputer`.",
    "KNeighborsTransformer()": _NEIGHBOURS,
    "KernelCenterer()": "Kernels of all rows with all rows. `StandardScaler` behind "
    "`Nystroem`.",
    "KernelPCA()": "Kernels of all rows with all rows. `PCA` behind `Nystroem`.",
    "LinearDiscriminantAnalysis()": "All rows at once. `SGDClassifier` is linear too.",
    "LocallyLinearEmbedding()": _EMBEDS,
    "MiniBatchSparsePCA()": "Its batches are of columns, each with all rows. "
    "`MiniBatchDictionaryLearning`.",
    "NMF()": "All rows at once. `MiniBatchNMF`.",
    "NeighborhoodComponentsAnalysis()": "Distances between all rows. `PCA`.",
    'PCA(svd_solver="randomized")': "Goes through all rows in each of its steps. "
    '`svd_solver="auto"`.',
    "PLSCanonical()": _TWO_SIDES,
    "PLSRegression()": _TWO_SIDES,
    "PLSSVD()": _TWO_SIDES,
    "PatchExtractor()": "Makes several rows of each one, which no step may. Write the "
    "patches to a file first.",
    "PowerTransformer()": "Searches for exponents, in some 20 passes. "
    '`QuantileTransformer(output_distribution="normal")`.',
    "RFE(SGDClassifier())": f"{_MANY_TIMES} `SelectFromModel`.",
    "RFECV(SGDClassifier())": f"{_MANY_TIMES} `SelectFromModel`.",
    "RadiusNeighborsTransformer()": _NEIGHBOURS,
    "RandomTreesEmbedding()": "Trees need all rows. `KBinsDiscretizer`.",
    "SelectKBest(mutual_info_classif)": "Distances between all rows. `f_classif`.",
    "SequentialFeatureSelector(SGDClassifier())": f"{_MANY_TIMES} `SelectFromModel`.",
    "SparsePCA()": "All rows at once. `MiniBatchDictionaryLearning`.",
    'StackingClassifier([("a", SGDClassifier())])': _MEMBERS,
    'StackingRegressor([("a", SGDRegressor())])': _MEMBERS,
    "TSNE()": _EMBEDS,
    'VotingClassifier([("a", SGDClassifier())])': _MEMBERS,
    'VotingRegressor([("a", SGDRegressor())])': _MEMBERS,
}
# Of what is learned and not equal to fit: why.
UNEQUAL = {
    "TruncatedSVD()": "exact, where `fit` approximates",
}


@cache
def find_classes() -> dict[str, type]:
    """Return all classes of scikit-learn, by their names."""
    from sklearn.feature_extraction.text import CountVectorizer, TfidfVectorizer
    from sklearn.pipeline import Pipeline

    others = CountVectorizer, TfidfVectorizer, Pipeline
    return dict(all_estimators()) | {cls.__name__: cls for cls in others}


def find_transformers() -> set[str]:
    """Return the names of all that a table of transformers must have."""
    names = {name for name, _ in all_estimators(type_filter="transformer")}
    return names | {"CountVectorizer", "TfidfVectorizer", "Pipeline"}


def make(code: str):
    """Return the transformer that a row of the table shows."""
    from sklearn import compose, feature_selection, pipeline

    places = {}
    for module in (compose, feature_selection, pipeline):
        places |= vars(module)
    return eval(code, places | find_classes() | {"numpy": np})


@cache
def make_data(name: str):
    """Return rows by the name that a case has."""
    rng = np.random.default_rng(0)
    if name == "wide":
        return rng.normal(size=(N_ROWS, 300))
    if name == "codes":
        return np.minimum(rng.geometric(0.4, (N_ROWS, 4)), 9)
    if name == "texts":
        codes = rng.geometric(0.05, (N_ROWS, 5))
        texts = [" ".join(f"w{code}" for code in row) for row in codes.tolist()]
        return np.array(texts, dtype=object)
    if name == "labels":
        return np.array([f"label {i % 7}" for i in range(N_ROWS)])
    if name == "label sets":
        sets = [[i % 3, i % 5][: 1 + i % 2] for i in range(N_ROWS)]
        return np.array(sets, dtype=object)
    if name == "dicts":
        return [{f"n{i % 7}": i / 3, "kind": str(i % 5)} for i in range(N_ROWS)]
    rows = rng.normal(3, 1, (N_ROWS, 4)) * [1, 2, 3, 40]
    if name == "positive":
        return np.abs(rows)
    if name == "few":
        return rng.random((N_FEW, 6))
    if name == "missing":
        rows[rng.random(rows.shape) < 0.1] = np.nan
        rows[:, 3] = np.round(rows[:, 3])
    return rows


@cache
def make_target(name: str) -> np.ndarray:
    """Return classes for the rows of that name."""
    rng = np.random.default_rng(1)
    X = make_data(name)
    y = rng.integers(0, 3, len(X))
    return y if np.ndim(X) == 1 else y + (np.nan_to_num(X)[:, 0] > 3)


def make_given(name: str) -> list:
    """Return the rows of that name, and their target unless they are targets."""
    X = make_data(name)
    return [X] if name.startswith("label") else [X, make_target(name)]
