"""``python -m skmmap info`` and ``convert``, and what they say."""

import os
import pickle
import subprocess
import sys
import textwrap
from datetime import UTC, datetime
from pathlib import Path

import h5py
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zarr
from hypothesis import given
from hypothesis import strategies as st
from killed import Killed, killed_after
from processes import run_fresh
from scipy import sparse
from sklearn.linear_model import SGDClassifier

from skmmap import Checkpoint, ChunkedFit, __main__, __version__
from skmmap.checkpoints import describing
from skmmap.cli import info as _info
from skmmap.cli.info import describe
from skmmap.write import row_batches as _convert

X = np.arange(12, dtype=np.float32).reshape(4, 3)
SHUFFLE = "shuffle before training in file order"


@pytest.fixture(autouse=True)
def folder(empty_folder):
    return empty_folder


def say(array, **options):
    """Return what is said of the file of an array, by names."""
    np.save("array_.npy", array)
    lines = describe("array_.npy", **options).splitlines()
    return {line[:8].rstrip(): line[9:] for line in lines}


# Headers


@pytest.mark.parametrize(
    ("array", "said"),
    [
        (X, ("4 x 3", "float32", "176 bytes", "C: row by row")),
        (
            np.zeros((1_000, 2, 3), ">i8"),
            (
                "1,000 x 2 x 3",
                "int64, big-endian: converted when read",
                "48.1 kB",
                "C: row by row",
            ),
        ),
        (
            np.asfortranarray(X),
            (
                "4 x 3",
                "float32",
                "176 bytes",
                "Fortran: column by column, which is slow to read row by row; python "
                "-m skmmap convert writes it in C order",
            ),
        ),
    ],
)
def test_what_a_header_says(array, said):
    assert tuple(say(array).values()) == said
    assert list(say(array)) == ["shape", "type", "size", "order"]


def test_of_a_matrix_nothing_but_the_header_is_read(monkeypatch):
    monkeypatch.setattr(_info, "iter_batches", None)
    say(X)


def test_other_types_have_no_values_to_name():
    assert list(say(np.zeros(3, complex))) == ["shape", "type", "size"]
    fields = np.zeros(3, [("a", ">i4"), ("b", "f8")])
    assert say(fields)["type"].endswith(", mixed: converted when read")


# Labels


@pytest.mark.parametrize("block", [1, 24, 2**23])
@pytest.mark.parametrize(
    ("labels", "values", "order"),
    [
        ([0, 0, 1, 1, 2], "3: 0 (2), 1 (2), 2 (1)", f"yes: {SHUFFLE}"),
        ([2, 1, 1, 0], "3: 0 (1), 1 (2), 2 (1)", f"yes: {SHUFFLE}"),
        (
            [1, 1, 0, 0, 2],
            "3: 0 (2), 1 (2), 2 (1)",
            f"each label in one run: {SHUFFLE}",
        ),
        ([7, 7, 7], "1: 7 (3)", "there is one label only"),
        ([], "none", None),
        (
            [0, 1, 1, 0, 0, 0],
            "2: 0 (4), 1 (2)",
            "no: runs of one label are 2.0 rows long on average; 1.6 in random order",
        ),
        ([True, False], "2: False (1), True (1)", f"yes: {SHUFFLE}"),
        (["b", "a,", "b"], "2: 'a,' (1), 'b' (2)", None),
        ([b"x"] * 2, "1: b'x' (2)", "there is one label only"),
        (
            list(range(1_000, 979, -1)),
            "21, from 980 to 1000",
            f"yes: {SHUFFLE}",
        ),
    ],
)
def test_labels(labels, values, order, block, monkeypatch):
    monkeypatch.setattr(_convert, "_BATCH_NBYTES", block)
    monkeypatch.setattr("skmmap.rows.store._BLOCK_NBYTES", block)
    array = np.array(labels) if labels else np.zeros(0, int)
    said = say(array)
    assert said["labels"] == values
    assert order is None or said["sorted"] == order


def test_more_labels_than_are_counted(monkeypatch):
    monkeypatch.setattr(_info, "_COUNTED", 30)
    monkeypatch.setattr("skmmap.rows.store._BLOCK_NBYTES", 80)
    monkeypatch.setattr(_convert, "_BATCH_NBYTES", 80)
    labels = np.random.default_rng(0).permutation(200)
    said = say(labels)
    assert said["labels"] == "more than 30, from 0 to 199"
    assert said["sorted"] == "no: runs of one label are 1.0 rows long on average"
    assert say(np.arange(30))["labels"] == "30, from 0 to 29"
    assert say(np.arange(31))["labels"] == "more than 30, from 0 to 30"


