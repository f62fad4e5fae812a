"""Words that nobody knows, and lines of them: what pages, screens, charts and maps are lettered with."""

from __future__ import annotations

from PIL import ImageDraw

from darnet.data.graphics.canvas import Canvas, Colour, font

STARTS = ("b", "br", "c", "cl", "d", "dr", "f", "g", "gr", "h", "j", "k", "l", "m", "n", "p", "pl", "r", "s", "st", "t")
VOWELS = ("a", "e", "i", "o", "u", "ai", "ea", "io", "ou", "y")
ENDS = ("", "", "", "l", "m", "n", "nd", "r", "rt", "s", "st", "t", "x", "ng")


def word(canvas: Canvas, syllables: int | None = None) -> str:
    """A made-up word in Latin letters."""
    count = syllables or canvas.one_of((1, 1, 2, 2, 3))
    return "".join(canvas.one_of(STARTS) + canvas.one_of(VOWELS) + canvas.one_of(ENDS) for _ in range(count))


def number(canvas: Canvas) -> str:
    """A figure as tables and axes show it."""
    value = canvas.ratio(0.01, 1e5)
    style = canvas.one_of(("{:.0f}", "{:.1f}", "{:.2f}", "{:,.0f}", "{:.0f}%", "${:,.2f}", "-{:.1f}", "{:.1e}"))
    return style.format(value)


def phrase(canvas: Canvas, words: int, capital: bool = True) -> str:
    """A few words, the first with a capital."""
    text = " ".join(number(canvas) if canvas.happens(0.06) else word(canvas) for _ in range(words))
    return text[:1].upper() + text[1:] if capital else text


def write_line(
    pen: ImageDraw.ImageDraw, where: tuple[float, float], text: str, size_px: int, colour: Colour, bold: float = 0.0
) -> float:
    """Write from the top left corner `where`, with strokes `bold` pixels wider; the width that was written."""
    face = font(size_px)
    pen.text(where, text, fill=colour, font=face, stroke_width=bold, stroke_fill=colour if bold else None)
    return float(face.getlength(text))


def write_block(
    canvas: Canvas,
    pen: ImageDraw.ImageDraw,
    box: tuple[float, float, float, float],
    size_px: int,
    colour: Colour,
    leading: float = 1.4,
) -> float:
    """Fill a box (left, top, right, bottom) with paragraphs; ragged or justified. The row where the text ends."""
    left, top, right, bottom = box
    face, row, justified, bold = font(size_px), top, canvas.happens(0.5), canvas.one_of((0.0, 0.0, 0.0, size_px / 30))
    space = face.getlength(" ")
    left_in_paragraph = canvas.whole(2, 9)
    indent = 0.0
    while row + size_px < bottom:
        words: list[tuple[str, float]] = []
        width = indent
        for _ in range(120):
            text = number(canvas) if canvas.happens(0.03) else word(canvas)
            text += canvas.one_of(("", "", "", "", "", "", ",", "."))
            length = face.getlength(text)
            if width + length > right - left and words:
                break
            words.append((text, length))
            width += length + space
        left_in_paragraph -= 1
        ends = left_in_paragraph == 0
        if ends:
            words = words[: canvas.whole(1, len(words))]
        slack = right - left - indent - sum(length for _, length in words)
        gap = slack / (len(words) - 1) if justified and not ends and len(words) > 1 else space
        column = left + indent
        for text, length in words:
            pen.text((column, row), text, fill=colour, font=face, stroke_width=bold)
            column += length + gap
        indent = 0.0
        row += size_px * leading
        if ends:
            left_in_paragraph = canvas.whole(2, 9)
            row += size_px * canvas.one_of((0.0, 0.6, 1.0))
            indent = size_px * canvas.one_of((0.0, 1.5))
            indent = min(indent, (right - left) / 4)
    return row


def write_script(
    canvas: Canvas,
    pen: ImageDraw.ImageDraw,
    box: tuple[float, float, float, float],
    size_px: float,
    colour: Colour,
) -> None:
    """Fill a box with signs of an invented script: a few strokes in a square, as in Chinese or Korean, or cursive."""
    left, top, right, bottom = box
    signs, corners = [], [0.0, 0.33, 0.66, 1.0]
    for _ in range(24):
        count = canvas.whole(2, 6)
        signs.append([[(canvas.one_of(corners), canvas.one_of(corners)) for _ in range(2)] for _ in range(count)])
    line, cursive = max(1, round(size_px / canvas.real(8, 14))), canvas.happens(0.4)
    row = top
    while row + size_px < bottom:
        column = left
        while column + size_px < right:
            if not canvas.happens(0.12):
                strokes = canvas.one_of(signs)
                points = [[(column + x * size_px, row + y * size_px) for x, y in stroke] for stroke in strokes]
                if cursive:
                    pen.line([point for stroke in points for point in stroke], colour, line, joint="curve")
                else:
                    for stroke in points:
                        pen.line(stroke, colour, line)
            column += size_px * (0.9 if cursive else 1.25)
        row += size_px * 1.7
