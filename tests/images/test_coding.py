"""darnet.images.coding: which pictures of a file are wanted, and how it was coded."""

from __future__ import annotations

from pathlib import Path

import pytest

from darnet.errors import ImageError
from darnet.images.coding import USUAL, Coding, refuse_several


def test_several_are_refused_unless_the_first_is_wanted() -> None:
    refuse_several(Path("a.heic"), "3", "first")
    with pytest.raises(ImageError, match=r"a\.heic: has 3 pages; only single pictures are restored"):
        refuse_several(Path("a.heic"), "3", "one")
    with pytest.raises(ImageError, match=r"has several pages, of which the first alone can be restored: `first=True`"):
        refuse_several(Path("a.heic"), "several", "all")


def test_what_nobody_knows_of_a_coding_changes_nothing() -> None:
    assert USUAL == Coding() == (None, None, False, False)
