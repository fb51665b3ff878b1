"""Objects that compute rows: those of the same table in a Parquet file are right."""

import gc
import os
import pickle
import re
import subprocess
import sys

import numpy as np
import pandas as pd
import polars as pl
import polars.testing
import pyarrow as pa
import pyarrow.dataset
import pyarrow.parquet as pq
import pytest
from helpers import raises
from processes import run_fresh
from sklearn.cluster import MiniBatchKMeans
from sklearn.compose import make_column_transformer
from sklearn.linear_model import SGDClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from skmmap import ChunkedFit, open_rows
from skmmap.disk import has_unnamed_files
from skmmap.formats.arrow import spool

N = 600
FEATURES = ["height", "age", "kind", "soil"]
same = pd.testing.assert_frame_equal


def make_trees(n_rows=N):
    rng = np.random.default_rng(0)
    height = rng.normal(10, 3, n_rows)
    return pa.table(
        {
            "height": height,
            "age": pa.array(rng.integers(0, 99, n_rows), mask=rng.random(n_rows) < 0.1),
            "kind": pa.array(
                rng.choice(["oak", "ash", None], n_rows, p=[0.5, 0.4, 0.1])
            ),
            "soil": pa.array(rng.choice(["sand", "clay"], n_rows)).dictionary_encode(),
            "day": pa.array(rng.integers(0, 9_999, n_rows, "i4")).cast("date32"),
            "label": np.where(height > 10, "tall", "low").tolist(),
        }
    )


class Capsule:
    """The least that a library gives."""

    def __init__(self, table):
        self._table = table

    def __arrow_c_stream__(self, requested_schema=None):
        return self._table.__arrow_c_stream__(requested_schema)


class Table:
    """As in ibis, of which the stream is that of a table in memory."""

    __module__ = "ibis.expr"

    def __init__(self, table):
        self.to_pyarrow_batches = table.to_reader

    def __arrow_c_stream__(self, requested_schema=None):
        pytest.fail("it was loaded whole")


def to_relation(table):
    duckdb = pytest.importorskip("duckdb")
    return duckdb.from_arrow(table)


MAKE = {
    "polars": lambda table: pl.from_arrow(table).lazy(),
    "duckdb": to_relation,
    "reader": lambda table: table.to_reader(max_chunksize=50),
    "dataset": pyarrow.dataset.dataset,
    "scanner": lambda table: pyarrow.dataset.dataset(table).scanner(),
    "capsule": Capsule,
    "ibis": Table,
}


@pytest.fixture(params=MAKE)
def make(request):
    return MAKE[request.param]


