"""The fastest backend of those that answer rightly: tried once, remembered, and what a user states goes before."""

from __future__ import annotations

import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

import darnet
from darnet import registry
from darnet.engines import choosing, probing
from darnet.engines.backend import GraphBackend, Run
from darnet.engines.choosing import prepare
from darnet.engines.graphs import GRAPH
from darnet.engines.onnxruntime import load
from darnet.engines.probing import Choice, Part
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


def nonsense(graph: Path, precision: str, threads: int) -> Run:
    """What is no number, at once."""
    return lambda given: {"restored": torch.full_like(given["degraded"], float("nan"))}


def broken(graph: Path, precision: str, threads: int) -> Run:
    raise ImportError("libbroken.so: cannot open shared object file")


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


def chosen(part: Part) -> str:
    backend = prepare(part, "cpu")
    return f"{backend.runtime} {backend.precision}" if isinstance(backend, GraphBackend) else "torch"


def test_the_fastest_that_is_right_is_taken_and_remembered(monkeypatch: pytest.MonkeyPatch, part: Part) -> None:
    only(monkeypatch, "right", "wrong", "nonsense", "broken", "slow")
    assert chosen(part) == "right fp32"
    assert part.graph is not None
    choice = choosing.known(part.graph, part.sha256, part.losses)
    assert choice is not None and set(choice.milliseconds) == {"torch fp32", "right fp32", "slow fp32"}
    assert (choice.backend, choice.precision) == ("right", "fp32")
    seen = len(tried)
    assert chosen(part) == "right fp32"
    assert len(tried) == seen + 1, "loaded, not tried again"
    assert choosing.known(part.graph, "of other weights", part.losses) is None
    prepare(replace(part, sha256="of other weights"), "cpu")
    assert len(tried) > seen + 2


def test_torch_is_taken_where_nothing_right_is_faster(monkeypatch: pytest.MonkeyPatch, part: Part) -> None:
    places = {name: f"{__name__}:{name}" for name in ("wrong", "slow")}
    monkeypatch.setattr(registry, "BUILTIN", {**registry.BUILTIN, "runtime": places})
    assert chosen(part) == "torch"


def test_torch_is_taken_where_what_was_chosen_cannot_be_had_any_more(
    monkeypatch: pytest.MonkeyPatch, part: Part
) -> None:
    only(monkeypatch, "broken")
    monkeypatch.setattr(choosing, "probe", lambda part, allowed: Choice("broken", "fp32", {}))
    assert chosen(part) == "torch"


def test_a_precision_that_nobody_is_right_in_is_torch_s(monkeypatch: pytest.MonkeyPatch, part: Part) -> None:
    monkeypatch.setattr(probing, "CLOSE", {})
    backend = prepare(part, "cpu", "bf16")
    assert isinstance(backend, TorchBackend) and backend.dtype == torch.bfloat16


def test_a_file_of_choices_that_is_damaged_or_cannot_be_written_is_no_obstacle(
    monkeypatch: pytest.MonkeyPatch, part: Part, tmp_path: Path
) -> None:
    only(monkeypatch, "right")
    assert chosen(part) == "right fp32"
    (path,) = (tmp_path / "cache").glob("*.json")
    for content in ("{", "[1]", '{"a": 1}', '{"backend": "right", "precision": "fp32", "milliseconds": null}'):
        path.write_text(content)
        assert chosen(part) == "right fp32"
    assert choosing._read(path) is not None, "written anew"
    monkeypatch.setenv(choosing.CACHE, str(path))  # no folder
    assert chosen(part) == "right fp32"
    monkeypatch.delenv(choosing.CACHE)
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setattr(Path, "home", nobody)
    assert chosen(part) == "right fp32"


def nobody() -> Path:
    raise RuntimeError("Could not determine home directory.")


def test_processes_that_find_out_at_once_agree(monkeypatch: pytest.MonkeyPatch, part: Part) -> None:
    """One after the other: the second finds what the first has found."""
    answers = iter(["torch", "right"])
    calls = list[int]()

    def look(part: Part, allowed: object) -> Choice:
        calls.append(1)
        time.sleep(0.5)
        return Choice(next(answers), "fp32", {})

    monkeypatch.setattr(choosing, "probe", look)
    with ThreadPoolExecutor(2) as threads:
        found = list(threads.map(lambda _: chosen(part), range(2)))
    assert (found, len(calls)) == (["torch", "torch"], 1)


def test_a_precision_is_taken_by_itself_only_where_it_is_known_to_lose_next_to_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    only(monkeypatch, "right")
    usual = [("torch", "fp32"), ("right", "fp32")]
    losses = {"torch bf16": 0.06, "right bf16": 0.05, "elsewhere bf16": 0.0}
    assert choosing.candidates("auto", "auto", {}) == usual
    assert choosing.candidates("auto", "auto", losses) == [*usual, ("right", "bf16")]
    assert choosing.candidates("auto", "bf16", {}) == [("torch", "bf16"), ("right", "bf16")]
    assert choosing.candidates("right", "auto", losses) == [("right", "fp32")]


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
    with pytest.raises(UnknownNameError, match=r"DARNET_BACKEND: no backend called .tensorflow"):
        prepare(part, "cpu")
    monkeypatch.setenv(choosing.STATED, "")
    assert choosing.stated("auto") == "auto"
    monkeypatch.delenv(choosing.STATED)
    with pytest.raises(UsageError, match="fp16"):
        prepare(part, "cpu", "fp16")


def test_a_network_that_measures_whole_pictures_has_no_graph_of_tiles() -> None:
    folder = RAIN.parent.parent / "daair" / "daair-small"
    part = Part(cards.load(folder)[0], RAIN / GRAPH)
    assert not part.has_graph
    assert isinstance(prepare(part, "cpu"), TorchBackend)
