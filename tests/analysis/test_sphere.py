"""How well damages are told apart, by hand, and where pictures are drawn."""

from __future__ import annotations

import json
import math
import sys
from pathlib import Path

import pytest
import torch
from torch.nn import functional as F

from darnet.analysis import sphere
from darnet.analysis.inspection import choose, routed
from darnet.analysis.sphere import (
    EMBEDDINGS,
    LOGITS,
    Placed,
    comparable,
    locate,
    nearest_centre,
    projection,
    separation,
)
from darnet.benchmark.cases import Case
from darnet.benchmark.subjects import Subject
from darnet.engines.pytorch import TorchBackend
from darnet.errors import MissingPackageError, NoInputError
from darnet.models.base import Context, Model, Output
from darnet.models.layers.spherical import simplex


def at(*degrees: float) -> torch.Tensor:
    """Points of the unit circle."""
    angles = torch.tensor(degrees).deg2rad()
    return torch.stack([angles.cos(), angles.sin()], dim=1)


def case(kind: str, name: str = "0.png") -> Case:
    return Case("CBSD68", name, kind, None, Path(name))


class Nowhere(Model):
    """Two stages and nothing else."""

    stages = ("first", "second")

    def encode(self, views: torch.Tensor) -> Context:
        return Context({"views": views})

    def forward(
        self, degraded: torch.Tensor, context: Context | None = None, box: torch.Tensor | None = None
    ) -> Output:
        raise NotImplementedError


def nowhere() -> Subject:
    return Subject("nowhere", ("noise", "rain", "haze"), TorchBackend(Nowhere(), "cpu"))


def scattered(count: int, *, scale: float = 1.0) -> list[Placed]:
    """As many pictures of noise as of rain, told apart at the second stage only."""
    generator = torch.Generator().manual_seed(0)
    found = []
    for number in range(2 * count):
        kind = number % 2
        vectors = torch.randn(2, 4, generator=generator)
        vectors[1] = 0.1 * vectors[1] + torch.eye(4)[kind]
        found.append(Placed(case(("noise", "rain")[kind], f"{number}.png"), LOGITS, (scale * vectors[0], vectors[1])))
    return found


def test_the_silhouette_by_hand() -> None:
    """Cosine distances: 0.5 within the first kind, 0 within the second; 2 and 1.5 between them."""
    found = separation(at(0, 60, 180, 180), torch.tensor([0, 0, 1, 1]), ["noise", "rain"])
    first = (0.75 + 2 / 3) / 2
    assert found["kinds"]["noise"]["silhouette"] == pytest.approx(first, abs=1e-4)
    assert found["kinds"]["rain"]["silhouette"] == 1
    assert found["silhouette"] == pytest.approx((first + 1) / 2, abs=1e-4)


def test_kinds_count_alike_however_many_pictures_they_have() -> None:
    few = separation(at(0, 60, 180, 180), torch.tensor([0, 0, 1, 1]), ["noise", "rain"])
    many = separation(at(0, 60, *[180] * 8), torch.tensor([0, 0, *[1] * 8]), ["noise", "rain"])
    assert many["silhouette"] == few["silhouette"]


def test_a_picture_is_not_compared_with_itself() -> None:
    """Of the first kind, the one at 90° has the other, at 0°, as its centre; with itself in it, it were at 45°."""
    vectors, of = at(0, 90, 150, 150), torch.tensor([0, 0, 1, 1])
    assert nearest_centre(vectors, of).tolist() == [0, 1, 1, 1]
    assert nearest_centre(vectors * torch.tensor([[3.0], [0.1], [1], [7]]), of).tolist() == [0, 1, 1, 1]
    assert separation(vectors, of, ["noise", "rain"])["nearest"] == 0.75


def test_vectors_that_are_all_the_same_tell_nothing_apart() -> None:
    found = separation(torch.ones(4, 3), torch.tensor([0, 0, 1, 1]), ["noise", "rain"])
    assert found["silhouette"] == pytest.approx(0, abs=1e-6)
    assert projection(torch.ones(4, 3))["points"] == [[0, 0]] * 4
    assert projection(torch.ones(4, 3))["explained"] == 0


@pytest.mark.parametrize("count", [3, 4, 5])
def test_centres_are_drawn_as_a_regular_polygon(count: int) -> None:
    turn = torch.linalg.qr(torch.randn(9, 9, generator=torch.Generator().manual_seed(0)))[0]
    centres = F.pad(simplex(count), (0, 10 - count)) @ turn
    found = torch.tensor(projection(F.normalize(torch.randn(6, 9), dim=1), centres)["centres"])
    angles = torch.arange(count) * (2 * math.pi / count)
    radius = float(found[0].norm())
    torch.testing.assert_close(found, radius * torch.stack([angles.cos(), angles.sin()], 1), atol=2e-4, rtol=0)
    assert radius <= 1
    if count == 3:
        assert radius == pytest.approx(1, abs=1e-3)


