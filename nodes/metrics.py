"""Score how well a video follows its boxes."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from comfy_api.latest import io
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from ..smcd_core.errors import SMCDError
from ..smcd_core.sampling.framing import resized
from ..smcd_core.trajectory.dense import DenseBoxes, dense_boxes, phrases
from ..smcd_core.trajectory.document import Trajectory, dumps
from ..smcd_core.trajectory.values import track_visibility
from .values import ACCEPTED, TrajectoryDocument, boxes_input, read_boxes, to_image, to_pixels

PLOT_SIZE = (640, 360)
MORE = {  # scores in the text, and their names there
    "coverage": "coverage",
    "miou": "mIoU",
    "ap50": "AP50",
    "centroid_distance": "centroid distance",
    "change_inside": "change inside",
    "leakage": "leakage",
    "localization_iou": "localisation IoU",
    "epe": "EPE in pixels",
    "epe_moving": "of moving points",
}


class SMCDMetrics(io.ComfyNode):
    """Scores of a video."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="SMCD_Metrics",
            display_name="SMCD Metrics",
            category="SMCD",
            description="Measures how well the objects follow their boxes, as GOT-10k does, and how close the first "
            "frame is to the requested one.",
            search_aliases=["average overlap", "IoU", "success rate", "grounding"],
            inputs=[
                io.Image.Input("images", tooltip="The result, one frame for each frame of the trajectory."),
                boxes_input(),
                io.MultiType.Input(
                    "found",
                    types=ACCEPTED,
                    optional=True,
                    tooltip="Where the objects are in the result: BOUNDING_BOX per frame from RT-DETR or SAM3, or "
                    "masks of a SAM3 track. Boxes with a label are matched with objects of this phrase, others with "
                    "those that they overlap most. If not connected, objects are found by their colour in the first "
                    "frame, which only works for drawings.",
                ),
                io.Image.Input("first_frame", optional=True, tooltip="The requested frame 0."),
                io.Image.Input(
                    "other",
                    optional=True,
                    tooltip="A video of the same image, prompt and seed with other boxes. The text then tells how much "
                    "changes where boxes differ, and elsewhere.",
                ),
                io.MultiType.Input(
                    "other_trajectory",
                    types=ACCEPTED,
                    optional=True,
                    tooltip="The boxes of the other video, with the same objects.",
                ),
                io.Tracks.Input(
                    "points",
                    optional=True,
                    tooltip="Where points should be, as SMCD Tracks gives them for a video of this size.",
                ),
                io.Tracks.Input(
                    "found_points",
                    optional=True,
                    tooltip="The same points as a tracker such as CoTracker found them in the result.",
                ),
            ],
            outputs=[
                io.Float.Output(display_name="AO", tooltip="Average overlap: mean IoU over all visible boxes, 0..1."),
                io.Float.Output(display_name="SR50", tooltip="Share of the visible boxes with an IoU above 0.5."),
                io.Float.Output(display_name="SR75", tooltip="The same for 0.75."),
                io.Float.Output(display_name="first_frame_psnr", tooltip="In dB; 0 without first_frame."),
                io.String.Output(display_name="text", tooltip="The scores in one line."),
                io.Image.Output(display_name="plot", tooltip="Average overlap by frame."),
            ],
            hidden=[io.Hidden.unique_id],
        )

    @classmethod
    def execute(
        cls,
        images: Tensor,
        trajectory: Any,
        found: Any = None,
        first_frame: Tensor | None = None,
        other: Tensor | None = None,
        other_trajectory: Any = None,
        points: dict[str, Tensor] | None = None,
        found_points: dict[str, Tensor] | None = None,
    ) -> io.NodeOutput:
        from ..smcd_core.evaluation.metrics import grounding, iou, psnr
        from ..smcd_core.evaluation.peekaboo import localization
        from .host.remarks import remark

        pixels = to_pixels(images)
        frames, height, width = pixels.shape[:3]
        asked = read_boxes(trajectory, width, height, frames)
        wanted = dense_boxes(asked, frames)
        boxes, mask = wanted.xyxy, wanted.mask
        if not mask.any():
            raise SMCDError("the trajectory has no box inside the frame at any time: there is nothing to score")
        remarks = []
        if found is None:
            start = pixels[0] if first_frame is None else to_pixels(first_frame, "first_frame")[0]
            seen_boxes, lost = found_by_color(pixels, start, boxes, mask)
            if lost:
                names = ", ".join(phrases(asked)[n] or f"object {n + 1}" for n in lost)
                remarks = [f"no overlap without found: colours do not tell where these are: {names}"]
        else:
            there = read_boxes(found, width, height, frames)
            seen_boxes, remarks = found_boxes(there, wanted)
        remark(cls, remarks)
        more = control_of(pixels, boxes, mask, other, other_trajectory) | error_of(pixels, points, found_points)
        if seen_boxes is None:
            scores = dict.fromkeys(("ao", "sr50", "sr75"), math.nan) | {"ao_frames": []}
            title, shown = "no AO: connect found boxes", {}
        else:
            scores = grounding(seen_boxes, boxes, mask)
            more |= localization(seen_boxes, boxes, mask, (width, height))
            title = f"AO {scores['ao']:.3f}, SR50 {scores['sr50']:.3f}, SR75 {scores['sr75']:.3f}"
            report = for_editor(asked, iou(seen_boxes, boxes), mask)
            if isinstance(trajectory, TrajectoryDocument):
                report["text"] = dumps(asked)  # the editor may hold another one by now
            shown = {"smcd_scores": [report]}
        quality = 0.0
        if first_frame is not None:
            expected = resized(to_pixels(first_frame, "first_frame")[0], width, height)
            quality = min(psnr(pixels[:1], expected[None]), 100.0)
        shares = [
            f", {label} {more[name]:.3f}" for name, label in MORE.items() if math.isfinite(more.get(name, math.nan))
        ]
        text = title + "".join(shares)
        text += f", first frame {quality:.1f} dB" if first_frame is not None else ""
        figure = to_image(plot(scores["ao_frames"], title)[None])
        return io.NodeOutput(scores["ao"], scores["sr50"], scores["sr75"], quality, text, figure, ui=shown)


