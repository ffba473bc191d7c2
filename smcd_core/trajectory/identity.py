"""Which boxes of different frames are of one object: those of one id, or those of one label that are near."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from .document import TrajectoryError, plain_scalar
from .formats.box_file import same_id
from .formats.headers import OBJECT_NAMES, plain
from .rows import ObjectNames, check_counts

Places = list[list[int]]  # the object of each box in each frame


def ids_of(frames: Sequence[Sequence[Mapping]]) -> tuple[str, list[list[str]]] | None:
    """The key that names the object of each box, and what it says. None if no key does.

    An `id` that no two boxes of several frames share counts the boxes.

    Raises TrajectoryError if only some boxes have one, or two boxes of a frame the same.
    """
    keys = sorted(keys_of(frames))
    known = [key for name in OBJECT_NAMES for key in keys if plain(key) == name]
    for key in known:
        ids = [[_id(item.get(key)) for item in items] for items in frames]
        found = [one for items in ids for one in items if one]
        is_count = plain(key) == "id" and len(set(found)) == len(found) and sum(map(bool, ids)) > 1
        if found and not is_count:
            _check_ids(key, ids)
            return key, ids
    return None


def keys_of(lists: Sequence[Sequence[Mapping]]) -> set[str]:
    """The keys that any of the boxes or points have."""
    return {key for items in lists for item in items for key in item if isinstance(key, str)}


def _id(value: object) -> str:
    """As text, "" where a tracker says that it has joined a box to none."""
    text = "" if value is None else same_id(str(plain_scalar(value)))
    return "" if text in ("-1", "nan") else text


def _check_ids(key: str, ids: Sequence[Sequence[str]]) -> None:
    for frame, items in enumerate(ids):
        if "" in items:
            raise TrajectoryError(
                f"frame {frame}, box {items.index('')} has no {key}, others have: give one to every box, or to none"
            )
        twice = next((one for n, one in enumerate(items) if one in items[:n]), None)
        if twice is not None:
            advice = "give boxes of several frames as a list for each frame"
            if len(ids) > 1:
                advice = f"give each object its own, or leave {key} out of all boxes"
            raise TrajectoryError(
                f"frame {frame}: two boxes have the {key} {twice[:40]}, but an object has one box in each frame: "
                f"{advice}"
            )


def joined_by_id(
    ids: Sequence[Sequence[str]], labels: Sequence[Sequence[str]]
) -> tuple[Places, list[str], tuple[str, ...]]:
    """Where each box belongs, the first label of each object, and a remark if labels change."""
    first: dict[str, str] = {}
    for here, names in zip(ids, labels, strict=True):
        for one, name in zip(here, names, strict=True):
            first[one] = first.get(one) or name
    check_counts(len(ids), len(first))
    objects = ObjectNames()
    places = [
        [objects.place(one, name or first[one]) for one, name in zip(here, names, strict=True)]
        for here, names in zip(ids, labels, strict=True)
    ]
    return places, objects.phrases, objects.remarks()


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
