"""Training of SMCD in stages, on Accelerate: one process, several GPUs or several machines, whole or sharded (FSDP).

What a step sees at random depends on the seed, the step and the place in the batch alone: a run that was killed
continues on the same curve, and so it does with another number of processes, as long as the clips per step stay the
same. Only the masks of dropout differ between processes.
"""

from __future__ import annotations

import logging
import math
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from datetime import timedelta
from functools import partial
from itertools import count, islice
from pathlib import Path

import torch
from accelerate import Accelerator
from accelerate.utils import DistributedType, InitProcessGroupKwargs
from diffusers import AutoencoderKL
from diffusers.training_utils import EMAModel
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint as recompute
from torch.utils.data import DataLoader
from tqdm import tqdm

from ..networks.blocks import ResBlock, SpatialTransformer, TemporalTransformer
from ..networks.config import SMCDConfig
from ..networks.smcd import SMCD
from ..weights.checkpoint import Checkpoint, write_checkpoint
from ..weights.defaults import DEFAULTS, read_defaults
from ..weights.lora import LowRank, merged, write_lora
from .config import TrainingConfig, TrainingError
from .encoded import EncodedClips
from .interrupt import Interrupt
from .lora import add_lora, without_adapters
from .loss import DenoisingLoss, fold_seed, sample_batch
from .parameters import trainable_parameters
from .run_folder import Log, gather, resume, save_state, settings_of
from .start import check_lora_start, fit_to_clips, make_model
from .validation import validate

# Validation runs on one process while the others wait for it; the default of 10 minutes may be too short.
READ_EVERY = 10  # steps: reading a loss waits for the device, which then waits for its next work
TIMEOUT = timedelta(hours=2)


def train(
    config: TrainingConfig,
    model_config: SMCDConfig,
    data: EncodedClips,
    out: str | os.PathLike,
    *,
    start: Checkpoint | None = None,
    validation: Sequence[dict[str, Tensor]] = (),
    vae: AutoencoderKL | None = None,
    tensorboard: bool = False,
    quiet: bool = False,
) -> Path:
    """Train to config.steps, or continue the run in `out`; returns the path of the checkpoint, or of the LoRA.

    The checkpoint's box_slots is that of the clips, whatever `model_config` says.

    validation   clips for the probe of the boxes; with `vae`, the first few are also sampled and drawn each time
    tensorboard  log to TensorBoard as well
    quiet        no progress bar

    Afterwards `out` holds checkpoint.safetensors or lora.safetensors (the average of the weights if there is one), with
    config.keep_every also such files of earlier steps, loss.csv, loss.png, samples/, tensorboard/ and state-*, from
    which the run continues.

    Ctrl-C waits for the end of the step and saves a state; a second one does not.

    Raises TrainingError if clips and network do not fit together, if a state in `out` is of another run, or if a LoRA
    does not start from a checkpoint of the same network.
    """
    if not len(data):
        raise TrainingError("the data set is empty")
    for shards in data.buckets.values():
        model_config = fit_to_clips(model_config, data[shards[0][0]])
    if config.lora:
        check_lora_start(model_config, start)
    accelerator = _accelerator(config)
    run = _Run(config, model_config, data, Path(out), start, accelerator)
    if run.step >= config.steps and accelerator.is_main_process:
        logging.getLogger("smcd").warning(
            "%s: the run has %d steps already, so nothing was trained: ask for more steps in all than that",
            out,
            run.step,
        )
    if vae is not None:
        vae.to(accelerator.device)
    log = Log(run.out, run.step, accelerator.is_main_process, tensorboard)
    batches = _batches(data, config, run.step, accelerator)
    hidden = quiet or not accelerator.is_main_process
    with (
        tqdm(total=config.steps, initial=run.step, desc=config.stage, disable=hidden) as bar,
        Interrupt().watched() as interrupt,
    ):
        rows: list[dict[str, float]] = []  # of the log, until they are there
        try:
            while run.step < config.steps:
                with interrupt.held():
                    run.take_step(batches)
                bar.update()
                is_saved = run.is_due(config.save_every)
                is_validated = bool(validation) and run.is_due(config.validate_every)
                files = run.files_due()
                if not (files or is_validated or run.is_due(READ_EVERY)):
                    continue
                with interrupt.held():
                    rows = run.read_losses()
                bar.set_postfix(loss=f"{rows[-1]['loss']:.4f}")
                rows[-1] |= run.validate_and_save(validation if is_validated else (), vae, files)
                with interrupt.held():
                    log.add_all(rows)
                    if is_saved:
                        # Last, so that a run that is killed in between makes both of them again.
                        log.plot()
                        run.save_state()
        except KeyboardInterrupt:
            # Processes may be stopped at different steps, whose parts make no state.
            if run.step > run.saved and not interrupt.is_broken and accelerator.num_processes == 1:
                log.add_all([*rows, *run.read_losses()])
                run.validate_and_save((), None, run.files_due())  # those that validation was to come before
                run.save_state()
            raise KeyboardInterrupt(run.told_of_stop()) from None
    log.close()
    accelerator.end_training()
    return run.checkpoint


