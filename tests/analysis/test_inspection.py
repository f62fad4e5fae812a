from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch

from darnet.analysis import inspection
from darnet.analysis.inspection import (
    Passage,
    choose,
    follow,
    only,
    routed,
    subjects,
    summary,
    under,
)
from darnet.benchmark.cases import Case
from darnet.benchmark.subjects import LONGEST_PX, Subject
from darnet.engines.pytorch import TorchBackend
from darnet.errors import NoInputError, UsageError, WeightsError
from darnet.models.base import Context, Model, Output
from darnet.routing import Routing
from darnet.systems import manifest

STAGES = (
    "encoder1.0",
    "encoder2.0",
    "encoder3.0",
    "latent.0",
    "decoder3.0",
    "decoder2.0",
    "decoder1.0",
    "refinement.0",
)


class Numbered(Model):
    """Three experts for two kinds, weighed softly; it makes the mean of the whole picture."""

    stages = ("first", "second")
    multiple_of = 4

    def __init__(self) -> None:
        super().__init__()
        self.views = lambda pictures: pictures.mean(dim=(2, 3), keepdim=True)

    def encode(self, views: torch.Tensor) -> Context:
        return Context({"views": views})

    def forward(
        self, degraded: torch.Tensor, context: Context | None = None, box: torch.Tensor | None = None
    ) -> Output:
        assert context is not None
        logits = torch.tensor([[0.1, 0.2, 0.7]]).log().expand(len(degraded), -1)
        return Output(context.encoded["views"].expand_as(degraded), (Routing.soft(logits), Routing.hard(logits)))


def numbered(kinds: tuple[str, ...] = ("noise", "rain")) -> Subject:
    return Subject("numbered", kinds, TorchBackend(Numbered(), "cpu"))


def passage(kind: str, *weights: tuple[float, ...], set_name: str = "CBSD68") -> Passage:
    return Passage(Case(set_name, "0.png", kind, None, Path("0.png")), weights)


def test_a_router_that_always_chooses_the_same_expert(tiny_daair: Path, sets_root: Path) -> None:
    (subject,) = routed(str(tiny_daair), "cpu")
    chosen, left_out = choose(subject.kinds, sets_root)
    found = summary(subject, [follow(subject, case) for case in chosen])
    assert left_out == {}
    assert found["model"] == str(tiny_daair)
    assert found["pictures"] == {"noise": {"CBSD68": 3}, "rain": {"CBSD68": 3, "Rain100L": 2}}
    assert tuple(block["name"] for block in found["blocks"]) == STAGES
    for block in found["blocks"]:
        assert block["shares"] == {"noise": {"noise": 1.0, "rain": 0.0}, "rain": {"noise": 1.0, "rain": 0.0}}
        assert (block["accuracy"], block["purity"], block["chance"]) == (0.5, 0.5, 0.5)
    assert len(found["paths"]) == len(chosen)
    assert found["paths"][0] == {
        "set": "CBSD68",
        "name": "0.png",
        "kind": "noise",
        "level": 25.0,
        "experts": ["noise"] * len(STAGES),
    }
    json.dumps(found)


def test_a_router_is_followed_block_by_block(tiny_daair: Path, sets_root: Path) -> None:
    (subject,) = routed(str(tiny_daair), "cpu")
    with torch.no_grad():
        blocks = subject.model.net.stages
        blocks[3][0].learner.route.bias.copy_(torch.tensor([0.0, 1.0]))
    chosen, _ = choose(subject.kinds, sets_root, limit=1)
    found = summary(subject, [follow(subject, case) for case in chosen])
    served = {block["name"]: block["shares"]["rain"]["rain"] for block in found["blocks"]}
    assert served == dict.fromkeys(STAGES, 0.0) | {"latent.0": 1.0}


