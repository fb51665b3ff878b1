"""``NpyWriter`` and ``save_rows``: what np.save writes, whole or not at all."""

import errno
import gc
import io
import os
import re
import stat
import textwrap
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from helpers import EXHAUSTIVE, combine, raises
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst
from processes import run_fresh
from scipy import sparse

from skmmap import NpyWriter, save_rows
from skmmap.disk import hidden as _hidden
from skmmap.disk import unfinished as _unfinished
from skmmap.write import batches as _batches
from skmmap.write import kept_rows as _kept_rows
from skmmap.write import npy as _npy

posix = pytest.mark.skipif(os.name != "posix", reason="permissions, signals, limits")
X = np.arange(12, dtype=np.float32).reshape(4, 3)


def saved(array):
    """Return the bytes of the file that np.save makes of ``array`` in C order."""
    file = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # of the format's newer versions
        np.save(file, np.ascontiguousarray(array))
    return file.getvalue()


def list_files(folder):
    return {path.name for path in Path(folder).iterdir()}


def write(path, *batches, **params):
    with NpyWriter(path, **params) as writer:
        for batch in batches:
            writer.append(batch)
    return Path(path).read_bytes()


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch, nothing_left_open):
    """An empty folder to work in."""
    folder = tmp_path / "rows"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture
def path(folder):
    return folder / "X.npy"


@pytest.fixture
def old(path):
    """The bytes of a file that is there before."""
    np.save(path, X)
    return path.read_bytes()


# What is written

SCALARS = st.one_of(
    npst.scalar_dtypes(),
    npst.byte_string_dtypes(min_len=1),
    npst.unicode_string_dtypes(min_len=1),
)
DTYPES = st.one_of(SCALARS, npst.array_dtypes(SCALARS, allow_subarrays=True))


def set_piece(monkeypatch, piece):
    for module in (_batches, _kept_rows):
        monkeypatch.setattr(module, "PIECE", piece)


LAYOUTS = {
    "C": lambda rows: rows,
    "Fortran": np.asfortranarray,
    "strided": lambda rows: np.repeat(rows, 2, axis=0)[::2],
    "mirrored": lambda rows: np.ascontiguousarray(rows[::-1])[::-1],
}


@st.composite
def batched(draw):
    """Return rows, and the same rows in batches, in lists to be resumed."""
    row_shape = draw(npst.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=3))
    n_rows = draw(st.integers(0, 8))
    rows = draw(npst.arrays(draw(DTYPES), (n_rows, *row_shape)))
    cuts = sorted(draw(st.lists(st.integers(0, n_rows), max_size=5)))
    runs = [[]]
    for start, stop in zip([0, *cuts], [*cuts, n_rows], strict=True):
        runs[-1].append(LAYOUTS[draw(st.sampled_from([*LAYOUTS]))](rows[start:stop]))
        if draw(st.booleans()):
            runs.append([])
    return rows, runs


@settings(max_examples=150 if EXHAUSTIVE else 25)
@given(batched())
def test_batches_are_what_np_save_writes_at_once(made):
    rows, runs = made
    path = Path("X.npy")
    path.unlink(missing_ok=True)
    for run in runs:
        with NpyWriter(path, append=True) as writer:
            for batch in run:
                writer.append(batch)
    assert path.read_bytes() == saved(rows)
    assert (writer.shape, writer.dtype) == (rows.shape, rows.dtype)
    assert writer.n_rows == len(rows)
    mapped = np.load(path, mmap_mode="r")
    assert (mapped.shape, mapped.dtype) == (rows.shape, rows.dtype)


@pytest.mark.parametrize("piece", [1, 7, 24, 100])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_pieces_do_not_show(piece, layout, path, monkeypatch):
    set_piece(monkeypatch, piece)
    rows = LAYOUTS[layout](np.arange(60.0).reshape(10, 2, 3))
    assert write(path, rows[:3], rows[3:]) == saved(rows)
    assert write(path, rows[:3], append=True) == saved(np.concatenate([rows, rows[:3]]))
    assert write(path, rows, dtype="f4") == saved(rows.astype("f4"))


@pytest.mark.parametrize(
    "name", ["plain", "é", "名", pytest.param("long", marks=pytest.mark.slow)]
)
def test_headers_of_every_version(name, path):
    names = [f"{i:0700d}" for i in range(100)] if name == "long" else [name]
    rows = np.zeros(12, dtype=[(name, "<i4") for name in names])
    expected = saved(rows)
    assert expected[6] == {"plain": 1, "é": 1, "名": 3, "long": 2}[name]
    assert write(path, rows[:9]) != expected
    assert write(path, rows[9:], append=True) == expected


