"""Guards over the whole package: what was seen to go wrong in published code cannot go wrong here."""

from __future__ import annotations

import os
import pkgutil
import subprocess
import sys
from pathlib import Path

import PIL.Image
import pytest

import darnet

MODULES = [
    module.name for module in pkgutil.walk_packages(darnet.__path__, "darnet.") if module.name != "darnet.__main__"
]


def python(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(Path(darnet.__file__).parents[1]), "OMP_NUM_THREADS": "1"}
    return subprocess.run(
        [sys.executable, *arguments], capture_output=True, text=True, cwd=cwd, env=environment, check=False
    )


def test_every_module_imports_in_an_empty_directory_and_leaves_nothing(tmp_path: Path) -> None:
    source = "import importlib, sys\nfor name in sys.argv[1:]: importlib.import_module(name)"
    done = python("-W", "error", "-c", source, *MODULES, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert list(tmp_path.iterdir()) == []
    assert done.stdout == ""


def test_importing_darnet_imports_no_heavy_library(tmp_path: Path) -> None:
    source = (
        "import sys, darnet, darnet.errors; print([m for m in ('torch', 'numpy', 'pyvips', 'PIL') if m in sys.modules])"
    )
    assert python("-c", source, cwd=tmp_path).stdout.strip() == "[]"


#: None of them is needed to look at a picture, or to repair one with a network of darnet's. `torch._dynamo` is torch's
#: compiler, which brings sympy.
UNNEEDED = (
    *("torch._dynamo", "torch._inductor", "sympy", "torchvision", "lightning_fabric", "tensorboard", "torchmetrics"),
    *("scipy", "skimage", "sklearn", "cv2", "matplotlib", "spandrel", "onnx", "onnxruntime", "open_clip", "jinja2"),
    *("openvino", "rich"),
)
RESTORE_ALL = """
import sys, darnet
for name in ("darnet", "daair", "slerir"):
    restorer = darnet.load(name, device="cpu")
    restorer.diagnose(sys.argv[1])
    restorer(sys.argv[1], kinds="noise")
print(*sys.modules)
"""
DIAGNOSE = "import sys; from darnet.cli import run; run(['diagnose', sys.argv[1], '-d', 'cpu']); print(*sys.modules)"


@pytest.mark.parametrize(
    ("source", "unneeded"),
    [
        (RESTORE_ALL, (*UNNEEDED, "typer", "darnet.training", "darnet.data", "darnet.benchmark")),
        (DIAGNOSE, (*UNNEEDED, "darnet.models.deconvolution")),
    ],
)
def test_a_picture_is_looked_at_without_what_takes_long_to_import(
    tmp_path: Path, source: str, unneeded: tuple[str, ...]
) -> None:
    """Experts among it: a diagnosis needs none."""
    PIL.Image.effect_noise((40, 30), 50).save(tmp_path / "photo.png")
    ran = python("-c", source, "photo.png", cwd=tmp_path)
    assert ran.returncode == 0, ran.stderr
    assert "darnet.models.classifier" in ran.stdout
    assert {*unneeded} & {*ran.stdout.split()} == set()


#: A list of pictures is made, and a missing one is said, without a network's library.
PLAN = "import sys; from darnet.jobs import Job; Job().plan([sys.argv[1], 'gone.png'], 'out'); print(*sys.modules)"
MISSING = "import sys; from darnet.cli import run; run(['restore', 'gone.png']); print(*sys.modules)"


@pytest.mark.parametrize(("source", "unneeded"), [(PLAN, ("torch", "typer", "click", "rich")), (MISSING, ("torch",))])
def test_names_are_looked_at_without_a_network(tmp_path: Path, source: str, unneeded: tuple[str, ...]) -> None:
    PIL.Image.effect_noise((40, 30), 50).save(tmp_path / "photo.png")
    ran = python("-c", source, "photo.png", cwd=tmp_path)
    assert ran.returncode == 0, ran.stderr
    assert "darnet.jobs" in ran.stdout
    assert {*unneeded} & {*ran.stdout.split()} == set()


#: `torch.optim.Muon` came with torch 2.9; the core is promised to work with 2.7.
DOCTOR = (
    "import torch; vars(torch.optim).pop('Muon', None); from darnet.cli import run; raise SystemExit(run(['doctor']))"
)


def test_the_doctor_needs_no_more_than_the_core_does(tmp_path: Path) -> None:
    ran = python("-c", DOCTOR, cwd=tmp_path)
    assert (ran.returncode, ran.stderr) == (0, "")
    assert "Muon " in ran.stdout


def test_importing_leaves_the_global_generators_alone(tmp_path: Path) -> None:
    source = (
        "import torch, importlib, sys; before = torch.get_rng_state()\n"
        "for name in sys.argv[1:]: importlib.import_module(name)\n"
        "print(torch.equal(before, torch.get_rng_state()))"
    )
    assert python("-c", source, *MODULES, cwd=tmp_path).stdout.strip() == "True"


def test_the_public_names_exist_and_are_few() -> None:
    assert len(darnet.__all__) <= 27
    assert sorted(darnet._MODULE) == sorted(darnet.__all__)
    for name in darnet.__all__:
        assert getattr(darnet, name) is not None


#: Modules whose tests stand elsewhere: what they hold is only seen through others.
TESTED_ELSEWHERE = {
    "cli/outcomes": "cli/test_restore.py",
    "testing": "contracts",
    "images/admission": "e2e/test_bombs.py",
    "images/codecs": "images/test_image.py",
    "restore/result": "restore/test_diagnosis.py",
    "jobs/many": "jobs/test_job.py",
    "jobs/notes": "jobs/test_resuming.py",
    "jobs/residuals": "jobs/test_archive.py",
    "restore/masks": "restore/test_work.py",
    "restore/residuals": "restore/test_blending.py",
    "restore/heatmap": "restore/test_work.py",
    "training/objective": "training/test_trainer.py",
    "training/hardware": "training/test_launch.py",
    "engines/onnxruntime": "engines/test_backend.py",
    "engines/openvino": "engines/test_backend.py",
    "engines/tracing": "engines/test_graphs.py",
    "jobs/engine": "jobs/test_local.py",
    "jobs/processes": "jobs/test_crew.py",
    "client/asynchronous": "service/test_client.py",
    "client/questions": "service/test_client.py",
    "client/results": "service/test_client.py",
    "client/sync": "service/test_client.py",
    "service/app": "service/test_routes.py",
    "service/submission": "service/test_routes.py",
    "service/work": "service/test_pool.py",
}


def test_every_module_has_its_tests() -> None:
    source, tests = Path(darnet.__file__).parent, Path(__file__).parents[1]
    for path in source.rglob("*.py"):
        module = path.relative_to(source).with_suffix("")
        if module.name in {"__init__", "__main__"}:
            continue
        mirrored = tests / module.parent / f"test_{module.name}.py"
        elsewhere = TESTED_ELSEWHERE.get(module.as_posix())
        assert mirrored.is_file() or (elsewhere and (tests / elsewhere).exists()), f"{module} has no tests"
