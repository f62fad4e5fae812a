"""Teaching a system one more kind: what is new works, nothing else is touched, and what cannot work fails at once."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from unittest.mock import patch

import numpy as np
import pytest
import torch
from tests.systems.test_assembly import hashes

import darnet.data.photos
from darnet import extend
from darnet.data.memory import Exemplar, Memory, as_scene, load_memory
from darnet.errors import DarnetError, ImageError, UsageError
from darnet.extend import ForgettingError, Lesson, Settings
from darnet.images.image import Image
from darnet.models import cards
from darnet.models.classifier import EVIDENCE, DegradationClassifier
from darnet.systems import manifest
from darnet.systems.spec import load
from darnet.training import launch

SALT = """
from dataclasses import dataclass
from typing import ClassVar
import torch
from darnet.degradations import Degradation

@dataclass(frozen=True)
class Salt(Degradation):
    density: tuple[float, float] = (0.1, 0.4)
    kind: ClassVar[str] = "salt"
    parameters: ClassVar[tuple[str, ...]] = ("density",)

    def apply(self, clean, parameters, rng):
        chance = torch.rand(clean[:, :1].shape, generator=rng, device=clean.device)
        return torch.where(chance < parameters[:, 0, None, None, None], torch.ones_like(clean), clean)

    def severity(self, parameters):
        return parameters[:, 0]

class Random(Salt):
    def apply(self, clean, parameters, rng):
        return torch.rand(clean.shape)

class Pepper(Salt):
    kind = "pepper"

def nothing():
    return 3
"""
KINDS = ("clean", "noise", "blur", "overexposure")
PARAMETERS = {"clean": (), "noise": (30.0,), "blur": (2.0,), "overexposure": (1.8,)}
#: A lesson that spoils whatever was known.
WILD = (
    "router.ema_decay=0",
    "router.stage.0.freeze=[]",
    "router.stage.0.hold=false",
    "router.stage.0.losses={classification = 1.0}",
    "router.stage.0.optimizer.lr=1.0",
    "router.stage.0.schedule.warmup_steps=0",
    "router.stage.0.steps_per_epoch=8",
)
SMALL = (
    "router.stage.0.epochs=1",
    "router.stage.0.steps_per_epoch=2",
    "router.stage.0.batch=8",
    "router.stage.0.crop_px=32",
    "router.stage.0.scene_px=32",
    "router.data.smallest_px=16",
    "router.data.validation_samples=8",
    "router.data.calibration_pictures=0",
    "router.data.validation=0.3",
    "router.data.test=0.3",
    "router.memory.exemplars=4",
    "expert.stage.0.epochs=1",
    "expert.stage.0.steps_per_epoch=2",
    "expert.stage.0.batch=2",
    "expert.stage.0.crop_px=32",
    "expert.data.smallest_px=16",
    "expert.data.validation_samples=2",
    "expert.model.config.width=4",
    "expert.model.config.blocks=[1, 1]",
)


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    folder.mkdir()
    for index in range(6):
        coarse = torch.rand(1, 3, 5, 5, generator=torch.Generator().manual_seed(index))
        smooth = torch.nn.functional.interpolate(coarse, (48, 48), mode="bicubic")[0].clamp(0, 1)
        Image.of((smooth * 255).byte().permute(1, 2, 0).numpy()).write(folder / f"{index}.png")
    return folder


@pytest.fixture
def system(tiny_system: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy that may be changed, whose router remembers; and a module with damage to be taught."""
    folder = shutil.copytree(tiny_system, tmp_path / "system")
    scenes = tuple(as_scene(torch.full((3, 48, 48), 40 * index).byte()) for index in range(5))
    exemplars = [Exemplar(kind, i, kind, PARAMETERS[kind], i) for kind in KINDS for i in range(5)]
    Memory(scenes, tuple(exemplars)).save(folder / "router" / "memory")
    (tmp_path / "salt_module.py").write_text(SALT)
    monkeypatch.syspath_prepend(tmp_path)
    return folder


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    hardware = launch.Hardware("cpu", 1, "fp32")
    return Settings(100.0, pictures=4, runs=tmp_path / "runs", hardware=hardware, overrides=SMALL, quiet=True)


