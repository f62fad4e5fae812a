"""Classical filters repair what they are for, and are experts like any other."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import torch

from darnet import registry
from darnet.degradations import GaussianBlur, GaussianNoise, named_generator, quantise
from darnet.errors import MissingPackageError, UsageError
from darnet.images.image import Image
from darnet.images.metrics import psnr
from darnet.restore.experts.classical import Clahe, Filter, Median, NonLocalMeans, RichardsonLucy, Wiener
from darnet.testing import check_expert

PHOTO = Image.read(Path(__file__).parents[3] / "examples" / "coffee-clean.jpg").pixels()[:, 100:196, 200:311]
ALL = (Median(), NonLocalMeans(), Wiener(), RichardsonLucy(steps=3), Clahe())


def salted() -> torch.Tensor:
    chance = torch.rand(PHOTO.shape[1:], generator=torch.Generator().manual_seed(0))
    return torch.where(chance < 0.05, 0.0, torch.where(chance > 0.95, 1.0, PHOTO))


def damaged(degradation) -> torch.Tensor:
    return quantise(degradation(PHOTO, named_generator("classical")), "round")


@pytest.mark.parametrize(
    ("expert", "pixels", "gain"),
    [
        (Median(), salted(), 8.0),
        (NonLocalMeans(25.0), damaged(GaussianNoise((25.0, 25.0))), 3.0),
        (Wiener(1.5), damaged(GaussianBlur((1.5, 1.5))), 1.0),
        (RichardsonLucy(1.5, 20), damaged(GaussianBlur((1.5, 1.5))), 0.5),
    ],
    ids=["median", "nlm", "wiener", "richardson-lucy"],
)
def test_a_filter_repairs_what_it_is_for(expert: Filter, pixels: torch.Tensor, gain: float) -> None:
    before, after = (float(psnr(x[None], PHOTO[None])) for x in (pixels, expert(pixels)))
    assert after > before + gain


def test_clahe_widens_a_narrow_picture() -> None:
    dull = 0.4 + 0.2 * PHOTO
    assert float(Clahe()(dull).std()) > 1.5 * float(dull.std())


@pytest.mark.parametrize("expert", ALL, ids=lambda expert: type(expert).__name__)
@pytest.mark.filterwarnings("ignore")  # what other packages warn of a picture of one pixel is not ours
def test_the_contract(expert: Filter) -> None:
    check_expert(expert)


def test_every_filter_has_a_name() -> None:
    assert {registry.find("expert", name) for name in registry.BUILTIN["expert"]} == {type(expert) for expert in ALL}


@pytest.mark.parametrize("settings", [{"size_px": 0}, {"size_px": -3}])
def test_settings_that_make_no_sense(settings: dict[str, int]) -> None:
    with pytest.raises(UsageError, match="size_px"):
        Median(**settings)


def test_a_filter_says_which_extra_it_needs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cv2", None)
    with pytest.raises(MissingPackageError, match=r"cv2.*darnet\[classical\]"):
        NonLocalMeans()
