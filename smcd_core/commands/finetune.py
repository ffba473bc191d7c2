"""smcd finetune: train a checkpoint further on your own clips, in one command."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import SMCDError
from ..terminal import say
from ..training.config import STAGES, TrainingConfig
from .arguments import whole
from .train import add_training_options, check_packages, given_training, log_beside_bars

if TYPE_CHECKING:
    from accelerate import PartialState
    from diffusers import AutoencoderKL

    from ..data import Clip
    from ..networks.text import TextEncoder
    from ..training.encoded import EncodedClips

# The published stage 2, shorter, and one clip at a time to save memory.
DEFAULT = TrainingConfig("diim", 1000, batch_size=1, save_every=250, validate_every=250)
FILE = "smcd.safetensors"  # the result: a checkpoint with VAE and text encoder inside; of --lora, lora.safetensors


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "The videos, their captions (walk.txt beside walk.mp4, or captions.json) and boxes, where there are some, are "
        "found as by `smcd data check`. Encoded clips are kept in OUT/clips; a stopped run goes on."
    )
    parser.add_argument("root", type=Path, metavar="DIR", help="folder with the videos")
    parser.add_argument(
        "--out", type=Path, required=True, help=f"run folder; the result is OUT/{FILE}, or OUT/lora.safetensors"
    )
    parser.add_argument("--checkpoint", type=Path, help="to start from (default: the bundled one)")
    parser.add_argument(
        "--components", type=Path, help="folder with vae/, text_encoder/, tokenizer/, if CHECKPOINT has none inside"
    )
    parser.add_argument("--stage", choices=STAGES, default=DEFAULT.stage, help="what to train (default %(default)s)")
    parser.add_argument("--frames", type=whole(1, 4096), help="frames per clip (default: as CHECKPOINT was trained)")
    parser.add_argument("--pixels", type=whole(1, 16384), help="side of a frame (default: as CHECKPOINT was trained)")
    parser.add_argument(
        "--passes", type=whole(1, 10**4), default=4, help="clips to cut from each video (default %(default)s)"
    )
    parser.add_argument("--flips", action="store_true", help="train on each clip mirrored, too")
    parser.add_argument("--phrase", help="phrase for objects whose boxes have no name")
    parser.add_argument("--tensorboard", action="store_true", help="log to TensorBoard too, not only to OUT/loss.csv")
    add_training_options(parser, DEFAULT, without=("shards_at_once",))
    parser.set_defaults(run=_finetune, extra="train")


def _finetune(args: argparse.Namespace) -> None:
    from dataclasses import replace
    from itertools import islice

    from ..data import FolderClips, WithFlips
    from ..files import check_folder
    from ..sampling.pipeline import check_together
    from ..sampling.settings import Settings, check_size
    from ..training.encoded import check_encoded, processes
    from ..training.loop import TIMEOUT, check_training, train
    from ..training.run_folder import check_state, own_settings
    from ..weights.checkpoint import read_checkpoint, write_checkpoint
    from ..weights.components import load_components, pack_components, unpack_components
    from ..weights.defaults import DEFAULT_CHECKPOINT, read_defaults
    from ..weights.stored import size_multiple

    check_folder(args.out)
    config = replace(DEFAULT, stage=args.stage, **given_training(args))
    state = processes(timeout=TIMEOUT)  # they share the encoding
    check_state(args.out, own_settings(config, state.num_processes))
    checkpoint = read_checkpoint(args.checkpoint or DEFAULT_CHECKPOINT)
    defaults = read_defaults(checkpoint)
    given = Settings.of(defaults, width=args.pixels, num_frames=args.frames)
    size, frames = given.width, given.num_frames
    check_size(size, size, size_multiple(checkpoint, args.components), "--pixels")
    clips: Sequence[Clip] = FolderClips(args.root, size=size, num_frames=frames, passes=args.passes, phrase=args.phrase)
    check_packages(config, args.tensorboard)
    check_training(config, checkpoint.config, state.device)
    clips = WithFlips(clips) if args.flips else clips

    slots = checkpoint.config.box_slots
    noted = {"checkpoint": checkpoint.path.name, "dataset": "folder", "root": args.root.resolve().name}
    noted |= {"clips": len(clips), "phrase": args.phrase}
    noted |= {"size": size, "num_frames": frames, "slots": slots} | ({"flips": True} if args.flips else {})
    check_encoded(args.out / "clips", noted)
    vae, text = load_components(args.components) if args.components else unpack_components(checkpoint)
    check_together(checkpoint.config, vae, text)
    with log_beside_bars():
        data = _encode(
            clips, vae.to(state.device), text.to(state.device), args.out / "clips", noted, state, config.workers
        )
        trained = train(
            config, checkpoint.config, data, args.out, start=checkpoint, validation=list(islice(data, 4)), vae=vae,
            tensorboard=args.tensorboard,
        )  # fmt: skip
    if state.is_main_process and config.lora:
        base = f" --checkpoint {args.checkpoint}" if args.checkpoint else ""
        say(f"{trained}: try it with smcd animate{base} --lora {trained}")
    elif state.is_main_process:
        result = read_checkpoint(trained)
        info = (
            checkpoint.info | result.info | {"defaults": defaults | {"width": size, "height": size, "frames": frames}}
        )
        target = args.out / FILE
        write_checkpoint(target, result.config, result.weights, **pack_components(vae, text), info=info)
        say(f"{target}: try it with smcd animate --checkpoint {target}")


def _encode(
    clips: Sequence[Clip],
    vae: AutoencoderKL,
    text: TextEncoder,
    folder: Path,
    noted: dict,
    state: PartialState,
    workers: int,
) -> EncodedClips:
    """Encode the clips that are not in the folder yet; each process takes its share, and waits for the others."""
    from tqdm import tqdm

    from ..data.samples import SampleError, log_left_out
    from ..training.encoded import PATTERN, EncodedClips, NoClipsError, encode_clips, shards

    left_out: list[SampleError] = []

    def report(error: SampleError) -> None:
        left_out.append(error)
        log_left_out(error)

    share = {"part": state.process_index, "parts": state.num_processes}
    total = sum(map(len, shards(len(clips), **share).values()))
    with tqdm(total=total, unit="clip", desc="encoding") as bar:
        encode_clips(
            clips,
            vae,
            text,
            folder,
            slots=noted["slots"],
            **share,
            workers=workers,
            settings=noted,
            progress=bar.update,
            report=report,
        )
    state.wait_for_everyone()
    try:
        return EncodedClips(folder)
    except NoClipsError:
        state.wait_for_everyone()
        for path in folder.glob(PATTERN):  # they would be taken for the clips once the videos are mended
            path.unlink(missing_ok=True)
        why = f": {left_out[0]}" if left_out else ""
        raise SMCDError(f"{noted['root']}: none of its {len(clips)} clips can be trained on{why}") from None
