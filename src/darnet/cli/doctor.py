"""`darnet doctor`: versions, devices, formats and weights: what a bug report needs."""

from __future__ import annotations

import json as json_module
import os
import platform
import re
import shutil
from collections.abc import Mapping, Sequence
from importlib.metadata import PackageNotFoundError, distribution, packages_distributions
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from darnet import __version__
from darnet.cli import options as o
from darnet.cli.lines import tell
from darnet.errors import MissingPackageError, UnknownNameError, WeightsError, explain
from darnet.registry import optional

SAMPLE_PX = 16


def doctor(json: o.AsJson = False) -> int:
    """Examine this installation. Versions, extras, devices, picture formats, and every weight file that ships."""
    weights = _weights()
    findings = {
        "versions": _versions(),
        "extras": _extras(),
        "machine": _machine(),
        "backends": _backends(),
        "formats": _formats(),
        "weights": weights,
    }
    sick = [f"{system}: {part}: {state}" for system, checked in weights.items() for part, state in checked.items()]
    sick = [text for text in sick if not text.endswith(": ok")]
    if json:
        print(json_module.dumps(findings, indent=2))
    else:
        for title, facts in findings.items():
            print(title)
            for name, value in facts.items():
                print(f"  {name:<19}{_text(value)}")
    for text in sick:
        tell(f"system {text}", "red")
    if not weights:
        tell("no weights ship with this installation", "red")
    return WeightsError.exit_code if sick or not weights else 0


def _versions() -> dict[str, str]:
    import numpy as np
    import pydantic
    import pyvips
    import torch

    libvips = ".".join(str(pyvips.version(part)) for part in range(3))
    return {
        "darnet": __version__,
        "python": platform.python_version(),
        "torch": torch.__version__,
        "pyvips": f"{pyvips.__version__} (libvips {libvips})",
        "numpy": np.__version__,
        "pydantic": pydantic.VERSION,
        "platform": platform.platform(),
    }


def _extras() -> dict[str, str]:
    """Each extra of darnet, `ok` or which of its packages are missing or broken, as far as that can be told here."""
    try:
        about = distribution("darnet")
    except PackageNotFoundError:
        return {}
    needed: dict[str, list[str]] = {extra: [] for extra in about.metadata.get_all("Provides-Extra") or ()}
    for requirement in about.requires or ():
        package, extra = re.match(r"[\w.-]+", requirement), re.search(r"extra == ['\"]([\w-]+)", requirement)
        if package and extra:
            needed[extra[1]].append(package[0])
    brought = packages_distributions()
    return {extra: _state(extra, packages, brought) for extra, packages in needed.items()}


def _state(extra: str, packages: Sequence[str], brought: Mapping[str, Sequence[str]]) -> str:
    """`brought`: modules -> packages. What is there is imported: it may not fit what else is."""
    absent, broken = [], []
    for package in packages:
        try:
            name = distribution(package).name
            if package != "darnet":  # which names other extras: they are told of in their own lines
                optional(_module(name, [module for module, owners in brought.items() if name in owners]), extra)
        except PackageNotFoundError:
            absent.append(package)
        except MissingPackageError as error:
            broken.append(str(error))
    if absent:
        return f"not installed: {', '.join(absent)} (pip install 'darnet[{extra}]')"
    return "; ".join(broken) or "ok"


def _module(package: str, modules: Sequence[str]) -> str:
    """What is imported of a package: what is called like it, else what has the shortest name of all."""
    public = [module for module in modules if module.isidentifier() and not module.startswith("_")]
    called = package.replace("-", "_").lower()
    return min(public, key=lambda module: (module.lower() != called, len(module)), default=called)


