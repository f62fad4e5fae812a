"""Who is measured: a system, or one network. Each is named by a string, so that any process can load it.

Shapes: H × W pixels, sRGB in [0, 1] (a float protocol's noise reaches beyond).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from darnet.benchmark.cases import TOGETHER, Case
from darnet.benchmark.protocol import Pixels
from darnet.engines.choosing import AUTO
from darnet.engines.pytorch import TORCH, TorchBackend
from darnet.models import cards
from darnet.registry import CLEAN
from darnet.restore.diagnosis import Diagnosis
from darnet.restore.experts import NetworkExpert, SelfEnsemble
from darnet.restore.restorer import Restorer
from darnet.restore.routers import Always, NetworkRouter, Router
from darnet.systems.loading import load_router
from darnet.systems.spec import load

COST_PX = 256
ORACLE, ROUTER, BEST, ONCE, AS, OTHER = ":oracle", ":router", ":best", ":once", ":as=", "@"
#: What stands before who runs the networks, and in which precision.
BY = "%"


class Answer(NamedTuple):
    """What a method made of a picture. `pixels` is None where it was only asked what is wrong.

    `left_alone`: whether the picture comes back as it was; None where nobody knows before comparing. `experts`: who
    repaired it, in order; None where nobody says.
    """

    pixels: Pixels | None
    diagnosis: Diagnosis | None = None
    left_alone: bool | None = None
    experts: tuple[str, ...] | None = None


class Cost(NamedTuple):
    """What a picture passes through: parameters, and 10⁹ multiply–accumulates at 256×256. None: no network."""

    params: int | None
    gmacs_256: float | None


class Method(ABC):
    """Anything that repairs a picture. `told` says what it knows beforehand: nothing, the kind (and level), a plan."""

    told: str | None = None

    @abstractmethod
    def __call__(self, observed: Pixels, case: Case) -> Answer:
        """Repair one picture. `case` is for methods that are told; a blind one may not look at it."""

    def networks(self, case: Case) -> tuple[nn.Module, ...]:
        """The networks that a picture of this kind passes through."""
        return ()

    def cost(self, case: Case) -> Cost:
        """Parameters and multiply–accumulates on the way of a 256×256 picture of this kind."""
        networks = self.networks(case)
        gmacs = self.gmacs(case, COST_PX)
        return Cost(parameters(networks) if networks else None, None if gmacs is None else round(gmacs, 3))

    def gmacs(self, case: Case, side_px: int) -> float | None:
        """10⁹ multiply–accumulates on the way of a picture of this kind with such sides; None where nobody counts."""
        if not self.networks(case):
            return None
        picture = torch.rand(3, side_px, side_px, generator=torch.Generator().manual_seed(0))
        with FlopCounterMode(display=False) as counter:
            self._pass_through(picture, case)
        return float(counter.get_total_flops()) / 2e9

    def _pass_through(self, picture: Pixels, case: Case) -> None:
        self(picture, case)


@dataclass
class System(Method):
    """A whole system, diagnosis included; what it is given is clipped, as in a file."""

    restorer: Restorer

    def __call__(self, observed: Pixels, case: Case) -> Answer:
        """Diagnose, and repair what was found."""
        result = self.restorer(observed.clamp(0, 1))
        return Answer(result.image, result.diagnosis, experts=result.experts)

    def networks(self, case: Case) -> tuple[nn.Module, ...]:
        """The router, and the expert for this damage; of several as many as there are steps."""
        experts = _expert_networks(self.restorer, case)[: self.restorer.max_steps]
        return _networks(self.restorer.router) + experts

    def _pass_through(self, picture: Pixels, case: Case) -> None:
        self.restorer.diagnose(picture)
        if experts := _serving(self.restorer, case):
            self.restorer(picture, kinds=experts[: self.restorer.max_steps])


@dataclass
class Oracle(Method):
    """A system that is told the kind: what a router that never errs would bring."""

    restorer: Restorer
    told = "kind"

    def __call__(self, observed: Pixels, case: Case) -> Answer:
        """Repair the kinds that the case has, in the system's order; leave alone what no expert serves."""
        experts = _serving(self.restorer, case)
        if not experts:
            return Answer(observed)
        return Answer(self.restorer(observed.clamp(0, 1), kinds=experts).image, experts=tuple(experts))

    def networks(self, case: Case) -> tuple[nn.Module, ...]:
        """The experts for this damage."""
        return _expert_networks(self.restorer, case)


@dataclass
class Prescribed(Method):
    """A system that is told which kinds to repair, in this order, whatever the damage is: a plan that may be wrong."""

    restorer: Restorer
    kinds: tuple[str, ...]
    told = "plan"

    def __call__(self, observed: Pixels, case: Case) -> Answer:
        """Repair what the plan says."""
        return Answer(self.restorer(observed.clamp(0, 1), kinds=self.kinds).image)

    def networks(self, case: Case) -> tuple[nn.Module, ...]:
        """The experts of the plan."""
        return _networks_of(self.restorer, self.kinds)


@dataclass
class OnlyRouter(Method):
    """A system that is asked what is wrong, and repairs nothing."""

    restorer: Restorer

    def __call__(self, observed: Pixels, case: Case) -> Answer:
        """Diagnose."""
        diagnosis = self.restorer.diagnose(observed.clamp(0, 1))
        return Answer(None, diagnosis, not self.restorer.planner.plan(diagnosis))

    def networks(self, case: Case) -> tuple[nn.Module, ...]:
        """The router."""
        return _networks(self.restorer.router)


