"""Time and peak memory of a training step, compared with the same step in a plain loop.

The plain loop trains the same parameters of `smcd-tiny` on the same clips with the same loss and AdamW,
without the trainer. Stage 2; a step sees 16 frames of 128 x 128 pixels: 2 clips, or 16 images in stage 1. "wait" is the
part of a step spent waiting for its batch. "encoding in the step" runs VAE and text encoder on frames in memory,
instead of reading what `smcd encode` keeps on disk.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Iterable, Iterator
from functools import partial
from itertools import pairwise
from pathlib import Path
from statistics import median

from measure import arguments, main_with_folder, peak_memory

LR = 1e-4


def _write(args: argparse.Namespace) -> dict[str, float]:
    from smcd_core.data import SyntheticClips
    from smcd_core.training.encoded import encode_clips
    from smcd_core.weights.checkpoint import read_checkpoint
    from smcd_core.weights.components import unpack_components
    from smcd_core.weights.defaults import SPRITES_CHECKPOINT

    checkpoint = read_checkpoint(SPRITES_CHECKPOINT)
    clips = SyntheticClips(2 if args.tiny else 16, size=_side(args))
    encode_clips(clips, *unpack_components(checkpoint), args.folder, slots=checkpoint.config.box_slots)
    return {}


def _side(args: argparse.Namespace) -> int:
    return 32 if args.tiny else 128


class _Watched:
    """Passes batches on, and records when each was requested and how long it took."""

    def __init__(self, batches: Iterable):
        self.batches, self.asked, self.waited = iter(batches), [], []
        self.before = peak_memory()

    def __iter__(self) -> Iterator:
        return self

    def __next__(self):
        self.peak = peak_memory()
        self.asked.append(time.perf_counter())
        batch = next(self.batches)
        self.waited.append(time.perf_counter() - self.asked[-1])
        return batch

    def numbers(self, parts: int) -> dict[str, float]:
        """Medians over steps of `parts` batches; the first also sets up, and the end of the last is not seen."""
        starts = self.asked[::parts]
        waits = [sum(self.waited[number : number + parts]) for number in range(0, len(self.waited), parts)]
        return {
            "step_s": median(end - start for start, end in pairwise(starts[1:])),
            "wait_s": median(waits[1:-1]),
            "peak_memory_bytes": self.peak,
            "of_that_in_steps_bytes": self.peak - self.before,
        }


def plain(args: argparse.Namespace) -> dict[str, float]:
    import torch
    from torch.utils.data import DataLoader

    from smcd_core.networks.smcd import SMCD
    from smcd_core.training.encoded import EncodedClips
    from smcd_core.training.loss import DenoisingLoss, sample_batch
    from smcd_core.training.parameters import trainable_parameters

    config, checkpoint = _start(args, "diim")
    data, model = EncodedClips(args.folder), SMCD(checkpoint.config)
    model.load_state_dict(checkpoint.weights)
    model.requires_grad_(False)
    trained = list(trainable_parameters(model, "diim").values())
    for parameter in trained:
        parameter.requires_grad_(True)
    loss, optimizer = DenoisingLoss(model, data.null_text, config).train(), torch.optim.AdamW(trained, lr=LR)
    drawn = (
        sample_batch(examples, range(len(examples)), step, config)
        for step in range(config.steps)
        for examples in [next(iter(DataLoader(data, config.batch_size, shuffle=True, collate_fn=list)))]
    )
    batches = _Watched(drawn)
    for batch in batches:
        loss(batch).backward()
        torch.nn.utils.clip_grad_norm_(trained, config.clip_norm)
        optimizer.step()
        optimizer.zero_grad()
    return batches.numbers(1)


def _start(args: argparse.Namespace, stage: str, **settings):
    """Settings of the run, and the checkpoint that it starts from."""
    from smcd_core.training.config import TrainingConfig
    from smcd_core.weights.checkpoint import read_checkpoint
    from smcd_core.weights.defaults import SPRITES_CHECKPOINT

    batch = 16 if stage == "mim" else 2
    settings = {"batch_size": batch, "lr": LR, "save_every": args.steps + 2, **settings}
    return TrainingConfig(stage, args.steps + 2, **settings), read_checkpoint(SPRITES_CHECKPOINT)


def trainer(args: argparse.Namespace, stage: str = "diim", is_encoding: bool = False, **settings) -> dict[str, float]:
    from smcd_core.training import loop
    from smcd_core.training.encoded import EncodedClips

    config, checkpoint = _start(args, stage, **settings)
    data, made, batches = EncodedClips(args.folder), [], loop._batches
    loop._batches = lambda *given: made.append(_Watched(batches(*given))) or made[0]
    data = _encoding(args, data) if is_encoding else data
    with tempfile.TemporaryDirectory(dir=args.folder) as out:
        loop.train(config, checkpoint.config, data, out, start=checkpoint, quiet=True)
    return made[0].numbers(config.accumulation)


def _encoding(args: argparse.Namespace, encoded):
    """A data set of the same clips that encodes each when it is requested."""
    from smcd_core.data import SyntheticClips
    from smcd_core.training.encoded import _encode
    from smcd_core.weights.checkpoint import read_checkpoint
    from smcd_core.weights.components import unpack_components
    from smcd_core.weights.defaults import SPRITES_CHECKPOINT

    class Encoding:
        null_text, buckets = encoded.null_text, encoded.buckets
        clips = list(SyntheticClips(len(encoded), size=_side(args)))
        vae, text = unpack_components(read_checkpoint(SPRITES_CHECKPOINT))

        def __len__(self):
            return len(self.clips)

        def __getitem__(self, index: int):
            slots = encoded[0]["mask"].shape[1]
            (made,) = _encode([self.clips[index]], self.vae, self.text, self.text.phrases, slots)
            return {name: value.float() for name, value in made.items()}

    return Encoding()


if __name__ == "__main__":
    parser = arguments(__doc__)
    parser.add_argument("--folder", type=Path, help="where to write the clips (default: a temporary folder)")
    parser.add_argument("--steps", type=int, default=4, help="timed steps in each measurement (default %(default)s)")
    cases = {
        "stage 2, plain loop": plain,
        "stage 2 here": trainer,
        "with --checkpointing": partial(trainer, checkpointing=True),
        "with --accumulation 2": partial(trainer, batch_size=1, accumulation=2),
        "with --mixed-precision bf16": partial(trainer, mixed_precision="bf16"),
        "encoding in the step": partial(trainer, is_encoding=True),
        "stage 1 here": partial(trainer, stage="mim"),
        "joint here": partial(trainer, stage="joint"),
    }
    main_with_folder("training", parser.parse_args(), cases, _write)
