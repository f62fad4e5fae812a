"""Degradations: pure, seeded functions from a clean picture to a damaged one. One kind, one file."""

from darnet.degradations.base import Clean, Degradation, named_generator, quantise
from darnet.degradations.blur import GaussianBlur
from darnet.degradations.exposure import Overexposure
from darnet.degradations.noise import GaussianNoise, PoissonGaussianNoise

__all__ = [
    "Clean",
    "Degradation",
    "GaussianBlur",
    "GaussianNoise",
    "Overexposure",
    "PoissonGaussianNoise",
    "named_generator",
    "quantise",
]
