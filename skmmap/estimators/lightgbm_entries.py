"""The entry of LightGBM's estimators, which bin rows as they are read by slices.

https://lightgbm.readthedocs.io/en/stable/Python-Intro.html#data-interface
"""

import warnings

from skmmap._messages import say_size
from skmmap.boosters import make_sequence
from skmmap.estimators.whole import (
    OF_EVALUATION,
    WholeRun,
    count_outputs,
    find_held,
    list_evaluations,
    refuse_others,
    refuse_parameters,
)

_EVALUATIONS = "eval_set", "eval_X", "eval_y", "eval_sample_weight"
_EVALUATIONS += ("eval_class_weight", "eval_init_score", "eval_group")
_REFUSED = dict.fromkeys(_EVALUATIONS, OF_EVALUATION) | {
    "init_model": "LightGBM would predict all rows with it, which have to be in memory "
    "for that. rows.to_lightgbm(y, init_score=scores) starts from predictions."
}
_SAMPLES = "bin_construct_sample_cnt", "subsample_for_bin"
_COPIES = 3  # of the sample, as float64: its rows, their columns, and those not zero


def check_lightgbm(estimator) -> None:
    """Raise for what cannot be trained from a sequence."""
    make = "rows.to_lightgbm(y, group=...) makes the data set for lightgbm.train"
    refuse_others(estimator, "LightGBM", make)


def train_lightgbm(estimator, run: WholeRun) -> None:
    """Let an estimator fit itself, from sequences that read rows by slices."""
    refuse_parameters(estimator, run, _REFUSED)
    params = dict(run.params)
    if run.X.names is not None:
        params.setdefault("feature_name", run.X.names)
    params |= list_evaluations(run, "eval_sample_weight", make_sequence)
    X = make_sequence(run.X)
    with warnings.catch_warnings():
        # 4.7 asks for eval_y instead, whose labels its classifiers do not encode.
        warnings.filterwarnings("ignore", "The argument 'eval_set' is deprecated")
        estimator.fit(X, run.y, sample_weight=run.sample_weight, **params)


def find_lightgbm_memory(estimator, run: WholeRun) -> dict[str, int]:
    """Return the bytes that training takes at most, by what they are for."""
    (n_rows, n_columns), params = run.X.shape, estimator.get_params()
    sample = min(n_rows, _find_sample(params))
    width = 2 if params.get("max_bin", 255) > 255 else 1
    n_val = 0 if run.X_val is None else run.X_val.shape[0]
    return find_held(run) | {
        f"{n_rows + n_val:,} binned rows": width * (n_rows + n_val) * n_columns,
        f"a sample of {sample:,} rows": 8 * _COPIES * sample * n_columns,
        "a chunk as float64": 16 * min(run.X.chunk_rows, n_rows) * n_columns,
        "gradients": 32 * n_rows * count_outputs(estimator, run.y),
    }


def _find_sample(params: dict) -> int:
    given = [params[name] for name in _SAMPLES if params.get(name) is not None]
    return int(given[0]) if given else 200_000


def say_lightgbm(estimator, run: WholeRun) -> dict[str, str]:
    """Return what ``explain`` says of it."""
    nbytes = say_size(run.X.nbytes)
    return {
        "trains": "LightGBM's own binned data (lightgbm.Sequence), kept in memory",
        "reads": f"blocks with the sample for the bins, then {nbytes} once",
    }


LIGHTGBM = {
    "lightgbm.sklearn.LGBMModel": {
        "check": check_lightgbm,
        "dense": True,
        "train": train_lightgbm,
        "train_memory": find_lightgbm_memory,
        "train_explain": say_lightgbm,
    },
}
