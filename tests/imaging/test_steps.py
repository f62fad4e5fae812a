"""What every step of a photo's way keeps."""

import pytest
import torch
from torch import Generator

from darnet import registry
from darnet.imaging import files, noises
from darnet.imaging.chain import in_order, steps_of
from darnet.imaging.steps import HazeStep, MeasuredShake, Step, uniform

PICTURES = torch.rand(3, 3, 48, 48, generator=Generator().manual_seed(0)) * 0.8 + 0.1
STEPS = steps_of(in_order([*registry.own_kinds()]))
ALL = [step for steps in STEPS.values() for step in steps] + [
    files.File(),
    files.Dither(),
    files.Resizing(factor=0.6),
    noises.CameraDenoising(),
    noises.Sharpening(),
    noises.Rendering(),
]


@pytest.mark.parametrize("step", ALL, ids=lambda step: f"{type(step).__name__}-{step.kind}")
def test_a_step_is_seeded_in_range_and_changes_the_picture(step: Step) -> None:
    def taken() -> torch.Tensor:
        rng = Generator().manual_seed(3)
        return step.apply(PICTURES, step.draw(3, 48, 1.0, rng), rng)

    changed = taken()
    assert changed.shape == PICTURES.shape
    assert float(changed.min()) >= 0
    assert float(changed.max()) <= 1
    assert torch.equal(changed, taken())
    assert not torch.equal(changed, PICTURES)


@pytest.mark.parametrize("step", [s for s in ALL if not s.chancy], ids=lambda step: type(step).__name__)
def test_two_pictures_can_share_what_was_drawn(step: Step) -> None:
    """Without noise of its own a step is a function of the picture and what was drawn."""
    drawn = step.draw(3, 48, 1.0, Generator().manual_seed(3))
    first = step.apply(PICTURES, drawn, Generator().manual_seed(1))
    assert torch.equal(first, step.apply(PICTURES, drawn, Generator().manual_seed(2)))


@pytest.mark.parametrize("step", [s for steps in STEPS.values() for s in steps], ids=lambda s: type(s).__name__)
def test_milder_is_milder(step: Step) -> None:
    """Of the same chance, less strength changes less."""

    def change(strength: float) -> float:
        rng = Generator().manual_seed(5)
        pictures = PICTURES.repeat(8, 1, 1, 1)
        changed = step.apply(pictures, step.draw(24, 48, strength, rng), rng)
        return float((changed - pictures).square().mean())

    assert change(0.2) < change(1.0)


@pytest.mark.parametrize("step", [s for steps in STEPS.values() for s in steps], ids=lambda s: type(s).__name__)
def test_levels_are_positive_and_visibility_grows_with_the_change(step: Step) -> None:
    drawn = step.draw(5, 48, 1.0, Generator().manual_seed(0))
    assert bool((step.severity(drawn) > 0).all())
    if not isinstance(step, files.File):
        low, high = step.threshold
        seen = step.visibility(drawn, torch.tensor([low, (low + high) / 2, high, 0.0, 1.0]))
        assert [float(v) <= 0 for v in seen] == [True, False, False, True, False]
        assert [float(v) >= 1 - 1e-6 for v in seen] == [False, False, True, False, True]


def test_compression_is_seen_by_its_quality() -> None:
    step = files.Compression()
    drawn = (torch.tensor([50.0, files.SEEN, 86.0, files.UNSEEN, 95.0]), torch.zeros(5, dtype=torch.bool))
    seen = step.visibility(drawn, torch.zeros(5))
    assert [bool(v >= 1) for v in seen] == [True, True, False, False, False]
    assert [bool(v <= 0) for v in seen] == [False, False, False, True, True]


def test_haze_over_no_depth_is_no_haze_and_thick_haze_is_air() -> None:
    beta, air = torch.tensor([30.0]), torch.tensor([[0.7, 0.8, 0.9]])
    near, far = (
        HazeStep().apply(PICTURES[:1], (beta, air, torch.full((1, 1, 48, 48), d)), Generator()) for d in (0.0, 1.0)
    )
    assert torch.allclose(near, PICTURES[:1])
    assert torch.allclose(far, air[:, :, None, None].expand_as(far))


def test_measured_shakes_come_from_a_file(tmp_path) -> None:
    import numpy as np

    kernel = np.zeros((7, 7), dtype=np.float32)
    kernel[3, 1:6] = 0.2
    np.savez(tmp_path / "shakes.npz", one=kernel)
    step = MeasuredShake(kernels=tmp_path / "shakes.npz")
    drawn = step.draw(2, 48, 1.0, Generator().manual_seed(0))
    assert torch.allclose(drawn[0].sum(dim=(1, 2)), torch.ones(2), atol=1e-4)
    assert bool((step.severity(drawn) == 0).all())


def test_uniform_begins_at_the_harmless_end() -> None:
    values = uniform(1000, (98.0, 60.0), Generator().manual_seed(0), strength=0.5)
    assert 79 <= float(values.min()) < 81
    assert 97 < float(values.max()) <= 98
