"""Trains estimators on parts of the rows in parallel, and merges them."""

import time
from contextlib import closing
from copy import deepcopy
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np

from skmmap._messages import say_count
from skmmap.apply import choose_jobs, holds_gil, list_computing
from skmmap.estimators import Corrections, add_up, can_merge
from skmmap.learn.learner import Learner, put_estimator, take_estimator
from skmmap.learn.plan import Plan
from skmmap.learn.training import Training
from skmmap.order import FileOrder
from skmmap.read import Table
from skmmap.run import FitReport, Jobs, Tasks, cut, iter_done
from skmmap.wrap import InputLayout, find_target_passing

# Parts do not depend on the number of workers, and are merged in file order: the result
# has the same bits for 2 workers and for 50.
_LEAST_PARTS, _MOST_PARTS, _CHUNKS_PER_PART = 16, 64, 16


class PartTasks(Tasks):
    """The tasks of a part, which stops when its result is no longer needed."""

    def __init__(self, is_over):
        self._is_over = is_over

    @property
    def stopped(self) -> bool:
        return self._is_over.is_set()


@dataclass(eq=False, repr=False)
class Part:
    """Trains an untrained estimator on consecutive chunks."""

    estimator: Any
    input_layout: InputLayout
    table: Table
    first_call_params: dict
    corrections: Corrections
    learns_zero_weights: bool

    def __call__(self, span, is_over) -> tuple:
        """Return what was learned; the estimator is None if all weights are zero."""
        make = partial(deepcopy, self.estimator)
        with self.table.lend() as table:
            own = replace(self, table=table, corrections=self.corrections.fresh())
            training = own.train(make(), make, span, PartTasks(is_over))
        trained = training.learner.estimator if training.has_learned else None
        learner = training.learner
        return trained, learner.input_layout, learner.corrections, training.history

    def train(self, estimator, make, span, tasks: Tasks) -> Training:
        """Give the rows of a span to an estimator."""
        _, schedule = span
        pass_target = find_target_passing(estimator)
        learner = Learner(
            estimator,
            make,
            self.input_layout,
            pass_target,
            self.corrections,
            learns_zero_weights=self.learns_zero_weights,
        )
        report = FitReport(0, "fit", schedule.n_rows, 1, self.table.row_nbytes)
        first_call_params = self.first_call_params
        training = Training(
            learner, self.table, schedule, 1, first_call_params, tasks, report
        )
        training.run()
        return training

    def add(self, merged, estimator, layout: InputLayout, corrections, span):
        """Return the merged estimator after one more, of which either may be None.

        If merging would not be exact, its rows are learned one chunk after the other.
        """
        if merged is None or estimator is None:
            self.corrections.add(corrections)
            return estimator if merged is None else merged
        both = NotImplemented
        if not self.corrections.is_off or not (lacks(merged) or lacks(estimator)):
            both = add_up(merged, estimator)
        if both is NotImplemented:
            further = replace(self, input_layout=layout, first_call_params={})
            return further.train(merged, None, span, Tasks()).learner.estimator
        self.corrections.add(corrections)
        return both


def lacks(estimator) -> bool:
    """Whether a column had no value yet: the result then depends on the chunks."""
    columns = [v for v in vars(estimator).values() if isinstance(v, np.ndarray)]
    return any(np.isnan(v).any() for v in columns if v.dtype.kind == "f")


def find_merge_jobs(wrapper, plan: Plan, least_chunks: int = 2) -> Jobs:
    """Return the workers: several if merging gives what the parameters ask for."""
    can = (
        can_merge(wrapper.estimator)
        and type(plan.schedule) is FileOrder
        and plan.n_epochs == 1
        and plan.validation is None
        and len(plan.schedule) >= least_chunks
    )
    if not can:
        return Jobs()
    estimator = wrapper.estimator
    held = getattr(estimator, "part_nbytes", 0)
    jobs = choose_jobs(estimator, plan.table, plan.schedule, wrapper.n_jobs, held)
    # Threads would only wait for one another.
    is_in_turn = jobs.has_memory and any(map(holds_gil, list_computing(estimator)))
    return Jobs() if is_in_turn else jobs


@dataclass(repr=False)
class Merged:
    """What is merged of the first parts, and what it took."""

    training: Training
    estimator: Any = None
    n_parts: int = 0
    n_rows: int = 0
    seconds: float = 0.0
    waited: float = 0.0

    def take_state(self) -> dict:
        """Return all that a later run needs to go on after the last part."""
        own = {name: value for name, value in vars(self).items() if name != "training"}
        learner = self.training.learner
        if self.estimator is not None:
            own["estimator"] = take_estimator(self.estimator)
        return {"merged": own, "learner": learner.take_state()}

    def put_state(self, state: dict) -> None:
        """Go on from there."""
        learner, own = self.training.learner, state["merged"]
        learner.put_state(state["learner"])
        vars(self).update(own)
        if self.estimator is not None:
            # Parts begin with the learner's, which stays as it is.
            fresh = deepcopy(learner.estimator)
            self.estimator = put_estimator(fresh, self.estimator)

    def say_place(self) -> str:
        """Say where the run is."""
        return f"after {say_count(self.n_rows, 'row')}"


def run_merge(wrapper, plan: Plan, training: Training) -> dict:
    """Train by all jobs there are, and return the learned attributes."""
    jobs = find_merge_jobs(wrapper, plan)
    # A run that was merged so far is merged on any number of workers.
    state = training.unit.take_state(training)
    is_merged = jobs.number > 1 if state is None else "merged" in state
    return _run_parts(training, jobs, state) if is_merged else training.run(state)


def _run_parts(training: Training, jobs: Jobs, state: dict | None) -> dict:
    """Train on all parts, and return the learned attributes."""
    merged = Merged(training)
    if state is not None:
        merged.put_state(state)
    began = time.perf_counter() - merged.seconds
    learner, schedule = training.learner, training.schedule
    table = training.table.divide(jobs.number).reads(ahead=jobs.reads_ahead)
    part = Part(
        learner.estimator,
        learner.input_layout,
        table,
        training.first_call_params,
        learner.corrections,
        learner.learns_zero_weights,
    )
    n_parts = max(min(len(schedule), _LEAST_PARTS), len(schedule) // _CHUNKS_PER_PART)
    spans = cut(schedule, min(n_parts, _MOST_PARTS))
    with training.report:
        left = spans[merged.n_parts :]
        with closing(iter_done(part, left, jobs)) as results:
            for span, (estimator, learner.input_layout, corrections, history) in zip(
                left, results, strict=True
            ):
                merged.estimator = part.add(
                    merged.estimator,
                    estimator,
                    learner.input_layout,
                    corrections,
                    span,
                )
                merged.n_parts += 1
                merged.n_rows += history["rows"][0]
                merged.waited += history["read_seconds"][0] / jobs.number
                merged.seconds = time.perf_counter() - began
                training.report.tell(merged.n_rows)
                training.unit.after_chunk(merged)
        if merged.estimator is not None:
            learner.estimator = merged.estimator
        seconds = time.perf_counter() - began
        training.end_epoch(merged.n_rows, seconds, merged.waited)
    return training.learned_attributes()
