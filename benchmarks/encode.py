"""Time of `smcd encode` with one process and with two under torchrun, and whether the shards are the same.

`accelerate launch` starts torchrun on GPUs; on CPUs it would start a single process. Two shards of drawn clips, one
thread for each process. A second run, which finds everything done, gives the time to start, which is taken off. On a
machine whose cores are busy with other work the ratio says nothing.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parent.parent
RESULTS = Path(__file__).parent / "results" / "encode.json"
SHARD = 128  # clips in a file, as in smcd_core/training/encoded.py


def seconds(processes: int, out: Path, args: argparse.Namespace) -> float:
    launch = ["-m", "torch.distributed.run", "--nproc-per-node", "2", "-m"] if processes > 1 else ["-m"]
    command = [sys.executable, *launch, "smcd_core", "encode"]
    command += ["--clips", str(2 * SHARD), "--pixels", str(args.pixels), "--frames", str(args.frames)]
    command += ["--components", str(ROOT / "models" / "smcd-tiny.safetensors"), "--out", str(out)]
    command += ["--device", "cpu", "--batch-size", "4"]
    environment = os.environ | {"ACCELERATE_USE_CPU": "true", "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    start = time.perf_counter()
    subprocess.run(command, cwd=ROOT, env=environment, check=True, stderr=subprocess.DEVNULL)  # noqa: S603
    return time.perf_counter() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pixels", type=int, default=128)
    parser.add_argument("--frames", type=int, default=8)
    parser.add_argument("--out", type=Path, default=RESULTS)
    args = parser.parse_args()
    times, files = {}, {}
    with tempfile.TemporaryDirectory() as folder:
        for processes in (1, 2):
            out = Path(folder) / str(processes)
            whole, ready = seconds(processes, out, args), seconds(processes, out, args)
            times[processes] = whole - ready
            files[processes] = {path.name: path.read_bytes() for path in sorted(out.glob("clips-*.safetensors"))}
    result = {
        "clips": 2 * SHARD, "pixels": args.pixels, "frames": args.frames, "cores": os.cpu_count(),
        "load before": os.getloadavg()[0], "seconds of 1": times[1], "seconds of 2": times[2],
        "ratio": times[1] / times[2], "identical shards": files[1] == files[2] and len(files[1]) == 2,
        "clips per second of 1": 2 * SHARD / times[1],
    }  # fmt: skip
    print(json.dumps(result, indent=1))
    args.out.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
