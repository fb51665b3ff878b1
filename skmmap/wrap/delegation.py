"""Methods, attributes and tags of the wrapped estimator on the wrapper."""

import inspect
from collections.abc import Callable, Mapping
from copy import deepcopy
from functools import update_wrapper, wraps
from itertools import chain
from types import FunctionType, MethodType
from typing import Any, TypeVar, cast
from weakref import WeakKeyDictionary

from sklearn.exceptions import NotFittedError
from sklearn.utils import get_tags
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted

from skmmap.wrap.keywords import takes_keywords
from skmmap.wrap.meta_estimators import find_last_step, find_learner
from skmmap.wrap.origin import is_one_of, is_sklearns

# These learn from X alone, and accept y by convention.
_UNSUPERVISED = "clusterer", "density_estimator", "outlier_detector", "transformer"

# What a wrapper has learned beside the attributes that end with an underscore.
STATE = (
    "_class_weight",
    "_classes",
    "_corrections",
    "_input_layout",
    "_label_counts",
    "_last_step",
    "_widest_row",
)
_PROBABILITIES = "predict_proba", "predict_log_proba"


def delegate(wrapper):
    """Return the fitted estimator, or before ``fit`` the one that was passed."""
    return vars(wrapper).get("estimator_", wrapper.estimator)


def find_trained(wrapper):
    """Return the estimator trained by ``fit`` or before it was passed, else None."""
    fitted = vars(wrapper).get("estimator_")
    if fitted is not None:
        return fitted
    estimator = vars(wrapper).get("estimator")
    return estimator if is_trained(estimator) else None


def is_trained(estimator) -> bool:
    """Whether the estimator is fitted, as far as its attributes show.

    A stateless estimator is not, unless it has learned attributes.
    """
    if isinstance(estimator, type):
        return False
    tags = find_tags(estimator)
    if tags is not None and tags.requires_fit:
        try:
            check_is_fitted(estimator)
        except (AttributeError, TypeError):
            pass  # scikit-learn can only tell it of what has a fit
        except NotFittedError:
            return False
        else:
            return True
    names = getattr(estimator, "__dict__", ())
    return any(name.endswith("_") and not name.startswith("__") for name in names)


def copy_trained(wrapper):
    """Return an estimator to train further: a copy, if it is the user's own object."""
    trained = find_trained(wrapper)
    if trained is None or "estimator_" in vars(wrapper):
        return trained
    try:
        return deepcopy(trained)
    except RecursionError as error:
        error.add_note(
            f"ChunkedFit trains a copy of the {type(trained).__name__} that it was "
            "given, and what this one has learned is nested too deep to be copied. "
            "Train it in ChunkedFit from the start."
        )
        raise


_F = TypeVar("_F", bound=Callable[..., Any])


def available_with(name: str) -> Callable[[_F], _F]:
    """Make the method available only if the wrapped estimator has ``name``."""

    def check(wrapper):
        estimator = delegate(wrapper)
        if name == "partial_fit":
            estimator = find_last_step(estimator)
        getattr(estimator, name)  # its AttributeError names the reason
        return True

    return lambda method: available_if(check)(takes_keywords(method))


def is_learned(name: str) -> bool:
    """Whether ``name`` is that of a learned attribute.

    >>> [is_learned(name) for name in ("coef_", "coef", "_x_", "__a__")]
    [True, False, False, False]
    """
    return name.endswith("_") and not name.startswith("_") and not name.endswith("__")


def find_state(wrapper) -> dict:
    """Return what a wrapper has learned."""
    return {
        name: value
        for name, value in vars(wrapper).items()
        if is_learned(name) or name in STATE
    }


