"""Peers: what others offer for the same damage, measured in the same run.

Packages of other people come with the `peers` extra, which nothing else pulls in; filters with `classical`. Most are
told the true severity, which darnet is not. Settings are those of authors or manuals, or, where there are none, chosen
on training photos (the defaults in `darnet.restore.experts.classical`).

Shapes: H × W pixels, sRGB in [0, 1] (a float protocol's noise reaches beyond).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float
from torch import Generator, Tensor, nn

from darnet import registry
from darnet.benchmark.camera import gaussian, kernel_of
from darnet.benchmark.cases import TOGETHER, Case
from darnet.benchmark.methods import Answer, Method, load_network, load_system
from darnet.benchmark.protocol import Pixels
from darnet.benchmark.untrained import UNTRAINED, untrained
from darnet.degradations import GaussianBlur
from darnet.errors import UnknownNameError, UsageError
from darnet.models import cards
from darnet.restore.experts import Tiles
from darnet.restore.experts.classical import NonLocalMeans, RichardsonLucy, Wiener, deconvolved
from darnet.restore.experts.foreign import FILES, ForeignExpert
from darnet.systems import manifest

EXTRA = "peers"
#: The peer that repairs nothing.
INPUT = "identity"
#: Rows and columns of a filter that answers neither to slopes nor to straight edges.
EDGELESS = (1.0, -2.0, 1.0)
SMALLEST_PX = 16
#: Settings of the blind peers, chosen on training photos: the noise pairs (and photos under σ 15 in a JPEG file), and
#: photos under blur of σ 1 to 2.5, and of a disk of 3 px, in JPEG files.
WEAKEST, STRONGEST, LEAST_SIGMA = 0.5, 3.0, 0.5
SMOOTHING_PX = 1.0
FILE_BALANCE = 3e-3
BLIND_SIGMA_PX, BLIND_BALANCE = 1.2, 1e-2
Repair = Callable[[Pixels, float], Pixels]


@dataclass
class Peer(Method):
    """A function of (pixels, true severity)."""

    repair: Repair
    network: nn.Module | None = None
    told: str | None = "kind and level"

    def __call__(self, observed: Pixels, case: Case) -> Answer:
        """Repair, knowing the severity. Raises UsageError for a case whose severity nobody knows."""
        if case.severity is None:
            raise UsageError(f"{case.set}/{case.name}: its severity is not known, and this peer must be told")
        return Answer(self.repair(observed, case.severity))

    def networks(self, case: Case) -> tuple[nn.Module, ...]:
        """The peer's own, if it is one."""
        return () if self.network is None else (self.network,)


@dataclass
class Filtering(Method):
    """A function of pixels alone: it is told that its kind of damage is at hand, and no more."""

    repair: Callable[[Pixels], Pixels]
    told: str | None = "kind"

    def __call__(self, observed: Pixels, case: Case) -> Answer:
        """Filter."""
        return Answer(self.repair(observed))


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
    registry.optional("cv2", "classical").setNumThreads(torch.get_num_threads())  # as everybody here
    return Peer(lambda pixels, sigma_255: NonLocalMeans(sigma_255)(pixels))


def _wiener(device: str) -> Method:
    """Wiener filter with the true kernel."""
    Wiener()  # whether it is installed
    return Peer(lambda pixels, sigma_px: Wiener(sigma_px)(pixels))


def _nlm_blind(device: str) -> Method:
    """Fast non-local means that estimates σ itself, and how coarse the noise is.

    Its strength is c·σ, c = r³ / 4 within 0.5 to 3; r is twice the σ found at half the size over that at full size: 1
    for white noise alone, 2 and more for noise that demosaicing, denoising or enlarging made coarse, whose σ is
    underestimated.
    """
    registry.optional("cv2", "classical").setNumThreads(torch.get_num_threads())

    def repair(pixels: Pixels) -> Pixels:
        sigma_255 = max(noise_sigma_255(pixels), LEAST_SIGMA)
        half = nn.functional.avg_pool2d(pixels[None], 2)[0] if min(pixels.shape[1:]) >= SMALLEST_PX else pixels
        coarseness = 2 * noise_sigma_255(half) / sigma_255
        return NonLocalMeans(sigma_255, min(STRONGEST, max(WEAKEST, coarseness**3 / 4)))(pixels)

    return Filtering(repair)


