"""Shapes and types are checked at every call while tests run; in production the annotations cost nothing.

conftest.py installs this before anything of darnet is imported. A Protocol that an annotation names must be
`runtime_checkable` for it.
"""

from __future__ import annotations

from beartype import BeartypeConf, beartype
from jaxtyping import install_import_hook

#: Modules that say their shapes in annotations; metrics and tiles check theirs themselves, always.
CHECKED = (
    "data",
    "degradations",
    "engines",
    "models",
    "restore",
    "routing",
    "systems",
    "testing",
    "training.losses",
)

#: What jaxtyping calls on every function: an int may stand where a float is wanted, as in PEP 484.
typechecker = beartype(conf=BeartypeConf(is_pep484_tower=True))


def install() -> None:
    """Check every module of CHECKED that is imported from now on."""
    install_import_hook([f"darnet.{name}" for name in CHECKED], "shape_checks.typechecker")
