"""darnet.jobs.encoding: as it came in, unless something else was asked for."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import PIL.Image
import pytest

import darnet
from darnet.errors import ImageError, UsageError
from darnet.images.image import Image
from darnet.images.signature import PROCESSING, SOFTWARE
from darnet.jobs import Encoding, Job, inputs, restore_many

#: Whoever took the picture, as EXIF has it.
ARTIST = 0x13B


@pytest.mark.parametrize(
    "fields",
    [{"ext": "psd"}, {"quality": 0}, {"quality": 101}, {"bit_depth": "12"}, {"metadata": "burn"}, {"icc": "cmyk"}],
)
def test_what_no_file_could_be(fields):
    (name, value), *_ = fields.items()
    with pytest.raises(UsageError, match=f"`{name}={value!r}`: expected"):
        Encoding(**fields)


def test_a_depth_that_the_format_cannot_hold_is_said_before_the_work(pictures):
    pictures("a.png")
    pictures("b.jpg")
    job = Job(encoding=Encoding(bit_depth="16"))
    assert job.plan(["a.png"]).tasks
    with pytest.raises(
        UsageError, match=r"`bit_depth='16'`: b\.restored\.jpg would be a JPEG file, which holds 8 bits"
    ):
        job.plan(["a.png", "b.jpg"])


@pytest.mark.parametrize(
    ("encoding", "same"),
    [
        (Encoding(), True),
        (Encoding(ext="jpg"), False),
        (Encoding(ext="png"), False),
        (Encoding(bit_depth="8"), False),
        (Encoding(metadata="strip"), False),
        (Encoding(icc="srgb"), False),
        (Encoding(quality=50), False),
    ],
)
def test_what_is_left_alone_is_the_same_file_unless_other_bytes_are_asked_for(
    pictures, tiny_clean_system, encoding, same
):
    photo = pictures("photo.jpg")
    (done,) = restore_many(photo, restorer=tiny_clean_system, job=Job(encoding=encoding))
    assert done.treatment.experts == ()
    assert (Path(done.output).read_bytes() == photo.read_bytes()) == same


def test_what_is_left_alone_is_copied_part_by_part(pictures, tiny_clean_system, monkeypatch):
    photo = pictures("photo.png")
    monkeypatch.setattr(inputs, "PART_BYTES", 100)
    longest: list[int] = []

    def watched(source: inputs.Source) -> Iterator[bytes]:
        for part in parts(source):
            longest.append(len(part))
            yield part

    parts = inputs.Source.parts
    monkeypatch.setattr(inputs.Source, "parts", watched)
    (done,) = restore_many(photo, restorer=tiny_clean_system)
    assert Path(done.output).read_bytes() == photo.read_bytes()
    assert len(longest) > 1
    assert max(longest) <= 100


def test_a_copy_that_fails_half_way_is_named_and_leaves_nothing(pictures, tiny_clean_system, monkeypatch):
    photo = pictures("photo.png")

    def fails(source: inputs.Source) -> Iterator[bytes]:
        yield photo.read_bytes()[:100]
        raise ImageError(photo, "input/output error")

    monkeypatch.setattr(inputs.Source, "parts", fails)
    Path("photo.restored.png").write_bytes(b"before")
    (done,) = restore_many(photo, restorer=tiny_clean_system, job=Job(overwrite=True))
    assert done.error == "input/output error"
    assert Path("photo.restored.png").read_bytes() == b"before"
    assert {path.name for path in Path().iterdir()} == {"photo.png", "photo.restored.png"}


def exif_of(path: Path) -> dict[int, object]:
    with PIL.Image.open(path) as picture:
        return dict(picture.getexif())


@pytest.mark.parametrize("ext", ["jpg", "png", "tiff", "webp", "avif"])
def test_ext_is_the_format(pictures, tiny_clean_system, ext):
    (done,) = restore_many(pictures("photo.png"), restorer=tiny_clean_system, job=Job(encoding=Encoding(ext)))
    assert Image.read(done.output).format == {"jpg": "jpeg"}.get(ext, ext)


def test_depth_and_metadata_are_those_asked_for(pictures, tiny_system):
    pictures("photo.jpg")
    for encoding in (Encoding(), Encoding(metadata="strip"), Encoding("png", bit_depth="16")):
        (done,) = restore_many("photo.jpg", restorer=tiny_system, job=Job(encoding=encoding, overwrite=True))
        picture = Image.read(done.output)
        assert ("exif-data" in picture.metadata) == (encoding.metadata == "keep")
        assert picture.array.dtype == (np.uint16 if encoding.bit_depth == "16" else np.uint8)


def test_what_a_format_cannot_hold_is_a_warning(pictures, tiny_system):
    PIL.Image.new("RGBA", (16, 16), (90, 80, 70, 60)).save("photo.png")
    encoding = Encoding("jpg")
    (done,) = restore_many("photo.png", restorer=tiny_system, job=Job(encoding=encoding))
    assert done.error is None
    assert "photo.restored.jpg: JPEG files are written without transparency" in done.treatment.warnings
    assert replace(encoding, ext="auto") == Encoding()


@pytest.mark.parametrize("changed", [True, False])
def test_a_file_can_be_as_old_as_its_original(pictures, tiny_system, tiny_clean_system, changed) -> None:
    """Copied or written."""
    photo, time = pictures("photo.png"), 1_000_000_000_123_456_789
    os.utime(photo, ns=(time, time))
    system = tiny_system if changed else tiny_clean_system
    for keep_time, folder in ((True, "a"), (False, "b")):
        (done,) = restore_many([photo], folder, system, Job(encoding=Encoding(keep_time=keep_time)))
        assert done.error is None and done.treatment.changed == changed
        assert (Path(done.output).stat().st_mtime_ns == time) == keep_time
    if not changed:
        assert Path("a/photo.png").read_bytes() == photo.read_bytes()


@pytest.mark.parametrize("changed", [True, False])
def test_what_is_private_stays_so(pictures, tiny_system, tiny_clean_system, changed) -> None:
    photo = pictures("photo.png")
    for mode, wanted in ((0o600, 0o600), (0o640, 0o640), (0o400, 0o600)):
        photo.chmod(mode)
        (done,) = restore_many([photo], f"out{mode}", tiny_system if changed else tiny_clean_system)
        assert stat.S_IMODE(Path(done.output).stat().st_mode) & ~0o777 == 0
        assert stat.S_IMODE(Path(done.output).stat().st_mode) == wanted


@pytest.mark.parametrize("ext", ["jpg", "png", "tiff", "webp", "avif"])
def test_a_result_is_saved_as_a_job_writes_it(pictures, tiny_system, ext):
    pictures("a.jpg")
    (done,) = restore_many("a.jpg", f"job.{ext}", tiny_system, Job("noise"))
    result = darnet.load(tiny_system, device="cpu")("a.jpg", kinds="noise")
    assert result.changed and f"darnet {darnet.__version__}: noise" in exif_of(result.save(f"saved.{ext}")).values()
    assert Path(f"saved.{ext}").read_bytes() == Path(done.output).read_bytes()
    result.save(f"stripped.{ext}", metadata="strip")
    assert {PROCESSING, SOFTWARE}.isdisjoint(exif_of(Path(f"stripped.{ext}")))


@pytest.mark.parametrize("ext", ["jpg", "png", "tiff", "webp", "avif"])
def test_what_repaired_a_picture_stands_in_its_file(pictures, tiny_system, ext):
    """Beside what its camera's program is, and not where nothing was changed, or nothing is to be kept."""
    exif = PIL.Image.Exif()
    exif[SOFTWARE], exif[ARTIST] = "Lightroom", "me"
    photo = np.random.default_rng(0).integers(60, 196, (48, 48, 3), np.uint8)
    pictures("c.png")  # which also goes to a folder of its own
    PIL.Image.fromarray(photo).save("a.jpg", exif=exif)
    PIL.Image.fromarray(photo).save("b.png")
    encoding = Encoding(ext=ext)
    said = {}
    for name, job in {
        "kept": Job(kinds=("noise",), encoding=encoding),
        "stripped": Job(kinds=("noise",), encoding=replace(encoding, metadata="strip")),
        "left": Job(kinds=("noise",), strength=0.0, encoding=encoding),
    }.items():
        done = list(restore_many(["a.jpg", "b.png"], name, restorer=tiny_system, job=job))
        assert [one.error for one in done] == [None, None]
        assert {one.treatment.changed for one in done} == {name != "left"}
        said[name] = [exif_of(Path(name) / f"{stem}.{ext}") for stem in ("a", "b")]
    text = f"darnet {darnet.__version__}: noise"
    (a, b), (c, d), (e, f) = said.values()
    assert (a[SOFTWARE], a[ARTIST], b[SOFTWARE]) == ("Lightroom", "me", text)
    assert a.get(PROCESSING) == (
        None if ext in {"webp", "avif"} else text
    )  # whose EXIF libvips writes, and not all of it
    assert {PROCESSING, SOFTWARE}.isdisjoint({*c, *d, *f}) and (e[SOFTWARE], PROCESSING in e) == ("Lightroom", False)
