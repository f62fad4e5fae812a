"""Light on black: neon signs, cities at night, star fields."""

from __future__ import annotations

import numpy as np
import PIL.Image

from darnet.data.graphics.canvas import (
    BLACK,
    Canvas,
    Colour,
    Picture,
    Sheet,
    finished,
    font,
    opened,
    plain,
    smoothstep,
    softened,
    unit,
)
from darnet.data.graphics.lettering import word


def neon(canvas: Canvas) -> PIL.Image.Image:
    """Tubes of light on a black or nearly black wall: words and shapes, a white core and a coloured glow."""
    side = canvas.side_px
    wall = canvas.one_of((BLACK, BLACK, canvas.any_colour((0.02, 0.12))))
    total = plain(wall, side)
    if canvas.happens(0.3):
        total = total + _bricks(canvas) * np.float32(0.05)
    for _ in range(canvas.whole(1, 4)):
        colour = canvas.any_colour((0.9, 1), (0.6, 1))
        sheet = canvas.sheet(BLACK, 2)
        _tubes(canvas, sheet, colour)
        tube = sheet.reduced()
        width = canvas.real(1.0, 2.0)
        glow = opened(softened(tube, side * canvas.ratio(0.012, 0.06))) * np.float32(canvas.real(0.8, 2.5))
        line = opened(softened(tube, width * 0.4))
        core = line.max(axis=2, keepdims=True) ** 2 * np.float32(canvas.real(0.3, 0.9))
        for light in (glow, line, core):  # a screen: what light adds saturates
            total = 1 - (1 - total.clip(0, 1)) * (1 - light.clip(0, 1))
    return finished(total)


