"""Documents and their JSON form, those of the repository among them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from benchmark_rows import document, part, row
from darnet.benchmark import suites
from darnet.benchmark.documents import Failure, Part
from darnet.benchmark.protocol import PROTOCOLS
from darnet.errors import DarnetError

FILES = sorted((Path(__file__).parents[2] / "benchmarks").glob("*.json"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_every_document_of_the_repository_is_read_whole_and_has_its_tables(path: Path) -> None:
    """Written again it is the same to the last character, but that older rows now say that they have no way."""
    found, written = suites.read(path), json.loads(path.read_text(encoding="utf-8"))
    for one in written.get("parts", [written]):
        one["rows"] = [with_way(row) for row in one["rows"]]
    assert json.dumps(found.to_dict()) == json.dumps(written)
    text = suites.markdown(found)
    assert text.startswith("| ")
    for one in found.parts:
        assert f"Protocol {one.protocol}." in text


def with_way(row: dict[str, Any]) -> dict[str, Any]:
    head = {name: row[name] for name in ("method", "set", "kind", "level")}
    return {**head, "way": row.get("way", ""), **row}


def test_what_is_left_out_and_what_failed_is_of_all_parts() -> None:
    failure = Failure("m", "CBSD68", "a.png", 25.0, "damaged")
    one = Part(PROTOCOLS["kair"], (row(),), (failure,), {"bm3d": "not installed"})
    found = document("table1", one, part("darnet", row()), in_parts=True)
    assert found.failures == (failure,)
    assert found.left_out == {"bm3d": "not installed"}
    written = found.to_dict()
    assert written["failures"] == written["parts"][0]["failures"] == [vars(failure)]
    assert suites.from_dict(json.loads(json.dumps(written))) == found


def test_a_file_that_is_none_is_named_with_the_reason(tmp_path: Path) -> None:
    path = tmp_path / "report.json"
    good = document("noise", part("kair", row())).to_dict()
    other = {**good, "protocol": {**good["protocol"], "seed": 1}}
    for text, reason in (
        ("{", "Expecting"),
        ("{}", "KeyError: 'suite'"),
        (json.dumps({**good, "suite": "nois"}), "did you mean 'noise'"),
        (json.dumps({**good, "rows": [{"method": "m", "per_image": []}]}), "TypeError"),
        (json.dumps(other), "has the digest"),
    ):
        path.write_text(text)
        with pytest.raises(DarnetError, match=reason) as error:
            suites.read(path)
        assert str(error.value).startswith(f"{path}: ")
    with pytest.raises(DarnetError, match=r"gone\.json"):
        suites.read(tmp_path / "gone.json")
