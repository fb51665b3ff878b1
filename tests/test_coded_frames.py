"""Texts of tables as codes: every matrix has the bits of scikit-learn's transform."""

import pickle
import threading
import time
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pyarrow.feather
import pyarrow.parquet as pq
import pytest
from helpers import raises
from scipy import sparse
from sklearn import config_context
from sklearn.base import clone
from sklearn.compose import make_column_transformer
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import SGDClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import (
    FunctionTransformer,
    KBinsDiscretizer,
    MaxAbsScaler,
    MinMaxScaler,
    OneHotEncoder,
    OrdinalEncoder,
    RobustScaler,
    StandardScaler,
)
from test_tables import make_types, reading, write_types  # noqa: F401

from skmmap import ChunkedFit, open_rows
from skmmap.formats.arrow import FramesOfArrow
from skmmap.pipelines import Transform
from skmmap.rows import CodedFrame, find_source
from skmmap.transformers import coded_parts, coded_transforms, find_coded
from skmmap.wrap import InputLayout

N = 60
FLOATS, INTEGERS, TEXTS = ["a", "b"], ["i", "j"], ["t", "u", "kind"]
same = pd.testing.assert_frame_equal


def make_frame(n_rows=N):
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(rng.normal(3, 2, (n_rows, 2)), columns=FLOATS)
    frame[rng.random(frame.shape) < 0.2] = np.nan
    frame["i"], frame["j"] = rng.integers(0, 9, (2, n_rows))
    frame["t"] = rng.choice(list("abcdefgh"), n_rows).astype(object)
    frame["u"] = rng.choice(["x", "yy", ""], n_rows).astype(object)
    frame.loc[::7, "t"] = None
    frame["kind"] = pd.Categorical(rng.choice(list("pqr"), n_rows), list("rzqp"))
    return frame


@pytest.fixture
def frame():
    return make_frame()


@pytest.fixture
def path(tmp_path, frame):
    frame.to_parquet(tmp_path / "t.parquet", row_group_size=25)
    return tmp_path / "t.parquet"


def find(transformer, rows):
    function = Transform(transformer, InputLayout())
    return find_coded(transformer, function, find_source(rows))


def check_same(result, expected):
    assert type(result) is type(expected)
    assert result.dtype == expected.dtype
    assert result.shape == expected.shape
    if not sparse.issparse(expected):
        np.testing.assert_array_equal(result, expected)
        # Or products of the same values may round in another way.
        assert result.flags.c_contiguous == expected.flags.c_contiguous
        return
    for name in ("data", "indices", "indptr"):
        found, wanted = getattr(result, name), getattr(expected, name)
        np.testing.assert_array_equal(found, wanted)
        assert found.dtype == wanted.dtype


def check_coded(transformer, rows, monkeypatch):
    """Compare blocks, slices and picked rows with what the transformer returns."""
    monkeypatch.setattr(coded_transforms, "BLOCK_ROWS", 8)
    source, function = find(transformer, rows)
    whole, store = rows.read(), source.store
    for start, stop in [(0, len(whole)), (20, 30), (59, 60), (3, 4)]:
        coded = store.read(start, stop)
        assert isinstance(coded, CodedFrame)
        expected = transformer.transform(whole[start:stop])
        check_same(function.compute(coded), expected)
    # The second run begins a row later.
    rest = whole.drop(30)
    coded = store.read_mixed([(0, 30), (31, 60)], None)
    check_same(function.compute(coded), transformer.transform(rest))
    picked = np.array([58, 3, 3, 26, 0])
    coded = store.read_mixed([(0, 30), (31, 60)], picked)
    check_same(function.compute(coded), transformer.transform(rest.iloc[picked]))


@pytest.mark.parametrize("library", ["parquet", "arrow", "mapped", "table"])
def test_frames_of_codes_are_those_of_the_store(tmp_path, library, reading):  # noqa: F811
    path = write_types(tmp_path / "t.parquet", row_group_size=5)
    table = pq.read_table(path)
    if library in ("arrow", "mapped"):
        path = tmp_path / "t.arrow"
        compression = "lz4" if library == "arrow" else "uncompressed"
        pyarrow.feather.write_feather(table, path, compression, chunksize=5)
    rows = open_rows(table if library == "table" else path)
    store = find_source(rows).store
    coded = store.as_codes()
    for start in (5, 0, 2, 11):
        for stop in range(start, 13, 3):
            same(coded.read(start, stop).to_frame(), store.read(start, stop))
    picked = np.array([1, 4, 7, 11])
    same(coded.take(picked).to_frame(), store.take(picked))
    whole = rows.read()
    order = np.array([9, 2, 0, 5])
    mixed = coded.read_mixed([(0, 4), (6, 12)], order).to_frame()
    same(mixed, whole.drop([4, 5]).iloc[order])
    some = coded.read(2, 9)[1:4].select([4, 1, 5])
    same(some.to_frame(), whole.iloc[3:6, [4, 1, 5]])
    assert coded.row_nbytes == store.row_nbytes


