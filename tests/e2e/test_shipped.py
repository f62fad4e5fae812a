"""The shipped system, end to end: what a user sees. Golden outputs are renewed only by `pytest --renew-golden`."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

import darnet
from darnet import manifest
from darnet.degradations import (
    Degradation,
    GaussianBlur,
    GaussianNoise,
    Haze,
    Jpeg,
    LowLight,
    MotionBlur,
    Overexposure,
    Rain,
    named_generator,
    quantise,
)
from darnet.degradations.base import turn_grey
from darnet.image import Image
from darnet.models.base import make_thumbnail

ROOT = Path(__file__).parents[2]
EXAMPLES = sorted((ROOT / "examples").glob("*-*"))
GOLDEN = Path(__file__).with_name("golden.json")
#: A sixteenth of one 8-bit level, over means of many pixels: other CPUs may round convolutions otherwise.
TOLERANCE = 1 / 16 / 255
SYSTEMS = (manifest.DEFAULT, "daair", "slerir")


@pytest.fixture(scope="module")
def systems() -> dict[str, darnet.Restorer]:
    """An expert for each kind, and two networks for all kinds, behind the same router."""
    return {name: darnet.load(name, device="cpu") for name in SYSTEMS}


@pytest.fixture(scope="module")
def restorer(systems: dict[str, darnet.Restorer]) -> darnet.Restorer:
    return systems[manifest.DEFAULT]


def summary(restorer: darnet.Restorer, path: Path) -> dict[str, object]:
    result = restorer(path)
    assert result.diagnosis is not None
    thumbnail = make_thumbnail(result.restored.pixels()[None], 4)[0]
    return {"label": result.diagnosis.label, "means": [round(float(value), 6) for value in thumbnail.flatten()]}


def test_the_examples_come_out_as_they_did(restorer: darnet.Restorer, request: pytest.FixtureRequest) -> None:
    now = {path.name: summary(restorer, path) for path in EXAMPLES}
    if request.config.getoption("--renew-golden"):
        GOLDEN.write_text(json.dumps(now, indent=1) + "\n", encoding="utf-8")
    golden = json.loads(GOLDEN.read_text(encoding="utf-8"))
    assert now.keys() == golden.keys()
    for name, entry in golden.items():
        assert now[name]["label"] == entry["label"]
        np.testing.assert_allclose(now[name]["means"], entry["means"], atol=TOLERANCE, err_msg=name)


#: (damage, gains in dB that the repair must bring on the clean example, by system)
REPAIRS: list[tuple[Degradation, tuple[float, float, float]]] = [
    (GaussianNoise((15, 15)), (6.0, 4.0, 3.5)),
    (GaussianNoise((25, 25)), (8.0, 6.0, 5.5)),
    (GaussianNoise((50, 50)), (10.0, 7.5, 6.5)),
    (GaussianBlur((1.5, 1.5)), (2.5, 0.5, 0.1)),
    (Overexposure((1.76, 1.76)), (6.0, 6.0, -0.1)),
    (Haze((1.4, 1.4), (0.85, 0.85), (0.03, 0.03)), (4.0, 3.5, 1.5)),
    (Rain((3.0, 3.0), (28.0, 28.0), (0.7, 0.7), (78.0, 78.0), (0.45, 0.45), (0.0, 0.0)), (4.0, 2.0, 3.0)),
    (MotionBlur((14.0, 14.0), (0.4, 0.4)), (3.0, -0.1, -0.1)),
    (LowLight((0.2, 0.2), (1.2, 1.2), (0.0, 0.0), (0.0005, 0.0005), (1.0, 1.0)), (6.0, 3.5, 5.0)),
    (Jpeg((12.0, 12.0)), (1.0, 0.15, -0.1)),
]


@pytest.mark.parametrize(("degradation", "gains_db"), REPAIRS, ids=str)
def test_a_repair_brings_the_picture_closer(
    systems: dict[str, darnet.Restorer], degradation: Degradation, gains_db: tuple[float, ...]
) -> None:
    clean = Image.read(ROOT / "examples" / "coffee-clean.jpg").pixels()
    damaged = quantise(degradation(clean, named_generator("coffee-clean.jpg")), "round")
    before = float(darnet.psnr(damaged[None], clean[None]))
    for (name, system), wanted in zip(systems.items(), gains_db, strict=True):
        result = system(damaged)
        assert result.diagnosis is not None
        assert result.diagnosis.label == degradation.kind
        assert float(darnet.psnr(result.image[None], clean[None])) > before + wanted, name


def test_noise_of_a_grey_picture_is_removed(restorer: darnet.Restorer) -> None:
    """A grey file has one noise, where a colour file has three; once, experts only knew three."""
    clean = turn_grey(Image.read(ROOT / "examples" / "coffee-clean.jpg").pixels())[:1]
    noisy = quantise(GaussianNoise((25, 25))(clean, named_generator("grey")), "round")
    given = (noisy[0] * 255).round().to(torch.uint8).numpy()
    result = restorer(given)
    assert result.diagnosis is not None
    assert result.diagnosis.label == "noise"
    assert result.image.shape == given.shape
    before, after = (
        float(darnet.psnr(picture[None], clean[None])) for picture in (noisy, result.restored.pixels()[:1])
    )
    assert after > before + 8


def test_estimated_levels_follow_the_damage(restorer: darnet.Restorer) -> None:
    clean = Image.read(ROOT / "examples" / "coffee-clean.jpg").pixels()
    for make, levels in (
        (GaussianNoise, (10, 25, 45)),
        (GaussianBlur, (1, 1.8, 2.6)),
        (Overexposure, (1.5, 2.0)),
        (MotionBlur, (8, 22)),
        (Jpeg, (10, 20, 40)),
    ):
        estimated = []
        for level in levels:
            damaged = quantise(make((level, level))(clean, named_generator("levels")), "round")
            found = restorer.diagnose(damaged).levels[make.kind]
            if make not in (MotionBlur, Jpeg):  # whose levels tend far to the mean
                assert found == pytest.approx(level, rel=0.35)
            estimated.append(found)
        assert estimated == sorted(estimated)


def test_a_clean_picture_and_strength_0_are_bit_identical(restorer: darnet.Restorer) -> None:
    clean = Image.read(ROOT / "examples" / "coffee-clean.jpg").pixels()
    assert torch.equal(restorer(clean).image, clean)
    noisy = Image.read(ROOT / "examples" / "cat-noisy.jpg").pixels()
    assert torch.equal(restorer(noisy, strength=0).image, noisy)
    assert not torch.equal(restorer(noisy).image, noisy)


def test_tiles_agree_with_the_whole(restorer: darnet.Restorer) -> None:
    for name in ("cat-noisy.jpg", "coffee-blurred.png", "coffee-overexposed.jpg"):
        whole = restorer(ROOT / "examples" / name).restored.pixels()
        tiled = darnet.load(device="cpu", tiles=darnet.Tiles(320, 128))(ROOT / "examples" / name).restored.pixels()
        difference = (whole - tiled).abs()
        assert float(difference.mean()) < 0.25 / 255, name
        assert float(difference.max()) < 8 / 255, name