@pytest.mark.parametrize("row_shape", [(), (3,), (0, 2)])
@pytest.mark.parametrize("dtype", ["<f4", "M8[ns]", [("'shape': (0, ", ">i2")]])
def test_header_has_one_length_for_all_numbers_of_rows(row_shape, dtype):
    dtype = np.dtype(dtype)
    fields = {"descr": np.lib.format.dtype_to_descr(dtype), "fortran_order": False}
    lengths = set()
    for n_rows in [0, *(10**i - j for i in range(1, 21) for j in (0, 1))]:
        header = _npy.make_header(dtype, (n_rows, *row_shape))
        with open("header", "wb") as file:
            shape = {"shape": (n_rows, *row_shape)}
            np.lib.format.write_array_header_1_0(file, fields | shape)
        assert header == Path("header").read_bytes()
        lengths.add(len(header))
    assert len(lengths) == 1


def test_item_types_that_are_cast(path):
    ints, text = np.array([1, 255]), np.array(["a", "bcd"])
    assert write(path, X.astype("f8"), X, dtype="f4") == saved(np.concatenate([X, X]))
    assert write(path, X, dtype=">f8") == saved(X.astype(">f8"))
    assert write(path, ints, dtype=np.int16) == saved(ints.astype("i2"))
    assert write(path, ints, dtype="f4") == saved(ints.astype("f4"))
    assert write(path, text, text[:1], dtype="<U3") == saved(text[[0, 1, 0]])
    assert write(path, text.astype("U9"), dtype="<U3") == saved(text)
    assert write(path, ints > 1, dtype="c8") == saved((ints > 1).astype("c8"))
    days = np.array(["2026-01-01"], "M8[D]")
    assert write(path, days, dtype="M8[s]") == saved(days.astype("M8[s]"))


def test_rows_of_all_sorts(path):
    assert write(path, [[1, 2]], ((3, 4),)) == saved(np.array([[1, 2], [3, 4]]))
    assert write(path, pd.DataFrame(X)) == saved(X)
    assert write(path, pd.Series([1.5])) == saved(np.array([1.5]))
    aligned = np.zeros(3, np.dtype([("a", "i1"), ("b", "f8")], align=True))
    assert write(path, aligned) == saved(aligned)


def test_no_rows_at_all(path):
    assert write(path, X[:0]) == saved(X[:0])
    assert write(path, X[:0], X) == saved(X)
    assert write(path, dtype="i2") == saved(np.empty(0, "i2"))
    assert write(path, append=True) == saved(np.empty(0, "i2"))


def test_what_a_writer_says_of_itself(path):
    writer = NpyWriter("X.npy")
    assert (writer.path, writer.n_rows, writer.dtype) == (path, 0, None)
    assert writer.shape == (0,)
    writer.append(X)
    assert (writer.shape, writer.dtype) == ((4, 3), X.dtype)
    os.chdir("/")
    writer.close()
    writer.close()
    assert path.read_bytes() == saved(X)
    assert (writer.n_rows, writer.shape) == (4, (4, 3))


# What is resumed


def test_resuming_cuts_what_follows_the_rows(path, old):
    path.write_bytes(old + b"more")
    assert write(path, X[:1], append=True) == saved(X[[0, 1, 2, 3, 0]])


def test_resuming_takes_a_header_without_blanks(path, old):
    text = b"{'shape':(4,3),'fortran_order':False,'descr':'<f4'}\n"
    header = b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text
    path.write_bytes(header + X.tobytes())
    assert write(path, X[:1], append=True) == saved(X[[0, 1, 2, 3, 0]])


def test_resuming_with_the_dtype_of_the_file_casts(path, old):
    more = X.astype("f8")
    assert write(path, more, dtype="f4", append=True) == saved(np.concatenate([X, X]))


def test_a_file_cut_while_it_is_copied_is_left(path, old, monkeypatch):
    open_store = _kept_rows.npy.open_store

    def cut(path, name):
        found = open_store(path, name)
        path.write_bytes(old[:-1])
        return found

    monkeypatch.setattr(_kept_rows.npy, "open_store", cut)
    with pytest.raises(OSError, match="the file was truncated while copied"):
        NpyWriter(path, append=True).append(X)
    assert list_files(".") == {"X.npy"}


# Whole or not at all


