"""Write and read videos with metadata, and draw boxes over frames.

A video is uint8 [F, H, W, 3], RGB.
"""

from __future__ import annotations

import json
import math
import os
import re
import shutil
from collections.abc import Sequence
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from PIL import ExifTags, Image, ImageColor, ImageDraw, ImageFont, PngImagePlugin
from torch import Tensor

from .errors import SMCDError
from .files import as_address, check_writable, naming, remove_leftovers, replacing, temporary_beside
from .fonts import font_for
from .pictures import PictureError, open_picture

SUFFIXES = (".mp4", ".webp", ".gif")
LEAST_SIDE = 256  # pixels; smaller frames are enlarged before drawing on them
MOST_SIDE = 512  # of one frame in a contact sheet
MAX_GIF_FPS = 50  # browsers slow down frames of less than 20 ms
MOST_FRAMES = 16  # in a contact sheet
_CONTAINERS = "mov,matroska,avi,gif,mpegts,mpeg,mpegvideo,asf"  # FFmpeg's names; none is a list of other files
_FRAME_NAME = "{:04d}.png"

Color = str | tuple[int, int, int]


class VideoError(SMCDError):
    """A video that cannot be written or read as asked."""


class NoSettingsError(VideoError):
    """A video that carries no metadata of smcd."""


# Files ---------------------------------------------------------------------------------------------------------------


def check_output(path: str | Path, fps: float | None = None) -> None:
    """Raise VideoError if `write_video` could not write there, at that rate; call it before the work, not after."""
    path = Path(path)
    suffix = path.suffix.lower()
    if suffix and suffix not in SUFFIXES:
        raise VideoError(f"{path}: cannot write {suffix}; expected {', '.join(SUFFIXES)}, or a folder without suffix")
    if suffix and path.is_dir():
        raise VideoError(f"{path}: is a folder; name a file, or a folder without suffix")
    if not suffix and path.exists() and not path.is_dir():
        raise VideoError(f"{path}: is a file; a name without suffix is a folder of PNG files, name another one")
    if not suffix and path.is_dir() and not all(re.fullmatch(r"\d{4,}\.png", name) for name in os.listdir(path)):
        raise VideoError(f"{path}: holds other files than frames, which would be lost; name a new folder")
    if suffix == ".mp4":
        _import_av(path)
    if suffix == ".gif" and fps is not None and fps > MAX_GIF_FPS:
        raise VideoError(
            f"{path}: a GIF shows at most {MAX_GIF_FPS} frames per second, not {fps:g}: write .mp4 or .webp"
        )
    check_writable(path)


def write_video(frames: np.ndarray, path: str | Path, fps: float, metadata: dict[str, Any]) -> None:
    """Write .mp4 (H.264), .webp, .gif, or a folder of PNG files where the path has no suffix.

    metadata  JSON-able; `read_metadata` gives it back

    A video at `path` is replaced once the new one is complete; a failure leaves no partial file.
    """
    path = Path(path)
    _refuse_no_frame(frames)
    check_output(path, fps)
    text = json.dumps(metadata)  # ASCII: some formats hold nothing else
    if path.suffix.lower() == ".mp4":
        with replacing(path) as temporary:
            _write_mp4(frames, temporary, fps, text)
        return
    images = [Image.fromarray(frame) for frame in frames]
    if not path.suffix:
        _write_folder(images, path, text)
        return
    with replacing(path) as temporary:
        if path.suffix.lower() == ".webp":
            exif = Image.Exif()
            exif[ExifTags.Base.ImageDescription] = text
            options = dict(format="WEBP", quality=90, method=4, exif=exif, duration=_durations(len(images), fps, 1))
        else:
            # Pillow joins equal frames, and keeps their time.
            options = dict(format="GIF", comment=text.encode(), duration=_durations(len(images), fps, 10))
        images[0].save(temporary, save_all=True, append_images=images[1:], loop=0, **options)


def _durations(count: int, fps: float, unit: int) -> list[int]:
    """Milliseconds of each frame, multiples of `unit`, of which the first n together last n / fps as nearly as can be.

    One length for all would let 8 frames per second of a GIF run at 8.33.
    """
    ends = [unit * round(frame * 1000 / fps / unit) for frame in range(count + 1)]
    return [end - start for start, end in pairwise(ends)]


def _write_folder(images: list[Image.Image], path: Path, text: str) -> None:
    """Write to a hidden folder beside it, then swap it in, so that `path` is always complete."""
    info = PngImagePlugin.PngInfo()
    info.add_text("smcd", text)
    path.parent.mkdir(parents=True, exist_ok=True)
    remove_leftovers(path)
    new, old = (temporary_beside(path, word) for word in ("tmp", "old"))
    try:
        with naming(path):
            new.mkdir()
            for index, image in enumerate(images):
                image.save(new / _FRAME_NAME.format(index), pnginfo=info)
        if path.exists():
            path.rename(old)
        new.rename(path)
    finally:
        shutil.rmtree(new, ignore_errors=True)
        if old.exists() and not path.exists():
            old.rename(path)
        shutil.rmtree(old, ignore_errors=True)


