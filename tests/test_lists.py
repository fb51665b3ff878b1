"""A value means the same in every door: paths, patterns, lists of sources, of rows."""

import os
from functools import cache, partial
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pytest
from helpers import combine, raises
from scipy import sparse
from sklearn.cluster import MiniBatchKMeans
from sklearn.linear_model import SGDClassifier
from sklearn.preprocessing import StandardScaler

from skmmap import ChunkedFit, convert, open_rows
from skmmap.cli.info import describe
from skmmap.disk.paths import find_suffix
from skmmap.formats.lists import is_shards
from skmmap.formats.open import open_source

rng = np.random.default_rng(0)
X = rng.normal(size=(60, 3))
Y = np.arange(60) % 2
HALVES = slice(0, 25), slice(25, 60)
SCALER = ChunkedFit(StandardScaler()).fit(X)
KMEANS = ChunkedFit(MiniBatchKMeans(2, random_state=0)).fit(X)


def sgd():
    return ChunkedFit(SGDClassifier(random_state=0, max_iter=2, tol=None))


def read_converted(given):
    return np.load(convert(given, "converted.npy")._source.store.path)


def explain(X, y):
    """Return shape and labels, which do not depend on where rows are."""
    first, *lines = str(sgd().explain(X, y)).splitlines()
    assert "on 60 x 3 " in first
    return [line for line in lines if "labels" in line]


DOORS_OF_X = {
    "open_rows": lambda given: np.asarray(open_rows(given)),
    "convert": read_converted,
    "fit": lambda given: sgd().fit(given, Y).coef_,
    "partial_fit": lambda given: ChunkedFit(StandardScaler()).partial_fit(given).mean_,
    "X_val": lambda given: sgd().fit(X, Y, X_val=given, y_val=Y).history_["score"],
    "predict": lambda given: KMEANS.predict(given),
    "transform": lambda given: SCALER.transform(given),
    "score": lambda given: KMEANS.score(given),
    "explain": lambda given: explain(given, Y),
}
DOORS_OF_Y = {
    "open_rows": lambda given: np.asarray(open_rows(given)),
    "fit": lambda given: sgd().fit(X, given).coef_,
    "weights": lambda given: sgd().fit(X, Y, sample_weight=given).coef_,
    "partial_fit": lambda given: sgd().partial_fit(X, given).coef_,
    "y_val": lambda given: sgd().fit(X, Y, X_val=X, y_val=given).history_["score"],
    "score": lambda given: sgd().fit(X, Y).score(X, given),
    "explain": lambda given: explain(X, given),
}


def put(path, values, write=np.save):
    """Write values to a file of any name."""
    os.makedirs(Path(path).parent, exist_ok=True)
    if write is np.save:
        with open(path, "wb") as file:
            np.save(file, values)
    else:
        write(path, values)
    return path


def write_hdf(path, values, **options):
    with h5py.File(path, "w", **options) as file:
        file["X"] = values


def write_parquet(path, values):
    frame = pd.DataFrame(values, columns=list("abc"[: np.shape(values)[1]]))
    frame.to_parquet(path)


def write_arrow(path, values):
    frame = pd.DataFrame(values, columns=list("abc"[: np.shape(values)[1]]))
    frame.to_feather(path, compression="uncompressed")


def halves(values, name="p"):
    return [put(f"{name}_{i}.npy", values[half]) for i, half in enumerate(HALVES)]


WAYS = {
    "path": lambda values: put("a.npy", values),
    "pathlib": lambda values: Path(put("a.npy", values)),
    "bytes": lambda values: os.fsencode(put("a.npy", values)),
    "home": lambda values: (put("a.npy", values), "~/a.npy")[1],
    "capitals": lambda values: put("a.NPY", values),
    "no suffix": lambda values: put("a", values),
    "hdf5": lambda values: put("a.h5", values, write_hdf),
    "h5ad": lambda values: put("a.h5ad", values, write_hdf),
    "hdf5 by content": lambda values: put("a.dat", values, write_hdf),
    "user block": lambda values: put(
        "a.dat", values, lambda *args: write_hdf(*args, userblock_size=2048)
    ),
    "paths": halves,
    "pathlibs": lambda values: tuple(map(Path, halves(values))),
    "no suffixes": lambda values: [
        put(f"p{i}", values[half]) for i, half in enumerate(HALVES)
    ],
    "homes": lambda values: [f"~/{name}" for name in halves(values)],
    "maps": lambda values: [np.load(name, mmap_mode="r") for name in halves(values)],
    "parts of a map": lambda values: [
        np.load(put("a.npy", values), mmap_mode="r")[half] for half in HALVES
    ],
    "Rows": lambda values: [open_rows(name) for name in halves(values)],
    "mixed": lambda values: [
        open_rows(halves(values)[0]),
        np.load("p_1.npy", mmap_mode="r"),
    ],
    "array and map": lambda values: [
        values[HALVES[0]],
        np.load(halves(values)[1], mmap_mode="r"),
    ],
    "datasets": lambda values: [
        h5py.File(put(f"{i}.h5", values[half], write_hdf))["X"]
        for i, half in enumerate(HALVES)
    ],
    "pattern": lambda values: (halves(values), "p_*.npy")[1],
    "pattern in brackets": lambda values: (
        halves(values, "run[1]/v~2/p"),
        Path("run[1]/v~2/p_*.npy"),
    )[1],
    "patterns": lambda values: (halves(values), ["p_[0].npy", "*_1.npy"])[1],
    "name in brackets": lambda values: put("a[0].npy", values),
    "rows of a map": lambda values: list(np.load(put("a.npy", values), mmap_mode="r")),
    "rows": lambda values: list(values),
}
OF_TABLES = {
    "parquet": lambda values: put("a.PARQUET", values, write_parquet),
    "parquet by content": lambda values: put("a.dat", values, write_parquet),
    "arrow by content": lambda values: put("a.dat", values, write_arrow),
}


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    os.makedirs("run1/v~2")  # which "run[1]" would match
    return tmp_path


