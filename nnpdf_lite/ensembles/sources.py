"""One way to open what people compare: a fit folder, or an LHAPDF set by its name or folder."""

import json
import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd

from ..errors import InputError, nearest
from ..fit.problem import Problem
from ..flavours import FLAVOUR_PIDS
from ..pdf.lhapdf_set import LHAPDFSet, load_pdf_set
from ..results.fit import Fit, load_fit
from ..theory import predict
from .combinations import pids_of, value
from .uncertainty import ErrorModel, Members

#: ``track(steps, what)`` goes through ``steps`` and shows how far it is.
Track = Callable[[Sequence, str], Iterable]


def silent(steps: Sequence, what: str) -> Iterable:
    """Go through ``steps`` without telling anybody."""
    return steps


@dataclass(frozen=True, eq=False)
class PDFSet:
    """A PDF set, of a fit or of others.

    Attributes
    ----------
    lhapdf : LHAPDFSet
        Its grids.
    errors : ErrorModel
        What its members mean.
    fit : Fit or None
        The fit it belongs to.
    """

    lhapdf: LHAPDFSet
    errors: ErrorModel
    fit: Fit | None = field(default=None, repr=False)

    @property
    def name(self) -> str:
        """Name of the set: that of its folder."""
        return self.lhapdf.name

    @property
    def label(self) -> str:
        """Name and number of members, for legends."""
        return f"{self.name} ({self.errors})"

    @property
    def q0(self) -> float:
        """Lowest scale of the grids in GeV; for a fit, the scale at which it parametrises."""
        return self.lhapdf.q_min

    @cached_property
    def member_numbers(self) -> range:
        """Member 0 and the error members."""
        return range(1 + self.errors.n)

    def read(self, track: Track = silent) -> "PDFSet":
        """Read all members now, which takes some 0.1 s each, and return the set; ``track`` shows how far it is."""
        self.lhapdf.read(track(self.member_numbers, f"reading {self.name}"))
        return self

    def xf(self, flavours: str | Sequence[str], x: np.ndarray, q: float) -> Members:
        """Return ``x f(x, Q)`` of every member.

        Parameters
        ----------
        flavours : str or sequence of str
            Names or formulas (`combinations`); a formula that is a ratio of PDFs carries no factor x.
        x : (X,) array
        q : float
            Scale in GeV.

        Returns
        -------
        Members
            Values (M, X) for one flavour, (M, F, X) for a sequence of them.

        Raises
        ------
        InputError
            For an unknown flavour, or a scale that the set does not cover.
        """
        names = [flavours] if isinstance(flavours, str) else list(flavours)
        pids = sorted({pid for name in names for pid in pids_of(name)})
        x = np.atleast_1d(np.asarray(x, dtype=float))
        grids = np.array([self.lhapdf.xfxq(pids, x, q, m)[:, :, 0] for m in self.member_numbers])
        xf = dict(zip(pids, np.moveaxis(grids, 1, 0)))
        values = np.stack([value(name, xf) for name in names], axis=1)
        return Members(values[:, 0] if isinstance(flavours, str) else values, self.errors)

    def table(self, flavours: str | Sequence[str], x: np.ndarray, q: float) -> pd.DataFrame:
        """Tabulate central value, sigma and 68% interval (`statistics.summary_table`)."""
        from .statistics import summary_table

        return summary_table(self, flavours, x, q)

    def at_q0(self, x: np.ndarray, q0: float) -> np.ndarray:
        """Return ``f(x, Q0)`` of every member in the evolution basis, (M, X, 14).

        For a fit, from its replicas themselves rather than its LHAPDF grids; ``q0`` in GeV.
        """
        if self.fit is not None and np.isclose(self.fit.ensemble.q0, q0):
            ensemble = self.fit.ensemble
            return ensemble.at(x, np.concatenate([ensemble.mean, ensemble.f]))
        return np.array([self.lhapdf.evolution_basis(x, q0, member) for member in self.member_numbers])

    def predictions(self, problem: Problem) -> Members:
        """Predict every point of a problem with every member, (M, N).

        Raises
        ------
        InputError
            If the set does not reach down to the scale at which the theory's FK tables begin.
        """
        return Members(predict(problem.theories, lambda x: self.at_q0(x, problem.card.q0)), self.errors)

    @cached_property
    def flavours(self) -> tuple[int, ...]:
        """PDG numbers of the partons it holds, in the order of ``FLAVOUR_PIDS``."""
        return tuple(pid for pid in FLAVOUR_PIDS if pid in self.lhapdf.flavors)


def load_set(what: "str | os.PathLike | Fit | PDFSet") -> PDFSet:
    """Open a fit folder, or an LHAPDF set by its name or folder.

    Raises
    ------
    InputError
        If there is none, it is unreadable, or a fit has no LHAPDF set yet (the message says what to run).
    """
    if isinstance(what, PDFSet):
        return what
    fit, place = (what, what.folder.lhapdf_path) if isinstance(what, Fit) else (None, what)
    if fit is None and (Path(place).expanduser() / "filter.yml").is_file():
        fit = load_fit(Path(place).expanduser())
        place = fit.folder.lhapdf_path
    if fit is not None:
        _check_written(fit)
    try:
        lhapdf = load_pdf_set(place)
    except InputError as error:
        fits = [card.parent.name for card in Path(str(what)).expanduser().absolute().parent.glob("*/filter.yml")]
        raise InputError(f"{error}{nearest(Path(str(what)).name, fits)}") from None
    return PDFSet(lhapdf, ErrorModel.from_info(lhapdf.name, lhapdf.info, lhapdf.n_members), fit)


def _check_written(fit: Fit) -> None:
    """Refuse a fit whose LHAPDF set is missing, or older than its last postfit."""
    path, written = fit.folder.path, fit.folder.lhapdf_path
    if not (written / f"{written.name}.info").is_file():
        other = next((info.stem for info in written.parent.glob("*/*.info") if info.stem == info.parent.name), None)
        why = f"has that of its former name, '{other}'" if other else "has no LHAPDF set yet"
        raise InputError(f"{path}: this fit {why}; run 'nnpdf-lite evolve {path}' first (it runs postfit)")
    members = sum(1 for _ in written.glob(f"{written.name}_[0-9][0-9][0-9][0-9].dat")) - 1
    finished, record = len(fit.folder.finished()), written.parent / "veto_count.json"
    try:
        selection = json.loads(record.read_text())
        kept, judged = len(selection.get("kept", range(members))), selection.get("replicas", finished)
    except FileNotFoundError:
        return
    except (OSError, ValueError, AttributeError, TypeError) as error:
        raise InputError(f"{record}: unreadable ({error}); run 'nnpdf-lite evolve {path}' again") from None
    if (members, finished) != (kept, judged):
        raise InputError(
            f"{path}: its LHAPDF set has {members} replicas where postfit kept {kept} of {judged}, and {finished} are "
            f"there now; run 'nnpdf-lite evolve {path}' again"
        )
