"""Every layout of checkpoints is read completely and written back bit for bit; anything else is refused clearly."""

import gc
import json
import math
import os
import pickle
import struct
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from reference import CONFIGS, TINY, released_weights, tensors
from safetensors.torch import load_file, save_file

from smcd_core.networks.config import RELEASED, SMCDConfig
from smcd_core.networks.smcd import SMCD
from smcd_core.networks.unet import ControlNet, UNet3D
from smcd_core.weights.checkpoint import CheckpointError, Component, build, read_checkpoint, write_checkpoint
from smcd_core.weights.export import write_diffusers, write_released
from smcd_core.weights.layouts import diffusers_name, join_gates, released_config, released_name, split_gates

KEYS = Path(__file__).parent / "golden" / "keys"


def published(name):
    return {key: tuple(shape) for key, shape in json.loads((KEYS / f"{name}.json").read_text())["keys"].items()}


def sizes(module):
    return {key: tuple(value.shape) for key, value in module.state_dict().items()}


PARTS = {"unet": "pytorch_model.bin", "box_encoder": "pytorch_model_1.bin"}
PARTS |= dict.fromkeys(["image_encoder", "control_net"], "pytorch_model_2.bin")


def released_parts(variant):
    """The networks of a tiny variant under their released names."""
    config, parts = CONFIGS[variant], {"unet": released_weights(variant)}
    if config.boxes:
        parts["box_encoder"] = tensors("weights_position_net")
    if config.image_tokens != "none":
        parts["image_encoder"] = tensors("weights_visual_encoder")
    if config.control:
        parts["control_net"] = released_weights("controlnet")
    return parts


def save_released(folder, parts):
    folder.mkdir()
    for part, weights in parts.items():
        torch.save(weights, folder / PARTS[part])
    return folder


def networks(variant):
    """State dict of SMCD(CONFIGS[variant])."""
    parts = released_parts(variant)
    return {f"{part}.{key}": value for part, weights in parts.items() for key, value in split_gates(weights).items()}


def same(left, right):
    return left.keys() == right.keys() and all(torch.equal(left[key], right[key]) for key in left)


def sparse_safetensors(path, shapes):
    """A file of float16 zeros that takes no room on the disk."""
    header, end = {}, 0
    for name, shape in shapes.items():
        start, end = end, end + 2 * math.prod(shape)
        header[name] = {"dtype": "F16", "shape": list(shape), "data_offsets": [start, end]}
    text = json.dumps(header).encode()
    with open(path, "wb") as stream:
        stream.write(struct.pack("<Q", len(text)) + text)
        stream.truncate(8 + len(text) + end)


# The released networks at full size ----------------------------------------------------------------------------------

FULL = {
    "keys_unet_none": SMCDConfig(boxes=False, first_frame_concat=False, image_tokens="none"),
    "keys_unet_none_cat": SMCDConfig(boxes=False, image_tokens="none"),
    "keys_unet_vanilla": SMCDConfig(first_frame_concat=False, image_tokens="none"),
    "keys_unet_vanilla_control": SMCDConfig(first_frame_concat=False, image_tokens="none", control=True),
    "keys_unet_vanilla_cat_control": SMCDConfig(image_tokens="none", control=True),
    "keys_unet_vanilla_cross_vision_cat": RELEASED,
    "keys_unet_vanilla_cross_vision_parallel_cat": SMCDConfig(image_tokens="parallel"),
}


def test_every_published_unet_has_its_configuration_here():
    assert {path.stem for path in KEYS.glob("keys_unet_*.json")} == set(FULL)


@pytest.mark.parametrize("name", FULL)
def test_every_released_key_is_used_exactly_once(name):
    unet, shapes = UNet3D(FULL[name], device="meta"), published(name)
    ours = split_gates({key: torch.empty(shape, device="meta") for key, shape in shapes.items()})
    assert len(ours) == len(shapes)
    assert {released_name(key): shape for key, shape in sizes(unet).items()} == shapes
    assert not any(unet.load_state_dict(ours, assign=True))
    assert join_gates(ours).keys() == shapes.keys()


