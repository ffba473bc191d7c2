"""Where the networks run, and in which precision."""

from __future__ import annotations

import os
import re
import shutil
import sys
from importlib.util import find_spec

import torch

from ..errors import SMCDError

DTYPES = {"float32": torch.float32, "float16": torch.float16, "bfloat16": torch.bfloat16}


def pick_device() -> str:
    """The accelerator that torch finds: cuda (ROCm, too), mps, xpu, npu, ... Else cpu."""
    if hasattr(torch, "accelerator"):  # from torch 2.6 on
        found = torch.accelerator.current_accelerator() if torch.accelerator.is_available() else None
        return found.type if found else "cpu"
    if torch.cuda.is_available():
        return "cuda"
    return "mps" if torch.backends.mps.is_available() else "cpu"


def pick_dtype(device: str) -> torch.dtype:
    """Half precision on an NVIDIA GPU: bfloat16 where it has it, as float16 overflows sooner. Else float32."""
    if not device.startswith("cuda"):
        return torch.float32
    return torch.bfloat16 if torch.cuda.is_bf16_supported(including_emulation=False) else torch.float16


def chosen_device(device: str | torch.device, option: str = "device") -> str:
    """The name of a device that can be used, for "auto" that of the fastest; `option` begins the error's message.

    Raises SMCDError if torch cannot use it.
    """
    name = pick_device() if device == "auto" else str(device)
    try:
        torch.empty(0, device=name)
    except Exception as error:  # RuntimeError, AssertionError or NotImplementedError, as the build of torch has it
        reason = re.split(r"[.\n]", str(error))[0]
        raise SMCDError(f"{option} {name} cannot be used here: {reason}") from None
    return name


def chosen_dtype(dtype: str | torch.dtype, device: str) -> torch.dtype:
    """`dtype` or what it is the name of; for "auto" the one that suits the device. Raises SMCDError for others."""
    if dtype == "auto":
        return pick_dtype(device)
    found = DTYPES.get(str(dtype).removeprefix("torch."))
    if found is None:
        raise SMCDError(f"dtype is {dtype}, expected auto or {', '.join(DTYPES)}")
    return found


def check_compiler(device: str) -> None:
    """Raise SMCDError unless there is what torch.compile needs on that device: a C++ compiler, or triton on a GPU."""
    if device != "cpu":
        if find_spec("triton") is None:
            raise SMCDError(f"compile needs triton on {device}: install it, or leave compile out")
        return
    compiler = os.environ.get("CXX") or {"win32": "cl", "darwin": "clang++"}.get(sys.platform, "g++")  # as torch has it
    if shutil.which(compiler) is None:
        raise SMCDError(
            f"compile needs the C++ compiler {compiler}: install it, name another in CXX, or leave compile out"
        )
