"""Whose way a picture with two kinds of damage takes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import torch
from torch import nn

from benchmark_rows import row as a_row
from darnet.benchmark.methods import Answer, Method
from darnet.benchmark.peers import Identity
from darnet.benchmark.protocol import PROTOCOLS
from darnet.benchmark.rows import PerImage
from darnet.benchmark.suites.composite import cases
from darnet.benchmark.suites.paths import BOTH, EVERY, NEITHER, paths
from darnet.models.abilities import Watched
from darnet.models.base import Context, Output
from darnet.routing import Routing


class Looks(Watched):
    """Four stages: what is dark, what is rough, what is both, and one that sends all the same way."""

    stages = ("dark", "rough", "dark and rough", "blind")

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Conv2d(3, 3, 1)

    def encode(self, views: torch.Tensor) -> Context:
        return Context({"views": views})

    def forward(
        self, degraded: torch.Tensor, context: Context | None = None, box: torch.Tensor | None = None
    ) -> Output:
        dark = degraded.mean(dim=(1, 2, 3)) < 0.25
        rough = (degraded[..., 1:] - degraded[..., :-1]).abs().mean(dim=(1, 2, 3)) > 0.03
        chosen = (dark, rough, dark & rough, torch.zeros_like(dark))
        return Output(degraded, tuple(Routing.hard(torch.stack([~c, c], dim=1).float()) for c in chosen))

    def parts(self) -> Mapping[str, Mapping[str, nn.Module]]:
        return {"dark": {"experts": self.layer}}


class Routed(Method):
    def __call__(self, observed: torch.Tensor, case: object) -> Answer:
        return Answer(observed)

    def networks(self, case: object) -> tuple[nn.Module, ...]:
        return (nn.Conv2d(1, 1, 1), Looks())


def test_whose_way_a_composite_takes(sets_root: Path) -> None:
    images = (PerImage("0.png"), PerImage("1.png"), PerImage("2.png", error="no file"))
    row = a_row("looks", kind="lowlight+noise", per_image=images)
    rows = [row, replace(row, method="other"), replace(row, kind="blur+noise", per_image=images[2:])]
    (found,) = paths(rows, {"looks": Routed(), "other": Identity()}, cases(sets_root), PROTOCOLS["promptir"], "cpu")
    assert (found.method, found.kind, found.pictures) == ("looks", "lowlight+noise", 2)
    whose = {stage: max(row, key=row.get) for stage, row in found.places.items() if stage != EVERY}
    assert whose == {"dark": "lowlight", "rough": "noise", "dark and rough": NEITHER, "blind": BOTH}
    assert {max(row.values()) for stage, row in found.places.items() if stage != EVERY} == {1}
    assert found.places[EVERY] == {"lowlight": 0.25, "noise": 0.25, BOTH: 0.25, NEITHER: 0.25}
