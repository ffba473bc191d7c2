"""smcd info without a file: what is installed, which weights are found, missing or damaged, and what to do next."""

import json
import os
import re
import shutil
import subprocess
import sys
from importlib.metadata import version

import pytest
import torch
from fake_hub import copy_program, random_contents, released_contents
from safetensors.torch import save_file
from tiny_bundle import write_bundle

from smcd_core import __version__, doctor
from smcd_core.__main__ import main
from smcd_core.doctor import as_text, folders_below
from smcd_core.weights import checkpoint, inventory
from smcd_core.weights.download import destination
from smcd_core.weights.published import ALL

RELEASE = "smcd/animate-your-motion"


@pytest.fixture
def models(tmp_path):
    folder = tmp_path / "ComfyUI" / "models"
    folder.mkdir(parents=True)
    (folder.parent / "comfyui_version.py").write_text('__version__ = "0.33.0"\n')
    return folder


def look(models, **options):
    """The report, and the states of its files by their path below models."""
    found = doctor.system_report(folders_below(models), **options)
    below = {os.path.relpath(file["path"], models).replace(os.sep, "/"): file for file in found["files"]}
    return found, {name: file for name, file in below.items() if not name.startswith("..")}


def states(models, **options):
    return {name: file["state"] for name, file in look(models, **options)[1].items()}


def vit_h(layers=24, width=1024):
    names = [f"transformer.resblocks.{n}.mlp.c_fc.weight" for n in range(layers)]
    return {name: torch.zeros(1, width) for name in [*names, "visual.transformer.resblocks.31.mlp.c_fc.weight"]}


def vae(latent=4):
    return {"encoder.conv_in.weight": torch.zeros(128, 3, 3, 3), "decoder.conv_in.weight": torch.zeros(8, latent, 3, 3)}


def put(path, tensors):
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file(tensors, path)
    return path


def put_release(models, folder):
    contents = released_contents(folder)
    for (name, file), content in contents.items():
        if name == "smcd":
            path = models / RELEASE / file
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)


# What is said --------------------------------------------------------------------------------------------------------


def test_an_empty_comfyui_is_told_each_file_and_where_to_get_it(models):
    found, files = look(models)
    assert {name for name, file in files.items() if file["state"] == "missing"} == {
        f"{RELEASE}/pytorch_model.bin",
        f"{RELEASE}/pytorch_model_1.bin",
        f"{RELEASE}/pytorch_model_2.bin",
        "vae/text-to-video-ms-1.7b_vae.safetensors",
        "text_encoders/open_clip_vit_h_14.bin",
    }
    steps = "\n".join(found["next"])
    for name in ("smcd", "vae", "text_encoder"):
        assert ALL[name].page in steps
    assert str(models / "text_encoders" / "open_clip_vit_h_14.bin") in steps


def test_versions_device_and_memory_are_told(models):
    found, _ = look(models)
    installed = version("torch")  # torch.__version__ may say more: 2.13.0+cu130
    assert found["versions"]["smcd"] == __version__ and found["versions"]["torch"] == installed
    assert found["versions"]["comfyui"] == "0.33.0"
    assert found["machine"]["devices"][-1]["name"].startswith("cpu")
    memory = found["machine"]["memory"]
    assert 0 < memory["free"] < memory["total"]
    text = as_text(found)
    assert re.search(r"^devices +.*cpu, \d+ threads$", text, re.MULTILINE)
    assert f"torch {installed}" in text and re.search(r"^memory +[\d.]+ GB of [\d.]+ GB free$", text, re.MULTILINE)


def test_what_is_absent_gets_a_command(models, monkeypatch):
    installed = doctor._version
    monkeypatch.setattr(doctor, "_version", lambda name: None if name in ("einops", "diffusers") else installed(name))
    found, _ = look(models)
    assert "Install the missing packages: pip install einops" in found["next"]
    # ComfyUI does not install it, and the nodes do without.
    assert "diffusers is not installed; it is needed only by the command line: pip install diffusers" in found["next"]
    assert re.search(r"^absent +einops, diffusers$", as_text(found), re.MULTILINE)


