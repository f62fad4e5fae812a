"""Who serves which damage, block by block, inside a network that routes (Fig. 6 of DaAIR, Fig. 4 of SLER-IR).

A network says itself where it routes: `Model.stages`. Experts have the name of their kind where there is one for each
kind, and a number otherwise.

Shapes: E experts, K stages, N pictures, H × W pixels. Pictures are sRGB in [0, 1].
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from darnet.benchmark.cases import Case, cases, is_of_one_kind, severities
from darnet.benchmark.protocol import DEFAULT, PROTOCOLS
from darnet.benchmark.provenance import commit
from darnet.benchmark.subjects import LONGEST_PX, Subject
from darnet.engines.devices import environment, pick_device
from darnet.engines.pytorch import TorchBackend
from darnet.errors import NoInputError, UnknownNameError, UsageError
from darnet.models import cards
from darnet.models.abilities import Gated
from darnet.registry import kinds_of
from darnet.systems import manifest

PROTOCOL = PROTOCOLS[DEFAULT]

Document = dict[str, Any]
Weights = tuple[float, ...]


def subjects(name: str, device: str = "auto") -> list[Subject]:
    """The network of a folder of weights, or those of a system's experts, each once. In float32.

    Raises UnknownNameError, WeightsError or UsageError (device).
    """
    if (Path(name) / cards.CARD).is_file():
        return [_load(name, Path(name), device)]
    system, folder = manifest.read_system(name)
    found = {part: manifest.part(folder, part) for part in system.experts.values()}
    networks = {part: path for part, path in found.items() if cards.read_reference(path) is None}
    return [_load(name if len(networks) == 1 else f"{name}/{part}", path, device) for part, path in networks.items()]


def routed(name: str, device: str = "auto") -> list[Subject]:
    """Those of `subjects` that route. Raises UsageError where none does, or where one is for no kind of damage."""
    found = [subject for subject in subjects(name, device) if subject.model.stages]
    if not found:
        raise UsageError(f"{name}: does not route: no block of it chooses between experts")
    for subject in found:
        if not subject.kinds:
            raise UsageError(f"{subject.name}: neither the network nor its card names a kind of damage to show it")
    return found


def under(subject: Subject, gates: Iterable[str]) -> list[Subject]:
    """The network under each of several gates, called after them; without any, as it ships. Raises UnknownNameError."""
    wanted = list(dict.fromkeys(gates))
    known = subject.model.gates if isinstance(subject.model, Gated) else ()
    for gate in wanted:
        if gate not in known:
            raise UnknownNameError(f"gate of {subject.name}", gate, known)
    return [replace(subject, name=f"{subject.name} ({gate})", gate=gate) for gate in wanted] or [subject]


def only(subject: Subject, kinds: Iterable[str]) -> Subject:
    """The network, looked at for some of its kinds; without any, for all. Raises UnknownNameError."""
    wanted = list(dict.fromkeys(kinds_of(kinds)))
    for kind in wanted:
        if kind not in subject.kinds:
            raise UnknownNameError(f"kind of {subject.name}", kind, subject.kinds)
    return replace(subject, kinds=tuple(wanted) or subject.kinds)


def choose(kinds: Iterable[str], root: Path, limit: int | None = None) -> tuple[list[Case], dict[str, str]]:
    """Pictures of every kind: photos damaged at the middle of its severities, and pairs. And why a kind has none.

    limit: how many pictures of a set at the most. Raises NoInputError where no kind has any.
    """
    chosen: list[Case] = []
    left_out: dict[str, str] = {}
    for kind in kinds_of(kinds):
        if not is_of_one_kind(kind):
            left_out[kind] = f"no test set of {kind} is known"
            continue
        damage = severities(kind)
        wanted = (None, *damage[len(damage) // 2 :][:1])
        try:
            chosen += [case for case in cases(kind, root, (), limit) if case.degradation in wanted]
        except NoInputError as error:
            left_out[kind] = str(error)
    if not chosen:
        raise NoInputError("; ".join(dict.fromkeys(left_out.values())))
    return chosen, left_out


class Passage(NamedTuple):
    """How one picture went through: the weight of every expert, block by block."""

    case: Case
    weights: tuple[Weights, ...]


def follow(subject: Subject, case: Case) -> Passage:
    """Which experts serve a picture. Raises what loading and running raise."""
    output = subject(case.load(PROTOCOL).observed)
    return Passage(case, tuple(tuple(routing.weights[0].tolist()) for routing in output.routings))


def summary(subject: Subject, passages: Sequence[Passage]) -> Document:
    """What experts serve, block by block, and the path of every picture."""
    pictures = counted(subject, (case for case, _ in passages))
    blocks = [
        {"name": stage, **_block(subject, list(pictures), [(case.kind, weights[index]) for case, weights in passages])}
        for index, stage in enumerate(subject.model.stages)
    ]
    return {
        "model": subject.name,
        "gate": subject.gate,
        "pictures": pictures,
        "blocks": blocks,
        "flows": _flows(subject, list(pictures), passages),
        "paths": [_path(subject, passage) for passage in passages],
    }


def counted(subject: Subject, seen: Iterable[Case]) -> dict[str, dict[str, int]]:
    """Kind -> set -> how many pictures, in the network's order of kinds."""
    counts = Counter((case.kind, case.set) for case in seen)
    sets = {kind: {name: count for (of, name), count in counts.items() if of == kind} for kind in subject.kinds}
    return {kind: found for kind, found in sets.items() if found}


