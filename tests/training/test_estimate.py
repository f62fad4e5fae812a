"""What a recipe takes is calculated without running it; what can be counted on real tensors is counted there, too."""

from __future__ import annotations

import os
from pathlib import Path

import PIL.Image
import pytest
import torch
from torch.autograd.graph import saved_tensors_hooks

from darnet.errors import RecipeError, UsageError
from darnet.models.creation import create_model
from darnet.training import estimate as subject
from darnet.training import experiments
from darnet.training.estimate import estimate, rehearse
from darnet.training.hardware import Hardware
from darnet.training.recipe import Recipe, find_recipe, load_recipe

CPU = torch.device("cpu")
GPU_BYTES = 80e9
#: Every way to choose an expert, and a network that has none.
SMALL = {
    "compact-unet": {"width": 8, "blocks": [1, 1]},
    "daair": {"kinds": ["noise", "haze"], "width": 8, "blocks": [1] * 8, "patch": 2, "expansion": 0},
    "slerir": {"width": 8, "blocks": [1] * 8, "patch": 2, "expansion": 0, "fusion": 16, "crop_px": 16},
}


@pytest.fixture(autouse=True)
def speed(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine on which a crop takes a second in float32, and two in bf16."""
    monkeypatch.setattr(subject, "network_seconds", lambda *_: {"fp32": 1.0, "bf16": 2.0})


def recipe(kind: str, gate: str | None = None, **stage: object) -> Recipe:
    """One stage of three steps."""
    only = {"name": "only", "epochs": 3, "steps_per_epoch": 1, "batch": 4, "crop_px": 64, "losses": {"l1": 1.0}}
    only |= {"degradations": [{"name": "noise"}]} | ({} if gate is None else {"gate": gate}) | stage
    return Recipe.model_validate({"name": "small", "model": {"kind": kind, "config": SMALL[kind]}, "stage": [only]})


@pytest.mark.parametrize(
    ("kind", "gate"), [("compact-unet", None), ("daair", None), ("slerir", "hard"), ("slerir", "soft")]
)
def test_memory_is_that_of_a_real_step(kind: str, gate: str | None) -> None:
    model = create_model(kind, **SMALL[kind])
    kept: dict[int, int] = {}

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        kept[tensor.untyped_storage()._cdata] = tensor.untyped_storage().nbytes()
        return tensor

    crops = torch.rand(4, 3, 64, 64)
    with saved_tensors_hooks(keep, lambda tensor: tensor):
        held = model(crops, model.look(crops), None, **({} if gate is None else {"gate": gate}))
    real = sum(kept.values())
    del held
    found = estimate(recipe(kind, gate), 0, CPU).stages[0]
    weights = 4 * sum(weight.numel() for weight in model.parameters())
    assert found.memory_bytes - 5 * weights == pytest.approx(real - weights, rel=0.15)


def test_what_is_frozen_has_no_gradients() -> None:
    whole, frozen = (
        estimate(recipe("compact-unet", freeze=freeze), 0, CPU).stages[0].memory_bytes for freeze in ([], ["*"])
    )
    weights = 4 * sum(map(torch.Tensor.numel, create_model("compact-unet", **SMALL["compact-unet"]).parameters()))
    assert frozen == 2 * weights < whole


def test_time_is_that_of_a_crop_for_all_of_them() -> None:
    found = estimate(recipe("compact-unet"), 0, CPU)
    assert found.stages[0].step_seconds == pytest.approx(4.0)
    assert found.seconds == pytest.approx(12.0)
    assert found.precision == "fp32"
    larger = recipe("compact-unet", crop_px=128)
    assert estimate(larger, 0, CPU, "bf16").stages[0].step_seconds == pytest.approx(8.0)  # it was tried at that size


def test_three_experts_at_once_are_more_work_than_one() -> None:
    recipes = [recipe("slerir", gate) for gate in ("soft", "hard")]
    for one in recipes:
        one.model.config["masked"] = False
    soft, hard = (estimate(one, 0, CPU).stages[0] for one in recipes)
    assert 1.4 < soft.gmacs / hard.gmacs < 3
    assert soft.step_seconds / hard.step_seconds == pytest.approx(soft.gmacs / hard.gmacs, rel=0.01)


@pytest.mark.parametrize("name", ["paper/daair-3", "paper/daair-5", "paper/slerir-3", "paper/slerir-5"])
def test_the_papers_recipes_fit_a_gpu_of_80_gb(name: str) -> None:
    found = estimate(load_recipe(find_recipe(name)), 0, CPU)
    assert max(stage.memory_bytes for stage in found.stages) < GPU_BYTES
    assert all(f"{stage.steps} steps of {stage.batch} crops of 128 px" in str(found) for stage in found.stages)


def test_photos_are_counted_where_steps_depend_on_them(tmp_path: Path) -> None:
    counted = recipe("compact-unet", steps_per_epoch=None, crops_per_photo=10)
    with pytest.raises(UsageError, match="small: how many steps it has depends on the photos: `data` is missing"):
        rehearse(counted)
    for number in range(20):
        PIL.Image.new("RGB", (80, 64), (number, 0, 0)).save(tmp_path / f"{number}.png")
    found = rehearse(counted, tmp_path, Hardware("cpu"))
    assert found.stages[0].steps == 3 * (10 * 18 // 4)  # a tenth is kept for validation


def test_what_cannot_begin_is_refused(tmp_path: Path) -> None:
    PIL.Image.new("RGB", (80, 64)).save(tmp_path / "one.png")
    with pytest.raises(RecipeError, match="1 pictures are too few"):
        rehearse(recipe("compact-unet"), tmp_path, Hardware("cpu"))


@pytest.mark.slow
@pytest.mark.parametrize("name", ["daair-3", "daair-5", "slerir-3", "slerir-5"])
def test_the_papers_recipes_begin_on_their_data_sets(tmp_path: Path, name: str) -> None:
    """72,135 hazy pictures of RESIDE's 2,061 scenes, 200 of Rain100L, 2,103 of GoPro, 485 of LOL, 4,744 clean ones."""

    def fill(folder: str, names: list[str]) -> None:
        place = tmp_path / "data" / folder
        place.mkdir(parents=True)
        for index, file in enumerate(names):
            if index % 50_000 == 0:  # a file has 65,000 names at most
                PIL.Image.new("RGB", (160, 144), (90, 120, 60)).save(first := place / file)
            else:
                os.link(first, place / file)

    fill("clean", [f"{number}.png" for number in range(4744)])
    fill("pairs/haze/target", [f"{scene:04}.png" for scene in range(2061)])
    fill("pairs/haze/input", [f"{scene:04}_{n}.png" for scene in range(2061) for n in range(35)])
    for kind, count in (("rain", 200), ("motion", 2103), ("lowlight", 485)):
        for side in ("input", "target"):
            fill(f"pairs/{kind}/{side}", [f"{number}.png" for number in range(count)])
    found = rehearse(load_recipe(find_recipe(f"paper/{name}")), tmp_path / "data", Hardware("cpu"))
    assert found.seconds > 0


@pytest.mark.parametrize("name", ["noise", "blur", "overexposure"])
def test_darnets_experts_begin_on_div2k(tmp_path: Path, name: str) -> None:
    """Its 800 training pictures; the 100 of validation are left out."""
    for folder, numbers in (("DIV2K_train_HR", range(1, 801)), ("DIV2K_valid_HR", range(801, 901))):
        (tmp_path / folder).mkdir()
        for number in numbers:
            file = tmp_path / folder / f"{number:04}.png"
            if number in (1, 801):
                PIL.Image.new("RGB", (160, 144), (90, 120, 60)).save(first := file)
            else:
                os.link(first, file)
    found = rehearse(load_recipe(find_recipe(f"paper/{name}")), tmp_path, Hardware("cpu"))
    assert found.stages[0].steps == 100 * (720 * 50 // 128)  # §IV-A: 50 crops of each picture, a tenth validated on


@pytest.mark.parametrize("name", ["router", "phases"])
def test_darnets_classifier_begins_on_stl10(tmp_path: Path, name: str) -> None:
    """In one phase and in three: later ones are rehearsed before there is anything to replay."""
    with (tmp_path / "train_X.bin").open("wb") as file:
        file.truncate(5000 * 3 * 96**2)
    recipes = experiments.load(find_recipe(f"paper/{name}")).recipes
    found = [rehearse(recipe, tmp_path, Hardware("cpu")) for recipe in recipes]
    assert [estimate.stages[0].steps for estimate in found] == [100 * (3500 // 256)] * len(recipes)
