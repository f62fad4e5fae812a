"""Views: what a page shows of a picture, as files that every browser draws; made by who restored it."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import numpy as np

from darnet.images import profiles
from darnet.images.arrays import rescale
from darnet.images.vips import to_vips
from darnet.restore.strength import Strength

if TYPE_CHECKING:
    from darnet.images.image import Image
    from darnet.restore.restorer import Restorer
    from darnet.restore.result import Result

#: What is wanted to be seen of a picture: as it came and after each step, or where its damage is.
View: TypeAlias = Literal["steps", "map"]
BEFORE, MAP, STEP = "before.png", "map.png", "step-{:02}.png"
#: A browser holds each view whole, at 4 bytes a pixel: those of larger pictures are smaller than the picture.
MOST_PIXELS = 40_000_000
#: Of PNG files that nobody keeps: speed goes before size.
COMPRESSION = 1


def draw(view: View, restorer: Restorer, result: Result[Any], folder: Path) -> None:
    """Make a view of what was restored, as files in a new folder. Raises UsageError where there is no map."""
    folder.mkdir()
    if view == "map":
        _write(restorer.heat_map(result.source, diagnosis=result.diagnosis), folder / MAP)
        return
    _write(result.source, folder / BEFORE)
    for number, image in enumerate(_after(result), 1):
        _write(image, folder / STEP.format(number))


def _after(result: Result[Any]) -> Iterator[Image]:
    """The picture after each step, one when it is asked for; where steps were not kept, after all of them."""
    kept = result.residuals
    if kept is None:
        yield from [result.restored] if result.changed else []
        return
    for count in range(len(kept.steps)):
        yield replace(kept, steps=kept.steps[: count + 1]).blend(Strength())


def _write(image: Image, path: Path) -> None:
    """A picture in 8 bits and sRGB, without any metadata."""
    array = image.array if image.profile is None else profiles.as_srgb(image.array, image.profile)
    values = rescale(array, np.dtype(np.uint8))
    if image.alpha is not None:
        values = np.dstack([values, rescale(image.alpha, np.dtype(np.uint8))])
    drawn = to_vips(values, {})
    if (scale := math.sqrt(MOST_PIXELS / (image.height * image.width))) < 1:
        drawn = drawn.resize(scale)
    drawn.pngsave(str(path), compression=COMPRESSION, keep="none")
