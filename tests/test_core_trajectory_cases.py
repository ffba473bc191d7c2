"""Files as programs really write them, in tests/cases: which boxes they give, or how they are refused."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from smcd_core.trajectory.dense import boxes_at, phrases
from smcd_core.trajectory.document import TrajectoryError
from smcd_core.trajectory.files import read_dense, read_trajectory

TABLES = sorted((Path(__file__).parent / "cases").glob("*.json"))
CASES = [
    pytest.param(case, id=f"{table.stem}: {case['name']}")
    for table in TABLES
    for case in json.loads(table.read_text(encoding="utf-8"))
]


@pytest.mark.parametrize("case", CASES)
def test_a_file_gives_the_boxes_that_are_meant_or_says_why_not(tmp_path, case):
    for name, text in case.get("files", {}).items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(text.encode("utf-8"))
    if "hex" in case:
        (tmp_path / "a.txt").write_bytes(bytes.fromhex(case["hex"]))
    path, options = tmp_path / case.get("read", "a.txt"), case.get("options", {"width": 100, "height": 50})
    if "error" in case:
        for read in (read_trajectory, read_dense):
            with pytest.raises(TrajectoryError, match=case["error"]):
                read(path, **options)
        return
    trajectory, _ = read_trajectory(path, **options)
    boxes, mask = (part.numpy() for part in boxes_at(trajectory, dtype=torch.float64))
    first = [boxes[mask[:, n].argmax(), n] * [100, 50, 100, 50] for n in range(mask.shape[1])]
    np.testing.assert_allclose(first, case["boxes"], atol=1e-6)
    assert mask.sum(0).tolist() == case["visible"] and phrases(trajectory) == case["phrases"]
    assert trajectory.frames == case.get("frames", trajectory.frames)
    dense, _ = read_dense(path, **options)
    np.testing.assert_array_equal(dense.mask, mask)
    np.testing.assert_allclose(dense.xyxy[mask], boxes[mask], atol=1e-5)
