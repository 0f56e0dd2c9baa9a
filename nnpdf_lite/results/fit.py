"""A finished fit: its replicas, its chi2, its PDFs at any scale, its LHAPDF set."""

import os
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd

from ..errors import InputError
from ..fit.problem import Problem, build_problem
from ..pdf.lhapdf_set import LHAPDFSet, load_pdf_set
from ..runcard import Runcard
from ..theory import load_theory, predict
from .chi2 import chi2_table
from .ensemble import Ensemble
from .fit_folder import FitFolder, open_folder, read_ensemble
from .lhapdf_writer import write_lhapdf
from .postfit import Selection, run_postfit, select


class Fit:
    """A fit on disk.

    Attributes
    ----------
    folder : FitFolder
    """

    def __init__(self, folder: FitFolder):
        self.folder = folder

    def __repr__(self) -> str:
        return f"Fit({str(self.folder.path)!r}, {len(self.folder.finished())} replicas)"

    @cached_property
    def runcard(self) -> Runcard:
        """The runcard, with every default."""
        return self.folder.runcard()

    @cached_property
    def all_replicas(self) -> Ensemble:
        """Every replica on disk."""
        return read_ensemble(self.folder)

    @cached_property
    def selection(self) -> Selection:
        """Which replicas postfit keeps, and why others are dropped."""
        return select(self.all_replicas)

    @cached_property
    def ensemble(self) -> Ensemble:
        """The replicas that postfit keeps."""
        kept = np.flatnonzero(self.selection.kept)
        if not len(kept):
            raise InputError(f"{self.folder.path}: postfit leaves none of {len(self.all_replicas)} replicas")
        return self.all_replicas.select(kept)

    @cached_property
    def problem(self) -> Problem:
        """Data, covariance and theory of the fit."""
        return build_problem(self.runcard)

    def predictions(self) -> np.ndarray:
        """Predict every point with the mean PDF and each kept replica; returns (R + 1, N), the mean first."""
        f = np.concatenate([self.ensemble.mean, self.ensemble.f])
        return predict(self.problem.theories, lambda x: self.ensemble.at(x, f))

    def chi2(self) -> pd.DataFrame:
        """Tabulate the chi2 of the mean PDF per dataset, experiment and in total (``results.chi2.chi2_table``)."""
        order = [entry.dataset for entry in self.runcard.dataset_inputs]
        central = predict(self.problem.theories, lambda x: self.ensemble.at(x, self.ensemble.mean))[0]
        return chi2_table(self.problem, central, order)

    def replicas(self) -> pd.DataFrame:
        """Tabulate the training of every replica on disk and whether postfit keeps it."""
        columns = ("replica", "best_epoch", "stop_epoch", "training", "validation", "chi2", "passed_positivity")
        table = pd.DataFrame([{c: getattr(r, c) for c in columns} for r in self.all_replicas.records])
        return table.assign(kept=self.selection.kept)

    def postfit(self) -> Selection:
        """Select replicas and record the selection in the fit folder."""
        return run_postfit(self.folder, self.all_replicas)

    def to_lhapdf(self, path: str | Path | None = None, *, overwrite: bool = False) -> Path:
        """Evolve the kept replicas and write them as an LHAPDF set; by default ``FIT/postfit/FIT``.

        Member 0 is the mean. Raises InputError if ``path`` exists and ``overwrite`` is False.
        """
        target = Path(path) if path is not None else self.folder.lhapdf_path
        theory = load_theory(self.runcard.theory.theoryid)
        self.__dict__.pop("lhapdf_set", None)
        return write_lhapdf(
            target,
            self.ensemble.f,
            self.ensemble.x,
            theory.parameters,
            description=self.runcard.description or self.folder.name,
            authors="nnpdf_lite",
            overwrite=overwrite,
        )

    @cached_property
    def lhapdf_set(self) -> LHAPDFSet:
        """The written LHAPDF set (written now if it is not there)."""
        if not self.folder.lhapdf_path.is_dir():
            self.to_lhapdf()
        return load_pdf_set(self.folder.lhapdf_path)

    def pdf(self, x: np.ndarray, q: float | np.ndarray, pids: Sequence[int] = (-3, -2, -1, 21, 1, 2, 3, 4)) -> np.ndarray:
        """Return ``x f(x, Q)`` of all members, (members, pids, X, Q), member 0 the mean; Q in GeV.

        Read from the LHAPDF set with neopdf-hep; the set is written first if it is not there.
        """
        members = range(self.lhapdf_set.n_members)
        return np.array([self.lhapdf_set.xfxq(pids, np.atleast_1d(x), np.atleast_1d(q), member=m) for m in members])


def load_fit(path: str | os.PathLike) -> Fit:
    """Open a fit folder; InputError if there is no fit in it."""
    return Fit(open_folder(Path(path)))
