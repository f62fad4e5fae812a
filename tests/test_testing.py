"""The contracts, as strangers run them. What each of them catches is told in tests/contracts."""

from __future__ import annotations

import subprocess
import sys

#: One thing of each kind that breaks its contract, in a process that skips every `assert`.
PROGRAM = """
import torch
from darnet.degradations import Clean
from darnet.errors import ContractError
from darnet.models.unet import UNet
from darnet.restore.diagnosis import Diagnosis
from darnet.testing import check_degradation, check_expert, check_model, check_router

assert False, "this process asserts"

class Bright(Clean):
    def apply(self, clean, parameters, rng):
        return clean + 5

class Deeper(UNet):
    pass

for check, thing, more in (
    (check_expert, lambda pixels: torch.full_like(pixels, 5.0), {}),
    (check_router, lambda pixels: Diagnosis({"clean": 1.5}), {}),
    (check_degradation, Bright(), {}),
    (check_model, Deeper(4, 2), {"kind": "unet", "config": {"width": 4, "depth": 2}}),
):
    try:
        check(thing, **more)
    except ContractError as error:
        print(error)
"""


def test_contracts_hold_where_nothing_is_asserted() -> None:
    ran = subprocess.run([sys.executable, "-O", "-c", PROGRAM], capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.splitlines() == [
        "the expert leaves [0, 1]",
        "a score leaves [0, 1]",
        "clean leaves [0, 1]",
        "Deeper derives from UNet, which is not abstract",
    ]
