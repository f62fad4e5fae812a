"""darnet.images.profiles: what a network sees of a file with an ICC profile, and what becomes of its changes."""

from __future__ import annotations

import struct
from dataclasses import replace
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
import pyvips
import torch
from PIL import ImageCms

from darnet.images import profiles
from darnet.images.arrays import full_scale, rescale
from darnet.images.image import Image
from darnet.notices import overheard
from darnet.restore.subject import Subject

DTYPES = (np.uint8, np.uint16, np.float32)
SRGB = bytes(pyvips.Image.profile_load("srgb"))
P3 = bytes(pyvips.Image.profile_load("p3"))
#: XYZ of red, green and blue under D50, in columns.
SRGB_PRIMARIES = np.array([[0.4361, 0.3851, 0.1431], [0.2225, 0.7169, 0.0606], [0.0139, 0.0971, 0.7141]])
ADOBE_PRIMARIES = np.array([[0.6097, 0.2053, 0.1492], [0.3111, 0.6257, 0.0632], [0.0195, 0.0609, 0.7446]])
PROPHOTO_PRIMARIES = np.array([[0.7977, 0.1352, 0.0313], [0.2880, 0.7119, 0.0001], [0.0, 0.0, 0.8249]])


def fixed(*numbers: float) -> bytes:
    return b"".join(struct.pack(">i", round(number * 65536)) for number in numbers)


def made(space: bytes, gamma: float, primaries: np.ndarray | None = None) -> bytes:
    """A profile of v^gamma, with primaries unless it is one of grey."""
    curve = b"para" + bytes(8) + fixed(gamma)
    tags = {b"wtpt": b"XYZ " + bytes(4) + fixed(0.9642, 1, 0.8249)}
    if primaries is None:
        tags[b"kTRC"] = curve
    else:
        for letter, primary in zip((b"r", b"g", b"b"), primaries.T, strict=True):
            tags |= {letter + b"XYZ": b"XYZ " + bytes(4) + fixed(*primary), letter + b"TRC": curve}
    place, table, data = 132 + 12 * len(tags), b"", b""
    for name, tag in tags.items():
        table += name + struct.pack(">II", place + len(data), len(tag))
        data += tag
    head = bytes(4) + bytes.fromhex("04000000") + b"mntr" + space + b"XYZ " + bytes(12) + b"acsp" + bytes(28)
    head += fixed(0.9642, 1, 0.8249) + bytes(48) + struct.pack(">I", len(tags))
    return struct.pack(">I", place + len(data)) + head + table + data


ADOBE = made(b"RGB ", 563 / 256, ADOBE_PRIMARIES)
PROPHOTO = made(b"RGB ", 1.8, PROPHOTO_PRIMARIES)
LINEAR = made(b"RGB ", 1.0, SRGB_PRIMARIES)
LINEAR_GREY = made(b"GRAY", 1.0)
WIDE = {"p3": P3, "adobe": ADOBE, "prophoto": PROPHOTO, "linear": LINEAR}
RGB = pytest.mark.parametrize("profile", WIDE.values(), ids=WIDE)


def samples(shape: tuple[int, ...] = (24, 32, 3), dtype: type = np.uint8, most: float = 1.0) -> np.ndarray:
    return rescale((most * np.random.default_rng(0).random(shape)).astype(np.float32), dtype)


def encoded(linear: np.ndarray) -> np.ndarray:
    linear = linear.clip(0, 1)
    return np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)


def by_formula(values: np.ndarray, primaries: np.ndarray, gamma: float) -> np.ndarray:
    """Values (H, W, 3) in [0, 1] of a profile in sRGB."""
    return encoded(values**gamma @ (np.linalg.inv(SRGB_PRIMARIES) @ primaries).T)


def planes(pixels: torch.Tensor) -> np.ndarray:
    return np.moveaxis(pixels.numpy(), 0, -1)


def like_adobe(srgb: np.ndarray, dtype: type) -> np.ndarray:
    """Values of sRGB in [0, 1] in Adobe RGB."""
    linear = np.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4)
    own = (linear @ (np.linalg.inv(ADOBE_PRIMARIES) @ SRGB_PRIMARIES).T).clip(0, 1) ** (256 / 563)
    return rescale(own.astype(np.float32), dtype)


@pytest.mark.parametrize(
    ("profile", "primaries", "gamma"),
    [(ADOBE, ADOBE_PRIMARIES, 563 / 256), (PROPHOTO, PROPHOTO_PRIMARIES, 1.8), (LINEAR, SRGB_PRIMARIES, 1.0)],
)
def test_a_network_sees_srgb(profile: bytes, primaries: np.ndarray, gamma: float) -> None:
    values = samples(dtype=np.uint16)
    seen = planes(Image(values, profile=profile).pixels())
    error = np.abs(seen - by_formula(values / 65535, primaries, gamma))
    assert error.max() < 3 / 255  # in the deepest shadows of ProPhoto
    assert error.mean() < 0.2 / 255


