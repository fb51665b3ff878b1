"""Requests that are repeated while the reason may pass."""

import time
from collections.abc import Callable

_TRIES = 5
_PAUSE = 0.1  # seconds before the second try, and twice as long before each further one
_TOO_MANY, _SERVER = 429, 500
# Of aiohttp and botocore, known by their names so that neither is imported.
_PASSING = {
    "ClientConnectionError",
    "ClientPayloadError",
    "EndpointConnectionError",
    "HTTPClientError",
}


def with_retries(request: Callable):
    """Return what ``request`` returns; repeat it for lost connections and 5xx."""
    for number in range(_TRIES):
        try:
            return request()
        except Exception as error:
            if number == _TRIES - 1 or not _may_pass(error):
                raise
        time.sleep(_PAUSE * 2**number)
    raise AssertionError  # the last try returns or raises


def _may_pass(error: Exception) -> bool:
    status = getattr(error, "status", None)
    if status is None:  # of gcsfs; aiohttp warns where it is asked for
        status = getattr(error, "code", None)
    if isinstance(status, int):
        return status == _TOO_MANY or status >= _SERVER
    names = {cls.__name__ for cls in type(error).__mro__}
    return isinstance(error, ConnectionError | TimeoutError) or bool(names & _PASSING)
