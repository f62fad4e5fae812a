"""The two tables of the DaR-Net paper."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from benchmark_rows import cells, document, part, row
from darnet.benchmark import suites
from darnet.benchmark.protocol import PROTOCOLS
from darnet.benchmark.report.printed import PAPER_PROTOCOL, PAPER_TABLE1, SIGMAS
from darnet.benchmark.rows import PerImage, Row
from darnet.benchmark.suite import Request
from darnet.benchmark.suites.papers import Phases, table1
from darnet.errors import DarnetError, UsageError

KIND_OF = {25.0: "noise", 1.5: "blur", 1.725: "overexposure"}
PHASES = ("darnet:clean+noise", "darnet:clean+noise+blur", "darnet")


def table2(*rows: Row) -> str:
    return suites.markdown(document("table2", part("darnet", *rows), found=Phases(PHASES)))


def test_rows_of_different_protocols_never_meet():
    mixed = (row(), row(protocol="ba9876543210"))
    for draw in (table2, lambda *rows: table1(part("darnet", *rows))):
        with pytest.raises(DarnetError, match="cannot share a table"):
            draw(*mixed)


def test_table_1_puts_the_papers_rows_under_the_protocol_they_fit():
    assert {name for names in PAPER_PROTOCOL.values() for name in names} == set(PAPER_TABLE1)
    darnet, promptir, moceir, kair = (cells(table1(part(name))) for name in ("darnet", "promptir", "moceir", "kair"))
    paper = "as the DaR-Net paper prints it"
    assert darnet == [["DaR-Net", paper, "33.55 / 0.933", "31.03 / 0.890", "27.65 / 0.804", "30.74"]]
    assert [line[0] for line in promptir] == ["AirNet", "Restormer", "PromptIR", "DaAIR", "MEASNet"]
    assert [line[0] for line in moceir] == ["MoCE-IR"]
    assert promptir[1] == ["Restormer", paper, "31.96 / –", "29.51 / –", "26.62 / –", "29.36"]
    assert kair == []


def test_table_1_puts_our_rows_below_those_of_the_paper():
    rows = [row(level=level, psnr=psnr) for level, psnr in ((50.0, 28.0), (15.0, 34.0), (25.0, 31.0))]
    text = table1(part("darnet", *rows, row("identity", psnr=20.0), row("identity", level=50.0, psnr=None)))
    theirs, ours, identity = cells(text)
    assert theirs[0] == "DaR-Net"
    assert ours == ["darnet, CBSD68", "darnet", "34.00 / 0.880", "31.00 / 0.880", "28.00 / 0.880", "31.00"]
    assert identity == ["identity, CBSD68", "darnet", "–", "20.00 / 0.880", "– / 0.880", "–"]  # no mean of one level
    assert str(PROTOCOLS["darnet"]) in text


def test_table_1_is_one_table_a_protocol():
    parts = [part("darnet", row(protocol="a")), part("promptir", row(protocol="b"))]
    text = suites.markdown(document("table1", *parts, in_parts=True))
    assert text == f"{table1(parts[0])}\n\n{table1(parts[1])}"


def test_a_mean_over_other_pictures_than_the_papers_says_so():
    """`--limit 2` put a mean of two pictures beside the paper's of 68."""
    few, other = (row(n=2), row(set="McMaster", n=18))
    text = table1(part("darnet", *(replace(few, level=sigma) for sigma in SIGMAS), other))
    labels = ["darnet, CBSD68 (2 pictures of 68: not comparable)"]
    labels.append("darnet, McMaster (18 pictures for 68 of CBSD68: not comparable)")
    assert [line[0] for line in cells(text)[1:]] == labels
    found = cells(table2(row("identity", n=2)))
    assert found[1][1] == "ours, CBSD68 (2 pictures of 68: not comparable)"


