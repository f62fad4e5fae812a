"""How a figure is taken. "CBSD68, σ = 25" names experiments that lie 0.5 dB apart, so every figure carries it.

Shapes: H × W pixels, sRGB in [0, 1].
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from hashlib import sha256
from typing import Literal, NamedTuple

import torch
from jaxtyping import Bool, Float
from torch import Generator, Tensor

from darnet.degradations import ClippedNoise, Degradation, named_generator, quantise
from darnet.degradations.base import Rounding, turn_grey
from darnet.errors import UnknownNameError
from darnet.images.metrics import Window, psnr, ssim

Pixels = Float[Tensor, "3 H W"]
#: What befalls a picture; any degradation is one. Its answer lies in [0, 1], and may be smaller.
Step = Callable[[Pixels, Generator], Pixels]

# ITU-R BT.601: the studio-range Y of YCbCr, as MATLAB's rgb2ycbcr computes it.
STUDIO_Y, STUDIO_OFFSET = (65.481 / 255, 128.553 / 255, 24.966 / 255), 16 / 255

Noise = Literal["float", "clip+floor", "clip+round"]
ROUNDING: Mapping[Noise, Rounding] = {"float": "none", "clip+floor": "floor", "clip+round": "round"}


class Scores(NamedTuple):
    """What one picture scored; PSNR is infinite where nothing differs."""

    psnr: float
    ssim: float


@dataclass(frozen=True)
class Protocol:
    """Everything that moves a figure but the method and the photos.

    noise: `float` leaves noise unclipped and unrounded; `clip+floor` cuts it down to 8 bits, as `astype(uint8)` does;
        `clip+round` rounds it. Damage other than noise is rounded to 8 bits in every protocol: that is what files hold.
    photos: `grey` turns colour photos grey (BT.601 luma, rounded) and replicates them to RGB.
    crop_multiple: photos are cut around their centre to a multiple of this.
    channel: `Y` scores BT.601 luma alone.
    border_px: rows and columns at each edge that are not scored.
    round_output: restored pictures are rounded to 8 bits before they are scored.
    averaging: of PSNR over `pictures`, or of squared errors (`pooled`).
    window: of SSIM, see `darnet.images.metrics.ssim`.
    seed: of the noise, together with the picture's name.
    """

    noise: Noise = "clip+round"
    photos: Literal["as-is", "grey"] = "as-is"
    crop_multiple: int = 1
    channel: Literal["RGB", "Y"] = "RGB"
    border_px: int = 0
    round_output: bool = True
    averaging: Literal["pictures", "pooled"] = "pictures"
    window: Window = "gaussian"
    seed: int = 0

    @property
    def digest(self) -> str:
        """Twelve hexadecimal digits that stand for these settings; rows with different ones are never compared."""
        return sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()[:12]

    @property
    def name(self) -> str:
        """The name these settings are known by, or their digest."""
        return next((name for name, protocol in PROTOCOLS.items() if protocol == self), self.digest)

    def __str__(self) -> str:
        """Every setting in words."""
        size = "full size" if self.crop_multiple == 1 else f"centre-cropped to a multiple of {self.crop_multiple}"
        parts = [
            f"noise {self.noise}",
            *(["photos turned grey, as RGB"] if self.photos == "grey" else []),
            size + (f" less {self.border_px} px at each edge" if self.border_px else ""),
            self.channel,
            "output rounded" if self.round_output else "output not rounded",
            "mean PSNR over pictures" if self.averaging == "pictures" else "PSNR of the pooled error",
            f"SSIM {self.window}",
            f"seed {self.seed} and the picture's name",
        ]
        return f"{self.name} [{self.digest}]: {', '.join(parts)}"

    def prepare(self, photo: Pixels) -> Pixels:
        """The part of a photo that is damaged or compared. Raises ValueError for a photo too small for it."""
        if min(photo.shape[1:]) < self.crop_multiple:
            size = f"{photo.shape[2]}×{photo.shape[1]}"
            raise ValueError(f"a picture of {size} is too small to be cropped to a multiple of {self.crop_multiple}")
        if self.photos == "grey":
            photo = turn_grey(photo)
        rows, columns = (side % self.crop_multiple for side in photo.shape[1:])
        top, left = rows // 2, columns // 2
        return photo[:, top : photo.shape[1] - rows + top, left : photo.shape[2] - columns + left].contiguous()

    def observe(
        self,
        clean: Pixels,
        degradation: Degradation,
        name: str,
        before: Sequence[Step] = (),
        after: Sequence[Step] = (),
    ) -> Pixels:
        """The damaged picture that a method is given: the same for the same name, whatever was observed before it.

        `before`: what befalls it first. `after`: what befalls it then; a file holds it, so its noise is clipped in
        every protocol. It is rounded once, at the end.
        """
        rng = named_generator(name, self.seed)
        for earlier in before:
            clean = earlier(self._sensed(clean, earlier), rng).expand(3, -1, -1)
        clean = self._sensed(clean, degradation)
        if after:
            picture = degradation(clean, rng).expand(3, -1, -1)
            for later in after:
                picture = later(picture, rng)
            return quantise(picture, "round")
        if isinstance(degradation, ClippedNoise):
            parameters = degradation.draw(1, rng)
            noisy = degradation.unclipped(clean[None], parameters, rng)[0].expand(3, -1, -1).contiguous()
            return quantise(noisy, ROUNDING[self.noise])
        return quantise(degradation(clean, rng), "round")

    def _sensed(self, picture: Pixels, step: Step) -> Float[Tensor, "C H W"]:
        """What a step is given: a grey picture has one noise for its three channels."""
        return picture[:1] if self.photos == "grey" and isinstance(step, ClippedNoise) else picture

    def score(self, restored: Pixels, clean: Pixels) -> Scores:
        """PSNR in dB and SSIM of one picture. Raises ValueError where the two differ in shape."""
        found, wanted = self._compared(restored, clean)
        return Scores(float(psnr(found, wanted)), float(ssim(found, wanted, self.window)))

    def psnr_of(self, part: Bool[Tensor, "H W"], restored: Pixels, clean: Pixels) -> float:
        """PSNR in dB of the pixels in a part of one picture; NaN where it has none. Raises ValueError as `score`."""
        found, wanted = self._compared(restored, clean)
        scored = part[self.border_px : part.shape[0] - self.border_px, self.border_px : part.shape[1] - self.border_px]
        return float(psnr(found[..., scored, None], wanted[..., scored, None]))

    def _compared(self, restored: Pixels, clean: Pixels) -> tuple[Tensor, Tensor]:
        """What of both is scored, "1 C H W" each."""
        if restored.shape != clean.shape:
            raise ValueError(f"the pictures differ in shape: {tuple(restored.shape)} and {tuple(clean.shape)}")
        restored = restored.clamp(0, 1)
        if self.round_output:
            restored = quantise(restored, "round")
        pair = torch.stack([restored, clean])
        if self.border_px:
            pair = pair[..., self.border_px : -self.border_px, self.border_px : -self.border_px]
        if self.channel == "Y":
            pair = (pair * pair.new_tensor(STUDIO_Y)[:, None, None]).sum(dim=1, keepdim=True) + STUDIO_OFFSET
        return pair[:1].double(), pair[1:].double()


PROTOCOLS: Mapping[str, Protocol] = {
    # AirNet, PromptIR, AdaIR and their descendants
    "promptir": Protocol(noise="clip+floor", crop_multiple=16, round_output=False, window="uniform"),
    # MoCE-IR: as above, but for the window
    "moceir": Protocol(noise="clip+floor", crop_multiple=16, round_output=False, window="gaussian"),
    # DnCNN, FFDNet, DRUNet, SwinIR, Restormer
    "kair": Protocol(noise="float", window="valid"),
    # DaR-Net, as far as its tables tell: the grey BSD68 as RGB, a Gaussian window
    "darnet": Protocol(noise="clip+floor", photos="grey", window="gaussian"),
    # Deraining: luma only
    "rain-y": Protocol(channel="Y", window="valid"),
}
DEFAULT = "promptir"


def find_protocol(name: str) -> Protocol:
    """A protocol by its name. Raises UnknownNameError."""
    if name not in PROTOCOLS:
        raise UnknownNameError("protocol", name, PROTOCOLS)
    return PROTOCOLS[name]
