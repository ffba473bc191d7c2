"""Run benchmark cases one at a time, each in its own process, and compare them with the first ones.

A benchmark script calls `main` with its cases. The script calls itself with `--case NAME` for each measurement, and
that process prints its numbers as JSON. Only that process imports torch, because the peak memory reported for a new
process is at least its parent's.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import subprocess
import sys
import tempfile
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from statistics import median

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

Case = Callable[[argparse.Namespace], dict[str, float]]


def peak_memory() -> int:
    """Peak memory of this process so far, in bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def held_memory() -> int:
    """Current memory of this process, in bytes. Linux only."""
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * resource.getpagesize()


def arguments(description: str) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--tiny", action="store_true", help="a small network, to test the benchmark itself")
    parser.add_argument("--rounds", type=int, default=3, help="measurements per case, in turn (default %(default)s)")
    parser.add_argument("--threads", type=int, default=os.cpu_count(), help="default: all")
    parser.add_argument("--out", type=Path, help="results as JSON (default out/benchmarks/<name>.json)")
    parser.add_argument("--case", help=argparse.SUPPRESS)
    return parser


def main(name: str, args: argparse.Namespace, cases: dict[str, Case], references: int = 1) -> None:
    """Measure all cases, print a table, and write the results as JSON.

    cases       functions that return numbers in seconds (`..._s`) and bytes (`..._bytes`)
    references  how many of the cases, from the first, to compare all with
    """
    if args.case:
        import torch

        torch.set_num_threads(args.threads)
        torch.manual_seed(0)
        print(json.dumps(cases[args.case](args)))
        return
    measured: dict[str, list[dict[str, float]]] = {case: [] for case in cases}
    for turn in range(args.rounds):
        for case in cases:
            print(f"round {turn + 1} of {args.rounds}: {case}", file=sys.stderr, flush=True)
            measured[case].append(_in_own_process(case))
    medians = {case: {key: median(run[key] for run in runs) for key in runs[0]} for case, runs in measured.items()}
    print(table(medians, references))
    out = args.out or ROOT / "out" / "benchmarks" / f"{name}{'_tiny' if args.tiny else ''}.json"
    settings = {key: str(value) for key, value in vars(args).items() if key not in ("case", "out", "folder")}
    result = {"machine": machine(), "settings": settings, "references": references, "medians": medians}
    result["measured"] = measured
    out.parent.mkdir(parents=True, exist_ok=True)
    temporary = out.with_suffix(".tmp")
    temporary.write_text(json.dumps(result, indent=2), encoding="utf-8")
    os.replace(temporary, out)


def main_with_folder(name: str, args: argparse.Namespace, cases: dict[str, Case], write: Case) -> None:
    """Call `main` after `write` has filled args.folder in its own process.

    The folder is temporary, inside the one that --folder names if it is given.
    """
    if args.case:
        main(name, args, cases | {"write": write})
        return
    with tempfile.TemporaryDirectory(dir=args.folder) as folder:
        sys.argv += ["--folder", folder]
        _run_case("write")
        main(name, args, cases)


def _in_own_process(case: str) -> dict[str, float]:
    return json.loads(_run_case(case).splitlines()[-1])


def _run_case(case: str) -> str:
    """Run a case in a new process; returns its output."""
    command = [sys.executable, *sys.argv, "--case", case]
    return subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout  # noqa: S603


def table(medians: dict[str, dict[str, float]], references: int) -> str:
    """Format the numbers as Markdown, each with its ratios to the references."""
    measures = list(medians.values())[:references]
    first, *_ = measures
    head = "| | " + " | ".join(key.rsplit("_", 1)[0].replace("_", " ") for key in first) + " |"
    lines = [head, "|---|" + "---|" * len(first)]
    for case, numbers in medians.items():
        ratios = {key: ", ".join(f"{value / other[key]:.2f}x" for other in measures) for key, value in numbers.items()}
        cells = [f"{_amount(key, value)} ({ratios[key]})" for key, value in numbers.items()]
        lines.append(f"| {case} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _amount(key: str, value: float) -> str:
    return f"{value:.3g} s" if key.endswith("_s") else f"{value / 2**30:.3g} GiB"


def machine() -> dict[str, str]:
    """Machine and versions that the numbers depend on."""
    names = [line.split(":")[1].strip() for line in _lines("/proc/cpuinfo") if line.startswith("model name")]
    versions = {name: version(name) for name in ("torch", "diffusers", "numpy")}
    processor = names[0] if names else platform.processor() or platform.machine()
    found = {"system": platform.system(), "processor": processor, "cores": str(os.cpu_count())}
    return found | {"python": platform.python_version()} | versions


def _lines(path: str) -> list[str]:
    return Path(path).read_text(encoding="utf-8").splitlines() if os.path.exists(path) else []
