"""NNPDF's own programs on our folders, and we on theirs (tests/external/README.md)."""

import importlib.util
import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from nnpdf_peer import CARD, T0
from pages import blocks
from scipy.linalg import solve_triangular
from toy_theory import write_fk_table

import nnpdf_lite
from nnpdf_lite.cli import main
from nnpdf_lite.data import load_dataset
from nnpdf_lite.fit.problem import load_entry
from nnpdf_lite.pdf.lhapdf_set import load_pdf_set
from nnpdf_lite.runcard import load_runcard, parse_runcard
from nnpdf_lite.theory import load_dataset_theory, load_theory, predict

pytestmark = pytest.mark.slow

PIDS = (-3, -2, -1, 21, 1, 2, 3, 4)


@pytest.fixture(scope="module")
def evolved(peer, our_fit):
    """A copy of our fit, without what our evolution and postfit made, after the commands of docs/from-n3fit.md.

    Their scales are dense enough for LHAPDF's interpolation to lose less than a thousandth.
    """
    if not importlib.util.find_spec("eko"):
        pytest.skip("eko is not installed: pip install -e '.[theory]'")
    ((_, text),) = blocks("docs/from-n3fit.md", "NNPDF's programs on our fits")
    text = text.replace("postfit 90", "postfit 4").replace("FIT", "evolved")
    ours, *theirs = (line.split() for line in text.splitlines())
    folder = our_fit.folder.path.parent / "evolved"
    shutil.copytree(our_fit.folder.path, folder, ignore=shutil.ignore_patterns("postfit", "training", "report"))
    for file in folder.glob("nnfit/replica_*/lite_fit.*"):
        file.rename(file.with_name(f"evolved{file.suffix}"))
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder.parent)
        assert main(ours[1:]) == 0
    for command in theirs:
        peer.run(*command, cwd=folder.parent)
    return folder


def test_evolven3fit_and_postfit_make_our_set_of_our_folder(evolved, our_fit):
    kept = json.loads((evolved / "postfit/veto_count.json").read_text())
    assert len(kept["Total"]) == 6 and sum(kept["Total"]) >= 4
    theirs, ours = load_pdf_set(evolved / "postfit/evolved"), our_fit.lhapdf_set
    numbers = [int(link.resolve().name.split("_")[1]) for link in sorted((evolved / "postfit").glob("replica_*"))]
    members = {number: i + 1 for i, number in enumerate(our_fit.selection.replicas[our_fit.selection.kept])}
    x = np.array([1e-4, 1e-3, 0.01, 0.1, 0.3, 0.6])
    for q in (2.0, 4.92, 10.0, 91.2, 1000.0):
        for i, number in enumerate(numbers):
            a, b = (s.xfxq(PIDS, x, np.array([q]), member=m)[..., 0] for s, m in ((theirs, i + 1), (ours, members[number])))
            # The operators are on 50 x points: good to a few 1e-4 of the largest parton.
            assert np.abs(a - b).max() < 2e-3 * np.abs(b).max()


def test_validphys_tabulates_our_chi2_and_draws_our_pdfs(peer, our_fit, tmp_path):
    runcard = {
        "meta": {"title": "nnpdf_lite", "author": "test", "keywords": ["test"]},
        "fit": "lite_fit",
        "pdf": {"from_": "fit"},
        "pdfs": [{"from_": "fit"}],
        "theory": {"from_": "fit"},
        "theoryid": {"from_": "theory"},
        "datacuts": {"from_": "fit"},
        **{key: {"from_": "datacuts"} for key in ("t0pdfset", "q2min", "w2min")},
        "dataset_inputs": {"from_": "fit"},
        "use_cuts": "internal",
        "use_t0": True,
        "metadata_group": "experiment",
        "Q": 10,
        "actions_": ["groups_chi2_table", "plot_pdfs"],
    }
    (tmp_path / "vp.yaml").write_text(yaml.safe_dump(runcard))
    peer.run("validphys", "vp.yaml", "-o", "out", "--no-net", cwd=tmp_path)
    figures = list((tmp_path / "out/figures").glob("plot_pdfs_*.png"))
    assert len(figures) == 8 and all(figure.stat().st_size > 1000 for figure in figures)
    theirs = pd.read_csv(tmp_path / "out/tables/groups_chi2_table.csv", sep="\t").set_index("dataset")
    ours = our_fit.chi2().query("level == 'dataset'").set_index("name")
    assert len(ours) == 3
    for name, row in ours.iterrows():
        assert theirs.loc[name, "npoints"] == row.ndata
        # They interpolate the written grid at Q0, we use the replicas themselves.
        assert theirs.loc[name, "chi2_per_data"] == pytest.approx(row.chi2_t0, rel=2e-3)


def test_pdfflow_reads_our_set_to_the_same_numbers(peer, our_fit):
    x, q = np.geomspace(1e-5, 0.9, 30), np.array([2.0, 4.0, 6.0, 10.0, 91.2, 1000.0])
    asked = json.dumps([list(PIDS), x.tolist(), q.tolist()])
    printed = peer.run("python", Path(__file__).with_name("read_set.py"), "lite_fit/1", peer.folder / "pdfs", asked)
    theirs = np.array(json.loads(printed.split("JSON")[-1]))
    ours = our_fit.lhapdf_set.xfxq(PIDS, x, q, member=1)
    assert np.abs(theirs - ours).max() < 1e-4 * np.abs(ours).max(), "two interpolations of one grid"


