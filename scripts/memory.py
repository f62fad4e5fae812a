"""Give the router that ships its memory: exemplars of every kind, on scenes whose photos may be given away.

    python scripts/memory.py

The photos come with scikit-image; none of them was trained on. Their terms are in the README of the memory.
"""

from __future__ import annotations

import shutil

import skimage.data
import torch
from torch import Generator

from darnet.data.material import Material
from darnet.data.memory import Memory
from darnet.models import cards
from darnet.models.classifier import DegradationClassifier
from darnet.systems import manifest
from darnet.training.exemplars import select_exemplars
from darnet.training.launch import MEMORY
from darnet.training.recipe import MemorySpec, find_recipe, load_recipe

ROUTER = manifest.SHIPPED / "darnet" / "router"
PHOTOS = {
    "astronaut": ("Eileen Collins, NASA", "public domain"),
    "chelsea": ("Chelsea the cat, Stefan van der Walt", "CC0"),
    "coffee": ("a cup of coffee, Rachel Michetti", "CC0"),
    "hubble_deep_field": ("Hubble eXtreme Deep Field, NASA", "public domain"),
    "rocket": ("launch of DSCOVR, SpaceX", "public domain (CC0)"),
}
SPEC = MemorySpec(exemplars=110, budget_kb=2048, scene_px=192)


def main() -> None:
    """Choose, and write."""
    model, _ = cards.load(ROUTER)
    assert isinstance(model, DegradationClassifier)
    photos = [torch.from_numpy(getattr(skimage.data, name)()).permute(2, 0, 1).contiguous() for name in PHOTOS]
    recipe = load_recipe(find_recipe("router")).model_copy(update={"memory": SPEC})
    memory = select_exemplars(model, recipe, Material(ROUTER, photos), Memory(), Generator().manual_seed(0))
    shutil.rmtree(ROUTER / MEMORY, ignore_errors=True)
    memory.save(ROUTER / MEMORY)
    rows = "\n".join(f"| `{name}` | {what} | {terms} |" for name, (what, terms) in PHOTOS.items())
    title = "# Scenes of the replay memory\n\nCut from photos that come with scikit-image.\n\n"
    text = f"{title}| photo | what | terms |\n|---|---|---|\n{rows}\n"
    (ROUTER / MEMORY / "README.md").write_text(text, encoding="utf-8")
    counts = f"{len(memory.exemplars)} exemplars of {len(memory.kinds)} kinds, {len(memory.scenes)} scenes"
    print(f"{counts}, {memory.size / 1e6:.2f} MB")


if __name__ == "__main__":
    main()
