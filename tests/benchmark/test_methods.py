from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch

from darnet.benchmark.cases import Case
from darnet.benchmark.methods import Limited, Network, Oracle, System, load_network, load_system, parameters
from darnet.errors import UnknownNameError, WeightsError
from darnet.models import cards
from darnet.models.cards import Reference, read_card, write_card, write_reference
from darnet.models.daair import DaAIR
from darnet.restore.diagnosis import Diagnosis
from darnet.restore.experts import SelfEnsemble
from darnet.restore.restorer import Restorer

PICTURE = torch.rand(3, 40, 48, generator=torch.Generator().manual_seed(0))


def case(kind: str) -> Case:
    return Case("CBSD68", "0.png", kind, 25.0, Path("0.png"))


def test_a_system_diagnoses_for_itself(tiny_system: Path) -> None:
    method = load_system(str(tiny_system), "cpu")
    answer = method(PICTURE, case("blur"))
    assert isinstance(method, System)
    assert answer.diagnosis.label == "noise"
    assert not torch.equal(answer.pixels, PICTURE)
    assert method.told is None


def test_a_system_is_given_what_a_file_holds(tiny_system: Path) -> None:
    method = load_system(str(tiny_system), "cpu")
    beyond = PICTURE * 2 - 0.5
    assert torch.equal(method(beyond, case("noise")).pixels, method(beyond.clamp(0, 1), case("noise")).pixels)


def test_an_oracle_repairs_the_kind_it_is_told(tiny_clean_system: Path) -> None:
    name = str(tiny_clean_system)
    method = load_system(f"{name}:oracle", "cpu")
    assert isinstance(method, Oracle)
    assert torch.equal(load_system(name, "cpu")(PICTURE, case("noise")).pixels, PICTURE)
    assert not torch.equal(method(PICTURE, case("noise")).pixels, PICTURE)
    for unserved in ("clean", "rain"):
        assert torch.equal(method(PICTURE, case(unserved)).pixels, PICTURE)


def test_a_system_can_be_told_a_plan_whatever_the_damage_is(tiny_clean_system: Path) -> None:
    restorer = load_system(str(tiny_clean_system), "cpu").restorer
    method = load_system(f"{tiny_clean_system}:as=blur+noise", "cpu")
    assert method.told == "plan"
    for kind in ("noise", "blur+noise", "rain", "clean"):
        assert torch.equal(method(PICTURE, case(kind)).pixels, restorer(PICTURE, kinds=["blur", "noise"]).image)
    alone = load_system(f"{tiny_clean_system}:as=noise", "cpu")
    assert torch.equal(alone(PICTURE, case("blur")).pixels, restorer(PICTURE, kinds=["noise"]).image)
    expert = load_network(tiny_clean_system / "noise", "cpu").cost(case("noise"))
    assert alone.cost(case("blur")) == expert
    assert method.cost(case("blur")).params == 2 * expert.params
    with pytest.raises(UnknownNameError, match="fog"):
        load_system(f"{tiny_clean_system}:as=fog", "cpu")


def test_a_plan_loads_its_own_experts_alone(tiny_system: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(tiny_system, tmp_path / "damaged"))
    path = folder / "blur" / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-1] + b"!")
    assert load_system(f"{folder}:as=noise", "cpu")(PICTURE, case("noise")).pixels is not None
    with pytest.raises(WeightsError, match="damaged"):
        load_system(f"{folder}:as=noise+blur", "cpu")


def test_a_router_alone_says_whether_it_would_leave_the_picture(tiny_system: Path, tiny_clean_system: Path) -> None:
    for folder, left_alone in ((tiny_system, False), (tiny_clean_system, True)):
        answer = load_system(f"{folder}:router", "cpu")(PICTURE, case("noise"))
        assert answer.pixels is None
        assert answer.left_alone is left_alone


def test_a_router_below_the_least_confidence_leaves_the_picture(tiny_system: Path, tmp_path: Path) -> None:
    strict = Path(shutil.copytree(tiny_system, tmp_path / "strict"))
    document = json.loads((strict / "system.json").read_text()) | {"min_confidence": 0.99}
    (strict / "system.json").write_text(json.dumps(document))
    assert load_system(f"{strict}:router", "cpu")(PICTURE, case("noise")).left_alone is True


def test_a_limited_router_only_names_what_it_knows() -> None:
    whole = Diagnosis({"clean": 0.2, "noise": 0.2, "blur": 0.6}, {"noise": 24.0})
    limited = Limited(lambda pixels: whole, ("clean", "noise"))
    assert limited(PICTURE).scores == {"clean": 0.8, "noise": 0.2}
    assert limited(PICTURE).severities == {"noise": 24.0}


def test_a_system_can_be_limited_by_name(tiny_system: Path) -> None:
    method = load_system(f"{tiny_system}:clean+blur", "cpu")
    assert set(method(PICTURE, case("noise")).diagnosis.scores) == {"clean", "blur"}


