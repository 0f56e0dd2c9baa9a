"""Times the same fit without Dask, and on one and more local workers.

    python benchmarks/scaling.py [--runcard dis_nnlo] [--replicas 100] [--workers 1 2]

prints a line for each: wall seconds of the whole command, seconds of training (with starting workers in it where there is no
Dask, which starts them earlier), and the largest memory of the client and of a worker, sampled twice a second; then speed-up and
overhead. Numbers also go to ``scaling.json``.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil


def main() -> None:
    """Run the fits one after another, each in a temporary folder."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runcard", default="dis_nnlo")
    parser.add_argument("--replicas", type=int, default=100)
    parser.add_argument("--workers", type=int, nargs="+", default=[1, len(os.sched_getaffinity(0))])
    options = parser.parse_args()
    results = {}
    for where in ("default", *(f"local:{n}" for n in options.workers)):
        results[where] = measure(options.runcard, options.replicas, where)
        print(f"{where:10}", *(f"{name} {value:.2f}" for name, value in results[where].items()), flush=True)
    first, last = (results[f"local:{n}"] for n in (options.workers[0], options.workers[-1]))
    print(f"speed-up of training, {options.workers[0]} to {options.workers[-1]} workers: {first['training_s'] / last['training_s']:.2f}")
    if options.workers[-1] == len(os.sched_getaffinity(0)):
        print(f"overhead of --cluster: {last['wall_s'] - results['default']['wall_s']:.1f} s")
    Path("scaling.json").write_text(json.dumps(results, indent=1))


def measure(runcard: str, replicas: int, where: str) -> dict[str, float]:
    """Fit, and return seconds and memory (GB)."""
    with tempfile.TemporaryDirectory(prefix="nnpdf_lite_benchmark_") as work:
        command = [sys.executable, "-m", "nnpdf_lite", "fit", runcard, "--replicas", f"1-{replicas}", "--output", f"{work}/fit"]
        if where != "default":
            command += ["--cluster", where]
        started = time.monotonic()
        process = psutil.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        client = worker = 0.0
        while process.poll() is None:
            time.sleep(0.5)
            client = max(client, memory(process))
            worker = max([worker, *map(memory, descendants(process))])
        wall = time.monotonic() - started
        if process.returncode:
            raise SystemExit(f"{' '.join(command)} failed with exit code {process.returncode}")
        timings = [json.loads(path.read_text())["timing"] for path in Path(work, "fit", "nnfit").glob("replica_*/*.json")]
    training = max(timing["training"] for timing in timings)
    return {"wall_s": wall, "training_s": training, "client_gb": client, "worker_gb": worker}


def descendants(process: psutil.Process) -> list[psutil.Process]:
    """Return the processes below one."""
    try:
        return process.children(recursive=True)
    except psutil.NoSuchProcess:
        return []


def memory(process: psutil.Process) -> float:
    """Return the memory (GB) of a process, pages it shares divided among those that do; 0 if it has ended."""
    try:
        return process.memory_full_info().pss / 1e9
    except (psutil.NoSuchProcess, psutil.AccessDenied):
        return 0.0


if __name__ == "__main__":
    main()
