"""Ranges of a remote file by requests, which are repeated where that may help."""

import time
from collections.abc import Iterator

from skmmap.remote.urls import say_text, say_url

PIECE_NBYTES = 2**22  # of one request
# Requests that are made at a time: their answers are in memory together.
BATCH_NBYTES = 2**25
_ATTEMPTS = 5
_PAUSE = 0.1  # seconds, doubled each time
_RETRIED = 408, 425, 429  # of the statuses that blame who asks


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
        if attempt:
            time.sleep(_PAUSE * 2 ** (attempt - 1))
        _, starts, ends = map(list, zip(*pieces, strict=True))
        paths = [path] * len(pieces)
        answers = system.cat_ranges(paths, starts, ends, on_error="return")
        failed = []
        for piece, answer in zip(pieces, answers, strict=True):
            number, start, stop = piece
            if isinstance(answer, BaseException):
                error = answer
                if not may_pass(error):
                    raise _explain(error, url, start, stop) from error
            elif len(answer) != stop - start:
                error = _say_length(answer, start, stop)
                if len(answer) > stop - start:  # it will not be shorter the next time
                    raise _explain(error, url, start, stop) from error
            else:
                yield number, start, answer
                continue
            failed.append(piece)
        pieces = failed
    if pieces:
        raise _explain(error, url, *pieces[0][1:]) from error


def _say_length(answer: bytes, start: int, stop: int) -> ValueError:
    return ValueError(
        f"the answer has {len(answer):,} bytes instead of {stop - start:,}. The file "
        "was replaced, or the server ignores ranges; then download the file"
    )


def _explain(error, url: str, start: int, stop: int) -> OSError:
    """Return the error of a request that failed, with the bytes that it was for."""
    kind = type(error) if isinstance(error, OSError) else OSError
    kind = kind if kind in (FileNotFoundError, PermissionError) else OSError
    return kind(
        f"{say_url(url)!r}: bytes {start:,} to {stop:,} could not be read: "
        f"{say_text(error)}."
    )


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
