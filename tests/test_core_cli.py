"""The command line: what it makes, and one line for each mistake."""

import importlib
import json
import os
import re
import subprocess
import sys

import av
import numpy as np
import pytest
import torch
from PIL import Image
from tiny_bundle import BOXES, DEFAULTS, bare, write_inputs

import smcd_core.sampling.pipeline
from smcd_core.__main__ import main
from smcd_core.commands import COMMANDS
from smcd_core.commands.box_file import BOX_FORMATS
from smcd_core.sampling.pipeline import read_defaults
from smcd_core.trajectory.document import parse_trajectory
from smcd_core.trajectory.files import FORMATS
from smcd_core.video import read_metadata, write_video
from smcd_core.weights.checkpoint import read_checkpoint, write_checkpoint
from smcd_core.weights.export import write_released
from smcd_core.weights.files import save_weights
from smcd_core.weights.lora import LowRank, write_lora


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """A picture, boxes, a bundle, bare weights and components."""
    folder = tmp_path_factory.mktemp("files")
    write_inputs(folder)
    (folder / "bbox.txt").write_text("6,4,30,20\n12,8,36,24\n30,20,54,36\n")
    checkpoint = bare()
    write_checkpoint(folder / "bare.safetensors", checkpoint.config, checkpoint.weights)
    return folder


def smcd(*argv, folder=None):
    """Exit code of a command; paths are relative to `folder`."""
    before = os.getcwd()
    os.chdir(folder or before)
    try:
        return main([str(word) for word in argv])
    except SystemExit as stop:  # argparse
        return stop.code
    finally:
        os.chdir(before)


def animate(files, *argv, out="out.gif", picture="picture.png", boxes="boxes.json", checkpoint="bundle.safetensors"):
    base = ["animate", files / picture, "--boxes", files / boxes, "--device", "cpu", "-o", files / out]
    return smcd(*base, "--checkpoint", files / checkpoint, *argv)


def frames_of(path):
    with Image.open(path) as image:
        return image.n_frames, image.size


# What it makes -------------------------------------------------------------------------------------------------------


def test_a_large_run_says_before_how_much_memory_it_needs(files, capsys, monkeypatch):
    assert animate(files, "--steps", 1) == 0 and "of memory" not in capsys.readouterr().err
    monkeypatch.setattr("smcd_core.commands.animate.LARGE", 0)
    assert animate(files, "--steps", 1) == 0
    size = r"[\d.]+ [kM]B"
    said = rf"needs about {size} of memory on cpu: {size} of weights, {size} to work\n"
    assert re.search(said, capsys.readouterr().err)


@pytest.mark.parametrize(
    "command, option, values",
    [
        (["evaluate"], "--clips", ["0", "-1"]),
        (["evaluate"], "--steps", ["0"]),
        (["evaluate"], "--batch-size", ["0"]),
        (["evaluate"], "--cfg-text", ["nan"]),
        (["evaluate"], "--size", ["0"]),
        (["data", "check", "walks"], "--frames", ["0"]),
        (["data", "check", "walks"], "--interval", ["0"]),
        (["data", "check", "walks"], "--samples", ["-1"]),
        (["encode", "walks", "--out", "x"], "--slots", ["0"]),
        (["finetune", "walks", "--out", "x"], "--passes", ["0"]),
        (["pretrain", "autoencoder", "--out", "x"], "--steps", ["0", "-1"]),
        (["pretrain", "autoencoder", "--out", "x"], "--lr", ["-1", "inf"]),
    ],
)
def test_a_number_out_of_range_is_refused_at_once(command, option, values, capsys):
    for value in values:
        assert smcd(*command, f"{option}={value}") == 2
        assert re.search(rf"argument {option}: '{value}' is no (whole )?number from", capsys.readouterr().err)


@pytest.mark.parametrize("out", ["new/a.mp4", "a.webp", "a.gif", "frames"])
def test_animate_writes_a_video_that_says_how_it_was_made(files, out, capsys):
    pytest.importorskip("av")
    assert animate(files, "--seed", 5, "--cfg-boxes", 1.5, "--prompt", "a circle", out=out) == 0
    assert capsys.readouterr().out == f"{files / out}\n"
    metadata = read_metadata(files / out)
    assert parse_trajectory(metadata["trajectory"]) == parse_trajectory(BOXES)
    expected = {
        "prompt": "a circle", "seed": 5, "steps": 2, "guidance": {"text": 2.0, "boxes": 1.5, "image": 1.0},
        "width": 48, "height": 32, "frames": 3, "fps": 8, "checkpoint": "bundle.safetensors", "device": "cpu",
        "dtype": "float32", "match_colors": False, "guided": 1.0, "reuse_features": False,
    }  # fmt: skip
    assert metadata["settings"] == expected
    assert str(files) not in json.dumps(metadata)


def test_settings_of_the_user_win_over_those_of_the_checkpoint(files, capsys):
    given = ["--size", "16x32", "--frames", 5, "--fps", 12.5, "--steps", 1, "--dtype", "bfloat16"]
    assert animate(files, *given, out="b.gif") == 0
    assert frames_of(files / "b.gif") == (5, (16, 32))
    settings = read_metadata(files / "b.gif")["settings"]
    assert (settings["fps"], settings["steps"], settings["dtype"]) == (12.5, 1, "bfloat16")
    assert settings["prompt"] == "red circle"  # by default the phrases


@pytest.mark.parametrize("given, steps", [([], 10), (["--steps", 2], 2)])
def test_fast_takes_another_solver_and_fewer_steps(files, given, steps):
    assert animate(files, "--fast", *given, out="fast.gif") == 0
    settings = read_metadata(files / "fast.gif")["settings"]
    assert (settings["sampler"], settings["steps"]) == ("dpm-solver++", steps)


