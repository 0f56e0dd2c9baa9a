"""The command line, as a user meets it: what each verb prints, where, and with which exit code."""

import io
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from rich.console import Console

import nnpdf_lite
from nnpdf_lite import cli
from nnpdf_lite.commands.tables import print_json, print_table
from nnpdf_lite.commands.usage import replica_numbers
from nnpdf_lite.fit.training_task import Progress
from nnpdf_lite.results import progress
from nnpdf_lite.runcard import find_runcard, json_schema

ROOT = Path(__file__).parents[1]
VERBS = ("run", "fit", "validate", "data", "chi2", "postfit", "evolve", "schema")
SETS = ["SLAC_NC_NOTFIXED_P_EM-F2", "NMC_NC_NOTFIXED_EM-F2", "HERA_NC_318GEV_EAVG_CHARM-SIGMARED"]


@pytest.fixture
def card_file(tmp_path, small_card):
    path = tmp_path / "small.yml"
    path.write_text(yaml.safe_dump(small_card))
    return path


@pytest.fixture
def fit_copy(tmp_path, tiny_fit):
    """A finished fit that a test may change."""
    return Path(shutil.copytree(tiny_fit, tmp_path / "tiny", symlinks=True))


def shell(*arguments, **options):
    environment = {**os.environ, "PYTHONPATH": str(ROOT), **options.pop("env", {})}
    return subprocess.run(
        [sys.executable, "-m", "nnpdf_lite", *map(str, arguments)], capture_output=True, text=True, env=environment, check=False,
        **options,
    )  # fmt: skip


def rows(table):
    """Read an aligned table: words of each line that is not empty."""
    return [line.split() for line in table.splitlines() if line.strip()]


# Help and usage


def test_help_names_every_command_and_shows_examples(capsys):
    with pytest.raises(SystemExit) as done:
        cli.main(["--help"])
    text = capsys.readouterr().out
    assert done.value.code == 0
    assert all(re.search(rf"^    {verb}\b", text, re.MULTILINE) for verb in VERBS)
    assert "nnpdf-lite run dis_nnlo_quick" in text


@pytest.mark.parametrize("verb", VERBS)
def test_each_command_has_help_with_an_example(verb, capsys):
    with pytest.raises(SystemExit) as done:
        cli.main([verb, "--help"])
    text = capsys.readouterr().out
    assert done.value.code == 0
    assert f"example: nnpdf-lite {verb}" in text
    assert max(map(len, text.splitlines())) <= 80 or os.environ.get("COLUMNS")


def test_help_and_mistakes_of_usage_load_no_library():
    code = (
        "import sys; from nnpdf_lite import cli; cli.main(['fitt']); cli.main([]);"
        "print(*{'numpy', 'pandas', 'pydantic', 'rich', 'tensorflow'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True)
    assert not done.stdout.strip()


def test_version(capsys):
    with pytest.raises(SystemExit):
        cli.main(["--version"])
    assert capsys.readouterr().out == f"nnpdf-lite {nnpdf_lite.__version__}\n"


def test_without_a_command_the_help_comes_on_standard_error(call):
    code, out, err = call()
    assert (code, out) == (2, "")
    assert "commands:" in err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["fitt", "card.yml"], "there is no command 'fitt'. Did you mean 'fit'?"),
        (["nonsense"], "Commands: run, fit, validate, data, chi2, postfit"),
        (["fit"], "required: RUNCARD (see 'nnpdf-lite fit --help')"),
        (["fit", "a.yml", "b.yml"], "one argument too many: 'b.yml'"),
        (["run", "a.yml", "--replicsa", "1-3"], "no option '--replicsa'. Did you mean '--replicas'?"),
        (["run", "a.yml", "--out=here"], "no option '--out=here'. Did you mean '--output'?"),
        (["fit", "a.yml", "--replicas"], "--replicas: expected one argument"),
        (["fit", "a.yml", "--replicas", "3-1"], "'3-1': expected replica numbers up to 9999, such as 1-50"),
        (["fit", "a.yml", "--replicas", "1;2"], "'1;2': expected replica numbers"),
        (["fit", "a.yml", "--checkpoint", "nan"], "'nan': expected a number of seconds"),
    ],
)
def test_a_mistake_of_usage_is_one_line_and_exit_code_2(call, arguments, words):
    code, out, err = call(*arguments)
    assert (code, out) == (2, "")
    assert words in err
    assert err.startswith("error: ") and err.count("\n") == 1


