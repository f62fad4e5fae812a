"""Severity: how strong each kind of damage is in a whole picture, from what a network estimates of its crops.

Shapes: N crops of one picture, E kinds.
"""

from __future__ import annotations

import math

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from darnet.degradations import is_local
from darnet.models.abilities import Classifier
from darnet.models.base import Output
from darnet.registry import CLEAN
from darnet.restore.diagnosis import ABSENT, CERTAIN, PART

#: A severity that lies so many times outside the range which a router learnt: this is no picture of that kind.
FAR = 1.5
#: How much a crop counts for the severity of a kind that is certainly absent there.
DOUBT = 1e-3


def severities(
    model: Classifier, output: Output, presence: Float[Tensor, "N E"]
) -> tuple[dict[str, float], Bool[Tensor, " E"]]:
    """The severity of each kind in its unit, within its range, and which kinds lie so far outside that it is none.

    `presence`: of each kind in each crop, in [0, 1]. Crops count by the square of it. Of a kind that befell a part
    alone those count that are certain of it, if any is: many others with a little of it would outweigh a corner.
    """
    strange = torch.zeros(len(model.kinds), dtype=torch.bool, device=presence.device)
    if output.severities is None:
        return {}, strange
    certain = presence >= CERTAIN
    local = torch.tensor([is_local(kind) for kind in model.kinds], device=presence.device)
    partly = local & certain.any(dim=0) & ((presence < ABSENT).float().mean(dim=0) >= PART)
    weight = presence.square().clamp(min=DOUBT).where(certain | ~partly, 0.0)
    logs = (output.severities.float().log() * weight).sum(dim=0) / weight.sum(dim=0)
    found = {}
    for index, (kind, severity) in enumerate(zip(model.kinds, logs.exp().tolist(), strict=True)):
        low, high = model.ranges.get(kind, (0.0, math.inf))
        if not (math.isfinite(severity) and low / FAR <= severity <= high * FAR):
            strange[index] = kind != CLEAN
        elif kind != CLEAN:
            found[kind] = min(max(severity, low), high)
    return found, strange
