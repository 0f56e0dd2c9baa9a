"""Evolution operators in ``eko``'s format (arXiv:2202.02338), for tools that read it."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from ..errors import InputError
from ..evolution import PARTON_PIDS, Q_MAX, EvolutionSettings
from ..evolution.interpolation import XGrid
from ..evolution.operators import evolution_patches
from ..flavours import EVOLUTION_FLAVOURS, FLAVOUR_PIDS, FLAVOUR_TO_EVOLUTION
from .card import BuildCard
from .extra import require_extra


def write_eko(path: Path, card: BuildCard, q: Sequence[float], grid: XGrid) -> Path:
    """Write the operators from Q0 to scales as an EKO.

    They act on PDFs ``f`` (not ``x f``) of the 14 partons on the grid. The quarks that are not active at Q0 are taken to
    be zero there, and the photon not to evolve.

    Parameters
    ----------
    path : Path
        File to write (tar).
    card : BuildCard
    q : sequence of float
        Scales in GeV, each with the flavour number of the variable-flavour-number scheme, a threshold with both: sets in
        LHAPDF format have it twice, and ``evolven3fit`` makes them of these operators.
    grid : XGrid

    Raises
    ------
    InputError
        When ``eko`` is not installed, the file exists, or a scale is out of reach.
    """
    require_extra("eko")
    if path.exists():
        raise InputError(f"{path}: exists already; choose another --output")
    from eko.io.items import Operator as EkoOperator
    from eko.io.runcards import OperatorCard, TheoryCard
    from eko.io.struct import EKO

    settings = card.evolution
    points = [(scale, n) for scale in map(float, q) for n in _flavour_numbers(settings, scale)]
    spans: dict[int, tuple[float, float]] = {}
    for scale, n in points:
        low, high = spans.get(n, (scale, scale))
        spans[n] = min(low, scale), max(high, scale)
    patches = evolution_patches(settings, grid, {n: (low, min(1.001 * high, Q_MAX)) for n, (low, high) in spans.items()})
    theory, operator = eko_cards(card, points, grid)
    path.parent.mkdir(parents=True, exist_ok=True)
    with EKO.create(path) as builder:
        eko = builder.load_cards(TheoryCard.from_dict(theory), OperatorCard.from_dict(operator)).build()
        for scale, n in points:
            values = _dense(patches[n].at(scale).blocks, patches[n].outputs, patches[n].to_flavours, grid)
            eko[(scale**2, n)] = EkoOperator(operator=values, error=None)
    return path


def _flavour_numbers(settings: EvolutionSettings, scale: float) -> tuple[int, ...]:
    below = settings.flavours(scale)
    return (below, below + 1) if scale in settings.thresholds else (below,)


def _dense(
    blocks: Mapping[tuple[str, str], np.ndarray], outputs: Sequence[str], to_flavours: np.ndarray, grid: XGrid
) -> np.ndarray:
    """Return the operator (14, X, 14, X) between partons in eko's order, acting on f."""
    size = len(grid)
    partons = np.zeros((len(PARTON_PIDS), size, 14, size))
    for (out, source), block in blocks.items():
        flavours = to_flavours[:, outputs.index(out)]
        inputs = FLAVOUR_TO_EVOLUTION[EVOLUTION_FLAVOURS.index(source)]
        on_f = block / grid.x[:, None] * grid.x[None, :]
        partons += np.einsum("a,xy,b->axby", flavours, on_f, inputs)
    full = np.zeros((14, size, 14, size))
    full[[EKO_PIDS.index(pid) for pid in PARTON_PIDS]] = partons[:, :, [FLAVOUR_PIDS.index(pid) for pid in EKO_PIDS]]
    full[0, :, 0, :] = np.eye(size)
    return full


EKO_PIDS = (22, -6, -5, -4, -3, -2, -1, 21, 1, 2, 3, 4, 5, 6)
"""Order of partons in an EKO."""


def eko_cards(card: BuildCard, points: Sequence[tuple[float, int]], grid: XGrid) -> tuple[dict, dict]:
    """Return the theory and operator card, as dictionaries, with which ``eko`` would compute the operators."""
    settings = card.evolution
    thresholds = [1.0 if i + 4 <= settings.max_flavours else float("inf") for i in range(3)]
    theory = {
        "order": [settings.loops, 0],
        "couplings": {
            "alphas": settings.alphas, "alphaem": 0.007496252, "ref": [settings.q_ref, settings.flavours(settings.q_ref)],
        },
        "heavy": {
            "masses": [[mass, mass] for mass in settings.masses],
            "masses_scheme": settings.mass_scheme, "matching_ratios": thresholds,
        },
        "xif": 1.0,
        "n3lo_ad_variation": [0] * 7,
        "matching_order": [settings.loops - 1, 0],
    }  # fmt: skip
    operator = {
        "init": [settings.q0, settings.flavours(settings.q0)],
        "mugrid": [[scale, n] for scale, n in points],
        "xgrid": grid.x.tolist(),
        "configs": {
            "evolution_method": "iterate-exact", "ev_op_max_order": [10, 0], "ev_op_iterations": 10,
            "interpolation_polynomial_degree": 4, "interpolation_is_log": True, "scvar_method": None,
            "inversion_method": "expanded", "n_integration_cores": 1, "polarized": False, "time_like": False,
        },
        "debug": {"skip_singlet": False, "skip_non_singlet": False},
    }  # fmt: skip
    return theory, operator
