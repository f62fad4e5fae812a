"""Salt-and-pepper noise for darnet: the damage as a function, and an expert that repairs it without any training."""

from darnet_saltpepper.damage import KIND, SaltAndPepper
from darnet_saltpepper.expert import SwitchingMedian

__all__ = ["KIND", "SaltAndPepper", "SwitchingMedian"]
