"""Read checkpoints in any layout, told apart by their tensor names, and write layout smcd.

    smcd        one .safetensors with the configuration in its metadata; may hold a VAE and a text encoder
    released    a folder: UNet, position net, visual encoder or ControlNet, one file each, .bin or .safetensors
    modelscope  the backbone alone under the same names: text2video_pytorch_model.pth
    diffusers   the backbone alone as UNet3DConditionModel: a folder or a file

A file of ComfyUI's nodes Save Checkpoint and Save Model is read as layout smcd, and so are the parts of a file that was
split, as model-00001-of-00002.safetensors.

Files are memory-mapped: reading copies nothing, and tensors that are never used are never read.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ..networks.config import ConfigError, SMCDConfig
from ..networks.in_parts import work_in_parts
from ..networks.smcd import SMCD
from .files import MAX_HEADER, CheckpointError, Component, WeightFile, read_weights, save_weights
from .layouts import (
    LayoutError,
    Shapes,
    detect_layout,
    diffusers_config,
    diffusers_names,
    is_conv1d,
    released_config,
    released_name,
    shapes_of,
    split_gates,
)
from .saved import HEADER, read_saved

VERSION = "1"  # of layout smcd
CONFIG_FILE = "smcd.json"  # beside released files: the configuration, where their shapes do not give it
RELEASED_FILES = {
    "unet": "pytorch_model.bin",
    "box_encoder": "pytorch_model_1.bin",
    "image_encoder": "pytorch_model_2.bin",
    "control_net": "pytorch_model_2.bin",
}
PARTS = {"unet": "UNet", "box_encoder": "position net", "image_encoder": "visual encoder", "control_net": "ControlNet"}
_KINDS = {**PARTS, "smcd": "SMCD checkpoint", "diffusers": "diffusers UNet3DConditionModel"}
MAX_BLOCKS = 512  # of one checkpoint; the released one has 24
_BLOCK_TENSORS, _IMAGE_BLOCK_TENSORS = 10, 6  # that one block has at least: norms, convolutions and time embedding
SUFFIXES = (".safetensors", ".bin", ".pth", ".pt", ".ckpt")
_SHARD = re.compile(r"(.+)-(\d{5})-of-(\d{5})(\.\w+)")  # as transformers and diffusers name parts of a large file
MAX_SHARDS = 1000
_EXPECTED = (
    "expected an SMCD .safetensors, a folder with the released pytorch_model*.bin, ModelScope's "
    "text2video_pytorch_model.pth or a diffusers UNet3DConditionModel"
)


@dataclass(frozen=True)
class Checkpoint:
    """The networks of a file or folder, with their configuration.

    layout     "smcd", "released", "modelscope" or "diffusers"
    weights    state dict of SMCD(config)
    tokenizer  of a CLIPTokenizer: {"vocab": {token: id}, "merges": ["a b", ...]}
    info       anything JSON-able: training settings, defaults, a model card
    """

    path: Path
    layout: str
    config: SMCDConfig
    weights: dict[str, Tensor]
    vae: Component | None = None
    text_encoder: Component | None = None
    tokenizer: dict[str, Any] | None = None
    info: dict[str, Any] = field(default_factory=dict)

    def checked(self) -> Checkpoint:
        """Return the checkpoint itself if its weights are exactly those of its configuration; values are not read.

        Raises CheckpointError if a tensor is missing, unknown, misshapen or not of floating point.
        """
        _check(self.path, "SMCD", self.weights, _expected(self.path, self.config, len(self.weights)))
        return self


def build(
    checkpoint: Checkpoint,
    *,
    dtype: torch.dtype | None = None,
    device: torch.device | str = "cpu",
    operations: Any = nn,
) -> SMCD:
    """Build the networks of a checkpoint for inference: in evaluation mode, with layers that work in parts.

    dtype       None keeps the file's, and the weights memory-mapped; networks built twice from it then share them
    operations  namespace of layer classes: torch.nn, or the host's
    """
    model = SMCD(checkpoint.config, device="meta", operations=operations)
    model.load_state_dict(checkpoint.weights, assign=True)
    work_in_parts(model)
    return model.to(device=device, dtype=dtype).eval()


# Reading -------------------------------------------------------------------------------------------------------------


def read_checkpoint(source: str | Path | WeightFile) -> Checkpoint:
    """Detect the layout of a file or folder, and check every name and shape; values are not read.

    source  a path, or what read_weights has read

    Raises CheckpointError if it is neither an SMCD checkpoint nor a backbone, or if a tensor is missing, misshapen or
    unknown.
    """
    path = source.path if isinstance(source, WeightFile) else Path(source)
    found: dict[str, WeightFile] = {}
    others = []
    for file in [source] if isinstance(source, WeightFile) else _read_all(path):
        if HEADER in file.tensors:
            config, weights, parts = read_saved(file)
            return Checkpoint(file.path, "smcd", config, weights, **parts).checked()
        kind = detect_layout(file.tensors)
        if kind in found:
            raise CheckpointError(
                f"{path}: {found[kind].path.name} and {file.path.name} both hold a {_KINDS[kind]}: "
                "move one away, or name one file"
            )
        if kind in _KINDS:
            found[kind] = file
        else:
            others.append(kind if file.path == path else f"{kind} in {file.path.name}")
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


def _read_all(path: Path) -> Iterator[WeightFile]:
    if not path.exists():
        raise CheckpointError(f"{path}: no such file or folder")
    shards: dict[str, list[Path]] = {}
    for file in _weight_files(path) if path.is_dir() else [path]:
        match = _SHARD.fullmatch(file.name)
        if match:
            shards.setdefault(f"{match[1]}{match[4]}", []).append(file)
        else:
            yield read_weights(file)
    for files in shards.values():
        yield _joined(files[0])


def _joined(file: Path) -> WeightFile:
    """The whole whose parts, such as model-00001-of-00003.safetensors, include `file`; all must be there."""
    start, number, count, suffix = _SHARD.findall(file.name)[0]
    if not 1 <= int(count) <= MAX_SHARDS:
        raise CheckpointError(f"{file}: is one of {count} parts, expected 1 to {MAX_SHARDS}")
    names = [f"{start}-{part:05}-of-{count}{suffix}" for part in range(1, int(count) + 1)]
    if missing := [name for name in names if not (file.parent / name).is_file()]:
        raise CheckpointError(
            f"{file}: is one of {int(count)} parts, but {missing[0]} is not there: get all into the same folder"
        )
    parts = [read_weights(file.parent / name) for name in names]
    tensors: dict[str, Tensor] = {}
    for part in parts:
        if twice := tensors.keys() & part.tensors.keys():
            raise CheckpointError(f"{part.path}: holds {min(twice)}, as another part does: get all of them again")
        tensors |= part.tensors
    return WeightFile(file.with_name(start + suffix), tensors, parts[0].metadata)


def _weight_files(folder: Path) -> list[Path]:
    files = sorted(file for file in folder.iterdir() if file.suffix in SUFFIXES and not file.name.startswith("."))
    if not files and (folder / "unet").is_dir():  # a whole diffusers pipeline
        return _weight_files(folder / "unet")
    if not files:
        raise CheckpointError(f"{folder}: no weight files in this folder ({', '.join(SUFFIXES)}); {_EXPECTED}")
    return [file for file in files if not any(better in files for better in _better(file))]


def _better(file: Path) -> list[Path]:
    """Names of the same weights in a safer format, or at full precision as diffusers names it."""
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
    weights = dict(file.tensors)
    inside: dict[str, Any] = {}
    for name in ("vae", "text_encoder"):
        tensors = {key.removeprefix(f"{name}."): weights.pop(key) for key in file.tensors if key.startswith(f"{name}.")}
        if bool(tensors) != (name in metadata):
            there, gone = ("weights", "configuration") if tensors else ("configuration", "weights")
            raise CheckpointError(f"{file.path}: holds the {there} of its {name} but not the {gone}")
        if tensors:
            inside[name] = Component(json_of(file, name), tensors)
    for name in ("tokenizer", "info"):
        if name in metadata:
            inside[name] = json_of(file, name)
    return Checkpoint(file.path, "smcd", config, weights, **inside).checked()


def _read_released(path: Path, found: dict[str, WeightFile]) -> Checkpoint:
    shapes: dict[str, Shapes] = {part: shapes_of(file.tensors) for part, file in found.items()}
    beside = found["unet"].path.parent / CONFIG_FILE
    if beside.exists():
        config = _config(beside, _text(beside))
    else:
        encoders = [shapes.get(part) for part in ("box_encoder", "image_encoder")]
        config = _inferred(found["unet"].path, released_config, shapes["unet"], *encoders)
    weights: dict[str, Tensor] = {}
    expected = _expected(path, config, sum(map(len, shapes.values())))
    for part, what in PARTS.items():
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
    beside = file.path.parent / "config.json"
    known = _diffusers_settings(beside) if beside.exists() else {}
    config = _inferred(file.path, diffusers_config, shapes_of(file.tensors), **known)
    expected = _expected(file.path, config, len(file.tensors))
    names = diffusers_names(config, expected)
    # diffusers has linear layers where the release has convolutions of width 1.
    theirs = {names[ours]: shape[:2] if is_conv1d(shape) else shape for ours, shape in expected.items()}
    _check(file.path, "UNet3DConditionModel", file.tensors, theirs)
    weights = {}
    for ours, shape in expected.items():
        tensor = file.tensors[names[ours]]
        weights[ours] = tensor[..., None] if is_conv1d(shape) else tensor  # [O, I, 1]
    return Checkpoint(path, "diffusers", config, weights)


# Settings of diffusers' UNet3DConditionModel that no shape shows, with the only values that the release has.
_AS_RELEASED = {
    "act_fn": ("silu", "swish"),  # two names of one function
    "downsample_padding": (1,),
    "mid_block_scale_factor": (1,),
    "norm_eps": (1e-5,),
}


def _diffusers_settings(path: Path) -> dict[str, int]:
    """Read what shapes do not give from diffusers' config.json."""
    text = _text(path)
    try:
        settings = json.loads(text)
    except (ValueError, RecursionError):
        settings = None
    if not isinstance(settings, dict):
        raise CheckpointError(f"{path}: is not the JSON object that diffusers writes. Get the file again")
    if settings.get("_class_name") != "UNet3DConditionModel":
        return {}  # of another model in the same folder
    for name, expected in _AS_RELEASED.items():
        if settings.get(name, expected[0]) not in expected:
            raise CheckpointError(
                f"{path}: {name} is {settings[name]!r}, but the networks here have {expected[0]!r}: they would compute "
                "something else with these weights"
            )
    known = dict(head_dim=settings.get("attention_head_dim", 64), norm_groups=settings.get("norm_num_groups", 32))
    for name, value in known.items():
        if type(value) is not int or value < 1:
            raise CheckpointError(f"{path}: {name} is {value!r}, expected a positive whole number")
    return known