class _Run:
    """Network, optimizer and average of a run on this process, new or as the newest state in `out` has them."""

    def __init__(
        self,
        config: TrainingConfig,
        model_config: SMCDConfig,
        data: EncodedClips,
        out: Path,
        start: Checkpoint | None,
        accelerator: Accelerator,
    ):
        out.mkdir(parents=True, exist_ok=True)
        self.config, self.model_config, self.out, self.accelerator = config, model_config, out, accelerator
        self.checkpoint = out / ("lora.safetensors" if config.lora else "checkpoint.safetensors")
        self.start, self.defaults = start, read_defaults(start) if start else DEFAULTS
        self.null_text = data.null_text
        self.model = make_model(model_config, start, config.seed)
        _freeze_the_rest(self.model, config)
        self.shapes = {name: value.shape for name, value in self.model.state_dict().items()}
        self.halved = _halve_frozen_layers(self.model, config, accelerator)
        if accelerator.is_fsdp2:
            _give_scalars_an_axis(self.model)
        if config.checkpointing:
            _recompute_activations(self.model)
        loss = DenoisingLoss(self.model, data.null_text, config).train()
        self.loss, self.optimizer = accelerator.prepare(loss, _optimizer(config, self.model))
        self.trained = [parameter for parameter in self.loss.parameters() if parameter.requires_grad]  # FSDP: shards
        self.average = EMAModel(self.trained, decay=config.ema) if config.ema else None
        self.unread: list[tuple[int, Tensor, float]] = []  # step, loss on the device, rate
        self.settings = settings_of(config, model_config, len(data), accelerator.num_processes)
        self.step = self.saved = resume(accelerator, out, self.average, self.settings)

    def take_step(self, batches: Iterator[dict[str, Tensor]]) -> None:
        """Update the weights once; `read_losses` tells the loss."""
        accelerator, config = self.accelerator, self.config
        rate = learning_rate(self.step, config)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        torch.manual_seed(fold_seed(config.seed, self.step, accelerator.process_index))  # for dropout
        total = torch.zeros((), device=accelerator.device)
        for _ in range(config.accumulation):
            batch = {name: value.to(accelerator.device) for name, value in next(batches).items()}
            with accelerator.accumulate(self.loss):
                loss = self.loss(batch)
                accelerator.backward(loss)
                if accelerator.sync_gradients:
                    accelerator.clip_grad_norm_(self.trained, config.clip_norm)
                self.optimizer.step()
                self.optimizer.zero_grad()
            total += loss.detach() / config.accumulation
        if self.average:
            self.average.step(self.trained)
        self.step += 1
        self.unread.append((self.step, total, rate))

    def save_state(self) -> None:
        save_state(self.accelerator, self.out, self.step, self.average, self.settings)
        self.saved = self.step

    def told_of_stop(self) -> str:
        """Where a run that was stopped goes on."""
        lost = f"; steps since then, which are lost: {self.step - self.saved}" if self.step > self.saved else ""
        return f"the same command goes on after step {self.saved} of {self.config.steps}{lost}"

    def read_losses(self) -> list[dict[str, float]]:
        """The rows of the log since the last call. Raises TrainingError if a loss is NaN."""
        if not self.unread:
            return []
        steps, totals, rates = zip(*self.unread, strict=True)
        self.unread.clear()
        means = self.accelerator.gather(torch.stack(totals)[None]).mean(0).tolist()
        for step, mean in zip(steps, means, strict=True):
            if math.isnan(mean):
                raise TrainingError(
                    f"the loss is NaN at step {step}: lower lr ({self.config.lr}) or use full precision"
                )
        return [dict(zip(("step", "loss", "lr"), row, strict=True)) for row in zip(steps, means, rates, strict=True)]

    def is_due(self, every: int) -> bool:
        return self.step == self.config.steps or self.step % every == 0

    def files_due(self) -> list[Path]:
        """Where to write the checkpoint after this step: its own name, and one with the step to keep it."""
        files = [self.checkpoint] if self.is_due(self.config.save_every) else []
        if self.config.keep_every and self.step % self.config.keep_every == 0:
            files.append(self.checkpoint.with_stem(f"{self.checkpoint.stem}-{self.step:08d}"))
        return files

    def validate_and_save(
        self, examples: Sequence[dict[str, Tensor]], vae: AutoencoderKL | None, files: Sequence[Path]
    ) -> dict[str, float]:
        """Validate on the examples, if there are any, and write the checkpoint to files; returns the probe."""
        if not (examples or files):
            return {}
        accelerator, probed = self.accelerator, {}
        with _averaged(self.average, self.trained):
            weights, changes = without_adapters(self._whole_weights())
            if examples and accelerator.is_main_process:
                # A network of its own, as a sharded one cannot run on one process. It shares weights that are whole.
                network = SMCD(self.model_config, device="meta")
                network.load_state_dict(merged(weights, changes), assign=True)
                loss = DenoisingLoss(network, self.null_text, self.config).to(accelerator.device).eval()
                with accelerator.autocast():
                    picture = self.out / "samples" / f"step-{self.step:08d}.png"
                    probed = validate(loss, examples, vae, picture, self.defaults)
            if accelerator.is_main_process:
                for path in files:
                    self._write(path, weights, changes)
        return probed

    def _write(self, path: Path, weights: dict[str, Tensor], changes: dict[str, LowRank]) -> None:
        """Write the checkpoint, or the LoRA."""
        done = asdict(self.config) | {"step": self.step}
        if self.config.lora and self.start:  # a LoRA always starts from a checkpoint
            write_lora(path, changes, {"training": [done], "base": self.start.path.name})
        else:
            earlier, exact = (self.start.info.get("training", []), self.start.weights) if self.start else ([], {})
            for name in self.halved:
                if name in exact and exact[name].shape == weights[name].shape:
                    weights[name] = exact[name]
            info = {"defaults": self.start.info["defaults"]} if self.start and "defaults" in self.start.info else {}
            write_checkpoint(path, self.model_config, weights, info={"training": [*earlier, done], **info})

    def _whole_weights(self) -> dict[str, Tensor]:
        """State dict on the main process, gathered where it is sharded. All processes must call this."""
        weights = {}
        for name, value in self.model.state_dict().items():
            value = gather(value)
            if self.accelerator.is_main_process:
                weights[name] = value.reshape(self.shapes[name]).contiguous()
        return weights


