"""Files of weights that ask for memory, time or programs: each is refused by a small look at it, before it gets any."""

from __future__ import annotations

import copy
import json
import pickle
import resource
import sys
import time
import zipfile
from dataclasses import replace

import pytest
import torch
from safetensors.torch import load_file, save_file
from tiny_bundle import CONFIG, bare, tiny_text, tiny_vae, write_bundle, write_components

from smcd_core.networks.config import SMCDConfig
from smcd_core.weights import files
from smcd_core.weights.checkpoint import CheckpointError, Component, read_checkpoint, write_checkpoint
from smcd_core.weights.components import load_components, pack_components, unpack_components
from smcd_core.weights.stored import check_components


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    return read_checkpoint(write_bundle(tmp_path_factory.mktemp("stored") / "bundle.safetensors"))


@pytest.fixture
def little_memory():
    """The peak of this process grows by less than 300 MB."""
    unit = 1 if sys.platform == "darwin" else 1024
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    yield
    assert (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * unit < 300e6


# Configurations ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "part, change, message",
    [
        ("text_encoder", {"num_labels": 10**9}, "unknown field 'num_labels'"),
        ("text_encoder", {"_attn_implementation": "someone/kernels"}, "unknown field '_attn_implementation'"),
        ("text_encoder", {"attn_implementation": "someone/kernels"}, "unknown field 'attn_implementation'"),
        ("text_encoder", {"auto_map": {"AutoModel": "x--y.Z"}}, "unknown field 'auto_map'"),
        ("text_encoder", {"num_hidden_layers": 10**9}, "num_hidden_layers is 1000000000, which is out of range"),
        ("text_encoder", {"num_hidden_layers": 200}, "has 3 layers of 64 x 32, its configuration says 200"),
        ("text_encoder", {"intermediate_size": 65536}, "has 0 layers of 65536 x 32"),
        ("text_encoder", {"vocab_size": 2**20}, r"token_embedding.weight has shape .* says \[1048576, 32\]"),
        ("text_encoder", {"max_position_embeddings": 16384}, "position_embedding.weight has shape"),
        ("text_encoder", {"hidden_size": True}, "hidden_size is True"),
        ("text_encoder", {"layer_norm_eps": float("nan")}, "layer_norm_eps is nan"),
        ("text_encoder", {"hidden_act": "os.system"}, "hidden_act is os.system"),
        ("vae", {"layers_per_block": 10**9}, "layers_per_block is 1000000000"),
        ("vae", {"layers_per_block": 60}, r"has \d\d convolutions of width 16, its configuration needs 484"),
        ("vae", {"block_out_channels": [8192] * 4}, "has 0 convolutions of width 8192"),
        ("vae", {"block_out_channels": [16] * 99}, "block_out_channels is"),
        ("vae", {"norm_num_groups": 5}, "norm_num_groups is 5"),
        ("vae", {"scaling_factor": 0}, "scaling_factor is 0"),
        ("vae", {"down_block_types": ["AttnDownBlock2D"] * 4}, "down_block_types is"),
        ("vae", {"sample_size": [10**9, 1]}, "sample_size is"),
        ("vae", {"quantization_config": {}}, "unknown field 'quantization_config'"),
    ],
)
def test_a_stored_configuration_that_is_not_of_its_weights_builds_nothing(
    bundle, part, change, message, monkeypatch, little_memory
):
    found = getattr(bundle, part)
    broken = replace(bundle, **{part: Component(found.config | change, found.weights)})
    monkeypatch.setattr("smcd_core.weights.components.CLIPTextModel", lambda config: pytest.fail("built"))
    monkeypatch.setattr("smcd_core.weights.components.AutoencoderKL.from_config", lambda config: pytest.fail("built"))
    for check in (check_components, unpack_components):
        with pytest.raises(CheckpointError, match=f"inside it cannot be built .*{message}"):
            check(broken)


def test_remarks_of_the_libraries_do_no_harm(bundle):
    remarks = {"architectures": ["CLIPTextModel"], "torch_dtype": "float32", "transformers_version": "4.46.0"}
    text = Component(bundle.text_encoder.config | remarks, bundle.text_encoder.weights)
    vae = Component(bundle.vae.config | {"_class_name": "AutoencoderKL"}, bundle.vae.weights)
    unpack_components(replace(bundle, text_encoder=text, vae=vae))


