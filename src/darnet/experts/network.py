"""An expert made of a network: it looks at the whole picture once, and repairs it tile by tile.

Shapes: H × W pixels, sRGB in [0, 1].
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from torch import Tensor

from darnet.backends import TorchBackend
from darnet.errors import DarnetError
from darnet.experts.base import TILES, Pixels, Tiles
from darnet.tiling import Region


@dataclass(frozen=True)
class NetworkExpert:
    """A network that looks at the whole picture once, for its context, and then repairs it tile by tile."""

    backend: TorchBackend
    tiles: Tiles = TILES

    def told(self, kind: str) -> NetworkExpert:
        """The same for pictures that are known to have one kind of damage, in the same memory (`Model.told`)."""
        model = self.backend.model.told(kind)
        return self if model is self.backend.model else replace(self, backend=self.backend.running(model))

    def __call__(self, pixels: Pixels) -> Pixels:
        """Repair. Raises DarnetError if the network answers with anything but finite pixels."""
        model = self.backend.model
        context = self.backend.encode(pixels[None])

        plan = self.tiles.plan(pixels.shape[1], pixels.shape[2], model.multiple_of)

        def repair(tile: Tensor, region: Region) -> Tensor:
            image = self.backend(tile, context, region.box(plan.height, plan.width)).image
            if image is None:
                raise DarnetError(f"{type(model).__name__} makes no image: it is no expert")
            return image.to(tile.device, tile.dtype).clamp(0, 1)

        restored = plan.apply(repair, pixels)
        if not bool(restored.isfinite().all()):
            raise DarnetError(f"{type(model).__name__} answered with pixels that are not finite")
        return restored
