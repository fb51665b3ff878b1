"""Files behind a pattern, and in a folder, by the URLs that they have themselves."""

from collections.abc import Callable

from skmmap.disk import by_numbers
from skmmap.remote import open_system, repeat, say_url, split_chain


def find_urls(url: str, options: dict) -> list[str] | None:
    """Return the URLs that a pattern finds, X_2 before X_10; None if it is none.

    ``?`` begins the query of a URL, so that only ``*`` makes a pattern of its path.
    """
    if "*" not in split_chain(url)[1].partition("?")[0]:
        return None
    system, pattern = open_system(url, options)
    paths = repeat(lambda: system.glob(pattern), url, "listed")
    if not paths:
        raise FileNotFoundError(f"source={say_url(url)!r} matches no file.")
    return _to_urls(url, system, paths)


def find_inside(url: str, options: dict, is_mine: Callable) -> list[str]:
    """Return the URLs of some files in a folder, at any depth; none if it is none."""
    system, folder = open_system(url, options)
    if not repeat(lambda: system.isdir(folder), url, "listed"):
        return []
    paths = repeat(lambda: system.find(folder), url, "listed")
    return _to_urls(url, system, [path for path in paths if is_mine(path, folder)])


def _to_urls(url: str, system, paths: list) -> list[str]:
    """Return the URLs of paths, in the order of their numbers.

    File systems give those of the last part of a chain alone, which would be read past
    the others, such as a cache.
    """
    before, place, after = split_chain(url)
    urls = [system.unstrip_protocol(path) for path in sorted(paths, key=by_numbers)]
    if not before and not after:
        return urls
    protocol = place.partition("://")[0]
    inner = [found.partition("://")[2] for found in urls]
    return [f"{before}{protocol}://{path}{after}" for path in inner]
