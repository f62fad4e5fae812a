"""What lens, light and sensor do to a picture, at fixed strength, as degradations that suites are made of.

The formulas are those of `darnet.imaging`. Shapes: B batch, C channels, P parameters, H × W pixels, K side of a kernel.
Pictures are sRGB in [0, 1].
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Generator, Tensor

from darnet.benchmark.protocol import Pixels
from darnet.degradations import Degradation, GaussianBlur
from darnet.degradations.base import Range
from darnet.degradations.blur import TRUNCATE_SIGMAS, gaussian_kernels
from darnet.images.geometry import mirror_pad
from darnet.imaging.light import expose, to_linear, to_srgb
from darnet.imaging.optics import blur, disk_kernels
from darnet.imaging.sensor import demosaic_bilinear, mosaic, shot_read_noise


@dataclass(frozen=True)
class Defocus(Degradation):
    """y = x * d(r), d(r) a disk of r pixels (geometrical optics), mirrored at the border; in sRGB, as papers blur."""

    radius_px: Range = (3.0, 3.0)
    kind: ClassVar[str] = "blur"
    parameters: ClassVar[tuple[str, ...]] = ("radius_px",)

    @property
    def margin_px(self) -> int:
        """Radius of the widest kernel; its edge is smooth over one pixel."""
        return math.ceil(self.radius_px[1] + 0.5)

    def apply(
        self, clean: Float[Tensor, "B C H W"], parameters: Float[Tensor, "B P"], rng: Generator
    ) -> Float[Tensor, "B C H W"]:
        """Convolve each sample with its own disk."""
        return blur(clean, disk_kernels(parameters[:, 0], self.margin_px))

    def severity(self, parameters: Float[Tensor, "B P"]) -> Float[Tensor, " B"]:
        """σ in pixels, the unit of blur: that of a disk is r / 2 along each axis."""
        return parameters[:, 0] / 2


@dataclass(frozen=True)
class SensorNoise(Degradation):
    """Shot and read noise in linear light: x + √(x / `electrons` + (`read_electrons` / `electrons`)²)·n.

    electrons: what a pixel holds at white; read_electrons: standard deviation of what reading it adds.
    bayer: the sensor saw one colour a pixel (RGGB), and the others were filled in bilinearly.

    Source: Foi et al., IEEE TIP 2008, eq. 10; Brooks et al., CVPR 2019. A picture stands for a sensor whose white
    balance and colours need no correction.
    """

    electrons: Range = (400.0, 400.0)
    read_electrons: Range = (5.0, 5.0)
    bayer: bool = False
    kind: ClassVar[str] = "noise"
    parameters: ClassVar[tuple[str, ...]] = ("electrons", "read_electrons")

    @property
    def margin_px(self) -> int:
        """The neighbours that a missing colour is taken from."""
        return int(self.bayer)

    def apply(
        self, clean: Float[Tensor, "B C H W"], parameters: Float[Tensor, "B P"], rng: Generator
    ) -> Float[Tensor, "B C H W"]:
        """Take each sample as its sensor sees it. Developed before it is clipped: black lies above a sensor's zero."""
        electrons, read = parameters.unbind(dim=1)
        light, variances = to_linear(clean), (1 / electrons, (read / electrons).square())
        if not self.bayer:
            return to_srgb(shot_read_noise(light, *variances, rng))
        height, width = clean.shape[2:]
        light = mirror_pad(light, (0, int(height == 1)), (0, int(width == 1)))  # of one row, no blue would be seen
        seen = demosaic_bilinear(shot_read_noise(mosaic(light), *variances, rng))
        return to_srgb(seen[:, :, :height, :width])

    def severity(self, parameters: Float[Tensor, "B P"]) -> Float[Tensor, " B"]:
        """σ on the 0–255 scale at mid-grey, without mosaic: that of the light, times the slope of the curve there."""
        electrons, read = parameters.unbind(dim=1)
        grey = to_linear(electrons.new_tensor(0.5))
        slope = 1.055 / 2.4 * grey ** (1 / 2.4 - 1)
        return 255 * slope * (grey / electrons + (read / electrons).square()).sqrt()


@dataclass(frozen=True)
class LongExposure(Degradation):
    """`stops` more light (EV), clipped as a sensor does, or from `shoulder` on (linear light) as film saturates."""

    stops: Range = (1.0, 1.0)
    shoulder: float = 1.0
    kind: ClassVar[str] = "overexposure"
    parameters: ClassVar[tuple[str, ...]] = ("stops",)

    def apply(
        self, clean: Float[Tensor, "B C H W"], parameters: Float[Tensor, "B P"], rng: Generator
    ) -> Float[Tensor, "B C H W"]:
        """Expose each sample in linear light."""
        shoulder = None if self.shoulder == 1 else torch.full_like(parameters[:, 0], self.shoulder)
        return expose(clean, parameters[:, 0], shoulder)

    def severity(self, parameters: Float[Tensor, "B P"]) -> Float[Tensor, " B"]:
        """The gain of sRGB at mid-grey, the unit of overexposure."""
        return 2 * _brightened(parameters[:, 0])


@dataclass(frozen=True)
class ShortExposure(Degradation):
    """`stops` less light (EV)."""

    stops: Range = (2.0, 2.0)
    kind: ClassVar[str] = "lowlight"
    parameters: ClassVar[tuple[str, ...]] = ("stops",)

    def apply(
        self, clean: Float[Tensor, "B C H W"], parameters: Float[Tensor, "B P"], rng: Generator
    ) -> Float[Tensor, "B C H W"]:
        """Expose each sample in linear light."""
        return expose(clean, -parameters[:, 0])

    def severity(self, parameters: Float[Tensor, "B P"]) -> Float[Tensor, " B"]:
        """The share of sRGB that is left at mid-grey, the unit of low light."""
        return 2 * _brightened(-parameters[:, 0])


def _brightened(stops: Float[Tensor, " B"]) -> Float[Tensor, " B"]:
    """Mid-grey with so much more light."""
    return to_srgb(to_linear(stops.new_tensor(0.5)) * stops.exp2())


@dataclass(frozen=True)
class Halved:
    """A picture at half its size, as editors shrink: bicubic, with the filter as wide as two pixels."""

    def __call__(self, picture: Pixels, rng: Generator) -> Pixels:
        """Shrink one picture."""
        size = [max(1, side // 2) for side in picture.shape[1:]]
        small = torch.nn.functional.interpolate(picture[None], size, mode="bicubic", antialias=True)
        return small[0].clamp(0, 1)


def kernel_of(degradation: Degradation | None) -> Float[Tensor, "K K"] | None:
    """The kernel that a blur of fixed strength convolves with, in float64; None for what is no convolution."""
    if isinstance(degradation, Defocus):
        radius = torch.tensor([degradation.radius_px[0]], dtype=torch.float64)
        return disk_kernels(radius, degradation.margin_px)[0]
    if isinstance(degradation, GaussianBlur):
        return gaussian(degradation.sigma_px[0])
    return None


def gaussian(sigma_px: float) -> Float[Tensor, "K K"]:
    """A Gaussian that sums to 1, in float64, cut as that of `GaussianBlur`."""
    reach = max(1, math.ceil(TRUNCATE_SIGMAS * sigma_px))
    taps = gaussian_kernels(torch.tensor([sigma_px], dtype=torch.float64), reach)[0]
    return torch.outer(taps, taps)