ENCODERS = [
    OneHotEncoder(),
    OneHotEncoder(sparse_output=False),
    OneHotEncoder(dtype=np.float32, drop="first"),
    OneHotEncoder(drop=["b", "yy", "q"]),
    OneHotEncoder(drop="if_binary", categories=[["a", "b"], ["x", "yy", ""], ["q"]]),
    OneHotEncoder(min_frequency=7, drop="first", handle_unknown="error"),
    OneHotEncoder(max_categories=3, handle_unknown="infrequent_if_exist"),
    OrdinalEncoder(),
    OrdinalEncoder(encoded_missing_value=-2, dtype=np.int32),
    OrdinalEncoder(min_frequency=7),
    make_pipeline(
        SimpleImputer(missing_values=None, strategy="most_frequent"), OneHotEncoder()
    ),
    make_pipeline(
        SimpleImputer(missing_values=None, strategy="constant", fill_value="none"),
        OrdinalEncoder(),
    ),
]


@pytest.mark.parametrize("encoder", ENCODERS, ids=str)
def test_encoders(path, frame, encoder, monkeypatch):
    if encoder.get_params().get("drop") == "if_binary":
        some = frame[frame["t"].isin(["a", "b"]) & (frame["kind"] == "q")]
        pd.concat([some] * N, ignore_index=True)[:N].to_parquet(path)
    rows = open_rows(path, columns=TEXTS)
    check_coded(clone(encoder).fit(rows.read()), rows, monkeypatch)


NUMBERS = [
    make_pipeline(SimpleImputer(), StandardScaler()),
    make_pipeline(SimpleImputer(strategy="median"), MinMaxScaler((-1, 3))),
    make_pipeline(SimpleImputer(strategy="constant", fill_value=7), RobustScaler()),
    make_pipeline(SimpleImputer(strategy="most_frequent"), MaxAbsScaler()),
    StandardScaler(with_mean=False),
    RobustScaler(with_centering=False),
    "passthrough",
    FunctionTransformer(),
]


@pytest.mark.parametrize("numbers", NUMBERS, ids=str)
@pytest.mark.parametrize("is_sparse", [True, False])
def test_numbers_beside_texts(path, numbers, is_sparse, monkeypatch):
    rows = open_rows(path)
    transformer = make_column_transformer(
        (numbers, ["b", "i", "a"]),
        (OneHotEncoder(handle_unknown="ignore", categories=[["yy", "z"]]), ["u"]),
        (OrdinalEncoder(), slice("t", "u")),
        sparse_threshold=float(is_sparse),
    ).fit(rows.read())
    check_coded(transformer, rows, monkeypatch)


def test_columns_of_integers(path, monkeypatch):
    rows = open_rows(path)
    scaled = make_column_transformer((StandardScaler(), INTEGERS), ("drop", ["t"]))
    check_coded(scaled.fit(rows.read()), rows, monkeypatch)
    passed = make_column_transformer(("passthrough", INTEGERS), (OneHotEncoder(), [4]))
    assert find(passed.fit(rows.read()), rows) is None  # they stay integers


def test_columns_in_another_order_and_others(path, frame, tmp_path, monkeypatch):
    transformer = make_column_transformer(
        (StandardScaler(), [True, True, False, False, False, False, False]),
        (OneHotEncoder(), [5, 4]),
    ).fit(frame)
    other = tmp_path / "other.parquet"
    frame.iloc[:, ::-1].assign(more=1).to_parquet(other)
    check_coded(transformer, open_rows(other), monkeypatch)
    assert find(transformer, open_rows(other, columns=["t", "a", "b"])) is None
    frame.assign(u=1.0).to_parquet(other)
    assert find(transformer, open_rows(other)) is None