def test_all_that_is_needed_is_found(models, tmp_path):
    put_release(models, tmp_path / "made")
    put(models / "vae" / "any.safetensors", vae())
    put(models / "text_encoders" / "clip.safetensors", vit_h())
    found, files = look(models)
    assert {name: file["state"] for name, file in files.items()} == {
        RELEASE: "found",
        "vae/any.safetensors": "found",
        "text_encoders/clip.safetensors": "found",
    }
    assert files[RELEASE]["what"].startswith("system zc+gca, layout released")
    assert not any("beside it" in step or "released SMCD" in step for step in found["next"])


def test_a_checkpoint_with_everything_inside_asks_for_nothing_beside_it(models):
    (models / "smcd").mkdir()
    write_bundle(models / "smcd" / "bundle.safetensors")
    _, files = look(models)
    assert files["smcd/bundle.safetensors"]["what"].endswith("VAE and text encoder inside")


# What is wrong -------------------------------------------------------------------------------------------------------


def test_a_release_without_one_of_its_files_names_it(models, tmp_path):
    put_release(models, tmp_path / "made")
    (models / RELEASE / "pytorch_model_1.bin").unlink()
    found, files = look(models)
    assert files[RELEASE]["state"] == "damaged" and "pytorch_model_1.bin" in files[RELEASE]["note"]
    assert files[f"{RELEASE}/pytorch_model_1.bin"]["state"] == "missing"
    assert any("smcd download smcd" in step for step in found["next"])


@pytest.mark.parametrize("name", ["smcd/a.safetensors", "checkpoints/a.safetensors", "vae/a.safetensors"])
def test_a_file_that_is_cut_off_is_damaged(models, name):
    path = put(models / name, {**vae(), "unet.input_blocks.0.0.weight": torch.zeros(100)})
    path.write_bytes(path.read_bytes()[:-10])
    found, files = look(models)
    assert files[name]["state"] == "damaged" and "not a complete .safetensors" in files[name]["note"]
    assert any(step.startswith(f"{path} cannot be used: delete it and download it again") for step in found["next"])


def test_a_torch_file_that_is_cut_off_is_damaged(models, tmp_path):
    put_release(models, tmp_path / "made")
    path = models / RELEASE / "pytorch_model.bin"
    path.write_bytes(path.read_bytes()[:-1000])
    assert states(models)[RELEASE] == "damaged"


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "empty"),
        (b"version https://git-lfs.github.com/spec/v1\n", "git lfs pull"),
        (b"<!DOCTYPE html><html>", "web page"),
        (b"PK\3\4 and then nothing", "cut off"),
    ],
)
def test_what_was_saved_instead_of_weights_is_told(models, content, reason):
    (models / "text_encoders").mkdir()
    (models / "text_encoders" / "open_clip_vit_h_14.bin").write_bytes(content)
    found, files = look(models)
    assert files["text_encoders/open_clip_vit_h_14.bin"]["state"] in ("damaged", "missing")
    (file,) = [one for one in found["files"] if one["state"] == "damaged"]
    assert reason in file["note"]
    assert any(
        f"{file['path']} cannot be used" in step and "smcd download text_encoder" in step for step in found["next"]
    )


def test_an_old_torch_file_is_not_loaded_to_be_checked(models):
    (models / "smcd").mkdir()
    torch.save({"a": torch.zeros(2)}, models / "smcd" / "old.ckpt", _use_new_zipfile_serialization=False)
    assert states(models)["smcd/old.ckpt"] == "unchecked"


def test_parts_without_a_folder_of_their_own_are_explained(models, tmp_path):
    put_release(models, tmp_path / "made")
    shutil.move(models / RELEASE / "pytorch_model_1.bin", models / "smcd" / "pytorch_model_1.bin")
    _, files = look(models)
    assert files["smcd/pytorch_model_1.bin"]["state"] == "unusable"
    assert "a folder of their own below models/smcd" in files["smcd/pytorch_model_1.bin"]["note"]


