"""What each part of a network makes of one picture, stage by stage (Fig. 7 of DaAIR; the maps of SLER-IR §3.4).

A network says itself what works where: `Watched.parts`. It is watched from outside, for the time of one call;
nothing is stored on it.

Shapes: F features, H × W pixels, h × w of a map. Pictures are sRGB in [0, 1].
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import Any, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn

from darnet.analysis.inspection import Document, subjects
from darnet.benchmark.protocol import Pixels
from darnet.benchmark.subjects import Subject, centre
from darnet.errors import UsageError
from darnet.images.tiles import pad_to
from darnet.models.abilities import TILE, WHOLE, Watched

#: Of a map's pixels, one hundredth is darker than what is drawn black, and one brighter than what is drawn white.
TAILS = (0.01, 0.99)

Energy = Float[Tensor, "h w"]
Key = tuple[str, str, int | None]
Extent = tuple[float, float, float, float]  # left, right, bottom and top of a map, in pixels of what is shown


class Map(NamedTuple):
    """How much a part makes of the features, pixel by pixel: their root mean square.

    What guides the blocks is told by where the picture differs from itself: there the mean over the map is taken off
    first. Its features are normalised, so that their own root mean square is nearly the same everywhere.
    """

    stage: str
    part: str
    expert: str | None  # which of several
    energy: Energy
    extent: Extent

    @property
    def guides(self) -> bool:
        """Whether it belongs to the picture, and not to a block."""
        return self.stage in (WHOLE, TILE)

    def limits(self) -> tuple[float, float]:
        """What is drawn black, and what white."""
        low, high = torch.quantile(self.energy.flatten(), torch.tensor(TAILS)).tolist()
        return low, high

    def to_dict(self) -> Document:
        """JSON form, without the pixels."""
        figures = (float(self.energy.mean()), float(self.energy.std(correction=0)), *self.limits())
        named = zip(("mean", "std", "low", "high"), figures, strict=True)
        rounded = {name: float(f"{figure:.4g}") for name, figure in named}
        return {"place": self.stage, "part": self.part, "expert": self.expert, **rounded}


class Features(NamedTuple):
    """What was shown, what came out, and what the parts made of it on the way."""

    shown: Pixels
    restored: Pixels | None
    maps: tuple[Map, ...]


def watched(name: str, device: str = "auto") -> Subject:
    """The network of a folder or system that has parts to watch. Raises UsageError for none, or several."""
    found = [subject for subject in subjects(name, device) if _parts(subject)]
    if not found:
        raise UsageError(f"{name}: has no parts to watch, such as experts inside its blocks")
    if len(found) > 1:
        raise UsageError(f"{name}: several networks can be watched; give one ({', '.join(s.name for s in found)})")
    return found[0]


def look_inside(subject: Subject, pixels: Pixels) -> Features:
    """Maps of the first block of each stage and of the last of all; where experts are routed, of the chosen one.

    And the maps that guide them all.
    """
    parts = _parts(subject)
    first = {stage.partition(".")[0]: stage for stage in reversed([*parts])}
    wanted = {stage: named for stage, named in parts.items() if stage in (*first.values(), [*parts][-1])}
    with watching(wanted) as seen:
        output = subject(pixels)
    shown = centre(pixels)
    (whole_height, whole_width), (height, width) = pixels.shape[1:], shown.shape[1:]
    padded = pad_to(shown, subject.model.multiple_of).shape[1:]
    routings = dict(zip(subject.model.stages, output.routings, strict=True))

    def lies(stage: str, energy: Energy) -> tuple[Energy, Extent]:
        """Without what the picture was padded by, and what is left."""
        if stage == WHOLE:
            above, before = float((whole_height - height) // 2), float((whole_width - width) // 2)
            return energy, (-before, whole_width - before, whole_height - above, -above)
        down, across = (side / cells for side, cells in zip(padded, energy.shape, strict=True))
        rows, columns = math.ceil(height / down), math.ceil(width / across)
        return energy[:rows, :columns], (0.0, columns * across, rows * down, 0.0)

    maps = []
    for stage, named in wanted.items():
        for part, module in named.items():
            index, expert = None, None
            if isinstance(module, nn.ModuleList):
                weights = routings[stage].weights[0]
                index = int(weights.argmax())
                expert = subject.expert(index, len(weights))
            maps.append(Map(stage, part, expert, *lies(stage, seen[stage, part, index])))
    restored = None if output.image is None else output.image[0, :, :height, :width].float().cpu().clamp(0, 1)
    return Features(shown, restored, tuple(maps))


def _parts(subject: Subject) -> Mapping[str, Mapping[str, nn.Module]]:
    return subject.model.parts() if isinstance(subject.model, Watched) else {}


@contextmanager
def watching(parts: Mapping[str, Mapping[str, nn.Module]]) -> Iterator[dict[Key, Energy]]:
    """While it lasts, keep the energy of what each part answers, by stage, part and number of the expert.

    Parts see one picture at a time. Whatever happens, nothing stays registered.
    """
    modules: dict[Key, nn.Module] = {}
    for stage, named in parts.items():
        for part, module in named.items():
            if isinstance(module, nn.ModuleList):
                modules |= {(stage, part, index): expert for index, expert in enumerate(module)}
            else:
                modules[stage, part, None] = module
    seen: dict[Key, Energy] = {}
    hooks = [module.register_forward_hook(partial(_keep, seen, key)) for key, module in modules.items()]
    try:
        yield seen
    finally:
        for hook in hooks:
            hook.remove()


def _keep(seen: dict[Key, Energy], key: Key, module: nn.Module, inputs: Any, answer: Float[Tensor, "1 F h w"]) -> None:
    features = answer[0].float()
    if key[0] in (WHOLE, TILE):
        features = features - features.mean(dim=(1, 2), keepdim=True)
    seen[key] = features.square().mean(dim=0).sqrt().cpu()
