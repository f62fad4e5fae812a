"""How much memory restoring takes: a function of the tile and not of the picture. Each peak is that of a process."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import cast

import numpy as np
import PIL.Image
import pytest
import pyvips

import darnet
from darnet.benchmark.footprint import tile_memory
from darnet.engines.devices import Precision
from darnet.engines.graphs import GRAPH
from darnet.images.budget import Cost
from darnet.models import cards
from darnet.systems import manifest

PROC = Path("/proc/self/clear_refs")
#: In the folder that is restored by one process.
PHOTOS = 64
pytestmark = pytest.mark.skipif(not PROC.exists(), reason="peaks are read from /proc")

#: Restores a tiny picture, then another; prints the peak of memory over what was in use in between, and in all, in MB.
PROGRAM = """
import sys, torch
from pathlib import Path
torch.set_num_threads(1)
import darnet
from darnet.engines.pytorch import TorchBackend
from darnet.images import scratch
from darnet.models.compact import CompactUNet
from darnet.restore.experts import NetworkExpert, Tiles
from darnet.restore.restorer import Restorer
from darnet.restore.routers import Always

tiny, source, target, kind, tile, most = sys.argv[1:]
scratch.MOST_BYTES = int(most)
if kind in ("cheap", "twice"):
    torch.manual_seed(0)
    network = CompactUNet(4, (1, 1), thumbnail_px=16).eval()
    torch.nn.init.normal_(network.tail.weight, std=0.02)
    expert = NetworkExpert(TorchBackend(network, "cpu"), Tiles(int(tile), int(tile) // 8))
    restorer = Restorer(Always("noise"), {"noise": expert, "haze": expert})
else:
    restorer = darnet.load(device="cpu")
    dict(restorer.experts)  # whichever is needed is loaded
kinds = {"cheap": [], "diagnosed": [], "twice": ["noise", "haze"]}.get(kind, [kind])

def memory(name):
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(name)) / 1000

restorer(tiny, kinds=kinds)
base = memory("VmRSS")
Path("/proc/self/clear_refs").write_text("5")
result = restorer(source, kinds=kinds)
if target != "-":
    result.save(target)
print(memory("VmHWM") - base, memory("VmHWM"))
"""


def made(path: Path, height: int, width: int, cell: int = 8) -> Path:
    """A picture of coarse noise, written row by row."""
    noise = pyvips.Image.gaussnoise(-(-width // cell), -(-height // cell), mean=128, sigma=50, seed=1).cast("uchar")
    grey = noise.resize(cell).crop(0, 0, width, height)
    colours = grey.bandjoin([grey.linear(0.8, 20).cast("uchar"), grey.linear(0.6, 40).cast("uchar")])
    options = {"compression": "lzw"} if path.suffix == ".tif" else {}
    colours.copy(interpretation="srgb").write_to_file(str(path), **options)
    return path


def hidden(path: Path, height: int, width: int) -> Path:
    """The same with an ellipse of it visible."""
    place = pyvips.Image.xyz(width, height)
    far = ((place[0] - width / 2) * (2 / width)) ** 2 + ((place[1] - height / 2) * (2 / height)) ** 2
    opacity = (far < 0.95).ifthenelse(255, 0).cast("uchar")
    shown = pyvips.Image.new_from_file(str(made(path.with_suffix(".v"), height, width)))
    options = {"compression": "lzw"} if path.suffix == ".tif" else {}
    shown.bandjoin(opacity).copy(interpretation="srgb").write_to_file(str(path), **options)
    return path


def peak(tmp_path: Path, source: Path, target: Path | str, kind: str, tile: int = 0, most: int = 2**26) -> list[float]:
    tiny = made(tmp_path / "tiny.png", 96, 96)
    command = [sys.executable, "-c", PROGRAM, tiny, source, target, kind, str(tile), str(most)]
    ran = subprocess.run([*map(str, command)], capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    return [float(number) for number in ran.stdout.split()]


@pytest.mark.timeout(900)
@pytest.mark.parametrize(("make", "kind"), [(made, "cheap"), (hidden, "cheap"), (made, "twice")])
def test_four_times_the_picture_takes_no_more_memory(
    tmp_path: Path, make: Callable[[Path, int, int], Path], kind: str
) -> None:
    """As floats alone, the larger one takes 36 MB more, and as much again for each copy."""
    over = []
    for side in (1100, 2200):
        source = make(tmp_path / f"{side}.tif", side, side)
        over.append(peak(tmp_path, source, tmp_path / "out.tif", kind, tile=256, most=2**20)[0])
    assert over[1] < over[0] + 15, over
    out = PIL.Image.open(tmp_path / "out.tif")
    with out:
        assert out.size == (2200, 2200)


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("kind", ["diagnosed", "noise", "blur", "haze"])
def test_a_photo_of_12_mp(tmp_path: Path, kind: str) -> None:
    """It took 676 MB for noise, 613 for haze: three float pictures, and a network that kept all it had computed."""
    assert peak(tmp_path, made(tmp_path / "photo.jpg", 3000, 4000), "-", kind)[0] <= 300


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_a_photo_of_12_mp_with_hidden_pixels(tmp_path: Path) -> None:
    """It took 1027 MB: what is made up for them was made of the whole picture, as floats."""
    assert peak(tmp_path, hidden(tmp_path / "photo.png", 3000, 4000), "-", "noise")[0] <= 310


@pytest.mark.slow
@pytest.mark.timeout(7200)
def test_a_file_larger_than_memory(tmp_path: Path) -> None:
    """600 MP: 1.8 GB of samples, 7.2 GB of floats."""
    source = made(tmp_path / "huge.tif", 20000, 30000, cell=16)
    assert peak(tmp_path, source, tmp_path / "out.tif", "cheap", tile=1152)[1] < 1500
    assert pyvips.Image.new_from_file(str(tmp_path / "out.tif")).width == 30000


@pytest.mark.slow
@pytest.mark.timeout(7200)
def test_a_run_of_many_photos_keeps_none(tmp_path: Path) -> None:
    """Photos of 12 MP, read, written and reported by one process: as much memory after the last as after the third."""
    photo, folder = made(tmp_path / "photo.jpg", 3000, 4000), tmp_path / "photos"
    folder.mkdir()
    for number in range(PHOTOS):
        os.link(photo, folder / f"{number}.jpg")
    program = PROGRAM.replace(ONE, MANY)
    tiny, restored = made(tmp_path / "tiny.png", 96, 96), tmp_path / "restored"
    command = [sys.executable, "-c", program, tiny, folder, restored, "cheap", "1152", 2**26]
    ran = subprocess.run([*map(str, command)], capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    used = [float(number) for number in ran.stdout.split("\n")[0].split()]
    report = json.loads((tmp_path / "report.json").read_text())
    assert len(used) == len(report["pictures"]) == len(list(restored.iterdir())) == PHOTOS
    assert max(used[3:]) < max(used[:3]) + 30, used


#: What `PROGRAM` does with one picture, and with a folder of them: as `darnet restore --report` does it.
ONE = """
result = restorer(source, kinds=kinds)
if target != "-":
    result.save(target)
"""
MANY = """
from darnet.jobs import Job, Report

report, used = Report(Job(kinds), target), []
for done in darnet.restore_many(source, target, restorer, report.job):
    assert done.error is None, done.error
    report.add(done)
    used.append(memory("VmRSS"))
report.write(Path(target).with_name("report.json"))
print(*used)
"""


#: Restores a picture as it is, told noise, and again with less and less address space beyond what is in use.
SHORT = """
import json, resource, sys
from pathlib import Path

import numpy as np
import torch

torch.set_num_threads(1)
import darnet
from darnet.errors import explain

tiles = int(sys.argv[1])
restorer = darnet.load(device="cpu", tiles=darnet.Tiles(tiles) if tiles else None)
photo = np.random.default_rng(0).integers(60, 196, (1152, 1152, 3), np.uint8)
whole = restorer(photo, kinds="noise").image
for more in (100, 84, 76, 68, 60, 52, 44, 4):
    lines = Path("/proc/self/status").read_text().splitlines()
    used = next(int(line.split()[1]) for line in lines if line.startswith("VmSize")) * 1024
    resource.setrlimit(resource.RLIMIT_AS, (used + more * 10**6, resource.RLIM_INFINITY))
    try:
        outcome, result = "", restorer(photo, kinds="noise")
    except Exception as error:
        reason, code = explain(error)
        outcome = [None, reason, code]
    resource.setrlimit(resource.RLIMIT_AS, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))  # to compare
    print(json.dumps(outcome or [int(np.abs(result.image.astype(int) - whole).max()), str(result.warnings), 0]))
