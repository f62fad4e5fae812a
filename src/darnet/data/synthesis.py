"""Training batches, made where the photos lie (the training device): random crops, then random damage, in batches.

Everything a batch holds follows from (photos, settings, seed), so a run that was stopped goes on with the same batches.

Shapes: B batch, N crops of one picture, S their side with margin, T side of a thumbnail, H × W pixels of a crop.
Pictures are sRGB in [0, 1].
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int, UInt8
from torch import Generator, Tensor

from darnet.data.photos import Photo
from darnet.degradations import Degradation, quantise
from darnet.degradations.base import Rounding, mirror_pad, turn_grey
from darnet.models.base import make_thumbnail


@dataclass(frozen=True)
class Batch:
    """Degraded crops and the truth about them."""

    degraded: Float[Tensor, "B 3 H W"]
    clean: Float[Tensor, "B 3 H W"]
    label: Int[Tensor, " B"]  # index into the kinds that are told apart
    level: Float[Tensor, " B"]  # in the kind's unit; 0 where it has none
    thumbnail: Float[Tensor, "B 3 T T"] | None = None  # of the whole degraded picture
    crops_per_picture: int = 1  # that many samples in a row are crops of one picture, degraded alike


@dataclass(frozen=True)
class Synthesis:
    """How batches are made. `degradations` are drawn with `shares` (they need not sum to 1)."""

    photos: Sequence[Photo]
    degradations: Sequence[Degradation]
    shares: Sequence[float]
    kinds: Sequence[str]
    crop_px: int
    thumbnail_px: int = 0
    rounding: Rounding = "round"
    augment: bool = True  # flips and quarter turns
    grey: float = 0.0  # share of pictures that are turned grey, with damage that is the same in the three channels
    crops_per_picture: int = 1

    def __call__(self, size: int, rng: Generator) -> Batch:
        """`size` samples on the device of the photos; `size` is a multiple of `crops_per_picture`.

        `rng` is a generator of the CPU: what is picked is known here, so no batch waits for a device.
        """
        picks, device = rng, self.photos[0].device
        rng = Generator(device).manual_seed(_integer(2**62, picks))
        share = torch.tensor(self.shares, dtype=torch.float)
        pictures = size // self.crops_per_picture
        choice = torch.multinomial(share, pictures, replacement=True, generator=picks).tolist()
        parts = [
            self._degrade(self.degradations[index], choice.count(index), picks, rng) for index in sorted(set(choice))
        ]
        order = torch.randperm(pictures, generator=picks)[:, None] * self.crops_per_picture
        order = (order + torch.arange(self.crops_per_picture)).flatten().to(device)
        degraded, clean, label, level = (
            torch.cat([getattr(part, name) for part in parts])[order]
            for name in ("degraded", "clean", "label", "level")
        )
        thumbnails = [part.thumbnail for part in parts if part.thumbnail is not None]
        thumbnail = torch.cat(thumbnails)[order] if thumbnails else None
        return Batch(degraded, clean, label, level, thumbnail, self.crops_per_picture)

    def _degrade(self, degradation: Degradation, pictures: int, picks: Generator, rng: Generator) -> Batch:
        if self.thumbnail_px:
            return self._degrade_whole(degradation, pictures, picks, rng)
        crops = torch.cat([self._pick(degradation.margin_px, picks) for _ in range(pictures)])
        grey = self._grey(pictures, picks).repeat_interleave(self.crops_per_picture)
        parameters = degradation.draw(pictures, rng).repeat_interleave(self.crops_per_picture, dim=0)
        clean, degraded = self._damage(crops, degradation, parameters, grey, rng)
        inner = (..., *2 * (slice(degradation.margin_px, clean.shape[3] - degradation.margin_px),))
        return self._batch(degraded[inner], clean[inner], degradation, parameters)

    def _degrade_whole(self, degradation: Degradation, pictures: int, picks: Generator, rng: Generator) -> Batch:
        """As `_degrade`, but whole pictures are degraded, for their thumbnails, before crops are cut from them."""
        views = []
        for _ in range(pictures):
            photo = self.photos[_integer(len(self.photos), picks)]
            whole, grey = self._turned(photo, picks)[None], self._grey(1, picks)
            parameters = degradation.draw(1, rng)
            clean, degraded = self._damage(whole, degradation, parameters, grey, rng)
            thumbnail = make_thumbnail(degraded, self.thumbnail_px)
            for _ in range(self.crops_per_picture):
                crop = _square(clean.shape, self.crop_px, picks)
                views.append((crop(degraded), crop(clean), parameters, thumbnail))
        degraded, clean, parameters, thumbnail = (torch.cat(tensors) for tensors in zip(*views, strict=True))
        return self._batch(degraded, clean, degradation, parameters, thumbnail)

    def _damage(
        self,
        photos: UInt8[Tensor, "B 3 H W"],
        degradation: Degradation,
        parameters: Tensor,
        grey: Tensor,
        rng: Generator,
    ) -> tuple[Float[Tensor, "B 3 H W"], Float[Tensor, "B 3 H W"]]:
        """(clean, degraded). A grey file holds one channel, so what is grey has one noise, not three."""
        clean = photos.float() / 255
        grey = grey.to(clean.device)[:, None, None, None]
        if self.grey:
            clean = torch.where(grey, turn_grey(clean), clean)
        degraded = quantise(degradation.apply(clean, parameters, rng), self.rounding)
        return clean, torch.where(grey, degraded[:, :1], degraded)

    def _grey(self, pictures: int, picks: Generator) -> Bool[Tensor, " B"]:
        if not self.grey:  # and no chance is used up
            return torch.zeros(pictures, dtype=torch.bool)
        return torch.rand(pictures, generator=picks) < self.grey

    def _batch(
        self,
        degraded: Tensor,
        clean: Tensor,
        degradation: Degradation,
        parameters: Tensor,
        thumbnail: Tensor | None = None,
    ) -> Batch:
        label = torch.full((len(clean),), self.kinds.index(degradation.kind), device=clean.device)
        return Batch(degraded, clean, label, degradation.level(parameters), thumbnail)

    def _pick(self, margin_px: int, picks: Generator) -> UInt8[Tensor, "N 3 S S"]:
        """Random crops of one photo with a margin around them; mirrored where the photo ends."""
        photo = self.photos[_integer(len(self.photos), picks)][None]
        side = self.crop_px + 2 * margin_px
        crops = [_square(photo.shape, side, picks)(photo)[0] for _ in range(self.crops_per_picture)]
        return torch.stack([self._turned(crop, picks) for crop in crops])

    def _turned(self, photo: Photo, picks: Generator) -> Photo:
        if not self.augment:
            return photo
        if _integer(2, picks):
            photo = photo.flip(2)
        return photo.rot90(_integer(4, picks), (1, 2))


def _integer(below: int, picks: Generator) -> int:
    return int(torch.randint(below, (1,), generator=picks))


def _square(shape: Sequence[int], side: int, picks: Generator) -> Callable[[Tensor], Tensor]:
    """A random square of (B, C, H, W) pictures, the same for all that are cut with it; mirrored where they end."""
    top, left = (_integer(max(1, extent - side + 1), picks) for extent in shape[2:])

    def cut(pictures: Tensor) -> Tensor:
        crop = pictures[..., top : top + side, left : left + side]
        below, right = side - crop.shape[2], side - crop.shape[3]
        return mirror_pad(crop, (0, below), (0, right)) if below or right else crop

    return cut
