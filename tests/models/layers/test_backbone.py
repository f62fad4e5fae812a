from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from darnet.models.layers.backbone import LEVELS, STAGES, Backbone, keep_variance


class Noting(nn.Module):
    """A stage that notes what it sees."""

    def __init__(self, stage: str) -> None:
        super().__init__()
        self.stage = stage

    def forward(self, features: Tensor, trace: list[tuple[str, tuple[int, ...]]]) -> Tensor:
        trace.append((self.stage, tuple(features.shape)))
        return features


@pytest.mark.parametrize("lean", [False, True])
def test_eight_stages_each_at_its_resolution(lean: bool) -> None:
    seen: list[tuple[str, tuple[int, ...]]] = []
    frame = Backbone(4, lambda stage, features, level: Noting(stage), lean=lean)
    frame(torch.rand(2, 3, 16, 24), seen)
    assert [stage for stage, _ in seen] == list(STAGES)
    assert [shape for _, shape in seen] == [(2, 4 * 2**level, 16 // 2**level, 24 // 2**level) for level in LEVELS]


def test_the_last_two_stages_may_be_twice_as_wide() -> None:
    """As in Restormer: what comes up and what skipped stay side by side."""
    seen: list[tuple[str, tuple[int, ...]]] = []
    told: dict[str, int] = {}

    def fill(stage: str, features: int, level: int) -> nn.Module:
        told[stage] = features
        return Noting(stage)

    frame = Backbone(4, fill, wide=True)
    frame(torch.rand(2, 3, 16, 24), seen)
    widths = {stage: shape[1] for stage, shape in seen}
    assert widths == told
    assert (widths["encoder1"], widths["decoder2"], widths["decoder1"], widths["refinement"]) == (4, 8, 8, 8)
    for other in ({"lean": True}, {"residual": "features"}):
        with pytest.raises(ValueError, match="wide: what is added must have one width"):
            Backbone(4, fill, wide=True, **other)


def test_the_residual_joins_features() -> None:
    """DaAIR §3: shallow features and those of the refinement, before the last convolution."""
    frame = Backbone(4, lambda stage, features, level: Noting(stage), residual="features")
    assert bool(frame.tail.weight.any()), "nothing else carries the picture"
    frame.stages[7] = Silence()
    picture = torch.rand(1, 3, 16, 16)
    torch.testing.assert_close(frame(picture, []), frame.tail(frame.head(picture)))


def test_an_unknown_residual_is_refused() -> None:
    with pytest.raises(ValueError, match="residual 'both': expected pixels or features"):
        Backbone(4, lambda stage, features, level: Noting(stage), residual="both")


class Silence(nn.Module):
    """A stage that answers with nothing."""

    def forward(self, features: Tensor, trace: object) -> Tensor:
        return torch.zeros_like(features)


def test_a_patch_folds_pixels_into_channels() -> None:
    seen: list[tuple[str, tuple[int, ...]]] = []
    frame = Backbone(4, lambda stage, features, level: Noting(stage), patch=2)
    assert frame.multiple_of == 16
    frame(torch.rand(1, 3, 32, 16), seen)
    assert seen[0][1] == (1, 4, 16, 8)


def test_an_untrained_network_returns_its_input() -> None:
    picture = torch.rand(1, 3, 16, 16)
    frame = Backbone(4, lambda stage, features, level: nn.Identity())
    frame.stages = nn.ModuleList(Noting(stage) for stage in STAGES)
    assert torch.equal(frame(picture, []), picture)


@pytest.mark.parametrize("lean", [False, True])
def test_skips_reach_the_decoder(lean: bool) -> None:
    frame = Backbone(4, lambda stage, features, level: Noting(stage), lean=lean)
    nn.init.ones_(frame.tail.weight)
    picture = torch.rand(1, 3, 16, 16, requires_grad=True)
    for weight in frame.up.parameters():
        nn.init.zeros_(weight)  # nothing comes from below
    (gradient,) = torch.autograd.grad((frame(picture, []) - picture).sum(), picture)
    assert bool(gradient.any())


def test_a_lean_frame_has_a_fifth_of_the_weights() -> None:
    """Between two levels, f features above: f→f/2 and 2f→4f by 3×3 and 2f→f by 1×1, or f→2f and 2f→f by 2×2."""
    frames = [Backbone(8, lambda stage, features, level: nn.Identity(), lean=lean) for lean in (False, True)]
    full, lean = (sum(weight.numel() for weight in frame.parameters() if weight.ndim > 1) for frame in frames)
    head_and_tail = 2 * 3 * 8 * 9
    squares = 8**2 + 16**2 + 32**2
    assert full - head_and_tail == (9 / 2 + 9 * 8 + 2) * squares
    assert lean - head_and_tail == (4 * 2 + 4 * 2) * squares


def test_convolutions_begin_by_keeping_the_variance() -> None:
    layers = nn.Sequential(nn.Conv2d(32, 32, 1), nn.Conv2d(32, 32, 11, padding=5, groups=32), nn.Conv2d(32, 64, 1))
    keep_variance(layers)
    answer = layers(torch.randn(4, 32, 48, 48))[..., 10:-10, 10:-10]
    assert 0.6 < float(answer.detach().std()) < 1.5
    assert not any(bool(layer.bias.any()) for layer in layers)


def test_what_was_silenced_stays_so() -> None:
    layer = nn.Conv2d(2, 2, 1)
    nn.init.zeros_(layer.weight)
    keep_variance(layer)
    assert not bool(layer.weight.any())
