"""An estimator that learns chunk by chunk with ``partial_fit``."""

from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass, field, replace
from typing import Any

from skmmap.estimators import (
    Corrections,
    is_weightless,
    use_least_weights,
    zero_negligible,
)
from skmmap.read import Chunk, assuming_finite
from skmmap.run import find_sharing, keep_callbacks, silenced, without_callbacks
from skmmap.wrap import InputLayout, describe_error, note_refusal, replace_parameters

_STATE = "input_layout", "refusal", "drops", "dropped"


@dataclass(eq=False, repr=False)
class Learner:
    """An estimator that gets chunks in the layout that it accepts.

    ``make`` returns it untrained, and is None if ``estimator`` is trained already. If
    it refuses a chunk, a new one starts over in the next layout, so that a refused
    attempt leaves no trace. ``own`` are parameters that are reset at the end. ``drops``
    names parameters that the user did not pass, which are left out if refused.
    ``learns_zero_weights`` says that ``fit`` learns from rows with a weight of 0.
    """

    estimator: Any
    make: Callable[[], Any] | None
    input_layout: InputLayout
    pass_target: Callable[[Any], dict]
    corrections: Corrections = field(default_factory=Corrections)
    own: dict = field(default_factory=dict)
    learns_zero_weights: bool = False
    refusal: str | None = None
    drops: tuple[str, ...] = ()
    dropped: tuple[str, ...] = ()

    def learn(self, chunk: Chunk, learning, learned: Callable) -> None:
        """Pass one chunk to ``partial_fit``, inside the context ``learning``.

        ``learned`` returns the chunks that were learned before, to start over.
        """
        while True:
            try:
                with silenced(self.estimator), learning(self.estimator):
                    self._partial_fit(chunk)
                break
            except Exception as error:
                self._adapt(error, chunk)
            with silenced(self.estimator):
                for before in learned():
                    self._partial_fit(before)
        self.input_layout = self.input_layout.settled(chunk.X)

    def _adapt(self, error: Exception, chunk: Chunk) -> None:
        """Start over in the next layout; raise ``error`` again if there is none."""
        refused = [name for name in self.drops if f"'{name}'" in str(error)]
        if isinstance(error, TypeError) and refused and self.make is not None:
            self.drops, self.dropped = (), self.drops
            self.estimator = self.make()
            self.corrections = self.corrections.fresh()
            return
        layout = self.input_layout.after(error, chunk.X)
        if layout is None or self.make is None:
            note_refusal(error, self.refusal)
            raise error
        if layout.flat and not self.input_layout.flat:
            self.refusal = describe_error(error)
        self.input_layout, self.estimator = layout, self.make()
        self.corrections = self.corrections.fresh()

    def _partial_fit(self, chunk: Chunk) -> None:
        X, y = self.input_layout.apply(chunk.X), self.input_layout.unlock(chunk.y)
        given = {k: v for k, v in chunk.params.items() if k not in self.dropped}
        is_least = self.weighs_least and is_weightless(given)
        given = use_least_weights(given) if is_least else given
        params = {key: self.input_layout.unlock(value) for key, value in given.items()}
        args, kwargs = self.pass_target(y)
        weights = params.get("sample_weight")
        assuming = assuming_finite(chunk, self.estimator)
        with assuming, self.corrections.chunk(self.estimator, X, weights):
            learn = self.estimator.partial_fit
            find_sharing().compute(learn, X, *args, **kwargs, **params)
        if is_least:
            zero_negligible(self.estimator)

    @property
    def state(self) -> tuple:
        """What has been learned, also by the corrections."""
        return self.estimator, self.corrections

    @state.setter
    def state(self, state: tuple) -> None:
        self.estimator, self.corrections = state

    @property
    def weighs_least(self) -> bool:
        """Whether rows with a weight of zero are learned, as ``fit`` does."""
        return not self.corrections.is_off and self.learns_zero_weights

    def copy(self) -> "Learner":
        """Return a learner for another part of the rows, from what is known so far."""
        own = deepcopy((self.estimator, self.corrections))
        return replace(self, estimator=own[0], corrections=own[1])

    def become(self, other: "Learner") -> None:
        """Take all that another learner has learned."""
        vars(self).update(vars(other))

    def skip(self, chunk: Chunk) -> None:
        """Skip a chunk in which all weights are zero, which ``partial_fit`` refuses."""
        self.corrections.skip(self.estimator, chunk.X)

    def begin(self, overrides: dict) -> None:
        """Prepare a trained estimator to be trained further."""
        self.own = replace_parameters(self.estimator, overrides)
        self.corrections.begin(self.estimator)

    def take_state(self) -> dict:
        """Return what it has learned, and how chunks are given to the estimator."""
        return {
            "estimator": take_estimator(self.estimator),
            "corrections": self.corrections.members,
            **{name: getattr(self, name) for name in _STATE},
        }

    def put_state(self, state: dict) -> None:
        """Go on from there."""
        vars(self).update({name: state[name] for name in _STATE})
        self.corrections = replace(self.corrections, members=state["corrections"])
        self.estimator = put_estimator(self.estimator, state["estimator"])

    def finish(self) -> None:
        """Leave the estimator as its ``fit`` would."""
        self.corrections.finish(self.estimator, self.own)

    def copy_finished(self):
        """Return a copy of the estimator as it would be if training ended now."""
        return self.corrections.finish_copy(self.estimator, self.own)


def take_estimator(estimator) -> Any:
    """Return what is kept of an estimator: itself, or what it says that this is."""
    take = getattr(estimator, "skmmap_state", None)
    return without_callbacks(estimator) if take is None else take()


def put_estimator(fresh, state) -> Any:
    """Return the estimator that goes on from there, in place of a fresh one."""
    if hasattr(fresh, "skmmap_continue"):
        fresh.skmmap_continue(state)
        return fresh
    return keep_callbacks(fresh, state)
