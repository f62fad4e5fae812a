from __future__ import annotations

import pytest

from darnet.restore.diagnosis import Crop, Diagnosis
from darnet.restore.planning import Planner, suspects
from darnet.restore.result import Repair

EVERY = {"noise", "blur", "haze", "rain", "jpeg", "lowlight", "motion"}


def kinds(plan: tuple[Repair, ...]) -> list[str]:
    return [repair.kind for repair in plan]


def found(**scores: float) -> Diagnosis:
    return Diagnosis({"clean": 1 - max(scores.values()), **scores}, {"noise": 25.0})


def test_what_befell_a_photo_last_is_repaired_first() -> None:
    plan = Planner(EVERY).plan(found(haze=0.99, blur=0.7, lowlight=0.8, noise=0.9, jpeg=0.65))
    assert kinds(plan) == ["jpeg", "noise", "lowlight", "blur", "haze"]
    assert plan[1] == Repair("noise", 0.9, 25.0)


def test_of_one_stage_the_more_certain_comes_first() -> None:
    assert kinds(Planner(EVERY).plan(found(haze=0.7, rain=0.8))) == ["rain", "haze"]
    assert kinds(Planner(EVERY).plan(found(haze=0.8, rain=0.7))) == ["haze", "rain"]


def test_a_system_may_have_an_order_of_its_own() -> None:
    planner = Planner({*EVERY, "moss"}, order=["lowlight", "noise", "jpeg"])
    diagnosis = found(noise=0.7, jpeg=0.9, lowlight=0.8, moss=0.6, blur=0.7)
    plan = planner.plan(diagnosis)
    assert kinds(plan) == ["moss", "blur", "lowlight", "noise", "jpeg"]
    assert kinds(planner.revise(diagnosis, diagnosis, ["moss", "blur", "lowlight"])) == ["noise", "jpeg"]
    assert kinds(Planner(EVERY, max_steps=1, order=planner.order).plan(diagnosis)) == ["jpeg"]  # the most certain one


def test_what_nobody_knows_more_of_comes_first() -> None:
    assert kinds(Planner({"moss", "jpeg"}).plan(found(jpeg=0.9, moss=0.7))) == ["moss", "jpeg"]


def test_nothing_is_repaired_that_is_gone_or_was_repaired() -> None:
    first = found(jpeg=0.9, noise=0.8, lowlight=0.9)
    after = Planner(EVERY).revise(first, found(jpeg=0.9, noise=0.01, lowlight=0.3), ["jpeg"])
    assert kinds(after) == ["lowlight"]  # noise went with the file's damage
    assert after[0].confidence == pytest.approx(9 * 3 / (9 * 3 + 7))  # by both looks: odds of 9 and of 3 to 7


@pytest.mark.parametrize(
    ("before", "now", "planned"),
    [
        (0.3, 0.9, ["blur"]),
        (0.3, 0.7, []),
        (0.05, 0.9, []),
        (0.02, 0.995, ["blur"]),
        (0.99, 0.1, ["blur"]),
        (0.8, 0.2, []),
    ],
)
def test_after_a_step_a_kind_must_be_sure_by_both_looks(before: float, now: float, planned: list[str]) -> None:
    """What an expert answers looks soft, and damage looks like other damage."""
    planner, first = Planner(EVERY, 0.6, {"blur": 0.5}), found(noise=0.999, blur=before)
    assert kinds(planner.plan(first)) == ["noise", *(["blur"] if before > 0.5 else [])]
    assert kinds(planner.revise(first, found(noise=0.0, blur=now), ["noise"])) == planned


def test_what_two_looks_do_not_agree_on_has_a_reason() -> None:
    planner, first = Planner(EVERY), found(noise=0.9, haze=0.6)
    after = found(noise=0.0, haze=0.3, motion=0.51, blur=0.3)
    assert planner.revise(first, after, ["noise"]) == ()
    reasons = planner.refusals(after, ["noise"], plan=(), first=first)
    assert {*reasons} == {"haze"}  # what an expert leaves looks soft: nothing is said of motion and blur
    assert reasons["haze"] == "haze not repaired: 60 % at first, 30 % after noise; try `kinds=['noise', 'haze']`"
    local = planner.refusals(after, ["jpeg", "noise"], first=first, parts={"noise"})
    assert local["haze"].endswith("after jpeg, noise; try `kinds=['jpeg', 'haze']`")  # it would repair noise everywhere
    assert planner.refusals(found(noise=0.0, haze=0.1), ["noise"], first=first) == {}  # it went along


def test_beside_a_surer_kind_some_need_more() -> None:
    """A photo that was compressed looks overexposed to a router, too."""
    planner = Planner(EVERY, 0.6, {}, min_beside={"lowlight": 0.9})
    assert kinds(planner.plan(found(lowlight=0.7))) == ["lowlight"]
    assert kinds(planner.plan(found(lowlight=0.7, jpeg=0.6))) == ["jpeg", "lowlight"]
    diagnosis = found(lowlight=0.7, jpeg=0.8)
    assert kinds(planner.plan(diagnosis)) == ["jpeg"]
    (reason,) = planner.refusals(diagnosis).values()
    assert "lowlight 70 % is below the least confidence of 90 %" in reason
    assert kinds(planner.plan(found(lowlight=0.95, jpeg=0.99))) == ["jpeg", "lowlight"]
    surest = found(lowlight=0.8, jpeg=0.7)  # it is held to no more after another one was repaired
    assert kinds(planner.plan(surest)) == ["jpeg", "lowlight"]
    assert kinds(planner.revise(surest, found(lowlight=0.6, jpeg=0.0), ["jpeg"])) == ["lowlight"]
    assert kinds(planner.revise(diagnosis, found(lowlight=0.6, jpeg=0.0), ["jpeg"])) == []


