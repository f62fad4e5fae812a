"""Charts and maps."""

from __future__ import annotations

import numpy as np
import PIL.Image

from darnet.data.graphics.canvas import Canvas, Colour, Sheet, between, finished, luma, unit
from darnet.data.graphics.lettering import number, phrase, word, write_line

Box = tuple[float, float, float, float]


def chart(canvas: Canvas) -> PIL.Image.Image:
    """One to four charts on a ground: lines, bars, points, areas, a pie or a heat map; with axes, grid and legend."""
    ground = canvas.ground()
    sheet = canvas.sheet(ground)
    ink = canvas.ink(ground, 0.1)
    across, down = canvas.one_of(((1, 1), (1, 1), (1, 1), (2, 1), (1, 2), (2, 2)))
    width, height = sheet.side / across, sheet.side / down
    for column in range(across):
        for row in range(down):
            box = (column * width, row * height, (column + 1) * width, (row + 1) * height)
            _one_chart(canvas, sheet, box, ground, ink)
    return sheet.reduced()


def _one_chart(canvas: Canvas, sheet: Sheet, outer: Box, ground: Colour, ink: Colour) -> None:
    size = canvas.whole(8, 14) * sheet.factor
    left, top, right, bottom = outer[0] + 3.5 * size, outer[1] + 2.5 * size, outer[2] - size, outer[3] - 2.5 * size
    if right - left < 2 * size or bottom - top < 2 * size:
        left, top, right, bottom = outer
    box = (left, top, right, bottom)
    colours = canvas.palette(canvas.whole(1, 7))
    plot = canvas.one_of((_lines, _lines, _bars, _bars, _points, _areas, _pie, _heat))
    if plot is not _pie:
        if canvas.happens(0.2):
            sheet.pen.rectangle(box, between(ground, ink, 0.08))
        _axes(canvas, sheet, box, size, (ground, ink))
    plot(canvas, sheet, box, colours)
    if canvas.happens(0.7):
        title = phrase(canvas, canvas.whole(1, 4))
        write_line(sheet.pen, (left, outer[1] + size * 0.6), title, round(size * 1.2), ink, canvas.one_of((0.0, 0.7)))
    if canvas.happens(0.5):
        start, row = canvas.real(left, (left + right) / 2), top + size
        if canvas.happens(0.5):
            end = row + (len(colours) + 0.5) * size * 1.4
            sheet.pen.rectangle((start - size, row - size / 2, start + 8 * size, end), ground, ink, sheet.factor)
        for colour in colours:
            sheet.pen.rectangle((start, row, start + size, row + size * 0.8), colour)
            write_line(sheet.pen, (start + 1.5 * size, row - size * 0.2), word(canvas)[:10], size, ink)
            row += size * 1.4


def _axes(canvas: Canvas, sheet: Sheet, box: Box, size: int, inks: tuple[Colour, Colour]) -> None:
    left, top, right, bottom = box
    ground, ink = inks
    line, grid = sheet.factor * canvas.whole(1, 2), canvas.one_of(("both", "rows", "none"))
    pale = between(ground, ink, canvas.real(0.1, 0.4))
    ticks = canvas.whole(3, 8)
    for tick in range(ticks + 1):
        row, column = bottom + (top - bottom) * tick / ticks, left + (right - left) * tick / ticks
        if grid != "none":
            sheet.pen.line((left, row, right, row), pale, sheet.factor)
        if grid == "both":
            sheet.pen.line((column, top, column, bottom), pale, sheet.factor)
        write_line(sheet.pen, (left - 3.2 * size, row - size * 0.6), number(canvas)[:5], size, ink)
        write_line(sheet.pen, (column - size, bottom + size * 0.4), str(tick * canvas.whole(1, 20)), size, ink)
    sheet.pen.line((left, top, left, bottom, right, bottom), ink, line)
    if canvas.happens(0.3):
        sheet.pen.rectangle(box, None, ink, line)


