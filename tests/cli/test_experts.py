"""darnet experts."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from tests.restore.experts.test_foreign import checkpoint, graph

from darnet.images.image import Image


def test_list(darnet, tiny_system):
    ran = darnet("experts", "list", "--model", tiny_system)
    *parts, available = ran.out.splitlines()
    assert [line.split()[0] for line in parts] == ["router", "noise", "blur", "overexposure"]
    assert available.startswith("by name: ") and "median" in available
    document = json.loads(darnet("experts", "list", "--model", tiny_system, "--json").out)
    assert "median" in document["available"]
    rows = document["system"]
    assert rows[1]["kind"] == "compact-unet"
    assert rows[1]["parameters"] > 0
    assert rows[1]["bytes"] > 0
    assert rows[1]["handles"] == ["noise"]


def test_info(darnet, tiny_system):
    text = darnet("experts", "info", "noise", "--model", tiny_system).out
    card = json.loads(darnet("experts", "info", "noise", "--model", tiny_system, "--json").out)
    assert card["role"] == "noise"
    for fact in (card["sha256"], "CC0-1.0", f"{card['parameters']:,}", "30.5", "MB"):
        assert fact in text


def test_info_tells_scores_in_a_line(darnet, tiny_system):
    from darnet.models import cards

    card = cards.read_card(tiny_system / "noise")
    scores = {
        "CBSD68 15": {"psnr": 33.785, "psnr_interval": [33.32, 34.28], "ssim": 0.9326, "n": 68, "protocol": "promptir"},
        "CBSD68 and McMaster": {"pictures": 2150, "accuracy": 0.9707},
        "of somebody else": {"lpips": 0.2},
    }
    cards.write_card(card.model_copy(update={"scores": scores}), tiny_system / "noise")
    lines = darnet("experts", "info", "noise", "--model", tiny_system).out.splitlines()
    assert "CBSD68 15       33.78 dB (33.32 to 34.28) SSIM 0.933 on 68 pictures" in lines
    assert "CBSD68 and McMaster 97.1 % right on 2150 pictures" in lines
    assert 'of somebody else {"lpips": 0.2}' in lines


@pytest.mark.usefixtures("in_this_process")
@pytest.mark.parametrize("part", ["noise", "router"])
def test_the_cost_of_a_part_stands_below_its_card(darnet, tiny_system, part):
    card, text = (darnet("experts", "info", part, "--model", tiny_system, *more) for more in ((), ("--cost",)))
    assert text.code == 0
    assert text.out.startswith(card.out)
    assert [line.split()[0] for line in text.out[len(card.out) :].splitlines()] == ["256×256", "512×512", "MB"]
    document = json.loads(darnet("experts", "info", part, "--cost", "--json", "--model", tiny_system).out)
    assert document["cost"]["parameters"] == document["parameters"]
    assert [at["size_px"] for at in document["cost"]["sizes"]] == [256, 512]


@pytest.mark.usefixtures("in_this_process")
def test_a_network_costs_what_its_defaults_take(darnet):
    ran = darnet("experts", "info", "degradation-classifier")
    assert ran.code == 0
    title, count = ran.out.splitlines()[:2]
    assert title.split()[:2] == ["network", "degradation-classifier"] and "lowlight" in title
    document = json.loads(darnet("experts", "info", "degradation-classifier", "--json").out)
    assert f"{document['cost']['parameters']:,}" in count
    assert document["network"] == "degradation-classifier"
    assert len(document["config"]["kinds"]) == 5


def test_what_is_no_network_has_no_cost(darnet, system):
    darnet("experts", "add", "median", "--as", "salt", "--model", system)
    ran = darnet("experts", "info", "salt", "--cost", "--model", system)
    assert (ran.code, ran.out) == (2, "")
    assert ran.err == "darnet: --cost: salt is no network of darnet's but median\n"


def test_info_on_nobody(darnet, tiny_system):
    ran = darnet("experts", "info", "nois", "--model", tiny_system)
    assert ran.code == 2
    assert "did you mean 'noise'?" in ran.err
    assert "daair" in ran.err  # a network would do as well


def test_verify(darnet, tiny_system, damaged_system):
    assert (
        darnet("experts", "verify", "--model", tiny_system).out == "router  ok\nnoise  ok\nblur  ok\noverexposure  ok\n"
    )
    ran = darnet("experts", "verify", "--model", damaged_system)
    assert ran.code == 4
    assert ran.out == "router  ok\nblur  ok\noverexposure  ok\n"
    assert "noise" in ran.err and "damaged" in ran.err


@pytest.mark.parametrize("command", [("list",), ("info", "noise"), ("verify",)])
def test_unknown_and_broken_systems(darnet, tmp_path, command):
    assert darnet("experts", *command, "--model", "nobody").code == 2
    assert darnet("experts", *command, "--model", tmp_path).code == 4


@pytest.fixture
def system(tiny_system, tmp_path):
    """A copy that may be changed."""
    return shutil.copytree(tiny_system, tmp_path / "system")


def test_an_expert_is_added_used_and_removed(darnet, pictures, system):
    ran = darnet("experts", "add", "median", "--as", "salt", "--model", system)
    assert (ran.code, ran.out) == (0, f"{system}\n")
    assert "router does not know it" in ran.err
    assert "median" in darnet("experts", "list", "--model", system).out
    assert "median {}" in darnet("experts", "info", "salt", "--model", system).out
    assert "salt  ok" in darnet("experts", "verify", "--model", system).out
    ran = darnet("restore", pictures("a.png"), "--as", "salt", "--model", system)
    assert ran.code == 0 and "salt" in ran.out
    assert darnet("experts", "remove", "salt", "--model", system).code == 0
    assert "salt" not in darnet("experts", "list", "--model", system).out
    assert "salt" in darnet("experts", "rollback", "--model", system).out


def test_what_ships_is_not_changed_and_is_called_a_system(darnet):
    """It once began with "darnet: darnet: "."""
    ran = darnet("experts", "remove", "noise")
    assert (ran.code, ran.out) == (2, "")
    assert ran.err.startswith("darnet: the system darnet ships, and is not changed; ")


def test_a_checkpoint_and_a_graph_restore_a_picture(darnet, pictures, system, tmp_path):
    checkpoint(tmp_path / "net.pth")
    graph(tmp_path / "half.onnx")
    for kind, file in (("grain", "net.pth"), ("glare", "half.onnx")):
        assert darnet("experts", "add", tmp_path / file, "--as", kind, "--model", system).code == 0
        (tmp_path / file).unlink()  # the system has a copy
        ran = darnet("restore", pictures(f"{kind}.png", 40), "--as", kind, "--model", system)
        assert ran.code == 0, ran.err
    before, after = (Image.read(Path(name)).array for name in ("glare.png", "glare.restored.png"))
    assert abs(after.astype(float) - before / 2).max() <= 0.5
    assert darnet("experts", "info", "glare", "--model", system).out.count("half.onnx") == 1


def test_a_file_that_changed_is_found(darnet, system, tmp_path):
    darnet("experts", "add", graph(tmp_path / "half.onnx"), "--as", "glare", "--model", system)
    graph(system / "glare" / "half.onnx", factor=0.4)
    ran = darnet("experts", "verify", "--model", system)
    assert ran.code == 4 and "half.onnx" in ran.err


@pytest.mark.parametrize(
    "arguments",
    [("add", "median", "--as", "noise"), ("add", "nobody", "--as", "salt"), ("add", "median"), ("remove", "nobody")],
)
def test_usage(darnet, system, arguments):
    before = (system / "system.json").read_bytes()
    assert darnet("experts", *arguments, "--model", system).code == 2
    assert (system / "system.json").read_bytes() == before


def test_a_router_is_replaced_and_never_removed(darnet, system):
    assert "router" not in darnet("experts", "remove", "--help").out.partition("Options")[0]
    ran = darnet("experts", "remove", "router", "--model", system)
    assert ran.code == 2 and "no expert called 'router'" in ran.err


def test_what_ships_is_not_changed(darnet):
    for arguments in (("add", "median", "--as", "salt"), ("remove", "noise"), ("rollback",)):
        ran = darnet("experts", *arguments)
        assert ran.code == 2 and "--output" in ran.err