def test_on_the_plane_of_three_centres_it_is_seen_which_one_is_nearest() -> None:
    centres = F.pad(simplex(3), (0, 6))
    vectors = F.normalize(torch.randn(50, 8, generator=torch.Generator().manual_seed(0)), dim=1)
    points = torch.tensor(projection(vectors, centres)["points"])
    drawn = torch.tensor(projection(vectors, centres)["centres"])
    assert torch.equal((points @ drawn.T).argmax(dim=1), (vectors @ centres.T).argmax(dim=1))
    assert bool((points.norm(dim=1) <= 1.001).all())


def test_two_centres_are_an_axis_and_one_is_none() -> None:
    vectors = F.normalize(torch.randn(20, 5, generator=torch.Generator().manual_seed(0)), dim=1)
    centres = F.pad(simplex(2), (0, 4))
    found = projection(vectors, centres)
    assert sorted(abs(x) for x, _ in found["centres"]) == [1, 1]
    assert [x for x, _ in found["points"]] == pytest.approx((vectors @ centres[0]).tolist(), abs=1e-3)
    assert float(torch.tensor(found["points"])[:, 1].std()) > 0.1
    assert len(projection(vectors, centres[:1])["centres"]) == 1


def test_without_centres_the_axes_are_those_of_the_largest_variance() -> None:
    generator = torch.Generator().manual_seed(0)
    vectors = torch.randn(40, 6, generator=generator) * torch.tensor([9.0, 4, 0.1, 0.1, 0.1, 0.1]) + 5
    found = projection(vectors)
    assert found["explained"] > 0.99
    assert found["centres"] == []
    points = torch.tensor(found["points"])
    torch.testing.assert_close(torch.cdist(points, points), torch.cdist(vectors, vectors), atol=0.5, rtol=0)
    assert projection(vectors) == found


def test_vectors_of_one_dimension_lie_on_a_line() -> None:
    assert projection(torch.tensor([[0.0], [1.0], [2.0]]))["points"] == [[-1, 0], [0, 0], [1, 0]]


def test_stages_count_alike_in_all_of_them_together() -> None:
    found, louder = (sphere.summary(nowhere(), scattered(6, scale=scale)) for scale in (1.0, 1000.0))
    assert found["places"][1]["nearest"] == 1
    assert found["together"]["silhouette"] == pytest.approx(louder["together"]["silhouette"], abs=1e-3)
    assert found["together"]["silhouette"] > 0.1 > found["places"][0]["silhouette"]


def test_what_is_said_of_a_network() -> None:
    found = sphere.summary(nowhere(), [*scattered(3), Placed(case("haze"), LOGITS, (torch.ones(4), torch.ones(4)))])
    assert (found["model"], found["vectors"], found["chance"]) == ("nowhere", LOGITS, 0.5)
    assert found["pictures"] == {"noise": {"CBSD68": 3}, "rain": {"CBSD68": 3}}, "one picture is compared with none"
    assert [stage["name"] for stage in found["places"]] == ["first", "second"]
    assert len(found["cases"]) == len(found["together"]["points"]) == len(found["places"][0]["points"]) == 6
    json.dumps(found)


def test_two_kinds_of_two_pictures_are_needed() -> None:
    assert comparable(nowhere(), [case("noise")] * 2 + [case("rain")] * 3 + [case("haze")]) == {"noise", "rain"}
    with pytest.raises(NoInputError, match=r"^nowhere: needs 2 pictures each of at least two kinds"):
        comparable(nowhere(), [case("noise")] * 5 + [case("rain")])


def test_a_sphere_gives_its_embeddings_and_its_centres(tiny_slerir: Path, sets_root: Path) -> None:
    (subject,) = routed(str(tiny_slerir), "cpu")
    chosen, _ = choose(subject.kinds, sets_root, limit=2)
    placed = [locate(subject, one) for one in chosen]
    assert {picture.source for picture in placed} == {EMBEDDINGS}
    assert len(placed[0].vectors) == 8
    for vector in placed[0].vectors:
        assert float(vector.norm()) == pytest.approx(1, abs=1e-4)
    found = sphere.summary(subject, placed)
    assert [len(stage["centres"]) for stage in found["places"]] == [3] * 8
    assert found["together"]["centres"] == []


def test_a_classifier_gives_its_logits_less_their_mean(tiny_daair: Path, sets_root: Path) -> None:
    (subject,) = routed(str(tiny_daair), "cpu")
    chosen, _ = choose(subject.kinds, sets_root, limit=1)
    placed = locate(subject, chosen[0])
    assert placed.source == LOGITS
    for vector in placed.vectors:
        torch.testing.assert_close(vector, torch.tensor([0.5, -0.5]))


def test_figures_need_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sklearn.metrics", None)
    with pytest.raises(MissingPackageError, match=r"darnet\[bench\]"):
        sphere.need()
