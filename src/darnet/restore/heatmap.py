"""Heat maps: how certain each kind of damage is at each place, drawn over the picture.

Shapes: H × W pixels of the drawing, K kinds.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import PIL.Image
import PIL.ImageDraw
import PIL.ImageFont
import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from darnet.degradations import kinds as known_kinds
from darnet.degradations.base import LUMA
from darnet.images.image import Image
from darnet.registry import CLEAN
from darnet.restore.diagnosis import Crop
from darnet.restore.places import Map
from darnet.restore.subject import Subject

#: Colours that most people tell apart, and red, since black or white would hardly show on a grey picture. Source: Okabe
#: and Ito, "Color universal design", 2008.
COLOURS = (
    *((230, 159, 0), (86, 180, 233), (0, 158, 115), (240, 228, 66)),
    *((0, 114, 178), (213, 94, 0), (204, 121, 167), (255, 40, 60)),
)
#: A drawing's longest side, and the size of its letters.
LONGEST_PX, LETTERS_PX = 1600, 16
#: How dark the picture is drawn, and how strongly what is certain.
DIMMED, STRONG = 0.7, 0.65
#: Presence follows edges of the picture: windows of so many pixels, and variances below this are no edge.
RADIUS_PX, FLAT = 12, 1e-3


def heat_map(subject: Subject, crops: Sequence[Crop], kinds: Sequence[str]) -> Image:
    """The whole picture in grey, in which each kind has its colour, as strong as it is certain there; and a legend.

    crops: in pixels of the subject. Presence is linear between their centres and follows edges (`guided`); outside the
    subject, where nobody looks, there is no colour. Raises ValueError without crops.

    >>> photo = Subject.of(Image.of(np.random.default_rng(0).integers(0, 255, (64, 96, 3), np.uint8)))
    >>> heat_map(photo, [Crop(0, 0, 64, {"noise": 0.9})], ["noise"]).array.shape
    (64, 96, 3)
    """
    image, region = subject.image, subject.region
    if not crops:
        raise ValueError("no crops to draw")
    pixels = image.pixels()
    scale = min(1.0, LONGEST_PX / max(image.height, image.width))
    if scale < 1:
        size = tuple(max(1, round(side * scale)) for side in pixels.shape[1:])
        pixels = functional.interpolate(pixels[None], size=size, mode="bilinear", antialias=True)[0]
    grey = torch.einsum("c,chw->hw", pixels.new_tensor(LUMA), pixels)
    drawn = (DIMMED * grey).expand(3, -1, -1)
    moved = [replace(crop, top=crop.top + region.top, left=crop.left + region.left) for crop in crops]
    shown = functional.interpolate(torch.from_numpy(subject.shown)[None, None].float(), size=grey.shape)[0, 0]
    for kind in kinds:
        presence = guided(Map.of(moved, kind).scaled(image.height, image.width, *grey.shape).sigmoid(), grey) * shown
        colour = torch.tensor(_colour(kind)).view(3, 1, 1) / 255
        drawn = drawn + STRONG * presence * (colour - drawn)
    drawing = PIL.Image.fromarray((drawn.permute(1, 2, 0) * 255).round().numpy().astype(np.uint8))
    _write_legend(drawing, {kind: _colour(kind) for kind in kinds})
    return Image.of(drawing)


def guided(values: Float[Tensor, "H W"], guide: Float[Tensor, "H W"]) -> Float[Tensor, "H W"]:
    """Values in [0, 1] smoothed so that they keep to the edges of a guide.

    Source: He, Sun and Tang, "Guided image filtering", PAMI 2013, §3.
    """
    mean_guide, mean = _means(guide), _means(values)
    slope = (_means(guide * values) - mean_guide * mean) / (_means(guide.square()) - mean_guide.square() + FLAT)
    smoothed: Tensor = _means(slope) * guide + _means(mean - slope * mean_guide)
    return smoothed.clamp(0, 1)


def _means(values: Float[Tensor, "H W"]) -> Float[Tensor, "H W"]:
    window = 2 * RADIUS_PX + 1
    return functional.avg_pool2d(values[None, None], window, 1, RADIUS_PX, count_include_pad=False)[0, 0]


def _colour(kind: str) -> tuple[int, int, int]:
    """By its place among all kinds, so that it is the same in all drawings."""
    names = [known.name for known in known_kinds() if known.name != CLEAN]
    return COLOURS[(names.index(kind) if kind in names else 0) % len(COLOURS)]


def _write_legend(drawing: PIL.Image.Image, colours: Mapping[str, tuple[int, int, int]]) -> None:
    pen, font = PIL.ImageDraw.Draw(drawing), PIL.ImageFont.load_default(LETTERS_PX)
    top = drawing.height
    for kind, colour in reversed(list(colours.items())):
        top -= LETTERS_PX + 6
        pen.rectangle((4, top, 10 + int(pen.textlength(kind, font)), top + LETTERS_PX + 4), fill=(0, 0, 0))
        pen.text((7, top), kind, fill=colour, font=font)
