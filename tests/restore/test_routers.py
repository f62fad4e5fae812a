from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest
import torch

from darnet.engines.pytorch import TorchBackend
from darnet.errors import DarnetError, WeightsError
from darnet.images.formats import JPEG_UNIT_PX
from darnet.images.regions import Planes
from darnet.images.tiles import grid_crops
from darnet.models import cards
from darnet.models.base import Output
from darnet.models.classifier import DegradationClassifier
from darnet.models.compact import CompactUNet
from darnet.models.views import Thumbnail
from darnet.restore import routers
from darnet.restore.diagnosis import Crop
from darnet.restore.routers import Always, NetworkRouter
from darnet.routing import Routing
from darnet.systems.loading import load_router

KINDS = ["clean", "noise", "blur"]


@pytest.fixture
def router() -> NetworkRouter:
    torch.manual_seed(0)
    return NetworkRouter(TorchBackend(DegradationClassifier(KINDS, 4).eval(), "cpu"), crop_px=32, grid=3)


@pytest.mark.parametrize("size", [(1, 1), (37, 31), (32, 32), (200, 90)])
def test_any_size_gets_scores(router: NetworkRouter, size: tuple[int, int]) -> None:
    diagnosis = router(torch.rand(3, *size))
    assert list(diagnosis.scores) == KINDS
    assert diagnosis.scores["clean"] == pytest.approx(1 - max(diagnosis.scores["noise"], diagnosis.scores["blur"]))
    assert set(diagnosis.severities) == {"noise", "blur"}  # clean has no severity


def test_evidence_is_averaged_over_crops_of_the_whole_picture(router: NetworkRouter) -> None:
    pixels = torch.rand(3, 120, 100)
    crops = grid_crops(pixels, size_px=32, grid=3, align_px=JPEG_UNIT_PX)
    assert len(crops) == 9
    with torch.inference_mode():
        logits = router.backend.model(crops).routings[0].logits.mean(dim=0)
    for several in (False, True):
        if several:
            router.backend.model.measure_from_clean()
        diagnosis = router(pixels)
        for kind, logit in zip(KINDS[1:], logits[1:], strict=True):
            rivals = [logits[0]] if several else [other for other in logits if other is not logit]
            wanted = (
                logit - torch.stack([other for other in rivals if not torch.equal(other, logit)]).amax()
            ).sigmoid()
            assert diagnosis.scores[kind] == pytest.approx(float(wanted), abs=1e-5)
        assert len(diagnosis.crops) == 9


def test_findings_are_kept_for_each_crop(router: NetworkRouter) -> None:
    """Each says where it is, and what the router would say of it alone."""
    pixels = torch.rand(3, 120, 100)
    crops = router(pixels).crops
    assert (crops[0].top, crops[0].left, crops[-1].top, crops[-1].left) == (0, 0, 80, 64)
    alone = NetworkRouter(router.backend, 32, grid=1)
    for crop in crops:
        part = pixels[:, crop.top : crop.top + crop.side, crop.left : crop.left + crop.side]
        assert alone(part).scores == pytest.approx(dict(crop.presence), abs=1e-5)


def told(router: NetworkRouter, ranges: dict[str, tuple[float, float]], severities: list[float]) -> NetworkRouter:
    """A router that always estimates these severities, and is certain of noise and blur."""
    model = router.backend.model
    model.ranges = ranges
    with torch.no_grad():
        model.estimate.weight.zero_()
        model.estimate.bias.copy_(torch.tensor([1.0, *severities]).log())
        model.classify.bias.copy_(torch.tensor([0.0, 30.0, 20.0]))
    model.measure_from_clean()
    return router


@pytest.mark.parametrize(("severity", "said"), [(4, 5), (20, 20), (70, 50)])
def test_severities_stay_within_what_the_router_learnt(router: NetworkRouter, severity: float, said: float) -> None:
    diagnosis = told(router, {"noise": (5, 50)}, [severity, 300])(torch.rand(3, 64, 64))
    assert diagnosis.present == ("noise", "blur")
    assert diagnosis.severities == pytest.approx({"noise": said, "blur": 300}, rel=1e-3)  # nobody said what blur may be


@pytest.mark.parametrize("severity", [3, 80, 31175, 1e38])
def test_a_severity_far_outside_is_that_of_no_picture_of_the_kind(router: NetworkRouter, severity: float) -> None:
    diagnosis = told(router, {"noise": (5, 50), "blur": (0.5, 3)}, [severity, 2])(torch.rand(3, 64, 64))
    assert diagnosis.label == "blur"
    assert diagnosis.scores["noise"] == 0
    assert "noise" not in diagnosis.severities
    assert all(crop.presence["noise"] == 0 for crop in diagnosis.crops)
    assert told(router, {"noise": (5, 50), "blur": (0.5, 3)}, [severity, 9])(torch.rand(3, 64, 64)).label == "clean"


