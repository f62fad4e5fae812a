"""Room for the samples of pictures: in memory, or where they are many in a file that is mapped and has no name.

What is mapped counts as memory while it is in use, but the system takes it back where it is scarce, and `release` gives
it back at once, so whoever goes through a picture calls it after each part. The file lies in the folder for temporary
files (`TMPDIR`), and is gone with the array.

H: height; ...: width and channels.
"""

from __future__ import annotations

import ctypes
import mmap
import sys
from collections.abc import Callable, Iterator
from functools import lru_cache
from math import prod
from tempfile import TemporaryFile
from typing import Any, TypeAlias
from weakref import WeakSet

import numpy as np
from numpy.typing import DTypeLike, NDArray

from darnet.errors import ResourceError, refusal

Array: TypeAlias = NDArray[Any]

#: More bytes lie in a file: about the samples of 22 MP at 8 bits.
MOST_BYTES = 2**26
#: Samples that are looked at, or copied, at once.
AT_ONCE = 2**22

_mapped: WeakSet[mmap.mmap] = WeakSet()


def empty(shape: tuple[int, ...], dtype: DTypeLike) -> Array:
    """An array that nothing was written to yet. Raises ResourceError where there is no room for its file."""
    count, size = prod(shape), prod(shape) * np.dtype(dtype).itemsize
    if size <= MOST_BYTES:
        return np.empty(shape, dtype)
    try:
        with TemporaryFile(prefix="darnet-") as file:
            file.truncate(size)
            mapped = mmap.mmap(file.fileno(), size)
    except OSError as error:
        raise ResourceError(f"no room for {size:,} bytes among temporary files: {refusal(error)}") from None
    _mapped.add(mapped)
    return np.frombuffer(mapped, dtype, count).reshape(shape)


def release() -> None:
    """Give back the memory of all that is mapped; what it holds stays in its file."""
    if hasattr(mmap, "MADV_DONTNEED"):
        for mapped in list(_mapped):
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
