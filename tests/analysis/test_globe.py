from __future__ import annotations

import io
from typing import Any

import numpy as np
import PIL.Image
import pytest

from darnet.analysis.globe import draw_sphere

KINDS = ("noise", "haze")


def model(name: str, stages: int, *, vectors: str = "embeddings", reach: float = 0.5) -> dict[str, Any]:
    """Noise lies to the right, haze to the left."""
    figures = {"silhouette": 0.5, "nearest": 1.0, "explained": 0.75}
    points = [[reach, 0.1], [reach, -0.1], [-reach, 0.1], [-reach, -0.1]]
    centres = [[1.0, 0.0], [-0.5, 0.87], [-0.5, -0.87]] if vectors == "embeddings" else []
    together = {**figures, "points": points, "centres": []}
    return {
        "model": name,
        "vectors": vectors,
        "pictures": {kind: {"CBSD68": 2} for kind in KINDS},
        "together": together,
        "places": [{"name": f"stage{n}", **together, "centres": centres} for n in range(stages)],
        "cases": [{"set": "CBSD68", "name": "0.png", "kind": kind, "level": None} for kind in KINDS for _ in range(2)],
    }


def opened(data: bytes) -> PIL.Image.Image:
    picture = PIL.Image.open(io.BytesIO(data))
    assert picture.format == "PNG"
    return picture.convert("RGB")


def columns(picture: PIL.Image.Image, *, warm: bool) -> np.ndarray:
    """Where, in the panel of all stages and above the legend, one colour or the other is."""
    red, _, blue = (np.asarray(channel).astype(int) for channel in picture.split())
    seen = (red - blue > 60) if warm else (blue - red > 60)
    return np.nonzero(seen[: int(0.85 * picture.height), : picture.width // 3])[1]


def test_a_point_is_drawn_where_it_lies_in_the_colour_of_its_damage() -> None:
    picture = opened(draw_sphere([model("a", 8)]))
    noise, haze = columns(picture, warm=False), columns(picture, warm=True)
    assert min(len(noise), len(haze)) > 20
    assert noise.min() > haze.max() + 100


def test_models_stand_below_each_other() -> None:
    one = opened(draw_sphere([model("a", 8)]))
    both = opened(draw_sphere([model("a", 8), model("router", 1, vectors="logits", reach=4.0)]))
    assert both.width == one.width
    assert both.height > one.height + 300


@pytest.mark.parametrize("reach", [0.0, 0.01, 1.0])
def test_any_spread_can_be_drawn(reach: float) -> None:
    assert len(opened(draw_sphere([model("a", 13, reach=reach)])).getcolors(10**6) or ()) > 20