@pytest.mark.parametrize("arguments", [["--debug", "data", "nowhere.yml"], ["data", "nowhere.yml", "--debug"]])
def test_debug_shows_the_traceback_wherever_it_stands(arguments):
    with pytest.raises(nnpdf_lite.InputError, match="nowhere.yml"):
        cli.main(arguments)


def test_replica_numbers_may_be_ranges_and_lists():
    assert replica_numbers("1-3, 7,2") == [1, 2, 3, 7]


def test_an_interrupt_says_how_to_go_on(call, card_file, monkeypatch):
    def interrupted(*arguments, **options):
        raise KeyboardInterrupt

    monkeypatch.setattr("nnpdf_lite.results.run.run_fit", interrupted)
    code, _out, err = call("fit", card_file)
    assert code == 130
    assert "--resume" in err


# What the verbs print


def test_validate_counts_what_would_be_fitted(call, card_file):
    code, out, err = call("validate", card_file)
    assert (code, err) == (0, "")
    assert re.match(rf"{re.escape(str(card_file))}: valid; 3 sets, \d+ points, theory ", out)
    report = json.loads(call("validate", card_file, "--json")[1])
    assert report["valid"] is True
    assert f"{report['ndata']} points" in out


def test_data_lists_points_before_and_after_cuts_uncertainties_and_tables(call, card_file):
    code, out, err = call("data", card_file)
    assert (code, err) == (0, "")
    table = {row[1]: row for row in rows(out)}
    assert {*SETS, "NNPDF_POS_2P24GEV_F2U", "NNPDF_INTEG_3GEV_XT3"} <= set(table)
    # points, kept; uncorrelated, correlated, shared, multiplicative sources; operation, hadrons, FK tables
    assert table["NMC_NC_NOTFIXED_EM-F2"] == (
        ["data", "NMC_NC_NOTFIXED_EM-F2", "legacy_dw", "NMC", "260", "121", "1", "5", "100", "0", "RATIO", "1", "NMC_NC_EM_D_F2", "NMC_NC_EM_P_F2"]
    )
    assert "3 sets, 191 of 523 points kept; 2 positivity sets; 1 integrability set" in out
    records = json.loads(call("data", card_file, "--json")[1])
    assert [record["name"] for record in records][:3] == SETS
    assert records[1]["fk_tables"] == "NMC_NC_EM_D_F2 NMC_NC_EM_P_F2"


def test_chi2_of_a_set_per_dataset_experiment_and_in_total(call, card_file):
    code, out, err = call("chi2", card_file, "--pdf", "NNPDFLITE_dis_nnlo")
    assert (code, err) == (0, "")
    assert [row[:2] for row in rows(out)] == [
        ["level", "name"], *(["dataset", name] for name in SETS), ["experiment", "SLAC"], ["experiment", "NMC"],
        ["experiment", "HERA"], ["total", "total"],
    ]  # fmt: skip
    records = json.loads(call("chi2", card_file, "--pdf", "NNPDFLITE_dis_nnlo/0", "--json")[1])
    assert [list(record) for record in records] == [["level", "name", "ndata", "chi2_t0", "chi2_exp"]] * 7
    for row, record in zip(rows(out)[1:], records):
        assert float(row[3]) == pytest.approx(record["chi2_t0"], abs=6e-4)
    assert 0.5 < records[-1]["chi2_t0"] < 1.5


def test_without_a_t0_set_there_is_no_t0_chi2(call, card_file, small_card):
    del small_card["datacuts"]["t0pdfset"]
    card_file.write_text(yaml.safe_dump(small_card))
    assert rows(call("chi2", card_file, "--pdf", "NNPDFLITE_dis_nnlo")[1])[-1][3] == "-"
    assert json.loads(call("chi2", card_file, "--pdf", "NNPDFLITE_dis_nnlo", "--json")[1])[-1]["chi2_t0"] is None


def test_chi2_of_a_fit_is_that_of_its_python_object(call, tiny_fit):
    records = json.loads(call("chi2", tiny_fit, "--json")[1])
    expected = nnpdf_lite.load_fit(tiny_fit).chi2()
    assert [record["chi2_t0"] for record in records] == expected.chi2_t0.tolist()


def test_postfit_tabulates_the_vetoes(call, fit_copy):
    code, out, err = call("postfit", fit_copy)
    assert (code, err) == (0, "")
    assert "positivity" in out and "arc length Sigma" in out
    assert out.endswith("\n3 of 3 replicas kept\n")
    assert sorted(link.name for link in (fit_copy / "postfit").glob("replica_*")) == [f"replica_{i}" for i in (1, 2, 3)]
    assert {record["failed"] for record in json.loads(call("postfit", fit_copy, "--json")[1])} == {0}


