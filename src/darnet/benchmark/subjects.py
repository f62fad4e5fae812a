"""A network that is looked into: what it answers of one picture, apart from any system.

Shapes: H × W pixels. Pictures are sRGB in [0, 1].
"""

from __future__ import annotations

from dataclasses import dataclass

from darnet.benchmark.protocol import Pixels
from darnet.engines.pytorch import TorchBackend
from darnet.errors import DarnetError
from darnet.images.regions import Region
from darnet.images.tiles import pad_to
from darnet.models.base import Model, Output

#: Of a larger picture the centre is looked at: resizing would destroy what noise and blur are known by.
LONGEST_PX = 768


@dataclass(frozen=True)
class Subject:
    """A network that is looked into: what it is called, and the kinds of damage it is for."""

    name: str
    kinds: tuple[str, ...]
    backend: TorchBackend
    gate: str | None = None  # of those of the network; none: that of inference, or it has none

    @property
    def model(self) -> Model:
        """The network."""
        return self.backend.model

    def __call__(self, pixels: Pixels) -> Output:
        """What it says of the centre of a picture, knowing the whole. Raises DarnetError for what is not finite."""
        shown, context = middle(pixels), self.backend.encode(pixels[None])
        padded = pad_to(shown.cut(pixels), self.model.multiple_of)
        output = self.backend(padded[None], context, shown.box(*pixels.shape[1:]), self.gate)
        answers = [output.image, *(routing.logits for routing in output.routings)]
        if not all(bool(answer.isfinite().all()) for answer in answers if answer is not None):
            raise DarnetError(f"{self.name}: the network answered with values that are not finite")
        return output

    def expert(self, index: int, count: int) -> str:
        """What one of `count` experts is called."""
        return self.model.kinds[index] if count == len(self.model.kinds) else str(index)


def centre(pixels: Pixels) -> Pixels:
    """The middle of a picture, at native resolution, no side longer than LONGEST_PX."""
    return middle(pixels).cut(pixels)


def middle(pixels: Pixels) -> Region:
    """Where `centre` lies."""
    height, width = (min(side, LONGEST_PX) for side in pixels.shape[1:])
    return Region((pixels.shape[1] - height) // 2, (pixels.shape[2] - width) // 2, height, width)
