"""Line art and illustrations."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import PIL.Image

from darnet.data.graphics.canvas import Canvas, Colour, Sheet, between
from darnet.data.graphics.lettering import number, write_line

Point = tuple[float, float]


def lineart(canvas: Canvas) -> PIL.Image.Image:
    """Lines on a ground: a technical drawing, a plan, curves, hatching, a wire model, a circuit or plants."""
    ground = canvas.ground(0.12)
    sheet = canvas.sheet(ground)
    ink = canvas.ink(ground, 0.15)
    drawing = canvas.one_of((_technical, _technical, _plan, _curves, _hatched, _wires, _circuit, _plants))
    drawing(canvas, sheet, ink, max(1, round(canvas.ratio(0.7, 3.5) * sheet.factor)))
    if sheet.factor > 1 and canvas.happens(0.2):
        sheet = sheet.turned(canvas.real(-20, 20), ground)
    return sheet.reduced()


def hatch(sheet: Sheet, polygon: list[Point], colour: Colour, step: float, angle: float, width: int) -> None:
    """Fill a polygon with parallel lines."""
    mask = PIL.Image.new("1", sheet.image.size)
    layer = PIL.Image.new("1", sheet.image.size)
    from PIL import ImageDraw

    ImageDraw.Draw(mask).polygon(polygon, 1)
    pen = ImageDraw.Draw(layer)
    across, along = (np.cos(angle), np.sin(angle))
    middle = sheet.side / 2
    for offset in np.arange(-sheet.side, sheet.side, max(step, width + 1)):
        x, y = middle - offset * along, middle + offset * across
        reach = sheet.side
        pen.line((x - reach * across, y - reach * along, x + reach * across, y + reach * along), 1, width)
    from PIL import ImageChops

    sheet.image.paste(colour, (0, 0), ImageChops.logical_and(mask, layer))


def _arrow(sheet: Sheet, first: Point, last: Point, ink: Colour, size: float) -> None:
    sheet.pen.line((first, last), ink, sheet.factor)
    turn = np.arctan2(last[1] - first[1], last[0] - first[0])
    for end, way in ((last, turn), (first, turn + np.pi)):
        sides = [(end[0] - size * np.cos(way + s), end[1] - size * np.sin(way + s)) for s in (-0.3, 0.3)]
        sheet.pen.polygon([end, *sides], ink)


def _technical(canvas: Canvas, sheet: Sheet, ink: Colour, width: int) -> None:
    side, factor = sheet.side, sheet.factor
    for _ in range(canvas.whole(2, 7)):
        x, y = canvas.rng.uniform(0.1, 0.7, 2) * side
        w, h = canvas.rng.uniform(0.08, 0.4, 2) * side
        if canvas.happens(0.5):
            polygon = [(x, y), (x + w, y), (x + w, y + h * 0.6), (x + w * 0.6, y + h), (x, y + h)]
            if canvas.happens(0.5):
                hatch(sheet, polygon, ink, canvas.real(4, 10) * factor, canvas.one_of((0.79, -0.79, 1.2)), factor)
            sheet.pen.line([*polygon, polygon[0]], ink, width, joint="curve")
        else:
            radius = min(w, h) / 2
            for part in canvas.rng.uniform(0.2, 1, canvas.whole(1, 5)):
                r = radius * part
                sheet.pen.ellipse((x - r, y - r, x + r, y + r), None, ink, width)
            for dx, dy in ((radius * 1.3, 0), (0, radius * 1.3)):
                sheet.pen.line((x - dx, y - dy, x + dx, y + dy), ink, factor)
        if canvas.happens(0.7):
            row, size = y - 8 * factor, 9 * factor
            _arrow(sheet, (x, row), (x + w, row), ink, 5 * factor)
            write_line(sheet.pen, (x + w / 2, row - 1.3 * size), number(canvas), size, ink)
    if canvas.happens(0.4):
        edge = 6 * factor
        for left, top in ((edge, edge), (side * 0.6, side * 0.8)):
            sheet.pen.rectangle((left, top, side - edge, side - edge), None, ink, width)


def _plan(canvas: Canvas, sheet: Sheet, ink: Colour, width: int) -> None:
    rooms = [(0.05, 0.05, 0.95, 0.95)]
    for _ in range(canvas.whole(3, 10)):
        left, top, right, bottom = rooms.pop(canvas.whole(0, len(rooms) - 1))
        share = canvas.real(0.3, 0.7)
        if right - left > bottom - top:
            cut = left + (right - left) * share
            rooms += [(left, top, cut, bottom), (cut, top, right, bottom)]
        else:
            cut = top + (bottom - top) * share
            rooms += [(left, top, right, cut), (left, cut, right, bottom)]
    for room in rooms:
        left, top, right, bottom = (edge * sheet.side for edge in room)
        sheet.pen.rectangle((left, top, right, bottom), None, ink, width * 2)
        door = min(right - left, bottom - top) * 0.4
        sheet.pen.arc((left - door, top - door, left + door, top + door), 0, 90, ink, sheet.factor)
        size = canvas.whole(8, 12) * sheet.factor
        write_line(sheet.pen, ((left + right) / 2 - size, (top + bottom) / 2), number(canvas), size, ink)


def _curves(canvas: Canvas, sheet: Sheet, ink: Colour, width: int) -> None:
    for _ in range(canvas.whole(1, 4)):
        steps = np.linspace(0, 2 * np.pi * canvas.whole(1, 12), 700)
        a, b, c = canvas.whole(1, 7), canvas.whole(1, 7), canvas.real(0, 6)
        size = canvas.real(0.15, 0.45) * sheet.side
        x, y = canvas.rng.uniform(0.3, 0.7, 2) * sheet.side
        if canvas.happens(0.5):  # Lissajous
            xs, ys = np.sin(a * steps / 6 + c), np.sin(b * steps / 6)
        else:  # a circle that rolls in a circle
            ratio = canvas.real(0.1, 0.9)
            xs = (1 - ratio) * np.cos(steps) + ratio * np.cos(steps * (1 - ratio) / ratio)
            ys = (1 - ratio) * np.sin(steps) - ratio * np.sin(steps * (1 - ratio) / ratio)
        points = [(float(u), float(v)) for u, v in zip(x + size * xs, y + size * ys, strict=True)]
        sheet.pen.line(points, ink, width, joint="curve")


def _hatched(canvas: Canvas, sheet: Sheet, ink: Colour, width: int) -> None:
    """Areas between lines across the sheet, each shaded by its own hatching, as in an engraving."""
    width = max(1, min(width, sheet.factor))
    for _ in range(canvas.whole(3, 9)):
        corners = canvas.whole(3, 9)
        turns = np.sort(canvas.rng.uniform(0, 2 * np.pi, corners))
        x, y = canvas.rng.uniform(0.1, 0.9, 2) * sheet.side
        radius = canvas.rng.uniform(0.1, 0.4, corners) * sheet.side
        xs, ys = x + radius * np.cos(turns), y + radius * np.sin(turns)
        polygon = [(float(u), float(v)) for u, v in zip(xs, ys, strict=True)]
        for _ in range(canvas.one_of((1, 1, 2))):
            hatch(sheet, polygon, ink, canvas.ratio(2, 12) * sheet.factor, canvas.real(0, np.pi), width)
        sheet.pen.line([*polygon, polygon[0]], ink, width + sheet.factor // 2)


def _wires(canvas: Canvas, sheet: Sheet, ink: Colour, width: int) -> None:
    """A hilly surface seen at an angle, as lines along and across."""
    count = canvas.whole(12, 40)
    height = canvas.field(canvas.real(2, 6), count)
    steps = np.linspace(0, 1, count)
    u, v = np.meshgrid(steps, steps)
    xs = (0.5 + (u - v) * 0.45) * sheet.side
    ys = (0.15 + (u + v) * 0.35 + 0.25 * (0.5 - height)) * sheet.side + 0.05 * sheet.side
    lines = [*zip(xs, ys, strict=True)] + ([*zip(xs.T, ys.T, strict=True)] if canvas.happens(0.7) else [])
    for row, column in lines:
        sheet.pen.line([(float(x), float(y)) for x, y in zip(row, column, strict=True)], ink, min(width, sheet.factor))


def _circuit(canvas: Canvas, sheet: Sheet, ink: Colour, width: int) -> None:
    step = canvas.real(16, 40) * sheet.factor
    count = max(2, int(sheet.side / step))
    for _ in range(canvas.whole(count, 4 * count)):
        x, y = (canvas.whole(0, count) * step for _ in range(2))
        length = canvas.whole(1, 4) * step
        ends = (x + length, y) if canvas.happens(0.5) else (x, y + length)
        sheet.pen.line((x, y, *ends), ink, width)
        sort, r = canvas.whole(0, 4), step * 0.18
        if sort == 0:
            sheet.pen.ellipse((x - r, y - r, x + r, y + r), ink)
        elif sort == 1:
            sheet.pen.ellipse((x - 2 * r, y - 2 * r, x + 2 * r, y + 2 * r), None, ink, width)
        elif sort == 2:
            sheet.pen.rectangle((x - 2 * r, y - r, x + 2 * r, y + r), None, ink, width)
        else:
            write_line(sheet.pen, (x + r, y + r), f"R{canvas.whole(1, 99)}", round(step * 0.3), ink)


def _plants(canvas: Canvas, sheet: Sheet, ink: Colour, width: int) -> None:
    """Stems that fork, with leaves."""

    def grow(start: Point, turn: float, length: float, depth: int) -> None:
        end = (start[0] + length * np.cos(turn), start[1] + length * np.sin(turn))
        sheet.pen.line((start, end), ink, max(1, width * depth // 3))
        if depth <= 1:
            r = length * 0.3
            sheet.pen.ellipse((end[0] - r, end[1] - r * 0.6, end[0] + r, end[1] + r * 0.6), None, ink, sheet.factor)
            return
        for _ in range(canvas.one_of((2, 2, 3))):
            grow(end, turn + canvas.real(-0.7, 0.7), length * canvas.real(0.6, 0.85), depth - 1)

    for _ in range(canvas.whole(1, 3)):
        grow((canvas.real(0.2, 0.8) * sheet.side, sheet.side), -np.pi / 2, sheet.side * canvas.real(0.15, 0.25), 5)


def illustration(canvas: Canvas) -> PIL.Image.Image:
    """Flat colours, with and without outlines and gradients: a landscape, faces, shapes, or waves."""
    colours = canvas.palette(7)
    outline = canvas.one_of((None, None, (0, 0, 0), canvas.any_colour((0, 0.3))))
    ground = canvas.one_of((canvas.ground(), colours[0]))
    sheet = canvas.sheet(canvas.gradient(colours[0], canvas.any_colour()) if canvas.happens(0.35) else ground)
    canvas.one_of((_landscape, _landscape, _shapes, _faces, _waves))(canvas, sheet, colours, outline)
    return sheet.reduced()


def _landscape(canvas: Canvas, sheet: Sheet, colours: list[Colour], outline: Colour | None) -> None:
    side, line = sheet.side, max(1, round(canvas.real(1, 3) * sheet.factor))
    x, y, r = canvas.real(0.1, 0.9) * side, canvas.real(0.05, 0.4) * side, canvas.real(0.04, 0.15) * side
    sheet.pen.ellipse((x - r, y - r, x + r, y + r), canvas.hue(0.13, (0.1, 0.9), (0.9, 1)), outline, line)
    for _ in range(canvas.whole(0, 4)):
        x, y, r = canvas.real(0, 1) * side, canvas.real(0.05, 0.4) * side, canvas.real(0.03, 0.08) * side
        for shift in (-1.2, 0, 1.2):
            rise = r * (1.3 if shift == 0 else 1)
            sheet.pen.ellipse((x + shift * r - rise, y - rise, x + shift * r + rise, y + rise), (255, 255, 255))
    layers = canvas.whole(2, 5)
    for layer in range(layers):
        level = 0.4 + 0.5 * layer / layers
        steps = np.linspace(0, 1, 50)
        waves = np.sin(steps * canvas.real(3, 14) + canvas.real(0, 6)) * canvas.real(0.02, 0.12)
        rows = (level + (np.abs(waves) if canvas.happens(0.3) else waves)) * side
        ridge = [(float(s * side), float(row)) for s, row in zip(steps, rows, strict=True)]
        fill = between(colours[layer + 1], colours[0], 0.5 - 0.5 * layer / layers)
        sheet.pen.polygon([(0, side), *ridge, (side, side)], fill)
        if outline:
            sheet.pen.line(ridge, outline, line)
        for _ in range(canvas.whole(0, 6)):
            _thing(canvas, sheet, canvas.one_of(ridge), colours, (outline, line))


def _thing(canvas: Canvas, sheet: Sheet, foot: Point, colours: list[Colour], edge: tuple[Colour | None, int]) -> None:
    """A tree or a house that stands on its foot."""
    x, y = foot
    size, fill = canvas.real(0.04, 0.14) * sheet.side, canvas.one_of(colours)
    if canvas.happens(0.5):
        sheet.pen.rectangle((x - size / 12, y - size / 2, x + size / 12, y), (90, 60, 30))
        if canvas.happens(0.5):
            sheet.pen.polygon(
                [(x - size / 3, y - size / 3), (x, y - size), (x + size / 3, y - size / 3)], fill, edge[0]
            )
        else:
            sheet.pen.ellipse((x - size / 3, y - size, x + size / 3, y - size / 3), fill, *edge)
        return
    sheet.pen.rectangle((x - size / 2, y - size / 2, x + size / 2, y), fill, *edge)
    roof = [(x - size * 0.6, y - size / 2), (x, y - size), (x + size * 0.6, y - size / 2)]
    sheet.pen.polygon(roof, canvas.one_of(colours), edge[0])
    sheet.pen.rectangle((x - size * 0.1, y - size * 0.3, x + size * 0.1, y), canvas.one_of(colours), *edge)


def _shapes(canvas: Canvas, sheet: Sheet, colours: list[Colour], outline: Colour | None) -> None:
    line = max(1, round(canvas.real(1, 5) * sheet.factor))
    for _ in range(canvas.whole(4, 30)):
        x, y = canvas.rng.random(2) * sheet.side
        r, fill = canvas.ratio(0.03, 0.35) * sheet.side, canvas.one_of(colours)
        sort = canvas.whole(0, 3)
        if sort == 0:
            sheet.pen.ellipse((x - r, y - r, x + r, y + r), fill, outline, line)
        elif sort == 1:
            sheet.pen.rounded_rectangle((x - r, y - r / 2, x + r, y + r / 2), r / 5, fill, outline, line)
        elif sort == 2:
            sheet.pen.regular_polygon((x, y, r), canvas.whole(3, 8), canvas.real(0, 360), fill, outline)
        else:
            sheet.pen.pieslice((x - r, y - r, x + r, y + r), canvas.real(0, 180), canvas.real(200, 360), fill, outline)


def _faces(canvas: Canvas, sheet: Sheet, colours: list[Colour], outline: Colour | None) -> None:
    count = canvas.whole(1, 4)
    cell, line = sheet.side / count, max(1, round(canvas.real(1, 4) * sheet.factor))
    for number_ in range(count * count):
        x, y = (number_ % count + 0.5) * cell, (number_ // count + 0.5) * cell
        r, skin = cell * canvas.real(0.25, 0.42), canvas.hue(0.07, (0.1, 0.7), (0.3, 1))
        sheet.pen.ellipse((x - r * 1.1, y - r * 1.2, x + r * 1.1, y + r * 0.6), canvas.one_of(colours), outline, line)
        sheet.pen.ellipse((x - r * 0.9, y - r, x + r * 0.9, y + r), skin, outline, line)
        for way in (-1, 1):
            eye, s = x + way * r * 0.35, r * canvas.real(0.12, 0.2)
            sheet.pen.ellipse((eye - s, y - r * 0.3 - s, eye + s, y - r * 0.3 + s), (255, 255, 255), outline, line)
            sheet.pen.ellipse((eye - s / 2, y - r * 0.3 - s / 2, eye + s / 2, y - r * 0.3 + s / 2), (20, 20, 20))
        sheet.pen.arc((x - r * 0.5, y, x + r * 0.5, y + r * 0.6), 10, 170, (150, 30, 40), line + sheet.factor)


def _waves(canvas: Canvas, sheet: Sheet, colours: list[Colour], outline: Colour | None) -> None:
    """Bands that bend, from a few broad ones to many thin ones."""
    side, steps = sheet.side, np.linspace(0, 1, 60)
    wave = np.sin(steps * canvas.real(2, 20)) * canvas.real(0, 0.15) * side
    edges = np.linspace(-0.2, 1.2, canvas.whole(5, 24)) * side
    lying = canvas.happens(0.5)
    for which, (first, last) in enumerate(pairwise(edges)):
        there = [(float(s * side), float(first + w)) for s, w in zip(steps, wave, strict=True)]
        back = [(float(s * side), float(last + w)) for s, w in zip(steps, wave, strict=True)][::-1]
        points = there + back if lying else [(y, x) for x, y in there + back]
        sheet.pen.polygon(points, colours[which % len(colours)], outline)
