"""Which words a model can know: the bundled one was trained on a few, and says so."""

from __future__ import annotations

import re
from collections.abc import Iterable

import numpy as np
from PIL import Image
from transformers import CLIPTokenizer

from ..networks.text import tokenizer_files
from ..pictures import read_picture
from ..weights.defaults import DRAWN, EXAMPLES

MAX_SMALL = 4096  # tokens of a tokenizer made for a few words; those of CLIP have 49,408 and know all words


def known_words(tokenizer: CLIPTokenizer) -> list[str] | None:
    """The words that a tokenizer was made for, sorted; None for one of a whole language."""
    if len(tokenizer) > MAX_SMALL:
        return None
    files = tokenizer_files(tokenizer)
    parts = {merge.split()[1] for merge in files["merges"]}  # a token that ends others is a part of words, not a word
    words = (token.removesuffix("</w>") for token in files["vocab"] if token.endswith("</w>") and token not in parts)
    return sorted(word for word in words if len(word) > 1 and word.isalpha())


def limits(
    tokenizer: CLIPTokenizer,
    texts: Iterable[str] = (),
    image: Image.Image | np.ndarray | None = None,
    model: str = "this model",
) -> str | None:
    """A sentence on the few words that the model knows, and on those of the texts that it does not.

    None for a model of a whole language, and where all words are known and the image is one of DRAWN. `model` begins
    the sentence.
    """
    known = known_words(tokenizer)
    if known is None:
        return None
    words = dict.fromkeys(word for text in texts for word in re.findall(r"[^\W\d_]{2,}", text.lower()))
    unknown = [f"'{word}'" for word in words if word not in known]
    is_drawn = image is not None and _is_drawn(image)
    if not unknown and is_drawn:
        return None
    scope = "" if is_drawn else ": photographs and other pictures come out as blotches of colour"
    text = f"{model} was trained on simple drawings{scope}. It knows only the words {', '.join(known)}"
    return (
        f"{text}. To it, {', '.join(unknown)} {'means' if len(unknown) == 1 else 'mean'} nothing" if unknown else text
    )


def _is_drawn(image: Image.Image | np.ndarray) -> bool:
    pixels = np.asarray(image)
    return any(np.array_equal(pixels, np.asarray(read_picture(EXAMPLES / f"{name}.png"))) for name in DRAWN)
