"""Parts as files for other programs: they answer as the part does, without darnet."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch
from torch import Tensor

import darnet
from darnet.engines import export as exporting
from darnet.engines.backend import Run
from darnet.engines.export import SUFFIXES, export
from darnet.errors import DarnetError, UsageError
from darnet.images.tiles import pad_to
from darnet.models import cards
from darnet.models.base import Context, Model, Output
from darnet.models.classifier import DegradationClassifier
from darnet.models.compact import CompactUNet
from darnet.models.deconvolution import DeconvolutionUNet
from darnet.testing import wake

pytestmark = [
    pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::DeprecationWarning", "ignore::UserWarning"),
    pytest.mark.timeout(900),
]

PARTS = Path(darnet.__file__).parent / "weights"
DOCUMENT = Path(__file__).parents[2] / "docs" / "how-to" / "export.md"
TINY = {
    "expert": lambda: CompactUNet(4, (1, 1)),
    "expert that looks at the picture": lambda: DeconvolutionUNet(4, (1, 1), spectrum_width=4),
    "router": lambda: DegradationClassifier(["clean", "noise", "rain"], 4, thumbnail_px=16, blocks=1),
}


@pytest.fixture(autouse=True)
def symbols(unchecked: None) -> None:
    """Sizes of a graph are symbols while it is traced, and no integers as annotations say."""


def tiny(name: str) -> Model:
    torch.manual_seed(0)
    model: Model = TINY[name]().eval()
    wake(model, std=0.2)
    return model


@pytest.mark.parametrize("name", TINY)
@pytest.mark.parametrize("to", SUFFIXES)
def test_a_network_becomes_files_that_answer_as_it_does(name: str, to: exporting.Target, tmp_path: Path) -> None:
    model = tiny(name)
    made = export(model, {"name": name}, tmp_path / "out", to)
    assert sorted(made) == sorted((tmp_path / "out").iterdir()), "and nothing else"
    assert made == exporting.paths(tmp_path / "out", to, model.views is not None)
    assert name.encode() in made[0].read_bytes(), "its card"


@pytest.fixture
def pairs() -> list[exporting.Pair]:
    """Damaged pictures, and clean ones that the tiny network's answers are 30 dB from."""
    model, rng = tiny("expert"), torch.Generator().manual_seed(1)
    damaged = [torch.rand(3, 37, 50, generator=rng) for _ in range(8)]
    with torch.inference_mode():
        answers = [model(pad_to(picture[None], 8)).image[0, :, :37, :50].clamp(0, 1) for picture in damaged]
    return [
        (picture, answer + 0.0316 * torch.randn(answer.shape, generator=rng))
        for picture, answer in zip(damaged, answers, strict=True)
    ]


@pytest.mark.parametrize("to", ["onnx", "openvino"])
def test_in_8_bits_it_is_written_where_little_is_lost(
    to: exporting.Target, pairs: list[exporting.Pair], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exporting, "MOST_LOST_DB", 5.0)
    made = export(tiny("expert"), {"name": "tiny"}, tmp_path / "out", to, pairs)
    assert made == exporting.paths(tmp_path / "out", to, encoding=False)
    monkeypatch.setattr(exporting, "MOST_LOST_DB", -5.0)
    with pytest.raises(
        DarnetError, match=r"in 8 bits it loses -?\d\.\d\d dB of \d+\.\d\d on 4 pictures that it was not"
    ):
        export(tiny("expert"), {}, tmp_path / "none", to, pairs)
    assert not list((tmp_path / "none").iterdir())


def test_torch_s_format_has_no_8_bits(pairs: list[exporting.Pair], tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no 8 bits"):
        export(tiny("expert"), {}, tmp_path / "out", "torch-export", pairs)


def test_what_answers_otherwise_is_not_written(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    load = exporting.onnxruntime.load

    for change, said in (
        (lambda value: value + 0.01, r"0\.01"),
        (lambda value: value / 0, "inf"),
        (lambda value: value[..., 1:], "inf"),
    ):

        def off(path: Path, precision: str, threads: int, change: Callable[[Tensor], Tensor] = change) -> Run:
            run = load(path, precision, threads)
            return lambda given: {name: change(value) for name, value in run(given).items()}

        monkeypatch.setattr(exporting.onnxruntime, "load", off)
        with pytest.raises(DarnetError, match=rf"onnx: what it answers is {said} off what torch answers; nothing is"):
            export(tiny("expert"), {}, tmp_path / "out", "onnx")
        assert not list((tmp_path / "out").iterdir())


class Silent(Model):
    """Neither an image nor a name."""

    def encode(self, views: torch.Tensor) -> Context:
        return Context({"views": views})

    def forward(
        self, degraded: torch.Tensor, context: Context | None = None, box: torch.Tensor | None = None
    ) -> Output:
        return Output()


def test_what_answers_nothing_cannot_be_exported(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="makes no image"):
        export(Silent(), {}, tmp_path / "out", "torch-export")


def test_the_script_of_the_documentation_repairs_without_darnet_and_torch(tmp_path: Path) -> None:
    """Ten lines, numpy and onnxruntime: the same picture as by the network."""
    model, card = cards.load(PARTS / "darnet" / "haze")
    export(model, card.model_dump(mode="json"), tmp_path / "haze", "onnx")
    picture = torch.rand(3, 48, 64, generator=torch.Generator().manual_seed(0))
    np.save(tmp_path / "picture.npy", picture.numpy())
    script = DOCUMENT.read_text(encoding="utf-8").partition("```python\n")[2].partition("```")[0]
    assert len(script.splitlines()) <= 10 and "darnet" not in script.replace("darnet.", "") and "torch" not in script
    subprocess.run([sys.executable, "-c", script], cwd=tmp_path, check=True)
    with torch.inference_mode():
        wanted = model(picture[None], model.look(picture[None])).image[0].clamp(0, 1)
    found = torch.from_numpy(np.load(tmp_path / "restored.npy"))
    torch.testing.assert_close(found, wanted, atol=1e-3, rtol=0)
    metadata = onnxruntime.InferenceSession(tmp_path / "haze" / "tile.onnx").get_modelmeta().custom_metadata_map
    assert json.loads(metadata["darnet.card"])["name"] == "haze"
