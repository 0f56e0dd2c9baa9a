"""Theory tables: time and memory of builds, predictions against tables made with eko, chi2 of NNPDF4.0's PDF by order.

Run from the root of a checkout, with the extra [theory]:
``python benchmarks/theory.py --work DIR --shared ../shared``. Builds are kept in DIR and used again. ``../shared`` holds
``theory/`` (tables made with yadism and eko, truncated solution) and ``pdfs/NNPDF40_nnlo_as_01180``.
"""

import argparse
import json
import os
import resource
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import yaml

from nnpdf_lite.data import covariance
from nnpdf_lite.evolution import PARTON_PIDS
from nnpdf_lite.evolution.interpolation import XGrid
from nnpdf_lite.fit.problem import build_problem, set_predictions
from nnpdf_lite.flavours import EVOLUTION_FLAVOURS
from nnpdf_lite.pdf.lhapdf_set import load_pdf_set
from nnpdf_lite.runcard import load_runcard
from nnpdf_lite.theory.fktable import read_fk_table
from nnpdf_lite.theory_build.atlas import field_xgrid, tables
from nnpdf_lite.theory_build.card import BuildCard
from nnpdf_lite.theory_build.join import Evolved
from nnpdf_lite.theory_build.observables import Observable, known_datasets
from nnpdf_lite.theory_build.parts import Inventory

ROOT = Path(__file__).parents[1]
CARD = yaml.safe_load((ROOT / "theory_grids" / "nnlo" / "theory.yaml").read_text())
#: Theories by name: what differs from the shipped card.
THEORIES = {
    "nnlo": {},
    "nlo": {"PTO": 1, "FNS": "FONLL-B"},
    "zm_nnlo": {"FNS": "ZM-VFNS"},
    "zm_n3lo": {"FNS": "ZM-VFNS", "PTO": 3},
}
#: Massless schemes predict nothing for it below the bottom mass.
BOTTOM = "HERA_NC_318GEV_EAVG_BOTTOM-SIGMARED"


def build(name: str, work: Path, jobs: int) -> None:
    """Build a theory unless it is there, and print what each stage took: first everything, then again from the pieces."""
    folder = work / name
    if (folder / "manifest.json").exists():
        return
    card = work / f"{name}.yaml"
    card.write_text(yaml.safe_dump(CARD | THEORIES[name], sort_keys=False))
    for what in ("all stages", "evolution, checks and tables alone"):
        shutil.rmtree(folder / "fastkernel", ignore_errors=True)
        command = [sys.executable, "-m", "nnpdf_lite", "theory", "build", str(card), "--output", str(folder)]
        environment = os.environ | {"PYTHONPATH": str(ROOT)}
        before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
        process = subprocess.Popen([*command, "--jobs", str(jobs)], env=environment, stdout=subprocess.DEVNULL)
        _, status, used = os.wait4(process.pid, 0)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        assert status == 0
        seconds = json.loads((folder / "manifest.json").read_text())["seconds"]
        stages = ", ".join(f"{stage} {value:.1f} s" for stage, value in seconds.items())
        print(
            f"{name}, {what}: {time.monotonic() - started:.0f} s, CPU {after.ru_utime - before.ru_utime:.0f} s, largest process "
            f"{used.ru_maxrss / 1e6:.2f} GB: {stages}",
            flush=True,
        )


def predictions(work: Path, shared: Path) -> None:
    """Print differences from the tables made with eko: all of it, and what remains with the same (truncated) PDFs."""
    card, grid = BuildCard.read(CARD), XGrid(field_xgrid())
    inventory = Inventory.open(work / "nnlo" / "parts", card, grid)
    wanted = [table for table in tables(known_datasets(), 3.49, 12.5) if isinstance(table.observable, Observable)]
    evolved = Evolved(card, grid, {q2 for table in wanted for q2, _ in table.scales()})
    pdf, reference = load_pdf_set(str(shared / "pdfs" / "NNPDF40_nnlo_as_01180")), pd.read_csv(
        shared / "theory" / "reference" / "nnpdf40_q0.csv"
    )
    xf0 = np.array([np.interp(np.log(grid.x), np.log(reference["x"]), reference[name]) for name in evolved.channels]) * grid.x
    print(f"\n{'table':38} points   difference: median, max   with the same PDFs: median, max")
    for table in wanted:
        ours, same = (np.zeros(len(table.x)) for _ in range(2))
        for q2, rows in table.scales():
            maps = inventory.load(table, q2, rows)
            ours[rows] = np.einsum("ncx,cx->n", evolved.rows(maps, q2), xf0)
            same[rows] = _with_partons(card, evolved, pdf, xf0, maps, np.sqrt(q2))
        theirs = _reference_predictions(shared / "theory" / "fastkernel" / f"{table.name}.pineappl.lz4", reference)
        computed = table.wanted & (theirs != 0)
        # LHAPDF's grid has no values with the flavour number that the scheme needs right at the bottom threshold
        away = computed & ((table.q2 < 24.2) | (table.q2 > 31))
        full, left = np.abs(ours[computed] / theirs[computed] - 1), np.abs(same[away] / theirs[away] - 1)
        print(
            f"{table.name:38} {computed.sum():6}   {np.median(full):.1e} {full.max():.1e}   {np.median(left):.1e} {left.max():.1e}"
        )


