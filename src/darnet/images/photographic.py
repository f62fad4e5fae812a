"""What is not a photo, told from its pixels: a plain guard until routers know such pictures themselves.

A router that learnt from photos takes a page's white for burnt-out light and a screen's black for night. The criteria
here are counted, not learnt, and each says what it saw. A photo that is taken for a graphic is only left alone, and
`kinds` repairs it all the same; so they object too often rather than too seldom.

H, W: height and width; C: 1 (grey) or 3 (RGB). A flat pixel has exactly the colour of its eight neighbours.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import product
from typing import Literal, NamedTuple, get_args

import numpy as np
from numpy.typing import NDArray

from darnet.images.arrays import full_scale
from darnet.images.scratch import Array

#: What a repair presumes: that the brightness of the whole picture is not meant; that there is a scene, as rain falls
#: and cameras shake before one, not before paper or a studio's white; a photo; a file, which a graphic has been, too.
#: Each kind of damage says which it is (`darnet.degradations.Kind.concern`); one that says none is not objected to.
Concern = Literal["tones", "scene", "photo", "file"]
ALL: frozenset[Concern] = frozenset(get_args(Concern))
OF_PHOTOS = ALL - {"file"}
TONES: frozenset[Concern] = frozenset({"tones"})
SCENES: frozenset[Concern] = frozenset({"scene"})

#: Pictures with more pixels are judged by 4 × 4 windows, spread over them.
MOST_PIXELS, WINDOW_PX, WINDOWS = 1024**2, 256, 4

TWO_COLOURS_SHARE = 0.999
#: So few colours, and large flat areas of them: no JPEG file looks like that.
FEW_COLOURS = 16
#: Flat pixels of the 8 most frequent colours hold this share of a graphic. Measured on 100 photos, darkened, hazy,
#: blurred or overexposed and then saved as JPEG 85: up to 4 of 100 reach it, 8 where they are hazy and grey as well.
FREQUENT, FLAT_SHARE = 8, 0.25
#: Impulses: samples of exact black or white, this far from the mean of their neighbours, and so many times as frequent
#: as samples that stand out as far and are only nearly black or white. Clipped Gaussian noise stays below 3.
IMPULSE_SHARE, IMPULSE_STEP, IMPULSE_GAP, IMPULSE_RATIO = 0.001, 0.25, 12 / 255, 6
#: White, as JPEG leaves it; what is nearly white; and how much of each there must be. Of 100 photos with a gain of 1.3
#: to 2.2, 10 look like that, with a gain of 1.5, 5; none that is hazy, dark or undamaged.
WHITE, NEARLY_WHITE = 0.98, 0.85
WHITE_SHARE, MOSTLY_WHITE_SHARE = 0.05, 0.55
NEARLY_WHITE_RATIO, PARTLY_CLIPPED_SHARE = 0.08, 0.05
#: A 16-bit photo that is so dark throughout was taken six stops too dark; rather, it is a sensor's 12 or 13 bits.
DEEP_DARK = 1 / 8


@dataclass(frozen=True)
class Objection:
    """Why some kinds of repair make no sense for a picture."""

    reason: str
    concerns: frozenset[Concern]


class _Window(NamedTuple):
    values: Array  # (h, w, C)
    seen: NDArray[np.bool_]  # (h, w)
    codes: NDArray[np.uint64]  # (h, w), each pixel's colour as one number
    white: NDArray[np.bool_]  # (h, w), white in all channels, and seen


def objection(values: Array, seen: NDArray[np.bool_] | None = None) -> Objection | None:
    """What speaks against repairing (H, W, C) as a photo, or None. `seen`, (H, W): which pixels count.

    In this order: two colours hold everything (print, halftone, QR code), or few do in large flat areas (chart, pixel
    art); a large share is flat and of few colours (drawing, screen, either as a JPEG file); isolated pixels of exact
    black and white (salt and pepper); much white that is not burnt-out light, as nearly no pixel is close to it, or
    white in one channel alone (page, product, cut-out); much white with no less exact black; 16 bits of which only the
    lowest are used.
    """
    windows = _windows(values, seen)
    if not _count(windows):
        return None
    return next((found for found, holds in _CHECKS if holds(windows)), None)


def _windows(values: Array, seen: NDArray[np.bool_] | None) -> list[_Window]:
    height, width = values.shape[:2]
    regions = [(slice(None), slice(None))]
    if height * width > MOST_PIXELS:
        rows, columns = (
            sorted({round(index * max(length - WINDOW_PX, 0) / (WINDOWS - 1)) for index in range(WINDOWS)})
            for length in (height, width)
        )
        regions = [(slice(y, y + WINDOW_PX), slice(x, x + WINDOW_PX)) for y, x in product(rows, columns)]
    return [
        _window(part, np.ones(part.shape[:2], bool) if seen is None else seen[region])
        for part, region in ((values[region], region) for region in regions)
    ]


def _window(values: Array, seen: NDArray[np.bool_]) -> _Window:
    samples = np.rint(values * 65535).astype(np.uint16) if values.dtype.kind == "f" else values
    codes = samples[..., 0].astype(np.uint64)
    for channel in range(1, samples.shape[2]):
        codes = (codes << np.uint64(16)) | samples[..., channel]
    return _Window(values, seen, codes, (values >= WHITE * full_scale(values.dtype)).all(axis=-1) & seen)


def _two_colours(windows: list[_Window]) -> bool:
    codes = [window.codes[window.seen] for window in windows]
    return _held_by_most_frequent(codes, 2) >= TWO_COLOURS_SHARE * _count(windows)


def _few_colours(windows: list[_Window]) -> bool:
    codes = [window.codes[window.seen] for window in windows]
    flat = sum(int((_flat(window.codes) & window.seen).sum()) for window in windows)
    enough = flat >= FLAT_SHARE * _count(windows)
    return enough and _held_by_most_frequent(codes, FEW_COLOURS) >= TWO_COLOURS_SHARE * _count(windows)


def _flat_colours(windows: list[_Window]) -> bool:
    flat = [window.codes[_flat(window.codes) & window.seen & ~window.white] for window in windows]
    return _held_by_most_frequent(flat, FREQUENT) >= FLAT_SHARE * _count(windows)


def _count(windows: list[_Window]) -> int:
    return sum(int(window.seen.sum()) for window in windows)


def _held_by_most_frequent(codes: list[NDArray[np.uint64]], count: int) -> int:
    """How many pixels have one of the `count` most frequent colours."""
    _, numbers = np.unique(np.concatenate(codes), return_counts=True)
    return int(np.sort(numbers)[-count:].sum())


def _flat(codes: NDArray[np.uint64]) -> NDArray[np.bool_]:
    """Which pixels have the colour of all eight neighbours; none at the edge."""
    flat = np.zeros(codes.shape, bool)
    rows = (codes[:, 1:-1] == codes[:, :-2]) & (codes[:, 1:-1] == codes[:, 2:])
    down = codes[1:, 1:-1] == codes[:-1, 1:-1]
    flat[1:-1, 1:-1] = rows[1:-1] & rows[:-2] & rows[2:] & down[:-1] & down[1:]
    return flat


def _impulses(windows: list[_Window]) -> bool:
    """Whether samples of exact black or white stand alone among others, with next to nothing between them and those."""
    extreme = close = total = 0
    for values, seen, _, _ in windows:
        light = values.astype(np.float32) / full_scale(values.dtype)
        inner = light[1:-1, 1:-1]
        sides = (light[:-2, 1:-1], light[2:, 1:-1], light[1:-1, :-2], light[1:-1, 2:])
        distance = np.minimum(inner, 1 - inner)  # from black or white
        alike = sum((inner == side).astype(np.uint8) for side in sides)  # a thin line has two such neighbours
        alone = (np.abs(inner - sum(sides) / 4) >= IMPULSE_STEP) & (alike <= 1) & seen[1:-1, 1:-1, None]
        extreme += int((alone & (distance == 0)).sum())
        close += int((alone & (distance > 0) & (distance <= IMPULSE_GAP)).sum())
        total += int(seen[1:-1, 1:-1].sum()) * values.shape[2]
    return extreme > IMPULSE_SHARE * total and extreme >= IMPULSE_RATIO * close


def _much_contrast(windows: list[_Window]) -> bool:
    """Whether both ends are clipped, black no less than white: what more light burns out is no longer black."""
    black = sum(int(((window.codes == 0) & window.seen).sum()) for window in windows)
    white = sum(int(window.white.sum()) for window in windows)
    return black >= white >= WHITE_SHARE * _count(windows)


def _plain_white(windows: list[_Window]) -> bool:
    """Whether white is a colour here. Light that burns out clips one channel first, and all around is nearly white."""
    pixels, white = _count(windows), sum(int(window.white.sum()) for window in windows)
    if white < WHITE_SHARE * pixels:
        return False
    if white >= MOSTLY_WHITE_SHARE * pixels:
        return True
    near = partly = 0
    coloured = False
    for window in windows:
        others = window.values[window.seen & ~window.white] / np.float32(full_scale(window.values.dtype))
        near += int((others.mean(axis=-1) > NEARLY_WHITE).sum())
        partly += int((others >= WHITE).any(axis=-1).sum())
        coloured |= bool((others != others[:, :1]).any())
    return near < NEARLY_WHITE_RATIO * white or (coloured and partly < PARTLY_CLIPPED_SHARE * (white + partly))


def _low_bits(windows: list[_Window]) -> bool:
    return all(
        values.dtype == np.uint16 and values.max() < DEEP_DARK * full_scale(values.dtype) for values, *_ in windows
    )


_CHECKS: tuple[tuple[Objection, Callable[[list[_Window]], bool]], ...] = (
    (Objection("two colours, not a photo", ALL), _two_colours),
    (Objection("a graphic of few colours, not a photo", ALL), _few_colours),
    (Objection("a graphic, not a photo", OF_PHOTOS), _flat_colours),
    (Objection("isolated black and white pixels (salt and pepper)", ALL), _impulses),
    (Objection("its white is plain, not burnt out", TONES | SCENES), _plain_white),
    (Objection("much black and much white, which is contrast", TONES), _much_contrast),
    (Objection("data of fewer bits stored in 16, not darkness", TONES), _low_bits),
)
