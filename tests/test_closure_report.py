"""The page of a closure test, and the section of a fit that is one."""

import json
import shutil

import numpy as np
import pandas as pd
import pytest
from toy_cards import CLOSURE

from nnpdf_lite import cli
from nnpdf_lite.closure.levels import levels_table
from nnpdf_lite.closure.results import evaluate
from nnpdf_lite.closure.sample import load_sample
from nnpdf_lite.errors import InputError
from nnpdf_lite.report.build import fit_page, write_closure_report
from nnpdf_lite.report.page import Figure, Page, Section, Table
from nnpdf_lite.report.sections.closure import closure, closure_sections
from nnpdf_lite.report.study import Study


@pytest.fixture(scope="module")
def page(results):
    return Page("test", "", closure_sections(results))


def figure(page, name):
    return next(one for one in page.leaves(Figure) if one.id == name)


def test_the_verdict_stands_first(page, results):
    first = page.sections[0].items[0].text
    assert first.startswith("Pass: ") and results.verdict.sentence[1:] in first
    judged = next(table for table in page.leaves(Table) if table.id == "judged").data
    assert len(judged) == results.verdict.looks and judged.sigma.abs().max() < results.verdict.threshold


def test_figures_hold_what_the_tables_say(page, results):
    """Coverage at 68.3% is xi_1, up to the grid; pulls add up; curves pass through the values of the fits."""
    curves = figure(page, "coverage").data
    data = curves[curves.space == "fitted data"]
    xi = results.table.set_index(["space", "level", "estimator"]).value["data", "total", "xi_1"]
    assert np.interp(0.6827, data.nominal, data.found) == pytest.approx(xi, abs=0.01)
    assert (data.found.between(data.low - 0.25, data.high + 0.25)).all()
    pulls = figure(page, "pulls-data").data
    assert ((pulls.high - pulls.low) * pulls.density).sum() == pytest.approx(1, abs=0.01)
    gluon = figure(page, "truth-g").data
    assert list(gluon)[:3] == ["x", "truth", "sigma"] and len(gluon.columns) == 3 + 12
    deviation = gluon.drop(columns=["x", "truth", "sigma"]).sub(gluon.truth, axis=0)
    assert np.sqrt((deviation**2).mean(axis=1) / gluon.sigma**2).median() == pytest.approx(1, abs=0.3)
    assert set(figure(page, "n-sigma").data.fit) == set(results.sample.names)


def test_the_page_is_written(results, tmp_path):
    index = write_closure_report(results, tmp_path / "closure", workers=1)
    html = index.read_text()
    for image in ("coverage", "pulls-data", "pulls-pdf", "bias-variance", "truth-Sigma", "r-bv-fitted"):
        assert f"figures/{image}.svg" in html and (index.parent / "figures" / f"{image}.svg").stat().st_size > 1000
    numbers = json.loads((index.parent / "report.json").read_text())["sections"]
    assert numbers["data"]["data-table"][-1]["name"] == "total"
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "thesis.tex").write_text("")
    with pytest.raises(InputError, match="exists and is not an earlier report"):
        write_closure_report(results, tmp_path / "thesis")


def test_a_fit_that_is_a_closure_test_says_so_in_its_report(made, tiny_fit):
    items = closure(Study(made / "fit_02"))
    names = {item.id for item in Page("", "", (Section("closure", "", items),)).leaves(Figure)}
    assert {"pulls-data", "truth-g"} <= names
    assert closure(Study(tiny_fit)) == ()
    assert "closure" not in [section.id for section in fit_page(Study(tiny_fit)).sections]


def test_level_0_shows_chi2_going_to_zero_and_expects_nothing(write_test):
    folder = write_test(1, 6, 0.3, genrep=False, closuretest={**CLOSURE, "fakenoise": False})
    page = Page("", "", closure_sections(evaluate(load_sample([folder]), samples=5)))
    assert figure(page, "chi2-epochs").data["median"].is_monotonic_decreasing
    assert "No verdict: only level 2 has expected values" in page.sections[0].items[0].text
    assert figure(page, "r-bv-pdf").options["expected"] is None


def test_the_command_line_writes_the_page_and_compares_levels(made, write_test, tmp_path, capsys):
    folder = shutil.copytree(made / "fit_01", tmp_path / "fit_01", symlinks=True)
    assert cli.main(["closure", str(folder)]) == 0
    assert (folder / "closure" / "index.html").is_file()
    zero = write_test(1, 30, 0.3, genrep=False, closuretest={**CLOSURE, "fakenoise": False})
    capsys.readouterr()
    assert cli.main(["closure", str(zero), str(made), "--levels", "--json"]) == 0
    table = pd.DataFrame(json.loads(capsys.readouterr().out))
    assert table[table.quantity == "sigma"].level_0.median() == pytest.approx(0.3, rel=0.2)
    with pytest.raises(InputError, match="--levels: expected a test of level 2 and others of level 0 or 1"):
        levels_table([made])
