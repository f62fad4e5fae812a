from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from torch import Generator, Tensor

from darnet.data.augmentation import Augmentation
from darnet.data.material import Pairs
from darnet.data.scenes import Scenes
from darnet.data.storage import Storage
from darnet.data.synthesis import Synthesis
from darnet.degradations import Clean, GaussianBlur, GaussianNoise, Haze, Overexposure
from darnet.imaging.chain import Chain
from darnet.models.views import Thumbnail

KINDS = ("clean", "noise", "blur", "overexposure")
THUMBNAIL = Thumbnail(8)


def photo(index: int, height: int = 60, width: int = 80) -> Tensor:
    return torch.randint(0, 256, (3, height, width), generator=Generator().manual_seed(index)).to(torch.uint8)


PHOTOS = [photo(i) for i in range(4)]
ALL = Synthesis(
    PHOTOS, (Clean(), GaussianNoise(), GaussianBlur(), Overexposure()), (1.0, 1.0, 1.0, 1.0), KINDS, crop_px=16
)


def rng(seed: int = 0) -> Generator:
    return Generator().manual_seed(seed)


def test_a_batch_follows_from_its_seed() -> None:
    first, second, other = ALL(16, rng(1)), ALL(16, rng(1)), ALL(16, rng(2))
    assert torch.equal(first.degraded, second.degraded)
    assert torch.equal(first.label, second.label)
    assert not torch.equal(first.clean, other.clean)


def test_labels_and_severities_say_what_was_done() -> None:
    batch = ALL(64, rng())
    assert batch.degraded.shape == batch.clean.shape == (64, 3, 16, 16)
    assert set(batch.label.tolist()) == {0, 1, 2, 3}
    for kind, (low, high) in enumerate([(0, 0), (5, 50), (0.5, 3), (1.2, 2.2)]):
        severities = batch.severity[batch.label == kind]
        assert low <= float(severities.min()) <= float(severities.max()) <= high
        changed = (batch.degraded != batch.clean)[batch.label == kind].any()
        assert bool(changed) == (kind != 0)


def test_inputs_hold_what_8_bit_files_hold() -> None:
    levels = ALL(32, rng()).degraded * 255
    torch.testing.assert_close(levels, levels.round(), atol=1e-3, rtol=0)
    exact = replace(ALL, rounding="none")(32, rng()).degraded * 255
    assert not torch.allclose(exact, exact.round(), atol=1e-3)


def test_a_blurred_crop_is_cut_from_a_blurred_picture() -> None:
    """Its border shows what lay outside, not a mirror of what lies inside."""
    blur = GaussianBlur((2.0, 2.0))
    batch = Synthesis(PHOTOS[:1], (blur,), (1.0,), KINDS, crop_px=24, rounding="none", augment=False)(1, rng(3))
    whole = PHOTOS[0][None].float() / 255
    blurred = blur.apply(whole, torch.tensor([[2.0]]), rng())
    windows = blurred.unfold(2, 24, 1).unfold(3, 24, 1)  # every crop there is: (1, 3, Y, X, 24, 24)
    distance = (windows - batch.degraded[:, :, None, None]).abs().amax(dim=(0, 1, 4, 5))
    assert float(distance.min()) < 1e-5


def test_crops_of_pictures_that_are_too_small_are_mirrored() -> None:
    batch = Synthesis([photo(0, 20, 18)], (GaussianBlur(),), (1.0,), KINDS, crop_px=16)(2, rng())
    assert batch.clean.shape == (2, 3, 16, 16)


def test_thumbnails_show_the_whole_degraded_picture() -> None:
    synthesis = replace(
        ALL, sources=(Overexposure((2.0, 2.0)),), shares=(1.0,), views=THUMBNAIL, augment=False, rounding="none"
    )
    batch = replace(synthesis, crops_per_picture=2)(6, rng())
    assert batch.views is not None
    for first, second in zip(batch.views[::2], batch.views[1::2], strict=True):
        assert torch.equal(first, second)  # crops of one picture
    wanted = [THUMBNAIL((p[None].float() / 255 * 2).clamp(0, 1))[0] for p in PHOTOS]
    for thumbnail in batch.views:
        assert min(float((thumbnail - w).abs().max()) for w in wanted) < 1e-6