def test_the_file_appears_at_the_end_only(path, old):
    with NpyWriter(path) as writer:
        writer.append(X[:1])
        assert path.read_bytes() == old
        hidden = list_files(".") - {"X.npy"}
        assert [name[:8] for name in hidden] == [".skmmap_"]
        assert not list(Path().glob("[!X]*.npy"))
    assert list_files(".") == {"X.npy"}
    assert path.read_bytes() == saved(X[:1])


@pytest.mark.parametrize("append", [False, True])
@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, GeneratorExit])
def test_an_exception_discards(error, append, path, old):
    writer = NpyWriter(path, append=append)
    with pytest.raises(error), writer:  # noqa: PT012
        writer.append(X)
        raise error
    writer.close()
    assert path.read_bytes() == old
    assert list_files(".") == {"X.npy"}


def test_an_interrupted_write_discards(path, old, monkeypatch):
    writer = NpyWriter(path)
    writer.append(X)

    def interrupt(self, data):
        raise KeyboardInterrupt

    monkeypatch.setattr(_unfinished.Unfinished, "write", interrupt)
    with pytest.raises(KeyboardInterrupt):
        writer.append(X)
    assert (list_files("."), path.read_bytes()) == ({"X.npy"}, old)
    with pytest.raises(ValueError, match="closed"):
        writer.append(X)


def test_a_refused_batch_leaves_the_writer_as_it_was(path):
    with NpyWriter(path) as writer:
        writer.append(X)
        for refused in (X[:, :2], X.astype("f8"), [{}], 1):
            with pytest.raises((TypeError, ValueError)):
                writer.append(refused)
        writer.append(X)
    assert path.read_bytes() == saved(np.concatenate([X, X]))


def test_a_writer_that_is_never_closed_leaves_nothing(path, old):
    writer = NpyWriter(path)
    writer.append(X)
    text = (
        f"The writer of {path} was never closed, and its rows are discarded. Call "
        "close, or use it in a with statement."
    )
    with pytest.warns(ResourceWarning, match=f"^{re.escape(text)}$"):
        del writer
    assert (list_files("."), path.read_bytes()) == ({"X.npy"}, old)


def test_a_closed_writer_says_nothing_when_it_goes(path):
    writers = [NpyWriter(path, dtype="i4") for _ in range(2)]
    writers[0].close()
    with pytest.raises(RuntimeError), writers[1]:
        raise RuntimeError
    del writers
    gc.collect()
    assert list_files(".") == {"X.npy"}


def run(code, *args):
    """Run code in a fresh process and return what ended it, and what it printed."""
    code = "import os, sys\nimport numpy as np\n" + textwrap.dedent(code)
    done = run_fresh(code, *args)
    assert not done.stderr, done.stderr
    return done.returncode, done.stdout


@posix
@pytest.mark.parametrize(
    ("state", "death"),
    combine(
        [(False, True), (True, False), (True, True)],
        [("os._exit(3)", 3), ("os.kill(os.getpid(), 9)", -9), ("sys.exit(4)", 4)],
        together=1,
    ),
)
def test_a_crash_leaves_what_was_there(death, state, path, old):
    (death, code), (before, append) = death, state
    if not before:
        path.unlink()
    ended = run(
        f"""
        from skmmap import NpyWriter
        writer = NpyWriter(sys.argv[1], append={append})
        for _ in range(100):
            writer.append(np.ones((1000, 3), np.float32))
        {death}
        """,
        path,
    )
    assert ended == (code, "")
    left = {name for name in list_files(".") if not name.startswith(".skmmap_")}
    assert left == ({"X.npy"} if before else set())
    assert not before or path.read_bytes() == old
    if code == 4:  # an orderly end cleans up
        assert list_files(".") == left


@posix
@pytest.mark.parametrize("step", ["fsync", "replace"])
def test_a_crash_in_the_last_steps_leaves_what_was_there(step, path, old):
    ended = run(
        f"""
        from skmmap import NpyWriter
        os.{step} = lambda *args: os.kill(os.getpid(), 9)
        with NpyWriter(sys.argv[1]) as writer:
            writer.append(np.ones((1000, 3), np.float32))
        """,
        path,
    )
    assert ended == (-9, "")
    assert path.read_bytes() == old


# Disks that fail

ROOM = "Make room, or choose a path on another disk"
CHECK = "Check that files can be made there and that no program holds this one"
NONE = "No file was left there."
SAME = "The file that was there before is unchanged, and no other was left."


