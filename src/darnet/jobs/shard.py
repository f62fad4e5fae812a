"""Shard: the part of a job that one of several machines does, without a word to the others."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path

from darnet.errors import UsageError

#: Bytes of a hash that are counted: of 2^64 values, so that even millions of shards are equally likely.
HASH_BYTES = 8


@dataclass(frozen=True)
class Shard:
    """Which of `total` parts, counted from 0, as Slurm and Kubernetes count.

    A picture's part follows from its path below its input folder alone: wherever that folder is mounted, whatever else
    is in it, and on every machine. So a file that is added moves no other, and parts are equal only by chance.
    Raises UsageError for a part that there is not.

    >>> parts = [Shard(number, 3) for number in range(3)]
    >>> [[Path(f"sub/{i}.jpg") in part for part in parts].count(True) for i in range(4)]
    [1, 1, 1, 1]
    """

    number: int
    total: int

    def __post_init__(self) -> None:
        """Raise UsageError for a part that there is not."""
        if not 0 <= self.number < self.total:
            raise _wrong(f"{self.number}/{self.total}")

    @classmethod
    def parse(cls, text: str) -> Shard:
        """As `0/100` to `99/100`. Raises UsageError.

        >>> Shard.parse("3/8")
        Shard(number=3, total=8)
        """
        found = re.fullmatch(r"(\d{1,9})/(\d{1,9})", text, re.ASCII)
        if found is None:
            raise _wrong(text)
        return cls(int(found[1]), int(found[2]))

    def __contains__(self, relative: Path) -> bool:
        """Whether a picture at this path, relative to its input folder, belongs to this part."""
        name = os.fsencode(relative.as_posix())
        return int.from_bytes(blake2b(name, digest_size=HASH_BYTES).digest()) % self.total == self.number

    @property
    def suffix(self) -> str:
        """What sets the files of this part apart, such as reports: `-3-of-8`."""
        return f"-{self.number}-of-{self.total}"

    def own(self, path: Path) -> Path:
        """This part's own file, where each writes one.

        >>> Shard(3, 8).own(Path("out/.darnet.sqlite")).name
        '.darnet-3-of-8.sqlite'
        """
        return path.with_stem(path.stem + self.suffix)


def _wrong(text: str) -> UsageError:
    return UsageError(f"`shard={text!r}`: expected i/n, one of n parts counted from 0: 0/4, 1/4, 2/4 or 3/4")


def named_for(shard: Shard | None, path: Path) -> Path:
    """A file of the whole of a job, or that of a part, which another machine's does not meet.

    >>> named_for(Shard(0, 4), Path("out/.darnet.sqlite")).name
    '.darnet-0-of-4.sqlite'
    """
    return path if shard is None else shard.own(path)