@pytest.mark.parametrize(
    "name, change, message",
    [
        ("text_encoder", {"num_hidden_layers": 10**9}, "num_hidden_layers is 1000000000"),
        ("text_encoder", {"num_hidden_layers": 30}, "has 3 layers"),
        ("vae", {"layers_per_block": 60}, r"has \d\d convolutions of width 16"),
    ],
)
def test_a_folder_of_components_is_held_to_its_weights_too(tmp_path, name, change, message):
    config = write_components(tmp_path / "parts") / name / "config.json"
    config.write_text(json.dumps(json.loads(config.read_text()) | change))
    with pytest.raises(CheckpointError, match=f"is no .*{message}"):
        load_components(tmp_path / "parts")


def test_a_folder_of_components_cannot_choose_code_of_a_repository(tmp_path):
    config = write_components(tmp_path / "parts") / "text_encoder" / "config.json"
    config.write_text(json.dumps(json.loads(config.read_text()) | {"_attn_implementation": "someone/kernels"}))
    _, text = load_components(tmp_path / "parts")
    assert text.model.config._attn_implementation in ("sdpa", "eager")


@pytest.mark.parametrize(
    "change", [{"num_res_blocks": 200}, {"image_encoder_blocks": 65536}, {"channel_mult": (1,) * 99}]
)
def test_a_network_of_more_blocks_than_the_tensors_can_be_of_is_not_built(tmp_path, change, monkeypatch):
    write_checkpoint(tmp_path / "a.safetensors", CONFIG, bare().weights)
    tensors, config = load_file(tmp_path / "a.safetensors"), replace(CONFIG, **change).to_json()
    save_file(tensors, tmp_path / "b.safetensors", {"smcd_version": "1", "config": config})
    monkeypatch.setattr("smcd_core.weights.checkpoint.SMCD", lambda *_, **__: pytest.fail("built"))
    with pytest.raises(CheckpointError, match="its configuration has .* blocks, but it holds"):
        read_checkpoint(tmp_path / "b.safetensors")


def test_even_with_as_many_tensors_there_is_a_limit_of_blocks(tmp_path):
    many = {f"unet.input_blocks.{n}": torch.zeros(1) for n in range(12000)}
    config = SMCDConfig(num_res_blocks=200, image_tokens="none").to_json()
    save_file(many, tmp_path / "a.safetensors", {"smcd_version": "1", "config": config})
    start = time.process_time()
    with pytest.raises(CheckpointError, match="has 800 blocks, expected at most 512"):
        read_checkpoint(tmp_path / "a.safetensors")
    assert time.process_time() - start < 20


def test_a_tokenizer_of_endless_text_is_not_parsed(tmp_path):
    packed = pack_components(tiny_vae(), tiny_text())
    packed["tokenizer"] = {"vocab": {"x" * 2**24: 0}, "merges": []}
    write_checkpoint(tmp_path / "a.safetensors", CONFIG, bare().weights, **packed)
    with pytest.raises(CheckpointError, match="tokenizer in its metadata has .* the limit is 16777216"):
        read_checkpoint(tmp_path / "a.safetensors")


# Pickles -------------------------------------------------------------------------------------------------------------


def zipped(path, content: bytes, **others: bytes):
    with zipfile.ZipFile(path, "w") as file:
        for name, data in {"data.pkl": content, "version": b"3\n", **others}.items():
            file.writestr(f"archive/{name}", data)
    return path


@pytest.mark.parametrize("torch_version", ["2.4.1", "2.6.0+cu124", "2.9.1"])
def test_pickles_are_not_read_by_a_torch_with_known_holes(tmp_path, monkeypatch, torch_version):
    torch.save(bare().weights, tmp_path / "a.bin")
    save_file(bare().weights, tmp_path / "a.safetensors")
    monkeypatch.setattr(torch, "__version__", torch_version)
    monkeypatch.setattr(torch, "load", lambda *_, **__: pytest.fail("loaded"))
    with pytest.raises(CheckpointError, match=f"a pickle, which torch {torch_version[:3]}.* convert the file"):
        files.read_weights(tmp_path / "a.bin")
    assert files.read_weights(tmp_path / "a.safetensors").tensors


