"""darnet.jobs.settings: what decides what a picture becomes, and what does not."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from darnet import RestorerSpec, restore_many
from darnet.jobs import Encoding, Job
from darnet.jobs.settings import Settings

USUAL = Job()


@pytest.fixture
def folder(pictures) -> None:
    for seed, name in enumerate("abc"):
        pictures(f"in/{name}.png", seed=seed)


def outcomes(spec: RestorerSpec, job: Job = USUAL, output: str = "out") -> set[str]:
    done = restore_many("in", output, spec, job)
    return {"already" if one.already else "restored" if one.error is None else one.error for one in done}


def test_weights_and_mask_are_settings_where_they_lie_is_not(folder, spec, tiny_clean_system, tmp_path, pictures):
    outcomes(spec)
    moved = Path(shutil.copytree(spec.system, tmp_path / "moved"))
    assert outcomes(spec.model_copy(update={"system": str(moved)})) == {"already"}
    assert outcomes(spec.model_copy(update={"system": str(tiny_clean_system)})) == {"restored"}
    masked = Job(mask=str(pictures("mask.png", grey=True)))
    assert outcomes(spec, masked) == {"restored"}
    assert outcomes(spec, masked) == {"already"}
    pictures("mask.png", grey=True, seed=1)
    assert outcomes(spec, masked) == {"restored"}


def test_what_only_chooses_pictures_is_no_setting(spec):
    job = Job(recursive=True, overwrite=True, fail_fast=True, dry_run=True, max_pixels=5)
    assert Settings.of(job, spec).digest == Settings.of(Job(), spec).digest
    assert Settings.of(Job(encoding=Encoding("webp")), spec).digest != Settings.of(Job(), spec).digest
