"""Suites over one kind of damage."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmark_rows import document, part, row
from darnet.benchmark import suites
from darnet.benchmark.cases import kind_suites
from darnet.benchmark.protocol import PROTOCOLS
from darnet.benchmark.report.tables import plain
from darnet.benchmark.suite import Request
from darnet.errors import NoInputError, UsageError


def test_every_kind_has_a_suite() -> None:
    assert {*kind_suites()} <= {*suites.known()}


def test_its_tables_are_one_line_a_row() -> None:
    found = suites.markdown(document("noise", part("kair", row())))
    assert found == f"{plain([row()])}\n\nProtocol {PROTOCOLS['kair']}."


def test_peers_are_those_of_the_kind_of_damage() -> None:
    of_noise = ("ffdnet", "bm3d", "nlm", "nlm-blind", "gaussian")
    assert suites.with_peers("noise", ()) == suites.with_peers("grain", ()) == ("identity", "darnet", *of_noise)
    assert suites.with_peers("table1", ("nlm",)) == ("nlm", "ffdnet", "bm3d", "nlm-blind", "gaussian")
    assert suites.with_peers("haze", ("darnet",)) == ("darnet",)


def test_bad_requests(sets_root: Path, tmp_path: Path) -> None:
    with pytest.raises(NoInputError):
        suites.run(Request("noise", tmp_path / "gone"))
    with pytest.raises(NoInputError, match="Rain100L"):
        suites.run(Request("rain", tmp_path))
    with pytest.raises(UsageError, match=r"no method is left.*not meant for noise"):
        suites.run(Request("noise", sets_root, ("wiener",)))
