"""The report of a fit: what its page says, by other routes, and what it says when something cannot be shown."""

import json
import re
import shutil
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.integrate import trapezoid
from toy_sets import FLAVOURS, Q, write_toy

import nnpdf_lite
from nnpdf_lite import InputError
from nnpdf_lite.data import load_dataset
from nnpdf_lite.data.catalogue import nnpdf_data_folder
from nnpdf_lite.data.covariance import UNCORRELATED
from nnpdf_lite.data.coverage import x_and_q2
from nnpdf_lite.report.build import fit_page, write_report
from nnpdf_lite.report.page import Figure, Table, Text
from nnpdf_lite.report.sections import SECTIONS
from nnpdf_lite.report.sections.fit import WORKS
from nnpdf_lite.report.study import Study

ROOT = Path(__file__).parents[1]
CHARM = "HERA_NC_318GEV_EAVG_CHARM-SIGMARED"


@pytest.fixture(scope="module")
def study(written_tiny_fit):
    return Study(written_tiny_fit, ["NNPDFLITE_dis_nnlo"])


@pytest.fixture(scope="module")
def page(study):
    """The page, of which nothing is drawn."""
    return fit_page(study)


def table(page, name):
    return next(item.data for item in page.leaves(Table) if item.id == name)


def figure(page, name):
    return next(item for item in page.leaves(Figure) if item.id == name)


def missing(page):
    """What the page cannot show, by section."""
    texts = {s.id: [i.text for i in s.leaves() if isinstance(i, Text) and i.kind == "missing"] for s in page.sections}
    return {name: found for name, found in texts.items() if found}


def test_every_section_is_there_and_holds_something(page):
    expected = [name for name, *_ in SECTIONS if name != "closure"]  # the fit is one of measurements
    assert [section.id for section in page.sections] == expected
    assert all(list(section.leaves()) for section in page.sections)
    shown = {section.id for section in page.sections if any(isinstance(i, (Figure, Table)) for i in section.leaves())}
    assert shown >= set(expected) - {"runcard"}


# Numbers by another route


def test_chi2_is_the_least_that_nuisance_parameters_leave(page, study):
    """Of a set: least squares over the shifts of its systematics, from its uncertainties, instead of a covariance."""
    shown = table(page, "chi2-dataset-table").set_index("name")
    for dataset, entry in zip(study.problem.datasets, study.data_theory):
        errors, alone = dataset.uncertainties.values, np.isin(dataset.uncertainties.kind, UNCORRELATED)
        sigma = np.sqrt(np.square(errors[:, alone]).sum(axis=1))
        beta = errors[:, ~alone & (dataset.uncertainties.kind != "SKIP")]
        system = np.vstack([beta / sigma[:, None], np.eye(beta.shape[1])])
        target = np.concatenate([(dataset.central - entry.central) / sigma, np.zeros(beta.shape[1])])
        least = np.linalg.lstsq(system, target, rcond=None)[0]
        chi2 = np.square(system @ least - target).sum() / len(dataset)
        assert shown.loc[dataset.name, "chi2_exp tiny"] == pytest.approx(chi2, rel=1e-6)


def test_arc_lengths_are_those_recorded_in_training(page, study):
    """Recorded from the export grids, shown from the LHAPDF set, whose interpolation smooths nothing at Q0."""
    shown = table(page, "arc-length-table")
    recorded = np.mean([record.arc_lengths for record in study.fit.ensemble.records], axis=0)
    np.testing.assert_allclose(shown[shown.set == "tiny (3 replicas)"].central, recorded, rtol=5e-3)


