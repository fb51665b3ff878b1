"""Ranges of a remote file by requests, which are repeated where that may help."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from typing import Any, NoReturn

from skmmap.remote.urls import hide_secrets, say_url

PIECE_NBYTES = 2**22  # of one request
# Requests that are made at a time: their answers are in memory together.
BATCH_NBYTES = 2**25
_ATTEMPTS = 5
_PAUSE = 0.1  # seconds, doubled each time
_RETRIED = 408, 425, 429  # of the statuses that blame who asks


def repeat(work: Callable, url: str, done: str, attempts: int = 3) -> Any:
    """Return what ``work`` does, which is repeated after an error that may pass.

    ``done`` is what messages say of the URL, such as "opened".
    """
    for attempt in count(1):
        try:
            return work()
        except Exception as error:
            if attempt == attempts or not may_pass(error):
                raise_for(url, f" cannot be {done}: {_say(error, url)}.", error)
        _pause(attempt)


@contextmanager
def shield(url: str):
    """Name the URL, without its secrets, in errors of kinds that are not ours."""
    try:
        yield
    except (ImportError, TypeError, ValueError):
        raise
    except Exception as error:
        raise_for(url, f" cannot be read: {_say(error, url)}.", error)


def _say(error: BaseException, url: str) -> str:
    """Return why it failed; the text of some errors is the URL, or the path, alone."""
    cause, said = error.__cause__, str(error).rstrip(".")
    if said.strip("'") not in url:
        return said
    if cause is not None and (status := _find_status(cause)):
        return f"the server answers {status}"
    return "there is no such file" if cause is None else str(cause)


def _pause(attempt: int) -> None:
    if attempt:
        time.sleep(_PAUSE * 2 ** (attempt - 1))


def fetch(system, path: str, url: str, ranges: list) -> Iterator[tuple]:
    """Yield pieces of ranges in any order: number of the range, start, and bytes.

    Pieces are asked for together, as long as their answers take little memory.
    """
    batch, nbytes = [], 0
    for piece in _cut(ranges):
        if batch and nbytes + piece[2] - piece[1] > BATCH_NBYTES:
            yield from _fetch_batch(system, path, url, batch)
            batch, nbytes = [], 0
        batch.append(piece)
        nbytes += piece[2] - piece[1]
    yield from _fetch_batch(system, path, url, batch)


def _cut(ranges: list) -> Iterator[tuple]:
    for number, (start, stop) in enumerate(ranges):
        for begin in range(start, stop, PIECE_NBYTES):
            yield number, begin, min(begin + PIECE_NBYTES, stop)


def _fetch_batch(system, path: str, url: str, pieces: list) -> Iterator[tuple]:
    error = None
    for attempt in range(_ATTEMPTS):
        if not pieces:
            return
        _pause(attempt)
        _, starts, ends = map(list, zip(*pieces, strict=True))
        paths = [path] * len(pieces)
        answers = system.cat_ranges(paths, starts, ends, on_error="return")
        failed = []
        for piece, answer in zip(pieces, answers, strict=True):
            number, start, stop = piece
            if isinstance(answer, BaseException):
                error = answer
                if not may_pass(error):
                    _raise_for_range(error, url, start, stop)
            elif len(answer) != stop - start:
                error = _say_length(answer, start, stop)
                if len(answer) > stop - start:  # it will not be shorter the next time
                    _raise_for_range(error, url, start, stop)
            else:
                yield number, start, answer
                continue
            failed.append(piece)
        pieces = failed
    if pieces:
        _raise_for_range(error, url, *pieces[0][1:])


def _say_length(answer: bytes, start: int, stop: int) -> ValueError:
    return ValueError(
        f"the answer has {len(answer):,} bytes instead of {stop - start:,}. The file "
        "was replaced, or the server ignores ranges; then download the file"
    )


def _raise_for_range(error, url: str, start: int, stop: int) -> NoReturn:
    """Raise for a request that failed, with the bytes that it was for."""
    said = f": bytes {start:,} to {stop:,} could not be read: {error}."
    raise_for(url, said, error)


def raise_for(url: str, said: str, error: BaseException) -> NoReturn:
    """Raise for a URL, after its name, what is said of it, without its secrets.

    An error that has them is not shown as the cause.
    """
    kind = next((k for k in _KINDS if isinstance(error, k)), OSError)
    causes = map(str, _iter_causes(error))
    has_secret = any(hide_secrets(text, url) != text for text in causes)
    text = f"{say_url(url)!r}{hide_secrets(said, url)}"
    raise kind(text) from (None if has_secret else error)


_KINDS = FileNotFoundError, PermissionError


def may_pass(error: BaseException) -> bool:
    """Whether a request that failed so may succeed when it is made again."""
    causes = list(_iter_causes(error))
    statuses = [status for each in causes if (status := _find_status(each))]
    if statuses:
        return any(status >= 500 or status in _RETRIED for status in statuses)
    if isinstance(error, FileNotFoundError):  # of http also where nobody answers
        return len(causes) > 1 and any(map(_is_connection, causes[1:]))
    if isinstance(error, PermissionError | NotImplementedError | TypeError):
        return False
    return isinstance(error, Exception)


def _iter_causes(error: BaseException | None) -> Iterator[BaseException]:
    seen: list = []
    while error is not None and error not in seen:
        seen.append(error)
        yield error
        error = error.__cause__ or error.__context__


def _find_status(error: BaseException) -> int | None:
    status = getattr(error, "status", None) or getattr(error, "code", None)
    return status if isinstance(status, int) else None


def _is_connection(error: BaseException) -> bool:
    names = {cls.__name__ for cls in type(error).__mro__}
    return bool(names & {"ClientConnectionError", "ConnectionError", "TimeoutError"})
