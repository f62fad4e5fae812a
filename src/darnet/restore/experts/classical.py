"""Classical filters as experts: no training, one formula each, settings told beforehand.

They come with scikit-image and OpenCV (`pip install 'darnet[classical]'`). Each is named in the registry and takes part
in a system as any other expert does: `assembly.add(system, "median", ["salt"])`.

Shapes: H × W pixels, sRGB in [0, 1]; H × W × 3 arrays.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray

from darnet import registry
from darnet.degradations.blur import TRUNCATE_SIGMAS, gaussian_kernels
from darnet.errors import UsageError
from darnet.images.geometry import mirror_pad
from darnet.restore.experts.base import Pixels

EXTRA = "classical"
LARGEST_8_BIT = 255


@dataclass(frozen=True)
class Filter(ABC):
    """A function of an (H, W, 3) float array. Raises MissingPackageError where its package is not installed."""

    package: ClassVar[str]

    def __post_init__(self) -> None:
        """Raise UsageError for a setting that is not positive."""
        registry.optional(self.package, EXTRA)
        for name, value in vars(self).items():
            if not value > 0:
                raise UsageError(f"{type(self).__name__}: {name} {value}: expected more than 0")

    @abstractmethod
    def repaired(self, picture: NDArray[np.float32]) -> NDArray[Any]:
        """The filter itself; its answer is clipped to [0, 1]."""

    def __call__(self, pixels: Pixels) -> Pixels:
        """Repair one picture."""
        picture = np.ascontiguousarray(pixels.permute(1, 2, 0).cpu().numpy())
        answer = np.ascontiguousarray(self.repaired(picture).clip(0, 1), dtype=np.float32)
        return torch.from_numpy(answer).permute(2, 0, 1).to(pixels)


@dataclass(frozen=True)
class Median(Filter):
    """The median of a square around each value (Tukey 1977): for salt and pepper."""

    package = "skimage"
    size_px: int = 3

    def repaired(self, picture: NDArray[np.float32]) -> NDArray[Any]:
        """Channel by channel, mirrored at the border."""
        median = registry.optional("scipy.ndimage", EXTRA).median_filter
        filtered: NDArray[Any] = median(picture, size=(self.size_px, self.size_px, 1), mode="reflect")
        return filtered


@dataclass(frozen=True)
class NonLocalMeans(Filter):
    """Fast non-local means of OpenCV in Lab (Buades, Coll, Morel 2011), on 8 bits; its strength is a share of σ."""

    package = "cv2"
    sigma_255: float = 25.0
    strength: float = 0.7

    def repaired(self, picture: NDArray[np.float32]) -> NDArray[Any]:
        """Patches of 7 px, searched within 21 px."""
        cv2 = registry.optional("cv2", EXTRA)
        h = self.strength * self.sigma_255
        filtered: NDArray[Any] = cv2.fastNlMeansDenoisingColored(_eight_bit(picture), None, h, h, 7, 21)
        return filtered / LARGEST_8_BIT


@dataclass(frozen=True)
class Wiener(Filter):
    """Wiener filter with a Laplacian prior (scikit-image) for Gaussian blur of a known σ, mirrored border."""

    package = "skimage"
    sigma_px: float = 1.5
    balance: float = 1e-4

    def repaired(self, picture: NDArray[np.float32]) -> NDArray[Any]:
        """Channel by channel."""
        wiener = registry.optional("skimage.restoration", EXTRA).wiener
        return deconvolved(picture, _kernel(self.sigma_px), lambda plane, psf: wiener(plane, psf, self.balance))


@dataclass(frozen=True)
class RichardsonLucy(Filter):
    """Richardson–Lucy (1972, 1974; scikit-image) for Gaussian blur of a known σ, mirrored border."""

    package = "skimage"
    sigma_px: float = 1.5
    steps: int = 100

    def repaired(self, picture: NDArray[np.float32]) -> NDArray[Any]:
        """Channel by channel."""
        deconvolve = registry.optional("skimage.restoration", EXTRA).richardson_lucy
        return deconvolved(picture, _kernel(self.sigma_px), lambda plane, psf: deconvolve(plane, psf, self.steps))


@dataclass(frozen=True)
class Clahe(Filter):
    """Contrast-limited adaptive histogram equalisation of the lightness (Zuiderveld 1994; OpenCV), on 8 bits."""

    package = "cv2"
    clip_limit: float = 2.0
    grid: int = 8

    def repaired(self, picture: NDArray[np.float32]) -> NDArray[Any]:
        """In Lab; colours stay."""
        cv2 = registry.optional("cv2", EXTRA)
        lab = cv2.cvtColor(_eight_bit(picture), cv2.COLOR_RGB2LAB)
        lab[..., 0] = cv2.createCLAHE(self.clip_limit, (self.grid, self.grid)).apply(lab[..., 0])
        equalised: NDArray[Any] = cv2.cvtColor(lab, cv2.COLOR_LAB2RGB)
        return equalised / LARGEST_8_BIT


def _eight_bit(picture: NDArray[np.float32]) -> NDArray[np.uint8]:
    levels: NDArray[np.uint8] = np.rint(picture.clip(0, 1) * LARGEST_8_BIT).astype(np.uint8)
    return levels


def _kernel(sigma_px: float) -> NDArray[np.float64]:
    """The Gaussian of σ that a picture was blurred with."""
    radius = int(np.ceil(TRUNCATE_SIGMAS * sigma_px))
    taps = gaussian_kernels(torch.tensor([sigma_px], dtype=torch.float64), radius)[0].numpy()
    kernel: NDArray[np.float64] = np.outer(taps, taps)
    return kernel


def deconvolved(picture: NDArray[np.float32], kernel: NDArray[np.float64], deconvolve: Any) -> NDArray[Any]:
    """`deconvolve(plane, kernel)` for each channel of an (H, W, 3) picture in [0, 1]; `kernel` (K, K) sums to 1.

    With a mirrored margin that is cut off again: these filters see a picture as a torus.
    """
    margin = 2 * (len(kernel) - 1)
    planes = torch.from_numpy(picture.clip(0, 1)).permute(2, 0, 1)[None]
    wide = mirror_pad(planes, (margin, margin), (margin, margin))[0].double().numpy()
    restored = np.stack([deconvolve(plane, kernel) for plane in wide], axis=2)
    return restored[margin:-margin, margin:-margin]
