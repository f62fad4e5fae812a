"""Backend: a network made ready on a device, whoever runs it; and one whose tiles a runtime for graphs computes.

Shapes: B batch, H × W pixels. Pictures are sRGB in [0, 1].
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol, TypeAlias, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor

from darnet import registry
from darnet.engines.pytorch import TorchBackend
from darnet.engines.tracing import BOX, DEGRADED, LEVELS, LOGITS, RESTORED
from darnet.errors import DarnetError, ResourceError, is_out_of_memory, one_line
from darnet.images.regions import RegionSource
from darnet.models.base import Context, Model, Output
from darnet.routing import Routing

#: Runs a graph: inputs by their names -> outputs by theirs.
Run: TypeAlias = Callable[[Mapping[str, Tensor]], Mapping[str, Tensor]]


@runtime_checkable  # as beartype must be able to ask
class Runtime(Protocol):
    """Loads graphs. A package adds its own by the entry point group `darnet.runtime`.

    `precision`: fp32 or bf16, in which it computes; or int8, of a graph that says so itself. What goes in and comes out
    is float32. `threads`: of the CPU.
    Raises MissingPackageError without its package, UsageError for a precision that it does not know, WeightsError for
    a file that is no graph of its.
    """

    def __call__(self, graph: Path, precision: str, threads: int) -> Run:
        """A graph, ready to run; from several threads at once."""
        ...


@runtime_checkable
class Backend(Protocol):
    """A network, made ready. Its calls raise ResourceError where memory runs out."""

    @property
    def model(self) -> Model:
        """The network."""
        ...

    def __call__(
        self,
        pictures: Float[Tensor, "B 3 H W"],
        context: Context | None = None,
        box: Float[Tensor, "B 4"] | None = None,
        gate: str | None = None,
    ) -> Output:
        """Run the network, by a gate if it has some."""
        ...

    def encode(self, pictures: Float[Tensor, "B 3 H W"]) -> Context:
        """What the network wants to know of whole pictures (`Model.look`)."""
        ...

    def look(self, source: RegionSource) -> Context:
        """The same of one picture that is read by region."""
        ...

    def measure(self, sample: Float[Tensor, "1 3 H W"], context: Context) -> Context:
        """The context with the statistics of a picture, by a sample of it, if layers measure any."""
        ...

    def running(self, model: Model) -> Backend:
        """Another network that shares the weights, such as this one told a kind."""
        ...


class GraphBackend:
    """A network whose tiles, or crops, a runtime computes by a graph (`darnet.engines.graphs`), on the CPU.

    What a network knows of whole pictures is made by torch. Several pictures at once are crops of one, or each is its
    own whole picture, which is torch's business as well. Raises what the runtime does.
    """

    def __init__(self, network: TorchBackend, graph: Path, runtime: str, precision: str = "fp32") -> None:
        self.network, self.graph, self.runtime, self.precision = network, graph, runtime, precision
        self._load()

    def _load(self) -> None:
        load: Runtime = registry.find("runtime", self.runtime)
        self._run = load(self.graph, self.precision, torch.get_num_threads())

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if name != "_run"}  # which no pickle can hold

    def __setstate__(self, state: Mapping[str, Any]) -> None:
        vars(self).update(state)
        self._load()

    @property
    def model(self) -> Model:
        """The network."""
        return self.network.model

    def encode(self, pictures: Float[Tensor, "B 3 H W"]) -> Context:
        """As by torch."""
        return self.network.encode(pictures)

    def look(self, source: RegionSource) -> Context:
        """As by torch."""
        return self.network.look(source)

    def measure(self, sample: Float[Tensor, "1 3 H W"], context: Context) -> Context:
        """As by torch."""
        return self.network.measure(sample, context)

    def running(self, model: Model) -> Backend:
        """By torch, unless it is this network."""
        return self if model is self.model else self.network.running(model)

    def __call__(
        self,
        pictures: Float[Tensor, "B 3 H W"],
        context: Context | None = None,
        box: Float[Tensor, "B 4"] | None = None,
        gate: str | None = None,
    ) -> Output:
        """Run the graph; by a gate, torch. Raises ResourceError where memory runs out, DarnetError for what else."""
        if gate is not None or (context is None and len(pictures) > 1):
            return self.network(pictures, context, box, gate)
        knows = (self.encode(pictures) if context is None else context).encoded
        # Crops of one picture all know the same (`Context.expand`), which their graph takes once.
        given = {DEGRADED: pictures, **{name: value[:1] for name, value in knows.items()}}
        if self.model.placed and box is not None:
            given[BOX] = box
        try:
            answers = self._run(given)
        except Exception as error:
            name = type(self.model).__name__
            if is_out_of_memory(error):
                size = "×".join(map(str, reversed(pictures.shape[2:])))
                raise ResourceError(f"{self.runtime}: out of memory on {size} pixels") from error
            raise DarnetError(f"{self.runtime} cannot run {name}: {one_line(error)}") from error
        return _output(answers)


def _output(answers: Mapping[str, Tensor]) -> Output:
    routings: Sequence[Routing] = [Routing.hard(answers[LOGITS])] if LOGITS in answers else []
    return Output(answers.get(RESTORED), tuple(routings), answers.get(LEVELS))
