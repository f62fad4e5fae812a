"""Changing a system: whole or not at all, nothing that was there is touched, and every change can be taken back."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from threading import Barrier

import pytest
import torch

from darnet import registry
from darnet.errors import DarnetError, UnknownNameError, UsageError, WeightsError
from darnet.models import cards
from darnet.restore.experts import Expert
from darnet.systems import assembly, manifest
from darnet.systems.manifest import System
from darnet.systems.spec import load


@pytest.fixture
def system(tiny_system: Path, tmp_path: Path) -> Path:
    """A copy that may be changed."""
    return shutil.copytree(tiny_system, tmp_path / "system")


def hashes(folder: Path) -> dict[str, str]:
    """Every file by its path."""
    files = (path for path in folder.rglob("*") if path.is_file() and path.name != manifest.LOCK)
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def test_an_expert_by_name_takes_part(system: Path) -> None:
    before = hashes(system)
    assert assembly.add(str(system), "median", ["salt"]) == system
    after = hashes(system)
    assert {name: after[name] for name in before if name != manifest.SYSTEM} == {
        name: value for name, value in before.items() if name != manifest.SYSTEM
    }
    pixels = torch.zeros(3, 9, 9)
    pixels[:, 4, 4] = 1
    assert not load(system)(pixels, kinds=["salt"]).image.any()


def test_one_kind_may_be_a_plain_string(system: Path) -> None:
    assembly.add(str(system), "median", "salt")
    assert manifest.read_system(str(system))[0].experts["salt"] == "salt"
    assert cards.read_part(system / "salt").handles == ("salt",)
    assembly.add(str(system), str(system / "router"), "router")
    assert manifest.read_system(str(system))[0].router == "router-2"


def test_one_expert_may_serve_several_kinds(system: Path) -> None:
    assembly.add(str(system), str(system / "noise"), ["rain", "haze"])
    found, folder = manifest.read_system(str(system))
    assert found.experts["rain"] == found.experts["haze"] == "rain"
    assert (folder / "rain" / "model.safetensors").read_bytes() == (folder / "noise" / "model.safetensors").read_bytes()


def test_a_copy_leaves_the_original_as_it_was(system: Path, tmp_path: Path) -> None:
    before = hashes(system)
    copy = assembly.add(str(system), "median", ["salt"], tmp_path / "deep" / "copy")
    assert hashes(system) == before
    assert "salt" in manifest.read_system(str(copy))[0].experts
    assert sorted(path.name for path in copy.parent.iterdir()) == ["copy"]


def test_an_expert_is_removed_and_brought_back(system: Path) -> None:
    before = manifest.read_system(str(system))[0]
    assembly.remove(str(system), "blur")
    assert "blur" not in manifest.read_system(str(system))[0].experts
    assert (system / "blur").is_dir()
    assert assembly.rollback(str(system)) == before
    assert manifest.read_system(str(system))[0] == before


def test_changes_are_taken_back_one_by_one(system: Path) -> None:
    for kind in ("salt", "pepper"):
        assembly.add(str(system), "median", [kind])
    assert {"salt", "pepper"} <= set(manifest.read_system(str(system))[0].experts)
    assert "pepper" not in assembly.rollback(str(system)).experts
    assert "salt" not in assembly.rollback(str(system)).experts
    with pytest.raises(WeightsError, match="no earlier version"):
        assembly.rollback(str(system))


@pytest.mark.parametrize("kind", ["noise", "clean", "router", "Salt", "a b", "", "../up"])
def test_names_that_cannot_be(system: Path, kind: str) -> None:
    before = hashes(system)
    with pytest.raises(UsageError):
        assembly.add(str(system), "median", [kind])
    assert hashes(system) == before


def test_what_ships_is_not_changed() -> None:
    with pytest.raises(UsageError, match="`out`"):
        assembly.add("darnet", "median", ["salt"])
    with pytest.raises(UsageError, match="`out`"):
        assembly.rollback("darnet")


def test_an_output_that_exists(system: Path, tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    with pytest.raises(UsageError, match="something already"):
        assembly.add(str(system), "median", ["salt"], tmp_path / "there")


def test_nobody_to_remove(system: Path) -> None:
    with pytest.raises(UnknownNameError, match="noise"):
        assembly.remove(str(system), "nois")


BAD = """
import torch
def make_moody(): return lambda pixels: pixels if pixels.shape[1] != 100 else pixels[:, 1:]
def make_bright(): return lambda pixels: pixels * 255
def make_smaller(): return lambda pixels: pixels[:, 1:]
def make_nan(): return lambda pixels: pixels * torch.nan
def make_random(): return lambda pixels: torch.rand(pixels.shape)
def make_crash(): return lambda pixels: 1 / 0
"""


@pytest.fixture
def bad_experts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Registered, as those of an installed package are."""
    (tmp_path / "bad_experts.py").write_text(BAD)
    monkeypatch.syspath_prepend(tmp_path)
    for name in ("moody", "bright", "smaller", "nan", "random", "crash"):
        monkeypatch.setitem(registry.BUILTIN["expert"], name, f"bad_experts:make_{name}")


