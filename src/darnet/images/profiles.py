"""ICC profiles: a file's own numbers, as sRGB for a network, and what the network changed, in the file's own numbers.

libvips (Little CMS) converts, at 16 bits and through XYZ in floats: straight from profile to profile it interpolates in
a table, which is off by up to 13 of 255 levels in the shadows of Adobe RGB.

H, W: height and width; C: channels; N: pixels. Values are uint8, uint16, or float32 in [0, 1].
"""

from __future__ import annotations

import math
import struct
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from darnet.images import scratch
from darnet.images.arrays import GREY, RGB, Channels, from_planes, full_scale, rescale, to_planes
from darnet.images.scratch import Array
from darnet.images.vips import to_vips
from darnet.notices import warn

#: Of a picture's pixels, so many may lie outside a space that is said to hold it, and all of them by so much: noise and
#: the rounding of dark pixels reach far, and mean little.
OUTSIDE_SHARE, OUTSIDE = 0.002, 5 / 255
#: The slope of sRGB's curve in black, and of its inverse in white.
BLACK_SLOPE, WHITE_SLOPE = 12.92, 2.4 / 1.055
#: A profile that leads to sRGB's colours within one 8-bit level is sRGB: its makers round it differently.
SAME = 257
#: Pixels that are looked at to see how wide a picture's colours are, and those that are converted at once.
LOOKED_AT, AT_ONCE = 2**16, 2**20
WAY = {"intent": "relative", "black_point_compensation": True}
PROFILE = "icc-profile-data"
UNFIT = "the ICC profile is damaged or of other channels; colours are taken for sRGB"


def seen_as(channels: Channels, profile: bytes | None, path: Path | None, *, fitted: bool) -> bytes | None:
    """The profile of sRGB, or where `fitted` of a wider space; None where the numbers are to be taken as they are.

    They are without a profile and with one of sRGB; and with one that is damaged, of other channels, or leads only one
    way: then with a warning (ImageWarning) that names the picture's `path`.

    A space is fitted to the colours that are visible: nearest to sRGB of those that hold them, with the curve of sRGB
    and primaries between its own and the file's. Why: in a wide space the noise of dark pixels lies outside sRGB. What
    is clipped is lost to a network, and stays behind: in sRGB the noise expert gained 2.9 dB less on photos in Display
    P3. In the file's own primaries, on the other hand, colours are paler: the expert for low light lost 2 dB on photos
    in ProPhoto RGB. Fitted stays within 0.25 dB of the better one (docs/adr/0032-network-sees-srgb.md).
    """
    grey = channels.array.shape[2] == GREY
    if not profile:
        return None
    if profile[16:20] not in {b"RGB ", b"GRAY" if grey else b"RGB "}:
        warn(path, UNFIT, stacklevel=4)
        return None
    import pyvips

    try:
        if is_srgb(profile):
            return None
    except pyvips.Error:
        warn(path, "the ICC profile is damaged; its colours are taken for sRGB", stacklevel=4)
        return None
    return _fitted(channels, profile) if fitted and profile[16:20] == b"RGB " else _srgb()


