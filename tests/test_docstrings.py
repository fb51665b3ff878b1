"""Public docstrings: numpydoc's rules, and the three answers of every method."""

import inspect

import pytest
from numpydoc.validate import validate

import skmmap
from skmmap import (
    ChunkedFit,
    LearningHistoryDisplay,
    NpyWriter,
    Rows,
    SearchHistoryDisplay,
)

# Rules that this house does not follow, with what it does instead.
NOT_OURS = {
    "ES01": "an extended summary only where there is more to say",
    "EX01": "the class has the examples",
    "SA01": "the class has the references to elsewhere",
    "RT02": "what is returned has a name, as in scikit-learn",
    "GL01": "summaries start on the first line",
    "SA04": "names of scikit-learn need no description",
}
# Those of skmmap itself: scikit-learn generates the set_..._request methods.
METHODS = [
    f"{cls.__name__}.{name}"
    for cls in (
        ChunkedFit,
        Rows,
        NpyWriter,
        LearningHistoryDisplay,
        SearchHistoryDisplay,
    )
    for base in cls.__mro__
    if base.__module__.startswith("skmmap")
    for name, member in vars(base).items()
    if not name.startswith("_")
    and not name.endswith("_request")
    and not isinstance(member, property)
]
NAMES = [*(name for name in skmmap.__all__ if name != "__version__"), *METHODS]


@pytest.mark.parametrize("name", NAMES)
def test_numpydoc(name):
    errors = [
        error
        for error in validate(f"skmmap.{name}")["errors"]
        if error[0] not in NOT_OURS
    ]
    assert errors == []


@pytest.mark.parametrize("name", NAMES)
def test_reads_allocates_equals(name):
    first, *parts = name.split(".")
    obj = getattr(skmmap, first)  # some are imported when they are used
    for part in parts:
        obj = inspect.getattr_static(obj, part)
    notes = inspect.getdoc(obj).partition("Notes\n-----")[2]
    starts = [line.split(":")[0] for line in notes.splitlines() if ":" in line]
    assert [word for word in starts if word in ("Reads", "Allocates", "Equals")] == [
        "Reads",
        "Allocates",
        "Equals",
    ]


@pytest.mark.parametrize("name", [name for name in NAMES if "." not in name])
def test_examples_show_a_refusal(name):
    assert "Traceback" in getattr(skmmap, name).__doc__