@pytest.mark.parametrize(
    "name, part",
    [
        ("keys_position_net", "box_encoder"),
        ("keys_visual_encoder", "image_encoder"),
        ("keys_controlnet", "control_net"),
    ],
)
def test_every_key_of_the_released_encoders_is_used_exactly_once(name, part):
    if part == "control_net":
        module = ControlNet(RELEASED, device="meta")
    else:
        module = getattr(SMCD(RELEASED, device="meta"), part)
    assert sizes(module) == published(name)


@pytest.mark.parametrize("name", FULL)
def test_configuration_follows_from_the_released_shapes(name):
    encoders = [published("keys_position_net"), published("keys_visual_encoder")]
    assert released_config(published(name), *encoders) == FULL[name]


def test_backbone_keys_map_to_diffusers_as_recorded():
    recorded = json.loads((KEYS / "diffusers_key_map.json").read_text())["full_size_map"]
    shapes = published("keys_unet_none")
    assert {key: diffusers_name(key, 2) for key in shapes} == {key: entry[0] for key, entry in recorded.items()}
    assert len({entry[0] for entry in recorded.values()}) == len(shapes)
    squeezed = {key for key, entry in recorded.items() if entry[1:] == ["squeeze(-1)"]}
    assert squeezed == {key for key, shape in shapes.items() if len(shape) == 3}


def resident_bytes():
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


needs_proc = pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="looks at memory through /proc")


@pytest.mark.slow
@needs_proc
def test_reading_and_building_at_full_size_copies_nothing(tmp_path):
    sparse_safetensors(tmp_path / "model.safetensors", published("keys_unet_vanilla_cross_vision_cat"))
    sparse_safetensors(tmp_path / "model_1.safetensors", published("keys_position_net"))
    sparse_safetensors(tmp_path / "model_2.safetensors", published("keys_visual_encoder"))
    gc.collect()
    before = resident_bytes()
    checkpoint = read_checkpoint(tmp_path)
    model = build(checkpoint)
    grown = resident_bytes() - before
    assert (checkpoint.layout, checkpoint.config) == ("released", RELEASED)
    stored = sum(parameter.numel() * parameter.element_size() for parameter in model.parameters())
    assert stored == 2 * (1_833_671_684 + 1_346_624 + 202_936_064)
    assert grown < 100e6  # the objects around the weights; the weights themselves are 4 GB
    for name, parameter in model.named_parameters():
        assert parameter.data_ptr() == checkpoint.weights[name].data_ptr()


@needs_proc
@pytest.mark.parametrize("suffix", ["safetensors", "bin"])
def test_weights_are_views_of_the_file(tmp_path, suffix):
    path = tmp_path / f"backbone.{suffix}"
    (save_file if suffix == "safetensors" else torch.save)(released_weights("backbone"), path)
    checkpoint = read_checkpoint(path)
    spans = [line.split()[0] for line in Path("/proc/self/maps").read_text().splitlines() if line.endswith(str(path))]
    spans = [[int(end, 16) for end in span.split("-")] for span in spans]
    assert spans
    for tensor in checkpoint.weights.values():
        assert any(low <= tensor.data_ptr() < high for low, high in spans)


def test_training_on_mapped_weights_leaves_the_file_alone(tmp_path):
    path = tmp_path / "backbone.safetensors"
    save_file(released_weights("backbone"), path)
    before = path.read_bytes()
    model = build(read_checkpoint(path))
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(1)
    assert path.read_bytes() == before


# Round trips ---------------------------------------------------------------------------------------------------------


def inferable(config):
    """The configuration without what belongs to parts that it does not have."""
    if not config.boxes:
        config = replace(config, phrase_dim=RELEASED.phrase_dim)
    if config.image_tokens == "none":
        config = replace(config, image_encoder_channels=RELEASED.image_encoder_channels)
    return config


