"""Subject: what of a picture is judged and repaired. What nobody sees and what frames it is neither; it is put back.

H, W: height and width of the picture; h, w: of the part that is worked on.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor

from darnet.degradations import find_kind
from darnet.images import photographic
from darnet.images.arrays import GREY, RGB, full_scale
from darnet.images.filling import fill
from darnet.images.frames import Box, inside
from darnet.images.image import Image

#: A part begins where a block of a JPEG file with colour at half resolution begins: experts and routers know them so.
BLOCK_PX = 16
SMALLEST_SIDE_PX = 8
#: A picture whose samples differ by no more than one 8-bit level shows nothing.
ONE_COLOUR = 1 / 255
SPARSE = 16


@dataclass(frozen=True, eq=False)
class Subject:
    """The part of `image` in `box`, of which the pixels in `seen`, (h, w), are looked at; None: all of them.

    `vacant` says why there is nothing to judge. Pixels of `box` that are not seen are filled from those that are.
    """

    image: Image
    box: Box
    seen: NDArray[np.bool_] | None = None
    vacant: str | None = None

    @classmethod
    def of(cls, image: Image, *, whole: bool = False) -> Subject:
        """What is visible of a picture, inside its frame. `whole`: the frame too, and however little there is.

        Hidden is what has no opacity at all; alpha is never changed. A frame is looked for where nothing is hidden.
        """
        everything = Box(0, image.height, 0, image.width)
        visible = None if image.alpha is None or bool(image.alpha.all()) else image.alpha > 0
        if visible is None:
            box = everything if whole else inside(image.array)
        elif visible.any():
            box = _bounds(visible)
        else:
            return cls(image, everything, visible, "all of it is hidden by alpha")
        vacant = None if whole else _vacant(image, box, visible)
        if box == everything and visible is None:
            return cls(image, box, None, vacant)
        shown = np.zeros((image.height, image.width), bool)
        box.of(shown)[:] = True if visible is None else box.of(visible)
        box = _outward(box, everything)
        return cls(image, box, box.of(shown), vacant)

    @cached_property
    def grey(self) -> bool:
        """Whether every pixel that is seen has R = G = B; it will have that afterwards, too."""
        values = self._values
        if values.shape[2] == GREY:
            return True
        for step in (SPARSE, 1):  # a coloured picture is nearly always known by a few of its pixels
            sample = values[::step, ::step]
            unequal = (sample[..., 1:] != sample[..., :1]).any(axis=-1)
            if (unequal if self.seen is None else unequal & self.seen[::step, ::step]).any():
                return False
        return True

    def pixels(self) -> Float[Tensor, "3 h w"]:
        """What is judged and repaired, in memory of its own."""
        pixels = self._part.pixels(fitted=True)
        if self.seen is None:
            return pixels
        # Three equal planes, summed up in another order, would differ in the last digit.
        known = torch.from_numpy(self.seen)
        return fill(pixels[:1], known).repeat(RGB, 1, 1) if self.grey else fill(pixels, known)

    def refuses(self, kind: str) -> str | None:
        """Why the picture should not be repaired as a photo with this kind of damage, or None."""
        found = self._objection
        known = find_kind(kind) if found else None
        if found is None or known is None or known.concern not in found.concerns:
            return None
        return f"left alone: {found.reason}; `kinds={[kind]}` repairs it all the same"

    def put_back(self, restored: Float[Tensor, "3 h w"]) -> Image:
        """The whole picture with these pixels in it; whatever was not seen is as it was, bit for bit.

        Grey stays grey: R = G = B, the mean of what was restored. Raises UsageError for another shape.
        """
        before = self._values
        after = self._part.with_pixels(restored, fitted=True).array
        array = self.image.array.copy()
        self.box.of(array)[:] = after if self.seen is None else np.where(self.seen[..., None], after, before)
        return replace(self.image, array=array)

    @property
    def _values(self) -> NDArray[np.generic]:
        return self.box.of(self.image.array)

    @property
    def _part(self) -> Image:
        """What is worked on as a picture of its own: of one channel where it is grey, with what is not seen hidden."""
        values = self._values[..., :GREY] if self.grey else self._values
        return replace(self.image, array=values, alpha=None if self.seen is None else self.seen.astype(values.dtype))

    @cached_property
    def _objection(self) -> photographic.Objection | None:
        return photographic.objection(self._values, self.seen)


def _vacant(image: Image, box: Box, visible: NDArray[np.bool_] | None) -> str | None:
    """Why nothing can be said of what lies in `box`."""
    height, width = box.bottom - box.top, box.right - box.left
    if min(height, width) < SMALLEST_SIDE_PX:
        return f"{width} × {height} pixels are too few to judge"
    for step in (SPARSE, 1):
        values = box.of(image.array)[::step, ::step]
        values = values.reshape(-1, values.shape[-1]) if visible is None else values[box.of(visible)[::step, ::step]]
        if len(values) and (values.max(axis=0) - values.min(axis=0)).max() > ONE_COLOUR * full_scale(values.dtype):
            return None
    return "all of it has one colour"


def _bounds(shown: NDArray[np.bool_]) -> Box:
    """The smallest box around everything that is shown."""
    rows, columns = (np.flatnonzero(shown.any(axis=axis)) for axis in (1, 0))
    return Box(int(rows[0]), int(rows[-1]) + 1, int(columns[0]), int(columns[-1]) + 1)


def _outward(box: Box, limits: Box) -> Box:
    """The same or a little more, so that it begins with a block and, inside `limits`, ends with one."""
    return Box(
        box.top - box.top % BLOCK_PX,
        min(box.bottom + -box.bottom % BLOCK_PX, limits.bottom),
        box.left - box.left % BLOCK_PX,
        min(box.right + -box.right % BLOCK_PX, limits.right),
    )
