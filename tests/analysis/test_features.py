from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import torch

from darnet.analysis.features import Map, look_inside, watched, watching
from darnet.benchmark import subjects
from darnet.benchmark.subjects import LONGEST_PX
from darnet.errors import UsageError
from darnet.systems import manifest

DECODERS = {"decoder3.0", "decoder2.0", "decoder1.0"}
STAGES = {"encoder1.0", "encoder2.0", "encoder3.0", "latent.0", *DECODERS, "refinement.0"}


def noise(height: int, width: int) -> torch.Tensor:
    return torch.rand(3, height, width, generator=torch.Generator().manual_seed(0))


def hooks(model: torch.nn.Module) -> int:
    return sum(len(module._forward_hooks) for module in model.modules())


def test_maps_of_every_stage(tiny_daair: Path) -> None:
    found = look_inside(watched(str(tiny_daair), "cpu"), noise(21, 37))
    known = {(drawn.stage, drawn.part): drawn for drawn in found.maps}
    assert {stage for stage, part in known if part == "agnostic"} == STAGES
    assert {stage for stage, part in known if part == "controller"} == DECODERS
    assert {stage: drawn.expert for (stage, part), drawn in known.items() if part == "specialised"} == dict.fromkeys(
        STAGES, "noise"
    )
    assert {drawn.expert for (_, part), drawn in known.items() if part != "specialised"} == {None}


def test_maps_show_the_picture_and_not_its_padding(tiny_daair: Path) -> None:
    found = look_inside(watched(str(tiny_daair), "cpu"), noise(21, 37))
    sizes = {drawn.stage: tuple(drawn.energy.shape) for drawn in found.maps}
    assert [sizes[stage] for stage in ("encoder1.0", "encoder2.0", "encoder3.0", "latent.0", "refinement.0")] == [
        (21, 37),
        (11, 19),
        (6, 10),
        (3, 5),
        (21, 37),
    ]
    assert found.shown.shape == (3, 21, 37)
    assert found.restored is not None
    assert found.restored.shape == (3, 21, 37)


def test_a_map_is_the_root_mean_square_of_what_a_part_answers(tiny_daair: Path) -> None:
    subject = watched(str(tiny_daair), "cpu")
    pixels = noise(16, 24)
    net = subject.model.net
    block = net.stages[0][0]
    with torch.inference_mode():
        features = block.before_attention(net.head(pixels[None]))
        expected = {
            "agnostic": block.learner.agnostic(features),
            "specialised": block.learner.specialised[0](features),
        }
    found = {drawn.part: drawn.energy for drawn in look_inside(subject, pixels).maps if drawn.stage == "encoder1.0"}
    for part, answer in expected.items():
        torch.testing.assert_close(found[part], answer[0].square().mean(dim=0).sqrt(), rtol=1e-4, atol=1e-6)


def test_the_first_block_of_each_stage_and_the_last_of_all(tmp_path: Path) -> None:
    from conftest import build_tiny_daair

    folder = build_tiny_daair(tmp_path / "deep", chooses=1, blocks=[2, 1, 1, 3, 1, 1, 1, 2])
    found = look_inside(watched(str(folder), "cpu"), noise(8, 8)).maps
    assert {drawn.stage for drawn in found} == STAGES | {"refinement.1"}
    assert {drawn.expert for drawn in found if drawn.part == "specialised"} == {"rain"}
    assert [drawn.part for drawn in found[:2]] == ["agnostic", "specialised"]


def test_a_network_without_specialised_experts_still_has_parts(tiny_plain: Path) -> None:
    found = look_inside(watched(str(tiny_plain), "cpu"), noise(8, 8))
    assert {drawn.part for drawn in found.maps} == {"agnostic", "controller"}


def test_nothing_stays_on_the_network(tiny_daair: Path) -> None:
    subject = watched(str(tiny_daair), "cpu")
    before = [{key: id(value) for key, value in vars(module).items()} for module in subject.model.modules()]
    look_inside(subject, noise(8, 8))
    assert [{key: id(value) for key, value in vars(module).items()} for module in subject.model.modules()] == before
    assert hooks(subject.model) == 0
    with pytest.raises(KeyboardInterrupt), watching(subject.model.parts()):
        assert hooks(subject.model) == 8 * 3 + 3  # two experts and the agnostic one a block, three controllers
        raise KeyboardInterrupt
    assert hooks(subject.model) == 0