@pytest.mark.parametrize("variant", CONFIGS)
def test_released_folder_is_read_with_its_configuration(tmp_path, variant):
    checkpoint = read_checkpoint(save_released(tmp_path / "released", released_parts(variant)))
    assert checkpoint.layout == ("modelscope" if variant == "backbone" else "released")
    assert checkpoint.config == inferable(CONFIGS[variant])
    assert same(checkpoint.weights, networks(variant))
    assert not build(checkpoint).training


def test_files_are_told_apart_by_their_keys(tmp_path):
    parts = released_parts("smcd")
    save_file(parts["unet"], tmp_path / "zebra.safetensors")
    torch.save(parts["box_encoder"], tmp_path / "diffusion_pytorch_model.pth")
    torch.save({"state_dict": parts["image_encoder"]}, tmp_path / "pytorch_model.bin")
    assert same(read_checkpoint(tmp_path).weights, networks("smcd"))


def test_modelscope_file_may_nest_its_weights(tmp_path):
    path = tmp_path / "text2video_pytorch_model.pth"
    torch.save({"state_dict": released_weights("backbone"), "meta": {"epoch": 1}}, path)
    checkpoint = read_checkpoint(path)
    assert checkpoint.layout == "modelscope"
    assert same(checkpoint.weights, networks("backbone"))


def test_files_from_before_the_zip_format_are_read(tmp_path):
    path = tmp_path / "old.pth"
    torch.save(released_weights("backbone"), path, _use_new_zipfile_serialization=False)
    assert same(read_checkpoint(path).weights, networks("backbone"))


def test_other_files_of_a_training_run_are_passed_over(tmp_path):
    folder = save_released(tmp_path / "released", released_parts("mim"))
    torch.save({"state": {0: {"step": torch.tensor(1.0)}}, "param_groups": [{"lr": 1e-4}]}, folder / "optimizer.bin")
    torch.save({"last_epoch": 3}, folder / "scheduler.bin")
    assert same(read_checkpoint(folder).weights, networks("mim"))


@pytest.mark.parametrize(
    "variant", [pytest.param(name, marks=[pytest.mark.slow] * (name != "smcd")) for name in CONFIGS]
)
@pytest.mark.parametrize(
    "dtype", [torch.float32, *(pytest.param(half, marks=pytest.mark.slow) for half in (torch.float16, torch.bfloat16))]
)
def test_round_trip_through_our_file_and_the_released_one_is_exact(tmp_path, variant, dtype):
    config = replace(CONFIGS[variant], box_slots=3, prediction="v")
    weights = {key: value.to(dtype, copy=True) for key, value in networks(variant).items()}
    write_checkpoint(tmp_path / "one.safetensors", config, weights)
    one = read_checkpoint(tmp_path / "one.safetensors")
    write_released(tmp_path / "released", one)
    released = read_checkpoint(tmp_path / "released")
    write_checkpoint(tmp_path / "two.safetensors", released.config, released.weights)
    two = read_checkpoint(tmp_path / "two.safetensors")
    assert (one.layout, two.layout) == ("smcd", "smcd")
    assert one.config == released.config == two.config == config
    assert same(one.weights, weights) and same(released.weights, weights) and same(two.weights, weights)


def test_released_files_get_a_configuration_only_where_shapes_do_not_tell_it(tmp_path):
    checkpoint = read_checkpoint(save_released(tmp_path / "in", released_parts("smcd")))
    write_released(tmp_path / "same", checkpoint)
    write_released(tmp_path / "v", replace(checkpoint, config=replace(checkpoint.config, prediction="v")))
    assert not (tmp_path / "same" / "smcd.json").exists()
    assert SMCDConfig.from_json((tmp_path / "v" / "smcd.json").read_text()).prediction == "v"
    assert same(torch.load(tmp_path / "same" / "pytorch_model.bin", weights_only=True), released_weights("smcd"))


