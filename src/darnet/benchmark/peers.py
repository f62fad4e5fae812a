"""Peers: what others offer for the same damage, measured in the same run.

They come with the `bench` extra, never with darnet.
Most are told the true level, which darnet is not. Settings are those of authors or manuals, or, where there are none,
chosen on training photos (the defaults in `darnet.experts.classical`).

Shapes: H × W pixels, sRGB in [0, 1] (a float protocol's noise reaches beyond).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import nn

from darnet import registry, store
from darnet.benchmark.methods import Answer, Method, load_network, load_system
from darnet.benchmark.protocol import Pixels
from darnet.benchmark.suites import TOGETHER, Case
from darnet.errors import UnknownNameError, UsageError
from darnet.experts import Tiles
from darnet.experts.classical import NonLocalMeans, RichardsonLucy, Wiener
from darnet.experts.foreign import FILES, ForeignExpert

EXTRA = "bench"
Repair = Callable[[Pixels, float], Pixels]


@dataclass
class Peer(Method):
    """A function of (pixels, true level)."""

    repair: Repair
    network: nn.Module | None = None
    told: str | None = "kind and level"

    def __call__(self, observed: Pixels, case: Case) -> Answer:
        """Repair, knowing the level. Raises UsageError for a case whose level nobody knows."""
        if case.level is None:
            raise UsageError(f"{case.set}/{case.name}: its level is not known, and this peer must be told")
        return Answer(self.repair(observed, case.level))

    def networks(self, case: Case) -> tuple[nn.Module, ...]:
        """The peer's own, if it is one."""
        return () if self.network is None else (self.network,)


class Identity(Method):
    """The damaged picture itself."""

    def __call__(self, observed: Pixels, case: Case) -> Answer:
        """What was observed."""
        return Answer(observed)


def _ffdnet(device: str) -> Method:
    """FFDNet for colour (Zhang, Zuo, Zhang 2018), real weights, on whichever device."""
    package = registry.optional("ffdnet", EXTRA)
    network = package.FFDNet(num_input_channels=3)
    network.load()
    network = network.eval().requires_grad_(False)

    def repair(pixels: Pixels, sigma_255: float) -> Pixels:
        with torch.inference_mode():
            denoised: Pixels = network(pixels[None], torch.tensor([sigma_255 / 255]))[0]
            return denoised

    return Peer(repair, network)


def _bm3d(device: str) -> Method:
    """Colour BM3D (Dabov, Foi, Katkovnik, Egiazarian 2007)."""
    bm3d = registry.optional("bm3d", EXTRA)

    def repair(pixels: Pixels, sigma_255: float) -> Pixels:
        denoised = bm3d.bm3d_rgb(np.ascontiguousarray(pixels.permute(1, 2, 0).numpy()), sigma_255 / 255)
        return torch.from_numpy(np.ascontiguousarray(denoised, dtype=np.float32)).permute(2, 0, 1)

    return Peer(repair)


def _nlm(device: str) -> Method:
    """Fast non-local means, filter strength 0.7 σ."""
    registry.optional("cv2", EXTRA).setNumThreads(1)  # as everybody here
    return Peer(lambda pixels, sigma_255: NonLocalMeans(sigma_255)(pixels))


def _wiener(device: str) -> Method:
    """Wiener filter with the true kernel."""
    Wiener()  # whether it is installed
    return Peer(lambda pixels, sigma_px: Wiener(sigma_px)(pixels))


def _richardson_lucy(device: str) -> Method:
    """Richardson–Lucy with the true kernel, 100 steps."""
    RichardsonLucy()
    return Peer(lambda pixels, sigma_px: RichardsonLucy(sigma_px)(pixels))


def _divide(device: str) -> Method:
    """X / k with the true gain k: all that can be done without guessing what was clipped."""
    return Peer(lambda pixels, gain: pixels / gain)


class Offer(NamedTuple):
    """A peer: what it repairs (none: everything), and how it is made for a device."""

    kinds: tuple[str, ...]
    make: Callable[[str], Method]


PEERS: Mapping[str, Offer] = {
    "identity": Offer((), lambda device: Identity()),
    "ffdnet": Offer(("noise",), _ffdnet),
    "bm3d": Offer(("noise",), _bm3d),
    "nlm": Offer(("noise",), _nlm),
    "wiener": Offer(("blur",), _wiener),
    "richardson-lucy": Offer(("blur",), _richardson_lucy),
    "divide": Offer(("overexposure",), _divide),
}


def load_method(name: str, device: str = "cpu") -> Method:
    """Whoever `name` stands for: a peer, a foreign checkpoint, a folder of weights, or a system.

    Raises MissingPackageError for a peer that is not installed, UnknownNameError, WeightsError or UsageError.
    """
    path = Path(name)
    if name in PEERS:
        return PEERS[name].make(device)
    if path.suffix.lower() in FILES:
        return Foreign(FILES[path.suffix.lower()](path, device, Tiles(0)))
    if (path / store.CARD).is_file():
        return load_network(path, device)
    try:
        return load_system(name, device)
    except UnknownNameError as error:
        raise UnknownNameError("method", name, [*store.shipped(), *PEERS]) from error


def repairs(name: str, kind: str) -> bool:
    """Whether a method is meant for a kind of damage, as far as anybody says. Raises WeightsError."""
    if name in PEERS:
        kinds = PEERS[name].kinds
    else:
        kinds = store.read_card(Path(name)).handles if (Path(name) / store.CARD).is_file() else ()
    return not kinds or {*kind.split(TOGETHER)} <= {*kinds}


@dataclass
class Foreign(Method):
    """A foreign network is told nothing but that its kind of damage is at hand."""

    expert: ForeignExpert
    told = "kind"

    def __call__(self, observed: Pixels, case: Case) -> Answer:
        """Repair."""
        return Answer(self.expert(observed))

    def networks(self, case: Case) -> tuple[nn.Module, ...]:
        """The one, where torch knows it."""
        return () if self.expert.network is None else (self.expert.network,)
