"""What networks can do besides: who can what, and that nobody is asked for by name. Each ability: with its network."""

from __future__ import annotations

import inspect

import pytest
import torch

from darnet import registry
from darnet.models import abilities
from darnet.models.abilities import (
    Adopting,
    Calibrated,
    Classifier,
    Conditional,
    FeatureExtractor,
    Gated,
    Measuring,
    SelfUpdating,
    Watched,
)
from darnet.models.base import Context, Model, Output
from darnet.routing import Routing
from darnet.testing import check_is_final

ALL = {found for found in vars(abilities).values() if inspect.isclass(found) and issubclass(found, Model)} - {Model}
WHO_CAN = {
    "compact-unet": {Adopting},
    "daair": {Adopting, Conditional, Measuring, SelfUpdating, Watched},
    "deconvolution-unet": {Adopting},
    "degradation-classifier": {Adopting, Calibrated, Classifier, FeatureExtractor},
    "slerir": {Adopting, Gated, Measuring, SelfUpdating, Watched},
    "unet": set(),
}


@pytest.mark.parametrize("name", registry.BUILTIN["model"])
def test_who_can_what(name: str) -> None:
    network = registry.find("model", name)
    assert {ability for ability in ALL if issubclass(network, ability)} == WHO_CAN[name]


@pytest.mark.parametrize("name", registry.BUILTIN["model"])
def test_networks_are_final(name: str) -> None:
    network = registry.find("model", name)
    check_is_final(network)
    assert network.__final__


def test_every_ability_is_abstract_and_somebodys() -> None:
    assert all(map(inspect.isabstract, ALL))
    assert set().union(*WHO_CAN.values()) == ALL


class Mean(Classifier):
    """As small as a classifier of a third party can be: it tells dark pictures from others."""

    kinds, places, several = ("clean", "lowlight"), ("mean",), False

    def forward(self, degraded: torch.Tensor, context: Context | None = None, box: torch.Tensor | None = None):
        mean = degraded.mean(dim=(1, 2, 3))
        return Output(routings=(Routing.hard(torch.stack([mean, 0.5 - mean], dim=1)),))

    def encode(self, views: torch.Tensor) -> Context:
        return Context()

    def verdict(self, output: Output, crops: int) -> torch.Tensor:
        return output.routings[-1].logits.unflatten(0, (-1, crops)).mean(dim=1)


def test_a_classifier_of_a_third_party_is_a_router() -> None:
    from darnet.engines.pytorch import TorchBackend
    from darnet.restore.routers import NetworkRouter

    check_is_final(Mean)
    router = NetworkRouter(TorchBackend(Mean().eval(), "cpu"), crop_px=16)
    assert router(torch.full((3, 40, 40), 0.1)).label == "lowlight"
    assert router(torch.full((3, 40, 40), 0.9)).label == "clean"
