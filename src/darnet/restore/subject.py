"""Subject: what of a picture is judged and repaired. What nobody sees and what frames it is neither; it is put back.

H, W: height and width of the picture; h, w: of the part that is worked on.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import cached_property
from pkgutil import resolve_name
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor

from darnet.degradations import find_kind
from darnet.images import photographic, profiles, scratch
from darnet.images.arrays import GREY, RGB, Channels, full_scale
from darnet.images.filling import fill
from darnet.images.formats import JPEG_UNIT_PX
from darnet.images.frames import inside
from darnet.images.image import Image
from darnet.images.regions import Region, RegionSource, read_all
from darnet.images.samples import Samples

SMALLEST_SIDE_PX = 8
#: A picture whose samples differ by no more than one 8-bit level shows nothing.
ONE_COLOUR = 1 / 255
SPARSE = 16
#: So many pixels a side, nearly, are enough to count something.
COUNTED_PX = 512


@dataclass(frozen=True, eq=False)
class Subject:
    """The part of `image` in `region`, of which the pixels in `seen`, (h, w), are looked at; None: all of them.

    `vacant` says why there is nothing to judge. Pixels of `region` that are not seen are filled from those that are.
    `weights`, (H, W) in [0, 1]: how much of what is restored of each pixel is taken; None: all of it.
    """

    image: Image
    region: Region
    seen: NDArray[np.bool_] | None = None
    vacant: str | None = None
    weights: NDArray[np.float32] | None = None

    @classmethod
    def of(cls, image: Image, *, whole: bool = False, weights: NDArray[np.float32] | None = None) -> Subject:
        """What is visible of a picture, inside its frame. `whole`: the frame too, and however little there is.

        Hidden is what has no opacity at all; alpha is never changed. What has no weight (`weights_of` a mask) is not
        looked at either. A frame is looked for where nothing is hidden.
        """
        everything = Region(0, 0, image.height, image.width)
        visible = None if image.alpha is None else _visible(image.alpha)
        if weights is not None:
            meant = _visible(weights)
            visible = meant if visible is None else visible if meant is None else visible & meant
        region = _bounds(visible) if visible is not None else everything if whole else inside(image.array)
        if region is None:
            hidden = "hidden by alpha" if weights is None else "hidden by alpha or the mask"
            return cls(image, everything, visible, f"all of it is {hidden}")
        vacant = None if whole else _vacant(image, region, visible)
        if region == everything and visible is None:
            return cls(image, region, None, vacant, weights)
        grown = _outward(region, everything)
        return cls(image, grown, _within(region, grown) if visible is None else grown.of(visible), vacant, weights)

    @cached_property
    def grey(self) -> bool:
        """Whether every pixel that is seen has R = G = B; it will have that afterwards, too."""
        values = self._values
        if values.shape[2] == GREY:
            return True
        # A coloured picture is nearly always known by a few of its pixels.
        return not self._coloured(SPARSE) and not self._coloured(1)

    def _coloured(self, step: int) -> bool:
        """Whether any of every `step`-th pixel that is seen has two channels that differ."""
        values = self._values[::step, ::step]
        seen = None if self.seen is None else self.seen[::step, ::step]
        for rows in scratch.strips(values):
            unequal = (values[rows, :, 1:] != values[rows, :, :1]).any(axis=-1)
            if (unequal if seen is None else unequal & seen[rows]).any():
                return True
        return False

    @cached_property
    def source(self) -> RegionSource:
        """What is judged and repaired. What is not seen is made up from all that is seen."""
        return self.samples if self.seen is None else fill(self.samples, self.seen, GREY if self.grey else RGB)

    def sink(self) -> Replacement:
        """The whole picture, in which what is restored may be put."""
        return Replacement(self)

    @cached_property
    def share(self) -> float:
        """How many of the picture's pixels are looked at, and may be repaired, in [0, 1]."""
        looked_at = self.region.height * self.region.width if self.seen is None else int(np.count_nonzero(self.seen))
        return looked_at / (self.image.height * self.image.width)

    def spread(self, marked: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Marked pixels of the region, (h, w), as such of the whole picture, (H, W); hidden ones are not marked."""
        spread = np.zeros((self.image.height, self.image.width), bool)
        self.region.of(spread)[:] = marked if self.seen is None else marked & self.seen
        return spread

    @property
    def shown(self) -> NDArray[np.bool_]:
        """The pixels of the whole picture, (H, W), that are looked at."""
        return self.spread(np.ones((self.region.height, self.region.width), bool))

    def refuses(self, kind: str) -> str | None:
        """Why the picture should not be repaired as a photo with this kind of damage, or None."""
        found = self._objection
        known = find_kind(kind) if found else None
        if found is None or known is None or known.concern not in found.concerns:
            return None
        return f"left alone: {found.reason}; `kinds={[kind]}` repairs it all the same"

    def suggests(self, kind: str) -> str | None:
        """What can be counted of the picture that suggests a kind of damage, in words, or None."""
        known = find_kind(kind)
        if known is None or not known.sign:
            return None
        step = max(1, math.isqrt(self.region.height * self.region.width) // COUNTED_PX)
        part = replace(self.samples, values=np.ascontiguousarray(self.samples.values[::step, ::step]))
        seen = None if self.seen is None else self.seen[::step, ::step]
        words: str | None = resolve_name(known.sign)(read_all(part), seen)
        return words

    @property
    def _values(self) -> NDArray[np.generic]:
        return self.region.of(self.image.array)

    @cached_property
    def samples(self) -> Samples:
        """What is worked on, one channel where it is grey; its profile holds what is seen."""
        values = self._values[..., :GREY] if self.grey else self._values
        profile = self.image.profile
        space = profiles.seen_as(Channels(values, self.seen), profile, self.image.path, fitted=True)
        return Samples(values, profile, space)

    @cached_property
    def _objection(self) -> photographic.Objection | None:
        return photographic.objection(self._values, self.seen)


@dataclass(frozen=True, eq=False)
class Replacement:
    """A picture with what was restored of a subject in it; whatever is not written or not seen is as it was.

    Grey stays grey: R = G = B, the mean of what was restored.
    """

    subject: Subject

    def write(self, region: Region, pixels: Float[Tensor, "3 h w"]) -> None:
        """Put pixels of the subject where they belong."""
        subject = self.subject
        if subject.weights is not None:
            weights = torch.from_numpy(region.of(subject.region.of(subject.weights)))
            pixels = torch.lerp(subject.source.read(region).to(pixels), pixels, weights.to(pixels))
        after = subject.samples.changed(region, pixels)
        part = region.of(subject.region.of(self.image.array))
        part[:] = after if subject.seen is None else np.where(region.of(subject.seen)[..., None], after, part)

    @cached_property
    def image(self) -> Image:
        """The picture so far."""
        return replace(self.subject.image, array=scratch.copied(self.subject.image.array))

    @property
    def finished(self) -> Image:
        """The picture with all that was written; the very one that there was where that changed no sample."""
        before, after = self.subject.image.array, self.image.array
        same = all(np.array_equal(before[rows], after[rows]) for rows in scratch.strips(before))
        return self.subject.image if same else self.image


def _vacant(image: Image, region: Region, visible: NDArray[np.bool_] | None) -> str | None:
    """Why nothing can be said of what lies in `region`."""
    if min(region.height, region.width) < SMALLEST_SIDE_PX:
        return f"{region.width} × {region.height} pixels are too few to judge"
    for step in (SPARSE, 1):
        values = region.of(image.array)[::step, ::step]
        shown = None if visible is None else region.of(visible)[::step, ::step]
        if _spread(values, shown) > ONE_COLOUR * full_scale(values.dtype):
            return None
    return "all of it has one colour"


def _spread(values: NDArray[Any], shown: NDArray[np.bool_] | None) -> float:
    """How far the pixels of (H, W, C) that are shown lie apart, in the channel where they do most; 0 for none."""
    lowest, highest = np.full(values.shape[2], np.inf), np.full(values.shape[2], -np.inf)
    for rows in scratch.strips(values):
        part = values[rows].reshape(-1, values.shape[2]) if shown is None else values[rows][shown[rows]]
        if len(part):
            lowest, highest = np.minimum(lowest, part.min(axis=0)), np.maximum(highest, part.max(axis=0))
    return max(0.0, float((highest - lowest).max()))


def _visible(alpha: NDArray[Any]) -> NDArray[np.bool_] | None:
    """Which pixels have some opacity; None: all of them."""
    visible = scratch.empty(alpha.shape, np.bool_)
    for rows in scratch.strips(alpha):
        np.greater(alpha[rows], 0, out=visible[rows])
    return None if all(visible[rows].all() for rows in scratch.strips(visible)) else visible


def _within(region: Region, grown: Region) -> NDArray[np.bool_]:
    """Which pixels of a region that has grown it had before."""
    shown = np.zeros((grown.height, grown.width), bool)
    Region(region.top - grown.top, region.left - grown.left, region.height, region.width).of(shown)[:] = True
    return shown


def _bounds(shown: NDArray[np.bool_]) -> Region | None:
    """The smallest region around everything that is shown, if anything is."""
    down, across = np.zeros(shown.shape[0], bool), np.zeros(shown.shape[1], bool)
    for part in scratch.strips(shown):
        down[part] = shown[part].any(axis=1)
        across |= shown[part].any(axis=0)
    if not down.any():
        return None
    (top, bottom), (left, right) = (np.flatnonzero(seen)[[0, -1]].tolist() for seen in (down, across))
    return Region(top, left, bottom + 1 - top, right + 1 - left)


def _outward(region: Region, limits: Region) -> Region:
    """The same or a little more, so that it begins with a unit of a JPEG file and, inside `limits`, ends with one."""
    unit = JPEG_UNIT_PX
    top, left = region.top - region.top % unit, region.left - region.left % unit
    bottom = min(region.bottom + -region.bottom % unit, limits.bottom)
    right = min(region.right + -region.right % unit, limits.right)
    return Region(top, left, bottom - top, right - left)
