"""`darnet experts`: which experts a system has, what is known about them, whether they are sound; add and remove."""

from __future__ import annotations

import json as json_module
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeAlias

import typer

from darnet.cli import options as o
from darnet.cli.session import Session
from darnet.errors import UnknownNameError, UsageError

if TYPE_CHECKING:
    from darnet.benchmark.footprint import Footprint
    from darnet.models.cards import Card, Reference

Removed: TypeAlias = Annotated[
    str, typer.Argument(metavar="KIND", help="A kind of damage that the system has an expert for.")
]
Known: TypeAlias = Annotated[
    str, typer.Argument(metavar="NAME", help="A kind of damage, router, or a network by its name, such as daair.")
]
WithCost: TypeAlias = Annotated[
    bool, typer.Option("--cost", help="Also multiply–accumulates and memory at 256×256 and 512×512 pixels.")
]
Source: TypeAlias = Annotated[
    str,
    typer.Argument(metavar="FOLDER|FILE|NAME", help="Weights, a checkpoint or graph, or a name of `experts list`."),
]
AsKinds: TypeAlias = Annotated[
    list[str],
    typer.Option("--as", metavar="KIND", help="The kind of damage that it repairs (repeat for several), or router."),
]


def list_experts(model: o.Model = "darnet", json: o.AsJson = False) -> int:
    """List the router and the experts of a system. Also those that could be added to it by name."""
    from darnet import registry
    from darnet.systems.listing import parts, summary

    rows = [summary(role, folder) for role, folder in parts(model).items()]
    available = registry.names("expert")
    if json:
        print(json_module.dumps({"system": rows, "available": available}, indent=2))
        return 0
    widest = max(len(row["role"]) for row in rows) + 2
    for row in rows:
        known = "" if row["parameters"] is None else f"{row['parameters'] / 1e6:.2f} M parameters  "
        size = f"{known}{row['bytes'] / 1e6:.1f} MB"
        print(f"{row['role']:<{widest}}{row['kind']:<24}{size:<34}{' '.join(row['handles'])}".rstrip())
    print(f"by name: {', '.join(available)}")
    return 0


def info(name: Known, model: o.Model = "darnet", json: o.AsJson = False, cost: WithCost = False) -> int:
    """Show the card of one expert, or of the router. Of a network by its name, what it costs untrained."""
    from darnet import registry
    from darnet.models import cards
    from darnet.systems.listing import parts, size_bytes

    known = parts(model)
    if name not in known:
        networks = registry.names("model")
        if name not in networks:
            raise UnknownNameError("expert or network", name, [*known, *networks])
        return _network(name, json=json)
    folder = known[name]
    part = cards.read_part(folder)
    if cost and not isinstance(part, cards.Card):
        raise UsageError(f"--cost: {name} is no network of darnet's but {part.registered or part.file}")
    found = _footprint(folder) if cost else None
    if json:
        document = {"role": name, "bytes": size_bytes(folder), **part.model_dump(mode="json")}
        print(json_module.dumps(document | ({"cost": found.to_dict()} if found else {}), indent=2))
        return 0
    _tell(_facts(part, folder) if isinstance(part, cards.Card) else _reference(part))
    _tell(_costs(found) if found else {})
    return 0


def _network(name: str, *, json: bool) -> int:
    """What a network costs with its default arguments."""
    from darnet.benchmark.footprint import arguments

    config, found = arguments(name), _footprint(name)
    if json:
        print(json_module.dumps({"network": name, "config": config, "cost": found.to_dict()}, indent=2))
        return 0
    _tell({"network": f"{name} {json_module.dumps(config)}", "parameters": f"{found.parameters:,}"})
    _tell(_costs(found))
    return 0


def verify(model: o.Model = "darnet") -> int:
    """Check every weight file of a system against its card."""
    from darnet.models import cards
    from darnet.systems.listing import parts

    session = Session()
    folders = parts(model)
    for role, folder in folders.items():
        with session.attempt(role) as attempt:
            cards.verify(folder)
        if attempt.error is None:
            session.say(f"{role}  ok")
    return session.finish(len(folders))


