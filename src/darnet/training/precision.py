"""Which precision is the fastest here, for a network and for Muon: tried out, since machines differ a lot.

CPUs with bf16 instructions are faster in bf16 autocast, all others slower than in float32, by far. On CUDA the answer
is known. The answer is part of what a run writes down, so that it is asked once.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from copy import deepcopy
from functools import cache
from typing import Literal

import torch
from torch import Generator, Tensor

from darnet.models.base import Model, Output, channels_last
from darnet.training.muon import orthogonal

Precision = Literal["auto", "fp32", "bf16"]
Probed = Literal["fp32", "bf16"]

DTYPES: Mapping[str, torch.dtype] = {"fp32": torch.float32, "bf16": torch.bfloat16}
#: Each is tried so often, in turns, after one try that does not count; the shortest time counts.
TRIES = 3
#: What takes longer the first time is not tried again.
HOPELESS_SECONDS = 3.0
#: bf16 is less exact; it must be faster by so much.
MARGIN = 0.05
#: Pixels of a batch that is enough to see which is faster; a network for which one crop takes long is shown fewer.
PIXELS = 32 * 64 * 64
#: How long a forward pass of that batch may take.
LOOK_SECONDS = 0.3


def fastest(seconds: Mapping[str, float]) -> Probed:
    """The precision with the shortest time; float32 where there is next to no difference."""
    return "bf16" if seconds["bf16"] < (1 - MARGIN) * seconds["fp32"] else "fp32"


def network_seconds(model: Model, device: torch.device, crop_px: int = 64, scene_px: int = 64) -> dict[str, float]:
    """Seconds for one crop of a step of training (forward and backward) in each precision, on random pictures."""
    trial = channels_last(deepcopy(model).to(device)).train()
    rng = Generator().manual_seed(0)
    crops = torch.rand(max(1, PIXELS // crop_px**2), 3, crop_px, crop_px, generator=rng).to(device)
    crops = crops.contiguous(memory_format=torch.channels_last)
    scenes = torch.rand(len(crops), 3, scene_px, scene_px, generator=rng).to(device)

    def look(count: int) -> Tensor:
        return _sum(trial(crops[:count], trial.look(scenes[:count])))

    def step(precision: str) -> None:
        with torch.autocast(device.type, torch.bfloat16, enabled=precision == "bf16"):
            loss = look(batch)
        torch.autograd.backward(loss)
        trial.zero_grad(set_to_none=True)

    with torch.random.fork_rng([device] if device.type == "cuda" else []):  # dropout knows only the global generator
        begun = now(device)
        with torch.no_grad():
            look(1)
        batch = max(1, min(len(crops), int(LOOK_SECONDS / max(now(device) - begun, 1e-6))))
        return {precision: seconds / batch for precision, seconds in _shortest(step, device).items()}


@cache
def muon_seconds(device: torch.device) -> dict[str, float]:
    """Seconds of one orthogonalisation of eight matrices in each precision."""
    matrices = torch.rand(8, 64, 576, generator=Generator().manual_seed(0)).to(device)
    return _shortest(lambda precision: orthogonal(matrices, dtype=DTYPES[precision]), device)


def _shortest(step: Callable[[str], object], device: torch.device) -> dict[str, float]:
    seconds: dict[str, list[float]] = {"fp32": [], "bf16": []}
    for _ in range(TRIES + 1):
        for precision, found in seconds.items():
            if not found or found[-1] < HOPELESS_SECONDS:
                begun = now(device)
                step(precision)
                found.append(now(device) - begun)
    return {precision: min(found[1:] or found) for precision, found in seconds.items()}


def now(device: torch.device) -> float:
    """Seconds of a clock, once the device has done all that it was told to."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.monotonic()


def _sum(output: Output) -> Tensor:
    """A number that depends on all that a network says."""
    said = [output.image, output.severities, output.kinds, *(routing.logits for routing in output.routings)]
    return torch.stack([tensor.float().square().mean() for tensor in said if tensor is not None]).sum()
