"""SLER-IR: experts that work only where they are chosen, gates, and what the whole network costs."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from darnet.engines.pytorch import TorchBackend
from darnet.errors import UnknownNameError
from darnet.models.base import Context
from darnet.models.compact import CompactUNet
from darnet.models.daair import DaAIR
from darnet.models.layers.backbone import STAGES
from darnet.models.slerir import SLERIR
from darnet.restore.experts.base import Tiles
from darnet.restore.experts.network import NetworkExpert
from darnet.testing import wake

CONFIG = {
    "width": 8,
    "blocks": [1] * 8,
    "heads": [1, 1, 2, 2],
    "expansion": 2,
    "dimension": 8,
    "crop_px": 16,
    "degradation": {"width": 4},
    "content": {"width": 4},
    "fusion": 8,
}


def network(**changed: object) -> SLERIR:
    torch.manual_seed(0)
    model = SLERIR(**{**CONFIG, **changed})
    wake(model)  # a new one returns its input
    return model


def plain_backbone(**changed: object) -> DaAIR:
    """The same backbone without experts, with weights of its own."""
    torch.manual_seed(1)
    shape = {name: CONFIG[name] for name in ("width", "blocks", "heads", "expansion")}
    without = {"specialised": False, "agnostic": False, "controller": False}
    model = DaAIR(["noise"], **{**shape, "rank_divisor": 2, "kernel": 3, **without, **changed})
    wake(model)
    return model.eval()


def pictures(count: int = 2, side: int = 64) -> torch.Tensor:
    return torch.rand(count, 3, side, side, generator=torch.Generator().manual_seed(0))


def steer(model: SLERIR, expert: int) -> None:
    """Everything to one expert, at every stage."""
    with torch.no_grad():
        last = model.router.mlp[-1]
        last.weight.zero_()
        towards = model.router.centres[expert] + 0.1  # at the centre itself no probability has a slope
        last.bias.copy_(towards.repeat(len(STAGES)))


def working(model: SLERIR) -> list[set[int]]:
    """At every stage, the experts that got a gradient."""
    return [
        {
            index
            for index, expert in enumerate(stage.experts)
            if any(weight.grad is not None and bool(weight.grad.any()) for weight in expert.parameters())
        }
        for stage in model.net.stages
    ]


def test_a_new_network_returns_its_input() -> None:
    torch.manual_seed(0)
    degraded = pictures()
    assert torch.equal(SLERIR(**CONFIG)(degraded).image, degraded)


def test_a_routing_for_every_stage() -> None:
    output = network()(pictures())
    assert len(output.routings) == len(STAGES)
    for routing in output.routings:
        assert routing.weights.shape == (2, 3)
        assert routing.embedding.shape == (2, 8)
        assert bool(((routing.weights == 0) | (routing.weights == 1)).all())


def test_only_the_chosen_expert_runs() -> None:
    model = network().eval()
    ran: list[tuple[int, int]] = []
    for where, stage in enumerate(model.net.stages):
        for who, expert in enumerate(stage.experts):
            expert.register_forward_hook(lambda *_, name=(where, who): ran.append(name))
    steer(model, 1)
    with torch.inference_mode():
        model(pictures())
    assert ran == [(where, 1) for where in range(len(STAGES))]


@pytest.mark.parametrize(
    ("gate", "masked", "wanted"), [("hard", True, {2}), ("soft", True, {2}), ("soft", False, {0, 1, 2})]
)
def test_who_learns(gate: str, masked: bool, wanted: set[int]) -> None:
    model = network(masked=masked)
    steer(model, 2)
    model(pictures(), gate=gate).image.square().mean().backward()
    assert working(model) == [wanted] * len(STAGES)
    learns = bool(model.router.mlp[-1].bias.grad is not None and model.router.mlp[-1].bias.grad.any())
    assert learns == (gate == "soft")


def test_without_a_gate_it_decides_as_what_ships_does() -> None:
    model, shown = network().eval(), pictures()
    assert model.gates[0] == "hard"
    with torch.inference_mode():
        one, other = model(shown), model(shown, gate="hard")
    assert torch.equal(one.image, other.image)
    with pytest.raises(ValueError, match="gate 'warm': expected hard or soft"):
        model(shown, gate="warm")


def test_a_mask_hides_gradients_and_changes_no_answer() -> None:
    images = []
    for masked in (True, False):
        model = network(masked=masked)
        images.append(model(pictures(), gate="soft").image.detach())
    torch.testing.assert_close(*images)


def test_soft_answers_lie_between_those_of_the_experts() -> None:
    """With a temperature near 0 the soft gate is the hard one."""
    model = network(temperature=1e-3)
    hard = model(pictures()).image
    torch.testing.assert_close(model(pictures(), gate="soft").image, hard, atol=1e-3, rtol=0)


def test_centres_move_under_the_soft_gate_only() -> None:
    model = network(momentum=0.5)
    shown = [routing.embedding.detach() for routing in model(pictures(6)).routings]
    before = model.router.centres.clone()
    for gate in (None, "hard"):
        model.after_step(shown, gate)
        assert torch.equal(model.router.centres, before)
    model.after_step(shown, "soft")
    assert not torch.equal(model.router.centres, before)
    cosines = model.router.centres @ model.router.centres.T
    torch.testing.assert_close(cosines, torch.full((3, 3), -0.5).fill_diagonal_(1), atol=1e-5, rtol=0)


def test_tiles_follow_one_path_whatever_they_show() -> None:
    model = network().eval()
    whole = pictures(1, 128)
    seen = model.look(whole)
    with torch.inference_mode():
        one, other, all_of_it = (
            model(tile, seen).routings for tile in (whole[..., :64, :64], torch.zeros(1, 3, 64, 64), whole)
        )
        alone = model(whole).routings
    for routings in zip(one, other, all_of_it, alone, strict=True):
        for routing in routings:
            assert torch.equal(routing.logits, routings[0].logits)


def test_an_expert_of_it_repairs_tiles_by_the_context_of_the_picture() -> None:
    model, asked = network().eval(), []
    forward = model.forward

    def spy(degraded: torch.Tensor, context: Context | None = None, box: torch.Tensor | None = None) -> object:
        asked.append(context)
        return forward(degraded, context, box)

    model.forward = spy  # type: ignore[method-assign]
    encoded: list[tuple[int, ...]] = []
    model.degradation.register_forward_hook(lambda module, shown, answer: encoded.append(tuple(shown[0].shape)))
    picture = pictures(1, 100)[0]
    restored = NetworkExpert(TorchBackend(model, "cpu"), Tiles(48, 16))(picture)
    assert restored.shape == picture.shape
    assert len(asked) > 1
    assert all(context is asked[0] for context in asked)
    assert encoded == [(16, 3, 16, 16)], "the whole picture is encoded once, not for each tile"


def test_fusion_is_used() -> None:
    model = network().eval()
    for stage in model.net.stages:
        if stage.guidance is not None:
            torch.nn.init.normal_(stage.guidance.project.weight)
    whole = pictures(1)
    views = model.views(whole)
    views[:, 3:] = 0  # another scene, with the same damage: the same path
    seen, elsewhere = model.look(whole), model.encode(views)
    with torch.inference_mode():
        one, other = model(whole, seen), model(whole, elsewhere)
    assert not torch.allclose(one.image, other.image)
    assert all(torch.equal(a.logits, b.logits) for a, b in zip(one.routings, other.routings, strict=True))


def test_a_tile_finds_its_part_of_the_severity_map() -> None:
    """§3.4: the map is in the order of the crops, and a tile sees damage where it lies."""
    model = network(positions=True).eval()
    known, box = model.look(pictures(1)).encoded, torch.tensor([[0.0, 0.5, 0.5, 1.0]])
    patches = torch.rand(1, model.content.features, 8, 8)
    with torch.inference_mode():
        whole = model.fusion(known["content"], patches, known["damage"])
        tile = model.fusion(known["content"], patches[..., :4, 4:], known["damage"], box)
        unplaced = model.fusion(known["content"], patches[..., :4, 4:], known["damage"])
        shuffled = model.fusion(known["content"], patches, known["damage"].flip(1))
    torch.testing.assert_close(tile, whole[..., :4, 4:], atol=1e-5, rtol=0)
    assert float((unplaced - tile).abs().max()) > 1e-3
    assert float((shuffled - whole).abs().max()) > 1e-3


def awake(**changed: object) -> SLERIR:
    """Its guidance changes something, as after training."""
    model = network(**changed).eval()
    for stage in model.net.stages:
        if stage.guidance is not None:
            torch.nn.init.normal_(stage.guidance.project.weight)
    torch.nn.init.normal_(model.net.tail.weight)
    return model


def test_crops_in_another_order_are_another_picture() -> None:
    model, whole = awake(positions=True), pictures(1)
    seen = model.look(whole)
    other = Context({**seen.encoded, "damage": seen.encoded["damage"].flip(1)})
    with torch.inference_mode():
        one, shuffled = model(whole, seen), model(whole, other)
    for a, b in zip(one.routings, shuffled.routings, strict=True):
        torch.testing.assert_close(a.logits, b.logits)  # the same path
    assert float((one.image - shuffled.image).abs().max()) > 1e-3


def test_the_map_follows_damage_from_left_to_right_and_so_does_the_repair() -> None:
    """What is seen of the damage on one side changes the map, and the repair, mostly on that side."""
    model, whole = awake(positions=True), pictures(1, 128)
    seen = model.look(whole)
    tokens = seen.encoded["damage"].mean(dim=1, keepdim=True).expand(-1, 16, -1)  # the same everywhere: no path changes
    change = torch.zeros_like(tokens).unflatten(1, (4, 4))
    change[:, :, 0], change[:, :, 1] = 1.0, -1.0  # on the left, and nothing on the whole
    with torch.inference_mode():
        plain = model(whole, Context({**seen.encoded, "damage": tokens})).image
        for turned, side in ((change, slice(0, 64)), (change.flip(2), slice(64, 128))):
            damaged = tokens + turned.flatten(1, 2)
            moved = (model.fusion.severity_map(damaged) - model.fusion.severity_map(tokens)).abs().sum(dim=1)[0]
            half = moved.shape[1] // 2
            left, right = float(moved[:, :half].sum()), float(moved[:, half:].sum())
            assert (left > 4 * right) if side.start == 0 else (right > 4 * left)
            answer = (model(whole, Context({**seen.encoded, "damage": damaged})).image - plain).abs().sum(dim=1)[0]
            assert float(answer[:, side].sum()) > 0.6 * float(answer.sum())


def test_a_picture_damaged_on_one_side_is_treated_differently_on_its_two_sides() -> None:
    """Every crop and every tile shows the same, but for noise on one half: the same tile is another on either side."""
    model, texture = awake(positions=True), pictures(1, 16)
    whole, tile = texture.repeat(1, 1, 8, 8), texture.repeat(1, 1, 4, 4)
    noise = 0.3 * torch.randn(whole.shape, generator=torch.Generator().manual_seed(1))
    sides = torch.tensor([[0.25, 0.0, 0.75, 0.5]]), torch.tensor([[0.25, 0.5, 0.75, 1.0]])

    def both(picture: torch.Tensor) -> tuple[torch.Tensor, float]:
        """The map, and how differently the tile is repaired on the left and on the right."""
        seen = model.look(picture)
        left, right = (model(tile, seen, box).image for box in sides)
        return model.fusion.severity_map(seen.encoded["damage"])[0], float((left - right).abs().max())

    with torch.inference_mode():
        undamaged, same = both(whole)
        assert same < 1e-4
        for damaged in (slice(0, 64), slice(64, 128)):
            one_sided = whole.clone()
            one_sided[..., damaged] += noise[..., damaged]
            found, different = both(one_sided)
            moved = (found - undamaged).abs().sum(dim=(0, 1)).unflatten(0, (2, 4)).sum(dim=1)  # left, right
            there, elsewhere = moved if damaged.start == 0 else moved.flip(0)
            assert float(there) > 4 * float(elsewhere)
            assert different > 100 * max(same, 1e-5)


def test_any_stage_may_be_guided() -> None:
    """§3.4 names none: all eight is a choice, too."""
    model, whole = awake(guided=STAGES), pictures(1)
    assert all(stage.guidance is not None for stage in model.net.stages)
    seen = model.look(whole)
    with torch.inference_mode():
        guided = model(whole, seen).image
        for stage in model.net.stages:
            kept = stage.guidance
            stage.guidance = None
            assert not torch.equal(model(whole, seen).image, guided)
            stage.guidance = kept


def test_every_expert_begins_as_the_plain_network() -> None:
    """Sparse upcycling: the answer is that of the plain one, whoever serves."""
    plain = plain_backbone()
    torch.manual_seed(0)
    model = SLERIR(**{**CONFIG, "masked": False}).eval()  # its guidance is silent at first
    model.adopt(plain)
    whole = pictures()
    with torch.inference_mode():
        for gate in ("soft", "hard"):
            torch.testing.assert_close(model(whole, gate=gate).image, plain(whole).image, atol=1e-5, rtol=0)


def test_every_expert_begins_as_a_small_unet() -> None:
    torch.manual_seed(0)
    unet = CompactUNet(CONFIG["width"], (1, 1, 2))
    wake(unet, std=0.1)
    model = SLERIR(**{**CONFIG, "masked": False, "expansion": 0, "patch": 2, "lean": True, "blocks": [1] * 8}).eval()
    model.adopt(unet)
    whole = pictures(2, 64)
    with torch.inference_mode():
        for gate in ("soft", "hard"):
            torch.testing.assert_close(model(whole, gate=gate).image, unet(whole).image, atol=1e-5, rtol=0)


def test_what_is_not_plain_is_refused() -> None:
    with pytest.raises(ValueError, match="it is not plain"):
        network().adopt(network(positions=True))
    with pytest.raises(ValueError, match=r"there is no 'net\..*learner"):
        network().adopt(plain_backbone(agnostic=True))


def test_a_classifier_chooses_and_its_experts_learn() -> None:
    """The router gets its slope from the soft gate; a head names kinds, and teaches the encoder."""
    model = network(selection="classifier", kinds=["noise", "rain"])
    output = model(pictures(), gate="soft")
    output.image.square().mean().backward()
    assert bool(model.router.classify.weight.grad.any())
    assert model.naming[1].weight.grad is None
    output = model(pictures())
    assert output.kinds.shape == (2, 2)
    model.zero_grad()
    torch.nn.functional.cross_entropy(output.kinds, torch.tensor([0, 1])).backward()
    assert bool(model.degradation.token.weight.grad.any())
    assert network().kinds == ()
    assert network()(pictures()).kinds is None


def path_of(model: SLERIR, whole: torch.Tensor) -> list[int]:
    with torch.inference_mode():
        return [int(routing.logits.argmax()) for routing in model(whole).routings]


@pytest.mark.parametrize("changed", [{}, {"fusion": 0}, {"selection": "classifier"}])
def test_a_path_is_a_plain_backbone_with_the_answer_of_its_experts(changed: dict[str, object]) -> None:
    model = network(**changed).eval()
    whole = pictures(1, 96)
    path = path_of(model, whole)
    assert len(set(path)) > 1
    fixed, other = model.along(path), model.along([(expert + 1) % 3 for expert in path])
    with torch.inference_mode():
        wanted, output = model(whole), fixed(whole)
        assert torch.equal(output.image, wanted.image)
        assert not torch.allclose(other(whole).image, wanted.image, atol=1e-4)
    assert [routing.weights.tolist() for routing in output.routings] == [[[1.0]]] * len(STAGES)
    experts = sum(weight.numel() for stage in model.net.stages for weight in stage.experts.parameters())
    chooser = sum(weight.numel() for weight in model.router.parameters())
    stored = sum(weight.numel() for weight in model.parameters())
    assert sum(weight.numel() for weight in fixed.parameters()) == stored - chooser - 2 * experts // 3
    assert all(len(stage.experts) == 3 for stage in model.net.stages)


@pytest.mark.parametrize("path", [[0] * 7, [0] * 7 + [3], [-1] + [0] * 7])
def test_what_is_no_path(path: list[int]) -> None:
    with pytest.raises(ValueError, match="expected one of the experts 0 to 2 for each of 8 stages"):
        network().along(path)


def cost(model: Callable[[torch.Tensor], object], degraded: torch.Tensor) -> float:
    """GMACs."""
    with FlopCounterMode(display=False) as counter:
        model(degraded)
    return counter.get_total_flops() / 2e9


def test_the_active_cost_is_that_of_a_backbone_with_one_expert() -> None:
    degraded = pictures(1, 96)
    with torch.inference_mode():
        three, one = (cost(network(experts=count, fusion=0).eval(), degraded) for count in (3, 1))
        model = network(fusion=0)
        crops = torch.zeros(16, 3, 16, 16)
        router = cost(model.degradation, crops) + cost(lambda tokens: model.router(tokens, "hard"), torch.zeros(1, 16))
    assert three - router == pytest.approx(one - router, rel=0.02)
    assert router < 0.2 * one


def test_full_size_has_the_active_parameters_of_the_paper() -> None:
    """26 M and the encoders; GMACs of one path for a picture of 256×256, from a network of one expert."""
    with torch.device("meta"):
        model, single, plain = SLERIR(), SLERIR(experts=1), SLERIR(experts=1, fusion=0)
        gmacs, backbone = (cost(network, torch.empty(1, 3, 256, 256)) for network in (single, plain))
    stored, active = (sum(weight.numel() for weight in network.parameters()) for network in (model, single))
    print(f"SLER-IR at full size: {stored / 1e6:.1f} M stored, {active / 1e6:.1f} M active, {gmacs:.1f} GMACs")
    assert (round(stored / 1e6, 1), round(active / 1e6, 1)) == (70.1, 26.8)
    assert gmacs < 1.05 * backbone


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"blocks": [1] * 7}, "blocks"),
        ({"blocks": [0] + [1] * 7}, "blocks"),
        ({"crop_px": 20}, "crop_px 20 is no multiple of 16"),
        ({"guided": ["decoder4"]}, r"no stage 'decoder4' \(there are: encoder1"),
        ({"fusion": 0, "positions": True}, "positions: there is no prior map without fusion"),
        ({"guided": []}, "fusion 8: the prior map guides no stage"),
        ({"experts": 12}, "experts 12"),
        ({"fusion": 9}, "heads do not divide"),
        ({"encoder": "clop"}, "no encoder called 'clop'"),
        ({"selection": "softest"}, "selection 'softest': expected spherical or classifier"),
    ],
)
def test_arguments_that_make_no_network(config: dict[str, object], message: str) -> None:
    with pytest.raises((ValueError, UnknownNameError), match=message):
        network(**config)


def test_the_maps_are_parts_where_there_are_any() -> None:
    assert {stage: {*named} for stage, named in network().parts().items() if stage not in STAGES} == {
        "whole": {"DSP"},
        "tile": {"CSP", "prior"},
    }
    assert tuple(network(fusion=0).parts()) == STAGES
