"""CLIP, DINO, LPIPS, FVD and detectors: real classes at tiny size, from folders, never from the network."""

import json

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn
from transformers import (
    BertTokenizer,
    BitImageProcessor,
    CLIPConfig,
    CLIPImageProcessor,
    CLIPModel,
    CLIPProcessor,
    Dinov2Config,
    Dinov2Model,
    GroundingDinoConfig,
    GroundingDinoForObjectDetection,
    GroundingDinoImageProcessor,
    GroundingDinoProcessor,
    Owlv2Config,
    Owlv2ForObjectDetection,
    Owlv2ImageProcessor,
    Owlv2Processor,
    SwinConfig,
    ViTConfig,
    ViTImageProcessor,
    ViTModel,
)

from smcd_core.__main__ import main
from smcd_core.data import SyntheticClips
from smcd_core.evaluation.detectors import Detector
from smcd_core.evaluation.networks import (
    VIDEO_FRAMES,
    ClipFeatures,
    DinoFeatures,
    Lpips,
    VideoFeatures,
    alexnet_features,
)
from smcd_core.evaluation.scores import request_of
from smcd_core.training.pretrain import small_tokenizer
from smcd_core.video import write_video

WORDS = "a red blue circle square moving right".split()
SMALL = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}


def pictures(count: int, height: int = 24, width: int = 32, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (count, height, width, 3), dtype=np.uint8)


def text_options(tokenizer) -> dict:
    ends = {"bos_token_id": tokenizer.bos_token_id, "eos_token_id": tokenizer.eos_token_id}
    return SMALL | ends | {"vocab_size": len(tokenizer), "max_position_embeddings": 16}


def write_clip(folder) -> CLIPModel:
    torch.manual_seed(0)
    tokenizer = small_tokenizer(WORDS)
    vision = SMALL | {"image_size": 32, "patch_size": 8}
    model = CLIPModel(CLIPConfig(text_config=text_options(tokenizer), vision_config=vision, projection_dim=12)).eval()
    model.save_pretrained(folder)
    size = {"size": {"shortest_edge": 32}, "crop_size": {"height": 32, "width": 32}}
    CLIPProcessor(CLIPImageProcessor(**size), tokenizer).save_pretrained(folder)
    return model


def write_dino(folder) -> Dinov2Model:
    torch.manual_seed(1)
    config = Dinov2Config(
        hidden_size=16, num_hidden_layers=1, num_attention_heads=2, mlp_ratio=1, image_size=28, patch_size=14
    )
    model = Dinov2Model(config).eval()
    model.save_pretrained(folder)
    size = {"size": {"shortest_edge": 28}, "crop_size": {"height": 28, "width": 28}}
    BitImageProcessor(**size).save_pretrained(folder)
    return model


def write_owl(folder) -> Owlv2ForObjectDetection:
    torch.manual_seed(2)
    tokenizer = small_tokenizer(WORDS)
    vision = SMALL | {"image_size": 32, "patch_size": 8}
    config = Owlv2Config(text_config=text_options(tokenizer), vision_config=vision, projection_dim=16)
    model = Owlv2ForObjectDetection(config).eval()
    model.save_pretrained(folder)
    Owlv2Processor(Owlv2ImageProcessor(size={"height": 32, "width": 32}), tokenizer).save_pretrained(folder)
    return model


