"""smcd evaluate tells a video that follows its boxes from one that does not, and puts numbers beside each other."""

import json
from dataclasses import replace

import numpy as np
import pytest
from tiny_bundle import write_bundle

from smcd_core.__main__ import main
from smcd_core.data import SyntheticClips
from smcd_core.diffusion import Guidance
from smcd_core.evaluation import ROWS, evaluate, request_of, score, table
from smcd_core.pipeline import SMCDPipeline
from smcd_core.trajectory import boxes_at


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    return write_bundle(tmp_path_factory.mktemp("bundle") / "tiny.safetensors")


def clips(count: int = 2, **options) -> SyntheticClips:
    return SyntheticClips(count, split="validation", **options)


def test_a_request_carries_the_boxes_of_its_clip_exactly():
    clip = clips()[0]
    boxes, mask = boxes_at(request_of(clip).trajectory)
    assert np.array_equal(mask.numpy(), clip.mask)
    # The document keeps the shortest decimals that stand for the float32 values.
    assert np.allclose(boxes.numpy()[clip.mask], clip.boxes_xyxy[clip.mask], atol=1e-6)


def test_the_clip_itself_scores_best_and_its_first_frame_loses_track():
    clip = clips()[0]
    itself, still = score(clip.frames, clip), score(np.repeat(clip.frames[:1], 8, 0), clip)
    assert itself["ao"] > 0.9 and itself["color"] == 1 and itself["background_psnr"] == np.inf
    assert still["ao_frames"][0] > 0.9 and still["ao_last"] < 0.7 * itself["ao_last"]


def test_every_row_is_scored_on_the_same_clips(bundle):
    pipeline = SMCDPipeline.from_checkpoint(bundle)
    side = pipeline.defaults["width"]
    done = []
    scores, videos = evaluate(
        pipeline, clips(3, size=side, num_frames=2), steps=1, guidance=Guidance(), batch_size=2, progress=done.append
    )
    assert sum(done) == 6 and list(scores) == list(ROWS)
    assert all(len(videos[name]) == 3 and videos[name][0].shape == (2, side, side, 3) for name in ROWS)
    assert scores["truth"]["ao"] > scores["chance"]["ao"] and len(scores["smcd"]["ao_frames"]) == 2
    assert table(scores).count("\n") == 1 + len(ROWS)


def test_boxes_dropped_means_that_the_model_does_not_see_them(bundle):
    pipeline = SMCDPipeline.from_checkpoint(bundle)
    options = dict(steps=1, guidance=Guidance())
    side = pipeline.defaults["width"]
    one, other = clips(size=side, num_frames=2)
    _, videos = evaluate(pipeline, [one], **options)
    elsewhere = replace(request_of(one), trajectory=request_of(other).trajectory)
    seen, unseen = (
        pipeline.generate([replace(elsewhere, use_boxes=use)], width=side, height=side, **options)[0]
        for use in (True, False)
    )
    assert np.array_equal(unseen, videos["no_boxes"][0]) and not np.array_equal(seen, videos["smcd"][0])


def test_the_command_writes_scores_plot_and_pictures(bundle, tmp_path, capsys):
    arguments = ["evaluate", "--checkpoint", str(bundle), "--clips", "2", "--steps", "1", "--out", str(tmp_path / "e")]
    assert main(arguments) == 0
    written = json.loads((tmp_path / "e" / "scores.json").read_text())
    assert written["settings"]["split"] == "test" and written["settings"]["clips"] == 2
    assert 0 <= written["scores"]["smcd"]["ao"] <= 1
    assert {path.name for path in (tmp_path / "e").iterdir()} == {
        "scores.json", "ao_by_frame.png", "clip00.png", "clip01.png",
    }  # fmt: skip
    assert "| first frame repeated |" in capsys.readouterr().out
