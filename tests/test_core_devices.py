"""No NVIDIA GPU is needed: what other devices lack is not asked of them, and the choice falls on what is there."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch
from tiny_bundle import CONFIG
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from smcd_core.doctor import _devices
from smcd_core.networks.smcd import SMCD, Inputs
from smcd_core.sampling.devices import pick_device
from smcd_core.sampling.diffusion import ALPHAS_CUMPROD, add_noise, ddim, predicted_noise, predicted_x0, velocity


class NoFloat64(TorchDispatchMode):
    """The device `meta` in the place of one without float64, as Apple's GPUs are."""

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        result = func(*args, **(kwargs or {}))
        for value in tree_leaves(result):
            if isinstance(value, torch.Tensor) and value.device.type == "meta":
                assert value.dtype not in (torch.float64, torch.complex128), f"{func} made {value.dtype} on the device"
        return result


def test_the_schedule_needs_no_float64_on_the_device():
    x, t = torch.zeros(2, 4, 8, 8, device="meta"), torch.tensor([3, 900], device="meta")
    with NoFloat64():
        for kind in ("epsilon", "v"):
            predicted_x0(x, x, t, kind), predicted_noise(x, x, t, kind)
        noisy = add_noise(x, x, t), velocity(x, x, t)
        done = ddim(lambda x, t: x, x, 4)
    assert all(value.dtype == torch.float32 and value.device.type == "meta" for value in (*noisy, done))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
def test_the_networks_need_no_float64_on_the_device(dtype):
    model = SMCD(CONFIG, device="meta", dtype=dtype)
    frames, boxes, width = 3, CONFIG.box_slots, CONFIG.context_dim

    def zeros(*shape):
        return torch.zeros(*shape, device="meta", dtype=dtype)

    with NoFloat64(), torch.no_grad():
        inputs = Inputs(
            zeros(1, 12, width), frames, first_frame=zeros(1, 4, 8, 8), phrases=zeros(1, boxes, width),
            boxes_xyxy=torch.zeros(1, frames, boxes, 4, device="meta"),
            box_mask=torch.zeros(1, frames, boxes, device="meta"),
        )  # fmt: skip
        tokens = model.encode(inputs)
        result = model(zeros(frames, 4, 8, 8), torch.tensor([5], device="meta"), tokens)
    assert result.shape == (frames, 4, 8, 8) and result.dtype == dtype


def test_the_schedule_is_taken_in_float64_and_rounded_once():
    t = torch.arange(1000)
    ones = torch.ones(1000, 1)
    assert torch.equal(add_noise(ones, ones * 0, t)[:, 0], ALPHAS_CUMPROD.sqrt().float())
    assert torch.equal(add_noise(ones * 0, ones, t)[:, 0], (1 - ALPHAS_CUMPROD).sqrt().float())


@pytest.mark.parametrize("there", ["cuda", "mps", "xpu", "npu", None])
def test_the_accelerator_that_torch_finds_is_picked_and_reported(monkeypatch, there):
    """ROCm calls itself cuda."""
    accelerator = SimpleNamespace(
        is_available=lambda: there is not None, current_accelerator=lambda: there and SimpleNamespace(type=there)
    )
    monkeypatch.setattr(torch, "accelerator", accelerator, raising=False)
    assert pick_device() == (there or "cpu")
    if there != "cuda":
        assert [device["name"].split(",")[0] for device in _devices()] == [*([there] if there else []), "cpu"]


@pytest.mark.parametrize("there, chosen", [({"cuda", "mps"}, "cuda"), ({"mps"}, "mps"), (set(), "cpu")])
def test_torch_before_2_6_is_asked_for_each_device(monkeypatch, there, chosen):
    monkeypatch.delattr(torch, "accelerator", raising=False)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: "cuda" in there)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: "mps" in there)
    assert pick_device() == chosen
