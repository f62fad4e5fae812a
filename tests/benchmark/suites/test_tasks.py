from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import PIL.Image
import pytest

from benchmark_rows import document as a_document
from benchmark_rows import part
from benchmark_rows import row as a_row
from darnet.benchmark import suites
from darnet.benchmark.rows import Row
from darnet.benchmark.suite import AnyDocument, Request
from darnet.benchmark.suites import tasks
from darnet.benchmark.suites.tasks import HAZE, LOWLIGHT, MOTION, NOISE25, RAIN, TASKS, Mean, Overall, chosen
from darnet.errors import DarnetError, NoInputError, UsageError
from darnet.models.cards import Card, read_card, save
from darnet.models.daair import DaAIR

PAIRED = ("SOTS-indoor", "SOTS-outdoor", "Rain100L", "GoPro-like", "LOLv1")
#: How many columns of a table come before the figures.
HEAD = 3


@pytest.fixture(scope="session")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Every set of the tasks but GoPro itself: two pictures of 48×64."""
    root = tmp_path_factory.mktemp("tasks")
    generator = np.random.default_rng(0)
    for place in ["CBSD68", *(f"{name}/{side}" for name in PAIRED for side in ("input", "target"))]:
        (root / place).mkdir(parents=True)
        for number in range(2):
            coarse = PIL.Image.fromarray(generator.integers(0, 256, (6, 8, 3), np.uint8))
            coarse.resize((64, 48), PIL.Image.Resampling.BICUBIC).save(root / place / f"{number}.png")
    return root


@pytest.fixture
def few(root: Path, tmp_path: Path) -> Path:
    """No outdoor haze, no motion blur."""
    folder = Path(shutil.copytree(root, tmp_path / "few"))
    for name in ("SOTS-outdoor", "GoPro-like"):
        shutil.rmtree(folder / name)
    return folder


@pytest.fixture(scope="session")
def all_in_one(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One network for all five kinds, as a run leaves it."""
    kinds = tasks.kinds("5-task")
    config = {"kinds": list(kinds), "width": 8, "blocks": [1] * 8, "heads": [1] * 4, "rank_divisor": 4, "kernel": 3}
    folder = tmp_path_factory.mktemp("run") / "model"
    save(DaAIR(**config), Card(name="tiny", kind="daair", config=config, handles=kinds), folder)
    return folder


def run(suite: str, root: Path, *methods: object, **options: object) -> AnyDocument:
    request = Request(suite, root, tuple(map(str, methods)), limit=1, **options)  # type: ignore[arg-type]
    return suites.run(request)


def lines(document: AnyDocument) -> dict[str, list[str]]:
    """The cells of a table after its first, by the first."""
    text = suites.markdown(document)
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines() if line[0:1] == "|"]
    assert len({len(line) for line in cells}) == 1
    return {first: rest for first, *rest in cells}


def test_the_papers_own_set_comes_first_and_another_stands_in(root: Path, few: Path) -> None:
    named = {column.title: name for column, name in chosen("5-task", root).items()}
    assert named == {
        "haze": "SOTS-outdoor",
        "rain": "Rain100L",
        "noise σ 25": "CBSD68",
        "motion": "GoPro-like",
        "lowlight": "LOLv1",
    }
    assert chosen("5-task", few) == {**chosen("5-task", root), HAZE: "SOTS-indoor", MOTION: None}
    (few / "GoPro" / "test").mkdir(parents=True)
    assert chosen("5-task", few)[MOTION] == "GoPro"


def test_sets_that_are_named_are_those_that_are_measured(root: Path) -> None:
    found = chosen("5-task", root, ("Rain100L", "SOTS-indoor"))
    assert found == {HAZE: "SOTS-indoor", RAIN: "Rain100L", NOISE25: None, MOTION: None, LOWLIGHT: None}
    assert {case.set for case in tasks.cases("5-task", root, ("Rain100L", "SOTS-indoor"))} == {
        "Rain100L",
        "SOTS-indoor",
    }


