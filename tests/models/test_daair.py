from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from darnet.models import cards
from darnet.models.compact import CompactUNet
from darnet.models.daair import DaAIR, Trace
from darnet.models.layers.statistics import Statistics
from darnet.testing import tensors, wake

TASKS = {3: ["haze", "rain", "noise"], 5: ["haze", "rain", "noise", "motion", "lowlight"]}
SMALL: dict[str, Any] = {"width": 4, "blocks": [1, 2, 1, 2, 1, 3, 1, 1], "expansion": 2, "rank_divisor": 2, "kernel": 3}


def small(**changes: Any) -> DaAIR:
    return DaAIR(**{"kinds": ["noise", "rain", "haze"], **SMALL, **changes})


def awake(model: DaAIR) -> DaAIR:
    """With blocks and a tail that are not silent, so that what happens inside shows."""
    wake(model, std=0.3)
    return model.eval()


@pytest.mark.parametrize("tasks", [3, 5])
def test_full_size_is_the_papers_six_million(tasks: int) -> None:
    with torch.device("meta"):
        model = DaAIR(TASKS[tasks])
    assert 6.0e6 <= sum(tensor.numel() for tensor in model.state_dict().values()) <= 6.5e6


def test_every_block_routes_once() -> None:
    model = small()
    output = model(torch.rand(2, 3, 16, 16))
    assert len(output.routings) == sum(SMALL["blocks"])
    for routing in output.routings:
        assert routing.weights.shape == (2, 3)
        assert bool((routing.weights.sum(dim=1) == 1).all())
        assert bool((routing.weights.amax(dim=1) == 1).all())


def test_routers_learn_from_the_repair_where_experts_are_weighted() -> None:
    """Else nothing but being told the kind moves them: a hard decision has no slope."""
    for weighted in (False, True):
        model = awake(small(weighted=weighted)).train()
        model(torch.rand(2, 3, 16, 16)).image.square().mean().backward()
        moved = [block.learner.route.weight.grad for stage in model.net.stages for block in stage]
        assert all((grad is not None and bool(grad.any())) == weighted for grad in moved)


def test_a_plain_network_is_what_it_begins_as() -> None:
    """Sparse upcycling: all but attention, which sees what learners make of the features, answers as before."""
    plain = awake(small(specialised=False, agnostic=False, controller=False))
    model = small()
    model.adopt(plain)
    for block in (block for stage in plain.net.stages for block in stage):
        nn.init.zeros_(block.attention.project.weight)
    picture = torch.rand(1, 3, 16, 16)
    torch.testing.assert_close(model(picture).image, plain(picture).image)
    assert torch.equal(
        model.net.stages[0][0].attention.query[0].weight, plain.net.stages[0][0].attention.query[0].weight
    )


@pytest.mark.parametrize("parts", [{}, {"specialised": False, "agnostic": False, "controller": False}])
def test_a_small_unet_is_what_it_begins_as(parts: dict[str, bool]) -> None:
    """Its blocks are feed-forwards, the coarsest level lies on both sides of a latent that is silent at first."""
    shape = {"blocks": [1, 2, 2, 1, 2, 1, 2, 1], "expansion": 0, "patch": 2, "lean": True}
    unet, model = CompactUNet(4, (1, 1, 4)), small(**shape, **parts)
    wake(unet, std=0.1)
    model.adopt(unet)
    picture = torch.rand(2, 3, 32, 32)
    torch.testing.assert_close(model(picture).image, unet(picture).image)
    model(picture).image.square().mean().backward()
    assert bool(model.net.up[0].weight.grad.any()), "the latent learns"


