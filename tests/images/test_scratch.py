"""darnet.images.scratch: large arrays lie in files, and are what small ones are."""

from __future__ import annotations

import mmap

import numpy as np
import pytest

from darnet.errors import ResourceError
from darnet.images import scratch

RANDOM = np.random.default_rng(0)


@pytest.fixture
def large(monkeypatch: pytest.MonkeyPatch) -> None:
    """Everything is large, and only few rows are looked at at once."""
    monkeypatch.setattr(scratch, "MOST_BYTES", 256)
    monkeypatch.setattr(scratch, "AT_ONCE", 500)


def is_mapped(array: np.ndarray) -> bool:
    while isinstance(array, np.ndarray) and array.base is not None:
        array = array.base
    return isinstance(array.obj if isinstance(array, memoryview) else array, mmap.mmap)


def test_what_is_released_is_still_there(large: None) -> None:
    array = scratch.empty((40, 50, 3), np.uint16)
    assert is_mapped(array)
    array[:] = RANDOM.integers(0, 65536, array.shape)
    before = array.tolist()
    scratch.release()
    assert array.tolist() == before
    np.testing.assert_array_equal(scratch.copied(array), array)


def test_small_arrays_lie_in_memory() -> None:
    assert not is_mapped(scratch.empty((4, 5, 3), np.uint8))


def test_no_room_is_an_error(large: None, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(scratch, "TemporaryFile", refused)
    with pytest.raises(ResourceError, match="no room for 1,000 bytes among temporary files: no space left"):
        scratch.empty((1000,), np.uint8)
