"""`darnet export`: a part of a system as files for other programs."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, TypeAlias

import typer

from darnet.cli import options as o
from darnet.errors import UnknownNameError, UsageError

if TYPE_CHECKING:
    from darnet.engines.export import Pair
    from darnet.models.cards import Card

#: So many pictures decide the ranges of 8 bits, and what they lose, half and half.
PICTURES = 128

Exported: TypeAlias = Annotated[
    str, typer.Argument(metavar="NAME", help="A kind of damage, router, or a folder of weights.")
]
To: TypeAlias = Annotated[
    Literal["onnx", "openvino", "torch-export"], typer.Option("--to", help="The format.", show_default=False)
]
Folder: TypeAlias = Annotated[
    Path | None, typer.Option("--output", "-o", metavar="DIR", help="Where the files go; default: a folder NAME here.")
]
Int8: TypeAlias = Annotated[bool, typer.Option("--int8", help="Compute in 8 bits, where no more than 0.05 dB is lost.")]


def export(
    name: Exported,
    to: To,
    out: Folder = None,
    int8: Int8 = False,
    model: o.Model = "darnet",
    overwrite: o.Overwrite = False,
) -> int:
    """Write an expert or the router as files for other programs. They are asked, and must answer as it does.

    Two files: tile, what it does to a tile, and encode, how it looks at a whole picture, where it does. Both take any
    size. Their metadata hold its card.
    """
    from darnet.engines import export as exporting
    from darnet.models import cards
    from darnet.models.abilities import Classifier
    from darnet.systems.listing import parts

    known = parts(model)
    folder = known.get(name, Path(name))
    if name not in known and not folder.is_dir():
        raise UnknownNameError("part or folder", name, known)
    part = cards.read_part(folder)
    if not isinstance(part, cards.Card):
        raise UsageError(f"{name} is no network of darnet's but {part.registered or part.file}: it cannot be exported")
    network, card = cards.load(folder)
    target = out or Path(Path(name).name)
    if target.exists() and not target.is_dir():
        raise UsageError(f"--output {target}: not a folder")
    there = [path for path in exporting.paths(target, to, network.views is not None) if path.exists()]
    if there and not overwrite:
        raise UsageError(f"{there[0]} exists already; --overwrite replaces it")
    if int8 and isinstance(network, Classifier):
        raise UsageError(f"--int8: {name} makes no picture; only experts compute in 8 bits")
    pairs = _remembered(model, card) if int8 else ()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch's, of its own inside: what goes wrong is an error
        written = exporting.export(network, card.model_dump(mode="json"), target, to, pairs)
    for path in written:
        print(path)
    return 0


def _remembered(model: str, card: Card) -> list[Pair]:
    """What the router of a system remembers of the damage that an expert repairs: (damaged, clean)."""
    from darnet.data.memory import load_memory
    from darnet.systems.listing import ROUTER, parts
    from darnet.training.launch import MEMORY

    router = parts(model)[ROUTER]
    memory = load_memory(router / MEMORY) if (router / MEMORY).is_dir() else None
    kinds = [kind for kind in card.handles if memory is not None and kind in memory.kinds]
    if memory is None or not kinds:
        raise UsageError(f"--int8: the router of {model} remembers no pictures of what {card.name} repairs")
    pairs = [pair for kind in kinds for pair in memory.pairs(kind).photos[: PICTURES // len(kinds)]]
    return [(degraded.float() / 255, clean.float() / 255) for degraded, clean in pairs]