def test_bad_sets_are_named(root: Path, few: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"no set of suite 3-task called 'LOLv1' \(there are: .*SOTS-outdoor"):
        chosen("3-task", root, ("LOLv1",))
    with pytest.raises(UsageError, match="SOTS-indoor: the column haze has one set"):
        chosen("3-task", root, ("SOTS-indoor", "SOTS-outdoor"))
    with pytest.raises(NoInputError, match="GoPro-like: no such test set"):
        tasks.cases("5-task", few, ("GoPro-like",))
    with pytest.raises(NoInputError, match=r"none of the sets of suite 3-task is there \(SOTS-outdoor, "):
        chosen("3-task", few / "LOLv1")
    with pytest.raises(NoInputError, match="gone: no such folder"):
        chosen("3-task", tmp_path / "gone")


def test_the_cases_are_those_of_the_papers_columns(root: Path) -> None:
    found = [(case.kind, case.severity) for case in tasks.cases("3-task", root, limit=1)]
    assert found == [("haze", None), ("rain", None), ("noise", 15), ("noise", 25), ("noise", 50)]
    five = [case.kind for case in tasks.cases("5-task", root)]
    assert five == [kind for kind in ("haze", "rain", "noise", "motion", "lowlight") for _ in range(2)]


@pytest.mark.usefixtures("in_this_process")
def test_the_mean_weighs_every_column_the_same(root: Path, tiny_system: Path, all_in_one: Path) -> None:
    document = run("5-task", root, "identity", tiny_system, all_in_one)
    json.dumps(document.to_dict(), allow_nan=False)
    assert document.part.protocol.name == "promptir"
    assert document.left_out == {}
    assert document.failures == ()
    for mean, method in zip(document.found.overall, ("identity", tiny_system, all_in_one), strict=True):
        own = [row for row in document.part.rows if row.method == mean.method == str(method)]
        assert len(own) == len(TASKS["5-task"])
        assert mean.psnr == pytest.approx(sum(row.psnr for row in own) / 5, abs=1e-3)
        assert mean.ssim == pytest.approx(sum(row.ssim for row in own) / 5, abs=1e-4)


@pytest.mark.usefixtures("in_this_process")
def test_parameters_are_those_of_every_network_that_is_needed(root: Path, tiny_system: Path, tmp_path: Path) -> None:
    system = Path(shutil.copytree(tiny_system, tmp_path / "system"))
    described = json.loads((system / "system.json").read_text())
    (system / "system.json").write_text(json.dumps(described | {"experts": {"noise": "noise", "rain": "blur"}}))
    identity, ours = run("3-task", root, "identity", system).found.overall
    size = {part: read_card(system / part).parameters for part in ("router", "noise", "blur")}
    assert identity.params is None
    assert ours.params == size["router"] + size["noise"] + size["blur"]
    (system / "system.json").write_text(json.dumps(described | {"experts": {"noise": "noise", "rain": "noise"}}))
    assert run("3-task", root, system).found.overall[0].params == size["router"] + size["noise"]


@pytest.mark.usefixtures("in_this_process")
def test_a_network_for_one_kind_has_no_mean(root: Path, tiny_system: Path, all_in_one: Path) -> None:
    document = run("5-task", root, all_in_one, tiny_system / "noise")
    whole, noise = document.found.overall
    assert whole.psnr is not None
    assert noise.psnr is noise.ssim is None
    table = lines(document)
    assert "–" not in table[str(all_in_one)]  # and it was told nothing
    cells = table[f"{tiny_system / 'noise'}, told the kind"][2:]
    assert [cell == "–" for cell in cells[:5]] == [True, True, False, True, True]
    assert cells[5] == "– / –"


@pytest.mark.usefixtures("in_this_process")
def test_a_column_whose_set_is_missing_is_said_and_not_averaged(few: Path) -> None:
    document = run("5-task", few, "identity")
    assert "GoPro or GoPro-like" in document.left_out["motion"]
    assert document.found == Overall((Mean("identity", None, None, None),))
    assert lines(document)["identity"][2 + 3] == "–"


