"""Replay memory: what a router has learnt, small enough to ship beside it.

A degradation is a function, so an example of damage is not a picture: it is a clean scene, the degradation with its
parameters, and a seed (an exemplar of some hundred bytes). Scenes are shared by the exemplars of all kinds. Real pairs
are no function; their damaged picture is kept as it is.

A memory is a folder: `memory.json` with the exemplars, `scenes/NNNN.jpg`, and `scenes/NNNN.damaged.png` of real pairs.

Shapes: N exemplars, F features, H × W pixels. Pictures are sRGB in [0, 1], photos uint8.
"""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import torch
from jaxtyping import Float
from torch import Generator, Tensor

from darnet import registry
from darnet.data.pairs import Pairs
from darnet.data.photos import Photo, split
from darnet.degradations import Degradation, quantise
from darnet.errors import DarnetError, WeightsError

FORMAT = 1
DOCUMENT, SCENES = "memory.json", "scenes"
#: Quality of the files of scenes, colour at full resolution: a router calls them clean.
SCENE_QUALITY = 95
#: The source of an exemplar that is no function.
PAIRS = "pairs"


@dataclass(frozen=True)
class Exemplar:
    """One damaged picture: the scene, and how it was damaged. `source` is a degradation's name, or `pairs`."""

    kind: str
    scene: int
    source: str
    parameters: tuple[float, ...] = ()
    seed: int = 0


@dataclass(frozen=True)
class Scene:
    """A clean photo, and the damaged one where it is a real pair: the bytes of their files."""

    clean: bytes
    damaged: bytes = b""

    @property
    def size(self) -> int:
        """Bytes on disk."""
        return len(self.clean) + len(self.damaged)

    @cached_property
    def photo(self) -> Photo:
        """The clean photo, one tensor for all exemplars. Raises WeightsError."""
        return decoded(self.clean)


@dataclass(frozen=True)
class Memory:
    """Exemplars in the order in which they were chosen, kind by kind: the first of a kind are the best."""

    scenes: tuple[Scene, ...] = ()
    exemplars: tuple[Exemplar, ...] = ()

    @property
    def kinds(self) -> tuple[str, ...]:
        """The kinds that it remembers, in the order of their exemplars."""
        return tuple(dict.fromkeys(exemplar.kind for exemplar in self.exemplars))

    @property
    def size(self) -> int:
        """Bytes on disk, about."""
        return sum(scene.size for scene in self.scenes) + len(self._document())

    def of(self, kind: str) -> tuple[Exemplar, ...]:
        """The exemplars of a kind, the best first."""
        return tuple(exemplar for exemplar in self.exemplars if exemplar.kind == kind)

    def pairs(self, kind: str) -> Pairs:
        """The exemplars of a kind as pictures: (degraded, clean), with their severities."""
        rendered = [self.render(exemplar) for exemplar in self.of(kind)]
        return Pairs(kind, [pair for pair, _ in rendered], [severity for _, severity in rendered])

    def check(self, exemplar: Exemplar) -> None:
        """Raise UnknownNameError or ValueError for an exemplar that cannot be rendered."""
        if exemplar.source != PAIRS:
            fixed(exemplar)
        elif not self.scenes[exemplar.scene].damaged:
            raise ValueError(f"scene {exemplar.scene} has no damaged picture")

    def render(self, exemplar: Exemplar) -> tuple[tuple[Photo, Photo], float]:
        """((degraded, clean), severity): the same pixels every time. Raises UnknownNameError."""
        scene = self.scenes[exemplar.scene]
        clean = scene.photo
        if scene.damaged:
            return (decoded(scene.damaged), clean), 0.0
        pixels, parameters = clean[None].float() / 255, torch.tensor([exemplar.parameters])
        degradation = fixed(exemplar)
        damaged = degradation.apply(pixels, parameters, Generator().manual_seed(exemplar.seed))
        levels = (quantise(damaged, "round")[0] * 255).round().to(torch.uint8)
        return (levels, clean), float(degradation.severity(parameters))

    def ranges(self) -> dict[str, dict[str, tuple[float, float]]]:
        """What the parameters of each degradation ranged over, by its name; real pairs and what is clean have none."""
        found: dict[str, dict[str, tuple[float, float]]] = {}
        for name in dict.fromkeys(e.source for e in self.exemplars if e.parameters):
            columns = zip(*(e.parameters for e in self.exemplars if e.source == name), strict=True)
            parameters = registry.find("degradation", name).parameters
            found[name] = {
                parameter: (min(values), max(values)) for parameter, values in zip(parameters, columns, strict=True)
            }
        return found

    def sources(self, share: float) -> list[dict[str, Any]]:
        """Each degradation, with its ranges, as a recipe names what it shows `share` as often as others."""
        return [{"name": name, "share": share, "ranges": ranges} for name, ranges in self.ranges().items()]

    def split(self, shares: Sequence[float], seed: int) -> list[Memory]:
        """Parts of the given shares of the scenes; no scene is in two of them, and none is left over."""
        whole = [share / sum(shares) for share in shares]
        parts = split(range(len(self.scenes)), whole, seed)
        return [Memory(self.scenes, tuple(e for e in self.exemplars if e.scene in set(part))) for part in parts]

    def joined(self, other: Memory) -> Memory:
        """Both: exemplars of the other follow, with scenes of their own."""
        moved = (replace(exemplar, scene=exemplar.scene + len(self.scenes)) for exemplar in other.exemplars)
        return Memory((*self.scenes, *other.scenes), (*self.exemplars, *moved))

    def reduced(self, per_kind: int) -> Memory:
        """At most so many exemplars of each kind, the first (iCaRL, Rebuffi et al. 2017, algorithm 5)."""
        return Memory(self.scenes, tuple(e for kind in self.kinds for e in self.of(kind)[:per_kind])).swept()

    def swept(self) -> Memory:
        """Without scenes that no exemplar uses."""
        used = sorted({exemplar.scene for exemplar in self.exemplars})
        place = {scene: index for index, scene in enumerate(used)}
        return Memory(
            tuple(self.scenes[scene] for scene in used),
            tuple(replace(exemplar, scene=place[exemplar.scene]) for exemplar in self.exemplars),
        )

    def save(self, folder: Path) -> None:
        """Write the folder, which must not exist."""
        (folder / SCENES).mkdir(parents=True)
        for index, scene in enumerate(self.scenes):
            (folder / SCENES / f"{index:04d}.jpg").write_bytes(scene.clean)
            if scene.damaged:
                (folder / SCENES / f"{index:04d}.damaged.png").write_bytes(scene.damaged)
        (folder / DOCUMENT).write_bytes(self._document())

    def _document(self) -> bytes:
        rows = ",\n".join(json.dumps(asdict(exemplar)) for exemplar in self.exemplars)
        return f'{{"format": {FORMAT}, "exemplars": [\n{rows}\n]}}\n'.encode()


