"""Read and write weights in every layout that SMCD comes in. Which one it is, the names of the tensors say.

    smcd        one .safetensors with the configuration in its metadata, perhaps with VAE and text encoder inside
    released    a folder: UNet, position net, visual encoder or ControlNet, one file each, .bin or .safetensors
    modelscope  the backbone alone under the same names: text2video_pytorch_model.pth
    diffusers   the backbone alone as UNet3DConditionModel: a folder or a file

Files are memory-mapped: reading copies nothing, and what is never used is never read.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ..files import replacing
from ..networks.config import ConfigError, SMCDConfig
from ..networks.in_parts import work_in_parts
from ..networks.smcd import SMCD
from .files import CheckpointError, WeightFile, read_weights, save_weights
from .layouts import (
    HEADS,
    LayoutError,
    diffusers_config,
    diffusers_name,
    join_gates,
    recognise,
    released_config,
    released_name,
    split_gates,
)

VERSION = "1"  # of layout smcd
CONFIG_FILE = "smcd.json"  # beside released files: the configuration, where it does not follow from their shapes
RELEASED_FILES = {
    "unet": "pytorch_model.bin",
    "box_encoder": "pytorch_model_1.bin",
    "image_encoder": "pytorch_model_2.bin",
    "control_net": "pytorch_model_2.bin",
}
_PARTS = {"unet": "UNet", "box_encoder": "position net", "image_encoder": "visual encoder", "control_net": "ControlNet"}
_KINDS = {**_PARTS, "smcd": "SMCD checkpoint", "diffusers": "diffusers UNet3DConditionModel"}
_SUFFIXES = (".safetensors", ".bin", ".pth", ".pt", ".ckpt")
_EXPECTED = (
    "expected an SMCD .safetensors, a folder with the released pytorch_model*.bin, ModelScope's "
    "text2video_pytorch_model.pth or a diffusers UNet3DConditionModel"
)


@dataclass(frozen=True)
class Component:
    """A network that SMCD takes ready-made, carried in the same file.

    config   of diffusers' AutoencoderKL or transformers' CLIPTextModel, JSON-able
    weights  its state dict
    """

    config: dict[str, Any]
    weights: dict[str, Tensor]


@dataclass(frozen=True)
class Checkpoint:
    """What a file or folder holds.

    layout     "smcd", "released", "modelscope" or "diffusers"
    weights    state dict of model.SMCD(config), complete and of the right shapes
    tokenizer  of a CLIPTokenizer: {"vocab": {token: id}, "merges": ["a b", ...]}
    info       anything JSON-able: how it was trained, a model card
    """

    path: Path
    layout: str
    config: SMCDConfig
    weights: dict[str, Tensor]
    vae: Component | None = None
    text_encoder: Component | None = None
    tokenizer: dict[str, Any] | None = None
    info: dict[str, Any] = field(default_factory=dict)


def build(checkpoint: Checkpoint, *, dtype=None, device="cpu", operations=nn) -> SMCD:
    """The networks of a checkpoint, for inference: in evaluation mode, with layers that work in parts.

    dtype None keeps that of the file; then the weights stay memory-mapped and are read when first used. Networks built
    twice from one Checkpoint share their weights.
    """
    model = SMCD(checkpoint.config, device="meta", operations=operations)
    model.load_state_dict(checkpoint.weights, assign=True)
    work_in_parts(model)
    return model.to(device=device, dtype=dtype).eval()


# Reading -------------------------------------------------------------------------------------------------------------


def read_checkpoint(path: str | Path) -> Checkpoint:
    """Find out what a file or folder holds, and check it completely but for the values.

    Raises CheckpointError if it is no SMCD checkpoint or backbone, or if any tensor is missing, misshapen or unknown.
    """
    path = Path(path)
    if not path.exists():
        raise CheckpointError(f"{path}: no such file or folder")
    found: dict[str, WeightFile] = {}
    others = []
    for file_path in _weight_files(path) if path.is_dir() else [path]:
        file = read_weights(file_path)
        kind = recognise(file.tensors)
        if kind in found:
            raise CheckpointError(
                f"{path}: {found[kind].path.name} and {file_path.name} both hold a {_KINDS[kind]}: "
                "move one away, or name one file"
            )
        if kind in _KINDS:
            found[kind] = file
        else:
            others.append(kind if file_path == path else f"{kind} in {file_path.name}")
    whole = [kind for kind in ("smcd", "diffusers", "unet") if kind in found]
    if len(whole) > 1:
        names = " and ".join(f"a {_KINDS[kind]} ({found[kind].path.name})" for kind in whole)
        raise CheckpointError(f"{path}: holds {names}: name one file")
    if not whole:
        others += [f"a {_KINDS[kind]} alone in {file.path.name}" for kind, file in found.items()]
        raise CheckpointError(f"{path}: found {'; '.join(others)}; {_EXPECTED}")
    if whole == ["smcd"]:
        return _read_smcd(found["smcd"])
    if whole == ["diffusers"]:
        return _read_diffusers(path, found["diffusers"])
    return _read_released(path, found)


def _weight_files(folder: Path) -> list[Path]:
    files = sorted(file for file in folder.iterdir() if file.suffix in _SUFFIXES and not file.name.startswith("."))
    if not files and (folder / "unet").is_dir():  # a whole diffusers pipeline
        return _weight_files(folder / "unet")
    if not files:
        raise CheckpointError(f"{folder}: no weight files in this folder ({', '.join(_SUFFIXES)}); {_EXPECTED}")
    return [file for file in files if not any(better in files for better in _better(file))]


def _better(file: Path) -> list[Path]:
    """Files that hold the same weights as `file` in a safer format or, as diffusers names them, at full precision."""
    full = file.with_name(file.name.replace(".fp16.", "."))
    same = {full, full.with_suffix(".safetensors")} if full != file else {file.with_suffix(".safetensors")}
    return sorted(same - {file})


def _read_smcd(file: WeightFile) -> Checkpoint:
    metadata = file.metadata
    if "smcd_version" not in metadata:
        raise CheckpointError(
            f"{file.path}: has the tensors of SMCD but no smcd_version in its metadata. Was it saved again by another "
            "program? Use the original file"
        )
    if metadata["smcd_version"] != VERSION:
        raise CheckpointError(
            f"{file.path}: is of version {metadata['smcd_version'][:40]!r}, this program reads {VERSION!r}. Update it"
        )
    config = _config(file.path, metadata.get("config", ""))
    weights, inside = dict(file.tensors), {}
    for name in ("vae", "text_encoder"):
        tensors = {key.removeprefix(f"{name}."): weights.pop(key) for key in file.tensors if key.startswith(f"{name}.")}
        if bool(tensors) != (name in metadata):
            there, gone = ("weights", "configuration") if tensors else ("configuration", "weights")
            raise CheckpointError(f"{file.path}: holds the {there} of its {name} but not the {gone}")
        if tensors:
            inside[name] = Component(_json(file, name), tensors)
    for name in ("tokenizer", "info"):
        if name in metadata:
            inside[name] = _json(file, name)
    _check(file.path, "SMCD", weights, _expected(file.path, config, len(weights)))
    return Checkpoint(file.path, "smcd", config, weights, **inside)


def _read_released(path: Path, found: dict[str, WeightFile]) -> Checkpoint:
    shapes = {part: _shapes(file.tensors) for part, file in found.items()}
    beside = found["unet"].path.parent / CONFIG_FILE
    if beside.exists():
        config = _config(beside, _text(beside))
    else:
        encoders = [shapes.get(part) for part in ("box_encoder", "image_encoder")]
        config = _inferred(found["unet"].path, released_config, shapes["unet"], *encoders)
    weights = {}
    expected = _expected(path, config, sum(map(len, shapes.values())))
    for part, what in _PARTS.items():
        prefix = f"{part}."
        names = {released_name(name.removeprefix(prefix)): name for name in expected if name.startswith(prefix)}
        if names and part not in found:
            raise CheckpointError(
                f"{path}: the UNet in {found['unet'].path.name} needs a {what}, which is not there: put "
                f"it ({RELEASED_FILES[part]} in the release) into the same folder, and name the folder"
            )
        if part in found and not names:
            raise CheckpointError(
                f"{path}: {found[part].path.name} is a {what}, for which the UNet in {found['unet'].path.name} has no "
                "inputs: do they belong together?"
            )
        if names:
            tensors = found[part].tensors
            _check(found[part].path, what, tensors, {theirs: expected[ours] for theirs, ours in names.items()})
            weights |= {prefix + name: tensor for name, tensor in split_gates(tensors).items()}
    bare = not (config.boxes or config.control or config.first_frame_concat)
    return Checkpoint(path, "modelscope" if bare else "released", config, weights)


def _read_diffusers(path: Path, file: WeightFile) -> Checkpoint:
    beside, known = file.path.parent / "config.json", {}
    if beside.exists():
        known = _diffusers_settings(beside)
    config = _inferred(file.path, diffusers_config, _shapes(file.tensors), **known)
    expected = _expected(file.path, config, len(file.tensors))
    names = _diffusers_names(config, expected)
    # diffusers has linear layers where the release has convolutions of width 1.
    theirs = {names[ours]: shape[:2] if _is_conv1d(shape) else shape for ours, shape in expected.items()}
    _check(file.path, "UNet3DConditionModel", file.tensors, theirs)
    weights = {}
    for ours, shape in expected.items():
        tensor = file.tensors[names[ours]]
        weights[ours] = tensor[..., None] if _is_conv1d(shape) else tensor  # [O, I, 1]
    return Checkpoint(path, "diffusers", config, weights)


def _diffusers_settings(path: Path) -> dict[str, int]:
    """What the shapes of the weights do not say, from diffusers' config.json."""
    text = _text(path)
    try:
        settings = json.loads(text)
    except (ValueError, RecursionError):
        settings = None
    if not isinstance(settings, dict):
        raise CheckpointError(f"{path}: is not the JSON object that diffusers writes. Get the file again")
    if settings.get("_class_name") != "UNet3DConditionModel":
        return {}  # of something else that lies in the same folder
    known = dict(head_dim=settings.get("attention_head_dim", 64), norm_groups=settings.get("norm_num_groups", 32))
    for name, value in known.items():
        if type(value) is not int or value < 1:
            raise CheckpointError(f"{path}: {name} is {value!r}, expected a positive whole number")
    return known


