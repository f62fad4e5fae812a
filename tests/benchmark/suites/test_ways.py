"""The ways that photos take before a method sees them."""

from __future__ import annotations

import io
import json
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
import torch

from darnet.benchmark import suites
from darnet.benchmark.cases import damaged
from darnet.benchmark.cases import severities as severities_of
from darnet.benchmark.peers import PEERS
from darnet.benchmark.protocol import PROTOCOLS
from darnet.benchmark.suite import Request
from darnet.benchmark.suites.ways import BESIDE, WAYS, cases
from darnet.errors import NoInputError, UsageError
from darnet.images.metrics import psnr

PROMPTIR = PROTOCOLS["promptir"]


def in_a_file(pixels: torch.Tensor, quality: int) -> torch.Tensor:
    levels = (pixels.clamp(0, 1) * 255).round().to(torch.uint8).permute(1, 2, 0).numpy()
    file = io.BytesIO()
    PIL.Image.fromarray(levels).save(file, "JPEG", quality=quality, subsampling="4:2:0")
    return torch.from_numpy(np.array(PIL.Image.open(file))).permute(2, 0, 1) / 255


def decibels(first: torch.Tensor, second: torch.Tensor) -> float:
    return float(psnr(first[None], second[None]))


@pytest.mark.parametrize("suite", WAYS)
def test_every_row_of_a_suite_is_another(suite: str, sets_root: Path) -> None:
    found = cases(suite, sets_root)
    assert len({(case.kind, case.severity, case.way, case.name) for case in found}) == len(found)
    assert len(found) == 3 * len(WAYS[suite])
    assert len(cases(suite, sets_root, limit=1)) == len(WAYS[suite])
    for case in found:
        assert case.kinds == (case.kind,)
        assert severities_of(case.kind)


@pytest.mark.parametrize("suite", WAYS)
def test_what_is_given_is_what_a_file_holds(suite: str, sets_root: Path) -> None:
    for case in cases(suite, sets_root, limit=1):
        observed, clean = case.load(PROMPTIR)
        assert observed.shape == clean.shape
        assert torch.equal(observed, case.load(PROMPTIR).observed)
        levels = observed * 255
        assert float((levels - levels.round()).abs().max()) < 1e-3
        assert 8 < decibels(observed, clean) < 45


def test_stored_noise_is_that_of_the_suite_of_noise_in_a_jpeg_file(sets_root: Path) -> None:
    stored = cases("stored", sets_root, limit=1)[0]
    (plain, *_) = damaged(severities_of("noise")[0], sets_root, "CBSD68", 1)
    for protocol in (PROMPTIR, PROTOCOLS["kair"]):
        noisy = plain.load(PROTOCOLS["rain-y"] if protocol.crop_multiple == 1 else protocol).observed
        file = in_a_file(noisy, 85)
        observed = stored.load(protocol).observed
        assert decibels(observed, file) > decibels(observed, noisy) + 3  # floor and round differ by half a level
        if protocol.crop_multiple == 1:
            assert torch.equal(observed, file)


def test_a_grey_protocol_gets_grey_noise_before_the_file(sets_root: Path) -> None:
    observed = cases("stored", sets_root, limit=1)[0].load(PROTOCOLS["darnet"]).observed
    assert float((observed - observed.mean(dim=0)).abs().max()) < 1.5 / 255


def test_sets_must_be_photos_that_are_there(sets_root: Path) -> None:
    with pytest.raises(UsageError, match="no set of suite stored called 'PolyU'"):
        cases("stored", sets_root, ("PolyU",))
    with pytest.raises(NoInputError, match="Kodak24"):
        cases("stored", sets_root, ("Kodak24",))


@pytest.mark.usefixtures("in_this_process")
def test_the_suite(sets_root: Path, tiny_system: Path) -> None:
    names = suites.with_peers("stored", (str(tiny_system),))
    assert names == (str(tiny_system), *BESIDE["stored"])
    document = suites.run(Request("stored", sets_root, names, limit=1))
    json.dumps(document.to_dict(), allow_nan=False)
    assert document.failures == ()
    assert document.left_out == {}
    rows = {(gain.method, gain.kind, gain.way): gain for gain in document.found.gains}
    assert rows["divide", "overexposure", "JPEG 85"].gain_db > 3
    assert rows["wiener-jpeg", "blur", "disk of 3 px"].told == "kernel"
    assert ("wiener-jpeg", "noise", "JPEG 85") not in rows
    assert rows[str(tiny_system), "noise", "JPEG 85"].found == 1
    text = suites.markdown(document)
    assert "| CBSD68 | noise 15, JPEG 85 |" in text
    assert "| CBSD68 | blur, disk of 3 px, JPEG 85 |" in text


def test_who_stands_beside_is_known() -> None:
    assert {name for names in BESIDE.values() for name in names} <= {*PEERS}
    assert suites.find("exposure").peers == ()
