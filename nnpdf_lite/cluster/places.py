"""What a user may write after ``--cluster``, and the pool of workers that it means."""

import asyncio
import logging
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import dask
from distributed import Client, Security
from distributed.comm import connect
from distributed.utils import LoopRunner

from ..errors import InputError, nearest
from .batch_system import BatchSystem, Replacement
from .cluster_file import read_cluster_file
from .dask_pool import DaskPool
from .local import LocalWorkers, cores

#: Seconds in which a scheduler must answer.
ANSWER_TIME = 10.0
#: Seconds between notes that workers are still missing.
PATIENCE = 60.0
#: Workers that a unit may lose before it is taken to be what kills them; jobs of a batch system end by preemption and wall
#: time too, so more than Dask's 3.
ALLOWED_FAILURES = 10


@contextmanager
def open_place(where: str, workers: int | None, note: Callable[[str], None]) -> Iterator[DaskPool]:
    """Open the pool that ``where`` names; see ``connect``."""
    place = find_place(where, workers)
    settings = {
        "distributed.scheduler.allowed-failures": ALLOWED_FAILURES,
        "distributed.comm.timeouts.connect": f"{ANSWER_TIME:.0f}s",
    }
    with dask.config.set(settings), _quiet(), ExitStack() as stack:
        cluster = place if isinstance(place, str) else stack.enter_context(place.start())
        client = stack.enter_context(_client(cluster))
        if isinstance(place, str) or place.dashboard:
            note(f"dashboard: {client.dashboard_link}")
        if isinstance(place, BatchSystem):
            s = "s" if place.jobs > 1 else ""
            note(f"{place.jobs} job{s} of {place.options['cores']} workers submitted to {place.system}")
        _await_workers(client, place.workers if isinstance(place, LocalWorkers) else 1, note)
        keep = Replacement(cluster, place.jobs) if isinstance(place, BatchSystem) else lambda: None
        count = len(client.nthreads()) if isinstance(place, str) else place.workers
        yield DaskPool(client, count, note, keep, own=not isinstance(place, str))


def find_place(where: str, workers: int | None) -> LocalWorkers | BatchSystem | str:
    """Return the workers on this machine, the batch system or the address of a scheduler that ``where`` names.

    Raises
    ------
    InputError
        If it names none.
    """
    if workers is not None and workers < 1:
        raise InputError(f"workers: {workers}; expected at least 1")
    kind, _, rest = where.partition(":")
    if kind == "local" and not Path(where).is_file():
        if where != kind and not (rest.isascii() and rest.isdigit() and int(rest)):
            raise InputError(f"--cluster {where}: '{rest}' is not a number of workers; expected local:N with N from 1")
        return LocalWorkers(workers or int(rest or cores()))
    if "://" in where:
        host, _, port = rest.removeprefix("//").rpartition(":")
        if kind not in ("tcp", "tls") or not (host and port.isdigit()):
            raise InputError(f"--cluster {where}: not the address of a scheduler; expected tcp://HOST:PORT")
        return where
    path = Path(where).expanduser()
    if not path.is_file():
        files = [str(other) for other in path.parent.glob("*.y*ml")]
        raise InputError(
            f"--cluster {where}: there is no such file; expected local, local:N, tcp://HOST:PORT, or a YAML file as in "
            f"docs/cluster.md.{nearest(where, ['local', *files])}"
        )
    return read_cluster_file(path, workers)


async def _greet(address: str) -> None:
    arguments = Security().get_connection_args("client")
    comm = await asyncio.wait_for(connect(address, timeout=ANSWER_TIME, **arguments), ANSWER_TIME)
    await comm.close()


def _client(cluster: Any) -> Client:
    try:
        if isinstance(cluster, str):  # a client would wait for ever for the first word of who accepts a connection in silence
            LoopRunner().run_sync(_greet, cluster)
        return Client(cluster, timeout=ANSWER_TIME, set_as_default=False)
    except Exception as error:  # what a server of another kind says can end in anything
        if not isinstance(cluster, str):
            raise
        raise InputError(
            f"--cluster {cluster}: no Dask scheduler answers there within {ANSWER_TIME:.0f} s "
            f"({' '.join(str(error).split()) or type(error).__name__}); expected the address that 'dask scheduler' prints"
        ) from None


def _await_workers(client: Client, wanted: int, note: Callable[[str], None]) -> None:
    """Wait until there are workers, for as long as it takes: jobs may have to queue."""
    noted = None
    while len(client.nthreads()) < wanted:
        if noted is None or time.monotonic() - noted > PATIENCE:
            if wanted == 1:
                note("waiting for a first worker (Ctrl-C gives up)")
            noted = time.monotonic()
        time.sleep(0.1)


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep Dask's log messages from the terminal: what matters in them is said in our words."""
    logger = logging.getLogger("distributed")
    level = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        logger.setLevel(level)
