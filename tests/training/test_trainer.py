from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

import darnet
from darnet.data.batch import Batch
from darnet.data.material import Material, load_material
from darnet.data.memory import Exemplar, Memory, as_scene
from darnet.errors import DarnetError, NoInputError, RecipeError, UnknownNameError
from darnet.images.image import Image
from darnet.models import cards
from darnet.models.base import Output
from darnet.models.classifier import DegradationClassifier
from darnet.models.layers.spherical import LayerRouter
from darnet.routing import Routing
from darnet.training import checkpoint, launch
from darnet.training.journal import Journal
from darnet.training.learner import VALIDATION_STEP, Learner
from darnet.training.objective import Objective
from darnet.training.preparation import build_model, check_shares
from darnet.training.recipe import Recipe, parse_recipe
from darnet.training.stage import StageRun
from darnet.training.trainer import Trainer

CPU = launch.Hardware(device="cpu", precision="fp32", muon="fp32")


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ten smooth pictures: something a network can learn."""
    folder = tmp_path_factory.mktemp("photos")
    y, x = np.mgrid[:48, :48] / 48
    for index in range(10):
        planes = [np.sin((index + 1) * x + c) * np.cos((index + 2) * y - c) for c in range(3)]
        Image.of((np.dstack(planes) * 100 + 128).astype(np.uint8)).write(folder / f"{index}.png")
    return folder


def recipe(**stage: object) -> Recipe:
    first = {
        "name": "first",
        "epochs": 2,
        "steps_per_epoch": 4,
        "batch": 4,
        "crop_px": 16,
        "losses": {"l1": 1.0},
        "optimizer": {"name": "muon", "lr": 1e-2, "clip_norm": 1.0},
        "schedule": {"name": "cosine", "warmup_steps": 2},
        "degradations": [{"name": "noise", "ranges": {"sigma_255": [25, 25]}}],
        "keep": "last",
    }
    return parse_recipe(
        {
            "name": "tiny",
            "handles": ["noise"],
            "model": {"kind": "compact-unet", "config": {"width": 4, "blocks": [1, 1]}},
            "data": {"validation": 0.2, "smallest_px": 32, "validation_samples": 8},
            "ema_decay": 0.9,
            "stage": [{**first, **stage}],
        }
    )


def lines(run: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]


def test_a_run_leaves_what_it_promises(photos: Path, tmp_path: Path) -> None:
    model = launch.start(recipe(), photos, tmp_path, CPU, quiet=True)
    run = model.parent
    assert run.parent == tmp_path / "tiny"
    for name in ("recipe.toml", "env.json", "metrics.jsonl", "checkpoints/last.safetensors", "model/card.json"):
        assert (run / name).is_file(), name
    assert sorted(path.name for path in (run / "samples").iterdir()) == ["first-0001.png", "first-0002.png"]
    assert any((run / "curves").iterdir())
    assert [line["step"] for line in lines(run)] == [4, 8]
    loaded, card = cards.load(model)
    assert card.handles == ("noise",)
    assert card.training["recipe"]["stage"][0]["epochs"] == 2
    assert loaded(torch.rand(1, 3, 16, 16)).image is not None


@pytest.mark.slow
def test_an_expert_learns(photos: Path, tmp_path: Path) -> None:
    document = recipe(epochs=10, steps_per_epoch=40, batch=8).model_dump()
    document["model"]["config"]["width"] = 8
    model = launch.start(parse_recipe(document), photos, tmp_path, CPU, quiet=True)
    values = [float(line["val_psnr"]) for line in lines(model.parent)]
    assert values[-1] > values[0] > 20.3  # the noisy input itself: 20.2 dB
    assert values[-1] > 23.3


@pytest.mark.slow
def test_a_router_learns(photos: Path, tmp_path: Path) -> None:
    document = recipe().model_dump()
    document["handles"] = ()
    document["model"] = {"kind": "degradation-classifier", "config": {"kinds": ["clean", "noise"], "width": 8}}
    stage = document["stage"][0]
    stage |= {"epochs": 6, "steps_per_epoch": 40, "batch": 16, "losses": {"classification": 1.0, "level": 0.1}}
    stage["optimizer"] |= {"name": "adamw", "lr": 3e-3}
    stage["degradations"] = [{"name": "clean"}, {"name": "noise", "ranges": {"sigma_255": [15, 50]}}]
    model = launch.start(parse_recipe(document), photos, tmp_path, CPU, quiet=True)
    assert float(lines(model.parent)[-1]["val_accuracy"]) > 0.95
    assert cards.read_card(model).handles == ("clean", "noise")


@pytest.mark.parametrize(("loss", "several"), [("presence", True), ("classification", False)])
def test_a_router_that_learns_presence_says_so_of_each_kind(
    photos: Path, tmp_path: Path, loss: str, several: bool
) -> None:
    document = recipe(losses={loss: 1.0, "level": 0.3}).model_dump()
    document["model"] = {"kind": "degradation-classifier", "config": {"kinds": ["clean", "noise"], "width": 4}}
    document["stage"][0]["degradations"] = [{"name": "clean"}, {"name": "noise"}]
    document["data"]["calibration_pictures"] = 8
    folder = launch.start(parse_recipe(document), photos, tmp_path, CPU, quiet=True)
    assert cards.load(folder)[0].several is several


def train(*arguments: str | Path, **environment: str) -> subprocess.Popen[str]:
    """`darnet train` in a process of its own."""
    source = str(Path(darnet.__file__).parents[1])
    return subprocess.Popen(
        [sys.executable, "-m", *map(str, arguments)],
        env={**os.environ, "PYTHONPATH": source, "OMP_NUM_THREADS": "1", **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def write(recipe: Recipe, path: Path) -> Path:
    import tomli_w

    path.write_text(tomli_w.dumps(recipe.model_dump(mode="json", exclude_none=True)))
    return path


def test_a_run_that_was_killed_ends_in_the_weights_of_one_that_was_not(photos: Path, tmp_path: Path) -> None:
    long = recipe(epochs=12, steps_per_epoch=5, early_stop_epochs=50)
    file = write(long, tmp_path / "long.toml")
    # In processes of their own: the number of threads decides the order of sums. What is fastest is tried by each
    # process, and on a busy machine they would not agree.
    fixed = ("--precision", "fp32", "--set", "stage.0.optimizer={name='adam', lr=1e-2}", "--quiet")
    output, errors = train("darnet", "train", file, "--data", photos, "--out", tmp_path / "whole", *fixed).communicate()
    whole = Path(output.strip())
    assert whole.is_dir(), errors
    options = ("--data", photos, "--out", tmp_path / "cut", *fixed)
    process = train("darnet", "train", file, *options)
    deadline = time.monotonic() + 60
    while not (found := list((tmp_path / "cut").glob("tiny/*/checkpoints/last.safetensors"))):
        assert process.poll() is None, process.communicate()[1]
        assert time.monotonic() < deadline
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    run = found[0].parents[1]
    assert not (run / "model").exists(), "the run ended before it could be killed"
    output, errors = train("darnet", "train", "--resume", run, "--quiet").communicate()
    again = Path(output.strip())
    assert again.is_dir(), errors
    first, second = load_file(whole / "model.safetensors"), load_file(again / "model.safetensors")
    assert first.keys() == second.keys()
    for name, tensor in first.items():
        assert torch.equal(tensor, second[name]), name


def interrupted_and_taken_up(
    monkeypatch: pytest.MonkeyPatch, steps: int, spec: Recipe, photos: Path, runs: Path, weights: Path | None = None
) -> Path:
    """Train, stop after so many steps (with a checkpoint, but for 0), go on; returns the folder of the model."""
    learn, taken = Trainer._learn, []

    def learning(self: Trainer, run: StageRun) -> None:
        step = run.step

        def interrupted() -> None:
            if len(taken) == steps:
                if steps:
                    self._save(run.state())
                raise KeyboardInterrupt
            taken.append(1)
            step()

        run.step = interrupted  # type: ignore[method-assign]
        learn(self, run)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(Trainer, "_learn", learning)
        launch.start(spec, photos, runs, CPU, weights=weights, quiet=True)
    (run,) = (runs / spec.name).iterdir()
    return launch.resume(run, quiet=True)


@pytest.mark.parametrize(
    "change",
    [
        {"schedule": {"name": "plateau", "patience": 0}, "optimizer": {"name": "adam", "lr": 1e-2}},
        {"keep": "best", "optimizer": {"name": "adamw", "lr": 1e-2}},
    ],
)
def test_a_run_goes_on_from_the_middle_of_an_epoch(
    photos: Path, tmp_path: Path, change: dict[str, object], monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = recipe(epochs=3, **change)
    whole = launch.start(spec, photos, tmp_path / "whole", CPU, quiet=True)
    again = interrupted_and_taken_up(monkeypatch, 6, spec, photos, tmp_path / "cut")
    first, second = load_file(whole / "model.safetensors"), load_file(again / "model.safetensors")
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_what_dropout_leaves_out_follows_from_the_seed(photos: Path, tmp_path: Path) -> None:
    document = recipe(losses={"classification": 1.0}).model_dump()
    document |= {"handles": (), "model": {"kind": "degradation-classifier", "config": {"kinds": ["noise", "clean"]}}}
    weights = []
    for dropout, elsewhere in ((0.5, 1), (0.5, 2), (0.0, 1)):
        document["model"]["config"] |= {"width": 4, "dropout": dropout}
        state = torch.manual_seed(elsewhere).get_state()
        model = launch.start(parse_recipe(document), photos, tmp_path / f"{dropout}-{elsewhere}", CPU, quiet=True)
        assert torch.equal(torch.get_rng_state(), state), "the global generator was used"
        weights.append(load_file(model / "model.safetensors"))
    assert all(torch.equal(weights[0][name], weights[1][name]) for name in weights[0])
    assert not torch.equal(weights[0]["classify.weight"], weights[2]["classify.weight"])


def by_torchrun(*arguments: object) -> list[subprocess.Popen[str]]:
    return [train("torch.distributed.run", "--standalone", "--nproc-per-node=2", "-m", "darnet", *arguments)]


def by_slurm(*arguments: object) -> list[subprocess.Popen[str]]:
    """Two tasks, as `srun` starts them on one machine."""
    same = {"SLURM_NTASKS": "2", "SLURM_NTASKS_PER_NODE": "2", "SLURM_NNODES": "1", "SLURM_NODEID": "0"}
    same |= {"SLURM_JOB_NAME": "train", "SLURM_JOB_ID": str(os.getpid()), "MASTER_ADDR": "127.0.0.1"}
    own = ({"SLURM_PROCID": rank, "SLURM_LOCALID": rank} for rank in "01")
    return [train("darnet", *arguments, **same, **one) for one in own]


def joined(monkeypatch: pytest.MonkeyPatch) -> None:
    """One process learns from the batches of two, put together."""
    asked: list[int] = []
    generator, synthesis = Learner.generator, Learner.synthesis

    def noted(self: Learner, stage: int, step: int) -> torch.Generator:
        asked[:] = stage, step
        return generator(self, stage, step)

    def both(self: Learner, *arguments: object, **options: object) -> object:
        one = synthesis(self, *arguments, **options)
        ranks = [replace(self, fabric=SimpleNamespace(global_rank=rank)) for rank in (0, 1)]

        def batch(size: int, rng: torch.Generator) -> Batch:
            if asked[1] >= VALIDATION_STEP:
                return one(size, rng)
            parts = [one(size // 2, generator(rank, *asked)) for rank in ranks]
            return Batch(
                *(
                    torch.cat(same) if isinstance(same[0], torch.Tensor) else same[0]
                    for same in zip(*parts, strict=True)
                )
            )

        return batch

    monkeypatch.setattr(Learner, "generator", noted)
    monkeypatch.setattr(Learner, "synthesis", both)


@pytest.mark.parametrize("started", [by_torchrun, pytest.param(by_slurm, marks=pytest.mark.slow)])
def test_two_processes_train_the_network_that_one_would(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, started: Callable[..., list[subprocess.Popen[str]]]
) -> None:
    """From the same pictures: a batch is as large, and its gradient the same, however many share it."""
    file = write(recipe(), tmp_path / "tiny.toml")
    options = ("--data", photos, "--out", tmp_path / "runs", "--device", "cpu", "--precision", "fp32")
    processes = started("train", file, *options)
    ended = [(process.communicate(timeout=120), process.returncode) for process in processes]
    assert [code for _, code in ended] == [0] * len(processes), ended
    (run,) = (tmp_path / "runs" / "tiny").iterdir()
    said = "".join(output for (output, _), _ in ended), "".join(errors for (_, errors), _ in ended)
    assert (said[0].strip(), said[1].count("reading ")) == (str(run / "model"), 1)  # only the first speaks
    assert [line["step"] for line in lines(run)] == [4, 8]
    own = launch.start(recipe(), photos, tmp_path / "own", CPU, quiet=True)
    joined(monkeypatch)
    alone = launch.start(recipe(), photos, tmp_path / "alone", CPU, quiet=True)
    together, single, other = (load_file(model / "model.safetensors") for model in (run / "model", alone, own))
    assert together.keys() == single.keys()
    for name in together:
        assert torch.allclose(together[name], single[name], atol=1e-4), name
    assert any(not torch.allclose(other[name], single[name], atol=1e-3) for name in single)  # which can fail


def test_a_batch_that_processes_cannot_share_is_refused(photos: Path, tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match=r"stage 'first': `batch=4` is 4 pictures, which 3 processes cannot share"):
        check_shares(recipe().stage[0], 3)
    check_shares(recipe().stage[0], 4)
    with pytest.raises(RecipeError, match="`batch=4` is 2 pictures"):
        check_shares(recipe(crops_per_picture=2).stage[0], 4)
    material, fabric = load_material(photos, smallest_px=32), SimpleNamespace(world_size=3, device=torch.device("cpu"))
    with pytest.raises(RecipeError, match="3 processes"):
        Learner.of(recipe(), material, fabric)


@pytest.mark.slow
def test_two_processes_agree_on_a_plan(photos: Path, tmp_path: Path) -> None:
    """The first measures, looks at the clock and decides; were the other to disagree, both would wait for ever."""
    document = recipe(steps_per_epoch=1000).model_dump(mode="json", exclude_none=True)
    document["stage"].append({**document["stage"][0], "name": "second", "batch": 2})
    file = write(parse_recipe(document), tmp_path / "tiny.toml")
    torchrun = ("torch.distributed.run", "--standalone", "--nproc-per-node=2", "-m", "darnet")
    options = ("--data", photos, "--out", tmp_path / "runs", "--device", "cpu", "--minutes", "0.4")
    process = train(*torchrun, "train", file, *options)
    output, errors = process.communicate(timeout=120)
    assert process.returncode == 0, output + errors
    assert "fitted to 0.4 minutes" in errors
    (run,) = (tmp_path / "runs" / "tiny").iterdir()
    assert float(lines(run)[-1]["seconds"]) < 26
    assert json.loads((run / "run.json").read_text())["hardware"]["precision"] == "fp32"


def test_stages_follow_each_other_and_frozen_weights_stay(photos: Path, tmp_path: Path) -> None:
    document = recipe().model_dump()
    second = {**document["stage"][0], "name": "second", "freeze": ["*"], "epochs": 1, "optimizer": {"name": "adam"}}
    second["freeze"] = ["encoder*", "decoder*", "down*", "up*", "head*"]
    document["stage"] = [document["stage"][0], second]
    both = launch.start(parse_recipe(document), photos, tmp_path / "both", CPU, quiet=True)
    one = launch.start(recipe(), photos, tmp_path / "one", CPU, quiet=True)
    assert [line["stage"] for line in lines(both.parent)] == ["first", "first", "second"]
    first, last = load_file(one / "model.safetensors"), load_file(both / "model.safetensors")
    for name in first:
        assert torch.equal(first[name], last[name]) == (not name.startswith("tail")), name


def test_early_stop_ends_a_stage_that_no_longer_improves(photos: Path, tmp_path: Path) -> None:
    still = recipe(epochs=9, early_stop_epochs=2, freeze=["encoder*", "decoder*", "down*", "up*", "head*"])
    document = still.model_dump()
    document["stage"][0]["optimizer"] = {"name": "adam", "lr": 1e-12}
    model = launch.start(parse_recipe(document), photos, tmp_path, CPU, quiet=True)
    assert len(lines(model.parent)) < 9


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"losses": {"l2": 1.0}}, UnknownNameError, r"no loss called 'l2' \(there are: charbonnier"),
        ({"losses": {"classification": 1.0}}, RecipeError, "routes"),
        ({"losses": {"presence": 1.0}}, RecipeError, "one of whose kinds is 'clean'"),
        ({"freeze": ["encodr*"]}, RecipeError, r"freeze 'encodr\*' matches no parameter"),
        ({"crop_px": 18}, RecipeError, "crop_px 18 is no multiple of 4"),
    ],
)
def test_a_recipe_that_cannot_be_trained(
    photos: Path, tmp_path: Path, change: dict[str, object], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        launch.start(recipe(**change), photos, tmp_path, CPU, quiet=True)


def test_data_that_cannot_be_trained_on_leaves_no_run_behind(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(NoInputError, match="no picture"):
        launch.start(recipe(), tmp_path / "empty", tmp_path / "runs", CPU, quiet=True)
    assert not (tmp_path / "runs").exists()
    with pytest.raises(RecipeError, match=r"recipe\.toml"):
        launch.resume(tmp_path / "empty")


def test_a_kind_that_the_router_does_not_know_is_named_before_training(photos: Path, tmp_path: Path) -> None:
    document = recipe(losses={"classification": 1.0}).model_dump()
    document["model"] = {"kind": "degradation-classifier", "config": {"kinds": ["clean", "blur"], "width": 4}}
    with pytest.raises(RecipeError, match=r"knows no kind 'noise' \(it knows: clean, blur\)"):
        launch.start(parse_recipe(document), photos, tmp_path / "runs", CPU, quiet=True)
    assert not (tmp_path / "runs").exists()


def test_a_loss_that_is_not_finite_ends_the_run_and_saves_nothing(photos: Path, tmp_path: Path) -> None:
    wild = recipe(epochs=3, optimizer={"name": "adam", "lr": 1e30})
    with pytest.raises(DarnetError, match="stage 'first', step 4: the loss is not finite"):
        launch.start(wild, photos, tmp_path, CPU, quiet=True)
    assert not list(tmp_path.rglob("*.safetensors"))


def test_processes_that_drift_apart_are_found(photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As if another process had answered with other weights."""
    monkeypatch.setattr("lightning_fabric.Fabric.all_gather", lambda self, total: torch.stack([total, total + 1]))
    with pytest.raises(DarnetError, match="drifted apart"):
        launch.start(recipe(), photos, tmp_path, CPU, quiet=True)


