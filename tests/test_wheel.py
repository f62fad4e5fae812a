"""The wheel holds all of the package: modules, weights, recipes, and the files of the service's page."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from hatchling.builders.wheel import WheelBuilder

ROOT = Path(__file__).parents[1]


def held(root: Path) -> set[str]:
    """What a wheel that is built there would hold, by the names that it has in it."""
    files = WheelBuilder(str(root)).recurse_included_files()
    return {Path(file.distribution_path).as_posix() for file in files}


def test_it_holds_every_file_of_the_package() -> None:
    listed = subprocess.run(["git", "ls-files", "src/darnet"], cwd=ROOT, capture_output=True, text=True, check=False)
    if listed.returncode != 0:
        pytest.skip("this is no checkout: nobody says which files there should be")
    files = {name.removeprefix("src/") for name in listed.stdout.splitlines()}
    assert len(files) > 200
    assert files <= held(ROOT)


@pytest.mark.parametrize("name", ["index.html", "style.css", "app.js", "vendor/zoom.js", "vendor/LICENSE", "icon.svg"])
def test_it_holds_whatever_lies_in_the_folder_of_the_page(name: str, tmp_path: Path) -> None:
    for file in ("pyproject.toml", "README.md", "LICENSE", ".gitignore"):
        shutil.copy(ROOT / file, tmp_path)
    for folder in ("recipes", "src/darnet/service/page/vendor"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "src/darnet/__init__.py").touch()
    page = tmp_path / "src/darnet/service/page" / name
    assert f"darnet/service/page/{name}" not in held(tmp_path)
    page.touch()
    assert f"darnet/service/page/{name}" in held(tmp_path)
