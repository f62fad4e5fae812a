"""Answers: a restored picture with what was done to it in its headers, or all of it as JSON."""

from __future__ import annotations

import asyncio
import json
from base64 import b64encode
from pathlib import Path
from typing import TYPE_CHECKING, Any

from starlette.responses import JSONResponse, Response

from darnet.images.formats import SUFFIXES
from darnet.jobs.inputs import PART_BYTES

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send

    from darnet.restore.result import Treatment

MEDIA_TYPES = {"bmp": "image/bmp", "ppm": "image/x-portable-anymap", "jp2": "image/jp2", "jxl": "image/jxl"}
#: Characters of a header at most; of a list its first elements.
HEADER_CHARACTERS = 4096


def media_type(path: Path) -> str:
    """Of a picture's file, by its suffix.

    >>> media_type(Path("a.jpg")), media_type(Path("a.pgm"))
    ('image/jpeg', 'image/x-portable-anymap')
    """
    format = SUFFIXES[path.suffix.lower()]
    return MEDIA_TYPES.get(format, f"image/{format}")


def wants_json(accept: str) -> bool:
    """Whether a header `Accept` asks for JSON, and for no picture.

    >>> wants_json("application/json"), wants_json("image/png, application/json"), wants_json("*/*")
    (True, False, False)
    """
    kinds = [part.partition(";")[0].strip().lower() for part in accept.split(",")]
    return "application/json" in kinds and not any(kind.startswith(("image/", "*/")) for kind in kinds)


def headers(treatment: Treatment) -> dict[str, str]:
    """What was done, in headers: the plan and warnings as JSON, kinds that were repaired, and seconds by stage."""
    return {
        "X-Darnet-Plan": _listed([repair.to_dict() for repair in treatment.plan]),
        "X-Darnet-Experts": ", ".join(treatment.experts),
        "X-Darnet-Changed": str(treatment.changed).lower(),
        "X-Darnet-Warnings": _listed(list(treatment.warnings)),
        "Server-Timing": ", ".join(f"{stage};dur={1000 * spent:.1f}" for stage, spent in treatment.stages.items()),
    }


def _listed(values: list[Any]) -> str:
    """As many of them as fit a header."""
    while len(text := json.dumps(values)) > HEADER_CHARACTERS:
        values = values[:-1]
    return text


class Picture(Response):
    """The bytes of a file, which is open and needs not be there any more: a large one is never held."""

    def __init__(self, path: Path, headers: dict[str, str]) -> None:
        self._file = path.open("rb")
        super().__init__(None, 200, {**headers, "Content-Length": str(path.stat().st_size)}, media_type(path))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it, part by part."""
        with self._file as file:
            await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
            while part := await asyncio.to_thread(file.read, PART_BYTES):
                await send({"type": "http.response.body", "body": part, "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})


def as_json(path: Path, treatment: Treatment) -> Response:
    """The picture and what was done to it, as JSON."""
    image = {"media_type": media_type(path), "base64": b64encode(path.read_bytes()).decode()}
    return JSONResponse({"result": treatment.to_dict(), "image": image})