@posix
@pytest.mark.parametrize(
    ("n_values", "rows", "n_bytes", "before"),
    [
        (100_000, "0 rows", "128", False),
        (25_000, "3 rows", "600,128", False),
        (25_000, "3 rows", "600,128", True),
        (1, "*", "*", True),
    ],
)
def test_a_full_disk(n_values, rows, n_bytes, before, path, old):
    """A write that really fails: by the system's limit on the size of a file."""
    if not before:
        path.unlink()
    code, said = run(
        """
        import resource, signal
        from skmmap import NpyWriter
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (700_000, 700_000))
        try:
            with NpyWriter(sys.argv[1]) as writer:
                for _ in range(90_000):
                    writer.append(np.ones((1, int(sys.argv[2]))))
        except OSError as error:
            print(error.errno, error, sep=";")
        """,
        path,
        n_values,
    )
    assert code == 0
    number, text = said.strip().split(";", 1)
    assert int(number) == errno.EFBIG
    if rows != "*":
        assert text == f"[Errno {errno.EFBIG}] Writing to " + (
            f"{path} failed after {rows} ({n_bytes} bytes): File too large. "
            f"{SAME if before else NONE} {ROOM}; then write all rows again."
        )
    assert list_files(".") == ({"X.npy"} if before else set())
    assert not before or path.read_bytes() == old


@posix
def test_a_disk_that_is_full_when_the_buffer_is_flushed(path):
    code, said = run(
        """
        import resource, signal
        from skmmap import NpyWriter
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
        writer = NpyWriter(sys.argv[1])
        writer.append(np.ones(500))
        try:
            writer.close()
        except OSError as error:
            print(error)
        print(os.listdir())
        """,
        path,
    )
    assert code == 0
    assert said == (
        f"[Errno {errno.EFBIG}] Writing to {path} failed after 500 rows (4,128 bytes): "
        f"File too large. {NONE} {ROOM}; then write all rows again.\n[]\n"
    )


@pytest.mark.parametrize("step", ["fsync", "replace"])
@pytest.mark.parametrize(
    ("number", "todo"),
    [(errno.ENOSPC, ROOM), (errno.EIO, CHECK), (errno.EACCES, CHECK)],
)
def test_failures_of_the_last_steps(step, number, todo, path, old, monkeypatch):
    def fail(*args):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, step, fail)
    writer = NpyWriter(path)
    writer.append(X)
    text = (
        f"[Errno {number}] Writing to {path} failed after 4 rows (176 bytes): "
        f"{os.strerror(number)}. {SAME} {todo}; then write all rows again."
    )
    kind = PermissionError if number == errno.EACCES else OSError
    with raises(kind, text) as caught:
        writer.close()
    assert caught.value.errno == number
    assert (list_files("."), path.read_bytes()) == ({"X.npy"}, old)


def test_a_failure_without_a_number(path, monkeypatch):
    def fail(self, data):
        raise OSError("gone")

    monkeypatch.setattr(_unfinished.Unfinished, "write", fail)
    text = (
        f"Writing to {path} failed after 0 rows (0 bytes): gone. {NONE} {CHECK}; then "
        "write all rows again."
    )
    with raises(OSError, text):
        write(path, X)
    assert list_files(".") == set()


def test_a_file_that_cannot_be_made(path, monkeypatch):
    def fail(*args):
        raise PermissionError(errno.EACCES, "Permission denied")

    for module in (_hidden, _unfinished):
        monkeypatch.setattr(module, "make_hidden", fail)
    text = (
        f"[Errno {errno.EACCES}] Writing to {path} failed after 0 rows (0 bytes): "
        f"Permission denied. {NONE} {CHECK}; then write all rows again."
    )
    with raises(PermissionError, text):
        NpyWriter(path)


@posix
def test_file_and_folder_reach_the_disk_around_the_replacement(path, monkeypatch):
    steps = []

    def record(name):
        real = getattr(os, name)

        def recorded(first, *args):
            kind = stat.S_ISDIR(os.stat(first).st_mode) if name == "fsync" else None
            steps.append((name, kind))
            if kind is False:  # nothing waits in the buffer
                (hidden,) = list_files(".")
                assert Path(hidden).read_bytes() == saved(X)
            return real(first, *args)

        monkeypatch.setattr(os, name, recorded)

    record("fsync")
    record("replace")
    write(path, X)
    assert steps == [("fsync", False), ("replace", None), ("fsync", True)]


@posix
def test_a_folder_that_cannot_be_synced_is_no_failure(path, monkeypatch):
    real = os.open

    def refuse(opened, *args):
        if os.path.isdir(opened):
            raise OSError(errno.EINVAL, "Invalid argument")
        return real(opened, *args)

    monkeypatch.setattr(_unfinished.os, "open", refuse)
    assert write(path, X) == saved(X)