def test_shares_count_every_kind_alike(tiny_daair: Path) -> None:
    (subject,) = routed(str(tiny_daair), "cpu")
    always = [((1.0, 0.0),) * 8, ((0.0, 1.0),) * 8]
    passages = [passage("noise", *always[0]), passage("noise", *always[1])]
    passages += [passage("rain", *always[1])] * 6
    block = summary(subject, passages)["blocks"][0]
    assert block["shares"] == {"noise": {"noise": 0.5, "rain": 0.5}, "rain": {"noise": 0.0, "rain": 1.0}}
    assert block["accuracy"] == 0.75  # of pictures it would be 7 of 8


def test_purity_sees_order_that_accuracy_does_not(tiny_daair: Path) -> None:
    (subject,) = routed(str(tiny_daair), "cpu")
    swapped = [passage("noise", *((0.0, 1.0),) * 8), passage("rain", *((1.0, 0.0),) * 8)]
    block = summary(subject, swapped)["blocks"][0]
    assert (block["accuracy"], block["purity"]) == (0.0, 1.0)


def test_experts_that_are_not_one_a_kind_have_numbers(sets_root: Path) -> None:
    subject = numbered()
    chosen, _ = choose(subject.kinds, sets_root, limit=1)
    found = summary(subject, [follow(subject, case) for case in chosen])
    soft, hard = found["blocks"]
    assert soft["shares"]["rain"] == {"0": 0.1, "1": 0.2, "2": 0.7}
    assert hard["shares"]["noise"] == {"0": 0.0, "1": 0.0, "2": 1.0}
    assert [block["accuracy"] for block in found["blocks"]] == [None, None]
    assert (hard["purity"], hard["chance"]) == (0.5, 0.3333)
    assert found["paths"][0]["experts"] == ["2", "2"]


def test_the_ways_of_damages_between_stages_by_hand() -> None:
    passages = [
        passage("noise", (1.0, 0.0, 0.0), (0.0, 1.0, 0.0)),
        passage("noise", (1.0, 0.0, 0.0), (0.0, 0.0, 1.0)),
        passage("rain", (0.5, 0.5, 0.0), (0.2, 0.0, 0.8)),
    ]
    assert summary(numbered(), passages)["flows"] == {
        "noise": [[[0, 0.5, 0.5], [0, 0, 0], [0, 0, 0]]],
        "rain": [[[0.1, 0, 0.4], [0.1, 0, 0.4], [0, 0, 0]]],
    }


def test_there_are_no_common_ways_where_experts_stand_for_kinds_or_differ_in_number(tiny_daair: Path) -> None:
    (subject,) = routed(str(tiny_daair), "cpu")
    assert summary(subject, [passage("noise", *((1.0, 0.0),) * 8)])["flows"] is None
    assert summary(numbered(), [passage("noise", (1.0, 0.0, 0.0), (1.0, 0.0))])["flows"] is None


def test_a_network_is_looked_at_under_each_gate(tiny_slerir: Path, sets_root: Path) -> None:
    (subject,) = routed(str(tiny_slerir), "cpu")
    soft, hard = under(subject, ("soft", "hard", "soft"))
    (case, *_), _ = choose(subject.kinds, sets_root, limit=1)
    found = {one.gate: summary(one, [follow(one, case)]) for one in (soft, hard, soft)}
    assert {name: (of["model"], of["gate"]) for name, of in found.items()} == {
        gate: (f"{tiny_slerir} ({gate})", gate) for gate in ("soft", "hard")
    }
    shares = {gate: [block["shares"]["noise"] for block in of["blocks"]] for gate, of in found.items()}
    assert all(sorted(row.values()) == [0, 0, 1] for row in shares["hard"])
    assert all(min(row.values()) > 0 and max(row.values()) < 1 for row in shares["soft"])
    assert found["soft"]["paths"] == found["hard"]["paths"]
    assert under(subject, ()) == [subject]
    as_it_ships = summary(subject, [follow(subject, case)])
    assert (as_it_ships["gate"], as_it_ships["blocks"]) == ("hard", found["hard"]["blocks"])


