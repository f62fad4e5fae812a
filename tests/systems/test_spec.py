"""darnet.systems.spec: what builds a Restorer, as a value."""

from __future__ import annotations

import inspect
from multiprocessing.reduction import ForkingPickler
from pathlib import Path
from typing import Any

import numpy as np
import pydantic
import pytest
from hypothesis import given
from hypothesis import strategies as st

import darnet
from darnet import RestorerSpec, Tiles
from darnet.engines.backend import GraphBackend
from darnet.errors import ResourceError, UnknownNameError, UsageError
from darnet.images import budget
from darnet.images.budget import Budget
from darnet.models import cards
from darnet.restore.experts import NetworkExpert, SelfEnsemble
from darnet.restore.routers import NetworkRouter
from darnet.systems import manifest
from darnet.systems.loading import UNMEASURED, tile_cost

SPECS = st.builds(
    RestorerSpec,
    system=st.sampled_from(["darnet", "daair", "somewhere/else"]),
    device=st.sampled_from(["auto", "cpu", "cuda:1"]),
    precision=st.sampled_from(["auto", "fp32", "bf16", "fp16"]),
    backend=st.sampled_from(["auto", "torch", "openvino"]),
    tiles=st.none() | st.builds(Tiles, st.integers(64, 2048), st.integers(0, 63)),
    min_confidence=st.none() | st.floats(0, 1),
    max_steps=st.integers(1, 9),
    quality=st.sampled_from(["fast", "best"]),
)


@given(SPECS, SPECS)
def test_a_spec_survives_json_and_pickle_and_is_known_by_its_fields(spec: RestorerSpec, other: RestorerSpec) -> None:
    for again in (RestorerSpec.from_json(spec.to_json()), ForkingPickler.loads(ForkingPickler.dumps(spec))):
        assert again == spec
        assert hash(again) == hash(spec)
        assert again.tiles == spec.tiles
    assert (spec == other) == (spec.to_json() == other.to_json())


def test_a_spec_does_not_change() -> None:
    with pytest.raises(pydantic.ValidationError):
        RestorerSpec().device = "cpu"  # type: ignore[misc]


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"precision": "fp8"}, "`precision='fp8'`: expected 'auto', 'fp32', 'bf16', 'fp16' or 'int8'"),
        ({"quality": 3}, "`quality=3`: expected 'fast' or 'best'"),
        ({"min_confidence": 2}, "`min_confidence=2`: expected 0 to 1"),
        ({"min_confidence": float("nan")}, "`min_confidence=nan`: expected 0 to 1"),
        ({"max_steps": 0}, "`max_steps=0`: expected at least 1"),
        ({"max_steps": "many"}, "`max_steps='many'`: expected a valid integer"),
        ({"tiles": Tiles(0).__dict__ | {"size_px": 5}}, "tiles of 5 px that share 128 px"),
        ({"sytem": "darnet"}, "no field of RestorerSpec called 'sytem'; did you mean 'system'?"),
    ],
)
def test_what_makes_no_sense_is_named(fields: dict[str, Any], said: str) -> None:
    with pytest.raises(UsageError) as caught:
        RestorerSpec(**fields)
    assert str(caught.value).startswith(said)
    with pytest.raises(UsageError):
        RestorerSpec.model_validate(fields)


@pytest.mark.parametrize("text", ["", "{", "3", "[]", "null"])
def test_what_is_no_spec(text: str) -> None:
    with pytest.raises(UsageError, match="expected a JSON object"):
        RestorerSpec.from_json(text)
    with pytest.raises(UnknownNameError):
        RestorerSpec.from_json('{"weights": 3}')


def test_load_takes_what_a_spec_has() -> None:
    parameters = inspect.signature(darnet.load).parameters
    fields = RestorerSpec.model_fields
    assert list(parameters) == ["name", *list(fields)[1:]]
    assert [one.default for one in parameters.values()] == [one.default for one in fields.values()]


