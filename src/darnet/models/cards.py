"""A trained network on disk: a folder with card.json (what it is), model.safetensors (the numbers) and README.md.

Or a folder with reference.json: a part that is no network of darnet's. Weights are data, never code: nothing here can
run anything.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, TypeVar

import torch
from pydantic import BaseModel, ConfigDict, ValidationError, model_validator
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file
from safetensors.torch import save as to_bytes

from darnet import registry
from darnet.errors import DarnetError, UnknownNameError, WeightsError, fault, one_line
from darnet.models.base import Model
from darnet.models.meta import on_meta

FORMAT = 1
CARD, WEIGHTS, README = "card.json", "model.safetensors", "README.md"
REFERENCE = "reference.json"

DTYPES = {"float16": torch.float16, "float32": torch.float32}


class Card(BaseModel):
    """All that is known about a weight file, so that it can be built, trusted and repeated."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    format: int = FORMAT
    name: str
    kind: str  # name of the network in the registry
    config: dict[str, Any] = {}  # its constructor's arguments
    handles: tuple[str, ...] = ()  # kinds of damage it repairs, or tells apart
    licence: str = "unknown"
    data: dict[str, str] = {}  # training data -> its terms
    training: dict[str, Any] = {}  # recipe, pictures, last figures, environment; hours and hardware where it ships
    scores: dict[str, dict[str, Any]] = {}  # suite and protocol -> figures
    weaknesses: str = ""
    dtype: Literal["float16", "float32"] = "float16"
    parameters: int = 0
    tile_memory: dict[
        str, tuple[int, int]
    ] = {}  # backend and precision, on a CPU -> what a tile takes (`darnet.images.budget.Cost`)
    losses: dict[str, float] = {}  # backend and precision -> dB lost against float32, on the test sets of its kinds
    sha256: str = ""  # of model.safetensors


