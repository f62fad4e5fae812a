"""What a batch says of its pictures."""

import torch

from darnet.data.batch import Batch

CROPS = torch.zeros(4, 3, 8, 8)


def batch(**options: torch.Tensor) -> Batch:
    label, severity = torch.tensor([1, 1, 2, 2]), torch.tensor([5.0, 5.0, 0.0, 0.0])
    return Batch(CROPS, CROPS, label, severity, crops_per_picture=2, **options)


def test_without_more_the_label_is_what_is_present() -> None:
    assert batch().present(3).tolist() == [[0, 1, 0], [0, 0, 1]]
    assert batch().known_severities(3).tolist() == [[0, 5, 0], [0, 0, 0]]


def test_a_kind_in_one_crop_is_in_the_picture_and_unknown_stays_so() -> None:
    nan = float("nan")
    presence = torch.tensor([[0.0, 1, nan], [0, 0, 0], [0, 0, nan], [0, 0, 0]])
    found = batch(presence=presence, severities=torch.ones(4, 3)).present(3)
    assert found[0, :2].tolist() == [0, 1]
    assert bool(found[0, 2].isnan())
    assert found[1, :2].tolist() == [0, 0]
    assert bool(found[1, 2].isnan())
