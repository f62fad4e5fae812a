"""darnet degrade."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import pyvips

from darnet import registry
from darnet.images.image import Image


def array(name: str) -> np.ndarray:
    return Image.read(name).array.astype(int)


def test_noise_of_a_given_sigma(pictures, darnet):
    pictures("photo.jpg", side=128)
    ran = darnet("degrade", "noise", "photo.jpg", "--set", "sigma_255=5")
    assert ran == (0, "photo.jpg  noise sigma_255=5 -> photo.noise.png\n", "")
    difference = array("photo.noise.png") - array("photo.jpg")
    assert difference.std() == pytest.approx(5, rel=0.05)


def test_what_is_said_of_a_file_names_it_once(pictures, darnet):
    pictures.damaged("a.tif")
    ran = darnet("degrade", "noise", "a.tif")
    assert ran.code == 0
    assert [line.partition(" is ")[0] for line in ran.err.splitlines()] == [
        "darnet: a.tif: warning: the EXIF",
        "darnet: a.tif: warning: the ICC profile",
    ]


def test_grey_stays_grey_with_the_sigma_asked_for(pictures, darnet):
    pictures("photo.png", side=128, grey=True)
    assert darnet("degrade", "noise", "photo.png", "--set", "sigma_255=5").code == 0
    difference = array("photo.noise.png") - array("photo.png")
    assert difference.shape[2] == 1
    assert difference.std() == pytest.approx(5, rel=0.05)


def test_chance_belongs_to_name_and_seed_not_to_order(pictures, darnet):
    pictures("a.png")
    pictures("b.png")
    darnet("degrade", "noise", "a.png", "b.png", "-o", "one")
    darnet("degrade", "noise", "b.png", "a.png", "-o", "two")
    darnet("degrade", "noise", "a.png", "b.png", "-o", "three", "--seed", "1")
    assert (array("one/a.png") == array("two/a.png")).all()
    assert (array("one/a.png") != array("one/b.png")).any()
    assert (array("one/a.png") != array("three/a.png")).any()


def test_overexposure_in_stops(pictures, darnet):
    pictures("photo.png")
    ran = darnet("degrade", "overexposure", "photo.png", "--ev", "1", "-o", "bright.png")
    assert "gain=2 -> bright.png" in ran.out
    assert (array("bright.png") == np.minimum(2 * array("photo.png"), 255)).all()


def test_floor_is_never_above_round(pictures, darnet):
    pictures("photo.png")
    for rounding in ("round", "floor"):
        darnet("degrade", "blur", "photo.png", "--set", "sigma_px=1", "--rounding", rounding, "-o", f"{rounding}.png")
    assert set(np.unique(array("round.png") - array("floor.png"))) == {0, 1}


def test_several_parameters(pictures, darnet):
    pictures("photo.png")
    ran = darnet("degrade", "poisson-noise", "photo.png", "--set", "shot=0.01", "--set", "read_sigma_255=2")
    assert ran.out == "photo.png  poisson-noise shot=0.01 read_sigma_255=2 -> photo.poisson-noise.png\n"
    assert darnet("degrade", "clean", "photo.png").out == "photo.png  clean -> photo.clean.png\n"


def test_outputs_are_kept_and_inputs_untouched(pictures, darnet):
    photo = pictures("in/photo.png")
    before = photo.read_bytes()
    assert darnet("degrade", "blur", "in").code == 0
    assert darnet("degrade", "blur", "in").code == 1  # photo.blur.png is no input, and is not replaced
    assert darnet("degrade", "blur", "in", "--overwrite").code == 0
    assert darnet("degrade", "blur", photo, "-o", photo, "--overwrite").code == 2
    assert photo.read_bytes() == before
    assert sorted(path.name for path in Path("in").iterdir()) == ["photo.blur.png", "photo.png"]


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (("fog",), "poisson-noise"),
        (("noise", "--set", "sigma=5"), "sigma_255"),
        (("noise", "--set", "sigma_255=x"), "NUMBER"),
        (("noise", "--set", "sigma_255=-1"), "0 or more"),
        (("noise", "--set", "sigma_255=inf"), "NUMBER"),
        (("noise", "--ev", "1"), "overexposure"),
        (("overexposure", "--ev", "1", "--set", "gain=2"), "one of them"),
        (("overexposure", "--ev", "9999"), "--ev"),
        (("measured-motion",), "kernels must name an .npz file"),
        (("measured-motion", "--set", "kernels=gone.npz"), "gone.npz: no .npz file"),
        (("noise", "--rounding", "up"), "'floor'"),
        (("noise", "-o", "-"), "files"),
    ],
)
def test_options_that_make_no_sense(pictures, darnet, arguments, reason):
    pictures("photo.png")
    kind, *options = arguments
    ran = darnet("degrade", kind, "photo.png", *options)
    assert (ran.code, ran.out) == (2, "")
    assert reason in ran.err
    assert ran.err.count("\n") == 1


def test_measured_kernels_are_a_file(pictures, darnet):
    pictures("photo.png")
    np.savez("k.npz", line=np.ones((1, 9), np.float32))
    ran = darnet("degrade", "measured-motion", "photo.png", "--set", "kernels=k.npz", "--set", "scale=1")
    assert (ran.code, ran.err) == (0, "")
    assert not np.array_equal(Image.read("photo.measured-motion.png").array, Image.read("photo.png").array)


def test_bad_pictures(pictures, darnet):
    Path("bad.png").write_bytes(b"")
    assert darnet("degrade", "noise", "bad.png") == (1, "", "darnet: bad.png: the file is empty\n")
    assert darnet("degrade", "noise", "gone.png").code == 3
    Image(np.zeros((9, 9, 3), np.uint16)).write("deep.png")
    assert "8 bits" in darnet("degrade", "blur", "deep.png", "--rounding", "floor").err


def test_a_profile_is_kept_and_what_is_not_damaged_stays(pictures, darnet):
    p3 = bytes(pyvips.Image.profile_load("p3"))
    wide = np.random.default_rng(0).integers(0, 256, (24, 24, 3), np.uint8)
    Image(wide, profile=p3).write("wide.png")
    assert darnet("degrade", "noise", "wide.png", "--set", "sigma_255=0").code == 0
    same = Image.read("wide.noise.png")
    assert same.profile == p3
    assert (same.array == wide).all()


def test_help_names_every_kind(darnet):
    shown = darnet("degrade", "--help").out
    assert [kind for kind in registry.BUILTIN["kind"] if kind != "clean" and kind not in shown] == []


@pytest.mark.parametrize(
    ("kind", "setting", "bounds"),
    [
        ("jpeg", "quality=500", "1 to 100"),
        ("haze", "airlight=1.5", "0 to 1"),
        ("noise", "sigma_255=-1", "0 or more"),
    ],
)
def test_a_value_that_a_parameter_cannot_have(pictures, darnet, kind, setting, bounds):
    """It was taken, cut down in silence, and reported as it was given."""
    pictures("photo.png")
    ran = darnet("degrade", kind, "photo.png", "--set", setting)
    assert ran == (2, "", f"darnet: --set {setting}: expected {bounds}\n")