def test_no_other_kind_takes_the_place_of_one_that_cannot_be(router: NetworkRouter) -> None:
    """Where kinds exclude each other, what is rather noise than anything is not blur because it is no noise."""
    told(router, {"noise": (5, 50)}, [31175, 2]).backend.model.classify.bias.data += torch.tensor([0.1, 0, 0])
    assert router.backend.model.several is False
    diagnosis = router(torch.rand(3, 64, 64))
    assert (diagnosis.label, diagnosis.scores["noise"]) == ("clean", 0)


def test_what_shows_in_a_corner_is_judged_by_the_corner(router: NetworkRouter) -> None:
    """The severity of a kind is that of the crops where it is."""

    def cornered(degraded, context=None, box=None):
        bright = (degraded.mean(dim=(1, 2, 3)) > 0.5).float()
        logits = torch.stack([0 * bright, 20 * bright - 10, 0 * bright - 10], dim=1)
        severities = torch.stack([0 * bright + 1, 20 * bright + 20, 0 * bright + 1], dim=1)
        return Output(routings=(Routing.hard(logits),), severities=severities, clean=0)

    pixels = torch.zeros(3, 128, 128)
    pixels[:, :32, :32] = 1
    model = DegradationClassifier(KINDS, 4).eval()
    model.forward = cornered
    model.weighing[1, 3 + 1] = 1.0  # the highest crop less the mean
    model.measure_from_clean()
    diagnosis = NetworkRouter(TorchBackend(model, "cpu"), crop_px=32)(pixels)
    assert diagnosis.present == ("noise",)
    assert diagnosis.severities["noise"] == pytest.approx(40, rel=0.05)
    assert [crop.presence["noise"] > 0.5 for crop in diagnosis.crops] == [True] + [False] * 15


def test_kinds_that_exclude_each_other_are_measured_from_the_best_rival() -> None:
    """As trained by cross-entropy: one kind is present at most, and it is the most probable one."""
    logits = torch.tensor([[1.0, 3.0, 2.0], [3.0, 2.0, 1.0], [2.0, 2.0, 1.0]])
    found = DegradationClassifier(["noise", "blur", "haze"], 4).presence(logits)
    torch.testing.assert_close(found[0], torch.tensor([-2.0, 1.0, -1.0]).sigmoid())
    found = DegradationClassifier(["clean", "blur", "haze"], 4).presence(logits)
    torch.testing.assert_close(found[:, 1:], torch.tensor([[1.0, -1], [-1, -2], [0, -1]]).sigmoid())
    torch.testing.assert_close(found[:, 0], torch.tensor([-1.0, 1, 0]).sigmoid())
    assert DegradationClassifier(["noise"], 4).presence(torch.tensor([[1.0]])).tolist() == [[1.0]]


def test_kinds_that_may_be_there_together_are_measured_from_clean() -> None:
    model = DegradationClassifier(["clean", "blur", "haze"], 4)
    assert not model.several
    model.measure_from_clean()
    assert model.several
    found = model.presence(torch.tensor([[1.0, 3.0, 2.0]]))
    torch.testing.assert_close(found, torch.tensor([[-2.0, 2.0, 1.0]]).sigmoid())


def test_the_network_has_the_verdict(router: NetworkRouter) -> None:
    router.backend.model.bias.copy_(torch.tensor([0.0, 20.0, 0.0]))
    assert router(torch.rand(3, 120, 100)).label == "noise"


def test_scores_that_are_not_finite_are_an_error(router: NetworkRouter) -> None:
    torch.nn.init.constant_(router.backend.model.classify.bias, float("nan"))
    with pytest.raises(DarnetError, match="scores that are not finite"):
        router(torch.rand(3, 64, 64))


def test_a_network_that_names_nothing_is_no_router() -> None:
    with pytest.raises(DarnetError, match="CompactUNet names no kinds"):
        NetworkRouter(TorchBackend(CompactUNet(4, (1, 1)).eval(), "cpu"))


def test_always() -> None:
    diagnosis = Always("haze")(torch.rand(3, 2, 2))
    assert (diagnosis.label, diagnosis.confidence, diagnosis.severity) == ("haze", 1.0, None)


def test_a_router_by_name(tmp_path: Path) -> None:
    reference = cards.Reference(name="always", registered="always", config={"label": "rain"})
    cards.write_reference(reference, tmp_path / "router")
    assert load_router(tmp_path / "router")(torch.rand(3, 8, 8)).label == "rain"


def test_routers_that_are_none(tmp_path: Path) -> None:
    (tmp_path / "net.onnx").write_bytes(b"x")
    cards.write_reference(cards.Reference(name="x", file="net.onnx"), tmp_path / "file", tmp_path / "net.onnx")
    with pytest.raises(WeightsError, match="only be an expert"):
        load_router(tmp_path / "file")
    cards.write_reference(cards.Reference(name="x", registered="always", config={"x": 1}), tmp_path / "odd")
    with pytest.raises(WeightsError, match="always"):
        load_router(tmp_path / "odd")


