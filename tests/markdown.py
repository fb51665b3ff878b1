"""Pages in Markdown: what their ``python`` blocks print is what the pages say."""

import contextlib
import io
import re

_BLOCK = re.compile(
    r"^```python\n(?P<code>.*?)^```\n(?:\n```text\n(?P<printed>.*?)^```)?",
    re.MULTILINE | re.DOTALL,
)
_COMMENT = re.compile(r"^\s*(?:print\(.*|)\)\s+# (.*)", re.MULTILINE)


def read_blocks(text: str) -> list:
    """Return the code of each block, and what the page says that it prints.

    That is in a comment behind each ``print``, or in a ``text`` block that follows.
    """
    return [
        (
            found["code"],
            _COMMENT.findall(found["code"])
            if found["printed"] is None
            else found["printed"].splitlines(),
        )
        for found in _BLOCK.finditer(text)
    ]


def check_blocks(text: str) -> int:
    """Run the blocks one after the other, as in one session; return how many."""
    blocks, names = read_blocks(text), {"__name__": "__main__"}
    for code, said in blocks:
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            exec(compile(code, "<page>", "exec"), names)
        lines = [line.rstrip() for line in printed.getvalue().splitlines()]
        assert lines == said, "\n".join([code, "It printed:", *lines])
    names.clear()
    return len(blocks)
