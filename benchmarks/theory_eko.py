"""Evolution operators against eko (exact solution, same thresholds): element by element, and on a proton.

Both act on PDFs interpolated in eko's way, so what differs is the solution of the equations, and HOPPET's grid.

Run from the root of a checkout, with the extra [theory]: ``python benchmarks/theory_eko.py --work DIR``. Operators that eko
has solved are kept in DIR and used again.
"""

import argparse
import csv
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


class FieldGrid(XGrid):
    """The x grid with eko's interpolation of f, local polynomials in ln x, so that elements of operators are comparable."""

    def interpolate(self, wanted: np.ndarray) -> np.ndarray:
        basis = InterpolatorDispatcher(EkoGrid(self.x), 4, mode_N=False)
        values = np.array([[function(point) for function in basis] for point in wanted.tolist()])
        return values * wanted[:, None] / self.x

    extend = interpolate


def card_of_order(order: int) -> BuildCard:
    """Return the shipped card at another order; the scheme of coefficient functions does not matter here."""
    return BuildCard.read(CARD | {"PTO": order, "FNS": "ZM-VFNS"})


def solve_with_eko(
    path: Path, card: BuildCard, points: list[tuple[float, int]], grid: FieldGrid, iterations: int
) -> float | None:
    """Solve with eko unless ``path`` exists; returns the seconds it took."""
    if path.exists():
        return None
    theory, operator = eko_cards(card, points, grid)
    operator["configs"]["ev_op_iterations"] = iterations
    started = time.monotonic()
    partial = path.with_name(f"partial_{path.name}")
    partial.unlink(missing_ok=True)
    solve(TheoryCard.from_dict(theory), OperatorCard.from_dict(operator), partial)
    partial.replace(path)
    return time.monotonic() - started


def in_evolution_basis(operator: np.ndarray, x: np.ndarray) -> np.ndarray:
    """Turn eko's operator (14, X, 14, X) between partons, on f, into one between combinations, on x f."""
    to_evolution, to_flavour = FLAVOUR_TO_EVOLUTION[:, EKO_ORDER], EVOLUTION_TO_FLAVOUR[EKO_ORDER]
    rotated = np.einsum("oa,axby,bi->oxiy", to_evolution, operator, to_flavour, optimize=True)
    return rotated * x[:, None, None] / x


def compare(path: Path, card: BuildCard, grid: FieldGrid, refinement: float) -> list[tuple]:
    """Print differences at each scale; returns what eko makes of x f = x^-0.2 (1-x)^5, a row per channel and x."""
    x = grid.x
    f0 = load_pdf_set("NNPDFLITE_dis_nnlo").evolution_basis(x, card.evolution.q0)
    shape, rows_of_eko = x**-0.2 * (1 - x) ** 5, []
    with EKO.read(path) as eko:
        items = sorted(((float(np.sqrt(q2)), n), item.operator) for (q2, n), item in eko.items())
    ranges = {n: [q for (q, m), _ in items if m == n] for (_, n), _ in items}
    ranges = {n: (min(scales), 1.0001 * max(scales)) for n, scales in ranges.items()}
    patches = evolution_patches(card.evolution, grid, ranges, refinement=refinement)
    for (q, n), operator in items:
        patch, theirs = patches[n], in_evolution_basis(operator, x)
        ours = patch.at(q).blocks
        print(f"\n{('LO', 'NLO', 'NNLO')[card.order]}, Q = {q:g} GeV, {n} flavours")
        for out, source in CHANNELS:
            rows = theirs[EVOLUTION_FLAVOURS.index(out)]
            block = sum(rows[:, EVOLUTION_FLAVOURS.index(name)] for name in SAME_AT_Q0.get(source, [source]))
            raw = np.abs(ours[out, source] - block).max(axis=1)[:-1] / np.abs(block).max(axis=1)[:-1]
            print(f"  {out:>5} <- {source:5} {_ranges(x, ours[out, source] @ shape, block @ shape)} | {np.median(raw):.1e}")
            evolved = block @ shape
            chosen = np.flatnonzero((x > RANGES[0][0]) & (x < RANGES[-1][1]))
            rows_of_eko += [(card.order, q, n, out, source, f"{x[i]:.9e}", f"{evolved[i]:.7e}") for i in chosen]
        xf0 = {name: x * f0[:, EVOLUTION_FLAVOURS.index(name)] for name in {source for _, source in ours}}
        combinations = [sum(ours[key] @ xf0[key[1]] for key in ours if key[0] == name) for name in patch.outputs]
        evolved = np.array(combinations).T @ patch.to_flavours.T
        expected = np.einsum("axby,yb->xa", operator, f0 @ EVOLUTION_TO_FLAVOUR[EKO_ORDER].T) * x[:, None]
        for name, pid in PARTONS.items():
            if abs(pid) <= n or pid == 21:
                pair = evolved[:, PARTON_PIDS.index(pid)], expected[:, EKO_PIDS.index(pid)]
                print(f"  x {name:12} {_ranges(x, *pair)}")
    return rows_of_eko


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
    parser.add_argument("--flavours", type=int, choices=(4,), help="no threshold is crossed: eko's matching takes up to an hour to compile")
    parser.add_argument("--iterations", type=int, default=30, help="of eko's exact solution")
    parser.add_argument("--every", type=int, choices=(1, 3), default=1, help="point of the tables' x grid that is used")
    parser.add_argument("--refinement", type=float, default=4, help="of HOPPET's grid where elements are compared")
    parser.add_argument("--save", metavar="FILE", help="what eko makes of a simple shape (tests/eko_evolved.csv)")
    options = parser.parse_args()
    options.work.mkdir(parents=True, exist_ok=True)
    print(
        "Largest relative difference for " + ", ".join(f"{low:g} < x < {high:g}" for low, high in RANGES) + ":\n"
        "channels of the operator, applied to x^-0.2 (1-x)^5 | difference of elements in a row over the largest of them, \n"
        "median of rows; then partons of NNPDFLITE_dis_nnlo, evolved."
    )
    grid = FieldGrid(field_xgrid()[options.every - 2 :: options.every] if options.every > 1 else field_xgrid())
    rows: list[tuple] = []
    for order in options.orders:
        card, path = card_of_order(order), options.work / f"eko_{order}.tar"
        points = [(scale, options.flavours or card.evolution.flavours(scale)) for scale in options.scales]
        seconds = solve_with_eko(path, card, points, grid, options.iterations)
        if seconds is not None:
            print(f"\neko solved order {order} in {seconds:.0f} s")
        rows += compare(path, card, grid, options.refinement)
    if options.save:
        with open(options.save, "w", newline="") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(["order", "q", "flavours", "out", "source", "x", "xf"])
            writer.writerows(rows)


if __name__ == "__main__":
    main()