def test_sum_rules_and_luminosities_are_integrals_of_what_another_reader_reads(page, study):
    """By the trapezoidal rule on fine grids in ln x; tolerances are those between two interpolations of one grid."""
    parton = pytest.importorskip("parton")
    path = study.pdf.lhapdf.path
    members = [parton.PDF(path.name, n, pdfdir=str(path.parent)) for n in range(1, 4)]

    def xf(member, pid, x, q):
        return np.asarray(member.xfxQ(np.full(len(x), pid), x, np.full(len(x), q), grid=False))

    y = np.concatenate([np.linspace(np.log(1e-9), np.log(0.1), 800), np.log(np.linspace(0.1, 0.999999, 1500))[1:]])
    x = np.exp(y)
    momenta = [trapezoid(sum(xf(m, pid, x, 10.0) for pid in (21, *range(-5, 0), *range(1, 6))) * x, y) for m in members]
    shown = table(page, "sum-rules-table-Q10").query("set == 'tiny (3 replicas)' and rule == 'momentum'")
    assert shown.central.item() == pytest.approx(np.mean(momenta), abs=5e-4)

    shown = table(page, "luminosity-table").query("set == 'tiny (3 replicas)' and channel == 'gg'")
    mass, root = shown["mass"].iloc[8], 14_000.0
    y = np.linspace(0, np.log(root / mass) - 1e-9, 3000)
    pairs = [[xf(m, 21, mass / root * np.exp(sign * y), mass) for sign in (1, -1)] for m in members]
    values = [2 * trapezoid(one * other, y) / mass**2 for one, other in pairs]
    assert shown.central.iloc[8] == pytest.approx(np.mean(values), rel=2e-3)
    assert shown.sigma.iloc[8] == pytest.approx(np.std(values, ddof=1), rel=2e-2)


def test_figures_show_the_replicas_of_the_fit(page, study):
    drawn = figure(page, "replicas-g-Q1.65-both").table()
    own = drawn[drawn.set == "tiny (3 replicas)"]
    ensemble = study.fit.ensemble
    gluon = ensemble.at(own.x.to_numpy())[:, :, 2] * own.x.to_numpy()
    np.testing.assert_allclose(own[["replica_1", "replica_2", "replica_3"]].to_numpy().T, gluon, rtol=1e-3, atol=1e-4)
    np.testing.assert_allclose(own.central, gluon.mean(axis=0), rtol=1e-3, atol=1e-4)
    other = drawn[drawn.set != "tiny (3 replicas)"]
    assert other.set.unique() == ["NNPDFLITE_dis_nnlo"] and other.sigma.isna().all()


def test_every_point_of_every_set_is_drawn_once_in_the_units_of_the_measurement_and_as_ratio(page, study):
    for dataset in study.problem.datasets:
        stem = dataset.name.replace("_", "-")
        for kind in ("data", "ratio"):
            parts = [f.table() for f in page.leaves(Figure) if re.fullmatch(rf"{kind}-{stem}-\d+", f.id)]
            points = pd.concat(parts).sort_values("point")
            assert points.point.tolist() == dataset.kept.tolist()
            np.testing.assert_array_equal(points.data, dataset.central)
            central = study.central_predictions(study.against[0])
            start = [d.name for d in study.problem.datasets].index(dataset.name)
            first = sum(len(d) for d in study.problem.datasets[:start])
            np.testing.assert_array_equal(points["NNPDFLITE_dis_nnlo"], central[first : first + len(dataset)])


def test_the_coverage_of_dis_is_its_kinematics_and_of_a_collider_two_partons():
    dataset = load_dataset(CHARM, "legacy")
    np.testing.assert_array_equal(x_and_q2(dataset), dataset.kinematics[["x", "Q2"]])
    if nnpdf_data_folder() is None:
        pytest.skip("sets of hadron collisions come with the package nnpdf-data")
    lepton = load_dataset("LHCB_Z0_8TEV_MUON_Y")
    points = x_and_q2(lepton)
    assert len(points) == 2 * len(lepton)
    first, second = points.x.to_numpy().reshape(2, -1)
    np.testing.assert_allclose(first * second, lepton.kinematics["m_Z2"] / 8000.0**2, rtol=1e-3)  # x1 x2 = M^2 / s
    np.testing.assert_allclose(0.5 * np.log(first / second), lepton.kinematics["y"], rtol=1e-9)


