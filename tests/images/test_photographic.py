"""darnet.images.photographic: graphics are objected to, photos are not, whatever happened to them."""

from __future__ import annotations

import io

import numpy as np
import PIL.Image
import PIL.ImageDraw
import pytest

from darnet.images.photographic import ALL, OF_PHOTOS, TONES, objection

SIDE = 192


def photo(seed: int = 0) -> np.ndarray:
    """Light and dark surfaces, a little texture; floats in [0, 1], (H, W, 3)."""
    generator = np.random.default_rng(seed)
    values = np.zeros((SIDE, SIDE, 3))
    for cells in (3, 8, 24):
        coarse = PIL.Image.fromarray(generator.integers(0, 256, (cells, cells, 3), np.uint8))
        values += np.asarray(coarse.resize((SIDE, SIDE), PIL.Image.Resampling.BICUBIC)) / 255 * 3 / cells
    values = values / values.max() + generator.normal(0, 0.006, values.shape)
    return values.clip(0, 1)


def as_bytes(values: np.ndarray) -> np.ndarray:
    return (values.clip(0, 1) * 255).round().astype(np.uint8)


def stored(values: np.ndarray, quality: int) -> np.ndarray:
    file = io.BytesIO()
    PIL.Image.fromarray(values).save(file, "JPEG", quality=quality)
    return np.asarray(PIL.Image.open(file))


def noisy(values: np.ndarray, sigma_255: float, seed: int = 0) -> np.ndarray:
    return values + np.random.default_rng(seed).normal(0, sigma_255 / 255, values.shape)


PHOTOS = {
    "clean": as_bytes,
    "gain": lambda photo: as_bytes(photo * 1.7),
    "gain, stored": lambda photo: stored(as_bytes(photo * 1.7), 85),
    "dark": lambda photo: as_bytes(photo * 0.2),
    "night, with black": lambda photo: as_bytes(noisy(photo * 0.3 - 0.1, 3)),
    "haze": lambda photo: as_bytes(photo * 0.4 + 0.5),
    "noise": lambda photo: as_bytes(noisy(photo, 50)),
    "noise of a grey photo": lambda photo: as_bytes(noisy(photo.mean(axis=2, keepdims=True), 50)),
    "grey, gain": lambda photo: as_bytes(photo.mean(axis=2, keepdims=True) * 1.7),
    "stored": lambda photo: stored(as_bytes(photo), 75),
    "16 bits": lambda photo: (photo * 65535).round().astype(np.uint16),
    "floats": lambda photo: photo.astype(np.float32),
}


@pytest.mark.parametrize("damage", PHOTOS)
@pytest.mark.parametrize("seed", range(3))
def test_nothing_speaks_against_a_photo(damage: str, seed: int) -> None:
    assert objection(PHOTOS[damage](photo(seed))) is None


def drawn(background: tuple[int, ...], colours: list[tuple[int, ...]], *, filled: bool) -> np.ndarray:
    """Smooth shapes on a plain ground."""
    scale = 3
    picture = PIL.Image.new("RGB", (SIDE * scale, SIDE * scale), background)
    draw = PIL.ImageDraw.Draw(picture)
    generator = np.random.default_rng(0)
    for number in range(12):
        x, y = generator.integers(0, SIDE * scale, 2)
        size, colour = int(generator.integers(30, 200)), colours[number % len(colours)]
        box = (x - size, y - size, x + size, y + size)
        draw.ellipse(box, fill=colour if filled else None, outline=colour, width=6)
    return np.asarray(picture.resize((SIDE, SIDE), PIL.Image.Resampling.LANCZOS))


def text() -> np.ndarray:
    """Lines of strokes, with soft edges."""
    picture = PIL.Image.new("L", (SIDE * 2, SIDE * 2), 255)
    draw, generator = PIL.ImageDraw.Draw(picture), np.random.default_rng(0)
    for line in range(10, SIDE * 2 - 24, 30):
        for place in range(12, SIDE * 2 - 24, 12):
            ends = generator.integers(0, 12, 4)
            draw.line((place + ends[0], line + ends[1], place + ends[2], line + ends[3]), fill=0, width=3)
    return np.asarray(picture.resize((SIDE, SIDE), PIL.Image.Resampling.BICUBIC).convert("RGB"))


