"""Table of how scikit-learn's estimators learn from chunks.

The fields are those of `LearningEntry`. Classes have the names by which users import
them; scikit-learn 1.10 removes some. A class without a field has a ``fit`` that does
no more in this respect than ``partial_fit``.
"""

from skmmap.estimators.attributes import (
    count_mlp,
    drop_labels,
    set_batch_size,
    set_epochs,
    set_kmeans,
    set_mlp,
    set_sgd,
)
from skmmap.estimators.first_centers import initialize_dictionary, initialize_kmeans
from skmmap.estimators.first_state import begin_mlp, begin_sgd
from skmmap.estimators.gaussian import predict_gaussian
from skmmap.estimators.losses import (
    compute_dictionary_loss,
    compute_nmf_loss,
    compute_sgd_loss,
    find_inertia,
)
from skmmap.estimators.overrides import (
    check_mlp,
    override_lda,
    override_mlp,
    override_nmf,
    override_rbm,
    override_sgd,
)
from skmmap.estimators.sgd_state import LearningRate, SgdState
from skmmap.estimators.statistics import (
    Categories,
    Clusters,
    MaxAbsColumns,
    MinMaxColumns,
    Samples,
    Smoothing,
    StandardColumns,
)
from skmmap.estimators.stopping_rules import (
    DictionaryRule,
    KMeansRule,
    NmfRule,
    PerplexityRule,
    reduce_mlp_rate,
    reduce_sgd_rate,
)
from skmmap.estimators.sums import (
    always,
    counts_exactly,
    derive_min_max,
    derive_probabilities,
    merge_categories,
    merge_counts,
    merge_gaussian,
    merge_max_abs,
    merge_min_max,
    merge_standard,
)
from skmmap.estimators.zero_weight import counts_rows_alone
from skmmap.transformers import (
    learn_bins,
    learn_document_counts,
    learn_encoder,
    learn_imputer,
    learn_indicator,
    learn_label_sets,
    learn_labels,
    learn_names,
    learn_nystroem,
    learn_pca,
    learn_projection,
    learn_quantiles,
    learn_robust_scaler,
    learn_sampler,
    learn_selection,
    learn_splines,
    learn_target_encoder,
    learn_truncated_svd,
    learn_variances,
    learn_vocabulary,
)

_PASS = "{} takes another pass over X, which fit by chunks does not make; "

