"""The version, for whoever writes it down; pyproject.toml says the same."""

__version__ = "0.1.0"
