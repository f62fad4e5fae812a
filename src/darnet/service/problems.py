"""Problems: every answer that is no success, as a document of RFC 9457; and which status each error of darnet has."""

from __future__ import annotations

import logging
import math
import traceback
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from fastapi import Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse

from darnet.errors import DarnetError, ImageError, ResourceError, TooLargeError, UsageError, WeightsError
from darnet.jobs.job import Done
from darnet.parameters import reworded

LOG = logging.getLogger("darnet.service")
MEDIA_TYPE = "application/problem+json"
#: The client went away before its answer: said to nobody, and counted.
GONE = 499
#: After so long a request that was refused may be tried again.
RETRY_SECONDS = 2
#: What an error of a picture is, by its class; others by their exit code. A picture that takes too much memory is
#: too large for this service.
STATUS = {TooLargeError.__name__: 413, ResourceError.__name__: 413, ImageError.__name__: 422}
STATUS_OF_CODE = {UsageError.exit_code: 422, WeightsError.exit_code: 503, ResourceError.exit_code: 503}
#: What the core calls a parameter, and what a form does.
CALLED = {"kinds": "as", "ext": "format"}
UNEXPECTED = "something went wrong here; the log says where"


class Problem(BaseModel):
    """What every answer but a success holds (RFC 9457)."""

    type: str = "about:blank"
    title: str
    status: int
    detail: str


def refused(status: int, detail: str, headers: Mapping[str, str] | None = None) -> HTTPException:
    """The error that becomes a problem document; one that passes by itself says when to try again.

    >>> refused(429, "16 requests are waiting").headers
    {'Retry-After': '2'}
    """
    again = {"Retry-After": str(math.ceil(RETRY_SECONDS))} if status in (429, 503) else {}
    return HTTPException(status, detail, {**again, **(headers or {})} or None)


def failure(done: Done) -> HTTPException:
    """The problem that a picture's failure is. What nobody expected is noted, without anything of the picture."""
    status = STATUS.get(done.failure) or STATUS_OF_CODE.get(done.exit_code, 500)
    if status == 500:
        places = [line.strip() for line in done.traceback.splitlines() if line.lstrip().startswith("File ")]
        note(done.failure, places[-1] if places else "")
    return refused(status, worded(done.error or "") if status != 500 else UNEXPECTED)


def refusal(error: DarnetError) -> HTTPException:
    """The problem that an error is which was raised before any work."""
    return failure(Done("", error=str(error), exit_code=error.exit_code, failure=type(error).__name__))


def unexpected(error: Exception) -> HTTPException:
    """The problem of what nobody expected, which is noted."""
    frame = traceback.extract_tb(error.__traceback__)[-1]
    note(type(error).__name__, f"{frame.filename}, line {frame.lineno}")
    return refused(500, UNEXPECTED)


def note(failure: str, place: str) -> None:
    """Log what nobody expected: the class of an error and where it was raised, for its text may be a picture's."""
    LOG.error("unexpected %s: %s", failure, place)


def worded(text: str) -> str:
    """A text of the core, with the names that parameters have in a form, and their values as a form writes them.

    >>> worded("`kinds=['fog']`: no expert called 'fog'"), worded("`first=True` takes the first alone")
    ("`as=fog`: no expert called 'fog'", '`first=true` takes the first alone')
    """

    def say(name: str, value: Any) -> str:
        called = CALLED.get(name, name)
        return f"`{called}`" if value is None else f"`{called}={_plain(value)}`"

    return reworded(text, say)


def _plain(value: Any) -> str:
    """As a field of a form says it."""
    if isinstance(value, dict):
        return ",".join(f"{name}={one:g}" for name, one in value.items())
    if isinstance(value, list | tuple):
        return ",".join(map(_plain, value))
    return str(value).lower() if isinstance(value, bool) else str(value)


def document(error: HTTPException) -> Problem:
    """A problem document."""
    title = HTTPStatus(error.status_code).phrase if error.status_code != GONE else "Client Closed Request"
    return Problem(title=title, status=error.status_code, detail=error.detail)


def answer(error: HTTPException) -> JSONResponse:
    """A problem document, as an answer."""
    return JSONResponse(document(error).model_dump(), error.status_code, error.headers, MEDIA_TYPE)


async def on_refusal(request: Request, error: Exception) -> JSONResponse:
    """FastAPI's handler of what was refused: by `refused`, or by FastAPI itself (404, 405)."""
    assert isinstance(error, HTTPException)
    return answer(error)


async def on_invalid(request: Request, error: Exception) -> JSONResponse:
    """FastAPI's handler of parameters that are none."""
    assert isinstance(error, RequestValidationError)
    first = error.errors()[0]
    return answer(refused(422, f"`{'.'.join(map(str, first['loc'][1:]))}`: {first['msg']}"))


def documented(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """What OpenAPI says of these problems."""
    return {status: {"model": Problem, "content": {MEDIA_TYPE: {}}} for status in statuses}