def _accelerator(config: TrainingConfig) -> Accelerator:
    """Raises TrainingError for a launch that this loop does not support."""
    accelerator = Accelerator(
        mixed_precision=config.mixed_precision,
        gradient_accumulation_steps=config.accumulation,
        kwargs_handlers=[InitProcessGroupKwargs(timeout=TIMEOUT)],
    )
    _check_precision(config, accelerator.device)
    if accelerator.distributed_type == DistributedType.DEEPSPEED:
        raise TrainingError(
            "DeepSpeed is not supported; FSDP shards the same way: in the configuration of accelerate, set "
            "distributed_type: FSDP, fsdp_version: 2 and fsdp_reshard_after_forward: true (as ZeRO-3) or false (ZeRO-2)"
        )
    if accelerator.distributed_type == DistributedType.FSDP and not accelerator.is_fsdp2:
        raise TrainingError("fsdp_version is 1 in the configuration of accelerate, expected 2")
    return accelerator


def check_training(config: TrainingConfig, model_config: SMCDConfig, device: torch.device) -> None:
    """Raise TrainingError for what `train` would refuse of any clips, before the work of encoding them."""
    _check_precision(config, device)
    _freeze_the_rest(SMCD(model_config, device="meta"), config)


def _check_precision(config: TrainingConfig, device: torch.device) -> None:
    if config.mixed_precision == "fp16" and device.type == "cpu":  # Accelerate would quietly take "no"
        raise TrainingError("mixed_precision is fp16, which needs a GPU: choose no or bf16 on a CPU")


def _freeze_the_rest(model: SMCD, config: TrainingConfig) -> None:
    """Let only the parameters of the stage train, or their adapters. Raises TrainingError if there are none."""
    model.requires_grad_(False)
    images = config.effective_stage.images
    if config.lora:
        chosen = add_lora(model, config.stage, images, config.lora)
    else:
        chosen = trainable_parameters(model, config.stage, images)
    if not chosen:
        raise TrainingError(f"stage {config.stage} trains no parameter of this system: {model.config}")
    for parameter in chosen.values():
        parameter.requires_grad_(True)


def _halve_frozen_layers(model: SMCD, config: TrainingConfig, accelerator: Accelerator) -> list[str]:
    """Store frozen linear layers and convolutions in config.frozen_dtype; returns the names of their weights.

    The others, such as norms, compute in float32 under autocast. Raises TrainingError under FSDP, which shards layers
    of one type only.
    """
    if config.frozen_dtype == "no":
        return []
    if accelerator.distributed_type == DistributedType.FSDP:
        raise TrainingError("frozen_dtype cannot be used with FSDP, which shards the frozen weights: leave it out")
    dtype, halved = {"bf16": torch.bfloat16, "fp16": torch.float16}[config.frozen_dtype], []
    for layer_name, layer in model.named_modules():
        if isinstance(layer, nn.Linear | nn.modules.conv._ConvNd):
            for name, parameter in layer.named_parameters(recurse=False):
                if not parameter.requires_grad:
                    parameter.data = parameter.data.to(dtype)
                    halved.append(f"{layer_name}.{name}".replace(".base_layer.", "."))
    return halved


