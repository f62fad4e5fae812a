"""Photos as people frame, mask and tone them on purpose: what is white or black around them is meant so.

A photo that is larger than its place is cut or made smaller, never enlarged; a smaller one is mirrored where it ends.
"""

from __future__ import annotations

import numpy as np
import PIL.Image
from PIL import ImageDraw

from darnet.data.graphics.canvas import (
    BLACK,
    WHITE,
    Canvas,
    Colour,
    Field,
    Picture,
    finished,
    mixed,
    opened,
    plain,
    repeated,
    smoothstep,
    softened,
    stretched,
    unit,
)
from darnet.data.graphics.lettering import phrase, write_line
from darnet.errors import UsageError


def shown(canvas: Canvas, height: int, width: int) -> Picture:
    """A part of the photo of that size, at its own scale or smaller. Raises UsageError where there is no photo."""
    photo = canvas.photo
    if photo is None:
        raise UsageError("a picture of this sort is made from a photo, and none was given")
    rows, columns = photo.shape[:2]
    least = min(1.0, max(height / rows, width / columns))
    scale = canvas.real(least, 1.0)
    if scale < 0.95:
        size = max(1, round(columns * scale)), max(1, round(rows * scale))
        pieces = [PIL.Image.fromarray(np.ascontiguousarray(photo[..., channel])) for channel in range(3)]
        photo = np.stack([np.asarray(piece.resize(size, PIL.Image.Resampling.BOX)) for piece in pieces], axis=2)
    rows, columns = photo.shape[:2]
    top, left = canvas.whole(0, rows - height), canvas.whole(0, columns - width)
    part = photo[top : top + height, left : left + width]
    below, beside = height - part.shape[0], width - part.shape[1]
    if below or beside:
        part = np.pad(part, ((0, below), (0, beside), (0, 0)), mode="symmetric")
    if canvas.happens(0.5):
        part = part[:, ::-1]
    return np.ascontiguousarray(part.clip(0, 1))