@RGB
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("fitted", [False, True])
@pytest.mark.parametrize("channels", [1, 3])
def test_what_is_not_changed_is_bit_identical(profile: bytes, dtype: type, fitted: bool, channels: int) -> None:
    image = Image(samples((24, 32, channels), dtype), profile=profile)
    pixels = image.pixels(fitted=fitted)
    pixels[:, :, 16:] *= 0.5
    after = image.with_pixels(pixels, fitted=fitted)
    np.testing.assert_array_equal(after.array[:, :16], image.array[:, :16])
    assert (after.array[:, 16:] != image.array[:, 16:]).mean() > 0.8
    assert (after.array.dtype, after.profile) == (dtype, profile)


@pytest.mark.parametrize(("dtype", "levels"), [(np.uint8, 2.01), (np.uint16, 0.3)])
def test_changes_arrive_in_the_colours_of_the_file(dtype: type, levels: float) -> None:
    before, after = 0.2 + 0.6 * samples(dtype=np.float32), 0.2 + 0.6 * samples(dtype=np.float32)[::-1]
    image = Image(like_adobe(before, dtype), profile=ADOBE)
    pixels = image.pixels() + torch.from_numpy(np.moveaxis(after - before, -1, 0).copy())
    got, wanted = (v / full_scale(dtype) for v in (image.with_pixels(pixels).array, like_adobe(after, dtype)))
    assert np.abs(got - wanted).max() < levels / 255


@RGB
@pytest.mark.parametrize("fitted", [False, True])
def test_colours_outside_srgb_stay_there(profile: bytes, fitted: bool) -> None:
    values = np.zeros((16, 16, 3), np.uint8)
    values[..., 1] = np.linspace(200, 240, 16)
    image = Image(values, profile=profile)
    darker = image.with_pixels(image.pixels(fitted=fitted) * 0.97, fitted=fitted).array.astype(int)
    assert (darker[..., 1] < values[..., 1]).all()
    assert (darker[..., [0, 2]] < 8).all()  # of the green of sRGB, red is 117 in Display P3, 144 in Adobe RGB


@pytest.mark.parametrize(
    "profile", [None, b"", SRGB, ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()]
)
@pytest.mark.parametrize("dtype", DTYPES)
def test_srgb_is_taken_as_it_is(profile: bytes | None, dtype: type, monkeypatch: pytest.MonkeyPatch) -> None:
    image = Image(samples(dtype=dtype), profile=profile)
    image.pixels()
    monkeypatch.setattr(profiles, "_through", None)  # nothing is converted
    for fitted in (False, True):
        np.testing.assert_array_equal(planes(image.pixels(fitted=fitted)), rescale(image.array, np.float32))
        np.testing.assert_array_equal(image.with_pixels(image.pixels(fitted=fitted), fitted=fitted).array, image.array)


@pytest.mark.parametrize("profile", [P3[:300], P3[:132] + bytes(len(P3) - 132), b"RGB ".join([bytes(16), bytes(300)])])
def test_a_damaged_profile_is_named_and_taken_for_srgb(profile: bytes) -> None:
    image = Image(samples(), profile=profile, path=Path("photo.png"))
    with pytest.warns(UserWarning, match=r"photo\.png: the ICC profile is damaged"):
        pixels = image.pixels(fitted=True)
    np.testing.assert_array_equal(planes(pixels), rescale(image.array, np.float32))


@pytest.mark.parametrize("space", [b"CMYK", b"Lab ", b"GRAY"])
def test_a_profile_of_other_channels_is_left_out(space: bytes) -> None:
    image = Image(samples(), profile=P3[:16] + space + P3[20:], path=Path("photo.png"))
    with pytest.warns(UserWarning, match=r"photo\.png: the ICC profile is damaged or of other channels"):
        np.testing.assert_array_equal(planes(image.pixels()), rescale(image.array, np.float32))
    for icc in ("keep", "srgb"):
        with pytest.warns(UserWarning, match=r"photo\.png: the ICC profile is not written"):
            assert Image.decode(image.encode("tiff", icc=icc)).profile is None


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".tif", ".webp"])
@pytest.mark.parametrize("profile", [b"garbage" * 30, b"x"])
def test_a_file_with_a_profile_that_is_none_is_said_to_have_one(tmp_path: Path, suffix: str, profile: bytes) -> None:
    path = tmp_path / f"x{suffix}"
    PIL.Image.fromarray(samples()).save(path, icc_profile=profile)
    with overheard() as said:
        Image.read(path).pixels()
    assert [one.beside(path) for one in said] == [profiles.UNFIT]


