"""nnpdf_lite: parton distribution functions from data, with tested uncertainties.

>>> import nnpdf_lite
>>> fit = nnpdf_lite.fit("dis_nnlo_quick", output="quick")
>>> fit.chi2()
>>> fit.to_lhapdf()
"""

import types
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from . import fit as _fit_package
from .errors import InputError

if TYPE_CHECKING:
    from .ensembles import PDFSet
    from .results.fit import Fit

__version__ = "0.1.0"
__all__ = ["InputError", "__version__", "fit", "load_fit", "load_set"]


class _CallablePackage(types.ModuleType):
    """``nnpdf_lite.fit`` is the subpackage and, called, the function that users want."""

    def __call__(
        self,
        runcard: "str | Path | dict",
        replicas: "Sequence[int] | int | None" = None,
        output: "str | Path | None" = None,
        *,
        resume: bool = False,
        cluster: "str | None" = None,
        progress: bool = True,
    ) -> "Fit":
        """Fit a runcard and return the ``Fit``.

        Parameters
        ----------
        runcard : path, name of a shipped runcard, or mapping
        replicas : int or sequence of int, optional
            How many, or which; by default what the runcard says.
        output : path, optional
            Fit folder; by default the runcard's name in the current folder.
        resume : bool
            Go on in an existing folder.
        cluster : str, optional
            Where to train: ``local:4``, ``tcp://scheduler:8786`` or ``cluster.yml``; by default one process per core here.
        progress : bool
            Show progress on standard error.

        Raises
        ------
        InputError
            For any mistake in the input.
        """
        from .results.fit import load_fit
        from .results.progress import TerminalWatcher
        from .results.run import Watcher, run_fit
        from .runcard import load_runcard, parse_runcard

        card = parse_runcard(runcard) if isinstance(runcard, dict) else load_runcard(runcard)
        if output is None:
            if isinstance(runcard, dict):
                raise InputError("output: name a fit folder when the runcard is a mapping")
            output = Path(runcard).stem
        numbers = range(1, replicas + 1) if isinstance(replicas, int) else replicas
        watcher = TerminalWatcher() if progress else Watcher()
        return load_fit(run_fit(card, Path(output), numbers, resume=resume, cluster=cluster, watcher=watcher).path)


_fit_package.__class__ = _CallablePackage
fit = _fit_package


def load_fit(path: "str | Path") -> "Fit":
    """Open a fit folder as a ``Fit``; InputError if there is none."""
    from .results.fit import load_fit as load

    return load(path)


def load_set(what: "str | Path | Fit | PDFSet") -> "PDFSet":
    """Open a fit folder, or an LHAPDF set by name or folder, as a ``PDFSet`` with members, whatever its kind.

    Raises
    ------
    InputError
        If there is none, or it is unreadable, or a fit has no LHAPDF set yet.
    """
    from .ensembles import load_set as load

    return load(what)
