"""Memory of a ComfyUI that makes video after video for two clients, and is interrupted on the way.

One client asks SMCD Generate for videos of changing checkpoints, sizes and lengths, and interrupts every seventh at a
random moment; at the same time the other cuts, drags and draws guides of changing sizes. "held" is what the server
holds after a run of the first, without the pages of the weights' files, the median of ten runs; ratios are to the first
ten. It grows until every size has been made for both at once, and then rests. Start it with the Python that runs
ComfyUI (COMFYUI_PATH, else ~/comfy/ComfyUI). Linux only.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import tempfile
import threading
import time
import urllib.request
from pathlib import Path
from statistics import median
from types import SimpleNamespace
from typing import Any

from measure import ROOT, machine, table

sys.path.insert(0, str(ROOT / "tests"))
import host  # noqa: E402

BLOCK = 10  # runs in a row of the table
BOX = [0.17, 0.03, 0.79, 0.63]


def trajectory(to: float, frames: int) -> str:
    keys = [{"frame": 0, "box": BOX}, {"frame": frames - 1, "box": [value + to for value in BOX]}]
    document = {
        "version": 1,
        "width": 320,
        "height": 320,
        "frames": frames,
        "objects": [{"phrase": "cup", "keys": keys}],
    }
    return json.dumps(document)


def with_boxes(rng: random.Random, frames: int, **nodes: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """A prompt of the example's picture (picture), boxes (boxes) and the nodes that use them."""
    nodes["picture"] = {"class_type": "SMCD_Example", "inputs": {"example": "coffee"}}
    inputs = {"text": trajectory(rng.uniform(-0.15, 0.2), frames), "background": ["picture", 0]}
    nodes["boxes"] = {"class_type": "SMCD_Trajectory", "inputs": inputs}
    return nodes


def generate(rng: random.Random) -> dict[str, dict[str, Any]]:
    side, frames = rng.choice([128, 160, 192, 256]), rng.choice([8, 8, 12])
    inputs = {"model": ["load", 0], "clip": ["load", 1], "vae": ["load", 2], "first_frame": ["picture", 0]}
    inputs |= {"trajectory": ["boxes", 0], "prompt": "a cup moving", "negative": " ", "seed": rng.randrange(2**32)}
    inputs |= {"steps": rng.choice([0, 4]), "text": 0.0, "width": side, "height": rng.choice([side, 128])}
    inputs |= {"frames": frames, "fast": False, "fit": "crop", "start": 0, "start_inside": 0}
    checkpoint = rng.choice(["smcd-world (bundled)", "smcd-tiny (bundled)"])
    load = {"checkpoint": checkpoint, "weight_dtype": "default", "lora": "none", "lora_strength": 1}
    return with_boxes(
        rng,
        frames,
        load={"class_type": "SMCD_Load", "inputs": load},
        video={"class_type": "SMCD_Generate", "inputs": inputs},
        saved={"class_type": "PreviewImage", "inputs": {"images": ["video", 0]}},
    )


def guide(rng: random.Random) -> dict[str, dict[str, Any]]:
    width, height, length = rng.choice([(480, 320), (320, 320), (640, 352)]) + (rng.choice([17, 33]),)
    cut = {"image": ["picture", 0], "trajectory": ["boxes", 0], "width": width, "height": height, "length": length}
    cut |= {"fit": "crop", "feather": 4}
    return with_boxes(
        rng,
        length,
        cut={"class_type": "SMCD_CutAndDrag", "inputs": cut},
        saved={"class_type": "PreviewImage", "inputs": {"images": ["cut", 0]}},
    )


def interrupt(server: SimpleNamespace) -> None:
    with urllib.request.urlopen(server.url + "/interrupt", b"", timeout=30):  # noqa: S310  this machine's own server
        pass


def held(pid: int) -> int:
    """Bytes of memory that belong to the process alone: without the pages of the weights' files."""
    return 1024 * sum(
        int(line.split()[1])
        for line in Path(f"/proc/{pid}/status").read_text().splitlines()
        if line.startswith("RssAnon")
    )


def soak(server: SimpleNamespace, runs: int) -> list[dict[str, float]]:
    """Memory after each run of the first client, seconds that it took, and how it and those beside it ended."""
    rng, other_rng = random.Random(0), random.Random(1)  # noqa: S311  not for secrets
    ended, beside = threading.Event(), []

    def second() -> None:
        while not ended.is_set():
            beside.append(host.watch(server, guide(other_rng)).events[-1])

    other = threading.Thread(target=second)
    other.start()
    measured = []
    try:
        for number in range(runs):
            stop = None
            if number % 7 == 6:
                stop = threading.Timer(rng.uniform(0.2, 6), interrupt, [server])
                stop.start()
            began = time.perf_counter()
            kind, data = host.watch(server, generate(rng)).events[-1]
            if kind == "execution_error":
                raise SystemExit(f"run {number + 1}: {data.get('exception_message')}")
            if stop is not None:
                stop.join()
            took = time.perf_counter() - began
            measured.append(
                {"held_bytes": held(server.pid), "run_s": took, "interrupted": kind == "execution_interrupted"}
            )
            print(
                f"run {number + 1}: {kind}, {measured[-1]['held_bytes'] / 2**20:.0f} MiB", file=sys.stderr, flush=True
            )
    finally:
        ended.set()
        other.join()
    failed = [data.get("exception_message") for kind, data in beside if kind == "execution_error"]
    if failed:
        raise SystemExit(f"{len(failed)} of {len(beside)} runs of the second client failed: {failed[0]}")
    print(f"{len(beside)} runs of the second client beside them", file=sys.stderr)
    return measured


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=100, help="of the first client (default %(default)s)")
    parser.add_argument("--out", type=Path, default=ROOT / "out/benchmarks/soak.json", help="default %(default)s")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as base:
        options = ["--disable-all-custom-nodes", "--whitelist-custom-nodes", "smcd"]
        with host.serve(Path(base), *options) as server:
            measured = soak(server, args.runs)
    blocks = {
        f"runs {first + 1} to {min(first + BLOCK, len(measured))}": measured[first : first + BLOCK]
        for first in range(0, len(measured), BLOCK)
    }
    medians = {name: {"held_bytes": median(run["held_bytes"] for run in block)} for name, block in blocks.items()}
    print(table(medians))
    args.out.parent.mkdir(parents=True, exist_ok=True)
    result = {"machine": machine(), "settings": {"runs": args.runs}, "medians": medians}
    args.out.write_text(json.dumps(result | {"measured": measured}, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
