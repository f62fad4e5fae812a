from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from darnet.benchmark.cases import cases, damaged, kind_suites, paired_sets, severities
from darnet.benchmark.protocol import Protocol
from darnet.degradations import GaussianNoise
from darnet.errors import ImageError, NoInputError, UnknownNameError, UsageError


def write(path: Path, height: int = 16, width: int = 18) -> np.ndarray:
    path.parent.mkdir(parents=True, exist_ok=True)
    array = np.random.default_rng(len(path.name)).integers(0, 256, (height, width, 3), np.uint8)
    Image.fromarray(array).save(path)
    return array


def touch(folder: Path, count: int) -> Path:
    """Files that are named as pictures are; nobody reads them."""
    folder.mkdir(parents=True)
    for index in range(count):
        (folder / f"{index:03}.png").touch()
    return folder


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for name in ("CBSD68", "McMaster"):
        touch(tmp_path / name, 3)
    for name in ("SOTS-outdoor", "GoPro"):
        touch(tmp_path / name / "input", 3), touch(tmp_path / name / "target", 3)
    return tmp_path


@pytest.mark.parametrize("suite", [suite for suite in kind_suites() if severities(suite)])
def test_synthetic_damage_has_every_level_of_the_default_set(root: Path, suite: str):
    found = [case for case in cases(suite, root) if case.degradation is not None]
    assert len(found) == 3 * len(severities(suite))
    assert {case.set for case in found} == {"CBSD68"}
    assert [case.degradation for case in found[::3]] == list(severities(suite))
    assert [case.name for case in found[:3]] == ["000.png", "001.png", "002.png"]


def test_levels_are_in_the_unit_of_their_kind(root: Path):
    def severities(suite: str) -> list[float | None]:
        return [case.severity for case in cases(suite, root, limit=1)]

    assert severities("clean") == [None]
    assert severities("noise") == [15, 25, 50]
    assert severities("blur") == [1, 1.5, 2.5]
    assert severities("overexposure") == [1.4, 1.76, 2]
    first = 255 * (0.002 / 2 + (2 / 255) ** 2) ** 0.5
    assert severities("poisson-noise")[0] == pytest.approx(first, abs=1e-4)


def test_poisson_noise_is_a_kind_of_noise(root: Path):
    assert {case.kind for case in cases("poisson-noise", root)} == {"noise"}


def test_sets_come_in_the_order_asked_for(root: Path):
    found = cases("clean", root, ("McMaster", "CBSD68"))
    assert [case.set for case in found] == ["McMaster"] * 3 + ["CBSD68"] * 3


@pytest.mark.parametrize("suite", [suite for suite in kind_suites() if paired_sets(suite)])
def test_real_damage_takes_every_paired_set_that_is_there(tmp_path: Path, suite: str):
    for name in paired_sets(suite):
        touch(tmp_path / name / "input", 2), touch(tmp_path / name / "target", 2)
    found = cases(suite, tmp_path)
    assert [case.set for case in found] == [name for name in paired_sets(suite) for _ in range(2)]
    assert {(case.kind, case.severity, case.degradation) for case in found} == {(suite, None, None)}


def test_a_paired_set_that_is_not_there_is_left_out_unless_it_is_named(root: Path):
    assert {case.set for case in cases("haze", root)} == {"CBSD68", "SOTS-outdoor"}
    with pytest.raises(NoInputError, match="SOTS-indoor: no such test set"):
        cases("haze", root, ("SOTS-outdoor", "SOTS-indoor"))


def test_training_pairs_beside_a_test_set_are_left_alone(tmp_path: Path):
    for folder in ("LOLv1/eval15/low", "LOLv1/eval15/high", "SOTS/indoor/hazy", "SOTS/indoor/gt"):
        touch(tmp_path / folder, 2)
    for folder in ("LOLv1/our485/low", "LOLv1/our485/high"):
        touch(tmp_path / folder, 5)
    assert len(cases("lowlight", tmp_path)) == len(cases("haze", tmp_path)) == 2
    assert {case.set for case in cases("haze", tmp_path)} == {"SOTS-indoor"}


@given(count=st.integers(1, 40), limit=st.integers(1, 50))
def test_a_limit_is_spread_evenly(tmp_path_factory, count: int, limit: int):
    root = tmp_path_factory.mktemp("limit")
    touch(root / "CBSD68", count)
    indices = [int(Path(case.name).stem) for case in cases("clean", root, limit=limit)]
    assert len(indices) == min(count, limit)
    steps = np.diff([*indices, count])  # from each to the next, and to the end
    assert indices[0] == 0
    assert steps.min() >= 1
    assert steps.max() - steps.min() <= 1


