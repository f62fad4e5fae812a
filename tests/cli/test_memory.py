"""`--max-memory`: what is chosen is said, and what does not fit is refused."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import pyvips

from darnet.images.budget import HELD_BYTES, STRIPS_BYTES, bytes_of


def test_what_is_chosen_is_said_and_reported(pictures, restore):
    pictures("photo.png")
    ran = restore("photo.png", "--max-memory", "0.8GB", "-v", "--report", "report.json")
    assert ran.code == 0
    assert "memory: at most 800MB, " in ran.err
    memory = json.loads(Path("report.json").read_text())["memory"]
    assert memory["max_memory"] == 800_000_000
    assert f"tiles of {memory['tiles']['size_px']} px" in ran.err
    assert memory["tiles"]["size_px"] < 1152  # of a network that nobody has measured


def test_where_nothing_is_said_it_is_half_of_what_is_free(pictures, restore, darnet):
    pictures("photo.png")
    assert restore("photo.png", "--report", "report.json").code == 0
    assert json.loads(Path("report.json").read_text())["memory"]["tiles"]["shrinking"]
    said = json.loads(darnet("doctor", "--json").out)["machine"]["memory"].split()
    assert bytes_of(said[0]) / 2 == pytest.approx(bytes_of(said[4]), rel=0.1)


@pytest.mark.parametrize(
    ("options", "code", "said"),
    [
        (("--max-memory", "much"), 2, "--max-memory much: expected a size, such as 512MB, 1.5GiB or 2GB"),
        (("--max-memory", "100MB"), 5, "--max-memory 100MB: too little, tiles of 256 px need "),
        (("--max-memory", "600MB", "--tile", "1152"), 5, "tiles of 1152 px need 1.49GB; make --tile smaller"),
        (("--max-memory", "9" * 400), 2, "expected a size, such as 512MB, 1.5GiB or 2GB"),
        (("--jobs", "9" * 5000), 2, "expected auto or a number from 1"),
        (("--tile", "٣٠٠"), 2, "--tile ٣٠٠: expected auto, off or a number of pixels from 16"),
    ],
)
def test_what_cannot_be_is_refused_before_any_picture(pictures, restore, options, code, said):
    pictures("photo.png")
    ran = restore("photo.png", *options)
    assert (ran.code, ran.out) == (code, "")
    assert said in ran.err
    assert not Path("photo.restored.png").exists()


def test_processes_that_share_too_little_are_told_what_they_need_together(pictures, restore):
    for name in "ab":
        pictures(f"in/{name}.png")
    ran = restore("in", "-o", "out", "-j", 2, "--max-memory", "600MB")
    need = r"darnet: --max-memory 600MB: too little for 2 processes, tiles of 256 px need ([\d.]+[MG]B)\n"
    assert (ran.code, ran.out) == (5, "")
    together = re.fullmatch(need, ran.err)
    assert together is not None, ran.err
    assert bytes_of(together[1]) > 2 * (HELD_BYTES + STRIPS_BYTES)


@pytest.mark.parametrize("command", ["restore", "diagnose"])
def test_a_picture_that_does_not_fit_names_the_option_that_allows_it(pictures, darnet, tiny_system, command):
    pictures("photo.png")
    pyvips.Image.black(6000, 6000, bands=3).copy(interpretation="srgb").write_to_file("large.webp")
    ran = darnet(command, "large.webp", "photo.png", "--model", str(tiny_system), "--max-memory", "550MB")
    refused = "large.webp: decoding 6000 x 6000 pixels takes 680MB of memory, and 550MB are allowed; --max-memory 680MB"
    assert refused + " allows it" in ran.err
    assert "photo.png" in ran.out  # the others go on
    assert ran.code == 5
