from __future__ import annotations

from pathlib import Path

import pytest
import torch

from darnet.data.material import Material
from darnet.data.memory import Memory
from darnet.errors import RecipeError
from darnet.models.classifier import DegradationClassifier
from darnet.training.exemplars import select_exemplars
from darnet.training.recipe import Recipe, parse_recipe

KINDS = ["clean", "noise", "rain"]
PHOTOS = [torch.randint(0, 255, (3, 80, 90), generator=torch.Generator().manual_seed(i)).byte() for i in range(4)]
MATERIAL = Material(Path(), PHOTOS, {"rain": [[(PHOTOS[0], PHOTOS[1])], [(PHOTOS[2], PHOTOS[3])]]})
SOURCES = [{"name": "clean"}, {"name": "noise"}, {"name": "poisson-noise"}, {"name": "pairs", "of": "rain"}]


def recipe(sources: list[dict[str, object]] = SOURCES, **memory: object) -> Recipe:
    stage = {"name": "s", "epochs": 1, "steps_per_epoch": 1, "batch": 1, "crop_px": 16, "losses": {"classification": 1}}
    return parse_recipe(
        {
            "name": "router",
            "model": {"kind": "degradation-classifier", "config": {"kinds": KINDS, "width": 4}},
            "memory": {"exemplars": 5, "scene_px": 40, "candidates": 2, **memory},
            "stage": [{**stage, "degradations": sources}],
        }
    )


def network() -> DegradationClassifier:
    torch.manual_seed(0)
    return DegradationClassifier(KINDS, 4, thumbnail_px=16).eval()


def test_every_kind_is_remembered() -> None:
    memory = select_exemplars(network(), recipe(), MATERIAL, Memory(), torch.Generator().manual_seed(0))
    assert {kind: len(memory.of(kind)) for kind in memory.kinds} == {"clean": 5, "noise": 5, "rain": 5}
    assert {exemplar.source for exemplar in memory.exemplars} <= {"clean", "noise", "poisson-noise", "pairs"}
    for exemplar in memory.exemplars:
        (damaged, clean), _ = memory.render(exemplar)
        assert damaged.shape == clean.shape == (3, 40, 40)


@pytest.mark.parametrize("selection", ["herding", "reservoir"])
def test_the_same_chance_remembers_the_same(selection: str) -> None:
    first, again, other = (
        select_exemplars(
            network(), recipe(selection=selection), MATERIAL, Memory(), torch.Generator().manual_seed(seed)
        )
        for seed in (0, 0, 1)
    )
    assert first == again != other


def test_what_was_known_comes_first_and_is_cut_to_size() -> None:
    earlier = select_exemplars(
        network(), recipe(SOURCES[:2], exemplars=8), MATERIAL, Memory(), torch.Generator().manual_seed(0)
    )
    later = select_exemplars(network(), recipe(), MATERIAL, earlier, torch.Generator().manual_seed(1))
    assert later.kinds == ("clean", "noise", "rain")
    assert [later.render(e)[1] for e in later.of("noise")] == [earlier.render(e)[1] for e in earlier.of("noise")[:5]]


def test_a_budget_is_kept_and_shared_by_all_kinds() -> None:
    """Kind after kind, under the same budget: there is always room, and nobody is forgotten."""
    settings = {"exemplars": 30, "candidates": 1, "budget_kb": 40}
    whole = select_exemplars(
        network(), recipe(SOURCES[:2], **settings), MATERIAL, Memory(), torch.Generator().manual_seed(0)
    )
    assert len(whole.scenes) < len(whole.of("noise")) == 30  # scenes are shared
    known = whole
    for kind in ("blur", "haze", "jpeg", "overexposure"):
        lesson = recipe([{"name": kind}], **settings)
        knowing = DegradationClassifier([*known.kinds, kind], 4, thumbnail_px=16).eval()
        known = select_exemplars(knowing, lesson, MATERIAL, known, torch.Generator().manual_seed(1))
        assert known.kinds[-1] == kind and len(known.of(kind)) == 30
        assert sum(scene.size for scene in known.scenes) < 40 * 1024
    assert known.kinds == ("clean", "noise", "blur", "haze", "jpeg", "overexposure")


def test_real_pairs_are_paid_for_as_well() -> None:
    lesson = recipe([SOURCES[3]], exemplars=50, budget_kb=40)
    memory = select_exemplars(network(), lesson, MATERIAL, Memory(), torch.Generator().manual_seed(0))
    assert 0 < len(memory.of("rain")) < 50
    assert memory.size < 45 * 1024


def test_a_degradation_that_is_registered_nowhere_is_kept_as_pictures() -> None:
    """A memory is data that travels: it may not name code."""
    lesson = recipe([{"name": "darnet.degradations.noise:GaussianNoise"}], budget_kb=400)
    memory = select_exemplars(network(), lesson, MATERIAL, Memory(), torch.Generator().manual_seed(0))
    assert {exemplar.source for exemplar in memory.exemplars} == {"pairs"}
    (damaged, clean), _ = memory.render(memory.exemplars[0])
    assert float((damaged.float() - clean.float()).std()) > 3


@pytest.mark.parametrize("sources", [SOURCES[:2], SOURCES[3:]], ids=["functions", "pairs"])
def test_a_budget_that_is_spent(sources: list[dict[str, object]]) -> None:
    with pytest.raises(RecipeError, match="budget_kb"):
        select_exemplars(network(), recipe(sources, budget_kb=1), MATERIAL, Memory(), torch.Generator().manual_seed(0))


def test_a_kind_that_needs_files_cannot_be_remembered(tmp_path: Path) -> None:
    sources = [{"name": "measured-motion", "files": {"kernels": "kernels.npz"}}]
    with pytest.raises(RecipeError, match=r"motion.*files"):
        select_exemplars(network(), recipe(sources), MATERIAL, Memory(), torch.Generator().manual_seed(0))