def test_every_citation_of_the_project_is_on_the_page():
    cited = set(re.findall(r"arXiv:(\d{4}\.\d{4,5})", (ROOT / "CITATION.cff").read_text()))
    assert cited and cited <= {link.rsplit("/", 1)[1] for *_, link in WORKS}


# What cannot be shown


def test_a_set_of_one_member_is_compared_by_pulls_and_has_no_correlations(page):
    texts = [item.text for item in page.leaves(Text) if item.kind == "note"]
    assert any("distances need replicas of both sets, so pulls are shown" in text for text in texts)
    assert figure(page, "pull-1-Q10").table()["pull"].notna().all()
    said = missing(page)
    assert set(said) == {"correlations"}
    assert said["correlations"] == ["NNPDFLITE_dis_nnlo: one member, so no correlations."]


def test_a_fit_without_its_lhapdf_set_says_what_to_run_and_shows_the_rest(tiny_fit):
    page = fit_page(Study(tiny_fit))
    said = missing(page)
    assert {"pdfs", "uncertainties", "luminosities", "arc-lengths", "exponents", "sum-rules", "correlations"} <= set(
        said
    )
    assert all(f"run 'nnpdf-lite evolve {tiny_fit}' first" in said[name][0] for name in set(said) - {"distances"})
    assert said["distances"] == ["There is nothing to compare with: give another fit or PDF set with --against."]
    assert np.isfinite(table(page, "chi2-dataset-table")["chi2_t0 tiny"]).all()
    assert (
        figure(page, "training-curves")
        and figure(page, "positivity")
        and figure(page, f"data-{CHARM.replace('_', '-')}-1")
    )


def test_one_replica_is_a_set_without_uncertainty(written_tiny_fit, tmp_path):
    alone = Path(shutil.copytree(written_tiny_fit, tmp_path / "alone", symlinks=True))
    for n in (2, 3):
        shutil.rmtree(alone / "nnfit" / f"replica_{n}")
    shutil.rmtree(alone / "postfit")
    fit = nnpdf_lite.load_fit(alone)
    fit.postfit()
    fit.to_lhapdf()
    page = fit_page(Study(alone))
    said = missing(page)
    assert set(said) == {"uncertainties", "distances", "exponents", "correlations"}
    assert (said["uncertainties"], said["correlations"]) == (
        ["alone: one member, no uncertainty"],
        ["alone: one member, so no correlations."],
    )
    assert figure(page, "pdf-g-Q10-log").table().sigma.isna().all()


def test_another_q0_or_fewer_flavours_leave_a_set_out_of_what_it_cannot_show(written_tiny_fit, tmp_path):
    without_charm = [pid for pid in FLAVOURS if abs(pid) != 4]
    high = write_toy(tmp_path / "high", [[1, 0], [0, 1]], q=Q[1:])
    three = write_toy(tmp_path / "three", [[1, 0], [0, 1]], flavours=without_charm)
    study = Study(written_tiny_fit, [high, three])
    page = fit_page(study)
    said = missing(page)
    assert said["chi2"] == [
        next(text for text in said["chi2"] if text.startswith("high is not shown: PDF set high covers 4.92"))
    ]
    assert "high (2 replicas) is not shown at Q = 1.65 GeV: it covers 4.92 < Q < 1e+04 GeV." in said["pdfs"]
    assert any(
        "three (2 replicas) is not shown for c+: it does not hold these partons." in text for text in said["pdfs"]
    )
    labels = {
        name: set(figure(page, name).table().set) for name in ("pdf-g-Q1.65-log", "pdf-g-Q10-log", "pdf-cplus-Q10-log")
    }
    assert labels["pdf-g-Q1.65-log"] == {"tiny (3 replicas)", "three (2 replicas)"}
    assert labels["pdf-g-Q10-log"] == {"tiny (3 replicas)", "three (2 replicas)", "high (2 replicas)"}
    assert labels["pdf-cplus-Q10-log"] == {"tiny (3 replicas)", "high (2 replicas)"}


