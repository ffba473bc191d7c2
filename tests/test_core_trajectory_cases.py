"""Files as programs really write them, in tests/cases: which boxes they give, or how they are refused."""

import json
import re
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
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(text.encode("utf-8"))
    if "hex" in case:
        (tmp_path / "a.txt").write_bytes(bytes.fromhex(case["hex"]))
    path, options = tmp_path / case.get("read", "a.txt"), case.get("options", {"width": 100, "height": 50})
    if "error" in case:
        for read in (read_trajectory, read_dense):
            with pytest.raises(TrajectoryError, match=case["error"]) as found:
                read(path, **options)
            if "choices" in case:
                assert list(found.value.candidates) == case["choices"]
        return
    trajectory, what = read_trajectory(path, **options)
    boxes, mask = (part.numpy() for part in boxes_at(trajectory, dtype=torch.float64))
    first = [boxes[mask[:, n].argmax(), n] * [100, 50, 100, 50] for n in range(mask.shape[1])]
    np.testing.assert_allclose(first, case["boxes"], atol=1e-6)
    assert mask.sum(0).tolist() == case["visible"] and phrases(trajectory) == case["phrases"]
    assert trajectory.frames == case.get("frames", trajectory.frames)
    if "remark" in case:
        assert re.search(case["remark"], what) if case["remark"] else "; " not in what, what
    dense, _ = read_dense(path, **options)
    np.testing.assert_array_equal(dense.mask, mask)
    np.testing.assert_allclose(dense.xyxy[mask], boxes[mask], atol=1e-5)


# ---- valid files, changed as programs change them: right, or refused by name


def four_frames(sep, number):
    """One object over four frames in each format: text, and options to read it."""
    boxes = [(number(10 + 2 * f), number(20), number(30), number(15)) for f in range(4)]
    xywh = [sep.join(map(str, box)) for box in boxes]
    xyxy = [sep.join(map(str, (x, y, x + w, y + h))) for x, y, w, h in boxes]
    return {
        "xywh": xywh,
        "xyxy": xyxy,
        "mot": [sep.join([str(f + 1), "3", line, "1", "-1", "-1", "-1"]) for f, line in enumerate(xywh)],
        "csv": [sep.join("frame object x1 y1 x2 y2".split())]
        + [sep.join([str(f), "3", line]) for f, line in enumerate(xyxy)],
        "kitti": [sep.join([str(f), "3", "Car", "0", "0", "-1", line, *["1"] * 7]) for f, line in enumerate(xyxy)],
    }


CHANGES = {
    "nothing": (lambda lines, sep: lines, True),
    "a column less": (lambda lines, sep: [sep.join(line.split(sep)[:-1]) for line in lines], False),
    "a column more": (lambda lines, sep: [line + sep + "1" for line in lines], False),
    "an empty line at the end": (lambda lines, sep: [*lines, ""], True),
    "a space around each field": (lambda lines, sep: [line.replace(sep, f" {sep} ") for line in lines], True),
    "a field of text": (lambda lines, sep: [*lines[:-1], lines[-1].replace("16", "sixteen")], False),
    "another size": (lambda lines, sep: lines, False),
}


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("format", ["xywh", "xyxy", "mot", "csv", "kitti"])
@pytest.mark.parametrize("sep", [",", ";", "\t", " "])
@pytest.mark.parametrize("number", [int, float])
def test_a_changed_file_is_right_or_refused(tmp_path, change, format, sep, number):
    alter, is_right = CHANGES[change]
    (tmp_path / "a.txt").write_text("\n".join(alter(four_frames(sep, number)[format], sep)))
    size = {"width": 12, "height": 12} if change == "another size" else {"width": 100, "height": 50}
    try:
        trajectory, what = read_trajectory(tmp_path / "a.txt", format=format if len(format) == 4 else None, **size)
    except TrajectoryError as error:
        assert not is_right and str(tmp_path / "a.txt") in str(error)
        return
    boxes, mask = boxes_at(trajectory, dtype=torch.float64)
    expected = [[10 + 2 * f, 20, 40 + 2 * f, 35] for f in range(4)]
    np.testing.assert_allclose(boxes[:, 0] * torch.tensor([100, 50, 100, 50]), expected, atol=1e-4)
    assert mask.all() and trajectory.frames == 4, what
