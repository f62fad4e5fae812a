"""Every registered network keeps the contract of `darnet.testing`."""

from __future__ import annotations

import itertools
import json
import subprocess
import sys

import pytest
import torch

from darnet import registry
from darnet.errors import ContractError
from darnet.models.base import Context, Model
from darnet.models.unet import UNet
from darnet.testing import check_is_final, check_model, tensors

SLERIR: dict[str, object] = {
    "experts": 3,
    "width": 4,
    "blocks": [1] * 8,
    "heads": [1, 1, 2, 2],
    "expansion": 1.5,
    "patch": 1,
    "dimension": 8,
    "temperature": 1.0,
    "masked": False,  # else an expert that is nobody's best gets no gradient
    "momentum": 0.9,
    "crop_px": 16,
    "encoder": "convolutional",
    "degradation": {"width": 4},
    "content": {"width": 2},
    "fusion": 8,
    "guided": ["latent", "decoder1"],
    "selection": "spherical",
    "kinds": [],
    "positions": False,
    "wide": False,
}
#: Small enough to run, and every knob set to something.
SMALL: dict[str, list[dict[str, object]]] = {
    "compact-unet": [{"width": 4, "blocks": [1, 1, 1]}, {"width": 4, "blocks": [1, 1], "thumbnail_px": 16}],
    "daair": [
        {"kinds": ["noise", "rain"], "width": 4, "blocks": [1, 1, 1, 2, 1, 1, 1, 1], "expansion": 2, "rank_divisor": 2},
        {
            "kinds": ["noise"],
            "width": 4,
            "blocks": [1] * 8,
            "expansion": 0,
            "lean": True,
            "rank_divisor": 2,
            "patch": 2,
        },
        {
            "kinds": ["noise", "rain"],
            "width": 4,
            "blocks": [1] * 8,
            "expansion": 2,
            "rank_divisor": 2,
            "residual": "features",
            "weighted": True,
            "whole": True,
        },
    ],
    "deconvolution-unet": [{"width": 4, "blocks": [1, 1], "spectrum_width": 2}],
    "degradation-classifier": [
        {"kinds": ["clean", "noise"], "width": 4},
        {"kinds": ["clean", "noise"], "width": 4, "thumbnail_px": 16},
        {"kinds": ["clean", "noise"], "width": 4, "blocks": 2},
        {"kinds": ["clean", "noise"], "width": 4, "tones": False},
    ],
    "slerir": [
        SLERIR,
        {**SLERIR, "fusion": 0, "experts": 1, "masked": True, "expansion": 0, "lean": True},
        {**SLERIR, "selection": "classifier", "kinds": ["noise", "rain"]},
        {**SLERIR, "positions": True, "wide": True},
    ],
    "unet": [{"width": 4, "depth": 2}],
}
CASES = [(kind, config) for kind in registry.BUILTIN["model"] for config in SMALL[kind]]
#: Each knob: (network, config, changed config).
KNOBS: list[tuple[str, dict[str, object], dict[str, object]]] = [
    ("compact-unet", SMALL["compact-unet"][0], {"width": 8, "blocks": [1, 1, 1]}),
    ("compact-unet", SMALL["compact-unet"][0], {"width": 4, "blocks": [1, 2, 1]}),
    ("compact-unet", SMALL["compact-unet"][0], {"width": 4, "blocks": [1, 1, 1], "thumbnail_px": 16}),
    ("compact-unet", SMALL["compact-unet"][0], {"width": 4, "blocks": [1, 1, 1], "patch": 4}),
    *(
        ("daair", SMALL["daair"][0], {**SMALL["daair"][0], **changed})
        for changed in (
            {"kinds": ["noise"]},
            {"width": 8},
            {"blocks": [1] * 8},
            {"heads": [2, 2, 4, 8]},
            {"expansion": 2.5},
            {"expansion": 0},
            {"rank_divisor": 4},
            {"kernel": 5},
            {"patch": 2},
            {"lean": True},
            {"specialised": False},
            {"agnostic": False, "controller": False},
            {"controller": False},
            {"whole": True},
        )
    ),
    ("deconvolution-unet", SMALL["deconvolution-unet"][0], {"width": 8, "blocks": [1, 1], "spectrum_width": 2}),
    ("deconvolution-unet", SMALL["deconvolution-unet"][0], {"width": 4, "blocks": [1, 1], "spectrum_width": 4}),
    ("degradation-classifier", SMALL["degradation-classifier"][0], {"kinds": ["clean"], "width": 4}),
    ("degradation-classifier", SMALL["degradation-classifier"][0], {"kinds": ["clean", "noise"], "width": 8}),
    ("degradation-classifier", SMALL["degradation-classifier"][0], SMALL["degradation-classifier"][1]),
    ("degradation-classifier", SMALL["degradation-classifier"][0], SMALL["degradation-classifier"][2]),
    ("degradation-classifier", SMALL["degradation-classifier"][0], SMALL["degradation-classifier"][3]),
    *(
        ("slerir", SLERIR, {**SLERIR, name: value})
        for name, value in {
            "experts": 2,
            "width": 8,
            "blocks": [1, 1, 1, 2, 1, 1, 1, 1],
            "heads": [2, 1, 2, 2],
            "expansion": 2,
            "patch": 2,
            "lean": True,
            "dimension": 4,
            "degradation": {"width": 6},
            "content": {"width": 4},
            "fusion": 16,
            "guided": ["latent"],
            "selection": "classifier",
            "kinds": ["noise", "rain"],
            "positions": True,
            "wide": True,
        }.items()
    ),
    ("unet", SMALL["unet"][0], {"width": 8, "depth": 2}),
    ("unet", SMALL["unet"][0], {"width": 4, "depth": 3}),
]