def test_windows_syncs_no_folder(path, monkeypatch):
    def refuse(*args):
        raise AssertionError

    monkeypatch.setattr(_unfinished.os, "open", refuse)
    real = os.name
    monkeypatch.setattr(_unfinished.os, "name", "nt")
    try:
        _unfinished._sync_folder(path.parent)
    finally:
        monkeypatch.setattr(_unfinished.os, "name", real)


# Permissions and places


def mode_of(path):
    return stat.S_IMODE(os.stat(path).st_mode)


@posix
@pytest.mark.parametrize("mask", [0o022, 0o077, 0o002])
def test_a_new_file_has_the_permissions_of_open(mask, path):
    before = os.umask(mask)
    try:
        write(path, X)
        with open("other", "wb"):
            pass
    finally:
        os.umask(before)
    assert mode_of(path) == mode_of("other") == 0o666 & ~mask


@posix
@pytest.mark.parametrize("mode", [0o600, 0o640, 0o666])
def test_permissions_of_a_replaced_file_stay(mode, path, old):
    path.chmod(mode)
    with NpyWriter(path) as writer:
        (hidden,) = list_files(".") - {"X.npy"}
        assert mode_of(hidden) == mode
        writer.append(X)
        path.chmod(0o604)
    assert mode_of(path) == 0o604


@posix
def test_a_link_stays_one(folder, old):
    (folder / "links").mkdir()
    link = folder / "links" / "L.npy"
    link.symlink_to("../X.npy")
    assert write(link, X[:1]) == saved(X[:1])
    assert link.is_symlink()
    assert (folder / "X.npy").read_bytes() == saved(X[:1])
    assert list_files(link.parent) == {"L.npy"}


def test_maps_of_a_replaced_file_keep_their_rows(path, old):
    if os.name == "nt":
        pytest.skip("Windows replaces no file that is mapped")
    mapped = np.load(path, mmap_mode="r")
    write(path, X + 1)
    np.testing.assert_array_equal(mapped, X)


# save_rows


def test_save_rows_writes_all_batches(path):
    batches = (X[i : i + 1] for i in range(4))
    np.testing.assert_array_equal(save_rows("X.npy", batches), np.load(path))
    assert path.read_bytes() == saved(X)
    assert save_rows(path, [X], dtype="f8", n_rows=4).dtype == np.float64
    assert path.read_bytes() == saved(X.astype("f8"))
    save_rows(path, iter([X]), dtype="f8", append=True)
    assert path.read_bytes() == saved(np.concatenate([X, X]).astype("f8"))


@pytest.mark.parametrize("kind", [np.asarray, np.asfortranarray])
def test_one_array_is_one_batch(kind, path, old):
    save_rows(path, kind(X))
    assert path.read_bytes() == saved(X)
    save_rows(path, np.load(path, mmap_mode="r"))
    assert path.read_bytes() == saved(X)


def test_batches_that_fail_write_nothing(path, old):
    def fail():
        yield X
        raise RuntimeError("no more")

    with pytest.raises(RuntimeError, match="no more"):
        save_rows(path, fail())
    assert (list_files("."), path.read_bytes()) == ({"X.npy"}, old)


@pytest.mark.parametrize("n_rows", [None, 2000])
def test_progress_is_shown(n_rows, path, capsys):
    save_rows("a[red]b.npy", [X] * 500, progress=True, n_rows=n_rows)
    said = capsys.readouterr().out
    pattern = r"\[skmmap\] a\[red\]b.npy: 2,000 rows in [\d.e-]+ s, [\d,]+ rows/s\n"
    assert re.fullmatch(pattern, said)
    save_rows(path, [X])
    assert capsys.readouterr().out == ""


def test_progress_counts_the_new_rows_of_a_resumed_file(path, old, capsys):
    save_rows(path, [X], progress=True, n_rows=4, append=True)
    assert "X.npy: 4 rows in" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("batches", "text"),
    [
        ("X.csv", "got str."),
        (b"X", "got bytes."),
        ({"X": X}, "got dict."),
        (3, "got int."),
        (None, "got NoneType."),
        (pd.DataFrame(X), "got one DataFrame. Write [batches]."),
        (sparse.csr_matrix(X), "got one csr_matrix. Write [batches]."),
    ],
)
def test_no_batches(batches, text, path):
    with raises(TypeError, f"batches must be an iterable of arrays; {text}"):
        save_rows(path, batches)
    assert list_files(".") == set()