def _diffusers_names(config: SMCDConfig, names: Iterable[str]) -> dict[str, str]:
    return {name: diffusers_name(name.removeprefix("unet."), config.num_res_blocks) for name in names}


def _is_conv1d(shape: tuple[int, ...]) -> bool:
    return len(shape) == 3


def _shapes(tensors: Mapping[str, Tensor]) -> dict[str, tuple[int, ...]]:
    return {name: tuple(tensor.shape) for name, tensor in tensors.items()}


def _expected(path: Path, config: SMCDConfig, count: int) -> dict[str, tuple[int, ...]]:
    """Names and shapes of the networks of `config`. `count` tensors are there: no network of many more is built."""
    blocks = len(config.channel_mult) * config.num_res_blocks
    if config.image_tokens != "none":
        blocks += len(config.image_encoder_channels) * config.image_encoder_blocks
    if blocks > count:
        raise CheckpointError(f"{path}: its configuration has {blocks} blocks, but it holds {count} tensors")
    try:
        return _shapes(SMCD(config, device="meta").state_dict())
    except (ValueError, RuntimeError, ArithmeticError) as error:
        raise CheckpointError(f"{path}: no network can be built from its configuration: {error}") from None


def _check(path: Path, what: str, tensors: Mapping[str, Tensor], expected: Mapping[str, tuple[int, ...]]) -> None:
    """Every expected tensor once, nothing else."""
    faults = []
    if missing := [name for name in expected if name not in tensors]:
        faults.append(f"{len(missing)} of {len(expected)} tensors of the {what} are missing, the first is {missing[0]}")
    if unknown := [name for name in tensors if name not in expected]:
        faults.append(f"{len(unknown)} tensors do not belong to the {what}, the first is {unknown[0]}")
    for name, shape in expected.items():
        if name not in tensors:
            continue
        if tuple(tensors[name].shape) != shape:
            faults.append(f"{name} has shape {list(tensors[name].shape)}, expected {list(shape)}")
            break
        if not tensors[name].is_floating_point():
            faults.append(f"{name} holds {tensors[name].dtype}, expected floating point numbers")
            break
    if faults:
        raise CheckpointError(f"{path}: {'; '.join(faults)}. Get the complete file of this network, unchanged")