@pytest.fixture(autouse=True)
def nothing_is_left(tmp_path, monkeypatch):
    """Let temporary files be made in a folder that is empty at the end."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(folder))
    yield folder
    gc.collect()
    assert not list(folder.iterdir())
    if has_unnamed_files():
        links = [f"/proc/self/fd/{number}" for number in os.listdir("/proc/self/fd")]
        held = [os.readlink(link) for link in links if os.path.lexists(link)]
        assert not [name for name in held if str(folder) in name]


# The rows


def test_rows_are_those_of_a_parquet_file(tmp_path, make):
    table = make_trees()
    pq.write_table(table, tmp_path / "t.parquet")
    rows, whole = open_rows(make(table)), open_rows(tmp_path / "t.parquet").read()
    if make is to_relation:  # DuckDB decodes categories that are not its own
        whole["soil"] = whole["soil"].astype(object)
    same(rows.read(), whole)
    same(rows.read(7, 301), whole[7:301])
    picked = np.random.default_rng(0).permutation(N)[:99]
    same(rows[picked].read(), whole.iloc[picked])
    assert rows.shape == (N, 6)


def test_types_of_polars(tmp_path):
    table = pl.DataFrame(
        {
            "cat": pl.Series(["p", None, "r"] * 4, dtype=pl.Categorical),
            "enum": pl.Series(["b", "a", None] * 4, dtype=pl.Enum(["c", "b", "a"])),
            "list": [[1, 2]] * 12,
            "none": pl.Series([None] * 12),
            "small": pl.Series(range(12), dtype=pl.Int8),
            "some": [None, *range(11)],
            "text": ["x", None] * 6,
            "time": pl.datetime_range(
                pl.datetime(2020, 1, 1), pl.datetime(2020, 1, 12), eager=True
            ).dt.cast_time_unit("ms"),
        }
    )
    table.write_parquet(tmp_path / "t.parquet")
    for library in ("pandas", "polars"):
        rows, file = (
            open_rows(source, as_frame=library)
            for source in (table.lazy(), tmp_path / "t.parquet")
        )
        equal = same if library == "pandas" else pl.testing.assert_frame_equal
        equal(rows.read(), file.read())
        equal(rows.read(3, 8), file.read(3, 8))


def test_polars_before_it_had_batches(monkeypatch):
    frame = pl.from_arrow(make_trees())
    expected = open_rows(frame.lazy()).read()
    monkeypatch.delattr(pl.LazyFrame, "collect_batches", raising=False)
    same(open_rows(frame.lazy()).read(), expected)


@pytest.mark.parametrize("batch_rows", [1, 4, 100])
def test_categories_are_those_of_all_batches(monkeypatch, batch_rows):
    monkeypatch.setattr(spool, "_BATCH_ROWS", batch_rows)
    words = ["b", "b", "a", None, "c", "a", "d", "b", None, "a"]
    parts = [pa.array(words[i : i + 2]).dictionary_encode() for i in range(0, 10, 2)]
    batches = [pa.record_batch({"c": c, "n": list(range(2))}) for c in parts]
    reader = pa.RecordBatchReader.from_batches(batches[0].schema, batches)
    rows = open_rows(reader)
    expected = pd.Categorical(words, categories=list("bacd"))
    pd.testing.assert_series_equal(rows.read()["c"], pd.Series(expected, name="c"))
    assert rows.read(2, 3)["c"].cat.categories.tolist() == list("bacd")


def test_numbers_are_an_array():
    frame = pl.LazyFrame(
        {"a": [1, 2, None], "b": [0.5, 1.5, 2.5], "t": ["x", "y", "z"]}
    )
    rows = open_rows(frame, columns=["b", "a"])
    np.testing.assert_array_equal(rows.read(), [[0.5, 1], [1.5, 2], [2.5, np.nan]])
    assert rows.columns.tolist() == ["b", "a"]
    assert open_rows(frame, columns="t").read().tolist() == ["x", "y", "z"]
    assert "<Rows: 3 x 2 float64 of a LazyFrame: " in repr(rows)


@pytest.mark.parametrize("as_frame", ["auto", "pandas"])
def test_no_rows(as_frame):
    frame = pl.LazyFrame({"a": [1], "t": ["x"]}).filter(pl.col("a") > 1)
    rows = open_rows(frame, as_frame=as_frame)
    assert rows.shape == (0, 2)
    assert rows.read().columns.tolist() == ["a", "t"]
    reader = make_trees().to_reader()
    reader.read_all()
    with raises(ValueError, "X has 0 rows; at least 1 is needed."):
        ChunkedFit(StandardScaler()).fit(reader)


def test_a_reader_is_read_once():
    reader, text = (
        make_trees().to_reader(),
        "The rows of a RecordBatchReader were read before, which can be done once. "
        "Open it once, rows = open_rows(reader), and give rows to each call.",
    )
    assert len(open_rows(reader)) == N
    with raises(ValueError, text):
        open_rows(reader)
    for _ in range(2):  # another one may come to lie where this was
        del reader
        gc.collect()
        reader = make_trees().to_reader()
        assert len(open_rows(reader)) == N


def test_lists_of_objects_are_shards():
    table = make_trees().select(["height", "age", "kind"])
    rows = open_rows([MAKE["polars"](table[:250]), Capsule(table[250:])])
    same(rows.read().reset_index(drop=True), open_rows(table).read())


# Training


def make_model(**params):
    prepare = make_column_transformer(
        (StandardScaler(), ["height"]),
        (OneHotEncoder(handle_unknown="ignore"), ["kind", "soil"]),
    )
    model = make_pipeline(prepare, SGDClassifier(random_state=0))
    return ChunkedFit(model, random_state=0, chunk_size=90, max_epochs=3, **params)


@pytest.mark.parametrize(
    ("kind", "library"),
    [("polars", "polars"), ("duckdb", "pandas"), ("reader", "pandas")],
)
def test_x_and_y_of_one_table(kind, library):
    table = make_trees()
    given = open_rows(table, columns=FEATURES, as_frame=library)
    labels = np.array(table["label"].to_pylist())
    expected = make_model().fit(given, labels)
    rows = open_rows(MAKE[kind](table))
    X = open_rows(rows, columns=FEATURES, as_frame=library)
    y = open_rows(rows, columns="label")
    model = make_model().fit(X, y)
    coef = expected.estimator_[-1].coef_
    np.testing.assert_array_equal(model.estimator_[-1].coef_, coef)
    assert model.feature_names_in_.tolist() == FEATURES
    assert model.score(X, y) == expected.score(given, labels) > 0.9
    direct = make_model().fit(MAKE[kind](table.select(FEATURES)), y)
    assert direct.score(MAKE[kind](table.select(FEATURES)), y) > 0.9
    if library == "pandas":
        np.testing.assert_array_equal(direct.estimator_[-1].coef_, coef)


def count_runs(frame: pl.DataFrame) -> tuple:
    """Return a lazy frame, and a list that grows each time it is computed."""
    runs = []
    return frame.lazy().map_batches(lambda part: runs.append(1) or part), runs


def test_each_call_computes_them_once():
    X = np.random.default_rng(0).normal(size=(300, 3))
    y = (X[:, 0] > 0).astype(int)
    lazy, runs = count_runs(pl.DataFrame(X, schema=["a", "b", "c"]))
    classifier = ChunkedFit(make_pipeline(StandardScaler(), SGDClassifier()))
    scaler = ChunkedFit(StandardScaler(), chunk_size=70)
    clusters = ChunkedFit(MiniBatchKMeans(2, n_init=1, random_state=0), random_state=0)
    calls = [
        lambda: classifier.fit(lazy, y),
        lambda: classifier.predict(lazy),
        lambda: classifier.score(lazy, y),
        lambda: classifier.partial_fit(lazy, y),
        lambda: scaler.fit_transform(lazy),
        lambda: clusters.fit_predict(lazy),
    ]
    results = []
    for call in calls:
        runs.clear()
        results.append(call())
        assert len(runs) == 1
    assert isinstance(results[-2], np.ndarray)
    expected = StandardScaler().fit_transform(X)
    np.testing.assert_allclose(results[-2], expected, atol=1e-12)
    expected = clusters.fit_predict(pd.DataFrame(X, columns=["a", "b", "c"]))
    np.testing.assert_array_equal(results[-1], expected)


def test_threads_read_them():
    table = make_trees().select(["height", "age"]).to_pandas().fillna(0)
    table = pa.Table.from_pandas(table)
    model = ChunkedFit(StandardScaler(), chunk_size=50, n_jobs=2).fit(table.to_pandas())
    np.testing.assert_array_equal(
        model.transform(Capsule(table)), model.transform(table.to_pandas())
    )


@pytest.mark.parametrize("name", ["y", "sample_weight"])
@pytest.mark.parametrize(
    ("kind", "where"), [("polars", "a LazyFrame"), ("dataset", "an InMemoryDataset")]
)
def test_what_belongs_to_the_rows_comes_from_their_table(kind, where, name):
    table = make_trees()
    given = {"y": np.zeros(N), name: MAKE[kind](table.select(["label"]))}
    text = (
        f"{name} is {where}, which would be computed by itself, perhaps in another "
        "order than X. Compute all columns once, table = open_rows(source), and choose "
        f"{name}, open_rows(table, columns='label'), and X, open_rows(table, "
        "columns=[...])."
    )
    with raises(TypeError, text):
        make_model().fit(table.to_pandas(), **given)


def test_results_are_not_continued(tmp_path):
    lazy = pl.LazyFrame({"a": [1.0, 2.0], "b": [3.0, 4.0]})
    model = ChunkedFit(StandardScaler()).fit(lazy)
    text = (
        "resume=True needs rows that can be identified, and a LazyFrame is computed, "
        "by code that may have changed since an earlier run. Write them to a file with "
        "skmmap.convert(X, 'X.npy'), and give that."
    )
    with raises(ValueError, text):
        model.transform(lazy, out=tmp_path / "Z.npy", resume=True)


@pytest.mark.parametrize(
    ("values", "to"),
    [
        ([1.0, 2.0], "a file with skmmap.convert(X, 'X.npy')"),
        (["a", "b"], "a Parquet file"),
    ],
)
def test_fits_are_not_continued(values, to, tmp_path):
    text = (
        "checkpoint= needs rows that can be identified, and a LazyFrame is computed, "
        "by code that may have changed since an earlier run. Write them to "
        f"{to}, and give that."
    )
    model = ChunkedFit(SGDClassifier(), checkpoint=tmp_path / "run.ckpt")
    with raises(ValueError, text):
        model.fit(pl.LazyFrame({"a": values}), [0, 1])
    assert not list(tmp_path.glob("*run.ckpt*"))


# Columns of tables that are open


@pytest.fixture(params=["file", "table", "stream"])
def table(request, tmp_path):
    trees = make_trees()
    if request.param == "file":
        pq.write_table(trees, tmp_path / "t.parquet", row_group_size=77)
    sources = {"file": tmp_path / "t.parquet", "table": trees}
    with open_rows(sources.get(request.param, Capsule(trees))) as rows:
        yield rows


def test_columns_of_rows(table):
    whole, numbers = table.read(), ["height", "age"]
    picked = open_rows(table[5:500:3], columns=numbers)
    np.testing.assert_array_equal(picked.read(), whole[numbers][5:500:3])
    same(open_rows(table, columns=["kind", "age"]).read(), whole[["kind", "age"]])
    assert open_rows(table, columns="label").read().tolist() == whole["label"].tolist()
    assert isinstance(open_rows(table, as_frame="polars").read(0, 2), pl.DataFrame)
    same(open_rows(picked, as_frame="pandas").read(), whole[numbers][5:500:3])
    assert open_rows(picked, columns="age").shape == (165,)


def test_columns_that_rows_do_not_have(table):
    rows = open_rows(table, columns=["height", "age"])
    text = "has no column 'kind'; it has 'height', 'age'."
    with pytest.raises(ValueError, match=re.escape(text)):
        open_rows(rows, columns="kind")
    text = "columns has no meaning for a Rows; got 'a'."
    with raises(ValueError, text):
        open_rows(open_rows(np.ones((3, 2))), columns="a")
    with raises(ValueError, "mode must be 'r' for a Rows; got 'r+'."):
        open_rows(table, columns="age", mode="r+")
    table.close()
    with pytest.raises(ValueError, match="are closed"):
        open_rows(table, columns="age")


def test_columns_of_a_file_that_was_replaced(tmp_path):
    pq.write_table(make_trees(), tmp_path / "t.parquet")
    rows = open_rows(tmp_path / "t.parquet")
    pq.write_table(make_trees(), tmp_path / "new.parquet", compression="none")
    (tmp_path / "new.parquet").replace(tmp_path / "t.parquet")
    with pytest.raises(ValueError, match="was replaced since it was opened"):
        open_rows(rows, columns="age")


# The temporary file


def test_the_file_is_shared_and_goes_with_the_last_rows():
    rows = open_rows(Capsule(make_trees()))
    X, y = open_rows(rows, columns=FEATURES), open_rows(rows, columns="label")
    path = rows._source.store.spool.path
    sent = pickle.loads(pickle.dumps(X[3:]))
    rows.close()
    with pytest.raises(ValueError, match="The rows of 'a Capsule' are closed"):
        rows.read(0, 1)
    del rows, X
    assert len(y.read()) == N
    del y
    assert len(sent.read()) == N - 3
    del sent
    gc.collect()
    assert not os.path.exists(path)


READ = """
import pickle, sys
rows = pickle.load(open(sys.argv[1], "rb"))
print(rows.read(0, 3)["kind"].tolist())
"""


def test_another_process_reads_it(tmp_path):
    rows = open_rows(Capsule(make_trees()))
    expected, code = str(rows.read(0, 3)["kind"].tolist()), [sys.executable, "-c", READ]
    (tmp_path / "rows").write_bytes(pickle.dumps(rows))
    kept = rows._source.store.spool
    there = subprocess.run(
        [*code, tmp_path / "rows"], capture_output=True, text=True, check=True
    )
    assert there.stdout.strip() == expected
    data = pickle.dumps(rows)
    del rows, kept
    gc.collect()
    text = (
        "The rows of a Capsule are in a temporary file of the process that opened it, "
        "which has ended, runs on another machine, or holds no Rows of it any more. "
        "Write the rows to a file, and give its path."
    )
    with raises(FileNotFoundError, text):
        pickle.loads(data).read()


def test_a_folder_in_memory(monkeypatch, nothing_is_left):
    monkeypatch.setattr(spool, "_WARNED_NBYTES", 10)
    monkeypatch.setattr(spool, "is_in_memory", lambda folder: True)
    text = re.escape(
        f"in temporary files in {str(nothing_is_left)!r}, which is in memory. Set the "
        "environment variable TMPDIR to a folder on a disk."
    )
    with pytest.warns(spool.EfficiencyWarning, match=text) as caught:
        open_rows(Capsule(make_trees()))
    assert caught[0].filename == __file__


# Faults


def check_note(error, where, n_rows):
    assert error.__notes__[-1] == (
        f"while the rows of {where} were written to a temporary file, of which nothing "
        f"is left: {n_rows} were there. Correct what computes them, and open it again."
    )


def test_a_query_that_fails():
    frame = pl.LazyFrame({"a": ["1", "2", "x"]}).select(pl.col("a").cast(pl.Int64))
    with pytest.raises(
        pl.exceptions.InvalidOperationError, match="conversion"
    ) as caught:
        open_rows(frame)
    check_note(caught.value, "a LazyFrame", "0 rows")


def test_a_query_that_fails_later():
    duckdb = pytest.importorskip("duckdb")
    query = "SELECT CASE WHEN range < 500000 THEN range ELSE error('it broke') END AS n"
    con = duckdb.connect()
    relation = con.sql(f"{query} FROM range(1000000)")
    with pytest.raises(Exception, match="it broke") as caught:
        open_rows(relation)
    # Another thread may fail before the first batch is there.
    written = re.search(r"is left: (\S+ rows)", caught.value.__notes__[-1])[1]
    check_note(caught.value, "a DuckDBPyRelation", written)
    assert con.sql("SELECT 42").fetchall() == [(42,)]  # the connection is free


def break_with(error):
    """Return a reader of two batches and an error."""

    def batches():
        yield from make_trees().to_batches(max_chunksize=300)
        raise error

    return pa.RecordBatchReader.from_batches(make_trees().schema, batches())


def test_an_interrupt(monkeypatch):
    monkeypatch.setattr(spool, "_BATCH_ROWS", 300)
    with pytest.raises(KeyboardInterrupt):
        open_rows(break_with(KeyboardInterrupt()))
    with pytest.raises(RuntimeError, match="Query interrupted") as caught:
        open_rows(break_with(RuntimeError("Query interrupted")))
    check_note(caught.value, "a RecordBatchReader", "600 rows")


def test_duckdb_calls_an_interrupt_an_error():
    class DuckDBPyRelation:
        __module__ = "duckdb"

        def fetch_arrow_reader(self, batch_size):
            raise RuntimeError("Query interrupted")

    with pytest.raises(KeyboardInterrupt):
        open_rows(DuckDBPyRelation())


@pytest.mark.parametrize("n_written", [0, 3_000, 18_000])
def test_a_disk_that_is_full(monkeypatch, nothing_is_left, n_written):
    class Full:
        closed = False

        def __init__(self, path):
            self._file = open(path, "wb", buffering=0)  # noqa: SIM115

        def write(self, data):
            if self._file.tell() + len(data) > n_written:
                raise OSError(28, "No space left on device")
            return self._file.write(data)

        def tell(self):
            return self._file.tell()

        def flush(self):
            pass

        def close(self):
            self._file.close()

    monkeypatch.setattr(spool, "_BATCH_ROWS", 150)
    monkeypatch.setattr(
        pa, "OSFile", lambda path, mode: pa.PythonFile(Full(path), mode)
    )
    with pytest.raises(OSError, match="No space left on device") as caught:
        open_rows(make_trees().to_reader(max_chunksize=150))
    assert caught.value.errno == 28
    found = re.fullmatch(
        r"\[Errno 28\] The rows of a RecordBatchReader have no room in temporary files "
        r"in (.*), where (\S+) rows took (.*): \[Errno 28\] No space left on device. "
        "Nothing is left there. Make room, set the environment variable TMPDIR to a "
        "folder on another disk, or write the rows to a file and give its path.",
        str(caught.value),
    )
    assert found[1] == repr(str(nothing_is_left))
    assert int(found[2]) == {0: 0, 3_000: 0, 18_000: 300}[n_written]


def test_columns_of_one_name():
    duckdb = pytest.importorskip("duckdb")
    text = "'a DuckDBPyRelation' has 2 columns named 'a'; it has 'a', 'a'."
    with raises(ValueError, text):
        open_rows(duckdb.sql("SELECT 1 AS a, 2 AS a"))


PEAK = """
import numpy as np, pyarrow as pa
from skmmap import open_rows

def read_anonymous():
    with open("/proc/self/status") as file:
        return next(int(line.split()[1]) for line in file if "RssAnon" in line) / 2**10

def make_batches():
    global peak
    for number in range(150):
        columns = np.full((8, 20_000), float(number))
        yield pa.record_batch({f"x{j}": column for j, column in enumerate(columns)})
        peak = max(peak, read_anonymous())

schema = pa.schema([(f"x{j}", "float64") for j in range(8)])
open_rows(pa.RecordBatchReader.from_batches(schema, iter([])))
peak = before = read_anonymous()
rows = open_rows(pa.RecordBatchReader.from_batches(schema, make_batches()))
for start in range(0, len(rows), 20_000):
    assert rows.read(start, start + 20_000)[0, 0] == start // 20_000
    peak = max(peak, read_anonymous())
print(peak - before)
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="needs /proc")
def test_rows_are_never_all_in_memory():
    done = run_fresh(PEAK)
    assert not done.returncode, done.stderr
    allocated = float(done.stdout)
    assert allocated < 40, f"{allocated} MB for 192 MB of rows"
