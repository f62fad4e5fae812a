"""Graphs, run by whoever runs graphs: the answers are torch's."""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import onnx
import openvino
import pytest
import torch
from onnx.reference import ReferenceEvaluator
from torch import Tensor

import darnet
from darnet import registry
from darnet.engines.backend import GraphBackend, Run
from darnet.engines.graphs import GRAPH, WEIGHTS, is_of
from darnet.engines.pytorch import TorchBackend
from darnet.errors import DarnetError, ResourceError, UsageError, WeightsError
from darnet.images.regions import Planes
from darnet.models import cards
from darnet.restore.experts.base import Tiles
from darnet.restore.experts.network import NetworkExpert
from darnet.restore.routers import NetworkRouter

PARTS = Path(darnet.__file__).parent / "weights" / "darnet"
#: Of pixels in [0, 1]: a quarter of a level of 8 bits.
TOLERANCE = 1e-3


def reference(graph: Path, precision: str, threads: int) -> Run:
    """A runtime of a few lines: ONNX's own evaluator, in numpy, made for reading and not for speed."""
    evaluator = ReferenceEvaluator(onnx.load(graph))

    def run(given: Mapping[str, Tensor]) -> dict[str, Tensor]:
        answers = evaluator.run(None, {name: value.numpy() for name, value in given.items()})
        return dict(zip(evaluator.output_names, map(torch.from_numpy, answers), strict=True))

    return run


@pytest.fixture(autouse=True)
def runtimes(monkeypatch: pytest.MonkeyPatch) -> None:
    """The reference is a runtime as well, as one of another package would be."""
    monkeypatch.setitem(registry.BUILTIN["runtime"], "reference", f"{__name__}:reference")


def network(part: str) -> TorchBackend:
    return TorchBackend(cards.load(PARTS / part)[0], "cpu", "fp32")


@pytest.mark.parametrize("part", ["noise", "haze", "motion"])
@pytest.mark.parametrize("runtime", ["onnxruntime", "openvino"])
def test_an_expert_by_a_graph_is_the_expert_by_torch(part: str, runtime: str) -> None:
    """One tile and several, of odd sides; told of the whole picture, where it asks."""
    torch.manual_seed(0)
    by_torch, tiles = network(part), Tiles(96, 32)
    picture = torch.nn.functional.interpolate(torch.rand(1, 3, 9, 8), (90, 131), mode="bilinear")[0]
    wanted = NetworkExpert(by_torch, tiles)(picture)
    found = NetworkExpert(GraphBackend(by_torch, PARTS / part / GRAPH, runtime), tiles)(picture)
    torch.testing.assert_close(found, wanted, atol=TOLERANCE, rtol=0)
    assert float((wanted - picture).abs().max()) > 10 * TOLERANCE


