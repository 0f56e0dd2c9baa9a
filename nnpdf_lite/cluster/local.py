"""Workers on this machine."""

import logging
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from distributed import Nanny, Scheduler, SpecCluster

from ..errors import InputError
from . import quiet_worker

#: One thread per worker and one worker per core: operations here are too small to share.
ONE_THREAD = dict.fromkeys(
    ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS"), "1"
)


@dataclass(frozen=True)
class LocalWorkers:
    """``workers`` processes of one thread each, and the port of a dashboard if one is wanted."""

    workers: int
    dashboard: int | None = None

    @contextmanager
    def start(self) -> Iterator[SpecCluster]:
        """Start a scheduler in this process and the workers beside it, all on the loopback interface."""
        here = {"host": "127.0.0.1", "protocol": "tcp://"}
        scheduler = {**here, "port": 0, **dashboard("127.0.0.1", self.dashboard)}
        with tempfile.TemporaryDirectory(prefix="nnpdf_lite_", ignore_cleanup_errors=True) as scratch:
            worker = {
                **here,
                "nthreads": 1,
                "memory_limit": 0,  # workers near one would be killed, where without Dask the fit is only slow
                "dashboard": False,
                "local_directory": scratch,
                "preload": [quiet_worker.__name__],
                "silence_logs": logging.CRITICAL,
            }
            with SpecCluster(
                scheduler={"cls": Scheduler, "options": scheduler},
                workers={
                    i: {"cls": Nanny, "options": {**worker, "env": environment(i, scratch)}} for i in range(self.workers)
                },
                silence_logs=logging.CRITICAL,
            ) as cluster:
                yield cluster


def dashboard(host: str, port: int | None) -> dict[str, Any]:
    """Return what a scheduler is told of its dashboard.

    Raises
    ------
    InputError
        If one is wanted and the package that draws it is missing.
    """
    if port is not None and not find_spec("bokeh"):
        raise InputError("dashboard: needs a package that is not installed: pip install 'bokeh>=3.1'")
    # The scheduler has a web server even so; it is kept to itself.
    return {"dashboard": port is not None, "dashboard_address": f"{host}:{port}" if port else "127.0.0.1:0"}


def cores() -> int:
    """Return how many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def environment(i: int, scratch: str) -> dict[str, str]:
    """Return the environment of local worker ``i``: one thread, one of the GPUs if there are any."""
    given = os.environ.get("CUDA_VISIBLE_DEVICES")
    present = [path.name.removeprefix("nvidia") for path in sorted(Path("/dev").glob("nvidia[0-9]*"))]
    gpus = present if given is None else given.split(",")
    return {
        **ONE_THREAD,
        "TMPDIR": scratch,  # TensorFlow leaves the code it generates there when its process is ended
        "TF_FORCE_GPU_ALLOW_GROWTH": "true",  # several workers may share a GPU
        **({"CUDA_VISIBLE_DEVICES": gpus[i % len(gpus)]} if gpus else {}),
    }
