"""Claims about the project's own files: one version, a citation that is valid, quick starts, settings that name real things."""

import re
from pathlib import Path

import pytest
import yaml

import nnpdf_lite

ROOT = Path(__file__).parents[1]
if not (ROOT / "setup.cfg").is_file():
    pytest.skip("not a checkout", allow_module_level=True)
VERSION = nnpdf_lite.__version__


def test_the_version_is_semantic_and_stands_in_one_place():
    assert re.fullmatch(r"(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)(-[0-9A-Za-z.-]+)?", VERSION)
    assert "version = attr: nnpdf_lite.__version__" in (ROOT / "setup.cfg").read_text()


def test_citation_and_changelog_are_of_this_version():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert citation["version"] == VERSION
    newest = re.search(r"^## (.*)$", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE)[1]
    assert re.fullmatch(rf"{re.escape(VERSION)}, (unreleased|\d{{4}}-\d\d-\d\d)", newest)


def test_the_citation_fulfils_the_schema_of_its_format():
    citation = pytest.importorskip("cffconvert").Citation((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    citation.validate()
    assert "nnpdf_lite" in citation.as_bibtex()


def test_the_workflow_runs_each_supported_python():
    workflow = yaml.safe_load((ROOT / ".github" / "workflows" / "ci.yml").read_text())
    supported = re.findall(r"Programming Language :: Python :: (3\.\d+)", (ROOT / "setup.cfg").read_text())
    assert workflow["jobs"]["test"]["strategy"]["matrix"]["python"] == supported
    assert any(step.get("run") == ".ci/run" for step in workflow["jobs"]["test"]["steps"])
    assert (ROOT / ".ci" / "run").stat().st_mode & 0o100


def test_commit_hooks_need_no_network():
    hooks = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())
    assert [repository["repo"] for repository in hooks["repos"]] == ["local"]
