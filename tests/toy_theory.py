"""Theories and datasets small enough to be written inside a test: FK tables made with PineAPPL, a commondata folder."""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
import yaml
from pineappl.boc import BinsWithFillLimits, Channel, Kinematics, Order, ScaleFuncForm, Scales
from pineappl.convolutions import Conv, ConvType
from pineappl.fk_table import FkTable
from pineappl.grid import Grid
from pineappl.interpolation import Interp, InterpolationMethod, MappingMethod, ReweightingMethod
from pineappl.pids import PidBasis
from pineappl.subgrid import ImportSubgridV1

Q0 = 1.65
CARD = {
    "PTO": 0, "FNS": "FONLL-C", "HQ": "POLE", "MaxNfAs": 5, "MaxNfPdf": 5, "Q0": Q0, "alphas": 0.118, "Qref": 91.2,
    "mc": 1.51, "mb": 4.92, "mt": 172.5, "kcThr": 1.0, "kbThr": 1.0, "ktThr": 1.0, "QED": 0, "IC": 1,
}  # fmt: skip
PROTON = Conv(ConvType(False, False), 2212)


def empty_grid(
    channels: Sequence[Sequence[tuple[Sequence[int], float]]],
    edges: Sequence[float],
    *,
    normalizations: Sequence[float] | None = None,
    pid_basis: PidBasis = PidBasis.Pdg,
    hadrons: Sequence[Conv] = (PROTON, PROTON),
) -> Grid:
    """Return a leading-order grid of one observable, to be filled: each channel a list of (partons, coefficient)."""
    n_bins, n_hadrons = len(edges) - 1, len(hadrons)
    bins = BinsWithFillLimits.from_fill_limits(list(edges))
    if normalizations is not None:
        limits = [[pair] for pair in pairwise(edges)]
        bins = BinsWithFillLimits.from_limits_and_normalizations(limits, list(normalizations))
    assert bins.len() == n_bins
    scale = Interp(
        1.0, 1e6, 30, 3, ReweightingMethod.NoReweight, MappingMethod.ApplGridH0, InterpolationMethod.Lagrange
    )
    x = Interp(2e-7, 1.0, 50, 3, ReweightingMethod.ApplGridX, MappingMethod.ApplGridF2, InterpolationMethod.Lagrange)
    return Grid(
        pid_basis=pid_basis,
        channels=[Channel([(list(partons), factor) for partons, factor in channel]) for channel in channels],
        orders=[Order(0, 0, 0, 0, 0)],
        bins=bins,
        convolutions=list(hadrons),
        interpolations=[scale] + [x] * n_hadrons,
        kinematics=[Kinematics.Scale(0)] + [Kinematics.X(i) for i in range(n_hadrons)],
        scale_funcs=Scales(ScaleFuncForm.Scale(0), ScaleFuncForm.Scale(0), ScaleFuncForm.NoScale(0)),
    )


def write_fk_table(
    path: Path,
    table: np.ndarray,
    x: np.ndarray,
    channels: Sequence[Sequence[int]],
    *,
    normalizations: Sequence[float] | None = None,
    q0: float = Q0,
    pid_basis: PidBasis = PidBasis.Evol,
    hadron: Conv = PROTON,
) -> None:
    """Write ``table`` (n, C, X) or (n, C, X, X), which acts on f = xf/x, as a PineAPPL FK table.

    ``channels`` (C, H) are parton numbers. With bin ``normalizations`` the observable is the table's convolution
    divided by them, as in a differential cross section.
    """
    hadrons = [hadron] * (table.ndim - 2)
    grid = empty_grid(
        [[(partons, 1.0)] for partons in channels],
        np.arange(len(table) + 1.0),
        normalizations=normalizations,
        pid_basis=pid_basis,
        hadrons=hadrons,
    )
    for n, row in enumerate(table):
        for c, values in enumerate(row):
            nodes = [np.array([q0**2])] + [np.asarray(x, float)] * len(hadrons)
            grid.set_subgrid(0, n, c, ImportSubgridV1(np.ascontiguousarray(values[None]), nodes).into())
    path.parent.mkdir(parents=True, exist_ok=True)
    FkTable(grid).write_lz4(str(path))


class ToyWorld:
    """A folder for NNPDF_LITE_PATH with the theory ``toy`` and whatever datasets a test writes into it."""

    def __init__(self, folder: Path, card: Mapping = CARD):
        self.folder, self.theory = folder, folder / "theory_grids" / "toy"
        (self.theory / "fastkernel").mkdir(parents=True)
        (self.theory / "theory.yaml").write_text(yaml.safe_dump(dict(card)))

    def table(self, name: str) -> Path:
        """Return the path of an FK table."""
        return self.theory / "fastkernel" / f"{name}.pineappl.lz4"

    def add_table(self, name: str, *args, **kwargs) -> None:
        """Write an FK table, see ``write_fk_table``."""
        write_fk_table(self.table(name), *args, **kwargs)

    def add_cfactor(self, kind: str, table: str, lines: Sequence[str]) -> Path:
        """Write the lines of a cfactor file below its header."""
        path = self.theory / "cfactor" / f"CF_{kind}_{table}.dat"
        path.parent.mkdir(exist_ok=True)
        path.write_text("\n".join(["*" * 20, "SetName: toy", "*" * 20, *lines]) + "\n")
        return path

    def add_dataset(
        self,
        setname: str,
        central: Sequence[float],
        fk_tables: Sequence[Sequence[str]],
        *,
        operation: str = "null",
        errors: Sequence[float] | None = None,
        process_type: str = "DY_Z_Y",
        **theory,
    ) -> str:
        """Write a dataset of one observable in the commondata layout, over an earlier one; returns its name."""
        folder = self.folder / "datasets" / setname
        folder.mkdir(parents=True, exist_ok=True)
        n = len(central)
        bins = [{"y": {"min": None, "mid": float(i), "max": None}} for i in range(n)]
        errors = np.full(n, 1.0) if errors is None else np.asarray(errors, float)
        documents = {
            "kinematics.yaml": {"bins": bins},
            "data.yaml": {"data_central": np.asarray(central, float).tolist()},
            "uncertainties.yaml": {
                "definitions": {"stat": {"description": "statistical", "treatment": "ADD", "type": "UNCORR"}},
                "bins": [{"stat": float(error)} for error in errors],
            },
            "metadata.yaml": {
                "setname": setname,
                "nnpdf_metadata": {"nnpdf31_process": "DY", "experiment": "TOY"},
                "implemented_observables": [
                    {
                        "observable_name": "OBS",
                        "observable": {"description": "toy", "label": "toy", "units": ""},
                        "process_type": process_type,
                        "ndata": n,
                        "kinematic_coverage": ["y"],
                        "kinematics": {"variables": {"y": {"label": "y"}}, "file": "kinematics.yaml"},
                        "theory": {
                            "conversion_factor": 1.0,
                            "operation": operation,
                            "FK_tables": [list(operand) for operand in fk_tables],
                            **theory,
                        },
                        "data_central": "data.yaml",
                        "data_uncertainties": ["uncertainties.yaml"],
                    }
                ],
            },
        }
        for name, document in documents.items():
            (folder / name).write_text(yaml.safe_dump(document))
        return f"{setname}_OBS"
