"""A cache of phrase embeddings: a dataset has far fewer phrases than objects."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Sequence
from pathlib import Path

import torch
from safetensors import safe_open
from torch import Tensor

from ..networks.text import TextEncoder
from ..weights.files import save_weights

PROBE = "a"  # phrase whose embedding shows whether a file belongs to this text encoder
_TOLERANCE = 0.02  # between devices, in half precision; embeddings of two encoders differ by about 1
MAX_KEPT = 200_000  # phrases; 400 MiB at the released width


class PhraseCache:
    """Maps N phrases to embeddings, float16 [N, P], as `TextEncoder.phrases` does.

    path  file to read first and to write with `save`; a file of another text encoder is replaced
    """

    def __init__(self, text: TextEncoder, path: str | os.PathLike | None = None):
        self.text = text
        self.path = Path(path) if path is not None else None
        self.known: dict[str, Tensor] = {PROBE: self._compute([PROBE])[0]}
        self.known |= self._read()
        self.saved = len(self.known)

    def __call__(self, phrases: Sequence[str]) -> Tensor:
        new = [phrase for phrase in dict.fromkeys(phrases) if phrase not in self.known]
        fresh = dict(zip(new, self._compute(new), strict=True)) if new else {}
        if len(self.known) + len(fresh) <= MAX_KEPT:
            self.known |= fresh
        found = [fresh[phrase] if phrase in fresh else self.known[phrase] for phrase in phrases]
        return torch.stack(found) if found else self.known[PROBE].new_zeros(0, len(self.known[PROBE]))

    def save_if_grown(self) -> None:
        """Save if the file would grow by half, so that a long run writes rarely and loses little if it is stopped."""
        if len(self.known) > 1.5 * self.saved:
            self.save()

    def save(self) -> None:
        """Write the file, and keep what other processes have written to it meanwhile."""
        if self.path is None or len(self.known) == self.saved:
            return
        self.known = self._read() | self.known
        vectors = torch.stack(list(self.known.values()))
        save_weights(self.path, {"vectors": vectors}, {"phrases": json.dumps(list(self.known))})
        self.saved = len(self.known)

    @torch.no_grad()
    def _compute(self, phrases: Sequence[str]) -> Tensor:
        # One by one: in a batch the last bit depends on the others, and processes that share the work meet others.
        return torch.cat([self.text.phrases([phrase]) for phrase in phrases]).half().cpu()

    def _read(self) -> dict[str, Tensor]:
        """Read the file; nothing if it is missing, damaged, or of another text encoder."""
        if self.path is None or not self.path.exists():
            return {}
        try:
            with safe_open(self.path, "pt") as file:
                vectors, phrases = file.get_tensor("vectors"), json.loads(file.metadata()["phrases"])
            found = dict(zip(phrases, vectors.half(), strict=True))
            same = torch.allclose(found[PROBE].float(), self.known[PROBE].float(), atol=_TOLERANCE, rtol=_TOLERANCE)
        except Exception as error:  # only a cache: it is computed again
            logging.getLogger("smcd").warning("%s: cannot be read and is computed again (%s)", self.path, error)
            return {}
        return found if same else {}
