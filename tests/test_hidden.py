"""Files that are being written: nobody else's, and whole or not at all."""

import errno
import os
import shutil
import stat
import threading
from pathlib import Path

import numpy as np
import pytest
from helpers import combine, raises
from scipy import sparse
from sklearn.naive_bayes import GaussianNB
from sklearn.preprocessing import MaxAbsScaler

from skmmap import ChunkedFit, NpyWriter, convert, open_rows, save_rows
from skmmap.disk.hidden import open_locked
from skmmap.disk.unfinished import Unfinished

pytestmark = pytest.mark.skipif(os.name == "nt", reason="Windows has no such modes")
X, y = np.arange(12.0).reshape(6, 2), np.arange(6) % 2


def mode_of(path) -> int:
    return stat.S_IMODE(os.lstat(path).st_mode)


def hidden_files():
    return {name for name in os.listdir() if name.startswith(".skmmap")}


@pytest.fixture
def model(empty_folder):
    np.save("X.npy", X)
    return ChunkedFit(GaussianNB(), chunk_size=2).fit(X, y)


@pytest.fixture
def umask():
    before = os.umask(0o022)
    yield os.umask
    os.umask(before)


def watch(look):
    """Yield rows, and look at what lies in the folder between."""
    for row in X:
        yield row
        look()


def by_writer(look):
    with NpyWriter("p.npy") as writer:
        look()
        for row in watch(look):
            writer.append([row])


class Spy(GaussianNB):
    look = None

    def predict(self, X):
        Spy.look()
        return super().predict(X)


def by_model(look, **options):
    Spy.look = staticmethod(look)
    spy = ChunkedFit(Spy(), chunk_size=2).fit(X, y)
    spy.predict("X.npy", out="p.npy", **options)


WRITERS = {
    "NpyWriter": lambda look: by_writer(look),
    "save_rows": lambda look: save_rows("p.npy", ([r] for r in watch(look))),
    "convert": lambda look: convert(watch(look), "p.npy"),
    "two files": lambda look: convert(
        ((row, 1) for row in watch(look)), ("p.npy", "q.npy")
    ),
    "out": by_model,
    "out, resumed": lambda look: by_model(look, resume=True),
}


@pytest.mark.parametrize(
    ("writer", "mask", "old"),
    combine(
        WRITERS,
        [0o022, 0o077, 0o002],
        [None, 0o600, 0o640, 0o604, 0o644, 0o666],
    ),
)
def test_nobody_reads_who_could_not_read_the_old_file(writer, mask, old, model, umask):
    umask(mask)
    if old is not None:
        np.save("p.npy", X)
        os.chmod("p.npy", old)
    seen = set()

    def look():
        seen.update(mode_of(name) for name in hidden_files())

    WRITERS[writer](look)
    allowed = {0o600} if old is None else {old}
    if writer == "two files":  # the other one is new
        allowed |= {0o600}
    assert seen == allowed
    assert mode_of("p.npy") == (0o666 & ~mask if old is None else old)
    assert not hidden_files()


def test_no_byte_is_written_to_a_file_that_others_can_read(model, monkeypatch, umask):
    umask(0)
    real = os.open
    modes = {}

    def look(path, flags, mode=0o777, **options):
        if ".skmmap" in str(path) and flags & os.O_CREAT:
            modes[os.path.basename(path)] = mode
        return real(path, flags, mode, **options)

    monkeypatch.setattr(os, "open", look)
    names = set()
    by_writer(lambda: names.update(hidden_files()))
    # The only other file is one to see the mode of, which nothing is written to.
    assert {modes[name] for name in names} == {0o600}
    assert sorted(modes.values()) == [0o600, 0o666]


def test_the_mask_of_the_process_is_left_alone(model, monkeypatch):
    def refuse(mask):
        raise AssertionError("other threads would make files by it")

    monkeypatch.setattr(os, "umask", refuse)
    save_rows("p.npy", [X])


