"""SMCDPipeline.from_pretrained, save_pretrained and to."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from test_core_pipeline import request
from tiny_bundle import CONFIG, bare, write_bundle, write_components

from smcd_core.errors import SMCDError
from smcd_core.sampling.devices import pick_device, pick_dtype
from smcd_core.sampling.pipeline import SMCDPipeline
from smcd_core.weights.checkpoint import CheckpointError, read_checkpoint, write_checkpoint
from smcd_core.weights.export import write_diffusers, write_released


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    return write_bundle(tmp_path_factory.mktemp("bundle") / "tiny.safetensors")


def video_of(pipeline, **changes):
    return pipeline.generate([request(**changes)], width=48, height=32, steps=1)[0]


def on_cpu(path, **given):
    return SMCDPipeline.from_pretrained(path, device="cpu", dtype="float32", **given)


def test_auto_is_the_fastest_device_and_the_type_that_suits_it(bundle):
    pipeline = SMCDPipeline.from_pretrained(bundle)
    assert (pipeline.device.type, pipeline.dtype) == (pick_device(), pick_dtype(pick_device()))


@pytest.mark.parametrize("name", ["folder", "one.safetensors"])
def test_what_is_saved_is_read_back_with_its_defaults_and_info(bundle, tmp_path, name):
    checkpoint = read_checkpoint(bundle)
    pipeline = on_cpu(bundle)
    pipeline.info["note"] = "mine"
    file = pipeline.save_pretrained(tmp_path / name)
    again = on_cpu(tmp_path / name)
    assert file.is_file() and again.defaults == pipeline.defaults and again.info["note"] == "mine"
    assert again.smcd.config == checkpoint.config
    assert np.array_equal(video_of(again), video_of(pipeline))


def test_a_saved_file_keeps_its_type(bundle, tmp_path):
    on_cpu(bundle).to(torch.bfloat16).save_pretrained(tmp_path)
    weights = read_checkpoint(tmp_path).weights
    assert {tensor.dtype for tensor in weights.values()} == {torch.bfloat16}


def test_only_safetensors_are_saved(bundle, tmp_path):
    with pytest.raises(CheckpointError, match=r"model\.bin: only \.safetensors is written: name such a file, or a fo"):
        on_cpu(bundle).save_pretrained(tmp_path / "model.bin")


def test_one_folder_may_hold_smcd_and_the_parts_of_a_diffusers_pipeline(bundle, tmp_path):
    write_components(tmp_path)
    write_released(tmp_path / "released", read_checkpoint(bundle))
    for file in (tmp_path / "released").iterdir():
        file.rename(tmp_path / file.name)
    (tmp_path / "released").rmdir()
    assert np.array_equal(video_of(on_cpu(tmp_path)), video_of(on_cpu(tmp_path, components=tmp_path)))


def test_a_diffusers_pipeline_needs_to_be_named_once(tmp_path):
    config = replace(CONFIG, boxes=False, image_tokens="none", first_frame_concat=False, num_heads=8, norm_groups=32)
    write_components(tmp_path)
    write_diffusers(tmp_path / "unet", bare(config))
    assert on_cpu(tmp_path).conditions == {"text"}


def test_a_folder_with_one_of_the_parts_names_the_others(tmp_path):
    checkpoint = bare()
    write_checkpoint(tmp_path / "bare.safetensors", checkpoint.config, checkpoint.weights)
    (tmp_path / "vae").mkdir()
    with pytest.raises(CheckpointError, match="has no folder tokenizer and no folder text_encoder"):
        on_cpu(tmp_path)


def test_all_networks_move_and_the_video_stays_nearly_the_same(bundle):
    pipeline = on_cpu(bundle)
    expected = video_of(pipeline)
    assert pipeline.to(torch.bfloat16) is pipeline and pipeline.dtype == torch.bfloat16
    for network in (pipeline.smcd, pipeline.vae, pipeline.text):
        assert {parameter.dtype for parameter in network.parameters()} == {torch.bfloat16}
    assert video_of(pipeline).shape == expected.shape
    pipeline.to("cpu", "float32")
    assert (pipeline.device.type, pipeline.dtype) == ("cpu", torch.float32)


@pytest.mark.parametrize(
    "given, message",
    [
        (dict(device="tpu"), "device tpu cannot be used here: "),
        (dict(device="cpu", dtype="float8"), "dtype is float8, expected auto or float32, float16, bfloat16"),
        (dict(device="cpu", dtype=torch.int32), "dtype is torch.int32, expected auto or float32, float16, bfloat16"),
    ],
)
def test_a_device_or_dtype_that_cannot_be_used_is_refused(bundle, given, message):
    with pytest.raises(SMCDError, match=message):
        SMCDPipeline.from_pretrained(bundle, **given)
    with pytest.raises(SMCDError, match=message):
        on_cpu(bundle).to(**given)


def test_the_hub_is_asked_only_with_download(bundle, tmp_path, monkeypatch):
    asked = []

    def answer(name, allow_patterns):
        asked.append(name)
        return on_cpu(bundle).save_pretrained(tmp_path / "cache").parent

    monkeypatch.setattr("huggingface_hub.snapshot_download", answer)
    with pytest.raises(CheckpointError, match="owner/name: no such file or folder. .*hub, give download=True"):
        on_cpu("owner/name")
    with pytest.raises(CheckpointError, match="no-such/../file: no such file or folder$"):
        on_cpu("no-such/../file", download=True)
    assert on_cpu(bundle, download=True) and asked == []
    assert on_cpu("owner/name", download=True).defaults and asked == ["owner/name"]


def test_a_hub_that_does_not_answer_is_an_error_in_one_line(monkeypatch):
    def fail(*_, **__):
        raise ConnectionError("no route\nto host")

    monkeypatch.setattr("huggingface_hub.snapshot_download", fail)
    with pytest.raises(
        CheckpointError, match=r"^owner/name: cannot be downloaded from the Hug.* \(no route to host\)$"
    ):
        on_cpu("owner/name", download=True)
