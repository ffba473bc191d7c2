"""Table of the published weights that SMCD uses: address, licence, and place in ComfyUI.

Sources: the README of the paper's code for the released SMCD, the hub's pages for everything else. Revisions are
pinned, so that no file can change under its name.
"""

from __future__ import annotations

from dataclasses import dataclass

HUB = "https://huggingface.co"
_NON_COMMERCIAL = "CC-BY-NC-4.0, not for commercial use: https://creativecommons.org/licenses/by-nc/4.0/"


@dataclass(frozen=True)
class HubFile:
    """A file of a repository, and where it belongs.

    name    in its repository
    place   folder below ComfyUI's models
    target  path below that folder, or below any other folder instead; with / on all systems
    size    bytes, rounded to three digits as the hub shows them
    sha256  where the hub's pages give it; asked, the hub gives it for all large files
    """

    name: str
    place: str
    target: str
    size: float
    sha256: str | None = None


@dataclass(frozen=True)
class Weights:
    """Files of one repository that are used together; `use` tells what loads them."""

    name: str
    title: str
    use: str
    repository: str
    revision: str
    licence: str
    files: tuple[HubFile, ...]

    @property
    def page(self) -> str:
        return f"{HUB}/{self.repository}"

    def url(self, file: HubFile) -> str:
        """Address of a file for a browser."""
        return f"{self.page}/resolve/{self.revision}/{file.name}"


_RELEASE = "animate-your-motion"
_PIPELINE = "text-to-video-ms-1.7b"
_PIPELINE_HOME = dict(
    repository="ali-vilab/text-to-video-ms-1.7b",
    revision="8227dddca75a8561bf858d604cc5dae52b954d01",
    licence=_NON_COMMERCIAL,
)
_VAE = ("vae/diffusion_pytorch_model.fp16.safetensors", 167e6)
_VAE_SHA256 = "c8b011e5a18c53888d51a81aa28223ddec87b450c14dc9650d9c3ebbcd17624e"


def _part(name: str, size: float, sha256: str | None = None, target: str | None = None) -> HubFile:
    return HubFile(name, "diffusers", f"{_PIPELINE}/{target or name}", size, sha256)


SMCD = Weights(
    name="smcd",
    title="the released SMCD",
    use="Load SMCD, or --checkpoint",
    repository="Lixiaoming/Animate-Your-Motion",
    revision="9b4d2b9e7834c0cbf21cbae170f6d72110402837",
    licence="none is stated by its authors; made from ModelScope's weights, which are CC-BY-NC-4.0: take it as not for "
    "commercial use, and ask them for anything else",
    files=(
        HubFile(
            "pytorch_model.bin",
            "smcd",
            f"{_RELEASE}/pytorch_model.bin",
            7.34e9,
            "90031c0defc6217c36bcd4a15636d28d212d300cabe819e653253c214940ea50",
        ),
        HubFile("pytorch_model_1.bin", "smcd", f"{_RELEASE}/pytorch_model_1.bin", 5.39e6),
        HubFile(
            "pytorch_model_2.bin",
            "smcd",
            f"{_RELEASE}/pytorch_model_2.bin",
            812e6,
            "91dea11b54c155e3d72eceb2647ceca4b2d4a3d6819d82338c2f981436006f2e",
        ),
    ),
)
VAE = Weights(
    name="vae",
    title="the VAE of ModelScope text-to-video, for ComfyUI",
    use="Load VAE",
    files=(HubFile(_VAE[0], "vae", f"{_PIPELINE}_vae.safetensors", _VAE[1], _VAE_SHA256),),
    **_PIPELINE_HOME,
)
TEXT_ENCODER = Weights(
    name="text_encoder",
    title="the text encoder of ModelScope text-to-video, OpenCLIP ViT-H, for ComfyUI",
    use="Load CLIP, type stable_diffusion",
    repository="ali-vilab/modelscope-damo-text-to-video-synthesis",
    revision="56892350b04379617935da934f200209b6bc96fc",
    licence=_NON_COMMERCIAL,
    files=(
        HubFile(
            "open_clip_pytorch_model.bin",
            "text_encoders",
            "open_clip_vit_h_14.bin",
            3.94e9,
            "9a78ef8e8c73fd0df621682e7a8e8eb36c6916cb3c16b291a082ecd52ab79cc4",
        ),
    ),
)
COMPONENTS = Weights(
    name="components",
    title="VAE, text encoder and tokenizer of ModelScope text-to-video, for the command line",
    use="--components",
    files=(
        _part("vae/config.json", 657),
        _part(_VAE[0], _VAE[1], _VAE_SHA256, target="vae/diffusion_pytorch_model.safetensors"),
        _part("text_encoder/config.json", 644),
        _part(
            "text_encoder/model.fp16.safetensors",
            681e6,
            "6ab158327d06ce861b5c78843672c78433ea82fcf03f142097ba204b81251cd2",
            target="text_encoder/model.safetensors",
        ),
        _part("tokenizer/merges.txt", 525e3),
        _part("tokenizer/special_tokens_map.json", 460),
        _part("tokenizer/tokenizer_config.json", 755),
        _part("tokenizer/vocab.json", 1.06e6),
    ),
    **_PIPELINE_HOME,
)
MODELSCOPE = Weights(
    name="modelscope",
    title="the backbone of ModelScope text-to-video 1.7B, to train from",
    use="smcd train --init; Load SMCD takes it for text to video without boxes",
    files=(
        HubFile(
            "unet/diffusion_pytorch_model.safetensors",
            "diffusion_models",
            f"{_PIPELINE}_unet.safetensors",
            5.65e9,
            "1296dbed3928b7ecf7da12dda03c4ff10f1cdf7303ff86993529fe8388a3e333",
        ),
    ),
    **_PIPELINE_HOME,
)
ALL = {weights.name: weights for weights in (SMCD, VAE, TEXT_ENCODER, COMPONENTS, MODELSCOPE)}
FOR_COMFYUI = ("smcd", "vae", "text_encoder")
FOR_COMMAND_LINE = ("smcd", "components")
