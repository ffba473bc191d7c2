"""Guidance with a scale for each condition, the released sampler, and long videos."""

from __future__ import annotations

from comfy_api.latest import io

from ..smcd_core.errors import SMCDError
from ..smcd_core.sampling.diffusion import TRAIN_STEPS, Guidance
from . import inputs

FROM_CHECKPOINT = "0: what the checkpoint is best used with."
RANGES = ("text", "boxes", "image")


class SMCDGuider(io.ComfyNode):
    """One scale for each condition."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="SMCD_Guider",
            display_name="SMCD Guider",
            category="SMCD",
            description="Guidance with one scale each for text, boxes and first frame. With boxes and image at 1 it "
            "does what KSampler does with cfg = text. Outside its share of the sampling a scale is 1; less to compare "
            "is faster. For SamplerCustomAdvanced.",
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
                    tooltip="Against too much contrast at high scales: share of the prediction that is brought back "
                    "to the contrast without guidance.",
                ),
                *(part for name in RANGES for part in inputs.time_range(name, f"the scale of {name} holds")),
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
            description="DDIM as released, which stops at timestep 0 and so leaves a little noise that ddim "
            "takes out (2 % of the latents). For SamplerCustomAdvanced.",
            inputs=[
                inputs.model(),
                io.Int.Input(
                    "steps",
                    default=50,
                    min=1,
                    max=TRAIN_STEPS,
                    tooltip="Released: 50. A number that does not divide 1000 gives a few more.",
                ),
            ],
            outputs=[
                io.Sampler.Output(tooltip="The released DDIM; goes with these sigmas."),
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
            description="Makes any number of frames in the memory of one window: Context Windows with the settings for "
            "SMCD. Boxes are cut along; every window sees the first frame.",
            search_aliases=["context windows"],
            inputs=[
                inputs.model(),
                io.Int.Input(
                    "window",
                    default=8,
                    min=1,
                    max=256,
                    tooltip="Frames that are seen at once; best as many as the model was trained with.",
                ),
                io.Int.Input(
                    "overlap",
                    default=4,
                    min=0,
                    max=255,
                    tooltip="Frames that neighbouring windows share: more is smoother and slower.",
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
