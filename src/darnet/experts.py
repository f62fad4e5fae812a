"""Experts: pixels -> pixels. Same shape and range out; H and W are anything, padding is the expert's business.

Shapes: H × W pixels, sRGB in [0, 1].
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor

from darnet import views
from darnet.backends import TorchBackend
from darnet.errors import DarnetError, UsageError
from darnet.tiling import pad_to, tiled

Pixels = Float[Tensor, "3 H W"]


@runtime_checkable
class Expert(Protocol):
    """Anything that repairs one kind of damage."""

    def __call__(self, pixels: Pixels) -> Pixels:
        """The repaired picture, of the same shape, in [0, 1]."""
        ...


@dataclass(frozen=True)
class Tiles:
    """How a large picture is cut: tiles of at most `size_px` that share `overlap_px`; `size_px` 0: not at all."""

    size_px: int = 1024
    overlap_px: int = 64

    def __post_init__(self) -> None:
        """Raise UsageError for tiles that do not fit their overlap."""
        if self.size_px < 0 or (self.size_px and not 0 <= self.overlap_px < self.size_px):
            raise UsageError(f"tiles of {self.size_px} px that share {self.overlap_px} px")


@dataclass(frozen=True)
class NetworkExpert:
    """A network that looks at the whole picture once, for its context, and then repairs it tile by tile."""

    backend: TorchBackend
    tiles: Tiles = Tiles()

    def __call__(self, pixels: Pixels) -> Pixels:
        """Repair. Raises DarnetError if the network answers with anything but finite pixels."""
        model = self.backend.model
        context = model.context(pixels[None]) if model.context else None

        def repair(tile: Tensor) -> Tensor:
            image = self.backend(tile, context).image
            if image is None:
                raise DarnetError(f"{type(model).__name__} makes no image: it is no expert")
            return image.to(tile.device, tile.dtype).clamp(0, 1)

        size_px = self.tiles.size_px or max(pixels.shape[1:])
        overlap_px = self.tiles.overlap_px if self.tiles.size_px else 0
        restored = tiled(repair, pixels, tile_px=size_px, overlap_px=overlap_px, multiple_of=model.multiple_of)
        if not bool(restored.isfinite().all()):
            raise DarnetError(f"{type(model).__name__} answered with pixels that are not finite")
        return restored


#: A flipped picture keeps the blocks of a JPEG file (8 px, colour 16) where they were if its sides are multiples of it.
ENSEMBLE_MULTIPLE_PX = 16


@dataclass(frozen=True)
class SelfEnsemble:
    """The mean of what an expert makes of the eight flips and quarter turns of a picture, turned back.

    Source: Timofte, Rothe, Van Gool, "Seven ways to improve example-based single image super resolution", CVPR 2016,
    §3.6. Eight times the time of the expert, and one more picture of memory.
    """

    expert: Expert

    def __call__(self, pixels: Pixels) -> Pixels:
        """Repair eight times."""
        height, width = pixels.shape[1:]
        padded = pad_to(pixels, ENSEMBLE_MULTIPLE_PX)
        total = torch.zeros_like(padded)
        for way in range(views.COUNT):
            total += views.unview(self.expert(views.view(padded, way).contiguous()), way)
        return total[:, :height, :width] / views.COUNT
