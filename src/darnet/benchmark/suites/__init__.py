"""`darnet bench SUITE` as a function: every suite, a module a family.

A module of this folder that has a function `suites` adds what it gives; there is no list of them elsewhere. Modules
without one are shared.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules
from typing import Any

from darnet.benchmark.documents import Document
from darnet.benchmark.provenance import provenance
from darnet.benchmark.run import NOBODY, Progress
from darnet.benchmark.suite import AnyDocument, AnySuite, Request
from darnet.errors import DarnetError, UnknownNameError

#: The module whose suites are named by kinds of damage.
KINDS = "kinds"


def known() -> dict[str, AnySuite]:
    """Every suite by its name. A kind that is called as another suite has none: any package may bring kinds.

    Raises DarnetError where two others have the same name.
    """
    found: dict[str, AnySuite] = {}
    for module in sorted(iter_modules(__path__), key=lambda module: module.name == KINDS):
        for suite in getattr(import_module(f"{__name__}.{module.name}"), "suites", tuple)():
            if suite.name in found and module.name != KINDS:
                raise DarnetError(f"{module.name}: there is a suite {suite.name} already")
            found.setdefault(suite.name, suite)
    return found


def find(name: str) -> AnySuite:
    """A suite by its name. Raises UnknownNameError."""
    if name not in (suites := known()):
        raise UnknownNameError("suite", name, suites)
    return suites[name]


def with_peers(name: str, methods: tuple[str, ...]) -> tuple[str, ...]:
    """The methods, or those of a suite where nobody is named, and every peer that stands beside. Raises as `find`."""
    suite = find(name)
    return tuple(dict.fromkeys([*(methods or suite.methods), *suite.peers]))


def run(request: Request, progress: Progress = NOBODY) -> AnyDocument:
    """Measure a suite. Raises what bad names, missing sets and damaged weights raise; a failing picture is recorded."""
    suite = find(request.suite)
    asked = request if request.methods else replace(request, methods=suite.methods)
    parts, found = suite.measure(asked, suite.cases(asked), progress)
    asked_for = {"suite": suite.name, "command": request.command, **provenance(request.device)}
    return Document(**asked_for, parts=parts, found=found, in_parts=suite.in_parts)


def markdown(document: AnyDocument) -> str:
    """The tables of a document. Raises DarnetError where rows of different protocols would meet."""
    return find(document.suite).tables(document)


def from_dict(document: Mapping[str, Any]) -> AnyDocument:
    """A document from its JSON form. Raises DarnetError for what is none."""
    try:
        return Document.from_dict(document, find(document["suite"]).findings)
    except (KeyError, TypeError) as error:
        raise DarnetError(f"no document of darnet bench: {type(error).__name__}: {error}") from error


def read(path: Path) -> AnyDocument:
    """A report of `darnet bench`, from its file. Raises DarnetError, which names the file and the reason."""
    try:
        return from_dict(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, DarnetError) as error:
        raise DarnetError(f"{path}: {error}") from error