@pytest.mark.parametrize("mask", [0o022, 0o077])
def test_a_folder_of_results(mask, empty_folder, umask):
    umask(mask)
    seen = set()

    class Watching(MaxAbsScaler):
        def transform(self, X):
            seen.update(mode_of(name) for name in hidden_files())
            return super().transform(X)

    sparse_X = sparse.csr_array(X)
    model = ChunkedFit(Watching(), chunk_size=2).fit(sparse_X)
    rows = model.transform(sparse_X, out="folder")
    assert seen == {0o700}
    assert mode_of("folder") == 0o777 & ~mask
    assert rows.shape[0] == 6


def test_the_group_of_the_old_file_is_kept_or_left_out(model, monkeypatch, umask):
    np.save("p.npy", X)
    os.chmod("p.npy", 0o660)
    asked = []

    def fchown(file, uid, gid):
        asked.append((uid, gid))
        raise PermissionError

    other = os.stat("p.npy").st_gid + 1
    real = os.stat

    def with_other_group(path, *args, **options):
        status = real(path, *args, **options)
        if str(path).endswith("p.npy"):
            fields = list(status)
            fields[5] = other
            status = os.stat_result(fields)
        return status

    monkeypatch.setattr(os, "fchown", fchown)
    monkeypatch.setattr(os, "stat", with_other_group)
    save_rows("p.npy", [X])
    assert (-1, other) in asked
    assert mode_of("p.npy") == 0o600


# What lies under the hidden name of a run


def name_of(model, monkeypatch):
    """Return the hidden name that results of this model have."""
    names = []

    def replace(hidden, place):
        names.append(hidden)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", replace)
        with pytest.raises(KeyboardInterrupt):
            model.predict("X.npy", out="p.npy")
    return names[0]


def put_link(hidden):
    np.save("victim.npy", X)
    os.symlink("victim.npy", hidden)


def put_second_name(hidden):
    np.save("victim.npy", X)
    os.link("victim.npy", hidden)


def put_other_owner(hidden):
    np.save("victim.npy", X)
    os.rename("victim.npy", hidden)
    if os.geteuid() == 0:
        os.chown(hidden, 12345, 12345)
    else:
        os.geteuid = lambda: 12345


def put_dangling(hidden):
    os.symlink("nothing", hidden)


PLANTED = {
    "a link": (put_link, "is a link"),
    "a link to nothing": (put_dangling, "is a link"),
    "a second name": (put_second_name, "has more than one hard link"),
    "another owner": (put_other_owner, "belongs to another user"),
    "a pipe": (os.mkfifo, "is not a regular file"),
    "a folder": (os.mkdir, "is not a regular file"),
}


@pytest.fixture(params=PLANTED)
def planted(request, model, monkeypatch):
    monkeypatch.setattr(os, "geteuid", os.geteuid)
    hidden = name_of(model, monkeypatch)
    put, said = PLANTED[request.param]
    put(hidden)
    before = Path("victim.npy").read_bytes() if os.path.exists("victim.npy") else b""
    yield hidden, said
    assert os.path.lexists(hidden)
    if before:
        assert Path("victim.npy").read_bytes() == before


def test_what_is_not_our_own_is_left_alone(planted, model):
    result = model.predict("X.npy", out="p.npy")
    np.testing.assert_array_equal(result, model.predict(X))
    assert len(hidden_files()) == 1


def test_what_is_not_our_own_is_not_gone_on_with(planted, model):
    hidden, said = planted
    text = (
        f"The hidden file {hidden} {said}, so its contents cannot be trusted. Delete "
        "it and run again."
    )
    with raises(PermissionError, text):
        model.predict("X.npy", out="p.npy", resume=True)
    assert not os.path.exists("p.npy")


def test_rows_are_not_put_into_what_came_under_the_name(model, monkeypatch):
    """A link that is put there after the file was laid out is not followed."""
    np.save("victim.npy", X)
    before = Path("victim.npy").read_bytes()

    n_calls = 0

    def look():
        nonlocal n_calls
        n_calls += 1
        if n_calls == 2:
            (hidden,) = hidden_files()
            os.unlink(hidden)
            os.symlink("victim.npy", hidden)

    with pytest.raises(PermissionError, match="is a link"):
        by_model(look)
    assert Path("victim.npy").read_bytes() == before


