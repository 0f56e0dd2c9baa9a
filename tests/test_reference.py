"""The DIS fit of NNPDF4.0, number by number: points, predictions and chi2 with its central PDF.

Against the reference with the tables it was made with (truncated solution of evolution); then with the shipped tables.
"""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from nnpdf_lite.data import covariance
from nnpdf_lite.fit.problem import build_problem, set_predictions
from nnpdf_lite.flavours import EVOLUTION_FLAVOURS
from nnpdf_lite.runcard import load_runcard
from nnpdf_lite.theory import predict

ROOT = Path(__file__).parents[1]
SHARED = ROOT.parent / "shared"
REFERENCE = SHARED / "theory" / "reference"

pytestmark = pytest.mark.skipif(not REFERENCE.is_dir(), reason=f"no reference numbers in {REFERENCE}")


def problem_of(theory: str):
    """Return the problem of the shipped runcard with a theory."""
    card = load_runcard(ROOT / "runcards" / "dis_nnlo.yml")
    cuts = card.datacuts.model_copy(update={"t0pdfset": None})
    theories = card.theory.model_copy(update={"theoryid": theory})
    return build_problem(card.model_copy(update={"datacuts": cuts, "theory": theories}))


@pytest.fixture(scope="module")
def problem(tmp_path_factory):
    """With the reference's tables, and the card and K-factors of the shipped ones."""
    folder, shipped = tmp_path_factory.mktemp("theory"), ROOT / "theory_grids" / "nnlo"
    for name, source in (("fastkernel", SHARED / "theory"), ("cfactor", shipped), ("theory.yaml", shipped)):
        (folder / name).symlink_to(source / name)
    return problem_of(str(folder))


@pytest.fixture(scope="module")
def shipped_problem():
    return problem_of("nnlo")


@pytest.fixture(scope="module")
def chi2_table():
    return pd.read_csv(REFERENCE / "chi2.csv").set_index("dataset")


@pytest.fixture(scope="module")
def expected(problem):
    """Reference predictions, in the order of the problem."""
    table = pd.read_csv(REFERENCE / "predictions.csv")
    table = table[table["in_fit"] == 1].set_index("dataset")["prediction_NNPDF40"]
    return np.concatenate([np.atleast_1d(table.loc[dataset.name]) for dataset in problem.datasets])


@pytest.fixture(scope="module")
def nnpdf40(problem):
    return predictions(problem)


def predictions(problem):
    """Return predictions (N,) with NNPDF4.0's central PDF, given on the tables' own nodes."""
    table = pd.read_csv(REFERENCE / "nnpdf40_q0.csv")
    # The columns of a proton of four quarks; the others follow at Q0.
    table = table.assign(T24=table["Sigma"], T35=table["Sigma"], V24=table["V"], V35=table["V"], photon=0.0)

    def f(x):
        nodes = np.abs(np.log(table["x"].to_numpy()[:, None] / x)).argmin(axis=0)
        found = np.isclose(table["x"].to_numpy()[nodes], x, rtol=1e-6)
        assert x[~found].size == 0 or x[~found].min() == 1.0  # f(1) = 0
        return np.where(found[:, None], table[list(EVOLUTION_FLAVOURS)].to_numpy()[nodes], 0.0)[None]

    return predict(problem.theories, f)[0]


def blocks(problem):
    """Name and slice of each dataset."""
    ends = np.cumsum([len(dataset.kept) for dataset in problem.datasets])
    return {d.name: slice(end - len(d.kept), end) for d, end in zip(problem.datasets, ends)}


def chi2(residual, covmat, points=slice(None)):
    residual, covmat = residual[points], covmat[points][:, points]
    return residual @ np.linalg.solve(covmat, residual)


def test_cuts_leave_the_3089_points_of_nnpdf40(problem, chi2_table):
    assert problem.n_data == 3089
    assert {d.name: len(d.kept) for d in problem.datasets} == chi2_table["ndata"].to_dict()


def test_predictions_agree_with_the_reference(nnpdf40, expected):
    assert np.allclose(nnpdf40, expected, rtol=1e-6, atol=0)


def test_predictions_from_the_lhapdf_grid_agree_to_interpolation(problem, expected):
    folder = SHARED / "pdfs" / "NNPDF40_nnlo_as_01180"
    if not folder.is_dir():
        pytest.skip(f"no PDF set in {folder}")
    predicted = set_predictions(str(folder), problem.theories, problem.card)[0]
    assert np.allclose(predicted, expected, rtol=1e-4, atol=0)


@pytest.mark.parametrize("kind", ["experimental", "t0"])
def test_chi2_of_every_set_agrees_with_the_reference(problem, nnpdf40, chi2_table, kind):
    covmat = covariance(problem.datasets, nnpdf40 if kind == "t0" else None)
    found = {name: chi2(nnpdf40 - problem.central, covmat, points) for name, points in blocks(problem).items()}
    assert found == pytest.approx(chi2_table[f"chi2_{kind}"].to_dict(), rel=1e-4)


def test_hera_inclusive_data_with_common_systematics(problem, nnpdf40):
    points = np.concatenate(
        [
            np.arange(problem.n_data)[points]
            for name, points in blocks(problem).items()
            if name.startswith("HERA") and "EAVG" not in name
        ]
    )
    value = chi2(nnpdf40 - problem.central, covariance(problem.datasets), points)
    assert value / len(points) == pytest.approx(1.178, abs=1e-3)


def test_chi2_of_all_points_with_every_correlation(problem, nnpdf40):
    value = chi2(nnpdf40 - problem.central, covariance(problem.datasets, nnpdf40))
    assert value / problem.n_data == pytest.approx(1.1723, abs=1e-4)


def test_shipped_tables_differ_by_what_the_two_solutions_do(shipped_problem, nnpdf40, problem):
    """Half of the points by less than 2e-3, the largest at the smallest x and Q2; and chi2 by 0.002 (docs/theory-tables.md)."""
    ours = predictions(shipped_problem)
    difference = np.abs(ours / nnpdf40 - 1)
    assert 1e-4 < np.median(difference) < 2e-3
    assert difference.max() < 3e-2
    for kind, expected in ((None, 1.1201), (ours, 1.1719)):
        value = chi2(ours - shipped_problem.central, covariance(shipped_problem.datasets, kind))
        assert value / shipped_problem.n_data == pytest.approx(expected, abs=2e-4)