def test_a_scheduler_of_diffusers_is_chosen_by_name(files, capsys):
    assert animate(files, "--scheduler", "UniPCMultistepScheduler", out="unipc.gif") == 0
    assert read_metadata(files / "unipc.gif")["settings"]["scheduler"] == "UniPCMultistepScheduler"
    capsys.readouterr()
    assert animate(files, "--scheduler", "euler", out="never.gif") == 2
    assert "scheduler is 'euler', expected one of DDIMScheduler, " in one_line(capsys)
    assert animate(files, "--scheduler", "DDIMScheduler", "--fast", out="never.gif") == 2
    assert "a scheduler replaces the sampler" in one_line(capsys)


def test_several_videos_are_numbered_and_have_the_seeds_from_the_first_on(files, capsys):
    assert animate(files, "--seed", 4, "--contact-sheet", files / "all.png", out="alone.gif") == 0
    given = ["--seed", 3, "--videos", 2, "--contact-sheet", files / "all.png"]
    capsys.readouterr()
    assert animate(files, *given, out="many.gif") == 0
    written = [files / name for name in ("many-1.gif", "all-1.png", "many-2.gif", "all-2.png")]
    assert capsys.readouterr().out.split() == [str(path) for path in written]
    assert [read_metadata(files / f"many-{number}.gif")["settings"]["seed"] for number in (1, 2)] == [3, 4]
    assert (files / "all-2.png").read_bytes() == (files / "all.png").read_bytes() != (files / "all-1.png").read_bytes()
    assert animate(files, "--videos", 0, out="never.gif") == 2
    assert "'0' is no whole number from 1 to 1000" in capsys.readouterr().err
    (files / "taken-02").write_text("")
    assert animate(files, "--videos", 10, out="taken") == 2
    assert "taken-02: is a file" in one_line(capsys)


def test_the_network_is_compiled_if_there_is_a_compiler(files, capsys, monkeypatch):
    compiled = []
    monkeypatch.setattr("smcd_core.networks.smcd.SMCD.compile", lambda network: compiled.append(network))
    monkeypatch.setattr("shutil.which", lambda name: name)
    assert animate(files, "--compile", out="compiled.gif") == 0 and len(compiled) == 1
    capsys.readouterr()
    monkeypatch.setattr("shutil.which", lambda name: None)
    assert animate(files, "--compile", out="never.gif") == 2
    assert "compile needs the C++ compiler " in one_line(capsys)


def test_offload_needs_a_gpu(files, capsys):
    assert animate(files, "--offload", out="never.gif") == 2
    assert "the device is cpu: leave it out" in one_line(capsys)


def test_steps_can_be_made_cheaper(files):
    assert animate(files, "--guided", 0.5, "--reuse-features", out="cheap.gif") == 0
    settings = read_metadata(files / "cheap.gif")["settings"]
    assert (settings["guided"], settings["reuse_features"]) == (0.5, True)


def test_a_video_can_start_from_its_animatic(files, capsys):
    assert animate(files, "--start", 0.5, "--start-inside", 0.3, out="start.gif") == 0
    settings = read_metadata(files / "start.gif")["settings"]
    assert (settings["start"], settings["start_inside"]) == (0.5, 0.3)
    assert animate(files, "--start", 0, out="none.gif") == 2
    assert "start is 0.0, expected more than 0, up to 1" in capsys.readouterr().err


def test_a_negative_prompt_changes_the_video_and_is_told(files):
    assert animate(files, "--negative", " ", out="space") == animate(files, out="default") == 0
    assert animate(files, "--negative", "a red square", out="negative") == 0
    assert "negative" not in read_metadata(files / "space")["settings"]
    assert read_metadata(files / "negative")["settings"]["negative"] == "a red square"
    space, none, negative = ((files / name / "0002.png").read_bytes() for name in ("space", "default", "negative"))
    assert space == none != negative


def test_a_negative_prompt_without_effect_is_said(files, capsys):
    unheard = "the negative prompt has no effect: it counts only with text guidance (--cfg-text) above 1"
    assert animate(files, "--negative", "grey", "--cfg-text", "1", out="grey") == 0
    assert unheard in capsys.readouterr().err
    for heard in (["--negative", "grey"], ["--cfg-text", "1"]):  # the bundle's own guidance of text is 2
        assert animate(files, *heard, out="grey") == 0
        assert "no effect" not in capsys.readouterr().err


def test_a_long_video_is_made_in_windows(files, capsys):
    assert animate(files, "--frames", 5, "--window", 3, out="long.gif") == 0
    assert frames_of(files / "long.gif")[0] == 5
    settings = read_metadata(files / "long.gif")["settings"]
    assert settings["window"] == 3 and "overlap" not in settings
    assert animate(files, "--window", 3, "--overlap", 3, out="none.gif") == 2
    assert "overlap is 3 and window 3: give less than the window" in capsys.readouterr().err


def test_the_same_command_makes_the_same_video(files):
    assert animate(files, out="one") == animate(files, out="two") == 0
    assert animate(files, "--seed", 1, out="three") == 0
    one, two, three = (np.stack([Image.open(f) for f in sorted(files.glob(f"{n}/*"))]) for n in ("one", "two", "three"))
    assert np.array_equal(one, two) and not np.array_equal(one, three)


def test_overlay_and_contact_sheet_show_the_boxes(files):
    assert animate(files, "--overlay", "--contact-sheet", files / "sheet.png", out="boxes.gif") == 0
    assert frames_of(files / "boxes.gif") == (3, (384, 256))
    assert Image.open(files / "sheet.png").width == 3 * (384 + 12) + 12


def test_boxes_of_other_programs_take_their_size_from_the_picture_and_a_phrase(files, capsys):
    (files / "gt.txt").write_text("6,4,24,16\n12,8,24,16\n30,20,24,16\n")
    options = ["--phrase", "blue square", "--box-format", "xywh"]
    assert animate(files, *options, boxes="gt.txt", out="c.gif") == 0
    track = read_metadata(files / "c.gif")["trajectory"]["objects"][0]
    assert track["phrase"] == "blue square" and track["keys"][0]["box"] == pytest.approx([0.1, 0.1, 0.5, 0.5])
    assert "gt.txt: " in capsys.readouterr().err


