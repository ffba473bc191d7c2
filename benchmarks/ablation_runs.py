"""Train the paper's systems side by side on clips of the generated world, at small size, and sample videos from each.

What an object of these clips looks like can only be known from the first frame. Every run has its own folder and is
skipped once it is finished, so the study can be stopped at any moment and resumed. ablation_report.py makes the tables
from the videos.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from diffusers import AutoencoderKL
from safetensors.torch import save_file

from smcd_core.data import Clip
from smcd_core.data.world import WorldClips
from smcd_core.evaluation.scores import generate_all, request_of
from smcd_core.files import replacing
from smcd_core.networks.config import SMALL, system_config
from smcd_core.networks.text import TextEncoder
from smcd_core.sampling.diffusion import Guidance
from smcd_core.sampling.pipeline import SMCDPipeline
from smcd_core.training.config import TrainingConfig, TrainingError
from smcd_core.training.encoded import EncodedClips
from smcd_core.training.loop import train
from smcd_core.weights.checkpoint import Checkpoint, build, read_checkpoint
from smcd_core.weights.components import vae_stride

PROBE_CLIPS = 16  # validation clips, for the probe in each run's log
BATCH = 4  # videos per call


@dataclass(frozen=True)
class Budget:
    """Steps, batches and sampling settings, the same for all systems."""

    backbone_steps: int = 1000  # on images, where no backbone is given
    video_steps: int = 300  # of the backbone on clips, so that its temporal layers know video as ModelScope's do
    mim_steps: int = 600  # on images
    diim_steps: int = 250  # on clips
    image_batch: int = 16
    clip_batch: int = 4
    lr: float = 1e-3
    clips: int = 24  # of the split "test"
    sampling_steps: int = 20
    guidance: float = 1.5  # of text and boxes together
    seed: int = 33


@dataclass(frozen=True)
class Run:
    """One training: its folder, what it trains, and the run whose weights it starts from."""

    name: str
    system: str
    stage: str
    start: str | None
    drops: bool = True  # drop conditions as often as the stage says


RUNS = (
    Run("backbone-images", "backbone", "backbone", None),
    Run("backbone", "backbone", "backbone", "backbone-images"),
    Run("mim", "mim", "mim", "backbone"),
    Run("zc+gca", "zc+gca", "diim", "mim"),
    Run("zc", "zc", "diim", "mim"),
    Run("gca", "gca", "diim", "mim"),
    Run("ctrlnet", "ctrlnet", "diim", "mim"),
    Run("zc+ctrlnet", "zc+ctrlnet", "diim", "mim"),
    Run("mim-temporal", "mim", "diim", "mim"),
    Run("zc+gca-joint", "zc+gca", "joint", "backbone"),
    Run("mim-kept", "mim", "mim", "backbone", drops=False),
    Run("zc+gca-kept", "zc+gca", "diim", "mim-kept", drops=False),
)


@dataclass(frozen=True)
class Row:
    """One row of the table: a run, sampled with or without guidance."""

    label: str
    run: str
    guided: bool = True

    def videos(self, out: Path) -> Path:
        return out / self.run / ("videos.safetensors" if self.guided else "videos-unguided.safetensors")


ROWS = (
    Row("backbone alone", "backbone"),
    Row("MIM only", "mim"),
    Row("MIM, temporal attention trained on", "mim-temporal"),
    Row("ZC", "zc"),
    Row("GCA", "gca"),
    Row("ZC+GCA (SMCD)", "zc+gca"),
    Row("CtrlNet", "ctrlnet"),
    Row("ZC+CtrlNet", "zc+ctrlnet"),
    Row("ZC+GCA, joint instead of two stages", "zc+gca-joint"),
    Row("ZC+GCA, sampled without guidance", "zc+gca", guided=False),
    Row("ZC+GCA, nothing dropped in training", "zc+gca-kept"),
    Row("the same, sampled without guidance", "zc+gca-kept", guided=False),
)


# Runs ----------------------------------------------------------------------------------------------------------------


def training_of(run: Run, budget: Budget, frames: int) -> TrainingConfig:
    """The settings of a run. The joint run sees as many frames as both stages together."""
    images = run.name == "backbone-images" or run.stage == "mim"
    joint = budget.diim_steps + round(budget.mim_steps * budget.image_batch / (budget.clip_batch * frames))
    steps = {"mim": budget.mim_steps, "diim": budget.diim_steps, "joint": joint}.get(run.stage)
    if steps is None:
        steps = budget.backbone_steps if images else budget.video_steps
    # In so few steps nothing is learned at the published learning rate, and no layout from uniform timesteps: this is
    # the recipe of the bundled checkpoint (models/README.md). Conditions are dropped as often as published.
    config = TrainingConfig(
        run.stage, steps, images=images, batch_size=budget.image_batch if images else budget.clip_batch, lr=budget.lr,
        warmup=30, cosine=True, betas=(0.9, 0.99), ema=0.98, seed=budget.seed, save_every=100, validate_every=steps,
    )  # fmt: skip
    if run.stage != "backbone":
        config = replace(config, timestep_power=0.7, object_weight=3.0)
    if not run.drops:
        config = replace(config, drop_text=0.0, drop_boxes=0.0, drop_first_frame=0.0, drop_image_tokens=0.0)
    return config


def select_runs(only: Sequence[str]) -> list[Run]:
    """Runs by name with those they start from, in order; all without a name. Raises TrainingError if one is unknown."""
    by_name = {run.name: run for run in RUNS}
    wanted = set()
    for name in only or by_name:
        if name not in by_name:
            raise TrainingError(f"there is no run {name!r}, expected some of {', '.join(by_name)}")
        while name:
            wanted.add(name)
            name = by_name[name].start
    return [run for run in RUNS if run.name in wanted]


def ablate(
    budget: Budget,
    data: EncodedClips,
    validation: EncodedClips,
    vae: AutoencoderKL,
    text: TextEncoder,
    out: Path,
    *,
    backbone: Checkpoint | None = None,
    sizes: dict[str, object] = SMALL,
    only: Sequence[str] = (),
    say: Callable[[str], None] = print,
) -> None:
    """Train and sample whatever is not finished yet, of one seed.

    backbone  checkpoint trained on images, used instead of the run backbone-images
    sizes     fields of SMCDConfig for all networks
    only      names of runs; the runs that they start from are added
    """
    frames, channels, _, width = data[0]["latents"].shape
    side = width * vae_stride(vae)
    clips = list(WorldClips(budget.clips, split="test", size=side, num_frames=frames))
    for run in select_runs(only):
        if run.name == "backbone-images" and backbone is not None:
            continue
        folder = out / run.name
        config = training_of(run, budget, frames)
        if not is_finished(folder, config):
            start = None
            if run.start is not None:
                given = run.start == "backbone-images" and backbone is not None
                start = backbone if given else read_checkpoint(out / run.start / "checkpoint.safetensors")
            say(f"{run.name}: {config.steps} steps")
            model_config = system_config(run.system, sizes | {"latent_channels": channels}, coverage_bias=True)
            probes = [validation[number] for number in range(min(PROBE_CLIPS, len(validation)))]
            train(config, model_config, data, folder, start=start, validation=probes)
        for row in ROWS:
            if row.run == run.name and not row.videos(out).exists():
                say(f"{run.name}: {len(clips)} videos")
                _generate(row, out, budget, clips, vae, text)


def is_finished(folder: Path, config: TrainingConfig) -> bool:
    """Whether the folder holds this run, finished. Raises TrainingError if it holds another run."""
    path = folder / "checkpoint.safetensors"
    if not path.exists():
        return False
    last = dict(read_checkpoint(path).info["training"][-1])
    step = last.pop("step")
    if TrainingConfig(**last | {"betas": tuple(last["betas"])}) != config:
        raise TrainingError(f"{folder}: holds a run with other settings; choose another --out or delete that folder")
    return step == config.steps


def _generate(row: Row, out: Path, budget: Budget, clips: list[Clip], vae: AutoencoderKL, text: TextEncoder) -> None:
    pipeline = SMCDPipeline(build(read_checkpoint(out / row.run / "checkpoint.safetensors")), vae, text)
    scale = budget.guidance if row.guided else 1.0
    height, width = clips[0].frames.shape[1:3]
    settings = dict(steps=budget.sampling_steps, guidance=Guidance(text=scale, boxes=scale), width=width, height=height)
    requests = [request_of(clip, number) for number, clip in enumerate(clips)]
    videos = generate_all(pipeline, requests, BATCH, **settings)
    with replacing(row.videos(out)) as temporary:
        save_file({"videos": torch.from_numpy(np.stack(videos))}, temporary)  # uint8 [clips, F, H, W, 3]
