"""In the real ComfyUI: what its own nodes for saving wrote of an SMCD model is loaded again."""

import json

import host
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file
from small_bundle import DEFAULTS, write_small_bundle

from smcd_core.__main__ import main
from smcd_core.weights.checkpoint import read_checkpoint

comfy_host = host.start()
SavedError = host.pack_module("smcd_core.weights.files").CheckpointError  # the host's copy of the class

FRAMES = 3


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return write_small_bundle(tmp_path_factory.mktemp("models") / "small.safetensors")


@pytest.fixture
def folders(tmp_path, monkeypatch, path):
    """models/smcd and models/loras are this folder, and it is where the host saves."""
    paths = comfy_host.folder_paths
    monkeypatch.setattr(paths, "output_directory", str(tmp_path))
    for kind in ("smcd", "loras"):
        monkeypatch.setitem(paths.folder_names_and_paths, kind, ([str(tmp_path)], {".safetensors"}))
    (tmp_path / "small.safetensors").symlink_to(path)
    return tmp_path


def load(name="small", **settings):
    return host.call("SMCD_Load", checkpoint=f"smcd/{name}.safetensors", **settings)


def save(node, **inputs):
    node = comfy_host.nodes.NODE_CLASS_MAPPINGS[node]()
    with torch.inference_mode():
        node.save(**inputs, filename_prefix="mine", prompt={}, extra_pnginfo={})
    return "mine_00001_"


def video(parts):
    """Pixels, through all three parts."""
    model, clip, vae = parts
    picture, trajectory, prompt = host.call("SMCD_Example", example="beach")
    inputs = dict(first_frame=picture, trajectory=trajectory, prompt=prompt, frames=FRAMES, steps=2)
    return host.call("SMCD_Generate", model=model, clip=clip, vae=vae, **inputs)[0]


def test_save_checkpoint_and_load_gives_the_same_video(folders):
    parts = load()
    model, clip, vae = parts
    again = load(save("CheckpointSave", model=model, clip=clip, vae=vae))
    assert all(part is not None for part in again)
    assert (
        again[0].model.smcd_config == model.model.smcd_config and again[0].model.defaults["width"] == DEFAULTS["width"]
    )
    assert torch.equal(video(again), video(parts))


@pytest.mark.slow
def test_the_command_line_reads_it_as_load_smcd_does(folders, capsys):
    """The VAE comes back under the names of diffusers, whatever the host calls its tensors."""
    model, clip, vae = load()
    file = folders / f"{save('CheckpointSave', model=model, clip=clip, vae=vae)}.safetensors"
    ours, theirs = read_checkpoint(folders / "small.safetensors"), read_checkpoint(file)
    assert (theirs.layout, theirs.config, theirs.info) == (ours.layout, ours.config, ours.info)
    for part in ("vae", "text_encoder"):
        found, expected = getattr(theirs, part).weights, getattr(ours, part).weights
        assert found.keys() == expected.keys()
        assert all(torch.equal(found[name].float(), expected[name]) for name in expected)
    assert theirs.tokenizer == ours.tokenizer
    assert all(torch.equal(theirs.weights[name].float(), x) for name, x in ours.weights.items())
    for path in (file, folders / "small.safetensors"):
        make = ["animate", str(host.PACK / "demo" / "beach.png"), "--boxes", str(host.PACK / "demo" / "beach.json")]
        make += ["--checkpoint", str(path), "--steps", "1", "-o", str(path.with_suffix(""))]
        assert main(make) == 0
    made, expected = (sorted(path.with_suffix("").iterdir()) for path in (file, folders / "small.safetensors"))
    assert [pixels(path) for path in made] == [pixels(path) for path in expected]


def pixels(path):
    with Image.open(path) as image:
        return image.tobytes()


@pytest.mark.slow
def test_save_model_keeps_a_merged_lora_and_the_type(folders):
    name = "diffusion_model.input_blocks.1.1.transformer_blocks.0.attn1.to_q"
    layer = load()[0].model.diffusion_model.get_submodule(name.removeprefix("diffusion_model."))
    torch.manual_seed(0)
    lora = {f"{name}.lora_A.weight": torch.randn(2, layer.in_features)}
    lora[f"{name}.lora_B.weight"] = torch.randn(layer.out_features, 2)
    save_file(lora, folders / "motion.safetensors")
    model, clip, vae = load(weight_dtype="fp16")
    (merged,) = host.call("LoraLoaderModelOnly", model=model, lora_name="motion.safetensors", strength_model=1.0)
    file = save("ModelSave", model=merged)
    assert load_file(folders / f"{file}.safetensors")[f"model.{name}.weight"].dtype == torch.float16
    again, no_clip, no_vae = load(file, weight_dtype="fp16")
    assert no_clip is None and no_vae is None
    found, expected, plain = (video((part, clip, vae)) for part in (again, merged, model))
    assert torch.equal(found, expected) and not torch.equal(found, plain)


@pytest.mark.slow
def test_a_checkpoint_saved_twice_is_still_whole(folders):
    model, clip, vae = load()
    file = save("CheckpointSave", model=model, clip=clip, vae=vae)
    first = load_file(folders / f"{file}.safetensors")
    again = dict(zip(("model", "clip", "vae"), load(file)))
    (folders / f"{file}.safetensors").rename(folders / "first.safetensors")
    second = load_file(folders / f"{save('CheckpointSave', **again)}.safetensors")
    assert first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)


def with_config(tensors, **changes):
    header = json.loads(tensors["smcd_header"].numpy().tobytes())
    header["config"] = json.dumps(json.loads(header["config"]) | changes)
    tensors["smcd_header"] = torch.tensor(list(json.dumps(header).encode()), dtype=torch.uint8)


@pytest.mark.parametrize(
    "spoil, message",
    [
        (lambda tensors: tensors.pop("model.diffusion_model.time_embed.0.weight"), "time_embed.0.weight"),
        (lambda tensors: tensors.update({"model.diffusion_model.other": torch.zeros(1)}), "unet.other"),
        (lambda tensors: tensors.update({"model.diffusion_model.out.2.bias": torch.zeros(5)}), "out.2.bias"),
        (lambda tensors: tensors.update(smcd_header=torch.zeros(9, dtype=torch.uint8)), "smcd_header is damaged"),
        (
            lambda tensors: tensors.update(smcd_header=torch.zeros(9)),
            "smcd_header is damaged .9 numbers of torch.float",
        ),
        (lambda tensors: with_config(tensors, num_res_blocks=60000), "has 180003 blocks, but it holds"),
    ],
    ids=["missing", "extra", "misshapen", "damaged header", "header of another type", "endless blocks"],
)
def test_a_saved_file_with_a_fault_is_refused(folders, spoil, message):
    file = folders / f"{save('ModelSave', model=load()[0])}.safetensors"
    tensors = load_file(file)
    spoil(tensors)
    save_file(tensors, file)
    with pytest.raises(SavedError, match=message):
        load(file.stem)


def test_a_saved_file_of_another_model_is_refused_as_what_it_is(folders):
    weights = {"model.diffusion_model.input_blocks.0.0.weight": torch.zeros(320, 4, 3, 3)}
    save_file(weights, folders / "other.safetensors")
    with pytest.raises(SavedError, match="a Stable Diffusion network for images; expected an SMCD"):
        load("other")
