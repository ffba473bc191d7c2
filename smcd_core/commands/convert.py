"""smcd convert: write a checkpoint in another layout."""

from __future__ import annotations

import argparse
import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import SMCDError
from ..terminal import say

if TYPE_CHECKING:
    import torch

    from ..weights.checkpoint import Checkpoint


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("source", type=Path, help="file or folder, in any layout that `smcd info` knows")
    parser.add_argument("target", type=Path, help="a .safetensors file for layout smcd, a new folder for the others")
    parser.add_argument(
        "--to", choices=("smcd", "released", "diffusers"), default="smcd", help="layout to write (default %(default)s)"
    )
    parser.add_argument(
        "--components",
        type=Path,
        help="folder with vae/, text_encoder/ and tokenizer/ to include (layout smcd only)",
    )
    parser.add_argument(
        "--dtype", choices=("float32", "float16", "bfloat16"), help="type of all weights (layout smcd only)"
    )
    parser.add_argument(
        "--info",
        type=Path,
        metavar="JSON",
        help="file with a JSON object to merge into the info, such as defaults (layout smcd only)",
    )
    parser.set_defaults(run=_convert)


def _convert(args: argparse.Namespace) -> None:
    for option in ("components", "dtype", "info"):
        if getattr(args, option) and args.to != "smcd":
            raise SMCDError(f"--{option} does not apply to layout {args.to}: leave it out, or use --to smcd")
    if args.to == "smcd" and args.target.suffix != ".safetensors":
        raise SMCDError(f"{args.target}: the name of a file in layout smcd must end in .safetensors")

    import torch

    from ..files import check_folder, check_writable
    from ..weights.checkpoint import read_checkpoint, write_checkpoint
    from ..weights.components import load_components, pack_components
    from ..weights.export import write_diffusers, write_released

    (check_writable if args.to == "smcd" else check_folder)(args.target)
    checkpoint = read_checkpoint(args.source)
    if args.to == "smcd":
        if args.info:
            checkpoint = replace(checkpoint, info=checkpoint.info | _read_info(args.info))
        if args.components:
            checkpoint = replace(checkpoint, **pack_components(*load_components(args.components)))
        if args.dtype:
            checkpoint = _cast(checkpoint, getattr(torch, args.dtype))
        inside = {name: getattr(checkpoint, name) for name in ("vae", "text_encoder", "tokenizer")}
        write_checkpoint(args.target, checkpoint.config, checkpoint.weights, **inside, info=checkpoint.info)
    elif args.to == "released":
        write_released(args.target, checkpoint)
    else:
        write_diffusers(args.target, checkpoint)
    say(args.target)


def _read_info(path: Path) -> dict[str, Any]:
    try:
        info = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise SMCDError(f"{path}: is not JSON: {error}") from None
    if not isinstance(info, dict):
        raise SMCDError(f"{path}: holds a {type(info).__name__}, expected an object such as " + '{"defaults": {...}}')
    return info


def _cast(checkpoint: Checkpoint, dtype: torch.dtype) -> Checkpoint:
    def cast(weights: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        return {name: x.to(dtype) if x.is_floating_point() else x for name, x in weights.items()}

    components = {"vae": checkpoint.vae, "text_encoder": checkpoint.text_encoder}
    parts: dict[str, Any] = {
        name: part and replace(part, weights=cast(part.weights)) for name, part in components.items()
    }
    return replace(checkpoint, weights=cast(checkpoint.weights), **parts)