def write_grounding_dino(folder) -> GroundingDinoForObjectDetection:
    torch.manual_seed(3)
    (folder / "words.txt").write_text("\n".join(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", ".", *WORDS]))
    config = GroundingDinoConfig(
        backbone_config=SwinConfig(
            image_size=32, embed_dim=8, depths=[1, 1, 1, 1], num_heads=[1, 1, 1, 1], window_size=2,
            out_indices=[2, 3, 4],
        ),
        text_config={"model_type": "bert", "vocab_size": 30, **SMALL}, d_model=32, encoder_layers=1,
        encoder_ffn_dim=16, encoder_attention_heads=2, decoder_layers=2, decoder_ffn_dim=16,
        decoder_attention_heads=2, num_queries=6, max_text_len=8,
    )  # fmt: skip
    model = GroundingDinoForObjectDetection(config).eval()
    model.save_pretrained(folder)
    images = GroundingDinoImageProcessor(size={"height": 128, "width": 128})
    GroundingDinoProcessor(images, BertTokenizer(str(folder / "words.txt"))).save_pretrained(folder)
    return model


# CLIP and DINO -------------------------------------------------------------------------------------------------------


def test_clip_features_are_those_of_the_model_itself(tmp_path):
    """Cosines as CLIPModel gives them in `logits_per_image`, divided by its temperature."""
    model = write_clip(tmp_path)
    clip, frames, sentences = ClipFeatures.from_pretrained(str(tmp_path)), pictures(18), ["a red circle", "blue"]
    inputs = clip.processor(text=sentences, images=list(frames), return_tensors="pt", padding=True)
    with torch.no_grad():
        expected = model(**inputs).logits_per_image / model.logit_scale.exp()
    assert np.allclose(clip.images(frames) @ clip.texts(sentences).T, expected.numpy(), atol=1e-5)  # float32
    assert np.allclose(np.linalg.norm(clip.images(frames), axis=1), 1, atol=1e-5)


def test_a_sentence_too_long_for_clip_is_cut(tmp_path):
    write_clip(tmp_path)
    clip = ClipFeatures.from_pretrained(str(tmp_path))
    assert clip.texts(["red circle " * 40]).shape == (1, 12)


def test_dino_features_are_the_class_token(tmp_path):
    model = write_dino(tmp_path)
    dino, frames = DinoFeatures.from_pretrained(str(tmp_path)), pictures(3)
    pixels = dino.processor(images=list(frames), return_tensors="pt")["pixel_values"]
    with torch.no_grad():
        token = model(pixels).pooler_output  # Dinov2Model's own name for it
    assert np.allclose(dino.images(frames), nn.functional.normalize(token, dim=-1).numpy(), atol=1e-5)


@pytest.mark.parametrize("kind", [ClipFeatures, DinoFeatures, Detector])
def test_a_name_on_the_hub_is_only_fetched_when_told_to(kind):
    with pytest.raises(ValueError, match="some/model: is no folder; .* --download"):
        kind.from_pretrained("some/model")


def test_dino_of_the_first_generation_has_no_pooler(tmp_path):
    """facebook/dino-vits16 is a ViTModel without the layer that the class token does not pass."""
    config = ViTConfig(**SMALL, image_size=28, patch_size=14)
    model = ViTModel(config, add_pooling_layer=False).eval()
    model.save_pretrained(tmp_path)
    size = {"size": {"height": 28, "width": 28}}
    ViTImageProcessor(**size).save_pretrained(tmp_path)
    assert DinoFeatures.from_pretrained(str(tmp_path)).images(pictures(2)).shape == (2, 16)


def without_a_weight(folder) -> None:
    write_clip(folder)
    weights = load_file(folder / "model.safetensors")
    del weights["visual_projection.weight"]
    save_file(weights, folder / "model.safetensors", {"format": "pt"})


def with_cut_weights(folder) -> None:
    write_clip(folder)
    whole = (folder / "model.safetensors").read_bytes()
    (folder / "model.safetensors").write_bytes(whole[: len(whole) // 2])


def without_a_processor(folder) -> None:
    write_dino(folder)
    (folder / "preprocessor_config.json").unlink()


@pytest.mark.parametrize(
    "option, write, message",
    [
        ("--detector", None, "is no detector such as Grounding DINO or OWLv2 as save_pretrained writes it (Unrecog"),
        ("--clip", None, "is no CLIP as save_pretrained writes it (Error no file named"),
        ("--dino", None, "is no DINO as save_pretrained writes it (Unrecognized model"),
        ("--detector", write_clip, "is no detector such as Grounding DINO or OWLv2"),
        ("--clip", write_owl, "is no CLIP, or not whole: 46 weights missing, first is logit_scale"),
        ("--clip", write_dino, "is no CLIP, or not whole"),
        ("--clip", without_a_weight, "not whole: 1 weights missing, first is visual_projection.weight"),
        ("--clip", with_cut_weights, "is no CLIP as save_pretrained writes it (Error while deserializing header"),
        ("--dino", write_clip, "is a model of the type clip, expected DINO or DINOv2"),
        ("--dino", without_a_processor, "is no DINO as save_pretrained writes it (Can't load image processor"),
    ],
)
def test_a_folder_of_another_model_or_of_none_is_one_line(option, write, message, tmp_path, capsys):
    if write:
        write(tmp_path)
    capsys.readouterr()
    assert main(["evaluate", option, str(tmp_path), "--clips", "1", "--out", str(tmp_path / "out")]) == 2
    said = capsys.readouterr().err.splitlines()[-1]
    assert f"smcd: error: {tmp_path}: " in said and message in said
    assert not (tmp_path / "out").exists()


# LPIPS ---------------------------------------------------------------------------------------------------------------


def lpips_weights() -> tuple[np.random.Generator, dict, list]:
    """Weights that numpy's generator, which is the same everywhere, draws for AlexNet and the heads."""
    rng, state = np.random.default_rng(5), {}
    for name, value in alexnet_features().state_dict().items():
        drawn = rng.standard_normal(value.shape) / np.sqrt(value[0].numel())
        state[name] = torch.from_numpy(drawn.astype(np.float32))
    heads = [torch.from_numpy(rng.random(width).astype(np.float32)) for width in (64, 192, 384, 256, 256)]
    return rng, state, heads


def write_lpips(folder, state, heads) -> None:
    torch.save({f"features.{name}": value for name, value in state.items()}, folder / "alexnet.pth")
    named = {f"lin{stage}.model.1.weight": head[None, :, None, None] for stage, head in enumerate(heads)}
    torch.save(named, folder / "heads.pth")


def test_lpips_is_that_of_torchmetrics(tmp_path):
    """Recorded from torchmetrics 1.9.0 (net "alex") with the same weights and pictures."""
    rng, state, heads = lpips_weights()
    write_lpips(tmp_path, state, heads)
    lpips = Lpips.from_files(tmp_path / "alexnet.pth", tmp_path / "heads.pth")
    image, other = rng.integers(0, 256, (2, 64, 80, 3), dtype=np.uint8)
    assert lpips(image, other) == pytest.approx(0.5630855, abs=1e-6)
    assert lpips(image, image) == 0
    with pytest.raises(ValueError, match="expected the weights of torchvision's AlexNet and LPIPS' alex.pth"):
        Lpips.from_files(tmp_path / "heads.pth", tmp_path / "alexnet.pth")


def test_lpips_takes_any_stages_and_weighs_their_channels():
    """One stage that takes the picture as it is: the distance can be written down."""
    lpips = Lpips([nn.Identity()], [torch.tensor([1.0, 2.0, 4.0])])
    red, green = np.zeros((2, 2, 3), np.uint8), np.zeros((2, 2, 3), np.uint8)
    red[..., 0] = green[..., 1] = 255

    def direction(pixel):
        scaled = (np.array(pixel, float) * 2 - 1 - lpips.MEAN) / lpips.DEVIATION
        return scaled / np.linalg.norm(scaled)

    expected = ((direction([1, 0, 0]) - direction([0, 1, 0])) ** 2 * [1, 2, 4]).sum()
    assert lpips(red, green) == pytest.approx(expected, abs=1e-5)


# FVD -----------------------------------------------------------------------------------------------------------------


class MeanColors(nn.Module):
    """Stands in for I3D with its interface: the mean colour, then the number of frames, of the last one its red."""

    def forward(self, x: torch.Tensor, rescale: bool = False, resize: bool = False, return_features: bool = False):
        if not (rescale and resize and return_features):
            raise ValueError("not asked for features")
        frames = torch.full((x.shape[0], 1), float(x.shape[2]))
        return torch.cat([x.mean([2, 3, 4]), frames, x[:, :1, -1].mean([2, 3])], 1)


def test_video_features_come_from_a_torchscript_file_and_short_clips_hold_their_last_frame(tmp_path):
    torch.jit.script(MeanColors()).save(str(tmp_path / "i3d.pt"))
    network = VideoFeatures.from_file(tmp_path / "i3d.pt")
    short, long = pictures(3), pictures(20)
    held = np.concatenate([short, short[[2] * (VIDEO_FRAMES - 3)]])
    assert network(short)[:3] == pytest.approx(held.mean((0, 1, 2)), rel=1e-5)
    assert network(short)[3] == VIDEO_FRAMES and network(short)[4] == pytest.approx(short[2, ..., 0].mean(), rel=1e-5)
    assert network(long)[3] == 20


def test_what_is_no_torchscript_file_is_named(tmp_path):
    (tmp_path / "i3d.pt").write_bytes(b"no network")
    with pytest.raises(ValueError, match="i3d.pt: cannot be read as a TorchScript file"):
        VideoFeatures.from_file(tmp_path / "i3d.pt")


# Detectors -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("write", [write_owl, write_grounding_dino])
def test_a_detector_gives_boxes_for_each_phrase_and_frame(write, tmp_path):
    write(tmp_path)
    detector = Detector.from_pretrained(str(tmp_path), threshold=0.0)
    found = detector(pictures(5), ["red circle", "blue", "red circle"])
    assert len(found) == 5 and all(set(frame) == {"red circle", "blue"} for frame in found)
    boxes, scores = found[4]["blue"]
    assert boxes.shape == (len(scores), 4) and len(scores) > 0
    assert (boxes >= 0).all() and (boxes <= 1).all() and (boxes[:, 2:] >= boxes[:, :2]).all()
    assert not np.array_equal(scores, found[4]["red circle"][1])  # the phrase is heard
    none, _ = Detector.from_pretrained(str(tmp_path), threshold=1.0)(pictures(1), ["blue"])[0]["blue"]
    assert none.shape == (0, 4)


def told(model, box: tuple[float, float, float, float], monkeypatch) -> None:
    """Let the network answer with one sure box, cxcywh in units of what it sees, beside unsure ones."""
    forward = model.forward

    def answer(**inputs):
        outputs = forward(**inputs)
        outputs.logits = torch.full_like(outputs.logits, -9.0)
        outputs.logits[:, 1, 0] = 3.0
        outputs.pred_boxes = torch.tensor(box).expand_as(outputs.pred_boxes)
        return outputs

    monkeypatch.setattr(model, "forward", answer)


def test_boxes_come_in_units_of_the_frame(tmp_path, monkeypatch):
    """Grounding DINO stretches a frame; OWLv2 adds a border below one of 32 x 24, which must not count."""
    owl, dino = tmp_path / "owl", tmp_path / "dino"
    for folder in (owl, dino):
        folder.mkdir()
    write_owl(owl), write_grounding_dino(dino)
    for folder, shown in ((owl, (0.5, 0.375, 0.5, 0.375)), (dino, (0.5, 0.5, 0.5, 0.5))):
        detector = Detector.from_pretrained(str(folder))
        told(detector.model, shown, monkeypatch)
        boxes, scores = detector(pictures(1), ["blue"])[0]["blue"]
        assert np.allclose(boxes, [[0.25, 0.25, 0.75, 0.75]], atol=1e-6), folder.name
        assert scores == pytest.approx([1 / (1 + np.exp(-3))])


def test_grounding_dino_is_asked_in_a_sentence_and_owl_in_words(tmp_path, monkeypatch):
    asked = {}
    for name, write in (("owl", write_owl), ("dino", write_grounding_dino)):
        (tmp_path / name).mkdir()
        write(tmp_path / name)
        detector = Detector.from_pretrained(str(tmp_path / name))
        seen = asked.setdefault(name, [])
        call = type(detector.processor).__call__
        monkeypatch.setattr(
            type(detector.processor),
            "__call__",
            lambda self, *a, s=seen, c=call, **k: s.append(k["text"]) or c(self, *a, **k),
        )
        detector(pictures(1), ["Red Circle"])
    assert asked == {"owl": [[["Red Circle"]]], "dino": [["red circle."]]}


# All of them ---------------------------------------------------------------------------------------------------------


def test_the_command_takes_every_network_from_files(tmp_path, capsys):
    for name, write in (("owl", write_owl), ("clip", write_clip), ("dino", write_dino)):
        (tmp_path / name).mkdir()
        write(tmp_path / name)
    write_lpips(tmp_path, *lpips_weights()[1:])
    torch.jit.script(MeanColors()).save(str(tmp_path / "i3d.pt"))
    for clip in SyntheticClips(3, split="validation", size=64, num_frames=3):
        told = {
            "trajectory": request_of(clip).trajectory.to_trajectory(0.0).to_dict(),
            "settings": {"prompt": clip.caption},
        }
        for folder, video in (("made", 255 - clip.frames), ("real", clip.frames)):
            (tmp_path / folder).mkdir(exist_ok=True)
            write_video(video, tmp_path / folder / clip.caption.replace(" ", "_"), 8, told)
    arguments = {
        "--videos": "made", "--references": "real", "--detector": "owl", "--clip": "clip", "--dino": "dino",
        "--fvd": "i3d.pt", "--out": "out",
    }  # fmt: skip
    command = ["evaluate", *(part for name, value in arguments.items() for part in (name, str(tmp_path / value)))]
    command += [
        "--lpips",
        str(tmp_path / "alexnet.pth"),
        str(tmp_path / "heads.pth"),
        "--size",
        "64",
        "--device",
        "cpu",
    ]
    assert main(command) == 0, capsys.readouterr().err
    scores = json.loads((tmp_path / "out" / "scores.json").read_text())["scores"]
    made, real = scores["made"], scores["(references)"]
    for name in ("ao", "clip_first", "clip_sim", "dino_first", "dino_frames"):
        assert -1 <= made[name] <= 1, name
    assert real["clip_first"] == pytest.approx(1, abs=1e-5) and real["dino_first"] == pytest.approx(1, abs=1e-5)
    assert made["first_frame_lpips"] > real["first_frame_lpips"] == 0
    assert made["fvd"] > 1 and real["fvd"] == pytest.approx(0, abs=1e-6)
    assert "| FVD ↓ |" in capsys.readouterr().out
