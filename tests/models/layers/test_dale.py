"""The degradation-aware learner: equations 1 to 3, and what may be added to them."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor, nn

from darnet.models.layers.backbone import keep_variance
from darnet.models.layers.dale import Design, Learner, Trace
from darnet.models.layers.statistics import Statistics

DESIGN = Design(rank_divisor=2, kernel=3, experts=3, agnostic=True, weighted=False, whole=False)


def learner(features: int = 4, **changes: object) -> Learner:
    torch.manual_seed(0)
    made = Learner(features, replace(DESIGN, **changes))
    keep_variance(made)
    return made


def test_the_learner_is_equations_1_to_3() -> None:
    made = learner()
    features = torch.rand(2, 4, 8, 8)
    trace = Trace(Statistics())
    answer = made(features, trace)
    chosen = trace.routings[0].weights.argmax(dim=1).tolist()
    for index, expert in enumerate(chosen):
        alone = features[index : index + 1]
        product = made.specialised[expert](alone) * made.agnostic(alone)
        torch.testing.assert_close(answer[index : index + 1], made.expand(product))


def test_an_expert_counts_by_its_probability() -> None:
    made, features = learner(weighted=True), torch.rand(2, 4, 8, 8)
    trace = Trace(Statistics())
    answer = made(features, trace) - made.expand.bias[:, None, None]
    made.weighted = False
    plain = made(features, trace) - made.expand.bias[:, None, None]
    share = trace.routings[0].logits.softmax(dim=1).amax(dim=1)
    torch.testing.assert_close(answer, plain * share[:, None, None, None])


def test_a_whole_expert_has_a_norm_and_a_projection() -> None:
    """Conv2Former's modulation, Hou et al. 2022, Fig. 2."""
    expert, features = learner(whole=True).agnostic, torch.rand(1, 4, 8, 8)
    seen: list[Tensor] = []
    expert.look.register_forward_hook(lambda layer, shown, answer: seen.append(shown[0]))
    expert(features)
    torch.testing.assert_close(seen[0].mean(dim=1), torch.zeros(1, 8, 8), atol=1e-5, rtol=0)
    assert isinstance(expert.project, nn.Conv2d)


def test_an_untrained_learner_passes_on_what_it_sees() -> None:
    """It once answered with a constant, and learnt light and colour alone."""
    torch.manual_seed(0)
    made = learner(16, rank_divisor=4, kernel=11, experts=2)
    answer = made(torch.randn(4, 16, 32, 32), Trace(Statistics())).detach()
    assert float(answer.std(dim=(2, 3)).mean()) > 0.03  # 0.0004 with torch's own first weights
    assert float(answer.mean(dim=(2, 3)).abs().mean()) < float(answer.std(dim=(2, 3)).mean())
