"""darnet restore --sidecar and --from-sidecar."""

from __future__ import annotations

import json
from pathlib import Path


def test_the_same_again_to_the_same_bytes_or_to_another_picture(pictures, restore, darnet):
    pictures("in/a.png")
    pictures("other.png", seed=1)
    assert restore("in/a.png", "-o", "b.jpg", "-s", 0.5, "-q", 80, "--sidecar").code == 0
    ran = darnet("restore", "--from-sidecar", "b.jpg.json", "-o", "again.jpg", "--sidecar")
    assert (ran.code, ran.err) == (0, "")
    assert Path("again.jpg").read_bytes() == Path("b.jpg").read_bytes()
    assert Path("again.jpg.json").exists()
    restore("other.png", "-o", "expected.jpg", "-s", 0.5, "-q", 80)
    assert darnet("restore", "--from-sidecar", "b.jpg.json", "other.png", "-o", "c.jpg").code == 0
    assert Path("c.jpg").read_bytes() == Path("expected.jpg").read_bytes()
    assert not Path("c.jpg.json").exists()


def test_where_it_is_done_may_be_said_and_goes_before_what_the_sidecar_says(pictures, restore, darnet):
    pictures("a.png")
    assert restore("a.png", "-o", "b.png", "-s", 0.5, "--max-memory", "2GB", "--sidecar").code == 0
    sidecar = Path("b.png.json")
    sidecar.write_text(sidecar.read_text().replace('"device": "cpu"', '"device": "cuda:7"'))
    again = ("restore", "--from-sidecar", "b.png.json", "-o", "c.png", "--sidecar")
    assert "cuda" in darnet(*again).err
    ran = darnet(*again, "-d", "cpu", "-j", 1, "--max-memory", "3GB", "--max-pixels", 10**6)
    assert (ran.code, ran.err) == (0, "")
    assert Path("c.png").read_bytes() == Path("b.png").read_bytes()
    restorer = json.loads(Path("c.png.json").read_text())["settings"]["restorer"]
    assert (restorer["device"], restorer["max_memory"]) == ("cpu", 3_000_000_000)
    again = ("restore", "--from-sidecar", "c.png.json", "-o", "d.png", "--sidecar")
    assert darnet(*again).code == 0
    assert json.loads(Path("d.png.json").read_text())["settings"]["restorer"] == restorer, "as nothing else was said"


def test_what_makes_no_sense(pictures, restore, darnet):
    pictures("a.png")
    restore("a.png", "-o", "b.png", "--sidecar")
    for flags in (
        ("-s", 0.5),
        ("--as", "noise"),
        ("--max-steps", 1),
        ("-t", "off"),
        ("--ext", "jpg"),
        ("--precision", "bf16"),
    ):
        ran = darnet("restore", "--from-sidecar", "b.png.json", "-o", "c.png", *flags)
        assert (ran.code, ran.out) == (2, "")
        assert "--from-sidecar: says itself how" in ran.err
    pictures("a.png", seed=1)
    ran = darnet("restore", "--from-sidecar", "b.png.json", "-o", "c.png")
    assert (ran.code, ran.err) == (1, "darnet: a.png: is not the picture that b.png.json tells of: its bytes differ\n")
    assert not Path("c.png").exists()
    ran = darnet("restore", "-o", "c.png")
    assert (ran.code, ran.err.startswith("darnet: INPUT: nothing was given")) == (2, True)


def test_a_picture_from_stdin_is_to_be_given(pictures, restore, darnet, monkeypatch):
    import io
    import sys

    photo = pictures("a.png").read_bytes()
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(photo)))
    assert restore("-", "-o", "b.png", "--sidecar").code == 0
    ran = darnet("restore", "--from-sidecar", "b.png.json", "-o", "c.png")
    assert (ran.code, ran.err) == (
        1,
        "darnet: b.png.json: its picture came from stdin, or its name is no text; give one\n",
    )
    assert darnet("restore", "--from-sidecar", "b.png.json", "a.png", "-o", "c.png").code == 0
    assert Path("c.png").read_bytes() == Path("b.png").read_bytes()
