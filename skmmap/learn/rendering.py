"""Shows the plan of a fit: as text in a terminal, as HTML in a notebook."""

from html import escape

from sklearn.utils import estimator_html_repr

# No colours of its own, so that it is read in light and in dark notebooks; "inherit"
# against the style sheets of notebooks, which right-align. Values move below their
# names where the page is narrow.
_LIST = "margin:0.25em 0 0;padding:0;max-width:60em;text-align:left"
_ROW = "display:flex;flex-wrap:wrap;column-gap:1em;padding:0.2em 0"
_RULE = "border-top:1px solid rgba(128,128,128,0.35)"
_NAME = "flex:0 0 12em;margin:0;padding:0;color:inherit;font-weight:600;float:none"
_VALUE = "flex:1 1 16em;min-width:0;margin:0;padding:0;overflow-wrap:anywhere"


class Explanation:
    """What ``ChunkedFit.explain`` returns: a title, and a text for each section.

    In a notebook the ``estimator``, if given, is drawn with its steps.
    """

    def __init__(self, title: str, sections: dict[str, str], estimator=None) -> None:
        self.title, self.sections, self._estimator = title, sections, estimator

    def __str__(self) -> str:
        lines = [f"  {name:<24}{text}" for name, text in self.sections.items()]
        return "\n".join([self.title, *lines])

    __repr__ = __str__

    def _repr_html_(self) -> str:
        rows = "".join(_render_row(*section) for section in self.sections.items())
        steps = "" if self._estimator is None else estimator_html_repr(self._estimator)
        return (
            '<div style="color:inherit;background:transparent">'
            f"<p style='margin:0'><strong>{escape(self.title)}</strong></p>"
            f'<dl style="{_LIST}">{rows}</dl>{steps}</div>'
        )


def _render_row(name: str, text: str) -> str:
    return (
        f'<div style="{_ROW};{_RULE}"><dt style="{_NAME}">{escape(name)}</dt>'
        f'<dd style="{_VALUE}">{escape(text)}</dd></div>'
    )
