"""Cores, workers, machines and progress: the only place that knows joblib."""

from skmmap.run.callbacks import (
    CallbackSupportMixin,
    Tasks,
    has_callbacks,
    keep_callbacks,
    open_tasks,
    silenced,
    with_callbacks,
    without_callbacks,
)
from skmmap.run.jobs import Jobs, cut, find_jobs, is_one_by_default
from skmmap.run.keeper import Keeper
from skmmap.run.packing import WithCode, pack_with_code
from skmmap.run.parallel import iter_done
from skmmap.run.progress import FitReport, Report
from skmmap.run.sharing import NOT_YET, Remembering, find_sharing, using_sharing
from skmmap.run.side_by_side import begin_round, count_jobs, find_histories, together
from skmmap.run.state_pickles import dump_state, load_state
from skmmap.run.threads import find_thread_counts, one_core, with_thread_counts

__all__ = [
    "NOT_YET",
    "CallbackSupportMixin",
    "FitReport",
    "Jobs",
    "Keeper",
    "Remembering",
    "Report",
    "Tasks",
    "WithCode",
    "begin_round",
    "count_jobs",
    "cut",
    "dump_state",
    "find_histories",
    "find_jobs",
    "find_sharing",
    "find_thread_counts",
    "has_callbacks",
    "is_one_by_default",
    "iter_done",
    "keep_callbacks",
    "load_state",
    "one_core",
    "open_tasks",
    "pack_with_code",
    "silenced",
    "together",
    "using_sharing",
    "with_callbacks",
    "with_thread_counts",
    "without_callbacks",
]