def test_long_strings_are_cut():
    said = say(np.array(["a" * 100, "b\n"]))["labels"]
    assert said == "2: 'aaaaaaaaaaaa...aaaaaaaaaaaaa' (1), 'b\\n' (1)"


@given(st.lists(st.integers(0, 3), min_size=1, max_size=40), st.integers(1, 50))
def test_runs_and_counts_are_those_of_the_whole(labels, block):
    array = np.array(labels)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_convert, "_BATCH_NBYTES", 8 * block)
        patch.setattr("skmmap.rows.store._BLOCK_NBYTES", 8 * block)
        said = say(array)
    values, counts = np.unique(array, return_counts=True)
    listed = ", ".join(f"{v} ({n})" for v, n in zip(values, counts, strict=True))
    assert said["labels"] == f"{len(values)}: {listed}"
    changes = np.diff(array)
    is_sorted = np.all(changes >= 0) or np.all(changes <= 0)
    assert said["sorted"].startswith("yes") == (is_sorted and len(values) > 1)
    if said["sorted"].startswith("no"):
        runs = 1 + np.count_nonzero(changes)
        chance = 1 + np.sum(counts * (len(array) - counts)) / len(array)
        assert said["sorted"] == (
            f"no: runs of one label are {len(array) / runs:.1f} rows long on average; "
            f"{len(array) / chance:.1f} in random order"
        )


@pytest.mark.parametrize(
    ("array", "said"),
    [
        ([1.5, np.nan, -2.0], {"values": "-2.0 to 1.5", "NaN": "1"}),
        ([3.0, -np.inf], {"values": "-inf to 3.0", "NaN": "0"}),
        ([np.nan] * 2, {"values": "none", "NaN": "2"}),
        (np.zeros(0), {"values": "none", "NaN": "0"}),
        (
            np.array(["2026-11-22", "NaT", "2025-01-01"], "M8[D]"),
            {"values": "2025-01-01 to 2026-11-22", "NaT": "1"},
        ),
    ],
)
@pytest.mark.parametrize("block", [1, 2**23])
def test_numbers(array, said, block, monkeypatch):
    monkeypatch.setattr(_convert, "_BATCH_NBYTES", block)
    monkeypatch.setattr("skmmap.rows.store._BLOCK_NBYTES", block)
    found = say(np.array(array))
    assert {name: found[name] for name in list(found)[3:]} == said


# Containers


def test_patterns_are_one_array():
    for part in range(3):
        np.save(f"y_{part}.npy", np.full(2, part))
    assert describe("y_*.npy") == textwrap.dedent(
        f"""\
        shape    6
        type     int64
        size     432 bytes
        labels   3: 0 (2), 1 (2), 2 (2)
        sorted   yes: {SHUFFLE}"""
    )


def test_the_size_of_parts_is_that_of_no_other_file(tmp_path):
    table = pa.table({"a": np.arange(9.0), "b": np.arange(9.0)})
    pq.write_table(table, tmp_path / "part0.parquet")
    said = describe(tmp_path)
    (tmp_path / "notes.txt").write_text("x" * 10_000)
    assert describe(tmp_path) == said


def test_a_csr_folder():
    matrix = sparse.csr_array(np.eye(4, dtype="f4") + 1)
    os.mkdir("csr")
    for part in ("data", "indices", "indptr"):
        np.save(f"csr/{part}.npy", getattr(matrix, part))
    size = sum(path.stat().st_size for path in Path("csr").iterdir())
    assert describe("csr") == (
        f"shape    4 x 4\ntype     float32\nsize     {size} bytes\n"
        "order    CSR, 4 values in a row on average"
    )


def test_parquet_columns():
    pq.write_table(pa.table({"y": ["b", "a"], "n": [1, 2]}), "t.parquet")
    assert describe("t.parquet", columns="y").splitlines()[3:] == [
        "labels   2: 'a' (1), 'b' (1)",
        f"sorted   yes: {SHUFFLE}",
    ]
    said = describe("t.parquet", columns=["n"])
    assert [line[:8].rstrip() for line in said.splitlines()] == [
        "shape",
        "type",
        "size",
    ]


def test_datasets_of_hdf5():
    with h5py.File("X.h5", "w") as file:
        file["X"] = X
        file["more/y"] = np.zeros(4, np.int8)
        file["names"] = ["a", "b"]
        file["one"] = 1.0
    size = os.path.getsize("X.h5")
    assert describe("X.h5").splitlines() == [
        "datasets 4; one of them: --key X",
        "X        4 x 3 float32",
        f"size     {size / 1e3:.1f} kB",
        "more/y   4 int8",
        "names    2 text",
        "one      float64",
    ]
    assert describe("X.h5", key="more/y").splitlines()[3] == "labels   1: 0 (4)"


