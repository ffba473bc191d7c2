"""One object over five frames, 10 to 30 pixels wide of 100 x 50 and moving right, in each format that is read."""

from __future__ import annotations

from typing import Any

import numpy as np

FRAMES, SIZE = 5, {"width": 100, "height": 50}
BOXES = np.array([[10 + 2 * f, 20, 30 + 2 * f, 35] for f in range(FRAMES)], np.float64)  # xyxy in pixels
SHARES = BOXES / [100, 50, 100, 50]


def lines_of(rows: list, sep: str) -> str:
    """Rows of fields as text."""
    texts = [[f"{value:g}" if isinstance(value, float) else str(value) for value in row] for row in rows]
    return "".join(sep.join(row) + "\n" for row in texts)


def _xywh(box: np.ndarray) -> list[float]:
    x1, y1, x2, y2 = box.tolist()
    return [x1, y1, x2 - x1, y2 - y1]


def tables() -> dict[str, list[list[Any]]]:
    """Formats of lines, as rows of fields."""
    corners = [[x1, y1, x2, y1, x2, y2, x1, y2] for x1, y1, x2, y2 in BOXES.tolist()]
    return {
        "xyxy": [box.tolist() for box in BOXES],
        "xywh": [_xywh(box) for box in BOXES],
        "vot": corners,
        "mot": [[f + 1, 3, *_xywh(box), 1, -1, -1, -1] for f, box in enumerate(BOXES)],
        "csv": [["frame", "object", "x1", "y1", "x2", "y2"], *([f, 3, *box.tolist()] for f, box in enumerate(BOXES))],
        "kitti": [[f, 3, "Car", 0, 0, -1.5, *box.tolist(), *[1.5] * 7] for f, box in enumerate(BOXES)],
        "vatic": [[3, *box.tolist(), f, 0, 0, 0, '"dog"'] for f, box in enumerate(BOXES)],
        "freetraj": [[f, y1, y2, x1, x2] for f, (x1, y1, x2, y2) in ((f, SHARES[f].tolist()) for f in (0, FRAMES - 1))],
    }


def documents() -> dict[str, Any]:
    """Formats of JSON, and YAML as JSON, which is YAML too."""
    first, last = (0, SHARES[0].tolist()), (FRAMES - 1, SHARES[-1].tolist())
    pixels = BOXES.tolist()
    return {
        "json": {
            **{"version": 1, **SIZE, "frames": FRAMES, "fps": 8},
            "objects": [{"id": "o1", "phrase": "dog", "keys": [{"frame": f, "box": box} for f, box in (first, last)]}],
        },
        "youtube_vis": {
            "videos": [{"id": 1, **SIZE, "length": FRAMES, "file_names": [f"v/{f}.jpg" for f in range(FRAMES)]}],
            "categories": [{"id": 1, "name": "dog"}],
            "annotations": [{"id": 1, "video_id": 1, "category_id": 1, "bboxes": [_xywh(box) for box in BOXES]}],
        },
        "coco_vid": {
            "videos": [{"id": 1, "name": "v"}],
            "categories": [{"id": 1, "name": "dog"}],
            "images": [
                {"id": f, "video_id": 1, "frame_id": f, "file_name": f"v/{f}.jpg", **SIZE} for f in range(FRAMES)
            ],
            "annotations": [
                {"id": f, "image_id": f, "category_id": 1, "instance_id": 5, "bbox": _xywh(box)}
                for f, box in enumerate(BOXES)
            ],
        },
        "label_studio": [
            {
                "id": 5,
                "annotations": [{"result": [{"id": "r", "type": "videorectangle", "value": {
                    "framesCount": FRAMES, "duration": 0.5, "labels": ["dog"],
                    "sequence": [
                        {"frame": f + 1, "enabled": True, "rotation": 0}
                        | dict(zip(("x", "y", "width", "height"), (100 * v for v in _xywh(np.array(box))), strict=True))
                        for f, box in (first, last)
                    ],
                }}]}],
            }
        ],
        "bbox_animator": {
            "version": 2,
            "objects": [{
                "id": "t1", "name": "Dog", "prompt": "dog", "strength": 1, "enabled": True, "start_frame": 0,
                "end_frame": FRAMES - 1, "color": "#71e2ff",
                "keyframes": [{"frame": 0, "box": pixels[0]}, {"frame": FRAMES - 1, "box": pixels[-1]}],
            }],
        },
        "trailblazer": {
            "keyframe": [{"bbox_ratios": box, "frame": f, "prompt": "dog"} for f, box in (first, last)],
            "token_inds": [1], **SIZE,
        },
        "values": [
            [dict(zip(("x", "y", "width", "height"), _xywh(box), strict=True)) | {"label": "dog"}] for box in BOXES
        ],
    }  # fmt: skip


def arrays() -> dict[str, np.ndarray]:
    """Formats of numpy."""
    corners, middles = BOXES[0].reshape(2, 2), (BOXES[:, :2] + BOXES[:, 2:]) / 2
    return {
        "sg_i2v": np.concatenate((corners, middles))[None].astype(np.float32),
        "wan_move": middles[None, :, None].astype(np.float32),
    }


def cvat() -> str:
    boxes = "".join(
        f'<box frame="{f}" keyframe="1" outside="0" occluded="0" xtl="{x1}" ytl="{y1}" xbr="{x2}" ybr="{y2}"></box>'
        for f, (x1, y1, x2, y2) in ((f, BOXES[f].tolist()) for f in (0, FRAMES - 1))
    )
    size = "<original_size><width>100</width><height>50</height></original_size>"
    task = f"<task><size>{FRAMES}</size>{size}</task>"
    return f'<annotations><meta>{task}</meta><track id="0" label="dog">{boxes}</track></annotations>'
