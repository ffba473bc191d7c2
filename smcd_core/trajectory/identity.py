"""Which boxes of different frames are of one object: those of one label that are near."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from .rows import check_counts

Places = list[list[int]]  # the object of each box in each frame


def joined_by_nearness(
    boxes: Sequence[Sequence[Sequence[float]]], labels: Sequence[Sequence[str]]
) -> tuple[Places, list[str]]:
    """Where each box belongs, and the label of each object: the nearest of this label in the frames before."""
    last: list[Sequence[float]] = []
    names: list[str] = []
    places = []
    for here, found in zip(boxes, labels, strict=True):
        distances = _distances(last, here)  # [T, N]
        distances[np.array(names, object)[:, None] != np.array(found, object)] = np.inf
        joined = {n: t for t, n in _nearest_first(distances)}
        for n, box in enumerate(here):
            if n in joined:
                last[joined[n]] = box
            else:
                joined[n] = len(last)
                last.append(box)
                names.append(found[n])
        check_counts(len(boxes), len(last))
        places.append([joined[n] for n in range(len(here))])
    return places, names


def _distances(left: Sequence[Sequence[float]], right: Sequence[Sequence[float]]) -> np.ndarray:
    """Twice the distance between box centres, [len(left), len(right)]: enough to rank them."""
    a, b = (np.array(boxes, np.float64).reshape(-1, 4) for boxes in (left, right))
    apart = (a[:, None, :2] + a[:, None, 2:]) - (b[None, :, :2] + b[None, :, 2:])  # [T, N, 2]
    return np.hypot(apart[..., 0], apart[..., 1])


def _nearest_first(distances: np.ndarray) -> Iterator[tuple[int, int]]:
    """Pair rows and columns of distances [T, N] as if the nearest pair was taken first, then the nearest of the rest.

    Two that are each other's nearest are a pair whatever the others do, so all such pairs are taken at a time.
    """
    distances = distances.copy()
    while distances.size and np.isfinite(distances.min()):
        nearest = distances.argmin(1)
        rows = np.flatnonzero(distances.argmin(0)[nearest] == np.arange(len(distances)))
        for t in rows[np.isfinite(distances[rows, nearest[rows]])]:
            yield int(t), int(nearest[t])
            distances[t], distances[:, nearest[t]] = np.inf, np.inf
