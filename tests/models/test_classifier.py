from __future__ import annotations

from collections.abc import Sequence

import pytest
import torch

from darnet.models.base import Output
from darnet.models.classifier import BIN_STARTS, TONES, DegradationClassifier, tone_histogram
from darnet.routing import Routing

KINDS = ["clean", "noise", "blur", "overexposure"]


def test_it_routes_hard_and_estimates_positive_severities() -> None:
    output = DegradationClassifier(KINDS, 4)(torch.rand(5, 3, 32, 32))
    assert output.image is None
    (routing,) = output.routings
    assert routing.weights.shape == (5, 4)
    assert routing.weights.sum(dim=1).tolist() == [1.0] * 5
    assert output.severities is not None
    assert bool((output.severities > 0).all())


def test_what_ships_is_lightweight() -> None:
    with torch.device("meta"):
        size = sum(weight.numel() for weight in DegradationClassifier(KINDS, thumbnail_px=64).parameters())
    assert 0.1e6 < size < 0.5e6


def test_residual_blocks_deepen_it_and_begin_as_nothing() -> None:
    """Behind the convolutions at 1/8 and 1/16, and nothing else: weights of a network without them still fit."""
    torch.manual_seed(0)
    deep, plain = DegradationClassifier(KINDS, 4, blocks=2).eval(), DegradationClassifier(KINDS, 4).eval()
    added = set(deep.state_dict()) - set(plain.state_dict())
    assert {name.split(".")[1] for name in added} == {"1", "2"}
    plain.load_state_dict({name: weight for name, weight in deep.state_dict().items() if name not in added})
    crop = torch.rand(1, 3, 32, 32)
    torch.testing.assert_close(deep(crop).routings[0].logits, plain(crop).routings[0].logits)


def test_it_says_which_kind_means_none() -> None:
    crop = torch.rand(1, 3, 32, 32)
    assert DegradationClassifier(["noise", "clean"], 4)(crop).clean == 1
    assert DegradationClassifier(["noise", "blur"], 4)(crop).clean is None


def test_ranges_of_severities() -> None:
    model = DegradationClassifier(KINDS, 4, ranges={"noise": [5, 50], "haze": [1, 2]})
    assert model.ranges == {"noise": (5, 50)}  # what it does not know has no range either
    for wrong in ([50, 5], [0, 1], [1.0]):
        with pytest.raises(ValueError):
            DegradationClassifier(KINDS, 4, ranges={"noise": wrong})


def test_the_whole_picture_is_looked_at_where_it_is_wanted() -> None:
    torch.manual_seed(0)
    crop, thumbnail = torch.rand(1, 3, 32, 32), torch.rand(1, 3, 16, 16)
    looking, blind = (DegradationClassifier(KINDS, 4, thumbnail_px=px).eval() for px in (16, 0))
    told, other = (looking(crop, looking.encode(picture)).routings[0].logits for picture in (thumbnail, 1 - thumbnail))
    assert not torch.allclose(told, other)
    assert blind.views is None
    torch.testing.assert_close(looking(crop).routings[0].logits, looking(crop, looking.look(crop)).routings[0].logits)


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


def judge(kinds: Sequence[str]) -> DegradationClassifier:
    """A classifier whose verdict weighs everything, each weight with a value of its own."""
    model = DegradationClassifier(kinds, width=4).eval()
    model.weighing.copy_(torch.randn(model.weighing.shape, generator=torch.Generator().manual_seed(len(kinds))))
    model.bias.copy_(torch.arange(len(kinds)).float())
    return model


def test_a_verdict_is_the_mean_until_it_is_fitted() -> None:
    model = DegradationClassifier(("clean", "noise", "blur"), width=4).eval()
    output = model(torch.rand(6, 3, 16, 16))
    torch.testing.assert_close(model.verdict(output, 3), output.routings[-1].logits.reshape(2, 3, 3).mean(dim=1))


def test_a_verdict_weighs_what_the_crops_of_each_picture_say() -> None:
    model = judge(("clean", "noise"))
    logits = torch.tensor([[1.0, 2.0], [3.0, -2.0], [0.0, 0.0], [0.0, 4.0]])
    output = Output(
        routings=(Routing.hard(logits),), severities=torch.tensor([[1.0, 2.0], [1.0, 8.0], [1.0, 1.0], [4.0, 1.0]])
    )
    expected = torch.tensor(
        [
            [2.0, 0.0, 1.0, 2.0, -1.0, -2.0, 0.0, torch.tensor(4.0).log()],
            [0.0, 2.0, 0.0, 2.0, 0.0, -2.0, torch.tensor(2.0).log(), 0.0],
        ]
    )
    torch.testing.assert_close(model.evidence(output, 2), expected)
    torch.testing.assert_close(model.verdict(output, 2), expected @ model.weighing.T + model.bias)
    with pytest.raises(ValueError, match="no severities"):
        model.verdict(Output(routings=output.routings), 2)


def test_a_wider_router_judges_known_kinds_as_before() -> None:
    """What concerns a kind that the other does not know stays as it was."""
    narrow, wide = judge(("clean", "noise", "blur")), DegradationClassifier(("clean", "blur", "haze"), width=4).eval()
    wide.adopt(narrow)
    ours, theirs = wide.weighing.unflatten(1, (-1, 3)), narrow.weighing.unflatten(1, (-1, 3))
    both, known = torch.tensor([0, 1]), torch.tensor([0, 2])
    torch.testing.assert_close(ours[both][:, :, both], theirs[known][:, :, known])
    torch.testing.assert_close(wide.bias, torch.tensor([0.0, 2.0, 0.0]))
    fresh = DegradationClassifier(wide.kinds, width=4).weighing.unflatten(1, (-1, 3))
    torch.testing.assert_close(ours[2], fresh[2])
    torch.testing.assert_close(ours[:, :, 2], fresh[:, :, 2])


def test_a_router_of_other_kinds_begins_with_verdicts_of_its_own() -> None:
    other = DegradationClassifier(("rain", "haze", "jpeg"), width=4)
    fresh = other.weighing.clone()
    other.adopt(judge(("clean", "noise", "blur")))
    torch.testing.assert_close(other.weighing, fresh)
    torch.testing.assert_close(other.bias, torch.zeros(3))
