"""Degradations: pure, seeded functions from a clean picture to a damaged one. One kind, one file: `Kind`."""

from darnet.degradations.base import Clean, Degradation, named_generator, quantise
from darnet.degradations.blur import GaussianBlur
from darnet.degradations.exposure import Overexposure
from darnet.degradations.haze import Haze
from darnet.degradations.jpeg import Jpeg
from darnet.degradations.kind import Kind, find_kind, is_local, kinds, resolve
from darnet.degradations.lowlight import LowLight
from darnet.degradations.motion import MeasuredMotion, MotionBlur
from darnet.degradations.noise import ClippedNoise, GaussianNoise, Grain, PoissonGaussianNoise
from darnet.degradations.rain import Rain

__all__ = [
    "Clean",
    "ClippedNoise",
    "Degradation",
    "GaussianBlur",
    "GaussianNoise",
    "Grain",
    "Haze",
    "Jpeg",
    "Kind",
    "LowLight",
    "MeasuredMotion",
    "MotionBlur",
    "Overexposure",
    "PoissonGaussianNoise",
    "Rain",
    "find_kind",
    "is_local",
    "kinds",
    "named_generator",
    "quantise",
    "resolve",
]
