"""The plan of a fit as text and as HTML: the same words in both."""

from html.parser import HTMLParser

import numpy as np
from sklearn.linear_model import SGDClassifier

from skmmap import ChunkedFit
from skmmap.learn.rendering import Explanation

X = np.random.default_rng(0).normal(size=(90, 4))
y = (X[:, 0] > 0).astype(int)


class Texts(HTMLParser):
    """Collects the text of each element that has one; fails on unclosed ones."""

    def __init__(self, html):
        super().__init__()
        self.found, self.open = [], []
        self.feed(html)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.found.append((self.open[-1], data))


def test_html_has_the_words_of_the_text(capsys):
    explanation = ChunkedFit(SGDClassifier(random_state=0)).explain(X, y)
    assert capsys.readouterr().out == ""
    (_, title), *rest = Texts(explanation._repr_html_()).found
    assert [tag for tag, _ in rest] == ["dt", "dd"] * (len(rest) // 2)
    texts = [text for _, text in rest]
    assert dict(zip(texts[::2], texts[1::2], strict=True)) == explanation.sections
    lines = str(explanation).splitlines()
    assert (
        lines[0]
        == title
        == "ChunkedFit(SGDClassifier) on 90 x 4 float64, 3.6 kB with y"
    )
    sections = [line.strip().split(maxsplit=1)[0] for line in lines[1:]]
    assert sections == [name.split()[0] for name in explanation.sections]


def test_a_shell_shows_the_text():
    explanation = Explanation("title", {"order": "shuffled", "seed": "0"})
    assert repr(explanation) == str(explanation)
    assert str(explanation).splitlines() == [
        "title",
        "  order                   shuffled",
        "  seed                    0",
    ]


def test_html_is_escaped():
    html = Explanation("<i>&", {"<b>": "<script>alert('a')</script>"})._repr_html_()
    for tag in ("<i>", "<b>", "<script"):
        assert tag not in html
    texts = [text for _, text in Texts(html).found]
    assert texts == ["<i>&", "<b>", "<script>alert('a')</script>"]
