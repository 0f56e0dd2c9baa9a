"""Times the full fit, start to LHAPDF set, with its peak memory.

    python benchmarks/full_fit.py [--replicas 100] [--runcard dis_nnlo]

prints one line of JSON per phase: loading, training, postfit and evolution, and the peak memory of all processes
together, sampled twice a second.
"""

import argparse
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path


def main() -> None:
    """Run the phases one after another in a temporary folder."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runcard", default="dis_nnlo")
    parser.add_argument("--replicas", type=int, default=100)
    options = parser.parse_args()
    work = Path(tempfile.mkdtemp(prefix="nnpdf_lite_benchmark_"))
    fit = str(work / "fit")
    results = {"machine": platform.processor() or platform.machine(), "cores": len(os.sched_getaffinity(0))}
    for name, arguments in (
        ("fit", ["fit", options.runcard, "--replicas", f"1-{options.replicas}", "--output", fit, "--json"]),
        ("postfit_and_evolution", ["evolve", fit]),
    ):
        seconds, peak = _measure([sys.executable, "-m", "nnpdf_lite", *arguments])
        results[name] = {"seconds": round(seconds, 1), "peak_memory_gb": round(peak, 2)}
    timings = [json.loads(p.read_text())["timing"] for p in Path(fit, "nnfit").glob("replica_*/*.json")]
    results["loading_seconds"] = round(timings[0]["loading"], 1)
    results["training_seconds"] = round(max(t["training"] for t in timings), 1)
    print(json.dumps(results, indent=1))
    shutil.rmtree(work)


def _measure(command: list[str]) -> tuple[float, float]:
    """Return wall seconds and peak resident memory (GB) of a command and its children."""
    started = time.monotonic()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    peak = 0.0
    finished = threading.Event()

    def sample() -> None:
        nonlocal peak
        while not finished.wait(0.5):
            peak = max(peak, _family_memory(process.pid))

    thread = threading.Thread(target=sample)
    thread.start()
    code = process.wait()
    finished.set()
    thread.join()
    if code:
        raise SystemExit(f"{' '.join(command)} failed with exit code {code}")
    return time.monotonic() - started, peak


def _family_memory(pid: int) -> float:
    """Return the memory (GB) of a process and its descendants: proportional set size, so shared pages count once."""
    total = 0.0
    for member in _descendants(pid):
        try:
            rollup = Path(f"/proc/{member}/smaps_rollup").read_text()
        except OSError:
            continue
        total += sum(float(line.split()[1]) for line in rollup.splitlines() if line.startswith("Pss:"))
    return total / 2**20


def _descendants(pid: int) -> list[int]:
    found = [pid]
    for parent in found:
        for children in Path(f"/proc/{parent}/task").glob("*/children"):
            try:
                found += [int(child) for child in children.read_text().split()]
            except OSError:
                continue
    return found


if __name__ == "__main__":
    main()
