"""Average overlap by number of objects and by path length: a mean hides that many, or fast, objects fail.

By number of objects as MagicBench (MagicMotion, 2025) reports it. The groups by size of box are in metrics.grounding.
"""

from __future__ import annotations

import math

import numpy as np

from .metrics import mean_of, overlaps

# Upper limits. Objects are those that are visible at some time; a path is the way that the middle of a box goes, with
# all its turns, in units of the frame.
OBJECTS = {"1": 1, "2": 2, "3": 3, "4": 4, "5": 5, "more": math.inf}
PATHS = {"still": 0.02, "short": 0.25, "medium": 0.5, "long": math.inf}
# Ending of a score's name -> heading
GROUPS = {f"objects_{name}": f"{name} object" + "s" * (name != "1") for name in OBJECTS}
GROUPS |= {f"path_{name}": f"{name} path" for name in PATHS}


def path_lengths(boxes: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """[N], the way of the middle of each of boxes [F, N, 4] through its visible frames, in units of the frame."""
    lengths = np.zeros(mask.shape[1])
    for n, seen in enumerate(mask.T):
        middles = (boxes[seen, n, :2] + boxes[seen, n, 2:]) / 2
        lengths[n] = np.linalg.norm(np.diff(middles, axis=0), axis=-1).sum()
    return lengths


def grouped(found: np.ndarray, boxes: np.ndarray, mask: np.ndarray) -> dict[str, float]:
    """ao_objects_1 .. ao_objects_more and ao_path_still .. ao_path_long with counts boxes_..., as in `grounding`."""
    overlap = overlaps(found, boxes, mask)
    count = np.full(mask.shape[1], mask.any(0).sum())
    scores: dict[str, float] = {}
    for kind, values, limits in (("objects", count, OBJECTS), ("path", path_lengths(boxes, mask), PATHS)):
        group = np.searchsorted(list(limits.values()), values)
        for place, name in enumerate(limits):
            chosen = overlap[mask & (group == place)]
            scores[f"ao_{kind}_{name}"] = mean_of(chosen)
            scores[f"boxes_{kind}_{name}"] = chosen.size
    return scores
