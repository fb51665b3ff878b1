"""Hints for parameters that are passed by position or to the wrong place."""

import inspect
from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar, cast

_F = TypeVar("_F", bound=Callable[..., Any])

_BY_POSITION = inspect.Parameter.POSITIONAL_OR_KEYWORD
_BY_NAME = inspect.Parameter.KEYWORD_ONLY
# Names in other libraries, and those of ChunkedFit.
_WRAPPERS = {
    **dict.fromkeys(("epochs", "n_epochs", "num_epochs", "max_iter"), "max_epochs"),
    **dict.fromkeys(("batch_size", "chunksize"), "chunk_size"),
    "seed": "random_state",
}
_OF_FIT = {
    "validation_data": "X_val= and y_val=",
    "eval_set": "X_val= and y_val=",
    "weights": "sample_weight=",
    "weight": "sample_weight=",
}


def takes_keywords(method: _F) -> _F:
    """Return the method with an error that names the keywords to use.

    Python's own message names the class that defines the method, which may be private.
    """
    method.__qualname__ = f"ChunkedFit.{method.__name__}"
    code = inspect.unwrap(method).__code__  # of those that callbacks are around, too
    most = code.co_argcount - 1
    names = code.co_varnames[1 : code.co_argcount + code.co_kwonlyargcount]

    @wraps(method)
    def checked(self, *args, **kwargs):
        if len(args) > most:
            raise TypeError(_say_keywords(method, len(args)))
        if method.__name__ == "__init__" and (unknown := kwargs.keys() - {*names}):
            estimator = args[0] if args else kwargs.get("estimator")
            raise TypeError(_say_unknown(estimator, min(unknown), kwargs))
        return method(self, *args, **kwargs)

    return cast(_F, checked)


def _say_keywords(method: Callable, n_given: int) -> str:
    called = method.__name__
    said = "ChunkedFit" if called == "__init__" else called
    _, *params = inspect.signature(method).parameters.values()
    names = [param.name for param in params if param.kind is _BY_POSITION]
    others = [f"{param.name}=" for param in params if param.kind is _BY_NAME]
    count = f"{len(names)} argument{'s' * (len(names) > 1)}"
    todo = f"Write the names of the others: {', '.join(others)}." if others else ""
    return (
        f"{said} takes at most {count} by position ({', '.join(names)}); got "
        f"{n_given}. {todo}"
    ).rstrip()


def _say_unknown(estimator, name: str, kwargs: dict) -> str:
    text, kind = f"ChunkedFit has no parameter {name}.", type(estimator).__name__
    is_class = isinstance(estimator, type)
    if not is_class and name in getattr(estimator, "get_params", dict)():
        said = _say_value(kwargs[name])
        return f"{text} It is one of {kind}: ChunkedFit({kind}({name}={said}))."
    return f"{text} Write {_WRAPPERS[name]}=." if name in _WRAPPERS else text


def _say_value(value) -> str:
    return repr(value) if isinstance(value, int | float | str | None) else "..."


def note_prefix(error: ValueError, estimator, params: dict) -> None:
    """Add a note to the error of ``set_params`` with parameters of the estimator."""
    own = getattr(estimator, "get_params", dict)()
    for name in params:
        if f"'{name}'" in str(error) and name in own:
            error.add_note(
                f"{name} is a parameter of {type(estimator).__name__}: write "
                f"estimator__{name}."
            )


def say_parameter(wrapper, caller: str, name: str, value) -> str:
    """Return where a parameter passed to ``caller`` belongs, "" if unknown."""
    kind = type(wrapper.estimator).__name__
    own = wrapper.get_params(deep=False)
    to = name if name in own else _WRAPPERS.get(name)
    said = _say_value(value)
    if to in own:
        return f" Set it on the wrapper: ChunkedFit({kind}(), {to}={said})."
    if name == "callbacks" and hasattr(wrapper, "set_callbacks"):
        return " Give them to set_callbacks, before fit."
    if caller == "fit" and name in _OF_FIT:
        return f" fit takes {_OF_FIT[name]} for that."
    params = getattr(wrapper.estimator, "get_params", dict)()
    if name in params:
        return f" Set it on the estimator: ChunkedFit({kind}({name}={said}))."
    return ""
