"""How sure the diagnosis must be before each expert of the system that ships is sent for, or named as worth a try.

    python scripts/bars.py DATA [UNSEEN]

DATA is the folder that the router was trained on, UNSEEN one of clean photos that it was not.

Of a kind that is the most certain one of a picture, what few clean photos reach, each looked at as people keep them:
as it is, stored, made smaller, in parts; those that the router never saw as they are. And no more than what a wrong
repair costs asks for, by what the expert does to a picture that had nothing: where a clean photo comes out almost as
it went in, or is blended by how likely the kind is, what is more likely than not. That is also what a kind needs
beside a surer one, since a damaged photo is taken for more than a clean one is. The photos that it did see are those
of its validation. A word costs less than a repair: three clean photos in a hundred may be said to have a kind, perhaps.
"""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Iterator
from pathlib import Path

import PIL.Image
import torch
from rich import print
from torch import Tensor

from darnet import load
from darnet.data.material import load_material
from darnet.restore.planning import SUSPICION
from darnet.restore.restorer import Restorer
from darnet.systems import manifest
from darnet.training.recipe import find_recipe, load_recipe

SYSTEM = manifest.SHIPPED / "darnet" / "system.json"
LARGEST_PX = 512
#: What a clean photo must keep for a wrong repair to be called mild; the bar for those, and for the others.
MILD_DB, MORE_LIKELY_THAN_NOT, SURE = 35.0, 0.5, 0.6
#: No bar is lower. So few looks may reach one where a wrong repair is mild, or blended by its certainty;
#: and elsewhere.
LEAST, ALARMS, RARELY = 0.25, 0.01, 0.005
#: So many looks at clean photos may be worth a word, and no presence below the second is.
HINTS, FAINTEST = 0.03, 0.05
#: Smaller pictures are not looked at; files of lower quality are damaged by JPEG, and by nothing else.
SMALLEST_PX, MILD_QUALITY = 96, 85


def main(data: Path, unseen: Path | None = None) -> None:
    """Measure, say, and write the bars into the system."""
    recipe = load_recipe(find_recipe("router"))
    material = load_material(data, recipe.paired, smallest_px=recipe.data.smallest_px)
    photos = material.split([1 - recipe.data.validation, recipe.data.validation], recipe.seed)[1].photos
    system = load("darnet", device="cpu")
    enough, document = costs(system, photos), json.loads(SYSTEM.read_text(encoding="utf-8"))
    bars, hints = dict(enough), {}
    known = set() if unseen is None else {path.name for path in data.rglob("*")}
    others = [path for path in sorted(unseen.iterdir() if unseen else ()) if path.name not in known]
    for kind, seen in looks(system, photos, others).items():
        seen.sort(reverse=True)
        alarms = ALARMS if enough[kind] < SURE else RARELY
        reached = seen[int(alarms * len(seen))]
        bars[kind] = round(min(max(reached, LEAST), enough[kind]), 2)
        hints[kind] = round(min(max(seen[int(HINTS * len(seen))], FAINTEST), SUSPICION), 2)
        print(
            f"{kind:13} {100 * alarms:.1f} % of {len(seen)} looks reach {reached:.2f}; the bar is {bars[kind]}, "
            f"a word is said from {hints[kind]}"
        )
    document |= {"min_confidence": SURE, "min_confidences": bars, "min_beside": enough, "min_hints": hints}
    SYSTEM.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")


def costs(system: Restorer, photos: list[Tensor]) -> dict[str, float]:
    """The bar of each kind by what its expert does to clean photos."""
    clean = [photo[:, :LARGEST_PX, :LARGEST_PX].float() / 255 for photo in photos]
    bars = {}
    for kind, expert in system.experts.items():
        errors = torch.stack([(expert(picture) - picture).square().mean() for picture in clean])
        typical, worst = (float(-10 * error.log10()) for error in (errors.mean(), errors.max()))
        print(f"{kind:13} {typical:6.2f} dB, {worst:6.2f} dB at worst, {len(clean)} photos")
        bars[kind] = MORE_LIKELY_THAN_NOT if typical >= MILD_DB or kind in system.soft else SURE
    return bars


def looks(system: Restorer, photos: list[Tensor], others: list[Path]) -> dict[str, list[float]]:
    """The presence of each kind in clean photos; of JPEG in those that are hardly compressed."""
    seen: dict[str, list[float]] = {kind: [] for kind in system.experts}
    shown = [form for photo in photos for form in forms(PIL.Image.fromarray(photo.permute(1, 2, 0).numpy()))]
    for quality, form in (*shown, *((0, PIL.Image.open(path).convert("RGB")) for path in others)):
        if min(form.size) >= SMALLEST_PX:
            scores = system.diagnose(form).scores
            for kind, found in seen.items():
                if kind != "jpeg" or quality >= MILD_QUALITY:
                    found.append(scores[kind])
    return seen


def forms(photo: PIL.Image.Image) -> Iterator[tuple[int, PIL.Image.Image]]:
    """A photo as people keep it, and the quality of JPEG by which it is stored; 100 where it is not."""
    half, less = (photo.resize((int(photo.width * by), int(photo.height * by))) for by in (0.5, 0.67))
    yield from ((100, photo), (100, half))
    for quality, shown in ((92, photo), (85, photo), (75, photo), (88, less), (75, half)):
        file = io.BytesIO()
        shown.save(file, "jpeg", quality=quality)
        yield quality, PIL.Image.open(file).convert("RGB")
    middle, centre = photo.width // 2, photo.height // 2
    for left in (0, middle):
        for top in (0, centre):
            yield 100, photo.crop((left, top, left + middle, top + centre))


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