def _with_partons(card: BuildCard, evolved: Evolved, pdf, xf0: np.ndarray, maps: dict, q: float) -> np.ndarray:
    """Predict with the PDFs of an LHAPDF set where it has the flavour number, with ours elsewhere."""
    total = 0.0
    for n, coefficients in maps.items():
        patch = evolved.patches[n]
        a = patch.alphas(q) / (4 * np.pi)
        row = sum(a**k * coefficients[:, k] for k in range(coefficients.shape[1]))
        if n == card.flavours(q**2):
            partons = pdf.xfxq(PARTON_PIDS, np.minimum(evolved.grid.x, 1 - 1e-12), q)[:, :, 0]
        else:
            values = dict(zip(evolved.channels, xf0))
            blocks = patch.at(q).blocks
            out = [sum(blocks[key] @ values[key[1]] for key in blocks if key[0] == name) for name in patch.outputs]
            partons = patch.to_flavours @ np.array(out)
        total = total + np.einsum("npx,px->n", row, partons)
    return total


def _reference_predictions(path: Path, reference: pd.DataFrame) -> np.ndarray:
    table = read_fk_table(path)
    nodes = [int(np.abs(np.log(reference["x"] / x)).argmin()) for x in table.x]
    names = [EVOLUTION_FLAVOURS[channel[0]] for channel in table.channels]
    return np.einsum("ncx,xc->n", table.table, reference[names].to_numpy()[nodes])


def chi2(work: Path, shared: Path) -> None:
    """Print the experimental chi2 per point of NNPDF4.0's central PDF with each theory, beside the published one."""
    pdf, published = str(shared / "pdfs" / "NNPDF40_nnlo_as_01180"), shared / "theory" / "reference" / "chi2.csv"
    result = pd.read_csv(published).set_index("dataset")[["ndata", "chi2_experimental", "NNPDF40_published_chi2_per_point"]]
    result.columns = ["points", "truncated", "published"]
    result["truncated"] /= result["points"]
    card = load_runcard(ROOT / "runcards" / "dis_nnlo.yml")
    totals = {}
    for name in THEORIES:
        theory = card.theory.model_copy(update={"theoryid": str((work / name).resolve())})
        left_out = [BOTTOM] if name.startswith("zm") else []
        datasets = [entry for entry in card.dataset_inputs if entry.dataset not in left_out]
        problem = build_problem(card.model_copy(update={"theory": theory, "dataset_inputs": datasets}))
        residual = problem.central - set_predictions(pdf, problem.theories, problem.card)[0]
        covmat, names = covariance(problem.datasets), np.repeat(*_sizes(problem.datasets))
        for dataset in problem.datasets:
            result.loc[dataset.name, name] = _chi2(residual, covmat, names == dataset.name)
        totals[name] = {"all but bottom": _chi2(residual, covmat, names != BOTTOM)}
        if not left_out:
            totals[name]["all"] = _chi2(residual, covmat, names != "")
    print("\n" + result.round(3).to_string())
    print(pd.DataFrame(totals).round(4).to_string())


def _sizes(datasets) -> tuple[list[str], list[int]]:
    return [dataset.name for dataset in datasets], [len(dataset.kept) for dataset in datasets]


def _chi2(residual: np.ndarray, covmat: np.ndarray, chosen: np.ndarray) -> float:
    points = np.flatnonzero(chosen)
    return float(residual[points] @ np.linalg.solve(covmat[np.ix_(points, points)], residual[points]) / len(points))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--work", type=Path, required=True, metavar="DIR", help="folder of the builds")
    parser.add_argument("--shared", type=Path, default=ROOT.parent / "shared", metavar="DIR", help="what to compare with")
    parser.add_argument("--jobs", type=int, default=2, help="processes of a build")
    options = parser.parse_args()
    options.work.mkdir(parents=True, exist_ok=True)
    for name in THEORIES:
        build(name, options.work, options.jobs)
    # K-factors go with a theory that is named; these cards are files
    for name in THEORIES:
        shutil.copytree(ROOT / "theory_grids" / "nnlo" / "cfactor", options.work / name / "cfactor", dirs_exist_ok=True)
    predictions(options.work, options.shared)
    chi2(options.work, options.shared)


if __name__ == "__main__":
    main()
