"""An expert made of a network: it looks at the whole picture once, and repairs it tile by tile.

Shapes: H × W pixels, sRGB in [0, 1].
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from torch import Tensor

from darnet.engines.pytorch import TorchBackend
from darnet.errors import DarnetError
from darnet.images.tiles import Region, mosaic, pad_to
from darnet.models.abilities import Conditional
from darnet.models.base import Context
from darnet.restore.experts.base import TILES, Pixels, Tiles

#: Of a picture with more pixels than a tile, layers measure their statistics on 4 × 4 crops of 128 px: as good for what
#: is restored as all of it (docs/adr/0029), a fiftieth of the work at 12 MP, and in memory less than a tile.
WHOLE_PX, GRID, CROP_PX, ALIGN_PX = TILES.size_px**2, 4, 128, 16


@dataclass(frozen=True)
class NetworkExpert:
    """A network that looks at the whole picture once, for its context, and then repairs it tile by tile."""

    backend: TorchBackend
    tiles: Tiles = TILES

    def told(self, kind: str) -> NetworkExpert:
        """The same for pictures that are known to have one kind of damage, in the same memory (`Conditional.told`)."""
        model = self.backend.model
        told = model.told(kind) if isinstance(model, Conditional) else model
        return self if told is model else replace(self, backend=self.backend.running(told))

    def __call__(self, pixels: Pixels) -> Pixels:
        """Repair. Raises DarnetError if the network answers with anything but finite pixels."""
        model = self.backend.model
        plan = self.tiles.sharing(model.overlap_px).plan(pixels.shape[1], pixels.shape[2], model.multiple_of)
        context = self._context(pixels, alone=len(plan.regions) == 1)

        def repair(tile: Tensor, region: Region) -> Tensor:
            image = self.backend(tile, context, region.box(plan.height, plan.width)).image
            if image is None:
                raise DarnetError(f"{type(model).__name__} makes no image: it is no expert")
            return image.to(tile.device, tile.dtype).clamp(0, 1)

        restored = plan.apply(repair, pixels)
        if not bool(restored.isfinite().all()):
            raise DarnetError(f"{type(model).__name__} answered with pixels that are not finite")
        return restored

    def _context(self, pixels: Pixels, *, alone: bool) -> Context:
        """What tiles are told: a function of the picture, and not of how it is cut, so that they agree."""
        context = self.backend.encode(pixels[None])
        small = pixels[0].numel() <= WHOLE_PX
        if small and alone:
            return context  # the one tile is all there is to measure
        sample = pixels if small else mosaic(pixels, size_px=CROP_PX, grid=GRID, align_px=ALIGN_PX)
        return self.backend.measure(pad_to(sample, self.backend.model.multiple_of)[None], context)
