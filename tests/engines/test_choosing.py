"""The fastest backend of those that answer rightly: tried once, remembered, and what a user states goes before."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

import darnet
from darnet import registry
from darnet.engines import choosing
from darnet.engines.backend import GraphBackend, Run
from darnet.engines.choosing import Part, prepare
from darnet.engines.graphs import GRAPH
from darnet.engines.onnxruntime import load
from darnet.engines.pytorch import TorchBackend
from darnet.errors import UnknownNameError, UsageError
from darnet.models import cards

RAIN = Path(darnet.__file__).parent / "weights" / "darnet" / "rain"
tried = list[str]()


def right(graph: Path, precision: str, threads: int) -> Run:
    tried.append("right")
    return load(graph, precision, threads)


def wrong(graph: Path, precision: str, threads: int) -> Run:
    """The fastest of all, and half a level off in one pixel."""
    run = load(graph, "fp32", threads)
    answers = dict[tuple[int, ...], Mapping[str, Tensor]]()

    def quick(given: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
        shape = tuple(given["degraded"].shape)
        if shape not in answers:
            answers[shape] = run(given)
            answers[shape]["restored"][0, 0, 5, 5] += 0.5 / 255
        return answers[shape]

    return quick


def slow(graph: Path, precision: str, threads: int) -> Run:
    run = load(graph, "fp32", threads)

    def late(given: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
        time.sleep(0.5)
        return run(given)

    return late


@pytest.fixture(autouse=True)
def machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Nothing is stated of it, and nothing known."""
    monkeypatch.delenv(choosing.STATED)
    monkeypatch.setenv(choosing.CACHE, str(tmp_path / "cache"))
    tried.clear()


@pytest.fixture
def part() -> Part:
    model, card = cards.load(RAIN)
    return Part(model, RAIN / GRAPH, {}, card.sha256)


def only(monkeypatch: pytest.MonkeyPatch, *names: str) -> None:
    """Runtimes of this file, and torch, which takes its time."""
    places = {name: f"{__name__}:{name}" for name in names}
    monkeypatch.setattr(registry, "BUILTIN", {**registry.BUILTIN, "runtime": places})
    ask = TorchBackend.__call__

    def late(backend: TorchBackend, *given: Tensor) -> object:
        time.sleep(1.0)
        return ask(backend, *given)

    monkeypatch.setattr(TorchBackend, "__call__", late)


def test_the_fastest_that_is_right_is_taken_and_remembered(monkeypatch: pytest.MonkeyPatch, part: Part) -> None:
    only(monkeypatch, "right", "wrong", "slow")
    backend = prepare(part, "cpu")
    assert isinstance(backend, GraphBackend) and (backend.runtime, backend.precision) == ("right", "fp32")
    choice = choosing.known(part.sha256, part.losses)
    assert choice is not None and set(choice.milliseconds) == {"torch fp32", "right fp32", "slow fp32"}
    assert (choice.backend, choice.precision) == ("right", "fp32")
    assert choosing.known(part.sha256, part.losses, "bf16") is None
    seen = len(tried)
    assert prepare(part, "cpu").runtime == "right"
    assert len(tried) == seen + 1, "loaded, not tried again"
    prepare(replace(part, sha256="of other weights"), "cpu")
    assert len(tried) > seen + 2


def test_torch_is_taken_where_nothing_right_is_faster(monkeypatch: pytest.MonkeyPatch, part: Part) -> None:
    monkeypatch.setattr(registry, "BUILTIN", {**registry.BUILTIN, "runtime": {"wrong": f"{__name__}:wrong"}})
    assert isinstance(prepare(part, "cpu"), TorchBackend)


def test_a_file_of_choices_that_is_damaged_or_cannot_be_written_is_no_obstacle(
    monkeypatch: pytest.MonkeyPatch, part: Part, tmp_path: Path
) -> None:
    only(monkeypatch, "right")
    (tmp_path / "cache").mkdir()
    for content in ("{", "[1]", '{"a": 1}'):
        (tmp_path / "cache" / "backends.json").write_text(content)
        assert prepare(part, "cpu").runtime == "right"
    monkeypatch.setenv(choosing.CACHE, str(tmp_path / "cache" / "backends.json"))  # no folder
    assert prepare(part, "cpu").runtime == "right"


def test_a_precision_is_taken_by_itself_only_where_it_is_known_to_lose_next_to_nothing(
    monkeypatch: pytest.MonkeyPatch, part: Part
) -> None:
    asked = list[list[str]]()
    chosen = choosing.Choice("torch", "fp32", {})

    def look(part: Part, precisions: list[str]) -> choosing.Choice:
        asked.append(precisions)
        return chosen

    monkeypatch.setattr(choosing, "probe", look)
    for number, losses in enumerate(({}, {"bf16": 0.05, "int8": 0.051}, {"bf16": 0.2})):
        prepare(replace(part, losses=losses, sha256=str(number)), "cpu")
    prepare(part, "cpu", "bf16")
    assert asked == [["fp32"], ["fp32", "bf16"], ["fp32"], ["bf16"]]


def test_what_is_stated_goes_before(monkeypatch: pytest.MonkeyPatch, part: Part) -> None:
    assert isinstance(prepare(part, "cpu", backend="torch"), TorchBackend)
    backend = prepare(part, "cpu", backend="openvino")
    assert isinstance(backend, GraphBackend) and (backend.runtime, backend.precision) == ("openvino", "fp32")
    monkeypatch.setenv(choosing.STATED, "onnxruntime")  # for all of a machine
    backend = prepare(part, "cpu")
    assert isinstance(backend, GraphBackend) and backend.runtime == "onnxruntime"
    bare = replace(part, graph=None)
    assert isinstance(prepare(bare, "cpu"), TorchBackend)
    assert isinstance(prepare(part, "cpu", backend="torch"), TorchBackend)
    with pytest.raises(UsageError, match="`backend='openvino'`: there is no graph of this CompactUNet"):
        prepare(bare, "cpu", backend="openvino")
    with pytest.raises(UnknownNameError, match="openvin"):
        prepare(part, "cpu", backend="openvin")
    monkeypatch.setenv(choosing.STATED, "tensorflow")
    with pytest.raises(UnknownNameError, match="tensorflow"):
        prepare(part, "cpu")
    monkeypatch.delenv(choosing.STATED)
    with pytest.raises(UsageError, match="fp16"):
        prepare(part, "cpu", "fp16")


def test_a_network_that_measures_whole_pictures_has_no_graph_of_tiles() -> None:
    folder = RAIN.parent.parent / "daair" / "daair-small"
    part = Part(cards.load(folder)[0], RAIN / GRAPH)
    assert not part.has_graph
    assert isinstance(prepare(part, "cpu"), TorchBackend)


def test_the_random_numbers_of_a_program_are_left_alone(part: Part) -> None:
    torch.manual_seed(3)
    wanted = torch.rand(1)
    torch.manual_seed(3)
    choosing.probe(part, ["fp32"])
    assert torch.equal(torch.rand(1), wanted)
