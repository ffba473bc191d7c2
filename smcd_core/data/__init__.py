"""Clips to learn from: frames with boxes, phrases and a caption."""

from .clip import Clip
from .synthetic import SPLITS, SyntheticClips, render_clip

__all__ = ["SPLITS", "Clip", "SyntheticClips", "render_clip"]