@pytest.mark.parametrize("n_rows", [-1, 2.5, True, "4"])
def test_wrong_numbers_of_rows(n_rows, path):
    text = f"n_rows must be an integer of at least 0, or None; got {n_rows!r}."
    with raises(ValueError, text):
        save_rows(path, [X], n_rows=n_rows)


# Refusals


@pytest.mark.parametrize(
    ("path", "error", "text"),
    [
        (3, TypeError, "path must be a str or a pathlib.Path; got int."),
        ("X", ValueError, "path must end in '.npy'; got 'X'. Write 'X.npy'."),
        (
            Path("X.npz"),
            ValueError,
            "path must end in '.npy'; got 'X.npz'. Write 'X.npz.npy'.",
        ),
        (
            "no/X.npy",
            FileNotFoundError,
            "There is no folder {folder}/no for X.npy. Create it first, or choose "
            "another path.",
        ),
        (
            "D.npy",
            IsADirectoryError,
            "{folder}/D.npy is a folder. Choose another path.",
        ),
    ],
)
def test_paths_where_no_file_can_be(path, error, text, folder):
    (folder / "D.npy").mkdir()
    with raises(error, text.replace("{folder}/", f"{folder}{os.sep}")):
        NpyWriter(path)
    assert list_files(".") == {"D.npy"}


def test_a_file_that_may_not_be_written_to(path, old, monkeypatch):
    monkeypatch.setattr(os, "access", lambda path, mode: mode != os.W_OK)
    text = f"{path} is not writable. Change that, or choose another path."
    with raises(PermissionError, text):
        NpyWriter(path)


@pytest.mark.parametrize(
    ("dtype", "error", "text"),
    [
        (
            object,
            TypeError,
            "dtype='object' was given, which would be pickled Python objects; nothing "
            "is ever pickled. Convert to numbers or strings, for example "
            "np.asarray(batch, dtype=str).",
        ),
        (str, ValueError, "dtype='<U0' has no length. Give one, such as dtype='<U12'."),
        (
            "(2,)f4",
            TypeError,
            "dtype=\"('<f4', (2,))\" was given, which .npy files cannot keep. Convert "
            "to a type of NumPy's own, for example np.asarray(batch, dtype='float32').",
        ),
    ],
)
def test_item_types_that_no_file_can_have(dtype, error, text):
    with raises(error, text):
        NpyWriter("X.npy", dtype=dtype)
    assert list_files(".") == set()


def test_fields_that_overlap(path):
    overlapping = {"names": ["a", "b"], "formats": ["i4", "i4"], "offsets": [0, 2]}
    with pytest.raises(TypeError, match="which \\.npy files cannot keep"):
        write(path, np.zeros(2, overlapping))


ROWS = "batch (rows 4 to 5 of {path}) has"
REFUSED = [
    (
        X[:2, :2],
        ValueError,
        f"{ROWS} rows of shape (2,), and those of the file have (3,). Append arrays of "
        "shape (k, 3).",
    ),
    (
        X[:0, :2],
        ValueError,
        "batch (none at row 4 of {path}) has rows of shape (2,), and those of the file "
        "have (3,). Append arrays of shape (k, 3).",
    ),
    (
        X[:2].astype("f8"),
        TypeError,
        f"{ROWS} the dtype float64, and the file has float32. Append np.asarray(batch, "
        "dtype='float32'), or give dtype='float32' to NpyWriter.",
    ),
    (
        X[:2].astype(">f4"),
        TypeError,
        f"{ROWS} the dtype >f4, and the file has float32. Append np.asarray(batch, "
        "dtype='float32'), or give dtype='float32' to NpyWriter.",
    ),
    (
        X[:2].astype(object),
        TypeError,
        f"{ROWS} the dtype object, which would be pickled Python objects; nothing is "
        "ever pickled. Convert to numbers or strings, for example np.asarray(batch, "
        "dtype=str).",
    ),
    (
        sparse.csr_array(X),
        TypeError,
        "batch is a sparse matrix, and a .npy file holds all values. Append "
        "batch.toarray(), or keep it sparse: data, indices and indptr of the CSR "
        "matrix, each saved by np.save in one folder, which open_rows opens.",
    ),
    (
        sparse.coo_matrix(X),
        TypeError,
        "batch is a sparse matrix, and a .npy file holds all values. Append "
        "batch.toarray(), or keep it sparse: data, indices and indptr of the CSR "
        "matrix, each saved by np.save in one folder, which open_rows opens.",
    ),
    (
        np.ma.masked_less(X, 2),
        TypeError,
        "batch is a masked array, and a .npy file holds no mask. Append "
        "batch.filled(value).",
    ),
    (
        3.5,
        TypeError,
        "batch must be rows, of shape (k, ...); got float. Append a single row as "
        "[row].",
    ),
    (
        "abc",
        TypeError,
        "batch must be rows, of shape (k, ...); got str. Append a single row as [row].",
    ),
]