def test_every_crop_is_told_of_the_whole_picture() -> None:
    """A picture whose corner alone is bright: no crop but one shows it, and all are told."""
    seen = []

    pixels = torch.zeros(3, 300, 300)
    pixels[:, :100, :100] = 1
    spy = DegradationClassifier(["clean", "haze"], 4, thumbnail_px=16).eval()
    spy.register_forward_pre_hook(lambda module, given: seen.append(given[1]))
    NetworkRouter(TorchBackend(spy, "cpu"))(pixels)
    overview = seen[0].encoded["overview"]
    assert len(overview) == 16
    assert all(torch.equal(row, overview[0]) for row in overview)
    with torch.inference_mode():
        torch.testing.assert_close(overview[:1], spy.encode(Thumbnail(16)(pixels[None])).encoded["overview"])


def spotted(degraded, context=None, box=None):
    """A router that sees noise, and blur, in bright crops alone."""
    bright = (degraded.mean(dim=(1, 2, 3)) > 0.5).float()
    logits = torch.stack([0 * bright, 20 * bright - 10, 20 * bright - 10], dim=1)
    return Output(routings=(Routing.hard(logits),), severities=torch.ones_like(logits), clean=0)


def test_what_one_crop_is_certain_of_is_there_where_it_may_be_in_a_part() -> None:
    """Its mean over sixteen crops is far below."""
    pixels = torch.zeros(3, 128, 128)
    pixels[:, :32, :32] = 1
    model = DegradationClassifier(KINDS, 4).eval()
    model.forward = spotted
    model.measure_from_clean()
    router = NetworkRouter(TorchBackend(model, "cpu"), crop_px=32)
    found = router(pixels)
    assert found.scores["noise"] == pytest.approx(1, abs=1e-3)
    assert found.scores["blur"] < 0.1  # a soft background is no blurred photo
    assert found.scores["clean"] == pytest.approx(0, abs=1e-3)
    assert router(torch.zeros(3, 128, 128)).label == "clean"


@pytest.mark.parametrize(("surest", "presence"), [(0.9, 0.3), (0.95, 0.75), (0.96, 0.8), (0.99, 0.95), (1.0, 1.0)])
def test_what_is_found_in_a_part_is_as_certain_as_its_surest_crop(surest: float, presence: float) -> None:
    """It was 75 % however certain that crop was, and so none was left at `min_confidence=0.8`."""
    crops = [Crop(0, left, 32, {"clean": 0.0, "noise": seen, "blur": 1.0}) for left, seen in enumerate((surest, 0.1))]
    found = routers._with_parts({"clean": 0.7, "noise": 0.3, "blur": 0.2}, crops)
    assert found["noise"] == pytest.approx(presence)
    assert found["blur"] == 0.2
    for other in (0.7, 0.85):  # what all of it is known by stands above
        beside = routers._with_parts({"clean": 0.1, "noise": 0.3, "blur": other}, crops)
        assert beside["noise"] == pytest.approx(min(presence, max(other, 0.75)) if surest >= 0.95 else 0.3)
        assert beside["noise"] < other or other < 0.75


@pytest.mark.parametrize(("height", "finest"), [(64, 32), (60, 16)])
def test_a_small_picture_is_told_apart_by_smaller_crops(height: int, finest: int) -> None:
    """Its crops overlap by more than half, and so each has some of what befell a part alone."""
    pixels = torch.zeros(3, height, 40)
    pixels[:, 20:] = 1
    model = DegradationClassifier(KINDS, 4).eval()
    model.forward = spotted
    model.measure_from_clean()
    router = NetworkRouter(TorchBackend(model, "cpu"), crop_px=32)
    assert {crop.side for crop in router(pixels).crops} == {finest}
    assert {crop.side for crop in router(torch.zeros(3, height, 40)).crops} == {32}  # nothing to tell apart


@pytest.mark.parametrize("size", [(128, 128), (16, 16), (3, 40), (2000, 64)])
def test_a_closer_look_has_smaller_crops_on_a_grid(router: NetworkRouter, size: tuple[int, int]) -> None:
    crops = router.look_closely(Planes(torch.rand(3, *size)))
    assert {crop.side for crop in crops} == {16}
    rows, columns = (sorted({getattr(crop, side) for crop in crops}) for side in ("top", "left"))
    assert [(crop.top, crop.left) for crop in crops] == [(top, left) for top in rows for left in columns]
    assert rows[0] == columns[0] == 0
    assert rows[-1] == max(0, size[0] - 16) // 8 * 8
    assert len(rows) <= routers.MOST_CROPS
    assert size[0] > 1000 or all(below - above <= 8 for above, below in pairwise(rows))  # they overlap by half
    assert set(crops[0].presence) == set(KINDS)
