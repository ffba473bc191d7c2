"""Make the pictures of the README anew, with the bundled checkpoint: python docs/pictures.py"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from smcd_core import SMCDPipeline, read_trajectory
from smcd_core.pictures import read_picture
from smcd_core.sampling.animatic import animatic
from smcd_core.trajectory.dense import boxes_at
from smcd_core.trajectory.document import Trajectory, parse_trajectory
from smcd_core.video import draw_boxes

DOCS = Path(__file__).parent
EXAMPLE, WITHOUT_MODEL = DOCS.parent / "demo" / "coffee", DOCS.parent / "demo" / "rocket.png"
ROCKET = (
    {"frame": 0, "box": [0.476, 0.21, 0.531, 0.975], "ease": "in"},
    {"frame": 29, "box": [0.476, -0.72, 0.531, 0.045]},
)
SIDE, WIDE, GAP, TEXT_HEIGHT = 256, 426, 12, 24  # pixels


def main() -> None:
    picture = read_picture(EXAMPLE.with_suffix(".png"))
    trajectory, _ = read_trajectory(EXAMPLE.with_suffix(".json"))
    prompt = EXAMPLE.with_suffix(".txt").read_text(encoding="utf-8").strip()
    video = SMCDPipeline.from_checkpoint(device="cpu")(picture, trajectory, prompt)  # as make demo does
    still = np.repeat(np.asarray(picture)[None], len(video), axis=0)
    titles = ("one picture, and boxes that you draw", "the video")
    write_animation(side_by_side(with_boxes(still, trajectory), video, titles, SIDE), DOCS / "demo.gif", frame_ms=160)
    write_strip(with_boxes(video, trajectory), DOCS / "demo.png")
    picture = read_picture(WITHOUT_MODEL)
    rocket = {"phrase": "rocket", "color": "#e69f00", "keys": ROCKET}
    size = {"width": picture.width, "height": picture.height}
    trajectory = parse_trajectory({"version": 1, **size, "frames": 30, "objects": [rocket]})
    moved, _ = animatic(np.array(picture), trajectory, trajectory.frames)
    titles = ("drag the object that you see", "SMCD Cut and Drag: the guide, without any model")
    drawn = with_boxes(moved, trajectory, paths=True)
    pages = side_by_side(drawn, moved, titles, WIDE)
    colors = pages[0].quantize(255)  # one palette, without dither: what does not move takes no bytes
    pages = [page.quantize(palette=colors, dither=Image.Dither.NONE) for page in pages]
    write_animation(pages, DOCS / "animatic.gif", frame_ms=70)


def with_boxes(frames: np.ndarray, trajectory: Trajectory, paths: bool = False) -> np.ndarray:
    drawn = [track for track in trajectory.objects if track.enabled]
    boxes, mask = boxes_at(trajectory, len(frames))
    return draw_boxes(frames, boxes, mask, [track.color for track in drawn], [track.phrase for track in drawn], paths)


def side_by_side(given: np.ndarray, made: np.ndarray, titles: tuple[str, str], width: int) -> list[Image.Image]:
    """Both uint8 [F, H, W, 3], made `width` pixels wide."""
    font = ImageFont.load_default(15)
    height = round(width * made.shape[1] / made.shape[2])
    pages = []
    for pair in zip(given, made, strict=True):
        page = Image.new("RGB", (2 * width + GAP, height + TEXT_HEIGHT), "white")
        draw = ImageDraw.Draw(page)
        for column, (frame, text) in enumerate(zip(pair, titles, strict=True)):
            x = column * (width + GAP)
            page.paste(Image.fromarray(frame).resize((width, height), Image.Resampling.LANCZOS), (x, TEXT_HEIGHT))
            draw.text((x + 4, 3), text, fill=(60, 60, 60), font=font)
        pages.append(page)
    return pages


def write_animation(pages: list[Image.Image], path: Path, frame_ms: int) -> None:
    """The last page stays a while."""
    durations = [frame_ms] * (len(pages) - 1) + [900]
    pages[0].save(path, save_all=True, append_images=pages[1:], duration=durations, loop=0)


def write_strip(frames: np.ndarray, path: Path) -> None:
    """Four frames, the first and the last included."""
    shown = frames[np.linspace(0, len(frames) - 1, 4).round().astype(int)]
    strip = Image.new("RGB", (len(shown) * (SIDE + GAP) - GAP, SIDE), "white")
    for column, frame in enumerate(shown):
        strip.paste(Image.fromarray(frame).resize((SIDE, SIDE), Image.Resampling.LANCZOS), (column * (SIDE + GAP), 0))
    strip.save(path)


if __name__ == "__main__":
    main()
