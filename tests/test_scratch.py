"""Temporary files: open to others by a path, and gone whatever happens."""

import os
import signal
import sys
from pathlib import Path
from subprocess import PIPE, Popen, run

import pytest

from skmmap.disk import ScratchFile, has_unnamed_files, is_in_memory, scratch

needs_proc = pytest.mark.skipif(
    not has_unnamed_files(), reason="open files have no path here"
)


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """Where temporary files are made, and nothing else."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    return tmp_path


@pytest.fixture
def named(monkeypatch):
    """Let open files have no paths, as on macOS."""
    monkeypatch.setattr(scratch, "_find_path", lambda number: "/nowhere")


def make(text=b"some rows"):
    file = ScratchFile()
    file.file.write(text)
    file.file.flush()
    return file


@needs_proc
def test_a_file_without_a_name(folder):
    before = os.listdir("/proc/self/fd")
    file = make()
    assert not list(folder.iterdir())
    assert Path(file.path).read_bytes() == b"some rows"
    other = run(["cat", file.path], capture_output=True, check=True)
    assert other.stdout == b"some rows"
    del file
    assert os.listdir("/proc/self/fd") == before


@pytest.mark.usefixtures("named")
def test_a_file_with_a_name(folder):
    file = make()
    assert [path.name for path in folder.iterdir()] == [Path(file.path).name]
    assert Path(file.path).read_bytes() == b"some rows"
    del file
    assert not list(folder.iterdir())


@pytest.mark.usefixtures("named")
@pytest.mark.skipif(not hasattr(os, "fork"), reason="processes do not fork here")
def test_a_child_leaves_the_file_of_its_parent(folder, monkeypatch):
    file = make()
    monkeypatch.setattr(os, "getpid", lambda: 0)  # as in a child, which has another one
    file.close()
    assert Path(file.path).exists()


def test_what_was_not_written_is_not_tried_again():
    file = ScratchFile()
    file.file.write(b"a rest that would not fit")
    same = os.dup(file.file.fileno())
    file.close()
    file.close()  # once more
    size = os.fstat(same).st_size
    os.close(same)
    assert file.file.closed
    assert size == 0


KILLED = """
import sys, time
from skmmap.disk import ScratchFile
file = ScratchFile()
file.file.write(b"x" * 2**20)
file.file.flush()
print(file.path, flush=True)
time.sleep(60)
"""


@needs_proc
def test_nothing_is_left_by_a_process_that_is_killed(folder):
    code = [sys.executable, "-c", KILLED]
    with Popen(code, stdout=PIPE, text=True, env=os.environ | {"TMPDIR": folder}) as it:
        path = it.stdout.readline().strip()
        assert os.stat(path).st_size == 2**20
        assert os.stat(path).st_dev == os.stat(folder).st_dev
        it.send_signal(signal.SIGKILL)
    assert not os.path.exists(path)
    assert not list(folder.iterdir())


@needs_proc
def test_folders_in_memory(monkeypatch):
    mounts = "disk / ext4 rw\nshm /dev/shm tmpfs rw\nx /mnt/a ext4 rw\n"
    monkeypatch.setattr(Path, "read_text", lambda *_, **__: mounts)
    monkeypatch.setattr(Path, "resolve", lambda path: path)
    folders = "/dev/shm", "/dev/shm/a/b", "/mnt/a/b", "/mnt", "/dev"
    found = [is_in_memory(Path(name)) for name in folders]
    assert found == [True, True, False, False, False]
    monkeypatch.setattr(Path, "read_text", lambda *_, **__: "")
    assert is_in_memory(Path("/tmp")) is None
