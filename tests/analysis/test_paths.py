from __future__ import annotations

import io
from itertools import pairwise
from typing import Any

import numpy as np
import PIL.Image
import pytest

from darnet.analysis import paths
from darnet.analysis.drawing import need, png

STAGES = ("encoder1", "latent", "decoder1")


def model(weights: list[list[float]], kinds: tuple[str, ...] = ("noise",)) -> dict[str, Any]:
    """Every damage goes by the same weights, stage by stage."""
    steps = [np.outer(*pair).tolist() for pair in pairwise(weights)]
    shares = [{str(number): share for number, share in enumerate(row)} for row in weights]
    blocks = [{"name": name, "shares": dict.fromkeys(kinds, row)} for name, row in zip(STAGES, shares, strict=True)]
    return {"model": "slerir", "flows": dict.fromkeys(kinds, steps), "blocks": blocks}


def drawn(summary: dict[str, Any]) -> PIL.Image.Image:
    figure = need()(figsize=paths.inches(summary), layout="constrained", dpi=100)
    paths.draw(figure, summary)
    return PIL.Image.open(io.BytesIO(png(figure))).convert("RGB")


def blue(picture: PIL.Image.Image, top: float, bottom: float) -> int:
    """Pixels in the colour of the first damage, light or full, between two heights."""
    red, _, strong = (np.asarray(channel).astype(int) for channel in picture.split())
    rows = slice(int(top * picture.height), int(bottom * picture.height))
    return int((strong - red > 40)[rows].sum())


def test_the_way_is_drawn_where_the_damage_goes() -> None:
    first, last = ([[float(n == expert) for n in range(3)]] * 3 for expert in (0, 2))
    above, below = drawn(model(first)), drawn(model(last))
    assert blue(above, 0, 0.4) > 1000
    assert blue(above, 0.5, 1) < 100
    assert blue(below, 0.4, 1) > 1000
    assert blue(below, 0, 0.3) < 100


def test_what_is_spread_is_drawn_everywhere() -> None:
    spread = drawn(model([[1 / 3] * 3] * 3))
    assert min(blue(spread, 0, 0.4), blue(spread, 0.4, 1)) > 200


@pytest.mark.parametrize("count", [1, 5, 9])
def test_a_panel_for_each_damage(count: int) -> None:
    kinds = tuple(f"kind{number}" for number in range(count))
    width, height = paths.inches(model([[1.0, 0.0]] * 3, kinds))
    assert width <= paths.COLUMNS * paths.PANEL_INCHES
    assert drawn(model([[1.0, 0.0]] * 3, kinds)).size == (round(width * 100), round(height * 100))


def test_experts_that_stand_for_kinds_have_no_ways() -> None:
    assert paths.inches({"model": "daair", "flows": None, "blocks": []}) == (0, 0)