def load_memory(folder: Path) -> Memory:
    """Read a folder. Raises WeightsError naming the file and what is wrong with it."""
    path = folder / DOCUMENT
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        if document["format"] != FORMAT:
            raise WeightsError(path, f"format {document['format']}, this version reads {FORMAT}")
        exemplars = tuple(Exemplar(**{**row, "parameters": tuple(row["parameters"])}) for row in document["exemplars"])
        if any(exemplar.scene < 0 for exemplar in exemplars):
            raise WeightsError(path, "a scene of a negative number")
        memory = Memory(tuple(_scenes(folder / SCENES, exemplars)), exemplars)
        for exemplar in exemplars:
            memory.check(exemplar)
        return memory
    except OSError as error:
        raise WeightsError(Path(error.filename or path), error.strerror or "cannot be read") from error
    except DarnetError:
        raise
    except (ValueError, TypeError, KeyError) as error:
        raise WeightsError(path, f"no replay memory: {error}") from error


def _scenes(folder: Path, exemplars: Sequence[Exemplar]) -> list[Scene]:
    scenes = []
    for index in range(1 + max((exemplar.scene for exemplar in exemplars), default=-1)):
        damaged = folder / f"{index:04d}.damaged.png"
        scenes.append(
            Scene((folder / f"{index:04d}.jpg").read_bytes(), damaged.read_bytes() if damaged.exists() else b"")
        )
    return scenes


def as_scene(clean: Photo, damaged: Photo | None = None) -> Scene:
    """The files of a scene: a JPEG, and a PNG of the damaged picture, of which no digit may be lost."""
    return Scene(
        _encoded(clean, format="JPEG", quality=SCENE_QUALITY, subsampling=0),
        b"" if damaged is None else _encoded(damaged, format="PNG"),
    )


def decoded(data: bytes) -> Photo:
    """The photo in the bytes of a file."""
    try:
        with PIL.Image.open(io.BytesIO(data)) as picture:
            return torch.from_numpy(np.array(picture.convert("RGB"))).permute(2, 0, 1).contiguous()
    except (OSError, ValueError, SyntaxError) as error:
        raise WeightsError(SCENES, f"a scene that is no picture ({error})") from error


def _encoded(photo: Photo, **options: Any) -> bytes:
    file = io.BytesIO()
    PIL.Image.fromarray(photo.permute(1, 2, 0).cpu().numpy()).save(file, **options)
    return file.getvalue()


def fixed(exemplar: Exemplar) -> Degradation:
    """The degradation of an exemplar, which draws its parameters and no others."""
    factory = registry.find("degradation", exemplar.source)
    names = factory.parameters
    ranges = {name: (value, value) for name, value in zip(names, exemplar.parameters, strict=True)}
    degradation: Degradation = factory(**ranges)
    return degradation


def herd(features: Float[Tensor, "N F"], count: int) -> list[int]:
    """Indices of `count` samples, the best first: each brings the mean of those chosen nearest to the mean of all.

    Herding (Welling 2009) as iCaRL uses it (Rebuffi et al. 2017, algorithm 4), on features of unit length.
    """
    features = torch.nn.functional.normalize(features.double(), dim=1)
    mean, total = features.mean(dim=0), torch.zeros_like(features[0])
    chosen: list[int] = []
    free = torch.ones(len(features), dtype=torch.bool)
    for number in range(1, min(count, len(features)) + 1):
        distances = (mean - (total + features) / number).square().sum(dim=1)
        best = int(distances.masked_fill(~free, float("inf")).argmin())
        chosen.append(best)
        free[best] = False
        total = total + features[best]
    return chosen


def reservoir(count: int, samples: int, rng: Generator) -> list[int]:
    """Indices of `count` of a stream of `samples`, each as likely as any other (Vitter 1985, algorithm R)."""
    kept = list(range(min(count, samples)))
    for sample in range(count, samples):
        place = int(torch.randint(sample + 1, (1,), generator=rng))
        if place < count:
            kept[place] = sample
    return kept