def test_no_photo_is_both_trained_and_validated_on(tmp_path: Path) -> None:
    """Nor is its half: halves are made after the split."""
    document = recipe().model_dump()
    document["data"] |= {"halve_above_px": 40, "validation": 0.3}
    loaded = [torch.full((3, 48, 48), index, dtype=torch.uint8) for index in range(10)]
    learner = Learner.of(parse_recipe(document), Material(tmp_path, loaded), CPU.fabric())
    parts = [part.photos for part in (learner.training, learner.validation)]
    training, validation = ({int(photo[0, 0, 0]) for photo in part} for part in parts)
    assert len(parts[0]) == 2 * len(training) > 0
    assert len(parts[1]) == 2 * len(validation) > 0
    assert not training & validation


def test_training_goes_on_from_a_card(photos: Path, tmp_path: Path) -> None:
    """Also when it is stopped before the first checkpoint of a step."""
    first = launch.start(recipe(epochs=1), photos, tmp_path / "a", CPU, quiet=True)
    frozen = {"name": "adam", "lr": 1e-12}
    second = launch.start(recipe(epochs=1, optimizer=frozen), photos, tmp_path / "b", CPU, weights=first, quiet=True)
    before, after = load_file(first / "model.safetensors"), load_file(second / "model.safetensors")
    for name, tensor in before.items():
        torch.testing.assert_close(tensor, after[name], atol=1e-3, rtol=0)
    card, origin = cards.read_card(second), cards.read_card(first)
    assert card.training["from"] == {"name": "tiny", "sha256": origin.sha256}
    state = checkpoint.load_checkpoint(second.parent / "checkpoints" / "last.safetensors")
    assert state["position"]["stage"] == 1


