"""Experts: networks of darnet's, classical filters, other people's networks; all are functions pixels -> pixels."""

from darnet.experts.base import Expert, Experts, Pixels, SelfEnsemble, Tiles
from darnet.experts.loading import LazyExperts, load_expert
from darnet.experts.network import NetworkExpert

__all__ = ["Expert", "Experts", "LazyExperts", "NetworkExpert", "Pixels", "SelfEnsemble", "Tiles", "load_expert"]
