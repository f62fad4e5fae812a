"""Laws of the sphere: unit vectors, a simplex of centres, and none of them left without samples."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from darnet.models.layers.spherical import ClassifierRouter, SphericalRouter, balanced, nearest_simplex, simplex


def router(experts: int = 3, dimension: int = 16, layers: int = 2, **knobs: float) -> SphericalRouter:
    torch.manual_seed(0)
    return SphericalRouter(features=8, layers=layers, experts=experts, dimension=dimension, **knobs)


def embeddings(experts: int, spread: float, common: float, layers: int = 2, dimension: int = 16) -> torch.Tensor:
    """So many clusters of 20 samples each; all of a layer share a direction of the length `common`."""
    generator = torch.Generator().manual_seed(1)
    groups = F.normalize(torch.randn(layers, experts, 1, dimension, generator=generator), dim=3)
    noise = spread * torch.randn(layers, experts, 20, dimension, generator=generator)
    offset = common * F.normalize(torch.randn(layers, 1, 1, dimension, generator=generator), dim=3)
    return F.normalize((groups + noise + offset).flatten(1, 2), dim=2)


@pytest.mark.parametrize("count", [2, 3, 4, 7])
def test_a_simplex_is_as_far_apart_as_points_can_be(count: int) -> None:
    cosines = simplex(count) @ simplex(count).T
    wanted = torch.full((count, count), -1 / (count - 1)).fill_diagonal_(1)
    torch.testing.assert_close(cosines, wanted, atol=1e-6, rtol=0)


@pytest.mark.parametrize("experts", [2, 3, 4])
def test_centres_stay_a_simplex_whatever_they_are_shown(experts: int) -> None:
    learner = router(experts, momentum=0.9)
    wanted = torch.full((experts, experts), -1 / (experts - 1)).fill_diagonal_(1)
    before = learner.centres.clone()
    for step in range(50):
        shown = torch.randn(2, 6, 16, generator=torch.Generator().manual_seed(step))
        learner.refresh(F.normalize(shown, dim=2))
        torch.testing.assert_close(learner.centres @ learner.centres.T, wanted, atol=1e-5, rtol=0)
    assert not torch.allclose(before, learner.centres, atol=0.1), "centres do not move"


def test_centres_find_the_clusters_of_a_layer() -> None:
    learner = router(layers=1, momentum=0.9)
    shown = embeddings(3, spread=0.02, common=0.0, layers=1)
    for _ in range(100):
        learner.refresh(shown)
    chosen = (shown[0] @ learner.centres.T).argmax(dim=1).view(3, 20)
    assert bool((chosen == chosen[:, :1]).all()), "a cluster is torn apart"
    assert sorted(chosen[:, 0].tolist()) == [0, 1, 2], "two clusters share a centre"


@pytest.mark.parametrize("common", [0.0, 3.0])
def test_every_layer_uses_every_centre_even_where_its_embeddings_are_much_alike(common: float) -> None:
    learner = router(layers=2, momentum=0.95, dimension=64)
    shown = embeddings(3, spread=0.05, common=common, dimension=64)
    for _ in range(300):
        learner.refresh(shown)
    for layer in shown @ learner.centres.T:
        assert torch.bincount(layer.argmax(dim=1), minlength=3).min() >= 10


def test_assignment_is_balanced_where_the_nearest_centre_is_not() -> None:
    scores = torch.rand(2, 9, 3, generator=torch.Generator().manual_seed(0)) + torch.tensor([0.9, 0.0, 0.0])
    assert torch.bincount(scores[0].argmax(dim=1), minlength=3).tolist() == [9, 0, 0]
    shares = balanced(scores)
    torch.testing.assert_close(shares.sum(dim=1), torch.ones(2, 3))
    torch.testing.assert_close(shares.sum(dim=2), torch.full((2, 9), 3 / 9), atol=5e-3, rtol=0)


def test_the_nearest_simplex_to_a_turned_simplex_is_that_one() -> None:
    turn = torch.linalg.qr(torch.randn(16, 2, generator=torch.Generator().manual_seed(3))).Q
    points = simplex(3) @ turn.T
    torch.testing.assert_close(nearest_simplex(0.3 * points), points, atol=1e-5, rtol=0)


def test_a_decision_is_the_cosine_with_the_centres() -> None:
    learner, tokens = router(temperature=0.5), torch.randn(5, 8, generator=torch.Generator().manual_seed(0))
    soft, hard = learner(tokens, "soft"), learner(tokens, "hard")
    assert len(soft) == len(hard) == 2
    for one, other in zip(soft, hard, strict=True):
        assert one.embedding is not None
        torch.testing.assert_close(one.embedding.norm(dim=1), torch.ones(5))
        torch.testing.assert_close(one.logits, one.embedding @ learner.centres.T / 0.5)  # eq. 2
        torch.testing.assert_close(one.weights, one.logits.softmax(dim=1))
        assert torch.equal(other.weights, F.one_hot(one.logits.argmax(dim=1), 3).float())  # eq. 3
    assert float(router()(100 * tokens, "soft")[0].weights.detach().max()) < 0.692  # a knob, since so it is with 1


def test_centres_of_averaged_weights_are_unit_vectors_too() -> None:
    learner = router()
    tokens = torch.randn(5, 8, generator=torch.Generator().manual_seed(0))
    before = [routing.logits for routing in learner(tokens, "hard")]
    learner.centres.mul_(0.7)  # the mean of vectors that were turned is shorter
    for routing, logits in zip(learner(tokens, "hard"), before, strict=True):
        torch.testing.assert_close(routing.logits, logits)


def test_a_lonely_expert_gets_everything() -> None:
    learner = router(experts=1)
    learner.refresh(embeddings(2, 0.1, 0.0))
    assert torch.equal(learner(torch.randn(4, 8), "hard")[0].weights, torch.ones(4, 1))


def test_more_experts_than_a_sphere_holds_as_a_simplex_are_refused() -> None:
    with pytest.raises(ValueError, match="experts 4: expected 1 to 3, on a sphere in 2 dimensions"):
        router(experts=4, dimension=2)
    with pytest.raises(ValueError, match="temperature 0"):
        router(temperature=0)


def test_a_classifier_scores_the_same_vectors_by_weights_that_learn() -> None:
    torch.manual_seed(0)
    learner, tokens = ClassifierRouter(8, 2, 3, 16, temperature=0.5), torch.randn(5, 8)
    assert sum(weight.numel() for weight in learner.mlp.parameters()) == sum(
        weight.numel() for weight in router().mlp.parameters()
    )
    vectors = learner.mlp(tokens).unflatten(1, (2, 16))
    soft, hard = learner(tokens, "soft"), learner(tokens, "hard")
    for layer, (one, other) in enumerate(zip(soft, hard, strict=True)):
        wanted = (vectors[:, layer] @ learner.classify.weight.T) / 0.5
        torch.testing.assert_close(one.logits, wanted)
        torch.testing.assert_close(one.weights, wanted.softmax(dim=1))
        torch.testing.assert_close(one.embedding, F.normalize(vectors[:, layer], dim=1))
        assert torch.equal(other.weights, F.one_hot(wanted.argmax(dim=1), 3).float())
    before = learner.classify.weight.clone()
    learner.refresh(torch.stack([routing.embedding for routing in soft]))
    assert torch.equal(learner.classify.weight, before)
    with pytest.raises(ValueError, match="temperature 0"):
        ClassifierRouter(8, 2, 3, 16, temperature=0)
