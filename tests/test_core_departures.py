"""Where this differs from the release on purpose: docs/departures.md, with a test for each row."""

import re
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from test_core_data_official import row, write_table
from tiny_training import TINY
from torch.nn import functional

from smcd_core.data import grounding
from smcd_core.data.media import read_image
from smcd_core.evaluation.metrics import frechet_distance
from smcd_core.networks.config import system_config
from smcd_core.networks.smcd import SMCD, Inputs
from smcd_core.sampling.framing import resized
from smcd_core.training.config import TrainingConfig
from smcd_core.training.loss import sample_batch

ROOT = Path(__file__).parent.parent


def test_every_departure_is_held_by_a_test_that_exists():
    page = (ROOT / "docs/departures.md").read_text(encoding="utf-8")
    rows = [line for line in page.splitlines() if line.startswith("| ")][1:]
    tests = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "tests").glob("test_*.py"))
    names = [re.fullmatch(r".*\| `(test_\w+)` \|", line) for line in rows]
    assert len(rows) > 11 and all(names)
    assert [name[1] for name in names if f"def {name[1]}(" not in tests] == []


@torch.no_grad()
def test_one_box_is_padded_to_the_slots_of_training():
    torch.manual_seed(0)
    model = SMCD(system_config("mim", TINY | dict(box_slots=8)))
    for parameter in (model.box_encoder.null_positive_feature, model.box_encoder.null_position_feature):
        parameter.normal_()
    text, phrase = torch.randn(1, 3, TINY["context_dim"]), torch.randn(1, 1, TINY["phrase_dim"])
    tokens = model.encode(Inputs(text, 2, torch.rand(1, 2, 1, 4), torch.ones(1, 2, 1), phrase)).box_tokens
    null = model.encode(Inputs(text, 2)).box_tokens
    assert tokens.shape == null.shape == (2, 8, TINY["context_dim"])
    assert torch.allclose(tokens[:, 1:], null[:, 1:]) and not torch.allclose(tokens[:, :1], null[:, :1], atol=1e-3)


def test_pictures_are_made_smaller_without_aliasing(tmp_path):
    """Fine stripes become grey; without antialiasing they become coarse stripes of black and white."""
    stripes = np.broadcast_to(np.array([255, 0, 0] * 32, np.uint8)[None, :, None], (96, 96, 3))
    picture = Image.fromarray(np.ascontiguousarray(stripes))
    picture.save(tmp_path / "stripes.png")
    for small in (read_image(tmp_path / "stripes.png", (20, 20)), resized(picture, 20, 20)):
        assert np.abs(small[2:-2, 2:-2].astype(int) - 85).max() < 20
    coarse = functional.interpolate(torch.tensor(stripes.copy()).float().movedim(2, 0)[None], (20, 20), mode="bilinear")
    assert coarse.amax() > 200 and coarse.amin() < 20


def test_crops_of_images_start_and_end_between_pixels(tmp_path, monkeypatch):
    crops = []

    def read(where, size, *, content, crop, resample):
        crops.append(crop)
        return np.zeros((*size[::-1], 3), np.uint8)

    monkeypatch.setattr(grounding, "read_image", read)
    write_table(tmp_path / "train.tsv", [row()])
    grounding.GroundingClips(tmp_path, size=16)[0]
    assert all(value != round(value) for value in crops[0])


def test_conditions_are_dropped_sample_by_sample():
    example = {"latents": torch.zeros(1, 4, 2, 2)}
    keep = sample_batch([example] * 64, range(64), 0, TrainingConfig("diim", 1))["keep"]
    assert not keep[:, 0].eq(0).any() and all(0 < dropped < 64 for dropped in keep[:, 1:].eq(0).sum(0).tolist())


def test_the_covariance_of_the_frechet_distance_is_unbiased():
    features = np.random.default_rng(0).normal(size=(5, 1))
    variance = features.var(ddof=1)
    assert frechet_distance(features, 3 * features - 2 * features.mean()) == pytest.approx(4 * variance)
