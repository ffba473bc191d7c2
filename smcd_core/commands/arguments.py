"""Shared by the commands that make videos: types of options, reading the image, and notes beside the result."""

from __future__ import annotations

import argparse
import math
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from ..terminal import say
from ..trajectory.document import MAX_SIDE

if TYPE_CHECKING:
    from PIL import Image


def pixel_size(text: str) -> tuple[int, int]:
    """(width, height) of WIDTHxHEIGHT."""
    match = re.fullmatch(r"(\d{1,5})x(\d{1,5})", text)
    size = (int(match[1]), int(match[2])) if match else (0, 0)
    if not all(1 <= side <= MAX_SIDE for side in size):
        raise argparse.ArgumentTypeError(f"{text!r} is no size: write it like 256x256, with sides from 1 to {MAX_SIDE}")
    return size


def frame_sizes(text: str) -> int | tuple[tuple[int, int], ...]:
    """N for squares of N x N pixels, else (width, height) of each of WIDTHxHEIGHT,WIDTHxHEIGHT,..."""
    if re.fullmatch(r"\d{1,5}", text):
        return int(text)
    return tuple(map(pixel_size, text.split(",")))


def whole(low: int, high: int) -> Callable[[str], int]:
    """The type of an option: a whole number in that range."""

    def parse(text: str) -> int:
        if not re.fullmatch(r"\d{1,20}", text) or not low <= int(text) <= high:
            raise argparse.ArgumentTypeError(f"{text!r} is no whole number from {low} to {high}")
        return int(text)

    return parse


def number(low: float, high: float) -> Callable[[str], float]:
    """The type of an option: a number in that range."""

    def parse(text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if not low <= value <= high:
            raise argparse.ArgumentTypeError(f"{text!r} is no number from {low:g} to {high:g}")
        return value

    return parse


def lora_file(text: str) -> tuple[Path, float]:
    """File and strength of FILE or FILE:STRENGTH."""
    name, _, strength = text.rpartition(":")
    if name and re.fullmatch(r"[+-]?(\d+\.?\d*|\.\d+)", strength):
        return Path(name), number(-100, 100)(strength)
    if name and Path(name).is_file() and not Path(text).exists():
        raise argparse.ArgumentTypeError(f"{strength!r} is no strength: write it like {name}:0.8")
    return Path(text), 1.0


def read_image(path: Path) -> Image.Image:
    """As RGB, turned as the camera was held; a note says if it was transparent."""
    from PIL import ImageOps

    from ..pictures import as_rgb, is_transparent, open_picture

    with open_picture(path) as image:
        if is_transparent(image):
            note(f"{path}: is partly transparent and was laid over white")
        return as_rgb(ImageOps.exif_transpose(image))


def note(text: str) -> None:
    """Say something beside the result."""
    say(f"smcd: {text}", sys.stderr)
