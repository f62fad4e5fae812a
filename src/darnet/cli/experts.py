"""`darnet experts`: which experts a system has, what is known about them, and whether their weights are sound."""

from __future__ import annotations

import json as json_module
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeAlias

import typer

from darnet.cli import options as o
from darnet.cli.session import Session
from darnet.errors import UnknownNameError

if TYPE_CHECKING:
    from darnet.store import Card

ROUTER = "router"

Name: TypeAlias = Annotated[str, typer.Argument(metavar="NAME", help="A kind of damage, or router.")]


def list_experts(model: o.Model = "darnet", json: o.AsJson = False) -> int:
    """List the router and the experts of a system."""
    rows = [_summary(role, folder) for role, folder in parts(model).items()]
    if json:
        print(json_module.dumps(rows, indent=2))
        return 0
    for row in rows:
        size = f"{row['parameters'] / 1e6:.2f} M parameters  {row['bytes'] / 1e6:.1f} MB"
        print(f"{row['role']:<14}{row['kind']:<24}{size:<34}{' '.join(row['handles'])}")
    return 0


def info(name: Name, model: o.Model = "darnet", json: o.AsJson = False) -> int:
    """Show the card of one expert, or of the router."""
    from darnet import store

    known = parts(model)
    if name not in known:
        raise UnknownNameError("expert", name, known)
    folder = known[name]
    card = store.read_card(folder)
    if json:
        print(json_module.dumps({"role": name, "bytes": _bytes(folder), **card.model_dump(mode="json")}, indent=2))
        return 0
    for title, text in _facts(card, folder).items():
        print(f"{title:<12}{text}")
    return 0


def verify(model: o.Model = "darnet") -> int:
    """Check every weight file of a system against its card."""
    from darnet import store

    session = Session()
    folders = parts(model)
    for role, folder in folders.items():
        with session.attempt(role) as attempt:
            store.verify(folder)
        if attempt.error is None:
            session.say(f"{role}  ok")
    return session.finish(len(folders))


def parts(model: str) -> dict[str, Path]:
    """The folders of a system: its router, then each expert by the kind of damage it repairs."""
    from darnet import store

    system, folder = store.read_system(model)
    return {ROUTER: folder / system.router} | {kind: folder / part for kind, part in system.experts.items()}


def _summary(role: str, folder: Path) -> dict[str, Any]:
    from darnet import store

    card = store.read_card(folder)
    size = {"parameters": card.parameters, "bytes": _bytes(folder)}
    return {"role": role, "name": card.name, "kind": card.kind, **size, "handles": list(card.handles)}


def _bytes(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.iterdir() if path.is_file())


def _facts(card: Card, folder: Path) -> dict[str, str]:
    facts = {
        "name": card.name,
        "network": f"{card.kind} {json_module.dumps(card.config)}",
        "parameters": f"{card.parameters:,}",
        "on disk": f"{_bytes(folder) / 1e6:.2f} MB, {card.dtype}",
        "handles": " ".join(card.handles) or "–",
        "licence": card.licence,
        "sha256": card.sha256,
    }
    facts |= {f"data {name}": terms for name, terms in card.data.items()}
    facts |= {suite: json_module.dumps(figures) for suite, figures in card.scores.items()}
    return facts | ({"weaknesses": card.weaknesses} if card.weaknesses else {})