def test_remarks_say_what_the_user_may_not_expect(files, tmp_path, capsys):
    Image.new("RGB", (40, 60)).save(files / "tall.png")
    assert animate(files, "--phrase", "red spaceship", picture="tall.png", out="d.gif") == 0
    remarks = capsys.readouterr().err
    assert "squeezed from 40 x 60 to 48 x 32" in remarks
    assert re.search(r"this model is for simple drawings only: .* not know 'spaceship', only .*circle.*\n", remarks)


def test_length_and_speed_are_those_of_the_trajectory(files):
    (files / "long.json").write_text(json.dumps(BOXES | {"frames": 5, "fps": 24}))
    assert animate(files, boxes="long.json", out="long.gif") == 0
    settings = read_metadata(files / "long.gif")["settings"]
    assert (settings["frames"], settings["fps"]) == (5, 24)


def test_a_length_that_stretches_the_motion_is_said(files, capsys):
    assert animate(files, "--frames", "5", out="longer.gif") == 0
    assert "the boxes have 3 frames: their motion is stretched over the video's 5" in capsys.readouterr().err


def test_cropping_keeps_the_shape_of_the_image_and_moves_the_boxes_along(files, capsys):
    """60 x 40 for 16 x 16: 10 pixels go at each side, so x = 0.5 stays and x = 0.9 is 0.9 * 60 - 10 of 40."""
    assert animate(files, "--size", "16x16", "--fit", "crop", out="crop.gif") == 0
    assert "squeezed" not in capsys.readouterr().err
    metadata = read_metadata(files / "crop.gif")
    assert metadata["settings"]["fit"] == "crop" and metadata["trajectory"]["width"] == 40
    last = metadata["trajectory"]["objects"][0]["keys"][-1]["box"]
    assert last == pytest.approx([0.5, 0.5, (0.9 * 60 - 10) / 40, 0.9])


def test_what_a_crop_cuts_off_and_an_object_that_comes_late_are_said(files, capsys):
    beside = BOXES | {"frames": 4}
    beside["objects"] = [{**BOXES["objects"][0], "keys": [
        {"frame": 0, "box": [0.0, 0.2, 0.3, 0.6], "visible": False}, {"frame": 2, "box": [0.0, 0.2, 0.3, 0.6]},
    ]}]  # fmt: skip
    (files / "beside.json").write_text(json.dumps(beside))
    crop = ["--size", "16x16", "--fit", "crop", "--start", "0.5"]
    assert animate(files, *crop, boxes="beside.json", out="beside.gif") == 0
    remarks = capsys.readouterr().err
    assert re.search(r"the crop cuts off 56 % of object 1 .* in frame 2: .* the middle 40 x 40 of", remarks)
    assert re.search(r"boxes are visible in 2 of 4 frames; .* is not visible in frames 0-1: give it boxes", remarks)
    assert "is hidden up to frame 1: what its box holds in frame 2 is taken out of the image until then" in remarks
    assert animate(files, *crop[:4], "--start", "1", boxes="beside.json", out="noise.gif") == 0
    assert "hidden" not in capsys.readouterr().err  # nothing is taken out of what starts from noise


def test_an_object_that_starts_outside_is_named_when_others_move(files, capsys):
    (track,) = BOXES["objects"]
    outside = {**track, "id": "out", "phrase": "kite", "keys": [{"frame": 0, "box": [1.1, 0.2, 1.4, 0.6]}]}
    outside["keys"] += [{"frame": BOXES["frames"] - 1, "box": [0.2, 0.2, 0.5, 0.6]}]
    (files / "outside.json").write_text(json.dumps(BOXES | {"objects": [track, outside]}))
    assert animate(files, "--size", "16x16", "--start", "0.5", boxes="outside.json", out="outside.gif") == 0
    said = "object 2 (kite) is not taken along: its box is outside the image in frame 0, where it first appears"
    assert said in capsys.readouterr().err
    assert animate(files, "--size", "16x16", "--start", "1", boxes="outside.json", out="noise.gif") == 0
    assert "not taken along" not in capsys.readouterr().err


def test_released_weights_need_components_and_work_with_them(files, capsys):
    write_released(files / "released", read_checkpoint(files / "bare.safetensors"))
    assert animate(files, checkpoint="released", out="e.gif") == 2
    assert "carries no VAE" in capsys.readouterr().err
    options = ["--components", files / "components", "--size", "32x32", "--frames", 2, "--steps", 1]
    assert animate(files, *options, checkpoint="released", out="e.gif") == 0


def test_convert_puts_components_inside_and_goes_round_all_layouts(files, capsys):
    assert smcd("convert", files / "bare.safetensors", files / "released2", "--to", "released") == 0
    whole = files / "whole.safetensors"
    assert smcd("convert", files / "released2", whole, "--components", files / "components") == 0
    before, after = read_checkpoint(files / "bare.safetensors"), read_checkpoint(whole)
    assert after.config == before.config and after.vae and after.text_encoder and after.tokenizer
    assert all(torch.equal(after.weights[name], tensor) for name, tensor in before.weights.items())
    assert animate(files, "--size", "32x32", "--frames", 2, "--steps", 1, checkpoint="whole.safetensors") == 0


def test_convert_can_halve_the_weights_and_say_what_they_are_best_used_with(files):
    (files / "info.json").write_text('{"defaults": {"width": 64, "height": 64, "steps": 7}}')
    half = files / "half.safetensors"
    options = ["--dtype", "float16", "--info", files / "info.json"]
    assert smcd("convert", files / "bundle.safetensors", half, *options) == 0
    assert half.stat().st_size < 0.6 * (files / "bundle.safetensors").stat().st_size
    checkpoint = read_checkpoint(half)
    weights = [
        *checkpoint.weights.values(),
        *checkpoint.vae.weights.values(),
        *checkpoint.text_encoder.weights.values(),
    ]
    assert not any(x.dtype == torch.float32 for x in weights)
    assert read_defaults(checkpoint)["steps"] == 7


