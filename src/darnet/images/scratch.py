"""Room for the samples of pictures: in memory, or where they are many in a file that is mapped and has no name.

What is mapped counts as memory while it is in use, but the system takes it back where it is scarce, and `release` gives
it back at once, so whoever goes through a picture calls it after each part. The file lies in a `folder` for temporary
files, and is gone with the array.

H: height; ...: width and channels.
"""

from __future__ import annotations

import ctypes
import mmap
import os
import sys
from collections.abc import Callable, Iterator
from functools import lru_cache
from math import prod
from pathlib import Path
from tempfile import TemporaryFile, gettempdir
from threading import Lock
from typing import Any, TypeAlias
from weakref import ref

import numpy as np
from numpy.typing import DTypeLike, NDArray

from darnet.errors import ResourceError, refusal
from darnet.images import budget

Array: TypeAlias = NDArray[Any]

#: More bytes lie in a file: about the samples of 22 MP at 8 bits; fewer, where a budget says so (`most_bytes`).
MOST_BYTES = 2**26
#: Samples that are looked at, or copied, at once.
AT_ONCE = 2**22
#: Samples begin at multiples of so many bytes.
ALIGNED = 16

#: Where files outlive a restart (Filesystem Hierarchy Standard), and so lie on a disk.
LASTING = Path("/var/tmp")
#: The file systems of each mount of this process, by its device.
MOUNTS = Path("/proc/self/mountinfo")

_mapped: list[ref[mmap.mmap]] = []
_changing = Lock()


def folder() -> Path:
    """Where large arrays lie: that for temporary files; where those would be memory, /var/tmp.

    A folder that somebody chose (`TMPDIR`) is taken as it is.
    """
    usual = Path(gettempdir())
    chosen = any(os.environ.get(name) for name in ("TMPDIR", "TEMP", "TMP"))
    if chosen or not in_memory(usual) or in_memory(LASTING) or not os.access(LASTING, os.W_OK | os.X_OK):
        return usual
    return LASTING


def in_memory(path: Path) -> bool:
    """Whether files there are kept in memory (tmpfs), as far as the system says it: Linux does."""
    try:
        device = path.stat().st_dev
        mounts = [line.split() for line in MOUNTS.read_text(encoding="utf-8", errors="replace").splitlines()]
    except OSError:
        return False
    here = f"{os.major(device)}:{os.minor(device)}"
    return any(words[2] == here and words[words.index("-") + 1] in {"tmpfs", "ramfs"} for words in mounts)


def most_bytes() -> int:
    """How large an array may be that lies in memory: MOST_BYTES, or what a stated budget has for it."""
    stated = budget.stated()
    return MOST_BYTES if stated is None else min(MOST_BYTES, stated.picture_bytes)


def empty(shape: tuple[int, ...], dtype: DTypeLike) -> Array:
    """An array that nothing was written to yet. Raises ResourceError where there is no room for its file."""
    if prod(shape) * np.dtype(dtype).itemsize <= most_bytes():
        return np.empty(shape, dtype)
    return in_file(shape, dtype)


def in_file(shape: tuple[int, ...], dtype: DTypeLike) -> Array:
    """The same in a file, however small. Raises ResourceError where there is no room for it."""
    count, size = prod(shape), prod(shape) * np.dtype(dtype).itemsize
    try:
        with TemporaryFile(prefix="darnet-", dir=folder()) as file:
            file.truncate(size)
            mapped = mmap.mmap(file.fileno(), size)
    except OSError as error:
        raise ResourceError(f"no room for {size:,} bytes among temporary files: {refusal(error)}") from None
    return np.frombuffer(_noted(mapped), dtype, count).reshape(shape)


def _noted(mapped: mmap.mmap) -> mmap.mmap:
    """The same, known to `release` for as long as it is in use. Many threads map, and give back, at once."""
    with _changing:
        _mapped.append(ref(mapped))
    return mapped


def release() -> None:
    """Give back the memory of all that is mapped; what it holds stays in its file."""
    with _changing:
        in_use = [(one, mapped) for one in _mapped if (mapped := one()) is not None]
        _mapped[:] = [one for one, _ in in_use]
    if hasattr(mmap, "MADV_DONTNEED"):
        for _, mapped in in_use:
            mapped.madvise(mmap.MADV_DONTNEED)


def trim() -> None:
    """Give back what was freed, too: glibc keeps blocks of up to 32 MB, of a tile of 1152 px more than a hundred MB."""
    release()
    give_back = _trim()
    if give_back is not None:
        give_back(0)


@lru_cache(maxsize=1)
def _trim() -> Callable[[int], int] | None:
    """Glibc's `malloc_trim`; other C libraries have none."""
    return getattr(ctypes.CDLL(None), "malloc_trim", None) if sys.platform == "linux" else None


def strips(values: Array) -> Iterator[slice]:
    """Some rows of (H, ...) after the other, from the top; after each, memory is given back (`release`)."""
    # By how far rows lie apart: the system maps what lies between the few pixels of a sparse view, too.
    height = max(1, AT_ONCE * values.itemsize // max(1, abs(values.strides[0])))
    for top in range(0, len(values), height):
        yield slice(top, top + height)
        release()


def copied(values: Array) -> Array:
    """The same samples in an array of their own, contiguous."""
    array = empty(values.shape, values.dtype)
    for rows in strips(values):
        array[rows] = values[rows]
    return array


class Room:
    """Room for many arrays, such as the pages of a book: in memory as far as that goes, then together in a few files.

    >>> Room().kept(np.arange(3)).tolist()
    [0, 1, 2]
    """

    def __init__(self) -> None:
        self._free = np.empty(0, np.uint8)
        self._held = 0

    def kept(self, values: Array) -> Array:
        """These samples; the array that holds them need not be kept. Raises ResourceError as `empty` does."""
        self._held += values.nbytes
        if self._held <= most_bytes() or values.nbytes > most_bytes():
            return values
        size = values.nbytes + -values.nbytes % ALIGNED
        if size > self._free.size:
            self._free = in_file((max(size, MOST_BYTES),), np.uint8)
        place, self._free = self._free[: values.nbytes], self._free[size:]
        array = place.view(values.dtype).reshape(values.shape)
        for rows in strips(array):
            array[rows] = values[rows]
        return array