def _optimizer(config: TrainingConfig, model: SMCD) -> torch.optim.Optimizer:
    parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
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
    """Make the scalar gates [1]: FSDP cuts along the first axis, which they lack. The network computes the same."""
    for module in model.modules():
        for name, parameter in list(module.named_parameters(recurse=False)):
            if parameter.ndim == 0:
                setattr(module, name, nn.Parameter(parameter.detach().reshape(1)))


def learning_rate(step: int, config: TrainingConfig) -> float:
    """Rate at a step, counted from 0: linear warm-up, times 1 or half a cosine down to 0.02.

    A function of the step alone, so that a resumed run needs no state of a scheduler.
    """
    rate = config.lr * (min(1.0, (step + 1) / config.warmup) if config.warmup else 1.0)
    if config.cosine:
        rate *= 0.02 + 0.98 * (1 + math.cos(math.pi * step / config.steps)) / 2
    return rate


def _recompute_activations(model: SMCD) -> None:
    """Trade time for memory: keep only the inputs of each block, and recompute the rest in the backward pass."""
    for module in model.modules():
        if isinstance(module, ResBlock | SpatialTransformer | TemporalTransformer):
            module.forward = partial(recompute, module.forward, use_reentrant=False)


def _batches(
    data: EncodedClips, config: TrainingConfig, step: int, accelerator: Accelerator
) -> Iterator[dict[str, Tensor]]:
    """Endless batches for this process, starting at `step`."""
    loader = DataLoader(
        data,
        batch_sampler=_Sampler(
            [*data.buckets.values()], config, step, accelerator.process_index, accelerator.num_processes
        ),
        collate_fn=list,
        num_workers=config.workers,
        generator=torch.Generator(),  # or the loader would draw its seed from the generator that dropout uses
    )
    size, first = config.batch_size, accelerator.process_index * config.batch_size
    for number, examples in enumerate(loader, start=step * config.accumulation):
        step, part = divmod(number, config.accumulation)
        place = part * size * accelerator.num_processes + first
        yield sample_batch(examples, range(place, place + size), step, config)


class _Sampler:
    """Indices of the clips in each batch, all processes' of one bucket of equally large clips.

    Each bucket is visited again and again, every time in a new order; which one comes next is random, in proportion to
    its clips. Without several of them, an epoch is a pass over all clips.

    buckets  for each, the indices in every shard
    """

    def __init__(
        self, buckets: Sequence[Sequence[range]], config: TrainingConfig, step: int, process: int, processes: int
    ):
        self.buckets, self.config, self.step = buckets, config, step
        self.process, self.processes = process, processes

    def __iter__(self) -> Iterator[list[int]]:
        size = self.config.batch_size
        orders = [_endless(shards, self.config) for shards in self.buckets]
        shares = torch.tensor([float(sum(map(len, shards))) for shards in self.buckets])
        chance = torch.Generator().manual_seed(self.config.seed)
        first = self.step * self.config.accumulation
        for number in count():
            bucket = int(torch.multinomial(shares, 1, generator=chance)) if len(shares) > 1 else 0
            batch = list(islice(orders[bucket], size * self.processes))
            if number >= first:
                yield batch[self.process * size : (self.process + 1) * size]


def _endless(shards: Sequence[range], config: TrainingConfig) -> Iterator[int]:
    """All indices, epoch after epoch, shuffled as a whole or within groups of config.shards_at_once shuffled shards."""
    at_once = config.shards_at_once or len(shards)
    for epoch in count():
        random = torch.Generator().manual_seed(config.seed + epoch)
        if at_once < len(shards):
            shards = [shards[place] for place in torch.randperm(len(shards), generator=random).tolist()]
        for start in range(0, len(shards), at_once):
            indices = [index for shard in shards[start : start + at_once] for index in shard]
            for place in torch.randperm(len(indices), generator=random).tolist():
                yield indices[place]


@contextmanager
def _averaged(average: EMAModel | None, trained: list[nn.Parameter]) -> Iterator[None]:
    """Let the trained parameters hold their average inside the block, if there is one."""
    if average is None:
        yield
        return
    average.store(trained)
    average.copy_to(trained)
    try:
        yield
    finally:
        average.restore(trained)
