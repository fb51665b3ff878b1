"""Runs that are written to a file, and continued from it after they were killed."""

from skmmap.checkpoints.checkpoint import Checkpoint
from skmmap.checkpoints.describing import describe_checkpoint
from skmmap.checkpoints.journal import Unit, find_journal, without_journal
from skmmap.checkpoints.keeping import run_kept, run_search_kept
from skmmap.checkpoints.kept_fits import KeptFits

__all__ = [
    "Checkpoint",
    "KeptFits",
    "Unit",
    "describe_checkpoint",
    "find_journal",
    "run_kept",
    "run_search_kept",
    "without_journal",
]
