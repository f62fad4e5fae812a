"""Steps of the way of a photo at the sensor and in the camera: noise of all sorts, denoising, sharpening, tones.

Shapes: B batch, S side of a scene. Pictures are sRGB in [0, 1].
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Generator, Tensor
from torch.nn import functional as F

from darnet.degradations.base import Range
from darnet.degradations.blur import convolve_separably, gaussian_kernels
from darnet.imaging import sensor
from darnet.imaging.camera import Development, denoised, sharpened
from darnet.imaging.light import to_linear, to_srgb
from darnet.imaging.steps import Drawn, Step, uniform


@dataclass(frozen=True)
class NoiseStep(Step):
    """Noise: never part of a target."""

    kind: ClassVar[str] = "noise"
    chancy: ClassVar[bool] = True


@dataclass(frozen=True)
class WhiteNoise(NoiseStep):
    """Gaussian noise of σ (of 255) on sRGB values, as papers have it; a share is the same in all colours."""

    sigma_255: Range = (2.0, 52.0)

    def draw(self, count: int, side: int, strength: float, rng: Generator) -> Drawn:
        """(σ of 255,)."""
        return (uniform(count, self.sigma_255, rng, strength),)

    def apply(self, pictures: Float[Tensor, "B 3 S S"], drawn: Drawn, rng: Generator) -> Float[Tensor, "B 3 S S"]:
        """Add noise."""
        return (pictures + self.field(pictures, drawn, rng)).clamp(0, 1)

    def field(self, pictures: Tensor, drawn: Drawn, rng: Generator) -> Tensor:
        """The noise."""
        noise = torch.randn(pictures.shape, generator=rng, device=pictures.device)
        return noise * (drawn[0] / 255)[:, None, None, None]

    def severity(self, drawn: Drawn) -> Float[Tensor, " B"]:
        """σ of 255."""
        return drawn[0]


@dataclass(frozen=True)
class GrainNoise(WhiteNoise):
    """Film grain: brightness alone or all colours, correlated over some pixels (`darnet.degradations.Grain`)."""

    sigma_255: Range = (2.0, 32.0)
    grain_px: Range = (0.3, 1.8)

    def draw(self, count: int, side: int, strength: float, rng: Generator) -> Drawn:
        """(σ of 255, radius of a grain in pixels, share of brightness)."""
        mono = (torch.rand(count, generator=rng, device=rng.device) < 0.5).float()
        return uniform(count, self.sigma_255, rng, strength), uniform(count, self.grain_px, rng), mono

    def field(self, pictures: Tensor, drawn: Drawn, rng: Generator) -> Tensor:
        """The noise, of variance σ² whatever its grain."""
        radius = math.ceil(3 * self.grain_px[1])
        size = (*pictures.shape[:2], *(side + 2 * radius for side in pictures.shape[2:]))
        white = torch.randn(size, generator=rng, device=pictures.device)
        white = torch.where(drawn[2][:, None, None, None] > 0, white[:, :1], white)
        kernels = gaussian_kernels(drawn[1], radius)
        kernels = kernels / kernels.norm(dim=1, keepdim=True)
        return convolve_separably(white, kernels) * (drawn[0] / 255)[:, None, None, None]


@dataclass(frozen=True)
class ChromaNoise(WhiteNoise):
    """Blotches of colour, brightness untouched: noise of 1 to 8 px in the two colour differences."""

    sigma_255: Range = (2.0, 26.0)

    def field(self, pictures: Tensor, drawn: Drawn, rng: Generator) -> Tensor:
        """The noise: fine and coarse in shares of chance, without a part in brightness (BT.601)."""
        batch, _, height, width = pictures.shape
        fields = []
        for size in (1, 3, 8):
            grid = [math.ceil(side / size) for side in (height, width)]
            coarse = torch.randn(batch, 3, *grid, generator=rng, device=pictures.device)
            if size > 1:
                coarse = F.interpolate(coarse, (height, width), mode="bicubic", align_corners=False)
            fields.append(coarse * torch.rand(batch, 1, 1, 1, generator=rng, device=pictures.device))
        total = torch.stack(fields).sum(dim=0)
        luma = total.new_tensor((0.299, 0.587, 0.114))[:, None, None]
        total = total - (total * luma).sum(dim=1, keepdim=True)
        spread = total.std(dim=(1, 2, 3), keepdim=True).clamp_min(1e-6)
        return total / spread * (drawn[0] / 255)[:, None, None, None]


@dataclass(frozen=True)
class SensorNoise(NoiseStep):
    """Shot and read noise in raw light, through white balance and colours; a share through a Bayer mosaic.

    Source: Brooks et al., CVPR 2019 (`darnet.imaging.sensor`, `.camera`).
    """

    shot: Range = sensor.SHOT
    hot: float = 0.1  # share of the samples with hot pixels
    bayer: bool = False
    gradient: bool = False  # demosaicing with gradients

    def draw(self, count: int, side: int, strength: float, rng: Generator) -> Drawn:
        """(λ_shot, σ²_read, gains, colour matrix, share of hot pixels)."""
        high = math.exp(math.log(self.shot[0]) + strength * math.log(self.shot[1] / self.shot[0]))
        shot, read = sensor.draw_shot_read(count, rng, (self.shot[0], high))
        camera = Development.draw(count, rng)
        broken = (torch.rand(count, generator=rng, device=rng.device) < self.hot) * uniform(count, (0, 1e-3), rng)
        return shot, read, camera.gains, camera.matrix, broken

    def apply(self, pictures: Float[Tensor, "B 3 S S"], drawn: Drawn, rng: Generator) -> Float[Tensor, "B 3 S S"]:
        """Look at it with a sensor."""
        shot, read, gains, matrix, broken = drawn
        camera = Development(gains, matrix)
        raw = camera.raw(pictures)
        if self.bayer:
            noisy = sensor.shot_read_noise(sensor.mosaic(raw), shot, read, rng)
            noisy = sensor.hot_pixels(noisy, broken, rng)
            raw = (sensor.demosaic_gradient if self.gradient else sensor.demosaic_bilinear)(noisy)
        else:
            raw = sensor.hot_pixels(sensor.shot_read_noise(raw, shot, read, rng), broken, rng)
        return camera.developed(raw)

    def severity(self, drawn: Drawn) -> Float[Tensor, " B"]:
        """σ of 255 at mid-grey (0.18 of light, where sRGB values rise with slope 1.02), the mean of the colours: about.

        White balance and colour matrix make noise 2.4 times as strong.
        """
        return 2.4 * 255 * 1.02 * (drawn[0] * 0.18 / 1.5 + drawn[1]).sqrt()


@dataclass(frozen=True)
class LightNoise(NoiseStep):
    """Shot and read noise in linear sRGB light, without a camera's colours."""

    shot: Range = (3e-4, 2e-2)

    def draw(self, count: int, side: int, strength: float, rng: Generator) -> Drawn:
        """(λ_shot, σ²_read)."""
        high = math.exp(math.log(self.shot[0]) + strength * math.log(self.shot[1] / self.shot[0]))
        return sensor.draw_shot_read(count, rng, (self.shot[0], high))

    def apply(self, pictures: Float[Tensor, "B 3 S S"], drawn: Drawn, rng: Generator) -> Float[Tensor, "B 3 S S"]:
        """Count photons."""
        return to_srgb(sensor.shot_read_noise(to_linear(pictures), drawn[0], drawn[1], rng))

    def severity(self, drawn: Drawn) -> Float[Tensor, " B"]:
        """σ of 255 at mid-grey."""
        return 255 * 1.02 * (drawn[0] * 0.18 + drawn[1]).sqrt()