def _config(path: Path, text: str) -> SMCDConfig:
    try:
        return SMCDConfig.from_json(text)
    except (ConfigError, RecursionError) as error:
        raise CheckpointError(f"{path}: bad configuration: {error}") from None


def _inferred(path: Path, infer: Callable[..., SMCDConfig], *shapes, **known) -> SMCDConfig:
    try:
        return infer(*shapes, **known)
    except LayoutError as error:
        raise CheckpointError(f"{path}: {error}. Get the complete file of this network, unchanged") from None
    except ConfigError as error:
        raise CheckpointError(
            f"{path}: is not of the released form: {error}. Describe it in a {CONFIG_FILE} beside it"
        ) from None


def _json(file: WeightFile, name: str) -> dict[str, Any]:
    try:
        value = json.loads(file.metadata[name])
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict):
        raise CheckpointError(f"{file.path}: {name} in its metadata is not a JSON object. Get the original file")
    return value


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise CheckpointError(f"{path}: cannot be read as text: {error}") from None


# Writing -------------------------------------------------------------------------------------------------------------


def write_checkpoint(
    path: str | Path,
    config: SMCDConfig,
    weights: Mapping[str, Tensor],
    *,
    vae: Component | None = None,
    text_encoder: Component | None = None,
    tokenizer: dict[str, Any] | None = None,
    info: dict[str, Any] | None = None,
) -> None:
    """Write layout smcd. The file appears under its name only when it is complete.

    weights  state dict of model.SMCD(config)
    """
    path = Path(path)
    _check(path, "SMCD", weights, _expected(path, config, len(weights)))
    tensors, metadata = dict(weights), {"smcd_version": VERSION, "config": config.to_json()}
    for name, component in (("vae", vae), ("text_encoder", text_encoder)):
        if component is not None:
            metadata[name] = json.dumps(component.config)
            tensors |= {f"{name}.{key}": value for key, value in component.weights.items()}
    for name, value in (("tokenizer", tokenizer), ("info", info)):
        if value is not None:
            metadata[name] = json.dumps(value)
    save_weights(path, tensors, metadata)