@pytest.mark.parametrize(
    ("unet", "lost"),
    [
        (CompactUNet(4, (1, 1, 5)), r"net\.stages\.4\.2\.feed_forward"),
        (CompactUNet(4, (1, 2, 1)), r"net\.stages\.1\.1\.feed_forward"),
        (CompactUNet(4, (1, 1, 1), thumbnail_px=16), r"net\.overview"),
        (CompactUNet(4, (1, 1)), None),
        (CompactUNet(4, (1, 1, 1, 1)), None),
    ],
)
def test_a_unet_of_another_shape_is_refused(unet: CompactUNet, lost: str | None) -> None:
    model = small(blocks=[1, 1, 2, 1, 2, 1, 1, 1], expansion=0, patch=2, lean=True)
    with pytest.raises(ValueError, match="expected three" if lost is None else f"there is no '{lost}"):
        model.adopt(unet)


class Scatter(nn.Module):
    """A router that sends samples all over the place."""

    def forward(self, features: Tensor) -> Tensor:
        return torch.sin(100 * features @ torch.rand(features.shape[1], 3, generator=torch.Generator().manual_seed(0)))


def scattered(model: DaAIR) -> DaAIR:
    for stage in model.net.stages:
        for block in stage:
            block.learner.route = Scatter()
    return model


def test_tiles_share_more_where_light_is_looked_for_far_around() -> None:
    model = small(kinds=("noise", "haze"))
    assert model.overlap_px == model.told("noise").overlap_px == 0
    assert model.told("haze").overlap_px > 128


@pytest.mark.parametrize("training", [True, False])
def test_a_batch_is_its_pictures_one_by_one(training: bool) -> None:
    torch.manual_seed(0)  # unseeded it failed once in thirty runs
    model = scattered(awake(small())).train(training)
    pictures = torch.rand(12, 3, 16, 16) * torch.rand(12, 3, 1, 1)
    together = model(pictures)
    assert all(len(routing.weights.argmax(dim=1).unique()) > 1 for routing in together.routings[:3])
    alone = torch.cat([model(picture[None]).image for picture in pictures])
    torch.testing.assert_close(together.image, alone, atol=1e-3, rtol=0)  # rounding, through nine blocks
    assert float((together.image - alone.roll(1, 0)).detach().abs().mean()) > 0.01
    assert torch.equal(together.image, model(pictures).image)


def controllers(model: DaAIR) -> list[Tensor]:
    return [b for stage in model.net.stages for block in stage if block.controller for b in block.controller.buffers()]


def leaders(model: DaAIR) -> list[Tensor]:
    """What the controllers follow, in their order: decoders mirror encoders, block by block, the last one repeated."""
    found: list[Tensor] = []
    for stage, leader in ((4, 2), (5, 1), (6, 0)):
        blocks = model.net.stages[leader]
        for index in range(len(model.net.stages[stage])):
            found += blocks[min(index, len(blocks) - 1)].learner.agnostic.parameters()
    return found


def test_controllers_follow_the_encoder_without_a_gradient() -> None:
    model = small(momentum=0.75).train()
    names = {name for name, _ in model.named_parameters()}
    assert not any("controller" in name for name in names)
    for controller, leader in zip(controllers(model), leaders(model), strict=True):
        assert torch.equal(controller, leader)  # they begin as what they follow
    before = [controller.clone() for controller in controllers(model)]
    with torch.no_grad():
        for leader in leaders(model):
            leader.copy_(torch.randn_like(leader))
    model.after_step()
    for controller, old, leader in zip(controllers(model), before, leaders(model), strict=True):
        torch.testing.assert_close(controller, 0.75 * old + 0.25 * leader)


@pytest.mark.parametrize("expansion", [0, 2])
def test_a_new_block_changes_nothing(expansion: float) -> None:
    block = small(expansion=expansion).net.stages[4][0]
    features = torch.rand(1, block.before_attention.normalized_shape[0], 8, 8)
    assert torch.equal(block(features, Trace(Statistics())), features)


def test_a_controller_gives_the_keys() -> None:
    model = awake(small())
    picture = torch.rand(1, 3, 16, 16)
    before = model(picture).image
    for tensor in controllers(model):
        tensor.copy_(torch.randn_like(tensor))
    assert not torch.allclose(model(picture).image, before)


def test_controllers_stand_in_the_decoder_only() -> None:
    model = small()
    assert [all(b.controller is not None for b in stage) for stage in model.net.stages] == [0, 0, 0, 0, 1, 1, 1, 0]


