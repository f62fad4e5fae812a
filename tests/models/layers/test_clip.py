"""CLIP's image tower with weights of chance: how it is built, loaded and looked at."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from darnet import registry
from darnet.errors import MissingPackageError, WeightsError
from darnet.models.layers.clip import ClipEncoder
from darnet.models.slerir import SLERIR
from darnet.testing import check_model

open_clip = registry.optional("open_clip", "clip")  # no skip: `darnet[dev]` has it
TINY = {
    "embed_dim": 16,
    "vision_cfg": {"image_size": 32, "layers": 2, "width": 32, "patch_size": 8, "head_width": 16},
    "text_cfg": {"context_length": 8, "vocab_size": 100, "width": 16, "heads": 2, "layers": 1},
}


@pytest.fixture(autouse=True, scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """A model of open_clip's that is small enough to run."""
    folder = tmp_path_factory.mktemp("models")
    (folder / "tiny-vit.json").write_text(json.dumps(TINY))
    resnet = {**TINY, "vision_cfg": {"image_size": 32, "layers": [1, 1, 1, 1], "width": 8, "patch_size": None}}
    (folder / "tiny-resnet.json").write_text(json.dumps(resnet))
    open_clip.add_model_config(folder)
    yield


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, torch.nn.Module]:
    """A checkpoint of both towers, as open_clip writes it."""
    torch.manual_seed(0)
    model = open_clip.create_model("tiny-vit").eval()
    path = tmp_path_factory.mktemp("clip") / "tiny.safetensors"
    save_file(model.state_dict(), path)
    return path, model


def test_the_token_is_what_open_clip_makes_before_its_projection(whole: tuple[Path, torch.nn.Module]) -> None:
    path, model = whole
    encoder = ClipEncoder(16, "tiny-vit", str(path)).eval()
    pictures = torch.rand(2, 3, 32, 32)  # the tower's own size: nothing is resized
    mean, deviation = (
        torch.tensor(values).view(3, 1, 1) for values in (open_clip.OPENAI_DATASET_MEAN, open_clip.OPENAI_DATASET_STD)
    )
    with torch.no_grad():
        token, patches = encoder(pictures)
        wanted = model.encode_image((pictures - mean) / deviation)
    assert token.shape == (2, encoder.features)
    assert patches.shape == (2, encoder.features, 2, 2)
    torch.testing.assert_close(token @ model.visual.proj.detach(), wanted, atol=1e-5, rtol=0)


def test_patches_stay_where_they_were() -> None:
    encoder = ClipEncoder(8, "tiny-vit").eval()
    picture = torch.rand(1, 3, 64, 32)
    changed = picture.clone()
    changed[..., :16, :8] = 1 - changed[..., :16, :8]
    with torch.inference_mode():
        difference = (encoder(picture)[1] - encoder(changed)[1]).abs().sum(dim=1)[0]
    assert difference.shape == (8, 4)
    assert divmod(int(difference.argmax()), 4) in {(0, 0), (1, 0)}


def test_a_checkpoint_of_torch_is_loaded_as_weights_only(whole: tuple[Path, torch.nn.Module], tmp_path: Path) -> None:
    path, model = whole
    torch.save({"state_dict": model.state_dict()}, tmp_path / "tiny.pt")
    ours, theirs = (ClipEncoder(16, "tiny-vit", str(p)).state_dict() for p in (path, tmp_path / "tiny.pt"))
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)


class Code:
    """What a checkpoint must not be able to run."""

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return (print, ("run",))


def test_a_checkpoint_that_is_not_of_the_tower_is_named(
    whole: tuple[Path, torch.nn.Module], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path, _ = whole
    torch.save({"state_dict": Code()}, tmp_path / "code.pt")
    (tmp_path / "noise.safetensors").write_bytes(b"no weights")
    for file, prefix, reason in (
        (path, "visual_control.", r"tiny\.safetensors.*has no 'visual_control\..*another prefix"),
        (tmp_path / "gone.safetensors", "visual.", r"gone\.safetensors"),
        (tmp_path / "noise.safetensors", "visual.", r"noise\.safetensors.*no weights of this tower"),
        (tmp_path / "code.pt", "visual.", r"code\.pt.*no weights of this tower"),
    ):
        with pytest.raises(WeightsError, match=reason):
            ClipEncoder(16, "tiny-vit", str(file), prefix)
    assert "run" not in capsys.readouterr().out


def test_models_that_cannot_be_encoders() -> None:
    with pytest.raises(ValueError, match="open_clip has no model 'ViT-C-3'"):
        ClipEncoder(16, "ViT-C-3")
    with pytest.raises(ValueError, match="'tiny-resnet' is no plain vision transformer"):
        ClipEncoder(16, "tiny-resnet")


def test_without_the_package_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def gone(module: str) -> object:
        raise ModuleNotFoundError("gone")

    monkeypatch.setattr(registry.importlib, "import_module", gone)
    with pytest.raises(MissingPackageError, match=r"darnet\[clip\]"):
        ClipEncoder(16, "tiny-vit")


def test_slerir_with_two_towers_keeps_the_contract_and_needs_the_checkpoint_but_once(
    whole: tuple[Path, torch.nn.Module], tmp_path: Path
) -> None:
    """A card names the file, and is loaded where there is none."""
    path = tmp_path / "once.safetensors"
    path.write_bytes(whole[0].read_bytes())
    tower = {"model": "tiny-vit", "checkpoint": str(path)}
    config = {
        "width": 4,
        "blocks": [1] * 8,
        "heads": [1, 1, 2, 2],
        "expansion": 1.5,
        "dimension": 8,
        "masked": False,
        "crop_px": 16,
        "encoder": "clip",
        "degradation": tower,
        "content": tower,
        "fusion": 8,
    }
    model = SLERIR(**config)
    assert torch.equal(model.degradation.state_dict()["tower.conv1.weight"], whole[1].visual.conv1.weight)
    path.unlink()
    check_model(model, kind="slerir", config=config)
