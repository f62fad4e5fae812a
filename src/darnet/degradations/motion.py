"""Motion blur: a camera that was moved while its shutter was open.

Shapes: B batch, P parameters, T moments, H × W pixels, K side of a kernel. Pictures are sRGB in [0, 1].
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import ClassVar
from zipfile import BadZipFile

import numpy as np
import torch
from jaxtyping import Float
from torch import Generator, Tensor
from torch.nn import functional as F

from darnet.degradations.base import Degradation, Range
from darnet.degradations.convolution import convolve
from darnet.degradations.kind import Kind
from darnet.images import geometry
from darnet.images.geometry import mirror_pad

MOMENTS = 96


@dataclass(frozen=True)
class MotionBlur(Degradation):
    """y = x * h: h is the path of a shaken camera, drawn with constant speed; mirrored at the border.

    The heading is a random walk, as in Boracchi and Foi, "Modeling the performance of image restoration from motion
    blur", IEEE TIP 2012, §III. `length_px` is the length of the path; `shake` is the standard deviation of the turn
    from one end of the path to the other, in half turns (0: a straight line).
    """

    length_px: Range = (4.0, 32.0)
    shake: Range = (0.0, 1.0)
    kind: ClassVar[str] = "motion"
    parameters: ClassVar[tuple[str, ...]] = ("length_px", "shake")
    limits: ClassVar[Mapping[str, Range]] = {"shake": (0, 1)}

    @property
    def margin_px(self) -> int:
        """Half the longest path, and the pixel that its ends reach into."""
        return math.ceil(self.length_px[1] / 2) + 1

    def apply(
        self, clean: Float[Tensor, "B C H W"], parameters: Float[Tensor, "B P"], rng: Generator
    ) -> Float[Tensor, "B C H W"]:
        """Shake the camera, each sample its own way."""
        return _blurred(clean, path_kernels(parameters[:, 0], parameters[:, 1], self.margin_px, rng).to(clean))

    def severity(self, parameters: Float[Tensor, "B P"]) -> Float[Tensor, " B"]:
        """Length of the path in pixels."""
        return parameters[:, 0]


@dataclass(frozen=True)
class MeasuredMotion(Degradation):
    """y = x * h: h is one of the measured kernels of an `.npz` file, flipped, turned by quarters and resized.

    Every array of the file is one kernel, 2-D and not negative. `scale` is the factor of its size.
    """

    kernels: Path | None = None
    scale: Range = (0.5, 1.2)
    kind: ClassVar[str] = "motion"
    parameters: ClassVar[tuple[str, ...]] = ("scale",)

    def __post_init__(self) -> None:
        """Raise ValueError where no file of kernels is given or it is not one."""
        super().__post_init__()
        if self.kernels is None:
            raise ValueError(f"{self.kind}: kernels must name an .npz file of measured kernels")
        self._measured()

    @property
    def margin_px(self) -> int:
        """Half of the largest kernel at the largest scale."""
        return math.ceil(self.scale[1] * self._measured().shape[1] / 2) + 1

    def apply(
        self, clean: Float[Tensor, "B C H W"], parameters: Float[Tensor, "B P"], rng: Generator
    ) -> Float[Tensor, "B C H W"]:
        """Pick a kernel for each sample."""
        return _blurred(clean, self.drawn(parameters[:, 0], rng).to(clean))

    def drawn(self, scale: Float[Tensor, " B"], rng: Generator) -> Float[Tensor, "B K K"]:
        """A kernel of chance for each scale, on the CPU."""
        measured = self._measured()
        picks = torch.rand(len(scale), 2, generator=rng, device=rng.device).tolist()
        kernels = [
            _resized(
                geometry.view(measured[int(which * len(measured))], int(geometry.COUNT * how)), factor, self.margin_px
            )
            for (which, how), factor in zip(picks, scale.tolist(), strict=True)
        ]
        return torch.stack(kernels)

    def severity(self, parameters: Float[Tensor, "B P"]) -> Float[Tensor, " B"]:
        """Unknown: 0."""
        return parameters.new_zeros(len(parameters))

    def _measured(self) -> Float[Tensor, "N K K"]:
        assert self.kernels is not None
        return _read_kernels(self.kernels)


#: Path: its length in pixels.
MOTION = Kind(
    "motion",
    {"motion": MotionBlur, "measured-motion": MeasuredMotion},
    symbol="path",
    also_called=("motion-blur", "shake", "shaken"),
    concern="scene",
    stage="optics",
    excludes=("blur",),
    steps="darnet.imaging.steps:MOTION",
    severities={"motion": tuple(MotionBlur((length, length), (0.4, 0.4)) for length in (8.0, 14.0, 22.0))},
    # Training pairs of the same publication lie beside those of the test.
    sets={"GoPro": ("GoPro/test", "GoPro"), "GoPro-like": ("GoPro-like",)},
)


def path_kernels(
    length_px: Float[Tensor, " B"], shake: Float[Tensor, " B"], reach: int, rng: Generator
) -> Float[Tensor, "B K K"]:
    """Kernels of sum 1 and K = 2·reach + 1: random paths about the centre, each moment shared by four pixels."""
    batch, device = len(length_px), length_px.device
    turns = torch.randn(batch, MOMENTS - 1, generator=rng, device=rng.device).to(device).cumsum(dim=1)
    first = torch.rand(batch, 1, generator=rng, device=rng.device).to(device)
    heading = 2 * math.pi * first + math.pi * shake[:, None] * turns / math.sqrt(MOMENTS - 1)
    steps = torch.stack([heading.sin(), heading.cos()], dim=1) * (length_px / (MOMENTS - 1))[:, None, None]
    path = F.pad(steps.cumsum(dim=2), (1, 0))  # (B, 2, T)
    # About its centre of mass, so that the picture does not move; no moment is farther from it than half the length.
    path = (path - path.mean(dim=2, keepdim=True) + reach).clamp(0, 2 * reach - 1e-3)
    corner, side = path.floor(), 2 * reach + 1
    (down, right), (row, column) = (path - corner).unbind(dim=1), corner.long().unbind(dim=1)
    kernels = path.new_zeros(batch, side * side)
    for below, beside in ((0, 0), (0, 1), (1, 0), (1, 1)):
        share = (down if below else 1 - down) * (right if beside else 1 - right)
        kernels.scatter_add_(1, (row + below) * side + column + beside, share / MOMENTS)
    return kernels.reshape(batch, side, side)


def _blurred(clean: Tensor, kernels: Float[Tensor, "B K K"]) -> Tensor:
    reach = kernels.shape[-1] // 2
    return convolve(mirror_pad(clean, (reach, reach), (reach, reach)), kernels).clamp(0, 1)


def _resized(kernel: Float[Tensor, "K K"], scale: float, reach: int) -> Float[Tensor, "K2 K2"]:
    """Drawn larger or smaller about its centre on K2 = 2·reach + 1 points; its sum is 1 again."""
    points = torch.arange(-reach, reach + 1, dtype=kernel.dtype) / max(scale, 1e-3) / (kernel.shape[0] / 2)
    grid = torch.stack(torch.meshgrid(points, points, indexing="xy"), dim=-1)[None]
    # Smaller than measured: a mean over what falls on one point, or thin paths would be missed.
    side = max(1, round(1 / max(scale, 1e-3)))
    smooth = F.avg_pool2d(kernel[None, None], side, stride=1, padding=side // 2) if side > 1 else kernel[None, None]
    drawn = F.grid_sample(smooth, grid, align_corners=False)[0, 0].clamp_min(0)
    return drawn / drawn.sum().clamp_min(1e-9)


@lru_cache(maxsize=8)
def _read_kernels(path: Path) -> Float[Tensor, "N K K"]:
    """Every array of the file, its centre of mass in the middle of a square. Raises ValueError naming the file."""
    try:
        with np.load(path, allow_pickle=False) as archive:
            arrays = [np.asarray(archive[name], dtype=np.float32) for name in sorted(archive.files)]
    except (OSError, ValueError, BadZipFile, AttributeError) as error:
        raise ValueError(f"{path}: no .npz file of kernels") from error
    if not arrays or any(a.ndim != 2 or not np.isfinite(a).all() or a.min() < 0 or a.sum() <= 0 for a in arrays):
        raise ValueError(f"{path}: a kernel must be 2-D, finite, not negative, and not empty")
    centred = [_centred(array / array.sum()) for array in arrays]
    side = max(len(array) for array in centred)
    return torch.stack([torch.from_numpy(np.pad(array, (side - len(array)) // 2)) for array in centred])


def _centred(kernel: Float[np.ndarray, "H W"]) -> Float[np.ndarray, "K K"]:
    """On the smallest square of odd side that has the pixel nearest to the centre of mass in its middle."""
    middle = [round(float((kernel * place).sum())) for place in np.indices(kernel.shape)]
    reach = max(max(at, extent - 1 - at) for at, extent in zip(middle, kernel.shape, strict=True))
    before = [reach - at for at in middle]
    rest = [(first, 2 * reach + 1 - extent - first) for first, extent in zip(before, kernel.shape, strict=True)]
    return np.pad(kernel, rest)
