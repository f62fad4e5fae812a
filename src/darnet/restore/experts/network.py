"""An expert made of a network: it looks at the whole picture once, and repairs it tile by tile.

Shapes: H × W pixels, sRGB in [0, 1].
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from torch import Tensor

from darnet.engines.backend import Backend
from darnet.errors import DarnetError
from darnet.images.formats import JPEG_UNIT_PX
from darnet.images.regions import Region, RegionSource, read_all
from darnet.images.tiles import TileFunction, TilePlan, mosaic, pad_to
from darnet.models.abilities import Conditional
from darnet.models.base import Context
from darnet.restore.experts.base import TILES, TiledExpert, Tiles, check_finite
from darnet.restore.experts.fitting import Fitting

#: Of a picture with more pixels than a tile, layers measure their statistics on 4 × 4 crops of 128 px: as good for what
#: is restored as all of it (docs/adr/0029), a fiftieth of the work at 12 MP, and in memory less than a tile.
WHOLE_PX, GRID, CROP_PX = TILES.size_px**2, 4, 128


@dataclass(frozen=True)
class NetworkExpert(TiledExpert):
    """A network that looks at the whole picture once, for its context, and then repairs it tile by tile.

    A call raises DarnetError if the network answers with anything but finite pixels.
    """

    backend: Backend
    tiles: Tiles = TILES

    def told(self, kind: str) -> NetworkExpert:
        """The same for pictures that are known to have one kind of damage, in the same memory (`Conditional.told`)."""
        model = self.backend.model
        told = model.told(kind) if isinstance(model, Conditional) else model
        return self if told is model else replace(self, backend=self.backend.running(told))

    def plan(self, height: int, width: int) -> TilePlan:
        """Tiles that share what the network needs."""
        return self._sharing.plan(height, width, self.backend.model.multiple_of)

    def look(self, source: RegionSource) -> TileFunction:
        """The network, told of the whole picture. Where memory runs short, see `Fitting`."""
        name, context = type(self.backend.model).__name__, self._context(source)

        def repair(tile: Tensor, region: Region) -> Tensor:
            image = self.backend(tile, context, region.box(source.height, source.width)).image
            if image is None:
                raise DarnetError(f"{name} makes no image: it is no expert")
            check_finite(name, image)
            return image.to(tile.device, tile.dtype).clamp(0, 1)

        return Fitting(repair, self._sharing, self.backend.model.multiple_of)

    @property
    def _sharing(self) -> Tiles:
        return self.tiles.sharing(self.backend.model.overlap_px)

    def _context(self, source: RegionSource) -> Context:
        """What tiles are told: a function of the picture, and not of how it is cut, so that they agree."""
        context = self.backend.look(source)
        small = source.height * source.width <= WHOLE_PX
        if small and len(self.plan(source.height, source.width).regions) == 1:
            return context  # the one tile is all there is to measure
        sample = read_all(source) if small else mosaic(source, size_px=CROP_PX, grid=GRID, align_px=JPEG_UNIT_PX)
        return self.backend.measure(pad_to(sample, self.backend.model.multiple_of)[None], context)
