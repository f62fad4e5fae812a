"""A kind of damage is one object, and what darnet's own say of themselves."""

from __future__ import annotations

import ast
import sys
from pathlib import Path
from typing import Any

import pytest

from darnet import registry
from darnet.degradations import Clean, GaussianBlur, GaussianNoise, Kind, find_kind, kinds, resolve
from darnet.errors import UnknownNameError, UsageError
from darnet.images.image import Image
from darnet.images.photographic import OF_PHOTOS, Concern, Objection
from darnet.imaging.chain import Chain, in_order
from darnet.imaging.noises import LightNoise
from darnet.restore.subject import Subject

NOISE = {"noise": GaussianNoise}
SOURCE = Path(registry.__file__).parent


def test_a_severity_is_written_in_the_unit_of_its_kind() -> None:
    assert Kind("noise", NOISE, symbol="σ").written(24.3) == "σ ≈ 24"
    assert Kind("noise", NOISE, symbol="σ", digits=2, unit="of 255").written(24.3) == "σ ≈ 24.30 of 255"
    assert Kind("noise", NOISE, unit="of 255").written(24.3) == ""


def test_a_kind_of_its_own_degradations_alone() -> None:
    with pytest.raises(ValueError, match=r"noise: .* of kind 'blur'"):
        Kind("noise", {**NOISE, "soft": GaussianBlur})
    with pytest.raises(ValueError, match=r"noise: .* of kind 'clean'"):
        Kind("noise", NOISE, severities={"noise": (Clean(),)})


@pytest.mark.parametrize("beside", [{"local": True}, {"followed_by": "darnet.imaging.noises:NOISE"}])
def test_what_is_said_of_the_way_is_said_of_a_stage(beside: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="noise: followed_by and local"):
        Kind("noise", NOISE, **beside)


@pytest.mark.parametrize("half", [{"stage": "sensor"}, {"steps": "darnet.imaging.noises:NOISE"}])
def test_a_place_on_the_way_and_what_happens_there_belong_together(half: dict[str, str]) -> None:
    with pytest.raises(ValueError, match="stage and steps"):
        Kind("noise", NOISE, **half)


def test_darnet_has_nine_and_nobody_says_what_another_is() -> None:
    assert [kind.name for kind in kinds()][:9] == list(registry.BUILTIN["kind"])
    assert find_kind("haze") in list(kinds())
    assert find_kind("moiré") is None


def test_every_kind_has_its_own_degradation_and_its_suite() -> None:
    for name in registry.BUILTIN["kind"]:
        kind = find_kind(name)
        assert registry.find("degradation", name) is kind.degradations[name]
        assert len(kind.severities[name]) == (1 if name == "clean" else 3)
        for degradation in (part for severities in kind.severities.values() for part in severities):
            assert all(low == high for low, high in (getattr(degradation, n) for n in degradation.parameters))


def test_the_way_is_that_of_physics() -> None:
    """What is drawn for a photo follows from this order: another one is another training set."""
    assert [kind.name for kind in in_order([*registry.own_kinds()])] == [
        "haze",
        "rain",
        "blur",
        "motion",
        "overexposure",
        "lowlight",
        "noise",
        "jpeg",
    ]
    assert Chain(())._exclusive == [("overexposure", "lowlight"), ("blur", "motion"), ("haze", "rain")]


def test_what_else_is_said_of_darnets_own() -> None:
    assert [kind.name for kind in in_order([*registry.own_kinds()]) if kind.looks_far] == ["haze", "lowlight"]
    assert [kind.name for kind in in_order([*registry.own_kinds()]) if kind.local] == ["noise"]
    assert [(name, type(step)) for name, step in Chain(())._following] == [("lowlight", LightNoise)]


#: What is not said of a kind but of a published table, a suite of several kinds, a camera, or a peer (docs/adr/0033);
#: and the steps and degradations that a kind is made of.
SAID_OF_OTHERS = ("benchmark/suites", "benchmark/report/printed", "benchmark/camera", "benchmark/peers", "imaging/")
#: Formats of files and names of folders that are spelled as a kind is.
SPELLED_ALIKE = {
    "images/": {"jpeg"},
    "jobs/outputs": {"jpeg"},
    "data/pairs": {"rain", "blur"},
    "data/graphics": {"noise"},
}


def test_nobody_else_knows_a_kind_by_its_name() -> None:
    names = {kind.name for kind in registry.own_kinds()}
    found = []
    for path in sorted(SOURCE.rglob("*.py")):
        module = str(path.relative_to(SOURCE))
        if module.startswith(("degradations/", "registry", *SAID_OF_OTHERS)) and module != "imaging/chain.py":
            continue
        alike = {word for begin, words in SPELLED_ALIKE.items() if module.startswith(begin) for word in words}
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Constant) and node.value in names - alike:
                found.append(f"{module}:{node.lineno}: {node.value}")
    assert not found


def test_steps_are_of_the_kind_that_names_them() -> None:
    for name, steps in Chain(())._steps.items():
        assert {step.kind for step in steps} == {name}
        assert sum(step.share for step in steps) == pytest.approx(1, abs=0.02)


@pytest.mark.parametrize(
    ("concerns", "refused"),
    [
        ({"tones"}, {"overexposure", "lowlight", "haze"}),
        ({"scene"}, {"rain", "motion"}),
        (OF_PHOTOS, {"overexposure", "lowlight", "haze", "rain", "motion", "noise", "blur"}),
        ({"file"}, {"jpeg"}),
    ],
)
def test_what_speaks_against_a_repair(concerns: set[Concern], refused: set[str]) -> None:
    subject = Subject.of(Image.of(Path(__file__).parents[2] / "examples" / "coffee-clean.jpg"))
    vars(subject)["_objection"] = Objection("a page", frozenset(concerns))
    known = [*registry.BUILTIN["kind"], "moiré"]
    assert {kind for kind in known if subject.refuses(kind)} == refused


def test_a_word_that_people_say() -> None:
    assert resolve("fog", ["noise", "haze"]) == "haze"
    assert resolve("fog", ["fog", "haze"]) == "fog", "a system may have an expert of that name"
    assert resolve("fog", ["noise"]) == "fog"
    words = [word for kind in kinds() for word in (kind.name, *kind.also_called, *kind.degradations)]
    assert len({*words}) == len(words) - len([*kinds()]), "no word means two kinds"


@pytest.mark.parametrize(
    ("module", "reason"), [("import gone_module", "gone_module"), ("BAD = 3", "no kind of this name"), ("", "BAD")]
)
def test_a_kind_that_cannot_be_loaded_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, module: str, reason: str
) -> None:
    """And hurts nobody who asks for another."""
    (tmp_path / "bad_kind.py").write_text(module)
    (tmp_path / "bad_kind-1.dist-info").mkdir()
    (tmp_path / "bad_kind-1.dist-info" / "METADATA").write_text("Metadata-Version: 2.1\nName: bad-kind\nVersion: 1\n")
    (tmp_path / "bad_kind-1.dist-info" / "entry_points.txt").write_text("[darnet.kind]\nbad = bad_kind:BAD\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "bad_kind", raising=False)
    for ask in (find_kind, lambda name: registry.find("degradation", name)):
        with pytest.raises(UsageError, match=rf"kind bad \(bad_kind:BAD\): .*{reason}"):
            ask("bad")
        assert ask("noise") is not None
    with pytest.raises(UnknownNameError):
        registry.find("expert", "bad")
