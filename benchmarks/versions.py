"""CPU time and peak memory of commands, of this checkout and of another one, in turn.

`python benchmarks/versions.py FOLDER` compares with a checkout of another version, such as one of 0.1.0. Every command
runs in a process of its own with the bundled `smcd-tiny`, on the CPU; CPU time depends less on what else the machine
does than the time on the clock. Linux and macOS.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median

from measure import ROOT, machine

TINY = "models/smcd-tiny.safetensors"
ENCODE = ["encode", "--clips", "24", "--components", TINY, "--seed", "1"]
TRAIN = ["train", "--stage", "diim", "--system", "zc+gca", "--small", "--init", TINY, "--batch-size", "2"]
ANIMATE = ["animate", "demo/beach.png", "--boxes", "demo/beach.json", "--prompt", "a yellow circle", "--seed", "0"]
# What a command needs from those before it lies in the folder "here"; paths of the repository are made absolute.
COMMANDS = {
    "smcd --help": ["--help"],
    "smcd animate, 25 steps": [*ANIMATE, "--checkpoint", TINY, "--steps", "25", "-o", "here/a.gif"],
    "smcd animate, 8 steps of 256 x 256": [
        *ANIMATE, "--checkpoint", TINY, "--steps", "8", "--size", "256x256", "-o", "here/b.gif"
    ],
    "smcd encode, 24 clips": [*ENCODE, "--out", "here/clips"],
    "smcd train, 30 steps": [*TRAIN, "--steps", "30", "--data", "here/clips", "--out", "here/run"],
    "smcd evaluate, 4 clips": [
        "evaluate", "--checkpoint", TINY, "--clips", "4", "--steps", "10", "--out", "here/scores"
    ],
    "smcd info": ["info", TINY],
}  # fmt: skip


def measured(checkout: Path, command: list[str], here: Path) -> dict[str, float]:
    """CPU seconds and peak bytes of a command of a checkout."""

    def absolute(word: str) -> str:
        if word.startswith("here/"):
            return str(here / word[5:])
        return str(checkout / word) if word.startswith(("models/", "demo/")) else word

    words = [sys.executable, "-m", "smcd_core", *map(absolute, command)]
    environment = {**os.environ, "PYTHONPATH": str(checkout), "OMP_NUM_THREADS": "1"}  # more wait for each other
    with (here / "log.txt").open("w") as log:
        process = subprocess.Popen(words, cwd=here, env=environment, stdout=log, stderr=log)  # noqa: S603
        _, status, used = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"{checkout}: smcd {' '.join(command)} failed:\n{(here / 'log.txt').read_text()[-2000:]}")
    unit = 1 if sys.platform == "darwin" else 1024
    return {"cpu_s": used.ru_utime + used.ru_stime, "peak_memory_bytes": used.ru_maxrss * unit}


def table(medians: dict[str, dict[str, dict[str, float]]]) -> str:
    """Markdown: each command's time and memory of the old version, and the ratio of the new one to it."""
    old, _ = next(iter(medians.values()))
    lines = [f"| | CPU time of {old} | now | peak memory of {old} | now |", "|---|---|---|---|---|"]
    for name, versions in medians.items():
        then, now = versions[old], versions["now"]
        time, memory = (now[key] / then[key] for key in ("cpu_s", "peak_memory_bytes"))
        lines.append(
            f"| {name} | {then['cpu_s']:.3g} s | {time:.2f}x | {then['peak_memory_bytes'] / 2**30:.3g} GiB | "
            f"{memory:.2f}x |"
        )
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="a checkout of the other version")
    parser.add_argument("--name", default="0.1.0", help="of that version (default %(default)s)")
    parser.add_argument("--rounds", type=int, default=3, help="measurements, in turn (default %(default)s)")
    parser.add_argument("--out", type=Path, default=ROOT / "benchmarks/results/versions.json")
    args = parser.parse_args()
    checkouts = {args.name: args.folder.resolve(), "now": ROOT}
    runs: dict[str, dict[str, list[dict[str, float]]]] = {name: {v: [] for v in checkouts} for name in COMMANDS}
    for turn in range(args.rounds):
        for version, checkout in checkouts.items():
            with tempfile.TemporaryDirectory() as folder:
                for name, command in COMMANDS.items():
                    print(f"round {turn + 1} of {args.rounds}: {version}, {name}", file=sys.stderr, flush=True)
                    runs[name][version].append(measured(checkout, command, Path(folder)))
    medians = {
        name: {version: {key: median(run[key] for run in found) for key in found[0]} for version, found in both.items()}
        for name, both in runs.items()
    }
    print(table(medians))
    result = {"machine": machine(), "settings": {"rounds": args.rounds}, "rows": medians}
    args.out.write_text(json.dumps(result, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
