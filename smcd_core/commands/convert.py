"""smcd convert: the same weights in another layout."""

from __future__ import annotations

import argparse
from pathlib import Path


def add_parser(subparsers: argparse._SubParsersAction) -> None:
    parser = subparsers.add_parser("convert", help="write a checkpoint in another layout")
    parser.add_argument("source", type=Path, help="file or folder, in any layout that `smcd info` knows")
    parser.add_argument("target", type=Path, help="a .safetensors file for layout smcd, a new folder for the others")
    parser.add_argument("--to", choices=("smcd", "released", "diffusers"), default="smcd", help="default %(default)s")
    parser.add_argument(
        "--components",
        type=Path,
        help="folder with vae/, text_encoder/ and tokenizer/, to be put inside (layout smcd only)",
    )
    parser.set_defaults(run=_convert)


def _convert(args: argparse.Namespace) -> None:
    if args.components and args.to != "smcd":
        raise ValueError(f"--components has no place in layout {args.to}: leave it out, or use --to smcd")
    if args.to == "smcd" and args.target.suffix != ".safetensors":
        raise ValueError(f"{args.target}: the name of a file in layout smcd must end in .safetensors")

    from ..checkpoint import read_checkpoint, write_checkpoint, write_diffusers, write_released
    from ..components import load_components, pack_components

    checkpoint = read_checkpoint(args.source)
    if args.to == "smcd":
        inside = {"vae": checkpoint.vae, "text_encoder": checkpoint.text_encoder, "tokenizer": checkpoint.tokenizer}
        if args.components:
            inside = pack_components(*load_components(args.components))
        write_checkpoint(args.target, checkpoint.config, checkpoint.weights, **inside, info=checkpoint.info)
    elif args.to == "released":
        write_released(args.target, checkpoint)
    else:
        write_diffusers(args.target, checkpoint)
    print(args.target)
