"""The page of a scan: best trials, what matters, folds, cost."""

import json

import numpy as np
import pandas as pd
import pytest

from nnpdf_lite.cli import main
from nnpdf_lite.hyperopt.analysis import best_table, cost_table, fold_correlation, importance, parameter_table
from nnpdf_lite.hyperopt.folder import ScanFolder, create_scan
from nnpdf_lite.runcard import parse_runcard


def trials(n=60, seed=1):
    """Trials whose loss depends on the learning rate, on the units only with one layer, and on the rest not at all."""
    rng = np.random.default_rng(seed)
    lines = []
    for i in range(n):
        layers, rate = int(rng.integers(1, 3)), 10 ** rng.uniform(-4, -1)
        units = [int(rng.integers(2, 20)) for _ in range(layers)]
        parameters = {
            "nodes_per_layer": [*units, 8],
            "activation_per_layer": str(rng.choice(["tanh", "sigmoid"])),
            "epochs": int(rng.integers(100, 200)),
            "optimizer": {"optimizer_name": "Nadam", "learning_rate": rate},
        }
        loss = 1 + (np.log10(rate) + 2.5) ** 2 + 0.02 * rng.random()
        folds = {"loss": [loss, 2 * loss, 3 - loss / 10], "fitted": [1.0, 1.1, 1.2]}
        line = {"trial": i + 1, "model": {"parameters": parameters}, "values": {}, "running": {}, "seconds": {"wall": 2.0, "cpu": 1.5}}
        state = "failed" if i % 10 == 9 else "pruned" if i % 10 == 8 else "ok"
        line |= {"ok": {"loss": loss, "folds": folds}, "pruned": {"loss": loss + 1}, "failed": {"loss": None}}[state]
        lines.append(line | {"state": state, "reason": "because"})
    return lines


def test_the_parameter_that_decides_is_the_most_important_and_others_are_within_chance():
    found = importance(parameter_table(trials(100))).set_index("parameter")
    assert found.index[0] == "optimizer.learning_rate" and found.importance.iloc[0] > 0.7
    others = found.iloc[1:]
    # Three of a standard deviation of chance, for four parameters.
    assert (others.importance.abs() < 3.5 * others.error).all() and len(others) >= 3


def test_a_parameter_that_is_not_scanned_has_no_importance_and_few_trials_say_nothing():
    table = parameter_table(trials(100))
    assert "optimizer" not in importance(table).parameter.tolist()
    assert not len(importance(table.head(10)))


def test_the_best_table_is_in_the_order_of_loss_and_leaves_out_what_was_given_up():
    lines = trials()
    table = best_table(lines, 10)
    assert table.loss.is_monotonic_increasing and len(table) == 10
    states = {line["trial"]: line["state"] for line in lines}
    assert {states[number] for number in table.trial} == {"ok"}
    assert table["fold 2"].to_numpy() == pytest.approx(2 * table.loss.to_numpy())
    assert table.fitted.iloc[0] == pytest.approx(1.1)


def test_folds_that_agree_correlate_and_those_that_contradict_anticorrelate():
    values = fold_correlation(trials()).drop(columns="fold").to_numpy()
    np.testing.assert_allclose(values, [[1, 1, -1], [1, 1, -1], [-1, -1, 1]], atol=1e-12)


def test_cost_adds_up():
    table = cost_table(trials()).set_index("trials")
    assert table.number.to_dict() == {"ok": 48, "pruned": 6, "failed": 6, "all": 60}
    assert table.loc["all", "hours"] == pytest.approx(60 * 2.0 / 3600) and table.loc["all", "seconds each"] == 2.0


def test_the_report_of_a_scan_is_a_page_with_every_section(small_card, tmp_path, capsys):
    names = [entry["dataset"] for entry in small_card["dataset_inputs"]]
    small_card |= {
        "hyperscan_config": {"stopping": {"min_epochs": 100, "max_epochs": 200}},
        "kfold": {"partitions": [{"datasets": [name]} for name in names]},
    }
    folder = ScanFolder(tmp_path / "scan")
    create_scan(folder, parse_runcard(small_card), 3)
    assert main(["hyperopt", "report", str(folder.path)]) == 2
    assert "no trial of this scan has finished yet" in capsys.readouterr().err
    for line in trials(24):
        folder.append(line)
    assert main(["hyperopt", "report", str(folder.path), "--output", str(tmp_path / "page")]) == 0
    numbers = json.loads((tmp_path / "page" / "report.json").read_text())["sections"]
    assert {"best", "importance", "folds", "cost"} <= set(numbers)
    assert numbers["best"]["best-table"][0]["loss"] == min(row["loss"] for row in numbers["best"]["best-table"])
    assert len(numbers["folds"]["fold-sets"]) == 3
    figures = {path.stem for path in (tmp_path / "page" / "figures").glob("*.svg")}
    assert {"loss-history", "importance-bars", "fold-correlation", "loss-epochs", "loss-activation-per-layer"} <= figures
    html = (tmp_path / "page" / "index.html").read_text()
    assert "Loss against trial" in html and "hyperopt best scan" in html
    drawn = pd.read_csv(tmp_path / "page" / "figures" / "loss-history.csv")
    assert len(drawn) == 24
