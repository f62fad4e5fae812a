"""A batch of training: degraded crops, and the truth about them.

Shapes: B batch, P pictures that B crops are of, K kinds that are told apart, L those that a teacher knows, C × S × T
the views of a picture, H × W pixels of a crop. Pictures are sRGB in [0, 1].
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional as F

from darnet.models.base import Model, Output, by_picture


class Batch(NamedTuple):
    """Degraded crops and the truth about them.

    A named tuple, which whatever wraps networks (precisions, processes) hands on as it is.
    """

    degraded: Float[Tensor, "B 3 H W"]
    clean: Float[Tensor, "B 3 H W"]
    label: Int[Tensor, " B"]  # index into the kinds that are told apart
    severity: Float[Tensor, " B"]  # of the label, in its kind's unit; 0 where it has none
    views: Float[Tensor, "B C S T"] | None = None  # of the whole degraded picture
    crops_per_picture: int = 1  # that many samples in a row are crops of one picture, degraded alike
    taught: Float[Tensor, "B L"] | None = None  # logits of the teacher, which knows the first L kinds
    #: Where a picture may have several kinds: 1 present, 0 absent, NaN too mild to say. Clean's column is ignored.
    presence: Float[Tensor, "B K"] | None = None
    severities: Float[Tensor, "B K"] | None = None  # of each kind, in its unit; 0 where it is not known
    box: Float[Tensor, "B 4"] | None = None  # where each crop lies in its picture (`Region.box`); with the views

    def shown_to(self, model: Model, gate: str | None = None) -> Output:
        """What a network says of the crops, knowing the pictures that they are of; by a gate, if it has some."""
        context = None if self.views is None else model.encode(self.views)
        output: Output = model(self.degraded, context, self.box, **({} if gate is None else {"gate": gate}))
        return output

    def present(self, kinds: int) -> Float[Tensor, "P K"]:
        """What is present in any crop of each picture; where none is given, the one kind which is its label."""
        if self.presence is not None:
            crops = by_picture(self.presence, self.crops_per_picture)
            present, unknown = (crops == 1).any(dim=1), crops.isnan().any(dim=1)
            return torch.where(present, 1.0, torch.where(unknown, torch.nan, 0.0))
        return F.one_hot(self.label[:: self.crops_per_picture], kinds).to(self.severity)

    def known_severities(self, kinds: int) -> Float[Tensor, "P K"]:
        """`severities` of each picture; where none are given, that of the one kind which is its label."""
        if self.severities is not None:
            return self.severities[:: self.crops_per_picture]
        severity = self.severity[:: self.crops_per_picture, None]
        return F.one_hot(self.label[:: self.crops_per_picture], kinds) * severity
