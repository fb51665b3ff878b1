"""Measure two workers of transformers that learn from parts of the rows.

    python benchmarks/merged_passes.py
    python benchmarks/merged_passes.py --quick

The ways take turns in each round, and a ratio is of one round: joblib's backend is set
to threads and to processes, against one worker.
"""

import argparse
import tempfile
import time
from pathlib import Path

import joblib
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from measure import describe_machine
from memory import one_thread
from sklearn.decomposition import PCA
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.feature_selection import SelectKBest
from sklearn.impute import SimpleImputer
from sklearn.preprocessing import OneHotEncoder

from skmmap import ChunkedFit, open_rows

WAYS = {"one": (1, "threading"), "threads": (2, "threading"), "processes": (2, "loky")}
CASES = {
    "mean": (SimpleImputer(), "missing.npy"),
    "median": (SimpleImputer(strategy="median"), "missing.npy"),
    "PCA": (PCA(10), "X.npy"),
    "f_classif": (SelectKBest(k=3), "X.npy"),
    "OneHotEncoder": (OneHotEncoder(), "codes.npy"),
    "CountVectorizer": (CountVectorizer(), "texts.parquet"),
}


def write_files(folder: Path, n_rows: int) -> None:
    rng = np.random.default_rng(0)
    X = rng.normal(size=(n_rows, 40)).astype(np.float32)
    np.save(folder / "X.npy", X)
    X[rng.random(X.shape) < 0.05] = np.nan
    np.save(folder / "missing.npy", X)
    np.save(folder / "codes.npy", rng.integers(0, 300, (n_rows, 8)))
    np.save(folder / "y.npy", rng.integers(0, 3, n_rows))
    words = np.array([f"w{i}" for i in range(30_000)])
    drawn = np.minimum(rng.zipf(1.3, (n_rows // 50, 60)), 30_000) - 1
    texts = pa.table({"text": [" ".join(words[row]) for row in drawn]})
    pq.write_table(texts, folder / "texts.parquet", row_group_size=5_000)


def fit(folder: Path, transformer, name: str, way: str) -> float:
    """Return the seconds of a fit."""
    n_jobs, backend = WAYS[way]
    columns = {"columns": "text"} if name.endswith(".parquet") else {}
    rows, y = open_rows(folder / name, **columns), None
    if isinstance(transformer, SelectKBest):
        y = folder / "y.npy"
    began = time.perf_counter()
    with joblib.parallel_config(backend):
        ChunkedFit(transformer, n_jobs=n_jobs).fit(rows, y)
    return time.perf_counter() - began


def measure(folder: Path, repeats: int) -> None:
    print("| transformer | one worker | threads | processes |\n|---|--:|--:|--:|")
    for name, case in CASES.items():
        rounds = [[fit(folder, *case, way) for way in WAYS] for _ in range(repeats + 1)]
        times = np.array(rounds[1:])  # the first one starts the processes
        one, ratios = np.median(times[:, 0]), np.median(times / times[:, :1], axis=0)
        print(f"| {name} | {one:.2f} s | {ratios[1]:.2f} | {ratios[2]:.2f} |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="few rows, one round")
    quick = parser.parse_args().quick
    print(describe_machine())
    with tempfile.TemporaryDirectory() as folder, one_thread():
        write_files(Path(folder), 20_000 if quick else 2_000_000)
        measure(Path(folder), 1 if quick else 5)


if __name__ == "__main__":
    main()
