"""Global–local granularity fusion, GLGF (SLER-IR §3.4): what a place shows, and how badly the picture is damaged where.

A network is a function of (tile, context of the whole picture, box of the tile in it). So the whole picture is looked
at by a `Glance`: a grid of crops at native resolution, and a thumbnail. Content patches are those of the tile.

Shapes: B batch, D features of the maps, F features of the backbone or of an encoder, G² crops of S pixels a side, M
side of the DSP map, N heads, P × Q patches of a tile, H × W pixels. Pictures are sRGB in [0, 1].
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional as F

from darnet.images.formats import JPEG_UNIT_PX
from darnet.images.geometry import mirrored
from darnet.images.regions import Region, RegionSource
from darnet.models.layers.transformer import ChannelNorm
from darnet.models.views import Thumbnail

#: Crops a side (§3.4).
GRID = 4
#: Side of the DSP map: twice as fine as what it is made from. Finer ones hold no more.
MAP_SIDE = 2 * GRID
#: softplus(NEARNESS) = 1: a cell that lies the side of a crop away counts e times less at first.
NEARNESS = 0.5413


@dataclass(frozen=True)
class Glance:
    """The whole picture in brief: 4 × 4 crops at native resolution, side by side, over a thumbnail of the same size."""

    crop_px: int

    def __call__(self, pictures: Float[Tensor, "B 3 H W"]) -> Float[Tensor, "B 6 S4 S4"]:
        """Of whole pictures."""
        rows, columns = (_cut(length, self.crop_px, pictures.device) for length in pictures.shape[2:])
        mosaic = pictures.index_select(2, rows).index_select(3, columns)
        return torch.cat([mosaic, Thumbnail(GRID * self.crop_px)(pictures)], dim=1)

    def by_region(self, source: RegionSource) -> Float[Tensor, "1 6 S4 S4"]:
        """Of one picture, crop by crop."""
        rows, columns = (
            torch.split(_cut(length, self.crop_px, torch.device("cpu")), self.crop_px)
            for length in (source.height, source.width)
        )
        crops = [torch.cat([_picked(source, down, across) for across in columns], dim=2) for down in rows]
        thumbnail = Thumbnail(GRID * self.crop_px).by_region(source)
        return torch.cat([torch.cat(crops, dim=1)[None], thumbnail], dim=1)


def _picked(source: RegionSource, rows: Int[Tensor, " S"], columns: Int[Tensor, " S"]) -> Float[Tensor, "3 S S"]:
    """Some rows and columns, that lie close together."""
    top, left = int(rows.min()), int(columns.min())
    part = source.read(Region(top, left, int(rows.max()) - top + 1, int(columns.max()) - left + 1))
    return part.index_select(1, rows - top).index_select(2, columns - left)


def _cut(length: int, crop_px: int, device: torch.device) -> Int[Tensor, " S4"]:
    """Where along one axis the crops of `darnet.images.tiles.grid_crops` lie.

    Of a picture mirrored until they are distinct.

    By indices alone, in whole numbers, so that a graph of it (`darnet.engines.graphs`) takes pictures of any size.
    """
    steps = GRID - 1
    slack = torch.full((GRID, 1), length, device=device).clamp(min=crop_px + steps * JPEG_UNIT_PX) - crop_px
    starts = (2 * torch.arange(GRID, device=device)[:, None] * slack + steps) // (2 * steps)  # rounded
    return mirrored((starts - starts % JPEG_UNIT_PX + torch.arange(crop_px, device=device)).flatten(), length)


def unfold_crops(crops: Float[Tensor, "B 3 S4 S4"]) -> Float[Tensor, "BG2 3 S S"]:
    """The crops of a glance one by one, row by row, those of a picture together."""
    side = crops.shape[3] // GRID
    return crops.reshape(-1, 3, GRID, side, GRID, side).permute(0, 2, 4, 1, 3, 5).flatten(0, 2)


def squared_distances(box: Float[Tensor, "B 4"], rows: int, columns: int) -> Float[Tensor, "B PQ M2"]:
    """Between the centres of rows × columns patches of a box and those of the cells of the map, in sides of a crop."""
    top, left, bottom, right = box[:, :, None].unbind(dim=1)
    down, across, cells = ((torch.arange(count).to(box) + 0.5) / count for count in (rows, columns, MAP_SIDE))
    vertical, horizontal = (
        (GRID * (first + (last - first) * share)[..., None] - GRID * cells).square()
        for first, last, share in ((top, bottom, down), (left, right, across))
    )
    return (vertical[:, :, None, :, None] + horizontal[:, None, :, None, :]).flatten(3, 4).flatten(1, 2)


class Fusion(nn.Module):
    """(content token, content patches, degradation tokens, box) -> prior map: GLMC and CGDF.

    With `positions` a patch looks at the cells of the severity map around it: what a head makes of a cell falls off
    with the square of its distance, by a slope that is learnt (a relative position bias, Raffel et al. 2020, §2.1). So
    a tile finds its part of the map by its box. Else a patch finds the damage by what both show alone.
    """

    def __init__(self, content: int, degradation: int, features: int, heads: int, *, positions: bool = False) -> None:
        super().__init__()
        if features % heads:
            raise ValueError(f"{heads} heads do not divide {features} features")
        self.heads = heads
        self.align_content = nn.Conv2d(content, features, 1)
        self.align_degradation = nn.Linear(degradation, features)
        self.enlarge = nn.Upsample((MAP_SIDE, MAP_SIDE), mode="bilinear", align_corners=False)
        self.film = nn.Sequential(
            nn.Linear(content, features), nn.GELU(), nn.Linear(features, 2 * features)
        )  # MLP_c, eq. 11; the bias of γ is counted from 1, where it begins
        self.norm = ChannelNorm(features)
        self.nearness = nn.Parameter(torch.full((heads, 1, 1), NEARNESS)) if positions else None
        self.query, self.key, self.value, self.project = (nn.Linear(features, features) for _ in range(4))
        self.before_feed_forward = nn.LayerNorm(features)
        self.feed_forward = nn.Sequential(
            nn.Linear(features, 2 * features), nn.GELU(), nn.Linear(2 * features, features)
        )

    def forward(
        self,
        token: Float[Tensor, "B F"],
        patches: Float[Tensor, "B F P Q"],
        crops: Float[Tensor, "B G2 F2"],
        box: Float[Tensor, "B 4"] | None = None,
    ) -> Float[Tensor, "B D P Q"]:
        """The restoration prior map F' (eq. 12, then LN and FFN). Without a box, patches are of the whole picture."""
        content = self.content_map(token, patches)
        prior = content.flatten(2).transpose(1, 2) + self._attend(content, self.severity_map(crops), box)
        prior = prior + self.feed_forward(self.before_feed_forward(prior))
        unfolded: Tensor = prior.transpose(1, 2).unflatten(2, content.shape[2:])
        return unfolded

    def content_map(self, token: Float[Tensor, "B F"], patches: Float[Tensor, "B F P Q"]) -> Float[Tensor, "B D P Q"]:
        """CSP: content patches, calibrated by the content token of the whole picture (FiLM, eq. 11)."""
        scale, shift = self.film(token)[:, :, None, None].chunk(2, dim=1)
        calibrated: Tensor = self.norm((1 + scale) * self.align_content(patches) + shift)
        return calibrated

    def severity_map(self, crops: Float[Tensor, "B G2 F"]) -> Float[Tensor, "B D M M"]:
        """DSP: the degradation tokens of the crops where they were cut, upsampled."""
        coarse = self.align_degradation(crops).transpose(1, 2).unflatten(2, (GRID, GRID))
        enlarged: Tensor = self.enlarge(coarse)
        return enlarged

    def _attend(
        self, content: Float[Tensor, "B D P Q"], severity: Float[Tensor, "B D M M"], box: Float[Tensor, "B 4"] | None
    ) -> Tensor:
        """Attn(Q = content, K = V = severity) of eq. 12, as (B, P·Q, D)."""
        asked, known = content.flatten(2).transpose(1, 2), severity.flatten(2).transpose(1, 2)
        query, key, value = (
            layer(tokens).unflatten(2, (self.heads, -1)).transpose(1, 2)
            for layer, tokens in ((self.query, asked), (self.key, known), (self.value, known))
        )
        bias = None
        if self.nearness is not None:
            whole = asked.new_tensor([[0.0, 0.0, 1.0, 1.0]])
            distances = squared_distances(whole if box is None else box.to(asked), *content.shape[2:])
            bias = -F.softplus(self.nearness) * distances[:, None]
        answer: Tensor = self.project(
            F.scaled_dot_product_attention(query, key, value, bias).transpose(1, 2).flatten(2)
        )
        return answer


