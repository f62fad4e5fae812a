"""Peers: what others offer for the same damage, measured in the same run.

They come with the `bench` extra, never with darnet.
Most are told the true level, which darnet is not. Settings are those of authors or manuals, or, where there are none,
chosen on training photos.

Shapes: H × W pixels, sRGB in [0, 1] (a float protocol's noise reaches beyond).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import nn

from darnet import store
from darnet.benchmark.methods import Answer, Method, load_network, load_system
from darnet.benchmark.protocol import Pixels
from darnet.benchmark.suites import Case
from darnet.degradations.base import mirror_pad
from darnet.degradations.blur import TRUNCATE_SIGMAS, gaussian_kernels
from darnet.errors import DarnetError, UnknownNameError, UsageError, WeightsError

Repair = Callable[[Pixels, float], Pixels]

WIENER_BALANCE = 1e-4  # chosen, as what follows, on training photos
NLM_STRENGTH = 0.7  # of σ
RICHARDSON_LUCY_STEPS = 100
FOREIGN = (".pth", ".pt", ".ckpt", ".safetensors")


class MissingPeerError(DarnetError):
    """A peer whose package is not installed: it is named and left out."""


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
    package = _need("ffdnet")
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
    bm3d = _need("bm3d")
    return Peer(_on_arrays(lambda pixels, sigma_255: bm3d.bm3d_rgb(pixels, sigma_255 / 255)))


def _nlm(device: str) -> Method:
    """Fast non-local means of OpenCV in Lab (Buades, Coll, Morel 2011), on 8 bits, filter strength 0.7 σ."""
    cv2 = _need("cv2")
    cv2.setNumThreads(1)  # as everybody here

    def repair(pixels: np.ndarray[Any, Any], sigma_255: float) -> Any:
        eight_bit = np.rint(pixels.clip(0, 1) * 255).astype(np.uint8)
        strength = NLM_STRENGTH * sigma_255
        return cv2.fastNlMeansDenoisingColored(eight_bit, None, strength, strength, 7, 21) / 255

    return Peer(_on_arrays(repair))


def _wiener(device: str) -> Method:
    """Wiener filter with a Laplacian prior (scikit-image), true kernel, mirrored border."""
    restoration = _need("skimage.restoration")
    return Peer(_deconvolution(lambda plane, psf: restoration.wiener(plane, psf, WIENER_BALANCE)))


def _richardson_lucy(device: str) -> Method:
    """Richardson–Lucy (scikit-image), 100 steps, true kernel, mirrored border."""
    restoration = _need("skimage.restoration")
    return Peer(_deconvolution(lambda plane, psf: restoration.richardson_lucy(plane, psf, RICHARDSON_LUCY_STEPS)))


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

    Raises MissingPeerError for a peer that is not installed, UnknownNameError, WeightsError or UsageError.
    """
    path = Path(name)
    if name in PEERS:
        return PEERS[name].make(device)
    if path.suffix.lower() in FOREIGN:
        return _foreign(path, device)
    if (path / store.CARD).is_file():
        return load_network(path, device)
    try:
        return load_system(name, device)
    except UnknownNameError as error:
        raise UnknownNameError("method", name, [*store.shipped(), *PEERS]) from error


def repairs(name: str, kind: str) -> bool:
    """Whether a method is meant for a kind of damage."""
    return name not in PEERS or not PEERS[name].kinds or kind in PEERS[name].kinds


def _foreign(path: Path, device: str) -> Method:
    """A checkpoint of somebody else's network, known by its weights (spandrel); read as tensors, never as code."""
    if not path.is_file():
        raise WeightsError(path, "no such file")
    spandrel = _need("spandrel", extra="foreign")
    try:
        if path.suffix.lower() == ".safetensors":
            from safetensors.torch import load_file

            tensors: Any = load_file(path)
        else:
            tensors = torch.load(path, map_location="cpu", weights_only=True)  # noqa: TID251  tensors only
        known = spandrel.canonicalize_state_dict(tensors)
        descriptor = spandrel.ModelLoader(device=device).load_from_state_dict(known)
    except Exception as error:  # whatever a stranger's file brings
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise WeightsError(path, f"no network that is known ({reason})") from error
    if descriptor.scale != 1 or descriptor.input_channels != 3:
        raise WeightsError(path, f"{descriptor.architecture.name} does not map a colour picture to one of its size")

    def repair(pixels: Pixels, level: float) -> Pixels:
        with torch.inference_mode():
            repaired: Pixels = descriptor(pixels[None].to(descriptor.device))[0].cpu()
            return repaired

    return Foreign(repair, descriptor.model)


@dataclass
class Foreign(Peer):
    """A foreign network is told nothing but that its kind of damage is at hand."""

    told: str | None = "kind"

    def __call__(self, observed: Pixels, case: Case) -> Answer:
        """Repair."""
        return Answer(self.repair(observed, 0.0))


def _need(module: str, extra: str = "bench") -> Any:
    try:
        return import_module(module)
    except (ImportError, RuntimeError) as error:  # RuntimeError: a torchvision that does not fit its torch
        reason = " ".join(str(error).split())
        raise MissingPeerError(f"needs {module} ({reason}): pip install 'darnet[{extra}]'") from error


def _on_arrays(function: Callable[[Any, float], Any]) -> Repair:
    """(H, W, 3) arrays for those who want them."""

    def repair(pixels: Pixels, level: float) -> Pixels:
        array = np.ascontiguousarray(pixels.permute(1, 2, 0).numpy())
        return torch.from_numpy(np.ascontiguousarray(function(array, level), dtype=np.float32)).permute(2, 0, 1)

    return repair


def _deconvolution(deconvolve: Callable[[Any, Any], Any]) -> Repair:
    """Channel by channel, with a mirrored margin that is cut off again: these filters see a picture as a torus."""

    def repair(pixels: Pixels, sigma_px: float) -> Pixels:
        radius = int(np.ceil(TRUNCATE_SIGMAS * sigma_px))
        taps = gaussian_kernels(torch.tensor([sigma_px], dtype=torch.float64), radius)[0].numpy()
        margin = 4 * radius
        wide = mirror_pad(pixels[None].clamp(0, 1), (margin, margin), (margin, margin))[0].double().numpy()
        planes = np.stack([deconvolve(plane, np.outer(taps, taps)) for plane in wide])
        return torch.from_numpy(planes[:, margin:-margin, margin:-margin].astype(np.float32))

    return repair
