"""Closure tests in which the fit believes too little of the correlated systematics of one HERA set, and a figure of them.

    python benchmarks/closure_inconsistency.py [--fits 12] [--replicas 20] [--work DIR] [--output docs/figures/inconsistency.png]

The data fluctuate by all uncertainties; the fit takes those of ``HERA_NC_318GEV_EP-SIGMARED`` that correlate points times lambda
(arXiv:2503.17447). Finished tests in DIR are kept.
"""

import argparse
import json
import subprocess
import sys
from pathlib import Path

import yaml
from matplotlib.figure import Figure

ROOT = Path(__file__).resolve().parents[1]
SET = "HERA_NC_318GEV_EP-SIGMARED"
FACTORS = (0.0, 0.3, 0.6, 1.0)


def main() -> None:
    """Run the tests one after another and draw them."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--fits", type=int, default=12)
    parser.add_argument("--replicas", type=int, default=20)
    parser.add_argument("--work", type=Path, default=Path("inconsistency"))
    parser.add_argument("--output", type=Path, default=ROOT / "docs" / "figures" / "inconsistency.png")
    options = parser.parse_args()
    options.work.mkdir(parents=True, exist_ok=True)
    folders = [run(factor, options) for factor in FACTORS]
    rows = json.loads(_nnpdf_lite("closure", "--compare", "--json", *map(str, folders), capture=True))
    draw(rows, options)
    print(options.output)


def run(factor: float, options: argparse.Namespace) -> Path:
    """Run the closure test of one factor, unless it is there; return its folder."""
    card = yaml.safe_load((ROOT / "runcards" / "dis_nnlo_closure.yml").read_text())
    card["closuretest"]["inconsistent_fakedata"] = True
    card["inconsistent_data_settings"] = {
        "treatment_names": ["ADD", "MULT"],
        "names_uncertainties": ["CORR", "SPECIAL"],
        "inconsistent_datasets": [SET],
        "sys_rescaling_factor": factor,
    }
    folder = options.work / f"lambda_{factor:g}"
    if not (folder / "estimators.json").exists():
        file = folder.with_suffix(".yml")
        file.write_text(yaml.safe_dump(card, sort_keys=False))
        size = ("--fits", str(options.fits), "--replicas", str(options.replicas))
        _nnpdf_lite("closure", str(file), *size, "--output", str(folder), *(["--resume"] if folder.exists() else []))
    return folder


def _nnpdf_lite(*arguments: str, capture: bool = False) -> str:
    command = [sys.executable, "-m", "nnpdf_lite", *arguments]
    return subprocess.run(command, check=True, text=True, stdout=subprocess.PIPE if capture else None).stdout


def draw(rows: list[dict], options: argparse.Namespace) -> None:
    """Draw normalised bias and n_sigma of the set, and the normalised bias of all data, against lambda."""
    figure = Figure(figsize=(9, 3.6), layout="constrained")
    left, right = figure.subplots(1, 2)
    factor = [row["lambda"] for row in rows]
    for axis, key, colour, marker, label in (
        (left, "R_b set", "#D55E00", "o", SET),
        (left, "R_b data", "#0072B2", "s", "all data"),
        (right, "n_sigma set", "#D55E00", "o", SET),
        (right, "n_sigma", "#0072B2", "s", "all data"),
    ):
        values, errors = [row[key] for row in rows], [row[f"{key} +-"] for row in rows]
        axis.errorbar(factor, values, errors, color=colour, marker=marker, capsize=3, label=label)
    for axis, expected, title in ((left, 1, r"normalised bias $R_b$"), (right, 0, r"$n_\sigma = (\chi^2 - N) / \sqrt{2N}$")):
        axis.axhline(expected, color="0.6", linewidth=0.8, linestyle="--")
        axis.set(xlabel=r"$\lambda$: correlated systematics believed over true ones", ylabel=title)
    left.legend(frameon=False, fontsize=9)
    figure.suptitle(f"{options.fits} fits of {options.replicas} replicas each", fontsize=11)
    figure.savefig(options.output, dpi=130)


if __name__ == "__main__":
    main()
