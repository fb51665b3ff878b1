"""The workers of joblib: threads, processes or machines."""

from collections.abc import Iterator
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from joblib.parallel import get_active_backend

# Backends on this machine, whose workers share its memory.
_LOCAL = "joblib._parallel_backends"


class Jobs(NamedTuple):
    """The number of workers, and whether they share this machine and its memory.

    Without ``reads_ahead`` each reads a chunk in its turn. The results of ``wave``
    spans at most are kept at a time, of all if it is 0.
    """

    number: int = 1
    is_local: bool = True
    has_memory: bool = True
    options: dict = {}  # noqa: RUF012
    reads_ahead: bool = True
    wave: int = 0


def is_one_by_default() -> bool:
    """Whether ``n_jobs=None`` is one worker, which is fast to find out."""
    backend, default = get_active_backend()
    return (backend.default_n_jobs if default is None else default) == 1


def find_jobs(n_jobs: int | None, *, prefer: str, needs_memory: bool) -> Jobs:
    """Return the workers for ``n_jobs``, by ``joblib.parallel_config`` if it is used.

    ``prefer`` is "threads" or "processes"; work that ``needs_memory`` of this process
    can only use threads.
    """
    hints = {"prefer": prefer, "require": None}
    if needs_memory:
        hints = {"prefer": "threads", "require": "sharedmem"}
    backend, default = get_active_backend(**hints)
    if n_jobs is None:
        n_jobs = backend.default_n_jobs if default is None else default
    number = backend.effective_n_jobs(n_jobs)
    generates = backend.supports_return_generator
    options = {"return_as": "generator" if generates else "list", **hints}
    return Jobs(
        number,
        type(backend).__module__ == _LOCAL,
        getattr(backend, "supports_sharedmem", False),
        options,
    )


def cut(schedule, n_spans: int) -> list:
    """Return consecutive parts of a schedule, each after the number of its first."""
    ends = np.linspace(0, len(schedule), n_spans + 1).astype(int).tolist()
    return [(a, schedule[a:b]) for a, b in pairwise(ends) if a < b]


def start_jobs(parallel: type, jobs: Jobs, tasks: list) -> Iterator:
    return iter(parallel(n_jobs=jobs.number, batch_size=1, **jobs.options)(tasks))


class Failed(NamedTuple):
    """The result of a span whose work has raised an error."""

    error: Exception
    cause: BaseException | None
