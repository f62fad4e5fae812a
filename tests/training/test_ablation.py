"""Variants of one recipe: trained alike, each once."""

from __future__ import annotations

import json
import shutil
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch

from darnet.errors import RecipeError, UsageError
from darnet.images.image import Image
from darnet.models import cards
from darnet.training import experiments, launch
from darnet.training.ablation import Ablation
from darnet.training.recipe import find_recipe

TEXT = """
name = "two"

[[variant]]
name = "narrow"

[[variant]]
name = "wide"
set = ["model.config.width=8", "stage.0.losses={mse = 1.0}"]

[recipe]
name = "tiny"
handles = ["noise"]
model = { kind = "compact-unet", config = { width = 4, blocks = [1, 1] } }
data = { smallest_px = 16, validation_samples = 4 }

[[recipe.stage]]
name = "only"
epochs = 1
steps_per_epoch = 2
batch = 4
crop_px = 16
losses = { l1 = 1.0 }
degradations = [{ name = "noise" }]
"""
CPU = launch.Hardware("cpu", 1, "fp32")


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    folder.mkdir()
    for index in range(10):
        Image.of(np.random.default_rng(index).integers(0, 256, (40, 40, 3), np.uint8)).write(folder / f"{index}.png")
    return folder


@pytest.fixture
def path(tmp_path: Path) -> Path:
    (tmp_path / "two.toml").write_text(TEXT)
    return tmp_path / "two.toml"


@pytest.fixture
def two(path: Path) -> Ablation:
    return experiments.load(path)


def test_every_variant_is_trained_and_reported(two: Ablation, photos: Path, tmp_path: Path) -> None:
    folder = two.start(photos, tmp_path / "runs", CPU, quiet=True)
    report = json.loads((folder / "ablation.json").read_text())
    assert [row["name"] for row in report["variants"]] == ["narrow", "wide"]
    trained = [cards.read_card(folder / row["model"]) for row in report["variants"]]
    assert [card.config["width"] for card in trained] == [4, 8]
    assert [row["parameters"] for row in report["variants"]] == [card.parameters for card in trained]
    assert report["variants"][0]["step"] == 2 and report["variants"][0]["val_psnr"] > 0
    assert trained[1].training["recipe"]["stage"][0]["losses"] == {"mse": 1.0}


def test_a_stopped_study_goes_on_with_what_is_left(two: Ablation, photos: Path, tmp_path: Path) -> None:
    folder = two.start(photos, tmp_path / "runs", CPU, quiet=True)
    first, last = (next((folder / name).iterdir()) / "model" / "model.safetensors" for name in ("narrow", "wide"))
    weights, made = last.read_bytes(), first.stat().st_mtime_ns
    shutil.rmtree(folder / "wide")
    assert Ablation.resume(folder, quiet=True) == folder
    assert first.stat().st_mtime_ns == made
    assert (next((folder / "wide").iterdir()) / "model" / "model.safetensors").read_bytes() == weights


def test_overrides_reach_every_variant(path: Path) -> None:
    found = experiments.load(path, ["recipe.stage.0.epochs=3"])
    assert [found.plan(variant).stage[0].epochs for variant in found.variant] == [3, 3]


@pytest.mark.parametrize(
    ("override", "reason"),
    [
        ("variants=1", "variants"),
        ("variant.1.name=narrow", "two variants"),
        ("variant.1.set=['model.config']", "key=value"),
        ("recipe.stage.0.batch=0", "batch"),
    ],
)
def test_documents_that_make_no_sense(path: Path, override: str, reason: str) -> None:
    with pytest.raises(RecipeError, match=reason):
        experiments.load(path, [override])


def test_one_process(two: Ablation, photos: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="one process"):
        two.start(photos, tmp_path / "runs", launch.Hardware("cpu", 2, "fp32"), quiet=True)
    assert not (tmp_path / "runs").exists()


def test_daair_is_compared_at_equal_size() -> None:
    """Within 5 %: DaAIR, Restormer's blocks alone, and DaR-Net's experts together."""
    from darnet.training.preparation import build_model

    found = experiments.load(find_recipe("ablation/daair"))
    sizes, steps = {}, {}
    for variant in found.variant:
        recipe = found.plan(variant)
        sizes[variant.name] = sum(weight.numel() for weight in build_model(recipe).parameters())
        steps[variant.name] = sum(stage.epochs * stage.epoch_steps(1) for stage in recipe.stage)
    parts = [name for name in sizes if name.startswith("darnet-")]
    assert sizes["plain"] == pytest.approx(sizes["daair"], rel=0.05)
    assert sum(sizes[name] for name in parts) == pytest.approx(sizes["daair"], rel=0.05)
    assert sum(steps[name] for name in parts) == steps["daair"] == steps["plain"]


def test_slerir_is_compared_at_equal_cost() -> None:
    """The same steps and, but for what Table 4 leaves out, as many parameters at work to 0.1 %."""
    from darnet.benchmark.footprint import idle
    from darnet.training.preparation import build_model, check

    found = experiments.load(find_recipe("ablation/slerir"))
    active, stored, steps = {}, {}, set()
    for variant in found.variant:
        recipe = found.plan(variant)
        model = build_model(recipe)
        check(recipe, model, model.kinds or recipe.kinds)
        stored[variant.name] = sum(weight.numel() for weight in model.parameters())
        active[variant.name] = stored[variant.name] - idle(model)
        steps.add(tuple((stage.gate, stage.epochs * stage.epoch_steps(1), stage.batch) for stage in recipe.stage))
    assert steps == {(("soft", 500, 12), ("hard", 1100, 12), ("hard", 300, 3))}  # as many pictures as in study/daair
    assert active.pop("no-fusion") < 0.9 * active["slerir"]
    for count in active.values():
        assert count == pytest.approx(active["slerir"], rel=1e-3)
    assert stored["experts-1"] == active["experts-1"]
    assert stored["experts-1"] < stored["experts-2"] < stored["slerir"] < stored["experts-4"]


def test_shapes_of_the_noise_expert_are_compared_at_equal_time() -> None:
    """A step takes its multiply–adds, and besides what 31 GMAC a megapixel take (measured: batches, Muon)."""
    from torch.utils.flop_counter import FlopCounterMode

    from darnet.models.creation import create_model
    from darnet.models.meta import on_meta

    found, times = experiments.load(find_recipe("ablation/noise")), dict[str, float]()
    for variant in found.variant:
        recipe = found.plan(variant)
        model = on_meta(partial(create_model, recipe.model.kind), recipe.model.config)
        with FlopCounterMode(display=False) as counter:
            model(torch.empty(1, 3, 512, 512, device="meta"))
        gmacs = counter.get_total_flops() / 2 / 512**2 / 1e3
        times[variant.name] = sum(stage.epochs * stage.epoch_steps(1) for stage in recipe.stage) * (gmacs + 31)
    for time in times.values():
        assert time == pytest.approx(times["base"], rel=0.07)  # small maps take a little less
