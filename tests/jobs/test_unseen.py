"""darnet.jobs.unseen: what a run could not look into. What a ledger says of it then: test_status.py."""

from __future__ import annotations

from pathlib import Path

import pytest

from darnet.jobs import Done, Job
from darnet.jobs.unseen import Unseen


@pytest.mark.parametrize("recursive", [True, False])
def test_what_is_searched(pictures, recursive: bool) -> None:
    pictures("in/a.png")
    Path("in/sub").mkdir()
    agenda = Job(recursive=recursive).plan(["in", "gone.png"], "out")
    unseen = Unseen.of((*agenda.missing, Done("in/sub", error="no")), agenda.tasks, recursive=recursive)
    here = str(Path().resolve())
    assert list(unseen.failed) == [f"{here}/in/sub"], "a file that is not there is none of a folder's"
    assert unseen.is_searched(f"{here}/in")
    assert unseen.is_searched(f"{here}/in/sub/deep") == recursive
    assert not unseen.is_searched(f"{here}/inside")
