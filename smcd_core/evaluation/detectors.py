"""Open-vocabulary detectors from transformers, which find objects by their phrases."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from .networks import load_model, load_pretrained

BATCH = 4  # frames per call; Grounding DINO takes about 1 GB for each, at its 800 x 1333 pixels

Detections = list[dict[str, tuple[np.ndarray, np.ndarray]]]


class Detector:
    """Grounding DINO, OWLv2, or another zero-shot detector with the same interface.

    threshold  minimum score of a detection, 0..1
    """

    def __init__(self, model: Any, processor: Any, *, threshold: float = 0.25):
        self.model, self.processor, self.threshold = model.eval(), processor, threshold

    @classmethod
    def from_pretrained(
        cls, source: str, *, device: str = "cpu", threshold: float = 0.25, download: bool = False
    ) -> Detector:
        """Load a folder that save_pretrained wrote, or with `download` a name on the Hugging Face Hub."""
        from transformers import AutoModelForZeroShotObjectDetection, AutoProcessor

        what = "detector such as Grounding DINO or OWLv2"
        model = load_model(AutoModelForZeroShotObjectDetection, source, download, what).to(device)
        return cls(model, load_pretrained(AutoProcessor, source, download, what), threshold=threshold)

    @torch.no_grad()
    def __call__(self, frames: np.ndarray, phrases: Sequence[str]) -> Detections:
        """Detect in frames uint8 [F, H, W, 3]: for each, phrase -> (boxes [K, 4] in units of the frame, scores [K]).

        Phrases are detected one by one: in one sentence, words of one phrase could match another.
        """
        found: Detections = [{} for _ in frames]
        for phrase in dict.fromkeys(phrases):
            for start in range(0, len(frames), BATCH):
                part = frames[start : start + BATCH]
                for frame, result in zip(found[start:], self._detect(part, phrase)):
                    frame[phrase] = result
        return found

    def _detect(self, frames: np.ndarray, phrase: str) -> list[tuple[np.ndarray, np.ndarray]]:
        is_sentence = "grounding-dino" in self.model.config.model_type  # which expects lower case and a full stop
        text = [phrase.lower().rstrip(".") + "." if is_sentence else [phrase]] * len(frames)
        inputs = self.processor(images=list(frames), text=text, return_tensors="pt", padding=True)
        outputs = self.model(**inputs.to(self.model.device))
        height, width = frames.shape[1:3]
        results = self.processor.post_process_grounded_object_detection(
            outputs, threshold=self.threshold, target_sizes=[(height, width)] * len(frames)
        )
        scale = [width, height, width, height]
        return [
            ((result["boxes"].cpu().numpy() / scale).clip(0, 1), result["scores"].cpu().numpy()) for result in results
        ]
