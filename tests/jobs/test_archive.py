"""Files of residuals: what comes back is what was kept, and what is damaged says so."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import pyvips
import torch
from torch import Tensor

from darnet.errors import ImageError
from darnet.images.image import Image
from darnet.images.regions import Region, read_all
from darnet.jobs import Encoding, residuals
from darnet.jobs.archive import HEADER, opened, write
from darnet.jobs.inputs import Source
from darnet.jobs.residuals import Header, describe
from darnet.restore.restorer import Restorer
from darnet.restore.result import Result
from darnet.restore.routers import Always
from darnet.restore.strength import Strength

RNG = np.random.default_rng(0)
SIZE = (50, 40)
PICTURE = RNG.integers(0, 256, (*SIZE, 3), dtype=np.uint8)
GRAIN = torch.from_numpy(RNG.normal(0, 0.1, (3, 64, 64)).astype(np.float32))
P3 = bytes(pyvips.Image.profile_load("p3"))
LEVEL = {"uint8": 1, "uint16": 1, "float32": 1 / 65535}


def denoise(pixels: Tensor) -> Tensor:
    return (pixels + GRAIN[:, : pixels.shape[1], : pixels.shape[2]]).clamp(0, 1)


EXPERTS = {"noise": denoise, "blur": lambda pixels: pixels**0.8, "jpeg": lambda pixels: 0.9 * pixels + 0.02}
KINDS = tuple(EXPERTS)
restorer = Restorer(Always("noise"), EXPERTS)
STRENGTHS = [
    1.0,
    0.5,
    {"noise": 1.0, "blur": 0.0, "jpeg": 1.0},
    Strength(luma=0.0),
    Strength({"noise": 0.0, "blur": 1.0}, others=0.3, luma=0.2, chroma=0.9),
]


def of(dtype: str, channels: int = 3) -> Image:
    values = RNG.random((*SIZE, channels)) ** 2
    return Image.of(values.astype(dtype) if dtype == "float32" else (values * np.iinfo(dtype).max).astype(dtype))


@pytest.fixture(autouse=True)
def _several_strips(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(residuals, "AT_ONCE", 700)


def keep(path: Path, picture: Image, **options: Any) -> Result[Image]:
    source = picture.write(path.with_name("photo.tiff"))
    result = restorer(picture, kinds=KINDS, keep=True, **options)
    assert result.residuals is not None
    header = describe(result, Source("photo.tiff", source, Path("photo.tiff")), Encoding(), path.parent)
    write(path, result.residuals, header)
    return result


def hidden() -> Image:
    alpha = np.full(SIZE, 255, np.uint8)
    alpha[10:30, 5:20] = 0
    return Image(PICTURE, alpha)


PICTURES: dict[str, Callable[[], Image]] = {
    "uint8": lambda: of("uint8"),
    "uint16": lambda: of("uint16"),
    "float32": lambda: of("float32"),
    "grey": lambda: of("uint8", 1),
    "grey as RGB": lambda: Image(np.repeat(PICTURE[..., :1], 3, axis=2)),
    "alpha": hidden,
    "profile": lambda: Image(PICTURE, profile=P3),
}


@pytest.mark.parametrize("name", PICTURES)
@pytest.mark.parametrize("masked", [False, True])
def test_what_is_read_blends_as_what_was_kept_to_one_level(tmp_path: Path, name: str, masked: bool) -> None:
    picture, path = PICTURES[name](), tmp_path / "kept"
    mask = RNG.integers(0, 256, SIZE, dtype=np.uint8) * (RNG.random(SIZE) > 0.3) if masked else None
    result = keep(path, picture, mask=None if mask is None else mask.astype(np.uint8))
    assert result.residuals is not None
    for weights in STRENGTHS:
        strength = Strength.of(weights)
        with opened(path) as archive:
            found = archive.residuals(picture).blend(strength)
        wanted = result.residuals.blend(strength)
        apart = np.abs(found.array.astype(float) - wanted.array)
        assert apart.max() <= LEVEL[picture.array.dtype.name] * 1.0001
        assert (found.alpha is None) == (picture.alpha is None)
        untouched = np.zeros(SIZE, bool) if mask is None else mask == 0
        if picture.alpha is not None:
            untouched |= picture.alpha == 0
        np.testing.assert_array_equal(found.array[untouched], picture.array[untouched])
    with opened(path) as archive:
        assert archive.residuals(picture).blend(Strength(others=0)) is picture


@pytest.mark.parametrize("kinds", [KINDS[:1], KINDS[:2], KINDS])
def test_where_all_is_kept_8_bits_are_the_same(tmp_path: Path, kinds: tuple[str, ...]) -> None:
    picture = of("uint8")
    result = restorer(picture, kinds=kinds, keep=True)
    assert result.residuals is not None
    source = Source("a", tmp_path / "a", Path("a"), data=b"a")
    write(tmp_path / "kept", result.residuals, describe(result, source, Encoding(), tmp_path))
    with opened(tmp_path / "kept") as archive:
        np.testing.assert_array_equal(archive.residuals(picture).blend(Strength()).array, result.restored.array)


def test_any_part_of_a_step_is_what_the_whole_has_there(tmp_path: Path) -> None:
    picture = of("uint8")
    keep(tmp_path / "kept", picture)
    with opened(tmp_path / "kept") as archive:
        for _, step in archive.residuals(picture).steps:
            assert (step.height, step.width) == SIZE
            region = Region(13, 7, 30, 20)
            assert torch.equal(step.read(region), region.cut(read_all(step)))


def test_where_nothing_changed_nothing_is_stored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file of what a repair in a corner changed is small."""
    monkeypatch.setattr(residuals, "AT_ONCE", 2**16)

    def corner(pixels: Tensor) -> Tensor:
        changed = pixels.clone()
        changed[:, :8, :8] = 1 - changed[:, :8, :8]
        return changed

    picture = Image(RNG.integers(0, 256, (400, 400, 3), dtype=np.uint8))
    result = Restorer(Always("noise"), {"noise": corner})(picture, kinds=["noise"], keep=True)
    source = picture.write(tmp_path / "photo.png")
    assert result.residuals is not None
    header = describe(result, Source("photo.png", source, Path("photo.png")), Encoding(), tmp_path)
    write(tmp_path / "kept", result.residuals, header)
    assert (tmp_path / "kept").stat().st_size < 0.05 * 400 * 400


