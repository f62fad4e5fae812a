"""The way of a photo: scene, optics, exposure, sensor, camera, file, one after the other, each step by chance.

Clean pictures take it too, so that nothing that the way leaves behind (gaps in a histogram, subsampled colour, exact
white) tells a kind of damage.

Shapes: B batch, K kinds, S side of a scene. Pictures are sRGB in [0, 1].
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from pkgutil import resolve_name

import torch
from jaxtyping import Float
from torch import Generator, Tensor

from darnet import registry
from darnet.degradations.base import quantise
from darnet.degradations.kind import STAGES, Kind, Stage, find_kind
from darnet.imaging import files, noises, steps
from darnet.imaging.steps import Drawn, Step

#: Where what happens changes the light of a scene, which in what is no photo is meant as it is.
LIT: tuple[Stage, ...] = ("scene", "exposure")
#: How strong what follows a kind is: of its range.
FOLLOWING = 0.6


def in_order(kinds: Iterable[Kind]) -> tuple[Kind, ...]:
    """Those that a photo meets on its way, as they happen."""
    return tuple(kind for stage in STAGES for kind in kinds if kind.stage == stage)


def steps_of(kinds: Iterable[Kind]) -> Mapping[str, tuple[Step, ...]]:
    """The steps of each kind, of which a photo takes one."""
    return {kind.name: resolve_name(kind.steps) for kind in kinds}


@dataclass(frozen=True)
class Habits:
    """How often photos take the steps that are no damage, and what comes along with damage: shares of the photos.

    Raises ValueError for what is no share, or no quality of a JPEG file.
    """

    stored: float = 0.65  # kept as a JPEG file, where compression is not the damage
    quality: tuple[float, float] = (98.0, 60.0)
    company: float = 0.05  # each other kind, mildly
    mild: float = 0.4  # of a kind's range
    none: float = 0.04  # an expert's photos without its kind
    rendered: float = 0.3
    denoised: float = 0.3  # of the noisy ones
    sharpened: float = 0.15
    resized: float = 0.06
    dithered: float = 0.2
    local: float = 0.12  # of those with a local kind, for a router: in a rectangle alone
    #: Of photos for a router: no kind, one, two, three.
    several: tuple[float, ...] = (0.36, 0.4, 0.16, 0.08)

    def __post_init__(self) -> None:
        """Raise ValueError for what is no share, or no quality."""
        for name, value in vars(self).items():
            least, most = (1, 100) if name == "quality" else (0, 1)
            many, given = name in {"quality", "several"}, value if isinstance(value, tuple) else (value,)
            possible = isinstance(value, tuple) == many and all(least <= one <= most for one in given)
            if not possible or (many and not sum(given)) or (name == "quality" and len(given) != 2):
                numbers = "two numbers" if name == "quality" else "numbers" if many else "a number"
                raise ValueError(f"habits.{name}={value!r}: expected {numbers} from {least} to {most}")


@dataclass(frozen=True)
class Way:
    """What a batch of photos has been through."""

    degraded: Float[Tensor, "B 3 S S"]
    target: Float[Tensor, "B 3 S S"]
    visibility: Float[Tensor, "B K"]  # at most 0 absent, from 1 present
    severities: Float[Tensor, "B K"]  # in each kind's unit; 0 unknown
    covered: Mapping[str, Float[Tensor, "B 1 S S"]]  # each local kind -> where it is, if it is there: 1, elsewhere 0

    @property
    def presence(self) -> Float[Tensor, "B K"]:
        """1 present, 0 absent, NaN too mild to say."""
        unknown = torch.full_like(self.visibility, torch.nan)
        return torch.where(self.visibility >= 1, 1.0, torch.where(self.visibility <= 0, 0.0, unknown))


@dataclass(frozen=True)
class Chain:
    """(clean scenes, chance) -> `Way`, batched on the device of the scenes.

    `kinds` are the K columns. `repaired`: every photo has this kind at any strength, the others now and then mildly;
    the target is the photo without it, and without what noise and file did. "" : none to three kinds at once, for a
    router; the target is the clean scene. `kernels`: files of measured camera shakes. `steps`: in place of those that
    the kinds name, for these kinds alone.

    Example:
        >>> chain = Chain(("clean", "noise"), "noise")
        >>> way = chain(torch.rand(2, 3, 64, 64), Generator().manual_seed(0), Generator().manual_seed(1))
        >>> way.degraded.shape, way.presence.shape
        (torch.Size([2, 3, 64, 64]), torch.Size([2, 2]))
    """

    kinds: Sequence[str]
    repaired: str = ""
    habits: Habits = Habits()
    kernels: Sequence[Path] = ()
    steps: Mapping[str, tuple[Step, ...]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Raise ValueError for a kind that no step makes, and what a file of kernels raises."""
        if self.repaired and self.repaired not in self._steps:
            raise ValueError(f"no step makes {self.repaired!r} (there are: {', '.join(self._steps)})")
        for path in self.kernels:
            steps.MeasuredShake(kernels=path).draw(1, 16, 1.0, Generator().manual_seed(0))

    @cached_property
    def order(self) -> tuple[Kind, ...]:
        """The kinds that a photo may meet, as they happen: darnet's, and of other packages those that are asked for.

        Never all that are installed: what is drawn for a recipe does not depend on which packages are there.
        """
        asked = dict.fromkeys(
            name for name in (*self.kinds, self.repaired) if name and name not in registry.BUILTIN["kind"]
        )
        return in_order([*registry.own_kinds(), *filter(None, map(find_kind, asked))])

    @cached_property
    def _steps(self) -> Mapping[str, tuple[Step, ...]]:
        return self.steps or steps_of(self.order)

    @property
    def _following(self) -> list[tuple[str, Step]]:
        """(kind, what comes along with it)."""
        named = [kind for kind in self.order if kind.followed_by]
        return [(kind.name, step) for kind in named for step in resolve_name(kind.followed_by)]

    @property
    def _exclusive(self) -> list[tuple[str, str]]:
        """Of two in a row a photo has one."""
        names = [kind.name for kind in self.order]
        return [(other, kind.name) for kind in reversed(self.order) for other in kind.excludes if other in names]

    def __call__(
        self,
        clean: Float[Tensor, "B 3 S S"],
        picks: Generator,
        rng: Generator,
        depth: Float[Tensor, "B 1 S S"] | None = None,
        drawn: Sequence[int] = (),
    ) -> Way:
        """Send scenes the way. `picks` decides who takes which step, on the CPU; `rng` draws, on the scenes' device.

        `depth`: of each scene, in [0, 1], NaN where it is unknown. `drawn`: which scenes are no photos: their light is
        meant as it is, and a router sees no kind in them that changes it.
        """
        walk = _Walk(clean, self.kinds, self.repaired, rng, depth)
        count = len(clean)
        covered = {kind.name: clean.new_ones(count, 1, *clean.shape[2:]) for kind in self.order if kind.local}
        chosen = self._chosen(count, picks)
        if not self.repaired:
            lit = [kind.name for kind in self.order if kind.stage in LIT]
            chosen |= {kind: [row for row in chosen[kind] if row not in drawn] for kind in lit}
        habits = self.habits
        walk.take(noises.Rendering(), _some(count, habits.rendered, picks))
        taken, filed = ([k.name for k in self.order if (k.stage == "file") == last] for last in (False, True))
        for kind in taken:
            if kind not in covered or self.repaired:
                self._damage(walk, kind, chosen[kind], picks)
                continue
            before = walk.degraded.clone()
            self._damage(walk, kind, chosen[kind], picks)
            walk.confine(covered[kind], before, _of(chosen[kind], habits.local, picks), picks)
        for name, step in self._following:
            without = [row for row in chosen[name] if row not in chosen.get(step.kind, ())]
            walk.take(step, _of(without, step.share, picks), FOLLOWING)
        denoising = noises.CameraDenoising()
        walk.take(denoising, _of(chosen[denoising.removes], habits.denoised, picks))
        walk.take(noises.Sharpening(), _some(count, habits.sharpened, picks))
        factor = 0.55 + 0.4 * float(torch.rand(1, generator=picks))
        walk.take(files.Resizing(factor=factor), _some(count, habits.resized, picks))
        walk.take(files.Dither(), _some(count, habits.dithered, picks))
        for kind in filed:
            self._damage(walk, kind, chosen[kind], picks)
        file = files.File(quality=habits.quality)
        walk.take(file, _of([row for row in range(count) if row not in chosen[file.kind]], habits.stored, picks))
        degraded = quantise(walk.degraded, "round")
        return Way(degraded, walk.target.clamp(0, 1), walk.visibility, walk.severities, covered)

    def _chosen(self, count: int, picks: Generator) -> dict[str, list[int]]:
        """Which photos have which kinds."""
        known = [kind for kind in self._steps if self.repaired or kind in self.kinds]
        order, exclusive = [kind.name for kind in self.order], self._exclusive
        if self.repaired:
            chance = torch.rand(count, len(order), generator=picks)
            has = chance < self.habits.company
            has[:, order.index(self.repaired)] = chance[:, order.index(self.repaired)] >= self.habits.none
        else:
            numbers = torch.multinomial(torch.tensor(self.habits.several), count, replacement=True, generator=picks)
            ranks = torch.rand(count, len(order), generator=picks)
            ranks[:, [kind not in known for kind in order]] = 2.0
            has = (ranks.argsort(dim=1).argsort(dim=1) < numbers[:, None]) & (ranks < 1)
        first = torch.rand(count, len(exclusive), generator=picks) < 0.5
        for pair, (one, other) in enumerate(exclusive):
            one_column, other_column = order.index(one), order.index(other)
            both = has[:, one_column] & has[:, other_column]
            keeps_one = first[:, pair] if self.repaired not in (one, other) else torch.tensor(self.repaired == one)
            has[:, other_column] &= ~(both & keeps_one)
            has[:, one_column] &= ~(both & ~keeps_one)
        return {kind: has[:, i].nonzero().flatten().tolist() if kind in known else [] for i, kind in enumerate(order)}

    def _damage(self, walk: _Walk, kind: str, rows: Sequence[int], picks: Generator) -> None:
        """Each photo takes one of the kind's steps."""
        if not rows:
            return
        ways = list(self._steps[kind])
        if kind == steps.MeasuredShake.kind:
            ways += [steps.MeasuredShake(0.3 * len(ways) / len(self.kernels), kernels=path) for path in self.kernels]
        shares = torch.tensor([step.share for step in ways])
        taken = torch.multinomial(shares, len(rows), replacement=True, generator=picks).tolist()
        strength = 1.0 if kind == self.repaired or not self.repaired else self.habits.mild
        for index, step in enumerate(ways):
            walk.take(step, [row for row, way in zip(rows, taken, strict=True) if way == index], strength)