@dataclass
class Network(Method):
    """One network as an expert, without a router, asked only for what it handles: if that is one kind, it is told."""

    expert: NetworkExpert
    told: str | None = "kind"

    def __call__(self, observed: Pixels, case: Case) -> Answer:
        """Run the network."""
        return Answer(self.expert(observed))

    def networks(self, case: Case) -> tuple[nn.Module, ...]:
        """The one."""
        return (self.expert.backend.model,)


@dataclass(frozen=True)
class Limited:
    """A router that knows only some kinds: the others' scores are left out, and clean is what is left."""

    router: Router
    kinds: tuple[str, ...]

    def __call__(self, pixels: Pixels) -> Diagnosis:
        """Diagnose with the kinds that are known."""
        whole = self.router(pixels)
        known = {kind: whole.scores[kind] for kind in self.kinds if kind != CLEAN}
        rest = {CLEAN: 1 - max(known.values(), default=0.0)} if CLEAN in self.kinds else {}
        return replace(whole, scores=rest | known)


def load_system(name: str, device: str) -> Method:
    """A system by `NAME`, or one of its variants, of which any may end in `%BACKEND` or `%BACKEND-PRECISION`.

    `NAME:best` (quality), `NAME:once` (one repair at most), `NAME:oracle`, `NAME:router`,
    `NAME:as=blur+noise` (told to repair these, in this order), `NAME:clean+noise` (a router limited to these kinds), or
    `NAME@FOLDER` (the router of another folder). By default torch runs it, whose figures are the same on every machine.
    Raises UnknownNameError or WeightsError.
    """
    name, by = split(name)
    backend, _, precision = by.partition("-")
    how: dict[str, Any] = {"device": device, "backend": backend or TORCH, "precision": precision or AUTO}
    if OTHER in name and not Path(name).exists():
        system, _, router = name.partition(OTHER)
        return System(replace(loaded(system, **how), router=load_router(Path(router), **how)))
    folder, _, variant = name.partition(":") if not Path(name).exists() else (name, "", "")
    if f":{variant}".startswith(AS):
        return prescribed(folder, variant.partition("=")[2].split(TOGETHER), **how)
    restorer = loaded(folder, quality="best" if f":{variant}" == BEST else "fast", **how)
    if f":{variant}" == ORACLE:
        return Oracle(restorer)
    if f":{variant}" == ROUTER:
        return OnlyRouter(restorer)
    if f":{variant}" == ONCE:
        return System(replace(restorer, max_steps=1))
    if variant and f":{variant}" != BEST:
        restorer = replace(restorer, router=Limited(restorer.router, tuple(variant.split("+"))))
    return System(restorer)


def split(name: str) -> tuple[str, str]:
    """A method without who runs it, and that; a variant stands before or behind it.

    >>> split("darnet:oracle%openvino-bf16"), split("darnet%torch:oracle"), split("darnet")
    (('darnet:oracle', 'openvino-bf16'), ('darnet:oracle', 'torch'), ('darnet', ''))
    """
    before, _, rest = (name, "", "") if Path(name).exists() else name.partition(BY)
    by, colon, variant = rest.partition(":")
    return f"{before}{colon}{variant}", by


def prescribed(name: str, kinds: Sequence[str], **how: Any) -> Method:
    """A system that follows a plan, and loads its experts alone. Raises UnknownNameError or WeightsError."""
    restorer = load(name, **how)
    plan = restorer.check(kinds)
    return Prescribed(replace(restorer, experts={kind: restorer.experts[kind] for kind in plan}), plan)


def loaded(name: str, **how: Any) -> Restorer:
    """A system all of whose experts are loaded: no picture's time is to have the loading of one in it."""
    restorer = load(name, **how)
    return replace(restorer, experts=dict(restorer.experts))


def load_network(folder: Path, device: str) -> Method:
    """A folder of weights. Raises WeightsError."""
    model, card = cards.load(folder)
    return Network(NetworkExpert(TorchBackend(model, device)), None if len(card.handles) > 1 else "kind")


def parameters(networks: Iterable[nn.Module]) -> int:
    """Of all of them; what networks share counts once."""
    return sum({id(weight): weight.numel() for network in networks for weight in network.parameters()}.values())


def _networks(router: Router) -> tuple[nn.Module, ...]:
    inner = router.router if isinstance(router, Limited) else router
    return (inner.backend.model,) if isinstance(inner, NetworkRouter) else ()


def _serving(restorer: Restorer, case: Case) -> list[str]:
    """The experts that a case's damage belongs to, in the system's order; an all-in-one network takes everything."""
    always = restorer.router.label if isinstance(restorer.router, Always) else None
    named = dict.fromkeys(always or kind for kind in reversed(case.kinds))
    return restorer.planner.ordered(name for name in named if name in restorer.experts)


def _expert_networks(restorer: Restorer, case: Case) -> tuple[nn.Module, ...]:
    if case.kind == CLEAN:
        return ()
    return _networks_of(restorer, _serving(restorer, case))


def _networks_of(restorer: Restorer, kinds: Iterable[str]) -> tuple[nn.Module, ...]:
    experts = [restorer.experts[kind] for kind in kinds]
    inner = [expert.expert if isinstance(expert, SelfEnsemble) else expert for expert in experts]
    return tuple(expert.backend.model for expert in inner if isinstance(expert, NetworkExpert))
