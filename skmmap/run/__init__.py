"""Cores, workers, machines and progress: the only place that knows joblib."""

from skmmap.run.parallel import (
    Jobs,
    cut,
    find_jobs,
    iter_done,
)
from skmmap.run.progress import (
    Report,
    Tasks,
    open_bar,
    open_tasks,
    silenced,
)
from skmmap.run.threads import (
    one_core,
)

__all__ = [
    "Jobs",
    "Report",
    "Tasks",
    "cut",
    "find_jobs",
    "iter_done",
    "one_core",
    "open_bar",
    "open_tasks",
    "silenced",
]
