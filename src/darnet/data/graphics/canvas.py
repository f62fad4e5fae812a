"""What every made picture begins with: its size, its chance, its colours, smooth fields and a sheet to draw on.

ImageDraw draws without anti-aliasing, so a sheet may be drawn two or three times as large and then be reduced; one
drawn at its own size keeps hard edges.
"""

from __future__ import annotations

import colorsys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TypeVar

import numpy as np
import PIL.Image
from jaxtyping import Float, Float32
from numpy.random import Generator
from PIL import ImageDraw, ImageFilter, ImageFont

Colour = tuple[int, int, int]
Field = Float[np.ndarray, "_H _W"]
Picture = Float[np.ndarray, "_H _W 3"]  # in [0, 1]
Font = ImageFont.FreeTypeFont | ImageFont.ImageFont

WHITE: Colour = (255, 255, 255)
BLACK: Colour = (0, 0, 0)
_Item = TypeVar("_Item")


@dataclass(frozen=True)
class Canvas:
    """One picture to be made: its side, where its chance comes from, and the photo it may show (H, W, 3 in [0, 1])."""

    side_px: int
    rng: Generator
    photo: Picture | None = None

    def real(self, low: float, high: float) -> float:
        """A number from `low` to `high`, each as likely."""
        return float(self.rng.uniform(low, high))

    def ratio(self, low: float, high: float) -> float:
        """A number from `low` to `high`, each power of ten as likely."""
        return float(low * (high / low) ** self.rng.random())

    def whole(self, low: int, high: int) -> int:
        """A whole number from `low` to `high`, both included; `low` where `high` lies under it."""
        return int(self.rng.integers(low, max(low, high) + 1))

    def happens(self, share: float) -> bool:
        """True in that share of cases."""
        return bool(self.rng.random() < share)

    def one_of(self, items: Sequence[_Item]) -> _Item:
        """One of the items, each as likely."""
        return items[int(self.rng.integers(len(items)))]

    def hue(self, hue: float, saturation: tuple[float, float], value: tuple[float, float]) -> Colour:
        """A colour of that hue (a number; whole turns do not count) with saturation and value from their ranges."""
        parts = colorsys.hsv_to_rgb(hue % 1.0, self.real(*saturation), self.real(*value))
        return (round(255 * parts[0]), round(255 * parts[1]), round(255 * parts[2]))

    def any_colour(self, value: tuple[float, float] = (0.3, 1.0), saturation: tuple[float, float] = (0, 1)) -> Colour:
        """A colour of any hue."""
        return self.hue(self.rng.random(), saturation, value)

    def palette(self, count: int) -> list[Colour]:
        """Colours that go together: hues apart by one step, all of about the same saturation and value."""
        start, step = self.rng.random(), self.one_of((0.618, 0.5 + self.real(-0.1, 0.1), self.real(0.03, 0.12)))
        saturation, value = self.real(0.2, 1), self.real(0.5, 1)
        spread = (max(0.0, saturation - 0.25), saturation), (max(0.25, value - 0.3), value)
        return [self.hue(start + step * number, *spread) for number in range(count)]

    def ground(self, dark: float = 0.2) -> Colour:
        """What is drawn on: often exact white, else off-white, grey, a tint, or (in a share `dark`) dark or black."""
        if self.happens(dark):
            return self.one_of((BLACK, BLACK, self.any_colour((0.02, 0.25)), self.any_colour((0.02, 0.25), (0, 0.1))))
        sort = self.rng.random()
        if sort < 0.5:
            return WHITE
        if sort < 0.7:
            return self.any_colour((0.902, 0.996), (0, 0.03))
        if sort < 0.85:
            return self.any_colour((0.9, 1.0), (0.03, 0.2))
        return self.any_colour((0.45, 0.9), (0, 0.1))

    def ink(self, ground: Colour, coloured: float = 0.25) -> Colour:
        """What is legible on a ground: black or white, nearly so, or (in a share `coloured`) a colour."""
        light = luma(ground) < 128
        if self.happens(coloured):
            return self.any_colour((0.85, 1.0), (0, 0.4)) if light else self.any_colour((0.1, 0.6), (0.5, 1))
        if self.happens(0.5):
            return WHITE if light else BLACK
        return self.any_colour((0.75, 0.95), (0, 0.1)) if light else self.any_colour((0.05, 0.3), (0, 0.2))

    def field(self, cells: float, side_px: int | None = None) -> Field:
        """A smooth field in [0, 1] with about `cells` hills a side."""
        side = side_px or self.side_px
        count = max(2, min(round(cells) + 1, side))
        coarse = PIL.Image.fromarray(self.rng.random((count, count), dtype=np.float32))
        smooth = np.asarray(coarse.resize((side, side), PIL.Image.Resampling.BICUBIC))
        return stretched(smooth)

    def clouds(self, cells: float, octaves: int = 4, side_px: int | None = None) -> Field:
        """A field in [0, 1] with detail of several sizes, each half as wide and half as strong."""
        side = side_px or self.side_px
        total = self.field(cells, side)
        for octave in range(1, octaves):
            if cells * 2**octave > side / 4:  # hills under four pixels would look like noise
                break
            total = total + self.field(cells * 2**octave, side) * np.float32(0.5**octave)
        return stretched(total)

    def axes(self) -> tuple[Field, Field]:
        """(down, right): where each pixel lies, from 0 to 1."""
        steps = (np.arange(self.side_px, dtype=np.float32) + 0.5) / np.float32(self.side_px)
        down, right = np.meshgrid(steps, steps, indexing="ij")
        return np.ascontiguousarray(down), np.ascontiguousarray(right)

    def gradient(self, first: Colour, last: Colour, angle: float | None = None) -> Picture:
        """A picture that goes from one colour to another, in some direction (radians; 0 goes down)."""
        down, right = self.axes()
        turn = self.real(0, 2 * np.pi) if angle is None else angle
        along = stretched(down * np.float32(np.cos(turn)) + right * np.float32(np.sin(turn)))
        return mixed(first, last, along)

    def sheet(self, ground: Colour | Picture, factor: int | None = None) -> Sheet:
        """An empty sheet; drawn once, twice or three times as large."""
        factor = factor or self.one_of((1, 2, 2, 3))
        side = self.side_px * factor
        if isinstance(ground, tuple):
            image = PIL.Image.new("RGB", (side, side), ground)
        else:
            image = finished(ground).resize((side, side), PIL.Image.Resampling.BILINEAR)
        return Sheet(image, ImageDraw.Draw(image), factor, self.side_px)


