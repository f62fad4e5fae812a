"""Parts of systems from their folders, and a whole system as a `Restorer`; experts are loaded when asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from threading import Lock
from typing import Any, Literal

import torch

from darnet import registry
from darnet.engines.devices import Precision, pick_device, pick_dtype
from darnet.engines.pytorch import TorchBackend
from darnet.errors import WeightsError
from darnet.models import cards
from darnet.restore.experts.base import TILES, Checked, Expert, SelfEnsemble, Tiles
from darnet.restore.experts.foreign import FILES
from darnet.restore.experts.network import NetworkExpert
from darnet.restore.restorer import Restorer
from darnet.restore.routers import NetworkRouter, Router
from darnet.systems import manifest

Quality = Literal["fast", "best"]


def load(  # noqa: PLR0913  how a system runs
    name: str | Path = "darnet",
    *,
    device: str = "auto",
    precision: Precision = "auto",
    tiles: Tiles | None = None,
    min_confidence: float | None = None,
    max_steps: int = 1,
    quality: Quality = "fast",
) -> Restorer:
    """A system by the name it ships under, or by its folder, ready to restore.

    The router is loaded here. Experts are loaded when a picture first needs them (`LazyExperts`): here it is
    only seen to that their files are there and whole. One that is damaged otherwise is named when it is needed.

    `quality`: "best" takes the large expert of a kind where the system has one, and asks every expert eight times
    (`SelfEnsemble`).
    `min_confidence`: for all kinds, in place of what the system says.
    Raises UnknownNameError, WeightsError (missing, damaged or incompatible weights) or UsageError (device, precision).

    Example:
        >>> restorer = load("darnet", device="cpu")
        >>> sorted(restorer.experts)
        ['blur', 'haze', 'jpeg', 'lowlight', 'motion', 'noise', 'overexposure', 'rain']
    """
    system, folder = manifest.read_system(str(name))
    pick_dtype(precision, pick_device(device))  # refused here, not when the first expert is loaded
    parts = {**system.experts, **(system.large_experts if quality == "best" else {})}
    folders = {kind: manifest.part(folder, parts[kind]) for kind in system.experts}
    for part in set(folders.values()):
        cards.check_files(part)
    return Restorer(
        router=load_router(manifest.part(folder, system.router), device, precision),
        experts=LazyExperts(
            folders,
            partial(load_expert, device=device, precision=precision, tiles=tiles),
            ensemble=quality == "best",
        ),
        min_confidence=system.min_confidence if min_confidence is None else min_confidence,
        min_confidences=system.min_confidences if min_confidence is None else {},
        max_steps=max_steps,
    )


def load_router(folder: Path, device: str = "auto", precision: Precision = "auto") -> Router:
    """Whoever the folder holds: a network of darnet's, or a router by its name in the registry.

    Raises WeightsError (missing, damaged, incompatible), UnknownNameError or UsageError (device, precision).
    """
    reference = cards.read_reference(folder)
    if reference is None:
        return NetworkRouter(TorchBackend(cards.load(folder)[0], device, precision))
    if reference.file:
        raise WeightsError(folder / reference.file, "no router: a file can only be an expert")
    try:
        router: Router = registry.find("router", reference.registered)(**reference.config)
    except TypeError as error:
        raise WeightsError(folder / cards.REFERENCE, f"{reference.registered}: {error}") from error
    return router


def load_expert(
    folder: Path, device: str = "auto", precision: Precision = "auto", tiles: Tiles | None = None
) -> Expert:
    """Whoever the folder holds, ready to repair.

    Raises WeightsError (missing, damaged, incompatible), MissingPackageError (an extra of darnet is needed), or
    UsageError (device, precision).
    """
    reference = cards.read_reference(folder)
    if reference is None:
        return NetworkExpert(TorchBackend(cards.load(folder)[0], device, precision), tiles or TILES)
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
            self._loaded[folder] = self._load(folder)
        found = self._loaded[folder]
        serving = found.told(kind) if isinstance(found, NetworkExpert) else found
        return SelfEnsemble(serving) if self._ensemble else serving
