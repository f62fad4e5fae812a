"""How much of each step is kept."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import PIL.Image
import pytest
import pyvips
import torch
from torch import Tensor

from darnet.degradations.base import LUMA
from darnet.errors import UnknownNameError, UsageError
from darnet.images.image import Image
from darnet.images.regions import Planes, Region
from darnet.restore.blending import Blend
from darnet.restore.diagnosis import Crop
from darnet.restore.restorer import Restorer
from darnet.restore.routers import Always
from darnet.restore.strength import Strength

RNG = np.random.default_rng(0)
PICTURE = RNG.integers(0, 256, (24, 20, 3), dtype=np.uint8)
GRAIN = torch.from_numpy(RNG.normal(0, 0.1, (3, 24, 20)).astype(np.float32))
P3 = bytes(pyvips.Image.profile_load("p3"))


def denoise(pixels: Tensor) -> Tensor:
    return (pixels + GRAIN).clamp(0, 1)


EXPERTS = {"noise": denoise, "blur": lambda pixels: pixels**0.8, "jpeg": lambda pixels: 0.9 * pixels + 0.02}
KINDS = tuple(EXPERTS)
restorer = Restorer(Always("noise"), EXPERTS)
STRENGTHS = [
    1.0,
    0.5,
    0.0,
    {"noise": 0.3},
    {"noise": 0.0, "blur": 1.0, "jpeg": 0.0},
    Strength(luma=0.4),
    Strength({"blur": 0.2}, others=0.7, luma=0.0),
    Strength(luma=0, chroma=0),
]
SOURCES: dict[str, Callable[[], object]] = {
    "uint8": PICTURE.copy,
    "uint16": lambda: PICTURE.astype(np.uint16) * 257,
    "float32": lambda: (PICTURE / 255).astype(np.float32),
    "float64": lambda: PICTURE / 255 + 0.1 / 255 * (PICTURE < 255),
    "grey": PICTURE[..., 0].copy,
    "grey as RGB": lambda: np.repeat(PICTURE[..., :1], 3, axis=2),
    "alpha": lambda: np.dstack([PICTURE, 255 * (PICTURE[..., 0] > 60).astype(np.uint8)]),
    "PIL": lambda: PIL.Image.fromarray(PICTURE),
    "PIL palette": lambda: PIL.Image.fromarray(PICTURE).quantize(16),
    "tensor": lambda: torch.from_numpy(PICTURE.transpose(2, 0, 1) / 255),
    "half tensor": lambda: torch.from_numpy(PICTURE.transpose(2, 0, 1) / 255).half(),
    "Image": lambda: Image.of(PICTURE),
    "profile": lambda: Image(PICTURE, profile=P3),
}


def same(one: object, other: object) -> None:
    """The same kind of picture, to the bit."""
    assert type(one) is type(other)
    if isinstance(one, Image):
        one, other = one.array, other.array
    if isinstance(one, PIL.Image.Image):
        assert one.mode == other.mode
    values = [part.numpy() if isinstance(part, Tensor) else np.asarray(part) for part in (one, other)]
    assert values[0].dtype == values[1].dtype
    np.testing.assert_array_equal(*values)


@pytest.mark.parametrize("name", SOURCES)
@pytest.mark.parametrize("strength", STRENGTHS, ids=str)
def test_blending_is_a_new_run_at_that_strength(name: str, strength: object) -> None:
    mask = RNG.integers(0, 256, PICTURE.shape[:2], dtype=np.uint8)
    for more in ({}, {"mask": mask}):
        kept = restorer(SOURCES[name](), kinds=KINDS, keep=True, **more)
        again = restorer(SOURCES[name](), kinds=KINDS, strength=strength, **more)
        blended = kept.blend(strength)
        same(blended.image, again.image)
        assert blended.changed == again.changed
        assert blended.steps == kept.steps


@pytest.mark.parametrize("name", SOURCES)
@pytest.mark.parametrize("strength", [0, dict.fromkeys(KINDS, 0), Strength(luma=0, chroma=0)], ids=str)
def test_nothing_of_it_is_the_input_to_the_bit(name: str, strength: object) -> None:
    source = SOURCES[name]()
    result = restorer(source, kinds=KINDS, keep=True)
    blended = result.blend(strength)
    assert not blended.changed
    same(blended.image, SOURCES[name]())
    assert isinstance(source, Image) or blended.image is not source, "nobody is handed what is kept"
    assert isinstance(source, Image) or blended.image is not result.blend(strength).image


def test_a_file_is_blended_as_an_image(tmp_path) -> None:
    path = Image.of(PICTURE).write(tmp_path / "photo.png")
    result = restorer(path, kinds=KINDS, keep=True)
    same(result.blend(0.5).image, restorer(path, kinds=KINDS, strength=0.5).image)
    assert result.blend(0).image.path == path
    np.testing.assert_array_equal(Image.read(result.blend(0).save(tmp_path / "out.png")).array, PICTURE)


def test_keeping_does_not_change_what_comes_out() -> None:
    for strength in STRENGTHS:
        same(
            restorer(PICTURE, kinds=KINDS, strength=strength, keep=True).image,
            restorer(PICTURE, kinds=KINDS, strength=strength).image,
        )


def test_what_was_not_kept_cannot_be_blended() -> None:
    with pytest.raises(UsageError, match="`keep=True`"):
        restorer(PICTURE, kinds=KINDS).blend(0.5)
    clean = Restorer(Always("clean"), EXPERTS)(PICTURE)
    assert clean.blend(0.5) is clean, "nothing changed, and so nothing had to be kept"


def test_a_kind_that_was_not_repaired_is_an_error_that_names_the_nearest() -> None:
    result = restorer(PICTURE, kinds=("noise", "jpeg"), keep=True)
    with pytest.raises(
        UnknownNameError, match=r"`strength={'noies': 0.5}`: no repair called 'noies'; did you mean 'noise'\?"
    ):
        result.blend({"noies": 0.5})
    with pytest.raises(UnknownNameError, match="no repair called 'blur'"):
        result.blend({"blur": 0.5})
    with pytest.raises(
        UnknownNameError, match=r"`strength={'noies': 0.5}`: no expert called 'noies'; did you mean 'noise'\?"
    ):
        restorer(PICTURE, strength={"noies": 0.5})


def test_kinds_by_the_words_that_people_use() -> None:
    result = restorer(PICTURE, kinds=KINDS, keep=True)
    same(result.blend({"noisy": 0.5}).image, result.blend({"noise": 0.5}).image)
    same(restorer(PICTURE, strength={"grainy": 0.5}).image, restorer(PICTURE, strength={"noise": 0.5}).image)
    with pytest.raises(UsageError, match=r"`strength={'noise': 0.5, 'noisy': 0.2}`: noise and noisy are one kind"):
        result.blend({"noise": 0.5, "noisy": 0.2})


@pytest.mark.parametrize("strength", [1.1, {"noise": -1}, {"noise": float("nan")}])
def test_strengths_out_of_range(strength: object) -> None:
    with pytest.raises(UsageError, match="expected 0 to 1"):
        restorer(PICTURE, keep=True).blend(strength)


@pytest.mark.parametrize(
    ("strength", "said"),
    [
        (
            [0.5],
            "`strength`: expected a number from 0 to 1, one for each kind, {'noise': 0.5}, or a Strength, not list",
        ),
        ("0.5", "`strength`: expected a number .*, not str"),
        (None, "`strength`: expected a number .*, not NoneType"),
        (np.full((2, 2), 0.5), "`strength`: expected a number .*, not ndarray"),
        (1j, "`strength`: expected a number .*, not complex"),
        ({"noise": "0.5"}, r"`strength\['noise'\]`: expected a number from 0 to 1, not str"),
        ({"noise": None}, r"`strength\['noise'\]`: expected a number from 0 to 1, not NoneType"),
        ({1: 0.5}, "`by_kind`: expected a strength for each kind, by its name"),
    ],
)
def test_what_is_no_strength(unchecked: None, strength: object, said: str) -> None:
    """A bare TypeError, it was, that named nothing."""
    for use in (lambda: restorer(PICTURE, strength=strength), lambda: restorer(PICTURE, keep=True).blend(strength)):
        with pytest.raises(UsageError, match=f"^{said}"):
            use()


@pytest.mark.parametrize("parts", [{"by_kind": 0.5}, {"others": "1"}, {"luma": None}, {"chroma": [1]}])
def test_what_is_no_part_of_a_strength(unchecked: None, parts: dict[str, object]) -> None:
    with pytest.raises(UsageError, match="expected a "):
        Strength(**parts)


@pytest.mark.parametrize("half", [np.float32(0.5), np.float64(0.5)])
def test_numpy_has_numbers_too(unchecked: None, half: float) -> None:
    same(restorer(PICTURE, strength=half).image, restorer(PICTURE, strength=0.5).image)
    same(restorer(PICTURE, strength={"noise": half}).image, restorer(PICTURE, strength=0.5).image)


@pytest.mark.parametrize("named", [{"luma": 2.0}, {"chroma": -0.1}, {"others": 1.5}])
def test_parts_of_a_strength_out_of_range(named: dict[str, float]) -> None:
    with pytest.raises(UsageError, match="expected 0 to 1"):
        Strength(**named)


def test_strengths_can_be_compared_and_hashed() -> None:
    assert hash(Strength({"noise": 0.5})) == hash(Strength({"noise": 0.5}))
    assert Strength({"noise": 0.5}) == Strength.of({"noise": 0.5}) != Strength(others=0.5)


def test_luma_and_chroma_are_weighed_apart() -> None:
    """BT.601: what is kept of luma is that share of its change, and the colour differences keep theirs."""
    before, after = torch.rand(2, 3, 8, 9, generator=torch.Generator().manual_seed(0)) / 8 + 0.4  # nothing is clipped
    whole = Region(0, 0, 8, 9)
    for luma, chroma in ((0.0, 1.0), (1.0, 0.0), (0.4, 0.9)):
        got = Blend(Planes(before), [("noise", Planes(after))], Strength(luma=luma, chroma=chroma)).read(whole)
        change, full = got - before, after - before
        weights = torch.tensor(LUMA)[:, None, None]
        bright, all_bright = (weights * change).sum(dim=0), (weights * full).sum(dim=0)
        torch.testing.assert_close(bright, luma * all_bright)
        torch.testing.assert_close(change - bright, chroma * (full - all_bright))


def test_each_step_is_weighed_by_its_own_change() -> None:
    pictures = [Planes(torch.full((3, 2, 2), value)) for value in (0.2, 0.5, 0.6)]
    steps = [("noise", pictures[1]), ("blur", pictures[2])]
    blend = Blend(pictures[0], steps, Strength({"noise": 0.5}))
    assert (blend.height, blend.width) == (2, 2)
    torch.testing.assert_close(blend.read(Region(0, 0, 2, 2)), torch.full((3, 2, 2), 0.2 + 0.15 + 0.1))


def test_what_was_only_looked_at_is_no_repair_to_blend() -> None:
    """At strength 0 nothing was done that another strength could be made of."""
    photo = np.random.default_rng(0).integers(0, 256, (32, 32, 3), np.uint8)
    looked = Restorer(Always("negative"), {"negative": lambda pixels: 1 - pixels})(photo, strength=0, keep=True)
    with pytest.raises(UsageError, match="nothing was repaired, at strength 0"):
        looked.blend(1)
    with pytest.raises(UsageError, match="nothing was repaired, at strength 0"):
        looked.blend({"negative": 0.5})
    told = restorer(PICTURE, kinds=["noise"], strength=0)
    assert [repair.kind for repair in told.left] == ["noise"]
    with pytest.raises(UsageError, match="nothing was repaired, at strength 0"):
        told.blend(0.5)


def test_where_no_sample_changes_the_picture_is_the_one_that_came() -> None:
    """Grey has no chroma: at luma 0 nothing is left of a repair, and it was said to have changed."""
    grey = np.repeat(PICTURE[..., :1], 3, axis=2)
    result = restorer(grey, kinds=["noise"], strength=Strength(luma=0))
    assert (result.experts, result.changed, result.to_dict()["changed"]) == (("noise",), False, False)
    assert restorer(grey, kinds=["noise"], strength=Strength(luma=0.5)).changed
    nothing = Restorer(Always("noise"), {"noise": lambda pixels: pixels})
    for keep in (False, True):
        assert not nothing(PICTURE, kinds=["noise"], keep=keep).changed
    kept = restorer(grey, kinds=["noise"], strength=Strength(luma=0), keep=True)
    assert not kept.changed
    assert kept.blend(1).changed
    with pytest.raises(UsageError, match="`keep=True`"):
        result.blend(1)  # what was changed before it was weighed is not there


def test_a_result_and_what_is_in_it_print_no_samples() -> None:
    result = restorer(PICTURE, kinds=["noise"], keep=True)
    assert repr(result) == "Result(20 × 24 pixels, experts=('noise',), changed=True, warnings=())"
    assert repr(result.residuals) == "Residuals(20 × 24 pixels, steps=['noise'])"
    looked = restorer(PICTURE)
    assert "Crop" not in repr(replace(looked.steps[0].diagnosis, crops=(Crop(0, 0, 20, {"noise": 1.0}),)))
    assert len(repr(looked.steps)) < 400