@pytest.mark.parametrize(("kind", "config"), CASES)
def test_the_contract(kind: str, config: dict[str, object]) -> None:
    check_model(registry.find("model", kind)(**config), kind=kind, config=config)


@pytest.mark.parametrize(("kind", "config", "changed"), KNOBS)
def test_a_knob_turns_something(kind: str, config: dict[str, object], changed: dict[str, object]) -> None:
    shapes = [
        {name: tuple(weight.shape) for name, weight in registry.find("model", kind)(**c).state_dict().items()}
        for c in (config, changed)
    ]
    assert shapes[0] != shapes[1]


@pytest.mark.parametrize(("kind", "config"), CASES)
def test_networks_build_on_the_meta_device(kind: str, config: dict[str, object]) -> None:
    with torch.device("meta"):
        model: Model = registry.find("model", kind)(**config)
        output = model(torch.empty(2, 3, 8 * model.multiple_of, 8 * model.multiple_of))
    assert all(tensor.is_meta for tensor in tensors(output))


@pytest.mark.parametrize(("kind", "config"), CASES)
def test_an_image_is_float32_whatever_the_autocast(kind: str, config: dict[str, object]) -> None:
    model: Model = registry.find("model", kind)(**config).eval()
    pictures = torch.rand(1, 3, 8 * model.multiple_of, 8 * model.multiple_of)
    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16):
        image = model(pictures).image
    assert image is None or image.dtype == torch.float32


COUNTER = itertools.count()


class Broken(Model):
    """Breaks one clause of the contract at a time."""

    def __init__(self, fault: str) -> None:
        super().__init__()
        self.fault = fault
        self.not_saved = next(COUNTER)
        self.stages = ("nowhere",) if fault == "stages" else ()
        self.layer, self.unused = torch.nn.Conv2d(3, 3, 1), torch.nn.Conv2d(3, 3, 1)

    def encode(self, views: torch.Tensor) -> Context:
        return Context({"views": views})

    def forward(self, degraded: torch.Tensor, context: Context | None = None, box: torch.Tensor | None = None):
        from darnet.models.base import Output

        image = self.layer(degraded) + (0 if self.fault == "unused" else self.unused(degraded))
        if self.fault == "state":
            self.remembered = image
        if self.fault == "random":
            image = image + torch.rand(1)
        if self.fault == "batch":
            image = image - image.mean()
        if self.fault == "card":
            image = image + self.not_saved
        return Output(image)


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ("unused", "gets no gradient"),
        ("state", "leaves state"),
        ("stages", "where each routing"),
        ("random", "second time"),
        ("batch", "one by one"),
        ("card", "loading changes the answer"),
    ],
)
def test_the_contract_catches_what_it_is_for(fault: str, message: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "find", lambda group, name: Broken)
    with pytest.raises(ContractError, match=message):
        check_model(Broken(fault), kind="broken", config={"fault": fault})


def test_the_contract_catches_what_is_not_final() -> None:
    class Deeper(UNet):
        pass

    class Looking(Model):
        def look(self, pictures: torch.Tensor) -> Context:
            return Context()

    with pytest.raises(ContractError, match="Deeper derives from UNet, which is not abstract"):
        check_model(Deeper(4, 2), kind="unet", config={"width": 4, "depth": 2})
    with pytest.raises(ContractError, match=r"Looking overrides Model\.look"):
        check_is_final(Looking)


def test_networks_are_built_without_weights_before_torch_imports_its_compiler() -> None:
    """It would to do arithmetic on the meta device, and its import takes longer than all else that loading does."""
    source = (
        "import json, sys; from darnet import registry; from darnet.models.meta import on_meta\n"
        "for kind, configs in json.loads(sys.argv[1]).items():\n"
        "    for config in configs:\n"
        "        on_meta(registry.find('model', kind), config)\n"
        "        found = {'torch._dynamo', 'sympy'} & {*sys.modules}\n"
        "        assert not found, (kind, found)\n"
    )
    command = [sys.executable, "-c", source, json.dumps(SMALL)]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr


@pytest.mark.parametrize(
    ("name", "config"), [(name, config) for name, configs in SMALL.items() for config in configs if config.get("kinds")]
)
def test_one_kind_may_be_a_plain_string(name: str, config: dict[str, object]) -> None:
    """It was a network of one kind a letter."""
    make = registry.find("model", name)
    one, listed = (make(**config | {"kinds": kinds}) for kinds in ("noise", ["noise"]))
    assert one.kinds == listed.kinds == ("noise",)
    one.load_state_dict(listed.state_dict())
