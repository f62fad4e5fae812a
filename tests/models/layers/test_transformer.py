from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from darnet.models.layers.transformer import (
    ChannelAttention,
    ChannelNorm,
    DenseFeedForward,
    GatedFeedForward,
    TransformerBlock,
)


def test_attention_is_across_channels() -> None:
    """Pixels in another order give the same answer in that order, but for the 3×3 convolutions, silenced here."""
    attention = ChannelAttention(4, heads=2)
    for projection in (attention.query, attention.key, attention.value):
        torch.nn.init.dirac_(projection[1].weight, groups=4)
    features = torch.rand(1, 4, 3, 5)
    order = torch.randperm(15)
    shuffled = features.flatten(2)[..., order].unflatten(2, (3, 5))
    expected = attention(features).flatten(2)[..., order].unflatten(2, (3, 5))
    torch.testing.assert_close(attention(shuffled), expected)


def test_keys_may_come_from_elsewhere() -> None:
    attention = ChannelAttention(4, heads=1)
    features, others = torch.rand(2, 1, 4, 6, 6)
    torch.testing.assert_close(attention(features, features), attention(features))
    assert not torch.allclose(attention(features, others), attention(features))


def test_attention_is_the_formula() -> None:
    attention = ChannelAttention(3, heads=1)
    features = torch.rand(1, 3, 4, 4)
    query, key, value = (make(features).flatten(2)[0] for make in (attention.query, attention.key, attention.value))
    weights = (F.normalize(query, dim=1) @ F.normalize(key, dim=1).T).softmax(dim=1)
    expected = attention.project((weights @ value).reshape(1, 3, 4, 4))
    torch.testing.assert_close(attention(features), expected)


def test_feed_forward_widens_by_the_expansion() -> None:
    feed_forward = GatedFeedForward(6, 2.5)
    assert feed_forward.project.weight.shape == (6, 15, 1, 1)
    assert feed_forward(torch.rand(2, 6, 5, 7)).shape == (2, 6, 5, 7)


def test_norm_is_over_the_features_of_a_pixel() -> None:
    normalised = ChannelNorm(8)(3 * torch.randn(2, 8, 4, 5) + 1)
    torch.testing.assert_close(normalised.mean(dim=1), torch.zeros(2, 4, 5), atol=1e-5, rtol=0)
    torch.testing.assert_close(normalised.var(dim=1, unbiased=False), torch.ones(2, 4, 5), atol=1e-3, rtol=0)


@pytest.mark.parametrize("expansion", [1.5, 0])
def test_a_block_is_the_two_residual_steps(expansion: float) -> None:
    torch.manual_seed(0)
    block, features = TransformerBlock(8, 2, expansion), torch.rand(2, 8, 4, 6)
    assert torch.equal(block(features), features)
    for branch in (block.attention, block.feed_forward):
        torch.nn.init.normal_(branch.project.weight)
    attended = features + block.attention(block.before_attention(features))
    refined = block.before_feed_forward(attended) if expansion else attended
    torch.testing.assert_close(block(features), attended + block.feed_forward(refined))
    assert not torch.allclose(block(features), attended)


def test_a_block_without_a_feed_forward_is_refused() -> None:
    with pytest.raises(ValueError, match=r"expansion -1: expected 0 or more"):
        TransformerBlock(8, 2, -1)


def test_a_dense_feed_forward_is_two_convolutions() -> None:
    """Linear where nothing is negative: the answer to a sum is the sum of the answers, but for the biases."""
    feed_forward = DenseFeedForward(3)
    for layer in (feed_forward.look, feed_forward.project):
        torch.nn.init.uniform_(layer.weight)
        torch.nn.init.zeros_(layer.bias)
    one, other = torch.rand(2, 1, 3, 6, 5)
    torch.testing.assert_close(feed_forward(one + other), feed_forward(one) + feed_forward(other))
    reach = feed_forward(F.pad(torch.ones(1, 3, 1, 1), (4, 4, 4, 4)))[0, 0] > 0
    assert reach.nonzero().amin(0).tolist() == [2, 2]
    assert reach.nonzero().amax(0).tolist() == [6, 6]
