"""Reader for finished videos of any method, with the boxes and references to compare them with.

    videos/a.mp4, videos/b/0000.png ...   a video; its name without suffix is the key to all other files
    trajectories/a.json, a.csv, a/ ...    its boxes, named as beside the videos of data/folder.py, or a.txt; without
                                          this folder they are beside the video, where a.txt is a caption, or inside
                                          it, as smcd animate writes them
    references/a.mp4, a/, or a.png        the real video of the same length, or its first frame alone
    found/a.json, ...                     boxes of the objects in the video, from a tracker or by hand
    points/a.json, a.npy                  where points should be, and in another folder where a tracker found them
    counterfactuals/a.mp4, a/             the same request and seed with other boxes

Frames are resized to a square, as in the datasets and the published evaluation. Boxes are in units of the frame.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from ..data import Clip
from ..data.folder import BOXES_BESIDE, boxes_of_all, find_videos, mot_file, open_video, rows_of_video
from ..data.media import IMAGE_SUFFIXES, VIDEO_SUFFIXES, FrameFolder, VideoFile, read_image
from ..data.samples import DatasetError, SampleError
from ..errors import SMCDError
from ..trajectory.dense import DenseBoxes, dense_boxes, prompt_of
from ..trajectory.document import MAX_FRAMES, Trajectory, parse_trajectory
from ..trajectory.files import boxes_in, read_dense
from ..trajectory.formats.coco_video import VideoEntry
from ..video import VideoError, read_metadata
from .metrics import colors_tell, first_colors, match_tracks
from .point_error import POINT_SUFFIXES, PointPaths, read_points
from .sensitivity import Counterfactual

_BESIDE = (".mot.txt", *BOXES_BESIDE)
_IN_A_FOLDER_OF_BOXES = (*_BESIDE, ".txt")


@dataclass(frozen=True)
class VideoSources:
    """Folders of boxes and references, see the top of this file; None for no such folder.

    prompts   sentences by key; default: the prompt inside the video, else its phrases
    by_color  whether objects are drawings that are found by the colour they have in the reference's first frame
    """

    trajectories: Path | None = None
    references: Path | None = None
    prompts: Mapping[str, str] | None = None
    counterfactual_trajectories: Path | None = None
    points: Path | None = None
    by_color: bool = False


@dataclass(frozen=True)
class FinishedVideo:
    """A video with what to compare it with.

    frames   uint8 [F, size, size, 3]
    clip     boxes, phrases and prompt; its frames are those of the reference: all of them, the first alone, or none
    found    [F, N, 4] boxes of its objects as a tracker found them, None if no such boxes were given
    other    the same request with other boxes, None if no such video was given
    points   where points should be and where they were found, None if no such files were given
    asked    the boxes of the clip, with the size of the stored video
    tracks   the found boxes as the tracker gave them, None if no such boxes were given
    remarks  on the files of boxes, such as that straight lines join rows of a few frames
    """

    key: str
    frames: np.ndarray
    clip: Clip
    found: np.ndarray | None
    other: Counterfactual | None
    points: PointPaths | None
    asked: DenseBoxes
    tracks: DenseBoxes | None
    remarks: tuple[str, ...]


def read_videos(
    folder: Path,
    sources: VideoSources,
    *,
    found: Path | None = None,
    counterfactuals: Path | None = None,
    points: Path | None = None,
    size: int = 256,
) -> Iterator[FinishedVideo]:
    """Read the videos in a folder one by one, in natural order.

    found            folder of the boxes of their objects
    counterfactuals  folder of the videos of the same requests with other boxes
    points           folder of the points that a tracker found in them

    Raises SMCDError if something is missing or does not fit.
    """
    paths = {_key(path, folder): path for path in find_videos(folder)} if folder.is_dir() else {}
    if not paths:
        raise SMCDError(
            f"{folder}: holds no videos; expected files with {', '.join(VIDEO_SUFFIXES)} or folders of images"
        )
    listed = _BoxesOfAll({key: path.relative_to(folder).as_posix() for key, path in paths.items()})
    for key, path in paths.items():
        source = open_video(path)
        if source.length > MAX_FRAMES:  # 261 kB of H.264 can hold 28,000 frames, which take 5.6 GB
            raise SMCDError(f"{path}: has {source.length} frames, the limit is {MAX_FRAMES}: cut the video")
        video = source.read(range(source.length), (size, size))
        trajectory, prompt, *remarks = _trajectory_and_prompt(key, source, folder, sources, listed)
        boxes = dense_boxes(trajectory, len(video))
        matched = tracks = None
        if found is not None:
            there, remark = _read_boxes(found, key, source, listed)
            tracks, remarks = there.clipped(), [*remarks, remark]
            matched = match_tracks(tracks.xyxy, tracks.mask, tracks.phrases, boxes.xyxy, boxes.mask, boxes.phrases)
        reference = _reference(key, sources.references, len(video), size)
        start = reference[0] if len(reference) else video[0]
        colors = _colors(path, start, boxes) if sources.by_color else None
        clip = Clip(reference, boxes.xyxy, boxes.mask, boxes.phrases, prompt, colors)
        other = None if counterfactuals is None else _counterfactual(key, counterfactuals, sources, clip, size, listed)
        paths = None if points is None or sources.points is None else _points(key, points, sources.points, source)
        asked = replace(boxes, size=source.size())
        yield FinishedVideo(key, video, clip, matched, other, paths, asked, tracks, tuple(filter(None, remarks)))


def _colors(path: Path, first_frame: np.ndarray, boxes: DenseBoxes) -> tuple[tuple[int, int, int], ...]:
    """The colours by which the objects can be found. Raises SMCDError if they do not tell where one is."""
    colors = first_colors(first_frame, boxes.xyxy, boxes.mask)
    told = colors_tell(first_frame, boxes.xyxy, boxes.mask, colors)
    if not told.all():
        lost = boxes.phrases[int(told.argmin())]
        raise SMCDError(
            f"{path}: --by-color does not find {lost!r} in its box of the first frame, as it is for drawings in plain "
            "colours only: give --detector or --found"
        )
    return tuple(colors)


def _key(path: Path, folder: Path) -> str:
    relative = path.relative_to(folder)
    return (relative.with_suffix("") if path.is_file() else relative).as_posix()


def _trajectory_and_prompt(
    key: str, video: VideoFile | FrameFolder, folder: Path, sources: VideoSources, listed: _BoxesOfAll
) -> tuple[Trajectory | DenseBoxes, str, str]:
    """Boxes and prompt that a video was made with, and a remark on the boxes."""
    metadata = _metadata(video.path)
    boxes, remark = _boxes(key, video, folder, sources.trajectories, metadata, listed)
    if sources.prompts is not None and key not in sources.prompts:
        raise SMCDError(f"there is no prompt for {key}: add it to the file of prompts")
    settings = metadata.get("settings")
    written = settings.get("prompt") if isinstance(settings, dict) else None  # another program may use the same key
    prompt = (sources.prompts or {}).get(key) or (written if isinstance(written, str) else "")
    return boxes, prompt or prompt_of(dense_boxes(boxes).phrases), remark


def _boxes(
    key: str,
    video: VideoFile | FrameFolder,
    folder: Path,
    trajectories: Path | None,
    metadata: Mapping,
    listed: _BoxesOfAll,
) -> tuple[Trajectory | DenseBoxes, str]:
    home = trajectories or folder
    # A trajectory that came with the video may have been sampled at fewer times; a file must have the right length.
    suffixes = _IN_A_FOLDER_OF_BOXES if trajectories else _BESIDE
    is_inside = trajectories is None and _boxes_path(home, key, suffixes) is None and "trajectory" in metadata
    return (
        (parse_trajectory(metadata["trajectory"]), "") if is_inside else _read_boxes(home, key, video, listed, suffixes)
    )


def _metadata(path: Path) -> dict:
    try:
        return read_metadata(path)
    except (VideoError, OSError):
        return {}


def _counterfactual(
    key: str, folder: Path, sources: VideoSources, clip: Clip, size: int, listed: _BoxesOfAll
) -> Counterfactual:
    path = _named(folder, key)
    if path is None:
        raise SMCDError(f"{folder}: has no counterfactual for {key}; expected a video or a folder of frames")
    source = open_video(path)
    if source.length != len(clip.mask):
        raise SMCDError(f"{path}: has {source.length} frames, the video {len(clip.mask)}: make them of one length")
    asked, _ = _boxes(key, source, folder, sources.counterfactual_trajectories, _metadata(path), listed)
    boxes = dense_boxes(asked, source.length)
    if np.array_equal(boxes.xyxy, clip.boxes_xyxy) and np.array_equal(boxes.mask, clip.mask):
        raise SMCDError(
            f"{path}: has the boxes of the video; name those that it was made with in a folder of their own"
        )
    return Counterfactual(source.read(range(source.length), (size, size)), boxes.xyxy, boxes.mask)


def _points(key: str, found: Path, asked: Path, video: VideoFile | FrameFolder) -> PointPaths:
    read = []
    for folder in (asked, found):
        paths = [folder / f"{key}{suffix}" for suffix in POINT_SUFFIXES]
        path = next((path for path in paths if path.is_file()), None)
        if path is None:
            raise SMCDError(f"{folder}: has no points for {key}; expected {' or '.join(path.name for path in paths)}")
        read.append(read_points(path))
    wanted, seen = read
    if wanted.shape != seen.shape or len(seen) != video.length:
        shapes = " and ".join(f"{points.shape[1]} points in {len(points)} frames" for points in read)
        raise SMCDError(f"{key}: {shapes} are asked for and found, the video has {video.length}: follow the asked ones")
    return PointPaths(wanted, seen, video.size())


def _named(folder: Path, key: str) -> Path | None:
    """The video of that name."""
    candidates = [folder / key, *(folder / f"{key}{suffix}" for suffix in VIDEO_SUFFIXES)]
    return next((path for path in candidates if path.exists()), None)


def _boxes_path(folder: Path, key: str, suffixes: Sequence[str]) -> Path | None:
    """File named after the key, or a folder that holds boxes, such as a GOT-10k sequence."""
    for suffix in suffixes:
        path = folder / f"{key}{suffix}"
        if path.is_file():
            return path
    path = folder / key
    return path if path.is_dir() and boxes_in(path) else mot_file(path)


class _BoxesOfAll:
    """The boxes of all videos in one file of a folder, each of which is read once.

    names  of the videos by key: paths below their folder
    """

    def __init__(self, names: Mapping[str, str]):
        self.names = names
        self.read: dict[Path, dict[str, VideoEntry | SampleError]] = {}

    def of(self, folder: Path, key: str) -> VideoEntry | SampleError | None:
        if folder not in self.read:
            self.read[folder] = boxes_of_all(folder, list(self.names.values()))
        return self.read[folder].get(self.names[key])


def _read_boxes(
    folder: Path,
    key: str,
    video: VideoFile | FrameFolder,
    listed: _BoxesOfAll,
    suffixes: Sequence[str] = _IN_A_FOLDER_OF_BOXES,
) -> tuple[DenseBoxes, str]:
    """The boxes, and a remark on them. Pixels are those of the stored video, unless the file names another size."""
    path = _boxes_path(folder, key, suffixes)
    if path is not None:
        width, height = video.size()
        boxes, what = read_dense(path, width=width, height=height, frames=video.length)
        return boxes, f"{path}: {what}" if "; " in what else ""
    reason = ""
    try:
        if entry := listed.of(folder, key):
            return rows_of_video(entry, video).at(range(video.length), video.size()), ""
    except DatasetError as error:
        reason = f" ({error})"
    names = ", ".join(f"{key}{suffix}" for suffix in suffixes)
    raise SMCDError(
        f"{folder}: has no boxes for {key}; expected {names}, a folder {key} with such a file, or one file with the "
        f"boxes of all videos, as YouTube-VIS has them{reason}"
    )


def _reference(key: str, folder: Path | None, length: int, size: int) -> np.ndarray:
    """[F or 1 or 0, size, size, 3]"""
    if folder is None:
        return np.zeros((0, size, size, 3), np.uint8)
    for suffix in IMAGE_SUFFIXES:
        if (folder / f"{key}{suffix}").is_file():
            return read_image(folder / f"{key}{suffix}", (size, size))[None]
    path = _named(folder, key)
    if path is None:
        raise SMCDError(f"{folder}: has no reference for {key}; expected a video, a folder of frames or an image")
    video = open_video(path)
    if video.length != length:
        raise SMCDError(f"{path}: has {video.length} frames, the video {length}: cut the reference to the same ones")
    return video.read(range(length), (size, size))


def read_prompts(path: Path) -> dict[str, str]:
    """A JSON file {key: sentence}."""
    try:
        prompts = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise SMCDError(f"{path}: is no JSON ({error})") from None
    if not isinstance(prompts, dict) or not all(isinstance(text, str) for text in prompts.values()):
        raise SMCDError(f'{path}: expected {{"name of a video": "sentence", ...}}')
    return prompts
