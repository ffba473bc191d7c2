"""Networks that compare images: CLIP, DINO, AlexNet for LPIPS, and a video network for FVD.

All are loaded from files that the user names. A video is uint8 [F, H, W, 3]; features are float32, D wide.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from ..errors import SMCDError
from ..weights.files import read_weights

BATCH = 16  # frames per call
VIDEO_FRAMES = 16  # shorter clips repeat their last frame up to this; I3D needs 10


def load_pretrained(kind: Any, source: str, download: bool, what: str, **options: Any) -> Any:
    """Load with `kind`.from_pretrained from a folder, or with `download` from the Hugging Face Hub by name.

    Raises SMCDError that calls it `what` if there is no such thing.
    """
    if not download and not Path(source).is_dir():
        raise SMCDError(
            f"{source}: is no folder; give the folder of a saved model, or --download to fetch a name from the Hub"
        )
    try:
        return kind.from_pretrained(source, local_files_only=not download, **options)
    except Exception as error:  # the library raises many types, down to KeyError
        reason = " ".join(str(error).split())[:200]
        raise SMCDError(f"{source}: is no {what} as save_pretrained writes it ({reason})") from error


def load_model(kind: Any, source: str, download: bool, what: str, unused: str | None = None) -> Any:
    """The same for a network, all of whose weights must be there; those that start with `unused` may be missing."""
    model, found = load_pretrained(kind, source, download, what, output_loading_info=True)
    missing = sorted(name for name in found["missing_keys"] if unused is None or not name.startswith(unused))
    if missing:
        raise SMCDError(f"{source}: is no {what}, or not whole: {len(missing)} weights missing, first is {missing[0]}")
    return model


def unit(features: Tensor) -> np.ndarray:
    """Scale features [..., D] to length 1, so that their products are cosines."""
    return functional.normalize(features.float(), dim=-1).cpu().numpy()


def _in_batches(
    frames: np.ndarray, processor: Any, features: Callable[[Tensor], Tensor], device: torch.device
) -> np.ndarray:
    """Unit features [F, D] of frames [F, H, W, 3]; `features` maps pixels from the processor to [f, D]."""
    parts = []
    for start in range(0, len(frames), BATCH):
        inputs = processor(images=list(frames[start : start + BATCH]), return_tensors="pt")
        parts.append(unit(features(inputs["pixel_values"].to(device))))
    return np.concatenate(parts)


class ClipFeatures:
    """CLIP: images and sentences in one space."""

    def __init__(self, model: Any, processor: Any):
        self.model, self.processor = model.eval(), processor

    @classmethod
    def from_pretrained(cls, source: str, *, device: str = "cpu", download: bool = False) -> ClipFeatures:
        from transformers import CLIPModel, CLIPProcessor

        model = load_model(CLIPModel, source, download, "CLIP").to(device)
        return cls(model, load_pretrained(CLIPProcessor, source, download, "CLIP"))

    @torch.no_grad()
    def images(self, frames: np.ndarray) -> np.ndarray:
        """[F, H, W, 3] -> [F, D], of length 1"""

        def features(pixels: Tensor) -> Tensor:
            return self.model.visual_projection(self.model.vision_model(pixels).pooler_output)

        return _in_batches(frames, self.processor, features, self.model.device)

    @torch.no_grad()
    def texts(self, sentences: Sequence[str]) -> np.ndarray:
        """K sentences -> [K, D], of length 1; sentences longer than CLIP's 77 tokens are cut."""
        most = self.model.config.text_config.max_position_embeddings
        inputs = self.processor(
            text=list(sentences), return_tensors="pt", padding=True, truncation=True, max_length=most
        )
        pooled = self.model.text_model(**inputs.to(self.model.device)).pooler_output
        return unit(self.model.text_projection(pooled))


class DinoFeatures:
    """DINO or DINOv2: the class token of a vision transformer."""

    def __init__(self, model: Any, processor: Any):
        self.model, self.processor = model.eval(), processor

    @classmethod
    def from_pretrained(cls, source: str, *, device: str = "cpu", download: bool = False) -> DinoFeatures:
        from transformers import AutoImageProcessor, AutoModel

        model = load_model(AutoModel, source, download, "DINO", unused="pooler.")  # published DINO has none
        if not model.config.model_type.startswith(("dino", "vit")):
            raise SMCDError(f"{source}: is a model of the type {model.config.model_type}, expected DINO or DINOv2")
        return cls(model.to(device), load_pretrained(AutoImageProcessor, source, download, "DINO"))

    @torch.no_grad()
    def images(self, frames: np.ndarray) -> np.ndarray:
        """[F, H, W, 3] -> [F, D], of length 1"""

        def features(pixels: Tensor) -> Tensor:
            return self.model(pixels).last_hidden_state[:, 0]

        return _in_batches(frames, self.processor, features, self.model.device)


