"""Claims about the impact of new data on a fit: by reweighting, which follows Bayes' theorem, and by fitting again."""

import json
import shutil

import numpy as np
import pytest
from matplotlib.figure import Figure as Canvas

import nnpdf_lite
from nnpdf_lite import cli
from nnpdf_lite.data import covariance
from nnpdf_lite.ensembles.reweighting import chi2_of
from nnpdf_lite.errors import InputError
from nnpdf_lite.impact import estimate_impact, with_data_added
from nnpdf_lite.impact.tables import agreement, chi2_before_and_after, pdf_table
from nnpdf_lite.report.sections.impact import impact_sections
from nnpdf_lite.runcard import parse_runcard

BOTTOM = "HERA_NC_318GEV_EAVG_BOTTOM-SIGMARED"
NUTEV = "NUTEV_CC_NOTFIXED_FE_NB-SIGMARED:legacy_dw"


@pytest.fixture(scope="module")
def bottom(written_tiny_fit):
    """Impact on a fit of charm data of bottom data, whose systematics they share."""
    return estimate_impact(written_tiny_fit, [f"{BOTTOM}:legacy"])


def test_weights_are_the_probability_of_the_new_data_given_the_old_ones(bottom):
    """With the conditional Gaussian of the new data written out: mean and covariance shift where systematics are shared."""
    problem, new = bottom.problem, bottom.new_points
    full = covariance(problem.datasets, problem.t0_predictions)
    cross = np.linalg.solve(full[np.ix_(~new, ~new)], full[np.ix_(~new, new)]).T
    assert np.abs(cross).max() > 1e-3  # the sets are correlated, so that this is a test
    conditional = full[np.ix_(new, new)] - cross @ full[np.ix_(~new, new)]
    logs = []
    for theory in bottom.predictions.replicas:
        residual = problem.central - theory
        left = residual[new] - cross @ residual[~new]
        logs.append(-0.5 * left @ np.linalg.solve(conditional, left))
    expected = np.exp(logs - np.max(logs))
    expected *= len(expected) / expected.sum()
    assert np.allclose(bottom.weights["giele-keller"].weights, expected, rtol=1e-6)


def test_without_common_sources_only_the_new_chi2_counts(written_tiny_fit):
    impact = estimate_impact(written_tiny_fit, [NUTEV])
    alone = impact.problem.datasets[[d.name for d in impact.problem.datasets].index(NUTEV.partition(":")[0])]
    card = parse_runcard(
        {"dataset_inputs": [{"dataset": alone.name, "variant": "legacy_dw"}], "theory": {"theoryid": "nnlo"},
         "datacuts": {"t0pdfset": "NNPDFLITE_dis_nnlo"}}
    )  # fmt: skip
    problem = nnpdf_lite.results.fit.build_problem(card)
    chi2 = chi2_of(impact.predictions.replicas[:, impact.new_points], problem)
    assert impact.reweighting.n_data == len(alone) == problem.n_data
    assert np.allclose(impact.reweighting.chi2, chi2, rtol=1e-6)


def test_the_tables_show_the_weighted_ensemble(bottom):
    table = pdf_table(bottom, 10.0, [0.01, 0.1], ["g", "u"])
    weights = bottom.reweighting.weights / len(bottom.reweighting.weights)
    row = table[(table.flavour == "u") & (table.x == 0.1)].iloc[0]
    u = bottom.prior.xf("u", [0.1], 10.0).replicas[:, 0]
    assert np.isclose(row.central_reweighted, weights @ u)
    assert np.isclose(row.sigma_reweighted, np.sqrt(weights @ np.square(u - weights @ u)))
    assert np.isclose(row.shift_reweighted, (weights @ u - row.central) / row.sigma)
    chi2 = chi2_before_and_after(bottom)
    assert chi2.name.iloc[0] == BOTTOM and chi2.ndata.iloc[0] == bottom.new_points.sum()
    assert chi2[chi2.level == "total"].ndata.item() == bottom.problem.n_data
    assert agreement(bottom, table) == ""