def found_by_color(
    pixels: np.ndarray, start: np.ndarray, boxes: np.ndarray, mask: np.ndarray
) -> tuple[np.ndarray | None, list[int]]:
    """Boxes [F, N, 4] of what has the colours of the drawing `start`, or None and the objects that they do not tell."""
    from ..smcd_core.evaluation.metrics import colors_tell, find_colors, first_colors

    colors = first_colors(start, boxes, mask)
    told = colors_tell(start, boxes, mask, colors)
    if not told.all():
        return None, np.flatnonzero(~told).tolist()
    return find_colors(pixels, colors), []


def control_of(
    pixels: np.ndarray, boxes: np.ndarray, mask: np.ndarray, other: Tensor | None, trajectory: Any
) -> dict[str, float]:
    """Control sensitivity, if the video of other boxes is connected."""
    from ..smcd_core.evaluation.sensitivity import Counterfactual, sensitivity

    if other is None and trajectory is None:
        return {}
    if other is None or trajectory is None:
        raise SMCDError("other and other_trajectory are a video and its boxes: connect both or none")
    frames, height, width = pixels.shape[:3]
    theirs = dense_boxes(read_boxes(trajectory, width, height, frames), frames)
    return sensitivity(pixels, boxes, mask, Counterfactual(to_pixels(other, "other"), theirs.xyxy, theirs.mask))


def error_of(pixels: np.ndarray, asked: dict[str, Tensor] | None, found: dict[str, Tensor] | None) -> dict[str, float]:
    """Point error, if points are connected."""
    from ..smcd_core.evaluation.point_error import PointPaths, point_error

    if asked is None and found is None:
        return {}
    if asked is None or found is None:
        raise SMCDError("points says where they should be, found_points where they are: connect both or none")
    frames, height, width = pixels.shape[:3]
    paths = [value["track_path"].double().cpu().numpy() for value in (asked, found)]
    if paths[0].shape != paths[1].shape or len(paths[0]) != frames:
        shapes = " and ".join(str(list(path.shape)) for path in paths)
        raise SMCDError(f"points and found_points have the shapes {shapes}, images {frames} frames: make them alike")
    paths[0][~track_visibility(asked, paths[0].shape[:2])] = -1  # outside the frame, which does not count
    return point_error(PointPaths(*paths, (width, height)))


def for_editor(asked: Trajectory, overlap: np.ndarray, mask: np.ndarray) -> dict[str, Any]:
    """IoU [F, N] by object id, None where mask [F, N] is False: the strip under the editor's timeline."""
    ids = [track.id for track in asked.objects if track.enabled]
    values = [
        [round(value, 4) if seen else None for value, seen in zip(*column, strict=True)]
        for column in zip(overlap.T.tolist(), mask.T.tolist(), strict=True)
    ]
    return {"ids": ids, "iou": values}


def found_boxes(found: Trajectory, asked: DenseBoxes) -> tuple[np.ndarray, list[str]]:
    """[F, N, 4] in the order of the wanted objects, zeros where nothing was found; and remarks on the labels."""
    from ..smcd_core.evaluation.metrics import listed, match_tracks, unmatched

    if found.frames != asked.frames:
        raise SMCDError(
            f"found has {found.frames} frames, images {asked.frames}: give boxes for each frame of the result"
        )
    there, wanted = dense_boxes(found), asked.phrases
    labels, (foreign, lost), remarks = there.phrases, unmatched(there.phrases, wanted), []
    if foreign and set(lost) == set(wanted):
        labels = ("",) * len(labels)
        remarks = [
            f"the labels of the found boxes ({listed(foreign)}) are not the phrases ({listed(lost)}), so overlap alone "
            "tells which is which: make them alike"
        ]
    elif lost:
        remarks = [f"found has no boxes with these labels: {listed(lost)}"]
    return match_tracks(there.xyxy, there.mask, labels, asked.xyxy, asked.mask, wanted), remarks


def plot(values: list[float], title: str) -> np.ndarray:
    """Average overlap by frame as a picture, uint8 [H, W, 3]. Frames without a visible box have no point."""
    width, height = PLOT_SIZE
    image = Image.new("RGB", PLOT_SIZE, "white")
    draw, font = ImageDraw.Draw(image), ImageFont.load_default(16)
    left, right, top, bottom = 56, width - 20, 48, height - 40
    draw.text((left, 14), title, fill="black", font=font)
    for step in range(5):
        y = bottom - (bottom - top) * step / 4
        draw.line((left, y, right, y), fill=(220, 220, 220))
        draw.text((12, y - 9), f"{step / 4:.2f}", fill=(90, 90, 90), font=font)
    span = max(len(values) - 1, 1)
    points = [
        (left + (right - left) * frame / span, bottom - (bottom - top) * value)
        for frame, value in enumerate(values)
        if not math.isnan(value)
    ]
    draw.line(points, fill=(0, 114, 178), width=3)
    for x, y in points:
        draw.ellipse((x - 4, y - 4, x + 4, y + 4), fill=(0, 114, 178))
    draw.text(((left + right) / 2 - 24, bottom + 12), "frame", fill=(90, 90, 90), font=font)
    return np.array(image)
