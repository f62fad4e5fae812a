"""Routes of jobs: many pictures are sent at once, and come back one by one or as one file."""

from __future__ import annotations

import asyncio
import shutil
from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from tempfile import mkdtemp
from typing import TYPE_CHECKING, Annotated, Any, Literal

from fastapi import APIRouter, Header, Request
from pydantic import BaseModel
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response, StreamingResponse

from darnet.images.formats import SIGNATURE_BYTES
from darnet.service import archives, events
from darnet.service.answers import as_picture, headers, media_type
from darnet.service.batches import Batch, Batches, BatchState, Item, State
from darnet.service.forms import Form, received
from darnet.service.gate import JOBS
from darnet.service.options import FILE, MASK, Options
from darnet.service.problems import Problem, document, documented, refused
from darnet.service.routes import ALWAYS, PICTURES, Desk, order_of
from darnet.service.submission import check_begins

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send

router = APIRouter(prefix=JOBS)
#: What whatever is asked of a job may be answered, and where it is to be done for that.
OF_JOB = (*ALWAYS, 404)
OF_DONE = (*OF_JOB, 409)
#: What OpenAPI calls whatever is asked of one.
OPERATIONS = ("job", "job_events", "job_file", "job_zip", "job_cancel")
_LINKED: dict[str, Any] = {
    name: {"operationId": name, "parameters": {"id": "$response.body#/id"}} for name in OPERATIONS
}
_LINKED["job_file"]["parameters"]["number"] = "1"
_ACCEPTED: dict[int | str, dict[str, Any]] = {
    202: {
        "headers": {"Location": {"schema": {"type": "string"}, "description": "Where the job is asked for."}},
        "links": _LINKED,
    },
}
_CONTENT = {"image/*": PICTURES[200]["content"]["image/*"]}
_PICTURE: dict[int | str, dict[str, Any]] = {
    200: {**PICTURES[200], "description": "The picture.", "content": _CONTENT},
}


class FileState(BaseModel):
    """What became of a picture. `href`, and all below: of one that is done; `problem`: of one that failed."""

    number: int
    name: str
    state: State
    href: str | None = None
    media_type: str | None = None
    bytes: int | None = None
    plan: list[dict[str, Any]] | None = None
    experts: list[str] | None = None
    changed: bool | None = None
    warnings: list[str] | None = None
    problem: Problem | None = None

    @classmethod
    def of(cls, batch: Batch, item: Item, state: State | None = None) -> FileState:
        """As it is, or was when it had that state."""
        told = cls(number=item.number, name=item.name, state=state or item.state)
        if told.state == "failed" and item.problem is not None:
            told.problem = document(item.problem)
        if told.state == "done" and item.treatment is not None and item.written is not None:
            told.href, told.media_type = f"{JOBS}/{batch.id}/files/{item.number}", media_type(item.written)
            told.bytes = item.size
            told.plan = [repair.to_dict() for repair in item.treatment.plan]
            told.experts, told.changed = list(item.treatment.experts), item.treatment.changed
            told.warnings = list(item.treatment.warnings)
        return told


class JobState(BaseModel):
    """What became of a job: `done` says that each of its pictures is, or has failed."""

    id: str
    state: BatchState
    events: str
    zip: str
    files: list[FileState]

    @classmethod
    def of(cls, batch: Batch) -> JobState:
        """As it is."""
        here = f"{JOBS}/{batch.id}"
        files = [FileState.of(batch, item) for item in batch.items]
        return cls(id=batch.id, state=batch.state, events=f"{here}/events", zip=f"{here}/zip", files=files)


class Event(BaseModel):
    """An event of a job: the JSON of a `file`, or the `end` with the job's state."""

    id: str
    event: Literal["file", "end"]
    data: str


class Ended(BaseModel):
    """The data of the last event of a job."""

    id: str
    state: BatchState


def _batches(request: Request) -> Batches:
    batches: Batches = request.app.state.batches
    return batches


def _form() -> dict[str, Any]:
    """What OpenAPI says of a form with many pictures."""
    form = deepcopy(Options.schema_of_form())
    properties = form["requestBody"]["content"]["multipart/form-data"]["schema"]["properties"]
    del properties[MASK]  # which fits one picture
    properties[FILE] = {"type": "array", "minItems": 1, "items": properties[FILE], "description": "The pictures."}
    return form


@router.post(
    "",
    status_code=202,
    response_model=JobState,
    response_model_exclude_none=True,
    responses={**_ACCEPTED, **documented(*ALWAYS, 400, 408, 413, 422, 429, 500, 503)},
    openapi_extra=_form(),
)
async def begin(request: Request) -> Response:
    """Restore many pictures, all with the same options; they are done beside single requests."""
    desk: Desk = request.app.state.desk
    folder = Path(mkdtemp(dir=desk.folder))
    try:
        form = await received(request, folder, desk.limits)
        items = await asyncio.to_thread(_items, form, desk.limits.max_pixels)
        batch = _batches(request).begin(folder, items)
    except BaseException:
        await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)
        raise
    state = JobState.of(batch).model_dump(exclude_none=True)
    return JSONResponse(state, 202, {"Location": f"{JOBS}/{batch.id}"})


