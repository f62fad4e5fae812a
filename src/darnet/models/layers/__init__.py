"""Layers that networks of more than one paper share."""
