"""Make docs/strip.png, the README's first picture: damaged | diagnosis | restored, from the shipped weights.

    python scripts/strip.py

The text is set in DejaVu Sans, which must be installed: Pillow's own font has no σ.
"""

from __future__ import annotations

from pathlib import Path

import PIL.Image
from PIL import ImageDraw, ImageFont

import darnet

EXAMPLES = ("cat-noisy.jpg", "coffee-shaken.png", "astronaut-dark.jpg", "rocket-hazy.jpg", "cat-rainy.jpg")
SIDE, TEXT_WIDTH, GAP = 260, 200, 8


def row(restorer: darnet.Restorer, name: str) -> PIL.Image.Image:
    """One example, cut to a square at native resolution around its middle."""
    result = restorer(Path("examples") / name)  # as `darnet restore` reads it: another decoder, another percentage
    damaged, restored = (PIL.Image.fromarray(image.array) for image in (result.source, result.image))
    left, top = (damaged.width - SIDE) // 2, (damaged.height - SIDE) // 3
    box = (left, top, left + SIDE, top + SIDE)
    strip = PIL.Image.new("RGB", (2 * SIDE + TEXT_WIDTH, SIDE), "white")
    strip.paste(damaged.crop(box), (0, 0))
    strip.paste(restored.crop(box), (SIDE + TEXT_WIDTH, 0))
    write(strip, result)
    return strip


def write(strip: PIL.Image.Image, result: darnet.Result[darnet.Image]) -> None:
    """The verdict and an arrow, between the pictures."""
    assert result.diagnosis is not None
    draw, middle = ImageDraw.Draw(strip), SIDE + TEXT_WIDTH // 2
    kind, _, severity = result.diagnosis.describe(result.diagnosis.label).partition(" (")
    lines = [kind, severity.removesuffix(")"), "↓", f"{', '.join(result.experts) or 'no'} expert"]
    for index, text in enumerate(lines):
        font = ImageFont.truetype("DejaVuSans.ttf", 18 if index == 0 else 15)
        if text == "↓":
            draw.line((middle - 60, SIDE // 2 + 20, middle + 60, SIDE // 2 + 20), fill="black", width=2)
            draw.polygon(
                [(middle + 60, SIDE // 2 + 14), (middle + 72, SIDE // 2 + 20), (middle + 60, SIDE // 2 + 26)],
                fill="black",
            )
            continue
        draw.text((middle, SIDE // 2 - 50 + 30 * index), text, fill="black", anchor="mm", font=font)


def main() -> None:
    """Stack the rows."""
    restorer = darnet.load()
    rows = [row(restorer, name) for name in EXAMPLES]
    height = len(rows) * SIDE + (len(rows) - 1) * GAP
    page = PIL.Image.new("RGB", (rows[0].width, height), "white")
    for index, strip in enumerate(rows):
        page.paste(strip, (0, index * (SIDE + GAP)))
    page.save("docs/strip.png", optimize=True)


if __name__ == "__main__":
    main()
