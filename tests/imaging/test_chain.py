"""The way as a whole."""

from pathlib import Path

import pytest
import torch
from torch import Generator

from darnet import registry
from darnet.imaging.chain import LIT, Chain, Habits, in_order, steps_of

OWN = in_order([*registry.own_kinds()])
STEPS, ORDER = steps_of(OWN), [kind.name for kind in OWN]
KINDS = ("clean", *ORDER)
CLEAN = torch.rand(32, 3, 48, 48, generator=Generator().manual_seed(0)) * 0.7 + 0.15
NOTHING = Habits(0.0, company=0.0, none=0.0, rendered=0, denoised=0, sharpened=0, resized=0, dithered=0, local=0)


def way(chain: Chain, seed: int = 0, **options):
    return chain(CLEAN, Generator().manual_seed(seed), Generator().manual_seed(seed + 1), **options)


@pytest.mark.parametrize("repaired", ["", *ORDER])
def test_a_way_is_seeded_and_holds_eight_bits(repaired: str) -> None:
    chain = Chain(KINDS, repaired)
    first, second = way(chain), way(chain)
    for name in ("degraded", "target", "visibility", "severities"):
        assert torch.equal(getattr(first, name), getattr(second, name))
    assert not torch.equal(first.degraded, way(chain, 1).degraded)
    levels = first.degraded * 255
    assert torch.allclose(levels, levels.round(), atol=1e-3)
    assert 0 <= float(first.target.min()) <= float(first.target.max()) <= 1


@pytest.mark.parametrize("repaired", ORDER)
def test_an_expert_sees_its_kind_alone_where_nothing_else_is_wanted(repaired: str) -> None:
    found = way(Chain(KINDS, repaired, NOTHING))
    column = KINDS.index(repaired)
    assert torch.equal(found.target, CLEAN)
    assert not torch.equal(found.degraded, found.target)
    others = [index for index in range(len(KINDS)) if index != column]
    assert bool((found.presence[:, others] == 0).all() if repaired != "lowlight" else True)
    assert float((found.presence[:, column] == 1).float().mean()) > 0.4
    assert bool((found.severities[:, column] > 0).all())


def test_noise_and_file_are_in_no_target() -> None:
    habits = Habits(1.0, company=1.0, none=0.0, rendered=0, denoised=0, sharpened=0, resized=0, dithered=1.0)
    found = way(Chain(("jpeg",), "jpeg", habits, steps={k: STEPS[k] for k in ("noise", "jpeg")}))
    assert torch.equal(found.target, CLEAN)


def test_company_is_in_the_target_where_it_can_be() -> None:
    habits = Habits(0.0, company=1.0, none=0.0, rendered=0, denoised=0, sharpened=0, resized=0, dithered=0)
    found = way(Chain(("noise",), "noise", habits, steps={k: STEPS[k] for k in ("overexposure", "noise")}))
    assert float(found.target.mean()) > float(CLEAN.mean()) + 0.02


def test_pictures_of_a_router_have_none_to_three_kinds() -> None:
    found = way(Chain(KINDS, habits=Habits(several=(0.25, 0.25, 0.25, 0.25))))
    touched = (found.severities[:, 1:] > 0).sum(dim=1)  # a file of high quality counts, too
    assert int(touched.min()) <= 1
    assert int(touched.max()) >= 3
    for one, other in (("overexposure", "lowlight"), ("blur", "motion"), ("haze", "rain")):
        both = (found.severities[:, KINDS.index(one)] > 0) & (found.severities[:, KINDS.index(other)] > 0)
        assert not bool(both.any())


def test_a_photo_with_nothing_is_present_with_nothing() -> None:
    found = way(Chain(KINDS, habits=Habits(quality=(99.0, 92.0), several=(1.0,))))
    assert bool((found.presence == 0).all())


def test_what_is_no_photo_keeps_its_light() -> None:
    found = way(Chain(KINDS, habits=Habits(several=(0.0, 0.0, 0.0, 1.0))), drawn=range(32))
    for kind in OWN:
        absent = bool((found.severities[:, KINDS.index(kind.name)] == 0).all())
        assert absent == (kind.stage in LIT)


def test_noise_in_a_rectangle_leaves_the_rest_alone() -> None:
    habits = Habits(0.0, rendered=0, denoised=0, sharpened=0, resized=0, dithered=0, local=1.0, several=(0.0, 1.0))
    found = way(Chain(("clean", "noise"), habits=habits, steps={"noise": STEPS["noise"]}))
    share = found.covered["noise"].mean(dim=(1, 2, 3))
    assert 0.05 < float(share.min()) < float(share.max()) < 0.8
    outside = (found.covered["noise"] == 0).expand_as(CLEAN)
    assert float((found.degraded - CLEAN)[outside].abs().max()) < 0.51 / 255


def test_a_measured_depth_takes_the_place_of_a_made_one() -> None:
    depth = torch.full((32, 1, 48, 48), torch.nan)
    depth[:16] = 0
    found = way(Chain(("haze",), "haze", NOTHING), depth=depth)
    assert float((found.degraded[:16] - CLEAN[:16]).abs().max()) < 0.51 / 255
    assert float((found.degraded[16:] - CLEAN[16:]).abs().mean()) > 0.02


def test_too_mild_to_say_is_neither() -> None:
    found = way(Chain(("noise",), "noise"))
    shown = found.visibility[:, 0]
    unknown = (shown > 0) & (shown < 1)
    assert torch.equal(found.presence[:, 0].isnan(), unknown)


def test_an_unknown_kind_or_file_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no step makes 'fog'"):
        Chain(KINDS, "fog")
    with pytest.raises(ValueError, match="nowhere"):
        Chain(KINDS, "motion", kernels=(tmp_path / "nowhere.npz",))