@pytest.mark.parametrize(
    "encoder",
    [
        OneHotEncoder(handle_unknown="ignore"),
        OneHotEncoder(handle_unknown="infrequent_if_exist", min_frequency=3),
        OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1),
    ],
    ids=str,
)
def test_unknown_texts(path, encoder, monkeypatch):
    rows = open_rows(path, columns=TEXTS)
    whole = rows.read()
    known = whole[whole["t"].isin(["a", "b", "c"]) & (whole["u"] != "")]
    check_coded(clone(encoder).fit(known), rows, monkeypatch)


def test_texts_that_are_refused_or_warned_about(path):
    rows = open_rows(path, columns=["t", "u"])
    known = rows.read().query("t in ['a', 'b', 'c']")
    coded = make_pipeline(OneHotEncoder()).fit(known)
    mapped_rows = rows[np.isin(rows.read()["t"], ["a", "b", "c"])]
    source, function = find(coded, mapped_rows)
    with pytest.raises(ValueError, match="Found unknown categories") as caught:
        coded.transform(rows.read())
    with raises(ValueError, str(caught.value)):
        function(source.store.read(0, N))
    kinds = {"drop": "first", "handle_unknown": "ignore"}
    warned = OneHotEncoder(**kinds).fit(known)
    source, function = find(warned, mapped_rows)
    with pytest.warns(UserWarning, match="Found unknown categories"):
        result = function(source.store.read(0, N))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        check_same(result, warned.transform(rows.read()))
    only = find_source(mapped_rows).selection
    part = source.store.take(np.asarray(only))  # the dictionary has the others, too
    check_same(function.compute(part), warned.transform(part.to_frame()))


def test_what_needs_the_frame(path, frame):
    rows = open_rows(path)
    numbers, texts = (StandardScaler(), FLOATS), (OneHotEncoder(), ["t"])
    one_hot = OneHotEncoder(sparse_output=False)
    others = [
        make_column_transformer(numbers, (one_hot, ["t"])).set_output(
            transform="pandas"
        ),
        make_column_transformer((KBinsDiscretizer(), INTEGERS), texts),
        make_column_transformer((SimpleImputer(add_indicator=True), FLOATS), texts),
        make_column_transformer(
            (SimpleImputer(strategy="constant", fill_value=0.5), FLOATS), texts
        ),
        make_column_transformer((MinMaxScaler(clip=True), FLOATS), texts),
        make_column_transformer((one_hot, ["i", "t"])),
        make_column_transformer((FunctionTransformer(np.abs), FLOATS), texts),
    ]
    for other in others:
        assert find(other.fit(frame), rows) is None
    weighted = make_column_transformer(numbers, texts)
    weighted.transformer_weights = {"standardscaler": 1.0}
    assert find(weighted.fit(frame), rows) is None
    assert find(make_column_transformer(numbers, texts).fit(frame), rows)
    assert find_source(open_rows(path, as_frame="polars")).store.as_codes() is None
    assert find_source(open_rows(path, columns=FLOATS)).store.as_codes() is None


def test_missing_texts_after_rows_that_have_all(path, frame):
    rows = open_rows(path, columns=["t", "u"])
    transformer = make_pipeline(OneHotEncoder()).fit(rows.read())
    source, function = find(transformer, rows[1:])
    for start, stop in [(1, 7), (5, 9)]:
        expected = transformer.transform(frame[["t", "u"]][start:stop])
        check_same(function.compute(source.store.read(start, stop)), expected)


@pytest.mark.skipif(not Path("/proc/self/maps").exists(), reason="needs /proc")
def test_codes_are_no_views_of_a_mapped_file(path, tmp_path):
    mapped = tmp_path / "t.arrow"
    pyarrow.feather.write_feather(pq.read_table(path), mapped, "uncompressed")
    kept = find_source(open_rows(mapped)).store.as_codes().read(0, N)
    assert str(mapped) not in Path("/proc/self/maps").read_text()
    assert len(kept.to_frame()) == N


def test_infinite_values_are_refused_as_by_scikit_learn(path, frame):
    frame.loc[40, "a"] = np.inf
    frame.to_parquet(path)
    rows = open_rows(path)
    transformer = make_column_transformer(
        (StandardScaler(), FLOATS), (OneHotEncoder(), ["t"])
    )
    source, function = find(transformer.fit(frame[:40]), rows)
    assert function.compute(source.store.read(0, 40)) is not None
    with pytest.raises(ValueError, match="Input X contains infinity"):
        function(source.store.read(30, 50))


