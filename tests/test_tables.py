"""Tables in files as rows of data frames; what pandas reads of the whole is right."""

import pickle
import re
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import polars.testing
import pyarrow as pa
import pyarrow.feather
import pyarrow.parquet as pq
import pytest
from helpers import raises
from processes import run_fresh
from sklearn import config_context
from sklearn.compose import make_column_transformer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import SGDClassifier
from sklearn.model_selection import cross_validate, train_test_split
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from skmmap import ChunkedFit, convert, open_rows
from skmmap.formats.arrow import group_stream
from skmmap.formats.files import parquet
from skmmap.learn import keeping

N = 12
same = pd.testing.assert_frame_equal


def make_types(n_rows=N):
    """Return columns of all kinds: without missing values, and with some late ones."""
    some = np.arange(n_rows) % 5
    late = np.arange(n_rows) >= n_rows - 2
    times = pd.date_range("2020-01-01", periods=n_rows, freq="h")
    return pd.DataFrame(
        {
            "float": some / 2,
            "int": some,
            "small": some.astype("i1"),
            "bool": some > 2,
            "text": np.array(list("abcde"), object)[some],
            "kind": pd.Categorical(np.array(list("abcde"))[some], list("zedcba")),
            "time": times,
            "zone": times.tz_localize("Europe/Paris"),
            "day": times.date,
            "Int": pd.array(some, "Int64"),
            "float none": np.where(late, np.nan, some),
            "bool none": pd.Series(some > 2, dtype=object).mask(late, None),
            "text none": pd.Series(list("abcdefghijkl"[:n_rows])).mask(late, None),
            "time none": pd.Series(times).mask(late),
            "none": pd.Series([None] * n_rows, dtype=object),
        }
    )


def write_types(path, n_rows=N, **options):
    """Write integers with nulls as plain ones, of which only values tell the type."""
    table = pa.Table.from_pandas(make_types(n_rows))
    late = [None if i >= n_rows - 2 else i for i in range(n_rows)]
    for name, dtype in {"int none": "int16", "unsigned none": "uint64"}.items():
        table = table.append_column(name, pa.array(late, dtype))
    pq.write_table(table, path, **options)
    return path


@pytest.fixture(params=["whole", "streamed"])
def reading(request, monkeypatch):
    """Read row groups whole, or as if they were large."""
    if request.param == "streamed":
        monkeypatch.setattr(parquet, "WHOLE_NBYTES", -1)
        monkeypatch.setattr(group_stream, "_BATCH_ROWS", 2)
    return request.param


@pytest.mark.parametrize(
    "options",
    [
        {"row_group_size": 1},
        {"row_group_size": 5, "write_statistics": False},
        {"row_group_size": 7, "use_dictionary": False},
        {},
    ],
    ids=str,
)
def test_frames_are_slices_of_what_pandas_reads(tmp_path, options, reading):
    path = write_types(tmp_path / "t.parquet", **options)
    whole, rows = pd.read_parquet(path), open_rows(path)
    same(rows.read(), whole)
    for start in (5, 0, 2, 6, 11, 12, 1):  # backwards, too
        for stop in range(start, N + 1, 3):
            same(rows.read(start, stop), whole[start:stop])
    sent = pickle.loads(pickle.dumps(rows))
    for key in ([3, 3, 0, 11], whole["int"] > 2, range(1, 9, 3), []):
        same(sent[key].read(), whole.loc[key] if len(key) else whole[:0])
    assert rows.columns.tolist() == whole.columns.tolist()
    assert rows.shape == whole.shape


def test_types_without_missing_values(tmp_path):
    path = tmp_path / "t.parquet"
    table = pa.table(
        {"a": pa.array([1, 2], "int8"), "b": [True, False], "t": ["", "x"]}
    )
    pq.write_table(table, path, row_group_size=1, write_statistics=False)
    rows = open_rows(path)
    same(rows.read(1, 2), pd.read_parquet(path)[1:])
    assert rows.read(1, 2).dtypes.tolist()[:2] == [np.int8, bool]


@pytest.mark.parametrize("compression", ["uncompressed", "lz4"])
def test_arrow_files(tmp_path, compression):
    path = tmp_path / "t.feather"
    table = pq.read_table(write_types(tmp_path / "t.parquet"))
    pyarrow.feather.write_feather(table, path, compression, chunksize=5)
    rows, whole = open_rows(path), pd.read_feather(path)
    same(rows.read(), whole)
    same(rows.read(3, 8), whole[3:8])
    same(open_rows(table).read(4, 9), whole[4:9])


