"""Pictures as other libraries hold them (PIL, numpy, torch), turned into plain arrays and back.

H, W: height and width; C: 1 (grey) or 3 (RGB). Neither PIL nor torch is imported before it is needed.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from copy import deepcopy
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import DTypeLike

from darnet.errors import UsageError
from darnet.images import scratch
from darnet.images.scratch import Array

if TYPE_CHECKING:
    from PIL.Image import Image as PilImage
    from torch import Tensor

Metadata: TypeAlias = Mapping[str, str | bytes | int | float]

#: EXIF orientations up to this keep rows; those above exchange rows and columns.
UPSIDE_DOWN = 4
GREY, GREY_ALPHA, RGB, RGB_ALPHA = 1, 2, 3, 4
PIL_MODES = ("1", "I;16", "L", "LA", "P", "RGB", "RGBA")


class Channels(NamedTuple):
    """Colour (H, W, C) and opacity (H, W) of one dtype: uint8, uint16, or float32 in [0, 1]."""

    array: Array
    alpha: Array | None


def full_scale(dtype: DTypeLike) -> int:
    """The value that means white: 255, 65535, or 1 for floats."""
    dtype = np.dtype(dtype)
    return int(np.iinfo(dtype).max) if dtype.kind == "u" else 1


def rescale(values: Array, dtype: DTypeLike) -> Array:
    """The same light in another number type: white stays white; integers are rounded to nearest and clamped."""
    dtype = np.dtype(dtype)
    if values.dtype == dtype:
        return values
    if values.nbytes > scratch.most_bytes():
        array = scratch.empty(values.shape, dtype)
        for rows in scratch.strips(values):
            array[rows] = _rescaled(values[rows], dtype)
        return array
    return _rescaled(values, dtype)


def full_range(values: Array, bits: int | None) -> Array:
    """Samples that lie in the high bits of a 16-bit word, of which white falls short, with white as all of them.

    >>> full_range(np.array([0, 0xFFC0], np.uint16), 10).tolist()
    [0, 65535]
    """
    if values.dtype != np.uint16 or not bits or bits >= 16:
        return values
    return rescale((values >> (16 - bits)) / np.float32(2**bits - 1), np.uint16)


def _rescaled(values: Array, dtype: np.dtype[Any]) -> Array:
    if values.dtype.kind == dtype.kind == "f":
        return values.astype(dtype)
    white = np.float32(full_scale(dtype) / full_scale(values.dtype))
    if dtype.kind == "f":
        return np.divide(values, np.float32(full_scale(values.dtype)), dtype=np.float32).astype(dtype, copy=False)
    scaled = np.multiply(values, white, dtype=np.float32)
    np.rint(scaled, out=scaled)
    np.clip(scaled, 0, full_scale(dtype), out=scaled)
    return scaled.astype(dtype)


def to_planes(values: Array) -> Array:
    """(H, W, C) of any dtype to contiguous (3, H, W) float32 in [0, 1], in memory of its own."""
    planes = np.empty((RGB, *values.shape[:2]), np.float32)
    return np.divide(np.moveaxis(values, -1, 0), np.float32(full_scale(values.dtype)), out=planes, dtype=np.float32)


def from_planes(planes: Array, channels: int, dtype: DTypeLike) -> Array:
    """(3, H, W) float32 to (H, W, `channels`), clamped to [0, 1] and rounded to `dtype`; grey is the mean."""
    if channels == GREY:
        planes = planes.mean(axis=0, keepdims=True)
    values = rescale(np.moveaxis(planes, 0, -1), dtype)
    return np.ascontiguousarray(np.clip(values, 0, 1) if values.dtype.kind == "f" else values)


def in_range(values: Array) -> bool:
    """Whether every value is finite and between black and white."""
    parts = () if values.dtype.kind == "u" else (values[rows] for rows in scratch.strips(values))
    return all(bool(part.min() >= 0 and part.max() <= 1) for part in parts)


def split(values: Array) -> Channels:
    """(H, W, 1..4) to colour and alpha, each contiguous."""
    if values.shape[2] in {GREY_ALPHA, RGB_ALPHA}:
        return Channels(scratch.copied(values[..., :-1]), scratch.copied(values[..., -1]))
    return Channels(np.ascontiguousarray(values), None)


def upright(values: Array, orientation: int) -> Array:
    """(H, W, ...) as an orientation of EXIF, 1 to 8, says that it is to be looked at.

    >>> upright(np.array([[1, 2], [3, 4]]), 6).tolist()
    [[3, 1], [4, 2]]
    """
    if orientation > UPSIDE_DOWN:
        values = values.swapaxes(0, 1)
    rows, columns = (-1 if orientation in flipped else 1 for flipped in ({3, 4, 7, 8}, {2, 3, 6, 7}))
    return np.ascontiguousarray(values[::rows, ::columns])


def unpack(source: object) -> Channels:
    """Colour and alpha of a PIL image, ndarray or tensor, in memory of their own.

    Raises UsageError for a type, mode, shape, dtype or range that is no picture.
    """
    if is_pil(source):
        return _from_pil(source)
    if is_tensor(source):
        return _from_tensor(source)
    if isinstance(source, np.ndarray):
        return _from_array(source)
    raise UsageError(f"a picture is a path, PIL image, ndarray or torch tensor, not {type(source).__name__}")


def pack(channels: Channels, source: object) -> object:
    """The opposite of `unpack`: the kind, dtype, shape and device of `source`, with new pixels, aliasing nothing."""
    if is_pil(source):
        return _to_pil(channels, source)
    if is_tensor(source):
        return _to_tensor(channels, source)
    assert isinstance(source, np.ndarray)
    bands = 1 if source.ndim == 2 else source.shape[2]
    joined = join(channels, bands)
    return np.array(rescale(joined, source.dtype).reshape(*joined.shape[:2], *source.shape[2:]))


def copied(source: object) -> object:
    """A PIL image, ndarray or tensor once more, to the last digit; of a tensor not what it was computed from."""
    tensor: Any = source  # only leaves of a graph can be deep-copied
    return tensor.detach().clone() if is_tensor(source) else deepcopy(source)


def join(channels: Channels, bands: int) -> Array:
    """(H, W, `bands`), `bands` in 1..4: colour is replicated or averaged, a missing alpha is opaque."""
    colour, alpha = channels
    if bands in {GREY, GREY_ALPHA} and colour.shape[2] == RGB:
        colour = rescale(rescale(colour, np.float32).mean(axis=2, keepdims=True), colour.dtype)
    elif bands in {RGB, RGB_ALPHA} and colour.shape[2] == GREY:
        colour = np.repeat(colour, RGB, axis=2)
    if bands in {GREY, RGB}:
        return colour
    if alpha is None:
        alpha = np.full(colour.shape[:2], full_scale(colour.dtype), colour.dtype)
    return np.concatenate([colour, alpha[..., None]], axis=2)


def is_pil(source: object) -> bool:
    """Whether this is a PIL image."""
    return _is_instance(source, "PIL.Image", "Image")


def is_tensor(source: object) -> bool:
    """Whether this is a torch tensor."""
    return _is_instance(source, "torch", "Tensor")


def _is_instance(source: object, module: str, name: str) -> bool:
    loaded = sys.modules.get(module)  # nobody can hold an instance of a class whose module was never imported
    return loaded is not None and isinstance(source, getattr(loaded, name, ()))


def _from_array(source: Array) -> Channels:
    if source.dtype.kind != "f" and source.dtype.newbyteorder("=") not in (np.uint8, np.uint16):
        raise UsageError(f"pixels are uint8, uint16 or floats in [0, 1], not {source.dtype}")
    if not (source.ndim == 2 or (source.ndim == 3 and source.shape[2] in range(GREY, RGB_ALPHA + 1))):
        raise UsageError(f"a picture has shape (H, W) or (H, W, 1 to 4 channels), not {source.shape}")
    if not source.size:
        raise UsageError(f"a picture has at least one pixel; this has shape {source.shape}")
    if not in_range(source):
        raise UsageError(f"float pixels lie in [0, 1]; these span {source.min():.4g} to {source.max():.4g}")
    dtype = np.float32 if source.dtype.kind == "f" else source.dtype.newbyteorder("=")
    values = np.array(source, dtype=dtype, order="C")
    return split(values if values.ndim > 2 else values[..., None])


def _from_pil(source: Any) -> Channels:
    picture: PilImage = source
    if picture.mode not in PIL_MODES:
        raise UsageError(f"PIL mode {picture.mode!r} is not supported; convert it to one of {', '.join(PIL_MODES)}")
    return _from_array(np.asarray(picture.convert(_plain_mode(picture))))


def _plain_mode(picture: PilImage) -> str:
    """The mode of a picture once palette, bits and colour keys are resolved."""
    keyed = "transparency" in picture.info
    modes = {"1": "L", "P": "RGBA" if keyed else "RGB", "L": "LA" if keyed else "L", "RGB": "RGBA" if keyed else "RGB"}
    return modes.get(picture.mode, picture.mode)


def _to_pil(channels: Channels, source: Any) -> PilImage:
    from PIL import Image

    mode = _plain_mode(source)
    bands = {"L": GREY, "I;16": GREY, "LA": GREY_ALPHA, "RGB": RGB, "RGBA": RGB_ALPHA}[mode]
    values = rescale(join(channels, bands), np.uint16 if mode == "I;16" else np.uint8)
    picture = Image.fromarray(values[..., 0] if bands == GREY else values)
    picture.info = {key: value for key, value in source.info.items() if key != "transparency"}
    if "exif" in picture.info:
        from darnet.images import pillow  # which knows arrays

        picture.info["exif"] = pillow.block(source)
    return picture


def _from_tensor(source: Any) -> Channels:
    import torch

    tensor: Tensor = source
    if not (tensor.ndim == 2 or (tensor.ndim == 3 and tensor.shape[0] in {GREY, RGB})):
        raise UsageError(f"a tensor picture has shape (3, H, W), (1, H, W) or (H, W), not {tuple(tensor.shape)}")
    if not (tensor.is_floating_point() or tensor.dtype == torch.uint8):
        raise UsageError(f"tensor pixels are uint8 or floats in [0, 1], not {tensor.dtype}")
    if tensor.is_meta or tensor.layout != torch.strided:
        raise UsageError(f"a tensor picture has a value for each pixel, and not: {tensor.device}, {tensor.layout}")
    tensor = tensor.detach().cpu()
    values: Array = (tensor.float() if tensor.is_floating_point() else tensor).numpy()
    return _from_array(values if values.ndim == 2 else np.moveaxis(values, 0, -1))


def _to_tensor(channels: Channels, source: Any) -> Tensor:
    import torch

    bands = RGB if source.ndim == 3 and source.shape[0] == RGB else GREY
    values = rescale(join(channels, bands), np.uint8 if source.dtype == torch.uint8 else np.float32)
    planes = np.array(np.moveaxis(values, -1, 0), order="C")
    tensor = torch.from_numpy(planes if source.ndim == 3 else planes[0])
    return tensor.to(device=source.device, dtype=source.dtype)
