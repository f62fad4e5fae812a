"""Scenes of smooth fields: drawn things, snow, and what microscopes, thermal cameras and X-rays show."""

from __future__ import annotations

import numpy as np
import PIL.Image

from darnet.data.graphics.canvas import (
    BLACK,
    WHITE,
    Canvas,
    Colour,
    Field,
    Picture,
    finished,
    font,
    mixed,
    opened,
    plain,
    repeated,
    smoothstep,
    softened,
    stretched,
    unit,
)
from darnet.data.graphics.lettering import number

#: Colour maps, as colours at equal steps: iron, rainbow, ice, lava, grey.
MAPS: tuple[tuple[Colour, ...], ...] = (
    ((0, 0, 0), (60, 0, 110), (180, 20, 110), (250, 110, 10), (255, 210, 40), (255, 255, 240)),
    ((0, 0, 130), (0, 80, 255), (0, 230, 230), (120, 255, 120), (255, 220, 0), (255, 60, 0), (130, 0, 0)),
    ((0, 5, 30), (10, 60, 140), (70, 170, 220), (230, 250, 255)),
    ((0, 0, 4), (90, 15, 110), (190, 55, 85), (250, 140, 10), (252, 255, 165)),
    ((0, 0, 0), (255, 255, 255)),
    ((68, 1, 84), (59, 82, 139), (33, 145, 140), (94, 201, 98), (253, 231, 37)),
)


def thing(canvas: Canvas) -> PIL.Image.Image:
    """Things with shading on pure white or black: balls, turned bodies such as vases and bottles, boxes."""
    ground = canvas.one_of((WHITE, WHITE, WHITE, BLACK, canvas.any_colour((0.9, 0.99), (0, 0.02))))
    picture = plain(ground, canvas.side_px)
    for _ in range(canvas.one_of((1, 1, 2, 4))):
        picture = canvas.one_of((_ball, _vase, _vase, _box))(canvas, picture, ground)
    return finished(picture)


def _shadow(canvas: Canvas, picture: Picture, ground: Colour, place: tuple[float, float, float]) -> Picture:
    """A soft ellipse under a thing (row, column, half its width); none on black."""
    down, right = canvas.axes()
    row, column, half = place
    if ground == BLACK or canvas.happens(0.3):
        return picture
    away = np.hypot((down - row) / (0.22 * half), (right - column) / (1.25 * half))
    return picture * (1 - np.float32(canvas.real(0.1, 0.6)) * (1 - smoothstep(away, 0.2, 1.2)))[..., None]


def _ball(canvas: Canvas, picture: Picture, ground: Colour) -> Picture:
    down, right = canvas.axes()
    y, x, r = canvas.real(0.35, 0.65), canvas.real(0.25, 0.75), canvas.real(0.1, 0.3)
    u, v = (right - x) / r, (down - y) / r
    away = np.hypot(u, v)
    depth = np.sqrt(np.clip(1 - away**2, 0, 1))
    light = _direction(canvas)
    shade = np.clip(u * light[0] + v * light[1] + depth * light[2], 0, 1)
    colour = unit(canvas.any_colour((0.3, 0.95)))
    body = np.float32(canvas.real(0.1, 0.3)) + shade * np.float32(0.75)
    skin = body[..., None] * colour
    if canvas.happens(0.5):  # stripes or patches
        pattern = np.sin(v * canvas.real(5, 25)) if canvas.happens(0.5) else canvas.clouds(6) - 0.5
        skin = np.where((pattern > 0)[..., None], skin, body[..., None] * unit(canvas.any_colour((0.3, 0.95))))
    skin = skin + (shade ** np.float32(canvas.ratio(8, 60)))[..., None] * np.float32(canvas.real(0, 0.7))
    inside = 1 - smoothstep(away, 1 - 1.5 / (r * canvas.side_px), 1)
    return mixed(_shadow(canvas, picture, ground, (y + r, x, r)), skin.astype(np.float32), inside)


