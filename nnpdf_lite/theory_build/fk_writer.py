"""Writes FK tables in PineAPPL's format (arXiv:2008.12789)."""

import json
import os
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from pineappl.boc import BinsWithFillLimits, Channel, Kinematics, Order, ScaleFuncForm, Scales
from pineappl.convolutions import Conv, ConvType
from pineappl.fk_table import FkTable
from pineappl.grid import Grid
from pineappl.interpolation import Interp, InterpolationMethod, MappingMethod, ReweightingMethod
from pineappl.pids import PidBasis
from pineappl.subgrid import ImportSubgridV1

from ..flavours import EVOLUTION_FLAVOURS, EVOLUTION_PIDS
from .join import Joined

# Tails of the interpolation basis are left out where they add less than this, relative to the largest term of a row, with
# PDFs of the ordinary shape; what remains is rounded to single precision. Files are a third smaller for it, predictions
# of measurements the same to 1e-6.
_NEGLIGIBLE = 1e-7


def write_fk_table(
    path: Path, joined: Joined, kinematics: np.ndarray, q0: float, metadata: Mapping[str, object]
) -> None:
    """Write a table; the file appears under its name when it is complete.

    Parameters
    ----------
    path : Path
    joined : Joined
    kinematics : (n, 3) array
        Q2 in GeV2, x and y of each point, which become the limits of its bin.
    q0 : float
        Scale of the PDFs in GeV.
    metadata : Mapping
        Written as JSON.
    """
    grid = _empty_grid(joined, kinematics)
    nodes = [np.array([q0**2]), joined.x]
    terms = np.abs(joined.values) * _ordinary_pdf(joined.x)
    kept = terms > _NEGLIGIBLE * terms.max(axis=(1, 2), keepdims=True)
    for n, row in enumerate(np.where(kept, joined.values.astype(np.float32).astype(float), 0.0)):
        for c, values in enumerate(row):
            if values.any():
                grid.set_subgrid(0, n, c, ImportSubgridV1(np.ascontiguousarray(values[None]), nodes).into())
    table = FkTable(grid)
    for key, value in metadata.items():
        table.set_metadata(key, value if isinstance(value, str) else json.dumps(value))
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.lz4")
    try:
        table.write_lz4(str(temporary))
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def _ordinary_pdf(x: np.ndarray) -> np.ndarray:
    return x**-1.2 * (1 - x) ** 3


def _empty_grid(joined: Joined, kinematics: np.ndarray) -> Grid:
    limits = [[(float(value), float(value)) for value in point] for point in kinematics]
    pids = [EVOLUTION_PIDS[EVOLUTION_FLAVOURS.index(name)] for name in joined.channels]
    scale = Interp(
        1.0, 1e6, 30, 3, ReweightingMethod.NoReweight, MappingMethod.ApplGridH0, InterpolationMethod.Lagrange
    )
    x = Interp(2e-7, 1.0, 50, 3, ReweightingMethod.ApplGridX, MappingMethod.ApplGridF2, InterpolationMethod.Lagrange)
    return Grid(
        pid_basis=PidBasis.Evol,
        channels=[Channel([([pid], 1.0)]) for pid in pids],
        orders=[Order(0, 0, 0, 0, 0)],
        bins=BinsWithFillLimits.from_limits_and_normalizations(limits, [1.0] * len(limits)),
        convolutions=[Conv(ConvType(False, False), 2212)],
        interpolations=[scale, x],
        kinematics=[Kinematics.Scale(0), Kinematics.X(0)],
        scale_funcs=Scales(ScaleFuncForm.Scale(0), ScaleFuncForm.Scale(0), ScaleFuncForm.NoScale(0)),
    )