@pytest.mark.skipif(not Path("/proc/self/maps").exists(), reason="needs /proc")
@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_frames_are_no_views_of_a_mapped_file(tmp_path, library):
    """A view of a file that is truncated would end the process."""
    path = tmp_path / "t.arrow"
    table = pa.table({"a": np.arange(9.0), "n": range(9), "t": ["x"] * 9})
    pyarrow.feather.write_feather(table, path, "uncompressed")
    kept = open_rows(path, as_frame=library).read(2, 5)
    assert str(path) not in Path("/proc/self/maps").read_text()
    assert kept["n"].to_list() == [2, 3, 4]


def test_a_column_that_is_called_as_an_attribute(tmp_path):
    names = ["dtype", "data", "nbytes", "columns", "iloc"]
    path = tmp_path / "t.parquet"
    columns = {name: np.arange(60.0) for name in names}
    pq.write_table(pa.table(columns), path, row_group_size=20)
    rows = open_rows(path, as_frame=True)
    model = ChunkedFit(SGDClassifier(random_state=0), max_epochs=3, random_state=0)
    model.fit(rows, np.arange(60) > 30)
    assert model.feature_names_in_.tolist() == names
    assert open_rows(rows[:9].read()).shape == (9, 5)


@pytest.mark.parametrize("row_group_size", [1, 5, 12])
def test_frames_of_polars(tmp_path, row_group_size, reading):
    path = write_types(tmp_path / "t.parquet", row_group_size=row_group_size)
    whole = pl.read_parquet(path)
    rows = open_rows(path, as_frame="polars")
    pl.testing.assert_frame_equal(rows.read(), whole)
    pl.testing.assert_frame_equal(rows.read(3, 9), whole[3:9])
    pl.testing.assert_frame_equal(rows[[7, 1]].read(), whole[[7, 1]])
    assert rows.read(4, 4).schema == whole.schema
    with config_context(transform_output="polars"):
        assert isinstance(open_rows(path).read(0, 1), pl.DataFrame)


def test_what_polars_writes(tmp_path):
    frame = pl.DataFrame(
        {
            "text": ["x", None, "y"] * 4,
            "cat": pl.Series(["x", "y", "z"] * 4, dtype=pl.Categorical),
            "enum": pl.Series(["x", "y", "z"] * 4, dtype=pl.Enum(["z", "y", "x"])),
            "n": [1, None, 3] * 4,
        }
    )
    for path in (tmp_path / "t.parquet", tmp_path / "t.arrow"):
        if path.suffix == ".parquet":
            frame.write_parquet(path, row_group_size=5)
            whole = pd.read_parquet(path)
        else:
            frame.write_ipc(path, record_batch_size=5)
            whole = frame.to_pandas()
        same(open_rows(path).read(4, 9), whole[4:9])
        read = open_rows(path, as_frame="polars").read(4, 9)
        assert read.rows() == frame[4:9].rows()


def test_categories_are_those_of_the_whole_file(tmp_path, reading):
    first, second = (
        pa.table({"c": pa.array(values).dictionary_encode(), "n": list(range(6))})
        for values in (list("bbacab"), list("dabdda"))
    )
    path = tmp_path / "t.parquet"
    with pq.ParquetWriter(path, first.schema) as writer:
        for table in (first, second):
            writer.write_table(table, row_group_size=3)
    whole, rows = pd.read_parquet(path), open_rows(path)
    assert whole["c"].cat.categories.tolist() == list("bacd")
    for start in range(0, N, 2):
        same(rows.read(start, start + 4), whole[start : start + 4])


# Which of an array and frames


def test_what_makes_frames(tmp_path):
    path = write_types(tmp_path / "t.parquet")
    numbers = ["float", "int", "bool"]
    assert isinstance(open_rows(path, columns=numbers).read(0, 2), np.ndarray)
    assert isinstance(open_rows(path, columns="text").read(0, 2), np.ndarray)
    for as_frame in (True, "pandas"):
        rows = open_rows(path, columns=numbers, as_frame=as_frame)
        same(rows.read(2, 5), pd.read_parquet(path, columns=numbers)[2:5])
    named = open_rows(path, columns=["text", "float"])
    same(named.read(), pd.read_parquet(path)[["text", "float"]])
    assert str(open_rows(path, columns=["day", "int"]).read(0, 1)["day"][0]) == (
        "2020-01-01"
    )


