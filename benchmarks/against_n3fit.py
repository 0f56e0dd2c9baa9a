"""Compares nnpdf_lite with n3fit on the same fit: time per epoch, start-up and memory.

    python benchmarks/against_n3fit.py --n3fit-prefix PREFIX [--replicas 1 20 100] [--epochs 300]

PREFIX is an environment with ``pip install "nnpdf[nolha]==4.1.5"``; nothing in it is changed. Both programs get the
same datasets, cuts, t0 set, FK tables, network, optimiser and positivity, and all cores. They run in turn, ours before
and after n3fit, and for ten times the epochs, so that what is timed lasts seconds. Prints a table and writes JSON.
"""

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path

import yaml
from full_fit import _family_memory

ROOT = Path(__file__).resolve().parents[1]
SET = "NNPDFLITE_dis_nnlo"
THEORY = 708  # n3fit's card with the settings of our tables
#: What n3fit reads of our runcard; it refuses keys of our own.
N3FIT_KEYS = (
    *("description", "dataset_inputs", "datacuts", "theory", "trvlseed", "nnseed", "mcseed", "genrep"),
    *("diagonal_basis", "diagonal_frac", "parameters", "fitting", "positivity", "integrability", "added_filter_rules"),
)
LONGER = 10  # times the epochs, for ours
KEYS = ("ms_per_epoch_and_replica", "startup_seconds", "peak_gb")
EPOCH = re.compile(r"(?:worker (\d+), (\d+) replicas: )?Epoch (\d+)/")


def main() -> None:
    """Prepare the inputs, run the programs in turn, tabulate."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--n3fit-prefix", type=Path, required=True, help="environment that has n3fit")
    parser.add_argument("--replicas", type=int, nargs="+", default=[1, 20, 100])
    parser.add_argument("--n3fit-most", type=int, default=20, help="n3fit runs up to so many replicas")
    parser.add_argument("--epochs", type=int, default=300, help="of n3fit: 200, 300...; the first 100 are not timed")
    parser.add_argument("--without", nargs="*", default=[], metavar="NAME", help="leave out sets that begin so")
    parser.add_argument("--no-positivity", action="store_true", help="no positivity and integrability")
    parser.add_argument("--json", type=Path, default=Path("against_n3fit.json"), help="where the numbers go")
    parser.add_argument("--work", type=Path, help="keep the runs here")
    options = parser.parse_args()
    work = (options.work or Path(tempfile.mkdtemp(prefix="nnpdf_lite_benchmark_"))).absolute()
    work.mkdir(parents=True, exist_ok=True)
    ours, theirs, n_sets = write_runcards(work, options)
    environment = n3fit_environment(work)
    setup = _n3fit(options.n3fit_prefix, "vp-setupfit", str(theirs), "--no-eko-download", "-o", str(work / "theirs"))
    setup_seconds = measure(setup, 1, environment, work / "setup.log")["seconds"]
    results = {
        "cores": len(os.sched_getaffinity(0)),
        "sets": n_sets,
        "points": int(re.findall(r"Summary: (\d+)/", (work / "setup.log").read_text())[-1]),
        "positivity": not options.no_positivity,
        "epochs": {"n3fit": options.epochs, "nnpdf_lite": LONGER * options.epochs},
        "n3fit_setup_seconds": setup_seconds,
        "runs": [],
    }
    for replicas in options.replicas:
        last = ["-r", str(replicas)] if replicas > 1 else []
        n3fit = _n3fit(options.n3fit_prefix, "n3fit", str(theirs), "1", *last, "-o", str(work / "theirs"))
        lite = [sys.executable, str(Path(__file__).resolve()), "--train", str(ours), str(work / "ours"), str(replicas)]
        for program, command in (("nnpdf_lite", lite), ("n3fit", n3fit), ("nnpdf_lite", lite)):
            if program == "nnpdf_lite" or replicas <= options.n3fit_most:
                inherited = environment if program == "n3fit" else os.environ
                told = measure(command, replicas, inherited, work / f"{program}_{replicas}.log")
                results["runs"].append({"program": program, "replicas": replicas, **told})
                print(json.dumps(results["runs"][-1]), file=sys.stderr)
    options.json.write_text(json.dumps(results, indent=1) + "\n")
    print_table(results)
    if options.work is None:
        shutil.rmtree(work)


def write_runcards(work: Path, options: argparse.Namespace) -> tuple[Path, Path, int]:
    """Write the shipped data with NNPDF4.0's network, never stopping early, for both programs; return both and the number of sets."""
    from nnpdf_lite.runcard import load_runcard, parse_runcard

    shipped = load_runcard(ROOT / "runcards" / "dis_nnlo.yml").mapping()
    del shipped["parameters"]  # NNPDF4.0's, which both programs have
    card = yaml.safe_load(parse_runcard(shipped).dump())
    left_out = tuple(options.without)
    card["dataset_inputs"] = [i for i in card["dataset_inputs"] if not i["dataset"].startswith(left_out)]
    card["parameters"] |= {"epochs": LONGER * options.epochs, "stopping_patience": 1.0}
    if options.no_positivity:
        card = {k: v for k, v in card.items() if k not in ("positivity", "integrability", "added_filter_rules")}
    ours, theirs = work / "ours.yml", work / "theirs.yml"
    ours.write_text(yaml.safe_dump(card, sort_keys=False))
    # n3fit has Keras's defaults for the optimiser's other options, and takes no others.
    optimizer = {k: card["parameters"]["optimizer"][k] for k in ("optimizer_name", "learning_rate", "clipnorm")}
    parameters = {k: v for k, v in card["parameters"].items() if not k.startswith("regularizer")}
    card["parameters"] = {**parameters, "epochs": options.epochs, "optimizer": optimizer}
    card["theory"] = {"theoryid": THEORY}
    theirs.write_text(yaml.safe_dump({k: card[k] for k in N3FIT_KEYS if k in card}, sort_keys=False))
    return ours, theirs, len(card["dataset_inputs"])


