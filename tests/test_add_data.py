"""Claims about docs/add-data.md: its commands do what it says, as they are written."""

import importlib.util
import json
import os
import shutil
import subprocess
import sys

import pytest
from pages import ROOT, take

PAGE = take("docs/add-data.md")
TABLE = ROOT / "docs" / "data" / "HEPData-ins180921-v1-Table_1.csv"
NAME = "EMC_NC_22GEV_MUFE_F2C"


def of_language(language):
    return [text for kind, text in PAGE if kind == language]


COMMANDS = [line for text in of_language("bash") for line in text.splitlines()]


@pytest.fixture
def shell(tmp_path):
    """Run a line in a shell in a folder that holds the table alone, with ``nnpdf-lite`` on the path.

    Tables are built by the Python that NNPDF_LITE_THEORY_PYTHON names, where this one lacks the extra [theory].
    """
    shutil.copy(TABLE, tmp_path)
    theory = sys.executable if importlib.util.find_spec("yadism") else os.environ.get("NNPDF_LITE_THEORY_PYTHON")
    programs = tmp_path / ".bin"
    programs.mkdir()
    chosen = f'python={sys.executable}; [ "$1" = theory ] && python={theory or sys.executable}'
    (programs / "nnpdf-lite").write_text(f'#!/bin/sh\n{chosen}\nPYTHONPATH={ROOT} exec $python -m nnpdf_lite "$@"\n')
    (programs / "nnpdf-lite").chmod(0o755)
    environment = {**os.environ, "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}"}

    def run(line):
        return subprocess.run(line, shell=True, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)

    run.can_build = theory is not None
    return run


def test_the_dataset_is_made_as_the_page_shows(shell):
    """The command of the page prints what the page prints."""
    made = shell(next(line for line in COMMANDS if "dataset new" in line))
    assert made.returncode == 0, made.stderr
    assert made.stdout.strip() == of_language("text")[0].strip()
    for line in COMMANDS:
        if "dataset check" in line and "--theory" not in line:
            checked = shell(line)
            assert checked.returncode == 0 and "no mistakes" in checked.stdout


@pytest.mark.slow
def test_every_command_of_the_page_in_a_row(shell, tmp_path):
    """From the table to the impact: the refit describes the new data better than the fit and the reweighted fit did."""
    if not shell.can_build:
        pytest.skip("yadism is not installed (extra [theory]), and NNPDF_LITE_THEORY_PYTHON names no Python that has it")
    for line in COMMANDS:
        done = shell(line)
        assert done.returncode == 0, f"{line}\n{done.stdout}\n{done.stderr}"
    report = json.loads((tmp_path / "dis_nnlo_quick" / "impact" / NAME / "report.json").read_text())
    new = report["sections"]["chi2"]["chi2-table"][0]
    assert new["name"] == NAME and new["ndata"] == 16
    assert new["refit"] < 2.5 < new["before"] and new["refit"] < new["reweighted"]
    python = shell(f"PYTHONPATH={ROOT} {sys.executable} - <<'END'\n{of_language('python')[0]}\nassert impact.posterior.name == new.folder.name\nEND")
    assert python.returncode == 0, python.stderr
