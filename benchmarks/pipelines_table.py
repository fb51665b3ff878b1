"""Measure ChunkedFit of a pipeline on a Parquet table, against the loop by hand.

    python benchmarks/pipelines_table.py
    python benchmarks/pipelines_table.py --quick

20 columns of numbers, of which 5 % are missing, and 4 of texts, which become 575
one-hot columns; mean imputer, scaler, one-hot encoder and SGDClassifier, one epoch.
The loop
makes three passes over batches of pandas: means and categories, the scaler, the model.
"""

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from pipelines import Scenario, run
from scipy import sparse
from sklearn.compose import make_column_transformer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import SGDClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from skmmap import ChunkedFit, open_rows

NUMBERS = [f"x{i}" for i in range(20)]
TEXTS = {"city": 500, "make": 50, "kind": 20, "size": 5}
_GROUP_ROWS, _LOOP_ROWS, _CLASSES = 50_000, 10_000, [0, 1]


def write_table(folder: Path, n_rows: int) -> None:
    rng = np.random.default_rng(0)
    writer = None
    for start in range(0, n_rows, _GROUP_ROWS):
        n = min(_GROUP_ROWS, n_rows - start)
        numbers = rng.normal(3, 2, (n, len(NUMBERS)))
        codes = {name: rng.integers(0, k, n) for name, k in TEXTS.items()}
        score = (numbers[:, :5] - 3).sum(axis=1) + (codes["kind"] % 3 - 1)
        numbers[rng.random(numbers.shape) < 0.05] = np.nan
        frame = pd.DataFrame(numbers, columns=NUMBERS)
        for name, values in codes.items():
            frame[name] = [f"{name}_{value:05d}" for value in values]
        frame["label"] = (score > 0).astype(np.int64)
        table = pa.Table.from_pandas(frame, preserve_index=False)
        if writer is None:
            writer = pq.ParquetWriter(folder / "table.parquet", table.schema)
        writer.write_table(table, row_group_size=_GROUP_ROWS)
    writer.close()


def make_prepare():
    return make_column_transformer(
        (make_pipeline(SimpleImputer(), StandardScaler()), NUMBERS),
        (OneHotEncoder(handle_unknown="ignore"), list(TEXTS)),
    )


def make_last() -> SGDClassifier:
    return SGDClassifier(max_iter=1, tol=None, random_state=0)


def iter_frames(path):
    with pq.ParquetFile(path) as file:
        for batch in file.iter_batches(_LOOP_ROWS):
            yield batch.to_pandas()


def run_loop(path):
    """Impute, scale, encode and learn batch by batch, as one writes it by hand."""
    total, count = np.zeros(len(NUMBERS)), np.zeros(len(NUMBERS))
    known = {name: set() for name in TEXTS}
    for frame in iter_frames(path):
        values = frame[NUMBERS].to_numpy()
        total += np.nansum(values, axis=0)
        count += (~np.isnan(values)).sum(axis=0)
        for name in TEXTS:
            known[name].update(frame[name].unique())
    means = total / count
    scaler, model = StandardScaler(), make_last()
    for frame in iter_frames(path):
        values = frame[NUMBERS].to_numpy()
        scaler.partial_fit(np.where(np.isnan(values), means, values))
    categories = [sorted(values) for values in known.values()]
    encoder = OneHotEncoder(categories=categories, handle_unknown="ignore")
    encoder.fit(
        pd.DataFrame(
            {name: each[:1] for name, each in zip(TEXTS, categories, strict=True)}
        )
    )
    for frame in iter_frames(path):
        values = frame[NUMBERS].to_numpy()
        numbers = scaler.transform(np.where(np.isnan(values), means, values))
        X = sparse.hstack(
            [numbers, encoder.transform(frame[list(TEXTS)])], format="csr"
        )
        model.partial_fit(X, frame["label"], classes=_CLASSES)
    return model


def run_chunked(path, **params):
    X = open_rows(path, columns=[*NUMBERS, *TEXTS])
    y = open_rows(path, columns="label")
    pipeline = make_pipeline(make_prepare(), make_last())
    return ChunkedFit(pipeline, random_state=0, **params).fit(X, y)


def run_in_memory(path):
    frame = pd.read_parquet(path)
    y = frame.pop("label")
    return make_pipeline(make_prepare(), make_last()).fit(frame, y)


def open_table(folder, n_rows=None):
    """Return the path of the table, or of a small one."""
    path = Path(folder) / "table.parquet"
    if n_rows is None:
        return [path]
    small = Path(folder) / "small.parquet"
    if not small.exists():
        with pq.ParquetFile(path) as file:
            pq.write_table(
                pa.Table.from_batches([next(file.iter_batches(n_rows))]), small
            )
    return [small]


WAYS = {
    "loop": run_loop,
    "ChunkedFit, in file order": lambda path: run_chunked(path, shuffle=False),
    "ChunkedFit": run_chunked,
    "ChunkedFit, n_jobs=2": lambda path: run_chunked(path, n_jobs=2),
    "Pipeline.fit, with loading": run_in_memory,
}
SCENARIO = Scenario(
    "a Parquet table of 24 columns", 300_000, write_table, WAYS, open_table
)

if __name__ == "__main__":
    run(SCENARIO)
