"""Make the pictures of the README anew, with the bundled checkpoint: python docs/pictures.py"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from smcd_core import SMCDPipeline, read_trajectory
from smcd_core.pictures import read_picture
from smcd_core.trajectory.dense import boxes_at
from smcd_core.trajectory.document import Trajectory
from smcd_core.video import draw_boxes

DOCS = Path(__file__).parent
EXAMPLE = DOCS.parent / "demo" / "coffee"
SIDE, GAP, TEXT_HEIGHT = 256, 12, 24  # pixels
FRAME_MS, HOLD_MS = 160, 900  # the second for the last frame


def main() -> None:
    picture = read_picture(EXAMPLE.with_suffix(".png"))
    trajectory, _ = read_trajectory(EXAMPLE.with_suffix(".json"))
    prompt = EXAMPLE.with_suffix(".txt").read_text(encoding="utf-8").strip()
    video = SMCDPipeline.from_checkpoint(device="cpu")(picture, trajectory, prompt)  # as make demo does
    still = np.repeat(np.asarray(picture)[None], len(video), axis=0)
    write_animation(with_boxes(still, trajectory), video, DOCS / "demo.gif")
    write_strip(with_boxes(video, trajectory), DOCS / "demo.png")


def with_boxes(frames: np.ndarray, trajectory: Trajectory) -> np.ndarray:
    drawn = [track for track in trajectory.objects if track.enabled]
    boxes, mask = boxes_at(trajectory, len(frames))
    return draw_boxes(frames, boxes, mask, [track.color for track in drawn], [track.phrase for track in drawn])


def write_animation(given: np.ndarray, made: np.ndarray, path: Path) -> None:
    """Both uint8 [F, H, W, 3], side by side."""
    font = ImageFont.load_default(15)
    pages = []
    for left, right in zip(given, made, strict=True):
        page = Image.new("RGB", (2 * SIDE + GAP, SIDE + TEXT_HEIGHT), "white")
        draw = ImageDraw.Draw(page)
        for column, (frame, text) in enumerate([(left, "one picture, and boxes that you draw"), (right, "the video")]):
            x = column * (SIDE + GAP)
            page.paste(Image.fromarray(frame).resize((SIDE, SIDE), Image.Resampling.LANCZOS), (x, TEXT_HEIGHT))
            draw.text((x, 3), text, fill=(60, 60, 60), font=font)
        pages.append(page)
    durations = [FRAME_MS] * (len(pages) - 1) + [HOLD_MS]
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
