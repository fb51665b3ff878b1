"""A process of kills.py: it fits, and is killed, or compares its result."""

import os
import random
import signal
import sys
import warnings
from collections import Counter
from contextlib import nullcontext
from pathlib import Path

import joblib
import kills_cases as cases
import numpy as np
from sklearn.base import clone

from skmmap import Checkpoint, ChunkedFit
from skmmap.checkpoints import journal as journals
from skmmap.checkpoints.journal import KeptJournal
from skmmap.disk import generations
from skmmap.disk.generations import Generations
from skmmap.disk.unfinished import Unfinished
from skmmap.learn.training import Training

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))
from helpers import assert_alike

# What a run may be killed at, besides any moment.
PLACES = {
    "end of an epoch": (Training, "end_epoch", "after"),
    "end of a pass or fit": (KeptJournal, "end_unit", "before"),
    "after the write of a pass": (KeptJournal, "end_unit", "after"),
    "inside a write": (Unfinished, "write", "inside"),
    "before a sync": (Unfinished, "sync", "before"),
    "before the renames": (os, "replace", "before"),
    "after a rename": (os, "replace", "after"),
    "before the last write": (KeptJournal, "finish", "before"),
    "after the last write": (KeptJournal, "finish", "after"),
    "while it is opened": (Generations, "find", "before"),
    "while it is continued": (KeptJournal, "load", "after"),
    "after it is unlocked": (generations.os, "unlink", "after"),
}


def count_calls(counts: Counter) -> None:
    """Count how often this process comes to each place."""
    for place, (owner, name, _) in PLACES.items():
        _replace(owner, name, lambda real, args, place=place: counts.update([place]))


def kill_at(place: str, number: int, share: float) -> None:
    """Kill this process when it is there for the ``number``-th time.

    ``share`` of the bytes are written by a call that is killed inside.
    """
    owner, name, when = PLACES[place]
    left, process = [number], os.getpid()

    def come(real, args):
        # joblib waits for ever for a forked worker that is dead, which is not tested.
        left[0] -= os.getpid() == process
        if left[0]:
            return
        if when == "after":
            real(*args)
        elif when == "inside":
            out, data = args
            out._file.write(data[: int(share * len(data))])
            out._file.flush()
        os.kill(os.getpid(), signal.SIGKILL)

    _replace(owner, name, come)


def _replace(owner, name: str, come) -> None:
    real = getattr(owner, name)

    def called(*args, **kwargs):
        come(real, args)
        return real(*args, **kwargs)

    setattr(owner, name, called)


def fit(run: cases.Run, inputs: Path, path: Path | None, seed: int) -> ChunkedFit:
    """Fit, with a checkpoint if there is a path; ``seed`` is that of the process."""
    warnings.simplefilter("ignore")
    journals._SHARE = 0.5  # of so short a run; or only its ends would be written
    case = run.case
    np.random.seed(seed)
    random.seed(seed)
    params = {"chunk_size": cases.CHUNK, "random_state": 5} | case.params
    checkpoint = None if path is None else Checkpoint(path, seconds=run.seconds)
    wrapper = ChunkedFit(
        clone(case.estimator),
        shuffle=run.shuffle,
        memory_limit=run.memory_limit,
        checkpoint=checkpoint,
        **params,
    )
    X = cases.open_rows(inputs, case.rows, run.source)
    y = cases.open_rows(inputs, case.labels, run.source)
    workers = joblib.parallel_config(case.backend) if case.backend else nullcontext()
    with workers:
        return wrapper.fit(X, y)


# Of a pipeline's last step there is a wrapper, too.
_OTHER = {"checkpoint", "history_", "estimator_"}


def compare(one: ChunkedFit, other: ChunkedFit) -> str:
    """Return where two fits differ, "" if they have the same bits."""
    columns = "rows", "loss", "score"
    try:
        assert_alike(*(_list_values(each.estimator_) for each in (one, other)))
        assert_alike(*({n: f.history_[n] for n in columns} for f in (one, other)))
        assert_alike(vars(one), vars(other), free=_OTHER)
    except AssertionError as error:
        return " ".join(str(error).split())[:500] or "they differ"
    return ""


def _list_values(estimator):
    """Return what is compared: of a tree whose leaves are linked in a circle, nodes."""
    if not hasattr(estimator, "dummy_leaf_"):
        return estimator
    kept = dict(vars(estimator))
    root, leaf = kept.pop("root_"), kept.pop("dummy_leaf_")
    nodes, leaves = _list_nodes(root), []
    while leaf.next_leaf_ is not None:
        assert leaf.next_leaf_.prev_leaf_ is leaf
        leaf = leaf.next_leaf_
        leaves.append(next(i for i, node in enumerate(nodes) if node is leaf))
    return {"own": kept, "leaves": leaves, "nodes": [_describe(node) for node in nodes]}


def _list_nodes(node) -> list:
    children = [part.child_ for part in node.subclusters_ if part.child_ is not None]
    return [node, *(below for child in children for below in _list_nodes(child))]


def _describe(node) -> dict:
    own = {k: v for k, v in vars(node).items() if not k.endswith("_leaf_")}
    parts = [
        {k: v for k, v in vars(part).items() if k != "child_"}
        for part in own.pop("subclusters_")
    ]
    # Centers are a view of the room for more of them: both are learned further.
    assert np.shares_memory(node.centroids_, node.init_centroids_)
    return own | {"parts": parts}
