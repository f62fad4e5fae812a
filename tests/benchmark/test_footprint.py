from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
import torch
from torch import nn

from darnet import registry
from darnet.benchmark import footprint as module
from darnet.benchmark.cases import Case
from darnet.benchmark.footprint import Source, arguments, build, footprint, idle
from darnet.benchmark.methods import load_system
from darnet.errors import ResourceError, UnknownNameError, UsageError, WeightsError
from darnet.models.base import Context, Model, Output
from darnet.models.cards import read_card

NOISE = Case("", "", "noise", 25.0, Path())


class Plain(Model):
    """One 3×3 convolution: 81 multiply–accumulates a pixel."""

    def __init__(self, features: int = 3, **more: object) -> None:
        super().__init__()
        self.layer = nn.Conv2d(3, features, 3, padding=1)

    def encode(self, views: torch.Tensor) -> Context:
        return Context({"views": views})

    def forward(
        self, degraded: torch.Tensor, context: Context | None = None, box: torch.Tensor | None = None
    ) -> Output:
        return Output(self.layer(degraded))


class Hungry(Plain):
    def __init__(self, features: int) -> None:
        super().__init__(features)


@pytest.fixture
def register(monkeypatch: pytest.MonkeyPatch):
    def as_network(name: str, network: type[Model]) -> str:
        monkeypatch.setattr(registry, "find", lambda group, wanted: network)
        return name

    return as_network


@pytest.mark.usefixtures("in_this_process")
def test_multiply_accumulates_of_a_known_network(register) -> None:
    found = footprint(register("plain", Plain), (64, 128))
    assert found.parameters == found.active == 81 + 3
    assert [(at.size_px, at.gmacs) for at in found.sizes] == [(64, round(81 * 64**2 / 1e9, 3)), (128, 0.001)]
    assert found.paper is None


@pytest.mark.usefixtures("in_this_process")
def test_experts_and_routers_cost_what_the_benchmark_says(tiny_system: Path) -> None:
    expert, router = (footprint(tiny_system / part, (256,)) for part in ("noise", "router"))
    for found, method in ((expert, ":oracle"), (router, ":router")):
        cost = load_system(f"{tiny_system}{method}", "cpu").cost(NOISE)
        assert (found.parameters, found.sizes[0].gmacs) == cost
    assert expert.to_dict()["sizes"][0].keys() == {"size_px", "gmacs", "peak_mb"}


def test_the_memory_is_that_of_one_network_at_one_size(tiny_system: Path) -> None:
    """The large picture comes first: a process that had seen it would never tell a lower peak."""
    large, small = footprint(tiny_system / "noise", (1024, 64)).sizes
    picture_mb = 1024**2 * 3 * 4 / 1e6
    assert 50 < small.peak_mb < large.peak_mb - 2 * picture_mb


@pytest.mark.parametrize("network", ["daair", "slerir"])
def test_of_experts_side_by_side_one_works(network: str) -> None:
    """What is left is a network with one expert at each stage."""
    small = {"width": 8, "blocks": [1] * 8}
    config = {"daair": {"kinds": ["noise", "rain"]}, "slerir": {"experts": 3}}[network] | small
    fewer = config | {"daair": {"kinds": ["noise"]}, "slerir": {"experts": 1}}[network]
    model, single = (registry.find("model", network)(**changed) for changed in (config, fewer))
    routers = 0 if network == "slerir" else sum(block.learner.route.weight[0].numel() + 1 for block in blocks(model))
    wanted = sum(weight.numel() for weight in single.parameters()) + routers
    assert sum(weight.numel() for weight in model.parameters()) - idle(model) == wanted
    assert idle(single) == 0


def blocks(model: Model) -> list[nn.Module]:
    return [block for stage in model.net.stages for block in stage]


def test_a_network_that_must_be_told_its_kinds_gets_the_five_tasks() -> None:
    assert sorted(arguments("daair")["kinds"]) == ["haze", "lowlight", "motion", "noise", "rain"]
    assert arguments("compact-unet") == {}
    assert len(build("daair").kinds) == 5
    assert build("compact-unet").training is False


@pytest.mark.usefixtures("in_this_process")
def test_what_the_paper_says_stands_beside(register) -> None:
    assert "6 M parameters" in footprint(register("daair", Plain), (32,)).paper


def test_bad_sources(tiny_system: Path, tmp_path: Path, register) -> None:
    with pytest.raises(UnknownNameError, match="did you mean 'daair'"):
        footprint("dair")
    with pytest.raises(WeightsError, match=r"card\.json"):
        footprint(tmp_path)
    damaged = Path(shutil.copytree(tiny_system / "noise", tmp_path / "damaged"))
    (damaged / "model.safetensors").write_bytes(b"x")
    with pytest.raises(WeightsError, match="damaged"):
        footprint(damaged)
    with pytest.raises(UsageError, match="hungry: no default for features"):
        footprint(register("hungry", Hungry))


def _die(source: Source, size_px: int) -> None:
    os._exit(1)


def test_a_process_that_dies_is_an_error(tiny_system: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_measure", _die)
    with pytest.raises(ResourceError, match="64×64"):
        footprint(tiny_system / "noise", (64,))


def test_a_network_for_kinds_is_a_network_all_the_same(tiny_system: Path) -> None:
    assert build(tiny_system / "router").kinds == read_card(tiny_system / "router").handles
