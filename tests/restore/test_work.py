"""What a plan comes down to: steps, parts of pictures, and what is not worth having."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor

from darnet.errors import DarnetError, ImageError, UsageError
from darnet.images.image import Image
from darnet.images.regions import RegionSource
from darnet.restore.diagnosis import Crop, Diagnosis
from darnet.restore.restorer import Restorer
from darnet.restore.result import Result
from darnet.restore.routers import Always, RegionRouter
from darnet.restore.strength import Strength

RNG = np.random.default_rng(0)
CLEAN = RNG.integers(60, 190, (96, 128, 3), dtype=np.uint8)


class Script(RegionRouter):
    """Gives prepared scores, one a look; the crops of a closer look are all that a picture of halves is."""

    def __init__(self, *scores: dict[str, float], crops: Sequence[Crop] = ()) -> None:
        self.scores, self.crops, self.looks = list(scores), tuple(crops), 0

    def look(self, source: RegionSource) -> Diagnosis:
        self.looks += 1
        scores = self.scores.pop(0)
        return Diagnosis({"clean": 1 - max(scores.values()), **scores}, {}, self.crops)

    def look_closely(self, source: RegionSource) -> Sequence[Crop]:
        return self.crops


def add(levels: float):
    return lambda pixels: (pixels + levels / 255).clamp(0, 1)


EXPERTS = {"noise": add(20), "jpeg": add(-10), "haze": add(0.4), "blur": add(5)}


def test_a_picture_with_one_kind_is_looked_at_once() -> None:
    router = Script({"noise": 0.9, "blur": 0.1})
    result = Restorer(router, EXPERTS)(CLEAN)
    assert (result.experts, router.looks, len(result.steps)) == (("noise",), 1, 1)


def test_a_plan_is_revised_by_what_each_step_leaves() -> None:
    second = {"noise": 0.4, "jpeg": 0.0, "blur": 0.9}
    router = Script({"noise": 0.9, "jpeg": 0.8, "blur": 0.3}, second, {"blur": 0.9, "noise": 0.0})
    result = Restorer(router, EXPERTS)(CLEAN)
    assert result.experts == ("jpeg", "noise", "blur")
    assert [[repair.kind for repair in step.plan] for step in result.steps] == [
        ["jpeg", "noise"],
        ["noise", "blur"],
        ["blur"],
    ]
    np.testing.assert_array_equal(result.image, CLEAN - 10 + 20 + 5)
    assert [repair.kind for repair in result.plan] == ["jpeg", "noise"]


def test_a_step_that_changes_nothing_worth_having_is_taken_back() -> None:
    """Less than half a level: the picture is what it was, and the plan goes on."""
    router = Script({"haze": 0.9})
    result = Restorer(router, EXPERTS)(CLEAN)
    assert not result.changed
    assert result.experts == ()
    assert result.steps[0].note == "haze: nothing worth having changed"
    assert result.warnings == ("haze: nothing worth having changed",)
    again = Restorer(Script({"haze": 0.9, "noise": 0.9}, {"haze": 0.9}), EXPERTS)(CLEAN)
    assert again.experts == ("noise",)
    np.testing.assert_array_equal(again.image, CLEAN + 20)
    faint = Restorer(Script({"jpeg": 0.9, "blur": 0.9}, {"blur": 0.9}), EXPERTS | {"jpeg": add(0.1)})(CLEAN)
    np.testing.assert_array_equal(faint.image, CLEAN + 5)


@pytest.mark.parametrize(
    ("scores", "max_steps", "experts", "warnings"),
    [
        ({"haze": 0.95, "noise": 0.9}, 1, ("noise",), ()),
        ({"haze": 0.95, "noise": 0.9, "jpeg": 0.8}, 1, ("noise",), ("jpeg not repaired: `max_steps=1`",)),
        ({"haze": 0.95, "noise": 0.9, "jpeg": 0.8}, 2, ("noise", "jpeg"), ()),
        ({"noise": 0.95, "haze": 0.9, "blur": 0.8}, 2, ("noise", "blur"), ()),
    ],
)
def test_what_is_taken_back_is_none_of_the_steps_that_may_be_done(
    scores: dict[str, float], max_steps: int, experts: tuple[str, ...], warnings: tuple[str, ...]
) -> None:
    """And nothing is said to be left out that was repaired in its place."""
    for keep in (False, True):
        router = Script(*[dict(scores) for _ in range(4)])
        result = Restorer(router, EXPERTS, max_steps=max_steps)(CLEAN, keep=keep)
        assert result.experts == experts
        assert set(result.warnings) == {"haze: nothing worth having changed", *warnings}
        assert [step.note for step in result.steps if step.expert is None] == ["haze: nothing worth having changed"]
        assert router.looks == len(experts), "the picture that nothing changed is not looked at again"
        np.testing.assert_array_equal(
            result.image, CLEAN + sum({"noise": 20, "jpeg": -10, "blur": 5}[k] for k in experts)
        )


def test_what_is_repaired_in_the_end_is_not_said_to_be_left_alone() -> None:
    result = Restorer(Script({"noise": 0.9, "blur": 0.55}, {"blur": 0.9}), EXPERTS)(CLEAN)
    assert (result.experts, result.warnings) == (("noise", "blur"), ())


def test_who_says_what_is_wrong_gets_it_whatever_it_changes() -> None:
    result = Restorer(Always("clean"), EXPERTS)(CLEAN, kinds=["haze"])
    assert result.experts == ("haze",)


@pytest.mark.parametrize(("presence", "changed"), [(0.5, 16), (0.75, 18), (0.97, 20)])
def test_a_soft_repair_counts_by_how_likely_it_is(presence: float, changed: int) -> None:
    """Four times the odds, of twenty levels: 4/5, 12/13, and nearly all."""
    soft = Restorer(Script({"noise": presence}), EXPERTS, 0.5, soft=["noise"])
    np.testing.assert_array_equal(soft(CLEAN).image, CLEAN + changed)


def test_a_soft_repair_counts_whole_where_it_is_asked_for() -> None:
    told = Restorer(Always("clean"), EXPERTS, soft=["noise"])
    np.testing.assert_array_equal(told(CLEAN, kinds=["noise"]).image, CLEAN + 20)  # who is told is certain


def noisy_half() -> tuple[np.ndarray, Script]:
    noise = np.zeros(CLEAN.shape)
    noise[48:] = RNG.normal(0, 25, (48, 128, 3))
    crops = [
        Crop(top, left, 32, {"noise": 0.99 if top >= 48 else 0.5 if top > 16 else 0.001})
        for top in range(0, 65, 16)
        for left in range(0, 97, 16)
    ]
    return (CLEAN + noise).clip(0, 255).round().astype(np.uint8), Script({"noise": 0.9}, crops=crops)


def test_what_befell_a_part_is_repaired_there_and_nothing_else_changes() -> None:
    """An expert that sees a clean part beside the damage is shown a picture that has the damage everywhere."""
    picture, router = noisy_half()
    seen = list[Tensor]()

    def expert(pixels: Tensor) -> Tensor:
        seen.append(pixels.clone())
        return torch.from_numpy(CLEAN / 255).permute(2, 0, 1).float() + 0.5 / 255

    result = Restorer(router, {"noise": expert})(picture)
    assert result.experts == ("noise",)
    assert result.steps[0].share == pytest.approx(0.5, abs=0.02)
    places = result.places["noise"]
    assert places.shape == (96, 128)
    np.testing.assert_array_equal(result.image[~places], picture[~places])
    assert (result.image[:46] == picture[:46]).all()
    assert np.abs(result.image[50:].astype(int) - CLEAN[50:]).max() <= 1
    first, damaged, filled = seen
    assert float((damaged[:, :40] - first[:, :40]).abs().mean()) > 0.02  # once more with noise
    assert float((filled[:, :40] - first[:, :40]).abs().mean()) > 0.02  # made up from what is noisy
    assert torch.equal(filled[:, 52:], first[:, 52:])


def test_of_a_kind_that_is_left_alone_the_last_word_is_said() -> None:
    """Not that of each look; and no hint has repaired everywhere what was repaired in a part."""
    picture, router = noisy_half()
    router.scores = [{"noise": 0.9, "haze": 0.58}, {"noise": 0.1, "haze": 0.52}]
    expert = lambda pixels: torch.from_numpy(CLEAN / 255).permute(2, 0, 1).float() + 0.5 / 255  # noqa: E731
    result = Restorer(router, {**EXPERTS, "noise": expert}, min_confidence=0.7)(picture)
    assert [*result.places] == ["noise"]
    assert result.warnings == ("haze not repaired: 58 % at first, 52 % after noise; try `kinds=['haze']`",)


def test_a_part_in_which_nothing_is_found_is_left_alone() -> None:
    picture, router = noisy_half()
    result = Restorer(router, {"noise": lambda pixels: pixels})(picture)
    assert not result.changed
    assert "nothing worth having" in result.steps[0].note
    assert result.places == {}


def test_a_mask_says_where_to_the_pixel() -> None:
    mask = np.zeros((96, 128), np.uint8)
    mask[10:50, 20:70], mask[50:60, 20:70] = 255, 51
    result = Restorer(Always("noise"), {"noise": add(20)})(CLEAN, mask=mask)
    np.testing.assert_array_equal(result.image[mask == 0], CLEAN[mask == 0])
    np.testing.assert_array_equal(result.image[mask == 255], CLEAN[mask == 255] + 20)
    np.testing.assert_array_equal(result.image[mask == 51], CLEAN[mask == 51] + 4)  # a fifth
    told = Restorer(Always("clean"), {"noise": add(20)})(CLEAN, kinds=["noise"], mask=mask)
    np.testing.assert_array_equal(told.image, result.image)


def test_what_is_transparent_in_a_mask_is_black() -> None:
    """Whatever colour hides there: an editor leaves white, or what was painted before."""
    mask = np.full((96, 128, 4), 255, np.uint8)
    mask[:50, :, 3], mask[50:60, :, 3] = 0, 51
    system = Restorer(Always("noise"), {"noise": add(20)})
    for given in (mask, mask.astype(np.uint16) * 257, np.dstack([mask[..., 0], mask[..., 3]]).astype(np.float32) / 255):
        result = system(CLEAN, mask=given)
        np.testing.assert_array_equal(result.image[:50], CLEAN[:50])
        np.testing.assert_array_equal(result.image[50:60], CLEAN[50:60] + 4)  # a fifth
        np.testing.assert_array_equal(result.image[60:], CLEAN[60:] + 20)


def test_what_is_masked_is_not_judged() -> None:
    seen = list[Tensor]()

    def router(pixels: Tensor) -> Diagnosis:
        seen.append(pixels)
        return Diagnosis({"clean": 1.0})

    mask = np.zeros((96, 128), np.uint8)
    mask[16:48, 32:64] = 255
    Restorer(router, EXPERTS)(CLEAN, mask=mask)
    assert seen[0].shape == (3, 32, 32)


def test_the_share_is_of_the_picture_and_truth_values_are_a_mask() -> None:
    picture, router = noisy_half()
    framed = np.pad(picture, ((64, 64), (0, 0), (0, 0)), constant_values=245)
    expert = lambda pixels: torch.from_numpy(CLEAN / 255).permute(2, 0, 1).float() + 0.5 / 255  # noqa: E731
    result = Restorer(router, {"noise": expert})(framed)
    assert result.steps[0].share == result.places["noise"].mean() == pytest.approx(0.5 * 96 / 224, abs=0.02)
    half = np.arange(96)[:, None] >= 48 + np.zeros(128)
    after = Restorer(Always("noise"), {"noise": add(20)})(CLEAN, mask=half).image
    np.testing.assert_array_equal(after, np.where(half[..., None], CLEAN + 20, CLEAN))


def test_all_shares_are_of_the_picture_whatever_is_masked() -> None:
    """Planned or done, of a part or of all that may be repaired: what is printed, and what is in JSON."""
    mask = np.zeros((96, 128), bool)
    mask[:48] = True
    whole = Restorer(Always("noise"), EXPERTS)
    told = Restorer(Always("clean"), EXPERTS)(CLEAN, kinds=["noise"], mask=mask)
    for result in (whole(CLEAN, mask=mask), told):
        assert [step.share for step in result.steps] == [repair.share for repair in result.plan] == [0.5]
    assert str(whole(CLEAN, mask=mask, strength=0).plan[0]) == "noise in about 50 % of the picture"
    assert whole(CLEAN).steps[0].share == 1
    crops = [Crop(top, 0, 128, {"noise": seen}) for top, seen in ((0, 0.99), (64, 0.0))]
    wide = np.pad(CLEAN, ((0, 96), (0, 0), (0, 0)), mode="reflect")
    upper = np.arange(192)[:, None] < 96 + np.zeros(128)
    planned = Restorer(Script({"noise": 0.9}, crops=crops), EXPERTS)(wide, strength=0, mask=upper)
    assert planned.plan[0].share == 0.25  # a half of the half


def test_truth_values_are_a_mask_in_a_tensor_too() -> None:
    half = torch.arange(96)[:, None] >= 48 + torch.zeros(128)
    system = Restorer(Always("noise"), {"noise": add(20)})
    for mask in (half, half[None]):
        np.testing.assert_array_equal(system(CLEAN, mask=mask).image, system(CLEAN, mask=half.numpy()).image)


@pytest.mark.parametrize(
    ("mask", "said"),
    [
        ([1, 2], "`mask`: a picture is a path, .* not list"),
        (np.zeros((96, 128), np.int64), "`mask`: pixels are uint8"),
        (torch.zeros(2, 96, 128), "`mask`: a tensor picture has shape"),
        ("gone.png", "gone.png: `mask`: no such file"),
    ],
)
def test_what_is_no_mask_is_said_of_the_mask(mask: object, said: str, unchecked: None) -> None:
    with pytest.raises(DarnetError, match=f"^{said}"):
        Restorer(Always("noise"), EXPERTS)(CLEAN, mask=mask)


@pytest.mark.parametrize("shape", [(96, 127), (1, 1)])
def test_a_mask_of_another_size_is_refused(shape: tuple[int, int]) -> None:
    with pytest.raises(
        UsageError, match=rf"`mask`: it has {shape[1]} × {shape[0]} pixels, and the picture has 128 × 96"
    ):
        Restorer(Always("noise"), EXPERTS)(CLEAN, mask=np.ones(shape, np.uint8))


def test_a_mask_that_cannot_be_read_is_named(tmp_path) -> None:
    (tmp_path / "mask.png").write_bytes(b"no picture")
    with pytest.raises(ImageError, match=r"mask\.png"):
        Restorer(Always("noise"), EXPERTS)(CLEAN, mask=tmp_path / "mask.png")


def test_a_black_mask_leaves_everything() -> None:
    result = Restorer(Always("noise"), EXPERTS)(CLEAN, mask=np.zeros((96, 128), np.uint8))
    assert not result.changed
    assert result.warnings == ("left alone: all of it is hidden by alpha or the mask",)


def test_at_no_strength_only_a_plan_is_made() -> None:
    result = Restorer(Script({"noise": 0.9, "jpeg": 0.8}), EXPERTS)(CLEAN, strength=0)
    assert not result.changed
    assert [repair.kind for repair in result.plan] == ["jpeg", "noise"]
    told = Restorer(Always("clean"), EXPERTS)(CLEAN, kinds=["haze"], strength=Strength(luma=0, chroma=0))
    assert [repair.kind for repair in told.plan] == [repair.kind for repair in told.left] == ["haze"]
    assert (told.steps, result.left) == ((), result.plan)
    assert [repair["kind"] for repair in told.to_dict()["left"]] == ["haze"]
    assert not told.changed


@pytest.mark.parametrize("keep", [False, True])
@pytest.mark.parametrize("told", [False, True])
@pytest.mark.parametrize(
    "strength", [{"noise": 0, "jpeg": 0}, Strength({"jpeg": 0}, others=0), Strength({"noise": 0, "jpeg": 0}, luma=0.5)]
)
def test_where_every_kind_of_a_plan_is_at_0_it_is_as_at_0(strength: object, told: bool, keep: bool) -> None:
    def run(strength: object) -> Result[np.ndarray]:
        kinds = ("jpeg", "noise") if told else ()
        router = Script({"noise": 0.9, "jpeg": 0.8})
        return Restorer(router, EXPERTS)(CLEAN, kinds=kinds, strength=strength, keep=keep)

    result, nothing = run(strength), run(0)
    assert not result.changed
    assert result.residuals is None
    assert [replace(step, seconds=0) for step in result.steps] == [replace(step, seconds=0) for step in nothing.steps]
    assert result.warnings == nothing.warnings


def test_a_repair_of_which_nothing_is_kept_is_done_where_another_depends_on_it() -> None:
    """It is what a blend of all steps is: only those behind the last of which anything is kept are left out."""
    expert = {"noise": lambda pixels: pixels * 0.5, "jpeg": add(-10)}

    def run(strength: object, *, keep: bool = False, **options: object) -> Result[np.ndarray]:
        router = Script({"noise": 0.9, "jpeg": 0.8}, {"noise": 0.9})
        return Restorer(router, expert)(CLEAN, strength=strength, keep=keep, **options)

    for options in ({}, {"kinds": ("jpeg", "noise")}):
        kept = run(1, keep=True, **options)
        for strength, experts in {"noise": ("jpeg",), "jpeg": ("jpeg", "noise")}.items():
            result = run({strength: 0}, **options)
            assert result.experts == experts
            assert [repair.kind for repair in result.left] == ["noise"] * (experts == ("jpeg",))
            assert {step.expert for step in result.steps if step.diagnosis is None} <= {*experts}
            np.testing.assert_array_equal(result.image, kept.blend({strength: 0}).image)
            whole = run({strength: 0}, keep=True, **options)
            assert whole.experts == ("jpeg", "noise")
            np.testing.assert_array_equal(whole.image, result.image)
            np.testing.assert_array_equal(whole.blend(1).image, kept.image)


def test_a_heat_map_shows_where() -> None:
    picture, router = noisy_half()
    system = Restorer(router, EXPERTS)
    drawn = system.heat_map(picture, ["noise"]).array.astype(int)
    assert drawn.shape == picture.shape
    coloured = drawn.max(axis=2) - drawn.min(axis=2)
    assert coloured[:12].max() < 10 < coloured[56:70].min()  # the legend is below
    with pytest.raises(UsageError, match="Always does not say where"):
        Restorer(Always("noise"), EXPERTS).heat_map(picture)
    with pytest.raises(UsageError, match="all of it has one colour"):
        system.heat_map(Image.of(np.full((64, 64, 3), 7, np.uint8)))


@pytest.mark.parametrize("hide", ["frame", "alpha"])
def test_a_heat_map_has_no_colour_where_nobody_looks(hide: str) -> None:
    """The outermost crops went on to the border of the picture."""
    crops = [Crop(top, left, 32, {"noise": 0.99}) for top in (0, 64) for left in (0, 96)]
    outside = np.pad(np.zeros((96, 128), bool), 40, constant_values=True)
    picture = Image.of(np.pad(CLEAN, ((40, 40), (40, 40), (0, 0)), constant_values=200 if hide == "frame" else 90))
    if hide == "alpha":
        picture = replace(picture, alpha=np.where(outside, 0, 255).astype(np.uint8))
    drawn = Restorer(Script(crops=crops), EXPERTS).heat_map(picture, ["noise"]).array.astype(int)
    coloured = drawn.max(axis=2) - drawn.min(axis=2)
    legend = np.zeros_like(outside)
    legend[-24:, :80] = True
    assert coloured[outside & ~legend].max() == 0
    assert coloured[~outside].min() > 10


def test_where_nothing_was_repaired_the_share_is_none() -> None:
    looked = Restorer(Script({"noise": 0.9}), EXPERTS)(CLEAN, strength=0)
    assert [(step.expert, step.share) for step in looked.steps] == [(None, 0.0)]
    again = Restorer(Script({"noise": 0.9, "blur": 0.3}, {"noise": 0.0}), EXPERTS)(CLEAN)
    assert [(step.expert, step.share) for step in again.steps] == [("noise", 1.0), (None, 0.0)]


def test_a_mask_of_zeros_and_ones_is_refused_where_white_is_255() -> None:
    """As most segmentations come; it would repair a 255th."""
    mask = np.zeros(CLEAN.shape[:2], np.uint8)
    mask[:10] = 1
    with pytest.raises(UsageError, match="`mask`: it is 1 of 255 where it is not black; white is 255, or true"):
        Restorer(Always("noise"), EXPERTS)(CLEAN, mask=mask)
    assert Restorer(Always("noise"), EXPERTS)(CLEAN, mask=mask.astype(bool)).changed
