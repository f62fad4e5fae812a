"""Pages and frames: a picture of several is restored as its first is, each page by itself."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from darnet.images import scratch
from darnet.images.image import Image
from darnet.notices import overheard
from darnet.restore.result import Result

#: Restores one page; nothing of its `frames`.
Treat = Callable[[Image, Sequence[str]], Result[Image]]


def restore_pages(treat: Treat, image: Image, kinds: Sequence[str] = ()) -> Result[Image]:
    """What `treat` makes of a picture, and of each of its `frames`: of them what was repaired of the picture.

    Steps, residuals and places are those of the first; what is said of another page says of which.

    >>> import numpy as np
    >>> photos = [Image.of(np.full((8, 8, 3), grey, np.uint8)) for grey in (50, 90)]
    >>> def brighten(page, kinds):
    ...     after = replace(page, array=page.array + 1)
    ...     return Result(after, (), 0.0, page, after)
    >>> restored = restore_pages(brighten, replace(photos[0], frames=(photos[1],)), ["lowlight"]).restored
    >>> int(restored.array.max()), int(restored.frames[0].array.max())
    (51, 91)
    """
    result = _told(treat, image, kinds)
    kinds = kinds or result.experts
    if not image.frames or not kinds:
        return result
    warnings, room, frames = dict.fromkeys(result.warnings), scratch.Room(), list[Image]()
    for number, frame in enumerate(image.frames, 2):
        other = _told(treat, frame, kinds)
        after = other.restored
        frames.append(replace(after, array=room.kept(after.array)) if other.changed else after)
        warnings |= {f"page {number}: {text}": None for text in other.warnings if text not in warnings}
    if not result.changed and all(after is frame for after, frame in zip(frames, image.frames, strict=True)):
        return replace(result, warnings=tuple(warnings))
    restored = replace(result.restored, frames=tuple(frames))
    return replace(result, image=restored, restored=restored, warnings=tuple(warnings))


def _told(treat: Treat, page: Image, kinds: Sequence[str]) -> Result[Image]:
    """With what is said of the page meanwhile among its warnings."""
    with overheard() as said:
        result = treat(page, kinds)
    return replace(result, warnings=(*result.warnings, *(one.beside(page.path) for one in said)))