def test_a_name_that_comes_and_goes_is_not_waited_for_without_end(tmp_path):
    hidden = tmp_path / ".skmmap_key"

    def exists(path):
        return False

    hidden.write_bytes(b"")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os.path, "lexists", exists)
        text = "Another run is writing the same result to y.npy. Wait until it ends."
        with raises(BlockingIOError, text):
            open_locked(hidden, "y.npy")


def test_threads_write_files_of_the_right_mode_at_once(empty_folder, umask):
    umask(0o027)
    threads = [
        threading.Thread(target=save_rows, args=(f"{i}.npy", [X])) for i in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {mode_of(f"{i}.npy") for i in range(8)} == {0o640}


# New files that are mapped


FULL = [
    ("a.npy", {"shape": (1000, 10)}, 80_128),
    ("a.npy", {"shape": (1000, 10), "order": "F"}, 80_128),
    ("a.bin", {"shape": (1000, 10), "offset": 16}, 80_016),
]


@pytest.mark.parametrize(("name", "options", "n_bytes"), FULL)
@pytest.mark.parametrize("is_there", [True, False])
def test_a_full_disk_is_an_error_at_once(
    name, options, n_bytes, is_there, empty_folder
):
    import resource

    if is_there:
        (empty_folder / name).write_bytes(b"old")
    left = "no file was left there"
    if is_there:
        left = "the file that was there before is unchanged"
    path = empty_folder / name
    text = (
        f"[Errno {errno.EFBIG}] {path} of {n_bytes:,} bytes cannot be created: File "
        f"too large; {left}. Make room, or choose a path on another disk."
    )
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (40_000, limits[1]))
    try:
        with raises(OSError, text):
            open_rows(path, mode="w+", dtype=float, **options)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert os.listdir() == ([name] if is_there else [])
    if is_there:
        assert path.read_bytes() == b"old"


@pytest.mark.parametrize(("name", "options", "n_bytes"), FULL)
def test_a_new_file_has_its_room(name, options, n_bytes, empty_folder):
    rows = open_rows(name, mode="w+", dtype=float, **options)
    assert os.stat(name).st_size == n_bytes
    assert os.stat(name).st_blocks * 512 >= n_bytes
    assert not np.asarray(rows).any()
    rows[:] = 1
    assert np.asarray(rows).all()
    if name.endswith(".npy"):
        loaded = np.load(name)
        assert loaded.flags.f_contiguous == (options.get("order") == "F")
        assert loaded.all()


@pytest.mark.parametrize("code", [errno.EOPNOTSUPP, errno.EINVAL])
def test_file_systems_that_take_no_room_are_asked_for_it(code, tmp_path, monkeypatch):
    def refuse(*args):
        raise OSError(code, "no")

    monkeypatch.setattr(os, "posix_fallocate", refuse)
    rows = open_rows(tmp_path / "a.npy", mode="w+", dtype=float, shape=(10, 2))
    assert np.asarray(rows).tolist() == np.zeros((10, 2)).tolist()
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage._replace(free=100))
    with pytest.raises(OSError, match="No space left on device"):
        open_rows(tmp_path / "a.npy", mode="w+", dtype=float, shape=(100, 2))


def test_sizes_that_no_file_has(tmp_path):
    path = tmp_path / "a.bin"
    with pytest.raises(OSError, match="File too large"):
        open_rows(path, mode="w+", dtype=float, shape=(2**62,))
    with raises(ValueError, "offset must be an integer of at least 0; got -1."):
        open_rows(path, mode="w+", dtype=float, shape=3, offset=-1)
    text = "dtype must be a type of fixed size, without Python objects; got object."
    with raises(ValueError, text):
        open_rows(path, mode="w+", dtype=object, shape=3)
    assert not list(tmp_path.iterdir())


