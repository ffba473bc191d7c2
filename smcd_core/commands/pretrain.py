"""smcd pretrain: train a small autoencoder or text encoder from nothing."""

from __future__ import annotations

import argparse
from pathlib import Path

from .arguments import number, whole
from .data import CLIPS


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("network", choices=("autoencoder", "text-encoder"), help="which of the two")
    parser.add_argument("--out", type=Path, required=True, help="folder to write vae/ or text_encoder/, tokenizer/ to")
    parser.add_argument(
        "--steps",
        type=whole(1, 10**9),
        help="of the optimizer (default 3000 for the autoencoder, 1500 for the text encoder)",
    )
    parser.add_argument(
        "--decoder-only", action="store_true", help="improve the decoder of a finished autoencoder, keep its latents"
    )
    autoencoder = parser.add_argument_group("the autoencoder")
    autoencoder.add_argument(
        "--dataset", choices=CLIPS, default="world", help="clips to learn from (default %(default)s)"
    )
    autoencoder.add_argument(
        "--latent-channels", type=whole(1, 256), default=4, help="more keep more detail (default %(default)s)"
    )
    autoencoder.add_argument(
        "--channels",
        type=whole(1, 8192),
        nargs=4,
        default=(32, 32, 64, 128),
        help="of its resolutions (default 32 32 64 128)",
    )
    autoencoder.add_argument("--blocks", type=whole(1, 64), default=1, help="of each resolution (default %(default)s)")
    autoencoder.add_argument(
        "--detail-weight", type=number(0, 1000), default=0.5, help="of sharp edges in the loss (default %(default)s)"
    )
    autoencoder.add_argument(
        "--batch-size", type=whole(1, 10**4), default=8, help="crops of a step (default %(default)s)"
    )
    autoencoder.add_argument("--lr", type=number(1e-9, 1), default=1e-3, help="learning rate (default %(default)s)")
    autoencoder.add_argument("--device", help="cpu, cuda, cuda:1, mps, ... (default: the fastest there is)")
    parser.set_defaults(run=_pretrain)


def _pretrain(args: argparse.Namespace) -> None:
    from ..files import check_folder
    from ..training import pretrain

    check_folder(args.out)
    if args.network == "autoencoder":
        from ..data import render_clip, render_world_clip
        from ..sampling.devices import chosen_device

        pretrain.train_autoencoder(
            args.out,
            steps=args.steps or 3000,
            latent_channels=args.latent_channels,
            channels=args.channels,
            blocks=args.blocks,
            detail_weight=args.detail_weight,
            batch_size=args.batch_size,
            lr=args.lr,
            render=render_clip if args.dataset == "synthetic" else render_world_clip,
            decoder_only=args.decoder_only,
            device=chosen_device(args.device or "auto", "--device"),
        )
    else:
        pretrain.train_text_encoder(args.out, steps=args.steps or 1500)