def _machine() -> dict[str, Any]:
    import torch

    from darnet.engines.devices import pick_device
    from darnet.models.compact import CompactUNet
    from darnet.training.precision import muon_seconds, network_seconds

    gpus = [f"cuda:{index} {torch.cuda.get_device_name(index)}" for index in range(torch.cuda.device_count())]
    if torch.backends.mps.is_available():
        gpus.append("mps")
    device = pick_device("auto")
    with torch.random.fork_rng():  # the first weights of the network that is tried
        network = network_seconds(CompactUNet(), device)
    return {
        "devices": ["cpu", *gpus],
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "instructions": torch.backends.cpu.get_cpu_capability(),
        "memory": _memory(),
        "temporary files": _temporary(),
        "bf16 on the CPU": bool(torch.ops.mkldnn._is_mkldnn_bf16_supported()),
        "training": _precision("step", network),
        "Muon": _precision("eight matrices", muon_seconds(device)),
    }


def _memory() -> str:
    """How much is free, and how much of it is taken where nobody says otherwise."""
    from darnet.images.available import available_bytes
    from darnet.images.budget import Budget, said

    return f"{said(available_bytes())} free, of which {said(Budget.of(None).total_bytes)} are taken at most"


def _temporary() -> str:
    """Where the samples of large pictures lie, and how many of them may."""
    from darnet.images import scratch

    folder = scratch.folder()
    free = f"{folder} ({shutil.disk_usage(folder).free / 1e9:.3g} GB free)"
    return f"{free}: this is memory; set TMPDIR to a folder on a disk" if scratch.in_memory(folder) else free


def _precision(what: str, seconds: Mapping[str, float]) -> str:
    """Which is the fastest, and what each takes."""
    from darnet.training.precision import fastest

    times = ", ".join(f"{name} {1000 * took:.3g} ms" for name, took in seconds.items())
    return f"{fastest(seconds)} ({what}: {times})"


def _backends() -> dict[str, str]:
    """What `--backend auto` is here, for each part of what restores by default, as far as it was tried already."""
    import torch

    from darnet.engines.choosing import known, stated
    from darnet.engines.graphs import GRAPH
    from darnet.models import cards
    from darnet.models.cards import Card
    from darnet.systems import manifest
    from darnet.systems.listing import parts

    try:
        asked = stated("auto")
        fastest = f"the fastest that is right, in {torch.get_num_threads()} threads"
        answers = {"auto": fastest if asked == "auto" else asked}
        folders = parts(manifest.DEFAULT) if asked == "auto" else {}
        found = {role: (folder, cards.read_part(folder)) for role, folder in folders.items()}
    except UnknownNameError as error:
        return {"auto": str(error)}
    except WeightsError:  # told of among the weights
        return answers
    for role, (folder, card) in found.items():
        choice = known(folder / GRAPH, card.sha256, card.losses) if isinstance(card, Card) else None
        if choice is None:
            answers[role] = "not tried yet"
        else:
            times = ", ".join(f"{name} {took:.3g} ms" for name, took in choice.milliseconds.items())
            answers[role] = f"{choice.backend} {choice.precision} ({times})"
    return answers


def _formats() -> dict[str, str]:
    """Each format, tried out."""
    import numpy as np

    from darnet.images.image import FORMATS, Image

    sample = Image(np.zeros((SAMPLE_PX, SAMPLE_PX, 3), np.uint8))
    answers = {}
    with TemporaryDirectory(prefix="darnet-") as scratch:
        for format in FORMATS:
            path = Path(scratch) / f"sample.{format}"
            try:
                Image.read(sample.write(path))
                answers[format] = "ok"
            except Exception as error:
                answers[format] = explain(error, path)[0]
    return answers


def _weights() -> dict[str, dict[str, str]]:
    """Every system that ships: its parts, each `ok` or what is wrong with it."""
    from darnet.models import cards
    from darnet.systems import manifest
    from darnet.systems.listing import parts

    answers: dict[str, dict[str, str]] = {}
    for system in manifest.shipped():
        answers[system] = {}
        try:
            folders = parts(system)
        except WeightsError as error:
            answers[system] = {manifest.SYSTEM: str(error)}
            continue
        for role, folder in folders.items():
            try:
                cards.verify(folder)
                answers[system][role] = "ok"
            except WeightsError as error:
                answers[system][role] = str(error)
    return answers


def _text(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name} {state}" for name, state in value.items())
    if isinstance(value, list):
        return ", ".join(map(str, value))
    return ("yes" if value else "no") if isinstance(value, bool) else str(value)