def test_the_centre_of_a_large_picture(tiny_daair: Path) -> None:
    pixels = noise(10, LONGEST_PX + 100)
    found = look_inside(watched(str(tiny_daair), "cpu"), pixels)
    assert torch.equal(found.shown, pixels[:, :, 50:-50])
    assert found.maps[0].energy.shape == (10, LONGEST_PX)


def test_the_maps_that_guide_a_network(tiny_slerir: Path) -> None:
    """DSP is of the whole picture, CSP and prior have a token for every 16 pixels, of the padding none."""
    subject = watched(str(tiny_slerir), "cpu")
    found = look_inside(subject, noise(40, 20)).maps
    guides = {(drawn.stage, drawn.part): drawn for drawn in found if drawn.guides}
    assert {key: tuple(drawn.energy.shape) for key, drawn in guides.items()} == {
        ("whole", "DSP"): (8, 8),
        ("tile", "CSP"): (3, 2),
        ("tile", "prior"): (3, 2),
    }
    assert guides["whole", "DSP"].extent == (0, 20, 40, 0)
    assert guides["tile", "CSP"].extent == (0, 32, 48, 0)
    assert {drawn.part for drawn in found if not drawn.guides} == {"experts", "guidance"}
    assert {drawn.expert for drawn in found if drawn.part == "experts"} <= {"0", "1", "2"}


def test_a_map_that_guides_is_what_differs_from_its_mean(tiny_slerir: Path) -> None:
    subject, pixels = watched(str(tiny_slerir), "cpu"), noise(64, 64)
    model = subject.model
    with torch.inference_mode():
        known = model.look(pixels[None]).encoded
        content = model.fusion.content_map(known["content"], model.content(pixels[None])[1])[0]
    wanted = (content - content.mean(dim=(1, 2), keepdim=True)).square().mean(dim=0).sqrt()
    found = {drawn.part: drawn.energy for drawn in look_inside(subject, pixels).maps if drawn.guides}
    torch.testing.assert_close(found["CSP"], wanted, rtol=1e-3, atol=1e-5)
    assert float(found["DSP"].mean()) > 0


def test_the_map_of_a_large_picture_lies_around_its_centre(tiny_slerir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subjects, "LONGEST_PX", 32)
    maps = look_inside(watched(str(tiny_slerir), "cpu"), noise(40, 64)).maps
    assert {drawn.part: drawn.extent for drawn in maps if drawn.guides} == {
        "DSP": (-16, 48, 36, -4),
        "CSP": (0, 32, 32, 0),
        "prior": (0, 32, 32, 0),
    }


def test_limits_leave_out_what_is_extreme() -> None:
    energy = torch.linspace(0, 1, 1001).reshape(77, 13)
    energy[0, 0], energy[-1, -1] = -1000, 1000
    assert Map("stage", "part", None, energy, (0.0, 13.0, 77.0, 0.0)).limits() == pytest.approx((0.01, 0.99), abs=1e-4)


def test_figures_of_a_map() -> None:
    document = Map("latent.0", "specialised", "rain", torch.tensor([[1.0, 3.0]]), (0.0, 2.0, 1.0, 0.0)).to_dict()
    assert document == {
        "place": "latent.0",
        "part": "specialised",
        "expert": "rain",
        "mean": 2.0,
        "std": 1.0,
        "low": 1.02,
        "high": 2.98,
    }


def test_what_cannot_be_watched(tiny_system: Path, tiny_daair: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no parts to watch"):
        watched(str(tiny_system), "cpu")
    for kind in ("noise", "rain"):
        shutil.copytree(tiny_daair, tmp_path / kind)
    manifest.write_system(
        manifest.System(name="two", router="noise", experts={"noise": "noise", "rain": "rain"}), tmp_path
    )
    with pytest.raises(UsageError, match=f"several networks.*{tmp_path}/noise, {tmp_path}/rain"):
        watched(str(tmp_path), "cpu")
