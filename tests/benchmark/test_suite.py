"""What a suite is, and how it is found."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from darnet.benchmark import suite as module
from darnet.benchmark import suites
from darnet.benchmark.documents import Nothing
from darnet.benchmark.protocol import PROTOCOLS
from darnet.benchmark.report.gains import Gains
from darnet.benchmark.report.html import html
from darnet.benchmark.suite import Request
from darnet.benchmark.suites import kinds
from darnet.errors import DarnetError, UnknownNameError, UsageError

#: All that a new suite takes.
ONE_FILE = """
from dataclasses import dataclass
from darnet.benchmark.cases import damaged
from darnet.benchmark.documents import Findings
from darnet.benchmark.report.tables import closed, plain
from darnet.benchmark.suite import Outcome, Suite, measured
from darnet.degradations import GaussianNoise

@dataclass(frozen=True)
class Best(Findings):
    best: str

    def to_dict(self):
        return {"best": self.best}

    @classmethod
    def from_dict(cls, document):
        return cls(document["best"])

def cases(request):
    return damaged(GaussianNoise((5.0, 5.0)), request.root, "CBSD68", request.limit)

def measure(request, chosen, progress):
    part = measured(request, progress, request.methods, chosen)
    return Outcome((part,), Best(max(part.rows, key=lambda row: row.psnr).method))

def tables(document):
    return closed(document.part.protocol, plain(document.part.rows), f"Best: {document.found.best}.")

def suites():
    return (Suite("faint", cases, measure, tables, Best, methods=("identity",), peers=("gaussian",)),)
"""


@pytest.mark.usefixtures("in_this_process")
def test_a_suite_is_added_by_one_file(sets_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is measured, told, read back and shown, and stands beside its peers."""
    (tmp_path / "faint.py").write_text(ONE_FILE)
    monkeypatch.setattr(suites, "__path__", [*suites.__path__, str(tmp_path)])
    request = Request("faint", sets_root, suites.with_peers("faint", ()), limit=1)
    assert request.methods == ("identity", "gaussian")
    document = suites.run(request)
    assert document.found.best == "gaussian"
    assert "Best: gaussian." in suites.markdown(document)
    assert suites.from_dict(json.loads(json.dumps(document.to_dict()))) == document
    page = html(document, request, suites.find("faint"))
    assert "Best: gaussian." in page
    assert "<svg" in page


def test_no_two_suites_have_one_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "again.py").write_text(ONE_FILE.replace('"faint"', '"real"'))
    monkeypatch.setattr(suites, "__path__", [*suites.__path__, str(tmp_path)])
    with pytest.raises(DarnetError, match="there is a suite real already"):
        suites.known()


def test_a_kind_of_another_package_takes_no_suite_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kinds, "kind_suites", lambda: ["noise", "real"])
    assert {name: suites.find(name).findings for name in ("noise", "real")} == {"noise": Nothing, "real": Gains}


def test_a_suite_is_found_by_its_name(sets_root: Path) -> None:
    assert suites.find("noise").name == "noise"
    with pytest.raises(UnknownNameError, match="did you mean 'noise'"):
        suites.run(Request("nois", sets_root))


def test_a_request_has_a_protocol_and_a_device(sets_root: Path) -> None:
    request = Request("noise", sets_root, protocol=PROTOCOLS["kair"])
    assert request.or_else("darnet") == PROTOCOLS["kair"]
    assert Request("noise", sets_root).or_else("darnet") == PROTOCOLS["darnet"]
    with pytest.raises(UsageError, match="tpu"):
        Request("noise", sets_root, device="tpu")


@pytest.mark.usefixtures("in_this_process")
@pytest.mark.parametrize("suite", ["noise", "table1", "3-task", "composite", "speed"])
def test_a_run_loads_each_method_once(
    suite: str, tiny_system: Path, sets_root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In this process, whatever is asked of it. In those of the pool: see test_run.py."""
    loaded: list[str] = []
    load = module.load_method
    monkeypatch.setattr(module, "load_method", lambda name: loaded.append(name) or load(name))
    monkeypatch.setattr("darnet.benchmark.suites.speed.SIZES_PX", (32, 64))
    names = ("identity", str(tiny_system))
    suites.run(Request(suite, sets_root, names, limit=1))
    assert loaded == [*names]
