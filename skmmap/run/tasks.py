"""Fits that run side by side, each in a thread, and what each shares with others."""

import threading
from collections.abc import Callable
from contextvars import copy_context
from typing import Any

from sklearn import config_context, get_config

from skmmap.run.feeds import Feed
from skmmap.run.sharing import Sharing, using_sharing


class Cancelled(BaseException):
    """Ends a task whose result is not needed; no ``except Exception`` hears it."""


def _done() -> None:
    """Stand for the function of a task that is over."""


class Task(Sharing):
    """A function that runs in a thread of its own, and what it shares with others."""

    is_shared = True

    def __init__(self, hub: Any, function: Callable[[], Any]):
        self._hub, self._function = hub, function
        self._go = threading.Semaphore(0)
        self.feed: Feed | None = None  # whose next item it waits for
        self.item: tuple = ()
        self.is_over = False
        self.callback: Callable[[Task], Any] | None = None
        self.making: dict = {}  # what it has begun to make, and who waits for it
        self.fits: Any = None
        self.result: Any = None
        self.history: dict | None = None
        self.error: BaseException | None = None
        run = copy_context().run
        self.thread = threading.Thread(
            target=run, args=(self._run,), name="skmmap-fit", daemon=True
        )

    def _run(self) -> None:
        try:
            self.wait()
            with using_sharing(self):
                self.result = self._function(), self.history
        except BaseException as error:  # for the thread that asks for the result
            self.error = error
        finally:
            # It holds the model, and joblib may ask for other results first.
            self._function = _done
            self._hub.end(self)

    def wait(self) -> None:
        """Wait until it is this task's turn."""
        self._go.acquire()
        if self._hub.is_cancelled:
            raise Cancelled

    def go(self) -> None:
        """End the wait."""
        self._go.release()

    def get(self) -> Any:
        """Return the result, after its error if there is one."""
        if self.error is not None:
            raise self.error
        result, history = self.result
        self._hub.histories.append(history)
        return result

    def iter_items(self, key, make, nbytes, *, is_joint=False):
        with self._hub.joining(
            self, Feed(key, make, nbytes, is_joint=is_joint)
        ) as feed:
            while True:
                self._hub.park(self, feed.waiting)
                item, error = self.item
                self.item = ()
                if error is not None:
                    raise error
                if item is None:
                    return
                yield item.pop()
                del item

    def remember(self, key, make, known=None):
        return self._hub.remember(self, key, make, known)

    def claim(self, key):
        return self._hub.claim(self, key, self._hub.known)

    def settle(self, key, *made):
        self._hub.settle(self, key, self._hub.known, *made)

    def find(self, key):
        return self._hub.find(key, self._hub.known)

    def wait_for(self, key):
        self._hub.wait_for(self, key, self._hub.known)

    def gather(self, key, item):
        return self._hub.gather(self, key, item)

    def compute(self, function, /, *given, **named):
        # What is allocated by threads stays with them, once it is freed: in a few
        # threads that is less than in one for each task. What is inside such a call, as
        # of the steps that learn in a pass, has its thread already.
        if threading.current_thread() is not self.thread:
            return function(*given, **named)
        config, run = get_config(), copy_context().run

        def call():
            with config_context(**config):
                return function(*given, **named)

        return self._hub.threads.submit(run, call).result()

    def hold_model(self, find_nbytes):
        self._hub.hold_model(self, find_nbytes())

    def has_room_for(self, result):
        return self._hub.results.take(result)

    def record(self, history):
        self.history = history
