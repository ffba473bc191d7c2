"""The ablation study: all systems train alike, finished runs are kept, and the tables follow from the results."""

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch
from ablation import main
from ablation_report import BASE, PUBLISHED, interval, report
from ablation_runs import ROWS, RUNS, Budget, ablate, select_runs, training_of
from accelerate.state import AcceleratorState
from PIL import Image

from smcd_core.data import SyntheticClips
from smcd_core.networks.config import SYSTEMS
from smcd_core.training.config import STAGES, TrainingError
from smcd_core.training.encoded import EncodedClips, encode_clips
from smcd_core.training.pretrain import small_autoencoder, small_text_encoder
from smcd_core.weights.checkpoint import read_checkpoint

BUDGET = Budget(
    backbone_steps=1, video_steps=1, mim_steps=2, diim_steps=1, image_batch=2, clip_batch=1, clips=2, sampling_steps=1
)
SIZES = dict(
    model_channels=16, channel_mult=(1, 2), num_res_blocks=1, attention_scales=(0.5,), num_heads=2, head_dim=8,
    context_dim=128, phrase_dim=128, norm_groups=8, box_slots=3, image_encoder_channels=(16, 128),
    image_encoder_blocks=1, prediction="v",
)  # fmt: skip


@pytest.fixture(autouse=True)
def accelerate_as_in_a_new_process():
    yield
    AcceleratorState._reset_state()


def by_name(name: str):
    return next(run for run in RUNS if run.name == name)


def test_the_table_has_every_system_of_the_paper_and_both_comparisons():
    systems = {by_name(row.run).system for row in ROWS if row.guided}
    assert systems == set(SYSTEMS) - {"parallel"}
    stages = {by_name(row.run).stage for row in ROWS if by_name(row.run).system == "zc+gca"}
    assert stages == {"diim", "joint"}
    both = [(row.run, row.guided) for row in ROWS if by_name(row.run).system == "zc+gca" and row.run != "zc+gca-joint"]
    assert sorted(both) == [(run, guided) for run in ("zc+gca", "zc+gca-kept") for guided in (False, True)]


def test_all_systems_of_a_stage_train_alike():
    budget = Budget()
    second = {replace(training_of(run, budget, 8), seed=0) for run in RUNS if run.stage == "diim" and run.drops}
    assert len(second) == 1
    published = second.pop().effective_stage
    assert published == STAGES["diim"]
    kept = training_of(by_name("zc+gca-kept"), budget, 8).effective_stage
    assert (kept.drop_text, kept.drop_boxes, kept.drop_first_frame, kept.drop_image_tokens) == (0, 0, 0, 0)


def test_the_joint_run_sees_as_many_frames_as_both_stages():
    budget, frames = Budget(), 8
    stages = [training_of(by_name(name), budget, frames) for name in ("mim", "zc+gca", "zc+gca-joint")]
    mim, diim, joint = (c.steps * c.batch_size * (1 if c.effective_stage.images else frames) for c in stages)
    assert joint == mim + diim


def test_asking_for_a_run_brings_those_it_starts_from():
    assert [run.name for run in select_runs(["zc"])] == ["backbone-images", "backbone", "mim", "zc"]
    assert select_runs([]) == list(RUNS)
    with pytest.raises(TrainingError, match="no run 'stage2', expected some of backbone-images"):
        select_runs(["stage2"])


