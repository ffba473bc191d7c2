"""The benchmarks of time and memory run, at a small size: their numbers are for a machine that does nothing else."""

import json
import math
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


@pytest.mark.slow
@pytest.mark.parametrize("name", ["animate", "data", "guides", "load", "step", "training"])
def test_a_benchmark_measures_all_its_cases(name, tmp_path):
    out = tmp_path / "result.json"
    options = ["--tiny", "--rounds", "1", "--threads", "1", "--out", str(out)]
    subprocess.run([sys.executable, ROOT / "benchmarks" / f"{name}.py", *options], check=True)  # noqa: S603
    medians = json.loads(out.read_text())["medians"]
    numbers = [number for case in medians.values() for number in case.values()]
    assert numbers and all(map(math.isfinite, numbers))
    assert all(case[first] > 0 for case in medians.values() for first in list(case)[:1])  # the time
