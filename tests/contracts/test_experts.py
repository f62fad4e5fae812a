"""Experts made of networks keep the contract of `darnet.testing`, tiled or not."""

from __future__ import annotations

import pytest
import torch

from darnet.engines.pytorch import TorchBackend
from darnet.errors import ContractError
from darnet.models.compact import CompactUNet
from darnet.models.deconvolution import DeconvolutionUNet
from darnet.models.unet import UNet
from darnet.restore.experts import NetworkExpert, Tiles
from darnet.testing import check_expert


@pytest.mark.parametrize("tiles", [Tiles(), Tiles(0), Tiles(32, 8)], ids=str)
@pytest.mark.parametrize(
    "model",
    [CompactUNet(4, (1, 1)), CompactUNet(4, (1, 1), thumbnail_px=16), DeconvolutionUNet(4, (1, 1), 2), UNet(4, 2)],
    ids=["compact", "compact-thumbnail", "deconvolution", "unet"],
)
def test_the_contract(model: torch.nn.Module, tiles: Tiles) -> None:
    check_expert(NetworkExpert(TorchBackend(model.eval(), "cpu"), tiles))


@pytest.mark.parametrize(
    ("expert", "message"),
    [
        (lambda x: x[:, :-1] if x.shape[1] > 1 else x, "comes back as"),
        (lambda x: x + 1, "leaves"),
        (lambda x: x * torch.nan, "not finite"),
        (lambda x: x.mul_(0.5), "changes its input"),
        (lambda x: torch.rand(x.shape), "second time"),
    ],
)
def test_the_contract_catches_what_it_is_for(expert, message: str) -> None:
    with pytest.raises(ContractError, match=message):
        check_expert(expert)
