"""Examples in docstrings run as they stand, and every public name has one."""

import doctest
from importlib import import_module
from pathlib import Path

import pytest

import darnet

SOURCE = Path(darnet.__file__).parent
MODULES = [
    ".".join(path.relative_to(SOURCE.parent).with_suffix("").parts).removesuffix(".__init__")
    for path in sorted(SOURCE.rglob("*.py"))
    if ">>> " in path.read_text(encoding="utf-8")
]


@pytest.mark.parametrize("module", MODULES)
def test_examples_of_a_module_run(module: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)  # where there is nothing that an example could lean on
    finder = doctest.DocTestFinder(exclude_empty=True)
    runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE)
    said: list[str] = []
    for test in finder.find(import_module(module), module):
        runner.run(test, out=said.append)
    assert not said, "".join(said)
    assert runner.tries, f"{module}: its examples were not found"


@pytest.mark.parametrize("name", darnet.__all__)
def test_every_public_name_has_an_example(name: str) -> None:
    assert ">>> " in (getattr(darnet, name).__doc__ or ""), f"darnet.{name}"