def test_every_parameter_learns() -> None:
    """Of the experts those that somebody is sent to."""
    model = awake(small()).train()
    output = model(torch.rand(2, 3, 16, 16))
    (output.image.abs().mean() + sum(routing.logits.square().mean() for routing in output.routings)).backward()
    idle = {name for name, weight in model.named_parameters() if weight.grad is None}
    assert all(".specialised." in name for name in idle)
    model.zero_grad()
    spread = scattered(model)(torch.rand(64, 3, 16, 16) * torch.rand(64, 3, 1, 1))
    spread.image.abs().mean().backward()
    assert all(weight.grad is not None and bool(weight.grad.isfinite().all()) for weight in model.parameters())


@pytest.mark.parametrize(
    ("changes", "routed"),
    [({"specialised": False}, 0), ({"agnostic": False, "controller": False}, 12), ({"controller": False}, 12)],
)
def test_ablations(changes: dict[str, bool], routed: int) -> None:
    model = small(**changes)
    assert len(model(torch.rand(1, 3, 16, 16)).routings) == routed
    assert sum(w.numel() for w in model.parameters()) <= sum(w.numel() for w in small().parameters())


def test_without_experts_the_blocks_are_restormers() -> None:
    model = small(specialised=False, agnostic=False, controller=False)
    assert not any("learner" in name for name in model.state_dict())


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        ({"blocks": [1, 1]}, "8 stages"),
        ({"blocks": [1, 1, 1, 0, 1, 1, 1, 1]}, "8 stages"),
        ({"kinds": []}, "each kind"),
        ({"kinds": ["rain", "rain"]}, "each kind"),
        ({"kernel": 4}, "odd"),
        ({"rank_divisor": 3}, "divide"),
        ({"agnostic": False}, "controller follows"),
        ({"momentum": 1.5}, "0 to 1"),
    ],
)
def test_arguments_that_make_no_network(wrong: dict[str, Any], reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        small(**wrong)


def test_a_card_keeps_the_controllers(tmp_path: Path) -> None:
    model = awake(small())
    for tensor in controllers(model):
        tensor.copy_(torch.randn_like(tensor))
    config = {"kinds": ["noise", "rain", "haze"], **SMALL}
    cards.save(model, cards.Card(name="small", kind="daair", config=config, dtype="float32"), tmp_path / "small")
    loaded, _ = cards.load(tmp_path / "small")
    picture = torch.rand(1, 3, 16, 16)
    for one, other in zip(tensors(model(picture)), tensors(loaded(picture)), strict=True):
        assert torch.equal(one, other)


def test_a_network_that_is_told_the_kind_uses_its_experts_alone() -> None:
    model = awake(small())
    told = model.told("rain")
    for block in model._blocks().values():
        block.learner.route = Constant(1)
    picture = torch.rand(2, 3, 16, 16)
    with torch.inference_mode():
        output = told(picture)
        assert torch.equal(output.image, model(picture).image)
        assert not torch.equal(output.image, model.told("haze")(picture).image)
    assert output.routings == told.stages == told.kinds == ()
    assert model.stages


def test_a_network_that_is_told_the_kind_shares_all_weights() -> None:
    model = small()
    own = {weight.data_ptr() for weight in model.state_dict().values()}
    assert {weight.data_ptr() for weight in model.told("noise").state_dict().values()} < own


@pytest.mark.parametrize(("specialised", "kind"), [(True, "blur"), (False, "noise")])
def test_a_network_without_an_expert_for_a_kind_goes_on_as_it_is(specialised: bool, kind: str) -> None:
    model = small(specialised=specialised)
    assert model.told(kind) is model


class Constant(nn.Module):
    """A router that sends everything to one expert."""

    def __init__(self, chosen: int) -> None:
        super().__init__()
        self.chosen = chosen

    def forward(self, features: Tensor) -> Tensor:
        return torch.eye(3)[self.chosen].expand(len(features), 3)