def scan(canvas: Canvas) -> PIL.Image.Image:
    """A photo in a border: white, black, grey or tinted, even or uneven, straight or turned, some with a caption."""
    side = canvas.side_px
    border = canvas.one_of((WHITE, WHITE, BLACK, canvas.ground(), canvas.any_colour((0.7, 0.99), (0, 0.06))))
    edges = [max(1, round(side * canvas.ratio(0.02, 0.25))) for _ in range(4)]
    if canvas.happens(0.4):
        edges = [edges[0]] * 4
    if canvas.happens(0.2):
        edges[canvas.whole(0, 3)] = 0
    left, top, right, bottom = edges
    factor = 2 if canvas.happens(0.3) and side > 16 else 1
    sheet = canvas.sheet(border, factor)
    if canvas.happens(0.3):
        frame = canvas.any_colour((0, 1), (0, 0.5))
        wide = canvas.whole(1, max(1, side // 40)) * factor
        box = (
            left * factor - wide,
            top * factor - wide,
            (side - right) * factor + wide,
            (side - bottom) * factor + wide,
        )
        sheet.pen.rectangle(box, frame)
    picture = finished(shown(canvas, max(1, side - top - bottom), max(1, side - left - right)))
    if factor > 1:
        picture = picture.resize((picture.width * factor, picture.height * factor), PIL.Image.Resampling.BICUBIC)
    sheet.image.paste(picture, (left * factor, top * factor))
    if canvas.happens(0.3):
        size = max(6, min(14, bottom - 4)) * factor
        write_line(
            sheet.pen, (left * factor, (side - bottom) * factor + factor), phrase(canvas, 3), size, canvas.ink(border)
        )
    return sheet.turned(canvas.real(-5, 5), border).reduced() if factor > 1 else sheet.reduced()


def letterbox(canvas: Canvas) -> PIL.Image.Image:
    """A film's frame: bars above and below, or at both sides, mostly black; some with a subtitle."""
    side = canvas.side_px
    bar = canvas.one_of((BLACK, BLACK, BLACK, WHITE, canvas.any_colour((0, 0.15))))
    wide = max(1, round(side * canvas.real(0.05, 0.3)))
    other = wide if canvas.happens(0.7) else canvas.whole(0, wide)
    across = canvas.happens(0.7)
    sheet = canvas.sheet(bar, 1)
    inner = max(1, side - wide - other)
    picture = shown(canvas, inner, side) if across else shown(canvas, side, inner)
    sheet.image.paste(finished(picture), (0, wide) if across else (wide, 0))
    if canvas.happens(0.3):
        size = max(6, min(18, side // 20))
        where = (side * canvas.real(0.05, 0.3), side - max(other, wide) + canvas.real(-2, 0.5) * size)
        sheet.pen.text(where, phrase(canvas, 4), fill=WHITE, font_size=size, stroke_width=1, stroke_fill=BLACK)
    return sheet.reduced()


def outline(canvas: Canvas, edge_px: float) -> Field:
    """The mask of one thing: an ellipse, a polygon, a blob or a bottle, its edge `edge_px` soft."""
    side, factor = canvas.side_px, 2
    mask = PIL.Image.new("L", (side * factor, side * factor))
    pen = ImageDraw.Draw(mask)
    sort, corners = canvas.whole(0, 3), canvas.whole(5, 12)
    middle, reach = canvas.rng.uniform(0.4, 0.6, 2) * side * factor, canvas.rng.uniform(0.22, 0.45, 2) * side * factor
    if sort == 0:
        pen.ellipse((*(middle - reach), *(middle + reach)), 255)
    elif sort == 1:
        pen.rounded_rectangle((*(middle - reach), *(middle + reach)), canvas.real(0, 0.5) * float(reach.min()), 255)
    else:
        count = corners if sort == 2 else 90
        turns = np.linspace(0, 2 * np.pi, count, endpoint=False)
        radius = canvas.rng.uniform(0.6, 1.1, count) if sort == 2 else np.full(count, 0.85)
        for wave in range(2, 6) if sort == 3 else ():
            radius += canvas.real(0, 0.3 / wave) * np.sin(wave * turns + canvas.real(0, 6))
        xs, ys = middle[0] + reach[0] * radius * np.cos(turns), middle[1] + reach[1] * radius * np.sin(turns)
        pen.polygon([(float(x), float(y)) for x, y in zip(xs, ys, strict=True)], 255)
    mask = mask.reduce(factor)
    if edge_px > 0.3:
        mask = softened(mask, edge_px)
    return np.asarray(mask, dtype=np.float32) / np.float32(255)


def product(canvas: Canvas) -> PIL.Image.Image:
    """A thing on pure white or pure black, with or without a shadow."""
    ground = canvas.one_of((WHITE, WHITE, WHITE, BLACK))
    mask = outline(canvas, canvas.real(0, 2))
    base = plain(ground, canvas.side_px)
    if ground == WHITE and canvas.happens(0.5):
        radius = canvas.side_px * canvas.real(0.01, 0.06)
        shadow = np.roll(opened(softened(finished(repeated(mask)), radius)), (round(radius),) * 2, (0, 1))
        base = base * (1 - np.float32(canvas.real(0.1, 0.5)) * shadow)
    return finished(mixed(base, shown(canvas, canvas.side_px, canvas.side_px), mask))


def cutout(canvas: Canvas) -> PIL.Image.Image:
    """One to three parts of the photo on a flat ground or a gradient, as a collage has them."""
    side, ground = canvas.side_px, canvas.one_of((canvas.ground(), canvas.any_colour()))
    picture = canvas.gradient(ground, canvas.any_colour()) if canvas.happens(0.25) else plain(ground, side)
    for _ in range(canvas.one_of((1, 1, 2, 3))):
        mask = outline(canvas, canvas.one_of((0.0, 0.0, 0.7, 1.5)))
        if canvas.happens(0.3):  # the white edge of a sticker
            wide = opened(softened(finished(repeated(mask)), 4))[..., 0]
            picture = mixed(picture, WHITE, smoothstep(wide, 0.01, 0.15))
        picture = mixed(picture, shown(canvas, side, side), mask)
    return finished(picture)


def highkey(canvas: Canvas) -> PIL.Image.Image:
    """A photo that is bright on purpose: its subject keeps its tones, all around fades to white."""
    photo = shown(canvas, canvas.side_px, canvas.side_px)
    lifted = 1 - (1 - photo) ** np.float32(canvas.real(1.2, 2.2))
    light: Colour = canvas.one_of((WHITE, canvas.any_colour((0.94, 1), (0, 0.05))))
    around = outline(canvas, canvas.side_px * canvas.real(0.03, 0.12))
    return finished(
        mixed(light, mixed(lifted, photo, around * np.float32(0.5)), around * np.float32(canvas.real(0.8, 1)))
    )


def lowkey(canvas: Canvas) -> PIL.Image.Image:
    """A photo that is dark on purpose: a light falls on its subject, the rest is black."""
    photo = shown(canvas, canvas.side_px, canvas.side_px)
    light = outline(canvas, canvas.side_px * canvas.real(0.03, 0.12))
    deep = photo ** np.float32(canvas.real(1.2, 2.0))
    rest = np.float32(canvas.one_of((0.0, 0.0, canvas.real(0, 0.08))))
    tint = unit(canvas.any_colour((0.9, 1), (0, 0.2)))
    lit = mixed(deep, photo, light) * np.maximum(light, rest)[..., None] * tint
    peak = float(np.quantile(lit, 0.995))
    return finished(lit * np.float32(min(2.0, canvas.real(0.75, 1.0) / max(peak, 0.05))))


def infrared(canvas: Canvas) -> PIL.Image.Image:
    """A photo with its channels mixed, as through an infrared filter: plants glow, skies darken."""
    photo = shown(canvas, canvas.side_px, canvas.side_px)
    red, green, blue = np.moveaxis(photo, 2, 0)
    grey = stretched(
        green * np.float32(canvas.real(1, 1.8)) - blue * np.float32(canvas.real(0.2, 0.8)) + red * np.float32(0.3)
    )
    grey = grey ** np.float32(canvas.ratio(0.6, 1.3))
    if canvas.happens(0.5):
        tint = canvas.any_colour((0.9, 1), (0, 0.5)) if canvas.happens(0.4) else WHITE
        return finished(grey[..., None] * unit(tint))
    return finished(np.stack([grey, (red + blue) / 2, green * 0.6 + blue * 0.4], axis=2).astype(np.float32))
