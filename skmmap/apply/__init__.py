"""A fitted estimator over all rows: methods, output files, scores."""

from skmmap.apply.inference import (
    Work,
    apply_method,
    choose_jobs,
    holds_gil,
    list_computing,
)
from skmmap.apply.open import open_output
from skmmap.apply.output import Output
from skmmap.apply.output_check import check_output
from skmmap.apply.scoring import compute_perplexity, compute_score

__all__ = [
    "Output",
    "Work",
    "apply_method",
    "check_output",
    "choose_jobs",
    "compute_perplexity",
    "compute_score",
    "holds_gil",
    "list_computing",
    "open_output",
]