@cache
def find_expected(door, *, of_y: bool = False):
    """Return what a door gives of the array itself; once for all ways."""
    return np.array(DOORS_OF_Y[door](Y) if of_y else DOORS_OF_X[door](X))


@pytest.mark.filterwarnings("ignore:X has feature names:UserWarning")
@pytest.mark.parametrize(
    ("door", "way"), combine(DOORS_OF_X, WAYS | OF_TABLES, together=1)
)
def test_x_means_the_same_in_every_door(door, way):
    found = DOORS_OF_X[door]((WAYS | OF_TABLES)[way](X))
    np.testing.assert_array_equal(found, find_expected(door))


@pytest.mark.parametrize(("door", "way"), combine(DOORS_OF_Y, WAYS, together=1))
def test_y_means_the_same_in_every_door(door, way):
    found = DOORS_OF_Y[door](WAYS[way](Y))
    np.testing.assert_array_equal(found, find_expected(door, of_y=True))


@pytest.mark.parametrize("way", ["home", "capitals", "hdf5 by content", "pattern"])
def test_the_command_line_takes_the_same(way):
    assert describe(WAYS[way](X)).startswith("shape    60 x 3\ntype     float64\nsize")


def test_results_go_where_paths_say(folder):
    """Out and dst: a home folder and capitals, too."""
    put("a.npy", X)
    SCALER.transform("~/a.npy", out=Path("~/out.NPY"))
    assert np.array_equal(np.load(folder / "out.NPY"), SCALER.transform(X))
    convert("~/a.npy", "~/b.npy")
    assert np.array_equal(np.load(folder / "b.npy"), X)


MATRICES = {
    "arrays": lambda: ([X, X], "ndarray of 2"),
    "open_rows": lambda: (open_rows([X, X]), "ndarray of 2"),
    "images": lambda: (X.reshape(-1, 2, 3).tolist(), "list of 2"),
    "images of a map": lambda: (
        list(np.load(put("a.npy", X.reshape(-1, 2, 3)), mmap_mode="r")),
        "memmap of 2",
    ),
    "more": lambda: ((X.reshape(-1, 1, 2, 3),) * 2, "ndarray of 4"),
    "sparse": lambda: ([sparse.csr_array(X)] * 2, "csr_array of 2"),
    "frames": lambda: ([pd.DataFrame(X)] * 2, "DataFrame of 2"),
}
OF_ESTIMATORS = [door for door in DOORS_OF_X if door not in ("open_rows", "convert")]


@pytest.mark.parametrize("way", MATRICES)
@pytest.mark.parametrize("door", OF_ESTIMATORS)
def test_a_list_of_matrices_is_refused(door, way):
    given, kind = MATRICES[way]()
    dims = int(kind[-1])
    text = (
        f"Found array with dim {dims + 1}, while dim <= 2 is required: X is a list of "
        f"{kind} dimensions. Join them: np.concatenate(X) where each is many rows, "
        "np.stack(X) where each is one. Of paths, maps and Rows, a list is shards."
    )
    with raises(ValueError, text):
        DOORS_OF_X[door](given)


@pytest.mark.parametrize("empty", [[], ()])
@pytest.mark.parametrize("door", DOORS_OF_X)
def test_an_empty_list_is_refused(door, empty):
    name = "source" if door in ("open_rows", "convert") else "X"
    text = (
        f"{name} is an empty {type(empty).__name__}; it must hold rows, or the paths, "
        "maps or Rows of shards."
    )
    with raises(ValueError, text):
        DOORS_OF_X[door](empty)


