"""The contracts of models, experts, routers and degradations, for darnet's own tests and for those of plug-ins.

Each check raises ContractError with a line that says what is wrong, whether or not `python -O` skips assertions.

Shapes: H × W pixels, sRGB in [0, 1].
"""

from __future__ import annotations

import inspect
import math
from pathlib import Path
from tempfile import TemporaryDirectory
from types import FunctionType

import torch
from torch import Generator, Tensor, nn

from darnet.degradations import Degradation
from darnet.errors import ContractError
from darnet.models import cards
from darnet.models.abilities import Gated, Watched
from darnet.models.base import Model, Output
from darnet.restore.experts import Expert
from darnet.restore.routers import Router

#: Sizes nobody plans for.
AWKWARD_SIZES = ((37, 31), (1, 1), (8, 129), (64, 64))


def check_model(model: Model, *, kind: str, config: dict[str, object]) -> None:
    """Finality, determinism, batch independence, gradients, named routings, no state, a round trip through a card.

    `kind` and `config` are the registry name and the constructor's arguments that made `model`.
    """
    check_is_final(type(model))
    side = 8 * model.multiple_of
    pictures = torch.rand(3, 3, side, side, generator=Generator().manual_seed(0))
    check_gradients(model, pictures)
    model.eval()
    check_leaves_no_state(model, pictures)
    with torch.inference_mode():
        output = model(pictures)
        together, again = tensors(output), tensors(model(pictures))
        alone = [torch.cat(parts) for parts in zip(*(tensors(model(p[None])) for p in pictures), strict=True)]
    _require(len(model.stages) == len(output.routings), "stages does not name where each routing is decided")
    _require_equal(together, again, 0, "the same pictures give another answer the second time")
    _require_equal(together, alone, 1e-4, "a batch gives another answer than its pictures one by one")
    check_round_trip(model, pictures, kind, config)


def check_is_final(network: type[Model]) -> None:
    """It derives from abstract classes only, and overrides no method of theirs that has a body."""
    line = [kind for kind in network.__mro__ if issubclass(kind, Model)]
    for index, kind in enumerate(line):
        for base in line[index + 1 :]:
            _require(inspect.isabstract(base), f"{kind.__name__} derives from {base.__name__}, which is not abstract")
            for name in sorted({*vars(kind)} & {*vars(base)}):
                own = vars(base)[name]
                finished = isinstance(own, FunctionType | property) and not getattr(own, "__isabstractmethod__", False)
                _require(name.startswith("__") or not finished, f"{kind.__name__} overrides {base.__name__}.{name}")


def wake(model: Model, std: float = 0.05) -> None:
    """Move weights that start at zero by noise: they block the gradients before them, and hide what happens there."""
    rng = Generator().manual_seed(1)
    with torch.no_grad():
        for weight in model.parameters():
            if not bool(weight.any()):
                weight.add_(std * torch.randn(weight.shape, generator=rng))


def check_gradients(model: Model, pictures: Tensor) -> None:
    """Every parameter that may learn gets a finite gradient from what the model returns, under each of its gates.

    But for experts inside a network (`Watched.parts`) that none of the pictures is sent to.
    """
    model.train()
    wake(model)
    for gate in model.gates if isinstance(model, Gated) else (None,):
        _check_gradients(model, pictures, **({} if gate is None else {"gate": gate}))


def _check_gradients(model: Model, pictures: Tensor, **gate: str) -> None:
    output = model(pictures, **gate)
    loss = torch.stack([tensor.float().square().mean() for tensor in tensors(output)]).sum()
    model.zero_grad(set_to_none=True)
    loss.backward()  # type: ignore[no-untyped-call]
    idle = _idle(model, output)
    for name, weight in model.named_parameters():
        if weight.requires_grad and not any(weight is other for other in idle):
            if weight.grad is None:
                raise ContractError(f"parameter {name} gets no gradient: is it used?")
            _require(bool(weight.grad.isfinite().all()), f"parameter {name} gets a gradient that is not finite")
    model.zero_grad(set_to_none=True)


def _idle(model: Model, output: Output) -> list[Tensor]:
    """Parameters of the experts that serve nobody."""
    found: list[Tensor] = []
    parts = model.parts() if isinstance(model, Watched) else {}
    for stage, routing in zip(model.stages, output.routings, strict=False):  # checked by itself
        experts = [part for part in parts.get(stage, {}).values() if isinstance(part, nn.ModuleList)]
        for served, *choices in zip(routing.weights.sum(dim=0).tolist(), *experts, strict=True):
            found += [] if served else [weight for choice in choices for weight in choice.parameters()]
    return found


def check_leaves_no_state(model: Model, pictures: Tensor) -> None:
    """In evaluation, `forward` leaves nothing behind on any module."""
    before = [{key: id(value) for key, value in vars(module).items()} for module in model.modules()]
    values = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    with torch.inference_mode():
        model(pictures)
    after = [{key: id(value) for key, value in vars(module).items()} for module in model.modules()]
    _require(before == after, "forward leaves state on a module")
    for name, tensor in model.state_dict().items():
        _require(torch.equal(tensor, values[name]), f"forward changes {name} in evaluation mode")


