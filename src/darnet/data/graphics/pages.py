"""Text pages and screenshots."""

from __future__ import annotations

import PIL.Image

from darnet.data.graphics.canvas import WHITE, Canvas, Colour, Sheet, between, finished, luma
from darnet.data.graphics.lettering import number, phrase, word, write_block, write_line, write_script
from darnet.data.graphics.photographs import shown

Box = tuple[float, float, float, float]


def text(canvas: Canvas) -> PIL.Image.Image:
    """A page: columns, a table, a list, a form, a listing or a few large words; straight, or turned a little."""
    ground = canvas.ground()
    ink = canvas.ink(ground)
    sheet = canvas.sheet(ground)
    if canvas.happens(0.15):
        sheet.pen.fontmode = "1"  # letters without grey edges
    margin = sheet.side * canvas.one_of((0.0, 0.02, 0.05, 0.1, 0.15))
    box = (margin, margin, sheet.side - margin, sheet.side - margin)
    size = max(6, round(canvas.ratio(8, 26))) * sheet.factor
    layout = canvas.one_of((_columns, _columns, _columns, _table, _list, _listing, _poster, _signs))
    layout(canvas, sheet, box, size, ink)
    if sheet.factor > 1 and canvas.happens(0.3):
        sheet = sheet.turned(canvas.real(-6, 6), ground, canvas.real(0.85, 1.2))
    return sheet.reduced()


def _columns(canvas: Canvas, sheet: Sheet, box: Box, size: int, ink: Colour) -> None:
    left, top, right, bottom = box
    if canvas.happens(0.5):
        large = round(size * canvas.real(1.4, 2.4))
        write_line(sheet.pen, (left, top), phrase(canvas, canvas.whole(1, 4)), large, ink, large / canvas.real(15, 40))
        top += large * 1.8
    count = canvas.whole(1, 3) if right - left > 24 * size else 1
    width = (right - left) / count
    leading = canvas.real(1.15, 1.8)
    for number_ in range(count):
        start = left + number_ * width
        row = top
        while row + 2 * size < bottom:
            end = min(bottom, row + size * canvas.real(6, 60))
            row = write_block(canvas, sheet.pen, (start, row, start + width - size, end), size, ink, leading) + size
            if canvas.happens(0.4):
                write_line(sheet.pen, (start, row), phrase(canvas, 3), round(size * 1.15), ink, size / 18)
                row += size * 2
    if canvas.happens(0.2):
        sheet.pen.line((left, top - size / 2, right, top - size / 2), ink, sheet.factor)


def _table(canvas: Canvas, sheet: Sheet, box: Box, size: int, ink: Colour) -> None:
    left, top, right, bottom = box
    count = max(1, min(canvas.whole(2, 6), int((right - left) / (4 * size))))
    width, height = (right - left) / count, size * canvas.real(1.5, 2.4)
    rules, tint = canvas.one_of(("all", "rows", "none")), canvas.any_colour((0.5, 1.0), (0.0, 0.5))
    banded = canvas.happens(0.5) and luma(ink) < 128 and luma(tint) > 150
    rows = int((bottom - top) / height)
    for row in range(rows):
        above = top + row * height
        if banded and row % 2:
            sheet.pen.rectangle((left, above, right, above + height), tint)
        for column in range(count):
            start = left + column * width
            label = phrase(canvas, 1) if column == 0 or row == 0 else number(canvas)
            write_line(sheet.pen, (start + size / 3, above + size / 4), label[: int(width / size * 1.8)], size, ink)
            if rules == "all":
                sheet.pen.rectangle((start, above, start + width, above + height), None, ink, sheet.factor)
        if rules == "rows":
            sheet.pen.line((left, above, right, above), ink, sheet.factor)


def _list(canvas: Canvas, sheet: Sheet, box: Box, size: int, ink: Colour) -> None:
    left, top, right, bottom = box
    row, mark, form = top, canvas.one_of(("dot", "number", "square")), canvas.happens(0.4)
    item = 0
    while row + size < bottom:
        item += 1
        if mark == "dot":
            sheet.pen.ellipse((left, row + size * 0.4, left + size * 0.4, row + size * 0.8), ink)
        elif mark == "square":
            sheet.pen.rectangle((left, row + size * 0.2, left + size * 0.8, row + size), None, ink, sheet.factor)
        else:
            write_line(sheet.pen, (left, row), f"{item}.", size, ink)
        end = write_line(sheet.pen, (left + size * 1.8, row), phrase(canvas, canvas.whole(1, 6)), size, ink)
        if form:
            start = left + size * 2.5 + end
            if start < right:
                sheet.pen.line((start, row + size * 1.1, right, row + size * 1.1), ink, sheet.factor)
        row += size * canvas.real(1.5, 2.2)


