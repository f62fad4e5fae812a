"""How much memory is free to this process: what the machine has, and what its container (a control group) leaves."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

#: Where Linux says so.
MEMINFO, GROUPS, MOUNT = Path("/proc/meminfo"), Path("/proc/self/cgroup"), Path("/sys/fs/cgroup")
#: Of version 2 and 1 of control groups: limit, what is in use, and what of that is files that may be forgotten.
FILES = {
    2: ("memory.max", "memory.current", "inactive_file"),
    1: ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
}
#: Where nothing says so: what a small machine has.
UNKNOWN = 4 * 10**9


def available_bytes() -> int:
    """Bytes that can be had without others being driven out: of the machine, or less where a container has less."""
    return max(0, min([_of_machine(), *_left_by_groups()]))


def _of_machine() -> int:
    """Of Linux what is free or easily freed, elsewhere half of what is built in."""
    try:
        lines = MEMINFO.read_text(encoding="ascii").splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("MemAvailable:")) * 1024
    except (OSError, LookupError, StopIteration, ValueError):
        pass
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2
    except (AttributeError, OSError, ValueError):
        return UNKNOWN


def _left_by_groups() -> Iterator[int]:
    """What each control group that this process is in leaves of its limit, as far as it has one."""
    try:
        groups = [line.split(":", 2) for line in GROUPS.read_text(encoding="utf-8").splitlines()]
    except (OSError, ValueError):
        return
    for number, controllers, name in groups:
        if number == "0":
            version, mount = 2, MOUNT
        elif "memory" in controllers.split(","):
            version, mount = 1, MOUNT / "memory"
        else:
            continue
        here = PurePosixPath(name)
        # A container sees its own group as the root, whatever it is called outside.
        for path in {mount / part.relative_to("/") for part in (here, *here.parents, PurePosixPath("/"))}:
            left = _left(path, *FILES[version])
            if left is not None:
                yield left


def _left(group: Path, limit: str, usage: str, forgettable: str) -> int | None:
    """What one leaves; None where it has no limit."""
    try:
        most, used = (int((group / name).read_text(encoding="ascii")) for name in (limit, usage))
        stated = dict(line.split() for line in (group / "memory.stat").read_text(encoding="ascii").splitlines())
        return most - used + int(stated.get(forgettable, 0))
    except (OSError, ValueError):  # `max`: no limit
        return None