def test_text_encoders_are_told_apart(models):
    put(models / "text_encoders" / "h.safetensors", vit_h())
    put(models / "text_encoders" / "h23.safetensors", vit_h(23))
    put(models / "text_encoders" / "g.safetensors", vit_h(32, 1280))
    assert {name: state for name, state in states(models).items() if state != "missing"} == {
        "text_encoders/h.safetensors": "found",
        "text_encoders/h23.safetensors": "unusable",
    }


def test_vaes_are_told_apart(models):
    put(models / "vae" / "sd1.safetensors", vae())
    put(models / "vae" / "sdxl_vae.safetensors", vae())
    put(models / "vae" / "flux.safetensors", vae(16))
    assert {name: state for name, state in states(models).items() if state != "missing"} == {
        "vae/sd1.safetensors": "found",
        "vae/sdxl_vae.safetensors": "unusable",
    }


def test_models_of_other_packs_are_not_mentioned(models):
    put(models / "checkpoints" / "sd15.safetensors", {"model.diffusion_model.input_blocks.0.0.weight": torch.zeros(2)})
    put(models / "smcd" / "sd15.safetensors", {"model.diffusion_model.input_blocks.0.0.weight": torch.zeros(2)})
    found = states(models)
    assert "checkpoints/sd15.safetensors" not in found and found["smcd/sd15.safetensors"] == "unusable"


def test_linked_folders_are_looked_into_as_comfyui_does(models, tmp_path):
    put(tmp_path / "elsewhere" / "sd1.safetensors", vae())
    (models / "vae").mkdir()
    try:
        (models / "vae" / "linked").symlink_to(tmp_path / "elsewhere")
        (tmp_path / "elsewhere" / "loop").symlink_to(models / "vae")
    except OSError:
        pytest.skip("this system does not let this user make links")
    found = [name for name, state in states(models).items() if name.startswith("vae/") and state == "found"]
    assert found == ["vae/linked/sd1.safetensors"]


def test_an_interrupted_download_is_told(models):
    (models / "vae").mkdir()
    (models / "vae" / ".vae.safetensors.0123.part").write_bytes(b"12345")
    found, _ = look(models)
    assert (
        f"A download into {models / 'vae'} was interrupted after 5 bytes: start it again and it will resume."
        in (found["next"])
    )


def test_components_lack_what_they_lack(models):
    for file in ALL["components"].files[:-1]:
        path = destination(models / "diffusers", file.target)
        path.parent.mkdir(parents=True, exist_ok=True)
        save_file(vae(), path) if path.suffix == ".safetensors" else path.write_text("{}")
    _, files = look(models)
    lacking = files["diffusers/text-to-video-ms-1.7b"]
    assert lacking["state"] == "unusable" and "lacks text-to-video-ms-1.7b/tokenizer/vocab.json" in lacking["note"]
    (models / "diffusers" / "text-to-video-ms-1.7b" / "tokenizer" / "vocab.json").write_text("{}")
    assert states(models)["diffusers/text-to-video-ms-1.7b"] == "found"


def test_verify_finds_a_published_file_that_was_changed(models):
    path = put(models / "vae" / ALL["vae"].files[0].target, vae())
    name = f"vae/{path.name}"
    assert states(models)[name] == "found"
    _, files = look(models, verify=True)
    assert files[name]["state"] == "damaged" and "the published file 167 MB" in files[name]["note"]


def test_verify_compares_checksums(models, monkeypatch):
    path = put(models / "vae" / ALL["vae"].files[0].target, vae())
    monkeypatch.setattr(inventory, "is_size", lambda size, file: True)
    _, files = look(models, verify=True)
    assert f"does not have the published sha256 {ALL['vae'].files[0].sha256}" in files[f"vae/{path.name}"]["note"]
    monkeypatch.setattr(inventory, "sha256_of", lambda path: ALL["vae"].files[0].sha256)
    assert states(models, verify=True)[f"vae/{path.name}"] == "found"