def test_gates_and_kinds_that_are_not_there(tiny_slerir: Path, tiny_daair: Path) -> None:
    (sphere,), (blocks,) = (routed(str(folder), "cpu") for folder in (tiny_slerir, tiny_daair))
    with pytest.raises(UsageError, match=r"^no gate of .*slerir called 'warm' \(there are: hard, soft\)$"):
        under(sphere, ("warm",))
    with pytest.raises(UsageError, match=r"^no gate of .*daair called 'soft' \(there are: none\)$"):
        under(blocks, ("soft",))
    with pytest.raises(UsageError, match=r"^no kind of .*daair called 'haze' \(there are: noise, rain\)$"):
        only(blocks, ("haze",))
    assert only(blocks, ("rain", "rain")).kinds == only(blocks, "rain").kinds == ("rain",)
    assert only(blocks, ()).kinds == ("noise", "rain")


def test_photos_have_the_middle_severity_and_pairs_are_all_there(sets_root: Path) -> None:
    chosen, _ = choose(("noise", "rain"), sets_root)
    assert {case.severity for case in chosen if case.kind == "noise"} == {25.0}
    rain = [(case.set, case.degradation is None) for case in chosen if case.kind == "rain"]
    assert sorted(set(rain)) == [("CBSD68", False), ("Rain100L", True)]
    assert len(rain) == 5
    assert len(choose(("noise", "rain"), sets_root, limit=1)[0]) == 3
    assert len(choose(("clean",), sets_root)[0]) == 3


def test_kinds_without_a_test_set_are_named(sets_root: Path, tmp_path: Path) -> None:
    shutil.copytree(sets_root / "Rain100L", tmp_path / "Rain100L")
    chosen, left_out = choose(("rain", "noise", "snow"), tmp_path)
    assert {case.kind for case in chosen} == {"rain"}
    assert left_out["snow"] == "no test set of snow is known"
    assert "suite noise" in left_out["noise"]
    with pytest.raises(NoInputError, match=r"suite noise .* no test set of snow"):
        choose(("noise", "snow"), tmp_path)
    with pytest.raises(NoInputError, match=r"^\S+nowhere: no such folder of test sets$"):
        choose(("noise", "rain"), tmp_path / "nowhere")


def test_the_networks_of_a_system_are_its_experts_each_once(
    tiny_system: Path, tiny_daair: Path, tmp_path: Path
) -> None:
    assert [subject.name for subject in subjects(str(tiny_system), "cpu")] == [
        f"{tiny_system}/{kind}" for kind in ("noise", "blur", "overexposure")
    ]
    shutil.copytree(tiny_daair, tmp_path / "daair")
    system = manifest.System(name="all", router="daair", experts={"noise": "daair", "rain": "daair"})
    manifest.write_system(system, tmp_path)
    assert [(subject.name, subject.kinds) for subject in routed(str(tmp_path), "cpu")] == [
        (str(tmp_path), ("noise", "rain"))
    ]


def test_what_cannot_be_inspected(tiny_system: Path, tiny_plain: Path, tmp_path: Path, monkeypatch) -> None:
    for name in (tiny_system, tiny_plain):
        with pytest.raises(UsageError, match=f"^{name}: does not route"):
            routed(str(name), "cpu")
    with pytest.raises(WeightsError, match=r"system\.json"):
        routed(str(tmp_path), "cpu")
    monkeypatch.setattr(inspection, "subjects", lambda name, device: [numbered(kinds=())])
    with pytest.raises(UsageError, match=r"^numbered: neither"):
        routed("numbered", "cpu")


def test_a_classifier_is_one_block(tiny_system: Path) -> None:
    (subject,) = routed(str(tiny_system / "router"), "cpu")
    found = summary(subject, [Passage(Case("s", "n", "clean", None, Path()), ((0.0, 1.0, 0.0, 0.0),))])
    assert found["blocks"][0]["shares"] == {"clean": {"clean": 0.0, "noise": 1.0, "blur": 0.0, "overexposure": 0.0}}


def test_what_a_reader_needs() -> None:
    found = inspection.circumstances("cpu")
    assert found["machine"]["device"] == "cpu"
    assert found["longest_px"] == LONGEST_PX
