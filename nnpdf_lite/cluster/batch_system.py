"""Workers as jobs of a batch system, by dask-jobqueue."""

import inspect
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from typing import Any

from ..errors import InputError
from .local import ONE_THREAD, dashboard

#: Batch systems, and their classes in dask-jobqueue.
SYSTEMS = {
    "slurm": "SLURMCluster",
    "htcondor": "HTCondorCluster",
    "pbs": "PBSCluster",
    "sge": "SGECluster",
    "lsf": "LSFCluster",
    "oar": "OARCluster",
    "moab": "MoabCluster",
}
#: Options of dask-jobqueue that are ours to set, and why.
RESERVED = {
    "n_workers": "write workers",
    "processes": "there is one worker per core",
    "nanny": "every worker has one",
    "dashboard_address": "write dashboard: PORT",
    "job_cls": "",
    "config_name": "",
    "loop": "",
    "asynchronous": "",
    "scheduler_cls": "",
    "scheduler": "",
    "silence_logs": "",
    "name": "",
}  # fmt: skip

#: Seconds in which the workers of a job may come back by themselves.
GRACE = 30.0


@dataclass(frozen=True)
class BatchSystem:
    """``workers`` processes of one thread each, in jobs of ``options["cores"]``, and the port of a dashboard if one is wanted."""

    system: str
    options: dict[str, Any]
    workers: int
    dashboard: int | None = None

    @property
    def jobs(self) -> int:
        """How many jobs hold the workers."""
        return -(-self.workers // int(self.options["cores"]))

    def cluster(self) -> Any:
        """Start the scheduler in this process and return dask-jobqueue's cluster, which has no jobs yet.

        Raises
        ------
        InputError
            If dask-jobqueue refuses an option.
        """
        scheduler = {**self.options.get("scheduler_options", {}), **dashboard("", self.dashboard)}
        prologue = [f"export {name}={value}" for name, value in {**ONE_THREAD, "TF_CPP_MIN_LOG_LEVEL": "3"}.items()]
        options = {
            **self.options,
            "processes": int(self.options["cores"]),
            "scheduler_options": scheduler,
            "job_script_prologue": [*prologue, *self.options.get("job_script_prologue", [])],
        }
        try:
            return _class(self.system)(**options)
        except (ValueError, TypeError, RuntimeError, OSError) as error:
            raise InputError(f"{self.system}: refused by dask-jobqueue: {' '.join(str(error).split())}") from None

    @contextmanager
    def start(self) -> Iterator[Any]:
        """Start the scheduler and submit the jobs."""
        with self.cluster() as cluster:
            cluster.scale(jobs=self.jobs)
            yield cluster


class Replacement:
    """Submits jobs anew that have ended: dask-jobqueue does so only for jobs of a single worker."""

    def __init__(self, cluster: Any, jobs: int):
        self.cluster, self.jobs = cluster, jobs
        self.seen: dict[Any, float] = {}

    def __call__(self) -> None:
        """Look which jobs have workers; replace those that had some and have been without for ``GRACE`` seconds."""
        names = [str(worker["name"]) for worker in list(self.cluster.scheduler_info["workers"].values())]
        now = time.monotonic()
        self.seen |= {job: now for job in self.cluster.worker_spec if any(f"{name}-".startswith(f"{job}-") for name in names)}
        lost = [job for job, seen in self.seen.items() if now - seen > GRACE]
        for job in lost:
            del self.seen[job], self.cluster.worker_spec[job]
        if lost:  # first ended for good: a new one takes their name
            self.cluster.scale(jobs=len(self.cluster.worker_spec))
        elif len(self.cluster.workers) == len(self.cluster.worker_spec) < self.jobs:
            self.cluster.scale(jobs=self.jobs)


def _class(system: str) -> type[Any]:
    import dask_jobqueue

    return getattr(dask_jobqueue, SYSTEMS[system])


@cache
def options_of(system: str) -> tuple[str, ...]:
    """Return the options that dask-jobqueue knows for a batch system, without those that are not for users."""
    cluster = _class(system)
    classes = [*cluster.__mro__, *cluster.job_cls.__mro__]
    names = {
        name
        for one in classes
        if one.__module__.startswith("dask_jobqueue")
        for name, parameter in inspect.signature(one.__init__).parameters.items()
        if parameter.kind is not parameter.VAR_KEYWORD and name != "self"
    }
    return tuple(sorted(names - set(RESERVED)))