@pytest.mark.parametrize(("batch", "error", "text"), REFUSED)
def test_refused_batches(batch, error, text, path):
    with NpyWriter(path) as writer:
        writer.append(X)
        with raises(error, text.format(path=path)):
            writer.append(batch)
    assert path.read_bytes() == saved(X)


def test_rows_are_single_values_in_the_message(path):
    text = (
        f"batch (row 0 of {path}) has rows of shape (3,), and those of the file have "
        "(). Append arrays of shape (k,)."
    )
    with NpyWriter(path) as writer:
        writer.append(X[:0, 0])
        with raises(ValueError, text):
            writer.append(X[:1])


def test_ragged_rows_keep_the_error_of_numpy(path):
    with NpyWriter(path, dtype="i4") as writer:
        with pytest.raises(ValueError, match="inhomogeneous") as caught:
            writer.append([[1], [1, 2]])
        note = f"while appending a batch at row 0 of {path}"
        assert caught.value.__notes__ == [note]


@pytest.mark.parametrize(
    ("first", "second", "longer"),
    [("<U5", "<U12", "<U12"), ("<U5", "<U3", "<U5"), ("|S2", "|S7", "|S7")],
)
def test_strings_of_another_length(first, second, longer, path):
    first, second = np.zeros(1, first), np.zeros(2, second)
    text = (
        f"batch (rows 1 to 2 of {path}) has the dtype {second.dtype}, and the file has "
        f"{first.dtype}. Give dtype={longer!r} to NpyWriter from the first batch on."
    )
    with NpyWriter(path) as writer:
        writer.append(first)
        with raises(TypeError, text):
            writer.append(second)


@pytest.mark.parametrize(
    ("batch", "dtype"),
    [
        (X, "int32"),
        (X.astype("c8"), "float32"),
        (X.astype(int), "uint8"),
        (X, "<U9"),
        (np.array(["a"]), "|S1"),
        (np.array([b"a"]), "<U9"),
        (X, "|V4"),
        (np.zeros(2, "V8"), "|V4"),
        (np.zeros(2, [("a", "i4"), ("b", "i4")]), [("b", "i8"), ("a", "i8")]),
        (np.array(["2026"], "M8[D]"), "int64"),
    ],
)
def test_casts_to_another_kind(batch, dtype, path):
    name, n_rows = str(np.dtype(dtype)), len(batch)
    rows = "row 0" if n_rows == 1 else f"rows 0 to {n_rows - 1}"
    text = (
        f"batch ({rows} of {path}) has the dtype {batch.dtype}, which is of another "
        f"kind than dtype={name!r}. Append np.asarray(batch, dtype={name!r}) if that "
        "is intended, or give another dtype to NpyWriter."
    )
    with NpyWriter(path, dtype=dtype) as writer, raises(TypeError, text):
        writer.append(batch)


@pytest.mark.parametrize(
    ("batch", "dtype", "value"),
    [
        (np.array([1, 300, -1]), "int8", "300"),
        (np.array([1, 2**63, 2], "u8"), "int64", str(2**63)),
        (np.array(["a", "bcdef", "c"]), "<U4", "'bcdef'"),
        (np.array([b"a", b"bcdef", b"c"]), "|S4", "b'bcdef'"),
    ],
)
@pytest.mark.parametrize("piece", [1, 2**21])
def test_casts_that_lose_something(piece, batch, dtype, value, path, monkeypatch):
    set_piece(monkeypatch, piece)
    text = (
        f"batch (rows 1 to 3 of {path}) has the value {value} in row 2, which "
        f"dtype={dtype!r} cannot keep. Give dtype={str(batch.dtype)!r} to NpyWriter."
    )
    with NpyWriter(path, dtype=dtype) as writer:
        writer.append(batch[:1])
        with raises(ValueError, text):
            writer.append(batch)


def test_nothing_to_write(path, old):
    text = (
        f"Nothing was appended for {path}, and the item type of an empty file is not "
        "known. Give dtype to NpyWriter, or append an empty batch, such as "
        "np.empty((0, 10))."
    )
    with raises(ValueError, text):
        NpyWriter(path).close()
    with raises(ValueError, text):
        save_rows(path, [])
    assert (list_files("."), path.read_bytes()) == ({"X.npy"}, old)