def teach(system: Path, lesson: Lesson, settings: Settings, **options: object) -> extend.Outcome:
    if "expert" in options:  # what is said of its training would do nothing
        kept = tuple(text for text in settings.overrides if text not in SMALL or text.startswith("router."))
        settings = replace(settings, overrides=kept)
    return extend.extend(str(system), lesson, settings=settings, say=lambda text: None, **options)


def test_a_new_kind_costs_one_expert_and_one_router(system: Path, photos: Path, settings: Settings) -> None:
    before = hashes(system)
    names = ("read_size", "read_photo")
    read = [patch(f"darnet.data.photos.{name}", wraps=getattr(darnet.data.photos, name)) for name in names]
    with read[0] as headers, read[1] as pixels:
        outcome = teach(system, Lesson("salt", photos, "salt_module:Salt"), settings)
    for reads in (headers, pixels):
        assert sorted(call.args[0].name for call in reads.call_args_list) == [f"{index}.png" for index in range(6)]
    after = hashes(system)
    assert {name: after[name] for name in before if name != manifest.SYSTEM} == {
        name: value for name, value in before.items() if name != manifest.SYSTEM
    }, "a file of another part was touched"
    found, folder = manifest.read_system(str(system))
    assert found.experts == {"noise": "noise", "blur": "blur", "overexposure": "overexposure", "salt": "salt"}
    card = cards.read_card(folder / found.router)
    assert card.handles == (*KINDS, "salt")
    assert cards.read_card(folder / "salt").handles == ("salt",)
    assert set(outcome.after) == {*KINDS, "salt"} and set(outcome.before) == set(KINDS)
    assert load(system)(np.zeros((40, 40, 3), np.uint8)).diagnosis.label in card.handles
    old, new = (cards.load(folder / name)[0].state_dict() for name in ("router", found.router))
    changed = {name.partition(".")[0] for name in old if not torch.equal(old[name], new[name])}
    assert changed == {"classify", "estimate", "weighing", "bias"}, "only the heads grow"
    for name in ("classify.weight", "classify.bias", "estimate.weight", "estimate.bias", "bias"):
        assert torch.equal(new[name][: len(KINDS)], old[name]), f"{name}: what is known is said as before"
    assert torch.equal(new["weighing"].unflatten(1, (EVIDENCE, -1))[:-1, :, :-1].flatten(1), old["weighing"])


@pytest.mark.parametrize(("config", "begins"), [("[1, 1]", True), ("[1, 2]", False)])
def test_an_expert_begins_with_one_of_the_same_network(
    system: Path, photos: Path, settings: Settings, config: str, begins: bool
) -> None:
    """Whatever that repairs: once, only experts of four kinds were asked."""
    known = manifest.read_system(str(system))[0]
    manifest.write_system(known.model_copy(update={"experts": {"overexposure": "overexposure"}}), system)
    settings = replace(settings, overrides=(*settings.overrides, f"expert.model.config.blocks={config}"))
    steps = [None, RuntimeError("stopped")]  # the router's, the expert's
    with patch("darnet.extend.launch.prepare", side_effect=steps) as prepared, pytest.raises(RuntimeError):
        teach(system, Lesson("salt", photos, "salt_module:Salt"), settings)
    assert prepared.call_args.kwargs["weights"] == (system / "overexposure" if begins else None)