@pytest.mark.slow
def test_finished_runs_are_kept_and_make_the_tables(tmp_path):
    torch.manual_seed(0)
    vae, text = small_autoencoder(16).eval(), small_text_encoder().eval()  # not the network's default of 4
    encode_clips(SyntheticClips(4, size=32, num_frames=2), vae, text, tmp_path / "clips", slots=3)
    data, said = EncodedClips(tmp_path / "clips"), []

    folders = {seed: tmp_path / "runs" / str(seed) for seed in (1, 2)}

    def run(budget: Budget = BUDGET) -> None:
        said.clear()
        for seed, out in folders.items():
            of_seed = replace(budget, seed=seed)
            only = ["mim", "zc+gca", "zc"]
            ablate(of_seed, data, data, vae, text, out, sizes=SIZES, only=only, say=said.append)

    run()
    trained = [line.split(":")[0] for line in said if "steps" in line]
    assert trained == 2 * ["backbone-images", "backbone", "mim", "zc+gca", "zc"]
    assert len(read_checkpoint(tmp_path / "runs/1/zc/checkpoint.safetensors").info["training"]) == 4
    run()
    assert said == []  # all is there
    (tmp_path / "runs/1/zc/videos.safetensors").unlink()
    assert report(BUDGET, folders, vae, tmp_path / "results").count("ZC") == 1  # one seed lacks it
    run()
    assert said == ["zc: 2 videos"]
    with pytest.raises(TrainingError, match="holds a run with other settings"):
        run(replace(BUDGET, mim_steps=3))

    missing = report(BUDGET, folders, vae, tmp_path / "results")
    assert "CtrlNet" in missing and "ZC" not in missing and len(missing) == len(ROWS) - 5
    assert {path.name for path in (tmp_path / "results").iterdir()} == {
        "ablation.json", "losses.csv", "table.md", "scores.png", "loss.png", "samples.jpg",
    }  # fmt: skip
    made = json.loads((tmp_path / "results/ablation.json").read_text())
    assert made["seeds"] == [1, 2]
    rows = made["rows"]
    one, two = rows["ZC"]["seeds"]["background_psnr"]
    assert one != two and rows["ZC"]["scores"]["background_psnr"] == pytest.approx((one + two) / 2)
    assert rows["ZC"]["gates"]["GCA"] == {} and 0 < rows[BASE]["gates"]["GCA"]["attn"][0] < 0.1
    assert rows["ZC"]["run"] == "zc" and rows["ZC"]["probe"]["x0_right_boxes"] > 0
    gap = rows["ZC"]["scores"]["background_psnr"] - rows[BASE]["scores"]["background_psnr"]
    assert rows["ZC"][f"minus {BASE}"]["background_psnr"][0] == pytest.approx(gap)
    assert rows["first frame repeated"]["scores"]["ao"] > rows["another clip's video"]["scores"]["ao"]
    assert (tmp_path / "results/losses.csv").read_text().startswith("step,backbone-images,backbone,mim,zc+gca,zc\n1,0.")
    text = (tmp_path / "results/table.md").read_text()
    assert text.count("| ZC |") == 4 and np.isfinite(rows["ZC"]["scores"]["first_frame_psnr"])


def test_an_interval_is_over_seeds_and_clips():
    even, weights = np.ones((3, 20)), np.ones(20)
    assert interval(even, weights) == (1, 1)
    spread = np.array([[0.0], [1.0], [2.0]])
    of_seeds, of_clips = interval(even * spread, weights), interval(even[:1] * np.linspace(0, 2, 20), weights)
    assert of_seeds == (0, 2)  # three seeds that differ by more than clips
    assert 0.7 < of_clips[0] < 0.8 and 1.2 < of_clips[1] < 1.3  # 1 +- 2 x .6 / sqrt(20)
    assert interval(even * spread, np.eye(20)[0]) == (0, 2)  # one clip has all the boxes


def test_tables_and_plots_come_from_the_published_numbers_in_one_command(tmp_path, capsys):
    for name in ("ablation.json", "losses.csv"):
        shutil.copy(PUBLISHED / name, tmp_path)
    main(["--results", str(tmp_path)])
    table = (PUBLISHED / "table.md").read_text()
    assert (tmp_path / "table.md").read_text() == table and table in capsys.readouterr().out
    for name in ("scores.png", "loss.png"):
        with Image.open(tmp_path / name) as made, Image.open(PUBLISHED / name) as published:
            assert made.size == published.size
            difference = np.abs(np.asarray(made.convert("L"), int) - np.asarray(published.convert("L")))
            assert (difference > 32).mean() < 0.01  # versions of matplotlib draw edges a little differently


@pytest.mark.parametrize(
    "more, message",
    [
        (["--results", "here"], "here: has no ablation.json and losses.csv"),
        (["--out", "runs", "--data", "clips"], "--validation, --components missing: training needs all of --data"),
    ],
)
def test_missing_inputs_are_named(more, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match=message):
        main(more)
