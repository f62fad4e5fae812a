"""One stage in progress: when it is validated, on what, and what it costs. Whole runs: test_trainer.py."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from darnet.data.batch import Batch
from darnet.data.material import Material
from darnet.errors import DarnetError
from darnet.training import launch
from darnet.training.journal import Journal
from darnet.training.learner import VALIDATION_BATCH, Learner
from darnet.training.plan import Plan, StagePlan
from darnet.training.recipe import parse_recipe
from darnet.training.stage import Position, StageRun
from darnet.training.trainer import Trainer

CPU = launch.Hardware("cpu", 1, "fp32", "fp32")


@pytest.fixture
def learner(tmp_path: Path) -> Learner:
    stage = {"name": "s", "epochs": 2, "steps_per_epoch": 3, "batch": 2, "crop_px": 16, "losses": {"l1": 1.0}}
    recipe = parse_recipe(
        {
            "name": "tiny",
            "model": {"kind": "compact-unet", "config": {"width": 4, "blocks": [1, 1]}},
            "data": {"validation": 0.3, "smallest_px": 16, "validation_samples": 150},
            "stage": [{**stage, "degradations": [{"name": "noise"}]}],
        }
    )
    rng = torch.Generator().manual_seed(0)
    photos = [torch.randint(0, 256, (3, 24, 24), generator=rng, dtype=torch.uint8) for _ in range(6)]
    return Learner.of(recipe, Material(tmp_path, photos), CPU.fabric())


def run(learner: Learner, folder: Path) -> list[int]:
    """The steps after which it was validated."""
    with Journal(folder, torch.device("cpu"), quiet=True) as journal:
        Trainer(learner, folder, journal).run()
    return [json.loads(line)["step"] for line in (folder / "metrics.jsonl").read_text().splitlines()]


def test_it_is_validated_as_the_plan_says_on_the_same_pictures(
    learner: Learner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen, look = [], StageRun._look

    def spy(self: StageRun, batches: list[Batch]) -> object:
        seen.append(torch.cat([batch.degraded for batch in batches]))
        return look(self, batches)

    monkeypatch.setattr(StageRun, "_look", spy)
    monkeypatch.setattr(Trainer, "_recipe_plan", lambda _: Plan([StagePlan.of(8, 3)]))
    assert run(learner, tmp_path / "run") == [3, 6, 8]
    assert sorted(path.name for path in (tmp_path / "run" / "samples").iterdir()) == [
        "s-0001.png",
        "s-0002.png",
        "s-0003.png",
    ]
    assert len(seen[0]) == 3 * VALIDATION_BATCH  # 150 samples, in whole batches
    assert torch.equal(seen[0], seen[1])
    assert torch.equal(seen[0], seen[2])


def test_a_loss_that_is_not_finite_in_another_process_ends_this_one(
    learner: Learner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Were only that one to end, the rest would wait for it."""

    def gather(mine: torch.Tensor) -> torch.Tensor:
        return torch.stack([mine, torch.full_like(mine, torch.inf)])

    monkeypatch.setattr(learner.fabric, "all_gather", gather)
    with pytest.raises(DarnetError, match="stage 's', step 3: the loss is not finite"):
        run(learner, tmp_path / "run")


def test_what_it_costs_is_measured_without_the_first_of_each(
    learner: Learner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Seconds of a step, of a whole validation, and of making all validation batches."""
    run(learner, tmp_path / "run")
    now, calls = [0.0], {"step": 0, "_look": 0, "_validation_batch": 0}

    def taking(name: str, seconds: float) -> None:
        method = getattr(StageRun, name)

        def slow(self: StageRun, *arguments: object) -> object:
            calls[name] += 1
            now[0] += 50 if calls[name] == 1 else seconds
            return method(self, *arguments)

        monkeypatch.setattr(StageRun, name, slow)

    taking("step", 0.5)
    taking("_look", 0.25)
    taking("_validation_batch", 0.125)
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    cost = StageRun(learner, Position(), StagePlan.of(6, 3)).trial(2.0)
    assert (cost.step, cost.validation, cost.opening) == (0.5, 3 * 0.25, 3 * 0.125)
    assert calls["step"] == 2 + 4  # two that do not count, and two seconds


class NoFloat64(TorchDispatchMode):
    """Refuses float64, as MPS does."""

    def __torch_dispatch__(self, function, types, arguments=(), options=None):
        answer = function(*arguments, **(options or {}))
        if isinstance(answer, torch.Tensor) and answer.dtype == torch.float64:
            raise TypeError(f"{function}: MPS has no float64")
        return answer


def test_a_run_needs_no_float64(learner: Learner, tmp_path: Path) -> None:
    with NoFloat64():
        assert run(learner, tmp_path / "run")


def test_processes_that_differ_in_one_bit_have_drifted_apart(learner: Learner, tmp_path: Path) -> None:
    run(learner, tmp_path / "run")
    stage = StageRun(learner, Position(), StagePlan.of(6, 3))
    totals = []

    def gather(total: torch.Tensor) -> torch.Tensor:
        totals.append(total)
        return torch.stack(totals)

    learner.fabric.all_gather = gather  # type: ignore[method-assign,assignment]
    stage._agree()
    weight = next(learner.model.parameters()).data.view(torch.int32)
    weight[(0,) * weight.ndim] ^= 1
    with pytest.raises(DarnetError, match="drifted apart"):
        stage._agree()
