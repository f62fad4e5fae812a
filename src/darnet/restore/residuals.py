"""Residuals: what each step changed of a picture, kept, so that it can be blended anew without any network."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from darnet.images import scratch
from darnet.images.image import Image
from darnet.images.regions import RegionSource, parts
from darnet.restore.blending import Blend
from darnet.restore.strength import Strength
from darnet.restore.subject import Subject


@dataclass(frozen=True, eq=False, repr=False)
class Residuals:
    """A subject, and what steps, each of a kind, made of it one after the other: `darnet.restore.blending.Blend`.

    `given`: the picture as it was given, once more (`darnet.restore.result.handed_back`).
    """

    subject: Subject
    steps: Sequence[tuple[str, RegionSource]]
    given: object = None

    def blend(self, strength: Strength) -> Image:
        """The whole picture at a strength; as it came, to the bit, where nothing of any step is kept, or shows."""
        if not strength.needed([kind for kind, _ in self.steps]):
            return self.subject.image
        answer: RegionSource = self.steps[-1][1]
        if not strength.full:
            answer = Blend(self.subject.source, self.steps, strength)
        sink = self.subject.sink()
        for region, pixels in parts(answer):
            sink.write(region, pixels)
            del pixels
            if answer.height > region.height:  # of a large picture, what each part took would stay, in pieces
                scratch.trim()
        return sink.finished

    def __repr__(self) -> str:
        """Without samples."""
        size = f"{self.subject.region.width} × {self.subject.region.height} pixels"
        return f"Residuals({size}, steps={[kind for kind, _ in self.steps]})"
