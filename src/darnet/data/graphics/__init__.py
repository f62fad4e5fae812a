"""Pictures that are no ordinary photos and are meant to look as they do: made, sharp, free of noise, undamaged.

White pages, black skies, dots and blocks are what damage is known by elsewhere; a router learns from these pictures
that they are none. Every picture follows from its generator, and needs no file: letters are drawn with Pillow's own
font.

    >>> draw("text", 384, Generator().manual_seed(0)).shape
    torch.Size([3, 384, 384])
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import PIL.Image
import torch
from jaxtyping import UInt8
from torch import Generator, Tensor

from darnet.data.graphics import charts, drawings, lights, pages, photographs, prints, scenes
from darnet.data.graphics.canvas import Canvas
from darnet.data.photos import Photo
from darnet.degradations import named_generator
from darnet.errors import UnknownNameError, UsageError

_MAKERS: Mapping[str, Callable[[Canvas], PIL.Image.Image]] = {
    "text": pages.text,
    "screenshot": pages.screenshot,
    "chart": charts.chart,
    "lineart": drawings.lineart,
    "illustration": drawings.illustration,
    "pixelart": prints.pixelart,
    "code": prints.code,
    "bilevel": prints.bilevel,
    "halftone": prints.halftone,
    "map": charts.map_,
    "poster": prints.poster,
    "thing": scenes.thing,
    "neon": lights.neon,
    "nightcity": lights.nightcity,
    "stars": lights.stars,
    "snow": scenes.snow,
    "microscopy": scenes.microscopy,
    "thermal": scenes.thermal,
    "xray": scenes.xray,
    "scan": photographs.scan,
    "letterbox": photographs.letterbox,
    "product": photographs.product,
    "cutout": photographs.cutout,
    "highkey": photographs.highkey,
    "lowkey": photographs.lowkey,
    "infrared": photographs.infrared,
}
SORTS: tuple[str, ...] = tuple(_MAKERS)
#: Sorts that show a photo; "screenshot", "bilevel", "halftone" and "poster" show one where it is given.
NEEDS_PHOTO = frozenset({"scan", "letterbox", "product", "cutout", "highkey", "lowkey", "infrared"})
_LEAST_PX = 32  # smaller ones are a corner of one of this size
GREY_SHARE = 0.15  # of pictures are grey
_COLOURED = frozenset({"thermal"})  # never grey as a whole: the colours are what it says


def draw(
    sort: str, side_px: int, rng: Generator, photo: UInt8[Tensor, "3 _H _W"] | None = None
) -> UInt8[Tensor, "3 _S _S"]:
    """One picture of a sort, `side_px` × `side_px`, uint8 RGB on the CPU; the same rng state, the same pixels.

    `rng` is a generator of the CPU and is drawn from once.
    Raises UnknownNameError for a sort there is none of, UsageError where a sort needs a photo and has none.
    """
    if sort not in _MAKERS:
        raise UnknownNameError("sort of graphics", sort, SORTS)
    if sort in NEEDS_PHOTO and photo is None:
        raise UsageError(f"graphics {sort!r} are made from a photo, and none was given")
    chance = np.random.default_rng(int(torch.randint(2**62, (1,), generator=rng)))
    pixels = None if photo is None else photo.permute(1, 2, 0).cpu().numpy().astype(np.float32) / np.float32(255)
    room_px = max(side_px, _LEAST_PX)
    image = _MAKERS[sort](Canvas(room_px, chance, pixels)).convert("RGB").crop((0, 0, side_px, side_px))
    if sort not in _COLOURED and chance.random() < GREY_SHARE:
        image = image.convert("L").convert("RGB")
    return torch.from_numpy(np.array(image).transpose(2, 0, 1).copy())


def draw_many(count: int, side_px: int, seed: int, photos: Sequence[Photo] = ()) -> list[Photo]:
    """`count` pictures, the sorts in turn, each from a generator of its own.

    Sorts that need a photo are skipped where there are no `photos`. Picture i is the same whatever `count` is.
    """
    sorts = [sort for sort in SORTS if photos or sort not in NEEDS_PHOTO]
    pictures = []
    for number in range(count):
        rng = named_generator(f"graphics-{number}", seed)
        photo = photos[int(torch.randint(len(photos), (1,), generator=rng))] if photos else None
        pictures.append(draw(sorts[number % len(sorts)], side_px, rng, photo))
    return pictures
