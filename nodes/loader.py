"""Checkpoint -> MODEL, CLIP, VAE."""

from __future__ import annotations

import logging
from pathlib import Path

import folder_paths
import torch
from comfy_api.latest import io

from ..smcd_core.errors import SMCDError
from ..smcd_core.weights.defaults import (
    BUNDLED as BUNDLED_PATHS,
    BUNDLED_MULTIPLE,
    DEFAULT_CHECKPOINT,
    DRAWN,
)

FOLDERS = ("smcd", "checkpoints", "diffusion_models")  # of the host's models; only the first is SMCD's own
NO_LORA = "none"
BUNDLED_NAMES = {f"{path.stem} (bundled)": path for path in BUNDLED_PATHS}
BUNDLED = next(iter(BUNDLED_NAMES))  # the default
# For the page: the examples that a checkpoint was made for, None for any.
ABOUT_BUNDLED = {
    name: {
        "name": path.stem,
        "multiple": BUNDLED_MULTIPLE,
        "examples": None if path == DEFAULT_CHECKPOINT else DRAWN,
    }
    for name, path in BUNDLED_NAMES.items()
}
UNET_FILE = "pytorch_model.bin"  # of a release: the other files of its folder are read with it
PART_FILES = ("pytorch_model_1.bin", "pytorch_model_2.bin")
WEIGHT_DTYPES = {
    "default": None,
    "fp16": torch.float16,
    "bf16": torch.bfloat16,
    "fp8_e4m3fn": torch.float8_e4m3fn,
}


def register_model_folder() -> None:
    """Add models/smcd to the host's folders, beside those of the user's extra_model_paths.yaml."""
    folder_paths.add_model_folder_path("smcd", str(Path(folder_paths.models_dir) / "smcd"))
    paths, extensions = folder_paths.folder_names_and_paths["smcd"]
    folder_paths.folder_names_and_paths["smcd"] = (paths, extensions | folder_paths.supported_pt_extensions)


def checkpoint_names() -> list[str]:
    """The choices of the node, the bundled checkpoints first; a release is listed as its folder."""
    names = [*BUNDLED_NAMES]
    for folder in FOLDERS:
        try:
            files = folder_paths.get_filename_list(folder)
        except OSError as error:  # a disk that was taken off: everything else still works
            logging.getLogger("smcd").warning("models of %s are not listed: %s", folder, error)
            continue
        for name in files:
            path = Path(name)
            if path.name in PART_FILES:
                continue
            shown = path.parent if path.name == UNET_FILE and path.parent != Path() else path
            names.append((Path(folder) / shown).as_posix())
    return names


def checkpoint_path(name: str) -> Path:
    """Path of a checkpoint by its name in the list.

    The host does not check names that come through a link. Raises FileNotFoundError for a file that is gone, ValueError
    for a name from elsewhere.
    """
    if name in BUNDLED_NAMES:
        return BUNDLED_NAMES[name]
    folder, _, rest = name.partition("/")
    if folder not in FOLDERS:
        raise SMCDError(f"{name!r} is no checkpoint in {', '.join(FOLDERS)}: choose one from the list")
    path = folder_paths.get_full_path(folder, rest) or folder_paths.get_full_path(folder, f"{rest}/{UNET_FILE}")
    if path is None:
        raise FileNotFoundError(_missing(name))
    return Path(path) if Path(path).name == Path(rest).name else Path(path).parent


def lora_names() -> list[str]:
    """The choices of the node: none, then the files in the host's models/loras."""
    return [NO_LORA, *folder_paths.get_filename_list("loras")]


def lora_path(name: str) -> Path | None:
    """Raises FileNotFoundError for a file that is gone."""
    if name == NO_LORA:
        return None
    path = folder_paths.get_full_path("loras", name)
    if path is None:
        folders = ", ".join(folder_paths.get_folder_paths("loras"))
        raise FileNotFoundError(f"{name}: no such LoRA in {folders}: put it there and refresh the page")
    return Path(path)


def _missing(name: str) -> str:
    folder = name.partition("/")[0]
    places = folder_paths.get_folder_paths(folder if folder in FOLDERS else FOLDERS[0])
    return f"{name}: no such checkpoint in {', '.join(places)}: put it there and refresh the page, or choose another"