def test_a_dataset_alone_and_many_of_them():
    with h5py.File("X.h5", "w") as file:
        file["X"] = X
    assert describe("X.h5").splitlines()[0] == "shape    4 x 3"
    with h5py.File("X.h5", "w") as file:
        for number in range(25):
            file[f"{number:02}"] = X
    lines = describe("X.h5").splitlines()
    assert len(lines) == 23
    assert lines[-1] == "...      and 5 more"


def test_zarr_groups_and_arrays():
    zarr.save("X.zarr", X)
    assert describe("X.zarr").splitlines()[:2] == ["shape    4 x 3", "type     float32"]
    zarr.save_group("group.zarr", X=X, y=X[:, 0])
    lines = describe("group.zarr").splitlines()
    assert lines[0] == "datasets 2; one of them: --key X"
    assert lines[-1] == "y        4 float32"


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_memory_is_a_few_blocks():
    np.save("ids.npy", np.random.default_rng(0).permutation(10**7))  # 80 MB
    np.save("y.npy", np.random.default_rng(0).integers(0, 9, 10**7))
    code = """
        import threading
        from skmmap.cli.info import describe
        def resident():
            with open("/proc/self/status") as status:
                for line in status:
                    if line.startswith("RssAnon"):
                        return 1024 * int(line.split()[1])
        for name in ("ids.npy", "y.npy"):
            before, peak, done = resident(), [0], threading.Event()
            def watch():
                while not done.wait(0.002):
                    peak[0] = max(peak[0], resident())
            thread = threading.Thread(target=watch)
            thread.start()
            describe(name)
            done.set()
            thread.join()
            print(peak[0] - before)
    """
    done = run_fresh(code)
    assert done.returncode == 0, done.stderr
    assert all(float(number) < 60e6 for number in done.stdout.split())


# The command line


def run(*arguments):
    return __main__.main(list(arguments))


def test_info_shows_each_file_whatever_is_wrong_with_others(capsys):
    np.save("X.npy", X)
    np.save("y.npy", np.array([0, 1, 0]))
    Path("X.csv").write_text("a,b,c\n1,x,3\n")
    Path("bad.npy").write_text("no array")
    assert run("info", "X.npy", "no.npy", "X.csv", "bad.npy", "y.npy") == 1
    said = capsys.readouterr()
    assert said.out == textwrap.dedent(
        """\
        X.npy
            shape    4 x 3
            type     float32
            size     176 bytes
            order    C: row by row
        y.npy
            shape    3
            type     int64
            size     152 bytes
            labels   2: 0 (2), 1 (1)
            sorted   no: runs of one label are 1.0 rows long on average; 1.3 in random order
        """  # noqa: E501
    )
    assert said.err.splitlines() == [
        "skmmap: no.npy: No such file or directory.",
        "skmmap: X.csv is CSV, which must be parsed first: python -m skmmap convert "
        "X.csv X.npy --columns a,c. With text as well, for rows of data frames: python "
        "-m skmmap convert X.csv X.parquet. Its columns are 'a', 'b', 'c'.",
        "skmmap: source='bad.npy' looks like text; supported are .npy, HDF5, zarr, "
        "Parquet, Arrow, ORC, safetensors, FITS, NIfTI and PLINK files, and raw binary "
        "with dtype and shape. Load it, and save the array once with np.save(path, "
        "array).",
    ]
    assert run("info", "X.npy") == 0


@pytest.mark.parametrize("name", ["no.npy", "no.parquet", "no.h5", "no.zarr"])
@pytest.mark.parametrize("command", [("info",), ("convert", "X.npy")])
def test_a_missing_file_is_named(command, name, capsys):
    command, *dst = command
    assert run(command, name, *dst) == 1
    assert capsys.readouterr().err == f"skmmap: {name}: No such file or directory.\n"


def test_info_takes_key_and_columns(capsys):
    with h5py.File("X.h5", "w") as file:
        file["X"], file["y"] = X, X[:, 0]
    assert run("info", "X.h5", "--key", "y") == 0
    assert "values   0.0 to 9.0" in capsys.readouterr().out
    pq.write_table(pa.table({"a,b": [1, 2], "c": [3, 4]}), "t.parquet")
    assert run("info", "t.parquet", "--columns", '"a,b"') == 0
    assert "shape    2 x 1\n" in capsys.readouterr().out
    assert run("info", "t.parquet", "--column", "c") == 0
    assert "labels   2: 3 (1), 4 (1)\n" in capsys.readouterr().out