def add(source: Source, kinds: AsKinds, model: o.Model = "darnet", out: o.SystemOutput = None) -> int:
    """Give a system an expert. It is a folder of weights, somebody else's checkpoint or ONNX file, or a name."""
    from darnet.systems import assembly
    from darnet.systems.listing import ROUTER, parts

    folder = assembly.add(model, source, kinds, out)
    router = parts(str(folder))[ROUTER]
    for kind in kinds:
        if kind != ROUTER and not _routable(router, kind):
            print(f"{kind}: the router does not know it; `restore --as {kind}` does", file=sys.stderr)
    print(folder)
    return 0


def remove(kind: Removed, model: o.Model = "darnet", out: o.SystemOutput = None) -> int:
    """Take an expert out of a system. Its weights stay, for a rollback."""
    from darnet.systems import assembly

    print(assembly.remove(model, kind, out))
    return 0


def rollback(model: o.Model = "darnet") -> int:
    """Take the last change of a system back."""
    from darnet.systems import assembly
    from darnet.systems.listing import ROUTER

    print(" ".join([ROUTER, *assembly.rollback(model).experts]))
    return 0


def _routable(router: Path, kind: str) -> bool:
    """Whether a router names a kind, as far as anybody can tell."""
    from darnet.models import cards

    return not (card := cards.read_part(router)).handles or kind in card.handles


def _reference(part: Reference) -> dict[str, str]:
    facts = {
        "name": part.name,
        "expert": f"{part.registered} {json_module.dumps(part.config)}" if part.registered else part.file,
        "handles": " ".join(part.handles) or "–",
        "licence": part.licence,
        "sha256": part.sha256,
        "weaknesses": part.weaknesses,
    }
    return {title: text for title, text in facts.items() if text}


def _facts(card: Card, folder: Path) -> dict[str, str]:
    from darnet.systems.listing import size_bytes

    facts = {
        "name": card.name,
        "network": f"{card.kind} {json_module.dumps(card.config)}",
        "parameters": f"{card.parameters:,}",
        "on disk": f"{size_bytes(folder) / 1e6:.2f} MB, {card.dtype}",
        "handles": " ".join(card.handles) or "–",
        "licence": card.licence,
        "sha256": card.sha256,
    }
    facts |= {f"data {number}": f"{name}: {terms}" for number, (name, terms) in enumerate(card.data.items(), 1)}
    facts |= {suite: _score(figures) for suite, figures in card.scores.items()}
    return facts | ({"weaknesses": card.weaknesses} if card.weaknesses else {})


def _score(figures: Mapping[str, Any]) -> str:
    """In a line, as far as it is known what the figures are; `--json` has them all."""
    pictures = figures.get("pictures", figures.get("n"))
    shown: dict[str, Callable[[Any], str]] = {
        "psnr": lambda value: f"{value:.2f} dB",
        "psnr_interval": lambda value: f"({value[0]:.2f} to {value[1]:.2f})",
        "ssim": lambda value: f"SSIM {value:.3f}",
        "accuracy": lambda value: f"{100 * value:.1f} % right",
    }
    parts = [show(figures[name]) for name, show in shown.items() if figures.get(name) is not None]
    return " ".join([*parts, f"on {pictures} pictures" if pictures else ""]).rstrip() or json_module.dumps(figures)


def _footprint(source: Path | str) -> Footprint:
    from darnet.benchmark.footprint import footprint

    return footprint(source)


def _costs(found: Footprint) -> dict[str, str]:
    sizes = {f"{at.size_px}×{at.size_px}": f"{at.gmacs:.2f} GMACs, {at.peak_mb:.0f} MB" for at in found.sizes}
    facts = sizes | {"MB": "peak of the whole process on the CPU, Python and torch included"}
    if found.active < found.parameters:
        facts = {"active": f"{found.active:,} parameters on one picture"} | facts
    return facts | ({"paper": found.paper} if found.paper else {})


def _tell(facts: dict[str, str]) -> None:
    for title, text in facts.items():
        print(f"{title:<15} {text}")
