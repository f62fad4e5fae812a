"""Replay memory: small on disk, the same pixels every time, and chosen as iCaRL chooses."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from darnet.data.memory import Exemplar, Memory, Scene, as_scene, decoded, fixed, herd, load_memory, reservoir
from darnet.errors import DarnetError, UnknownNameError, WeightsError


def photo(seed: int, side: int = 24) -> torch.Tensor:
    coarse = torch.rand(1, 3, 4, 4, generator=torch.Generator().manual_seed(seed))
    smooth = torch.nn.functional.interpolate(coarse, (side, side), mode="bicubic", align_corners=True)
    return (smooth[0].clamp(0, 1) * 255).round().byte()


@pytest.fixture
def memory() -> Memory:
    scenes = (as_scene(photo(0)), as_scene(photo(1)), as_scene(photo(2), photo(3)))
    return Memory(
        scenes,
        (
            Exemplar("noise", 0, "noise", (25.0,), 7),
            Exemplar("noise", 1, "noise", (10.0,), 8),
            Exemplar("blur", 1, "blur", (1.5,), 9),
            Exemplar("rain", 2, "pairs"),
        ),
    )


def test_a_round_trip_renders_the_same_pixels(memory: Memory, tmp_path: Path) -> None:
    memory.save(tmp_path / "memory")
    again = load_memory(tmp_path / "memory")
    assert again == memory
    for exemplar in memory.exemplars:
        ((damaged, clean), severity), ((damaged2, clean2), severity2) = memory.render(exemplar), again.render(exemplar)
        assert torch.equal(damaged, damaged2) and torch.equal(clean, clean2) and severity == severity2


def test_an_exemplar_is_its_degradation_with_its_seed(memory: Memory) -> None:
    (damaged, clean), severity = memory.render(memory.exemplars[0])
    assert severity == 25
    assert 15 < float((damaged.float() - clean.float()).std()) < 30
    other = Exemplar("noise", 0, "noise", (25.0,), 8)
    assert not torch.equal(memory.render(other)[0][0], damaged)


def test_what_is_damaged_in_a_real_pair_is_kept_to_the_digit(memory: Memory) -> None:
    assert torch.equal(memory.render(memory.exemplars[3])[0][0], photo(3))


def test_exemplars_are_small(memory: Memory) -> None:
    """A thousand of them, on scenes that they share, are some hundred kB."""
    many = Memory(memory.scenes, memory.exemplars[:3] * 334)
    assert len(many.exemplars) > 1000
    assert many.size < 200_000


def test_kinds_and_ranges(memory: Memory) -> None:
    assert memory.kinds == ("noise", "blur", "rain")
    assert memory.ranges() == {"noise": {"sigma_255": (10, 25)}, "blur": {"sigma_px": (1.5, 1.5)}}
    assert memory.pairs("noise").severities == [25, 10]


def test_reducing_keeps_the_first_and_forgets_unused_scenes(memory: Memory) -> None:
    less = memory.reduced(1)
    assert [exemplar.seed for exemplar in less.exemplars] == [7, 9, 0]
    assert len(Memory(memory.scenes, memory.exemplars[:2]).swept().scenes) == 2


def test_parts_share_no_scene(memory: Memory) -> None:
    parts = memory.split([0.6, 0.2], seed=0)  # what is not shared out is nobody's loss
    used = [{exemplar.scene for exemplar in part.exemplars} for part in parts]
    assert used[0] and used[1] and not used[0] & used[1]
    assert sum(len(part.exemplars) for part in parts) == len(memory.exemplars)


def test_joining_keeps_every_exemplar_on_its_scene(memory: Memory) -> None:
    both = memory.joined(Memory((as_scene(photo(5)),), (Exemplar("haze", 0, "haze", (1.0, 0.9, 0.0), 3),)))
    assert torch.equal(both.render(both.exemplars[-1])[0][1], decoded(as_scene(photo(5)).clean))
    assert both.exemplars[:4] == memory.exemplars


def test_a_fixed_degradation_draws_its_parameters_and_no_others() -> None:
    drawn = fixed(Exemplar("haze", 0, "haze", (1.25, 0.875, 0.03125))).draw(3, torch.Generator())
    torch.testing.assert_close(drawn, torch.tensor([[1.25, 0.875, 0.03125]] * 3))


def test_a_degradation_that_is_no_longer_installed(memory: Memory) -> None:
    with pytest.raises(UnknownNameError, match="gone"):
        memory.render(Exemplar("gone", 0, "gone", (1.0,)))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "no replay memory"),
        ('{"format": 9}', "format 9"),
        ('{"format": 1, "exemplars": [{"no": 1}]}', "no replay"),
    ],
)
def test_documents_that_are_no_memory(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "memory.json").write_text(text)
    with pytest.raises(WeightsError, match=message):
        load_memory(tmp_path)


def test_a_scene_that_is_missing_is_named(memory: Memory, tmp_path: Path) -> None:
    memory.save(tmp_path / "memory")
    (tmp_path / "memory" / "scenes" / "0001.jpg").unlink()
    with pytest.raises(WeightsError, match=r"0001\.jpg"):
        load_memory(tmp_path / "memory")


@pytest.mark.parametrize(
    "change", [{"source": "os:system"}, {"source": "gone"}, {"parameters": [1.0, 2.0]}, {"source": "pairs"}]
)
def test_exemplars_that_cannot_be_rendered_are_found_at_once(
    memory: Memory, tmp_path: Path, change: dict[str, object]
) -> None:
    memory.save(tmp_path / "memory")
    path = tmp_path / "memory" / "memory.json"
    document = json.loads(path.read_text())
    document["exemplars"][0] |= change
    path.write_text(json.dumps(document))
    with pytest.raises(DarnetError):
        load_memory(tmp_path / "memory")


def test_a_scene_that_is_no_picture(memory: Memory, tmp_path: Path) -> None:
    memory.save(tmp_path / "memory")
    (tmp_path / "memory" / "scenes" / "0000.jpg").write_bytes(b"junk")
    with pytest.raises(WeightsError, match="no picture"):
        load_memory(tmp_path / "memory").pairs("noise")


def test_the_document_is_json(memory: Memory, tmp_path: Path) -> None:
    memory.save(tmp_path / "memory")
    assert len(json.loads((tmp_path / "memory" / "memory.json").read_text())["exemplars"]) == 4
    assert Scene(b"abc").size == 3


def test_herding_follows_the_mean() -> None:
    """Two clusters of 6 and 3: of every three that are chosen, two are of the larger one."""
    large, small = torch.tensor([[1.0, 0.0]]), torch.tensor([[0.0, 1.0]])
    features = torch.cat([large + 0.001 * torch.rand(6, 2), small + 0.001 * torch.rand(3, 2)])
    order = herd(features, 6)
    assert len(set(order)) == 6
    assert sum(index < 6 for index in order[:3]) == 2
    assert sum(index < 6 for index in order) == 4


def test_herding_brings_the_mean_nearer_than_chance() -> None:
    features = torch.randn(200, 16, generator=torch.Generator().manual_seed(0))
    unit = torch.nn.functional.normalize(features.double(), dim=1)

    def distance(chosen: list[int]) -> float:
        return float((unit[chosen].mean(dim=0) - unit.mean(dim=0)).norm())

    chance = [distance(torch.randperm(200, generator=torch.Generator().manual_seed(s))[:20].tolist()) for s in range(9)]
    assert distance(herd(features, 20)) < 0.5 * min(chance)
    assert herd(features, 500) and len(herd(features, 500)) == 200


def test_a_reservoir_is_fair() -> None:
    """Each of 20 is as likely as any other to be among the 5 that are kept."""
    counts = torch.zeros(20)
    for seed in range(2000):
        kept = reservoir(5, 20, torch.Generator().manual_seed(seed))
        assert len(set(kept)) == 5
        counts[kept] += 1
    assert float((counts / 2000 - 0.25).abs().max()) < 0.05
    assert reservoir(5, 3, torch.Generator()) == [0, 1, 2]
