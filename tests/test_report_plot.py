"""``nnpdf-lite plot``: every figure by its name, and figures as functions for a notebook."""

import re
from xml.etree import ElementTree

import matplotlib
import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image

from nnpdf_lite import InputError, cli
from nnpdf_lite.ensembles import load_set
from nnpdf_lite.report.figures import Curve, Curves, bands, replicas, uncertainty
from nnpdf_lite.report.figures.curves import set_xscale
from nnpdf_lite.report.registry import FIGURES, draw
from nnpdf_lite.report.study import Study

CHARM = "HERA_NC_318GEV_EAVG_CHARM-SIGMARED"
NEEDED = {"data-theory": {"dataset": CHARM}, "data-ratio": {"dataset": CHARM}}


@pytest.fixture(scope="module")
def study(written_tiny_fit):
    return Study(written_tiny_fit, [written_tiny_fit.parent / "tiny"])


@pytest.mark.parametrize("name", FIGURES)
def test_every_figure_can_be_drawn_by_its_name(name, study, tmp_path):
    path = draw(name, study, tmp_path / "figure.svg", **NEEDED.get(name, {}))
    root = ElementTree.parse(path).getroot()
    assert float(root.get("width").removesuffix("pt")) > 300
    assert len(list(root.iter("{http://www.w3.org/2000/svg}path"))) > 20
    assert [p.name for p in tmp_path.iterdir()] == ["figure.svg"]


def test_the_command_writes_each_format_and_prints_the_path(written_tiny_fit, tmp_path, capsys):
    for suffix, start in (("svg", b"<?xml"), ("png", b"\x89PNG"), ("pdf", b"%PDF")):
        path = tmp_path / f"u.{suffix}"
        arguments = ["plot", "pdf", written_tiny_fit, "--flavour", "u", "--q", "100", "--xscale", "linear", "-o", path]
        assert cli.main([str(a) for a in arguments]) == 0
        assert capsys.readouterr().out == f"{path}\n"
        assert path.read_bytes().startswith(start)
    with Image.open(tmp_path / "u.png") as image:
        assert image.width > 600


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["pdff"], "there is no figure 'pdff'. Did you mean 'pdf'? Figures: overview, pdf, replicas"),
        (["pdf", "--dataset", CHARM], "figure 'pdf' takes no --dataset; it takes --flavour, --q, --xscale"),
        (["pdf", "--flavour", "gg"], "flavour"),
        (["pdf", "--q", "0.1"], "is not shown at Q = 0.1 GeV: it covers 1.65"),
        (["pdf", "--xscale", "lin"], "xscale 'lin': expected log, linear, both."),
        (["data-theory", "--dataset", "HERA_CHARM"], "dataset 'HERA_CHARM' is not in the fit; there: SLAC"),
        (["data-theory", "--dataset", CHARM, "--part", "2"], f"part 2: {CHARM} is drawn in 1 figure"),
        (["data-theory"], "figure 'data-theory' needs --dataset"),
        (["luminosity", "--channel", "gk"], "channel 'gk': expected gg, gq, qq, qqbar."),
        (["exponent", "--exponent", "gamma"], "exponent 'gamma': expected alpha or beta."),
        (["distance"], "distances are between two sets: name another one with --against"),
        (
            ["chi2", "--level", "dataste"],
            "level 'dataste': expected dataset, experiment, process. Did you mean 'dataset'?",
        ),
    ],
)
def test_a_mistake_is_one_line_and_nothing_is_written(arguments, words, written_tiny_fit, tmp_path, capsys):
    name, *options = arguments
    code = cli.main(["plot", name, str(written_tiny_fit), *options, "-o", str(tmp_path / "figure.svg")])
    out, err = capsys.readouterr()
    assert (code, out) == (2, "")
    assert err.startswith("error: ") and err.count("\n") == 1
    assert re.sub(r"\s+", " ", words) in err.replace(", there", "; there")
    assert not list(tmp_path.iterdir())


def test_another_format_is_refused(written_tiny_fit, tmp_path, capsys):
    assert cli.main(["plot", "pdf", str(written_tiny_fit), "-o", str(tmp_path / "figure.gif")]) == 2
    assert "expected a name that ends in .svg, .png, .pdf" in capsys.readouterr().err


def test_a_pdf_set_alone_has_figures_of_pdfs_but_none_of_data(tmp_path):
    study = Study("NNPDFLITE_dis_nnlo")
    draw("pdf", study, tmp_path / "g.svg")
    with pytest.raises(InputError, match="NNPDFLITE_dis_nnlo is a PDF set; a fit is needed to show data and training"):
        draw("chi2", study, tmp_path / "chi2.svg")


def test_figures_draw_on_axes_of_a_notebook(written_tiny_fit):
    """Labels as the field writes them, the legend names set and replicas, the band is one sigma."""
    pdf, x = load_set(written_tiny_fit), np.geomspace(1e-4, 0.9, 30)
    members = pdf.xf("Sigma", x, 10.0)
    data = Curves(x, (Curve.of(pdf.label, members, with_replicas=True),), "$x$", r"$x\Sigma(x, Q)$", "Q = 10 GeV")
    ax = Figure().subplots()
    assert bands(data, ax) is ax
    assert (ax.get_xscale(), ax.get_xlabel(), ax.get_ylabel()) == ("log", "$x$", r"$x\Sigma(x, Q)$")
    assert ax.get_title("right") == "Q = 10 GeV"
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["tiny (3 replicas)", "68% (band: 1σ)"]
    heights = ax.collections[0].get_paths()[0].vertices[:, 1]
    assert heights.max() == pytest.approx((members.central + members.sigma).max())
    ax = replicas(data, Figure().subplots(), "linear")
    np.testing.assert_allclose([s[:, 1] for s in ax.collections[0].get_segments()], members.replicas)
    ax = uncertainty(data, Figure().subplots(), "both")
    np.testing.assert_allclose(ax.lines[0].get_ydata(), 100 * members.sigma / np.abs(members.central))


def test_the_scale_of_both_kinds_is_smooth_and_its_own_inverse():
    ax = Figure().subplots()
    set_xscale(ax, "both")
    scale = ax.xaxis.get_transform()
    x = np.geomspace(1e-6, 1, 200)
    np.testing.assert_allclose(scale.inverted().transform(scale.transform(x)), x, rtol=1e-9)
    steps = np.diff(scale.transform(np.array([0.1 - 2e-6, 0.1 - 1e-6, 0.1, 0.1 + 1e-6])))
    assert steps == pytest.approx(steps[-1], rel=1e-4)


def test_drawing_leaves_the_settings_of_matplotlib_alone(study, tmp_path):
    before = dict(matplotlib.rcParams)
    draw("training", study, tmp_path / "training.png")
    assert dict(matplotlib.rcParams) == before
