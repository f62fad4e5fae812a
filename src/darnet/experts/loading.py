"""An expert from its folder: a network of darnet's, or a reference to somebody else's."""

from __future__ import annotations

from pathlib import Path

from darnet import registry, store
from darnet.backends import Precision, TorchBackend
from darnet.errors import WeightsError
from darnet.experts.base import TILES, Checked, Expert, Tiles
from darnet.experts.foreign import FILES
from darnet.experts.network import NetworkExpert


def load_expert(
    folder: Path, device: str = "auto", precision: Precision = "auto", tiles: Tiles | None = None
) -> Expert:
    """Whoever the folder holds, ready to repair.

    Raises WeightsError (missing, damaged, incompatible), MissingPackageError (an extra of darnet is needed), or
    UsageError (device, precision).
    """
    reference = store.read_reference(folder)
    if reference is None:
        return NetworkExpert(TorchBackend(store.load(folder)[0], device, precision), tiles or TILES)
    if reference.file:
        path = folder / reference.file
        if path.suffix.lower() not in FILES:
            raise WeightsError(path, f"no format of networks that is known (there are: {', '.join(FILES)})")
        return Checked(reference.name, FILES[path.suffix.lower()](path, device, tiles or TILES))
    try:
        expert: Expert = registry.find("expert", reference.registered)(**reference.config)
    except TypeError as error:
        raise WeightsError(folder / store.REFERENCE, f"{reference.registered}: {error}") from error
    return Checked(reference.name, expert)
