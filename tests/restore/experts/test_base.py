from __future__ import annotations

import pytest
import torch

from darnet.engines.pytorch import TorchBackend
from darnet.errors import DarnetError, UsageError
from darnet.models.compact import CompactUNet
from darnet.restore.experts import NetworkExpert, SelfEnsemble, Tiles
from darnet.restore.experts.base import Checked
from darnet.testing import check_expert


@pytest.mark.parametrize(("size_px", "overlap_px"), [(32, 32), (32, 64), (-1, 0), (32, -1)])
def test_tiles_that_make_no_sense(size_px: int, overlap_px: int) -> None:
    with pytest.raises(UsageError, match=f"tiles of {size_px} px"):
        Tiles(size_px, overlap_px)


def test_the_self_ensemble_is_the_mean_over_eight_views() -> None:
    """An expert that brightens the left half: each view's left is another side of the picture."""

    def left(pixels: torch.Tensor) -> torch.Tensor:
        brighter = pixels.clone()
        brighter[:, :, : pixels.shape[2] // 2] += 0.4
        return brighter

    restored = SelfEnsemble(left)(torch.zeros(3, 32, 32))
    torch.testing.assert_close(restored, torch.full((3, 32, 32), 0.2))


@pytest.mark.parametrize("size", [(32, 32), (37, 21), (1, 50)])
def test_an_ensemble_of_what_does_nothing_does_nothing(size: tuple[int, int]) -> None:
    pixels = torch.rand(3, *size)
    torch.testing.assert_close(SelfEnsemble(lambda view: view)(pixels), pixels)


def test_the_blocks_of_a_file_stay_where_they_are_in_every_view() -> None:
    """Of a picture whose sides are no multiples of 16."""

    def seen(view: torch.Tensor) -> torch.Tensor:
        assert view.shape[1] % 16 == view.shape[2] % 16 == 0
        return view

    SelfEnsemble(seen)(torch.rand(3, 37, 21))


def test_a_self_ensemble_is_an_expert() -> None:
    model = CompactUNet(8, (1, 1)).eval()
    torch.nn.init.normal_(model.tail.weight, std=0.05)
    check_expert(SelfEnsemble(NetworkExpert(TorchBackend(model, "cpu"))))


def test_a_checked_expert_is_what_it_was() -> None:
    pixels = torch.rand(3, 9, 7)
    assert torch.equal(Checked("half", lambda x: x / 2)(pixels), pixels / 2)
    assert float(Checked("more", lambda x: x + 0.5)(pixels).max()) == 1


@pytest.mark.parametrize(
    ("expert", "message"),
    [
        (lambda x: x[:, 1:], r"odd: .*comes back as"),
        (lambda x: x * torch.nan, "odd answered with pixels that are not"),
        (lambda x: x * 255, "odd answered with pixels from"),
    ],
)
def test_what_a_stranger_answers_is_not_believed(expert, message: str) -> None:
    with pytest.raises(DarnetError, match=message):
        Checked("odd", expert)(torch.rand(3, 9, 7))
