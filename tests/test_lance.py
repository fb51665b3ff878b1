"""Datasets of Lance, against the tables that were written."""

import pickle
import shutil

import numpy as np
import pyarrow as pa
import pytest
from sklearn.linear_model import SGDClassifier
from sklearn.preprocessing import MinMaxScaler

from skmmap import ChunkedFit, open_rows
from skmmap.formats.files.lance import list_arrays
from skmmap.rows.rows import find_source

RNG = np.random.default_rng(0)
N_ROWS = 900


def make_table(n_rows=N_ROWS):
    is_missing = np.arange(n_rows) % 70 == 5
    vectors = pa.array(RNG.normal(size=3 * n_rows).astype("f4"))
    return pa.table(
        {
            "f8": RNG.normal(size=n_rows),
            "f2": RNG.normal(size=n_rows).astype("f2"),
            "u1": RNG.integers(0, 9, n_rows).astype("u1"),
            "label": RNG.integers(0, 2, n_rows),
            "missing": pa.array(np.arange(n_rows), mask=is_missing),
            "gap": pa.array(RNG.normal(size=n_rows), mask=is_missing),
            "text": pa.array([f"t{i % 13}" for i in range(n_rows)], pa.string()),
            "vector": pa.FixedSizeListArray.from_arrays(vectors, 3),
        }
    )


def write(path, table, **options):
    import lance

    return lance.write_dataset(table, path, max_rows_per_file=250, **options)


@pytest.fixture(scope="module")
def table():
    return make_table()


@pytest.fixture(scope="module")
def path(tmp_path_factory, table):
    folder = tmp_path_factory.mktemp("lance") / "X.lance"
    write(folder, table)
    return folder


@pytest.mark.parametrize("name", ["f8", "f2", "u1", "label", "missing", "gap", "text"])
def test_one_column(path, table, name):
    expected = table[name].to_numpy()
    expected = expected.astype(str) if name == "text" else expected
    rows = open_rows(path, columns=name)
    assert rows.dtype == expected.dtype
    np.testing.assert_array_equal(rows[:], expected)
    for start, stop in ((0, 5), (245, 255), (3, 3), (899, 900)):
        np.testing.assert_array_equal(rows[start:stop], expected[start:stop])
    np.testing.assert_array_equal(rows[[899, 3, 500]], expected[[899, 3, 500]])


def test_vectors_are_rows_of_a_matrix(path, table):
    expected = np.array(table["vector"].to_pylist(), "f4")
    rows = open_rows(path, columns="vector")
    assert (rows.shape, rows.dtype) == ((N_ROWS, 3), np.float32)
    np.testing.assert_array_equal(rows[240:260], expected[240:260])


def test_frames(path, table):
    frame = open_rows(path, columns=["missing", "text"]).read(240, 260)
    expected = table.select(["missing", "text"]).to_pandas()[240:260]
    assert frame["text"].tolist() == expected["text"].tolist()
    np.testing.assert_array_equal(frame["missing"], expected["missing"])


def test_rows_of_a_version_stay(tmp_path, table):
    dataset = write(tmp_path / "X.lance", table)
    rows = open_rows(dataset, columns="f8")
    expected = table["f8"].to_numpy()
    write(tmp_path / "X.lance", table.slice(5), mode="overwrite")
    sent = pickle.dumps(rows)
    assert b"LanceDataset" not in sent
    for again in (rows, pickle.loads(sent), open_rows(pickle.loads(sent))):
        np.testing.assert_array_equal(again[:], expected)
    rows = pickle.dumps(open_rows(dataset, columns=["u1", "f8"]))
    chosen = open_rows(pickle.loads(rows), columns="f8")
    np.testing.assert_array_equal(chosen[:], expected)
    assert len(open_rows(tmp_path / "X.lance")) == N_ROWS - 5


@pytest.mark.parametrize("is_new", [True, False])
def test_another_dataset_at_the_same_place(tmp_path, table, is_new):
    """Names of manifests count down from the largest number, or, before, upwards."""
    write(tmp_path / "X.lance", table, enable_v2_manifest_paths=is_new)
    rows = open_rows(tmp_path / "X.lance", columns="f8")
    (manifest,) = (tmp_path / "X.lance" / "_versions").glob("*.manifest")
    manifest.write_bytes(manifest.read_bytes())
    with pytest.raises(ValueError, match=f"{manifest.name}' was written again"):
        rows[:5].read()
    rows = open_rows(tmp_path / "X.lance", columns="f8")
    shutil.rmtree(tmp_path / "X.lance")
    write(tmp_path / "X.lance", table.slice(5), enable_v2_manifest_paths=is_new)
    with pytest.raises(ValueError, match=r"since it was opened\. Open it again"):
        rows[:5].read()


