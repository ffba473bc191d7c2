"""Encode prompts and phrases with a CLIP text model, as the released SMCD does."""

from __future__ import annotations

import html
import json
import math
import re
import tempfile
import unicodedata
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from transformers import CLIPTextModel, CLIPTokenizer

PADDING_ID = 0  # As released: OpenCLIP pads with token 0, not with the end-of-text token.
TRUNCATED_LAYERS = 23  # OpenCLIP ViT-H has 24; diffusers ships it without the last one


# Characters that ftfy, which OpenCLIP runs first, writes in their usual form: ligatures and letters of another width.
_COMPATIBILITY = re.compile("[\u0132\u0133\u0149\u01c4-\u01cc\u01f1-\u01f3\u3000\ufb00-\ufb06\uff01-\uffee]+")
_STRAIGHT = dict.fromkeys([0x2BC, *range(0x2018, 0x201C)], "'") | dict.fromkeys(range(0x201C, 0x2020), '"')

# CLIPTokenizer makes a special token of these; with spaces inside, it reads what OpenCLIP reads.
_SPECIAL = re.compile(r"<\|(startoftext|endoftext)\|>", re.IGNORECASE)


class TextEncoder(nn.Module):
    """A CLIP tokenizer and text model; T = the model's number of positions, D its width.

    Source: SPEC, section 11.
    """

    def __init__(self, tokenizer: CLIPTokenizer, model: CLIPTextModel):
        super().__init__()
        self.tokenizer = tokenizer
        self.model = model

    def ids(self, texts: Sequence[str]) -> Tensor:
        """Token ids [B, T]: start, text, end, padding. Texts that are too long lose their last words."""
        length = self.model.config.max_position_embeddings
        rows = [self.tokenizer(cleaned(text), truncation=True, max_length=length).input_ids for text in texts]
        return torch.tensor([row + [PADDING_ID] * (length - len(row)) for row in rows])

    def forward(self, texts: Sequence[str]) -> Tensor:
        """Hidden states [B, T, D] of the penultimate layer, after the final norm."""
        return self.hidden_states(self.ids(texts))

    def prompts(self, texts: Sequence[str]) -> Tensor:
        """As `forward`, for texts of any length: [B, K * T, D].

        A text that is too long is read in chunks, each with its own start and end, as ComfyUI reads prompts. K is the
        number of chunks of the longest text; see `same_length` for the others.
        """
        chunks = [self._chunks(text) for text in texts]
        states = self.hidden_states(torch.tensor([row for rows in chunks for row in rows]))  # [all chunks, T, D]
        return torch.cat(same_length([part.flatten(0, 1)[None] for part in states.split([*map(len, chunks)])]))

    def _chunks(self, text: str) -> list[list[int]]:
        """Token ids of a text in rows of T: start, words, end, padding."""
        length = self.model.config.max_position_embeddings
        start, *words, end = self.tokenizer(cleaned(text), verbose=False).input_ids
        step = length - 2
        rows = [[start, *words[i : i + step], end] for i in range(0, max(len(words), 1), step)]
        return [row + [PADDING_ID] * (length - len(row)) for row in rows]

    def phrases(self, texts: Sequence[str]) -> Tensor:
        """One vector per phrase, [N, D]: the hidden state at its end-of-text token."""
        ids = self.ids(texts)
        end = (ids == self.tokenizer.eos_token_id).int().argmax(dim=1)
        hidden = self.hidden_states(ids)
        return hidden[torch.arange(len(texts)), end.to(hidden.device)]

    def hidden_states(self, ids: Tensor) -> Tensor:
        """Run the text model: token ids [B, T] -> [B, T, D]."""
        device = next(self.model.parameters()).device
        output = self.model(input_ids=ids.to(device), output_hidden_states=True)
        if self.model.config.num_hidden_layers == TRUNCATED_LAYERS:
            return output.last_hidden_state
        return text_transformer(self.model).final_layer_norm(output.hidden_states[-2])


def cleaned(text: str) -> str:
    """A text as OpenCLIP reads it: HTML entities resolved, quotes straight, no ligatures and no special tokens.

    As released, but for text in a wrong encoding, which is not repaired here.
    """
    text = text if "<" in text else html.unescape(text)  # ftfy leaves alone what may be HTML
    text = _COMPATIBILITY.sub(lambda found: unicodedata.normalize("NFKC", found[0]), text).translate(_STRAIGHT)
    return _SPECIAL.sub(r"<| \1 |>", html.unescape(html.unescape(text)))


def same_length(states: Sequence[Tensor]) -> list[Tensor]:
    """Repeat hidden states [B, T, D] along T until all are equally long; attention does not notice repeated tokens."""
    length = math.lcm(*(x.shape[1] for x in states))
    return [x.repeat(1, length // x.shape[1], 1) for x in states]


def text_transformer(model: CLIPTextModel) -> nn.Module:
    """The module that holds the layers: `text_model` in transformers 4, the model itself in transformers 5."""
    return getattr(model, "text_model", model)


def make_tokenizer(vocab: dict[str, int], merges: Sequence[str]) -> CLIPTokenizer:
    """Build a CLIPTokenizer from the contents of its two files."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "vocab.json").write_text(json.dumps(vocab), encoding="utf-8")
        Path(folder, "merges.txt").write_text("\n".join(["#version: 0.2", *merges]) + "\n", encoding="utf-8")
        return CLIPTokenizer.from_pretrained(folder)


def tokenizer_files(tokenizer: CLIPTokenizer) -> dict[str, Any]:
    """Arguments of make_tokenizer that give this tokenizer: {"vocab": ..., "merges": ...}."""
    with tempfile.TemporaryDirectory() as folder:
        tokenizer.save_pretrained(folder)
        path = Path(folder, "tokenizer.json")
        if path.exists():
            model = json.loads(path.read_text(encoding="utf-8"))["model"]
            merges = [pair if isinstance(pair, str) else " ".join(pair) for pair in model["merges"]]
            return {"vocab": model["vocab"], "merges": merges}
        lines = Path(folder, "merges.txt").read_text(encoding="utf-8").splitlines()
        vocab = json.loads(Path(folder, "vocab.json").read_text(encoding="utf-8"))
        return {"vocab": vocab, "merges": [line for line in lines if line and not line.startswith("#")]}