def _fitted(channels: Channels, profile: bytes) -> bytes | None:
    step = max(1, math.isqrt(channels.array[..., 0].size // LOOKED_AT))
    light = _linear(channels.array[::step, ::step], profile)
    visible = light.reshape(-1, RGB) if channels.alpha is None else light[channels.alpha[::step, ::step] > 0]
    own = _linear(255 * np.eye(RGB, dtype=np.uint8)[None], profile)[0].T
    share = _share(visible, visible @ np.linalg.inv(own).T)
    found = _with_primaries(own @ np.linalg.inv((1 - share) * own + share * np.eye(RGB)))
    return None if _alike(profile, found) else found


def planes(values: Array, profile: bytes | None, seen: bytes | None) -> Array:
    """(H, W, C) of `profile` to (3, H, W) float32 in [0, 1] of `seen`; None: as they are. Grey is replicated."""
    if profile is None or seen is None:
        return to_planes(values)
    found = np.empty((RGB, *values.shape[:2]), np.float32)
    for rows in _strips(values):
        found[:, rows] = to_planes(_seen(values[rows], profile, seen))
    return found


def changed(values: Array, restored: Array, profile: bytes | None, seen: bytes | None) -> Array:
    """(H, W, C) of `profile` with what was changed in its planes (3, H, W) of `seen`; grey is the mean.

    Not the restored colours, but their difference to what was seen is converted back: a pixel that was not changed is
    bit-identical, and a colour that `seen` cannot hold stays outside it.
    """
    channels, dtype = values.shape[2], values.dtype
    if profile is None or seen is None:
        return from_planes(restored, channels, dtype)
    found = np.empty_like(values)
    for rows in _strips(values):
        wanted = rescale(np.moveaxis(restored[:, rows], 0, -1), np.uint16)
        before, after = (to_planes(_through(v, seen, profile)) for v in (_seen(values[rows], profile, seen), wanted))
        difference = after - before if channels == RGB else (after - before).mean(axis=0, keepdims=True)
        found[rows] = from_planes(to_planes(values[rows])[:channels] + difference, channels, dtype)
    return found


def as_srgb(values: Array, profile: bytes) -> Array:
    """Integer colours (H, W, C) that `profile` describes, in sRGB; grey stays grey."""
    found = scratch.empty(values.shape, values.dtype)
    for rows in _strips(values):
        found[rows] = rescale(_seen(values[rows], profile, _srgb())[..., : values.shape[2]], values.dtype)
    return found


def _seen(values: Array, profile: bytes, seen: bytes) -> Array:
    """(H, W, C) of `profile` in `seen`: (H, W, 3), uint16; one channel becomes three equal ones."""
    colours = _through(values, profile, seen)
    if values.shape[2] == RGB:
        return colours
    return np.broadcast_to(rescale(to_planes(colours).mean(axis=0), np.uint16)[..., None], colours.shape)


def _through(values: Array, source: bytes, target: bytes) -> Array:
    """(H, W, C) from one profile to another, uint16; C is 1 or 3, what the profiles have.

    Raises pyvips.Error where `target` is damaged or no profile to convert to; a damaged `source` is taken for sRGB.
    """
    import pyvips

    image = _connected(values, source).copy()
    image.set_type(pyvips.GValue.blob_type, PROFILE, target)
    converted: Array = image.icc_export(depth=16, **WAY).numpy()
    return converted.reshape(*values.shape[:2], -1)


def _linear(values: Array, profile: bytes) -> NDArray[np.float32]:
    """(H, W, 3) as linear light of sRGB, 1 at white, below 0 and above 1 where sRGB ends."""
    light: NDArray[np.float32] = _connected(values, profile).colourspace("scrgb").numpy()
    return light


def _connected(values: Array, profile: bytes) -> Any:
    """XYZ of values (H, W, C), as a libvips image of floats."""
    values = rescale(values, np.uint16) if values.dtype.kind == "f" else values
    if profile[16:20] == b"RGB " and values.shape[2] == GREY:
        values = np.repeat(values, RGB, axis=2)
    return to_vips(values, {PROFILE: profile}).icc_import(embedded=True, pcs="xyz", **WAY)


def _share(light: NDArray[np.float32], own: NDArray[np.float32]) -> float:
    """How far a space must go from sRGB towards the file's own to hold colours (N, 3), in linear light of both."""
    held = light.clip(-OUTSIDE / BLACK_SLOPE, 1 + OUTSIDE * WHITE_SLOPE)
    with np.errstate(divide="ignore", invalid="ignore"):
        shares = np.where(held == light, 0, (held - light) / (own - light)).clip(0, 1).max(axis=1)
    return float(np.quantile(shares, 1 - OUTSIDE_SHARE)) if len(shares) else 0.0


def _with_primaries(linear: NDArray[np.float32]) -> bytes:
    """The profile of sRGB with other primaries: the columns of `linear`, in linear light of sRGB."""
    profile = bytearray(_srgb())
    tags = {tag: place for tag, place, _ in struct.iter_unpack(">4sII", profile[132 : 132 + 12 * profile[131]])}
    places = [tags[name] + 8 for name in (b"rXYZ", b"gXYZ", b"bXYZ")]
    primaries = np.array([struct.unpack_from(">3i", profile, place) for place in places]).T
    for place, primary in zip(places, np.rint(primaries @ linear).astype(int).T.tolist(), strict=True):
        struct.pack_into(">3i", profile, place, *primary)
    return bytes(profile)


@lru_cache(maxsize=16)
def is_srgb(profile: bytes) -> bool:
    """Whether a profile is one of sRGB. Raises pyvips.Error for one that cannot be converted from and to."""
    return _alike(profile, _srgb())


def _alike(profile: bytes, seen: bytes) -> bool:
    """Whether the numbers of both profiles mean the same colours. Raises pyvips.Error."""
    steps = np.linspace(0, full_scale(np.uint16), 9).astype(np.uint16)
    channels = 1 if profile[16:20] == b"GRAY" else RGB
    probe = np.stack(np.meshgrid(*[steps] * channels), axis=-1).reshape(len(steps), -1, channels)
    _through(_seen(probe, profile, seen), seen, profile)
    return bool(np.abs(_seen(probe, profile, seen) - probe.astype(int)).max() <= SAME)


@lru_cache(maxsize=1)
def _srgb() -> bytes:
    import pyvips

    return bytes(pyvips.Image.profile_load("srgb"))


def _strips(values: Array) -> Iterator[slice]:
    """Rows that are converted at once, so that no second picture lies in memory."""
    height = max(1, AT_ONCE // values.shape[1])
    return (slice(top, top + height) for top in range(0, values.shape[0], height))