def test_a_closed_writer_takes_no_rows(path):
    writer = NpyWriter(path, dtype="f4")
    writer.close()
    text = (
        f"The writer of {path} is closed. Open another, with append=True to write "
        "after the rows of the file."
    )
    with raises(ValueError, text):
        writer.append(X)
    with raises(ValueError, text), writer:
        pass


FOREIGN = {
    "npz": "path is {path}: numpy reads an .npz archive whole into memory, whatever "
    "mmap_mode says. Save each of its arrays once as .npy with np.save(path, array).",
    "text": "path='{path}' looks like text; supported are .npy, HDF5, zarr, Parquet, "
    "Arrow, ORC, safetensors, FITS, NIfTI and PLINK files, and raw binary with dtype "
    "and shape. Load it, and save the array once with np.save(path, array).",
    "header": "path='{path}' has no readable header: the file ends 88 bytes "
    "before its header ends. Write it again.",
    "short": "path='{path}' is truncated: its header says shape (4, 3) and 176 bytes, "
    "and the file has 175. Write it again.",
    "fortran": "{path} is stored column by column (Fortran order), so no rows can be "
    "written after its last. Save it in C order once: np.save(path, "
    "np.ascontiguousarray(array)) where it fits in memory.",
    "value": "path='{path}' holds a single value, which has no rows.",
}


@pytest.mark.parametrize("kind", FOREIGN)
def test_files_that_cannot_be_resumed(kind, path, old):
    if kind == "npz":
        np.savez("X.npz", X=X)
        os.replace("X.npz", path)
    arrays = {"fortran": np.asfortranarray(X), "value": np.float32(3)}
    contents = {"text": b"1,2,3", "header": old[:40], "short": old[:-1]}
    if kind in arrays:
        np.save(path, arrays[kind])
    path.write_bytes(contents.get(kind, path.read_bytes()))
    before = path.read_bytes()
    with raises(ValueError, FOREIGN[kind].format(path=path)):
        NpyWriter(path, append=True)
    assert (list_files("."), path.read_bytes()) == ({"X.npy"}, before)


def test_pickled_files_cannot_be_resumed(path):
    np.save(path, np.array([{}, 1]), allow_pickle=True)
    text = (
        f"path='{path}' holds pickled Python objects, which are never loaded: they "
        "could run any code. Save plain numbers or strings, for example np.save(path, "
        "array.astype(str))."
    )
    with raises(ValueError, text):
        NpyWriter(path, append=True)


def test_another_dtype_than_that_of_the_file(path, old):
    text = (
        f"{path} has the dtype float32, and dtype='float64' was given. Leave dtype "
        "out, or append=False to replace the file."
    )
    with raises(TypeError, text):
        NpyWriter(path, dtype=float, append=True)
    assert list_files(".") == {"X.npy"}


# Memory


@pytest.mark.slow
@pytest.mark.parametrize(
    ("call", "most"),
    [
        ("[writer.append(batch) for _ in range(100)]", 3e6),
        ("[writer.append(batch[i : i + 1]) for i in range(len(batch))]", 1e5),
        ("writer.append(np.broadcast_to(batch, (100, *batch.shape)).T)", 5e6),
        ("writer.append(big)", 5e6),
    ],
)
def test_memory_is_bounded(call, most, path):
    cast = "big" in call
    code, said = run(
        f"""
        import tracemalloc
        from skmmap import NpyWriter
        batch = np.ones((2500, 50))
        big = np.ones((1_250_000, 10), np.int64) if {cast} else None
        with NpyWriter("warm.npy") as writer:
            writer.append(batch)
        with NpyWriter(sys.argv[1], dtype=np.int32 if {cast} else None) as writer:
            tracemalloc.start()
            {call}
            print(tracemalloc.get_traced_memory()[1])
        """,
        path,
    )
    assert code == 0
    assert float(said) < most


@pytest.mark.slow
def test_resuming_copies_in_pieces(path):
    np.save(path, np.ones((100, 125_000)))
    code, said = run(
        """
        import tracemalloc
        from skmmap import NpyWriter
        batch = np.ones((1, 125_000))
        tracemalloc.start()
        with NpyWriter(sys.argv[1], append=True) as writer:
            writer.append(batch)
            print(tracemalloc.get_traced_memory()[1])
        """,
        path,
    )
    assert code == 0
    assert float(said) < 5e6
