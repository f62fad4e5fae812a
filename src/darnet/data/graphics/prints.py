"""What is made of few values or dots: pixel art, codes and test patterns, 1-bit dither, halftone."""

from __future__ import annotations

import numpy as np
import PIL.Image
from jaxtyping import Bool, UInt8

from darnet.data.graphics.canvas import (
    BLACK,
    WHITE,
    Canvas,
    Colour,
    Field,
    between,
    enlarged,
    finished,
    plain,
    repeated,
    unit,
)
from darnet.data.graphics.lettering import phrase, write_line
from darnet.data.graphics.photographs import shown

Cells = Bool[np.ndarray, "_R _C"]
BAYER = np.array([[0, 8, 2, 10], [12, 4, 14, 6], [3, 11, 1, 9], [15, 7, 13, 5]], dtype=np.float32) / 16 + 1 / 32
CMYK: tuple[Colour, ...] = ((0, 255, 255), (255, 0, 255), (255, 255, 0), BLACK)
CMYK_DEGREES = (15, 75, 0, 45)


def pixelart(canvas: Canvas) -> PIL.Image.Image:
    """Sprites or tiles of few colours in large square pixels."""
    scale = canvas.whole(2, 12)
    side = -(-canvas.side_px // scale)
    table = np.array([canvas.ground(0.5), *canvas.palette(canvas.whole(2, 9)), BLACK, WHITE], dtype=np.uint8)
    index = np.zeros((side, side), dtype=np.int64)
    if canvas.happens(0.5):  # a landscape of tiles
        index = (canvas.clouds(4, 3, side) * canvas.whole(2, len(table) - 1)).astype(np.int64)
    for _ in range(canvas.whole(1, 14)):
        _sprite(canvas, index, len(table))
    art = PIL.Image.fromarray(table[index % len(table)])
    large = art.resize((side * scale, side * scale), PIL.Image.Resampling.NEAREST)
    return large.crop((0, 0, canvas.side_px, canvas.side_px))


def _sprite(canvas: Canvas, index: np.ndarray, colours: int) -> None:
    """A figure that is the same on its left and right."""
    side = len(index)
    height, half = (min(side, canvas.whole(4, 16)) for _ in range(2))
    half = max(1, half // 2)
    shape = canvas.rng.random((height, half)) < np.linspace(0.35, 0.9, half)
    values = canvas.rng.integers(1, canvas.whole(2, colours), (height, half)) * shape
    outline = np.where(shape, values, -1)
    figure = np.concatenate([outline, outline[:, ::-1]], axis=1)
    top, left = canvas.whole(0, side - height), canvas.whole(0, max(0, side - 2 * half))
    part = index[top : top + height, left : left + 2 * half]
    figure = figure[:, : part.shape[1]]
    part[figure >= 0] = figure[figure >= 0]


def code(canvas: Canvas) -> PIL.Image.Image:
    """A QR-like code, a bar code, a checkerboard, stripes or a test pattern; two values, some with a quiet zone."""
    dark, light = canvas.one_of(((BLACK, WHITE), (BLACK, WHITE), (canvas.any_colour((0, 0.4)), canvas.ground(0))))
    if canvas.happens(0.15):
        dark, light = light, dark
    draw = canvas.one_of((_matrix_code, _matrix_code, _bar_code, _checkers, _stripes, _star))
    return draw(canvas, dark, light)


def _painted(cells: Cells, dark: Colour, light: Colour) -> UInt8[np.ndarray, "_R _C 3"]:
    return np.array([light, dark], dtype=np.uint8)[cells.astype(np.int64)]


def _placed(canvas: Canvas, cells: Cells, dark: Colour, light: Colour) -> PIL.Image.Image:
    """Cells in whole pixels in the middle of a light sheet, sometimes turned."""
    rows, columns = cells.shape
    room = canvas.side_px * canvas.real(0.6, 1.1)
    scale = max(1, int(room / max(rows, columns)))
    image = PIL.Image.fromarray(_painted(cells, dark, light))
    image = image.resize((columns * scale, rows * scale), PIL.Image.Resampling.NEAREST)
    sheet = canvas.sheet(light, 2 if canvas.happens(0.3) else 1)
    if sheet.factor > 1:
        image = image.resize((image.width * 2, image.height * 2), PIL.Image.Resampling.NEAREST)
    sheet.image.paste(image, ((sheet.side - image.width) // 2, (sheet.side - image.height) // 2))
    if canvas.happens(0.3):
        below = min(sheet.side - 12, (sheet.side + image.height) // 2 + 4)
        write_line(sheet.pen, ((sheet.side - image.width) // 2, below), phrase(canvas, 3), 12 * sheet.factor, dark)
    if sheet.factor > 1:
        sheet = sheet.turned(canvas.real(-30, 30), light)
    return sheet.reduced()


def _matrix_code(canvas: Canvas, dark: Colour, light: Colour) -> PIL.Image.Image:
    count = 17 + 4 * canvas.whole(1, 10)
    cells = canvas.rng.random((count, count)) < 0.5
    for top, left in ((0, 0), (0, count - 7), (count - 7, 0)):
        cells[max(0, top - 1) : top + 8, max(0, left - 1) : left + 8] = False
        cells[top : top + 7, left : left + 7] = True
        cells[top + 1 : top + 6, left + 1 : left + 6] = False
        cells[top + 2 : top + 5, left + 2 : left + 5] = True
    return _placed(canvas, cells, dark, light)


def _bar_code(canvas: Canvas, dark: Colour, light: Colour) -> PIL.Image.Image:
    widths = canvas.rng.integers(1, 5, canvas.whole(30, 90))
    row = np.repeat(np.arange(len(widths)) % 2 == 0, widths)
    return _placed(canvas, np.tile(row, (max(8, len(row) // canvas.whole(2, 5)), 1)), dark, light)


def _checkers(canvas: Canvas, dark: Colour, light: Colour) -> PIL.Image.Image:
    rows, columns = canvas.one_of(((1, 1), (2, 2), (3, 3))) if canvas.happens(0.3) else [canvas.whole(4, 64)] * 2
    steps = np.arange(canvas.side_px)
    cells = (steps[:, None] // rows + steps // columns) % 2 == 0
    return PIL.Image.fromarray(_painted(cells, dark, light))


def _stripes(canvas: Canvas, dark: Colour, light: Colour) -> PIL.Image.Image:
    """Lines that grow finer, or stay as wide, in one of two directions, or as rings."""
    down, right = canvas.axes()
    along = canvas.one_of((down, right, np.hypot(down - 0.5, right - 0.5)))
    finest = canvas.side_px / canvas.ratio(4, 40)
    phase = along * finest if canvas.happens(0.5) else along**2 * finest
    return PIL.Image.fromarray(_painted((phase * 2).astype(np.int64) % 2 == 0, dark, light))


def _star(canvas: Canvas, dark: Colour, light: Colour) -> PIL.Image.Image:
    sheet = canvas.sheet(light)
    middle, radius, spokes = sheet.side / 2, sheet.side * canvas.real(0.3, 0.7), canvas.whole(6, 40)
    box = (middle - radius, middle - radius, middle + radius, middle + radius)
    for spoke in range(spokes):
        sheet.pen.pieslice(box, 360 * spoke / spokes, 360 * (spoke + 0.5) / spokes, dark)
    return sheet.reduced()


def tones(canvas: Canvas, side_px: int) -> Field:
    """Grey values to be printed: of the photo, or of clouds, a gradient or a ball."""
    if canvas.photo is not None and canvas.happens(0.7):
        part = min(side_px, canvas.side_px)
        grey: Field = enlarged(shown(canvas, part, part), side_px).mean(axis=2)
        return grey
    steps = np.linspace(0, 1, side_px, dtype=np.float32)
    sort = canvas.whole(0, 2)
    if sort == 0:
        return canvas.clouds(canvas.real(2, 6), 4, side_px)
    if sort == 1:
        return np.ascontiguousarray(np.broadcast_to(steps, (side_px, side_px))) ** np.float32(canvas.ratio(0.5, 2))
    inside = np.hypot(steps[:, None] - 0.5, steps - 0.5) < 0.4
    shade = np.clip(1.2 - 2 * np.hypot(steps[:, None] - 0.35, steps - 0.35), 0, 1)
    return np.where(inside, shade, np.float32(0.95)).astype(np.float32)


def bilevel(canvas: Canvas) -> PIL.Image.Image:
    """Two values: diffused error (Floyd and Steinberg 1976), an ordered screen (Bayer 1973), or a threshold."""
    scale = canvas.one_of((1, 1, 1, 2, 3))
    side = -(-canvas.side_px // scale)
    grey = tones(canvas, side)
    sort = canvas.whole(0, 2)
    if sort == 0:
        cells = np.asarray(finished(repeated(grey)).convert("1"))
    elif sort == 1:
        screen = np.tile(BAYER, (side // 4 + 1, side // 4 + 1))[:side, :side]
        cells = grey > screen
    else:
        cells = grey > canvas.real(0.3, 0.7)
    dark, light = (BLACK, WHITE) if canvas.happens(0.7) else (canvas.any_colour((0, 0.4)), canvas.ground(0))
    image = PIL.Image.fromarray(_painted(~cells, dark, light))
    large = image.resize((side * scale, side * scale), PIL.Image.Resampling.NEAREST)
    return large.crop((0, 0, canvas.side_px, canvas.side_px))


def halftone(canvas: Canvas) -> PIL.Image.Image:
    """Dots that grow with the tone, on a turned screen: one ink, or cyan, magenta, yellow and black."""
    factor = canvas.one_of((1, 2, 2))
    side, period = canvas.side_px * factor, canvas.ratio(3, 14) * factor
    paper = canvas.one_of((WHITE, WHITE, canvas.any_colour((0.88, 0.98), (0, 0.15))))
    shape = canvas.one_of(("dot", "dot", "dot", "line", "diamond"))
    picture = plain(paper, side)
    if canvas.happens(0.5):
        cover = 1 - tones(canvas, side)
        degrees = canvas.one_of((0.0, 45.0, canvas.real(0, 90)))
        colour = unit(BLACK if canvas.happens(0.6) else canvas.any_colour((0.1, 0.7), (0.5, 1)))
        picture = np.where((cover > _screen(side, period, degrees, shape))[..., None], colour, picture)
    else:
        for cover, degrees, ink in zip(_separated(canvas, side), CMYK_DEGREES, CMYK, strict=True):
            dots = cover > _screen(side, period, degrees, shape)
            picture = picture * np.where(dots[..., None], 0.1 + 0.9 * unit(ink), np.float32(1))
    image = finished(picture.astype(np.float32))
    return image.reduce(factor) if factor > 1 else image


def _separated(canvas: Canvas, side: int) -> list[Field]:
    """(cyan, magenta, yellow, black) of the photo, or of a coloured field."""
    if canvas.photo is not None and canvas.happens(0.7):
        picture = enlarged(shown(canvas, canvas.side_px, canvas.side_px), side)
    else:
        picture = np.stack([canvas.field(canvas.real(1, 4), side) for _ in range(3)], axis=2)
    black = 1 - picture.max(axis=2)
    return [*np.moveaxis(1 - picture - 0.7 * black[..., None], 2, 0), 0.7 * black]


def _screen(side: int, period: float, degrees: float, shape: str) -> Field:
    """Thresholds from 0 to 1 whose areas are about as large as the tone."""
    turn = np.float32(np.deg2rad(degrees))
    steps = np.arange(side, dtype=np.float32) * np.float32(2 * np.pi / period)
    u = steps * np.cos(turn) + steps[:, None] * np.sin(turn)
    v = steps[:, None] * np.cos(turn) - steps * np.sin(turn)
    screen: Field = 0.5 + 0.25 * (np.cos(u) + np.cos(v))
    if shape == "line":
        screen = 0.5 + 0.5 * np.cos(u)
    elif shape == "diamond":
        screen = (np.arccos(np.cos(u)) + np.arccos(np.cos(v))) / np.float32(2 * np.pi)
    return screen


def poster(canvas: Canvas) -> PIL.Image.Image:
    """A photo or clouds in a few flat tones, as a screen print or a reduced palette has them."""
    if canvas.photo is not None:
        image = finished(shown(canvas, canvas.side_px, canvas.side_px))
        return image.quantize(canvas.whole(3, 24), dither=canvas.one_of((0, 0, 3))).convert("RGB")  # type: ignore[arg-type]
    count = canvas.whole(3, 8)
    low, high = canvas.any_colour((0, 0.5)), canvas.ground(0)
    levels = np.floor(canvas.clouds(canvas.real(2, 6)) * count) / count
    table = [between(low, high, share) for share in np.linspace(0, 1, count + 1)]
    picture = np.stack([unit(colour) for colour in table])[(levels * count).round().astype(np.int64)]
    return finished(picture)
