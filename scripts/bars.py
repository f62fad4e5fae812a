"""How sure the diagnosis must be before each expert of the system that ships is sent for.

    python scripts/bars.py DATA        (the folder that the router was trained on)

A wrong repair costs what the expert does to a picture that had nothing. Where a clean photo comes out of it almost as
it went in, the most probable kind is enough; elsewhere the bar is high. Photos are those of the router's validation.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import torch
from rich import print

from darnet import load
from darnet.data.material import load_material
from darnet.systems import manifest
from darnet.training.recipe import find_recipe, load_recipe

SYSTEM = manifest.SHIPPED / "darnet" / "system.json"
LOOKED_AT = 30  # photos, evenly from all of validation
LARGEST_PX = 512
#: What a clean photo must keep for a wrong repair to be called mild; the bar for those, and for the others.
MILD_DB, MORE_LIKELY_THAN_NOT, SURE = 35.0, 0.5, 0.6


def main(data: Path) -> None:
    """Measure, say, and write the bars into the system."""
    recipe = load_recipe(find_recipe("router"))
    material = load_material(data, recipe.paired, smallest_px=recipe.data.smallest_px)
    photos = material.split([1 - recipe.data.validation, recipe.data.validation], recipe.seed)[1].photos
    chosen = photos[:: max(1, len(photos) // LOOKED_AT)]
    clean = [photo[:, :LARGEST_PX, :LARGEST_PX].float() / 255 for photo in chosen]
    bars = {}
    for kind, expert in load("darnet", device="cpu").experts.items():
        errors = torch.stack([(expert(picture) - picture).square().mean() for picture in clean])
        typical, worst = (float(-10 * error.log10()) for error in (errors.mean(), errors.max()))
        print(f"{kind:13} {typical:6.2f} dB, {worst:6.2f} dB at worst, {len(clean)} photos")
        if typical >= MILD_DB:
            bars[kind] = MORE_LIKELY_THAN_NOT
    document = json.loads(SYSTEM.read_text(encoding="utf-8")) | {"min_confidence": SURE, "min_confidences": bars}
    SYSTEM.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