def test_convert_keeps_what_is_inside(files):
    assert smcd("convert", files / "bundle.safetensors", files / "copy.safetensors") == 0
    copy = read_checkpoint(files / "copy.safetensors")
    assert copy.vae and copy.text_encoder and copy.tokenizer and copy.info == {"defaults": DEFAULTS}


def test_info_says_what_a_checkpoint_is_and_what_it_lacks(files, capsys):
    assert smcd("info", files / "bundle.safetensors") == 0
    lines = dict(line.split(None, 1) for line in capsys.readouterr().out.splitlines())
    assert lines["layout"] == "smcd" and lines["system"] == "zc+gca" and lines["missing"] == "nothing"
    for part in ("unet", "box_encoder", "image_encoder", "vae", "text_encoder"):
        assert re.search(rf"{part} \d+\.\d\d M", lines["parameters"])
    assert lines["defaults"].startswith("48 x 32, 3 frames, 6 fps, 2 steps, guidance text 2")
    assert smcd("info", files / "bare.safetensors") == 0
    assert "VAE, text encoder, tokenizer: give them with --components" in capsys.readouterr().out


def test_info_says_what_a_lora_changes_and_which_checkpoint_it_belongs_to(tmp_path, capsys):
    changes = {f"unet.{name}.weight": LowRank(torch.zeros(4, 8), torch.zeros(16, 4)) for name in "ab"}
    done = {"stage": "diim", "steps": 10, "lora": 4}
    info = {"training": [done], "base": "smcd-world.safetensors"}
    write_lora(tmp_path / "lora.safetensors", changes, info)
    assert smcd("info", tmp_path / "lora.safetensors") == 0
    lines = dict(line.split(None, 1) for line in capsys.readouterr().out.splitlines())
    assert (lines["rank"], lines["layers"], lines["base"]) == ("4", "2", "smcd-world.safetensors")
    assert lines["is"].startswith("a LoRA") and lines["training"] == "diim (10 steps)"
    assert smcd("info", tmp_path / "lora.safetensors", "--json") == 0
    assert json.loads(capsys.readouterr().out)["training"] == [done]
    save_weights(tmp_path / "other.safetensors", {"lora_unet_a.lora_down.weight": torch.zeros(2, 8)}, {})
    assert smcd("info", tmp_path / "other.safetensors") == 0
    assert "base        not said" in capsys.readouterr().out


def test_info_tells_how_a_video_was_made(files, capsys):
    assert animate(files, out="f.gif") == 0
    capsys.readouterr()
    assert smcd("info", files / "f.gif", "--json") == 0
    assert json.loads(capsys.readouterr().out)["settings"]["prompt"] == "red circle"
    assert smcd("info", files / "f.gif") == 0
    lines = dict(line.split(None, 1) for line in capsys.readouterr().out.splitlines())
    assert (lines["prompt"], lines["steps"], lines["seed"]) == ("red circle", "2", "0")
    assert lines["guidance"] == "text 2, boxes 1, image 1" and lines["trajectory"] == "1 object"
    assert lines["o1"] == "red circle, 2 keyframes"


@pytest.mark.parametrize(
    ("metadata", "line"),
    [
        ({"settings": "text"}, "file        "),
        ({"settings": {"prompt": "x" * 500}}, "prompt      " + "x" * 200 + "\u2026 (--json prints all of it)"),
        (
            {"trajectory": {"version": 9}},
            "trajectory  cannot be read: the trajectory lacks width, height, frames, objects",
        ),
        ({"settings": {"guidance": {"text": [1]}}}, 'guidance    {"text": [1]}'),
    ],
)
def test_info_shows_any_metadata_in_short_lines(tmp_path, capsys, metadata, line):
    write_video(np.zeros((1, 16, 16, 3), np.uint8), tmp_path / "a.gif", 8, metadata)
    assert smcd("info", tmp_path / "a.gif") == 0
    assert any(shown.startswith(line) for shown in capsys.readouterr().out.splitlines())


INFO = {  # by content, whatever the name
    "a.csv": (b"frame,x1,y1,x2,y2\n0,10,20,30,40\n", ["--box-size", "100x50"], "CSV: 1 object", 0),
    "b.csv": (b"frame,x1,y1,x2,y2\n0,10,20,30,40\n", [], "CSV, 1 object, 1 frame: the size of the frame", 2),
    "c.txt": (b"10,20,30,40\n", [], "say --box-format xyxy or --box-format xywh", 2),
    "gt.txt": (
        b"1,1,10,20,20,20,1\n",
        ["--box-size", "100x50"],
        "MOTChallenge: 1 object, without a phrase, 1 frame",
        0,
    ),
    "flow.json": (b'{"nodes": [], "links": []}', [], "is a workflow of ComfyUI", 2),
    "prose.txt": (b"a dog runs", [], "found 3 fields", 2),
    "a.pdf": (b"%PDF-1.4\xff", [], "is a PDF: expected weights, boxes, an image or a video", 2),
    "a.gguf": (b"GGUF\3\0\0\0\xff", [], "is a GGUF file of quantised weights: expected", 2),
    "a.bin": (bytes(range(256)), [], "is neither text nor another file that smcd knows: expected", 2),
}


@pytest.mark.parametrize("name", INFO)
def test_info_says_what_any_file_is(tmp_path, capsys, name):
    content, options, said, code = INFO[name]
    (tmp_path / name).write_bytes(content)
    assert smcd("info", tmp_path / name, *options) == code
    shown = capsys.readouterr()
    assert said in shown.out + shown.err and "b'" not in shown.err


