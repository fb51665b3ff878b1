"""A web server of files in memory, with ranges, tags, latency, and faults on demand."""

import re
import threading
import time
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class RangeServer(ThreadingHTTPServer):
    """Serves ``files``, which are bytes by name, and notes which ranges are asked for.

    ``faults`` has what the next answers are, one after the other: a status, or "short"
    for an answer that lacks its last byte. ``latency`` are the seconds before each.
    Without ``has_tags`` nothing tells a file from another one of the same size.
    """

    daemon_threads = False
    request_queue_size = 64

    def __init__(self, latency: float = 0.0, *, has_ranges: bool = True):
        super().__init__(("127.0.0.1", 0), _Handler)
        self.files: dict = {}
        self.asked: list = []
        self.faults: list = []
        self.latency, self.has_ranges, self.has_tags = latency, has_ranges, True
        self.heads, self.says_none = 0, False
        self.most_at_once, self._now, self._lock = 0, 0, threading.Lock()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    @contextmanager
    def counting(self):
        """Count the requests that are answered at the same time."""
        with self._lock:
            self._now += 1
            self.most_at_once = max(self.most_at_once, self._now)
        try:
            yield
        finally:
            with self._lock:
                self._now -= 1

    def take_fault(self):
        with self._lock:
            return self.faults.pop(0) if self.faults else None


class _Handler(BaseHTTPRequestHandler):
    # Connections end with the answer, or threads would wait for the next request.
    protocol_version = "HTTP/1.0"

    def log_message(self, *args) -> None:
        """Say nothing."""

    def do_HEAD(self) -> None:
        self.server.heads += 1
        self._answer(has_body=False)

    def do_GET(self) -> None:
        self._answer(has_body=True)

    def _answer(self, *, has_body: bool) -> None:
        server = self.server
        with server.counting():
            time.sleep(server.latency)
            data = server.files.get(self.path.partition("?")[0].lstrip("/"))
            if data is None:
                self._send(404, b"", {})
                return
            fault = server.take_fault() if has_body else None
            if isinstance(fault, int):
                self._send(fault, b"", {})
                return
            status, body, headers = self._cut(data)
            if has_body:
                server.asked.append(headers.get("Content-Range", "all"))
            if fault == "short":
                body = body[:-1]
            self._send(status, body, headers, has_body=has_body)

    def _cut(self, data: bytes) -> tuple:
        """Return status, body and headers of the range that is asked for."""
        headers = {"ETag": f'"{hash(data):x}"'} if self.server.has_tags else {}
        found = re.fullmatch(r"bytes=(\d+)-(\d+)", self.headers.get("Range", ""))
        if self.server.says_none:
            headers["Accept-Ranges"] = "none"
        if not self.server.has_ranges:
            return 200, data, headers
        headers["Accept-Ranges"] = "bytes"
        if found is None:
            return 200, data, headers
        start, last = int(found[1]), min(int(found[2]), len(data) - 1)
        headers["Content-Range"] = f"bytes {start}-{last}/{len(data)}"
        return 206, data[start : last + 1], headers

    def _send(self, status: int, body: bytes, headers: dict, *, has_body=True) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if has_body:
            with suppress(ConnectionError):  # who asked has seen enough
                self.wfile.write(body)


@contextmanager
def serving(**options):
    """Run a server for a ``with`` block."""
    with RangeServer(**options) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()
