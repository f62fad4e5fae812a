"""What a system is made of, for who lists it: the folders of its parts, and what their cards say in short."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from darnet.models import cards
from darnet.systems import manifest

#: What the router is called beside the kinds that there are experts for.
ROUTER = "router"


def parts(model: str) -> dict[str, Path]:
    """The folders of a system: its router, then each expert by the kind of damage it repairs.

    Raises UnknownNameError or WeightsError, as `manifest.read_system` and `manifest.part` do.

    >>> list(parts("darnet"))[:2]
    ['router', 'noise']
    """
    system, folder = manifest.read_system(model)
    named = {ROUTER: system.router, **system.experts}
    return {role: manifest.part(folder, name) for role, name in named.items()}


def summary(role: str, folder: Path) -> dict[str, Any]:
    """One part in short, as JSON has it; `parameters`: None for a part that is no network of darnet's."""
    part = cards.read_part(folder)
    if isinstance(part, cards.Card):
        kind, parameters = part.kind, part.parameters
    else:
        kind, parameters = part.registered or part.file, None
    size = {"parameters": parameters, "bytes": size_bytes(folder)}
    return {"role": role, "name": part.name, "kind": kind, **size, "handles": list(part.handles)}


def size_bytes(folder: Path) -> int:
    """What the files of a folder take on disk."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