def n3fit_environment(work: Path) -> dict[str, str]:
    """Lay out FK tables and t0 set as n3fit looks for them; return the environment that says where."""
    theory = work / "share" / "theories" / f"theory_{THEORY}"
    theory.mkdir(parents=True, exist_ok=True)
    for part in ("fastkernel", "cfactor"):
        if not (theory / part).exists():
            (theory / part).symlink_to(ROOT / "theory_grids" / "nnlo" / part)
    copy = shutil.copytree(ROOT / "pdfsets" / SET, work / "pdfs" / SET, dirs_exist_ok=True)
    info = copy / f"{SET}.info"  # n3fit knows no set of a central member alone
    info.write_text(re.sub(r"(?m)^ErrorType:.*$", "ErrorType: replicas", info.read_text()))
    (work / "profile.yaml").write_text(f"nnpdf_share: {work / 'share'}\n")
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    environment |= dict.fromkeys(("LHAPDF_DATA_PATH", "PDFFLOW_DATA_PATH"), str(work / "pdfs"))
    return environment | {"NNPDF_PROFILE_PATH": str(work / "profile.yaml")}


def _n3fit(prefix: Path, program: str, *arguments: str) -> list[str]:
    return [str(prefix.absolute() / "bin" / "python"), str(prefix.absolute() / "bin" / program), *arguments]


