"""SMCD's networks and conditions under ComfyUI's conventions. Only this folder knows comfy's internals."""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping
from typing import Any

import comfy.conds
import comfy.latent_formats
import comfy.ldm.modules.attention
import comfy.model_base
import comfy.model_management
import comfy.supported_models_base
import torch
from comfy.model_base import ModelType
from torch import Tensor

from ...smcd_core.errors import SMCDError
from ...smcd_core.networks.attention import Attention
from ...smcd_core.networks.conditions import Conditions
from ...smcd_core.networks.config import SMCDConfig
from ...smcd_core.networks.in_parts import work_in_parts
from ...smcd_core.networks.peak import peak_activations
from ...smcd_core.networks.smcd import Inputs, networks_beside_unet, pad_boxes
from ...smcd_core.networks.unet import UNet3D
from ...smcd_core.sampling.diffusion import check_finite
from ...smcd_core.sampling.settings import check_slots
from ...smcd_core.weights.checkpoint import Checkpoint
from ...smcd_core.weights.defaults import read_defaults
from ...smcd_core.weights.saved import HEADER
from . import saved

# Keys that the nodes add to a conditioning, for F frames and N objects.
BOXES = "smcd_boxes"  # [F, N, 5] float32: xyxy in 0..1, then the strength, 0 where there is no object, usually 1
PHRASES = "smcd_phrases"  # [N, P]
BOX_RANGE = "smcd_box_range"  # (start, end) as shares of the sampling, 0..1
FIRST_FRAME = "smcd_first_frame"  # [1, C, h, w] from VAE Encode
IMAGE_STRENGTHS = "smcd_image_strengths"  # (concatenated frame, image tokens)

VAE_HINT = "the VAE output of Load SMCD, or Load VAE with a Stable Diffusion 1 VAE for the released weights"
CLIP_HINT = "the CLIP output of Load SMCD, or Load CLIP with OpenCLIP ViT-H for the released weights"


# Networks ------------------------------------------------------------------------------------------------------------


class _HostAttention:
    """The attention that the user chose in ComfyUI, with the signature of smcd_core's scaled_dot_product."""

    def __init__(self):
        self.options: dict[str, Any] = {}  # of the current step; other packs override attention here

    def __call__(self, q: Tensor, k: Tensor, v: Tensor, heads: int, mask: Tensor | None = None) -> Tensor:
        backends = comfy.ldm.modules.attention
        attend = backends.optimized_attention if mask is None else backends.optimized_attention_masked
        return attend(q, k, v, heads, mask=mask, transformer_options=self.options)


def _host_attention_holds_scores() -> bool:
    """Whether the attention that the user chose keeps all scores in memory, as those for CPUs and old GPUs do."""
    backends = comfy.ldm.modules.attention
    return backends.optimized_attention in (
        backends.attention_basic,
        backends.attention_split,
        backends.attention_sub_quad,
    )


def _refuse_patches(options: Mapping[str, Any]) -> None:
    """Nothing would call them: the layers are SMCD's own."""
    found = {
        name: patches for kind in ("patches", "patches_replace") for name, patches in options.get(kind, {}).items()
    }
    names = ", ".join(sorted(name for name, patches in found.items() if patches))
    if names:
        raise SMCDError(
            f"SMCD has layers of its own, which patches of attention and blocks do not reach: found {names}; remove "
            "the node that adds them, such as FreeU, Perturbed-Attention Guidance, HyperTile, Token Merging or Deep "
            "Shrink"
        )