def product() -> np.ndarray:
    """A photo, cut out on white, with a soft edge."""
    mask = PIL.Image.new("L", (SIDE, SIDE))
    PIL.ImageDraw.Draw(mask).ellipse((40, 50, 150, 140), fill=255)
    soft = np.asarray(mask.resize((SIDE // 2, SIDE // 2)).resize((SIDE, SIDE), PIL.Image.Resampling.BICUBIC)) / 255
    return as_bytes(photo() * soft[..., None] + 1 - soft[..., None])


RED, BLUE, INK, WHITE = (200, 40, 40), (30, 60, 190), (20, 20, 20), (255, 255, 255)
GRAPHICS = {
    "line art": lambda: drawn(WHITE, [INK], filled=False),
    "line art, stored": lambda: stored(drawn(WHITE, [INK], filled=False), 85),
    "text, stored": lambda: stored(text(), 70),
    "chart": lambda: drawn(WHITE, [RED, BLUE], filled=True),
    "drawing": lambda: drawn((250, 215, 10), [RED, BLUE, INK], filled=True),
    "drawing, stored": lambda: stored(drawn((250, 215, 10), [RED, BLUE, INK], filled=True), 80),
    "dark screen": lambda: drawn((24, 26, 30), [(220, 220, 220), BLUE], filled=False),
    "black screen": lambda: drawn((0, 0, 0), [WHITE], filled=False),
    "product": product,
    "product, stored": lambda: stored(product(), 85),
    "contrast": lambda: as_bytes((photo().mean(axis=2, keepdims=True) - photo().mean()) * 6 + 0.45),
    "12 bits in 16": lambda: (photo() * 4095).round().astype(np.uint16),
}


@pytest.mark.parametrize("name", GRAPHICS)
def test_a_graphic_is_no_tone_problem(name: str) -> None:
    found = objection(GRAPHICS[name]())
    assert found is not None
    assert found.concerns >= TONES


def test_a_drawing_is_repaired_as_a_jpeg_file_alone() -> None:
    found = objection(GRAPHICS["drawing, stored"]())
    assert found is not None
    assert (found.reason, found.concerns) == ("a graphic, not a photo", OF_PHOTOS)
    assert ALL - found.concerns == {"file"}


def halftone() -> np.ndarray:
    rows, columns = np.mgrid[:SIDE, :SIDE]
    screen = (np.cos(rows * 1.2) + np.cos(columns * 1.2)) / 4 + 0.5
    return ((photo().mean(axis=2) > screen) * 255).astype(np.uint8)[..., None]


def checkers() -> np.ndarray:
    return ((np.indices((SIDE, SIDE)) // 8).sum(axis=0) % 2 * 255).astype(np.uint8)[..., None]


def pixel_art() -> np.ndarray:
    generator = np.random.default_rng(0)
    cells = generator.integers(0, 256, (9, 3), np.uint8)[generator.integers(0, 9, (24, 24))]
    return np.kron(cells, np.ones((8, 8, 1), np.uint8))


def salted(share: float) -> np.ndarray:
    picture, chance = as_bytes(photo()).copy(), np.random.default_rng(0).random((SIDE, SIDE))
    picture[chance < share / 2], picture[chance > 1 - share / 2] = 0, 255
    return picture


@pytest.mark.parametrize(
    ("picture", "reason"),
    [
        (halftone(), "two colours"),
        (checkers(), "two colours"),
        (np.repeat(checkers(), 3, axis=2), "two colours"),
        (pixel_art(), "few colours"),
        (salted(0.02), "salt and pepper"),
        (salted(0.1), "salt and pepper"),
        (salted(0.05).astype(np.uint16) * 257, "salt and pepper"),
    ],
)
def test_nothing_at_all_is_done_to(picture: np.ndarray, reason: str) -> None:
    found = objection(picture)
    assert found is not None
    assert reason in found.reason
    assert found.concerns == ALL


def test_pixels_that_are_not_seen_do_not_count() -> None:
    picture = as_bytes(photo())
    seen = np.ones((SIDE, SIDE), bool)
    seen[:150] = False
    picture[:150] = 255
    assert objection(picture) is not None
    assert objection(picture, seen) is None
    assert objection(picture, np.zeros((SIDE, SIDE), bool)) is None


def test_a_large_picture_is_judged_by_windows() -> None:
    """12 megapixels take less than a second."""
    large = np.tile(as_bytes(photo()), (16, 21, 1))
    assert objection(large) is None
    large[:] = np.where(large > 128, 200, 40)
    assert objection(large) is not None