class Reference(BaseModel):
    """An expert or router that is no network of darnet's: one by its name in the registry, or somebody else's file."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    format: int = FORMAT
    name: str
    registered: str = ""  # its name in the registry, or module:Class
    config: dict[str, Any] = {}  # its constructor's arguments
    file: str = ""  # beside reference.json: a checkpoint or a graph, of a format that its suffix names
    sha256: str = ""  # of the file
    handles: tuple[str, ...] = ()  # kinds of damage it repairs
    licence: str = "unknown"
    weaknesses: str = ""
    tile_memory: dict[str, tuple[int, int]] = {}  # as that of a Card

    @model_validator(mode="after")
    def _one_of_two(self) -> Reference:
        if bool(self.registered) == bool(self.file):
            raise ValueError("one of `registered` and `file` must be given")
        if self.file and not is_name(self.file):
            raise ValueError(f"file {self.file!r} does not lie beside it")
        return self


def save(model: Model, card: Card, folder: Path) -> Card:
    """Write a network and its card; returns the card with its hash and size. The folder is made if need be."""
    folder.mkdir(parents=True, exist_ok=True)
    tensors = {
        name: tensor.detach().cpu().to(DTYPES[card.dtype]).contiguous()
        if tensor.is_floating_point()
        else tensor.detach().cpu().contiguous()
        for name, tensor in model.state_dict().items()
    }
    # Through bytes: safetensors' own file can be read by nobody but its owner.
    (folder / WEIGHTS).write_bytes(to_bytes(tensors))
    parameters = sum(weight.numel() for weight in model.parameters())
    return write_card(card.model_copy(update={"parameters": parameters}), folder)


def write_card(card: Card, folder: Path) -> Card:
    """Write card.json and README.md for the weights that lie in `folder`; returns the card with their hash."""
    card = card.model_copy(update={"sha256": _sha256(folder / WEIGHTS)})
    (folder / CARD).write_text(card.model_dump_json(indent=2) + "\n", encoding="utf-8")
    (folder / README).write_text(render(card), encoding="utf-8")
    return card


def load(folder: Path) -> tuple[Model, Card]:
    """Check format, check hash, build on the meta device, load strictly, switch to evaluation; weights in float32.

    Raises WeightsError naming the file and what is wrong with it.
    """
    card, path = read_card(folder), _weights(folder)
    if _sha256(path) != card.sha256:
        raise WeightsError(path, f"damaged: not the file that {CARD} describes (sha256 differs)")
    try:
        model = on_meta(registry.find("model", card.kind), card.config)
        tensors = {name: t.float() if t.is_floating_point() else t for name, t in load_file(path).items()}
        model.load_state_dict(tensors, strict=True, assign=True)
    except (SafetensorError, RuntimeError, TypeError, ValueError, UnknownNameError) as error:
        raise WeightsError(path, f"does not fit its card: {one_line(error)}") from error
    return model.eval().requires_grad_(False), card


def read_card(folder: Path) -> Card:
    """The card of a folder. Raises WeightsError if it is missing, malformed or of another format."""
    return read(folder / CARD, Card)


def read_reference(folder: Path) -> Reference | None:
    """The reference of a folder; None where it holds a network. Raises WeightsError, also where the file is another."""
    if not (folder / REFERENCE).is_file():
        return None
    reference = read(folder / REFERENCE, Reference)
    path = folder / reference.file
    if reference.file and (not path.is_file() or _sha256(path) != reference.sha256):
        raise WeightsError(path, f"missing, or not the file that {REFERENCE} describes (sha256 differs)")
    return reference


def read_part(folder: Path) -> Card | Reference:
    """What is known about a part of a system, whatever it is. Raises WeightsError."""
    return read_reference(folder) or read_card(folder)


def check_files(folder: Path) -> None:
    """See that a part of a system is there, without reading its weights: a sound card or reference, and a whole file.

    Raises WeightsError naming the file. What `load` finds besides is another file than the card describes.
    """
    if (folder / REFERENCE).is_file():
        path = folder / read(folder / REFERENCE, Reference).file
        if not path.exists():
            raise WeightsError(path, f"the file that {REFERENCE} describes is missing")
        return
    read_card(folder)
    path = _weights(folder)
    try:
        with safe_open(path, "pt"):  # reads the header, and compares it with the size of the file
            pass
    except (SafetensorError, OSError) as error:
        raise WeightsError(path, f"damaged: {one_line(error)}") from error


def _weights(folder: Path) -> Path:
    path = folder / WEIGHTS
    if not path.is_file():
        raise WeightsError(path, "weights are missing")
    return path


def write_reference(reference: Reference, folder: Path, *files: Path) -> None:
    """Make a folder of a reference, and a copy of its files, of which it names the first."""
    folder.mkdir(parents=True)
    for file in files:
        shutil.copyfile(file, folder / file.name)
    if files:
        reference = reference.model_copy(update={"file": files[0].name, "sha256": _sha256(files[0])})
    (folder / REFERENCE).write_text(reference.model_dump_json(indent=2) + "\n", encoding="utf-8")


def verify(folder: Path) -> Card | Reference:
    """Check a folder of weights without running anything. Raises WeightsError."""
    return read_reference(folder) or load(folder)[1]


def render(card: Card) -> str:
    """README.md of a card."""
    lines = [f"# {card.name}", "", f"`{card.kind}`, {card.parameters / 1e6:.2f} M parameters, {card.dtype}.", ""]
    lines += [f"Handles: {', '.join(card.handles) or '–'}. Licence: {card.licence}.", ""]
    for title, values in (("Data and its terms", card.data), ("Training", card.training), ("Scores", card.scores)):
        lines += [f"## {title}", "", *_bullets(values), ""]
    if card.weaknesses:
        lines += ["## What it is bad at", "", card.weaknesses, ""]
    return "\n".join([*lines, f"sha256 of `{WEIGHTS}`: `{card.sha256}`", ""])


def _bullets(values: Mapping[str, Any]) -> list[str]:
    return [f"- {key}: {value if isinstance(value, str) else json.dumps(value)}" for key, value in values.items()]


_Schema = TypeVar("_Schema", bound=BaseModel)


def read(path: Path, schema: type[_Schema]) -> _Schema:
    """A document of this format, as `schema` has it. Raises WeightsError, which names the file and the reason."""
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        found = document.get("format") if isinstance(document, dict) else None
        if found != FORMAT:
            raise WeightsError(path, f"format {found}, this version reads {FORMAT}")
        return schema.model_validate(document)
    except OSError as error:
        raise WeightsError(path, error.strerror or "cannot be read") from error
    except DarnetError:
        raise
    except ValidationError as error:
        raise WeightsError(path, ": ".join(filter(None, fault(error)))) from error
    except (ValueError, RecursionError) as error:
        raise WeightsError(path, "not JSON") from error


def is_name(place: str) -> bool:
    """Whether it is the name of something in a folder, and no way out of it."""
    return place == Path(place).name and place not in ("", "..")


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
