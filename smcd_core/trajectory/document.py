"""Keyframed boxes: the document that the editor, the nodes and the command line share.

A document says where each object is at a few frames and how it moves between them; `dense.boxes_at` turns it into one
box per frame and object. web/trajectory does the same, and tests/golden/trajectory.json holds both to it.

A box is xyxy in units of the frame: x / width, y / height. It may leave 0..1.
"""

import json
import re
import reprlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

from ..errors import SMCDError

VERSION = 2  # the newest; 1 has no handles, and is written where there are none
MAX_FRAMES = 4096
MAX_OBJECTS = 256
MAX_SIDE = 16384  # pixels
FPS_RANGE = (0.01, 1000.0)
MAX_STRENGTH = 2.0
MAX_PHRASE = 1000  # characters
MAX_ID = 64  # characters
MAX_TEXT = 32 * 2**20  # characters of JSON
COORDINATE_RANGE = (-16.0, 17.0)  # 16 frames beyond each side
_SHARES = ": boxes are in shares of the frame, 0 to 1, so divide pixels by its width and height"
EASE_Y_RANGE = (-16.0, 17.0)
HANDLE_RANGE = (-16.0, 16.0)  # frames

DEFAULT_FPS = 8.0
DEFAULT_TOLERANCE = 0.004  # of the frame: one pixel of 256

# Okabe and Ito (2008), made to be told apart by colour-blind people, with grey for their black.
PALETTE = ("#e69f00", "#56b4e9", "#009e73", "#f0e442", "#0072b2", "#d55e00", "#cc79a7", "#999999")

# https://www.w3.org/TR/css-easing-1/#cubic-bezier-easing-functions
NAMED_EASES = {"in": (0.42, 0.0, 1.0, 1.0), "out": (0.0, 0.0, 0.58, 1.0), "in_out": (0.42, 0.0, 0.58, 1.0)}

Box = tuple[float, float, float, float]
Ease = str | tuple[float, float, float, float]
Handles = tuple[tuple[float, float], tuple[float, float]]

STRAIGHT: Handles = ((0.0, 0.0), (0.0, 0.0))


class TrajectoryError(SMCDError):
    """A trajectory, or a file of boxes, that cannot be used. The message says where and why."""


@dataclass(frozen=True)
class Key:
    """Where an object is at one frame.

    `ease` shapes the way to the next key: "linear", "in", "out", "in_out", "hold", or the x1, y1, x2, y2 of a CSS
    cubic-bezier. `visible` counts from this key until the next.

    `handles` bend the path of the box's centre: x, y from it to the control point before this key and to that after it,
    in units of the frame.
    """

    frame: int
    box: Box
    ease: Ease = "linear"
    visible: bool = True
    handles: Handles = STRAIGHT


@dataclass(frozen=True)
class Track:
    """One object. `strength` scales how much its boxes count: 0 not at all, 1 as trained."""

    id: str
    phrase: str
    color: str
    keys: tuple[Key, ...]
    strength: float = 1.0
    enabled: bool = True


@dataclass(frozen=True)
class Trajectory:
    """A whole document. Made by `parse_trajectory`, `trajectory_from_boxes` or `read_trajectory`, which check it.

    width and height, in pixels, are the size of the picture it was drawn on; boxes do not depend on them. `source` says
    which boxes it was made from, to be edited since; empty where it was drawn.
    """

    width: int
    height: int
    frames: int
    fps: float
    objects: tuple[Track, ...]
    source: str = ""

    def to_dict(self) -> dict[str, Any]:
        """The document as JSON-able values, with every default but an empty source and straight handles written out.

        Whole numbers are ints, as JavaScript writes them. The version is the oldest that can hold it.
        """
        is_curved = any(key.handles != STRAIGHT for track in self.objects for key in track.keys)
        return {
            "version": VERSION if is_curved else 1,
            "width": self.width,
            "height": self.height,
            "frames": self.frames,
            "fps": _plain(self.fps),
            **({"source": self.source} if self.source else {}),
            "objects": [
                {
                    "id": track.id,
                    "phrase": track.phrase,
                    "color": track.color,
                    "strength": _plain(track.strength),
                    "enabled": track.enabled,
                    "keys": [
                        {
                            "frame": key.frame,
                            "box": [_plain(value) for value in key.box],
                            "ease": key.ease if isinstance(key.ease, str) else [_plain(value) for value in key.ease],
                            "visible": key.visible,
                            **({"handles": _plain_handles(key.handles)} if key.handles != STRAIGHT else {}),
                        }
                        for key in track.keys
                    ],
                }
                for track in self.objects
            ],
        }