def test_evolve_writes_a_set_that_describes_the_data_as_the_fit_does(call, fit_copy, tmp_path):
    code, out, err = call("evolve", fit_copy)
    assert (code, out, err) == (0, f"{fit_copy}/postfit/tiny\n", "")
    elsewhere = tmp_path / "sets" / "mine"
    assert call("evolve", fit_copy, "--output", elsewhere)[:2] == (0, f"{elsewhere}\n")
    of_fit, of_set = (json.loads(call("chi2", fit_copy, *more, "--json")[1]) for more in ([], ["--pdf", elsewhere]))
    assert of_set[-1]["chi2_t0"] == pytest.approx(of_fit[-1]["chi2_t0"], rel=1e-3)


@pytest.mark.slow
def test_run_on_a_finished_fit_only_adds_what_comes_after(call, fit_copy, card_file):
    before = {path: path.stat().st_mtime_ns for path in (fit_copy / "nnfit").rglob("*.*")}
    code, out, err = call("run", card_file, "--output", fit_copy, "--resume", "--json")
    assert code == 0
    assert before == {path: path.stat().st_mtime_ns for path in (fit_copy / "nnfit").rglob("*.*")}
    assert "all 3 replicas are there already" in err
    words = dict(line.split(None, 1) for line in err.split("replicas kept\n")[1].splitlines())  # messages, not results
    assert words == {"LHAPDF": f"set   {fit_copy}/postfit/tiny", "report": f"{fit_copy}/report/index.html"}
    table = pd.read_csv(fit_copy / "report" / "tables" / "chi2-dataset-table.csv").set_index("name")
    assert json.loads(out)[-1]["chi2_t0"] == pytest.approx(table.loc["total", "chi2_t0 tiny"])


def test_fit_tabulates_its_replicas(call, fit_copy, card_file):
    out = call("fit", card_file, "--output", fit_copy, "--resume")[1]
    assert [row[0] for row in rows(out)] == ["replica", "1", "2", "3"]
    assert rows(out)[1][-2:] == ["yes", "yes"]


def test_a_shipped_card_still_has_its_name_beside_a_fit_of_that_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "dis_nnlo_quick").mkdir()
    assert find_runcard("dis_nnlo_quick").is_file()


def test_schema_is_json(call):
    code, out, err = call("schema")
    assert (code, err) == (0, "")
    assert json.loads(out) == json_schema()


def test_the_reader_of_the_output_may_go_away():
    command = f"{sys.executable} -m nnpdf_lite schema | head -1"
    done = subprocess.run(["bash", "-c", f"set -o pipefail; {command}"], capture_output=True, text=True, cwd=ROOT, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "{\n", "")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full here")
@pytest.mark.parametrize("buffered", ["", "1"])
def test_a_full_disk_under_the_output_is_one_message(buffered):
    with open("/dev/full", "w") as full:
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": buffered}
        command = [sys.executable, "-m", "nnpdf_lite", "schema"]
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, env=environment, check=False)
    assert (done.returncode, done.stderr) == (2, "error: input or output: No space left on device\n")


# Tables

TABLE = pd.DataFrame(
    {
        "name": ["short", "a_very_long_name_of_a_dataset"],
        "ndata": [7, 12345],
        "chi2": [0.98765, float("nan")],
        "kept": [True, False],
        "tables": ["ONE TWO", "THREE"],
    }
)


def test_a_piped_table_is_plain_aligned_and_without_trailing_blanks(capsys):
    print_table(TABLE)
    assert capsys.readouterr().out == (
        "name                           ndata   chi2  kept  tables\n"
        "short                              7  0.988  yes   ONE TWO\n"
        "a_very_long_name_of_a_dataset  12345      -  no    THREE\n"
    )


def test_a_narrow_terminal_loses_columns_not_letters(capsys, monkeypatch):
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "50")
    print_table(TABLE, dispensable=["kept", "tables", "ndata"])
    out, err = capsys.readouterr()
    lines = [re.sub(r"\x1b\[[0-9;]*m", "", line) for line in out.splitlines()]
    assert lines[0].split() == ["name", "ndata", "chi2"]
    assert max(map(len, lines)) <= 50
    assert err == "left out, for lack of width: kept, tables (--json has all)\n"


