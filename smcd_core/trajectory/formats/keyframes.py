"""Keyframes of one object in shares of the frame, joined by straight lines: TrailBlazer (YAML), FreeTraj (lines)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..document import COORDINATE_RANGE, DEFAULT_FPS, MAX_FRAMES, VERSION, Trajectory, parse_trajectory
from .box_file import BoxFile, Row

Record = dict[str, Any]

MAX_YAML = 2**18  # characters
TABLE_HEADER = "frame,x1,y1,x2,y2"  # of as many columns
FREETRAJ_FRAMES = 16  # which its paths are drawn out to


def read_trailblazer(file: BoxFile, size: tuple[int | None, int | None]) -> tuple[str, Trajectory]:
    """`keyframe: [{bbox_ratios: [left, top, right, bottom], frame, prompt}]`, the last one in the last frame.

    The phrase is the prompt of the first keyframe. The size is that of the file, else `size`, else TrailBlazer's own.
    """
    content = read_yaml(file)
    keyframes = content.get("keyframe") if isinstance(content, dict) else None
    if not isinstance(keyframes, list) or not keyframes or not all(isinstance(key, dict) for key in keyframes):
        raise file.error("has no list under keyframe; expected bbox_ratios, frame and prompt in each")
    keys: list[Record] = []
    for number, key in enumerate(keyframes, 1):
        where, frame, box = f"keyframe {number}", key.get("frame"), key.get("bbox_ratios")
        if type(frame) is not int or not 0 <= frame < MAX_FRAMES:
            raise file.error(f"frame is no whole number from 0 to {MAX_FRAMES - 1}", where)
        if not isinstance(box, list) or len(box) != 4 or not all(map(_is_share, box)):
            raise file.error("bbox_ratios are no four numbers: left, top, right, bottom in shares of the frame", where)
        if not isinstance(key.get("prompt", ""), str):
            raise file.error("prompt is no text", where)
        keys.append({"frame": frame, "box": file.corners(box, False, where)})
    prompts = [key.get("prompt", "") for key in keyframes]
    what = "TrailBlazer keyframes" + (", the prompt of the first one" if len(set(prompts)) > 1 else "")
    width, height = (
        own if type(own) is int else given or default
        for own, given, default in zip(map(content.get, ("width", "height")), size, (576, 320), strict=True)
    )
    return what, _document(file, keys, prompts[0], (width, height))


def read_freetraj(file: BoxFile, rows: Sequence[Row], size: tuple[int | None, int | None]) -> tuple[str, Trajectory]:
    """`frame, top, bottom, left, right` of each keyframe. Size as given, else FreeTraj's own.

    FreeTraj makes videos of 16 frames or more: before its first line and after its last one the path goes on as it did
    there, without a change of size, as far as frames 0 and 15.
    """
    keys: list[Record] = []
    for where, row in rows:
        if any(row):
            frame, top, bottom, left, right = file.numbers(row, "frame,top,bottom,left,right", where)
            if frame != int(frame) or not 0 <= frame < MAX_FRAMES:
                raise file.error(f"found frame {row[0]}, expected a whole number up to {MAX_FRAMES - 1}", where)
            if not all(map(_is_share, (top, bottom, left, right))):
                raise file.error(
                    f"found {','.join(row)[:60]}, read as FreeTraj's frame, top, bottom, left, right in shares of the "
                    f"frame: a table of other boxes needs a header, such as {TABLE_HEADER}",
                    where,
                )
            keys.append({"frame": int(frame), "box": file.corners([left, top, right, bottom], False, where)})
    what = "FreeTraj keyframes"
    if len(keys) > 1:
        if keys[0]["frame"] > 0:
            keys.insert(0, _gone_on(keys[1], keys[0], 0))
        if keys[-1]["frame"] < FREETRAJ_FRAMES - 1:
            what += f", gone on from frame {keys[-1]['frame']} to {FREETRAJ_FRAMES - 1} as in FreeTraj's videos"
            keys.append(_gone_on(keys[-2], keys[-1], FREETRAJ_FRAMES - 1))
    width, height = (given or default for given, default in zip(size, (512, 320), strict=True))
    return what, _document(file, keys, "", (width, height))


def _is_share(value: Any) -> bool:
    low, high = COORDINATE_RANGE
    return type(value) in (int, float) and low <= value <= high


def _gone_on(before: Record, last: Record, frame: int) -> Record:
    """A key at `frame`, where the box of `last` is if its corner moves on as it did from `before`."""
    share = (frame - last["frame"]) / (last["frame"] - before["frame"]) if last["frame"] != before["frame"] else 0
    dx, dy = ((last["box"][axis] - before["box"][axis]) * share for axis in range(2))
    x1, y1, x2, y2 = last["box"]
    return {"frame": frame, "box": [x1 + dx, y1 + dy, x2 + dx, y2 + dy]}


def read_yaml(file: BoxFile) -> Any:
    """The content of a YAML file, without aliases and tags of Python."""
    import yaml

    if len(file.text) > MAX_YAML:
        raise file.error(f"has {len(file.text)} characters of YAML, the limit is {MAX_YAML}")
    try:
        if any(isinstance(event, yaml.AliasEvent) for event in yaml.parse(file.text, yaml.SafeLoader)):
            raise file.error("has aliases (*), which may stand for a lot: write out what they stand for")
        return yaml.safe_load(file.text)
    except RecursionError:
        raise file.error("is nested too deeply to hold boxes") from None
    except (yaml.YAMLError, ValueError) as error:
        raise file.error(f"is not YAML: {' '.join(str(error).split())[:200]}") from None


def _document(file: BoxFile, keys: list[Record], phrase: str, size: tuple[int, int]) -> Trajectory:
    if not keys:
        raise file.error("is empty: expected boxes")
    frames = max(key["frame"] for key in keys) + 1
    head = {"version": VERSION, "width": size[0], "height": size[1], "frames": frames, "fps": DEFAULT_FPS}
    return parse_trajectory({**head, "objects": [{"phrase": phrase, "keys": keys}]})
