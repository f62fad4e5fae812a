from __future__ import annotations

import math
from dataclasses import fields, replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Generator, Tensor

from darnet.benchmark.protocol import PROTOCOLS, Protocol, find_protocol
from darnet.degradations import GaussianBlur, GaussianNoise, Overexposure, PoissonGaussianNoise, named_generator
from darnet.errors import UnknownNameError
from darnet.images.metrics import psnr, ssim

CHANGES = {
    "noise": "float",
    "photos": "grey",
    "crop_multiple": 16,
    "channel": "Y",
    "border_px": 4,
    "round_output": False,
    "averaging": "pooled",
    "window": "valid",
    "seed": 1,
}
SIGMA_25 = GaussianNoise((25.0, 25.0))
SENSOR = PoissonGaussianNoise((0.02, 0.02), (10.0, 10.0))
OTHERS = [GaussianBlur((1.5, 1.5)), Overexposure((1.76, 1.76))]


def photo(height: int = 24, width: int = 28, seed: int = 0) -> Tensor:
    """An 8-bit picture of every level, black and white included."""
    return torch.randint(256, (3, height, width), generator=Generator().manual_seed(seed)) / 255


def is_8_bit(pixels: Tensor) -> bool:
    scaled = pixels * 255
    return bool(((scaled - scaled.round()).abs() < 1e-3).all() and scaled.min() >= 0 and scaled.max() <= 255)


@pytest.mark.parametrize("name", [field.name for field in fields(Protocol)])
def test_the_digest_changes_with_every_setting(name: str):
    changed = replace(Protocol(), **{name: CHANGES[name]})
    assert changed.digest != Protocol().digest
    assert changed.digest == replace(Protocol(), **{name: CHANGES[name]}).digest


def test_no_two_known_protocols_are_the_same():
    assert len({protocol.digest for protocol in PROTOCOLS.values()}) == len(PROTOCOLS)


def test_a_protocol_is_known_by_its_name_or_by_its_digest():
    assert find_protocol("kair").name == "kair"
    other = replace(find_protocol("kair"), seed=7)
    assert other.name == other.digest
    assert len(other.digest) == 12
    with pytest.raises(UnknownNameError, match="did you mean 'kair'"):
        find_protocol("kiar")


def test_every_setting_is_in_the_words():
    words = {str(replace(Protocol(), **{name: value})).partition(":")[2] for name, value in CHANGES.items()}
    assert len(words | {str(Protocol()).partition(":")[2]}) == len(CHANGES) + 1


