"""darnet experts."""

from __future__ import annotations

import json

import pytest


def test_list(darnet, tiny_system):
    ran = darnet("experts", "list", "--model", tiny_system)
    assert [line.split()[0] for line in ran.out.splitlines()] == ["router", "noise", "blur", "overexposure"]
    rows = json.loads(darnet("experts", "list", "--model", tiny_system, "--json").out)
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


def test_info_on_nobody(darnet, tiny_system):
    ran = darnet("experts", "info", "nois", "--model", tiny_system)
    assert ran.code == 2
    assert "did you mean 'noise'?" in ran.err


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
