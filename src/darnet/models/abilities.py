"""What some networks can do beside `forward` and `encode`: an abstract class each.

Whoever needs one asks for it (`isinstance(model, Gated)`), and never for a network by its name. A network of another
package derives from those that it has, and from `Model` where it has none.

Shapes: B batch, D embedding, E kinds, F features, P pictures that B crops are of, H × W pixels. Pictures are sRGB in
[0, 1].
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import ClassVar, final

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from darnet.models.base import Context, Model, Output
from darnet.registry import CLEAN

#: In `Watched.parts`: maps of the whole picture, by its context, and of what `forward` is given to repair.
WHOLE, TILE = "whole", "tile"


class Classifier(Model):
    """Names the damage of whole pictures: what a router is made of. Its output has routings, and mostly no image."""

    ranges: Mapping[str, tuple[float, float]] = MappingProxyType({})  #: severities of each kind that it knows

    @property
    @abstractmethod
    def several(self) -> bool:
        """Whether several kinds may be present at once; else it names one."""

    @abstractmethod
    def verdict(self, output: Output, crops: int) -> Float[Tensor, "P E"]:
        """Logits of P whole pictures, from the output for `crops` crops of each, in a row."""

    @final
    def presence(self, logits: Float[Tensor, "P E"], absent: Bool[Tensor, " E"] | None = None) -> Float[Tensor, "P E"]:
        """How certain each kind is by itself, in [0, 1], from the logits of a verdict; 0 for those that are `absent`.

        The sigmoid of how far a logit lies above that of clean. Where kinds exclude each other (not `several`), above
        every other: one kind is then present at most. Clean is what the most certain kind leaves.
        """
        clean = self.kinds.index(CLEAN) if CLEAN in self.kinds else None
        if self.several and clean is not None:
            found = (logits - logits[:, clean, None]).sigmoid()
        elif logits.shape[1] > 1:
            best = logits.topk(2, dim=1).values
            found = (logits - torch.where(logits == best[:, :1], best[:, 1:], best[:, :1])).sigmoid()
        else:
            found = torch.ones_like(logits)
        if absent is not None:
            found = found.masked_fill(absent, 0)
        if clean is not None:
            found[:, clean] = 0
            found[:, clean] = 1 - found.amax(dim=1)
        return found


class Calibrated(Classifier):
    """A classifier whose verdict is linear in some evidence, and fitted after training.

    `darnet.training.calibration` does that. What is fitted are no parameters: no optimiser moves it.
    """

    clean: int | None  #: the kind that means that none is there
    weighing: Float[Tensor, "E F"]
    bias: Float[Tensor, " E"]

    @abstractmethod
    def evidence(self, output: Output, crops: int) -> Float[Tensor, "P F"]:
        """What a verdict on P pictures is made of. Raises ValueError where the output has not all of it."""

    @abstractmethod
    def measure_from_clean(self) -> None:
        """From now on the logit of clean is 0, whatever is seen, and others say how far they lie above it."""


class FeatureExtractor(Model):
    """Says what it sees in crops before it names anything: by that exemplars are chosen."""

    @abstractmethod
    def summarise(self, degraded: Float[Tensor, "B 3 H W"], context: Context | None = None) -> Float[Tensor, "B F"]:
        """The features of each crop and its picture."""


class Conditional(Model):
    """Repairs better where it is told which kind of damage a picture has, and need not find out."""

    @abstractmethod
    def told(self, kind: str) -> Model:
        """The network for pictures that are known to have one kind, sharing these weights.

        Itself for a kind that it does not know.
        """


class Gated(Model):
    """Chooses between its experts in several ways, of which a stage of training names one."""

    gates: ClassVar[tuple[str, ...]]  #: their names; the first is that of inference, and of weights that ship

    @abstractmethod
    def forward(
        self,
        degraded: Float[Tensor, "B 3 H W"],
        context: Context | None = None,
        box: Float[Tensor, "B 4"] | None = None,
        gate: str | None = None,
    ) -> Output:
        """As of every network, by one of the gates, or else by that of inference. Raises ValueError for no such."""


class Watched(Model):
    """Can be watched while it runs, from outside (`darnet.analysis.features`)."""

    @abstractmethod
    def parts(self) -> Mapping[str, Mapping[str, nn.Module]]:
        """What works side by side at each stage, by name.

        A ModuleList holds the experts that the stage's routing chooses from. Parts at WHOLE and at TILE, where no
        block is, make maps of the picture that guide blocks.
        """


class SelfUpdating(Model):
    """Has weights that no gradient moves: they follow what is learnt, by a moving average."""

    @abstractmethod
    def after_step(self, embeddings: Sequence[Float[Tensor, "B D"]] = (), gate: str | None = None) -> None:
        """Run once after every optimiser step.

        `embeddings`: those of the step's routings that were read off a sphere, of all processes. `gate`: by which it
        was taken.
        """


class Measuring(Model):
    """Has layers that measure statistics over a whole picture, which tiles would each measure otherwise."""

    @abstractmethod
    def measure(self, sample: Float[Tensor, "1 3 H W"], context: Context) -> Context:
        """The context of one picture, with the statistics that layers take of a sample of it (or of all of it)."""


class Adopting(Model):
    """Can begin with the weights of a network of another shape: one that knows fewer kinds, or has fewer blocks."""

    @abstractmethod
    def adopt(self, other: Model) -> None:
        """Take them over. Raises RuntimeError or ValueError where the shapes have too little in common."""