def _listing(canvas: Canvas, sheet: Sheet, box: Box, size: int, ink: Colour) -> None:
    """A program: indented lines of letters in cells of one width, some words in colours."""
    left, top, right, bottom = box
    cell, row, depth = size * 0.62, top, 0
    colours = [ink, ink, *(between(colour, ink, 0.3) for colour in canvas.palette(3))]
    while row + size < bottom:
        depth = max(0, min(5, depth + canvas.one_of((-1, 0, 0, 1))))
        column = left + depth * 4 * cell
        for _ in range(canvas.whole(0, 7)):
            colour = canvas.one_of(colours)
            for letter in canvas.one_of((word(canvas), number(canvas), "=", "()", "+", "{", word(canvas) + ":")):
                if column + cell < right:
                    write_line(sheet.pen, (column, row), letter, size, colour)
                column += cell
            column += cell
        row += size * 1.35


def _poster(canvas: Canvas, sheet: Sheet, box: Box, size: int, ink: Colour) -> None:
    left, row, _, bottom = box
    while row < bottom:
        large = max(8, round(size * canvas.real(1.5, 5)))
        write_line(sheet.pen, (left, row), phrase(canvas, canvas.whole(1, 3)), large, ink, large / canvas.real(10, 60))
        row += large * canvas.real(1.1, 2.0)


def _signs(canvas: Canvas, sheet: Sheet, box: Box, size: int, ink: Colour) -> None:
    write_script(canvas, sheet.pen, box, size * canvas.real(1, 2), ink)


def screenshot(canvas: Canvas) -> PIL.Image.Image:
    """A desk with windows, or one window that fills the screen: title bars, menus, lists, buttons, fields, icons."""
    light = canvas.happens(0.6)
    base = canvas.one_of((WHITE, canvas.any_colour((0.92, 1), (0, 0.04)))) if light else canvas.any_colour((0.05, 0.25))
    desk = canvas.palette(2)
    full = canvas.happens(0.5)
    ground = base if full else desk[0]
    factor = canvas.one_of((1, 1, 1, 2))
    flat = full or canvas.happens(0.5)
    sheet = canvas.sheet(ground if flat else canvas.gradient(desk[0], desk[1]), factor)
    size = canvas.whole(9, 16) * factor
    if full:
        _window(canvas, sheet, (0, 0, sheet.side, sheet.side), size, base)
    else:
        for number_ in range(canvas.whole(2, 8)):
            _icon(canvas, sheet, size, number_ * size * 5, size * 3)
        for _ in range(canvas.whole(1, 3)):
            left, top = (canvas.real(0, 0.5) * sheet.side for _ in range(2))
            width, height = (canvas.real(0.3, 0.8) * sheet.side for _ in range(2))
            _window(canvas, sheet, (round(left), round(top), round(left + width), round(top + height)), size, base)
        bar = between(base, desk[0], 0.3)
        sheet.pen.rectangle((0, sheet.side - 2 * size, sheet.side, sheet.side), bar)
        write_line(sheet.pen, (size, sheet.side - 1.6 * size), word(canvas) + " 12:47", size, canvas.ink(bar))
    return sheet.reduced()


def _window(canvas: Canvas, sheet: Sheet, box: Box, size: int, base: Colour) -> None:
    left, top, right, bottom = box
    ink, accent = canvas.ink(base, 0.1), canvas.any_colour((0.5, 0.95), (0.5, 1))
    line = between(base, ink, 0.25)
    sheet.pen.rectangle(box, base, line, sheet.factor)
    bar = canvas.one_of((accent, between(base, ink, 0.1), line))
    sheet.pen.rectangle((left, top, right, top + 2 * size), bar)
    title = canvas.ink(bar, 0)
    write_line(sheet.pen, (left + size, top + size * 0.4), phrase(canvas, 2), size, title, canvas.one_of((0.0, 0.5)))
    for number_ in range(3):
        start = right - (number_ + 1) * size * 1.4
        shape = sheet.pen.ellipse if canvas.happens(0.5) else sheet.pen.rectangle
        shape((start, top + size * 0.6, start + size * 0.8, top + size * 1.4), canvas.any_colour((0.6, 1)), title)
    row, inner = top + 2.6 * size, left + size
    if canvas.happens(0.6):  # a menu
        for _ in range(canvas.whole(2, 5)):
            inner += write_line(sheet.pen, (inner, row), phrase(canvas, 1), size, ink) + size
        row += 2 * size
        sheet.pen.line((left, row - size * 0.4, right, row - size * 0.4), line, sheet.factor)
    inner = left + size
    if canvas.happens(0.4) and right - left > 20 * size:  # a list at the side
        edge = left + (right - left) * 0.28
        sheet.pen.rectangle((left, row, edge, bottom), between(base, ink, 0.06))
        _rows(canvas, sheet, (left + size * 0.6, row, edge, bottom), size, (ink, accent))
        inner = edge + size
    while row + 2 * size < bottom:
        part = canvas.one_of((_rows, _words, _buttons, _fields, _cards, _figure))
        end = min(bottom - size * 0.5, row + size * canvas.real(3, 14))
        part(canvas, sheet, (inner, row, right - size, end), size, (ink, accent))
        row = end + size
    if canvas.happens(0.6) and bottom - top > 8 * size:
        sheet.pen.rectangle((right - size * 0.8, top + 2 * size, right, bottom), between(base, ink, 0.1))
        middle = canvas.real(top + 3 * size, max(top + 4 * size, bottom - 4 * size))
        sheet.pen.rectangle((right - size * 0.7, middle, right - 1, middle + 3 * size), between(base, ink, 0.4))


