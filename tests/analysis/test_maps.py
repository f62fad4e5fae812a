from __future__ import annotations

import io
from typing import Any

import numpy as np
import PIL.Image
import pytest
import torch

from darnet.analysis.features import Features, Map
from darnet.analysis.maps import draw_features, draw_routing

KINDS = ("noise", "haze", "rain", "motion", "lowlight", "jpeg")


def model(name: str, stages: int, experts: tuple[str, ...], *, right: bool = True) -> dict[str, Any]:
    shares = {
        kind: {expert: float((expert == kind) == right) / (1 if right else len(experts) - 1) for expert in experts}
        for kind in KINDS
    }
    accuracy = None if experts[0] == "0" else float(right)
    block = {"accuracy": accuracy, "purity": 0.5, "chance": 1 / len(experts), "shares": shares}
    pictures = {kind: {"CBSD68": 2} for kind in KINDS}
    blocks = [{"name": f"encoder{n}.0", **block} for n in range(stages)]
    return {"model": name, "pictures": pictures, "flows": None, "blocks": blocks}


def opened(data: bytes) -> PIL.Image.Image:
    picture = PIL.Image.open(io.BytesIO(data))
    assert picture.format == "PNG"
    return picture.convert("RGB")


def saturated(picture: PIL.Image.Image) -> int:
    """Pixels of a strong blue, which is what a large share is drawn in."""
    red, _, blue = (np.asarray(channel).astype(int) for channel in picture.split())
    return int(((red < 20) & (blue > 90) & (blue < 120)).sum())


def test_a_heatmap_shows_the_shares() -> None:
    right, wrong = (saturated(opened(draw_routing([model("a", 4, KINDS, right=right)]))) for right in (True, False))
    assert right > 10_000 > 10 * wrong


def test_several_models_of_other_depth_and_experts() -> None:
    one = opened(draw_routing([model("a", 9, KINDS)]))
    both = opened(draw_routing([model("a", 9, KINDS), model("b", 2, ("0", "1", "2"))]))
    assert both.width == one.width
    assert both.height > one.height + 200


def test_a_single_block() -> None:
    assert min(opened(draw_routing([model("classifier", 1, KINDS)])).size) > 400


@pytest.mark.parametrize(("height", "width"), [(24, 36), (36, 24), (4, 400)])
def test_a_column_for_each_stage_and_a_row_for_each_part(height: int, width: int) -> None:
    energy, extent = torch.rand(height, width), (0.0, float(width), float(height), 0.0)
    maps = (
        Map("encoder1.0", "agnostic", None, energy, extent),
        Map("encoder1.0", "specialised", "noise", energy, extent),
        Map("decoder1.0", "agnostic", None, torch.zeros(height, width), extent),
    )
    shown = torch.rand(3, height, width)
    drawn = opened(draw_features(Features(shown, shown, maps), "a network: a picture"))
    alone = opened(draw_features(Features(shown, None, maps[:2]), "a network: a picture"))
    assert drawn.width > alone.width + 200
    assert len(drawn.getcolors(10**6) or ()) > 50


def test_the_ways_of_numbered_experts_are_drawn_below() -> None:
    plain = model("a", 3, ("0", "1"))
    flows = {"flows": {kind: [[[0.5, 0.0], [0.0, 0.5]]] * 2 for kind in KINDS}}
    assert opened(draw_routing([plain | flows])).height > opened(draw_routing([plain])).height + 150


def test_maps_that_guide_stand_beside_the_picture_and_lie_where_it_does() -> None:
    """The left half of the whole picture is bright; what is shown is its right half, so nothing bright is drawn."""
    shown, inner = torch.zeros(3, 20, 30), Map("latent", "guidance", None, torch.zeros(2, 3), (0.0, 30.0, 20.0, 0.0))
    bright = torch.tensor([[1.0, 0.0]]).expand(8, 2)
    pictures = [
        opened(draw_features(Features(shown, shown, (Map("whole", "DSP", None, bright, extent), inner)), "a network"))
        for extent in ((-30.0, 30.0, 20.0, 0.0), (0.0, 30.0, 20.0, 0.0))
    ]
    hidden, seen = (int((np.asarray(picture)[..., 0] < 200).sum()) for picture in pictures)
    alone = opened(draw_features(Features(shown, shown, (inner,)), "a network"))
    assert pictures[0].width > alone.width + 100
    assert hidden > seen + 1000  # dark all over, or by one half
