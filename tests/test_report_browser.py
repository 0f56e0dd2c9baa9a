"""The report in a real browser: Debian's Chromium, without network. ``apt-get install chromium`` brings it."""

import html
import json
import re
import shutil
import subprocess

import pytest

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here; 'apt-get install chromium' brings it"),
]
WIDTHS = (400, 1600)

#: Opens the report in frames of each width, opens all that is folded or behind a tab, and writes down what it finds.
PAGE = """<!DOCTYPE html><meta charset="utf-8"><body><pre id="found"></pre><script>
const widths = %s, found = {};
async function look(width) {
  const frame = document.createElement("iframe");
  frame.style = `position:fixed;left:0;top:0;width:${width}px;height:900px;border:0`;
  frame.src = "index.html";
  await new Promise((done) => { frame.onload = done; document.body.append(frame); });
  await new Promise((done) => setTimeout(done, 500));
  const page = frame.contentDocument, root = page.documentElement, images = [...page.images];
  const lazy = images.filter((image) => image.loading === "lazy").length;
  page.querySelectorAll("details").forEach((e) => { e.open = true; });
  page.querySelectorAll(".tabs > .panel").forEach((e) => { e.style.display = "block"; });
  images.forEach((image) => { image.loading = "eager"; });
  await Promise.all(images.map((image) => image.decode().catch(() => {})));
  const here = page.querySelectorAll("nav a.here").length;
  const wide = [...page.querySelectorAll("main *")].filter((e) =>
    e.getBoundingClientRect().right > root.clientWidth + 1 && !e.parentElement.closest(".scroll, pre") && e.offsetParent);
  found[width] = {
    images: images.length, lazy, title: page.title, sections: page.querySelectorAll("section").length,
    broken: images.filter((image) => !image.naturalWidth).map((image) => image.getAttribute("src")),
    dead: [...page.querySelectorAll('a[href^="#"]')].map((a) => a.getAttribute("href")).filter((h) => !page.querySelector(h)),
    files: [...new Set([...page.querySelectorAll("a[href]")].map((a) => a.getAttribute("href")))].filter((h) => !/^(#|https?:)/.test(h)),
    overflow: root.scrollWidth - root.clientWidth, wide: wide.map((e) => e.outerHTML.slice(0, 120)),
    here,
    small: [...page.querySelectorAll("p, td, figcaption")].filter((e) => parseFloat(getComputedStyle(e).fontSize) < 11).length,
  };
  frame.remove();
}
(async () => {
  for (const width of widths) await look(width);
  document.getElementById("found").textContent = JSON.stringify(found);
})();
</script>"""


@pytest.fixture(scope="module")
def seen(tiny_report, tmp_path_factory):
    """What the browser found at each width, and what it logged."""
    site = shutil.copytree(tiny_report, tmp_path_factory.mktemp("browser") / "site")
    (site / "check.html").write_text(PAGE % json.dumps(WIDTHS))
    done = subprocess.run(
        [
            CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--allow-file-access-from-files", "--dump-dom",
            "--enable-logging=stderr", "--window-size=1700,1000", "--virtual-time-budget=120000",
            f"--user-data-dir={site.parent / 'profile'}", (site / "check.html").as_uri(),
        ],
        capture_output=True, text=True, timeout=300, check=True,
    )  # fmt: skip
    found = json.loads(html.unescape(re.search(r'<pre id="found">(.*?)</pre>', done.stdout, re.DOTALL)[1]))
    return site, found, re.findall(r"CONSOLE.*", done.stderr)


def test_the_console_stays_empty(seen):
    assert seen[2] == []


@pytest.mark.parametrize("width", [str(width) for width in WIDTHS])
def test_every_figure_loads_but_only_when_it_is_looked_at(seen, width):
    _site, found, _log = seen
    assert found[width]["broken"] == []
    assert found[width]["images"] == found[width]["lazy"] > 150


@pytest.mark.parametrize("width", [str(width) for width in WIDTHS])
def test_every_link_inside_leads_somewhere(seen, width):
    site, found, _log = seen
    assert found[width]["dead"] == []
    assert len(found[width]["files"]) > 500
    assert [name for name in found[width]["files"] if not (site / name).is_file()] == []


@pytest.mark.parametrize("width", [str(width) for width in WIDTHS])
def test_nothing_is_wider_than_the_window(seen, width):
    """With all that is folded unfolded; tables scroll in their own boxes."""
    _site, found, _log = seen
    assert (found[width]["wide"], found[width]["overflow"]) == ([], 0)
    assert found[width]["small"] == 0


def test_the_script_marks_where_the_reader_is(seen):
    assert [(found["here"], found["sections"]) for found in seen[1].values()] == [(1, 16)] * 2
