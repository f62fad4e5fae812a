from __future__ import annotations

import tomllib
from pathlib import Path

import numpy as np
import pytest
import tomli_w
import torch

from darnet.data.material import Material, Pairs
from darnet.degradations import GaussianNoise, MeasuredMotion
from darnet.errors import RecipeError, UnknownNameError
from darnet.training import experiments
from darnet.training.ablation import Ablation
from darnet.training.continual import ClassIncremental
from darnet.training.preparation import build_model
from darnet.training.recipe import Recipe, find_recipe, load_recipe, parse_recipe, shipped_recipes

TEXT = """
name = "tiny"
[model]
kind = "compact-unet"
config = { width = 4, blocks = [1, 1] }
[[stage]]
name = "only"
epochs = 2
steps_per_epoch = 3
batch = 4
crop_px = 16
losses = { l1 = 1.0 }
[[stage.degradations]]
name = "noise"
ranges = { sigma_255 = [5, 50] }
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    (tmp_path / "tiny.toml").write_text(TEXT)
    return tmp_path / "tiny.toml"


def runs(path: Path) -> list[Recipe]:
    """The recipes in a file: one, or one for each phase or variant."""
    found = experiments.load(path)
    if isinstance(found, Ablation):
        return [found.plan(variant) for variant in found.variant]
    if isinstance(found, ClassIncremental):
        return [found.plan(index) for index in range(len(found.phase))]
    return [load_recipe(path)]


@pytest.mark.parametrize("name", shipped_recipes())
def test_every_shipped_recipe_reads_builds_and_survives_printing(name: str) -> None:
    for recipe in runs(find_recipe(name)):
        printed = tomli_w.dumps(recipe.model_dump(mode="json", exclude_none=True))
        assert parse_recipe(tomllib.loads(printed)) == recipe
        # The paper's 31 M parameters take their time; the kinds of the lesson's router are filled in.
        if not name.startswith("paper/") and name != "extend/router":
            build_model(recipe)


@pytest.mark.parametrize("name", [name for name in shipped_recipes() if name.startswith("paper/")])
def test_every_number_of_a_paper_recipe_says_where_it_comes_from(name: str) -> None:
    for line in find_recipe(name).read_text().splitlines():
        key, separator, value = line.partition(" = ")
        if separator and not line.startswith("#") and any(c.isdigit() for c in value.split("#")[0]):
            described = "# paper" in line or "ours" in line or "# STL-10" in line or key.strip().startswith("{ name")
            assert described, f"{name}: {line}"


def test_overrides_reach_what_they_name(path: Path) -> None:
    recipe = load_recipe(path, ["stage.0.epochs=7", "stage.0.optimizer.name=muon", "model.config.width=8", "seed=3"])
    assert (recipe.stage[0].epochs, recipe.stage[0].optimizer.name, recipe.seed) == (7, "muon", 3)
    assert recipe.model.config["width"] == 8


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("stage.0.epoch=2", r"stage\.0\.epoch: unknown key; did you mean 'epochs'"),
        ("stage.0.optimizer.learning=2", r"optimizer\.learning: unknown key"),
        ("sed=1", "did you mean 'seed'"),
        ("stage.5.epochs=2", r"there is no 'stage\.5\.epochs'"),
        ("stage.x.epochs=2", r"there is no 'stage\.x\.epochs'"),
        ("epochs", "expected key=value"),
        ("stage.0.epochs=0", "greater than 0"),
        ("stage.0.epochs=many", "valid integer"),
        ("stage.0.crops_per_picture=3", "batch 4 is no multiple of crops_per_picture 3"),
        ("stage.0.optimizer.momentum=0.5", "momentum does nothing with 'adamw'"),
        ("stage.0.schedule={name='plateau', warmup_steps=9}", "warmup_steps does nothing with 'plateau'"),
        ("stage.0.losses.l1=-1", "greater than 0"),
        ("stage.0.crops_per_photo=5", "give one of steps_per_epoch and crops_per_photo"),
        ("stage.0.degradations.0.ranges.sigma=[1,2]", "degradation 'noise'"),
        ("stage.0.degradations.0.ranges.sigma_255=[9,2]", "must be a range"),
        ("stage.0.degradations.0.name=noize", "did you mean 'noise'"),
        ("stage.0.degradations.0.files={kernel='a.npz'}", "it has no 'kernel'"),
        ("stage.0.degradations.0.of=haze", "names the kind of 'pairs'"),
        ("stage.0.degradations.0={name='pairs'}", "names the kind of 'pairs'"),
        ("stage.0.degradations.0={name='pairs', of='haze', ranges={beta=[1,2]}}", "have no ranges"),
        ("stage.0.jpeg_quality=[90,101]", "within 1 to 100"),
        ("stage.0.scene_px=8", "scene_px 8 is less than crop_px 16"),
    ],
)
def test_a_wrong_key_or_value_names_itself_and_the_nearest(path: Path, override: str, message: str) -> None:
    with pytest.raises(RecipeError, match=message):
        load_recipe(path, [override])


def test_files_that_are_no_recipes(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match=r"missing\.toml: No such file"):
        load_recipe(tmp_path / "missing.toml")
    (tmp_path / "bad.toml").write_text("a = = b")
    with pytest.raises(RecipeError, match=r"bad\.toml: not TOML"):
        load_recipe(tmp_path / "bad.toml")
    with pytest.raises(UnknownNameError, match="no recipe called 'nois'; did you mean 'noise'"):
        find_recipe("nois")


def test_the_length_of_an_epoch(path: Path) -> None:
    stage = load_recipe(path).stage[0]
    assert stage.epoch_steps(1000) == 3
    by_crops = stage.model_copy(update={"steps_per_epoch": None, "crops_per_photo": 50, "batch": 128})
    assert by_crops.epoch_steps(720) == 50 * 720 // 128


def test_sources_are_degradations_files_and_pairs(path: Path, tmp_path: Path) -> None:
    np.savez(tmp_path / "k.npz", line=np.ones((1, 5), np.float32))
    picture = torch.zeros(3, 20, 20, dtype=torch.uint8)
    material = Material(tmp_path, [picture], {"haze": [[(picture, picture)], [(picture, picture)] * 2]})
    sources = "[{name='noise'}, {name='measured-motion', files={kernels='k.npz'}}, {name='pairs', of='haze'}]"
    recipe = load_recipe(path, [f"stage.0.degradations={sources}"])
    assert recipe.kinds == ("noise", "motion", "haze")
    assert recipe.paired == ("haze",)
    noise, measured, pairs = (spec.build(material) for spec in recipe.stage[0].degradations)
    assert noise == GaussianNoise((5, 50))
    assert measured == MeasuredMotion(kernels=tmp_path / "k.npz")
    assert isinstance(pairs, Pairs)
    assert (pairs.kind, len(pairs.photos)) == ("haze", 3)
    with pytest.raises(RecipeError, match=r"no \.npz file"):
        recipe.stage[0].degradations[1].build(Material(tmp_path / "gone", [picture]))


def test_a_stage_that_names_no_degradations_has_those_of_the_stage_before(path: Path) -> None:
    document = tomllib.loads(TEXT)
    bare = {key: value for key, value in document["stage"][0].items() if key != "degradations"}
    other = {**bare, "degradations": [{"name": "blur"}]}
    recipe = parse_recipe({**document, "stage": [*document["stage"], bare, other, bare]})
    assert [stage.kinds for stage in recipe.stage] == [("noise",), ("noise",), ("blur",), ("blur",)]
    assert recipe.stage[1].degradations == recipe.stage[0].degradations
    with pytest.raises(RecipeError, match=r"stage\.0\.degradations: Field required"):
        parse_recipe({**document, "stage": [bare, *document["stage"]]})
    path.write_text(tomli_w.dumps({**document, "stage": [*document["stage"], bare]}))
    first, second = load_recipe(path, ["stage.1.degradations.0.share=2"]).stage
    assert (first.degradations[0].share, second.degradations[0].share) == (1, 2)


def test_a_network_that_cannot_be_built_is_a_recipe_error(path: Path) -> None:
    with pytest.raises(RecipeError, match="no argument of compact-unet called 'depth'"):
        build_model(load_recipe(path, ["model.config.depth=3"]))


def test_the_first_weights_follow_from_the_seed(path: Path) -> None:
    def first(seed: int) -> float:
        return float(build_model(load_recipe(path, [f"seed={seed}"])).head.weight.detach().sum())

    assert first(1) == first(1) != first(2)


@pytest.mark.parametrize(
    ("change", "key"),
    [
        ("seed=-1", "seed"),
        ("seed=99999999999999999999", "seed"),
        ("stage.0.degradations.0.share=inf", r"stage\.0\.degradations\.0\.share"),
        ("stage.0.optimizer.lr=inf", r"stage\.0\.optimizer\.lr"),
        ("stage.0.losses.l1=nan", r"stage\.0\.losses\.l1"),
        ("data.test=0.95", "data"),
        ("stage.0.degradations=[{name='jpeg', ranges={quality=[5, 500]}}]", r"stage\.0\.degradations\.0"),
        ("stage.0.degradations=[{name='chain', of='noise', habits={none=7}}]", r".*habits\.none=.*"),
        ("stage.0.degradations=[{name='chain', of='noise', habits={none=[0, 1]}}]", r".*habits\.none=.*"),
        ("stage.0.degradations=[{name='chain', of='noise', habits={quality=[1]}}]", r".*habits\.quality=.*"),
        ("stage.0.degradations=[{name='chain', habits={several=[0, 0, 0, 0]}}]", r".*habits\.several=.*"),
        ("name=../elsewhere", "name"),
        ('name=""', "name"),
    ],
)
def test_values_that_could_only_fail_later_are_refused_and_their_key_is_named(
    path: Path, change: str, key: str
) -> None:
    with pytest.raises(RecipeError, match=rf"tiny\.toml: {key}: "):
        load_recipe(path, [change])


def test_what_we_say_of_a_value_is_said_as_it_is(path: Path) -> None:
    """pydantic puts "Value error, " before it."""
    with pytest.raises(RecipeError, match=r"tiny\.toml: stage\.0: give one of steps_per_epoch and crops_per_photo$"):
        load_recipe(path, ["stage.0.crops_per_photo=3"])
