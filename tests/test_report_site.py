"""Pages as folders: what is written beside ``index.html``, and what is refused."""

import json
import re

import numpy as np
import pandas as pd
import pytest
from markupsafe import Markup
from PIL import Image

from nnpdf_lite import InputError
from nnpdf_lite.report import style
from nnpdf_lite.report.page import Code, Figure, Folded, Page, Section, Table, Tabs, Text
from nnpdf_lite.report.site import write_site

CURVE = pd.DataFrame({"x": np.linspace(0, 1, 20), "y": np.linspace(0, 1, 20) ** 2})
TABLE = pd.DataFrame({"set": ["<A>", "B"], "chi2": [1.25, np.nan], "source": ["https://arxiv.org/abs/1506.06042", ""]})


def draw_curve(data, ax, label="curve"):
    ax.plot(data.x, data.y, label=label)
    ax.legend()
    return ax


@pytest.fixture
def page():
    tabs = Tabs(
        "scale", (("linear", (Figure("linear", "linear x", draw_curve, CURVE),)), ("log", (Text("none", "missing"),)))
    )
    first = Section(
        "first", "First", (Text(Markup("a <b>bold</b> word")), tabs, Table("chi2", "per set", TABLE)), "Text & more"
    )
    folded = Folded(
        "more", (Figure("inside", "folded", draw_curve, CURVE, {"label": "other"}), Code("card.yml", "a: <1>"))
    )
    return Page("Study", "of a curve", (first, Section("second", "Second", (folded,))))


def test_every_figure_and_table_is_a_file_named_on_the_page(page, tmp_path):
    index = write_site(page, tmp_path / "site")
    html = index.read_text()
    named = set(re.findall(r'(?:src|href)="((?:figures|tables)/[^"]+)"', html))
    assert named == {f"figures/{i}.{s}" for i in ("linear", "inside") for s in ("svg", "png", "csv")} | {
        "tables/chi2.csv"
    }
    assert all((index.parent / name).stat().st_size for name in named)
    pd.testing.assert_frame_equal(pd.read_csv(index.parent / "figures/linear.csv"), CURVE, rtol=1e-3)
    with Image.open(index.parent / "figures/linear.png") as image:
        assert image.size == (686, 488)
    assert (index.parent / "card.yml").read_text() == "a: <1>"


def test_the_page_escapes_text_and_links_references(page, tmp_path):
    html = write_site(page, tmp_path / "site").read_text()
    assert "Text &amp; more" in html and "a <b>bold</b> word" in html
    assert "&lt;A&gt;" in html and "<code>a: &lt;1&gt;</code>" in html
    assert '<a href="https://arxiv.org/abs/1506.06042">arXiv:1506.06042</a>' in html
    assert '<td class="number">1.25</td>' in html and '<td class="number">–</td>' in html


def test_the_page_needs_nothing_from_elsewhere(page, tmp_path):
    """Only references that a reader may follow point out of the folder."""
    html = write_site(page, tmp_path / "site").read_text()
    assert re.findall(r'<(?!a )[^>]*(?:src|href)="(?!figures/|data:)[^"]*"', html) == []
    assert "@import" not in html and "url(" not in html


def test_every_table_is_in_the_json(page, tmp_path):
    numbers = json.loads((write_site(page, tmp_path / "site").parent / "report.json").read_text())
    assert numbers["sections"]["first"]["chi2"] == json.loads(TABLE.to_json(orient="records"))


def test_figures_drawn_in_several_processes_are_the_same(tmp_path, monkeypatch):
    """Files do not depend on who drew them, nor on when."""
    monkeypatch.setenv("PYTHONPATH", str(__file__).rpartition("/")[0])
    figures = tuple(Figure(f"f{i}", "", draw_curve, CURVE, {"label": str(i)}) for i in range(17))
    page = Page("Many", "", (Section("s", "S", figures),))
    seen = []

    def track(steps, what):
        for step in steps:
            yield step
            seen.append(what)

    alone = write_site(page, tmp_path / "alone", workers=1).parent
    shared = write_site(page, tmp_path / "shared", workers=2, track=track).parent
    for file in alone.rglob("*.*"):
        assert file.read_bytes() == (shared / file.relative_to(alone)).read_bytes()
    assert seen == ["figures"] * 17


def test_a_figure_that_cannot_be_drawn_leaves_the_old_site(page, tmp_path):
    folder = write_site(page, tmp_path / "site").parent
    before = (folder / "index.html").read_text()
    broken = Page("Broken", "", (Section("s", "S", (Figure("f", "", draw_curve, CURVE, {"lable": 1}),)),))
    with pytest.raises(TypeError, match="lable"):
        write_site(broken, folder)
    assert (folder / "index.html").read_text() == before
    assert [p.name for p in tmp_path.iterdir()] == ["site"]


def test_a_site_replaces_a_site_but_nothing_else(page, tmp_path):
    write_site(page, tmp_path / "site")
    (tmp_path / "site" / "figures" / "stale.svg").write_text("")
    write_site(page, tmp_path / "site")
    assert not (tmp_path / "site" / "figures" / "stale.svg").exists()
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "thesis.tex").write_text("years of work")
    with pytest.raises(InputError, match="mine: exists and is not an earlier report; nothing was written"):
        write_site(page, mine)
    assert (mine / "thesis.tex").read_text() == "years of work"


def test_two_parts_of_one_name_are_refused(tmp_path):
    figure = Figure("same", "", draw_curve, CURVE)
    with pytest.raises(ValueError, match="two parts of the page are called same"):
        write_site(Page("P", "", (Section("s", "S", (figure, figure)),)), tmp_path / "site")


def test_svg_figures_turn_dark_with_their_reader(tmp_path):
    style.save(style.drawn(draw_curve, CURVE, {}, (4, 3)), tmp_path / "figure.svg")
    text = (tmp_path / "figure.svg").read_text()
    assert f'[style*="stroke: {style.PALETTE[0]}"]{{stroke:{style.DARK[style.PALETTE[0]]}!important}}' in text
    assert f"stroke: {style.PALETTE[0]}; " in text  # what the rule looks for
    assert f"fill: {style.INK}" in text


def test_the_palette_tells_colours_apart_without_red_or_green():
    """Simulated deuteranopia (Machado, Oliveira, Fernandes 2009, severity 1): neighbours keep a visible distance."""
    deuteranopia = np.array(
        [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]]
    )
    rgb = np.array([[int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)] for colour in style.PALETTE])
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4) @ deuteranopia.T
    cube = np.cbrt(
        np.clip(linear, 0, 1) @ np.array([[0.4122, 0.5363, 0.0514], [0.2119, 0.6807, 0.1074], [0.0883, 0.2817, 0.63]]).T
    )
    lab = cube @ np.array([[0.2105, 0.7936, -0.0041], [1.978, -2.4286, 0.4506], [0.0259, 0.7828, -0.8087]]).T  # OKLab
    distance = np.linalg.norm(lab[:, None] - lab[None], axis=-1)[np.triu_indices(len(lab), 1)]
    assert distance.min() > 0.05
