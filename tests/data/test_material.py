from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from darnet.data.material import load_material
from darnet.errors import ImageError, NoInputError, RecipeError
from darnet.images.image import Image


def write(path: Path, value: int, side: int = 20) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.of(np.full((side, side, 3), value, np.uint8)).write(path)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for index in range(4):
        write(tmp_path / "clean" / f"{index}.png", 10 * index)
    for scene in range(5):
        write(tmp_path / "pairs" / "haze" / "target" / f"{scene}.png", 100 + scene)
        for view in range(2):
            write(tmp_path / "pairs" / "haze" / "input" / f"{scene}_{view}.png", 200 + 2 * scene + view)
    return tmp_path


def test_photos_and_pairs(root: Path) -> None:
    material = load_material(root, ("haze",))
    assert len(material.photos) == 4
    assert material.pictures == 4 + 10
    found = {(int(degraded[0, 0, 0]), int(clean[0, 0, 0])) for degraded, clean in material.pairs("haze").photos}
    assert found == {(200 + 2 * scene + view, 100 + scene) for scene in range(5) for view in range(2)}


def test_a_folder_of_photos_is_material_too(root: Path) -> None:
    assert len(load_material(root / "clean").photos) == 4
    assert not load_material(root / "clean").scenes


def test_no_scene_is_in_two_parts(root: Path) -> None:
    parts = load_material(root, ("haze",)).split([0.6, 0.4], seed=0)
    seen = [{int(clean[0, 0, 0]) for _, clean in part.pairs("haze").photos} for part in parts]
    assert len(seen[0]) == 3
    assert len(seen[1]) == 2
    assert not seen[0] & seen[1]


def test_halves_are_photos_only(root: Path) -> None:
    material = load_material(root, ("haze",)).with_halves(10).on(torch.device("cpu"))
    assert len(material.photos) == 8
    assert len(material.pairs("haze").photos) == 10


def test_what_is_missing_or_wrong_is_named(root: Path) -> None:
    with pytest.raises(RecipeError, match="real pairs of rain"):
        load_material(root, ("rain",))
    with pytest.raises(RecipeError, match="real pairs of rain"):
        load_material(root, "rain")
    with pytest.raises(NoInputError, match="nowhere"):
        load_material(root / "nowhere")
    write(root / "pairs" / "haze" / "input" / "3_9.png", 1, side=21)
    with pytest.raises(ImageError, match=r"3_9\.png: differs in size"):
        load_material(root, ("haze",))
