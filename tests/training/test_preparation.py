"""What could only fail once training has begun is refused before; networks and their seeds: test_recipe.py."""

from __future__ import annotations

import sys
from types import SimpleNamespace

import pytest
import torch

from darnet import registry
from darnet.errors import DarnetError, RecipeError
from darnet.models.base import Output
from darnet.models.classifier import DegradationClassifier
from darnet.training.preparation import build_model, check
from darnet.training.recipe import Recipe, parse_recipe


def router(*kinds: str, **stage: object) -> Recipe:
    first = {
        "name": "s",
        "epochs": 1,
        "steps_per_epoch": 1,
        "batch": 4,
        "crop_px": 16,
        "losses": {"classification": 1.0},
    }
    return parse_recipe(
        {
            "name": "router",
            "model": {"kind": "degradation-classifier", "config": {"kinds": kinds, "width": 4}},
            "stage": [{**first, "degradations": [{"name": "noise"}], **stage}],
        }
    )


def test_a_router_takes_over_the_kinds_it_shares_with_another() -> None:
    old = build_model(router("clean", "noise", "blur"))
    new = build_model(router("blur", "haze", "clean", "noise"), old)
    assert isinstance(old, DegradationClassifier)
    assert isinstance(new, DegradationClassifier)
    torch.testing.assert_close(new.head.weight, old.head.weight)
    torch.testing.assert_close(new.classify.weight[[2, 3, 0]], old.classify.weight)
    torch.testing.assert_close(new.classify.bias[[2, 3, 0]], old.classify.bias)
    fresh = build_model(router("blur", "haze", "clean", "noise"))
    assert isinstance(fresh, DegradationClassifier)
    torch.testing.assert_close(new.classify.weight[1], fresh.classify.weight[1])


def test_another_networks_weights_do_not_fit() -> None:
    other = build_model(router("clean", "noise"))
    wide = router("clean", "noise").model_dump()
    wide["model"]["config"]["width"] = 8
    with pytest.raises(RecipeError, match="cannot start from these weights"):
        build_model(parse_recipe(wide), other)


@pytest.mark.parametrize(
    ("stage", "message"),
    [
        ({"losses": {"l1": 1.0, "l3": 1.0}}, "no loss called 'l3'"),
        ({"crop_px": 15}, "crop_px 15 is no multiple of 2"),
        ({"freeze": ["tail*"]}, "matches no parameter"),
        ({"degradations": [{"name": "blur"}]}, "the model knows no kind 'blur'"),
    ],
)
def test_what_cannot_be_trained_is_refused(stage: dict[str, object], message: str) -> None:
    recipe = router("clean", "noise", **stage)
    with pytest.raises(DarnetError, match=message):
        check(recipe, (model := build_model(recipe)), model.kinds)


@pytest.mark.parametrize("kind", ["compact-unet", "deconvolution-unet", "unet"])
@pytest.mark.parametrize("config", [{"width": 0}, {"width": -1}, {"width": 10**30}, {"width": "x"}, {"width": 2.5}])
@pytest.mark.filterwarnings("error")
def test_what_makes_no_network_names_the_key(kind: str, config: dict[str, object]) -> None:
    document = router("clean").model_dump()
    recipe = parse_recipe({**document, "model": {"kind": kind, "config": config}})
    with pytest.raises(RecipeError, match=rf"^model\.config: {kind}\(width="):
        build_model(recipe)


@pytest.mark.filterwarnings("error")
def test_a_network_that_does_not_work_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """It can be made, and fails on the first picture."""

    class Broken(DegradationClassifier):
        def forward(self, *_: object) -> Output:
            raise RuntimeError("mat1 and mat2 shapes\ncannot be multiplied")

    monkeypatch.setitem(registry.BUILTIN["model"], "broken", "broken_module:Broken")
    monkeypatch.setitem(sys.modules, "broken_module", SimpleNamespace(Broken=Broken))
    document = router("clean").model_dump()
    document["model"]["kind"] = "broken"
    with pytest.raises(RecipeError, match=r"model\.config: broken\(.* fails on crops of 16 px: mat1 and mat2 shapes c"):
        build_model(parse_recipe(document))


def test_distillation_needs_a_teacher_whose_kinds_come_first() -> None:
    lesson = router("clean", "noise", "blur", losses={"distillation": 1.0})
    model = build_model(lesson)
    check(lesson, model, model.kinds, DegradationClassifier(["clean", "noise"], 4))
    for teacher in (None, DegradationClassifier(["noise", "clean"], 4)):
        with pytest.raises(RecipeError, match="teacher"):
            check(lesson, model, model.kinds, teacher)


def test_what_is_replayed_must_be_remembered_and_known() -> None:
    lesson = router("clean", "noise", replay=0.5)
    model = build_model(lesson)
    check(lesson, model, model.kinds, None, ("clean", "noise"))
    with pytest.raises(RecipeError, match="remember nothing"):
        check(lesson, model, model.kinds)
    with pytest.raises(RecipeError, match="'rain'"):
        check(lesson, model, model.kinds, None, ("clean", "rain"))


def test_an_expert_has_no_verdict_to_fit() -> None:
    document = router("clean").model_dump()
    document |= {"model": {"kind": "compact-unet", "config": {"width": 4, "blocks": [1, 1]}}}
    document["data"]["calibration_pictures"] = 8
    recipe = parse_recipe(document)
    with pytest.raises(RecipeError, match=r"data\.calibration_pictures: 'compact-unet' is no router"):
        check(recipe, build_model(recipe), ("noise",))


def test_an_expert_has_nothing_to_remember() -> None:
    document = router("clean").model_dump()
    document |= {"model": {"kind": "compact-unet", "config": {"width": 4, "blocks": [1, 1]}}, "memory": {}}
    expert = parse_recipe(document)
    with pytest.raises(RecipeError, match="no router"):
        check(expert, build_model(expert), ("clean",))


def test_what_is_held_needs_an_origin_and_must_not_learn() -> None:
    old = build_model(router("clean", "noise"))
    held = router("clean", "noise", "blur", hold=True, freeze=["[!ce]*"])
    check(held, build_model(held, old), ("clean", "noise", "blur"), old)
    with pytest.raises(RecipeError, match="hold needs weights to begin with"):
        check(held, build_model(held), ("clean", "noise", "blur"))
    learning = router("clean", "noise", "blur", hold=True)
    with pytest.raises(RecipeError, match=r"hold puts 'head\.weight' back"):
        check(learning, build_model(learning, old), ("clean", "noise", "blur"), old)
    same = router("clean", "noise", hold=True, freeze=["[!ce]*"])
    with pytest.raises(RecipeError, match="hold puts 'classify"):
        check(same, build_model(same, old), ("clean", "noise"), old)
