"""The checker finds what is wrong. It needs Chromium, so ``.ci/docs`` runs this."""

import pytest
from check_links import find_broken
from check_pages import check

DOT = "data:image/gif;base64,R0lGODlhAQABAAAAACH5BAEKAAEALAAAAAABAAEAAAICTAEAOw=="
WRONG = {
    "missing picture nowhere.png": '<img src="nowhere.png" loading="lazy">',
    "console: said": '<script>console.error("said")</script>',
    "console: Error: thrown": '<script>throw new Error("thrown")</script>',
    "wider than the window": '<p style="width: 1300px">wide</p>',
    "asks the network for http://localhost:9/": '<img src="http://localhost:9/">',
}


def write(folder, body, name="page.html"):
    path = folder / name
    path.write_text(f"<!doctype html><title>t</title>{body}", encoding="utf-8")
    return path


def test_what_is_wrong_is_found_narrow_and_wide(tmp_path):
    texts = [text for text in WRONG for _ in range(2)]
    pages = [write(tmp_path, WRONG[text], f"{i}.html") for i, text in enumerate(texts)]
    found = check(pages)
    for i, (page, text) in enumerate(zip(pages, texts, strict=True)):
        at_load = not text.startswith(("missing", "wider"))
        starts = {w: f"{page} at {w} pixels: {text}" for w in (400, 1280)}
        seen = [w for w in starts if any(line.startswith(starts[w]) for line in found)]
        assert seen == ([(400, 1280)[i % 2]] if at_load else [400, 1280]), text


def test_what_is_wrong_after_the_width_has_changed_is_found(tmp_path):
    script = "onresize = () => console.error(`now ${innerWidth}`)"
    pages = [write(tmp_path, f"<script>{script}</script>", f"{i}.html") for i in "01"]
    assert check(pages) == [
        f"{pages[0]} at 1280 pixels: console: now 1280",
        f"{pages[1]} at 400 pixels: console: now 400",
    ]


def test_what_is_too_wide_for_a_narrow_window_is_found(tmp_path):
    (line,) = check([write(tmp_path, '<p id="p" style="width: 600px">wide</p>')])
    assert "at 400 pixels: wider than the window: <p" in line


def test_a_page_in_order_is_not_complained_of(tmp_path):
    body = f'<img src="{DOT}"><script>console.log("hello")</script>'
    pictures = tmp_path / "shots"
    assert check([write(tmp_path, body)], pictures) == []
    assert len(list(pictures.glob("*.png"))) == 2


@pytest.mark.parametrize(
    "link",
    ["gone.html", "#gone", "page.html#gone", "gone.png", "file:///tmp/page.html"],
)
def test_links_to_nowhere_are_found(link, tmp_path):
    write(tmp_path, f'<a href="{link}">to</a><a href="#here" id="here">here</a>')
    assert find_broken(tmp_path) == [f"page.html: {link}"]
