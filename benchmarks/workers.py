"""Processes that run ways one by one when they are told to, by any interpreter.

The child's side needs nothing but the standard library, so that a child can have
other versions of everything else. Messages are lines of JSON.
"""

import gc
import json
import os
import subprocess
import sys
import traceback
from pathlib import Path
from select import select

from clock import Times, measure_time

_HERE = Path(__file__).parent
# Limits that hold in every thread of the child: those of threadpoolctl do not for
# OpenMP.
_ONE_THREAD = dict.fromkeys(
    ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1"
)
# The shell joins the group, and becomes the child: what that allocates is all counted.
_JOIN = 'echo $$ > "$0/cgroup.procs" && exec "$@"'


class WorkerError(RuntimeError):
    """A child failed, or was killed."""


class Worker:
    """A child process that was told its ways, and runs one at a time.

    ``script`` is a file of this folder that calls `serve`; ``group`` a control group
    that the child joins before it begins.
    """

    def __init__(self, script: str, python: str = sys.executable, group=None):
        command = [python, "-W", "ignore", str(_HERE / script)]
        if group is not None:
            command = ["sh", "-c", _JOIN, str(group), *command]
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=os.environ | _ONE_THREAD,
        )

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._process.stdin.close()
        self._process.wait()
        self._process.stdout.close()

    @property
    def pid(self) -> int:
        return self._process.pid

    def prepare(self, **params) -> None:
        """Tell the child what its ways are."""
        self.send({"prepare": params})
        self.receive()

    def run(self, way: str) -> Times:
        """Run one of its ways, and return the child's own times."""
        self.send({"run": way})
        return Times(**self.receive())

    def send(self, message: dict) -> None:
        try:
            print(json.dumps(message), file=self._process.stdin, flush=True)
        except BrokenPipeError:
            raise WorkerError(self._describe_end()) from None

    def has_replied(self, seconds: float) -> bool:
        """Whether there is a reply, or the child's end, within some seconds."""
        return bool(select([self._process.stdout], [], [], seconds)[0])

    def receive(self) -> dict:
        line = self._process.stdout.readline()
        if not line:
            raise WorkerError(self._describe_end())
        reply = json.loads(line)
        if "error" in reply:
            raise WorkerError(reply["error"])
        return reply

    def _describe_end(self) -> str:
        code = self._process.wait()
        return "killed by the system" if code == -9 else f"ended with code {code}"


def serve(prepare) -> None:
    """Be the child: make the ways, and run one of them for each line that comes.

    ``prepare`` returns the ways, each a function without arguments.
    """
    replies, sys.stdout = sys.stdout, sys.stderr
    ways = {}
    for line in sys.stdin:
        message = json.loads(line)
        try:
            if "prepare" in message:
                ways, reply = prepare(**message["prepare"]), {}
            else:
                reply = measure_time(ways[message["run"]])._asdict()
                gc.collect()  # pages of a map that is still held cannot be dropped
        except Exception:
            reply = {"error": traceback.format_exc()}
        print(json.dumps(reply), file=replies, flush=True)
