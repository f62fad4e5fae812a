from __future__ import annotations

import pytest
from torch import Generator

from darnet.degradations.fields import smooth_depth, smooth_light


@pytest.mark.parametrize("field", [smooth_depth, smooth_light])
def test_fields_are_smooth_and_fill_their_range(field) -> None:
    found = field(3, 200, 300, Generator().manual_seed(0))
    assert found.amin(dim=(1, 2, 3)).tolist() == pytest.approx([0, 0, 0])
    assert found.amax(dim=(1, 2, 3)).tolist() == pytest.approx([1, 1, 1])
    assert float(found.diff(dim=2).abs().max()) < 0.05


def test_the_ground_recedes_upwards_and_no_two_scenes_are_alike() -> None:
    depth = smooth_depth(40, 100, 100, Generator().manual_seed(0))
    assert float(depth[:, :, :20].mean()) > float(depth[:, :, -20:].mean()) + 0.1
    assert float((depth[0] - depth[1]).abs().mean()) > 0.05


def test_light_falls_from_anywhere() -> None:
    light = smooth_light(40, 100, 100, Generator().manual_seed(0))
    assert abs(float(light[:, :, :20].mean()) - float(light[:, :, -20:].mean())) < 0.1
