"""The limits of small models: the bundled ones were trained on few words and pictures, and say so."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from PIL import Image
from transformers import CLIPTokenizer

from ..networks.text import tokenizer_files
from ..pictures import read_picture
from ..weights.defaults import DRAWN, EXAMPLES

UNNAMED = "object"  # known to models that were trained to move anything, see data.world
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
    """Say in a sentence or two what a small model can do with these texts and this image; `model` begins it.

    None for a model of a whole language, for one that moves anything on an image of EXAMPLES, and for one that knows
    drawings on an image of DRAWN and with words that it knows.
    """
    known = known_words(tokenizer)
    if known is None:
        return None
    if UNNAMED in known:
        if image is not None and _is_one_of(image, EXAMPLES.glob("*.png")):
            return None
        return (
            f"{model} makes small, soft video: for sharp video use the released weights. It moves what the boxes hold "
            "and takes from the image what an object looks like; words hardly count"
        )
    words = dict.fromkeys(word for text in texts for word in re.findall(r"[^\W\d_]{2,}", text.lower()))
    unknown = [f"'{word}'" for word in words if word not in known]
    is_drawn = image is not None and _is_one_of(image, [EXAMPLES / f"{name}.png" for name in DRAWN])
    if is_drawn and not unknown:
        return None
    does = f"does not know {', '.join(unknown)}, only" if unknown else "knows only"
    words_known = f"{does} the words {', '.join(known)}"
    if is_drawn:
        return f"{model} {words_known}"
    return f"{model} is for simple drawings only: other pictures become blotches of colour. It {words_known}"


def _is_one_of(image: Image.Image | np.ndarray, paths: Iterable[Path]) -> bool:
    pixels = np.asarray(image)
    return any(np.array_equal(pixels, np.asarray(read_picture(path))) for path in paths)
