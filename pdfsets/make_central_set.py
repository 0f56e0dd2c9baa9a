"""Makes the shipped central PDF set: fit, use it as t0, refit, and keep the mean of the second fit.

    python pdfsets/make_central_set.py WORKDIR

takes a few minutes on two cores and writes pdfsets/NNPDFLITE_dis_nnlo.
"""

import os
import sys
from pathlib import Path

import nnpdf_lite
from nnpdf_lite.results.lhapdf_writer import write_lhapdf
from nnpdf_lite.runcard import load_runcard, parse_runcard
from nnpdf_lite.runcard.yaml_format import read_yaml

HERE = Path(__file__).parent


def main(work: Path) -> None:
    """Run the two fits in ``work`` and write the set beside this script."""
    card, _ = read_yaml(load_runcard(HERE.parent / "runcards" / "dis_nnlo.yml").dump())
    os.environ["LHAPDF_DATA_PATH"] = str(work)
    t0 = None
    for iteration in ("first", "second"):
        card["datacuts"]["t0pdfset"] = t0
        parse_runcard(card)
        fit = nnpdf_lite.fit(card, output=work / f"{iteration}_fit")
        t0 = f"{iteration}_central"
        _write(fit, work / t0)
    _write(fit, HERE / "NNPDFLITE_dis_nnlo")


def _write(fit: "nnpdf_lite.results.fit.Fit", target: Path) -> None:
    write_lhapdf(
        target,
        fit.ensemble.f,
        fit.ensemble.x,
        fit.problem.card.parameters,
        description="nnpdf_lite: mean of a 100-replica NNLO fit to the 3089 DIS points of NNPDF4.0, second t0 iteration",
        authors="nnpdf_lite",
        central_only=True,
        overwrite=True,
    )


if __name__ == "__main__":
    main(Path(sys.argv[1]).absolute())