class Lpips(nn.Module):
    """Learned perceptual distance of two images, 0 for equal ones. Source: Zhang et al. (2018), version 0.1.

    Own code because the libraries download AlexNet by themselves; the numbers are the same.

    stages  each takes the features of the stage before, the first an RGB image
    heads   for each stage the weights of its channels, [C]
    """

    MEAN, DEVIATION = (-0.030, -0.088, -0.188), (0.458, 0.448, 0.450)  # of images in -1..1

    def __init__(self, stages: Sequence[nn.Module], heads: Sequence[Tensor]):
        super().__init__()
        self.stages = nn.ModuleList(stages).eval()
        self.heads = nn.ParameterList(heads)

    @classmethod
    def from_files(cls, alexnet: Path, heads: Path, *, device: str = "cpu") -> Lpips:
        """Build LPIPS from its two files.

        alexnet  weights of torchvision (alexnet-owt-7be5be79.pth)
        heads    alex.pth of the packages lpips and torchmetrics
        """
        weights, heads_found = read_weights(alexnet).tensors, read_weights(heads).tensors
        network = alexnet_features()
        try:
            network.load_state_dict(
                {name.removeprefix("features."): value for name, value in weights.items() if "features." in name}
            )
            channels = [heads_found[f"lin{stage}.model.1.weight"].flatten() for stage in range(5)]
        except (RuntimeError, KeyError) as error:
            raise SMCDError(
                f"{alexnet}, {heads}: expected the weights of torchvision's AlexNet and LPIPS' alex.pth ({error})"
            ) from None
        ends = [0, *(place + 1 for place, layer in enumerate(network) if isinstance(layer, nn.ReLU))]
        return cls([network[start:end] for start, end in zip(ends, ends[1:])], channels).to(device)

    @torch.no_grad()
    def forward(self, image: np.ndarray, reference: np.ndarray) -> float:
        """Two uint8 [H, W, 3]"""
        like = self.heads[0]
        pair = torch.from_numpy(np.stack([image, reference])).to(like).permute(0, 3, 1, 2) / 127.5 - 1
        mean, deviation = (like.new_tensor(values)[:, None, None] for values in (self.MEAN, self.DEVIATION))
        x, distance = (pair - mean) / deviation, 0.0
        for stage, head in zip(self.stages, self.heads):
            x = stage(x)
            a, b = x / (x.square().sum(1, keepdim=True).sqrt() + 1e-10)
            distance += float((head[:, None, None] * (a - b).square()).sum(0).mean())
        return distance


def alexnet_features() -> nn.Sequential:
    """The convolutions of torchvision's AlexNet. Source: Krizhevsky (2014), "One weird trick"."""
    return nn.Sequential(
        nn.Conv2d(3, 64, 11, stride=4, padding=2), nn.ReLU(), nn.MaxPool2d(3, 2),
        nn.Conv2d(64, 192, 5, padding=2), nn.ReLU(), nn.MaxPool2d(3, 2),
        nn.Conv2d(192, 384, 3, padding=1), nn.ReLU(),
        nn.Conv2d(384, 256, 3, padding=1), nn.ReLU(),
        nn.Conv2d(256, 256, 3, padding=1), nn.ReLU(),
    )  # fmt: skip


class VideoFeatures:
    """Video network for FVD: the TorchScript I3D that StyleGAN-V and others publish, or one with its interface.

    Called as network(video [1, 3, F, H, W] in 0..255, rescale=True, resize=True, return_features=True) -> [1, D].
    """

    def __init__(self, network: nn.Module, device: str = "cpu"):
        self.network, self.device = network.eval(), device

    @classmethod
    def from_file(cls, path: Path, *, device: str = "cpu") -> VideoFeatures:
        """Load a TorchScript file. It is a program and runs with your rights: use only one whose origin you trust."""
        try:
            return cls(torch.jit.load(str(path), map_location=device), device)
        except (RuntimeError, ValueError) as error:  # ValueError: there is no such file
            reason = str(error).strip().splitlines()[0]
            raise SMCDError(f"{path}: cannot be read as a TorchScript file ({reason})") from None

    @torch.no_grad()
    def __call__(self, frames: np.ndarray) -> np.ndarray:
        """One video [F, H, W, 3] -> [D]. A video shorter than VIDEO_FRAMES repeats its last frame."""
        held = np.concatenate([frames, frames[-1:].repeat(max(0, VIDEO_FRAMES - len(frames)), 0)])
        video = torch.from_numpy(held).to(self.device, torch.float32).permute(3, 0, 1, 2)[None]
        features = self.network(video, rescale=True, resize=True, return_features=True)
        if features.ndim != 2 or len(features) != 1:
            raise SMCDError(f"the video network gives {list(features.shape)} for one video, expected [1, D]")
        return features[0].float().cpu().numpy()
