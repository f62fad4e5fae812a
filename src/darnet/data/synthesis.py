"""Training batches, made where the photos lie (the training device): random crops, then random damage, in batches.

Damage that no crop shows alone (haze thickens over a whole scene) and networks that look at the whole picture take the
other way: whole pictures are degraded, then cropped. Real pairs are only cropped.

Everything a batch holds follows from (photos, settings, seed), so a run that was stopped goes on with the same batches.

Shapes: B batch, P pictures that B crops are of, K kinds that are told apart, L those that a teacher knows, N crops of
one picture, S their side with margin, C × S × T the views of a picture, H × W pixels of a crop.
Pictures are sRGB in [0, 1].
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import torch
from jaxtyping import Bool, Float, Int, UInt8
from torch import Generator, Tensor
from torch.nn import functional as F

from darnet.data.augmentation import UNCHANGED, Augmentation, smaller
from darnet.data.batch import Batch
from darnet.data.pairs import Pairs
from darnet.data.photos import Photo
from darnet.data.scenes import Scenes, Square, integer, square
from darnet.data.storage import LOSSLESS, Storage
from darnet.degradations import Degradation, find_kind, quantise
from darnet.degradations.base import Rounding, turn_grey
from darnet.degradations.kind import Stage
from darnet.images import geometry
from darnet.images.geometry import mirror_pad
from darnet.imaging.chain import Chain
from darnet.registry import CLEAN

#: Where damage comes from that real pairs may have beside their own.
NOT_LOOKED_FOR: tuple[Stage, ...] = ("sensor", "file")
#: Share of real pairs whose clean picture a router is shown. Both are files of one sort, which must tell it nothing:
#: where all photos of JPEG quality 75 are overexposed or dark, quality 75 is what it learns. Where the damage has no
#: size in pixels it sees them smaller, too, so that little is left of how their files were kept.
RIGHT = 0.5
#: Sides of small pictures.
SMALL_PX = (32, 48, 64, 96)
#: A crop with a local kind in less than the first share of it has it not, in more than the second it has it.
COVERED = (0.02, 0.2)


@dataclass(frozen=True)
class Synthesis:
    """How batches are made. `sources` are drawn with `shares` (they need not sum to 1)."""

    photos: Sequence[Photo]
    sources: Sequence[Degradation | Pairs | Chain]
    shares: Sequence[float]
    kinds: Sequence[str]
    crop_px: int
    views: Callable[[Tensor], Tensor] | None = None  # of whole pictures, that the network looks at
    scene_px: int | None = None  # where whole pictures are degraded: at most so much of them, a side
    rounding: Rounding = "round"
    augment: bool = True  # flips and quarter turns
    augmentation: Augmentation = UNCHANGED
    grey: float = 0.0  # share of pictures that are turned grey, with damage that is the same in the three channels
    storage: Storage = LOSSLESS
    crops_per_picture: int = 1
    align_px: int = 1  # crops of whole pictures begin at multiples of this, as the blocks of a JPEG file do
    scenes: Scenes | None = None  # what a chain begins with; none: there is no chain
    small_share: float = 0.0  # batches of a chain whose pictures are smaller than a crop, and mirrored to its size

    def __call__(self, size: int, rng: Generator) -> Batch:
        """`size` samples on the device of the photos; `size` is a multiple of `crops_per_picture`.

        `rng` is a generator of the CPU: what is picked is known here, so no batch waits for a device.
        """
        picks, device = rng, self.photos[0].device
        rng = Generator(device).manual_seed(integer(2**62, picks))
        share = torch.tensor(self.shares, dtype=torch.float)
        pictures = size // self.crops_per_picture
        choice = torch.multinomial(share, pictures, replacement=True, generator=picks).tolist()
        parts = [self._part(self.sources[index], choice.count(index), picks, rng) for index in sorted(set(choice))]
        order = torch.randperm(pictures, generator=picks)[:, None] * self.crops_per_picture
        order = (order + torch.arange(self.crops_per_picture)).flatten().to(device)
        degraded, clean, label, severity = (
            torch.cat([getattr(part, name) for part in parts])[order]
            for name in ("degraded", "clean", "label", "severity")
        )
        batch = Batch(degraded, clean, label, severity, crops_per_picture=self.crops_per_picture)
        if self.views:
            seen, box = (torch.cat([getattr(part, name) for part in parts])[order] for name in ("views", "box"))
            batch = batch._replace(views=seen, box=box)
        if all(part.presence is None for part in parts):
            return batch
        presence, severities = (
            torch.cat([self._each(part, name) for part in parts])[order] for name in ("presence", "severities")
        )
        return batch._replace(presence=presence, severities=severities)

    def _each(self, part: Batch, name: str) -> Float[Tensor, "B K"]:
        """Presence or severity of all kinds in every crop of a part, whether it says so or has one kind alone."""
        given: Tensor | None = getattr(part, name)
        if given is not None:
            return given
        values = (part.present if name == "presence" else part.known_severities)(len(self.kinds))
        return values.repeat_interleave(self.crops_per_picture, dim=0)

    def _part(self, source: Degradation | Pairs | Chain, pictures: int, picks: Generator, rng: Generator) -> Batch:
        if isinstance(source, Chain):
            return self._chain(source, pictures, picks, rng)
        if isinstance(source, Pairs):
            return self._pairs(source, pictures, picks)
        if not self.views and not source.needs_scene:
            return self._crops(source, pictures, picks, rng)
        return self._joined(source, [self._cropped(*self._scene(source, picks, rng), picks) for _ in range(pictures)])

    def _joined(self, source: Degradation | Pairs, crops: Sequence[tuple[Tensor, ...]]) -> Batch:
        """What `_cropped` gave of each picture."""
        degraded, clean, severity, *whole = (torch.cat(tensors) for tensors in zip(*crops, strict=True))
        batch = Batch(degraded, clean, self._label(source, clean), severity)
        return batch._replace(views=whole[0], box=whole[1]) if whole else batch

    def _pairs(self, pairs: Pairs, pictures: int, picks: Generator) -> Batch:
        """Crops of real pairs; a router, which tells clean pictures from others, is shown the right ones, too."""
        ways = [source for source in self.sources if isinstance(source, Chain)]
        routed = CLEAN in self.kinds and any(not way.repaired for way in ways)
        right = (torch.rand(pictures, generator=picks) < RIGHT).tolist() if routed else [None] * pictures
        batch = self._joined(pairs, [self._cropped(*self._pair(pairs, picks, right=one), picks) for one in right])
        if routed:
            shown = torch.tensor(right, device=batch.label.device).repeat_interleave(self.crops_per_picture)
            batch = batch._replace(label=batch.label.where(~shown, self.kinds.index(CLEAN)))
        if not ways:
            return batch
        presence = F.one_hot(batch.label, len(self.kinds)).to(batch.severity)
        unknown = [i for i in self._not_looked_for if self.kinds[i] != pairs.kind]
        presence[:, unknown] = torch.nan  # nobody knows whether there is some of that, too
        return batch._replace(presence=presence, severities=torch.zeros_like(presence))

    @cached_property
    def _not_looked_for(self) -> list[int]:
        found = map(find_kind, self.kinds)
        return [index for index, kind in enumerate(found) if kind is not None and kind.stage in NOT_LOOKED_FOR]

    def _chain(self, chain: Chain, pictures: int, picks: Generator, rng: Generator) -> Batch:
        """Scenes go the way of a photo together; crops of all of them are cut at the same places."""
        assert self.scenes is not None
        clean, depth, drawn = self.scenes(pictures, picks)
        way = chain(clean, picks, rng, depth, drawn)
        both = self._turned_each(torch.cat([way.degraded, way.target, *way.covered.values()], dim=1), picks)
        small = float(torch.rand(1, generator=picks)) < self.small_share
        if small:
            side = SMALL_PX[integer(len(SMALL_PX), picks)]
            both = square(both.shape, side, picks, self.align_px)(both)
        whole, seen = both.shape[2:], self.views(both[:, :3]) if self.views else None
        if small:
            both = mirror_pad(both, (0, self.crop_px - side), (0, self.crop_px - side))
        count = self.crops_per_picture
        cuts = [square(both.shape, self.crop_px, picks, self.align_px) for _ in range(count)]
        crops = torch.stack([cut(both) for cut in cuts], dim=1).flatten(
            0, 1
        )  # (B, 6 and one for each local kind, H, W)
        label = self._most_certain(chain, way.visibility)
        severity = way.severities.gather(1, label[:, None])[:, 0]
        label, severity, presence, severities = (
            values.repeat_interleave(count, dim=0) for values in (label, severity, way.presence, way.severities)
        )
        for channel, kind in enumerate(way.covered, start=6):
            if kind in self.kinds:
                present = presence[:, self.kinds.index(kind)]
                covered = crops[:, channel].mean(dim=(1, 2))
                present[(covered < COVERED[1]) & (present == 1)] = torch.nan
                present[(covered < COVERED[0]) & present.isnan()] = 0
        batch = Batch(
            crops[:, :3], crops[:, 3:6], label, severity, None, count, presence=presence, severities=severities
        )
        if seen is None:
            return batch
        return batch._replace(
            views=seen.repeat_interleave(count, dim=0), box=_boxes(cuts, whole, crops).repeat(pictures, 1)
        )

    def _most_certain(self, chain: Chain, visibility: Float[Tensor, "B K"]) -> Int[Tensor, " B"]:
        """The kind that shows most clearly; clean where none does. For an expert, always what it repairs."""
        if chain.repaired:
            return torch.full((len(visibility),), self.kinds.index(chain.repaired), device=visibility.device)
        clearest, label = visibility.max(dim=1)
        return torch.where(clearest >= 1, label, self.kinds.index(CLEAN))

    def _turned_each(self, pictures: Float[Tensor, "B C S S"], picks: Generator) -> Float[Tensor, "B C S S"]:
        """Each in one of the eight views, where the recipe wants them."""
        if not self.augment:
            return pictures
        ways = torch.randint(geometry.COUNT, (len(pictures),), generator=picks)
        turned = torch.empty_like(pictures)
        for way in sorted(set(ways.tolist())):
            rows = (ways == way).nonzero().flatten().to(pictures.device)
            turned[rows] = geometry.view(pictures[rows], way)
        return turned

    def _crops(self, degradation: Degradation, pictures: int, picks: Generator, rng: Generator) -> Batch:
        """Crops are cut, with a margin, and degraded together."""
        margin_px = degradation.margin_px
        crops = torch.cat([self._pick(margin_px, picks) for _ in range(pictures)])
        grey = self._grey(pictures, picks).repeat_interleave(self.crops_per_picture)
        parameters = degradation.draw(pictures, rng).repeat_interleave(self.crops_per_picture, dim=0)
        clean, degraded = self._damage(crops, degradation, parameters, grey, picks, rng)
        inner = (..., *2 * (slice(margin_px, clean.shape[3] - margin_px),))
        severity = degradation.severity(parameters)
        return Batch(self.storage(degraded[inner], picks), clean[inner], self._label(degradation, clean), severity)

    def _scene(self, degradation: Degradation, picks: Generator, rng: Generator) -> tuple[Tensor, Tensor, Tensor]:
        """(degraded, clean, severity) of a whole picture, or as much of it as a scene may hold."""
        whole = self._turned(self._cut_scene(self._photo(picks), picks), picks)
        parameters = degradation.draw(1, rng)
        clean, degraded = self._damage(whole, degradation, parameters, self._grey(1, picks), picks, rng)
        return self.storage(degraded, picks), clean, degradation.severity(parameters)

    def _pair(self, pairs: Pairs, picks: Generator, *, right: bool | None) -> tuple[Tensor, Tensor, Tensor]:
        """(degraded, clean, severity; 0: nobody measured it) of a pair.

        `right`: for a router; the clean one in place of both, or not.
        """
        index = integer(len(pairs.photos), picks)
        both = torch.stack(pairs.photos[index])
        severity = pairs.severities[index] if pairs.severities else 0.0
        both = self._turned(both, picks).float() / 255
        known = find_kind(pairs.kind)
        if right is not None and known is not None and known.concern == "tones":
            both = quantise(smaller(both, float(torch.rand(1, generator=picks)), self.crop_px), "round")
        if right:
            both, severity = both[[1, 1]], 0.0
        return self.storage(both[:1], picks), both[1:], torch.tensor([severity], device=both.device)

    def _cut_scene(self, pictures: UInt8[Tensor, "B 3 H W"], picks: Generator) -> UInt8[Tensor, "B 3 _H _W"]:
        if self.scene_px is None or min(pictures.shape[2:]) <= self.scene_px:
            return pictures
        return square(pictures.shape, self.scene_px, picks)(pictures)

    def _cropped(self, degraded: Tensor, clean: Tensor, severity: Tensor, picks: Generator) -> tuple[Tensor, ...]:
        """The crops of one picture: (degraded, clean, severity) and, where whole ones are looked at, views and box."""
        count = self.crops_per_picture
        cuts = [square(clean.shape, self.crop_px, picks, self.align_px) for _ in range(count)]
        crops = (torch.cat([cut(pictures) for cut in cuts]) for pictures in (degraded, clean))
        cropped = (*crops, severity.expand(count))
        if not self.views:
            return cropped
        return (*cropped, self.views(degraded).expand(count, -1, -1, -1), _boxes(cuts, clean.shape[2:], clean))

    def _damage(
        self,
        photos: UInt8[Tensor, "B 3 H W"],
        degradation: Degradation,
        parameters: Tensor,
        grey: Tensor,
        picks: Generator,
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

    def _label(self, source: Degradation | Pairs, clean: Tensor) -> Int[Tensor, " B"]:
        return torch.full((len(clean),), self.kinds.index(source.kind), device=clean.device)

    def _pick(self, margin_px: int, picks: Generator) -> UInt8[Tensor, "N 3 S S"]:
        """Random crops of one photo with a margin around them; mirrored where the photo ends."""
        photo = self._photo(picks)
        side = self.crop_px + 2 * margin_px
        crops = [square(photo.shape, side, picks)(photo)[0] for _ in range(self.crops_per_picture)]
        return torch.stack([self._turned(crop, picks) for crop in crops])

    def _photo(self, picks: Generator) -> UInt8[Tensor, "1 3 _H _W"]:
        return self.augmentation(self.photos[integer(len(self.photos), picks)], picks)[None]

    def _turned(self, pictures: Tensor, picks: Generator) -> Tensor:
        """One of the eight views, where the recipe wants them."""
        return geometry.view(pictures, integer(geometry.COUNT, picks)) if self.augment else pictures


def _boxes(cuts: Sequence[Square], shape: Sequence[int], like: Tensor) -> Float[Tensor, "N 4"]:
    """Where squares lie in a picture of (height, width)."""
    return torch.cat([cut.box(*shape) for cut in cuts]).to(like)
