from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from darnet.benchmark.peers import PEERS, load_method, repairs
from darnet.benchmark.suites import Case
from darnet.degradations import GaussianBlur, GaussianNoise, Overexposure, named_generator, quantise
from darnet.errors import MissingPackageError, UnknownNameError, UsageError, WeightsError
from darnet.image import Image
from darnet.metrics import psnr
from darnet.store import read_card, write_card

PHOTO = Image.read(Path(__file__).parents[2] / "examples" / "coffee-clean.jpg").pixels()[:, 100:196, 200:311]
DAMAGE = {
    "noise": (GaussianNoise((25.0, 25.0)), 25.0),
    "blur": (GaussianBlur((1.5, 1.5)), 1.5),
    "overexposure": (Overexposure((1.5, 1.5)), 1.5),
}
#: What each must bring at least, in dB; each is known to bring more.
GAINS = {"ffdnet": 6.0, "bm3d": 6.0, "nlm": 3.0, "wiener": 1.0, "richardson-lucy": 1.0, "divide": 2.0}


def case(kind: str, level: float | None) -> Case:
    return Case("CBSD68", "0.png", kind, level, Path("0.png"))


@pytest.mark.parametrize("name", GAINS)
@pytest.mark.filterwarnings("ignore")  # what other packages warn of is not ours
def test_a_peer_repairs_its_kind_of_damage(name: str) -> None:
    (kind,) = PEERS[name].kinds
    degradation, level = DAMAGE[kind]
    damaged = quantise(degradation(PHOTO, named_generator("peer")), "round")
    given = damaged.clone()
    answer = load_method(name)(damaged, case(kind, level)).pixels
    assert torch.equal(damaged, given)
    assert answer.shape == PHOTO.shape
    before, after = (float(psnr(pixels.clamp(0, 1)[None], PHOTO[None])) for pixels in (damaged, answer))
    assert after > before + GAINS[name]


def test_every_peer_but_the_identity_is_tested_above() -> None:
    assert set(PEERS) == {*GAINS, "identity"}


def test_the_identity_changes_nothing() -> None:
    assert torch.equal(load_method("identity")(PHOTO, case("rain", None)).pixels, PHOTO)


def test_a_peer_that_must_be_told_refuses_a_case_of_unknown_level() -> None:
    with pytest.raises(UsageError, match=r"CBSD68/0\.png"):
        load_method("divide")(PHOTO, case("overexposure", None))


def test_a_network_is_only_asked_for_what_its_card_says(tiny_system: Path, tmp_path: Path) -> None:
    folder = tiny_system / "noise"
    assert repairs(str(folder), "noise")
    assert not repairs(str(folder), "blur")
    silent = Path(shutil.copytree(folder, tmp_path / "silent"))
    write_card(read_card(folder).model_copy(update={"handles": ()}), silent)
    assert repairs(str(silent), "blur")


def test_peers_are_only_asked_for_what_they_repair() -> None:
    assert repairs("ffdnet", "noise")
    assert not repairs("ffdnet", "blur")
    assert not repairs("ffdnet", "blur+noise")  # not all of it
    assert repairs("identity", "rain")
    assert repairs("identity", "haze+rain")
    assert repairs("darnet", "blur")


def test_a_peer_that_is_not_installed_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "bm3d", None)
    with pytest.raises(MissingPackageError, match=r"bm3d.*darnet\[bench\]"):
        load_method("bm3d")


def test_an_unknown_method_is_told_what_there_is() -> None:
    with pytest.raises(UnknownNameError, match="ffdnet"):
        load_method("ffdnett")


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
def test_a_foreign_checkpoint_runs_through_spandrel(tmp_path: Path, suffix: str) -> None:
    from spandrel.architectures.DnCNN import DnCNN

    torch.manual_seed(0)
    network = DnCNN(in_nc=3, out_nc=3, nc=8, nb=20, act_mode="R", mode="DnCNN").eval()
    path = tmp_path / f"dncnn{suffix}"
    if suffix == ".pth":
        torch.save({"params": network.state_dict()}, path)  # as BasicSR wraps them
    else:
        save_file(network.state_dict(), path)
    method = load_method(str(path))
    answer = method(PHOTO, case("noise", None)).pixels
    with torch.inference_mode():
        torch.testing.assert_close(answer, network(PHOTO[None])[0].clamp(0, 1))
    assert method.told == "kind"
    assert method.cost(case("noise", None)).params == sum(weight.numel() for weight in network.parameters())


def test_a_pickle_that_would_run_code_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "evil.pth"
    torch.save({"weight": Path}, path)
    with pytest.raises(WeightsError, match=r"evil\.pth"):
        load_method(str(path))


def test_foreign_files_that_are_no_network(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="no such file"):
        load_method(str(tmp_path / "gone.pth"))
    save_file({"weight": torch.zeros(3)}, tmp_path / "odd.safetensors")
    with pytest.raises(WeightsError, match=r"odd\.safetensors"):
        load_method(str(tmp_path / "odd.safetensors"))


def test_spandrel_is_asked_for_by_the_name_of_its_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "spandrel", None)
    save_file({"weight": torch.zeros(3)}, tmp_path / "odd.safetensors")
    with pytest.raises(MissingPackageError, match=r"darnet\[foreign\]"):
        load_method(str(tmp_path / "odd.safetensors"))
