"""What the documentation says is so: its links lead somewhere, its commands run, its messages are the program's."""

import copy
import html
import http.server
import json
import os
import re
import shutil
import subprocess
import sys
import threading
from functools import partial
from pathlib import Path

import pytest
import yaml
from toy_cards import CLOSURE, SMALL_CARD

import nnpdf_lite
from nnpdf_lite import cli

ROOT = Path(__file__).parents[1]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *ROOT.glob("*/README.md")])
if not (ROOT / "mkdocs.yml").is_file():
    pytest.skip("not a checkout", allow_module_level=True)

FENCED = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\((?!\w+:)([^)\s]+)\)")


def blocks(page):
    """Return the fenced blocks of a page: [(language, text), ...]."""
    return FENCED.findall((ROOT / page).read_text(encoding="utf-8"))


# Links


def anchors(page):
    """Return the anchors of a page's headings, as GitHub makes them."""
    text = FENCED.sub("", page.read_text(encoding="utf-8"))
    return {re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-") for heading in re.findall(r"^#+ (.*)$", text, re.MULTILINE)}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_inside_the_repository_leads_somewhere(page):
    dead = []
    for link in LINK.findall(FENCED.sub("", page.read_text(encoding="utf-8"))):
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        if not target.exists() or (anchor and anchor not in anchors(target)):
            dead.append(link)
    assert not dead


# Messages


def merged(card, change):
    """Return ``card`` with the mappings of ``change`` merged in; lists and values replace."""
    if isinstance(card, dict) and isinstance(change, dict):
        return card | {key: merged(card.get(key), value) for key, value in change.items()}
    return change


def pattern(message):
    """Return the regular expression of a message: ``...`` stands for anything, a line break for any space."""
    return r"\s+".join(".*?".join(map(re.escape, word.split("..."))) for word in message.split()) + r"\s*"


@pytest.fixture(scope="module")
def my_fit(written_tiny_fit, tmp_path_factory):
    """The tiny fit under the name that the page gives it."""
    folder = shutil.copytree(written_tiny_fit, tmp_path_factory.mktemp("errors") / "my_fit", symlinks=True)
    for path in sorted(folder.rglob("tiny*"), reverse=True):  # files before their folders
        path.rename(path.with_name(path.name.replace("tiny", "my_fit", 1)))
    return folder


def entries():
    """Return the page's sections: [(title, blocks), ...]."""
    sections = re.split(r"^### ", (ROOT / "docs" / "errors.md").read_text(encoding="utf-8"), flags=re.MULTILINE)[1:]
    return [pytest.param(FENCED.findall(text), id=text.splitlines()[0]) for text in sections]


@pytest.mark.parametrize("section", entries())
def test_a_mistake_is_answered_as_the_page_says(section, my_fit, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    Path("my.yml").write_text(yaml.safe_dump(SMALL_CARD, sort_keys=False))
    shutil.copytree(my_fit, "my_fit", symlinks=True)
    commands = 0
    for language, text in section:
        if language == "yaml":
            Path("my.yml").write_text(yaml.safe_dump(merged(copy.deepcopy(SMALL_CARD), yaml.safe_load(text)), sort_keys=False))
        elif language == "bash":
            subprocess.run(["bash", "-euc", text], check=True)
        else:
            for command, message in re.findall(r"^\$ nnpdf-lite (.*)\n((?:(?!\$ ).*\n)+)", text, re.MULTILINE):
                commands += 1
                assert cli.main(command.split()) == 2
                out, err = capsys.readouterr()
                assert out == ""
                assert re.fullmatch(pattern(message), err, re.DOTALL), err
    assert commands


# Tutorials


def sections_of(page, *titles):
    """Return the fenced blocks of a page below headings of these titles, or all of them."""
    text = (ROOT / page).read_text(encoding="utf-8")
    parts = dict(re.findall(r"^## (.*)\n((?:(?!## ).*\n)*)", text, re.MULTILINE))
    return [block for title in titles for block in FENCED.findall(parts[title])] if titles else FENCED.findall(text)


#: Cards of the names that tutorials use, quickly trained on few data.
SMALL = {
    "dis_nnlo_quick": SMALL_CARD | {"replicas": 4},
    "dis_nnlo_closure": SMALL_CARD | {"closuretest": CLOSURE},
    "new": SMALL_CARD | {"dataset_inputs": [{"dataset": "SLAC_NC_NOTFIXED_D_EM-F2", "variant": "legacy_dw"}]},
}


@pytest.fixture
def reader(tmp_path, monkeypatch):
    """What a reader of a tutorial has: a folder, the command ``nnpdf-lite``, and cards that are quick here."""
    cards = tmp_path / "own" / "runcards"
    cards.mkdir(parents=True)
    for name, card in SMALL.items():
        (cards / f"{name}.yml").write_text(yaml.safe_dump(card, sort_keys=False))
    command = tmp_path / "bin" / "nnpdf-lite"
    command.parent.mkdir()
    command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m nnpdf_lite "$@"\n')
    command.chmod(0o755)
    monkeypatch.setenv("PATH", f"{command.parent}:{os.environ['PATH']}")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]))
    monkeypatch.setenv("NNPDF_LITE_PATH", str(tmp_path / "own"))
    monkeypatch.setenv("MPLBACKEND", "Agg")
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    return tmp_path / "work"


