"""Routing on a sphere (SLER-IR §3.2–3.3): a token becomes a unit vector per layer, compared with the experts' centres.

The paper keeps the centres apart by "Monte Carlo-regularised uniform clustering" and gives no formula. Here the
embeddings of a step are the sample; they are clustered with balanced assignment (Sinkhorn), and the centres are the
vertices of a regular simplex, which are as far apart as C ≤ D + 1 points of a sphere can be, turned to lie as near as
they can to the clusters (orthogonal Procrustes). A classifier in place of the sphere is the paper's baseline (Table 3).

Shapes: B batch, F features of the token, K layers, C experts of a layer, D embedding.
"""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from darnet.routing import Routing

#: Ways to decide: by the best expert alone (eq. 3), or by all of them (eq. 2), which gradients flow through.
SOFT = "soft"
GATES = ("hard", SOFT)
#: Of the assignment: small is hard. Cosines lie in [-1, 1].
SOFTNESS = 0.1
SINKHORN_STEPS = 10
#: What all embeddings of a layer share says nothing about any of them. Centres avoid it where it is long: of a common
#: part of squared length s, the share RIDGE / (s + RIDGE) is left.
RIDGE = 0.05


class LayerRouter(nn.Module, ABC):
    """Tokens -> a routing per layer: one MLP makes a vector for each, by which the experts are scored (eq. 1–3).

    Raises ValueError for a temperature that divides nothing.
    """

    def __init__(self, features: int, layers: int, dimension: int, temperature: float) -> None:
        super().__init__()
        if temperature <= 0:
            raise ValueError(f"temperature {temperature} must be above 0")
        self.layers, self.temperature = layers, temperature
        self.mlp = nn.Sequential(
            nn.LayerNorm(features),  # tokens of any encoder
            nn.Linear(features, features),
            nn.GELU(),
            nn.Linear(features, layers * dimension),
        )

    def forward(self, tokens: Float[Tensor, "B F"], gate: str) -> tuple[Routing, ...]:
        """Decide for every layer, by one of GATES. An embedding is the direction of a vector. Raises ValueError."""
        if gate not in GATES:
            raise ValueError(f"gate {gate!r}: expected {' or '.join(GATES)}")
        vectors = self.mlp(tokens).float().unflatten(1, (self.layers, -1))
        decide = Routing.soft if gate == SOFT else Routing.hard
        both = zip(
            (self.score(vectors) / self.temperature).unbind(1), F.normalize(vectors, dim=2).unbind(1), strict=True
        )
        return tuple(decide(logits, embedding) for logits, embedding in both)

    @abstractmethod
    def score(self, vectors: Float[Tensor, "B K D"]) -> Float[Tensor, "B K C"]:
        """How well each expert fits."""

    def refresh(self, embeddings: Float[Tensor, "K B D"]) -> None:
        """Learn from what a step embedded, other than by gradients. Default: nothing."""


class ClassifierRouter(LayerRouter):
    """Scores are linear in the vectors, and nothing keeps experts apart: the baseline of Table 3.

    Weights take the place of centres, one set for all layers, and lengths count: it differs in nothing else.
    """

    def __init__(
        self, features: int, layers: int, experts: int, dimension: int = 128, temperature: float = 1.0
    ) -> None:
        super().__init__(features, layers, dimension, temperature)
        self.classify = nn.Linear(dimension, experts, bias=False)

    def score(self, vectors: Float[Tensor, "B K D"]) -> Float[Tensor, "B K C"]:
        """Logits."""
        logits: Tensor = self.classify(vectors)
        return logits