@pytest.mark.parametrize("shares", [(1.0, 0.0, 0.0, 0.0), (0.0, 0.0, 1.0, 0.0)])
def test_shares_decide_what_is_drawn(shares: tuple[float, ...]) -> None:
    labels = replace(ALL, shares=shares)(16, rng()).label.tolist()
    assert set(labels) == {shares.index(1.0)}


def test_augmentation_turns_and_flips() -> None:
    still = replace(ALL, sources=(Clean(),), shares=(1.0,), crop_px=60, photos=[photo(0, 60, 60)])
    turned = {tuple(still(1, rng(seed)).clean.flatten().tolist()) for seed in range(64)}
    assert len(turned) == 8
    fixed = replace(still, augment=False)
    assert len({tuple(fixed(1, rng(seed)).clean.flatten().tolist()) for seed in range(8)}) == 1


def test_crops_of_one_picture_follow_each_other_and_are_degraded_alike() -> None:
    flat = [torch.full((3, 40, 40), 20 * index, dtype=torch.uint8) for index in range(1, 6)]
    batch = replace(ALL, photos=flat, crops_per_picture=4)(24, rng())
    assert batch.crops_per_picture == 4
    for name in ("label", "severity"):
        values = getattr(batch, name).reshape(6, 4)
        assert torch.equal(values, values[:, :1].expand(6, 4))
    pictures = batch.clean.reshape(6, 4, -1)
    assert torch.equal(pictures, pictures[:, :1, :1].expand(pictures.shape))
    assert len(set(batch.severity.tolist())) > 1


def test_thumbnails_of_pictures_smaller_than_the_crop() -> None:
    small = replace(ALL, photos=[photo(0, 21, 18), photo(1, 30, 40)], crop_px=28, views=THUMBNAIL)
    assert small(12, rng()).clean.shape == (12, 3, 28, 28)


@pytest.mark.parametrize("views", [None, THUMBNAIL])
def test_grey_pictures_have_one_noise(views: Callable[[torch.Tensor], torch.Tensor] | None) -> None:
    noise = (GaussianNoise((25.0, 25.0)),)
    coloured = Synthesis(PHOTOS, noise, (1.0,), KINDS, crop_px=16, views=views)
    half = replace(coloured, grey=0.5, crops_per_picture=2)(64, rng(0))
    for pixels in (half.degraded, half.clean):
        grey = (pixels == pixels[:, :1]).flatten(1).all(dim=1)
        assert 8 < int(grey.sum()) < 56
        assert torch.equal(grey[0::2], grey[1::2])  # crops of one picture
    assert (half.degraded != half.clean).flatten(1).any(dim=1).all()
    assert (replace(coloured, grey=1.0)(8, rng(0)).degraded.diff(dim=1) == 0).all()


def test_without_grey_pictures_no_chance_is_used_up() -> None:
    """So that a recipe from before this option still makes the batches it made."""
    coloured = Synthesis(PHOTOS, (Clean(),), (1.0,), KINDS, crop_px=16)
    assert torch.equal(coloured(8, rng(0)).clean, replace(coloured, grey=0.0)(8, rng(0)).clean)
    picks = rng(0)
    coloured._grey(3, picks)
    assert torch.equal(picks.get_state(), rng(0).get_state())


def test_haze_thickens_over_the_scene_and_not_over_a_crop() -> None:
    black = [torch.zeros(3, 200, 200, dtype=torch.uint8)]
    hazy = Synthesis(black, (Haze((2.0, 2.0), (1.0, 1.0), (0.0, 0.0)),), (1.0,), ("haze",), crop_px=16)(24, rng())
    spans = hazy.degraded.amax(dim=(1, 2, 3)) - hazy.degraded.amin(dim=(1, 2, 3))
    assert float(spans.median()) < 0.3
    assert float(hazy.degraded.max() - hazy.degraded.min()) > 0.6
    assert hazy.views is None