@pytest.mark.parametrize("kind", ["file", "folder", "pattern", "arrow"])
def test_columns_are_listed_where_there_is_no_array_of_all(kind, capsys):
    columns = {"home city": ["Paris", "Rome"], "x": [0.5, 1], "n": [1, 2]}
    columns["lists"] = [[1, 2], [3]]
    table = pa.table(columns | {"at": pa.array([0, 1], pa.timestamp("ms"))})
    if kind == "arrow":
        with pa.ipc.new_file("t.arrow", table.schema) as file:
            file.write_table(table)
    elif kind == "file":
        pq.write_table(table, "t.parquet")
    else:
        Path("t").mkdir()
        for part in range(2):
            pq.write_table(table.slice(part, 1), f"t/{part}.parquet")
    path = {"file": "t.parquet", "arrow": "t.arrow", "folder": "t"}.get(kind, "t/*")
    assert run("info", path) == 0
    said = capsys.readouterr().out.splitlines()
    assert said.pop(3).startswith("    size     ")
    assert said == [
        path,
        "    rows     2",
        "    columns  5; one of them: --column 'home city'",
        "    home city text",
        "    x        float64",
        "    n        int64",
        "    lists    lists of int64",
        "    at       datetime64[ms]",
    ]
    assert run("info", path, "--column", "home city") == 0
    assert "labels   2: 'Paris' (1), 'Rome' (1)\n" in capsys.readouterr().out
    assert run("info", path, "--columns", "home city,x") == 0
    listed = capsys.readouterr().out
    assert "columns  2; one of them: --column 'home city'\n" in listed
    assert listed.endswith("    home city text\n    x        float64\n")


def test_convert_says_what_was_written(capsys):
    Path("X.csv").write_text("a,b,y\n1,2,x\n3,4,y\n")
    assert run("convert", "X.csv", "X.npy", "--columns", "b,a", "--dtype", "f4") == 0
    out, err = capsys.readouterr()
    assert out.splitlines()[-1] == "X.npy: 2 x 2 float32, 0.1 kB"
    assert err == ""
    expected = np.array([[2, 1], [4, 3]], np.float32)
    np.testing.assert_array_equal(np.load("X.npy"), expected, strict=True)
    assert run("convert", "X.csv", "y.npy", "--column", "y") == 0
    assert capsys.readouterr().out.endswith("\ny.npy: 2 <U1, 0.1 kB\n")
    assert np.load("y.npy").tolist() == ["x", "y"]
    with h5py.File("X.h5", "w") as file:
        file["X"], file["y"] = X, X[:, 0]
    assert run("convert", "X.h5", "y.npy", "--key", "y") == 0
    assert np.load("y.npy").tolist() == X[:, 0].tolist()


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["X.csv", "X.dat"], "dst must end in '.npy'; got 'X.dat'. Write 'X.dat.npy'."),
        (["no.csv", "X.npy"], "no.csv: No such file or directory."),
        (
            ["X.csv", "X.npy", "--dtype", "float33"],
            "--dtype must be a type of NumPy, such as float32; got 'float33'.",
        ),
        (
            ["X.csv", "X.npy", "--columns", "a,c"],
            "'X.csv' has no column 'c'; it has 'a', 'b'.",
        ),
        (["X.csv", "X.npy", "--key", "k"], "key has no meaning for 'X.csv'; got 'k'."),
    ],
)
def test_convert_fails_in_one_line(arguments, text, capsys):
    Path("X.csv").write_text("a,b\n1,2\n")
    assert run("convert", *arguments) == 1
    assert capsys.readouterr() == ("", f"skmmap: {text}\n")
    assert [path.name for path in Path().iterdir()] == ["X.csv"]


def test_an_error_of_several_lines_is_one_and_has_its_notes(monkeypatch, capsys):
    def fail(*args, **options):
        error = ImportError("No\n  such thing.")
        error.add_note("while reading")
        raise error

    monkeypatch.setattr(__main__, "convert", fail)
    assert run("convert", "a", "b") == 1
    assert capsys.readouterr().err == "skmmap: No such thing. while reading\n"


def test_an_interrupted_conversion(monkeypatch, capsys):
    def interrupt(*args, **options):
        raise KeyboardInterrupt

    monkeypatch.setattr(__main__, "convert", interrupt)
    assert run("convert", "a", "b") == 130
    assert capsys.readouterr().err == "\nskmmap: interrupted.\n"


def test_columns_and_column_exclude_each_other(capsys):
    with pytest.raises(SystemExit, match="2"):
        run("info", "X.parquet", "--columns", "a", "--column", "b")
    assert "not allowed with argument --columns" in capsys.readouterr().err


