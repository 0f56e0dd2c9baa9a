"""Results of closure tests on disk: samples, tables, verdicts, comparisons, inconsistencies, predictions.

The fits are written, not trained (``toy_closure``): what estimators must find is known.
"""

import json
import shutil

import numpy as np
import pandas as pd
import pytest
import yaml
from toy_cards import CLOSURE

import nnpdf_lite
from nnpdf_lite import cli
from nnpdf_lite.closure.compare import comparison
from nnpdf_lite.closure.future import future_table, predicted_chi2
from nnpdf_lite.closure.inconsistency import (
    inconsistent_fits,
    n_sigma_table,
    weighted_card,
    weighted_fit_table,
)
from nnpdf_lite.closure.levels import chi2_against_epochs, uncertainty_ratios
from nnpdf_lite.closure.multifit import truth_pdf
from nnpdf_lite.closure.results import evaluate
from nnpdf_lite.closure.sample import load_sample
from nnpdf_lite.errors import InputError
from nnpdf_lite.results.fit_folder import FitFolder

CHARM = "HERA_NC_318GEV_EAVG_CHARM-SIGMARED"


@pytest.fixture
def refused(capsys):
    """Run a command line that must fail; returns its message."""

    def check(*arguments):
        assert cli.main([str(argument) for argument in arguments]) == 2
        return capsys.readouterr().err.split("error: ", 1)[1].rstrip("\n")

    return check


# --- estimators -----------------------------------------------------------------------------------


def test_a_sample_holds_every_fit_with_its_noise(sample):
    assert sample.names == tuple(f"fit_{i:02d}" for i in range(1, 13)) and sample.level == 2
    assert sample.fitted.all() and sample.central.shape == (12, len(sample.truth))
    for rows, ensemble in zip(sample.predictions, sample.ensembles):
        assert rows.shape == (len(ensemble), len(sample.truth)) and len(ensemble) >= 15
    white = np.linalg.solve(np.linalg.cholesky(sample.covmat), (sample.central - sample.truth).T)
    assert np.mean(white**2) == pytest.approx(1, abs=4 * np.sqrt(2 / white.size))


def test_deviations_of_pdfs_are_from_the_truth(sample):
    x = sample.ensembles[0].x[100]
    deviations = sample.pdf_deviations([(2, np.array([x])), (1, np.array([1e-3, 0.3]))])
    expected = (sample.ensembles[3].f[:, 100, 2] - truth_pdf(sample.card, 1.65, np.array([x]))[0, 2]) * x
    assert deviations[3][:, 0] == pytest.approx(expected, rel=1e-6, abs=1e-12)
    assert deviations[3].shape == (sample.sizes[3], 3)


def test_every_group_is_in_the_table(results, sample):
    table = results.table
    data = table[(table.space == "data") & (table.estimator == "R_bv")]
    assert data.level.value_counts().to_dict() == {"dataset": 3, "experiment": 3, "total": 1}
    assert data[data.level == "dataset"].n.sum() == len(sample.truth)
    flavours = table[(table.level == "flavour") & (table.estimator == "xi_1")]
    assert flavours.name.tolist() == ["Sigma", "g", "V", "V3", "V8", "T3", "T8"] and (flavours.n == 4).all()
    assert len(table[table.level == "point"].name.unique()) == 28
    assert table[(table.estimator == "R_bv")].value.notna().all()


def test_fits_with_the_right_errors_pass(results):
    assert results.verdict.passed and results.verdict.sentence.startswith("pass: ")
    assert results.verdict.details.startswith("in detail (by experiment, set and x): pass: ")
    assert f"{results.verdict.looks} looks" in results.verdict.sentence and results.verdict.looks == 23
    total = results.table[results.table.level == "total"].set_index(["space", "estimator"])
    for space in ("data", "pdf"):
        row = total.loc[(space, "R_bv")]
        assert abs(row.value - 1) < 3 * row.error and 0.02 < row.error < 0.3