def test_the_same_result_makes_the_same_file(tmp_path: Path) -> None:
    for name in ("one", "other"):
        keep(tmp_path / name, Image(PICTURE))
    assert (tmp_path / "one").read_bytes() == (tmp_path / "other").read_bytes()


def test_numpy_and_any_zip_program_read_it(tmp_path: Path) -> None:
    keep(tmp_path / "kept", Image(PICTURE))
    with np.load(tmp_path / "kept", allow_pickle=False) as arrays:
        assert json.loads(arrays[HEADER])["darnet"]
        assert arrays["0/0"].dtype == np.uint8
    with zipfile.ZipFile(tmp_path / "kept") as archive:
        assert archive.testzip() is None


def test_a_header_says_all_that_is_to_be_known(tmp_path: Path) -> None:
    keep(tmp_path / "kept", Image(PICTURE))
    with opened(tmp_path / "kept") as archive:
        header = archive.header
    assert (header.original, header.kinds) == ("photo.tiff", KINDS)
    assert (header.height, header.width, header.region) == (*SIZE, (0, 0, *SIZE))
    assert header.encoding == Encoding()
    assert len(header.sha256) == 64


@pytest.fixture
def kept(tmp_path: Path) -> Path:
    keep(tmp_path / "kept", Image(PICTURE))
    return tmp_path / "kept"


def blended(path: Path) -> Image:
    with opened(path) as archive:
        return archive.residuals(Image(PICTURE)).blend(Strength(others=0.5))


