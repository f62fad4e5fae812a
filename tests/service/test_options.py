"""What a form says besides its picture."""

from __future__ import annotations

import pytest

from darnet import Strength
from darnet.errors import UnknownNameError, UsageError
from darnet.jobs import Encoding, Job
from darnet.service.options import Options


def test_a_form_means_a_job() -> None:
    fields = [("as", "noise, jpeg"), ("as", "blur"), ("strength", "noise=0.5"), ("chroma", "0.3"), ("format", "webp")]
    fields += [("quality", "80"), ("metadata", "strip"), ("icc", "srgb"), ("bit_depth", "8"), ("first", "true")]
    encoding = Encoding("webp", 80, "8", "strip", "srgb")
    kinds = ("noise", "jpeg", "blur")
    meant = Job(kinds, Strength({"noise": 0.5}, chroma=0.3), encoding, max_pixels=7, first=True)
    assert Options.of(fields).job(7) == meant
    assert Options.of([]).job(7) == Job(max_pixels=7)


def test_limits_are_those_of_the_restorer() -> None:
    options = Options.of([("max_steps", "2"), ("min_confidence", "0.4")])
    assert (options.max_steps, options.min_confidence) == (2, 0.4)


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ([("max_steps", "0")], "`max_steps='0'`"),
        ([("min_confidence", "nan")], "`min_confidence='nan'`"),
        ([("luma", "2")], "`luma='2'`"),
        ([("first", "perhaps")], "`first='perhaps'`"),
        ([("quality", "80.5")], "`quality='80.5'`"),
        ([("metadata", "some")], "`metadata='some'`"),
        ([("strength", "1"), ("strength", "1")], "`strength`: given twice"),
        ([("as", "noise"), ("min_confidence", "0.5")], "`min_confidence`: chooses among what is found"),
    ],
)
def test_what_makes_no_sense_names_the_field(fields, said) -> None:
    with pytest.raises(UsageError) as raised:
        Options.of(fields)
    assert said in str(raised.value)


@pytest.mark.parametrize("name", ["file", "mask"])
def test_a_file_is_no_text(name) -> None:
    with pytest.raises(UsageError, match=f"`{name}`: expected a file, not text"):
        Options.of([(name, "a.png")])


@pytest.mark.parametrize("name", ["kinds", "qualty"])
def test_what_there_is_not_is_refused(name) -> None:
    with pytest.raises(UnknownNameError, match=f"no option called '{name}'"):
        Options.of([(name, "1")])


def test_the_schema_has_every_option() -> None:
    schema = Options.schema_of_form()["requestBody"]["content"]["multipart/form-data"]["schema"]
    assert {*schema["properties"]} == {"file", "mask", *Options.names()}
    assert schema["required"] == ["file"]
    assert all(field["description"] for field in schema["properties"].values())
    only = Options.schema_of_form(only_file=True)["requestBody"]["content"]["multipart/form-data"]["schema"]
    assert {*only["properties"]} == {"file"}