def test_fits_with_errors_halved_fail_in_both_spaces(write_test):
    found = evaluate(load_sample([write_test(width=0.5, seed=1)]), samples=50)
    assert found.verdict.passed is False and found.verdict.sentence.startswith("fail: ")
    total = found.table[found.table.level == "total"].set_index(["space", "estimator"])
    for space in ("data", "pdf"):
        row = total.loc[(space, "R_bv")]
        assert abs(row.value - 2) < 3 * row.error


def test_one_fit_has_estimators_without_errors(made):
    found = evaluate(load_sample([made / "fit_01"]), samples=10)
    assert found.verdict.passed is None and "1 fit; a verdict needs at least 5" in found.verdict.sentence
    table = found.shown("chi2")
    assert "bias +-" not in table and table.variance.gt(0).all()


def test_the_folder_gets_tables_and_the_command_line_prints_them(made, capsys):
    assert cli.main(["closure", str(made), "--json"]) == 0
    summary = json.loads(capsys.readouterr().out)
    assert summary == json.loads((made / "estimators.json").read_text())
    assert summary["verdict"]["passed"] is True and summary["level"] == 2
    for name in ("estimators", "data", "chi2", "pdf", "pdf_points"):
        assert len(pd.read_csv(made / f"{name}.csv")) > 3
    chosen = [str(made / f"fit_0{i}") for i in (3, 1, 2, 5, 4)]
    assert cli.main(["closure", *chosen]) == 0
    out = capsys.readouterr().out
    assert "Sigma" in out and out.splitlines()[-1].startswith("in detail")
    assert not (made / "fit_03" / "estimators.json").exists()


def test_tests_side_by_side(made, tmp_path):
    folder = shutil.copytree(made, tmp_path / "again", symlinks=True)
    table = comparison([folder, folder])
    assert table.test.tolist() == ["again", "again"] and table.fits.tolist() == [12, 12]
    stored = json.loads((folder / "estimators.json").read_text())["estimators"]
    r_bv = next(r for r in stored if r["level"] == "total" and r["estimator"] == "R_bv" and r["space"] == "data")
    assert table["R_bv data"].tolist() == [r_bv["value"]] * 2
    assert {"R_bv g", "R_bv g +-", "xi_1 pdf"} <= set(table.columns)
    (folder / "estimators.json").write_text("{")
    with pytest.raises(InputError, match="estimators.json: unreadable .*; remove it, and it is computed anew"):
        comparison([folder])


# --- out of sample --------------------------------------------------------------------------------


def test_predicted_chi2_takes_in_the_uncertainty_of_the_prediction():
    """Gaussian data and Gaussian predictions of known widths: chi2 is 1 with both, and 1 + ratio with one."""
    rng = np.random.default_rng(1)
    n, pdf = 400, 0.7
    found = []
    for _ in range(200):
        truth = rng.normal(size=n)
        centre = truth + pdf * rng.normal(size=1)  # one direction, common to all points, in which the fit is uncertain
        replicas = centre + pdf * rng.normal(size=(40, 1))
        found.append(predicted_chi2(replicas, truth + rng.normal(size=n), np.eye(n)))
    without, both = np.mean(found, axis=0)
    assert without == pytest.approx(1 + pdf**2 * (1 + 1 / 40), abs=0.15)
    assert both == pytest.approx(1, abs=0.02)


def test_estimators_of_points_that_were_left_out(write_test):
    """Fits with the right errors everywhere predict data that they have not seen, within their errors."""
    sample = load_sample([write_test(left_out={"datasets": [CHARM]})])
    assert (sample.datasets[~sample.fitted] == CHARM).all() and (~sample.fitted).sum() == 37
    found = evaluate(sample, samples=30)
    rows = found.table[(found.table.space == "data") & (found.table.level == "total")]
    assert rows[rows.estimator == "R_bv"].set_index("part").n.to_dict() == {"fitted": 154, "left out": 37}
    chi2 = rows[rows.estimator == "chi2_exp_pdf"]
    assert chi2.part.tolist() == ["left out"] and chi2.value.iloc[0] == pytest.approx(1, abs=4 * chi2.error.iloc[0])
    assert found.verdict.looks == 23 + 7 and found.verdict.passed


