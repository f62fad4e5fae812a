"""The processes that work on one thing together, as torchrun, Slurm or a parent process started them."""

from __future__ import annotations

import os
from dataclasses import dataclass

from darnet.errors import UsageError

#: Jobs of Slurm in which a person types: their one task starts processes by itself. Lightning knows them so, too.
INTERACTIVE = frozenset({"bash", "interactive"})


@dataclass(frozen=True)
class Processes:
    """How many there are (`total`), which one this is (`rank`, from 0), and how many of them are on one machine.

    `outside`: something else has started all of them, and nothing is to be started.

    >>> Processes(total=8, local=4).machines
    2
    """

    total: int = 1
    rank: int = 0
    local: int = 1
    outside: bool = False

    @property
    def machines(self) -> int:
        """How many machines they are on."""
        return self.total // self.local

    @classmethod
    def around(cls) -> Processes:
        """Those that this process belongs to. Raises UsageError where machines have different numbers of them."""
        env = os.environ
        if "LOCAL_WORLD_SIZE" in env:  # torchrun, which may itself have been started by Slurm
            return cls._of(int(env["WORLD_SIZE"]), int(env["RANK"]), int(env["GROUP_WORLD_SIZE"]))
        if int(env.get("SLURM_NTASKS", "1")) > 1 and env.get("SLURM_JOB_NAME") not in INTERACTIVE:
            return cls._of(int(env["SLURM_NTASKS"]), int(env["SLURM_PROCID"]), int(env.get("SLURM_NNODES", "1")))
        total = int(env.get("WORLD_SIZE", "1"))  # this machine's, which the first of them has started
        return cls(total, int(env.get("LOCAL_RANK", "0")), total)

    @classmethod
    def _of(cls, total: int, rank: int, machines: int) -> Processes:
        if total % machines:
            raise UsageError(f"{total} processes on {machines} machines: start as many on each")
        return cls(total, rank, total // machines, outside=True)