def open_video(path: Path) -> Any:
    """Open a video file with av. Files may name addresses and other files; FFmpeg follows none of them.

    Raises VideoError without the package av, else what av raises.
    """
    options = {"protocol_whitelist": "file", "format_whitelist": _CONTAINERS}
    return _import_av(path, "").open(as_address(path), options=options)


def _import_av(path: Path, otherwise: str = ", or write .webp or .gif") -> Any:
    try:
        import av
    except ImportError:
        raise VideoError(f"{path}: {path.suffix[1:]} needs the package av: pip install av{otherwise}") from None
    return av


def _write_mp4(frames: np.ndarray, path: Path, fps: float, text: str) -> None:
    av = _import_av(path)
    height, width = frames.shape[1:3]
    # H.264 stores colour for every second pixel, so the last row or column of an odd side is repeated.
    frames = np.pad(frames, ((0, 0), (0, height % 2), (0, width % 2), (0, 0)), mode="edge")
    with av.open(as_address(path), "w", format="mp4") as container:
        container.metadata["comment"] = text
        stream = container.add_stream("libx264", rate=Fraction(fps).limit_denominator(1000))
        stream.height, stream.width = frames.shape[1:3]
        stream.pix_fmt = "yuv420p"
        stream.options = {"crf": "16"}
        for frame in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(stream.encode())


def read_metadata(path: str | Path) -> dict[str, Any]:
    """The metadata that `write_video` was given.

    Raises VideoError for files that it did not write, OSError for unreadable ones.
    """
    path = Path(path)
    source = path / _FRAME_NAME.format(0) if path.is_dir() else path
    if source.suffix.lower() == ".mp4":
        av = _import_av(path, "")
        try:
            with open_video(source) as container:
                text = container.metadata.get("comment")
        except av.error.FFmpegError as error:
            raise VideoError(f"{path}: cannot be read as a video ({error.strerror})") from None
        except UnicodeDecodeError:  # PyAV's, of any text in the metadata
            text = None
    else:
        try:
            with open_picture(source) as image:
                comment = image.info.get("comment") or image.info.get("smcd")
                text = comment or image.getexif().get(ExifTags.Base.ImageDescription)
        except PictureError as error:
            raise VideoError(str(error)) from None
    try:
        metadata = json.loads(text or "")
    except (ValueError, TypeError, RecursionError):  # a damaged Exif block holds numbers instead of text
        metadata = None
    if not isinstance(metadata, dict):
        raise NoSettingsError(f"{path}: carries no settings of smcd in its metadata")
    return metadata


# Drawing -------------------------------------------------------------------------------------------------------------


def draw_boxes(
    frames: np.ndarray,
    boxes_xyxy: Tensor | np.ndarray,
    mask: Tensor | np.ndarray,
    colors: Sequence[Color],
    phrases: Sequence[str],
    paths: bool = False,
) -> np.ndarray:
    """A copy of the video with its boxes and their phrases, enlarged to at least LEAST_SIDE.

    boxes_xyxy  [F, N, 4]  units of the frame
    mask        [F, N]     boxes with 0 are not drawn
    colors      N, "#rrggbb" or RGB 0..255
    paths       also draw the path of each box's centre over the whole video
    """
    _refuse_no_frame(frames)
    boxes, mask = np.asarray(boxes_xyxy, np.float64), np.asarray(mask)
    middles = (boxes[..., :2] + boxes[..., 2:]) / 2  # [F, N, 2]
    drawn = []
    for frame, frame_boxes, seen in zip(_enlarged(frames), boxes, mask, strict=True):
        image = Image.fromarray(frame)
        draw, sides = ImageDraw.Draw(image), np.array(image.size * 2)
        corners = [np.rint(box * sides).astype(int) for box in frame_boxes]
        objects = [
            part for part, visible in zip(zip(corners, colors, phrases, strict=True), seen, strict=True) if visible
        ]
        for n, color in enumerate(colors if paths else ()):
            _draw_path(draw, image.size, np.rint(middles[:, n] * image.size).astype(int), mask[:, n], color)
        for box, color, _ in objects:
            _draw_box(draw, image.size, box, color)
        for box, color, phrase in objects:  # labels over all boxes
            if phrase:
                _draw_label(draw, image.size, box, color, phrase)
        drawn.append(np.array(image))
    return np.stack(drawn)