def _expected(path: Path, config: SMCDConfig, count: int) -> dict[str, tuple[int, ...]]:
    """Names and shapes of the networks of `config`, which a file of `count` tensors claims to hold.

    A damaged configuration could describe millions of layers: nothing is built for more blocks than the tensors can be
    of, or than any network of this kind has.
    """
    blocks, image_blocks = len(config.channel_mult) * config.num_res_blocks, 0
    if config.image_tokens != "none":
        image_blocks = len(config.image_encoder_channels) * config.image_encoder_blocks
    total = blocks + image_blocks
    if _BLOCK_TENSORS * blocks + _IMAGE_BLOCK_TENSORS * image_blocks > count:
        raise CheckpointError(f"{path}: its configuration has {total} blocks, but it holds {count} tensors")
    if total > MAX_BLOCKS:
        raise CheckpointError(f"{path}: its configuration has {total} blocks, expected at most {MAX_BLOCKS}")
    try:
        return dict(_shapes(config))
    except (ValueError, RuntimeError, ArithmeticError) as error:
        raise CheckpointError(f"{path}: no network can be built from its configuration: {error}") from None


@lru_cache(maxsize=4)  # a checkpoint is checked when it is read and again when it is used
def _shapes(config: SMCDConfig) -> dict[str, tuple[int, ...]]:
    return shapes_of(SMCD(config, device="meta").state_dict())


