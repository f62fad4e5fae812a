"""Damage in one part of a picture."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from darnet.benchmark.local import CHANGED, EVERYWHERE, IDENTICAL, MASKS, cases
from darnet.benchmark.protocol import PROTOCOLS
from darnet.degradations import GaussianNoise
from darnet.errors import NoInputError

PARTS = [mask for mask in MASKS if mask != EVERYWHERE]


@pytest.mark.parametrize(("height", "width"), [(48, 63), (47, 64), (1, 1)])
def test_masks_are_shares_of_the_damage(height: int, width: int) -> None:
    for mask in MASKS.values():
        weight = mask(height, width)
        assert weight.shape == (height, width)
        assert 0 <= float(weight.min()) <= float(weight.max()) <= 1


def test_where_the_damage_is() -> None:
    half, corner, gradient = (MASKS[part](60, 90) for part in PARTS)
    assert half.mean() == 1 / 2
    assert half[30:].min() == 1
    assert corner.mean() == pytest.approx(1 / 9)
    assert corner[40:, 60:].min() == 1
    assert (gradient[:, :30].max(), gradient[:, 60:].min()) == (0, 1)
    steps = gradient[0, 31:60] - gradient[0, 30:59]
    assert torch.allclose(steps, torch.full((29,), 1 / 30), atol=1e-6)


@pytest.mark.parametrize("protocol", PROTOCOLS.values(), ids=PROTOCOLS)
def test_the_noise_is_that_of_the_whole_picture_and_the_rest_is_clean(protocol: object, sets_root: Path) -> None:
    found = {case.way: case for case in cases(sets_root, limit=1)}
    whole, clean = found[EVERYWHERE].load(protocol)
    noise = replace(found[EVERYWHERE], degradation=GaussianNoise((25.0, 25.0)))
    assert torch.equal(whole, noise.load(protocol).observed)  # as the suite of noise has it
    for part in PARTS:
        weight = MASKS[part](*clean.shape[1:])
        observed = found[part].load(protocol).observed
        assert torch.equal(observed[:, weight == 0], clean[:, weight == 0])
        assert torch.equal(observed[:, weight == 1], whole[:, weight == 1])
    between = (weight > 0) & (weight < 1)
    rising = [(picture - clean)[:, between].square().mean() for picture in (observed, whole)]
    assert float(rising[0] / rising[1]) == pytest.approx(1 / 3, abs=0.1)  # the mean of w² over w from 0 to 1


def test_what_is_measured_of_an_answer(sets_root: Path) -> None:
    protocol = PROTOCOLS["promptir"]
    for case in cases(sets_root, limit=1):
        scene = case.load(protocol)
        weight = MASKS[case.way](*scene.clean.shape[1:])
        left = case.figures(scene.observed, scene, protocol)
        if case.way == EVERYWHERE:
            assert set(left) == set(MASKS)
            continue
        expected = -10 * (scene.observed - scene.clean)[:, weight > 0].double().square().mean().log10()
        assert left == {case.way: pytest.approx(float(expected), abs=1e-4), CHANGED: 0, IDENTICAL: 1}
        quarter = scene.observed.clone()
        rows, columns = (weight == 0).nonzero(as_tuple=True)
        quarter[:, rows[::4], columns[::4]] += torch.where(quarter[:, rows[::4], columns[::4]] > 0.5, -2 / 255, 2 / 255)
        figures = case.figures(quarter, scene, protocol)
        assert figures[CHANGED] == pytest.approx(1 / 4, abs=0.01)
        assert (figures[IDENTICAL], figures[case.way]) == (0, left[case.way])
        little = case.figures((scene.observed * 254 + 0.5) / 255, scene, protocol)
        assert (little[CHANGED], little[IDENTICAL]) == (0, 0)  # no pixel by more than a level


def test_a_set_that_is_not_there(sets_root: Path) -> None:
    with pytest.raises(NoInputError, match="Kodak24"):
        cases(sets_root, ["Kodak24"])