def _series(canvas: Canvas, count: int) -> np.ndarray:
    """Values from 0 to 1: a wave, a walk or a trend."""
    sort, steps = canvas.whole(0, 2), np.linspace(0, 1, count)
    if sort == 0:
        values = np.sin(steps * canvas.real(2, 25) + canvas.real(0, 6)) * np.exp(-steps * canvas.real(0, 3))
    elif sort == 1:
        values = np.cumsum(canvas.rng.normal(size=count))
    else:
        values = steps ** canvas.ratio(0.3, 3) + canvas.rng.normal(size=count) * canvas.real(0, 0.1)
    low, high = canvas.real(0, 0.4), canvas.real(0.6, 1)
    series: np.ndarray = np.interp(values, (values.min(), values.max()), (low, high))
    return series


def _lines(canvas: Canvas, sheet: Sheet, box: Box, colours: list[Colour]) -> None:
    left, top, right, bottom = box
    count, width = canvas.whole(5, 60), sheet.factor * canvas.whole(1, 4)
    marks = canvas.happens(0.4) and count < 30
    for colour in colours:
        values = _series(canvas, count)
        points = [
            (left + (right - left) * step / (count - 1), bottom + (top - bottom) * float(value))
            for step, value in enumerate(values)
        ]
        if canvas.happens(0.2):  # dashed
            for start, end in zip(points[::2], points[1::2], strict=False):
                sheet.pen.line((start, end), colour, width)
        else:
            sheet.pen.line(points, colour, width, joint="curve")
        for x, y in points if marks else ():
            sheet.pen.ellipse((x - 1.5 * width, y - 1.5 * width, x + 1.5 * width, y + 1.5 * width), colour)


def _bars(canvas: Canvas, sheet: Sheet, box: Box, colours: list[Colour]) -> None:
    left, top, right, bottom = box
    groups, stacked, lying = canvas.whole(2, 12), canvas.happens(0.3), canvas.happens(0.25)
    outline = canvas.ink(colours[0], 0) if canvas.happens(0.3) else None
    span = (bottom - top) if lying else (right - left)
    slot = span / groups
    width = slot * canvas.real(0.5, 0.95) / (1 if stacked else len(colours))
    heights = [_series(canvas, groups) / (len(colours) if stacked else 1) for _ in colours]
    for group in range(groups):
        base, reach = group * slot + slot * 0.05, 0.0
        for which, colour in enumerate(colours):
            height = float(heights[which][group])
            start = reach if stacked else 0.0
            offset = base if stacked else base + which * width
            if lying:
                edges = (left + start * (right - left), top + offset, left + (start + height) * (right - left), 0.0)
                edges = (*edges[:3], top + offset + width)
            else:
                edges = (left + offset, bottom - (start + height) * (bottom - top), left + offset + width, 0.0)
                edges = (*edges[:3], bottom - start * (bottom - top))
            sheet.pen.rectangle(edges, colour, outline, sheet.factor)
            reach += height


def _points(canvas: Canvas, sheet: Sheet, box: Box, colours: list[Colour]) -> None:
    left, top, right, bottom = box
    for colour in colours:
        centre, spread = canvas.rng.random(2), canvas.rng.uniform(0.03, 0.25, 2)
        radius = sheet.factor * canvas.real(1.5, 6)
        hollow = canvas.happens(0.3)
        for x, y in canvas.rng.normal(centre, spread, (canvas.whole(10, 150), 2)):
            if 0 < x < 1 and 0 < y < 1:
                column, row = left + (right - left) * x, top + (bottom - top) * y
                edges = (column - radius, row - radius, column + radius, row + radius)
                sheet.pen.ellipse(edges, None if hollow else colour, colour, sheet.factor)


def _areas(canvas: Canvas, sheet: Sheet, box: Box, colours: list[Colour]) -> None:
    left, top, right, bottom = box
    count = canvas.whole(6, 40)
    layers = np.cumsum([_series(canvas, count) / len(colours) for _ in colours], axis=0)
    steps = np.linspace(left, right, count)
    for colour, values in reversed(list(zip(colours, layers, strict=True))):
        rows = bottom + (top - bottom) * values
        points = [(float(x), float(y)) for x, y in zip(steps, rows, strict=True)]
        sheet.pen.polygon([(left, bottom), *points, (right, bottom)], colour)


