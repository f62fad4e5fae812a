"""What must stay as it is: which pictures, and what is said of those that were changed."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from benchmark_rows import row as a_row
from darnet.benchmark import suites
from darnet.benchmark.protocol import PROTOCOLS
from darnet.benchmark.rows import PerImage
from darnet.benchmark.suite import Request
from darnet.benchmark.suites.untouched import (
    PICTURES,
    graphics,
    markdown,
    missing_sets,
    missing_sorts,
    photos,
    touched,
)
from darnet.data.graphics import NEEDS_PHOTO, SORTS
from darnet.errors import DarnetError, NoInputError, UsageError

PROMPTIR = PROTOCOLS["promptir"]


def test_clean_photos_are_photos_and_what_pairs_are_measured_against(sets_root: Path) -> None:
    found = photos(sets_root)
    assert {case.set for case in found} == {"CBSD68", "Rain100L"}
    assert {case.clean.parent.name for case in found} == {"CBSD68", "target"}
    assert {case.way for case in found} == {"", "JPEG 75, halved"}
    assert len(found) == 2 * (3 + 2)
    assert len(photos(sets_root, limit=1)) == 2 * 2
    assert {case.set for case in photos(sets_root, ("Rain100L",))} == {"Rain100L"}
    assert {"McMaster", "SICE"} < {*missing_sets(found)}


def test_the_target_of_several_pairs_is_measured_once(tmp_path: Path) -> None:
    for place, stems in (("input", ("0073_o1", "0073_u1")), ("target", ("0073",))):
        (tmp_path / "SICE" / place).mkdir(parents=True)
        for stem in stems:
            Image.new("RGB", (32, 32)).save(tmp_path / "SICE" / place / f"{stem}.png")
    assert [case.name for case in photos(tmp_path)] == ["0073.png"] * 2


def test_a_clean_photo_is_compared_with_what_was_given(sets_root: Path) -> None:
    whole, halved = (case for case in photos(sets_root, ("CBSD68",), limit=1))
    photo = torch.from_numpy(np.array(Image.open(whole.clean))).permute(2, 0, 1) / 255
    observed, clean = whole.load(PROMPTIR)
    assert torch.equal(observed, clean)
    torch.testing.assert_close(observed, photo)
    observed, clean = halved.load(PROMPTIR)
    assert torch.equal(observed, clean)
    assert observed.shape == (3, 24, 32)
    levels = observed * 255
    assert float((levels - levels.round()).abs().max()) < 1e-3
    means = torch.nn.functional.avg_pool2d(photo[None], 2)[0]
    assert 0 < float((observed - means).abs().mean()) < 0.05


def test_every_sort_is_made_as_often(sets_root: Path) -> None:
    found = graphics(sets_root)
    assert len(found) == PICTURES * len(SORTS) >= 500
    assert len({case.name for case in found}) == len(found)
    assert [case.way for case in graphics(sets_root, limit=1)] == list(SORTS)
    assert [case.name for case in graphics(sets_root, ("text",), 2)] == ["text-000", "text-001"]


@pytest.mark.parametrize("sort", ["text", "scan"])
def test_a_made_picture_follows_from_its_name(sort: str, sets_root: Path) -> None:
    first, second = graphics(sets_root, (sort,), 2)
    observed, clean = first.load(PROMPTIR)
    assert torch.equal(observed, clean)
    assert torch.equal(observed, first.load(PROMPTIR).observed)
    assert not torch.equal(observed, second.load(PROMPTIR).observed)
    assert observed.shape == (3, 384, 384)


def test_sorts_that_show_a_photo_need_photos(tmp_path: Path) -> None:
    assert {case.way for case in graphics(tmp_path, limit=1)} == {*SORTS} - NEEDS_PHOTO
    assert {*missing_sorts(graphics(tmp_path, limit=1))} == NEEDS_PHOTO
    with pytest.raises(NoInputError, match="CBSD68"):
        graphics(tmp_path, ("scan",))


def test_what_does_not_fit_is_named(sets_root: Path, tmp_path: Path) -> None:
    for suite, find, name in (("clean", photos, "text"), ("graphics", graphics, "CBSD68")):
        with pytest.raises(UsageError, match=f"no set of suite {suite} called {name!r}"):
            find(sets_root, (name,))
    with pytest.raises(NoInputError, match="none of the sets of suite clean"):
        photos(tmp_path)


def test_changed_pictures_are_counted_and_the_worst_is_named() -> None:
    images = (
        PerImage("a", experts=()),
        PerImage("b", 21.5, experts=("overexposure",)),
        PerImage("c", 40.0, experts=("noise",)),
    )
    row = a_row("m", set="graphics", way="text", n=3, left_alone=1, per_image=images)
    entry, whole = touched([row])
    assert (entry.touched, entry.tone, entry.worst, entry.worst_name) == (2, 1, 21.5, "b")
    assert (whole.set, whole.touched, whole.n) == ("all", 2, 3)
    assert "| m | graphics | text | 2 | 66.67 % | 33.33 % | 21.50 (b) | 3 |" in markdown([entry], [])
    with pytest.raises(DarnetError, match="different protocols"):
        markdown([entry], [replace(row, protocol=name) for name in "pq"])


@pytest.mark.usefixtures("in_this_process")
@pytest.mark.parametrize("suite", ["clean", "graphics"])
def test_the_suites(suite: str, sets_root: Path, tiny_system: Path, tiny_clean_system: Path) -> None:
    """One system repairs everything as noise, the other calls everything clean."""
    repairs, leaves = str(tiny_system), str(tiny_clean_system)
    sets = ("CBSD68",) if suite == "clean" else ("text", "scan")
    document = suites.run(Request(suite, sets_root, (repairs, leaves), sets=sets, limit=1))
    json.dumps(document.to_dict(), allow_nan=False)
    assert (document.failures, document.left_out) == ((), {})  # the rest was not asked for
    whole = {entry.method: entry for entry in document.found.touched if entry.set == "all"}
    assert (whole[repairs].touched, whole[repairs].n, whole[repairs].tone) == (2, 2, 0)
    assert whole[repairs].worst < 40
    assert (whole[leaves].touched, whole[leaves].worst) == (0, None)
    assert document.part.protocol.digest in suites.markdown(document)
