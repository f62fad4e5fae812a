from __future__ import annotations

from pathlib import Path

import pytest
import torch

from darnet.data.material import Material
from darnet.degradations import GaussianNoise
from darnet.errors import RecipeError
from darnet.training.sources import SourceSpec

PHOTO = torch.zeros(3, 8, 8).byte()
MATERIAL = Material(Path("root"), [PHOTO], {"rain": [[(PHOTO, PHOTO)]]})


def test_a_degradation_with_its_ranges() -> None:
    assert SourceSpec(name="noise", ranges={"sigma_255": (1, 2)}).build(MATERIAL) == GaussianNoise((1, 2))
    assert SourceSpec(name="poisson-noise").kind == "noise"


def test_a_degradation_by_the_place_of_its_class() -> None:
    spec = SourceSpec(name="darnet.degradations.noise:GaussianNoise")
    assert spec.kind == "noise"
    assert spec.function() == GaussianNoise()


def test_real_pairs() -> None:
    pairs = SourceSpec(name="pairs", of="rain").build(MATERIAL)
    assert pairs.kind == "rain" and len(pairs.photos) == 1


@pytest.mark.parametrize(
    "spec",
    [{"name": "pairs"}, {"name": "noise", "of": "rain"}, {"name": "pairs", "of": "rain", "ranges": {"x": (1, 2)}}],
)
def test_sources_that_contradict_themselves(spec: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="pairs"):
        SourceSpec.model_validate(spec)


@pytest.mark.parametrize(
    "spec",
    [
        {"name": "noise", "ranges": {"sigma": (1, 2)}},
        {"name": "noise", "ranges": {"sigma_255": (2, 1)}},
        {"name": "measured-motion", "files": {"kernel": "x"}},
    ],
)
def test_settings_that_a_degradation_does_not_have(spec: dict[str, object]) -> None:
    with pytest.raises(RecipeError, match=r"noise|motion"):
        SourceSpec.model_validate(spec).check()