def test_a_scene_is_as_large_as_it_may_be() -> None:
    """Its thumbnail shows 32 of 80 columns: never both ends of a picture that is dark on the left."""
    ramp = torch.arange(0, 240, 3).expand(3, 60, 80).to(torch.uint8)
    synthesis = Synthesis([ramp], (Clean(),), (1.0,), KINDS, crop_px=16, views=THUMBNAIL, augment=False)
    for scene_px, widest in ((32, 0.4), (None, 1.0)):
        thumbnail = replace(synthesis, scene_px=scene_px)(16, rng()).views
        assert thumbnail is not None
        spans = thumbnail.amax(dim=(1, 2, 3)) - thumbnail.amin(dim=(1, 2, 3))
        assert float(spans.max()) == pytest.approx(widest * 240 / 255 * 7 / 8, abs=0.03)


@pytest.mark.parametrize("crops_per_picture", [1, 2])
def test_crops_of_whole_pictures_are_told_where_they_lie(crops_per_picture: int) -> None:
    photos = [photo(index, 60, 60) for index in range(3)]
    sources = (Clean(), Pairs("noise", [(photos[0], photos[1])]), Chain(("clean", "noise")))
    made = Synthesis(photos, sources, (1.0, 1.0, 1.0), ("clean", "noise"), 16, views=lambda whole: whole)
    batch = replace(made, scenes=Scenes(photos, 60), crops_per_picture=crops_per_picture)(12, rng())
    assert batch.views is not None
    assert batch.box is not None
    assert len({tuple(box.tolist()) for box in batch.box}) > 6
    for crop, whole, box in zip(batch.degraded, batch.views, batch.box, strict=True):
        top, left, bottom, right = (box * 60).round().int().tolist()
        assert torch.equal(crop, whole[:, top:bottom, left:right])


def test_crops_of_whole_pictures_begin_where_they_are_asked_to() -> None:
    """A photo whose pixels say where they are."""
    rows, columns = torch.meshgrid(torch.arange(96), torch.arange(96), indexing="ij")
    place = torch.stack([rows, columns, torch.zeros(96, 96, dtype=torch.long)]).byte()
    pairs = Pairs("noise", [(place, place)])
    for align, allowed in ((16, {0, 16, 32, 48, 64}), (1, set(range(65)))):
        make = Synthesis([place], [pairs], [1.0], ["noise"], 32, augment=False, align_px=align)
        corners = (make(64, rng()).clean[:, :2, 0, 0] * 255).round().long()
        assert set(corners.flatten().tolist()) <= allowed
        assert len(set(corners.flatten().tolist())) > 3