def test_info_describes_images_and_videos_that_smcd_has_not_made(tmp_path, capsys):
    (tmp_path / "frames").mkdir()
    for name, is_as in (("a.png", "a PNG image"), ("a.jpg", "a JPEG image"), ("frames/a1.png", "")):
        Image.new("RGB", (30, 20)).save(tmp_path / name)
        if is_as:
            assert smcd("info", tmp_path / name) == 0
            assert f"is          {is_as} of 30 x 20 pixels" in capsys.readouterr().out
    assert smcd("info", tmp_path / "frames") == 0
    assert "images      1, the first of 30 x 20 pixels" in capsys.readouterr().out
    write_video(np.zeros((3, 16, 32, 3), np.uint8), tmp_path / "made.mp4", 8, {})
    remuxed = tmp_path / "other.mkv"
    with av.open(str(tmp_path / "made.mp4")) as source, av.open(str(remuxed), "w") as target:
        stream = target.add_stream_from_template(source.streams.video[0])
        for packet in source.demux(video=0):
            if packet.dts is not None:
                packet.stream = stream
                target.mux(packet)
    assert smcd("info", remuxed) == 0
    shown = capsys.readouterr().out
    assert "is          a video, 3 frames of 32 x 16 pixels" in shown and "settings    none" in shown


def test_info_tells_the_stages_of_a_training_and_json_all_of_them(tmp_path, capsys):
    checkpoint = bare()
    training = [{"stage": "mim", "steps": 700, "lr": 0.001}, {"stage": "all", "steps": 30, "lr": 0.001}]
    info = {"training": training, "card": "by hand"}
    write_checkpoint(tmp_path / "a.safetensors", checkpoint.config, checkpoint.weights, info=info)
    assert smcd("info", tmp_path / "a.safetensors") == 0
    assert capsys.readouterr().out.endswith("training    mim (700 steps), all (30 steps)\ncard        by hand\n")
    assert smcd("info", tmp_path / "a.safetensors", "--json") == 0
    assert json.loads(capsys.readouterr().out)["training"] == training


# One line for each mistake -------------------------------------------------------------------------------------------


def one_line(capsys):
    """The only line of an error, after the remarks."""
    streams = capsys.readouterr()
    lines = [line for line in streams.err.splitlines() if "error" in line or "Traceback" in line]
    assert streams.out == "" and len(lines) == 1 and lines[0].startswith("smcd: error: "), streams
    assert streams.err.splitlines()[-1] == lines[0]
    return lines[0]


