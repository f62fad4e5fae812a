"""Pages and frames: a file of several pictures is restored as its first is, each picture by itself."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from darnet.errors import ImageError
from darnet.images import scratch
from darnet.images.image import Image

if TYPE_CHECKING:
    from darnet.restore.restorer import Restorer
    from darnet.restore.result import Result


def restore_pages(restorer: Restorer, image: Image, **options: Any) -> Result[Image]:
    """As `restorer(image, **options)`, and what was repaired of the picture is repaired of each of its `frames`.

    Its steps are those of the first. Raises as the restorer does, and ImageError where what each step changed is to be
    kept: that is a file of one picture.

    >>> import numpy as np
    >>> from darnet.restore.restorer import Restorer
    >>> from darnet.restore.routers import Always
    >>> invert = Restorer(Always("negative"), {"negative": lambda pixels: 1 - pixels})
    >>> photos = [Image.of(np.random.default_rng(seed).integers(0, 256, (32, 32, 3), np.uint8)) for seed in (0, 1)]
    >>> restored = restore_pages(invert, replace(photos[0], frames=(photos[1],)), kinds=()).restored
    >>> bool((restored.frames[0].array == 255 - photos[1].array).all())
    True
    """
    if image.frames and options.get("keep"):
        reason = f"has {1 + len(image.frames)} pages, and what each step changed is kept of a single picture"
        raise ImageError(image.path or "picture", f"{reason}: `first=True` takes the first alone")
    result = restorer(image, **options)
    kinds = tuple(options.get("kinds") or result.experts)
    if not image.frames or not kinds:
        return result
    warnings, room, frames = dict.fromkeys(result.warnings), scratch.Room(), list[Image]()
    for number, frame in enumerate(image.frames, 2):
        other = restorer(frame, **{**options, "kinds": kinds})
        after = other.restored
        frames.append(replace(after, array=room.kept(after.array)) if other.changed else after)
        warnings |= {f"page {number}: {text}": None for text in other.warnings if text not in warnings}
    if not result.changed and all(after is frame for after, frame in zip(frames, image.frames, strict=True)):
        return result
    restored = replace(result.restored, frames=tuple(frames))
    return replace(result, image=restored, restored=restored, warnings=tuple(warnings))
