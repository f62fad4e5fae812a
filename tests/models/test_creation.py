"""Networks by their names, for those who build their own with darnet's parts."""

from __future__ import annotations

import subprocess
import sys

import pytest
import torch

import darnet
from darnet import registry
from darnet.errors import UnknownNameError, UsageError
from darnet.models.compact import CompactUNet


def test_all_networks_are_listed_and_those_of_other_packages(monkeypatch: pytest.MonkeyPatch) -> None:
    assert darnet.list_models() == sorted(registry.BUILTIN["model"])
    assert darnet.list_models("daair") == ["daair"]
    assert darnet.list_models("nothing*") == []

    class Entry:
        name = "their-unet"

        def load(self) -> type:
            return CompactUNet

    monkeypatch.setattr(registry, "entry_points", lambda group, name="their-unet": [Entry()] * (name == Entry.name))
    assert darnet.list_models("*unet") == ["compact-unet", "deconvolution-unet", "their-unet", "unet"]
    assert isinstance(darnet.create_model("their-unet", width=4), CompactUNet)


def test_the_list_needs_no_torch() -> None:
    source = "import sys, darnet; darnet.list_models(); print('torch' in sys.modules)"
    assert (
        subprocess.run([sys.executable, "-c", source], capture_output=True, text=True, check=True).stdout == "False\n"
    )


def test_a_network_is_made_of_its_arguments() -> None:
    model = darnet.create_model("degradation-classifier", kinds=["clean", "noise"], width=4)
    assert model.kinds == ("clean", "noise")
    assert model(torch.rand(1, 3, 16, 16)).severities.shape == (1, 2)


@pytest.mark.parametrize(
    ("name", "config", "kind", "reason"),
    [
        ("compact-unett", {}, UnknownNameError, "no model called 'compact-unett'; did you mean 'compact-unet'"),
        ("daair", {"kind": ["noise"]}, UnknownNameError, "no argument of daair called 'kind'; did you mean 'kinds'"),
        ("daair", {}, UsageError, r"daair\(\): .*missing .*argument: 'kinds'"),
        ("daair", {"kinds": []}, UsageError, r"daair\(kinds=\[\]\): kinds: "),
        ("unet", {"width": -1}, UsageError, r"unet\(width=-1\): .*negative"),
        ("compact-unet", {"width": 0}, UsageError, r"compact-unet\(width=0\): a layer has no weights"),
        ("slerir", {"kinds": ["noise"], "width": 0}, UsageError, r"slerir\(.*width=0\): "),
        ("compact-unet", {"blocks": 3}, UsageError, r"compact-unet\(blocks=3\): "),
    ],
)
@pytest.mark.filterwarnings("error")
def test_what_makes_no_network_says_why(name: str, config: dict[str, object], kind: type, reason: str) -> None:
    with pytest.raises(kind, match=reason):
        darnet.create_model(name, **config)
