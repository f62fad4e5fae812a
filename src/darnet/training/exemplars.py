"""What a router remembers of the kinds it was taught: exemplars drawn, looked at, and the best of them chosen.

Shapes: N exemplars, F features.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import torch
from jaxtyping import Float
from torch import Generator, Tensor

from darnet.data.material import Material
from darnet.data.memory import PAIRS, Exemplar, Memory, Scene, as_scene, herd, reservoir
from darnet.data.pairs import Pairs
from darnet.data.photos import Photo
from darnet.data.scenes import integer
from darnet.data.synthesis import Synthesis
from darnet.errors import RecipeError
from darnet.images.tiles import grid_crops
from darnet.models.abilities import FeatureExtractor
from darnet.training.recipe import MemorySpec, Recipe, Stage
from darnet.training.sources import SourceSpec

#: Crops a side by which an exemplar is judged.
GRID = 2
SEEDS = 2**31


def select_exemplars(
    model: FeatureExtractor, recipe: Recipe, material: Material, earlier: Memory, rng: Generator
) -> Memory:
    """`earlier`, cut down to its share of the budget, and exemplars of what the recipe's last stage shows beside.

    Every kind has the same share of the budget. Sources that need files (measured kernels) are left out, unless a kind
    has no other. Real pairs, and degradations that are registered nowhere, are kept as damaged pictures.
    Raises RecipeError where a kind has no source to remember it by, or where the budget has no room for it.
    """
    spec, stage = recipe.memory, recipe.stage[-1]
    assert spec is not None
    old = earlier.kinds
    new = [kind for kind in stage.kinds if kind not in old]
    share = spec.budget_kb * 1024 / max(1, len(old) + len(new))
    kept = _cut_down(earlier, spec.exemplars, share * len(old))
    functions = {kind: [s for s in _sources(stage, kind) if s.of is None and s.registered] for kind in new}
    shared = Memory(tuple(_draw_scenes(material.photos, spec, share * sum(map(bool, functions.values())), rng)))
    chosen = kept
    for kind in new:
        if functions[kind]:
            drawn = _draw(functions[kind], kind, len(shared.scenes), spec.exemplars * spec.candidates, rng)
            pictures = (shared.render(exemplar)[0][0] for exemplar in drawn)
            best = _choose(model, pictures, spec, stage.crop_px, rng)
            shared = Memory(shared.scenes, (*shared.exemplars, *(drawn[index] for index in best)))
        else:
            pairs = _cut_pairs(_as_pairs(kind, stage, material, spec, rng), spec, rng)
            best = _choose(model, (damaged for damaged, _ in pairs), spec, stage.crop_px, rng)
            chosen = chosen.joined(_packed(kind, [pairs[index] for index in best], share))
    return chosen.joined(shared.swept())


def _cut_down(earlier: Memory, most: int, budget: float) -> Memory:
    """As many exemplars of each kind as the budget allows, the best first; at least one."""
    for count in range(most, 1, -1):
        if (kept := earlier.reduced(count)).size <= budget:
            return kept
    return earlier.reduced(1)


def _sources(stage: Stage, kind: str) -> list[SourceSpec]:
    """How a kind can be remembered. Raises RecipeError."""
    found = [source for source in stage.degradations if source.kind == kind and not source.files]
    if not found:
        raise RecipeError(f"{kind}: it has only sources that need files, which a memory cannot hold")
    return found


def _as_pairs(kind: str, stage: Stage, material: Material, spec: MemorySpec, rng: Generator) -> Pairs:
    """Real pairs of a kind, or photos that a degradation has damaged which is registered nowhere."""
    sources = _sources(stage, kind)
    if any(source.of is not None for source in sources):
        return material.pairs(kind)
    synthesis = Synthesis(
        material.photos,
        [source.function() for source in sources],
        [source.share for source in sources],
        [kind],
        crop_px=spec.scene_px,
        scene_px=spec.scene_px,
        augment=False,
    )
    batch = synthesis(spec.exemplars * spec.candidates, rng)
    photos = zip(*((255 * side).round().byte().cpu() for side in (batch.degraded, batch.clean)), strict=True)
    return Pairs(kind, list(photos))


def _draw_scenes(photos: Sequence[Photo], spec: MemorySpec, budget: float, rng: Generator) -> list[Scene]:
    """As many random scenes as the budget allows (none for no budget), and no more than there may be exemplars."""
    if not budget:
        return []
    drawn = (as_scene(_cut([photos[integer(len(photos), rng)]], spec.scene_px, rng)[0]) for _ in range(spec.exemplars))
    return _within(budget, drawn, "scenes")


def _within(budget: float, scenes: Iterable[Scene], what: str) -> list[Scene]:
    """The first of them, as many as a budget of bytes allows. Raises RecipeError where there is no room for one."""
    kept: list[Scene] = []
    for scene in scenes:
        budget -= scene.size
        if budget < 0:
            break
        kept.append(scene)
    if not kept:
        raise RecipeError(f"{what}: memory.budget_kb has no room for one more")
    return kept


def _draw(specs: Sequence[SourceSpec], kind: str, scenes: int, count: int, rng: Generator) -> list[Exemplar]:
    shares = torch.tensor([source.share for source in specs])
    functions = [(source.name, source.function()) for source in specs]
    drawn = []
    for _ in range(count):
        name, function = functions[int(torch.multinomial(shares, 1, generator=rng))]
        parameters = function.draw(1, rng)[0].tolist()
        drawn.append(Exemplar(kind, integer(scenes, rng), name, tuple(parameters), integer(SEEDS, rng)))
    return drawn


def _cut_pairs(pairs: Pairs, spec: MemorySpec, rng: Generator) -> list[tuple[Photo, Photo]]:
    """Candidates: random squares of random pairs, (damaged, clean)."""
    cut = []
    for _ in range(spec.exemplars * spec.candidates):
        damaged, clean = _cut(pairs.photos[integer(len(pairs.photos), rng)], spec.scene_px, rng)
        cut.append((damaged, clean))
    return cut


def _packed(kind: str, pairs: Sequence[tuple[Photo, Photo]], budget: float) -> Memory:
    """The best of them, as many as the budget allows. Raises RecipeError where there is no room for one."""
    scenes = _within(budget, (as_scene(clean, damaged) for damaged, clean in pairs), kind)
    return Memory(tuple(scenes), tuple(Exemplar(kind, index, PAIRS) for index in range(len(scenes))))


def _choose(
    model: FeatureExtractor, pictures: Iterable[Photo], spec: MemorySpec, crop_px: int, rng: Generator
) -> list[int]:
    """Indices of the best candidates, the best first."""
    if spec.selection == "reservoir":
        return reservoir(spec.exemplars, spec.exemplars * spec.candidates, rng)
    return herd(torch.cat([_features(model, picture, crop_px) for picture in pictures]), spec.exemplars)


@torch.inference_mode()
def _features(model: FeatureExtractor, picture: Photo, crop_px: int) -> Float[Tensor, "1 F"]:
    pixels = (picture.float() / 255).to(next(model.parameters()).device)
    crops = grid_crops(pixels, size_px=crop_px, grid=GRID)
    return model.summarise(crops, model.look(pixels[None]).expand(len(crops))).mean(dim=0, keepdim=True).cpu()


def _cut(photos: Sequence[Photo], side: int, rng: Generator) -> list[Photo]:
    """The same random square of each, or all of them where they are smaller."""
    height, width = photos[0].shape[1:]
    top, left = (integer(max(1, extent - side + 1), rng) for extent in (height, width))
    return [photo[:, top : top + side, left : left + side] for photo in photos]
