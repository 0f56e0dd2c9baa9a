"""Closure tests on disk whose answer is known, written without training: replicas scatter as their fits do."""

from pathlib import Path

import numpy as np

from nnpdf_lite.closure.multifit import ClosureFolder, fit_card, fit_replicas, truth_pdf
from nnpdf_lite.flavours import EVOLUTION_FLAVOURS
from nnpdf_lite.pdf.parametrisation import columns_to_evolution
from nnpdf_lite.results.ensemble import ReplicaRecord, export_xgrid
from nnpdf_lite.results.fit_folder import create_folder, write_replica
from nnpdf_lite.runcard import Runcard

Q0 = 1.65
COLUMNS = ("Sigma", "g", "V", "V3", "V8", "T3", "T8", "T15")


def write_closure_test(path: Path, card: Runcard, fits: int, replicas: int, width: float = 1.0, seed: int = 0) -> Path:
    """Write the folder of a multi-fit test.

    Each of the fitted PDFs deviates from the truth by six smooth functions of x with random Gaussian factors, the mean of
    a fit as much as its replicas from that mean; ``width`` scales the latter: errors are right if it is 1. Training
    chi2 falls as 10 / epoch.
    """
    rng = np.random.default_rng(seed)
    x = export_xgrid()
    truth = truth_pdf(card, Q0, x)
    columns = truth[:, [EVOLUTION_FLAVOURS.index(name) for name in COLUMNS]]
    shapes = np.array([np.cos(k * np.pi * (np.log(x) + 3 * x) / 14) for k in range(6)])
    folder = ClosureFolder(path)
    path.mkdir(parents=True)
    (path / "runcard.yml").write_text(card.model_copy(update={"replicas": replicas}).dump())

    def deviation():
        return 0.02 * np.einsum("kc,kx->xc", rng.normal(size=(len(shapes), len(COLUMNS))), shapes) * np.abs(columns)

    for f in range(fits):
        home = create_folder(folder.fit_path(f), fit_card(card, f))
        centre = columns + deviation()
        for number in fit_replicas(f, replicas):
            values = (centre + width * deviation()) @ columns_to_evolution(COLUMNS).T
            epochs = np.arange(100, 500, 100)
            record = ReplicaRecord(
                replica=number, best_epoch=400, stop_epoch=400, training=1.0, validation=1.0,
                chi2=1 + 0.01 * rng.random(), passed_positivity=True, arc_lengths=tuple(width + 0.1 * rng.random(5)),
                integrability=(0.0,) * 5, history=np.stack([epochs, 10 / epochs, 11 / epochs], axis=1),
            )  # fmt: skip
            write_replica(home, record, x, values, Q0, {}, {})
    return path