@pytest.mark.parametrize(
    "content, found",
    [
        (b"\x80\x02cbuiltins\nbytearray\n\x8a\x05\x00\x94\x35\x77\x00\x85R.", "builtins.bytearray"),
        (b"\x80\x02c__builtin__\nbytearray\nJ\xff\xff\xff\x7f\x85R.", "__builtin__.bytearray"),
        (b"\x80\x02ctorch\nzeros\nJ\xff\xff\xff\x7f\x85R.", "torch.zeros"),
        (b"\x80\x04\x8c\x05torch\x8c\x05zeros\x93J\xff\xff\xff\x7f\x85R.", "the instruction FRAME|SHORT_BINUNICODE"),
        (b"\x80\x02c_codecs\nencode\nX\x01\x00\x00\x00x\x85R.", "_codecs.encode"),
        (pickle.dumps({"a": {1, 2}}, protocol=2), "set|instruction"),
    ],
)
def test_a_pickle_may_only_build_tensors(tmp_path, content, found, monkeypatch):
    monkeypatch.setattr(torch, "load", lambda *_, **__: pytest.fail("loaded"))
    for path in (zipped(tmp_path / "a.bin", content), tmp_path / "b.bin"):
        if path.name == "b.bin":
            path.write_bytes(content)
        with pytest.raises(CheckpointError, match=rf"{path.name}: holds more than weights \(.*({found})"):
            files.read_weights(path)


@pytest.mark.parametrize("suffix", ["bin", "safetensors"])
def test_views_without_memory_behind_them_are_refused(tmp_path, suffix, little_memory):
    """A tensor of stride 0: 1.6 kB that claim 1.75 GB."""
    torch.save({"a": torch.zeros(1).expand(2**20, 440)}, tmp_path / f"a.{suffix}")
    with pytest.raises(CheckpointError, match="its tensors claim 1845493760 bytes, the file has"):
        files.read_weights(tmp_path / f"a.{suffix}")


def test_tied_weights_are_read(tmp_path):
    table = torch.randn(1000, 8)
    torch.save({"input": table, "output": table}, tmp_path / "a.bin")
    assert files.read_weights(tmp_path / "a.bin").tensors.keys() == {"input", "output"}


def test_entries_that_overlap_are_refused(tmp_path, little_memory):
    with zipfile.ZipFile(tmp_path / "a.bin", "w") as file:
        file.writestr("archive/data.pkl", pickle.dumps({}, protocol=2))
        file.writestr("archive/data/0", bytes(2**20))
        for number in range(1, 2000):
            again = copy.copy(file.filelist[1])
            again.filename = f"archive/data/{number}"
            file.filelist.append(again)
    with pytest.raises(CheckpointError, match="its entries overlap"):
        files.read_weights(tmp_path / "a.bin")


def test_a_torchscript_program_is_no_file_of_weights(tmp_path):
    torch.jit.save(torch.jit.script(torch.nn.Linear(2, 2)), tmp_path / "a.pt")
    with pytest.raises(CheckpointError, match="a.pt: is a TorchScript program, not weights"):
        files.read_weights(tmp_path / "a.pt")


@pytest.mark.parametrize("old", [False, True])
def test_what_torch_saves_of_ordinary_weights_is_read(tmp_path, old):
    kinds = (torch.float32, torch.float16, torch.bfloat16, torch.int64, torch.uint8, torch.bool)
    kinds += () if old else (torch.float8_e4m3fn,)
    weights = {str(kind): torch.zeros(3, 2).to(kind) for kind in kinds}
    weights["parameter"] = torch.nn.Parameter(torch.ones(2))
    module = torch.nn.Linear(2, 3)
    torch.save(weights | module.state_dict(), tmp_path / "a.bin", _use_new_zipfile_serialization=not old)
    torch.save(module.state_dict(), tmp_path / "b.bin", _use_new_zipfile_serialization=not old)  # an OrderedDict
    assert files.read_weights(tmp_path / "a.bin").tensors.keys() == {*weights, "weight", "bias"}
    assert files.read_weights(tmp_path / "b.bin").tensors.keys() == {"weight", "bias"}