"""


@pytest.mark.parametrize(
    ("tiles", "said", "exit_code"),
    [
        (0, "memory is short: tiles of 576 px in place of 1152", 0),
        (1152, "out of memory on a tile of 1152×1152; a stated size is kept to: make `tiles` smaller", 5),
    ],
)
def test_memory_that_is_short_at_work(tiles: int, said: str, exit_code: int) -> None:
    """It ended as `unexpected RuntimeError`, exit code 1. Where it runs short differs by how memory lies, and if."""
    ran = subprocess.run([sys.executable, "-c", SHORT, str(tiles)], capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    outcomes = [json.loads(line) for line in ran.stdout.splitlines()]
    assert any(said in told and code == exit_code for _, told, code in outcomes), outcomes
    assert all(off <= 1 if code == 0 else code == 5 and "out of memory" in told for off, told, code in outcomes), (
        outcomes
    )


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("by", ["torch fp32", "torch bf16", "onnxruntime fp32", "openvino fp32", "openvino bf16"])
@pytest.mark.parametrize("folder", [path.parent for path in sorted(manifest.SHIPPED.glob("*/*/card.json"))], ids=str)
def test_a_card_says_what_tiles_take(folder: Path, by: str) -> None:
    known = cards.read_card(folder).tile_memory
    if by not in known:
        assert folder.name == "router" or not (by.startswith("torch") or (folder / GRAPH).exists())
        return
    backend, precision = by.split()
    measured = tile_memory(folder, backend, cast("Precision", precision))
    said, found = (Cost(*numbers) for numbers in (known[by], measured))
    for side in (256, 512, 1152):
        assert found.of(side) / 1.3 < said.of(side) < 1.3 * found.of(side)


@pytest.mark.slow
@pytest.mark.timeout(7200)
@pytest.mark.parametrize("system", ["darnet", "daair", "slerir"])
@pytest.mark.parametrize("stated", [512, 1000])
def test_a_process_stays_within_what_is_stated(tmp_path: Path, system: str, stated: int) -> None:
    """The peak of the command, measured from outside."""
    photo = made(tmp_path / "photo.jpg", 3000, 4000)
    found = command_peak(photo, "--model", system, "--max-memory", f"{stated}MB")
    assert found < stated, found


@pytest.mark.slow
@pytest.mark.timeout(14400)
def test_600_mp_within_1_gb(tmp_path: Path) -> None:
    """And a part of it is what it is when it is all there is, as one tile, but for a level."""
    source = made(tmp_path / "huge.tif", 20000, 30000, cell=16)
    assert command_peak(source, "--max-memory", "1GB") < 1300
    out = pyvips.Image.new_from_file(str(tmp_path / "huge.out.tif"))
    assert (out.width, out.height) == (30000, 20000)
    left, top, margin = 12000, 8000, 256
    part = pyvips.Image.new_from_file(str(source)).crop(
        left - margin, top - margin, 3000 + 2 * margin, 2000 + 2 * margin
    )
    whole = darnet.load(device="cpu", tiles=darnet.Tiles(0))(part.numpy(), kinds="rain").image
    wanted = whole[margin:-margin, margin:-margin].astype(int)
    assert np.abs(out.crop(left, top, 3000, 2000).numpy() - wanted).max() <= 1


@pytest.mark.slow
@pytest.mark.timeout(7200)
def test_a_million_names(tmp_path: Path) -> None:
    """Listed by the process that restores about a thousand of them: as much memory as for ten thousand."""
    one, peaks = bytes(pyvips.Image.black(16, 16).pngsave_buffer()), []
    for count in (10_000, 1_000_000):
        folder = tmp_path / str(count)
        folder.mkdir()
        for number in range(count):
            (folder / f"picture-{number:07d}.png").write_bytes(one)
        peaks.append(command_peak(folder, "--shard", f"1/{count // 1000}"))
        shutil.rmtree(folder)  # pytest would keep it, and take minutes to remove it in a later session
    assert peaks[1] < peaks[0] + 16, peaks
    print(*(f"{peak:.0f} MB" for peak in peaks))


def command_peak(source: Path, *options: str) -> float:
    """What `darnet restore` of a picture or a folder, told rain, holds at its peak, in MB."""
    target = source.with_name(f"{source.stem}.out{source.suffix}")
    command = [sys.executable, "-m", "darnet", "restore", source, "-o", target, "--as", "rain", "-d", "cpu", *options]
    with subprocess.Popen([*map(str, command)]) as running:
        _, status, usage = os.wait4(running.pid, 0)
        running.returncode = os.waitstatus_to_exitcode(status)
    assert running.returncode == 0
    return usage.ru_maxrss * 1024 / 1e6
