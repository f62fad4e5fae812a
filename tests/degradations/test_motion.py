from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Generator

from darnet.degradations import MeasuredMotion, MotionBlur
from darnet.degradations.motion import path_kernels
from darnet.testing import check_degradation


def rng(seed: int = 0) -> Generator:
    return Generator().manual_seed(seed)


@pytest.fixture
def kernels(tmp_path: Path) -> Path:
    line, corner = np.zeros((3, 15), np.float32), np.zeros((7, 7), np.float32)
    line[1] = 1 / 15
    corner[0, :], corner[:, 0] = 1, 1
    np.savez(tmp_path / "kernels.npz", line=line, corner=corner)
    return tmp_path / "kernels.npz"


def test_paths_sum_to_one_about_their_centre_of_mass() -> None:
    kernels = path_kernels(torch.tensor([5.0, 20.0, 30.0]), torch.tensor([0.0, 0.5, 2.0]), 16, rng())
    assert kernels.shape == (3, 33, 33)
    assert bool((kernels >= 0).all())
    assert kernels.sum(dim=(1, 2)).tolist() == pytest.approx([1, 1, 1], abs=1e-5)
    places = torch.arange(33.0)
    for axis in (1, 2):
        middle = (kernels.sum(dim=3 - axis) * places).sum(dim=1)
        assert middle.tolist() == pytest.approx([16, 16, 16], abs=1e-3)


def test_without_shake_a_path_is_a_straight_line_of_its_length() -> None:
    kernel = path_kernels(torch.tensor([20.0]), torch.tensor([0.0]), 16, rng(3))[0]
    y, x = kernel.nonzero().float().unbind(dim=1)
    extent = ((y.max() - y.min()) ** 2 + (x.max() - x.min()) ** 2).sqrt()
    assert float(extent) == pytest.approx(20, abs=2)
    spread = torch.linalg.svdvals(torch.stack([y - y.mean(), x - x.mean()]))
    assert float(spread[1]) < 0.15 * float(spread[0])


def test_a_flat_picture_stays_as_it_is() -> None:
    flat = torch.full((2, 3, 20, 30), 0.4)
    torch.testing.assert_close(MotionBlur()(flat[0], rng()), flat[0], atol=1e-5, rtol=0)


def test_no_motion_is_the_identity() -> None:
    clean = torch.rand(1, 3, 20, 20, generator=rng())
    found = MotionBlur().apply(clean, torch.tensor([[0.0, 1.0]]), rng())
    torch.testing.assert_close(found, clean, atol=1e-5, rtol=0)


def test_measured_kernels_keep_the_contract(kernels: Path) -> None:
    check_degradation(MeasuredMotion(kernels=kernels))


def test_a_measured_line_blurs_along_one_direction(kernels: Path, tmp_path: Path) -> None:
    with np.load(kernels) as archive:
        np.savez(tmp_path / "line.npz", line=archive["line"])
    point = torch.zeros(1, 1, 41, 41)
    point[..., 20, 20] = 1
    degradation = MeasuredMotion(kernels=tmp_path / "line.npz", scale=(1.0, 1.0))
    blurred = degradation.apply(point, torch.tensor([[1.0]]), rng())[0, 0]
    rows, columns = (blurred.sum(dim=axis) > 0.01 for axis in (1, 0))
    assert sorted((int(rows.sum()), int(columns.sum())))[1] == 15
    assert sorted((int(rows.sum()), int(columns.sum())))[0] <= 3
    assert float(blurred.sum()) == pytest.approx(1, abs=1e-4)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (None, "no .npz"),
        (b"x", "no .npz"),
        ({"a": np.zeros((3, 3))}, "not empty"),
        ({"a": -np.ones((3, 3))}, "negative"),
    ],
)
def test_bad_kernels_are_refused(tmp_path: Path, content: object, reason: str) -> None:
    path = tmp_path / "bad.npz"
    if isinstance(content, bytes):
        path.write_bytes(content)
    elif content is not None:
        np.savez(path, **content)
    with pytest.raises(ValueError, match=reason):
        MeasuredMotion(kernels=path)


def test_kernels_must_be_named() -> None:
    with pytest.raises(ValueError, match=r"an \.npz file"):
        MeasuredMotion()