class SphericalRouter(LayerRouter):
    """Vectors of unit length, f = L2(MLP(token)), and their cosines with the experts' centres (eq. 1–3).

    Args:
        features: Of the token.
        layers: How many decisions there are.
        experts: C, at most `dimension` + 1.
        dimension: Of the sphere's space.
        temperature: Divides the cosines; 1 is the paper's, under which no probability of three exceeds 0.69.
        momentum: How much of themselves the centres keep in a step.

    Raises ValueError where there is no simplex of so many vertices.
    """

    centres: Float[Tensor, "C D"]
    shared: Float[Tensor, "K D"]  # moving average of the embeddings of each layer

    def __init__(
        self,
        features: int,
        layers: int,
        experts: int,
        dimension: int = 128,
        temperature: float = 1.0,
        momentum: float = 0.99,
    ) -> None:
        super().__init__(features, layers, dimension, temperature)
        if not 1 <= experts <= dimension + 1:
            raise ValueError(f"experts {experts}: expected 1 to {dimension + 1}, on a sphere in {dimension} dimensions")
        if not 0 <= momentum <= 1:
            raise ValueError(f"momentum {momentum}: expected 0 to 1")
        self.momentum = momentum
        self.register_buffer("centres", F.pad(simplex(experts), (0, dimension - max(experts - 1, 1))))
        self.register_buffer("shared", torch.zeros(layers, dimension))

    def score(self, vectors: Float[Tensor, "B K D"]) -> Float[Tensor, "B K C"]:
        """Cosines."""
        # A sum, not a product of matrices: that would be in half precision under autocast. Centres of averaged weights
        # are means of unit vectors, so they are brought back to the sphere here.
        directions = F.normalize(vectors, dim=2)[:, :, None]
        return (directions * F.normalize(self.centres, dim=1)).sum(dim=3)

    @torch.no_grad()
    def refresh(self, embeddings: Float[Tensor, "K B D"]) -> None:
        """Move the centres towards clusters of what a step embedded."""
        if len(self.centres) == 1:
            return
        self.shared.lerp_(embeddings.mean(dim=1), 1 - self.momentum)
        directions = F.normalize(embeddings - self.shared[:, None], dim=2)
        assignment = balanced(directions @ self.centres.T)
        clusters = torch.einsum("kbc,kbd->cd", assignment, directions) / self.layers
        wanted = self.centres.lerp(clusters, 1 - self.momentum)
        overlap = self.shared @ self.shared.T + RIDGE * torch.eye(self.layers, device=wanted.device)
        wanted = wanted - wanted @ self.shared.T @ torch.linalg.solve(overlap, self.shared)
        self.centres.copy_(nearest_simplex(wanted))


def simplex(vertices: int) -> Float[Tensor, "C C1"]:
    """Vertices of a regular simplex around the origin, in C − 1 dimensions (1 for C = 1): cosine −1 / (C − 1)."""
    if vertices == 1:
        return torch.ones(1, 1)
    rows = [[1.0] * k + [-float(k)] + [0.0] * (vertices - 1 - k) for k in range(1, vertices)]
    # Helmert: rows are orthonormal and each sums to 0. On the CPU, also where a network is built without weights.
    orthogonal = F.normalize(torch.tensor(rows, device="cpu"), dim=1)
    return F.normalize(orthogonal.T, dim=1).to(torch.get_default_device())


def nearest_simplex(points: Float[Tensor, "C D"]) -> Float[Tensor, "C D"]:
    """The regular simplex of unit vectors whose vertices lie nearest to so many points, each to its own."""
    vertices = simplex(len(points)).to(points)
    left, _, right = torch.linalg.svd(points.T @ vertices, full_matrices=False)
    turned: Tensor = vertices @ (left @ right).T
    return turned


def balanced(scores: Float[Tensor, "K B C"]) -> Float[Tensor, "K B C"]:
    """Soft assignment in which every centre gets the same share of the samples (Sinkhorn); each column sums to 1."""
    weights = ((scores - scores.amax(dim=(1, 2), keepdim=True)) / SOFTNESS).exp()
    for _ in range(SINKHORN_STEPS):
        weights = weights / weights.sum(dim=1, keepdim=True)
        weights = weights / weights.sum(dim=2, keepdim=True)
    return weights / weights.sum(dim=1, keepdim=True)
