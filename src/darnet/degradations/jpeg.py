"""JPEG: blocks, ringing and smeared colours of a file that was made too small.

Shapes: B batch, P parameters, H × W pixels. Pictures are sRGB in [0, 1].
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Generator, Tensor

from darnet.degradations.base import Degradation, Range
from darnet.degradations.kind import Kind
from darnet.images.formats import JPEG_UNIT_PX


@dataclass(frozen=True)
class Jpeg(Degradation):
    """y = what a JPEG file of x holds: `quality` on libjpeg's scale of 1–100, colour at half resolution (4:2:0).

    Source: Wallace, "The JPEG still picture compression standard", IEEE Trans. Consumer Electronics 1992, as libjpeg
    scales its tables; the codec itself does it. A quality is rounded to a whole number. The 8 × 8 blocks begin in the
    top left corner.
    """

    quality: Range = (5.0, 60.0)
    kind: ClassVar[str] = "jpeg"
    parameters: ClassVar[tuple[str, ...]] = ("quality",)
    limits: ClassVar[Mapping[str, Range]] = {"quality": (1, 100)}

    @property
    def margin_px(self) -> int:
        """One unit of coded colour, so that the blocks of a crop lie as they do in a file."""
        return JPEG_UNIT_PX

    def apply(
        self, clean: Float[Tensor, "B C H W"], parameters: Float[Tensor, "B P"], rng: Generator
    ) -> Float[Tensor, "B C H W"]:
        """Compress and decode each sample."""
        return compressed(clean, parameters[:, 0])

    def severity(self, parameters: Float[Tensor, "B P"]) -> Float[Tensor, " B"]:
        """Quality, 1–100: the lower, the worse."""
        return parameters[:, 0]


#: Quality: libjpeg's scale, 1 to 100.
JPEG = Kind(
    "jpeg",
    {"jpeg": Jpeg},
    symbol="quality",
    also_called=("compression", "compressed"),
    concern="file",
    stage="file",
    steps="darnet.imaging.files:JPEG",
    severities={"jpeg": tuple(Jpeg((quality, quality)) for quality in (10.0, 20.0, 40.0))},
)


def compressed(pictures: Float[Tensor, "B C H W"], quality: Float[Tensor, " B"]) -> Float[Tensor, "B C H W"]:
    """Each picture as a JPEG file of its quality holds it; C = 1 makes a grey file, C = 3 a colour one."""
    levels = (pictures.detach().clamp(0, 1) * 255).round().to(torch.uint8).permute(0, 2, 3, 1).cpu().numpy()
    qualities = [min(100, max(1, round(value))) for value in quality.tolist()]
    decoded = [_round_trip(picture, quality) for picture, quality in zip(levels, qualities, strict=True)]
    return torch.from_numpy(np.stack(decoded)).to(pictures.device).permute(0, 3, 1, 2).to(pictures.dtype) / 255


def _round_trip(picture: UInt8[np.ndarray, "H W C"], quality: int) -> UInt8[np.ndarray, "H W C"]:
    # Pillow: six times as fast as libvips on pictures as small as crops. Not loaded by those who only ask for the kind.
    import PIL.Image

    file = io.BytesIO()
    PIL.Image.fromarray(picture[..., 0] if picture.shape[2] == 1 else picture).save(file, "JPEG", quality=quality)
    with PIL.Image.open(file) as decoded:
        return np.asarray(decoded).reshape(picture.shape)
