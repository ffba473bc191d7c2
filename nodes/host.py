"""SMCD under ComfyUI's conventions. No other file here knows the insides of comfy."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import comfy.conds
import comfy.context_windows
import comfy.k_diffusion.sampling
import comfy.latent_formats
import comfy.ldm.modules.attention
import comfy.model_base
import comfy.model_management
import comfy.model_patcher
import comfy.samplers
import comfy.sd
import comfy.sd1_clip
import comfy.supported_models_base
import comfy.utils
import torch
from comfy.model_base import ModelType
from torch import Tensor

from ..smcd_core.attention import Attention
from ..smcd_core.checkpoint import Checkpoint, CheckpointError, read_checkpoint
from ..smcd_core.config import SMCDConfig
from ..smcd_core.defaults import read_defaults
from ..smcd_core.diffusion import TRAIN_STEPS, Guidance, ddim_timesteps
from ..smcd_core.image import ImageEncoder
from ..smcd_core.model import SMCD, Inputs
from ..smcd_core.motion import BoxEncoder
from ..smcd_core.text import PADDING_ID, TRUNCATED_LAYERS, make_tokenizer
from ..smcd_core.unet import ControlNet, UNet3D

# What the nodes put into a conditioning; frames are F, objects N.
BOXES = "smcd_boxes"  # [F, N, 5] float32: xyxy in 0..1, then 0 for nothing to 1 for an object, more for a stronger one
PHRASES = "smcd_phrases"  # [N, P]
BOX_RANGE = "smcd_box_range"  # (start, end), shares of the sampling
FIRST_FRAME = "smcd_first_frame"  # [1, 4, h, w] as VAE Encode gives it
IMAGE_STRENGTHS = "smcd_image_strengths"  # (of the concatenated frame, of the image tokens)

HOST_NORM_GROUPS = 32  # of all group norms of the host's VAE
HOST_VAE_CHANNELS = 128  # of the VAE that the host's memory estimate is made for
HOST_VOCABULARY = 49408  # tokens of the host's CLIP text models, whatever their configuration says


# Networks ------------------------------------------------------------------------------------------------------------


class _HostAttention:
    """The attention that the user has chosen in the host; same signature as smcd_core's scaled_dot_product."""

    def __init__(self):
        self.options: dict[str, Any] = {}  # of the running step; other packs override attention through them

    def __call__(self, q: Tensor, k: Tensor, v: Tensor, heads: int, mask: Tensor | None = None) -> Tensor:
        backends = comfy.ldm.modules.attention
        attend = backends.optimized_attention if mask is None else backends.optimized_attention_masked
        return attend(q, k, v, heads, mask=mask, transformer_options=self.options)


class HostSMCD(UNet3D):
    """SMCD's networks as one diffusion model. The weights of the UNet keep the names of the release, which LoRAs and
    block patches go by; those of the other networks stand beside them under the prefixes of model.SMCD."""

    encode = SMCD.encode
    _pad_boxes = SMCD._pad_boxes

    def __init__(self, smcd_config: SMCDConfig, *, dtype, device, operations):
        config, layers = smcd_config, dict(dtype=dtype, device=device, operations=operations)
        super().__init__(config, **layers)
        if config.boxes:
            self.box_encoder = BoxEncoder(config.phrase_dim, config.context_dim, **layers)
        if config.image_tokens != "none":
            self.image_encoder = ImageEncoder(
                config.latent_channels, config.image_encoder_channels, config.image_encoder_blocks, **layers
            )
        if config.control:
            self.control_net = ControlNet(config, **layers)
        self.dtype = dtype
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
        """x [BF, C, h, w], where B counts the conditionings that run together and the videos of a batch.

        The host repeats everything along the batch: timesteps [BF], context [BF, T, D], image_tokens [BF, L, D],
        first_frame [BF, 4, h, w]. box_tokens is [BF, N, D]; boxes is BOXES for BF frames, its bits as int32, the only
        type that the host does not round to that of the model. Outside box_steps [BF, 2] (first and last timestep)
        box_tokens_off are used.
        """
        if control is not None:
            raise ValueError("SMCD cannot be combined with a ControlNet: remove the Apply ControlNet node")
        self.attend.options = transformer_options = transformer_options or {}
        frames = self._frames(x, num_frames, transformer_options)
        boxes_xyxy = mask = None
        if boxes is not None:
            boxes_xyxy, mask = boxes.view(torch.float32).split([4, 1], dim=-1)
            mask = mask[..., 0]  # [BF, N]
        if box_steps is not None:
            inside = (timesteps <= box_steps[:, 0]) & (timesteps >= box_steps[:, 1])  # [BF]
            box_tokens = torch.where(inside[:, None, None], box_tokens, box_tokens_off)
            mask = None if mask is None else mask * inside[:, None]
        t = timesteps[::frames]  # [B]
        features = None
        if self.config.control:
            features = self.control_net(x[:, : self.config.latent_channels], first_frame[::frames], t, context, frames)
        return super().forward(
            x,
            t,
            context,
            frames,
            box_tokens=box_tokens,
            image_tokens=None if image_tokens is None else image_tokens[::frames],
            boxes_xyxy=boxes_xyxy,
            box_mask=mask,
            control=features,
        )

    @staticmethod
    def _frames(x: Tensor, num_frames: int, transformer_options: dict[str, Any]) -> int:
        """Frames of one video in x: num_frames, or fewer in a context window."""
        window = transformer_options.get("context_window")
        if window is None:
            return num_frames
        if window.total_frames != num_frames:
            raise ValueError(
                f"context windows over {window.total_frames} frames, but a video has {num_frames}: "
                "make one video at a time"
            )
        return x.shape[0] // len(transformer_options["cond_or_uncond"])