def _refuse_no_frame(frames: np.ndarray) -> None:
    if not len(frames):
        raise VideoError("the video has no frame: nothing to write or draw")


def _enlarged(frames: np.ndarray) -> np.ndarray:
    """Enlarge by a whole factor, so that every pixel stays a crisp square."""
    factor = math.ceil(LEAST_SIDE / min(frames.shape[1:3]))
    return frames.repeat(factor, axis=1).repeat(factor, axis=2)


def _line_width(size: tuple[int, int]) -> int:
    return max(2, round(min(size) / 128))


def _draw_path(
    draw: ImageDraw.ImageDraw, size: tuple[int, int], points: np.ndarray, seen: np.ndarray, color: Color
) -> None:
    """A dot at each visible point [F, 2], and lines between those of neighbouring frames."""
    width = _line_width(size)
    steps = [points[f : f + 2] for f in range(len(points) - 1) if seen[f] and seen[f + 1]]
    for edge, fill in ((2, (20, 20, 20)), (0, color)):
        for start, end in steps:
            draw.line((*start.tolist(), *end.tolist()), fill=fill, width=width + edge)
        radius = width + edge // 2
        for x, y in points[np.asarray(seen, bool)].tolist():
            draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=fill)


def _draw_box(draw: ImageDraw.ImageDraw, size: tuple[int, int], box: np.ndarray, color: Color) -> None:
    """A line inside the box, with a dark one around it to stand out on any background."""
    x1, y1, x2, y2 = box.tolist()
    x2, y2 = max(x1, x2 - 1), max(y1, y2 - 1)
    draw.rectangle((x1 - 1, y1 - 1, x2 + 1, y2 + 1), outline=(20, 20, 20), width=_line_width(size) + 2)
    draw.rectangle((x1, y1, x2, y2), outline=color, width=_line_width(size))


def _draw_label(draw: ImageDraw.ImageDraw, size: tuple[int, int], box: np.ndarray, color: Color, phrase: str) -> None:
    """The phrase on a plate of the box's colour: above the box, or inside it at the top of the frame."""
    width, height = size
    text = phrase if len(phrase) <= 32 else phrase[:31] + "\u2026"
    font = font_for(text, max(13, round(min(width, height) / 20)))
    left, top, right, bottom = font.getbbox(text)
    _, top, _, bottom = font.getbbox("Ag")  # the same height for every text
    plate_width, plate_height = right - left + 8, bottom - top + 6
    x = min(max(int(box[0]) - 1, 0), max(0, width - plate_width))
    y = int(box[1]) - plate_height
    y = min(max(y if y >= 0 else int(box[1]), 0), height - plate_height)
    draw.rectangle((x, y, x + plate_width - 1, y + plate_height - 1), fill=color, outline=(20, 20, 20))
    draw.text((x + 4 - left, y + 3 - top), text, fill=_readable_on(color), font=font)


def _readable_on(color: Color) -> str:
    red, green, blue = ImageColor.getrgb(color)[:3] if isinstance(color, str) else color
    return "black" if 0.299 * red + 0.587 * green + 0.114 * blue > 130 else "white"


def contact_sheet(
    frames: np.ndarray,
    boxes_xyxy: Tensor | np.ndarray,
    mask: Tensor | np.ndarray,
    colors: Sequence[Color],
    phrases: Sequence[str],
) -> Image.Image:
    """Frames side by side with their numbers and boxes, see `draw_boxes`.

    Of a long video MOST_FRAMES are shown, evenly spaced, first and last included.
    """
    _refuse_no_frame(frames)
    chosen = np.unique(np.linspace(0, len(frames) - 1, min(len(frames), MOST_FRAMES)).round().astype(int))
    boxes, mask = np.asarray(boxes_xyxy)[chosen], np.asarray(mask)[chosen]
    tiles = [Image.fromarray(frame) for frame in draw_boxes(frames[chosen], boxes, mask, colors, phrases)]
    shrink = min(1.0, MOST_SIDE / max(tiles[0].size))
    width, height = (round(side * shrink) for side in tiles[0].size)
    columns = min(len(tiles), 4)
    rows = math.ceil(len(tiles) / columns)
    gap, caption = 12, 24
    sheet = Image.new("RGB", (gap + columns * (width + gap), gap + rows * (height + caption + gap)), "white")
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(16)
    for place, (number, tile) in enumerate(zip(chosen.tolist(), tiles, strict=True)):
        x = gap + place % columns * (width + gap)
        y = gap + place // columns * (height + caption + gap)
        draw.text((x, y), f"frame {number}", fill=(60, 60, 60), font=font)
        sheet.paste(tile.resize((width, height), Image.Resampling.LANCZOS) if shrink < 1 else tile, (x, y + caption))
    return sheet
