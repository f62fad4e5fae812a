"""Parts of systems from their folders; experts are loaded when asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from threading import Lock
from typing import Any

import torch

from darnet import registry
from darnet.engines.choosing import AUTO, candidates, prepare
from darnet.engines.devices import INT8, Precision, pick_device
from darnet.engines.graphs import GRAPH, is_of
from darnet.engines.probing import Part
from darnet.engines.pytorch import TORCH
from darnet.engines.quantisation import QUANTISED
from darnet.errors import DarnetError, WeightsError
from darnet.images.budget import Cost
from darnet.images.tiles import pad_to
from darnet.models import cards
from darnet.models.abilities import Classifier
from darnet.models.base import Model
from darnet.models.cards import Card
from darnet.restore.experts.base import TILES, Checked, Expert, SelfEnsemble, Tiles
from darnet.restore.experts.foreign import FILES
from darnet.restore.experts.network import NetworkExpert
from darnet.restore.routers import NetworkRouter, Router
from darnet.timeline import span

#: Whether a classifier makes pictures is tried with one of this side.
TRIED_PX = 64
#: What a tile is taken to cost where nobody has measured it: more than with any expert that ships.
UNMEASURED = Cost(64_000_000, 512)
#: What it costs a process whose networks run elsewhere, and what views of it cost (`SelfEnsemble`).
ELSEWHERE, VIEWS_BYTES = Cost(8_000_000, 60), 48


def load_router(folder: Path, device: str = AUTO, precision: Precision = AUTO, backend: str = AUTO) -> Router:
    """Whoever the folder holds: a network of darnet's, or a router by its name in the registry.

    Raises WeightsError (missing, damaged, incompatible), UnknownNameError or UsageError (device, precision, backend).
    """
    reference = cards.read_reference(folder)
    if reference is None:
        made = prepare(_part(folder), device, precision, backend)
        try:
            return NetworkRouter(made)
        except DarnetError as error:
            raise WeightsError(folder, str(error)) from error
    if reference.file:
        raise WeightsError(folder / reference.file, "no router: a file can only be an expert")
    try:
        router: Router = registry.find("router", reference.registered)(**reference.config)
    except TypeError as error:
        raise WeightsError(folder / cards.REFERENCE, f"{reference.registered}: {error}") from error
    return router


def load_expert(
    folder: Path,
    device: str = AUTO,
    precision: Precision = AUTO,
    tiles: Tiles | None = None,
    backend: str = AUTO,
) -> Expert:
    """Whoever the folder holds, ready to repair.

    Raises WeightsError (missing, damaged, incompatible), MissingPackageError (an extra of darnet is needed), or
    UsageError (device, precision, backend).
    """
    reference = cards.read_reference(folder)
    if reference is None:
        part = _part(folder)
        if isinstance(part.model, Classifier) and not _repairs(part.model):
            raise WeightsError(folder, f"{type(part.model).__name__} makes no image: it is no expert")
        return NetworkExpert(prepare(part, device, precision, backend), tiles or TILES)
    if reference.file:
        path = folder / reference.file
        if path.suffix.lower() not in FILES:
            raise WeightsError(path, f"no format of networks that is known (there are: {', '.join(FILES)})")
        return Checked(reference.name, FILES[path.suffix.lower()](path, device, tiles or TILES))
    try:
        expert: Expert = registry.find("expert", reference.registered)(**reference.config)
    except TypeError as error:
        raise WeightsError(folder / cards.REFERENCE, f"{reference.registered}: {error}") from error
    return Checked(reference.name, expert)


def _part(folder: Path) -> Part:
    """A network, with its graphs if those lie beside its weights and are of them."""
    model, card = cards.load(folder)
    graph, quantised = (path if is_of(path, card.sha256) else None for path in (folder / GRAPH, folder / QUANTISED))
    return Part(model, graph, card.losses, card.sha256, quantised)


def tile_cost(folder: Path, device: str, precision: Precision, backend: str = AUTO, *, ensemble: bool = False) -> Cost:
    """What a tile of whoever a folder holds takes of memory, at most, whoever of several backends is taken.

    Raises WeightsError; UsageError (device, precision); UnknownNameError (backend).
    """
    cost = ELSEWHERE
    if pick_device(device).type == "cpu":
        part = cards.read_part(folder)
        losses = part.losses if isinstance(part, Card) else {}
        who = backend if (folder / GRAPH).is_file() else TORCH
        if precision == INT8 and not (folder / QUANTISED).is_file():
            precision = "fp32"
        names = [f"{name} {one}" for name, one in candidates(who, precision, losses)]
        known = [Cost(*part.tile_memory[name]) if name in part.tile_memory else UNMEASURED for name in names]
        cost = Cost(max(one.fixed_bytes for one in known), max(one.pixel_bytes for one in known))
    return Cost(cost.fixed_bytes, cost.pixel_bytes + VIEWS_BYTES) if ensemble else cost


def _repairs(model: Model) -> bool:
    """Whether a network answers with a picture."""
    picture = pad_to(torch.zeros(1, 3, TRIED_PX, TRIED_PX), model.multiple_of)
    with torch.inference_mode():
        return model(picture, model.look(picture)).image is not None


class LazyExperts(Mapping[str, Expert]):
    """Experts by the kind of damage that they repair, each loaded when it is first asked for.

    Which kinds there are (`in`, `len`, iteration) is known without loading any. An expert is loaded once, whichever
    threads ask for it, and kinds that share a folder share its expert. A copy or a pickle takes along what is loaded,
    and finds the rest in the same folders.

    To ask for an expert raises what loading it raises; it is then tried again the next time. To load them all:
    `dict(experts)`.
    """

    def __init__(self, folders: Mapping[str, Path], load: Callable[[Path], Expert], *, ensemble: bool = False) -> None:
        # Absolute: the working directory may be another one when an expert is asked for.
        self._folders = {kind: folder.absolute() for kind, folder in folders.items()}
        self._load, self._ensemble = load, ensemble
        self._loaded: dict[Path, Expert] = {}
        self._serving: dict[str, Expert] = {}
        self._lock = Lock()

    def __getitem__(self, kind: str) -> Expert:
        """Who repairs this kind, ready to. Raises KeyError for a kind of nobody's."""
        folder = self._folders[kind]
        if kind not in self._serving:  # who is loaded is not waited for while another is being loaded
            with self._lock:
                if kind not in self._serving:
                    self._serving[kind] = self._told(kind, folder)
        return self._serving[kind]

    def __iter__(self) -> Iterator[str]:
        return iter(self._folders)

    def __len__(self) -> int:
        return len(self._folders)

    def __contains__(self, kind: object) -> bool:
        return kind in self._folders  # Mapping's own would load the expert

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(self)})"

    def __getstate__(self) -> dict[str, Any]:
        with self._lock:
            found = vars(self) | {"_loaded": dict(self._loaded), "_serving": dict(self._serving)}
        return {name: value for name, value in found.items() if name != "_lock"}  # no lock can be copied

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state, _lock=Lock())

    @torch.inference_mode(False)  # a picture may be under repair, and weights of that mode could not learn any more
    def _told(self, kind: str, folder: Path) -> Expert:
        if folder not in self._loaded:
            with span("load"):
                self._loaded[folder] = self._load(folder)
        found = self._loaded[folder]
        serving = found.told(kind) if isinstance(found, NetworkExpert) else found
        return SelfEnsemble(serving) if self._ensemble else serving
