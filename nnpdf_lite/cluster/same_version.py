"""Workers must run the code that the client runs: what they are sent are its objects, and what they do its functions."""

import hashlib
from functools import cache
from pathlib import Path

from distributed import Client

from ..errors import InputError

#: What must be the same here and there; as text, so that a worker can be asked that cannot import this module.
QUESTIONS = {
    "__import__('nnpdf_lite').__version__": "nnpdf_lite",
    f"__import__('{__name__}', fromlist=['source']).source()": "nnpdf_lite with other source files, checksum",
}


@cache
def source() -> str:
    """Return a checksum of the modules of this package: versions under development share a number."""
    root = Path(__file__).parents[1]
    digest = hashlib.sha256()
    for path in sorted(root.rglob("*.py")):
        digest.update(path.relative_to(root).as_posix().encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()[:12]


def check_workers(client: Client, workers: list[str]) -> None:
    """Ask workers for their version of this package; those that have just gone are passed over.

    Raises
    ------
    InputError
        Naming the first one that has another version, or none, or several threads.
    """
    for worker, threads in client.nthreads(workers).items():
        if threads != 1:
            raise InputError(
                f"worker {worker} has {threads} threads; expected one, so that cores are not oversubscribed: start it with "
                f"'dask worker --nthreads 1 --nworkers {threads} ...'"
            )
    for question, what in QUESTIONS.items():
        ours = eval(question)
        for worker, answer in client.run(eval, question, workers=workers, on_error="return").items():
            if isinstance(answer, OSError):
                continue
            if isinstance(answer, Exception):
                raise InputError(f"worker {worker} cannot import nnpdf_lite ({answer}); install it where the worker runs")
            if answer != ours:
                raise InputError(f"worker {worker} has {what} {answer}, this is {ours}; install the same version on both")
