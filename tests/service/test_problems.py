"""Which status each error has, and how it is told."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from darnet import errors
from darnet.jobs.job import Done
from darnet.service.problems import answer, failure, refusal, refused, worded


def tree(error: type[Exception] = errors.DarnetError) -> Iterator[type[Exception]]:
    yield error
    for one in error.__subclasses__():
        yield from tree(one)


def test_every_error_of_the_tree_has_a_status() -> None:
    """Those of darnet alone: 500 is for what nobody expects of a picture."""
    ours = [error for error in tree() if error.__module__ == "darnet.errors"]
    assert len(ours) >= 11
    found = {
        error.__name__: failure(
            Done("a", error="x", exit_code=error.exit_code, failure=error.__name__)  # type: ignore[attr-defined]
        ).status_code
        for error in ours
    }
    assert found == {
        **{"TooLargeError": 413, "ResourceError": 413, "ImageError": 422, "WeightsError": 503},
        **dict.fromkeys(("UsageError", "RecipeError", "UnknownNameError", "MissingPackageError", "ContractError"), 422),
        **{"DarnetError": 500, "NoInputError": 500, "ServiceError": 500},
    }


def test_memory_that_runs_out_at_work_passes_by_itself() -> None:
    lost = failure(Done("a", error="out of memory", exit_code=5, failure="RuntimeError"))
    assert (lost.status_code, lost.headers) == (503, {"Retry-After": "2"})


def test_what_nobody_expected_is_noted_without_its_text(caplog) -> None:
    trace = 'Traceback\n  File "/darnet/work.py", line 7, in done\n    x\nValueError: secret.png'
    problem = failure(
        Done("a", error="unexpected ValueError: secret.png", exit_code=1, traceback=trace, failure="ValueError")
    )
    assert problem.status_code == 500
    assert "secret" not in problem.detail + caplog.text
    assert 'unexpected ValueError: File "/darnet/work.py", line 7' in caplog.text


def test_names_are_those_of_a_form() -> None:
    error = errors.UnknownNameError("expert", "fogg", ["noise"], where="`kinds=['fogg']`")
    assert refusal(error).detail.startswith("`as=fogg`: no expert")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("has 2 pages: `first=True` takes the first alone", "has 2 pages: `first=true` takes the first alone"),
        ("`kinds=['noise', 'jpeg']`: twice", "`as=noise,jpeg`: twice"),
        ("`kinds`: none", "`as`: none"),
        ("`strength={'noise': 0.5}`: of", "`strength=noise=0.5`: of"),
        ("`ext='psd'`: expected", "`format=psd`: expected"),
        ("`luma='2'`: less than", "`luma=2`: less than"),
        ("`max_memory='2 GB'`: a", "`max_memory=2 GB`: a"),
        (r"\`kinds=['x']\`.png: cannot be read", "`kinds=['x']`.png: cannot be read"),
    ],
)
def test_values_are_those_of_a_form(text, said) -> None:
    assert worded(text) == said


@pytest.mark.parametrize("status", [400, 401, 403, 404, 405, 408, 413, 415, 422, 429, 499, 500, 503, 504])
def test_a_problem_is_a_document(status) -> None:
    got = answer(refused(status, "why"))
    document = json.loads(bytes(got.body))
    assert (got.media_type, document["status"], document["detail"]) == ("application/problem+json", status, "why")
    assert document["type"] == "about:blank"
    assert document["title"]
    assert ("retry-after" in got.headers) == (status in (429, 503))
