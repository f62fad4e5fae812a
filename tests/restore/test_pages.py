"""Pages: of a file with several pictures all are repaired as the first is, and none is lost."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
import torch

import darnet
from darnet import restore_many
from darnet.errors import ImageError
from darnet.images.image import Image
from darnet.images.regions import Region, RegionSource
from darnet.jobs import Encoding, Job
from darnet.restore.diagnosis import Crop, Diagnosis
from darnet.restore.restorer import Restorer
from darnet.restore.routers import Always, RegionRouter

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
    bare = Job(encoding=Encoding(metadata="strip"))  # a job also says in the file what it did
    assert [done.error for done in restore_many([name], "out", restorer, bare)] == [None]
    result.save(f"saved-{name}", metadata="strip")
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
    """And a page of which there is nothing to judge stays as it is, whatever the first was repaired by."""
    blank, tiny = Image.of(np.full((32, 40, 3), 9, np.uint8)), Image.of(photo(3).array[:1, :1])
    result = looker("negative")[0](replace(photo(0), frames=(photo(1), blank, blank, tiny, blank)))
    assert result.warnings == (
        "pages 3 to 4, 6: left alone: all of it has one colour",
        "page 5: left alone: 1 × 1 pixels are too few to judge",
    )
    for after, before in zip(result.restored.frames[1:], (blank, blank, tiny, blank), strict=True):
        assert after is before


def test_a_frame_and_what_is_hidden_of_a_page_stay() -> None:
    inner = np.random.default_rng(1).integers(64, 192, (80, 80, 3), np.uint8)
    framed = Image.of(np.pad(inner, ((16, 16), (16, 16), (0, 0)), constant_values=255))
    alpha = np.full((32, 40), 255, np.uint8)
    alpha[:, :16] = 0
    hidden = replace(photo(2), alpha=alpha)
    result = looker("negative")[0](replace(photo(0), frames=(framed, hidden)))
    after, other = result.restored.frames
    np.testing.assert_array_equal(after.array[16:-16, 16:-16], 255 - inner)
    assert (after.array[:16] == 255).all() and (after.array[:, -16:] == 255).all()
    np.testing.assert_array_equal(other.array[:, :16], photo(2).array[:, :16])
    np.testing.assert_array_equal(other.array[:, 16:], 255 - photo(2).array[:, 16:])
    pixels, repaired = 2 * 32 * 40 + 112 * 112, 32 * 40 + 80 * 80 + 32 * 24
    assert result.steps[0].share == pytest.approx(repaired / pixels)


def test_a_page_that_is_no_photo_is_not_repaired_as_one() -> None:
    text = np.full((64, 80, 3), 255, np.uint8)
    text[10:20, 5:70:3] = 20
    result = Restorer(Always("haze"), {"haze": lambda pixels: 1 - pixels})(
        replace(photo(0), frames=(Image.of(text), photo(1)))
    )
    np.testing.assert_array_equal(result.restored.frames[0].array, text)
    np.testing.assert_array_equal(result.restored.frames[1].array, 255 - photo(1).array)
    (said,) = result.warnings
    assert said.startswith("page 2: left alone: ") and "`kinds=['haze']`" in said


class Halves(RegionRouter):
    """Sees noise where a picture is bright, by crops of 8 pixels."""

    def look(self, source: RegionSource) -> Diagnosis:
        crops = self.look_closely(source)
        noise = max(crop.presence["noise"] for crop in crops)
        return Diagnosis({"clean": 1 - noise, "noise": noise}, {}, tuple(crops))

    def look_closely(self, source: RegionSource) -> list[Crop]:
        places = [(top, left) for top in range(0, source.height, 8) for left in range(0, source.width, 8)]
        bright = {place: float(source.read(Region(*place, 8, 8)).mean()) > 0.5 for place in places}
        return [Crop(*place, 8, {"noise": 0.99 if bright[place] else 0.001}) for place in places]


def halves(*bright: slice) -> Image:
    pixels = np.random.default_rng(0).integers(20, 60, (64, 64, 3), np.uint8)
    for part in bright:
        pixels[:, part] += 140
    return Image.of(pixels)


def test_where_a_page_has_what_befalls_a_part_is_found_on_each() -> None:
    left, right, none, whole = halves(slice(0, 32)), halves(slice(32, 64)), halves(), halves(slice(0, 64))
    darken = {"noise": lambda pixels: torch.where(pixels > 0.5, pixels - 0.1, pixels)}
    result = Restorer(Halves(), darken)(replace(left, frames=(right, none, whole)))
    changed = [
        (after.array != before.array).any(axis=(0, 2)).tolist()
        for after, before in zip((result.restored, *result.restored.frames), (left, right, none, whole), strict=True)
    ]
    there, elsewhere = [True] * 32, [False] * 32
    assert changed == [there + elsewhere, elsewhere + there, elsewhere * 2, there * 2]
    assert result.steps[0].share == pytest.approx(0.5, abs=0.03)  # of all four: 1/2, 1/2, 0, 1
    assert result.warnings == ("page 3: noise: nothing worth having changed",)


def test_what_is_blended_by_its_confidence_is_so_on_each_page() -> None:
    class Unsure(Always):
        def look(self, source: RegionSource) -> Diagnosis:
            return Diagnosis({"clean": 0.2, self.label: 0.8})

    system = Restorer(Unsure("negative"), {"negative": lambda pixels: pixels * 0}, soft={"negative"})
    result = system(replace(photo(0), frames=(photo(0),)))
    np.testing.assert_array_equal(result.restored.array, result.restored.frames[0].array)


@pytest.mark.parametrize("first", [photo(0), Image.of(np.full((32, 40, 3), 9, np.uint8))])
def test_pages_that_nobody_looked_at_are_named(first: Image) -> None:
    said = looker("clean")[0](replace(first, frames=(photo(1), photo(2)))).warnings
    assert said[-1].startswith("pages 2 to 3 were not looked at: ")
    assert not any("not looked at" in text for text in looker("clean")[0](first).warnings)
    named = looker("clean")[0](replace(first, frames=(photo(1),)), kinds=["negative"])
    planned = looker("negative")[0](replace(photo(0), frames=(photo(1),)), strength=0)
    assert named.warnings == planned.warnings == ()


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