def write_released(folder: str | Path, checkpoint: Checkpoint) -> None:
    """Write the networks, and nothing else, as the files of the release; `folder` must hold no weights yet.

    Where the configuration does not follow from their shapes, it is added as smcd.json.
    """
    folder = _empty_folder(folder)
    parts: dict[str, dict[str, Tensor]] = {}
    for name, tensor in checkpoint.weights.items():
        part, rest = name.split(".", 1)
        parts.setdefault(part, {})[rest] = tensor
    parts = {part: join_gates(tensors) for part, tensors in parts.items()}
    shapes = {part: _shapes(tensors) for part, tensors in parts.items()}
    try:
        inferred = released_config(*map(shapes.get, ("unet", "box_encoder", "image_encoder")))
    except (LayoutError, ConfigError):
        inferred = None
    # Numbered as released: in this order, without gaps.
    for index, part in enumerate(part for part in _PARTS if part in parts):
        name = f"pytorch_model_{index}.bin" if index else "pytorch_model.bin"
        with replacing(folder / name) as temporary:
            torch.save({key: x.detach().contiguous() for key, x in parts[part].items()}, temporary)
    if inferred != checkpoint.config:
        with replacing(folder / CONFIG_FILE) as temporary:
            temporary.write_text(checkpoint.config.to_json(), encoding="utf-8")


def write_diffusers(folder: str | Path, checkpoint: Checkpoint) -> None:
    """Write the backbone for diffusers' UNet3DConditionModel.from_pretrained; `folder` must hold no weights yet.

    Raises CheckpointError for networks that have more than a backbone, or one that diffusers cannot express.
    """
    config = checkpoint.config
    lost = {
        "the box and image gates": config.boxes,
        "the ControlNet": config.control,
        f"{config.num_heads} heads in the first temporal transformer (there always {HEADS})": config.num_heads != HEADS,
        f"prediction of {config.prediction} (there epsilon)": config.prediction != "epsilon",
    }
    if any(lost.values()):
        what = ", ".join(name for name, is_lost in lost.items() if is_lost)
        raise CheckpointError(
            f"{checkpoint.path}: a diffusers UNet3DConditionModel cannot hold {what}; keep it as it is"
        )
    folder = _empty_folder(folder)
    names = _diffusers_names(config, checkpoint.weights)
    tensors = {
        names[name]: tensor.squeeze(-1) if _is_conv1d(tensor.shape) else tensor
        for name, tensor in checkpoint.weights.items()
    }
    levels = range(len(config.channel_mult))
    with_attention = [2.0**-level in config.attention_scales for level in levels]
    settings = {
        "_class_name": "UNet3DConditionModel",
        "in_channels": config.in_channels,
        "out_channels": config.latent_channels,
        "block_out_channels": [config.model_channels * mult for mult in config.channel_mult],
        "layers_per_block": config.num_res_blocks,
        "down_block_types": ["CrossAttnDownBlock3D" if has else "DownBlock3D" for has in with_attention],
        "up_block_types": ["CrossAttnUpBlock3D" if has else "UpBlock3D" for has in reversed(with_attention)],
        "cross_attention_dim": config.context_dim,
        "attention_head_dim": config.head_dim,
        "norm_num_groups": config.norm_groups,
    }
    save_weights(folder / "diffusion_pytorch_model.safetensors", tensors, {"format": "pt"})
    with replacing(folder / "config.json") as temporary:
        temporary.write_text(json.dumps(settings, indent=2), encoding="utf-8")


def _empty_folder(folder: str | Path) -> Path:
    folder = Path(folder)
    if folder.exists() and not folder.is_dir():
        raise CheckpointError(f"{folder}: is a file, but this layout is a folder: name another one")
    folder.mkdir(parents=True, exist_ok=True)
    taken = sorted(file.name for file in folder.iterdir() if file.suffix in (*_SUFFIXES, ".json"))
    if taken:
        raise CheckpointError(f"{folder}: holds {taken[0]} already: name a folder without weights and configurations")
    return folder