@given(height=st.integers(16, 50), width=st.integers(16, 50), multiple=st.integers(1, 16))
def test_photos_are_cropped_to_the_multiple_around_their_centre(height: int, width: int, multiple: int):
    rows, columns = torch.arange(height)[:, None], torch.arange(width)[None]
    where = torch.stack([t.expand(height, width) for t in (rows, columns, rows)]).float()
    cropped = Protocol(crop_multiple=multiple).prepare(where)
    assert cropped.shape == (3, height // multiple * multiple, width // multiple * multiple)
    for axis, side in ((0, height), (1, width)):
        before, after = int(cropped[axis].min()), side - 1 - int(cropped[axis].max())
        assert before + after == side % multiple
        assert 0 <= after - before <= 1


def test_grey_photos_are_rounded_luma_three_times():
    colour = photo()
    grey = Protocol(photos="grey").prepare(colour)
    luma = 0.299 * colour[0] + 0.587 * colour[1] + 0.114 * colour[2]
    assert torch.equal(grey[0], grey[1])
    assert torch.equal(grey[0], grey[2])
    assert is_8_bit(grey)
    torch.testing.assert_close(grey[0], luma, atol=0.5001 / 255, rtol=0)
    assert torch.equal(Protocol().prepare(colour), colour)


@given(names=st.permutations(["a.png", "b.png", "c.png"]), damage=st.sampled_from([SIGMA_25, SENSOR, *OTHERS]))
def test_what_is_observed_does_not_depend_on_order(names, damage):
    protocol, clean = Protocol(), photo()
    alone = protocol.observe(clean, damage, "b.png")
    together = {name: protocol.observe(clean, damage, name) for name in names}
    assert torch.equal(together["b.png"], alone)


def test_noise_belongs_to_the_name_and_to_the_seed():
    clean = photo()
    first = Protocol().observe(clean, SIGMA_25, "a.png")
    assert not torch.equal(first, Protocol().observe(clean, SIGMA_25, "b.png"))
    assert not torch.equal(first, Protocol(seed=1).observe(clean, SIGMA_25, "a.png"))


@pytest.mark.parametrize("damage", [SIGMA_25, SENSOR])
def test_noise_is_left_alone_or_cut_or_rounded(damage):
    clean = photo()
    left, cut, near = (
        Protocol(noise=noise).observe(clean, damage, "a") for noise in ("float", "clip+floor", "clip+round")
    )
    assert left.min() < 0
    assert left.max() > 1
    assert not is_8_bit(left.clamp(0, 1))
    assert is_8_bit(cut)
    assert is_8_bit(near)
    torch.testing.assert_close(near, left.clamp(0, 1), atol=0.501 / 255, rtol=0)
    below = left.clamp(0, 1) - cut
    assert below.min() >= -1e-5
    assert 0.5 / 255 < below.max() < 1.001 / 255


@pytest.mark.parametrize("noise", ["float", "clip+floor", "clip+round"])
@pytest.mark.parametrize("damage", OTHERS)
def test_other_damage_is_rounded_in_every_protocol(noise, damage):
    clean = photo()
    exact = damage(clean, Generator().manual_seed(0))
    observed = Protocol(noise=noise).observe(clean, damage, "a")
    assert is_8_bit(observed)
    torch.testing.assert_close(observed, exact, atol=0.501 / 255, rtol=0)


@pytest.mark.parametrize("damage", [SIGMA_25, SENSOR])
def test_a_grey_picture_has_one_noise_and_a_colour_picture_three(damage):
    grey, colour = Protocol(photos="grey"), Protocol()
    clean = grey.prepare(photo())
    noisy = grey.observe(clean, damage, "a")
    assert noisy.shape == clean.shape
    assert torch.equal(noisy[0], noisy[1])
    assert torch.equal(noisy[0], noisy[2])
    assert not torch.equal(noisy[0], clean[0])
    noisy = colour.observe(clean, damage, "a")
    assert not torch.equal(noisy[0], noisy[1])


@pytest.mark.parametrize("protocol", [*PROTOCOLS.values(), Protocol(border_px=4)], ids=lambda protocol: protocol.name)
def test_identical_pictures_have_infinite_psnr(protocol: Protocol):
    scores = protocol.score(photo(), photo())
    assert scores.psnr == math.inf
    assert scores.ssim == pytest.approx(1)


def test_scores_are_those_of_the_metrics():
    restored, clean = photo(seed=1)[None], photo()[None]
    scores = Protocol(window="uniform").score(restored[0], clean[0])
    assert scores.psnr == pytest.approx(float(psnr(restored, clean)), abs=1e-3)
    assert scores.ssim == pytest.approx(float(ssim(restored, clean, "uniform")), abs=1e-4)


def test_what_lies_beyond_the_range_is_no_error_and_rounding_is_a_choice():
    white = torch.ones(3, 16, 16)
    assert Protocol(round_output=False).score(white + 0.5, white).psnr == math.inf
    assert Protocol(round_output=False).score(white - 0.4 / 255, white).psnr == pytest.approx(56.1, abs=0.1)
    assert Protocol(round_output=True).score(white - 0.4 / 255, white).psnr == math.inf


def test_the_border_is_not_scored():
    clean = photo()
    restored = clean.clone()
    restored[:, :4], restored[:, -4:], restored[..., :4], restored[..., -4:] = 0, 0, 0, 0
    assert Protocol(border_px=4).score(restored, clean).psnr == math.inf
    assert Protocol(border_px=3).score(restored, clean).psnr < 40


def test_a_part_is_scored_as_the_picture_is():
    clean = torch.randint(256, (3, 20, 24), generator=Generator().manual_seed(0)) / 255
    restored = (clean + 0.05 * torch.randn(3, 20, 24, generator=Generator().manual_seed(1))).clamp(0, 1)
    restored[:, :10] = clean[:, :10]
    everywhere, upper = torch.ones(20, 24, dtype=torch.bool), torch.arange(20)[:, None].expand(20, 24) < 10
    for protocol in (*PROTOCOLS.values(), Protocol(border_px=3)):
        whole = protocol.score(restored, clean).psnr
        assert protocol.psnr_of(everywhere, restored, clean) == pytest.approx(whole)
        lower = protocol.psnr_of(~upper, restored, clean)
        assert lower == pytest.approx(whole - 10 * math.log10(2), abs=1e-4)
        assert protocol.psnr_of(upper, restored, clean) == math.inf
        assert math.isnan(protocol.psnr_of(~everywhere, restored, clean))


def test_luma_alone_is_scored_in_its_studio_range():
    black, grey = torch.zeros(3, 16, 16), torch.full((3, 16, 16), 0.2)
    studio = 0.2 * 219 / 255  # black is 16 and white is 235
    assert Protocol(channel="Y").score(grey, black).psnr == pytest.approx(-20 * math.log10(studio), abs=1e-3)
    green = black.clone()
    green[1] = 0.2
    studio = 0.2 * 128.553 / 255
    assert Protocol(channel="Y").score(green, black).psnr == pytest.approx(-20 * math.log10(studio), abs=1e-3)


def test_pictures_of_different_sizes_are_refused():
    with pytest.raises(ValueError, match="differ in shape"):
        Protocol().score(photo(24, 28), photo(24, 24))


def test_what_befell_a_picture_before_is_rounded_once_at_the_end() -> None:
    """The sensor's noise comes on top of the blurred light, and is cut as the protocol cuts noise."""
    clean, protocol = photo(), PROTOCOLS["promptir"]
    rng = named_generator("a.png")
    noisy = OTHERS[0](clean, rng) + 25 / 255 * torch.randn(clean.shape, generator=skipped(rng))
    wanted = ((noisy.clamp(0, 1) * 255 + 1e-3).floor()) / 255
    found = protocol.observe(clean, SIGMA_25, "a.png", OTHERS[:1])
    torch.testing.assert_close(found, wanted, atol=1e-6, rtol=0)
    assert not torch.equal(found, protocol.observe(clean, SIGMA_25, "a.png"))
    blurred = protocol.observe(clean, OTHERS[0], "a.png", [SIGMA_25])
    assert not torch.allclose(blurred, found)


def skipped(rng: Generator) -> Generator:
    """Past the draw of one σ."""
    torch.rand(1, 1, generator=rng)
    return rng
