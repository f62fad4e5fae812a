"""docs/tutorial.md is followed to the letter: its commands and its Python, one after the other, in one folder."""

from __future__ import annotations

import re
import shlex
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import PIL.Image
import pytest

from darnet import cli

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "tutorial.md").read_text(encoding="utf-8")
BLOCK = re.compile(r"^```(sh|python)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
#: Of a photo that is noisy, small enough to be restored a dozen times.
SIDE = 160


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where what the page speaks of lies: `photo.jpg`, `mask.png` and the folder `holiday`."""
    with PIL.Image.open(ROOT / "examples" / "coffee-clean.jpg") as photo:
        cut = np.asarray(photo.crop((200, 100, 200 + SIDE, 100 + SIDE)), np.float64)
    noisy = cut + np.random.default_rng(0).normal(0, 12, cut.shape)
    PIL.Image.fromarray(noisy.clip(0, 255).astype(np.uint8)).save(tmp_path / "photo.jpg", quality=97)
    mask = PIL.Image.new("L", (SIDE, SIDE), 0)
    mask.paste(255, (0, 0, SIDE // 2, SIDE))
    mask.save(tmp_path / "mask.png")
    (tmp_path / "holiday").mkdir()
    shutil.copy(tmp_path / "photo.jpg", tmp_path / "holiday")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DARNET_BACKEND", "torch")  # nothing is tried out
    return tmp_path


def commands(block: str) -> Iterator[list[str]]:
    """Those of darnet; others set it up. Outputs of earlier ones are replaced, which the page says how to do."""
    for line in block.splitlines():
        program, *arguments = shlex.split(line, comments=True) or [""]
        if program == "darnet":
            replaces = arguments[0] == "restore" and "--overwrite" not in arguments
            yield [*arguments, "--overwrite"] if replaces else arguments


@pytest.mark.slow
def test_what_the_tutorial_shows_is_what_happens(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    names: dict[str, object] = {}
    said = dict[str, str]()
    for language, block in BLOCK.findall(PAGE):
        if language == "python":
            exec(compile(block, "docs/tutorial.md", "exec"), names)
            continue
        for arguments in commands(block):
            capfd.readouterr()
            code = cli.run(arguments)
            out, err = capfd.readouterr()
            assert code == 0, (arguments, err)
            said[shlex.join(arguments)] = out
    assert len(said) > 15
    first = said["restore photo.noise.png --overwrite"]
    shown = r"photo\.noise\.png  noise \d+ % \(σ ≈ \d+\) -> noise expert  [\d.]+ s -> photo\.noise\.restored\.png"
    assert re.search(shown, first), first
    assert re.search(shown, PAGE)
    made = {"photo.noise.png", "photo.restored.jpg", "where.png", "milder.jpg", "report.json", "better.png"}
    assert made <= {path.name for path in folder.iterdir()}
    assert names["result"].experts[0] == "noise"