def test_two_sets_of_one_name_are_told_apart_by_their_folders(written_tiny_fit, tmp_path):
    other = shutil.copytree(written_tiny_fit, tmp_path / "elsewhere" / "tiny", symlinks=True)
    study = Study(written_tiny_fit, [other])
    assert study.names == (f"{written_tiny_fit.parent.name}/tiny", "elsewhere/tiny")
    assert study.label(study.against[0]) == "elsewhere/tiny (3 replicas)"


def test_a_fit_that_postfit_empties_says_so(written_tiny_fit, tmp_path):
    empty = Path(shutil.copytree(written_tiny_fit, tmp_path / "empty", symlinks=True))
    for file in empty.glob("nnfit/replica_*/*.json"):
        file.write_text(file.read_text().replace("POS_PASS", "POS_VETO"))
    with pytest.raises(InputError, match="postfit leaves none of 3 replicas"):
        write_report(empty)
    assert not (empty / "report").exists()


def test_mistakes_are_found_before_anything_is_written(written_tiny_fit, tmp_path):
    with pytest.raises(InputError, match=r"nowhere: there is no such fit folder"):
        write_report(tmp_path / "nowhere")
    with pytest.raises(InputError, match="PDF set 'NNPDFLITE_dis_nlo' not found.*Did you mean 'NNPDFLITE_dis_nnlo'"):
        write_report(written_tiny_fit, ["NNPDFLITE_dis_nlo"], tmp_path / "report")
    with pytest.raises(InputError, match="NNPDFLITE_dis_nnlo: there is no such fit folder"):
        write_report("NNPDFLITE_dis_nnlo", [], tmp_path / "report")
    assert not (tmp_path / "report").exists()


# The page as written


class Numbers(HTMLParser):
    """Collects the cells of every table of the page, by the table's id."""

    def __init__(self):
        super().__init__()
        self.tables, self.inside = {}, False

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        if tag in ("figure", "dl") and ("table" in attributes.get("class", "") or tag == "dl"):
            self.tables[attributes["id"]] = self.rows = []
        elif tag in ("tbody", "dl"):
            self.rows.clear()
        if tag == "tr" or (tag == "div" and self.tables and "class" not in attributes):
            self.rows.append([])
        self.inside = tag in ("td", "dt", "dd")
        if self.inside:
            self.rows[-1].append("")

    def handle_endtag(self, tag):
        self.inside = self.inside and tag not in ("td", "dt", "dd")

    def handle_data(self, text):
        if self.inside:
            self.rows[-1][-1] += text


@pytest.mark.slow
def test_every_number_of_the_page_is_in_a_file_beside_it(tiny_report):
    reader = Numbers()
    reader.feed((tiny_report / "index.html").read_text())
    stored = {
        name: rows
        for tables in json.loads((tiny_report / "report.json").read_text())["sections"].values()
        for name, rows in tables.items()
    }
    assert set(reader.tables) == set(stored) and len(stored) > 15
    for name, rows in reader.tables.items():
        file = pd.read_csv(tiny_report / "tables" / f"{name}.csv", keep_default_na=False)
        rows = [row for row in rows if row]
        assert len(rows) == len(file) == len(stored[name])
        for row, values, record in zip(rows, file.itertuples(index=False), stored[name]):
            for cell, value, number in zip(row, values, record.values()):
                if isinstance(number, float):
                    assert float(value) == pytest.approx(number, rel=1e-9, abs=1e-12)
                    digits, _, power = cell.replace("\N{MINUS SIGN}", "-").partition("e")
                    last = 10.0 ** (int(power or 0) - len(digits.partition(".")[2]))
                    assert float(digits) * 10.0 ** int(power or 0) == pytest.approx(number, rel=6e-4, abs=0.51 * last)


@pytest.mark.slow
def test_every_figure_has_its_data_and_the_whole_is_small(tiny_report):
    figures = {path.stem for path in (tiny_report / "figures").glob("*.svg")}
    assert len(figures) > 150
    for suffix in ("png", "csv"):
        assert {path.stem for path in (tiny_report / "figures").glob(f"*.{suffix}")} == figures
    assert sum(path.stat().st_size for path in tiny_report.rglob("*.*")) < 15e6
