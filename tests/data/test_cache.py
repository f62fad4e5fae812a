"""Pictures that are decoded when they are drawn: what is kept, what is shared, and that batches are as ever."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from unittest.mock import patch

import numpy as np
import pytest
import torch
from torch import Generator

from darnet.data import cache as caches
from darnet.data import photos
from darnet.data.cache import Cache, Held, Lazy, Stored, available_bytes
from darnet.data.material import Material, load_material
from darnet.data.scenes import Scenes
from darnet.data.synthesis import Synthesis
from darnet.degradations import Clean
from darnet.errors import ImageError
from darnet.images.image import Image

SIDE = 24
BYTES = 3 * SIDE * SIDE


def write(path: Path, number: int, height: int = SIDE, width: int = SIDE, channels: int = 3) -> None:
    """Pixels that follow from the number alone, on every machine."""
    path.parent.mkdir(parents=True, exist_ok=True)
    values = np.arange(height * width * channels, dtype=np.uint64) * (2 * number + 3) + number
    pixels = (values * values // 7 % 251).astype(np.uint8).reshape(height, width, channels)
    Image.of(pixels).write(path)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for number, size in enumerate(((SIDE, SIDE), (60, 44), (SIDE, 70), (48, 48), (30, 26))):
        write(tmp_path / "clean" / f"{number}.png", number, *size)
    for scene in range(4):
        write(tmp_path / "pairs" / "haze" / "gt" / f"{scene}.png", 10 + scene, 28, 33)
        for view in range(3):
            write(tmp_path / "pairs" / "haze" / "hazy" / f"{scene}_{view}.png", 20 + 5 * scene + view, 28, 33)
    for number in range(2):
        write(tmp_path / "depth" / "set" / "rgb" / f"{number}.png", 50 + number, 40, 30)
        write(tmp_path / "depth" / "set" / "depth" / f"{number}.png", 60 + number, 40, 30, channels=1)
    return tmp_path


@pytest.fixture
def decoded(unchecked: None) -> Iterator[Counter[str]]:
    """How often each file is decoded."""
    count: Counter[str] = Counter()
    read = photos.read_photo

    def counted(path: Path) -> torch.Tensor:
        count[path.name] += 1
        return read(path)

    with patch.object(photos, "read_photo", counted):
        yield count


def test_nothing_is_decoded_before_it_is_drawn(root: Path, decoded: Counter[str]) -> None:
    material = load_material(root, ("haze",)).with_depth().with_halves(40).with_scales([0.5], 12)
    parts = material.split([0.5, 0.5], seed=0)
    assert sum(len(part.on(torch.device("cpu")).pairs("haze").photos) for part in parts) == 12
    assert material.pictures == len(material.photos) + 12
    assert Lazy.of(material.photos).sizes[:2] == [(SIDE, SIDE), (60, 44)]
    assert not decoded
    assert material.photos[1].shape == (3, 60, 44)
    assert decoded == {"1.png": 1}


def test_a_clean_picture_is_one_tensor_for_all_pairs_of_its_scene(root: Path, decoded: Counter[str]) -> None:
    material = load_material(root, ("haze",))
    for found in (material, material.on(torch.device("cpu")), material.on(torch.device("meta"))):
        pairs = list(found.pairs("haze").photos)
        assert len({id(clean) for _, clean in pairs}) == 4
        assert len({id(degraded) for degraded, _ in pairs}) == 12
    assert set(decoded.values()) == {1}


def test_tensors_that_are_given_are_shared_too() -> None:
    clean, first, second = (torch.full((3, 2, 2), value, dtype=torch.uint8) for value in range(3))
    material = Material(Path(), [clean], {"haze": [[(first, clean), (second, clean)]]}).on(torch.device("meta"))
    (_, one), (_, other) = material.pairs("haze").photos
    assert one is other is material.photos[0]


def test_memory_is_bounded_and_the_rest_is_decoded_again(tmp_path: Path, decoded: Counter[str]) -> None:
    for number in range(5):
        write(tmp_path / f"{number}.png", number)
    cache = Cache(limit=3 * BYTES + 1)
    material = load_material(tmp_path, cache=cache)
    rounds = [[photo.clone() for photo in material.photos] for _ in range(3)]
    assert cache.used == 3 * BYTES
    assert material.described == "5 pictures (0.0 GB, of which 0.0 GB are kept in memory)"
    assert load_material(tmp_path).described == "5 pictures"
    assert decoded == {"0.png": 1, "1.png": 1, "2.png": 1, "3.png": 3, "4.png": 3}
    for again in rounds[1:]:
        assert all(torch.equal(a, b) for a, b in zip(rounds[0], again, strict=True))


def test_copies_of_pictures_keep_to_the_limit_as_well(tmp_path: Path, unchecked: None) -> None:
    for number in range(3):
        write(tmp_path / f"{number}.png", number)
    cache = Cache(limit=2 * BYTES + 1)
    material = load_material(tmp_path, cache=cache).with_halves(1).with_scales([0.5], 1)
    for photo in reversed(material.photos):
        assert photo.dtype == torch.uint8
        assert cache.used <= 2 * BYTES + 1


def test_what_has_no_room_on_a_device_is_kept_beside_it(tmp_path: Path, decoded: Counter[str]) -> None:
    for number in range(4):
        write(tmp_path / f"{number}.png", number)
    material = load_material(tmp_path, cache=Cache(limit=BYTES))
    device = torch.device("meta")
    elsewhere = material.cache.on(device)
    elsewhere.limit = 2 * BYTES
    for _ in range(3):
        assert {photo.device for photo in material.on(device).photos} == {device}
    assert decoded == {"0.png": 1, "1.png": 1, "2.png": 1, "3.png": 3}
    assert (elsewhere.used, material.cache.used) == (2 * BYTES, BYTES)


def test_the_limit_follows_from_the_memory_that_is_there(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    meminfo, group = tmp_path / "meminfo", tmp_path / "group"
    monkeypatch.setattr(caches, "MEMINFO", meminfo)
    monkeypatch.setattr(caches, "GROUP", group)
    cpu = torch.device("cpu")
    installed = available_bytes(cpu)  # where nobody says more
    assert installed > 2**28
    meminfo.write_text("MemTotal: 9 kB\nMemAvailable:   4096 kB\n")
    assert available_bytes(cpu) == 2**22
    group.mkdir()
    (group / "memory.current").write_text("3000\n")
    (group / "memory.stat").write_text("anon 5\ninactive_file 500\n")
    (group / "memory.max").write_text("max\n")
    assert available_bytes(cpu) == 2**22
    (group / "memory.max").write_text("10000\n")
    assert available_bytes(cpu) == 7500
    monkeypatch.setenv("WORLD_SIZE", "2")
    cache = Cache()
    for value in range(3):
        cache(Given(value, (3, 20, 20)))
    assert cache.used == 1200  # half of 7500, shared by two, has room for one


class Given(Stored):
    def __init__(self, value: int, shape: tuple[int, ...]) -> None:
        self.value, self.sides = value, shape

    @property
    def shape(self) -> tuple[int, ...]:
        return self.sides

    def load(self, find: object) -> torch.Tensor:
        return torch.full(self.shape, self.value, dtype=torch.uint8)


def test_what_is_in_memory_already_takes_no_room() -> None:
    cache = Cache(limit=10)
    tensor = torch.zeros(3, 8, 8)
    assert cache(Held(tensor)) is tensor
    assert cache.used == 0


def test_a_picture_that_is_damaged_behind_its_header_is_named_when_it_is_drawn(tmp_path: Path, unchecked: None) -> None:
    write(tmp_path / "a.png", 1)
    write(tmp_path / "b.png", 2, 90, 90)
    whole = (tmp_path / "b.png").read_bytes()
    (tmp_path / "b.png").write_bytes(whole[: len(whole) // 2])
    material = load_material(tmp_path)
    with pytest.raises(ImageError, match=r"b\.png"):
        material.photos[1]
    write(tmp_path / "b.png", 2, 80, 90)
    with pytest.raises(ImageError, match=r"b\.png: was \(90, 90\) pixels and is \(80, 90\) now"):
        material.photos[1]


#: Of the pixels and labels of these batches, as they were when all pictures were decoded beforehand.
DIGESTS = {"crops": "a5dd54ed530db9c3", "chain": "576cb46d1c6648bb"}


def digest(*tensors: torch.Tensor) -> str:
    return hashlib.sha256(b"".join((255 * t).round().to(torch.uint8).numpy().tobytes() for t in tensors)).hexdigest()[
        :16
    ]


@pytest.mark.parametrize("limit", [None, 5000, 0])
def test_batches_are_as_ever(root: Path, limit: int | None) -> None:
    material = load_material(root, ("haze",), cache=Cache(limit)).with_depth().with_halves(40)
    part = material.split([0.8, 0.2], seed=3)[0].on(torch.device("cpu"))
    synthesis = Synthesis(
        part.photos, [Clean(), part.pairs("haze")], [0.5, 0.5], ["clean", "haze"], 20, crops_per_picture=2
    )
    rng, found = Generator().manual_seed(5), []
    for _ in range(4):
        batch = synthesis(12, rng)
        found += [batch.degraded, batch.clean, batch.label]
    assert digest(*found) == DIGESTS["crops"]
    scenes = Scenes(part.photos, 22, part.deep, part.photos[:2], deep_share=0.4, graphics_share=0.2)
    clean, depth, drawn = scenes(16, rng)
    assert depth is not None
    assert digest(clean, depth.nan_to_num(), torch.tensor(drawn)) == DIGESTS["chain"]
