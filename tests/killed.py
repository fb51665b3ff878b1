"""Runs that are killed again and again, to be compared with one that never was."""

import os
import signal
from contextlib import contextmanager
from unittest import mock

import numpy as np

from skmmap.checkpoints.journal import KeptJournal
from skmmap.checkpoints.search_journal import SearchJournal


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


@contextmanager
def search_killed_after(n_looks, *, writes_last=True, do=None):
    """End a search once it has looked so often whether to write; ``do`` that instead.

    It looks before it reads a chunk for its tasks, and after each of the last fit.
    """
    left = [n_looks]

    def end():
        raise Killed

    def is_due(self):
        left[0] -= 1
        if left[0] < 0 and not writes_last:
            raise Killed
        return left[0] < 0

    def stop(self):
        if left[0] < 0:
            (do or end)()

    with (
        mock.patch.object(SearchJournal, "is_due", property(is_due)),
        mock.patch.object(SearchJournal, "is_time", False),
        mock.patch.object(SearchJournal, "_stop", stop),
    ):
        yield


def search_in_pieces(run, pieces):
    """Call ``run`` with other numbers of jobs until it is over; return the last one.

    It is killed after each of ``pieces`` looks.
    """
    for number, n_looks in enumerate(pieces):
        np.random.seed(number)  # of another process
        try:
            with search_killed_after(n_looks, writes_last=number % 3 != 1):
                return run(n_jobs=1 + number % 2)
        except Killed:
            continue
    with search_killed_after(10**9):
        return run(n_jobs=2)
