"""darnet inspect: files, what is said, and what is refused."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import PIL.Image
import pytest

NAMES = ["routing.json", "routing.png"]


def written(folder: Path = Path("inspection")) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.fixture
def routing(darnet, tiny_daair, sets_root, pictures):
    return lambda *arguments: darnet(
        "inspect", "routing", tiny_daair, "--data", sets_root, "-d", "cpu", "--limit", 1, *arguments
    )


@pytest.fixture
def features(darnet, tiny_daair, pictures):
    return lambda *arguments: darnet("inspect", "features", tiny_daair, *arguments, "-d", "cpu")


@pytest.fixture
def sphere(darnet, tiny_slerir, sets_root, pictures):
    return lambda *arguments: darnet(
        "inspect", "sphere", tiny_slerir, "--data", sets_root, "-d", "cpu", "--limit", 2, *arguments
    )


@pytest.fixture
def undrawn(monkeypatch):
    """For tests that do not look at the figures: drawing takes a second."""
    from darnet.analysis import globe, maps

    for module, name in ((maps, "draw_routing"), (maps, "draw_features"), (globe, "draw_sphere")):
        monkeypatch.setattr(module, name, lambda *found: b"drawn")


def test_routing_says_and_writes_what_experts_serve(routing, tiny_daair):
    ran = routing()
    assert (ran.code, ran.err) == (0, "")
    first, *blocks, last = ran.out.splitlines()
    assert first == f"{tiny_daair}  3 pictures of noise, rain"
    assert [line.split()[0] for line in blocks][::7] == ["encoder1.0", "refinement.0"]
    assert blocks[0].split()[1:] == ["accuracy", "50.0%", "purity", "50.0%", "chance", "50.0%"]
    assert last == "->  inspection/routing.json  inspection/routing.png"
    assert written() == NAMES
    document = json.loads(Path("inspection/routing.json").read_text())
    assert document["models"][0]["blocks"][0]["shares"]["rain"] == {"noise": 1.0, "rain": 0.0}
    assert document["protocol"].startswith("promptir")
    assert (document["left_out"], document["failures"]) == ({}, [])
    with PIL.Image.open("inspection/routing.png") as picture:
        assert picture.format == "PNG"


@pytest.mark.usefixtures("undrawn")
def test_json_is_what_was_written(routing, sphere, features, pictures):
    for ran, name in (
        (routing("--json", "-o", "here"), "routing"),
        (sphere("--json", "-o", "here"), "sphere"),
        (features(pictures("a.png"), "--json", "-o", "here"), "features"),
    ):
        assert (ran.code, ran.err) == (0, "")
        assert json.loads(ran.out) == json.loads((Path("here") / f"{name}.json").read_text())


@pytest.mark.usefixtures("undrawn")
def test_quiet(routing, sphere, features, pictures):
    assert routing("--quiet") == (0, "", "")
    assert sphere("--quiet") == (0, "", "")
    assert features(pictures("a.png"), "--quiet") == (0, "", "")


def test_models_beside_each_other(routing, tiny_system, tiny_daair, monkeypatch):
    from darnet.analysis import maps

    drawn = []
    monkeypatch.setattr(maps, "draw_routing", lambda models: drawn.extend(models) or b"png")
    other, again = tiny_system / "router", tiny_daair
    ran = routing(other, again)
    assert ran.code == 0
    assert [model["model"] for model in drawn] == [str(tiny_daair), str(other)]
    # Each sees the kinds that it knows.
    assert [list(model["pictures"]) for model in drawn] == [
        ["noise", "rain"],
        ["clean", "noise", "blur", "overexposure"],
    ]


@pytest.mark.usefixtures("undrawn")
def test_kinds_without_a_test_set_are_named(routing, sets_root, tmp_path):
    shutil.copytree(sets_root / "Rain100L", tmp_path / "sets" / "Rain100L")
    ran = routing("--data", tmp_path / "sets")
    assert ran.code == 0
    assert ran.err.startswith("darnet: noise: warning: left out: ")
    document = json.loads(Path("inspection/routing.json").read_text())
    assert list(document["left_out"]) == ["noise"]
    assert list(document["models"][0]["pictures"]) == ["rain"]


def test_every_network_needs_something_to_be_shown(routing, sets_root, tiny_system, tmp_path):
    shutil.copytree(sets_root / "Rain100L", tmp_path / "sets" / "Rain100L")
    router = tiny_system / "router"
    ran = routing(router, "--data", tmp_path / "sets")
    assert (ran.code, ran.out) == (3, "")
    assert ran.err.startswith(f"darnet: {router}: {tmp_path}/sets holds no test set of clean, noise, blur")
    assert not Path("inspection").exists()


@pytest.mark.usefixtures("undrawn")
def test_a_bad_picture_of_a_set_is_named_and_the_rest_goes_on(routing, sets_root, tmp_path):
    root = Path(shutil.copytree(sets_root, tmp_path / "sets"))
    (root / "Rain100L" / "input" / "0.png").write_bytes(b"no picture")
    ran = routing("--data", root)
    assert ran.code == 1
    assert "Rain100L/0.png" in ran.err
    assert ran.err.splitlines()[-1] == "darnet: 1 of 3 inputs failed"
    document = json.loads(Path("inspection/routing.json").read_text())
    assert document["models"][0]["pictures"] == {"noise": {"CBSD68": 1}, "rain": {"CBSD68": 1}}
    (failure,) = document["failures"]
    assert (failure["set"], failure["name"], failure["kind"]) == ("Rain100L", "0.png", "rain")


def test_nothing_is_written_where_every_picture_is_bad(routing, tmp_path):
    (tmp_path / "sets" / "CBSD68").mkdir(parents=True)
    (tmp_path / "sets" / "CBSD68" / "0.png").write_bytes(b"no picture")
    ran = routing("--data", tmp_path / "sets")
    assert (ran.code, ran.out) == (1, "")
    assert not Path("inspection").exists()


@pytest.mark.usefixtures("undrawn")
def test_a_network_is_shown_under_each_gate(darnet, tiny_slerir, sets_root, pictures):
    given = ("--data", sets_root, "-d", "cpu", "--limit", 1)
    ran = darnet("inspect", "routing", tiny_slerir, *given, "--gate", "soft", "--gate", "hard")
    assert (ran.code, ran.err) == (0, "")
    soft, hard = json.loads(Path("inspection/routing.json").read_text())["models"]
    assert (soft["model"], soft["gate"], hard["gate"]) == (f"{tiny_slerir} (soft)", "soft", "hard")
    assert sum(map(sum, hard["flows"]["rain"][0])) == pytest.approx(1)
    ran = darnet("inspect", "routing", tiny_slerir, *given, "--gate", "warm", "-o", "elsewhere")
    assert (ran.code, ran.out) == (2, "")
    assert ran.err.startswith(f"darnet: no gate of {tiny_slerir} called 'warm' ")
    assert not Path("elsewhere").exists()


def test_sphere_says_and_writes_how_damages_are_told_apart(sphere, tiny_slerir):
    ran = sphere()
    assert (ran.code, ran.err) == (0, "")
    first, *views, last = ran.out.splitlines()
    assert first == f"{tiny_slerir}  6 pictures of noise, rain  embeddings"
    assert [line.split()[0] for line in views] == [
        *("together", "encoder1", "encoder2", "encoder3", "latent", "decoder3", "decoder2", "decoder1", "refinement")
    ]
    assert views[0].split()[1:3] == ["nearest", "centre"]
    assert views[0].split()[-2:] == ["chance", "50.0%"]
    assert last == "->  inspection/sphere.json  inspection/sphere.png"
    assert written() == ["sphere.json", "sphere.png"]
    document = json.loads(Path("inspection/sphere.json").read_text())
    assert (document["left_out"], document["failures"]) == ({}, [])
    assert {*document["models"][0]["together"]["kinds"]} == {"noise", "rain"}
    with PIL.Image.open("inspection/sphere.png") as picture:
        assert picture.format == "PNG"


@pytest.mark.usefixtures("undrawn")
def test_a_classifier_stands_beside_a_sphere(sphere, tiny_daair):
    assert sphere(tiny_daair).code == 0
    models = json.loads(Path("inspection/sphere.json").read_text())["models"]
    assert [model["vectors"] for model in models] == ["embeddings", "logits"]


@pytest.mark.usefixtures("undrawn")
def test_damages_to_tell_apart_can_be_named(sphere, tiny_system, sets_root):
    ran = sphere(tiny_system / "router", "--kind", "rain", "--kind", "noise")
    assert (ran.code, ran.out) == (2, "")
    assert ran.err.startswith(f"darnet: no kind of {tiny_system / 'router'} called 'rain'")
    ran = sphere("--kind", "rain")
    assert (ran.code, ran.out) == (3, "")
    assert "needs 2 pictures each of at least two kinds" in ran.err
    assert not Path("inspection").exists()
    assert sphere("--kind", "rain", "--kind", "noise").code == 0
    document = json.loads(Path("inspection/sphere.json").read_text())
    assert list(document["models"][0]["pictures"]) == ["rain", "noise"]


@pytest.mark.usefixtures("undrawn")
def test_the_sphere_of_the_pictures_that_can_be_read(sphere, sets_root, tmp_path):
    root = Path(shutil.copytree(sets_root, tmp_path / "sets"))
    (root / "Rain100L" / "input" / "0.png").write_bytes(b"no picture")
    ran = sphere("--data", root)
    assert ran.code == 1
    document = json.loads(Path("inspection/sphere.json").read_text())
    assert document["models"][0]["pictures"]["rain"] == {"CBSD68": 2, "Rain100L": 1}
    assert [failure["name"] for failure in document["failures"]] == ["0.png"]


def test_features_says_and_writes_what_parts_make(features, pictures, tiny_daair):
    picture = pictures("a.png", 20)
    ran = features(picture)
    assert (ran.code, ran.err) == (0, "")
    assert ran.out.splitlines()[:2] == ["encoder1.0    agnostic", "encoder1.0    specialised   noise"]
    assert written() == ["features.json", "features.png"]
    document = json.loads(Path("inspection/features.json").read_text())
    assert (document["model"], document["picture"]) == (str(tiny_daair), str(picture))
    assert (document["size_px"], document["shown_px"]) == ([20, 20], [20, 20])
    assert len(document["maps"]) == 8 * 2 + 3
    assert document["maps"][1]["expert"] == "noise"
    with PIL.Image.open("inspection/features.png") as drawn:
        assert drawn.format == "PNG"


@pytest.mark.usefixtures("undrawn")
def test_of_a_large_picture_the_centre_is_looked_at(features, pictures, monkeypatch):
    from darnet.benchmark import subjects

    monkeypatch.setattr(subjects, "LONGEST_PX", 32)
    ran = features(pictures("large.png", 40))
    assert ran.code == 0
    assert "large.png: warning: 40×40 is large: only its centre is looked at, 32×32" in ran.err
    assert json.loads(Path("inspection/features.json").read_text())["shown_px"] == [32, 32]


@pytest.mark.usefixtures("undrawn")
@pytest.mark.parametrize("command", ["routing", "sphere", "features"])
def test_files_are_replaced_only_on_request(command, routing, sphere, features, pictures):
    def run(*arguments):
        if command == "features":
            return features(pictures("a.png"), *arguments)
        return {"routing": routing, "sphere": sphere}[command](*arguments)

    folder = Path("inspection")
    folder.mkdir()
    (folder / f"{command}.png").write_bytes(b"mine")
    ran = run()
    assert (ran.code, ran.out) == (1, "")
    assert ran.err == f"darnet: inspection/{command}.png: exists already; --overwrite replaces it\n"
    assert written() == [f"{command}.png"]
    assert run("--overwrite").code == 0
    assert (folder / f"{command}.png").read_bytes() == b"drawn"


def test_the_picture_is_never_overwritten(features, pictures):
    picture = pictures("inspection/features.png")
    before = picture.read_bytes()
    ran = features(picture, "--overwrite")
    assert (ran.code, ran.out) == (2, "")
    assert "would be an input" in ran.err
    assert picture.read_bytes() == before


@pytest.mark.parametrize(
    ("network", "code", "said"),
    [("nobody", 2, "no system called 'nobody'"), (".", 4, "no system.json in it")],
)
@pytest.mark.parametrize("command", ["routing", "sphere", "features"])
def test_networks_that_are_not_there(darnet, sets_root, pictures, network, code, said, command):
    given = [pictures("a.png")] if command == "features" else ["--data", sets_root]
    ran = darnet("inspect", command, network, *given)
    assert (ran.code, ran.out) == (code, "")
    assert said in ran.err
    assert len(ran.err.splitlines()) == 1


def test_networks_without_experts_inside(darnet, sets_root, pictures, tiny_system, tiny_plain):
    for network, command in ((tiny_system, "routing"), (tiny_system / "noise", "sphere"), (tiny_plain, "routing")):
        ran = darnet("inspect", command, network, "--data", sets_root)
        assert (ran.code, ran.out) == (2, "")
        assert ran.err.startswith(f"darnet: {network}: does not route")
    ran = darnet("inspect", "features", tiny_system, pictures("a.png"))
    assert (ran.code, ran.err.startswith(f"darnet: {tiny_system}: has no parts")) == (2, True)
    assert not Path("inspection").exists()


def test_bad_requests_end_before_anything_is_looked_at(routing, features, pictures, tmp_path):
    (tmp_path / "empty").mkdir()
    Path("bad.png").write_bytes(b"no picture")
    pictures("file.png")
    for ran, code, said in (
        (routing("--data", tmp_path / "nowhere"), 3, "no such folder of test sets"),
        (routing("--data", tmp_path / "empty"), 3, "none of the sets of suite noise is there"),
        (routing("--device", "tpu"), 2, "--device tpu"),
        (routing("--output", "file.png"), 1, "not a directory"),
        (features("missing.png"), 1, "missing.png: no such file"),
        (features("bad.png"), 1, "bad.png: not a JPEG"),
    ):
        assert (ran.code, ran.out) == (code, "")
        assert said in ran.err
        assert len(ran.err.splitlines()) == 1
    assert not Path("inspection").exists()


def test_damaged_weights(darnet, sets_root, damaged_system):
    ran = darnet("inspect", "routing", damaged_system / "noise", "--data", sets_root)
    assert (ran.code, ran.out) == (4, "")
    assert "sha256" in ran.err


def test_the_extra_is_asked_for_before_the_work(routing, monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    ran = routing()
    assert (ran.code, ran.out) == (2, "")
    assert "darnet[bench]" in ran.err