def test_visual_encoder_and_control_net_get_files_of_their_own(tmp_path):
    config = replace(CONFIGS["smcd"], control=True)
    weights = SMCD(config).state_dict()
    write_checkpoint(tmp_path / "one.safetensors", config, weights)
    write_released(tmp_path / "released", read_checkpoint(tmp_path / "one.safetensors"))
    assert sorted(file.name for file in (tmp_path / "released").iterdir()) == [
        "pytorch_model.bin",
        "pytorch_model_1.bin",
        "pytorch_model_2.bin",
        "pytorch_model_3.bin",
    ]
    released = read_checkpoint(tmp_path / "released")
    assert released.config == config and same(released.weights, weights)


def test_released_names_come_back_from_ours():
    for variant in CONFIGS:
        assert same(join_gates(split_gates(released_weights(variant))), released_weights(variant))


BACKBONES = {
    "released form": CONFIGS["backbone"],
    "with a first frame": replace(CONFIGS["backbone"], first_frame_concat=True),
    "more blocks": SMCDConfig(
        model_channels=32,
        channel_mult=(1, 2),
        num_res_blocks=2,
        head_dim=8,
        context_dim=24,
        attention_scales=(0.5,),
        boxes=False,
        first_frame_concat=False,
        image_tokens="none",
    ),
    "other heads and norms": SMCDConfig(
        model_channels=24,
        channel_mult=(1, 2, 1),
        num_res_blocks=1,
        head_dim=12,
        context_dim=16,
        norm_groups=8,
        boxes=False,
        first_frame_concat=False,
        image_tokens="none",
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", BACKBONES)
def test_round_trip_through_diffusers_is_exact(tmp_path, name):
    config = inferable(BACKBONES[name])
    weights = SMCD(config).state_dict()
    write_checkpoint(tmp_path / "one.safetensors", config, weights)
    write_diffusers(tmp_path / "diffusers", read_checkpoint(tmp_path / "one.safetensors"))
    back = read_checkpoint(tmp_path / "diffusers")
    assert (back.layout, back.config) == ("diffusers", config)
    assert same(back.weights, weights)


def test_diffusers_weights_are_read_as_pickle_from_a_pipeline_and_beside_a_half_precision_copy(tmp_path):
    checkpoint = read_checkpoint(save_released(tmp_path / "released", released_parts("backbone")))
    unet = tmp_path / "pipeline" / "unet"
    write_diffusers(unet, checkpoint)
    weights = load_file(unet / "diffusion_pytorch_model.safetensors")
    torch.save(weights, unet / "diffusion_pytorch_model.bin")
    save_file({k: v.half() for k, v in weights.items()}, unet / "diffusion_pytorch_model.fp16.safetensors")
    assert same(read_checkpoint(tmp_path / "pipeline").weights, checkpoint.weights)
    (unet / "diffusion_pytorch_model.safetensors").unlink()
    assert read_checkpoint(unet / "diffusion_pytorch_model.bin").config == checkpoint.config


@pytest.mark.parametrize("variant", ["mim", "smcd", "control"])
def test_diffusers_layout_refuses_what_it_would_lose(tmp_path, variant):
    checkpoint = read_checkpoint(save_released(tmp_path / "released", released_parts(variant)))
    with pytest.raises(CheckpointError, match="cannot hold the box and image gates"):
        write_diffusers(tmp_path / "diffusers", checkpoint)
    assert not (tmp_path / "diffusers").exists()


def test_our_file_carries_vae_text_encoder_tokenizer_and_notes(tmp_path):
    path = tmp_path / "smcd.safetensors"
    vae = Component({"_class_name": "AutoencoderKL", "scale": 0.5}, {"encoder.conv_in.weight": torch.randn(2, 3)})
    text = Component({"hidden_size": 8}, {"text_model.ids": torch.arange(4), "text_model.final.weight": torch.randn(8)})
    tokenizer = {"vocab": {"<|startoftext|>": 0, "caf\u00e9</w>": 1}, "merges": ["c a", "f \u00e9</w>"]}
    info = {"training": {"steps": 7}, "card": "knows \u201csprites\u201d"}
    weights = networks("backbone")
    write_checkpoint(path, CONFIGS["backbone"], weights, vae=vae, text_encoder=text, tokenizer=tokenizer, info=info)
    checkpoint = read_checkpoint(path)
    assert same(checkpoint.weights, weights)
    for there, here in ((checkpoint.vae, vae), (checkpoint.text_encoder, text)):
        assert there.config == here.config and same(there.weights, here.weights)
    assert (checkpoint.tokenizer, checkpoint.info) == (tokenizer, info)


def test_networks_are_built_in_the_asked_dtype(tmp_path):
    path = tmp_path / "backbone.safetensors"
    save_file({k: v.half() for k, v in released_weights("backbone").items()}, path)
    checkpoint = read_checkpoint(path)
    assert {p.dtype for p in build(checkpoint).parameters()} == {torch.float16}
    assert {p.dtype for p in build(checkpoint, dtype=torch.bfloat16).parameters()} == {torch.bfloat16}


# Parts of one file ---------------------------------------------------------------------------------------------------


def split(weights, folder, count=3, suffix="safetensors", start="model"):
    names = sorted(weights)
    for number in range(count):
        part = {name: weights[name].contiguous() for name in names[number::count]}
        path = folder / f"{start}-{number + 1:05}-of-{count:05}.{suffix}"
        save_file(part, path) if suffix == "safetensors" else torch.save(part, path)
    return path


@pytest.mark.parametrize("suffix", ["safetensors", "bin"])
def test_a_file_in_parts_is_read_as_one(tmp_path, suffix):
    last = split(released_weights("backbone"), tmp_path, suffix=suffix)
    (tmp_path / "whole").mkdir()
    whole = read_checkpoint(backbone_file(tmp_path / "whole"))
    for path in (tmp_path, last):
        assert same(read_checkpoint(path).weights, whole.weights)


def test_a_part_that_is_missing_is_named(tmp_path):
    (split(released_weights("backbone"), tmp_path).parent / "model-00002-of-00003.safetensors").unlink()
    message = "is one of 3 parts, but model-00002-of-00003.safetensors is not there"
    with pytest.raises(CheckpointError, match=message):
        read_checkpoint(tmp_path)


def test_parts_that_repeat_a_tensor_are_refused(tmp_path):
    last = split(released_weights("backbone"), tmp_path)
    last.write_bytes((tmp_path / "model-00001-of-00003.safetensors").read_bytes())
    with pytest.raises(CheckpointError, match="00003-of-00003.safetensors: holds .*, as another part does"):
        read_checkpoint(tmp_path)


# Writing -------------------------------------------------------------------------------------------------------------


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch):
    path = tmp_path / "smcd.safetensors"
    write_checkpoint(path, CONFIGS["backbone"], networks("backbone"))
    before = path.read_bytes()

    def full_disk(tensors, file_path, metadata):
        Path(file_path).write_bytes(b"half")
        raise OSError("no space left")

    monkeypatch.setattr("smcd_core.weights.files.save_file", full_disk)
    with pytest.raises(OSError, match="no space left"):
        write_checkpoint(path, CONFIGS["backbone"], networks("backbone"))
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_incomplete_weights_are_not_written(tmp_path):
    weights = networks("mim")
    del weights["box_encoder.linears.0.bias"]
    with pytest.raises(CheckpointError, match="1 of .* missing, the first is box_encoder.linears.0.bias"):
        write_checkpoint(tmp_path / "smcd.safetensors", CONFIGS["mim"], weights)
    assert not any(tmp_path.iterdir())


@pytest.mark.parametrize("write", [write_released, write_diffusers])
def test_folders_with_weights_are_not_mixed_up(tmp_path, write):
    checkpoint = read_checkpoint(save_released(tmp_path / "released", released_parts("backbone")))
    with pytest.raises(CheckpointError, match="holds pytorch_model.bin already"):
        write(tmp_path / "released", checkpoint)


# Malformed checkpoints -----------------------------------------------------------------------------------------------


class Code:
    def __init__(self, target):
        self.target = target

    def __reduce__(self):
        return Path.touch, (self.target,)


def truncated(path, share):
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])
    return path