# What ``python -m skmmap`` does, twice for one import.
CALLS = """
import runpy, sys
for line in sys.argv[1:]:
    sys.argv = ["skmmap", *line.split()]
    try:
        runpy.run_module("skmmap", run_name="__main__", alter_sys=True)
    except SystemExit as end:
        print("exit code", end.code)
"""


def test_as_from_a_shell():
    Path("X.csv").write_text("a,b\n1,2.5\n")
    calls = "convert X.csv X.npy", "info X.npy no.npy"
    command = [sys.executable, "-W", "error", "-c", CALLS, *calls]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stderr == "skmmap: no.npy: No such file or directory.\n"
    assert done.stdout.splitlines()[1:] == [
        "X.npy: 1 x 2 float64, 0.1 kB",
        "exit code 0",
        "X.npy",
        "    shape    1 x 2",
        "    type     float64",
        "    size     144 bytes",
        "    order    C: row by row",
        "exit code 1",
    ]


# Checkpoints


def make_checkpoint():
    np.save("X.npy", X)
    np.save("y.npy", np.arange(4) % 2)
    checkpoint = Checkpoint("run.ckpt", seconds=0)
    model = SGDClassifier(max_iter=9, alpha=0.25, class_weight={0: 1, 1: 2})
    params = {"chunk_size": 2, "max_epochs": 2, "random_state": 3}
    wrapper = ChunkedFit(model, checkpoint=checkpoint, **params)
    with killed_after(2), pytest.raises(Killed):
        wrapper.fit("X.npy", "y.npy")
    return wrapper


def test_a_checkpoint_says_where_the_run_is_and_of_what(capsys):
    wrapper = make_checkpoint()
    with pytest.MonkeyPatch.context() as patch:
        for name in ("Unpickler", "load", "loads"):  # code in the file is not run
            patch.setattr(pickle, name, None)
        assert __main__.main(["info", "run.ckpt"]) == 0
    lines = [line.strip() for line in capsys.readouterr().out.splitlines()]
    said = dict(line.split(maxsplit=1) for line in lines[1:])
    size = os.path.getsize("run.ckpt")
    states = {name: os.stat(name) for name in ("X.npy", "y.npy")}
    when = {
        name: datetime.fromtimestamp(state.st_mtime_ns / 1e9, UTC)
        for name, state in states.items()
    }
    folder = Path.cwd()
    assert said["checkpoint"] == (
        "the run is in epoch 2 of at most 2, after 1 of 2 chunks"
    )
    assert said["previous"].startswith("run.ckpt.previous, written 20")
    assert said["previous"].endswith(
        " UTC: the run is in epoch 1 of at most 2, after 2 of 2 chunks"
    )
    assert said["size"] == f"{size / 1e3:.1f} kB"
    kind = "sklearn.linear_model._stochastic_gradient.SGDClassifier"
    assert (said["estimator"], said["dtype"]) == (kind, "None")
    assert said["X"] == (
        f"4 x 3 float32; {folder}/X.npy of 176 bytes, written "
        f"{when['X.npy']:%F %T.%f} UTC"
    )
    assert said["y"].startswith(f"4 int64; {folder}/y.npy of 160 bytes, written ")
    assert said["versions"].startswith(f"skmmap {__version__}, scikit-learn ")
    assert said["estimator__alpha"] == "0.25"
    assert said["estimator__class_weight"] == "{0: 1, 1: 2}"
    assert said["chunk_size"] == "2"
    assert abs(datetime.now(UTC) - _to_time(said["written"])).total_seconds() < 3_600

    wrapper.fit("X.npy", "y.npy")
    assert describe("run.ckpt").splitlines()[0].endswith(" the run is over")


def _to_time(text: str) -> datetime:
    return datetime.strptime(text, "%Y-%m-%d %H:%M:%S UTC").replace(tzinfo=UTC)


def test_what_cannot_be_read_of_a_checkpoint(monkeypatch):
    make_checkpoint()
    Path("run.ckpt.previous").unlink()
    assert "previous" not in describe("run.ckpt")
    Path("run.ckpt.previous").write_bytes(b"skmmap checkpoint\nand no more")
    assert "run.ckpt.previous (29 bytes) is damaged" in describe("run.ckpt")
    with pytest.raises(ValueError, match=r"run.ckpt.previous \(29 bytes\) is damaged"):
        describe("run.ckpt.previous")
    monkeypatch.setattr(describing, "FORMAT", 99)
    first = describe("run.ckpt").splitlines()[0]
    assert first.endswith(" of another version of skmmap (format 2)")
