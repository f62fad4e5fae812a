"""Laws of GLGF: nothing is resampled before it is looked at, everything stays at its place, and a new one is silent."""

from __future__ import annotations

import pytest
import torch

from darnet.images.formats import JPEG_UNIT_PX
from darnet.images.tiles import grid_crops
from darnet.models.layers.fusion import GRID, MAP_SIDE, Fusion, Glance, Guidance, unfold_crops


def test_a_glance_holds_the_crops_of_the_grid_as_they_are() -> None:
    pictures = torch.rand(2, 3, 200, 130)
    seen = Glance(32)(pictures)
    assert seen.shape == (2, 6, GRID * 32, GRID * 32)
    crops = torch.cat([grid_crops(one, size_px=32, grid=GRID, align_px=JPEG_UNIT_PX) for one in pictures])
    assert torch.equal(unfold_crops(seen[:, :3]), crops)
    assert torch.equal(seen[1, :3, :32, 32:64], crops[GRID**2 + 1])  # the second of its first row
    torch.testing.assert_close(seen[:, 3:].mean(dim=(2, 3)), pictures.mean(dim=(2, 3)), atol=2e-3, rtol=0)


@pytest.mark.parametrize("size", [(1, 1), (37, 31), (8, 129), (16, 64)])
def test_a_glance_at_pictures_of_any_size(size: tuple[int, int]) -> None:
    picture = torch.rand(1, 3, *size)
    seen = Glance(16)(picture)
    assert seen.shape == (1, 6, 64, 64)
    assert float(picture.min()) <= float(seen.min()) <= float(seen.max()) <= float(picture.max()) + 1e-6


def fusion() -> Fusion:
    torch.manual_seed(0)
    return Fusion(content=6, degradation=5, features=8, heads=2).requires_grad_(False)


def test_the_prior_map_is_one_token_a_patch() -> None:
    prior = fusion()(torch.randn(2, 6), torch.randn(2, 6, 3, 5), torch.randn(2, GRID**2, 5))
    assert prior.shape == (2, 8, 3, 5)


def test_damage_lies_on_the_map_where_its_crop_was_cut() -> None:
    module, crops = fusion(), torch.zeros(1, GRID**2, 5)
    still = module.severity_map(crops)
    crops[0, 1] = 3.0  # first row, second column
    change = (module.severity_map(crops) - still).abs().sum(dim=1)[0]
    assert change.shape == (MAP_SIDE, MAP_SIDE)
    assert divmod(int(change.argmax()), MAP_SIDE) in {(0, 2), (0, 3)}
    assert not bool(change[4:].any()), "the lower half knows of it"


def test_content_is_calibrated_by_the_whole_picture_and_normalised() -> None:
    """Eq. 11."""
    module, patches = fusion(), torch.randn(1, 6, 4, 4)
    one, other = (module.content_map(token, patches) for token in (torch.zeros(1, 6), torch.ones(1, 6)))
    assert not torch.allclose(one, other)
    torch.testing.assert_close(one.mean(dim=1), torch.zeros(1, 4, 4), atol=1e-5, rtol=0)


def test_content_is_calibrated_as_in_equation_11() -> None:
    """LN(γ ⊙ T + β); the bias of γ is counted from 1."""
    module, token, patches = fusion(), torch.randn(2, 6), torch.randn(2, 6, 2, 3)
    gamma, beta = module.film(token).chunk(2, dim=1)
    calibrated = (gamma + 1)[:, :, None, None] * module.align_content(patches) + beta[:, :, None, None]
    wanted = torch.nn.functional.layer_norm(calibrated.movedim(1, 3), calibrated.shape[1:2])
    torch.testing.assert_close(module.content_map(token, patches), wanted.movedim(3, 1))


def test_attention_does_not_care_where_patches_lie() -> None:
    """Without positions two tiles make the same of the same patch."""
    module, patches = fusion(), torch.randn(1, 6, 2, 3)
    token, crops = torch.randn(1, 6), torch.randn(1, GRID**2, 5)
    torch.testing.assert_close(
        module(token, patches.flip(3), crops).flip(3), module(token, patches, crops), atol=1e-5, rtol=0
    )


def test_new_guidance_changes_nothing() -> None:
    features = torch.randn(1, 4, 8, 12)
    assert torch.equal(Guidance(8, 4, 2)(features, torch.randn(1, 8, 2, 3)), features)


def guidance() -> Guidance:
    torch.manual_seed(0)
    module = Guidance(8, 4, 2).requires_grad_(False)
    torch.nn.init.normal_(module.project.weight)
    return module


def test_a_patch_of_the_prior_asks_its_own_features_and_changes_its_neighbourhood() -> None:
    module, features, prior = guidance(), torch.randn(1, 4, 64, 64), torch.randn(1, 8, 8, 8)
    changed = prior.clone()
    changed[..., 0, 0] += 1
    difference = (module(features, prior) - module(features, changed)).abs().sum(dim=1)[0]
    assert bool(difference[:8, :8].all())
    assert not bool(difference[16:].any()) and not bool(difference[:, 16:].any())


def test_an_answer_is_a_mean_of_values_weighed_by_the_query() -> None:
    """One patch, so the answer is the same everywhere; by hand, per head."""
    module, features, prior = guidance(), torch.randn(1, 4, 4, 4), torch.randn(1, 8, 1, 1)
    normalised = module.norm(features)
    key, value = (layer(normalised).view(2, 2, 16) for layer in (module.key, module.value))
    query = module.query(prior).view(2, 2, 1)
    weights = ((query * key).sum(dim=1, keepdim=True) / 2**0.5).softmax(dim=2)
    wanted = module.project((weights * value).sum(dim=2).view(1, 4, 1, 1))
    torch.testing.assert_close(module(features, prior), features + wanted)


def test_heads_that_do_not_divide_are_refused() -> None:
    with pytest.raises(ValueError, match="3 heads do not divide 8 features"):
        Fusion(4, 4, 8, 3)