class HostSMCD(UNet3D):
    """SMCD's networks as one diffusion model.

    The UNet's weights have their released names, without a prefix: LoRAs and block patches look for them. Therefore
    this is a UNet with the other networks added, while smcd_core's SMCD holds a UNet, and both put them together.
    """

    def __init__(self, smcd_config: SMCDConfig, *, dtype, device, operations):
        config, layers = smcd_config, dict(dtype=dtype, device=device, operations=operations)
        super().__init__(config, **layers)
        for name, network in networks_beside_unet(config, **layers).items():
            self.add_module(name, network)
        work_in_parts(self)
        self.dtype = dtype
        if dtype is not None and dtype.itemsize == 1:
            _keep_in_half(self)
        self.attend = _HostAttention()
        for module in self.modules():
            if isinstance(module, Attention):
                module.attend = self.attend

    def forward(
        self,
        x: Tensor,
        timesteps: Tensor,
        context: Tensor,
        control: Any = None,
        transformer_options: dict[str, Any] | None = None,
        *,
        num_frames: int,
        box_tokens: Tensor | None = None,
        box_tokens_off: Tensor | None = None,
        box_steps: Tensor | None = None,
        boxes: Tensor | None = None,
        image_tokens: Tensor | None = None,
        first_frame: Tensor | None = None,
        **_others,
    ) -> Tensor:
        """Denoise once. B counts all videos, those of every conditioning in the batch.

        Shapes (the host repeats everything for each frame):
            x             [BF, C, h, w]
            timesteps     [BF]
            context       [BF, T, D]
            box_tokens    [BF, N, D]
            box_steps     [BF, 2]        first and last timestep with boxes; box_tokens_off are used outside
            boxes         [BF, N, 5]     BOXES as the bits of an int32: the host rounds floats to the model's dtype
            image_tokens  [BF, L, D]
            first_frame   [BF, C, h, w]
            returns       [BF, C, h, w]
        """
        if control is not None:
            raise SMCDError("SMCD cannot be combined with a ControlNet: remove the Apply ControlNet node")
        self.attend.options = transformer_options = transformer_options or {}
        _refuse_patches(transformer_options)
        frames = self._frames(x, num_frames, transformer_options)
        boxes_xyxy = mask = None
        if boxes is not None:
            boxes_xyxy, mask = boxes.view(torch.float32).split([4, 1], dim=-1)
            mask = mask[..., 0]  # [BF, N]
        if box_steps is not None:
            inside = (timesteps <= box_steps[:, 0]) & (timesteps >= box_steps[:, 1])  # [BF]
            box_tokens = torch.where(inside[:, None, None], box_tokens, box_tokens_off)
            mask = None if mask is None else mask * inside[:, None]
        t, context = timesteps[::frames], context[::frames]  # [B], [B, T, D]
        features = None
        if self.config.control:
            features = self.control_net(x[:, : self.config.latent_channels], first_frame[::frames], t, context, frames)
        conditions = Conditions(
            context,
            frames,
            box_tokens=box_tokens,
            image_tokens=None if image_tokens is None else image_tokens[::frames],
            boxes_xyxy=boxes_xyxy,
            box_mask=mask,
        )
        try:
            return super().forward(x, t, conditions, control=features)
        finally:
            self.attend.options = {}  # they hold patches and callbacks of other packs, and tensors of the run

    @staticmethod
    def _frames(x: Tensor, num_frames: int, transformer_options: dict[str, Any]) -> int:
        """The length of each video in x: num_frames, or less in a context window."""
        window = transformer_options.get("context_window")
        if window is None:
            return num_frames
        if window.total_frames != num_frames:
            raise SMCDError(
                f"context windows over {window.total_frames} frames, but a video has {num_frames}: "
                "make one video at a time"
            )
        return x.shape[0] // len(transformer_options["cond_or_uncond"])


def _keep_in_half(network: torch.nn.Module) -> None:
    """Hold gates and null tokens in float16: they are few, and 3 bits of mantissa would be up to 6 % off."""
    for module in network.modules():
        if not hasattr(module, "comfy_cast_weights"):  # the host's layers cast theirs
            for name, parameter in module.named_parameters(recurse=False):
                setattr(module, name, torch.nn.Parameter(parameter.to(torch.float16), requires_grad=False))


class ModelConfig(comfy.supported_models_base.BASE):
    """The facts about a model that ComfyUI needs before it is built."""

    unet_extra_config: dict[str, Any] = {}
    sampling_settings = {"beta_schedule": "linear", "linear_start": 0.00085, "linear_end": 0.012}
    latent_format = comfy.latent_formats.SD15

    def __init__(self, checkpoint: Checkpoint):
        super().__init__({"smcd_config": checkpoint.config})
        self.latent_format.latent_channels = checkpoint.config.latent_channels