_SGD = {
    "epochs": "max_iter",
    "shuffle": "shuffle",
    "stopping": "loss",
    "early_stopping": "early_stopping",
    "reduce_rate": reduce_sgd_rate,
    "loss": compute_sgd_loss,
    "overrides": override_sgd,
    "warm_start": begin_sgd,
    "correction": SgdState,
    "zero_weights": True,
    "attributes": set_sgd,
}
_MLP = {
    "epochs": "max_iter",
    "shuffle": "shuffle",
    "equal_steps": True,
    "stopping": "loss",
    # Networks stop if the number of epochs without improvement is above
    # n_iter_no_change (_fit_stochastic), SGD if it is equal (_plain_sgd).
    "extra_patience": 1,
    "early_stopping": "early_stopping",
    "reduce_rate": reduce_mlp_rate,
    "overrides": override_mlp,
    "check": check_mlp,
    "warm_start": begin_mlp,
    "correction": LearningRate,
    "attributes": set_mlp,
    "counts": count_mlp,
}
_STATELESS = {"stateless": True}
_PROJECTION = {
    "stateless": lambda projection: projection.n_components != "auto",
    "chunk_learner": learn_projection,
}
_SELECTION = {"chunk_learner": learn_selection}
_SMOOTHING = "alpha", "force_alpha", "fit_prior", "class_prior"
_SMOOTHED = {
    "free": _SMOOTHING,
    "derive": derive_probabilities,
    "adds_exactly": counts_exactly,
}
SKLEARN = {
    "sklearn.linear_model.SGDClassifier": _SGD,
    "sklearn.linear_model.SGDRegressor": _SGD,
    "sklearn.linear_model.SGDOneClassSVM": _SGD,
    "sklearn.linear_model.Perceptron": _SGD,
    "sklearn.linear_model.PassiveAggressiveClassifier": _SGD,
    "sklearn.linear_model.PassiveAggressiveRegressor": _SGD,
    "sklearn.neural_network.MLPClassifier": _MLP,
    "sklearn.neural_network.MLPRegressor": _MLP,
    "sklearn.neural_network.BernoulliRBM": {
        "epochs": "n_iter",
        "shuffle": True,
        "batch_size": "batch_size",
        "overrides": override_rbm,
        "fit_only": ("verbose",),
        "correction": Samples,
    },
    "sklearn.cluster.MiniBatchKMeans": {
        "epochs": "max_iter",
        "shuffle": True,
        "batch_size": "batch_size",
        "min_rows": "n_clusters",
        "stopping": KMeansRule,
        "chunk_loss": find_inertia,
        "fit_only": ("compute_labels",),
        "initialize": initialize_kmeans,
        "attributes": set_kmeans,
        "hidden": {
            "inertia_": "inertia_ would be that of the last chunk alone; "
            "-model.score(X) computes it over all rows."
        },
    },
    "sklearn.cluster.Birch": {
        "shuffle": False,
        "correction": Clusters,
        "attributes": drop_labels,
    },
    "sklearn.decomposition.MiniBatchDictionaryLearning": {
        "epochs": "max_iter",
        "shuffle": "shuffle",
        "batch_size": "batch_size",
        "equal_steps": True,
        "stopping": DictionaryRule,
        "loss": compute_dictionary_loss,
        "loss_rows": 500,  # it takes as long as to train on them
        "fit_only": ("callback", "verbose"),
        "initialize": initialize_dictionary,
        "attributes": set_epochs,
    },
    "sklearn.decomposition.MiniBatchNMF": {
        "epochs": "max_iter",
        "shuffle": True,
        "batch_size": "batch_size",
        "stopping": NmfRule,
        "loss": compute_nmf_loss,
        "loss_rows": 500,  # it takes as long as to train on them
        "overrides": override_nmf,
        "fit_only": ("verbose",),
        "attributes": set_epochs,
        "hidden": {
            "reconstruction_err_": _PASS.format("reconstruction_err_")
            + "compare rows of X with model.inverse_transform(model.transform(X))."
        },
    },
    "sklearn.decomposition.LatentDirichletAllocation": {
        "epochs": "max_iter",
        "shuffle": True,
        "batch_size": "batch_size",
        "splits_chunks": True,
        "stopping": PerplexityRule,
        "overrides": override_lda,
        "fit_only": ("verbose",),
        "attributes": set_epochs,
        "hidden": {
            "bound_": _PASS.format("bound_") + "model.perplexity(X) computes it."
        },
    },
    "sklearn.decomposition.IncrementalPCA": {
        "shuffle": False,
        "batch_size": "batch_size",
        "default_batch_size": lambda n_features: 5 * n_features,
        "min_rows": "n_components",
        "dense": True,
        "attributes": set_batch_size,
    },
    "sklearn.preprocessing.StandardScaler": {
        "correction": StandardColumns,
        "zero_weights": counts_rows_alone,
        "merge": merge_standard,
        "free": ("copy",),
    },
    "sklearn.preprocessing.MinMaxScaler": {
        "correction": MinMaxColumns,
        "merge": merge_min_max,
        "adds_exactly": always,
        "free": ("feature_range", "clip", "copy"),
        "derive": derive_min_max,
    },
    "sklearn.preprocessing.MaxAbsScaler": {
        "correction": MaxAbsColumns,
        "merge": merge_max_abs,
        "adds_exactly": always,
        "free": ("clip", "copy"),
    },
    "sklearn.naive_bayes.GaussianNB": {
        "correction": Smoothing,
        "merge": merge_gaussian,
        "free": (),  # while it is corrected, var_smoothing is 0
        "compute_alike": predict_gaussian,
    },
    "sklearn.naive_bayes.CategoricalNB": {
        "correction": Categories,
        "zero_weights": True,
        "merge": merge_categories,
        **_SMOOTHED,
    },
    "sklearn.naive_bayes.MultinomialNB": {"merge": merge_counts, **_SMOOTHED},
    "sklearn.naive_bayes.ComplementNB": {
        "merge": merge_counts,
        **_SMOOTHED,
        "free": (*_SMOOTHING, "norm"),
    },
    "sklearn.naive_bayes.BernoulliNB": {"merge": merge_counts, **_SMOOTHED},
    "sklearn.multiclass.OneVsRestClassifier": {"fit_only": ("verbose",)},
    # Their fit learns how many columns there are, and draws by that number.
    "sklearn.frozen.FrozenEstimator": _STATELESS,
    "sklearn.decomposition.SparseCoder": _STATELESS,
    "sklearn.preprocessing.Binarizer": _STATELESS,
    "sklearn.preprocessing.FunctionTransformer": _STATELESS,
    "sklearn.preprocessing.Normalizer": _STATELESS,
    "sklearn.preprocessing.PolynomialFeatures": _STATELESS,
    "sklearn.feature_extraction.FeatureHasher": _STATELESS,
    "sklearn.feature_extraction.text.HashingVectorizer": _STATELESS,
    "sklearn.kernel_approximation.AdditiveChi2Sampler": _STATELESS,
    "sklearn.kernel_approximation.PolynomialCountSketch": _STATELESS,
    "sklearn.kernel_approximation.SkewedChi2Sampler": _STATELESS,
    "sklearn.kernel_approximation.RBFSampler": {
        "stateless": lambda sampler: not isinstance(sampler.gamma, str),
        "chunk_learner": learn_sampler,
    },
    "sklearn.preprocessing.SplineTransformer": {
        "stateless": lambda spline: not isinstance(spline.knots, str),
        "chunk_learner": learn_splines,
    },
    "sklearn.preprocessing.LabelBinarizer": {"chunk_learner": learn_labels},
    "sklearn.preprocessing.LabelEncoder": {"chunk_learner": learn_labels},
    "sklearn.preprocessing.MultiLabelBinarizer": {"chunk_learner": learn_label_sets},
    "sklearn.preprocessing.OneHotEncoder": {"chunk_learner": learn_encoder},
    "sklearn.preprocessing.OrdinalEncoder": {"chunk_learner": learn_encoder},
    "sklearn.preprocessing.TargetEncoder": {"chunk_learner": learn_target_encoder},
    "sklearn.impute.SimpleImputer": {"chunk_learner": learn_imputer},
    "sklearn.impute.MissingIndicator": {"chunk_learner": learn_indicator},
    "sklearn.preprocessing.RobustScaler": {"chunk_learner": learn_robust_scaler},
    "sklearn.preprocessing.QuantileTransformer": {"chunk_learner": learn_quantiles},
    "sklearn.kernel_approximation.Nystroem": {"chunk_learner": learn_nystroem},
    "sklearn.decomposition.PCA": {"chunk_learner": learn_pca},
    "sklearn.decomposition.TruncatedSVD": {"chunk_learner": learn_truncated_svd},
    "sklearn.feature_selection.VarianceThreshold": {"chunk_learner": learn_variances},
    "sklearn.feature_selection.GenericUnivariateSelect": _SELECTION,
    "sklearn.feature_selection.SelectFdr": _SELECTION,
    "sklearn.feature_selection.SelectFpr": _SELECTION,
    "sklearn.feature_selection.SelectFwe": _SELECTION,
    "sklearn.feature_selection.SelectKBest": _SELECTION,
    "sklearn.feature_selection.SelectPercentile": _SELECTION,
    "sklearn.preprocessing.KBinsDiscretizer": {"chunk_learner": learn_bins},
    "sklearn.feature_extraction.DictVectorizer": {"chunk_learner": learn_names},
    "sklearn.feature_extraction.text.CountVectorizer": {
        "stateless": lambda vectorizer: vectorizer.vocabulary is not None,
        "chunk_learner": learn_vocabulary,
    },
    "sklearn.feature_extraction.text.TfidfVectorizer": {
        "chunk_learner": learn_vocabulary
    },
    "sklearn.feature_extraction.text.TfidfTransformer": {
        "stateless": lambda transformer: not transformer.use_idf,
        "chunk_learner": learn_document_counts,
    },
    "sklearn.random_projection.GaussianRandomProjection": _PROJECTION,
    "sklearn.random_projection.SparseRandomProjection": _PROJECTION,
}
