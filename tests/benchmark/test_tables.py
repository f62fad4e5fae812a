from __future__ import annotations

import pytest

from darnet.benchmark.protocol import PROTOCOLS, Protocol
from darnet.benchmark.tables import PAPER_PROTOCOL, PAPER_TABLE1, markdown, plain, prices, router, table1, table2
from darnet.errors import DarnetError

KIND_OF = {25.0: "noise", 1.5: "blur", 1.725: "overexposure"}
PHASES = ["darnet:clean+noise", "darnet:clean+noise+blur", "darnet"]
FIGURES = {"accuracy": 0.9, "pictures": 10, "calibration_error": 0.0123}
FIGURES |= {"clean_called_damaged": 0.2, "false_repairs": 0.1, "confusion": {"clean": {"clean": 4, "noise": 1}}}


def row(method: str = "darnet", level: float | None = 25.0, psnr: float | None = 31.0, **others) -> dict:
    return {
        "method": method,
        "set": "CBSD68",
        "kind": "noise",
        "level": level,
        "psnr": psnr,
        "psnr_interval": None if psnr is None else [psnr - 0.5, psnr + 0.5],
        "ssim": 0.88,
        "ssim_interval": None,
        "n": 68,
        "failed": 0,
        "told": None,
        "params": 1_230_000,
        "gmacs_256": 4.56,
        "ms_per_megapixel": 789.4,
        "peak_mb": 512,
        "protocol": "0123456789ab",
        "per_image": [],
        **others,
    }


def described(protocol: Protocol) -> dict:
    return {"name": protocol.name, "digest": protocol.digest, "text": str(protocol)}


def part(name: str, *rows: dict) -> dict:
    return {"protocol": described(PROTOCOLS[name]), "rows": list(rows)}


