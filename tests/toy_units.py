"""Units of work for tests of pools: functions that workers import."""

import os
import signal
import time
from pathlib import Path

from nnpdf_lite.cluster import report
from nnpdf_lite.errors import InputError


def square(shared, unit):
    """Add the square of a number to what is shared, and tell the number twice."""
    report(unit)
    report(unit)
    return shared + unit**2


def slow_square(shared, unit):
    """The same, in a tenth of a second."""
    time.sleep(0.1)
    return square(shared, unit)


def kill_once(folder, unit):
    """Return twice a number; the first worker that meets number 1 does not survive it."""
    marker = Path(folder) / "killed"
    if unit == 1 and not marker.exists():
        marker.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return 2 * unit


def kill_always(shared, unit):
    """Kill the worker."""
    os.kill(os.getpid(), signal.SIGKILL)


def complain(shared, unit):
    """Refuse a number."""
    raise InputError(f"unit {unit}: refused")


def stay(folder, unit):
    """Report for a minute, and leave a file when told that nobody waits any more."""
    (Path(folder) / f"begun_{unit}").touch()
    try:
        for _ in range(600):
            time.sleep(0.1)
            report("here")
    except BaseException:
        (Path(folder) / f"abandoned_{unit}").touch()
        raise


def process(shared, unit):
    """Return the number of the process and how its libraries may use threads."""
    time.sleep(0.2)
    return os.getpid(), os.environ.get("OMP_NUM_THREADS"), os.environ.get("TF_NUM_INTRAOP_THREADS")