def test_of_more_than_may_be_repaired_the_most_certain_are() -> None:
    planner = Planner(EVERY, max_steps=2)
    diagnosis = found(haze=0.99, noise=0.9, jpeg=0.65)
    plan = planner.plan(diagnosis)
    assert kinds(plan) == ["noise", "haze"]
    assert planner.refusals(diagnosis) == {"jpeg": "jpeg not repaired: `max_steps=2`"}
    assert kinds(planner.revise(diagnosis, diagnosis, ["noise"])) == ["haze"]
    assert planner.done(["noise", "haze"])
    assert planner.revise(diagnosis, diagnosis, ["noise", "haze"]) == ()


def test_below_a_half_a_bar_is_one_for_both_looks() -> None:
    """A kind that each look takes for likely enough is repaired; one that went with another repair is not."""
    planner, first = Planner(EVERY, 0.3), found(noise=0.9, haze=0.4)
    assert kinds(planner.plan(first)) == ["noise", "haze"]
    assert kinds(planner.revise(first, found(noise=0.0, haze=0.4), ["noise"])) == ["haze"]
    assert kinds(planner.revise(first, found(noise=0.0, haze=0.1), ["noise"])) == []
    assert kinds(Planner(EVERY, 0.5).revise(first, found(noise=0.0, haze=0.4), ["noise"])) == []
    refused = Planner({"noise"}, 0.3).refusals(found(noise=0.1, haze=0.4))
    assert refused == {"haze": "left alone: there is no expert for haze"}
    assert planner.hints(found(haze=0.4)) == []  # it is in the plan


def test_a_low_bar_is_for_the_most_certain_kind_alone() -> None:
    """What is left by a repair looks like other damage: beside a surer kind, and after it, the higher bar holds."""
    planner = Planner(EVERY, 0.3, {}, min_beside={"haze": 0.6})
    assert kinds(planner.plan(found(haze=0.4))) == ["haze"]
    assert kinds(planner.plan(found(noise=0.9, haze=0.4))) == ["noise"]
    assert kinds(planner.revise(found(noise=0.9, haze=0.4), found(noise=0.0, haze=0.65), ["noise"])) == []
    surest = found(noise=0.35, haze=0.4)
    assert kinds(planner.revise(surest, found(noise=0.0, haze=0.4), ["noise"])) == ["haze"]


def test_what_is_likely_nowhere_and_repaired_all_the_same_is_repaired_everywhere() -> None:
    seen = Diagnosis({"clean": 0.8, "noise": 0.2}, {}, crops(0.3, 0.05, 0.05, 0.05))
    assert [repair.share for repair in Planner(EVERY, 0.1).plan(seen)] == [1.0]
    likely = Diagnosis({"clean": 0.6, "noise": 0.4}, {}, crops(0.7, 0.05, 0.05, 0.05))
    assert [repair.share for repair in Planner(EVERY, 0.1).plan(likely)] == [0.25]


def test_what_something_speaks_against_is_not_planned() -> None:
    planner = Planner(EVERY)
    assert kinds(planner.plan(found(haze=0.9, noise=0.9), lambda kind: "no" if kind == "haze" else None)) == ["noise"]
    assert planner.refusals(found(haze=0.9), (), lambda _: "a page") == {"haze": "a page"}
    assert planner.hints(found(haze=0.4), (), lambda _: "a page") == []


def test_a_sign_is_worth_a_word_and_no_repair() -> None:
    planner, black = Planner(EVERY), {"haze": "it is grey"}.get
    assert planner.plan(found(haze=0.01)) == ()
    assert planner.hints(found(haze=0.01), suggests=black) == [
        "not called damaged, but it is grey; try `kinds=['haze']`"
    ]
    assert planner.hints(found(haze=0.3), suggests=black) == [
        "not called damaged, but haze 30 % is possible; try `kinds=['haze']`"
    ]
    assert planner.hints(found(haze=0.01), (), lambda _: "a page", black) == []


def crops(*presence: float) -> tuple[Crop, ...]:
    return tuple(Crop(0, 64 * place, 128, {"noise": seen, "blur": seen}) for place, seen in enumerate(presence))


@pytest.mark.parametrize(
    ("presence", "share"),
    [((0.9, 0.9, 0.9, 0.9), 1.0), ((0.9, 0.9, 0.9, 0.3), 1.0), ((0.9, 0.9, 0.9, 0.01), 0.75), ((0.9, 0, 0, 0), 0.25)],
)
def test_a_kind_that_befalls_parts_is_repaired_where_it_is(presence: tuple[float, ...], share: float) -> None:
    """A crop that could be anything is no sign that the damage is not there."""
    seen = Diagnosis({"clean": 0.1, "noise": 0.9, "blur": 0.8}, {}, crops(*presence))
    shares = {repair.kind: repair.share for repair in Planner(EVERY).plan(seen)}
    assert shares == {"noise": share, "blur": 1.0}  # a soft background is no blur


def test_it_is_looked_again_where_more_may_be_there() -> None:
    assert suspects(found(noise=0.9, blur=0.25), ["noise"])
    assert not suspects(found(noise=0.9, blur=0.15), ["noise"])
    assert not suspects(found(noise=0.9, blur=0.25), ["noise", "blur"])


def test_a_repair_says_where() -> None:
    assert str(Repair("noise", 0.9, 24.3, 0.5)) == "noise (σ ≈ 24) in about 50 % of the picture"
    assert str(Repair("haze", 0.9)) == "haze"