def test_a_run_from_a_card_that_is_stopped_at_once_goes_on_from_it(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = launch.start(recipe(epochs=1), photos, tmp_path / "a", CPU, quiet=True)
    whole = launch.start(recipe(), photos, tmp_path / "b", CPU, weights=first, quiet=True)
    again = interrupted_and_taken_up(monkeypatch, 0, recipe(), photos, tmp_path / "c", weights=first)
    wanted, found = load_file(whole / "model.safetensors"), load_file(again / "model.safetensors")
    assert all(torch.equal(wanted[name], found[name]) for name in wanted)


def test_weights_of_another_shape_are_refused_before_anything_is_written(photos: Path, tmp_path: Path) -> None:
    first = launch.start(recipe(epochs=1), photos, tmp_path / "a", CPU, quiet=True)
    document = recipe().model_dump()
    document["model"]["config"]["width"] = 8
    with pytest.raises(RecipeError, match="cannot start from these weights"):
        launch.start(parse_recipe(document), photos, tmp_path / "b", CPU, weights=first, quiet=True)
    assert not (tmp_path / "b").exists()


def remembering(photos: Path) -> tuple[Recipe, Material]:
    """A lesson in blur for a router, with noise and clean pictures in memory."""
    document = recipe(
        losses={"classification": 1.0, "distillation": 1.0},
        degradations=[{"name": "blur", "share": 2.0}],
        replay=0.6,
        crops_per_picture=2,
    ).model_dump()
    kinds = ["clean", "noise", "blur"]
    document |= {"handles": [], "model": {"kind": "degradation-classifier", "config": {"kinds": kinds, "width": 4}}}
    scenes = tuple(as_scene(torch.full((3, 32, 32), 20 * index).byte()) for index in range(10))
    exemplars = [Exemplar("noise", index, "noise", (40.0,), index) for index in range(10)]
    exemplars += [Exemplar("clean", index, "clean") for index in range(10)]
    material = load_material(photos, smallest_px=32, memory=Memory(scenes, tuple(exemplars)))
    return parse_recipe(document), material


def test_replay_has_its_share_and_its_levels(photos: Path) -> None:
    lesson, material = remembering(photos)
    learner = Learner.of(lesson, material, CPU.fabric(), DegradationClassifier(["clean", "noise"], 4))
    batch = learner.synthesis(lesson.stage[0], learner.training, augment=True)(2000, torch.Generator().manual_seed(0))
    shares = torch.bincount(batch.label, minlength=3) / 2000
    torch.testing.assert_close(shares, torch.tensor([0.3, 0.3, 0.4]), atol=0.05, rtol=0)
    assert set(batch.severity[batch.label == 1].tolist()) == {40.0}
    used = [{exemplar.scene for exemplar in part.memory.exemplars} for part in (learner.training, learner.validation)]
    assert not used[0] & used[1]


def test_the_teacher_is_asked_about_every_batch(photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lesson, material = remembering(photos)
    torch.manual_seed(0)
    teacher = DegradationClassifier(["clean", "noise"], 4)
    learner = Learner.of(lesson, material, CPU.fabric(), teacher)
    asked: list[torch.Tensor] = []
    score = Objective.score

    def spy(self: Objective, output: Output, batch: Batch) -> dict[str, torch.Tensor]:
        with torch.no_grad():
            torch.testing.assert_close(batch.taught, teacher(batch.degraded).routings[-1].logits)
        asked.append(batch.taught)
        return score(self, output, batch)

    monkeypatch.setattr(Objective, "score", spy)
    with Journal(tmp_path, torch.device("cpu"), speaks=True, quiet=True) as journal:
        Trainer(learner, tmp_path, journal).run()
    assert len(asked) >= 8
    assert all(taught.shape[1] == 2 for taught in asked)


def on_a_sphere() -> Recipe:
    """Two stages of a small SLER-IR: the router learns, then it stays as it is."""
    document = recipe(
        epochs=1, steps_per_epoch=6, batch=6, crop_px=32, gate="soft", losses={"l1": 1.0, "contrast": 1.0}
    ).model_dump(exclude_none=True)
    soft = document["stage"][0] | {"degradations": [{"name": "noise"}, {"name": "blur"}]}
    hard = soft | {"name": "hard", "gate": "hard", "losses": {"l1": 1.0}, "freeze": ["router.*", "degradation.*"]}
    config = {"width": 4, "blocks": [1] * 8, "heads": [1, 1, 1, 1], "expansion": 1.5, "dimension": 8, "crop_px": 16}
    config |= {"degradation": {"width": 4}, "content": {"width": 2}, "fusion": 4, "momentum": 0.8}
    return parse_recipe({**document, "model": {"kind": "slerir", "config": config}, "stage": [soft, hard]})


def test_a_router_learns_softly_and_then_stays_bit_identical(photos: Path, tmp_path: Path) -> None:
    spec = on_a_sphere()
    both = launch.start(spec, photos, tmp_path / "both", CPU, quiet=True)
    one = launch.start(spec.model_copy(update={"stage": spec.stage[:1]}), photos, tmp_path / "one", CPU, quiet=True)
    new, soft, hard = (
        {name: tensor.half() for name, tensor in build_model(spec).state_dict().items()},
        *(load_file(folder / "model.safetensors") for folder in (one, both)),
    )
    for name, tensor in soft.items():
        part = name.partition(".")[0]
        if part in {"router", "degradation"}:
            assert torch.equal(tensor, hard[name]), f"{name} moved in the hard stage"
            assert not torch.equal(tensor, new[name]), f"{name} did not move in the soft stage"
    assert any(not torch.equal(soft[name], hard[name]) for name in soft if name.startswith("net.stages"))
    centres = soft["router.centres"].float()
    torch.testing.assert_close(centres.norm(dim=1), torch.ones(3), atol=0.05, rtol=0)
    loaded, card = cards.load(both)
    assert loaded.gates[0] == "hard"
    assert card.training["recipe"]["stage"][0]["gate"] == "soft"
    assert [set(line) & {"val_neighbours", "val_accuracy"} for line in lines(both.parent)] == [{"val_neighbours"}] * 2


def test_every_stage_has_its_gate(photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Training and validation alike; nothing of it stays behind on the network."""
    material = load_material(photos, smallest_px=32)
    learner, gates = Learner.of(on_a_sphere(), material, CPU.fabric()), []
    forward = LayerRouter.forward

    def spy(self: LayerRouter, tokens: torch.Tensor, gate: str) -> tuple[Routing, ...]:
        gates.append((self.training, gate))
        return forward(self, tokens, gate)

    monkeypatch.setattr(LayerRouter, "forward", spy)
    with Journal(tmp_path, torch.device("cpu"), speaks=True, quiet=True) as journal:
        Trainer(learner, tmp_path, journal).run()
    assert set(gates[: len(gates) // 2]) == {(True, "soft"), (False, "soft")}
    assert set(gates[len(gates) // 2 :]) == {(True, "hard"), (False, "hard")}


def test_a_run_with_a_router_goes_on_with_its_centres(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = on_a_sphere()
    whole = launch.start(spec, photos, tmp_path / "whole", CPU, quiet=True)
    again = interrupted_and_taken_up(monkeypatch, 3, spec, photos, tmp_path / "cut")
    first, second = load_file(whole / "model.safetensors"), load_file(again / "model.safetensors")
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_a_gate_for_a_network_without_gates_is_refused(photos: Path, tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="stage 'first': gate 'soft', and CompactUNet has no gates"):
        launch.start(recipe(gate="soft"), photos, tmp_path, CPU, quiet=True)
