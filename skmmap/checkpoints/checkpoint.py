"""``Checkpoint``: where a run is written to, and how often."""

from dataclasses import KW_ONLY, dataclass
from numbers import Real
from os import PathLike

from skmmap.disk import is_path


@dataclass(frozen=True)
class Checkpoint:
    """A file from which a fit that was killed is continued.

    ``ChunkedFit(model, checkpoint="run.ckpt")`` is short for
    ``ChunkedFit(model, checkpoint=Checkpoint("run.ckpt"))``.

    Parameters
    ----------
    path : str or path-like
        Where the state of the fit is written. The version before it is kept beside
        it, as ``run.ckpt.previous``.

    seconds : float, default=60
        Time between two writes; less often if writing takes more than a hundredth of
        the time. 0 writes after every chunk.

    Notes
    -----
    Reads: nothing.
    Allocates: nothing.
    Equals: a path, with its own time between two writes.

    A checkpoint is code: it holds pickled Python objects, and loading it can run
    anything. A file that others can write to is refused.

    Examples
    --------
    >>> from sklearn.linear_model import SGDClassifier
    >>> from skmmap import Checkpoint, ChunkedFit
    >>> checkpoint = Checkpoint("run.ckpt", seconds=600)
    >>> ChunkedFit(SGDClassifier(), checkpoint=checkpoint).checkpoint.seconds
    600
    >>> Checkpoint("run.ckpt", seconds=-1)
    Traceback (most recent call last):
        ...
    ValueError: seconds of Checkpoint must be a number, at least 0; got -1.
    """

    path: str | PathLike[str]
    _: KW_ONLY
    seconds: float = 60.0

    def __post_init__(self):
        if not is_path(self.path):
            raise TypeError(
                "path of Checkpoint must be the path of a file; got "
                f"{type(self.path).__name__}."
            )
        if not (isinstance(self.seconds, Real) and self.seconds >= 0):
            raise ValueError(
                "seconds of Checkpoint must be a number, at least 0; got "
                f"{self.seconds!r}."
            )


# The name that saved models have of it.
Checkpoint.__module__ = "skmmap"


def to_checkpoint(value) -> Checkpoint:
    """Return what the parameter ``checkpoint`` of ChunkedFit says."""
    if isinstance(value, Checkpoint):
        return value
    if not is_path(value):
        raise TypeError(
            "checkpoint must be None, the path of a file, or a Checkpoint of one; "
            f"got {type(value).__name__}."
        )
    return Checkpoint(value)
