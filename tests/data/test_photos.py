from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from darnet.data.photos import find_files, load_photos, photos_among, split, with_halves
from darnet.errors import ImageError, NoInputError
from darnet.images.image import Image


def write(path: Path, height: int = 8, width: int = 10, *, dtype: type = np.uint8, channels: int = 3) -> np.ndarray:
    path.parent.mkdir(parents=True, exist_ok=True)
    array = np.random.default_rng(height).integers(0, np.iinfo(dtype).max, (height, width, channels), dtype)
    Image.of(array).write(path)
    return array


def test_any_folder_of_photos(tmp_path: Path) -> None:
    first = write(tmp_path / "a.png")
    write(tmp_path / "sub" / "b.tif", dtype=np.uint16)
    write(tmp_path / "sub" / "c.png", channels=1)
    (tmp_path / "notes.txt").write_text("no picture")
    photos = load_photos(tmp_path)
    assert [tuple(photo.shape) for photo in photos] == [(3, 8, 10)] * 3
    assert all(photo.dtype == torch.uint8 for photo in photos)
    np.testing.assert_array_equal(photos[0].numpy().transpose(1, 2, 0), first)
    assert torch.equal(photos[2][0], photos[2][2])  # grey is replicated


def test_16_bits_become_8(tmp_path: Path) -> None:
    array = write(tmp_path / "a.png", dtype=np.uint16)
    np.testing.assert_array_equal(load_photos(tmp_path)[0].numpy().transpose(1, 2, 0), np.rint(array / 257))


def test_folders_behind_links_are_read_once(tmp_path: Path) -> None:
    write(tmp_path / "elsewhere" / "sub" / "a.png")
    write(tmp_path / "elsewhere" / "c.png")
    root = tmp_path / "root"
    root.mkdir()
    write(root / "b.png")
    (root / "link").symlink_to(tmp_path / "elsewhere", target_is_directory=True)
    (root / "same").symlink_to(tmp_path / "elsewhere", target_is_directory=True)
    (root / "self").symlink_to(root, target_is_directory=True)
    (tmp_path / "elsewhere" / "back").symlink_to(root, target_is_directory=True)
    assert photos_among(find_files(root), root) == [
        root / "b.png",
        root / "link" / "c.png",
        root / "link" / "sub" / "a.png",
    ]


def test_div2k_reads_its_training_folder_only(tmp_path: Path) -> None:
    write(tmp_path / "DIV2K_train_HR" / "0001.png")
    write(tmp_path / "DIV2K_valid_HR" / "0801.png")
    assert [path.name for path in photos_among(find_files(tmp_path), tmp_path)] == ["0001.png"]


def test_stl10_is_stored_column_by_column(tmp_path: Path) -> None:
    pictures = np.random.default_rng(0).integers(0, 256, (2, 3, 96, 96), dtype=np.uint8)
    pictures.transpose(0, 1, 3, 2).tofile(tmp_path / "train_X.bin")
    pictures[:1].transpose(0, 1, 3, 2).tofile(tmp_path / "test_X.bin")
    photos = load_photos(tmp_path, smallest_px=96)
    assert len(photos) == 3
    np.testing.assert_array_equal(photos[1].numpy(), pictures[1])


def test_large_photos_bring_their_halves(tmp_path: Path) -> None:
    write(tmp_path / "large.png", 40, 60)
    write(tmp_path / "small.png", 20, 20)
    photos = with_halves(load_photos(tmp_path), 30)
    assert sorted(tuple(photo.shape[1:]) for photo in photos) == [(20, 20), (20, 30), (40, 60)]


def test_bad_data_is_named(tmp_path: Path) -> None:
    with pytest.raises(NoInputError, match="no such folder"):
        load_photos(tmp_path / "missing")
    (tmp_path / "none").mkdir()
    (tmp_path / "none" / "notes.txt").write_text("no picture")
    with pytest.raises(NoInputError, match=r"none: no picture in it or below \(.*\.png"):
        load_photos(tmp_path / "none", smallest_px=64)
    write(tmp_path / "few" / "a.png")
    with pytest.raises(NoInputError, match="none of its 1 pictures has both sides of at least 64 px"):
        load_photos(tmp_path / "few", smallest_px=64)
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / "b.png").write_bytes(b"\x89PNG\r\n\x1a\nrubbish")
    with pytest.raises(ImageError, match=r"b\.png"):
        load_photos(tmp_path / "bad")
    (tmp_path / "stl").mkdir()
    (tmp_path / "stl" / "train_X.bin").write_bytes(b"x" * 100)
    with pytest.raises(ImageError, match="not STL-10: 100 bytes"):
        load_photos(tmp_path / "stl")


@given(count=st.integers(0, 50), seed=st.integers(0, 5))
def test_a_split_is_a_partition_that_follows_its_seed(count: int, seed: int) -> None:
    photos = [torch.full((3, 1, 1), i, dtype=torch.uint8) for i in range(count)]
    parts = split(photos, (0.7, 0.1, 0.2), seed)
    values = [int(photo[0, 0, 0]) for part in parts for photo in part]
    assert sorted(values) == list(range(count))
    again = [int(photo[0, 0, 0]) for part in split(photos, (0.7, 0.1, 0.2), seed) for photo in part]
    assert values == again
    assert abs(len(parts[0]) - 0.7 * count) <= 1