def test_the_head_grows_and_old_rows_keep_their_weights(system: Path, photos: Path, settings: Settings) -> None:
    """What training starts from: its first checkpoint, before any step."""
    stopped = RuntimeError("stopped")
    with patch("darnet.training.trainer.StageRun.begin", side_effect=stopped), pytest.raises(RuntimeError):
        teach(system, Lesson("salt", photos, "salt_module:Salt"), settings, expert="median")
    from darnet.training.checkpoint import load_checkpoint

    run = next((settings.runs / "router").iterdir())
    weights = load_checkpoint(run / "checkpoints" / "last.safetensors")["model"]
    old = cards.load(system / "router")[0].state_dict()
    assert len(weights["classify.weight"]) == 5
    torch.testing.assert_close(weights["classify.weight"][:4], old["classify.weight"])
    torch.testing.assert_close(weights["features.0.weight"], old["features.0.weight"])


def test_the_new_router_remembers_old_and_new(system: Path, photos: Path, settings: Settings) -> None:
    teach(system, Lesson("salt", photos, "salt_module:Salt"), settings, expert="median")
    found, folder = manifest.read_system(str(system))
    memory = load_memory(folder / found.router / "memory")
    assert {kind: len(memory.of(kind)) for kind in memory.kinds} == dict.fromkeys((*KINDS, "salt"), 4)


def test_a_copy_leaves_the_original_as_it_was(system: Path, photos: Path, settings: Settings, tmp_path: Path) -> None:
    before = hashes(system)
    outcome = teach(system, Lesson("salt", photos, "salt_module:Salt"), settings, expert="median", out=tmp_path / "new")
    assert hashes(system) == before
    assert outcome.system == tmp_path / "new"
    assert "salt" in manifest.read_system(str(tmp_path / "new"))[0].experts


def test_forgetting_is_refused(system: Path, photos: Path, settings: Settings) -> None:
    """The tiny router calls everything noise, so noise can only lose: a lesson without replay makes it so."""
    strict = Settings(
        **{
            **vars(settings),
            "max_forgetting": 1.0,
            "replay": False,
            "overrides": (*SMALL, *WILD),
        }
    )
    before = hashes(system)
    with pytest.raises(ForgettingError, match=r"noise \d+"):
        teach(system, Lesson("salt", photos, "salt_module:Salt"), strict, expert="median")
    assert hashes(system) == before
    report = json.loads(next(settings.runs.rglob("extension.json")).read_text())
    assert report["before"]["noise"]["accuracy"] == 1


def test_an_interrupted_extension_leaves_the_system_as_it_was(system: Path, photos: Path, settings: Settings) -> None:
    before = hashes(system)
    for place in ("darnet.training.launch.start", "darnet.training.evaluation.Evaluation.__call__"):
        with patch(place, side_effect=KeyboardInterrupt), pytest.raises(KeyboardInterrupt):
            teach(system, Lesson("salt", photos, "salt_module:Salt"), settings, expert="median")
        assert hashes(system) == before


def pairs(folder: Path, photos: Path, *, sizes: bool = True, names: bool = True) -> Path:
    for side in ("input", "target"):
        (folder / side).mkdir(parents=True)
    for index, photo in enumerate(sorted(photos.iterdir())):
        array = Image.read(photo).array
        Image.of(array).write(folder / "target" / photo.name)
        damaged = array if sizes or index else array[:-8]
        Image.of(255 - damaged).write(folder / "input" / (photo.name if names or index else "odd.png"))
    return folder


def test_real_pairs_teach_as_well(system: Path, photos: Path, settings: Settings, tmp_path: Path) -> None:
    folder = pairs(tmp_path / "negatives", photos)
    teach(system, Lesson("negative", photos, pairs=folder), settings)
    found, where = manifest.read_system(str(system))
    assert "negative" in found.experts
    memory = load_memory(where / found.router / "memory")
    assert all(exemplar.source == "pairs" for exemplar in memory.of("negative"))


@pytest.mark.parametrize("fault", ["sizes", "names"])
def test_pairs_that_do_not_match(system: Path, photos: Path, settings: Settings, tmp_path: Path, fault: str) -> None:
    folder = pairs(tmp_path / "negatives", photos, **{fault: False})
    before = hashes(system)
    with pytest.raises(ImageError, match=r"odd\.png|0\.png"):
        teach(system, Lesson("negative", photos, pairs=folder), settings)
    assert hashes(system) == before and not settings.runs.exists()


