"""Plain standard English: expressions that were replaced do not come back."""

import json
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
# What to write instead, beside each. Spaces match line breaks as well.
REPLACED = {
    r"whatever the (order|number|size|path)": "regardless of",
    r"proven by": "tested by",
    r"nobody (is listening|listens)|somebody listens": "no callbacks are set",
    r"Python's lock": "the GIL",
    r"(drawing|drawn)( parts)? by lot": "random selection",
    r"(estimators|code|those|columns) of others": "third-party",
    r"what it is told": "its parameters",
    r"what `merge` was told of": "estimators registered with `merge`",
    r"here as in every loop": "as with any chunked training loop",
    r"mixed from": "a shuffled buffer of ... rows",
    r"rows (are )?mixed|mixed (rows|buffer)|mixes rows": "shuffled",
    r"looking at it (would )?kills?": "accessing it crashes the process (SIGBUS)",
    r"is cut meanwhile": "is truncated while it is read",
    r"goals are missed": "goals were not met",
    r"disk and compute take alike": "take equal time",
    r"bound by the|of them waiting": "limited by",
    r"for want of memory": "out of memory",
    r"labels (that )?lie sorted": "labels are sorted",
    r"as (the )?rows lie|rows as they lie": "in file order",
    r"the right way round": "transposed",
}
PATTERNS = {
    re.compile(r"\b(" + old.replace(" ", r"\s+(?:#\s+)?") + r")\b", re.IGNORECASE): new
    for old, new in REPLACED.items()
}


def find_files():
    yield from sorted((ROOT / "skmmap").rglob("*.py"))
    for pattern in (
        "*.md",
        "docs/**/*.md",
        "skmmap/*/*.md",
        "*/README.md",
        "*/*.ipynb",
    ):
        yield from sorted(ROOT.glob(pattern))


def read_prose(path):
    """Return a file as text; of a notebook what is written, not what is run."""
    if path.suffix != ".ipynb":
        return path.read_text(encoding="utf-8")
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    return "\n".join(
        "".join(cell["source"]) for cell in cells if cell["cell_type"] == "markdown"
    )


@pytest.mark.parametrize("path", list(find_files()), ids=lambda path: path.name)
def test_replaced_expressions_do_not_come_back(path):
    prose = read_prose(path)
    found = {
        f"line {prose.count(chr(10), 0, match.start()) + 1}: {match[0]!r}": new
        for pattern, new in PATTERNS.items()
        for match in pattern.finditer(prose)
    }
    assert not found


@pytest.mark.parametrize(
    "text",
    [
        "rows are mixed",
        "# estimators of\n    # others",
        "Whatever the order",
        "ROWS ARE MIXED",
    ],
)
def test_expressions_are_found_across_lines_and_in_capitals(text):
    assert any(pattern.search(text) for pattern in PATTERNS)


def test_other_expressions_are_no_matter():
    assert not any(pattern.search("Whatever is done") for pattern in PATTERNS)
