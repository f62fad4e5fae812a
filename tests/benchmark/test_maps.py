from __future__ import annotations

import io
import sys
from typing import Any

import numpy as np
import PIL.Image
import pytest
import torch

from darnet.benchmark.features import Features, Map
from darnet.benchmark.maps import draw_features, draw_routing
from darnet.errors import MissingPackageError

KINDS = ("noise", "haze", "rain", "motion", "lowlight", "jpeg")


def model(name: str, places: int, experts: tuple[str, ...], *, right: bool = True) -> dict[str, Any]:
    shares = {
        kind: {expert: float((expert == kind) == right) / (1 if right else len(experts) - 1) for expert in experts}
        for kind in KINDS
    }
    accuracy = None if experts[0] == "0" else float(right)
    block = {"accuracy": accuracy, "purity": 0.5, "chance": 1 / len(experts), "shares": shares}
    pictures = {kind: {"CBSD68": 2} for kind in KINDS}
    return {"model": name, "pictures": pictures, "blocks": [{"name": f"encoder{n}.0", **block} for n in range(places)]}


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
def test_a_column_for_each_place_and_a_row_for_each_part(height: int, width: int) -> None:
    energy = torch.rand(height, width)
    maps = (
        Map("encoder1.0", "agnostic", None, energy),
        Map("encoder1.0", "specialised", "noise", energy),
        Map("decoder1.0", "agnostic", None, torch.zeros(height, width)),
    )
    shown = torch.rand(3, height, width)
    drawn = opened(draw_features(Features(shown, shown, maps), "a network: a picture"))
    alone = opened(draw_features(Features(shown, None, maps[:2]), "a network: a picture"))
    assert drawn.width > alone.width + 200
    assert len(drawn.getcolors(10**6) or ()) > 50


def test_figures_need_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(MissingPackageError, match=r"darnet\[bench\]"):
        draw_routing([model("a", 1, KINDS)])
