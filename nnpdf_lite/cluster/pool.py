"""A pool of workers as its users see it, and the one that is this process alone."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, TypeVar

Unit = TypeVar("Unit")

_listener: ContextVar[Callable[[Any], None] | None] = ContextVar("listener", default=None)


def report(message: Any) -> None:
    """Tell whoever runs the pool something (picklable, small) about the unit that is being worked on.

    Outside a pool, or when nobody listens, it does nothing. In a unit that nobody waits for any more it raises an exception
    that ends it.
    """
    listener = _listener.get()
    if listener is not None:
        listener(message)


@contextmanager
def reporting(listener: Callable[[Any], None] | None) -> Iterator[None]:
    """Let ``listener`` have what is reported."""
    token = _listener.set(listener)
    try:
        yield
    finally:
        _listener.reset(token)


class Pool(ABC):
    """Workers that do units of work.

    Attributes
    ----------
    count : int
        How many units are worked on at once, when all workers that were asked for are there.
    """

    count: int

    @abstractmethod
    def run(
        self,
        function: Callable[[Any, Unit], Any],
        shared: Any,
        units: Iterable[Unit],
        *,
        ahead: int = 0,
        listen: Callable[[Unit, Any], None] | None = None,
        renew: int = 0,
    ) -> Iterator[tuple[Unit, Any]]:
        """Yield ``(unit, function(shared, unit))`` for every unit as it is done.

        Parameters
        ----------
        function : function
            Of a module, so that workers can import it. Must give the same whenever and wherever it is called: the unit of
            a worker that is lost is done again by another one.
        shared : object
            Sent to each worker once.
        units : iterable
            Its next element is asked for only when a worker is free for it, and after the results there are have been yielded.
        ahead : int
            How many units more are sent out, so that no worker waits while the caller deals with a result.
        listen : function, optional
            Called in this thread with a unit and what its worker says of it by ``report``. A unit that is done again says
            everything again.
        renew : int
            Workers that the pool started get a fresh process after so many units, so that what libraries keep of each does
            not pile up; not with ``ahead``. 0: never.

        Raises
        ------
        InputError
            What ``function`` raises, or if the workers are lost for good.
        """


class ThisProcess(Pool):
    """No workers: one unit after another, here."""

    count = 1

    def run(self, function, shared, units, *, ahead=0, listen=None, renew=0):
        """See ``Pool.run``."""
        for unit in units:
            with reporting(listen and (lambda message, unit=unit: listen(unit, message))):
                result = function(shared, unit)
            yield unit, result


def silent(text: str) -> None:
    """Say nothing."""


@contextmanager
def connect(where: str | None, workers: int | None = None, *, note: Callable[[str], None] = silent) -> Iterator[Pool]:
    """Open a pool; at the end, workers that it started are ended, and those of a running cluster left as they are.

    Parameters
    ----------
    where : str or None
        ``local`` or ``local:N``: N processes on this machine; ``tcp://host:port``: the scheduler of a running Dask cluster;
        the name of a YAML file: a batch system to start workers on (``docs/cluster.md``). None: this process alone.
    workers : int, optional
        How many, instead of what ``where`` says. By default, on this machine, one per core.
    note : function, optional
        Told in a line what is being waited for.

    Raises
    ------
    InputError
        If ``where`` makes no sense, the scheduler does not answer, or a worker has another version of this package.
    """
    if where is None:
        yield ThisProcess()
        return
    from .places import open_place

    with open_place(where, workers, note) as pool:
        yield pool
