"""How much a service takes."""

from __future__ import annotations

import pytest

from darnet.errors import UsageError
from darnet.service.limits import Limits


def test_places_are_those_at_work_and_those_that_wait() -> None:
    assert Limits(workers=3, queue=4).places == 7
    assert Limits(queue=0).places == 1


def test_an_upload_of_a_job_has_as_long_for_its_bytes() -> None:
    whole = Limits(seconds=60, max_bytes=100, job_bytes=250).of_job
    assert (whole.max_bytes, whole.seconds) == (250, 150)
    assert Limits(seconds=60, max_bytes=100, job_bytes=50).of_job.seconds == 60


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"workers": 0}, "`workers=0`: expected at least 1"),
        ({"queue": -1}, "`queue=-1`: expected at least 0"),
        ({"max_bytes": 0}, "`max_bytes=0`: expected at least 1"),
        ({"max_pixels": 0}, "`max_pixels=0`: expected at least 1"),
        ({"jobs": -1}, "`jobs=-1`: expected at least 0"),
        ({"job_files": 0}, "`job_files=0`: expected at least 1"),
        ({"job_bytes": 0}, "`job_bytes=0`: expected at least 1"),
        ({"keep_seconds": 0.0}, "`keep_seconds=0`: expected seconds"),
        ({"seconds": 0.0}, "`timeout=0`: expected seconds"),
        ({"seconds": float("nan")}, "`timeout=nan`: expected seconds"),
        ({"seconds": float("inf")}, "`timeout=inf`: expected seconds"),
    ],
)
def test_what_is_no_limit_is_refused(wrong, said) -> None:
    with pytest.raises(UsageError) as raised:
        Limits(**wrong)
    assert said in str(raised.value)