def measure(command: list[str], replicas: int, environment: dict, log: Path) -> dict[str, float]:
    """Run a program that says when epochs are done, the first time at 100.

    Time per epoch is between that and the last, so that loading and compilation cancel; start-up is what is left of the
    time to epoch 100.
    """
    started = time.monotonic()
    process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    peak, finished = 0.0, threading.Event()

    def sample() -> None:
        nonlocal peak
        cost = 0.0
        while not finished.wait(max(0.5, 50 * cost)):  # walking the pages of large processes holds them up: at most 2%
            before = time.monotonic()
            peak = max(peak, _family_memory(process.pid))
            cost = time.monotonic() - before

    threading.Thread(target=sample).start()
    workers: dict[str, list[tuple[float, int, int]]] = {}
    with log.open("w") as file:
        for line in process.stdout:
            file.write(line)
            if found := EPOCH.search(line):
                worker, batch, epoch = found.groups()
                said = time.monotonic() - started, int(epoch), int(batch or replicas)
                before = workers.setdefault(worker or "0", [])
                if not before or (before[0][2] == said[2] and before[-1][1] < said[1]):  # else one that started again
                    before.append(said)
    code = process.wait()
    finished.set()
    if code:
        raise SystemExit(f"{' '.join(command)} failed with exit code {code}; its output: {log}")
    speed = startup = 0.0
    for (first, epoch, batch), *_, (end, last_epoch, _) in workers.values():
        speed += batch * (last_epoch - epoch) / (end - first)
        startup = max(startup, first - epoch * (end - first) / (last_epoch - epoch))
    epochs = {"ms_per_epoch_and_replica": round(1e3 / speed, 4), "startup_seconds": round(startup, 1)} if speed else {}
    return {**epochs, "seconds": round(time.monotonic() - started, 1), "peak_gb": round(peak, 2)}


def train(card: str, folder: str, replicas: str) -> None:
    """Fit with nnpdf_lite, as its command line does, saying when blocks of epochs are done."""
    from nnpdf_lite.fit.training import Trainer
    from nnpdf_lite.results.run import Watcher, run_fit
    from nnpdf_lite.runcard import load_runcard

    runcard = load_runcard(card)

    done: Counter[int] = Counter()  # batches are refilled as replicas end, so what a worker does is counted in sum

    class Reporter(Watcher):
        def update(self, worker, progress) -> None:
            done[worker] += Trainer.block * len(progress.replicas)
            print(f"worker {worker}, 1 replicas: Epoch {done[worker]}/", flush=True)

    shutil.rmtree(folder, ignore_errors=True)
    run_fit(runcard, Path(folder), range(1, int(replicas) + 1), watcher=Reporter())


def print_table(results: dict) -> None:
    """Print each program's mean, and ratios; where n3fit did not run as many replicas, to its largest batch."""
    table: dict[tuple[int, str], list[float]] = {}
    for replicas, program in sorted({(run["replicas"], run["program"]) for run in results["runs"]}):
        runs = [run for run in results["runs"] if (run["replicas"], run["program"]) == (replicas, program)]
        speed, startup, peak = (sum(run[key] for run in runs) / len(runs) for key in KEYS)
        table[replicas, program] = [speed, startup, peak, 1e3 * peak / replicas]
    print(f"{results['sets']} sets, {results['points']} points, positivity: {results['positivity']}")
    print(f"{results['cores']} cores; n3fit's vp-setupfit, once per runcard: {results['n3fit_setup_seconds']} s\n")
    print("replicas  program      ms/epoch/replica  start-up s   peak GB  MB/replica")
    for (replicas, program), (speed, startup, peak, share) in table.items():
        print(f"{replicas:>8}  {program:<12} {speed:>16.4f}  {startup:>10.1f}  {peak:>8.2f}  {share:>10.0f}")
    print("\nreplicas  n3fit's    throughput  start-up  memory per replica  (n3fit over nnpdf_lite)")
    for (replicas, program), ours in table.items():
        batches = [r for r, p in table if p == "n3fit" and r <= replicas]
        if program == "nnpdf_lite" and batches:
            speed, startup, _, share = (a / b for a, b in zip(table[max(batches), "n3fit"], ours))
            print(f"{replicas:>8}  {max(batches):>7}  {speed:>11.1f}x {startup:>8.1f}x {share:>18.1f}x")


if __name__ == "__main__":
    train(*sys.argv[2:]) if sys.argv[1:2] == ["--train"] else main()