def noise_sigma_255(pixels: Pixels) -> float:
    """σ of white noise on the 0–255 scale, mean of the channels: 1.4826 · median of |x * N| / 6.

    N = [1 −2 1; −2 4 −2; 1 −2 1] answers to noise more than to edges, and multiplies its σ by 6 (Immerkær, "Fast noise
    variance estimation", CVIU 1996); the median for his mean, as edges are few. 0 for a picture smaller than N.
    """
    if min(pixels.shape[1:]) < len(EDGELESS):
        return 0.0
    kernel = pixels.new_tensor(EDGELESS)[:, None] * pixels.new_tensor(EDGELESS)
    answers = nn.functional.conv2d(pixels[:, None], kernel[None, None]).abs().flatten(1)
    return float(255 * 1.4826 / 6 * answers.median(dim=1).values.mean())


def _gaussian(device: str) -> Method:
    """A Gaussian blur against noise, the same for every picture."""
    smooth = GaussianBlur((SMOOTHING_PX, SMOOTHING_PX))
    return Filtering(lambda pixels: smooth(pixels.clamp(0, 1), Generator()))


class _WienerOfFiles(Method):
    """Wiener filter with the true kernel, its balance for pictures that JPEG files held."""

    told = "kernel"

    def __call__(self, observed: Pixels, case: Case) -> Answer:
        """Repair, knowing the kernel. Raises UsageError for a case that has none."""
        kernel = kernel_of(case.degradation)
        if kernel is None:
            raise UsageError(f"{case.set}/{case.name}: its kernel is not known, and this peer must be told")
        return Answer(_unblurred(observed, kernel, FILE_BALANCE))


def _wiener_jpeg(device: str) -> Method:
    """As `wiener`, for files: the balance of `wiener` belongs to pictures that nothing rounded but 8 bits."""
    Wiener()
    return _WienerOfFiles()


def _wiener_blind(device: str) -> Method:
    """Wiener filter for one Gaussian, whatever the blur is."""
    Wiener()
    return Filtering(lambda pixels: _unblurred(pixels, gaussian(BLIND_SIGMA_PX), BLIND_BALANCE))


def _unblurred(pixels: Pixels, kernel: Float[Tensor, "K K"], balance: float) -> Pixels:
    wiener = registry.optional("skimage.restoration", "classical").wiener
    picture = pixels.permute(1, 2, 0).numpy()
    sharp = deconvolved(picture, kernel.numpy(), lambda plane, psf: wiener(plane, psf, balance))
    return torch.from_numpy(np.ascontiguousarray(sharp.clip(0, 1), dtype=np.float32)).permute(2, 0, 1)


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
    INPUT: Offer((), lambda device: Identity()),
    "ffdnet": Offer(("noise",), _ffdnet),
    "bm3d": Offer(("noise",), _bm3d),
    "nlm": Offer(("noise",), _nlm),
    "nlm-blind": Offer(("noise",), _nlm_blind),
    "gaussian": Offer(("noise",), _gaussian),
    "wiener": Offer(("blur",), _wiener),
    "wiener-jpeg": Offer(("blur",), _wiener_jpeg),
    "wiener-blind": Offer(("blur",), _wiener_blind),
    "richardson-lucy": Offer(("blur",), _richardson_lucy),
    "divide": Offer(("overexposure",), _divide),
}


def repairing(*kinds: str) -> tuple[str, ...]:
    """The peers that are meant for one of these kinds of damage."""
    return tuple(name for name, offer in PEERS.items() if {*kinds} & {*offer.kinds})


def load_method(name: str, device: str = "cpu") -> Method:
    """Whoever `name` stands for: a peer, an untrained network, a foreign checkpoint, a folder of weights, or a system.

    Raises MissingPackageError for a peer that is not installed, UnknownNameError, WeightsError or UsageError.
    """
    path = Path(name)
    if name in PEERS:
        return PEERS[name].make(device)
    if name in UNTRAINED:
        return untrained(name, device)
    if path.suffix.lower() in FILES:
        return Foreign(FILES[path.suffix.lower()](path, device, Tiles(0)))
    if (path / cards.CARD).is_file():
        return load_network(path, device)
    try:
        return load_system(name, device)
    except UnknownNameError as error:
        raise UnknownNameError("method", name, [*manifest.shipped(), *PEERS]) from error


def repairs(name: str, kind: str) -> bool:
    """Whether a method is meant for a kind of damage, as far as anybody says. Raises WeightsError."""
    if name in PEERS:
        kinds = PEERS[name].kinds
    else:
        kinds = cards.read_card(Path(name)).handles if (Path(name) / cards.CARD).is_file() else ()
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