@pytest.mark.usefixtures("in_this_process")
def test_a_picture_that_fails_leaves_no_mean(root: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(root, tmp_path / "damaged"))
    (folder / "Rain100L" / "input" / "1.png").write_bytes(b"x")
    document = suites.run(Request("3-task", folder, ("identity",)))
    assert [failure.set for failure in document.failures] == ["Rain100L"]
    assert document.found.overall[0].psnr is None
    assert lines(document)["identity"][2 + 1].endswith("(1 failed)")


def row(column: tasks.Column, **changed: object) -> Row:
    where = {"method": "ours", "set": column.sets[0], "kind": column.kind, "level": column.sigma_255}
    return a_row(**{**where, "psnr": 30.0, "ssim": 0.9, "n": column.pictures, **changed})


def document(suite: str, *rows: Row, protocol: str = "promptir") -> AnyDocument:
    return a_document(suite, part(protocol, *rows), found=Overall((Mean("ours", 30.0, 0.9, 6_420_000),)))


@pytest.mark.parametrize("suite", TASKS)
def test_the_papers_rows_stand_above_ours_marked_as_printed(suite: str) -> None:
    table = lines(document(suite, *(row(column) for column in TASKS[suite])))
    title, _, *theirs, ours = table
    assert table[ours] == ["6.42", "promptir", *["30.00 / 0.900"] * 6]
    assert title == "method"
    assert all(table[name][1].startswith("as printed (") for name in theirs)
    assert {"AirNet", "PromptIR", "DaAIR", "MoCE-IR", "AnyIR", "SLER-IR"} < set(theirs)
    means = [float(table[name][-1].split("/")[0]) for name in theirs]
    assert means == sorted(means)


def test_figures_are_those_that_the_papers_print() -> None:
    three, five = (lines(document(suite, *(row(column) for column in TASKS[suite]))) for suite in TASKS)
    found = ["32.30 / 0.981", "37.10 / 0.978", "33.92 / 0.930", "31.26 / 0.884", "28.00 / 0.792", "32.51 / 0.913"]
    assert three["DaAIR"] == ["6", "as printed (DaAIR)", *found]
    found = ["33.43 / 0.985", "38.47 / 0.983", "31.50 / 0.894", "31.27 / 0.918", "23.96 / 0.861", "31.73 / 0.928"]
    assert five["SLER-IR"] == ["≈ 26 active + CLIP", "as printed (SLER-IR)", *found]
    found = ["31.75 / –", "38.61 / –", "34.12 / –", "31.46 / –", "28.20 / –", "32.83 / –"]
    assert three["AnyIR"] == ["6", "as printed (AnyIR)", *found]


def test_other_pictures_than_the_papers_are_said() -> None:
    rows = [row(HAZE, set="SOTS-indoor", n=19, failed=1), row(RAIN, n=30), *(row(c) for c in TASKS["5-task"][2:])]
    found = document("5-task", *rows)
    note = (
        "other test pictures than the papers' in: haze (20 of SOTS-indoor for 500 of SOTS-outdoor); rain (30 of 100)."
    )
    assert note in suites.markdown(found)
    assert lines(found)["method"][HEAD - 1] == "haze: SOTS-outdoor (ours: SOTS-indoor)"
    same = document("5-task", *(row(column) for column in TASKS["5-task"]))
    assert "other test pictures" not in suites.markdown(same)
    assert lines(same)["method"][HEAD - 1] == "haze: SOTS-outdoor"


def test_papers_rows_never_stand_under_another_protocol() -> None:
    rows = [row(column) for column in TASKS["3-task"]]
    other = document("3-task", *rows, protocol="kair")
    assert list(lines(other)) == ["method", "---", "ours"]
    assert "belong to protocol promptir" in suites.markdown(other)
    with pytest.raises(DarnetError, match="cannot share a table"):
        suites.markdown(document("3-task", *rows, row(RAIN, protocol="q", method="other")))


def test_peers_are_those_of_every_kind() -> None:
    assert suites.with_peers("3-task", ()) == (
        "identity",
        "darnet",
        "ffdnet",
        "bm3d",
        "nlm",
        "nlm-blind",
        "gaussian",
    )
