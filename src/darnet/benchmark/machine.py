"""What a machine is able to do, which figures of speed are read beside: its fastest convolutions, and its energy."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from types import TracebackType

import torch
from torch.nn.functional import conv2d

from darnet.engines.devices import DTYPES, Precision, exact_float32, pick_device, pick_dtype

#: 3×3 convolutions that are tried: channels in and out, and the side of the picture.
SHAPES = ((32, 256), (64, 256), (128, 128), (256, 64))
#: So often, after once that does not count.
TRIES = 5
#: Where Linux tells of energy (RAPL), and the names of whole processors there; below them are their parts.
POWERCAP, PACKAGES = Path("/sys/class/powercap"), "intel-rapl:[0-9]"


def convolution_peak(precision: Precision = "fp32", device: str = "cpu") -> float:
    """10⁹ multiply–accumulates a second of torch's fastest 3×3 convolution, in as many threads as torch has.

    Dense, channels_last, 32 to 256 channels: what a network is made of at best. Raises UsageError for a device or a
    precision that this machine lacks.

    >>> convolution_peak() > 0
    True
    """
    where = pick_device(device)
    kind = DTYPES[precision] if precision in DTYPES else pick_dtype(precision, where)
    with torch.inference_mode(), exact_float32:
        return max(_speed(channels, side, kind, where) for channels, side in SHAPES)


def _speed(channels: int, side: int, kind: torch.dtype, device: torch.device) -> float:
    picture = torch.rand(1, channels, side, side).to(device, kind, memory_format=torch.channels_last)
    weight = torch.rand(channels, channels, 3, 3).to(device, kind, memory_format=torch.channels_last)
    seconds = []
    for _ in range(TRIES + 1):
        _wait(device)
        started = time.perf_counter()
        conv2d(picture, weight, padding=1)
        _wait(device)
        seconds.append(time.perf_counter() - started)
    return 9 * channels**2 * side**2 / median(seconds[1:]) / 1e9


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


@dataclass
class Energy:
    """Joules that the processors of this machine take while it is entered, whoever works; None where it does not tell.

    Only root may read it on most machines, and no virtual machine has it.
    """

    joules: float | None = None
    _before: dict[Path, float] = field(default_factory=dict, repr=False)

    def __enter__(self) -> Energy:
        self.joules, self._before = None, _counters()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        after = _counters()
        if self._before and after.keys() == self._before.keys():
            self.joules = sum((after[one] - self._before[one]) % _wraps_at(one) for one in after) / 1e6


def _counters() -> dict[Path, float]:
    """Microjoules so far, by processor; nothing where one cannot be read."""
    try:
        return {one: float((one / "energy_uj").read_text()) for one in sorted(POWERCAP.glob(PACKAGES))}
    except (OSError, ValueError):
        return {}


def _wraps_at(processor: Path) -> float:
    return float((processor / "max_energy_range_uj").read_text()) + 1