def test_a_limit_holds_for_each_set_and_level(root: Path):
    assert len(cases("noise", root, ("CBSD68", "McMaster"), limit=2)) == 2 * 3 * 2
    assert len(cases("motion", root, limit=2)) == 2 * 3 + 2


@pytest.mark.parametrize("place", ["", "HR", "original_png", "original", "GT"])
def test_photos_are_found_in_every_place(tmp_path: Path, place: str):
    write(tmp_path / "Kodak24" / place / "kodim01.png")
    (case,) = damaged(GaussianNoise((25.0, 25.0)), tmp_path, "Kodak24")
    assert case.clean == tmp_path / "Kodak24" / place / "kodim01.png"
    assert (case.name, case.kind, case.severity) == ("kodim01.png", "noise", 25)


def test_what_is_missing_is_named(tmp_path: Path):
    with pytest.raises(NoInputError, match="nowhere: no such folder"):
        cases("noise", tmp_path / "nowhere")
    with pytest.raises(NoInputError, match=r"none of the sets of suite noise is there \(CBSD68\)"):
        cases("noise", tmp_path)
    with pytest.raises(NoInputError, match="Kodak24: no pictures of this test set"):
        cases("noise", tmp_path, ("Kodak24",))
    with pytest.raises(
        NoInputError, match=rf"{tmp_path.name}: none of the sets of suite rain .*CBSD68, Rain100L, Rain100H"
    ):
        cases("rain", tmp_path)


@pytest.mark.parametrize(("suite", "name"), [("noise", "GoPro"), ("motion", "LOLv1"), ("noise", "Set14")])
def test_a_set_that_does_not_fit_is_refused(root: Path, suite: str, name: str):
    with pytest.raises(UsageError, match=f"no set of suite {suite} called {name!r}"):
        cases(suite, root, (name,))


def test_an_unknown_suite_is_refused(root: Path):
    with pytest.raises(UnknownNameError, match="no suite called 'nois'; did you mean 'noise'") as caught:
        cases("nois", root)
    assert all(suite in str(caught.value) for suite in kind_suites())


def test_a_synthetic_case_loads_what_the_protocol_observes(tmp_path: Path):
    array = write(tmp_path / "CBSD68" / "a.png", 17, 35)
    damage, protocol = GaussianNoise((25.0, 25.0)), Protocol(crop_multiple=16)
    (case,) = damaged(damage, tmp_path, "CBSD68")
    scene = case.load(protocol)
    np.testing.assert_allclose(scene.clean.permute(1, 2, 0) * 255, array[:16, 1:33], atol=1e-3)
    assert torch.equal(scene.observed, protocol.observe(scene.clean, damage, "a.png"))


def test_a_real_case_loads_its_two_files(tmp_path: Path):
    wanted = write(tmp_path / "LOLv1" / "high" / "1.png", 20, 20)
    given_array = 255 - wanted
    (tmp_path / "LOLv1" / "low").mkdir()
    Image.fromarray(given_array).save(tmp_path / "LOLv1" / "low" / "1.png")
    (case,) = cases("lowlight", tmp_path)
    scene = case.load(Protocol(crop_multiple=16))
    for pixels, array in ((scene.clean, wanted), (scene.observed, given_array)):
        np.testing.assert_allclose(pixels.permute(1, 2, 0) * 255, array[2:18, 2:18], atol=1e-3)


def test_a_bad_file_is_named(tmp_path: Path):
    touch(tmp_path / "CBSD68", 1)
    with pytest.raises(ImageError, match=r"000\.png"):
        cases("clean", tmp_path)[0].load(Protocol())


@pytest.mark.parametrize("multiple", [1, 16])  # cropping to a multiple may hide that the sizes differ
def test_a_pair_of_different_sizes_is_refused(tmp_path: Path, multiple: int):
    write(tmp_path / "LOLv1" / "high" / "1.png", 32, 32)
    write(tmp_path / "LOLv1" / "low" / "1.png", 32, 34)
    (case,) = cases("lowlight", tmp_path)
    with pytest.raises(ImageError, match=r"1\.png"):
        case.load(Protocol(crop_multiple=multiple))
