"""Routers keep the contract of `darnet.testing`."""

from __future__ import annotations

import pytest
import torch

from darnet.engines.pytorch import TorchBackend
from darnet.errors import ContractError
from darnet.models.classifier import DegradationClassifier
from darnet.restore.diagnosis import Diagnosis
from darnet.restore.routers import Always, NetworkRouter
from darnet.testing import check_router


@pytest.mark.parametrize("thumbnail_px", [0, 16])
def test_the_contract(thumbnail_px: int) -> None:
    model = DegradationClassifier(["clean", "noise"], 4, thumbnail_px).eval()
    check_router(NetworkRouter(TorchBackend(model, "cpu")))
    check_router(Always("rain"))


@pytest.mark.parametrize(
    ("router", "message"),
    [
        (lambda x: Diagnosis({"clean": 1.5}), "leaves"),
        (lambda x: Diagnosis({"clean": 1.0, "noise": -1.0}), "leaves"),
        (lambda x: Diagnosis({"clean": float("nan")}), "leaves"),
        (lambda x: Diagnosis({f"kind{x.shape[1]}": 1.0}), "other kinds"),
        (lambda x: Diagnosis({"clean": 1.0}, {"clean": float("nan")}), "not finite"),
        (lambda x: Diagnosis({"clean": (p := float(torch.rand(()))), "noise": 1 - p}), "second time"),
        (lambda x: Diagnosis({"clean": float(x.zero_().sum()) + 1}), "changes its input"),
    ],
)
def test_the_contract_catches_what_it_is_for(router, message: str) -> None:
    with pytest.raises(ContractError, match=message):
        check_router(router)
