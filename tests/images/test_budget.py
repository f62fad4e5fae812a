"""darnet.images.budget: how much memory may be taken, and what follows from that."""

from __future__ import annotations

from pathlib import Path
from threading import Thread

import pytest
from hypothesis import given
from hypothesis import strategies as st

from darnet.errors import ResourceError, UsageError
from darnet.images import budget
from darnet.images.budget import LEAST_TILE_PX, STEP_PX, Budget, Cost, bytes_of, current, observed, said

costs = st.builds(Cost, st.integers(0, 10**8), st.integers(1, 1000))
totals = st.integers(1, 10**11)


@given(totals, costs)
def test_what_is_chosen_fits_and_a_larger_tile_would_not(total: int, cost: Cost) -> None:
    stated = Budget(total)
    try:
        side = stated.tile_px(cost)
    except ResourceError as error:
        assert total < stated.needed(cost, LEAST_TILE_PX)
        assert "max_memory" in error.reason
        return
    assert LEAST_TILE_PX <= side <= 1152
    assert cost.of(side) <= stated.tile_bytes
    assert side == 1152 or cost.of(side + STEP_PX) > stated.tile_bytes
    held = stated.held_bytes + budget.STRIPS_BYTES + 2 * stated.picture_bytes
    assert held + stated.tile_bytes == total


@given(costs, st.integers(LEAST_TILE_PX, 2000))
def test_what_is_said_to_be_needed_is_enough(cost: Cost, tile_px: int) -> None:
    stated = Budget(Budget(0).needed(cost, tile_px))
    assert stated.tile_px(cost, tile_px) > tile_px - STEP_PX
    assert Budget(stated.total_bytes).tile_px(cost, LEAST_TILE_PX) == LEAST_TILE_PX


@given(totals, costs, st.integers(1, 64), st.booleans())
def test_workers_have_full_tiles_or_are_one(total: int, cost: Cost, wanted: int, together: bool) -> None:
    stated = Budget(total)
    count = stated.workers(wanted, cost, together=together)
    share = stated.share(count, together=together)
    assert 1 <= count <= wanted
    assert count == 1 or share.tile_px(cost) == 1152
    if together:  # what they hold they hold once
        assert count == 1 or stated.held_bytes + count * (share.total_bytes - share.held_bytes) <= total
    else:
        assert count * share.total_bytes <= total
    if count < wanted:
        more = stated.share(count + 1, together=together)
        assert more.total_bytes < more.needed(cost, 1152)


@pytest.mark.parametrize("stated", ["", "0", "2 apples", "-1GB", "1e9", 0, -5, "GB", "1GBB", "nan", "9" * 400, "٣GB"])
def test_what_is_no_size_is_refused(stated: str | int) -> None:
    with pytest.raises(UsageError, match="max_memory"):
        bytes_of(stated)


@given(st.integers(1, 10**15))
def test_a_size_is_said_in_three_digits_and_never_too_small(size: int) -> None:
    again = bytes_of(said(size))
    assert size <= again <= max(size * 1.01, size + 1)


def test_what_does_not_fit_is_refused_with_what_would_allow_it() -> None:
    stated, photo = Budget(10**9), Path("photo.avif")
    stated.admit(photo, 6 * 10**8, "decoding")
    with pytest.raises(ResourceError) as caught:
        stated.admit(photo, 4 * 10**9, "decoding")
    assert str(caught.value).startswith("photo.avif: decoding takes 4.32GB of memory, and 1GB are allowed")
    Budget.of("4.32GB").admit(photo, 4 * 10**9, "decoding")


def test_a_budget_holds_inside_and_for_its_thread_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(budget, "available_bytes", lambda: 10**10)
    seen = []
    with observed(Budget(10**9)), observed(None):
        assert current() == Budget(10**9)
        thread = Thread(target=lambda: seen.append(current()))
        thread.start()
        thread.join()
    assert seen == [Budget(5 * 10**9)] == [current()]