@pytest.mark.parametrize("how", ["truncated", "removed", "replaced"])
def test_files_of_rows_that_changed(how, tmp_path, table):
    write(tmp_path / "X.lance", table.select(["f8"]))
    write(tmp_path / "Y.lance", make_table().select(["f8"]))
    rows = open_rows(tmp_path / "X.lance", columns=["f8"])
    files = {
        p: sorted((tmp_path / p / "data").iterdir()) for p in ("X.lance", "Y.lance")
    }
    file, other = max(files["X.lance"]), min(files["Y.lance"])
    if how == "truncated":
        file.write_bytes(file.read_bytes()[:-200])
    elif how == "removed":
        file.unlink()
    else:
        shutil.copy(other, file)
    error = FileNotFoundError if how == "removed" else ValueError
    with pytest.raises(error, match=f"{file.name}' was written again|No such file"):
        ChunkedFit(MinMaxScaler()).fit(rows)
    if how == "truncated":
        with pytest.raises(
            ValueError, match=r"cannot be read by Lance: .*Write it again"
        ):
            open_rows(tmp_path / "X.lance", columns=["f8"]).read()


def test_deleted_rows_and_their_file(tmp_path, table):
    write(tmp_path / "X.lance", table).delete("label = 1")
    rows = open_rows(tmp_path / "X.lance", columns=["f8"])
    left = table["label"].to_numpy() == 0
    np.testing.assert_array_equal(rows.read()[:, 0], table["f8"].to_numpy()[left])
    (deleted,) = list((tmp_path / "X.lance" / "_deletions").iterdir())[:1]
    deleted.write_bytes(deleted.read_bytes())
    with pytest.raises(ValueError, match=f"{deleted.name}' was written again"):
        ChunkedFit(MinMaxScaler()).fit(rows)


@pytest.mark.parametrize("n_jobs", [None, 2])
def test_a_fit_is_that_of_the_array(path, table, n_jobs):
    X = np.c_[table["f8"].to_numpy(), table["u1"].to_numpy()]
    y = table["label"].to_numpy()
    model = ChunkedFit(SGDClassifier(random_state=0), chunk_size=100, n_jobs=n_jobs)
    scores = model.fit(X, y).decision_function(X)
    rows = open_rows(path, columns=["f8", "u1"])
    found = model.fit(rows, open_rows(path, columns="label"))
    np.testing.assert_array_equal(found.decision_function(rows), scores)


def test_one_row_and_none(tmp_path):
    for n_rows in (0, 1):
        table = make_table(n_rows)
        write(tmp_path / f"{n_rows}.lance", table)
        rows = open_rows(tmp_path / f"{n_rows}.lance", columns=["f8", "u1"])
        assert rows.shape == (n_rows, 2)
        np.testing.assert_array_equal(rows.read()[:, 0], table["f8"].to_numpy())


def test_its_size_is_that_of_the_version(tmp_path, table):
    """Files of other versions lie in the same folder, and none if it has no rows."""
    write(tmp_path / "X.lance", table)
    rows = open_rows(tmp_path / "X.lance", columns=["f8"])
    nbytes = sum(p.stat().st_size for p in (tmp_path / "X.lance" / "data").iterdir())
    assert find_source(rows).store.find_disk_nbytes() == nbytes
    write(tmp_path / "X.lance", table.slice(0, 0), mode="overwrite")
    none = open_rows(tmp_path / "X.lance", columns=["f8"])
    write(tmp_path / "Y.lance", table.slice(0, 0))
    for rows in (none, open_rows(tmp_path / "Y.lance", columns=["f8"])):
        assert repr(rows).endswith(": 0 bytes on disk, 0 bytes in memory>")


def test_a_dataset_that_was_opened_by_a_uri(tmp_path, table):
    import lance

    write(tmp_path / "a b.lance", table)
    rows = open_rows(lance.dataset((tmp_path / "a b.lance").as_uri()), columns=["f8"])
    again = pickle.loads(pickle.dumps(rows)).read()
    np.testing.assert_array_equal(again[:, 0], table["f8"].to_numpy())
    (tmp_path / "a b.lance").rename(tmp_path / "other.lance")
    with pytest.raises(FileNotFoundError, match=r"a b\.lance"):
        rows.read()


def test_files_of_another_dataset(tmp_path, table):
    """A clone has none of its own."""
    dataset = write(tmp_path / "X.lance", table.select(["f8"]))
    dataset.shallow_clone(str(tmp_path / "Y.lance"), dataset.version)
    rows = open_rows(tmp_path / "Y.lance", columns=["f8"])
    np.testing.assert_array_equal(rows.read()[:, 0], table["f8"].to_numpy())
    file = max((tmp_path / "X.lance" / "data").iterdir())
    file.write_bytes(file.read_bytes())
    with pytest.raises(ValueError, match=f"{file.name}' was written again"):
        ChunkedFit(MinMaxScaler()).fit(rows)