def test_crops_of_a_pair_show_the_same_place() -> None:
    clean = [photo(index) // 2 for index in range(3)]
    pairs = Pairs("haze", [(picture + 100, picture) for picture in clean])
    synthesis = Synthesis(PHOTOS, (pairs, Clean()), (1.0, 1.0), ("clean", "haze"), crop_px=16, crops_per_picture=2)
    batch = synthesis(40, rng())
    real = batch.label == 1
    assert 0 < int(real.sum()) < 40
    torch.testing.assert_close(
        (batch.degraded - batch.clean)[real], torch.full((int(real.sum()), 3, 16, 16), 100 / 255)
    )
    assert not batch.severity.any()
    assert replace(synthesis, views=THUMBNAIL)(8, rng()).views.shape == (8, 3, 8, 8)


@pytest.mark.parametrize("views", [None, THUMBNAIL])
def test_some_pictures_were_saved_as_jpeg(views: Callable[[torch.Tensor], torch.Tensor] | None) -> None:
    plain = Synthesis(PHOTOS, (Clean(),), (1.0,), KINDS, crop_px=16, views=views)
    stored = replace(plain, storage=Storage(0.5, (40.0, 40.0)))(64, rng())
    changed = (stored.degraded != stored.clean).flatten(1).any(dim=1)
    assert 16 < int(changed.sum()) < 48
    assert float((stored.degraded - stored.clean).abs().mean()) < 0.15  # pictures of nothing but noise
    torch.testing.assert_close(stored.degraded, replace(plain, storage=Storage(0.5, (40.0, 40.0)))(64, rng()).degraded)
    assert torch.equal(plain(8, rng()).clean, plain(8, rng()).degraded)


@pytest.mark.parametrize("views", [None, THUMBNAIL])
def test_some_photos_are_varied_before_they_are_damaged(views: Callable[[Tensor], Tensor] | None) -> None:
    """The tones of a flat photo say whether it was."""
    flat = Synthesis([torch.full((3, 60, 80), 100, dtype=torch.uint8)], (Clean(),), (1.0,), KINDS, 16, views=views)
    varied = replace(flat, augmentation=Augmentation(0.5))(32, rng()).clean
    tones = {round(float(crop.mean()) * 255) for crop in varied}
    assert 100 in tones and len(tones) > 5
    assert {round(float(crop.mean()) * 255) for crop in flat(32, rng()).clean} == {100}


def test_a_router_is_shown_the_right_picture_of_every_other_pair() -> None:
    """In place of the damaged one: what their files have in common tells nothing then."""
    photos = [photo(index, 60, 60) // 2 for index in range(3)]
    pairs = Pairs("overexposure", [(one + 100, one) for one in photos], severities=[2.0] * 3)
    kinds = ("clean", "noise", "overexposure")
    made = Synthesis(photos, (pairs, Chain(kinds)), (1.0, 1e-9), kinds, 16, views=THUMBNAIL, crops_per_picture=2)
    batch = replace(made, scenes=Scenes(photos, 60))(80, rng())
    assert batch.presence is not None
    right = (batch.degraded == batch.clean).flatten(1).all(dim=1)
    assert 0.25 < float(right.float().mean()) < 0.75
    assert torch.equal(right, batch.label == 0)
    assert torch.equal(batch.presence[:, 2], 1.0 - right.float())
    assert bool(batch.presence[:, 1].isnan().all())  # of noise nobody knows
    assert torch.equal(batch.severity, 2.0 * ~right)
    seen = made.views(batch.clean)
    assert batch.views is not None
    assert float((batch.views.mean(dim=(1, 2, 3)) - seen.mean(dim=(1, 2, 3)))[right].abs().max()) < 0.1
    expert = replace(made, sources=(pairs, Chain(kinds, "overexposure")), scenes=Scenes(photos, 60))(40, rng())
    assert bool((expert.label == 2).all())


@pytest.mark.parametrize(("kind", "seen"), [("overexposure", "smaller"), ("noise", "as it is")])
def test_a_router_sees_pairs_smaller_whose_damage_has_no_size_in_pixels(kind: str, seen: str) -> None:
    """Little is left then of how their files were kept."""
    fine = (torch.arange(64)[:, None] + torch.arange(64)[None]) % 2 * 200  # pixel by pixel: dark and bright
    one = fine.to(torch.uint8).expand(3, 64, 64).contiguous()
    kinds = ("clean", "noise", "overexposure")
    made = Synthesis([one], (Pairs(kind, [(one, one)]), Chain(kinds)), (1.0, 1e-9), kinds, 16, scenes=Scenes([one], 60))
    spread = made(40, rng()).degraded.flatten(1).std(dim=1)
    assert bool((spread < 0.35).any()) == (seen == "smaller")
    expert = replace(made, sources=(Pairs(kind, [(one, one)]), Chain(kinds, kind)))
    assert float(expert(40, rng()).degraded.flatten(1).std(dim=1).min()) > 0.35