def test_each_file_is_read_once(models, monkeypatch):
    """Weights are gigabytes on disks that may be slow."""
    (models / "smcd").mkdir()
    write_bundle(models / "smcd" / "bundle.safetensors")
    put(models / "checkpoints" / "sd15.safetensors", {"model.diffusion_model.input_blocks.0.0.weight": torch.zeros(2)})
    put(models / "vae" / "cut.safetensors", vae()).write_bytes(b"{")
    put(models / "vae" / "any.safetensors", vae())
    reads, real = [], inventory.read_weights
    for module in (inventory, checkpoint):
        monkeypatch.setattr(module, "read_weights", lambda path: (reads.append(path.name), real(path))[1])
    look(models)
    names = [
        "any.safetensors",
        "bundle.safetensors",
        "cut.safetensors",
        "sd15.safetensors",
        "smcd-tiny.safetensors",
        "smcd-world.safetensors",
    ]
    assert sorted(reads) == names


# The command ---------------------------------------------------------------------------------------------------------


def smcd(capsys, *argv):
    code = main([str(word) for word in argv])
    streams = capsys.readouterr()
    return code, streams.out, streams.err


def test_the_command_prints_the_report(models, capsys):
    code, out, _ = smcd(capsys, "info", "--models", models)
    assert code == 0
    assert re.search(
        rf"^  missing   {re.escape(str(models))}/vae/text-to-video-ms-1.7b_vae.safetensors$", out, re.MULTILINE
    )
    assert re.search(r"^next\n  1\. ", out, re.MULTILINE)


def test_the_command_prints_json(models, capsys):
    code, out, _ = smcd(capsys, "info", "--models", models, "--json")
    found = json.loads(out)
    assert code == 0 and list(found) == ["versions", "machine", "folders", "files", "next"]
    assert found["folders"]["vae"] == [str(models / "vae")]


def test_comfyui_is_found_by_its_variable(models, capsys, monkeypatch):
    monkeypatch.setenv("COMFYUI_PATH", str(models.parent))
    assert str(models / "vae") in smcd(capsys, "info")[1]
    monkeypatch.setenv("COMFYUI_PATH", str(models))
    code, _, errors = smcd(capsys, "info")
    assert code == 2 and "has no folder models" in errors


@pytest.mark.slow
def test_comfyui_is_found_around_the_pack(tmp_path, monkeypatch):
    monkeypatch.delenv("COMFYUI_PATH", raising=False)
    program = copy_program(tmp_path / "custom_nodes" / "smcd", random_contents())
    (tmp_path / "models").mkdir()
    argv = [sys.executable, "-m", "smcd_core", "info", "--json"]
    done = subprocess.run(argv, cwd=program, capture_output=True, text=True, timeout=120)  # noqa: S603
    assert json.loads(done.stdout)["folders"]["smcd"] == [str(tmp_path / "models" / "smcd")]


def test_without_comfyui_it_says_how_to_go_on(capsys, monkeypatch):
    monkeypatch.delenv("COMFYUI_PATH", raising=False)
    code, out, _ = smcd(capsys, "info")
    assert code == 0 and "ComfyUI   not found" in out and "smcd download --folder DIR" in out


@pytest.mark.parametrize(
    ("argv", "message"),
    [(["--models", "nowhere"], "nowhere: no such folder"), (["a.safetensors", "--verify"], "without a file")],
)
def test_each_mistake_gives_one_line(capsys, argv, message):
    code, out, errors = smcd(capsys, "info", *argv)
    assert code == 2 and out == "" and errors.count("\n") == 1 and message in errors


def test_a_file_that_breaks_its_reader_is_one_line_of_the_report(models):
    """Its fault is not the end of the report on all others."""
    (models / "smcd").mkdir()
    for name in ("a", "b"):
        save_file({"unet.input_blocks.0.0.weight": torch.zeros(1)}, models / "smcd" / f"{name}.safetensors")

    def read(source):
        if getattr(source, "path", source).name == "a.safetensors":
            raise IndexError("list index out of range")
        return checkpoint.read_checkpoint(source)

    found, files = look(models, read=read)
    assert files["smcd/a.safetensors"]["note"] == "cannot be judged: IndexError: list index out of range"
    assert "no smcd_version" in files["smcd/b.safetensors"]["note"]
    assert found["files"][0]["state"] == "found"