def _pie(canvas: Canvas, sheet: Sheet, box: Box, colours: list[Colour]) -> None:
    left, top, right, bottom = box
    radius = min(right - left, bottom - top) / 2
    x, y = (left + right) / 2, (top + bottom) / 2
    edges = (x - radius, y - radius, x + radius, y + radius)
    shares = canvas.rng.dirichlet(np.full(len(colours), 2.0)) * 360
    start = canvas.real(0, 360)
    outline = canvas.one_of((None, (255, 255, 255), (0, 0, 0)))
    for colour, share in zip(colours, shares, strict=True):
        sheet.pen.pieslice(edges, start, start + float(share), colour, outline, sheet.factor * 2)
        start += float(share)
    if canvas.happens(0.4):
        hole, middle = radius * canvas.real(0.3, 0.7), sheet.image.getpixel((0, 0))
        sheet.pen.ellipse((x - hole, y - hole, x + hole, y + hole), middle)


def _heat(canvas: Canvas, sheet: Sheet, box: Box, colours: list[Colour]) -> None:
    left, top, right, bottom = box
    count, low = canvas.whole(3, 16), canvas.any_colour((0.8, 1), (0, 0.2))
    values, lettered = canvas.field(count / 2, count), canvas.happens(0.4)
    width, height = (right - left) / count, (bottom - top) / count
    for row in range(count):
        for column in range(count):
            fill = between(low, colours[0], float(values[row, column]))
            start = (left + column * width, top + row * height)
            sheet.pen.rectangle((*start, start[0] + width, start[1] + height), fill)
            if lettered and width > 20 * sheet.factor:
                write_line(sheet.pen, start, f"{values[row, column]:.1f}", 8 * sheet.factor, canvas.ink(fill, 0))


def map_(canvas: Canvas) -> PIL.Image.Image:
    """A map: streets with blocks and water, regions in flat colours, or a relief with contour lines; lettered."""
    return canvas.one_of((_streets, _streets, _regions, _relief))(canvas)


def _streets(canvas: Canvas) -> PIL.Image.Image:
    ground = canvas.one_of(((242, 239, 233), canvas.any_colour((0.85, 1), (0, 0.1)), canvas.any_colour((0.1, 0.25))))
    sheet = canvas.sheet(ground)
    ink, side, factor = canvas.ink(ground, 0.1), sheet.side, sheet.factor
    water, park = canvas.hue(0.58, (0.2, 0.5), (0.6, 0.95)), canvas.hue(0.3, (0.15, 0.4), (0.6, 0.95))
    for colour in (park, water, park):
        middle, radius = canvas.rng.random(2) * side, canvas.rng.uniform(0.08, 0.3, 12) * side
        turns = np.linspace(0, 2 * np.pi, 12, endpoint=False)
        sheet.pen.polygon(
            [
                (float(middle[0] + r * np.cos(t)), float(middle[1] + r * np.sin(t)))
                for r, t in zip(radius, turns, strict=True)
            ],
            colour,
        )
    block = canvas.real(24, 70) * factor
    house = between(ground, ink, 0.15)
    for _ in range(canvas.whole(0, 90)):
        left, top = canvas.rng.random(2) * side
        width, height = canvas.rng.uniform(4, 16, 2) * factor
        sheet.pen.rectangle((left, top, left + width, top + height), house, between(ground, ink, 0.3))
    roads: list[tuple[list[tuple[float, float]], int]] = []
    turn = canvas.real(0, np.pi / 2)
    for direction in (turn, turn + np.pi / 2 + canvas.real(-0.2, 0.2)):
        for offset in np.arange(-side, side, block):
            wide = canvas.one_of((3, 4, 5, 9)) * factor
            along = np.linspace(-1, 1, 7) * side
            bend = offset + side / 2 * 0 + canvas.rng.normal(size=7) * block * 0.08
            xs = side / 2 + along * np.cos(direction) - bend * np.sin(direction)
            ys = side / 2 + along * np.sin(direction) + bend * np.cos(direction)
            if not canvas.happens(0.2):
                roads.append(([(float(x), float(y)) for x, y in zip(xs, ys, strict=True)], wide))
    surface, main = canvas.one_of(((255, 255, 255), between(ground, ink, 0.3))), canvas.hue(0.12, (0.3, 0.8), (0.9, 1))
    for points, wide in roads:
        sheet.pen.line(points, between(ground, ink, 0.35), wide + 2 * factor, joint="curve")
    for points, wide in roads:
        sheet.pen.line(points, main if wide > 8 * factor else surface, wide, joint="curve")
    _names(canvas, sheet, ink)
    return sheet.reduced()