def note_where(error: AttributeError, wrapper, name: str) -> None:
    """Add a note to the error if the trained estimator has the public name."""
    if name.startswith("_"):
        return
    if hasattr(type(wrapper), name):
        _note_reason(error, delegate(wrapper), name)
        return
    estimator = find_trained(wrapper)
    kind = type(estimator)
    if not (hasattr(kind, name) or name in getattr(estimator, "__dict__", ())):
        return
    call = f"model.estimator_.{name}."
    if takes_rows(getattr(kind, name, None)):
        call = f"model.apply_method({name!r}, X) calls it chunk by chunk."
    error.add_note(f"{kind.__name__} has it: {call}")


def _note_reason(error: AttributeError, estimator, name: str) -> None:
    """Add a note on why a method of the class is unavailable, and the remedy."""
    if not hasattr(type(estimator), name):
        return
    cause: BaseException = error
    while cause.__cause__ is not None:
        cause = cause.__cause__
    note = f"{type(estimator).__name__} has no {name}: {cause}."
    _, learner = find_learner(estimator)
    if name in _PROBABILITIES and is_one_of(learner, "SGDClassifier"):
        note += " Train it with loss='log_loss' or loss='modified_huber'."
    error.add_note(note)


def takes_rows(function) -> bool:
    """Whether a method of a class has a required parameter, which may be rows."""
    if not callable(function):
        return False
    _, first, *_ = [*_find_parameters(function).values(), None, None]
    kinds = inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD
    return first is not None and first.kind in kinds and first.default is first.empty


# Those of methods that were asked for. They are asked for many times in a fit, and
# reading a signature takes as long as counting a thousand labels.
_known: WeakKeyDictionary[FunctionType, Mapping] = WeakKeyDictionary()


def _find_parameters(method):
    """Return the parameters of ``method``; compiled ones may have no signature."""
    function = getattr(method, "__func__", None)
    if not isinstance(method, MethodType) or type(function) is not FunctionType:
        return _read_parameters(method)
    found = _known.get(function)
    if found is None:
        found = _known[function] = _read_parameters(method)
    return found


def _read_parameters(method):
    try:
        return inspect.signature(method).parameters
    except (TypeError, ValueError):
        return inspect.signature(lambda X, y=None: None).parameters


def takes(method, name: str) -> bool:
    """Whether ``method`` names the parameter ``name`` in its signature."""
    return name in _find_parameters(method)


def takes_any(method) -> bool:
    """Whether ``method`` takes any keyword."""
    return any(p.kind is p.VAR_KEYWORD for p in _find_parameters(method).values())


def find_target_passing(estimator):
    """Return a function of y that returns the arguments of ``partial_fit`` for it.

    Third-party estimators may give a required y any name, or have no such parameter.
    """
    parameters = _find_parameters(estimator.partial_fit)
    y = parameters.get("y")
    if y is not None and y.kind is y.KEYWORD_ONLY:
        return lambda y: ((), {"y": y})
    kinds = inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD
    _, second, *_ = [*(p for p in parameters.values() if p.kind in kinds), None, None]
    if second is None:
        takes_more = any(p.kind is p.VAR_POSITIONAL for p in parameters.values())
        return lambda y: ((y,) if takes_more and y is not None else (), {})
    is_target = second.name.lower() == "y" or second.default is second.empty
    return lambda y: ((y,) if is_target else (), {})


def requires_target(estimator) -> bool:
    """Whether the estimator cannot be trained without y."""
    tags = find_tags(estimator)
    if tags is not None:
        return tags.target_tags.required
    y = _find_parameters(estimator.partial_fit).get("y")
    return y is not None and y.default is y.empty


def takes_target_as_it_is(estimator) -> bool:
    """Whether y reaches third-party code unchecked, which may accept any kind.

    scikit-learn's meta-estimators validate y, except for SelectFromModel.
    """
    while is_one_of(estimator, "SelectFromModel"):
        estimator = estimator.estimator
    return not is_sklearns(estimator)