def test_table_2_has_a_phase_a_column():
    rows = [
        row(method, level=level, psnr=20.0 + phase, kind=kind, per_image=named(kind))
        for phase, method in enumerate(["identity", *PHASES])
        for level, kind in KIND_OF.items()
    ]
    text = table2(*rows)
    found = cells(text)
    assert [line[:3] for line in found[::2]] == [
        [f"{kind} {level:g}", "paper", "as printed"] for level, kind in KIND_OF.items()
    ]
    assert found[0][3:] == ["20.48 / .391", "31.03 / .890", "31.03 / .890", "31.03 / .890"]
    # noise was named rightly; of the input nobody asks how it was routed
    assert found[1] == ["", "ours, CBSD68", "darnet", *(f"{20 + phase}.00 / 0.880" for phase in range(4))]
    assert found[3][3:] == ["20.00 / 0.880", *(f"{20 + phase}.00 / 0.880 (1 of 68)" for phase in (1, 2, 3))]
    assert "phase 1: `darnet:clean+noise`; phase 2: `darnet:clean+noise+blur`; phase 3: `darnet`." in text


def named(kind: str) -> tuple[PerImage, ...]:
    return PerImage("a", label="noise"), PerImage("b", label=kind)


def test_table_2_has_a_line_a_set():
    found = cells(table2(row("identity"), row("identity", psnr=33.0, set="McMaster", n=18)))
    assert [line[1] for line in found[:2]] == ["paper", "ours, CBSD68"]
    assert found[2][1].startswith("ours, McMaster (18 pictures")
    assert [line[3] for line in found[1:3]] == ["31.00 / 0.880", "33.00 / 0.880"]


def test_table_2_leaves_open_what_was_not_measured():
    found = cells(table2(row("identity")))
    assert found[1][3:] == ["31.00 / 0.880", "–", "–", "–"]
    assert found[2][0] == "blur –"
    assert found[3][3:] == ["–"] * 4


@pytest.mark.usefixtures("in_this_process")
def test_the_suite_of_table_2_has_a_phase_a_column(tiny_system: Path, sets_root: Path) -> None:
    found = suites.run(Request("table2", sets_root, (str(tiny_system),), limit=1))
    phases = found.found.phases
    assert phases[0].endswith(":clean+noise")
    assert found.part.protocol.name == "darnet"
    methods = ["identity", *phases]
    assert {(row.method, row.kind) for row in found.part.rows} == {
        (method, kind) for method in methods for kind in ("noise", "blur", "overexposure")
    }
    given = suites.run(Request("table2", sets_root, (str(tiny_system),) * 3, limit=1))
    assert given.found.phases == (str(tiny_system),) * 3
    with pytest.raises(UsageError, match="one a phase"):
        suites.run(Request("table2", sets_root, (str(tiny_system),) * 2))


@pytest.mark.usefixtures("in_this_process")
def test_table_2_takes_the_routers_of_a_curriculum(tiny_system: Path, sets_root: Path, tmp_path: Path) -> None:
    routers = ["1-noise/a/model", "2-blur/b/model", "3-overexposure/c/model"]
    for router in routers:
        shutil.copytree(tiny_system / "router", tmp_path / router)
    (tmp_path / "continual.json").write_text(json.dumps({"routers": routers}))
    found = suites.run(Request("table2", sets_root, (f"{tiny_system}@{tmp_path}",), limit=1))
    assert found.found.phases == tuple(f"{tiny_system}@{tmp_path / router}" for router in routers)
    assert {row.per_image[0].label for row in found.part.rows if row.method != "identity"} == {"noise"}


@pytest.mark.usefixtures("in_this_process")
def test_table_1_keeps_its_protocols_apart(sets_root: Path) -> None:
    found = suites.run(Request("table1", sets_root, ("identity",), limit=1))
    assert [part.protocol.name for part in found.parts] == ["darnet", "promptir", "moceir"]
    for part_ in found.parts:
        assert {row.protocol for row in part_.rows} == {part_.protocol.digest}
    assert len(found.to_dict()["parts"]) == 3
    asked = suites.run(Request("table1", sets_root, ("identity",), PROTOCOLS["kair"], limit=1))
    assert [part["protocol"]["name"] for part in asked.to_dict()["parts"]] == ["kair"]