def _rows(canvas: Canvas, sheet: Sheet, box: Box, size: int, inks: tuple[Colour, Colour]) -> None:
    left, top, right, bottom = box
    row, chosen = top, canvas.whole(0, 12)
    number_ = 0
    while row + 1.6 * size < bottom and right - left > 2 * size:
        colour = inks[0]
        if number_ == chosen:
            sheet.pen.rectangle((left, row, right, row + size * 1.5), inks[1])
            colour = canvas.ink(inks[1], 0)
        label = phrase(canvas, 3)[: max(1, int((right - left) / size * 1.6))]
        write_line(sheet.pen, (left + size * 0.3, row + size * 0.15), label, size, colour)
        row, number_ = row + size * 1.6, number_ + 1


def _words(canvas: Canvas, sheet: Sheet, box: Box, size: int, inks: tuple[Colour, Colour]) -> None:
    write_block(canvas, sheet.pen, box, size, inks[0])


def _buttons(canvas: Canvas, sheet: Sheet, box: Box, size: int, inks: tuple[Colour, Colour]) -> None:
    left, top, right, _ = box
    while left + 4 * size < right:
        width = size * canvas.real(3.5, 8)
        fill, radius = canvas.one_of((inks[1], between(inks[1], inks[0], 0.5))), size * canvas.one_of((0.0, 0.3, 0.9))
        sheet.pen.rounded_rectangle((left, top, left + width, top + 2 * size), radius, fill, inks[0], sheet.factor)
        write_line(sheet.pen, (left + size, top + size * 0.4), word(canvas, 1).title(), size, canvas.ink(fill, 0))
        left += width + size


def _fields(canvas: Canvas, sheet: Sheet, box: Box, size: int, inks: tuple[Colour, Colour]) -> None:
    left, top, right, bottom = box
    while top + 2 * size < bottom and right - left > 8 * size:
        write_line(sheet.pen, (left, top + size * 0.3), word(canvas).title(), size, inks[0])
        sheet.pen.rectangle((left + 7 * size, top, right, top + 1.7 * size), None, inks[0], sheet.factor)
        if canvas.happens(0.5):
            write_line(sheet.pen, (left + 7.5 * size, top + size * 0.3), number(canvas), size, inks[1])
        top += 2.4 * size


def _cards(canvas: Canvas, sheet: Sheet, box: Box, size: int, inks: tuple[Colour, Colour]) -> None:
    left, top, right, bottom = box
    width = (right - left) / canvas.whole(2, 4)
    while left + width <= right + 1 and bottom - top > size and width > 2 * size:
        fill = canvas.any_colour()
        sheet.pen.rectangle((left, top, left + width - size, bottom), fill)
        write_line(sheet.pen, (left + size / 2, top), word(canvas, 1), size, canvas.ink(fill, 0))
        left += width


def _figure(canvas: Canvas, sheet: Sheet, box: Box, size: int, inks: tuple[Colour, Colour]) -> None:
    """A picture in the page: the photo, where there is one, or a gradient."""
    left, top, right, bottom = (round(edge) for edge in box)
    if right - left < size or bottom - top < size:
        return
    if canvas.photo is None:
        picture = finished(canvas.gradient(canvas.any_colour(), inks[1])).resize((right - left, bottom - top))
    else:
        picture = finished(shown(canvas, bottom - top, right - left))
    sheet.image.paste(picture, (left, top))


def _icon(canvas: Canvas, sheet: Sheet, size: int, top: float, side: float) -> None:
    left = size * 1.0
    fill = canvas.any_colour()
    shape = canvas.one_of((sheet.pen.ellipse, sheet.pen.rectangle))
    shape((left, top + size, left + side, top + size + side), fill, canvas.ink(fill))
    write_line(sheet.pen, (left, top + side + size * 1.1), word(canvas, 1), size, canvas.ink(fill, 0))