def test_a_runtime_of_another_package_is_one_function() -> None:
    backend = GraphBackend(network("rain"), PARTS / "rain" / GRAPH, "reference")
    tile = torch.rand(1, 3, 16, 24, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(backend(tile).image, network("rain")(tile).image.clamp(0, 1), atol=TOLERANCE, rtol=0)


@pytest.mark.parametrize("runtime", ["onnxruntime", "openvino"])
def test_a_router_by_a_graph_says_what_it_says_by_torch(runtime: str) -> None:
    picture = torch.rand(3, 70, 83, generator=torch.Generator().manual_seed(0))
    by_torch = network("router")
    wanted = NetworkRouter(by_torch).look(Planes(picture))
    found = NetworkRouter(GraphBackend(by_torch, PARTS / "router" / GRAPH, runtime)).look(Planes(picture))
    assert found.scores == pytest.approx(wanted.scores, abs=1e-3)
    assert found.severities == pytest.approx(wanted.severities, rel=1e-2)
    assert [crop.top for crop in found.crops] == [crop.top for crop in wanted.crops]


def test_bfloat16_is_close() -> None:
    tile = torch.rand(1, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    exact, fast = (
        GraphBackend(network("rain"), PARTS / "rain" / GRAPH, "openvino", precision)(tile).image
        for precision in ("fp32", "bf16")
    )
    assert 0 <= float((exact - fast).square().mean().sqrt()) < 2 / 255  # equal where a CPU has no bfloat16
    with pytest.raises(UsageError, match="`precision='bf16'`: ONNX Runtime computes in fp32"):
        GraphBackend(network("rain"), PARTS / "rain" / GRAPH, "onnxruntime", "bf16")
    with pytest.raises(UsageError, match="`precision='int4'`: OpenVINO computes in fp32, bf16 or int8"):
        GraphBackend(network("rain"), PARTS / "rain" / GRAPH, "openvino", "int4")


def test_a_copy_of_it_loads_its_graph_again() -> None:
    backend = GraphBackend(network("rain"), PARTS / "rain" / GRAPH, "onnxruntime")
    tile = torch.rand(1, 3, 16, 16)
    copied: GraphBackend = pickle.loads(pickle.dumps(backend))  # noqa: S301  our own
    torch.testing.assert_close(copied(tile).image, backend(tile).image)
    assert copied.running(copied.model) is copied


def test_pictures_that_are_not_of_one_are_told_of_their_own() -> None:
    backend, pictures = GraphBackend(network("haze"), PARTS / "haze" / GRAPH, "onnxruntime"), torch.rand(2, 3, 16, 16)
    pictures[1] *= 0.2
    torch.testing.assert_close(backend(pictures).image, network("haze")(pictures).image)


class Failing:
    """What runs a graph, and does not."""

    def __init__(self, error: Exception) -> None:
        self.error = error

    def __call__(self, given: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
        raise self.error


@pytest.mark.parametrize(
    ("error", "kind", "said"),
    [
        (RuntimeError("std::bad_alloc"), ResourceError, "onnxruntime: out of memory on 24×16 pixels"),
        (RuntimeError("no such\noperator"), DarnetError, "onnxruntime cannot run CompactUNet: no such operator"),
    ],
)
def test_what_goes_wrong_at_work_is_told_in_a_line(error: Exception, kind: type[DarnetError], said: str) -> None:
    backend = GraphBackend(network("rain"), PARTS / "rain" / GRAPH, "onnxruntime")
    backend._run = Failing(error)
    with pytest.raises(kind) as caught:
        backend(torch.rand(1, 3, 16, 24))
    assert type(caught.value) is kind and said in str(caught.value)


@pytest.mark.parametrize("runtime", ["onnxruntime", "openvino"])
def test_a_file_that_is_no_graph_is_named(runtime: str, tmp_path: Path) -> None:
    (tmp_path / "tile.onnx").write_text("hello")
    with pytest.raises(WeightsError, match=r"tile\.onnx: no graph that"):
        GraphBackend(network("rain"), tmp_path / "tile.onnx", runtime)


@pytest.mark.parametrize("folder", sorted(path.parent for path in PARTS.glob("*/card.json")), ids=lambda one: one.name)
def test_every_part_ships_with_a_graph_of_its_weights(folder: Path) -> None:
    """It holds no weights of its own but constants, and names no place of the machine that wrote it."""
    assert is_of(folder / GRAPH, cards.read_card(folder).sha256)
    graph = onnx.load(folder / GRAPH, load_external_data=False)
    outside = [tensor for tensor in graph.graph.initializer if tensor.external_data]
    stored = {tensor.name.removeprefix("model.").removesuffix(".stored") for tensor in outside}
    assert stored <= set(cards.load(folder)[0].state_dict())
    inside = [onnx.numpy_helper.to_array(one) for one in graph.graph.initializer if not one.external_data]
    assert sum(np.size(one) for one in inside) < 100
    assert (folder / GRAPH).stat().st_size < 100_000
    assert b"/src/" not in (folder / GRAPH).read_bytes()
    assert WEIGHTS in {entry.key for entry in graph.metadata_props}
    assert not is_of(folder / GRAPH, "0" * 64)
    assert not is_of(folder / "no.onnx", "0" * 64)


def test_processes_side_by_side_do_not_share_a_core(monkeypatch: pytest.MonkeyPatch) -> None:
    """OpenVINO binds threads to the first cores: two processes of one thread each took twice the time."""
    compiled = []
    load = openvino.Core.compile_model

    def compile_model(*arguments: object) -> object:
        compiled.append(load(*arguments))
        return compiled[-1]

    monkeypatch.setattr(openvino.Core, "compile_model", compile_model)
    GraphBackend(network("rain"), PARTS / "rain" / GRAPH, "openvino")
    assert [one.get_property("ENABLE_CPU_PINNING") for one in compiled] == [False]