class SMCDModel(comfy.model_base.BaseModel):
    """The networks with their noise schedule and conditions; `defaults` are the checkpoint's."""

    def __init__(self, model_config: ModelConfig, checkpoint: Checkpoint, device=None):
        kind = ModelType.V_PREDICTION if checkpoint.config.prediction == "v" else ModelType.EPS
        super().__init__(model_config, kind, device=device, unet_model=HostSMCD)
        # FreeU reads it, and failed without a reason before `_refuse_patches` could name one.
        model_config.unet_config["model_channels"] = checkpoint.config.model_channels
        self.smcd_config = checkpoint.config
        self.defaults = read_defaults(checkpoint)
        self._header = saved.header(checkpoint)

    def state_dict_for_saving(self, *parts, **more_parts) -> dict[str, Tensor]:
        """The weights that ComfyUI's save nodes write, with the header that Load SMCD reads."""
        return super().state_dict_for_saving(*parts, **more_parts) | {HEADER: self._header}

    @property
    def conditions(self) -> frozenset[str]:
        """See `SMCDConfig.conditions`."""
        return self.smcd_config.conditions

    @property
    def multiple(self) -> int:
        """Width and height of a video must be divisible by this, in pixels."""
        return self.latent_format.spacial_downscale_ratio * self.smcd_config.stride

    def process_latent_out(self, latent: Tensor) -> Tensor:
        """The latents of a finished sampling, of any of the host's samplers. Raises SMCDError where they are NaN."""
        check_finite(latent, self.get_dtype_inference())
        return super().process_latent_out(latent)

    def memory_required(self, input_shape, cond_shapes=None) -> float:
        """Bytes of memory for a call with x of that shape."""
        config, device = self.smcd_config, comfy.model_management.get_torch_device()
        numbers = peak_activations(
            config,
            input_shape[0],
            math.prod(input_shape[2:]),
            device.type,
            holds_scores=_host_attention_holds_scores(),
            host_layers=True,
        )
        return numbers * comfy.model_management.dtype_size(self.get_dtype_inference())

    def extra_conds(self, **kwargs) -> dict[str, comfy.conds.CONDRegular]:
        """Run the encoders. ComfyUI calls this once for each conditioning of a run."""
        out = super().extra_conds(**kwargs)
        config, noise = self.smcd_config, kwargs["noise"]
        like = noise.new_empty(0, device=kwargs["device"], dtype=self.get_dtype_inference())
        text = kwargs.get("cross_attn")
        if text is None or text.shape[-1] != config.context_dim:
            raise SMCDError(
                f"the prompt has tokens of width {None if text is None else text.shape[-1]}, this model takes "
                f"{config.context_dim}: use {CLIP_HINT}"
            )
        height, width = (self.latent_format.spacial_downscale_ratio * side for side in noise.shape[2:])
        if height % self.multiple or width % self.multiple:
            raise SMCDError(
                f"the video is {width} x {height} pixels, this model takes multiples of {self.multiple}: change width "
                "and height where they are given"
            )
        boxes = kwargs.get(BOXES)
        frames = noise.shape[0] if boxes is None else boxes.shape[0]
        if noise.shape[0] % frames:
            raise SMCDError(
                f"the latent has {noise.shape[0]} frames, the boxes {frames}: set frames to the same number, or "
                "connect the latent of SMCD Conditioning"
            )
        if noise.shape[0] > frames:
            text = "the latent has %d frames and the boxes %d: %d videos are made one after another"
            logging.getLogger("smcd").warning(text, noise.shape[0], frames, noise.shape[0] // frames)
        out["num_frames"] = comfy.conds.CONDConstant(frames)
        if "boxes" in self.conditions:
            out |= self._box_conds(frames, boxes, kwargs.get(PHRASES), kwargs.get(BOX_RANGE), like)
        if "image" in self.conditions:
            out |= self._image_conds(kwargs.get(FIRST_FRAME), kwargs.get(IMAGE_STRENGTHS, (1.0, 1.0)), noise, like)
        return out

    def _box_conds(
        self, frames: int, boxes: Tensor | None, phrases: Tensor | None, span: tuple[float, float] | None, like: Tensor
    ) -> dict[str, comfy.conds.CONDRegular]:
        config = self.smcd_config
        inputs = Inputs(like.new_zeros(1, 0, config.context_dim), frames)
        if boxes is not None and boxes.shape[1]:
            if phrases.shape[-1] != config.phrase_dim:
                raise SMCDError(
                    f"phrases have width {phrases.shape[-1]}, this model takes {config.phrase_dim}: use {CLIP_HINT}"
                )
            check_slots(boxes.shape[1], config.box_slots)
            boxes = boxes.to(like.device)[None]  # [1, F, N, 5]
            inputs = Inputs(inputs.text, frames, boxes[..., :4], boxes[..., 4], phrases.to(like)[None])
        boxes_xyxy, mask, vectors = pad_boxes(config, inputs)
        encode = self.diffusion_model.box_encoder
        out = {"box_tokens": comfy.conds.CONDRegular(encode(boxes_xyxy, mask, vectors))}  # [F, N, D]
        if config.box_coverage_bias:
            exact = torch.cat([boxes_xyxy, mask[..., None]], dim=-1).contiguous().view(torch.int32)
            out["boxes"] = comfy.conds.CONDRegular(exact)
        if span is not None and span != (0.0, 1.0):
            off = encode(boxes_xyxy, torch.zeros_like(mask), vectors)
            out["box_tokens_off"] = comfy.conds.CONDRegular(off)
            sigmas = torch.tensor([self.model_sampling.percent_to_sigma(share) for share in span])
            steps = self.model_sampling.timestep(sigmas).to(device=like.device, dtype=torch.int32)
            out["box_steps"] = comfy.conds.CONDRegular(steps[None])
        return out

    def _image_conds(
        self, latent: Tensor | None, strengths: tuple[float, float], noise: Tensor, like: Tensor
    ) -> dict[str, comfy.conds.CONDRegular]:
        config = self.smcd_config
        if latent is None:
            raise SMCDError(
                "this model animates a first frame and the conditioning has none: use SMCD Conditioning, or SMCD Image"
            )
        if latent.shape[1] != config.latent_channels:
            raise SMCDError(
                f"the first frame's latent has {latent.shape[1]} channels, this model takes "
                f"{config.latent_channels}: use {VAE_HINT}"
            )
        if latent.shape[1:] != noise.shape[1:]:
            (height, width), (h, w) = noise.shape[2:], latent.shape[2:]
            raise SMCDError(
                f"the latent is {width} x {height}, the first frame's {w} x {h} (width x height): give both the same "
                "size, or connect the latent of SMCD Conditioning"
            )
        latent = self.process_latent_in(latent.float()).to(like.device)
        concat, tokens = strengths
        out = {}
        if config.first_frame_concat:
            out["c_concat"] = comfy.conds.CONDNoiseShape(concat * latent)
        if config.control:
            out["first_frame"] = comfy.conds.CONDNoiseShape(concat * latent)
        if config.image_tokens != "none":
            encode = self.diffusion_model.image_encoder
            image_tokens = encode(latent.to(like))
            if tokens != 1:
                # At 0 the image is dropped as in training: the tokens are those of an all-zero latent.
                image_tokens = torch.lerp(encode(torch.zeros_like(latent).to(like)), image_tokens, tokens)
            out["image_tokens"] = comfy.conds.CONDRegular(image_tokens)
        return out


def smcd_model(patcher) -> SMCDModel:
    """The model behind a MODEL input. Raises SMCDError for other architectures."""
    if not isinstance(patcher.model, SMCDModel):
        raise SMCDError(f"the model is {type(patcher.model).__name__}, expected one from Load SMCD")
    return patcher.model
