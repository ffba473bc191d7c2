"""Training of SMCD in stages, on Accelerate: one process, several GPUs or several machines.

All randomness is drawn from (seed, step, place in the batch): a run that was killed continues on the same curve, and
the number of processes does not change it.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from functools import partial
from pathlib import Path

import torch
from accelerate import Accelerator
from accelerate.utils import set_seed
from diffusers.training_utils import EMAModel
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint as recompute
from torch.utils.data import DataLoader, default_collate
from tqdm import tqdm

from .blocks import ResBlock, SpatialTransformer, TemporalConv, TemporalTransformer
from .checkpoint import Checkpoint, write_checkpoint
from .config import SMCDConfig
from .data.encoded import EncodedClips
from .diffusion import TRAIN_STEPS, add_noise, predicted_x0, velocity
from .image import GatedCrossAttention, ImageEncoder, widen_input_conv
from .model import SMCD, Inputs
from .motion import BoxEncoder, GatedSelfAttention, box_coverage
from .run_folder import Log, resume, save_state
from .stages import TrainingConfig, TrainingError
from .unet import ControlNet

PROBE_TIMESTEP = 900  # so noisy that only the conditions tell where things are


# Which parameters train ----------------------------------------------------------------------------------------------


def trainable_modules(model: SMCD, stage: str) -> list[nn.Module]:
    """The modules whose parameters a stage trains. Source: SPEC, section 12."""
    if stage == "all":
        return [model]
    if stage == "backbone":
        gates = (GatedSelfAttention, GatedCrossAttention)
        return [m for m in model.unet.modules() if not list(m.children()) and not _inside(m, model.unet, gates)]
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


def _inside(module: nn.Module, root: nn.Module, kinds: tuple[type, ...]) -> bool:
    return any(module is inner for gate in root.modules() if isinstance(gate, kinds) for inner in gate.modules())


def trainable_parameters(model: SMCD, stage: str, images: bool = False) -> dict[str, nn.Parameter]:
    """Name and parameter of all that a stage trains; on images the temporal layers, which see nothing, are left out."""
    chosen = {id(p) for module in trainable_modules(model, stage) for p in module.parameters()}
    if images:
        temporal = [m for m in model.modules() if isinstance(m, TemporalConv | TemporalTransformer)]
        chosen -= {id(p) for module in temporal for p in module.parameters()}
    return {name: p for name, p in model.named_parameters() if id(p) in chosen}


# Where a run starts --------------------------------------------------------------------------------------------------


@torch.no_grad()
def zero_initialise(model: SMCD) -> None:
    """Close every branch that should start without effect. Source: SPEC, section 2.10 and 6."""
    for module in model.modules():
        if isinstance(module, ResBlock):
            _zero(module.out_layers[3])
            _zero(module.temopral_conv.conv4[3])
        elif isinstance(module, SpatialTransformer | TemporalTransformer):
            _zero(module.proj_out)
        elif isinstance(module, ControlNet):
            for conv in [*module.zero_convs, module.input_hint_block]:
                _zero(conv)
    model.unet.out[2].weight.zero_()


def _zero(layer: nn.Module) -> None:
    layer.weight.zero_()
    layer.bias.zero_()


@torch.no_grad()
def start_from(model: SMCD, weights: dict[str, Tensor]) -> list[str]:
    """Copy weights of another system into `model`; returns the names that start new.

    The input convolution is widened with zeros (ZC); a ControlNet starts as a copy of the encoder, and the decoder
    that reads it repeats the weights of its skip connections (SPEC, section 6). Raises TrainingError if a weight of
    the backbone is missing or of another shape.
    """
    new = []
    for name, parameter in model.named_parameters():
        source = weights.get(name)
        if source is None and name.startswith("control_net."):
            source = weights.get(name.replace("control_net.", "unet.", 1))
        if source is not None and source.shape != parameter.shape:
            source = _fit(name, source, parameter, model.config)
        if source is not None:
            parameter.copy_(source)
        elif name.startswith("unet.") and not any(part in name for part in ("_gate.", "_beta")):
            raise TrainingError(f"the checkpoint to start from lacks {name}: is it of the same size?")
        else:
            new.append(name)
    return new


def _fit(name: str, source: Tensor, target: Tensor, config: SMCDConfig) -> Tensor:
    if name == "unet.input_blocks.0.0.weight" and source.shape[1] < target.shape[1]:
        return widen_input_conv(source, target.shape[1])
    if name == "control_net.input_blocks.0.0.weight" and source.shape[1] > target.shape[1]:
        return source[:, : target.shape[1]]
    axis = 0 if source.ndim == 1 else 1
    extra = target.shape[axis] - source.shape[axis]
    if config.control and name.startswith("unet.output_blocks.") and 0 < extra <= source.shape[axis]:
        return torch.cat([source, source.narrow(axis, source.shape[axis] - extra, extra)], dim=axis)
    raise TrainingError(
        f"{name} has shape {list(source.shape)} in the checkpoint to start from, expected {list(target.shape)}: "
        "start from a checkpoint of the same size"
    )


def make_model(config: SMCDConfig, start: Checkpoint | None, seed: int) -> SMCD:
    """A model to train: new, or with the weights of `start`, which may be of a system with fewer parts."""
    torch.manual_seed(seed)
    model = SMCD(config)
    zero_initialise(model)
    if start is not None:
        start_from(model, start.weights)
    return model


# One step ------------------------------------------------------------------------------------------------------------


def draw(
    examples: list[dict[str, Tensor]], places: Iterable[int], step: int, config: TrainingConfig
) -> dict[str, Tensor]:
    """A batch with all that is random about it: noise, timestep, frame, dropped conditions.

    places  of the examples in the whole batch: of all processes, and of all that are accumulated
    Adds noise [B, F, 4, h, w], t [B] and keep [B, 4]: 1 where text, boxes, first frame and image tokens stay.
    """
    policy, drawn = config.policy, []
    for example, place in zip(examples, places):
        random = torch.Generator().manual_seed(hash((config.seed, step, place)) % 2**63)
        example = dict(example)
        if policy.images:
            frame = int(torch.randint(len(example["latents"]), (), generator=random))
            for name in ("latents", "boxes_xyxy", "mask"):
                example[name] = example[name][frame : frame + 1]
        uniform = torch.rand(5, generator=random)
        chances = torch.tensor([policy.drop_text, policy.drop_boxes, policy.drop_first_frame, policy.drop_image_tokens])
        example["keep"] = (uniform[:4] >= chances).float()
        example["t"] = (TRAIN_STEPS * uniform[4] ** config.timestep_power).long().clamp(max=TRAIN_STEPS - 1)
        example["noise"] = torch.randn(example["latents"].shape, generator=random)
        drawn.append(example)
    return default_collate(drawn)


class DenoisingLoss(nn.Module):
    """The model with its loss; what Accelerate wraps. Source: SPEC, section 12."""

    def __init__(self, model: SMCD, null_text: Tensor, config: TrainingConfig):
        super().__init__()
        self.model = model
        self.register_buffer("null_text", null_text, persistent=False)
        self.images = config.policy.images
        self.object_weight = config.object_weight

    def forward(self, batch: dict[str, Tensor]) -> Tensor:
        """A batch from `draw` -> scalar: mean squared error of the noise, or of v."""
        x0, noise, t = batch["latents"], batch["noise"], batch["t"]
        tokens = self.model.encode(self.inputs(batch))
        x = add_noise(x0, noise, t)
        prediction = self.model(x.flatten(0, 1), t, tokens, images=self.images)
        target = velocity(x0, noise, t) if self.model.config.prediction == "v" else noise
        error = (prediction.float() - target.flatten(0, 1)) ** 2  # [BF, 4, h, w]
        if self.object_weight == 1:
            return error.mean()
        boxes, mask = batch["boxes_xyxy"].flatten(0, 1), batch["mask"].flatten(0, 1)
        covered = box_coverage(boxes, mask, *error.shape[2:]).sum(-1).clamp(max=1)  # [BF, S]
        weight = 1 + (self.object_weight - 1) * covered.unflatten(1, error.shape[2:])[:, None]
        return (weight / weight.mean((1, 2, 3), keepdim=True) * error).mean()

    def inputs(self, batch: dict[str, Tensor]) -> Inputs:
        """Conditions of a batch, with those hidden that `keep` says."""
        text, boxes, first_frame, image_tokens = (k for k in batch["keep"].T)  # [B] each
        first = batch["latents"][:, 0]
        return Inputs(
            text=torch.where(text[:, None, None] > 0, batch["text"], self.null_text),
            num_frames=batch["latents"].shape[1],
            boxes_xyxy=batch["boxes_xyxy"],
            box_mask=batch["mask"] * boxes[:, None, None],
            phrases=batch["phrases"],
            first_frame=first * first_frame[:, None, None, None],
            # As published: a dropped image means the tokens of an all-zero latent.
            image_latent=first * image_tokens[:, None, None, None],
        )


@torch.no_grad()
def probe(loss: DenoisingLoss, examples: list[dict[str, Tensor]], device: torch.device) -> dict[str, float]:
    """Error of the clean latents that one call predicts at timestep 900: with the right boxes, with none, and with
    those of another clip. Shows whether the boxes are used long before samples do."""
    quiet = TrainingConfig(
        "all", 1, drop_text=0, drop_boxes=0, drop_first_frame=0, drop_image_tokens=0, images=loss.images
    )
    model, errors = loss.model, {"right": [], "none": [], "wrong": []}
    model.eval()
    for number, example in enumerate(examples):
        batch = {name: value.to(device) for name, value in draw([example], [number], 0, quiet).items()}
        other = {name: value.to(device) for name, value in draw([examples[number - 1]], [number], 0, quiet).items()}
        t = torch.full((1,), PROBE_TIMESTEP, device=device)
        x0 = batch["latents"].flatten(0, 1)
        x = add_noise(x0, batch["noise"].flatten(0, 1), t)
        for name in errors:
            changed = dict(batch)
            if name == "none":
                changed["mask"] = torch.zeros_like(batch["mask"])
            elif name == "wrong":
                changed |= {key: other[key] for key in ("boxes_xyxy", "mask")}
            prediction = model(x, t, model.encode(loss.inputs(changed)), images=loss.images)
            clean = predicted_x0(prediction.float(), x, t, model.config.prediction)
            errors[name].append((clean - x0).pow(2).mean().item())
    model.train()
    return {f"x0_{name}_boxes": sum(values) / len(values) for name, values in errors.items()}


# The loop ------------------------------------------------------------------------------------------------------------


def train(
    config: TrainingConfig,
    model_config: SMCDConfig,
    data: EncodedClips,
    out: str | os.PathLike,
    *,
    start: Checkpoint | None = None,
    validation: list[dict[str, Tensor]] = (),
    quiet: bool = False,
) -> Path:
    """Train to config.steps, or go on from where a run in `out` was stopped; returns the checkpoint.

    out holds afterwards: checkpoint.safetensors (the average of the weights where there is one), loss.csv, loss.png,
    and state-* to go on from. Raises TrainingError if a state in `out` does not belong to this run.
    """
    out = Path(out)
    accelerator = Accelerator(mixed_precision=config.mixed_precision, gradient_accumulation_steps=config.accumulation)
    out.mkdir(parents=True, exist_ok=True)
    if not len(data):
        raise TrainingError("the data set is empty")
    model = make_model(model_config, start, config.seed)
    model.requires_grad_(False)
    trained = trainable_parameters(model, config.stage, config.policy.images)
    if not trained:
        raise TrainingError(f"stage {config.stage} trains no parameter of this system: {model_config}")
    for parameter in trained.values():
        parameter.requires_grad_(True)
    if config.checkpointing:
        _recompute_activations(model)
    loss_module = DenoisingLoss(model, data.null_text, config).train()
    optimizer = torch.optim.AdamW(trained.values(), config.lr, config.betas, weight_decay=config.weight_decay)
    wrapped, optimizer = accelerator.prepare(loss_module, optimizer)
    average = EMAModel(trained.values(), decay=config.ema) if config.ema else None
    step = resume(accelerator, out, average)
    log = Log(out, step, accelerator.is_main_process)
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
                    accelerator.clip_grad_norm_(trained.values(), config.clip_norm)
                optimizer.step()
                optimizer.zero_grad()
            total += loss.detach() / config.accumulation
        if average:
            average.step(trained.values())
        step += 1
        mean = accelerator.gather(total[None]).mean().item()
        if not mean == mean:
            raise TrainingError(f"the loss is NaN at step {step}: lower lr ({config.lr}) or use full precision")
        row = {"step": step, "loss": mean, "lr": learning_rate(step - 1, config)}
        bar.update()
        bar.set_postfix(loss=f"{mean:.4f}")
        last = step == config.steps
        if validation and (step % config.validate_every == 0 or last) and accelerator.is_main_process:
            with _averaged(average, trained):
                row |= probe(loss_module, list(validation), accelerator.device)
            tqdm.write(f"step {step}: " + ", ".join(f"{k} {v:.4f}" for k, v in row.items() if k.startswith("x0")))
        log.add(row)
        if step % config.save_every == 0 or last:
            save_state(accelerator, out, step, average)
            if accelerator.is_main_process:
                with _averaged(average, trained):
                    weights = {name: value.contiguous() for name, value in model.state_dict().items()}
                    info = {"training": [*earlier, asdict(config) | {"step": step}]}
                    write_checkpoint(out / "checkpoint.safetensors", model_config, weights, info=info)
                log.plot()
    bar.close()
    accelerator.end_training()
    return out / "checkpoint.safetensors"


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

    def __init__(self, average: EMAModel | None, trained: dict[str, nn.Parameter]):
        self.average, self.trained = average, trained

    def __enter__(self):
        if self.average:
            self.average.store(self.trained.values())
            self.average.copy_to(self.trained.values())

    def __exit__(self, *exception):
        if self.average:
            self.average.restore(self.trained.values())
