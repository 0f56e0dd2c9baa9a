"""A pool whose workers are Dask's."""

import asyncio
import pickle
import queue
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import dask
from distributed import Client, Future, KilledWorker, get_worker

from ..errors import InputError
from .pool import Pool, reporting
from .same_version import check_workers

#: Seconds between looks at which workers there are.
LOOK = 1.0
#: Seconds that a worker may take to start afresh.
FRESH = 60.0
#: Seconds without a single worker after which a line says so.
ALARM = 30.0


class Abandoned(Exception):
    """Nobody waits for the unit any more."""


class DaskPool(Pool):
    """Workers of a Dask cluster, ``own`` ones or of others, too; ``keep`` is called now and then to keep up their number."""

    def __init__(self, client: Client, count: int, note: Callable[[str], None], keep: Callable[[], None], *, own: bool):
        self.client, self.count, self.note, self.keep, self.own = client, count, note, keep, own
        assert client.scheduler is not None  # it is connected
        self.address = client.scheduler.address  # which a client forgets when its scheduler has gone
        self.lonely: float | None = None
        self.checked: set[str] = set()
        self.workers()

    def run(self, function, shared, units, *, ahead=0, listen=None, renew=0):
        """See ``Pool.run``."""
        return _Run(self, function, shared, listen, renew if self.own else 0).results(iter(units), ahead)

    def workers(self) -> int:
        """Return how many workers there are now; check new ones, and complain when there is none for long."""
        self.keep()
        try:
            present = set(self.client.nthreads())
            if new := present - self.checked:
                check_workers(self.client, sorted(new))
                self.checked |= new
        except OSError:
            raise self.gone() from None
        n = len(present)
        if n:
            self.lonely = None
        elif self.lonely is None:
            self.lonely = time.monotonic()
        elif time.monotonic() - self.lonely > ALARM:
            self.lonely = float("inf")
            self.note("no worker is left; waiting for others (Ctrl-C ends it, --resume goes on)")
        return n

    def gone(self) -> InputError:
        """Return what is to be said when the scheduler has gone."""
        return InputError(f"the scheduler {self.address} has gone; what was finished is kept, continue with --resume")


class _Run:
    """One function, mapped over units: what is under way, and a queue in which results and reports arrive."""

    def __init__(
        self, pool: DaskPool, function: Callable, shared: Any, listen: Callable[[Any, Any], None] | None, renew: int
    ):
        self.pool, self.client, self.function, self.shared, self.listen = pool, pool.client, function, shared, listen
        self.renew, self.done = renew, Counter[str]()
        self.topic = f"nnpdf_lite-{uuid.uuid4().hex}"
        self.arrivals: queue.SimpleQueue = queue.SimpleQueue()
        self.units: dict[int, Any] = {}
        self.futures: dict[int, Future] = {}
        self.data: Future | None = None
        self.lost: Counter[int] = Counter()
        self.sent = 0

    def results(self, units: Iterator, ahead: int) -> Iterator[tuple[Any, Any]]:
        """Yield units with their results as they come."""
        if self.listen:
            self.client.subscribe_topic(self.topic, lambda event: self.arrivals.put(pickle.loads(event[1])))
        try:
            self._scatter()
            more = True
            while True:
                room = self.pool.workers() + ahead if more else 0
                while more and len(self.futures) < room:
                    more = self._send_next(units)
                if not more and not self.futures:
                    return
                yield from self._arrived()
        finally:
            with suppress(OSError):  # the scheduler has gone
                self.client.cancel([*self.futures.values(), *filter(None, [self.data])], force=True)
                if self.listen:
                    self.client.unsubscribe_topic(self.topic)

    def _scatter(self) -> None:
        """Send the shared data to all workers; those that come later get them from one of these."""
        self.data = None
        while self.data is None:
            while not self.pool.workers():
                time.sleep(LOOK / 5)
            # A worker may have gone, and the scheduler not know it yet.
            with suppress(OSError, asyncio.TimeoutError):
                self.data = self.client.scatter(self.shared, broadcast=True, hash=False)

    def _send_next(self, units: Iterator) -> bool:
        try:
            self.units[self.sent] = next(units)
        except StopIteration:
            return False
        self._send(self.sent)
        self.sent += 1
        return True

    def _send(self, number: int) -> None:
        topic = self.topic if self.listen else None
        future = self.client.submit(
            _work, self.function, self.data, self.units[number], number, topic, pure=False, key=f"{self.topic}-{uuid.uuid4().hex}"
        )  # fmt: skip
        self.futures[number] = future
        future.add_done_callback(lambda future, number=number: self.arrivals.put((number, future)))

    def _arrived(self) -> Iterator[tuple[Any, Any]]:
        """Wait a moment for something to arrive; pass on reports, yield results."""
        try:
            arrived = [self.arrivals.get(timeout=LOOK)]
            while not self.arrivals.empty():
                arrived.append(self.arrivals.get())
        except queue.Empty:
            return
        for number, content in arrived:
            if not isinstance(content, Future):
                if number in self.futures and self.listen:
                    self.listen(self.units[number], content)
            elif self.futures.get(number) is content:
                if content.cancelled():
                    self._again(number)
                else:
                    address, result = self._result(content)
                    del self.futures[number]
                    yield self.units.pop(number), result
                    self._count(address)

    def _count(self, address: str) -> None:
        """Give a worker that has done its number of units, and waits for the next, a fresh process."""
        self.done[address] += 1
        if self.renew and self.done[address] >= self.renew:
            del self.done[address]
            # Without a nanny it stays as it is; one that is gone is missed elsewhere.
            with suppress(OSError, ValueError, asyncio.TimeoutError):
                self.client.restart_workers([address], timeout=FRESH, raise_for_error=False)
            self._scatter()  # it may have held the only copy

    def _result(self, future: Future) -> Any:
        try:
            return future.result()
        except KilledWorker as error:
            raise _deadly(error.allowed_failures + 1) from None

    def _again(self, number: int) -> None:
        """Send a unit again whose data went with the workers that held them, unless it is the scheduler that has gone."""
        if self.client.status != "running":
            raise self.pool.gone()
        self.lost[number] += 1
        if self.lost[number] > dask.config.get("distributed.scheduler.allowed-failures"):
            raise _deadly(self.lost[number])
        if self.data is None or self.data.cancelled() or self.data.status == "lost":
            self._scatter()
        self._send(number)


def _deadly(n: int) -> InputError:
    return InputError(
        f"one unit of work has ended {n} workers; perhaps it needs more memory than they have. What was finished is kept, "
        "continue with --resume"
    )


def _work(function: Callable, shared: Any, unit: Any, number: int, topic: str | None) -> tuple[str, Any]:
    """Do a unit, in a worker, whose address is returned with the result; its reports go to the topic."""
    worker = get_worker()
    key = worker.get_current_task()

    def tell(message: Any) -> None:
        task = worker.state.tasks.get(key)
        if task is None or task.state == "cancelled":
            raise Abandoned
        if topic:
            worker.log_event(topic, pickle.dumps((number, message)))

    with reporting(tell):
        return worker.address, function(shared, unit)