def follow(found, **replaced):
    """Run blocks in their order, all of Python in one namespace; returns the last command's output."""
    namespace, output = {}, ""
    for language, text in found:
        for old, new in replaced.items():
            text = re.sub(rf"\b{old}\b", new, text)
        if language == "bash" and "pip install" not in text:  # .ci/run installs
            done = subprocess.run(["bash", "-euo", "pipefail", "-c", text], capture_output=True, text=True, check=False)
            assert done.returncode == 0, f"{text}\n{done.stderr}"
            output = done.stdout
        elif language == "python":
            exec(compile(text, "tutorial", "exec"), namespace)  # noqa: S102 - the page's own code
    return output


@pytest.mark.slow
def test_the_first_fit_goes_as_told(reader):
    last = follow(sections_of("docs/first-fit.md"))
    assert "without_hera" in last and "distance" in last
    assert Path("dis_nnlo_quick/report/index.html").is_file() and Path("gluon.svg").is_file()
    assert len(nnpdf_lite.load_fit("dis_nnlo_quick").replicas()) == 4 + 20
    assert [d.name for d in nnpdf_lite.load_fit("without_hera").problem.datasets] == [
        "SLAC_NC_NOTFIXED_P_EM-F2",
        "NMC_NC_NOTFIXED_EM-F2",
    ]


@pytest.fixture(scope="module")
def crowd(tmp_path_factory):
    """A fit of 160 replicas of the small card, half of which postfit keeps, with its LHAPDF set."""
    done = nnpdf_lite.fit(copy.deepcopy(SMALL_CARD), 160, tmp_path_factory.mktemp("crowd") / "my_fit", progress=False)
    done.postfit()
    done.to_lhapdf()
    return done.folder.path


@pytest.mark.slow
def test_what_can_be_made_of_sets(reader, crowd):
    shutil.copytree(crowd, "my_fit", symlinks=True)
    follow(sections_of("docs/ensembles.md"))
    made = {name: nnpdf_lite.load_set(name).errors.n for name in ("my_fit_hessian", "my_fit_40", "my_fit_new", "smaller", "unweighted")}
    assert made == {"my_fit_hessian": 50, "my_fit_40": 40, "my_fit_new": 50, "smaller": 40, "unweighted": 50}


@pytest.mark.slow
@pytest.mark.parametrize("page", ["docs/report.md", "docs/fit-folder.md"])
def test_pages_about_a_finished_fit(reader, my_fit, page):
    shutil.copytree(my_fit, "FIT", symlinks=True)
    (Path("FIT") / "postfit" / "my_fit").rename(Path("FIT") / "postfit" / "FIT")
    for path in Path("FIT/postfit/FIT").iterdir():
        path.rename(path.with_name(path.name.replace("my_fit", "FIT")))
    replaced = {"OTHER_FIT": "FIT", "LHAPDF_SET": "NNPDFLITE_dis_nnlo", "HERA_CC_318GEV_EP-SIGMARED": "SLAC_NC_NOTFIXED_P_EM-F2"}
    follow([("python", "x = [0.1, 0.2]"), *sections_of(page)], **replaced)


@pytest.mark.slow
def test_the_readme_from_python(reader):
    follow(sections_of("README.md", "From Python"))
    assert nnpdf_lite.load_set("somewhere/my_set").errors.n == 4


@pytest.mark.slow
def test_closure_tests_on_the_command_line_and_from_python(reader):
    found = sections_of("docs/closure.md")[:1] + sections_of("docs/closure.md", "From Python")
    text = found[0][1].replace("--fits 25 --replicas 40", "--fits 7 --replicas 15").splitlines()
    commands = [line for line in text if "LEVEL_" not in line]  # three tests, one of each level
    follow([("bash", "\n".join(commands)), *found[1:]], DIR="dis_nnlo_closure", OTHER_DIR="dis_nnlo_closure")


@pytest.mark.slow
@pytest.mark.parametrize("name", [path.stem for path in sorted((ROOT / "examples").glob("*.ipynb"))])
def test_a_notebook_runs_from_top_to_bottom(reader, name, monkeypatch):
    monkeypatch.delenv("MPLBACKEND")  # pictures go into the notebook
    if name == "closure_test":  # makes its own card small
        monkeypatch.delenv("NNPDF_LITE_PATH")
    nbformat, nbclient = pytest.importorskip("nbformat"), pytest.importorskip("nbclient")
    notebook = nbformat.read(ROOT / "examples" / f"{name}.ipynb", as_version=4)
    nbformat.validate(notebook)
    assert all(not cell.outputs for cell in notebook.cells if cell.cell_type == "code"), "stored with output"
    nbclient.NotebookClient(notebook, timeout=600, kernel_name="python3").execute(cwd=str(reader))
    pictures = [o for cell in notebook.cells for o in cell.get("outputs", []) if "image/png" in o.get("data", {})]
    assert pictures


