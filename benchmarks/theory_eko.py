"""Evolution operators against eko (exact solution, same thresholds): channel by channel, and on a proton.

Run from the root of a checkout, with the extra [theory]: ``python benchmarks/theory_eko.py --work DIR``. Operators that eko
has solved are kept in DIR and used again.
"""

import argparse
import time
from pathlib import Path

import numpy as np
import yaml
from eko import solve
from eko.interpolation import InterpolatorDispatcher
from eko.interpolation import XGrid as EkoGrid
from eko.io.runcards import OperatorCard, TheoryCard
from eko.io.struct import EKO

from nnpdf_lite.evolution import PARTON_PIDS
from nnpdf_lite.evolution.interpolation import XGrid
from nnpdf_lite.evolution.operators import evolution_patches
from nnpdf_lite.flavours import EVOLUTION_FLAVOURS, EVOLUTION_TO_FLAVOUR, FLAVOUR_PIDS, FLAVOUR_TO_EVOLUTION
from nnpdf_lite.pdf.lhapdf_set import load_pdf_set
from nnpdf_lite.theory_build.atlas import field_xgrid
from nnpdf_lite.theory_build.card import BuildCard
from nnpdf_lite.theory_build.eko_format import EKO_PIDS, eko_cards

ROOT = Path(__file__).parents[1]
CARD = yaml.safe_load((ROOT / "theory_grids" / "nnlo" / "theory.yaml").read_text())
CHANNELS = [("Sigma", "Sigma"), ("Sigma", "g"), ("g", "Sigma"), ("g", "g"), ("V", "V"), ("T3", "T3")]
#: Combinations that equal another one where the heavier quarks vanish, as at Q0.
SAME_AT_Q0 = {"Sigma": ["Sigma", "T24", "T35"], "V": ["V", "V24", "V35"]}
PARTONS = {"u": 2, "ubar": -2, "s": 3, "c": 4, "b": 5, "g": 21}
RANGES = ((1e-5, 1e-3), (1e-3, 0.1), (0.1, 0.6))
EKO_ORDER = [FLAVOUR_PIDS.index(pid) for pid in EKO_PIDS]


def card_of_order(order: int) -> BuildCard:
    """Return the shipped card at another order; the scheme of coefficient functions does not matter here."""
    return BuildCard.read(CARD | {"PTO": order, "FNS": "ZM-VFNS"})


def solve_with_eko(path: Path, card: BuildCard, scales: list[float], grid: XGrid, iterations: int) -> float | None:
    """Solve with eko unless ``path`` exists; returns the seconds it took."""
    if path.exists():
        return None
    points = [(scale, card.evolution.flavours(scale)) for scale in scales]
    theory, operator = eko_cards(card, points, grid)
    operator["configs"]["ev_op_iterations"] = iterations
    started = time.monotonic()
    partial = path.with_name(f"partial_{path.name}")
    partial.unlink(missing_ok=True)
    solve(TheoryCard.from_dict(theory), OperatorCard.from_dict(operator), partial)
    partial.replace(path)
    return time.monotonic() - started


class FieldGrid(XGrid):
    """The x grid with eko's interpolation of f, local polynomials in ln x, so that elements of operators are comparable."""

    def interpolate(self, wanted: np.ndarray) -> np.ndarray:
        basis = InterpolatorDispatcher(EkoGrid(self.x), 4, mode_N=False)
        values = np.array([[function(point) for function in basis] for point in wanted.tolist()])
        return values * wanted[:, None] / self.x

    extend = interpolate


def in_evolution_basis(operator: np.ndarray, x: np.ndarray) -> np.ndarray:
    """Turn eko's operator (14, X, 14, X) between partons, on f, into one between combinations, on x f."""
    to_evolution, to_flavour = FLAVOUR_TO_EVOLUTION[:, EKO_ORDER], EVOLUTION_TO_FLAVOUR[EKO_ORDER]
    rotated = np.einsum("oa,axby,bi->oxiy", to_evolution, operator, to_flavour, optimize=True)
    return rotated * x[:, None, None] / x


