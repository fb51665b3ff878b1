"""Runs that are killed again and again, to be compared with one that never was."""

import os
import signal
from contextlib import contextmanager
from unittest import mock

import numpy as np

from skmmap.checkpoints.journal import KeptJournal


class Killed(BaseException):
    """Ends a run as a signal would that nobody can catch."""


@contextmanager
def killed_after(n_chunks, *, writes_last=True):
    """End a run after so many chunks, the last of them written to the file or not."""
    left, real = [n_chunks], KeptJournal.after_chunk

    def after_chunk(self, run):
        left[0] -= 1
        if left[0] >= 0 or writes_last:
            real(self, run)
        if left[0] < 0:
            raise Killed

    with mock.patch.object(KeptJournal, "after_chunk", after_chunk):
        yield


@contextmanager
def interrupted_after(n_chunks):
    """Press Ctrl-C while the chunk after so many is learned."""
    left, real = [n_chunks], KeptJournal.after_chunk

    def after_chunk(self, run):
        left[0] -= 1
        if left[0] < 0:
            os.kill(os.getpid(), signal.SIGINT)
        real(self, run)

    with mock.patch.object(KeptJournal, "after_chunk", after_chunk):
        yield


def run_in_pieces(run, pieces):
    """Call ``run`` until it is over, killed after each of ``pieces`` chunks."""
    for number, n_chunks in enumerate(pieces):
        np.random.seed(number)  # of another process
        try:
            with killed_after(n_chunks, writes_last=number % 2 == 0):
                return run()
        except Killed:
            continue
    return run()
