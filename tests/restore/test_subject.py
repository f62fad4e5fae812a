"""darnet.restore.subject: what of a picture is judged and repaired, and what is put back as it was."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from darnet.images.image import Image
from darnet.images.regions import Region, everything, read_all
from darnet.restore.subject import Subject

DTYPES = (np.uint8, np.uint16, np.float32)


def samples(shape: tuple[int, ...], dtype: type = np.uint8, seed: int = 0) -> np.ndarray:
    values = np.random.default_rng(seed).random(shape)
    if dtype == np.float32:
        return values.astype(np.float32)
    return (values * np.iinfo(dtype).max).round().astype(dtype)


def put_back(subject: Subject, restored: torch.Tensor) -> Image:
    sink = subject.sink()
    sink.write(everything(subject.source), restored)
    return sink.image


def tint(pixels: torch.Tensor) -> torch.Tensor:
    """What a tone expert does: each channel otherwise."""
    return (pixels ** torch.tensor([0.7, 0.8, 0.93])[:, None, None]).clamp(0, 1)


def test_an_ordinary_picture_is_its_own_subject() -> None:
    image = Image(samples((40, 50, 3)))
    subject = Subject.of(image)
    assert torch.equal(read_all(subject.source), image.pixels())
    np.testing.assert_array_equal(
        put_back(subject, tint(image.pixels())).array, image.with_pixels(tint(image.pixels())).array
    )
    assert subject.vacant is None


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("size", [(40, 50), (37, 31), (129, 257)])
def test_grey_stays_grey_exactly(dtype: type, size: tuple[int, int]) -> None:
    image = Image(np.repeat(samples((*size, 1), dtype), 3, axis=2))
    subject = Subject.of(image)
    assert subject.grey
    after = put_back(subject, tint(read_all(subject.source))).array
    assert after.dtype == dtype
    assert (after == after[..., :1]).all()
    assert (after != image.array).any()
    single = put_back(Subject.of(Image(image.array[..., :1])), tint(read_all(subject.source))).array
    np.testing.assert_array_equal(after[..., :1], single)  # one channel or three: the same grey


def test_one_coloured_pixel_makes_a_picture_coloured() -> None:
    array = np.repeat(samples((40, 50, 1)), 3, axis=2)
    array[7, 8, 2] ^= 1
    assert not Subject.of(Image(array)).grey


def cut_out(dtype: type = np.uint8, hidden: int = 0, channels: int = 3) -> Image:
    """A disk that is seen, with a soft edge, in the lower right of a picture."""
    rows, columns = np.mgrid[:100, :120]
    opacity = (25 - np.hypot(rows - 70, columns - 80)).clip(0, 3) / 3
    top = 1 if dtype == np.float32 else np.iinfo(dtype).max
    alpha = (opacity * top).astype(dtype)
    array = samples((100, 120, channels), dtype)
    array[alpha == 0] = hidden * top
    return Image(array, alpha)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("channels", [1, 3])
def test_hidden_pixels_and_alpha_stay_bit_for_bit(dtype: type, channels: int) -> None:
    image = cut_out(dtype, 1, channels)
    subject = Subject.of(image)
    after = put_back(subject, tint(read_all(subject.source)) * 0.9)
    assert image.alpha is not None
    hidden = image.alpha == 0
    np.testing.assert_array_equal(after.array[hidden], image.array[hidden])
    np.testing.assert_array_equal(after.alpha, image.alpha)
    assert (after.array[~hidden] != image.array[~hidden]).mean() > 0.9  # half seen is seen


def test_what_hides_is_not_judged() -> None:
    """Black, white or anything below alpha = 0: the same pixels are looked at, and only around what is seen."""
    black, white = (Subject.of(cut_out(hidden=hidden)) for hidden in (0, 1))
    torch.testing.assert_close(read_all(black.source), read_all(white.source), rtol=0, atol=0)
    assert read_all(black.source).shape == (3, 64, 64)  # rows 46 to 94, columns 56 to 104, out to multiples of 16
    assert black.region == Region(32, 48, 64, 64)


def test_hidden_colours_do_not_make_a_grey_picture_coloured() -> None:
    image = cut_out(channels=1)
    array = np.repeat(image.array, 3, axis=2)
    assert image.alpha is not None
    array[image.alpha == 0] = (250, 10, 10)
    subject = Subject.of(Image(array, image.alpha))
    after = put_back(subject, tint(read_all(subject.source))).array
    assert torch.equal(read_all(subject.source)[0], read_all(subject.source)[2])
    assert (after[image.alpha > 0] == after[image.alpha > 0][:, :1]).all()
    assert (after[image.alpha == 0] == (250, 10, 10)).all()


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_frame_is_neither_judged_nor_touched(dtype: type) -> None:
    top = 1 if dtype == np.float32 else np.iinfo(dtype).max
    array = np.full((150, 180, 3), top, dtype)
    array[21:121, 35:155] = samples((100, 120, 3), dtype) // 2 if top > 1 else samples((100, 120, 3), dtype) / 2
    subject = Subject.of(Image(array))
    assert subject.region == Region(16, 32, 112, 128)
    assert float(read_all(subject.source).amax()) < 0.8  # white is gone
    after = put_back(subject, tint(read_all(subject.source))).array
    framed = np.ones(array.shape[:2], bool)
    framed[21:121, 35:155] = False
    np.testing.assert_array_equal(after[framed], array[framed])
    assert (after[~framed] != array[~framed]).mean() > 0.9
    assert Subject.of(Image(array), whole=True).region == Region(0, 0, 150, 180)


@pytest.mark.parametrize(
    ("array", "reason"),
    [
        (np.full((40, 50, 3), 120, np.uint8), "one colour"),
        (np.full((40, 50, 1), 65535, np.uint16), "one colour"),
        (np.full((1, 1, 3), 120, np.uint8), "too few"),
        (samples((1, 5000, 3)), "too few"),
        (samples((5000, 7, 3)), "too few"),
    ],
)
def test_where_there_is_nothing_to_judge(array: np.ndarray, reason: str) -> None:
    subject = Subject.of(Image(array))
    assert subject.vacant is not None
    assert reason in subject.vacant
    assert Subject.of(Image(array), whole=True).vacant is None


def test_all_hidden() -> None:
    image = Image(samples((40, 50, 3)), np.zeros((40, 50), np.uint8))
    for whole in (False, True):
        assert Subject.of(image, whole=whole).vacant == "all of it is hidden by alpha"


def test_seen_is_one_colour() -> None:
    image = cut_out()
    assert image.alpha is not None
    array = np.where((image.alpha > 0)[..., None], np.uint8(90), image.array)
    array[:5] = 7  # hidden, and of another colour
    assert Subject.of(Image(array, image.alpha)).vacant == "all of it has one colour"


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("channels", [1, 3])
def test_darkness_is_counted_in_some_pixels_of_those_that_are_seen(dtype: type, channels: int) -> None:
    most = np.iinfo(dtype).max
    values = np.random.default_rng(0).integers(most // 2, most, (3000, 2000, channels), dtype)
    values[:1700] //= 12
    assert Subject.of(Image.of(values)).suggests("lowlight") == "57 % of it is nearly black"
    assert Subject.of(Image.of(values)).suggests("haze") is None
    alpha = np.full(values.shape[:2], 255, np.uint8)
    alpha[:1000] = 0
    assert Subject.of(replace(Image.of(values), alpha=alpha)).suggests("lowlight") is None
