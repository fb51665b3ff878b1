"""Cores, workers, machines and progress: the only place that knows joblib."""

from skmmap.run.callbacks import (
    CallbackSupportMixin,
    Tasks,
    open_tasks,
    silenced,
    with_callbacks,
)
from skmmap.run.jobs import Jobs, cut, find_jobs, is_one_by_default
from skmmap.run.packing import WithCode, pack_with_code
from skmmap.run.parallel import iter_done
from skmmap.run.progress import FitReport, Report
from skmmap.run.threads import one_core

__all__ = [
    "CallbackSupportMixin",
    "FitReport",
    "Jobs",
    "Report",
    "Tasks",
    "WithCode",
    "cut",
    "find_jobs",
    "is_one_by_default",
    "iter_done",
    "one_core",
    "open_tasks",
    "pack_with_code",
    "silenced",
    "with_callbacks",
]
