"""A web server of objects in memory, with ranges, latency and faults."""

import threading
import time
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Objects:
    """What is served by name, and how."""

    def __init__(self):
        self.data, self.tags, self.requests = {}, {}, []
        self.latency, self.fails, self.cut, self.has_ranges = 0.0, 0, 0, True
        self.status, self.url = 500, ""
        self.now = self.most = 0
        self.lock = threading.Lock()

    def put(self, name, data):
        """Serve bytes under a name, with another ETag than before."""
        self.data[name] = bytes(data)
        self.tags[name] = f'"{self.tags.get(name, "").strip(chr(34))}x"'
        return f"{self.url}/{name}"


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *args):
        pass

    def do_HEAD(self):
        self._answer(is_head=True)

    def do_GET(self):
        objects = self.server.objects
        with objects.lock:
            objects.now += 1
            objects.most = max(objects.most, objects.now)
        try:
            time.sleep(objects.latency)
            self._answer(is_head=False)
        finally:
            with objects.lock:
                objects.now -= 1

    def _answer(self, is_head):
        objects, name = self.server.objects, self.path.strip("/").partition("?")[0]
        if name not in objects.data:
            self.send_error(404)
            return
        data, asked = objects.data[name], self.headers.get("Range")
        status = 200
        if asked and objects.has_ranges:
            start, _, last = asked.removeprefix("bytes=").partition("-")
            data, status = data[int(start) : int(last) + 1], 206
            if len(data) > 1:  # not those that ask whether there are ranges
                objects.requests.append((name, int(start), int(last) + 1))
                if objects.fails:
                    objects.fails -= 1
                    self.send_error(objects.status)
                    return
                data = data[: len(data) - objects.cut]
        self.send_response(status)
        self.send_header("ETag", objects.tags[name])
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        if not is_head:
            self.wfile.write(data)


@contextmanager
def serve():
    """Yield `Objects` that are served until the end of the block."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    server.daemon_threads = True
    server.objects = Objects()
    server.objects.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield server.objects
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