def backbone_file(folder, change=dict, name="backbone.pth", save=torch.save):
    save(change(released_weights("backbone")), folder / name)
    return folder / name


def our_file(folder, metadata=None, weights=None, config=None):
    """A file of layout smcd with faults that write_checkpoint would not write."""
    entries = {"smcd_version": "1", "config": json.dumps(config) if config else CONFIGS["backbone"].to_json()}
    entries |= metadata or {}
    path = folder / "smcd.safetensors"
    save_file(networks("backbone") if weights is None else weights, path, {k: v for k, v in entries.items() if v})
    return path


def names_only(names, suffix="safetensors"):
    def make(folder):
        save_file({name: torch.zeros(4, 4) for name in names}, folder / f"model.{suffix}")
        return folder / f"model.{suffix}"

    return make


def raw(content, name="model.safetensors"):
    def make(folder):
        (folder / name).write_bytes(content)
        return folder / name

    return make


def without(*names):
    return lambda weights: {key: value for key, value in weights.items() if key not in names}


def released_without(variant, part):
    def make(folder):
        return save_released(folder / "released", {k: v for k, v in released_parts(variant).items() if k != part})

    return make


def two_unets(folder):
    backbone_file(folder, name="a.pth")
    backbone_file(folder, name="b.pth")
    return folder


