"""Claims about completion: what a shell is offered, and what it costs those who do not ask."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from nnpdf_lite import cli
from nnpdf_lite.commands.completion import SHELLS

ROOT = Path(__file__).parents[1]


@pytest.fixture
def offered(tmp_path):
    """Return what the program offers for a line that ends where the cursor is, as a shell asks for it."""
    pytest.importorskip("argcomplete")

    def ask(line):
        answer = tmp_path / "answer"
        environment = {
            **os.environ, "_ARGCOMPLETE": "1", "_ARGCOMPLETE_IFS": "\n", "COMP_LINE": line, "COMP_POINT": str(len(line)),
            "_ARGCOMPLETE_STDOUT_FILENAME": str(answer), "PYTHONPATH": str(ROOT),
        }  # fmt: skip
        run = subprocess.run([sys.executable, "-m", "nnpdf_lite"], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
        assert run.returncode == 0 and not run.stderr and not run.stdout
        return [word.strip() for word in answer.read_text().split("\n")]

    return ask


def test_commands_options_and_choices_are_offered(offered):
    assert offered("nnpdf-lite da") == ["data", "dataset"]
    assert {"new", "check", "list", "show"} <= set(offered("nnpdf-lite dataset "))
    assert offered("nnpdf-lite impact x --ref") == ["--refit", "--refit-output"]
    assert offered("nnpdf-lite impact x --method ") == ["giele-keller", "nnpdf"]


def test_names_are_offered_where_they_belong(offered, tmp_path):
    (tmp_path / "my_fit").mkdir()
    (tmp_path / "my_fit" / "filter.yml").touch()
    (tmp_path / "my_card.yml").touch()
    assert {"dis_nnlo", "dis_nnlo_quick", "dis_nnlo_closure"} <= set(offered("nnpdf-lite run dis"))
    assert "my_card.yml" in offered("nnpdf-lite run my")
    assert offered("nnpdf-lite report my") == ["my_fit"]
    assert "HERA_CC_318GEV_EP-SIGMARED" in offered("nnpdf-lite impact my_fit --data HERA_CC")
    assert offered("nnpdf-lite reweight my_fit --theory n") == ["nnlo"]
    assert "NNPDFLITE_dis_nnlo" in offered("nnpdf-lite compare my_fit NN")
    assert set(offered("nnpdf-lite plot replica")) == {"replicas", "replica-chi2"}


@pytest.mark.parametrize("shell", SHELLS)
def test_the_script_for_a_shell_is_printed(shell, capsys):
    with pytest.raises(SystemExit) as ended:
        cli.main(["--print-completion", shell])
    out = capsys.readouterr().out
    assert not ended.value.code and "nnpdf-lite" in out and "_ARGCOMPLETE" in out


def test_the_script_is_one_bash_accepts(tmp_path, capsys):
    if shutil.which("bash") is None:
        pytest.skip("there is no bash")
    with pytest.raises(SystemExit):
        cli.main(["--print-completion", "bash"])
    (tmp_path / "completion").write_text(capsys.readouterr().out)
    run = subprocess.run(["bash", "-c", "source completion && complete -p nnpdf-lite"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert run.returncode == 0 and "nnpdf-lite" in run.stdout, run.stderr


def test_an_unknown_shell_is_an_error(capsys):
    assert cli.main(["--print-completion", "fisch"]) == 2
    assert "expected bash, zsh, fish. Did you mean 'fish'" in capsys.readouterr().err
