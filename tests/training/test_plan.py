"""How steps are fitted to time, and how a schedule goes on when they are fitted anew."""

from __future__ import annotations

import json
from dataclasses import asdict

import pytest

from darnet.training.plan import VALIDATION_SHARE, Cost, Plan, StagePlan


def plan() -> Plan:
    return Plan([StagePlan.of(800, 100, 50), StagePlan.of(200, 100, 50)])


def test_a_plan_of_the_recipe_is_the_recipe() -> None:
    stage = StagePlan.of(12, 4)
    assert [step for step in range(1, 13) if stage.ends_epoch(step)] == [4, 8, 12]
    assert [stage.progress(step) for step in (0, 3, 6, 12)] == [0, 0.25, 0.5, 1]
    assert stage.epochs == 3


@pytest.mark.parametrize("seconds", [50.0, 500.0, 5000.0])
def test_what_is_fitted_takes_its_time_and_stages_share_it_as_the_recipe_does(seconds: float) -> None:
    fitted, costs = plan(), [Cost(0.1, 0.5, 0.3), Cost(0.4, 1.0, 0.3)]
    fitted.fit(costs, seconds)
    taken = [stage.seconds(cost) for stage, cost in zip(fitted.stages, costs, strict=True)]
    assert sum(taken) == pytest.approx(seconds, rel=0.02)
    assert taken[0] == pytest.approx(taken[1], rel=0.1)  # 800 steps of 0.1 s, and 200 of 0.4 s
    for stage, cost in zip(fitted.stages, costs, strict=True):
        validated = sum(stage.ends_epoch(step) for step in range(1, stage.steps + 1))
        assert validated == 1 or validated * cost.validation <= 1.3 * VALIDATION_SHARE * sum(taken) / 2
        assert validated == stage.epochs <= 8
        assert stage.progress(stage.steps) == 1
        assert stage.warmup_steps <= 0.1 * stage.steps


def test_too_little_time_is_a_step_of_each_stage() -> None:
    fitted = plan()
    fitted.fit([Cost(1.0, 1.0, 5.0), Cost(1.0, 1.0, 5.0)], 2.0)
    assert [(stage.steps, stage.epochs) for stage in fitted.stages] == [(1, 1), (1, 1)]


def test_a_correction_leaves_the_schedule_where_it_is_and_takes_it_to_its_end() -> None:
    stage = StagePlan.of(100, 20)
    before = [stage.progress(step) for step in range(41)]
    stage.stretch(40, 0.5)
    assert [stage.progress(step) for step in range(41)] == pytest.approx(before)
    assert stage.steps == 70
    assert stage.progress(55) == pytest.approx(0.7)
    stage.stretch(55, 2)
    assert (stage.progress(55), stage.steps) == (pytest.approx(0.7), 85)
    values = [stage.progress(step) for step in range(86)]
    assert values == sorted(values)
    assert values[-1] == 1
    stage.stretch(55, 0)
    assert stage.steps == 56


def test_what_is_left_of_a_stage_is_fitted() -> None:
    fitted = plan()
    fitted.fit([Cost(0.1), Cost(0.4)], 60.0, (0, 400))
    assert fitted.stages[0].progress(400) == 0.5
    assert (fitted.stages[0].steps, fitted.stages[1].steps) == (400 + 200, 100)


def test_a_last_epoch_is_not_a_short_one() -> None:
    stage = StagePlan.of(100, 30)
    assert [step for step in range(1, 101) if stage.ends_epoch(step)] == [30, 60, 100]
    assert stage.epochs == 3


def test_a_plan_is_plain_data() -> None:
    fitted = plan()
    fitted.fit([Cost(0.1, 0.5), Cost(0.4, 1.0)], 60.0)
    fitted.correct(0.8, (0, 100))
    assert fitted.corrections == 1
    assert asdict(Plan.read(json.loads(json.dumps(fitted.document())))) == asdict(fitted)