def _plain(value: float) -> int | float:
    return int(value) if value == int(value) else value


def _plain_handles(handles: Handles) -> list[list[int | float]]:
    return [[_plain(value) for value in handle] for handle in handles]


def dumps(trajectory: Trajectory) -> str:
    """JSON text with one line per key, so that a diff shows which key changed."""
    document = trajectory.to_dict()
    objects = []
    for track in document.pop("objects"):
        keys = ",\n    ".join(json.dumps(key) for key in track.pop("keys"))
        head = json.dumps(track, ensure_ascii=False)[:-1]
        objects.append(f'{head},\n   "keys": [\n    {keys}]}}')
    head = json.dumps(document, ensure_ascii=False)[1:-1]
    body = "[\n  " + ",\n  ".join(objects) + "]" if objects else "[]"
    return f'{{{head},\n "objects": {body}}}\n'


class ObjectChoiceError(TrajectoryError):
    """A format that holds one object of a trajectory with several; `candidates` are their ids."""

    def __init__(self, problem: str, candidates: Sequence[str]):
        super().__init__(f"{problem}: choose the object {' or '.join(candidates)}")
        self.problem, self.candidates = problem, tuple(candidates)


def chosen_object(ids: Sequence[str], object_id: str | None, program: str) -> str:
    """The one of the enabled objects that a file of `program` is for. Raises TrajectoryError."""
    if not ids:
        raise TrajectoryError(f"{program} takes one object and this trajectory has 0: draw one or enable it")
    if object_id is None and len(ids) != 1:
        raise ObjectChoiceError(f"{program} takes one object and this trajectory has {len(ids)}", ids)
    if object_id is not None and object_id not in ids:
        raise ObjectChoiceError(f"there is no enabled object {object_id!r}", ids)
    return ids[0] if object_id is None else object_id


def parse_trajectory(source: str | bytes | Mapping[str, Any]) -> Trajectory:
    """Read a document from JSON text or from the dict of it, and fill in the defaults.

    Raises TrajectoryError for anything that is not exactly a document of version 1 or 2: unknown keys, wrong types,
    NaN, keys out of order or past the last frame, inverted boxes. A box without area is allowed: objects may shrink to
    nothing.
    """
    document = source if isinstance(source, Mapping) else _load_json(source)
    _check_keys(document, "the trajectory", ("version", "width", "height", "frames", "objects"), ("fps", "source"))
    version = document["version"]
    if isinstance(version, bool) or version not in (1, VERSION):
        raise TrajectoryError(
            f"version is {_show(version)}: this program reads versions 1 and {VERSION}, update it for a newer one"
        )
    frames = whole_number(document["frames"], "frames", 1, MAX_FRAMES)
    objects = _list(document["objects"], "objects", 0, MAX_OBJECTS)
    tracks = [_parse_track(value, f"objects[{index}]", frames, int(version)) for index, value in enumerate(objects)]
    return Trajectory(
        width=whole_number(document["width"], "width", 1, MAX_SIDE),
        height=whole_number(document["height"], "height", 1, MAX_SIDE),
        frames=frames,
        fps=_number(document.get("fps", DEFAULT_FPS), "fps", *FPS_RANGE),
        objects=_complete(tracks),
        source=_name(document, "source", "source"),
    )


