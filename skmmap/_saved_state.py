"""What is saved of a ``ChunkedFit``: built-in types, arrays and estimators alone.

Files live longer than modules, and skops asks whoever loads a file to trust each class
that is named in it. So no object of skmmap's own is saved, and a version says how to
read what takes its place.
"""

from inspect import signature
from typing import Any

from skmmap._version import __version__
from skmmap.estimators import Corrections
from skmmap.wrap import InputLayout

# To be raised when what is saved under a name gets another meaning. Before 1 there was
# none, and the objects themselves were pickled.
VERSION = 1
_VERSION, _SAVED_BY = "_state_version", "_skmmap_version"
_LAYOUT, _CORRECTIONS = "_input_layout", "_corrections"
# Dicts by labels: skops writes keys as JSON does, and reads False as bool("False").
_BY_LABEL = "_class_weight", "_label_counts"


def pack_state(state: dict[str, Any]) -> dict[str, Any]:
    """Return the attributes of a ``ChunkedFit`` as they are saved."""
    packed = state | {_VERSION: VERSION, _SAVED_BY: __version__}
    if _LAYOUT in state:
        packed[_LAYOUT] = state[_LAYOUT]._asdict()
    if _CORRECTIONS in state:
        packed[_CORRECTIONS] = state[_CORRECTIONS].get_state()
    for name in _BY_LABEL:
        if isinstance(state.get(name), dict):
            packed[name] = list(state[name].items())
    return packed


def unpack_state(packed: dict[str, Any]) -> dict[str, Any]:
    """Return the attributes from what was saved, also by earlier versions."""
    state = {k: v for k, v in packed.items() if k not in (_VERSION, _SAVED_BY)}
    version = packed.get(_VERSION, 0)
    if version not in range(VERSION + 1):
        _refuse(version, packed.get(_SAVED_BY))
    if version == 0:
        return state
    if _LAYOUT in state:
        state[_LAYOUT] = InputLayout(**state[_LAYOUT])
    if _CORRECTIONS in state:
        state[_CORRECTIONS] = Corrections.from_state(
            state[_CORRECTIONS], state["estimator_"]
        )
    for name in _BY_LABEL:
        if isinstance(state.get(name), list):
            state[name] = dict(state[name])
    return state


def _refuse(version, saved_by) -> None:
    raise ValueError(
        f"This ChunkedFit was saved by skmmap {saved_by}, in version {version} of its "
        f"state. This is skmmap {__version__}, which reads versions up to {VERSION}: "
        "upgrade it, or save model.estimator_ there, which loads without skmmap."
    )


def find_defaults(cls: type) -> dict[str, Any]:
    """Return the defaults of parameters, of which an earlier version may lack some."""
    parameters = signature(cls).parameters.values()
    return {p.name: p.default for p in parameters if p.default is not p.empty}