@pytest.mark.parametrize(
    ("error", "options", "text"),
    [
        (
            ValueError,
            {"as_frame": "dask"},
            "as_frame must be 'auto', True, False, 'pandas' or 'polars'; got 'dask'.",
        ),
        (
            ValueError,
            {"as_frame": True, "columns": "text"},
            "as_frame=True makes frames, and columns='text' one dimension. Give "
            "columns=['text'].",
        ),
        (
            TypeError,
            {"as_frame": False, "columns": ["int", "text"]},
            "'t.parquet' has columns that are not numbers: 'text' (string). Choose "
            "columns=['int'].",
        ),
        (
            ValueError,
            {"columns": ["text", "int", "text"]},
            "columns has 'text' 2 times, and columns of frames have different names. "
            "Give each once.",
        ),
    ],
)
def test_options_that_make_no_frames(tmp_path, error, options, text):
    path = write_types(tmp_path / "t.parquet")
    with raises(error, text):
        open_rows(path, **options)


def test_only_tables_have_frames(tmp_path):
    np.save(tmp_path / "X.npy", np.ones((3, 2)))
    with raises(
        ValueError,
        f"as_frame has no meaning for {str(tmp_path / 'X.npy')!r}; got True.",
    ):
        open_rows(tmp_path / "X.npy", as_frame=True)


def test_a_library_that_is_not_installed(tmp_path, monkeypatch):
    path = write_types(tmp_path / "t.parquet")
    monkeypatch.setitem(sys.modules, "polars", None)
    text = (
        "Rows of 't.parquet' are data frames of polars, which is not installed: pip "
        "install polars. Or give as_frame='pandas', or choose columns of numbers."
    )
    with raises(ImportError, text):
        open_rows(path, as_frame="polars")


def test_nulls_that_the_file_denies(tmp_path, monkeypatch):
    path = write_types(tmp_path / "t.parquet", row_group_size=5)
    monkeypatch.setattr(
        "skmmap.formats.arrow.arrow_files._ParquetFile.find_nulls", lambda *a: set()
    )
    rows = open_rows(path, columns=["text", "int none"])
    text = "Column 'int none' has no value in rows 10, 11, and int16 has no NaN. Fill"
    with pytest.raises(ValueError, match=re.escape(text)):
        rows.read()


# Several files


def write_parts(folder, *parts):
    """Write a file of each part, and return their paths."""
    paths = [folder / f"part_{number}.parquet" for number in range(len(parts))]
    for path, part in zip(paths, parts, strict=True):
        pq.write_table(pa.table(part), path)
    return paths


def test_files_as_one_table(tmp_path):
    paths = write_parts(
        tmp_path,
        {"n": [1, 2], "t": pa.array(["a", "b"]), "late": pa.nulls(2)},
        {"t": pa.array(["c"], pa.large_string()), "late": ["x"], "n": [3]},
        {"n": pa.array([], "int64"), "late": pa.nulls(0), "t": pa.nulls(0)},
        {
            "late": ["y", None],
            "n": [None, 5],
            "t": pa.array(["d", None]).dictionary_encode(),
        },
    )
    frames = [pd.read_parquet(paths[i])[["n", "t", "late"]] for i in (0, 1, 3)]
    frames[2]["t"] = frames[2]["t"].astype(object)
    whole = pd.concat([f.astype({"t": object, "late": object}) for f in frames])
    whole = whole.reset_index(drop=True).replace({"t": {np.nan: None}})
    for source in (paths, tmp_path, str(tmp_path / "part_*.parquet")):
        rows = open_rows(source)
        same(rows.read(), whole)
        same(rows.read(1, 4), whole[1:4])
    assert rows.read(0, 1).dtypes.tolist()[0] == np.float64  # of the whole table
    assert open_rows(paths, columns=["t", "n"]).columns.tolist() == ["t", "n"]
    numbers = open_rows(paths, columns=["n"])
    np.testing.assert_array_equal(numbers.read()[:, 0], [1, 2, 3, np.nan, 5])