@pytest.mark.slow
def test_the_first_change_of_contributing_works(reader):
    """The diff applies, the claim about it holds, and the command shows it."""
    found = dict(sections_of("CONTRIBUTING.md", "Five minutes to a first change"))
    for folder in ("nnpdf_lite", "tests", "datasets", "theory_grids", "pdfsets", "runcards"):
        shutil.copytree(ROOT / folder, folder, ignore=shutil.ignore_patterns("__pycache__"))
    subprocess.run(["git", "apply", "-"], input=found["diff"], text=True, check=True)
    with Path("tests/test_ensembles.py").open("a") as file:
        file.write("\n\n" + found["python"])
    environment = {**os.environ, "PYTHONPATH": str(reader)}
    for command in found["bash"].splitlines()[:2]:
        program = command.replace("nnpdf-lite", f"{sys.executable} -m nnpdf_lite").replace("python -m pytest", f"{sys.executable} -m pytest")
        subprocess.run([*program.split(), *(["-k", "valence_and_sea"] if "pytest" in command else [])], env=environment, check=True)
    assert Path("sea.svg").is_file()


# The site


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The built site; a warning ends the build."""
    pytest.importorskip("material")
    pytest.importorskip("mkdocstrings_handlers.python")
    target = tmp_path_factory.mktemp("site") / "site"
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(target)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return target


@pytest.mark.slow
def test_the_site_builds_and_loads_nothing_from_elsewhere(site):
    loaded = re.compile(r'<(?:script|img|link|iframe)\b[^>]*?(?:src|href)="?(https?://[^"\s>]+)')
    for page in site.rglob("*.html"):
        assert loaded.findall(page.read_text(encoding="utf-8")) == [], page
    for style in site.rglob("*.css"):
        assert not re.search(r"url\([\"']?https?:|@import", style.read_text(encoding="utf-8")), style


@pytest.mark.slow
def test_the_reference_holds_what_users_import(site):
    for page, names in {
        "index": ["nnpdf_lite.load_fit", "nnpdf_lite.load_set"],
        "ensembles": ["nnpdf_lite.ensembles.sources.PDFSet.xf", "nnpdf_lite.ensembles.distances.distance_table"],
        "closure": ["nnpdf_lite.closure.results.evaluate", "nnpdf_lite.closure.multifit.run_closure"],
        "results": ["nnpdf_lite.results.fit.Fit.chi2"],
    }.items():
        text = (site / "api" / f"{page}.html").read_text(encoding="utf-8")
        assert [name for name in names if f'id="{name}"' not in text] == []


CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
#: Opens pages of the site in frames of each width and writes down what does not fit or does not load.
CHECK = """<!DOCTYPE html><meta charset="utf-8"><body><pre id="found"></pre><script>
async function look(page, width) {
  const frame = document.createElement("iframe");
  frame.style = `position:fixed;left:0;top:0;width:${width}px;height:900px;border:0`;
  frame.src = page;
  await new Promise((done) => { frame.onload = done; document.body.append(frame); });
  await new Promise((done) => setTimeout(done, 300));
  const seen = frame.contentDocument, images = [...seen.images];
  await Promise.all(images.map((image) => image.decode().catch(() => {})));
  const found = {page, width, title: seen.title, images: images.length,
    broken: images.filter((image) => !image.naturalWidth).map((image) => image.src),
    overflow: seen.documentElement.scrollWidth - seen.documentElement.clientWidth};
  frame.remove();
  return found;
}
(async () => {
  const found = [];
  for (const page of %s) for (const width of [400, 1600]) found.push(await look(page, width));
  document.getElementById("found").textContent = JSON.stringify(found);
})();
</script>"""


@pytest.mark.slow
@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here; 'apt-get install chromium' brings it")
def test_pages_fit_narrow_and_wide_windows_and_the_console_stays_empty(site, tmp_path):
    pages = ["index", "what-is-a-pdf", "what-is-a-fit", "first-fit", "errors", "runcard", "closure", "api/ensembles"]
    (site / "check.html").write_text(CHECK % json.dumps([f"{page}.html" for page in pages]))
    handler = partial(http.server.SimpleHTTPRequestHandler, directory=str(site))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        done = subprocess.run(
            [
                CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--dump-dom", "--enable-logging=stderr",
                "--window-size=1700,1000", "--virtual-time-budget=600000", f"--user-data-dir={tmp_path / 'profile'}",
                f"http://127.0.0.1:{server.server_port}/check.html",
            ],
            capture_output=True, text=True, timeout=300, check=True,
        )  # fmt: skip
        server.shutdown()
    found = json.loads(html.unescape(re.search(r'<pre id="found">(.*?)</pre>', done.stdout, re.DOTALL)[1]))
    assert len(found) == 2 * len(pages) and sum(one["images"] for one in found) >= 16
    assert [one for one in found if one["broken"] or one["overflow"] > 0] == []
    assert re.findall(r"CONSOLE.*", done.stderr) == []
