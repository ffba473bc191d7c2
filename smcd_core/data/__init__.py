"""Clips to learn from: frames with boxes, phrases and a caption."""

from .clip import Clip
from .folder import FolderClips
from .samples import ClipDataset, DatasetError, SampleError, read_all, shuffled, stream
from .synthetic import SPLITS, SyntheticClips, render_clip

__all__ = [
    "SPLITS",
    "Clip",
    "ClipDataset",
    "DatasetError",
    "FolderClips",
    "SampleError",
    "SyntheticClips",
    "read_all",
    "render_clip",
    "shuffled",
    "stream",
]