def _bricks(canvas: Canvas) -> Picture:
    sheet = canvas.sheet((120, 60, 50), 1)
    height = canvas.whole(8, 20)
    for row in range(0, sheet.side, height):
        sheet.pen.line((0, row, sheet.side, row), (20, 20, 20), 2)
        for column in range((row // height % 2) * height, sheet.side, 2 * height):
            sheet.pen.line((column, row, column, row + height), (20, 20, 20), 2)
    return opened(sheet.reduced())


def _tubes(canvas: Canvas, sheet: Sheet, colour: Colour) -> None:
    side, width = sheet.side, max(2, round(canvas.ratio(2, 6) * sheet.factor))
    x, y = canvas.rng.uniform(0.1, 0.6, 2) * side
    sort, r = canvas.whole(0, 4), canvas.real(0.1, 0.35) * side
    if sort <= 1:
        size = max(8, round(canvas.ratio(0.1, 0.35) * side))
        text = canvas.one_of((word(canvas), word(canvas).upper()))
        hollow = canvas.happens(0.5)
        fill = BLACK if hollow else colour
        sheet.pen.text(
            (x / 2, y), text, fill=fill, font=font(size), stroke_width=width if hollow else 0, stroke_fill=colour
        )
    elif sort == 2:
        sheet.pen.ellipse((x - r, y - r, x + r, y + r), None, colour, width)
    elif sort == 3:
        points = [(float(u), float(v)) for u, v in canvas.rng.random((canvas.whole(3, 7), 2)) * side]
        sheet.pen.line([*points, points[0]], colour, width, joint="curve")
    else:
        sheet.pen.rounded_rectangle((x, y, x + 1.5 * r, y + r), r / 4, None, colour, width)


def glowing(canvas: Canvas, count: int, brightest: float, radius_px: tuple[float, float]) -> Picture:
    """Points of light spread by Gaussians on black; few are bright, most are faint."""
    side = canvas.side_px
    total = np.zeros((side, side, 3), dtype=np.float32)
    light = brightest * canvas.rng.random(count) ** canvas.real(2, 5)
    radius = canvas.rng.uniform(*radius_px, count)
    reach = max(2, int(3 * radius_px[1] + 1))
    steps = np.arange(-reach, reach + 1)
    middle = canvas.rng.uniform(0, side, (count, 2))
    whole = np.floor(middle).astype(np.int64)
    rows, columns = (whole[:, axis, None] + steps for axis in (0, 1))
    falls = [
        np.exp(-(((p + 0.5 - middle[:, a, None]) / radius[:, None]) ** 2) / 2) for a, p in ((0, rows), (1, columns))
    ]
    warm = canvas.rng.normal(0, canvas.real(0, 0.2), count)
    tints = np.stack([1 + warm, np.ones(count), 1 - warm], axis=1).clip(0.4, 1)
    patches = (light[:, None, None] * falls[0][:, :, None] * falls[1][:, None, :])[..., None] * tints[:, None, None]
    inside = ((rows >= 0) & (rows < side))[:, :, None] & ((columns >= 0) & (columns < side))[:, None, :]
    index = (rows[:, :, None] * side + columns[:, None, :])[inside]
    for channel in range(3):
        values = np.bincount(index, patches[..., channel][inside], side * side)
        total[..., channel] = values.reshape(side, side)
    return total


def stars(canvas: Canvas) -> PIL.Image.Image:
    """A star field: faint and bright stars, sometimes a nebula, a glow at the horizon, the moon or a planet."""
    side = canvas.side_px
    density = canvas.ratio(0.0003, 0.006)
    sky = unit(canvas.one_of((BLACK, canvas.any_colour((0.01, 0.1), (0, 0.9)))))
    total = sky + glowing(
        canvas, max(5, int(density * side * side)), canvas.real(0.5, 1.2), (0.45, canvas.real(0.6, 1.1))
    )
    total = total + glowing(canvas, canvas.whole(1, 12), 1.2, (1.0, canvas.real(1.5, 3.5)))
    down, right = canvas.axes()
    if canvas.happens(0.4):
        band = canvas.clouds(3, 4) ** 2 * canvas.field(2)
        total = total + band[..., None] * unit(canvas.any_colour((0.1, 0.5), (0.2, 0.9)))
    if canvas.happens(0.3):
        total = total + (down**3)[..., None] * unit(canvas.any_colour((0.1, 0.4), (0.2, 0.8)))
    if canvas.happens(0.3):
        y, x, r = canvas.real(0.1, 0.8), canvas.real(0.1, 0.9), canvas.ratio(0.03, 0.2)
        disc = 1 - smoothstep(np.hypot(down - y, right - x), r - 1.0 / side, r + 1.0 / side)
        lit = smoothstep(right - x + canvas.real(-1, 1) * (down - y), -r * canvas.real(0.2, 1.5), r * 0.5)
        face = (0.6 + 0.4 * canvas.clouds(8))[..., None] * unit(canvas.any_colour((0.8, 1), (0, 0.4)))
        total = total * (1 - disc[..., None]) + face * (disc * lit)[..., None]
    if canvas.happens(0.3):  # hills before the sky
        ridge = canvas.real(0.7, 0.95) - 0.15 * canvas.clouds(4, 5)[0]
        total = total * (1 - smoothstep(down - ridge, 0, 1.5 / side))[..., None]
    return finished(total.astype(np.float32))


def nightcity(canvas: Canvas) -> PIL.Image.Image:
    """A city at night: houses with lit windows and lamps, or discs of lights out of focus; some mirrored in water."""
    side = canvas.side_px
    high, low = canvas.any_colour((0, 0.15), (0.2, 1)), canvas.any_colour((0.02, 0.3), (0.2, 1))
    sheet = canvas.sheet(canvas.gradient(high, low, 0.0), canvas.one_of((1, 2)))
    bokeh = canvas.happens(0.4)
    if not bokeh:
        for layer in range(canvas.whole(1, 3)):
            _houses(canvas, sheet, 0.3 + 0.2 * layer)
    total = opened(sheet.reduced())
    if bokeh:
        total = _discs(canvas, total)
    lamps = glowing(canvas, canvas.whole(3, 40), 1.5, (1.0, canvas.real(1.5, 4)))
    total = total + lamps * unit(canvas.hue(canvas.real(0.05, 0.16), (0.2, 0.8), (0.9, 1)))
    glow = opened(softened(finished(total), max(1.0, side * canvas.real(0.01, 0.04))))
    total = total + glow * np.float32(canvas.real(0.1, 0.5))
    if canvas.happens(0.3):
        water = canvas.whole(side // 2, max(side // 2, side * 4 // 5))
        count = side - water
        mirrored = total[max(0, water - count) : water][::-1] * np.float32(canvas.real(0.3, 0.6))
        total[water : water + len(mirrored)] = mirrored
    return finished(total.astype(np.float32))


def _houses(canvas: Canvas, sheet: Sheet, top: float) -> None:
    side, left = sheet.side, 0.0
    lamp = canvas.hue(canvas.real(0.08, 0.17), (0.2, 0.7), (0.7, 1))
    while left < side:
        width, height = canvas.real(0.06, 0.22) * side, (1 - top * canvas.real(0.6, 1.3)) * side
        wall = canvas.any_colour((0.02, 0.14), (0.1, 0.7))
        sheet.pen.rectangle((left, side - height, left + width, side), wall)
        cell, share = canvas.real(5, 14) * sheet.factor, canvas.real(0.05, 0.6)
        for row in np.arange(side - height + cell / 2, side, cell * 1.4):
            for column in np.arange(left + cell / 3, left + width - cell * 0.7, cell):
                if canvas.happens(share):
                    fill = lamp if canvas.happens(0.8) else canvas.any_colour((0.3, 1), (0, 0.6))
                    sheet.pen.rectangle((column, row, column + cell * 0.5, row + cell * 0.7), fill)
        left += width * canvas.real(0.8, 1.3)


def _discs(canvas: Canvas, total: Picture) -> Picture:
    radius = canvas.ratio(0.015, 0.09) * canvas.side_px
    colours = [canvas.any_colour((0.6, 1), (0.2, 1)) for _ in range(4)]
    for _ in range(canvas.whole(2, 4)):  # those of a layer hide each other, layers add up
        sheet = canvas.sheet(BLACK, 2)
        for _ in range(canvas.whole(4, 30)):
            x, y = canvas.rng.random(2) * sheet.side
            r = radius * canvas.real(0.7, 1.3) * sheet.factor
            edge = canvas.one_of(colours)
            fill = (edge[0] * 4 // 5, edge[1] * 4 // 5, edge[2] * 4 // 5)
            sheet.pen.ellipse((x - r, y - r, x + r, y + r), fill, edge, sheet.factor)
        total = total + opened(softened(sheet.reduced(), 0.6)) * np.float32(canvas.real(0.15, 0.6))
    return total