@pytest.mark.parametrize(
    ("kind", "degradation", "message"),
    [
        ("noise", "salt_module:Salt", "has an expert"),
        ("clean", "salt_module:Salt", "clean"),
        ("salt", "salt_module:Random", "not reproducible"),
        ("salt", "salt_module:Pepper", "its kind is 'pepper'"),
        ("salt", "salt_module:nothing", "no degradation"),
        ("salt", "salt_module:Gone", "salt_module:Gone"),
        ("salt", "nobody", "nobody"),
        ("salt", "", "one of"),
    ],
)
def test_bad_lessons_fail_before_training(
    system: Path, photos: Path, settings: Settings, kind: str, degradation: str, message: str
) -> None:
    before = hashes(system)
    with pytest.raises(UsageError, match=message):
        teach(system, Lesson(kind, photos, degradation), settings)
    assert hashes(system) == before and not settings.runs.exists()


@pytest.mark.parametrize("expert", ["salt_module:Salt", "nobody"])
def test_bad_experts_fail_before_training(system: Path, photos: Path, settings: Settings, expert: str) -> None:
    with pytest.raises(UsageError):
        teach(system, Lesson("salt", photos, "salt_module:Salt"), settings, expert=expert)
    assert not settings.runs.exists()


def test_a_router_without_memory_says_so(tiny_system: Path, photos: Path, settings: Settings, system: Path) -> None:
    shutil.rmtree(system / "router" / "memory")
    with pytest.raises(UsageError, match="`replay=False`"):
        teach(system, Lesson("salt", photos, "salt_module:Salt"), settings)


@pytest.mark.parametrize("override", ["stage.0.epochs=1", "expert.seed=1"])
def test_settings_of_nobody(system: Path, photos: Path, settings: Settings, override: str) -> None:
    odd = Settings(**{**vars(settings), "overrides": (override,)})
    with pytest.raises(UsageError, match=override):
        teach(system, Lesson("salt", photos, "salt_module:Salt"), odd, expert="median")


def test_mistakes_in_the_second_lesson_are_found_before_the_first(
    system: Path, photos: Path, settings: Settings
) -> None:
    odd = Settings(**{**vars(settings), "overrides": (*SMALL, "router.stage.0.losses.clasification=1.0")})
    with pytest.raises(UsageError, match="clasification"):
        teach(system, Lesson("salt", photos, "salt_module:Salt"), odd)
    assert not settings.runs.exists()


def test_a_kind_that_nobody_would_see_forgotten(system: Path, photos: Path, settings: Settings) -> None:
    """The router knows a kind that is neither remembered nor a degradation of darnet's."""
    kinds = (*KINDS, "dust")
    config = {"kinds": list(kinds), "width": 4}
    card = cards.Card(name="tiny-router", kind="degradation-classifier", config=config, handles=kinds)
    memory = load_memory(system / "router" / "memory")
    shutil.rmtree(system / "router")
    cards.save(DegradationClassifier(kinds, 4), card, system / "router")
    memory.save(system / "router" / "memory")
    with pytest.raises(UsageError, match="dust"):
        teach(system, Lesson("salt", photos, "salt_module:Salt"), settings, expert="median")
    assert not settings.runs.exists()


def test_one_process_is_enough(system: Path, photos: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(UsageError, match="one process"):
        teach(system, Lesson("salt", photos, "salt_module:Salt"), settings, expert="median")


def test_a_damaged_memory_is_named(system: Path, photos: Path, settings: Settings) -> None:
    (system / "router" / "memory" / "memory.json").write_text("{")
    with pytest.raises(DarnetError, match=r"memory\.json"):
        teach(system, Lesson("salt", photos, "salt_module:Salt"), settings)