def diffusers_folder(folder, settings=None, change=dict):
    checkpoint = read_checkpoint(backbone_file(folder))
    write_diffusers(folder / "diffusers", checkpoint)
    path = folder / "diffusers" / "config.json"
    if settings is not None:
        path.write_text(settings)
    weights = folder / "diffusers" / "diffusion_pytorch_model.safetensors"
    save_file(change(load_file(weights)), weights)
    return folder / "diffusers"


def with_json(folder, text):
    (folder / "smcd.json").write_text(text)
    return backbone_file(folder)


CONV_IN, DEEP = "input_blocks.0.0.weight", "input_blocks.7.0.in_layers.2.weight"
HEADER = json.dumps({"a": {"dtype": "F32", "shape": [9], "data_offsets": [0, 36]}}).encode()

MALFORMED = {
    # nothing usable in the file
    "no such file": (lambda f: f / "absent.safetensors", "no such file"),
    "empty folder": (lambda f: f, "no weight files in this folder"),
    "empty file": (raw(b""), "empty"),
    "web page": (raw(b"<!DOCTYPE html><html>Sign in</html>", "model.bin"), "web page"),
    "git-lfs pointer": (raw(b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n"), "git-lfs pointer"),
    "text": (raw(b"these are not weights at all"), "is text, expected a .safetensors file"),
    "gguf": (raw(b"GGUF\x03\0\0\0\0\0\0\0"), "is a GGUF file of quantised weights, expected"),
    "safetensors header only": (raw(struct.pack("<Q", len(HEADER)) + HEADER), "not a complete .safetensors"),
    "safetensors header broken": (raw(struct.pack("<Q", 40) + b'{"a": [1, 2, 3'), "not a complete .safetensors"),
    "safetensors cut off": (
        lambda f: truncated(backbone_file(f, save=save_file, name="m.safetensors"), 0.7),
        "complete",
    ),
    "zip cut off": (lambda f: truncated(backbone_file(f), 0.7), "cut off after"),
    "zip that is no torch file": (raw(b"PK\x05\x06" + bytes(18), "model.bin"), "damaged"),
    "old pickle cut off": (
        lambda f: truncated(
            backbone_file(f, save=lambda w, p: torch.save(w, p, _use_new_zipfile_serialization=False)), 0.5
        ),
        "damaged",
    ),
    # something else inside a pickle
    "list": (lambda f: backbone_file(f, lambda w: list(w.values())), "holds list"),
    "numbers": (lambda f: backbone_file(f, lambda w: {"steps": 4}), "found no tensors"),
    "weights and numbers": (lambda f: backbone_file(f, lambda w: w | {"steps": 4}), "'steps' holds int"),
    # another network
    "SD 1.5 checkpoint": (
        names_only(["model.diffusion_model.input_blocks.0.0.weight"]),
        "Stable Diffusion network for images",
    ),
    "SD 1.5 UNet": (names_only(["conv_in.weight", "down_blocks.0.resnets.0.conv1.weight"]), "network for images"),
    "SVD": (names_only(["down_blocks.0.resnets.0.temporal_res_block.conv1.weight"]), "Stable Video Diffusion"),
    "SVD checkpoint": (
        names_only(["model.diffusion_model.input_blocks.1.0.time_stack.in_layers.0.weight"]),
        "Stable Video",
    ),
    "LoRA": (names_only(["unet.down_blocks.0.temp_convs.0.conv1.lora_A.weight"]), "a LoRA"),
    "AnimateDiff": (names_only(["down_blocks.0.motion_modules.0.norm.weight"]), "AnimateDiff"),
    "VAE": (names_only(["encoder.conv_in.weight", "decoder.conv_in.weight"]), "VAE"),
    "text encoder": (names_only(["text_model.embeddings.token_embedding.weight"]), "text encoder"),
    "unknown network": (
        names_only(["layers.0.weight"]),
        "unknown network of 1 tensors, the first is 'layers.0.weight'",
    ),
    "position net alone": (lambda f: released_without("mim", "unet")(f), "position net alone in pytorch_model_1.bin"),
    # incomplete or changed
    "released without position net": (released_without("smcd", "box_encoder"), "needs a position net"),
    "released without visual encoder": (released_without("smcd", "image_encoder"), "needs a visual encoder"),
    "released without ControlNet": (released_without("control", "control_net"), "needs a ControlNet"),
    "visual encoder beside a UNet without gates for it": (
        lambda f: save_released(f / "r", released_parts("mim") | {"image_encoder": tensors("weights_visual_encoder")}),
        "visual encoder, for which the UNet",
    ),
    "two UNets": (two_unets, "a.pth and b.pth both hold a UNet"),
    "first tensor missing": (lambda f: backbone_file(f, without(CONV_IN)), f"tensor {CONV_IN} is missing"),
    "inner tensor missing": (lambda f: backbone_file(f, without(DEEP)), f"tensor {DEEP} is missing"),
    "bias missing": (lambda f: backbone_file(f, without("out.2.bias")), "1 of .* missing, the first is out.2.bias"),
    "misshapen": (
        lambda f: backbone_file(f, lambda w: w | {"out.2.weight": torch.zeros(4, 31, 3, 3)}),
        r"out.2.weight has shape \[4, 31, 3, 3\], expected \[4, 32, 3, 3\]",
    ),
    "scalar": (
        lambda f: backbone_file(f, lambda w: w | {CONV_IN: torch.zeros(())}),
        r"has shape \[\], expected at least",
    ),
    "three input channels": (
        lambda f: backbone_file(f, lambda w: w | {CONV_IN: torch.zeros(32, 3, 3, 3)}),
        "input has 3 channels, expected 4, or 8",
    ),
    "unknown tensor": (
        lambda f: backbone_file(f, lambda w: w | {"extra.bias": torch.zeros(1)}),
        "the first is extra.bias",
    ),
    "whole numbers": (
        lambda f: backbone_file(f, lambda w: w | {"out.2.bias": torch.zeros(4, dtype=torch.int8)}),
        "out.2.bias holds torch.int8",
    ),
    "width without 32 groups": (
        lambda f: backbone_file(f, lambda w: SMCD(BACKBONES["other heads and norms"]).unet.state_dict()),
        "smcd.json",
    ),
    "bad smcd.json": (lambda f: with_json(f, "{"), "smcd.json: bad configuration"),
    "smcd.json of another network": (lambda f: with_json(f, RELEASED.to_json()), "expected|missing"),
    "diffusers tensor missing": (
        lambda f: diffusers_folder(f, change=without("mid_block.resnets.0.norm1.bias")),
        "mid_block.resnets.0.norm1.bias",
    ),
    "diffusers config broken": (lambda f: diffusers_folder(f, "[]"), "config.json: is not the JSON object"),
    "diffusers config with a list of heads": (
        lambda f: diffusers_folder(f, '{"_class_name": "UNet3DConditionModel", "attention_head_dim": [8, 8]}'),
        r"head_dim is \[8, 8\]",
    ),
    **{
        f"diffusers config with another {name}": (
            lambda f, name=name, value=value: diffusers_folder(
                f, json.dumps({"_class_name": "UNet3DConditionModel", name: value})
            ),
            f"config.json: {name} is {value!r}, but the networks here have",
        )
        for name, value in [
            ("norm_eps", 1e-6),
            ("act_fn", "gelu"),
            ("mid_block_scale_factor", 2),
            ("downsample_padding", 0),
        ]
    },
    # our own file
    "no version": (lambda f: our_file(f, {"smcd_version": None}), "no smcd_version"),
    "unknown version": (lambda f: our_file(f, {"smcd_version": "99"}), "version '99', this program reads '1'"),
    "no configuration": (lambda f: our_file(f, {"config": None}), "bad configuration"),
    "configuration is no JSON": (lambda f: our_file(f, {"config": "{model"}), "not JSON"),
    "unknown field": (lambda f: our_file(f, config={"colour": 1}), "unknown configuration fields"),
    "wrong type": (lambda f: our_file(f, config={"head_dim": "wide"}), "head_dim is 'wide'"),
    "absurd size": (lambda f: our_file(f, config={"num_res_blocks": 65536}), "blocks, but it holds"),
    "configuration of another network": (
        lambda f: our_file(f, config=TINY | {"channel_mult": [1, 1]}),
        "the SMCD are missing",
    ),
    "vae without configuration": (
        lambda f: our_file(f, weights=networks("backbone") | {"vae.conv.weight": torch.zeros(1)}),
        "weights of its vae but not the configuration",
    ),
    "text encoder without weights": (
        lambda f: our_file(f, {"text_encoder": "{}"}),
        "configuration of its text_encoder",
    ),
    "tokenizer is no JSON": (lambda f: our_file(f, {"tokenizer": "nonsense"}), "tokenizer in its metadata"),
}


@pytest.mark.parametrize("fault", MALFORMED)
def test_malformed_checkpoint_gives_one_clear_error(tmp_path, fault):
    make, expected = MALFORMED[fault]
    path = make(tmp_path)
    with pytest.raises(CheckpointError, match=expected) as caught:
        read_checkpoint(path)
    message = str(caught.value)
    assert message.startswith(str(path)) or message.startswith(str(path.parent))
    assert "\n" not in message and len(message) < 600


@pytest.mark.parametrize("zipped", [True, False])
def test_pickles_with_code_are_refused_and_nothing_runs(tmp_path, zipped):
    target, path = tmp_path / "ran", tmp_path / "model.bin"
    torch.save(released_weights("backbone") | {"x": Code(target)}, path, _use_new_zipfile_serialization=zipped)
    with pytest.raises(CheckpointError, match="could run code, so it was not loaded"):
        read_checkpoint(path)
    assert not target.exists()


def test_bare_pickle_with_code_is_refused_and_nothing_runs(tmp_path):
    target, path = tmp_path / "ran", tmp_path / "model.bin"
    path.write_bytes(pickle.dumps({"x": Code(target)}, protocol=2))
    with pytest.raises(CheckpointError, match="model.bin"):
        read_checkpoint(path)
    assert not target.exists()


@pytest.mark.parametrize("suffix", ["safetensors", "pth"])
def test_a_file_cut_at_any_place_gives_one_error(tmp_path, suffix):
    weights = {"input_blocks.0.0.weight": torch.zeros(8, 4, 3, 3), "out.2.bias": torch.zeros(4)}
    path = tmp_path / f"model.{suffix}"
    (save_file if suffix == "safetensors" else torch.save)(weights, path)
    data = path.read_bytes()
    for length in range(0, len(data), 7):
        path.write_bytes(data[:length])
        with pytest.raises(CheckpointError, match=path.name):
            read_checkpoint(path)