class Guidance(nn.Module):
    """Guided injection (§3.4): each patch of the prior asks the features at its own place, and they take the answer up.

    Prior as queries, features as keys and values, output projection, residual. Of the features only those of the same
    patch are asked: so the cost is linear in H·W, and tiles agree. A new one changes nothing.
    """

    def __init__(self, prior: int, features: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm = ChannelNorm(features)
        self.query = nn.Conv2d(prior, features, 1)  # aligns the prior, too
        self.key, self.value = nn.Conv2d(features, features, 1), nn.Conv2d(features, features, 1)
        self.project = nn.Conv2d(features, features, 1)
        for weight in self.project.parameters():
            nn.init.zeros_(weight)

    def forward(self, features: Float[Tensor, "B F H W"], prior: Float[Tensor, "B D P Q"]) -> Float[Tensor, "B F H W"]:
        """Same shape out; H and W are multiples of P and Q."""
        normalised = self.norm(features)
        query = self.query(prior).unflatten(1, (self.heads, -1))[..., None]
        key, value = (self._patches(layer(normalised), prior) for layer in (self.key, self.value))
        weights = ((query * key).sum(dim=2, keepdim=True) / key.shape[2] ** 0.5).softmax(dim=-1)
        change: Tensor = self.project((weights * value).sum(dim=-1).flatten(1, 2))
        return features + F.interpolate(change, size=features.shape[2:], mode="bilinear", align_corners=False)

    def _patches(self, features: Float[Tensor, "B F H W"], prior: Float[Tensor, "B D P Q"]) -> Tensor:
        """(B, N, F / N, P, Q, pixels of a patch)."""
        batch, count, height, width = features.shape
        rows, columns = prior.shape[2:]
        sides = (rows, height // rows, columns, width // columns)
        return features.reshape(batch, self.heads, count // self.heads, *sides).transpose(4, 5).flatten(5)
