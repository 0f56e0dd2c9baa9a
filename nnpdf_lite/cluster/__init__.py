"""Where units of work are done: in this process, in others on this machine, or on a cluster.

Owns everything that concerns Dask: ``connect`` opens a ``Pool``, which hands units to workers and their results back as
they come. What the units are (batches of replicas, trials of a scan) is its callers' business. May import nothing but
what every part may.
"""

from .pool import Pool, connect, report

__all__ = ["Pool", "connect", "report"]
