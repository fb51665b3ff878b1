"""The state of the random generators that a run shares with all other code.

An estimator with ``random_state=None`` draws from them, and so a run that is continued
has to find them as it left them.
"""

import random
import sys

import numpy as np


def take_generators(own) -> dict:
    """Return the states; ``own`` is the parameter ``random_state`` of the run."""
    states = {"python": random.getstate(), "numpy": np.random.get_state()}
    states |= take_own(own)
    torch = sys.modules.get("torch")
    if torch is not None:
        states["torch"] = torch.get_rng_state().numpy()
    return states


def put_generators(own, states: dict) -> None:
    """Let the generators go on from the states."""
    random.setstate(states["python"])
    np.random.set_state(states["numpy"])
    put_own(own, states)
    torch = sys.modules.get("torch")
    if torch is not None and "torch" in states:
        torch.set_rng_state(torch.from_numpy(states["torch"]))


def take_own(own) -> dict:
    """Return the state of a generator that no other run draws from, if it is one."""
    is_generator = isinstance(own, np.random.RandomState)
    return {"own": own.get_state()} if is_generator else {}


def put_own(own, states: dict) -> None:
    """Let it go on from there."""
    if "own" in states:
        own.set_state(states["own"])