def test_a_file_that_is_cut_off_anywhere_says_so(kept: Path) -> None:
    data = kept.read_bytes()
    for length in range(len(data) - 1, 0, -len(data) // 23):
        kept.write_bytes(data[:length])
        with pytest.raises(ImageError, match=r"kept: .*of residuals"):
            blended(kept)


def test_bytes_that_are_wrong_say_so_or_change_nothing(kept: Path) -> None:
    data, right = kept.read_bytes(), blended(kept).array
    rng = np.random.default_rng(1)
    for place in rng.integers(0, len(data), 150):
        wrong = bytearray(data)
        wrong[place] ^= 1 << int(rng.integers(8))
        kept.write_bytes(wrong)
        try:
            found = blended(kept).array
        except ImageError as error:
            assert str(error).startswith(str(kept))
        else:
            np.testing.assert_array_equal(found, right)


@pytest.mark.parametrize("data", [b"", b"hello", b"PK\5\6" + bytes(18), b"\x89PNG\r\n\x1a\n" + bytes(100)])
def test_what_is_no_such_file_is_called_so(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "a.residuals"
    path.write_bytes(data)
    with pytest.raises(ImageError, match=r"no file of residuals, as `keep=True` writes them"), opened(path):
        pass


def test_another_archive_is_none(tmp_path: Path) -> None:
    np.savez(tmp_path / "other.npz", a=np.zeros(3))
    with pytest.raises(ImageError, match=r"no file of residuals"), opened(tmp_path / "other.npz"):
        pass


@pytest.mark.parametrize("what", ["missing", "folder"])
def test_a_file_that_cannot_be_read(tmp_path: Path, what: str) -> None:
    (tmp_path / "folder").mkdir()
    with pytest.raises(ImageError, match=rf"{what}: "), opened(tmp_path / what):
        pass


def altered(path: Path, header: dict[str, Any] | None = None, **members: bytes) -> None:
    """The same file with another header, or other members."""
    with zipfile.ZipFile(path) as archive:
        found = {name: archive.read(name) for name in archive.namelist()}
    if header is not None:
        found[HEADER] = json.dumps(json.loads(found[HEADER]) | header).encode()
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in (found | {name.replace("_", "/") + ".npy": data for name, data in members.items()}).items():
            archive.writestr(name, data)


@pytest.mark.parametrize(
    ("header", "said"),
    [
        ({"format": 2}, "another version of darnet"),
        ({"height": 51}, "another size"),
        ({"region": [0, 0, 51, 40]}, "reaches beyond"),
        ({"region": [0, 0, 50]}, "region"),
        ({"rows": 0}, "rows"),
        ({"rows": 16}, "another type or size"),
        ({"quantum": 0}, "quantum"),
        ({"steps": []}, "steps"),
        ({"steps": [{"kind": "noise"}] * 4}, "3/0.npy"),
        ({"grey": True}, "grey"),
        ({"hidden": True}, "seen/0.npy"),
        ({"masked": True}, "weights/0.npy"),
        ({"encoding": {"quality": 200}}, "quality"),
        ({"surprise": 1}, "surprise"),
        ({"long": "x" * 2**20}, "too long"),
    ],
)
def test_a_header_that_cannot_be_is_an_error_that_says_what(kept: Path, header: dict[str, Any], said: str) -> None:
    altered(kept, header)
    with pytest.raises(ImageError, match=said):
        blended(kept)


def saved(values: np.ndarray, **options: Any) -> bytes:
    file = io.BytesIO()
    np.save(file, values, **options)
    return file.getvalue()


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "damaged"),
        (saved(np.zeros((1, 3, 17, 40), np.float32)), "another type or size"),
        (saved(np.zeros((1, 3, 16, 40), np.uint8)), "another type or size"),
        (saved(np.zeros((5, 3, 17, 40), np.uint8)), "another type or size"),
        (saved(np.zeros((3, 17, 40), np.uint8)), "another type or size"),
        (saved(np.zeros((50, 3, 17, 40), np.uint8)), "too large"),
        (saved(np.array([{"a": 1}], object), allow_pickle=True), "Object arrays cannot be loaded"),
    ],
)
def test_an_array_that_cannot_be_is_an_error(kept: Path, data: bytes, said: str) -> None:
    altered(kept, **{"0_0": data})
    with pytest.raises(ImageError, match=said):
        blended(kept)


def test_a_name_that_is_no_text_is_left_out(tmp_path: Path) -> None:
    result = restorer(Image(PICTURE), kinds=KINDS, keep=True)
    odd = tmp_path / "a\udcff.png"
    header = describe(result, Source("a", odd, Path(odd.name), data=b"x"), Encoding(), tmp_path)
    assert header.original is None
    odd.write_bytes(b"x")
    header = describe(result, Source("a", odd, Path(odd.name)), Encoding(), tmp_path)
    assert header.original is None
    assert Header.model_validate_json(header.model_dump_json()) == header
