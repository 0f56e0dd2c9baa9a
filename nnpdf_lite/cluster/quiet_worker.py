"""Loaded by workers on this machine as they start: what compiled libraries print would tear the progress of the fit.

What goes wrong in Python reaches the client through Dask.
"""

import os


def dask_setup(worker: object) -> None:
    """Send what this process prints nowhere."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.dup2(nowhere, 2)