@pytest.mark.parametrize(
    ("other", "text"),
    [
        (
            {"n": ["1"], "t": ["c"]},
            "Column 'n' is string in 'part_1.parquet' and int64 in 'part_0.parquet'. "
            "Write the files with the same columns.",
        ),
        (
            {"t": ["c"]},
            "Column 'n' is missing in 'part_1.parquet' and int64 in 'part_0.parquet'. "
            "Write the files with the same columns.",
        ),
        (
            {"n": [1], "t": ["c"], "more": [0.5]},
            "Column 'more' is double in 'part_1.parquet' and missing in "
            "'part_0.parquet'. Write the files with the same columns.",
        ),
    ],
)
def test_files_that_are_no_table(tmp_path, other, text):
    paths = write_parts(tmp_path, {"n": [1, 2], "t": ["a", "b"]}, other)
    with raises(ValueError, text):
        open_rows(paths)


def test_the_file_that_told_the_type_is_named(tmp_path):
    paths = write_parts(
        tmp_path,
        {"t": ["a"], "x": pa.nulls(1)},
        {"t": ["a"], "x": [1]},
        {"t": ["a"], "x": ["b"]},
    )
    text = "Column 'x' is string in 'part_2.parquet' and int64 in 'part_1.parquet'."
    with pytest.raises(ValueError, match=re.escape(text)):
        open_rows(paths)


def test_shards_of_rows_have_the_same_types(tmp_path):
    first, second = map(
        open_rows,
        write_parts(
            tmp_path, {"n": [1, 2], "t": ["a", "b"]}, {"n": [None, 1], "t": ["a", "b"]}
        ),
    )
    assert open_rows([first, first[:1]]).read()["n"].tolist() == [1, 2, 1]
    text = (
        "The shard number 1 (part_1.parquet) has the column types {'n': 'float64', "
        "'t': 'object'}, and number 0 (part_0.parquet) has {'n': 'int64', 't': "
        "'object'}; they must be the same."
    )
    with raises(ValueError, text):
        open_rows([first, second])


# Pipelines


def make_trees(n_rows=600):
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(
        {
            "height": rng.normal(10, 3, n_rows),
            "age": pd.Series(rng.integers(0, 99, n_rows)).mask(
                rng.random(n_rows) < 0.1
            ),
            "kind": rng.choice(["oak", "ash", "elm"], n_rows),
            "soil": pd.Categorical(rng.choice(["sand", "clay"], n_rows)),
        }
    )
    is_tall = (frame["height"] > 10) | (frame["kind"] == "oak")
    return frame.assign(label=np.where(is_tall, "tall", "low"))


NAMES = ["height", "age", "kind", "soil"]


def make_model(learner=None, **options):
    numbers = make_pipeline(SimpleImputer(), StandardScaler())
    prepare = make_column_transformer(
        (numbers, ["height", "age"]),
        (OneHotEncoder(handle_unknown="ignore"), ["kind", "soil"]),
    )
    return ChunkedFit(
        make_pipeline(prepare, learner or SGDClassifier(random_state=0)),
        **{"random_state": 0, "chunk_size": 90, "max_epochs": 4} | options,
    )


