"""Files that appear whole or not at all."""

from __future__ import annotations

from pathlib import Path

import pytest

from darnet.files import marked, unfinished


@pytest.mark.parametrize("before", [None, "what was there"])
def test_nobody_sees_half_of_a_file(tmp_path: Path, before: str | None) -> None:
    path = tmp_path / "notes.txt"
    if before is not None:
        path.write_text(before)
    with unfinished(path) as temporary:
        assert (temporary.parent, temporary.suffix) == (tmp_path, ".txt")
        temporary.write_text("all of it")
        assert (path.read_text() if path.exists() else None) == before
    assert {file.name: file.read_text() for file in tmp_path.iterdir()} == {"notes.txt": "all of it"}


@pytest.mark.parametrize("error", [OSError("no space"), KeyboardInterrupt()])
def test_nothing_has_changed_where_it_fails(tmp_path: Path, error: BaseException) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("what was there")
    with pytest.raises(type(error)), unfinished(path) as temporary:
        temporary.write_text("half of")
        raise error
    assert {file.name: file.read_text() for file in tmp_path.iterdir()} == {"notes.txt": "what was there"}


def test_two_writers_do_not_meet(tmp_path: Path) -> None:
    with unfinished(tmp_path / "a") as one, unfinished(tmp_path / "a") as other:
        one.write_text("one")
        other.write_text("other")
    assert (tmp_path / "a").read_text() == "one"
    assert [file.name for file in tmp_path.iterdir()] == ["a"]


def test_who_hears_of_a_file_does_so_before_it_is_there(tmp_path: Path) -> None:
    heard = []

    def hear(temporary: Path, path: Path) -> None:
        heard.append((temporary.read_text(), path.name, path.exists()))
        if path.name == "b":
            raise OSError("no space")

    with marked("7f3a", hear):
        with unfinished(tmp_path / "a") as temporary:
            temporary.write_text("one")
        with pytest.raises(OSError, match="no space"), unfinished(tmp_path / "b") as temporary:
            temporary.write_text("other")
    assert heard == [("one", "a", False), ("other", "b", False)]
    assert [file.name for file in tmp_path.iterdir()] == ["a"]