def _regions(canvas: Canvas) -> PIL.Image.Image:
    """The nearest of some seats decides a region; borders are where it changes."""
    down, right = canvas.axes()
    wave = 0.06
    down = down + wave * canvas.clouds(6)
    right = right + wave * canvas.clouds(6)
    seats = canvas.rng.random((canvas.whole(6, 30), 2)).astype(np.float32)
    nearest = np.argmin((down[..., None] - seats[:, 0]) ** 2 + (right[..., None] - seats[:, 1]) ** 2, axis=-1)
    colours = canvas.palette(canvas.whole(3, 7))
    if canvas.happens(0.5):
        low, high = canvas.any_colour((0.8, 1), (0, 0.2)), colours[0]
        colours = [between(low, high, share) for share in np.linspace(0, 1, 6)]
    table = np.stack([unit(canvas.one_of(colours)) for _ in seats])
    picture = table[nearest]
    border = np.zeros(nearest.shape, dtype=bool)
    border[1:] |= nearest[1:] != nearest[:-1]
    border[:, 1:] |= nearest[:, 1:] != nearest[:, :-1]
    picture[border] = unit(canvas.one_of(((255, 255, 255), (0, 0, 0), (90, 90, 90))))
    land = canvas.clouds(3)
    if canvas.happens(0.6):
        picture[land < 0.35] = unit(canvas.one_of(((255, 255, 255), canvas.hue(0.57, (0.1, 0.5), (0.7, 1)))))
    sheet = canvas.sheet(picture, 1)
    _names(canvas, sheet, (20, 20, 20))
    return sheet.reduced()


def _relief(canvas: Canvas) -> PIL.Image.Image:
    height = canvas.clouds(canvas.real(2, 5), 3)
    count = canvas.whole(6, 20)
    level = np.floor(height * count)
    low, high = canvas.hue(0.3, (0.1, 0.4), (0.8, 1)), canvas.hue(0.08, (0.1, 0.5), (0.5, 1))
    if canvas.happens(0.3):
        low = high = canvas.ground(0.1)
    picture = unit(low) + (unit(high) - unit(low)) * (level / count)[..., None].astype(np.float32)
    if canvas.happens(0.4):  # shaded from the upper left
        slope = np.gradient(height, axis=0) + np.gradient(height, axis=1)
        picture = picture * np.clip(1 + slope * canvas.side_px / 8, 0.5, 1.1)[..., None].astype(np.float32)
    line = np.zeros(level.shape, dtype=bool)
    line[1:] |= level[1:] != level[:-1]
    line[:, 1:] |= level[:, 1:] != level[:, :-1]
    picture[line] = unit(canvas.one_of(((120, 80, 40), (0, 0, 0), (160, 160, 160))))
    image = finished(picture)
    sheet = canvas.sheet((0, 0, 0), 1)
    sheet.image.paste(image)
    _names(canvas, sheet, (20, 20, 20) if luma(high) > 90 else (240, 240, 240))
    return sheet.reduced()


def _names(canvas: Canvas, sheet: Sheet, ink: Colour) -> None:
    for _ in range(canvas.whole(2, 14)):
        where = (canvas.real(0, 0.85) * sheet.side, canvas.real(0, 0.95) * sheet.side)
        size = canvas.whole(8, 16) * sheet.factor
        if canvas.happens(0.4):
            radius = size / 5
            sheet.pen.ellipse((where[0] - 3 * radius, where[1], where[0] - radius, where[1] + 2 * radius), ink)
        write_line(sheet.pen, where, word(canvas).title(), size, ink, canvas.one_of((0.0, 0.0, 0.5)))
