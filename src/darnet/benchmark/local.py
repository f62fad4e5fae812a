"""Noise in one part of a photo alone: what is repaired there must be, and the rest left as it was.

Shapes: B batch, C channels, P parameters, H × W pixels. Pictures are sRGB in [0, 1].
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Generator, Tensor

from darnet.benchmark.cases import DEFAULT_SETS, Case, Scene, damaged
from darnet.benchmark.protocol import Pixels, Protocol
from darnet.degradations import GaussianNoise, quantise

#: How much of the damage a pixel has, 0 to 1, in a picture of so many rows and columns.
Mask = Callable[[int, int], Float[Tensor, "H W"]]
EVERYWHERE = "everywhere"
SIGMA_255 = 25.0
#: What is measured of the rest: the share of its pixels that changed by more than a level, and whether none did at all.
CHANGED, IDENTICAL = "changed", "identical"


def everywhere(height: int, width: int) -> Float[Tensor, "H W"]:
    """All of the picture."""
    return torch.ones(height, width)


def lower_half(height: int, width: int) -> Float[Tensor, "H W"]:
    """The lower half; the middle row belongs to it."""
    return _from(height // 2, height)[:, None].expand(height, width)


def corner(height: int, width: int) -> Float[Tensor, "H W"]:
    """The last third of each side: a ninth of the picture."""
    return _from(2 * height // 3, height)[:, None] * _from(2 * width // 3, width)


def gradient(height: int, width: int) -> Float[Tensor, "H W"]:
    """None in the left third, rising linearly across the middle one, all in the right one."""
    across = (torch.arange(width) + 0.5) / width
    return (3 * across - 1).clamp(0, 1).expand(height, width)


#: By the name of their rows.
MASKS: Mapping[str, Mask] = {"lower half": lower_half, "corner": corner, "gradient": gradient, EVERYWHERE: everywhere}


def _from(first: int, length: int) -> Float[Tensor, " L"]:
    return (torch.arange(length) >= first).float()


@dataclass(frozen=True)
class LocalNoise(GaussianNoise):
    """Gaussian noise, σ times a mask: where that is 1 the noise is that of the whole picture, where 0 there is none."""

    mask: str = EVERYWHERE

    def unclipped(
        self, clean: Float[Tensor, "B C H W"], parameters: Float[Tensor, "B P"], rng: Generator
    ) -> Float[Tensor, "B C H W"]:
        """Add the noise of the whole picture, as far as the mask says."""
        noisy = super().unclipped(clean, parameters, rng)
        return clean.lerp(noisy, MASKS[self.mask](*clean.shape[2:]).to(clean))


class LocalCase(Case):
    """A photo with noise in a part of it, which `way` names; or, to compare with, everywhere."""

    def figures(self, restored: Pixels, scene: Scene, protocol: Protocol) -> dict[str, float]:
        """PSNR of the damaged part in dB, by its name, and what became of the rest.

        With damage everywhere: PSNR of every part that other cases damage.
        """
        height, width = scene.clean.shape[1:]
        weight = MASKS[self.way](height, width)
        parts = MASKS if self.way == EVERYWHERE else (self.way,)
        found = {part: protocol.psnr_of(MASKS[part](height, width) > 0, restored, scene.clean) for part in parts}
        if self.way == EVERYWHERE:
            return found
        before, after = scene.observed[:, weight == 0], restored[:, weight == 0]
        levels = 255 * (quantise(after, "round") - quantise(before, "round")).abs().amax(dim=0)
        return {**found, CHANGED: float((levels > 1.5).double().mean()), IDENTICAL: float(torch.equal(before, after))}


def cases(root: Path, sets: Sequence[str] = (), limit: int | None = None) -> list[Case]:
    """Photos under noise in each part and everywhere, CBSD68 or the photo sets that are named. Raises NoInputError."""
    sigma = (SIGMA_255, SIGMA_255)
    return [
        LocalCase(case.set, case.name, case.kind, case.severity, case.clean, case.degradation, way=mask)
        for mask in MASKS
        for name in sets or DEFAULT_SETS
        for case in damaged(LocalNoise(sigma, mask), root, name, limit)
    ]
