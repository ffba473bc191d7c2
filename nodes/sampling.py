"""Guidance with a scale for each condition, the released sampler, and long videos."""

from __future__ import annotations

from comfy_api.latest import io

from ..smcd_core.errors import SMCDError
from ..smcd_core.sampling.diffusion import TRAIN_STEPS, Guidance
from . import inputs

FROM_CHECKPOINT = "0: the checkpoint's own value."
RANGES = ("text", "boxes", "image")


class SMCDGuider(io.ComfyNode):
    """One scale for each condition."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="SMCD_Guider",
            display_name="SMCD Guider",
            category="SMCD",
            description="Guidance with separate scales for text, boxes and first frame. With boxes and image at 1 it "
            "equals KSampler with cfg = text. Outside its part of the sampling a scale is 1, which saves time. For "
            "SamplerCustomAdvanced.",
            search_aliases=["cfg", "guidance"],
            inputs=[
                inputs.model(),
                *inputs.prompts(),
                inputs.scale("text", 7.5, "prompt is"),
                inputs.scale("boxes", 1.0, "boxes are"),
                inputs.scale("image", 1.0, "first frame is"),
                io.Float.Input(
                    "rescale",
                    default=0.0,
                    min=0.0,
                    max=1.0,
                    step=0.05,
                    advanced=True,
                    tooltip="Reduces excess contrast at high scales: fraction of the prediction that is scaled back "
                    "to the contrast without guidance.",
                ),
                *(part for name in RANGES for part in inputs.time_range(name, f"The scale of {name} applies")),
            ],
            outputs=[io.Guider.Output(tooltip="For SamplerCustomAdvanced.")],
        )

    @classmethod
    def execute(
        cls,
        model,
        positive,
        negative,
        text: float,
        boxes: float,
        image: float,
        rescale: float,
        **shares: float,
    ) -> io.NodeOutput:
        from .host.sampling import ConditionGuider

        ranges = {name: (shares[f"{name}_start"], shares[f"{name}_end"]) for name in RANGES}
        for name, (start, end) in ranges.items():
            if start >= end:
                raise SMCDError(f"{name}_start is {start} and {name}_end {end}: start before the end")
        guider = ConditionGuider(model)
        guider.set_guidance(positive, negative, Guidance(text, boxes, image), rescale, ranges)
        return io.NodeOutput(guider)


class SMCDSampler(io.ComfyNode):
    """The released DDIM."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="SMCD_Sampler",
            display_name="SMCD Sampler (as published)",
            category="SMCD",
            description="DDIM as released. It stops at timestep 0, which leaves a little noise that ddim removes "
            "(2 % of the latents). For SamplerCustomAdvanced.",
            inputs=[
                inputs.model(),
                io.Int.Input(
                    "steps",
                    default=50,
                    min=1,
                    max=TRAIN_STEPS,
                    tooltip="Released: 50. A number that does not divide 1000 results in a few more.",
                ),
            ],
            outputs=[
                io.Sampler.Output(tooltip="The released DDIM. Use it with these sigmas."),
                io.Sigmas.Output(tooltip="The noise level of each step; the last one is 0.029, not 0."),
            ],
        )

    @classmethod
    def execute(cls, model, steps: int) -> io.NodeOutput:
        from .host.sampling import PublishedDDIM, published_sigmas

        return io.NodeOutput(PublishedDDIM(), published_sigmas(model, steps))


class SMCDLongVideo(io.ComfyNode):
    """Context windows with settings that suit SMCD."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="SMCD_LongVideo",
            display_name="SMCD Long Video",
            category="SMCD",
            description="Makes any number of frames in the memory of one window: Context Windows with settings for "
            "SMCD. Boxes are split with the frames; every window sees the first frame.",
            search_aliases=["context windows"],
            inputs=[
                inputs.model(),
                io.Int.Input(
                    "window",
                    default=8,
                    min=1,
                    max=256,
                    tooltip="Frames sampled at once. Best is the number that the model was trained with.",
                ),
                io.Int.Input(
                    "overlap",
                    default=4,
                    min=0,
                    max=255,
                    tooltip="Frames that neighbouring windows share. More is smoother and slower.",
                ),
            ],
            outputs=[io.Model.Output(tooltip="The model, for KSampler or a guider.")],
        )

    @classmethod
    def execute(cls, model, window: int, overlap: int) -> io.NodeOutput:
        from .host.sampling import with_windows

        if overlap >= window:
            raise SMCDError(f"overlap is {overlap} and window {window}: give less than the window")
        return io.NodeOutput(with_windows(model, window, overlap))
