"""In the real ComfyUI: a LoRA gives the same in Python, in Load SMCD and in the host's LoRA node."""

import host
import numpy as np
import pytest
import torch
from small_bundle import CONFIG, write_small_bundle

from smcd_core.sampling.pipeline import SMCDPipeline
from smcd_core.trajectory.document import parse_trajectory
from smcd_core.weights.checkpoint import read_checkpoint
from smcd_core.weights.lora import LowRank, with_loras, write_lora

comfy_host = host.start()
import comfy.model_management  # noqa: E402  the host's, which host.start() found

SIDE = 64
DOCUMENT = {
    "version": 1, "width": SIDE, "height": SIDE, "frames": 3,
    "objects": [{"phrase": "red circle", "keys": [{"frame": 0, "box": [0.1, 0.1, 0.5, 0.5]},
                                                  {"frame": 2, "box": [0.4, 0.4, 0.8, 0.8]}]}],
}  # fmt: skip
STRENGTH = 0.75
BETWEEN = ("box_gate.linear", "image_gate.attn.to_v", "attn1.to_q")  # layers of each block that the LoRA changes


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """models/smcd with a checkpoint like the bundled one, and models/loras with a LoRA of it."""
    paths = comfy_host.folder_paths
    for kind in ("smcd", "loras"):
        monkeypatch.setitem(paths.folder_names_and_paths, kind, ([str(tmp_path)], {".safetensors"}))
        paths.filename_list_cache.pop(kind, None)
    weights = read_checkpoint(write_small_bundle(tmp_path / "small.safetensors", CONFIG)).weights
    random = torch.Generator().manual_seed(0)
    changes = {}
    for name, weight in weights.items():
        if name.endswith(tuple(f"{layer}.weight" for layer in BETWEEN)) or name == "image_encoder.conv_in.weight":
            down = torch.randn(2, *weight.shape[1:], generator=random) / 10
            up = torch.randn(len(weight), 2, *[1] * (weight.ndim - 2), generator=random) / 10
            changes[name] = LowRank(down, up, scale=2.0)
        elif name.endswith(("out.2.weight", "out.2.bias")):
            changes[name] = torch.randn(weight.shape, generator=random) / 100
    write_lora(tmp_path / "lora.safetensors", changes, {})
    return tmp_path


def loaded(**given):
    return host.call("SMCD_Load", checkpoint="smcd/small.safetensors", **given)


def test_a_lora_gives_the_same_video_in_the_three_places_that_load_it(folder):
    """Patched weights are equal to 1e-6, pixels to one grey level, in which the two programs may round differently."""
    path, lora = folder / "small.safetensors", folder / "lora.safetensors"
    model, clip, vae = loaded()
    by_node = loaded(lora="lora.safetensors", lora_strength=STRENGTH)[0]
    (by_host,) = host.call("LoraLoaderModelOnly", model=model, lora_name="lora.safetensors", strength_model=STRENGTH)
    changed = with_loras(read_checkpoint(path), [(lora, STRENGTH)]).weights
    for patched in (by_node, by_host):
        comfy.model_management.load_models_gpu([patched], force_full_load=True)
        found = patched.model.diffusion_model.state_dict()
        for name, expected in changed.items():
            assert torch.allclose(found[name.removeprefix("unet.")].float(), expected.float(), atol=1e-6), name
        patched.detach()

    pixels = np.random.default_rng(0).integers(0, 256, (SIDE, SIDE, 3), dtype=np.uint8)
    picture = torch.from_numpy(pixels)[None].float() / 255
    inputs = dict(clip=clip, vae=vae, first_frame=picture, trajectory=DOCUMENT, prompt="a red circle", seed=7, steps=2)
    plain, node, stock = (
        host.call("SMCD_Generate", model=part, **inputs)[0].numpy() * 255 for part in (model, by_node, by_host)
    )
    assert np.array_equal(node, stock) and np.abs(node - plain).max() > 10
    pipeline = SMCDPipeline.from_pretrained(path, device="cpu", lora=[(lora, STRENGTH)])
    video = pipeline(pixels, parse_trajectory(DOCUMENT), "a red circle", seed=7, steps=2)
    assert np.abs(node - video).max() <= 1.01


def test_load_smcd_refuses_a_lora_of_another_network(folder):
    write_lora(folder / "other.safetensors", {"unet.blocks.0.weight": torch.zeros(2)}, {})
    with pytest.raises(ValueError, match="other.safetensors: changes diffusion_model.blocks.0, which the checkpoint"):
        loaded(lora="other.safetensors")
    with pytest.raises(FileNotFoundError, match="gone.safetensors: no such LoRA in .*: put it there"):
        loaded(lora="gone.safetensors")


def test_load_smcd_runs_again_when_the_file_of_its_lora_changes(folder):
    node = comfy_host.nodes.NODE_CLASS_MAPPINGS["SMCD_Load"]
    given = dict(checkpoint="smcd/small.safetensors", weight_dtype="default", lora="lora.safetensors")
    first = node.fingerprint_inputs(**given)
    assert node.fingerprint_inputs(**given, lora_strength=0.5) != first
    (folder / "lora.safetensors").touch()
    assert node.fingerprint_inputs(**given) != first