class SMCDLoad(io.ComfyNode):
    """A checkpoint, in any layout."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="SMCD_Load",
            display_name="Load SMCD",
            category="SMCD",
            description="Loads an SMCD checkpoint: its own .safetensors, a folder with the released "
            "pytorch_model*.bin, ModelScope's text2video_pytorch_model.pth, a diffusers UNet3DConditionModel, or an "
            "SMCD model from Save Checkpoint.",
            search_aliases=["animate your motion", "checkpoint"],
            inputs=[
                io.Combo.Input(
                    "checkpoint",
                    options=checkpoint_names(),
                    default=BUNDLED,
                    tooltip="From models/smcd, models/checkpoints or models/diffusion_models. The bundled one needs no "
                    "download.",
                    extra_dict={"bundled": ABOUT_BUNDLED},
                ),
                io.Combo.Input(
                    "weight_dtype",
                    options=[*WEIGHT_DTYPES],
                    default="default",
                    advanced=True,
                    tooltip="Precision of the weights in memory. fp8 needs half of fp16 and changes the result "
                    "slightly.",
                ),
                io.Combo.Input(
                    "lora",
                    options=lora_names(),
                    default=NO_LORA,
                    optional=True,
                    advanced=True,
                    tooltip="From models/loras: what smcd finetune --lora made of this checkpoint. For several, add "
                    "LoraLoaderModelOnly nodes.",
                ),
                io.Float.Input(
                    "lora_strength",
                    default=1.0,
                    min=-10.0,
                    max=10.0,
                    step=0.05,
                    optional=True,
                    advanced=True,
                    tooltip="How much of the LoRA is added, 1 as it was trained.",
                ),
            ],
            outputs=[
                io.Model.Output(tooltip="The denoiser, with the encoders of boxes and image."),
                io.Clip.Output(tooltip="None if the file has none: then use Load CLIP with OpenCLIP ViT-H."),
                io.Vae.Output(tooltip="None if the file has none: then use Load VAE with a Stable Diffusion 1 VAE."),
            ],
            hidden=[io.Hidden.unique_id],
        )

    @classmethod
    def execute(
        cls, checkpoint: str, weight_dtype: str, lora: str = NO_LORA, lora_strength: float = 1.0
    ) -> io.NodeOutput:
        from ..smcd_core.sampling.vocabulary import limits
        from .host.loading import load_model, load_vae, with_lora
        from .host.remarks import remark
        from .host.saved import read_any_checkpoint
        from .host.text import load_clip, tokenizer_of

        path = str(checkpoint_path(checkpoint))
        found = read_any_checkpoint(path)
        model = load_model(path, WEIGHT_DTYPES[weight_dtype], checkpoint=found)
        if added := lora_path(lora):
            model = with_lora(model, added, lora_strength, found)
        has_clip = found.text_encoder is not None and found.tokenizer is not None
        clip = load_clip(path, checkpoint=found) if has_clip else None
        vae = load_vae(path, checkpoint=found) if found.vae is not None else None
        if clip is not None:
            name = "the bundled model" if checkpoint in BUNDLED_NAMES else "this model"
            text = limits(tokenizer_of(clip), model=name)
            remark(cls, [text] if text else [])
        return io.NodeOutput(model, clip, vae)

    @classmethod
    def validate_inputs(cls, checkpoint: str = BUNDLED) -> bool | str:
        """Replace the host's check, whose message does not say what to do.

        A name that comes through a link is not known yet: the default stands for it.
        """
        return checkpoint in checkpoint_names() or _missing(checkpoint)

    @classmethod
    def fingerprint_inputs(
        cls, checkpoint: str, weight_dtype: str, lora: str = NO_LORA, lora_strength: float = 1.0
    ) -> tuple:
        """Changes when a file is replaced, so that it is read again."""
        path = checkpoint_path(checkpoint)
        files = [path, *path.iterdir()] if path.is_dir() else [path]
        files += [added] if (added := lora_path(lora)) else []
        return (weight_dtype, lora_strength, *((str(file), file.stat().st_mtime_ns) for file in sorted(files)))