def test_a_grey_file_with_a_profile_of_rgb_loses_it_with_a_warning(tmp_path: Path) -> None:
    PIL.Image.fromarray(samples()[..., 0]).save(tmp_path / "x.jpg", icc_profile=P3)
    with overheard() as said:
        Image.read(tmp_path / "x.jpg").write(tmp_path / "y.jpg")
    assert [str(one) for one in said] == [
        f"{tmp_path / 'y.jpg'}: the ICC profile is not written: it is damaged or of other channels"
    ]


def test_cmyk_with_a_profile_that_is_none(tmp_path: Path) -> None:
    picture, path = PIL.Image.fromarray(samples()).convert("CMYK"), tmp_path / "x.jpg"
    for profile, reason in (
        (None, "CMYK: it has no profile; its colours were converted to sRGB through a common one"),
        (bytes(pyvips.Image.profile_load("cmyk")), "CMYK: its colours were converted to sRGB through its profile"),
        (
            b"garbage" * 30,
            "CMYK: it has a damaged profile, or none of CMYK; its colours were converted to sRGB through a common one",
        ),
    ):
        picture.save(path, icc_profile=profile)
        with overheard() as said:
            Image.read(path).pixels()
        assert [one.reason for one in said] == [reason]


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_grey_has_a_curve_too(dtype: type) -> None:
    image = Image(samples((24, 32, 1), dtype), profile=LINEAR_GREY)
    seen = planes(image.pixels(fitted=True))
    assert (seen == seen[..., :1]).all()
    assert np.abs(seen[..., :1] - encoded(image.array / full_scale(dtype))).max() < 1 / 255
    np.testing.assert_array_equal(image.with_pixels(image.pixels()).array, image.array)
    half = image.with_pixels(torch.full((3, 24, 32), 0.5)).array / full_scale(dtype)
    assert np.abs(half - 0.214).max() < 0.004


def test_a_picture_is_seen_in_the_space_that_holds_it() -> None:
    """In sRGB, in its own, or between both."""
    narrow = Image(like_adobe(0.1 + 0.8 * samples(dtype=np.float32), np.uint8), profile=ADOBE)
    torch.testing.assert_close(narrow.pixels(fitted=True), narrow.pixels(), atol=0, rtol=0)
    corners = np.stack(np.meshgrid([0, 255], [0, 255], [0, 255]), axis=-1).reshape(2, 4, 3).astype(np.uint8)
    wide = Image(np.tile(corners, (8, 8, 1)), profile=P3)
    seen = planes(wide.pixels(fitted=True)) * 255
    assert np.abs(seen - wide.array).max() < 10
    greens = Image(np.tile(np.array([[[0, 255, 0], [60, 255, 60]]], np.uint8), (16, 8, 1)), profile=P3)
    assert np.ptp(planes(greens.pixels())[..., 0]) == 0  # of both, sRGB has no more than its own green
    assert np.ptp(planes(greens.pixels(fitted=True))[..., 0]) > 0.1


def test_hidden_pixels_do_not_say_how_wide_a_picture_is() -> None:
    values = like_adobe(0.1 + 0.8 * samples(dtype=np.float32), np.uint8)
    alpha = np.full(values.shape[:2], 255, np.uint8)
    alpha[:12] = 0
    loud = values.copy()
    loud[:12] = (0, 255, 0)
    shown, hidden = (Image(array, alpha, ADOBE).pixels(fitted=True)[:, 12:] for array in (values, loud))
    assert torch.equal(shown, hidden)


@pytest.mark.parametrize("rows", [1, 5])
def test_strips_do_not_show(rows: int, monkeypatch: pytest.MonkeyPatch) -> None:
    image = Image(samples(), profile=ADOBE)
    whole = image.pixels()
    changed = image.with_pixels(whole * 0.9)
    monkeypatch.setattr(profiles, "AT_ONCE", rows * image.width)
    assert torch.equal(image.pixels(), whole)
    np.testing.assert_array_equal(image.with_pixels(whole * 0.9).array, changed.array)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_a_file_that_is_made_srgb_is_exact_in_shadows(dtype: type) -> None:
    """A table between the profiles, as Little CMS makes it from profile to profile, is off by 13 levels there."""
    values = samples(dtype=dtype, most=0.2)
    got = profiles.as_srgb(values, ADOBE) / full_scale(dtype)
    assert np.abs(got - by_formula(values / full_scale(dtype), ADOBE_PRIMARIES, 563 / 256)).max() < 2 / 255


def test_darkness_is_that_of_colours_and_not_of_numbers() -> None:
    """A linear file holds small numbers; 0.1 of them is 0.35 in sRGB."""
    linear = np.full((32, 32, 3), 6554, np.uint16)
    linear[:4] = 60000
    shown, taken = (replace(Image.of(linear), profile=profile) for profile in (LINEAR, None))
    assert Subject.of(shown).suggests("lowlight") is None
    assert Subject.of(taken).suggests("lowlight") == "88 % of it is nearly black"
