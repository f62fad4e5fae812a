from __future__ import annotations

import pytest
import torch

from darnet.models.layers.encoders import ConvolutionalEncoder


@pytest.mark.parametrize("patch_px", [16, 32])
def test_a_token_for_the_picture_and_one_for_each_patch(patch_px: int) -> None:
    encoder = ConvolutionalEncoder(patch_px, width=4)
    token, patches = encoder(torch.rand(2, 3, 64, 96))
    assert token.shape == (2, encoder.features)
    assert patches.shape == (2, encoder.features, 64 // patch_px, 96 // patch_px)


def test_patches_know_their_neighbourhood_and_the_token_knows_all() -> None:
    encoder, picture = ConvolutionalEncoder(16, width=4).requires_grad_(False), torch.rand(1, 3, 128, 128)
    changed = picture.clone()
    changed[..., :16, :16] = 0
    (token, patches), (other_token, other_patches) = encoder(picture), encoder(changed)
    assert torch.equal(patches[..., 4:, 4:], other_patches[..., 4:, 4:])
    assert not torch.equal(patches[..., :2, :2], other_patches[..., :2, :2])
    assert not torch.allclose(token, other_token)


def test_a_patch_that_cannot_be_halved_three_times_is_refused() -> None:
    with pytest.raises(ValueError, match="patch_px 12 is no multiple of 8"):
        ConvolutionalEncoder(12)
