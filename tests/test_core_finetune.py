"""smcd finetune: a folder of videos with captions becomes a checkpoint that animates."""

import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from accelerate.state import AcceleratorState
from diffusers import AutoencoderKL
from PIL import Image
from tiny_bundle import CONFIG, DEFAULTS, tiny_vae, write_bundle, write_components

from smcd_core.__main__ import main
from smcd_core.data import render_clip
from smcd_core.sampling.pipeline import SMCDPipeline
from smcd_core.video import read_metadata
from smcd_core.weights.checkpoint import read_checkpoint


@pytest.fixture(autouse=True)
def accelerate_as_in_a_new_process():
    yield
    AcceleratorState._reset_state()


@pytest.fixture
def videos(tmp_path) -> Path:
    """Two folders of frames; one has a caption and boxes, the other a caption only."""
    root = tmp_path / "videos"
    for number in range(2):
        clip = render_clip(number, size=48, num_frames=5)
        (root / f"walk{number}").mkdir(parents=True)
        for frame, pixels in enumerate(clip.frames):
            Image.fromarray(pixels).save(root / f"walk{number}" / f"{frame:03d}.png")
        (root / f"walk{number}.txt").write_text("a red circle moving right")
    lines = [f"{frame + 1},1,{4 + frame},6,20,18,1,-1,-1,-1" for frame in range(5)]
    (root / "walk0.mot.txt").write_text("\n".join(lines))
    return root


@pytest.mark.slow
def test_own_clips_are_one_command(videos, tmp_path, capsys):
    bundle, out = write_bundle(tmp_path / "start.safetensors"), tmp_path / "run"
    command = ["finetune", str(videos), "--checkpoint", str(bundle), "--out", str(out), "--pixels", "32"]
    options = ["--passes", "2", "--phrase", "red circle", "--lr", "1e-2", "--ema", "0.5"]
    assert main([*command, *options, "--steps", "2"]) == 0
    target = out / "smcd.safetensors"
    assert f"smcd animate --checkpoint {target}" in capsys.readouterr().out
    assert len(list((out / "clips").glob("clips-*.safetensors"))) == 1
    assert (out / "samples" / "step-00000002.png").exists()

    before, after = read_checkpoint(bundle), read_checkpoint(target)
    assert after.config == before.config
    changed = {name for name in before.weights if not torch.equal(before.weights[name], after.weights[name])}
    assert any(name.startswith("image_encoder.") for name in changed)
    assert not any(name.startswith("box_encoder.") for name in changed)  # stage diim leaves MIM alone
    last = after.info["training"][-1]
    assert (last["stage"], last["step"], last["lr"], last["ema"]) == ("diim", 2, 1e-2, 0.5)
    pipeline = SMCDPipeline.from_checkpoint(target)
    assert pipeline.defaults == pipeline.defaults | DEFAULTS | {"width": 32, "height": 32, "frames": 3}

    assert main(["info", str(out)]) == 0
    told = capsys.readouterr().out
    assert f"run         of smcd finetune, in {out}" in told and "last step   2, with a loss of " in told
    assert "goes on     after the step of state-00000002" in told
    assert "results     smcd.safetensors, checkpoint.safetensors" in told
    assert "files       loss.csv, loss.png, samples/, clips/" in told

    assert main([*command, *options, "--steps", "3"]) == 0  # goes on, and does not encode again
    assert read_checkpoint(target).info["training"][-1]["step"] == 3


