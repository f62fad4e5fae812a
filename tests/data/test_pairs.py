from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from darnet.data.pairs import FOLDERS, Pair, find_pairs, pictures
from darnet.errors import ImageError, NoInputError


def write(root: Path, *names: str) -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.zeros((4, 5, 3), np.uint8)).save(root / name)


def relative(root: Path) -> list[tuple[str, str, str]]:
    found = find_pairs(root)
    return [
        (name, degraded.relative_to(root).as_posix(), clean.relative_to(root).as_posix())
        for name, degraded, clean in found
    ]


@pytest.mark.parametrize(("degraded", "clean"), FOLDERS)
def test_pairs_of_folders_go_by_name(tmp_path: Path, degraded: str, clean: str):
    write(tmp_path, *(f"{folder}/{name}.png" for folder in (degraded, clean) for name in ("b", "a")))
    (tmp_path / degraded / "notes.txt").write_text("no picture")
    assert relative(tmp_path) == [(f"{n}.png", f"{degraded}/{n}.png", f"{clean}/{n}.png") for n in ("a", "b")]


def test_every_layout_that_the_papers_use_is_known():
    layouts = "input/target hazy/gt low/high rainy/norain rain/norain blur/sharp"
    assert {f"{degraded}/{clean}" for degraded, clean in FOLDERS} == set(layouts.split())


def test_several_hazy_pictures_share_a_clean_one(tmp_path: Path):
    write(tmp_path, "hazy/1400_1.png", "hazy/1400_2.png", "hazy/0001_0.8_0.2.jpg", "gt/1400.png", "gt/0001.png")
    assert relative(tmp_path) == [
        ("0001_0.8_0.2.jpg", "hazy/0001_0.8_0.2.jpg", "gt/0001.png"),
        ("1400_1.png", "hazy/1400_1.png", "gt/1400.png"),
        ("1400_2.png", "hazy/1400_2.png", "gt/1400.png"),
    ]


def test_the_whole_name_is_a_better_match_than_its_beginning(tmp_path: Path):
    write(tmp_path, "hazy/1400_4.png", "gt/1400.png", "gt/1400_4.png")
    assert relative(tmp_path) == [("1400_4.png", "hazy/1400_4.png", "gt/1400_4.png")]


@pytest.mark.parametrize("degraded", ["rainy", "rain"])
def test_rain_in_folders_may_be_named_as_rain(tmp_path: Path, degraded: str):
    write(tmp_path, f"{degraded}/rain-001.png", "norain/norain-001.png")
    assert relative(tmp_path) == [("rain-001.png", f"{degraded}/rain-001.png", "norain/norain-001.png")]


def test_rain_lies_beside_no_rain(tmp_path: Path):
    write(tmp_path, "rain-001.png", "norain-001.png", "rain-002.png", "norain-002.png")
    assert relative(tmp_path) == [
        ("rain-001.png", "rain-001.png", "norain-001.png"),
        ("rain-002.png", "rain-002.png", "norain-002.png"),
    ]


def test_scenes_have_a_folder_each_and_give_it_to_the_name(tmp_path: Path):
    for scene in ("GOPR0384", "GOPR0385"):
        write(tmp_path / "test" / scene, "blur/000001.png", "sharp/000001.png")
    assert relative(tmp_path) == [
        (f"test/{s}/000001.png", f"test/{s}/blur/000001.png", f"test/{s}/sharp/000001.png")
        for s in ("GOPR0384", "GOPR0385")
    ]


def test_the_two_files_may_differ_in_format(tmp_path: Path):
    write(tmp_path, "input/a.jpg", "target/a.png")
    assert find_pairs(tmp_path) == [Pair("a.jpg", tmp_path / "input" / "a.jpg", tmp_path / "target" / "a.png")]


@given(numbers=st.sets(st.integers(0, 999), min_size=1, max_size=5), scenes=st.sets(st.sampled_from(["s", "s-1", "t"])))
def test_every_damaged_picture_is_found_once_in_the_order_of_names(
    tmp_path_factory, numbers: set[int], scenes: set[str]
):
    root = tmp_path_factory.mktemp("pairs")
    for scene in (*scenes, "last"):
        write(root / scene, *(f"{side}/{n}.png" for side in ("blur", "sharp") for n in numbers))
    names = [pair.name for pair in find_pairs(root)]
    assert names == sorted(f"{scene}/{n}.png" for scene in (*scenes, "last") for n in numbers)


def test_a_clean_picture_that_nothing_goes_with_is_left_out(tmp_path: Path):
    write(tmp_path, "input/a.png", "target/a.png", "target/b.png")
    assert [pair.name for pair in find_pairs(tmp_path)] == ["a.png"]


@pytest.mark.parametrize(
    ("there", "lonely"),
    [
        (("input/a.png", "target/a.png", "input/b_1.png"), r"b_1\.png"),
        (("rain-001.png", "norain-001.png", "rain-002.png"), r"rain-002\.png"),
    ],
)
def test_a_damaged_picture_without_its_clean_one_is_named(tmp_path: Path, there: tuple[str, ...], lonely: str):
    write(tmp_path, *there)
    with pytest.raises(ImageError, match=f"{lonely}: there is no clean picture for it"):
        find_pairs(tmp_path)


@pytest.mark.parametrize("there", [(), ("a.png",), ("input/a.png",), ("input/a.png", "gt/a.png"), ("rain-001.png",)])
def test_a_folder_without_pairs_is_named(tmp_path: Path, there: tuple[str, ...]):
    write(tmp_path, *there)
    with pytest.raises(NoInputError, match=rf"{tmp_path.name}: no pairs of pictures .*input/target"):
        find_pairs(tmp_path)


def test_pictures_are_files_of_a_known_format_in_the_folder_itself(tmp_path: Path):
    write(tmp_path, "b.PNG", "a.jpg", "sub/c.png")
    (tmp_path / "notes.txt").write_text("no picture")
    (tmp_path / "folder.png").mkdir()
    assert [path.name for path in pictures(tmp_path)] == ["a.jpg", "b.PNG"]
    assert pictures(tmp_path / "nowhere") == []