class _Walk:
    """Photos on their way."""

    def __init__(
        self, clean: Tensor, kinds: Sequence[str], repaired: str, rng: Generator, depth: Tensor | None
    ) -> None:
        self.degraded, self.target = clean.clone(), clean.clone()  # changed in place
        self.kinds, self.repaired, self.rng, self.depth = tuple(kinds), repaired, rng, depth
        self.visibility = clean.new_zeros(len(clean), len(kinds))
        self.severities = clean.new_zeros(len(clean), len(kinds))

    def confine(self, covered: Tensor, before: Tensor, rows: Sequence[int], picks: Generator) -> None:
        """Take back what happened since `before`, but for a rectangle of a tenth of the picture to half of it.

        `covered` is told which.
        """
        side = before.shape[-1]
        for row in rows:
            chance = torch.rand(4, generator=picks).tolist()
            share = 0.1 + 0.4 * chance[0]
            height = side * (share + (1 - share) * chance[1])
            width = side * min(1.0, share * side / height)
            top, left = int((side - height) * chance[2]), int((side - width) * chance[3])
            inside = torch.zeros_like(covered[row])
            inside[:, top : top + math.ceil(height), left : left + math.ceil(width)] = 1
            covered[row] = inside
        if rows:
            self.degraded = torch.where(covered > 0, self.degraded, before)

    def take(self, step: Step, rows: Sequence[int], strength: float = 1.0) -> None:
        """Let some of the photos take a step: the target as well, unless it is what shall be repaired."""
        if not rows:
            return
        index = torch.tensor(rows, device=self.degraded.device)
        before = self.degraded[index]
        drawn = step.draw(len(rows), before.shape[-1], strength, self.rng)
        if self.depth is not None:
            drawn = step.at_depth(drawn, self.depth[index])
        kept = bool(self.repaired) and step.kind != self.repaired  # a router's target stays the scene as it was
        if kept and not step.chancy:
            both = torch.cat([before, self.target[index]])
            after, target = step.apply(both, _twice(drawn), self.rng).chunk(2)
            self.target[index] = target
        else:
            after = step.apply(before, drawn, self.rng)
        self.degraded[index] = after
        if step.kind in self.kinds:
            column = self.kinds.index(step.kind)
            seen = step.visibility(drawn, (after - before).square().mean(dim=(1, 2, 3)).sqrt())
            self.visibility[index, column] = torch.maximum(self.visibility[index, column], seen)
            self.severities[index, column] = step.severity(drawn).to(self.severities)


def _twice(drawn: Drawn) -> Drawn:
    return tuple(torch.cat([values, values]) for values in drawn)


def _some(count: int, share: float, picks: Generator) -> list[int]:
    return _of(range(count), share, picks)


def _of(rows: Sequence[int], share: float, picks: Generator) -> list[int]:
    chance = (torch.rand(len(rows), generator=picks) < share).tolist()
    return [row for row, taken in zip(rows, chance, strict=True) if taken]