@pytest.fixture
def broken(files):
    whole = (files / "picture.png").read_bytes()
    (files / "cut.png").write_bytes(whole[: len(whole) // 2])
    (files / "text.png").write_text("no picture")
    (files / "half.json").write_text("{")
    (files / "inverted.json").write_text(json.dumps(BOXES).replace("[0.1, 0.1, 0.5, 0.5]", "[0.9, 0.1, 0.5, 0.5]"))
    (track,) = BOXES["objects"]
    others = {
        "disabled": [track | {"enabled": False}],
        "outside": [track | {"keys": [{"frame": 0, "box": [1.5, 0, 2, 1]}]}],
        "brief": [track | {"keys": [{"frame": n, "box": [0, 0, 1, 1], "visible": n == 1} for n in range(3)]}],
        "five": [track] * 5,
    }
    for name, objects in others.items():
        (files / f"{name}.json").write_text(json.dumps(BOXES | {"objects": objects}))
    (files / "four.txt").write_text("6,4,30,20\n")
    entry = {"width": 60, "height": 40, "length": 1, "file_names": ["0.jpg"]}
    videos = [entry | {"id": name} for name in (3, 7)]
    (files / "two.json").write_text(json.dumps({"videos": videos, "annotations": [], "categories": []}))
    weights = (files / "bundle.safetensors").read_bytes()
    (files / "cut.safetensors").write_bytes(weights[:5000])
    (files / "other").mkdir(exist_ok=True)
    (files / "other" / "thesis.tex").write_text("")
    return files


@pytest.mark.parametrize(
    ("changes", "options", "message"),
    [
        ({"picture": "none.png"}, [], "none.png: No such file"),
        ({"picture": "components"}, [], "components: Is a directory"),
        ({"picture": "text.png"}, [], "text.png: cannot be read as a picture"),
        ({"picture": "cut.png"}, [], "cut.png: cannot be read as a picture"),
        ({"boxes": "none.json"}, [], "none.json: cannot be read: No such file"),
        ({"boxes": "half.json"}, [], "half.json: is not JSON"),
        ({"boxes": "inverted.json"}, [], r"inverted.json: .*box \[0.9, 0.1, 0.5, 0.5\] is inverted, x2 < x1"),
        ({"boxes": "picture.png"}, [], "picture.png: is a PNG image: expected boxes"),
        ({"checkpoint": "none.safetensors"}, [], "none.safetensors: no such file"),
        ({"checkpoint": "cut.safetensors"}, [], "cut.safetensors: is not a complete"),
        ({"checkpoint": "picture.png"}, [], "picture.png: is a PNG image, expected a .safetensors file"),
        ({"checkpoint": "bare.safetensors"}, [], "carries no VAE"),
        ({"checkpoint": "other"}, [], "no weight files"),
        ({"out": "a.avi"}, [], r"cannot write \.avi"),
        ({"out": "other"}, [], "holds other files"),
        ({}, ["--components", "/nowhere"], "has no folder vae"),
        ({}, ["--size", "50x32"], "width is 50, expected a multiple of 16"),
        ({}, ["--size", "0x32"], "argument --size: '0x32' is no size"),
        ({}, ["--size", "big"], "argument --size: 'big' is no size: write it like 256x256"),
        ({}, ["--size", "999999x9"], "'999999x9' is no size: write it like 256x256, with sides from 1 to 16384"),
        ({}, ["--size", "0x0"], "argument --size: '0x0' is no size: write it like 256x256"),
        ({}, ["--frames", "0"], "argument --frames: '0' is no whole number from 1 to 4096"),
        ({}, ["--steps", "5.5"], "argument --steps: '5.5' is no whole number"),
        ({}, ["--seed", "-1"], "argument --seed: '-1' is no whole number"),
        ({}, ["--cfg-text", "nan"], "argument --cfg-text: 'nan' is no number"),
        ({}, ["--fps", "0"], "argument --fps: '0' is no number"),
        ({}, ["--dtype", "int8"], "argument --dtype"),
        ({}, ["--device", "abacus"], "--device abacus cannot be used here"),
        ({}, ["--phrase", "a", "--phrase", "b"], "has 1 object but 2 phrases were given"),
        ({}, ["--phrase", " "], r"no phrase: say what is in its box, in the editor or the file \(--phrase\)"),
        ({"boxes": "disabled.json"}, [], "no enabled object: draw a box or enable one"),
        ({"boxes": "outside.json"}, [], "no box is inside the frame at any time"),
        ({"boxes": "brief.json"}, ["--frames", "2"], "no box is visible in the 2 frames that the video takes of 3"),
        ({"boxes": "five.json"}, [], "there are 5 objects, this model was trained with 3 at most: disable some"),
        ({}, ["--fit", "pad"], "argument --fit"),
        ({"boxes": "four.txt"}, [], "say --box-format xyxy or --box-format xywh"),
        ({"boxes": "two.json"}, [], "has 2 videos and none was chosen.*say --box-video 3 or --box-video 7"),
        ({}, ["--contact-sheet", "a.bmp"], "must end in .png"),
        ({}, ["--no-such-option"], "unrecognized arguments"),
    ],
    ids=str,
)
def test_each_mistake_of_animate_gives_one_line(broken, changes, options, message, capsys):
    assert animate(broken, *options, **{"out": "never.gif", **changes}) == 2
    assert re.search(message, one_line(capsys))
    assert not (broken / "never.gif").exists()


@pytest.mark.parametrize(
    ("argv", "typed", "meant"),
    [
        (["animate", "a.png", "--boxes", "b.json", "--promt", "x"], "--promt", "--prompt"),
        (["animate", "a.png", "--boxes", "b.json", "--promt=x"], "--promt", "--prompt"),
        (["animate", "a.png", "--boxs", "b.json"], "--boxs", "--boxes"),  # required, and not only missing
        (["animate", "a.png", "-boxes", "b.json"], "-boxes", "--boxes"),
        (["guide", "a.png", "--boxes", "b.json", "--sytle", "vace"], "--sytle", "--style"),
        (["convert", "a", "b", "--dtpye", "x"], "--dtpye", "--dtype"),
        (["convert-boxes", "a", "b", "--formt", "mot"], "--formt", "--box-format"),
        (["info", "--verfy"], "--verfy", "--verify"),
        (["download", "smcd", "--foldr", "x"], "--foldr", "--folder"),
        (["train", "a", "--stpes", "3"], "--stpes", "--steps"),
        (["evaluate", "--chekpoint", "x"], "--chekpoint", "--checkpoint"),
        (["data", "check", "a", "--jsno"], "--jsno", "--json"),
        (["finetune", "a", "--lorra"], "--lorra", "--lora"),
        (["--verson"], "--verson", "--version"),
    ],
)
def test_a_mistyped_option_names_the_nearest(argv, typed, meant, capsys):
    with pytest.raises(SystemExit) as stopped:
        main(argv)
    assert stopped.value.code == 2
    assert f"unrecognized arguments: {typed}: did you mean {meant}?" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("argv", "told"),
    [
        (["animate", "a.png", "--boxes", "b.json", "--mask", "m.png"], "--mask is an option of smcd guide"),
        (
            ["animate", "a.png", "--boxes", "b.json", "--style=vace"],
            "--style is an option of smcd guide, smcd data pairs",
        ),
        (["guide", "a.png", "--boxes", "b.json", "--fast"], "--fast is an option of smcd animate"),
        (["data", "check", "a", "--lora", "8"], "--lora is an option of smcd animate, smcd train, smcd finetune"),
        (["finetune", "a", "--box-video", "1"], "--box-video is an option of smcd animate, smcd guide, "),
    ],
)
def test_an_option_of_another_command_names_that_command(argv, told, capsys):
    with pytest.raises(SystemExit) as stopped:
        main(argv)
    assert stopped.value.code == 2
    assert told in capsys.readouterr().err


def test_values_that_look_like_options_stay_values(tmp_path, capsys):
    assert main(["info", "--", "--verfy"]) == 2
    assert "--verfy: no such file" in capsys.readouterr().err
    boxes = ["--boxes", str(tmp_path / "b.json"), "--negative=--blur", "--cfg-text", "-1"]
    assert main(["animate", str(tmp_path / "a.png"), *boxes, "--prompt", "-- a dash"]) == 2
    assert "a.png: No such file" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("changes", "options", "message"),
    [
        ({}, ["--size", "50x32"], "width is 50, expected a multiple of 16 pixels: use 48"),
        (
            {"checkpoint": "bare.safetensors"},
            ["--size", "48x24", "--components", "components"],
            "height is 24, expected a multiple of 16 pixels: use 32",
        ),
        ({"boxes": "five.json"}, [], "there are 5 objects, this model was trained with 3 at most"),
        ({}, ["--window", "4", "--overlap", "4"], "overlap is 4 and window 4: give less than the window"),
        ({}, ["--fps", "60"], "a GIF shows at most 50 frames per second"),
        ({}, ["--start", "0"], "start is 0.0, expected more than 0, up to 1"),
        ({"checkpoint": "none.safetensors"}, [], "none.safetensors: no such file or folder"),
    ],
    ids=str,
)
def test_what_the_networks_cannot_have_is_refused_before_they_are_loaded(
    broken, changes, options, message, capsys, monkeypatch
):
    monkeypatch.setattr(smcd_core.sampling.pipeline.SMCDPipeline, "from_pretrained", None)
    monkeypatch.chdir(broken)
    assert animate(broken, *options, **{"out": "never.gif", **changes}) == 2
    assert message in one_line(capsys)


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["--"], "required: command"),
        (["dance"], "invalid choice: 'dance'"),
        (["convert", "bundle.safetensors"], "required: target"),
        (["convert", "none", "x.safetensors"], "none: no such file"),
        (
            ["convert", "bundle.safetensors", "x", "--to", "released", "--dtype", "float16"],
            "--dtype does not apply to layout released",
        ),
        (["convert", "bundle.safetensors", "x.safetensors", "--info", "picture.png"], "picture.png: is not JSON"),
        (["convert", "bundle.safetensors", "x.bin"], r"must end in \.safetensors"),
        (["convert", "bundle.safetensors", "x", "--to", "diffusers"], "cannot hold the box and image gates"),
        (
            ["convert", "bundle.safetensors", "x", "--to", "released", "--components", "components"],
            "--components does not apply to layout released",
        ),
        (["convert", "bundle.safetensors", "components/vae", "--to", "released"], "holds config.json already"),
        (["info", "none"], "none: no such file"),
        (["evaluate", "--out", "x", "--device", "abacus"], "--device abacus cannot be used here"),
        (["pretrain", "autoencoder", "--out", "x", "--device", "abacus"], "--device abacus cannot be used here"),
        (
            ["encode", "--clips", "1", "--components", "components", "--out", "x", "--device", "abacus"],
            "--device abacus cannot be used here",
        ),
        (["info", "text.gif"], "text.gif"),
        (
            ["pretrain", "autoencoder", "--out", "x", "--decoder-only"],
            "vae: holds no autoencoder to improve: train one first, without --decoder-only",
        ),
    ],
    ids=str,
)
def test_each_mistake_of_the_other_commands_gives_one_line(files, argv, message, capsys):
    (files / "text.gif").write_text("no picture")
    assert smcd(*argv, folder=files) == 2
    assert re.search(message, one_line(capsys))