def test_costs_are_those_of_the_networks_on_the_way(tiny_system: Path) -> None:
    name = str(tiny_system)
    system, oracle, router = (load_system(name + end, "cpu").cost(case("noise")) for end in ("", ":oracle", ":router"))
    expert = load_network(tiny_system / "noise", "cpu")
    assert isinstance(expert, Network)
    assert system.params == oracle.params + router.params
    assert system.gmacs_256 == pytest.approx(oracle.gmacs_256 + router.gmacs_256, abs=2e-3)
    assert expert.cost(case("noise")) == oracle
    assert load_system(name, "cpu").cost(case("clean")) == router


def test_multiply_accumulates_of_a_known_network(tiny_system: Path) -> None:
    """The two 3×3 convolutions at the ends of the compact network alone: 128² positions, 12 channels ↔ 4."""
    ends = 2 * 9 * 12 * 4 * 128**2 / 1e9
    found = load_network(tiny_system / "noise", "cpu").cost(case("noise")).gmacs_256
    assert ends < found < 20 * ends


def test_unknown_names(tmp_path: Path) -> None:
    with pytest.raises(UnknownNameError):
        load_system("nobody", "cpu")
    with pytest.raises(WeightsError):
        load_network(tmp_path, "cpu")


def test_no_expert_is_loaded_while_a_picture_is_timed(
    tiny_system: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    method = load_system(f"{tiny_system}:best", "cpu")
    assert isinstance(method, System)
    monkeypatch.setattr(cards, "load", None)
    assert method.restorer(PICTURE, kinds=["noise", "blur"]).changed
    monkeypatch.undo()
    folder = Path(shutil.copytree(tiny_system, tmp_path / "damaged"))
    path = folder / "blur" / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-1] + b"!")
    with pytest.raises(WeightsError, match="damaged"):
        load_system(str(folder), "cpu")


def test_the_best_quality_is_measured_by_its_name(tiny_system: Path) -> None:
    fast, best = (load_system(f"{tiny_system}{variant}", "cpu") for variant in ("", ":best"))
    assert isinstance(best, System)
    assert isinstance(best.restorer.experts["noise"], SelfEnsemble)
    assert best.cost(case("noise")).params == fast.cost(case("noise")).params
    assert best.cost(case("noise")).gmacs_256 > 4 * fast.cost(case("noise")).gmacs_256


def test_an_all_in_one_system_gives_every_kind_to_its_one_expert(tiny_system: Path, tmp_path: Path) -> None:
    system = Path(shutil.copytree(tiny_system, tmp_path / "one"))
    (system / "system.json").write_text(
        json.dumps({"format": 1, "name": "one", "router": "all", "experts": {"all": "noise"}})
    )
    write_reference(Reference(name="always", registered="always", config={"label": "all"}), system / "all")
    expert = load_network(system / "noise", "cpu")
    for ending in ("", ":oracle"):
        method = load_system(f"{system}{ending}", "cpu")
        assert torch.equal(method(PICTURE, case("rain")).pixels, expert(PICTURE, case("noise")).pixels)
        assert method.cost(case("rain")) == expert.cost(case("noise"))


def test_a_network_for_several_kinds_is_not_told_which(tiny_system: Path, tmp_path: Path) -> None:
    assert load_network(tiny_system / "noise", "cpu").told == "kind"
    several = Path(shutil.copytree(tiny_system / "noise", tmp_path / "several"))
    write_card(read_card(several).model_copy(update={"handles": ("noise", "rain")}), several)
    assert load_network(several, "cpu").told is None


def spy(method: System | Oracle, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Which experts work, in their order."""
    worked: list[str] = []
    restore = Restorer.__call__

    def record(self: Restorer, source: torch.Tensor, **how: Any) -> Any:
        result = restore(self, source, **how)
        worked.extend(result.experts)
        return result

    monkeypatch.setattr(Restorer, "__call__", record)
    method(PICTURE, case("blur+noise"))
    return worked


def test_of_two_kinds_the_last_is_repaired_first(tiny_system: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    method = load_system(f"{tiny_system}:oracle", "cpu")
    assert isinstance(method, Oracle)
    assert spy(method, monkeypatch) == ["noise", "blur"]
    one, both = (method.cost(case(kind)) for kind in ("noise", "blur+noise"))
    assert both.params == 2 * one.params
    assert both.gmacs_256 == pytest.approx(2 * one.gmacs_256, abs=2e-3)


def test_a_system_takes_as_many_steps_as_it_plans_or_one(tiny_system: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole, once = (load_system(f"{tiny_system}{variant}", "cpu") for variant in ("", ":once"))
    assert isinstance(once, System)
    assert (whole.restorer.max_steps, once.restorer.max_steps) == (None, 1)
    assert spy(whole, monkeypatch) == ["noise"]  # what was treated is not treated again
    assert once.cost(case("blur+noise")).params == once.cost(case("noise")).params
    assert whole.cost(case("blur+noise")).params > once.cost(case("noise")).params


def test_weights_that_networks_share_count_once() -> None:
    model = DaAIR(["noise", "haze"], width=4, blocks=[1] * 8, expansion=0, rank_divisor=2, kernel=3)
    told = [model.told(kind) for kind in model.kinds]
    routers = sum(weight.numel() for name, weight in model.named_parameters() if "route" in name)
    assert parameters([model]) == parameters([model, *told])
    assert parameters(told) == parameters([model]) - routers
    assert parameters(told[:1]) < parameters(told)
