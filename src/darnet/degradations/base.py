"""What a degradation is: a physical formula, and the range its parameters are drawn from.

Shapes: B batch, P parameters of one sample, H × W pixels. Pictures are sRGB in [0, 1].
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from types import MappingProxyType
from typing import ClassVar, Literal

import torch
from jaxtyping import Float
from torch import Generator, Tensor

Range = tuple[float, float]
Rounding = Literal["none", "round", "floor"]

LUMA = (0.299, 0.587, 0.114)  # ITU-R BT.601, as MATLAB's rgb2gray


@dataclass(frozen=True)
class Degradation(ABC):
    """(clean, parameters, rng) -> degraded. The same three give the same pixels.

    A subclass is a frozen dataclass with one field per parameter: the closed range it is drawn from.
    """

    kind: ClassVar[str]  #: the kind of damage, the class a router learns
    parameters: ClassVar[tuple[str, ...]] = ()  #: names of the P parameters, in order
    limits: ClassVar[Mapping[str, Range]] = MappingProxyType({})  #: of parameters that more than 0 bounds
    needs_scene: ClassVar[bool] = False  #: whether a crop degraded alone differs from a crop of a degraded picture

    def __post_init__(self) -> None:
        """Raise ValueError for a range that is reversed, or beyond its limits."""
        for name in self.parameters:
            low, high = getattr(self, name)
            least, most = self.limits.get(name, (0, math.inf))
            if not least <= low <= high <= most:
                above = f" <= {most:g}" if most < math.inf else ""
                raise ValueError(
                    f"{self.kind}: {name} must be a range [low, high] with {least:g} <= low <= high{above}"
                )

    @property
    def margin_px(self) -> int:
        """How far outside a crop the degradation looks; a crop is degraded with this margin, then cut."""
        return 0

    def draw(self, count: int, rng: Generator) -> Float[Tensor, "B P"]:
        """`count` sets of parameters, uniform in their ranges, on the generator's device."""
        u = torch.rand(count, len(self.parameters), generator=rng, device=rng.device)
        low, high = torch.tensor([getattr(self, name) for name in self.parameters]).reshape(-1, 2).to(u).unbind(dim=1)
        return low + u * (high - low)

    @abstractmethod
    def apply(
        self, clean: Float[Tensor, "B C H W"], parameters: Float[Tensor, "B P"], rng: Generator
    ) -> Float[Tensor, "B C H W"]:
        """Degrade each sample with its own parameters; the result lies in [0, 1]."""

    @abstractmethod
    def severity(self, parameters: Float[Tensor, "B P"]) -> Float[Tensor, " B"]:
        """The one number a router estimates, in the kind's unit (see `darnet.restore.diagnosis.Diagnosis`)."""

    def __call__(self, clean: Float[Tensor, "C H W"], rng: Generator) -> Float[Tensor, "C H W"]:
        """Degrade one picture with parameters drawn from their ranges."""
        batch = clean[None]
        return self.apply(batch, self.draw(1, rng).to(clean), rng)[0]


@dataclass(frozen=True)
class Clean(Degradation):
    """y = x: the kind a router must leave alone."""

    kind: ClassVar[str] = "clean"

    def apply(
        self, clean: Float[Tensor, "B C H W"], parameters: Float[Tensor, "B P"], rng: Generator
    ) -> Float[Tensor, "B C H W"]:
        """Return the pictures as they are."""
        return clean

    def severity(self, parameters: Float[Tensor, "B P"]) -> Float[Tensor, " B"]:
        """Zero: nothing is wrong."""
        return parameters.new_zeros(len(parameters))


def quantise(pixels: Tensor, rounding: Rounding) -> Tensor:
    """What an 8-bit file holds of pixels in [0, 1]: rounded to the nearest of 256 levels, or cut down ("floor").

    "floor" is what `astype(uint8)` does in the field's clipped protocol (AirNet, PromptIR and their descendants).
    """
    if rounding == "none":
        return pixels
    scaled = pixels.clamp(0, 1) * 255
    # 1e-3 of a level: a value that float arithmetic left just under a level belongs to that level.
    return (scaled.round() if rounding == "round" else (scaled + 1e-3).floor()) / 255


def turn_grey(pictures: Float[Tensor, "... 3 H W"]) -> Float[Tensor, "... 3 H W"]:
    """BT.601 luma, rounded to 8 bits and replicated: how a grey file is seen by whoever wants three channels."""
    luma = (pictures * pictures.new_tensor(LUMA)[:, None, None]).sum(dim=-3, keepdim=True)
    return quantise(luma, "round").expand_as(pictures).contiguous()


def named_generator(name: str, seed: int = 0) -> Generator:
    """Chance that belongs to a picture's name, not to the order in which pictures are taken."""
    digest = sha256(f"{seed}:{name}".encode(errors="surrogateescape")).digest()
    return Generator().manual_seed(int.from_bytes(digest[:8]) >> 1)


def per_sample(parameters: Float[Tensor, "B P"], index: int) -> Float[Tensor, "B 1 1 1"]:
    """One parameter, shaped to broadcast over (B, C, H, W)."""
    return parameters[:, index, None, None, None]
