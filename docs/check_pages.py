"""Open pages in headless Chromium, narrow and wide, and say what is wrong with them.

    python docs/check_pages.py build/docs
    python docs/check_pages.py --screenshots shots build/docs/index.html

A page is wrong if anything is written to the console as an error, if a picture is
missing, if it is wider than the window, or if it asks the network for anything. The
browser is the system's: ``chromium-headless-shell``, which needs less, ``chromium``, or
what CHROMIUM names. It is driven by the
DevTools protocol through a pipe (https://chromedevtools.github.io/devtools-protocol/).
"""

import argparse
import base64
import json
import os
import shutil
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path

WIDTHS = (400, 1280)
FLAGS = [
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic"),
    *("--no-first-run", "--disable-background-networking", "--disable-sync"),
    *("--disable-component-update", "--disable-extensions", "--hide-scrollbars"),
    "--remote-debugging-pipe",
]
# Waits for the width and for pictures that come late. Tells which do not come, and
# what is too wide.
PROBE = """
(async () => {
  do await new Promise(requestAnimationFrame); while (innerWidth !== WIDTH);
  const images = [...document.images];
  for (const image of images) image.loading = "eager";
  await Promise.all(images.map(image => image.decode().catch(() => {})));
  const width = document.documentElement.clientWidth;
  const tooWide = document.documentElement.scrollWidth > width
    ? [...document.body.querySelectorAll("*")]
        .filter(e => e.getBoundingClientRect().right > width + 1)
        .map(e => `<${e.localName} class="${e.getAttribute("class") ?? ""}">`)
    : null;
  return JSON.stringify({
    missing: images.filter(i => !i.naturalWidth).map(i => i.getAttribute("src")),
    tooWide,
  });
})()
"""