def _check(path: Path, what: str, tensors: Mapping[str, Tensor], expected: Mapping[str, tuple[int, ...]]) -> None:
    """Raise CheckpointError unless `tensors` are the expected ones and no others."""
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


def _inferred(path: Path, infer: Callable[..., SMCDConfig], *shapes: Shapes | None, **known: int) -> SMCDConfig:
    try:
        return infer(*shapes, **known)
    except LayoutError as error:
        raise CheckpointError(f"{path}: {error}. Get the complete file of this network, unchanged") from None
    except ConfigError as error:
        raise CheckpointError(
            f"{path}: is not of the released form: {error}. Describe it in a {CONFIG_FILE} beside it"
        ) from None


def json_of(file: WeightFile, name: str) -> dict[str, Any]:
    """The object of that name in the metadata. Raises CheckpointError if it is none."""
    if len(file.metadata[name]) > MAX_HEADER:
        raise CheckpointError(
            f"{file.path}: {name} in its metadata has {len(file.metadata[name])} characters, the limit is {MAX_HEADER}"
        )
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

    weights  state dict of SMCD(config)

    Raises CheckpointError if they are not.
    """
    path = Path(path)
    tensors = dict(Checkpoint(path, "smcd", config, dict(weights)).checked().weights)
    metadata = {"smcd_version": VERSION, "config": config.to_json()}
    for name, component in (("vae", vae), ("text_encoder", text_encoder)):
        if component is not None:
            metadata[name] = json.dumps(component.config)
            tensors |= {f"{name}.{key}": value for key, value in component.weights.items()}
    for name, value in (("tokenizer", tokenizer), ("info", info)):
        if value is not None:
            metadata[name] = json.dumps(value)
    save_weights(path, tensors, metadata)
