"""Training of SMCD in stages, on Accelerate: one process, several GPUs or several machines, whole or sharded (FSDP).

All randomness is drawn from (seed, step, place in the batch): a run that was killed continues on the same curve, and
the number of processes does not change it.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import asdict
from functools import partial
from pathlib import Path

import torch
from accelerate import Accelerator
from accelerate.utils import DistributedType, set_seed
from diffusers import AutoencoderKL
from diffusers.training_utils import EMAModel
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint as recompute
from torch.utils.data import DataLoader
from tqdm import tqdm

from ..networks.blocks import ResBlock, SpatialTransformer, TemporalConv, TemporalTransformer
from ..networks.config import SMCDConfig
from ..networks.image import GatedCrossAttention, ImageEncoder
from ..networks.motion import BoxEncoder, GatedSelfAttention
from ..networks.smcd import SMCD
from ..networks.unet import ControlNet
from ..weights.checkpoint import Checkpoint, write_checkpoint
from .config import TrainingConfig, TrainingError
from .encoded import EncodedClips
from .loss import DenoisingLoss, draw
from .run_folder import Log, resume, save_state, whole
from .start import make_model
from .validation import validate

# Which parameters train ----------------------------------------------------------------------------------------------


def trainable_modules(model: SMCD, stage: str) -> list[nn.Module]:
    """The modules whose parameters a stage trains. Source: SPEC, section 12."""
    if stage == "all":
        return [model]
    if stage == "backbone":
        gates = [m for m in model.unet.modules() if isinstance(m, GatedSelfAttention | GatedCrossAttention)]
        inside = {id(m) for gate in gates for m in gate.modules()}
        return [m for m in model.unet.modules() if not list(m.children()) and id(m) not in inside]
    mim = [m for m in model.modules() if isinstance(m, GatedSelfAttention | BoxEncoder)]
    if stage == "mim":
        return mim
    first = model.unet.input_blocks[0]
    diim = [m for m in model.modules() if isinstance(m, GatedCrossAttention | ImageEncoder | ControlNet)]
    diim += [
        # As published: the attention inside the temporal transformers, neither their norm and projections nor the
        # transformer after the first convolution.
        m.transformer_blocks
        for m in model.unet.modules()
        if isinstance(m, TemporalTransformer) and m is not first[1]
    ]
    if model.config.first_frame_concat:
        diim.append(first[0])
    return diim if stage == "diim" else mim + diim


def trainable_parameters(model: SMCD, stage: str, images: bool = False) -> dict[str, nn.Parameter]:
    """Name and parameter of all that a stage trains; on images the temporal layers, which see nothing, are left out."""
    chosen = {id(p) for module in trainable_modules(model, stage) for p in module.parameters()}
    if images:
        temporal = [m for m in model.modules() if isinstance(m, TemporalConv | TemporalTransformer)]
        chosen -= {id(p) for module in temporal for p in module.parameters()}
    return {name: p for name, p in model.named_parameters() if id(p) in chosen}


# The loop ------------------------------------------------------------------------------------------------------------


def train(
    config: TrainingConfig,
    model_config: SMCDConfig,
    data: EncodedClips,
    out: str | os.PathLike,
    *,
    start: Checkpoint | None = None,
    validation: list[dict[str, Tensor]] = (),
    vae: AutoencoderKL | None = None,
    tensorboard: bool = False,
    quiet: bool = False,
) -> Path:
    """Train to config.steps, or go on from where a run in `out` was stopped; returns the checkpoint.

    validation   clips for the probe of the boxes; with `vae`, some of them are sampled and drawn each time
    tensorboard  log there as well

    out holds afterwards: checkpoint.safetensors (the average of the weights where there is one), loss.csv, loss.png,
    samples/, tensorboard/ and state-* to go on from. Raises TrainingError if a state in `out` does not belong to this
    run.
    """
    out = Path(out)
    accelerator = _accelerator(config)
    out.mkdir(parents=True, exist_ok=True)
    if not len(data):
        raise TrainingError("the data set is empty")
    model = make_model(model_config, start, config.seed)
    shapes = {name: value.shape for name, value in model.state_dict().items()}
    if accelerator.is_fsdp2:
        _give_scalars_an_axis(model)
    model.requires_grad_(False)
    chosen = trainable_parameters(model, config.stage, config.policy.images)
    if not chosen:
        raise TrainingError(f"stage {config.stage} trains no parameter of this system: {model_config}")
    for parameter in chosen.values():
        parameter.requires_grad_(True)
    if config.checkpointing:
        _recompute_activations(model)
    loss_module = DenoisingLoss(model, data.null_text, config).train()
    wrapped, optimizer = accelerator.prepare(loss_module, _optimizer(config, list(chosen.values())))
    trained = [parameter for parameter in wrapped.parameters() if parameter.requires_grad]  # sharded, with FSDP
    average = EMAModel(trained, decay=config.ema) if config.ema else None
    step = resume(accelerator, out, average)
    if vae is not None:
        vae.to(accelerator.device)
    log = Log(out, step, accelerator.is_main_process, tensorboard)
    earlier = start.info.get("training", []) if start else []

    batches = _batches(data, config, step, accelerator)
    bar = tqdm(total=config.steps, initial=step, desc=config.stage, disable=quiet or not accelerator.is_main_process)
    while step < config.steps:
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(step, config)
        set_seed(config.seed + step, device_specific=True)  # for dropout
        total = torch.zeros((), device=accelerator.device)
        for _ in range(config.accumulation):
            batch = {name: value.to(accelerator.device) for name, value in next(batches).items()}
            with accelerator.accumulate(wrapped):
                loss = wrapped(batch)
                accelerator.backward(loss)
                if accelerator.sync_gradients:
                    accelerator.clip_grad_norm_(trained, config.clip_norm)
                optimizer.step()
                optimizer.zero_grad()
            total += loss.detach() / config.accumulation
        if average:
            average.step(trained)
        step += 1
        mean = accelerator.gather(total[None]).mean().item()
        if not mean == mean:
            raise TrainingError(f"the loss is NaN at step {step}: lower lr ({config.lr}) or use full precision")
        row = {"step": step, "loss": mean, "lr": learning_rate(step - 1, config)}
        bar.update()
        bar.set_postfix(loss=f"{mean:.4f}")
        last = step == config.steps
        is_saved = last or step % config.save_every == 0
        is_validated = bool(validation) and (last or step % config.validate_every == 0)
        if is_saved or is_validated:
            with _averaged(average, trained):
                weights = _whole_weights(accelerator, model, shapes)
                if is_validated and accelerator.is_main_process:
                    shown = DenoisingLoss(_network(model_config, weights), data.null_text, config)
                    with accelerator.autocast():
                        picture = out / "samples" / f"step-{step:08d}.png"
                        row |= validate(shown.to(accelerator.device).eval(), list(validation), vae, picture)
                if is_saved and accelerator.is_main_process:
                    info = {"training": [*earlier, asdict(config) | {"step": step}]}
                    write_checkpoint(out / "checkpoint.safetensors", model_config, weights, info=info)
            del weights
        log.add(row)
        if is_saved:
            # Last, so that a run that is killed between the two makes both anew.
            log.plot()
            save_state(accelerator, out, step, average)
    bar.close()
    log.close()
    accelerator.end_training()
    return out / "checkpoint.safetensors"


def _accelerator(config: TrainingConfig) -> Accelerator:
    """Raises TrainingError for a launch that this loop does not serve."""
    accelerator = Accelerator(mixed_precision=config.mixed_precision, gradient_accumulation_steps=config.accumulation)
    if config.mixed_precision == "fp16" and accelerator.device.type == "cpu":  # where it would quietly be "no"
        raise TrainingError("mixed_precision is fp16, which needs a GPU: choose no or bf16 on a CPU")
    if accelerator.distributed_type == DistributedType.DEEPSPEED:
        raise TrainingError(
            "DeepSpeed is not supported; FSDP shards the same way: in the configuration of accelerate, set "
            "distributed_type: FSDP, fsdp_version: 2 and fsdp_reshard_after_forward: true (as ZeRO-3) or false (ZeRO-2)"
        )
    if accelerator.distributed_type == DistributedType.FSDP and not accelerator.is_fsdp2:
        raise TrainingError("fsdp_version is 1 in the configuration of accelerate, expected 2")
    return accelerator


def _optimizer(config: TrainingConfig, parameters: list[nn.Parameter]) -> torch.optim.Optimizer:
    settings = dict(lr=config.lr, betas=config.betas, weight_decay=config.weight_decay)
    if config.optimizer == "adamw":
        return torch.optim.AdamW(parameters, **settings)
    try:
        from bitsandbytes.optim import AdamW8bit
    except ImportError as error:
        raise TrainingError(
            f"the optimizer adamw8bit needs the package bitsandbytes, which cannot be imported ({error}): "
            "pip install bitsandbytes, or use adamw"
        ) from None
    return AdamW8bit(parameters, **settings)


def _give_scalars_an_axis(model: SMCD) -> None:
    """FSDP cuts along the first axis, which the scalars of the gates lack; to the network [1] and [] are the same."""
    for module in model.modules():
        for name, parameter in list(module.named_parameters(recurse=False)):
            if parameter.ndim == 0:
                setattr(module, name, nn.Parameter(parameter.detach().reshape(1)))


def _whole_weights(accelerator: Accelerator, model: SMCD, shapes: dict[str, torch.Size]) -> dict[str, Tensor]:
    """State dict on the main process, gathered where it is sharded; all processes must call this."""
    weights = {}
    for name, value in model.state_dict().items():
        value = whole(value)
        if accelerator.is_main_process:
            weights[name] = value.reshape(shapes[name]).contiguous()
    return weights


def _network(model_config: SMCDConfig, weights: dict[str, Tensor]) -> SMCD:
    """A network of its own, which shares the weights where they are not sharded: a part of a sharded network cannot run
    on one process alone."""
    model = SMCD(model_config, device="meta")
    model.load_state_dict(weights, assign=True)
    return model


def learning_rate(step: int, config: TrainingConfig) -> float:
    """At a step counted from 0: linear warm-up, then constant or half a cosine."""
    warm = min(1.0, (step + 1) / config.warmup) if config.warmup else 1.0
    if not config.cosine:
        return config.lr * warm
    wave = (1 + torch.cos(torch.tensor(torch.pi * step / config.steps)).item()) / 2
    return config.lr * warm * (0.02 + 0.98 * wave)


def _recompute_activations(model: SMCD) -> None:
    """Trade time for memory: keep only the inputs of each block and compute the rest again in the backward pass."""
    for module in model.modules():
        if isinstance(module, ResBlock | SpatialTransformer | TemporalTransformer):
            module.forward = partial(recompute, module.forward, use_reentrant=False)


def _batches(
    data: EncodedClips, config: TrainingConfig, step: int, accelerator: Accelerator
) -> Iterator[dict[str, Tensor]]:
    """Endless batches of this process from `step` on."""
    loader = DataLoader(
        data,
        batch_sampler=_Sampler(len(data), config, step, accelerator.process_index, accelerator.num_processes),
        collate_fn=list,
        generator=torch.Generator(),  # of its own: starting a loader would else draw from the one that dropout uses
    )
    size, first = config.batch_size, accelerator.process_index * config.batch_size
    for number, examples in enumerate(loader, start=step * config.accumulation):
        step, part = divmod(number, config.accumulation)
        place = part * size * accelerator.num_processes + first
        yield draw(examples, range(place, place + size), step, config)


class _Sampler:
    """Which clips each batch holds: every epoch visits all clips once, in an order of its own."""

    def __init__(self, length: int, config: TrainingConfig, step: int, process: int, processes: int):
        self.length, self.config, self.step = length, config, step
        self.process, self.processes = process, processes

    def __iter__(self) -> Iterator[list[int]]:
        size = self.config.batch_size
        place = self.step * self.config.accumulation * size * self.processes
        epoch, order = -1, []
        while True:
            batch = []
            for _ in range(size * self.processes):
                if place // self.length != epoch:
                    epoch = place // self.length
                    random = torch.Generator().manual_seed(self.config.seed + epoch)
                    order = torch.randperm(self.length, generator=random).tolist()
                batch.append(order[place % self.length])
                place += 1
            yield batch[self.process * size : (self.process + 1) * size]


class _averaged:
    """Inside, the trained parameters hold their average (if there is one)."""

    def __init__(self, average: EMAModel | None, trained: list[nn.Parameter]):
        self.average, self.trained = average, trained

    def __enter__(self):
        if self.average:
            self.average.store(self.trained)
            self.average.copy_to(self.trained)

    def __exit__(self, *exception):
        if self.average:
            self.average.restore(self.trained)