def unique_keys(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    """For json.loads, which would keep the last of two equal keys. Raises TrajectoryError for them."""
    found = dict(pairs)
    if len(found) != len(pairs):
        twice = next(name for name, count in Counter(name for name, _ in pairs).items() if count > 1)
        raise TrajectoryError(f"the key {twice[:40]!r} stands twice in one object: keep one of them")
    return found


def _load_json(text: str | bytes) -> Any:
    if not isinstance(text, str | bytes):
        raise TrajectoryError(f"a trajectory is JSON text or a dict, not {type(text).__name__}")
    if len(text) > MAX_TEXT:
        raise TrajectoryError(f"the trajectory has {len(text)} characters, the limit is {MAX_TEXT}")
    try:
        text = text.decode("utf-8") if isinstance(text, bytes) else text
        return json.loads(text.removeprefix("\ufeff"), object_pairs_hook=unique_keys)
    except TrajectoryError:
        raise
    except RecursionError:
        raise TrajectoryError("the trajectory is nested too deeply to be one") from None
    except ValueError as error:  # bad UTF-8, bad JSON, or a number of thousands of digits
        raise TrajectoryError(f"the trajectory is not JSON: {error}") from None


def _parse_track(value: Any, where: str, frames: int, version: int) -> Track:
    """`id` and `color` stay empty where absent; `_complete` fills them in."""
    _check_keys(value, where, ("phrase", "keys"), ("id", "color", "strength", "enabled"))
    phrase = _text(value["phrase"], f"{where}.phrase", MAX_PHRASE)
    where = f"{where} ({phrase[:40]})" if phrase else where
    track_id = _name(value, "id", f"{where}.id")
    color = value.get("color", "")
    if "color" in value and not (isinstance(color, str) and re.fullmatch("#[0-9a-fA-F]{6}", color)):
        raise TrajectoryError(f"{where}.color is {_show(color)}: write it like #e69f00")
    values = _list(value["keys"], f"{where}.keys", 1, frames)
    keys = [_parse_key(key, where, n, frames, version) for n, key in enumerate(values)]
    for before, after in pairwise(keys):
        if after.frame <= before.frame:
            raise TrajectoryError(
                f"{where} has a key at frame {after.frame} after one at frame {before.frame}: sort them, one per frame"
            )
    return Track(
        id=track_id,
        phrase=phrase,
        color=color.lower(),
        keys=tuple(keys),
        strength=_number(value.get("strength", 1.0), f"{where}.strength", 0.0, MAX_STRENGTH),
        enabled=_bool(value.get("enabled", True), f"{where}.enabled"),
    )


def _parse_key(value: Any, where: str, index: int, frames: int, version: int) -> Key:
    place = f"{where}.keys[{index}]"
    _check_keys(value, place, ("frame", "box"), ("ease", "visible", *(("handles",) if version > 1 else ())))
    frame = whole_number(value["frame"], f"{place}.frame", 0, frames - 1)
    place = f"{where}, frame {frame}"
    return Key(
        frame=frame,
        box=check_box(value["box"], place),
        ease=_parse_ease(value.get("ease", "linear"), f"{place}: ease"),
        visible=_bool(value.get("visible", True), f"{place}: visible"),
        handles=check_handles(value["handles"], place) if "handles" in value else STRAIGHT,
    )


def _parse_ease(value: Any, where: str) -> Ease:
    if isinstance(value, list | tuple):
        values = _list(value, where, 4, 4)
        ranges = ((0.0, 1.0), EASE_Y_RANGE, (0.0, 1.0), EASE_Y_RANGE)
        x1, y1, x2, y2 = (_number(v, f"{where}[{n}]", *ranges[n]) for n, v in enumerate(values))
        return x1, y1, x2, y2
    names = ("linear", *NAMED_EASES, "hold")
    if not isinstance(value, str) or value not in names:
        raise TrajectoryError(f"{where} is {_show(value)}: use {', '.join(names)}, or four numbers x1, y1, x2, y2")
    return value


def check_box(value: Any, where: str) -> Box:
    box = _list(value, f"{where}: box", 4, 4)
    x1, y1, x2, y2 = (_number(v, f"{where}: box", *COORDINATE_RANGE, _SHARES) for v in box)
    if x2 < x1 or y2 < y1:
        axis = "x" if x2 < x1 else "y"
        raise TrajectoryError(f"{where}: box {[x1, y1, x2, y2]} is inverted, {axis}2 < {axis}1: swap the two")
    return x1, y1, x2, y2


def check_handles(value: Any, where: str) -> Handles:
    where = f"{where}: handles"
    (x1, y1), (x2, y2) = (
        [_number(v, where, *HANDLE_RANGE) for v in _list(handle, where, 2, 2)] for handle in _list(value, where, 2, 2)
    )
    return (x1, y1), (x2, y2)


def _complete(tracks: Sequence[Track]) -> tuple[Track, ...]:
    """Give each track without one an id that is free (o1, o2, ... by its place) and a color from the palette."""
    used: set[str] = set()
    for track in tracks:
        if track.id in used:
            raise TrajectoryError(f"two objects have the id {track.id!r}: ids must differ")
        used |= {track.id} - {""}
    done = []
    for index, track in enumerate(tracks):
        number = index + 1
        while not track.id and f"o{number}" in used:
            number += 1
        track = replace(track, id=track.id or f"o{number}", color=track.color or PALETTE[index % len(PALETTE)])
        used.add(track.id)
        done.append(track)
    return tuple(done)


def _check_keys(value: Any, where: str, needed: Sequence[str], optional: Sequence[str]) -> None:
    if not isinstance(value, Mapping):
        raise TrajectoryError(f"{where} is {_show(value)}: it must be a JSON object")
    missing = [name for name in needed if name not in value]
    unknown = [name for name in value if name not in needed and name not in optional]
    if missing or unknown:
        found = f"lacks {', '.join(missing)}" if missing else f"has an unknown key {_show(unknown[0])}"
        raise TrajectoryError(f"{where} {found}: it takes {', '.join((*needed, *optional))}")


def _list(value: Any, where: str, low: int, high: int) -> Sequence[Any]:
    if not isinstance(value, list | tuple):
        raise TrajectoryError(f"{where} is {_show(value)}: it must be a list")
    if not low <= len(value) <= high:
        wanted = f"{low}" if low == high else f"{low} to {high}"
        raise TrajectoryError(f"{where} has {len(value)} entries: it takes {wanted}")
    return value


def plain_scalar(value: Any) -> Any:
    """A single number or bool of NumPy or PyTorch as Python's own; anything else as it is."""
    return value.item() if getattr(value, "ndim", None) == 0 and hasattr(value, "item") else value


def _number(value: Any, where: str, low: float, high: float, advice: str = "") -> float:
    value = plain_scalar(value)
    # A comparison with NaN is false, so NaN is refused here too.
    if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
        raise TrajectoryError(f"{where} is {_show(value)}: give a number from {low:g} to {high:g}{advice}")
    return float(value)


def whole_number(value: Any, where: str, low: int, high: int) -> int:
    value = plain_scalar(value)
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if not is_number or not low <= value <= high or value != int(value):
        raise TrajectoryError(f"{where} is {_show(value)}: give a whole number from {low} to {high}")
    return int(value)


def _bool(value: Any, where: str) -> bool:
    value = plain_scalar(value)
    if not isinstance(value, bool):
        raise TrajectoryError(f"{where} is {_show(value)}: it must be true or false")
    return value


def _text(value: Any, where: str, limit: int) -> str:
    if not isinstance(value, str):
        raise TrajectoryError(f"{where} is {_show(value)}: it must be text")
    if len(value) > limit:
        raise TrajectoryError(f"{where} has {len(value)} characters, the limit is {limit}")
    if re.search("[\ud800-\udfff]", value):
        raise TrajectoryError(f"{where} is {value!r}: half of a surrogate pair is not text")
    return value


def _name(record: Mapping[str, Any], key: str, where: str) -> str:
    """Optional text that names something; "" where it is left out."""
    if key not in record:
        return ""
    if name := _text(record[key], where, MAX_ID):
        return name
    raise TrajectoryError(f"{where} is empty: leave it out or give it a name")


def _show(value: Any) -> str:
    try:
        return reprlib.repr(value)
    except ValueError:  # Python refuses to print an int of thousands of digits
        return "a number of thousands of digits"
