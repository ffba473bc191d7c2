"""Curved paths: a cubic Bezier between two keys, passed through at an even speed.

web/trajectory/path.js does the same, number for number: docs/trajectory.md has the rule.
"""

import numpy as np

STEPS = 128  # chords that stand for a curve where its length is measured


def bend(ends: np.ndarray, handles: np.ndarray, size: tuple[int, int], progress: np.ndarray) -> np.ndarray:
    """How far a curve lies from the straight line between its ends, [F, 2] in units of the frame.

    ends      [2, 2], where it starts and ends
    handles   [2, 2], from the start to the second control point and from the end to the third
    size      width and height of the frame in pixels, in which lengths are measured
    progress  [F], the part of its length that is behind; below 0 and above 1 on along the first and last chord
    """
    way = ends[1] - ends[0]
    second, third = handles[0], way + handles[1]

    def point(u: np.ndarray) -> np.ndarray:
        u = u[:, None]
        return ((way - 3 * third + 3 * second) * u + (3 * third - 6 * second)) * u * u + 3 * second * u

    steps = np.arange(STEPS + 1) / STEPS
    points = point(steps)
    chords = (np.diff(points, axis=0) * size) ** 2
    lengths = np.concatenate(([0.0], np.cumsum(np.sqrt(chords[:, 0] + chords[:, 1]))))
    behind = progress * lengths[-1]
    places = point(np.interp(behind, lengths, steps))
    for outside, at, chord in ((progress < 0, 0, (0, 1)), (progress > 1, STEPS, (STEPS - 1, STEPS))):
        before, after = chord
        length = lengths[after] - lengths[before]
        beyond = (behind[outside] - lengths[at]) / length if length > 0 else np.zeros(outside.sum())
        places[outside] = points[at] + (points[after] - points[before]) * beyond[:, None]
    return places - way * progress[:, None]
