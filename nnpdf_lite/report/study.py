"""What a report is about: a fit, or a PDF set, and the sets it is compared with; what is costly is computed once."""

import os
from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from ..ensembles import Members, PDFSet, load_set
from ..ensembles.combinations import pids_of
from ..ensembles.data_theory import DataTheory, data_theory
from ..ensembles.uncertainty import ErrorModel
from ..errors import InputError
from ..fit.problem import Problem
from ..results.chi2 import chi2_tables
from ..results.fit import Fit, load_fit

#: Scales in GeV, besides Q0, at which PDFs are shown.
SCALES = (10.0, 100.0)
#: Momentum fractions of curves, by the scale they are drawn on (``both``: logarithmic below 0.1, linear above).
X_GRIDS = {
    "log": np.geomspace(1e-5, 0.9, 50),
    "linear": np.linspace(0.01, 0.9, 46),
    "both": np.concatenate([np.geomspace(1e-5, 0.1, 25, endpoint=False), np.linspace(0.1, 0.9, 25)]),
}


class Study:
    """A fit or PDF set, and what it is compared with.

    Parameters
    ----------
    what : path, Fit or PDFSet
        Fit folder, or an LHAPDF set by its name or folder.
    against : sequence of the same
        For comparison, in the order of legends.

    Raises
    ------
    InputError
        If one of them is not there or unreadable. A fit without LHAPDF set is no error here: ``pdf`` raises then.
    """

    def __init__(self, what: "str | os.PathLike | Fit | PDFSet", against: Sequence = ()) -> None:
        self._what = what
        self._fit = what if isinstance(what, Fit) else what.fit if isinstance(what, PDFSet) else None
        if isinstance(what, (str, os.PathLike)) and os.path.isfile(os.path.join(what, "filter.yml")):
            self._fit = self._what = load_fit(what)
        if self._fit is None:
            self._what = load_set(what)
        self.against = tuple(load_set(other) for other in against)
        self._known: dict[Any, Any] = {}

    def once(self, key: Any, compute: Callable[[], Any]) -> Any:
        """Return what ``compute`` returned when ``key`` was first asked for."""
        if key not in self._known:
            self._known[key] = compute()
        return self._known[key]

    @property
    def fit(self) -> Fit:
        """The fit; InputError if this is a PDF set."""
        if self._fit is None:
            raise InputError(f"{self.pdf.name} is a PDF set; a fit is needed to show data and training")
        return self._fit

    @cached_property
    def pdf(self) -> PDFSet:
        """The PDFs; InputError if the fit has no LHAPDF set yet."""
        return load_set(self._what)

    @property
    def sets(self) -> tuple[PDFSet, ...]:
        """The PDFs, then those compared with."""
        return (self.pdf, *self.against)

    @cached_property
    def q0(self) -> float:
        """Scale of the parametrisation in GeV."""
        return self.fit.ensemble.q0 if self._fit else self.pdf.q0

    @property
    def problem(self) -> Problem:
        """Data and theory of the fit."""
        return self.fit.problem

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Names of the fit or set and of those compared with, told apart by their folders where two are the same."""
        own = self.fit.folder.path if self._fit else self.pdf.lhapdf.path
        paths = [own, *(other.fit.folder.path if other.fit else other.lhapdf.path for other in self.against)]
        names = [path.name for path in paths]
        return tuple(n if names.count(n) == 1 else f"{path.parent.name}/{n}" for n, path in zip(names, paths))

    @property
    def name(self) -> str:
        """Name of the fit or set."""
        return self.names[0]

    def label(self, pdf: PDFSet) -> str:
        """Name of a set, and how many members give its uncertainty, for legends."""
        name = self.names[self.sets.index(pdf)]
        return f"{name} ({pdf.errors})" if pdf.errors.has_uncertainty else name

    def readable(self, q: float, flavours: Sequence[str] = ()) -> tuple[list[PDFSet], list[str]]:
        """Return the sets that cover a scale (GeV) and hold some flavours, and why the others do not."""
        chosen, reasons = [], []
        held = {pid for pdf in self.sets for pid in pdf.flavours}  # what none holds, such as top, is zero in all
        for pdf in self.sets:
            lacking = [name for name in flavours if not set(pids_of(name)) & held <= set(pdf.flavours)]
            if not pdf.lhapdf.q_min * (1 - 1e-6) <= q <= pdf.lhapdf.q_max * (1 + 1e-6):
                covered = f"{pdf.lhapdf.q_min:.4g} < Q < {pdf.lhapdf.q_max:.4g} GeV"
                reasons.append(f"{self.label(pdf)} is not shown at Q = {q:.4g} GeV: it covers {covered}.")
            elif lacking:
                reasons.append(
                    f"{self.label(pdf)} is not shown for {', '.join(lacking)}: it does not hold these partons."
                )
            else:
                chosen.append(pdf)
        return chosen, reasons

    def xf(self, pdf: PDFSet, flavour: str, q: float, xscale: str) -> Members:
        """Return ``x f`` (M, X) on a grid of ``X_GRIDS``."""
        return self.once((id(pdf), flavour, q, xscale), lambda: pdf.xf(flavour, X_GRIDS[xscale], q))

    @cached_property
    def predictions(self) -> Members:
        """Predictions of the fit's points, (M, N), the mean first; they need no LHAPDF set."""
        values = self.fit.predictions()
        n = len(values) - 1
        return Members(values, ErrorModel("replicas", n) if n > 1 else ErrorModel("none", 0))

    def central_predictions(self, pdf: PDFSet) -> np.ndarray:
        """Predictions (N,) of the fit's points by the central member of a set."""
        return self.once((id(pdf), "predictions"), lambda: pdf.predictions(self.problem).values[0])

    @cached_property
    def data_theory(self) -> list[DataTheory]:
        """Every dataset beside the fit's predictions."""
        return data_theory(None, self.problem, self.predictions)

    @cached_property
    def chi2_kind(self) -> str:
        """Column of chi2 tables that is shown: with t0, the covariance of the fit, if it has t0."""
        return "chi2_exp" if self.problem.t0_predictions is None else "chi2_t0"

    @cached_property
    def chi2(self) -> tuple[pd.DataFrame, list[str]]:
        """chi2 per point of every group of points, and why sets are missing.

        Columns ``level``, ``name``, ``ndata``, and for each set ``chi2_t0 NAME``, ``chi2_exp NAME``.
        """
        predictions, reasons = {self.name: self.predictions.values[0]}, []
        for name, other in zip(self.names[1:], self.against):
            try:
                predictions[name] = self.central_predictions(other)
            except InputError as error:
                reasons.append(f"{name} is not shown: {error}.")
        order = [entry.dataset for entry in self.fit.runcard.dataset_inputs]
        tables = chi2_tables(self.problem, np.array(list(predictions.values())), order)
        result = tables[0][["level", "name", "ndata"]]
        for name, table in zip(predictions, tables):
            result = result.assign(**{f"{kind} {name}": table[kind] for kind in ("chi2_t0", "chi2_exp")})
        return result, reasons
