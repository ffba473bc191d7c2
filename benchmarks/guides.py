"""Time and memory of cutting objects out of a picture and dragging them through 81 frames of 832 x 480 pixels.

"fill" is the hole that they leave, once for a video. The first row is what a user draws first.
"""

from __future__ import annotations

import argparse
import time

from measure import arguments, held_memory, main, peak_memory

FRAMES = 81


def _measure(args: argparse.Namespace, objects: int, masked: bool) -> dict[str, float]:
    import torch

    from smcd_core.guides.cut_and_drag import cut_and_drag
    from smcd_core.guides.fill import filled
    from smcd_core.guides.fit import fit
    from smcd_core.trajectory.document import parse_trajectory

    width, height = (208, 120) if args.tiny else (832, 480)
    image, tracks, masks = torch.rand(height, width, 3), [], torch.zeros(objects, height, width)
    for n in range(objects):
        x, y = (n * 0.37) % 0.7, (n * 0.23) % 0.7
        first, last = [x, y, x + 0.25, y + 0.3], [y, x, y + 0.3, x + 0.25]
        tracks.append({"phrase": "x", "keys": [{"frame": 0, "box": first}, {"frame": FRAMES - 1, "box": last}]})
        masks[n, int(y * height) : int((y + 0.3) * height), int(x * width) : int((x + 0.25) * width)] = 1
    document = {"version": 1, "width": width, "height": height, "frames": FRAMES, "objects": tracks}
    boxes = fit(parse_trajectory(document), width, height, FRAMES)
    before, began = held_memory(), time.perf_counter()
    cut_and_drag(image, boxes, masks if masked else None)
    took = time.perf_counter() - began
    peak, began = peak_memory(), time.perf_counter()
    filled(image.movedim(-1, 0), masks.any(0))
    return {
        "video_s": took,
        "of_that_per_frame_s": took / FRAMES,
        "fill_s": time.perf_counter() - began,
        "memory_bytes": peak - before,
    }


if __name__ == "__main__":
    main(
        "guides",
        arguments(__doc__).parse_args(),
        {
            "one object, its box": lambda args: _measure(args, 1, False),
            "one object, with a mask": lambda args: _measure(args, 1, True),
            "8 objects, with masks": lambda args: _measure(args, 8, True),
            "64 objects, with masks": lambda args: _measure(args, 64, True),
        },
    )
