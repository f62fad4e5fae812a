"""How damaged pictures were kept."""

from __future__ import annotations

import pytest
import torch
from torch import Generator

from darnet.data.storage import LOSSLESS, Storage
from darnet.degradations.jpeg import compressed

PICTURES = torch.rand(32, 3, 16, 16, generator=Generator().manual_seed(0))


def picks(seed: int = 0) -> Generator:
    return Generator().manual_seed(seed)


def test_a_share_of_them_are_files_of_that_quality() -> None:
    stored = Storage(0.5, (40.0, 40.0))(PICTURES, picks())
    changed = (stored != PICTURES).flatten(1).any(dim=1)
    assert 8 < int(changed.sum()) < 24
    count = int(changed.sum())
    torch.testing.assert_close(stored[changed], compressed(PICTURES[changed], torch.full((count,), 40.0)))
    assert torch.equal(stored, Storage(0.5, (40.0, 40.0))(PICTURES, picks()))


@pytest.mark.parametrize(("storage", "drawn"), [(LOSSLESS, False), (Storage(1e-9), True)])
def test_without_loss_nothing_changes(storage: Storage, drawn: bool) -> None:
    """And where there are no files at all no chance is used up."""
    chance = picks()
    assert storage(PICTURES, chance) is PICTURES
    assert torch.equal(chance.get_state(), picks().get_state()) is not drawn
