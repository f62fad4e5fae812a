"""darnet.jobs.paths: whether a file may be written, and whether two paths lead to one."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from darnet.errors import ImageError
from darnet.jobs import paths


@pytest.fixture(autouse=True)
def empty(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def test_one_file_has_one_place_whichever_way_leads_there():
    Path("sub").mkdir()
    Path("link").symlink_to("sub", target_is_directory=True)
    assert paths.place(Path("link/a.png")) == paths.place(Path("sub/../sub/a.png"))


@pytest.mark.parametrize("link", [os.symlink, os.link])
def test_links_lead_to_the_same_file(link):
    Path("a.png").write_bytes(b"a")
    Path("b.png").write_bytes(b"a")
    link("a.png", "c.png")
    assert paths.is_same_file(Path("c.png"), [Path("gone.png"), Path("a.png")])
    assert not paths.is_same_file(Path("b.png"), [Path("a.png")])


def test_what_clearly_cannot_be_written_is_said_before_the_work():
    Path("folder").mkdir()
    Path("file").write_text("")
    for path, reason in (("folder", "is a directory"), ("file/a.png", "not a directory")):
        with pytest.raises(ImageError, match=reason):
            paths.check_writable(Path(path))
    paths.check_writable(Path("new/folders/a.png"))
    assert not Path("new").exists()


def test_a_report_replaces_an_earlier_one_and_no_other_file():
    Path("report.json").write_bytes(b"{mine")
    with pytest.raises(ImageError, match="no such report"):
        paths.check_earlier(Path("report.json"), b"{darnet")
    for content in (b"", b"{darnet: 1}"):
        Path("report.json").write_bytes(content)
        paths.check_earlier(Path("report.json"), b"{darnet")


def test_a_file_is_written_with_its_folders_and_removed_whether_or_not_it_is_there():
    paths.write_file(Path("new/folder/a.txt"), b"all of it")
    assert Path("new/folder/a.txt").read_bytes() == b"all of it"
    for _ in range(2):
        paths.remove(Path("new/folder/a.txt"))
    assert not Path("new/folder/a.txt").exists()
