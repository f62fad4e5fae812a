"""Pages: of a file with several pictures all are repaired as the first is, and none is lost."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import PIL.Image
import pytest

import darnet
from darnet import restore_many
from darnet.errors import ImageError
from darnet.images.image import Image
from darnet.jobs import Encoding, Job
from darnet.restore.restorer import Restorer
from darnet.restore.routers import Always

TIMES = [100, 200, 300]


def photo(seed: int) -> Image:
    return Image.of(np.random.default_rng(seed).integers(64, 192, (32, 40, 3), np.uint8))


def book(*seeds: int) -> Image:
    first, *later = map(photo, seeds)
    return replace(first, frames=tuple(later), path=Path("book.tif"))


def looker(*said: str) -> tuple[Restorer, list[str]]:
    """A restorer that inverts what it calls negative, and how often it looked."""
    looked: list[str] = []

    class Counting(Always):
        def look(self, source: object) -> object:
            looked.append("once")
            return super().look(source)

    return Restorer(Counting(*said), {"negative": lambda pixels: 1 - pixels}), looked


def film(name: str, seeds: tuple[int, ...] = (0, 1, 2), **options: object) -> Path:
    first, *later = (PIL.Image.fromarray(photo(seed).array) for seed in seeds)
    timed = {} if name.endswith("tif") else {"duration": TIMES, "loop": 2}
    first.save(name, save_all=True, append_images=later, **timed, **options)
    return Path(name)


def test_all_are_repaired_and_one_is_looked_at() -> None:
    restorer, looked = looker("negative")
    result = restorer(book(0, 1, 2))
    assert looked == ["once"]
    for seed, page in enumerate((result.restored, *result.restored.frames)):
        np.testing.assert_array_equal(page.array, 255 - photo(seed).array)
    assert result.image is result.restored


@pytest.mark.parametrize("name", ["book.tif", "film.webp"])
def test_a_path_is_all_that_its_file_holds(pictures, tiny_system, name: str) -> None:
    """As a job restores it; who looks looks at the first page."""
    restorer = darnet.load(tiny_system, device="cpu")
    result = restorer(film(name))
    assert len(result.image.frames) == 2
    assert [done.error for done in restore_many([name], "out", restorer)] == [None]
    result.save(f"saved-{name}")
    assert Path(f"saved-{name}").read_bytes() == Path(f"out/{name}").read_bytes()
    assert restorer.diagnose(name).label == "noise"
    assert restorer.heat_map(name).height == 32
    assert repr(result).startswith("Result(40 × 32 pixels of 3 pages, experts=('noise',)")


def test_what_is_clean_is_left_alone_with_all_its_pages() -> None:
    image = book(0, 1)
    result = looker("clean")[0](image)
    assert result.restored is image and not result.changed


def test_a_first_page_of_one_colour_does_not_keep_the_others_from_what_was_asked() -> None:
    blank = Image.of(np.full((32, 40, 3), 9, np.uint8))
    result = looker("clean")[0](replace(blank, frames=(photo(1),)), kinds=("negative",))
    np.testing.assert_array_equal(result.restored.frames[0].array, 255 - photo(1).array)


def test_warnings_say_of_which_page() -> None:
    blank = Image.of(np.full((32, 40, 3), 9, np.uint8))
    result = looker("negative")[0](replace(photo(0), frames=(photo(1), blank)))
    assert result.warnings == ()
    tiny = Image.of(photo(3).array[:4, :4])
    found = looker("negative")[0](replace(photo(0), frames=(tiny,)))
    assert all(text.startswith("page 2: ") for text in found.warnings)


def test_what_each_step_changed_is_kept_of_single_pictures() -> None:
    with pytest.raises(ImageError, match=r"book\.tif: has 2 pages.*`first=True`"):
        looker("negative")[0](book(0, 1), keep=True)


@pytest.mark.parametrize("name", ["film.gif", "film.webp", "book.tif"])
def test_files_keep_order_and_timing(pictures, tiny_system, name: str) -> None:
    options = {"lossless": True} if name.endswith("webp") else {}
    before = Image.read(film(name, **options), pages="all")
    (done,) = restore_many([name], "out", tiny_system, Job(kinds="noise"))
    assert done.error is None
    after = Image.read(f"out/{name}", pages="all")
    assert len(after.frames) == len(before.frames) == 2
    assert {key: after.metadata.get(key) for key in ("delays", "loop")} == {
        key: before.metadata.get(key) for key in ("delays", "loop")
    }
    whole = [image.array.astype(int) for image in (before, *before.frames)]
    for number, page in enumerate((after, *after.frames)):
        differences = [np.abs(page.array - other).mean() for other in whole]
        assert int(np.argmin(differences)) == number and differences[number] > 0.5


@pytest.mark.parametrize("name", ["film.gif", "film.webp", "book.tif", "film.png", "film.avif"])
def test_the_first_alone(pictures, tiny_system, tiny_clean_system, name: str) -> None:
    """Of a clean file too, which is else copied."""
    film(name)
    for system, folder in ((tiny_system, "a"), (tiny_clean_system, "b")):
        (done,) = restore_many([name], folder, system, Job(first=True))
        assert done.error is None
        again = Image.read(f"{folder}/{name}")  # refuses several
        assert again.array.shape == (32, 40, 3)


def test_no_frame_is_lost_where_they_cannot_be_written(pictures, tiny_system) -> None:
    film("film.png")
    film("book.tif")
    film("sizes.tif", (0,))
    replace(photo(0), frames=(Image.of(photo(1).array[:20]),)).write("sizes.tif")
    done = {
        one.input: one.error
        for one in (
            *restore_many(["film.png"], "out", tiny_system),
            *restore_many(["book.tif"], "out", tiny_system, Job(encoding=Encoding(ext="jpg"))),
            *restore_many(["sizes.tif"], "out", tiny_system, Job(encoding=Encoding(ext="webp"))),
        )
    }
    assert "has several pages, of which the first alone can be restored: `first=True`" in str(done["film.png"])
    assert "JPEG files hold one picture, and these are 3: `first=True`" in str(done["book.tif"])
    assert "its pages differ in size" in str(done["sizes.tif"])
    assert not list(Path("out").glob("[!.]*"))  # but a ledger
    (good,) = restore_many(["sizes.tif"], "out", tiny_system)
    assert good.error is None
    assert [page.height for page in Image.read("out/sizes.tif", pages="all").frames] == [20]


def test_pages_in_files_are_those_in_memory(pictures, tiny_system, monkeypatch) -> None:
    from darnet.images import scratch

    film("book.tif")
    list(restore_many(["book.tif"], "a", tiny_system, Job(kinds="noise")))
    monkeypatch.setattr(scratch, "MOST_BYTES", 4000)
    list(restore_many(["book.tif"], "b", tiny_system, Job(kinds="noise")))
    assert Path("a/book.tif").read_bytes() == Path("b/book.tif").read_bytes()