class _ModelConfig(comfy.supported_models_base.BASE):
    """What the host wants to know of a model before it is built."""

    unet_extra_config: dict[str, Any] = {}
    sampling_settings = {"beta_schedule": "linear", "linear_start": 0.00085, "linear_end": 0.012}
    latent_format = comfy.latent_formats.SD15

    def __init__(self, checkpoint: Checkpoint):
        super().__init__({"smcd_config": checkpoint.config})
        if checkpoint.vae is not None:
            self.latent_format.scale_factor = checkpoint.vae.config["scaling_factor"]
        # The host's estimates are for 320 channels.
        self.memory_usage_factor = MEMORY_FACTOR * checkpoint.config.model_channels / 320


MEMORY_FACTOR = 1.0  # as the host has it for Stable Diffusion, whose spatial layers are the largest here too


class SMCDModel(comfy.model_base.BaseModel):
    """The networks with noise schedule and conditions; `defaults` are those of the checkpoint."""

    def __init__(self, model_config: _ModelConfig, checkpoint: Checkpoint, device=None):
        kind = ModelType.V_PREDICTION if checkpoint.config.prediction == "v" else ModelType.EPS
        super().__init__(model_config, kind, device=device, unet_model=HostSMCD)
        self.smcd_config = checkpoint.config
        self.defaults = read_defaults(checkpoint)

    @property
    def conditions(self) -> frozenset[str]:
        """What the networks listen to: "text", and "boxes" and "image" where the system has them."""
        config = self.smcd_config
        sees_image = config.first_frame_concat or config.image_tokens != "none" or config.control
        return frozenset(["text"] + ["boxes"] * config.boxes + ["image"] * sees_image)

    def memory_required(self, input_shape, cond_shapes=None) -> float:
        """Bytes for a call with x of that shape."""
        need, config = super().memory_required(input_shape, cond_shapes or {}), self.smcd_config
        if config.box_coverage_bias:
            # Unlike all else in the network these scores grow with the square of the positions; each head has its own.
            frames, positions = input_shape[0], math.prod(input_shape[2:])
            scores = (
                frames * positions * (positions + config.box_slots) * (1 + config.model_channels // config.head_dim)
            )
            need += scores * comfy.model_management.dtype_size(self.get_dtype_inference())
        return need

    def extra_conds(self, **kwargs) -> dict[str, comfy.conds.CONDRegular]:
        """Called once for each conditioning of a run: the encoders run here."""
        out = super().extra_conds(**kwargs)
        config, noise = self.smcd_config, kwargs["noise"]
        like = noise.new_empty(0, device=kwargs["device"], dtype=self.get_dtype_inference())
        text = kwargs.get("cross_attn")
        if text is None or text.shape[-1] != config.context_dim:
            raise ValueError(
                f"the prompt has tokens of width {None if text is None else text.shape[-1]}, this model takes "
                f"{config.context_dim}: use {_CLIP_HINT}"
            )
        boxes = kwargs.get(BOXES)
        frames = noise.shape[0] if boxes is None else boxes.shape[0]
        if noise.shape[0] % frames:
            raise ValueError(
                f"the latent has {noise.shape[0]} frames, the boxes {frames}: set frames to the same number, or "
                "connect the latent of SMCD Conditioning"
            )
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
                raise ValueError(
                    f"phrases have width {phrases.shape[-1]}, this model takes {config.phrase_dim}: use {_CLIP_HINT}"
                )
            if boxes.shape[1] > config.box_slots:
                raise ValueError(
                    f"there are {boxes.shape[1]} objects, this model was trained with {config.box_slots} at most: "
                    "disable some"
                )
            boxes = boxes.to(like.device)[None]  # [1, F, N, 5]
            inputs = Inputs(inputs.text, frames, boxes[..., :4], boxes[..., 4], phrases.to(like)[None])
        boxes_xyxy, mask, vectors = self.diffusion_model._pad_boxes(inputs, 1, frames)
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
            raise ValueError(
                "this model animates a first frame and the conditioning has none: use SMCD Conditioning, or SMCD Image"
            )
        if latent.shape[1:] != noise.shape[1:]:
            (height, width), (h, w) = noise.shape[2:], latent.shape[2:]
            raise ValueError(
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
                # 0 is a model that was shown no image, as in training: an encoded black latent.
                image_tokens = torch.lerp(encode(torch.zeros_like(latent).to(like)), image_tokens, tokens)
            out["image_tokens"] = comfy.conds.CONDRegular(image_tokens)
        return out


_CLIP_HINT = "the CLIP output of SMCD Load, or CLIP Loader with OpenCLIP ViT-H for the released weights"


# Loading -------------------------------------------------------------------------------------------------------------


def load_model(path: str, weight_dtype: torch.dtype | None = None, disable_dynamic: bool = False):
    """The host's handle (ModelPatcher) on an SMCDModel. weight_dtype None leaves the choice to the host."""
    checkpoint = read_checkpoint(path)
    weights = {name.removeprefix("unet."): tensor for name, tensor in checkpoint.weights.items()}
    management = comfy.model_management
    size, device = comfy.utils.calculate_parameters(weights), management.get_torch_device()
    config = _ModelConfig(checkpoint)
    supported = config.supported_inference_dtypes
    dtype = weight_dtype or management.unet_dtype(
        model_params=size, supported_dtypes=supported, weight_dtype=comfy.utils.weight_dtype(weights)
    )
    config.set_inference_dtype(dtype, management.unet_manual_cast(dtype, device, supported))
    model = SMCDModel(config, checkpoint, device=management.unet_inital_load_device(size, dtype))
    # Looked up now: the host exchanges the class after packs could have imported it.
    patchers = comfy.model_patcher
    patcher_class = patchers.ModelPatcher if disable_dynamic else patchers.CoreModelPatcher
    patcher = patcher_class(model, load_device=device, offload_device=management.unet_offload_device())
    model.load_model_weights(weights, "", assign=patcher.is_dynamic())
    patcher.cached_patcher_init = (load_model, (path, weight_dtype))
    return patcher


def load_vae(path: str) -> comfy.sd.VAE:
    """The VAE inside a checkpoint. Raises CheckpointError if the host cannot have it."""
    checkpoint = read_checkpoint(path)
    config = checkpoint.vae.config
    channels = config["block_out_channels"]
    if len(channels) != 4 or any(width % HOST_NORM_GROUPS for width in channels):
        raise CheckpointError(
            f"{path}: has a VAE of {channels} channels inside, ComfyUI takes four multiples of {HOST_NORM_GROUPS}: use "
            "another VAE, with VAE Loader"
        )
    settings = {
        "double_z": True,
        "z_channels": config["latent_channels"],
        "resolution": 256,
        "in_channels": 3,
        "out_ch": 3,
        "ch": channels[0],
        "ch_mult": [width // channels[0] for width in channels],
        "num_res_blocks": config["layers_per_block"],
        "attn_resolutions": [],
        "dropout": 0.0,
    }
    params = {"ddconfig": settings, "embed_dim": config["latent_channels"]}
    vae = comfy.sd.VAE(sd=dict(checkpoint.vae.weights), config={"params": params})
    for module in vae.first_stage_model.modules():
        if isinstance(module, torch.nn.GroupNorm):
            module.num_groups = config["norm_num_groups"]
    scale = channels[0] / HOST_VAE_CHANNELS
    encode, decode = vae.memory_used_encode, vae.memory_used_decode
    vae.memory_used_encode = lambda shape, dtype: scale * encode(shape, dtype)
    vae.memory_used_decode = lambda shape, dtype: scale * decode(shape, dtype)
    vae.patcher.cached_patcher_init = (_load_vae_patcher, (path,))
    return vae


def _load_vae_patcher(path: str, disable_dynamic: bool = False):
    """As the host's own factory does, `disable_dynamic` is accepted and has no effect on a VAE."""
    return load_vae(path).patcher


def load_clip(path: str, disable_dynamic: bool = False) -> comfy.sd.CLIP:
    """The text encoder inside a checkpoint, giving what smcd_core.text.TextEncoder gives."""
    from transformers import CLIPTextConfig

    checkpoint = read_checkpoint(path)
    config = CLIPTextConfig.from_dict(checkpoint.text_encoder.config).to_dict()
    tokenizer = make_tokenizer(**checkpoint.tokenizer)
    start, end = tokenizer.bos_token_id, tokenizer.eos_token_id
    whole = config["num_hidden_layers"] != TRUNCATED_LAYERS
    output = dict(layer="hidden", layer_idx=-2) if whole else dict(layer="last")

    class TextModel(comfy.sd1_clip.SDClipModel):
        def __init__(self, device="cpu", dtype=None, model_options=None):
            super().__init__(
                device=device,
                dtype=dtype,
                max_length=config["max_position_embeddings"],
                textmodel_json_config=config,
                special_tokens={"start": start, "end": end, "pad": PADDING_ID},
                model_options=model_options or {},
                **output,
            )

    class TextModels(comfy.sd1_clip.SD1ClipModel):
        def __init__(self, device="cpu", dtype=None, model_options=None):
            super().__init__(device, dtype, model_options or {}, clip_name="h", clip_model=TextModel)

    class TokenizerFiles:
        """Stands where the host expects a class that reads a folder."""

        @staticmethod
        def from_pretrained(_path: str):
            return tokenizer

    class Tokenizer(comfy.sd1_clip.SDTokenizer):
        def __init__(self, embedding_directory=None, tokenizer_data=None):
            super().__init__(
                tokenizer_class=TokenizerFiles,
                max_length=config["max_position_embeddings"],
                pad_with_end=False,
                embedding_directory=embedding_directory,
                embedding_size=config["hidden_size"],
                embedding_key="clip_h",
                tokenizer_data=tokenizer_data or {},
            )

    class Tokenizers(comfy.sd1_clip.SD1Tokenizer):
        def __init__(self, embedding_directory=None, tokenizer_data=None):
            super().__init__(embedding_directory, tokenizer_data or {}, clip_name="h", tokenizer=Tokenizer)

    weights = {f"clip_h.transformer.text_model.{name}": x for name, x in checkpoint.text_encoder.weights.items()}
    tokens = weights["clip_h.transformer.text_model.embeddings.token_embedding.weight"]
    missing = HOST_VOCABULARY - tokens.shape[0]
    weights["clip_h.transformer.text_model.embeddings.token_embedding.weight"] = torch.nn.functional.pad(
        tokens, (0, 0, 0, missing)
    )
    # Only for the pooled output, which SMCD does not look at; the host takes zeros for a layer that is missing.
    weights["clip_h.transformer.text_projection.weight"] = torch.eye(config["hidden_size"], dtype=tokens.dtype)
    target = comfy.supported_models_base.ClipTarget(Tokenizers, TextModels)
    clip = comfy.sd.CLIP(
        target,
        parameters=comfy.utils.calculate_parameters(weights),
        state_dict=weights,
        model_options={"dtype": tokens.dtype},  # a small one gains nothing from the host's half precision
        disable_dynamic=disable_dynamic,
    )
    clip.patcher.cached_patcher_init = (_load_clip_patcher, (path,))
    return clip


def _load_clip_patcher(path: str, disable_dynamic: bool = False):
    return load_clip(path, disable_dynamic).patcher


def smcd_model(patcher) -> SMCDModel:
    """The model behind a MODEL input. Raises ValueError for other architectures."""
    if not isinstance(patcher.model, SMCDModel):
        raise ValueError(f"the model is {type(patcher.model).__name__}, expected one from SMCD Load")
    return patcher.model


def phrase_vectors(clip: comfy.sd.CLIP, phrases: Sequence[str]) -> Tensor:
    """[N, P]: the hidden state of each phrase at its end-of-text token. Source: SPEC, section 11."""
    vectors = []
    for phrase in phrases:
        tokens = clip.tokenize(phrase, disable_weights=True)  # a bracket in a phrase is no weight
        (name,) = tokens if len(tokens) == 1 else (None,)
        tokenizer = getattr(clip.tokenizer, getattr(clip.tokenizer, "clip", ""), None)
        if name is None or tokenizer is None or not isinstance(clip.cond_stage_model, comfy.sd1_clip.SD1ClipModel):
            raise ValueError(
                f"the CLIP is a {type(clip.cond_stage_model).__name__}, SMCD takes a CLIP text model: use {_CLIP_HINT}"
            )
        ids = [token for token, _weight in tokens[name][0]]
        end = ids.index(tokenizer.end_token)
        vectors.append(clip.encode_from_tokens({name: tokens[name][:1]})[0, end])
    return torch.stack(vectors)


# Sampling ------------------------------------------------------------------------------------------------------------


class ConditionGuider(comfy.samplers.CFGGuider):
    """Guidance with one scale for each condition; all evaluations of a step in one call where memory allows.

    Within the range of the sampling that `span` names the scales of `guidance` hold, outside it all are 1.
    """

    def set_guidance(self, positive, negative, guidance: Guidance, rescale: float, span: tuple[float, float]) -> None:
        model = smcd_model(self.model_patcher)
        self.rescale = rescale
        sampling = self.model_patcher.get_model_object("model_sampling")
        self.sigmas = tuple(sampling.percent_to_sigma(share) for share in span)
        self.cfg = guidance.text  # only told to other packs' hooks
        weights: dict[frozenset[str], float] = {}
        for conditions, weight in guidance.branches():
            heard = conditions & model.conditions
            weights[heard] = weights.get(heard, 0.0) + weight
        conds, self.weights = {"positive": positive, "negative": negative}, {}
        for heard, weight in weights.items():
            if weight == 0:
                continue
            if heard == model.conditions:
                name = "positive"
            elif heard == model.conditions - {"text"}:
                name = "negative"
            else:
                name = "+".join(sorted(heard)) or "nothing"
                conds[name] = _without(positive if "text" in heard else negative, model.conditions - heard)
            self.weights[name] = weight
        # The negative prompt must look like the positive one in all but its text.
        self.inner_set_conds(conds)

    def predict_noise(self, x: Tensor, timestep: Tensor, model_options: dict | None = None, seed: int | None = None):
        model_options = model_options or {}
        first, last = self.sigmas
        weights = self.weights if last <= timestep[0].item() <= first else {"positive": 1.0}
        # Other packs' hooks expect the positive and the negative one first; one that is None is not evaluated.
        names = [*dict.fromkeys(["positive", "negative", *weights])]
        conds = [self.conds[name] if name in weights else None for name in names]
        out = comfy.samplers.calc_cond_batch(self.inner_model, conds, x, timestep, model_options)
        shared = {"cond_scale": self.cfg, "input": x, "sigma": timestep, "model": self.inner_model}
        shared["model_options"] = model_options
        for hook in model_options.get("sampler_pre_cfg_function", []):
            out = hook({"conds": conds, "conds_out": out, "timestep": timestep, **shared})
        denoised = sum(weights[name] * part for name, part in zip(names, out) if name in weights)
        if self.rescale > 0 and len(weights) > 1:
            denoised = _rescaled(x, denoised, out[0] if "positive" in weights else out[1], timestep, self.rescale)
        for hook in model_options.get("sampler_post_cfg_function", []):
            both = {"cond": conds[0], "uncond": conds[1], "cond_denoised": out[0], "uncond_denoised": out[1]}
            denoised = hook({"denoised": denoised, **both, **shared})
        return denoised


def _without(conditioning: list, dropped: frozenset[str]) -> list:
    """The conditioning with conditions dropped the way training drops them: keys and shapes stay."""
    changed = []
    for text, values in conditioning:
        values = dict(values)
        if "boxes" in dropped and BOXES in values:
            values[BOXES] = values[BOXES].clone()
            values[BOXES][..., 4] = 0
        if "image" in dropped and FIRST_FRAME in values:
            values[FIRST_FRAME] = torch.zeros_like(values[FIRST_FRAME])
        changed.append([text, values])
    return changed


def _rescaled(x: Tensor, denoised: Tensor, condition: Tensor, sigma: Tensor, share: float) -> Tensor:
    """Give the guided prediction the deviation of the unguided one. Source: Lin et al. (2023), section 3.4, taken on v
    as the host's RescaleCFG does."""
    sigma = sigma.reshape(-1, *[1] * (x.ndim - 1))
    root = (sigma**2 + 1).sqrt()

    def velocity(x0: Tensor) -> Tensor:
        return (x / root**2 - x0) * root / sigma

    guided, plain = velocity(denoised), velocity(condition)
    dims = tuple(range(1, x.ndim))
    scale = plain.std(dims, keepdim=True) / guided.std(dims, keepdim=True)
    guided = guided * (share * scale + 1 - share)
    return x / root**2 - guided * sigma / root


class PublishedDDIM(comfy.samplers.KSAMPLER):
    """The released DDIM: starts from noise of variance 1 and stops at timestep 0, not at clean latents."""

    def __init__(self):
        super().__init__(_ddim_to_last_sigma)

    def max_denoise(self, model_wrap, sigmas: Tensor) -> bool:
        return True  # asks the host for noise * sqrt(1 + sigma^2), which the network sees with variance 1


def _ddim_to_last_sigma(model, noise: Tensor, sigmas: Tensor, **kwargs) -> Tensor:
    x = comfy.k_diffusion.sampling.sample_euler(model, noise, sigmas, **kwargs)
    return x / math.sqrt(1 + float(sigmas[-1]) ** 2)


def published_sigmas(patcher, steps: int) -> Tensor:
    """The noise levels of the released schedule, [steps + 1], the last one that of timestep 0."""
    smcd_model(patcher)  # the schedule is that of no other architecture
    timesteps = ddim_timesteps(steps)
    last = max(0, timesteps[-1] - TRAIN_STEPS // steps)
    sigmas = patcher.get_model_object("model_sampling").sigmas
    return sigmas[torch.tensor([*timesteps, last])].cpu()


def sample(patcher, guider: ConditionGuider, sampler, sigmas: Tensor, noise: Tensor, seed: int) -> Tensor:
    """Latents [F, 4, h, w], with previews and progress as KSampler has them."""
    import latent_preview

    latent = torch.zeros_like(noise)
    callback = latent_preview.prepare_callback(patcher, len(sigmas) - 1)
    quiet = not comfy.utils.PROGRESS_BAR_ENABLED
    samples = guider.sample(noise, latent, sampler, sigmas, callback=callback, disable_pbar=quiet, seed=seed)
    return samples.to(comfy.model_management.intermediate_device())


def with_windows(patcher, length: int, overlap: int):
    """The model with the host's context windows over frames."""
    windows = comfy.context_windows
    patcher = patcher.clone()
    patcher.model_options["context_handler"] = windows.IndexListContextHandler(
        context_schedule=windows.get_matching_context_schedule(windows.ContextSchedules.STATIC_STANDARD),
        fuse_method=windows.get_matching_fuse_method(windows.ContextFuseMethods.PYRAMID),
        context_length=length,
        context_overlap=overlap,
        context_stride=1,
        closed_loop=False,
        dim=0,
        causal_window_fix=False,  # would give all windows but the first one frame more than the model was trained with
    )
    windows.create_prepare_sampling_wrapper(patcher)
    return patcher
