from __future__ import annotations

from pathlib import Path

import darnet
from darnet.benchmark.provenance import commit, provenance


def test_a_checkout_knows_its_commit() -> None:
    assert (commit() is None) == (not (Path(darnet.__file__).parents[2] / ".git").exists())


def test_figures_name_their_commit_and_their_machine() -> None:
    found = provenance("cpu")
    assert found["commit"] == commit()
    assert found["machine"]["device"] == "cpu"
    assert found["machine"]["cores"] >= 1
