"""An expert for blur: it reads from the spectrum of the whole picture how it was blurred, filters, and then repairs.

One kernel for a picture multiplies its spectrum by that of the kernel, and photos by themselves have smooth spectra: so
dark bands and rings tell the kernel (Cannon, "Blind deconvolution of spatially invariant image blurs with phase", IEEE
TASSP 1976). A small network turns the spectrum into the response of a filter, as Chakrabarti ("A neural approach to
blind motion deblurring", ECCV 2016) does for patches. Reach and sharpness of a deconvolution are what a compact U-Net
lacks; it removes what the filter leaves.

Shapes: B batch, N side of the spectrum, L indices along an axis, M windows along it, K side of a filter, F features,
H × W pixels. Pictures are sRGB in [0, 1].
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import final

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional as F

from darnet.degradations.convolution import convolve
from darnet.images.geometry import mirror_pad, mirrored
from darnet.images.regions import Region, RegionSource, read_all
from darnet.models.abilities import Adopting
from darnet.models.base import Context, Model, Output, without_autocast
from darnet.models.compact import CompactUNet, ResidualBlock, ascend, descend

#: Side N of the windows that a spectrum is averaged over; a filter reaches half of it.
WINDOW_PX = 64
#: Power under which there is nothing but rounding to 8 bits.
FLOOR = 1e-4
#: About the mean and the spread of the logarithms of photos' power.
LOG_MEAN, LOG_SPREAD = -2.0, 5.0


@final
class DeconvolutionUNet(Adopting):
    """y = U-Net(x * g, x): the filter g follows from the spectrum of the whole picture."""

    def __init__(self, width: int = 32, blocks: Sequence[int] = (2, 2, 2), spectrum_width: int = 24) -> None:
        super().__init__()
        self.estimator = FilterEstimator(spectrum_width)
        self.unet = CompactUNet(width, blocks, pictures=2)
        self.multiple_of = self.unet.multiple_of
        self.views = Spectrum()

    def encode(self, views: Float[Tensor, "B 2 N N"]) -> Context:
        """The filters of whole pictures, from their spectra."""
        return Context({"filters": make_filter(self.estimator(views))})

    def forward(
        self,
        degraded: Float[Tensor, "B 3 H W"],
        context: Context | None = None,
        box: Float[Tensor, "B 4"] | None = None,
    ) -> Output:
        """Repair. Without a context the tile is taken for the whole picture."""
        filters = (self.look(degraded) if context is None else context).encoded["filters"]
        filtered = _filtered(degraded, filters)
        return Output(self.unet.finish(*self.unet.begin(filtered, degraded), filtered))

    def adopt(self, other: Model) -> None:
        """Take over the weights of another one, whose U-Net may have fewer blocks. ValueError for another network."""
        if not isinstance(other, DeconvolutionUNet):
            raise ValueError(f"a {type(other).__name__} has no filter")
        self.estimator.load_state_dict(other.estimator.state_dict())
        self.unet.adopt(other.unet)


def _filtered(degraded: Float[Tensor, "B 3 H W"], filters: Float[Tensor, "B K K"]) -> Float[Tensor, "B 3 H W"]:
    """Where nothing is learnt, colour by colour: the transform then takes a third of the memory."""
    reach = (WINDOW_PX // 2, WINDOW_PX // 2)
    colours = torch.split(degraded, 1, dim=1) if torch.is_inference_mode_enabled() else (degraded,)
    # The transform knows no half precision.
    filtered = [convolve(mirror_pad(colour.float(), reach, reach), filters) for colour in colours]
    return torch.cat(filtered, dim=1).to(degraded.dtype)


@dataclass(frozen=True)
class Spectrum:
    """Logarithm of the mean power, and mean of its logarithm, over windows that overlap by half; frequency 0 central.

    Of the mean of the three colours. Both are scaled to about [-1, 1]. Beside the grey picture, or a row of windows of
    one that is read by region, memory is that of a row of windows; in a graph that is exported, that of all of them.
    """

    def __call__(self, pictures: Float[Tensor, "B 3 H W"]) -> Float[Tensor, "B 2 N N"]:
        """Of whole pictures."""
        grey = pictures.float().mean(dim=1)
        return _scaled(*(_powers_at_once(grey) if torch.compiler.is_exporting() else _powers(grey)))

    def by_region(self, source: RegionSource) -> Float[Tensor, "1 2 N N"]:
        """Of one picture, row of windows by row. One that is smaller than a window is read whole."""
        if min(source.height, source.width) < WINDOW_PX:
            return self(read_all(source)[None])
        strips = (
            source.read(Region(top, 0, min(WINDOW_PX, source.height - top), source.width))
            for top in range(0, source.height, WINDOW_PX)
        )
        mean = sum(float(strip.float().mean(dim=0).sum()) for strip in strips) / (source.height * source.width)

        def row(top: int) -> Tensor:
            return source.read(Region(top, 0, WINDOW_PX, source.width)).float().mean(dim=0)[None] - mean

        return _scaled(*_mean_powers(row, source.height))


def _scaled(power: Float[Tensor, "B N N"], logarithm: Float[Tensor, "B N N"]) -> Float[Tensor, "B 2 N N"]:
    both = torch.stack([power.log(), logarithm], dim=1)
    shifted: Tensor = torch.fft.fftshift(both, dim=(2, 3))
    return (shifted - LOG_MEAN) / LOG_SPREAD


def _powers(grey: Float[Tensor, "B H W"]) -> tuple[Tensor, Tensor]:
    """Means over the windows of the power, and of its logarithm."""
    missing = [max(0, WINDOW_PX - side) for side in grey.shape[1:]]
    grey = mirror_pad(grey[:, None], (0, missing[0]), (0, missing[1]))[:, 0]
    grey = grey - grey.mean(dim=(1, 2), keepdim=True)
    return _mean_powers(lambda top: grey[:, top : top + WINDOW_PX], grey.shape[1])


def _mean_powers(row: Callable[[int], Tensor], height: int) -> tuple[Tensor, Tensor]:
    """Means over all windows; `row`: the pixels "B N W" of the row of windows that begins at the top given."""
    powers = [_row_powers(row(top)) for top in range(0, height - WINDOW_PX + 1, WINDOW_PX // 2)]
    power, logarithm = torch.stack(powers).mean(dim=0).unbind(dim=1)
    return power, logarithm


def _row_powers(rows: Float[Tensor, "B N W"]) -> Float[Tensor, "B 2 N N"]:
    """Means over a row of windows."""
    windows = rows.unfold(2, WINDOW_PX, WINDOW_PX // 2).transpose(1, 2)
    power = torch.fft.fft2(windows * _taper(WINDOW_PX, rows)).abs().square() + FLOOR
    return torch.stack([power.mean(dim=1), power.log().mean(dim=1)], dim=1)


def _powers_at_once(grey: Float[Tensor, "B H W"]) -> tuple[Float[Tensor, "B N N"], Float[Tensor, "B N N"]]:
    """The same for pictures whose size is free, as it is in a graph: only indices and weights depend on it."""
    (down, down_shares), (across, across_shares) = (_window_axis(grey, dim) for dim in (1, 2))
    (rows, row_shares), (columns, column_shares) = (_mirrored_axis(grey, dim) for dim in (1, 2))
    grey = grey.index_select(1, rows).index_select(2, columns)
    grey = grey - (grey * (row_shares[:, None] * column_shares)).sum(dim=(1, 2), keepdim=True)
    picked = grey.index_select(1, down.flatten()).index_select(
        2, across.flatten()
    )  # by more than one index OpenVINO dies
    windows = picked.reshape(-1, *down.shape, *across.shape).transpose(2, 3) * _taper(WINDOW_PX, grey)
    turns = torch.arange(WINDOW_PX)[:, None] * torch.arange(WINDOW_PX) % WINDOW_PX / WINDOW_PX
    cosines, sines = (2 * torch.pi * turns).cos(), (2 * torch.pi * turns).sin()
    even, odd = windows @ cosines, windows @ sines  # the transform of each row, and then of columns
    power = (cosines @ even - sines @ odd).square() + (cosines @ odd + sines @ even).square() + FLOOR
    shares = (down_shares[:, None] * across_shares)[..., None, None]
    return (power * shares).sum(dim=(1, 2)), (power.log() * shares).sum(dim=(1, 2))


def _mirrored_axis(grey: Tensor, dim: int) -> tuple[Int[Tensor, " L"], Float[Tensor, " L"]]:
    """Indices along one axis and two windows beyond it, and what each weighs in the mean of at least one window."""
    length = grey.shape[dim]
    index = torch.arange(length + 2 * WINDOW_PX)
    extent = torch.full((1,), length).clamp(min=WINDOW_PX)
    return mirrored(index, length), (index < extent) / extent


def _window_axis(grey: Tensor, dim: int) -> tuple[Int[Tensor, "M N"], Float[Tensor, " M"]]:
    """Indices of each window along one axis, and what it weighs: nothing where it ends outside, but for the first.

    There are two at least: a length of 1 would be a constant of the graph.
    """
    length = grey.shape[dim]
    starts = torch.arange(length // (WINDOW_PX // 2) + 2) * (WINDOW_PX // 2)
    inside = (starts == 0) | (starts + WINDOW_PX <= length)
    return starts[:, None] + torch.arange(WINDOW_PX), inside / inside.sum()


def make_filter(response: Float[Tensor, "B N N"]) -> Float[Tensor, "B K K"]:
    """The filter of K = N + 1 taps a side that has a real, even response (frequency 0 central); tapered to its ends."""
    response = response.float()
    # Even, so that the filter is real; frequency -N/2 is its own partner.
    response = (response + response.flip((1, 2)).roll((1, 1), (1, 2))) / 2
    # Of the inverse transform only the real part is left: products of two small matrices, which every runtime knows.
    centred = torch.arange(WINDOW_PX, device=response.device, dtype=response.dtype) - WINDOW_PX // 2
    turns = 2 * torch.pi * (centred[:, None] * centred % WINDOW_PX) / WINDOW_PX
    cosines, sines = turns.cos(), turns.sin()
    with without_autocast(response):
        taps = (cosines @ response @ cosines - sines @ response @ sines) / WINDOW_PX**2
    return F.pad(taps, (0, 1, 0, 1)) * _taper(WINDOW_PX + 1, taps).sqrt()


def _taper(side: int, like: Tensor) -> Float[Tensor, "N N"]:
    window = torch.hann_window(side, periodic=False, device=like.device, dtype=like.dtype)
    return window[:, None] * window


class FilterEstimator(nn.Module):
    """Spectrum (B, 2, N, N) -> response of a filter (B, N, N); 1 everywhere when new.

    A U-Net over frequencies, whose lowest level sees all of them: bands belong together across the whole plane.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        widths = [width, 2 * width, 3 * width, 4 * width]
        steps, side, narrow = list(pairwise(widths)), WINDOW_PX // 8, 8
        self.head = nn.Conv2d(4, width, 3, padding=1)
        self.encoder = nn.ModuleList(ResidualBlock(channels) for channels in widths)
        self.down = nn.ModuleList(nn.Conv2d(fine, coarse, 2, stride=2) for fine, coarse in steps)
        self.all_frequencies = nn.Sequential(
            nn.Conv2d(widths[-1], narrow, 1),
            nn.Flatten(),
            nn.Linear(narrow * side**2, 128),
            nn.ReLU(),
            nn.Linear(128, narrow * side**2),
            nn.Unflatten(1, (narrow, side, side)),
            nn.Conv2d(narrow, widths[-1], 1),
        )
        self.up = nn.ModuleList(nn.ConvTranspose2d(coarse, fine, 2, stride=2) for fine, coarse in reversed(steps))
        self.decoder = nn.ModuleList(ResidualBlock(channels) for channels in reversed(widths[:-1]))
        self.tail = nn.Conv2d(width, 1, 3, padding=1)
        for weight in self.tail.parameters():
            nn.init.zeros_(weight)

    def forward(self, spectrum: Float[Tensor, "B 2 N N"]) -> Float[Tensor, "B N N"]:
        """Estimate; each frequency is told how far from 0 it is."""
        axis = torch.arange(WINDOW_PX, device=spectrum.device, dtype=spectrum.dtype) * 2 / WINDOW_PX - 1
        radius = (axis[:, None].square() + axis.square()).sqrt()
        place = torch.stack([radius, (radius + 1 / WINDOW_PX).log()]).expand(len(spectrum), -1, -1, -1)
        *fine, coarsest = self.encoder
        features, skips = descend(self.head(torch.cat([spectrum, place], dim=1)), fine, self.down)
        features = coarsest(features)
        features = ascend(features + self.all_frequencies(features), skips, self.up, self.decoder)
        response: Tensor = 1 + self.tail(features)[:, 0].float()
        return response
