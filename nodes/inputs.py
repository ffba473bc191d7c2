"""Inputs that several nodes have."""

from __future__ import annotations

from comfy_api.latest import io

from ..smcd_core.sampling.framing import FITS
from ..smcd_core.trajectory.document import MAX_FRAMES, MAX_SIDE

SIZE_STEP = 8  # pixels; a latent of Stable Diffusion's VAE is so large
MULTIPLE = 64  # pixels; the released networks halve the latent three times


def prompts() -> list[io.Input]:
    return [
        io.Conditioning.Input("positive", tooltip="The prompt: one sentence for the whole video."),
        io.Conditioning.Input("negative", tooltip="Usually an empty prompt. Gets the same boxes and image."),
    ]


def clip() -> io.Input:
    return io.Clip.Input("clip", tooltip="Encodes the phrases of the objects. Use the same one as for the prompt.")


def picture() -> list[io.Input]:
    return [
        io.Vae.Input(
            "vae",
            tooltip="Encodes the first frame. Use the checkpoint's own; if it has none, that of Stable Diffusion 1.",
        ),
        io.Image.Input("first_frame", tooltip="Becomes frame 0. Resized to width x height."),
    ]


def model() -> io.Input:
    return io.Model.Input("model", tooltip="From Load SMCD, optionally with LoRAs and other patches.")


def size(default: int, note: str, **options) -> list[io.Input]:
    """width and height; `note` ends their tooltip."""
    options |= dict(default=default, min=min(default, 64), max=MAX_SIDE, step=SIZE_STEP)
    return [
        io.Int.Input(
            name, tooltip=f"{name.capitalize()} of the video in pixels, a multiple of {MULTIPLE}; {note}", **options
        )
        for name in ("width", "height")
    ]


def fit() -> io.Input:
    """Optional, so that workflows from before it existed run as they did."""
    return io.Combo.Input(
        "fit",
        options=[*FITS],
        default=FITS[0],
        optional=True,
        advanced=True,
        tooltip="For a first frame with another aspect ratio than the video: stretch distorts it, crop cuts off its "
        "sides and moves the boxes along.",
    )


def frames(default: int = 0, **options) -> io.Input:
    """0, where it is the default, stands for the trajectory's own number."""
    tip = (
        "Number of frames in the video."
        if default
        else "Number of frames in the video. 0: as many as the trajectory has."
    )
    return io.Int.Input("frames", default=default, min=min(default, 1), max=MAX_FRAMES, tooltip=tip, **options)


def motion_settings() -> list[io.Input]:
    return [
        frames(),
        io.Combo.Input(
            "if_lengths_differ",
            options=["resample", "refuse"],
            default="resample",
            tooltip="What to do if the trajectory has another length: sample it at evenly spaced times, or stop with a "
            "message.",
        ),
        strength("box_strength", "the boxes count", " Multiplies the strength of each object."),
        *time_range("box", "Boxes count"),
    ]


def image_settings() -> list[io.Input]:
    return [
        strength("concat_strength", "the first frame counts in the input convolution"),
        strength("token_strength", "the first frame counts in the image gate"),
    ]


def strength(name: str, what: str, note: str = "") -> io.Input:
    tip = f"How much {what}: 0 not at all, 1 as trained.{note}"
    return io.Float.Input(name, default=1.0, min=0.0, max=2.0, step=0.05, tooltip=tip, advanced=True)


def scale(name: str, default: float, what: str) -> io.Input:
    tip = f"How strongly the {what} followed: 0 not at all, 1 as trained; higher values exaggerate it."
    return io.Float.Input(name, default=default, min=0.0, max=30.0, step=0.1, tooltip=tip)


def time_range(name: str, what: str) -> list[io.Input]:
    """<name>_start and <name>_end"""
    shared = dict(min=0.0, max=1.0, step=0.01, advanced=True)
    return [
        io.Float.Input(
            f"{name}_start",
            default=0.0,
            tooltip=f"{what} from this fraction of the sampling on; 0 is the first step.",
            **shared,
        ),
        io.Float.Input(
            f"{name}_end",
            default=1.0,
            tooltip=f"{what} up to this fraction of the sampling; 1 is the last step.",
            **shared,
        ),
    ]