def uses_target(estimator, y) -> bool:
    """Whether ``partial_fit`` is given y, and may learn from it.

    Third-party estimators often keep the default tags, in which y is not required. The
    tags are trusted only if they name a kind that learns from X alone, and y has a
    default.
    """
    _, learner = find_learner(estimator)
    if y is None or find_target_passing(learner)(y) == ((), {}):
        return False
    tags = find_tags(learner)
    if tags is None or tags.target_tags.required or not _has_default_target(learner):
        return True
    is_transformer = tags.estimator_type is None and tags.transformer_tags is not None
    return not is_transformer and tags.estimator_type not in _UNSUPERVISED


def _has_default_target(estimator) -> bool:
    names = ("y", "Y")
    found = [p for p in map(_find_parameters(estimator.partial_fit).get, names) if p]
    return any(p.default is not p.empty for p in found)


def find_tags(estimator):
    """Return the tags, None if there are none; the estimator may own the object."""
    if not hasattr(estimator, "__sklearn_tags__"):  # get_tags of 1.6 invents some
        return None
    try:
        return get_tags(estimator)
    except (AttributeError, TypeError):
        return None


def takes_labels(estimator) -> bool:
    """Whether ``partial_fit`` needs all classes."""
    if is_one_of(estimator, "SelectFromModel"):
        return takes_labels(estimator.estimator)
    says = _says_classes(estimator)
    if says is None:
        return _is_classifier(estimator)
    if not says or requires_labels(estimator):
        return says
    tags = find_tags(estimator)
    # Meta-estimators may have ``classes`` in their signature for any member.
    return (
        tags is None
        or tags.estimator_type == "classifier"
        or (tags.estimator_type is None and tags.transformer_tags is None)
    )


def requires_labels(estimator) -> bool:
    """Whether each call to ``partial_fit`` needs all classes."""
    parts = [estimator, find_learner(estimator)[1]]
    found = [_find_parameters(part.partial_fit).get("classes") for part in parts]
    return any(p is not None and p.default is p.empty for p in found)


def guesses_labels(estimator) -> bool:
    """Whether ``partial_fit`` takes classes only by the kind of estimator."""
    if is_one_of(estimator, "SelectFromModel"):
        return guesses_labels(estimator.estimator)
    return _says_classes(estimator) is None and _is_classifier(estimator)


def _says_classes(estimator) -> bool | None:
    """Whether ``partial_fit`` takes ``classes``; None if no signature tells.

    A ``partial_fit`` with ``**kwargs`` most likely passes them to that of a base class.
    """
    bases = (vars(kind).get("partial_fit") for kind in type(estimator).__mro__)
    for method in chain([estimator.partial_fit], filter(callable, bases)):
        if takes(method, "classes"):
            return True
        if not takes_any(method):
            return False
    return None


def _is_classifier(estimator) -> bool:
    tags = find_tags(estimator)
    return tags is not None and tags.estimator_type == "classifier"


def shows_sample_weight(method: _F) -> _F:
    """Hide ``sample_weight`` in a method's signature if ``partial_fit`` lacks it.

    scikit-learn's meta-estimators and checks look at the signature of ``fit`` to
    find out whether weights can be given.
    """
    return cast(_F, _ShowsSampleWeight(method))


class _ShowsSampleWeight:
    """The method, bound with the signature that fits the wrapped estimator."""

    def __init__(self, method):
        update_wrapper(self, method)
        self._method = method
        signature = inspect.signature(method)

        @wraps(method)
        def wrapper(*args, **kwargs):
            return method(*args, **kwargs)

        wrapper.__signature__ = signature.replace(
            parameters=[
                p for name, p in signature.parameters.items() if name != "sample_weight"
            ]
        )
        self._without = wrapper

    def __get__(self, wrapper, owner=None):
        if wrapper is None:
            return self._method
        learner = find_last_step(wrapper.estimator)
        partial_fit = getattr(learner, "partial_fit", None)
        if partial_fit is None:  # transformers without it take no weights
            is_own = learner is wrapper.estimator
            shown = is_own and not hasattr(learner, "transform")
        else:
            shown = takes(partial_fit, "sample_weight")
        return MethodType(self._method if shown else self._without, wrapper)
