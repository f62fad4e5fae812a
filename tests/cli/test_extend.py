"""darnet extend: options are checked and handed on; what it does is tested in test_extension.py."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from darnet import extend
from darnet.errors import DarnetError
from darnet.extend import ForgettingError, Outcome
from darnet.training.evaluation import Confusion


@pytest.fixture
def asked(pictures, monkeypatch):
    """Stands in for the extension; remembers what it was told."""
    pictures("photos/a.png")
    told: list[dict[str, object]] = []

    def answer(model: str, lesson: object, **options: object) -> Outcome:
        told.append({"model": model, "lesson": lesson, **options})
        before = {"noise": Confusion("noise", {"noise": 10})}
        after = {"noise": Confusion("noise", {"noise": 9, "salt": 1}), "salt": Confusion("salt", {"salt": 10})}
        return Outcome(Path("my-system"), before, after)

    monkeypatch.setattr(extend, "extend", answer)
    return told


def test_what_is_told(darnet, asked):
    options = ["--degradation", "mine:Salt", "--expert", "median", "-o", "new", "--max-forgetting", "2", "--no-replay"]
    ran = darnet(
        "extend", "salt", "--data", "photos", *options, "--set", "router.seed=3", "-d", "cpu", "--precision", "fp32"
    )
    assert ran.code == 0
    assert ran.out.splitlines()[-1] == "my-system"
    assert "noise           90.0 %  -10.0 points" in ran.out
    assert "salt           100.0 %  new" in ran.out
    assert "warning" not in ran.err
    (told,) = asked
    assert (told["model"], told["out"], told["expert"]) == ("darnet", Path("new"), "median")
    assert told["lesson"] == extend.Lesson("salt", Path("photos"), "mine:Salt")
    settings = told["settings"]
    assert (settings.max_forgetting, settings.replay, settings.overrides) == (2, False, ["router.seed=3"])
    assert (settings.hardware.device, settings.hardware.precision) == ("cpu", "fp32")


def test_the_working_directory_is_no_place_for_modules(darnet, asked):
    before = sys.path.copy()
    assert darnet("extend", "salt", "--data", "photos", "--degradation", "noise").code == 0
    assert sys.path == before


def test_json(darnet, asked):
    ran = darnet("extend", "salt", "--data", "photos", "--degradation", "mine:Salt", "--json")
    document = json.loads(ran.out)
    assert document["system"] == "my-system"
    assert document["after"]["noise"] == {"accuracy": 0.9, "pictures": 10, "named": {"noise": 9, "salt": 1}}


def test_quiet(darnet, asked):
    ran = darnet("extend", "salt", "--data", "photos", "--degradation", "mine:Salt", "--quiet")
    assert ran == (0, "my-system\n", "")


@pytest.mark.parametrize(("right", "warned"), [(8, True), (9, False)])
def test_a_kind_that_was_not_learnt_well_is_warned_of(darnet, asked, monkeypatch, right, warned):
    after = {"salt": Confusion("salt", {"salt": right, "noise": 10 - right})}
    monkeypatch.setattr(extend, "extend", lambda *_, **__: Outcome(Path("new"), {}, after))
    ran = darnet("extend", "salt", "--data", "photos", "--degradation", "mine:Salt")
    assert ran.code == 0
    assert ("not told apart well" in ran.err) is warned


def test_the_clean_side_of_pairs_is_what_is_learnt_from(darnet, asked, pictures):
    for side in ("input", "target"):
        pictures(f"rainy/{side}/1.png")
    assert darnet("extend", "drops", "--pairs", "rainy").code == 0
    assert asked[0]["lesson"] == extend.Lesson("drops", Path("rainy/target"), pairs=Path("rainy"))


def test_pairs_that_lie_together_need_photos(darnet, asked, pictures):
    for name in ("rain-1", "norain-1"):
        pictures(f"both/{name}.png")
    ran = darnet("extend", "drops", "--pairs", "both")
    assert ran.code == 2 and "--data" in ran.err and not asked


@pytest.mark.parametrize(
    "options",
    [
        ("--degradation", "mine:Salt"),
        ("--degradation", "mine:Salt", "--data", "gone"),
        ("--pairs", "gone"),
        ("--data", "photos", "--degradation", "mine:Salt", "--max-forgetting", "-1"),
    ],
)
def test_usage(darnet, asked, options):
    ran = darnet("extend", "salt", *options)
    assert ran.code == 2 and not asked


def test_forgetting_is_a_failure_in_one_line(darnet, asked, monkeypatch):
    def refuse(*_: object, **__: object) -> Outcome:
        raise ForgettingError("the router forgot more than 1 points: noise 3.0; nothing was changed")

    monkeypatch.setattr(extend, "extend", refuse)
    ran = darnet("extend", "salt", "--data", "photos", "--degradation", "mine:Salt", "--quiet")
    assert (ran.code, ran.out) == (DarnetError.exit_code, "")
    assert ran.err.count("\n") == 1 and "noise 3.0" in ran.err


def test_an_extension_of_the_shipped_system_needs_a_place(darnet, pictures):
    pictures("photos/a.png")
    ran = darnet("extend", "salt", "--data", "photos", "--degradation", "noise")
    assert ran.code == 2 and "--output" in ran.err
