"""What is done where memory runs short at work: a tile is repaired in parts, each as if it were a tile of the picture.

Shapes: h × w pixels of a tile, sRGB in [0, 1].
"""

from __future__ import annotations

import gc

import torch
from torch import Tensor

from darnet.errors import ResourceError, is_out_of_memory
from darnet.images import scratch
from darnet.images.budget import LEAST_TILE_PX
from darnet.images.regions import Planes, Region, gather
from darnet.images.tiles import TileFunction, TilePlan, by_tiles
from darnet.notices import warn
from darnet.restore.experts.base import Tiles


class Fitting:
    """A function of tiles that halves a tile for which memory is short, and all after it, down to LEAST_TILE_PX.

    Parts of a tile share as much as tiles do. A warning says so. Tiles that somebody stated (`Tiles.shrinking` is
    false) stay what they are. A call raises ResourceError where memory is short all the same; other errors pass.
    """

    def __init__(self, function: TileFunction, tiles: Tiles, multiple_of: int = 1) -> None:
        self.function, self.tiles, self.multiple_of = function, tiles, multiple_of
        self.most_px: int | None = None  # a side that was too long, halved

    def __call__(self, tile: Tensor, region: Region) -> Tensor:
        """Repair a tile, "1 3 h w"."""
        side = max(tile.shape[2:])
        if self.most_px is None or side <= self.most_px:
            answer = self._tried(tile, region)
            if answer is not None:
                return answer
            _give_back()
            self.most_px = self._smaller(side)
        overlap = min(self.tiles.overlap_px, self.most_px // 2)
        sides = {"tile_px": self.most_px, "overlap_px": overlap, "multiple_of": self.multiple_of}
        plan = TilePlan.cut(*tile.shape[2:], **sides)

        def part(pixels: Tensor, at: Region) -> Tensor:
            return self(pixels, Region(region.top + at.top, region.left + at.left, at.height, at.width))

        return gather(by_tiles(plan, part, Planes(tile[0])), like=tile[0])[None]

    def _tried(self, tile: Tensor, region: Region) -> Tensor | None:
        """The answer, or None where memory is short: then nothing of the attempt, such as its frames, is left."""
        try:
            return self.function(tile, region)
        except Exception as error:
            if not is_out_of_memory(error):
                raise
            if not self.tiles.shrinking:
                size = "×".join(map(str, reversed(tile.shape[2:])))
                said = f"out of memory on a tile of {size}; a stated size is kept to: make `tiles` smaller"
                raise ResourceError(said) from error
            return None

    def _smaller(self, side: int) -> int:
        """Half of a side. Raises ResourceError where that is too small."""
        if side <= LEAST_TILE_PX:
            raise ResourceError(f"out of memory on a tile of {side} px, the least that is tried")
        half = max(LEAST_TILE_PX, side // 2)
        warn(None, f"memory is short: tiles of {half} px in place of {side}", stacklevel=2)
        return half


def _give_back() -> None:
    """What an attempt has left to be used again, on a GPU as well."""
    gc.collect()  # frames and errors that lead to each other
    scratch.trim()
    torch.cuda.empty_cache()  # which does nothing where there is no GPU
