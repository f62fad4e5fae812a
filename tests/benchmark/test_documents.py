from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from darnet.benchmark import documents
from darnet.benchmark.documents import Request, with_peers
from darnet.benchmark.protocol import PROTOCOLS
from darnet.benchmark.suites import ROUTED, levels
from darnet.errors import NoInputError, UnknownNameError, UsageError

pytestmark = pytest.mark.usefixtures("in_this_process")


class Counter:
    """Whoever watches: counts."""

    def __init__(self) -> None:
        self.expected = self.done = 0

    def expect(self, pictures: int) -> None:
        self.expected += pictures

    def advance(self, record: object) -> None:
        self.done += 1


def test_the_price_of_a_wrong_diagnosis(tiny_system: Path, sets_root: Path) -> None:
    """The tiny system calls everything noise, so all but noise is misrouted."""
    counter = Counter()
    document = documents.run(Request("end-to-end", sets_root, (str(tiny_system),), limit=1), counter)
    assert counter.done == counter.expected == 2 * sum(len(levels(kind)) for kind in ROUTED)
    misrouted = {(price["kind"], price["level"]): price["misrouted"] for price in document["prices"]}
    assert set(misrouted.values()) == {0, 1}
    assert all(wrong == (kind != "noise") for (kind, _), wrong in misrouted.items())
    for price in document["prices"]:
        assert price["price_db"] == pytest.approx(price["oracle"] - price["psnr"], abs=2e-3)
    figures = document["router"][str(tiny_system)]
    assert figures["confusion"]["blur"] == {"noise": 3}
    assert figures["clean_called_damaged"] == figures["false_repairs"] == 1
    json.dumps(document, allow_nan=False)


def test_the_router_suite_repairs_nothing(tiny_clean_system: Path, sets_root: Path) -> None:
    request = Request("router", sets_root, (str(tiny_clean_system),), sets=("CBSD68",), limit=2)
    document = documents.run(request)
    assert {row["psnr"] for row in document["rows"]} == {None}
    figures = document["router"][str(tiny_clean_system)]
    assert figures["accuracy"] == round(1 / sum(len(levels(kind)) for kind in ROUTED), 4)
    assert figures["false_repairs"] == 0
    assert document["machine"]["torch"]


def test_table2_has_a_phase_a_column(tiny_system: Path, sets_root: Path) -> None:
    document = documents.run(Request("table2", sets_root, (str(tiny_system),), limit=1))
    assert document["phases"][0].endswith(":clean+noise")
    assert document["protocol"]["name"] == "darnet"
    found = {(row["method"], row["kind"]) for row in document["rows"]}
    methods = ["identity", *document["phases"]]
    assert found == {(method, kind) for method in methods for kind in ("noise", "blur", "overexposure")}
    given = documents.run(Request("table2", sets_root, (str(tiny_system),) * 3, limit=1))
    assert given["phases"] == [str(tiny_system)] * 3
    with pytest.raises(UsageError, match="one a phase"):
        documents.run(Request("table2", sets_root, (str(tiny_system),) * 2))


def test_table2_takes_the_routers_of_a_curriculum(tiny_system: Path, sets_root: Path, tmp_path: Path) -> None:
    routers = ["1-noise/a/model", "2-blur/b/model", "3-overexposure/c/model"]
    for router in routers:
        shutil.copytree(tiny_system / "router", tmp_path / router)
    (tmp_path / "curriculum.json").write_text(json.dumps({"routers": routers}))
    document = documents.run(Request("table2", sets_root, (f"{tiny_system}@{tmp_path}",), limit=1))
    assert document["phases"] == [f"{tiny_system}@{tmp_path / router}" for router in routers]
    labels = {row["per_image"][0]["label"] for row in document["rows"] if row["method"] != "identity"}
    assert labels == {"noise"}


def test_table1_keeps_its_protocols_apart(sets_root: Path) -> None:
    document = documents.run(Request("table1", sets_root, ("identity",), limit=1))
    assert [part["protocol"]["name"] for part in document["parts"]] == ["darnet", "promptir", "moceir"]
    digests = [{row["protocol"] for row in part["rows"]} for part in document["parts"]]
    assert digests == [{PROTOCOLS[name].digest} for name in ("darnet", "promptir", "moceir")]
    asked = documents.run(Request("table1", sets_root, ("identity",), PROTOCOLS["kair"], limit=1))
    assert [part["protocol"]["name"] for part in asked["parts"]] == ["kair"]


def test_speed_is_measured_at_every_size(tiny_system: Path, sets_root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(documents.speed, "SIZES_PX", (32, 64))
    document = documents.run(Request("speed", sets_root, (str(tiny_system / "noise"), "wiener")))
    assert [row["level"] for row in document["rows"]] == [32, 64]
    assert all(row["ms_per_megapixel"] > 0 and row["peak_mb"] > 50 for row in document["rows"])
    assert document["left_out"] == {"wiener": "not meant for noise"}


def test_a_speed_run_that_fails_is_reported(sets_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(documents.speed, "SIZES_PX", (32,))
    root = Path(shutil.copytree(sets_root, tmp_path / "sets"))
    (root / "CBSD68" / "0.png").write_bytes(b"x")
    (failure,) = documents.run(Request("speed", root, ("identity",)))["failures"]
    assert failure["method"] == "identity"


def test_bad_requests(tiny_system: Path, sets_root: Path, tmp_path: Path) -> None:
    with pytest.raises(UnknownNameError, match="noise"):
        Request("nois", sets_root)
    with pytest.raises(NoInputError):
        documents.run(Request("noise", tmp_path / "gone"))
    with pytest.raises(NoInputError, match="Rain100L"):
        documents.run(Request("rain", tmp_path))
    with pytest.raises(UsageError, match=r"no method is left.*not meant for noise"):
        documents.run(Request("noise", sets_root, ("wiener",)))
    for method in ("ffdnet", str(tiny_system / "noise")):
        with pytest.raises(UsageError, match="needs a system"):
            documents.run(Request("router", sets_root, (method,), sets=("CBSD68",)))


def test_peers_of_a_suite() -> None:
    assert with_peers("noise", ()) == ("identity", "darnet", "ffdnet", "bm3d", "nlm", "nlm-blind", "gaussian")
    assert with_peers("table1", ("nlm",)) == ("nlm", "ffdnet", "bm3d", "nlm-blind", "gaussian")
    assert with_peers("haze", ("darnet",)) == ("darnet",)