def test_a_fit_to_measurements_predicts_what_it_left_out(made, tmp_path):
    """The first fit of a test as if it were one to real data: what came after 2000 is predicted."""
    folder = shutil.copytree(made / "fit_01", tmp_path / "fit_01", symlinks=True)
    card = yaml.safe_load((folder / "filter.yml").read_text()) | {"closuretest": None}
    (folder / "filter.yml").write_text(yaml.safe_dump(card | {"left_out": {"published_after": 2000}}))
    fit = nnpdf_lite.load_fit(folder)
    table = future_table(fit)
    left = table[table.part == "left out"]
    assert left[left.level == "dataset"].name.tolist() == [CHARM]
    assert (left.chi2_exp_pdf < left.chi2_exp).all()
    fitted = table[(table.part == "fitted") & (table.level == "total")]
    assert fitted.n.tolist() == [154] and fitted.chi2_exp_pdf.isna().all()
    chi2 = fit.chi2()
    # the mean of predictions here, the prediction of the mean there: not the same for ratios
    assert fitted.chi2_exp.iloc[0] == pytest.approx(chi2[chi2.level == "total"].chi2_exp.iloc[0], rel=0.02)
    assert cli.main(["closure", str(folder)]) == 0


# --- levels ---------------------------------------------------------------------------------------


def test_levels_are_compared_with_level_2(write_test, sample):
    """Errors of level 0 and 1 were made 0.3 and 0.6 of those of level 2, arc lengths likewise."""
    folders = {
        level: write_test(1, 200, width, 7, genrep=False, closuretest={**CLOSURE, "fakenoise": level == 1})
        for level, width in ((0, 0.3), (1, 0.6))
    }
    samples = {level: load_sample([folder]) for level, folder in folders.items()} | {2: sample}
    assert [samples[level].level for level in (0, 1, 2)] == [0, 1, 2]
    table = uncertainty_ratios({level: one.ensembles for level, one in samples.items()})
    sigma = table[table.quantity == "sigma"]
    assert len(sigma) == 7 * 6
    assert sigma.level_0.median() == pytest.approx(0.3, rel=0.1) and sigma.level_1.median() == pytest.approx(0.6, rel=0.1)
    lengths = table[table.quantity == "arc length"]
    assert lengths.level_0.mean() == pytest.approx(0.35 / 1.05, rel=0.05)
    falling = chi2_against_epochs(samples[0].ensembles)
    assert falling.epoch.tolist() == [100, 200, 300, 400] and falling["median"].tolist() == pytest.approx(
        [0.1, 0.05, 10 / 300, 0.025], rel=1e-4  # histories have six digits
    )
    judged = evaluate(samples[0], samples=5)
    assert judged.verdict.passed is None and "only level 2" in judged.verdict.sentence
    assert comparison(list(folders.values())).level.tolist() == [0, 1]


# --- inconsistent data ----------------------------------------------------------------------------


def test_n_sigma_is_the_chi2_of_the_mean_to_the_data_of_the_fit(sample):
    table = n_sigma_table(sample)
    assert table.shape == (3, 12)
    chosen = sample.datasets == CHARM
    residual = (sample.predictions[1].mean(axis=0) - sample.central[1])[chosen]
    chi2 = residual @ np.linalg.solve(sample.covmat[np.ix_(chosen, chosen)], residual)
    assert table.loc[CHARM, "fit_02"] == pytest.approx((chi2 - 37) / np.sqrt(2 * 37))


def test_weighted_fits_call_a_set_inconsistent_by_the_rules_of_the_paper():
    """Four fits: a fluctuation that the weight cures at no cost; one that costs another set; one it cannot cure; none."""
    names = ["cured", "tension", "stays", "fine"]
    reference = pd.DataFrame([[3.0, 3.0, 3.0, 0.0], [0.0] * 4], index=["SET", "OTHER"], columns=names)
    weighted = pd.DataFrame([[0.0, 0.0, 3.0, 0.0], [0.5, 4.0, 0.0, 0.0]], index=["SET", "OTHER"], columns=names)
    found = inconsistent_fits(reference, weighted, "SET", 2.0)
    assert found.candidate.tolist() == [True, True, True, False]
    assert found.inconsistent.to_dict() == {"cured": False, "tension": True, "stays": True, "fine": False}
    hidden = weighted.assign(fine=[0.0, 4.0])
    found = inconsistent_fits(reference, hidden, "SET", 2.0)
    assert not found.inconsistent["fine"] and found.inconsistent_any["fine"]