def test_what_a_run_cannot_go_on_with_is_refused_before_any_work(videos, tmp_path, capsys, monkeypatch):
    bundle, other = (write_bundle(tmp_path / f"{name}.safetensors") for name in ("start", "other"))
    command = ["finetune", str(videos), "--out", str(tmp_path / "run"), "--pixels", "32", "--passes", "1"]
    own, steps, mine = ["--phrase", "red circle"], ["--steps", "2"], ["--checkpoint", str(bundle)]
    assert main([*command, *own, *mine, *steps]) == 0
    capsys.readouterr()
    assert main([*command, *own, *mine, "--steps", "1"]) == 0
    assert "run: the run has 2 steps already, so nothing was trained" in capsys.readouterr().err

    def not_reached(*args, **kwargs):
        raise AssertionError("work was done")

    monkeypatch.setattr("smcd_core.weights.components.unpack_components", not_reached)
    monkeypatch.setattr("smcd_core.training.encoded.encode_clips", not_reached)
    clips = "was encoded with other settings: "
    for given, message in (
        ([*mine, "--phrase", "blue"], f"{clips}--phrase is 'red circle' there, now 'blue'; use the same, or choose"),
        (mine, f"{clips}--phrase is 'red circle' there, now not given; use the same"),
        ([*mine, *own, "--flips"], f"{clips}the number of clips is 2 there, now 4, --flips is not given there, now Tr"),
        ([*own, "--checkpoint", str(other)], f"{clips}--checkpoint is 'start.safetensors' there, now 'other.safeten"),
    ):
        assert main([*command, *steps, *given]) == 2
        assert message in capsys.readouterr().err
    monkeypatch.setattr("smcd_core.weights.checkpoint.read_checkpoint", not_reached)
    for given, message in (
        (["--lr", "1e-2"], "lr is 5e-05 there, now 0.01"),
        (["--lora", "2"], "lora is 0 there, now"),
    ):
        assert main([*command, *own, *mine, *steps, *given]) == 2
        assert f"state-00000002: is not of this run: {message}" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("given", "package"),
    [(["--lora", "2"], "peft"), (["--tensorboard"], "tensorboard"), (["--optimizer", "adamw8bit"], "bitsandbytes")],
)
def test_a_package_that_is_missing_is_said_before_any_work(videos, tmp_path, capsys, monkeypatch, given, package):
    monkeypatch.setitem(sys.modules, package, None)
    assert main(["finetune", str(videos), "--out", str(tmp_path / "run"), *given]) == 2
    assert f"the package {package} is not installed: pip install {package}" in capsys.readouterr().err
    assert not (tmp_path / "run" / "clips").exists()


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (["--pixels", "33"], "--pixels is 33, expected a multiple of 16 pixels: use 32"),
        (["--pixels", "7"], "--pixels is 7, expected a multiple of 16 pixels: use 16"),
        (["--mixed-precision", "fp16"], "mixed_precision is fp16, which needs a GPU: choose no or bf16 on a CPU"),
        (["--stage", "mim"], "stage mim trains no parameter of this system"),
        (["--components", "other"], "SMCD takes latents of width 4, the VAE gives 8: use the one it was trained with"),
    ],
)
def test_what_cannot_train_is_refused_before_the_clips_are_encoded(
    videos, tmp_path, capsys, monkeypatch, given, message
):
    config = replace(CONFIG, boxes=False, image_tokens="none") if "mim" in given else CONFIG
    bundle = write_bundle(tmp_path / "start.safetensors", config)
    if "other" in given:
        vae = AutoencoderKL.from_config({**tiny_vae().config, "latent_channels": 8})
        vae.save_pretrained(write_components(tmp_path / "other") / "vae")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ACCELERATE_USE_CPU", "true")
    command = ["finetune", str(videos), "--checkpoint", str(bundle), "--out", "run", "--pixels", "32", "--phrase", "x"]
    assert main([*command, "--steps", "1", *given]) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "run" / "clips").exists()


def test_a_run_without_a_clip_says_why_and_goes_on_once_the_videos_are_mended(videos, tmp_path, capsys):
    bundle = write_bundle(tmp_path / "start.safetensors")
    command = ["finetune", str(videos), "--checkpoint", str(bundle), "--out", str(tmp_path / "run"), "--pixels", "32"]
    command += ["--passes", "1", "--steps", "1", "--phrase", "red circle"]
    assert main([*command, "--frames", "500"]) == 2
    error = capsys.readouterr().err.splitlines()[-1]
    assert "videos: none of its 2 clips can be trained on: " in error and "walk0: has 5 frames, expected 500" in error
    assert main(command) == 0


def test_a_folder_without_videos_is_named(tmp_path, capsys):
    (tmp_path / "empty").mkdir()
    bundle = write_bundle(tmp_path / "start.safetensors")
    command = ["finetune", str(tmp_path / "empty"), "--checkpoint", str(bundle), "--out", str(tmp_path / "run")]
    assert main([*command, "--pixels", "32"]) == 2
    assert "holds no videos and no folders of images" in capsys.readouterr().err


@pytest.mark.slow
def test_a_lora_of_own_clips_is_loaded_beside_the_checkpoint_it_changes(videos, tmp_path, capsys):
    bundle, out = write_bundle(tmp_path / "start.safetensors"), tmp_path / "run"
    command = ["finetune", str(videos), "--checkpoint", str(bundle), "--out", str(out), "--pixels", "32"]
    options = ["--steps", "1", "--passes", "1", "--phrase", "red circle", "--lora", "2", "--lr", "1e-1"]
    assert main([*command, *options]) == 0
    file = out / "lora.safetensors"
    assert f"smcd animate --checkpoint {bundle} --lora {file}" in capsys.readouterr().out
    assert not (out / "smcd.safetensors").exists()

    picture, boxes = tmp_path / "picture.png", tmp_path / "boxes.csv"
    Image.new("RGB", (32, 32), "gray").save(picture)
    boxes.write_text("4,4,20,20\n6,6,22,22\n8,8,24,24\n")
    make = ["animate", str(picture), "--boxes", str(boxes), "--box-format", "xyxy", "--phrase", "red circle"]
    make += ["--checkpoint", str(bundle), "--device", "cpu", "--size", "32x32", "-o"]
    for name, lora in {"plain": [], "off": [f"{file}:0"], "on": [str(file)], "more": [f"{file}:30", str(file)]}.items():
        given = [word for one in lora for word in ("--lora", one)]
        assert main([*make, str(tmp_path / name), *given]) == 0
    pixels = {name: frames_in(tmp_path / name) for name in ("plain", "off", "on", "more")}
    assert pixels["off"] == pixels["plain"] and pixels["more"] != pixels["plain"]
    metadata = read_metadata(tmp_path / "more")
    assert metadata["settings"]["loras"] == [["lora.safetensors", 30.0], ["lora.safetensors", 1.0]]
    assert main([*make, str(tmp_path / "x"), "--lora", str(bundle)]) == 2
    assert "is no part of a LoRA" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main([*make, str(tmp_path / "x"), "--lora", f"{file}:1000"])
    assert "'1000' is no number from -100 to 100" in capsys.readouterr().err


def frames_in(folder: Path) -> list[bytes]:
    return [Image.open(path).tobytes() for path in sorted(folder.glob("*.png"))]
