"""darnet.engines.processes: who has started this process, and how many others."""

from __future__ import annotations

import pytest

from darnet.engines.processes import Processes
from darnet.errors import UsageError

TORCHRUN = {"WORLD_SIZE": "8", "RANK": "5", "LOCAL_RANK": "1", "LOCAL_WORLD_SIZE": "4", "GROUP_WORLD_SIZE": "2"}
SLURM = {"SLURM_NTASKS": "6", "SLURM_PROCID": "4", "SLURM_LOCALID": "1", "SLURM_NNODES": "2"}
PARENT = {"WORLD_SIZE": "2", "LOCAL_RANK": "1", "NODE_RANK": "0"}
NAMES = {*TORCHRUN, *SLURM, *PARENT, "SLURM_JOB_NAME"}


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({}, Processes()),
        (TORCHRUN, Processes(8, 5, 4, outside=True)),
        (SLURM, Processes(6, 4, 3, outside=True)),
        (SLURM | TORCHRUN, Processes(8, 5, 4, outside=True)),  # torchrun, a task of Slurm's on each machine
        (SLURM | {"SLURM_NTASKS": "1", "SLURM_PROCID": "0", "SLURM_NNODES": "1"}, Processes()),
        (SLURM | {"SLURM_JOB_NAME": "interactive"}, Processes()),
        (PARENT, Processes(2, 1, 2)),
    ],
)
def test_who_started_it(monkeypatch, environment, expected):
    for name in NAMES:
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert Processes.around() == expected
    assert expected.machines * expected.local == expected.total


def test_machines_with_different_numbers_are_refused(monkeypatch):
    for name, value in (SLURM | {"SLURM_NTASKS": "5"}).items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("LOCAL_WORLD_SIZE", raising=False)
    with pytest.raises(UsageError, match="5 processes on 2 machines"):
        Processes.around()
