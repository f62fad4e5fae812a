"""What texts name is there: modules and what is in them, files, decisions.

Decisions themselves (docs/adr) are left out: they tell what there was when they were taken.
"""

from __future__ import annotations

import dataclasses
import re
import subprocess
from collections.abc import Iterator
from importlib import import_module
from itertools import product
from pathlib import Path
from types import FunctionType

import pytest

import darnet
from darnet import registry

ROOT = Path(__file__).parents[1]
PAGES = [*ROOT.glob("*.md"), *(path for path in (ROOT / "docs").rglob("*.md") if path.parent.name != "adr")]
TEXTS = sorted([*PAGES, *(ROOT / "src" / "darnet").rglob("*.py"), *(ROOT / "recipes").rglob("*.toml")])

DOTTED = re.compile(r"(?<![\w./:@-])darnet(?:\.[A-Za-z_]\w*)+")
#: `a/b.py`, `a/{b,c}.py`; no pattern (`*.py`), place-holder (`<kind>.toml`) or suffix (`.py`).
FILE = re.compile(r"(?<![\w./<>*}-])[\w.{][\w./{},-]*\.(?:py|toml|md)\b(?![\w/*])")
DECISION = re.compile(r"docs/adr/\d{4}|\bADR (\d+)")

#: Groups of entry points, and what a graph's file says of itself (`darnet.engines.graphs`).
NO_MODULES = {
    *(f"darnet.{group}" for group in registry.BUILTIN),
    *(f"darnet.{said}" for said in ("multiple_of", "overlap_px", "encode", "card", "weights")),
}
#: Modules that there must never be, and what a run writes.
NO_FILES = {"utils.py", "common.py", "helpers.py", "misc.py", "recipe.toml", "continual.toml", "ablation.toml"}


def there() -> list[str]:
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False)
    if listed.returncode == 0:
        return listed.stdout.splitlines()
    return [str(path.relative_to(ROOT)) for path in ROOT.rglob("*") if path.is_file()]


FILES = there()


def spelled_out(name: str) -> Iterator[str]:
    """`{a,b}.py`: a.py and b.py."""
    parts = re.split(r"\{([^}]*)\}", name)
    choices = [part.split(",") if index % 2 else [part] for index, part in enumerate(parts)]
    return map("".join, product(*choices))


def is_file(name: str, page: Path) -> bool:
    """As seen from the page, or from any folder above what is meant."""
    if (page.parent / name).exists():
        return True
    return any(path == name or path.endswith(f"/{name}") for path in FILES)


def resolves(name: str) -> bool:
    """Whether it is a module, or something that is defined in the module, or offered by the package, that is named."""
    module, path = darnet, name.split(".")[1:]
    while path:
        try:
            module = import_module(f"{module.__name__}.{path[0]}")
        except ModuleNotFoundError:
            break
        path.pop(0)
    if not path:
        return True
    found = getattr(module, path[0], None)
    elsewhere = isinstance(found, type | FunctionType) and found.__module__ != module.__name__
    if found is None or (elsewhere and not hasattr(module, "__path__")):
        return False
    for attribute in path[1:]:
        if not hasattr(found, attribute):
            return dataclasses.is_dataclass(found) and attribute in {field.name for field in dataclasses.fields(found)}
        found = getattr(found, attribute)
    return True


def stale(text: str, page: Path) -> Iterator[str]:
    """What a text names and is not there."""
    for match in DOTTED.finditer(text):
        if match[0] not in NO_MODULES and not resolves(match[0]):
            yield match[0]
    for match in FILE.finditer(text):
        yield from (name for name in spelled_out(match[0]) if name not in NO_FILES and not is_file(name, page))
    for match in DECISION.finditer(text):
        begin = f"docs/adr/{int(match[1]):04}" if match[1] else match[0]
        if not any(path.startswith(begin) for path in FILES):
            yield match[0]


@pytest.mark.parametrize("page", TEXTS, ids=lambda page: str(page.relative_to(ROOT)))
def test_what_a_text_names_is_there(page: Path) -> None:
    assert [*stale(page.read_text(encoding="utf-8"), page)] == []


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("`darnet.gone`, `darnet.images.tiles.Gone`", ["darnet.gone", "darnet.images.tiles.Gone"]),
        (
            "`darnet.images.tiles.Region.box` lies in `darnet.images.regions.Region.box`",
            ["darnet.images.tiles.Region.box"],
        ),
        ("`darnet.images.regions.Region.gone`", ["darnet.images.regions.Region.gone"]),
        ("`darnet.Kind`, `darnet.degradations.Kind`, `darnet.load`", ["darnet.Kind"]),
        ("`images/tiles.py`, `images/{tiles,gone}.py`, `*.py`", ["images/gone.py"]),
        ("recipes/noise.toml, recipes/<kind>.toml, recipes/gone.toml", ["recipes/gone.toml"]),
        ("docs/adr/0001, docs/adr/9999, ADR 1, ADR 998", ["docs/adr/9999", "ADR 998"]),
    ],
)
def test_what_is_gone_is_seen(text: str, found: list[str]) -> None:
    assert [*stale(text, ROOT / "README.md")] == found