def _vase(canvas: Canvas, picture: Picture, ground: Colour) -> Picture:
    """A body of revolution: its half width is a smooth function of the row."""
    down, right = canvas.axes()
    x, top, bottom = canvas.real(0.3, 0.7), canvas.real(0.08, 0.35), canvas.real(0.65, 0.92)
    knots = canvas.rng.uniform(0.05, 0.26, canvas.whole(3, 7))
    part = ((down[:, 0] - top) / (bottom - top)).clip(0, 1)
    half = np.interp(part, np.linspace(0, 1, len(knots)), knots)
    smooth = np.ones(max(1, canvas.side_px // 16)) / max(1, canvas.side_px // 16)
    half = np.convolve(np.pad(half, len(smooth), mode="edge"), smooth, "same")[len(smooth) : -len(smooth), None]
    across = (right - x) / half.astype(np.float32)
    light = _direction(canvas)
    depth = np.sqrt(np.clip(1 - across**2, 0, 1))
    shade = np.clip(across * light[0] + depth * light[2], 0, 1)
    colour = unit(canvas.any_colour((0.25, 0.95)))
    skin = (np.float32(0.2) + 0.7 * shade)[..., None] * colour
    for _ in range(canvas.whole(0, 4)):
        start = canvas.real(0, 0.9)
        band = (part > start) & (part < start + canvas.real(0.02, 0.3))
        other = (np.float32(0.2) + 0.7 * shade)[..., None] * unit(canvas.any_colour((0.25, 0.95)))
        skin = np.where(band[:, None, None], other, skin)
    skin = skin + (shade ** np.float32(canvas.ratio(10, 80)))[..., None] * np.float32(canvas.real(0, 0.8))
    step = 1.0 / canvas.side_px
    inside = smoothstep(half - np.abs(right - x), -step / 2, step / 2) * smoothstep(down - top, 0, step)
    inside = inside * (1 - smoothstep(down - bottom, 0, step))
    place = (bottom, x, float(half[-1, 0]))
    return mixed(_shadow(canvas, picture, ground, place), skin.astype(np.float32), inside.astype(np.float32))


def _box(canvas: Canvas, picture: Picture, ground: Colour) -> Picture:
    sheet = canvas.sheet(picture, 2)
    side, colour = sheet.side, canvas.any_colour((0.4, 0.95))
    x, y = canvas.real(0.3, 0.7) * side, canvas.real(0.4, 0.7) * side
    w, d, h = (canvas.real(0.1, 0.22) * side for _ in range(3))
    faces = (
        (0.95, [(x, y - h), (x + w, y - h - w / 2), (x + w - d, y - h - w / 2 - d / 2), (x - d, y - h - d / 2)]),
        (0.75, [(x, y), (x + w, y - w / 2), (x + w, y - h - w / 2), (x, y - h)]),
        (0.5, [(x, y), (x - d, y - d / 2), (x - d, y - h - d / 2), (x, y - h)]),
    )
    for bright, corners in faces:
        sheet.pen.polygon(corners, (int(colour[0] * bright), int(colour[1] * bright), int(colour[2] * bright)))
    return opened(sheet.reduced())


def _direction(canvas: Canvas) -> tuple[float, float, float]:
    """Where light comes from: a unit vector (right, down, to the viewer)."""
    turn, height = canvas.real(0, 2 * np.pi), canvas.real(0.4, 0.9)
    flat = float(np.sqrt(1 - height**2))
    return flat * float(np.cos(turn)), flat * float(np.sin(turn)), height


def snow(canvas: Canvas) -> PIL.Image.Image:
    """Snow and fog by day: bright, with little contrast, few dark things; hardly anything reaches white."""
    down, _ = canvas.axes()
    side = canvas.side_px
    shade = canvas.any_colour((0.75, 0.95), (0, 0.12))
    picture = mixed(canvas.any_colour((0.8, 1), (0, 0.2)), canvas.any_colour((0.9, 1), (0, 0.06)), down)
    for layer in range(canvas.whole(2, 6)):
        ridge = 0.25 + 0.15 * layer + 0.25 * canvas.clouds(canvas.real(2, 5), 4)[layer % side]
        slope = stretched(canvas.clouds(canvas.real(2, 8), 5) + down * np.float32(canvas.real(0, 2)))
        lit = canvas.any_colour((0.93, 1), (0, 0.04))
        hill = mixed(shade, lit, slope ** np.float32(canvas.ratio(0.4, 1.5)))
        picture = mixed(picture, hill, smoothstep(down - ridge[None, :], 0, 2.0 / side))
    sheet = canvas.sheet(picture, 2)
    for _ in range(canvas.one_of((0, 2, 5, 15))):  # bare trees, posts
        x, y = canvas.real(0, 1) * sheet.side, canvas.real(0.4, 0.95) * sheet.side
        tall, ink = canvas.real(0.05, 0.3) * sheet.side, canvas.any_colour((0.2, 0.6), (0, 0.3))
        sheet.pen.line((x, y, x, y - tall), ink, max(1, round(tall / 25)))
        for part in canvas.rng.uniform(0.3, 0.95, canvas.whole(0, 9)):
            reach = tall * (1 - part) * canvas.one_of((-0.6, 0.6))
            start = y - tall * part
            sheet.pen.line((x, start, x + reach, start - abs(reach) * 0.7), ink, max(1, sheet.factor // 2))
    return sheet.reduced()


def microscopy(canvas: Canvas) -> PIL.Image.Image:
    """Cells, grains or fibres: stained on a bright ground, glowing on black, or in grey relief."""
    side = canvas.side_px
    down, right = canvas.axes()
    count = canvas.whole(4, 40)
    cells, nuclei = np.zeros((side, side), np.float32), np.zeros((side, side), np.float32)
    size = canvas.ratio(0.03, 0.16)
    for _ in range(count):
        y, x, turn = canvas.real(0, 1), canvas.real(0, 1), canvas.real(0, np.pi)
        a, b = size * canvas.real(0.7, 1.3), size * canvas.real(0.5, 1.2)
        rows, columns = (slice(max(0, int((m - 2.2 * size) * side)), int((m + 2.2 * size) * side) + 1) for m in (y, x))
        dy, dx = down[rows, columns] - y, right[rows, columns] - x
        away = np.hypot((dx * np.cos(turn) + dy * np.sin(turn)) / a, (dy * np.cos(turn) - dx * np.sin(turn)) / b)
        away = away.astype(np.float32)
        cells[rows, columns] = np.maximum(cells[rows, columns], 1 - smoothstep(away, 0.85, 1.0))
        share = canvas.real(0.3, 0.55)
        nuclei[rows, columns] = np.maximum(nuclei[rows, columns], 1 - smoothstep(away, share * 0.8, share))
    texture = 0.7 + 0.3 * canvas.clouds(canvas.real(8, 30), 3)
    sort = canvas.whole(0, 2)
    if sort == 0:  # stained
        ground = canvas.one_of((WHITE, canvas.any_colour((0.85, 1), (0, 0.1))))
        body, core = (
            canvas.hue(canvas.real(0.8, 0.98), (0.15, 0.5), (0.7, 0.95)),
            canvas.hue(0.75, (0.4, 0.8), (0.3, 0.6)),
        )
        picture = mixed(mixed(ground, body, cells * texture), core, nuclei * texture)
    elif sort == 1:  # fluorescence
        first, second = (unit(canvas.any_colour((0.5, 1), (0.7, 1))) for _ in range(2))
        picture = (cells * texture**2)[..., None] * first * np.float32(0.6) + (nuclei * texture)[..., None] * second
    else:  # relief
        height = opened(softened(finished(repeated(cells * 0.6 + nuclei * 0.4)), side * 0.008))[..., 0] * texture
        slope = np.gradient(height, axis=0) + np.gradient(height, axis=1)
        grey = canvas.real(0.35, 0.7) + slope * np.float32(canvas.real(1.5, 4))
        picture = repeated(grey)
    return finished(picture.astype(np.float32))


def thermal(canvas: Canvas) -> PIL.Image.Image:
    """Temperatures through a colour map: warm bodies before a cool ground; some with a scale and a reading."""
    down, right = canvas.axes()
    heat = canvas.clouds(canvas.real(2, 5), 3) * np.float32(canvas.real(0.1, 0.5))
    for _ in range(canvas.whole(1, 5)):
        y, x, tall, wide = canvas.real(0.2, 0.9), canvas.real(0.1, 0.9), canvas.real(0.1, 0.4), canvas.real(0.05, 0.2)
        if canvas.happens(0.6):  # a figure: head and trunk
            away = np.minimum(
                np.hypot((down - y) / tall, (right - x) / wide),
                np.hypot((down - y + tall * 1.1) / (wide * 0.7), (right - x) / (wide * 0.6)),
            )
        else:  # a wall with a window
            away = np.maximum(np.abs(down - y) / tall, np.abs(right - x) / wide)
        edge = canvas.real(0.02, 0.25)
        warm = canvas.real(0.3, 0.9) + 0.1 * canvas.field(5)
        heat += (1 - smoothstep(away, 1 - edge, 1)) * (warm - heat)
    chosen = canvas.one_of(MAPS)
    values = stretched(heat.astype(np.float32)) * np.float32(0.98)
    image = finished(coloured(1 - values if canvas.happens(0.15) else values, chosen))
    sheet = canvas.sheet(BLACK, 1)
    sheet.image.paste(image)
    if canvas.happens(0.4):
        side, size = canvas.side_px, 12
        bar = coloured(np.linspace(1, 0, max(2, side // 2), dtype=np.float32)[:, None].repeat(10, axis=1), chosen)
        sheet.image.paste(finished(bar), (max(0, side - 18), side // 4))
        sheet.pen.text((4, 4), f"{number(canvas)} C", fill=WHITE, font=font(size))
        sheet.pen.line((side // 2 - 6, side // 2, side // 2 + 6, side // 2), WHITE, 1)
        sheet.pen.line((side // 2, side // 2 - 6, side // 2, side // 2 + 6), WHITE, 1)
    return sheet.reduced()


def coloured(values: Field, colours: tuple[Colour, ...]) -> Picture:
    """Values in [0, 1] through a colour map whose colours lie at equal steps."""
    table = np.stack([unit(colour) for colour in colours])
    steps = np.linspace(0, 1, len(colours))
    return np.stack([np.interp(values, steps, table[:, channel]) for channel in range(3)], axis=2).astype(np.float32)


def xray(canvas: Canvas) -> PIL.Image.Image:
    """Bones, soft tissue and metal in grey on black, or the other way round."""
    side = canvas.side_px
    down, right = canvas.axes()
    body = 1 - smoothstep(np.hypot((right - 0.5) / canvas.real(0.3, 0.6), (down - 0.5) / canvas.real(0.4, 0.9)), 0.6, 1)
    dense = body * np.float32(canvas.real(0.2, 0.5)) * (0.7 + 0.3 * canvas.clouds(4, 3))
    sheet = canvas.sheet(BLACK, 1)
    if canvas.happens(0.5):  # a rib cage
        sheet.pen.line((side / 2, 0, side / 2, side), (150, 150, 150), max(2, side // 14))
        for row in np.arange(0.1, 0.9, canvas.real(0.08, 0.14)):
            for way in (0.15, 0.5):
                box = (side * way, side * row, side * (way + 0.35), side * (row + 0.3))
                sheet.pen.arc(
                    box, 180 if way < 0.3 else 250, 290 if way < 0.3 else 360, (110, 110, 110), max(2, side // 45)
                )
    else:  # long bones
        for _ in range(canvas.whole(2, 7)):
            ends = [tuple(float(v) for v in canvas.rng.random(2) * side) for _ in range(2)]
            width = max(2, round(canvas.real(0.02, 0.07) * side))
            sheet.pen.line((*ends[0], *ends[1]), (140, 140, 140), width)
            for x, y in ends:
                sheet.pen.ellipse((x - width, y - width * 0.8, x + width, y + width * 0.8), (160, 160, 160))
    bones = opened(softened(sheet.image, max(0.8, side / 200)))[..., 0]
    hollow = opened(softened(sheet.image, max(1.0, side / 40)))[..., 0]
    dense = dense + np.clip(bones * 1.1 - hollow * 0.35, 0, 1) * (0.8 + 0.2 * canvas.clouds(10, 3))
    if canvas.happens(0.2):
        x, y, r = canvas.real(0.2, 0.8), canvas.real(0.2, 0.8), canvas.real(0.02, 0.06)
        dense = np.maximum(dense, (np.hypot(down - y, right - x) < r) * np.float32(1))
    grey = stretched(dense.astype(np.float32)) * np.float32(canvas.real(0.8, 1))
    grey = 1 - grey if canvas.happens(0.2) else grey
    return finished(repeated(grey))
