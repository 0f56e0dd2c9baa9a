"""The documentation: its links lead somewhere, its messages are the program's, its site builds and fits a window."""

import copy
import html
import http.server
import json
import re
import shutil
import subprocess
import sys
import threading
from functools import partial
from pathlib import Path

import pytest
import test_add_data  # noqa: F401 - follows a page
import test_n3fit  # noqa: F401
import test_tutorials  # noqa: F401
import yaml
from pages import FENCED, FOLLOWED, ROOT, blocks, sections, take
from toy_cards import SMALL_CARD

from nnpdf_lite import cli

PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *ROOT.glob("*/README.md")])
if not (ROOT / "mkdocs.yml").is_file():
    pytest.skip("not a checkout", allow_module_level=True)

LINK = re.compile(r"\]\((?!\w+:)([^)\s]+)\)")


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


# Commands and code

#: What a reader may type or copy; what programs print, folders and formulas are `text`.
CODE = ("bash", "python", "yaml", "console", "diff")
#: Sections with commands that another file runs, which names the page.
ELSEWHERE = {
    ("README.md", ""): ".ci/run",
    ("docs/from-n3fit.md", "NNPDF's programs on our fits"): "tests/external/test_nnpdf_programs.py",
}
PROGRAM = re.compile(
    r"^\s*(\$ |nnpdf-lite |dask |python3? |pip |evolven3fit |postfit |import |from \w+ import )", re.MULTILINE
)
CODED = ["README.md", *sorted(str(path.relative_to(ROOT)) for path in (ROOT / "docs").rglob("*.md"))]


@pytest.mark.parametrize("page", CODED)
def test_a_test_follows_every_section_that_has_commands_or_code(page):
    with_code = {
        (page, title) for title, found in sections(page).items() if any(language in CODE for language, _ in found)
    }
    forgotten = with_code - FOLLOWED - ELSEWHERE.keys()
    assert not forgotten, f"no test runs the blocks of {sorted(forgotten)}; see `follows` in tests/pages.py"


@pytest.mark.parametrize("page", CODED[1:])
def test_blocks_say_what_they_are(page):
    """So that no command hides in a block without a language, and all of them are coloured alike."""
    assert {language for language, _ in blocks(page)} <= {*CODE, "text"}
    assert [text for language, text in blocks(page) if language == "text" and PROGRAM.search(text)] == []


def test_what_runs_elsewhere_is_run_there():
    for (page, _), file in ELSEWHERE.items():
        assert page.removeprefix("docs/").removesuffix(".md") in (ROOT / file).read_text(encoding="utf-8")


# Messages


def merged(card, change):
    """Return ``card`` with the mappings of ``change`` merged in; lists and values replace."""
    if isinstance(card, dict) and isinstance(change, dict):
        return card | {key: merged(card.get(key), value) for key, value in change.items()}
    return change


def pattern(message):
    """Return the regular expression of a message: ``...`` stands for anything, a line break for any space."""
    return r"\s+".join(".*?".join(map(re.escape, word.split("..."))) for word in message.split()) + r"\s*"


def entries():
    """Return the page's sections: [(title, blocks), ...]."""
    take("docs/errors.md")
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