def cells(text: str) -> list[list[str]]:
    """The lines of a table, without its title and its rule."""
    lines = [line for line in text.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


def test_a_plain_table_has_a_line_a_row():
    text = plain([row(), row("identity", None, None, ssim=None, params=None, gmacs_256=None, told="kind", failed=2)])
    first, second = cells(text)
    head = ["darnet", "CBSD68", "noise", "25", "31.00 [30.50, 31.50]", "0.8800"]
    assert first == [*head, "68", "–", "1.23", "4.6", "789", "512"]
    assert second == ["identity", "CBSD68", "noise", *["–"] * 3, "68 (2 failed)", "kind", "–", "–", "789", "512"]
    title = text.splitlines()[0].strip("|").split("|")
    assert len(title) == len(first)


def test_rows_of_different_protocols_never_meet():
    mixed = [row(), row(protocol="ba9876543210")]
    for draw in (plain, lambda rows: table1(part("darnet", *rows))):
        with pytest.raises(DarnetError, match="cannot share a table"):
            draw(mixed)
    with pytest.raises(DarnetError, match="cannot share a table"):
        table2({**part("darnet", *mixed), "phases": PHASES})


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
    text = table1(part("darnet", *rows, row("identity", 25.0, 20.0), row("identity", 50.0, None)))
    theirs, ours, identity = cells(text)
    assert theirs[0] == "DaR-Net"
    assert ours == ["darnet, CBSD68", "darnet", "34.00 / 0.880", "31.00 / 0.880", "28.00 / 0.880", "31.00"]
    assert identity == ["identity, CBSD68", "darnet", "–", "20.00 / 0.880", "– / 0.880", "–"]  # no mean of one level
    assert str(PROTOCOLS["darnet"]) in text


def test_table_1_is_one_table_a_protocol():
    parts = [part("darnet", row(protocol="a")), part("promptir", row(protocol="b"))]
    text = markdown({"suite": "table1", "parts": parts})
    assert text == f"{table1(parts[0])}\n\n{table1(parts[1])}"


def test_a_mean_over_other_pictures_than_the_papers_says_so():
    """`--limit 2` put a mean of two pictures beside the paper's of 68."""
    few, other = (row(n=2), row(set="McMaster", n=18))
    text = table1(part("darnet", *(few | {"level": sigma} for sigma in (15.0, 25.0, 50.0)), other))
    labels = ["darnet, CBSD68 (2 pictures of 68: not comparable)"]
    labels.append("darnet, McMaster (18 pictures for 68 of CBSD68: not comparable)")
    assert [line[0] for line in cells(text)[1:]] == labels
    found = cells(table2({**part("darnet", row("identity", n=2)), "phases": PHASES}))
    assert found[1][1] == "ours, CBSD68 (2 pictures of 68: not comparable)"


def test_table_2_has_a_phase_a_column():
    rows = [
        row(method, level, 20.0 + phase, kind=kind, n=68, per_image=[{"label": "noise"}, {"label": kind}])
        for phase, method in enumerate(["identity", *PHASES])
        for level, kind in KIND_OF.items()
    ]
    document = {"suite": "table2", **part("darnet", *rows), "phases": PHASES}
    found = cells(markdown(document))
    assert [line[:3] for line in found[::2]] == [
        [f"{kind} {level:g}", "paper", "as printed"] for level, kind in KIND_OF.items()
    ]
    assert found[0][3:] == ["20.48 / .391", "31.03 / .890", "31.03 / .890", "31.03 / .890"]
    # noise was named rightly; of the input nobody asks how it was routed
    assert found[1] == ["", "ours, CBSD68", "darnet", *(f"{20 + phase}.00 / 0.880" for phase in range(4))]
    assert found[3][3:] == ["20.00 / 0.880", *(f"{20 + phase}.00 / 0.880 (1 of 68)" for phase in (1, 2, 3))]
    assert "phase 1: `darnet:clean+noise`; phase 2: `darnet:clean+noise+blur`; phase 3: `darnet`." in markdown(document)


def test_table_2_has_a_line_a_set():
    rows = [row("identity"), row("identity", psnr=33.0, set="McMaster", n=18)]
    found = cells(table2({**part("darnet", *rows), "phases": PHASES}))
    assert [line[1] for line in found[:2]] == ["paper", "ours, CBSD68"]
    assert found[2][1].startswith("ours, McMaster (18 pictures")
    assert [line[3] for line in found[1:3]] == ["31.00 / 0.880", "33.00 / 0.880"]


def test_table_2_leaves_open_what_was_not_measured():
    found = cells(table2({**part("darnet", row("identity")), "phases": PHASES}))
    assert found[1][3:] == ["31.00 / 0.880", "–", "–", "–"]
    assert found[2][0] == "blur –"
    assert found[3][3:] == ["–"] * 4


def test_prices_say_what_a_wrong_diagnosis_costs():
    entry = {"method": "darnet", "set": "CBSD68", "kind": "noise", "level": 25.0}
    entry |= {"psnr": 30.5, "oracle": 31.0, "price_db": 0.5, "misrouted": 3}
    text = prices([entry, {**entry, "kind": "clean", "level": None}])
    first, second = cells(text)
    assert first == ["darnet", "CBSD68", "noise 25", "30.50", "31.00", "0.50", "3"]
    assert second[2] == "clean –"


def test_a_router_shows_the_truth_in_rows_and_what_it_said_in_columns():
    confusion = {"noise": {"noise": 3, "blur": 2}, "clean": {"clean": 5}}
    text = router("darnet", FIGURES | {"confusion": confusion})
    assert text.splitlines()[0] == "| is, called | blur | clean | noise |"
    assert cells(text) == [["clean", "0", "5", "0"], ["noise", "2", "0", "3"]]
    facts = text.splitlines()[-1]
    assert facts.startswith("darnet: 90.00 % of 10 pictures named rightly; expected calibration error 1.23 %;")
    assert facts.endswith("clean called damaged 20.00 %; clean that would be repaired 10.00 %.")
    assert "clean" not in router("darnet", FIGURES | {"clean_called_damaged": None, "confusion": {}})


def test_a_document_shows_the_tables_of_its_suite_and_its_protocol():
    document = {**part("kair", row()), "router": {"darnet": FIGURES}, "prices": []}
    last = f"Protocol {PROTOCOLS['kair']}."
    assert markdown({**document, "suite": "router"}) == f"{router('darnet', FIGURES)}\n\n{last}"
    ended = [plain([row()]), prices([]), router("darnet", FIGURES), last]
    assert markdown({**document, "suite": "end-to-end"}) == "\n\n".join(ended)
    assert markdown({**part("kair", row()), "suite": "noise"}) == f"{plain([row()])}\n\n{last}"