@pytest.mark.skipif(not os.path.exists("/proc/self/mem"), reason="of Linux")
@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (
            ["convert", "bundle.safetensors", "/proc/x.safetensors"],
            "/proc/x.safetensors: the folder /proc cannot be wri",
        ),
        (
            ["convert", "bundle.safetensors", "/proc/x", "--to", "released"],
            "/proc/x: the folder /proc cannot be writte",
        ),
        (["convert-boxes", "boxes.json", "/proc/x.json"], "/proc/x.json: the folder /proc cannot be written to"),
        (["convert-boxes", "boxes.json", "/proc/x", "--to", "mot"], "/proc/x: the folder /proc cannot be written to"),
        (["info", "/proc/self/mem"], "/proc/self/mem: Input/output error"),
    ],
    ids=str,
)
def test_a_place_that_cannot_be_used_is_named_before_the_work(files, argv, message, capsys):
    assert smcd(*argv, folder=files) == 2
    assert message in one_line(capsys)


def failing(error):
    def fail(*args, **kwargs):
        raise error

    return fail


def failing_with(monkeypatch, error):
    monkeypatch.setattr(smcd_core.sampling.pipeline.SMCDPipeline, "denoise", failing(error))


@pytest.mark.parametrize(
    "error",
    [
        RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes."),
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 9.00 GiB."),
        MemoryError("Unable to allocate 9 GiB for an array"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_memory_that_runs_out_gives_advice(files, capsys, monkeypatch, error):
    failing_with(monkeypatch, error)
    assert animate(files, out="never.gif") == 2
    assert "out of memory: use fewer --frames or a smaller --size" in one_line(capsys)


@pytest.mark.parametrize(
    "error",
    [
        RuntimeError("shapes do not match"),
        RuntimeError("CUDA error: an illegal memory access was encountered"),
        RuntimeError("view size is not compatible with input tensor's contiguous memory_format"),
        ValueError("operands could not be broadcast together"),
        KeyError("euler"),
        ImportError("cannot import name 'x' from 'torch'", name="torch"),
        ModuleNotFoundError("No module named 'smcd_core.gone'", name="smcd_core.gone"),
    ],
    ids=str,
)
def test_a_fault_of_the_program_keeps_its_traceback(files, monkeypatch, error):
    failing_with(monkeypatch, error)
    with pytest.raises(type(error), match=re.escape(error.args[0])):
        animate(files, out="never.gif")


def test_a_package_that_is_missing_is_named_in_one_line(files, capsys, monkeypatch):
    failing_with(monkeypatch, ModuleNotFoundError("No module named 'scipy'", name="scipy"))
    assert animate(files, out="never.gif") == 2
    assert "the package scipy is not installed: pip install scipy" in one_line(capsys)


@pytest.mark.parametrize(
    ("argv", "missing", "extra"),
    [
        (["info", "a"], "numpy", "cli"),
        (["finetune", "a", "--out", "b"], "numpy", "train"),  # or accelerate would be missing next
        (["evaluate"], "matplotlib", "train"),
        (["encode", "--components", "a", "--out", "b"], "av", "video"),
    ],
)
def test_the_extra_is_named_that_has_all_packages_of_the_command(argv, missing, extra, capsys, monkeypatch):
    needs = ['numpy>=1.26; extra == "cli"', 'av>=12; extra == "video"', 'matplotlib>=3.8; extra == "train"']
    monkeypatch.setattr("importlib.metadata.requires", lambda _: needs)
    error = ModuleNotFoundError(f"No module named {missing!r}", name=missing)
    module = importlib.import_module(f"smcd_core.commands.{argv[0]}")
    monkeypatch.setattr(module, f"_{argv[0]}", failing(error))
    assert smcd(*argv) == 2
    assert f'pip install {missing}, or pip install "smcd[{extra}]" for all that' in one_line(capsys)


def test_smcd_debug_adds_the_traceback(files, capsys, monkeypatch):
    monkeypatch.setenv("SMCD_DEBUG", "1")
    assert animate(files, picture="none.png") == 2
    lines = capsys.readouterr().err.splitlines()
    assert lines[0].startswith("Traceback") and lines[-1].startswith("smcd: error: ")


def test_ctrl_c_leaves_nothing_behind(files, tmp_path, monkeypatch, capsys):
    for method in ("denoise", "decode"):

        def interrupted(*args, **kwargs):
            raise KeyboardInterrupt

        with monkeypatch.context() as patch:
            patch.setattr(smcd_core.sampling.pipeline.SMCDPipeline, method, interrupted)
            assert animate(files, out=tmp_path / "a.gif") == 130
    assert os.listdir(tmp_path) == []
    assert capsys.readouterr().err.endswith("smcd: stopped\n")


def test_box_formats_are_those_that_can_be_read():
    assert BOX_FORMATS == FORMATS


# As a program --------------------------------------------------------------------------------------------------------


def run(*argv):
    return subprocess.run(  # noqa: S603
        [sys.executable, "-m", "smcd_core", *map(str, argv)], capture_output=True, text=True, timeout=120
    )


SLOW_PACKAGES = {"torch", "diffusers", "transformers", "numpy", "PIL", "safetensors"}
OWN_TIME = {"dataclasses", "inspect", "importlib.metadata", "difflib", "traceback", "logging"}  # a tenth of 0.1 s each


def imported_by(*argv):
    """The modules that the program has imported when it ends, and what it printed."""
    code = (
        "import sys\n"
        "before = {*sys.modules}\n"
        "from smcd_core.__main__ import main\n"
        "try:\n    main(sys.argv[1:])\n"
        "finally:\n    print(*{*sys.modules} - before, file=sys.stderr)\n"
    )
    command = [sys.executable, "-c", code, *argv]
    result = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)  # noqa: S603
    return {*result.stderr.split()}, result.stdout


@pytest.mark.parametrize("name", COMMANDS)
def test_the_help_of_a_command_loads_no_slow_package_and_no_other_program(name):
    found, said = imported_by(name, "--help")
    assert said.startswith(f"usage: smcd {name}")
    assert SLOW_PACKAGES.isdisjoint(module.partition(".")[0] for module in found)
    shared = {
        "data": {"guide"},
        "evaluate": {"evaluate-options"},
        "pretrain": {"data", "guide"},
        "encode": {"data", "guide", "train"},
        "finetune": {"train"},
    }
    commands = {module.replace("_", "-") for module in found if module.startswith("smcd_core.commands.")}
    own = {name, "arguments", "box-file"} | shared.get(name, set())
    assert commands <= {f"smcd-core.commands.{module}" for module in own}


def test_the_program_alone_prints_its_help(capsys):
    assert smcd() == 0
    alone = capsys.readouterr().out
    assert smcd("--help") == 0 and capsys.readouterr().out == alone
    assert all(f"    {name}" in alone for name in COMMANDS)


def test_a_strength_of_a_lora_that_is_no_number_is_said(files, capsys):
    file = files / "bare.safetensors"
    assert animate(files, "--lora", f"{file}:abc", out="never.gif") == 2
    assert f"argument --lora: 'abc' is no strength: write it like {file}:0.8" in one_line(capsys)
    assert animate(files, "--lora", "none.safetensors:abc", out="never.gif") == 2
    assert "none.safetensors:abc: no such file" in one_line(capsys)


@pytest.mark.parametrize("option", ["--help", "--version"])
def test_the_help_of_the_program_loads_no_command(option):
    found, said = imported_by(option)
    assert "smcd" in said
    assert not [module for module in found if module.startswith("smcd_core.commands.")]
    assert (SLOW_PACKAGES | OWN_TIME).isdisjoint(found)


def test_the_help_says_what_each_command_does():
    _, said = imported_by("--help")
    assert [line.split()[0] for line in said.splitlines() if re.match("    [a-z]", line)] == [*COMMANDS]


def test_boxes_of_another_shape_than_the_image_are_said(files, capsys):
    Image.new("RGB", (60, 120)).save(files / "tall.png")
    options = ["--checkpoint", files / "bundle.safetensors", "--device", "cpu", "-o", files / "tall.gif"]
    assert main([*map(str, ["animate", files / "tall.png", "--boxes", files / "boxes.json", *options])]) == 0
    assert "the boxes are stretched to the image: see that" in capsys.readouterr().err


def test_info_describes_boxes(files, capsys):
    assert main(["info", str(files / "boxes.json")]) == 0
    first, second, *objects = capsys.readouterr().out.splitlines()
    assert first.startswith("boxes       SMCD trajectory") and second.startswith("frames      ")
    assert objects and all("keyframe" in line for line in objects)


@pytest.mark.slow
def test_the_program_makes_a_video(files):
    base = ["animate", files / "picture.png", "--checkpoint", files / "bundle.safetensors", "--device", "cpu"]
    done = run(*base, "--boxes", files / "boxes.json", "-o", files / "program.gif")
    assert (done.returncode, done.stdout) == (0, f"{files / 'program.gif'}\n"), done.stderr
    assert [line for line in done.stderr.splitlines() if not line.startswith("smcd: ")] == []


@pytest.mark.slow
def test_the_program_says_a_mistake_in_one_line(files):
    failed = run("animate", files / "picture.png", "--boxes", files / "none.json")
    assert failed.returncode == 2 and failed.stdout == ""
    assert failed.stderr.startswith("smcd: error: ") and failed.stderr.count("\n") == 1


@pytest.mark.skipif(os.name == "nt", reason="Windows has another error for a pipe that nobody reads")
@pytest.mark.parametrize("unbuffered", ["", "1"])  # the first writes at the end, the second at each line
@pytest.mark.parametrize(
    "argv", [["--help"], pytest.param(["info", "bundle.safetensors"], marks=pytest.mark.slow)], ids=str
)
def test_a_reader_that_is_gone_ends_the_program_quietly(files, argv, unbuffered):
    """As in smcd info | head -1; here the reader goes before the first line."""
    command = [sys.executable, "-m", "smcd_core", *(str(files / word) if "." in word else word for word in argv)]
    env = {**os.environ, "PYTHONUNBUFFERED": unbuffered}
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=env)  # noqa: S603
    process.stdout.close()
    errors = process.stderr.read()
    process.stderr.close()
    assert errors == b""
    assert process.wait(60) in (0, 1)  # argparse itself passes over help that nobody reads
