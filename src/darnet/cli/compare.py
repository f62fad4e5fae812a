"""`darnet compare`: before | after | difference, as one picture."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeAlias

import typer

from darnet.cli import options as o
from darnet.cli.session import Session
from darnet.errors import UsageError

if TYPE_CHECKING:
    from torch import Tensor

    from darnet.images.image import Image

SEPARATOR_PX = 4

Before: TypeAlias = Annotated[Path, typer.Argument(metavar="BEFORE", help="A picture.", show_default=False)]
After: TypeAlias = Annotated[
    Path, typer.Argument(metavar="AFTER", help="What became of it, of the same size.", show_default=False)
]
Sheet: TypeAlias = Annotated[
    Path | None, typer.Option("--output", "-o", metavar="FILE", help="Default: AFTER.compare.png beside AFTER.")
]
Gain: TypeAlias = Annotated[float, typer.Option("--gain", help="How much the difference is amplified.")]


def compare(
    before: Before, after: After, output: Sheet = None, gain: Gain = 4.0, overwrite: o.Overwrite = False
) -> int:
    """Put before, after and their difference side by side. Prints the PSNR; the difference is amplified."""
    output = output or after.with_name(f"{after.stem}.compare.png")
    if not (math.isfinite(gain) and gain > 0):
        raise UsageError(f"--gain {gain:g}: expected a number above 0")
    if output.suffix.lower() != ".png":
        raise UsageError(f"--output {output}: expected a .png file")
    from darnet.images.image import Image
    from darnet.images.metrics import psnr
    from darnet.jobs.paths import check_free, is_same_file, make_folder

    if is_same_file(output, [before, after]):
        raise UsageError(f"{output}: the output would be an input; originals are never touched")
    check_free(output, overwrite=overwrite)
    session = Session()
    pictures: list[Image] = []
    pixels: list[Tensor] = []
    for path in (before, after):
        with session.listening(str(path), path):
            pictures.append(Image.read(path))
    if (pictures[0].width, pictures[0].height) != (pictures[1].width, pictures[1].height):
        sizes = [f"{picture.width} x {picture.height}" for picture in pictures]
        raise UsageError(f"{before} is {sizes[0]} and {after} is {sizes[1]}: sizes must match")
    profiles = {picture.profile for picture in pictures}
    shared = profiles.pop() if len(profiles) == 1 else None
    # Numbers of one profile are compared as they are, and the sheet has it; those of two are made sRGB.
    for path, picture in zip((before, after), pictures, strict=True):
        with session.listening(str(path), path):
            pixels.append((replace(picture, profile=None) if shared else picture).pixels())
    make_folder(output)
    with session.listening(str(output), output):
        replace(_sheet(pixels, gain, shared), path=output).write(output)
    decibels = float(psnr(pixels[1][None], pixels[0][None]))
    verdict = f"PSNR {decibels:.2f} dB" if math.isfinite(decibels) else "the same pixels"
    session.say(f"{before} | {after}  {verdict} -> {output}")
    return 0


def _sheet(pixels: list[Tensor], gain: float, profile: bytes | None) -> Image:
    """The three pictures in a row, with a thin white line between them."""
    import numpy as np
    import torch

    from darnet.images.arrays import rescale
    from darnet.images.image import Image

    before, after = pixels
    line = before.new_ones(3, before.shape[1], SEPARATOR_PX)
    row = torch.cat([before, line, after, line, ((after - before).abs() * gain).clamp(0, 1)], dim=2)
    return Image(rescale(row.permute(1, 2, 0).contiguous().numpy(), np.uint8), profile=profile)
