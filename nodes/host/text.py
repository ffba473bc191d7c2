"""Load the text encoder of a checkpoint as ComfyUI's CLIP, and encode phrases with any CLIP."""

from __future__ import annotations

from collections.abc import Sequence

import comfy.sd
import comfy.sd1_clip
import comfy.supported_models_base
import comfy.utils
import torch
from torch import Tensor

from ...smcd_core.errors import SMCDError
from ...smcd_core.networks.text import PADDING_ID, TRUNCATED_LAYERS, make_tokenizer
from ...smcd_core.weights.checkpoint import Checkpoint
from ...smcd_core.weights.saved import TEXT_MODEL, TOKENS
from .model import CLIP_HINT
from .saved import read_any_checkpoint

HOST_VOCABULARY = 49408  # tokens of the host's CLIP text models, whatever their configuration says


def load_clip(path: str, disable_dynamic: bool = False, checkpoint: Checkpoint | None = None) -> comfy.sd.CLIP:
    """Load the text encoder of a checkpoint so that it gives what smcd_core.networks.text.TextEncoder gives.

    checkpoint  the content of the file, where it has been read already
    """
    from transformers import CLIPTextConfig

    checkpoint = checkpoint or read_any_checkpoint(path)
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

    weights = {TEXT_MODEL + name: x for name, x in checkpoint.text_encoder.weights.items()}
    tokens = weights[TEXT_MODEL + TOKENS]
    missing = HOST_VOCABULARY - tokens.shape[0]
    weights[TEXT_MODEL + TOKENS] = torch.nn.functional.pad(tokens, (0, 0, 0, missing))
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


def tokenizer_of(clip: comfy.sd.CLIP | None):
    """The tokenizer of transformers behind a CLIP input; None if there is none."""
    own = getattr(clip, "tokenizer", None)
    return getattr(getattr(own, getattr(own, "clip", ""), None), "tokenizer", None)


def phrase_vectors(clip: comfy.sd.CLIP, phrases: Sequence[str]) -> Tensor:
    """[N, P]: the hidden state of each phrase at its end-of-text token. Source: SPEC, section 11."""
    vectors = []
    for phrase in phrases:
        tokens = clip.tokenize(phrase, disable_weights=True)  # a bracket in a phrase is no weight
        (name,) = tokens if len(tokens) == 1 else (None,)
        tokenizer = getattr(clip.tokenizer, getattr(clip.tokenizer, "clip", ""), None)
        if name is None or tokenizer is None or not isinstance(clip.cond_stage_model, comfy.sd1_clip.SD1ClipModel):
            raise SMCDError(
                f"the CLIP is a {type(clip.cond_stage_model).__name__}, SMCD takes a CLIP text model: use {CLIP_HINT}"
            )
        ids = [token for token, _weight in tokens[name][0]]
        end = ids.index(tokenizer.end_token)
        vectors.append(clip.encode_from_tokens({name: tokens[name][:1]})[0, end])
    return torch.stack(vectors)
