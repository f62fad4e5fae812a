"""darnet diagnose."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import PIL.Image
import pytest

from darnet.images.image import Image


@pytest.fixture
def diagnose(darnet, tiny_system):
    return lambda *arguments: darnet("diagnose", "--model", tiny_system, *arguments)


def test_one_line_a_picture(pictures, diagnose):
    pictures("a.png")
    pictures("a.restored.png")
    line = "noise 98 % (σ ≈ 24) -> to repair: noise (σ ≈ 24)\n"
    ran = diagnose("a.png", "a.restored.png")
    assert ran[:2] == (0, f"a.png  {line}a.restored.png  {line}")
    assert ran.err.startswith("darnet: 2 pictures: 2 noise, in ")
    assert [path.name for path in pictures.folder.iterdir() if ".restored.restored" in path.name] == []


def test_json(pictures, diagnose):
    pictures("in/sub/a.png")
    ran = diagnose("in", "-r", "--json", "-d", "cpu", "--precision", "fp32")
    document = json.loads(ran.out)
    assert document["input"] == "in/sub/a.png"
    assert document["error"] is None
    diagnosis = document["diagnosis"]
    assert diagnosis["label"] == "noise"
    assert diagnosis["severity"] == diagnosis["severities"]["noise"] == pytest.approx(24, rel=1e-3)
    assert (document["map"], document["warnings"]) == (None, [])
    assert [repair["kind"] for repair in diagnosis["plan"]] == ["noise"]
    assert set(diagnosis["scores"]) == {"clean", "noise", "blur", "overexposure"}


def test_failures(pictures, diagnose, darnet, damaged_system):
    pictures("a.png")
    Path("bad.png").write_bytes(b"x")
    ran = diagnose("a.png", "bad.png", "gone.png", "--json")
    assert ran.code == 1
    assert [json.loads(line)["error"] is None for line in ran.out.splitlines()] == [False, True, False]
    assert ran.err.splitlines()[-1] == "darnet: 2 of 3 inputs failed"
    assert diagnose("gone.png") == (3, "", "darnet: gone.png: no such file or folder\n")
    assert diagnose("a.png", "--precision", "fp16", "-d", "cpu").code == 2
    (damaged_system / "router" / "model.safetensors").unlink()
    assert darnet("diagnose", "a.png", "--model", damaged_system).code == 4


def test_what_is_said_of_a_file_names_it_once(pictures, diagnose):
    """The EXIF and the profile were told by Python itself, with a line of darnet's source."""
    pictures.damaged("a.tif")
    ran = diagnose("a.tif", "-d", "cpu")
    profile, metadata = ran.err.splitlines()
    assert profile == "darnet: a.tif: warning: the ICC profile is damaged; its colours are taken for sRGB"
    assert metadata.startswith("darnet: a.tif: warning: the EXIF is damaged")


def test_what_would_be_left_alone_is_said(pictures, darnet, tiny_system):
    """On stderr: the router's opinion of a QR code is still on stdout."""
    squares = np.kron(np.random.default_rng(0).integers(0, 2, (12, 12)), np.ones((8, 8))).astype(np.uint8) * 255
    PIL.Image.fromarray(squares).save("code.png")
    PIL.Image.new("RGB", (40, 40), (9, 90, 200)).save("plain.png")
    ran = darnet("diagnose", "--model", tiny_system, "-d", "cpu", "code.png", "plain.png")
    assert (ran.code, ran.out.count("\n")) == (0, 2)
    assert "code.png: warning: left alone: two colours, not a photo" in ran.err
    assert "plain.png: warning: left alone: all of it has one colour" in ran.err


def test_a_map_of_where_damage_is(pictures, diagnose):
    """A file for one picture, a folder for several; nothing is replaced unasked, and no input ever."""
    pictures("a.png")
    pictures("in/b.png")
    assert diagnose("a.png", "--map", "where.png").code == 0
    assert Image.read("where.png").array.shape == (24, 24, 3)
    before = Path("where.png").read_bytes()
    ran = diagnose("a.png", "--map", "where.png")
    assert (ran.code, "where.png: exists already; --overwrite replaces it" in ran.err) == (1, True)
    assert Path("where.png").read_bytes() == before
    assert diagnose("a.png", "--map", "where.png", "--overwrite").code == 0
    assert diagnose("a.png", "in", "--map", "maps").code == 0
    assert sorted(path.name for path in Path("maps").rglob("*.png")) == ["a.png", "b.png"]
    PIL.Image.new("RGB", (24, 24), "grey").save("flat.png")
    ran = diagnose("a.png", "flat.png", "--map", "more")  # a picture without damage to draw is no failure
    assert (ran.code, "no heat map: all of it has one colour" in ran.err) == (0, True)


