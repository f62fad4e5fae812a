"""Routes: what a service answers, and how."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fastapi import APIRouter, Request
from pydantic import BaseModel, ConfigDict
from starlette.responses import Response

from darnet.errors import DarnetError
from darnet.service import metrics
from darnet.service.answers import FORM, JSON, PNG, as_form, as_json, as_picture, headers, preferred
from darnet.service.gate import DEADLINE
from darnet.service.options import MASK, Options
from darnet.service.problems import documented, failure, refusal, refused, worded
from darnet.service.submission import Submission, submitted
from darnet.service.views import MAP, View
from darnet.service.work import Order

if TYPE_CHECKING:
    from darnet.jobs.job import Done
    from darnet.restore.result import Treatment
    from darnet.service.limits import Limits
    from darnet.service.metrics import Metrics
    from darnet.service.pool import Pool

router = APIRouter()
#: What every request may be answered, and what those with a picture may be besides.
ALWAYS = (401, 403)
OF_WORK = (*ALWAYS, 400, 408, 413, 415, 422, 429, 500, 503, 504)
FILE_SCHEMA = {"type": "string", "format": "binary"}
DRAWN: dict[int | str, dict[str, Any]] = {200: {"content": {PNG: {"schema": FILE_SCHEMA}}}}
PICTURES: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "The picture, in the format that was asked for. Where `Accept` names that and no picture, JSON,"
        " or a form: `result` as JSON, the picture as `image`, and PNG files of it as it came, `before`, and after each"
        " step, `step-01` and so on.",
        "content": {"image/*": {"schema": FILE_SCHEMA}, JSON: {}, FORM: {}},
        "headers": {
            name: {"schema": {"type": "string"}, "description": what}
            for name, what in {
                "X-Darnet-Plan": "What was to be repaired, in order: a JSON list.",
                "X-Darnet-Experts": "Who repaired it, in order; empty where it was left alone.",
                "X-Darnet-Changed": "true, or false: then the picture is the one that was sent.",
                "X-Darnet-Warnings": "What else is to be known: a JSON list.",
                "Server-Timing": "Milliseconds of each stage.",
            }.items()
        },
    }
}


class Alive(BaseModel):
    """That a service answers."""

    status: str = "ok"


class Part(BaseModel):
    """A part of the system: its router, or the expert for a kind of damage."""

    model_config = ConfigDict(frozen=True)

    role: str
    name: str
    kind: str
    parameters: int | None
    bytes: int
    handles: list[str]


class Listed(BaseModel):
    """Who restores."""

    system: list[Part]


class Diagnosed(BaseModel):
    """What is wrong with a picture: scores by kind, severities, what is present, and the plan."""

    diagnosis: dict[str, Any] | None
    warnings: list[str]


@dataclass(frozen=True)
class Desk:
    """What the routes of a service share. `folder`: for pictures that are at work; `parts`: of the system."""

    pool: Pool
    limits: Limits
    metrics: Metrics
    folder: Path
    parts: Sequence[Part]

    async def done(self, request: Request, order: Order) -> tuple[Path, Treatment]:
        """The file that an order became, and what was done. Raises the problem that its failure is."""
        return self.outcome(order, await self.pool(order, request.scope[DEADLINE], request.is_disconnected))

    def outcome(self, order: Order, done: Done) -> tuple[Path, Treatment]:
        """The file that an order became, which was done, and what was done. Raises the problem that its failure is."""
        self.metrics.worked(done)
        if done.treatment is None or done.error is not None:
            said = (done.error or "").replace(f"{order.output}/", "").replace(f"{order.picture.parent}/", "")
            raise failure(replace(done, error=said))
        warnings = tuple(map(worded, done.treatment.warnings))
        return Path(done.output or ""), replace(done.treatment, warnings=warnings)


def _desk(request: Request) -> Desk:
    desk: Desk = request.app.state.desk
    return desk


@router.post(
    "/v1/restore",
    response_class=Response,
    responses={**PICTURES, **documented(*OF_WORK)},
    openapi_extra=Options.schema_of_form(),
)
async def restore(request: Request) -> Response:
    """Find out what is wrong with a picture, and repair it. The answer is what `darnet restore` writes."""
    desk, wanted = _desk(request), preferred(request.headers.get("accept", ""))
    async with submitted(request, desk.folder) as submission:
        order = order_of(submission, desk.limits.max_pixels, "steps" if wanted == FORM else None)
        written, treatment = await desk.done(request, order)
        if wanted == FORM:
            return as_form(written, treatment, order.views)
        if wanted != JSON:
            return as_picture(written, headers(treatment))
        if written.stat().st_size > desk.limits.max_bytes:
            raise refused(413, f"the picture has more than {desk.limits.max_bytes:,} bytes, and would be held for JSON")
        return await asyncio.to_thread(as_json, written, treatment)


@router.post(
    "/v1/diagnose",
    response_model=Diagnosed,
    responses={**DRAWN, **documented(*OF_WORK)},
    openapi_extra=Options.schema_of_form(only_file=True),
)
async def diagnose(request: Request) -> Any:
    """Say what is wrong with a picture, and what would be repaired; with `Accept: image/png`, draw where it is."""
    desk, drawn = _desk(request), preferred(request.headers.get("accept", "")) == PNG
    async with submitted(request, desk.folder) as submission:
        if submission.fields or submission.masked:
            name = submission.fields[0][0] if submission.fields else MASK
            raise refused(422, f"`{name}`: a diagnosis has no options")
        order = order_of(submission, desk.limits.max_pixels, "map" if drawn else None)
        order = replace(order, job=replace(order.job, dry_run=True, first=True))
        _, treatment = await desk.done(request, order)
        if drawn:
            return as_picture(order.views / MAP, {})
    return Diagnosed(diagnosis=treatment.findings, warnings=list(treatment.warnings))


def order_of(submission: Submission, max_pixels: int, view: View | None = None) -> Order:
    """What a worker is to do. Raises a problem for options that make no sense."""
    try:
        options = Options.of(submission.fields)
        job = options.job(max_pixels, submission.mask)
    except DarnetError as error:
        raise refusal(error) from None
    limits = (options.min_confidence, options.max_steps)
    return Order(submission.picture, submission.output, job, *limits, view)


@router.get("/v1/experts", responses=documented(*ALWAYS))
async def experts(request: Request) -> Listed:
    """Who restores: the router, and an expert for each kind of damage."""
    return Listed(system=list(_desk(request).parts))


@router.get("/health")
async def health() -> Alive:
    """Whether the service lives."""
    return Alive()


@router.get("/ready", responses=documented(503))
async def ready(request: Request) -> Alive:
    """Whether it takes pictures: the weights are loaded, and it is not shutting down."""
    if (reason := _desk(request).pool.ready) is not None:
        raise refused(503, reason)
    return Alive()


@router.get("/metrics", response_class=Response, responses=documented(*ALWAYS))
async def written_metrics(request: Request) -> Response:
    """What is counted, as Prometheus reads it."""
    return Response(_desk(request).metrics.text(), media_type=metrics.CONTENT_TYPE)