def test_few_effective_replicas_are_said_to_be_too_few(bottom):
    assert not bottom.is_reliable and "fewer than 20" in bottom.verdict() and "--refit" in bottom.verdict()


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (["SLAC_NC_NOTFIXED_P_EM-F2"], r"is in FIT already \(dataset_inputs\[0\], SLAC_NC_NOTFIXED_P_EM-F2\): .* count twice"),
        (["SLAC_NC_NOTFIXED_P_EM-F2:legacy"], "is in FIT already"),
        ([BOTTOM, BOTTOM + ":legacy"], "is named twice"),
    ],
)
def test_data_that_are_in_the_fit_are_refused_with_an_explanation(small_card, data, message):
    with pytest.raises(InputError, match=message):
        with_data_added(parse_runcard(small_card), data, "FIT")


def test_old_names_of_data_in_the_fit_are_recognised(small_card):
    pytest.importorskip("nnpdf_data")
    with pytest.raises(InputError, match="is in FIT already"):
        with_data_added(parse_runcard(small_card), ["SLACP_dwsh"], "FIT")


def test_a_closure_test_and_a_set_without_fit_are_refused(closure_card):
    with pytest.raises(InputError, match="closure test"):
        with_data_added(parse_runcard(closure_card), [BOTTOM], "FIT")
    with pytest.raises(InputError, match=r"is a PDF set.*nnpdf-lite reweight"):
        estimate_impact("NNPDFLITE_dis_nnlo", [BOTTOM])


def test_data_without_tables_or_points_are_refused(written_tiny_fit):
    with pytest.raises(InputError, match="there is no variant|was not found|has no FK table"):
        estimate_impact(written_tiny_fit, ["EMC_NC_250GEV_EM-F2C:rzero"])
    with pytest.raises(InputError, match="method 'bayes': expected nnpdf or giele-keller"):
        estimate_impact(written_tiny_fit, [BOTTOM], method="bayes")


def test_the_added_set_is_the_only_change_of_the_runcard(small_card):
    card = parse_runcard(small_card)
    added = with_data_added(card, [f"{BOTTOM}:legacy"], "FIT")
    assert added.dataset_inputs[:-1] == card.dataset_inputs
    assert (added.dataset_inputs[-1].dataset, added.dataset_inputs[-1].variant) == (BOTTOM, ("legacy",))
    assert added.model_dump(exclude={"dataset_inputs"}) == card.model_dump(exclude={"dataset_inputs"})


@pytest.mark.slow
def test_from_the_command_line_with_a_refit(written_tiny_fit, tmp_path, capsys):
    """The refit lies beside the fit, of the card with the set added; the report shows both ways; a second run goes on."""
    fit = shutil.copytree(written_tiny_fit, tmp_path / "tiny", symlinks=True)
    arguments = ["impact", str(fit), "--data", f"{BOTTOM}:legacy", "--refit"]
    assert cli.main([*arguments, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["new points"] and {"before", "reweighted", "refit"} <= found["chi2"][0].keys()
    assert "ratio_refit" in found["pdfs"][0] and "differ by" in found["verdict"]
    beside = tmp_path / f"tiny_with_{BOTTOM}"
    new = nnpdf_lite.load_fit(beside)
    assert new.runcard.dataset_inputs[-1].dataset == BOTTOM and len(new.folder.finished()) == 3
    page = fit / "impact" / BOTTOM
    sections = json.loads((page / "report.json").read_text())["sections"]
    assert list(sections) == ["summary", "chi2", "uncertainties", "pdfs", "new-data", "weights"]
    html = (page / "index.html").read_text()
    assert f"Impact of {BOTTOM} on tiny" in html and "refit" in html
    assert all((page / "figures" / f"{name}.svg").is_file() for name in ("ratio-cplus", "weight-histogram", "alpha", "coverage"))
    assert cli.main(arguments) == 0
    assert "all 3 replicas are there already" in capsys.readouterr().err


def test_every_figure_draws_with_and_without_a_refit(bottom):
    for section in impact_sections(bottom, 10.0):
        for item in section.leaves():
            if hasattr(item, "draw"):
                assert item.draw(item.data, Canvas().subplots(), **item.options).get_xlabel()
                assert len(item.table())


def test_a_folder_that_holds_something_else_is_left_alone(written_tiny_fit, tmp_path, capsys):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.tex").write_text("x")
    code = cli.main(["impact", str(written_tiny_fit), "--data", BOTTOM, "-o", str(tmp_path / "mine")])
    assert code == 2 and "not an earlier report" in capsys.readouterr().err
    assert [path.name for path in (tmp_path / "mine").iterdir()] == ["thesis.tex"]
