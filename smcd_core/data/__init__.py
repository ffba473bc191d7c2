"""Clips to learn from: frames with boxes, phrases and a caption."""

from .catalog import KINDS, detect_dataset, open_dataset
from .clip import Clip
from .flips import WithFlips
from .folder import FolderClips
from .got10k import GOT10kClips
from .grounding import GroundingClips
from .samples import ClipDataset, DatasetError, SampleError, read_all, shuffled, stream
from .synthetic import SPLITS, SyntheticClips, render_clip
from .world import WorldClips, render_world_clip
from .youtube_vis import YouTubeVISClips

__all__ = [
    "KINDS",
    "SPLITS",
    "Clip",
    "ClipDataset",
    "DatasetError",
    "FolderClips",
    "GOT10kClips",
    "GroundingClips",
    "SampleError",
    "SyntheticClips",
    "WithFlips",
    "WorldClips",
    "YouTubeVISClips",
    "open_dataset",
    "read_all",
    "detect_dataset",
    "render_clip",
    "render_world_clip",
    "shuffled",
    "stream",
]
