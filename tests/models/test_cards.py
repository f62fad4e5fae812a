from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest
import torch

from darnet.errors import WeightsError
from darnet.models import cards
from darnet.models.cards import Card
from darnet.models.compact import CompactUNet

CONFIG = {"width": 4, "blocks": [1, 1]}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    card = Card(name="tiny", kind="compact-unet", config=CONFIG, handles=("noise",), data={"made up": "none"})
    cards.save(CompactUNet(4, (1, 1)), card, tmp_path / "tiny")
    return tmp_path / "tiny"


def edit(path: Path, **changes: object) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def test_a_round_trip_keeps_half_precision_weights_exactly(folder: Path) -> None:
    first, card = cards.load(folder)
    again = cards.save(first, card, folder)
    assert again.sha256 == card.sha256
    assert card.parameters == sum(weight.numel() for weight in first.parameters())
    assert all(weight.dtype == torch.float32 and not weight.requires_grad for weight in first.parameters())
    assert not first.training


def test_the_readme_is_the_card(folder: Path) -> None:
    text = (folder / "README.md").read_text()
    assert "# tiny" in text
    assert "made up: none" in text
    assert cards.read_card(folder).sha256 in text


def test_one_changed_byte_is_found(folder: Path) -> None:
    path = folder / "model.safetensors"
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    with pytest.raises(WeightsError, match=r"model\.safetensors: damaged"):
        cards.load(folder)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"format": 2}, "format 2, this version reads 1"),
        ({"kind": "nothing"}, "no model called 'nothing'"),
        ({"kind": "subprocess:Popen"}, "no model called"),
        ({"config": {"width": 8, "blocks": [1, 1]}}, "does not fit its card"),
        ({"config": {"wide": 8}}, "unexpected keyword"),
        ({"extra": 1}, "extra"),
        ({"dtype": "int8"}, "dtype"),
    ],
)
def test_a_card_that_does_not_fit_is_refused(folder: Path, changes: dict[str, object], message: str) -> None:
    edit(folder / "card.json", **changes)
    with pytest.raises(WeightsError, match=message):
        cards.load(folder)


def test_missing_and_broken_files_are_named(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"card\.json: No such file"):
        cards.load(tmp_path / "nowhere")
    (folder / "model.safetensors").unlink()
    with pytest.raises(WeightsError, match=r"model\.safetensors: weights are missing"):
        cards.load(folder)
    (folder / "card.json").write_text("{")
    with pytest.raises(WeightsError, match=r"card\.json: not JSON"):
        cards.load(folder)


def test_a_file_that_is_no_safetensors_is_refused_though_its_hash_fits(folder: Path) -> None:
    (folder / "model.safetensors").write_bytes(b"rubbish")
    cards.write_card(cards.read_card(folder), folder)
    with pytest.raises(WeightsError, match="does not fit its card"):
        cards.load(folder)


@pytest.mark.parametrize("file", ["../secret.onnx", "/etc/passwd", "deep/er.onnx", "..", "."])
def test_a_reference_names_a_file_beside_it(tmp_path: Path, file: str) -> None:
    """A document that travels may not ask for the reader's own files."""
    (tmp_path / "secret.onnx").write_bytes(b"")
    (tmp_path / "mine").mkdir()
    document = {"format": 1, "name": "mine", "file": file, "sha256": hashlib.sha256(b"").hexdigest()}
    (tmp_path / "mine" / "reference.json").write_text(json.dumps(document))
    with pytest.raises(WeightsError, match=r"reference\.json: .*does not lie beside it"):
        cards.read_reference(tmp_path / "mine")


def test_a_fault_of_the_whole_document_has_no_empty_place(tmp_path: Path) -> None:
    path = tmp_path / cards.REFERENCE
    path.write_text(json.dumps({"format": 1, "name": "x", "file": "../up"}))
    with pytest.raises(WeightsError) as caught:
        cards.read_reference(tmp_path)
    assert str(caught.value) == f"{path}: file '../up' does not lie beside it"


def test_json_that_is_too_deep(tmp_path: Path) -> None:
    (tmp_path / cards.REFERENCE).write_text("[" * 100000)
    with pytest.raises(WeightsError, match="not JSON"):
        cards.read_reference(tmp_path)
