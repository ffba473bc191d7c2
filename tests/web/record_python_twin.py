"""Write python_twin.json: what smcd_core/trajectory makes of the golden trajectories, for the editor to equal.

Run it from the root after a change of smcd_core/trajectory: python tests/web/record_python_twin.py
"""

import json
import sys
import tempfile
from pathlib import Path

import numpy as np
import torch

from smcd_core.guides.box_files import write_boxes
from smcd_core.trajectory.dense import boxes_at, clip_boxes
from smcd_core.trajectory.document import STRAIGHT, TrajectoryError, dumps, parse_trajectory
from smcd_core.trajectory.simplify import trajectory_from_boxes

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent))
from lengths import with_frames  # noqa: E402

TOLERANCES = (0.0, 0.004, 0.1)
LENGTHS = (1, 4, 6, 11)
MODES = ("keep", "stretch", "crop")
SPELLING = {
    "version": 1,
    "width": 16384,
    "height": 1,
    "frames": 3,
    "fps": 29.97,
    "source": "Bär/1",
    "objects": [
        {
            "id": "a/\u2028",
            "phrase": '"Bär" \\ 熊\t\n\u007f \U0001f43b </script>',
            "strength": 1e-5,
            "keys": [
                {"frame": 0, "box": [-1e-7, -0.0, 1.25e-5, 1e-4], "ease": [0.1, -3e-5, 1.0, 12]},
                {"frame": 2, "box": [0.1, 1 / 3, 2 / 3, 17], "visible": False},
            ],
        }
    ],
}

# For point tracks: an object that grows and hides, one half outside, one behind another, one that comes later, one off.
CROWDED = {
    "version": 1,
    "width": 96,
    "height": 61,
    "frames": 6,
    "objects": [
        {
            "phrase": "",
            "keys": [
                {"frame": 0, "box": [0.1, 0.1, 0.4, 0.6], "ease": "in_out"},
                {"frame": 5, "box": [0.3, 0, 0.9, 1]},
            ],
        },
        {
            "phrase": "",
            "keys": [
                {"frame": 0, "box": [-0.2, 0.7, 0.2, 1.1]},
                {"frame": 4, "box": [0, 0, 0.4, 0.4], "visible": False},
            ],
        },
        {"phrase": "", "keys": [{"frame": 0, "box": [0.7, 0.3, 0.8, 0.5]}, {"frame": 5, "box": [0.1, 0.3, 0.2, 0.5]}]},
        {"phrase": "", "keys": [{"frame": 0, "box": [0.2, 0.2, 0.75, 0.5]}, {"frame": 3, "box": [0.5, 0.5, 1.2, 0.9]}]},
        {
            "phrase": "",
            "keys": [{"frame": 0, "box": [0.5, 0, 1, 1], "visible": False}, {"frame": 1, "box": [0.5, 0, 1, 1]}],
        },
        {"phrase": "", "keys": [{"frame": 0, "box": [0, 0, 1, 1]}], "enabled": False},
    ],
}


def objects_or_error(function, *args):
    """Keys of each object as [frame, box, ease, visible] with or without handles, or null where Python refuses."""
    try:
        objects = function(*args).to_dict()["objects"]
    except TrajectoryError:
        return None
    return [[list(key.values()) for key in track["keys"]] for track in objects]


def is_curved(trajectory):
    return any(key.handles != STRAIGHT for track in trajectory.objects for key in track.keys)


def recorded_walks(rng):
    """Random walks of boxes with gaps: boxes [F, N, 4], mask [F, N]."""
    for frames, count in ((1, 1), (2, 2), (17, 3), (64, 2)):
        centre = 0.5 + np.cumsum(rng.normal(0, 0.02, (frames, count, 2)), 0)
        size = rng.uniform(0.1, 0.4, (frames, count, 2))
        yield np.concatenate((centre - size / 2, centre + size / 2), -1), rng.random((frames, count)) > 0.2


def simplified(boxes, mask):
    names = [str(n) for n in range(mask.shape[1])]
    return [
        objects_or_error(trajectory_from_boxes, boxes, mask, 64, 48, 8, names, tolerance) for tolerance in TOLERANCES
    ]


def point_files():
    with tempfile.TemporaryDirectory() as folder:
        write_boxes(Path(folder) / "tracks.npy", parse_trajectory(CROWDED), "wan_move")
        return {path.name: path.read_bytes().hex() for path in sorted(Path(folder).iterdir())}


def main():
    golden = json.loads((HERE.parent / "golden" / "trajectory.json").read_text())
    cases = {}
    for case in golden["cases"]:
        trajectory = parse_trajectory(case["trajectory"])
        boxes, mask = boxes_at(trajectory, dtype=torch.float64)
        clipped_boxes, clipped_mask = clip_boxes(boxes, mask)
        cases[case["name"]] = {
            "text": dumps(trajectory),
            "clipped": {"boxes": clipped_boxes.tolist(), "mask": clipped_mask.tolist()},
            "simplified": simplified(boxes, mask),
            "lengths": {
                mode: [objects_or_error(with_frames, trajectory, frames, mode) for frames in LENGTHS]
                for mode in MODES
                if mode != "crop" or not is_curved(trajectory)  # the editor cuts curves, the test helper only lines
            },
        }
    walks = [
        {"boxes": boxes.tolist(), "mask": mask.tolist(), "simplified": simplified(boxes, mask)}
        for boxes, mask in recorded_walks(np.random.default_rng(4))
    ]
    spelling = {"document": SPELLING, "text": dumps(parse_trajectory(SPELLING))}
    points = {"document": CROWDED, "files": point_files()}
    content = {
        "tolerances": TOLERANCES,
        "lengths": LENGTHS,
        "spelling": spelling,
        "cases": cases,
        "walks": walks,
        "points": points,
    }
    (HERE / "python_twin.json").write_text(json.dumps(content, separators=(",", ":")) + "\n")


if __name__ == "__main__":
    main()