class Browser:
    """A Chromium with one tab, which takes commands and returns results and events."""

    def __init__(self, commands, answers):
        self._out, self._in, self._unread = commands, answers, b""
        self._n_sent, self._session, self.events = 0, None, []
        target = self.send("Target.createTarget", url="about:blank")["targetId"]
        attached = self.send("Target.attachToTarget", targetId=target, flatten=True)
        self._session = attached["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.send(f"{domain}.enable")

    def send(self, method: str, **params) -> dict:
        """Return the result of a command, and keep the events before it."""
        self._n_sent += 1
        message = {"id": self._n_sent, "method": method, "params": params}
        if self._session is not None:
            message["sessionId"] = self._session
        self._out.write(json.dumps(message).encode() + b"\0")
        while (answer := self._receive()).get("id") != self._n_sent:
            self.events.append(answer)
        if "error" in answer:
            raise RuntimeError(f"{method}: {answer['error']['message']}")
        return answer["result"]

    def wait_for(self, method: str) -> None:
        """Return when the event has come."""
        while not any(event.get("method") == method for event in self.events):
            self.events.append(self._receive())

    def _receive(self) -> dict:
        while b"\0" not in self._unread:
            piece = self._in.read1(2**20)
            if not piece:
                raise RuntimeError("Chromium has ended.")
            self._unread += piece
        message, _, self._unread = self._unread.partition(b"\0")
        return json.loads(message)


def find_browser() -> str | None:
    """Return the path of the browser, None if there is none."""
    known = "chromium-headless-shell", "chromium"
    return os.environ.get("CHROMIUM") or next(
        filter(None, map(shutil.which, known)), None
    )


@contextmanager
def open_browser():
    """Start Chromium with an empty profile, and end it."""
    path = find_browser()
    if path is None:
        raise SystemExit("Chromium is missing: apt-get install -y chromium")
    to_browser, from_browser = os.pipe(), os.pipe()
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        # Chromium takes commands from its descriptor 3 and answers to 4.
        process = subprocess.Popen(
            [
                *(
                    "bash",
                    "-c",
                    f'exec "$@" 3<&{to_browser[0]} 4>&{from_browser[1]}',
                ),
                *("bash", path, *FLAGS, f"--user-data-dir={profile}"),
            ],
            pass_fds=(to_browser[0], from_browser[1]),
            stderr=subprocess.DEVNULL,
        )
        os.close(to_browser[0])
        os.close(from_browser[1])
        try:
            with (
                open(to_browser[1], "wb", buffering=0) as commands,
                open(from_browser[0], "rb") as answers,
            ):
                browser = Browser(commands, answers)
                yield browser
                browser.send("Browser.close")
        finally:
            process.kill()
            process.wait()


def open_page(browser: Browser, path: Path, width: int) -> None:
    """Load a page into a window of a width."""
    browser.events.clear()
    set_width(browser, width)
    browser.send("Page.navigate", url=path.resolve().as_uri())
    browser.wait_for("Page.loadEventFired")


def set_width(browser: Browser, width: int) -> None:
    """Make the window as wide."""
    size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
    browser.send("Emulation.setDeviceMetricsOverride", **size)


def check_page(browser: Browser, width: int, picture: Path | None) -> list:
    """Return what is wrong with the page that is open, at a width."""
    set_width(browser, width)
    probe = {"awaitPromise": True, "returnByValue": True}
    probe["expression"] = PROBE.replace("WIDTH", str(width))
    seen = json.loads(browser.send("Runtime.evaluate", **probe)["result"]["value"])
    if picture is not None:
        shot = browser.send("Page.captureScreenshot", captureBeyondViewport=True)
        picture.write_bytes(base64.b64decode(shot["data"]))
    wrong = [f"missing picture {source}" for source in seen["missing"]]
    if seen["tooWide"] is not None:
        wrong.append(f"wider than the window: {' '.join(seen['tooWide'][-3:])}")
    wrong += find_complaints(browser.events)
    browser.events.clear()
    return wrong


def find_complaints(events: list) -> list[str]:
    """Return errors of the console, and what was asked of the network."""
    found = []
    for event in events:
        params = event.get("params", {})
        match event.get("method"):
            case "Runtime.exceptionThrown":
                details = params["exceptionDetails"]
                thrown = details.get("exception", {}).get("description")
                found.append(f"console: {thrown or details['text']}")
            case "Runtime.consoleAPICalled" if params["type"] in ("error", "assert"):
                texts = [str(a.get("value", "")) for a in params["args"]]
                found.append(f"console: {' '.join(texts)}")
            case "Log.entryAdded" if params["entry"]["level"] == "error":
                found.append(f"console: {params['entry']['text']}")
            case "Network.requestWillBeSent":
                url = params["request"]["url"]
                if url.startswith(("http:", "https:", "ws:", "wss:")):
                    found.append(f"asks the network for {url}")
    return found


def find_pages(given: list[Path]) -> list[Path]:
    """Return the files that are given, and the pages of the folders."""
    pages = [
        page
        for path in given
        for page in (sorted(path.rglob("*.html")) if path.is_dir() else [path])
        if "_static" not in page.parts
    ]
    assert pages, "There are no pages."
    return pages


def check(pages: list[Path], screenshots: Path | None = None) -> list[str]:
    """Return a line for each thing that is wrong.

    Every other page is loaded narrow and made wide, the others the other way round: to
    load all of them twice takes twice as long.
    """
    if screenshots is not None:
        screenshots.mkdir(parents=True, exist_ok=True)
    wrong = []
    with open_browser() as browser:
        for i, page in enumerate(pages):
            widths = WIDTHS[:: -1 if i % 2 else 1]
            open_page(browser, page, widths[0])
            for width in widths:
                name = f"{page.parent.name}-{page.stem}-{width}.png"
                picture = None if screenshots is None else screenshots / name
                found = check_page(browser, width, picture)
                wrong += [f"{page} at {width} pixels: {text}" for text in found]
    return wrong


def main() -> int:
    """Check what the command line names."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("paths", nargs="+", type=Path, help="pages, or folders of them")
    parser.add_argument("--screenshots", type=Path, help="a folder for pictures")
    options = parser.parse_args()
    pages = find_pages(options.paths)
    wrong = check(pages, options.screenshots)
    print("\n".join(wrong) or f"{len(pages)} pages are in order, narrow and wide.")
    return bool(wrong)


if __name__ == "__main__":
    sys.exit(main())
