"""Fresh processes for tests, which have imported skmmap and done nothing else.

The import takes seconds on a slow machine. Where there is a safe ``fork``, a server
makes it once and forks for each run: its memory is that of a process that has just been
started, what it does to itself is gone with it, and it may die.
"""

import atexit
import json
import os
import subprocess
import sys
import tempfile
import textwrap
from functools import cache
from pathlib import Path

_TIMEOUT = 1_800  # seconds; no promise of speed, only an end

# glibc otherwise keeps freed arrays and gives them out again: by luck of the heap
# nothing seems to grow, or what is free seems to be held.
_GIVE_BACK = {"MALLOC_MMAP_THRESHOLD_": "131072", "MALLOC_TRIM_THRESHOLD_": "131072"}

_SERVER = """
import gc, json, os, signal, sys, types, warnings
import pandas, pyarrow.parquet
import sklearn.cluster, sklearn.decomposition, sklearn.linear_model
import sklearn.model_selection, sklearn.naive_bayes, sklearn.preprocessing
import skmmap

# Threads of BLAS, which it starts again in a fork.
warnings.filterwarnings("ignore", "This process .* is multi-threaded", Warning)
gc.collect()
gc.freeze()  # of what is shared with forks a collection would make copies
for line in sys.stdin:
    code, args, folder, outputs, timeout = json.loads(line)
    child = os.fork()
    if child:
        status = os.waitpid(child, 0)[1]
        print(os.waitstatus_to_exitcode(status), flush=True)
        continue
    signal.alarm(timeout)  # which ends it
    os.chdir(folder)
    for fd, path in enumerate([os.devnull, *outputs]):
        os.dup2(os.open(path, os.O_RDWR), fd)
    sys.argv = ["-c", *args]
    main = sys.modules["__main__"] = types.ModuleType("__main__")
    exec(compile(code, "<string>", "exec"), vars(main))
    sys.exit()
"""


@cache
def _start_server():
    server = subprocess.Popen(
        [sys.executable, "-c", _SERVER],
        env=os.environ | _GIVE_BACK,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )

    def stop():
        server.stdin.close()
        server.stdout.close()
        server.wait()

    atexit.register(stop)
    return server


def run_fresh(code, *args, timeout=_TIMEOUT) -> subprocess.CompletedProcess:
    """Run code in a process of its own; return what ended it, and what it printed."""
    code, args = textwrap.dedent(code), [str(arg) for arg in args]
    if sys.platform != "linux":
        command = [sys.executable, "-c", code, *args]
        return subprocess.run(
            command, capture_output=True, text=True, check=False, timeout=timeout
        )
    server = _start_server()
    with tempfile.TemporaryDirectory() as folder:
        outputs = [Path(folder, name) for name in ("stdout", "stderr")]
        for path in outputs:
            path.touch()
        job = code, args, os.getcwd(), [str(path) for path in outputs], timeout
        print(json.dumps(job), file=server.stdin, flush=True)
        returncode = int(server.stdout.readline())
        said = [path.read_text() for path in outputs]
    return subprocess.CompletedProcess(args, returncode, *said)
