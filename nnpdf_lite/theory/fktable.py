"""FK tables: matrices that map PDFs at the parametrisation scale to a measurement (PineAPPL files).

``O_n = sum_{c,x} T_{ncx} f_c(x)`` for one hadron, ``O_n = sum_{c,x,y} T_{ncxy} f_{c1}(x) f_{c2}(y)`` for two, with
``f = xf/x`` in the evolution basis (Ball et al., arXiv:1002.4407; Carrazza et al., arXiv:2008.12789).
"""

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

from ..errors import InputError, quiet_libraries
from ..flavours import EVOLUTION_PIDS


@dataclass(frozen=True)
class FKTable:
    """One FK table.

    Attributes
    ----------
    name : str
    x : (X,) momentum fractions, increasing.
    channels : (C, H) indices into the 14 evolution flavours, H = 1 or 2 hadrons.
    table : (n, C, X) or (n, C, X, X), normalised to the bins and multiplied by cfactors.
    q0 : parametrisation scale in GeV.
    """

    name: str
    x: np.ndarray
    channels: np.ndarray
    table: np.ndarray
    q0: float

    @property
    def n_hadrons(self) -> int:
        """1 for DIS, 2 for hadron collisions."""
        return self.channels.shape[1]


@lru_cache(maxsize=256)
def read_fk_table(path: Path) -> FKTable:
    """Read a PineAPPL FK table.

    Raises
    ------
    InputError
        If the file is not an FK table, or is one for polarised PDFs, fragmentation or more than two hadrons.
    """
    from pineappl.fk_table import FkTable
    from pineappl.pids import PidBasis

    try:
        with quiet_libraries():
            raw = FkTable.read(str(path))
            raw.rotate_pid_basis(PidBasis.Evol)
            table, norm = np.asarray(raw.table()), np.asarray(raw.bin_normalizations())
    except BaseException as error:  # pineappl panics derive from BaseException
        if isinstance(error, (KeyboardInterrupt, SystemExit)):
            raise
        reason = next(iter(str(error).splitlines()), type(error).__name__)
        raise InputError(f"{path}: not a readable PineAPPL FK table ({reason})") from None
    convolutions = raw.convolutions
    if any(c.convolution_types.polarized or c.convolution_types.time_like or c.pid != 2212 for c in convolutions):
        raise InputError(f"{path}: expected unpolarised proton PDFs in every convolution")
    if len(convolutions) > 2:
        raise InputError(f"{path}: {len(convolutions)} convolutions; one or two are supported")
    try:
        channels = np.array([[EVOLUTION_PIDS.index(pid) for pid in channel] for channel in raw.channels()])
    except ValueError:
        raise InputError(f"{path}: channels {raw.channels()} are not in the evolution basis") from None
    if not np.isfinite(table).all():
        raise InputError(f"{path}: the table holds values that are not finite")
    x = np.asarray(raw.x_grid(), dtype=float)
    shape = (len(norm), len(channels)) + (len(x),) * len(convolutions)
    table = table.reshape(shape) / norm.reshape((-1,) + (1,) * (len(shape) - 1))
    return FKTable(path.name.removesuffix(".pineappl.lz4"), x, channels, table, float(np.sqrt(raw.fac0())))


def read_cfactor(path: Path, n_bins: int) -> np.ndarray:
    """Read a cfactor file (NNPDF's ``CF_<TYPE>_<TABLE>.dat``): one factor per bin, shape (n_bins,).

    Raises
    ------
    InputError
        If the file is missing, unreadable or has another number of rows than the table has bins.
    """
    try:
        lines = path.read_text().splitlines()
    except (OSError, UnicodeDecodeError):
        raise InputError(f"{path}: cfactor file missing or unreadable") from None
    header_ends = max((i for i, line in enumerate(lines) if line.startswith("*")), default=-1)
    try:
        values = np.array([float(line.split()[0]) for line in lines[header_ends + 1 :] if line.strip()])
    except ValueError as error:
        raise InputError(f"{path}: expected 'central uncertainty' on each line ({error})") from None
    if len(values) != n_bins:
        raise InputError(f"{path}: {len(values)} factors for an FK table of {n_bins} bins")
    if not np.isfinite(values).all():
        raise InputError(f"{path}: factor {np.flatnonzero(~np.isfinite(values))[0] + 1} is not a finite number")
    return values
