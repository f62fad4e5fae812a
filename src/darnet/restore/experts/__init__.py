"""Experts: networks of darnet's, classical filters, other people's networks; all are functions pixels -> pixels."""

from darnet.restore.experts.base import Expert, Experts, Pixels, SelfEnsemble, Tiles
from darnet.restore.experts.network import NetworkExpert

__all__ = ["Expert", "Experts", "NetworkExpert", "Pixels", "SelfEnsemble", "Tiles"]
