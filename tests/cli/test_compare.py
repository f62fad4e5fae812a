"""darnet compare."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pyvips

from darnet.images.image import Image


def test_three_panels_and_the_psnr(pictures, darnet):
    pictures("a.png", seed=1)
    pictures("b.png", seed=2)
    ran = darnet("compare", "a.png", "b.png", "--gain", "2", "-o", "sheet.png")
    assert ran.code == 0
    assert re.fullmatch(r"a\.png \| b\.png  PSNR \d+\.\d\d dB -> sheet\.png\n", ran.out)
    before, after, sheet = (Image.read(name).array.astype(int) for name in ("a.png", "b.png", "sheet.png"))
    assert sheet.shape == (24, 3 * 24 + 8, 3)
    assert (sheet[:, :24] == before).all()
    assert (sheet[:, 28:52] == after).all()
    assert (sheet[:, 56:] == np.minimum(2 * abs(after - before), 255)).all()


def test_equal_pictures_and_the_default_name(pictures, darnet):
    pictures("a.png")
    assert darnet("compare", "a.png", "a.png").out == "a.png | a.png  the same pixels -> a.compare.png\n"
    assert darnet("compare", "a.png", "a.png").code == 1
    assert darnet("compare", "a.png", "a.png", "--overwrite").code == 0


def test_what_is_said_of_a_file_names_it_once(pictures, darnet):
    pictures.damaged("a.tif")
    pictures("b.png")
    ran = darnet("compare", "a.tif", "b.png")
    assert ran.code == 0
    metadata, profile = ran.err.splitlines()
    assert metadata.startswith("darnet: a.tif: warning: the EXIF is damaged")
    assert profile == "darnet: a.tif: warning: the ICC profile is damaged; its colours are taken for sRGB"


def test_refusals(pictures, darnet):
    pictures("a.png")
    pictures("small.png", side=8)
    Path("bad.png").write_bytes(b"x")
    cases = {
        ("a.png", "small.png"): (2, "a.png is 24 x 24 and small.png is 8 x 8: sizes must match"),
        ("a.png", "bad.png"): (1, "bad.png: not a JPEG"),
        ("a.png", "gone.png"): (1, "gone.png: no such file"),
        ("a.png", "a.png", "-o", "a.png"): (2, "originals are never touched"),
        ("a.png", "a.png", "-o", "x.jpg"): (2, ".png"),
        ("a.png", "a.png", "-o", "bad.png/x.png"): (1, "not a directory"),
        ("a.png", "a.png", "--gain", "0"): (2, "--gain 0"),
    }
    for arguments, (code, reason) in cases.items():
        ran = darnet("compare", *arguments)
        assert (ran.code, ran.out) == (code, "")
        assert reason in ran.err
        assert ran.err.count("\n") == 1
    assert len(list(pictures.folder.iterdir())) == 3


def test_a_grey_and_a_coloured_picture(pictures, darnet):
    pictures("a.png", grey=True)
    pictures("b.png")
    assert darnet("compare", "a.png", "b.png").code == 0


def test_pictures_of_two_profiles_are_compared_by_their_colours(pictures, darnet):
    p3 = bytes(pyvips.Image.profile_load("p3"))
    srgb = np.random.default_rng(0).integers(60, 180, (24, 24, 3), np.uint8)
    wide = pyvips.Image.new_from_array(srgb).copy(interpretation="srgb").icc_transform("p3", input_profile="srgb")
    Image.of(srgb).write("srgb.png")
    Image(wide.numpy(), profile=p3).write("p3.png")
    ran = darnet("compare", "srgb.png", "p3.png", "-o", "two.png")
    assert float(re.search(r"PSNR (\S+) dB", ran.out)[1]) > 45
    assert Image.read("two.png").profile is None
    assert "the same pixels" in darnet("compare", "p3.png", "p3.png", "-o", "one.png").out
    one = Image.read("one.png")
    assert one.profile == p3
    assert (one.array[:, :24] == wide.numpy()).all()