def test_json_has_the_map_and_what_is_said(pictures, diagnose):
    """Warnings were on stderr alone, and nobody said where the map lies."""
    pictures.damaged("a.tif")
    PIL.Image.new("RGB", (24, 24), "grey").save("flat.png")
    ran = diagnose("a.tif", "flat.png", "gone.png", "--map", "maps", "--json")
    gone, damaged, flat = map(json.loads, ran.out.splitlines())
    assert (damaged["map"], flat["map"], gone["map"]) == ("maps/a.tif", None, None)
    assert Path("maps/a.tif").exists()
    assert damaged["warnings"][0] == "the ICC profile is damaged; its colours are taken for sRGB"
    assert damaged["warnings"][1].startswith("the EXIF is damaged")
    assert flat["warnings"] == ["left alone: all of it has one colour", "no heat map: all of it has one colour"]
    assert gone["warnings"] == []
    for text in (*damaged["warnings"], *flat["warnings"]):
        assert f"warning: {text}" in ran.err


def test_maps_beside_photos_are_no_photos(pictures, diagnose, restore):
    pictures("in/a.png")
    for _ in range(2):
        assert diagnose("in", "--map", "in", "--overwrite").code == 0
    assert sorted(path.name for path in Path("in").glob("[!.]*")) == ["a.map.png", "a.png"]
    ran = restore("in")
    assert (ran.code, ran.out.count("\n")) == (0, 1)
    assert restore("in/a.png", "in/a.map.png", "--dry-run", "--overwrite").out.count("\n") == 1  # as a shell's in/*.png
    assert sorted(path.name for path in Path("in").glob("[!.]*")) == ["a.map.png", "a.png", "a.restored.png"]


@pytest.mark.parametrize(
    ("output", "said"),
    [
        ("a.png", "a.png: the output would be an input; originals are never touched"),
        ("x.psd", "--map x.psd: unknown suffix '.psd'"),
        ("-", "--map: stdout holds what is said; give a file or a folder"),
    ],
)
def test_a_map_that_cannot_be(pictures, diagnose, output, said):
    pictures("a.png")
    ran = diagnose("a.png", "--map", output, "--overwrite")
    assert (ran.code, ran.out) == (2, "")
    assert ran.err.startswith(f"darnet: {said}")
    pictures("b.png")
    ran = diagnose("a.png", "b.png", "--map", "one.png")
    assert ran == (2, "", "darnet: --map one.png: a file holds one picture, and several inputs were given\n")


def test_a_map_that_exists_is_one_failure(pictures, diagnose):
    """And no folder is made for a map that is not drawn."""
    for name in ("a.png", "b.png", "maps/a.png"):
        pictures(name, seed=1)
    before = Path("maps/a.png").read_bytes()
    ran = diagnose("a.png", "b.png", "--map", "maps", "--json")
    assert ran.code == 1
    assert [json.loads(line)["error"] for line in ran.out.splitlines()] == [
        "maps/a.png: exists already; --overwrite replaces it",
        None,
    ]
    assert Path("maps/a.png").read_bytes() == before
    assert Path("maps/b.png").exists()
    PIL.Image.new("RGB", (24, 24), "grey").save("flat.png")
    assert diagnose("flat.png", "--map", "more/").code == 0
    assert not Path("more").exists()


def test_a_picture_is_judged_once_for_its_line_and_its_map(pictures, diagnose, monkeypatch):
    from darnet.restore import restorer

    looks, judge = [], restorer.judge
    for module in ("restorer", "work"):
        monkeypatch.setattr(f"darnet.restore.{module}.judge", lambda *given: looks.append(given) or judge(*given))
    pictures("a.png")
    assert diagnose("a.png", "--map", "where.png").code == 0
    assert len(looks) == 1
