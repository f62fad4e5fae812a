"""scripts/strip.py: the README's first picture says of a file what `darnet restore` says of it."""

from __future__ import annotations

import runpy
from pathlib import Path

import PIL.Image

import darnet
from darnet.restore.diagnosis import Diagnosis
from darnet.restore.routers import Always

ROOT = Path(__file__).parents[1]


class Watching:
    """A system that remembers what it was given."""

    def __init__(self) -> None:
        self.given: list[object] = []
        self.restorer = darnet.Restorer(Always("noise"), {"noise": lambda pixels: 1 - pixels})

    def __call__(self, source: Path) -> darnet.Result[darnet.Image]:
        self.given.append(source)
        return self.restorer(source)


def test_the_files_themselves_are_diagnosed(monkeypatch) -> None:
    """Decoded by another library first, a file once had another percentage there."""
    monkeypatch.chdir(ROOT)
    script = runpy.run_path("scripts/strip.py")
    said: list[Diagnosis] = []
    monkeypatch.setitem(script["row"].__globals__, "write", lambda strip, result: said.append(result.diagnosis))
    system = Watching()
    strip = script["row"](system, "cat-noisy.jpg")
    assert system.given == [Path("examples/cat-noisy.jpg")]
    assert [str(diagnosis) for diagnosis in said] == ["noise 100 %"]
    damaged, restored = (strip.crop(box) for box in ((0, 0, 9, 9), (strip.width - 260, 0, strip.width - 251, 9)))
    assert PIL.Image.eval(damaged, lambda value: 255 - value).tobytes() == restored.tobytes()
