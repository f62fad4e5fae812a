"""`darnet serve`: pictures by HTTP."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Annotated, TypeAlias

import typer

from darnet.cli import options as o
from darnet.cli.lines import tell
from darnet.registry import optional

Host: TypeAlias = Annotated[
    str, typer.Option("--host", metavar="ADDRESS", help="Where to listen; default: here alone.")
]
Port: TypeAlias = Annotated[int, typer.Option("--port", metavar="N", min=0, max=65535, help="0: any that is free.")]
Workers: TypeAlias = Annotated[
    int, typer.Option("--workers", metavar="N", min=1, help="Processes, each with one picture at a time.")
]
Queue: TypeAlias = Annotated[
    int, typer.Option("--queue", metavar="N", min=0, help="Requests that wait besides; more are refused (429).")
]
Timeout: TypeAlias = Annotated[
    float, typer.Option("--timeout", metavar="SECONDS", help="Of a request; then its work is ended (504).")
]
MaxBytes: TypeAlias = Annotated[
    str, typer.Option("--max-bytes", metavar="SIZE", help="Of a request, such as 100MB; larger ones are refused (413).")
]
MaxPixels: TypeAlias = Annotated[
    int, typer.Option("--max-pixels", metavar="N", min=1, help="Of a picture; larger ones are not decoded (413).")
]
Jobs: TypeAlias = Annotated[
    int, typer.Option("--jobs", metavar="N", min=0, help="At a time, kept ones too; more are refused (429).")
]
JobFiles: TypeAlias = Annotated[
    int, typer.Option("--job-files", metavar="N", min=1, help="Pictures of a job; more are refused (413).")
]
JobBytes: TypeAlias = Annotated[
    str, typer.Option("--job-bytes", metavar="SIZE", help="Of a job in all; larger ones are refused (413).")
]
KeepSeconds: TypeAlias = Annotated[
    float, typer.Option("--keep-seconds", metavar="SECONDS", help="What a job's results are kept for.")
]
Origins: TypeAlias = Annotated[
    list[str] | None,
    typer.Option("--origin", metavar="URL", help="A page's that may ask as well: https://photos.example.org. Repeat."),
]
TokenFile: TypeAlias = Annotated[
    Path | None,
    typer.Option("--token-file", metavar="FILE", help="Holds a token, which every request must bring (401)."),
]


def serve(  # noqa: PLR0913, PLR0917  one parameter an option
    host: Host = "127.0.0.1",
    port: Port = 8000,
    workers: Workers = 1,
    queue: Queue = 16,
    timeout: Timeout = 60.0,
    max_bytes: MaxBytes = "100MB",
    max_pixels: MaxPixels = 100_000_000,
    jobs: Jobs = 8,
    job_files: JobFiles = 200,
    job_bytes: JobBytes = "1GB",
    keep_seconds: KeepSeconds = 600.0,
    token_file: TokenFile = None,
    origins: Origins = None,
    model: o.Model = "darnet",
    device: o.Device = "auto",
    precision: o.Precision = "auto",
    backend: o.Backend = "auto",
    tiles: o.Tile = "auto",
    max_memory: o.MaxMemory = None,
) -> int:
    """Restore pictures that are sent by HTTP. Listens on this machine alone, unless told otherwise."""
    for module in ("fastapi", "uvicorn", "python_multipart", "prometheus_client"):
        optional(module, "serve")
    from darnet.images.budget import bytes_of
    from darnet.service.access import Access, read_token
    from darnet.service.limits import Limits

    token = None if token_file is None else read_token(token_file)
    access = Access(host, token, tuple(origins or ()))
    sizes = {"max_bytes": bytes_of(max_bytes, parameter="max_bytes"), "max_pixels": max_pixels}
    of_jobs = {"jobs": jobs, "job_files": job_files, "job_bytes": bytes_of(job_bytes, parameter="job_bytes")}
    limits = Limits(workers, queue, timeout, **sizes, **of_jobs, keep_seconds=keep_seconds)
    from darnet.service import server
    from darnet.systems.spec import RestorerSpec

    logging.basicConfig(format="darnet: %(message)s")
    run = {"device": device, "precision": precision, "backend": backend, "max_memory": max_memory}
    spec = RestorerSpec.model_validate({"system": model, "tiles": o.tiles_of(tiles), **run})
    spec.settled(workers)  # what is wrong with it is said here, and not by every worker
    server.serve(spec, limits, access, port, lambda url: tell(f"serving {url}"))
    return 0
