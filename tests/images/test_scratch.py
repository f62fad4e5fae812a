"""darnet.images.scratch: large arrays lie in files, and are what small ones are."""

from __future__ import annotations

import mmap
import os
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from tempfile import TemporaryFile

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


def test_threads_map_and_give_back_at_once(large: None) -> None:
    """A picture that another thread mapped meanwhile once ended a picture as an unexpected RuntimeError."""
    ended = threading.Event()

    def give_back() -> None:
        while not ended.is_set():
            scratch.release()

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        with ThreadPoolExecutor(4) as pool:
            givers = [pool.submit(give_back) for _ in range(2)]
            makers = [pool.submit(lambda: [scratch.empty((300,), np.uint8) for _ in range(300)]) for _ in range(2)]
            made = [maker.result() for maker in makers]
            ended.set()
            assert [giver.exception() for giver in givers] == [None, None]
    finally:
        ended.set()
        sys.setswitchinterval(interval)
    assert all(is_mapped(array) for arrays in made for array in arrays)


def test_what_is_gone_is_forgotten(large: None) -> None:
    kept = scratch.empty((300,), np.uint8)
    scratch.release()
    known = len(scratch._mapped)
    for _ in range(10):
        scratch.empty((300,), np.uint8)
    scratch.release()
    assert len(scratch._mapped) == known
    assert is_mapped(kept)


@pytest.fixture
def mounts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Nobody chose a folder for temporary files; the usual one and /var/tmp are of these file systems."""
    for name in ("TMPDIR", "TEMP", "TMP"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(scratch, "gettempdir", lambda: "/proc")  # another device than that of the lasting one
    monkeypatch.setattr(scratch, "LASTING", tmp_path)
    monkeypatch.setattr(scratch, "MOUNTS", tmp_path / "mountinfo")

    def mounted(usual: str, lasting: str) -> None:
        lines = []
        for place, system in {Path("/proc"): usual, tmp_path: lasting}.items():
            device = place.stat().st_dev
            where = f"36 25 {os.major(device)}:{os.minor(device)}"
            lines.append(f"{where} / {place} rw,relatime shared:1 - {system} {system} rw\n")
        scratch.MOUNTS.write_text("".join(lines))

    return mounted


@pytest.mark.skipif(not Path("/proc").is_mount(), reason="mounts are read from /proc")
def test_a_folder_in_memory_is_not_taken(mounts, tmp_path, monkeypatch, large) -> None:
    """Where /tmp is memory, what lies there for memory's sake takes as much of it as before."""
    assert scratch.folder() == Path("/proc")  # nothing is known
    mounts("ext4", "ext4")
    assert scratch.folder() == Path("/proc")
    mounts("tmpfs", "tmpfs")
    assert scratch.folder() == Path("/proc")
    mounts("tmpfs", "ext4")
    assert scratch.in_memory(Path("/proc"))
    assert scratch.folder() == tmp_path
    used = []

    def opened(**options: object) -> object:
        used.append(options["dir"])
        return TemporaryFile()

    monkeypatch.setattr(scratch, "TemporaryFile", opened)
    scratch.empty((300,), np.uint8)
    assert used == [tmp_path]
    monkeypatch.setenv("TMPDIR", "/proc")
    assert scratch.folder() == Path("/proc")


@pytest.mark.skipif(not Path("/dev/shm").is_mount(), reason="a folder that is memory on most Linux systems")
def test_memory_is_known_as_such() -> None:
    assert scratch.in_memory(Path("/dev/shm"))
    assert not scratch.in_memory(Path("/proc"))
    assert not scratch.in_memory(Path("/nowhere"))
