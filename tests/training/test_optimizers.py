from __future__ import annotations

import math
from itertools import pairwise

import pytest
import torch
from torch import nn

from darnet.models.base import channels_last
from darnet.models.compact import CompactUNet
from darnet.training.muon import ConvolutionMuon
from darnet.training.optimizers import build_optimizers, build_scheduler, freeze, moving_average, rates
from darnet.training.plan import StagePlan
from darnet.training.recipe import Optimizer, Schedule, Stage


def network() -> CompactUNet:
    torch.manual_seed(0)
    return channels_last(CompactUNet(4, (1, 1)))


def step(model: nn.Module, optimizers: list[torch.optim.Optimizer]) -> float:
    loss = (model(torch.rand(2, 3, 16, 16, generator=torch.Generator().manual_seed(1))).image - 0.5).square().mean()
    for optimizer in optimizers:
        optimizer.zero_grad()
    loss.backward()
    for optimizer in optimizers:
        optimizer.step()
    return float(loss.detach())


@pytest.mark.parametrize("name", ["adam", "adamw", "muon"])
def test_every_optimiser_moves_every_parameter_and_learns(name: str) -> None:
    model = network()
    before = {key: weight.detach().clone() for key, weight in model.named_parameters()}
    optimizers = build_optimizers(model, Optimizer(name=name, lr=1e-2))
    losses = [step(model, optimizers) for _ in range(12)]
    assert losses[-1] < 0.75 * losses[0]
    for key, weight in model.named_parameters():
        assert not torch.equal(weight, before[key]), key


def test_muon_takes_inner_convolutions_and_adamw_the_rest() -> None:
    model = network()
    muon, adamw = build_optimizers(model, Optimizer(name="muon"))
    assert isinstance(muon, ConvolutionMuon)
    taken = {id(weight) for weight in muon.weights}
    left = {id(weight) for weight in adamw.param_groups[0]["params"]}
    for name, weight in model.named_parameters():
        inner = weight.ndim == 4 and not name.startswith(("head", "tail"))
        assert (id(weight) in taken) == inner
        assert (id(weight) in left) != inner


def test_weight_decay_and_momentum_are_not_ignored() -> None:
    def after(**options: float) -> float:
        model = network()
        optimizers = build_optimizers(model, Optimizer(name="muon", lr=1e-2, **options))
        for _ in range(3):
            step(model, optimizers)
        return sum(float(weight.detach().abs().sum()) for weight in model.parameters())

    plain = after()
    assert after(weight_decay=0.5) < plain
    assert after(momentum=0.5) != plain


def lrs(spec: Schedule, steps: int) -> list[float]:
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=1.0)
    scheduler = build_scheduler(optimizer, spec, StagePlan.of(steps, steps, spec.warmup_steps))
    seen = []
    for _ in range(steps):
        seen.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    return seen


def test_cosine_warms_up_and_falls_to_its_floor() -> None:
    seen = lrs(Schedule(name="cosine", warmup_steps=10, floor=0.01), 100)
    assert seen[0] == pytest.approx(0.1, rel=0.01)
    assert seen[50] == pytest.approx(0.5 * (1 + 0.01), rel=0.02)
    assert seen[-1] == pytest.approx(0.01, rel=0.1)
    assert all(a >= b for a, b in pairwise(seen[10:]))


def test_constant_stays() -> None:
    assert set(lrs(Schedule(name="constant"), 5)) == {1.0}


def test_plateau_falls_when_the_loss_stands() -> None:
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=1.0)
    scheduler = build_scheduler(optimizer, Schedule(name="plateau", factor=0.5, patience=1), StagePlan.of(1, 1))
    assert isinstance(scheduler, torch.optim.lr_scheduler.ReduceLROnPlateau)
    for loss in (1.0, 0.5, 0.5, 0.5):
        scheduler.step(loss)
    assert rates([optimizer]) == {"lr_sgd": 0.5}


def test_the_average_follows_weights_and_buffers() -> None:
    model = nn.BatchNorm1d(2)
    average = moving_average(model, decay=0.9)
    for value in (1.0, 2.0):
        with torch.no_grad():
            model.weight.fill_(value)
            model.running_mean.fill_(value)
        average.update_parameters(model)
    share = 1 - min(0.9, 2 / 11)
    for tensor in (average.module.weight, average.module.running_mean):
        assert float(tensor[0].detach()) == pytest.approx(1 + share * (2 - 1), rel=1e-5)


def test_no_average_is_the_weights_themselves() -> None:
    model = nn.Linear(2, 2)
    average = moving_average(model, decay=0.0)
    for _ in range(2):
        with torch.no_grad():
            model.weight.mul_(1.5)
        average.update_parameters(model)
    torch.testing.assert_close(average.module.weight, model.weight)


def test_frozen_patterns_do_not_learn() -> None:
    model = network()
    spec = {"name": "a", "epochs": 1, "steps_per_epoch": 1, "batch": 1, "crop_px": 16, "losses": {"l1": 1}}
    stage = Stage.model_validate({**spec, "degradations": [{"name": "noise"}], "freeze": ["encoder.*", "head.bias"]})
    freeze(model, stage)
    frozen = {name for name, weight in model.named_parameters() if not weight.requires_grad}
    assert frozen == {n for n, _ in model.named_parameters() if n.startswith("encoder.") or n == "head.bias"}
    optimizers = build_optimizers(model, Optimizer(name="muon", lr=1e-2))
    before = model.encoder[0][0].first.weight.detach().clone()
    assert math.isfinite(step(model, optimizers))
    assert torch.equal(before, model.encoder[0][0].first.weight)


def test_the_average_begins_again_where_it_was() -> None:
    """What a checkpoint holds of it is enough: as many steps count as before."""
    model, whole = nn.Linear(2, 2), []
    averages = [moving_average(model, decay=0.9)]
    for step in range(6):
        with torch.no_grad():
            model.weight.fill_(step**2)
        if step == 3:
            averages.append(moving_average(model, decay=0.9))
            averages[1].load_state_dict(averages[0].state_dict())
        for average in averages:
            average.update_parameters(model)
        whole.append(float(averages[0].module.weight[0, 0].detach()))
    assert torch.equal(averages[0].module.weight, averages[1].module.weight)
    wanted = 0.0
    for step in range(1, 6):
        share = 1 - min(0.9, (step + 1) / (step + 10))
        wanted += share * (step**2 - wanted)
        assert whole[step] == pytest.approx(wanted, rel=1e-5)
