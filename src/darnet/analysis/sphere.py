"""Whether what a network routes by tells damages apart: the sphere of embeddings (SLER-IR §3.3).

A picture has a vector at each stage: its embedding, which lies on the unit sphere, or, where a classifier routes, its
logits less their mean (a softmax knows no more of them). All stages together are one long vector. In it stages count
alike: each is divided by the root mean square of its lengths, which for embeddings is 1.

Shapes: N pictures, D of a vector, K kinds, C experts, R given axes. Damages are compared by the cosine distance.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional as F

from darnet import registry
from darnet.analysis.inspection import PROTOCOL, Document, counted, identity
from darnet.benchmark.cases import Case
from darnet.benchmark.subjects import Subject
from darnet.errors import NoInputError
from darnet.models.layers.spherical import SphericalRouter

EMBEDDINGS, LOGITS = "embeddings", "logits"
#: Of a kind, that a picture may be compared with another one of its own.
LEAST_PICTURES = 2
#: Lengths below count as none.
TINY = 1e-12


class Placed(NamedTuple):
    """Where one picture lies, at every stage."""

    case: Case
    source: str  # EMBEDDINGS or LOGITS
    vectors: tuple[Float[Tensor, " D"], ...]


def need() -> None:
    """Raises MissingPackageError where scikit-learn is not there."""
    registry.optional("sklearn.metrics", "bench")


def locate(subject: Subject, case: Case) -> Placed:
    """What a picture is routed by. Raises what loading and running raise."""
    routings = subject(case.load(PROTOCOL).observed).routings
    embeddings = [routing.embedding for routing in routings if routing.embedding is not None]
    if len(embeddings) == len(routings):
        return Placed(case, EMBEDDINGS, tuple(embedding[0].float().cpu() for embedding in embeddings))
    logits = (routing.logits[0].float().cpu() for routing in routings)
    return Placed(case, LOGITS, tuple(values - values.mean() for values in logits))


def comparable(subject: Subject, cases: Iterable[Case]) -> set[str]:
    """The kinds that have pictures enough. Raises NoInputError where there are not two."""
    counts = Counter(case.kind for case in cases)
    kinds = {kind for kind in subject.kinds if counts[kind] >= LEAST_PICTURES}
    if len(kinds) < 2:
        raise NoInputError(f"{subject.name}: needs {LEAST_PICTURES} pictures each of at least two kinds of damage")
    return kinds


def summary(subject: Subject, placed: Sequence[Placed]) -> Document:
    """How well damages are told apart, all stages together and each by itself, and where each picture is drawn.

    Kinds with a single picture are left out. Raises NoInputError where nothing is left to compare.
    """
    kinds = comparable(subject, (picture.case for picture in placed))
    kept = [picture for picture in placed if picture.case.kind in kinds]
    names = [kind for kind in subject.kinds if kind in kinds]
    of = torch.tensor([names.index(picture.case.kind) for picture in kept])
    stages = [torch.stack(vectors) for vectors in zip(*(picture.vectors for picture in kept), strict=True)]
    together = torch.cat([vectors / vectors.square().sum(dim=1).mean().sqrt().clamp_min(TINY) for vectors in stages], 1)
    source = kept[0].source
    centres = _centres(subject) if source == EMBEDDINGS else None
    named = zip(subject.model.stages, stages, strict=True)
    return {
        "model": subject.name,
        "vectors": source,
        "pictures": counted(subject, (picture.case for picture in kept)),
        "chance": round(1 / len(names), 4),
        "together": {**separation(together, of, names), **projection(together)},
        "places": [
            {"name": stage, **separation(found, of, names), **projection(found, centres)} for stage, found in named
        ],
        "cases": [identity(picture.case) for picture in kept],
    }


def separation(vectors: Float[Tensor, "N D"], of: Int[Tensor, " N"], names: Sequence[str]) -> Document:
    """Two measures of how well kinds are told apart, each the mean over the kinds of the mean over their pictures.

    silhouette: (b − a) / max(a, b), with a the mean distance to the other pictures of the same kind, and b that to
    those of the nearest other kind (Rousseeuw 1987). From −1 to 1.
    nearest: the share of pictures whose nearest centre is that of their kind. A centre is the mean of a kind's unit
    vectors, but for the picture that is asked about.
    """
    from sklearn.metrics import silhouette_samples

    silhouettes = torch.from_numpy(silhouette_samples(vectors.double().numpy(), of.numpy(), metric="cosine"))
    right = (nearest_centre(vectors, of) == of).double()
    means = [torch.stack([values[of == kind].mean() for kind in range(len(names))]) for values in (silhouettes, right)]
    by_kind = {
        name: {"silhouette": round(float(silhouette), 4), "nearest": round(float(share), 4)}
        for name, silhouette, share in zip(names, *means, strict=True)
    }
    silhouette, share = (round(float(mean.mean()), 4) for mean in means)
    return {"silhouette": silhouette, "nearest": share, "kinds": by_kind}


def nearest_centre(vectors: Float[Tensor, "N D"], of: Int[Tensor, " N"]) -> Int[Tensor, " N"]:
    """The kind whose centre has the largest cosine with each vector; its own kind's centre is made without it."""
    unit = F.normalize(vectors.double(), dim=1)
    kinds = F.one_hot(of).double()
    cosines = unit @ F.normalize(kinds.T @ unit, dim=1).T
    without = F.normalize((kinds.T @ unit)[of] - unit, dim=1)
    own = (unit * without).sum(dim=1, keepdim=True)
    return torch.where(kinds.bool(), own, cosines).argmax(dim=1)