# Several files


def steps_of(work) -> list:
    """Return the names of the steps by which files change, in turn."""
    return run_until(work, None)


CHANGES = ["replace", "rename", "link", "unlink"]


def run_until(work, end):
    """Do the work, and end after so many changes; return which there were."""
    done, real = [], {name: getattr(os, name) for name in CHANGES}

    def make(name):
        def change(*args, **options):
            result = real[name](*args, **options)
            done.append(name)
            if len(done) == end:
                os._exit(0)
            return result

        return change

    for name in CHANGES:
        setattr(os, name, make(name))
    try:
        work()
    finally:
        for name in CHANGES:
            setattr(os, name, real[name])
    return done


NAMES = ["a.npy", "b.npy", "c.npy"]


def write_three():
    convert(((i, i, i) for i in range(5)), NAMES)


def found():
    """Return for each file whether it is the old one, the new one, or missing."""
    return [
        None if not os.path.exists(name) else len(np.load(name)) == 5 for name in NAMES
    ]


@pytest.mark.parametrize("there", [NAMES, NAMES[:1], NAMES[1:], NAMES[2:]])
def test_whoever_is_killed_leaves_no_mixture(there, empty_folder):
    def begin():
        for name in NAMES:
            if os.path.exists(name):
                os.unlink(name)
        for name in there:
            np.save(name, np.zeros(2))
        for name in hidden_files():
            os.unlink(name)

    begin()
    n_steps = len(steps_of(write_three))
    assert found() == [True] * 3
    assert not hidden_files()
    assert n_steps > len(NAMES)
    for end in range(1, n_steps + 1):
        begin()
        child = os.fork()
        if not child:
            try:
                run_until(write_three, end)
            finally:
                os._exit(1)
        assert os.waitpid(child, 0)[1] == 0
        states = found()
        is_new, is_old = True in states, False in states
        assert not (is_new and is_old), (end, states)
        if end == n_steps:
            assert states == [True] * 3


@pytest.mark.parametrize("there", [NAMES, NAMES[:1], NAMES[1:], []])
@pytest.mark.parametrize("error", [OSError(28, "No space left"), KeyboardInterrupt()])
def test_a_step_that_fails_puts_all_back(there, error, empty_folder, monkeypatch):
    for name in there:
        np.save(name, np.zeros(2))
    real, fails = os.replace, 0
    while True:
        left = n_fail = fails

        def replace(*args):
            nonlocal left
            left -= 1
            if left == -1:
                raise error
            return real(*args)

        with monkeypatch.context() as patch:
            patch.setattr(os, "replace", replace)
            try:
                write_three()
            except type(error):
                fails += 1
            else:
                break
        assert found() == [False if name in there else None for name in NAMES], n_fail
        assert not hidden_files()
    assert found() == [True] * 3
    assert fails == 2 * len(NAMES)


def test_one_file_is_replaced_in_one_step(empty_folder):
    np.save("X.npy", np.zeros(2))
    assert steps_of(lambda: convert(iter(X), "X.npy")).count("replace") == 1


def test_several_files_keep_links_and_modes(empty_folder, umask):
    np.save("real.npy", X)
    os.chmod("real.npy", 0o600)
    os.symlink("real.npy", "b.npy")
    write_three()
    assert os.path.islink("b.npy")
    assert mode_of("real.npy") == 0o600
    assert mode_of("a.npy") == 0o644
    assert len(np.load("real.npy")) == 5


def test_what_is_left_hidden_is_protected(empty_folder):
    out = Unfinished(empty_folder / "y.npy", key="k")
    out.write(b"secret")
    out.flush()
    assert mode_of(out.hidden) == 0o600
    out.close()
    os.chmod(out.hidden, 0o644)  # by an older version
    again = Unfinished(empty_folder / "y.npy", key="k", resume=True)
    assert mode_of(again.hidden) == 0o600
    assert again.read_at(0, 6) == b"secret"
    again.discard()
