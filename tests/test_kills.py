"""Processes with a checkpoint that are killed, and their forks."""

import os
import signal

import pytest
from processes import run_fresh

from skmmap.disk.generations import Generations

needs_forks = pytest.mark.skipif(
    not hasattr(os, "fork"), reason="there are no forks here"
)


def test_no_file_is_made_that_a_kill_would_leave_for_ever(tmp_path, monkeypatch):
    file, deleted = Generations(tmp_path / "run.ckpt"), []
    with monkeypatch.context() as patch:
        patch.setattr(os, "unlink", deleted.append)
        for text in (b"one", b"two"):
            file.write({}, {"text": lambda out, text=text: out.write(text)})
    assert deleted == []
    found = sorted(os.listdir(tmp_path))
    assert found == [".run.ckpt.lock", "run.ckpt", "run.ckpt.previous"]
    file.close()


# The worker lives until the new run is over.
WORKER = """
import os, signal, sys
from pathlib import Path
from skmmap.disk.generations import Generations
path, (read, write), (begun, begins) = Path(sys.argv[1]), os.pipe(), os.pipe()
run = os.fork()
if not run:
    file = Generations(path)
    if not os.fork():
        os.close(write)
        os.write(begins, b"1")  # it has let go of the lock, if it ever does
        os.read(read, 1)
        os._exit(0)
    os.read(begun, 1)
    os.kill(os.getpid(), signal.SIGKILL)
os.waitpid(run, 0)
file = Generations(path)
file.write({"said": "once more"}, {})
print(file.find()[0].about["said"])
"""


@needs_forks
def test_a_forked_worker_does_not_keep_the_lock_of_a_killed_run(tmp_path):
    done = run_fresh(WORKER, tmp_path / "run.ckpt")
    assert (done.returncode, done.stdout) == (0, "once more\n"), done.stderr


# A pool of workers ends by SIGTERM, and waits until they have.
ENDED = """
import os, signal, time
from skmmap.checkpoints.stops import Stops
with Stops().hearing():
    worker = os.fork()
    if not worker:
        signal.alarm(20)
        while True:
            time.sleep(1)
    time.sleep(0.1)
    os.kill(worker, signal.SIGTERM)
    print(os.WTERMSIG(os.waitpid(worker, 0)[1]))
"""


@needs_forks
def test_a_signal_ends_a_forked_worker():
    done = run_fresh(ENDED)
    assert done.stdout.strip() == str(int(signal.SIGTERM)), done.stderr
