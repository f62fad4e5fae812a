"""`darnet export`: a part of a system as files for other programs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, TypeAlias

import typer

from darnet.cli import options as o
from darnet.cli.experts import parts
from darnet.errors import UnknownNameError, UsageError

Exported: TypeAlias = Annotated[
    str, typer.Argument(metavar="NAME", help="A kind of damage, router, or a folder of weights.")
]
To: TypeAlias = Annotated[
    Literal["onnx", "openvino", "torch-export"], typer.Option("--to", help="The format.", show_default=False)
]
Folder: TypeAlias = Annotated[
    Path | None, typer.Option("--output", "-o", metavar="DIR", help="Where the files go; default: a folder NAME here.")
]


def export(
    name: Exported, to: To, out: Folder = None, model: o.Model = "darnet", overwrite: o.Overwrite = False
) -> int:
    """Write an expert or the router as files for other programs. They are asked, and must answer as it does.

    Two files: tile, what it does to a tile, and encode, how it looks at a whole picture, where it does. Both take any
    size. Their metadata hold its card.
    """
    from darnet.engines import export as exporting
    from darnet.models import cards

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
    made = exporting.export(network, card.model_dump(mode="json"), target, to)
    for path in made.paths:
        print(path)
    return 0