@pytest.mark.parametrize(
    "rows",
    [
        ["cat", "dog", "dog"],  # there are folders of these names
        ["a sentence on X.npy", "another, on a.npy and more"],
        ["notes", "X.npy"],  # a file without rows
        ["X.npy", "missing"],
        [1, 2, 3],
        [{"a": 1.0}, {"b": 2.0}],
        [[("a", 1), ("b", 2)], [("a", 3), ("b", 4)]],
        [None, "X.npy"],
        np.array(["X.npy", "X.npy"]),
    ],
)
def test_rows_of_text_stay_rows(rows, folder):
    put("X.npy", X)
    for name in ("cat", "dog"):
        (folder / name).mkdir()
    (folder / "notes").write_text("text")
    source = open_source(rows, "X")
    assert list(source.read(0, len(rows))) == list(rows)


def test_labels_of_text_stay_labels(folder):
    for name in ("cat", "dog"):
        (folder / name).mkdir()
    labels = np.where(Y, "cat", "dog").tolist()
    assert sgd().fit(X, labels).classes_.tolist() == ["cat", "dog"]


def test_texts_that_all_name_files_of_rows_have_to_be_there():
    for given in (["a.npy", "b.H5"], "a.parquet", [Path("a")]):
        with pytest.raises(FileNotFoundError):
            sgd().fit(given, Y)
    with pytest.raises(FileNotFoundError):  # where text has no other meaning
        open_rows(["a", "b"])


@pytest.mark.parametrize("text", [np.str_, np.bytes_])
def test_texts_of_numpy_are_paths(text):
    paths = list(np.array(halves(X), text))
    assert type(paths[0]) is text
    for door in ("open_rows", "convert", "fit", "predict"):
        use = DOORS_OF_X[door]
        np.testing.assert_array_equal(use(paths), use(X))
    labels = list(np.array(["cat", "dog"])[Y])
    assert sgd().fit(X, labels).classes_.tolist() == ["cat", "dog"]


@pytest.mark.parametrize("empty", ["", b"", np.str_("")])
def test_an_empty_path_is_not_this_folder(empty):
    put("a.parquet", X, write_parquet)
    error = f"The path {empty!r} is empty. Give the name of a file, or '.' for the "
    error += "current folder."
    calls = [lambda: sgd().fit(X, empty), lambda: describe(empty)]
    calls += [lambda: SCALER.transform(X, out=empty), lambda: convert(X, empty)]
    calls += [lambda: open_rows([empty, "a.parquet"])]
    for call in [*calls, *(partial(use, empty) for use in DOORS_OF_X.values())]:
        with raises(FileNotFoundError, error):
            call()
    # Texts that mean something else may be empty, and "." is what it says.
    assert not is_shards([empty, empty], is_text=True)
    ChunkedFit(Remembering(), **THE_LOOP).fit(X, Y, note=empty, tag=Y)
    assert open_rows(".").shape == X.shape


def test_folders_of_rows_among_shards(folder):
    matrix = sparse.random_array(
        (20, 5), density=0.3, format="csr", random_state=np.random.default_rng(0)
    )
    for name in ("one", "two"):
        for part in ("data", "indices", "indptr"):
            put(f"{name}/{part}.npy", getattr(matrix, part))
        put(f"{name}/shape.npy", matrix.shape)
    assert is_shards(["one", "two"], is_text=True)
    mean = ChunkedFit(StandardScaler(with_mean=False)).fit(["one", "two"]).scale_
    assert np.allclose(mean, np.r_[matrix.toarray(), matrix.toarray()].std(axis=0))


class Remembering(SGDClassifier):
    """Takes a parameter with a value for each row, and one that is a text."""

    def partial_fit(self, X, y, classes=None, tag=None, note=None):
        self.seen = (*getattr(self, "seen", ()), (np.asarray(tag).tolist(), note))
        return super().partial_fit(X, y, classes)


@pytest.mark.parametrize("way", WAYS)
def test_parameters_by_row(way):
    given, model = WAYS[way](np.arange(60)), ChunkedFit(Remembering(), **THE_LOOP)
    if isinstance(given, str | bytes) and find_suffix(os.fsdecode(given)) != ".npy":
        given = Path(given)  # a text without .npy is for the estimator
    model.fit(X, Y, tag=given, note="a.h5")
    assert model.estimator_.seen == ((list(range(60)), "a.h5"),)


THE_LOOP = {"shuffle": False, "max_epochs": 1}


def test_a_file_wins_over_home_and_patterns(folder):
    put("~/a.npy", np.arange(3))
    put("a.npy", np.arange(5))
    assert len(open_rows("~/a.npy")) == 3
    put("[ab].npy", np.arange(7))
    assert len(open_rows("[ab].npy")) == 7
