"""Who is measured by what it brings."""

from __future__ import annotations

from pathlib import Path

from darnet.benchmark.methods import ORACLE
from darnet.benchmark.peers import INPUT
from darnet.benchmark.suites.gains import methods
from darnet.systems import manifest


def test_a_system_is_measured_told_the_kind_as_well(tiny_system: Path) -> None:
    name = str(tiny_system)
    assert methods((manifest.DEFAULT,)) == (INPUT, manifest.DEFAULT, f"{manifest.DEFAULT}{ORACLE}")
    assert methods((name,)) == (INPUT, name, f"{name}{ORACLE}")
    alone = ("gaussian", str(tiny_system / "noise"), "weights.pth", f"{manifest.DEFAULT}:once", f"{name}@run")
    assert methods(alone) == (INPUT, *alone)
    assert methods((INPUT, f"{name}{ORACLE}", name)) == (INPUT, f"{name}{ORACLE}", name)
