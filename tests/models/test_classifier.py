from __future__ import annotations

import torch

from darnet.models.classifier import BIN_STARTS, TONES, DegradationClassifier, tone_histogram

KINDS = ["clean", "noise", "blur", "overexposure"]


def test_it_routes_hard_and_estimates_positive_levels() -> None:
    output = DegradationClassifier(KINDS, 4)(torch.rand(5, 3, 32, 32))
    assert output.image is None
    (routing,) = output.routings
    assert routing.weights.shape == (5, 4)
    assert routing.weights.sum(dim=1).tolist() == [1.0] * 5
    assert output.levels is not None
    assert bool((output.levels > 0).all())


def test_what_ships_is_lightweight() -> None:
    with torch.device("meta"):
        size = sum(weight.numel() for weight in DegradationClassifier(KINDS, thumbnail_px=64).parameters())
    assert 0.1e6 < size < 0.5e6


def test_the_whole_picture_is_looked_at_where_it_is_wanted() -> None:
    torch.manual_seed(0)
    crop, context = torch.rand(1, 3, 32, 32), torch.rand(1, 3, 16, 16)
    looking, blind = (DegradationClassifier(KINDS, 4, thumbnail_px=px).eval() for px in (16, 0))
    told, other = (looking(crop, picture).routings[0].logits for picture in (context, 1 - context))
    assert not torch.allclose(told, other)
    assert blind.context is None
    torch.testing.assert_close(
        looking(crop).routings[0].logits, looking(crop, looking.context(crop)).routings[0].logits
    )


def test_the_tone_histogram_counts_levels() -> None:
    picture = torch.zeros(1, 3, 2, 2)
    picture[0, 0] = 1.0  # red is clipped everywhere
    picture[0, 1, 0] = 100 / 255  # green in half the pixels
    features = tone_histogram(picture)
    assert features.shape == (1, TONES)
    shares = (features / (TONES / 3) ** 0.5).square()[0]
    mean, largest, clipped = shares.split([len(BIN_STARTS), len(BIN_STARTS), 3])
    assert torch.isclose(mean.sum(), torch.tensor(1.0))
    bins = {start: index for index, start in enumerate(BIN_STARTS)}
    assert torch.allclose(mean[[bins[0], bins[96], bins[255]]], torch.tensor([0.5, 1 / 6, 1 / 3]))
    assert torch.allclose(largest[[bins[0], bins[96], bins[255]]], torch.tensor([1.0, 0.5, 1.0]))
    assert clipped.tolist() == [1.0, 0.0, 0.0]


def test_noise_in_the_last_bit_changes_no_bin_of_grey() -> None:
    grey = torch.full((1, 3, 4, 4), 100 / 255)
    assert torch.equal(tone_histogram(grey), tone_histogram(grey + 0.4 / 255))