def _items(form: Form, max_pixels: int) -> list[Item]:
    """What is to be done with each. Raises a problem for options that make no sense."""
    sent = form.submissions()
    order = order_of(sent[0], max_pixels)  # all have the same options
    orders = [replace(order, picture=one.picture, output=one.output) for one in sent]
    items = [Item(number, *named) for number, named in enumerate(zip(form.names, orders, strict=True), 1)]
    for item in items:
        try:
            with item.order.picture.open("rb") as file:
                check_begins(file.read(SIGNATURE_BYTES))
        except HTTPException as problem:
            item.problem = problem
    return items


@router.get("/{id}", operation_id="job", response_model_exclude_none=True, responses=documented(*OF_JOB))
async def state(request: Request, id: str) -> JobState:
    """What became of a job so far."""
    return JobState.of(_batches(request).find(id))


@router.get(
    "/{id}/events",
    operation_id="job_events",
    response_class=Response,
    responses={
        200: {
            "description": "`file` for each change, with what `files` of the job has then, and `end`; as they come.",
            "content": {events.MEDIA_TYPE: {"schema": Event.model_json_schema()}},
        },
        204: {"description": "All was said up to `Last-Event-ID`, `end` too: do not ask again."},
        **documented(*OF_JOB),
    },
)
async def told(
    request: Request, id: str, had: Annotated[str, Header(alias="Last-Event-ID", description="Go on after it.")] = ""
) -> Response:
    """What becomes of a job, as server-sent events."""
    batch, last = _batches(request).find(id), events.after(had)
    if events.heard_out(batch, last):
        return Response(status_code=204)

    def of_item(item: Item, state: State) -> str:
        return FileState.of(batch, item, state).model_dump_json(exclude_none=True)

    def of_batch() -> str:
        return Ended(id=batch.id, state=batch.state).model_dump_json()

    said = events.stream(batch, last, of_item, of_batch)
    return StreamingResponse(said, headers={"X-Accel-Buffering": "no"}, media_type=events.MEDIA_TYPE)


@router.get(
    "/{id}/files/{number}",
    operation_id="job_file",
    response_class=Response,
    responses={**_PICTURE, **documented(*OF_DONE)},
)
async def file(request: Request, id: str, number: str) -> Response:
    """A picture that is done, as `/v1/restore` answers it."""
    items = _batches(request).find(id).items
    item = next((item for item in items if str(item.number) == number), None)
    if item is None:
        raise refused(404, f"the job has pictures 1 to {len(items)}")
    if item.state != "done" or item.written is None or item.treatment is None:
        raise refused(409, f"picture {item.number} is not done: {item.state}")
    return as_picture(item.written, headers(item.treatment))


class Archive(StreamingResponse):
    """All that a batch has become, which is not deleted meanwhile."""

    def __init__(self, batch: Batch) -> None:
        done = [(item, item.written) for item in batch.items if item.state == "done" and item.written is not None]
        names = archives.apart(archives.outcome_name(item.name, written) for item, written in done)
        files = zip(names, (written for _, written in done), strict=True)
        failures = [f"{item.name}: {_why_not(item)}" for item in batch.items if item.state != "done"]
        self._batch = batch
        said = {"Content-Disposition": 'attachment; filename="restored.zip"'}
        super().__init__(archives.zipped(files, failures), headers=said, media_type=archives.MEDIA_TYPE)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it, part by part."""
        with self._batch.read():
            await super().__call__(scope, receive, send)


def _why_not(item: Item) -> str:
    return item.state if item.problem is None else item.problem.detail


@router.get(
    "/{id}/zip",
    operation_id="job_zip",
    response_class=Response,
    responses={
        200: {
            "description": f"The pictures that are done, and {archives.FAILURES} if there are others.",
            "content": {archives.MEDIA_TYPE: {"schema": {"type": "string", "format": "binary"}}},
        },
        **documented(*OF_DONE),
    },
)
async def archive(request: Request, id: str) -> Response:
    """All pictures of a job that has ended, as one ZIP file."""
    batch = _batches(request).find(id)
    if batch.ended is None:
        raise refused(409, "the job has not ended")
    return Archive(batch)


@router.delete(
    "/{id}", operation_id="job_cancel", status_code=204, response_class=Response, responses=documented(*OF_JOB)
)
async def dismiss(request: Request, id: str) -> Response:
    """Cancel what is not done, and delete all of it."""
    batches = _batches(request)
    batches.dismiss(batches.find(id))
    return Response(status_code=204)
