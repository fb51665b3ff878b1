"""Runs many fits side by side, each in a thread, so that they read the same rows once.

A fit stops wherever it asks for rows. Once all that want the same chunk wait for it,
it is read and given to all of them, so that no fit is ahead of another one by more than
a chunk. At most ``n_jobs`` threads compute at a time.
"""

import threading
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

from skmmap.run.feeds import Feed
from skmmap.run.keeper import Keeper
from skmmap.run.rooms import Results, Room
from skmmap.run.sharing import NOT_YET
from skmmap.run.tasks import Task

# Of so many members for each thread, few wait for the last ones that have a chunk.
_ENOUGH = 4


class Hub:
    """Runs tasks, at most ``n_jobs`` at a time, and reads what they wait for.

    What is open at the same time takes ``room`` bytes at most, or is one feed; so do
    results that are in memory. What is trained at the same time takes ``models``, or is
    one. The state of tasks is kept by the ``keeper``, where none of them runs.
    """

    def __init__(
        self,
        n_jobs: int,
        room: int,
        models: int,
        begin_thread: Callable[[], Any] = lambda: None,
        keeper: Keeper | None = None,
    ):
        self._n_jobs, self._room = n_jobs, room
        self._keeper = keeper or Keeper()
        self.threads = ThreadPoolExecutor(n_jobs, "skmmap-compute", begin_thread)
        self._changed = threading.Condition()
        self._new: deque[Task] = deque()
        self._ready: deque[Task] = deque()
        self._alive: list[Task] = []
        self._n_running = 0
        self._feeds: list[Feed] = []
        self.known: dict = {}  # what is kept until all fits are over
        self._fits: deque = deque()
        self.models, self.results = Room(models), Results(room)
        self._gathering: dict[Any, list[tuple[Task, Any]]] = {}
        self.histories: list = []  # of all tasks whose results were asked for
        self.is_cancelled = False

    def add(self, function: Callable[[], Any]) -> Task:
        """Return the task of a function, which begins once a result is waited for."""
        task = Task(self, self._keeper.wrap(function))
        task.fits = self._fits.popleft() if self._fits else None
        self._new.append(task)
        return task

    def begin_round(self, fits: list, *, forgets: bool) -> None:
        """Give the next tasks what is kept of their fits, one to each.

        What was remembered is of other rows if it ``forgets`` it.
        """
        self._fits = deque(fits)
        if forgets:
            self.known.clear()

    def run(self, until: Task) -> None:
        """Run all tasks, until that one is over."""
        while not until.is_over:
            with self._changed:
                self._changed.wait_for(lambda: until.is_over or self._find_feed())
                feed = self._find_feed()
                if until.is_over:
                    return
                rests = self._keeper.asks_for_rest()
                if rests:
                    self._changed.wait_for(lambda: not (self._n_running or self._ready))
            if rests:
                self._keeper.keep()
            item, error = feed.advance()
            if item is NOT_YET:
                continue
            with self._changed:
                self._ready.extend(feed.give(item, error))
                del item
                self._start_ready()

    def _find_feed(self) -> "Feed | None":
        """Return the feed to advance; start tasks, or open feeds, if there is none."""
        ready = [feed for feed in self._feeds if feed.is_ready]
        feed = min(ready, key=lambda feed: feed.n_given, default=None)
        if feed is not None or self._n_running or self._ready:
            return feed
        if self._new:
            # One after the other, so that they draw seeds in turn, as in a loop.
            task = self._new.popleft()
            self._alive.append(task)
            self._n_running += 1
            task.thread.start()
            task.go()
            return None
        return self._let_gather() if self._gathering else self._open_feeds()

    def _let_gather(self) -> None:
        """Let those go on that wait for one another, now that no task runs."""
        for waiting in self._gathering.values():
            items = [item for _, item in waiting]
            for task, _ in waiting:
                task.item = tuple(items)
                self._ready.append(task)
        self._gathering.clear()
        self._start_ready()

    def _open_feeds(self) -> "Feed | None":
        """Open as many feeds as fit, now that all tasks wait; return one of them."""
        is_open = [feed for feed in self._feeds if feed.is_open]
        used = sum(feed.nbytes for feed in is_open)
        n_members = sum(len(feed.members) for feed in is_open)
        first = None
        for feed in self._feeds:
            fits = not used or used + feed.nbytes <= self._room
            is_needed = feed.is_joint or n_members < _ENOUGH * self._n_jobs
            if not feed.is_open and fits and is_needed:
                feed.open()
                first = first or feed
                used, n_members = used + feed.nbytes, n_members + len(feed.members)
        if first is None and self.models.waiting:
            self._ready.extend(self.models.grant(least=1))
            self._start_ready()
        elif first is None and self._alive:
            return self._open_inner()
        return first

    def _open_inner(self) -> "Feed":
        """Open a feed of fits that are made inside others, which have theirs open."""
        for feed in self._feeds:
            if not feed.is_open and len(feed.waiting) == len(feed.members):
                feed.open()
                return feed
        raise RuntimeError("All fits wait for rows that no one of them reads.")

    def _start_ready(self) -> None:
        while self._ready and self._n_running < self._n_jobs:
            self._n_running += 1
            self._ready.popleft().go()

    def park(self, task: Task, among: list) -> None:
        """Let others run until the task is given what it waits for among others."""
        with self._changed:
            among.append(task)
            self._leave()
        task.wait()

    def _leave(self) -> None:
        self._n_running -= 1
        self._start_ready()
        self._changed.notify_all()

    @contextmanager
    def joining(self, task: Task, feed: Feed) -> Iterator[Feed]:
        """Join this feed, or one with the same key that has not begun."""
        with self._changed:
            begun = [each for each in self._feeds if not each.is_open]
            like = next((each for each in begun if each.key == feed.key), None)
            if like is None:
                self._feeds.append(feed)
            feed = like or feed
            feed.members.add(task)
        try:
            yield feed
        finally:
            with self._changed:
                feed.members.discard(task)
                is_last = not feed.members
                if is_last:
                    self._feeds.remove(feed)
                self._changed.notify_all()
            if is_last:
                feed.close()

    def remember(self, task: Task, key, make: Callable[[], Any], known=None) -> Any:
        known = self.known if known is None else known
        while not self.claim(task, key, known):
            if (found := self.find(key, known)) is not None:
                return found[0]
            self.wait_for(task, key, known)
        try:
            value = make()
        except BaseException:
            self.settle(task, key, known)
            raise
        self.settle(task, key, known, value)
        return value

    def gather(self, task: Task, key, item: Any) -> list:
        with self._changed:
            self._gathering.setdefault(key, []).append((task, item))
            self._leave()
        task.wait()
        gathered, task.item = task.item, ()
        return list(gathered)

    def claim(self, task: Task, key, known: dict) -> bool:
        """Whether nobody has made or makes what has this key: then the task does."""
        with self._changed:
            if key in known:
                return False
            waiting = known[key] = []
            task.making[id(known), key] = known, waiting
            return True

    def find(self, key, known: dict) -> tuple | None:
        """Return what was made, in a tuple."""
        with self._changed:
            found = known.get(key)
        return None if isinstance(found, list) else found

    def wait_for(self, task: Task, key, known: dict) -> None:
        """Let others run until nobody makes it any more."""
        with self._changed:
            waiting = known.get(key)
            if not isinstance(waiting, list):
                return
            waiting.append(task)
            self._leave()
        task.wait()

    def settle(self, task: Task, key, known: dict, *value) -> None:
        """Let those that wait go on, with what was made if there is any."""
        with self._changed:
            _, waiting = task.making.pop((id(known), key))
            if value:
                known[key] = value
            elif known.get(key) is waiting:
                del known[key]
            self._ready.extend(waiting)
            self._start_ready()

    def hold_model(self, task: Task, nbytes: int) -> None:
        """Wait until there is room for a model, which the task then has."""
        with self._changed:
            if self.models.take(task, nbytes):
                return
            self.models.waiting.append((task, nbytes))
            self._leave()
        task.wait()

    def end(self, task: Task) -> None:
        with self._changed:
            # Which an error has ended.
            for (_, key), (known, _) in list(task.making.items()):
                self.settle(task, key, known)
            task.is_over = True
            self._alive.remove(task)
            self.models.taken.pop(task, None)
            self._ready.extend(self.models.grant())
            self._leave()

    def close(self) -> None:
        """End all tasks, and wait for their threads."""
        with self._changed:
            self.is_cancelled = True
            alive = list(self._alive)
            for task in alive:
                task.go()
        for task in alive:
            if task.thread.is_alive():  # the last one may not have begun
                task.thread.join()
        self.threads.shutdown()
        self._new.clear()
        self.known.clear()