def check_round_trip(model: Model, pictures: Tensor, kind: str, config: dict[str, object]) -> None:
    """A model that is saved with its card and loaded again gives the same answer."""
    with TemporaryDirectory() as folder, torch.inference_mode():
        cards.save(model, cards.Card(name="check", kind=kind, config=config, dtype="float32"), Path(folder))
        loaded, _ = cards.load(Path(folder))
        # Weights that lie elsewhere in memory are added up in another order.
        _require_equal(tensors(model(pictures)), tensors(loaded(pictures)), 1e-6, "loading changes the answer")


def check_expert(expert: Expert) -> None:
    """Any size; the same shape and range out; finite; the same answer twice; the input untouched."""
    for height, width in AWKWARD_SIZES:
        pixels = torch.rand(3, height, width, generator=Generator().manual_seed(0))
        given = pixels.clone()
        restored = expert(pixels)
        _require(torch.equal(pixels, given), "the expert changes its input")
        _require(restored.shape == pixels.shape, f"{tuple(pixels.shape)} comes back as {tuple(restored.shape)}")
        _require(bool(restored.isfinite().all()), "the expert answers with pixels that are not finite")
        _require(0 <= float(restored.min()) <= float(restored.max()) <= 1, "the expert leaves [0, 1]")
        _require(torch.equal(restored, expert(pixels)), "the expert answers differently the second time")


def check_router(router: Router) -> None:
    """Any size; the same kinds, scores in [0, 1], finite severities; the same answer twice; the input untouched."""
    kinds: set[str] | None = None
    for height, width in AWKWARD_SIZES:
        pixels = torch.rand(3, height, width, generator=Generator().manual_seed(0))
        given = pixels.clone()
        diagnosis = router(pixels)
        _require(torch.equal(pixels, given), "the router changes its input")
        _require(kinds in (None, set(diagnosis.scores)), "the router knows other kinds in another picture")
        kinds = set(diagnosis.scores)
        _require(all(0 <= score <= 1 for score in diagnosis.scores.values()), "a score leaves [0, 1]")
        _require(all(math.isfinite(severity) for severity in diagnosis.severities.values()), "a severity is not finite")
        _require(router(pixels).scores == diagnosis.scores, "the router answers differently the second time")


def check_degradation(degradation: Degradation) -> None:
    """Seeded, pure, in range, batched: each sample of a batch is degraded with its own parameters."""
    for height, width in AWKWARD_SIZES:
        clean = torch.rand(2, 3, height, width, generator=Generator().manual_seed(0))
        given = clean.clone()

        def run(seed: int, clean: Tensor = clean) -> Tensor:
            rng = Generator().manual_seed(seed)
            return degradation.apply(clean, degradation.draw(len(clean), rng), rng)

        degraded = run(1)
        _require(torch.equal(clean, given), f"{degradation.kind} changes its input")
        _require(degraded.shape == clean.shape, f"{degradation.kind} changes the shape to {tuple(degraded.shape)}")
        _require(torch.equal(degraded, run(1)), f"{degradation.kind} is not reproducible under its seed")
        _require(0 <= float(degraded.min()) <= float(degraded.max()) <= 1, f"{degradation.kind} leaves [0, 1]")
    parameters = _check_parameters(degradation)
    _check_samples_are_separate(degradation, parameters)


def _check_samples_are_separate(degradation: Degradation, parameters: Tensor) -> None:
    """Other parameters for the last sample change the last sample, and no other."""
    clean = torch.rand(2, 3, 24, 24, generator=Generator().manual_seed(0))
    results = [
        degradation.apply(clean, parameters[[0, last]], Generator().manual_seed(1))
        for last in (int(parameters.sum(dim=1).argmin()), int(parameters.sum(dim=1).argmax()))
    ]
    _require(torch.equal(results[0][0], results[1][0]), "a sample is degraded with the parameters of another")
    if bool((parameters != parameters[0]).any()):
        _require(not torch.equal(results[0][1], results[1][1]), "a sample is not degraded with its own parameters")


def _check_parameters(degradation: Degradation) -> Tensor:
    parameters = degradation.draw(64, Generator().manual_seed(2))
    _require(parameters.shape == (64, len(degradation.parameters)), "draw gives another shape than (count, P)")
    for index, name in enumerate(degradation.parameters):
        low, high = getattr(degradation, name)
        column = parameters[:, index]
        _require(low - 1e-4 <= float(column.min()) <= float(column.max()) <= high + 1e-4, f"{name} leaves its range")
    _require(degradation.severity(parameters).shape == (64,), "severity gives another shape than (count,)")
    return parameters


def tensors(output: Output) -> list[Tensor]:
    """Everything a forward pass says that has a gradient, as a list."""
    found: list[Tensor | None] = [output.image, output.severities, output.kinds]
    for routing in output.routings:
        found += [routing.logits, routing.embedding]
    return [tensor for tensor in found if tensor is not None]


def _require_equal(first: list[Tensor], second: list[Tensor], tolerance: float, message: str) -> None:
    _require(len(first) == len(second), message)
    for one, other in zip(first, second, strict=True):
        _require(one.shape == other.shape, f"{message}: shapes {tuple(one.shape)} and {tuple(other.shape)}")
        # Rounding grows with what is rounded: answers beyond 1 are compared by their own size.
        allowed = tolerance * max(1.0, float(one.detach().abs().max()))
        _require(
            torch.allclose(one, other, rtol=0, atol=allowed), f"{message}: by {float((one - other).abs().max()):g}"
        )


def _require(kept: bool, broken: str) -> None:
    if not kept:
        raise ContractError(broken)