def test_everything_is_handed_on(tiny_system: Path) -> None:
    spec = RestorerSpec(
        system=str(tiny_system),
        device="cpu",
        precision="bf16",
        tiles=Tiles(64, 16),
        min_confidence=0.25,
        max_steps=3,
        quality="best",
    )
    restorer = spec.build()
    assert (restorer.min_confidence, restorer.min_confidences, restorer.max_steps) == (0.25, {}, 3)
    ensemble = restorer.experts["noise"]
    assert isinstance(ensemble, SelfEnsemble)
    expert = ensemble.expert
    assert isinstance(expert, NetworkExpert)
    assert (expert.tiles, str(expert.backend.dtype)) == (Tiles(64, 16), "torch.bfloat16")
    same = darnet.load(tiny_system, device="cpu", min_confidence=0.25, max_steps=3, quality="best")
    assert (same.min_confidence, same.max_steps) == (restorer.min_confidence, restorer.max_steps)


@pytest.mark.parametrize("precision", ["int8", "bf16"])
@pytest.mark.parametrize("asked", ["onnxruntime", "DARNET_BACKEND", "torch"])
def test_a_precision_that_a_backend_does_not_know_is_refused_before_any_picture(
    asked: str, precision: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is tried out, and no network loaded."""
    for tried in ("darnet.engines.choosing.probe", "darnet.engines.choosing._read", "darnet.systems.spec.load_router"):
        monkeypatch.setattr(tried, lambda *_, **__: pytest.fail("something was tried out"))
    if asked == "DARNET_BACKEND":
        monkeypatch.setenv(asked, "onnxruntime")
    if (asked, precision) == ("torch", "bf16"):
        assert RestorerSpec(device="cpu", precision=precision, backend=asked).settled().precision == "bf16"
        return
    backend = "auto" if asked == "DARNET_BACKEND" else asked
    with pytest.raises(UsageError, match=f"^`precision='{precision}'`: (ONNX Runtime computes in fp32|torch does not)"):
        darnet.load(device="cpu", precision=precision, backend=backend)


def test_a_precision_that_a_backend_knows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DARNET_BACKEND", "openvino")
    for precision in ("fp32", "bf16", "int8"):
        assert RestorerSpec(device="cpu", precision=precision).settled().precision == precision


def test_json_that_is_too_deep() -> None:
    with pytest.raises(UsageError, match="expected a JSON object"):
        RestorerSpec.from_json("[" * 100000)


def test_a_budget_chooses_tiles_and_more_memory_no_larger_ones() -> None:
    sides = {}
    for stated in ("450MB", "600MB", "1GB", "64GB"):
        settled = RestorerSpec(device="cpu", max_memory=stated).settled()
        assert settled.tiles is not None
        assert settled.tiles.shrinking
        assert settled.settled() == settled
        sides[stated] = settled.tiles.size_px
    assert 256 <= sides["450MB"] < sides["600MB"] < sides["1GB"] == sides["64GB"] == 1152
    dear = RestorerSpec(system="daair", device="cpu", max_memory="600MB").settled().tiles
    assert dear is not None
    assert dear.size_px < sides["600MB"]
    best = RestorerSpec(device="cpu", max_memory="600MB", quality="best").settled().tiles
    assert best is not None
    assert best.size_px < sides["600MB"]


def test_half_precision_has_larger_tiles() -> None:
    found = [RestorerSpec(device="cpu", max_memory="600MB", precision=one).settled().tiles for one in ("fp32", "bf16")]
    assert found[0] is not None
    assert found[1] is not None
    assert found[0].size_px < found[1].size_px


def test_experts_have_the_tiles_that_were_chosen_and_the_restorer_the_budget() -> None:
    restorer = RestorerSpec(device="cpu", max_memory="600MB").build()
    expert = restorer.experts["noise"]
    assert isinstance(expert, NetworkExpert)
    assert expert.tiles == RestorerSpec(device="cpu", max_memory="600MB").settled().tiles
    assert restorer.budget == Budget(600_000_000)


def test_a_budget_that_holds_no_tile_says_what_is_needed() -> None:
    with pytest.raises(ResourceError, match=r"`max_memory='100MB'`: too little, tiles of 256 px need 4\d\dMB"):
        darnet.load(device="cpu", max_memory="100MB")
    with pytest.raises(ResourceError, match=r"tiles of 1152 px need .*; make `tiles` smaller"):
        darnet.load(device="cpu", max_memory="500MB", tiles=Tiles(1152))
    assert RestorerSpec(device="cpu", tiles=Tiles(4000)).settled().tiles == Tiles(4000)


def test_where_little_is_free_and_nothing_was_said_it_is_tried_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(budget, "available_bytes", lambda: 10**8)
    settled = RestorerSpec(device="cpu").settled()
    assert settled.tiles is not None
    assert settled.tiles.size_px == 256


def test_where_little_is_free_torch_computes_which_takes_the_least(monkeypatch: pytest.MonkeyPatch) -> None:
    """Stated or not; who asks for a runtime has it."""
    monkeypatch.delenv("DARNET_BACKEND")
    for free, backend in ((10**8, "torch"), (12 * 10**8, "torch"), (64 * 10**9, "auto")):
        monkeypatch.setattr(budget, "available_bytes", lambda free=free: free)
        assert RestorerSpec(device="cpu").settled().backend == backend
        assert RestorerSpec(device="cpu", max_memory=max(free // 2, 5 * 10**8)).settled().backend == backend
        assert RestorerSpec(device="cpu", backend="onnxruntime").settled().backend == "onnxruntime"


def test_what_nobody_has_measured_is_taken_to_be_dear(tmp_path: Path) -> None:
    cards.write_reference(cards.Reference(name="odd", registered="median", handles=("noise",)), tmp_path / "odd")
    assert tile_cost(tmp_path / "odd", "cpu", "auto") == UNMEASURED
    shipped = [tile_cost(folder.parent, "cpu", "fp32") for folder in manifest.SHIPPED.glob("*/*/card.json")]
    assert all(cost.of(1152) < UNMEASURED.of(1152) for cost in shipped if cost != UNMEASURED)
    assert len([cost for cost in shipped if cost != UNMEASURED]) == len(shipped) - 1  # all but the router


def test_the_backend_that_is_stated_runs_router_and_experts() -> None:
    restorer = RestorerSpec(device="cpu", backend="onnxruntime").build()
    router, expert = restorer.router, restorer.experts["rain"]
    assert isinstance(router, NetworkRouter) and isinstance(expert, NetworkExpert)
    for backend in (router.backend, expert.backend):
        assert isinstance(backend, GraphBackend) and backend.runtime == "onnxruntime"
    photo = np.random.default_rng(0).integers(60, 196, (64, 80, 3), np.uint8)
    by_torch = RestorerSpec(device="cpu", backend="torch").build()
    found, wanted = (one(photo, kinds="rain").image.astype(int) for one in (restorer, by_torch))
    assert np.abs(found - wanted).max() <= 1
    with pytest.raises(UnknownNameError, match="openvin"):
        RestorerSpec(device="cpu", backend="openvin").build()


def test_tiles_fit_whoever_is_taken_where_nobody_is_stated(monkeypatch: pytest.MonkeyPatch) -> None:
    """A graph takes more memory than torch, which works strip by strip."""
    folder = manifest.SHIPPED / "darnet" / "noise"
    costs = [tile_cost(folder, "cpu", "fp32", name) for name in ("torch", "onnxruntime", "openvino")]
    monkeypatch.delenv("DARNET_BACKEND")
    either = tile_cost(folder, "cpu", "fp32")
    assert either.pixel_bytes == max(cost.pixel_bytes for cost in costs) > costs[0].pixel_bytes
    assert either.fixed_bytes == max(cost.fixed_bytes for cost in costs)