def test_the_shipped_card_fits_into_80_columns(call, monkeypatch):
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "80")
    lines = [re.sub(r"\x1b\[[0-9;]*m", "", line) for line in call("data", "dis_nnlo_quick")[1].splitlines()]
    assert max(map(len, lines)) <= 80
    assert sum("HERA_NC_318GEV_EAVG_BOTTOM-SIGMARED" in line for line in lines) == 1


def test_json_keeps_all_digits_and_says_null_for_nothing(capsys):
    print_json(TABLE.assign(chi2=[1 / 3, float("nan")], kept=[np.bool_(True), None]))
    first, second = json.loads(capsys.readouterr().out)
    assert first["chi2"] == 1 / 3
    assert (second["chi2"], second["kept"], second["ndata"]) == (None, None, 12345)


# Progress


def batch(epoch, replicas, stopped=0, value=2.1):
    chi2 = value + 0.1 * np.arange(len(replicas))
    return Progress(np.full(len(replicas), epoch), np.array(replicas), chi2, chi2 + 0.2, stopped, {})


def test_the_bar_of_a_hundred_replicas_fits_into_80_columns():
    screen = io.StringIO()
    watcher = progress.TerminalWatcher(Console(file=screen, force_terminal=True, width=80))
    watcher.start(100, 17000)
    watcher.update(0, batch(12345, range(1, 100, 2), stopped=3))
    watcher.update(1, batch(12445, range(2, 101, 2), value=1e7))
    watcher.stop()
    shown = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "\n", screen.getvalue()).replace("\r", "\n")
    lines = [line for line in shown.split("\n") if "chi2/N" in line]
    assert lines[-1].strip() == "chi2/N  training 5e+06 (2.10 to 1e+07)  validation 5e+06 (2.30 to 1e+07)"
    text = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", screen.getvalue()).replace("\r", "\n")
    assert all(len(line) <= 80 for line in text.split("\n"))
    assert "73%" in text and "3/100 stopped" in text


def test_plain_lines_say_epoch_chi2_stopped_and_time_left(monkeypatch):
    monkeypatch.setattr(progress, "PLAIN_INTERVAL", 0.0)
    screen = io.StringIO()
    watcher = progress.TerminalWatcher(Console(file=screen, width=80))
    watcher.start(4, 1000)
    watcher.update(0, batch(100, [1, 3]))
    watcher.update(1, batch(200, [2, 4], stopped=2))
    watcher.update(0, batch(300, [1, 3], stopped=1))
    watcher.stop()
    last = screen.getvalue().splitlines()[-1]
    assert re.fullmatch(
        r"epoch 300/1000: chi2/N training 2\.15 \(2\.10 to 2\.20\), validation 2\.35 \(2\.30 to 2\.40\); "
        r"3/4 stopped; at most \d+ s left",
        last,
    )


def test_the_time_left_is_that_of_all_replicas_not_of_the_batch(monkeypatch):
    """Of four replicas in batches of one, the first two have stopped at once: half of all is left."""
    clock = iter(range(100))
    monkeypatch.setattr(progress.time, "monotonic", lambda: 10.0 * next(clock))
    screen = io.StringIO()
    watcher = progress.TerminalWatcher(Console(file=screen, width=80))
    watcher.start(4, 1000)
    watcher.update(0, batch(0, [1]))
    watcher.update(0, batch(1000, [1], stopped=1))
    watcher.update(0, batch(1000, [2], stopped=1))  # ten seconds a replica
    assert screen.getvalue().splitlines()[-1].endswith("2/4 stopped; at most 20 s left")


@pytest.mark.slow
def test_the_whole_path_prints_results_on_stdout_and_progress_on_stderr(card_file, tmp_path, small_card):
    small_card["parameters"]["epochs"] = 100
    card_file.write_text(yaml.safe_dump(small_card))
    done = shell("run", card_file, "--replicas", "1-2", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert [row[0] for row in rows(done.stdout)][:2] == ["level", "dataset"]
    assert "191 points, 2 replicas, 1 worker" in done.stderr
    assert "postfit: " in done.stderr
    assert (tmp_path / "small" / "postfit" / "small" / "small_0002.dat").is_file()
    assert f"report       {tmp_path}/small/report/index.html" in done.stdout
    again = shell("run", card_file, "--replicas", "1-2", cwd=tmp_path)
    assert again.returncode == 2
    assert "small: replica 1 is there already (2 of 2 wanted); use --resume" in again.stderr
