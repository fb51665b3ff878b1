"""Check that every link inside the site leads to a page, a file or an anchor of it.

    python docs/check_links.py build/docs

Sphinx follows the links that it makes itself; this reads what was written, raw HTML
and stored notebooks included. Links to other sites are not followed.
"""

import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit


class Page(HTMLParser):
    """The links of a page, and what can be linked to in it."""

    def __init__(self, path: Path):
        super().__init__()
        self.links, self.anchors = [], {"", "top"}
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        self.links += [attrs[k] for k in ("href", "src") if attrs.get(k)]
        self.anchors |= {attrs[k] for k in ("id", "name") if attrs.get(k)}


def find_broken(site: Path) -> list[str]:
    """Return a line for each link that leads nowhere."""
    site = site.resolve()
    paths = [p for p in sorted(site.rglob("*.html")) if "_static" not in p.parts]
    pages = {path: Page(path) for path in paths}
    assert pages, f"{site} has no pages."
    return [
        f"{path.relative_to(site)}: {link}"
        for path, page in pages.items()
        for link in page.links
        if not leads_somewhere(link, path, pages)
    ]


def leads_somewhere(link: str, path: Path, pages: dict) -> bool:
    """Tell whether a link of the page at ``path`` has a target, if it is inside."""
    parts = urlsplit(link)
    if parts.scheme or parts.netloc:
        return parts.scheme != "file"  # nobody else has the writer's files
    target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
    if target not in pages:
        return target.is_file()
    return unquote(parts.fragment) in pages[target].anchors


if __name__ == "__main__":
    broken = find_broken(Path(sys.argv[1]))
    print("\n".join(broken) or "All links inside the site lead somewhere.")
    sys.exit(bool(broken))
