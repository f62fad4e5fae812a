from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Generator

from darnet import registry
from darnet.degradations import Clean, GaussianBlur, GaussianNoise, quantise
from darnet.degradations.base import turn_grey
from darnet.images.geometry import mirror_pad


def test_clean_is_the_identity() -> None:
    x = torch.rand(2, 3, 4, 5)
    clean = Clean()
    parameters = clean.draw(2, Generator())
    assert torch.equal(clean.apply(x, parameters, Generator()), x)
    assert clean.severity(parameters).tolist() == [0, 0]


@pytest.mark.parametrize("sigma", [(5.0, 1.0), (-1.0, 2.0)])
def test_an_impossible_range_is_refused(sigma: tuple[float, float]) -> None:
    with pytest.raises(ValueError, match=r"noise: sigma_255 must be a range"):
        GaussianNoise(sigma)


def test_grey_is_the_luma_as_a_grey_file_holds_it() -> None:
    grey = turn_grey(torch.tensor([1.0, 0.5, 0.0]).view(3, 1, 1).expand(3, 2, 4))
    assert grey.shape == (3, 2, 4)
    assert torch.equal(grey, torch.full((3, 2, 4), round(255 * (0.299 + 0.587 / 2)) / 255))
    assert torch.equal(turn_grey(grey[None]), grey[None])


def test_a_call_degrades_one_picture() -> None:
    x = torch.full((3, 8, 9), 0.5)
    noisy = GaussianNoise((25, 25))(x, Generator().manual_seed(1))
    assert noisy.shape == x.shape
    assert torch.equal(noisy, GaussianNoise((25, 25))(x, Generator().manual_seed(1)))
    assert not torch.equal(noisy, GaussianNoise((25, 25))(x, Generator().manual_seed(2)))


def test_margins_follow_the_reach() -> None:
    assert GaussianNoise().margin_px == 0
    assert GaussianBlur((0.5, 3.0)).margin_px == 12


@given(level=st.integers(0, 255))
def test_levels_of_a_file_survive_quantisation(level: int) -> None:
    x = torch.tensor([level / 255])
    assert torch.equal(quantise(x, "round"), x)
    assert torch.equal(quantise(x, "floor"), x)


def test_rounding_modes() -> None:
    x = torch.tensor([10.6 / 255, -0.1, 1.2])
    assert (quantise(x, "round") * 255).round().tolist() == [11, 0, 255]
    assert (quantise(x, "floor") * 255).round().tolist() == [10, 0, 255]
    assert quantise(x, "none") is x


@given(size=st.integers(1, 6), before=st.integers(0, 15), after=st.integers(0, 15))
def test_mirrored_padding_is_numpys_reflection(size: int, before: int, after: int) -> None:
    row = torch.arange(size, dtype=torch.float)
    padded = mirror_pad(row.reshape(1, 1, 1, size), (0, 0), (before, after)).flatten()
    assert padded.tolist() == np.pad(row.numpy(), (before, after), "reflect" if size > 1 else "edge").tolist()


@pytest.mark.parametrize(
    ("name", "given", "bounds"),
    [
        ("jpeg", {"quality": (500, 500)}, "1 <= low <= high <= 100"),
        ("jpeg", {"quality": (0, 50)}, "1 <= low <= high <= 100"),
        ("haze", {"airlight": (0.5, 1.5)}, "0 <= low <= high <= 1"),
        ("rain", {"opacity": (2, 3)}, "0 <= low <= high <= 1"),
        ("motion", {"shake": (0, 2)}, "0 <= low <= high <= 1"),
        ("lowlight", {"exposure": (0.5, 2)}, "0 <= low <= high <= 1"),
    ],
)
def test_values_beyond_what_a_parameter_can_be_are_refused(
    name: str, given: dict[str, tuple[float, float]], bounds: str
) -> None:
    """They were cut down in silence, and reported as they had been given."""
    with pytest.raises(ValueError, match=f"{next(iter(given))} must be a range .* with {bounds}$"):
        registry.find("degradation", name)(**given)
