"""scripts/gallery.py: the page has every example, with what is said of it and whose photo it is."""

from __future__ import annotations

import runpy
from pathlib import Path

import PIL.Image
import pytest

import darnet
from darnet.restore.routers import Always

ROOT = Path(__file__).parents[1]


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch) -> dict:
    monkeypatch.chdir(ROOT)
    return runpy.run_path("scripts/gallery.py")


def test_the_page_has_every_example_and_says_whose_it_is(script: dict) -> None:
    page = (ROOT / "docs" / "gallery.md").read_text(encoding="utf-8")
    assert page.startswith(script["HEAD"])
    examples = sorted(path.name for path in (ROOT / "examples").glob("*-*"))
    rows = {name: about for name, *about in script["named"]()}
    assert sorted(rows) == examples == sorted(line[3:] for line in page.splitlines() if line.startswith("## "))
    for name, (photo, terms, damage) in rows.items():
        said = page.partition(f"## {name}\n")[2].partition("\n## ")[0]
        assert said.rstrip().endswith(f"Photo: {photo}, {terms}.")
        assert f"Damage: {damage}. Found: " in said
        with PIL.Image.open(ROOT / "examples" / name) as example:
            size = (2 * example.width + script["GAP"], min(example.height, script["HEIGHT"]))
        with PIL.Image.open(ROOT / "docs" / "gallery" / f"{Path(name).stem}.jpg") as shown:
            assert shown.size == size


def test_before_is_left_of_after(script: dict) -> None:
    restorer = darnet.Restorer(Always("noise"), {"noise": lambda pixels: 1 - pixels})
    result = restorer(ROOT / "examples" / "cat-noisy.jpg")
    pair = script["pair"](result)
    before, after = (pair.crop((left, 0, left + 9, 9)) for left in (0, 451 + script["GAP"]))
    assert PIL.Image.eval(before, lambda value: 255 - value).tobytes() == after.tobytes()
    said = script["entry"]("cat-noisy.jpg", ("a cat", "CC0", "noise"), result)
    assert "Found: noise 100 %. Done: noise expert. Photo: a cat, CC0." in said