@pytest.mark.usefixtures("bad_experts")
@pytest.mark.parametrize("name", ["bright", "smaller", "nan", "random", "crash", "gone", "bad_experts:make_moody"])
def test_experts_that_are_none(system: Path, name: str) -> None:
    before = hashes(system)
    with pytest.raises(UsageError, match=name):
        assembly.add(str(system), name, ["salt"])
    assert hashes(system) == before


def test_a_file_that_is_no_network(system: Path, tmp_path: Path) -> None:
    (tmp_path / "junk.onnx").write_bytes(b"junk")
    before = hashes(system)
    with pytest.raises(WeightsError, match=r"junk\.onnx"):
        assembly.add(str(system), str(tmp_path / "junk.onnx"), ["salt"])
    assert hashes(system) == before


def test_a_change_that_fails_half_way_leaves_the_system_as_it_was(
    system: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(manifest, "write_system", fail)
    before = hashes(system)
    for out in (None, tmp_path / "copy"):
        with pytest.raises(KeyboardInterrupt):
            assembly.add(str(system), "median", ["salt"], out)
    assert hashes(system) == before
    assert not list(tmp_path.glob("*copy*"))


@pytest.mark.usefixtures("bad_experts")
def test_the_answer_of_a_plugin_is_checked_when_it_runs(system: Path) -> None:
    """It keeps the contract, and fails on a picture that it was not tried with."""
    assembly.add(str(system), "moody", ["salt"])
    with pytest.raises(DarnetError, match=r"moody: .*comes back as"):
        load(system)(torch.rand(3, 100, 9), kinds=["salt"])


def test_an_interrupt_after_the_change_was_made_leaves_the_changed_system(
    system: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = manifest.write_system

    def late(*arguments: object) -> None:
        write(*arguments)
        raise KeyboardInterrupt

    monkeypatch.setattr(manifest, "write_system", late)
    with pytest.raises(KeyboardInterrupt):
        assembly.add(str(system), "median", ["salt"])
    assert load(system)(torch.zeros(3, 9, 9), kinds=["salt"]).image.shape == (3, 9, 9)


def unchanged(system: System, _: Mapping[str, str]) -> System:
    """A change that changes nothing."""
    return system


def test_no_folder_that_is_there_is_written_to(system: Path) -> None:
    before = hashes(system / "blur")
    assembly.commit(system, None, unchanged, {"blur": system / "noise"})
    assert hashes(system / "blur") == before
    assert hashes(system / "blur-2") == hashes(system / "noise")


def test_what_somebody_else_changed_meanwhile_stays(system: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """While an expert was looked at, another was removed; the same expert was added, too."""
    check = assembly.check_expert

    def slow(expert: Expert) -> None:
        check(expert)
        monkeypatch.setattr(assembly, "check_expert", check)
        assembly.remove(str(system), "blur")
        assembly.add(str(system), "median", ["pepper"])

    monkeypatch.setattr(assembly, "check_expert", slow)
    assembly.add(str(system), "median", ["salt"])
    assert set(manifest.read_system(str(system))[0].experts) == {"noise", "overexposure", "salt", "pepper"}
    before = len(manifest.versions(system))
    monkeypatch.setattr(assembly, "check_expert", lambda _: add_with(system, "rain", monkeypatch, check))
    with pytest.raises(UsageError, match="'rain': the system has an expert for it"):
        assembly.add(str(system), "median", ["rain"])
    assert len(manifest.versions(system)) == before + 1


def add_with(system: Path, kind: str, monkeypatch: pytest.MonkeyPatch, check: Callable[[Expert], None]) -> None:
    """Somebody else, who is faster."""
    monkeypatch.setattr(assembly, "check_expert", check)
    assembly.add(str(system), "median", [kind])


def test_changes_at_the_same_time_are_made_one_after_the_other(system: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each would write a system.json without the others' experts; all but one were refused once."""
    kinds, check = ("salt", "pepper", "rain"), assembly.check_expert
    meeting = Barrier(len(kinds))  # all have opened the system when the first changes it

    def together(expert: Expert) -> None:
        check(expert)
        meeting.wait(60)

    monkeypatch.setattr(assembly, "check_expert", together)
    with ThreadPoolExecutor(len(kinds)) as pool:
        list(pool.map(lambda kind: assembly.add(str(system), "median", [kind]), kinds))
    assert set(kinds) < set(manifest.read_system(str(system))[0].experts)
    for _ in kinds:
        assembly.rollback(str(system))
    assert not set(kinds) & set(manifest.read_system(str(system))[0].experts)


@pytest.mark.parametrize("kinds", [["salt"], ["router"]])
def test_what_was_given_is_named_and_not_its_copy(system: Path, tmp_path: Path, kinds: list[str]) -> None:
    (tmp_path / "empty").mkdir()
    damaged = shutil.copytree(system / "noise", tmp_path / "damaged")
    (damaged / cards.WEIGHTS).write_bytes((system / "noise" / cards.WEIGHTS).read_bytes()[:-1] + b"\1")
    changed, reference = tmp_path / "changed", cards.Reference(name="mine", file="net.pth", sha256="0")
    changed.mkdir()
    (changed / "net.pth").touch()
    (changed / cards.REFERENCE).write_text(reference.model_dump_json())
    odd = shutil.copytree(system / "noise", tmp_path / "odd")
    os.mkfifo(odd / "pipe")
    wanted = {"empty": cards.CARD, "damaged": cards.WEIGHTS, "changed": "net.pth", "odd": ""}
    for name, file in wanted.items():
        with pytest.raises(WeightsError) as caught:
            assembly.add(str(system), str(tmp_path / name), kinds)
        assert str(caught.value).startswith(f"{tmp_path / name / file}: ")
    assert f"cannot be copied: `{odd / 'pipe'}` is a named pipe" in str(caught.value)


def test_a_router_that_learnt_is_not_given_to_a_system_that_has_another_by_now(system: Path) -> None:
    change = partial(assembly.taught, "salt", "router")
    parts = {"router-salt": system / "router", "salt": system / "noise"}
    assembly.commit(system, None, change, parts)
    found = manifest.read_system(str(system))[0]
    assert (found.router, found.experts["salt"]) == ("router-salt", "salt")
    before = hashes(system)
    with pytest.raises(UsageError, match="another router meanwhile"):
        assembly.commit(system, None, change, parts)
    assert hashes(system) == before


@pytest.mark.parametrize("name", ["noisy.png", "junk.onnx"])
def test_a_file_is_named_as_it_was_given(
    system: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path(name).write_bytes(b"junk")
    with pytest.raises(WeightsError, match=f"^{name}: "):
        assembly.add(str(system), name, ["salt"])


def test_no_kind(system: Path) -> None:
    with pytest.raises(UsageError, match="`kinds`"):
        assembly.add(str(system), "median", [])


HOLD = """
import filelock, sys, time
with filelock.FileLock(sys.argv[1]):
    print(flush=True)
    time.sleep(60)
"""


def test_whoever_holds_the_lock_is_waited_for_and_the_lock_of_the_dead_means_nothing(
    system: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(manifest, "LOCK_SECONDS", 0.1)
    with subprocess.Popen([sys.executable, "-c", HOLD, system / manifest.LOCK], stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        holder.stdout.readline()
        with pytest.raises(UsageError, match="somebody else is changing it"):
            assembly.remove(str(system), "blur")
        holder.kill()
    assert (system / manifest.LOCK).exists()
    assembly.remove(str(system), "blur")
    assert assembly.rollback(str(system)).experts["blur"]


def test_a_copy_to_where_somebody_else_put_something_meanwhile(system: Path, tmp_path: Path) -> None:
    folder = system
    out = tmp_path / "new" / "copy"
    assembly.commit(folder, out, unchanged, {})
    before = hashes(out)
    with pytest.raises(UsageError, match="copy"):
        assembly.commit(folder, out, unchanged, {})
    assert hashes(out) == before
    assert list(out.parent.iterdir()) == [out]


def test_another_router_takes_the_place_of_the_one_that_was(system: Path, tmp_path: Path) -> None:
    reference = cards.Reference(name="always", registered="always", config={"label": "blur"})
    cards.write_reference(reference, tmp_path / "mine")
    assembly.add(str(system), str(tmp_path / "mine"), ["router"])
    assert load(system)(torch.rand(3, 9, 9)).diagnosis.label == "blur"
    assembly.rollback(str(system))
    assert load(system)(torch.rand(3, 9, 9)).diagnosis.label == "noise"


@pytest.mark.parametrize("source", ["always", "nobody", "noise"])
def test_routers_that_are_none(system: Path, source: str) -> None:
    before = hashes(system)
    with pytest.raises(DarnetError):
        assembly.add(str(system), str(system / source) if source == "noise" else source, ["router"])
    assert hashes(system) == before