@dataclass(frozen=True)
class CameraDenoising(Step):
    """The camera's own denoising: it leaves coarse noise, and fine colour washed out; never part of a target."""

    removes: ClassVar[str] = NoiseStep.kind  #: the kind that it is done for
    chancy: ClassVar[bool] = True

    def draw(self, count: int, side: int, strength: float, rng: Generator) -> Drawn:
        """(share of small differences that goes, σ of the colour's filter in pixels)."""
        return uniform(count, (0.1, 0.8), rng), uniform(count, (0.4, 1.6), rng)

    def apply(self, pictures: Float[Tensor, "B 3 S S"], drawn: Drawn, rng: Generator) -> Float[Tensor, "B 3 S S"]:
        """Denoise."""
        return denoised(pictures, *drawn)


@dataclass(frozen=True)
class Sharpening(Step):
    """Unsharp masking, as cameras and people do it: meant so, and part of a target."""

    def draw(self, count: int, side: int, strength: float, rng: Generator) -> Drawn:
        """(amount, σ in pixels)."""
        return uniform(count, (0.1, 0.9), rng), uniform(count, (0.6, 1.4), rng)

    def apply(self, pictures: Float[Tensor, "B 3 S S"], drawn: Drawn, rng: Generator) -> Float[Tensor, "B 3 S S"]:
        """Sharpen."""
        return sharpened(pictures, *drawn)


@dataclass(frozen=True)
class Rendering(Step):
    """Tones and colours as somebody chose them: contrast, brightness, saturation; some white and black is clipped."""

    def draw(self, count: int, side: int, strength: float, rng: Generator) -> Drawn:
        """(exponents of the colours, black, white, saturation), each to broadcast over pictures."""
        base = uniform(count, (-0.25, 0.25), rng)[:, None]
        tint = 0.06 * (2 * torch.rand(count, 3, generator=rng, device=rng.device) - 1)
        black = uniform(count, (-0.05, 0.04), rng).clamp_min(0)
        white = 1 - uniform(count, (-0.1, 0.12), rng).clamp_min(0)
        drawn = (base + tint).exp(), black[:, None], white[:, None], uniform(count, (0.6, 1.15), rng)[:, None]
        return tuple(values[:, :, None, None] for values in drawn)

    def apply(self, pictures: Float[Tensor, "B 3 S S"], drawn: Drawn, rng: Generator) -> Float[Tensor, "B 3 S S"]:
        """Render."""
        exponents, black, white, saturation = drawn
        toned = ((pictures - black) / (white - black)).clamp(0, 1).clamp_min(1e-6) ** exponents
        grey = toned.mean(dim=1, keepdim=True)
        return (grey + saturation * (toned - grey)).clamp(0, 1)


#: What a sensor adds to photos that have too little light, where they are not noisy anyway.
OF_LITTLE_LIGHT = (LightNoise(0.6),)
#: Steps of noise, one of which a photo takes.
NOISE = (
    WhiteNoise(0.4),
    LightNoise(0.14),
    SensorNoise(0.08),
    SensorNoise(0.1, bayer=True),
    SensorNoise(0.1, bayer=True, gradient=True),
    GrainNoise(0.1),
    ChromaNoise(0.08),
)