def projection(vectors: Float[Tensor, "N D"], centres: Float[Tensor, "C D"] | None = None) -> Document:
    """Where to draw each picture: on the plane of the experts' centres, or else on the two principal axes.

    On the plane of three centres it can be seen which is nearest: nothing across it matters. explained: the share of
    the variance that lies on the plane.
    """
    centred = vectors - vectors.mean(dim=0)
    given = _plane(centres) if centres is not None and len(centres) > 1 else vectors.new_zeros(0, vectors.shape[1])
    axes = torch.cat([given, _principal(centred - centred @ given.T @ given, 2 - len(given))])
    explained = (centred @ axes.T).square().sum() / centred.square().sum().clamp_min(TINY)
    drawn = (centred if centres is None else vectors) @ axes.T
    marked = [] if centres is None else (centres @ axes.T).tolist()
    return {
        "explained": round(float(explained), 4),
        "points": [[round(value, 4) for value in point] for point in drawn.tolist()],
        "centres": [[round(value, 4) for value in point] for point in marked],
    }


def _centres(subject: Subject) -> Float[Tensor, "C D"] | None:
    """What a router on a sphere compares with, at every stage alike."""
    routers = [module for module in subject.model.modules() if isinstance(module, SphericalRouter)]
    return F.normalize(routers[0].centres.float().cpu(), dim=1) if len(routers) == 1 else None


def _plane(centres: Float[Tensor, "C D"]) -> Float[Tensor, "R D"]:
    """Unit axes on which equally distant centres become the corners of a regular polygon; of two centres, one axis."""
    angles = torch.arange(len(centres)) * (2 * math.pi / len(centres))
    spokes = torch.stack([angles.cos(), angles.sin()])[: len(centres) - 1]
    basis, upper = torch.linalg.qr((spokes @ centres).T)
    axes: Tensor = (basis * upper.diagonal().sign()).T
    return axes


def _principal(centred: Float[Tensor, "N D"], count: int) -> Float[Tensor, "R D"]:
    """The axes along which vectors differ most; where they have one dimension only, the second axis is nothing."""
    missing = max(0, count - centred.shape[1])
    _, _, axes = torch.linalg.svd(centred, full_matrices=False)
    leading = axes[: count - missing]
    largest = leading.gather(1, leading.abs().argmax(dim=1, keepdim=True))
    return F.pad(leading * largest.sign(), (0, 0, 0, missing))  # the sign of an axis means nothing: make it one