def test_n3fit_takes_the_runcard_of_our_fit_folder(peer, our_fit):
    peer.run("vp-setupfit", our_fit.folder.path / "filter.yml", "-o", "setup_of_ours")
    setup = peer.folder / "results/setup_of_ours"
    assert (setup / "md5").is_file()
    for dataset in our_fit.problem.datasets:
        mask = (setup / "filter" / dataset.name / f"FKMASK_{dataset.name}.dat").read_text()
        assert [int(point) for point in mask.split()] == dataset.kept.tolist()


def test_we_read_the_fit_that_n3fit_makes_of_the_same_card(peer, official):
    card = shutil.copy(CARD, peer.folder / "results" / "n3fit_fit.yml")
    peer.run("vp-setupfit", card)
    peer.run("n3fit", card, 1, "-r", 2)
    fit = nnpdf_lite.load_fit(peer.folder / "results" / "n3fit_fit")
    assert fit.runcard.model_dump(exclude={"replicas"}) == load_runcard(CARD).model_dump(exclude={"replicas"})
    replicas, problem = fit.all_replicas, fit.problem
    predicted = predict(problem.theories, lambda x: replicas.at(x, replicas.f))
    residuals = solve_triangular(problem.cholesky, (problem.central - predicted).T, lower=True)
    theirs = [record.chi2 for record in replicas.records]
    assert (residuals**2).sum(axis=0) / problem.n_data == pytest.approx(theirs, rel=1e-4)
    assert len(fit.replicas()) == 2


#: Real sets, with what they ask of official hadronic tables: dataset, variant, cfactors, rows of each table.
HADRONIC = (
    ("ATLAS_Z0J_8TEV_PT-M", "legacy_10", [], [8, 8, 8, 10, 10]),  # shifts
    ("ATLAS_Z0_8TEV_LOWMASS_M-Y", "legacy", [], [12] * 7),  # normalizations
    ("ATLAS_SINGLETOP_7TEV_T-Y-NORM", "legacy", [], None),  # normalizations, a total cross section as denominator
    ("D0_WPWM_1P96TEV_ASY", "legacy", [], None),  # ASY
    ("DYE906_Z0_120GEV_DW_PDXSECRATIO", "legacy", ["ACC"], None),  # COM of 20 tables, cfactors
    ("CMS_SINGLETOP_7TEV_TCHANNEL-XSEC", "legacy", [], None),  # ADD
    ("CMS_WPWM_8TEV_MUON_Y", "legacy", [], None),  # tables one after the other
    ("LHCB_WPWM_7TEV_MUON_Y", None, ["NRM"], None),  # cfactors
    ("ATLAS_TTBAR_8TEV_LJ_DIF_YT-NORM", "legacy", [], None),  # RATIO
)
OFFICIAL = 40_000_000


@pytest.fixture(scope="module")
def hadronic_theory(peer, official):
    """Random tables under the names of an official theory, in its layout: PineAPPL files, cfactors, no card."""
    folder, rng = peer.folder / "theories" / f"theory_{OFFICIAL}", np.random.default_rng(8)
    x = _nodes()
    for name, variant, cfactors, rows in HADRONIC:
        dataset = load_dataset(name, variant)
        for operand in dataset.theory.fk_tables:
            for i, table in enumerate(operand):
                n = rows[i] if rows else _rows(dataset, operand, i)
                channels = [(100, 100), (100, 21), (21, 100), (21, 21), (200, 100), (103, 115)]
                values = rng.uniform(0.5, 1.5, (n, len(channels), len(x), len(x)))
                write_fk_table(folder / "fastkernel" / f"{table}.pineappl.lz4", values, x, channels)
                for kind in cfactors:
                    _write_cfactor(folder / "cfactor" / f"CF_{kind}_{table}.dat", rng.uniform(0.9, 1.1, n))
    return folder


def _nodes():
    """x nodes that are knots of the t0 set, so that no interpolation differs."""
    knots = np.loadtxt(load_pdf_set(T0).path / f"{T0}_0000.dat", skiprows=3, max_rows=1)
    return knots[[40, 60, 80, 100, 120, 140, 160, 180]]


def _rows(dataset, operand, i):
    if len(operand) == 1 and operand == dataset.theory.fk_tables[-1] and dataset.theory.operation == "RATIO":
        return 1  # a total cross section
    return dataset.ndata_total // len(operand) + (i < dataset.ndata_total % len(operand))


def _write_cfactor(path: Path, factors):
    path.parent.mkdir(exist_ok=True)
    lines = ["*" * 40, "SetName: toy", "Author: test", "Date: 2026", "CodesUsed: none", "TheoryInput: none", "PDFset: none",
             "Warnings: none", "*" * 40]  # fmt: skip
    path.write_text("\n".join([*lines, *(f"{factor:.12e} 0.0" for factor in factors)]) + "\n")


def test_official_hadronic_tables_predict_what_validphys_predicts(peer, hadronic_theory):
    entries = [{"dataset": name, "cfac": cfac} | ({"variant": variant} if variant else {}) for name, variant, cfac, _ in HADRONIC]
    card = parse_runcard({"dataset_inputs": entries, "theory": {"theoryid": OFFICIAL}})
    theory, t0 = load_theory(OFFICIAL), load_pdf_set(T0)
    asked = json.dumps([entry[:3] for entry in HADRONIC])
    printed = peer.run("python", Path(__file__).with_name("predict.py"), OFFICIAL, T0, asked)
    theirs = json.loads(printed.split("JSON")[-1])
    for entry in card.dataset_inputs:
        dataset = load_entry(entry, card, theory.parameters)
        ours = predict([load_dataset_theory(dataset, theory)], lambda x: t0.evolution_basis(x, theory.q0, 0)[None])[0]
        assert dataset.kept.tolist() == theirs[entry.dataset]["points"], "the cuts of both leave the same points"
        assert ours == pytest.approx(theirs[entry.dataset]["values"], rel=1e-4), entry.dataset
