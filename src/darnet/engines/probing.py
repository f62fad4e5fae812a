"""Who computes a network rightly on this CPU, and in which time: backends are tried out.

Shapes: B batch, H × W pixels. Pictures are sRGB in [0, 1].
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median

import torch
from torch import Tensor

from darnet.engines.backend import Backend, GraphBackend
from darnet.engines.devices import INT8
from darnet.engines.pytorch import TORCH, TorchBackend
from darnet.errors import UsageError
from darnet.models.abilities import Classifier, Measuring
from darnet.models.base import Model

#: What is tried: tiles of these sides, of which the first is timed, or so many crops of this side; so often, after once
#: that does not count.
TILES_PX, CROPS, CROP_PX, TRIES = ((256, 256), (96, 320)), 16, 128, 3
#: How far from torch's float32 an answer may be: anywhere, in float32; as root mean square, in any other precision.
EXACT, CLOSE = 0.25 / 255, {"bf16": 0.75 / 255, INT8: 2 / 255}


@dataclass(frozen=True)
class Choice:
    """A backend and a precision; and what each that answered rightly took, in milliseconds."""

    backend: str
    precision: str
    milliseconds: Mapping[str, float]


@dataclass(frozen=True)
class Part:
    """A network and what is known of it.

    `graph`: that of a tile, if there is one; `losses`: dB that "backend precision" lose; `sha256`: of its weights;
    `quantised`: the graph in 8 bits.
    """

    model: Model
    graph: Path | None = None
    losses: Mapping[str, float] | None = None
    sha256: str = ""
    quantised: Path | None = None

    @property
    def has_graph(self) -> bool:
        """Whether graphs answer as it does: layers that measure a whole picture cannot in a graph of a tile."""
        return self.graph is not None and not isinstance(self.model, Measuring)


def prepared(part: Part, backend: str, precision: str) -> Backend:
    """A network on the CPU, by a backend in a precision. Raises UsageError for one that it has no graph of."""
    network = TorchBackend(part.model, "cpu", "bf16" if (backend, precision) == (TORCH, "bf16") else "fp32")
    graph = part.quantised if precision == INT8 else part.graph
    if backend == TORCH or part.graph is None:
        return network
    if graph is None:
        raise UsageError(f"`precision={precision!r}`: there is no such graph of this {type(part.model).__name__}")
    return GraphBackend(network, graph, backend, precision)


def probe(part: Part, allowed: Sequence[tuple[str, str]]) -> Choice:
    """Try backends and precisions, and take the fastest that answers rightly; torch's float32 is right.

    Where none does, it is torch, in the precision that comes first.
    """
    samples = _samples(part.model)
    exact = TorchBackend(part.model, "cpu", "fp32")
    right = [_answer(exact, sample) for sample in samples]
    milliseconds = dict[str, float]()
    for backend, precision in allowed:
        with suppress(Exception):  # not installed, or whatever somebody else's runtime brings
            tried = prepared(part, backend, precision)
            answers = (_answer(tried, sample) for sample in samples)
            if all(_is_right(answer, wanted, precision) for answer, wanted in zip(answers, right, strict=True)):
                milliseconds[f"{backend} {precision}"] = _time(partial(_answer, tried, samples[0]))
    if not milliseconds:
        return Choice(TORCH, allowed[0][1] if allowed else "fp32", {})
    backend, precision = min(milliseconds, key=milliseconds.__getitem__).split()
    return Choice(backend, precision, milliseconds)


def _samples(model: Model) -> list[Tensor]:
    """What a network is tried with, always the same: slopes with some grain, as tiles, or as crops of one picture."""
    rng = torch.Generator().manual_seed(0)
    pictures = []
    for sides in TILES_PX:
        coarse = torch.rand(1, 3, 9, 9, generator=rng)
        smooth = torch.nn.functional.interpolate(coarse, sides, mode="bilinear")
        pictures.append((smooth + 0.05 * torch.randn(smooth.shape, generator=rng)).clamp(0, 1))
    if not isinstance(model, Classifier):
        return pictures
    places = torch.randint(0, TILES_PX[0][0] - CROP_PX + 1, (CROPS, 2), generator=rng).tolist()
    return [torch.cat([pictures[0][:, :, top : top + CROP_PX, left : left + CROP_PX] for top, left in places])]


def _answer(backend: Backend, shown: Tensor) -> Tensor:
    """What a backend makes of a sample, as numbers of which 1 / 255 is little."""
    model, box = backend.model, torch.tensor([[0.0, 0.0, 1.0, 1.0]])
    context = backend.encode(shown[:1]).expand(len(shown))
    output = backend(shown, context, box if model.placed else None)
    if output.image is not None or not isinstance(model, Classifier):
        return torch.zeros(0) if output.image is None else output.image
    said = [model.verdict(output, len(shown)), model.verdict(output, 1)]
    levels = [] if output.severities is None else [output.severities.log()]
    return torch.cat([*said, *levels]).sigmoid()


def _is_right(answer: Tensor, right: Tensor, precision: str) -> bool:
    if answer.shape != right.shape or not bool(answer.isfinite().all()):
        return False
    off = answer.float().clamp(0, 1) - right.float().clamp(0, 1)
    if precision == "fp32":
        return float(off.abs().max()) <= EXACT
    return float(off.square().mean().sqrt()) <= CLOSE.get(precision, 0.0)


def _time(run: Callable[[], object]) -> float:
    return round(median(_seconds(run)) * 1e3, 2)


def _seconds(run: Callable[[], object]) -> Iterator[float]:
    for _ in range(TRIES):
        begun = time.perf_counter()
        run()
        yield time.perf_counter() - begun
