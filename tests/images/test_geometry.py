from __future__ import annotations

import pytest
import torch

from darnet.images import geometry

PICTURE = torch.arange(6).reshape(1, 2, 3)


def test_there_are_eight_different_views() -> None:
    square = torch.arange(9).reshape(3, 3)
    assert len({tuple(geometry.view(square, way).flatten().tolist()) for way in range(geometry.COUNT)}) == 8
    assert torch.equal(geometry.view(square, 0), square)


@pytest.mark.parametrize("way", range(geometry.COUNT))
def test_every_view_can_be_undone(way: int) -> None:
    assert torch.equal(geometry.unview(geometry.view(PICTURE, way), way), PICTURE)