@pytest.fixture
def trees(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    frame = make_trees()
    frame.to_parquet("t.parquet", row_group_size=77)
    np.save("y.npy", frame["label"].to_numpy(str))
    return frame


@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_a_pipeline_on_a_table(trees, library):
    rows = open_rows("t.parquet", columns=NAMES, as_frame=library)
    labels = open_rows("t.parquet", columns="label")
    given = trees[NAMES] if library == "pandas" else pl.DataFrame(trees[NAMES])
    model = make_model().fit(rows, labels)
    in_memory = make_model().fit(given, trees["label"])
    own = make_model().estimator.fit(trees[NAMES], trees["label"])
    np.testing.assert_array_equal(
        model.estimator_[-1].coef_, in_memory.estimator_[-1].coef_
    )
    np.testing.assert_array_equal(model.predict(rows), in_memory.predict(given))
    assert model.score(rows, labels) == in_memory.score(given, trees["label"]) > 0.8
    assert model.feature_names_in_.tolist() == NAMES
    assert model.classes_.tolist() == ["low", "tall"]
    # Means are added chunk by chunk, which rounds differently.
    np.testing.assert_allclose(
        model.estimator_[0].transform(trees[NAMES]),
        own[0].transform(trees[NAMES]),
        atol=1e-12,
    )


def test_a_pipeline_on_the_path_of_a_table(trees):
    model = make_model().fit("t.parquet", "y.npy")
    assert model.feature_names_in_.tolist() == [*NAMES, "label"]
    by_rows = make_model().fit(open_rows("t.parquet"), trees["label"])
    np.testing.assert_array_equal(
        model.predict("t.parquet"), by_rows.predict(trees[[*NAMES, "label"]])
    )
    assert model.score("t.parquet", "y.npy") > 0.8


def test_frames_of_numbers_in_several_epochs(trees, monkeypatch):
    """Rows are frames until the last step: a part of them is kept, and unchanged."""
    rows = open_rows("t.parquet", columns=["height"], as_frame=True)
    wrapper = ChunkedFit(
        SGDClassifier(random_state=0),
        max_epochs=3,
        chunk_size=20,
        memory_limit="16kB",
        random_state=0,
    )
    cached, find = [], keeping.find_cache
    monkeypatch.setattr(
        keeping, "find_cache", lambda *a: cached.append(find(*a)) or cached[-1]
    )
    kept = wrapper.fit(rows, trees["label"])
    assert [0 < cache.share < 1 for cache in cached] == [True]
    monkeypatch.setattr(keeping, "find_cache", lambda *a: keeping.NO_CACHE)
    np.testing.assert_array_equal(kept.coef_, wrapper.fit(rows, trees["label"]).coef_)
    assert kept.feature_names_in_.tolist() == ["height"]


def test_splits_and_workers(trees):
    rows, labels = open_rows("t.parquet"), open_rows("t.parquet", columns="label")
    dense = make_model(GaussianNB())
    dense.estimator[0].set_params(sparse_threshold=0)
    found = cross_validate(dense, rows, labels, cv=3)["test_score"]
    expected = cross_validate(dense, trees, trees["label"], cv=3)["test_score"]
    np.testing.assert_array_equal(found, expected)
    parts = train_test_split(rows, labels, random_state=0)
    in_memory = train_test_split(trees, trees["label"], random_state=0)
    same(parts[1].read(), in_memory[1])
    dense.fit(*parts[::2])
    sent = pickle.loads(pickle.dumps(parts[1]))
    np.testing.assert_array_equal(dense.predict(sent), dense.predict(in_memory[1]))


def test_results_have_the_row_numbers_as_index(trees):
    rows = open_rows("t.parquet", columns=["height"], as_frame=True)
    scaler = ChunkedFit(StandardScaler().set_output(transform="pandas"), chunk_size=90)
    result = scaler.fit(rows).transform(rows[100:300])
    assert result.index.tolist() == list(range(100, 300))


# Faults


def test_a_category_never_seen(trees):
    model = make_model().fit(open_rows("t.parquet", columns=NAMES), trees["label"])
    trees.assign(kind="yew").to_parquet("new.parquet", row_group_size=50)
    new = open_rows("new.parquet", columns=NAMES)
    np.testing.assert_array_equal(
        model.predict(new), model.predict(trees[NAMES].assign(kind="yew"))
    )
    strict = ChunkedFit(make_pipeline(OneHotEncoder(), GaussianNB()), chunk_size=90)
    strict.estimator[0].set_params(sparse_output=False)
    strict.fit(open_rows("t.parquet", columns=["kind"]), trees["label"])
    text = "Found unknown categories ['yew'] in column 0 during transform"
    with pytest.raises(ValueError, match=re.escape(text)) as caught:
        strict.predict(open_rows("new.parquet", columns=["kind"]))
    assert "rows 0 to 89" in " ".join(caught.value.__notes__)


def test_a_column_that_is_missing(trees):
    """In one row group it has the type of the others; in all, scikit-learn says it."""
    trees.loc[77:153, "age"] = np.nan
    table = pa.Table.from_pandas(trees).set_column(
        1, "age", pa.array(trees["age"].astype("Int64"))
    )
    pq.write_table(table, "t.parquet", row_group_size=77)
    rows = open_rows("t.parquet", columns=NAMES)
    assert {*(rows.read(i, i + 50)["age"].dtype for i in range(0, 600, 50))} == {
        np.dtype("f8")
    }
    model = make_model().fit(rows, trees["label"])
    mean = model.estimator_[0].transformers_[0][1][0].statistics_[1]
    assert mean == pytest.approx(trees["age"].mean())
    trees.assign(age=np.nan).to_parquet("none.parquet")
    rows = open_rows("none.parquet", columns=NAMES)
    with pytest.warns(UserWarning, match="without any observed values"):
        model = make_model().fit(rows, trees["label"])
    assert model.estimator_[-1].n_features_in_ == 6


def test_texts_where_numbers_were(trees):
    model = make_model().fit(open_rows("t.parquet", columns=NAMES), trees["label"])
    trees.assign(age="old").to_parquet("new.parquet", row_group_size=50)
    with pytest.raises(ValueError, match="non-numeric data") as caught:
        model.predict(open_rows("new.parquet", columns=NAMES))
    assert "rows 0 to 89" in " ".join(caught.value.__notes__)


def test_an_estimator_that_takes_no_texts(trees):
    note = (
        "Columns that are not numbers: 'kind', 'soil'. Leave them out, "
        "open_rows(path, columns=[...]), or encode them in a pipeline: "
        "make_column_transformer((OneHotEncoder(), [...]))."
    )
    for library in ("pandas", "polars"):
        rows = open_rows("t.parquet", columns=NAMES, as_frame=library)
        with pytest.raises(ValueError, match="could not convert") as caught:
            ChunkedFit(SGDClassifier()).fit(rows, trees["label"])
        assert note in caught.value.__notes__
    lists = [[1.0] * (row % 3) for row in range(len(trees))]
    trees.assign(kind=lists).to_parquet("lists.parquet")
    rows = open_rows("lists.parquet", columns=NAMES)
    with pytest.raises(ValueError, match="with a sequence") as caught:
        ChunkedFit(SGDClassifier()).fit(rows, trees["label"])
    assert note in caught.value.__notes__


def test_a_table_without_rows(trees):
    trees[:0].to_parquet("t.parquet")
    rows = open_rows("t.parquet")
    same(rows.read(), pd.read_parquet("t.parquet"))
    with raises(ValueError, "X has 0 rows; at least 1 is needed."):
        make_model().fit(rows, np.array([]))


def test_nulls_in_y(trees):
    trees["label"] = trees["label"].mask(trees.index == 300, None)
    trees.to_parquet("t.parquet", row_group_size=77)
    rows = open_rows("t.parquet", columns=NAMES)
    text = (
        "y has no value in row 300, and a missing string would be the label ''. Fill "
        "such values, or leave their rows out."
    )
    with raises(ValueError, text):
        make_model().fit(rows, open_rows("t.parquet", columns="label"))
    keep = trees["label"].notna()
    model = make_model().fit(rows[keep], open_rows("t.parquet", columns="label")[keep])
    assert model.classes_.tolist() == ["low", "tall"]


def test_a_table_is_no_y(trees):
    text = (
        "y is data frames of t.parquet, with the columns 'height', 'age', 'kind', "
        "'soil', 'label', and must be one column. Choose it: open_rows(path, "
        "columns='label')."
    )
    for y in ("t.parquet", open_rows("t.parquet")):
        with raises(TypeError, text):
            make_model().fit("t.parquet", y)


def test_a_table_that_is_replaced(trees, reading):
    rows = open_rows("t.parquet")
    rows.read(0, 100)
    trees[::-1].to_parquet("new.parquet", row_group_size=77)
    Path("new.parquet").replace("t.parquet")
    with pytest.raises(ValueError, match=r"t\.parquet.*Open it again"):
        rows.read(100, 200)


def test_a_table_makes_no_npy_file(trees):
    text = (
        "'t.parquet' has columns that are not numbers: 'kind' (string), 'soil' "
        "(string), 'label' (string). Choose columns=['height', 'age']."
    )
    with raises(TypeError, text):
        convert("t.parquet", "X.npy")


# Memory


PASS = """
import sys, pyarrow as pa
from skmmap import open_rows
rows = open_rows(sys.argv[1])
n = 0
for start in range(0, len(rows), 20_000):
    n += int(rows.read(start, min(start + 20_000, len(rows)))["t"].str.len().sum())
print(pa.default_memory_pool().max_memory() / 2**20, n)
"""


@pytest.mark.slow
def test_a_large_row_group_is_never_in_memory(tmp_path):
    path, n_rows = tmp_path / "t.parquet", 1_000_000
    numbers = np.random.default_rng(0).random((4, n_rows))
    columns = {f"c{j}": column for j, column in enumerate(numbers)}
    texts = pa.array(np.arange(n_rows)).cast("string")
    pq.write_table(pa.table(columns | {"t": texts}), path, compression="none")
    assert pq.ParquetFile(path).metadata.num_row_groups == 1  # of 46 MB
    allocated, n = map(float, run_fresh(PASS, path).stdout.split())
    assert n == 5_888_890
    assert allocated < 30, f"Arrow allocated {allocated} MB"
