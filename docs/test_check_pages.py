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
    pages = [write(tmp_path, WRONG[text], f"{i}.html") for i, text in enumerate(WRONG)]
    found = check(pages)
    for page, text in zip(pages, WRONG, strict=True):
        for width in 400, 1280:
            start = f"{page} at {width} pixels: {text}"
            assert any(line.startswith(start) for line in found), start


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