def identity(case: Case) -> Document:
    """Which picture it is."""
    return {"set": case.set, "name": case.name, "kind": case.kind, "level": case.severity}


def circumstances(device: str) -> Document:
    """What a reader needs to trust or repeat what was seen."""
    return {"commit": commit(), "machine": environment(pick_device(device)), "longest_px": LONGEST_PX}


def _load(name: str, folder: Path, device: str) -> Subject:
    model, card = cards.load(folder)
    gate = model.gates[0] if isinstance(model, Gated) else None
    return Subject(name, model.kinds or card.handles, TorchBackend(model, device, "fp32"), gate)


def _block(subject: Subject, kinds: Sequence[str], served: Sequence[tuple[str, Weights]]) -> Document:
    """What the experts of one block serve.

    shares: damage -> expert -> mean of its weight over the pictures; for hard routing the share of them that it serves.
    accuracy: the share that goes to the expert of its kind, each kind counting alike; None where experts have no kinds.
    purity: the same if each expert were for the kind that it serves most; which one is arbitrary (§5).
    chance: accuracy of experts that are drawn, or of one that serves all.
    """
    means = torch.stack([torch.tensor([weights for name, weights in served if name == kind]).mean(0) for kind in kinds])
    experts = [subject.expert(index, means.shape[1]) for index in range(means.shape[1])]
    shares = {kind: dict(zip(experts, row, strict=True)) for kind, row in zip(kinds, means.tolist(), strict=True)}
    own = [shares[kind][kind] for kind in kinds if kind in experts]
    return {
        "accuracy": round(sum(own) / len(own), 4) if own else None,
        "purity": round(float(means.amax(dim=0).sum()) / len(kinds), 4),
        "chance": round(1 / len(experts), 4),
        "shares": {kind: {name: round(share, 4) for name, share in row.items()} for kind, row in shares.items()},
    }


def _path(subject: Subject, passage: Passage) -> Document:
    """The strongest expert of every block."""
    experts = [subject.expert(row.index(max(row)), len(row)) for row in passage.weights]
    return {**identity(passage.case), "experts": experts}


def _flows(subject: Subject, kinds: Sequence[str], passages: Sequence[Passage]) -> Document | None:
    """Damage -> between each stage and the next, from expert (row) to expert (column): how much goes that way.

    The mean over the pictures of w[stage, from] · w[stage + 1, to]. For hard routing it is the share of pictures; for
    soft routing, the chance of going that way where each stage draws its expert by its weights. None where experts
    stand for kinds, or stages have different numbers of them: there are no common paths to draw.
    """
    widths = {len(row) for _, weights in passages for row in weights}
    if len(widths) > 1 or len(subject.model.stages) < 2 or subject.expert(0, *widths) != "0":
        return None

    def flow(kind: str) -> list[list[list[float]]]:
        weights: Float[Tensor, "N K E"] = torch.tensor([weights for case, weights in passages if case.kind == kind])
        steps = [torch.einsum("ni,nj->ij", *step) / len(weights) for step in pairwise(weights.unbind(1))]
        return [[[round(share, 4) for share in row] for row in step.tolist()] for step in steps]

    return {kind: flow(kind) for kind in kinds}
