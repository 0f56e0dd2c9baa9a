"""One measurement: central values, kinematics, uncertainties by source and the FK tables that predict it."""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from ..errors import InputError


@dataclass(frozen=True)
class TheoryMetadata:
    """Which FK tables predict a set and how they are combined.

    Attributes
    ----------
    fk_tables
        One tuple per operand of the operation; the tables of a tuple are concatenated point by point. Empty for a set
        without theory.
    operation
        Upper-case name of the operation, ``NULL`` when there is none.
    conversion_factor
        Factor from the units of the tables to those of the data.
    shifts, normalization
        By table name: rows to leave free before the table, factor for the table. None when not given.
    """

    fk_tables: tuple[tuple[str, ...], ...]
    operation: str = "NULL"
    conversion_factor: float = 1.0
    shifts: dict[str, int] | None = None
    normalization: dict[str, float] | None = None


@dataclass(frozen=True, eq=False)
class Uncertainties:
    """Uncertainties of n points from S sources.

    Attributes
    ----------
    values
        (n, S), in the units of the data; also multiplicative ones, which are a fraction ``values / central``.
    treatment
        (S,) ``ADD`` or ``MULT``.
    kind
        (S,) UNCORR, CORR, THEORYUNCORR, THEORYCORR, SKIP, or a name that correlates across sets.
    names
        (S,) names of the sources within the set.
    """

    values: np.ndarray
    treatment: np.ndarray
    kind: np.ndarray
    names: np.ndarray


@dataclass(frozen=True, eq=False)
class Dataset:
    """One measurement, whole or after cuts.

    Attributes
    ----------
    name, variants
        What was loaded; an old name has become the one in use now.
    experiment
        Group in tables of results.
    process_type, label
        As in the metadata; the label may contain LaTeX.
    central
        (n,) central values, zeros for positivity and integrability sets.
    kinematics
        n rows, one column per variable of the kinematic coverage; the index is ``kept``.
    uncertainties
        By source; none for positivity and integrability sets.
    theory
        FK tables and operation.
    citation
        Of the keys arxiv, journal, inspire and hepdata those that are known.
    ndata_total
        Points before cuts.
    kept
        (n,) positions of the points in the full set.
    folder
        Where the files are.
    cfac, frac, weight
        As given to `load_dataset`.
    """

    name: str
    variants: tuple[str, ...]
    experiment: str
    process_type: str
    label: str
    central: np.ndarray
    kinematics: pd.DataFrame
    uncertainties: Uncertainties
    theory: TheoryMetadata
    citation: dict[str, str]
    ndata_total: int
    kept: np.ndarray
    folder: Path
    cfac: tuple[str, ...] = ()
    frac: float = 0.75
    weight: float = 1.0

    def __len__(self) -> int:
        return len(self.central)

    def select(self, indices: Sequence[int] | np.ndarray) -> "Dataset":
        """Return the set restricted to rows ``indices`` of this one, in that order."""
        rows = np.asarray(indices)
        if rows.size == 0:
            rows = rows.astype(int)
        if rows.ndim != 1 or rows.dtype.kind not in "iu":
            raise InputError(f"Dataset {self.name}: points are selected by a list of integers, not by {indices!r}.")
        if rows.size and (rows.min() < 0 or rows.max() >= len(self)):
            raise InputError(
                f"Dataset {self.name}: points {rows.min()} to {rows.max()} were asked for, it has 0 to {len(self) - 1}."
            )
        return dataclasses.replace(
            self,
            central=self.central[rows],
            kinematics=self.kinematics.iloc[rows],
            uncertainties=dataclasses.replace(self.uncertainties, values=self.uncertainties.values[rows]),
            kept=self.kept[rows],
        )