def test_other_arithmetic_is_noticed_by_the_first_rows(path, frame, monkeypatch):
    rows = open_rows(path)
    transformer = make_column_transformer(
        (StandardScaler(), FLOATS), (OneHotEncoder(), ["t"])
    ).fit(frame)
    assert find(transformer, rows)
    monkeypatch.setattr(
        coded_parts, "find_changes", lambda steps: [(np.subtract, np.ones(2))]
    )
    assert find(transformer, rows) is None


def make_pipe(*others, **params):
    numbers = make_pipeline(SimpleImputer(), StandardScaler())
    encoder = OneHotEncoder(handle_unknown="ignore")
    transformer = make_column_transformer(
        (numbers, FLOATS + INTEGERS), (encoder, TEXTS), *others
    )
    last = SGDClassifier(max_iter=2, tol=None, random_state=0)
    return ChunkedFit(make_pipeline(transformer, last), random_state=0, **params)


@pytest.fixture
def decoded(monkeypatch):
    """The rows with texts of which frames are made."""
    rows, frames = [], CodedFrame.to_frame
    monkeypatch.setattr(
        CodedFrame, "to_frame", lambda some: rows.append(some) or frames(some)
    )
    return rows


def check_same_fit(pipe, rows, y, monkeypatch):
    """Compare with a fit that reads frames."""
    coded = clone(pipe).fit(rows, y)
    monkeypatch.setattr(FramesOfArrow, "as_codes", lambda store: None)
    framed = clone(pipe).fit(rows, y)
    np.testing.assert_array_equal(
        coded.estimator_[-1].coef_, framed.estimator_[-1].coef_
    )
    np.testing.assert_array_equal(coded.predict(rows), framed.predict(rows))
    return coded.estimator_, framed.estimator_


@pytest.mark.parametrize(
    "params",
    [
        {"shuffle": False, "chunk_size": 130},
        {"chunk_size": 20, "memory_limit": "100KB"},
        {"n_jobs": 2},
    ],
    ids=str,
)
@pytest.mark.parametrize(
    "others", [[], [(make_pipeline(FunctionTransformer(abs), StandardScaler()), ["i"])]]
)
def test_fit_is_the_same_with_codes_and_with_frames(
    path, frame, params, others, decoded, monkeypatch
):
    rows, y = open_rows(2 * [path]), np.arange(2 * N) % 2
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of chunks that are small
        fitted = check_same_fit(make_pipe(*others, **params), rows, y, monkeypatch)
    pairs = zip(
        *(each[0].transformers_[1][1].categories_ for each in fitted), strict=True
    )
    for found, expected in pairs:
        np.testing.assert_array_equal(found, expected)
        assert found.dtype == expected.dtype
    assert all(len(each) <= 40 or has_no_texts(each) for each in decoded)


@pytest.mark.parametrize("n_jobs", [None, 2])
def test_methods_take_codes(path, frame, decoded, monkeypatch, n_jobs, tmp_path):
    y = (frame["a"] > 3).to_numpy()
    pipe = make_pipe(shuffle=False).fit(frame, y).set_params(n_jobs=n_jobs)
    frame.iloc[:, ::-1].replace({"u": {"yy": "unknown"}}).to_parquet(path)
    rows = open_rows(path)
    pipe.set_params(chunk_size=25)
    fitted, whole = pipe.estimator_, rows.read()
    for method in ("predict", "decision_function"):
        out = getattr(pipe, method)(rows, out=tmp_path / "out.npy")
        call = getattr(fitted, method)
        chunks = [call(whole[i : i + 25]) for i in range(0, N, 25)]
        np.testing.assert_array_equal(out, np.concatenate(chunks))
    assert pipe.score(rows, y) == fitted.score(whole, y)
    picked = [40, 3, 3, 50]
    expected = fitted.predict(whole.iloc[picked])
    np.testing.assert_array_equal(pipe.predict(rows[picked]), expected)
    assert max(map(len, decoded)) <= 20
    pipe = ChunkedFit(fitted[0], chunk_size=25)
    check_same(pipe.transform(rows).copy(), fitted[0].transform(whole))
    assert max(map(len, decoded)) <= 20
    with config_context(enable_metadata_routing=True):
        routed = ChunkedFit(make_pipeline(*fitted[:1], fitted[-1]))
        np.testing.assert_array_equal(routed.predict(rows), fitted.predict(whole))