@dataclass(frozen=True)
class Sheet:
    """A picture being drawn, `factor` times as large as it will be."""

    image: PIL.Image.Image
    pen: ImageDraw.ImageDraw
    factor: int
    side_px: int

    @property
    def side(self) -> int:
        """Its side while it is drawn."""
        return self.side_px * self.factor

    def reduced(self) -> PIL.Image.Image:
        """The picture at its own size; the mean of what each pixel covers."""
        return self.image.reduce(self.factor) if self.factor > 1 else self.image

    def turned(self, degrees: float, ground: Colour, stretch: float = 1.0) -> Sheet:
        """Turned about its middle and made `stretch` times as wide; what comes into view has the ground's colour."""
        turn, middle = np.deg2rad(degrees), self.side / 2
        across, along = np.cos(turn), np.sin(turn)
        matrix = (across / stretch, along / stretch, 0.0, -along, across, 0.0)
        shifts = [middle - row[0] * middle - row[1] * middle for row in (matrix[:2], matrix[3:5])]
        matrix = (*matrix[:2], shifts[0], *matrix[3:5], shifts[1])
        affine, bicubic = PIL.Image.Transform.AFFINE, PIL.Image.Resampling.BICUBIC
        image = self.image.transform(self.image.size, affine, matrix, bicubic, fillcolor=ground)
        return Sheet(image, ImageDraw.Draw(image), self.factor, self.side_px)


@lru_cache(maxsize=128)
def font(size_px: int) -> Font:
    """Pillow's own font, which needs no file."""
    return ImageFont.load_default(max(4, size_px))


def luma(colour: Colour) -> float:
    """BT.601, from 0 to 255."""
    return 0.299 * colour[0] + 0.587 * colour[1] + 0.114 * colour[2]


def between(first: Colour, last: Colour, share: float) -> Colour:
    """The colour that lies that share of the way from the first to the last."""
    red, green, blue = (round(a + (b - a) * share) for a, b in zip(first, last, strict=True))
    return (red, green, blue)


def unit(colour: Colour) -> Float32[np.ndarray, " _C"]:
    """A colour in [0, 1]."""
    return np.array(colour, dtype=np.float32) / np.float32(255)


def stretched(field: Field) -> Field:
    """A field moved to the range [0, 1]; zero where it is constant."""
    low, high = field.min(), field.max()
    moved: Field = (field - low) / np.maximum(high - low, np.float32(1e-6))
    return moved


def plain(colour: Colour, side_px: int) -> Picture:
    """A picture of one colour."""
    return np.full((side_px, side_px, 3), unit(colour), dtype=np.float32)


def repeated(field: Field) -> Picture:
    """A field as a grey picture."""
    return np.repeat(field[..., None], 3, axis=2)


def mixed(first: Colour | Picture, last: Colour | Picture, share: Field) -> Picture:
    """The first where `share` is 0, the last where it is 1; colours stand for pictures of one colour."""
    low, high = (unit(side) if isinstance(side, tuple) else side for side in (first, last))
    blend: Picture = low + (high - low) * share[..., None]
    return blend


def smoothstep(value: Field, low: float, high: float) -> Field:
    """0 under `low`, 1 over `high`, and a smooth way between them."""
    part = np.clip((value - np.float32(low)) / np.float32(high - low), 0, 1)
    smooth: Field = part * part * (3 - 2 * part)
    return smooth


def finished(picture: Picture) -> PIL.Image.Image:
    """A picture rounded to 8 bits."""
    return PIL.Image.fromarray((picture.clip(0, 1) * 255 + np.float32(0.5)).astype(np.uint8))


def opened(image: PIL.Image.Image) -> Picture:
    """A picture of 8 bits as numbers."""
    return np.asarray(image.convert("RGB"), dtype=np.float32) / np.float32(255)


def enlarged(picture: Picture, side_px: int) -> Picture:
    """A picture made `side_px` large; for what is not shown itself, as tones that are printed."""
    if len(picture) == side_px:
        return picture
    return opened(finished(picture).resize((side_px, side_px), PIL.Image.Resampling.BICUBIC))


def softened(image: PIL.Image.Image, radius_px: float) -> PIL.Image.Image:
    """A picture blurred by a Gaussian."""
    return image.filter(ImageFilter.GaussianBlur(radius_px))