def test_the_weighted_fit_of_a_set(write_test):
    reference = write_test(3, 8)
    card = load_sample([reference]).card
    weighted = weighted_card(card, CHARM)
    assert [entry.weight for entry in weighted.dataset_inputs] == [1, 1, pytest.approx(191 / 37)]
    inputs = [entry.model_dump(exclude_none=True) for entry in weighted.dataset_inputs]
    samples = [load_sample([folder]) for folder in (reference, write_test(3, 8, seed=5, dataset_inputs=inputs))]
    table = weighted_fit_table(*samples)
    assert (table.dataset == CHARM).all() and table["inconsistent"].between(0, 1).all()
    assert np.array_equal(*(s.covmat for s in samples))  # weights are the fit's, not the estimator's
    with pytest.raises(InputError, match="the weight of one set must differ between the two tests; it does for none"):
        weighted_fit_table(samples[0], samples[0])
    with pytest.raises(InputError, match="--weight HERA_CHARM: not a dataset that is fitted"):
        weighted_card(card, "HERA_CHARM")


def test_a_set_whose_errors_were_forgotten_stands_out(write_test):
    """Systematics of charm left out of the fit's covariance, not of its data: n_sigma of the set grows, of others not."""
    tables = []
    for factor in (1.0, 0.0):
        settings = {
            "treatment_names": ["ADD", "MULT"], "names_uncertainties": ["CORR", "SPECIAL"],
            "inconsistent_datasets": [CHARM], "sys_rescaling_factor": factor,
        }  # fmt: skip
        folder = write_test(
            8, 8, closuretest={**CLOSURE, "inconsistent_fakedata": True}, inconsistent_data_settings=settings
        )
        tables.append(n_sigma_table(load_sample([folder])).mean(axis=1))
        row = comparison([folder]).iloc[0]
        assert row["lambda"] == factor and row["n_sigma set"] == pytest.approx(tables[-1][CHARM])
    assert tables[1][CHARM] > tables[0][CHARM] + 2
    assert tables[1].drop(CHARM).to_numpy() == pytest.approx(tables[0].drop(CHARM).to_numpy())


# --- bad input ------------------------------------------------------------------------------------


def test_fits_that_do_not_belong_together_are_refused(made, tmp_path):
    first = made / "fit_01"
    with pytest.raises(InputError, match="have the same noise"):
        load_sample([first, first])
    other = shutil.copytree(made / "fit_02", tmp_path / "other", symlinks=True)
    document = yaml.safe_load((other / "filter.yml").read_text())
    document["parameters"]["epochs"] = 301
    (other / "filter.yml").write_text(yaml.safe_dump(document))
    with pytest.raises(InputError, match=r"in more than its seeds \(parameters.epochs is 300 there, 301 here\)"):
        load_sample([first, other])


def test_folders_without_closure_tests_are_refused(refused, tiny_fit, made, tmp_path):
    message = "neither a closure test nor a fit that leaves data out"
    assert message in refused("closure", tiny_fit)
    assert "not a closure test" in refused("closure", made / "fit_01", tiny_fit)
    assert "not a fit folder" in refused("closure", tmp_path)


def test_too_few_replicas_for_an_estimator_are_named(refused, made, tmp_path):
    folder = shutil.copytree(made, tmp_path / "made", symlinks=True)
    home = FitFolder(folder / "fit_02")
    for number in home.finished()[4:]:
        shutil.rmtree(home.replica_path(number))
    assert "fit_02: postfit leaves 4 replicas; estimators need at least 5 in each fit" in refused("closure", folder)