def test_errors_of_methods_are_those_of_frames(path, frame, monkeypatch):
    encoder = OneHotEncoder()
    pipe = make_pipeline(encoder, SGDClassifier(max_iter=2, tol=None))
    texts, y = frame[["u"]], np.arange(N) % 2
    fitted = ChunkedFit(pipe, chunk_size=25).fit(
        texts[texts["u"] != "yy"], y[texts["u"] != "yy"]
    )
    rows = open_rows(path, columns=["u"])
    with pytest.raises(ValueError, match="Found unknown categories") as coded:
        fitted.predict(rows)
    monkeypatch.setattr(FramesOfArrow, "as_codes", lambda store: None)
    with pytest.raises(ValueError, match="Found unknown categories") as framed:
        fitted.predict(rows)
    assert str(coded.value) == str(framed.value)
    assert coded.value.__notes__ == framed.value.__notes__


def test_a_pickle_of_rows_does_not_depend_on_what_was_read(path):
    rows = open_rows(path)
    before = pickle.dumps(rows)
    find_source(rows).store.as_codes().read(0, 9).select([4, 1])
    assert pickle.dumps(rows) == before
    transformer = make_pipeline(OneHotEncoder()).fit(rows.read()[["t"]])
    source, function = find(transformer, open_rows(path, columns=["t"]))
    before = pickle.dumps(function)
    function(source.store.read(30, 50))
    assert pickle.dumps(function) == before
    sent = pickle.loads(before)
    check_same(sent(source.store.read(0, N)), function(source.store.read(0, N)))


def test_fit_of_columns_of_which_one_gets_series(path, monkeypatch):
    transformer = make_column_transformer(
        (CountVectorizer(), "u"), (OneHotEncoder(), ["t"])
    )
    last = SGDClassifier(max_iter=2, tol=None, random_state=0)
    pipe = ChunkedFit(make_pipeline(transformer, last), random_state=0)
    check_same_fit(pipe, open_rows(path), np.arange(N) % 2, monkeypatch)


def has_no_texts(rows):
    return not any(map(rows.has_texts, range(rows.shape[1])))


def test_only_categories_that_occur_in_the_rows_are_learned(path, frame):
    rows = open_rows(path, columns=TEXTS)[20:40]
    pipe = make_pipeline(OneHotEncoder(), SGDClassifier(max_iter=1, tol=None))
    fitted = ChunkedFit(pipe, random_state=0).fit(rows, np.arange(20) % 2)
    expected = OneHotEncoder().fit(frame[TEXTS][20:40]).categories_
    for found, categories in zip(
        fitted.estimator_[0].categories_, expected, strict=True
    ):
        np.testing.assert_array_equal(found, categories)


def test_rare_categories_are_counted_by_their_codes(path, frame):
    rows = open_rows(path, columns=["t", "u"])
    encoder = OrdinalEncoder(max_categories=4)
    fitted = ChunkedFit(encoder, chunk_size=9).fit(rows).estimator_
    expected = encoder.fit(frame[["t", "u"]])
    for found, rare in zip(
        fitted.infrequent_categories_, expected.infrequent_categories_, strict=True
    ):
        np.testing.assert_array_equal(found, rare)


def test_strings_that_polars_has_written(tmp_path):
    table = pl.DataFrame({"t": ["a", None, "b"] * 4, "x": np.arange(12.0)})
    table.write_parquet(tmp_path / "p.parquet", row_group_size=5)
    rows = open_rows(tmp_path / "p.parquet")
    store = find_source(rows).store
    same(store.as_codes().read(2, 9).to_frame(), store.read(2, 9))
    encoder = OneHotEncoder().fit(rows.read()[["t"]])
    source, function = find(encoder, open_rows(tmp_path / "p.parquet", columns=["t"]))
    check_same(
        function.compute(source.store.read(0, 12)),
        encoder.transform(rows.read()[["t"]]),
    )


def test_reads_of_two_buffers_do_not_alternate(path):
    """Or each of them would decode its row group again."""
    store = find_source(open_rows(path)).store.as_codes()
    read, order = type(store).read, []

    class Slow(type(store)):
        def read(self, *run):
            order.append(threading.get_ident())
            time.sleep(0.002)
            return read(self, *run)

    store.__class__ = Slow
    runs = [(i, i + 1) for i in range(10)]
    threads = [threading.Thread(target=store.read_runs, args=[runs]) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert order == [order[0]] * 10 + [order[-1]] * 10
    assert order[0] != order[-1]