def compare(path: Path, card: BuildCard, grid: XGrid, refinement: float) -> None:
    """Print differences at each scale."""
    x = grid.x
    f0 = load_pdf_set("NNPDFLITE_dis_nnlo").evolution_basis(x, card.evolution.q0)
    shape = x**-0.2 * (1 - x) ** 5
    with EKO.read(path) as eko:
        items = sorted(((float(np.sqrt(q2)), n), item.operator) for (q2, n), item in eko.items())
    ranges = {n: [q for (q, m), _ in items if m == n] for (_, n), _ in items}
    ranges = {n: (min(scales), 1.0001 * max(scales)) for n, scales in ranges.items()}
    shipped = evolution_patches(card.evolution, grid, ranges)
    fine = evolution_patches(card.evolution, FieldGrid(x), ranges, refinement=refinement)
    for (q, n), operator in items:
        ours, same = shipped[n].at(q).blocks, fine[n].at(q).blocks
        theirs = in_evolution_basis(operator, x)
        print(f"\n{('LO', 'NLO', 'NNLO')[card.order]}, Q = {q:g} GeV, {n} flavours")
        for out, source in CHANNELS:
            rows = theirs[EVOLUTION_FLAVOURS.index(out)]
            block = sum(rows[:, EVOLUTION_FLAVOURS.index(name)] for name in SAME_AT_Q0.get(source, [source]))
            raw = np.abs(same[out, source] - block).max(axis=1)[:-1] / np.abs(block).max(axis=1)[:-1]
            print(
                f"  {out:>5} <- {source:5} {_ranges(x, ours[out, source] @ shape, block @ shape)}"
                f" | {_ranges(x, same[out, source] @ shape, block @ shape)} | {np.median(raw):.1e}"
            )
        xf0 = {name: x * f0[:, EVOLUTION_FLAVOURS.index(name)] for name in {source for _, source in ours}}
        combinations = {name: sum(ours[key] @ xf0[key[1]] for key in ours if key[0] == name) for name in shipped[n].outputs}
        evolved = np.array([combinations[name] for name in shipped[n].outputs]).T @ shipped[n].to_flavours.T
        expected = np.einsum("axby,yb->xa", operator, f0 @ EVOLUTION_TO_FLAVOUR[EKO_ORDER].T) * x[:, None]
        for name, pid in PARTONS.items():
            if abs(pid) <= n or pid == 21:
                pair = evolved[:, PARTON_PIDS.index(pid)], expected[:, EKO_PIDS.index(pid)]
                print(f"  x {name:12} {_ranges(x, *pair)}")


def _ranges(x: np.ndarray, one: np.ndarray, other: np.ndarray) -> str:
    parts = []
    for low, high in RANGES:
        inside = (x > low) & (x < high)
        parts.append(f"{np.max(np.abs(one - other)[inside] / np.abs(other)[inside]):.1e}")
    return "  ".join(parts)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--work", type=Path, required=True, metavar="DIR", help="folder of eko's operators")
    parser.add_argument("--orders", type=int, nargs="+", default=[0, 1, 2], help="powers of alpha_s: 0, 1, 2")
    parser.add_argument("--scales", type=float, nargs="+", default=[3.0, 10.0, 100.0], help="scales in GeV")
    parser.add_argument("--iterations", type=int, default=30, help="of eko's exact solution")
    parser.add_argument("--refinement", type=float, default=4, help="of HOPPET's grid where elements are compared")
    options = parser.parse_args()
    options.work.mkdir(parents=True, exist_ok=True)
    grid = XGrid(field_xgrid())
    print(
        "Largest relative difference for " + ", ".join(f"{low:g} < x < {high:g}" for low, high in RANGES) + ":\n"
        "channels of the operator, applied to x^-0.2 (1-x)^5, with our interpolation of PDFs | with eko's, on HOPPET's\n"
        "grid refined | largest difference of elements in a row over its largest element, median of rows; then partons."
    )
    for order in options.orders:
        card, path = card_of_order(order), options.work / f"eko_{order}.tar"
        seconds = solve_with_eko(path, card, options.scales, grid, options.iterations)
        if seconds is not None:
            print(f"\neko solved order {order} in {seconds:.0f} s")
        compare(path, card, grid, options.refinement)


if __name__ == "__main__":
    main()
