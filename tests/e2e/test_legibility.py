"""Protection: what was written can still be read. Characters that tesseract reads, before and after a repair."""

from __future__ import annotations

import difflib
import shutil
import subprocess
from collections.abc import Iterator
from functools import cache
from io import BytesIO

import numpy as np
import PIL.Image
import PIL.ImageDraw
import PIL.ImageFont
import pytest
import torch

import darnet
from darnet.degradations import Degradation, GaussianBlur, GaussianNoise, Jpeg, named_generator, quantise
from darnet.degradations.fields import smooth_light

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(shutil.which("tesseract") is None, reason="tesseract is not installed (tesseract-ocr)"),
]
WIDTH, HEIGHT, MARGIN = 640, 288, 16
#: Lines of type and their size in pixels.
LINES = (
    ("Invoice 20417 of 3 March, due in 30 days", 26),
    ("The quick brown fox jumps over the lazy dog near the river bank.", 18),
    ("Pack my box with five dozen liquor jugs; total 1,284.50 with tax.", 14),
    ("Sphinx of black quartz, judge my vow. Ref. AX-7731, page 12 of 40.", 11),
    ("How vexingly quick daft zebras jump! Call 0800 555 0199 before noon.", 9),
)
TEXT = "\n".join(line for line, _ in LINES)
#: Paper and ink, on the 0–255 scale. No paper: a smooth field of colour, as light falls on a scene.
PAPERS = {"black on white": (255, 0), "grey": (225, 105), "on a gradient": (None, 20)}
DAMAGES: dict[str, Degradation | None] = {
    "undamaged": None,
    "noise 10": GaussianNoise((10.0, 10.0)),
    "JPEG 40": Jpeg((40.0, 40.0)),
}
PICTURES = [(paper, damage) for paper in PAPERS for damage in DAMAGES]
#: Tesseract looks for letters as large as print at 300 dpi makes them.
ENLARGED = 3
#: Of the characters of a picture: tesseract reads a few others where a level changes here or there.
TOLERANCE = 0.02
#: Who repairs: each expert, told its kind; each system by itself. SLER-IR is one network, whatever it is told.
KINDS = ("noise", "blur", "overexposure", "haze", "rain", "motion", "lowlight", "jpeg")
REPAIRS = [(system, kind) for system in ("darnet", "daair") for kind in (*KINDS, "")]
REPAIRS += [("slerir", kind) for kind in ("noise", "")]
#: Who is known to lose something, and what.
KNOWN = {("daair", "lowlight"): "told low light, it brightens grey paper until thin strokes vanish: 71 % are left"}


@cache
def system(name: str) -> darnet.Restorer:
    return darnet.load(name, device="cpu")


@cache
def picture(paper: str, damage: str) -> torch.Tensor:
    """The page, sRGB in [0, 1], as an 8-bit file holds it."""
    background, ink = PAPERS[paper]
    rng = named_generator(paper)
    if background is None:
        light = smooth_light(1, HEIGHT, WIDTH, rng)[0, 0].numpy()
        colours = np.array([200.0, 190.0, 175.0]) + 55 * light[..., None]
        page = PIL.Image.fromarray(colours.round().astype(np.uint8))
    else:
        page = PIL.Image.new("RGB", (WIDTH, HEIGHT), (background,) * 3)
    draw, top = PIL.ImageDraw.Draw(page), MARGIN
    for line, size in LINES:
        draw.text((MARGIN, top), line, (ink,) * 3, PIL.ImageFont.load_default(size))
        top += 2 * size + MARGIN // 2
    pixels = torch.from_numpy(np.array(page)).permute(2, 0, 1) / 255
    degradation = DAMAGES[damage]
    return pixels if degradation is None else quantise(degradation(pixels, rng), "round")


def right(pixels: torch.Tensor) -> float:
    """The share of characters of the page that tesseract reads, in their order; white space is none."""
    levels = (pixels.clamp(0, 1) * 255).round().byte().permute(1, 2, 0).numpy()
    file = BytesIO()
    large = PIL.Image.fromarray(levels).resize((ENLARGED * WIDTH, ENLARGED * HEIGHT), PIL.Image.Resampling.BICUBIC)
    large.save(file, "PNG")
    command = ["tesseract", "stdin", "stdout", "--psm", "6", "--dpi", "300", "-l", "eng"]
    read = subprocess.run(command, input=file.getvalue(), capture_output=True, check=True).stdout.decode()
    wanted, found = ("".join(text.split()) for text in (TEXT, read))
    blocks = difflib.SequenceMatcher(None, wanted, found, autojunk=False).get_matching_blocks()
    return sum(block.size for block in blocks) / len(wanted)


def lost(before: float, after: float) -> bool:
    return after < before - TOLERANCE


@cache
def right_before(paper: str, damage: str) -> float:
    return right(picture(paper, damage))


def repaired(name: str, kind: str) -> Iterator[tuple[str, float, float]]:
    """Each picture, and the share of its characters that is read before and after."""
    for paper, damage in PICTURES:
        after = system(name)(picture(paper, damage), kinds=[kind] if kind else []).image
        yield f"{paper}, {damage}", right_before(paper, damage), right(after)


def test_the_pages_can_be_read() -> None:
    """Or else nothing could be lost."""
    assert {pair for pair in PICTURES if right_before(*pair) < 0.9} == set()


def test_smoothing_is_noticed() -> None:
    """A blur of a single pixel, on every page."""
    blur = GaussianBlur((1.0, 1.0))
    noticed = {pair for pair in PICTURES if lost(right_before(*pair), right(blur(picture(*pair), torch.Generator())))}
    assert noticed == {*PICTURES}


def cases() -> Iterator[object]:
    for repair in REPAIRS:
        marks = [pytest.mark.xfail(reason=KNOWN[repair], strict=True)] if repair in KNOWN else []
        yield pytest.param(*repair, marks=marks, id="-".join(filter(None, repair)))


@pytest.mark.parametrize(("name", "kind"), list(cases()))
def test_what_was_written_can_be_read_after_a_repair(name: str, kind: str) -> None:
    assert {page: (before, after) for page, before, after in repaired(name, kind) if lost(before, after)} == {}
