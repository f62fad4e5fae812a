from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from darnet.benchmark.camera import Defocus
from darnet.benchmark.cases import Case
from darnet.benchmark.peers import PEERS, load_method, noise_sigma_255, repairs
from darnet.degradations import Degradation, GaussianBlur, GaussianNoise, Overexposure, named_generator, quantise
from darnet.errors import MissingPackageError, UnknownNameError, UsageError, WeightsError
from darnet.images.image import Image
from darnet.images.metrics import psnr
from darnet.models.cards import read_card, write_card

PHOTO = Image.read(Path(__file__).parents[2] / "examples" / "coffee-clean.jpg").pixels()[:, 100:196, 200:311]
DAMAGE = {
    "noise": (GaussianNoise((25.0, 25.0)), 25.0),
    "blur": (GaussianBlur((1.5, 1.5)), 1.5),
    "overexposure": (Overexposure((1.5, 1.5)), 1.5),
}
#: What each must bring at least, in dB; each is known to bring more.
GAINS = {"ffdnet": 6.0, "bm3d": 6.0, "nlm": 3.0, "nlm-blind": 3.0, "gaussian": 3.0}
GAINS |= {"wiener": 1.0, "wiener-jpeg": 1.0, "wiener-blind": 0.5, "richardson-lucy": 1.0, "divide": 2.0}


def case(kind: str, severity: float | None, degradation: Degradation | None = None) -> Case:
    return Case("CBSD68", "0.png", kind, severity, Path("0.png"), degradation)


@pytest.mark.parametrize("name", GAINS)
@pytest.mark.filterwarnings("ignore")  # what other packages warn of is not ours
def test_a_peer_repairs_its_kind_of_damage(name: str) -> None:
    (kind,) = PEERS[name].kinds
    degradation, severity = DAMAGE[kind]
    damaged = quantise(degradation(PHOTO, named_generator("peer")), "round")
    given = damaged.clone()
    answer = load_method(name)(damaged, case(kind, severity, degradation)).pixels
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


def test_a_peer_that_must_be_told_the_kernel_refuses_a_case_without_one() -> None:
    wiener = load_method("wiener-jpeg")
    with pytest.raises(UsageError, match=r"CBSD68/0\.png: its kernel"):
        wiener(PHOTO, case("blur", 1.5))
    damaged = quantise(Defocus()(PHOTO, named_generator("peer")), "round")
    right, wrong = (
        float(psnr(wiener(damaged, case("blur", 1.5, kernel)).pixels[None], PHOTO[None]))
        for kernel in (Defocus(), GaussianBlur((3.0, 3.0)))
    )
    assert right > wrong + 1


def test_blind_peers_look_at_the_picture_alone() -> None:
    damaged = quantise(GaussianNoise((25.0, 25.0))(PHOTO, named_generator("peer")), "round")
    for name in ("nlm-blind", "gaussian", "wiener-blind"):
        answers = [load_method(name)(damaged, case("rain", severity)).pixels for severity in (None, 50.0)]
        assert torch.equal(*answers)
        assert load_method(name).told == "kind"


@pytest.mark.parametrize("sigma_255", [0.0, 2.0, 15.0, 40.0])
def test_noise_is_estimated_without_what_lies_beneath(sigma_255: float) -> None:
    rows, columns = torch.arange(96)[:, None] / 96, torch.arange(111)[None] / 111
    slope = 0.3 + 0.4 * torch.stack([rows.expand(96, 111), columns.expand(96, 111), (columns > 0.5).expand(96, 111)])
    noise = torch.randn(slope.shape, generator=named_generator("estimate"))
    assert noise_sigma_255(slope + sigma_255 / 255 * noise) == pytest.approx(sigma_255, rel=0.05, abs=0.01)
    assert noise_sigma_255(slope[:, :2]) == 0


def test_a_small_picture_goes_through_blind_denoising() -> None:
    small = PHOTO[:, :2, :3]
    assert load_method("nlm-blind")(small, case("noise", None)).pixels.shape == small.shape


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
    with pytest.raises(MissingPackageError, match=r"bm3d.*darnet\[peers\]"):
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