def test_categories_of_format_2_0(tmp_path):
    """Lance makes a null a value of their dictionary."""
    texts = ["a", None, "b"] * 4
    table = pa.table({"text": pa.array(texts).dictionary_encode(), "k": range(12)})
    write(tmp_path / "X.lance", table, data_storage_version="2.0")
    frame = open_rows(tmp_path / "X.lance").read()
    assert frame["text"].dtype.categories.tolist() == ["a", "b"]
    assert frame["text"].isna().tolist() == [text is None for text in texts]


def test_columns_are_looked_through_once_for_nulls(path, monkeypatch):
    import lance

    asked, to_table = [], lance.LanceDataset.to_table

    def note(self, columns, **given):
        asked.append(columns)
        return to_table(self, columns, **given)

    monkeypatch.setattr(lance.LanceDataset, "to_table", note)
    rows = open_rows(path, columns=["missing", "label", "text"])
    assert asked == [["missing", "label"]]
    types = rows.read(0, 9).dtypes
    assert (types["missing"], types["label"]) == ("f8", "i8")


def test_a_damaged_manifest(tmp_path, table):
    write(tmp_path / "X.lance", table)
    (manifest,) = (tmp_path / "X.lance" / "_versions").glob("*.manifest")
    for content in (b"", manifest.read_bytes()[:-20]):
        manifest.write_bytes(content)
        with pytest.raises(ValueError, match=r"X\.lance' cannot be read by Lance: .*"):
            open_rows(tmp_path / "X.lance")
    manifest.unlink()
    (tmp_path / "X.lance").rename(tmp_path / "X")
    with pytest.raises(IsADirectoryError, match="is a folder"):
        open_rows(tmp_path / "X")


def test_a_relative_path_of_a_dataset(tmp_path, table, monkeypatch):
    import lance

    write(tmp_path / "X.lance", table.select(["f8"]))
    monkeypatch.chdir(tmp_path)
    both = open_rows(lance.dataset("X.lance")), open_rows("X.lance")
    monkeypatch.chdir("/")
    for rows in both:
        again = pickle.loads(pickle.dumps(rows)).read()
        np.testing.assert_array_equal(again[:, 0], table["f8"].to_numpy())


def test_the_last_rows_tell_of_nulls_and_widths_too(tmp_path, monkeypatch):
    from skmmap.formats.files import lance

    monkeypatch.setattr(lance, "_PASS_ROWS", 7)
    table = {"k": [*range(19), None], "text": ["a"] * 19 + ["long"]}
    write(tmp_path / "X.lance", pa.table(table))
    text = open_rows(tmp_path / "X.lance", columns="text").read()
    assert text.tolist() == table["text"]
    twice = open_rows(tmp_path / "X.lance", columns=["k", "k"]).read()
    expected = np.r_[:19.0, np.nan]
    np.testing.assert_array_equal(twice, np.c_[expected, expected])


def test_what_is_in_it(path):
    assert [tuple(info)[:3] for info in list_arrays(path)][:2] == [
        ("f8", (N_ROWS,), "float64"),
        ("f2", (N_ROWS,), "float16"),
    ]


def test_some_rows_do_not_read_the_dataset(path, monkeypatch):
    """Batches of Lance would begin with the first row."""
    import lance

    rows, asked = open_rows(path, columns=["f8", "u1"]), []
    to_table = lance.LanceDataset.to_table

    def note(self, columns, **given):
        asked.append(given["limit"])
        return to_table(self, columns, **given)

    monkeypatch.setattr(lance.LanceDataset, "to_table", note)
    rows[600:603].read()
    assert asked == [3]


def test_an_epoch_of_blocks_keeps_rows(tmp_path, monkeypatch):
    """Each call takes some milliseconds, whatever it reads."""
    import lance

    monkeypatch.setattr("skmmap.order.schedule._LEAST_READ_NBYTES", 60)
    table, asked = make_table().select(["f8", "u1"]), []
    write(tmp_path / "X.lance", table)
    rows, y = open_rows(tmp_path / "X.lance"), np.arange(N_ROWS) % 2
    to_table = lance.LanceDataset.to_table

    def note(self, columns, **given):
        asked.append(given["limit"])
        return to_table(self, columns, **given)

    monkeypatch.setattr(lance.LanceDataset, "to_table", note)
    sgd = SGDClassifier(random_state=0)
    model = ChunkedFit(sgd, max_epochs=1, chunk_size=50, memory_limit="60kB")
    model.fit(rows, y)
    # Each row once; a call for each block would be 88.
    assert sum(asked) == N_ROWS
    assert len(asked) < 50
