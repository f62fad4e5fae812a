"""The tree that ARCHITECTURE.md draws is the tree that there is."""

import re
import tomllib
from pathlib import Path

import darnet

SOURCE = Path(darnet.__file__).parent
ROOT = Path(__file__).parents[1]
#: `  name other  what they hold`; what has no description may end with the names.
LINE = re.compile(r"^(?P<indent> +)(?P<names>\w+/?(?: \w+/?)*)(?:  .*)?$")


def drawn(document: str) -> dict[str, set[str]]:
    """Folder -> the names that the tree below `src/darnet/` shows in it."""
    lines = document.partition("\nsrc/darnet/ ")[2].partition("\ntests/ ")[0].splitlines()[1:]
    found: dict[str, set[str]] = {"": set()}
    folders = [""]
    for line in lines:
        match = LINE.match(line)
        if match is None:
            assert not line.strip() or line.strip().startswith("#"), f"cannot be read: {line!r}"
            continue
        depth, names = len(match["indent"]) // 2, match["names"].split()
        del folders[depth:]
        found[folders[-1]].update(name.rstrip("/") for name in names)
        if names[-1].endswith("/"):
            folders.append(f"{folders[-1]}{names[-1]}")
            found[folders[-1]] = set()
    return found


def there(folder: Path) -> set[str]:
    modules = {path.stem for path in folder.glob("*.py")} - {"__init__"}
    return modules | {path.name for path in folder.iterdir() if path.is_dir() and any(path.rglob("*.*"))} - {
        "__pycache__"
    }


def test_the_tree_is_as_it_is_drawn() -> None:
    found = drawn((ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8"))
    packages = {"", *(f"{path.parent.relative_to(SOURCE)}/" for path in SOURCE.rglob("__init__.py"))} - {"./"}
    assert packages <= set(found)
    for folder in packages:
        assert found[folder] == there(SOURCE / folder), folder or "src/darnet"


def test_the_second_contract_is_as_it_is_written() -> None:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    contract = settings["tool"]["importlinter"]["contracts"][1]
    text = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")
    below, above = (
        text.partition("second contract says that none of")[2].partition(", directly or not")[0].split("imports")
    )
    for named, written in ((contract["source_modules"], below), (contract["forbidden_modules"], above)):
        assert sorted(re.findall(r"`(\w+)`", written)) == sorted(name.removeprefix("darnet.") for name in named)


def test_a_module_too_many_or_too_few_is_seen() -> None:
    tree = (
        "\nsrc/darnet/  names\n  one two  both\n\n             # a heading\n  room/\n    three\n  four  last\ntests/ \n"
    )
    assert drawn(tree) == {"": {"one", "two", "room", "four"}, "room/": {"three"}}
